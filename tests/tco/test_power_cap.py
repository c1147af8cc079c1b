"""The cheapest power cap: brute force, the worked example, Kim Table IV, and what two of Kim's claims come to."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import hardware_specs as hs
import roofline as rl
import tco
from roofline.measurements import Runs, published
from tco import power_cap
from tco.defaults import server_power
from tco.power_cap import FromModel, MeasuredCaps, PowerLaw, best_cap, most_per_watt

SITE = tco.Facility()
DGX_H200 = hs.get_server("dgx-h200")
# facts/tco.md 4.2: server 300,000 USD over 4 years, 300,000 USD bound to each rack over 12, 8 %, 0.08 USD/kWh, PUE
# 1.25, 80 % load, rack of 40 kW, no plant by the watt.
EXAMPLE = tco.Facility(
    rack_power_kw=40.0,
    rack_usd=300_000,
    usd_per_watt=0.0,
    facility_years=12,
    server_years=4,
    discount_rate=0.08,
    usd_per_kwh=0.08,
    pue=1.25,
    load=0.8,
)
LAW = PowerLaw(reference_w=10_200, exponent=0.35)


def crf(rate, years):
    return rate / (1 - (1 + rate) ** -years)


def example(**changes):
    return best_cap(LAW, **{"facility": EXAMPLE, "server_price_usd": 300_000, "lowest_cap_w": 5_000} | changes)


@cache
def losses():
    return rl.calibrate(published("kim2025-table4").where(power_limit_w=700))


@cache
def decode(context_tokens, batch=64, llm="llama-3.1-8b"):
    """An H200 that decodes, calibrated on Kim Table IV's uncapped column: its demand is below its TDP."""
    return rl.decode(
        rl.get_llm(llm),
        hs.get("h200-sxm"),
        batch=batch,
        context_tokens=context_tokens,
        precision="fp8",
        calibration=losses(),
    )


def table_4():
    return power_cap.from_runs(published("kim2025-table4"))


# --- the worked example


def test_the_example_of_a_rack_that_a_small_cap_fills():
    # regression: figures of facts/tco.md 4.2, computed there from inputs that were read; by hand, term by term, below.
    choice = example()
    assert float(choice.uncapped.servers_per_rack) == 3
    assert 40_000 - 3 * 10_200 == 9_400  # stranded
    assert choice.server_w == pytest.approx(10_000, rel=1e-12)
    assert choice.servers_per_rack == 4
    assert round(100 * choice.gain, 1) == 2.4
    assert round(100 * (float(choice.at(8_000).cost_ratio) - 1), 1) == 2.2
    assert choice.best.why == "fits 4"
    assert choice.stranded_share == pytest.approx(0, abs=1e-9)
    assert example(highest_cap_w=10_200, lowest_cap_w=10_100).stranded_share == pytest.approx(9_400 / 40_000, rel=1e-9)

    def cost(power, n):
        k = 0.8 * 1.25 * 8.76 * 0.08
        return (300_000 * crf(0.08, 4) + 300_000 * crf(0.08, 12) / n + k * power) / power**0.35

    assert choice.cost_ratio == pytest.approx(cost(10_000, 4) / cost(10_200, 3), rel=1e-12)
    assert choice.at(8_000).cost_ratio == pytest.approx(cost(8_000, 5) / cost(10_200, 3), rel=1e-12)
    # The continuous rule alone would say that no cap pays: all of the gain is the fourth server of the rack.
    rule = power_cap.continuous_optimum(
        elasticity=0.35,
        server_usd_per_year=choice.terms.server_usd_per_year,
        usd_per_watt_year=0.8 * 1.25 * 8.76 * 0.08,
    )
    assert float(rule) > 60_000


@pytest.mark.parametrize(
    ("server", "rack", "k", "options"),
    [
        # hand: P* = a·A/((1−a)·k) = 2,000 W with a = 0.1; a rack of 3 kW holds one such server, two up to 1.5 kW.
        (18_000, 0, 1.0, {}),
        (17_900, 100, 1.0, {}),  # A is the server and its rack
        (17_900, 100, 1.0, {"most_per_rack": 1, "whole_racks": False}),
        (18_000, 300, 0.9, {"whole_racks": False}),  # 300 USD over 3 kW are 0.1 USD/W more
    ],
)
def test_a_breakpoint_is_not_always_the_optimum(server, rack, k, options):
    site = tco.Facility(rack_power_kw=3.0, rack_usd=rack / crf(0.08, 12), usd_per_watt=0.0, load=0.5)
    law = {"reference_w": 2_900, "exponent": 0.1}
    cost = {"facility": site, "server_usd_per_year": server, **options}
    watts = {"shadow_usd_per_watt_year": k - 0.5 * 1.25 * 8.76 * SITE.usd_per_kwh}
    found = best_cap(PowerLaw(**law), **cost, **watts, lowest_cap_w=100)
    assert found.server_w == pytest.approx(2_000, rel=1e-9)
    assert found.best.why == "between"
    assert found.cost_ratio < min(
        (float(p.cost_ratio) for p in found.candidates if p.why.startswith("fits")), default=1
    )
    # Of four devices beside 400 W, with a curve over their cap: x* = a·(A + k·400)/((1−a)·4·k), by the same rule.
    law["reference_w"] = (2_900 - 400) / 4
    shared = best_cap(PowerLaw(**law), **cost, **watts, lowest_cap_w=50, devices=4, host_w=400)
    assert shared.cap_w == pytest.approx(0.1 * (9 * 2_000 + 400) / 0.9 / 4, rel=1e-9)


# --- the formulas

usd = st.floats(1_000, 1e6)
watts = st.floats(500, 50_000)
exponents = st.floats(0.02, 0.9)


