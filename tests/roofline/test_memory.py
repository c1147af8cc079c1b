"""What fits in memory, and the largest batch that does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl

H100, LLAMA = hs.get("h100-sxm"), rl.get_llm("llama-3.1-8b")


def test_weight_bytes_by_hand():
    # hand: BF16 is two bytes a parameter; FP8 leaves embedding, head and norms in BF16.
    assert rl.weight_bytes(LLAMA, rl.policy("bf16")) == 2 * 8_030_261_248
    table, norms = 128256 * 4096, 65 * 4096
    assert rl.weight_bytes(LLAMA, rl.policy("fp8")) == 8_030_261_248 + 2 * table + norms
    # int4 with a 16-bit scale per 128 weights: 4.125 bits.
    linear = 8_030_261_248 - 2 * table - norms
    assert rl.weight_bytes(LLAMA, rl.policy("w4a16")) == linear * 4.125 / 8 + 2 * (2 * table + norms)


@settings(deadline=None)
@given(context=st.integers(1, 60_000), precision=st.sampled_from(["bf16", "fp8", "w4a16", "fp8-kv8"]))
def test_max_batch_is_the_last_that_fits(context, precision):
    # property: it fits, and one more does not.
    batch = rl.max_batch(LLAMA, H100, context_tokens=context, precision=precision)
    assert batch == np.floor(batch) >= 1
    assert rl.decode(LLAMA, H100, batch=batch, context_tokens=context, precision=precision).fits
    assert not rl.decode(LLAMA, H100, batch=batch + 1, context_tokens=context, precision=precision).fits


@settings(deadline=None)
@given(context=st.integers(1, 20_000), itl_ms=st.floats(3, 40))
def test_max_batch_is_the_last_that_meets_the_limit(context, itl_ms):
    # property: it meets the limit, and one more does not or does not fit.
    batch = rl.max_batch(LLAMA, H100, context_tokens=context, precision="fp8", itl_s=itl_ms / 1e3)
    if batch > 0:
        assert rl.decode(LLAMA, H100, batch=batch, context_tokens=context, precision="fp8").time_s <= itl_ms / 1e3
    more = rl.decode(LLAMA, H100, batch=batch + 1, context_tokens=context, precision="fp8")
    assert more.time_s > itl_ms / 1e3 or not more.fits


def test_max_batch_broadcasts():
    # property: a grid equals the loop.
    context, limits = np.array([512, 2048, 8192]), np.array([[0.005], [0.02]])
    grid = rl.max_batch(LLAMA, H100, context_tokens=context, precision="fp8", itl_s=limits)
    loop = [
        [rl.max_batch(LLAMA, H100, context_tokens=c, precision="fp8", itl_s=limit) for c in context]
        for limit in limits[:, 0]
    ]
    np.testing.assert_array_equal(grid, loop)


def test_capacities_may_be_arrays():
    # property: case by case, and only where nothing fits anywhere is it an error.
    machine = rl.Machine(
        name="design", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, memory_bytes=[10e9, 20e9, 200e9]
    )
    batch = rl.max_batch(LLAMA, machine, context_tokens=512)
    assert batch[0] == 0
    assert batch[1] < batch[2]
    d = rl.decode(LLAMA, machine, batch=batch.clip(1), context_tokens=512)
    assert d.fits.tolist() == [False, True, True]


def test_max_batch_refuses_the_tensor_parallel_sizes_that_decode_refuses():
    for n in (3, 16):
        with pytest.raises(ValueError, match=f"tensor_parallel = {n} is not accepted"):
            rl.max_batch(LLAMA, H100, context_tokens=512, tensor_parallel=n)
    with pytest.raises(ValueError, match="domain"):
        rl.max_batch(LLAMA, hs.get("h100-pcie"), context_tokens=512, tensor_parallel=8)


def test_no_batch_is_fast_enough_gives_zero():
    # hand: 8 GB of weights cannot be read in a microsecond.
    assert rl.max_batch(LLAMA, H100, context_tokens=100, precision="fp8", itl_s=1e-6) == 0


def test_out_of_memory_says_needed_available_and_what_would_fit():
    with pytest.raises(rl.OutOfMemoryError) as error:
        rl.max_batch(rl.get_llm("llama-3.1-70b"), H100, context_tokens=2048)
    message = str(error.value)
    assert "needs 141.1 GB" in message
    assert "has 85.5 GB" in message
    assert "What would fit: precision fp8" in message
    assert "tensor_parallel = 2" in message


def test_a_machine_without_capacity_is_an_error_where_it_matters():
    machine = rl.Machine(name="unknown", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    with pytest.raises(ValueError, match="gives no memory_bytes"):
        rl.max_batch(LLAMA, machine, context_tokens=100)
    with pytest.raises(ValueError, match="gives no memory_bytes"):
        _ = rl.decode(LLAMA, machine, batch=1, context_tokens=1).fits


# --- windows and unlike lengths

MISTRAL, GEMMA = rl.get_llm("mistral-7b-v0.1"), rl.get_llm("gemma-3-27b")


@pytest.mark.parametrize("tokens", [1, 4095, 4096, 4097, 32_000])
def test_a_sliding_window_bounds_the_cache(tokens):
    # hand: Mistral 7B v0.1 keeps 4096 tokens of 2·8·128 BF16 values in each of 32 layers, however long the text.
    assert rl.kv_cache_bytes(MISTRAL, "bf16", batch=5, tokens=tokens) == 5 * 32 * 2 * 8 * 128 * 2 * min(tokens, 4096)
    batches = [rl.max_batch(MISTRAL, H100, context_tokens=context) for context in (5000, 30_000)]
    assert batches[0] == batches[1] == np.floor((H100.memory_bytes - 2 * MISTRAL.parameters) / (32 * 4096 * 4096))


@settings(deadline=None)
@given(st.sampled_from([LLAMA, MISTRAL, GEMMA]), st.lists(st.integers(1, 30_000), min_size=1, max_size=5))
def test_the_cache_of_unlike_lengths_is_the_sum(llm, lengths):
    # property: Σ min(sᵢ, w), which the mean length does not give.
    together = rl.kv_cache_bytes(llm, "bf16", batch=len(lengths), tokens=rl.Lengths(lengths))
    one_by_one = sum(rl.kv_cache_bytes(llm, "bf16", batch=1, tokens=s) for s in lengths)
    assert together == pytest.approx(one_by_one, rel=1e-12)
    d = rl.decode(llm, H100, batch=len(lengths), context_tokens=rl.Lengths(lengths))
    after = sum(rl.kv_cache_bytes(llm, "bf16", batch=1, tokens=s + 1) for s in lengths)
    assert d.memory.kv_cache == pytest.approx(after, rel=1e-12)


def test_unlike_lengths_fit_when_their_sum_does():
    # hand: of one text of 32,000 tokens and three of 100, Mistral's windows keep 4096 + 3·101 tokens; four of the mean
    # length would be 16,384.
    token = 32 * 2 * 8 * 128 * 2
    room = 2 * MISTRAL.parameters + token * 5000
    machine = rl.Machine(name="m", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, memory_bytes=room)
    d = rl.decode(MISTRAL, machine, batch=4, context_tokens=rl.Lengths([32_000, 100, 100, 100]))
    assert d.memory.kv_cache == token * (4096 + 3 * 101)
    assert d.fits
    d.require_fit()


# --- several devices


def test_weights_of_each_device_by_hand():
    # hand: Llama 3.1 8B in BF16. What is a matrix is divided; the 65 norms, 0.003 % of it, may be or not.
    for n in (2, 4, 8):
        use = rl.memory_use(LLAMA, "bf16", batch=1, tokens=1, layout=rl.Layout(tensor=n))
        assert 0 <= use.weights - 2 * LLAMA.parameters / n <= 2 * 65 * 4096
    # Copies hold everything.
    assert rl.memory_use(LLAMA, "bf16", batch=4, tokens=1, layout=rl.Layout(data=4)).weights == 2 * LLAMA.parameters


def test_routers_are_on_each_tensor_parallel_device():
    # hand: DeepSeek-R1. All devices route all tokens, with 58 routers of 256 × 7168 BF16 weights. What eight hold more
    # than one is what is repeated: these, and the projections into the latents.
    r1 = rl.get_llm("deepseek-r1")
    one, eight = (rl.memory_use(r1, "bf16", batch=1, tokens=1, layout=rl.Layout(tensor=n)).weights for n in (1, 8))
    router = 58 * 256 * 7168
    latent = 61 * 7168 * (1536 + 512 + 64)
    assert 8 * eight - one >= 7 * 2 * (router + latent)


def test_each_device_of_expert_parallel_holds_whole_experts_and_a_copy_of_the_rest():
    # hand: Mixtral 8x7B on eight devices, one expert a layer each.
    mixtral = rl.get_llm("mixtral-8x7b")
    experts = mixtral.parameter_breakdown["experts"]
    use = rl.memory_use(mixtral, "bf16", batch=8, tokens=1, layout=rl.Layout(data=8, expert=8))
    assert use.weights == 2 * (mixtral.parameters - experts + experts / 8)


def test_a_stage_of_a_pipeline_holds_its_layers():
    # hand: 32 layers in 4 stages; the first also holds the embedding, the last the LM head, which are the same size.
    use = rl.memory_use(LLAMA, "bf16", batch=8, tokens=100, layout=rl.Layout(pipeline=4))
    layer = 4096 * (4096 + 2048) + 4096 * 4096 + 3 * 4096 * 14336 + 2 * 4096
    assert use.weights == pytest.approx(2 * (8 * layer + 128256 * 4096), rel=1e-5)
    assert use.kv_cache == 8 * 2 * 8 * 128 * 2 * 8 * 100


LAYOUTS = [rl.Layout(), *(rl.Layout(**{name: n}) for name in ("tensor", "pipeline", "data") for n in (2, 3, 4))]
LAYOUTS = [layout for layout in LAYOUTS if layout.tensor != 3]
LAYOUTS += [rl.Layout(tensor=2, pipeline=2, data=2), rl.Layout(data=4, expert=4), rl.Layout(tensor=4, expert=4)]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["llama-3.1-8b", "gpt-oss-20b", "gemma-2-9b", "qwen3-30b-a3b"]),
    st.sampled_from(LAYOUTS),
    st.integers(1, 8000),
    st.floats(0, 30e9),
    st.none() | st.floats(1e-3, 0.1),
)
def test_max_batch_is_the_last_of_all_that_fit_and_are_fast_enough(name, layout, context, room, itl_s):
    # property: brute force. All batches at once, up to one more than the answer and beyond: those that fit and meet the
    # limit come first, and the answer is how many there are.
    llm = rl.get_llm(name)
    if layout.expert > 1 and llm.moe is None:
        layout = rl.Layout(tensor=layout.tensor, data=layout.data)
    held = rl.memory_use(llm, "bf16", batch=layout.data, tokens=1, layout=layout).weights
    machine = rl.Machine.of(H100).replace(memory_bytes=held + room)
    answer = rl.max_batch(llm, machine, context_tokens=context, layout=layout, itl_s=itl_s)
    batches = np.arange(1, int(answer) + 40)
    d = rl.decode(llm, machine, batch=batches, context_tokens=context, layout=layout)
    good = d.fits if itl_s is None else d.fits & (d.time_s <= itl_s)
    assert good.sum() == answer
    assert good[: int(answer)].all()


def test_compiled_batch_sizes_bound_the_batch():
    # published: Brunetta IV-C runs the CS-3 with batches up to 8; each copy of the model has a program of its own.
    cs3 = hs.get("cs-3")
    assert cs3.largest_batch == 8
    assert rl.max_batch(LLAMA, cs3, context_tokens=100) == 8
    assert rl.max_batch(LLAMA, cs3, context_tokens=np.array([1, 100])).tolist() == [8, 8]
    two = H100.replace(batch_sizes=(1, 2, 4))
    assert rl.max_batch(LLAMA, two, context_tokens=100) == 4
    assert rl.max_batch(LLAMA, two, context_tokens=100, data_parallel=2) == 8
    assert rl.max_batch(LLAMA, two, context_tokens=100, tensor_parallel=2) == 4


# --- Brunetta's guideline


@pytest.mark.parametrize(
    ("name", "precision", "sizes", "warned"),
    [
        ("qwen3-32b", "bf16", {}, True),  # 65.5 GB of 80: 82 %
        ("qwen3-32b", "fp8", {}, False),
        ("qwen3-32b", "bf16", {"tensor_parallel": 2}, False),
        ("qwen3-32b", "bf16", {"data_parallel": 2}, True),  # each copy is as large
        ("llama-3.1-8b", "bf16", {}, False),
        ("llama-3.1-70b", "fp8", {}, True),  # 72.7 GB
    ],
)
def test_weights_beyond_80_percent_warn(name, precision, sizes, warned):
    # published: Brunetta IV-B, weights above 80 % of the marketed 80 GB of an H100.
    d = rl.decode(rl.get_llm(name), H100, batch=4, context_tokens=10, precision=precision, **sizes)
    assert any("80 %" in warning for warning in d.warnings) == warned


def test_offloaded_weights_do_not_crowd_main_memory():
    # hand: half of 65.5 GB in the host's memory leaves 41 % of 80 GB.
    d = rl.decode(rl.get_llm("qwen3-32b"), H100, batch=4, context_tokens=10, offload=0.5)
    assert not any("80 %" in warning for warning in d.warnings)
