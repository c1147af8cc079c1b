"""The table of ratios (Kim Figure 1) and its two regions (Kim Figure 2), drawn."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._labels import FONT_POINTS, LabelPlacer, heading
from tco import ratio as formulas
from tco.plot.clouds import MIX, Cloud, draw_clouds, draw_mix, plan_clouds
from tco.plot.plan import (
    CHEAPER,
    DEARER,
    axis_scale,
    cell_edges,
    plan_heatmap,
    ratio_colours,
    ratio_text,
    require_surface,
    times,
)
from tco.plot.words import ink, require_pair
from tco.surface import Surface

_PALE = ("#d3e4f4", "#fbe3c9")
_LEVELS = (0.5, 0.8, 1.0, 1.25, 2.0)
_Array = npt.NDArray[np.float64]
_Points = Mapping[str, tuple[float, float]]
_Clouds = Mapping[str, Sequence[npt.ArrayLike]]
_Arrows = Mapping[str, tuple[tuple[float, float], tuple[float, float]]]


def heatmap(
    surface: Surface,
    *,
    ax: Axes | None = None,
    points: _Points | None = None,
    measured: Collection[str] = (),
    cloud: _Clouds | None = None,
    mix: tuple[float, float] | None = None,
    annotate: bool | None = None,
    labels: tuple[str, str] = ("A", "B"),
    title: str | None = None,
    limit: float | None = None,
) -> Axes:
    """Draw a surface as a table in colour, with the break-even line (Kim Figure 1).

    Blue cells are cheaper with A, orange ones dearer, on a logarithmic scale about 1. The line is Eq. 4 solved for
    equality, exact between the cells too. An axis spaced evenly in logarithm is drawn so.

    Parameters
    ----------
    surface : Surface
        From :func:`tco.surface`. Of an axis of more than 1,000 values, 1,000 are drawn.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    points : mapping of str to (float, float), optional
        ``(r_sc, r_th)`` by name; each is labelled with its name and its TCO ratio.
    measured : collection of str
        Names of the points and clouds that rest on measurements: they are filled, the assumed ones hollow.
    cloud : mapping of str to (array, array) or (array, array, array), optional
        Workloads by name, ``(r_sc, r_th)`` or ``(r_sc, r_th, weights)``, whose weights are the areas of the markers;
        each cloud is labelled with the range of its TCO ratios.
    mix : (float, float), optional
        ``(r_sc, r_th)`` of all workloads together, a star; its name in `measured` is ``mix``.
    annotate : bool, optional
        Whether to write the ratio into every cell; where it can be read if not given.
    labels : (str, str)
        What A and B are called.
    title : str, optional
        Names the two if not given.
    limit : float, optional
        ``k``: the colours run from ``1/k`` to ``k``. A round number chosen from the data if not given; give one to all
        panels of a figure.

    Returns
    -------
    Axes
        x is R_SC, y is R_Th, both ascending.

    Raises
    ------
    ValueError
        Not a surface, a point or workload outside its axes, an unknown name in `measured`, a name that comes twice, a
        bad limit, or labels that are not two.

    Examples
    --------
    >>> import tco
    >>> s = tco.surface(r_th=np.linspace(0.2, 2.0, 10), r_sc=np.linspace(0.1, 1.5, 15))
    >>> ax = heatmap(s, points={"decode, fp8": (0.6, 0.9)}, labels=("Gaudi 2", "H100"))
    >>> ax.get_xlabel()
    'server cost ratio R_SC = Gaudi 2 / H100'
    >>> heatmap(s, points={"decode": (6, 0.9)})
    Traceback (most recent call last):
    ...
    ValueError: point 'decode' (r_sc = 6, r_th = 0.9) is outside the axes: r_sc runs from 0.1 to 1.5, r_th from 0.2 to 2
    >>> plt.close(ax.get_figure())
    """
    require_surface(surface)
    names = require_pair(labels)
    places, clouds, star = _require_points(surface, points, cloud, mix, measured)
    measured = {measured} if isinstance(measured, str) else set(measured)
    if ax is None:
        size = (7.6, 5.4)
        if surface.r_sc.size <= 20 and surface.r_th.size <= 24:  # room for every cell's text
            size = (max(2.6 + 0.42 * surface.r_sc.size, 7.0), max(1.8 + 0.28 * surface.r_th.size, 4.8))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
        room = ((size[0] - 2.0) * 72, (size[1] - 1.3) * 72)
    else:
        box = ax.get_window_extent()
        dpi = ax.figure.dpi
        room = (box.width * 72 / dpi, box.height * 72 / dpi)
    plan = plan_heatmap(surface, limit=limit, annotate=annotate, size_points=room)
    colours = ratio_colours()
    mesh = ax.pcolormesh(
        plan.x_edges,
        plan.y_edges,
        np.ma.masked_invalid(plan.ratio),
        norm=plan.scale.norm,
        cmap=colours,
        rasterized=plan.ratio.size > 10_000,  # in SVG and PDF
        edgecolors="white" if plan.annotations else "none",
        linewidth=0.6 if plan.annotations else 0.0,
    )
    ax.set(xscale=plan.x_scale, yscale=plan.y_scale)
    window = _Window(plan.x_edges[0], plan.x_edges[-1], plan.y_edges[0], plan.y_edges[-1])
    window.apply(ax)
    every = plan.annotations is not None
    _set_ticks(ax.xaxis, plan.r_sc, plan.x_scale, every)
    _set_ticks(ax.yaxis, plan.r_th, plan.y_scale, every)
    cells = []
    if plan.annotations is not None:
        for y, values, texts in zip(plan.r_th, plan.ratio, plan.annotations, strict=True):
            for x, value, text in zip(plan.r_sc, values, texts, strict=True):
                colour = colours(plan.scale.norm(value))
                halo = [withStroke(linewidth=2.5, foreground=colour)]  # keeps the text readable on the break-even line
                style: dict[str, Any] = {"fontsize": 8, "color": ink(colour), "path_effects": halo, "zorder": 2.7}
                cells.append(ax.text(x, y, text, ha="center", va="center", gid="cell", **style))
    bar = ax.figure.colorbar(mesh, ax=ax, extend=plan.scale.extend, pad=0.02)
    bar.ax.yaxis.set_major_locator(FixedLocator(plan.scale.ticks))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: times(value)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.tick_params(labelsize=FONT_POINTS)
    bar.ax.set_ylabel(f"TCO of {names[0]} / TCO of {names[1]}\nbelow 1×, {names[0]} is cheaper", parse_math=False)
    placer = LabelPlacer(ax)
    placer.give_way(*cells)
    _draw_level(ax, surface, 1.0, window, placer)
    _draw_points(ax, surface, places, measured, placer)
    draw_clouds(ax, clouds, measured, placer)
    if star is not None:
        draw_mix(ax, surface, star, measured, placer)
    _finish(ax, surface, names, title, bool(places or clouds or star), clouds)
    return ax


def regions(
    surface: Surface,
    *,
    ax: Axes | None = None,
    points: _Points | None = None,
    measured: Collection[str] = (),
    cloud: _Clouds | None = None,
    mix: tuple[float, float] | None = None,
    arrows: _Arrows | None = None,
    labels: tuple[str, str] = ("A", "B"),
    title: str | None = None,
) -> Axes:
    """Draw the two regions of a surface, where A is cheaper and where B is, and what moves between them (Kim Figure 2).

    Lines at 0.5×, 0.8×, 1×, 1.25× and 2× say how far from break-even a place is. Below the dashed line, where
    ``R_Th ≤ (1−w)·R_IC``, not even a free server makes A cheaper.

    On this ascending axis a discount on A moves a point to the left (the paper says right). It applies to the chips,
    which are only part of a server, so even free chips leave ``R_SC`` above 0.

    Parameters
    ----------
    surface : Surface
        From :func:`tco.surface`; gives the range, R_IC and the server share.
    ax, points, measured, cloud, mix, labels, title
        As for :func:`heatmap`.
    arrows : mapping of str to ((float, float), (float, float)), optional
        Movements by name: ``(r_sc, r_th)`` before and after.

    Returns
    -------
    Axes
        x is R_SC, y is R_Th, both ascending.

    Raises
    ------
    ValueError
        As for :func:`heatmap`; also an end of an arrow outside the axes.

    References
    ----------
    Kim II-B and Figure 2.

    Examples
    --------
    >>> import tco
    >>> s = tco.surface(r_th=np.linspace(0.2, 2.0, 10), r_sc=np.linspace(0.1, 1.5, 15))
    >>> ax = regions(s, arrows={"discount on A": ((1.0, 0.8), (0.7, 0.8))})
    >>> plt.close(ax.get_figure())
    """
    require_surface(surface)
    names = require_pair(labels)
    places, clouds, star = _require_points(surface, points, cloud, mix, measured)
    measured = {measured} if isinstance(measured, str) else set(measured)
    movements = _require_arrows(surface, arrows)
    if ax is None:
        ax = plt.subplots(figsize=(7.4, 5.4), layout="constrained")[1]
    x_scale, y_scale = axis_scale(surface.r_sc), axis_scale(surface.r_th)
    window = _Window(*_ends(surface.r_sc), *_ends(surface.r_th))
    ax.set(xscale=x_scale, yscale=y_scale)
    window.apply(ax)
    _set_ticks(ax.xaxis, surface.r_sc, x_scale)
    _set_ticks(ax.yaxis, surface.r_th, y_scale)
    placer = LabelPlacer(ax)
    x = window.columns(x_scale)
    border = np.clip(_line(surface, 1.0, x), window.bottom, window.top)
    ax.fill_between(x, border, window.top, color=_PALE[0], linewidth=0, gid="A cheaper")
    ax.fill_between(x, window.bottom, border, color=_PALE[1], linewidth=0, gid="B cheaper")
    for level in _LEVELS:
        _draw_level(ax, surface, level, window, placer)
    bold: dict[str, Any] = {"transform": ax.transAxes, "fontsize": 11, "fontweight": "bold", "parse_math": False}
    if (border < window.top).any():
        placer.keep_off(ax.text(0.015, 0.98, f"{names[0]} cheaper", color=CHEAPER, va="top", **bold))
    if (border > window.bottom).any():
        placer.keep_off(ax.text(0.985, 0.02, f"{names[1]} cheaper", color=DEARER, ha="right", **bold))
    _draw_hopeless(ax, surface, names, window, placer)
    for name, (start, end) in movements.items():
        ax.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>,head_width=0.3,head_length=0.6",
                "linewidth": 1.8,
                "color": "black",
                "shrinkA": 0,
                "shrinkB": 0,
            },
            zorder=4,
            gid=f"arrow {name}",
        )
        placer.keep_off_line([start, end])
        placer.keep_off_point(end, marker_points=14)
        placer.label(name, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), marker_points=3)
    _draw_points(ax, surface, places, measured, placer)
    draw_clouds(ax, clouds, measured, placer)
    if star is not None:
        draw_mix(ax, surface, star, measured, placer)
    _finish(ax, surface, names, title, bool(places or clouds or star), clouds)
    return ax


@dataclass(frozen=True)
class _Window:
    """The part of the plane that is drawn."""

    left: float
    right: float
    bottom: float
    top: float

    def apply(self, ax: Axes) -> None:
        ax.set(xlim=(self.left, self.right), ylim=(self.bottom, self.top))

    def columns(self, scale: str) -> _Array:
        """Return places along x, close enough for a curve."""
        return np.geomspace(self.left, self.right, 513) if scale == "log" else np.linspace(self.left, self.right, 513)


def _ends(axis: _Array) -> tuple[float, float]:
    """Return the first and last value of an axis; of a single one, its cell's borders."""
    drawn = cell_edges(axis) if axis.size == 1 else axis
    return float(drawn[0]), float(drawn[-1])


