"""Tables of our own: what is written is what is read."""

from __future__ import annotations

import csv
from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
from roofline.llm_catalog import llm_names
from roofline.measurements import FIELDS, PHASES, Runs, read, write
from roofline.measurements.fields import BOUNDARIES, MEASURED, WHOLE
from roofline.measurements.sheet import MOST
from roofline.precision import POLICY_NAMES

FOUND_ANEW = {"file", "row", "flags"}
WORDS = {
    "accelerator": st.sampled_from(hs.names()),
    "llm": st.sampled_from(llm_names()),
    "precision": st.sampled_from([*POLICY_NAMES, "fp32", "int8"]),
    "framework": st.sampled_from(["vLLM", "TensorRT-LLM", "PyTorch", "ours"]),
    "phase": st.sampled_from(PHASES),
    "power_boundary": st.sampled_from(BOUNDARIES),
    "inferred": st.sampled_from(["precision", "accelerator"]),
}
# Whatever a user can type, with commas, quotes and line ends; U+FFFD is what a broken file decodes to, and is refused.
ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=12)
NUMBER = st.floats(min_value=1 / MOST, max_value=MOST)  # what is beyond, reading refuses


def values(name):
    if FIELDS[name].is_text:
        return WORDS.get(name, ANYTHING)
    return st.integers(1, 10**6) if name in WHOLE else NUMBER


@st.composite
def rows(draw):
    named = [draw(st.booleans())] * draw(st.integers(0, 4))  # all of them name an accelerator, or none does
    optional = [name for name in FIELDS if name not in ("phase", "accelerator", *FOUND_ANEW)]
    drawn = []
    for accelerator in named:
        fields = draw(st.lists(st.sampled_from(optional), unique=True, max_size=8))
        fields += ["phase", draw(st.sampled_from(MEASURED)), *(["accelerator"] if accelerator else [])]
        drawn.append({name: draw(values(name)) for name in dict.fromkeys(fields)})
    return drawn


@given(rows())
def test_what_is_written_is_read_again(tmp_path_factory, drawn):
    # property: reading gives every column back, to the last bit, and refuses nothing. What it thinks of the runs is
    # another matter, and these are absurd.
    runs = Runs.from_rows(drawn)
    assert not runs.rejected
    path = tmp_path_factory.mktemp("runs") / "mine.csv"
    write(runs, path)
    with patch.object(import_module("roofline.measurements.read"), "flag", lambda runs: runs):
        back = read(path)
    assert not back.rejected
    assert len(back) == len(runs) == len(drawn)
    assert set(back.columns) - FOUND_ANEW == set(runs.columns)
    for name, column in runs.columns.items():
        other = back.columns[name]
        assert column.tolist() == other.tolist() if FIELDS[name].is_text else np.array_equal(column, other, True)


def test_only_what_is_known_is_written(tmp_path):
    # hand: nobody measured a power, so there is no such column; where one row knows no batch, its cell is empty.
    runs = Runs.from_rows([
        {"accelerator": "h100-sxm", "phase": "decode", "batch": 8, "itl_s": 0.01, "power_w": None, "row": 3},
        {"accelerator": "h100-sxm", "phase": "decode", "itl_s": 0.0125, "flags": "odd"},
    ])  # fmt: skip
    write(runs, tmp_path / "mine.csv")
    with (tmp_path / "mine.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["accelerator", "phase", "batch", "itl_s"],
            ["h100-sxm", "decode", "8", "0.01"],
            ["h100-sxm", "decode", "", "0.0125"],
        ]


def test_gaps_in_the_accelerator_are_refused_before_anything_is_written(tmp_path):
    # property: a file that reading would refuse half of is not written.
    runs = Runs.from_rows([
        {"accelerator": "h100-sxm", "phase": "stream", "bytes_per_s": 3e12},
        {"phase": "stream", "bytes_per_s": 1e10},
    ])  # fmt: skip
    with pytest.raises(ValueError, match="with and without an accelerator"):
        write(runs, tmp_path / "mine.csv")
    assert not (tmp_path / "mine.csv").exists()
