"""What would have to change for A and B to cost the same: prices, utilisation, dates, tariffs, carbon prices.

The inverses of Kim Eq. 4 in its own three ratios are :func:`tco.break_even_throughput`,
:func:`tco.break_even_server_cost` and :func:`tco.break_even_infrastructure_cost`; those here build on them. Every
function checks its arguments, which broadcast, and gives NaN where nothing breaks even. `target` is the TCO ratio A/B
to reach: 1 to break even, 0.9 for A to be a tenth cheaper. Amounts of money may be private: no error repeats one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array, namespace, where
from roofline._validation import count, number
from tco import ratio
from tco._checked import alike, amounts, is_more
from tco.checked import _checked
from tco.finance import SECONDS_PER_HOUR

_LEVEL = 1e-14
"""Relative difference below which two costs are the same within rounding."""


def needed_discount(
    *,
    list_usd: Any,
    server_usd_b: Any,
    chips_usd: Any = None,
    r_th: Any,
    r_ic: Any = 1.0,
    server_share: Any = 0.5,
    target: Any = 1.0,
) -> Array:
    """Discount on A's list price, or on its chips alone, at which A draws level: ``1 − P*/P_list`` (Kim II-B, Eq. 4).

    ``P*`` is :func:`server_price`. On the chips alone it is ``(P_list − P*)/P_chips``: free chips do not make a free
    server.

    Parameters
    ----------
    list_usd : number or array
        Price of a server of A before the discount, above 0 [USD].
    server_usd_b : number or array
        Price of a server of B, above 0, written off over the same life and at the same rate [USD].
    chips_usd : number or array, optional
        The part of `list_usd` that the discount applies to [USD]; without it the whole.
    r_th, r_ic, server_share, target : number or array
        As in :func:`tco.tco_ratio`.

    Returns
    -------
    number or array
        0 to 1; 0 where A is level or cheaper already; NaN where not even a gift suffices.

    Raises
    ------
    ValueError
        An argument out of range, or chips dearer than the server.

    Examples
    --------
    >>> needed_discount(list_usd=300_000, server_usd_b=300_000, r_th=0.8, r_ic=0.75, server_share=0.7).round(6)
    np.float64(0.178571)
    >>> needed_discount(list_usd=300_000, server_usd_b=300_000, chips_usd=200_000, r_th=0.8, r_ic=0.75,
    ...                 server_share=0.7).round(6)
    np.float64(0.267857)
    """
    price, price_b, chips = amounts(
        ("list_usd", "server_usd_b", "chips_usd"),
        list_usd=list_usd,
        server_usd_b=server_usd_b,
        chips_usd=list_usd if chips_usd is None else chips_usd,
    )
    if is_more(chips, price):
        raise ValueError("chips_usd is above list_usd, of which it is a part: give at most list_usd")
    arguments = _checked(r_th=r_th, r_sc=price / price_b, r_ic=r_ic, server_share=server_share, target=target)
    return _plain(ratio.largest_useful_discount(**alike(arguments | {"chip_share": chips / price})))


def server_price(*, server_usd_b: Any, r_th: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0) -> Array:
    """Price of a server of A at which A draws level: ``R_SC*·C_Sv,B`` (Kim Eq. 4) [USD].

    Parameters
    ----------
    server_usd_b : number or array
        Price of a server of B, at least 0, written off over the same life and at the same rate [USD].
    r_th, r_ic, server_share, target : number or array
        As in :func:`tco.tco_ratio`.

    Returns
    -------
    number or array
        A is cheaper below it [USD]; NaN where not even a free server suffices.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> server_price(server_usd_b=280_000, r_th=0.8, r_ic=0.75, server_share=0.7).round(6)
    np.float64(230000.0)
    """
    (price_b,) = amounts(server_usd_b=server_usd_b)
    arguments = _checked(r_th=r_th, r_ic=r_ic, server_share=server_share, target=target)
    arguments = alike(arguments | {"price_b": price_b})
    price_b = arguments.pop("price_b")
    return _plain(ratio.break_even_server_cost(**arguments) * price_b)


class IsoTcoLine(NamedTuple):
    """The straight line of equal TCO in the plane of throughput and server cost ratios (Kim Figure 1)."""

    r_th: Array
    r_sc: Array
    slope: Array
    r_th_free: Array


def iso_tco_line(*, r_th: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0) -> IsoTcoLine:
    """Server cost ratios along which the TCO ratio stays at `target`: ``R_SC = (t·R_Th − (1−w)·R_IC)/w`` (Kim Eq. 4).

    Parameters
    ----------
    r_th : number or array
        Throughput ratios at which the line is wanted.
    r_ic, server_share, target : number or array
        As in :func:`tco.tco_ratio`.

    Returns
    -------
    IsoTcoLine
        ``r_th`` as given; ``r_sc``, NaN where A would lose with free servers; ``slope = t/w`` and ``r_th_free``, the
        throughput ratio ``(1−w)·R_IC/t`` at which the line starts from ``r_sc = 0``. Without a server share (``w = 0``)
        the line is upright, and ``slope`` is NaN.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> line = iso_tco_line(r_th=[0.2, 0.8], r_ic=0.75, server_share=0.7)
    >>> line.r_sc.round(6), line.slope.round(6), line.r_th_free.round(6)
    (array([     nan, 0.821429]), np.float64(1.428571), np.float64(0.225))
    """
    arguments = alike(_checked(r_th=r_th, r_ic=r_ic, server_share=server_share, target=target))
    w, t = arguments["server_share"], arguments["target"]
    weighed = w > 0
    return IsoTcoLine(
        r_th=arguments["r_th"],
        r_sc=_plain(ratio.break_even_server_cost(**arguments)),
        slope=_plain(where(weighed, t / where(weighed, w, 1.0), np.nan)),
        r_th_free=_plain((1 - w) * arguments["r_ic"] / t),
    )


def api_usd_per_h(*, tokens_per_s: Any, usd_per_million_tokens: Any) -> Array:
    """What a provider that bills tokens would charge for an hour of a busy server: ``tokens/s·3600/10⁶·price`` [USD/h].

    Parameters
    ----------
    tokens_per_s : number or array
        Throughput of the server while busy, at least 0 [token/s].
    usd_per_million_tokens : number or array
        Price of the same tokens: a blended one where the throughput counts input and output, as
        :class:`tco.allocation.TokenPrices` has [USD per million tokens].

    Returns
    -------
    number or array
        [USD/h].

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> api_usd_per_h(tokens_per_s=739, usd_per_million_tokens=0.53).round(3)
    np.float64(1.41)
    """
    rate, price = amounts(tokens_per_s=tokens_per_s, usd_per_million_tokens=usd_per_million_tokens)
    return _plain(rate * SECONDS_PER_HOUR / 1e6 * price)


def utilisation(*, own_usd_per_h: Any, rent_usd_per_h: Any, idle_usd_per_h: Any = None) -> Array:
    """Share of the hours that a server must be busy for owning it to cost no more than paying by use.

    With ``c_own`` for a busy hour of an owned server, ``c_idle`` for an idle one and ``c_rent`` for a busy hour
    elsewhere, ``u·c_own + (1−u)·c_idle = u·c_rent`` gives ``u = c_idle/(c_rent − c_own + c_idle)``: ``c_own/c_rent``
    where idle hours cost as much as busy ones.

    Parameters
    ----------
    own_usd_per_h : number or array
        Cost of a busy hour of an owned server, above 0 [USD/h].
    rent_usd_per_h : number or array
        Cost of the same busy hour elsewhere, above 0: rented by the hour, or :func:`api_usd_per_h` [USD/h].
    idle_usd_per_h : number or array, optional
        Cost of an idle hour of the owned server, from 0 to `own_usd_per_h`: less than busy by the energy saved or by
        what the idle hours are sold for [USD/h]; without it the same as busy.

    Returns
    -------
    number or array
        0 to 1; owning is cheaper above it. NaN where owning is dearer even when always busy.

    Raises
    ------
    ValueError
        An argument out of range, or an idle hour dearer than a busy one.

    Examples
    --------
    >>> utilisation(own_usd_per_h=1.30, rent_usd_per_h=2.99).round(3)
    np.float64(0.435)
    >>> utilisation(own_usd_per_h=3.00, rent_usd_per_h=2.99)
    np.float64(nan)
    """
    own, rent, idle = amounts(
        ("own_usd_per_h", "rent_usd_per_h"),
        own_usd_per_h=own_usd_per_h,
        rent_usd_per_h=rent_usd_per_h,
        idle_usd_per_h=own_usd_per_h if idle_usd_per_h is None else idle_usd_per_h,
    )
    if is_more(idle, own):
        raise ValueError("idle_usd_per_h is above own_usd_per_h: an idle hour costs at most what a busy one does")
    worth = (own <= rent) & (rent - own + idle > 0)
    share = idle / where(worth, rent - own + idle, 1.0)
    return _plain(where(worth, share, np.nan))


class Crossing(NamedTuple):
    """When A and B draw level, and who is cheaper before and after.

    Attributes
    ----------
    years : number or array
        From now, at least 0 [year]; NaN where they never will, or already have: a past crossing is no date to wait for.
    cheaper_now, cheaper_later : bool or array of bool
        Whether A is cheaper today, and in the long run. Where ``years`` is NaN both are the same.
    """

    years: Array
    cheaper_now: Array
    cheaper_later: Array


def years_of_drift(
    *,
    r_th: Any,
    r_sc: Any,
    growth_a: Any,
    growth_b: Any = 0.0,
    r_ic: Any = 1.0,
    server_share: Any = 0.5,
    target: Any = 1.0,
) -> Crossing:
    """When software makes A and B draw level: ``R_Th(t) = R_Th·exp((g_A − g_B)·t)`` meets ``w·R_SC + (1−w)·R_IC``.

    Parameters
    ----------
    r_th, r_sc, r_ic, server_share, target : number or array
        As in :func:`tco.tco_ratio`, today.
    growth_a, growth_b : number or array
        ``g``, continuous growth of each side's throughput per year: ``ln 1.2`` for 20 % more every year, negative where
        it falls; −100 to 100.

    Returns
    -------
    Crossing

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> years_of_drift(r_th=0.5, r_sc=0.5, r_ic=0.75, server_share=0.7, growth_a=np.log(1.2)).years.round(3)
    np.float64(0.767)
    """
    checked = _checked(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=server_share, target=target)
    growths = {"growth_a": _per_year("growth_a", growth_a), "growth_b": _per_year("growth_b", growth_b)}
    arguments = alike(checked | growths)
    growth_a, growth_b, t = (arguments.pop(name) for name in (*growths, "target"))
    start = ratio.tco_ratio(**arguments) / t
    return _crossing(start=start, goal=0 * start + 1.0, decline=growth_a - growth_b)


def years_of_price_decline(
    *, r_th: Any, r_sc: Any, decline: Any, r_ic: Any = 1.0, server_share: Any = 0.5, target: Any = 1.0
) -> Crossing:
    """When a falling price of A's servers makes A and B draw level: ``R_SC·exp(−d·t)`` meets :func:`iso_tco_line`.

    B is what is bought today. For a falling price of B exchange the two; where both fall, :func:`solve_for` finds it.

    Parameters
    ----------
    r_th, r_sc, r_ic, server_share, target : number or array
        As in :func:`tco.tco_ratio`, today.
    decline : number or array
        ``d``, continuous decline of the price of A's servers per year: ``−ln 0.724`` for one that keeps 72.4 % every
        year; negative where it rises; −100 to 100.

    Returns
    -------
    Crossing

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> years_of_price_decline(r_th=0.8, r_sc=1.2, r_ic=0.75, server_share=0.7, decline=-np.log(0.724)).years.round(3)
    np.float64(1.174)
    """
    checked = _checked(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=server_share, target=target)
    today = alike(checked | {"decline": _per_year("decline", decline)})
    w, t = today["server_share"], today["target"]
    goal = t * today["r_th"] - (1 - w) * today["r_ic"]
    return _crossing(start=w * today["r_sc"], goal=goal, decline=today["decline"])


def _crossing(*, start: Array, goal: Array, decline: Array) -> Crossing:
    """When ``start·exp(−decline·t)``, A's cost, meets `goal`, what it may be."""
    xp = namespace(start, goal, decline)
    start, goal, d = xp.broadcast_arrays(start, goal, decline)
    reachable = (start > 0) & (goal > 0)
    # The unused branch of `where` is computed too: give it 1 to divide by.
    way = xp.log(where(reachable, start, 1.0) / where(reachable, goal, 1.0))
    way = where(xp.abs(way) <= _LEVEL, 0.0, way)  # level within rounding is level
    moving = d != 0
    with np.errstate(over="ignore"):  # all but still: level after the largest number of years is never
        years = way / where(moving, d, 1.0)
    ahead = reachable & moving & (years > 0) & (years < np.inf)
    years = where(reachable & (way == 0), 0.0, where(ahead, years, np.nan))
    now = where(reachable, way < 0, start < goal)
    # In the long run a falling cost goes to 0 and a rising one beyond any goal; one of 0 stays where it is.
    later = where((start == 0) | ~moving, now, where(d > 0, goal > 0, xp.zeros_like(now)))
    return Crossing(_plain(years), _plain(now), _plain(later))


