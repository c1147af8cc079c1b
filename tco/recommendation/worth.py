"""Which number is most worth knowing before the decision, and what that is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from roofline._arrays import Array
from tco import risk
from tco.recommendation.decision import Recommendation

_DRAWS, _NODES = 256, 12


def worth_knowing(found: Recommendation) -> dict[str, float]:
    """Expected value of knowing each input before deciding, as a share of the cost of deciding now.

    Parameters
    ----------
    found : Recommendation
        With two candidates or more.

    Returns
    -------
    dict of str to float
        By input, the most valuable first; empty where nothing is off, or there is nothing to choose.

    References
    ----------
    Raiffa, Schlaifer, "Applied Statistical Decision Theory", 1961.
    """
    if not found.inputs or found.runner_up is None:
        return {}

    def costs(**values: Array) -> Array:
        size = max(np.size(value) for value in values.values())
        totals: list[Any] = [
            standing.plan.evaluate(**found.changes(name, values)).total_usd
            for name, standing in found.standings.items()
        ]
        return np.stack([np.broadcast_to(usd, (size,)) for usd in totals])

    now = min(float(np.mean(usd)) for usd in found.costs.values())
    value = risk.value_of_information(
        costs,
        found.inputs,
        draws=_DRAWS,
        nodes=_NODES,
        correlations=found.correlations,
        seed=found.scenario.decision.seed,
    )
    # What is less than a millionth is rounding.
    return {name: worth / now if worth > 1e-6 * now else 0.0 for name, worth in value.partial.items()}
