"""How often a kernel is repeated, over how much memory, and what is made of the times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from roofline._validation import count

COLD = 4
"""Caches that the operands of a pass fill. A cache that replaces lines at random still holds a share ``h`` of them a
pass later, ``h = exp(−n·(1 − h))`` for operands that fill it ``n`` times: 2 % at 4."""

_MOST_SETS = 2048  # kernels in one CUDA graph
_PASS_S = 1e-3  # a pass takes at least this long, so that reading a clock is no part of it


@dataclass(frozen=True)
class Timing:
    """Times of a kernel.

    Attributes
    ----------
    median_s : float
        Of the repeats [s].
    spread : float
        Their standard deviation over the median; NaN of a single one, which has none.
    repeats : int
        How many there were.

    Examples
    --------
    >>> Timing.of([1.0, 2.0, 3.0])
    Timing(median_s=2.0, spread=0.5, repeats=3)
    """

    median_s: float
    spread: float
    repeats: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Timing:
        """Summarise repeats.

        Parameters
        ----------
        samples : sequence of float
            Times [s].
        """
        median = float(np.median(samples))
        spread = float(np.std(samples, ddof=1)) / median if len(samples) > 1 else math.nan
        return cls(median, spread, len(samples))


def repeat(
    run: Callable[[], float],
    *,
    repeats: int = 100,
    tolerance: float = 0.005,
    limit_s: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Repeat a measurement until its mean is certain enough.

    Parameters
    ----------
    run : callable
        Runs once and returns its time [s].
    repeats : int
        Most repeats.
    tolerance : float
        Standard error of the mean, over the median, at which 5 repeats or more are enough.
    limit_s : float
        Time after which 3 repeats are enough [s].
    clock : callable
        Tells the time [s].

    Returns
    -------
    Timing

    Examples
    --------
    >>> times = iter([1.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    >>> repeat(lambda: next(times))
    Timing(median_s=1.0, spread=0.0, repeats=5)
    """
    count("repeats", repeats)
    start, samples = clock(), [run()]
    while len(samples) < repeats:
        samples.append(run())
        so_far = Timing.of(samples)
        certain = so_far.spread / math.sqrt(len(samples)) <= tolerance
        if (len(samples) >= 5 and certain) or (len(samples) >= 3 and clock() - start > limit_s):
            break
    return Timing.of(samples)


def operand_sets(*, bytes: float, cache_bytes: float, free_bytes: float | None) -> tuple[int, bool]:
    """Copies of a kernel's operands that are taken in turn, so that none is found in the cache.

    Parameters
    ----------
    bytes : float
        Operands of the kernel [byte].
    cache_bytes : float
        What the caches of the device hold [byte].
    free_bytes : float, optional
        Memory that can be taken [byte]; unchecked where unknown.

    Returns
    -------
    (int, bool)
        How many, 0 if memory does not hold one; and whether they fill the cache ``COLD`` times.

    Examples
    --------
    >>> operand_sets(bytes=50e6, cache_bytes=50e6, free_bytes=80e9)
    (4, True)
    >>> operand_sets(bytes=50e6, cache_bytes=50e6, free_bytes=120e6), operand_sets(bytes=9e9, cache_bytes=50e6,
    ...                                                                            free_bytes=8e9)
    ((2, False), (0, True))
    """
    wanted = max(1, math.ceil(COLD * cache_bytes / bytes))
    room = _MOST_SETS if free_bytes is None else min(_MOST_SETS, int(free_bytes // bytes))
    return min(wanted, room), wanted <= room or room == 0


def rounds(pass_s: float) -> int:
    """How often the operands are gone through in one pass, so that it is long enough to be timed.

    Parameters
    ----------
    pass_s : float
        Time of going through them once [s].

    Examples
    --------
    >>> rounds(2e-4), rounds(0.5)
    (5, 1)
    """
    return max(1, math.ceil(_PASS_S / max(pass_s, 1e-6)))
