"""Which of many machines is cheapest, over two axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import ListedColormap
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._labels import FONT_POINTS, LabelPlacer, heading
from tco.plot.machines_plan import CheapestPlan, margin_text, plan_cheapest
from tco.plot.words import dark, listed, pale, text_points, wrapped

_REGIONS = ("#0072b2", "#e69f00", "#8c5fa8", "#8a8a8a", "#d55e00", "#e8d500", "#cc79a7", "#56b4e9")
_NOBODY = "#ededed"
_NAME_POINTS = 11.0
_TINT = 0.32  # of a region's colour in its fill


def cheapest(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    costs: Mapping[str, npt.ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    close: float = 0.05,
    points: Mapping[str, tuple[float, float]] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw which of many machines is cheapest over two axes, as a phase diagram.

    Each region is named inside. Heavy lines are where two machines cost the same; thin ones say by how much the second
    best is dearer, and where that is less than `close` the region is hatched: too close to call. Between the samples
    costs are interpolated in logarithm. The picture holds no cost, only ratios.

    Parameters
    ----------
    x, y : array-like
        Axes, strictly increasing, two values or more each; one spaced evenly in logarithm is drawn so.
    costs : mapping of str to array-like
        Cost of each machine for the same work, above 0, shape ``(len(y), len(x))``; NaN where it cannot serve, such as
        where it misses the latency.
    xlabel, ylabel : str
        What the axes are, with their units.
    close : float
        Margin below which the two best are too close to call, such as 0.05 for 5 %.
    points : mapping of str to (float, float), optional
        Places ``(x, y)`` by name, each labelled with the cheapest machine there and the margin.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        A general one if not given.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Axes that do not ascend, fewer than two machines, costs of another shape or not above 0 (none is shown), or a
        point outside the axes.

    Examples
    --------
    >>> length, batch = np.geomspace(256, 16_384, 40), np.geomspace(1, 256, 30)[:, None]
    >>> ax = cheapest(
    ...     length, batch[:, 0], {"A": 1 + length / 4096 + 4 / batch, "B": 2 + length / 16_384 + 0 * batch},
    ...     xlabel="context [tokens]", ylabel="batch [sequences]", points={"today": (1024, 64)},
    ... )
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "point label"]
    ['today: A, next best +57 %']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    places = {str(name): _require_place(str(name), place, x, y) for name, place in (points or {}).items()}
    size = (7.6, 5.2)
    if ax is None:
        room = ((size[0] - 0.9) * 72, (size[1] - 1.2) * 72)
    else:
        box = ax.get_window_extent()
        room = (max(box.width * 72 / ax.figure.dpi, 1.0), max(box.height * 72 / ax.figure.dpi, 1.0))
    sizes = {str(name): (_name_width(str(name)) / room[0], (1.5 * _NAME_POINTS + 4) / room[1]) for name in costs}
    plan = plan_cheapest(x, y, costs, close=close, label_sizes=sizes, keep_off=places.values())
    if ax is None:
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    colours = {name: _REGIONS[i % len(_REGIONS)] for i, name in enumerate(plan.names)}
    ax.set(xscale=plan.x_scale, yscale=plan.y_scale, xlim=(plan.x[0], plan.x[-1]), ylim=(plan.y[0], plan.y[-1]))
    placer = LabelPlacer(ax)
    _fill(ax, plan, colours, placer)
    taken = [*places.values(), *_name_regions(ax, plan, colours, placer)]
    _draw_margins(ax, plan, close, taken, placer)
    for name, place in places.items():
        mark: dict[str, Any] = {"s": 64, "facecolors": "black", "edgecolors": "white", "linewidths": 1.2}
        ax.scatter(*place, zorder=5, clip_on=False, gid=f"point {name}", **mark)
        placer.label(f"{name}: {_answer(plan, place)}", place, marker_points=10).set_gid("point label")
    _set_ticks(ax.xaxis, plan.x, plan.x_scale)
    _set_ticks(ax.yaxis, plan.y, plan.y_scale)
    ax.tick_params(labelsize=FONT_POINTS)
    ax.set_xlabel(xlabel, parse_math=False)
    ax.set_ylabel(ylabel, parse_math=False)
    heading(
        ax,
        title if title is not None else "Which machine is cheapest",
        *wrapped(
            ax,
            "heavy lines: same cost" if len(plan.never) < len(plan.names) - 1 else "",
            "thin lines: the next best costs so much more" if plan.levels else "",
            f"hatched: less than {100 * close:.3g} %, too close to call" if (plan.margin < 1 + close).any() else "",
            f"never cheapest: {listed(plan.never)}" if plan.never else "",
            "grey: none can serve" if (plan.winner < 0).any() else "",
        ),
    )
    return ax


def _name_width(name: str) -> float:
    """Estimate the width of a bold name with some room around it [pt]."""
    return 1.15 * text_points(name, _NAME_POINTS) + 6


def _answer(plan: CheapestPlan, place: tuple[float, float]) -> str:
    """Say what is cheapest at a place, and by how much."""
    found = plan.at(*place)
    if found is None:
        return "none can serve"
    name, margin = found
    return f"{name}, no other can serve" if margin is None else f"{name}, next best {margin_text(margin)}"


def _fill(ax: Axes, plan: CheapestPlan, colours: Mapping[str, str], placer: LabelPlacer) -> None:
    """Fill the regions: a raster first, for corners where three meet, and over it regions with smooth borders."""
    tints = [pale(colours[name], share=_TINT) for name in plan.names]
    cells = np.where(plan.winner < 0, len(tints), plan.winner)
    style: dict[str, Any] = {"vmin": -0.5, "vmax": len(tints) + 0.5, "shading": "nearest", "rasterized": True}
    ax.pcolormesh(plan.x, plan.y, cells, cmap=ListedColormap([*tints, _NOBODY]), zorder=0.5, **style)
    for i, tint in enumerate(tints):
        here, lead = plan.winner == i, np.ma.masked_invalid(np.log(plan.lead[i]))
        if here.any() and lead.count() and float(lead.max()) > 0:
            ax.contourf(plan.x, plan.y, lead, levels=[0, float(lead.max()) + 1], colors=[tint], zorder=0.6)
        if here.any() and lead.count() and float(lead.min()) < 0 < float(lead.max()):
            border = ax.contour(plan.x, plan.y, lead, levels=[0.0], colors="black", linewidths=1.8, zorder=2)
            border.set_gid("border")
            for piece in _pieces(border.get_paths()[0]):
                placer.keep_off_line(piece)


def _name_regions(
    ax: Axes, plan: CheapestPlan, colours: Mapping[str, str], placer: LabelPlacer
) -> list[tuple[float, float]]:
    """Write the names into the regions, and beside those that are too small, with a line to them; return where."""
    for label in plan.labels:
        colour = dark(colours[label.name])
        if label.fits:
            box = {
                "boxstyle": "square,pad=0.15",
                "facecolor": pale(colours[label.name], share=_TINT),
                "edgecolor": "none",
            }
            style: dict[str, Any] = {"fontsize": _NAME_POINTS, "fontweight": "bold", "ha": "center", "va": "center"}
            text = ax.text(label.x, label.y, label.name, color=colour, bbox=box, zorder=4, parse_math=False, **style)
            text.set_gid("region")
            placer.keep_off(text)
        else:
            note = placer.label(label.name, (label.x, label.y), colour=colour, marker_points=2)
            note.set(gid="region beside", fontweight="bold")
    return [(label.x, label.y) for label in plan.labels]


def _draw_margins(
    ax: Axes, plan: CheapestPlan, close: float, taken: list[tuple[float, float]], placer: LabelPlacer
) -> None:
    """Hatch what is too close to call, and draw lines of equal margin with what they stand for."""
    margin = np.ma.masked_invalid(plan.margin)
    if not margin.count():
        return
    if float(margin.min()) < 1 + close:
        hatch = ax.contourf(plan.x, plan.y, margin, levels=[0.0, 1 + close], colors="none", hatches=["////"], zorder=1)
        hatch.set(edgecolor="#8c8c8c", linewidth=0, gid="too close")
    levels = plan.levels
    to_axes = ax.transData + ax.transAxes.inverted()
    written = list(to_axes.transform(np.reshape(taken, (-1, 2))))
    for lead in plan.lead:
        shown = np.ma.masked_invalid(lead)
        if not levels or not shown.count() or float(shown.max()) <= levels[0]:
            continue
        lines = ax.contour(plan.x, plan.y, shown, levels=levels, colors="#555555", linewidths=0.8, zorder=1.5)
        lines.set(linestyle=(0, (4, 3)), gid="margin")
        for level, path in zip(levels, lines.get_paths(), strict=True):
            for piece in _pieces(path):
                place = _line_place(to_axes.transform(piece), written)
                if place is None:
                    continue
                written.append(to_axes.transform(piece[place]))
                box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
                style: dict[str, Any] = {"fontsize": 8, "color": "#333333", "ha": "center", "va": "center", "bbox": box}
                x, y = piece[place]
                text = ax.text(float(x), float(y), margin_text(level), zorder=2.8, gid="margin label", **style)
                placer.keep_off(text)


def _pieces(path: Path) -> list[npt.NDArray[np.float64]]:
    """Return the connected pieces of a contour, as they were found."""
    vertices = np.asarray(path.vertices)
    if path.codes is None:
        return [vertices]
    starts = np.flatnonzero(np.asarray(path.codes) == Path.MOVETO)[1:]
    return [piece for piece in np.split(vertices, starts) if len(piece) > 1]


def _line_place(across: npt.NDArray[np.float64], written: list[npt.NDArray[np.float64]]) -> int | None:
    """Choose where a line is labelled: far from its ends, the border and what is written; nowhere on a short one."""
    steps = np.hypot(*np.diff(across, axis=0).T)
    if steps.sum() < 0.25:
        return None
    along = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    border = np.minimum(across / (0.08, 0.06), (1 - across) / (0.08, 0.06)).min(axis=1)
    away = np.abs(across[:, None] - np.reshape(written, (1, -1, 2))) / (0.13, 0.07)
    free = np.minimum(np.minimum(away.max(axis=2).min(axis=1, initial=2.0), border), 1.0)
    best = int((free - 0.2 * np.abs(along - 0.5)).argmax())
    return best if free[best] > 0.6 else None


def _set_ticks(axis: Axis, values: npt.NDArray[np.float64], scale: str) -> None:
    """Write round numbers on a logarithmic axis, the closer the shorter it is; else what matplotlib chooses."""
    if scale == "log":
        low, high = float(values[0]), float(values[-1])
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        sets = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(np.arange(1.0, 10.0, 0.25)))
        ticks = ([step * 10.0**power for power in powers for step in steps] for steps in sets)
        axis.set_major_locator(
            FixedLocator(next((found for found in ticks if sum(low <= at <= high for at in found) >= 3), [low, high]))
        )
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _require_place(name: str, place: Any, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[float, float]:
    if np.shape(place) != (2,):
        raise ValueError(f"point {name!r} is not accepted: give (x, y), two numbers")
    at_x, at_y = (float(value) for value in place)
    for value, axis, of in ((at_x, np.ravel(x), "x"), (at_y, np.ravel(y), "y")):
        if not axis[0] <= value <= axis[-1]:
            raise ValueError(f"point {name!r} is outside the axes: {of} runs from {axis[0]:g} to {axis[-1]:g}")
    return at_x, at_y
