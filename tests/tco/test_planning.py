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
        "pue_by_load": draw(st.sampled_from([None, ((0.2, 1.6), (1.0, 1.15))])),
        "payments_per_year": draw(st.sampled_from([1, 12])),
    }
    sides = []
    for key in ("gaudi-2-hls", "dgx-h100"):
        porting_usd = draw(st.one_of(st.none(), st.floats(0, 1e6)))
        committed = draw(st.booleans())
        rental = tco.Rental(
            usd_per_h=draw(st.floats(0.5, 10)),
            commitment_years=3.0 if committed else None,
            upfront_share=draw(share) if committed else 0.0,
            porting_usd=porting_usd,
        )
        purchase = tco.Purchase(
            scale_out_usd=draw(st.floats(0, 1e5)),
            storage_usd=draw(st.one_of(st.none(), st.floats(0, 1e5))),
            installation_usd=draw(st.one_of(st.none(), st.floats(0, 1e4))),
            licence_usd_per_accelerator_year=draw(st.one_of(st.none(), st.floats(0, 1e4))),
            support_share_per_year=draw(st.one_of(st.none(), st.floats(0, 0.2))),
            porting_usd=porting_usd,
            residual_share=draw(share),
        )
        terms = draw(st.sampled_from([purchase, purchase, rental]))
        sides.append(deployment(key, draw(st.floats(1e3, 1e5)), terms, **facility))
    traffic = tco.Traffic(tokens_per_s=draw(st.floats(1e3, 1e8)), profile=draw(st.sampled_from([None, (1.0, 3.0)])))
    return sides, traffic, tco.Service(headroom=draw(st.floats(0, 1)), released=draw(st.booleans()))


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
    if c.r_ic is None:  # in the rent of B
        site = float(c.a.account.infrastructure_usd) / c.b.usd_per_year
        assert c.r_sc / c.r_th + site == pytest.approx(c.ratio, rel=1e-12)
    else:
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
    # property (design, done when 2): rounded up, a fleet of n servers is off by less than one server and one rack.
    (a, b), _, _ = scenario
    without = [
        side.__class__(side.server, side.facility, side.throughput, terms=side.terms.replace(porting_usd=None))
        for side in (a, b)
    ]
    exact = float(tco.compare(*without).ratio)
    for servers in (1e2, 1e4, 1e6):
        traffic = tco.Traffic(tokens_per_s=(servers + 0.01) * max(float(side.tokens_per_s) for side in without))
        ratio = tco.compare(*(tco.plan(side, traffic, NO_FAILURES) for side in without)).ratio
        assert abs(ratio / exact - 1) <= 6 / servers  # a server and a rack of several, on either side


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


def test_a_rented_fleet_stands_elsewhere():
    # property: the site's power is no limit to it, it fills no racks here, and what fails is replaced by its owner.
    rented = deployment(terms=tco.Rental(usd_per_h=2.0), site_power_kw=1.0)
    plan = tco.plan(rented, tco.Traffic(tokens_per_s=1e6), tco.Service(failures_per_accelerator_year=100.0))
    assert (plan.servers, plan.spares, plan.racks) == (25, 0, 0)
    assert plan.inputs["failures_per_year"] is plan.inputs["repair_days"] is None
    assert repr(plan) == "Plan(dgx-h100: 25 servers, rented, 100% busy, costs private)"
    names = {item.name for item in plan.assumptions}
    assert not {"repair_days", "spares_confidence", "usd_per_watt", "discount_rate"} & names
    financed = deployment(terms=tco.Rental(usd_per_h=2.0, commitment_years=1.0, upfront_share=0.1))
    assert "discount_rate" in {item.name for item in financed.assumptions}


def test_a_plan_says_what_its_gases_and_water_follow_from():
    # property: a result has its inputs among the assumptions, each once.
    names = [item.name for item in tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6)).assumptions]
    assert {"grid_gco2_per_kwh", "wue_l_per_kwh"} <= set(names)
    assert len(names) == len(set(names))
    assert "grid_gco2_per_kwh" not in [item.name for item in deployment().assumptions]  # which has no such result


