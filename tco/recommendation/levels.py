"""Where the answer turns: the value of one input at which the cheapest and the second cost the same, all else held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tco import break_even
from tco.planning import PlanComparison
from tco.recommendation.decision import Recommendation

_RATES = np.linspace(0.0, 0.3, 601)
"""Costs of capital that are looked through [1/year]."""


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
        Where they draw level; ``None`` where no value does.
    """

    name: str
    now: float
    at: float | None

    @property
    def factor(self) -> float | None:
        """That over what it is; ``None`` where there is none, or nothing to set it against."""
        return None if self.at is None or self.now == 0 else self.at / self.now


def levels(found: Recommendation) -> tuple[Level, ...]:
    """Where the answer turns, by input.

    Throughput of the cheapest, price or rent of either, the tariff, the carbon price, the cost of capital: each alone.

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
    rate = float(c.a.inputs["tokens_per_s"])
    made = [Level(f"{a}.tokens_per_s", rate, rate * c.ratio)]  # servers go as its inverse, and the cost with them
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


def _price(name: str, side: Any, price: str, goal: float) -> Level:
    """Where a cost that is a straight line in a price reaches another."""
    now = float(side.inputs[price])
    free, paid = (float(side.evaluate(**{price: now * factor}).total_usd) for factor in (0.0, 1.0))
    slope = (paid - free) / now
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
    """The carbon price of electricity and, where it is known, of making the servers [USD/t]."""
    now = next(
        (float(side.inputs["usd_per_tonne_co2"]) for side in (c.a, c.b) if side.inputs.get("usd_per_tonne_co2")), 0.0
    )
    usd = [side.usd_per_year - side.breakdown.get("carbon", 0.0) for side in (c.a, c.b)]
    kg = [float(side.account.energy_kwh) * side.deployment.facility.grid_gco2_per_kwh / 1e3 for side in (c.a, c.b)]
    at = float(break_even.carbon_price(usd_a=usd[0], kg_a=kg[0], usd_b=usd[1], kg_b=kg[1]))
    return Level("usd_per_tonne_co2", now, None if math.isnan(at) else 1e3 * at)


def _nearest(c: PlanComparison) -> float | None:
    """The cost of capital, nearest to what it is, at which the two draw level."""
    now = float(c.a.inputs["discount_rate"])
    ratios = np.broadcast_to(c.evaluate(discount_rate=_RATES), _RATES.shape)
    turns = np.flatnonzero((ratios[1:] < 1) != (ratios[:-1] < 1))
    if not turns.size:
        return None
    logs = np.log(ratios)
    at = [_RATES[i] + (_RATES[i + 1] - _RATES[i]) * logs[i] / (logs[i] - logs[i + 1]) for i in turns]
    return float(min(at, key=lambda rate: abs(rate - now)))


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
