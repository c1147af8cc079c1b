"""From traffic to servers, spares, racks, watts and kilowatt-hours."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from tco import capacity
from tco.facility import servers_per_rack
from tco.references import reference

DEEPSEEK_USD_PER_NODE_DAY = 8 * 2 * 24  # 8 H800 at 2 USD/h

profiles = st.lists(st.floats(0, 1e6), min_size=1, max_size=48).filter(lambda rates: max(rates) > 1e-3)
rates = st.floats(1e-3, 1e9)


@st.composite
def fleets(draw):
    """A day, and whole servers that carry its peak."""
    profile = capacity.load_profile(draw(profiles))
    mean, server = draw(st.just(0.0) | st.floats(1e-6, 1e6)), draw(st.floats(1, 1e5))
    idle = draw(st.floats(0, 5e3))
    servers = capacity.servers_needed(
        peak_per_s=mean * capacity.peak_to_mean(profile=profile), server_per_s=server, headroom=draw(st.floats(0, 1))
    )
    return {
        "profile": profile,
        "mean_per_s": mean,
        "servers": servers,
        "server_per_s": server,
        "idle_w": idle,
        "busy_w": idle + draw(st.floats(0, 1e4)),
    }


def test_deepseeks_day_needs_as_many_nodes_as_it_had():
    # published: DeepSeek open-infra-index day 6 (facts T5): 168e9 output tokens at 14.8k per node and 608e9 input
    # tokens at 73.7k need 226.86 nodes; 226.75 are printed, and the printed rates have three figures.
    nodes = sum(
        capacity.servers_needed(peak_per_s=tokens / 86_400, server_per_s=rate, whole=False)
        for tokens, rate in ((168e9, 14.8e3), (608e9, 73.7e3))
    )
    assert round(float(nodes), 2) == 226.86
    assert nodes == pytest.approx(226.75, rel=1e-3)
    # From the traffic to the margin that they print, 545 %; revenue at the printed prices is 562,100 (printed 562,027).
    revenue = 342e3 * 0.14 + 266e3 * 0.55 + 168e3 * 2.19
    assert revenue == pytest.approx(562_027, rel=2e-4)
    assert round(revenue / (nodes * DEEPSEEK_USD_PER_NODE_DAY) - 1, 2) == 5.45


def test_deepseeks_day_pays_for_the_mean_because_nodes_are_released():
    # published: 226.75 nodes on average, 278 at the peak, 87,072 USD a day exactly; hand: 278 all day are 106,752.
    day = {
        "profile": capacity.sinusoid(peak_to_mean=278 / 226.75),
        "mean_per_s": 226.75,
        "servers": 278,
        "server_per_s": 1.0,
    }
    released = np.mean(capacity.servers_on(**day, whole=False))
    assert released * DEEPSEEK_USD_PER_NODE_DAY == pytest.approx(87_072, rel=1e-12)
    assert day["servers"] * DEEPSEEK_USD_PER_NODE_DAY == 106_752
    used = capacity.utilisation(mean_per_s=226.75, servers=278, server_per_s=1.0)
    assert round(float(used), 4) == 0.8156
    assert used == reference("load-factor.deepseek").value


def test_llama_3s_failures():
    # published: 419 unexpected interruptions of 16,384 GPUs in 54 days, "one every three hours" (facts T11: 3.09 h,
    # 0.173 per GPU-year, an 8-GPU node every 264 days; GPUs and their memory alone 9.1 %).
    failures = reference("failures.llama-3")
    assert round(failures.value, 3) == 0.173
    assert round(failures.low, 3) == 0.091
    cluster = capacity.node_failures_per_year(per_accelerator=failures.value, accelerators=16_384)
    assert round(8760 / float(cluster), 2) == 3.09
    node = capacity.node_failures_per_year(per_accelerator=failures.value, accelerators=8)
    assert round(365 / float(node)) == 264


def test_a_hundred_nodes_need_seven_spares():
    # hand, facts 4.8: λ = 8 × 0.173 = 1.384 a year, a week of repair: mean 2.65, availability 0.974, k = 7 for 99 %.
    node = {"failures_per_year": 1.384, "repair_days": 7.0}
    assert round(float(capacity.servers_in_repair(servers=100, **node)), 2) == 2.65
    assert round(float(capacity.availability(**node)), 3) == 0.974
    assert capacity.spares(servers=100, **node, confidence=0.99) == 7


@given(
    mean=st.floats(0, 200) | st.floats(0, 1e-6),
    confidence=st.floats(0, 1 - 1e-9),
)
def test_spares_are_the_smallest_that_suffice(mean, confidence):
    # sibling: the definition, summed term by term (failures of one server chosen so that N·λ·MTTR is `mean`).
    k = int(capacity.spares(servers=1, failures_per_year=mean * 365, repair_days=1.0, confidence=confidence))
    mean = float(capacity.servers_in_repair(servers=1, failures_per_year=mean * 365, repair_days=1.0))
    terms = [math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) if mean else float(n == 0) for n in range(k + 1)]
    assert math.fsum(terms) >= confidence - 1e-12
    assert k == 0 or math.fsum(terms[:-1]) < confidence + 1e-12


def test_spares_of_an_array():
    # sibling: scipy.stats over a grid, with no failures, tiny and large means.
    servers = np.array([0, 1e-6, 1, 10, 100, 1e4, 1e6])[:, None]
    confidence = np.array([0, 0.5, 0.9, 0.99, 0.999999])
    found = capacity.spares(servers=servers, failures_per_year=1.384, repair_days=7.0, confidence=confidence)
    expected = np.maximum(stats.poisson.ppf(confidence, servers * 1.384 * 7 / 365), 0)  # scipy gives -1 at 0
    np.testing.assert_array_equal(found, expected)


@given(servers=st.floats(0, 1e5), failures=st.floats(0, 100), days=st.floats(0, 100), confidence=st.floats(0, 0.9999))
def test_more_failures_or_more_confidence_never_need_fewer_spares(servers, failures, days, confidence):
    # property
    case = {"servers": servers, "failures_per_year": failures, "repair_days": days, "confidence": confidence}
    base = capacity.spares(**case)
    assert base == np.floor(base)
    assert base >= 0
    for more in ("servers", "failures_per_year", "repair_days"):
        assert capacity.spares(**(case | {more: case[more] * 1.5})) >= base
    assert capacity.spares(**(case | {"confidence": (1 + confidence) / 2})) >= base


def test_spares_and_availability_agree_on_the_mean():
    # sibling: of N + k servers a share a works; where k replaces the mean number in repair, N·(1 + λ·MTTR)·a = N.
    failures = {"failures_per_year": np.geomspace(0.01, 100, 9), "repair_days": 7.0}
    fleet = 100 + capacity.servers_in_repair(servers=100, **failures)
    np.testing.assert_allclose(fleet * capacity.availability(**failures), 100, rtol=1e-14)


@given(peak=rates, server=rates, headroom=st.floats(0, 3), availability=st.floats(0.1, 1))
def test_whole_servers_carry_the_peak_and_one_fewer_would_not(peak, server, headroom, availability):
    # property: N·T·a ≥ peak·(1 + h) > (N − 1)·T·a, up to the hair that is forgiven.
    assume(peak / server < 1e9)
    margin = {"headroom": headroom, "availability": availability}
    n = float(capacity.servers_needed(peak_per_s=peak, server_per_s=server, **margin))
    assert n == math.floor(n)
    needed = peak * (1 + headroom)
    assert n * server * availability >= needed * (1 - 1e-11)
    assert (n - 1) * server * availability < needed


@given(server=rates, headroom=st.floats(0, 3))
def test_whole_servers_become_fractions_as_traffic_grows(server, headroom):
    # property: rounding adds less than one server, so its share vanishes (issue: integer converges to fractional).
    peaks = server * np.geomspace(1, 1e9, 10)
    case = {"peak_per_s": peaks, "server_per_s": server, "headroom": headroom}
    excess = capacity.servers_needed(**case) / capacity.servers_needed(**case, whole=False) - 1
    assert np.all(excess >= -1e-11)
    assert np.all(excess * peaks / server * (1 + headroom) <= 1 + 1e-3)


@given(peak=rates, server=rates, more=st.floats(1, 10))
def test_servers_are_monotone(peak, server, more):
    # property: in demand and headroom up, in throughput and availability down.
    def n(**changes):
        return capacity.servers_needed(**({"peak_per_s": peak, "server_per_s": server} | changes))

    assert n(peak_per_s=peak * more) >= n()
    assert n(headroom=more - 1) >= n()
    assert n(server_per_s=server * more) <= n()
    assert n(availability=1 / more) >= n()


def test_a_hair_above_a_whole_number_is_that_number():
    # hand: (0.1 + 0.2)/0.1 is 3.0000000000000004 and 0.3/0.1 is 2.9999999999999996; both mean 3. No demand needs none.
    assert math.ceil((0.1 + 0.2) / 0.1) == 4
    found = capacity.servers_needed(peak_per_s=[0.1 + 0.2, 0.3, 0.31, 0.0], server_per_s=0.1)
    assert found.tolist() == [3, 3, 4, 0]
    assert capacity.racks_needed(servers=0.1 + 0.2, per_rack=0.1) == 3


@given(profiles)
def test_a_profile_averages_one_whatever_its_unit(values):
    # property
    profile = capacity.load_profile(values)
    assert np.mean(profile) == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(capacity.load_profile(np.array(values) * 7.0), profile, rtol=1e-12)
    assert capacity.peak_to_mean(profile=profile) >= 1 - 1e-12


def test_a_sinusoid_has_the_peak_that_was_asked_for():
    # property: mean 1, peak as given, never negative; one axis more than its argument.
    peaks = np.array([1.0, 1.5, 2.0])
    profile = capacity.sinusoid(peak_to_mean=peaks, slots=24)
    assert profile.shape == (3, 24)
    np.testing.assert_allclose(profile.mean(axis=-1), 1, rtol=1e-14)
    np.testing.assert_array_equal(capacity.peak_to_mean(profile=profile), peaks)
    assert profile.min() >= 0


@given(fleets(), st.booleans())
def test_power_is_that_of_a_loop_over_slots_and_servers(fleet, released):
    # sibling: tco.md 4.4 written out, one slot at a time.
    slots = []
    for share in fleet["profile"]:
        busy = fleet["mean_per_s"] * float(share) / fleet["server_per_s"]
        on = min(math.ceil(busy * (1 - 1e-12)), float(fleet["servers"])) if released else float(fleet["servers"])
        slots.append(fleet["idle_w"] * on + (fleet["busy_w"] - fleet["idle_w"]) * busy)
    expected = {"rel": 1e-9, "abs": 1e-9}
    np.testing.assert_allclose(capacity.slot_power_w(**fleet, released=released), slots, rtol=1e-9, atol=1e-9)
    mean = capacity.mean_power_w(**fleet, released=released)
    assert mean == pytest.approx(math.fsum(slots) / len(slots), **expected)
    assert capacity.peak_power_w(**fleet, released=released) == pytest.approx(max(slots), **expected)
    # Energy of the year is that of its slots, each 8760/n hours long.
    kwh = math.fsum(w / 1e3 * 1.25 * 8760 / len(slots) for w in slots)
    assert capacity.energy_kwh_per_year(mean_power_w=mean, pue=1.25) == pytest.approx(kwh, **expected)


@given(fleets(), st.floats(0, 2), st.floats(0.2, 1))
def test_released_servers_never_use_more_energy(fleet, headroom, availability):
    # property: nor more power at the peak, whatever is kept in reserve.
    margin = {"headroom": headroom, "availability": availability}
    for power in (capacity.mean_power_w, capacity.peak_power_w):
        all_on = power(**fleet)
        assert power(**fleet, released=True, **margin) <= all_on * (1 + 1e-12) + 1e-9
        assert power(**fleet, **margin) == all_on  # margins count only where servers are released
    on = capacity.servers_on(**{k: v for k, v in fleet.items() if not k.endswith("_w")}, **margin)
    assert np.all(on <= fleet["servers"])


@given(fleets())
def test_power_lies_between_idle_and_busy(fleet):
    # property: and a server that draws as much idle as busy makes the demand irrelevant.
    n, mean = fleet["servers"], capacity.mean_power_w(**fleet)
    assert n * fleet["idle_w"] - 1e-6 <= mean * (1 + 1e-9)
    assert mean <= n * fleet["busy_w"] * (1 + 1e-9) + 1e-6
    alike = fleet | {"idle_w": fleet["busy_w"]}
    assert capacity.mean_power_w(**alike) == pytest.approx(n * fleet["busy_w"], rel=1e-12)


def test_a_demand_charge_bills_the_busiest_slot_at_the_meter():
    # hand: 50 servers for a peak of 100/s, idle 1 kW and busy 3 kW: 50 · 1 + 2 · 50 = 150 kW of IT, 180 kW at PUE 1.2.
    day = {"profile": capacity.load_profile([1, 3, 2]), "mean_per_s": 200 / 3, "servers": 50, "server_per_s": 2.0}
    peak_w = capacity.peak_power_w(**day, idle_w=1_000.0, busy_w=3_000.0)
    assert capacity.demand_charge_kw(peak_power_w=peak_w, pue=1.2) == pytest.approx(180, rel=1e-12)


def test_slots_are_the_last_axis_and_the_rest_broadcasts():
    # sibling: two days × three demands at once, against one at a time.
    days = capacity.load_profile([[1, 2, 3, 2], [1, 1, 1, 5]])
    demands = np.array([10.0, 55.0, 123.0])
    case = {"servers": 1000, "server_per_s": 2.0, "idle_w": 100.0, "busy_w": 400.0, "released": True}
    together = capacity.mean_power_w(profile=days[:, None, :], mean_per_s=demands, **case)
    slots = capacity.slot_power_w(profile=days[:, None, :], mean_per_s=demands, **case)
    assert together.shape == (2, 3)
    assert slots.shape == (2, 3, 4)
    for i, day in enumerate(days):
        for j, demand in enumerate(demands):
            one = capacity.mean_power_w(profile=day, mean_per_s=float(demand), **case)
            assert together[i, j] == pytest.approx(float(one), rel=1e-14)
            assert slots[i, j].mean() == pytest.approx(float(one), rel=1e-14)


def test_a_fleet_too_small_for_its_peak_is_refused():
    # property: unserved traffic would make every token look cheaper.
    day = {"profile": capacity.load_profile([1, 3]), "mean_per_s": 10.0, "server_per_s": 5.0}
    power = {"idle_w": 123_456.0, "busy_w": 654_321.0}
    capacity.mean_power_w(**day, servers=3, **power)
    with pytest.raises(ValueError, match="servers do not serve the peak of the profile"):
        capacity.mean_power_w(**day, servers=2, **power)
    with pytest.raises(ValueError, match="profile does not average 1"):
        capacity.servers_on(**(day | {"profile": [1.0, 3.0]}), servers=9)
    with pytest.raises(ValueError, match="idle_w is above busy_w") as error:
        capacity.peak_power_w(**day, servers=3, idle_w=654_321.0, busy_w=123_456.0)
    assert "654" not in str(error.value)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, True, "9", None, []])
def test_what_is_wrong_is_named_and_private_values_are_not_shown(wrong):
    # property: the field is named; a power never appears, a rate does.
    with pytest.raises(ValueError, match="peak_per_s"):
        capacity.servers_needed(peak_per_s=wrong, server_per_s=1.0)
    with pytest.raises(ValueError, match="mean_power_w"):
        capacity.energy_kwh_per_year(mean_power_w=wrong)
    with pytest.raises(ValueError, match="mean_power_w is not accepted: give a finite number") as error:
        capacity.energy_kwh_per_year(mean_power_w=[1.0, -98_765.4])
    assert "98" not in str(error.value)
    with pytest.raises(ValueError, match=r"whole = 1 is not accepted: give True or False"):
        capacity.servers_needed(peak_per_s=1.0, server_per_s=1.0, whole=1)
    with pytest.raises(TypeError, match="peak"):
        capacity.servers_needed(peak=1.0, server_per_s=1.0)


def test_a_day_without_demand_and_a_single_number_are_no_profile():
    # hand
    for wrong, match in (([0, 0], "a day without demand"), (3.0, "single number"), ([1, -1], "rates")):
        with pytest.raises(ValueError, match=match):
            capacity.load_profile(wrong)
    with pytest.raises(ValueError, match="peak_to_mean"):
        capacity.sinusoid(peak_to_mean=2.1)
    with pytest.raises(ValueError, match="slots"):
        capacity.sinusoid(peak_to_mean=1.5, slots=1)


@given(
    points=st.lists(st.tuples(st.floats(0, 1), st.floats(1, 3)), min_size=1, max_size=6, unique_by=lambda p: p[0]),
    load=st.floats(0, 1),
)
def test_pue_between_points_is_numpys(points, load):
    # sibling: np.interp, which is constant beyond the ends too.
    points = sorted(points)
    assume(all(b[0] - a[0] > 1e-6 for a, b in pairwise(points)))
    expected = np.interp(load, *zip(*points, strict=True))
    assert capacity.pue_at(load=load, points=points) == pytest.approx(expected, rel=1e-9)


def test_pue_points_must_rise():
    # hand
    for points in ([(0.5, 1.2), (0.5, 1.3)], [(0.5, 1.2), (0.4, 1.3)], [(0.5, 0.9)], [(1.5, 1.2)], [0.5, 1.2], []):
        with pytest.raises(ValueError, match="point"):
            capacity.pue_at(load=0.5, points=points)


@given(loads=st.lists(st.floats(0.01, 1), min_size=2, max_size=24), fixed=st.floats(0, 1), prop=st.floats(0, 1))
def test_fixed_and_proportional_losses_need_the_mean_load_only(loads, fixed, prop):
    # property: facility power load·PUE(load) is linear, so its mean over a day is that at the mean load.
    losses = {"fixed": fixed, "proportional": prop}
    by_slot = np.mean(np.array(loads) * capacity.pue_from_losses(load=loads, **losses))
    mean = float(np.mean(loads))
    assert by_slot == pytest.approx(mean * float(capacity.pue_from_losses(load=min(mean, 1.0), **losses)), rel=1e-9)
    assert capacity.pue_from_losses(load=loads, **losses).min() >= 1


def test_racks_and_the_limit_that_binds():
    # hand: 40 kW / 10.2 kW = 3.9, 42 U / 8 U = 5.25, 1,200 kg / 130 kg = 9.2, 30 kW of cooling 2.9.
    limits = {"power": (40_000, 10_200), "slots": (42, 8), "weight": (1_200, 130)}
    fit = capacity.servers_per_rack_within(limits)
    assert (float(fit.servers), fit.binding_names) == (3, "power")
    fit = capacity.servers_per_rack_within(limits | {"cooling": (np.array([30_000, 60_000]), 10_200)})
    assert fit.servers.tolist() == [2, 3]
    assert fit.binding_names.tolist() == ["cooling", "power"]
    assert capacity.racks_needed(servers=10, per_rack=3) == 4
    assert capacity.racks_needed(servers=10, per_rack=3, whole=False) == pytest.approx(10 / 3)


@given(rack=st.floats(1, 1e6), server=st.floats(1, 1e5))
def test_power_alone_is_the_facilitys_rule(rack, server):
    # sibling: tco.facility.servers_per_rack; another limit never lets more in.
    fit = capacity.servers_per_rack_within({"power": (rack, server)})
    assert fit.servers == servers_per_rack(rack_power_w=rack, server_power_w=server)
    assert capacity.servers_per_rack_within({"power": (rack, server), "slots": (42, 8)}).servers <= fit.servers


def test_a_limit_without_both_figures_is_refused():
    # hand: unknown is not unlimited.
    for wrong in ({}, {"weight": (1_000, None)}, {"weight": 3.0}, {"weight": (987_654, 0)}):
        with pytest.raises(ValueError, match="limit") as error:
            capacity.servers_per_rack_within(wrong)
        assert "987" not in str(error.value)
    with pytest.raises(ValueError, match="per_rack"):
        capacity.racks_needed(servers=3, per_rack=0)


def test_utilisation_and_idle_are_the_whole():
    # property, and hand: 60 of 80 is 0.75; a fleet that is too small has no idle share.
    demand = np.linspace(0, 80, 9)
    fleet = {"servers": 10, "server_per_s": 8.0}
    used = capacity.utilisation(mean_per_s=demand, **fleet)
    np.testing.assert_allclose(used + capacity.idle_share(mean_per_s=demand, **fleet), 1, rtol=1e-15)
    assert used[6] == 0.75
    assert capacity.idle_share(mean_per_s=100.0, **fleet) == 0


def test_the_formulas_use_nothing_outside_the_array_api():
    # sibling: array-api-strict against NumPy, for the pure formulas and through the checks.
    xp = pytest.importorskip("array_api_strict")
    mean = np.array([10.0, 50.0])
    day = {"profile": capacity.load_profile([1, 2, 3]), "servers": 20.0, "server_per_s": 5.0}
    power = {"idle_w": 100.0, "busy_w": 300.0}
    strict = {"profile": xp.asarray(day["profile"]), "servers": 20.0, "server_per_s": 5.0}
    for released in (False, True):
        for function in (capacity.mean_power_w, capacity.peak_power_w, capacity.slot_power_w):
            expected = function(**day, mean_per_s=mean, **power, released=released)
            for form in (function, function.pure):
                found = form(**strict, mean_per_s=xp.asarray(mean), **power, released=released)
                assert isinstance(found, type(xp.asarray(mean)))
                np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-14)
    found = capacity.servers_needed(peak_per_s=xp.asarray(mean), server_per_s=3.0)
    assert np.asarray(found).tolist() == [4, 17]
    found = capacity.pue_at(load=xp.asarray([0.1, 0.5]), points=[(0.25, 1.6), (0.75, 1.3)])
    np.testing.assert_allclose(np.asarray(found), [1.6, 1.45], rtol=1e-14)


def test_power_can_be_differentiated():
    # hand: the slope of mean power in busy power is the work, D/T servers' worth.
    jax = pytest.importorskip("jax", reason="needs the extra jax")
    jax.config.update("jax_enable_x64", True)
    profile = capacity.load_profile([1, 2, 3])

    def mean_power_w(busy_w):
        return capacity.mean_power_w(
            profile=profile, mean_per_s=30.0, servers=20.0, server_per_s=5.0, idle_w=100.0, busy_w=busy_w
        )

    assert jax.grad(mean_power_w)(300.0) == pytest.approx(6, abs=1e-12)
    assert jax.jit(mean_power_w)(300.0) == pytest.approx(20 * 100 + 200 * 6, rel=1e-14)
