"""Uncertain inputs: distributions, draws, simulations and sensitivities must agree with each other and with theory."""

from __future__ import annotations

import itertools
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

import tco
from roofline.spread import Spread
from tco import ratio, risk
from tco.risk import closed_forms

CASE = {"r_th": 0.8, "r_sc": 0.5, "r_ic": 0.75, "server_share": 0.7}
"""facts/tco.md section 4: Kim's ratio is 0.71875."""

ONE = CASE | {"r_th": risk.LogNormal(0.8, 0.15)}
BOTH = ONE | {"r_sc": risk.LogNormal(0.5, 0.25)}
SIGMAS = {"sigma_r_th": 0.15, "sigma_r_sc": 0.25}

SIBLINGS = {
    "uniform": (risk.Uniform(-2.0, 6.0), stats.uniform(-2, 8)),
    "triangular": (risk.Triangular(1.0, 1.3, 2.0), stats.triang(0.3, 1, 1)),
    "mode at a bound": (risk.Triangular(1.0, 1.0, 2.0), stats.triang(0.0, 1, 1)),
    "pert": (risk.Pert(1.0, 1.3, 2.0), stats.beta(2.2, 3.8, loc=1)),
    "truncated normal": (risk.TruncatedNormal(0.8, 0.1, 0.5, 0.9), stats.truncnorm(-3, 1, loc=0.8, scale=0.1)),
    "cut far to the left": (risk.TruncatedNormal(0.0, 1.0, -13.0, -12.0), stats.truncnorm(-13, -12)),
    "cut far to the right": (risk.TruncatedNormal(0.0, 1.0, 12.0, 13.0), stats.truncnorm(12, 13)),
    "lognormal": (risk.LogNormal(0.8, 0.25), stats.lognorm(0.25, scale=0.8)),
    "from a spread": (risk.FromSpread(2.0, Spread(0.1)), stats.lognorm(0.1, scale=2.0)),
}
"""Ours, and SciPy's."""

EVERY = [ours for ours, _ in SIBLINGS.values()] + [
    risk.Fixed(0.7),
    risk.Discrete([0.12, 0.08, 0.2], [0.25, 0.5, 0.25]),
    risk.Empirical([3.0, 1.0, 2.0, 2.0]),
    risk.FromSpread(1000.0, Spread(0.05, 2.1)),
]

shares = st.floats(1e-9, 1 - 1e-9)
every = st.sampled_from(EVERY)


# ------------------------------------------------------------------------------------------------------ distributions


@pytest.mark.parametrize("name", SIBLINGS)
def test_quantiles_are_those_of_scipy(name):
    # sibling: two independent routes; FromSpread is cut at its outer 0.1 %, so it is compared within.
    ours, theirs = SIBLINGS[name]
    share = np.array([0.001, 0.01, 0.3, 0.5, 0.77, 0.99, 0.999])
    np.testing.assert_allclose(ours.quantile(share), theirs.ppf(share), rtol=1e-9)


@pytest.mark.parametrize("name", SIBLINGS)
def test_means_are_those_of_scipy(name):
    # sibling: what FromSpread cuts off is 1e-5 of the mean here.
    ours, theirs = SIBLINGS[name]
    assert ours.mean == pytest.approx(theirs.mean(), rel=1e-4 if name == "from a spread" else 1e-9)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: type(one).__name__)
def test_the_mean_is_the_area_under_the_quantiles(one):
    # property: E X = ∫ Q(u) du, whatever the distribution; midpoints leave an error of the tails.
    middles = (np.arange(400_000) + 0.5) / 400_000
    assert one.mean == pytest.approx(one.quantile(middles).mean(), rel=1e-4)


@given(one=every, first=shares, second=shares)
def test_quantiles_never_fall(one, first, second):
    # property: a quantile function does not decrease.
    low, high = one.quantile(sorted([first, second]))
    assert low <= high or low == pytest.approx(high, rel=1e-14)


@given(one=every, score=st.floats(-5, 5))
def test_a_normal_score_is_a_share(one, score):
    # property: both ways to a draw agree, the fast one of lognormals too; beyond 5 a share near 1 has too few digits.
    assert one.from_normal(score) == pytest.approx(one.quantile(stats.norm.cdf(score)), rel=1e-9)


@given(one=every)
def test_extreme_draws_stay_finite(one):
    # property: no infinity leaves a public function, however unlikely the draw.
    assert np.isfinite(one.from_normal([-38.0, 38.0])).all()
    assert np.isfinite(one.quantile([1e-300, 1 - 2.0**-53])).all()


@given(value=st.floats(1e-3, 1e6), scale=st.floats(0, 0.5), freedom=st.floats(2.1, 30), level=st.floats(0.01, 0.99))
def test_a_calibration_interval_flows_in_unchanged(value, scale, freedom, level):
    # sibling: roofline.spread.Spread states the same interval.
    spread = Spread(scale, freedom)
    ours, theirs = risk.FromSpread(value, spread).interval(level), spread.interval(value, level)
    assert (ours.low, ours.high) == pytest.approx((float(theirs.low), float(theirs.high)), rel=1e-9)


def test_heavy_tails_of_a_spread_have_a_mean_all_the_same():
    # property: exp of Student's t has no mean, so errors beyond the outer 0.1 % must count as those at its ends.
    one = risk.FromSpread(1.0, Spread(0.2, 2.1))
    end = float(one.quantile(1 - 1e-12))
    assert end == pytest.approx(math.exp(0.2 * stats.t(2.1).ppf(0.9995)), rel=1e-9)
    assert 1 < one.mean < 1 + 0.001 * end + 0.2


