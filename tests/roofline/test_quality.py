"""Accuracies, the loss that a precision costs, and the gate that excludes what costs too much."""

from __future__ import annotations

import json
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from tests.published import KIM_TABLE_2

KIM_LOSSES = {  # hand: BF16 less E4M3 and less E5M2, both to nearest, of Kim Table II
    "llama-3.2-1b": (0.8, 1.8),
    "llama-3.2-3b": (0.2, 1.1),
    "llama-3.1-8b": (0.5, 1.3),
    "llama-3.3-70b": (0.0, -0.2),
}


def row(precision, score_percent, **fields):
    given = {"llm": "llama-3.1-8b", "benchmark": "gsm8k-8shot", "study": "ours"} | fields
    return rl.quality.Accuracy(precision=precision, score_percent=score_percent, **given)


# -- the shipped table -------------------------------------------------------------------------------------------------


def test_the_table_is_kim_table_2():
    # published: every row of the paper's table and no other, to the digit.
    names = {("bf16", None, None): "bf16"} | {
        ("fp8", element, rounding): f"{element} {'sr' if rounding == 'stochastic' else 'rtn'}"
        for element in ("e4m3", "e5m2")
        for rounding in ("nearest", "stochastic")
    }
    shipped: dict[str, dict[str, float]] = {}
    for entry in rl.quality.table():
        shipped.setdefault(entry.llm, {})[names[entry.precision, entry.element, entry.rounding]] = entry.score_percent
    assert shipped == KIM_TABLE_2


def test_the_table_is_in_the_text_of_the_paper(shared):
    # published: Kim Table II and Table VIII print the same sixteen cells in the same order.
    paper = " ".join(next((shared / "papers").glob("004_*.txt")).read_text(encoding="utf-8").split())
    cells = r" ".join(
        rf"{name} BF16 - {{}}% {size} Instruct E4M3 SR {{}}% E4M3 RTN {{}}% E5M2 RTN {{}}%"
        for name, size in (("Llama v3.2", "1B"), ("Llama v3.2", "3B"), ("Llama v3.1", "8B"), ("Llama v3.3", "70B"))
    )
    expected = cells.format(*(entry.score_percent for entry in rl.quality.table()))
    assert paper.count(expected) == 2


def test_every_row_says_where_it_is_from():
    for entry in rl.quality.table():
        assert rl.get_llm(entry.llm).key == entry.llm
        assert entry.precision in rl.POLICY_NAMES
        assert entry.element is None or entry.element in hs.ELEMENT_FORMATS
        assert re.search("Kim et al.*Table II", entry.source)
        assert hs.get(entry.accelerator).fp8.e4m3_max == 240  # published: measured on Gaudi 2


# -- losses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", KIM_LOSSES)
def test_losses_are_differences_of_the_printed_scores(llm):
    # hand: `KIM_LOSSES`, differences of published scores.
    e4m3, e5m2 = KIM_LOSSES[llm]
    assert rl.quality.accuracy_loss(llm, "fp8").points == e4m3
    assert rl.quality.accuracy_loss(llm, "fp8", element="e5m2").points == e5m2
    assert rl.quality.accuracy_loss(llm, "bf16").points == 0
    stochastic = rl.quality.accuracy_loss(llm, "fp8", rounding="stochastic")
    assert stochastic.points <= e4m3  # docs/errata.md: never below round-to-nearest
    assert stochastic.measured.rounding == "stochastic"


def test_an_llm_has_many_names():
    # sibling: every name of the catalogue gives the loss of its key; hand: 80 less 79 points.
    by_key = rl.quality.accuracy_loss("llama-3.1-8b", "fp8")
    assert rl.quality.accuracy_loss("meta-llama/Llama-3.1-8B-Instruct", "fp8") == by_key
    assert rl.quality.accuracy_loss(rl.get_llm("llama-3.1-8b"), rl.policy("fp8")) == by_key
    mine = (row("bf16", 80.0, llm="meta-llama/Llama-3.1-8B"), row("fp8", 79.0, llm="llama3.1-8b"))
    assert rl.quality.accuracy_loss("llama-3.1-8b", "fp8", rows=mine).points == 1.0


