"""What a picture of the TCO surface shows: colours, cells and texts, decided without a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm

from tco.surface import Surface

CHEAPER, DEARER = "#1b5aa6", "#c2560c"
"""Blue where A is cheaper, orange where it is dearer, which colour-blind readers tell apart. In grey nobody does, so
pictures write ratios and names too."""

_MISSING = "#a9a9a9"
_LIMITS = (1.25, 1.5, 2.0, 4.0, 10.0, 100.0, 1000.0)
_TICKS = {1.25: (1.1, 1.25), 2.0: (1.25, 1.5, 2.0), 4.0: (1.5, 2.0, 3.0, 4.0), 10.0: (2.0, 5.0, 10.0)}
_LARGEST_DRAWN_AXIS = 1000  # cells; more than a screen has pixels for, so longer axes are thinned evenly
_Array = npt.NDArray[np.float64]


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
        k = self.limit * (1 + 1e-9)
        powers = tuple(10.0**power for power in range(1, 1 + max(1, int(math.log10(k)))))
        ladder = next((steps for largest, steps in _TICKS.items() if self.limit <= largest), powers)
        above = sorted({step for step in ladder if step <= k} or {self.limit})
        return (*(1 / step for step in reversed(above)), 1.0, *above)

    @property
    def tick_labels(self) -> tuple[str, ...]:
        """The ticks as ``0.5×``, ``1×``, ``2×``."""
        return tuple(times(tick) for tick in self.ticks)


def ratio_scale(ratio: npt.ArrayLike, *, limit: float | None = None) -> RatioScale:
    """Choose the colour scale of some ratios.

    Parameters
    ----------
    ratio : array-like
        Ratios above 0; NaN is passed over.
    limit : float, optional
        ``k``, above 1. If not given, a round number that 90 % of the ratios lie within.

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
        distance = float(np.exp(np.quantile(np.abs(np.log(values)), 0.9))) if values.size else 2.0
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
    require_surface(surface)
    columns, rows = _thin(surface.r_sc.size), _thin(surface.r_th.size)
    r_sc, r_th = surface.r_sc[columns], surface.r_th[rows]
    ratio = surface.ratio[np.ix_(rows, columns)]
    x_scale, y_scale = axis_scale(r_sc), axis_scale(r_th)
    x_edges, y_edges = cell_edges(r_sc, x_scale), cell_edges(r_th, y_scale)
    if annotate is None:
        width, height = _smallest_part(x_edges, x_scale), _smallest_part(y_edges, y_scale)
        annotate = width * size_points[0] >= 24 and height * size_points[1] >= 12
    texts = tuple(tuple(map(ratio_text, row)) for row in ratio) if annotate else None
    return HeatmapPlan(r_sc, r_th, ratio, x_edges, y_edges, x_scale, y_scale, ratio_scale(ratio, limit=limit), texts)


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


def axis_scale(axis: _Array) -> str:
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


def times(ratio: float) -> str:
    """Write a ratio as a multiple, such as ``0.5×``."""
    return f"{float(f'{ratio:.2g}') if ratio < 1 else float(f'{ratio:.3g}'):g}×"


def ratio_text(ratio: float) -> str:
    """Write a ratio as a cell of the table shows it; nothing where it is not finite."""
    if not math.isfinite(ratio):
        return ""
    if ratio >= 9.995:
        return f"{ratio:,.0f}"
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.1g}"


def ratio_colours() -> Colormap:
    """Colours from blue (A cheaper) over near-white (level) to orange-brown (A dearer), with grey for NaN.

    Examples
    --------
    >>> ratio_colours().name
    'tco-ratio'
    """
    steps = ("#12478f", "#4d8bc9", "#a9cdea", "#f7f7f5", "#fbc98f", "#e8822e", "#9c3d06")
    return LinearSegmentedColormap.from_list("tco-ratio", steps, N=511).with_extremes(bad=_MISSING)


def require_surface(surface: object) -> None:
    """Refuse what is not a surface."""
    if not isinstance(surface, Surface):
        raise ValueError(f"a surface cannot be a {type(surface).__name__}: give what tco.surface(...) returns")