@given(low=st.floats(1e-3, 10), factor=st.floats(1.01, 100), level=st.floats(0.5, 0.99))
def test_a_lognormal_number_has_the_interval_it_was_made_from(low, factor, level):
    # property: from_interval is the inverse of interval.
    found = risk.LogNormal.from_interval(low, low * factor, level).interval(level)
    assert (found.low, found.high) == pytest.approx((low, low * factor), rel=1e-9)


def test_discrete_values_are_kept_once_each_in_order():
    # hand: 0.1 has half of the cases in two entries; a share of 0 never happens.
    one = risk.Discrete([0.3, 0.1, 0.2, 0.1], [0.5, 0.25, 0.0, 0.25])
    assert one.values.tolist() == [0.1, 0.3]
    assert one.shares.tolist() == [0.5, 0.5]
    assert one.quantile([0.49, 0.51]).tolist() == [0.1, 0.3]


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), share=shares)
def test_observations_have_the_quantiles_of_numpy(values, share):
    # sibling: NumPy's Hazen quantiles; and the mean of what was seen is the mean.
    one = risk.Empirical(values)
    assert one.quantile(share) == pytest.approx(np.quantile(values, share, method="hazen"), rel=1e-9, abs=1e-9)
    assert one.mean == pytest.approx(np.mean(values), abs=1e-9)


REFUSED = [
    (lambda: risk.Uniform(2.0, 2.0), "low must be below high"),
    (lambda: risk.Uniform(math.nan, 2.0), "low = nan is not accepted"),
    (lambda: risk.Triangular(1.0, 3.0, 2.0), "mode must not exceed high"),
    (lambda: risk.Pert(1.0, 0.5, 2.0), "low must not exceed mode"),
    (lambda: risk.TruncatedNormal(0.0, 0.0, -1.0, 1.0), "sigma = 0 is not accepted"),
    (lambda: risk.TruncatedNormal(0.0, 1.0, 2000.0, 2001.0), "nothing is left"),
    (lambda: risk.LogNormal(0.0, 0.1), "median = 0 is not accepted"),
    (lambda: risk.LogNormal(1.0, -0.1), "sigma = -0.1 is not accepted"),
    (lambda: risk.LogNormal([1.0, 2.0], 0.1), "give one number"),
    (lambda: risk.LogNormal.from_interval(-1.0, 2.0), "low must be above 0"),
    (lambda: risk.LogNormal.from_interval(1.0, 2.0, 90), "level = 90 is not accepted"),
    (lambda: risk.Discrete([1.0, 2.0], [0.5, 0.4]), "shares add up to 0.9"),
    (lambda: risk.Discrete([1.0, 2.0], [1.0]), "2 and 1 entries"),
    (lambda: risk.Empirical([]), "values is empty"),
    (lambda: risk.Empirical([[1.0]]), "give a list of numbers"),
    (lambda: risk.FromSpread(1.0, 0.1), "spread is a float"),
    (lambda: risk.FromSpread(1.0, Spread(50.0, 2.1)), "spread is too wide"),
    (lambda: risk.Fixed(True), "value = True is not accepted"),
    (lambda: risk.Fixed(0.5).quantile(0.0), "share = 0 is not accepted"),
    (lambda: risk.Fixed(0.5).from_normal(math.inf), "score = inf is not accepted"),
]


