"""What a breakdown of costs shows, decided without a pixel, and without a dollar unless it is revealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tco.plot.plan import times
from tco.plot.words import keep_apart, listed, private_number, require_mapping

SMALL = 0.02
"""Parts that are no larger than this share of any bar are gathered as ``other``."""

MOST_PARTS = 10
"""Parts that are told apart; of more, the smallest are gathered too."""

_OTHER = "other"
_COLOURS = {  # blue and purple: servers; brown and orange: racks and plant; yellow: energy; the rest grey and teal
    "server": "#0f4c81",
    "accelerators": "#0f4c81",
    "rent": "#7b4fa0",
    "host": "#2b6ca8",
    "spares": "#2f7fc1",
    "network": "#5fa8dd",
    "storage": "#94c6ea",
    "installation": "#c3dff2",
    "licences": "#5b6ea8",
    "support": "#8f9cc9",
    "porting": "#c6cde6",
    "rack": "#7a3e0c",
    "plant": "#c2560c",
    "colocation": "#a8481a",
    "energy": "#f0b429",
    "demand": "#f9dc8c",
    "operations": "#d99a6c",
    "staff": "#d99a6c",
    "carbon": "#5f5f5f",
    "water": "#5fb3b3",
    _OTHER: "#c4c4c4",
}
_SCALES = ((1e9, "billion "), (1e6, "million "), (1e3, "thousand "))
_ORDER = tuple(_COLOURS)
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BreakdownPlan:
    """What a breakdown of costs shows.

    Attributes
    ----------
    labels : tuple of str
        The bars, from the top.
    parts : tuple of str
        The segments, from the left.
    values : ndarray
        Shape ``(len(labels), len(parts))``: shares of the last bar's whole, or revealed amounts in `unit`.
    relative : ndarray
        Whole of each bar over the last one's.
    gathered : tuple of str
        What ``other`` holds.
    largest_gathered : float
        Largest share of its bar that any of them has.
    unit : str
        What the values are in, such as ``thousand USD/year``; empty where they are shares.
    colours : dict of str to str
        Of the parts.
    """

    labels: tuple[str, ...]
    parts: tuple[str, ...]
    values: _Array
    relative: _Array
    gathered: tuple[str, ...]
    largest_gathered: float
    unit: str
    colours: dict[str, str]

    @property
    def totals(self) -> _Array:
        """Length of each bar."""
        total: _Array = self.values.sum(axis=1)
        return total

    @property
    def total_texts(self) -> tuple[str, ...]:
        """What stands at the end of each bar."""
        if not self.unit:
            return tuple(map(times, self.relative))
        amounts = map(amount, self.totals)
        return tuple(f"{text} ({times(ratio)})" for text, ratio in zip(amounts, self.relative, strict=True))

    @property
    def rule(self) -> str:
        """How ``other`` came about; empty where nothing was gathered."""
        if not self.gathered:
            return ""
        return f"other: {listed(self.gathered)}, each up to {100 * self.largest_gathered:.2g} % of a bar"


def plan_breakdown(
    costs: Mapping[str, Mapping[str, float]], *, reveal: bool = False, unit: str = "USD/year"
) -> BreakdownPlan:
    """Decide what a breakdown of costs shows.

    Parameters
    ----------
    costs : mapping of str to mapping of str to float
        Parts of each cost, at least 0, by name of the deployment; what one of them lacks is no part of its cost.
    reveal : bool
        Keep amounts; without it the plan holds ratios only.
    unit : str
        What the costs are in.

    Returns
    -------
    BreakdownPlan

    Raises
    ------
    ValueError
        Nothing to show, a part that is not a number of at least 0, or parts that add up to nothing.

    Examples
    --------
    >>> plan = plan_breakdown({"A": {"server": 3.0, "energy": 1.0}, "B": {"server": 4.0, "energy": 1.0}})
    >>> plan.values
    array([[0.6, 0.2],
           [0.8, 0.2]])
    >>> plan.total_texts
    ('0.8×', '1×')
    """
    checked = {
        str(label): {
            str(part): private_number(f"part {part!r} of {label!r}", value)
            for part, value in require_mapping(f"costs[{label!r}]", parts, "parts to their cost").items()
        }
        for label, parts in require_mapping("costs", costs, "names to the parts of their cost").items()
    }
    for label, parts in checked.items():
        if not sum(parts.values()) > 0:
            raise ValueError(f"the parts of {label!r} add up to nothing: give what it costs")
    seen = dict.fromkeys(part for parts in checked.values() for part in parts)
    known = [part for part in _ORDER if part in seen and part != _OTHER]
    order = [*known, *(part for part in seen if part not in _COLOURS), *([_OTHER] if _OTHER in seen else [])]
    amounts = np.array([[parts.get(part, 0.0) for part in order] for parts in checked.values()])
    wholes = amounts.sum(axis=1)
    largest = (amounts / wholes[:, None]).max(axis=0)
    ranked = sorted((part for part in order if part != _OTHER), key=lambda part: -largest[order.index(part)])
    small = {part for part in ranked if largest[order.index(part)] <= SMALL} | set(ranked[MOST_PARTS:])
    if len(small) + (_OTHER in seen) < 2:  # to gather one part would save nothing and hide its name
        small = set()
    kept = [i for i, part in enumerate(order) if part not in small and part != _OTHER]
    rest = [i for i in range(len(order)) if i not in kept]
    names = [order[i] for i in kept]
    values = amounts[:, kept]
    if rest:
        names.append(_OTHER)
        values = np.column_stack([values, amounts[:, rest].sum(axis=1)])
    scale, word = _scale(float(wholes.max()))
    return BreakdownPlan(
        labels=tuple(checked),
        parts=tuple(names),
        values=values / (scale if reveal else wholes[-1]),
        relative=wholes / wholes[-1],
        gathered=tuple(part for part in order if part in small),
        largest_gathered=max((float(largest[order.index(part)]) for part in small), default=0.0),
        unit=f"{word}{unit}" if reveal else "",
        colours=keep_apart(names, _COLOURS),
    )


def amount(value: float) -> str:
    """Write a revealed amount with three significant digits, and no fraction from 100 on."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def _scale(largest: float) -> tuple[float, str]:
    """Choose what amounts are written in, so that the largest has two digits at least."""
    return next(((scale, word) for scale, word in _SCALES if largest >= 10 * scale), (1.0, ""))