@given(exponents, usd, st.floats(0.05, 20))
def test_the_continuous_optimum_is_the_least(a, server, k):
    # sibling: SciPy finds the same minimum; property: there the elasticity is the share that scales with power.
    found = float(power_cap.continuous_optimum(elasticity=a, server_usd_per_year=server, usd_per_watt_year=k))
    assert k * found / (server + k * found) == pytest.approx(a, rel=1e-9)
    searched = minimize_scalar(
        lambda x: np.log(server + k * np.exp(x)) - a * x,
        bounds=(np.log(found) - 3, np.log(found) + 3),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert searched.x == pytest.approx(np.log(found), abs=1e-5)


@given(exponents, watts, usd, st.floats(0.05, 20))
def test_the_marginal_rule_has_the_sign_of_the_derivative(a, power, server, k):
    # property: worth it exactly where a little less power lowers (C_s + k·P)/P^a.
    share = k * power / (server + k * power)
    assume(abs(share - a) > 1e-4)
    less = power * (1 - 1e-7)
    change = np.log1p(k * (less - power) / (server + k * power)) - a * np.log(less / power)
    worth = power_cap.worth_capping(elasticity=a, power_w=power, server_usd_per_year=server, usd_per_watt_year=k)
    assert bool(worth) == (change < 0)
    best = power_cap.continuous_optimum(elasticity=a, server_usd_per_year=server, usd_per_watt_year=k)
    assert bool(worth) == (power > float(best))


def test_the_formulas_broadcast():
    # property: the array equals the loop.
    power = np.array([[5_000.0], [10_000.0], [10_200.0]])
    most = np.array([3.0, 1e6])
    rest = {"server_usd_per_year": 9e4, "rack_usd_per_year": 4e4, "rack_power_w": 4e4, "usd_per_watt_year": 0.7}
    for whole in (True, False):
        every = power_cap.cost_per_throughput(
            power_w=power, throughput=2.0, most_per_rack=most, whole_racks=whole, **rest
        )
        assert every.shape == (3, 2)
        for i, j in np.ndindex(3, 2):
            one = power_cap.cost_per_throughput(
                power_w=power[i, 0], throughput=2.0, most_per_rack=most[j], whole_racks=whole, **rest
            )
            assert every[i, j] == pytest.approx(float(one), rel=1e-15)
    # hand: 10 kW of 40 kW is four a rack, unless slots leave three.
    assert every[1].tolist() == [(9e4 + 4e4 / 3 + 7e3) / 2, (9e4 + 1e4 + 7e3) / 2]


@given(st.floats(1_000, 200_000), st.floats(100, 30_000), st.floats(0.1, 1), st.integers(1, 40))
def test_breakpoints_are_where_one_more_fits(rack, high, share, most):
    # property: at each a rack holds n, just above it n − 1, and none between the ends is missing.
    low = high * share
    found = power_cap.breakpoints(rack_power_w=rack, low_w=low, high_w=high, most_per_rack=most)
    assert np.all(np.diff(found) > 0)
    held = power_cap.servers_held(power_w=found, rack_power_w=rack, most_per_rack=most)
    np.testing.assert_allclose(held, rack / found, rtol=1e-9)
    np.testing.assert_array_equal(power_cap.servers_held(power_w=found * (1 + 1e-9), rack_power_w=rack), held - 1)
    n = np.arange(1, most + 1)
    inside = (rack / n >= low * (1 + 1e-9)) & (rack / n <= high * (1 - 1e-9))
    assert set(n[inside]) <= set(np.round(rack / found))


def test_breakpoints_at_the_ends_count():
    # hand: 40 kW over four and five.
    assert power_cap.breakpoints(rack_power_w=40_000, low_w=8_000, high_w=10_000).tolist() == [8_000, 10_000]
    assert power_cap.breakpoints(rack_power_w=40_000, low_w=8_001, high_w=9_999).size == 0


def test_oversubscription():
    # published: POLCA (ASPLOS 2024) puts 30 % more servers on the same row; without it, what fits is what is fed.
    assert float(power_cap.oversubscribed_servers(row_power_w=400e3, server_peak_w=10e3, oversubscription=0.30)) == 52
    # 20 servers and 15 % more are 23, though 204,000·1.15/10,200 falls short of it in binary.
    assert float(power_cap.oversubscribed_servers(row_power_w=204e3, server_peak_w=10.2e3, oversubscription=0.15)) == 23
    rows = np.linspace(50e3, 500e3, 40)
    np.testing.assert_array_equal(
        power_cap.oversubscribed_servers(row_power_w=rows, server_peak_w=10_200.0),
        tco.facility.servers_per_rack(rack_power_w=rows, server_power_w=10_200.0),
    )


@given(st.lists(st.tuples(watts, st.floats(0.1, 10), usd), min_size=1, max_size=6), st.floats(1e4, 1e7))
def test_the_shadow_price_makes_the_best_use_of_a_full_site_the_cheapest(options, value):
    # property: what earns most per watt is, with λ added to the price of a watt, the cheapest per throughput, and then
    # costs exactly what it earns; nothing else earns more than it costs.
    power, throughput, cost = (np.array(column) for column in zip(*options, strict=True))
    each = power_cap.shadow_price(
        power_w=power, throughput=throughput, usd_per_year=cost, usd_per_throughput_year=value
    )
    best = int(np.argmax(each))
    assume(each[best] > 0)
    full = (cost + each[best] * power) / throughput
    assert full[best] == pytest.approx(value, rel=1e-9)
    assert np.all(full >= value * (1 - 1e-9))
    # A site of a million times its power earns most by filling up with that option: brute force over the options.
    earned = (value * throughput - cost) * (1e12 / power)
    assert earned[best] == pytest.approx(earned.max(), rel=1e-9)


# --- the optimum against brute force


def brute_force(
    curve, facility, server, *, low, high, devices=1, host=0.0, most=np.inf, whole=True, shadow=0.0, extra=()
):
    """The least cost over 20,000 powers and every place where something breaks, by the formula written out."""
    rack = facility.rack_power_kw * 1e3
    breaks = (rack / np.arange(1, 400) - host) / devices
    cap = np.concatenate([np.geomspace(low, high, 20_001), breaks, extra, [low, high]])
    cap = cap[(cap >= low) & (cap <= high)]
    P = host + devices * cap
    n = np.minimum(np.floor(rack / P * (1 + 1e-12)) if whole else rack / P, most)
    recovery = crf(facility.discount_rate, facility.facility_years)
    k = facility.usd_per_watt * recovery + facility.load * facility.pue * 8.76 * facility.usd_per_kwh + shadow
    cost = (server + facility.rack_usd * recovery / n + k * P) / curve.throughput(cap)
    return cost.min() / cost[-1]


sites = st.builds(
    tco.Facility,
    rack_power_kw=st.floats(25, 150),
    rack_usd=st.floats(0, 1e6),
    usd_per_watt=st.floats(0, 40),
    usd_per_kwh=st.floats(0.02, 0.5),
    pue=st.floats(1, 2),
    load=st.floats(0.2, 1),
    discount_rate=st.floats(0.01, 0.2),
)
cases = st.fixed_dictionaries(
    {
        "devices": st.sampled_from([1, 4, 8]),
        "host": st.floats(0, 5_000),
        "most": st.sampled_from([2, 5, 1e6]),
        "whole": st.booleans(),
        "shadow": st.sampled_from([0.0, 3.0]),
    }
)


def agrees(curve, facility, server, low, high, case, extra=()):
    devices, host, most, whole, shadow = (case[name] for name in ("devices", "host", "most", "whole", "shadow"))
    least = brute_force(
        curve, facility, server, low=low, high=high, devices=devices, host=host, most=most, whole=whole, shadow=shadow,
        extra=extra,
    )  # fmt: skip
    choice = best_cap(
        curve,
        facility=facility,
        server_usd_per_year=server,
        devices=devices,
        host_w=host,
        lowest_cap_w=low,
        highest_cap_w=high,
        most_per_rack=int(most),
        whole_racks=whole,
        shadow_usd_per_watt_year=shadow,
    )
    assert choice.cost_ratio <= least * (1 + 1e-9)  # never dearer than any power that was tried
    assert choice.cost_ratio >= least * (1 - 1e-4)  # and no cheaper than a finer grid would find
    assert choice.cost_ratio <= 1
    assert choice.best in choice.candidates
    return choice


@given(sites, usd, st.floats(0.01, 1.3), st.floats(0.3, 0.95), cases)
def test_the_optimum_of_a_power_law_is_brute_forces(facility, server, exponent, share, case):
    # sibling: a dense grid with the exact breakpoints, costs written out.
    high = 20_000 / case["devices"]
    curve = PowerLaw(reference_w=high, exponent=exponent)
    agrees(curve, facility, server, high * share, high, case)


@given(
    sites,
    usd,
    st.lists(st.floats(0.3, 1), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0.5, 1), min_size=6, max_size=6),
    cases,
)
def test_the_optimum_of_measured_caps_is_brute_forces(facility, server, shares, rates, case):
    # sibling: as above; the caps that were measured are kinks of the curve, and may be the optimum.
    powers = np.sort(np.array(shares)) * 20_000 / case["devices"]
    assume(np.min(np.diff(powers) / powers[1:]) > 1e-3)
    curve = MeasuredCaps(powers, np.cumsum(rates[: len(powers)]))
    agrees(curve, facility, server, powers[0], powers[-1], case, extra=powers)


