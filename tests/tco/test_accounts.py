"""The yearly account: against a sheet of plain arithmetic, over arrays, and with what it refuses."""

from __future__ import annotations

import inspect
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import tco
from tco.accounts import INFRASTRUCTURE_PARTS, PRICED_PARTS, SERVER_PARTS, account

BASE = {
    "traffic_per_s": 95.0,
    "tokens_per_s": 10.0,
    "power_w": 10_000.0,
    "discount_rate": 0.08,
    "server_years": 4.0,
    "price_usd": 200_000.0,
}
CURVE = ((0.1, 1.6), (0.5, 1.3), (1.0, 1.15))


def recovered(usd, *, rate, years, payments, residual=0.0):
    """A year of capital: every payment discounted by itself, and what is sold at the end taken off."""
    periods = round(payments * years)
    worth_of_payments = math.fsum((1 + rate / payments) ** -k for k in range(1, periods + 1))
    left = residual * usd / (1 + rate / payments) ** periods
    return payments * (usd - left) / worth_of_payments


def poisson_spares(mean, confidence):
    """Fewest spares that suffice, by adding up the distribution term by term."""
    term, k = math.exp(-mean), 0
    share = term
    while share < confidence:
        k += 1
        term *= mean / k
        share += term
    return k


def sheet(x):
    """A fleet's year cell by cell, in plain numbers, from what the docstrings say."""
    finance = {"rate": x["discount_rate"], "payments": x["payments_per_year"]}
    up = (lambda n: math.ceil(round(n, 9))) if x["whole"] else float
    away = x["failures_per_year"] * x["repair_days"] / 365
    spared = x["spares_confidence"] is not None
    rate = x["tokens_per_s"] if spared else x["tokens_per_s"] / (1 + away)
    demand = [x["traffic_per_s"] * slot for slot in x["profile"]]
    needed = [up(each * (1 + x["headroom"]) / rate) for each in demand]
    servers = max(needed)
    spares = poisson_spares(servers * away, x["spares_confidence"]) if spared else 0
    on = needed if x["released"] else [servers] * len(demand)
    idle = x["load"] if x["idle_share"] is None else min(x["idle_share"], x["load"])
    busy = [each / x["tokens_per_s"] for each in demand]
    it_w = [x["power_w"] * (idle * n + (x["load"] - idle) * b) for n, b in zip(on, busy, strict=True)]
    provisioned_kw = servers * x["power_w"] / 1e3
    if x["pue_by_load"]:
        pues = [float(np.interp(w / 1e3 / provisioned_kw, *zip(*x["pue_by_load"], strict=True))) for w in it_w]
    else:
        pues = [x["pue"]] * len(it_w)
    site_kw = [w / 1e3 * pue for w, pue in zip(it_w, pues, strict=True)]
    kwh, it_kwh = (365 * 24 * sum(each) / len(each) for each in (site_kw, [w / 1e3 for w in it_w]))

    parts = {}
    if x["rent_usd_per_h"] is not None:
        hours = 365 * 24 * x["accelerators"] * (sum(on) / len(on) if x["commitment_years"] is None else servers)
        parts["rent"] = hours * x["rent_usd_per_h"]
        if x["commitment_years"] is not None:
            early = x["upfront_share"] * parts["rent"] * x["commitment_years"]
            parts["rent"] *= 1 - x["upfront_share"]
            parts["rent"] += recovered(early, years=x["commitment_years"], **finance)
    else:
        server = recovered(x["price_usd"], years=x["server_years"], residual=x["residual_share"], **finance)
        parts["server"] = servers * server
        if spared:
            parts["spares"] = spares * server
        for part in ("network", "storage", "installation"):
            parts[part] = servers * recovered(x[f"{part}_usd"], years=x["server_years"], **finance)
        parts["licences"] = servers * x["licences_usd_per_year"]
        parts["support"] = servers * x["support_share_per_year"] * x["price_usd"]
        if x["colocation_usd_per_kw_month"] is None:
            racks = up(servers / x["servers_per_rack"])
            parts["rack"] = racks * recovered(x["rack_usd"], years=x["facility_years"], **finance)
            watt = recovered(x["usd_per_watt"], years=x["facility_years"], **finance)
            parts["plant"] = provisioned_kw * 1e3 * watt
        else:
            parts["colocation"] = provisioned_kw * 12 * x["colocation_usd_per_kw_month"]
        parts["energy"] = kwh * x["usd_per_kwh"]
        parts["demand"] = max(site_kw) * 12 * x["demand_usd_per_kw_month"]
        parts["operations"] = provisioned_kw * 12 * x["operations_usd_per_kw_month"]
        parts["carbon"] = kwh * x["grid_gco2_per_kwh"] / 1e6 * x["usd_per_tonne_co2"]
        parts["water"] = it_kwh * x["litres_per_kwh"] / 1e3 * x["usd_per_m3_water"]
    parts["porting"] = recovered(x["porting_usd"], years=x["server_years"], **finance)
    return {"servers": servers, "on the shelf": spares, "kWh": kwh} | parts


