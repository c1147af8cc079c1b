"""How an input may turn out: distributions, each given by its quantiles.

A draw is a quantile at a random share, so that one stream of shares serves every distribution, and two inputs correlate
through their shares. Shares go through the normal distribution (*normal scores*), in which correlation is stated and
from which a lognormal number is one exponential away.

An input may be a private amount: with ``private=True`` neither ``repr`` nor an error shows its numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import number
from roofline.spread import Interval, Spread, check_level

_LARGEST = 1e100
"""No amount is larger; what is computed from such amounts still is a finite number."""

_NEAREST_TO_1 = 1 - 2.0**-53
_NEAREST_TO_0 = 2.0**-1000


@dataclass(frozen=True, repr=False)
class Distribution(ABC):
    """A number that is not known for certain; the kinds are the subclasses.

    Attributes
    ----------
    private : bool
        Whether its numbers stay out of ``repr``, errors and tables.

    Examples
    --------
    >>> from tco import risk
    >>> price = risk.LogNormal.from_interval(180_000, 240_000, private=True)
    >>> price, isinstance(price, risk.Distribution)
    (LogNormal(private), True)
    """

    private: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def mean(self) -> float:
        """Expected value, in the unit of the input."""

    def quantile(self, share: Array) -> Array:
        """Value that a share of cases stays below.

        Parameters
        ----------
        share : number or array
            Above 0 and below 1.

        Returns
        -------
        array
            In the unit of the input; never falls as the share grows.

        Raises
        ------
        ValueError
            Another share.
        """
        return self._at(number("share", share, above=0, at_most=_NEAREST_TO_1))

    def interval(self, level: float = 0.9) -> Interval:
        """Bounds of the input, with equal shares beyond either.

        Parameters
        ----------
        level : float
            Share of cases that are within, above 0 and below 1.

        Returns
        -------
        Interval
        """
        within = check_level(level)
        low, high = self._at(np.asarray([(1 - within) / 2, (1 + within) / 2]))
        return Interval(float(low), float(high), within)

    def from_normal(self, score: Array) -> Array:
        """Value at a normal score: the quantile at the share that a standard normal number leaves below the score.

        Parameters
        ----------
        score : number or array
            Of a standard normal distribution; -38 to 38.

        Returns
        -------
        array

        Raises
        ------
        ValueError
            Another score.
        """
        return self._from_normal(number("score", score, at_least=-38, at_most=38))

    @abstractmethod
    def _at(self, share: Array) -> Array:
        """Quantile at shares that are known to be within 0 to 1."""

    def _from_normal(self, score: Array) -> Array:
        from scipy.special import ndtr

        return self._at(np.clip(ndtr(score), _NEAREST_TO_0, _NEAREST_TO_1))

    def _checked(self, name: str, **bounds: Any) -> Array:
        """Return a field as an array of floats; the error of a private one does not show it."""
        try:
            return number(name, getattr(self, name), **bounds)
        except ValueError as error:
            if not self.private:
                raise
            accepted = str(error).rpartition(": ")[2]
        raise ValueError(f"{name} (private) is not accepted: {accepted}")

    def _check(self, name: str, **bounds: Any) -> None:
        """Check a field that is one number and keep it as a float."""
        checked = self._checked(name, **bounds)
        if checked.shape != ():
            raise ValueError(f"{name} has shape {checked.shape}: give one number")
        object.__setattr__(self, name, float(checked))

    def _check_amounts(self, *names: str) -> None:
        for name in names:
            self._check(name, at_least=-_LARGEST, at_most=_LARGEST)

    def _check_below(self, low: str, high: str, *, strictly: bool = False) -> None:
        below, above = getattr(self, low), getattr(self, high)
        if below > above or (strictly and below == above):
            shown = "" if self.private else f" ({below:g} and {above:g})"
            hint = "; a single value is Fixed" if strictly else ""
            raise ValueError(f"{low} must {'be below' if strictly else 'not exceed'} {high}{shown}{hint}")

    def _shown(self) -> Iterator[str]:
        for one in fields(self):
            if one.name != "private":
                value = getattr(self, one.name)
                yield f"{one.name}={value:.6g}" if isinstance(value, float) else f"{one.name}={value!r}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'private' if self.private else ', '.join(self._shown())})"


@dataclass(frozen=True, repr=False)
class Fixed(Distribution):
    """A number that is known.

    Attributes
    ----------
    value : float
        The number.

    Examples
    --------
    >>> Fixed(0.7).quantile([0.1, 0.9])
    array([0.7, 0.7])
    """

    value: float

    def __post_init__(self) -> None:
        self._check_amounts("value")

    @property
    def mean(self) -> float:
        """The number itself."""
        return self.value

    def _at(self, share: Array) -> Array:
        return np.full(np.shape(share), self.value)

    def _from_normal(self, score: Array) -> Array:
        return self._at(score)


@dataclass(frozen=True, repr=False)
class Uniform(Distribution):
    """Anything between two bounds, equally likely.

    Attributes
    ----------
    low, high : float
        Bounds, the first below the second.

    Examples
    --------
    >>> Uniform(0.06, 0.10)
    Uniform(low=0.06, high=0.1)
    >>> float(Uniform(0.06, 0.10).quantile(0.25))
    0.07
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        self._check_amounts("low", "high")
        self._check_below("low", "high", strictly=True)

    @property
    def mean(self) -> float:
        """Middle of the bounds."""
        return (self.low + self.high) / 2

    def _at(self, share: Array) -> Array:
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, repr=False)
class _WithMode(Distribution):
    """Bounds and the most likely value between them."""

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        self._check_amounts("low", "mode", "high")
        self._check_below("low", "high", strictly=True)
        self._check_below("low", "mode")
        self._check_below("mode", "high")