def linear_break_even(
    *,
    fixed_a: Any,
    slope_a: Any,
    fixed_b: Any,
    slope_b: Any,
    target: Any = 1.0,
    at_least: Any = 0.0,
) -> Array:
    """Where two costs that are straight lines in ``x`` draw level: ``x = (t·b₀ − a₀)/(a₁ − t·b₁)``.

    A cost is linear in a tariff, a carbon price, a PUE, USD per watt of plant or the price of a rack, each with the
    others held. Both costs are for the same traffic.

    Parameters
    ----------
    fixed_a, fixed_b : number or array
        ``a₀``, ``b₀``: cost of A and of B at ``x = 0``, at least 0, in one unit.
    slope_a, slope_b : number or array
        ``a₁``, ``b₁``: cost per unit of ``x``, at least 0; 0 for the side that ``x`` does not touch.
    target : number or array
        TCO ratio A/B to reach, above 0.
    at_least : number or array
        Least ``x`` that has a meaning, at least 0.

    Returns
    -------
    number or array
        ``x``; where ``a₁ > t·b₁`` A is cheaper below it, else above. NaN where the lines do not meet at `at_least` or
        above, or are the same.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> linear_break_even(fixed_a=10, slope_a=[20, 40], fixed_b=12, slope_b=30)
    array([nan, 0.2])
    """
    a0, a1, b0, b1, t, least = amounts(
        ("target",),
        fixed_a=fixed_a,
        slope_a=slope_a,
        fixed_b=fixed_b,
        slope_b=slope_b,
        target=target,
        at_least=at_least,
    )
    xp = namespace(a0, a1, b0, b1, t, least)
    over, steeper = _difference(t * b0, a0), _difference(a1, t * b1)
    over, steeper, least = xp.broadcast_arrays(over, steeper, least)
    meet = steeper != 0
    with np.errstate(over="ignore"):  # lines all but parallel meet beyond the largest number: nowhere
        x = over / where(meet, steeper, 1.0)
    x = where(xp.abs(x - least) <= _LEVEL * least, least, x)
    return _plain(where(meet & (x >= least) & (x < np.inf), x + 0.0, np.nan))


