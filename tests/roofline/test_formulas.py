"""The papers' equations as pure functions."""

from __future__ import annotations

import inspect
import itertools
import math

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


@given(s=st.integers(1, 100_000), c=st.integers(0, 100_000), w=st.integers(1, 10_000))
def test_prefill_pairs_are_kims_and_add_up(s, c, w):
    # sibling: the causal half of Eq. 5 and the exact form of Eq. 7, whose attention terms are 2s²hl and 4sthl + 2t²hl.
    shape = {"query_heads": 32, "layers": 32}
    flops = formulas.attention_flops(
        pairs=formulas.visible_pairs(new_tokens=s, cached_tokens=0), qk_dim=128, v_dim=128, **shape
    )
    assert flops == formulas.prefill_attention_flops(tokens=s, head_dim=128, **shape)
    llama = LLAMA_8B | {"tokens": c, "new_tokens": s}
    linear = formulas.kim_eq7(**(llama | {"tokens": 0}))
    later = formulas.visible_pairs(new_tokens=s, cached_tokens=c)
    exact = linear + formulas.attention_flops(pairs=later, qk_dim=128, v_dim=128, **shape)
    assert exact == pytest.approx(formulas.kim_eq7_exact(**llama), rel=1e-12)
    # property: a prompt in two parts has the pairs of the whole, and a window never shows more than no window.
    for mask in ({}, {"window": w}, {"window": w, "chunked": True}):
        first = formulas.visible_pairs(new_tokens=c, cached_tokens=0, **mask)
        second = formulas.visible_pairs(new_tokens=s, cached_tokens=c, **mask)
        whole = formulas.visible_pairs(new_tokens=c + s, cached_tokens=0, **mask)
        assert first + second == pytest.approx(whole, rel=1e-12)
        assert second <= later * (1 + 1e-12)
    chunked, sliding = (
        formulas.visible_pairs(new_tokens=s, cached_tokens=0, window=w, chunked=c) for c in (True, False)
    )
    assert chunked <= sliding * (1 + 1e-12)


@given(s=st.integers(0, 300), t=st.integers(1, 40), w=st.integers(1, 100))
def test_decode_pairs_are_the_sum_over_steps(s, t, w):
    # sibling: token by token.
    steps = [i for i in range(s, s + t) if i > 0]
    for mask, visible in (
        ({}, lambda i: i),
        ({"window": w}, lambda i: min(i, w)),
        ({"window": w, "chunked": True}, lambda i: (i - 1) % w + 1),
    ):
        assert formulas.decode_pairs(context_tokens=s, new_tokens=t, **mask) == sum(map(visible, steps))
        # sibling: an array takes the closed form where the number 1 takes the short cut.
        one = formulas.decode_pairs(context_tokens=s, new_tokens=np.array([1.0]), **mask)
        assert one == formulas.decode_pairs(context_tokens=s, **mask)


def test_decode_pairs_are_kim_eq8():
    # sibling: the attention term of Eq. 8; a single step passes the context on as it is.
    pairs = formulas.decode_pairs(context_tokens=2048)
    assert pairs == 2048
    flops = formulas.attention_flops(pairs=64 * pairs, query_heads=32, qk_dim=128, v_dim=128, layers=32)
    assert flops == formulas.decode_attention_flops(
        total_context_tokens=64 * 2048, query_heads=32, head_dim=128, layers=32
    )


@given(message=st.floats(1, 1e12), n=st.integers(1, 1024))
def test_collectives_compose(message, n):
    # sibling: a ring all-reduce is a reduce-scatter and then an all-gather, in bytes and in steps.
    parts = formulas.reduce_scatter_bytes(message_bytes=message, devices=n)
    parts += formulas.all_gather_bytes(message_bytes=message, devices=n)
    assert parts == pytest.approx(formulas.ring_all_reduce_bytes(message_bytes=message, devices=n), rel=1e-14)
    # property: one device sends nothing; a tree is no slower than a ring, and a direct exchange no slower than a tree.
    ring, tree, direct = (
        f(devices=n)
        for f in (formulas.ring_all_reduce_steps, formulas.tree_all_reduce_steps, formulas.direct_all_reduce_steps)
    )
    assert direct <= tree <= ring
    assert (n == 1) == (ring == tree == direct == formulas.all_to_all_bytes(message_bytes=message, devices=n) == 0)


