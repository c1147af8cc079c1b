"""Own, reserve or rent servers when demand is uncertain: how many of each.

Demand changes from hour to hour, so the first server is busy all the time and the last one hardly ever. Each marginal
server goes to the terms that are cheapest for its share of busy hours: with two terms that is the newsvendor's rule,
``F(Q*) = 1 − c_own/c_rent``; with more, the lower envelope of straight lines, which gives one threshold between each
and the next, as in the planning of power stations.

Demand is the number of servers needed, hour by hour or in equally likely samples (several forecasts may be put one
after the other), or a distribution with a ``ppf``, such as a frozen one of ``scipy.stats``. It is taken to be that of
the whole time that one is bound for. Rates are private: results show counts and ratios, never dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from roofline._arrays import Array
from roofline._validation import number
from tco._checked import amounts
from tco.break_even import utilisation
from tco.finance import HOURS_PER_YEAR, capital_recovery_factor

MOST_SERVERS = 10_000_000
"""Largest demand that is planned server by server."""


def effective_usd_per_h(
    *, usd_per_h: Any, upfront_share: Any = 0.0, commitment_years: Any = 1.0, rate: Any = 0.08
) -> Array:
    """Even hourly cost of a commitment part of which is paid in advance: ``c·((1−s) + s·n·CRF(r, n))`` [USD/h].

    Money paid in advance is repaid like capital: with a quarter of three years paid at the start, at 8 %, an hour costs
    4.1 % more than it says.

    Parameters
    ----------
    usd_per_h : number or array
        ``c``: everything paid over the term, in advance or later, divided by its hours [USD/h].
    upfront_share : number or array
        ``s``: the part of that which is paid at the start, 0 to 1.
    commitment_years : number or array
        ``n``, above 0 to 100 [year].
    rate : number or array
        ``r``, cost of capital per year, 0 to 10.

    Returns
    -------
    number or array
        For each hour of the term, busy or not [USD/h].

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> effective_usd_per_h(usd_per_h=1.30, upfront_share=0.25, commitment_years=3, rate=0.08).round(4)
    np.float64(1.3533)
    """
    (c,) = amounts(usd_per_h=usd_per_h)
    s = number("upfront_share", upfront_share, at_least=0, at_most=1)
    n = number("commitment_years", commitment_years, at_least=1 / HOURS_PER_YEAR, at_most=100)
    r = number("rate", rate, at_least=0, at_most=10)
    return (c * ((1 - s) + s * n * capital_recovery_factor(rate=r, years=n)))[()]


def owned_capacity(demand: Any, *, own_usd_per_h: Any, rent_usd_per_h: Any, idle_usd_per_h: Any = None) -> Array:
    """Servers to own when the rest is rented by the hour: ``F(Q*) = 1 − c_own/c_rent``, the newsvendor's rule.

    A server is worth owning if it is busy for a larger share of the time than :func:`tco.break_even.utilisation`.

    Parameters
    ----------
    demand : distribution or array-like
        Servers needed: an object with ``ppf``, or equally likely samples of at least 0.
    own_usd_per_h, rent_usd_per_h, idle_usd_per_h : number or array
        As in :func:`tco.break_even.utilisation`: a busy hour owned, a busy hour rented, and an idle hour owned.

    Returns
    -------
    number or array
        ``Q*``, a fraction where the demand is one; 0 where owning saves nothing even when always busy. Of samples the
        smallest that has at least that share of them at or below it.

    Raises
    ------
    ValueError
        A cost or sample out of range, or a distribution without a largest value where idle hours cost nothing.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> owned_capacity(norm(100, 30), own_usd_per_h=1.30, rent_usd_per_h=2.99).round(1)
    np.float64(104.9)
    >>> owned_capacity([90, 100, 110, 120], own_usd_per_h=1.30, rent_usd_per_h=[2.99, 1.20])
    array([110.,   0.])
    """
    threshold = utilisation(own_usd_per_h=own_usd_per_h, rent_usd_per_h=rent_usd_per_h, idle_usd_per_h=idle_usd_per_h)
    worth = threshold < 1  # not where it is NaN
    fraction = np.where(worth, 1 - threshold, 0.5)
    if hasattr(demand, "ppf"):
        servers = np.asarray(demand.ppf(fraction), dtype=float)
        if np.any(servers == np.inf):
            raise ValueError("demand has no largest value and idle hours cost nothing: give an idle_usd_per_h above 0")
    else:
        ordered = np.sort(number("demand", demand, at_least=0, at_most=MOST_SERVERS), axis=None)
        # The smallest sample with F ≥ fraction; a share that is whole but for rounding is whole.
        rank = np.ceil(fraction * ordered.size * (1 - 1e-12)).astype(int)
        servers = ordered[np.maximum(rank, 1) - 1]
    return np.where(worth, np.maximum(servers, 0.0), 0.0)[()]


@dataclass(frozen=True, kw_only=True, repr=False)
class Terms:
    """The terms on which a server may be had.

    Attributes
    ----------
    name : str
        As it is to appear in results.
    usd_per_h, idle_usd_per_h : float
        Cost of an hour in which the server is busy, and of one in which it idles: the same for a reservation, 0 for a
        server rented when needed [USD/h].
    """

    name: str
    usd_per_h: float
    idle_usd_per_h: float

    def __post_init__(self) -> None:
        busy, idle = amounts(usd_per_h=self.usd_per_h, idle_usd_per_h=self.idle_usd_per_h)
        if busy.shape or idle.shape:
            raise ValueError("terms are of one kind of server: give one number for each rate")
        if idle > busy:
            raise ValueError(f"{self.name}: idle_usd_per_h is above usd_per_h: an idle hour costs at most a busy one")
        object.__setattr__(self, "usd_per_h", float(busy))
        object.__setattr__(self, "idle_usd_per_h", float(idle))

    @classmethod
    def owned(cls, *, usd_per_h: float, idle_usd_per_h: float | None = None, name: str = "owned") -> Terms:
        """Bought: paid for in every hour.

        Parameters
        ----------
        usd_per_h : float
            Capital, facility and energy of a busy hour [USD/h].
        idle_usd_per_h : float, optional
            Of an idle one [USD/h]; without it the same.
        name : str
            As it is to appear.

        Raises
        ------
        ValueError
            Not such numbers.

        Examples
        --------
        >>> Terms.owned(usd_per_h=1.30)
        Terms('owned')
        """
        return cls(
            name=name, usd_per_h=usd_per_h, idle_usd_per_h=usd_per_h if idle_usd_per_h is None else idle_usd_per_h
        )

    @classmethod
    def reserved(
        cls,
        *,
        usd_per_h: float,
        commitment_years: float,
        upfront_share: float = 0.0,
        rate: float = 0.08,
        name: str = "",
    ) -> Terms:
        """Rented for years, busy or not: the hourly cost is :func:`effective_usd_per_h`.

        Parameters
        ----------
        usd_per_h, commitment_years, upfront_share, rate : float
            As in :func:`effective_usd_per_h`.
        name : str
            As it is to appear; without it the term.

        Raises
        ------
        ValueError
            Not such numbers.

        Examples
        --------
        >>> Terms.reserved(usd_per_h=1.30, commitment_years=3, upfront_share=0.25)
        Terms('reserved 3 years')
        """
        cost = effective_usd_per_h(
            usd_per_h=usd_per_h, upfront_share=upfront_share, commitment_years=commitment_years, rate=rate
        )
        if cost.shape:
            raise ValueError("terms are of one kind of server: give one number for each rate")
        years = "1 year" if commitment_years == 1 else f"{commitment_years:g} years"
        return cls(name=name or f"reserved {years}", usd_per_h=cost, idle_usd_per_h=cost)

    @classmethod
    def on_demand(cls, *, usd_per_h: float, name: str = "on demand") -> Terms:
        """Rented by the hour, when needed.

        Parameters
        ----------
        usd_per_h : float
            Of an hour [USD/h].
        name : str
            As it is to appear.

        Raises
        ------
        ValueError
            Not such a number.

        Examples
        --------
        >>> Terms.on_demand(usd_per_h=2.99)
        Terms('on demand')
        """
        return cls(name=name, usd_per_h=usd_per_h, idle_usd_per_h=0.0)

    def __repr__(self) -> str:
        return f"Terms({self.name!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Portfolio:
    """How many servers to have on which terms. In the order of use: the first are busiest.

    Attributes
    ----------
    names : tuple of str
        The terms, sorted by the cost of using a server that one has anyway, cheapest first.
    servers : tuple of int
        Servers on each; rented by the hour, the most that are ever needed at once.
    work : tuple of float
        Share of all the busy hours that each serves; the sum is 1.
    busy : tuple of float
        Share of the hours in which the servers on each are busy, on average; 0 where there are none.
    least_busy : tuple of float or None
        The threshold: share of the hours that a server must be busy to belong here and not to the next that is used;
        ``None`` for terms that are the cheapest for no busy share.
    usd_per_h : float
        Cost of the whole, on average over all hours [USD/h].
    alone_usd_per_h : tuple of float
        Cost if all servers were on these terms [USD/h].
    """

    names: tuple[str, ...]
    servers: tuple[int, ...]
    work: tuple[float, ...]
    busy: tuple[float, ...]
    least_busy: tuple[float | None, ...]
    usd_per_h: float
    alone_usd_per_h: tuple[float, ...]

    @property
    def saving(self) -> dict[str, float]:
        """What the mix saves against each of the terms alone, 0 to 1."""
        return {
            name: 1 - self.usd_per_h / alone if alone else 0.0
            for name, alone in zip(self.names, self.alone_usd_per_h, strict=True)
        }

    def __repr__(self) -> str:
        parts = (f"{count} {name}" for name, count in zip(self.names, self.servers, strict=True))
        saving = ", ".join(f"{share:.1%} below {name} alone" for name, share in self.saving.items())
        return f"Portfolio({' + '.join(parts)}; {saving})"


def portfolio(demand: Any, terms: Sequence[Terms]) -> Portfolio:
    """Cheapest servers on several terms: each marginal server on those that are cheapest for its busy share.

    The ``j``-th server is busy in the hours that need at least ``j``, a share ``b``, and costs ``b·busy + (1−b)·idle``
    on each of the terms.

    Parameters
    ----------
    demand : distribution or array-like
        Servers needed: an object with ``ppf``, which is taken at 8,760 equally likely quantiles, or equally likely
        samples of at least 0. Part of a server is a whole one.
    terms : sequence of Terms
        With names that differ; of two that cost the same the first is taken.

    Returns
    -------
    Portfolio

    Raises
    ------
    ValueError
        No terms, two of one name, samples out of range, or no demand at all.

    Examples
    --------
    >>> hours = [100] * 12 + [140] * 10 + [200] * 2
    >>> best = portfolio(hours, [
    ...     Terms.on_demand(usd_per_h=2.99),
    ...     Terms(name="half reserved", usd_per_h=1.90, idle_usd_per_h=0.60),
    ...     Terms.reserved(usd_per_h=1.30, commitment_years=3, upfront_share=0.25),
    ... ])
    >>> best
    Portfolio(100 reserved 3 years + 40 half reserved + 60 on demand; 26.0% below reserved 3 years alone, ...)
    >>> [round(share, 3) for share in best.least_busy]
    [0.579, 0.355, 0.0]
    """
    offers = tuple(terms)
    names = [offer.name for offer in offers]
    if not offers or len(set(names)) < len(names):
        raise ValueError(f"terms = {names} is not accepted: give at least one, each with a name of its own")
    # Servers that one has anyway are used in the order of what their use costs; a flat rate costs nothing more.
    offers = tuple(sorted(offers, key=lambda offer: (offer.usd_per_h - offer.idle_usd_per_h, offer.usd_per_h)))
    busy_usd = np.array([offer.usd_per_h for offer in offers])
    idle_usd = np.array([offer.idle_usd_per_h for offer in offers])

    share = _busy_shares(demand)
    cost = share[:, None] * busy_usd + (1 - share[:, None]) * idle_usd
    taken = np.argmin(cost, axis=1)
    counts = np.bincount(taken, minlength=len(offers))
    served = np.bincount(taken, weights=share, minlength=len(offers))
    return Portfolio(
        names=tuple(offer.name for offer in offers),
        servers=tuple(int(count) for count in counts),
        work=tuple(float(part) for part in served / share.sum()),
        busy=tuple(float(part) for part in served / np.maximum(counts, 1)),
        least_busy=_thresholds(busy_usd, idle_usd),
        usd_per_h=float(cost[np.arange(share.size), taken].sum()),
        alone_usd_per_h=tuple(float(part) for part in cost.sum(axis=0)),
    )


def own_or_rent(
    demand: Any, *, own_usd_per_h: float, rent_usd_per_h: float, idle_usd_per_h: float | None = None
) -> Portfolio:
    """Whole servers to own, the rest rented by the hour: :func:`portfolio` of two terms.

    Parameters
    ----------
    demand : distribution or array-like
        As in :func:`portfolio`.
    own_usd_per_h, rent_usd_per_h, idle_usd_per_h : float
        As in :func:`owned_capacity`, one number each.

    Returns
    -------
    Portfolio
        Of ``owned`` and ``on demand``.

    Raises
    ------
    ValueError
        A cost or sample out of range, or no demand at all.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> best = own_or_rent(norm(100, 30), own_usd_per_h=1.30, rent_usd_per_h=2.99)
    >>> best.servers[0], round(best.least_busy[0], 3), round(best.work[0], 2)
    (105, 0.435, 0.9)
    """
    owned = Terms.owned(usd_per_h=own_usd_per_h, idle_usd_per_h=idle_usd_per_h)
    return portfolio(demand, (owned, Terms.on_demand(usd_per_h=rent_usd_per_h)))


def _busy_shares(demand: Any) -> npt.NDArray[np.float64]:
    """Share of the hours in which the first, the second, ... server is needed: the load-duration curve, on its side."""
    if hasattr(demand, "ppf"):
        hours = int(HOURS_PER_YEAR)
        demand = np.maximum(demand.ppf((np.arange(hours) + 0.5) / hours), 0.0)
    samples = np.asarray(number("demand", demand, at_least=0, at_most=MOST_SERVERS)).reshape(-1)
    # Rounding in whatever computed the demand must not buy a server.
    needed = np.sort(np.ceil(samples * (1 - 1e-12)))
    if needed[-1] == 0:
        raise ValueError("demand is 0 in every hour: give some above 0")
    at_least = needed.size - np.searchsorted(needed, np.arange(1, int(needed[-1]) + 1), side="left")
    return np.asarray(at_least / needed.size)


def _thresholds(busy_usd: npt.NDArray[np.float64], idle_usd: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    """Least busy share for which each of some terms is the cheapest, sorted by slope; ``None`` for no share.

    Along the lower envelope of ``idle + slope·b``, from always busy to never: from each line to the steeper one that
    crosses it first, and of several there to the steepest.
    """
    slope = busy_usd - idle_usd
    least: list[float | None] = [None] * busy_usd.size
    now, share = int(np.argmin(busy_usd)), 1.0
    while True:
        steeper = slope > slope[now]
        crossing = np.where(steeper, (idle_usd[now] - idle_usd) / np.where(steeper, slope - slope[now], 1.0), 0.0)
        following = crossing.size - 1 - int(np.argmax(crossing[::-1]))
        if crossing[following] <= 0:
            least[now] = 0.0
            return tuple(least)
        share = min(share, float(crossing[following]))
        least[now], now = share, following
