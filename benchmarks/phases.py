"""Phase estimates per second, beside one multiplication per estimate."""

from __future__ import annotations

import numpy as np

import hardware_specs as hs
import roofline as rl
from benchmarks.timing import best_s

BLOCK = 65_536
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

    compiled = _compiled(llm, batch[:, None], context, repeats)

    def row(name: str, rate: float, ratio: float, of: str) -> str:
        return f"  {name:<15} {rate / 1e6:9.4f} million/s   {ratio:8.2f} × {of}"

    print(f"phase estimates (decode time of Llama 3.1 8B in fp8, {points:,} points, one core)")
    print(row("grid", points / grid, grid / outer, "one np.multiply.outer of that size"))
    if compiled is not None:
        print(row("grid, JAX", points / compiled, compiled / outer, "one np.multiply.outer of that size"))
    print(row("zipped columns", points / zipped_s, zipped_s / product, "one product of the columns"))
    print(row("one by one", 1 / scalar, scalar * points / grid, "the grid's time per point"))


def _compiled(llm: rl.LLM, batch: np.ndarray, context: np.ndarray, repeats: int) -> float | None:
    """Time the pure core compiled by JAX; ``None`` without the extra ``jax``."""
    try:
        import jax
    except ModuleNotFoundError:
        return None
    jax.config.update("jax_enable_x64", True)
    h100 = rl.Machine(name="H100", flops_per_s={"bf16": 989.4e12, "fp8": 1978.9e12}, memory_bytes_per_s=3.35e12)
    fp8 = rl.policy("fp8")

    @jax.jit
    def time_s(batch: jax.Array, context: jax.Array) -> jax.Array:
        operations = rl.decode_operations(llm, batch=batch, context_tokens=context, precision=fp8)
        return rl.phase_time_s(operations, h100)

    arrays = jax.device_put(batch), jax.device_put(context)
    return best_s(lambda: time_s(*arrays).block_until_ready(), repeats=repeats)
