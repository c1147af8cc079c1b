"""What is not certain: which inputs would turn the answer, and how likely A is cheaper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._labels import FONT_POINTS, heading
from tco.plot.plan import CHEAPER, DEARER, times
from tco.plot.risk_plan import TornadoRow, plan_distribution, plan_tornado
from tco.plot.words import listed, pale, probability, require_pair, text_points, width_points, wrapped
from tco.risk import Simulation, Tornado

_HEIGHT = 0.62  # of a bar, in rows


def tornado(
    rows: Iterable[Sequence[Any]] | Tornado,
    *,
    base: float | None = None,
    names: tuple[str, str] = ("A", "B"),
    most: int = 12,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how far each input alone moves the TCO ratio, the longest bar on top.

    Bars are blue where A is cheaper and orange where it is dearer, on a logarithmic scale, so that 0.8× and 1.25× are
    as far from the break-even line. The names of inputs that alone turn the answer are bold.

    Parameters
    ----------
    rows : Tornado or iterable of tuple
        From :func:`tco.uncertainty.tornado`, whose private inputs stay private; or ``(name, ratio at low, ratio at
        high)``, or the same with the two values in words, or ``None`` for private ones. All are ``TCO_A / TCO_B`` with
        the other inputs at their base.
    base : float, optional
        TCO ratio with every input at its base; needed beside tuples.
    names : (str, str)
        What A and B are called.
    most : int
        Rows drawn; the small print says what the others come to.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Names the two if not given.

    Returns
    -------
    Axes
        x is the TCO ratio, logarithmic.

    Raises
    ------
    ValueError
        No row, one of another form, a name that comes twice, or a ratio that is not above 0.

    Examples
    --------
    >>> ax = tornado(
    ...     [("electricity", 0.81, 0.84, "$0.05/kWh", "$0.12/kWh"), ("price of A", 0.7, 1.04)], base=0.82
    ... )
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['price of A', 'electricity']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    a, b = require_pair(names, field="names")
    if isinstance(rows, Tornado):
        base, rows = rows.base, [
            (bar.name, bar.at_low, bar.at_high, *map(_in_words, (bar.low, bar.high))) for bar in rows.shown()
        ]  # fmt: skip
    if base is None:
        raise ValueError("base is needed beside rows: give the TCO ratio with every input at its base")
    plan = plan_tornado(rows, base=base, most=most)
    count = len(plan.rows)
    if ax is None:
        ax = plt.subplots(figsize=(7.8, 2.2 + 0.34 * count), layout="constrained")[1]
    bars = [(min(row.low, row.high, plan.base), max(row.low, row.high, plan.base)) for row in plan.rows]
    ends = [_ends(row, plan.base) for row in plan.rows]
    sides = f"{a} cheaper", f"{b} cheaper"
    ax.set_yticks(range(count), [row.name for row in plan.rows], fontsize=9.5, parse_math=False)
    for tick, row in zip(ax.get_yticklabels(), plan.rows, strict=True):
        tick.set_fontweight("bold" if row.flips else "normal")
    lines = sorted(
        ((1.0, "break-even 1×", "break-even label"), (plan.base, f"base {_near_one(plan.base)}", "base label"))
    )
    wanted = [(1.0, 1.0, *(1.2 * text_points(side, 10) + 8 for side in sides))]
    wanted.append((lines[0][0], lines[1][0], *(text_points(text) + 10 for _, text, _ in lines)))
    wanted += [(*bar, *(text_points(text) + 10 for text in texts)) for bar, texts in zip(bars, ends, strict=True)]
    left, right = _room(wanted, max(width_points(ax), 150.0))
    ax.set(xscale="log", xlim=(left, right), ylim=(count + 0.15, -1.15))
    ax.axvspan(left, 1, color=pale(CHEAPER, share=0.08), linewidth=0, zorder=0.1, gid="A cheaper")
    ax.axvspan(1, right, color=pale(DEARER, share=0.09), linewidth=0, zorder=0.1, gid="B cheaper")
    for place, (row, (low, high), texts) in enumerate(zip(plan.rows, bars, ends, strict=True)):
        for start, end, colour in ((low, min(high, 1), CHEAPER), (max(low, 1), high, DEARER)):
            if end > start:
                style: dict[str, Any] = {"height": _HEIGHT, "color": pale(colour, share=0.8), "gid": f"bar {row.name}"}
                ax.barh(place, end - start, left=start, **style)
        inner = low < min(row.low, row.high) or high > max(row.low, row.high)  # both values are on one side of the base
        if inner:
            value = min(row.low, row.high) if low == plan.base else max(row.low, row.high)
            ax.plot([value] * 2, [place - _HEIGHT / 2, place + _HEIGHT / 2], color="white", linewidth=1.5, gid="inner")
        for text, x, away, side in zip(texts, (low, high), (-4, 4), ("right", "left"), strict=True):
            ax.annotate(
                text,
                (x, place),
                xytext=(away, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=FONT_POINTS,
                color="#333333",
                parse_math=False,
                gid="end",
            )
    ax.axvline(1, color="black", linewidth=2.0, zorder=2.5, gid="break-even")
    ax.axvline(plan.base, color="black", linewidth=1.1, linestyle=(0, (3, 2)), zorder=2.6, gid="base")
    bold: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "parse_math": False, "va": "center"}
    for x, text, colour, side in ((0.01, sides[0], CHEAPER, "left"), (0.99, sides[1], DEARER, "right")):
        ax.text(x, -0.8, text, color=colour, ha=side, transform=ax.get_yaxis_transform(), **bold)
    for (x, text, gid), away, side in zip(lines, (-5, 5), ("right", "left"), strict=True):  # off each other
        style = {"textcoords": "offset points", "va": "center", "fontsize": FONT_POINTS}
        ax.annotate(text, (x, count - 0.2), xytext=(away, 0), ha=side, gid=gid, **style)
    _ratio_ticks(ax)
    ax.set_xlabel(f"TCO of {a} / TCO of {b}", parse_math=False)
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    turning = "bold: turns the answer alone" if any(row.flips for row in plan.rows) else "none turns the answer alone"
    rest = (
        f"not drawn: {listed(plan.left_out) if len(plan.left_out) <= 3 else f'{len(plan.left_out)} more'}, which move "
        f"the ratio by up to {100 * (plan.largest_left_out - 1):.2g} %"
        if plan.left_out
        else ""
    )
    heading(
        ax,
        title if title is not None else f"What moves the TCO of {a} over {b}",
        *wrapped(ax, "each input alone, from its low to its high value", turning, rest),
    )
    return ax


def distribution(
    values: npt.ArrayLike | Simulation,
    *,
    level: float = 0.9,
    names: tuple[str, str] = ("A", "B"),
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how the TCO ratio is distributed, with the probability that A is cheaper.

    The blue draws, below 1, are those in which A is cheaper. The line below holds the median and the interval.

    Parameters
    ----------
    values : Simulation or array-like
        Draws of ``TCO_A / TCO_B``, above 0; two or more.
    level : float
        Share of the draws that the interval holds, between 0 and 1; as many lie below it as above.
    names : (str, str)
        What A and B are called.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Names the two if not given.

    Returns
    -------
    Axes
        x is the TCO ratio, logarithmic; y the share of the draws in each bin.

    Raises
    ------
    ValueError
        Draws that are not above 0, fewer than two, a level that is no share, or names that are not two.

    Examples
    --------
    >>> draws = 0.72 * np.exp(0.2 * np.random.default_rng(0).standard_normal(10_000))
    >>> ax = distribution(draws, names=("Gaudi 2", "H100"))
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "probability"]
    ['Gaudi 2 cheaper: 95.0 %', 'H100 cheaper: 5.0 %']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    values = values.values if isinstance(values, Simulation) else values
    plan = plan_distribution(values, level=level, names=names)
    if ax is None:
        ax = plt.subplots(figsize=(7.4, 4.4), layout="constrained")[1]
    tallest = float(plan.shares.max())
    margin = (plan.edges[-1] / plan.edges[0]) ** 0.04
    left, right = min(plan.edges[0], 1.0) / margin, max(plan.edges[-1], 1.0) * margin
    ax.set(xscale="log", xlim=(left, right))
    for below, colour in ((True, CHEAPER), (False, DEARER)):
        here = (plan.edges[1:] <= 1 + 1e-9) == below
        if here.any():
            ax.stairs(
                np.where(here, plan.shares, 0.0),
                plan.edges,
                fill=True,
                color=pale(colour, share=0.75),
                linewidth=0,
                gid="A cheaper" if below else "B cheaper",
            )
    ax.plot([left, right], [0, 0], color="#888888", linewidth=0.8)
    ax.plot([1, 1], [0, 1.06 * tallest], color="black", linewidth=2.0, zorder=2.5, gid="break-even")
    ax.plot(
        [plan.median] * 2, [-0.1 * tallest, tallest], color="black", linewidth=1.1, linestyle=(0, (3, 2)), gid="median"
    )
    ax.plot(
        [plan.low, plan.high],
        [-0.1 * tallest] * 2,
        color="black",
        linewidth=1.6,
        marker="|",
        markersize=9,
        gid="interval",
    )
    ax.plot([plan.median], [-0.1 * tallest], color="black", marker="o", markersize=6)
    bold: dict[str, Any] = {"transform": ax.transAxes, "fontsize": 11, "fontweight": "bold", "parse_math": False}
    p, (a, b) = plan.probability, plan.names
    texts = [f"{who} cheaper: {probability(chance)}" for who, chance in ((a, p), (b, 1 - p))]
    one_row = sum(1.2 * text_points(text, 11) for text in texts) < width_points(ax)
    lower = 0.985 if one_row else 0.92
    ax.set_ylim(-0.27 * tallest, (1.27 if one_row else 1.42) * tallest)
    for x, y, text, colour, side in ((0.0, 0.985, texts[0], CHEAPER, "left"), (1.0, lower, texts[1], DEARER, "right")):
        ax.text(x, y, text, color=colour, ha=side, va="top", gid="probability", **bold)
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": FONT_POINTS, "ha": "center", "va": "top"}
    for x, text, side in ((plan.low, times(plan.low), "right"), (plan.high, times(plan.high), "left")):
        away = -6 if side == "right" else 6
        ax.annotate(
            text, (x, -0.1 * tallest), xytext=(away, 0), **{**style, "ha": side, "va": "center"}, gid="interval end"
        )
    ax.annotate(
        f"median {times(plan.median)}, {100 * plan.level:.4g} % of the draws between the ends",
        (plan.median, -0.1 * tallest),
        xytext=(0, -7),
        **style,
        gid="interval label",
    )
    ax.text(
        1.0, 1.08 * tallest, "break-even 1×", ha="center", va="bottom", fontsize=FONT_POINTS, gid="break-even label"
    )
    _ratio_ticks(ax)
    ax.set_yticks([])
    ax.set_xlabel(f"TCO of {a} / TCO of {b}", parse_math=False)
    ax.set_ylabel("share of the draws")
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.spines[["top", "right", "left"]].set_visible(False)
    beyond = f"{100 * plan.outside:.1g} % lie beyond the ends" if plan.outside > 0 else ""
    heading(
        ax,
        title if title is not None else f"How likely {a} is cheaper than {b}",
        *wrapped(ax, f"{plan.draws:,} draws", beyond),
    )
    return ax


def _in_words(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ends(row: TornadoRow, base: float) -> tuple[str, str]:
    """Return what stands to the left and to the right of a bar; both values at one end if both lie on one side."""
    left, right = (row.low_text, row.high_text) if row.low <= row.high else (row.high_text, row.low_text)
    if base < min(row.low, row.high):
        return "", f"{left} to {right}"
    if base > max(row.low, row.high):
        return f"{left} to {right}", ""
    return left, right


def _room(wanted: Sequence[tuple[float, ...]], points: float) -> tuple[float, float]:
    """Find ends of a logarithmic axis with room for texts: places on the axis, and points to their left and right."""
    left, right = 0.0, 0.0
    for _ in range(30):  # each round widens the scale, and so the texts in it, by less than the one before
        scale = max(right - left, 1e-3) / points
        left = min(np.log(low) - before * scale for low, _, before, _ in wanted)
        right = max(np.log(high) + after * scale for _, high, _, after in wanted)
    return float(np.exp(left)), float(np.exp(right))


def _near_one(ratio: float) -> str:
    """Write a ratio, with one more digit where it would else read as 1."""
    return times(ratio) if times(ratio) != "1×" else f"{ratio:.4g}×"


def _ratio_ticks(ax: Axes) -> None:
    """Write round ratios at a logarithmic x axis, 1 among them, as many as there is room for."""
    left, right = ax.get_xlim()
    gap = np.log(right / left) * 36 / max(width_points(ax), 1.0)
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
    step = next((step for step in steps if np.log1p(step) >= gap * max(right, 1.0)), 0.5)
    if right < 2.5 * left:  # round on a linear scale
        kept = (step * np.arange(np.ceil(left / step), np.floor(right / step) + 1)).tolist()
    else:
        digits = (1.0, 2.0, 5.0, 3.0, 7.0, 1.5, 4.0, 6.0, 8.0, 1.2)
        kept = [1.0]
        for digit in digits:
            for tick in (digit * 10.0**power for power in range(-7, 8)):
                if left <= tick <= right and all(abs(np.log(tick / other)) >= gap for other in kept):
                    kept.append(tick)
    ax.xaxis.set_major_locator(FixedLocator(sorted(kept)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: times(value)))
    ax.xaxis.set_minor_locator(NullLocator())
