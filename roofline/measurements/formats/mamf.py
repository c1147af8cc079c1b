"""Maximum achievable matmul FLOPS (stas00/ml-engineering): the fastest product that was found on each accelerator.

A row is one product of two matrices through PyTorch, with its best shape ``m x n x k``. "A100-SXM" leaves the memory
open, which a product of this size does not depend on.
"""

from __future__ import annotations

import re

import numpy as np

from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, Sheet

NAME = "maximum achievable matmul FLOPS"
_HEAD = {"dtype", "hw", "mamf_tflops", "best_shape_mxnxk"}


def matches(document: Sheet | Objects) -> bool:
    """Whether a table has these columns.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return isinstance(document, Sheet) and set(document.columns) >= _HEAD


def runs(document: Sheet) -> Runs:
    """Return the records of a table.

    Parameters
    ----------
    document : Sheet
        The table.
    """
    sheet = document
    accelerator, accelerator_open = sheet.mapped("hw", sheet.source.accelerator, "accelerator")
    precision, _ = sheet.mapped("dtype", sheet.source.precision, "precision")
    texts = sheet.text("best_shape_mxnxk")
    found = {text: _shape(text) for text in set(texts)}
    shapes = np.array([found[text] for text in texts]).reshape(-1, 3).T
    sheet.refuse(np.isnan(shapes[0]), "best_shape_mxnxk is no shape such as 4096x4096x4096")
    columns = {
        "accelerator": accelerator,
        "devices": 1,
        "precision": precision,
        "framework": "PyTorch",
        "phase": "gemm",
        "m": shapes[0],
        "n": shapes[1],
        "k": shapes[2],
        "tflops": sheet.numbers("mamf_tflops"),
        "source": list(sheet.text("source")),
    }
    return sheet.runs(columns, inferred={"accelerator": accelerator_open, "framework": True})


def _shape(text: str) -> list[float]:
    if re.fullmatch(r"[0-9]{1,12}(x[0-9]{1,12}){2}", text):
        return [float(size) for size in text.split("x")]
    return [np.nan] * 3
