"""Best of a few runs, as a benchmark should be: what the machine can do, not what else it was doing."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


def best_s(run: Callable[[], object], *, repeats: int) -> float:
    """Shortest wall time of `repeats` runs, after one to warm up [s]."""
    run()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times)
