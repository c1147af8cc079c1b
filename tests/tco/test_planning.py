"""Plans: from traffic to whole servers, racks and dollars, and Kim's equation as their special case."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import tco

NO_FAILURES = tco.Service(failures_per_accelerator_year=0.0, spares_confidence=None)


def deployment(key="dgx-h100", rate=40_000.0, terms=None, **facility):
    return tco.Deployment(hs.get_server(key), tco.Facility(**facility), throughput=rate, terms=terms or tco.Purchase())


@st.composite
def scenarios(draw):
    """Two deployments with whatever terms, for one traffic."""
    share = st.floats(0, 0.5)
    facility = {
        "pue": draw(st.floats(1, 2)),
        "usd_per_kwh": draw(st.floats(0.01, 0.5)),
        "rack_usd": draw(st.floats(0, 1e5)),
        "usd_per_watt": draw(st.floats(0, 30)),
        "discount_rate": draw(st.floats(0, 0.2)),
        "idle_share": draw(st.one_of(st.none(), share)),
        "demand_usd_per_kw_month": draw(st.one_of(st.none(), st.floats(0, 50))),
        "operations_usd_per_kw_month": draw(st.one_of(st.none(), st.floats(0, 50))),
        "usd_per_tonne_co2": draw(st.one_of(st.none(), st.floats(0, 200))),
        "usd_per_m3_water": draw(st.one_of(st.none(), st.floats(0, 10))),
        "colocation_usd_per_kw_month": draw(st.one_of(st.none(), st.floats(50, 300))),
    }
    sides = []
    for key in ("gaudi-2-hls", "dgx-h100"):
        terms = tco.Purchase(
            scale_out_usd=draw(st.floats(0, 1e5)),
            storage_usd=draw(st.one_of(st.none(), st.floats(0, 1e5))),
            installation_usd=draw(st.one_of(st.none(), st.floats(0, 1e4))),
            licence_usd_per_accelerator_year=draw(st.one_of(st.none(), st.floats(0, 1e4))),
            support_share_per_year=draw(st.one_of(st.none(), st.floats(0, 0.2))),
            porting_usd=draw(st.one_of(st.none(), st.floats(0, 1e6))),
            residual_share=draw(share),
        )
        sides.append(deployment(key, draw(st.floats(1e3, 1e5)), terms, **facility))
    traffic = tco.Traffic(tokens_per_s=draw(st.floats(1e3, 1e8)), profile=draw(st.sampled_from([None, (1.0, 3.0)])))
    return sides, traffic, tco.Service(headroom=draw(st.floats(0, 1)))


@given(scenarios())
def test_the_total_is_the_sum_of_its_parts(scenario):
    # property.
    sides, traffic, service = scenario
    for side in sides:
        plan = tco.plan(side, traffic, service)
        assert math.fsum(plan.breakdown.values()) == pytest.approx(plan.usd_per_year, rel=1e-12)
        assert all(math.isfinite(usd) and usd >= 0 for usd in plan.breakdown.values())


@given(scenarios())
def test_kims_equation_of_the_recovered_ratios_is_the_ratio(scenario):
    # property: whole servers, racks and spares included.
    (a, b), traffic, service = scenario
    c = tco.compare(tco.plan(a, traffic, service), tco.plan(b, traffic, service))
    again = tco.tco_ratio(r_th=c.r_th, r_sc=c.r_sc, r_ic=c.r_ic, server_share=c.server_share)
    assert float(again) == pytest.approx(c.ratio, rel=1e-12)


@given(scenarios(), st.floats(0.01, 100))
def test_prices_times_k_leave_ratios_unchanged(scenario, k):
    # property: another currency or price level.
    (a, b), traffic, service = scenario
    plans = [tco.plan(side, traffic, service) for side in (a, b)]
    totals = []
    for plan in plans:
        money = {name: value * k for name, value in plan.inputs.items() if value is not None and ("usd" in name)}
        totals.append(plan.evaluate(**money).total_usd)
    assert totals[0] / totals[1] == pytest.approx(tco.compare(*plans).ratio, rel=1e-9)


@given(scenarios())
def test_whole_fleets_come_to_kims_equation_as_traffic_grows(scenario):
    # property: rounding up, a fleet of n servers is off by less than one server and one rack of each kind.
    (a, b), _, _ = scenario
    without = [
        side.__class__(side.server, side.facility, side.throughput, terms=side.terms.replace(porting_usd=None))
        for side in (a, b)
    ]
    exact = float(tco.compare(*without).ratio)
    last = math.inf
    for servers in (1e2, 1e4, 1e6):
        traffic = tco.Traffic(tokens_per_s=servers * max(float(side.tokens_per_s) for side in without))
        ratio = tco.compare(*(tco.plan(side, traffic, NO_FAILURES) for side in without)).ratio
        bound = 6 / servers  # a server and a rack of several, on either side
        assert abs(ratio / exact - 1) <= bound
        assert bound < last
        last = bound


@given(scenarios())
def test_fractions_without_margin_are_kims_equation(scenario):
    # property: with nothing rounded and every server busy, the number of servers cancels.
    (a, b), _, _ = scenario
    sides = [
        side.__class__(side.server, side.facility, side.throughput, terms=side.terms.replace(porting_usd=None))
        for side in (a, b)
    ]
    plans = [tco.plan(side, tco.Traffic(tokens_per_s=12_345.0), NO_FAILURES, whole=False) for side in sides]
    assert tco.compare(*plans).ratio == pytest.approx(float(tco.compare(*sides).ratio), rel=1e-12)


def test_a_plan_by_hand():
    # hand: 1e6 tokens/s on average, twice that at the busiest, a tenth of headroom, 40,000 a server: 55 servers; racks
    # of three; a third of the day at 1.5, 0.5 and 1.0 of the mean.
    facility = {"rack_usd": 30_000.0, "usd_per_watt": 10.0, "facility_years": 10.0, "discount_rate": 0.0}
    one = deployment(**facility)
    plan = tco.plan(
        tco.Deployment(one.server.replace(price_usd=200_000.0, power_w=10_000.0), one.facility, 40_000.0),
        tco.Traffic(tokens_per_s=1e6, profile=(2.0, 0.5, 0.5)),
        tco.Service(headroom=0.1, failures_per_accelerator_year=0.0, spares_confidence=None),
    )
    assert (plan.servers, plan.spares, plan.racks) == (55, 0, 14)
    assert plan.utilisation == pytest.approx(1e6 / (55 * 40_000))
    assert plan.breakdown == pytest.approx(
        {
            "server": 55 * 200_000 / 4,
            "rack": 14 * 30_000 / 10,
            "plant": 55 * 10_000 * 10 / 10,
            "energy": 55 * 10 * 1.25 * 8760 * 0.0826,
        },
        rel=1e-12,
    )
    assert plan.usd_per_million_tokens == pytest.approx(plan.usd_per_year / (1e6 * 8760 * 3600) * 1e6)
    assert plan.tokens_per_joule == pytest.approx(1e6 / (55 * 10_000 * 1.25))
    assert plan.gco2_per_million_tokens == pytest.approx(55 * 10 * 1.25 * 8760 * 481 / (1e6 * 8760 * 3600) * 1e6)
    assert plan.litres_per_million_tokens == pytest.approx(55 * 10 * 8760 * 1.8 / (1e6 * 8760 * 3600) * 1e6)
    assert plan.site_power_w == pytest.approx(55 * 10_000 * 1.25)
    assert plan.usd_per_accelerator_hour == pytest.approx(plan.usd_per_year / (55 * 8 * 8760))


def test_idle_servers_draw_less_where_their_power_is_known():
    # hand: 10 servers of 10 kW at 50 %: 10·(2 + 8·0.5) kW.
    busy = deployment(idle_share=0.2, load=1.0)
    busy = tco.Deployment(busy.server.replace(power_w=10_000.0), busy.facility, 100.0)
    plan = tco.plan(busy, tco.Traffic(tokens_per_s=500.0, profile=(2.0, 1.0, 0.0)), NO_FAILURES)
    assert plan.servers == 10
    assert float(plan.account.mean_power_w) == pytest.approx(60_000.0)
    assert float(plan.account.peak_power_w) == pytest.approx(100_000.0)


def test_spares_are_bought_and_not_powered():
    # hand: facts/tco.md 4.8 in small: the price of k more servers, no watt more.
    traffic = tco.Traffic(tokens_per_s=4e6)
    with_spares = tco.plan(deployment(), traffic, tco.Service(failures_per_accelerator_year=0.173))
    without = tco.plan(deployment(), traffic, NO_FAILURES)
    assert with_spares.servers == without.servers == 100
    assert with_spares.spares == 7
    assert with_spares.breakdown["spares"] == pytest.approx(0.07 * without.breakdown["server"])
    assert with_spares.breakdown["energy"] == without.breakdown["energy"]


def test_without_spares_there_are_more_servers():
    # hand: a = 0.974 (facts/tco.md 4.8): 100/0.974 = 102.65.
    service = tco.Service(failures_per_accelerator_year=0.173, spares_confidence=None)
    assert tco.plan(deployment(), tco.Traffic(tokens_per_s=4e6), service).servers == 103


@pytest.mark.parametrize("field", ["price_usd", "usd_per_kwh", "traffic_per_s", "tokens_per_s", "discount_rate"])
def test_a_sweep_equals_the_loop(field):
    # property.
    plan = tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6, profile=(1.0, 2.0)), tco.Service(headroom=0.1))
    values = plan.inputs[field] * np.array([0.5, 1.0, 1.7])
    loop = [float(plan.evaluate(**{field: float(value)}).total_usd) for value in values]
    np.testing.assert_allclose(plan.evaluate(**{field: values}).total_usd, loop, rtol=1e-13)


def test_levelised_cost_of_flat_traffic_is_the_cost_of_a_year():
    # property: numerator and denominator are discounted alike.
    plan = tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6))
    assert plan.levelised_usd_per_million_tokens(5) == pytest.approx(plan.usd_per_million_tokens)


def test_levelised_cost_by_hand():
    # hand: two years, traffic doubles, one discount step on both costs and tokens.
    plan = tco.plan(deployment(discount_rate=0.25), tco.Traffic(tokens_per_s=1e6, growth_per_year=1.0))
    first, second = (plan.evaluate(traffic_per_s=rate) for rate in (1e6, 2e6))
    expected = (first.total_usd / 1.25 + second.total_usd / 1.25**2) / (
        (first.tokens / 1.25 + second.tokens / 1.25**2) / 1e6
    )
    assert plan.levelised_usd_per_million_tokens(2) == pytest.approx(float(expected))


def test_rent_contains_hosting_and_energy():
    # hand: 8 accelerators at 2 $/h all year, whether busy or not; on demand they stop at night.
    day = tco.Traffic(tokens_per_s=40_000.0, profile=(2.0, 1.0, 0.0))
    rented = deployment(terms=tco.Rental(usd_per_h=2.0))
    kept = tco.plan(rented, day)
    assert kept.breakdown == pytest.approx({"rent": 2 * 8 * 2.0 * 8760})
    released = tco.plan(rented, day, tco.Service(released=True))
    assert released.breakdown == pytest.approx({"rent": (2 + 1 + 0) / 3 * 8 * 2.0 * 8760})


def test_money_up_front_costs_its_interest():
    # hand: a quarter of three years at the start, 10 %: 3·CRF(10 %, 3) = 1.2063 times that quarter.
    plain, early = (
        deployment(terms=tco.Rental(usd_per_h=2.0, commitment_years=3.0, upfront_share=share), discount_rate=0.1)
        for share in (0.0, 0.25)
    )
    factor = 3 * 0.1 / (1 - 1.1**-3)
    assert early.usd_per_year / plain.usd_per_year == pytest.approx(0.75 + 0.25 * factor)


def test_the_catalogue_rents_what_it_has_and_refuses_what_it_has_not():
    # property: no unknown price costs nothing.
    assert deployment(terms=tco.Rental()).breakdown["rent"] == pytest.approx(2.95 * 8 * 8760)
    with pytest.raises(hs.UnknownValueError, match="rent of gaudi-2 is not known"):
        deployment("gaudi-2-hls", terms=tco.Rental())


def test_a_rented_reference_has_no_infrastructure_of_its_own():
    # hand: break-even server cost is what B's rent leaves after A's infrastructure.
    own, rented = deployment("gaudi-2-hls", 36_000.0), deployment(terms=tco.Rental(usd_per_h=2.0))
    c = tco.compare(own, rented)
    assert c.r_ic is None
    assert c.break_even_infrastructure_cost is None
    assert float(c.break_even_throughput) == pytest.approx(own.usd_per_year / rented.usd_per_year)
    level = 0.9 * rented.usd_per_year - own.infrastructure_usd_per_year
    assert c.break_even_server_cost == pytest.approx(level / rented.usd_per_year)
    assert "B's rent" in repr(c)


def test_what_is_not_given_is_said_to_be_left_out():
    # property: unknown is not zero.
    plan = tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6))
    assert "network between servers" in plan.left_out
    given = tco.plan(deployment(terms=tco.Purchase(network_share=0.19)), tco.Traffic(tokens_per_s=1e6))
    assert "network between servers" not in given.left_out
    assert given.breakdown["network"] == pytest.approx(0.19 / 0.81 * given.breakdown["server"])


def test_a_site_that_is_too_small_is_refused_without_its_power():
    with pytest.raises(ValueError, match=r"facility\.site_power_kw does not feed the fleet: 25 servers") as error:
        tco.plan(deployment(site_power_kw=123.4), tco.Traffic(tokens_per_s=1e6))
    assert "123" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tco.Traffic(tokens_per_s=0.0), "tokens_per_s"),
        (lambda: tco.Traffic(tokens_per_s=1.0, profile=(0.0, 0.0)), "one slot with traffic"),
        (lambda: tco.Traffic(tokens_per_s=1.0, profile=(-1.0,)), "profile"),
        (lambda: tco.Service(spares_confidence=1.0), "spares_confidence"),
        (lambda: tco.Purchase(accelerator_usd=1e4), "host_usd"),
        (lambda: tco.Purchase(host_memory_gib=1e3), "is required beside host_memory_gib"),
        (lambda: tco.Purchase(network_share=0.1, scale_up_usd=1.0), "give one or the other"),
        (lambda: tco.Rental(usd_per_h=1.0, upfront_share=0.5), "commitment_years"),
        (lambda: tco.Facility(pue_by_load=((0.5, 1.2), (0.2, 1.4))), "rising"),
        (lambda: tco.Facility(idle_share=0.9, load=0.8), "at most load"),
        (lambda: tco.plan(deployment(rate=np.array([1.0, 2.0])), tco.Traffic(tokens_per_s=1.0)), "several throughputs"),
        (lambda: tco.plan(deployment(), 1e6), "give a Traffic"),
        (lambda: tco.plan(deployment(), tco.Traffic(tokens_per_s=1.0)).evaluate(usd_per_kw=1.0), "did you mean"),
        (
            lambda: tco.plan(deployment(), tco.Traffic(tokens_per_s=1.0)).evaluate(storage_usd=1.0),
            "not in this account",
        ),
    ],
)
def test_bad_input_gets_one_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_plans_of_unlike_traffic_are_refused():
    one, two = (tco.plan(deployment(), tco.Traffic(tokens_per_s=rate)) for rate in (1e6, 2e6))
    with pytest.raises(ValueError, match="unlike traffic"):
        tco.compare(one, two)
    with pytest.raises(ValueError, match="a Plan and a Deployment"):
        tco.compare(one, deployment())


def test_nothing_of_the_users_own_is_shown():
    # property: amounts that are recognisable.
    plan = tco.plan(
        deployment(terms=tco.Purchase(scale_out_usd=73_331.0), usd_per_kwh=0.07333, rack_usd=7_331.0),
        tco.Traffic(tokens_per_s=733_133.0),
        tco.Service(headroom=0.17331),
    )
    for thing in (plan, plan.deployment, plan.deployment.terms, plan.traffic, plan.service, plan.assumptions):
        assert "733" not in repr(thing)
    assert "733" not in plan.deployment._repr_html_()


def test_plans_and_comparisons_pickle():
    plan = tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6))
    again = pickle.loads(pickle.dumps(plan))
    assert again.usd_per_year == plan.usd_per_year
    both = pickle.loads(pickle.dumps(tco.compare(plan, plan)))
    assert both.ratio == 1.0
