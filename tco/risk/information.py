"""What it is worth to know an input before deciding: whether a benchmark, a quote or a pilot would pay.

Without information one takes the option that is cheapest on average, ``min_j E[c_j]``. Knowing everything one takes
what is cheapest then, which costs ``E[min_j c_j]`` on average; knowing one input ``x``, ``E_x[min_j E[c_j | x]]``. The
difference to the first is the expected value of perfect (EVPI) and of partially perfect information (EVPPI).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import count as whole
from tco.risk.correlation import correlated
from tco.risk.distributions import Discrete, Distribution, Fixed
from tco.risk.draws import Progress, as_distributions, check_power_of_two, normal_scores, values_at
from tco.risk.simulation import Model, results_of

_FARTHEST = 5.0
"""Normal score up to which an input is looked at; one case in two million is further from 0."""


@dataclass(frozen=True, repr=False)
class ValueOfInformation:
    """What knowing inputs is worth, in the unit of the costs: for a ratio A/B, as a share of B's cost.

    Attributes
    ----------
    perfect : float
        Knowing all of them. No study is worth more.
    partial : dict of str to float
        Knowing one of them, the most valuable first; those that are known already are worth 0.
    """

    perfect: float
    partial: dict[str, float]

    def __repr__(self) -> str:
        # The costs may be in dollars, so what is shown is relative.
        shares = (
            f"{name} {worth / self.perfect:.0%}" if self.perfect else name for name, worth in self.partial.items()
        )
        return f"ValueOfInformation({', '.join(shares)}{' of knowing all' if self.perfect else ': worth nothing'})"


def value_of_information(
    model: Model,
    inputs: Mapping[str, Any],
    *,
    draws: int = 2**12,
    nodes: int = 32,
    correlations: Mapping[tuple[str, str], float] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ValueOfInformation:
    """Expected value of perfect information, on all inputs and on each.

    For one input the model runs at `nodes` values of it, each with the same draws of the others given that value:
    ``nodes·draws`` points for each input, and for each value of a :class:`Discrete` one. What an input tells about
    those that correlate with it counts.

    Parameters
    ----------
    model : callable
        Of keyword arrays. It gives the ratio of two costs, shape ``(draws,)``, where B's cost is certain or at least
        independent of the ratio; or the costs of two or more options, shape ``(options, draws)``.
    inputs : mapping of str to Distribution or number
        By name.
    draws : int
        Of the other inputs, a power of two.
    nodes : int
        Values of the input, at least 2.
    correlations : mapping of pairs of str to float, optional
        Correlation of the normal scores of two inputs, above -1 and below 1 (see :mod:`tco.risk.correlation`).
    seed : int
        At least 0.
    progress : callable, optional
        Wraps the inputs' positions, such as ``tqdm.auto.tqdm``.

    Returns
    -------
    ValueOfInformation

    Raises
    ------
    ValueError
        Inputs or options that are not accepted, or a model that does not give finite numbers.

    References
    ----------
    Raiffa, Schlaifer, "Applied Statistical Decision Theory", 1961.

    Examples
    --------
    >>> from tco import ratio, risk
    >>> inputs = {"r_th": risk.LogNormal(0.8, 0.15), "r_sc": risk.LogNormal(0.5, 0.25), "r_ic": 0.75,
    ...           "server_share": 0.7}
    >>> worth = value_of_information(ratio.tco_ratio, inputs)
    >>> print(f"all {worth.perfect:.4f}; r_sc {worth.partial['r_sc']:.4f}, r_th {worth.partial['r_th']:.4f}")
    all 0.0075; r_sc 0.0020, r_th 0.0011
    """
    distributions = as_distributions(inputs)
    together = correlated(distributions, correlations)
    draws = check_power_of_two("draws", draws)
    nodes = whole("nodes", nodes, at_least=2)
    # For all inputs together as many points as for one: the first block of them serves the single ones.
    count = draws * 2 ** (nodes.bit_length() - 1)
    blocks = [
        one for _, one in normal_scores(distributions, together, count=count, method="sobol", seed=seed, block=draws)
    ]
    scores = blocks[0]

    def costs(at: Mapping[str, Array]) -> Array:
        return _options(results_of(model, values_at(distributions, at, draws), draws, options=True))

    everything = np.concatenate([costs(one) for one in blocks], axis=-1)
    partial = dict.fromkeys(distributions, 0.0)
    names = [name for name, one in distributions.items() if not isinstance(one, Fixed)]
    for position in (progress or iter)(range(len(names))):
        name = names[position]

        def expected(score: float, name: str = name) -> Array:
            # Given one score, those that correlate with it shift in proportion and keep the rest of theirs.
            shift = score - scores[name]
            given = {other: one + together.between(name, other) * shift for other, one in scores.items()}
            return costs(given | {name: np.full(draws, score)}).mean(axis=-1)

        partial[name] = _worth(*_given_one(distributions[name], expected, nodes))
    ranked = sorted(partial.items(), key=lambda item: -item[1])
    return ValueOfInformation(_worth(everything, np.full(count, 1 / count)), dict(ranked))


def _options(results: Array) -> Array:
    """Costs of options, shape (options, draws); a ratio is that of A where B costs 1."""
    return results if results.ndim == 2 else np.stack([results, np.ones_like(results)])


def _given_one(one: Distribution, expected: Callable[[float], Array], nodes: int) -> tuple[Array, Array]:
    """Expected costs of options given one input, shape (options, points), and the weights of the points."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import ndtri

    if not isinstance(one, Discrete):
        # Which option is cheapest changes at a point between nodes: a curve through them finds it.
        at = np.linspace(-_FARTHEST, _FARTHEST, nodes)
        fine = np.linspace(-_FARTHEST, _FARTHEST, 4001)
        weights = np.exp(-0.5 * fine**2)
        return PchipInterpolator(at, [expected(score) for score in at])(fine).T, weights / weights.sum()
    # Knowing a value says no more than that the score is within its share.
    ends = np.clip(np.concatenate([[0.0], np.cumsum(one.shares)]), 0.0, 1.0)
    parts = (np.arange(nodes) + 0.5) / nodes
    given = [
        np.mean([expected(score) for score in ndtri(low + parts * (high - low))], axis=0)
        for low, high in pairwise(ends)
    ]
    return np.asarray(given).T, one.shares


def _worth(costs: Array, weights: Array) -> float:
    """``min_j E[c_j] − E[min_j c_j]`` of costs of shape (options, points)."""
    return max(float((costs @ weights).min() - costs.min(axis=0) @ weights), 0.0)
