"""A TCO surface of 10⁸ cells, beside one ``np.multiply.outer`` of that size."""

from __future__ import annotations

import numpy as np

import tco
from benchmarks.timing import best_s


def run(*, quick: bool) -> None:
    """Time the surface and print it as a ratio."""
    side = 2_000 if quick else 10_000
    r_th, r_sc = np.linspace(0.2, 2.0, side), np.linspace(0.1, 1.5, side)
    repeats = 3 if quick else 5
    surface = best_s(lambda: tco.surface(r_th=r_th, r_sc=r_sc), repeats=repeats)
    outer = best_s(lambda: np.multiply.outer(r_th, r_sc), repeats=repeats)
    print(f"TCO surface ({side * side:,} cells)")
    print(
        f"  {side * side / surface / 1e6:,.0f} million cells/s   {surface / outer:.2f} × np.multiply.outer of that size"
    )
