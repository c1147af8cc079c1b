"""What is known of how far inputs may be off, and a comparison under all of it."""

from __future__ import annotations

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
import tco
from roofline.measurements import Run
from tco import uncertainty
from tco.facility import FACILITY_RANGES

HLS, DGX = hs.get_server("gaudi-2-hls"), hs.get_server("dgx-h100")
DAY = tco.Traffic(tokens_per_s=3e6)
SURE = tco.Service(failures_per_accelerator_year=0.0, spares_confidence=None)


def deploy(server=DGX, rate=40_000.0, terms=None, **facility):
    return tco.Deployment(server, tco.Facility(**facility), rate, terms=terms or tco.Purchase())


def ran(accelerator, rate):
    row = {"accelerator": accelerator, "devices": 1, "llm": "llama-3.1-8b", "precision": "fp8", "phase": "decode"}
    return Run(row | {"batch": 64.0, "context_tokens": 2048.0, "output_tokens_per_s": rate})


def measured(even=1.0):
    """A measured pair whose TCO ratio is near 1 times `even`, so that either may be the cheaper."""
    a = deploy(HLS, ran("gaudi-2", 4500.0))
    level = float(tco.compare(a, deploy(DGX, ran("h100-sxm", 6100.0))).ratio)
    return a, deploy(DGX, ran("h100-sxm", 6100.0 / level * even))


# --- what is known


def test_defaults_that_both_sides_take_are_one_input():
    # property: each is drawn from the range of its sources, about the value that the account has.
    c = tco.compare(deploy(HLS, 36_000.0), deploy())
    found = uncertainty.known(c)
    assert all("." not in name for name in found)
    for name, one in found.items():
        low, high, _ = FACILITY_RANGES[name]
        assert (one.low, one.mode, one.high) == (low, c.a.inputs[name], high)
        assert c.a.inputs[name] == c.b.inputs[name]


@pytest.mark.parametrize(
    ("ours", "theirs", "name", "inputs"),
    [
        ({"usd_per_kwh": 0.05}, {}, "usd_per_kwh", ("b.usd_per_kwh",)),
        ({}, {"discount_rate": 0.05}, "discount_rate", ("a.discount_rate",)),
        ({"terms": tco.Purchase(years=6.0)}, {}, "server_years", ("b.server_years",)),
        ({"colocation_usd_per_kw_month": 150.0}, {}, "usd_per_watt", ("usd_per_watt",)),
        ({"pue_by_load": ((0.5, 1.3), (1.0, 1.2))}, {}, "pue", ("pue",)),
        ({"usd_per_kwh": 0.05}, {"usd_per_kwh": 0.05}, "usd_per_kwh", ()),
        ({"terms": tco.Rental(usd_per_h=2.0)}, {}, "server_years", ("server_years",)),
        (
            {"terms": tco.Rental(usd_per_h=2.0, commitment_years=3.0, upfront_share=0.5)},
            {},
            "discount_rate",
            ("discount_rate",),
        ),
    ],
)
def test_what_one_side_gives_itself_does_not_move_with_the_others_default(ours, theirs, name, inputs):
    # property: the name says whose it is, and moving it leaves what is given where it is.
    c = tco.compare(deploy(HLS, 36_000.0, **ours), deploy(**theirs))
    found = {key: one for key, one in uncertainty.known(c).items() if key.rpartition(".")[2] == name}
    assert tuple(found) == inputs
    for key in found:
        given_by = {"a": theirs, "b": ours}.get(key.partition(".")[0])
        if "." in key and given_by is not None:
            side = c.a if key.startswith("b") else c.b
            other = c.b if key.startswith("b") else c.a
            moved = c.evaluate(**{key: found[key].high})
            shifted = (
                other.evaluate(**{name: found[key].high}).total_usd / other.tokens_per_s,
                side.usd_per_year / side.tokens_per_s,
            )
            assert moved == pytest.approx(shifted[1] / shifted[0] if key.startswith("b") else shifted[0] / shifted[1])


