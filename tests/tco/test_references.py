"""Published figures: dated, sourced, and consistent with one another where that can be checked."""

from __future__ import annotations

import math
import pickle

import pytest

from hardware_specs.errors import UnknownNameError
from tco.facility import Facility
from tco.references import REFERENCES, Reference, reference

CHIPS = ("h100", "h200", "b200", "b300", "gb200", "gb300", "mi300x", "mi325x", "mi355x")


@pytest.mark.parametrize("name", REFERENCES)
def test_every_figure_has_a_date_a_source_and_a_range_around_it(name):
    # property: and survives what results survive.
    figure = reference(name)
    assert math.isfinite(figure.value)
    assert figure.value > 0
    assert figure.date[:2] == "20"
    assert len(figure.source) > 3
    assert (figure.low is None) == (figure.high is None)
    if figure.low is not None:
        assert figure.low <= figure.value <= figure.high
    assert pickle.loads(pickle.dumps(figure)) == figure
    assert f"{figure.value:g}" in str(figure)
    assert figure.source in str(figure)


def test_an_unknown_name_is_an_error_with_close_ones():
    # property: never 0, unlike the published cost tool that returns 0 for an unknown chip.
    with pytest.raises(UnknownNameError, match=r"did you mean gpu-hour\.mi300x\.owned-neocloud"):
        reference("gpu-hour.mi300.owned-neocloud")
    for unknown in ("", None, 3, ["pue.average"]):
        with pytest.raises(UnknownNameError, match="unknown reference"):
            reference(unknown)


def test_references_cannot_be_changed():
    # property: one import's edit would be everybody's.
    with pytest.raises(TypeError):
        REFERENCES["pue.average"] = Reference(value=1.0, date="2025", source="me")  # type: ignore[index]


def test_placeholders_are_six_fifths_of_the_chip_they_stand_for():
    # published, facts T6: B300 and GB300 were set to 1.2 times B200 and GB200; July 2026 replaced all of them.
    for chip, base in (("b300", "b200"), ("gb300", "gb200")):
        for tier in ("owned-hyperscaler", "owned-neocloud", "rented-3-years"):
            stand_in = reference(f"gpu-hour-2025.{chip}.{tier}")
            assert stand_in.placeholder
            assert stand_in.value == pytest.approx(1.2 * reference(f"gpu-hour-2025.{base}.{tier}").value, rel=1e-12)
    others = [name for name, figure in REFERENCES.items() if figure.placeholder]
    assert all(name.startswith(("gpu-hour-2025.b300", "gpu-hour-2025.gb300")) for name in others)


def test_inferencex_rates_give_its_costs_per_token():
    # regression, facts T6: 1.41 USD/h and 0.53 USD per 10⁶ tokens (both printed) mean 739.0 tok/s/GPU on H200; MI300X
    # at 1,342.5 and MI355X at 6,757.5 tok/s/GPU cost 0.2317 and 0.0608.
    def rate(chip):
        return reference(f"gpu-hour-2025.{chip}.owned-hyperscaler").value

    assert round(rate("h200") / 0.53 / 0.0036, 1) == 739.0
    assert round(rate("mi300x") / (1_342.5 * 0.0036), 4) == 0.2317
    assert round(rate("mi355x") / (6_757.5 * 0.0036), 4) == 0.0608
    # Break-even throughput of one GPU over the other is the ratio of their rates.
    for a, b, expected in (("mi355x", "b200", 0.759), ("mi300x", "h100", 0.862), ("gb200", "h200", 1.567)):
        assert round(rate(a) / rate(b), 3) == expected


@pytest.mark.parametrize("chip", CHIPS)
def test_a_neocloud_pays_more_for_a_gpu_hour_than_a_hyperscaler(chip):
    # property: it borrows dearer and buys less; and nobody rents out below the cost of the cheapest owner.
    for year in ("gpu-hour", "gpu-hour-2025"):
        owned = reference(f"{year}.{chip}.owned-hyperscaler").value
        assert owned < reference(f"{year}.{chip}.owned-neocloud").value
        assert owned <= reference(f"{year}.{chip}.rented-3-years").value


def test_nvidias_footprints_agree_with_its_own_comparison():
    # sibling: NVIDIA prints 0.66 → 0.50 gCO₂e per exaflop, "24 % less", at 2.3 times the throughput (blog of 2025);
    # the boards' footprints, which we have from others who cite them, give the same.
    boards = reference("embodied.hgx-b200").value / reference("embodied.hgx-h100").value
    assert round(1 - boards / 2.3, 2) == pytest.approx(0.24, abs=0.011)
    assert boards / 2.3 == pytest.approx(0.50 / 0.66, abs=0.011)


def test_coreweaves_debt_costs_eleven_percent():
    # published, facts T12: the 10-Q of 30 June 2025; the middle of 9 to 10 % for the fifth.
    principal = (1_782.5, 4_954.0, 2_000.0, 450.0, 1_728.4, 256.6)
    rates = (0.15, 0.11, 0.10, 0.07, 0.095, 0.12)
    mean = sum(p * r for p, r in zip(principal, rates, strict=True)) / sum(principal)
    figure = reference("cost-of-capital.coreweave")
    assert round(mean, 3) == figure.value
    assert (figure.low, figure.high) == (min(rates), max(rates))


def test_derived_figures_follow_from_their_sources():
    # hand: facts T9 and section 3.
    assert round(10 ** (-0.14 * 4), 3) == reference("residual.after-4-years").value
    assert round(reference("server.to-chips-power").value, 4) == 1.8214
    assert reference("lease.developer").value == 1.65e6 / 1_000 / 12
    assert reference("embodied.hgx-h100").value / 8 == 164


def test_the_facilitys_defaults_lie_within_what_was_seen():
    # sibling: two places that cite the same sources.
    facility = Facility()
    construction = [f.value for name, f in REFERENCES.items() if name.startswith("construction.") and f.unit == "USD/W"]
    assert min(construction) <= facility.usd_per_watt <= max(construction)
    assert facility.usd_per_kwh == reference("electricity.us-industrial").value
    assert facility.pue == reference("pue.other").value
    assert facility.discount_rate == reference("cost-of-capital.asic-clouds").value
    assert facility.server_years == reference("life.semianalysis").value
    air = reference("rack.air-cooled")
    assert air.low <= facility.rack_power_kw <= air.high
