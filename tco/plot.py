"""Pictures of the TCO surface: the table of ratios (Kim Figure 1) and its two regions (Kim Figure 2).

Both show where A is cheaper than B and where it is dearer, in server cost ratio (x) and throughput ratio (y), and take
``ax=None`` and return the matplotlib ``Axes`` that they drew on. What to show is decided first (:func:`plan_heatmap`,
:class:`RatioScale`: numbers without a pixel) and drawn then. Pictures know ratios only; :func:`save` writes them.
"""

from __future__ import annotations

import io
import math
import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._labels import FONT_POINTS, LabelPlacer, heading
from tco import ratio as formulas
from tco.surface import Surface

CHEAPER, DEARER = "#1b5aa6", "#c2560c"
"""Blue where A is cheaper, orange where it is dearer: told apart by colour-blind readers, and in grey by no one, which is
why every picture writes the ratios too."""

_MISSING = "#a9a9a9"
_LIMITS = (1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
_LEVELS = (0.5, 0.8, 1.0, 1.25, 2.0)
_LARGEST_DRAWN_AXIS = 1000  # cells; more than a screen has pixels for, so longer axes are thinned evenly
_Array = npt.NDArray[np.float64]
_Points = Mapping[str, tuple[float, float]]
_Arrows = Mapping[str, tuple[tuple[float, float], tuple[float, float]]]


# ---------------------------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True)
class RatioScale:
    """Colours of a ratio, symmetric about 1, so that 0.8× and 1.25× weigh the same.

    Attributes
    ----------
    limit : float
        ``k``: colours run from ``1/k`` to ``k``; what lies beyond takes the end's colour.
    clips_below, clips_above : bool
        Whether anything lies beyond.

    Examples
    --------
    >>> scale = RatioScale(limit=2.0, clips_below=False, clips_above=True)
    >>> scale.norm.vmin, scale.norm.vmax, scale.extend
    (0.5, 2.0, 'max')
    >>> scale.tick_labels
    ('0.5×', '0.67×', '0.8×', '1×', '1.25×', '1.5×', '2×')
    """

    limit: float
    clips_below: bool
    clips_above: bool

    @property
    def norm(self) -> LogNorm:
        """Logarithmic norm from ``1/k`` to ``k``."""
        return LogNorm(1 / self.limit, self.limit)

    @property
    def extend(self) -> str:
        """Ends of the colour bar that get an arrow, in matplotlib's words."""
        return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
            self.clips_below, self.clips_above
        ]

    @property
    def ticks(self) -> tuple[float, ...]:
        """Ratios written at the colour bar, in pairs ``1/t`` and ``t`` around 1, at most nine."""
        ladders = (
            (1.05, 1.1, 1.15, 1.2, 1.25),
            (1.25, 1.5, 2.0),
            (1.5, 2.0, 3.0),
            (2.0, 3.0, 5.0, 8.0),
            (2.0, 5.0, 10.0, 20.0),
            tuple(10.0**power for power in range(1, 13)),
        )
        k = self.limit * (1 + 1e-9)
        ladder = next((steps for steps in ladders if k < 1.5 * steps[-1]), ladders[-1])
        above = sorted({step for step in ladder if step <= k} or {self.limit})
        return (*(1 / step for step in reversed(above)), 1.0, *above)

    @property
    def tick_labels(self) -> tuple[str, ...]:
        """The ticks as ``0.5×``, ``1×``, ``2×``."""
        return tuple(_times(tick) for tick in self.ticks)