share, money = st.floats(0, 0.5), st.floats(0, 1e5)


@st.composite
def cases(draw):
    """All the inputs of an account, each a number."""
    # Traffic in a hundredth of a server at least: that far from a whole number, both sides round alike.
    tokens_per_s = draw(st.floats(1, 1e4))
    x = {
        "traffic_per_s": tokens_per_s * draw(st.integers(1, 30_000)) * 0.01,
        "tokens_per_s": tokens_per_s,
        "power_w": draw(st.floats(1e3, 2e4)),
        "discount_rate": draw(st.sampled_from([0.0, 1e-9, 0.03, 0.3])),
        "server_years": draw(st.sampled_from([1.0, 3.0, 4.5, 6.0])),
        "payments_per_year": draw(st.sampled_from([1.0, 2.0, 12.0])),
        "profile": draw(st.sampled_from([(1.0,), (0.5, 1.5), (0.0, 0.25, 2.75), (1.25, 0.5, 1.25, 1.0)])),
        "headroom": draw(share),
        "released": draw(st.booleans()),
        "load": draw(st.floats(0.1, 1)),
        "idle_share": draw(st.one_of(st.none(), st.floats(0, 1))),
        "accelerators": 8.0,
        "failures_per_year": draw(st.floats(0, 3)),
        "repair_days": draw(st.floats(0, 30)),
        "pue": draw(st.floats(1, 2)),
        "pue_by_load": draw(st.sampled_from([None, CURVE])),
        "facility_years": draw(st.sampled_from([8.0, 12.0])),
        "servers_per_rack": draw(st.sampled_from([1.0, 3.0, 4.0])),
        "porting_usd": draw(money),
        "whole": draw(st.booleans()),
        "commitment_years": draw(st.sampled_from([None, 1.0, 3.0])),
        "upfront_share": draw(share),
        "rent_usd_per_h": draw(st.one_of(st.none(), st.floats(0.1, 10))),
        "colocation_usd_per_kw_month": draw(st.one_of(st.none(), st.floats(0, 300))),
        "support_share_per_year": draw(share),
        "residual_share": draw(share),
    }
    x["spares_confidence"] = draw(st.sampled_from([None, 0.5, 0.99])) if x["whole"] else None
    if x["server_years"] * x["payments_per_year"] % 1:
        x["payments_per_year"] = 2.0
    if x["commitment_years"] is None:
        x["upfront_share"] = 0.0
    for name in ("price_usd", "network_usd", "storage_usd", "installation_usd", "licences_usd_per_year", "rack_usd",
                 "usd_per_watt", "usd_per_kwh", "demand_usd_per_kw_month", "operations_usd_per_kw_month",
                 "usd_per_tonne_co2", "grid_gco2_per_kwh", "usd_per_m3_water", "litres_per_kwh"):  # fmt: skip
        x[name] = draw(money)
    return x


def accepted(x):
    """The same inputs without those that a rent or colocation takes the place of."""
    x = dict(x)
    if x["rent_usd_per_h"] is not None:
        keep = ("rent_usd_per_h", "porting_usd", "commitment_years", "upfront_share")
        x = {name: value for name, value in x.items() if "usd" not in name or name in keep}
        x.pop("support_share_per_year")
    elif x["colocation_usd_per_kw_month"] is not None:
        x.pop("rack_usd"), x.pop("usd_per_watt")
    return x


