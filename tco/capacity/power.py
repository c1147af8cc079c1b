"""Watts and kilowatt-hours of a fleet over its day, at the servers and at the meter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from roofline._arrays import Array, is_traced, maximum, minimum, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, alike, checked, given
from tco.capacity._common import HEADROOM, SHARE_UP, by_slot
from tco.capacity.day import peak_to_mean, servers_on, serves_the_peak
from tco.finance import HOURS_PER_YEAR

_PUE: Limits = {"at_least": 1.0, "at_most": 10.0}

_POWER: dict[str, Limits] = {
    "profile": AT_LEAST_ZERO,
    "mean_per_s": AT_LEAST_ZERO,
    "servers": AT_LEAST_ZERO,
    "server_per_s": POSITIVE,
    "idle_w": AT_LEAST_ZERO,
    "busy_w": AT_LEAST_ZERO,
    "headroom": HEADROOM,
    "availability": SHARE_UP,
}


@checked(serves_the_peak, **_POWER)
def slot_power_w(
    *,
    profile: Array,
    mean_per_s: Array,
    servers: Array,
    server_per_s: Array,
    idle_w: Array,
    busy_w: Array,
    released: bool = False,
    headroom: Array = 0.0,
    availability: Array = 1.0,
    whole: bool = True,
) -> Array:
    """IT power of the fleet in each slot of the day: ``P_idle·N + (P_busy − P_idle)·D_t/T`` [W].

    Linear between idle and busy (Fan, Weber, Barroso 2007); work that is waiting keeps no server warm.

    Parameters
    ----------
    profile : array
        From :func:`load_profile`, slots along the last axis.
    mean_per_s : number or array
        Mean demand; ``D_t`` is it times the profile [1/s].
    servers : number or array
        ``N``, servers that are switched on.
    server_per_s : number or array
        ``T``, what one delivers within the SLO [1/s].
    idle_w, busy_w : number or array
        Power of a server without work, and at `server_per_s` [W].
    released : bool
        Switch off, or lend out, the servers that a slot does not need: ``N`` becomes :func:`servers_on`.
    headroom, availability, whole
        As for :func:`servers_on`; they count only where servers are released.

    Returns
    -------
    array
        Slots along the last axis.

    Raises
    ------
    ValueError
        An argument out of range, a profile that does not average 1, fewer servers than the peak needs, or an idle power
        above the busy one. Powers are not shown.

    References
    ----------
    X. Fan, W.-D. Weber, L. A. Barroso, "Power provisioning for a warehouse-sized computer", ISCA 2007.

    Examples
    --------
    >>> from tco.capacity import load_profile
    >>> day = {"profile": load_profile([50, 100, 150]), "mean_per_s": 100.0, "servers": 15, "server_per_s": 10.0}
    >>> slot_power_w(**day, idle_w=1_000.0, busy_w=3_000.0)
    array([25000., 35000., 45000.])
    >>> slot_power_w(**day, idle_w=1_000.0, busy_w=3_000.0, released=True)
    array([15000., 30000., 45000.])
    """
    on = by_slot(servers)
    if released:
        on = servers_on.pure(
            profile=profile,
            mean_per_s=mean_per_s,
            servers=servers,
            server_per_s=server_per_s,
            headroom=headroom,
            availability=availability,
            whole=whole,
        )
    busy = by_slot(mean_per_s) * profile / by_slot(server_per_s)
    return by_slot(idle_w) * on + (by_slot(busy_w) - by_slot(idle_w)) * busy


@checked(serves_the_peak, **_POWER)
def mean_power_w(
    *,
    profile: Array,
    mean_per_s: Array,
    servers: Array,
    server_per_s: Array,
    idle_w: Array,
    busy_w: Array,
    released: bool = False,
    headroom: Array = 0.0,
    availability: Array = 1.0,
    whole: bool = True,
) -> Array:
    """Mean IT power of the fleet over the day, which its energy follows: ``P_idle·N + (P_busy − P_idle)·D/T`` [W].

    The mean of :func:`slot_power_w`. Power is linear in demand, so that the slots themselves count only where servers
    are released.

    Parameters are those of :func:`slot_power_w`.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        As :func:`slot_power_w`.

    Examples
    --------
    >>> from tco.capacity import load_profile
    >>> day = {"profile": load_profile([50, 100, 150]), "mean_per_s": 100.0, "servers": 15, "server_per_s": 10.0}
    >>> float(mean_power_w(**day, idle_w=1_000.0, busy_w=3_000.0))
    35000.0
    >>> float(mean_power_w(**day, idle_w=1_000.0, busy_w=3_000.0, released=True))
    30000.0
    """
    on = servers
    if released:
        slots = servers_on.pure(
            profile=profile,
            mean_per_s=mean_per_s,
            servers=servers,
            server_per_s=server_per_s,
            headroom=headroom,
            availability=availability,
            whole=whole,
        )
        on = namespace(slots).mean(slots, axis=-1)
    return idle_w * on + (busy_w - idle_w) * mean_per_s / server_per_s


@checked(serves_the_peak, **_POWER)
def peak_power_w(
    *,
    profile: Array,
    mean_per_s: Array,
    servers: Array,
    server_per_s: Array,
    idle_w: Array,
    busy_w: Array,
    released: bool = False,
    headroom: Array = 0.0,
    availability: Array = 1.0,
    whole: bool = True,
) -> Array:
    """IT power of the fleet in the slot that demands most, which a demand charge bills [W].

    The maximum of :func:`slot_power_w`. The plant is built for the provisioned power of the servers, which is more.

    Parameters are those of :func:`slot_power_w`.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        As :func:`slot_power_w`.

    Examples
    --------
    >>> from tco.capacity import load_profile
    >>> day = {"profile": load_profile([50, 100, 150]), "mean_per_s": 100.0, "servers": 20, "server_per_s": 10.0}
    >>> float(peak_power_w(**day, idle_w=1_000.0, busy_w=3_000.0))
    50000.0
    """
    peak = peak_to_mean.pure(profile=profile)
    on = servers
    if released:
        slots = servers_on.pure(
            profile=profile,
            mean_per_s=mean_per_s,
            servers=servers,
            server_per_s=server_per_s,
            headroom=headroom,
            availability=availability,
            whole=whole,
        )
        on = namespace(slots).max(slots, axis=-1)
    return idle_w * on + (busy_w - idle_w) * mean_per_s * peak / server_per_s


def pue_at(*, load: Any, points: Sequence[tuple[float, float]]) -> Array:
    """Power usage effectiveness at a load, between measured points: straight lines, constant beyond the ends.

    Parameters
    ----------
    load : number or array
        IT power over the IT power that the facility was built for, 0 to 1.
    points : sequence of (load, pue)
        Measured pairs in order of rising load, each _PUE 1 to 10; one pair is a constant _PUE.

    Returns
    -------
    number or array
        At least 1.

    Raises
    ------
    ValueError
        An argument out of range, or points that are not in order.

    Examples
    --------
    >>> pue_at(load=[0.1, 0.5, 1.0], points=[(0.25, 1.6), (0.75, 1.3)])
    array([1.6 , 1.45, 1.3 ])
    """
    at = given("load", load, at_least=0.0, at_most=1.0)
    table = given("points", points)
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError("points are not accepted: give pairs of (load, pue)")
    loads = given("load of a point", table[:, 0], at_least=0.0, at_most=1.0)
    pues = given("pue of a point", table[:, 1], **_PUE)
    if not is_traced(table) and any(right <= left for left, right in pairwise(loads)):
        raise ValueError(f"points have loads {[float(x) for x in loads]}: give them rising")
    at, loads, pues = alike({"load": at, "loads": loads, "pues": pues}).values()
    pue = pues[0] + 0 * at
    for (left, right), (start, end) in zip(pairwise(loads), pairwise(pues), strict=True):
        pue = pue + (end - start) * minimum(maximum((at - left) / (right - left), 0.0), 1.0)
    return pue


@checked(
    load={"at_least": 1e-9, "at_most": 1.0},
    fixed={"at_least": 0.0, "at_most": 10.0},
    proportional={"at_least": 0.0, "at_most": 10.0},
)
def pue_from_losses(*, load: Array, fixed: Array, proportional: Array) -> Array:
    """Power usage effectiveness at a load, from losses that are fixed and that follow it: ``1 + fixed/load + prop``.

    Facility power is then linear in IT power, so that the energy of a year needs the mean load only. Losses with the
    square of the load, which the source has too, are left out: 1 to 4 % of a UPS near its full load.

    Parameters
    ----------
    load : number or array
        IT power over the IT power that the facility was built for, above 0 to 1.
    fixed : number or array
        Overhead that runs at any load, over full IT power: idle losses of transformers and UPS, fans at fixed speed.
    proportional : number or array
        Overhead that follows the load, over IT power.

    Returns
    -------
    number or array
        At least 1.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    References
    ----------
    N. Rasmussen, "Electrical Efficiency Modeling for Data Centers", Schneider Electric white paper 113.

    Examples
    --------
    >>> pue_from_losses(load=[0.25, 1.0], fixed=0.1, proportional=0.15)
    array([1.55, 1.25])
    """
    return 1 + fixed / load + proportional


@checked(mean_power_w=AT_LEAST_ZERO, pue=_PUE)
def energy_kwh_per_year(*, mean_power_w: Array, pue: Array = 1.0) -> Array:
    """Energy of a year at a mean power, at the meter of the facility [kWh/year].

    Parameters
    ----------
    mean_power_w : number or array
        Mean IT power [W].
    pue : number or array
        Power usage effectiveness, 1 to 10; 1 gives the energy of the IT alone.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; a power is not shown.

    Examples
    --------
    >>> float(energy_kwh_per_year(mean_power_w=10_000.0, pue=1.25))
    109500.0
    """
    return mean_power_w / 1e3 * pue * HOURS_PER_YEAR


@checked(peak_power_w=AT_LEAST_ZERO, pue=_PUE)
def demand_charge_kw(*, peak_power_w: Array, pue: Array = 1.0) -> Array:
    """Power that a demand charge bills: the peak at the meter of the facility [kW].

    Parameters
    ----------
    peak_power_w : number or array
        Peak IT power, from :func:`peak_power_w` [W].
    pue : number or array
        Power usage effectiveness at that load, 1 to 10.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number; a power is not shown.

    Examples
    --------
    >>> float(demand_charge_kw(peak_power_w=45_000.0, pue=1.2))
    54.0
    """
    return peak_power_w / 1e3 * pue
