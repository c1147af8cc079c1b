"""Throughput and cost of a mix: harmonic, since servers needed add up and throughputs do not.

To serve the share ``w_i`` of ``D`` tokens a second takes ``D·w_i/T_i`` servers. So a mix of applications needs
``D·Σ w_i/T_i`` servers, and each of them gives ``T_mix = Σ w_i / Σ (w_i/T_i)``. Kim's Eq. 4 holds of a mix with the
ratio of these.

Arguments are keywords, numbers or arrays of any array-API library, and broadcast. Shares are weights of any scale, of
tokens: see :mod:`tco.mix.shares`.
"""

from __future__ import annotations

from typing import Any

from roofline._arrays import Array
from tco.mix._checks import alike, per_application, positive, same_applications, weights


def mix_throughput(*, rates: Any, shares: Any, axis: int = -1) -> Array:
    """Throughput of a server that serves a mix: the harmonic mean ``Σ w_i / Σ (w_i/T_i)``.

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
        Without that axis [token/s]; between the lowest and the highest rate.

    Raises
    ------
    ValueError
        A rate that is not above 0, a negative share or none above 0, or unlike numbers of applications.

    References
    ----------
    Servers at equal traffic, Kim Eq. 4, summed over the applications of VII-B.

    Examples
    --------
    >>> float(mix_throughput(rates=[100, 400], shares=[0.5, 0.5]))
    160.0
    """
    w = weights("shares", shares, axis=axis)
    t = per_application("rates", rates, axis=axis)
    same_applications(rates=t, shares=w)
    xp, (w, t) = alike(w, t)
    return 1 / xp.sum(w / t, axis=-1)


def mixed_r_th(*, rates_a: Any, rates_b: Any, shares: Any, axis: int = -1) -> Array:
    """Throughput ratio of two machines on a mix: ``R_Th,mix = Σ (w_i/T_B,i) / Σ (w_i/T_A,i)``.

    Parameters
    ----------
    rates_a, rates_b : array
        Throughput of a server by application, above 0 [token/s].
    shares : array
        Share of tokens by application; they need not add up to 1.
    axis : int
        Axis of the applications, in whichever of the three has more than one.

    Returns
    -------
    array
        Without that axis; ``R_Th`` of Kim Eq. 4 for the mix.

    Raises
    ------
    ValueError
        As for :func:`mix_throughput`.

    References
    ----------
    Kim Eq. 1 and 4, VII-B.

    Examples
    --------
    >>> float(mixed_r_th(rates_a=[100, 400], rates_b=[200, 200], shares=[0.5, 0.5]))
    0.8
    """
    of_a = mix_throughput(rates=rates_a, shares=shares, axis=axis)
    of_b = mix_throughput(rates=rates_b, shares=shares, axis=axis)
    _, (of_a, of_b) = alike(of_a, of_b)
    return of_a / of_b


def naive_mean(*, rates_a: Any, rates_b: Any, shares: Any, axis: int = -1) -> Array:
    """Arithmetic mean of throughput ratios, ``Σ w_i·T_A,i/T_B,i``: the mistake to compare :func:`mixed_r_th` with.

    It is right only where shares are of the time of A's servers, not of tokens: see
    :func:`tco.mix.shares_from_time`. Otherwise it can be on the wrong side of 1, and never says so.

    Parameters
    ----------
    rates_a, rates_b, shares, axis
        As in :func:`mixed_r_th`.

    Returns
    -------
    array
        No throughput ratio of anything that could be bought.

    Raises
    ------
    ValueError
        As for :func:`mix_throughput`.

    Examples
    --------
    >>> float(naive_mean(rates_a=[100, 400], rates_b=[200, 200], shares=[0.5, 0.5]))
    1.25
    """
    w = weights("shares", shares, axis=axis)
    a = per_application("rates_a", rates_a, axis=axis)
    b = per_application("rates_b", rates_b, axis=axis)
    same_applications(rates_a=a, rates_b=b, shares=w)
    xp, (w, a, b) = alike(w, a, b)
    return xp.sum(w * (a / b), axis=-1)


def mixed_fleet_cost(*, rates: Any, costs: Any, shares: Any) -> Array:
    """Cost of serving each application on its cheapest machine: ``Σ w_i · min_j (c_j/T_ij)``.

    With fractional servers; it is the lower bound of every fleet, and :mod:`tco.fleet` buys whole ones.

    Parameters
    ----------
    rates : array
        Throughput of a server, applications by machines in the last two axes, above 0 [token/s].
    costs : array
        Cost of a server by machine, last axis, above 0 [USD per any period].
    shares : array
        Share of tokens by application, last axis; they need not add up to 1.

    Returns
    -------
    array
        Without the two axes; cost per token a second [USD per the costs' period, per token/s].

    Raises
    ------
    ValueError
        As for :func:`mix_throughput`, a cost that is not above 0, or unlike numbers of machines.

    References
    ----------
    The fractional bound of Mélange's assignment (Griggs et al., arXiv:2404.14527), without coupling.

    Examples
    --------
    >>> float(mixed_fleet_cost(rates=[[100, 200], [400, 200]], costs=[1, 1], shares=[0.5, 0.5]))
    0.00375
    """
    t = positive("rates", rates)
    if t.ndim < 2:
        raise ValueError("rates has no axis of machines: give applications by machines")
    c = positive("costs", costs, private=True)
    if c.ndim == 0 or c.shape[-1] != t.shape[-1]:
        raise ValueError(f"costs are not one for each of the {t.shape[-1]} machines that rates has")
    w = weights("shares", shares)
    xp, (t, c, w) = alike(t, c, w)
    cheapest = xp.min(c[..., None, :] / t, axis=-1)
    same_applications(rates=cheapest, shares=w)
    return xp.sum(w * cheapest, axis=-1)
