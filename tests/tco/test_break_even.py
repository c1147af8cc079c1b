"""What would have to change for A and B to cost the same: plugged back, every answer gives the target."""

from __future__ import annotations

import math
import pickle

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

import tco
from tco import break_even

positive = st.floats(0.01, 100)
share = st.floats(0.01, 0.99)
amount = st.just(0.0) | st.floats(1e-6, 1e6)
CASE = {"r_ic": 0.75, "server_share": 0.7}  # facts/tco.md section 4, with R_Th = 0.8 and R_SC = 0.5


def close(value, rel=1e-9):
    return pytest.approx(value, rel=rel, abs=1e-12)


# -------------------------------------------------------------------------------------------------- prices and the line


def test_worked_case_of_the_research_note():
    # published: facts/tco.md 4.1, R_SC* = 0.821429; hand: of a list price equal to B's that is 17.86 % off.
    price = break_even.server_price(server_usd_b=100.0, r_th=0.8, **CASE)
    assert round(float(price), 4) == 82.1429
    discount = break_even.needed_discount(list_usd=100.0, server_usd_b=100.0, r_th=0.8, **CASE)
    assert discount == close(1 - 0.8214285714285714)


@given(r_th=positive, r_ic=positive, w=share, target=st.floats(0.1, 10), price_b=st.floats(1, 1e6))
def test_the_price_plugged_back_gives_the_target(r_th, r_ic, w, target, price_b):
    # property.
    case = {"r_th": r_th, "r_ic": r_ic, "server_share": w}
    price = break_even.server_price(server_usd_b=price_b, **case, target=target)
    assert math.isnan(price) == tco.not_even_free(**case, target=target)
    if not math.isnan(price):
        assert tco.tco_ratio(**case, r_sc=price / price_b) == close(target)


@given(r_th=positive, r_ic=positive, w=share, listed=st.floats(0.1, 10), chips=st.floats(0.05, 1))
def test_the_discount_plugged_back_draws_level(r_th, r_ic, w, listed, chips):
    # property: on the whole price it is 1 − P*/P_list, on the chips (P_list − P*)/P_chips, and either draws level.
    case = {"r_th": r_th, "r_ic": r_ic, "server_share": w}
    prices = {"list_usd": listed * 1e5, "server_usd_b": 1e5}
    whole = break_even.needed_discount(**prices, **case)
    part = break_even.needed_discount(**prices, chips_usd=chips * listed * 1e5, **case)
    best = break_even.server_price(server_usd_b=1e5, **case)
    if math.isnan(best):
        assert math.isnan(whole) or whole == 1  # level with a gift, at best
    elif whole > 0:
        assert whole == close(1 - best / (listed * 1e5), rel=1e-6)
        assert tco.tco_ratio(**case, r_sc=listed * (1 - whole)) == close(1)
    if part > 0:
        assert part == close(whole / chips)
        assert tco.tco_ratio(**case, r_sc=listed * (1 - chips * part)) == close(1)
    if whole == 0:
        assert tco.tco_ratio(**case, r_sc=listed) <= 1 + 1e-9


@given(r_ic=positive, w=share, target=st.floats(0.1, 10))
def test_the_iso_tco_line_is_straight_and_starts_where_servers_are_free(r_ic, w, target):
    # property: one slope t/w, R_SC = 0 at r_th_free, NaN before it, the target all along it.
    line = break_even.iso_tco_line(r_th=1.0, r_ic=r_ic, server_share=w, target=target)
    start = float(line.r_th_free)
    x = start * np.array([0.5, 0.99, 1.01, 1.5, 4.0])
    line = break_even.iso_tco_line(r_th=x, r_ic=r_ic, server_share=w, target=target)
    assert list(np.isnan(line.r_sc)) == [True, True, False, False, False]
    assert line.r_sc[2:] == close((x[2:] - start) * line.slope)
    assert tco.tco_ratio(r_th=x[2:], r_sc=line.r_sc[2:], r_ic=r_ic, server_share=w) == close(np.full(3, target))


