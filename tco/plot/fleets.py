"""What fleets are made of, and which servers do which work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from roofline._labels import FONT_POINTS, heading
from tco.plot.bars import SegmentTexts
from tco.plot.fleets_plan import AssignmentPlan, count_text, plan_assignment, plan_fleet
from tco.plot.words import dark, draw_key, ink, pale, percent, text_points, width_points, wrapped

_HEIGHT = 0.5  # of a bar, in rows: what does not fit inside stands over it


def fleet(
    servers: Mapping[str, Any],
    *,
    assignment: Mapping[str, Mapping[str, float]] | None = None,
    relative_cost: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how many servers of each kind fleets have, as stacked bars.

    Parameters
    ----------
    servers : mapping of str to mapping of str to float
        Servers of each kind, by name of the fleet, or a :class:`tco.fleet.Fleet`; the first is the top bar. Fractions,
        as of a relaxed plan, are drawn as such.
    assignment : mapping of str to mapping of str to float, optional
        Share of each workload that each kind of server does in the first fleet, drawn beside it in the same colours;
        not accepted together with `ax` (see :func:`assignment`).
    relative_cost : mapping of str to float, optional
        Cost of each fleet over a reference, written at the bars.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        A general one if not given.

    Returns
    -------
    Axes
        x counts servers.

    Raises
    ------
    ValueError
        A fleet without servers, a count below 0, costs that are not those of the fleets, or shares of a workload that
        do not add up to 1.

    Examples
    --------
    >>> ax = fleet({"mixed": {"A10G": 3, "A100": 1}, "A10G only": {"A10G": 12}, "A100 only": {"A100": 2}},
    ...     relative_cost={"mixed": 6.70 / 7.34, "A10G only": 12.12 / 7.34, "A100 only": 1.0})
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "total"]
    ['4 servers, 0.91×', '12 servers, 1.65×', '2 servers, 1×']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    servers = {name: getattr(counts, "servers", counts) for name, counts in dict(servers).items()}
    plan = plan_fleet(servers, relative_cost=relative_cost)
    work = None if assignment is None else plan_assignment(assignment, colours=plan.colours)
    rows = len(plan.labels)
    if work is not None:
        if ax is not None:
            raise ValueError("assignment is not accepted together with ax: draw it with tco.plot.assignment(..., ax=)")
        beside_points = 48 * len(work.options) + max(text_points(workload, 9) for workload in work.workloads) + 20
        size = (7.6 + beside_points / 72, 1.6 + max(0.52 * rows, 0.34 * len(work.workloads)))
        ratios = (7.6 * 72, beside_points)
        ax, beside = plt.subplots(1, 2, figsize=size, layout="constrained", width_ratios=ratios)[1]
        _draw_assignment(beside, work, "Who does the work", f"{plan.labels[0]}: share of each workload")
    elif ax is None:
        ax = plt.subplots(figsize=(7.6, 1.6 + 0.52 * rows), layout="constrained")[1]
    texts = SegmentTexts(ax, height=_HEIGHT, lift=True)
    starts = np.zeros(rows)
    for option, widths in zip(plan.options, plan.counts.T, strict=True):
        colour = plan.colours[option]
        style: dict[str, Any] = {"color": colour, "edgecolor": "white", "linewidth": 1.2}
        ax.barh(range(rows), widths, left=starts, height=_HEIGHT, gid=f"option {option}", **style)
        for row, (start, width) in enumerate(zip(starts, widths, strict=True)):
            if width > 0:
                texts.write(count_text(width), row=row, left=float(start), right=float(start + width), colour=colour)
        starts = starts + widths
    most = float(plan.totals.max())
    for row, (total, text) in enumerate(zip(plan.totals, plan.total_texts, strict=True)):
        note: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 9.5}
        ax.annotate(text, (total, row), fontweight="bold", gid="total", **note)
    ax.set_yticks(range(rows), plan.labels, fontsize=9.5, parse_math=False)
    points = width_points(ax) if work is None else 7.6 * 72 - max(text_points(label, 9.5) for label in plan.labels) - 36
    room = 1.15 * max(text_points(text, 9.5) for text in plan.total_texts) + 12
    ax.set(ylim=(rows - 0.5, -0.55), xlim=(0, most / max(1 - room / points, 0.3)))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel("servers")
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    lines = draw_key(ax, plan.colours)
    said = "" if plan.reference is None else f"×: cost over {plan.reference}"
    heading(ax, title if title is not None else "What the fleets are made of", *wrapped(ax, said), *[" "] * lines)
    return ax


def assignment(
    shares: Mapping[str, Mapping[str, float]],
    *,
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw which kind of server does which share of each workload, as a table in colour.

    Parameters
    ----------
    shares : mapping of str to mapping of str to float
        Share of each workload that each kind of server does; those of a workload add up to 1.
    colours : mapping of str to str, optional
        Of the kinds of server, which then all have a column, in this order.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        A general one if not given.

    Returns
    -------
    Axes
        A column per kind of server, a row per workload.

    Raises
    ------
    ValueError
        Shares that do not add up to 1, or a kind of server without a colour among those given.

    Examples
    --------
    >>> ax = assignment({"chat": {"A10G": 1.0}, "code": {"A10G": 0.25, "A100": 0.75}})
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "share"]
    ['100 %', '25 %', '75 %']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_assignment(shares, colours=colours)
    if ax is None:
        size = (2.2 + 0.75 * len(plan.options), 1.5 + 0.36 * len(plan.workloads))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    _draw_assignment(ax, plan, title if title is not None else "Who does the work")
    return ax


def _draw_assignment(ax: Axes, plan: AssignmentPlan, title: str, small_print: str = "share of each workload") -> None:
    rows, columns = plan.shares.shape
    for row in range(rows):
        for column, option in enumerate(plan.options):
            share = float(plan.shares[row, column])
            colour = pale(plan.colours[option], share=0.15 + 0.85 * share) if share > 0 else "#f1f1f1"
            ax.fill_between([column, column + 1], row, row + 1, color=colour, edgecolor="white", linewidth=1.5)
            if share > 0:
                style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": FONT_POINTS, "gid": "share"}
                ax.text(column + 0.5, row + 0.5, percent(share), color=ink(colour), **style)
    ax.set(xlim=(0, columns), ylim=(rows, 0))
    ax.set_xticks(np.arange(columns) + 0.5, plan.options, fontsize=FONT_POINTS, parse_math=False)
    ax.set_yticks(np.arange(rows) + 0.5, plan.workloads, fontsize=9, parse_math=False)
    for tick, option in zip(ax.get_xticklabels(), plan.options, strict=True):
        tick.set_color(dark(plan.colours[option]))
        if max(map(len, plan.options)) > 7:
            tick.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    heading(ax, title, small_print)
