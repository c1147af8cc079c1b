"""How many machines of another kind the same money or the same power buys."""

from __future__ import annotations

from roofline._arrays import Array, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, checked


@checked(servers=AT_LEAST_ZERO, usd_per_year=AT_LEAST_ZERO, other_usd_per_year=POSITIVE)
def iso_cost(*, servers: Array, usd_per_year: Array, other_usd_per_year: Array) -> Array:
    """Whole servers of another kind that cost no more than these: ``⌊n·c/c'⌋``.

    Parameters
    ----------
    servers : number or array
        ``n``, servers given up, at least 0.
    usd_per_year, other_usd_per_year : number or array
        ``c`` and ``c'``, cost of a server of this and of the other kind, in one unit [USD/year].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        A number out of range.

    References
    ----------
    Patel et al., Splitwise, ISCA 2024; the counts are those of its simulator, Mutinifni/splitwise-sim at 8f99e7d.

    Examples
    --------
    >>> float(iso_cost(servers=40, usd_per_year=4.76, other_usd_per_year=2.21))
    86.0
    """
    return _whole(servers * usd_per_year / other_usd_per_year)


@checked(servers=AT_LEAST_ZERO, power_w=AT_LEAST_ZERO, other_power_w=POSITIVE)
def iso_power(*, servers: Array, power_w: Array, other_power_w: Array) -> Array:
    """Whole servers of another kind that need no more power than these: ``⌊n·P/P'⌋``.

    Parameters
    ----------
    servers : number or array
        ``n``, servers given up, at least 0.
    power_w, other_power_w : number or array
        ``P`` and ``P'``, provisioned power of a server of this and of the other kind, in one unit [W].

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        A number out of range.

    References
    ----------
    Patel et al., Splitwise, ISCA 2024; the counts are those of its simulator, Mutinifni/splitwise-sim at 8f99e7d.

    Examples
    --------
    >>> float(iso_power(servers=40, power_w=44, other_power_w=24.8))
    70.0
    """
    return _whole(servers * power_w / other_power_w)


def _whole(quotient: Array) -> Array:
    xp = namespace(quotient)
    # A quotient a hair below a whole number is that number: 0.3·10/0.1 is 29.999999999999996.
    return xp.floor(xp.asarray(quotient) * (1 + 1e-12))