@given(cases())
def test_an_account_is_what_a_sheet_of_plain_arithmetic_makes_of_the_docstrings(x):
    # sibling: annuities summed payment by payment, Poisson term by term, the day slot by slot.
    found = account(**accepted(x))
    expected = sheet(x)
    got = {part: float(usd) for part, usd in found.parts.items()}
    got |= {"servers": float(found.servers), "on the shelf": float(found.spares), "kWh": float(found.energy_kwh)}
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert math.fsum(float(usd) for usd in found.parts.values()) == pytest.approx(float(found.total_usd), rel=1e-12)
    assert all(math.isfinite(usd) and usd >= 0 for usd in got.values())


def test_every_part_is_the_servers_or_the_infrastructures():
    # property: none is lost from the total, none is in both.
    assert not set(SERVER_PARTS) & set(INFRASTRUCTURE_PARTS)
    assert set(PRICED_PARTS) < set(SERVER_PARTS)
    everything = BASE | {
        name: 1.0 for name in inspect.signature(account).parameters if "usd" in name and "rent" not in name
    }
    everything |= {
        "failures_per_year": 1.0,
        "repair_days": 7.0,
        "spares_confidence": 0.9,
        "support_share_per_year": 0.1,
        "grid_gco2_per_kwh": 1.0,
        "litres_per_kwh": 1.0,
    }
    owned = account(**everything | {"colocation_usd_per_kw_month": None})
    housed = account(**everything | {"rack_usd": None, "usd_per_watt": None})
    rented = account(**BASE | {"price_usd": None, "rent_usd_per_h": 2.0})
    assert {*owned.parts, *housed.parts, *rented.parts} == {*SERVER_PARTS, *INFRASTRUCTURE_PARTS}


# --- arrays


SWEPT = {
    "tokens_per_s": np.array([[8.0], [9.5], [31.0]]),
    "traffic_per_s": np.array([20.0, 95.0, 190.0, 191.0]),
}


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("pue_by_load", [None, CURVE])
@pytest.mark.parametrize("rented", [False, True])
def test_a_sweep_over_two_axes_equals_the_loop(released, pue_by_load, rented):
    # property: shapes (3, 1) and (4,) beside a day of three slots, which has an axis of its own.
    options = {
        "profile": np.array([0.25, 1.0, 1.75]),
        "released": released,
        "idle_share": 0.3,
        "pue_by_load": pue_by_load,
        "failures_per_year": 1.4,
        "repair_days": 7.0,
    }
    if rented:
        options |= {"price_usd": None, "rent_usd_per_h": np.array([1.0, 2.0, 3.0, 4.0])}
    else:
        options |= {"spares_confidence": 0.9, "rack_usd": 1e4, "usd_per_kwh": 0.1, "demand_usd_per_kw_month": 9.0}
    swept = account(**BASE | options | SWEPT)
    assert swept.total_usd.shape == (3, 4)
    for i, j in itertools.product(range(3), range(4)):
        one = {"tokens_per_s": SWEPT["tokens_per_s"][i, 0], "traffic_per_s": SWEPT["traffic_per_s"][j]}
        if rented:
            one["rent_usd_per_h"] = options["rent_usd_per_h"][j]
        alone = account(**BASE | options | one)
        for name in ("total_usd", "servers", "spares", "pue", "energy_kwh", "site_power_w", "usd_per_million_tokens"):
            values = np.broadcast_to(getattr(swept, name), (3, 4))
            assert values[i, j] == pytest.approx(float(getattr(alone, name)), rel=1e-13), name


