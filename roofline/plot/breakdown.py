"""The times of a phase's operations as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from roofline._labels import FONT_POINTS
from roofline.phases import PhaseEstimate
from roofline.plot.plan import WORDS, by_name, digits, names_of, percent, require_scalars

# Okabe and Ito's palette without its black, in an order that keeps neighbours in a bar apart in lightness.
_BAR_COLOURS = ("#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#f0e442", "#999999")


def time_breakdown(*estimates: PhaseEstimate, ax: Axes | None = None, labels: Sequence[str] | None = None) -> Axes:
    """Draw the time of each estimate as a bar, stacked by operation, with the whole written at its end.

    Parameters
    ----------
    *estimates : PhaseEstimate
        One or more of scalar shape, on any machines; the first is the top bar.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    labels : sequence of str, optional
        Name of each bar; phase, workload and whatever else differs if not given.

    Returns
    -------
    Axes
        x in ms or µs.

    Raises
    ------
    ValueError
        No estimate, one that is not scalar, one whose ceilings overlap over the whole phase (its operations have no
        times that add up), or labels that are not one per estimate.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> llm, h100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> steps = [rl.decode(llm, h100, batch=64, context_tokens=tokens, precision="fp8") for tokens in (512, 8192)]
    >>> ax = time_breakdown(*steps)
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['decode: batch 64, context 512', 'decode: batch 64, context 8,192']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    require_scalars(estimates)
    for position, estimate in enumerate(estimates, start=1):
        if estimate.overlap == "perfect":
            raise ValueError(
                f"estimate {position} has overlap = 'perfect', where operations have no times of their own: "
                "give overlap='operation'"
            )
    names = names_of(estimates, labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 1.6 + 0.55 * len(estimates)), layout="constrained")[1]
    times = [
        {name: sum(float(part.time_s) for part in parts) for name, parts in by_name(estimate.operations).items()}
        for estimate in estimates
    ]
    totals = np.array([sum(of_phase.values()) for of_phase in times])
    operations = list(dict.fromkeys(name for of_phase in times for name in of_phase))
    unit, scale = ("ms", 1e3) if totals.max() >= 1e-3 else ("µs", 1e6)
    starts = np.zeros(len(estimates))
    for position, name in enumerate(operations):
        colour = _BAR_COLOURS[position % len(_BAR_COLOURS)]
        widths = np.array([of_phase.get(name, 0.0) for of_phase in times]) * scale
        ax.barh(
            range(len(estimates)),
            widths,
            left=starts,
            height=0.62,
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            label=WORDS.get(name, name),
        )
        for row, (start, width, total_s) in enumerate(zip(starts, widths, totals, strict=True)):
            if width >= 0.09 * totals.max() * scale:  # narrower ones have no room for text
                share = percent(width / (total_s * scale))
                place: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": FONT_POINTS, "color": _ink(colour)}
                ax.text(start + width / 2, row, share, **place)
        starts = starts + widths
    for row, whole in enumerate(starts):
        note: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        ax.annotate(f"{digits(whole)} {unit}", (whole, row), **note)
    ax.set_yticks(range(len(estimates)), names, fontsize=9, parse_math=False)
    ax.set_ylim(len(estimates) - 0.5, -0.5)
    ax.set_xlim(0, starts.max() * 1.15)
    kinds = ", ".join(dict.fromkeys(estimate.kind for estimate in estimates))
    ax.set_xlabel(f"time of the phase [{unit}], {kinds}; %: share of the bar")
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(operations),
        fontsize=FONT_POINTS,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.0,
        handlelength=1.0,
        handletextpad=0.4,
    )
    return ax


def _ink(colour: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