def test_tree_steps_are_twice_the_depth():
    # hand: the depth of a binary tree of n leaves, for every n to 4,096 (the logarithm of a power of 2 is not exact
    # everywhere).
    n = np.arange(1, 4097)
    depth = [(int(i) - 1).bit_length() for i in n]
    np.testing.assert_array_equal(formulas.tree_all_reduce_steps(devices=n), 2 * np.array(depth))


def test_a_group_in_a_mesh_uses_the_links_between_its_members():
    # hand: count the links of a fully connected board of 8 by their ends.
    links = list(itertools.combinations(range(8), 2))
    for n in range(2, 9):
        inside = sum(a < n and b < n for a, b in links)
        assert formulas.mesh_share(devices=n, domain=8) == pytest.approx(2 * inside / n / 7, rel=1e-15)
    assert formulas.mesh_share(devices=3) == 1
    # property: one device sends nothing, in no time instead of in 0/0.
    assert formulas.mesh_share(devices=1, domain=8) > 0


@given(experts=st.integers(1, 300), skew=st.floats(0, 4), data=st.data())
def test_inclusion_probabilities_properties(experts, skew, data):
    # property: they sum to k, none passes 1, popular first, and those below 1 stay in proportion to popularity.
    k = data.draw(st.integers(1, experts))
    q = formulas.inclusion_probabilities(experts=experts, experts_per_token=k, skew=skew)
    assert q.shape == (experts,)
    assert q.sum() == pytest.approx(k, rel=1e-12)
    assert (q <= 1).all()
    assert (q > 0).all()
    assert (np.diff(q) <= 0).all()
    scale = (q * np.arange(1, experts + 1) ** skew)[q < 1]
    assert scale == pytest.approx(scale[:1].repeat(scale.size), rel=1e-9)
    if skew == 0:
        assert q == pytest.approx(np.full(experts, k / experts), rel=1e-15)


def test_inclusion_probabilities_by_hand():
    # hand: popularity 1, 1/2, 1/3. Two of three in proportion would be 12/11 for the first, so it is 1 and the others
    # share 1 as 1/2 : 1/3.
    assert formulas.inclusion_probabilities(experts=3, experts_per_token=2, skew=1) == pytest.approx([1, 0.6, 0.4])


@given(experts=st.integers(2, 256), data=st.data())
def test_distinct_experts_of_uniform_and_of_skewed_routing(experts, data):
    # sibling: equal probabilities give the closed form. property: skew can only lower the number (1 − (1 − q)ⁿ is
    # concave in q), and one token touches k.
    k, n = data.draw(st.integers(1, experts)), np.array([[1.0, 2.0, 16.0], [256.0, 1e4, 1e6]])
    uniform = formulas.expected_distinct_experts(experts=experts, experts_per_token=k, tokens=n)
    q = formulas.inclusion_probabilities(experts=experts, experts_per_token=k)
    assert formulas.expected_distinct_experts_of(probabilities=q, tokens=n) == pytest.approx(uniform, rel=1e-12)
    q = formulas.inclusion_probabilities(experts=experts, experts_per_token=k, skew=data.draw(st.floats(0, 2)))
    skewed = formulas.expected_distinct_experts_of(probabilities=q, tokens=n)
    assert (skewed <= uniform * (1 + 1e-12)).all()
    assert skewed[0, 0] == pytest.approx(k, rel=1e-12)


def test_skewed_overlap_against_simulation():
    # sibling: systematic sampling draws exactly 8 of 128 experts with the given probabilities; 2,000 batches of 64.
    q = formulas.inclusion_probabilities(experts=128, experts_per_token=8, skew=1.0)
    rng = np.random.default_rng(11)
    order = rng.permuted(np.tile(np.arange(128), (2_000 * 64, 1)), axis=1)
    steps = np.floor(np.cumsum(q[order], axis=1) + rng.random((len(order), 1)) - 1e-12)
    picked = np.diff(steps, axis=1, prepend=0) > 0
    used = np.zeros_like(picked)
    np.put_along_axis(used, order, picked, axis=1)
    assert used.mean(axis=0) == pytest.approx(q, abs=5 * 0.5 / len(order) ** 0.5)
    counts = used.reshape(2_000, 64, 128).any(axis=1).sum(axis=1)
    expected = formulas.expected_distinct_experts_of(probabilities=q, tokens=64)
    assert counts.mean() == pytest.approx(expected, abs=4 * counts.std() / 2_000**0.5)


