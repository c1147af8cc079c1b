"""Workload mixes: means, shares, robust choice, and tables from specifications."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
import tco
from roofline.quality import Accuracy
from tco import mix
from tco.mix import Application, CannotServeError, MixTable

A_RATES, B_RATES, HALVES = (100.0, 400.0), (200.0, 200.0), (0.5, 0.5)  # a worked case of the note on TCO models

rate = st.floats(1e-3, 1e6)


@st.composite
def mixes(draw, machines=2):
    """Rates of some machines on some applications, and shares of them."""
    n = draw(st.integers(1, 6))
    rates = [draw(st.lists(rate, min_size=n, max_size=n)) for _ in range(machines)]
    shares = draw(st.lists(st.floats(0.01, 1), min_size=n, max_size=n))
    return np.array(rates), np.array(shares)


def table(rates, costs, shares, refused=None, mask=None, **more):
    """Return a table of numbers: rows are machines, as tests find it easier to write."""
    names = tuple("ABCDEFGH"[: len(rates)])
    applications = tuple(f"app{i}" for i in range(len(shares)))
    values = np.ma.masked_array(np.transpose(rates), mask if mask is not None else False)
    return MixTable(
        applications=applications,
        machines=names,
        tokens_per_s=values,
        shares=shares,
        usd_per_year=costs,
        refused=refused or {},
        **more,
    )


# Means


def test_the_mean_of_ratios_names_the_wrong_winner():
    # published (the note's worked case) and hand: B takes 1/200 servers a token, A (1/100 + 1/400)/2 = 1/160.
    of_a, of_b = (Fraction(1) / sum(Fraction(1, 2) / int(t) for t in rates) for rates in (A_RATES, B_RATES))
    assert of_a / of_b == Fraction(4, 5)
    assert mix.mixed_r_th(rates_a=A_RATES, rates_b=B_RATES, shares=HALVES) == pytest.approx(0.8, rel=1e-15)
    assert mix.naive_mean(rates_a=A_RATES, rates_b=B_RATES, shares=HALVES) == pytest.approx(1.25, rel=1e-15)
    # At equal costs B is cheaper, and the naive mean would have bought A.
    assert table([A_RATES, B_RATES], [1.0, 1.0], HALVES).best_machine() == "B"


def test_a_mixed_fleet_is_cheaper_than_either_machine():
    # published (the note's worked case): 0.00375 against 0.005 of B and 0.00625 of A.
    rates = np.transpose([A_RATES, B_RATES])
    assert mix.mixed_fleet_cost(rates=rates, costs=[1, 1], shares=HALVES) == pytest.approx(0.00375, rel=1e-15)
    for single, cost in ((A_RATES, 0.00625), (B_RATES, 0.005)):
        alone = mix.mixed_fleet_cost(rates=np.reshape(single, (2, 1)), costs=[1], shares=HALVES)
        assert alone == pytest.approx(cost, rel=1e-15)
    assert table([A_RATES, B_RATES], [1.0, 1.0], HALVES).assignment().ratio == pytest.approx(0.75, rel=1e-15)


@given(a=rate, b=rate)
def test_a_mix_of_one_application_is_that_application(a, b):
    # property: identity.
    assert mix.mix_throughput(rates=[a], shares=[3.0]) == pytest.approx(a, rel=1e-14)
    assert mix.mixed_r_th(rates_a=[a], rates_b=[b], shares=[0.2]) == pytest.approx(a / b, rel=1e-14)


@given(case=mixes(), k=st.floats(0.01, 100))
def test_equal_ratios_are_the_ratio_of_every_mix(case, k):
    # property: where every application has the same ratio, all means agree.
    (b, _), shares = case
    assert mix.mixed_r_th(rates_a=k * b, rates_b=b, shares=shares) == pytest.approx(k, rel=1e-12)
    assert mix.naive_mean(rates_a=k * b, rates_b=b, shares=shares) == pytest.approx(k, rel=1e-12)


@given(case=mixes(), k=st.floats(0.01, 100))
def test_properties_of_the_harmonic_mean(case, k):
    (a, b), shares = case
    t = mix.mix_throughput(rates=a, shares=shares)
    assert a.min() * (1 - 1e-12) <= t <= a.max() * (1 + 1e-12)
    assert t <= np.average(a, weights=shares) * (1 + 1e-12)  # harmonic is never above arithmetic
    r = mix.mixed_r_th(rates_a=a, rates_b=b, shares=shares)
    assert (a / b).min() * (1 - 1e-12) <= r <= (a / b).max() * (1 + 1e-12)
    assert r * mix.mixed_r_th(rates_a=b, rates_b=a, shares=shares) == pytest.approx(1, rel=1e-12)
    # Neither the unit of rates nor the scale of shares matters.
    assert mix.mix_throughput(rates=k * a, shares=shares) == pytest.approx(k * t, rel=1e-12)
    assert mix.mixed_r_th(rates_a=k * a, rates_b=k * b, shares=k * shares) == pytest.approx(r, rel=1e-12)


@given(case=mixes())
def test_the_mix_is_what_servers_that_are_bought_for_it_serve(case):
    # sibling: buy D·w/T servers of each application, and divide the demand by all of them.
    (a, _), shares = case
    demand = 1e4 * shares / shares.sum()
    servers = demand / a
    assert mix.mix_throughput(rates=a, shares=shares) == pytest.approx(demand.sum() / servers.sum(), rel=1e-12)


def test_arguments_broadcast_and_the_axis_is_free():
    # sibling: arrays against a loop; the applications on another axis give the same.
    rng = np.random.default_rng(1)
    rates, shares = rng.uniform(1, 9, (3, 4)), rng.uniform(0, 1, (5, 1, 4))
    found = mix.mix_throughput(rates=rates, shares=shares)
    assert found.shape == (5, 3)
    for i, j in product(range(5), range(3)):
        assert found[i, j] == pytest.approx(mix.mix_throughput(rates=rates[j], shares=shares[i, 0]), rel=1e-14)
    by_column = mix.mix_throughput(rates=rates.T, shares=shares[0, 0], axis=0)
    np.testing.assert_allclose(by_column, found[0], rtol=1e-14)
    cost = mix.mixed_fleet_cost(rates=rates.T, costs=[1.0, 2.0, 3.0], shares=shares[:, 0])
    expected = (shares[:, 0] / shares[:, 0].sum(axis=1, keepdims=True)) @ (np.array([1, 2, 3]) / rates.T).min(axis=1)
    np.testing.assert_allclose(cost, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": [100, 0]}, "rates = 0 is not accepted"),
        ({"rates": [100, float("nan")]}, "rates = nan is not accepted"),
        ({"rates": 100}, "rates is a single number: give one for each application"),
        ({"rates": [1, 2, 3]}, "unlike numbers of applications: rates has 3, shares has 2"),
        ({"shares": [-0.5, 0.5]}, "shares = -0.5 is not accepted"),
        ({"shares": [0, 0]}, "shares are all 0"),
        ({"rates": [[1, 2]], "axis": 2}, "axis = 2 is not accepted: rates has 2 dimensions"),
        ({"rates": np.ones((2, 2)), "shares": np.ones((3, 2))}, r"do not broadcast: rates has \(2, 2\)"),
    ],
)
def test_bad_arguments_of_a_mean(arguments, message):
    with pytest.raises(ValueError, match=message):
        mix.mix_throughput(**({"rates": [100, 400], "shares": HALVES} | arguments))


def test_an_error_shows_no_cost():
    # private numbers: the field is named, the amount is not.
    with pytest.raises(ValueError, match="costs is not accepted: give a finite number") as refused:
        mix.mixed_fleet_cost(rates=[[1.0, 2.0]], costs=[-123456.0, 1.0], shares=[1.0])
    assert "123456" not in str(refused.value)
    with pytest.raises(ValueError, match="costs are not one for each of the 2 machines"):
        mix.mixed_fleet_cost(rates=[[1.0, 2.0]], costs=[1.0], shares=[1.0])
    with pytest.raises(ValueError, match="no axis of machines"):
        mix.mixed_fleet_cost(rates=[1.0, 2.0], costs=[1.0], shares=[1.0])


# What shares are of


def test_shares_of_requests_are_not_shares_of_tokens():
    # hand: 9 short requests of 100 tokens and 1 of 900 write 900 tokens each: half and half.
    np.testing.assert_allclose(mix.shares_from_requests(requests=[9, 1], tokens_per_request=[100, 900]), [0.5, 0.5])
    # Taken for shares of tokens they name another winner: 0.9/100 + 0.1/400 servers of A against 1/200 of B.
    as_tokens = mix.mixed_r_th(rates_a=(400, 100), rates_b=B_RATES, shares=[0.9, 0.1])
    as_requests = mix.mixed_r_th(rates_a=(400, 100), rates_b=B_RATES, shares=[0.5, 0.5])
    assert as_tokens > 1 > as_requests


@given(case=mixes())
def test_shares_of_time_are_the_inverse_of_time_shares(case):
    # property: a round trip; and servers bought split as their time does.
    (a, _), shares = case
    time = mix.time_shares(rates=a, shares=shares)
    np.testing.assert_allclose(time, (shares / a) / (shares / a).sum(), rtol=1e-12)
    np.testing.assert_allclose(mix.shares_from_time(time=time, rates=a), shares / shares.sum(), rtol=1e-12)


@given(case=mixes())
def test_what_the_naive_mean_would_be_right_for(case):
    # hand: if τ is of B's time, w = τ·T_B and R_Th = 1/Σ(τ·T_B/T_A); of A's, the plain mean of T_A/T_B.
    (a, b), time = case
    time = time / time.sum()
    of_b = mix.shares_from_time(time=time, rates=b)
    of_a = mix.shares_from_time(time=time, rates=a)
    harmonic, naive = 1 / np.sum(time * b / a), np.sum(time * a / b)
    assert mix.mixed_r_th(rates_a=a, rates_b=b, shares=of_b) == pytest.approx(harmonic, rel=1e-11)
    assert mix.mixed_r_th(rates_a=a, rates_b=b, shares=of_a) == pytest.approx(naive, rel=1e-11)


@given(
    bounds=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_share_within_bounds_is_a_mean_of_the_vertices(bounds, seed):
    # property: vertices obey the bounds, and no direction has its best value elsewhere (against a linear program).
    from scipy.optimize import linprog

    low, high = np.transpose(bounds)
    assume(abs(low.sum() - 1) > 1e-9)  # bounds that meet by a hair are met, or not, by their rounding
    assume(abs(high.sum() - 1) > 1e-9)
    if low.sum() > 1 or high.sum() < 1:
        with pytest.raises(ValueError, match="no shares meet these bounds"):
            mix.share_vertices(low=low, high=high)
        return
    corners = mix.share_vertices(low=low, high=high)
    np.testing.assert_allclose(corners.sum(axis=1), 1, atol=1e-9)
    assert np.all(corners >= low - 1e-9)
    assert np.all(corners <= high + 1e-9)
    direction = np.random.default_rng(seed).normal(size=low.size)
    best = linprog(direction, A_eq=np.ones((1, low.size)), b_eq=[1], bounds=list(zip(low, high, strict=True)))
    assert (corners @ direction).min() == pytest.approx(best.fun, abs=1e-7)


def test_the_vertices_of_free_shares_are_single_applications():
    # hand: with bounds of 0 and 1 the corners of the simplex, each once.
    np.testing.assert_array_equal(mix.share_vertices(low=[0, 0, 0], high=[1, 1, 1]), np.eye(3)[::-1])
    np.testing.assert_allclose(mix.share_vertices(low=[0.3, 0.7], high=[0.3, 0.7]), [[0.3, 0.7]])  # nothing is free
    for bounds, message in (
        (([0.5, 0.2], [0.4, 1.0]), "low is above high for application 0"),
        (([0.5], [0.6, 1.0]), "shapes"),
        ((np.zeros(17), np.ones(17)), "at most 16"),
        (([-0.1, 0.2], [0.4, 1.0]), "low = -0.1"),
    ):
        with pytest.raises(ValueError, match=message):
            mix.share_vertices(low=bounds[0], high=bounds[1])


def test_drawn_shares_have_the_moments_of_a_dirichlet():
    # published (Dirichlet distribution): mean w, variance w(1−w)/(c+1); five standard errors of 40,000 draws.
    w, c = np.array([0.5, 0.3, 0.2, 0.0]), 9.0
    drawn = mix.draw_shares(shares=2 * w, concentration=c, draws=40_000, seed=3)
    np.testing.assert_allclose(drawn.sum(axis=1), 1, rtol=1e-12)
    variance = w * (1 - w) / (c + 1)
    assert np.all(np.abs(drawn.mean(axis=0) - w) <= 5 * np.sqrt(variance / 40_000))
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.05)
    assert not drawn[:, 3].any()
    np.testing.assert_array_equal(drawn, mix.draw_shares(shares=w, concentration=c, draws=40_000, seed=3))
    np.testing.assert_array_equal(mix.draw_shares(shares=[0, 2], concentration=1, draws=2), [[0, 1], [0, 1]])
    with pytest.raises(ValueError, match="give one share for each"):
        mix.draw_shares(shares=[[0.5, 0.5]], concentration=1, draws=1)
    with pytest.raises(ValueError, match="concentration = "):
        mix.draw_shares(shares=[0.5, 0.5], concentration=[1, 2], draws=1)


# Robust choice

costs_tables = st.integers(1, 4).flatmap(
    lambda scenarios: st.lists(
        st.lists(st.floats(0.1, 100), min_size=scenarios, max_size=scenarios), min_size=1, max_size=5
    )
)


@given(costs=costs_tables, relative=st.booleans())
def test_a_robust_choice_is_that_of_brute_force(costs, relative):
    # sibling: loops over machines and scenarios, in plain Python.
    scenarios = range(len(costs[0]))
    best = [min(row[s] for row in costs) for s in scenarios]
    merit = [[row[s] / best[s] if relative else row[s] for s in scenarios] for row in costs]
    least = [min(row[s] for row in merit) for s in scenarios]
    scores = {
        "minimax regret": [max(row[s] - least[s] for s in scenarios) for row in merit],
        "minimax": [max(row) for row in merit],
        "expected": [sum(row) / len(row) for row in merit],
    }
    for criterion, expected in scores.items():
        found = mix.robust_choice(costs, criterion=criterion, relative=relative)
        np.testing.assert_allclose(found.scores, expected, rtol=1e-12, atol=1e-12)
        assert found.scores[int(found.machine)] == found.scores.min()
    assert (found.regrets >= 0).all()
    assert (found.regrets.min(axis=0) == 0).all()  # somebody is best in each scenario


def test_the_criteria_can_disagree():
    # hand: worst costs 9, 6, 7; worst regrets 9−4 = 5, 6−1 = 5 → 4.5 for C; expected 5, 6.25, 5.25.
    costs = [[1.0, 9.0], [6.0, 4.0], [5.5, 7.0]]
    names = ["A", "B", "C"]
    found = {rule: mix.robust_choice(costs, criterion=rule, machines=names) for rule in mix.CRITERIA}
    assert {rule: one.machine for rule, one in found.items()} == {
        "minimax regret": "C",
        "minimax": "B",
        "expected": "A",
    }
    assert found["minimax regret"].scores.tolist() == [5.0, 5.0, 4.5]
    assert found["minimax regret"].worst_regret == pytest.approx(4.5)  # 5.5 against 1
    likely = mix.robust_choice(costs, criterion="expected", probabilities=[0.1, 0.9], machines=names)
    assert likely.machine == "B"
    np.testing.assert_allclose(likely.scores, [8.2, 4.2, 6.85])


def test_a_choice_hides_costs_and_refuses_what_does_not_fit():
    found = mix.robust_choice([[123456.0, 2e5], [2e5, 3e5]])
    assert "123456" not in repr(found)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).costs, found.costs)
    for arguments, message in (
        ({"costs": [1.0, 2.0]}, "give machines by scenarios"),
        ({"costs": [[0.0]]}, "costs is not accepted"),  # what is unknown is never free
        ({"criterion": "mean"}, "criterion = 'mean' is not accepted"),
        ({"probabilities": [0.5, 0.5]}, "it looks at the worst alone"),
        ({"probabilities": [0.5, 0.4], "criterion": "expected"}, "probabilities add up to 0.9"),
        ({"probabilities": [1.0], "criterion": "expected"}, r"probabilities has shape \(1,\)"),
        ({"machines": ["A"]}, "machines has 1 names, but costs has 2 rows"),
    ):
        given_costs = {"costs": [[1.0, 2.0], [2.0, 1.0]]} | arguments
        with pytest.raises(ValueError, match=message):
            mix.robust_choice(given_costs.pop("costs"), **given_costs)


@given(case=mixes(machines=3), seed=st.integers(0, 2**32 - 1))
def test_the_worst_case_over_shares_is_at_a_vertex(case, seed):
    # property: a ratio of linear functions, a linear cost, and both regrets have no worse point inside.
    rates, shares = case
    t = table(rates, [1.0, 1.3, 0.7], shares)
    corners = mix.share_vertices(low=0.5 * shares / shares.sum(), high=np.minimum(1, 1.5 * shares / shares.sum()))
    inside = np.random.default_rng(seed).dirichlet(np.ones(len(corners)), size=50) @ corners
    found = t.ratio_range("A", "B", share_sets=corners)
    ratios = t.tco_ratio("A", "B", shares=inside)
    assert found.low * (1 - 1e-12) <= ratios.min()
    assert ratios.max() <= found.high * (1 + 1e-12)
    assert t.tco_ratio("A", "B", shares=found.shares_high) == pytest.approx(found.high, rel=1e-14)
    at_corners, at_inside = t.robust_choice(corners), t.robust_choice(inside)
    for of in ("costs", "regrets", "relative_regrets"):
        worst, met = (getattr(one, of).max(axis=1) for one in (at_corners, at_inside))
        assert np.all(met <= worst * (1 + 1e-9) + 1e-12 * at_corners.costs.max())


# Tables


@given(case=mixes(machines=3), costs=st.lists(st.floats(0.1, 10), min_size=3, max_size=3))
def test_an_assignment_is_never_dearer_than_the_best_machine(case, costs):
    # property, and sibling: brute force over every way to assign.
    rates, shares = case
    t = table(rates, costs, shares)
    found = t.assignment()
    per_token = np.array(costs)[:, None] / rates
    singles = per_token @ (shares / shares.sum())
    everything = min(
        sum(w * per_token[j, i] for i, (w, j) in enumerate(zip(shares / shares.sum(), way, strict=True)))
        for way in product(range(3), repeat=len(shares))
    )
    assert found.ratio <= 1
    assert found.ratio == pytest.approx(everything / singles.min(), rel=1e-9)
    assert sum(found.cost_shares.values()) == pytest.approx(1, rel=1e-12)  # conserved
    assert per_token[t.machines.index(found.single)] @ (shares / shares.sum()) == pytest.approx(
        singles.min(), rel=1e-12
    )
    fleet = mix.mixed_fleet_cost(rates=rates.T, costs=costs, shares=shares)
    assert fleet == pytest.approx(everything, rel=1e-9)


@given(case=mixes(), costs=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), k=st.floats(0.01, 100))
def test_ratios_of_a_table(case, costs, k):
    # sibling: the pure formulas and Kim Eq. 4; property: prices times k leave ratios as they are.
    rates, shares = case
    t = table(rates, costs, shares, server_usd_per_year=[0.6 * costs[0], 0.3 * costs[1]])
    r_th = mix.mixed_r_th(rates_a=rates[0], rates_b=rates[1], shares=shares)
    assert t.r_th("A", "B") == pytest.approx(r_th, rel=1e-12)
    of_kim = {"r_sc": t.r_sc("A", "B"), "r_ic": t.r_ic("A", "B"), "server_share": t.server_share("B")}
    assert t.tco_ratio("A", "B") == pytest.approx(tco.tco_ratio(r_th=r_th, **of_kim), rel=1e-12)
    assert t.tco_ratio("A", "B") * t.tco_ratio("B", "A") == pytest.approx(1, rel=1e-12)
    assert t.tco_ratio("A", "A") == 1
    dearer = table(rates, k * np.array(costs), k * shares)
    assert dearer.tco_ratio("A", "B") == pytest.approx(t.tco_ratio("A", "B"), rel=1e-12)
    for name, (r_sc, point) in t.points("A", "B").items():
        on_surface = tco.tco_ratio(r_th=point, **{**of_kim, "r_sc": r_sc})
        i = t.applications.index(name) if name != "mix" else None
        expected = t.tco_ratio("A", "B") if i is None else t.tco_ratio_by_application("A", "B")[i]
        assert on_surface == pytest.approx(expected, rel=1e-12)


@given(case=mixes(), costs=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)))
def test_a_break_even_share_makes_both_level(case, costs):
    # inverse plugged back; where there is none, no share of a fine grid changes the winner.
    rates, shares = case
    t = table(rates, costs, shares)
    for i, share in enumerate(t.break_even_shares("A", "B")):
        if len(shares) == 1:
            assert np.isnan(share)
            continue
        tried = np.linspace(0, 1, 21) if np.isnan(share) else np.array([share])
        others = np.delete(t.shares, i) / np.delete(t.shares, i).sum()
        sets = np.insert((1 - tried)[:, None] * others, i, tried, axis=1)
        ratios = t.tco_ratio("A", "B", shares=sets)
        if np.isnan(share):
            assert np.all(ratios >= 1 - 1e-9) or np.all(ratios <= 1 + 1e-9)
        else:
            assert ratios == pytest.approx(1, rel=1e-6)


def test_the_winner_changes_with_the_shares():
    # hand: level where w/100 + (1−w)/400 = 1/200, so w = 1/3.
    t = table([A_RATES, B_RATES], [1.0, 1.0], HALVES)
    np.testing.assert_allclose(t.break_even_shares("A", "B"), [1 / 3, 2 / 3], rtol=1e-14)
    assert t.best_machine(shares=[[0.3, 0.7], [0.4, 0.6]]).tolist() == ["A", "B"]
    drawn = mix.draw_shares(shares=HALVES, concentration=10, draws=4000)
    wins = t.win_shares(drawn)
    assert wins["A"] == pytest.approx(np.mean(drawn[:, 0] < 1 / 3), abs=1e-12)
    assert sum(wins.values()) == 1
    assert t.winners == {"app0": "B", "app1": "A"}
    # Expected cost over single applications, as likely as their shares are, is the cost of the mix.
    expected = t.robust_choice(criterion="expected", probabilities=t.shares)
    np.testing.assert_allclose(expected.scores, [1 / 160, 1 / 200], rtol=1e-14)


def test_what_is_not_served_is_masked_and_said():
    # hand: C is by far the cheapest on app1 and cannot do app0.
    why = {("app0", "C"): "out of memory: needs 100 GB"}
    mask = [[False, False, True], [False, False, False]]
    t = table([A_RATES, B_RATES, (7.0, 9000.0)], [1.0, 1.0, 1.0], HALVES, refused=why, mask=mask)
    assert t.tokens_per_s.mask.tolist() == mask
    assert np.isfinite(t.tokens_per_s.data).all()
    assert t.r_th_by_application("C", "A").mask.tolist() == [True, False]
    assert t.best_machine() == "B"
    assert t.best_machine(shares=[0.0, 1.0]) == "C"  # whoever does not serve what nobody asks for
    assert t.assignment().machines == {"app0": "B", "app1": "C"}
    with pytest.raises(ValueError, match="C does not serve app0, which has a share: out of memory: needs 100 GB"):
        t.tco_ratio("C", "A")
    assert t.tco_ratio("C", "A", shares=[0, 1]) == pytest.approx(400 / 9000)
    choice = t.robust_choice()
    assert choice.excluded == {"C": "app0: out of memory: needs 100 GB"}
    assert set(choice.machines) == {"A", "B"}
    assert np.isnan(t.break_even_shares("A", "B")).tolist() == [False, False]
    assert "C not all of it" in repr(t)
    assert "out of memory: needs 100 GB" in t._repr_html_()
    with pytest.raises(ValueError, match="C does not serve app0: say why in refused"):
        table([A_RATES, B_RATES, (7.0, 9000.0)], [1.0, 1.0, 1.0], HALVES, mask=mask)


def test_a_mix_that_no_machine_serves():
    why = {("app0", "B"): "too slow", ("app1", "A"): "too large"}
    t = table([A_RATES, B_RATES], [1.0, 1.0], HALVES, refused=why, mask=[[False, True], [True, False]])
    with pytest.raises(ValueError, match="no machine serves the whole mix: B, app0: too slow; A, app1: too large"):
        t.best_machine()
    found = t.assignment()  # two of them do together
    assert found.machines == {"app0": "A", "app1": "B"}
    assert found.ratio is found.single is None
    assert "no machine serves the whole mix" in repr(t)
    assert "too slow" in t._repr_html_()
    nobody = table([A_RATES, B_RATES], [1.0, 1.0], HALVES, refused={("app0", m): "too slow" for m in "AB"},
                   mask=[[True, True], [False, False]])  # fmt: skip
    assert nobody.winners == {"app0": None, "app1": "A"}
    with pytest.raises(ValueError, match="no machine serves app0: A: too slow; B: too slow"):
        nobody.assignment()
    assert "too slow" in nobody._repr_html_()


def test_a_table_pickles_and_shows_no_dollars():
    t = table([A_RATES, B_RATES], [123456.0, 654321.0], HALVES, server_usd_per_year=[111111.0, 555555.0])
    again = pickle.loads(pickle.dumps(t))
    np.testing.assert_array_equal(again.tokens_per_s, t.tokens_per_s)
    assert again.tco_ratio("A", "B") == t.tco_ratio("A", "B")
    for shown in (repr(t), t._repr_html_()):
        assert not any(dollars in shown.replace(",", "") for dollars in ("123456", "654321", "111111", "555555"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machines": ("A", "A")}, "machines = .* give names, each once"),
        ({"machines": ()}, "machines = "),
        ({"tokens_per_s": [[1.0, 2.0]]}, "give 2 applications by 2 machines"),
        ({"tokens_per_s": [[1.0, 0.0], [1.0, 1.0]]}, "tokens_per_s is not accepted: give a finite number of at least"),
        ({"shares": [1.0]}, r"shares has shape \(1,\): give one for each of 2 applications"),
        ({"shares": [[0.5, 0.5]]}, "give one for each of 2 applications"),
        ({"usd_per_year": [1.0]}, "give one for each of 2 machines"),
        ({"usd_per_year": [0.0, 1.0]}, "usd_per_year is not accepted"),
        ({"server_usd_per_year": [2.0, 1.0]}, "server_usd_per_year is above usd_per_year"),
    ],
)
def test_bad_tables(changes, message):
    good = {
        "applications": ("x", "y"),
        "machines": ("A", "B"),
        "tokens_per_s": [[1.0, 2.0], [4.0, 2.0]],
        "shares": HALVES,
        "usd_per_year": [1.0, 1.0],
    }
    with pytest.raises(ValueError, match=message):
        MixTable(**(good | changes))


def test_what_a_table_cannot_say():
    t = table([A_RATES, B_RATES], [1.0, 1.0], HALVES)
    with pytest.raises(ValueError, match="server_usd_per_year is not known"):
        t.points("A", "B")
    with pytest.raises(ValueError, match="machine = 'Z' is not in the table"):
        t.tco_ratio("Z", "B")
    rented = table([A_RATES, B_RATES], [1.0, 1.0], HALVES, server_usd_per_year=[0.5, 1.0])
    assert rented.server_share("B") == 1
    with pytest.raises(ValueError, match="B has no infrastructure cost"):
        rented.r_ic("A", "B")


# Applications


def application(name="app", **changes):
    return Application(name, **({"llm": "llama-3.1-8b", "prompt_tokens": 512, "output_tokens": 64} | changes))


def test_the_lengths_of_an_application_say_its_phase():
    prefill = application(output_tokens=None)
    decode = application(prompt_tokens=None, context_tokens=2048, output_tokens=None)
    assert [one.phase for one in (application(), prefill, decode)] == ["generate", "prefill", "decode"]
    assert [one.counted for one in (application(), prefill)] == ["output tokens", "prompt tokens"]
    assert [one.tokens_per_request for one in (application(), prefill, decode)] == [64, 512, None]
    assert pickle.loads(pickle.dumps(prefill)) == prefill
    assert repr(application(itl_s=0.02, max_quality_loss=1)) == (
        "Application(app: generate of Llama 3.1 8B, 512 prompt and 64 output tokens, itl_s 0.02, "
        "at most 1 points of quality lost)"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_tokens": None, "output_tokens": None}, "app: no length is not accepted"),
        ({"context_tokens": 100}, "app: prompt_tokens, output_tokens, context_tokens is not accepted"),
        ({"prompt_tokens": 131_000, "output_tokens": 1000}, "more than the 131,072 that the model takes"),
        ({"prompt_tokens": 0}, "app: prompt_tokens = 0 is not accepted"),
        ({"output_tokens": None, "itl_s": 0.1}, "app: itl_s is not accepted: it is no limit of a prefill"),
        ({"itl_s": 0.0}, "app: itl_s = 0 is not accepted"),
        ({"itl_s": [0.1, 0.2]}, "give one number"),
        ({"share": 0.5, "requests_per_s": 1.0}, "app: share and requests_per_s are both given"),
        ({"share": 0.0}, "app: share = 0 is not accepted"),
        ({"max_quality_loss": -1}, "app: max_quality_loss = -1 is not accepted"),
        ({"llm": 8}, "app: llm = 8 is not accepted"),
        ({"name": ""}, "name = '' is not accepted"),
        (
            {"prompt_tokens": None, "output_tokens": None, "context_tokens": 10, "requests_per_s": 1.0},
            "needs output_tokens, the tokens of a request",
        ),
    ],
)
def test_bad_applications(changes, message):
    with pytest.raises(ValueError, match=message):
        application(**changes)


def test_demands_of_unlike_kinds_do_not_mix():
    from tco.mix.application import demand_shares

    a, b = application("a", share=3), application("b", requests_per_s=1)
    np.testing.assert_array_equal(demand_shares([a, application("c", share=1)]), [0.75, 0.25])
    # hand: 9 requests of 100 tokens and 1 of 900.
    by_requests = [
        application("x", output_tokens=100, requests_per_s=9),
        application("y", output_tokens=900, requests_per_s=1),
    ]
    np.testing.assert_array_equal(demand_shares(by_requests), [0.5, 0.5])
    np.testing.assert_array_equal(
        demand_shares([application("x", tokens_per_s=30), application("y", tokens_per_s=10)]), [0.75, 0.25]
    )
    np.testing.assert_array_equal(demand_shares([application()]), [1.0])  # a mix of one needs no share
    with pytest.raises(ValueError, match="applications give requests_per_s and share: give the same for all"):
        demand_shares([a, b])
    with pytest.raises(ValueError, match="d gives no share, which others do"):
        demand_shares([a, application("d")])
    with pytest.raises(ValueError, match="d gives none of share"):
        demand_shares([application("d"), application("e")])


# Served by machines

H100, GAUDI3, A100 = (hs.get(key) for key in ("h100-sxm", "gaudi-3", "a100-sxm-80gb"))


def test_a_service_is_the_best_of_all_layouts_and_precisions():
    # sibling: the serving functions of roofline, asked one by one; every limit is met.
    chat = application(itl_s=0.01, ttft_s=0.5, precision=["bf16", "fp8"])
    found = mix.serve(chat, H100, devices=2)
    rates = {}
    for precision, tp in product(("bf16", "fp8"), (1, 2)):
        g = rl.throughput_within(chat.architecture, H100, prompt_tokens=512, output_tokens=64, itl_s=0.01, ttft_s=0.5,
                                 precision=precision, tensor_parallel=tp, data_parallel=2 // tp)  # fmt: skip
        rates[precision] = max(rates.get(precision, 0.0), float(g.output_tokens_per_s))
    assert found.by_precision == pytest.approx(rates, rel=1e-12)
    assert found.tokens_per_s == max(rates.values())
    assert found.estimate.itl_s <= 0.01
    assert found.estimate.ttft_s <= 0.5
    assert found.layout.devices == 2
    assert repr(found).startswith("Served(app on 2 × NVIDIA H100 SXM5 80GB, ideal roofline: ")
    assert found.warnings == found.estimate.warnings
    # A deployment takes the estimate, and fills its server with it.
    deployed = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), found.estimate)
    assert deployed.tokens_per_s == pytest.approx(4 * found.tokens_per_s)


def test_phases_alone_are_served_too():
    # sibling: rl.best_layout; prompt tokens of a prefill, output tokens of a decode.
    read = application(output_tokens=None, ttft_s=0.2)
    write = application(prompt_tokens=None, output_tokens=None, context_tokens=2048, itl_s=0.02)
    for one, phase, limit in ((read, "prefill", {"ttft_s": 0.2}), (write, "decode", {"itl_s": 0.02})):
        tokens = one.prompt_tokens or one.context_tokens
        best = rl.best_layout(one.architecture, H100, devices=4, context_tokens=tokens, precision="bf16", phase=phase,
                              parallel=("tensor", "data"), **limit)  # fmt: skip
        found = mix.serve(one, H100, devices=4)
        assert found.tokens_per_s == best.option.tokens_per_s
        assert found.batch == best.option.batch
        assert found.precision == "bf16"  # nothing lossy is used that was not asked for
        assert float(found.estimate.time_s) <= next(iter(limit.values()))


def test_tighter_limits_never_serve_more():
    # property: Kim II-B, throughput at the largest batch within the limit.
    rates = [mix.serve(application(itl_s=limit), H100).tokens_per_s for limit in (0.006, 0.01, 0.02)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


def test_a_machine_that_cannot_serve_says_why():
    with pytest.raises(CannotServeError, match=r"1 × NVIDIA H100 .* cannot serve app: bf16: .*needs .* GB") as large:
        mix.serve(application(llm="llama-3.3-70b"), H100)
    assert list(large.value.reasons) == ["bf16"]
    assert pickle.loads(pickle.dumps(large.value)).reasons == large.value.reasons
    with pytest.raises(CannotServeError, match=r"itl_s = 0\.001 is not accepted: a batch of 1 .* already takes"):
        mix.serve(application(itl_s=0.001), H100)
    with pytest.raises(CannotServeError, match="too slow: a batch of 1 takes"):
        mix.serve(application(prompt_tokens=None, output_tokens=None, context_tokens=2048, itl_s=1e-4), H100)
    with pytest.raises(CannotServeError, match="no dense matrix peak in fp8"):  # the machine has no such engine
        mix.serve(application(precision="fp8"), A100)
    # Nobody measured FP8 of this model, and what is not known does not pass a gate.
    with pytest.raises(CannotServeError, match=r"fp8: no accuracy of mistral-7b-v0\.3 in fp8 is known"):
        mix.serve(application(llm="mistral-7b-v0.3", precision="fp8", max_quality_loss=5), H100)
    # Of all that the machine runs, those that nobody measured are counted, and named among the reasons.
    with pytest.raises(CannotServeError, match=r"of [0-9]+ other precisions nobody measured the quality") as gated:
        mix.serve(application(llm="llama-3.1-8b", itl_s=0.001, max_quality_loss=1), H100)
    assert "no accuracy of llama-3.1-8b" in gated.value.reasons["w4a16"]


def test_bad_arguments_are_no_reason_not_to_serve():
    for arguments, message in (
        ({"application": "chat"}, "give a tco.mix.Application"),
        ({"accelerator": "h100-sxm"}, "accelerator = 'h100-sxm' is not accepted"),
        ({"devices": 0}, "devices = 0"),
        (
            {"calibration": rl.get_calibration("gaudi-2")},
            "calibration is of gaudi-2, not of h100-sxm",
        ),
        ({"accelerator": replace(rl.Machine.of(H100), memory_bytes_per_s=np.array([1e12, 2e12]))}, "arrays of rates"),
    ):
        given_all = {"application": application(), "accelerator": H100} | arguments
        with pytest.raises(ValueError, match=message) as refused:
            mix.serve(given_all.pop("application"), given_all.pop("accelerator"), **given_all)
        assert not isinstance(refused.value, CannotServeError)
    with pytest.raises(TypeError, match="does not take fuel"):
        mix.serve(application(), H100, fuel=1)


def test_a_gate_of_ones_own_accuracies():
    # hand: 2 points lost pass a gate of 2, and not one of 1.9.
    rows = [Accuracy(llm="llama-3.1-8b", precision=precision, benchmark="ours", score_percent=score, study="ours")
            for precision, score in (("bf16", 80.0), ("w4a16", 78.0))]  # fmt: skip
    asked = {"prompt_tokens": None, "output_tokens": None, "context_tokens": 2048, "accuracies": rows, "itl_s": 0.01}
    assert mix.serve(application(max_quality_loss=2.0, **asked), A100).precision == "w4a16"
    assert mix.serve(application(max_quality_loss=1.9, **asked), A100).precision == "bf16"


def reading(gate, **changes):
    """Return Kim's 8B model reading long prompts under a gate on MMLU."""
    return Application("documents", **({"llm": "llama-3.1-8b", "prompt_tokens": 2048, "ttft_s": 0.5,
                                        "max_quality_loss": gate, "share": 1.0} | changes))  # fmt: skip


