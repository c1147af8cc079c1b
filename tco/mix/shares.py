"""What the shares of a mix are of, and what to do where they are not known.

A share is of tokens. Where a log counts *requests*, an application of long answers has a larger share of the tokens
than of the requests; where a schedule counts *time of servers*, it holds of one machine only, since a faster machine
spends less of its time on what it is good at. Both are converted here.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import count, number
from tco.mix._checks import alike, per_application, same_applications, weights

MOST_APPLICATIONS = 16
"""For which vertices are listed: there are up to ``n·2^(n−1)`` of them."""


def shares_from_requests(*, requests: Any, tokens_per_request: Any, axis: int = -1) -> Array:
    """Shares of tokens from shares, or numbers, of requests: ``q_i·n_i / Σ q_i·n_i``.

    Parameters
    ----------
    requests : array
        Requests by application, or their shares, at least 0.
    tokens_per_request : array
        Tokens of a request that the application's throughput counts, above 0 [token].
    axis : int
        Axis of the applications, in whichever of the two has more than one.

    Returns
    -------
    array
        Adding up to 1 over the last axis, where the applications are.

    Raises
    ------
    ValueError
        A number out of range, no request at all, or unlike numbers of applications.

    Examples
    --------
    >>> shares_from_requests(requests=[0.9, 0.1], tokens_per_request=[100, 900])
    array([0.5, 0.5])
    """
    q = weights("requests", requests, axis=axis)
    n = per_application("tokens_per_request", tokens_per_request, axis=axis)
    same_applications(requests=q, tokens_per_request=n)
    xp, (q, n) = alike(q, n)
    return q * n / xp.sum(q * n, axis=-1, keepdims=True)


def shares_from_time(*, time: Any, rates: Any, axis: int = -1) -> Array:
    """Shares of tokens from shares of a machine's time: ``τ_i·T_i / Σ τ_i·T_i``.

    Parameters
    ----------
    time : array
        Share of the servers' time by application, or servers given to each, at least 0.
    rates : array
        Throughput by application of the machine whose time it is, above 0 [token/s].
    axis : int
        Axis of the applications, in whichever of the two has more than one.

    Returns
    -------
    array
        Adding up to 1 over the last axis, where the applications are.

    Raises
    ------
    ValueError
        As for :func:`shares_from_requests`.

    Examples
    --------
    >>> shares_from_time(time=[0.5, 0.5], rates=[100, 400])
    array([0.2, 0.8])
    """
    tau = weights("time", time, axis=axis)
    t = per_application("rates", rates, axis=axis)
    same_applications(time=tau, rates=t)
    xp, (tau, t) = alike(tau, t)
    return tau * t / xp.sum(tau * t, axis=-1, keepdims=True)


def time_shares(*, rates: Any, shares: Any, axis: int = -1) -> Array:
    """Share of a machine's servers that each application takes: ``(w_i/T_i) / Σ (w_i/T_i)``.

    Parameters
    ----------
    rates : array
        Throughput of a server by application, above 0 [token/s].
    shares : array
        Share of tokens by application; they need not add up to 1.
    axis : int
        Axis of the applications, in whichever of the two has more than one.

    Returns
    -------
    array
        Adding up to 1 over the last axis, where the applications are. The inverse of :func:`shares_from_time`.

    Raises
    ------
    ValueError
        As for :func:`tco.mix.mix_throughput`.

    Examples
    --------
    >>> time_shares(rates=[100, 400], shares=[0.5, 0.5])
    array([0.8, 0.2])
    """
    w = weights("shares", shares, axis=axis)
    t = per_application("rates", rates, axis=axis)
    same_applications(rates=t, shares=w)
    xp, (w, t) = alike(w, t)
    return (w / t) / xp.sum(w / t, axis=-1, keepdims=True)


def share_vertices(*, low: Any, high: Any) -> Array:
    """Corners of what shares may be, where each is known to lie between two bounds.

    Every set of shares within the bounds is a mean of these. The cost of a mix is linear in the shares, and a ratio of
    two costs is highest and lowest at corners, so the corners are all that a worst case needs.

    Parameters
    ----------
    low, high : array
        Bounds of each application's share, 0 to 1, shape ``(n,)`` with at most 16 applications.

    Returns
    -------
    array
        Shape ``(corners, n)``; each adds up to 1.

    Raises
    ------
    ValueError
        Bounds that cross or that no shares meet, or another shape.

    References
    ----------
    Corners of a simplex cut by a box: all shares but one are at a bound.

    Examples
    --------
    >>> share_vertices(low=[0.2, 0.0], high=[0.6, 1.0])
    array([[0.2, 0.8],
           [0.6, 0.4]])
    """
    bounds = [number(name, value, at_least=0, at_most=1) for name, value in (("low", low), ("high", high))]
    lowest, highest = (np.asarray(bound) for bound in bounds)
    if lowest.ndim != 1 or lowest.shape != highest.shape or lowest.size > MOST_APPLICATIONS:
        raise ValueError(
            f"low and high have shapes {lowest.shape} and {highest.shape}: give one bound for each of at most "
            f"{MOST_APPLICATIONS} applications"
        )
    if np.any(lowest > highest):
        raise ValueError(f"low is above high for application {int(np.argmax(lowest > highest))}: give low <= high")
    within = 1e-12
    if lowest.sum() > 1 + within or highest.sum() < 1 - within:
        raise ValueError(
            f"no shares meet these bounds: low adds up to {lowest.sum():.6g}, high to {highest.sum():.6g}, shares to 1"
        )
    n = lowest.size
    at_bounds = np.array(list(product((0, 1), repeat=n - 1)), dtype=float).reshape(2 ** (n - 1), n - 1)
    corners = []
    for free in range(n):
        others = np.delete(np.arange(n), free)
        corner = np.empty((len(at_bounds), n))
        corner[:, others] = lowest[others] + at_bounds * (highest - lowest)[others]
        corner[:, free] = 1 - corner[:, others].sum(axis=1)
        inside = (corner[:, free] >= lowest[free] - within) & (corner[:, free] <= highest[free] + within)
        corners.append(np.clip(corner[inside], lowest, highest))
    found = np.concatenate(corners)
    _, first = np.unique(found.round(12), axis=0, return_index=True)  # a corner is met once for each bound in it
    return found[first]


def draw_shares(*, shares: Any, concentration: float, draws: int, seed: int = 0) -> Array:
    """Draw shares at random about expected ones, from a Dirichlet distribution.

    Parameters
    ----------
    shares : array
        Expected shares by application, shape ``(n,)``; they need not add up to 1. A share of 0 stays 0.
    concentration : float
        How sure they are: the variance of a share is ``w·(1−w)/(concentration + 1)``, as if that many tokens had been
        counted.
    draws : int
        How many.
    seed : int
        Of the random numbers: the same seed gives the same draws, so that two machines meet the same mixes.

    Returns
    -------
    array
        Shape ``(draws, n)``; each draw adds up to 1.

    Raises
    ------
    ValueError
        A number out of range, or shares of another shape.

    Examples
    --------
    >>> drawn = draw_shares(shares=[0.5, 0.3, 0.2], concentration=20, draws=1000)
    >>> drawn.shape, bool((abs(drawn.mean(axis=0) - [0.5, 0.3, 0.2]) < 0.02).all())
    ((1000, 3), True)
    """
    w = np.asarray(weights("shares", shares))
    if w.ndim != 1:
        raise ValueError(f"shares has shape {w.shape}: give one share for each application")
    sure = number("concentration", concentration, at_least=1e-3, at_most=1e12)
    if sure.shape != ():
        raise ValueError(f"concentration = {concentration!r} is not accepted: give one number")
    times, start = count("draws", draws), count("seed", seed, at_least=0)
    taken = w > 0
    drawn = np.zeros((times, w.size))
    drawn[:, taken] = np.random.default_rng(start).dirichlet(float(sure) * w[taken], size=times)
    return drawn
