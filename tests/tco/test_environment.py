"""Joules, carbon and water of a token."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_specs.errors import UnknownNameError
from tco import capacity, environment
from tco.references import reference

amounts = st.floats(1e-3, 1e12)


@pytest.mark.parametrize(
    ("chip", "tokens_per_s_per_mw", "tokens_per_s", "joules"),
    [("mi300x", 750e3, 1_342.5, 1.333), ("mi355x", 2.55e6, 6_757.5, 0.392)],
)
def test_inferencex_energy_per_token(chip, tokens_per_s_per_mw, tokens_per_s, joules):
    # regression, facts T6: gpt-oss-120b at 90 tok/s/user; tok/s/MW is printed, the rest follows from their all-in kW.
    power_w = reference(f"gpu-power-2025.{chip}").value * 1e3
    case = {"tokens_per_s": tokens_per_s, "power_w": power_w}
    assert environment.tokens_per_s_per_mw(**case) == pytest.approx(tokens_per_s_per_mw, rel=1e-12)
    assert round(float(environment.joules_per_token(**case)), 3) == joules


@given(tokens_per_s=amounts, power_w=amounts)
def test_the_four_ways_to_say_it_agree(tokens_per_s, power_w):
    # property: J/token is the inverse of tokens/J; 1 MW is 10⁶ J/s; 1 kWh is 3.6·10⁶ J.
    case = {"tokens_per_s": tokens_per_s, "power_w": power_w}
    per_joule = environment.tokens_per_joule(**case)
    assert environment.joules_per_token(**case) * per_joule == pytest.approx(1, rel=1e-14)
    assert environment.tokens_per_s_per_mw(**case) == pytest.approx(1e6 * per_joule, rel=1e-14)
    assert environment.kwh_per_million_tokens(**case) * 3.6e6 * per_joule == pytest.approx(1e6, rel=1e-14)


def test_carbon_of_a_year_by_hand():
    # hand: 10 kW of IT, PUE 1.25, Germany: 109,500 kWh · 381 g = 41,719.5 kg; 8 boards of 1,312 kg over 4 years: 2,624.
    kwh = capacity.energy_kwh_per_year(mean_power_w=10_000.0, pue=1.25)
    year = environment.carbon(
        kwh=kwh,
        grid_gco2_per_kwh=environment.grid_gco2_per_kwh("germany"),
        embodied_kgco2=8 * reference("embodied.hgx-h100").value,
        years=4,
    )
    assert year.operational_kg_per_year == pytest.approx(41_719.5, rel=1e-14)
    assert year.embodied_kg_per_year == 2_624
    assert year.kg_per_year == pytest.approx(44_343.5, rel=1e-14)
    assert year.covers == "operational and embodied"
    assert environment.carbon_usd(kgco2=year.kg_per_year, usd_per_tonne=100.0) == pytest.approx(4_434.35, rel=1e-14)


@given(kwh=amounts, grid=st.floats(0, 2_000), embodied=amounts, years=st.floats(1, 10), tokens=st.floats(1e3, 1e18))
def test_carbon_and_water_are_conserved(kwh, grid, embodied, years, tokens):
    # property: what the tokens carry together is what the year emitted, and a life carries all of the hardware's own.
    year = environment.carbon(kwh=kwh, grid_gco2_per_kwh=grid, embodied_kgco2=embodied, years=years)
    assert year.gco2_per_million_tokens(tokens) * tokens / 1e6 == pytest.approx(year.kg_per_year * 1e3, rel=1e-12)
    assert year.embodied_kg_per_year * years == pytest.approx(embodied, rel=1e-12)
    wet = environment.water(it_kwh=kwh, wue_l_per_kwh=grid / 100, pue=1.3, ewif_l_per_kwh=2.0)
    assert wet.litres_per_million_tokens(tokens) * tokens / 1e6 == pytest.approx(wet.litres_per_year, rel=1e-12)


@given(it_kwh=amounts, wue=st.floats(0, 10), pue=st.floats(1, 3), ewif=st.floats(0, 10))
def test_litres_are_the_printed_formula(it_kwh, wue, pue, ewif):
    # published: Li et al., arXiv:2304.03271: E·(WUE_site + PUE·EWIF).
    year = environment.water(it_kwh=it_kwh, wue_l_per_kwh=wue, pue=pue, ewif_l_per_kwh=ewif)
    assert year.litres_per_year == pytest.approx(it_kwh * (wue + pue * ewif), rel=1e-12)


def test_what_nobody_knows_is_said_and_not_zero():
    # property: the total is of what is known, and says so; a figure of zero is a figure.
    partly = environment.carbon(kwh=1e6, grid_gco2_per_kwh=400.0)
    assert (partly.embodied_kg_per_year, partly.covers) == (None, "operational only")
    none = environment.carbon(kwh=1e6, grid_gco2_per_kwh=400.0, embodied_kgco2=0.0, years=4)
    assert (float(none.embodied_kg_per_year), none.covers) == (0, "operational and embodied")
    assert none.kg_per_year == partly.kg_per_year
    site = environment.water(it_kwh=1e6, wue_l_per_kwh=1.8)
    assert (site.source_litres_per_year, site.covers) == (None, "site only")
    assert site.litres_per_year == pytest.approx(1.8e6, rel=1e-14)
    assert environment.water(it_kwh=1e6, wue_l_per_kwh=1.8, pue=1.2, ewif_l_per_kwh=0.0).covers == "site and source"


def test_half_of_a_pair_is_refused():
    # property
    year = {"kwh": 1.0, "grid_gco2_per_kwh": 1.0}
    for wrong, match in (({"embodied_kgco2": 1.0}, "without years"), ({"years": 4}, "without embodied_kgco2")):
        with pytest.raises(ValueError, match=match):
            environment.carbon(**year, **wrong)
    with pytest.raises(ValueError, match="without pue"):
        environment.water(it_kwh=1.0, wue_l_per_kwh=1.0, ewif_l_per_kwh=1.0)
    with pytest.raises(ValueError, match=r"pue = 0\.9 is not accepted"):
        environment.water(it_kwh=1.0, wue_l_per_kwh=1.0, pue=0.9)


def test_arrays_broadcast_and_results_pickle():
    # sibling: a grid of facilities and lives against one by one.
    kwh, years = np.array([1e5, 1e6])[:, None], np.array([3.0, 4.0, 6.0])
    year = environment.carbon(kwh=kwh, grid_gco2_per_kwh=400.0, embodied_kgco2=1e4, years=years)
    assert year.kg_per_year.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            one = environment.carbon(
                kwh=float(kwh[i, 0]), grid_gco2_per_kwh=400.0, embodied_kgco2=1e4, years=float(years[j])
            )
            assert year.kg_per_year[i, j] == one.kg_per_year
    copy = pickle.loads(pickle.dumps(year))
    np.testing.assert_array_equal(copy.kg_per_year, year.kg_per_year)
    assert copy.covers == year.covers


def test_grids_are_the_published_ones():
    # published: Ember by way of Our World in Data and Statista, 2023.
    assert environment.GRID_GCO2_PER_KWH["world"] == 481
    assert [environment.grid_gco2_per_kwh(c) for c in ("india", "norway", "australia")] == [713, 30, 549]
    with pytest.raises(UnknownNameError, match="did you mean germany"):
        environment.grid_gco2_per_kwh("germny")
    for unknown in ("atlantis", "", None, 3, ["germany"]):  # no grid is ever 0 g/kWh because nobody knows it
        with pytest.raises(UnknownNameError, match="is not in the table"):
            environment.grid_gco2_per_kwh(unknown)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, True, "9", None, []])
def test_what_is_wrong_is_named_and_private_values_are_not_shown(wrong):
    # property: powers, energies and prices stay out of messages.
    for field, call in (
        ("kwh", lambda value: environment.carbon(kwh=value, grid_gco2_per_kwh=400.0)),
        ("power_w", lambda value: environment.joules_per_token(tokens_per_s=1.0, power_w=value)),
        ("usd_per_tonne", lambda value: environment.carbon_usd(kgco2=1.0, usd_per_tonne=value)),
        ("it_kwh", lambda value: environment.water(it_kwh=value, wue_l_per_kwh=1.0)),
    ):
        with pytest.raises(ValueError, match=rf"^{field} is (not accepted|empty)"):
            call(wrong)
        with pytest.raises(ValueError, match=rf"^{field} is not accepted") as error:
            call([1.0, -987_654.0])
        assert "987" not in str(error.value)
    with pytest.raises(ValueError, match="tokens_per_s"):
        environment.tokens_per_joule(
            tokens_per_s=0.0, power_w=1.0
        )  # a token of a machine that makes none costs no joule