@pytest.mark.parametrize(("make", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_what_is_no_distribution_is_refused(make, told):
    # property: one clear error with the field and what is accepted.
    with pytest.raises(ValueError, match=told):
        make()


def test_private_numbers_show_nowhere():
    # property: neither repr nor error nor table shows a private amount; 271828 stands for one.
    amount = 271828.0
    price = risk.LogNormal.from_interval(amount, 2 * amount, private=True)
    made = [
        price,
        risk.Fixed(amount, private=True),
        risk.Uniform(0.0, amount, private=True),
        risk.Pert(0.0, 1.0, amount, private=True),
        risk.TruncatedNormal(amount, 1.0, 0.0, 2 * amount, private=True),
        risk.Discrete([amount], [1.0], private=True),
        risk.Empirical([amount], private=True),
        risk.FromSpread(amount, Spread(0.1), private=True),
    ]
    inputs = {"price_usd": price, "years": risk.Uniform(3.0, 6.0)}
    result = risk.simulate(lambda price_usd, years: price_usd / years, inputs)
    chart = risk.tornado(lambda price_usd, years: price_usd / years, inputs)
    worth = risk.value_of_information(lambda price_usd, years: np.stack([price_usd / years, 0 * years + 8e4]), inputs)
    shown = " ".join(map(repr, [*made, result, chart, worth]))
    assert "private" in shown
    digits = "".join(letter for letter in shown if letter.isdigit() or letter in " .")
    assert all(len(word.replace(".", "")) < 6 for word in digits.split())
    for wrong in (
        lambda: risk.Uniform(amount, amount, private=True),
        lambda: risk.Uniform(amount, 0.0, private=True),
        lambda: risk.Fixed(-amount * 1e100, private=True),
        lambda: risk.LogNormal(-amount, 0.1, private=True),
        lambda: risk.Empirical([amount, math.nan], private=True),
        lambda: risk.LogNormal.from_interval(-amount, amount, private=True),
    ):
        with pytest.raises(ValueError, match=r"low|value|median") as refused:
            wrong()
        assert "2718" not in str(refused.value)
    bars = {bar.name: bar for bar in chart.shown()}
    assert (bars["price_usd"].low, bars["price_usd"].high) == (None, None)
    assert bars["years"].low == pytest.approx(3.15)
    assert chart.shown(reveal=True) == chart.bars


# -------------------------------------------------------------------------------------------------------------- draws


@pytest.mark.parametrize("method", ["sobol", "random", "latin"])
def test_draws_have_their_distribution_and_their_correlation(method):
    # property: Kolmogorov's distance below 4/√n, and the correlation of the scores below 4 standard errors (1 − r²)/√n.
    n, r = 2**14, 0.6
    inputs = {"a": risk.LogNormal(0.8, 0.15), "b": risk.Uniform(2.0, 3.0), "c": risk.Pert(0.0, 0.2, 1.0)}
    drawn = risk.draw(inputs, count=n, correlations={("c", "a"): r}, method=method)
    siblings = {"a": stats.lognorm(0.15, scale=0.8), "b": stats.uniform(2, 1), "c": stats.beta(1.8, 4.2)}
    for name, sibling in siblings.items():
        assert stats.kstest(drawn[name], sibling.cdf).statistic < 4 / math.sqrt(n)
    scores = {name: stats.norm.ppf(sibling.cdf(drawn[name])) for name, sibling in siblings.items()}
    found = np.corrcoef([scores["a"], scores["b"], scores["c"]])
    expected = np.array([[1, 0, r], [0, 1, 0], [r, 0, 1]])
    assert np.abs(found - expected).max() < 4 / math.sqrt(n)
    # published: a Gaussian copula's rank correlation is 6/π·asin(r/2) (Pearson 1907).
    assert stats.spearmanr(drawn["a"], drawn["c"])[0] == pytest.approx(6 / math.pi * math.asin(r / 2), abs=0.02)


@pytest.mark.parametrize("method", ["sobol", "random", "latin"])
@pytest.mark.parametrize("block", [1, 100, 4096])
def test_blocks_are_the_draws(method, block):
    # property: what is drawn does not depend on how much at a time.
    inputs = {"a": risk.LogNormal(0.8, 0.15), "b": risk.Uniform(2.0, 3.0), "c": 1.5}
    options = {"count": 256, "correlations": {("a", "b"): -0.3}, "method": method, "seed": 5}
    whole = risk.draw(inputs, **options)
    parts = list(risk.blocks(inputs, **options, block=block))
    assert max(part["a"].size for part in parts) <= block
    for name in inputs:
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])
    assert (whole["c"] == 1.5).all()


@pytest.mark.parametrize("method", ["random", "latin"])
def test_a_name_keeps_its_draws_whatever_else_is_drawn(method):
    # property: streams belong to names, so another input, even a correlated pair, does not disturb them.
    alone = risk.draw({"a": risk.LogNormal(0.8, 0.15)}, count=64, method=method)["a"]
    more = {name: risk.Uniform(0.0, 1.0) for name in "zxy"} | {"a": risk.LogNormal(0.8, 0.15)}
    beside = risk.draw(more, count=64, correlations={("x", "y"): 0.5}, method=method)
    np.testing.assert_array_equal(beside["a"], alone)
    assert not np.array_equal(beside["x"], beside["z"])


@pytest.mark.parametrize("method", ["sobol", "random", "latin"])
def test_order_and_fixed_inputs_do_not_move_draws(method):
    # property: the draws belong to the set of names and the seed.
    inputs = {"a": risk.LogNormal(0.8, 0.15), "b": risk.Uniform(2.0, 3.0), "c": risk.Uniform(0.0, 1.0)}
    first = risk.draw(inputs, count=64, method=method)
    turned = risk.draw(dict(reversed(inputs.items())), count=64, method=method)
    fixed = risk.draw(inputs | {"b": 2.5}, count=64, method=method)
    np.testing.assert_array_equal(turned["b"], first["b"])
    np.testing.assert_array_equal(fixed["c"], first["c"])
    other = risk.draw(inputs, count=64, method=method, seed=1)
    assert not np.array_equal(other["a"], first["a"])


def test_a_seed_gives_the_same_draws_in_another_process():
    # property: a name's stream does not hang on Python's hash, which differs from process to process.
    code = "from tco import risk; print(risk.draw({'a': risk.Uniform(0., 1.)}, count=2, method='random')['a'].tolist())"
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert there.strip() == str(risk.draw({"a": risk.Uniform(0.0, 1.0)}, count=2, method="random")["a"].tolist())


def test_latin_draws_have_one_in_every_slice():
    # property: that is what a Latin hypercube is.
    drawn = risk.draw({"a": risk.Uniform(0.0, 1.0), "b": risk.Uniform(0.0, 1.0)}, count=100, method="latin")
    for values in drawn.values():
        assert sorted((values * 100).astype(int).tolist()) == list(range(100))


