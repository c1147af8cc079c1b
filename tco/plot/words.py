"""Colours, words and checks that the pictures share."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from roofline._labels import FONT_POINTS

PALETTE = ("#0072b2", "#e69f00", "#8c5fa8", "#56b4e9", "#d55e00", "#999999", "#cc79a7", "#f0e442")
"""Hues after Okabe and Ito, in an order that keeps neighbours apart in lightness, without their green and black."""

_LETTER = 0.58  # mean width of a letter over the size of its type


def ink(colour: Any) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def dark(colour: Any) -> str:
    """Darken a colour until text in it can be read on white."""
    red, green, blue = to_rgb(colour)
    kept = min(1.0, 0.42 / max(0.299 * red + 0.587 * green + 0.114 * blue, 1e-9))
    return to_hex((kept * red, kept * green, kept * blue))


def pale(colour: Any, *, share: float = 0.3) -> str:
    """Thin a colour with white until that share of it is left."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def percent(share: float) -> str:
    """Write a share as a percentage."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.2g} %"


def probability(share: float) -> str:
    """Write a probability as a percentage; one that is nearly nothing or nearly all is not rounded to it."""
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{100 * share:.0f} %" if share in (0, 1) or 0.095 < share < 0.905 else f"{100 * share:.1f} %"


def listed(names: Sequence[str]) -> str:
    """Write names as ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def require_pair(labels: Sequence[str], *, field: str = "labels") -> tuple[str, str]:
    """Check that what A and B are called is two names."""
    if isinstance(labels, str) or len(labels) != 2:
        raise ValueError(f"{field} = {labels!r} is not accepted: give two names, of A and of B")
    return str(labels[0]), str(labels[1])


def require_mapping(field: str, value: Any, what: str) -> Mapping[Any, Any]:
    """Check that something is a mapping that holds anything; the values stay unsaid, as they may be private."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"{field} is not accepted: give a mapping of {what}, with one entry at least")
    return value


def private_number(what: str, value: Any, *, above: float | None = None) -> float:
    """Check a number that may be private: an error names its place and what is accepted, and not the value."""
    accepted = "a finite number of at least 0" if above is None else f"a finite number above {above:g}"
    plain = np.asarray(value) if not isinstance(value, bool | np.bool_) else np.asarray("no number")
    if plain.shape == () and plain.dtype.kind in "iuf":
        number = float(plain)
        if math.isfinite(number) and (number >= 0 if above is None else number > above):
            return number
    raise ValueError(f"{what} is not accepted: give {accepted} (what was given is not shown, as it may be private)")


def width_points(ax: Axes) -> float:
    """Return the width of an axes [pt]; of one that fills a figure whose layout is yet to come, what it will be."""
    figure = ax.figure
    if isinstance(figure, Figure) and len(figure.axes) == 1 and figure.get_layout_engine() is not None:
        names = max(
            (text_points(tick.get_text(), float(tick.get_fontsize())) for tick in ax.get_yticklabels()), default=0.0
        )
        return max(float(figure.get_figwidth()) * 72 - names - 36, 72.0)
    return max(float(ax.get_window_extent().width * 72 / figure.dpi), 72.0)


def text_points(text: str, size: float = FONT_POINTS) -> float:
    """Estimate the width of a text before it is drawn [pt]."""
    return _LETTER * size * max(map(len, text.split("\n")), default=0)


def wrapped(ax: Axes, *sentences: str) -> list[str]:
    """Break small print into lines that are as long as the axes at most."""
    room = max(int(width_points(ax) / (0.54 * FONT_POINTS)), 20)  # small letters run a little narrower
    return textwrap.wrap("; ".join(sentence for sentence in sentences if sentence), room)


def key_columns(labels: Sequence[str], room_points: float) -> int:
    """Decide how many columns a key over the axes gets, so that it is as wide as the axes at most."""
    for columns in range(len(labels), 1, -1):
        wide = sum(max(text_points(label) for label in labels[start::columns]) + 26 for start in range(columns))
        if wide <= room_points:
            return columns
    return 1


def draw_key(ax: Axes, colours: Mapping[str, str]) -> int:
    """Draw a key between title and axes, to be read along its rows, and return how many rows it has."""
    labels = list(colours)
    columns = key_columns(labels, width_points(ax))
    # matplotlib fills a key by columns
    order = [name for start in range(columns) for name in labels[start::columns]]
    key = ax.legend(
        [Patch(facecolor=colours[name], edgecolor="white") for name in order],
        order,
        loc="lower left",
        bbox_to_anchor=Bbox.from_bounds(0.0, 1.0, 0.0, 0.0),
        ncols=columns,
        fontsize=FONT_POINTS,
        frameon=False,
        borderaxespad=0.25,
        borderpad=0.1,
        columnspacing=1.1,
        labelspacing=0.25,
        handlelength=1.0,
        handleheight=0.9,
        handletextpad=0.4,
    )
    for text in key.get_texts():
        text.set_parse_math(False)
    return -(-len(labels) // columns)


def keep_apart(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Give each name its colour, or the next one of the palette that no other has."""
    names = list(names)
    free = iter([colour for colour in PALETTE if colour not in {given.get(name) for name in names}] * len(names))
    return {name: given[name] if name in given else next(free) for name in names}