@pytest.mark.parametrize(
    ("llm", "precision", "message"),
    [
        ("llama-3.1-8b", "fp8-kv8", "no accuracy of llama-3.1-8b in fp8-kv8 is known; it is in bf16, fp8"),
        ("llama-3.1-8b", "w8a16", "no accuracy of llama-3.1-8b in w8a16 is known"),
        ("llama-3.1-70b", "fp8", "no accuracy of llama-3.1-70b in fp8 is known. Add rows"),  # the shape of 3.3, not it
        ("deepseek-r1", "nvfp4", "no accuracy of deepseek-r1 in nvfp4 is known. Add rows"),
        ("my-own-llm", "fp8", "no accuracy of my-own-llm in fp8 is known"),
    ],
)
def test_what_nobody_measured_is_unknown(llm, precision, message):
    # property: unknown is an error, and never allowed, however wide the bound.
    with pytest.raises(hs.UnknownValueError, match=re.escape(message)):
        rl.quality.accuracy_loss(llm, precision)
    gate = rl.quality.allowed_precisions(llm, max_loss=100, precisions=(precision,))
    assert gate.allowed == ()
    assert gate.unknown[precision].startswith(message)


def test_what_was_not_measured_in_that_way_is_unknown():
    # property: another benchmark, format or rounding is another measurement.
    for wish in ({"benchmark": "gsm8k"}, {"element": "e3m4"}, {"element": "e5m2", "rounding": "stochastic"}):
        with pytest.raises(hs.UnknownValueError, match=r"no accuracy of llama-3\.2-1b in fp8 is known"):
            rl.quality.accuracy_loss("llama-3.2-1b", "fp8", **wish)


def test_a_study_is_its_own_measure():
    # hand: in ours FP8 scores above Kim's BF16, of another benchmark; the loss is against our own BF16, and the larger
    # of the two losses counts.
    rows = (*rl.quality.table(), row("bf16", 85.0), row("fp8", 84.0))
    worst = rl.quality.accuracy_loss("llama-3.1-8b", "fp8", rows=rows)
    assert (worst.points, worst.measured.study, worst.baseline.score_percent) == (1.0, "ours", 85.0)
    assert rl.quality.accuracy_loss("llama-3.1-8b", "fp8", benchmark="mmlu-5shot-cot", rows=rows).points == 0.5
    with pytest.raises(hs.UnknownValueError, match=r"ours has gsm8k-8shot of .* in nvfp4, but not in bf16"):
        rl.quality.accuracy_loss("llama-3.1-8b", "nvfp4", rows=(*rl.quality.table(), row("nvfp4", 80.0)))


@pytest.mark.parametrize("other", [{"study": "theirs"}, {"benchmark": "mmlu"}, {"llm": "llama-3.1-70b"}])
def test_scores_of_unlike_runs_are_not_compared(other):
    # property: the only BF16 score is of another study, benchmark or LLM.
    rows = (row("bf16", 80.0, **other), row("fp8", 79.0))
    with pytest.raises(hs.UnknownValueError, match="ours has gsm8k-8shot"):
        rl.quality.accuracy_loss("llama-3.1-8b", "fp8", rows=rows)


def test_a_model_trained_in_fp8_may_count_from_there():
    # hand: 90 less 89.5 points; no score in BF16 is needed, and none is made up.
    rows = [row("fp8", 90.0, llm="deepseek-r1", baseline="fp8"), row("nvfp4", 89.5, llm="deepseek-r1", baseline="fp8")]
    gate = rl.quality.allowed_precisions("deepseek-r1", precisions=("bf16", "fp8", "nvfp4"), rows=rows)
    assert gate.allowed == ("fp8", "nvfp4")
    assert list(gate.unknown) == ["bf16"]
    assert rl.quality.accuracy_loss("deepseek-r1", "nvfp4", rows=rows).points == 0.5


