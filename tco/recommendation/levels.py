"""Where the answer turns: the value of one input at which the cheapest and the second cost the same, all else held.

Each is of the plans themselves, with their whole servers, racks and spares: put back into them, it makes the two change
places.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from roofline._arrays import Array
from tco import break_even
from tco.planning import Plan, PlanComparison
from tco.recommendation.decision import Recommendation

_RATES = np.linspace(0.0, 0.3, 601)
"""Costs of capital that are looked through [1/year]."""

_FACTORS = np.geomspace(1.0, 1e4, 20_001)
"""How much slower or faster a server is looked for to be."""


@dataclass(frozen=True)
class Level:
    """An input at which two candidates draw level.

    Attributes
    ----------
    name : str
        Of the input, as in ``[ranges]``.
    now : float
        What it is, in its own unit.
    at : float or None
        Where they draw level; ``None`` where no value does. Of a throughput, on which whole servers depend in steps,
        where the one stops being cheaper than the other.
    """

    name: str
    now: float = field(repr=False)
    at: float | None = field(repr=False)

    @property
    def factor(self) -> float | None:
        """That over what it is; ``None`` where there is none, or nothing to set it against."""
        return None if self.at is None or self.now == 0 else self.at / self.now


def levels(found: Recommendation) -> tuple[Level, ...]:
    """Where the answer turns, by input.

    Throughput, price or rent of either, the tariff, the carbon price, the cost of capital: each alone.

    Parameters
    ----------
    found : Recommendation
        With two candidates or more; of one there are no levels.

    Returns
    -------
    tuple of Level
    """
    c, a, b = found.against_runner_up, found.best, found.runner_up
    if c is None or b is None:
        return ()
    made = [
        _throughput(f"{a}.tokens_per_s", c.a, 1 / _FACTORS, lambda usd: usd >= c.b.usd_per_year),
        _throughput(f"{b}.tokens_per_s", c.b, _FACTORS, lambda usd: usd <= c.a.usd_per_year),
    ]
    for name, side, other in ((a, c.a, c.b), (b, c.b, c.a)):
        for price in ("price_usd", "rent_usd_per_h"):
            if side.inputs.get(price) is not None:
                made.append(_price(f"{name}.{price}", side, price, other.usd_per_year))
    tariff = next((side.inputs["usd_per_kwh"] for side in (c.a, c.b) if side.inputs.get("usd_per_kwh")), None)
    if tariff is not None:
        made.append(_tariff(c, float(tariff)))
    made.append(_carbon(c))
    at = _nearest(c)
    made.append(Level("discount_rate", float(c.a.inputs["discount_rate"]), at))
    return tuple(made)


def _throughput(name: str, side: Plan, factors: Array, turned: Callable[[Array], Array]) -> Level:
    """The throughput, nearest to what it is, past which the answer has turned; whole servers make it a step."""
    now = float(side.inputs["tokens_per_s"])

    def is_turned(rates: Array) -> Array:
        return np.broadcast_to(turned(np.asarray(side.evaluate(tokens_per_s=rates).total_usd)), rates.shape)

    rates = now * factors
    past = np.flatnonzero(is_turned(rates))
    if not past.size:
        return Level(name, now, None)
    if past[0] == 0:  # they cost the same as planned
        return Level(name, now, now)
    stays, turns = rates[past[0] - 1], rates[past[0]]
    for _ in range(8):  # each time a hundred times closer
        between = np.linspace(stays, turns, 101)
        first = int(np.argmax(is_turned(between)))
        stays, turns = between[first - 1], between[first]
    return Level(name, now, float(stays))


def _price(name: str, side: Plan, price: str, goal: float) -> Level:
    """Where a cost that is a straight line in a price reaches another."""
    now = float(side.inputs[price])
    unit = now or 1.0
    free, paid = (float(side.evaluate(**{price: unit * factor}).total_usd) for factor in (0.0, 1.0))
    slope = (paid - free) / unit
    at = float(break_even.linear_break_even(fixed_a=free, slope_a=slope, fixed_b=goal, slope_b=0.0))
    return Level(name, now, None if math.isnan(at) else at)


def _tariff(c: PlanComparison, now: float) -> Level:
    kwh, others = [], []
    for side in (c.a, c.b):
        energy = side.breakdown.get("energy")  # a rent has the tariff in it, whatever it is
        kwh.append(0.0 if energy is None else float(side.account.energy_kwh))
        others.append(side.usd_per_year - (energy or 0.0))
    at = float(break_even.tariff(other_usd_a=others[0], kwh_a=kwh[0], other_usd_b=others[1], kwh_b=kwh[1]))
    return Level("usd_per_kwh", now, None if math.isnan(at) else at)


def _carbon(c: PlanComparison) -> Level:
    """The carbon price of the electricity [USD/t]; a rent has it in it, whatever it is."""
    sides = (c.a, c.b)
    now = next((float(side.inputs["usd_per_tonne_co2"]) for side in sides if side.inputs.get("usd_per_tonne_co2")), 0.0)
    usd = [side.usd_per_year - side.breakdown.get("carbon", 0.0) for side in sides]
    kg = [
        0.0
        if side.deployment.rented
        else float(side.account.energy_kwh) * side.deployment.facility.grid_gco2_per_kwh / 1e3
        for side in sides
    ]
    at = float(break_even.carbon_price(usd_a=usd[0], kg_a=kg[0], usd_b=usd[1], kg_b=kg[1]))
    return Level("usd_per_tonne_co2", now, None if math.isnan(at) else 1e3 * at)


def _nearest(c: PlanComparison) -> float | None:
    """The cost of capital, nearest to what it is, at which the two draw level."""
    from scipy.optimize import brentq

    def dearer(rate: Array) -> Array:
        a, b = (side.evaluate(discount_rate=rate).total_usd for side in (c.a, c.b))
        return np.log(a / b)

    now = float(c.a.inputs["discount_rate"])
    logs = np.broadcast_to(dearer(_RATES), _RATES.shape)
    turns = np.flatnonzero((logs[1:] < 0) != (logs[:-1] < 0))
    at = [float(brentq(lambda rate: float(dearer(rate)), _RATES[i], _RATES[i + 1], xtol=1e-14)) for i in turns]
    return min(at, key=lambda rate: abs(rate - now)) if at else None


def flips_in_year(found: Recommendation) -> int | None:
    """First year, counted from 1, in which the growth of the traffic makes the second cheaper; ``None`` if none does.

    Parameters
    ----------
    found : Recommendation
        Whose applications may grow.
    """
    if found.runner_up is None:
        return None
    a, b = (found.by_year(name).total_usd for name in (found.best, found.runner_up))
    later = np.flatnonzero(np.broadcast_to(np.asarray(a) > np.asarray(b), (found.scenario.decision.years,)))
    return int(later[0]) + 1 if later.size else None
