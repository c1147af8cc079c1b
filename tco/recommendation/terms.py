"""Own or rent, where a scenario has the same accelerator on both terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tco import ownership
from tco.break_even import utilisation
from tco.finance import HOURS_PER_YEAR
from tco.planning import Plan
from tco.recommendation.decision import Recommendation
from tco.recommendation.standing import slots_of

_BY_USE = ("energy", "carbon", "water")


@dataclass(frozen=True)
class OwnOrRent:
    """An accelerator bought against the same one rented.

    Attributes
    ----------
    owned, rented : str
        The two candidates.
    ratio : float
        Cost of owning all over that of renting all.
    threshold : float or None
        Share of the hours that a server must be busy for owning it to cost no more than renting it when needed;
        ``None`` where owning is dearer even when always busy, or the rent is paid whether used or not.
    on_demand : bool
        Whether the rent stops when a server is not needed.
    own, rent : int
        Servers to own, and to rent at the busiest, where that is cheapest; as many as all where it saves nothing.
    saving : float
        What that mix saves over the cheaper of all owned and all rented by the hour.
    """

    owned: str
    rented: str
    ratio: float
    threshold: float | None
    on_demand: bool
    own: int = 0
    rent: int = 0
    saving: float = 0.0


def own_or_rent(found: Recommendation) -> tuple[OwnOrRent, ...]:
    """Compare owning with renting, for each accelerator that can be had on both terms.

    Parameters
    ----------
    found : Recommendation
        Whose candidates may be on both terms.

    Returns
    -------
    tuple of OwnOrRent
        Empty where there is no such pair.
    """
    standings = found.standings
    return tuple(
        _compared(found, owned, rented)
        for owned, one in standings.items()
        for rented, other in standings.items()
        if not one.plan.deployment.rented
        and other.plan.deployment.rented
        and one.plan.deployment.server.accelerator == other.plan.deployment.server.accelerator
    )


def _compared(found: Recommendation, owned: str, rented: str) -> OwnOrRent:
    a, b = found.standings[owned].plan, found.standings[rented].plan
    ratio = a.usd_per_year / b.usd_per_year
    if b.inputs["commitment_years"] is not None:
        return OwnOrRent(owned, rented, ratio, None, on_demand=False)
    own, idle = _hour(a)
    # Rent of as many servers as do the work of one that is owned.
    a_rate, b_rate = (float(side.inputs["tokens_per_s"]) for side in (a, b))
    rent = float(b.inputs["rent_usd_per_h"]) * float(b.inputs["accelerators"]) * a_rate / b_rate
    threshold = float(utilisation(own_usd_per_h=own, rent_usd_per_h=rent, idle_usd_per_h=idle))
    needed = [
        (1 + a.service.headroom) * sum(rate / found.standings[owned].rates[name] for name, rate in slot.items())
        for slot in slots_of(found.scenario)
    ]
    best = ownership.own_or_rent(needed, own_usd_per_h=own, rent_usd_per_h=rent, idle_usd_per_h=idle)
    counts = dict(zip(best.names, best.servers, strict=True))
    return OwnOrRent(
        owned,
        rented,
        ratio,
        None if np.isnan(threshold) else threshold,
        on_demand=True,
        own=counts["owned"],
        rent=counts["on demand"],
        saving=min(best.saving.values()),
    )


def _hour(plan: Plan) -> tuple[float, float]:
    """Cost of a busy and of an idle hour of a server that is owned, spares and all but porting included [USD/h]."""
    standing = plan.usd_per_year - plan.breakdown.get("porting", 0.0)
    by_use = sum(plan.breakdown.get(part, 0.0) for part in _BY_USE)
    one = plan.deployment.evaluate()  # busy all year round
    busy = sum(float(one.parts[part]) for part in _BY_USE if part in one.parts)
    load = float(plan.inputs["load"])
    share = 0.0 if plan.service.released else plan.inputs["idle_share"]  # of one that is switched off
    idle = busy if share is None else busy * min(float(share), load) / load
    fixed = (standing - by_use) / plan.servers
    return (fixed + busy) / HOURS_PER_YEAR, (fixed + idle) / HOURS_PER_YEAR