def tariff(*, other_usd_a: Any, kwh_a: Any, other_usd_b: Any, kwh_b: Any, target: Any = 1.0) -> Array:
    """Electricity tariff at which A and B cost the same [USD/kWh]; see :func:`linear_break_even`.

    Parameters
    ----------
    other_usd_a, other_usd_b : number or array
        Cost without energy for the same traffic, such as per million tokens or per year, at least 0 [USD].
    kwh_a, kwh_b : number or array
        Energy at the meter for that traffic, PUE included, at least 0 [kWh].
    target : number or array
        TCO ratio A/B to reach.

    Returns
    -------
    number or array
        [USD/kWh]; NaN where no tariff does.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> tariff(other_usd_a=0.40, kwh_a=1.0, other_usd_b=0.50, kwh_b=0.5).round(12)
    np.float64(0.2)
    """
    _name_first(other_usd_a=other_usd_a, kwh_a=kwh_a, other_usd_b=other_usd_b, kwh_b=kwh_b)
    return linear_break_even(fixed_a=other_usd_a, slope_a=kwh_a, fixed_b=other_usd_b, slope_b=kwh_b, target=target)


def carbon_price(*, usd_a: Any, kg_a: Any, usd_b: Any, kg_b: Any, target: Any = 1.0) -> Array:
    """Carbon price at which the ranking of A and B flips: ``(t·C_B − C_A)/(g_A − t·g_B)`` [USD/kgCO₂e].

    Parameters
    ----------
    usd_a, usd_b : number or array
        Cost without a carbon price for the same traffic, such as per million tokens, at least 0 [USD].
    kg_a, kg_b : number or array
        Emissions for that traffic, at least 0 [kgCO₂e].
    target : number or array
        TCO ratio A/B to reach.

    Returns
    -------
    number or array
        [USD/kgCO₂e], a thousandth of the usual price per tonne; NaN where no carbon price does.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> carbon_price(usd_a=0.50, kg_a=0.2, usd_b=0.47, kg_b=0.5).round(12)
    np.float64(0.1)
    """
    _name_first(usd_a=usd_a, kg_a=kg_a, usd_b=usd_b, kg_b=kg_b)
    return linear_break_even(fixed_a=usd_a, slope_a=kg_a, fixed_b=usd_b, slope_b=kg_b, target=target)


