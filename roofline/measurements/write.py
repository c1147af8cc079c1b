"""Write records as a table of our own, which :func:`roofline.measurements.read` takes back."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.measurements.fields import FIELDS, MEASURED
from roofline.measurements.records import Runs

if TYPE_CHECKING:
    import os

_FOUND_ANEW = ("file", "row", "flags")


def write(runs: Runs, path: str | os.PathLike[str]) -> None:
    """Write runs to a CSV file with our column names; what is there is replaced.

    Only the columns that say something are written, without ``file``, ``row`` and ``flags``: whoever reads the table
    finds those anew. Rows that were rejected are no runs and stay out.

    Parameters
    ----------
    runs : Runs
        What to keep.
    path : path
        The file.

    Raises
    ------
    ValueError
        Runs of which some name no accelerator: a table without that column can be read, one with gaps in it cannot.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> runs = Runs.from_rows([{"accelerator": "h100-sxm", "phase": "gemm", "m": 8, "k": 64, "n": 64, "tflops": 0.5}])
    >>> path = getfixture("tmp_path") / "mine.csv"
    >>> write(runs, path)
    >>> print(path.read_text(encoding="utf-8").strip())
    accelerator,phase,m,k,n,tflops
    h100-sxm,gemm,8,64,64,0.5
    >>> from roofline.measurements import read
    >>> read(path)
    Runs(1 runs, 0 rows rejected: h100-sxm gemm: 1)
    """
    columns = {name: runs.columns[name] for name in FIELDS if name in runs.columns and name not in _FOUND_ANEW}
    if "accelerator" in columns and "" in set(columns["accelerator"].tolist()):
        raise ValueError("runs with and without an accelerator are not accepted: write them to files of their own")
    names = list(columns) or ["phase", *MEASURED]  # of no runs, what shows whose table it is
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)  # ends lines as RFC 4180 does, so that either half of it inside a text is quoted
        table.writerow(names)
        table.writerows(zip(*([_text(value) for value in columns[name]] for name in columns), strict=True))


def _text(value: Any) -> str:
    """Write a number in as few digits as give it back, and an unknown one as nothing."""
    if isinstance(value, str):
        return value
    if value != value:
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
