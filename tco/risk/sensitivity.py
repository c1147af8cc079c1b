"""Which input matters: one at a time over its interval, or by its share of the result's variance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array
from roofline._validation import count as whole
from roofline.spread import Interval, check_level
from tco.risk.distributions import Fixed
from tco.risk.draws import as_distributions, check_power_of_two, sobol_shares
from tco.risk.simulation import Model, results_of


class TornadoBar(NamedTuple):
    """What one input does to the result, the others at their medians.

    Attributes
    ----------
    name : str
        The input.
    low, high : float or None
        Ends of its interval, in its unit; ``None`` where they are private.
    at_low, at_high : float
        Results there, in the unit of the model.
    """

    name: str
    low: float | None
    high: float | None
    at_low: float
    at_high: float

    @property
    def swing(self) -> float:
        """Distance between the two results, in the unit of the model."""
        return abs(self.at_high - self.at_low)


@dataclass(frozen=True, repr=False)
class Tornado:
    """Bars of a tornado chart, the widest first.

    Attributes
    ----------
    base : float
        Result with every input at its median, in the unit of the model.
    bars : tuple of TornadoBar
        One for each input that varies; all numbers, private ones too.
    private : tuple of str
        Inputs whose numbers are private.
    level : float
        Share of cases between the ends of an input's interval.
    """

    base: float
    bars: tuple[TornadoBar, ...]
    private: tuple[str, ...]
    level: float

    def shown(self, reveal: bool = False) -> tuple[TornadoBar, ...]:
        """Bars to show: those of private inputs without the inputs' numbers.

        Results are shown as they are; give the model of a ratio where amounts are private.

        Parameters
        ----------
        reveal : bool
            Show private numbers too.

        Returns
        -------
        tuple of TornadoBar
        """
        return tuple(
            bar._replace(low=None, high=None) if bar.name in self.private and not reveal else bar for bar in self.bars
        )

    def __repr__(self) -> str:
        # The result may be in dollars, so what is shown of it is relative.
        scale = abs(self.base)
        swings = (f"{bar.name} {bar.swing / scale:.0%}" if scale else bar.name for bar in self.bars)
        return f"Tornado({', '.join(swings)}{' of the base' if scale and self.bars else ''})"


def tornado(model: Model, inputs: Mapping[str, Any], *, level: float = 0.9) -> Tornado:
    """Move one input at a time to either end of its interval, the others at their medians.

    It shows no interaction of inputs, no correlation, and of a model that rises and falls only the ends. For small
    changes the bars are the elasticities (:func:`tco.elasticities`).

    Parameters
    ----------
    model : callable
        Of keyword arrays, as for :func:`simulate`.
    inputs : mapping of str to Distribution or number
        By name.
    level : float
        Share of cases within the interval, above 0 and below 1.

    Returns
    -------
    Tornado

    Raises
    ------
    ValueError
        Inputs or a level that are not accepted, or a model that does not give a finite number for each.

    Examples
    --------
    >>> from tco import ratio, risk
    >>> inputs = {"r_th": risk.LogNormal(0.8, 0.15), "r_sc": risk.LogNormal(0.5, 0.25), "r_ic": 0.75,
    ...           "server_share": 0.7}
    >>> chart = tornado(ratio.tco_ratio, inputs)
    >>> for bar in chart.bars:
    ...     print(f"{bar.name}: {bar.at_low:.3f} to {bar.at_high:.3f}")
    r_sc: 0.571 to 0.941
    r_th: 0.920 to 0.562
    """
    distributions, share = as_distributions(inputs), check_level(level)
    varying = {name: one.interval(share) for name, one in distributions.items() if not isinstance(one, Fixed)}
    # One call of the model: row 0 is the base, then two rows for each input that varies.
    size = 1 + 2 * len(varying)
    arguments = {name: np.full(size, float(one.quantile(0.5))) for name, one in distributions.items()}
    for row, (name, ends) in enumerate(varying.items()):
        arguments[name][1 + 2 * row : 3 + 2 * row] = ends.low, ends.high
    results = results_of(model, arguments, size)
    bars = [
        TornadoBar(name, ends.low, ends.high, float(results[1 + 2 * row]), float(results[2 + 2 * row]))
        for row, (name, ends) in enumerate(varying.items())
    ]
    private = tuple(name for name in varying if distributions[name].private)
    return Tornado(float(results[0]), tuple(sorted(bars, key=lambda bar: -bar.swing)), private, share)


@dataclass(frozen=True)
class SobolIndices:
    """Shares of the result's variance that inputs account for.

    Attributes
    ----------
    first : dict of str to float
        By input: share that knowing this input alone would take away. They add up to at most 1.
    total : dict of str to float
        By input: share that would be left if all others were known. What it exceeds `first` by is interaction.
    first_interval, total_interval : dict of str to Interval
        Bounds of the estimates, from independent scramblings of the draws.
    """

    first: dict[str, float]
    total: dict[str, float]
    first_interval: dict[str, Interval]
    total_interval: dict[str, Interval]


def sobol_indices(
    model: Model,
    inputs: Mapping[str, Any],
    *,
    draws: int = 2**12,
    replicates: int = 8,
    level: float = 0.9,
    correlations: Mapping[tuple[str, str], float] | None = None,
    seed: int = 0,
) -> SobolIndices:
    """Sobol' indices of a model, first and total order, for independent inputs.

    The model runs on ``replicates·draws·(inputs + 2)`` points, counting the inputs that vary.

    Parameters
    ----------
    model : callable
        Of keyword arrays, as for :func:`simulate`.
    inputs : mapping of str to Distribution or number
        By name.
    draws : int
        Points of a sequence, a power of two.
    replicates : int
        Independent scramblings, at least 2; they give the intervals.
    level : float
        Share of cases within the intervals, above 0 and below 1.
    correlations : mapping, optional
        None are accepted: shares of variance are not defined so where inputs vary together.
    seed : int
        At least 0.

    Returns
    -------
    SobolIndices

    Raises
    ------
    ValueError
        Correlations, inputs or options that are not accepted, or a result that does not vary.

    References
    ----------
    Saltelli et al., Computer Physics Communications 181, 2010, Table 2 (b) and (f). ``scipy.stats.sobol_indices`` has
    the same estimators, but fails for one input and has no intervals that a seed repeats.

    Examples
    --------
    >>> from tco import risk
    >>> normal = risk.TruncatedNormal(0.0, 1.0, -8.0, 8.0)
    >>> found = sobol_indices(lambda a, b: a + 2 * b, {"a": normal, "b": normal})
    >>> [round(share, 2) for share in found.first.values()]  # 1 and 4 of 5 parts
    [0.2, 0.8]
    """
    from scipy.special import stdtrit

    if correlations:
        raise ValueError("correlations are not accepted: Sobol' indices share out the variance of independent inputs")
    draws = check_power_of_two("draws", draws)
    replicates, seed = whole("replicates", replicates, at_least=2), whole("seed", seed, at_least=0)
    distributions, share = as_distributions(inputs), check_level(level)
    varying = [name for name in sorted(distributions) if not isinstance(distributions[name], Fixed)]
    fixed = {name: float(one.quantile(0.5)) for name, one in distributions.items() if name not in varying}

    def results(shares: Iterable[Array]) -> Array:
        arguments = {name: distributions[name].quantile(row) for name, row in zip(varying, shares, strict=True)}
        arguments |= {name: np.full(draws, value) for name, value in fixed.items()}
        return results_of(model, arguments, draws)

    found = []
    for stream in np.random.SeedSequence(seed).spawn(replicates):
        scrambled = int(stream.generate_state(1)[0])
        points = next(sobol_shares(2 * max(len(varying), 1), [draws], scrambled))
        a, b = points[: len(varying)], points[len(varying) : 2 * len(varying)]
        at_a, at_b = results(a), results(b)
        mixed = np.array([results([*a[:i], b[i], *a[i + 1 :]]) for i in range(len(varying))])
        center, scale = np.mean([at_a, at_b]), np.ptp([at_a, at_b])
        if not scale > 1e-12 * abs(center):
            raise ValueError("the result does not vary, so there is no variance to share out")
        # Saltelli 2010's estimator of the first order and Jansen's of the total, of results around their mean.
        at_a, at_b, mixed = ((one - center) / scale for one in (at_a, at_b, mixed))
        variance = np.var([at_a, at_b])
        first = (at_b * (mixed - at_a)).mean(axis=-1) / variance
        total = ((at_a - mixed) ** 2).mean(axis=-1) / 2 / variance
        found.append([first, total])

    means = np.maximum(np.mean(found, axis=0), 0.0)  # estimates of 0 fall on either side of it
    halves = stdtrit(replicates - 1, (1 + share) / 2) * np.std(found, axis=0, ddof=1) / np.sqrt(replicates)
    lows, highs = np.maximum(means - halves, 0.0), means + halves
    values: list[dict[str, float]] = []
    bounds: list[dict[str, Interval]] = []
    for mean, low, high in zip(means, lows, highs, strict=True):
        values.append(dict.fromkeys(distributions, 0.0) | dict(zip(varying, map(float, mean), strict=True)))
        ends = zip(map(float, low), map(float, high), strict=True)
        known = {name: Interval(0.0, 0.0, share) for name in distributions}
        bounds.append(known | {name: Interval(*end, share) for name, end in zip(varying, ends, strict=True)})
    return SobolIndices(values[0], values[1], bounds[0], bounds[1])