def busiest_of_multinomial(m, n):
    """Expected maximum of m balls in n bins: P(max ≤ j) is m!/nᵐ times a coefficient of (Σ xⁱ/i!)ⁿ."""
    expected = 0.0
    poisson = np.array([math.exp(-m / n) * (m / n) ** i / math.factorial(i) for i in range(m + 1)])
    total = math.exp(-m) * m**m / math.factorial(m)
    for j in range(m):
        power = np.array([1.0])
        for _ in range(n):
            power = np.convolve(power, poisson[: j + 1])[: m + 1]
        expected += 1 - (power[m] if len(power) > m else 0.0) / total
    return expected


@pytest.mark.parametrize("n", [2, 3, 4, 8, 16, 32, 64])
def test_load_imbalance_against_exact_multinomials(n):
    # sibling: the stated accuracy, from far fewer balls than bins to many more.
    for m in (1, 2, 3, 5, 8, 12, 24, 48, 96):
        exact = busiest_of_multinomial(m, n) * n / m
        assert formulas.load_imbalance(assignments=m, devices=n) == pytest.approx(exact, rel=0.05)


def test_load_imbalance_by_hand():
    # hand: one ball is alone; two balls in two bins meet half of the time, so 1.5 in the busiest of a mean of 1.
    assert formulas.load_imbalance(assignments=1, devices=8) == 8
    assert formulas.load_imbalance(assignments=2, devices=2) == pytest.approx(1.5, rel=0.05)
    assert formulas.load_imbalance(assignments=7, devices=1) == 1
    # hand: the mean absolute deviation of many coin throws, 1 + √(2/(π·m)).
    assert formulas.load_imbalance(assignments=1e6, devices=2) == pytest.approx(
        1 + (2 / math.pi / 1e6) ** 0.5, rel=1e-7
    )


def test_load_imbalance_against_simulation():
    # sibling: 64 tokens that each use 8 different experts of 128, dealt to 8 devices: the difference between drawing
    # experts and drawing assignments is what the docstring calls a little.
    rng = np.random.default_rng(5)
    picks = rng.random((1_000, 64, 128)).argpartition(8, axis=-1)[..., :8] % 8
    busiest = np.stack([(picks == device).sum(axis=(1, 2)) for device in range(8)]).max(axis=0)
    simulated = busiest.mean() / 64
    assert simulated < formulas.load_imbalance(assignments=64 * 8, devices=8) < 1.05 * simulated


@given(n=st.integers(1, 512))
def test_load_imbalance_properties(n):
    # property: between 1 and n, at least n/m, and falling with the number of assignments, to within its accuracy.
    m = np.geomspace(0.5, 1e9, 400)
    imbalance = formulas.load_imbalance(assignments=m, devices=n)
    assert (imbalance >= np.maximum(1, np.minimum(n, n / m)) * (1 - 1e-12)).all()
    assert (imbalance <= n * (1 + 1e-12)).all()
    assert (imbalance[1:] <= 1.05 * np.minimum.accumulate(imbalance)[:-1]).all()
    assert imbalance[-1] == pytest.approx(1, abs=0.01)


def busiest_of_hypergeometric(d, experts, n):
    """Expected maximum per device of d distinct experts: P(max ≤ j) counts the ways with whole numbers."""
    held, ways = experts // n, math.comb(experts, d)
    expected = 0.0
    for j in range(held):
        power = [1]
        for _ in range(n):
            grown = [0] * min(len(power) + j, d + 1)
            for a, x in enumerate(power):
                for b in range(min(j, len(grown) - 1 - a) + 1):
                    grown[a + b] += x * math.comb(held, b)
            power = grown
        expected += 1 - (power[d] if len(power) > d else 0) / ways
    return expected


