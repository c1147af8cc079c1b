"""Terms of purchase and rent: what a price leaves out, and that nothing unknown is free or shown."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import tco

SITE = tco.Facility(rack_power_kw=2000.0)  # every server of the catalogue fits one rack
MEMORY = {"host_memory_gib": 2048.0, "host_memory_alike_gib": 1024.0, "usd_per_gib": 10.0}


def bought(price_usd=200_000.0, **terms):
    server = hs.get_server("dgx-h100").replace(price_usd=price_usd, power_w=10_000.0)
    facility = tco.Facility(discount_rate=0.0, server_years=4.0)
    return tco.Deployment(server, facility, 40_000.0, terms=tco.Purchase(**terms))


def test_what_a_price_leaves_out_by_hand():
    # hand: at rate 0 over 4 years; 0.19/0.81 of the price is network; 8 licences; a twentieth of the price for support.
    parts = bought(
        162_000.0,
        network_share=0.19,
        storage_usd=8_000.0,
        installation_usd=4_000.0,
        licence_usd_per_accelerator_year=500.0,
        support_share_per_year=0.05,
        residual_share=0.25,
    ).breakdown
    assert {part: parts[part] for part in list(parts)[:6]} == pytest.approx(
        {
            "server": 0.75 * 162_000 / 4,
            "network": 38_000 / 4,
            "storage": 2_000,
            "installation": 1_000,
            "licences": 8 * 500,
            "support": 0.05 * 162_000,
        },
        rel=1e-12,
    )


def test_a_network_is_scale_up_and_scale_out():
    # hand.
    assert bought(scale_up_usd=3_000.0).breakdown["network"] == 750
    assert bought(scale_up_usd=3_000.0, scale_out_usd=5_000.0).breakdown["network"] == 2_000
    assert "network" not in bought().breakdown


def test_host_memory_is_made_alike_in_everything_that_follows_the_price():
    # hand: 1,024 GiB too much at 10 USD; support and the network's share are of what a like server would cost.
    alike = bought(**MEMORY, support_share_per_year=0.1, network_share=0.2)
    price = 200_000 - 10_240
    assert alike.breakdown["server"] == price / 4
    assert alike.breakdown["support"] == pytest.approx(0.1 * price)
    assert alike.breakdown["network"] == pytest.approx(0.25 * price / 4)
    # property: it can only be told from the quote by its price.
    plain = bought(price, support_share_per_year=0.1, network_share=0.2)
    assert plain.usd_per_year == pytest.approx(alike.usd_per_year, rel=1e-12)


def test_items_stand_for_the_price():
    # hand: 8 × 15,000 + 40,000, whatever the catalogue quotes; the memory counts once.
    d = bought(accelerator_usd=15_000.0, host_usd=40_000.0)
    assert d.price.value == d.inputs["price_usd"] == 160_000
    assert d.private
    d = bought(accelerator_usd=15_000.0, host_usd=40_000.0, **MEMORY)
    assert d.inputs["price_usd"] == 160_000 - 10_240


def test_a_server_with_more_memory_than_it_costs_is_refused_without_its_price():
    with pytest.raises(ValueError, match="the server would cost nothing") as error:
        bought(7_331.0, **MEMORY)
    assert "7331" not in str(error.value).replace(",", "")


def test_a_life_of_its_own_is_the_servers_alone():
    # hand: 6 years for what comes with the server, 12 still for the site.
    facility = bought().facility
    d = bought(years=6.0, storage_usd=6_000.0)
    assert d.breakdown["server"] == pytest.approx(200_000 / 6)
    assert d.breakdown["storage"] == pytest.approx(1_000)
    assert d.breakdown["plant"] == pytest.approx(10_000 * facility.usd_per_watt / facility.facility_years)
    names = [item.name for item in d.assumptions]
    assert "years of dgx-h100" in names
    assert "server_years" not in names


def test_porting_is_of_a_fleet_and_not_of_a_server():
    # hand: 400,000 USD over 4 years at rate 0, however many servers; a server by itself has no such part.
    d = bought(porting_usd=400_000.0)
    assert "porting" not in d.breakdown
    with pytest.raises(ValueError, match="porting_usd is no input of this account"):
        d.evaluate(porting_usd=1.0)
    for rate in (1e4, 1e7):
        plan = tco.plan(d, tco.Traffic(tokens_per_s=rate))
        assert plan.breakdown["porting"] == pytest.approx(100_000)
        assert plan.evaluate(porting_usd=4.0).parts["porting"] == pytest.approx(1)


# --- nothing unknown is free


@pytest.mark.parametrize("terms", [tco.Purchase(), tco.Rental()], ids=["bought", "rented"])
@pytest.mark.parametrize("key", hs.server_names())
def test_every_server_costs_something_or_is_refused(key, terms):
    # property: no unknown chip, model or price ever costs $0, bought or rented.
    server = hs.get_server(key)
    try:
        d = tco.Deployment(server, SITE, 1_000.0, terms=terms)
    except hs.UnknownValueError:
        return
    assert d.breakdown["rent" if d.rented else "server"] > 0
    assert d.usd_per_year > 0
    assert d.usd_per_million_tokens > 0
    plan = tco.plan(d, tco.Traffic(tokens_per_s=5_000.0))
    assert plan.usd_per_year > 0
    assert plan.usd_per_million_tokens > 0


def test_some_of_the_catalogue_is_known_and_some_is_not():
    # property: the test above takes both of its ways.
    found = {True: 0, False: 0}
    for key in hs.server_names():
        for terms in (tco.Purchase(), tco.Rental()):
            try:
                found[tco.Deployment(hs.get_server(key), SITE, 1.0, terms=terms).usd_per_year > 0] += 1
            except hs.UnknownValueError:
                found[False] += 1
    assert min(found.values()) > 0


def test_a_server_nobody_knows_is_refused_until_it_has_price_and_power():
    own = {"key": "mine", "name": "Mine", "accelerator": "no-such-chip", "accelerators": 4}
    for known in ({}, {"power_w": 5_000.0}, {"price_usd": 100_000.0}):
        with pytest.raises(hs.UnknownValueError, match="mine: neither its p"):
            tco.Deployment(hs.Server(**own, **known), tco.Facility(), 1.0)
    with pytest.raises(hs.UnknownValueError, match=r"rent of .* is not known"):
        tco.Deployment(hs.Server(**own, power_w=5_000.0), tco.Facility(), 1.0, terms=tco.Rental())
    known = hs.Server(**own, power_w=5_000.0, price_usd=100_000.0)
    assert tco.Deployment(known, tco.Facility(), 1.0).usd_per_year > 0


# --- nothing private is shown

OWN = {
    tco.Purchase: {
        "accelerator_usd": 7331.25, "host_usd": 7331.25, "host_memory_gib": 7331.25, "host_memory_alike_gib": 7331.25,
        "usd_per_gib": 7331.25, "scale_up_usd": 7331.25, "scale_out_usd": 7331.25, "storage_usd": 7331.25,
        "network_share": 0.733125,
        "installation_usd": 7331.25, "licence_usd_per_accelerator_year": 7331.25, "support_share_per_year": 0.733125,
        "porting_usd": 7331.25, "residual_share": 0.733125, "years": 7.33125, "embodied_kg": 7331.25,
    },
    tco.Rental: {"usd_per_h": 7331.25, "commitment_years": 7.33125, "upfront_share": 0.733125, "porting_usd": 7331.25},
    tco.Facility: {
        "pue": 1.733125, "pue_by_load": ((0.5, 1.733125), (0.733125, 1.5)), "usd_per_kwh": 0.733125,
        "demand_usd_per_kw_month": 733.125, "load": 0.733125, "idle_share": 0.1733125, "rack_power_kw": 733.125,
        "rack_cooling_kw": 733.125, "rack_slots_u": 73.3125, "rack_weight_kg": 7331.25, "rack_usd": 7331.25,
        "usd_per_watt": 73.3125, "colocation_usd_per_kw_month": 733.125, "operations_usd_per_kw_month": 733.125,
        "site_power_kw": 7331.25, "facility_years": 7.33125, "server_years": 7.33125, "discount_rate": 0.733125,
        "payments_per_year": 12, "grid_gco2_per_kwh": 733.125, "usd_per_tonne_co2": 733.125, "wue_l_per_kwh": 7.33125,
        "grid_l_per_kwh": 7.33125, "usd_per_m3_water": 733.125,
    },
    tco.Traffic: {
        "tokens_per_s": 7331.25, "profile": (7331.25, 1.0), "input_tokens_per_token": 7.33125,
        "growth_per_year": 0.733125,
    },
    tco.Service: {
        "headroom": 0.733125, "failures_per_accelerator_year": 0.733125, "repair_days": 7.33125,
        "spares_confidence": 0.733125, "released": True,
    },
}  # fmt: skip
KINDS = pytest.mark.parametrize("kind", list(OWN), ids=lambda kind: kind.__name__)


def shown(text):
    return text.replace(",", "").replace("_", "")


def together(kind):
    """All fields but the one that stands for two others."""
    return {name: value for name, value in OWN[kind].items() if name != "network_share"}


@KINDS
def test_every_field_is_tried(kind):
    # property: the list above is whole.
    assert set(OWN[kind]) == set(kind.model_fields)


@KINDS
def test_repr_names_what_is_given_and_shows_none_of_it(kind):
    for terms in (kind(**together(kind)), *([kind(network_share=0.733125)] if kind is tco.Purchase else [])):
        for text in (repr(terms), str(terms), f"{terms}"):
            assert "733" not in shown(text)
            assert all(f"{name}='(private)'" in text for name in terms.model_fields_set)


@KINDS
def test_no_error_shows_a_value(kind):
    # property: a value of the wrong kind, of the wrong sign, or too large, in any field.
    for name in OWN[kind]:
        for wrong in (-7331.25, 7.33125e300, "7331.25", [-7331.25], {"usd": 7331.25}, (("7331.25", -7331.25),)):
            with pytest.raises(ValueError, match=name) as error:
                kind(**together(kind) | {name: wrong})
            assert "7331" not in shown(str(error.value)), name
            assert "7.33125" not in str(error.value), name
    with pytest.raises(ValueError, match="unknown field") as error:
        kind(**together(kind), nonsense=7331.25)
    assert "7331" not in str(error.value)


@KINDS
def test_terms_survive_json_and_pickle(kind):
    # property: identity, and of only what was given as well, so that defaults stay defaults.
    full = kind(**together(kind))
    assert kind.model_validate_json(full.model_dump_json()) == full
    assert pickle.loads(pickle.dumps(full)) == full
    required = {name: OWN[kind][name] for name, field in kind.model_fields.items() if field.is_required()}
    few = kind(**required)
    again = kind.model_validate_json(few.model_dump_json(exclude_unset=True))
    assert again == few
    assert again.model_fields_set == few.model_fields_set


def test_objects_in_the_wrong_place_are_named_and_not_shown():
    # property: somebody passes the terms as a plain dict, with prices in it.
    server = hs.get_server("dgx-h100")
    for arguments in (
        (server, tco.Facility(), 1.0, None, {"usd_per_h": 7331.25}),
        (server, {"usd_per_kwh": 7331.25}, 1.0),
        ({"price_usd": 7331.25}, tco.Facility(), 1.0),
    ):
        with pytest.raises(ValueError, match="is a dict, which is not accepted: give a") as error:
            tco.Deployment(*arguments)
        assert "7331" not in str(error.value)
    d = tco.Deployment(server, tco.Facility(), 1.0)
    for call in (
        lambda: tco.plan(d, 7331.25),
        lambda: tco.plan(d, tco.Traffic(tokens_per_s=1.0), {"headroom": 7331.25}),
        lambda: tco.compare(d, {"price_usd": 7331.25}),
        lambda: tco.compare(d, d).ratio_at(price_a_usd=-7331.25),
        lambda: d.evaluate(price_usd=-7331.25),
        lambda: d.evaluate(discount_rate=-7331.25),
    ):
        with pytest.raises(ValueError, match="is not accepted: give") as error:
            call()
        assert "7331" not in str(error.value)


@given(st.floats(0.5, 2.0))
def test_a_course_of_ones_own_makes_costs_private(pue):
    # property: whatever is not from the shipped catalogue is private, also what is no single number.
    pue = max(pue, 1.0)
    d = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(pue_by_load=((0.2, pue), (1.0, 1.0))), 40_000.0)
    assert d.private
    assert "costs private" in repr(d)
    (item,) = (one for one in d.assumptions if one.name == "pue_by_load")
    assert (item.shown(), item.shown(reveal=True)) == ("(private)", "2 points")