def test_every_input_may_be_an_array():
    # property: two of the same are twice the one, whichever input it is.
    every = BASE | {
        "usd_per_tonne_co2": 50.0, "grid_gco2_per_kwh": 400.0, "usd_per_m3_water": 3.0, "litres_per_kwh": 1.8,
        "failures_per_year": 1.0, "repair_days": 7.0, "spares_confidence": 0.9, "idle_share": 0.3, "rack_usd": 1e4,
        "network_usd": 1e4, "storage_usd": 1e4, "installation_usd": 1e3, "licences_usd_per_year": 1e3,
        "support_share_per_year": 0.05, "porting_usd": 1e5, "usd_per_watt": 12.0, "usd_per_kwh": 0.1,
        "demand_usd_per_kw_month": 9.0, "operations_usd_per_kw_month": 5.0, "headroom": 0.2, "load": 0.9,
        "residual_share": 0.1, "servers_per_rack": 3.0, "facility_years": 12.0, "pue": 1.2, "payments_per_year": 12.0,
    }  # fmt: skip
    alone = float(account(**every).total_usd)
    for name, value in every.items():
        np.testing.assert_allclose(
            account(**every | {name: np.array([value, value])}).total_usd, alone, rtol=1e-13, err_msg=name
        )


def test_it_compiles_and_differentiates():
    # sibling: JAX's gradient against a finite difference of NumPy's account, whole servers held by a small step.
    jax = pytest.importorskip("jax", reason="needs the extra jax")
    jax.config.update("jax_enable_x64", True)
    case = BASE | {"profile": np.array([0.5, 1.5]), "idle_share": 0.3, "pue_by_load": CURVE, "usd_per_kwh": 0.1}
    for name in ("usd_per_kwh", "discount_rate", "price_usd", "tokens_per_s"):

        def total(value, name=name):
            return account(**case | {name: value}).total_usd

        step = case[name] * 1e-6
        slope = (total(case[name] + step) - total(case[name] - step)) / (2 * step)
        assert float(jax.grad(total)(case[name])) == pytest.approx(float(slope), rel=1e-5), name
        assert float(jax.jit(total)(case[name])) == pytest.approx(float(total(case[name])), rel=1e-13), name


# --- what is not known, or cannot be


def test_without_price_and_rent_there_is_no_total():
    # property: unknown is not zero; what is known may be asked for by itself.
    bare = account(**BASE | {"price_usd": None}, usd_per_kwh=0.1)
    assert float(bare.infrastructure_usd) == pytest.approx(10 * 10 * 8760 * 0.1)
    for name in ("server_usd", "total_usd", "usd_per_million_tokens"):
        with pytest.raises(hs.UnknownValueError, match="neither price_usd nor rent_usd_per_h"):
            getattr(bare, name)
    assert account(**BASE | {"price_usd": 0.0}).total_usd == 0  # who says 0 means it


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rent_usd_per_h": 2.0}, "price_usd and rent_usd_per_h are both given"),
        ({"price_usd": None, "support_share_per_year": 0.1}, "support_share_per_year says nothing without price_usd"),
        ({"usd_per_tonne_co2": 10.0}, "usd_per_tonne_co2 says nothing without grid_gco2_per_kwh"),
        ({"usd_per_m3_water": 10.0}, "usd_per_m3_water says nothing without litres_per_kwh"),
        ({"failures_per_year": 1.0}, "failures_per_year says nothing without repair_days"),
        ({"repair_days": 1.0}, "repair_days says nothing without failures_per_year"),
        ({"spares_confidence": 0.9}, "spares_confidence says nothing without failures_per_year"),
        (
            {"failures_per_year": 1.0, "repair_days": 1.0, "spares_confidence": 0.9, "whole": False},
            "spares_confidence needs whole servers",
        ),
        ({"upfront_share": 0.5}, "upfront_share says nothing without commitment_years"),
        ({"colocation_usd_per_kw_month": 100.0, "rack_usd": 1.0}, "rack_usd and colocation_usd_per_kw_month"),
        ({"colocation_usd_per_kw_month": 100.0, "usd_per_watt": 1.0}, "usd_per_watt and colocation_usd_per_kw_month"),
        ({"profile": [1.0, 2.0]}, "profile does not average 1"),
        ({"profile": 1.0}, "profile does not average 1"),
        ({"whole": 1}, "whole = 1 is not accepted: give True or False"),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        account(**BASE | changes)


