"""Texts on the segments of stacked horizontal bars, placed for the size that a figure has when it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Annotation, Text

from roofline._labels import FONT_POINTS, spread
from tco.plot.words import dark, ink

_PAD = 2.0  # between a text and the ends of its segment [pt]


@dataclass(frozen=True)
class _Segment:
    note: Annotation
    row: float
    left: float
    right: float
    colour: Any


class SegmentTexts(Artist):
    """Texts of segments: inside where they fit, else left out, or lifted over the bar.

    Parameters
    ----------
    ax : Axes
        Where the bars are; the texts add themselves.
    height : float
        Of the bars, in rows.
    lift : bool
        Whether texts that do not fit are lifted over their bar, rather than left out.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> SegmentTexts(ax, height=0.6).write("12 %", row=0, left=0.0, right=0.5, colour="black").get_text()
    '12 %'
    >>> plt.close(figure)
    """

    def __init__(self, ax: Axes, *, height: float, lift: bool = False) -> None:
        super().__init__()
        self._ax, self._height, self._lift = ax, height, lift
        self._segments: list[_Segment] = []
        self.set_zorder(0)  # below every text, so that places are settled before any is drawn
        self.set_in_layout(False)
        ax.add_artist(self)

    def write(self, text: str, *, row: float, left: float, right: float, colour: Any) -> Annotation:
        """Write on a segment.

        Parameters
        ----------
        text : str
            Taken literally: a ``$`` does not start a formula.
        row, left, right : float
            The bar's place on y, and the segment's ends on x.
        colour : colour
            Of the segment.
        """
        note = self._ax.annotate(
            text,
            ((left + right) / 2, row),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=FONT_POINTS,
            color=ink(colour),
            parse_math=False,
            gid="segment",
        )
        note.set_in_layout(False)
        self._segments.append(_Segment(note, row, left, right, colour))
        return note

    def draw(self, renderer: RendererBase) -> None:
        """Place the texts for the size that the figure has now."""
        if not self.get_visible():
            return
        pixels = float(np.asarray(renderer.points_to_pixels(1.0), dtype=np.float64))
        lifted: dict[float, list[tuple[_Segment, float, float]]] = {}
        for segment in self._segments:
            segment.note.set_visible(True)  # else it has no extent
            extent = Text.get_window_extent(segment.note, renderer)
            (left, _), (right, _) = self._ax.transData.transform([(segment.left, 0), (segment.right, 0)])
            fits = extent.width + 2 * _PAD * pixels <= abs(right - left)
            _move(segment.note, (0.0, 0.0), ink(segment.colour))
            segment.note.set_visible(bool(fits or self._lift))
            if self._lift and not fits:
                lifted.setdefault(segment.row, []).append((segment, (left + right) / 2, extent.width))
        axes = self._ax.get_window_extent(renderer)
        for row, several in lifted.items():
            ends = self._ax.transData.transform([(0, row - self._height / 2), (0, row + self._height / 2)])[:, 1]
            up = abs(float(ends[1] - ends[0])) / 2 / pixels + FONT_POINTS / 2 + 2
            wanted, widths = [middle for _, middle, _ in several], [width + 4 * pixels for _, _, width in several]
            for (segment, middle, _), x in zip(several, spread(wanted, widths, axes.x0, axes.x1), strict=True):
                _move(segment.note, (round((x - middle) / pixels, 1), round(up, 1)), dark(segment.colour))


def _move(note: Annotation, offset: tuple[float, float], colour: str) -> None:
    """Place a text and colour it; what is unchanged stays untouched, or interactive windows redraw for ever."""
    if note.xyann != offset:
        note.xyann = offset
    if note.get_color() != colour:
        note.set_color(colour)
