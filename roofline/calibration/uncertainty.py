"""How far a calibration may be off for a model that it has not seen, from the models that were held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.spread import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roofline.calibration.study import Studied

    Column = NDArray[Any]

POOLED = Spread(scale=0.05, freedom=2.1)
"""Spread over all machines and frameworks of LLM-Inference-Bench, of models that were held out (docs/accuracy.md)."""

_LIKE_GROUPS = 2
"""How many models the pooled spread counts for, beside a pair's own: the errors of a model's runs go together."""

_WIDER = 1.3
"""Another model is farther off than those of the same machine suggest: with this, 90 % intervals hold 90 % of all runs
of models that were held out, each with the interval that the other models of its machine give."""

_LEAST = 0.01
"""No spread is below that of a run that is repeated."""


def spread_of(off: Column, groups: Column, pooled: Spread = POOLED) -> Spread:
    """Return the spread of a pair from its errors on what was held out, drawn towards that of all pairs.

    Parameters
    ----------
    off : array
        Logarithms of predicted over measured; NaN where nothing was left to predict from.
    groups : array
        What was held out together: the model, or the batch, of each.
    pooled : Spread
        Of all pairs.

    Returns
    -------
    Spread

    Examples
    --------
    >>> spread_of(np.array([0.02, -0.03, 0.01]), np.array(["a", "b", "b"])).scale < _WIDER * POOLED.scale
    True
    """
    known = ~np.isnan(off)
    errors = off[known]
    if errors.size < 2:
        return Spread(_WIDER * pooled.scale, pooled.freedom)
    found = Spread.fit(errors, least=_LEAST)
    n = len(set(groups[known].tolist()))
    share = n / (n + _LIKE_GROUPS)
    scale = np.exp(share * np.log(found.scale) + (1 - share) * np.log(pooled.scale))
    freedom = 1 / (share / found.freedom + (1 - share) / pooled.freedom)
    return Spread(max(_WIDER * float(scale), _LEAST), float(freedom))


def pooled_spread(studied: Iterable[Studied]) -> Spread:
    """Return the spread over all pairs, of models that were held out.

    Parameters
    ----------
    studied : iterable of Studied
        What was calibrated.
    """
    off = np.concatenate([one.held_out["llm"] for one in studied])
    return Spread.fit(off[~np.isnan(off)])


def coverage(studied: Iterable[Studied], level: float = 0.9) -> list[tuple[Studied, float, int]]:
    """Share of held-out runs that lie within their intervals, pair by pair.

    The interval of a model comes from the other models of its pair alone, and from the other pairs: neither its own
    runs nor its own errors are in it.

    Parameters
    ----------
    studied : iterable of Studied
        What was calibrated.
    level : float
        Share that should be within.

    Returns
    -------
    list of tuple
        Pair, share within, and number of runs.
    """
    studied = list(studied)
    found = []
    for one in studied:
        off = one.held_out["llm"]
        pooled = pooled_spread([other for other in studied if other.pair != one.pair] or studied)
        inside: list[Column] = []
        for llm in dict.fromkeys(one.runs.llm.tolist()):
            out = (one.runs.llm == llm) & ~np.isnan(off)
            if not out.any():
                continue
            others = one.runs.llm != llm
            spread = spread_of(off[others], one.runs.llm[others], pooled)
            inside.append(np.abs(off[out]) <= float(spread.quantile((1 + level) / 2)))
        if inside:
            every = np.concatenate(inside)
            found.append((one, float(every.mean()), every.size))
    return found