@pytest.mark.parametrize("value", [-7.3319, math.nan, math.inf, "7.3319", True, [7.3319, -7.3319], None])
def test_no_message_shows_an_input(value):
    # property: whichever input it is, it is named and not shown; what may be left out may be None.
    for name, parameter in inspect.signature(account).parameters.items():
        if name in ("whole", "released") or (value is None and parameter.default is None):
            continue
        with pytest.raises(ValueError, match=name) as error:
            account(**BASE | {name: value})
        assert "7.3319" not in str(error.value)


def test_an_account_pickles_and_shows_no_amount():
    found = account(**BASE | {"price_usd": 123_457.0})
    again = pickle.loads(pickle.dumps(found))
    assert again.total_usd == found.total_usd
    assert repr(found) == "Account(server; shape ())"


# --- conventions


def test_a_flat_curve_of_the_pue_is_a_constant_pue():
    # property.
    options = {"profile": np.array([0.5, 1.5]), "idle_share": 0.2, "usd_per_kwh": 0.1, "demand_usd_per_kw_month": 9.0}
    constant = account(**BASE | options, pue=1.3)
    curve = account(**BASE | options, pue_by_load=((0.0, 1.3), (1.0, 1.3)))
    for name in ("total_usd", "energy_kwh", "pue", "site_power_w"):
        assert getattr(curve, name) == pytest.approx(float(getattr(constant, name)), rel=1e-13)


def test_each_slot_of_the_day_has_its_own_pue():
    # hand: two servers of 10 kW, all busy for half of the day and idle, at nothing, for the other: 20 kW at PUE 1.2 and
    # none at 2.0. The year's PUE is 1.2, not the 1.6 of the mean load; the demand charge is for 24 kW.
    found = account(
        **BASE | {"traffic_per_s": 10.0},
        profile=np.array([2.0, 0.0]),
        idle_share=0.0,
        pue_by_load=((0.0, 2.0), (1.0, 1.2)),
        usd_per_kwh=0.1,
        demand_usd_per_kw_month=10.0,
    )
    assert float(found.pue) == pytest.approx(1.2)
    assert float(found.parts["energy"]) == pytest.approx(20 / 2 * 1.2 * 8760 * 0.1)
    assert float(found.parts["demand"]) == pytest.approx(24 * 12 * 10)
    assert float(found.site_power_w) == pytest.approx(24_000)


def test_a_site_is_provisioned_at_its_full_load():
    # hand: at a tenth of the load the PUE is 1.6, and the site must still feed 100 kW at 1.15.
    found = account(**BASE | {"load": 0.1}, pue_by_load=CURVE)
    assert float(found.pue) == pytest.approx(1.6)
    assert float(found.site_power_w) == pytest.approx(115_000)


@pytest.mark.parametrize(("traffic", "servers"), [(100.0, 10), (100.0 + 1e-9, 11), (99.999, 10), (1e-6, 1)])
def test_a_fleet_that_is_a_whole_number_is_that_number(traffic, servers):
    # hand: neither a hair of rounding nor a millionth of the traffic makes or saves a server.
    assert float(account(**BASE | {"traffic_per_s": traffic}).servers) == servers


def test_monthly_payments_and_kilowatt_months_are_of_one_calendar():
    # hand: 100 kW for 12 months; a month is a twelfth of 8,760 h whatever it pays for.
    found = account(**BASE, operations_usd_per_kw_month=7.0, demand_usd_per_kw_month=5.0, usd_per_kwh=0.01)
    assert float(found.parts["operations"]) == pytest.approx(100 * 12 * 7)
    assert float(found.parts["demand"]) == pytest.approx(100 * 12 * 5)
    month_kwh = 100 * tco.finance.HOURS_PER_MONTH
    assert float(found.parts["energy"]) == pytest.approx(12 * month_kwh * 0.01)


def test_errors_far_in_the_tails_still_have_an_account():
    # property: a throughput that is off by e^±60, which heavy tails draw now and then, gives finite costs and ends.
    failing = {"failures_per_year": 1.0, "repair_days": 7.0, "spares_confidence": 0.99}
    far = account(**BASE | failing | {"tokens_per_s": 10.0 * np.exp([-60.0, -30.0, 60.0])})
    assert np.all(np.isfinite(far.total_usd))
    assert float(far.servers[-1]) == 1
