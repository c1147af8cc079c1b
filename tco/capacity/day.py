"""The shape of a day: its peak over its mean, how busy it keeps the servers, and how many each slot needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from roofline._arrays import Array, maximum, minimum, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, checked, given, is_more, single
from tco.capacity._common import HEADROOM, SHARE_UP, by_slot
from tco.capacity.servers import servers_needed


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


def serves_the_peak(arguments: Mapping[str, Any]) -> None:
    """Refuse a fleet that does not serve the peak of its day, and an idle server that draws more than a busy one.

    Parameters
    ----------
    arguments : mapping of str to array
        Of a function of a day.
    """
    profile = arguments["profile"]
    mean = namespace(profile).mean(profile, axis=-1)
    if is_more(abs(mean - 1), 1e-9):
        raise ValueError("profile does not average 1: make it with tco.capacity.load_profile")
    peak = arguments["mean_per_s"] * peak_to_mean.pure(profile=profile)
    if is_more(peak, arguments["servers"] * arguments["server_per_s"] * (1 + 1e-9)):
        raise ValueError("servers do not serve the peak of the profile: give more (see tco.capacity.servers_needed)")
    if "busy_w" in arguments and is_more(arguments["idle_w"], arguments["busy_w"]):
        raise ValueError("idle_w is above busy_w: give the power of a server without and with work")


@checked(
    serves_the_peak,
    profile=AT_LEAST_ZERO,
    mean_per_s=AT_LEAST_ZERO,
    servers=AT_LEAST_ZERO,
    server_per_s=POSITIVE,
    headroom=HEADROOM,
    availability=SHARE_UP,
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
        peak_per_s=by_slot(mean_per_s) * profile,
        server_per_s=by_slot(server_per_s),
        headroom=by_slot(headroom),
        availability=by_slot(availability),
        whole=whole,
    )
    return minimum(needed, by_slot(servers))