def test_a_quality_gate_changes_the_winner():
    # published: Kim Table II, 8B loses 0.5 points of MMLU in E4M3. Gaudi 3 has one peak for FP8 and BF16, the H100 two;
    # so a gate of 0.5 lets the H100 double its rate, and a gate of 0.4 does not. Costs are the catalogue's, by default.
    servers = ["gaudi-3-hls", "dgx-h100"]
    passed = mix.evaluate([reading(0.5)], servers, facility=tco.Facility())
    barred = mix.evaluate([reading(0.4)], servers, facility=tco.Facility())
    assert passed.served["documents", "dgx-h100"].precision == "fp8"
    assert barred.served["documents", "dgx-h100"].precision == "bf16"
    assert "loses 0.5 points" in barred.served["documents", "dgx-h100"].reasons["fp8"]
    assert passed.best_machine() == "dgx-h100"
    assert barred.best_machine() == "gaudi-3-hls"
    # E5M2 loses 1.3 points, so a gate of 1 bars it.
    e5m2 = mix.serve(reading(1.0, element="e5m2"), H100)
    assert e5m2.precision == "bf16"


def test_evaluate_equals_compare_of_each_application():
    # sibling: tco.compare of two deployments with the same estimates, application by application.
    mixed = [
        Application("read", llm="llama-3.1-8b", prompt_tokens=1024, ttft_s=0.5, precision="fp8", share=0.6),
        Application("write", llm="llama-3.1-8b", context_tokens=1024, itl_s=0.02, precision="fp8", share=0.4),
    ]
    facility = tco.Facility(usd_per_kwh=0.1)
    t = mix.evaluate(mixed, ["gaudi-2-hls", "dgx-h100"], facility=facility)
    for i, one in enumerate(mixed):
        sides = [
            tco.Deployment(hs.get_server(name), facility, t.served[one.name, name].estimate) for name in t.machines
        ]
        c = tco.compare(*sides)
        assert t.r_th_by_application(*t.machines)[i] == pytest.approx(c.r_th, rel=1e-12)
        assert t.tco_ratio_by_application(*t.machines)[i] == pytest.approx(c.ratio, rel=1e-12)
        assert t.r_sc(*t.machines) == pytest.approx(c.r_sc, rel=1e-12)
        assert t.r_ic(*t.machines) == pytest.approx(c.r_ic, rel=1e-12)
    assert t.kinds == dict.fromkeys(t.machines, "ideal roofline")
    again = pickle.loads(pickle.dumps(t))
    assert again.tco_ratio(*t.machines) == t.tco_ratio(*t.machines)
    # Deployments bring their own costs and facilities; so do plain numbers, whole or in two parts.
    parts = {
        name: (float(s), float(u - s))
        for name, s, u in zip(t.machines, t.server_usd_per_year, t.usd_per_year, strict=True)
    }
    for machines, more in (
        ({name: tco.Deployment(hs.get_server(name), facility, 1.0) for name in t.machines}, {}),
        ({"gaudi-2-hls": "gaudi-2-hls", "dgx-h100": hs.get_server("dgx-h100")}, {"costs": parts}),
    ):
        same = mix.evaluate(mixed, machines, **more)
        points, expected = same.points(*t.machines), t.points(*t.machines)
        assert list(points) == list(expected) == ["read", "write", "mix"]
        np.testing.assert_allclose(list(points.values()), list(expected.values()), rtol=1e-12)
    totals = mix.evaluate(mixed, list(t.machines), costs={name: sum(pair) for name, pair in parts.items()})
    assert totals.server_usd_per_year is None
    assert totals.tco_ratio(*t.machines) == pytest.approx(t.tco_ratio(*t.machines), rel=1e-12)