@given(
    values=st.lists(st.floats(-0.95, 0.95), min_size=6, max_size=6),
)
def test_correlations_are_taken_or_the_pair_that_must_change_is_named(values):
    # property: what is refused becomes acceptable with the named pair at the middle of what it is told to be.
    inputs = {name: risk.Uniform(0.0, 1.0) for name in "abcd"}
    given_all = dict(zip(itertools.combinations("abcd", 2), values, strict=True))
    for _ in range(6):
        matrix = np.eye(4)
        for (first, second), value in given_all.items():
            i, j = "abcd".index(first), "abcd".index(second)
            matrix[i, j] = matrix[j, i] = value
        least = np.linalg.eigvalsh(matrix)[0]
        try:
            risk.draw(inputs, count=2, correlations=given_all)
        except ValueError as error:
            assert least < 1e-9
            told = str(error)
            if "too strong" in told:
                return
            pair = tuple(told.split("'")[1:4:2])
            low, high = (float(part) for part in told.split("between ")[1].split(",")[0].split(" and "))
            if high - low < 0.05:  # told in two digits, which may be outside
                return
            given_all[tuple(sorted(pair))] = (low + high) / 2
        else:
            assert least > -1e-9
            return
    pytest.fail("following the advice did not help")


REFUSED_DRAWS = [
    ({"count": 1000}, "such as 512 or 1024"),
    ({"count": 0}, "count = 0 is not accepted"),
    ({"count": 2**31}, "of at most 1,073,741,824"),
    ({"count": 8, "method": "halton"}, "method = 'halton' is not accepted"),
    ({"count": 8, "seed": -1}, "seed = -1 is not accepted"),
    ({"count": 8, "correlations": {("a", "a"): 0.5}}, "is not a pair"),
    ({"count": 8, "correlations": {"ab": 0.5}}, "'ab' is not a pair"),
    ({"count": 8, "correlations": {("a", "x"): 0.5}}, "'x' is no input: there are 'a', 'b', 'c', 'd'"),
    ({"count": 8, "correlations": {("a", "d"): 0.5}}, "'d' is fixed"),
    ({"count": 8, "correlations": {("a", "b"): 0.5, ("b", "a"): 0.5}}, "given twice"),
    ({"count": 8, "correlations": {("a", "b"): 1.0}}, "inputs that always move together are one input"),
    ({"count": 8, "correlations": {("a", "b"): 1.5}}, "correlation of 'a' and 'b' = 1.5 is not accepted"),
    (
        {"count": 8, "correlations": {("a", "b"): 0.9, ("b", "c"): 0.9}},
        "that of 'a' and 'c' must lie between 0.62 and 1, and is 0 since none was given",
    ),
    (
        {"count": 8, "correlations": {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}},
        "contradict each other",
    ),
]


@pytest.mark.parametrize(("options", "told"), REFUSED_DRAWS, ids=[told for _, told in REFUSED_DRAWS])
def test_what_cannot_be_drawn_is_refused_at_once(options, told):
    # property: before the first block; 0.62 is 0.9² − (1 − 0.9²), by hand.
    inputs = {name: risk.Uniform(0.0, 1.0) for name in "abc"} | {"d": 1.0}
    with pytest.raises(ValueError, match=told):
        risk.blocks(inputs, **options)


@pytest.mark.parametrize(
    ("inputs", "told"), [({}, "inputs is empty"), ({1: 2.0}, "1 is no name"), ({"a": "x"}, "'a' is a str")]
)
def test_inputs_are_distributions_or_numbers(inputs, told):
    # property: and the message names the one that is neither.
    with pytest.raises(ValueError, match=told):
        risk.draw(inputs, count=2)


# --------------------------------------------------------------------------------------------------------- simulation


def test_throughput_alone_is_uncertain():
    # published: facts/tco.md 4.7, P(A cheaper) = 0.98615, within 4 standard errors of pseudo-random draws.
    assert round(float(closed_forms.probability_below(**CASE, sigma_r_th=0.15)), 5) == 0.98615
    value, error = risk.simulate(ratio.tco_ratio, ONE, draws=200_000, method="random").probability_below(1.0)
    assert error == pytest.approx(math.sqrt(0.98615 * (1 - 0.98615) / 200_000), rel=0.05)
    assert abs(value - 0.98615) < 4 * error


def test_throughput_and_price_are_uncertain():
    # published: facts/tco.md 4.7: P = .932, median .721, 5-95 % [.513, 1.035], EVPI .0075 of TCO_B.
    result = risk.simulate(ratio.tco_ratio, BOTH, draws=2**16)
    assert round(result.probability_below(1.0).value, 3) == 0.932
    assert round(result.median, 3) == 0.721
    assert result.interval(0.9) == pytest.approx((0.513, 1.035, 0.9), abs=1e-3)
    assert round(result.evpi, 4) == 0.0075
    assert result.verdict(0.9) == "A"
    assert result.verdict(0.95) == "too close to call"


@pytest.mark.parametrize("method", ["sobol", "random", "latin"])
def test_a_simulation_agrees_with_the_integrals(method):
    # sibling: closed forms, within 4 standard errors of pseudo-random draws (quasi-random ones are nearer).
    result, n = risk.simulate(ratio.tco_ratio, BOTH, draws=2**15, method=method), 2**15
    targets = np.array([0.5, 0.75, 1.0, 1.2])
    value, error = result.probability_below(targets)
    assert (np.abs(value - closed_forms.probability_below(**CASE, **SIGMAS, target=targets)) < 4 * error).all()
    assert abs(result.mean - closed_forms.mean(**CASE, **SIGMAS)) < 4 * result.std / math.sqrt(n)
    assert value[2] == result.probability_below(1.0).value  # counted, where several thresholds are looked up
    regret = np.maximum(result.values - 1, 0).std()
    assert abs(result.evpi - closed_forms.evpi(**CASE, **SIGMAS)) < 4 * regret / math.sqrt(n)


