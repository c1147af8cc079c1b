"""Ceilings of random machines under random models and workloads: what must hold for all of them, and cases by hand."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import formulas
from roofline.ceilings import GEOMETRIES, unknown_ceilings

H100, GAUDI2 = hs.get("h100-sxm"), hs.get("gaudi-2")
LLAMA = rl.get_llm("llama-3.1-8b")
TINY = 1 + 1e-12  # rounding of sums

# One of each kind: dense, experts, latent attention, sliding windows, experts with windows, layers without attention.
NAMES = (
    "llama-3.1-8b",
    "mixtral-8x7b",
    "deepseek-v2-lite",
    "gemma-2-9b",
    "gpt-oss-20b",
    "llama-3.3-nemotron-super-49b",
)
# Chunks start anew, so that a longer context can be less work: left out where a property is about length.
CHUNKED = "llama-4-scout"
ONE = rl.Layout()
LAYOUTS = (
    ONE,
    rl.Layout(tensor=2),
    rl.Layout(tensor=4, pipeline=2),
    rl.Layout(data=4),
    rl.Layout(tensor=2, pipeline=3, data=2),
    rl.Layout(data=4, expert=4),
    rl.Layout(tensor=2, data=2, expert=4),
)
RATES = (
    "memory_bytes_per_s",
    "link_bytes_per_s",
    "vector_flops_per_s",
    "exp_per_s",
    "on_chip_bytes_per_s",
    "second_tier_bytes_per_s",
)
COSTS = ("vector_flops_per_exp", "link_latency_s", "overhead_s")


@st.composite
def machines(draw):
    def decades(low, high):
        return 10 ** draw(st.floats(low, high))

    peak = decades(13, 16)
    with_units = draw(st.booleans())
    return rl.Machine(
        name="design",
        flops_per_s={"bf16": peak, "fp8": peak * draw(st.floats(1, 2))},
        memory_bytes_per_s=decades(11, 13.5),
        memory_bytes=decades(9.5, 12),
        link_bytes_per_s=decades(9, 12),
        vector_flops_per_s=decades(11, 14),
        exp_per_s=decades(10, 13) if with_units else None,
        vector_flops_per_exp=None if with_units else decades(0, 2),
        vector_overlaps=draw(st.booleans()),
        on_chip_bytes_per_s=decades(11.5, 14),
        second_tier_bytes_per_s=decades(9, 12),
        link_latency_s=decades(-7, -5),
        link_topology=draw(st.sampled_from(["switch", "mesh", "ring", "torus", "pcie", None])),
        link_domain=8,
        tile=draw(st.sampled_from([(8, 64, 32), (128, 128, None), (16, 16, 64), (1, 1, None)])),
        units=draw(st.sampled_from([2, 16, 132])),
        clock_hz=1.5e9,
        output_tiles=((128, 128), (256, 64), (64, 256)),
        operand_bytes_per_clock=draw(st.sampled_from([None, 64, 512])),
        efficiency={"matrix": draw(st.floats(0.1, 1)), "memory": draw(st.floats(0.1, 1)), "link": 0.7},
        overhead_s=draw(st.sampled_from([0.0, 3e-6])),
    )


@st.composite
def workloads(draw, names=NAMES):
    llm = rl.get_llm(draw(st.sampled_from(names)))
    layout = draw(st.sampled_from(LAYOUTS if llm.moe is not None else LAYOUTS[:-2]))
    phase = draw(st.sampled_from(["prefill", "decode"]))
    options = {
        "batch": draw(st.integers(1, 300)),
        "precision": draw(st.sampled_from(["bf16", "fp8", "fp8-dynamic", "fp8-kv8", "w8a16", "w4a16"])),
        "layout": layout,
        "fusion": draw(st.sampled_from(["fused", "none", "layer"])),
        "geometry": draw(st.sampled_from(GEOMETRIES)),
        "overlap": draw(st.sampled_from(["operation", "communication", "perfect"])),
        "offload": draw(st.sampled_from([0.0, 0.25, 1.0])),
        "routing_skew": draw(st.sampled_from([0.0, 0.8])) if llm.moe is not None else 0.0,
    }
    if phase == "decode":
        options |= {"context_tokens": draw(st.integers(1, 8000)), "new_tokens": draw(st.integers(1, 6))}
    else:
        options |= {"prompt_tokens": draw(st.integers(1, 6000)), "cached_tokens": draw(st.integers(0, 2000))}
    return phase, llm, options


def estimate(workload, machine, **changes):
    phase, llm, options = workload
    return getattr(rl, phase)(llm, machine, **(options | changes))


# --- properties


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_switching_a_ceiling_off_never_slows(workload, machine):
    # property: a maximum, and a sum, over fewer terms.
    whole = estimate(workload, machine).time_s
    for name in rl.CEILINGS:
        assert estimate(workload, machine, without=name).time_s <= whole * TINY, name
        assert name not in estimate(workload, machine, without=name).ceiling_times_s


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_each_geometry_contains_the_one_before(workload, machine):
    # property: padding adds to the FLOPs, and whole output tiles of all units to padding.
    machine = machine.replace(tile=(8, 64, 32))  # which the output tiles are multiples of
    times = [estimate(workload, machine, geometry=name).time_s for name in ("none", "padding", "waves")]
    assert times[0] <= times[1] * TINY
    assert times[1] <= times[2] * TINY


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_more_overlap_is_never_slower(workload, machine):
    # property: what may hide behind more can only end sooner.
    times = {o: estimate(workload, machine, overlap=o).time_s for o in ("perfect", "communication", "operation")}
    assert times["communication"] <= times["operation"] * TINY
    assert times["perfect"] <= times["operation"] * TINY


@settings(deadline=None, max_examples=40)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_perfect_overlap_hides_all_that_communication_overlap_hides(workload, machine):
    # property: messages that hide behind the other operations, latency and all, hide behind the whole phase too.
    perfect, communication = (estimate(workload, machine, overlap=o).time_s for o in ("perfect", "communication"))
    assert perfect <= communication * TINY


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_less_fusion_is_never_faster_and_moves_no_fewer_bytes(workload, machine):
    # property: an operation apart has the same arithmetic, and reads and writes what it worked on beside.
    none, fused, layer = (estimate(workload, machine, fusion=name) for name in ("none", "fused", "layer"))
    assert none.time_s * TINY >= fused.time_s
    assert none.bytes > fused.bytes > layer.bytes
    assert none.flops == fused.flops == layer.flops
    assert fused.time_s * TINY >= layer.time_s


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_operations_and_ceilings_sum_to_the_phase(workload, machine):
    # property: a breakdown sums to its total, and a phase lies between its slowest ceiling and the sum of them.
    e = estimate(workload, machine, overlap="operation")
    for name in ("time_s", "flops", "bytes"):
        assert sum(getattr(o, name) for o in e.operations) == pytest.approx(getattr(e, name), rel=1e-12)
    for name, time_s in e.ceiling_times_s.items():
        assert sum(o.ceiling_times_s.get(name, 0.0) for o in e.operations) == pytest.approx(time_s, rel=1e-12)
        assert time_s <= e.time_s * TINY
    assert e.time_s <= sum(e.ceiling_times_s.values()) * TINY
    assert e.ceiling_times_s[str(e.bound)] == max(e.ceiling_times_s.values())


@settings(deadline=None, max_examples=80)
@given(workloads(), machines(), st.data())
def test_more_work_is_never_faster(workload, machine, data):
    # property: of batch, context, prompt, cached and new tokens, one more costs no less.
    growing = [name for name in workload[2] if name == "batch" or name.endswith("_tokens")]
    name = data.draw(st.sampled_from(growing))
    more = workload[2][name] + data.draw(st.integers(1, 60))
    assume(more + workload[2].get("cached_tokens", 0) <= workload[1].max_context)
    slower = estimate(workload, machine, **{name: more}).time_s
    assert slower * TINY >= estimate(workload, machine).time_s, (name, workload[2][name], more)


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines(), st.floats(1.01, 10))
def test_a_better_machine_is_never_slower(workload, machine, factor):
    # property: in every rate, and the other way round in every latency and cost.
    time_s = estimate(workload, machine).time_s

    def with_other(name, by):
        return estimate(workload, machine.replace(**{name: getattr(machine, name) * by})).time_s

    for name in RATES:
        if getattr(machine, name) is not None:
            assert with_other(name, factor) <= time_s * TINY, name
    for name in COSTS:
        if getattr(machine, name) is not None:
            assert with_other(name, factor) * TINY >= time_s, name
    for name in machine.flops_per_s:
        faster = machine.replace(flops_per_s={**machine.flops_per_s, name: factor * machine.flops_per_s[name]})
        assert estimate(workload, faster).time_s <= time_s * TINY
    for name in set(rl.CEILINGS) - {"walk", "latency", "overhead"}:  # these are times, not rates
        worse = machine.replace(efficiency={**machine.efficiency, name: machine.efficiency.get(name, 1) / factor})
        assert estimate(workload, worse).time_s * TINY >= time_s, name


@settings(deadline=None, max_examples=40)
@given(workloads((*NAMES, CHUNKED)), machines(), st.data())
def test_arrays_equal_the_loop(workload, machine, data):
    # property: for every rate of the machine, and every argument that may be an array.
    machine_fields = [name for name in (*RATES, *COSTS, "memory_bytes") if getattr(machine, name) is not None]
    arguments = [name for name in workload[2] if name in ("batch", "offload") or name.endswith("_tokens")]
    name = data.draw(st.sampled_from([*machine_fields, *arguments, "flops_per_s", "efficiency"]))
    factors = np.array([1.0, 0.5, 3.0])
    if name in arguments:
        value = workload[2][name]
        values = np.array([value, max(value // 2, 1), value + 7]) if name != "offload" else np.array([0.0, 0.5, 1.0])
        sweep = estimate(workload, machine, **{name: values})
        loop = [estimate(workload, machine, **{name: v}) for v in values]
    else:

        def other(by):
            value = getattr(machine, name)
            if name == "efficiency":
                return machine.replace(efficiency={key: 0.3 * share * by for key, share in value.items()})
            if name == "flops_per_s":
                return machine.replace(flops_per_s={key: rate * by for key, rate in value.items()})
            return machine.replace(**{name: value * by})

        sweep, loop = estimate(workload, other(factors)), [estimate(workload, other(by)) for by in factors]
    for attribute in ("time_s", "tokens_per_s", "tflops", "mfu"):
        expected = [getattr(one, attribute) for one in loop]
        np.testing.assert_allclose(getattr(sweep, attribute), expected, rtol=1e-12, err_msg=f"{name} {attribute}")
    for attribute in ("flops", "bytes", "memory_bytes", "intensity", "fits"):
        got = np.broadcast_to(getattr(sweep, attribute), (3,))
        np.testing.assert_allclose(got, [getattr(one, attribute) for one in loop], rtol=1e-12, err_msg=attribute)
    assert sweep.bound.tolist() == [str(one.bound) for one in loop]
    assert sweep.shape == (3,)


@settings(deadline=None, max_examples=40)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_offloaded_weights_only_change_place(workload, machine):
    # property: what main memory no longer reads, the second tier does, at its own rate.
    machine = machine.replace(efficiency={})
    kept, half, away = (estimate(workload, machine, offload=share) for share in (0.0, 0.5, 1.0))
    assert "second_tier" not in kept.ceiling_times_s
    read = {e: e.ceiling_times_s["memory"] * machine.memory_bytes_per_s for e in (kept, half, away)}
    spilled = {e: e.ceiling_times_s["second_tier"] * machine.second_tier_bytes_per_s for e in (half, away)}
    assert read[half] + spilled[half] == pytest.approx(read[kept], rel=1e-12)
    assert read[away] + spilled[away] == pytest.approx(read[kept], rel=1e-12)
    assert spilled[half] == pytest.approx(spilled[away] / 2, rel=1e-12)
    assert kept.flops == half.flops == away.flops
    assert kept.bytes == away.bytes


@settings(deadline=None, max_examples=60)
@given(workloads((*NAMES, CHUNKED)), machines())
def test_automatic_offload_moves_what_does_not_fit_and_no_more(workload, machine):
    # property: with a second tier without end, it fits whenever the cache alone does.
    e = estimate(workload, machine, offload="auto")
    share, use = float(e.ceilings.offload), e.memory
    assert 0 <= share <= 1
    if use.kv_cache < machine.memory_bytes:
        assert e.fits
    if estimate(workload, machine, offload=0.0).fits:
        assert share == 0
    elif use.kv_cache < machine.memory_bytes:
        assert use.held - share * use.weights == pytest.approx(machine.memory_bytes, rel=1e-9)


# --- by hand


def by_name(e):
    return {operation.name: operation for operation in e.operations}


def test_unknown_rates_are_absent_and_said():
    # hand: a machine that gives nothing but peak and bandwidth.
    bare = rl.Machine(name="bare", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    d = rl.decode(LLAMA, bare, batch=4, context_tokens=100)
    assert set(d.ceiling_times_s) == {"matrix", "memory"}
    assert {"vector", "special"} <= set(d.unknown)
    for name, rate in (("vector", "vector_flops_per_s"), ("special", "exp_per_s")):
        assert rate in d.unknown[name]
        assert "bare" in d.unknown[name]
        assert d.unknown[name] in " ".join(d.warnings)
    # Switched off is not missed.
    assert not {"vector", "special"} & set(
        rl.decode(LLAMA, bare, batch=4, context_tokens=100, without=("vector", "special")).unknown
    )
    linked = bare.replace(link_bytes_per_s=1e11)
    assert "latency" in rl.decode(LLAMA, linked, batch=4, context_tokens=100, tensor_parallel=2).unknown
    assert "latency" not in d.unknown
    full = bare.replace(vector_flops_per_s=1e13, exp_per_s=1e12, on_chip_bytes_per_s=1e13)
    assert rl.decode(LLAMA, full, batch=4, context_tokens=100).unknown == {}


def test_an_unknown_on_chip_rate_is_said_where_activations_stay_on_the_chip():
    # hand: with fusion="layer" activations leave main memory's traffic; without an on-chip rate they cost nothing.
    bare = rl.Machine(
        name="bare", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, vector_flops_per_s=1e13, exp_per_s=1e12
    )
    assert "on_chip" in rl.decode(LLAMA, bare, batch=4, context_tokens=100, fusion="layer").unknown


def test_efficiencies_of_ceilings_that_there_are_not_are_refused():
    # hand: a typo must not be ignored in silence.
    with pytest.raises(ValueError, match="memry"):
        rl.Machine(name="typo", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, efficiency={"memry": 0.5})


@pytest.mark.parametrize("overlap", ["operation", "communication", "perfect"])
def test_without_any_ceiling_there_is_no_bound(overlap):
    # hand: nothing limits, so that there is no time: an error, not infinitely many tokens per second.
    with pytest.raises(ValueError, match="without"):
        rl.decode(LLAMA, H100, batch=1, context_tokens=1, without=rl.CEILINGS, overlap=overlap)


def test_waves_need_output_tiles_or_say_that_they_are_unknown():
    # hand: a machine with a tile to pad to and no output tiles is legal, and has a time.
    padded = rl.Machine(name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, tile=(8, 64, 32))
    d = rl.decode(LLAMA, padded, batch=1, context_tokens=1, geometry="waves")
    assert d.time_s == rl.decode(LLAMA, padded, batch=1, context_tokens=1, geometry="padding").time_s
    assert "waves" in d.unknown


def test_exponentials_of_decode_by_hand():
    # hand: Kim VI-C. Softmax: one per query head, layer, sequence and cached token; SiLU: one per MLP column.
    machine = rl.Machine(
        name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, vector_flops_per_s=1e13, exp_per_s=1e12
    )
    d = rl.decode(LLAMA, machine, batch=64, context_tokens=2048)
    assert by_name(d)["attention"].ceiling_times_s["special"] == pytest.approx(32 * 32 * 64 * 2048 / 1e12)
    assert by_name(d)["mlp_up"].ceiling_times_s["special"] == pytest.approx(32 * 64 * 14336 / 1e12)
    # Softmax also has four vector FLOPs a score, beside the exponential.
    assert by_name(d)["attention"].ceiling_times_s["vector"] == pytest.approx(4 * 32 * 32 * 64 * 2048 / 1e13)


def test_exponentials_of_prefill_by_hand():
    # hand: half of the square of scores, for each head and layer.
    machine = rl.Machine(
        name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, vector_flops_per_s=1e13, exp_per_s=1e12
    )
    p = rl.prefill(LLAMA, machine, batch=2, prompt_tokens=1000)
    assert by_name(p)["attention"].ceiling_times_s["special"] == pytest.approx(32 * 32 * 2 * 1000**2 / 2 / 1e12)


def test_gaudi_has_no_special_function_units_and_pays_on_its_vector_units():
    # hand: Gaudi 2's 11 TFLOPS of BF16 vectors (Kim Table VI's machine); 30 FLOPs an exponential, and 4 for the rest.
    d = rl.decode(LLAMA, GAUDI2, batch=64, context_tokens=2048)
    attention = by_name(d)["attention"]
    assert "special" not in d.ceiling_times_s
    assert "special" not in d.unknown
    vectors = GAUDI2.vector_tflops.bf16 * 1e12
    scores = 32 * 32 * 64 * 2048
    assert attention.ceiling_times_s["vector"] == pytest.approx(scores * (4 + 30) / vectors, rel=1e-12)
    # Kim VI-C's what-if: look-up tables with an exponential per four FLOPs.
    tables = rl.Machine.of(GAUDI2).replace(vector_flops_per_exp=4.0)
    faster = by_name(rl.decode(LLAMA, tables, batch=64, context_tokens=2048))["attention"]
    assert faster.ceiling_times_s["vector"] == pytest.approx(scores * (4 + 4) / vectors, rel=1e-12)
    # Exponentials for nothing leave the arithmetic.
    free = by_name(rl.decode(LLAMA, GAUDI2, batch=64, context_tokens=2048, without="special"))["attention"]
    assert free.ceiling_times_s["vector"] == pytest.approx(scores * 4 / vectors, rel=1e-12)


def test_a_special_unit_takes_exponentials_off_the_vector_units():
    # hand: with exp_per_s the vectors do the rest only, whatever vector_flops_per_exp says.
    machine = rl.Machine.of(GAUDI2).replace(exp_per_s=1e12)
    attention = by_name(rl.decode(LLAMA, machine, batch=64, context_tokens=2048))["attention"]
    scores = 32 * 32 * 64 * 2048
    assert attention.ceiling_times_s["special"] == pytest.approx(scores / 1e12)
    assert attention.ceiling_times_s["vector"] == pytest.approx(scores * 4 / (GAUDI2.vector_tflops.bf16 * 1e12))


@settings(deadline=None, max_examples=30)
@given(workloads(), machines())
def test_vectors_that_do_not_overlap_add_to_the_matrix_engine(workload, machine):
    # hand: per operation max(matrix + vector + special, others) instead of the maximum of all.
    apart = estimate(workload, machine.replace(vector_overlaps=False), overlap="operation")
    beside = estimate(workload, machine.replace(vector_overlaps=True), overlap="operation")
    assert apart.time_s * TINY >= beside.time_s
    for operation in apart.operations:
        times = dict(operation.ceiling_times_s)
        on_top = times.pop("latency", 0.0) + times.pop("overhead", 0.0)
        serial = sum(times.pop(name, 0.0) for name in ("matrix", "vector", "special"))
        assert operation.time_s == pytest.approx(max([serial, *times.values()]) + on_top, rel=1e-12)


LINEAR = {"qkv", "output", "mlp_up", "mlp_down", "experts_up", "experts_down", "shared_up", "shared_down"}
LINEAR |= {"q_down", "q_up", "kv_down", "kv_up"}


@settings(deadline=None, max_examples=40)
@given(workloads(("llama-3.1-8b", "mixtral-8x7b", "gemma-2-9b")), machines())
def test_dynamic_scaling_is_one_more_read_of_each_input(workload, machine):
    # hand: Kim III-C. The largest magnitude of a row must be known before it can be scaled, so that the BF16 input of
    # each FP8 layer is read once more; one comparison per element.
    fixed = estimate(workload, machine, precision="fp8", fusion="fused", layout=ONE)
    dynamic = estimate(workload, machine, precision="fp8-dynamic", fusion="fused", layout=ONE)
    assert dynamic.time_s * TINY >= fixed.time_s
    assert dynamic.flops == fixed.flops
    for one, other in zip(fixed.operations, dynamic.operations, strict=True):
        inputs = 0.0
        if one.name in LINEAR:
            (product,) = one.operation.products
            inputs = one.layers * one.operation.work * product.k
        assert other.bytes - one.bytes == pytest.approx(2 * inputs, rel=1e-9)
        assert other.operation.vector_flops - one.operation.vector_flops == pytest.approx(inputs, rel=1e-9)


def test_a_narrow_cache_is_widened_on_the_vector_units():
    # hand: KV8 multiplies each of the 2·8·128 cached values of a token and layer by a scale: vector work, no FLOPs of
    # the model; and halves the reads.
    wide, narrow = (rl.decode(LLAMA, H100, batch=4, context_tokens=1000, precision=p) for p in ("fp8", "fp8-kv8"))
    one, other = by_name(wide)["attention"].operation, by_name(narrow)["attention"].operation
    values = 32 * 2 * 8 * 128 * 4 * 1000
    assert other.vector_flops - one.vector_flops == values
    assert other.kv_bytes == one.kv_bytes / 2 == values
    assert narrow.flops == wide.flops


@pytest.mark.parametrize("precision", ["w8a16", "w4a16"])
def test_narrow_weights_are_widened_on_the_vector_units(precision):
    # hand: one multiplication for each weight, however many rows there are; the head stays BF16.
    plain, narrow = (rl.decode(LLAMA, H100, batch=4, context_tokens=1000, precision=p) for p in ("bf16", precision))
    assert narrow.flops == plain.flops
    h, ff = 4096, 14336
    weights = {"qkv": h * (h + 2048), "output": h * h, "mlp_up": 2 * h * ff, "mlp_down": h * ff, "lm_head": 0}
    for name, count in weights.items():
        more = by_name(narrow)[name].operation.vector_flops - by_name(plain)[name].operation.vector_flops
        assert more == 32 * count
    # FP8 weights that the FP8 engine multiplies need no widening.
    fp8 = by_name(rl.decode(LLAMA, H100, batch=4, context_tokens=1000, precision="fp8"))["mlp_down"].operation
    assert fp8.vector_flops - by_name(plain)["mlp_down"].operation.vector_flops == 32 * 4 * ff * 2  # scale and convert


def test_nothing_fused_by_hand():
    # hand: one row of Llama 3.1 8B, BF16, per layer: two norms (h in, h out), rotary on queries and keys, two residuals
    # (2h in, h out), a gate (2i in, i out); one norm before the head.
    fused, none = (rl.decode(LLAMA, H100, batch=1, context_tokens=1, fusion=f) for f in ("fused", "none"))
    h, ff, rotated = 4096, 14336, (32 + 8) * 128
    moved = 32 * (2 * 2 * h + 2 * rotated + 2 * 3 * h + 3 * ff) + 2 * h
    assert none.bytes - fused.bytes == 2 * moved
    names = [o.name for o in none.operations]
    assert names.count("norm") == 3
    assert {"norm", "rotary", "gate", "residual"} == set(names) - {o.name for o in fused.operations}
    # sibling: the same element-wise arithmetic, whether apart or beside.
    for count in ("vector_flops", "exponentials"):
        totals = [sum(getattr(o.operation, count) for o in e.operations) for e in (fused, none)]
        assert totals[0] == pytest.approx(totals[1], rel=1e-12)


def test_a_layer_as_one_kernel_keeps_activations_on_the_chip():
    # hand: weights and cache are all that main memory sees; the on-chip memory sees everything.
    fused, layer = (rl.decode(LLAMA, H100, batch=8, context_tokens=100, fusion=f) for f in ("fused", "layer"))
    counted = [o.operation for o in layer.operations]
    assert sum(o.activation_bytes for o in counted) == 0
    assert layer.bytes == sum(o.weight_bytes + o.kv_bytes for o in (e.operation for e in fused.operations))
    machine = rl.Machine(name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, on_chip_bytes_per_s=1e13)
    a, b = (
        rl.decode(LLAMA, machine, batch=8, context_tokens=100, fusion=f).ceiling_times_s["on_chip"]
        for f in ("fused", "layer")
    )
    assert a == pytest.approx(b, rel=1e-12) == fused.bytes / 1e13


def test_overhead_and_latency_come_on_top_by_hand():
    # hand: five operations in each of 32 layers and the head, 10 µs each; two all-reduces a layer of two exchanges.
    plain = rl.Machine(
        name="m",
        flops_per_s={"bf16": 1e15},
        memory_bytes_per_s=1e12,
        link_bytes_per_s=1e11,
        link_latency_s=1e-6,
        link_topology="switch",
    )
    slow = plain.replace(overhead_s=1e-5)
    difference = (
        rl.decode(LLAMA, slow, batch=1, context_tokens=1).time_s
        - rl.decode(LLAMA, plain, batch=1, context_tokens=1).time_s
    )
    assert difference == pytest.approx((5 * 32 + 1) * 1e-5, rel=1e-9)
    two = rl.decode(LLAMA, plain, batch=1, context_tokens=1, tensor_parallel=2)
    assert two.ceiling_times_s["latency"] == pytest.approx(2 * 32 * 2e-6)
    # A ring of four: six messages, one after the other, per all-reduce.
    ring = rl.decode(LLAMA, plain.replace(link_topology="ring"), batch=1, context_tokens=1, tensor_parallel=4)
    assert ring.ceiling_times_s["latency"] == pytest.approx(2 * 32 * 6e-6)


def test_padding_of_a_thin_product_by_hand():
    # hand: one row on an engine of 8 × 64 tiles pays for eight; 4096 and 14336 are multiples of 64. At 8 none is lost.
    machine = rl.Machine(name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, tile=(8, 64, 32))
    for batch, share in ((1, 1 / 8), (8, 1.0), (9, 9 / 16)):
        up = by_name(rl.decode(LLAMA, machine, batch=batch, context_tokens=1))["mlp_up"]
        assert up.matrix_utilisation == pytest.approx(share, rel=1e-12)
        expected = formulas.padded_gemm_flops(m=batch, k=4096, n=2 * 14336, tile_thin=8, tile_wide=64, tile_k=16)
        assert up.ceiling_times_s["matrix"] == pytest.approx(32 * expected / 1e15, rel=1e-12)
    # Attention has no rows but the group of query heads that share a cache: four of eight.
    attention = by_name(rl.decode(LLAMA, machine, batch=64, context_tokens=1000))["attention"]
    assert attention.matrix_utilisation == pytest.approx(0.5, rel=1e-12)


def test_names_of_ceilings_geometries_and_overlaps_are_checked():
    for options in ({"without": "memroy"}, {"geometry": "tiles"}, {"fusion": "some"}, {"offload": "all"}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} = "):
            rl.decode(LLAMA, H100, batch=1, context_tokens=1, **options)
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="offload"):
            rl.decode(LLAMA, H100, batch=1, context_tokens=1, offload=share)
    bare = rl.Machine(name="bare", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    with pytest.raises(ValueError, match=r"bare gives no bandwidth of a second tier"):
        rl.decode(LLAMA, bare, batch=1, context_tokens=1, offload=0.5)
    with pytest.raises(ValueError, match=r"bare gives no memory_bytes"):
        rl.decode(LLAMA, bare, batch=1, context_tokens=1, offload="auto")


def test_a_layer_in_one_kernel_starts_once():
    # hand: 32 layers and the LM head, at 10 µs each; fused products start 5 times a layer.
    slow = rl.Machine.of(hs.get("h100-sxm")).replace(overhead_s=1e-5)
    llm = rl.get_llm("llama-3.1-8b")
    starts = {
        fusion: rl.decode(llm, slow, batch=1, context_tokens=512, fusion=fusion).ceiling_times_s["overhead"] / 1e-5
        for fusion in ("layer", "fused")
    }
    assert starts == pytest.approx({"layer": 33, "fused": 161})


def test_an_estimate_with_losses_says_so():
    # property: the word "ideal" stands only where nothing is lost, so that unlike kinds are never compared.
    llm, h100 = rl.get_llm("llama-3.1-8b"), rl.Machine.of(hs.get("h100-sxm"))
    kinds = [
        rl.decode(llm, machine, batch=1, context_tokens=512).kind
        for machine in (h100, h100.replace(overhead_s=1e-6), h100.replace(efficiency={"memory": 0.9}))
    ]
    assert kinds == ["ideal roofline", "roofline with losses", "roofline with losses"]


def test_a_link_that_is_switched_off_need_not_be_known():
    # property: sixteen SN40L, whose link nobody publishes, are sixteen times one of them without it.
    sn40l = hs.get("sn40l")
    llm = rl.get_llm("llama-3.1-8b")
    with pytest.raises(hs.UnknownValueError, match="scale_up"):
        rl.decode(llm, sn40l, batch=1, context_tokens=512, tensor_parallel=16)
    free = rl.decode(llm, sn40l, batch=1, context_tokens=512, tensor_parallel=16, without=("link", "latency"))
    one = rl.decode(llm, sn40l, batch=1, context_tokens=512)
    assert one.time_s / 16 < free.time_s < one.time_s / 8


def test_a_batch_beyond_the_compiled_ones_is_warned_of():
    # published: Brunetta IV-C, artifacts for batches of 1 to 8.
    llm, cs3 = rl.get_llm("llama-3.1-8b"), hs.get("cs-3")
    assert any("above 8" in text for text in rl.decode(llm, cs3, batch=9, context_tokens=10).warnings)
    assert not any("above" in text for text in rl.decode(llm, cs3, batch=8, context_tokens=10).warnings)


def test_offloaded_weights_never_vanish():
    # property: an array-level step without a second tier names what is missing, and takes only shares from 0 to 1.
    llm = rl.get_llm("llama-3.1-8b")
    bare = rl.Machine(name="bare", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    step = rl.decode_operations(llm, batch=1.0, context_tokens=10.0, precision=rl.policy("bf16"))
    away = rl.Ceilings(offload=1.0)
    assert "second_tier" in unknown_ceilings(step, bare, ceilings=away)
    for share in (5.0, float("nan"), -0.1):
        with pytest.raises(ValueError, match="offload"):
            rl.Ceilings(offload=share)


def test_the_second_tier_is_finite():
    # hand: 16 GB of weights do not go into 5 GB and 1 GB, whichever door is taken.
    llm = rl.get_llm("llama-3.1-8b")
    small = rl.Machine(
        name="small",
        flops_per_s={"bf16": 1e15},
        memory_bytes_per_s=1e12,
        memory_bytes=5e9,
        second_tier_bytes=1e9,
        second_tier_bytes_per_s=1e11,
    )
    d = rl.decode(llm, small, batch=1, context_tokens=10, offload="auto")
    assert not d.fits
    with pytest.raises(rl.OutOfMemoryError, match="second tier"):
        d.require_fit()
    assert "does NOT fit" in repr(d)


@pytest.mark.parametrize("fusion", ["fused", "none", "layer"])
@pytest.mark.parametrize("name", ["deepseek-r1", "mixtral-8x7b", "gemma-2-9b"])
def test_nothing_infinite_leaves_an_operation(fusion, name):
    # property: every figure of every operation is finite, collectives and switched-off ceilings included.
    machine = rl.Machine.of(hs.get("h200-sxm"))
    for without in ((), ("link", "latency"), ("vector", "special", "memory")):
        p = rl.prefill(rl.get_llm(name), machine, prompt_tokens=64, tensor_parallel=2, fusion=fusion, without=without)
        for operation in p.operations:
            for field in ("intensity", "tflops", "time_s", "matrix_utilisation"):
                assert np.isfinite(getattr(operation, field)), (operation.name, field)
            assert str(operation.bound)
        assert p._repr_html_()
    assert rl.phase_time_s([], machine) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tile", (8, float("nan"))),
        ("tile", (0, 0)),
        ("units", 0),
        ("clock_hz", -1.0),
        ("operand_bytes_per_clock", 0),
        ("output_tiles", ((0, 0),)),
        ("link_domain", 0),
        ("vector_overlaps", "no"),
    ],
)
def test_the_geometry_of_a_machine_is_checked(field, value):
    # property: what decides a time is above 0 and finite, or refused by its name.
    with pytest.raises(ValueError, match=field):
        rl.Machine.of(hs.get("h100-sxm")).replace(**{field: value})


def test_a_mesh_gives_a_pipeline_one_link():
    # hand: an MI300X reaches one of seven peers over a seventh of its links.
    d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("mi300x"), batch=64, context_tokens=100, pipeline_parallel=2)
    send = next(operation for operation in d.operations if operation.name == "send")
    one_way = hs.get("mi300x").scale_up_bytes_per_s / 7
    # 64 rows of 4096 BF16 numbers cross one boundary; the two micro-batches of 32 follow one another.
    assert send.ceiling_times_s["link"] == pytest.approx(64 * 4096 * 2 / 2 / one_way, rel=1e-12)


def test_unfused_experts_read_each_output_and_the_residual_once():
    # hand: Mixtral, 64 rows: 2 expert outputs and the residual in, the sum out, of 4096 BF16 numbers, in 32 layers.
    d = rl.decode(rl.get_llm("mixtral-8x7b"), hs.get("h200-sxm"), batch=64, context_tokens=10, fusion="none")
    after_experts = [o for o in d.operations if o.name == "residual"][-1]
    assert after_experts.bytes == 32 * 64 * 4096 * 2 * (2 + 1 + 1)


def test_absorbed_weights_are_converted_too():
    # hand: R1's 61 layers hold 128 heads of 128 × 512 weights each, all converted from FP8 once a step.
    d = rl.decode(rl.get_llm("deepseek-r1"), hs.get("h200-sxm"), batch=1, context_tokens=10, precision="w8a16")
    absorbed = sum(float(o.operation.fixed.vector_flops) for o in d.operations if o.name == "absorb_k")
    assert absorbed == 61 * 128 * 128 * 512


def test_a_machine_and_its_estimates_can_be_pickled():
    # property: what goes to another process comes back the same.
    machine = rl.Machine.of(hs.get("h100-sxm")).replace(efficiency={"memory": 0.9})
    again = pickle.loads(pickle.dumps(machine))
    assert again == machine
    assert again.peak_flops("fp8") == machine.peak_flops("fp8")
    d = rl.decode(rl.get_llm("llama-3.1-8b"), machine, batch=8, context_tokens=100)
    assert pickle.loads(pickle.dumps(d)).time_s == d.time_s


def test_lengths_may_come_from_an_iterator():
    # property: any iterable of whole numbers, and nothing else.
    assert rl.Lengths(x for x in (1, 2)).values == (1.0, 2.0)
    for wrong in (np.array(5), "12", 5, None, [], [True]):
        with pytest.raises(ValueError, match="values"):
            rl.Lengths(wrong)