def test_a_site_is_fed_at_the_pue_of_its_full_load():
    # hand: 10 servers of 10 kW at PUE 1.1 take 110 kW, whatever the PUE of the quiet hours.
    curve = ((0.1, 2.0), (1.0, 1.1))
    one = deployment(rate=100.0, pue_by_load=curve, idle_share=0.1, site_power_kw=110.5)
    fed = tco.Deployment(one.server.replace(power_w=10_000.0), one.facility, 100.0)
    plan = tco.plan(fed, tco.Traffic(tokens_per_s=100.0, profile=(1.0, *[0.0] * 9)), NO_FAILURES)
    assert plan.servers == 10
    assert plan.site_power_w == pytest.approx(110_000)
    assert float(plan.account.pue) > 1.1


def test_input_and_output_tokens_share_the_cost():
    # property: the rule is said, and conserves the cost.
    traffic = tco.Traffic(tokens_per_s=1e6, input_tokens_per_token=3.0)
    plan = tco.plan(deployment(), traffic)
    for rule in ({}, {"output_weight": 2.0}, {"method": "output"}):
        prices = plan.token_prices(**rule)
        paid = 3 * prices.usd_per_million_input + prices.usd_per_million_output
        assert float(paid) == pytest.approx(plan.usd_per_million_tokens, rel=1e-12)
    with pytest.raises(ValueError, match=r"traffic\.input_tokens_per_token is not known"):
        tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6)).token_prices()


def test_whole_plans_and_fractions_are_not_compared():
    whole, divided = (
        tco.plan(deployment(), tco.Traffic(tokens_per_s=1e6), NO_FAILURES, whole=whole) for whole in (True, False)
    )
    with pytest.raises(ValueError, match="of whole servers and of fractions"):
        tco.compare(whole, divided)
    assert tco.compare(whole, whole).ratio == tco.compare(divided, divided).ratio == 1


def test_traffic_of_a_fraction_of_a_server_takes_one():
    # hand: one server and its spare, hardly used; the tokens bear all of it, and idle capacity is 1/utilisation.
    plan = tco.plan(deployment(), tco.Traffic(tokens_per_s=4.0))
    assert (plan.servers, plan.spares, plan.racks) == (1, 1, 1)
    assert plan.utilisation == pytest.approx(1e-4)
    assert plan.usd_per_million_tokens / plan.busy_usd_per_million_tokens == pytest.approx(1e4)


def test_the_profile_counts_by_its_shape():
    # property: its unit, and how finely the day is cut, change nothing.
    plans = [
        tco.plan(deployment(idle_share=0.3), tco.Traffic(tokens_per_s=1e6, profile=profile))
        for profile in ((1.0, 2.0, 3.0), (1e6, 2e6, 3e6), (1, 1, 2, 2, 3, 3))
    ]
    assert plans[0].traffic.peak_to_mean == 1.5
    for plan in plans[1:]:
        assert plan.breakdown == pytest.approx(plans[0].breakdown, rel=1e-12)


@pytest.mark.parametrize("slots", [(), (0.0,), (1e-30,), (1e16, 1.0), (math.nan,), (math.inf,), ("1",)])
def test_days_without_a_shape_are_refused(slots):
    with pytest.raises(ValueError, match="profile"):
        tco.Traffic(tokens_per_s=1.0, profile=slots)