@given(
    r_th=st.floats(0.3, 3),
    r_sc=st.floats(0.1, 3),
    server_share=st.floats(0.05, 1),
    sigma_r_th=st.floats(0.02, 1),
    sigma_r_sc=st.floats(0, 1),
)
def test_the_integrals_agree_with_quadrature(r_th, r_sc, server_share, sigma_r_th, sigma_r_sc):
    # sibling: QUADPACK on the same integrals written anew, without SciPy's slow distributions.
    case = {
        "r_th": r_th,
        "r_sc": r_sc,
        "server_share": server_share,
        "sigma_r_th": sigma_r_th,
        "sigma_r_sc": sigma_r_sc,
    }

    def needed(z):
        return server_share * r_sc * math.exp(sigma_r_sc * z) + 1 - server_share

    def over_price(function):
        turn = np.clip(
            (math.log(max(r_th - 1 + server_share, 1e-9) / server_share / r_sc)) / max(sigma_r_sc, 1e-9), -8.9, 8.9
        )
        options = {"limit": 400, "epsabs": 1e-12, "points": [float(turn)]}
        return integrate.quad(lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * function(z), -9, 9, **options)[
            0
        ]

    s = sigma_r_th
    cheaper = over_price(lambda z: special.ndtr((math.log(r_th) - math.log(needed(z))) / s))
    assert float(closed_forms.probability_below(**case)) == pytest.approx(cheaper, abs=1e-8)

    def lower_cost(z):
        m = math.log(needed(z) / r_th)
        return special.ndtr(m / s) + math.exp(m + s * s / 2) * special.ndtr(-(m + s * s) / s)

    expected = (server_share * r_sc * math.exp(sigma_r_sc**2 / 2) + 1 - server_share) / r_th * math.exp(s * s / 2)
    assert float(closed_forms.mean(**case)) == pytest.approx(expected, rel=1e-12)
    assert float(closed_forms.evpi(**case)) == pytest.approx(min(1, expected) - over_price(lower_cost), abs=1e-8)


def test_small_errors_propagate_through_elasticities():
    # property: for small errors the spread of ln ρ tends to that of the elasticities (first order).
    errors = {"r_th": 0.01, "r_sc": 0.02, "r_ic": 0.015}
    inputs = CASE | {name: risk.LogNormal(CASE[name], error) for name, error in errors.items()}
    found = np.log(risk.simulate(ratio.tco_ratio, inputs).values).std()
    stated = closed_forms.sigma(
        r_sc=0.5, r_ic=0.75, server_share=0.7, **{f"sigma_{name}": error for name, error in errors.items()}
    )
    assert found == pytest.approx(float(stated), rel=1e-3)


def test_closed_forms_broadcast_and_refuse():
    # property: an array of arguments gives the array of results; what the sum cannot resolve is refused.
    sigmas = np.array([0.1, 0.2, 0.4])
    whole = closed_forms.probability_below(**CASE, sigma_r_th=sigmas[:, None], sigma_r_sc=sigmas)
    assert whole.shape == (3, 3)
    alone = closed_forms.probability_below(**CASE, sigma_r_th=0.4, sigma_r_sc=0.1)
    assert float(whole[2, 0]) == pytest.approx(float(alone), rel=1e-12)
    with pytest.raises(ValueError, match="fiftieth"):
        closed_forms.evpi(**CASE, sigma_r_th=0.001, sigma_r_sc=1.0)
    with pytest.raises(ValueError, match="sigma_r_th = 0"):
        closed_forms.mean(**CASE, sigma_r_th=0.0)
    with pytest.raises(ValueError, match="A would cost nothing"):
        closed_forms.mean(r_th=1.0, r_sc=1.0, r_ic=0.0, server_share=0.0, sigma_r_th=0.1)


def test_common_random_numbers_cut_the_variance_of_a_difference():
    # property: two accelerators under the same prices differ far less from seed to seed if they share their draws.
    def differences(other_seed):
        better = BOTH | {"r_th": risk.LogNormal(0.84, 0.15)}
        runs = [
            (
                risk.simulate(ratio.tco_ratio, BOTH, draws=256, method="random", seed=seed).mean,
                risk.simulate(ratio.tco_ratio, better, draws=256, method="random", seed=seed + other_seed).mean,
            )
            for seed in range(40)
        ]
        return np.var([a - b for a, b in runs])

    assert differences(0) < differences(1000) / 100


def test_a_sobol_sequence_converges_faster_than_pseudo_random_draws():
    # property: errors of the mean against its closed form; as 1/√n for one, nearly as 1/n for the other.
    exact, sizes = float(closed_forms.mean(**CASE, **SIGMAS)), [2**6, 2**9, 2**12]

    def errors(method):
        return [
            np.sqrt(
                np.mean(
                    [
                        (risk.simulate(ratio.tco_ratio, BOTH, draws=n, method=method, seed=seed).mean - exact) ** 2
                        for seed in range(24)
                    ]
                )
            )
            for n in sizes
        ]

    sobol, random = errors("sobol"), errors("random")
    slopes = [np.polyfit(np.log(sizes), np.log(found), 1)[0] for found in (sobol, random)]
    assert all(quasi < pseudo / 3 for quasi, pseudo in zip(sobol, random, strict=True))
    assert slopes[0] < -0.85
    assert -0.65 < slopes[1] < -0.35


