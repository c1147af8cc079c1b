"""From traffic to servers, racks, watts and kilowatt-hours.

Servers are bought for the peak and powered for the mean: the day's load profile is what lies between, and how busy the
fleet is follows from the traffic instead of being asked for.

Every function takes keywords that broadcast and checks them. Its formula alone, for inner loops and for other array
libraries, is its attribute ``pure`` (``servers_needed.pure(...)``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array, ceil, is_traced, maximum, minimum, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, alike, checked, given, is_more, single
from tco.finance import HOURS_PER_YEAR

DAYS_PER_YEAR = HOURS_PER_YEAR / 24
"""Days of the year that :mod:`tco.finance` counts."""

_HAIR = 1e-12  # a quotient this much above a whole number is meant to be that number: binary fractions fall a hair off
_SHARE_UP: Limits = {"at_least": 1e-9, "at_most": 1.0}
_HEADROOM: Limits = {"at_least": 0.0, "at_most": 1e3}
_PUE: Limits = {"at_least": 1.0, "at_most": 10.0}
_FAILURES: Limits = {"at_least": 0.0, "at_most": 1e5}
_DAYS: Limits = {"at_least": 0.0, "at_most": 1e4}
_SERVERS: Limits = {"at_least": 0.0, "at_most": 1e9}
_COUNTED = 1e9  # repairs under way, up to which spares are counted one by one


def _whole_above(quotient: Array) -> Array:
    return ceil(quotient * (1 - _HAIR))


def _fleet_serves_the_peak(arguments: Mapping[str, Any]) -> None:
    profile = arguments["profile"]
    mean = namespace(profile).mean(profile, axis=-1)
    if is_more(abs(mean - 1), 1e-9):
        raise ValueError("profile does not average 1: make it with tco.capacity.load_profile")
    peak = arguments["mean_per_s"] * peak_to_mean.pure(profile=profile)
    if is_more(peak, arguments["servers"] * arguments["server_per_s"] * (1 + 1e-9)):
        raise ValueError("servers do not serve the peak of the profile: give more (see tco.capacity.servers_needed)")
    if "busy_w" in arguments and is_more(arguments["idle_w"], arguments["busy_w"]):
        raise ValueError("idle_w is above busy_w: give the power of a server without and with work")


@checked(peak_per_s=AT_LEAST_ZERO, server_per_s=POSITIVE, headroom=_HEADROOM, availability=_SHARE_UP)
def servers_needed(
    *, peak_per_s: Array, server_per_s: Array, headroom: Array = 0.0, availability: Array = 1.0, whole: bool = True
) -> Array:
    """Servers that carry the peak traffic: ``⌈peak·(1 + headroom)/(T·a)⌉``.

    Parameters
    ----------
    peak_per_s : number or array
        Peak demand, at least 0, in tokens, requests or whatever `server_per_s` counts [1/s].
    server_per_s : number or array
        ``T``, what one server delivers within the SLO, above 0 [1/s].
    headroom : number or array
        Capacity kept free at the peak, over the peak (0.2 is 20 %).
    availability : number or array
        ``a``, share of the time that a server works, above 0 to 1 (see :func:`availability`).
    whole : bool
        Round up to whole servers; ``False`` gives the fraction, as Kim Eq. 4 has it.

    Returns
    -------
    number or array
        0 without demand.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    DeepSeek's day of inference: output tokens over the rate of a decoding node.

    >>> nodes = servers_needed(peak_per_s=168e9 / 86_400, server_per_s=14.8e3, whole=False)
    >>> print(f"{nodes:.2f}")
    131.38
    >>> float(servers_needed(peak_per_s=100.0, server_per_s=10.0, headroom=0.2, availability=0.98))
    13.0
    """
    servers = peak_per_s * (1 + headroom) / (server_per_s * availability)
    return _whole_above(servers) if whole else servers


@checked(failures_per_year=_FAILURES, repair_days=_DAYS)
def availability(*, failures_per_year: Array, repair_days: Array) -> Array:
    """Share of the time that a server works: ``1/(1 + λ·MTTR)``.

    Parameters
    ----------
    failures_per_year : number or array
        ``λ``, failures of one server per year of work, 0 to 100,000 [1/year].
    repair_days : number or array
        ``MTTR``, mean time until it works again, 0 to 10,000 [day].

    Returns
    -------
    number or array
        Above 0, at most 1.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> print(f"{availability(failures_per_year=1.384, repair_days=7.0):.3f}")
    0.974
    """
    return 1 / (1 + failures_per_year * repair_days / DAYS_PER_YEAR)


@checked(per_accelerator=_FAILURES, accelerators={"at_least": 1.0, "at_most": 1e5})
def node_failures_per_year(*, per_accelerator: Array, accelerators: Array) -> Array:
    """Failures of a server per year, if each accelerator fails on its own and takes the server with it [1/year].

    Parameters
    ----------
    per_accelerator : number or array
        Failures per accelerator and year [1/year]. Training of Llama 3 saw 0.173 on H100, causes outside the chip
        included, which bounds inference from above (419 interruptions of 16,384 GPUs in 54 days).
    accelerators : number or array
        Accelerators in a server.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> print(f"{node_failures_per_year(per_accelerator=0.173, accelerators=8):.3f}")
    1.384
    """
    return per_accelerator * accelerators


@checked(servers=_SERVERS, failures_per_year=_FAILURES, repair_days=_DAYS)
def servers_in_repair(*, servers: Array, failures_per_year: Array, repair_days: Array) -> Array:
    """Mean number of servers that are being repaired: ``N·λ·MTTR``.

    Parameters
    ----------
    servers : number or array
        ``N``, servers that work, spares filling in for those that do not.
    failures_per_year, repair_days : number or array
        As for :func:`availability` [1/year], [day].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> print(f"{servers_in_repair(servers=100, failures_per_year=1.384, repair_days=7.0):.2f}")
    2.65
    """
    return servers * failures_per_year * repair_days / DAYS_PER_YEAR


@checked(
    servers=_SERVERS,
    failures_per_year=_FAILURES,
    repair_days=_DAYS,
    confidence={"at_least": 0.0, "at_most": 1 - 1e-12},
)
def spares(*, servers: Array, failures_per_year: Array, repair_days: Array, confidence: Array = 0.99) -> Array:
    """Spare servers that cover those in repair, at a confidence: smallest ``k`` with ``P(repairs ≤ k) ≥ confidence``.

    Repairs under way are Poisson with mean ``N·λ·MTTR`` where failures come independently, however long each repair
    takes (Palm's theorem). NumPy only.

    Parameters
    ----------
    servers, failures_per_year, repair_days : number or array
        As for :func:`servers_in_repair`.
    confidence : number or array
        Share of the time that the spares suffice, 0 to below 1.

    Returns
    -------
    number or array
        Whole numbers, as floats.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    References
    ----------
    C. Palm, "Analysis of the Erlang traffic formula for busy-signal arrangements", Ericsson Technics 6, 1938.

    Examples
    --------
    >>> float(spares(servers=100, failures_per_year=1.384, repair_days=7.0, confidence=0.99))
    7.0
    """
    from scipy.special import ndtri, pdtr

    mean = servers_in_repair.pure(servers=servers, failures_per_year=failures_per_year, repair_days=repair_days)
    mean, p = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(confidence, dtype=np.float64))
    needed = p > np.exp(-mean)
    # Cornish and Fisher's expansion is a server off here and there, which counting settles; scipy's inverse of the
    # distribution takes three times as long.
    z = ndtri(np.where(needed, p, 0.5))
    k = np.where(needed, np.maximum(np.ceil(mean + z * np.sqrt(mean) + (z**2 - 4) / 6), 0), 0.0)
    counted = mean < _COUNTED  # beyond, one server more or less is nothing, and at last not even a number
    while np.any(short := counted & needed & (pdtr(k, mean) < p)):
        k = k + short
    while np.any(spare := counted & (k > 0) & (pdtr(np.maximum(k - 1, 0), mean) >= p)):
        k = k - spare
    return k


def load_profile(rates: Any) -> Array:
    """Course of the demand over equal slots of a day, as multiples of its mean.

    Parameters
    ----------
    rates : array-like
        Demand of each slot along the last axis, in any unit; at least 0 and not all 0. 24 values are hours, but any
        number of slots will do.

    Returns
    -------
    array
        Same shape, with mean 1 along the last axis.

    Raises
    ------
    ValueError
        A single number, a negative or non-finite value, or a day without demand.

    Examples
    --------
    >>> load_profile([50, 100, 150])
    array([0.5, 1. , 1.5])
    """
    slots = given("rates", rates, at_least=0.0, at_most=1e30)
    if slots.ndim == 0:
        raise ValueError("rates is a single number: give the demand of each slot of the day")
    xp = namespace(slots)
    mean = xp.mean(slots, axis=-1, keepdims=True)
    if is_more(1e-30, mean):
        raise ValueError("rates holds a day without demand: give at least one slot above 0")
    return slots / mean


@checked(profile=AT_LEAST_ZERO)
def peak_to_mean(*, profile: Array) -> Array:
    """Peak over mean demand of a load profile: what the day's course multiplies the number of servers with.

    Parameters
    ----------
    profile : array
        From :func:`load_profile`, slots along the last axis.

    Returns
    -------
    number or array
        At least 1.

    Raises
    ------
    ValueError
        Negative or not numbers.

    Examples
    --------
    >>> float(peak_to_mean(profile=load_profile([50, 100, 150])))
    1.5
    """
    return namespace(profile).max(profile, axis=-1)


def sinusoid(*, peak_to_mean: Any, slots: int = 24) -> Array:
    """Load profile of a day with one smooth peak: ``1 + (peak − 1)·cos(2πt)``, sampled at `slots` points.

    Parameters
    ----------
    peak_to_mean : number or array
        Peak over mean demand, 1 to 2 (beyond 2 the night would be negative).
    slots : int
        Number of slots, at least 2; an even number gives the trough too.

    Returns
    -------
    array
        With one more axis of `slots` at the end. The peak is the first slot.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> sinusoid(peak_to_mean=1.5, slots=4).round(3)
    array([1.5, 1. , 0.5, 1. ])
    """
    amplitude = given("peak_to_mean", peak_to_mean, at_least=1.0, at_most=2.0) - 1
    slots = single("slots", slots, at_least=2)
    xp = namespace(amplitude)
    turn = xp.asarray(np.cos(2 * np.pi * np.arange(slots) / slots))
    return maximum(1 + amplitude[..., None] * turn, 0.0)  # rounding would leave a hair below 0 at a peak of 2


@checked(mean_per_s=AT_LEAST_ZERO, servers=POSITIVE, server_per_s=POSITIVE)
def utilisation(*, mean_per_s: Array, servers: Array, server_per_s: Array) -> Array:
    """Mean demand over what the fleet could deliver: ``D/(N·T)``.

    Parameters
    ----------
    mean_per_s : number or array
        ``D``, mean demand [1/s].
    servers : number or array
        ``N``, servers that are paid for, above 0.
    server_per_s : number or array
        ``T``, what one delivers within the SLO, above 0 [1/s].

    Returns
    -------
    number or array
        Above 1 where the fleet is too small.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> float(utilisation(mean_per_s=60.0, servers=10, server_per_s=8.0))
    0.75
    """
    return mean_per_s / (servers * server_per_s)


@checked(mean_per_s=AT_LEAST_ZERO, servers=POSITIVE, server_per_s=POSITIVE)
def idle_share(*, mean_per_s: Array, servers: Array, server_per_s: Array) -> Array:
    """Share of the fleet's capacity that is paid for and not used: ``1 − D/(N·T)``.

    Parameters are those of :func:`utilisation`.

    Returns
    -------
    number or array
        0 to 1; 0 where the fleet is too small.

    Raises
    ------
    ValueError
        An argument out of range or not a number.

    Examples
    --------
    >>> float(idle_share(mean_per_s=60.0, servers=10, server_per_s=8.0))
    0.25
    """
    return maximum(1 - mean_per_s / (servers * server_per_s), 0.0)


@checked(
    _fleet_serves_the_peak,
    profile=AT_LEAST_ZERO,
    mean_per_s=AT_LEAST_ZERO,
    servers=AT_LEAST_ZERO,
    server_per_s=POSITIVE,
    headroom=_HEADROOM,
    availability=_SHARE_UP,
)
def servers_on(
    *,
    profile: Array,
    mean_per_s: Array,
    servers: Array,
    server_per_s: Array,
    headroom: Array = 0.0,
    availability: Array = 1.0,
    whole: bool = True,
) -> Array:
    """Servers that each slot of the day needs, where the others are switched off or lent out.

    Parameters
    ----------
    profile : array
        From :func:`load_profile`, slots along the last axis.
    mean_per_s : number or array
        Mean demand; it broadcasts with the axes of `profile` before the last [1/s].
    servers : number or array
        Servers in all, which no slot exceeds.
    server_per_s, headroom, availability, whole
        As for :func:`servers_needed`, slot by slot.

    Returns
    -------
    array
        Slots along the last axis.

    Raises
    ------
    ValueError
        An argument out of range, a profile that does not average 1, or fewer servers than the peak needs.

    Examples
    --------
    >>> servers_on(profile=load_profile([50, 100, 150]), mean_per_s=100.0, servers=16, server_per_s=10.0)
    array([ 5., 10., 15.])
    """
    needed = servers_needed.pure(
        peak_per_s=_slots(mean_per_s) * profile,
        server_per_s=_slots(server_per_s),
        headroom=_slots(headroom),
        availability=_slots(availability),
        whole=whole,
    )
    return minimum(needed, _slots(servers))


_POWER: dict[str, Limits] = {
    "profile": AT_LEAST_ZERO,
    "mean_per_s": AT_LEAST_ZERO,
    "servers": AT_LEAST_ZERO,
    "server_per_s": POSITIVE,
    "idle_w": AT_LEAST_ZERO,
    "busy_w": AT_LEAST_ZERO,
    "headroom": _HEADROOM,
    "availability": _SHARE_UP,
}


@checked(_fleet_serves_the_peak, **_POWER)
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
    >>> day = {"profile": load_profile([50, 100, 150]), "mean_per_s": 100.0, "servers": 15, "server_per_s": 10.0}
    >>> slot_power_w(**day, idle_w=1_000.0, busy_w=3_000.0)
    array([25000., 35000., 45000.])
    >>> slot_power_w(**day, idle_w=1_000.0, busy_w=3_000.0, released=True)
    array([15000., 30000., 45000.])
    """
    on = _slots(servers)
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
    busy = _slots(mean_per_s) * profile / _slots(server_per_s)
    return _slots(idle_w) * on + (_slots(busy_w) - _slots(idle_w)) * busy


@checked(_fleet_serves_the_peak, **_POWER)
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


@checked(_fleet_serves_the_peak, **_POWER)
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
        Measured pairs in order of rising load, each PUE 1 to 10; one pair is a constant PUE.

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


@checked(servers=AT_LEAST_ZERO, per_rack={"at_least": 1e-9, "at_most": 1e9})
def racks_needed(*, servers: Array, per_rack: Array, whole: bool = True) -> Array:
    """Racks that hold a number of servers: ``⌈N/n⌉``.

    Parameters
    ----------
    servers : number or array
        ``N``, at least 0.
    per_rack : number or array
        ``n``, servers that a rack holds, above 0 (see :func:`servers_per_rack_within`).
    whole : bool
        Round up to whole racks.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range, above all a rack that holds no server.

    Examples
    --------
    >>> float(racks_needed(servers=10, per_rack=3))
    4.0
    """
    racks = servers / per_rack
    return _whole_above(racks) if whole else racks


class RackFit(NamedTuple):
    """How many servers a rack holds, and which limit says so."""

    servers: Array
    """Whole servers; 0 if one exceeds a rack."""
    binding: Array
    """Index of the tightest limit in `limits`."""
    limits: tuple[str, ...]
    """Names of the limits."""

    @property
    def binding_names(self) -> Any:
        """Name of the tightest limit: a text, or an array of them."""
        names = np.asarray(self.limits)[np.asarray(self.binding)]
        return str(names) if names.ndim == 0 else names


def servers_per_rack_within(limits: Mapping[str, tuple[Any, Any]]) -> RackFit:
    """Whole servers that a rack holds under several limits: the smallest ``⌊rack/server⌋``.

    Parameters
    ----------
    limits : mapping of str to (rack, server)
        What a rack offers and what a server takes of it, above 0 and in the same unit: ``power`` and ``cooling`` in
        watts, ``slots`` in rack units, ``weight`` in kg, or any other. A limit that is not known is left out, and
        whoever names a limit knows both of its figures.

    Returns
    -------
    RackFit
        `binding_names` is the tightest limit: the one whose ``rack/server`` is smallest before rounding.

    Raises
    ------
    ValueError
        No limit, or one without both figures; figures are not shown.

    Examples
    --------
    >>> fit = servers_per_rack_within({"power": (40_000, 10_200), "slots": (42, 8)})
    >>> float(fit.servers), fit.binding_names
    (3.0, 'power')
    """
    if not limits:
        raise ValueError("limits is empty: give at least one, such as power=(rack, server)")
    quotients = []
    for name, pair in limits.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or any(side is None for side in pair):
            raise ValueError(f"limits[{name!r}] is not accepted: give both what a rack offers and what a server takes")
        rack, server = (
            given(f"limits[{name!r}] of a {side}", value, **POSITIVE | Limits(private=True))
            for side, value in zip(("rack", "server"), pair, strict=True)
        )
        quotients.append(rack / server)
    xp = namespace(*quotients)
    stacked = xp.stack(xp.broadcast_arrays(*quotients))
    return RackFit(
        servers=xp.floor(xp.min(stacked, axis=0) * (1 + _HAIR)),
        binding=xp.argmin(stacked, axis=0),
        limits=tuple(limits),
    )


def _slots(value: Array) -> Array:
    """Give an array a last axis of length one, over which the slots of a day broadcast."""
    return value if isinstance(value, int | float) else value[..., None]