@dataclass(frozen=True, repr=False)
class Triangular(_WithMode):
    """Likelihood that rises in a straight line from a low bound to the mode and falls to a high bound.

    Attributes
    ----------
    low, mode, high : float
        Bounds, and the most likely value, which may be either bound.

    Examples
    --------
    >>> Triangular(1.1, 1.25, 1.6).quantile([0.1, 0.5, 0.9]).round(3)
    array([1.187, 1.304, 1.468])
    """

    @property
    def mean(self) -> float:
        """Mean of the three values."""
        return (self.low + self.mode + self.high) / 3

    def _at(self, share: Array) -> Array:
        whole, left, right = self.high - self.low, self.mode - self.low, self.high - self.mode
        below = self.low + np.sqrt(share * whole * left)
        above = self.high - np.sqrt((1 - share) * whole * right)
        return np.where(share * whole < left, below, above)


@dataclass(frozen=True, repr=False)
class Pert(_WithMode):
    """Likelihood that is smooth between two bounds, with a most likely value: a beta distribution.

    Its mean is ``(low + 4·mode + high)/6``, so an unlikely bound moves it less than that of :class:`Triangular`. A
    draw takes microseconds, where the others take a fraction of one.

    Attributes
    ----------
    low, mode, high : float
        Bounds, and the most likely value, which may be either bound.

    References
    ----------
    Malcolm, Roseboom, Clark, Fazar, "Application of a Technique for Research and Development Program Evaluation",
    Operations Research 7(5), 1959.

    Examples
    --------
    >>> Pert(1.1, 1.25, 1.6).quantile([0.1, 0.5, 0.9]).round(3)
    array([1.168, 1.275, 1.41 ])
    """

    @property
    def mean(self) -> float:
        """Weighted mean of the three values."""
        return (self.low + 4 * self.mode + self.high) / 6

    def _at(self, share: Array) -> Array:
        from scipy.special import betaincinv

        whole = self.high - self.low
        shape = 1 + 4 * (self.mode - self.low) / whole, 1 + 4 * (self.high - self.mode) / whole
        # SciPy's inverse fails at the tiniest shares, where it is the bound in any case.
        return self.low + whole * betaincinv(*shape, np.maximum(share, 1e-18))


