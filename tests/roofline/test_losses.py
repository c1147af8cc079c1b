"""Losses of a machine: each only slows, none is the ideal, and each does by hand what it says."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline.ceilings import OVERLAPS, ceiling_times_s, operation_time_s, phase_time_s
from roofline.operations import KINDS, Counts, Operation

H100 = rl.Machine.of(hs.get("h100-sxm"))
LLAMA, MIXTRAL = rl.get_llm("llama-3.1-8b"), rl.get_llm("mixtral-8x7b")
EXACT = 1 + 1e-12  # rounding of sums

# 2 ms of products and 3 ms of memory on a round machine: 1e15 FLOP/s and 1e12 byte/s.
ROUND = rl.Machine(name="round", flops_per_s={"bf16": 1e15, "fp8": 2e15}, memory_bytes_per_s=1e12)


def operation(kind="linear", precision="bf16", **changes):
    counts = changes.pop("counts", Counts(flops=2e12, weight_bytes=3e9))
    return Operation(name=kind, kind=kind, layers=4, precision=precision, fixed=counts, launches=4, **changes)


# A loss, how it gets worse, and what it slows.
share, seconds = st.floats(0.05, 1), st.floats(0, 1e-3)
LOSSES = {
    "efficiency": st.dictionaries(
        st.sampled_from(
            (
                "matrix",
                "memory",
                "vector",
                "special",
                "link",
                "matrix:bf16",
                "memory:attention",
                "memory:linear",
                "matrix:linear:bf16",
                "matrix:experts",
                "memory:head",
                "link:collective",
                "vector:elementwise",
            )
        ),
        share,
        max_size=4,
    ),
    "overhead_s": seconds,
    "kind_overhead_s": st.dictionaries(st.sampled_from(KINDS), seconds, max_size=3),
    "sharpness": st.dictionaries(st.sampled_from(KINDS), st.floats(1, 50), max_size=3),
    "kv_reread": st.floats(0, 1),
    "walk_s": st.floats(0, 1e-6),
    "step_s": st.floats(0, 1e-2),
    "sequence_s": st.floats(0, 1e-4),
}
WORSE = {
    "efficiency": lambda value: {name: 0.7 * each for name, each in value.items()},
    "overhead_s": lambda value: value + 1e-6,
    "kind_overhead_s": lambda value: {name: each + 1e-6 for name, each in value.items()},
    "sharpness": lambda value: {name: max(1.0, 0.7 * each) for name, each in value.items()},
    "kv_reread": lambda value: value + 0.1,
    "walk_s": lambda value: value + 1e-9,
    "step_s": lambda value: value + 1e-4,
    "sequence_s": lambda value: value + 1e-6,
}


@st.composite
def workloads(draw):
    llm = draw(st.sampled_from([LLAMA, MIXTRAL]))
    layouts = [rl.Layout(), rl.Layout(tensor=2), rl.Layout(tensor=2, pipeline=2), rl.Layout(data=2)]
    options = {
        "batch": draw(st.integers(1, 200)),
        "precision": draw(st.sampled_from(["bf16", "fp8", "w4a16"])),
        "layout": draw(st.sampled_from(layouts)),
        "overlap": draw(st.sampled_from(OVERLAPS)),
        "fusion": draw(st.sampled_from(["fused", "none", "layer"])),
        "geometry": draw(st.sampled_from(["padding", "waves", "none"])),
    }
    if draw(st.booleans()):
        return rl.decode, llm, options | {"context_tokens": draw(st.integers(1, 8000))}
    return rl.prefill, llm, options | {"prompt_tokens": draw(st.integers(1, 4000))}


def time_s(workload, machine):
    phase, llm, options = workload
    return phase(llm, machine, **options).time_s


losses = st.fixed_dictionaries({}, optional=LOSSES)


# --- properties


@settings(deadline=None, max_examples=60)
@given(workloads(), losses, st.booleans())
def test_losses_only_slow_and_each_worse_one_slows_more(workload, lost, overlaps):
    # property: of every loss alone beside all the others, whatever may overlap.
    ideal = H100.replace(vector_overlaps=overlaps)
    machine = ideal.replace(**lost)
    whole = time_s(workload, machine)
    assert whole * EXACT >= time_s(workload, ideal)
    for name, value in lost.items():
        assert time_s(workload, machine.replace(**{name: WORSE[name](value)})) * EXACT >= whole, name


@settings(deadline=None, max_examples=40)
@given(workloads(), losses)
def test_more_overlap_is_never_slower_with_losses(workload, lost):
    # property: what may hide behind more can only end sooner.
    phase, llm, options = workload
    machine = H100.replace(**lost)
    perfect, communication, operation_ = (
        phase(llm, machine, **(options | {"overlap": overlap})).time_s
        for overlap in ("perfect", "communication", "operation")
    )
    assert perfect <= communication * EXACT
    assert communication <= operation_ * EXACT


@settings(deadline=None, max_examples=40)
@given(workloads(), losses)
def test_operations_sum_to_the_phase_and_lie_between_their_ceilings(workload, lost):
    # property: a breakdown sums to its total; an operation takes at least its slowest ceiling, at most all of them.
    phase, llm, options = workload
    machine = H100.replace(**lost)
    whole = phase(llm, machine, **(options | {"overlap": "operation"}))
    assert sum(each.time_s for each in whole.operations) == pytest.approx(whole.time_s, rel=1e-12)
    for each in whole.operations:
        times = list(each.ceiling_times_s.values())
        assert max(times, default=0.0) <= each.time_s * EXACT
        assert each.time_s <= sum(times) * EXACT
    assert sum(whole.ceiling_times_s.values()) == pytest.approx(
        sum(sum(each.ceiling_times_s.values()) for each in whole.operations), rel=1e-12
    )
    # sibling: the array-level function, without the phase's own bookkeeping.
    parts = [each.operation for each in whole.operations]
    devices = whole.operations[0].devices
    assert phase_time_s(parts, machine, devices=devices, ceilings=whole.ceilings) == pytest.approx(
        whole.time_s, rel=1e-12
    )


@settings(deadline=None, max_examples=25)
@given(workloads())
def test_no_losses_are_the_ideal(workload):
    # property: zeros, ones and an endless sharpness say what saying nothing does.
    phase, llm, options = workload
    none = {
        "efficiency": {"matrix": 1.0, "memory:attention": 1.0},
        "kind_overhead_s": {"linear": 0.0},
        **dict.fromkeys(("overhead_s", "kv_reread", "walk_s", "step_s", "sequence_s"), 0.0),
    }
    found = phase(llm, H100.replace(**none), **options)
    assert (found.time_s, found.kind) == (time_s(workload, H100), "ideal roofline")
    assert "host" not in [each.name for each in found.operations]
    sharp = H100.replace(sharpness=dict.fromkeys(KINDS, 1e6))
    assert time_s(workload, sharp) == pytest.approx(time_s(workload, H100), rel=1e-4)
    assert phase(llm, sharp, **options).kind == "roofline with losses"


# --- by hand


@pytest.mark.parametrize(
    ("efficiency", "matrix_s", "memory_s"),
    [
        # hand: 2 ms and 3 ms over the share of the narrowest name; a linear layer in bf16.
        ({}, 2e-3, 3e-3),
        ({"matrix": 0.5}, 4e-3, 3e-3),
        ({"matrix": 0.5, "matrix:linear": 0.25}, 8e-3, 3e-3),
        ({"matrix": 0.5, "matrix:linear": 0.25, "matrix:bf16": 0.8}, 2.5e-3, 3e-3),
        ({"matrix": 0.5, "matrix:linear": 0.25, "matrix:bf16": 0.8, "matrix:linear:bf16": 0.4}, 5e-3, 3e-3),
        ({"matrix:attention": 0.1, "matrix:fp8": 0.1, "matrix:linear:fp8": 0.1, "matrix:head:bf16": 0.1}, 2e-3, 3e-3),
        ({"memory": 0.6, "memory:linear": 0.75}, 2e-3, 4e-3),
        ({"memory": 0.6, "memory:head": 0.75}, 2e-3, 5e-3),
        ({"memory": 0.6, "memory:bf16": 0.5}, 2e-3, 6e-3),
    ],
)
def test_the_narrowest_efficiency_counts(efficiency, matrix_s, memory_s):
    found = ceiling_times_s(operation(), ROUND.replace(efficiency=efficiency))
    assert found == pytest.approx({"matrix": matrix_s, "memory": memory_s}, rel=1e-12)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1, 5e-3),  # hand: one after the other, 2 + 3 ms
        (2, 13**0.5 * 1e-3),  # hand: √(2² + 3²) ms
        (3, 35 ** (1 / 3) * 1e-3),
        (1e9, 3e-3),  # hand: the slowest alone
        (1e300, 3e-3),
    ],
)
def test_the_knee_of_two_ceilings(p, expected):
    machine = ROUND.replace(sharpness={"linear": p})
    assert operation_time_s(operation(), machine) == pytest.approx(expected, rel=1e-8)
    assert operation_time_s(operation("head"), machine) == pytest.approx(3e-3, rel=1e-12)  # another kind is ideal
    # One ceiling alone has no knee, and what comes on top is not rounded off.
    alone = operation(counts=Counts(weight_bytes=3e9))
    assert operation_time_s(alone, machine.replace(overhead_s=1e-3)) == pytest.approx(7e-3, rel=1e-12)


def test_the_knee_of_times_that_are_tiny_huge_or_nothing():
    # hand: no power of a time leaves the floats; what takes no time adds none.
    for scale in (1e-180, 1.0, 1e180):
        counts = Counts(flops=2e12 * scale, weight_bytes=3e9 * scale, activation_bytes=0.0)
        for p in (1.0, 2.0, 300.0):
            found = operation_time_s(operation(counts=counts), ROUND.replace(sharpness={"linear": p}))
            assert found == pytest.approx(scale * (2**p + 3**p) ** (1 / p) * 1e-3, rel=1e-9)
    none = operation(counts=Counts(flops=np.array([2e12, 0.0]), weight_bytes=3e9))
    found = operation_time_s(none, ROUND.replace(sharpness={"linear": 2.0}))
    np.testing.assert_allclose(found, [13**0.5 * 1e-3, 3e-3], rtol=1e-12)


def test_what_waits_for_the_product_is_one_ceiling_of_the_knee():
    # hand: products and vector units one after the other are 2 + 1 ms, and √((2 + 1)² + 3²) ms with memory.
    counts = Counts(flops=2e12, weight_bytes=3e9, vector_flops=1e10)
    machine = ROUND.replace(vector_flops_per_s=1e13, vector_overlaps=False, sharpness={"linear": 2})
    assert operation_time_s(operation(counts=counts), machine) == pytest.approx(18**0.5 * 1e-3, rel=1e-12)
    beside = machine.replace(vector_overlaps=True)
    assert operation_time_s(operation(counts=counts), beside) == pytest.approx(14**0.5 * 1e-3, rel=1e-12)


def test_overheads_by_kind():
    # hand: four launches, of 1 ms each or of what the kind has instead, also where that is nothing.
    machine = ROUND.replace(overhead_s=1e-3, kind_overhead_s={"attention": 5e-4, "head": 0.0})
    for kind, overhead in (("linear", 4e-3), ("attention", 2e-3), ("head", 0.0), ("experts", 4e-3)):
        assert operation_time_s(operation(kind), machine) == pytest.approx(3e-3 + overhead, rel=1e-12)
        assert ("overhead" in ceiling_times_s(operation(kind), machine)) == (overhead > 0)


def test_keys_and_values_read_again():
    # hand: 4 query heads share a cache; a half of the other three read 1 ms of it again, so 1.5 ms more.
    shared = operation("attention", counts=Counts(kv_bytes=1e9, activation_bytes=5e8), sharing=4.0)
    for reread, expected in ((0.0, 1.5e-3), (0.5, 3e-3), (1.0, 4.5e-3)):
        assert operation_time_s(shared, ROUND.replace(kv_reread=reread)) == pytest.approx(expected, rel=1e-12)
    alone = operation("attention", counts=Counts(kv_bytes=1e9, activation_bytes=5e8), sharing=1.0)
    assert operation_time_s(alone, ROUND.replace(kv_reread=1.0)) == pytest.approx(1.5e-3, rel=1e-12)


def test_llama_shares_each_cache_among_four_heads():
    # published: Llama 3.1 8B has 32 query heads and 8 of keys and values; read by each, its cache costs four times.
    machine = H100.replace(kv_reread=1.0)
    for tensor, sharing in ((1, 4.0), (8, 4.0), (16, 2.0), (32, 1.0)):
        found, ideal = (
            {
                each.name: each
                for each in rl.decode(LLAMA, device, batch=64, context_tokens=8000, tensor_parallel=tensor).operations
            }
            for device in (machine.replace(link_domain=64), H100.replace(link_domain=64))
        )
        assert found["attention"].operation.sharing == sharing
        once, again = (of["attention"].ceiling_times_s["memory"] for of in (ideal, found))
        cache = ideal["attention"].operation.kv_bytes / (tensor * H100.memory_bytes_per_s)
        assert again - once == pytest.approx((sharing - 1) * cache, rel=1e-9)


def test_the_walk_of_a_block_through_its_context():
    # hand: of 2,000 tokens, 32 layers, 1e-8 s each: 0.64 ms, whatever the batch; a ceiling, and not added.
    machine = H100.replace(walk_s=1e-8)
    for batch in (1, 7, 64):
        step = rl.decode(LLAMA, machine, batch=batch, context_tokens=1999, precision="bf16")
        (attention,) = (each for each in step.operations if each.name == "attention")
        assert attention.ceiling_times_s["walk"] == pytest.approx(32 * 2000 * 1e-8, rel=1e-3)
        assert attention.time_s == pytest.approx(max(attention.ceiling_times_s.values()), rel=1e-12)
    assert str(rl.decode(LLAMA, machine.replace(walk_s=1e-5), batch=1, context_tokens=1999).bound) == "walk"
    off = rl.decode(LLAMA, machine.replace(walk_s=1e-5), batch=1, context_tokens=1999, without="walk")
    assert off.time_s == rl.decode(LLAMA, H100, batch=1, context_tokens=1999).time_s


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("layout", [rl.Layout(), rl.Layout(tensor=2), rl.Layout(data=2)])
def test_the_host_adds_to_every_phase(overlap, layout):
    # hand: 2 ms, and 10 µs for each of 64 sequences of a copy of the model, hidden behind nothing.
    machine = H100.replace(step_s=2e-3, sequence_s=1e-5)
    added = 2e-3 + 1e-5 * 64 / layout.data
    for phase, work in ((rl.decode, {"context_tokens": 1000}), (rl.prefill, {"prompt_tokens": 1000})):
        work |= {"batch": 64, "layout": layout, "overlap": overlap}
        lossy, ideal = (phase(LLAMA, device, **work) for device in (machine, H100))
        assert lossy.time_s - ideal.time_s == pytest.approx(added, rel=1e-9)
        (host,) = (each for each in lossy.operations if each.operation.kind == "host")
        assert (host.time_s, host.flops, host.bytes, host.tflops, host.intensity) == (pytest.approx(added), 0, 0, 0, 0)
        assert host.ceiling_times_s == {"overhead": pytest.approx(added)}
        assert (lossy.flops, lossy.bytes, lossy.kind) == (ideal.flops, ideal.bytes, "roofline with losses")
        assert lossy.unknown == ideal.unknown
        off = phase(LLAMA, machine, **work, without="overhead")
        assert off.time_s == pytest.approx(ideal.time_s, rel=1e-12)


def test_a_generation_pays_the_host_at_every_step():
    # hand: one prefill and 99 decode steps of 8 sequences.
    work = {"batch": 8, "prompt_tokens": 200, "output_tokens": 100}
    lossy, ideal = (rl.generate(LLAMA, device, **work) for device in (H100.replace(step_s=1e-3, sequence_s=1e-4), H100))
    assert lossy.latency_s - ideal.latency_s == pytest.approx(100 * (1e-3 + 8e-4), rel=1e-9)
    assert lossy.itl_s - ideal.itl_s == pytest.approx(1.8e-3, rel=1e-9)


# --- arrays


SWEEPS = {
    "efficiency": {"memory": np.array([0.5, 1.0, 0.8])},
    "overhead_s": np.array([0.0, 1e-6, 1e-5]),
    "kind_overhead_s": {"attention": np.array([0.0, 1e-6, 1e-5])},
    "sharpness": {"linear": np.array([1.0, 2.0, 50.0])},
    "kv_reread": np.array([0.0, 0.5, 1.0]),
    "walk_s": np.array([0.0, 1e-9, 1e-7]),
    "step_s": np.array([0.0, 1e-3, 1e-2]),
    "sequence_s": np.array([0.0, 1e-6, 1e-4]),
}


def of(value, index):
    return {name: each[index] for name, each in value.items()} if isinstance(value, dict) else value[index]


@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_every_loss_may_be_an_array(name, overlap):
    # property: broadcast equals loop, along an axis of its own and beside that of the batch.
    batch = np.array([[1], [64]])
    work = {"context_tokens": 3000, "overlap": overlap, "tensor_parallel": 2}
    whole = rl.decode(LLAMA, H100.replace(**{name: SWEEPS[name]}), batch=batch, **work)
    assert H100.replace(**{name: SWEEPS[name]}).shape == (3,)
    assert whole.shape == (2, 3)
    assert whole.bound.shape == (2, 3)
    for row in range(2):
        for column in range(3):
            machine = H100.replace(**{name: of(SWEEPS[name], column)})
            one = rl.decode(LLAMA, machine, batch=batch[row, 0], **work)
            times = np.broadcast_to(whole.time_s, (2, 3))
            assert times[row, column] == pytest.approx(float(one.time_s), rel=1e-12)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_loss_may_be_differentiated(name):
    # sibling: JAX's derivative against a small difference.
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def of_one(value):
        given_ = {next(iter(SWEEPS[name])): value} if isinstance(SWEEPS[name], dict) else value
        batch, context = jax.numpy.asarray([16.0]), jax.numpy.asarray([3000.0])  # one library of arrays at a time
        return rl.decode(LLAMA, H100.replace(**{name: given_}), batch=batch, context_tokens=context).time_s[0]

    at = {"efficiency": 0.7, "sharpness": 2.5}.get(name, 0.3 if name == "kv_reread" else 1e-5)
    step = 1e-6 * at
    slope = float(jax.grad(of_one)(at))
    difference = float(of_one(at + step) - of_one(at - step)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-4)
    assert slope != 0
    assert float(jax.jit(of_one)(at)) == pytest.approx(float(of_one(at)), rel=1e-12)


# --- records


def test_losses_pickle_replace_and_say_so():
    # property
    lost = {name: of(value, 1) for name, value in SWEEPS.items()} | {"efficiency": {"memory:attention": 0.5}}
    machine = H100.replace(**lost)
    again = pickle.loads(pickle.dumps(machine))
    for name in SWEEPS:
        assert getattr(again, name) == getattr(machine, name)
        assert H100.replace(**{name: lost[name]}).lossy, name
    assert not H100.lossy
    assert again.replace(step_s=0.0).walk_s == machine.walk_s
    step = pickle.loads(pickle.dumps(rl.decode(LLAMA, machine, batch=4, context_tokens=100)))
    assert step.time_s == rl.decode(LLAMA, machine, batch=4, context_tokens=100).time_s
    with pytest.raises(TypeError):
        machine.efficiency["memory"] = 1.0  # what was checked stays as it is
    with pytest.raises(TypeError):
        machine.sharpness["linear"] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": {"memory": 1.1}}, r"efficiency\['memory'\] = 1.1 is not accepted: .*of at most 1"),
        ({"efficiency": {"memory": 0.0}}, r"efficiency\['memory'\] = 0 is not accepted: .*above 0"),
        ({"efficiency": {"memry": 0.5}}, "efficiency = 'memry' is not accepted: give one of 'matrix'"),
        ({"efficiency": {"memory:atention": 0.5}}, "efficiency = 'memory:atention' is not accepted: after the ceiling"),
        ({"efficiency": {"matrix:fp8:linear": 0.5}}, "a kind and a format, such as"),
        ({"efficiency": {"matrix:linear:head": 0.5}}, "efficiency"),
        ({"efficiency": {"matrix:linear:bf16:bf16": 0.5}}, "efficiency"),
        ({"efficiency": {"matrix:": 0.5}}, "efficiency"),
        ({"efficiency": {7: 0.5}}, "efficiency"),
        # Times of which no share is reached: their names would be accepted and do nothing.
        ({"efficiency": {"latency": 0.5}}, "efficiency = 'latency' is not accepted"),
        ({"efficiency": {"overhead": 0.5}}, "efficiency = 'overhead' is not accepted"),
        ({"efficiency": {"walk:attention": 0.5}}, "efficiency = 'walk' is not accepted"),
        ({"overhead_s": -1e-6}, "overhead_s = -1e-06 is not accepted: .*of at least 0"),
        ({"kind_overhead_s": {"linear": -1.0}}, r"kind_overhead_s\['linear'\] = -1 is not accepted"),
        ({"kind_overhead_s": {"lineal": 1.0}}, "kind_overhead_s = 'lineal' is not accepted: give one of 'linear'"),
        ({"sharpness": {"linear": 0.9}}, r"sharpness\['linear'\] = 0.9 is not accepted: .*of at least 1"),
        ({"sharpness": {"linear": float("inf")}}, r"sharpness\['linear'\] = inf is not accepted"),
        ({"sharpness": {"memory": 2.0}}, "sharpness = 'memory' is not accepted"),
        ({"kv_reread": -0.1}, "kv_reread = -0.1 is not accepted"),
        ({"kv_reread": float("nan")}, "kv_reread"),
        ({"walk_s": [1e-9, -1e-9]}, "walk_s = -1e-09 is not accepted"),
        ({"step_s": True}, "step_s = True is not accepted"),
        ({"sequence_s": "fast"}, "sequence_s = 'fast' is not accepted"),
    ],
)
def test_losses_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ROUND.replace(**changes)


# --- what reads estimates

LOSSY = H100.replace(
    efficiency={"memory": 0.8, "matrix:linear": 0.7},
    kind_overhead_s={"collective": 1e-5},
    sharpness={"linear": 3.0},
    kv_reread=0.3,
    walk_s=1e-9,
    step_s=2e-3,
    sequence_s=1e-5,
)


def test_serving_and_power_know_the_host():
    # property: whatever is made of estimates takes a machine with losses, and is slower for them.
    llm, work = LLAMA, {"prompt_tokens": 500, "output_tokens": 100, "precision": "fp8"}
    slow, ideal = (rl.generate(llm, device, batch=8, **work) for device in (LOSSY, H100))
    assert slow.latency_s > ideal.latency_s + 0.2
    model = rl.power.model(hs.get("h100-sxm"))
    assert slow.with_power_model(model).power_w < ideal.with_power_model(model).power_w  # more of it is waiting
    assert rl.max_batch(llm, LOSSY, context_tokens=2000, itl_s=0.02) < rl.max_batch(
        llm, H100, context_tokens=2000, itl_s=0.02
    )
    of_eight = {"itl_s": 0.02, "context_tokens": 2000}
    assert rl.decode(llm, LOSSY, batch=rl.max_batch(llm, LOSSY, **of_eight), context_tokens=2000).time_s <= 0.02


def test_pictures_know_the_host():
    # property: what is drawn of a phase with losses sums to its time.
    import matplotlib.pyplot as plt

    step = rl.decode(LLAMA, LOSSY, batch=8, context_tokens=2000)
    axes = rl.plot.time_breakdown(step)
    assert sum(bar.get_width() for bar in axes.patches) > 0
    plt.close("all")
    assert "host" in step._repr_html_()
