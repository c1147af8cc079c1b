"""What a power cap does to the cost of throughput: pure formulas of arrays.

A server that is provisioned for ``P`` watts costs a year ``c(P) = C_s + C_rack/n(P) + k·P`` with whole servers per rack
``n = floor(P_rack/P)``. ``C_s`` does not know of power, ``C_rack`` is what a rack costs however many servers it holds,
and ``k`` is what each provisioned watt costs: plant and energy. Its throughput is ``T(P)``; the cheapest cap has the
least ``c/T``. Kim's rule (VI-D), that a cap pays if it loses less throughput than it saves of the cost, compares two
powers; the marginal rule of :func:`worth_capping` tells whether to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from roofline._arrays import Array, maximum, minimum, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, checked, is_more
from tco.facility import servers_per_rack

NO_LIMIT = 1e6
"""Servers per rack where nothing but power limits them."""

_SERVERS: Limits = {"at_least": 1.0, "at_most": NO_LIMIT}


def _singles(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if np.shape(value) != ():
            raise ValueError(f"{name} has shape {np.shape(value)}: give one number")


def _fits(arguments: Mapping[str, Any]) -> None:
    if is_more(arguments["power_w"], arguments["rack_power_w"] * (1 + 1e-12)):
        raise ValueError("power_w is above rack_power_w, so no rack holds a server: give more to the rack, or a cap")


def servers_held(
    *, power_w: Array, rack_power_w: Array, most_per_rack: Array = NO_LIMIT, whole_racks: bool = True
) -> Array:
    """Servers that share a rack: what its power feeds, or fewer where something else binds.

    Parameters
    ----------
    power_w, rack_power_w : number or array
        Provisioned power of a server; what a rack feeds and cools [W].
    most_per_rack : number or array
        What slots, weight or ports leave room for.
    whole_racks : bool
        Whole servers in a rack; else a rack's power is shared out to the last watt.

    Returns
    -------
    array
        Below 1 where a server needs more than a rack.
    """
    if whole_racks:
        return minimum(servers_per_rack(rack_power_w=rack_power_w, server_power_w=power_w), most_per_rack)
    return minimum(rack_power_w / power_w, most_per_rack)


@checked(
    _fits,
    power_w=POSITIVE,
    throughput=POSITIVE,
    server_usd_per_year=AT_LEAST_ZERO,
    rack_usd_per_year=AT_LEAST_ZERO,
    rack_power_w=POSITIVE,
    usd_per_watt_year=AT_LEAST_ZERO,
    most_per_rack=_SERVERS,
)
def cost_per_throughput(
    *,
    power_w: Array,
    throughput: Array,
    server_usd_per_year: Array,
    rack_usd_per_year: Array,
    rack_power_w: Array,
    usd_per_watt_year: Array,
    most_per_rack: Array = NO_LIMIT,
    whole_racks: bool = True,
) -> Array:
    """Yearly cost of a server over its throughput: ``(C_s + C_rack/n + k·P)/T``.

    Parameters
    ----------
    power_w : number or array
        ``P``, power that a server is provisioned for [W].
    throughput : number or array
        ``T`` of the server at that power, in any unit.
    server_usd_per_year : number or array
        ``C_s``, what of its cost does not depend on power [USD/year].
    rack_usd_per_year : number or array
        ``C_rack``, cost of a rack, however many servers it holds [USD/year].
    rack_power_w : number or array
        What a rack feeds and cools [W].
    usd_per_watt_year : number or array
        ``k``, plant and energy of a provisioned watt [USD/W-year]. Where the power of a site is scarce, add
        :func:`shadow_price`.
    most_per_rack : number or array
        Servers that slots, weight or ports leave room for.
    whole_racks : bool
        ``n = floor(P_rack/P)``; else ``P_rack/P``.

    Returns
    -------
    array
        USD/year for a unit of throughput.

    Raises
    ------
    ValueError
        A number out of range, or a server that needs more than a rack has. Dollars and watts are not shown.

    References
    ----------
    Kim et al., arXiv:2502.01070, II-A and VI-D, with the parts of ``Cost_Infra`` kept apart.

    Examples
    --------
    A rack of 40 kW: three servers of 10.2 kW leave 9.4 kW unused, and a cap of 2 % makes room for a fourth.

    >>> cost = cost_per_throughput(power_w=[10_200, 10_000], throughput=[1.0, 0.993], server_usd_per_year=90_000,
    ...     rack_usd_per_year=40_000, rack_power_w=40_000, usd_per_watt_year=0.7)
    >>> (cost / cost[0]).round(3)
    array([1.   , 0.975])
    """
    C_s, k, P, T = server_usd_per_year, usd_per_watt_year, power_w, throughput
    n = servers_held(power_w=P, rack_power_w=rack_power_w, most_per_rack=most_per_rack, whole_racks=whole_racks)
    return (C_s + rack_usd_per_year / n + k * P) / T


@checked(
    elasticity={"at_least": 0.0, "at_most": 1 - 1e-9},
    server_usd_per_year=AT_LEAST_ZERO,
    usd_per_watt_year={"at_least": 1e-12, "at_most": 1e12},
)
def continuous_optimum(*, elasticity: Array, server_usd_per_year: Array, usd_per_watt_year: Array) -> Array:
    """Cheapest provisioned power where throughput goes as ``P^a``: ``P* = a·C_s/((1−a)·k)``.

    There the elasticity is the share of the cost that scales with power. Whole servers per rack move the optimum to a
    breakpoint ``P_rack/n`` unless ``P*`` of that ``n`` lies between two of them: :func:`tco.power_cap.best_cap`.

    Parameters
    ----------
    elasticity : number or array
        ``a``, percent of throughput per percent of power, at least 0 and below 1: at 1, more power always pays.
    server_usd_per_year : number or array
        ``C_s``, what does not depend on power, a fixed share of a rack included [USD/year].
    usd_per_watt_year : number or array
        ``k`` [USD/W-year].

    Returns
    -------
    array
        [W]. It may be above what a server can draw: then no cap pays.

    Raises
    ------
    ValueError
        A number out of range. Dollars are not shown.

    Examples
    --------
    >>> power = continuous_optimum(elasticity=0.1, server_usd_per_year=90_000, usd_per_watt_year=2.5)
    >>> float(power), 2.5 * float(power) / (90_000 + 2.5 * float(power))
    (4000.0, 0.1)
    """
    a, C_s, k = elasticity, server_usd_per_year, usd_per_watt_year
    return a * C_s / ((1 - a) * k)


@checked(
    elasticity={"at_least": 0.0, "at_most": 1e6},
    power_w=POSITIVE,
    server_usd_per_year=AT_LEAST_ZERO,
    usd_per_watt_year=AT_LEAST_ZERO,
)
def worth_capping(*, elasticity: Array, power_w: Array, server_usd_per_year: Array, usd_per_watt_year: Array) -> Array:
    """Whether a little less power lowers the cost of throughput: ``dlnT/dlnP < k·P/(C_s + k·P)``.

    Kim's rule at the margin: the next percent of power must cost a smaller share of the throughput than it saves of the
    cost. Between two breakpoints it is exact; a breakpoint itself also saves a share of the rack.

    Parameters
    ----------
    elasticity : number or array
        ``dlnT/dlnP`` of the server's throughput over its power, at least 0.
    power_w : number or array
        ``P`` [W].
    server_usd_per_year : number or array
        ``C_s``, what does not depend on power, a fixed share of a rack included [USD/year].
    usd_per_watt_year : number or array
        ``k`` [USD/W-year].

    Returns
    -------
    bool or array of bool

    Raises
    ------
    ValueError
        A number out of range. Dollars and watts are not shown.

    References
    ----------
    Kim et al., arXiv:2502.01070, VI-D, generalised.

    Examples
    --------
    >>> worth_capping(elasticity=[0.05, 0.35], power_w=10_200, server_usd_per_year=90_000, usd_per_watt_year=2.5)
    array([ True, False])
    """
    C_s, k, P = server_usd_per_year, usd_per_watt_year, power_w
    return elasticity * (C_s + k * P) < k * P


@checked(
    _singles,
    rack_power_w=POSITIVE, low_w=POSITIVE, high_w=POSITIVE, most_per_rack=_SERVERS,
)  # fmt: skip
def breakpoints(*, rack_power_w: float, low_w: float, high_w: float, most_per_rack: float = NO_LIMIT) -> Array:
    """Powers at which one more server fits a rack: ``P_rack/n``, the only places where ``C_rack/n`` falls.

    Parameters
    ----------
    rack_power_w : float
        What a rack feeds and cools [W].
    low_w, high_w : float
        Between which powers of a server [W].
    most_per_rack : float
        Servers that slots, weight or ports leave room for; below its breakpoint the rack's share falls no more.

    Returns
    -------
    ndarray
        Rising; empty where there is none [W].

    Raises
    ------
    ValueError
        A number out of range, or a lowest power at which a rack would hold more than 10⁶ servers.

    Examples
    --------
    >>> breakpoints(rack_power_w=40_000, low_w=6_000, high_w=10_200)
    array([ 6666.66666667,  8000.        , 10000.        ])
    """
    first = np.ceil(rack_power_w / high_w * (1 - 1e-12))
    last = minimum(servers_per_rack(rack_power_w=rack_power_w, server_power_w=low_w), most_per_rack)
    if last >= NO_LIMIT:
        raise ValueError(f"low_w leaves more than {NO_LIMIT:,.0f} servers to a rack: give a higher one")
    return rack_power_w / np.arange(max(last, first - 1), max(first, 1.0) - 1, -1)


@checked(power_w=POSITIVE, throughput=POSITIVE, pue={"at_least": 1.0, "at_most": 10.0})
def throughput_per_megawatt(*, power_w: Array, throughput: Array, pue: Array = 1.0) -> Array:
    """Throughput of a megawatt of provisioned power: what to maximise where a site has no more of it.

    Parameters
    ----------
    power_w : number or array
        Provisioned power of a server [W].
    throughput : number or array
        Of the server, in any unit.
    pue : number or array
        Power usage effectiveness, where the megawatt is the site's and not the IT equipment's.

    Returns
    -------
    array
        In the throughput's unit per MW.

    Raises
    ------
    ValueError
        A number out of range. Watts are not shown.

    Examples
    --------
    >>> float(throughput_per_megawatt(power_w=10_000, throughput=40_000, pue=1.25))
    3200000.0
    """
    return throughput / (power_w * pue) * 1e6


@checked(
    power_w=POSITIVE, throughput=POSITIVE, usd_per_year=AT_LEAST_ZERO, usd_per_throughput_year=AT_LEAST_ZERO,
)  # fmt: skip
def shadow_price(*, power_w: Array, throughput: Array, usd_per_year: Array, usd_per_throughput_year: Array) -> Array:
    """What another watt of a full site is worth: ``λ = (v·T − c)/P``, the largest of its options.

    A site that can add no power earns most from the option with the highest ``λ``. Once ``λ`` is added to what a watt
    costs, the cheapest option per throughput is the one that the site should run.

    Parameters
    ----------
    power_w : number or array
        ``P``, provisioned power of a server by option [W].
    throughput : number or array
        ``T``, its throughput.
    usd_per_year : number or array
        ``c``, its yearly cost, power included at its price [USD/year].
    usd_per_throughput_year : number or array
        ``v``, what a unit of throughput earns in a year [USD/year].

    Returns
    -------
    array
        Of each option [USD/W-year]; 0 where it does not earn its cost.

    Raises
    ------
    ValueError
        A number out of range. Dollars and watts are not shown.

    Examples
    --------
    >>> shadow_price(power_w=[10_000, 8_000], throughput=[1.0, 0.9], usd_per_year=[100_000, 96_000],
    ...              usd_per_throughput_year=150_000)
    array([5.   , 4.875])
    """
    v, T, c, P = usd_per_throughput_year, throughput, usd_per_year, power_w
    return maximum((v * T - c) / P, 0.0)


@checked(
    row_power_w=POSITIVE, server_peak_w=POSITIVE, oversubscription={"at_least": 0.0, "at_most": 10.0},
)  # fmt: skip
def oversubscribed_servers(*, row_power_w: Array, server_peak_w: Array, oversubscription: Array = 0.0) -> Array:
    """Servers on a row whose power is sold more than once: ``floor(P_row·(1 + o)/P_peak)``.

    Servers rarely peak together; caps hold the row to its breaker when they do.

    Parameters
    ----------
    row_power_w, server_peak_w : number or array
        Power of the row; peak of a server [W].
    oversubscription : number or array
        ``o``: 0.30 is what POLCA found safe for inference.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        A number out of range. Watts are not shown.

    References
    ----------
    Patel et al., "Characterizing Power Management Opportunities for LLMs in the Cloud" (POLCA), ASPLOS 2024.

    Examples
    --------
    >>> oversubscribed_servers(row_power_w=400_000, server_peak_w=10_000, oversubscription=[0.0, 0.30])
    array([40., 52.])
    """
    xp = namespace(row_power_w, server_peak_w, oversubscription)
    # Binary fractions make 1.3 × 40 fall a hair short of 52; a whole number so near is meant.
    return xp.floor(xp.asarray(row_power_w * (1 + oversubscription) / server_peak_w * (1 + 1e-12)))
