"""How far a throughput may be off: a distribution of relative errors, and intervals from it.

Errors of a calibrated model are relative, of either sign, and have heavier tails than a normal distribution: the
logarithm of measured over predicted follows Student's t, with a scale and degrees of freedom found on runs that were
held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice, number

_NODES = 1000
"""Points at which the distribution of a ratio of two uncertain numbers is summed: enough for levels up to 0.99."""


class Interval(NamedTuple):
    """Bounds of a quantity.

    Attributes
    ----------
    low, high : array
        In the unit of the quantity.
    level : float
        Share of cases that are within.
    """

    low: Array
    high: Array
    level: float


@dataclass(frozen=True)
class Spread:
    """Distribution of the logarithm of a true value over the one that is stated: Student's t around 0.

    Attributes
    ----------
    scale : float
        Its scale; about the relative error of two runs in three. 0 is certainty.
    freedom : float
        Degrees of freedom: the fewer, the heavier the tails; infinite is the normal distribution.

    Raises
    ------
    ValueError
        A scale below 0, or degrees of freedom that are not above 0.

    Examples
    --------
    >>> spread = Spread(scale=0.05, freedom=4)
    >>> low, high, level = spread.interval(1000.0, 0.9)
    >>> print(f"{low:.0f} to {high:.0f}")
    899 to 1112
    """

    scale: float
    freedom: float = np.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(number("scale", self.scale, at_least=0)))
        if self.freedom != np.inf:
            object.__setattr__(self, "freedom", float(number("freedom", self.freedom, above=0)))

    def quantile(self, share: Array) -> Array:
        """Logarithm of true over stated that a share of cases stays below.

        Parameters
        ----------
        share : array
            0 to 1, both excluded.
        """
        from scipy.special import ndtri, stdtrit

        at = number("share", share, above=0, at_most=1 - 1e-15)
        return self.scale * (ndtri(at) if self.freedom == np.inf else stdtrit(self.freedom, at))

    def interval(self, value: Array, level: float = 0.9) -> Interval:
        """Bounds of a stated value, with equal shares beyond either.

        Parameters
        ----------
        value : array
            The value stated, above 0.
        level : float
            Share of cases that are within, above 0 and below 1.

        Returns
        -------
        Interval
        """
        share = check_level(level)
        half = float(self.quantile((1 + share) / 2))
        return Interval(value * np.exp(-half), value * np.exp(half), share)

    @classmethod
    def fit(cls, logs: Array, *, least: float = 0.0) -> Spread:
        """Find the distribution of given errors by maximum likelihood, with 2.1 to 30 degrees of freedom.

        Parameters
        ----------
        logs : array
            Logarithms of true over stated.
        least : float
            Scale that is never gone below.

        Returns
        -------
        Spread

        Raises
        ------
        ValueError
            Fewer than two errors.

        Examples
        --------
        >>> errors = Spread(0.1, 5).quantile((np.arange(2000) + 0.5) / 2000)
        >>> found = Spread.fit(errors)
        >>> round(found.scale, 2), round(found.freedom)
        (0.1, 5)
        """
        from scipy.optimize import minimize
        from scipy.special import gammaln

        errors = number("logs", logs)
        if errors.size < 2:
            raise ValueError(f"logs hold {errors.size} errors: a spread needs at least two")
        start = max(float(np.median(np.abs(errors))) / 0.7, 1e-9)

        def loss(at: Array) -> float:
            scale, freedom = np.exp(at)
            density = (
                gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - np.log(freedom * np.pi) / 2 - np.log(scale)
                - (freedom + 1) / 2 * np.log1p((errors / scale) ** 2 / freedom)
            )  # fmt: skip
            return -float(density.sum())

        bounds = [(np.log(start) - 5, np.log(start) + 5), (np.log(2.1), np.log(30.0))]
        scale, freedom = np.exp(minimize(loss, np.log([start, 5.0]), bounds=bounds, method="L-BFGS-B").x)
        return cls(max(float(scale), least), float(freedom))

    def _nodes(self) -> Array:
        """Logarithms at the middles of shares of equal size."""
        return self.quantile((np.arange(_NODES) + 0.5) / _NODES) if self.scale else np.zeros(1)


def ratio_logs(above: Spread, below: Spread) -> Array:
    """Sorted logarithms of the error of a ratio of two values whose errors are independent, equally likely each.

    Parameters
    ----------
    above, below : Spread
        Of the numerator and of the denominator.

    Returns
    -------
    array

    Examples
    --------
    >>> logs = ratio_logs(Spread(0.03), Spread(0.04))
    >>> print(f"{logs.std():.3f}")
    0.050
    """
    return np.sort(np.subtract.outer(above._nodes(), below._nodes()), axis=None)


def interval_of(estimate: Any, level: float, of: str, options: tuple[str, ...]) -> Interval:
    """Bounds of a quantity of an estimate; those of a time and of the rate that it gives are each other's inverse.

    Parameters
    ----------
    estimate : PhaseEstimate or Generation
        What may be off.
    level : float
        Share of cases that are within.
    of : str
        The quantity.
    options : tuple of str
        Those that there are.

    Raises
    ------
    ValueError
        An estimate without a calibration, or another quantity.
    """
    quantity = choice("of", of, options)
    if estimate.spread is None:
        raise ValueError(
            f"an {estimate.kind} has no interval, for nothing says how far it is off: give calibration=, such as "
            "rl.get_calibration('h100-sxm', framework='vLLM')"
        )
    bounds: Interval = estimate.spread.interval(getattr(estimate, quantity), level)
    return bounds


def check_level(level: float) -> float:
    """Return a share of cases, above 0 and below 1.

    Parameters
    ----------
    level : float
        The share.

    Raises
    ------
    ValueError
        Anything else.

    Examples
    --------
    >>> check_level(0.9)
    0.9
    """
    share = number("level", level, above=0, at_most=1)
    if np.shape(share) != () or float(share) == 1:
        raise ValueError(f"level = {level!r} is not accepted: give one number above 0 and below 1, such as 0.9")
    return float(share)
