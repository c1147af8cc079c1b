"""What a datacentre charges a server."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import tco
from tco import _checked
from tco.accounts import account
from tco.facility import FACILITY_RANGES, FACILITY_SOURCES, servers_per_rack


def one_server(facility, power_w):
    """Yearly cost of one server by part, its price aside."""
    per_rack, _ = facility.servers_per_rack(hs.get_server("dgx-h100"), power_w)
    return account(
        traffic_per_s=1.0,
        tokens_per_s=1.0,
        whole=False,
        power_w=power_w,
        server_years=facility.server_years,
        servers_per_rack=float(per_rack),
        **facility.terms,
    ).parts


def test_infrastructure_by_hand():
    # hand: 40 kW rack, 10.2 kW server: n = 3; the design note's formula, term by term.
    facility = tco.Facility(
        pue=1.25,
        usd_per_kwh=0.08,
        rack_power_kw=40.0,
        rack_usd=60_000.0,
        usd_per_watt=12.0,
        facility_years=12,
        server_years=4,
        discount_rate=0.08,
    )
    cost = one_server(facility, 10_200.0)
    factor = 0.08 / (1 - 1.08**-12)
    assert cost["rack"] == pytest.approx(60_000 * factor / 3, rel=1e-12)
    assert cost["plant"] == pytest.approx(12 * 10_200 * factor, rel=1e-12)
    assert cost["energy"] == pytest.approx(10.2 * 1.25 * 8760 * 0.08, rel=1e-12)


@given(power=st.floats(100, 40_000), cap=st.floats(0.5, 1))
def test_a_lower_power_never_costs_more(power, cap):
    # property: Kim II-A, the benefit of lower power is twofold; rack, plant and energy each fall or stay.
    facility = tco.Facility()
    high, low = one_server(facility, power), one_server(facility, power * cap)
    assert list(high) == ["rack", "plant", "energy"]
    assert all(low[part] <= high[part] for part in high)


def test_whole_servers_per_rack():
    # hand.
    powers = np.array([5_000.0, 10_200.0, 20_000.0])
    np.testing.assert_array_equal(servers_per_rack(rack_power_w=40_000.0, server_power_w=powers), [8, 3, 2])


def test_a_server_bigger_than_its_rack_is_refused():
    with pytest.raises(ValueError, match="rack_power_kw is below what one server needs") as error:
        tco.Facility(rack_power_kw=31.7).servers_per_rack(hs.get_server("dgx-h100"), 45_678)
    assert not any(private in str(error.value) for private in ("45", "31.7"))


def test_a_rack_that_is_a_whole_number_of_servers_holds_them():
    # hand: 2 × 16.15 kW in 32.3 kW, which binary fractions make 1.9999…; and a rack of exactly one server.
    facility = tco.Facility(rack_power_kw=32.3, rack_usd=1e5, usd_per_watt=0.0, discount_rate=0.0, facility_years=10.0)
    assert one_server(facility, 16_150.0)["rack"] == pytest.approx(5_000)
    assert one_server(facility, 32_300.0)["rack"] == pytest.approx(10_000)


def test_every_default_has_a_source():
    # property: none is left out, and none is explained that does not exist.
    # What has no default is not in the account until it is given.
    defaults = {name for name in tco.Facility.model_fields if getattr(tco.Facility(), name) is not None}
    assert set(FACILITY_SOURCES) == defaults


def test_every_range_holds_its_default():
    for name, (low, high, source) in FACILITY_RANGES.items():
        assert low <= getattr(tco.Facility(), name) <= high, name
        assert source


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pue", 0.9),
        ("pue", 125),
        ("usd_per_kwh", -0.01),
        ("usd_per_kwh", 82.6),
        ("load", 1.7),
        ("rack_power_kw", -40.7),
        ("discount_rate", 8),
        ("server_years", -4.3),
        ("rack_usd", math.nan),
        ("rack_usd", math.inf),
        ("usd_per_watt", "12"),
        ("usd_per_watt", True),
    ],
)
def test_bad_fields_are_named_and_their_private_value_is_not_shown(field, value):
    with pytest.raises(ValueError, match=field) as error:
        tco.Facility(**{field: value})
    assert "should" in str(error.value)
    assert str(value) not in str(error.value).replace("1 validation error", "")


def test_unknown_field_offers_a_close_name():
    with pytest.raises(ValueError, match="did you mean usd_per_kwh"):
        tco.Facility(usd_per_kw=0.1)


def test_repr_masks_what_the_user_gave():
    assert "0.0731" not in repr(tco.Facility(usd_per_kwh=0.0731))
    assert "(private)" in repr(tco.Facility(usd_per_kwh=0.0731))
    assert "1.25" in repr(tco.Facility())


def test_a_facility_survives_json():
    facility = tco.Facility(pue=1.1)
    assert tco.Facility.model_validate_json(facility.model_dump_json()) == facility


def test_the_derived_power_rule_is_the_dgx_h100(shared):
    # published: facts/tco.md T9, chip-to-server power of the H100, 1.8214; and it gives the DGX H100's own power back.
    from tco.defaults import SERVER_TO_CHIPS_POWER

    assert "1.8214" in (shared / "facts" / "tco.md").read_text(encoding="utf-8")
    assert round(SERVER_TO_CHIPS_POWER, 4) == 1.8214
    assert SERVER_TO_CHIPS_POWER * 8 * hs.get("h100-sxm").tdp_w == pytest.approx(hs.get_server("dgx-h100").power_w)


@pytest.mark.parametrize(
    ("limits", "held", "limit"),
    [
        ({}, 3, "power"),
        ({"rack_cooling_kw": 20.5}, 2, "cooling"),
        ({"rack_slots_u": 16.0}, 2, "slots"),
        ({"rack_weight_kg": 135.0}, 1, "weight"),
        ({"rack_weight_kg": 391.0}, 3, "weight"),  # room for 3.007, where power feeds 3.92: nearer to its limit
        ({"rack_cooling_kw": 25.0, "rack_slots_u": 42.0, "rack_weight_kg": 1_000.0}, 2, "cooling"),
        ({"rack_power_kw": 10.2}, 1, "power"),
    ],
)
def test_a_rack_holds_what_its_tightest_limit_lets_in(limits, held, limit):
    # hand: 10.2 kW, 8 U and 130 kg a server.
    server = hs.get_server("dgx-h100").replace(slots_u=8, weight_kg=130.0)
    facility = tco.Facility(**limits)
    assert facility.servers_per_rack(server, 10_200.0) == (held, limit)
    # property: what a rack costs is shared by as many.
    parts = tco.Deployment(server, facility, 1.0).breakdown
    alone = tco.Deployment(server, tco.Facility(rack_power_kw=10.2), 1.0).breakdown
    assert parts["rack"] == pytest.approx(alone["rack"] / held, rel=1e-12)
    assert parts["plant"] == alone["plant"]


def test_a_limit_needs_the_servers_figure():
    # property: unknown is not zero, so a rack is not limited by what nobody knows.
    server = hs.get_server("dgx-h100").replace(slots_u=None, weight_kg=None)
    for field in ("slots_u", "weight_kg"):
        with pytest.raises(hs.UnknownValueError, match=f"servers.dgx-h100.{field} is not known"):
            tco.Facility(**{f"rack_{field}": 42.0}).servers_per_rack(server, 10_200.0)
        small = server.replace(**{field: 43})
        with pytest.raises(ValueError, match=f"facility.rack_{field} is below what one server needs") as error:
            tco.Facility(**{f"rack_{field}": 42.0}).servers_per_rack(small, 10_200.0)
        assert not any(private in str(error.value) for private in ("42", "43"))


@pytest.mark.parametrize("wrong", [{"slots_u": 0}, {"slots_u": 7.5}, {"weight_kg": -1.0}, {"weight_kg": math.inf}])
def test_a_server_has_whole_slots_and_a_weight(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        hs.get_server("dgx-h100").replace(**wrong)


def test_what_has_no_bearing_on_costs_is_no_input():
    # property: a name that would change nothing is refused, and every name that is taken changes something.
    plain = tco.Facility()
    assert not {"grid_gco2_per_kwh", "litres_per_kwh", "pue_by_load"} & set(plain.terms)
    housed = tco.Facility(colocation_usd_per_kw_month=150.0, pue_by_load=((0.5, 1.4), (1.0, 1.2)))
    assert not {"facility_years", "pue"} & set(housed.terms)
    full = {
        "idle_share": 0.3, "demand_usd_per_kw_month": 9.0, "operations_usd_per_kw_month": 5.0,
        "usd_per_tonne_co2": 50.0, "usd_per_m3_water": 3.0, "load": 0.9,
    }  # fmt: skip
    for facility in (tco.Facility(**full), tco.Facility(**full, colocation_usd_per_kw_month=150.0)):
        d = tco.Deployment(hs.get_server("dgx-h100"), facility, 100.0, terms=tco.Purchase(residual_share=0.1))
        plan = tco.plan(d, tco.Traffic(tokens_per_s=510.0, profile=(1, 2)))
        for name, value in facility.terms.items():
            if value is not None and name != "payments_per_year":
                moved = plan.evaluate(**{name: 0.9 * value if name != "pue" else 1.1 * value})
                assert moved.total_usd != plan.account.total_usd, name


def test_carbon_water_and_colocation_by_hand():
    # hand: 10 kW at PUE 1.25 are 109,500 kWh a year; 481 g of each at 80 USD/t; 1.8 l per kWh of the IT at 3 USD/m³;
    # 10 kW for 12 months at 150 USD, beside which there are neither racks nor plant.
    facility = tco.Facility(usd_per_tonne_co2=80.0, usd_per_m3_water=3.0, colocation_usd_per_kw_month=150.0)
    parts = tco.Deployment(hs.get_server("dgx-h100").replace(power_w=10_000.0), facility, 1.0).breakdown
    assert list(parts) == ["server", "colocation", "energy", "carbon", "water"]
    assert parts["carbon"] == pytest.approx(109_500 * 481 / 1e6 * 80)
    assert parts["water"] == pytest.approx(87_600 * 1.8 / 1e3 * 3)
    assert parts["colocation"] == pytest.approx(10 * 12 * 150)


def test_pay_by_the_month_costs_less_than_by_the_year():
    # published: 8 % over 4 years, 0.29296 of the price by the month against 0.30192 by the year (facts/tco.md 3).
    by_year, by_month = (
        tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(payments_per_year=payments), 1.0).breakdown["server"]
        for payments in (1, 12)
    )
    assert by_month / by_year == pytest.approx(0.29296 / 0.30192, abs=2e-5)


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (lambda: tco.Facility(idle_share=83.1), "idle_share", "less than or equal to 1 (a share: 0.4 is 40 %)"),
        (lambda: tco.Facility(discount_rate="83.1 %"), "discount_rate", "a valid number (a share: 0.4 is 40 %)"),
        (lambda: tco.Service(headroom=83.1), "headroom", "less than or equal to 5 (a share: 0.4 is 40 %)"),
        (lambda: tco.Purchase(network_share=83.1), "network_share", "less than 1 (a share: 0.4 is 40 %)"),
        (lambda: tco.Facility(usd_per_kwh=83.1), "usd_per_kwh", "less than or equal to 2 ["),
        (lambda: tco.Facility(tariff=83.1), "tariff", "unknown field; there are pue, pue_by_load, usd_per_kwh,"),
        (lambda: tco.Facility(pu=83.1), "pu", "unknown field; did you mean pue"),
        (lambda: hs.get_server("dgx-h100").replace(price=83.1), "price", "give price_usd=... for a number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_says_what_was_meant_and_not_what_was_given(make, key, said):
    # property: percent for a share, another name, a number for a record: what is accepted, and no value.
    with pytest.raises(ValueError, match=f"\\n{key}\n") as error:
        make()
    assert said in str(error.value)
    assert "83.1" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tco.Traffic(831e3), "Traffic takes its fields by name: give tokens_per_s=..."),
        (lambda: tco.Facility(1.2, None), "Facility takes its fields by name: give pue=..., pue_by_load=..."),
        (lambda: tco.Rental(2.5), "Rental takes its fields by name: give usd_per_h=..."),
        (lambda: hs.Link("NVLink4"), "Link takes its fields by name: give kind=..."),
    ],
)
def test_fields_without_their_names_are_told_the_names(make, said):
    # hand: the fields in the order of the table; Python's own message counts arguments, `self` among them.
    with pytest.raises(TypeError) as error:
        make()
    assert str(error.value) == said


def test_no_message_tells_a_rate():
    # property: a rate of tokens or requests is the user's traffic; a latency is not.
    with pytest.raises(ValueError, match="peak_per_s is not accepted: give a finite number of at least 0") as error:
        tco.capacity.servers_needed(peak_per_s=-317291, server_per_s=1.0)
    assert "317291" not in str(error.value)
    with pytest.raises(ValueError, match="itl_s = -3 is not accepted"):
        _checked.given("itl_s", -3, above=0)
