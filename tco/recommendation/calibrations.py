"""Which calibrations the candidates of a scenario are modelled with: all alike, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import hardware_specs as hs
from roofline.calibration import Calibration
from tco.forecast import shipped
from tco.recommendation.standing import server_of
from tco.scenario.model import Scenario


class ChosenAll(NamedTuple):
    """Calibrations by candidate, and why there are none.

    Attributes
    ----------
    calibrations : mapping of str to Calibration or None
        By candidate.
    note : str
        Why throughputs are ideal, where they are; empty otherwise.
    """

    calibrations: Mapping[str, Calibration | None]
    note: str = ""


def choose_all(scenario: Scenario) -> ChosenAll:
    """Choose the calibrations of a scenario's candidates.

    A candidate that is measured for every application needs none. Of the others all are calibrated or none is, since a
    forecast beside an upper bound would favour the bound; one that asks for ``framework = "ideal"`` has its way. Among
    what is shipped, software that the most candidates share goes first, then the smaller error on models held out.

    Parameters
    ----------
    scenario : Scenario
        With its candidates.

    Returns
    -------
    ChosenAll

    Raises
    ------
    UnknownNameError
        A framework with which a machine was never measured.
    """
    modelled = [
        name
        for name, one in scenario.candidates.items()
        if one.framework != "ideal" and any(app.name not in one.tokens_per_s for app in scenario.applications)
    ]
    found: dict[str, list[Calibration]] = {}
    for name in modelled:
        one = scenario.candidates[name]
        found[name] = shipped(hs.get(server_of(scenario, one.server).accelerator).key, one.framework)
    lacking = [name for name, options in found.items() if not options]
    if lacking:
        has = "has no calibration" if len(lacking) == 1 else "have no calibrations"
        others = "all" if len(modelled) == len(scenario.candidates) else "all that are modelled"
        return ChosenAll(
            dict.fromkeys(scenario.candidates),
            f"because {' and '.join(lacking)} {has}, {others} are compared as ideal rooflines",
        )
    shared: dict[str, int] = {}
    for options in found.values():
        for framework in {option.framework for option in options}:
            shared[framework] = shared.get(framework, 0) + 1

    def rank(option: Calibration) -> tuple[bool, int, float]:
        error = option.error.leave_one_model_out
        alone = option.within.get("batch", (1, 2))[1] == 1  # serves one request at a time
        return alone, -shared[option.framework], 1.0 if error is None else error

    chosen: dict[str, Calibration | None] = dict.fromkeys(scenario.candidates)
    return ChosenAll(chosen | {name: min(options, key=rank) for name, options in found.items()})
