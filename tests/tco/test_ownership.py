"""Own, reserve or rent: the closed forms against every other choice."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tco import break_even, finance, ownership
from tco.ownership import Terms, own_or_rent, owned_capacity, portfolio

EXAMPLE = {"own_usd_per_h": 1.30, "rent_usd_per_h": 2.99}
hours = st.lists(st.integers(0, 12), min_size=1, max_size=30).filter(any)


def cost_of(owned, demand, *, own, rent, idle):
    """Average cost per hour of owning `owned` servers and renting the rest, hour by hour."""
    demand = np.asarray(demand, dtype=float)
    busy = np.minimum(demand, owned)
    return np.mean(busy * own + (owned - busy) * idle + (demand - busy) * rent)


def test_worked_case_of_the_research_note():
    # published: facts/tco.md 4.5, 1.30 against 2.99 USD/h, N(100, 30): Q* = 104.9, threshold 43.5 %.
    demand = stats.norm(100, 30)
    assert round(float(owned_capacity(demand, **EXAMPLE)), 1) == 104.9
    best = own_or_rent(demand, **EXAMPLE)
    assert round(best.least_busy[0], 3) == 0.435
    # hand: the 105th server is needed when demand is above 104, in more than 43.5 % of the hours; the 106th is not.
    assert best.servers[0] == 105
    assert 1 - demand.cdf(105) < 1.30 / 2.99 < 1 - demand.cdf(104)


@given(demand=hours, own=st.floats(0.1, 5), rent=st.floats(0.1, 5), idle=st.floats(0.01, 1))
def test_the_newsvendor_equals_every_quantity_tried(demand, own, rent, idle):
    # property: no quantity, whole or not, costs less than Q*.
    idle *= own
    rates = {"own_usd_per_h": own, "rent_usd_per_h": rent, "idle_usd_per_h": idle}
    at_best = cost_of(float(owned_capacity(demand, **rates)), demand, own=own, rent=rent, idle=idle)
    tried = [cost_of(q, demand, own=own, rent=rent, idle=idle) for q in np.arange(0, 13, 0.5)]
    assert at_best == pytest.approx(min(tried), rel=1e-9)
    # sibling: whole servers by their busy shares.
    best = own_or_rent(demand, **rates)
    assert best.usd_per_h == pytest.approx(at_best, rel=1e-9)
    by_name = dict(zip(best.names, best.servers, strict=True))
    assert by_name["owned"] + by_name["on demand"] == max(demand)
    alone = dict(zip(best.names, best.alone_usd_per_h, strict=True))
    assert alone["owned"] == pytest.approx(cost_of(max(demand), demand, own=own, rent=rent, idle=idle), rel=1e-9)
    assert alone["on demand"] == pytest.approx(cost_of(0, demand, own=own, rent=rent, idle=idle), rel=1e-9)


def test_distribution_and_samples_of_it_agree():
    # sibling: 200,000 draws; a quantile near the middle of N(100, 30) is then good to about 0.1.
    demand = stats.norm(100, 30)
    draws = np.maximum(demand.rvs(200_000, random_state=np.random.default_rng(1)), 0)
    assert owned_capacity(draws, **EXAMPLE) == pytest.approx(owned_capacity(demand, **EXAMPLE), abs=0.5)
    # hand: a discrete distribution gives the same whole number as the busy shares.
    poisson = stats.poisson(7)
    assert owned_capacity(poisson, **EXAMPLE) == own_or_rent(poisson, **EXAMPLE).servers[0]


def test_capacity_over_arrays_of_rates():
    # property: the array equals the loop; nothing is owned where it saves nothing, even of an unbounded demand.
    demand, rents = stats.norm(100, 30), np.array([1.0, 1.30, 1.5, 2.99, 10.0])
    whole = owned_capacity(demand, own_usd_per_h=1.30, rent_usd_per_h=rents)
    assert np.array_equal(whole, [owned_capacity(demand, own_usd_per_h=1.30, rent_usd_per_h=rent) for rent in rents])
    assert list(whole[:2]) == [0, 0]
    assert np.all(np.diff(whole[1:]) > 0)


def merit_order(counts, demand, terms):
    """Average cost of given counts, each hour using first what costs least to use; rented by the hour has no limit."""
    order = sorted(range(len(terms)), key=lambda k: terms[k].usd_per_h - terms[k].idle_usd_per_h)
    total = 0.0
    for needed in demand:
        left = needed
        for k in order:
            used = min(left, counts[k])
            left -= used
            total += used * terms[k].usd_per_h + (counts[k] - used) * terms[k].idle_usd_per_h
        if left:
            return np.inf
    return total / len(demand)


@given(
    demand=st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any),
    rates=st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1)), min_size=1, max_size=3),
)
def test_the_portfolio_equals_every_mix_tried(demand, rates):
    # property: brute force over all counts on up to three terms, dispatched hour by hour.
    terms = [Terms(name=str(k), usd_per_h=busy, idle_usd_per_h=part * busy) for k, (busy, part) in enumerate(rates)]
    best = portfolio(demand, terms)
    tried = min(
        merit_order(counts, demand, terms) for counts in itertools.product(range(max(demand) + 1), repeat=len(terms))
    )
    assert best.usd_per_h == pytest.approx(tried, rel=1e-9)
    # property: what it says it has costs what it says.
    by_name = dict(zip(best.names, best.servers, strict=True))
    assert merit_order([by_name[offer.name] for offer in terms], demand, terms) == pytest.approx(tried, rel=1e-9)
    # property: parts sum to the whole, and no terms alone are cheaper.
    assert sum(best.servers) == max(demand)
    assert sum(best.work) == pytest.approx(1, rel=1e-12)
    assert sum(best.busy[k] * best.servers[k] for k in range(len(terms))) == pytest.approx(np.mean(demand), rel=1e-9)
    assert min(best.alone_usd_per_h) >= best.usd_per_h * (1 - 1e-12)


@given(rates=st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1)), min_size=1, max_size=5), b=st.floats(0.001, 0.999))
def test_the_thresholds_are_those_of_the_cheapest_line(rates, b):
    # property: at any busy share, the terms whose threshold is the largest below it cost least.
    terms = [Terms(name=str(k), usd_per_h=busy, idle_usd_per_h=part * busy) for k, (busy, part) in enumerate(rates)]
    best = portfolio([1], terms)
    by_name = {offer.name: offer.idle_usd_per_h + b * (offer.usd_per_h - offer.idle_usd_per_h) for offer in terms}
    known = [(least, name) for least, name in zip(best.least_busy, best.names, strict=True) if least is not None]
    assert known == sorted(known, key=lambda pair: -pair[0])
    assert known[-1][0] == 0
    chosen = next(name for least, name in known if b >= least)
    assert by_name[chosen] == pytest.approx(min(by_name.values()), rel=1e-9)


def test_two_terms_have_the_threshold_of_the_break_even():
    # sibling: tco.break_even.utilisation, with an idle hour that costs less.
    rates = {**EXAMPLE, "idle_usd_per_h": 1.0}
    assert own_or_rent([3, 4], **rates).least_busy[0] == pytest.approx(break_even.utilisation(**rates), rel=1e-12)


def test_three_terms_by_hand():
    # hand: 24 hours need 100, 140, 200 servers in 12, 10, 2 of them: busy shares 1, 1/2, 1/12. Flat at 1.3, half flat
    # at 0.6 + 1.3·b, on demand at 2.99·b: thresholds 0.7/1.3 = 0.538 and 0.6/1.69 = 0.355, so 100, 40 and 60.
    terms = [
        Terms.on_demand(usd_per_h=2.99),
        Terms(name="half", usd_per_h=1.9, idle_usd_per_h=0.6),
        Terms.owned(usd_per_h=1.3),
    ]
    best = portfolio([100] * 12 + [140] * 10 + [200] * 2, terms)
    assert best.names == ("owned", "half", "on demand")
    assert best.servers == (100, 40, 60)
    assert best.least_busy == pytest.approx((0.7 / 1.3, 0.6 / 1.69, 0.0))
    assert best.busy == pytest.approx((1.0, 0.5, 1 / 12))
    assert best.usd_per_h == pytest.approx(100 * 1.3 + 40 * (0.6 + 0.65) + 60 * 2.99 / 12)
    assert best.alone_usd_per_h[0] == pytest.approx(200 * 1.3)
    assert best.saving["owned"] == pytest.approx(1 - best.usd_per_h / 260)


def test_terms_that_are_never_cheapest_have_no_threshold():
    # hand: a year at 1.80 USD/h beside three at 1.30, both flat.
    terms = [
        Terms.reserved(usd_per_h=1.80, commitment_years=1),
        Terms.reserved(usd_per_h=1.30, commitment_years=3),
        Terms.on_demand(usd_per_h=2.99),
    ]
    best = portfolio([1, 2], terms)
    assert best.names == ("reserved 3 years", "reserved 1 year", "on demand")
    assert best.least_busy == (pytest.approx(1.30 / 2.99), None, 0.0)
    assert best.servers[1] == 0


def test_part_of_a_server_is_a_whole_one():
    # hand: 2.1 servers are three; 3·0.1/0.1 is three and not four, rounding apart.
    assert sum(own_or_rent([2.1], **EXAMPLE).servers) == 3
    assert sum(own_or_rent([3 * 0.1 / 0.1], **EXAMPLE).servers) == 3


@given(scale=st.floats(0.01, 100))
def test_currency_changes_no_count(scale):
    # property.
    demand = [3, 5, 8, 13]
    scaled = {name: scale * value for name, value in EXAMPLE.items()}
    assert own_or_rent(demand, **scaled).servers == own_or_rent(demand, **EXAMPLE).servers
    assert own_or_rent(demand, **scaled).usd_per_h == pytest.approx(scale * own_or_rent(demand, **EXAMPLE).usd_per_h)


# ---------------------------------------------------------------------------------------------------------- commitments


def test_a_quarter_of_three_years_in_advance():
    # hand: 0.75 + 0.25·3·CRF(8 %, 3), and CRF(8 %, 3) = 0.388034 by its definition.
    crf = 0.08 / (1 - 1.08**-3)
    cost = ownership.effective_usd_per_h(usd_per_h=1.30, upfront_share=0.25, commitment_years=3, rate=0.08)
    assert cost == pytest.approx(1.30 * (0.75 + 0.75 * crf), rel=1e-12)
    assert cost / 1.30 == pytest.approx(1.0410, abs=5e-5)


@given(s=st.floats(0, 1), years=st.integers(1, 10), rate=st.floats(0.001, 1))
def test_the_effective_rate_is_worth_what_is_paid(s, years, rate):
    # property: today's worth of the even payments equals that of the deposit and of what is left to pay.
    per_year = finance.HOURS_PER_YEAR * ownership.effective_usd_per_h(
        usd_per_h=2.0, upfront_share=s, commitment_years=years, rate=rate
    )
    contract = 2.0 * finance.HOURS_PER_YEAR * years
    discount = [(1 + rate) ** -t for t in range(1, years + 1)]
    paid = s * contract + sum((1 - s) * contract / years * factor for factor in discount)
    assert sum(per_year * factor for factor in discount) == pytest.approx(paid, rel=1e-9)


def test_without_interest_or_without_a_deposit_it_is_what_it_says():
    # property.
    rate = ownership.effective_usd_per_h(usd_per_h=2.0, upfront_share=[0.0, 0.7], commitment_years=3, rate=[0.2, 0.0])
    assert rate == pytest.approx([2.0, 2.0], rel=1e-12)


# -------------------------------------------------------------------------------------------------------------- private


def test_results_show_counts_and_ratios_only_and_pickle():
    # property: money × k changes no text. hand: 140·1.3 + 60·2.99/12 = 196.95 is 24.25 % below 200·1.3 and 47.30 %
    # below 125·2.99.
    demand = [100] * 12 + [140] * 10 + [200] * 2
    first = own_or_rent(demand, own_usd_per_h=1.30, rent_usd_per_h=2.99)
    second = own_or_rent(demand, own_usd_per_h=130.0, rent_usd_per_h=299.0)
    assert repr(first) == repr(second)
    assert repr(first) == "Portfolio(140 owned + 60 on demand; 24.3% below owned alone, 47.3% below on demand alone)"
    assert repr(Terms.owned(usd_per_h=1.23)) == "Terms('owned')"
    copy = pickle.loads(pickle.dumps(first))
    assert (copy.servers, copy.usd_per_h) == (first.servers, first.usd_per_h)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Terms.owned(usd_per_h=-98.75), "usd_per_h is not accepted"),
        (lambda: Terms.owned(usd_per_h=90.0, idle_usd_per_h=98.75), "idle_usd_per_h is above usd_per_h"),
        (lambda: Terms.on_demand(usd_per_h=[98.75, 98.75]), "one number for each rate"),
        (lambda: Terms.reserved(usd_per_h=98.75, commitment_years=[1, 3]), "one number for each rate"),
        (lambda: own_or_rent([1], own_usd_per_h="98.75", rent_usd_per_h=1), "usd_per_h is not accepted"),
        (lambda: owned_capacity([1], own_usd_per_h=-98.75, rent_usd_per_h=1), "own_usd_per_h is not accepted"),
    ],
)
def test_errors_hide_the_rate(call, message):
    # property: the rate, here always 98.75, is private.
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "98" not in str(refused.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: portfolio([1], []), "give at least one"),
        (lambda: portfolio([1], [Terms.owned(usd_per_h=1)] * 2), "a name of its own"),
        (lambda: portfolio([0, 0], [Terms.owned(usd_per_h=1)]), "demand is 0 in every hour"),
        (lambda: portfolio([-1], [Terms.owned(usd_per_h=1)]), "demand = -1 is not accepted"),
        (lambda: portfolio([1e9], [Terms.owned(usd_per_h=1)]), "demand = 1000000000 is not accepted"),
        (lambda: owned_capacity([np.nan], **EXAMPLE), "demand = nan is not accepted"),
        (lambda: owned_capacity(stats.norm(100, 30), **EXAMPLE, idle_usd_per_h=0), "no largest value"),
        (lambda: ownership.effective_usd_per_h(usd_per_h=1, upfront_share=2), "upfront_share = 2 is not accepted"),
        (lambda: ownership.effective_usd_per_h(usd_per_h=1, commitment_years=0), "commitment_years = 0 is not"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
