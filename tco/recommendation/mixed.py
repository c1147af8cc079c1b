"""The cheapest fleet of several machines for a scenario, beside the cheapest of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tco.fleet import Fleet, Option, cheapest
from tco.recommendation.decision import Recommendation, slots_of


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
    """

    fleet: Fleet | None
    reason: str = ""
    over_best: float | None = None

    @property
    def machines(self) -> tuple[str, ...]:
        """Candidates of which it has servers."""
        return () if self.fleet is None else tuple(name for name, count in self.fleet.servers.items() if count)


def mixed_fleet(found: Recommendation) -> Mixed:
    """Find the cheapest fleet of all candidates together, within the scenario's limits.

    Every slot of the day must be served. A server costs what it does in its candidate's own plan, spares included;
    porting is left out.

    Parameters
    ----------
    found : Recommendation
        Of which each standing is an option.

    Returns
    -------
    Mixed
    """
    limits = found.scenario.fleet
    options = {name: _option(found, name) for name in found.standings}
    slots = slots_of(found.scenario)
    distinct = {tuple(np.round(list(rates.values()), 9)): rates for rates in slots}
    demand = {f"slot {at}": rates for at, rates in enumerate(distinct.values())}
    within: dict[str, Any] = {
        "site_power_w": None if limits is None or limits.site_power_kw is None else limits.site_power_kw * 1e3,
        "racks": None if limits is None or limits.racks is None else float(limits.racks),
        "gco2_per_year": None
        if limits is None or limits.tonnes_co2_per_year is None
        else limits.tonnes_co2_per_year * 1e6,
    }

    def best_of(names: tuple[str, ...]) -> Fleet:
        return cheapest(
            [options[name] for name in names], demand, headroom=found.scenario.service.headroom, gap=1e-4, **within
        )

    try:
        fleet = best_of(tuple(options))
    except ValueError as reason:
        return Mixed(None, str(reason))
    try:
        alone = best_of((found.best,))
    except ValueError:
        return Mixed(fleet)
    return Mixed(fleet, over_best=fleet.usd_per_year / alone.usd_per_year)


def _option(found: Recommendation, name: str) -> Option:
    standing = found.standings[name]
    return Option.of(standing.plan, name=name, rates=standing.rates, supply=found.scenario.candidates[name].supply)
