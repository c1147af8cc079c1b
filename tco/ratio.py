r"""Kim's TCO ratio of two accelerators, its inverses and its sensitivities: pure functions.

The model (Kim et al., arXiv:2502.01070, II-A) compares accelerator A with accelerator B at equal traffic. With

* ``R_Th``, throughput of a server of A over one of B (Eq. 1),
* ``R_SC``, cost of a server of A over one of B (Eq. 2),
* ``R_IC``, infrastructure cost per server of A over that of B (Eq. 3),
* ``w``, the server's share of B's total cost, ``C_Sv,B / (C_Sv,B + C_If,B)``,

Eq. 4 becomes ``TCO_A/TCO_B = (w·R_SC + (1−w)·R_IC) / R_Th``; the number of servers cancels. Below 1, A is cheaper.

Arguments are keywords, numbers or arrays of any array-API library, and broadcast. Nothing is validated here: the
functions of the same names in :mod:`tco` do that and call these. `target` is the TCO ratio to reach, 1 to break even.
"""

from __future__ import annotations

from typing import NamedTuple

from roofline._arrays import Array, in_floats, minimum, namespace


@in_floats
def tco_ratio(*, r_th: Array, r_sc: Array, r_ic: Array = 1.0, server_share: Array = 0.5) -> Array:
    """TCO of A over TCO of B at equal traffic (Kim Eq. 4).

    Parameters
    ----------
    r_th : number or array
        Throughput ratio A/B, above 0.
    r_sc, r_ic : number or array
        Server cost and infrastructure cost ratios A/B, at least 0. The default ``r_ic = 1`` is Kim Figure 1's.
    server_share : number or array
        ``w``, 0 to 1. The default 0.5 is Kim Figure 1's; with both defaults the ratio is ``(R_SC + 1)/(2·R_Th)``.

    Returns
    -------
    number or array
        Dimensionless; below 1, A is cheaper.

    Examples
    --------
    >>> round(tco_ratio(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7), 12)
    0.71875
    """
    w = server_share
    return (w * r_sc + (1 - w) * r_ic) / r_th


@in_floats
def break_even_throughput(*, r_sc: Array, r_ic: Array = 1.0, server_share: Array = 0.5, target: Array = 1.0) -> Array:
    """Throughput ratio at which the TCO ratio is `target`: ``(w·R_SC + (1−w)·R_IC)/t`` (Kim Eq. 4 solved for R_Th).

    Parameters are those of :func:`tco_ratio`.

    Returns
    -------
    number or array
        A is cheaper above it.

    Examples
    --------
    >>> round(break_even_throughput(r_sc=0.5, r_ic=0.75, server_share=0.7), 12)
    0.575
    """
    w = server_share
    return (w * r_sc + (1 - w) * r_ic) / target


@in_floats
def break_even_server_cost(*, r_th: Array, r_ic: Array = 1.0, server_share: Array = 0.5, target: Array = 1.0) -> Array:
    """Server cost ratio at which the TCO ratio is `target`: ``(t·R_Th − (1−w)·R_IC)/w`` (Kim Eq. 4 solved for R_SC).

    Parameters are those of :func:`tco_ratio`.

    Returns
    -------
    number or array
        A is cheaper below it. NaN where no price suffices (see :func:`not_even_free`), or where servers have no share
        (``w = 0``) and so no price matters.

    Examples
    --------
    >>> round(float(break_even_server_cost(r_th=0.8, r_ic=0.75, server_share=0.7)), 12)
    0.821428571429
    """
    w = server_share
    return _positive_quotient(target * r_th - (1 - w) * r_ic, w)


@in_floats
def break_even_infrastructure_cost(
    *, r_th: Array, r_sc: Array, server_share: Array = 0.5, target: Array = 1.0
) -> Array:
    """Infrastructure cost ratio at which the TCO ratio is `target`: ``(t·R_Th − w·R_SC)/(1−w)`` (Kim Eq. 4).

    Parameters are those of :func:`tco_ratio`.

    Returns
    -------
    number or array
        A is cheaper below it. NaN where not even free infrastructure suffices, or where it has no share (``w = 1``).

    Examples
    --------
    >>> round(float(break_even_infrastructure_cost(r_th=0.8, r_sc=0.5, server_share=0.7)), 12)
    1.5
    """
    w = server_share
    return _positive_quotient(target * r_th - w * r_sc, 1 - w)


