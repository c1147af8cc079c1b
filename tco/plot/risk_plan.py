"""What pictures of risk show: rows of a tornado and bins of a distribution, decided without a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from roofline._validation import number
from tco.plot.words import private_number, require_pair
from tco.risk import TornadoBar

_FEWEST_BINS, _MOST_BINS = 12, 80
_SHOWN = 0.999  # of the draws; a longer tail would squeeze what counts
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TornadoRow:
    """One input of a tornado.

    Attributes
    ----------
    name : str
        Of the input.
    low, high : float
        TCO ratio at its low and at its high value.
    low_text, high_text : str
        The two values in words; ``low`` and ``high`` where they are private.
    flips : bool
        Whether it alone turns the answer of the base.
    """

    name: str
    low: float
    high: float
    low_text: str
    high_text: str
    flips: bool


@dataclass(frozen=True)
class TornadoPlan:
    """What a tornado shows.

    Attributes
    ----------
    rows : tuple of TornadoRow
        Longest first.
    base : float
        TCO ratio with every input at its base.
    left_out : tuple of str
        Inputs that are not drawn, the shortest.
    largest_left_out : float
        What the longest of them makes of the ratio, as a factor of at least 1.
    """

    rows: tuple[TornadoRow, ...]
    base: float
    left_out: tuple[str, ...]
    largest_left_out: float


def plan_tornado(rows: Iterable[Sequence[Any]], *, base: float, most: int = 12) -> TornadoPlan:
    """Sort the inputs of a tornado by how far each moves the TCO ratio.

    Parameters
    ----------
    rows : iterable of tuple
        ``(name, ratio at low, ratio at high)``, or the same with the two values in words, or ``None`` for private ones.
    base : float
        TCO ratio with every input at its base.
    most : int
        Rows drawn.

    Returns
    -------
    TornadoPlan

    Raises
    ------
    ValueError
        No row, one of another form, a name that comes twice, or a ratio that is not above 0.

    Examples
    --------
    >>> plan = plan_tornado([("tariff", 0.81, 0.84, "0.05", "0.12"), ("throughput", 1.1, 0.7)], base=0.82)
    >>> [(row.name, row.flips, row.low_text) for row in plan.rows]
    [('throughput', True, 'low'), ('tariff', False, '0.05')]
    """
    start = private_number("base", base, above=0)
    if most < 1:
        raise ValueError(f"most = {most} is not accepted: give the number of rows to draw, at least 1")
    checked = [_row(position, row, start) for position, row in enumerate(rows, start=1)]
    if not checked:
        raise ValueError("rows is empty: give at least one input")
    names = [row.name for row in checked]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"input {twice!r} comes twice: give each once")
    ordered = sorted(checked, key=lambda row: -_swing(row, start))
    kept, rest = tuple(ordered[:most]), ordered[most:]
    return TornadoPlan(
        kept, start, tuple(row.name for row in rest), max((_swing(row, start) for row in rest), default=1.0)
    )


def _row(position: int, row: Sequence[Any], base: float) -> TornadoRow:
    if isinstance(row, str | TornadoBar) or not isinstance(row, Sequence) or len(row) not in (3, 5):
        raise ValueError(
            f"row {position} is not accepted: give (name, ratio at low, ratio at high) or the same with (.., low text, "
            "high text)"
        )
    name, texts = str(row[0]), [*row[3:], None, None][:2]
    low, high = (
        private_number(f"ratio of {name!r} at {end}", value, above=0)
        for end, value in (("low", row[1]), ("high", row[2]))
    )
    low_text, high_text = (end if text is None else str(text) for end, text in zip(("low", "high"), texts, strict=True))
    return TornadoRow(name, low, high, low_text, high_text, flips=any((end < 1) != (base < 1) for end in (low, high)))


def _swing(row: TornadoRow, base: float) -> float:
    return max(row.low, row.high, base) / min(row.low, row.high, base)


@dataclass(frozen=True, eq=False)
class DistributionPlan:
    """What a distribution of TCO ratios shows.

    Attributes
    ----------
    edges : ndarray
        Borders of the bins, even in logarithm; 1 is one of them where it lies among them.
    shares : ndarray
        Share of all draws in each bin.
    probability : float
        Share of the draws below 1: that A is cheaper.
    median, low, high : float
        Of the ratio: the middle one, and the ends of the interval.
    level : float
        Share of the draws within the interval.
    draws : int
        How many there are.
    outside : float
        Share of the draws beyond the drawn ends.
    names : (str, str)
        What A and B are called.
    """

    edges: _Array
    shares: _Array
    probability: float
    median: float
    low: float
    high: float
    level: float
    draws: int
    outside: float
    names: tuple[str, str]


def plan_distribution(
    values: npt.ArrayLike, *, level: float = 0.9, names: tuple[str, str] = ("A", "B")
) -> DistributionPlan:
    """Sort draws of the TCO ratio into bins, with a border at break-even.

    Parameters
    ----------
    values : array-like
        Draws of ``TCO_A / TCO_B``, above 0; two or more.
    level : float
        Share of the draws that the interval holds, between 0 and 1; as many lie below it as above.
    names : (str, str)
        What A and B are called.

    Returns
    -------
    DistributionPlan

    Raises
    ------
    ValueError
        Draws that are not above 0, fewer than two, a level that is no share, or names that are not two.

    Examples
    --------
    >>> plan = plan_distribution([0.5, 0.7, 0.8, 0.9, 1.2])
    >>> plan.probability, plan.median
    (0.8, 0.8)
    """
    pair = require_pair(names, field="names")
    share = float(number("level", level, above=0))
    if not share < 1:
        raise ValueError(f"level = {share:g} is not accepted: give a share between 0 and 1, such as 0.9")
    draws = np.ravel(np.asarray(number("values", values, above=0)))
    if draws.size < 2:
        raise ValueError("values holds one draw: give two or more")
    tail = (1 - _SHOWN) / 2
    ends = [tail, (1 - share) / 2, 0.25, 0.5, 0.75, (1 + share) / 2, 1 - tail]
    first, low, lower, median, upper, high, last = (float(value) for value in np.quantile(draws, ends))
    edges = _edges(min(first, low), max(last, high), np.log(upper / lower), draws.size)
    counts = np.histogram(draws, edges)[0]
    return DistributionPlan(
        edges=edges,
        shares=counts / draws.size,
        probability=float(np.mean(draws < 1)),
        median=median,
        low=low,
        high=high,
        level=share,
        draws=draws.size,
        outside=float(1 - counts.sum() / draws.size),
        names=pair,
    )


def _edges(first: float, last: float, quartiles: float, draws: int) -> _Array:
    """Choose bins even in logarithm: Freedman and Diaconis' width, within bounds, placed so that 1 is a border."""
    start, end = np.log(first), np.log(last)
    axis = max(end, 0.0) - min(start, 0.0)
    finest = max((end - start) / _MOST_BINS, axis / 200, 1e-4)  # a finer bin of few values could not be seen
    width = float(np.clip(2 * quartiles / np.cbrt(draws), finest, max((end - start) / _FEWEST_BINS, finest)))
    below, above = np.floor(start / width - 1e-9), np.ceil(end / width + 1e-9)
    return np.exp(width * np.arange(below, above + 1))
