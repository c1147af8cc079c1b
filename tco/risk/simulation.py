"""A model of uncertain inputs: the distribution of its result, and the decision that it supports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array
from roofline._validation import count as whole
from roofline._validation import number
from roofline.spread import Interval, check_level
from tco.risk.distributions import Distribution
from tco.risk.draws import BLOCK, Progress, as_distributions, block_sizes, blocks, check_power_of_two, draw

Model = Callable[..., Any]
"""A function of keyword arrays, one for each input, that gives an array of their shape."""


class Probability(NamedTuple):
    """A probability that was estimated from draws.

    Attributes
    ----------
    value : float or array
        Share of the draws, 0 to 1.
    standard_error : float or array
        Of pseudo-random draws; never 0, for draws that are all on one side do not prove that none is on the other.
        Quasi-random and Latin draws of a smooth model are nearer than that.
    """

    value: Array
    standard_error: Array


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """Results of a model for draws of its inputs, and how to draw these again.

    It holds 8 bytes a draw; the inputs are not kept, since :meth:`draws` gives them again.

    Attributes
    ----------
    values : ndarray
        Result by draw, in the unit of the model.
    distributions : dict of str to Distribution
        Inputs by name.
    correlations : dict of pairs of str to float
        Of the normal scores of two inputs.
    method : str
        How they were drawn.
    seed : int
        With which seed.
    """

    values: Array
    distributions: dict[str, Distribution]
    correlations: dict[tuple[str, str], float]
    method: str
    seed: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.distributions)

    def draws(self) -> dict[str, Array]:
        """Draws of the inputs that gave the values, in the same order.

        Returns
        -------
        dict of str to array
        """
        return draw(
            self.distributions,
            count=self.values.size,
            correlations=self.correlations,
            method=self.method,
            seed=self.seed,
        )

    @cached_property
    def _sorted(self) -> Array:
        return np.sort(self.values)

    @property
    def mean(self) -> float:
        """Mean of the results, in the unit of the model."""
        return float(self.values.mean())

    @property
    def std(self) -> float:
        """Standard deviation of the results, in the unit of the model."""
        return float(self.values.std())

    @property
    def median(self) -> float:
        """Result that half of the draws stay below, in the unit of the model."""
        return float(self.quantile(0.5))

    def quantile(self, share: Array) -> Array:
        """Result that a share of the draws stays below.

        Parameters
        ----------
        share : number or array
            0 to 1.

        Returns
        -------
        array
            In straight lines between neighbours.

        Raises
        ------
        ValueError
            Another share.
        """
        at = number("share", share, at_least=0, at_most=1) * (self.values.size - 1)
        below = np.floor(at).astype(int)
        low, high = self._sorted[below], self._sorted[np.minimum(below + 1, self.values.size - 1)]
        return low + (at - below) * (high - low)

    def interval(self, level: float = 0.9) -> Interval:
        """Bounds of the result, with equal shares beyond either.

        Parameters
        ----------
        level : float
            Share of draws that are within, above 0 and below 1.

        Returns
        -------
        Interval
        """
        within = check_level(level)
        low, high = self.quantile([(1 - within) / 2, (1 + within) / 2])
        return Interval(float(low), float(high), within)

    def probability_below(self, threshold: Array = 1.0) -> Probability:
        """Probability that the result is below a threshold: that A is cheaper, for a ratio below 1.

        Parameters
        ----------
        threshold : number or array
            In the unit of the model; a draw that equals it counts for half.

        Returns
        -------
        Probability
            Of the threshold's shape.
        """
        at, n = number("threshold", threshold), self.values.size
        if at.shape == ():  # counting is many times faster than sorting
            below, up_to = np.count_nonzero(self.values < at), np.count_nonzero(self.values <= at)
        else:
            below, up_to = (np.searchsorted(self._sorted, at, side=side) for side in ("left", "right"))
        successes = (below + up_to) / 2
        # One more success and one more failure (Laplace's rule) keep the error of 0 and 1 above 0.
        likely = (successes + 1) / (n + 2)
        share, error = successes / n, np.sqrt(likely * (1 - likely) / n)
        return Probability(share, error) if np.shape(at) else Probability(float(share), float(error))

    @property
    def evpi(self) -> float:
        """Expected value of perfect information on a ratio of costs A/B, as a share of the cost of B.

        ``min(1, E ρ) − E min(1, ρ)``: without knowing ρ one buys what is cheaper on average, knowing it what is
        cheaper then. No study of the inputs is worth more. B's cost must be certain, or at least independent of ρ;
        where it is not (B's throughput or electricity among the inputs), give :func:`tco.risk.value_of_information`
        a model of both costs.
        """
        return max(min(1.0, self.mean) - float(np.minimum(self.values, 1.0).mean()), 0.0)

    def verdict(self, level: float = 0.9) -> str:
        """Say which is cheaper, for a ratio of costs A/B: ``A``, ``B``, or ``too close to call``.

        Parameters
        ----------
        level : float
            Probability from which one is called cheaper, above 0.5 and below 1.

        Returns
        -------
        str

        Raises
        ------
        ValueError
            Another level.
        """
        share = check_level(level)
        if share <= 0.5:
            raise ValueError(f"level = {level!r} is not accepted: give a number above 0.5 and below 1, such as 0.9")
        probability = self.probability_below(1.0).value
        return "A" if probability >= share else "B" if probability <= 1 - share else "too close to call"

    def __repr__(self) -> str:
        # The result may be in dollars, so what is shown of it is relative.
        low, high, _ = self.interval(0.9)
        middle = self.median
        spread = f"; 90% within {low / middle - 1:+.0%} to {high / middle - 1:+.0%} of the median" if middle > 0 else ""
        return f"Simulation({self.values.size:,} {self.method} draws of {', '.join(self.inputs)}{spread})"


def simulate(
    model: Model,
    inputs: Mapping[str, Any],
    *,
    draws: int = 2**14,
    correlations: Mapping[tuple[str, str], float] | None = None,
    method: str = "sobol",
    seed: int = 0,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Simulation:
    """Run a model on draws of its inputs.

    To compare two models give both the same inputs and the same seed: they then share their draws
    (:mod:`tco.risk.draws` says what is shared otherwise).

    Parameters
    ----------
    model : callable
        Takes an array for each input as a keyword and gives an array of their shape: :func:`tco.ratio.tco_ratio`, say.
    inputs : mapping of str to Distribution or number
        By name of the model's argument; a number is one that is known.
    draws : int
        How many; with ``sobol`` a power of two. 10⁷ pseudo-random draws of two inputs take about a second.
    correlations : mapping of pairs of str to float, optional
        Correlation of the normal scores of two inputs, above -1 and below 1 (see :mod:`tco.risk.correlation`).
    method : {"sobol", "random", "latin"}
        As for :func:`draw`.
    seed : int
        At least 0: what it gives is the same every time.
    block : int
        Draws that the model is given at a time.
    progress : callable, optional
        Wraps the blocks to come, such as ``tqdm.auto.tqdm``.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        Inputs or options that are not accepted, or a model that does not give one finite number for every draw.

    Examples
    --------
    >>> from tco import ratio, risk
    >>> inputs = {"r_th": risk.LogNormal(0.8, 0.15), "r_sc": 0.5, "r_ic": 0.75, "server_share": 0.7}
    >>> result = simulate(ratio.tco_ratio, inputs)
    >>> print(f"{result.probability_below(1.0).value:.3f}")
    0.986
    >>> result
    Simulation(16,384 sobol draws of r_th, r_sc, r_ic, server_share; 90% within -22% to +28% of the median)
    """
    count = check_power_of_two("draws", draws) if method == "sobol" else whole("draws", draws)
    block = whole("block", block)
    drawn = blocks(inputs, count=count, correlations=correlations, method=method, seed=seed, block=block)
    sizes = block_sizes(count=count, method=method, block=block)
    values, start = np.empty(count), 0
    for step, one in zip((progress or iter)(range(len(sizes))), drawn, strict=True):
        values[start : start + sizes[step]] = results_of(model, one, sizes[step])
        start += sizes[step]
    values.flags.writeable = False
    return Simulation(values, as_distributions(inputs), dict(correlations or {}), method, seed)


def results_of(model: Model, arguments: Mapping[str, Array], size: int, *, options: bool = False) -> Array:
    """Results of a model for arrays of its inputs: one finite number for each draw.

    Parameters
    ----------
    model : callable
        Of keyword arrays.
    arguments : mapping of str to array
        Inputs.
    size : int
        Their length.
    options : bool
        Accept the costs of several options too, shape ``(options, size)``.

    Returns
    -------
    array
        Shape ``(size,)``, or that of the options.

    Raises
    ------
    ValueError
        Another shape, or numbers that are not finite.
    """
    given = np.asarray(model(**arguments), dtype=float)
    if given.ndim == 0:
        given = np.broadcast_to(given, (size,))
    if given.shape[-1] != size or given.ndim > 1 + options:
        raise ValueError(f"the model gave shape {given.shape} for {size:,} draws: it must give one number for each")
    finite = np.isfinite(given)
    if not finite.all():
        raise ValueError(
            f"the model gave no finite number for {int((~finite).sum()):,} of {given.size:,} draws: bound its inputs, "
            "or let it give a number there"
        )
    return given