def test_level_is_half_and_certainty_is_not_proven():
    # hand: a ratio of exactly 1 is neither cheaper nor dearer; 0 of n draws has Laplace's (1/(n+2)).
    level = risk.simulate(ratio.tco_ratio, {"r_th": 1.0, "r_sc": 1.0}, draws=8)
    assert level.probability_below(1.0).value == 0.5
    assert level.verdict() == "too close to call"
    never = level.probability_below(0.5)
    assert never.value == 0
    assert never.standard_error == pytest.approx(math.sqrt(0.1 * 0.9 / 8))
    assert (level.evpi, level.median, level.std) == (0.0, 1.0, 0.0)


def test_the_verdict_of_the_dearer():
    # property: swapping A and B swaps the verdict, since the median ratio is 1/0.721.
    swapped = risk.simulate(lambda **given: 1 / ratio.tco_ratio(**given), BOTH)
    assert swapped.verdict(0.9) == "B"
    with pytest.raises(ValueError, match=r"above 0\.5"):
        swapped.verdict(0.4)


@given(scale=st.floats(0.01, 100))
def test_prices_scale_and_probabilities_stay(scale):
    # property: another currency for both costs leaves the ratio, hence everything, as it was.
    def cost_ratio(price_a, price_b):
        return price_a / price_b

    def found(unit):
        return risk.simulate(
            cost_ratio,
            {"price_a": risk.LogNormal(2e5 * unit, 0.1), "price_b": risk.LogNormal(2.4e5 * unit, 0.2)},
            draws=256,
            correlations={("price_a", "price_b"): 0.5},
        )

    np.testing.assert_allclose(found(scale).values, found(1.0).values, rtol=1e-12)


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_of_results_are_those_of_numpy(shares):
    # sibling: NumPy's default.
    result = risk.simulate(ratio.tco_ratio, BOTH, draws=64)
    np.testing.assert_allclose(result.quantile(shares), np.quantile(result.values, shares), rtol=1e-12)


def test_draws_of_a_simulation_can_be_had_again():
    # property: the model of the draws is the values, after pickling too.
    result = risk.simulate(ratio.tco_ratio, BOTH, draws=256, correlations={("r_th", "r_sc"): 0.4}, seed=3)
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_allclose(ratio.tco_ratio(**again.draws()), result.values, rtol=1e-15)
    assert again.inputs == ("r_th", "r_sc", "r_ic", "server_share")


def test_correlation_narrows_the_ratio_of_what_shares_a_cause():
    # hand: ln(X/Y) of two lognormals has variance s² + s² − 2·r·s².
    inputs = {"x": risk.LogNormal(1.0, 0.2), "y": risk.LogNormal(1.0, 0.2)}
    for r in (-0.5, 0.0, 0.8):
        result = risk.simulate(lambda x, y: x / y, inputs, correlations={("x", "y"): r})
        assert np.log(result.values).std() == pytest.approx(0.2 * math.sqrt(2 - 2 * r), rel=1e-3)


def test_progress_sees_every_block():
    # hand: 1,000 draws in blocks of 300 are 4 steps.
    seen = []

    def watch(steps):
        for step in steps:
            seen.append(step)
            yield step

    options = {"draws": 1000, "method": "random", "block": 300}
    watched = risk.simulate(ratio.tco_ratio, ONE, **options, progress=watch)
    assert seen == [0, 1, 2, 3]
    np.testing.assert_array_equal(watched.values, risk.simulate(ratio.tco_ratio, ONE, **options).values)


def test_progress_counts_the_blocks_that_sobol_takes():
    # property: where a block is not a power of two the sequence takes a smaller one, and nothing is left undone.
    steps = []
    watched = risk.simulate(ratio.tco_ratio, BOTH, draws=1024, block=500, progress=lambda s: steps.extend(s) or steps)
    assert len(steps) == 4
    np.testing.assert_array_equal(watched.values, risk.simulate(ratio.tco_ratio, BOTH, draws=1024).values)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda x: x[:3], r"shape \(3,\) for 8 draws"),
        (lambda x: np.where(x > 0.5, np.nan, x), "no finite number for 4 of 8 draws"),
        (lambda x: np.stack([x, x]), r"shape \(2, 8\)"),
    ],
)
def test_a_model_must_give_a_finite_number_for_each_draw(model, told):
    # property: one clear error; a Sobol' sequence has exactly half of its points above one half.
    with pytest.raises(ValueError, match=told):
        risk.simulate(model, {"x": risk.Uniform(0.0, 1.0)}, draws=8)


def test_the_shape_of_a_long_simulation():
    # property: it is drawn in blocks, so memory is that of the results and a few blocks.
    import tracemalloc

    tracemalloc.start()
    result = risk.simulate(ratio.tco_ratio, BOTH, draws=2_000_000, method="random")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < result.values.nbytes + 100 * 8 * 2**15


# -------------------------------------------------------------------------------------------------------- sensitivity