@settings(max_examples=15)
@given(sites, st.floats(2e4, 3e5), st.sampled_from([512, 2048, 8192]), st.floats(0, 3_000), st.booleans())
def test_the_optimum_of_a_model_is_brute_forces(facility, server, context, host, whole):
    # sibling: as above, on the curve that rl.power gives.
    case = {"devices": 8, "host": host, "most": 1e6, "whole": whole, "shadow": 0.0}
    curve = FromModel(decode(context))
    choice = agrees(curve, facility, server, 250.0, 700.0, case, extra=curve.segments.edges_w)
    assert choice.kind == "modelled"


@given(sites, st.floats(0.1, 0.6), st.floats(0.1, 100))
def test_prices_in_another_money_change_nothing(facility, exponent, k):
    # property: scale invariance.
    other = facility.replace(
        rack_usd=facility.rack_usd * k / 100,
        usd_per_watt=facility.usd_per_watt * k / 100,
        usd_per_kwh=facility.usd_per_kwh * k / 100,
    )
    curve = PowerLaw(reference_w=10_200, exponent=exponent)
    one = best_cap(curve, facility=facility, server_price_usd=2e5, lowest_cap_w=4_000)
    two = best_cap(curve, facility=other, server_price_usd=2e3 * k, lowest_cap_w=4_000)
    assert two.cost_ratio == pytest.approx(one.cost_ratio, rel=1e-9)


@given(exponents, usd, st.floats(0.1, 5))
def test_dearer_watts_never_raise_the_cap(exponent, server, shadow):
    # property: without rack costs, the elasticity of the cost in watts rises with the price of a watt.
    site = SITE.replace(rack_usd=0.0)
    curve = PowerLaw(reference_w=10_200, exponent=exponent)
    cheap, dear = (
        best_cap(curve, facility=site, server_usd_per_year=server, lowest_cap_w=1_000, shadow_usd_per_watt_year=more)
        for more in (0.0, shadow)
    )
    assert dear.cap_w <= cheap.cap_w * (1 + 1e-9)


def test_a_cost_is_that_of_the_deployment():
    # sibling: the same account as tco.Deployment, part by part and in all.
    site = tco.Facility(
        demand_usd_per_kw_month=8.0,
        operations_usd_per_kw_month=15.0,
        usd_per_tonne_co2=80.0,
        usd_per_m3_water=3.0,
        load=0.7,
    )
    rented = tco.Facility(colocation_usd_per_kw_month=180.0)
    for facility in (SITE, site, rented):
        side = tco.Deployment(DGX_H200, facility, 1.0)
        choice = best_cap(table_4()[0], facility=facility, server=DGX_H200)
        assert float(choice.terms.usd_per_year(700.0)) == pytest.approx(float(side.usd_per_year), rel=1e-9)


def test_fractional_racks_cost_at_most_what_whole_ones_do():
    # property, on a sweep.
    whole, shared = example(), example(whole_racks=False)
    caps = np.linspace(5_000, 10_200, 400)
    assert np.all(shared.terms.usd_per_year(caps) <= whole.terms.usd_per_year(caps) * (1 + 1e-12))
    assert shared.best.why == "uncapped"  # nothing is stranded, and the continuous rule says that no cap pays


# --- what else limits a rack


