"""The papers' tables as records: against the papers' own text, read here independently, and against the catalogues."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
from hardware_specs import UnknownNameError
from roofline.measurements import FIELDS, MEASURED
from roofline.measurements.published import Claim, published, published_claims, published_names

MACHINES = {"Gaudi 2": "gaudi-2", "Gaudi 3": "gaudi-3", "H100": "h100-sxm", "H200": "h200-sxm"}
ALL = [(name, run) for name in published_names() for run in published(name)]
BY_NAME = pytest.mark.parametrize("name", published_names())


def squeeze(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def kim(shared):
    (paper,) = (shared / "papers").glob("004_*.txt")
    return paper.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def brunetta(shared):
    (paper,) = (shared / "papers").glob("000_*.txt")
    return squeeze(paper.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------- Kim's tables


def lines(kim, number, pattern):
    """The rows of a printed table; a first cell that spans several rows is repeated."""
    body = kim.split(f"\nTABLE {number}:")[1].split("\nTABLE ")[0].split("\n\n")[0].split("\n")[1:]
    spanning = ""
    for line in body:
        if match := re.fullmatch(pattern, line.strip()):
            spanning = match[1] or spanning
            yield spanning, *match.groups()[1:]


def stored(name, *fields):
    return [tuple(getattr(run, field) for field in fields) for run in published(name)]


def test_kim_table_3(kim):
    # published: every line of the printed table, read from the paper's text.
    pattern = r"(?:(Gaudi 2|Gaudi 3|H100|H200) )?(BF16|FP8) ([\d. ]+)"
    expected = [
        (MACHINES[machine], precision.lower(), m, size, size, float(cell), row)
        for row, (machine, precision, cells) in enumerate(lines(kim, "III", pattern), start=1)
        for (m, size), cell in zip(
            [(m, size) for size in (2048, 4096) for m in (8, 16, 32, 64)], cells.split(), strict=True
        )
    ]
    assert len(expected) == 64
    assert stored("kim2025-table3", "accelerator", "precision", "m", "k", "n", "tflops", "row") == expected


def test_kim_table_4(kim):
    # published; the printed differences are among the claims.
    pattern = r"()(\d+) (\d+) (\d+) (\d+)% (\d+) (\d+) (\d+) ?%"
    rows = [tuple(map(int, row[1:])) for row in lines(kim, "IV", pattern)]
    assert len(rows) == 5
    expected = [
        (llm, batch, length, limit, tflops)
        for length, free_8b, capped_8b, _, free_70b, capped_70b, _ in rows
        for llm, batch, limit, tflops in (
            ("llama-3.1-8b", 64, 700, free_8b),
            ("llama-3.1-8b", 64, 400, capped_8b),
            ("llama-3.3-70b", 4, 700, free_70b),
            ("llama-3.3-70b", 4, 400, capped_70b),
        )
    ]
    assert stored("kim2025-table4", "llm", "batch", "context_tokens", "power_limit_w", "tflops") == expected
    for claim in published_claims("kim2025-table4"):
        said = claim.numerator
        (printed,) = (row for row in rows if row[0] == said["context_tokens"])
        assert claim.low == pytest.approx(1 - printed[3 if said["llm"] == "llama-3.1-8b" else 6] / 100)


def test_kim_table_5(kim):
    # published, powers too.
    pattern = r"(?:(Gaudi 2|H100) )?(\d)K ([\d.]+) \([\d.]+%\) (\d+) \(\d+%\) [\d.]+"
    expected = [
        (MACHINES[machine], *(1024 * int(size),) * 3, float(tflops), float(watts))
        for machine, size, tflops, watts in lines(kim, "V", pattern)
    ]
    assert len(expected) == 8
    assert stored("kim2025-table5", "accelerator", "m", "k", "n", "tflops", "power_w") == expected


def test_kim_table_6(kim):
    # published.
    rate = r"(\d+) \([\d.]+%\)"
    expected = [
        (f"{scaling} {element.lower()}", 1024 * int(size), float(tflops))
        for element, size, *cells in lines(kim, "VI", rf"(?:(E4M3|E5M2) )?(\d)K {rate} {rate} {rate}")
        for scaling, tflops in zip(("row-wise", "per-tensor", "per-tensor-hardware"), cells, strict=True)
    ]
    assert len(expected) == 24
    assert stored("kim2025-table6", "variant", "m", "tflops") == expected


def test_kim_table_7(kim):
    # published.
    rate = r"(\d+)\s+\([\d.]+%\)"
    expected = [
        (f"{scaling} {accumulation.lower()}-accumulation", 1024 * int(size), float(tflops))
        for accumulation, size, *cells in lines(kim, "VII", rf"(?:(FP32|Fast) )?(\d)K {rate} {rate}")
        for scaling, tflops in zip(("row-wise", "per-tensor"), cells, strict=True)
    ]
    assert len(expected) == 16
    assert stored("kim2025-table7", "variant", "m", "tflops") == expected


def test_kim_gaudi_3_at_its_tdp(kim):
    # published: section VI-D.
    (run,) = published("kim2025-section6")
    assert "reached its TDP of 900W even for thin GEMMs" in squeeze(kim)
    assert (run.accelerator, run.power_w, run.power_limit_w) == ("gaudi-3", 900, 900)


# --------------------------------------------------------------------------------------------------- Brunetta's text

# Name, which run, field, figure as printed, what it is multiplied by, and the characters of the paper that hold it.
A100X4, SN40L_70B = {"accelerator": "a100-sxm-80gb", "devices": 4}, {"accelerator": "sn40l", "llm": "llama-3.3-70b"}
PRINTED = [
    ("figure2", {"accelerator": "h100-sxm"}, "power_w", 478, 1, "(478 W compared to 337 W)"),
    ("figure2", {"accelerator": "a100-sxm-80gb"}, "power_w", 337, 1, "(478 W compared to 337 W)"),
    ("figure2", {"accelerator": "mi300x"}, "power_w", 625, 1, "(625 W)"),
    ("figure4", {"accelerator": "mi300x", "devices": 1}, "tokens_per_s", 2017, 1, "MI300X achieves around 2017 tokens"),
    (
        "figure4",
        {"accelerator": "h100-sxm"},
        "tokens_per_s",
        7634,
        1,
        "(7634 tokens/s) with a tensor parallel",
    ),
    ("figure4", {"accelerator": "mi300x", "devices": 4}, "tokens_per_s", 8068, 1, "MI300X reaches 8068 tokens/s"),
    ("figure7", {"accelerator": "a100-sxm-80gb", "devices": 1}, "tokens_per_s", 215, 1, "A100 reaches 215 tokens/s"),
    ("figure7", {"accelerator": "cs-3", "batch": 1}, "tokens_per_s", 3609, 1, "3609 tokens/s"),
    ("figure7", {"accelerator": "sn40l", "llm": "llama-3.1-8b", "batch": 1}, "tokens_per_s", 2024, 1, "2024 tokens/s"),
    ("figure7", SN40L_70B, "tokens_per_s", 353, 1, "353tokens/s at batch size 1"),
    ("figure7", A100X4, "tokens_per_s", 88, 1, "88 tokens/s"),
    ("figure7", {"accelerator": "cs-3", "batch": 8}, "tokens_per_s", 12327, 1, "(12327 tokens/s)"),
    ("figure7", {"accelerator": "sn40l", "phase": "serving"}, "tokens_per_s", 3907, 1, "peaks at 3907 tokens/s"),
    ("figure7", {"accelerator": "cs-3"}, "power_w", 24200, 1, "consumes about 24,200 W"),
    ("figure7", {"accelerator": "cs-3"}, "tokens_per_joule", 0.15, 1, "achieves 0.15 tokens/J"),
    ("figure7", {"accelerator": "sn40l"}, "power_w", 5230, 1 / 16, "on average 5,230 W"),
    ("figure7", {"accelerator": "sn40l", "llm": "llama-3.1-8b"}, "tokens_per_joule", 0.38, 1, "achieves 0.38 tokens/J"),
    (
        "figure7",
        {"accelerator": "a100-sxm-80gb", "devices": 1},
        "tokens_per_joule",
        0.73,
        1,
        "A100 achieves 0.73",
    ),
    ("figure7", {"accelerator": "h100-sxm"}, "tokens_per_joule", 0.91, 1, "H100 achieves 0.91 tokens/s"),
    ("figure7", SN40L_70B, "tokens_per_joule", 0.067, 1, "0.067 tokens/J at batch size 1"),
    ("figure7", A100X4, "tokens_per_joule", 0.074, 1, "0.074 tokens/J obtained using four NVIDIA A100"),
    ("figure8", {"accelerator": "sn40l"}, "ttft_s", 99, 1e-3, "(99 ms compared to 91 ms)"),
    ("figure8", A100X4, "ttft_s", 91, 1e-3, "(99 ms compared to 91 ms)"),
    ("figure8", {"accelerator": "sn40l"}, "itl_s", 5.6, 1e-3, "(5.6 ms compared to 29 ms)"),
    ("figure8", A100X4, "itl_s", 29, 1e-3, "(5.6 ms compared to 29 ms)"),
]


@pytest.mark.parametrize(("figure", "which", "field", "value", "unit", "text"), PRINTED)
def test_brunetta_prints_it(brunetta, figure, which, field, value, unit, text):
    # published: the figure stands in the paper, and in exactly one record of its place.
    assert text in brunetta
    assert f"{value:,}" in text or f"{value}" in text
    column = getattr(published(f"brunetta2025-{figure}").where(**which), field)
    assert column[~np.isnan(column)].tolist() == [pytest.approx(value * unit, rel=1e-12)]


def test_no_record_of_brunetta_is_unchecked():
    # property: as many figures in the records as in the list above.
    runs = published("brunetta2025")
    assert sum(int(np.sum(~np.isnan(getattr(runs, field)))) for field in MEASURED) == len(PRINTED)


# Numbers of sections IV and V that are neither runs nor claims, and why.
OTHER = {
    ("2", r"\times"): "an ideal: half the bytes, twice the peak",
    ("99", "%"): "accuracy, measured by others",
    ("67", "%"): "34 % more on two devices is an efficiency of 67 %",
    ("60", "%"): "140 % more on four devices is an efficiency of 60 %",
    ("80", "%"): "advice on the size of weights",
}


def test_every_number_of_brunetta_is_held(brunetta):
    # published: what sections IV and V print with a unit is a run, a claim, or named above as something else.
    body = brunetta.split("IV. EXPERIMENTAL RESULTS")[1].split("VI. RELATED WORK")[0]
    found = re.findall(r"(\d[\d,.]*)(?:–(\d+))?\s*(tokens/s|tokens/J|W\b|ms\b|%|\\times)", body)
    assert len(found) > 60
    printed = {(low, unit) for low, _, unit in found}
    assert set(OTHER) <= printed
    held = {(f"{value:g}", unit_of(field)) for _, _, field, value, _, _ in PRINTED}
    held |= {("0.73", "tokens/s"), ("0.91", "tokens/s")}  # printed so, tokens/J are meant
    claimed = {number for claim in published_claims("brunetta2025") for number in numbers(claim.printed)}
    for low, high, unit in found:
        for number in filter(None, (low.replace(",", ""), high)):
            assert (number, unit) in held or float(number) in claimed or (number, unit) in OTHER, (number, unit)


def unit_of(field):
    return {"power_w": "W", "ttft_s": "ms", "itl_s": "ms", "tokens_per_joule": "tokens/J"}.get(field, "tokens/s")


# -------------------------------------------------------------------------------------------------------------- claims


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize("claim", published_claims(), ids=lambda claim: f"{claim.name}: {claim.printed}")
def test_claim_is_printed(claim, kim, brunetta):
    # published: the characters stand in the paper, and the bounds are what they say.
    paper = squeeze(kim) if claim.name.startswith("kim") else brunetta
    assert claim.printed in paper
    bounds = [bound for bound in (claim.low, claim.high) if bound is not None]
    assert bounds
    assert bounds == sorted(bounds)
    for side in (claim.numerator, claim.denominator):
        assert set(side) <= set(FIELDS)
    said = numbers(claim.printed)
    if r"\times" in claim.printed:
        assert bounds[0] == said[0]
    elif "%" in claim.printed and claim.quantity == "tflops" and claim.name == "kim2025-table4":
        assert bounds[0] == pytest.approx(1 - said[0] / 100)
    elif "%" in claim.printed and claim.quantity == "ttft_s":  # so much less time, or so much faster
        assert bounds == [pytest.approx(1 - said[0] / 100), pytest.approx(1 / (1 + said[0] / 100), abs=5e-4)]
    elif "100% efficiency" in claim.printed:
        assert bounds == [claim.numerator["devices"]]
    elif "18% and 2%" in claim.printed:
        assert bounds[0] in (1.18, 1.02)
    elif "%" in claim.printed:
        gains = {round(1 + gain / 100, 6) for gain in said if gain < 300}
        assert set(bounds) <= gains, "the figure is among those printed"


def test_claims_agree_with_the_runs_they_relate():
    # property: where both runs are printed too, their ratio is the claim, to its digits.
    figure7, figure8 = published("brunetta2025-figure7"), published("brunetta2025-figure8")
    one = {"batch": 1, "phase": "generate"}

    def figure(runs, field, **which):
        column = getattr(runs.where(**one, **which), field)
        (value,) = column[~np.isnan(column)]
        return value

    checked = 0
    for claim in published_claims("brunetta2025-figure7") + published_claims("brunetta2025-figure8"):
        runs = figure7 if claim.name.endswith("7") else figure8
        small = claim.numerator.get("llm") == "llama-3.1-8b"
        if claim.quantity == "power_w" or claim.numerator.get("batch") == 8 or (runs is figure8 and small):
            continue
        sides = (
            {field: side[field] for field in ("accelerator", "llm", "devices") if field in side}
            for side in (claim.numerator, claim.denominator)
        )
        above, below = (figure(runs, claim.quantity, **side) for side in sides)
        assert claim.low == pytest.approx(above / below, rel=0.006)
        checked += 1
    assert checked == 4
    (idle,) = (claim for claim in published_claims("brunetta2025-figure7") if claim.quantity == "power_w")
    assert idle.low == pytest.approx((24_200 - 4_500) / 24_200, abs=5e-4)


def test_tokens_per_joule_are_throughput_over_power():
    # published: section IV-C prints all three for the two dataflow machines; 0.38 was cut off from 0.387.
    figure7 = published("brunetta2025-figure7").where(llm="llama-3.1-8b", batch=1)
    for key, printed_to in (("cs-3", 0.005), ("sn40l", 0.01)):
        runs = figure7.where(accelerator=key)
        per_s, watts, per_joule = (
            float(np.nanmax(getattr(runs, field))) for field in ("tokens_per_s", "power_w", "tokens_per_joule")
        )
        assert per_s / (watts * runs.devices[0]) == pytest.approx(per_joule, abs=printed_to)


# ------------------------------------------------------------------------------------------------------ what they hold


@BY_NAME
def test_nothing_is_rejected_and_every_run_says_its_place(name):
    # property.
    runs = published(name)
    assert not runs.rejected
    assert len(runs) > 0
    for run in runs:
        assert any(getattr(run, field) is not None for field in MEASURED)
        assert run.date == "2025"
        assert run.row >= 1
        assert re.search(r"(Table [IVX]+|section [IVX]+)", run.source)
        if run.power_w is not None or run.tokens_per_joule is not None:
            assert run.power_boundary in ("device", "chassis")
        for field in (run.inferred or "").split():
            assert getattr(run, field) is not None, "what was concluded is there"


@BY_NAME
def test_names_are_those_of_the_catalogues(name):
    # property: keys, not aliases.
    for run in published(name):
        assert hs.get(run.accelerator).key == run.accelerator
        if run.llm is not None:
            assert rl.get_llm(run.llm).key == run.llm
        if run.precision is not None:
            assert rl.policy(run.precision).name == run.precision
    for claim in published_claims(name):
        for side in (claim.numerator, claim.denominator):
            for field, of in (("accelerator", hs.get), ("llm", rl.get_llm)):
                given = side.get(field, ())
                for key in (given,) if isinstance(given, str) else given:
                    assert of(key).key == key


@pytest.mark.parametrize(("name", "run"), [(name, run) for name, run in ALL if run.tflops and run.phase == "gemm"])
def test_no_product_beats_its_machine(name, run):
    # property: FLOPs over the peak, and every byte once over the bandwidth, are never more than the time.
    machine = hs.get(run.accelerator)
    time_s = 2 * run.m * run.k * run.n / (run.tflops * 1e12)
    width = 1 if run.precision == "fp8" else 2
    moved = width * (run.m * run.k + run.k * run.n) + 2 * run.m * run.n
    assert run.tflops * 1e12 <= machine.peak_flops(run.precision)
    if run.m < 1024:  # a square product may stay on the chip
        assert moved / time_s <= machine.memory_bytes_per_s


def test_what_contradicts_itself_is_flagged():
    # published: Tables V and VI print unlike rates for the same product of Gaudi 2; 8K agrees to the digit.
    table5 = published("kim2025-table5").where(accelerator="gaudi-2")
    table6 = published("kim2025-table6").where(variant="row-wise e4m3")
    differ = np.abs(table5.tflops / table6.tflops - 1) > 0.01
    assert differ.tolist() == [True, True, True, False]
    for runs, other in ((table5, table6), (table6, table5)):
        assert (runs.flags != "").tolist() == differ.tolist()
        for run, opposite in zip(runs.flagged, other.flagged, strict=True):
            assert f"{opposite.tflops:g}" in run.flags
    assert 8068 not in published("brunetta2025-figure4").clean.tokens_per_s  # four times the 2,017 of one device
    assert 0.38 not in published("brunetta2025-figure7").clean.tokens_per_joule  # read at the rack, or at the RDUs
    assert len(published("kim2025").clean) == len(published("kim2025")) - 6


# ------------------------------------------------------------------------------------------------------------- looking


def test_names():
    assert list(published_names()) == sorted(published_names())
    assert {"kim2025-table3", "kim2025-table4", "kim2025-table5", "kim2025-table6", "kim2025-table7"} <= set(
        published_names()
    )
    assert published("Kim 2025, table 4").tflops.tolist() == published("kim2025-table4").tflops.tolist()
    kim = [name for name in published_names() if name.startswith("kim2025")]
    assert len(published("kim2025")) == sum(len(published(name)) for name in kim)


def test_unknown_names_are_refused_with_close_matches():
    with pytest.raises(UnknownNameError, match="did you mean kim2025-table4"):
        published("kim2025-tabel4")
    with pytest.raises(UnknownNameError, match=r"ratios, see published_claims\('brunetta2025-figure6'\)"):
        published("brunetta2025-figure6")
    with pytest.raises(UnknownNameError, match="there are brunetta2025-figure2"):
        published("zzz")
    with pytest.raises(UnknownNameError, match="no published claims 'nothing'"):
        published_claims("nothing")
    assert published_claims("kim2025-table6") == ()  # a table of runs alone


def test_what_is_shipped_cannot_be_changed():
    # property: the records are read once and shared.
    with pytest.raises(ValueError, match="read-only"):
        published("kim2025-table4").tflops[0] = 1.0
    claim = published_claims()[0]
    assert isinstance(claim, Claim)
    with pytest.raises(TypeError):
        claim.numerator["precision"] = "bf16"