def test_an_upright_line_where_servers_have_no_share():
    # hand: w = 0, so R_Th = R_IC whatever servers cost.
    line = break_even.iso_tco_line(r_th=[0.5, 2.0], r_ic=0.8, server_share=0.0)
    assert np.isnan(line.slope)
    assert np.all(np.isnan(line.r_sc))
    assert line.r_th_free == close(0.8)


# ---------------------------------------------------------------------------------------------------------- utilisation


def test_owned_against_rented_and_against_an_api():
    # published: facts/tco.md 4.5, 1.30 against 2.99 USD/h: 43.5 %. T6: 1.41 USD/h and 0.53 USD/M are level at 739.0
    # tokens/s. T5: DeepSeek's margin of 545 % is a cost of 1/6.45 of the revenue.
    assert round(float(break_even.utilisation(own_usd_per_h=1.30, rent_usd_per_h=2.99)), 3) == 0.435
    api = break_even.api_usd_per_h(tokens_per_s=739.0, usd_per_million_tokens=0.53)
    assert break_even.utilisation(own_usd_per_h=1.41, rent_usd_per_h=api) == pytest.approx(1, abs=1e-4)
    assert break_even.utilisation(own_usd_per_h=87_072, rent_usd_per_h=562_027) == pytest.approx(1 / 6.4547, rel=1e-4)


@given(own=st.floats(0.01, 100), rent=st.floats(0.01, 100), idle=st.floats(0, 1))
def test_at_the_utilisation_both_cost_the_same(own, rent, idle):
    # property: u·own + (1 − u)·idle = u·rent; above it owning is cheaper; none where owning is dearer when always busy.
    idle *= own
    u = float(break_even.utilisation(own_usd_per_h=own, rent_usd_per_h=rent, idle_usd_per_h=idle))
    assume(rent != own)
    assert math.isnan(u) == (own > rent)
    if not math.isnan(u):
        assert 0 <= u <= 1
        assert u * own + (1 - u) * idle == close(u * rent)


def test_an_idle_hour_that_costs_less_lowers_the_utilisation():
    # hand: 0.5/(2 − 1 + 0.5) = 1/3 where an idle hour costs half of a busy one; 1/2 where it costs the same.
    u = break_even.utilisation(own_usd_per_h=1.0, rent_usd_per_h=2.0, idle_usd_per_h=[0.5, 1.0])
    assert u == close(np.array([1 / 3, 1 / 2]))


# ---------------------------------------------------------------------------------------------------------------- dates


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share, a=st.floats(-2, 2), b=st.floats(-2, 2))
def test_drift_draws_level_on_its_date(r_th, r_sc, r_ic, w, a, b):
    # property: facts/tco.md 4.9; on the date the ratio is 1, the two verdicts differ around it, and agree without one.
    case = {"r_sc": r_sc, "r_ic": r_ic, "server_share": w}
    assume(abs(a - b) > 1e-3)
    years, now, later = break_even.years_of_drift(r_th=r_th, **case, growth_a=a, growth_b=b)
    ratio_now = tco.tco_ratio(r_th=r_th, **case)
    assume(abs(ratio_now - 1) > 1e-9)
    assert now == (ratio_now < 1)
    assert later == (a > b)
    assert math.isnan(years) == (now == later)
    if not math.isnan(years):
        assume(years < 500)
        assert years > 0
        assert tco.tco_ratio(r_th=r_th * math.exp((a - b) * years), **case) == close(1)


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share, d=st.floats(-2, 2))
def test_price_decline_draws_level_on_its_date(r_th, r_sc, r_ic, w, d):
    # property: as above; where not even a free server of A is cheaper, no decline suffices.
    case = {"r_th": r_th, "r_ic": r_ic, "server_share": w}
    assume(abs(d) > 1e-3)
    years, now, later = break_even.years_of_price_decline(r_sc=r_sc, **case, decline=d)
    ratio_now = tco.tco_ratio(r_sc=r_sc, **case)
    assume(abs(ratio_now - 1) > 1e-9)
    assert now == (ratio_now < 1)
    assert later == (d > 0 and not tco.not_even_free(**case))
    assert math.isnan(years) == (now == later)
    if not math.isnan(years):
        assume(years < 100)
        assert tco.tco_ratio(r_sc=r_sc * math.exp(-d * years), **case) == close(1, rel=1e-6)


