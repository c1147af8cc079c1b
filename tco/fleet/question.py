"""What a fleet has to do, and within which limits: checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from roofline._validation import choice, count
from tco.fleet.option import LIMITS, Option, named_numbers, one_number

ONLY = "demand"
"""Name of the scenario where demand is given without one."""


@dataclass(frozen=True, eq=False)
class Question:
    """Options, demand and limits of one search.

    Attributes
    ----------
    options : tuple of Option
        What may be bought or rented.
    demand : dict
        Scenario → workload → rate.
    probabilities : dict
        Scenario → probability; they add up to 1.
    limits : dict
        Limit of the whole fleet → its value.
    slices : int
        Parts of each workload.
    split : bool
        Whether a part may be divided between kinds.
    headroom : float
        Capacity kept free, over the demand.
    overflow : dict
        Workload → USD/year for a unit of its rate that the fleet does not serve.
    cvar_level : float or None
        Of the conditional value at risk that is minimised; ``None`` minimises the expected cost.
    gap : float
        Relative distance from the cheapest that is good enough.
    time_limit_s : float
        Of each program [s].
    """

    options: tuple[Option, ...]
    demand: dict[str, dict[str, float]]
    probabilities: dict[str, float]
    limits: dict[str, float]
    slices: int
    split: bool
    headroom: float
    overflow: dict[str, float]
    cvar_level: float | None
    gap: float
    time_limit_s: float

    def servers_for(self, option: Option, scenario: str, workload: str) -> float:
        """Servers, not rounded, that serve a whole workload: ``D·(1 + headroom)/(T·a)``; the option must serve it."""
        return self.demand[scenario][workload] * (1 + self.headroom) / (option.rates[workload] * option.availability)

    def most(self, option: Option) -> int:
        """Servers beyond which more of this kind are of no use: what serves alone whatever it can serve."""
        load = max(
            sum(self.servers_for(option, scenario, workload) for workload in rates if workload in option.rates)
            for scenario, rates in self.demand.items()
        )
        return max(math.ceil(load), option.at_least, option.minimum)

    def bound(self, scenario: str) -> float:
        """Cost if servers were divisible and nothing limited: ``Σ_w D_w·min_g c_g/T_wg`` [USD/year]."""
        total = 0.0
        for workload, rate in self.demand[scenario].items():
            if rate == 0:
                continue  # which nobody need be able to serve
            costs = [
                option.usd_per_year * self.servers_for(option, scenario, workload)
                for option in self.options
                if workload in option.rates
            ]
            if workload in self.overflow:
                costs.append(self.overflow[workload] * rate)
            total += min(costs)
        return total


def ask(
    options: Sequence[Option],
    demand: Mapping[str, Any],
    *,
    probabilities: Mapping[str, float] | None,
    limits: Mapping[str, float | None],
    slices: int,
    split: bool,
    headroom: float,
    overflow_usd_per_year: Mapping[str, float] | None,
    objective: str,
    cvar_level: float,
    gap: float,
    time_limit_s: float,
) -> Question:
    """Check the arguments of :func:`tco.fleet.cheapest` and put them together.

    Parameters are those of :func:`tco.fleet.cheapest`; its limits are in one mapping here.
    """
    kinds = _options(options)
    scenarios = _scenarios(demand)
    workloads = next(iter(scenarios.values()))
    overflow = named_numbers("overflow_usd_per_year", overflow_usd_per_year or {}, at_least=0, at_most=1e30)
    for name in overflow:
        if name not in workloads:
            raise ValueError(f"overflow_usd_per_year names {name!r}, which is no workload: {_known(name, workloads)}")
    found = {
        name: one_number(name, value, above=0, at_most=1e18, whole=name == "racks")
        for name, value in limits.items()
        if value is not None
    }
    for name in found:
        for option in kinds:
            if option.need(name) is None:
                raise ValueError(
                    f"{name} is given, but option {option.name!r} has no {LIMITS[name]}: unknown is not zero"
                )
    if not isinstance(split, bool):
        raise ValueError(f"split = {split!r} is not accepted: give True or False")
    at_risk = choice("objective", objective, ("expected", "cvar")) == "cvar"
    level = one_number("cvar_level", cvar_level, at_least=0, at_most=0.999999)
    return Question(
        options=kinds,
        demand=scenarios,
        probabilities=_probabilities(probabilities, scenarios),
        limits=found,
        slices=count("slices", slices, at_most=10_000),
        split=split,
        headroom=one_number("headroom", headroom, at_least=0, at_most=1e3),
        overflow=overflow,
        cvar_level=level if at_risk else None,
        gap=one_number("gap", gap, at_least=0, at_most=1),
        time_limit_s=one_number("time_limit_s", time_limit_s, above=0, at_most=1e9),
    )


def _options(options: Sequence[Option]) -> tuple[Option, ...]:
    kinds = tuple(options)
    if not kinds or not all(isinstance(option, Option) for option in kinds):
        raise ValueError("options is not accepted: give one or more tco.fleet.Option")
    names = [option.name for option in kinds]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"options holds {name!r} more than once: give each kind its own name")
    return kinds


def _scenarios(demand: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    if not isinstance(demand, Mapping) or not demand:
        raise ValueError("demand is not accepted: give rates by workload, or scenarios of them by name")
    if not any(isinstance(value, Mapping) for value in demand.values()):
        return {ONLY: named_numbers("demand", demand, at_least=0, at_most=1e30)}
    scenarios = {
        name: named_numbers(f"demand[{name!r}]", rates, at_least=0, at_most=1e30) for name, rates in demand.items()
    }
    first, *others = scenarios
    for name in others:
        if differing := scenarios[name].keys() ^ scenarios[first].keys():
            raise ValueError(
                f"demand[{first!r}] and demand[{name!r}] differ in {', '.join(sorted(differing))}: "
                "give every workload a rate in every scenario, 0 where there is none"
            )
    if not scenarios[first]:
        raise ValueError("demand has no workload: give rates by workload")
    return scenarios


def _probabilities(given: Mapping[str, float] | None, scenarios: Mapping[str, Any]) -> dict[str, float]:
    if given is None:
        return dict.fromkeys(scenarios, 1 / len(scenarios))
    values = named_numbers("probabilities", given, above=0, at_most=1)
    if values.keys() != scenarios.keys():
        raise ValueError(f"probabilities is not accepted: give one for each of {', '.join(map(repr, scenarios))}")
    if abs(sum(values.values()) - 1) > 1e-9:
        raise ValueError(f"probabilities add up to {sum(values.values()):.12g}: give probabilities that add up to 1")
    return {name: values[name] for name in scenarios}


def _known(name: str, names: Mapping[str, Any]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, names))}"