# -- the gate ----------------------------------------------------------------------------------------------------------


def test_the_gate_at_one_point():
    # hand: Kim Table II; E4M3 costs at most 0.8 points, E5M2 more than 1 on all but the 70B.
    for llm in KIM_LOSSES:
        usual = rl.quality.allowed_precisions(llm)
        assert usual.allowed == ("bf16", "fp8")
        assert set(usual.unknown) == set(rl.POLICY_NAMES) - {"bf16", "fp8"}
        e5m2 = rl.quality.allowed_precisions(llm, element="e5m2", precisions=("bf16", "fp8"))
        assert e5m2.allowed == (("bf16", "fp8") if llm == "llama-3.3-70b" else ("bf16",))


def test_the_bound_itself_is_allowed():
    # hand: 61.8 - 60.7 is 1.0999999999999943 in binary; the printed figures differ by 1.1.
    at = rl.quality.allowed_precisions("llama-3.2-3b", element="e5m2", max_loss=1.1, precisions=["fp8"])
    below = rl.quality.allowed_precisions("llama-3.2-3b", element="e5m2", max_loss=1.09, precisions=["fp8"])
    assert (at.allowed, below.allowed) == (("fp8",), ())
    assert below.excluded["fp8"].startswith("loses 1.1 points of mmlu-5shot-cot (61.8 % in bf16, 60.7 % in fp8 e5m2)")


@given(
    st.sampled_from(list(KIM_LOSSES)),
    st.floats(0, 3),
    st.floats(0, 3),
    st.sampled_from(["e4m3", "e5m2"]),
)
def test_a_wider_bound_allows_no_less_and_every_candidate_has_one_place(llm, bound, wider, element):
    # property: monotone in the bound; allowed, excluded and unknown are a partition.
    gate = rl.quality.allowed_precisions(llm, max_loss=bound, element=element)
    wide = rl.quality.allowed_precisions(llm, max_loss=bound + wider, element=element)
    assert set(gate.allowed) <= set(wide.allowed)
    assert gate.unknown == wide.unknown
    assert sorted((*gate.allowed, *gate.excluded, *gate.unknown)) == sorted(rl.POLICY_NAMES)


def test_the_baseline_needs_no_row():
    # property: BF16 loses nothing against itself, whatever the LLM.
    assert rl.quality.allowed_precisions("gpt-oss-120b", precisions=("bf16",)).allowed == ("bf16",)


def test_a_policy_of_ones_own_needs_rows_of_its_own():
    # property: a policy that borrows a name is unknown; one with rows of its own is not.
    own = rl.policy("fp8").replace(name="fp8-head", head="fp8")
    disguised = rl.policy("fp8").replace(head="fp8")
    gate = rl.quality.allowed_precisions("llama-3.1-8b", precisions=(own, disguised, rl.policy("fp8")))
    assert gate.allowed == ("fp8",)
    assert set(gate.unknown) == {"fp8-head", "fp8"}
    assert "name of its own" in gate.unknown["fp8"]
    rows = (*rl.quality.table(), row("bf16", 80.0), row("fp8-head", 79.8))
    assert rl.quality.allowed_precisions("llama-3.1-8b", precisions=(own, "fp8-head"), rows=rows).allowed == (
        "fp8-head",
        "fp8-head",
    )