def test_slots_take_the_breakpoint_away():
    # hand: three slots, and a fourth server cannot come in; the watts alone do not pay for a cap.
    choice = example(most_per_rack=3)
    assert choice.best.why == "uncapped"
    assert choice.limit == "power"  # at 10.2 kW both say three, and power is named
    assert example(most_per_rack={"slots": 9, "weight": 2}).limit == "weight"
    assert example(most_per_rack=4).server_w == pytest.approx(10_000)
    assert "fits 5" not in [point.why for point in example(most_per_rack=4).candidates]


def test_cooling_binds_before_power():
    # hand: 30 kW of cooling hold two of 10.2 kW, and three of 10.0.
    choice = example(facility=EXAMPLE.replace(rack_cooling_kw=30.0))
    assert (choice.limit, choice.servers_per_rack, round(choice.server_w)) == ("cooling", 3, 10_000)
    assert example().limit == "power"


def test_limits_of_the_facility_need_the_server():
    site = EXAMPLE.replace(rack_slots_u=42.0)
    with pytest.raises(ValueError, match=r"facility\.rack_slots_u limits the rack: give server, or most_per_rack"):
        example(facility=site)
    assert example(facility=site, most_per_rack=4).servers_per_rack == 4


# --- curves


def test_a_power_law_is_one():
    # hand
    assert LAW.throughput(5_100) == pytest.approx(0.5**0.35)
    assert LAW.elasticity([100.0, 10_200.0]).tolist() == [0.35, 0.35]
    assert LAW.kind(8_000) == "assumed"
    assert not LAW.extrapolated(8_000)


@given(
    st.lists(st.floats(0.2, 1), min_size=2, max_size=8, unique=True),
    st.lists(st.floats(0.1, 1), min_size=8, max_size=8),
)
def test_measured_caps_are_met_and_never_fall(shares, rates):
    # property: exact at every cap, between its neighbours in between, rising, and of the local slope.
    powers = np.sort(shares) * 700
    assume(np.min(np.diff(powers)) > 0.1)
    rates = np.array(rates[: len(powers)])
    curve = MeasuredCaps(powers, rates)
    np.testing.assert_allclose(curve.throughput(powers), np.maximum.accumulate(rates), rtol=1e-12)
    grid = np.geomspace(powers[0], powers[-1], 2_000)
    assert np.all(np.diff(curve.throughput(grid)) >= -1e-12)
    slope = np.log(curve.throughput(powers[1:]) / curve.throughput(powers[1:] * (1 - 1e-7))) / 1e-7
    np.testing.assert_allclose(curve.elasticity(powers[1:]), slope, atol=1e-5)
    # hand: a straight line in log-log passes the geometric mean at the geometric mean.
    middle = np.sqrt(powers[:-1] * powers[1:])
    np.testing.assert_allclose(
        curve.throughput(middle) ** 2, curve.throughput(powers[:-1]) * curve.throughput(powers[1:]), rtol=1e-9
    )


def test_a_throughput_that_falls_with_power_counts_as_level():
    # hand: 600 W can always be run at 500.
    assert MeasuredCaps([700, 500, 600], [100.0, 90.0, 89.0]).throughputs.tolist() == [90.0, 90.0, 100.0]


def test_nothing_is_extrapolated_without_a_model():
    # published: Table IV has two caps, 400 and 700 W.
    curve = table_4()[0]
    for cap in (399.0, 701.0):
        for asked in (curve.throughput, curve.kind, curve.elasticity, curve.extrapolated):
            with pytest.raises(ValueError, match="nothing is extrapolated without a model"):
                asked(cap)
    with pytest.raises(ValueError, match="nothing is extrapolated without a model"):
        best_cap(curve, facility=SITE, server=DGX_H200, lowest_cap_w=300)
    assert curve.kind([400, 500, 700]).tolist() == ["measured", "interpolated", "measured"]
    assert (curve.low_w, curve.uncapped_w, curve.demand_w) == (400, 700, None)


@pytest.mark.parametrize("context", [512, 8192])
def test_with_a_model_it_is_and_says_so(context):
    model = FromModel(decode(context))
    bare = next(c for c in table_4() if c.workload["context_tokens"] == context and c.workload["batch"] == 64)
    curve = MeasuredCaps(bare.powers_w, bare.throughputs, model=model)
    # property: measured caps are met; beyond, the model's losses go on; between, its shape; never falling.
    np.testing.assert_allclose(curve.throughput([400, 700]), bare.throughputs, rtol=1e-9)
    assert curve.throughput(250) / curve.throughput(400) == pytest.approx(
        float(model.throughput(250) / model.throughput(400)), rel=1e-6
    )
    grid = np.linspace(curve.low_w, 700, 3_000)
    assert np.all(np.diff(curve.throughput(grid)) >= -1e-9)
    assert curve.throughput(model.demand_w) == pytest.approx(bare.throughputs[1], rel=1e-9)
    assert curve.throughput(550) > bare.throughput(550)  # the straight line is on the low side
    assert curve.kind([250, 400, 500]).tolist() == ["modelled", "measured", "interpolated"]
    assert curve.extrapolated([250, 400, 500, 700]).tolist() == [True, False, False, False]
    # A choice that went beyond says so.
    beyond = best_cap(curve, facility=SITE, server=DGX_H200, host_w=0, lowest_cap_w=200, shadow_usd_per_watt_year=1e6)
    assert beyond.cap_w < 400
    assert (beyond.kind, beyond.extrapolated) == ("modelled", True)
    assert repr(beyond).endswith("modelled, extrapolated)")
    within = best_cap(curve, facility=SITE, server=DGX_H200)
    assert not within.extrapolated


def test_what_is_beside_the_devices_does_not_depend_on_the_caps_measured():
    # hand: a DGX H200 has 10.2 kW, of which eight TDPs of 700 W are the devices', whatever the highest cap measured.
    choice = best_cap(MeasuredCaps([300, 400], [90.0, 100.0]), facility=SITE, server=DGX_H200)
    assert float(choice.uncapped.server_w) == 10_200 - 8 * 700 + 8 * 400