@in_floats
def not_even_free(*, r_th: Array, r_ic: Array = 1.0, server_share: Array = 0.5, target: Array = 1.0) -> Array:
    """Whether A would lose even if its servers were free: ``(1−w)·R_IC ≥ t·R_Th`` (Kim II-B).

    Parameters are those of :func:`tco_ratio`.

    Returns
    -------
    bool or array of bool

    Examples
    --------
    >>> not_even_free(r_th=0.4, r_ic=1.0, server_share=0.5), not_even_free(r_th=0.6, r_ic=1.0, server_share=0.5)
    (True, False)
    """
    return (1 - server_share) * r_ic >= target * r_th


@in_floats
def largest_useful_discount(
    *,
    r_th: Array,
    r_sc: Array,
    r_ic: Array = 1.0,
    server_share: Array = 0.5,
    chip_share: Array = 1.0,
    target: Array = 1.0,
) -> Array:
    """Discount on A's chips at which A draws level with B: the largest that is of use in winning the comparison.

    A discount ``D`` on the chips makes the server cost ``R_SC·(1 − c·D)``, where ``c`` is the chips' share of the
    server's cost: free chips do not make a free server (Kim II-B). Solved for the break-even server cost.

    Parameters
    ----------
    r_th, r_sc, r_ic, server_share, target : number or array
        As in :func:`tco_ratio`, with ``r_sc`` at the price before the discount.
    chip_share : number or array
        ``c``, share of the server's cost that the discount applies to, above 0 and at most 1.

    Returns
    -------
    number or array
        0 to 1; 0 where A is level or cheaper already; NaN where not even free chips suffice.

    Examples
    --------
    >>> round(float(largest_useful_discount(r_th=0.8, r_sc=1.2, r_ic=1.0, server_share=0.5)), 12)
    0.5
    """
    w = server_share
    cost, worth = w * r_sc + (1 - w) * r_ic, target * r_th
    xp = namespace(cost, worth, chip_share)
    over_cost, chip_cost = xp.asarray(cost - worth), xp.asarray(w * r_sc * chip_share)
    # Level within rounding is level, and free within rounding is free.
    over_cost = xp.where(over_cost <= 1e-14 * worth, xp.zeros_like(over_cost), over_cost)
    discount = _positive_quotient(over_cost, chip_cost, at_zero=0.0)
    return xp.where(discount <= 1 + 1e-12, minimum(discount, 1.0), xp.full_like(discount, xp.nan))


class Elasticities(NamedTuple):
    """Percent by which the TCO ratio moves per percent of each input (Kim Eq. 4, logarithmic derivatives)."""

    r_th: Array
    r_sc: Array
    r_ic: Array


@in_floats
def elasticities(*, r_sc: Array, r_ic: Array = 1.0, server_share: Array = 0.5) -> Elasticities:
    """Elasticities of the TCO ratio: −1 for throughput, each cost's share of A's total for the costs.

    Parameters
    ----------
    r_sc, r_ic, server_share : number or array
        As in :func:`tco_ratio`; the costs not both 0.

    Returns
    -------
    Elasticities
        ``r_th`` is −1; ``r_sc`` and ``r_ic`` add up to 1.

    Examples
    --------
    >>> e = elasticities(r_sc=0.5, r_ic=0.75, server_share=0.7)
    >>> round(e.r_sc, 3), round(e.r_ic, 3)
    (0.609, 0.391)
    """
    w = server_share
    server, infrastructure = w * r_sc, (1 - w) * r_ic
    total = server + infrastructure
    return Elasticities(r_th=0 * total - 1.0, r_sc=server / total, r_ic=infrastructure / total)


@in_floats
def server_share(*, server_cost: Array, infrastructure_cost: Array) -> Array:
    """``w``: the server's share of B's total cost, ``C_Sv,B/(C_Sv,B + C_If,B)`` (below Kim Eq. 4).

    Parameters
    ----------
    server_cost, infrastructure_cost : number or array
        Of one server of B over the same period, in one currency; not both 0.

    Returns
    -------
    number or array
        0 to 1.

    Examples
    --------
    >>> server_share(server_cost=70.0, infrastructure_cost=30.0)
    0.7
    """
    return server_cost / (server_cost + infrastructure_cost)


def _positive_quotient(numerator: Array, denominator: Array, *, at_zero: float | None = None) -> Array:
    """Divide where numerator and denominator are positive; elsewhere NaN, or `at_zero` for a numerator of 0."""
    xp = namespace(numerator, denominator)
    numerator, denominator = xp.asarray(numerator), xp.asarray(denominator)
    exists = (numerator > 0) & (denominator > 0)
    # The unused branch of `where` is computed too: give it 1 to divide by, so no warning and no infinite gradient.
    quotient = numerator / xp.where(denominator > 0, denominator, xp.ones_like(denominator))
    result = xp.where(exists, quotient, xp.full_like(quotient, xp.nan))
    return result if at_zero is None else xp.where(numerator == 0, xp.full_like(result, at_zero), result)