def test_levelised_cost_is_a_constant_price_that_covers_growth():
    # property: sold at that price, every year's tokens together are worth what the years cost, at the discount rate.
    plan = tco.plan(deployment(discount_rate=0.12), tco.Traffic(tokens_per_s=3e5, growth_per_year=0.4))
    for years in (1, 3, 7):
        price = plan.levelised_usd_per_million_tokens(years)
        by_year = plan.evaluate(traffic_per_s=3e5 * 1.4 ** np.arange(years))
        worth = tco.finance.net_present_value(rate=0.12, flows=by_year.tokens / 1e6 * price - by_year.total_usd)
        assert abs(float(worth)) <= 1e-9 * float(np.sum(by_year.total_usd))
    for wrong in (0, 1.5, 101, np.array([1, 2])):
        with pytest.raises(ValueError, match="years"):
            plan.levelised_usd_per_million_tokens(wrong)
    with pytest.raises(ValueError, match="growth_per_year is below 0"):
        tco.plan(deployment(), tco.Traffic(tokens_per_s=1.0, growth_per_year=-0.1)).levelised_usd_per_million_tokens(2)


def test_every_input_of_a_plan_may_be_swept():
    # property: broadcast equals loop, over arrays of two axes at once, on a day of its own axis.
    terms = tco.Purchase(
        scale_out_usd=1e4, storage_usd=5e3, installation_usd=2e3, licence_usd_per_accelerator_year=300.0,
        support_share_per_year=0.05, porting_usd=1e5, residual_share=0.1,
    )  # fmt: skip
    site = {
        "idle_share": 0.3, "load": 0.9, "demand_usd_per_kw_month": 9.0, "operations_usd_per_kw_month": 5.0,
        "usd_per_tonne_co2": 50.0, "usd_per_m3_water": 3.0, "pue": 1.3,
    }  # fmt: skip
    plan = tco.plan(
        deployment(terms=terms, **site), tco.Traffic(tokens_per_s=1e6, profile=(1, 2, 3)), tco.Service(released=True)
    )
    traffic = np.array([[3e5], [1e6], [2.2e6]])
    for name, value in plan.inputs.items():
        if value is None or name in ("traffic_per_s", "pue_by_load", "accelerators"):
            continue
        steps = np.array([1.0, 1.05]) * float(value)
        if name == "pue":
            assert min(steps) >= 1
        swept = np.broadcast_to(plan.evaluate(traffic_per_s=traffic, **{name: steps}).total_usd, (3, 2))
        loop = [
            [float(plan.evaluate(traffic_per_s=float(row[0]), **{name: float(step)}).total_usd) for step in steps]
            for row in traffic
        ]
        np.testing.assert_allclose(swept, loop, rtol=1e-12, err_msg=name)


def test_servers_of_another_power_stand_in_other_racks():
    # sibling: the plan of a server that has that power; a rack of 40 kW holds 5, 3 and 2 of them.
    watts = np.array([7000.0, 10_200.0, 20_000.0])
    facility = tco.Facility(rack_usd=300_000.0)
    made = tco.plan(tco.Deployment(hs.get_server("dgx-h100"), facility, 1000.0), tco.Traffic(tokens_per_s=5e4))
    swept = made.evaluate(power_w=watts)
    for i, watt in enumerate(watts):
        own = tco.plan(tco.Deployment(hs.get_server("dgx-h100").replace(power_w=watt), facility, 1000.0), made.traffic)
        assert swept.racks[i] == own.racks
        assert swept.total_usd[i] == pytest.approx(own.usd_per_year, rel=1e-12)
    assert swept.racks.tolist() == [10, 17, 25]
    np.testing.assert_allclose(
        made.deployment.evaluate(power_w=watts).parts["rack"] * [5, 3, 2], 300_000 * 0.132695, rtol=1e-5
    )
    with pytest.raises(ValueError, match="rack_power_kw is below what one server needs"):
        made.evaluate(power_w=50_000.0)


def test_a_rent_on_demand_costs_its_rent_an_hour():
    # hand: without porting nothing but the rent is paid, and only while servers are on.
    rented = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 1000.0, terms=tco.Rental(usd_per_h=2.0))
    for released in (False, True):
        made = tco.plan(rented, tco.Traffic(tokens_per_s=5e4, profile=(1, 4)), tco.Service(released=released))
        assert made.usd_per_accelerator_hour == pytest.approx(2.0, rel=1e-12)
    assert made.usd_per_year == pytest.approx((20 + 80) / 2 * 8 * 8760 * 2.0)
