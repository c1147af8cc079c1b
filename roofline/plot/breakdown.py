"""The times of a phase's operations, as bars and as bands over batch or length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._labels import FONT_POINTS, MarginLabels, heading
from roofline._validation import choice
from roofline.estimates import PhaseEstimate
from roofline.plot.breakdown_plan import BreakdownPlan, largest, plan_breakdown, require_all_sum
from roofline.plot.plan import by_name, require_scalars
from roofline.plot.words import device_name, digits, names_of, percent, word

# Okabe and Ito's palette without its black, in an order that keeps neighbours in a bar apart in lightness.
_BAR_COLOURS = ("#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#f0e442", "#999999")


def time_breakdown(*estimates: PhaseEstimate, ax: Axes | None = None, labels: Sequence[str] | None = None) -> Axes:
    """Draw the time of each estimate as a bar, stacked by operation, with the whole written at its end.

    Of more than eight operations, the smallest are one part of the bar.

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
        No estimate, one that is not scalar, one whose operations overlap, so that their times do not add up, or labels
        that are not one per estimate.

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
    require_all_sum(estimates)
    names = names_of(estimates, labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 1.6 + 0.55 * len(estimates)), layout="constrained")[1]
    times = [
        {name: sum(float(part.time_s) for part in parts) for name, parts in by_name(estimate.operations).items()}
        for estimate in estimates
    ]
    totals = np.array([sum(of_phase.values()) for of_phase in times])
    every = dict.fromkeys(name for of_phase in times for name in of_phase)
    gathered = largest({name: np.array([of_phase.get(name, 0.0) for of_phase in times]) for name in every})
    operations = list(gathered)
    unit, scale = ("ms", 1e3) if totals.max() >= 1e-3 else ("µs", 1e6)
    starts = np.zeros(len(estimates))
    for position, name in enumerate(operations):
        colour = _BAR_COLOURS[position % len(_BAR_COLOURS)]
        widths = gathered[name] * scale
        ax.barh(
            range(len(estimates)),
            widths,
            left=starts,
            height=0.62,
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            label=word(name),
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
        ncols=len(operations) if len(operations) <= 6 else -(-len(operations) // 2),
        fontsize=FONT_POINTS,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.0,
        handlelength=1.0,
        handletextpad=0.4,
    )
    return ax


def breakdown_over(
    estimate: PhaseEstimate,
    *,
    by: Literal["batch", "context", "prompt"] | None = None,
    values: Literal["share", "time"] = "share",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how the time of a phase divides over its operations, along batch or length, as stacked bands.

    Bands are straight between the points that were computed. Of more than eight operations the smallest are one band.

    Parameters
    ----------
    estimate : PhaseEstimate
        With one axis: an ascending array of batches, or of context or prompt tokens.
    by : {"batch", "context", "prompt"}, optional
        What x is; whichever of batch and length varies if not given.
    values : {"share", "time"}
        Shares of the phase's time, or the times themselves.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Phase and machine if not given.

    Returns
    -------
    Axes
        x is the batch or the tokens of each sequence, logarithmic where it spans more than a factor of 4; y is in % or
        ms.

    Raises
    ------
    ValueError
        An estimate without such an axis, or one whose operations overlap, so that their times do not add up.

    References
    ----------
    Kim VI-A and VI-C: attention takes over from the linear layers as sequences grow.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> llm, gaudi2 = rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2")
    >>> d = rl.decode(llm, gaudi2, batch=64, context_tokens=[512, 1024, 2048, 4096, 8192], precision="fp8")
    >>> ax = breakdown_over(d)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('context [tokens]', "share of the phase's time [%]")
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    choice("values", values, ("share", "time"))
    plan = plan_breakdown(estimate, by=by)
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 4.6), layout="constrained")[1]
    unit, scale = ("%", 100.0) if values == "share" else ("ms", 1e3) if plan.total_s.max() >= 1e-3 else ("µs", 1e6)
    bands = plan.shares if values == "share" else plan.times_s
    margin, low = MarginLabels(ax), np.zeros_like(plan.x)
    for position, (name, band) in enumerate(bands.items()):
        colour = _BAR_COLOURS[position % len(_BAR_COLOURS)]
        high = low + band * scale
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.8}
        ax.fill_between(plan.x, low, high, gid=f"band {name}", **style)
        last = f"{percent(float(band[-1]))}" if values == "share" else f"{digits(float(band[-1]) * scale)} {unit}"
        margin.label(f"{word(name)} {last}", float((low[-1] + high[-1]) / 2), colour=_dark(colour))
        low = high
    ax.set(xlim=(plan.x[0], plan.x[-1]), ylim=(0, float(low.max())))
    set_length_axis(ax, plan.x)
    ax.set_xlabel(plan.axis_label)
    ax.set_ylabel(f"share of the phase's time [{unit}]" if values == "share" else f"time of the phase [{unit}]")
    ax.tick_params(labelsize=FONT_POINTS)
    if not plan.fits.all() and plan.fits.any():
        ax.axvline(float(plan.x[plan.fits].max()), color="black", linewidth=1.2, linestyle=(0, (2, 2)), gid="fits")
    other = "tokens" if plan.by == "batch" else "batch"
    ranges = {"batch": "batch", "tokens": "context" if estimate.phase == "decode" else "prompt"}
    of = [f"{estimate.llm.name} in {estimate.precision.name}", f"{ranges[other]} {_span(getattr(estimate, other))}"]
    heading(
        ax,
        title if title is not None else f"{estimate.phase} on {device_name(estimate.devices, estimate.machine.name)}",
        f"{', '.join(of)}, {estimate.kind}; at the right edge: {plan.by} {float(plan.x[-1]):,g}",
        _fitting(plan),
    )
    return ax


def _fitting(plan: BreakdownPlan) -> str:
    """Say up to where the phase fits in memory, if not everywhere."""
    if plan.fits.all():
        return ""
    if not plan.fits.any():
        return "none of this fits in memory"
    return f"dotted: the last that fits in memory, {plan.by} {float(plan.x[plan.fits].max()):,g}"


def set_length_axis(ax: Axes, x: Any) -> None:
    """Make x logarithmic where it spans more than a factor of 4, with ticks at the values, or at some of many."""
    low, high = float(np.min(x)), float(np.max(x))
    if high <= 4 * low:
        return
    ax.set_xscale("log", base=2)
    ticks = np.unique(np.ravel(x))
    if len(ticks) > 12:
        ticks = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    ax.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 12)].tolist()))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _span(values: Any) -> str:
    """Write one number, or the range of many."""
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:,g}" if low == high else f"{low:,g} to {high:,g}"


def _dark(colour: str) -> str:
    """Darken a colour until its text can be read on white."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    while rgb @ (0.299, 0.587, 0.114) > 115:
        rgb = rgb * 0.95
    return "#" + "".join(f"{int(part):02x}" for part in rgb)


def _ink(colour: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
