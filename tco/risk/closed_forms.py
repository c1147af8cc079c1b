r"""Kim's ratio with uncertain throughput and server cost, without draws: what simulations are held against.

With ``ln R_Th ~ N(ln r_th, s_Th)`` and ``ln R_SC ~ N(ln r_sc, s_SC)`` independent, R_IC and w certain, the TCO ratio of
Kim Eq. 4, ``ρ = (w·R_SC + (1−w)·R_IC)/R_Th``, is below a target t with probability

* ``Φ((ln r_th − ln((w·r_sc + (1−w)·R_IC)/t))/s_Th)`` where only R_Th is uncertain, and
* the mean of that over R_SC where both are: one integral, summed here over the normal score of R_SC.

The same holds for ``E[min(1, ρ)]``, which a lognormal ρ has in closed form. Arguments are keywords, numbers or arrays
that broadcast. Sigmas are standard deviations of natural logarithms, and medians are given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import number
from tco import ratio

_SCORES = np.linspace(-9.0, 9.0, 1801)
_WEIGHTS = np.exp(-0.5 * _SCORES**2) / np.exp(-0.5 * _SCORES**2).sum()
"""Equal steps of a normal score: for a smooth function no other rule of so many points is nearer."""


def probability_below(
    *,
    r_th: Any,
    r_sc: Any,
    sigma_r_th: Any,
    sigma_r_sc: Any = 0.0,
    r_ic: Any = 1.0,
    server_share: Any = 0.5,
    target: Any = 1.0,
) -> Array:
    """Probability that the TCO ratio is below a target: that A is cheaper, with the target 1.

    Parameters
    ----------
    r_th, r_sc : number or array
        Medians of the throughput and the server cost ratio, above 0.
    sigma_r_th : number or array
        Standard deviation of ``ln R_Th``, at least 0.001 and at least a fiftieth of `sigma_r_sc`; at most 10.
    sigma_r_sc : number or array
        Standard deviation of ``ln R_SC``, 0 to 10.
    r_ic, server_share : number or array
        As in :func:`tco.ratio.tco_ratio`, certain.
    target : number or array
        Above 0.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> case = {"r_th": 0.8, "r_sc": 0.5, "r_ic": 0.75, "server_share": 0.7, "sigma_r_th": 0.15}
    >>> print(f"{probability_below(**case):.5f} {probability_below(**case, sigma_r_sc=0.25):.4f}")
    0.98615 0.9320
    """
    from scipy.special import ndtr

    s, log_median = _log_ratio(r_th, r_sc, sigma_r_th, sigma_r_sc, r_ic, server_share)
    log_target = np.log(number("target", target, at_least=1e-100, at_most=1e100))
    return (ndtr((log_target[..., None] - log_median) / s[..., None]) @ _WEIGHTS)[()]


def mean(
    *, r_th: Any, r_sc: Any, sigma_r_th: Any, sigma_r_sc: Any = 0.0, r_ic: Any = 1.0, server_share: Any = 0.5
) -> Array:
    """Expected TCO ratio: ``(w·r_sc·exp(s_SC²/2) + (1−w)·R_IC)·exp(s_Th²/2)/r_th``.

    Parameters
    ----------
    r_th, r_sc, sigma_r_th, sigma_r_sc, r_ic, server_share : number or array
        As for :func:`probability_below`.

    Returns
    -------
    number or array
        Above the ratio of the medians, and above the inverse of the expected inverse.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> print(f"{mean(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7, sigma_r_th=0.15, sigma_r_sc=0.25):.4f}")
    0.7409
    """
    _log_ratio(r_th, r_sc, sigma_r_th, sigma_r_sc, r_ic, server_share)
    th, sc = (np.asarray(one, dtype=float) for one in (sigma_r_th, sigma_r_sc))
    at_medians = ratio.tco_ratio(
        r_th=np.asarray(r_th, dtype=float),
        r_sc=np.asarray(r_sc, dtype=float) * np.exp(sc**2 / 2),
        r_ic=np.asarray(r_ic, dtype=float),
        server_share=np.asarray(server_share, dtype=float),
    )
    return (at_medians * np.exp(th**2 / 2))[()]


def evpi(
    *, r_th: Any, r_sc: Any, sigma_r_th: Any, sigma_r_sc: Any = 0.0, r_ic: Any = 1.0, server_share: Any = 0.5
) -> Array:
    """Expected value of perfect information, as a share of B's cost: ``min(1, E ρ) − E min(1, ρ)``.

    B's cost is taken as certain.

    Parameters
    ----------
    r_th, r_sc, sigma_r_th, sigma_r_sc, r_ic, server_share : number or array
        As for :func:`probability_below`.

    Returns
    -------
    number or array
        At least 0.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> print(f"{evpi(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7, sigma_r_th=0.15, sigma_r_sc=0.25):.4f}")
    0.0075
    """
    from scipy.special import log_ndtr, ndtr

    s, m = _log_ratio(r_th, r_sc, sigma_r_th, sigma_r_sc, r_ic, server_share)
    s = s[..., None]
    # Of a lognormal ρ: P(ρ > 1) + E[ρ; ρ < 1].
    cheapest = (ndtr(m / s) + np.exp(m + s**2 / 2 + log_ndtr(-(m + s**2) / s))) @ _WEIGHTS
    expected = mean(
        r_th=r_th, r_sc=r_sc, sigma_r_th=sigma_r_th, sigma_r_sc=sigma_r_sc, r_ic=r_ic, server_share=server_share
    )
    return np.maximum(np.minimum(1.0, expected) - cheapest, 0.0)[()]


def sigma(
    *,
    r_sc: Any,
    sigma_r_th: Any,
    sigma_r_sc: Any = 0.0,
    sigma_r_ic: Any = 0.0,
    r_ic: Any = 1.0,
    server_share: Any = 0.5,
) -> Array:
    """Standard deviation of the logarithm of the TCO ratio, for small and independent errors: ``√Σ(e·s)²``.

    ``e`` are the elasticities of Kim Eq. 4, so that this is the law of propagation of errors.

    Parameters
    ----------
    r_sc, r_ic, server_share : number or array
        As in :func:`tco.elasticities`.
    sigma_r_th, sigma_r_sc, sigma_r_ic : number or array
        Standard deviations of the logarithms of the three ratios, at least 0.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> print(f"{sigma(r_sc=0.5, r_ic=0.75, server_share=0.7, sigma_r_th=0.03, sigma_r_sc=0.04):.4f}")
    0.0386
    """
    from tco.checked import elasticities

    e = elasticities(r_sc=r_sc, r_ic=r_ic, server_share=server_share)
    errors = {"sigma_r_th": sigma_r_th, "sigma_r_sc": sigma_r_sc, "sigma_r_ic": sigma_r_ic}
    th, sc, ic = (number(name, value, at_least=0) for name, value in errors.items())
    return np.sqrt((e.r_th * th) ** 2 + (e.r_sc * sc) ** 2 + (e.r_ic * ic) ** 2)[()]


def _log_ratio(
    r_th: Any, r_sc: Any, sigma_r_th: Any, sigma_r_sc: Any, r_ic: Any, server_share: Any
) -> tuple[Array, Array]:
    """Check arguments; standard deviation of ``ln ρ`` given R_SC, and its median at every score of R_SC (last axis)."""
    th, sc = (number(name, one, at_least=1e-100, at_most=1e100) for name, one in (("r_th", r_th), ("r_sc", r_sc)))
    s_th = number("sigma_r_th", sigma_r_th, at_least=1e-3, at_most=10)
    s_sc = number("sigma_r_sc", sigma_r_sc, at_least=0, at_most=10)
    ic, w = number("r_ic", r_ic, at_least=0, at_most=1e100), number("server_share", server_share, at_least=0, at_most=1)
    if np.any(s_th < s_sc / 50):
        raise ValueError("sigma_r_th is not accepted: give at least a fiftieth of sigma_r_sc (or simulate)")
    if np.any((w == 0) & (ic == 0)):
        raise ValueError("r_ic = 0 is not accepted with server_share = 0: A would cost nothing")
    drawn = sc[..., None] * np.exp(s_sc[..., None] * _SCORES)
    w, ic, th = w[..., None], ic[..., None], th[..., None]
    return s_th, np.log(w * drawn + (1 - w) * ic) - np.log(th)
