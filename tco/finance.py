"""Time value of money: what a purchase costs per year of use, and what later payments are worth today.

Conventions, which every function keeps unless it says otherwise:

* One calendar: a year has 8,760 hours, and a month is a twelfth of it, 730 hours.
* Payments fall at the end of their period. A series of flows begins now, at time 0, and has one entry a year.
* Rates are per year, as ratios: 0.08 is 8 %. Amounts may be in any currency, the same one throughout. Amounts at
  today's prices go with a real rate, amounts in money of their day with a nominal one: :func:`real_rate` converts.
* Arguments are keywords, numbers or arrays that broadcast. They are checked, and an amount is never shown in a message;
  ``function.pure`` is the formula alone, for inner loops over arguments that were checked before.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roofline._arrays import Array, namespace
from tco._checked import Limits, checked, given

HOURS_PER_DAY = 24.0
"""Hours of a day."""

HOURS_PER_YEAR = 365 * HOURS_PER_DAY
"""Hours of a year of 365 days, 8,760; energy and tokens per year both use it."""

MONTHS_PER_YEAR = 12
"""Months of a year, all of one length."""

HOURS_PER_MONTH = HOURS_PER_YEAR / MONTHS_PER_YEAR
"""Hours of such a month, 730. A month of 30 days has 720, which makes a monthly cost 1.4 % lower."""

SECONDS_PER_HOUR = 3600.0
"""Seconds of an hour."""

SECONDS_PER_YEAR = HOURS_PER_YEAR * SECONDS_PER_HOUR
"""Seconds of the same year."""

_AMOUNT = Limits(at_least=0, private=True)
_FLOWS = Limits(private=True)
_LIFE = Limits(above=0, at_most=1000)
_TIME = Limits(at_least=0, at_most=1000)
_PAYMENTS = Limits(above=0, at_most=HOURS_PER_YEAR)
_RATE = Limits(at_least=0, at_most=1)  # 100 % a year: 8 for 8 % is a slip
_CHANGE = Limits(above=-1)
_SHARE = Limits(at_least=0, at_most=1)
_PRICE_YEAR = Limits(at_least=1900, at_most=2200)


@checked(rate=_RATE, years=_LIFE, payments_per_year=_PAYMENTS)
def capital_recovery_factor(*, rate: Array, years: Array, payments_per_year: Array = 1.0) -> Array:
    """Yearly payment per unit of capital over a life, at a discount rate: ``r / (1 − (1+r)^−n)``.

    With ``m`` payments a year at ``r/m`` each it is ``r / (1 − (1+r/m)^−mn)``, a year's payments together. Stable near
    and at rate 0, where it is straight-line depreciation ``1/n``.

    Parameters
    ----------
    rate : number or array
        ``r``, discount rate per year, 0 to 1 (0.08 is 8 %).
    years : number or array
        ``n``, life, above 0 to 1,000 [year].
    payments_per_year : number or array
        ``m``, above 0 to 8,760. Hamilton 2010 and the ASIC Clouds model pay monthly; 8 % over 4 years then costs 3 %
        less than in yearly payments, since capital is returned sooner.

    Returns
    -------
    number or array
        Per year, with payments at each period's end.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    References
    ----------
    Short, Packey, Holt, "A Manual for the Economic Evaluation of Energy Efficiency and Renewable Energy Technologies",
    NREL/TP-462-5173, 1995.

    Examples
    --------
    >>> print(f"{capital_recovery_factor(rate=0.08, years=4):.10f}")
    0.3019208045
    >>> print(f"{capital_recovery_factor(rate=0.08, years=4, payments_per_year=MONTHS_PER_YEAR):.5f}")
    0.29296
    >>> capital_recovery_factor(rate=[0.0, 0.07], years=25).round(6)
    array([0.04 , 0.085811])
    """
    n, m = years, payments_per_year
    return _repaid(rate / m, m * n) / n


@checked(capital=_AMOUNT, rate=_RATE, years=_LIFE, payments_per_year=_PAYMENTS)
def payment(*, capital: Array, rate: Array, years: Array, payments_per_year: Array = 1.0) -> Array:
    """Level payment per period that returns capital with interest: ``C·(r/m) / (1 − (1+r/m)^−mn)``.

    A spreadsheet's ``PMT(r/m, m·n, C)``, which returns it as a negative number.

    Parameters
    ----------
    capital : number or array
        ``C``, what is paid for at the start, at least 0.
    rate, years, payments_per_year : number or array
        As in :func:`capital_recovery_factor`.

    Returns
    -------
    number or array
        Per period, in the currency of `capital`.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    A loan of 200,000 over 15 years at 7.5 %, by the month:

    >>> print(f"{payment(capital=200_000, rate=0.075, years=15, payments_per_year=MONTHS_PER_YEAR):.2f}")
    1854.02
    """
    r, n, m = rate, years, payments_per_year
    return capital * _repaid(r / m, m * n) / (m * n)


@checked(capital=_AMOUNT, rate=_RATE, years=_LIFE, payments_per_year=_PAYMENTS)
def total_interest(*, capital: Array, rate: Array, years: Array, payments_per_year: Array = 1.0) -> Array:
    """Interest in all the level payments together: ``m·n·payment − C``.

    For a capital of 1 it is what leaving out the cost of capital understates a purchase by.

    Parameters
    ----------
    capital, rate, years, payments_per_year : number or array
        As in :func:`payment`.

    Returns
    -------
    number or array
        Over the whole life, in the currency of `capital`; at least 0.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    References
    ----------
    Magaki et al., "ASIC Clouds: Specializing the Datacenter", ISCA 2016, whose cost model after Barroso et al. charges
    capital and interest as two lines.

    Examples
    --------
    >>> total_interest(capital=1, rate=0.08, years=[4, 5, 6]).round(3)
    array([0.208, 0.252, 0.298])
    """
    r, n, m = rate, years, payments_per_year
    return capital * (_repaid(r / m, m * n) - 1)


@checked(capital=_AMOUNT, years=_LIFE, residual_share=_SHARE)
def straight_line(*, capital: Array, years: Array, residual_share: Array = 0.0) -> Array:
    """Straight-line depreciation: ``C·(1 − s)/n`` a year, with no cost of capital.

    Parameters
    ----------
    capital : number or array
        ``C``, purchase price, at least 0.
    years : number or array
        ``n``, life, above 0 to 1,000 [year].
    residual_share : number or array
        ``s``, what it still sells for at the end over what it cost, 0 to 1: see :func:`value_left`.

    Returns
    -------
    number or array
        Per year, in the currency of `capital`.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> float(straight_line(capital=300_000, years=5, residual_share=0.25))
    45000.0
    """
    return capital * (1 - residual_share) / years


@checked(capital=_AMOUNT, rate=_RATE, years=_LIFE, residual_share=_SHARE, payments_per_year=_PAYMENTS)
def annual_cost(
    *, capital: Array, rate: Array, years: Array, residual_share: Array = 0.0, payments_per_year: Array = 1.0
) -> Array:
    """Yearly cost of owning something sold again at the end: ``(C − S/(1+r)^n)·CRF`` with ``S = s·C``.

    Computed in its other form ``(C − S)·CRF + S·r``: what is used up is recovered, what is kept is financed.

    Parameters
    ----------
    capital, rate, years, payments_per_year : number or array
        As in :func:`payment`.
    residual_share : number or array
        ``s``, as in :func:`straight_line`.

    Returns
    -------
    number or array
        Per year, in the currency of `capital`. At rate 0 it is :func:`straight_line`.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    References
    ----------
    Short, Packey, Holt, NREL/TP-462-5173, 1995 (capital recovery).

    Examples
    --------
    >>> round(float(annual_cost(capital=300_000, rate=0.08, years=4, residual_share=0.275)), 2)
    72267.77
    >>> round(float(annual_cost(capital=300_000, rate=0.08, years=4)), 2)
    90576.24
    """
    C, S, n, m = capital, residual_share * capital, years, payments_per_year
    return (C - S) * _repaid(rate / m, m * n) / n + S * rate


@checked(capital=_AMOUNT, rate=_RATE, years=_TIME)
def interest_during_construction(*, capital: Array, rate: Array, years: Array) -> Array:
    """Interest on capital that is spent evenly over the years before use begins: ``C·(((1+r)^T − 1)/(T·ln(1+r)) − 1)``.

    What is spent a time ``t`` before use has grown by ``(1+r)^t``; the formula is the mean over the construction.

    Parameters
    ----------
    capital : number or array
        ``C``, spent in all, at least 0.
    rate : number or array
        ``r``, as in :func:`capital_recovery_factor`.
    years : number or array
        ``T``, construction, 0 to 1,000 [year].

    Returns
    -------
    number or array
        To add to `capital` when use begins, in its currency; 0 without construction or interest.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> print(f"{interest_during_construction(capital=10.0, rate=0.08, years=2.0):.3f}")
    0.811
    """
    xp = namespace(capital, rate, years)
    x = xp.asarray(years * xp.log1p(xp.asarray(rate)))
    near_zero = x < 1e-4
    safe = xp.where(near_zero, xp.ones_like(x), x)
    return capital * xp.where(near_zero, x / 2 + x**2 / 6, xp.expm1(safe) / safe - 1)


@checked(rate=_CHANGE, years=_TIME)
def discount_factor(*, rate: Array, years: Array) -> Array:
    """Worth today of one unit paid some years from now: ``(1+r)^−t``.

    Parameters
    ----------
    rate : number or array
        ``r``, per year, above −1.
    years : number or array
        ``t``, from now, 0 to 1,000 [year].

    Returns
    -------
    number or array
        1 now.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number, or a result too large.

    Examples
    --------
    >>> discount_factor(rate=0.08, years=[0, 1, 10]).round(6)
    array([1. , 0.925926, 0.463193])
    """
    return (1 + rate) ** -years


@checked(yearly=_AMOUNT, rate=_RATE, years=_LIFE, growth=_CHANGE)
def present_value(*, yearly: Array, rate: Array, years: Array, growth: Array = 0.0) -> Array:
    """Worth today of a charge paid at each year's end that grows by a rate: ``Σ A·(1+g)^(t−1)/(1+r)^t``, t = 1 … n.

    Times the capital recovery factor it is the level charge that costs the same: a lease with a yearly increase, a
    tariff that rises faster than prices.

    Parameters
    ----------
    yearly : number or array
        ``A``, paid at the end of the first year, at least 0.
    rate, years : number or array
        ``r`` and ``n``, as in :func:`capital_recovery_factor`.
    growth : number or array
        ``g``, of the charge per year, above −1.

    Returns
    -------
    number or array
        In the currency of `yearly`.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number, or a result too large.

    Examples
    --------
    A lease of 1.65 million a MW and year, rising by 3 % a year, over 12 years at 8 %, and the level one it equals:

    >>> worth = present_value(yearly=1.65, rate=0.08, years=12, growth=0.03)
    >>> print(f"{worth:.2f}, {worth * capital_recovery_factor(rate=0.08, years=12):.2f}")
    14.32, 1.90
    """
    r, n, g = rate, years, growth
    return yearly / (1 + g) * n / _repaid((r - g) / (1 + g), n)


@checked(rate=_CHANGE, flows=_FLOWS)
def net_present_value(*, rate: Array, flows: Array) -> Array:
    """Worth today of yearly flows, the first of them now: ``Σ F_t/(1+r)^t``, t = 0, 1, ….

    Parameters
    ----------
    rate : number or array
        ``r``, discount rate per year, above −1; it broadcasts against the axes of `flows` before the last.
    flows : array
        ``F_t`` along the last axis, income positive and spending negative (or costs alone, as positive numbers).

    Returns
    -------
    number or array
        In the currency of `flows`; shape of `rate` and of `flows` without its last axis, broadcast together.

    Raises
    ------
    ValueError
        A rate of −1 or below, NaN, infinite, or not a number, or a result too large.

    References
    ----------
    Short, Packey, Holt, NREL/TP-462-5173, 1995 (net present value).

    Examples
    --------
    >>> net_present_value(rate=[0, 0.05, 0.1], flows=[-4000, 500, 800]).round(2)
    array([-2700. , -2798.19, -2884.3 ])
    """
    xp = namespace(rate, flows)
    F, r = _series(xp, "flows", flows), xp.asarray(rate)
    t = xp.arange(F.shape[-1], dtype=xp.float64)
    return xp.sum(F * (1 + r[..., None]) ** -t, axis=-1)


def internal_rate_of_return(*, flows: Any) -> Array:
    """Discount rate at which yearly flows, the first of them now, are worth nothing: ``Σ F_t/(1+r)^t = 0``.

    Flows that change sign once have exactly one such rate, which bisection finds. Flows that never change sign have
    none. Others may have none or several: of several the one nearest 0 is meant, but if more than one is positive, no
    single rate tells gain from loss. Compare net present values then.

    Parameters
    ----------
    flows : array
        ``F_t`` along the last axis, income positive and spending negative. NumPy only: there is no gradient.

    Returns
    -------
    number or array
        Per year, at least −1; shape of `flows` without its last axis. NaN where there is no such rate, or more than one
        above 0.

    Raises
    ------
    ValueError
        NaN, infinite, not a number, or a single number where a series belongs.

    References
    ----------
    Descartes' rule of signs, for how many rates there can be.

    Examples
    --------
    >>> print(f"{internal_rate_of_return(flows=[-250_000, 100_000, 150_000, 200_000, 250_000, 300_000]):.6f}")
    0.567230
    >>> internal_rate_of_return(flows=[[-100, 110, 0], [-100, -10, 0], [-100, 230, -132]]).round(2)
    array([0.1, nan, nan])

    The first returns 10 %, the second nothing, and the third is worth 0 both at 10 % and at 20 %.
    """
    series = _series(np, "flows", np.asarray(given("flows", flows, **_FLOWS)))
    rows = series.reshape(-1, series.shape[-1])
    changes = _sign_changes(rows)
    rates = np.full(len(rows), np.nan)
    rates[changes == 1] = _only_rate(rows[changes == 1])
    rates[changes > 1] = [_rate_nearest_zero(row) for row in rows[changes > 1]]
    return rates.reshape(series.shape[:-1])[()]


@checked(costs=_FLOWS, quantities=_AMOUNT, rate=_CHANGE)
def levelised_cost(*, costs: Array, quantities: Array, rate: Array) -> Array:
    """Constant price that covers all costs: ``Σ C_t/(1+r)^t / Σ Q_t/(1+r)^t``, with what is made discounted too.

    Tokens made later earn later, so they count for less. This handles growth, falling prices and staged purchases.

    Parameters
    ----------
    costs : array
        ``C_t``, paid each year, the first now, along the last axis; what something is sold for at the end is negative.
    quantities : array
        ``Q_t``, made each year (tokens, say), along the last axis, at least 0 and not all 0.
    rate : number or array
        ``r``, per year, above −1; it broadcasts against the axes before the last.

    Returns
    -------
    number or array
        Currency of `costs` per unit of `quantities`.

    Raises
    ------
    ValueError
        A rate of −1 or below, a negative quantity, quantities all 0, NaN, infinite, or not a number.

    References
    ----------
    Short, Packey, Holt, NREL/TP-462-5173, 1995 (levelised cost of energy), with tokens for energy.

    Examples
    --------
    300 dollars now and 20 a year make a million tokens a year for four years:

    >>> cost = levelised_cost(costs=[300, 20, 20, 20, 20], quantities=[0, 1, 1, 1, 1], rate=0.08)
    >>> print(f"{cost:.2f}")
    110.58
    """
    xp = namespace(costs, quantities, rate)
    C, Q = _series(xp, "costs", costs), _series(xp, "quantities", quantities)
    return net_present_value.pure(rate=rate, flows=C) / net_present_value.pure(rate=rate, flows=Q)


@checked(equity_share=_SHARE, cost_of_equity=_RATE, cost_of_debt=_RATE, tax_rate=_SHARE)
def weighted_cost_of_capital(
    *, equity_share: Array, cost_of_equity: Array, cost_of_debt: Array, tax_rate: Array = 0.0
) -> Array:
    """Discount rate of who finances with equity and debt (WACC): ``E/V·R_e + D/V·R_d·(1 − tax)``.

    Parameters
    ----------
    equity_share : number or array
        ``E/V``, equity over all capital, 0 to 1; the rest is debt.
    cost_of_equity, cost_of_debt : number or array
        ``R_e`` and ``R_d``, per year, 0 to 1.
    tax_rate : number or array
        Tax that interest saves, 0 to 1. With one, leave the tax shield out of the costs.

    Returns
    -------
    number or array
        Per year.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> wacc = weighted_cost_of_capital(equity_share=0.4, cost_of_equity=0.12, cost_of_debt=0.09, tax_rate=0.21)
    >>> print(f"{wacc:.5f}")
    0.09066
    """
    return equity_share * cost_of_equity + (1 - equity_share) * cost_of_debt * (1 - tax_rate)


@checked(rate=_RATE, payments_per_year=_PAYMENTS)
def effective_rate(*, rate: Array, payments_per_year: Array) -> Array:
    """Rate per year that a quoted one comes to when interest is charged ``m`` times a year: ``(1 + r/m)^m − 1``.

    Parameters
    ----------
    rate : number or array
        ``r``, quoted per year and charged as ``r/m`` a period, 0 to 1.
    payments_per_year : number or array
        ``m``, above 0 to 8,760.

    Returns
    -------
    number or array
        Per year.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> print(f"{effective_rate(rate=0.05, payments_per_year=MONTHS_PER_YEAR):.5f}")
    0.05116
    """
    m = payments_per_year
    xp = namespace(rate, m)
    return xp.expm1(m * xp.log1p(xp.asarray(rate / m)))


@checked(nominal=_CHANGE, inflation=_CHANGE)
def real_rate(*, nominal: Array, inflation: Array) -> Array:
    """Rate above inflation: ``(1 + nominal)/(1 + inflation) − 1`` (Fisher's equation).

    Parameters
    ----------
    nominal : number or array
        Rate on money of its day, per year, above −1.
    inflation : number or array
        Rise of prices per year, above −1.

    Returns
    -------
    number or array
        Per year; negative where prices outrun the rate.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> print(f"{real_rate(nominal=0.08, inflation=0.025):.5f}")
    0.05366
    """
    return (nominal - inflation) / (1 + inflation)


@checked(real=_CHANGE, inflation=_CHANGE)
def nominal_rate(*, real: Array, inflation: Array) -> Array:
    """Rate on money of its day: ``(1 + real)·(1 + inflation) − 1`` (Fisher's equation).

    Parameters
    ----------
    real : number or array
        Rate above inflation, per year, above −1.
    inflation : number or array
        Rise of prices per year, above −1.

    Returns
    -------
    number or array
        Per year.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    Examples
    --------
    >>> print(f"{nominal_rate(real=0.05, inflation=0.03):.4f}")
    0.0815
    """
    return real + inflation + real * inflation


@checked(amount=_FLOWS, from_year=_PRICE_YEAR, to_year=_PRICE_YEAR, inflation=_CHANGE)
def in_prices_of(*, amount: Array, from_year: Array, to_year: Array, inflation: Array) -> Array:
    """Amount of one price year in the prices of another: ``A·(1+i)^(to − from)``.

    Parameters
    ----------
    amount : number or array
        ``A``, in the prices of `from_year`.
    from_year, to_year : number or array
        Calendar years, 1900 to 2200; 2025.5 is its middle. Going back is fine.
    inflation : number or array
        ``i``, mean rise of prices per year between them, above −1.

    Returns
    -------
    number or array
        In the same currency.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number, or a result too large.

    Examples
    --------
    What 10 dollars a watt of 2013 come to in 2026, at 5.5 % a year:

    >>> print(f"{in_prices_of(amount=10.0, from_year=2013, to_year=2026, inflation=0.055):.2f}")
    20.06
    """
    return amount * (1 + inflation) ** (to_year - from_year)


@checked(years=_TIME, decline_per_year=_SHARE)
def value_left(*, years: Array, decline_per_year: Array) -> Array:
    """Share of its price that hardware still fetches: ``(1 − d)^t``.

    Parameters
    ----------
    years : number or array
        ``t``, since the purchase, 0 to 1,000 [year].
    decline_per_year : number or array
        ``d``, share of the value lost each year, 0 to 1: :func:`yearly_decline` gives Epoch AI's.

    Returns
    -------
    number or array
        0 to 1, which is what `residual_share` of :func:`annual_cost` takes.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    References
    ----------
    Cottier et al., "The rising costs of training frontier AI models", Epoch AI, arXiv:2405.21015, whose cost model
    takes 0.14 orders of magnitude a year.

    Examples
    --------
    >>> decline = yearly_decline(orders_of_magnitude=0.14)
    >>> value_left(years=[0, 3, 4], decline_per_year=decline).round(3)
    array([1. , 0.38 , 0.275])
    """
    return (1 - decline_per_year) ** years


@checked(orders_of_magnitude=Limits(at_least=0, at_most=10))
def yearly_decline(*, orders_of_magnitude: Array) -> Array:
    """Share of the value lost each year, from a trend in orders of magnitude per year: ``1 − 10^−k``.

    Parameters
    ----------
    orders_of_magnitude : number or array
        ``k``, powers of ten lost per year, 0 to 10.

    Returns
    -------
    number or array
        0 to 1.

    Raises
    ------
    ValueError
        An argument out of range, NaN, infinite, or not a number.

    References
    ----------
    Cottier et al., Epoch AI, arXiv:2405.21015, whose cost model takes 0.14.

    Examples
    --------
    >>> print(f"{yearly_decline(orders_of_magnitude=0.14):.4f}")
    0.2756
    """
    xp = namespace(orders_of_magnitude)
    return -xp.expm1(-math.log(10) * xp.asarray(orders_of_magnitude))


def _repaid(i: Array, N: Array) -> Array:
    """All of ``N`` level payments at a rate ``i`` a period, per unit of capital: ``N·i / (1 − (1+i)^−N)``."""
    xp = namespace(i, N)
    i, N = xp.asarray(i, dtype=xp.float64), xp.asarray(N, dtype=xp.float64)
    # Near rate 0 numerator and denominator vanish together, so their series are divided, which is good to 1e-16 here
    # and keeps the derivative. The branch not taken gets a rate of 1: no warning, and no NaN in a gradient.
    near_zero = xp.abs(i) < 1e-5 / (N + 1)
    safe = xp.where(near_zero, xp.ones_like(i), i)
    series = 1 + i * ((N + 1) / 2 + i * ((N**2 - 1) / 12))
    return xp.where(near_zero, series, N * safe / -xp.expm1(-N * xp.log1p(safe)))


def _series(xp: Any, field: str, flows: Array) -> Array:
    """Return flows as an array with a last axis of years."""
    series = xp.asarray(flows, dtype=xp.float64)
    if series.ndim == 0:
        raise ValueError(f"{field} is a single number: give a sequence, one a year, the first of them now")
    return series


def _sign_changes(rows: Array) -> Array:
    """How often the sign of each row changes, years without a flow left out."""
    flowing = np.maximum.accumulate(np.where(rows != 0, np.arange(rows.shape[-1]), 0), axis=-1)
    signs = np.sign(np.take_along_axis(rows, flowing, axis=-1))
    return np.count_nonzero(signs[:, 1:] * signs[:, :-1] < 0, axis=-1)


def _only_rate(rows: Array) -> Array:
    """Rate of return of flows that change sign once, by bisection in ``u = ln(1+r)``."""
    t = np.arange(float(rows.shape[-1]))
    flowing = rows != 0
    first = np.argmax(flowing, axis=-1)
    last = rows.shape[-1] - 1 - np.argmax(flowing[:, ::-1], axis=-1)
    early = np.sign(np.take_along_axis(rows, first[:, None], axis=-1)[:, 0])  # the sign of the worth at high rates
    low, high = np.full(len(rows), -700.0), np.full(len(rows), 700.0)  # beyond them exp leaves the range of a double
    for _ in range(80):  # 1,400 halved until it is below the rounding of any rate
        u = (low + high) / 2
        # Only the sign counts, so each row is discounted to the year in which it weighs most, and nothing overflows.
        age = t - np.where(u > 0, first, last)[:, None]
        worth = np.sum(rows * np.exp(np.minimum(-u[:, None] * age, 0.0)), axis=-1)
        above = np.sign(worth) == early
        low, high = np.where(above, low, u), np.where(above, u, high)
    return np.expm1((low + high) / 2)


def _rate_nearest_zero(row: Array) -> float:
    """Rate of return of flows that change sign more than once: NaN without one, or with two above 0."""
    roots = np.roots(row[::-1])  # of the worth as a polynomial in x = 1/(1+r)
    x = roots.real[(roots.imag == 0) & (roots.real > 0)]
    rates = 1 / x - 1
    if rates.size == 0 or np.count_nonzero(rates > 0) > 1:
        return math.nan
    return float(rates[np.argmin(np.abs(rates))])
