"""What a picture of fleets shows: counts of servers and who does which work, decided without a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tco.plot.plan import times
from tco.plot.words import keep_apart, private_number, require_mapping

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FleetPlan:
    """What a picture of fleets shows.

    Attributes
    ----------
    labels : tuple of str
        Fleets, from the top.
    options : tuple of str
        Kinds of server that any of them has, from the left.
    counts : ndarray
        Shape ``(len(labels), len(options))``.
    relative_cost : tuple of float or None
        Cost of each fleet over a reference.
    colours : dict of str to str
        Of the options.
    """

    labels: tuple[str, ...]
    options: tuple[str, ...]
    counts: _Array
    relative_cost: tuple[float, ...] | None
    colours: dict[str, str]

    @property
    def totals(self) -> _Array:
        """Servers of each fleet."""
        total: _Array = self.counts.sum(axis=1)
        return total

    @property
    def total_texts(self) -> tuple[str, ...]:
        """What stands at the end of each bar."""
        texts = [f"{count_text(total)} server{'' if total == 1 else 's'}" for total in self.totals]
        if self.relative_cost is not None:
            texts = [f"{text}, {times(cost)}" for text, cost in zip(texts, self.relative_cost, strict=True)]
        return tuple(texts)

    @property
    def reference(self) -> str | None:
        """What costs are over: the fleet that is at 1×, if one alone is; ``None`` without costs."""
        if self.relative_cost is None:
            return None
        level = [label for label, cost in zip(self.labels, self.relative_cost, strict=True) if abs(cost - 1) < 1e-9]
        return f"that of {level[0]}" if len(level) == 1 else "the reference's"


def plan_fleet(
    servers: Mapping[str, Mapping[str, float]], *, relative_cost: Mapping[str, float] | None = None
) -> FleetPlan:
    """Decide what a picture of fleets shows.

    Parameters
    ----------
    servers : mapping of str to mapping of str to float
        Servers of each kind, by name of the fleet.
    relative_cost : mapping of str to float, optional
        Cost of each fleet over a reference.

    Returns
    -------
    FleetPlan

    Raises
    ------
    ValueError
        A fleet without servers, a count below 0, or costs that are not those of the fleets.

    Examples
    --------
    >>> plan = plan_fleet({"mixed": {"A10G": 3, "A100": 1}, "one kind": {"A100": 2}})
    >>> plan.options, plan.total_texts
    (('A10G', 'A100'), ('4 servers', '2 servers'))
    """
    checked = {
        str(label): {
            str(option): private_number(f"count of {option!r} in {label!r}", count)
            for option, count in require_mapping(f"servers[{label!r}]", counts, "kinds of server to counts").items()
        }
        for label, counts in require_mapping("servers", servers, "fleets to their servers").items()
    }
    empty = next((label for label, counts in checked.items() if not sum(counts.values()) > 0), None)
    if empty is not None:
        raise ValueError(f"fleet {empty!r} has no servers: give a count above 0")
    options = [
        option
        for option in dict.fromkeys(option for counts in checked.values() for option in counts)
        if any(counts.get(option, 0) > 0 for counts in checked.values())
    ]
    costs = None
    if relative_cost is not None:
        if set(map(str, relative_cost)) != set(checked):
            raise ValueError(f"relative_cost is for {sorted(relative_cost)}: give one for each of {sorted(checked)}")
        given = {str(label): cost for label, cost in relative_cost.items()}
        costs = tuple(private_number(f"relative_cost of {label!r}", given[label], above=0) for label in checked)
    counts = np.array([[counts.get(option, 0.0) for option in options] for counts in checked.values()])
    return FleetPlan(tuple(checked), tuple(options), counts, costs, keep_apart(options, {}))


@dataclass(frozen=True, eq=False)
class AssignmentPlan:
    """Who does which work.

    Attributes
    ----------
    workloads, options : tuple of str
        Rows and columns.
    shares : ndarray
        Share of each workload that each kind of server does, shape ``(len(workloads), len(options))``.
    colours : dict of str to str
        Of the options.
    """

    workloads: tuple[str, ...]
    options: tuple[str, ...]
    shares: _Array
    colours: dict[str, str]


def plan_assignment(
    shares: Mapping[str, Mapping[str, float]], *, colours: Mapping[str, str] | None = None
) -> AssignmentPlan:
    """Decide what a picture of an assignment shows.

    Parameters
    ----------
    shares : mapping of str to mapping of str to float
        Share of each workload that each kind of server does; those of a workload add up to 1.
    colours : mapping of str to str, optional
        Of the kinds of server, which then all have a column, in this order.

    Returns
    -------
    AssignmentPlan

    Raises
    ------
    ValueError
        Shares that do not add up to 1, or a kind of server without a colour among those given.

    Examples
    --------
    >>> plan_assignment({"chat": {"A10G": 1.0}, "code": {"A10G": 0.25, "A100": 0.75}}).shares
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """
    checked = {
        str(workload): {
            str(option): private_number(f"share of {option!r} in {workload!r}", share)
            for option, share in require_mapping(f"shares[{workload!r}]", parts, "kinds of server to shares").items()
        }
        for workload, parts in require_mapping("shares", shares, "workloads to shares").items()
    }
    for workload, parts in checked.items():
        if abs(sum(parts.values()) - 1) > 1e-6:
            raise ValueError(f"shares of {workload!r} add up to {sum(parts.values()):.6g}: give shares that make 1")
    seen = dict.fromkeys(option for parts in checked.values() for option in parts)
    unknown = [] if colours is None else [option for option in seen if option not in colours]
    if unknown:
        raise ValueError(f"assignment names {unknown[0]!r}, which no fleet has: give names among {list(colours or {})}")
    options = list(seen) if colours is None else list(colours)
    matrix = np.array([[parts.get(option, 0.0) for option in options] for parts in checked.values()])
    return AssignmentPlan(tuple(checked), tuple(options), matrix, keep_apart(options, colours or {}))


def count_text(count: float) -> str:
    """Write a number of servers; a fraction of one, which a relaxed plan may hold, with one digit."""
    return f"{count:,.0f}" if abs(count - round(count)) < 1e-6 else f"{count:,.1f}"
