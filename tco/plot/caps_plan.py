"""What a power-cap curve shows: lines, steps and bands of servers per rack, decided without a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from roofline._validation import choice

KINDS = ("measured", "modelled", "interpolated", "assumed", "extrapolated")
"""How a point of the curve is known."""

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RackBand:
    """A range of caps at which a rack holds the same number of servers; its watts may be private, and stay unsaid.

    Attributes
    ----------
    low_w, high_w : float
        Ends: up to a breakpoint ``P_rack/n``, the highest power at which n still fit [W].
    servers : int
        Servers per rack.
    """

    low_w: float = field(repr=False)
    high_w: float = field(repr=False)
    servers: int


@dataclass(frozen=True, eq=False)
class PowerCapPlan:
    """What a power-cap curve shows.

    Attributes
    ----------
    power_w : ndarray
        Caps, ascending [W].
    cost, throughput : ndarray
        Cost per token and throughput over the uncapped ones.
    kinds : tuple of str
        How each point is known, of :data:`KINDS`.
    steps : tuple of int
        After which points one server less fits a rack, so that the cost steps up.
    bands : tuple of RackBand
        Servers per rack; empty where they are not given.
    optimum : int
        Which point is the best.
    extrapolated : tuple of (float, float)
        Ranges of caps beyond what is known [W].
    """

    power_w: _Array = field(repr=False)
    cost: _Array
    throughput: _Array
    kinds: tuple[str, ...]
    steps: tuple[int, ...]
    bands: tuple[RackBand, ...]
    optimum: int
    extrapolated: tuple[tuple[float, float], ...] = field(repr=False)

    def lines(self, values: str) -> tuple[tuple[_Array, _Array, bool], ...]:
        """Lines through what is not measured, and through measured points that were interpolated between.

        Parameters
        ----------
        values : {"cost", "throughput"}
            Of what; only the cost steps.

        Returns
        -------
        tuple of (ndarray, ndarray, bool)
            Caps [W], values, and whether they are extrapolated.
        """
        y: _Array = self.cost if values == "cost" else self.throughput
        around = ("", *self.kinds, "")
        line = [
            i for i, kind in enumerate(self.kinds) if kind != "measured" or "interpolated" in (around[i], around[i + 2])
        ]
        pieces: list[tuple[list[float], list[float], bool]] = []
        for i, j in pairwise(line):
            beyond = "extrapolated" in (self.kinds[i], self.kinds[j])
            if not pieces or pieces[-1][2] != beyond:
                pieces.append(([float(self.power_w[i])], [float(y[i])], beyond))
            corner: list[tuple[float, float]] = []
            steps = [step for step in self.steps if i <= step < j] if values == "cost" else []
            if steps:
                edge = float(self.power_w[steps[-1]])
                corner = [(edge, float(y[i])), (edge, self._above_step(edge, j, y))]
            for x, value in (*corner, (float(self.power_w[j]), float(y[j]))):
                pieces[-1][0].append(x)
                pieces[-1][1].append(value)
        return tuple((np.array(x), np.array(values), beyond) for x, values, beyond in pieces)

    def _above_step(self, edge: float, j: int, y: _Array) -> float:
        """Continue the line of the next two points, if the same servers fit, back to the step before them."""
        if j + 1 >= y.size or j in self.steps or "measured" in self.kinds[j : j + 2]:
            return float(y[j])
        slope = (y[j + 1] - y[j]) / (self.power_w[j + 1] - self.power_w[j])
        return float(y[j] - slope * (self.power_w[j] - edge))


def plan_power_cap(
    *,
    power_w: npt.ArrayLike,
    relative_cost: npt.ArrayLike,
    relative_throughput: npt.ArrayLike,
    servers_per_rack: npt.ArrayLike | None = None,
    optimum_w: float | None = None,
    kinds: str | Sequence[str] = "modelled",
) -> PowerCapPlan:
    """Decide what a power-cap curve shows.

    Parameters
    ----------
    power_w : array-like
        Caps, in any order, each once [W]. The breakpoints ``P_rack/n`` should be among them.
    relative_cost, relative_throughput : array-like
        Cost per token and throughput over the uncapped ones, one per cap.
    servers_per_rack : array-like, optional
        Whole number at each cap.
    optimum_w : float, optional
        The best of the caps [W]; where the cost is lowest if not given.
    kinds : str or sequence of str
        How each point is known: one of :data:`KINDS`; one word for all.

    Returns
    -------
    PowerCapPlan

    Raises
    ------
    ValueError
        Arrays of unlike length, values that are not above 0, a cap that comes twice, servers per rack that rise with
        the cap, or an optimum that is none of the caps. Watts are not shown, as they may be private.

    Examples
    --------
    >>> plan = plan_power_cap(
    ...     power_w=[8_000, 10_000, 10_200], relative_cost=[0.99, 0.97, 1.0], relative_throughput=[0.9, 0.99, 1.0],
    ...     servers_per_rack=[5, 4, 3],
    ... )
    >>> plan.optimum, plan.bands[1]
    (1, RackBand(servers=4))
    """
    power = _column("power_w", power_w)
    cost, throughput = _column("relative_cost", relative_cost), _column("relative_throughput", relative_throughput)
    words = (kinds,) * power.size if isinstance(kinds, str) else tuple(kinds)
    known = tuple(choice("kinds", word, KINDS) for word in words)
    racks = None if servers_per_rack is None else _column("servers_per_rack", servers_per_rack)
    for name, size in (
        ("relative_cost", cost.size),
        ("relative_throughput", throughput.size),
        ("kinds", len(known)),
        ("servers_per_rack", power.size if racks is None else racks.size),
    ):
        if size != power.size:
            raise ValueError(f"{name} has {size} values: give {power.size}, one per cap")
    order = np.argsort(power, kind="stable")
    power, cost, throughput = power[order], cost[order], throughput[order]
    if np.any(np.diff(power) <= 0):
        raise ValueError("power_w holds a cap twice: give each once")
    best = int(cost.argmin()) if optimum_w is None else _nearest(power, optimum_w)
    bands: list[RackBand] = []
    steps: tuple[int, ...] = ()
    if racks is not None:
        held = racks[order]
        if np.any(held != np.floor(held)) or np.any(np.diff(held) > 0):
            raise ValueError("servers_per_rack is not accepted: give whole numbers that do not rise with the cap")
        steps = tuple(int(i) for i in np.flatnonzero(np.diff(held)))
        ends = [float(power[0]), *(float(power[i]) for i in steps), float(power[-1])]
        values = [int(held[i]) for i in (*steps, power.size - 1)]
        bands = [RackBand(low, high, n) for low, high, n in zip(ends[:-1], ends[1:], values, strict=True)]
    kinds_in_order = tuple(known[i] for i in order)
    return PowerCapPlan(
        power, cost, throughput, kinds_in_order, steps, tuple(bands), best, _beyond(power, kinds_in_order)
    )


def _column(field: str, values: Any) -> _Array:
    """Check a column of numbers above 0; its values may be private, so the message holds none."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
        raise ValueError(f"{field} is not accepted: give a one-dimensional array of numbers above 0")
    column: _Array = array.astype(np.float64)
    if not (np.isfinite(column) & (column > 0)).all():
        raise ValueError(f"{field} is not accepted: give finite numbers above 0")
    return column


def _nearest(power: _Array, optimum_w: float) -> int:
    place = int(np.abs(power - optimum_w).argmin())
    if not np.isclose(power[place], optimum_w, rtol=1e-6, atol=0):
        raise ValueError("optimum_w is none of power_w: give one of the caps")
    return place


def _beyond(power: _Array, kinds: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Return the ranges of caps between points of which one is extrapolated."""
    ranges: list[tuple[float, float]] = []
    for i in range(power.size - 1):
        if "extrapolated" not in kinds[i : i + 2]:
            continue
        low, high = float(power[i]), float(power[i + 1])
        if ranges and ranges[-1][1] == low:
            low = ranges.pop()[0]
        ranges.append((low, high))
    return tuple(ranges)