def test_published_ranges_of_prices_are_drawn_from():
    # hand: MI300X chips of 10,000 to 15,000 USD. A price that is given is certain; a rent is the lowest that is quoted.
    mi300x = hs.get_server("mi300x-8gpu")
    a = deploy(mi300x, 30_000.0)
    found = uncertainty.known(tco.compare(a, deploy()))["a.price_usd"]
    assert (found.low, found.high) == (pytest.approx(a.price.value), pytest.approx(1.5 * a.price.value))
    less = tco.Purchase(host_memory_gib=2048.0, host_memory_alike_gib=1024.0, usd_per_gib=10.0)
    moved = uncertainty.known(tco.compare(deploy(mi300x, 30_000.0, less), deploy()))["a.price_usd"]
    assert (moved.low, moved.high) == (pytest.approx(found.low - 10_240), pytest.approx(found.high - 10_240))
    assert f"{moved.low:,.0f}" not in repr(moved)
    assert f"{moved.low:.0f}" not in repr(moved)
    assert "a.price_usd" not in uncertainty.known(tco.compare(deploy(mi300x.replace(price_usd=1e5), 1.0), deploy()))
    for key in hs.server_names():
        server = hs.get_server(key)
        rents = hs.get(server.accelerator).rents
        if rents and rents[0].is_range and server.power_w is not None and server.power_w < 40_000:
            rented = tco.compare(deploy(server, 1.0, tco.Rental()), deploy())
            assert "a.rent_usd_per_h" not in uncertainty.known(rented)
            assert rented.a.price.value == rents[0].low_usd_per_h
            break
    else:
        pytest.fail("no rent of the catalogue is a range")


def test_water_is_known_by_the_accounts_name():
    # property: every name that is known is one that the comparison takes.
    priced = {"usd_per_m3_water": 3.0, "usd_per_tonne_co2": 50.0}
    c = tco.compare(deploy(HLS, 36_000.0, **priced), deploy(**priced))
    found = uncertainty.known(c)
    assert {"litres_per_kwh", "grid_gco2_per_kwh"} <= set(found)
    for name, one in found.items():
        assert c.evaluate(**{name: one.low}) != c.ratio, name


def test_one_run_on_servers_bought_and_rented_is_off_once():
    # property: the error is the same on both sides, so it moves neither R_Th nor the verdict.
    run = ran("h100-sxm", 6100.0)
    rented = tco.Rental(usd_per_h=1.9)
    own, hired = deploy(DGX, run), deploy(DGX, run, rented)
    c = tco.compare(own, hired)
    assert c.interval(0.9, of="r_th")[:2] == (1.0, 1.0)
    assert c.probability_a == (1.0 if c.ratio < 1 else 0.0)
    found = uncertainty.known(c)
    assert "tokens_per_s" in found
    assert not {"a.tokens_per_s", "b.tokens_per_s"} & set(found)
    drawn = uncertainty.simulate(c, {"tokens_per_s": found["tokens_per_s"]}, draws=64)
    np.testing.assert_allclose(drawn.values, float(c.ratio), rtol=1e-12)
    plans = tco.compare(*(tco.plan(side, DAY, SURE, whole=False) for side in (own, hired)))
    assert plans.interval(0.9)[:2] == pytest.approx((plans.ratio, plans.ratio), rel=1e-12)
    # Another run of the same machine is off by itself, and so is the same calibration on another machine.
    low, high, _ = tco.compare(own, deploy(DGX, ran("h100-sxm", 6200.0), rented)).interval(0.9, of="r_th")
    assert low < high