def test_evaluate_says_who_cannot_serve_and_goes_on():
    mixed = [application("small", share=1), application("large", llm="llama-3.1-405b", share=1)]
    seen = []

    def progress(pairs):
        for pair in pairs:
            seen.append(pair[1])
            yield pair

    t = mix.evaluate(mixed, ["dgx-a100", "dgx-b200"], facility=tco.Facility(), progress=progress)
    assert seen == ["dgx-a100", "dgx-b200"] * 2
    assert t.tokens_per_s.mask.tolist() == [[False, False], [True, False]]
    assert "cannot serve large" in t.refused["large", "dgx-a100"]
    assert t.best_machine() == "dgx-b200"
    assert set(t.points("dgx-a100", "dgx-b200")) == {"small"}  # no mix: one of them does not serve it


def test_calibrated_machines_serve_less():
    # property: losses only slow a machine down; and a forecast is not put beside an upper bound.
    write = Application("write", llm="llama-3.1-8b", context_tokens=1024, itl_s=0.05)
    losses = {"dgx-h100": rl.get_calibration("h100-sxm", framework="vllm")}
    ideal = mix.evaluate([write], ["dgx-h100"], facility=tco.Facility())
    real = mix.evaluate([write], ["dgx-h100"], facility=tco.Facility(), calibrations=losses)
    assert real.tokens_per_s[0, 0] < ideal.tokens_per_s[0, 0]
    assert real.kinds == {"dgx-h100": "calibrated roofline"}
    with pytest.raises(ValueError, match="calibrations has none of gaudi-2-hls"):
        mix.evaluate([write], ["dgx-h100", "gaudi-2-hls"], facility=tco.Facility(), calibrations=losses)


