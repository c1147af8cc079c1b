"""The papers' equations as pure functions."""

from __future__ import annotations

import inspect

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import formulas

LLAMA_8B = {"hidden": 4096, "layers": 32, "mlp_ratio": 3.5, "gqa_group": 4, "vocab": 128256}


def test_kim_linear_constant_is_the_hand_count_of_a_llama_block():
    # hand: Q and O are h² each, K and V h²/g each, three MLP matrices a·h² each.
    assert formulas.kim_linear_constant(mlp_ratio=3.5, gqa_group=4) == 1 + 1 + 2 / 4 + 3 * 3.5


def test_kim_eq5_is_the_sum_of_its_gemms():
    # sibling: the same count from the shapes of the matrices, term by term.
    s, h, l, v = 1000, 4096, 32, 128256
    gemms = [(h, h), (h, 1024), (h, 1024), (h, h), (h, 14336), (h, 14336), (14336, h)]
    linear = l * sum(formulas.gemm_flops(m=s, k=k, n=n) for k, n in gemms)
    causal_attention = l * 2 * formulas.gemm_flops(m=s, k=h, n=s) // 2
    head = formulas.gemm_flops(m=s, k=h, n=v)
    assert formulas.kim_eq5(tokens=s, **LLAMA_8B) == pytest.approx(linear + causal_attention + head, rel=1e-15)


@given(s=st.integers(1, 100_000))
def test_kim_eq6_is_eq5_rearranged(s):
    # sibling: the paper derives one from the other.
    assert formulas.kim_eq6(tokens=s, **LLAMA_8B) == pytest.approx(formulas.kim_eq5(tokens=s, **LLAMA_8B), rel=1e-14)


@given(s=st.integers(1, 100_000), t=st.integers(1, 100))
def test_kim_eq7_exact_is_the_difference_of_eq5(s, t):
    # sibling: f(s+t) − f(s), and the approximation falls short by 2t²hl.
    difference = formulas.kim_eq5(tokens=s + t, **LLAMA_8B) - formulas.kim_eq5(tokens=s, **LLAMA_8B)
    exact = formulas.kim_eq7_exact(tokens=s, new_tokens=t, **LLAMA_8B)
    assert exact == pytest.approx(difference, rel=1e-12)
    assert exact - formulas.kim_eq7(tokens=s, new_tokens=t, **LLAMA_8B) == 2 * t**2 * 4096 * 32


@given(s=st.integers(1, 100_000), b=st.integers(1, 512))
def test_kim_eq8_is_eq7_of_one_token_summed_over_the_batch(s, b):
    # sibling: Kim IV-C derives Eq. 8 so.
    one = formulas.kim_eq7(tokens=s, new_tokens=1, **LLAMA_8B)
    assert formulas.kim_eq8(batch=b, total_context_tokens=b * s, **LLAMA_8B) == pytest.approx(b * one, rel=1e-12)


def test_numbers_of_kim_iv_d():
    # published: Kim IV-D prints 360 FLOP/byte, 2b and b, g, and 9.6 TFLOPS, all on 2.4 TB/s.
    assert round(formulas.ridge_point(flops_per_s=865e12, bytes_per_s=2.4e12)) == 360
    b = np.array([1, 8, 64])
    assert (formulas.thin_gemm_intensity(batch=b, weight_bytes=1) == 2 * b).all()
    assert (formulas.thin_gemm_intensity(batch=b, weight_bytes=2) == b).all()
    assert formulas.kv_attention_intensity(gqa_group=4, kv_bytes=2) == 4
    bound = formulas.attainable_flops_per_s(intensity=4, flops_per_s=432e12, bytes_per_s=2.4e12)
    assert bound / 1e12 == pytest.approx(9.6, abs=1e-12)


@given(b=st.integers(1, 4096))
def test_thin_gemm_intensity_is_the_limit_of_the_exact_one(b):
    # property: from below, as K and N grow.
    limit = formulas.thin_gemm_intensity(batch=b, weight_bytes=1)
    widths = np.array([2**16, 2**20, 2**40], dtype=float)
    exact = formulas.gemm_intensity(m=b, k=widths, n=widths, input_bytes=1, weight_bytes=1, output_bytes=2)
    assert (np.diff(exact) > 0).all()
    assert exact[-1] < limit
    assert exact[-1] == pytest.approx(limit, rel=1e-6)