def test_a_model_that_sees_no_difference_leaves_the_straight_line():
    # hand: between two caps above what the model would draw, it says nothing of the way.
    model = FromModel(decode(512))
    assert model.demand_w < 600
    curve = MeasuredCaps([600, 700], [90.0, 100.0], model=model)
    assert curve.throughput(np.sqrt(600 * 700)) == pytest.approx(np.sqrt(9_000), rel=1e-9)


@pytest.mark.parametrize("context", [512, 8192])
@pytest.mark.parametrize("calibrated", [True, False])
def test_a_modelled_curve_is_under_cap(context, calibrated):
    # sibling: rl.power.under_cap searches the clock for a cap; here the cap follows from the clock.
    ideal = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=context, precision="fp8")
    phase = decode(context) if calibrated else ideal
    curve = FromModel(phase, replicas=8)
    caps = np.linspace(curve.low_w * 1.0001, 700, 97)
    expected = 8 * rl.power.under_cap(phase, cap_w=caps).tokens_per_s
    np.testing.assert_allclose(curve.throughput(caps), expected, rtol=2e-5)
    assert curve.uncapped_w == 700
    assert curve.demand_w == pytest.approx(float(rl.power.estimate(phase).power_w), rel=1e-6)
    with pytest.raises(ValueError, match="below what the lowest clock draws"):
        curve.throughput(curve.low_w * 0.99)
    with pytest.raises(ValueError, match="at its lowest clock"):
        rl.power.under_cap(phase, cap_w=curve.low_w * 0.99)


def test_a_modelled_curve_is_of_one_point():
    many = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=[1, 64], context_tokens=512)
    with pytest.raises(ValueError, match=r"phase has shape \(2,\): give one point"):
        FromModel(many)
    with pytest.raises(ValueError, match="is not accepted: give a PhaseEstimate"):
        FromModel(700.0)
    with pytest.raises(ValueError, match="its lowest clock draws more than its limit_w"):
        FromModel(decode(512), model=rl.power.model(hs.get("h200-sxm")).replace(limit_w=100.0))


def test_energy_may_be_charged_as_drawn():
    # hand: at 512 tokens the model draws less than 700 W, so a cap above that saves plant but no energy.
    curve = FromModel(decode(512))
    options = {"facility": SITE, "server": DGX_H200, "lowest_cap_w": 300}
    plain, drawn = (best_cap(curve, **options, charge_draw=charge) for charge in (False, True))
    assert plain.cap_w == pytest.approx(curve.demand_w, rel=1e-6)
    assert 0 < drawn.gain < plain.gain
    assert drawn.throughput_loss == pytest.approx(0, abs=1e-6)
    energy = 1.25 * 8.76 * SITE.usd_per_kwh
    saved = plain.terms.usd_per_year(700.0) - drawn.terms.usd_per_year(700.0)
    assert float(saved) == pytest.approx(energy * 8 * (700 - curve.demand_w), rel=1e-9)
    assert float(plain.terms.usd_per_year(curve.demand_w)) == pytest.approx(
        float(drawn.terms.usd_per_year(curve.demand_w)), rel=1e-12
    )
    # Above what is drawn, what is measured may still rise with the cap, and a watt there costs plant alone. hand:
    # x* = a·(C_s + energy of what is drawn)/((1−a)·plant) = 650 W, for the right C_s.
    between = MeasuredCaps([600, 700], [100.0, 100 * (7 / 6) ** 0.1], model=curve)
    plant = 12 * crf(0.08, 12)
    server = 650 * 9 * plant - energy * curve.demand_w
    options = {"facility": SITE.replace(rack_usd=0.0), "server_usd_per_year": server, "lowest_cap_w": 600}
    assert best_cap(between, **options, charge_draw=True).cap_w == pytest.approx(650, rel=1e-9)
    assert best_cap(between, **options).cap_w < 650
    with pytest.raises(ValueError, match="charge_draw = True is not accepted: the curve has no model"):
        best_cap(table_4()[0], facility=SITE, server=DGX_H200, charge_draw=True)


# --- runs


def test_table_4_becomes_ten_curves():
    # published: Kim Table IV, TFLOPS as printed.
    curves = table_4()
    assert len(curves) == 10
    runs = published("kim2025-table4")
    for curve in curves:
        named = {name: curve.workload[name] for name in ("llm", "context_tokens")}
        for limit in (400, 700):
            printed = runs.where(**named, power_limit_w=limit).tflops[0]
            assert curve.throughput(limit) == pytest.approx(printed, rel=1e-12)


STEP = {"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3.1-8b", "phase": "decode", "batch": 8.0}


def runs_of(*rows):
    return Runs.from_rows([STEP | row for row in rows])


def test_runs_of_one_kind_are_joined():
    # hand: repeats count by their geometric mean; a time is a rate upside down; lengths are told apart.
    (curve,) = power_cap.from_runs(
        runs_of(
            {"power_limit_w": 400.0, "output_tokens_per_s": 80.0},
            {"power_limit_w": 400.0, "output_tokens_per_s": 45.0},
            {"power_limit_w": 700.0, "output_tokens_per_s": 100.0},
        )
    )
    assert curve.throughputs.tolist() == pytest.approx([60.0, 100.0])
    (timed,) = power_cap.from_runs(
        runs_of({"power_limit_w": 400.0, "itl_s": 0.02}, {"power_limit_w": 700.0, "itl_s": 0.01})
    )
    assert timed.throughputs.tolist() == pytest.approx([50.0, 100.0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"output_tokens_per_s": 80.0}], "a run has no power_limit_w"),
        ([{"power_limit_w": 400.0, "output_tokens_per_s": 80.0}], "one power_limit_w only, llama-3.1-8b, batch 8"),
        ([{"power_limit_w": 400.0, "output_tokens_per_s": 8.0, "flags": "odd"}], "a run is flagged: odd"),
        (
            [{"power_limit_w": 400.0, "output_tokens_per_s": 8.0}, {"power_limit_w": 700.0, "tflops": 8.0}],
            "share no throughput",
        ),
        ([], "runs is empty"),
    ],
)
def test_runs_that_are_no_curve_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        power_cap.from_runs(runs_of(*rows))


