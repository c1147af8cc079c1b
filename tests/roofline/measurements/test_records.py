"""Records of runs: what is kept, what is refused and why, and that nothing is lost on the way."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.measurements import FIELDS, MEASURED, PHASES, Rejected, Run, Runs
from roofline.measurements.fields import WHOLE

STEP = {"phase": "decode", "itl_s": 0.0125}
ROWS = [
    {**STEP, "accelerator": "h100-sxm", "framework": "vLLM", "llm": "llama-3.1-8b", "batch": 1, "row": 2},
    {**STEP, "accelerator": "a100-sxm-80gb", "framework": "SGLang", "batch": 8, "row": 3},
    {**STEP, "accelerator": "h100-sxm", "framework": "vLLM", "batch": 64, "devices": 2, "row": 4, "flags": "odd"},
]


def reason(**changes):
    (refused,) = Runs.from_rows([STEP | changes]).rejected
    return refused.reason


def test_a_run_says_what_is_known_and_none_of_the_rest():
    # hand
    run = Runs.from_rows(ROWS)[0]
    assert {name: getattr(run, name) for name in FIELDS if getattr(run, name) is not None} == ROWS[0]
    assert (type(run.batch), type(run.row)) == (float, int)
    assert run.ttft_s is None
    assert set(FIELDS) <= set(dir(run))
    with pytest.raises(AttributeError, match="a run has no field 'speed'"):
        _ = run.speed


def test_what_is_not_known_is_nan_or_an_empty_text_in_columns():
    # hand
    runs = Runs.from_rows(ROWS)
    assert runs.llm.tolist() == ["llama-3.1-8b", "", ""]
    assert np.isnan(runs.devices).tolist() == [True, True, False]
    assert np.isnan(runs.ttft_s).all()
    assert runs.version.tolist() == ["", "", ""]
    assert "ttft_s" not in runs.columns
    assert set(FIELDS) <= set(dir(runs))
    with pytest.raises(AttributeError, match="runs have no field 'speed'"):
        _ = runs.speed


@pytest.mark.parametrize("unknown", [None, float("nan"), "", "  "])
def test_every_way_to_say_nothing_is_unknown(unknown):
    # hand: a text of blanks is none, a number that is absent is no zero.
    runs = Runs.from_rows([{**STEP, "batch": unknown, "llm": unknown, "devices": unknown}])
    assert len(runs) == 1
    assert runs[0].batch is runs[0].llm is runs[0].devices is None


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if not field.is_text])
def test_numbers_outside_their_range_are_refused_with_field_and_value(name):
    # property: whatever the field, below 0, infinite, or 0 where that is no value.
    about, kind = FIELDS[name], "a whole number" if name in WHOLE else "a number"
    bound = "of at least 0" if about.zero else "above 0"
    for value, shown in ((-1, "-1"), (float("inf"), "inf"), ("-1e5", "-100000")):
        assert reason(**{name: value}) == f"{name} = {shown} is not accepted: give {kind} {bound}"
    if not about.zero:
        assert reason(**{name: 0}) == f"{name} = 0 is not accepted: give {kind} above 0"
    for value in (True, "fast", [1], {}, 10**400):
        assert reason(**{name: value}).startswith(f"{name} = "), value
        assert reason(**{name: value}).endswith(" is not a number"), value
    if name in WHOLE:
        assert reason(**{name: 1.5}) == f"{name} = 1.5 is not accepted: give a whole number above 0"


def test_rows_that_say_too_little_are_refused():
    # hand
    assert reason(phase="chat").startswith("phase = 'chat' is not accepted: give one of generate, prefill, decode")
    assert reason(phase="") == "no phase"
    assert reason(itl_s=None) == "nothing was measured: no rate, time or power"
    assert reason(power_boundary="room") == (
        "power_boundary = 'room' is not accepted: give one of device, board, chassis, rack"
    )
    assert [refused.reason for refused in Runs.from_rows([{"itl_s": 0.1}] * 2).rejected] == ["no phase"] * 2
    # How far repeats scatter is no result of its own.
    assert reason(itl_s=None, spread=0.1) == "nothing was measured: no rate, time or power"


def test_refused_rows_stand_with_their_line_and_values_and_the_others_stay():
    # hand: counted from 1 where the file names no line.
    runs = Runs.from_rows([STEP, {**STEP, "batch": -1}, STEP])
    assert (len(runs), runs.rejected[0].row, runs.rejected[0].values["batch"]) == (2, 2, -1)
    runs = Runs.from_rows([{**STEP, "batch": 0, "row": 17, "file": "a.csv"}])
    assert runs.rejected[0][:2] == ("a.csv", 17)
    assert len(runs) == 0
    earlier = Rejected("b.csv", 3, "torn")
    assert Runs.from_columns(STEP, [earlier]).rejected == (earlier,)


def test_columns_of_one_value_are_for_all_runs():
    # hand
    runs = Runs.from_columns({**STEP, "batch": [1, 2, 3], "llm": "llama-3.1-8b"})
    assert runs.itl_s.tolist() == [0.0125] * 3
    assert set(runs.llm) == {"llama-3.1-8b"}
    assert len(Runs.from_columns(STEP)) == 1
    assert len(Runs.from_columns({})) == len(Runs.from_rows([])) == 0


def test_columns_that_cannot_be_are_errors():
    # hand
    with pytest.raises(ValueError, match=r"'bach' is no field of a run.*batch"):
        Runs.from_columns({**STEP, "bach": [1]})
    with pytest.raises(ValueError, match=r"columns of unlike lengths: \[2, 3\]"):
        Runs.from_columns({**STEP, "batch": [1, 2], "devices": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"columns of unlike lengths: \[1, 2\]"):
        Runs({"batch": np.ones(1), "devices": np.ones(2)})


def test_runs_are_picked_by_index_slice_mask_and_list():
    # hand
    runs = Runs.from_rows(ROWS)
    assert [run.batch for run in runs] == [1, 8, 64]
    assert runs[-1].batch == runs[np.int64(2)].batch == 64
    assert runs[1:].batch.tolist() == runs[[1, 2]].batch.tolist() == runs[runs.batch > 1].batch.tolist() == [8, 64]
    assert isinstance(runs[:0], Runs)
    assert len(runs[:0]) == 0
    with pytest.raises(IndexError):
        _ = runs[3]


def test_where_knows_aliases_lists_and_conditions():
    # hand
    runs = Runs.from_rows(ROWS)
    assert len(runs.where(accelerator="H100")) == len(runs.where(accelerator=["h100", "b200"])) == 2
    assert len(runs.where(llm="meta-llama/Llama-3.1-8B-Instruct")) == 1
    assert len(runs.where(framework="VLLM", batch=64)) == 1
    assert len(runs.where(batch=(1, 8))) == 2
    assert len(runs.where(batch=np.array([1, 8]), framework={"vllm", "sglang"})) == 2
    assert len(runs.where(lambda found: found.batch > 1, accelerator="h100")) == 1
    assert len(runs.where(accelerator="no-such-chip")) == 0
    assert len(runs.where()) == 3
    with pytest.raises(ValueError, match=r"'acelerator' is no field of a run.*accelerator"):
        runs.where(acelerator="h100")


def test_clean_and_flagged_part_the_runs():
    # property
    runs = Runs.from_rows(ROWS)
    assert (runs.clean.batch.tolist(), runs.flagged.batch.tolist()) == ([1, 8], [64])
    assert len(runs[:2].clean) == 2


def test_replace_checks_again():
    # hand
    runs = Runs.from_rows(ROWS)
    assert set(runs.replace(framework="ours").framework) == {"ours"}
    assert runs.replace(devices=[1, 2, 4]).devices.tolist() == [1, 2, 4]
    fewer = runs.replace(batch=[1, -8, 64])
    assert (len(fewer), [refused.row for refused in fewer.rejected]) == (2, [3])
    with pytest.raises(ValueError, match="no field"):
        runs.replace(speed=1)


def test_sums_keep_all_columns_and_all_refusals():
    # property
    one, other = (
        Runs.from_rows([*ROWS, {**STEP, "batch": 0}]),
        Runs.from_rows([{**STEP, "version": "0.9", "batch": 0.5}]),
    )
    both = one + other
    assert (len(both), len(both.rejected)) == (4, 1)
    assert both.version.tolist() == ["", "", "", "0.9"]
    assert np.isnan(both.devices).tolist() == [True, True, False, True]
    assert both.batch.tolist() == [1, 8, 64, 0.5]
    with pytest.raises(TypeError):
        _ = one + 1


def test_columns_are_read_only_also_after_pickling():
    # property: what many share, nobody changes by mistake; the caller's own arrays stay writable.
    mine = np.array([1.0, 2.0])
    runs = Runs.from_columns({**STEP, "batch": mine})
    mine[0] = 5
    assert runs.batch.tolist() == [1, 2]
    for found in (runs, runs[:1], pickle.loads(pickle.dumps(runs)), copy.deepcopy(runs)):
        with pytest.raises(ValueError, match="read-only"):
            found.batch[0] = 3


def test_runs_and_run_pickle():
    # property
    runs = Runs.from_rows([*ROWS, {**STEP, "batch": 0}])
    again = pickle.loads(pickle.dumps(runs))
    assert [run.values for run in again] == [run.values for run in runs]
    assert again.rejected == runs.rejected
    assert pickle.loads(pickle.dumps(runs[0])) == runs[0]
    assert copy.deepcopy(runs[0]).batch == 1


def test_what_is_shown_is_counted_and_escaped():
    # hand
    runs = Runs.from_rows([*ROWS, {**STEP, "framework": "<b>&", "batch": 2}])
    assert runs.counts("framework") == {("vLLM",): 2, ("SGLang",): 1, ("<b>&",): 1}
    assert repr(runs).startswith("Runs(4 runs, 1 flagged, 0 rows rejected: h100-sxm vLLM decode: 2; ")
    assert "<b>4 runs</b>, 1 flagged" in runs._repr_html_()
    assert "&lt;b&gt;&amp;" in runs._repr_html_()
    assert repr(Runs.from_rows([])) == "Runs(0 runs, 0 rows rejected)"
    assert repr(Run({"batch": 1.0})) == "Run(batch=1.0)"


def test_a_table_of_pandas_holds_the_columns():
    # sibling
    pytest.importorskip("pandas")
    runs = Runs.from_rows(ROWS)
    frame = runs.to_pandas()
    assert list(frame.columns) == list(runs.columns)
    assert frame["batch"].tolist() == [1, 8, 64]


NUMBERS = [name for name, field in FIELDS.items() if not field.is_text]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"phase": st.sampled_from([*PHASES, "", "chat"])},
            optional={
                name: st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-3, 3), st.text(max_size=3))
                for name in NUMBERS
            },
        ),
        max_size=6,
    )
)
def test_every_row_becomes_a_run_or_is_refused_once(rows):
    # property: nothing is dropped in silence, and whatever stays is within its range.
    runs = Runs.from_rows(rows)
    assert len(runs) + len(runs.rejected) == len(rows)
    assert all(refused.reason for refused in runs.rejected)
    for run in runs:
        assert any(getattr(run, name) is not None for name in MEASURED)
        for name in NUMBERS:
            value = getattr(run, name)
            assert value is None or (0 < value < np.inf) or (value == 0 and FIELDS[name].zero)
