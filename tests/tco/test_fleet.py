"""The cheapest mixed fleet: published cases, brute force on small ones, and what must hold of any."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import hardware_specs as hs
import tco
from tco import capacity
from tco.finance import HOURS_PER_YEAR
from tco.fleet import Fleet, InfeasibleError, Option, cheapest, iso_cost, iso_power
from tco.fleet.program import Program

SIZES = ("ss", "sl", "ls", "ll")


def melange():
    # Mélange's example: gpu_info of its README, tputs [[2,1],[5,2]] and [[20,20],[40,20]].
    a10g = Option.rented(name="a10g", usd_per_h=1.01, rates=dict(zip(SIZES, (2, 1, 5, 2), strict=True)))
    a100 = Option.rented(name="a100", usd_per_h=3.67, rates=dict(zip(SIZES, (20, 20, 40, 20), strict=True)))
    demand = {size: 30 * share for size, share in zip(SIZES, (0.2, 0.1, 0.5, 0.2), strict=True)}
    return a10g, a100, demand


def own(name="own", usd=10.0, **fields):
    return Option(name=name, usd_per_year=usd, **{"rates": {"chat": 10.0}, **fields})


# --- published ----------------------------------------------------------------------------------------------------


def test_melange_with_one_slice():
    # published: README of the Mélange repository, slice_factor 1: 3 A10G + 1 A100, $6.70/h (facts/tco.md T4).
    a10g, a100, demand = melange()
    found = cheapest([a10g, a100], demand, slices=1, split=False)
    assert found.servers == {"a10g": 3, "a100": 1}
    assert round(found.usd_per_h, 2) == 6.70


@pytest.mark.parametrize("slices", [2, 4, 8])
def test_melange_with_more_slices_is_cheaper(slices):
    # published: facts/tco.md T4 [V]: slice_factor 2, 4 and 8 give 2 A10G + 1 A100 = $5.69/h.
    a10g, a100, demand = melange()
    found = cheapest([a10g, a100], demand, slices=slices, split=False)
    assert found.servers == {"a10g": 2, "a100": 1}
    assert round(found.usd_per_h, 2) == 5.69


@pytest.mark.parametrize(("slices", "split"), [(3, False), (1, True)])
def test_melange_with_thirds_is_cheaper_still(slices, split):
    # hand: all on A100s is 0.3 + 0.15 + 0.375 + 0.3 = 1.125 of one; a third of `ls`, 5 requests/s, is exactly one A10G
    # and 0.125 of an A100, so 1 A10G + 1 A100 = $4.68/h serve everything, and one server less cannot ($3.67 < 4.12875).
    a10g, a100, demand = melange()
    found = cheapest([a10g, a100], demand, slices=slices, split=split)
    assert found.servers == {"a10g": 1, "a100": 1}
    assert round(found.usd_per_h, 2) == 4.68
    assert found.shares["ls"]["a10g"] == pytest.approx(1 / 3, abs=1e-6)


def test_melange_of_single_kinds_and_the_bound():
    # published: facts/tco.md T4 [V]: 12 A10G $12.12, 2 A100 $7.34; fractional lower bound $4.12875.
    a10g, a100, demand = melange()
    assert round(cheapest([a10g], demand).usd_per_h, 2) == 12.12
    assert round(cheapest([a100], demand).usd_per_h, 2) == 7.34
    assert cheapest([a10g, a100], demand).bound_usd_per_year / HOURS_PER_YEAR == pytest.approx(4.12875, rel=1e-12)


def test_splitwise_fleets_of_equal_cost_and_power():
    # published: Mutinifni/splitwise-sim at 8f99e7d (facts/tco.md T3): 40 H100 machines; cost 4.76 and 2.21, power 44
    # and 24.8, capped 0.7·44. Scripts hold 86; 30 + 21; 70; 25 + 26; 25 + 21, and a cap leaves the cost: 30 + 10.
    def money(servers, other=2.21):
        return float(iso_cost(servers=servers, usd_per_year=4.76, other_usd_per_year=other))

    def power(servers, other=24.8):
        return float(iso_power(servers=servers, power_w=44, other_power_w=other))

    assert (money(40), money(40 - 30), money(40 - 30, 4.76)) == (86, 21, 10)
    assert (power(40), power(40 - 25), power(40 - 25, 0.7 * 44)) == (70, 26, 21)
    # published: the ratios 2.154 and 1.774.
    assert round(4.76 / 2.21, 3) == 2.154
    assert round(44 / 24.8, 3) == 1.774


def test_iso_counts_of_exact_multiples():
    # hand: 10·0.3/0.1 is 30, though in binary fractions the quotient is a hair below; arrays broadcast.
    assert float(iso_cost(servers=10, usd_per_year=0.3, other_usd_per_year=0.1)) == 30
    np.testing.assert_array_equal(iso_power(servers=[1, 2], power_w=[[5], [9]], other_power_w=3), [[1, 3], [3, 6]])
    with pytest.raises(ValueError, match="other_power_w is not accepted"):
        iso_power(servers=1, power_w=1, other_power_w=0)


# --- brute force --------------------------------------------------------------------------------------------------


def serve_whole(options, owned, demand, slices, overflow, limits):
    """Cheapest way to serve one scenario by trying every place of every slice; None if there is none."""
    places = []
    for workload, rate in demand.items():
        kinds = [o.name for o in options if workload in o.rates] + (["overflow"] if workload in overflow else [])
        slot = [(workload, rate, where) for where in itertools.combinations_with_replacement(kinds, slices)]
        places.append(slot if rate else [(workload, 0, ())])
    best = None
    for placed in itertools.product(*places):
        load, cost = dict.fromkeys((o.name for o in options), 0.0), 0.0
        for workload, rate, where in placed:
            for kind in where:
                if kind == "overflow":
                    cost += overflow[workload] * rate / slices
                else:
                    option = next(o for o in options if o.name == kind)
                    load[kind] += rate / slices / option.rates[workload]
        counts = dict(owned)
        for o in options:
            if o.on_demand:
                counts[o.name] = max(math.ceil(load[o.name] - 1e-9), o.at_least)
                if counts[o.name]:
                    counts[o.name] = max(counts[o.name], o.minimum)
                cost += counts[o.name] * o.usd_per_year
        fits = all(load[o.name] <= counts[o.name] + 1e-9 for o in options)
        if fits and allowed(options, counts, limits) and (best is None or cost < best):
            best = cost
    return best


def serve_split(options, owned, demand, overflow, limits):
    """Cheapest way to serve one scenario by trying every count on demand, each with a linear program for the shares."""
    later = [o for o in options if o.on_demand]
    demand = {w: rate for w, rate in demand.items() if rate}
    best = None
    for rented in itertools.product(*(range(most(o, [demand]) + 1) for o in later)):
        counts = owned | {o.name: n for o, n in zip(later, rented, strict=True)}
        if not allowed(options, counts, limits):
            continue
        pairs = [(w, o.name) for w in demand for o in options if w in o.rates]
        pairs += [(w, "overflow") for w in overflow if w in demand]
        if not pairs:
            if not demand:
                cost = sum(n * o.usd_per_year for o, n in zip(later, rented, strict=True))
                best = cost if best is None else min(best, cost)
            continue
        cost = [overflow[w] * demand[w] if kind == "overflow" else 0.0 for w, kind in pairs]
        rate = {(o.name, w): r for o in options for w, r in o.rates.items()}
        load = [[demand[w] / rate[kind, w] if kind == o.name else 0.0 for w, kind in pairs] for o in options]
        whole = [[float(w == workload) for w, _ in pairs] for workload in demand]
        room = [counts[o.name] + 1e-9 for o in options]
        found = linprog(cost, A_ub=load, b_ub=room, A_eq=whole, b_eq=[1.0] * len(demand))
        if found.status == 0:
            total = found.fun + sum(n * o.usd_per_year for o, n in zip(later, rented, strict=True))
            best = total if best is None else min(best, total)
    return best


def allowed(options, counts, limits):
    taken = {
        "site_power_w": lambda o, n: n * o.power_w,
        "racks": lambda o, n: math.ceil(n / o.servers_per_rack - 1e-9),
        "gco2_per_year": lambda o, n: n * o.gco2_per_year,
    }
    within = all(sum(taken[name](o, counts[o.name]) for o in options) <= limit for name, limit in limits.items())
    return within and all(
        o.at_least <= counts[o.name] <= (math.inf if o.supply is None else o.supply)
        and (counts[o.name] == 0 or counts[o.name] >= o.minimum)
        for o in options
    )


def most(option, scenarios):
    load = max(sum(rate / option.rates[w] for w, rate in demand.items() if w in option.rates) for demand in scenarios)
    return max(math.ceil(load), option.at_least, option.minimum)


def brute(options, scenarios, chances, *, split, slices, overflow, limits, level):
    """Least objective over every fleet, or None if there is none."""
    before = [o for o in options if not o.on_demand]
    best = None
    for counts in itertools.product(*(range(most(o, scenarios) + 1) for o in before)):
        owned = {o.name: n for o, n in zip(before, counts, strict=True)}
        if not allowed(before, owned, {}):
            continue
        costs = [
            serve_split(options, owned, demand, overflow, limits)
            if split
            else serve_whole(options, owned, demand, slices, overflow, limits)
            for demand in scenarios
        ]
        if None in costs:
            continue
        bill = [cost + sum(owned[o.name] * o.usd_per_year for o in before) for cost in costs]
        if level is None:
            value = sum(p * c for p, c in zip(chances, bill, strict=True))
        else:  # Rockafellar & Uryasev: the least over t, which is at one of the costs
            value = min(
                t + sum(p * max(c - t, 0) for p, c in zip(chances, bill, strict=True)) / (1 - level) for t in bill
            )
        best = value if best is None else min(best, value)
    return best


@st.composite
def questions(draw, *, kinds, later=0, scenarios=1):
    rate = st.sampled_from([2, 3, 5, 8])
    workloads = ["x", "y", "z"][: draw(st.integers(2, 3))]
    options = []
    for i in range(kinds):
        served = draw(st.lists(st.sampled_from(workloads), min_size=len(workloads) - 1, unique=True))
        supply = draw(st.none() | st.integers(1, 3))
        options.append(
            Option(
                name=f"kind{i}",
                usd_per_year=draw(st.integers(1, 20)),
                rates={w: draw(rate) for w in served},
                power_w=draw(st.integers(1, 9)),
                servers_per_rack=draw(st.sampled_from([0.5, 1, 2, 3])),
                gco2_per_year=draw(st.integers(0, 9)),
                supply=supply,
                at_least=draw(st.sampled_from([0, 0, 0, 1])),
                minimum=draw(st.sampled_from([1, 1, 2])),
                on_demand=i >= kinds - later,
            )
        )
    demand = [{w: draw(st.integers(0, 6)) for w in workloads} for _ in range(scenarios)]
    limits = {}
    for name, values in (("site_power_w", st.integers(4, 40)), ("racks", st.integers(1, 8))):
        if draw(st.booleans()):
            limits[name] = draw(values)
    if draw(st.booleans()):
        limits["gco2_per_year"] = draw(st.integers(4, 40))
    return options, demand, limits


def check_against_brute_force(options, demand, limits, *, split, slices=1, overflow=None, chances=None, level=None):
    chances = chances or [1.0]
    names = [f"day{i}" for i in range(len(demand))]
    overflow = overflow or {}
    expected = brute(
        options, demand, chances, split=split, slices=slices, overflow=overflow, limits=limits, level=level
    )
    arguments = {
        "split": split,
        "slices": slices,
        "overflow_usd_per_year": overflow,
        "probabilities": dict(zip(names, chances, strict=True)),
        "objective": "expected" if level is None else "cvar",
        "cvar_level": level or 0.0,
        **limits,
    }
    days = dict(zip(names, demand, strict=True))
    if expected is None:
        with pytest.raises(InfeasibleError):
            cheapest(options, days, **arguments)
        return
    found = cheapest(options, days, **arguments)
    assert found.objective_usd_per_year == pytest.approx(expected, rel=1e-5, abs=1e-5)
    check_consistent(found, split=split, slices=slices)
    for outcome in found.outcomes:
        assert allowed(options, outcome.servers, limits)


def check_consistent(found: Fleet, *, split=True, slices=1, headroom=0.0):
    """What must hold of any fleet."""
    rates = {(option.name, w): r * option.availability for option in found.options for w, r in option.rates.items()}
    for outcome in found.outcomes:
        # Demand is conserved, served by kinds that can, and by no more of them than there are.
        assert outcome.shares.keys() == {w for w, rate in outcome.demand.items() if rate > 0}
        busy = dict.fromkeys(outcome.servers, 0.0)
        for workload, parts in outcome.shares.items():
            assert sum(parts.values()) == pytest.approx(1, rel=1e-12)
            for kind, share in parts.items():
                assert share > 0
                if not split:
                    assert share * slices == pytest.approx(round(share * slices), abs=1e-9)
                if kind != "overflow":
                    busy[kind] += share * outcome.demand[workload] * (1 + headroom) / rates[kind, workload]
        assert all(busy[kind] <= outcome.servers[kind] + 1e-4 for kind in busy)
        assert {name: outcome.servers[name] for name in found.servers} == found.servers
    assert sum(found.breakdown.values()) == pytest.approx(found.usd_per_year)
    assert found.objective_usd_per_year >= found.bound_usd_per_year * (1 - 1e-5)
    assert all(0 <= left <= 1 for left in found.slack.values())
    assert all(price >= 0 for price in found.shadow_prices.values())


@settings(max_examples=25)
@given(question=questions(kinds=2))
def test_divided_at_will_it_is_the_best_of_all(question):
    # sibling: every count of servers, with a linear program for the shares.
    check_against_brute_force(*question, split=True)


@given(question=questions(kinds=3), slices=st.integers(1, 2), overflow=st.booleans())
def test_in_whole_slices_it_is_the_best_of_all(question, slices, overflow):
    # sibling: every place of every slice.
    check_against_brute_force(*question, split=False, slices=slices, overflow={"x": 1.5} if overflow else {})


@settings(max_examples=25)
@given(
    question=questions(kinds=3, later=1, scenarios=2),
    chance=st.sampled_from([0.2, 0.5, 0.9]),
    level=st.sampled_from([None, 0.0, 0.3, 0.6, 0.9]),
    overflow=st.booleans(),
)
def test_with_scenarios_and_rent_it_is_the_best_of_all(question, chance, level, overflow):
    # sibling: every purchase, then in each scenario every rent and place, then the mean or the tail by hand.
    check_against_brute_force(
        *question, split=False, overflow={"x": 2.5} if overflow else {}, chances=[chance, 1 - chance], level=level
    )


@settings(max_examples=10)
@given(question=questions(kinds=2, later=1, scenarios=2), level=st.sampled_from([None, 0.7]), overflow=st.booleans())
def test_with_scenarios_divided_at_will_it_is_the_best_of_all(question, level, overflow):
    # sibling: as above, with linear programs.
    check_against_brute_force(
        *question, split=True, overflow={"y": 2.5} if overflow else {}, chances=[0.3, 0.7], level=level
    )


# --- properties ---------------------------------------------------------------------------------------------------

MIXED = [
    Option(
        name="big", usd_per_year=70, rates={"a": 20, "b": 30}, power_w=10, servers_per_rack=2, gco2_per_year=5, supply=9
    ),
    Option(
        name="small", usd_per_year=13, rates={"a": 5, "b": 3, "c": 2}, power_w=3, servers_per_rack=4, gco2_per_year=1
    ),
    Option(name="odd", usd_per_year=41, rates={"b": 8, "c": 12}, power_w=4, servers_per_rack=0.5, gco2_per_year=2),
]
DEMAND = {"a": 61.0, "b": 97.0, "c": 33.0}


@pytest.mark.parametrize("split", [True, False])
def test_prices_scale(split):
    # property: prices times k are costs times k, and the bound with them.
    dearer = [Option(**{**vars(o), "usd_per_year": o.usd_per_year * 1e4}) for o in MIXED]
    one, many = (cheapest(options, DEMAND, split=split, slices=3) for options in (MIXED, dearer))
    assert many.usd_per_year == pytest.approx(1e4 * one.usd_per_year, rel=1e-6)
    assert many.bound_usd_per_year == pytest.approx(1e4 * one.bound_usd_per_year, rel=1e-12)


def test_units_of_demand_do_not_matter():
    # property: requests/s or requests/h, if rates and demand are in the same.
    hourly = [Option(**{**vars(o), "rates": {w: 3600 * r for w, r in o.rates.items()}}) for o in MIXED]
    scaled = cheapest(hourly, {w: 3600 * rate for w, rate in DEMAND.items()})
    assert scaled.usd_per_year == pytest.approx(cheapest(MIXED, DEMAND).usd_per_year)


@pytest.mark.parametrize(("limit", "field"), [("site_power_w", "power_w"), ("racks", "racks"), ("gco2_per_year",) * 2])
def test_tighter_limits_never_cost_less(limit, field):
    # property: what the free fleet takes is enough, and each step below costs at least as much, until nothing is left.
    free = cheapest(MIXED, DEMAND)
    most_needed = getattr(free, field)
    costs = []
    for factor in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
        try:
            found = cheapest(MIXED, DEMAND, **{limit: max(math.floor(most_needed * factor), 1)})
        except InfeasibleError:
            break
        check_consistent(found)
        assert getattr(found, field) <= most_needed * factor + 1e-9
        costs.append(found.usd_per_year)
    assert costs[0] == pytest.approx(free.usd_per_year)
    assert costs == sorted(costs)
    assert len(costs) < 8


def test_more_supply_never_costs_more():
    # property, and a supply of 0 is as if the kind were not there.
    big, *others = MIXED
    costs = [cheapest([Option(**{**vars(big), "supply": supply}), *others], DEMAND).usd_per_year for supply in range(7)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == pytest.approx(cheapest(others, DEMAND).usd_per_year)
    assert costs[-1] < costs[0]


def test_finer_division_never_costs_more():
    # property: what two slices can do four can, and any share can what slices can; nothing is below the bound.
    costs = [cheapest(MIXED, DEMAND, split=False, slices=slices).usd_per_year for slices in (1, 2, 4, 8)]
    at_will = cheapest(MIXED, DEMAND)
    assert [*costs, at_will.usd_per_year] == sorted([*costs, at_will.usd_per_year], reverse=True)
    assert at_will.usd_per_year >= at_will.bound_usd_per_year


def test_whole_servers_converge_to_divisible_ones():
    # property: rounding up costs at most one server of each kind, which vanishes beside a large demand.
    excess = []
    kinds = [Option(**{**vars(option), "supply": None}) for option in MIXED]
    for factor in (1, 100, 10_000):
        found = cheapest(kinds, {w: rate * factor for w, rate in DEMAND.items()})
        excess.append(found.usd_per_year / found.bound_usd_per_year - 1)
    assert excess == sorted(excess, reverse=True)
    assert 0 <= excess[-1] < sum(o.usd_per_year for o in kinds) / (found.bound_usd_per_year)


@given(rate=st.floats(0.1, 100), demand=st.floats(0.1, 1000), headroom=st.floats(0, 1), availability=st.floats(0.5, 1))
def test_one_kind_is_the_formula_of_capacity(rate, demand, headroom, availability):
    # sibling: ⌈D·(1 + headroom)/(T·a)⌉, but for quotients within the solver's tolerance of a whole number.
    needed = {"peak_per_s": demand, "server_per_s": rate, "headroom": headroom, "availability": availability}
    exact = capacity.servers_needed(**needed, whole=False)
    assume(abs(exact - round(float(exact))) > 1e-4)
    kind = own(rates={"chat": rate}, availability=availability)
    found = cheapest([kind], {"chat": demand}, headroom=headroom)
    assert found.servers["own"] == float(capacity.servers_needed(**needed))
    check_consistent(found, headroom=headroom)
    assert found.load["own"] <= 1 / (1 + headroom) + 1e-9


def test_a_demand_far_below_one_server_still_has_one():
    # hand: a millionth of a server is below the solver's tolerance, and must not be served by nobody.
    found = cheapest([own(usd=7.0), own("dear", usd=9.0)], {"chat": 1e-7})
    assert found.servers == {"own": 1, "dear": 0}
    assert found.shares == {"chat": {"own": 1.0}}


def test_no_demand_needs_no_server():
    # hand: nothing to do costs nothing, and needs no option that could do it.
    found = cheapest([own()], {"chat": 0, "code": 0})
    assert (found.usd_per_year, found.servers, found.shares) == (0, {"own": 0}, {})
    assert repr(found) == "Fleet(no server: costs private)"


def test_minimum_counts_if_there_is_any_and_at_least_in_any_case():
    # hand: one server would do. Three of the cheap kind (9) lose to one of the dear (8); four bought anyway serve all.
    cheap, dear = own("cheap", usd=3.0, minimum=3), own("dear", usd=8.0)
    assert cheapest([cheap, dear], {"chat": 5}).servers == {"cheap": 0, "dear": 1}
    assert cheapest([own("cheap", usd=3.0, at_least=4), dear], {"chat": 5}).servers == {"cheap": 4, "dear": 0}


def test_racks_are_whole_for_each_kind():
    # hand: 4 servers at 3 to a rack and 1 of two racks are 2 + 2; a fourth rack is needed, so 3 are refused.
    three, wide = own("three", servers_per_rack=3), own("wide", rates={"code": 1}, servers_per_rack=0.5)
    demand = {"chat": 40, "code": 1}
    assert cheapest([three, wide], demand, racks=4).racks == 4
    with pytest.raises(InfeasibleError, match=r"racks \(at least 1.33 times as much\)"):
        cheapest([three, wide], demand, racks=3)


def test_what_stands_elsewhere_takes_no_power_of_the_site():
    # hand: 5 servers needed, 2 fit the site's 25 kW, the rest are rented.
    here = own(usd=10.0, power_w=10_200)
    there = Option.rented(name="cloud", usd_per_h=0.01, rates={"chat": 10.0})
    found = cheapest([here, there], {"chat": 50}, site_power_w=25_000)
    assert found.servers == {"own": 2, "cloud": 3}
    assert found.power_w == 20_400
    assert found.slack["site_power_w"] == pytest.approx(1 - 20.4 / 25)
    assert found.binding == ("site_power_w",)


def test_what_is_unknown_is_not_zero():
    # hand: a total that needs an unknown power is unknown, unless none of that kind is in the fleet.
    assert cheapest([own()], {"chat": 5}).power_w is None
    assert cheapest([own(usd=1.0, power_w=5.0), own("unknown", usd=2.0)], {"chat": 5}).power_w == 5


# --- shadow price -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", [75.0, 78.0, 81.0])
def test_shadow_price_of_power_makes_options_compete(site):
    # sibling: by duality the divisible optimum under a power limit is Σ D·min (c + λP)/T − λ·site (facts/tco.md 4.2:
    # the shadow price turns every option into c + λ·P), and λ is the slope of that optimum.
    kinds = [Option(**{**vars(o), "supply": None}) for o in MIXED]
    price = cheapest(kinds, DEMAND, site_power_w=site).shadow_prices["site_power_w"]

    def divisible(limit):
        pairs = [(w, o) for w in DEMAND for o in kinds if w in o.rates]
        load = np.array([DEMAND[w] / o.rates[w] for w, o in pairs])
        return linprog(
            load * [o.usd_per_year for _, o in pairs],
            A_ub=[load * [o.power_w for _, o in pairs]],
            b_ub=[limit],
            A_eq=[[float(w == workload) for w, _ in pairs] for workload in DEMAND],
            b_eq=[1.0] * len(DEMAND),
        ).fun

    competing = sum(
        rate * min((o.usd_per_year + price * o.power_w) / o.rates[w] for o in kinds if w in o.rates)
        for w, rate in DEMAND.items()
    )
    assert competing - price * site == pytest.approx(divisible(site), rel=1e-9)
    assert price == pytest.approx((divisible(site - 0.01) - divisible(site + 0.01)) / 0.02, abs=1e-6)


def test_power_that_is_plenty_has_no_price():
    # hand: nothing is saved by a watt that is not used; one that is short has a price above 0.
    assert cheapest(MIXED, DEMAND, site_power_w=1e4).shadow_prices == {"site_power_w": 0}
    assert cheapest(MIXED, DEMAND, site_power_w=78).shadow_prices["site_power_w"] > 0


# --- uncertain demand ---------------------------------------------------------------------------------------------


def test_own_or_rent_is_the_newsvendor():
    # sibling: facts/tco.md 4.5: a server is worth owning if it is busy more than c_own/c_rent = 1.30/2.99 = 43.5 % of
    # the time. With 1 to 40 servers wanted equally often the q-th is busy (41 − q)/40: 43.5 % lies between 23 and 24.
    server = {"rates": {"chat": 1.0}}
    kinds = [
        Option(name="own", usd_per_year=1.30 * HOURS_PER_YEAR, **server),
        Option.rented(name="rent", usd_per_h=2.99, on_demand=True, **server),
    ]
    found = cheapest(kinds, {f"{n} wanted": {"chat": n} for n in range(1, 41)})
    assert found.servers == {"own": 23}
    assert [outcome.servers["rent"] for outcome in found.outcomes] == [max(n - 23, 0) for n in range(1, 41)]
    assert found.usd_per_h == pytest.approx(23 * 1.30 + 2.99 * sum(range(1, 18)) / 40)


def rent_or_own(**arguments):
    kinds = [own(), own("rent", usd=25.0, on_demand=True)]
    days = {"low": {"chat": 20}, "mid": {"chat": 50}, "high": {"chat": 90}}
    return cheapest(kinds, days, probabilities={"low": 0.5, "mid": 0.3, "high": 0.2}, **arguments)


def test_the_tail_by_hand():
    # hand: own is 10, rent 25. A server is worth owning on average if it is busy over 40 % of the time: 5 (busy 50 %),
    # and the 4 others are rented on the high day: 50 + 0.2·100. In the worst 20 % nine owned are cheapest, 90.
    average, careful = rent_or_own(), rent_or_own(objective="cvar", cvar_level=0.8)
    assert (average.servers, average.usd_per_year) == ({"own": 5}, pytest.approx(70))
    assert (careful.servers, careful.objective_usd_per_year) == ({"own": 9}, pytest.approx(90))
    # hand: the mean of the worst 40 % of the first is (0.2·150 + 0.2·50)/0.4.
    assert average.cvar_usd_per_year(0.6) == pytest.approx(100)
    with pytest.raises(ValueError, match=r"level = 1.0 is not accepted: give a number from 0 to below 1"):
        average.cvar_usd_per_year(1.0)


def test_caution_lowers_the_tail_and_raises_the_mean():
    # property: each objective is best at itself, and level 0 is the expected cost.
    fleets = {level: rent_or_own(objective="cvar", cvar_level=level) for level in (0.0, 0.3, 0.5, 0.8)}
    mean = rent_or_own()
    assert fleets[0.0].usd_per_year == pytest.approx(mean.usd_per_year)
    for level, found in fleets.items():
        assert found.usd_per_year >= mean.usd_per_year - 1e-6
        assert found.objective_usd_per_year <= mean.cvar_usd_per_year(level) + 1e-6
    tails = [found.objective_usd_per_year for found in fleets.values()]
    assert tails == sorted(tails)


def test_mild_scenarios_cost_no_more_than_they_must(monkeypatch):
    # hand: the worst half is the high day alone, so one server too many on the low day is as good an answer to the
    # solver; it must not be kept.
    solve = Program.solve

    def wasteful(program):
        found = solve(program)
        if len(program.question.demand) == 2:
            found.servers["low"]["rent"] += 1
        return found

    monkeypatch.setattr(Program, "solve", wasteful)
    kinds = [own(supply=1), own("rent", usd=25.0, on_demand=True)]
    found = cheapest(kinds, {"low": {"chat": 20}, "high": {"chat": 90}}, objective="cvar", cvar_level=0.5)
    assert [outcome.servers for outcome in found.outcomes] == [{"own": 1, "rent": 1}, {"own": 1, "rent": 8}]


def test_what_is_rented_later_keeps_the_limits_of_every_day():
    # hand: at 9 W each, 45 W are room for 5 of the 9 servers that the high day needs; what stands elsewhere is dearer.
    here, there = own(power_w=9.0, on_demand=True), own("cloud", usd=25.0, on_demand=True, off_site=True)
    days = {"low": {"chat": 20}, "high": {"chat": 90}}
    with pytest.raises(InfeasibleError, match=r"site_power_w \(at least 1.8 times as much\)"):
        cheapest([here], days, site_power_w=45)
    found = cheapest([here, there], days, site_power_w=45)
    assert [outcome.servers for outcome in found.outcomes] == [{"own": 2, "cloud": 0}, {"own": 5, "cloud": 4}]
    assert found.power_w == 45


def test_one_scenario_is_plain_demand():
    # property: naming the only demand there is changes nothing.
    plain, named = cheapest(MIXED, DEMAND), cheapest(MIXED, {"sure": DEMAND}, objective="cvar", cvar_level=0.7)
    assert named.objective_usd_per_year == pytest.approx(plain.usd_per_year)
    assert named.bound_usd_per_year == pytest.approx(plain.bound_usd_per_year)


def test_without_recourse_the_fleet_is_that_of_the_hardest_scenario():
    # property: servers bought for the scenario that dominates serve the others too.
    low = {w: rate / 2 for w, rate in DEMAND.items()}
    found = cheapest(MIXED, {"low": low, "high": DEMAND}, probabilities={"low": 0.9, "high": 0.1})
    assert found.usd_per_year == pytest.approx(cheapest(MIXED, DEMAND).usd_per_year)
    check_consistent(found)


def test_overflow_takes_what_is_dearer_to_serve():
    # hand: servers cost 10 for 10; at 1.2 a unit, the 5 units beyond two servers go out (6 < 10); at 0.9 all do.
    found = cheapest([own()], {"chat": 25}, overflow_usd_per_year={"chat": 1.2})
    assert (found.servers, found.outcomes[0].overflow) == ({"own": 2}, {"chat": pytest.approx(5)})
    assert found.breakdown == {"own": 20, "overflow": pytest.approx(6)}
    assert cheapest([own()], {"chat": 25}, overflow_usd_per_year={"chat": 0.9}).servers == {"own": 0}
    # hand: what no option serves may overflow, and takes none of a limit.
    only = cheapest([own(power_w=1)], {"code": 3}, overflow_usd_per_year={"code": 2}, site_power_w=1e-3)
    assert (only.usd_per_year, only.shares) == (pytest.approx(6), {"code": {"overflow": 1.0}})


# --- what is in the way -------------------------------------------------------------------------------------------


def test_a_workload_that_nobody_serves_is_named_first():
    # property: before any limit, all of them, and what is served.
    with pytest.raises(InfeasibleError, match=r"no option serves 'code', 'maths': .*; options serve 'chat'"):
        cheapest([own(power_w=9)], {"chat": 1, "code": 2, "maths": 1}, site_power_w=1)


@pytest.mark.parametrize(
    ("kind", "limits", "named"),
    [
        ({"power_w": 9.0}, {"site_power_w": 30.0, "slices": 2}, r"site_power_w \(at least 1.5 times as much\)"),
        ({"servers_per_rack": 2}, {"racks": 2}, r"racks \(at least 1.5 times as much\)"),
        ({"gco2_per_year": 8}, {"gco2_per_year": 10.0}, r"gco2_per_year \(at least 4 times as much\)"),
        ({"supply": 3}, {}, "supply of 'own'"),
        ({"minimum": 6, "supply": 5}, {}, "supply of 'own', or in minimum of 'own'"),
        ({"at_least": 9, "power_w": 1}, {"site_power_w": 5}, r"site_power_w \(at least 1.8.*, or in at_least of 'own'"),
    ],
)
def test_the_limit_in_the_way_is_named(kind, limits, named):
    # hand: 50/10 = 5 servers are needed: 45 W, 3 racks, 40 g.
    with pytest.raises(InfeasibleError, match=named) as refusal:
        cheapest([own(**kind)], {"chat": 50}, **limits)
    assert refusal.value.each


def test_limits_that_are_in_the_way_together():
    # hand: 5 servers need 45 W of 30 and 3 racks of 2: lifting one is not enough; the carbon limit is no matter.
    kind = own(power_w=9.0, servers_per_rack=2, gco2_per_year=1)
    with pytest.raises(InfeasibleError, match=r"in all of site_power_w, racks$") as refusal:
        cheapest([kind], {"chat": 50}, site_power_w=30, racks=2, gco2_per_year=100)
    assert (refusal.value.limits, refusal.value.each) == (("site_power_w", "racks"), False)


def test_whole_slices_may_be_in_the_way():
    # hand: 15 of `chat` are 1.5 servers: one of each kind serves it if it is divided, neither if it is not.
    kinds = [own(supply=1), own("other", supply=1)]
    assert cheapest(kinds, {"chat": 15}).servers == {"own": 1, "other": 1}
    with pytest.raises(InfeasibleError, match="supply of 'own', or in supply of 'other', or in split=False"):
        cheapest(kinds, {"chat": 15}, split=False)


@settings(max_examples=20)
@given(question=questions(kinds=3))
def test_lifting_what_is_named_helps(question):
    # property: each limit named alone makes the question feasible; a set that is named does together, and no less.
    options, (demand,), limits = question
    assume(not feasible(options, demand, limits, set()))
    with pytest.raises(InfeasibleError) as caught:
        cheapest(options, demand, **limits)
    refusal = caught.value
    if any(rate and not any(w in option.rates for option in options) for w, rate in demand.items()):
        assert not refusal.limits
        return
    sets = [{name} for name in refusal.limits] if refusal.each else [set(refusal.limits)]
    assert sets
    for lifted in sets:
        assert feasible(options, demand, limits, lifted)
    if not refusal.each:
        assert not any(feasible(options, demand, limits, sets[0] - {name}) for name in sets[0])


def feasible(options, demand, limits, lifted):
    fields = {"supply": None, "at_least": 0, "minimum": 1}
    eased = [
        Option(**{**vars(o), **{name: v for name, v in fields.items() if f"{name} of {o.name!r}" in lifted}})
        for o in options
    ]
    try:
        cheapest(eased, demand, **{name: value for name, value in limits.items() if name not in lifted})
    except InfeasibleError:
        return False
    return True


# --- the shell ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "field"), [("site_power_w", "power_w"), ("racks", "servers_per_rack"), ("gco2_per_year", "gco2_per_year")]
)
def test_a_limit_needs_what_it_limits_of_every_option(limit, field):
    # property: never skipped, never zero: the option and the field are named.
    known = own("known", power_w=1, servers_per_rack=1, gco2_per_year=1)
    with pytest.raises(ValueError, match=rf"{limit} is given, but option 'own' has no {field}"):
        cheapest([known, own()], {"chat": 5}, **{limit: 10})


def test_rent_elsewhere_still_emits():
    # property: no power of the site, no rack, but its carbon is unknown and not zero.
    cloud = Option.rented(name="cloud", usd_per_h=1.0, rates={"chat": 1.0})
    assert cheapest([cloud], {"chat": 2}, site_power_w=1, racks=1).power_w == 0
    with pytest.raises(ValueError, match="'cloud' has no gco2_per_year"):
        cheapest([cloud], {"chat": 2}, gco2_per_year=1)


def test_an_option_of_a_plan_is_a_share_of_its_fleet():
    # property: as many of the option cost, draw and emit what the plan does, porting aside.
    terms = tco.Purchase(embodied_kg=2000.0, porting_usd=300_000.0, storage_usd=8000.0)
    d = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), throughput=40_000.0, terms=terms)
    plan = tco.plan(d, tco.Traffic(tokens_per_s=1e6, profile=(1, 2)))
    option = Option.of(plan, name="h100", rates={"chat": 40_000.0}, supply=3)
    assert option.usd_per_year * plan.servers == pytest.approx(plan.usd_per_year - plan.breakdown["porting"])
    assert option.gco2_per_year * plan.servers == pytest.approx(plan.carbon.kg_per_year * 1e3)
    assert option.power_w * plan.servers == pytest.approx(plan.site_power_w)
    assert (option.servers_per_rack, option.supply, option.off_site, option.private) == (3, 3, False, True)
    # A deployment is one such server, busy all year; a rented one stands elsewhere.
    alone = Option.of(d, name="h100", rates={"chat": 40_000.0})
    assert alone.usd_per_year == pytest.approx(float(d.usd_per_year))
    assert alone.gco2_per_year == pytest.approx(float(d.evaluate().energy_kwh) * 481 + 2e6 / 4)
    rented = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 40_000.0, terms=tco.Rental(usd_per_h=2.0))
    assert Option.of(rented, name="r", rates={"chat": 1.0}).off_site
    assert Option.of(rented, name="r", rates={"chat": 1.0}, off_site=False).need("racks") is None


def test_the_cheapest_fleet_of_a_plans_servers_is_the_plan():
    # property: without spares more servers are run, and with PUE by load the site feeds its cooling at full load.
    facility = tco.Facility(pue_by_load=((0.2, 1.5), (1.0, 1.2)), idle_share=0.2)
    d = tco.Deployment(hs.get_server("dgx-h100"), facility, throughput=1000.0)
    service = tco.Service(spares_confidence=0, failures_per_accelerator_year=1.5, repair_days=20)
    plan = tco.plan(d, tco.Traffic(tokens_per_s=1e5), service)
    assert plan.servers == 166
    option = Option.of(plan, name="x", rates={"chat": 1000.0})
    found = cheapest([option], {"chat": 1e5}, site_power_w=plan.site_power_w)
    assert found.servers == {"x": 166}
    assert found.usd_per_year == pytest.approx(plan.usd_per_year)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "name = ''"),
        ({"name": "overflow"}, "other than 'overflow'"),
        ({"usd_per_year": -1}, "usd_per_year of option 'own' is not accepted: give a finite number of at least 0"),
        ({"usd_per_year": math.nan}, "usd_per_year of option 'own' is not accepted"),
        ({"usd_per_year": None}, "usd_per_year of option 'own' is not accepted"),
        ({"usd_per_year": [1.0, 2.0]}, "usd_per_year of option 'own' holds 2 numbers: give one"),
        ({"rates": {}}, "rates of option 'own' is empty"),
        ({"rates": {"chat": 0}}, r"rates of option 'own'\['chat'\] is not accepted"),
        ({"rates": [1.0]}, "give a mapping of names to numbers"),
        ({"power_w": 0}, "power_w of option 'own' is not accepted: give a finite number above 0"),
        (
            {"servers_per_rack": 2.5},
            "servers_per_rack of option 'own' is not accepted: give a whole number, or below 1",
        ),
        ({"supply": 1.5}, "supply of option 'own' is not accepted: give a whole number"),
        ({"minimum": 0}, "minimum of option 'own' is not accepted"),
        ({"supply": 1, "at_least": 2}, "at_least of option 'own' is above its supply"),
        ({"availability": 1.1}, "availability of option 'own' is not accepted"),
        ({"on_demand": 1}, "on_demand of option 'own' is not accepted: give True or False"),
    ],
)
def test_an_option_that_cannot_be(fields, message):
    # property: one error with the field, and what is accepted.
    with pytest.raises(ValueError, match=message):
        Option(**{"name": "own", "usd_per_year": 1.0, "rates": {"chat": 1.0}, **fields})


@pytest.mark.parametrize(
    ("options", "demand", "arguments", "message"),
    [
        ([], {"chat": 1}, {}, "give one or more tco.fleet.Option"),
        ([own(), own()], {"chat": 1}, {}, "options holds 'own' more than once"),
        ([own()], {}, {}, "demand is not accepted"),
        ([own()], {"chat": -1}, {}, r"demand\['chat'\] is not accepted"),
        ([own()], {"a": {"chat": 1}, "b": {"code": 1}}, {}, "differ in chat, code: give every workload a rate"),
        ([own()], {"a": {"chat": 1}}, {"probabilities": {"b": 1}}, "give one for each of 'a'"),
        (
            [own()],
            {"a": {"chat": 1}, "b": {"chat": 1}},
            {"probabilities": {"a": 0.5, "b": 0.4}},
            "probabilities add up to 0.9",
        ),
        ([own()], {"chat": 1}, {"overflow_usd_per_year": {"chta": 1}}, "names 'chta', .*: did you mean 'chat'"),
        ([own()], {"chat": 1}, {"slices": 0}, "slices = 0"),
        ([own()], {"chat": 1}, {"split": "no"}, "split = 'no'"),
        ([own()], {"chat": 1}, {"objective": "best"}, "objective = 'best' is not accepted: give one of 'expected', "),
        ([own()], {"chat": 1}, {"cvar_level": 1}, "cvar_level is not accepted"),
        ([own()], {"chat": 1}, {"racks": 1.5}, "racks is not accepted: give a whole number"),
        ([own()], {"chat": 1}, {"headroom": -0.1}, "headroom is not accepted"),
    ],
)
def test_a_question_that_cannot_be(options, demand, arguments, message):
    # property: one error with the argument, and what is accepted.
    with pytest.raises(ValueError, match=message):
        cheapest(options, demand, **arguments)


def test_private_numbers_stay_private():
    # property: no digit of a private cost, power or limit in what is written or raised, unless all are public.
    secret = own(usd=31_415.9, power_w=27_182.8)
    found = cheapest([secret, own("public", usd=40_000.0, private=False)], {"chat": 5})
    texts = [repr(secret), repr(found), repr(found.outcomes)]
    for limit in ({"site_power_w": 16_180.3}, {"site_power_w": -16_180.3}):
        with pytest.raises(ValueError, match="site_power_w") as refusal:
            cheapest([secret], {"chat": 5}, **limit)
        texts.append(str(refusal.value))
    with pytest.raises(ValueError, match="usd_per_year") as refusal:
        own(usd=-31_415.9)
    texts.append(str(refusal.value))
    for text in texts:
        assert not any(digits in text.replace(",", "") for digits in ("3141", "2718", "1618")), text
    assert "costs private" in repr(found)
    public = own(usd=31_415.9, private=False)
    assert "31,416 USD/year" in repr(public)
    assert "31,416 USD/year" in repr(cheapest([public], {"chat": 5}))


def test_results_pickle_and_options_compare():
    # property: the copy says the same; equal options are equal and have one hash.
    found = cheapest(MIXED, DEMAND, site_power_w=78)
    copy = pickle.loads(pickle.dumps(found))
    assert (copy.servers, copy.breakdown, repr(copy)) == (found.servers, found.breakdown, repr(found))
    assert copy.options == found.options
    assert len({*copy.options, *found.options}) == len(MIXED)
    refusal = pickle.loads(pickle.dumps(InfeasibleError("no", ("racks",), each=False)))
    assert (str(refusal), refusal.limits, refusal.each) == ("no", ("racks",), False)


def test_an_option_keeps_its_own_rates():
    # property: what is changed afterwards in the caller's mapping does not reach a frozen option.
    rates = {"chat": 10.0}
    option = own(rates=rates)
    rates["chat"] = 1e9
    assert option.rates == {"chat": 10.0}


def test_the_solver_s_answer_is_checked(monkeypatch):
    # property: a point that breaks a row is asked for again without presolve, and refused if it still does.
    import scipy.optimize

    solve, calls = scipy.optimize.milp, []

    def broken(*args, **kwargs):
        calls.append(kwargs["options"].get("presolve", True))
        found = solve(*args, **kwargs)
        found.x[:] = 0
        return found

    monkeypatch.setattr(scipy.optimize, "milp", broken)
    with pytest.raises(RuntimeError, match="breaks a limit"):
        cheapest([own()], {"chat": 5})
    assert calls == [True, False]


def test_time_that_runs_out_is_said(monkeypatch):
    # property: the best so far is taken and its distance from the bound is said; without any, an error says so.
    import scipy.optimize

    solve = scipy.optimize.milp

    def hurried(*args, **kwargs):
        found = solve(*args, **kwargs)
        found.status, found.mip_dual_bound = 1, 0.9 * found.fun
        return found

    monkeypatch.setattr(scipy.optimize, "milp", hurried)
    found = cheapest([own()], {"chat": 5})
    assert found.gap == pytest.approx(0.1)
    assert "the cheapest may cost up to 10.0% less" in repr(found)

    def nothing(*args, **kwargs):
        found = hurried(*args, **kwargs)
        found.x = None
        return found

    monkeypatch.setattr(scipy.optimize, "milp", nothing)
    with pytest.raises(ValueError, match="no fleet was found within time_limit_s = 60"):
        cheapest([own()], {"chat": 5})


def test_limits_that_can_be_lifted():
    # hand: those that are given, and only those.
    from tco.fleet.question import ask

    question = ask(
        [own(supply=3, minimum=2), own("b", at_least=1)],
        {"chat": 1},
        probabilities=None,
        limits={"racks": None},
        slices=1,
        split=False,
        headroom=0,
        overflow_usd_per_year=None,
        objective="expected",
        cvar_level=0.9,
        gap=0,
        time_limit_s=1,
    )
    assert Program.liftable(question) == ["supply of 'own'", "minimum of 'own'", "at_least of 'b'", "split=False"]
