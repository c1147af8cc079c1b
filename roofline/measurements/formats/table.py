"""Any table, with a column for each field: our own files, whose columns have our names, and those that a user maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from roofline.measurements import names
from roofline.measurements.fields import FIELDS
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, Sheet

NAME = "a table with our column names"


def matches(document: Sheet | Objects) -> bool:
    """Whether a table has a phase and a result in columns of our names.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    if not isinstance(document, Sheet):
        return False
    named = set(document.columns) & set(FIELDS)
    said = named | set(document.source.given)
    return "phase" in said and any(FIELDS[name].measured for name in named)


def runs(document: Sheet) -> Runs:
    """Return the records of a table with our column names; its other columns are left out.

    Parameters
    ----------
    document : Sheet
        The table.
    """
    return mapped(document, {name: name for name in document.columns if name in FIELDS})


def mapped(sheet: Sheet, columns: Mapping[str, str]) -> Runs:
    """Return the records of a table whose columns the caller maps.

    Parameters
    ----------
    sheet : Sheet
        The table.
    columns : mapping of str to str
        Its column by field.

    Raises
    ------
    ValueError
        A field that there is not, or a column that the table lacks.
    """
    from hardware_specs.errors import did_you_mean

    made: dict[str, Any] = {}
    for field, column in columns.items():
        name = column.strip().lower()
        if field not in FIELDS:
            raise ValueError(f"columns: {field!r} is no field of a run{did_you_mean(field, FIELDS)}")
        if name not in sheet.columns:
            raise ValueError(
                f"columns: {sheet.source.file} has no column {column!r}{did_you_mean(name, sheet.columns)}"
            )
        if field in ("file", "row", "flags"):
            continue  # of the file that is read, and found anew
        if field == "accelerator":
            made[field], _ = sheet.mapped(name, sheet.source.accelerator, field)
        elif field == "llm":
            made[field] = _llms(sheet, name)
        elif field == "framework":
            made[field] = [names.framework(text) for text in sheet.text(name)]
        elif FIELDS[field].is_text:
            made[field] = list(sheet.text(name))
        else:
            made[field] = sheet.numbers(name, needed=False)
    if "precision" in made:
        made["precision"] = [names.precision(text) or text for text in made["precision"]]
    marks = made.pop("inferred", None)
    inferred = {}
    if marks is not None:
        for field in dict.fromkeys(word for mark in marks for word in mark.split()):
            inferred[field] = np.array([field in mark.split() for mark in marks])
    return sheet.runs(made, inferred=inferred)


def _llms(sheet: Sheet, name: str) -> Any:
    """Return the LLMs of a column; a kernel has none."""
    keys = np.full(len(sheet), "", dtype=object)
    found = {text: sheet.source.llm(text) for text in set(sheet.text(name)) if text or "llm" in sheet.source.given}
    for index, text in enumerate(sheet.text(name)):
        mapped = found.get(text)
        if text and mapped is None:
            sheet.faults.setdefault(index, sheet.source.unknown("llm", text))
        keys[index] = "" if mapped is None else mapped.key
    return keys
