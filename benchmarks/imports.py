"""``import tco`` in a new interpreter, beside ``import numpy, pydantic``, which it cannot do without."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.timing import best_s


def run(*, quick: bool) -> None:
    """Time both imports and print the ratio."""
    repeats = 3 if quick else 10
    ours, theirs = (
        best_s(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True), repeats=repeats)  # noqa: S603, our own code
        for code in ("import tco", "import numpy, pydantic")
    )
    print("import tco")
    print(f"  {ours * 1e3:.0f} ms   {ours / theirs:.2f} × import numpy, pydantic")
