"""The cheapest fleet of several machines for a scenario, beside the cheapest of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tco.finance import HOURS_PER_YEAR
from tco.fleet import Fleet, Option, cheapest
from tco.recommendation.decision import Recommendation
from tco.recommendation.limits import limits_of
from tco.recommendation.standing import slots_of
from tco.recommendation.words import listed

_GAP, _HOURLY_GAP = 1e-4, 0.01
"""How far the cost may be above the lowest; proving more takes long where each slot of the day rents whole servers."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """A fleet that may have several machines.

    Attributes
    ----------
    fleet : Fleet or None
        The cheapest within the limits; ``None`` where there is none.
    reason : str
        Why there is none.
    over_best : float or None
        Its cost over that of the best candidate alone, counted in the same way.
    over_best_last : float or None
        The same of the last year's fleets, where the traffic grows; ``None`` where it does not, or there is none.
    accelerators : dict of str to str
        What each candidate's server holds.
    """

    fleet: Fleet | None
    reason: str = ""
    over_best: float | None = None
    over_best_last: float | None = None
    accelerators: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Servers of each candidate of which it has any; of those by the hour, when it has the most."""
        if self.fleet is None:
            return {}
        most = {
            option.name: max(outcome.servers[option.name] for outcome in self.fleet.outcomes)
            for option in self.fleet.options
        }
        return {name: count for name, count in most.items() if count}

    @property
    def machines(self) -> tuple[str, ...]:
        """Candidates of which it has servers."""
        return tuple(self.counts)

    @property
    def hourly(self) -> tuple[str, ...]:
        """Those of them that are rented by the hour."""
        options = () if self.fleet is None else self.fleet.options
        return tuple(option.name for option in options if option.on_demand and option.name in self.counts)

    @property
    def platforms(self) -> int:
        """How many kinds of accelerator it has, bought or rented."""
        return len({self.accelerators[name] for name in self.machines})

    @property
    def said(self) -> str:
        """What it has, in words."""
        return listed(
            [
                f"up to {count:,} of {name} by the hour" if name in self.hourly else f"{count:,} of {name}"
                for name, count in self.counts.items()
            ]
        )


def mixed_fleet(found: Recommendation) -> Mixed:
    """Find the cheapest fleet of all candidates together, within the scenario's limits.

    The traffic is that of the first year, of which every slot of the day must be served. A server that is owned, or
    rented for a commitment, costs what it does in its candidate's own plan, spares included; one rented without a
    commitment its rent while a slot needs it. Porting is left out.

    Parameters
    ----------
    found : Recommendation
        Of which each standing is an option, and those beside.

    Returns
    -------
    Mixed
    """
    accelerators = {name: one.plan.deployment.server.accelerator for name, one in found.planned.items()}
    try:
        fleet, over = _cheapest(found, year=0)
    except ValueError as reason:
        # By how much a limit is missed would say what the limit is.
        return Mixed(None, re.sub(r" \(at least [^)]* times as much\)", "", str(reason)))
    last = None
    if found.grows:
        try:
            _, last = _cheapest(found, year=found.scenario.decision.years - 1)
        except ValueError:
            last = None
    return Mixed(fleet, "", over, last, accelerators)


def _cheapest(found: Recommendation, *, year: int) -> tuple[Fleet, float | None]:
    """The cheapest fleet of all for the traffic of a year, counted from 0, and its cost over that of the best alone."""
    options = {name: _option(found, name) for name in found.planned}
    slots = slots_of(found.scenario)
    often: dict[tuple[float, ...], int] = {}
    for slot in slots:
        rates = tuple(np.round(list(slot.values()), 9))
        often[rates] = often.get(rates, 0) + 1
    grown = {entry.name: (1 + entry.growth_per_year) ** year for entry in found.scenario.applications}
    demand = {
        f"slot {at}": {name: float(rate) * more for (name, more), rate in zip(grown.items(), rates, strict=True)}
        for at, rates in enumerate(often)
    }
    share = dict(zip(demand, (count / len(slots) for count in often.values()), strict=True))
    within: dict[str, Any] = {name: most for name, (_, most) in limits_of(found.scenario).items()}

    def best_of(*those: str) -> Fleet:
        chosen = [options[name] for name in those]
        return cheapest(
            chosen,
            demand,
            probabilities=share,
            headroom=found.scenario.service.headroom,
            gap=_HOURLY_GAP if any(option.on_demand for option in chosen) else _GAP,
            **within,
        )

    fleet = best_of(*options)
    if not found.standings:
        return fleet, None
    alone = best_of(found.best)  # which keeps within the limits, or it would not be the best
    if alone.usd_per_year < fleet.usd_per_year:
        fleet = alone  # within the gap both are the cheapest
    return fleet, fleet.usd_per_year / alone.usd_per_year


def _option(found: Recommendation, name: str) -> Option:
    standing = found.planned[name]
    plan = standing.plan
    option = Option.of(plan, name=name, rates=standing.rates, supply=found.scenario.candidates[name].supply)
    if not standing.by_the_hour:
        return option
    hourly = float(plan.inputs["rent_usd_per_h"]) * float(plan.inputs["accelerators"])
    return replace(option, on_demand=True, usd_per_year=hourly * HOURS_PER_YEAR)