@pytest.mark.parametrize(
    ("applications", "machines", "more", "message"),
    [
        ([], ["dgx-h100"], {}, "applications is empty"),
        (["chat"], ["dgx-h100"], {}, "applications hold 'chat'"),
        ([application()], [], {}, "machines is empty"),
        ([application()], "dgx-h100", {}, "machines = 'dgx-h100' is not accepted"),
        ([application()], [3], {}, "machines hold int"),
        ([application()], ["dgx-h100", "dgx-h100"], {}, "holds a server twice"),
        ([application()], ["dgx-h100"], {}, "the cost of dgx-h100 is not known"),
        ([application()], ["dgx-h100"], {"facility": 1}, "facility is not accepted"),
        ([application()], ["dgx-h100"], {"costs": {"a": 1}}, "costs names 'a', which is no machine"),
        ([application()], ["dgx-h100"], {"costs": {"dgx-h100": 0}}, "costs of dgx-h100 is not accepted"),
        ([application()], ["dgx-h100"], {"costs": {"dgx-h100": (1, 2, 3)}}, "one number, or server and infrastructure"),
    ],
)
def test_bad_arguments_of_evaluate(applications, machines, more, message):
    with pytest.raises(ValueError, match=message):
        mix.evaluate(applications, machines, **more)