def test_a_tornado_of_small_changes_is_the_elasticities():
    # published: facts/tco.md 4.1, elasticities are the tornado bars for small changes: 1, 0.609, 0.391.
    errors = {"r_th": 1e-4, "r_sc": 1e-4, "r_ic": 1e-4}
    inputs = CASE | {name: risk.LogNormal(CASE[name], error) for name, error in errors.items()}
    chart = risk.tornado(ratio.tco_ratio, inputs, level=0.6826895)
    relative = {bar.name: bar.swing / chart.base / 2e-4 for bar in chart.bars}
    stated = tco.elasticities(r_sc=0.5, r_ic=0.75, server_share=0.7)
    assert list(relative) == ["r_th", "r_sc", "r_ic"]
    assert relative == pytest.approx({name: abs(float(getattr(stated, name))) for name in relative}, rel=1e-6)
    assert chart.base == pytest.approx(0.71875, rel=1e-12)


def test_a_tornado_by_hand():
    # hand: x from 1.1 to 1.9 at level 0.8, y from 20.2 to 21.8; x + y at the medians is 22.5.
    inputs = {"x": risk.Uniform(1.0, 2.0), "y": risk.Uniform(20.0, 22.0), "z": 0.0}
    chart = risk.tornado(lambda x, y, z: x + y + z, inputs, level=0.8)
    assert chart.base == 22.5
    assert [bar.name for bar in chart.bars] == ["y", "x"]
    assert chart.bars[0][1:] == pytest.approx((20.2, 21.8, 21.7, 23.3), rel=1e-12)
    assert repr(chart) == "Tornado(y 7%, x 4% of the base)"


def test_sobol_indices_of_ishigami():
    # published: Ishigami and Homma 1990 with a = 7, b = 0.1: S1 .3139 .4424 0, ST .5576 .4424 .2437.
    def ishigami(x1, x2, x3):
        return np.sin(x1) + 7 * np.sin(x2) ** 2 + 0.1 * x3**4 * np.sin(x1)

    inputs = dict.fromkeys(("x1", "x2", "x3"), risk.Uniform(-math.pi, math.pi))
    found = risk.sobol_indices(ishigami, inputs, draws=2**12)
    assert list(found.first.values()) == pytest.approx([0.3139, 0.4424, 0.0], abs=0.005)
    assert list(found.total.values()) == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.005)
    for name, value in found.total.items():
        low, high, level = found.total_interval[name]
        assert low <= value <= high
        assert level == 0.9


def test_intervals_of_sobol_indices_cover_the_truth():
    # property: at level 0.9, of 60 intervals of x + 2y (indices 1/5 and 4/5) about 54 hold; below 45 has odds of 1e-4.
    inputs = {name: risk.Uniform(0.0, 1.0) for name in "xy"}
    covered = 0
    for seed in range(30):
        found = risk.sobol_indices(lambda x, y: x + 2 * y, inputs, draws=64, seed=seed)
        covered += sum(
            found.total_interval[name].low <= truth <= found.total_interval[name].high
            for name, truth in (("x", 0.2), ("y", 0.8))
        )
    assert covered >= 45


def test_sobol_indices_are_those_of_scipy():
    # sibling: the same estimators on draws of its own.
    class Uniform:
        def ppf(self, share):
            return share

    found = risk.sobol_indices(
        lambda x, y, z: x * y + z, dict.fromkeys("xyz", risk.Uniform(0.0, 1.0)), draws=2**11, replicates=2
    )
    theirs = stats.sobol_indices(func=lambda x: x[0] * x[1] + x[2], n=2**12, dists=[Uniform()] * 3)
    assert list(found.first.values()) == pytest.approx(theirs.first_order.ravel().tolist(), abs=0.01)
    assert list(found.total.values()) == pytest.approx(theirs.total_order.ravel().tolist(), abs=0.01)


def test_sobol_indices_know_what_cannot_be_shared_out():
    # property: a fixed input explains nothing; correlated ones, or a result that stays, have no indices.
    found = risk.sobol_indices(lambda x, y: x + y, {"x": risk.Uniform(0.0, 1.0), "y": 2.0}, draws=256)
    assert found.first["y"] == found.total["y"] == 0
    assert found.total["x"] == pytest.approx(1, abs=0.01)
    both = {"x": risk.Uniform(0.0, 1.0), "y": risk.Uniform(0.0, 1.0)}
    with pytest.raises(ValueError, match="independent inputs"):
        risk.sobol_indices(lambda x, y: x + y, both, correlations={("x", "y"): 0.5})
    with pytest.raises(ValueError, match="does not vary"):
        risk.sobol_indices(lambda x, y: 0 * x + 5e9, both, draws=16)
    with pytest.raises(ValueError, match="such as 512 or 1024"):
        risk.sobol_indices(lambda x, y: x + y, both, draws=1000)


# -------------------------------------------------------------------------------------------------------- information


def test_what_a_measurement_is_worth():
    # hand: given R_Th the expected ratio is lognormal, given R_SC it is convex in it: both have one-line integrals.
    worth = risk.value_of_information(ratio.tco_ratio, BOTH, draws=2**13)
    mean = float(closed_forms.mean(**CASE, **SIGMAS))
    mean_r_sc = 0.5 * math.exp(0.25**2 / 2)
    throughput = float(closed_forms.evpi(**CASE | {"r_sc": mean_r_sc}, sigma_r_th=0.15))

    def given_price(z):
        return min(1, (0.35 * math.exp(0.25 * z) + 0.225) / 0.8 * math.exp(0.15**2 / 2))

    turn = optimize.brentq(lambda z: (0.35 * math.exp(0.25 * z) + 0.225) / 0.8 * math.exp(0.15**2 / 2) - 1, 0, 9)
    price = mean - integrate.quad(lambda z: stats.norm.pdf(z) * given_price(z), -9, 9, points=[turn], epsabs=1e-12)[0]
    assert worth.partial["r_th"] == pytest.approx(throughput, rel=2e-3)
    assert worth.partial["r_sc"] == pytest.approx(price, rel=2e-3)
    assert worth.perfect == pytest.approx(float(closed_forms.evpi(**CASE, **SIGMAS)), rel=5e-3)
    assert list(worth.partial) == ["r_sc", "r_th", "r_ic", "server_share"]
    assert worth.partial["server_share"] == 0