@dataclass(frozen=True, repr=False)
class TruncatedNormal(Distribution):
    """A normal distribution of which only what lies between two bounds can happen.

    Attributes
    ----------
    center, sigma : float
        Mean and standard deviation before it is cut; sigma above 0.
    low, high : float
        Bounds, the first below the second, at most 1,000 sigma from the center.

    Examples
    --------
    >>> load = TruncatedNormal(0.8, 0.1, 0.0, 1.0)
    >>> print(f"{load.mean:.4f} {load.quantile(0.99):.3f}")
    0.7945 0.984
    """

    center: float
    sigma: float
    low: float
    high: float

    def __post_init__(self) -> None:
        self._check_amounts("center", "low", "high")
        self._check("sigma", at_least=1e-100, at_most=_LARGEST)
        self._check_below("low", "high", strictly=True)
        if max(self.low - self.center, self.center - self.high) > 1000 * self.sigma:
            raise ValueError("low and high are more than 1,000 sigma from the center: nothing is left between them")

    def _left(self) -> tuple[float, float, float]:
        """Bounds in sigmas from the center, and 1; mirrored, with -1, where they lie right of it.

        Left of the center logarithms of tiny shares keep all their digits; right of it shares near 1 would not.
        """
        bounds = (self.low - self.center) / self.sigma, (self.high - self.center) / self.sigma
        return (-bounds[1], -bounds[0], -1.0) if bounds[0] > 0 else (*bounds, 1.0)

    @property
    def mean(self) -> float:
        """Mean of what is left between the bounds."""
        from scipy.special import log_ndtr

        a, b, side = self._left()
        log_share = log_ndtr(b) + np.log1p(-np.exp(log_ndtr(a) - log_ndtr(b)))
        log_density = -0.5 * np.square([a, b]) - 0.5 * np.log(2 * np.pi)
        at_a, at_b = np.exp(log_density - log_share)
        return float(np.clip(self.center + side * self.sigma * (at_a - at_b), self.low, self.high))

    def _at(self, share: Array) -> Array:
        from scipy.special import log_ndtr, ndtri_exp

        a, b, side = self._left()
        within = share if side > 0 else 1 - share
        within = np.clip(within, _NEAREST_TO_0, 1.0)
        # Share below, of the whole normal distribution: Φ(a) + u·(Φ(b) − Φ(a)), in logarithms.
        log_below = np.logaddexp(
            log_ndtr(a) + np.log1p(-np.minimum(within, _NEAREST_TO_1)), log_ndtr(b) + np.log(within)
        )
        score = ndtri_exp(np.minimum(log_below, 0.0))
        return np.clip(self.center + side * self.sigma * score, self.low, self.high)


