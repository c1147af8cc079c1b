"""Servers for a peak, the failures that take some away, and the spares that stand in for them."""

from __future__ import annotations

import numpy as np

from roofline._arrays import Array
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, checked
from tco.capacity._common import HEADROOM, SHARE_UP, whole_above
from tco.finance import HOURS_PER_YEAR

DAYS_PER_YEAR = HOURS_PER_YEAR / 24
"""Days of the year that :mod:`tco.finance` counts."""

_FAILURES: Limits = {"at_least": 0.0, "at_most": 1e5}
_DAYS: Limits = {"at_least": 0.0, "at_most": 1e4}
_SERVERS: Limits = {"at_least": 0.0, "at_most": 1e9}

_COUNTED = 1e9  # repairs under way, up to which spares are counted one by one


@checked(peak_per_s=AT_LEAST_ZERO, server_per_s=POSITIVE, headroom=HEADROOM, availability=SHARE_UP)
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
    return whole_above(servers) if whole else servers


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