def test_the_four_stories_of_a_drift():
    # hand: R_Th* = 0.575 in the worked case. From 0.5 at +20 % a year: ln 1.15/ln 1.2 = 0.767 years. From 0.7 at the
    # same growth the date is past and A stays cheaper; with −20 % it comes; from 0.5 with −20 % it never does.
    g = math.log(1.2)
    crossing = break_even.years_of_drift(r_th=[0.5, 0.7, 0.7, 0.5, 0.5], r_sc=0.5, **CASE, growth_a=[g, g, -g, -g, 0.0])
    assert crossing.years == pytest.approx(
        [math.log(0.575 / 0.5) / g, math.nan, math.log(0.7 / 0.575) / g, math.nan, math.nan], nan_ok=True
    )
    assert list(crossing.cheaper_now) == [False, True, True, False, False]
    assert list(crossing.cheaper_later) == [True, True, False, False, False]
    assert pickle.loads(pickle.dumps(crossing)).cheaper_now[1]


def test_level_today_is_year_0_and_what_costs_nothing_stays_cheaper():
    # hand.
    assert break_even.years_of_drift(r_th=0.575, r_sc=0.5, **CASE, growth_a=0.1).years == 0
    free = break_even.years_of_drift(r_th=0.1, r_sc=0, r_ic=0, growth_a=-1)
    assert (math.isnan(free.years), free.cheaper_now, free.cheaper_later) == (True, True, True)
    gift = break_even.years_of_price_decline(r_th=1.0, r_sc=0, r_ic=1.5, decline=-1)
    assert (math.isnan(gift.years), gift.cheaper_now, gift.cheaper_later) == (True, True, True)


def test_a_growth_of_almost_nothing_has_no_date():
    # property: no infinity leaves, and no warning.
    assert math.isnan(break_even.years_of_drift(r_th=0.5, r_sc=50, growth_a=5e-324).years)


# ------------------------------------------------------------------------------------------------------- straight lines


@given(a0=amount, a1=amount, b0=amount, b1=amount, target=st.floats(0.1, 10))
def test_lines_meet_where_they_say(a0, a1, b0, b1, target):
    # property: a₀ + a₁x = t·(b₀ + b₁x) at x ≥ 0, and nowhere where NaN: then one is above the other at both ends.
    x = float(break_even.linear_break_even(fixed_a=a0, slope_a=a1, fixed_b=b0, slope_b=b1, target=target))
    if math.isnan(x):
        start, end = a0 - target * b0, a1 - target * b1
        assert start * end >= 0 or min(abs(start) / (a0 + target * b0), abs(end) / (a1 + target * b1)) < 1e-12
    else:
        assert x >= 0
        size = a0 + target * b0 + (a1 + target * b1) * x
        assert a0 + a1 * x == pytest.approx(target * (b0 + b1 * x), abs=1e-9 * size)


def test_carbon_price_flips_the_ranking():
    # hand: facts/tco.md 4.10: 3 cents dearer and 0.3 kg cleaner is level at 0.1 USD/kg, 100 USD/t.
    emissions = {"kg_a": 0.2, "kg_b": 0.5}
    price = float(break_even.carbon_price(usd_a=0.50, usd_b=0.47, **emissions))
    assert price == close(0.1)
    for factor, cheaper in ((0.9, "b"), (1.1, "a")):
        a, b = 0.50 + factor * price * 0.2, 0.47 + factor * price * 0.5
        assert ("a" if a < b else "b") == cheaper
    # hand: the cheaper one is cleaner too, so no carbon price turns it; the same emissions never do.
    assert math.isnan(break_even.carbon_price(usd_a=0.40, usd_b=0.47, **emissions))
    assert math.isnan(break_even.carbon_price(usd_a=0.50, kg_a=0.2, usd_b=0.47, kg_b=0.2))


