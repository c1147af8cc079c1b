"""Labels that keep off each other at any size of figure: of points inside the axes, and of lines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text

FONT_POINTS = 8.5
"""Size of the small print of a plot [pt]."""

_Boxes = npt.NDArray[np.float64]  # rows of left, bottom, right, top


def best_box(
    *,
    anchor: tuple[float, float],
    size: tuple[float, float],
    clearance: float,
    inside: tuple[float, float, float, float],
    taken: _Boxes,
    lines: npt.NDArray[np.float64],
) -> tuple[float, float, float, float]:
    """Choose where a label goes: inside, off every taken box, off the lines if that is near, close to its point.

    Parameters
    ----------
    anchor : (float, float)
        The point.
    size : (float, float)
        Width and height of the label.
    clearance : float
        Distance to keep from the point.
    inside : (float, float, float, float)
        Left, bottom, right, top of the axes.
    taken : ndarray
        Shape ``(n, 4)``: boxes of what must stay readable.
    lines : ndarray
        Shape ``(m, 2)``: places on lines, which a label may cover where nothing else is free.

    Returns
    -------
    (float, float, float, float)
        Left, bottom, right, top; all lengths in one unit, such as pixels.

    Examples
    --------
    A point in the upper right corner of its axes is labelled to its left or below:

    >>> box = best_box(anchor=(99.0, 99.0), size=(20.0, 10.0), clearance=2.0, inside=(0.0, 0.0, 100.0, 100.0),
    ...     taken=np.empty((0, 4)), lines=np.empty((0, 2)))
    >>> box[2] <= 100 and box[3] <= 100
    True
    """
    width, height = size
    reach = np.hypot(inside[2] - inside[0], inside[3] - inside[1])
    radii = clearance + np.arange(0.0, reach, max(height / 2, reach / 200))
    angles = np.radians(np.arange(0.0, 360.0, 15.0))
    radius, angle = (grid.ravel() for grid in np.meshgrid(radii, angles, indexing="ij"))
    x = anchor[0] + np.cos(angle) * (width / 2 + radius)
    y = anchor[1] + np.sin(angle) * (height / 2 + radius)
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    outside = np.maximum(inside[:2] - boxes[:, :2], 0).sum(axis=1) + np.maximum(boxes[:, 2:] - inside[2:], 0).sum(
        axis=1
    )
    overlap = np.clip(
        np.minimum(boxes[:, None, 2:], taken[None, :, 2:]) - np.maximum(boxes[:, None, :2], taken[None, :, :2]), 0, None
    )
    covered = overlap.prod(axis=2).sum(axis=1)
    within = (lines[None] > boxes[:, None, :2]).all(axis=2) & (lines[None] < boxes[:, None, 2:]).all(axis=2)
    crosses = np.any(within, axis=1)
    # To cover or to leave costs more than any distance; to cross a line as much as three heights of distance.
    cost = reach * (100 * outside / height + 100 * covered / (width * height)) + 3 * height * crosses + radius
    left, bottom, right, top = boxes[int(cost.argmin())]
    return float(left), float(bottom), float(right), float(top)


@dataclass(frozen=True)
class _Label:
    note: Annotation
    marker_points: float


class LabelPlacer(Artist):
    """Labels points of an axes, and places the labels anew whenever the figure is drawn.

    It draws nothing itself: it moves its annotations just before they are drawn, when sizes are known.

    Parameters
    ----------
    ax : Axes
        Where the points are; the placer adds itself.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> placer = LabelPlacer(ax)
    >>> placer.label("here", (0.5, 0.5)).get_text()
    'here'
    >>> plt.close(figure)
    """

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        self._ax = ax
        self._labels: list[_Label] = []
        self._points: list[tuple[tuple[float, float], float]] = []
        self._avoid: list[Text | Legend] = []
        self._lines: list[npt.NDArray[np.float64]] = []
        self._yielding: list[Text] = []
        self.set_zorder(0)  # below every text, so that places are settled before any is drawn
        self.set_in_layout(False)
        ax.add_artist(self)

    def label(
        self,
        text: str,
        point: tuple[float, float],
        *,
        colour: Any = "black",
        marker_points: float = 7.0,
        leader: bool = True,
    ) -> Annotation:
        """Label a point.

        Parameters
        ----------
        text : str
            Taken literally: a ``$`` does not start a formula.
        point : (float, float)
            In data coordinates.
        colour : colour
            Of the text and the leader line.
        marker_points : float
            Diameter of the point's marker, which every label keeps clear of [pt].
        leader : bool
            Whether a line joins the two where the label stands off.
        """
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        note = self._ax.annotate(
            text,
            point,
            xytext=(0, 0),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=FONT_POINTS,
            color=colour,
            zorder=6,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.92},
            arrowprops=line if leader else None,
            parse_math=False,
        )
        note.set_in_layout(False)
        self._labels.append(_Label(note, marker_points))
        return note

    def keep_off(self, *artists: Text | Legend) -> None:
        """Keep labels off other texts and legends."""
        self._avoid.extend(artists)

    def keep_off_point(self, point: tuple[float, float], *, marker_points: float = 7.0) -> None:
        """Keep labels off a point that has none of its own, such as an arrow's head; arguments as for :meth:`label`."""
        self._points.append((point, marker_points))

    def give_way(self, *texts: Text) -> None:
        """Hide those of the texts that a label, a marker or a text to keep off would cover in part."""
        self._yielding.extend(texts)

    def keep_off_line(self, points: npt.ArrayLike) -> None:
        """Keep labels off a line where there is room: shape ``(n, 2)``, in data coordinates."""
        self._lines.append(np.asarray(points, dtype=np.float64))

    def draw(self, renderer: RendererBase) -> None:
        """Place the labels for the size that the figure has now."""
        ax = self._ax
        if not self.get_visible():
            return
        pixels = float(np.asarray(renderer.points_to_pixels(1.0), dtype=np.float64))
        anchors = [ax.transData.transform(label.note.xy) for label in self._labels]
        taken = [_around(xy, label.marker_points / 2 * pixels) for xy, label in zip(anchors, self._labels, strict=True)]
        taken += [_around(ax.transData.transform(point), size / 2 * pixels) for point, size in self._points]
        taken += [np.asarray(artist.get_window_extent(renderer).extents) for artist in self._avoid]
        lines = self._places_on_lines(step=4 * pixels)
        axes = ax.get_window_extent(renderer)
        pad, side = 2 * pixels, 5 * pixels  # of the white box; labels side by side must not read as one
        for (x, y), label in zip(anchors, self._labels, strict=True):
            extent = Text.get_window_extent(label.note, renderer)
            box = best_box(
                anchor=(x, y),
                size=(extent.width + 2 * side, extent.height + 2 * pad),
                clearance=label.marker_points / 2 * pixels,
                inside=(axes.x0, axes.y0, axes.x1, axes.y1),
                taken=np.asarray(taken).reshape(-1, 4),
                lines=lines,
            )
            taken.append(np.asarray(box))
            offset = (round((box[0] + side - x) / pixels, 1), round((box[1] + pad - y) / pixels, 1))
            if offset != label.note.xyann:  # unchanged must stay unchanged, or interactive windows redraw for ever
                label.note.xyann = offset
            gap = np.hypot(*np.maximum(np.maximum(np.subtract(box[:2], (x, y)), np.subtract((x, y), box[2:])), 0))
            if label.note.arrow_patch is not None:
                stands_off = bool(gap > label.marker_points / 2 * pixels + 6 * pixels)
                label.note.arrow_patch.set_visible(stands_off)
                if stands_off:  # labels yet to be placed keep off its line
                    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
                    taken += [_around(xy, pixels) for xy in np.linspace((x, y), middle, 20)]
        covers = np.asarray(taken).reshape(-1, 4)
        for text in self._yielding:
            text.set_visible(True)  # else it has no extent
            left, bottom, right, top = text.get_window_extent(renderer).extents
            apart = (covers[:, 0] > right) | (covers[:, 2] < left) | (covers[:, 1] > top) | (covers[:, 3] < bottom)
            text.set_visible(bool(apart.all()))

    def _places_on_lines(self, step: float) -> npt.NDArray[np.float64]:
        """Sample the lines every few pixels, in pixels."""
        places = [np.empty((0, 2))]
        for line in self._lines:
            xy = self._ax.transData.transform(line)
            for start, end in pairwise(xy):
                count = int(min(np.hypot(*(end - start)) / step, 2000)) + 2
                places.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
        return np.concatenate(places)