def _line(surface: Surface, level: float, r_sc: _Array) -> _Array:
    """Return the throughput ratios at which the TCO ratio is a level: Eq. 4 solved, not interpolated."""
    line: _Array = np.asarray(
        formulas.break_even_throughput(r_sc=r_sc, r_ic=surface.r_ic, server_share=surface.server_share, target=level)
    )
    return np.broadcast_to(line, r_sc.shape)


def _draw_level(ax: Axes, surface: Surface, level: float, window: _Window, placer: LabelPlacer) -> None:
    """Draw and label the line of a TCO ratio, if it crosses the axes; the break-even line is the heavy one."""
    x = window.columns(ax.get_xscale())
    y = _line(surface, level, x)
    seen = (y >= window.bottom) & (y <= window.top)
    if seen.sum() < 2:
        return
    x, y = x[seen], y[seen]
    even = level == 1
    ax.plot(
        x,
        y,
        color="black",
        linewidth=2.0 if even else 0.9,
        linestyle="-" if even else (0, (5, 3)),
        zorder=2.5,
        gid="break-even" if even else f"level {level:g}",
    )
    placer.keep_off_line(np.stack([x, y], axis=1)[:: 1 if ax.get_xscale() == "log" else x.size - 1])
    text = "break-even 1×" if even else times(level)
    across = ax.transLimits.transform(ax.transScale.transform(np.stack([x, y], axis=1)))
    if np.hypot(*(across[-1] - across[0])) < 0.3:  # too short to be written along
        placer.label(text, (float(x[x.size // 2]), float(y[x.size // 2])), marker_points=2)
        return
    place = int(np.abs(across[:, 0] - across[0, 0] - 0.8 * (across[-1, 0] - across[0, 0])).argmin())
    placer.keep_off(
        ax.text(
            x[place],
            y[place],
            text,
            rotation=math.degrees(math.atan(surface.server_share / level)),
            rotation_mode="anchor",
            transform_rotates_text=True,
            ha="center",
            va="center",
            fontsize=FONT_POINTS,
            fontweight="bold" if even else "normal",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
            zorder=2.8,
            gid="break-even label" if even else f"level label {level:g}",
        )
    )


def _draw_hopeless(ax: Axes, surface: Surface, names: tuple[str, str], window: _Window, placer: LabelPlacer) -> None:
    """Mark throughput ratios at which not even a free server of A breaks even (Kim II-B), if they are on the axes."""
    border = (1 - surface.server_share) * surface.r_ic
    if not window.bottom < border < window.top:
        return
    ax.axhspan(window.bottom, border, facecolor="none", edgecolor=DEARER, alpha=0.35, hatch="///", linewidth=0)
    ax.axhline(border, color=DEARER, linewidth=1.2, linestyle="--", zorder=2.4, gid="not even free")
    note = placer.label(
        f"R_Th up to {border:.3g}: not even free servers make {names[0]} cheaper",
        (window.left, math.sqrt(window.bottom * border) if ax.get_yscale() == "log" else (window.bottom + border) / 2),
        colour="#8a3c08",
        marker_points=6,
        leader=False,
    )
    note.set_gid("not even free label")


def _draw_points(
    ax: Axes,
    surface: Surface,
    places: Mapping[str, tuple[float, float]],
    measured: Collection[str],
    placer: LabelPlacer,
) -> None:
    for name, (r_sc, r_th) in places.items():
        ratio = float(formulas.tco_ratio(r_th=r_th, r_sc=r_sc, r_ic=surface.r_ic, server_share=surface.server_share))
        ax.scatter(
            r_sc,
            r_th,
            s=64,
            facecolors="black" if name in measured else "none",
            edgecolors="black",
            linewidths=1.8,
            zorder=5,
            clip_on=False,  # a point on the border is whole
            gid=f"point {name}",
        )
        placer.label(f"{name}: {ratio_text(ratio)}×", (r_sc, r_th), marker_points=10)


def _finish(
    ax: Axes, surface: Surface, names: tuple[str, str], title: str | None, marked: bool, clouds: tuple[Cloud, ...]
) -> None:
    ax.set_xlabel(f"server cost ratio R_SC = {names[0]} / {names[1]}", parse_math=False)
    ax.set_ylabel(f"throughput ratio R_Th = {names[0]} / {names[1]}", parse_math=False)
    ax.tick_params(labelsize=FONT_POINTS)
    share = f"{100 * surface.server_share:.3g}"
    heading(
        ax,
        title if title is not None else f"TCO of {names[0]} over {names[1]} at equal traffic",
        f"R_IC = {surface.r_ic:.3g}; servers are {share} % of {names[1]}'s cost"
        + ("; ○ assumed, ● measured" if marked else "")
        + ("; area: weight" if any(one.weighted for one in clouds) else ""),
    )


def _set_ticks(axis: Axis, values: _Array, scale: str, every: bool = False) -> None:
    """Write every axis value, at most 16 of them; or 1, 2, 5, 10 on a logarithmic axis; or what matplotlib chooses."""
    if every:
        shown = values[:: math.ceil(values.size / 16)].tolist()
    elif scale == "log":
        powers = range(math.floor(math.log10(values[0])), math.ceil(math.log10(values[-1])) + 1)
        shown = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    else:
        return
    axis.set_major_locator(FixedLocator(shown))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axis.set_minor_locator(NullLocator())


def _require_points(
    surface: Surface,
    points: _Points | None,
    cloud: _Clouds | None,
    mix: tuple[float, float] | None,
    measured: Collection[str],
) -> tuple[dict[str, tuple[float, float]], tuple[Cloud, ...], tuple[float, float] | None]:
    places = {name: _require_place(surface, f"point {name!r}", place) for name, place in (points or {}).items()}
    clouds = plan_clouds(surface, cloud)
    star = None if mix is None else _require_place(surface, MIX, mix)
    names = [*places, *(one.name for one in clouds), *([] if star is None else [MIX])]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is the name of two things among points, clouds and the mix: give each its own")
    unknown = [name for name in ([measured] if isinstance(measured, str) else measured) if name not in names]
    if unknown:
        raise ValueError(f"measured names {unknown[0]!r}, which is not a point: give names among {names}")
    return places, clouds, star


def _require_arrows(
    surface: Surface, arrows: _Arrows | None
) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
    checked = {}
    for name, movement in (arrows or {}).items():
        if np.shape(movement) != (2, 2):
            raise ValueError(f"arrow {name!r} = {movement!r} is not accepted: give ((r_sc, r_th), (r_sc, r_th))")
        start, end = (_require_place(surface, f"end of arrow {name!r}", place) for place in movement)
        checked[name] = (start, end)
    return checked


def _require_place(surface: Surface, what: str, place: Any) -> tuple[float, float]:
    if np.shape(place) != (2,):
        raise ValueError(f"{what} = {place!r} is not accepted: give (r_sc, r_th), two numbers")
    r_sc, r_th = (float(value) for value in place)
    for value, axis in ((r_sc, surface.r_sc), (r_th, surface.r_th)):
        slack = 1e-9 * abs(axis[-1])
        if not axis[0] - slack <= value <= axis[-1] + slack:
            raise ValueError(
                f"{what} (r_sc = {r_sc:g}, r_th = {r_th:g}) is outside the axes: r_sc runs from {surface.r_sc[0]:g} to "
                f"{surface.r_sc[-1]:g}, r_th from {surface.r_th[0]:g} to {surface.r_th[-1]:g}"
            )
    return r_sc, r_th