def test_one_calibration_on_one_machine_is_off_once():
    # property: as for runs, whatever is served with it; another calibration, or machine, has errors of its own.
    llm, h100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    losses = rl.get_calibration("h100-sxm", precision="fp8")

    def calibrated(batch, chip=h100, found=losses, server=DGX, **options):
        step = rl.decode(llm, chip, batch=batch, context_tokens=2048, precision="fp8", calibration=found)
        return deploy(server, step, **options)

    assert calibrated(64).off_alike(calibrated(32))
    assert tco.compare(calibrated(64), calibrated(32)).interval()[0] == pytest.approx(
        float(tco.compare(calibrated(64), calibrated(32)).ratio), rel=1e-12
    )
    assert not calibrated(64).off_alike(deploy(DGX, ran("h100-sxm", 6100.0)))
    assert not calibrated(64).off_alike(deploy())
    assert not deploy(rate=1.0).off_alike(deploy(rate=2.0))
    # Two machines that happen to run as fast were still measured by themselves.
    assert not deploy(HLS, ran("gaudi-2", 5000.0)).off_alike(deploy(DGX, ran("h100-sxm", 5000.0)))


# --- under all of it


@pytest.mark.parametrize("even", [0.97, 1.0, 1.02])
def test_drawn_throughputs_agree_with_the_closed_form(even):
    # sibling: Sobol' draws of both errors against the sum over their nodes; of plans, fractional ones as well.
    a, b = measured(even)
    c = tco.compare(a, b)
    found = {name: one for name, one in uncertainty.known(c).items() if "tokens_per_s" in name}
    assert sorted(found) == ["a.tokens_per_s", "b.tokens_per_s"]
    drawn = uncertainty.simulate(c, found, draws=8192)
    assert drawn.probability_below().value == pytest.approx(c.probability_a, abs=0.005)
    assert drawn.interval(0.9)[:2] == pytest.approx(c.interval(0.9)[:2], rel=2e-3)
    plans = tco.compare(*(tco.plan(side, DAY, SURE, whole=False) for side in (a, b)))
    assert plans.probability_a == pytest.approx(c.probability_a, abs=0.015)
    assert plans.interval(0.9)[:2] == pytest.approx(c.interval(0.9)[:2], rel=5e-3)
    again = uncertainty.simulate(plans, found, draws=8192)
    assert again.probability_below().value == pytest.approx(plans.probability_a, abs=0.015)


def test_whole_fleets_are_drawn_with_their_servers():
    # sibling: the draws of a plan's own interval against a simulation of its throughputs, whole servers in both.
    a, b = measured()
    plans = tco.compare(*(tco.plan(side, DAY, tco.Service(headroom=0.1)) for side in (a, b)))
    found = {name: one for name, one in uncertainty.known(plans).items() if "tokens_per_s" in name}
    drawn = uncertainty.simulate(plans, found, draws=8192)
    assert drawn.probability_below().value == pytest.approx(plans.probability_a, abs=0.02)
    assert drawn.interval(0.9)[:2] == pytest.approx(plans.interval(0.9)[:2], rel=0.01)


def test_everything_at_its_median_is_the_base_of_the_tornado():
    # property: each bar is the ratio with that input alone at an end of its interval.
    c = tco.compare(deploy(HLS, 36_000.0), deploy())
    found = uncertainty.known(c)
    bars = uncertainty.tornado(c, level=0.8)
    middle = {name: float(one.quantile(0.5)) for name, one in found.items()}
    assert bars.base == pytest.approx(float(c.evaluate(**middle)), rel=1e-12)
    assert {bar.name for bar in bars.bars} == set(found)
    for bar in bars.bars:
        low, high, _ = found[bar.name].interval(0.8)
        ends = [float(c.evaluate(**middle | {bar.name: end})) for end in (low, high)]
        assert (bar.at_low, bar.at_high) == pytest.approx(ends, rel=1e-12)
    assert [bar.swing for bar in bars.bars] == sorted((bar.swing for bar in bars.bars), reverse=True)


def test_own_distributions_stand_beside_or_instead():
    # hand: with the ratio certain but for one uniform input, its median is the ratio at the middle.
    c = tco.compare(deploy(HLS, 36_000.0), deploy())
    drawn = uncertainty.simulate(c, {"a.price_usd": tco.risk.Uniform(80_000.0, 160_000.0, private=True)}, draws=1024)
    assert drawn.median == pytest.approx(float(c.ratio_at(price_a_usd=120_000.0)), rel=1e-3)
    assert "80000" not in repr(drawn).replace(",", "")


