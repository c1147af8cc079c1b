"""Prefill and decode against the papers' equations, by property, and on bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import formulas

DENSE_LLAMAS = [
    name
    for name in rl.llm_names()
    if rl.get_llm(name).family == "llama" and rl.get_llm(name).moe is None and rl.get_llm(name).blocks is None
    if rl.get_llm(name).max_context >= 4096  # the lengths below
]
H100, GAUDI2 = hs.get("h100-sxm"), hs.get("gaudi-2")
LLAMA = rl.get_llm("llama-3.1-8b")


def kim_shape(llm):
    return {
        "hidden": llm.hidden,
        "layers": llm.layers,
        "mlp_ratio": llm.mlp_ratio,
        "gqa_group": llm.gqa_group,
        "vocab": llm.vocab,
    }


def test_there_are_dense_llamas():
    assert len(DENSE_LLAMAS) >= 11


@pytest.mark.parametrize("name", DENSE_LLAMAS)
@pytest.mark.parametrize("precision", ["bf16", "fp8", "w4a16"])
def test_prefill_flops_are_kim_eq5(name, precision):
    # sibling: the operations add up to the published equation, at every length and batch, whatever the precision.
    llm = rl.get_llm(name)
    if llm.heads * llm.head_dim != llm.hidden:
        pytest.skip(f"{name} has H·d = {llm.heads * llm.head_dim} ≠ h: outside Kim Eq. 5's assumption")
    tokens, batch = np.array([1, 17, 2048, 4096]), np.array([[1], [3]])
    p = rl.prefill(llm, H100, batch=batch, prompt_tokens=tokens, precision=precision, logits="all")
    expected = batch * formulas.kim_eq5(tokens=tokens.astype(float), **kim_shape(llm))
    np.testing.assert_allclose(p.flops, expected, rtol=1e-12)


@pytest.mark.parametrize("name", DENSE_LLAMAS)
def test_decode_flops_are_kim_eq8(name):
    # sibling: as above, for a decode step.
    llm = rl.get_llm(name)
    if llm.heads * llm.head_dim != llm.hidden:
        pytest.skip(f"{name} has H·d = {llm.heads * llm.head_dim} ≠ h: outside Kim Eq. 8's assumption")
    batch, context = np.array([[1], [8], [64]]), np.array([1, 100, 4096])
    d = rl.decode(llm, H100, batch=batch, context_tokens=context, precision="fp8")
    expected = formulas.kim_eq8(batch=batch, total_context_tokens=(batch * context).astype(float), **kim_shape(llm))
    np.testing.assert_allclose(d.flops, expected, rtol=1e-12)


def test_no_dense_llama_is_outside_kims_assumption():
    # hand: every Llama has H·d = h, so the two tests above skip none.
    assert all((llm := rl.get_llm(name)).heads * llm.head_dim == llm.hidden for name in DENSE_LLAMAS)


def test_kim_iv_d_on_gaudi_2_at_its_rounded_bandwidth():
    # published: Kim IV-D, with 2.4 TB/s: ridge 360, linear layers towards 2b, KV cache towards g = 4 and 9.6 TFLOPS.
    gaudi = rl.Machine(name="Gaudi 2", flops_per_s={"bf16": 432e12, "fp8": 865e12}, memory_bytes_per_s=2.4e12)
    assert round(gaudi.peak_flops("fp8") / gaudi.memory_bytes_per_s) == 360
    d = rl.decode(LLAMA, gaudi, batch=8, context_tokens=131072, precision="fp8")
    by_name = {operation.name: operation for operation in d.operations}
    assert by_name["mlp_up"].intensity == pytest.approx(2 * 8, rel=0.01)
    assert by_name["mlp_up"].intensity < 2 * 8
    assert by_name["attention"].intensity == pytest.approx(4, rel=1e-4)
    assert round(float(by_name["attention"].tflops), 1) == 9.6


def test_ridge_points_of_the_catalogue():
    # hand: 865 / 2.45 = 353 (errata, Kim IV-D); 989.4 / 3.35 = 295.
    assert round(GAUDI2.ridge_point("fp8")) == 353
    assert round(H100.ridge_point("bf16")) == 295


def test_decode_traffic_by_hand():
    # hand: Llama 3.1 8B, batch 2, context 10, BF16. Weights of all linear layers and the head, once; per sequence
    # 10 cached tokens read and 1 written; activations of each operation in and out.
    d = rl.decode(LLAMA, H100, batch=2, context_tokens=10)
    h, ff, v, layers, kv = 4096, 14336, 128256, 32, 2 * 8 * 128
    weights = layers * (h * (h + kv) + h * h + 3 * h * ff) + h * v
    cache = 2 * layers * kv * (10 + 1)
    per_layer = (h + h) + (h + h) + (h + h) + (h + 2 * ff) + (ff + h)  # qkv, attention, output, mlp_up, mlp_down
    activations = 2 * (layers * per_layer + h + v)
    assert d.bytes == 2 * (weights + cache + activations)


def test_weights_read_in_a_decode_step_are_the_parameters_but_for_embedding_and_norms():
    # sibling: the catalogue's exact parameter count against the operations' weight traffic.
    d = rl.decode(LLAMA, H100, batch=1, context_tokens=1)
    read = sum(operation.operation.weight_bytes for operation in d.operations) / 2
    parts = LLAMA.parameter_breakdown
    assert read == LLAMA.parameters - parts["embedding"] - parts["norms"]


def test_nemotron_reads_each_of_its_unlike_layers():
    # sibling: heterogeneous blocks, 31 of them without attention, against its exact parameter count.
    llm = rl.get_llm("llama-3.3-nemotron-super-49b")
    d = rl.decode(llm, hs.get("h200-sxm"), batch=1, context_tokens=1000, precision="bf16")
    read = sum(operation.operation.weight_bytes for operation in d.operations) / 2
    parts = llm.parameter_breakdown
    assert read == llm.parameters - parts["embedding"] - parts["norms"]
    assert sum(operation.layers for operation in d.operations if operation.name == "attention") == 80 - 31


@settings(deadline=None)
@given(batch=st.lists(st.integers(1, 512), min_size=1, max_size=4), context=st.integers(1, 8192))
def test_broadcast_equals_loop(batch, context):
    # property: an array gives what a loop over its elements gives, for every attribute.
    whole = rl.decode(LLAMA, H100, batch=batch, context_tokens=context, precision="fp8")
    each = [rl.decode(LLAMA, H100, batch=b, context_tokens=context, precision="fp8") for b in batch]
    for name in ("time_s", "flops", "bytes", "tokens_per_s", "tflops", "mfu", "intensity", "memory_bytes"):
        np.testing.assert_allclose(getattr(whole, name), [getattr(one, name) for one in each], rtol=1e-14)
    assert whole.bound.tolist() == [str(one.bound) for one in each]


def test_shapes():
    # property: scalars in give shape (), axes broadcast, and operations keep their own natural shape.
    scalar = rl.decode(LLAMA, H100, batch=1, context_tokens=1)
    for name in ("time_s", "flops", "bytes", "tokens_per_s", "tflops", "mfu", "intensity", "bound", "fits"):
        assert np.shape(getattr(scalar, name)) == (), name
    grid = rl.decode(LLAMA, H100, batch=np.ones((3, 1)), context_tokens=np.arange(1, 6))
    assert grid.time_s.shape == grid.bound.shape == (3, 5)
    assert {operation.name: np.shape(operation.time_s) for operation in grid.operations}["mlp_up"] == (3, 1)


@settings(deadline=None)
@given(
    batch=st.integers(1, 1024),
    context=st.integers(1, 32768),
    precision=st.sampled_from(["bf16", "fp8", "fp8-kv8", "w8a16", "w4a16"]),
    key=st.sampled_from(["h100-sxm", "h200-sxm", "gaudi-2", "gaudi-3", "mi300x", "b200"]),
)
def test_roofline_properties(batch, context, precision, key):
    # property: max ≤ t ≤ sum; perfect overlap is never slower; throughput grows with the batch; decode cannot beat
    # bandwidth over bytes; twice the bandwidth and peak halve the time.
    device = hs.get(key)
    d = rl.decode(LLAMA, device, batch=batch, context_tokens=context, precision=precision)
    ceilings = d.ceiling_times_s
    assert max(ceilings.values()) <= d.time_s * (1 + 1e-12)
    assert d.time_s <= sum(ceilings.values()) * (1 + 1e-12)
    perfect = rl.decode(LLAMA, device, batch=batch, context_tokens=context, precision=precision, overlap="perfect")
    assert perfect.time_s <= d.time_s * (1 + 1e-12)
    more = rl.decode(LLAMA, device, batch=batch + 1, context_tokens=context, precision=precision)
    assert more.time_s >= d.time_s
    # Whole tiles of the matrix engine make throughput a staircase; without them it only grows.
    free, freer = (
        rl.decode(LLAMA, device, batch=n, context_tokens=context, precision=precision, geometry="none")
        for n in (batch, batch + 1)
    )
    assert freer.tokens_per_s >= free.tokens_per_s * (1 - 1e-12)
    assert d.tokens_per_s <= batch * device.memory_bytes_per_s / d.bytes * (1 + 1e-12)
    assert 0 < d.mfu <= 1
    rates = ("memory_bytes_per_s", "vector_flops_per_s", "exp_per_s", "on_chip_bytes_per_s")
    twice = d.machine.replace(
        flops_per_s={name: 2 * rate for name, rate in d.machine.flops_per_s.items()},
        **{name: 2 * value for name in rates if (value := getattr(d.machine, name)) is not None},
    )
    faster = rl.decode(LLAMA, twice, batch=batch, context_tokens=context, precision=precision)
    assert faster.time_s == pytest.approx(d.time_s / 2, rel=1e-12)


def test_machine_rates_may_be_arrays():
    # property: a sweep over designs equals the loop over them.
    bandwidths = np.array([1e12, 2e12, 4e12])
    sweep = rl.Machine(name="sweep", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=bandwidths)
    d = rl.decode(LLAMA, sweep, batch=16, context_tokens=1024)
    one = [
        rl.decode(
            LLAMA,
            rl.Machine(name="one", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=b),
            batch=16,
            context_tokens=1024,
        ).time_s
        for b in bandwidths
    ]
    np.testing.assert_allclose(d.time_s, one, rtol=1e-15)
    assert d.bound.shape == (3,)
    assert (np.diff(d.time_s) < 0).all()


def test_fp8_decode_gain_is_bounded_by_the_bf16_cache():
    # hand: errata, Kim V-A. With a BF16 cache at batch 64 the weights are all that shrinks, so the ideal gain passes
    #  50 % only at short contexts.
    context = np.arange(1, 4096)
    bf16 = rl.decode(LLAMA, GAUDI2, batch=64, context_tokens=context).tokens_per_s
    fp8 = rl.decode(LLAMA, GAUDI2, batch=64, context_tokens=context, precision="fp8").tokens_per_s
    last = context[fp8 / bf16 >= 1.5].max()
    assert 600 < last < 800


def test_tensor_parallel_shares_work_and_pays_the_all_reduce():
    # property: two devices are faster than one, never twice as fast once the link is counted.
    one = rl.decode(LLAMA, H100, batch=64, context_tokens=2048)
    two = rl.decode(LLAMA, H100, batch=64, context_tokens=2048, tensor_parallel=2)
    assert one.time_s / 2 < two.time_s < one.time_s
    assert two.flops == one.flops
    assert one.memory_bytes / 2 < two.memory_bytes < one.memory_bytes / 2 * (1 + 1e-4)  # norms are on both
    all_reduces = [operation for operation in two.operations if operation.name == "all_reduce"]
    # hand: after attention and after the MLP, 32 layers of 64·4096 BF16 numbers; of two devices each sends the message
    # once, in two exchanges of 0.6 µs.
    for all_reduce in all_reduces:
        assert all_reduce.time_s == pytest.approx(32 * (64 * 4096 * 2 / 450e9 + 2 * 0.6e-6), rel=1e-12)
        assert {"link", "latency"} == set(all_reduce.ceiling_times_s)
    assert len(all_reduces) == 2


def test_prefill_last_and_all_logits_differ_by_the_head():
    # hand: 2·v·h per position more.
    last = rl.prefill(LLAMA, H100, batch=2, prompt_tokens=100)
    every = rl.prefill(LLAMA, H100, batch=2, prompt_tokens=100, logits="all")
    assert every.flops - last.flops == 2 * 2 * 99 * 128256 * 4096


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 0}, "batch = 0 is not accepted: give a whole number of at least 1"),
        ({"batch": -3}, "batch = -3 is not accepted"),
        ({"batch": 1.5}, "batch = 1.5 is not accepted: give a whole number"),
        ({"batch": True}, "batch = True is not accepted"),
        ({"batch": "64"}, "batch = '64' is not accepted"),
        ({"batch": None}, "batch = None is not accepted"),
        ({"batch": float("nan")}, "batch = nan is not accepted"),
        ({"batch": [1, float("inf")]}, "batch = inf is not accepted"),
        ({"batch": [True, 2]}, "batch = .* is not accepted"),
        ({"batch": []}, "batch is empty"),
        ({"batch": [1, [2, 3]]}, "batch is a list of unlike parts"),
        ({"context_tokens": 0}, "context_tokens = 0 is not accepted"),
        ({"context_tokens": 131073}, "context_tokens = 131073 is not accepted: .* at most 131,072"),
        ({"precision": "fp9"}, "precision = 'fp9' is not known; did you mean"),
        ({"precision": 8}, "precision = 8 is not accepted: give one of bf16"),
        ({"overlap": "some"}, "overlap = 'some' is not accepted"),
        ({"tensor_parallel": 3}, "tensor_parallel = 3 is not accepted: it must divide the 32 heads"),
        ({"tensor_parallel": 0}, "tensor_parallel = 0 is not accepted"),
    ],
)
def test_bad_arguments_name_field_value_and_what_is_accepted(arguments, message):
    with pytest.raises((ValueError, KeyError), match=message):
        rl.decode(LLAMA, H100, **({"batch": 1, "context_tokens": 10} | arguments))


def test_a_precision_that_the_machine_lacks():
    with pytest.raises(ValueError, match=r"fp8.*bf16"):
        rl.decode(LLAMA, hs.get("a100-sxm-80gb"), batch=1, context_tokens=10, precision="fp8")
    with pytest.raises(ValueError, match=r"bf16.*fp16"):
        rl.decode(LLAMA, hs.get("v100-sxm"), batch=1, context_tokens=10)
    assert rl.decode(LLAMA, hs.get("v100-sxm"), batch=1, context_tokens=10, precision="fp16").time_s > 0


def test_an_unknown_peak_is_an_error_and_not_zero():
    with pytest.raises(hs.UnknownValueError, match="rtx-pro-6000-workstation"):
        rl.prefill(LLAMA, hs.get("rtx-pro-6000-workstation"), prompt_tokens=10)


@pytest.mark.parametrize("rate", [0, -1e12, float("nan"), float("inf"), True, "fast"])
def test_a_machine_has_rates_above_0(rate):
    with pytest.raises(ValueError, match="memory_bytes_per_s"):
        rl.Machine(name="design", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=rate)
    with pytest.raises(ValueError, match="flops_per_s"):
        rl.Machine(name="design", flops_per_s={"bf16": rate}, memory_bytes_per_s=1e12)


def test_lists_and_arrays_of_links_broadcast_too():
    # property: the sweep equals the loop; lists are arrays.
    def design(bandwidth, link):
        return rl.Machine(
            name="design", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=bandwidth, link_bytes_per_s=link
        )

    workload = {"batch": 8, "context_tokens": 512, "tensor_parallel": 2}
    sweep = rl.decode(LLAMA, design([2e12, 4e12], [1e11, 4.5e11]), **workload)
    loop = [rl.decode(LLAMA, design(*rates), **workload).time_s for rates in ((2e12, 1e11), (4e12, 4.5e11))]
    np.testing.assert_allclose(sweep.time_s, loop, rtol=1e-15)
    assert sweep.bound.shape == sweep.shape == (2,)
    assert "design" in repr(sweep)


def test_names_instead_of_records_are_explained():
    with pytest.raises(ValueError, match=r"give an LLM, such as rl\.get_llm"):
        rl.decode("llama-3.1-8b", H100, batch=1, context_tokens=1)
    with pytest.raises(ValueError, match=r"give an Accelerator, such as hs\.get"):
        rl.decode(LLAMA, "h100-sxm", batch=1, context_tokens=1)
    with pytest.raises(ValueError, match="masked array"):
        rl.decode(LLAMA, H100, batch=np.ma.array([1, 2], mask=[True, False]), context_tokens=1)


def test_repr_says_what_it_is():
    d = rl.decode(LLAMA, H100, batch=[1, 64], context_tokens=2048, precision="fp8")
    assert "ideal roofline" in repr(d)
    assert "ideal roofline" in d._repr_html_()
    assert "batch 1 to 64" in repr(d)