@dataclass(frozen=True, repr=False)
class LogNormal(Distribution):
    """A positive number whose logarithm is normal: as likely to be k times too high as k times too low.

    Attributes
    ----------
    median : float
        Above 0.
    sigma : float
        Standard deviation of the natural logarithm, 0 to 10; when small, about the relative error of two cases in
        three.

    Examples
    --------
    >>> low, high, _ = LogNormal(0.8, 0.15).interval(0.9)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.625 to 1.024
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        self._check("median", at_least=1 / _LARGEST, at_most=_LARGEST)
        self._check("sigma", at_least=0, at_most=10)

    @classmethod
    def from_interval(cls, low: float, high: float, level: float = 0.9, *, private: bool = False) -> LogNormal:
        """Lognormal distribution with equal shares beyond two given bounds.

        Parameters
        ----------
        low, high : float
            Bounds, the first above 0 and below the second.
        level : float
            Share of cases that are within, above 0 and below 1.
        private : bool
            Whether its numbers stay hidden.

        Returns
        -------
        LogNormal

        Raises
        ------
        ValueError
            Bounds or a level that are not as above.

        Examples
        --------
        >>> LogNormal.from_interval(0.5, 2.0)
        LogNormal(median=1, sigma=0.421404)
        """
        from scipy.special import ndtri

        bounds = Uniform(low, high, private=private)  # its checks are those of two bounds
        if bounds.low <= 0:
            raise ValueError("low must be above 0: a lognormal number is positive")
        logs, scores = np.log([bounds.low, bounds.high]), 2 * float(ndtri((1 + check_level(level)) / 2))
        return cls(float(np.exp(logs.mean())), float(logs[1] - logs[0]) / scores, private=private)

    @property
    def mean(self) -> float:
        """``median·exp(σ²/2)``: above the median, since what is k times too high weighs more."""
        return self.median * float(np.exp(self.sigma**2 / 2))

    def _at(self, share: Array) -> Array:
        from scipy.special import ndtri

        return self._from_normal(ndtri(share))

    def _from_normal(self, score: Array) -> Array:
        return self.median * np.exp(self.sigma * score)


@dataclass(frozen=True, repr=False, eq=False)
class _Listed(Distribution):
    """Values in a list, whose numbers ``repr`` counts."""

    values: Any

    def _column(self, name: str, **bounds: float) -> Array:
        column = self._checked(name, **(bounds or {"at_least": -_LARGEST, "at_most": _LARGEST}))
        if column.ndim != 1:
            raise ValueError(f"{name} has shape {column.shape}: give a list of numbers")
        return column

    def _keep(self, name: str, column: Array) -> None:
        column.flags.writeable = False
        object.__setattr__(self, name, column)

    def _shown(self) -> Iterator[str]:
        yield f"{self.values.size:,} values"


@dataclass(frozen=True, repr=False, eq=False)
class Discrete(_Listed):
    """One of a few values, each with its share.

    Attributes
    ----------
    values : array-like
        What it may be, in any order; kept in rising order, each once, without those whose share is 0.
    shares : array-like
        Probability of each, at least 0; they add up to 1.

    Examples
    --------
    >>> tariff = Discrete([0.08, 0.12], [0.75, 0.25])
    >>> tariff.quantile([0.5, 0.8]), tariff
    (array([0.08, 0.12]), Discrete(2 values))
    """

    shares: Any

    def __post_init__(self) -> None:
        values, shares = self._column("values"), self._column("shares", at_least=0, at_most=1)
        if values.shape != shares.shape:
            raise ValueError(f"values and shares have {values.size} and {shares.size} entries: give one share a value")
        if not np.isclose(shares.sum(), 1, rtol=0, atol=1e-9):
            raise ValueError(f"shares add up to {shares.sum():.12g}: give shares that add up to 1")
        distinct, which = np.unique(values[shares > 0], return_inverse=True)
        self._keep("values", distinct)
        self._keep("shares", np.bincount(which, weights=shares[shares > 0]))

    @property
    def mean(self) -> float:
        """Mean of the values, weighted by their shares."""
        return float(self.values @ self.shares)

    def _at(self, share: Array) -> Array:
        # The last value takes what rounding leaves of the shares.
        return self.values[np.searchsorted(np.cumsum(self.shares)[:-1], share, side="left")]


@dataclass(frozen=True, repr=False, eq=False)
class Empirical(_Listed):
    """What was observed: each of n values stands for 1/n of the cases, in straight lines between their middles.

    The mean is the mean of the values, and nothing lies beyond the lowest and the highest of them (Hazen's plotting
    position, 1914).

    Attributes
    ----------
    values : array-like
        Observations, in any order.

    Examples
    --------
    >>> Empirical([1.0, 2.0, 4.0]).quantile([0.1, 0.5, 2 / 3])
    array([1., 2., 3.])
    """

    def __post_init__(self) -> None:
        self._keep("values", np.sort(self._column("values")))

    @property
    def mean(self) -> float:
        """Mean of the observations."""
        return float(self.values.mean())

    def _at(self, share: Array) -> Array:
        n = self.values.size
        return np.interp(share * n, np.arange(n) + 0.5, self.values)


@dataclass(frozen=True, repr=False)
class FromSpread(Distribution):
    """A stated value and how far it may be off: a calibrated throughput, say, with the spread of its errors.

    The logarithm of true over stated follows Student's t, which has no mean on the natural scale whatever its degrees
    of freedom: errors beyond the central `within` count as those at its ends. Intervals up to that level are exactly
    those of the spread.

    Attributes
    ----------
    value : float
        What is stated, above 0.
    spread : roofline.spread.Spread
        Distribution of the logarithm of true over stated.
    within : float
        Share of cases whose errors count as they are, above 0 and below 1.

    Examples
    --------
    >>> low, high, _ = FromSpread(1000.0, Spread(scale=0.05, freedom=4)).interval(0.9)
    >>> print(f"{low:.0f} to {high:.0f}")
    899 to 1112
    """

    value: float
    spread: Spread
    within: float = 0.999

    def __post_init__(self) -> None:
        self._check("value", at_least=1 / _LARGEST, at_most=_LARGEST)
        if not isinstance(self.spread, Spread):
            raise ValueError(f"spread is a {type(self.spread).__name__}: give a roofline.spread.Spread")
        object.__setattr__(self, "within", check_level(self.within))
        if self._log(np.asarray((1 + self.within) / 2)) > 200:
            raise ValueError("spread is too wide: an error at the end of `within` is beyond any number")

    def _log(self, share: Array) -> Array:
        beyond = (1 - self.within) / 2
        return self.spread.quantile(np.clip(share, beyond, 1 - beyond))

    @property
    def mean(self) -> float:
        """Above the stated value, since what is k times too high weighs more."""
        from scipy.special import ndtr, ndtri

        end = float(ndtri((1 + self.within) / 2))
        nodes, weights = np.polynomial.legendre.leggauss(200)
        scores = end * nodes
        density = np.exp(-0.5 * scores**2) / np.sqrt(2 * np.pi)
        inside = (weights * end * density * np.exp(self._log(ndtr(scores)))).sum()
        beyond = (1 - self.within) * np.cosh(self._log(np.asarray((1 + self.within) / 2)))
        return float(self.value * (inside + beyond))

    def _at(self, share: Array) -> Array:
        return self.value * np.exp(self._log(share))