def test_models_go_to_their_lengths():
    found = power_cap.from_runs(
        published("kim2025-table4").where(llm="llama-3.1-8b"), models={512: FromModel(decode(512))}
    )
    assert [curve.demand_w is not None for curve in found] == [True, False, False, False, False]
    with pytest.raises(ValueError, match="model does not reach all caps"):
        MeasuredCaps([400, 900], [1.0, 2.0], model=FromModel(decode(512)))


# --- Kim VI-D: a cap pays when the throughput that it loses is less than the cost that it saves


@given(sites, usd, st.floats(0.01, 1.3), st.floats(0.3, 1))
def test_kims_rule_is_exact_of_the_yearly_cost_of_a_server(facility, server, exponent, share):
    # property: c'/T' < c/T if and only if 1 − T'/T < 1 − c'/c, whatever c holds.
    curve = PowerLaw(reference_w=10_200, exponent=exponent)
    choice = best_cap(curve, facility=facility, server_usd_per_year=server, lowest_cap_w=1_000)
    point = choice.at(10_200 * share)
    assume(abs(point.cost_ratio - 1) > 1e-9)
    assert bool(point.pays) == (point.cost_ratio < 1) == (point.loss < point.saving)


def test_no_row_of_table_4_pays_on_the_default_site():
    # measured: losses of Kim Table IV's own TFLOPS; costs of the default facility and a DGX H200 (regression).
    points = [best_cap(curve, facility=SITE, server=DGX_H200).at(400) for curve in table_4()]
    savings = {round(100 * float(point.saving), 1) for point in points}
    assert savings == {4.0}  # three a rack become five, 10.2 kW become 7.8
    losses = sorted(round(100 * float(point.loss)) for point in points)
    assert losses == [6, 10, 12, 16, 17, 17, 18, 21, 22, 29]
    assert not any(point.pays for point in points)
    dearer = sorted(round(100 * (float(point.cost_ratio) - 1)) for point in points)
    assert (dearer[0], dearer[-1]) == (3, 34)
    # Nor does any cap in between, if throughput goes straight from 400 to 700 W: the marginal rule says so, since the
    # least elasticity of the ten is above the share of the cost that goes with the watts of a device.
    assert all(best_cap(curve, facility=SITE, server=DGX_H200).best.why == "uncapped" for curve in table_4())
    terms = best_cap(table_4()[0], facility=SITE, server=DGX_H200).terms
    k = terms.usd_per_watt_year + terms.energy_usd_per_watt_year
    share = k * 5_600 / float(terms.usd_per_year(700.0))
    assert round(share, 3) == 0.092
    assert min(float(curve.elasticity(700)) for curve in table_4()) == pytest.approx(0.118, abs=5e-4)


def test_what_would_make_the_cap_of_table_4_pay():
    # hand: with ΔC saved of a server's I + C_s, a loss L pays below C_s = ΔC/L − I; a loss above ΔC/I pays at no price.
    curve = table_4()[0]
    choice = best_cap(curve, facility=SITE, server=DGX_H200)
    terms = choice.terms
    saved = float(terms.usd_per_year(700.0) - terms.usd_per_year(400.0))
    infrastructure = float(terms.usd_per_year(700.0)) - terms.server_usd_per_year
    loss = float(choice.at(400).loss)
    price = (saved / loss - infrastructure) / crf(0.08, 4)
    assert round(price, -3) == 231_000
    level = best_cap(curve, facility=SITE, server=DGX_H200, server_price_usd=price).at(400)
    assert float(level.cost_ratio) == pytest.approx(1, rel=1e-9)
    assert round(saved / infrastructure, 3) == 0.237
    # Or a dearer rack: level where R·(1/3 − 1/5) + saved watts is the loss of all.
    recovery, k = crf(0.08, 12), terms.usd_per_watt_year + terms.energy_usd_per_watt_year
    rest = terms.server_usd_per_year + k * 10_200
    rack = (loss * rest - k * 2_400) / (1 / 3 - 1 / 5 - loss / 3) / recovery
    assert round(rack, -3) == 250_000
    level = best_cap(curve, facility=SITE.replace(rack_usd=rack), server=DGX_H200).at(400)
    assert float(level.cost_ratio) == pytest.approx(1, rel=1e-9)
    free = [best_cap(c, facility=SITE, server=DGX_H200, server_price_usd=0.0).at(400).pays for c in table_4()]
    assert free.count(False) == 1  # the 8B model at 8,192 tokens loses 29 %


def test_in_kims_picture_it_is_the_small_cap_that_pays():
    # Kim II-A has racks whose power and cooling are paid however many servers they hold: all of the plant is a rack's.
    # hand: the default's 12 USD/W times 40 kW, and its floor.
    racks = SITE.replace(usd_per_watt=0.0, rack_usd=5_940 + 12 * 40_000)
    choices = [best_cap(curve, facility=racks, server=DGX_H200) for curve in table_4()]
    at_400 = [choice.at(400) for choice in choices]
    assert {round(100 * float(point.saving), 1) for point in at_400} == {6.8}
    assert [bool(point.pays) for point in at_400].count(True) == 1  # 6.4 % lost: the 8B model at 512 tokens
    # A cap of 4 % that fits a fourth server pays for all ten, and beats 400 W for each.
    assert {choice.best.why for choice in choices} == {"fits 4"}
    assert all(round(choice.cap_w) == 675 for choice in choices)
    gains = [100 * choice.gain for choice in choices]
    assert (round(min(gains), 1), round(max(gains), 1)) == (1.4, 3.1)


def test_watts_that_are_never_drawn_cost_nothing_to_cap():
    # measured against modelled: with Table IV's two caps met, and the model between them, every length of the 8B model
    # pays at what it draws, since decode at this batch stays below the TDP. The mean of a phase, not its peak.
    gains, loss = [], []
    for curve in power_cap.from_runs(
        published("kim2025-table4").where(llm="llama-3.1-8b"),
        models={tokens: FromModel(decode(tokens)) for tokens in (512, 1024, 2048, 4096, 8192)},
    ):
        choice = best_cap(curve, facility=SITE, server=DGX_H200, charge_draw=True, lowest_cap_w=400)
        assert choice.cap_w == pytest.approx(curve.demand_w, rel=0.02)
        assert not choice.extrapolated
        gains.append(100 * choice.gain)
        loss.append(100 * choice.throughput_loss)
    assert max(loss) < 0.1
    assert np.all(np.diff(gains) < 0)  # longer contexts draw more, and leave less to take away
    assert (round(gains[0], 1), round(gains[-1], 1)) == (1.9, 1.1)