def pue(*, other_usd_a: Any, energy_usd_a: Any, other_usd_b: Any, energy_usd_b: Any, target: Any = 1.0) -> Array:
    """Power usage effectiveness of the site at which A and B cost the same; see :func:`linear_break_even`.

    Parameters
    ----------
    other_usd_a, other_usd_b : number or array
        Cost without energy for the same traffic, at least 0 [USD].
    energy_usd_a, energy_usd_b : number or array
        Cost of the energy that the servers themselves take for it, at a PUE of 1, at least 0 [USD].
    target : number or array
        TCO ratio A/B to reach.

    Returns
    -------
    number or array
        At least 1; NaN where no PUE does.

    Raises
    ------
    ValueError
        An argument out of range.

    Examples
    --------
    >>> pue(other_usd_a=0.40, energy_usd_a=0.10, other_usd_b=0.475, energy_usd_b=0.05).round(12)
    np.float64(1.5)
    """
    _name_first(other_usd_a=other_usd_a, energy_usd_a=energy_usd_a, other_usd_b=other_usd_b, energy_usd_b=energy_usd_b)
    return linear_break_even(
        fixed_a=other_usd_a,
        slope_a=energy_usd_a,
        fixed_b=other_usd_b,
        slope_b=energy_usd_b,
        target=target,
        at_least=1.0,
    )


