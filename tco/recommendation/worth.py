"""Which number is most worth knowing before the decision, and what that is worth."""

from __future__ import annotations

import numpy as np

from tco.recommendation.decision import Recommendation

_SHARES, _EACH = 64, 16
"""Equal shares of the draws in the order of an input, at most: as finely as it becomes known; and draws in one."""


def worth_knowing(found: Recommendation) -> dict[str, float]:
    """Expected value of knowing each input before deciding, as a share of the cost of deciding now.

    An input is taken as known to one of 64 equal shares of its cases. In each, the candidate is taken that is cheapest
    on average there; all draws are those of :attr:`Recommendation.evpi`, so that one number is never worth more than
    all.

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
    table = found.cost_table
    now = table.mean(axis=1).min()
    worth = {}
    shares = max(min(_SHARES, table.shape[1] // _EACH), 1)
    for name in found.inputs:
        order = np.argsort(found.draws[name], kind="stable")
        known = table[:, order].reshape(len(table), shares, -1).mean(axis=2)
        worth[name] = max(float(now - known.min(axis=0).mean()), 0.0)
    # What is less than a millionth is rounding.
    ranked = sorted(worth.items(), key=lambda one: -one[1])
    return {name: float(usd / now) if usd > 1e-6 * now else 0.0 for name, usd in ranked}