def test_all_information_is_in_one_input_if_it_decides_alone():
    # property: with one uncertain input, knowing it is knowing all.
    worth = risk.value_of_information(ratio.tco_ratio, ONE)
    assert worth.partial["r_th"] == pytest.approx(worth.perfect, rel=5e-3)
    assert worth.perfect == pytest.approx(float(closed_forms.evpi(**CASE, sigma_r_th=0.15)), rel=5e-3)


def test_a_correlated_input_tells_of_the_other():
    # hand: y alone enters the cost, and x is worth what it tells of y: E[ln y|x] has the sigma r·s, and what is left of
    # y, s·√(1−r²), raises its mean; both are the mean cost of a lognormal with median exp(s²(1−r²)/2) and sigma r·s.
    s, r = 0.4, 0.8
    inputs = {"x": risk.Uniform(0.0, 1.0), "y": risk.LogNormal(1.0, s)}
    worth = risk.value_of_information(lambda x, y: y + 0 * x, inputs, correlations={("x", "y"): r}, draws=2**13)
    expected = closed_forms.evpi(
        r_th=1.0, r_sc=1.0, r_ic=math.exp(s**2 * (1 - r**2) / 2), server_share=0.0, sigma_r_th=r * s
    )
    assert worth.partial["x"] == pytest.approx(float(expected), rel=5e-3)
    alone = risk.value_of_information(lambda x, y: y + 0 * x, inputs)
    assert alone.partial["x"] < 1e-12


def test_information_of_a_discrete_input_by_hand():
    # hand: c is 0.5 or 1.4 with equal odds, mean 0.95 < 1; knowing it costs (0.5 + 1)/2 = 0.75 instead: worth 0.2.
    inputs = {"c": risk.Discrete([0.5, 1.4], [0.5, 0.5]), "d": risk.Uniform(-0.1, 0.1)}
    worth = risk.value_of_information(lambda c, d: c + 0 * d, inputs, nodes=4)
    assert worth.partial["c"] == pytest.approx(0.2, rel=1e-12)
    assert worth.perfect == pytest.approx(0.2, rel=1e-12)


def test_information_of_costs_of_three_options():
    # hand: costs 1 ± 0.5 (odds even), 1.1 and 2: now 1, knowing 0.75·... (0.5 + 1.1)/2 = 0.8: worth 0.2.
    inputs = {"c": risk.Discrete([0.5, 1.5], [0.5, 0.5])}
    worth = risk.value_of_information(lambda c: np.stack([c, 0 * c + 1.1, 0 * c + 2.0]), inputs)
    assert worth.perfect == pytest.approx(0.2, rel=1e-12)


def test_a_ratio_forgets_that_its_denominator_varies():
    # hand: B costs 0.5 or 2 with equal odds (mean 1.25), A always 1. Knowing saves min(1, 1.25) − (0.5 + 1)/2 = 0.25 of
    # 1.25; the ratio A/B, 2 or 0.5, alone would say min(1, 1.25) − (1 + 0.5)/2 = 0.25 of 1: hence the costs of both.
    inputs = {"b": risk.Discrete([0.5, 2.0], [0.5, 0.5])}
    both = risk.value_of_information(lambda b: np.stack([0 * b + 1.0, b]), inputs)
    assert both.perfect / 1.25 == pytest.approx(0.2, rel=1e-12)
    assert risk.simulate(lambda b: 1 / b, inputs).evpi == pytest.approx(0.25, rel=1e-9)


@given(
    median=st.floats(0.5, 2),
    s=st.floats(0.02, 0.6),
    r_sc=st.floats(0.5, 2),
    seed=st.integers(0, 100),
    w=st.floats(0, 1),
)
def test_information_is_never_worth_less_than_nothing_nor_more_than_all(median, s, r_sc, seed, w):
    # property: 0 ≤ EVPPI ≤ EVPI, up to what 256 draws resolve.
    inputs = {"r_th": risk.LogNormal(median, s), "r_sc": risk.LogNormal(r_sc, 0.3), "server_share": w}
    worth = risk.value_of_information(ratio.tco_ratio, inputs, draws=256, nodes=16, seed=seed)
    assert all(0 <= value <= worth.perfect + 0.01 for value in worth.partial.values())


# ----------------------------------------------------------------------------------------------------------- package


def test_importing_risk_loads_no_scipy():
    # property: `import tco.risk` stays cheap.
    code = "import sys, tco.risk; print(any(name.split('.')[0] in ('scipy', 'matplotlib') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_every_public_name_is_there_and_sorted():
    # property: __all__ is what can be had.
    assert all(hasattr(risk, name) for name in risk.__all__)
    assert risk.__all__ == sorted(risk.__all__)