def solve_for(
    model: Callable[..., Array],
    name: str,
    *,
    low: Any,
    high: Any,
    target: Any = 1.0,
    inputs: Mapping[str, Any] | None = None,
    steps: int = 64,
) -> Array:
    """Value of any one input at which any model's ratio meets `target`, by bracketing.

    The range is first sampled, so that a model which meets the target twice is found out; the part with the crossing is
    then halved until it is a rounding error wide, all elements at once.

    Parameters
    ----------
    model : callable
        ``model(**inputs)`` gives the ratio and broadcasts over arrays, as :func:`tco.tco_ratio` does.
    name : str
        The input to solve for.
    low, high : number or array
        Range in which to look.
    target : number or array
        Ratio to reach.
    inputs : mapping of str to number or array, optional
        The other inputs.
    steps : int
        Parts into which the range is cut to look for a crossing, geometrically where it lies above 0.

    Returns
    -------
    number or array
        NaN where the ratio stays on one side. Where the model jumps over the target, as it does with whole servers and
        racks, the place of the jump. Where it is level throughout, `low`.

    Raises
    ------
    ValueError
        An empty range, `name` among the inputs, or more than one crossing.

    Examples
    --------
    >>> from tco import tco_ratio
    >>> case = {"r_th": [0.2, 0.8], "r_ic": 0.75, "server_share": 0.7}
    >>> solve_for(tco_ratio, "r_sc", low=0.01, high=10, inputs=case).round(6)
    array([     nan, 0.821429])
    """
    others = {
        key: np.asarray(value) if isinstance(value, list | tuple) else value for key, value in (inputs or {}).items()
    }
    if name in others:
        raise ValueError(f"{name} is to be found, and is among the inputs too: leave it out of them")
    start, end, goal = number("low", low), number("high", high), number("target", target)
    parts = count("steps", steps, at_most=1_000_000)
    if np.any(start >= end):
        raise ValueError("low is not below high: give a range in which to look")
    start, end, goal, *_ = np.broadcast_arrays(
        start, end, goal, *(np.empty(np.shape(value)) for value in others.values())
    )
    geometric = start > 0
    widening = np.where(geometric, end, 1.0) / np.where(geometric, start, 1.0)

    def above(x: Array) -> Array:
        with np.errstate(all="ignore"):  # a model may have poles on the way: what is not finite is passed over
            return np.broadcast_to(_difference(np.asarray(model(**others, **{name: x}), dtype=float), goal), goal.shape)

    left, right, left_side = start, start, np.zeros(goal.shape, dtype=bool)
    crossings = np.zeros(goal.shape, dtype=int)
    x, excess = start, above(start)
    level = np.where(excess == 0, start, np.nan)
    for part in range(1, parts + 1):
        next_x = np.where(geometric, start * widening ** (part / parts), start + (end - start) * (part / parts))
        next_x = end if part == parts else next_x
        next_excess = above(next_x)
        crossed = ((excess >= 0) != (next_excess >= 0)) & np.isfinite(excess) & np.isfinite(next_excess)
        left, right = np.where(crossed, x, left), np.where(crossed, next_x, right)
        left_side = np.where(crossed, excess >= 0, left_side)
        crossings += crossed
        x, excess = next_x, next_excess
    if np.any(crossings > 1):
        raise ValueError(f"the ratio meets the target more than once over {name}: narrow low and high to one crossing")
    level = np.where(np.isnan(level) & (excess == 0), end, level)
    for _ in range(64):
        middle = left + (right - left) / 2
        if np.all((middle == left) | (middle == right)):
            break
        same = (above(middle) >= 0) == left_side
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return np.where(crossings == 1, right, level)[()]


def _plain(value: Array) -> Array:
    """Give a number for a NumPy array of no dimension."""
    return value[()] if isinstance(value, np.ndarray) else value


def _per_year(field: str, value: Any) -> Array:
    return number(field, value, at_least=-100.0, at_most=100.0)


def _name_first(**fields: Any) -> None:
    """Check amounts under the names that the caller gave them."""
    amounts(**fields)


def _difference(first: Array, second: Array) -> Array:
    """Subtract; what is equal within rounding is equal."""
    xp = namespace(first, second)
    difference = first - second
    return where(xp.abs(difference) <= _LEVEL * (xp.abs(first) + xp.abs(second)), 0.0, difference)