# --- Kim II-A: electricity is outweighed by rack and cooling, even amortised


def infrastructure(facility, power):
    """Rack, plant and energy of one server, by the default account."""
    parts = tco.Deployment(hs.get_server("dgx-h100").replace(price_usd=100_000, power_w=power), facility, 1.0).breakdown
    return parts["rack"], parts["plant"], parts["energy"]


def catalogue_powers():
    """Every catalogue server whose power is known or derived, in the default rack or one of its own."""
    for name in hs.server_names():
        server = hs.get_server(name)
        accelerator = hs.get(server.accelerator) if server.accelerator in hs.names() else None
        try:
            power = server_power(server, accelerator).value
        except hs.UnknownValueError:
            continue
        yield name, power, SITE if power <= 40_000 else tco.Facility(rack_power_kw=power / 1e3)


def test_electricity_is_outweighed_by_the_plant_but_not_by_the_rack():
    # regression of the default facility; hand: energy over plant is 8.76·PUE·tariff/(12·CRF) whatever the server.
    shares, to_rack, tariffs = {}, {}, {}
    for name, power, facility in catalogue_powers():
        rack, plant, energy = infrastructure(facility, power)
        assert energy / plant == pytest.approx(8.76 * 1.25 * 0.0826 / (12 * crf(0.08, 12)), rel=1e-9)
        shares[name], to_rack[name] = energy / (rack + plant), energy / rack
        tariffs[name] = 0.0826 * (rack + plant) / energy
    assert len(shares) > 25
    assert 0.55 < min(shares.values()) < max(shares.values()) < 0.57  # the claim holds for all: 1.8 times over
    assert 0.145 < min(tariffs.values()) < max(tariffs.values()) < 0.150  # up to a tariff of 0.146 to 0.149 USD/kWh
    # Not against the rack: floor space is 1 to 2 % of energy and plant alike.
    assert 23 < min(to_rack.values()) < max(to_rack.values()) < 212
    rack, plant, energy = infrastructure(SITE, 10_200)
    assert rack / (rack + plant + energy) == pytest.approx(0.0102, abs=1e-4)
    # For energy to be outweighed by the rack alone, a rack of three DGX H100 must cost 209,000 USD; for Kim's
    # conclusion, that servers per rack move Cost_Infra most, more than plant and energy together: 576,000 USD.
    assert round(3 * energy / crf(0.08, 12), -3) == 209_000
    assert round(3 * (energy + plant) / crf(0.08, 12), -3) == 576_000


def test_a_rack_whose_power_is_paid_whether_used_or_not_is_kims_rack():
    # hand: 12 USD/W times 40 kW and the floor, on three servers of 10.2 kW; energy as before.
    rack, plant, energy = infrastructure(SITE.replace(usd_per_watt=0.0, rack_usd=485_940), 10_200)
    assert plant == 0
    assert rack / energy == pytest.approx(2.33, abs=0.01)
    assert rack / (rack + energy) == pytest.approx(0.70, abs=0.005)


def test_where_the_claim_of_electricity_turns():
    # property: at the break-even, energy is level with rack and plant; plugged back.
    rack, plant, energy = infrastructure(SITE, 10_200)
    tariff = 0.0826 * (rack + plant) / energy
    assert round(tariff, 3) == 0.148
    level = infrastructure(tco.Facility(usd_per_kwh=tariff), 10_200)
    assert level[2] == pytest.approx(level[0] + level[1], rel=1e-9)
    # The EU's industrial average, about 0.20, is beyond it; a busy year at 80 % is not enough to bring it back.
    assert infrastructure(tco.Facility(usd_per_kwh=0.20, load=0.8), 10_200)[2] > rack + plant
    # USD/W at which the plant alone is level with energy, at the default tariff.
    assert round(8.76 * 1.25 * 0.0826 / crf(0.08, 12), 1) == 6.8
    # Straight-line, without a cost of capital, the plant is 1.0 USD/W-year and the claim holds up to 0.094 USD/kWh.
    rack, plant, energy = infrastructure(tco.Facility(discount_rate=0.0), 10_200)
    assert round(0.0826 * (rack + plant) / energy, 3) == 0.093


# --- a site without more power


@given(exponents, st.floats(0, 8_000), st.sampled_from([1, 4, 8]))
def test_the_most_per_watt_is_brute_forces(exponent, host, devices):
    # sibling: a dense grid.
    curve = PowerLaw(reference_w=700, exponent=exponent)
    found = most_per_watt(curve, devices=devices, host_w=host, lowest_cap_w=100)
    caps = np.linspace(100, 700, 60_001)
    per_watt = power_cap.throughput_per_megawatt(power_w=host + devices * caps, throughput=curve.throughput(caps))
    at_best = power_cap.throughput_per_megawatt(power_w=found.server_w, throughput=curve.throughput(found.cap_w))
    assert float(at_best) == pytest.approx(per_watt.max(), rel=1e-6)
    # property: the cap of a site whose watts become ever more precious tends to it.
    scarce = best_cap(
        curve, facility=SITE, server_usd_per_year=1e5, devices=devices, host_w=host, lowest_cap_w=100,
        shadow_usd_per_watt_year=1e9,
    )  # fmt: skip
    assert scarce.cap_w == pytest.approx(found.cap_w, rel=1e-3)