@pytest.mark.parametrize(("experts", "n"), [(8, 2), (8, 4), (8, 8), (16, 4), (64, 8), (64, 16), (128, 32), (128, 64)])
def test_distinct_imbalance_against_exact_hypergeometrics(experts, n):
    # sibling: exact, whatever the way of counting, and 1 when every expert is touched.
    for d in {1, 2, 3, 4, 6, 8, experts // 4, experts // 2, 3 * experts // 4, experts - 1, experts}:
        exact = busiest_of_hypergeometric(d, experts, n) * n / d
        assert formulas.distinct_imbalance(distinct=d, experts=experts, devices=n) == pytest.approx(exact, rel=1e-9)
    assert formulas.distinct_imbalance(distinct=experts, experts=experts, devices=n) == 1
    assert formulas.distinct_imbalance(distinct=1, experts=experts, devices=n) == n


@given(n=st.integers(1, 64), held=st.integers(1, 16))
def test_distinct_imbalance_properties(n, held):
    # property: between 1 and n, and no device touches more experts than it holds.
    d = np.linspace(1, n * held, 50)
    imbalance = formulas.distinct_imbalance(distinct=d, experts=n * held, devices=n)
    assert (imbalance >= 1 - 1e-12).all()
    assert (imbalance <= np.minimum(n, n * held / d) * (1 + 1e-12)).all()
    assert (np.diff(imbalance * d) >= -1e-9).all()  # the busiest device never gets fewer


@given(experts=st.integers(1, 256), n=st.integers(1, 32), skew=st.floats(0, 2), data=st.data())
def test_device_shares_properties(experts, n, skew, data):
    # property: shares add to 1; dealing by popularity is at least as even as runs of neighbours; equal experts that
    # divide evenly are shared evenly either way.
    k = data.draw(st.integers(1, experts))
    q = formulas.inclusion_probabilities(experts=experts * n, experts_per_token=k, skew=skew)
    for placement in ("balanced", "contiguous"):
        shares = formulas.device_shares(probabilities=q, devices=n, placement=placement)
        assert shares.shape == (n,)
        assert shares.sum() == pytest.approx(1, rel=1e-12)
        busiest = formulas.busiest_share(probabilities=q, devices=n, placement=placement)
        assert busiest == shares.max() >= 1 / n - 1e-12
        if skew == 0:
            assert shares == pytest.approx(np.full(n, 1 / n), rel=1e-12)
    balanced = formulas.busiest_share(probabilities=q[::-1], devices=n)
    assert balanced <= formulas.busiest_share(probabilities=q, devices=n, placement="contiguous") * (1 + 1e-12)
    by_chance = formulas.busiest_share(probabilities=q, devices=n, placement="random")
    assert balanced * (1 - 1e-12) <= by_chance or skew == 0  # knowing the popularity helps
    with pytest.raises(ValueError, match="'balanced', 'contiguous'"):
        formulas.device_shares(probabilities=q, devices=n, placement="best")


def test_the_busiest_device_gets_no_less_as_routing_skews():
    # sibling: 20,000 tokens with 8 of 256 experts on 8 devices, placed at random, gave 1.22, 1.72, 2.04 and 2.21 times
    # the mean at skews 0.5, 1, 1.5 and 2 in a simulation that draws them one by one; here the share of tokens that
    # choose an expert is proportional to its popularity, which makes the most popular a little more so.
    def busiest(skew):
        q = formulas.inclusion_probabilities(experts=256, experts_per_token=8, skew=skew)
        return 8 * formulas.busiest_share(probabilities=q, devices=8, placement="random")

    assert [busiest(skew) for skew in (0.5, 1.0, 1.5, 2.0)] == pytest.approx([1.22, 1.72, 2.04, 2.21], rel=0.11)
    steps = [busiest(skew) for skew in np.linspace(0, 3, 13)]
    assert (np.diff(steps) > -0.01).all()


def test_elementwise_counts_by_hand():
    # hand: each written out once in Python, every operator a FLOP.
    class Counted(float):
        flops = 0

        def _count(self, value):
            Counted.flops += 1
            return Counted(value)

        def __add__(self, other):
            return self._count(float(self) + float(other))

        def __mul__(self, other):
            return self._count(float(self) * float(other))

        def __rtruediv__(self, other):
            return self._count(other / float(self))

    def flops(work):
        Counted.flops = 0
        work(Counted(0.5), Counted(0.25))
        return Counted.flops

    # square and add to the sum; then scale and weight.
    assert flops(lambda x, s: (s + x * x, x * s * s)) == formulas.rms_norm_flops(width=1)
    assert flops(lambda x, y: x * 0.6 + y * 0.8) == formulas.rotary_flops(width=1)
    assert flops(lambda x, y: x + y) == formulas.residual_flops(width=1)
    # x·σ(x)·u with e = exp(−x) from its own unit.
    assert flops(lambda x, e: x * (1.0 / (e + 1.0)) * x) == formulas.gate_flops(width=1)
    assert formulas.gate_exponentials(width=14336) == 14336
    assert formulas.quantise_flops(elements=3) == 2 * formulas.dequantise_flops(elements=3) == 6
    assert formulas.absmax_flops(elements=3) == 3


def test_an_exponential_is_as_many_instructions_as_its_algorithm_needs():
    # sibling: the count is that of an algorithm that works. Range reduction by a two-part ln 2 and a polynomial of
    # degree 7, run here in FP32 with one counted step per vector instruction, is right to a few ulp.
    x = np.linspace(-87, 88, 100_001, dtype=np.float32)
    f, instructions = np.float32, 0

    def step(value):
        nonlocal instructions
        instructions += 1
        return value.astype(np.float32)

    z = step(x * f(math.log2(math.e)) + f(0.5))
    z = step(np.floor(z))
    r = step(x - z * f(0.693359375))
    r = step(r + z * f(2.12194440e-4))
    square = step(r * r)
    p = step(f(1 / 5040) * r + f(1 / 720))
    for i in (120, 24, 6, 2):
        p = step(p * r + f(1 / i))
    y = step(p * square + step(r + f(1)))
    exponent = step(step(z) * f(2**23))  # convert and shift
    y = step(np.ldexp(y, (exponent / f(2**23)).astype(int)))  # add to the bits
    assert 2 * instructions == formulas.EXP_VECTOR_FLOPS
    assert y == pytest.approx(np.exp(x.astype(float)), rel=2 * 2**-22)


PUBLIC = [getattr(formulas, name) for name in formulas.__all__ if name.islower()]
STATIC = {  # what is no array
    formulas.wave_quantised_flops: {"tiles": ((0.5, 1.5), (1.0, 0.7))},
    formulas.load_imbalance: {"devices": 3},
    formulas.distinct_imbalance: {"devices": 3, "experts": 9},
    formulas.expected_distinct_experts_of: {"probabilities": np.array([1.0, 0.5, 0.5])},
    formulas.visible_pairs: {"chunked": False},
    formulas.decode_pairs: {"chunked": True},
}
OF_NUMBERS = {  # from numbers to a table
    formulas.inclusion_probabilities,
    formulas.device_shares,
    formulas.busiest_share,
    formulas.folded_arrays,
}
OF_ARRAYS = [function for function in PUBLIC if function not in OF_NUMBERS]


def columns_of(function):
    """Five values for each argument that may be an array."""
    static = STATIC.get(function, {})
    names = [name for name in inspect.signature(function).parameters if name not in static]
    columns = {name: np.linspace(1.0, 2.0, 5) + 0.1 * i for i, name in enumerate(names)}
    if "experts" in columns:
        columns["experts"] = columns["experts"] + 8
    return columns, static


@pytest.mark.parametrize("function", OF_ARRAYS, ids=lambda function: function.__name__)
def test_formulas_need_nothing_beyond_the_array_api(function):
    # property: the strictest implementation of the standard computes the same as NumPy, element by element.
    columns, static = columns_of(function)
    expected = function(**columns, **static)
    strict = function(**{name: xp.asarray(column) for name, column in columns.items()}, **static)
    assert np.asarray(strict) == pytest.approx(expected, rel=1e-14)
    looped = [function(**{name: column[i] for name, column in columns.items()}, **static) for i in range(5)]
    assert expected == pytest.approx(looped, rel=1e-14)


@pytest.mark.parametrize("function", OF_ARRAYS, ids=lambda function: function.__name__)
def test_formulas_compile_and_differentiate(function):
    # sibling: NumPy; and no slope is NaN, so no branch on a value and no division that only a discarded branch makes.
    jax = pytest.importorskip("jax", reason="needs the extra jax")
    jax.config.update("jax_enable_x64", True)
    columns, static = columns_of(function)
    compiled = jax.jit(lambda arrays: function(**arrays, **static))(columns)
    np.testing.assert_allclose(compiled, function(**columns, **static), rtol=1e-13)
    slopes = jax.grad(lambda arrays: jax.numpy.sum(function(**arrays, **static)))(columns)
    assert all(np.isfinite(slope).all() for slope in slopes.values())


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