def _around(xy: npt.NDArray[np.float64], radius: float) -> npt.NDArray[np.float64]:
    return np.array([xy[0] - radius, xy[1] - radius, xy[0] + radius, xy[1] + radius])


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Move intervals apart as little as possible, in the least-squares sense, keeping their order.

    Parameters
    ----------
    wanted : sequence of float
        Where the middle of each interval would best be.
    sizes : sequence of float
        Their lengths.
    low, high : float
        Ends of the room; where it is too short for all, they run over its upper end.

    Returns
    -------
    list of float
        The middles.

    Examples
    --------
    >>> spread([5.0, 5.0], [2.0, 2.0], low=0.0, high=10.0)
    [4.0, 6.0]
    >>> spread([9.5, 1.0], [2.0, 2.0], low=0.0, high=10.0)
    [9.0, 1.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    below = [0.0]  # what the intervals further down fill
    for i in order:
        below.append(below[-1] + sizes[i])
    blocks: list[list[float]] = []  # sum and number of the starts, if all below were of no size; merged while they fall
    for position, i in enumerate(order):
        blocks.append([wanted[i] - sizes[i] / 2 - below[position], 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    starts = [total / count for total, count in blocks for _ in range(int(count))]
    middles = [0.0] * len(wanted)
    for position, i in enumerate(order):
        start = max(low, min(starts[position], high - below[-1]))
        middles[i] = start + below[position] + sizes[i] / 2
    return middles


class MarginLabels(Artist):
    """Labels beside the right edge of an axes, each joined to its height, that spread when they would meet.

    Parameters
    ----------
    ax : Axes
        What is labelled; the labels add themselves to it.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> labels = MarginLabels(ax)
    >>> labels.label("here", 0.5).get_text()
    'here'
    >>> plt.close(figure)
    """

    _GAP = 11.0  # from the edge of the axes to the text, room for a slanted leader [pt]

    def __init__(self, ax: Axes) -> None:
        super().__init__()
        self._ax = ax
        self._notes: list[Annotation] = []
        self.set_zorder(0)
        self.set_in_layout(False)
        ax.add_artist(self)

    def label(self, text: str, y: float, *, colour: Any = "black", gid: str = "margin label") -> Annotation:
        """Label a height.

        Parameters
        ----------
        text : str
            Taken literally: a ``$`` does not start a formula.
        y : float
            In data coordinates.
        colour : colour
            Of the text and the leader line.
        gid : str
            Under which it is found.
        """
        note = self._ax.annotate(
            text,
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(self._GAP, 0.0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=FONT_POINTS,
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.7,
                "shrinkA": 1,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
            parse_math=False,
            linespacing=1.05,
            gid=gid,
        )
        self._notes.append(note)
        return note

    def draw(self, renderer: RendererBase) -> None:
        """Spread the labels for the size that the figure has now."""
        if not self.get_visible() or not self._notes:
            return
        pixels = float(np.asarray(renderer.points_to_pixels(1.0), dtype=np.float64))
        axes = self._ax.get_window_extent(renderer)
        wanted = [float(self._ax.transData.transform((1.0, note.xy[1]))[1]) for note in self._notes]
        sizes = [Text.get_window_extent(note, renderer).height + 2 * pixels for note in self._notes]
        slack = sizes[0] / 2  # the outermost may be at the very edge of the axes
        middles = spread(wanted, sizes, axes.y0 - slack, axes.y1 + slack)
        for note, y, middle in zip(self._notes, wanted, middles, strict=True):
            offset = (self._GAP, round((middle - y) / pixels, 1))
            if offset != note.xyann:  # unchanged must stay unchanged, or interactive windows redraw for ever
                note.xyann = offset


def heading(ax: Axes, title: str, *small_print: str) -> Text:
    """Give an axes a title, and lines of small print between the two.

    Parameters
    ----------
    ax : Axes
        What is headed.
    title : str
        Taken literally: a ``$`` does not start a formula.
    *small_print : str
        One per line, taken literally; empty ones are left out.

    Returns
    -------
    Text
        The small print.
    """
    lines = [line for line in small_print if line]
    ax.set_title(title or " ", loc="left", fontsize=11, pad=7 + 12 * len(lines), parse_math=False)
    text = ax.annotate(
        "\n".join(lines),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=FONT_POINTS,
        color="#444444",
        va="bottom",
        parse_math=False,
        gid="small print",
    )
    text.set_in_layout(False)  # the title makes the room in height, and a long line must not squeeze the axes
    return text