# --- what is refused, and what is shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowest_cap_w": None}, "lowest_cap_w is needed"),
        ({"lowest_cap_w": 9_123.0, "highest_cap_w": 9_000.0}, "lowest_cap_w is above highest_cap_w"),
        ({"highest_cap_w": 10_321.0}, "cap_w is outside the curve"),
        ({"server_price_usd": None}, "give one of server_price_usd and server_usd_per_year, or a server"),
        ({"server_usd_per_year": 91_234.0}, "give one of server_price_usd and server_usd_per_year"),
        ({"server_price_usd": -91_234.0}, "server_price_usd is not accepted: give a finite number of at least 0"),
        ({"server_price_usd": "91234"}, "server_price_usd is not accepted"),
        ({"server_price_usd": [91_234.0, 1.0]}, "server_price_usd has shape"),
        ({"lowest_cap_w": float("nan")}, "lowest_cap_w is not accepted"),
        ({"host_w": -91_234.0}, "host_w is not accepted"),
        ({"devices": 2.5}, "devices = 2.5 is not accepted: give a whole number"),
        ({"devices": 8}, "a rack does not hold one server without a cap"),
        ({"most_per_rack": 0}, r"most_per_rack\['slots'\] = 0 is not accepted"),
        ({"most_per_rack": {"weight": 2.5}}, r"most_per_rack\['weight'\] = 2.5 is not accepted"),
        ({"most_per_rack": True}, r"most_per_rack\['slots'\] = True is not accepted"),
        ({"shadow_usd_per_watt_year": -91_234.0}, "shadow_usd_per_watt_year is not accepted"),
        ({"facility": 40.0}, "facility is not accepted: give a Facility"),
        ({"server": "dgx"}, "server is not accepted: give a Server"),
    ],
)
def test_what_is_not_accepted(changes, message):
    with pytest.raises(ValueError, match=message) as refused:
        example(**changes)
    for private in ("91234", "91,234", "9123", "9,123", "10321", "10,321"):
        assert private not in str(refused.value)


def test_curves_that_are_none_are_refused():
    with pytest.raises(ValueError, match="curve is not accepted"):
        best_cap(0.35, facility=EXAMPLE, server_price_usd=1e5)
    for powers, rates in (([700], [1]), ([400, 700], [1]), ([[400, 700]], [[1, 2]])):
        with pytest.raises(ValueError, match="give two or more caps, each with its throughput"):
            MeasuredCaps(powers, rates)
    with pytest.raises(ValueError, match="holds a cap twice"):
        MeasuredCaps([400, 400], [1, 2])
    with pytest.raises(ValueError, match="powers_w is not accepted"):
        MeasuredCaps([-400, 700], [1, 2])
    with pytest.raises(ValueError, match="model is not accepted"):
        MeasuredCaps([400, 700], [1, 2], model=rl.power.model(hs.get("h200-sxm")))
    with pytest.raises(ValueError, match="exponent = -1 is not accepted"):
        PowerLaw(reference_w=700, exponent=-1)
    with pytest.raises(ValueError, match="devices=1 and host_w=0 for a curve over the power of the server"):
        best_cap(LAW, facility=SITE, server=DGX_H200, lowest_cap_w=5_000)
    assert best_cap(LAW, facility=SITE, server=DGX_H200, lowest_cap_w=5_000, devices=1, host_w=0).cost_ratio <= 1


def test_formulas_refuse_without_showing():
    with pytest.raises(ValueError, match="power_w is above rack_power_w, so no rack holds a server") as refused:
        power_cap.cost_per_throughput(
            power_w=[9_000.0, 91_234.0],
            throughput=1.0,
            server_usd_per_year=1e5,
            rack_usd_per_year=1e4,
            rack_power_w=40_000,
            usd_per_watt_year=1.0,
        )
    assert "91" not in str(refused.value)
    with pytest.raises(ValueError, match="elasticity = 1 is not accepted"):
        power_cap.continuous_optimum(elasticity=1, server_usd_per_year=1e5, usd_per_watt_year=1.0)
    with pytest.raises(ValueError, match="leaves more than 1,000,000 servers"):
        power_cap.breakpoints(rack_power_w=1e9, low_w=1.0, high_w=10.0)
    with pytest.raises(ValueError, match="low_w has shape"):
        power_cap.breakpoints(rack_power_w=1e4, low_w=[100.0, 200.0], high_w=1_000.0)


def test_neither_dollars_nor_watts_are_shown():
    # property: none of the figures given, nor those that follow from them, is in what is printed.
    site = EXAMPLE.replace(rack_power_kw=40.32, rack_usd=312_345.0)
    choice = example(facility=site, server_price_usd=287_654.0)
    point = choice.at([9_000.0, 9_876.0])
    shown = repr(choice) + choice._repr_html_() + repr(point) + repr(choice.terms) + repr(choice.candidates) + repr(LAW)
    shown += repr(MeasuredCaps([4_321.0, 7_654.0], [1.0, 2.0]))
    for figure in (*vars(choice.terms).values(), choice.cap_w, choice.server_w, 9_876.0, 10_200.0, 4_321.0, 7_654.0):
        if isinstance(figure, float) and figure > 100 and figure != 1e6:
            for text in (f"{figure:.0f}", f"{figure:,.0f}", f"{figure:g}", str(figure)[:5]):
                assert text not in shown
    assert "a rack instead of" in repr(choice)


def test_choices_pickle():
    # property
    for choice in (example(), best_cap(FromModel(decode(512)), facility=SITE, server=DGX_H200)):
        again = pickle.loads(pickle.dumps(choice))
        assert repr(again) == repr(choice)
        assert again.at(choice.cap_w).cost_ratio == choice.cost_ratio
    with_workload = pickle.loads(pickle.dumps(table_4()[0]))
    assert with_workload.workload == table_4()[0].workload


def test_a_sweep_draws_both_sides_of_every_jump():
    # property: rising, of one shape, lowest at the choice, and with the jump at the breakpoint.
    choice = example()
    sweep = choice.sweep(50)
    assert np.all(np.diff(sweep.cap_w) > 0)
    assert sweep.cost_ratio.min() == pytest.approx(choice.cost_ratio, rel=1e-12)
    at = int(np.argmin(sweep.cost_ratio))
    assert (sweep.servers_per_rack[at], sweep.servers_per_rack[at + 1]) == (4, 3)
    assert sweep.cap_w[at + 1] / sweep.cap_w[at] < 1 + 1e-8
    assert {len(values) for values in (sweep.loss, sweep.saving, sweep.kind, sweep.extrapolated, sweep.pays)} == {
        len(sweep.cap_w)
    }