def test_crossover_is_where_the_two_terms_of_eq8_are_equal():
    # sibling: plugged back into Eq. 8; and 28.6 k tokens for Llama 3.1 8B, not h = 4,096 (errata, Kim VI-A).
    crossover = formulas.linear_attention_crossover_tokens(**LLAMA_8B)
    linear = formulas.kim_eq8(batch=1, total_context_tokens=0, **LLAMA_8B)
    both = formulas.kim_eq8(batch=1, total_context_tokens=crossover, **LLAMA_8B)
    assert both == pytest.approx(2 * linear, rel=1e-12)
    assert round(crossover / 1e3, 1) == 28.6


@given(intensity=st.floats(1e-3, 1e5), peak=st.floats(1e12, 1e16), bandwidth=st.floats(1e11, 1e14))
def test_roofline_time_and_roofline_rate_agree(intensity, peak, bandwidth):
    # sibling: time by max(W/P, Q/B), rate by min(P, I·B).
    rate = formulas.attainable_flops_per_s(intensity=intensity, flops_per_s=peak, bytes_per_s=bandwidth)
    time = formulas.roofline_time_s(flops=intensity * 1e9, bytes=1e9, flops_per_s=peak, bytes_per_s=bandwidth)
    assert time == pytest.approx(intensity * 1e9 / rate, rel=1e-12)
    assert max(intensity * 1e9 / peak, 1e9 / bandwidth) <= time * (1 + 1e-12)
    assert time <= (intensity * 1e9 / peak + 1e9 / bandwidth)


@given(experts=st.integers(2, 512), data=st.data())
def test_expert_overlap_properties(experts, data):
    # property: k for one token, never above E or n·k, growing with n; tokens per expert at least 1.
    k = data.draw(st.integers(1, experts))
    n = np.arange(1, 200)
    distinct = formulas.expected_distinct_experts(experts=experts, experts_per_token=k, tokens=n)
    assert distinct[0] == pytest.approx(k, rel=1e-9)
    assert (distinct <= np.minimum(experts, n * k) * (1 + 1e-9)).all()
    assert (np.diff(distinct) >= -1e-9 * experts).all()
    per_expert = formulas.expected_tokens_per_active_expert(experts=experts, experts_per_token=k, tokens=n)
    assert (per_expert >= 1 - 1e-9).all()


def test_expert_overlap_against_simulation():
    # sibling: 20,000 draws of 16 tokens with 8 of 128 experts each; standard error about 0.02.
    rng = np.random.default_rng(7)
    draws = 2_000
    picks = rng.random((draws, 16, 128)).argpartition(8, axis=-1)[..., :8]
    counts = [len(np.unique(draw)) for draw in picks]
    expected = formulas.expected_distinct_experts(experts=128, experts_per_token=8, tokens=16)
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.std(counts) / draws**0.5)


def test_ring_all_reduce_is_reduce_scatter_and_all_gather():
    # hand: n−1 steps of 1/n of the message each, twice.
    assert formulas.ring_all_reduce_bytes(message_bytes=8e6, devices=8) == 2 * 7 * 1e6
    assert formulas.ring_all_reduce_bytes(message_bytes=8e6, devices=1) == 0


PUBLIC = [getattr(formulas, name) for name in formulas.__all__]


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_formulas_need_nothing_beyond_the_array_api(function):
    # property: the strictest implementation of the standard computes the same as NumPy, element by element.
    names = list(inspect.signature(function).parameters)
    columns = {name: np.linspace(1.0, 2.0, 5) + 0.1 * i for i, name in enumerate(names)}
    if "experts" in columns:
        columns["experts"] = columns["experts"] + 8
    expected = function(**columns)
    strict = function(**{name: xp.asarray(column) for name, column in columns.items()})
    assert np.asarray(strict) == pytest.approx(expected, rel=1e-14)
    looped = [function(**{name: column[i] for name, column in columns.items()}) for i in range(5)]
    assert expected == pytest.approx(looped, rel=1e-14)


def test_integers_do_not_wrap_around():
    # hand: 2·64·4096² = 2³¹ does not fit in 32 bits, nor 2·s²·H·d·l of ten million tokens in 64.
    m = np.array([64], dtype=np.int32)
    assert formulas.gemm_flops(m=m, k=4096, n=4096) == 2**31
    tokens = np.array([10_485_760])
    flops = formulas.prefill_attention_flops(tokens=tokens, query_heads=40, head_dim=128, layers=48)
    assert flops == pytest.approx(2 * 10_485_760**2 * 40 * 128 * 48)


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_every_parameter_is_a_keyword_and_documented(function):
    # property: no positional floats, and no argument without its unit.
    signature = inspect.signature(function)
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in signature.parameters.values())
    refers = "Parameters are those of" in function.__doc__
    assert refers or all(name in function.__doc__ for name in signature.parameters)