@given(capital_a=st.floats(0.1, 10), capital_b=st.floats(0.1, 10), kwh_a=st.floats(0.01, 10), kwh_b=st.floats(0.01, 10))
def test_tariff_and_pue_agree(capital_a, capital_b, kwh_a, kwh_b):
    # sibling: at a tariff of 0.1 USD/kWh a PUE x is a tariff of 0.1·x without one; a PUE is at least 1.
    tariff = float(break_even.tariff(other_usd_a=capital_a, kwh_a=kwh_a, other_usd_b=capital_b, kwh_b=kwh_b))
    pue = float(
        break_even.pue(other_usd_a=capital_a, energy_usd_a=0.1 * kwh_a, other_usd_b=capital_b, energy_usd_b=0.1 * kwh_b)
    )
    if not math.isnan(pue):
        assert pue >= 1
        assert pue == close(tariff / 0.1, rel=1e-6)
    elif not math.isnan(tariff):
        assert tariff < 0.1 * (1 + 1e-9)


def test_level_at_the_least_value_counts():
    # hand: costs of 1 + 1·x and 2·x meet at a PUE of exactly 1; at 0.9 there is none.
    meet = {"other_usd_a": 1.0, "energy_usd_a": 1.0, "other_usd_b": 0.0}
    assert break_even.pue(**meet, energy_usd_b=2.0) == 1
    assert math.isnan(break_even.pue(**meet | {"other_usd_a": 0.9}, energy_usd_b=2.0))


# ------------------------------------------------------------------------------------------------------------ any model


@given(r_ic=positive, w=share, r_th=positive)
def test_solve_for_agrees_with_the_closed_form(r_ic, w, r_th):
    # sibling: Kim Eq. 4 solved for R_SC.
    case = {"r_th": r_th, "r_ic": r_ic, "server_share": w}
    closed = float(tco.break_even_server_cost(**case))
    found = float(break_even.solve_for(tco.tco_ratio, "r_sc", low=1e-6, high=1e6, inputs=case))
    if math.isnan(closed):
        assert math.isnan(found)
    elif 1e-5 < closed < 1e5:
        assert tco.tco_ratio(r_sc=found, **case) == close(1)


def test_solve_for_agrees_with_brentq_where_there_is_no_closed_form():
    # sibling: SciPy's bracketing, element by element, on a rate that enters through two annuities.
    def ratio(*, rate, years):
        return (
            0.8
            * tco.finance.capital_recovery_factor(rate=rate, years=years)
            / tco.finance.capital_recovery_factor(rate=rate, years=3)
        )

    years = np.array([2.0, 2.2, 2.3])
    found = break_even.solve_for(ratio, "rate", low=0.001, high=1.0, inputs={"years": years})
    for each, n in zip(found, years, strict=True):
        ends = [float(ratio(rate=rate, years=n)) - 1 for rate in (0.001, 1.0)]
        if ends[0] * ends[1] > 0:
            assert math.isnan(each)
        else:
            expected = brentq(lambda rate, n=n: float(ratio(rate=rate, years=n)) - 1, 0.001, 1.0, xtol=1e-14)
            assert each == close(expected)
    assert np.isnan(found).sum() < found.size  # one at least is found


def test_solve_for_finds_jumps_poles_ends_and_plateaus():
    # hand: a jump is where the verdict flips; level at an end is there; level throughout is `low`; a model that is not
    # a number in places is passed over.
    def stairs(*, x):
        return 0.5 + np.floor(x) / 4

    assert break_even.solve_for(stairs, "x", low=0, high=2.5, target=0.9) == close(2)
    assert break_even.solve_for(lambda *, x: x, "x", low=1, high=2) == 1
    assert break_even.solve_for(lambda *, x: 2 - x, "x", low=0, high=1) == 1
    assert break_even.solve_for(lambda *, x: 1 + 0 * x, "x", low=-3, high=2) == -3
    assert math.isnan(break_even.solve_for(lambda *, x: 2 + x, "x", low=0, high=1))
    assert break_even.solve_for(lambda *, x: np.log(x - 1), "x", low=0, high=10) == close(1 + math.e)


