"""Phase estimates per second, beside one multiplication per estimate."""

from __future__ import annotations

import numpy as np

import hardware_specs as hs
import roofline as rl
from benchmarks.timing import best_s

BLOCK = 16_384
"""Zipped columns go through in blocks that stay in cache."""


def run(*, quick: bool) -> None:
    """Time decode estimates on a grid and on zipped columns, and print them as ratios."""
    llm, h100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    batch = np.arange(1, 257 if quick else 1025, dtype=float)
    context = np.arange(1, 1025 if quick else 4097, dtype=float)
    points = batch.size * context.size
    repeats = 3 if quick else 7

    grid = best_s(
        lambda: rl.decode(llm, h100, batch=batch[:, None], context_tokens=context, precision="fp8").time_s,
        repeats=repeats,
    )
    outer = best_s(lambda: np.multiply.outer(batch, context), repeats=repeats)

    columns = [column.ravel() for column in np.broadcast_arrays(batch[:, None], context)]
    blocks = [slice(start, start + BLOCK) for start in range(0, points, BLOCK)]

    def zipped() -> None:
        for block in blocks:
            _ = rl.decode(llm, h100, batch=columns[0][block], context_tokens=columns[1][block], precision="fp8").time_s

    zipped_s = best_s(zipped, repeats=repeats)
    product = best_s(lambda: columns[0] * columns[1], repeats=repeats)
    scalar = best_s(lambda: rl.decode(llm, h100, batch=64, context_tokens=2048, precision="fp8").time_s, repeats=50)

    print(f"phase estimates (decode time of Llama 3.1 8B in fp8, {points:,} points, one core)")
    print(f"  grid            {points / grid / 1e6:8.1f} million/s   {grid / outer:6.2f} × one np.multiply.outer")
    print(
        f"  zipped columns  {points / zipped_s / 1e6:8.1f} million/s   {zipped_s / product:6.2f} × one product of columns"
    )
    print(f"  one at a time   {1 / scalar / 1e6:8.4f} million/s   {scalar * points / grid:6.0f} × the grid's per point")