# --- what has no answer


@pytest.mark.parametrize("ask", [uncertainty.known, uncertainty.simulate, uncertainty.tornado])
def test_several_throughputs_are_refused(ask):
    several = deploy(HLS, np.array([1e4, 2e4]))
    for c in (tco.compare(several, deploy()), tco.compare(deploy(), several)):
        with pytest.raises(ValueError, match="several throughputs"):
            ask(c)


def test_where_everything_is_given_nothing_is_off():
    private = {name: getattr(tco.Facility(), name) for name in FACILITY_RANGES}
    c = tco.compare(deploy(HLS.replace(price_usd=1e5), 36_000.0, **private), deploy(**private))
    assert uncertainty.known(c) == {}
    for ask in (uncertainty.simulate, uncertainty.tornado):
        with pytest.raises(ValueError, match="nothing says how far an input may be off"):
            ask(c)


def test_names_that_no_account_holds_are_refused():
    c = tco.compare(deploy(HLS, 36_000.0), deploy())
    one = tco.risk.Uniform(0.0, 1.0)
    for name, message in (
        ("usd_per_kw", "usd_per_kw is no input of either account; did you mean usd_per_kwh"),
        ("a.usd_per_kw", "usd_per_kw is no input of this account; did you mean usd_per_kwh"),
        ("a.storage_usd", "storage_usd is not in this account"),
        ("storage_usd", "storage_usd is no input of either account"),
        ("c.price_usd", r"c\.price_usd is no input of either account"),
    ):
        with pytest.raises(ValueError, match=message):
            uncertainty.simulate(c, {name: one}, draws=64)


def test_draws_that_leave_what_an_input_may_be_are_refused_and_not_counted():
    # property: a distribution whose tail is no PUE, or no share, says so instead of making tokens cheap.
    c = tco.compare(deploy(HLS, 36_000.0), deploy())
    with pytest.raises(ValueError, match="pue is not accepted"):
        uncertainty.simulate(c, {"pue": tco.risk.Uniform(0.5, 1.5)}, draws=64)


# --- what it is worth to know


@pytest.mark.parametrize("planned", [False, True])
def test_costs_are_those_of_the_sides_over_b_as_it_is(planned):
    # sibling: the ratio, and the accounts of both sides by themselves.
    sides = deploy(HLS, 36_000.0), deploy(rate=45_000.0)
    if planned:
        sides = tuple(tco.plan(side, DAY) for side in sides)
    c = tco.compare(*sides)
    changes = {"usd_per_kwh": np.array([0.05, 0.2]), "a.price_usd": 150_000.0, "b.tokens_per_s": 50_000.0}
    of_a, of_b = c.costs(**changes)
    np.testing.assert_allclose(of_a / of_b, c.evaluate(**changes), rtol=1e-13)
    if planned:
        expected = c.b.evaluate(usd_per_kwh=changes["usd_per_kwh"], tokens_per_s=50_000.0).total_usd / c.b.usd_per_year
    else:
        usd = c.b.evaluate(usd_per_kwh=changes["usd_per_kwh"]).total_usd
        expected = usd / c.b.usd_per_year * 45_000.0 / 50_000.0
    np.testing.assert_allclose(of_b, expected, rtol=1e-13)
    assert c.costs()[1] == pytest.approx(1, rel=1e-15)


def test_what_a_server_does_is_no_input_of_its_year():
    # property: nothing that changes no figure is accepted in silence.
    with pytest.raises(ValueError, match="tokens_per_s is no input of this account"):
        deploy().evaluate(tokens_per_s=1.0)
    with pytest.raises(ValueError, match=r"tokens_per_s .*is not accepted"):
        tco.compare(deploy(HLS), deploy()).evaluate(**{"a.tokens_per_s": 0.0})
