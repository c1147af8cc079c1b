"""Time value of money: what a purchase costs per year of use.

One calendar serves the whole library: a year has 8,760 hours.
"""

from __future__ import annotations

from roofline._arrays import Array, in_floats, namespace

HOURS_PER_YEAR = 8760.0
"""Hours of a year of 365 days; energy and tokens per year both use it."""

SECONDS_PER_YEAR = HOURS_PER_YEAR * 3600.0
"""Seconds of the same year."""


@in_floats
def capital_recovery_factor(*, rate: Array, years: Array) -> Array:
    """Yearly payment per unit of capital over a life, at a discount rate: ``r / (1 − (1+r)^−n)``.

    Stable near and at rate 0, where it is straight-line depreciation ``1/n``.

    Parameters
    ----------
    rate : number or array
        ``r``, discount rate per year, at least 0 (0.08 is 8 %).
    years : number or array
        ``n``, life, above 0 [year].

    Returns
    -------
    number or array
        Per year, with payments at each year's end.

    References
    ----------
    Short, Packey, Holt, "A Manual for the Economic Evaluation of Energy Efficiency and Renewable Energy Technologies",
    NREL/TP-462-5173, 1995.

    Examples
    --------
    >>> print(f"{capital_recovery_factor(rate=0.08, years=4):.10f}")
    0.3019208045
    >>> float(capital_recovery_factor(rate=0.0, years=5))
    0.2
    """
    xp = namespace(rate, years)
    r, n = xp.asarray(rate, dtype=xp.float64), xp.asarray(years, dtype=xp.float64)
    safe = xp.where(r == 0, xp.ones_like(r), r)
    at_zero = 1 / n + r * (n + 1) / (2 * n)  # with its first derivative, for those who differentiate
    return xp.where(r == 0, at_zero, safe / -xp.expm1(-n * xp.log1p(safe)))