def ratio_scale(ratio: npt.ArrayLike, *, limit: float | None = None) -> RatioScale:
    """Choose the colour scale of some ratios.

    Parameters
    ----------
    ratio : array-like
        Ratios above 0; NaN is passed over.
    limit : float, optional
        ``k``, above 1. If not given, a round number that 95 % of the ratios lie within.

    Returns
    -------
    RatioScale

    Raises
    ------
    ValueError
        A limit that is not a finite number above 1.

    Examples
    --------
    >>> ratio_scale([0.6, 0.9, 1.7]).limit
    2.0
    """
    values = np.asarray(ratio, dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if limit is None:
        distance = float(np.exp(np.quantile(np.abs(np.log(values)), 0.95))) if values.size else 2.0
        limit = next((k for k in _LIMITS if distance <= k * (1 + 1e-9)), _LIMITS[-1])
    elif isinstance(limit, bool) or not (1 < limit < math.inf):
        raise ValueError(f"limit = {limit!r} is not accepted: give a finite number above 1, such as 2 for 0.5× to 2×")
    low, high = (float(values.min()), float(values.max())) if values.size else (1.0, 1.0)
    return RatioScale(float(limit), low < (1 - 1e-9) / limit, high > limit * (1 + 1e-9))


@dataclass(frozen=True, eq=False)
class HeatmapPlan:
    """What a heatmap shows.

    Attributes
    ----------
    r_sc, r_th : ndarray
        Axis values of the columns and rows drawn.
    ratio : ndarray
        Shape ``(len(r_th), len(r_sc))``.
    x_edges, y_edges : ndarray
        Borders of the cells, one more than values; on an evenly spaced axis every value is at its cell's centre.
    x_scale, y_scale : str
        ``linear``, or ``log`` where the axis is spaced evenly in logarithm.
    scale : RatioScale
        The colours.
    annotations : tuple of tuple of str, optional
        Text of each cell; ``None`` where cells are too small to read.
    """

    r_sc: _Array
    r_th: _Array
    ratio: _Array
    x_edges: _Array
    y_edges: _Array
    x_scale: str
    y_scale: str
    scale: RatioScale
    annotations: tuple[tuple[str, ...], ...] | None


def plan_heatmap(
    surface: Surface,
    *,
    limit: float | None = None,
    annotate: bool | None = None,
    size_points: tuple[float, float] = (430.0, 300.0),
) -> HeatmapPlan:
    """Decide what a heatmap of a surface shows.

    Parameters
    ----------
    surface : Surface
        From :func:`tco.surface`.
    limit : float, optional
        As for :func:`ratio_scale`.
    annotate : bool, optional
        Whether to write the ratio into every cell; where it fits if not given.
    size_points : (float, float)
        Width and height of the axes, which decide whether it fits [pt].

    Returns
    -------
    HeatmapPlan

    Raises
    ------
    ValueError
        Not a surface, or a bad limit.

    Examples
    --------
    >>> import tco
    >>> plan = plan_heatmap(tco.surface(r_th=[0.5, 1.0, 1.5], r_sc=[0.5, 1.0]))
    >>> plan.x_edges, plan.y_edges
    (array([0.25, 0.75, 1.25]), array([0.25, 0.75, 1.25, 1.75]))
    >>> plan.annotations
    (('1.50', '2.00'), ('0.75', '1.00'), ('0.50', '0.67'))
    """
    _require_surface(surface)
    columns, rows = _thin(surface.r_sc.size), _thin(surface.r_th.size)
    r_sc, r_th = surface.r_sc[columns], surface.r_th[rows]
    ratio = surface.ratio[np.ix_(rows, columns)]
    x_scale, y_scale = _axis_scale(r_sc), _axis_scale(r_th)
    x_edges, y_edges = cell_edges(r_sc, x_scale), cell_edges(r_th, y_scale)
    if annotate is None:
        width, height = _smallest_part(x_edges, x_scale), _smallest_part(y_edges, y_scale)
        annotate = width * size_points[0] >= 21 and height * size_points[1] >= 11
    texts = tuple(tuple(map(_ratio_text, row)) for row in ratio) if annotate else None
    return HeatmapPlan(
        r_sc, r_th, ratio, x_edges, y_edges, x_scale, y_scale, ratio_scale(ratio, limit=limit), texts
    )


def cell_edges(values: npt.ArrayLike, scale: str = "linear") -> npt.NDArray[np.float64]:
    """Borders of the cells around axis values: half way between neighbours, and as far beyond the ends.

    Parameters
    ----------
    values : array-like
        Strictly increasing, shape ``(n,)``; above 0 for ``log``.
    scale : {"linear", "log"}
        Half way in value or in logarithm.

    Returns
    -------
    ndarray
        Shape ``(n + 1,)``. A single value gets a cell of a tenth of it to both sides.

    Examples
    --------
    >>> cell_edges([1.0, 2.0, 4.0])
    array([0.5, 1.5, 3. , 5. ])
    >>> cell_edges([1.0, 4.0, 16.0], "log")
    array([ 0.5,  2. ,  8. , 32. ])
    """
    axis = np.asarray(values, dtype=np.float64)
    if scale == "log":
        return np.exp(cell_edges(np.log(axis)))
    if axis.size == 1:
        half = abs(axis[0]) / 10 or 0.1
        return np.array([axis[0] - half, axis[0] + half])
    middles = (axis[1:] + axis[:-1]) / 2
    return np.concatenate([[2 * axis[0] - middles[0]], middles, [2 * axis[-1] - middles[-1]]])


def _axis_scale(axis: _Array) -> str:
    """Return ``log`` for three or more values spaced evenly in logarithm and not in value."""
    if axis.size < 3 or axis[0] <= 0:
        return "linear"
    steps, ratios = np.diff(axis), np.diff(np.log(axis))
    even, even_in_log = (bool(np.ptp(gaps) <= 1e-3 * gaps.mean()) for gaps in (steps, ratios))
    return "log" if even_in_log and not even else "linear"


def _smallest_part(edges: _Array, scale: str) -> float:
    """Return the smallest cell's part of the axis."""
    places = np.log(edges) if scale == "log" else edges
    return float(np.diff(places).min() / (places[-1] - places[0]))


def _thin(size: int) -> npt.NDArray[np.intp]:
    """Choose which lines of an axis are drawn: all, or evenly spaced ones with both ends."""
    return np.unique(np.linspace(0, size - 1, min(size, _LARGEST_DRAWN_AXIS)).round().astype(np.intp))


def _times(ratio: float) -> str:
    return f"{float(f'{ratio:.2g}') if ratio < 1 else float(f'{ratio:.3g}'):g}×"


def _ratio_text(ratio: float) -> str:
    if not math.isfinite(ratio):
        return ""
    if ratio >= 9.995:
        return f"{ratio:,.0f}"
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.1g}"


