"""What may be off: the scenario's ranges, what sources say beyond, and which candidates are off alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tco import risk, uncertainty
from tco.planning import Plan
from tco.recommendation.standing import Standing
from tco.risk import Distribution

if TYPE_CHECKING:
    from tco.scenario.model import Range, Scenario


def inputs_of(scenario: Scenario, standings: Mapping[str, Standing]) -> tuple[dict[str, Distribution], dict[str, str]]:
    """Distributions of the scenario's ranges, and of what sources say beyond; and whose throughputs are off alike.

    Parameters
    ----------
    scenario : Scenario
        With the ranges.
    standings : mapping of str to Standing
        Candidates that can serve everything.

    Raises
    ------
    ValueError
        A range that cannot be drawn from.
    """
    found: dict[str, Distribution] = {}
    for name, standing in standings.items():
        found |= uncertainty.of_side(name, standing.plan.deployment, standing.plan.inputs)
        rate = f"{name}.tokens_per_s"
        if rate in found and "measured" in standing.kinds.values():
            found[rate] = replace(found[rate], private=True)  # the user's own
    twins = _twins(scenario, standings, found)
    found = {name: one for name, one in found.items() if name.removesuffix(".tokens_per_s") not in twins}
    for name, given in scenario.ranges.items():
        held = [
            standing.plan.inputs[name.removeprefix(f"{key}.")]
            for key, standing in standings.items()
            if of_candidate(key, {name: 1.0}, standing.plan, scenario.ranges)
        ]
        if not held:
            if len(standings) < len(scenario.candidates):
                continue  # of a candidate that cannot serve, and so of no account
            raise ValueError(f"ranges.{name} names no input of any candidate's account")
        if np.shape(held[0]) != () or len({*map(float, held)}) > 1:
            raise ValueError(
                f'ranges.{name} is not one number for all candidates: give each its own, such as [ranges."NAME.{name}"]'
            )
        if given.relative and not held[0]:
            raise ValueError(f"ranges.{name} is relative to 0, which it leaves where it is: give its ends themselves")
        found[name] = distribution(given, float(held[0]))
    return found, twins


def _twins(scenario: Scenario, standings: Mapping[str, Standing], inputs: Collection[str]) -> dict[str, str]:
    """Candidates whose throughput is off as that of one before is, unless the scenario says something of theirs."""
    said = {*scenario.ranges, *(name for pair in scenario.correlations for name in pair.between)}
    first: dict[Any, str] = {}
    twins: dict[str, str] = {}
    for name, standing in standings.items():
        spread = standing.plan.deployment.spread
        if spread is None or f"{name}.tokens_per_s" not in inputs or f"{name}.tokens_per_s" in said:
            continue
        measured = None if standing.calibration is not None and standing.served else tuple(standing.rates.items())
        rests_on = measured or standing.calibration.provenance  # type: ignore[union-attr]  # one of the two is known
        other = first.setdefault((standing.plan.deployment.server.accelerator, rests_on, spread.freedom), name)
        if other != name:
            twins[name] = other
    return twins


def of_candidate(name: str, values: Mapping[str, Any], made: Plan, given: Collection[str]) -> dict[str, Any]:
    """Return those of the values that a candidate's account takes, by its own names.

    Parameters
    ----------
    name : str
        Of the candidate.
    values : mapping of str to number or array
        By the names of a scenario's ranges.
    made : Plan
        Its fleet.
    given : collection of str
        Names that the scenario has ranges of.
    """
    own_life = getattr(made.deployment.terms, "years", None) is not None
    found = {}
    for key, value in values.items():
        inner = key.removeprefix(f"{name}.")
        if inner == key == "server_years" and own_life and key not in given:
            continue  # the default of the others, and its range, say nothing of a life that is given
        mine = inner != key or key in made.inputs
        if mine and made.inputs.get(inner) is not None:
            found[inner] = value
    return found


def distribution(given: Range, value: float) -> Distribution:
    """Distribution of a range of a scenario; private, as the user's own.

    Parameters
    ----------
    given : Range
        Of the scenario.
    value : float
        The scenario's own value of the input.
    """
    scale = value if given.relative else 1.0
    low, high = given.low * scale, given.high * scale
    if given.kind == "uniform":
        return risk.Uniform(low, high, private=True)
    if given.kind == "lognormal":
        return risk.LogNormal.from_interval(low, high, given.level, private=True)
    mode = value if given.mode is None else given.mode * scale
    shape = risk.Pert if given.kind == "pert" else risk.Triangular
    return shape(low, min(max(mode, low), high), high, private=True)