def test_the_gate_excludes_from_an_analysis():
    # hand: E5M2 is as fast as E4M3 in the roofline, and is not among the candidates that remain.
    llm, h100 = rl.get_llm("llama-3.2-1b"), hs.get("h100-sxm")
    gate = rl.quality.allowed_precisions(llm, max_loss=1.0, element="e5m2")
    times = {name: rl.decode(llm, h100, batch=8, context_tokens=1024, precision=name).time_s for name in gate.allowed}
    assert list(times) == ["bf16"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_loss": -1}, "max_loss = -1 is not accepted"),
        ({"max_loss": float("nan")}, "max_loss = nan is not accepted"),
        ({"max_loss": [1.0, 2.0]}, "give one number"),
        ({"precisions": "fp8"}, "give a sequence of them"),
        ({"precisions": [8]}, "precision = 8 is not accepted"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    # property: an error names the argument and its value.
    with pytest.raises(ValueError, match=re.escape(message)):
        rl.quality.allowed_precisions("llama-3.1-8b", **options)


def test_an_unknown_precision_is_an_error_not_unknown_quality():
    # property: a slip of the pen is no missing measurement.
    with pytest.raises(hs.UnknownNameError, match="did you mean fp8"):
        rl.quality.allowed_precisions("llama-3.1-8b", precisions=("fp9",))


def test_a_gate_cannot_be_changed():
    # property: frozen, and itself after a round trip.
    gate = rl.quality.allowed_precisions("llama-3.1-8b")
    with pytest.raises(AttributeError):
        gate.allowed = ()
    with pytest.raises(TypeError):
        gate.unknown["fp8"] = ""
    assert pickle.loads(pickle.dumps(gate)) == gate


# -- rows of one's own -------------------------------------------------------------------------------------------------


def test_rows_of_a_file(tmp_path):
    # hand: 84.5 less 84.1 points, within the bound of 1; nothing global changes.
    rows = [{"precision": "bf16", "score_percent": 84.5}, {"precision": "fp8-kv8", "score_percent": 84.1}]
    common = {"llm": "llama-3.1-8b", "benchmark": "gsm8k-8shot", "scaling": "per-row"}
    (tmp_path / "mine.json").write_text(json.dumps({"ours": common | {"rows": rows}}), encoding="utf-8")
    loaded = rl.quality.load(tmp_path / "mine.json")
    assert [entry.source for entry in loaded] == ["user", "user"]
    assert {entry.study for entry in loaded} == {"ours"}
    gate = rl.quality.allowed_precisions("llama-3.1-8b", rows=rl.quality.table() + loaded)
    assert gate.allowed == ("bf16", "fp8", "fp8-kv8")
    assert "fp8-kv8" in rl.quality.allowed_precisions("llama-3.1-8b").unknown  # nothing global changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = [", "mine.toml: cannot be read"),
        ("x = 1", r"mine.toml: [x]: should be a table with rows = [...]"),
        ("[a]\nrows = []", "mine.toml: [a]: should be a table with rows"),
        ("[a]\nrows = [1]", "mine.toml: [a] row 1: should be a table, not 1"),
        ("[a]\nbenchmark = 'b'\nllm = 'l'\nrows = [{precision = 'fp8'}]", "[a] row 1: score_percent: is required"),
        (
            "[a]\nbenchmark = 'b'\nllm = 'l'\nrows = [{precision = 'fp8', score_percent = 101}]",
            "[a] row 1: score_percent: should be less than or equal to 100, not 101",
        ),
        (
            "[a]\nbenchmark = 'b'\nllm = 'l'\nrows = [{precision = 'fp8', scor_percent = 70}]",
            "scor_percent: unknown field; did you mean score_percent",
        ),
        (
            "[a]\nbenchmark = 'b'\nllm = 'l'\nrows = [{precision = 'fp8', score_percent = 70, rounding = 'up'}]",
            "rounding: should be 'nearest' or 'stochastic'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path, text, message):
    # property: an error names the file, the row, the field and what is accepted.
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(hs.CatalogError, match=re.escape(message)):
        rl.quality.load(tmp_path / "mine.toml")


def test_a_list_is_no_file_of_studies(tmp_path):
    # property: likewise for the shape of the whole file.
    (tmp_path / "mine.json").write_text("[]", encoding="utf-8")
    with pytest.raises(hs.CatalogError, match="one table per study"):
        rl.quality.load(tmp_path / "mine.json")