def test_no_message_and_no_repr_tells_a_traffic():
    # property: traffic and throughputs of the user's own are private, limits on latency are on every page.
    for changes in ({"tokens_per_s": -317291.0}, {"requests_per_s": -317291.0}, {"tokens_per_s": [317291.0]}):
        with pytest.raises(ValueError, match=r"app: \w+_per_s is not accepted: give") as error:
            application("app", **changes)
        assert "317291" not in str(error.value)
    with pytest.raises(ValueError, match=r"app: itl_s = -0\.5 is not accepted"):
        application("app", itl_s=-0.5)
    one = application("app", tokens_per_s=317291.0)
    table = mix.MixTable(
        applications=("app",), machines=("A",), tokens_per_s=[[317291.0]], shares=[1.0], usd_per_year=[317291.0]
    )
    assert "317291" not in f"{one!r} {table!r} {table._repr_html_()} {table.robust_choice()!r} {table.assignment()!r}"


def test_jax_takes_the_means():
    # sibling: the same line on another array library, differentiated: d ln R/d ln T_A,i is its share of A's time.
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        gradient = jax.grad(lambda a: mix.mixed_r_th(rates_a=a, rates_b=jax.numpy.asarray(B_RATES), shares=HALVES))
        a = jax.numpy.asarray(A_RATES)
        found = np.asarray(gradient(a)) * np.asarray(A_RATES) / 0.8
    np.testing.assert_allclose(found, mix.time_shares(rates=A_RATES, shares=HALVES), rtol=1e-12)