def test_solve_for_broadcasts_everything():
    # property: array of targets and of inputs, found element by element.
    targets, w = np.array([[0.5], [1.0]]), np.array([0.3, 0.5, 0.7])
    found = break_even.solve_for(
        tco.tco_ratio, "r_th", low=0.01, high=100, target=targets, inputs={"r_sc": 0.5, "server_share": w}
    )
    assert found == close(tco.break_even_throughput(r_sc=0.5, server_share=w, target=targets))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 1, "high": 1}, "low is not below high"),
        ({"low": 0, "high": 1, "inputs": {"x": 1}}, "x is to be found, and is among the inputs"),
        ({"low": -2, "high": 2}, "more than once over x"),
        ({"low": 0, "high": 2, "steps": 0}, "steps = 0 is not accepted"),
        ({"low": 0, "high": math.inf}, "high = inf is not accepted"),
    ],
)
def test_what_solve_for_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        break_even.solve_for(lambda *, x: x * x, "x", **arguments)


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: break_even.server_price(server_usd_b=-987.5, r_th=1), "server_usd_b"),
        (lambda: break_even.needed_discount(list_usd=-987.5, server_usd_b=1, r_th=1), "list_usd"),
        (lambda: break_even.needed_discount(list_usd=900, chips_usd=987.5, server_usd_b=1, r_th=1), "chips_usd"),
        (lambda: break_even.utilisation(own_usd_per_h=-987.5, rent_usd_per_h=1), "own_usd_per_h"),
        (lambda: break_even.utilisation(own_usd_per_h=900, rent_usd_per_h=1, idle_usd_per_h=987.5), "idle_usd_per_h"),
        (lambda: break_even.api_usd_per_h(tokens_per_s=1, usd_per_million_tokens=-987.5), "usd_per_million_tokens"),
        (lambda: break_even.tariff(other_usd_a=-987.5, kwh_a=1, other_usd_b=1, kwh_b=1), "other_usd_a"),
        (lambda: break_even.carbon_price(usd_a=1, kg_a=1, usd_b=-987.5, kg_b=1), "usd_b"),
        (lambda: break_even.pue(other_usd_a=1, energy_usd_a=-987.5, other_usd_b=1, energy_usd_b=1), "energy_usd_a"),
        (lambda: break_even.linear_break_even(fixed_a="987.5", slope_a=1, fixed_b=1, slope_b=1), "fixed_a"),
    ],
)
def test_errors_name_the_field_and_hide_the_amount(call, field):
    # property: the amount, here always 987.5, is private.
    with pytest.raises(ValueError, match=field) as refused:
        call()
    assert "987" not in str(refused.value)


def test_ratios_and_rates_are_checked():
    with pytest.raises(ValueError, match="r_th = 0 is not accepted"):
        break_even.iso_tco_line(r_th=0)
    with pytest.raises(ValueError, match="growth_a = nan is not accepted"):
        break_even.years_of_drift(r_th=1, r_sc=1, growth_a=math.nan)
    with pytest.raises(ValueError, match="decline = 1000 is not accepted"):
        break_even.years_of_price_decline(r_th=1, r_sc=1, decline=1000)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (break_even.server_price, {"server_usd_b": 3.0, "r_th": [0.8, 0.9]}),
        (break_even.needed_discount, {"list_usd": [3.0, 4.0], "server_usd_b": 3.0, "r_th": 0.8}),
        (break_even.utilisation, {"own_usd_per_h": 1.3, "rent_usd_per_h": [2.99, 1.0], "idle_usd_per_h": 1.0}),
        (break_even.linear_break_even, {"fixed_a": 1, "slope_a": [1.0, 3.0], "fixed_b": 2, "slope_b": 2}),
        (break_even.years_of_drift, {"r_th": 0.3, "r_sc": 0.5, "growth_a": [0.1, 0.2]}),
        (break_even.years_of_price_decline, {"r_th": 0.8, "r_sc": 1.5, "decline": [0.1, -0.2]}),
        (break_even.iso_tco_line, {"r_th": [0.2, 0.8]}),
    ],
)
def test_closed_forms_use_the_array_api_alone(function, arguments):
    # property: array_api_strict has nothing else, and mixes with no other library; sibling: NumPy.
    strict = {name: xp.asarray(value) if isinstance(value, list) else value for name, value in arguments.items()}
    ours, theirs = function(**arguments), function(**strict)
    for a, b in zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]:
        np.testing.assert_allclose(np.asarray(b), a, rtol=1e-14)
