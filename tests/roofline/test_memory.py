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