# ---------------------------------------------------------------------------------------------------------- pictures


def heatmap(
    surface: Surface,
    *,
    ax: Axes | None = None,
    points: _Points | None = None,
    measured: Collection[str] = (),
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
        Names of the points that rest on measurements: they are filled, the assumed ones hollow.
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
        Not a surface, a point outside its axes, an unknown name in `measured`, a bad limit, or labels that are not two.

    Examples
    --------
    >>> import tco
    >>> s = tco.surface(r_th=np.linspace(0.2, 2.0, 10), r_sc=np.linspace(0.1, 1.5, 15))
    >>> ax = heatmap(s, points={"decode, fp8": (0.6, 0.9)}, labels=("Gaudi 2", "H100"))
    >>> ax.get_xlabel()
    'server cost ratio R_SC = Gaudi 2 / H100'
    >>> heatmap(s, points={"decode, fp8": (6, 0.9)})
    Traceback (most recent call last):
    ...
    ValueError: point 'decode, fp8' (r_sc = 6, r_th = 0.9) is outside the axes: r_sc runs from 0.1 to 1.5, r_th from 0.2 to 2
    >>> plt.close(ax.get_figure())
    """
    _require_surface(surface)
    names = _require_labels(labels)
    places = _require_points(surface, points, measured)
    if ax is None:
        size = (min(max(2.4 + 0.42 * surface.r_sc.size, 7.0), 10.5), min(max(1.8 + 0.3 * surface.r_th.size, 4.8), 8.0))
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
        rasterized=plan.ratio.size > 10_000,
        edgecolors="white" if plan.annotations else "none",
        linewidth=0.6 if plan.annotations else 0,
    )
    ax.set_facecolor(_MISSING)
    ax.set(xlim=plan.x_edges[[0, -1]], ylim=plan.y_edges[[0, -1]], xscale=plan.x_scale, yscale=plan.y_scale)
    _ticks(ax, plan)
    if plan.annotations is not None:
        _annotate(ax, plan, colours)
    bar = ax.figure.colorbar(mesh, ax=ax, extend=plan.scale.extend, pad=0.02)
    bar.ax.yaxis.set_major_locator(FixedLocator(plan.scale.ticks))
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _times(value)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.tick_params(labelsize=FONT_POINTS)
    bar.ax.set_ylabel(f"TCO of {names[0]} / TCO of {names[1]}; below 1×, {names[0]} is cheaper", parse_math=False)
    placer = LabelPlacer(ax)
    _draw_level(ax, surface, 1.0, plan.x_edges[[0, -1]], plan.y_edges[[0, -1]], placer, names)
    _draw_points(ax, surface, places, measured, placer)
    _finish(ax, surface, names, title, places, measured)
    return ax
