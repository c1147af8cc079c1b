"""The parts of costs, as bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from roofline._labels import FONT_POINTS, heading
from tco.plot.bars import SegmentTexts
from tco.plot.costs_plan import amount, plan_breakdown
from tco.plot.plan import times
from tco.plot.words import draw_key, percent, wrapped

_HEIGHT = 0.62  # of a bar, in rows


def breakdown(
    costs: Mapping[str, Any],
    *,
    reveal: bool = False,
    unit: str = "USD/year",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw what each deployment's cost is made of, as stacked bars over the whole of the last one.

    The last one is the reference, B: its bar ends at 1×. A part has the same place and colour in every bar and every
    picture. Parts of at most 2 % of any bar are gathered as ``other``, and of more than ten the smallest too; the small
    print names them.

    Parameters
    ----------
    costs : mapping of str to mapping of str to float
        Parts of each cost, at least 0, by name of the deployment or plan, or these themselves; the first is the top
        bar. What one of them lacks is no part of its cost.
    reveal : bool
        Write amounts. Without it the picture holds ratios only.
    unit : str
        What the costs are in.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Names the reference if not given.

    Returns
    -------
    Axes
        x is the cost over the last one's, or the revealed cost.

    Raises
    ------
    ValueError
        Nothing to show, a part that is not a number of at least 0 (its value is not shown), or parts that add up to
        nothing.

    Examples
    --------
    >>> ax = breakdown({
    ...     "Gaudi 2": {"server": 40e3, "plant": 14e3, "energy": 6e3},
    ...     "H100": {"server": 90e3, "plant": 18e3, "energy": 8e3},
    ... })
    >>> ax.get_xlabel()
    'cost in USD/year over that of H100'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    costs = {name: getattr(parts, "breakdown", parts) for name, parts in dict(costs).items()}
    plan = plan_breakdown(costs, reveal=reveal, unit=unit)
    rows = len(plan.labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 1.75 + 0.5 * rows), layout="constrained")[1]
    reference = plan.labels[-1]
    texts = SegmentTexts(ax, height=_HEIGHT)
    starts = np.zeros(rows)
    for name, widths in zip(plan.parts, plan.values.T, strict=True):
        colour = plan.colours[name]
        style: dict[str, Any] = {"color": colour, "edgecolor": "white", "linewidth": 0.8}
        ax.barh(range(rows), widths, left=starts, height=_HEIGHT, gid=f"part {name}", **style)
        for row, (start, width) in enumerate(zip(starts, widths, strict=True)):
            text = amount(width) if plan.unit else percent(float(width))
            if width > 0:
                texts.write(text, row=row, left=float(start), right=float(start + width), colour=colour)
        starts = starts + widths
    whole = float(plan.totals[-1])
    ax.axvline(whole, color="black", linewidth=1.2, linestyle=(0, (4, 3)), zorder=2.5, gid="reference")
    for row, (total, text) in enumerate(zip(plan.totals, plan.total_texts, strict=True)):
        ax.annotate(
            text,
            (max(total, whole) if abs(total / whole - 1) < 0.08 else total, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            bbox={"boxstyle": "square,pad=0.25", "facecolor": "white", "edgecolor": "none"},
            zorder=3,
            gid="total",
        )
    ax.set_yticks(range(rows), plan.labels, fontsize=9.5, parse_math=False)
    ax.set(ylim=(rows - 0.5, -0.5), xlim=(0, float(plan.totals.max()) * (1.25 if plan.unit else 1.12)))
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value) if plan.unit else times(value)))
    ax.set_xlabel(f"cost [{plan.unit}]" if plan.unit else f"cost in {unit} over that of {reference}", parse_math=False)
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    lines = draw_key(ax, {name: plan.colours[name] for name in plan.parts})
    said = "" if plan.unit else f"%: of the whole cost of {reference}"
    heading(
        ax,
        title if title is not None else f"Cost by part; {reference} = 1×",
        *wrapped(ax, said, plan.rule),
        *[" "] * lines,
    )
    return ax
