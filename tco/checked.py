"""The validated twins of :mod:`tco.ratio`: the same names, with every argument checked first.

Each takes numbers or arrays that broadcast, as keywords, and raises ``ValueError`` with the field, the value and what
is accepted. Formulas, units and sources are in the docstring of the function of the same name in :mod:`tco.ratio`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from roofline._arrays import Array
from tco import ratio
from tco._checked import Limits, alike, given

_LIMITS: dict[str, Limits] = {
    "r_th": {"at_least": 1e-100, "at_most": 1e100},
    "r_sc": {"at_least": 0.0, "at_most": 1e100},
    "r_ic": {"at_least": 0.0, "at_most": 1e100},
    "server_share": {"at_least": 0.0, "at_most": 1.0},
    "chip_share": {"above": 0.0, "at_most": 1.0},
    "target": {"at_least": 1e-100, "at_most": 1e100},
    "server_cost": {"at_least": 0.0, "at_most": 1e100},
    "infrastructure_cost": {"at_least": 0.0, "at_most": 1e100},
}


def _checked(**arguments: Any) -> dict[str, Array]:
    return alike({name: given(name, value, **_LIMITS[name]) for name, value in arguments.items()})


def tco_ratio(*, r_th: Any, r_sc: Any, r_ic: Any = 1.0, server_share: Any = 0.5) -> Array:
    """TCO of A over TCO of B at equal traffic (Kim Eq. 4): see :func:`tco.ratio.tco_ratio`.

    Raises
    ------
    ValueError
        A throughput ratio not above 0, a negative cost ratio, a share outside 0 to 1, NaN, infinite, or not a number.

    Examples
    --------
    >>> tco_ratio(r_th=[0.8, 1.6], r_sc=0.5, r_ic=0.75, server_share=0.7)
    array([0.71875 , 0.359375])
    >>> tco_ratio(r_th=0, r_sc=0.5)
    Traceback (most recent call last):
    ...
    ValueError: r_th = 0 is not accepted: give a finite number of at least 1e-100 and of at most 1e+100
    """
    return ratio.tco_ratio(**_checked(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=server_share))


def break_even_throughput(*, r_sc: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0) -> Array:
    """Throughput ratio above which A is cheaper: see :func:`tco.ratio.break_even_throughput`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`.

    Examples
    --------
    >>> round(break_even_throughput(r_sc=0.5, r_ic=0.75, server_share=0.7), 12)
    np.float64(0.575)
    """
    return ratio.break_even_throughput(**_checked(r_sc=r_sc, r_ic=r_ic, server_share=server_share, target=target))


def break_even_server_cost(*, r_th: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0) -> Array:
    """Server cost ratio below which A is cheaper, NaN where none is: see :func:`tco.ratio.break_even_server_cost`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`.

    Examples
    --------
    >>> break_even_server_cost(r_th=0.8, r_ic=0.75, server_share=0.7).round(12)
    np.float64(0.821428571429)
    """
    return ratio.break_even_server_cost(**_checked(r_th=r_th, r_ic=r_ic, server_share=server_share, target=target))[()]


def break_even_infrastructure_cost(*, r_th: Any, r_sc: Any, server_share: Any = 0.5, target: Any = 1.0) -> Array:
    """Infrastructure cost ratio below which A is cheaper: see :func:`tco.ratio.break_even_infrastructure_cost`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`.

    Examples
    --------
    >>> break_even_infrastructure_cost(r_th=0.8, r_sc=0.5, server_share=0.7).round(12)
    np.float64(1.5)
    """
    arguments = _checked(r_th=r_th, r_sc=r_sc, server_share=server_share, target=target)
    return ratio.break_even_infrastructure_cost(**arguments)[()]


def not_even_free(*, r_th: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0) -> Array:
    """Whether A would lose even if its servers were free: see :func:`tco.ratio.not_even_free`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`.

    Examples
    --------
    >>> not_even_free(r_th=[0.4, 0.6])
    array([ True, False])
    """
    return ratio.not_even_free(**_checked(r_th=r_th, r_ic=r_ic, server_share=server_share, target=target))


def largest_useful_discount(
    *, r_th: Any, r_sc: Any, r_ic: Any = 1.0, server_share: Any = 0.5, chip_share: Any = 1.0, target: Any = 1.0
) -> Array:
    """Discount on A's chips at which A draws level: see :func:`tco.ratio.largest_useful_discount`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`.

    Examples
    --------
    >>> largest_useful_discount(r_th=0.8, r_sc=1.2).round(12)
    np.float64(0.5)
    """
    arguments = _checked(
        r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=server_share, chip_share=chip_share, target=target
    )
    return ratio.largest_useful_discount(**arguments)[()]


def elasticities(*, r_sc: Any, r_ic: Any = 1.0, server_share: Any = 0.5) -> ratio.Elasticities:
    """Percent by which the TCO ratio moves per percent of each input: see :func:`tco.ratio.elasticities`.

    Raises
    ------
    ValueError
        An argument out of range, as for :func:`tco_ratio`, or both costs 0.

    Examples
    --------
    >>> elasticities(r_sc=0.5, r_ic=0.75, server_share=0.7).r_th
    np.float64(-1.0)
    """
    arguments = _checked(r_sc=r_sc, r_ic=r_ic, server_share=server_share)
    if np.any(ratio.break_even_throughput(**arguments) == 0):
        raise ValueError("r_sc and r_ic leave A without any cost: give at least one above 0 where its share is")
    return ratio.elasticities(**arguments)


def server_share(*, server_cost: Any, infrastructure_cost: Any) -> Array:
    """``w``, the server's share of B's total cost: see :func:`tco.ratio.server_share`.

    Raises
    ------
    ValueError
        A negative cost, both 0, NaN, infinite, or not a number.

    Examples
    --------
    >>> server_share(server_cost=70, infrastructure_cost=30)
    np.float64(0.7)
    """
    arguments = _checked(server_cost=server_cost, infrastructure_cost=infrastructure_cost)
    if np.any((arguments["server_cost"] == 0) & (arguments["infrastructure_cost"] == 0)):
        raise ValueError("server_cost and infrastructure_cost are both 0: give at least one above 0")
    return ratio.server_share(**arguments)
