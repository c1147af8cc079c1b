"""Measured runs against the model, drawn: over length and batch (Kim Figure 6), as a parity plot, as residuals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from roofline._arrays import Array
from roofline._labels import FONT_POINTS, LabelPlacer, MarginLabels, heading
from roofline.measurements.records import Runs
from roofline.plot.against_plan import AgainstPlan, MeasuredSeries, ModelLine, plan_against_roofline
from roofline.plot.breakdown import set_length_axis
from roofline.plot.compared import LEVEL, QUANTITIES, Calibrations, Compared, HeldOut, Source
from roofline.plot.measured_plan import plan_parity, plan_residuals, times
from roofline.plot.sweeps import LINE_COLOURS
from roofline.plot.words import percent

_MARKERS = "osD^vP"
_DASHED = (0, (5, 2.5))
_GREY, _BAND, _INK = "#8c8c8c", "#dbe7f3", "#4a4a4a"
_BLUE, _ORANGE = LINE_COLOURS[0], LINE_COLOURS[1]
_LIGHT = 0.16  # of a band in the colour of its line
_RATIOS = (1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_BY = {
    "batch": "batch [sequences]",
    "tokens": "tokens of a request: prompt and output, or context",
    "layout": "devices",
    "pair": "machine and software",
    "llm": "",
}


def against_roofline(
    runs: Runs,
    *,
    calibration: Calibrations = None,
    x: str | None = None,
    y: str = "tokens_per_s",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw measured runs over length or batch, against the ideal roofline and a calibrated model (Kim Figure 6).

    Runs that differ in nothing but `x` are a series: points, the ideal roofline of the same work as a dashed line, and
    the calibrated model as a line within its 90 % interval. Without a calibration a line joins the points instead.
    Flagged runs are hollow. Several machines are told apart by colour; a panel for each is a call with each.

    Parameters
    ----------
    runs : Runs
        Generations, prefills, decode steps or products, of at most six names (models, machines, software) and six
        numbers (batches, lengths, power limits).
    calibration : Calibration or sequence of Calibration, optional
        Of the machines; of several, each series takes that of its machine and framework.
    x : {"context_tokens", "prompt_tokens", "output_tokens", "batch", "m"}, optional
        The first of these that varies if not given. Where output grows with the prompt, both are one axis.
    y : {"tokens_per_s", "output_tokens_per_s", "tflops", "efficiency"}
        Throughput of all devices, TFLOPS of one of them, or the share of the ideal roofline.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        What all runs share if not given.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Nothing to draw, nothing that varies, or more series than can be told apart.

    References
    ----------
    Kim V-B, Figure 6.

    Examples
    --------
    Kim Table IV, the 8B model on an H200 with and without a cap of 400 W:

    >>> from roofline.measurements import published
    >>> ax = against_roofline(published("kim2025-table4").where(llm="llama-3.1-8b"), y="tflops")
    >>> ax.get_title(loc="left"), ax.get_xlabel()
    ('decode of Llama 3.1 8B on NVIDIA H200 SXM5 141GB', 'context [tokens]')
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_against_roofline(runs, calibration=calibration, x=x, y=y)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 4.8), layout="constrained")[1]
    margin = MarginLabels(ax)
    ax.set_ylim(*plan.y_range)
    if plan.log_y:
        _set_log_y(ax)
    for line in plan.lines:
        _draw_line(ax, line, plan)
    for index, series in enumerate(plan.series):
        _draw_series(ax, series, joined=not plan.has_line(index), among=index)
    for text, height, colour in _end_labels(plan):
        margin.label(text, height, colour=colour)
    places = np.unique(np.concatenate([one.x for one in plan.series]))
    set_length_axis(ax, places)
    low, high = float(places[0]), float(places[-1])
    edge = (high / low) ** 0.04 if ax.get_xscale() == "log" else 1.0
    ax.set_xlim(*((low / edge, high * edge) if edge > 1 else _wider(low, high)))
    ax.set_xlabel(plan.x_label)
    ax.set_ylabel(QUANTITIES[plan.y])
    scale = 100 if plan.y == "efficiency" else 1
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{scale * value:,.6g}"))
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=FONT_POINTS)
    keyed = _draw_key(ax, plan)
    heading(ax, title if title is not None else plan.title, *_against_print(ax, plan), *([" "] if keyed else []))
    return ax


def parity(
    runs: Source,
    calibration: Calibrations = None,
    *,
    held_out: HeldOut = "llm",
    of: str = "tokens_per_s",
    by: str | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw measured against predicted throughput, with the 90 % interval around the diagonal.

    The farthest runs outside their interval are numbered, and named beside the picture. Flagged runs are hollow, and no
    error counts them. Where runs have intervals of unlike widths the band is the median one; the share of runs within
    is counted with each run's own.

    Parameters
    ----------
    runs : Runs, Studied or sequence of Studied
        What was measured, or what :func:`roofline.calibration.study` made of it, which has predictions of what was
        held out.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines of `runs`; the ideal roofline without.
    held_out : {"llm", "batch"} or None
        Of what was studied: predictions of each run while its model or its batch was held out, or the fit to all.
    of : {"tokens_per_s", "output_tokens_per_s", "tflops", "efficiency"}
        Quantity of each run.
    by : {"llm", "pair", "accelerator", "framework", "precision", "phase", "layout"}, optional
        What colours tell apart: the model if not given, or of several machines what has few enough values.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Machine and software, and the mean absolute percentage error, if not given.

    Returns
    -------
    Axes
        Logarithmic, x predicted and y measured.

    Raises
    ------
    ValueError
        Nothing of which something is predicted.

    Examples
    --------
    >>> import roofline as rl
    >>> from roofline.measurements import published
    >>> runs = published("kim2025-table4").where(power_limit_w=700)
    >>> ax = parity(runs, rl.calibrate(runs, shipped=False), of="tflops")
    >>> ax.get_title(loc="left")
    'NVIDIA H200 SXM5 141GB: measured against predicted, MAPE ... %'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_parity(runs, calibration, held_out=held_out, of=of, by=by)
    compared = plan.compared
    if ax is None:
        ax = plt.subplots(figsize=(9.2, 6.0), layout="constrained")[1]
    ax.set(xscale="log", yscale="log", xlim=plan.ends, ylim=plan.ends, aspect="equal")
    ends = np.array(plan.ends)
    if compared.band is not None:
        low, high = ends * np.exp(-compared.band), ends * np.exp(compared.band)
        ax.fill_between(ends, low, high, color=_BAND, linewidth=0, zorder=1, gid="band")
    ax.plot(ends, ends, color="black", linewidth=1.0, zorder=2, gid="diagonal")
    size = _size(len(compared.measured))
    handles: list[Any] = []
    for turn, (name, rows) in enumerate(plan.groups):
        colour, marker = _look(turn, last_is_rest=name.endswith(" others"))
        for hollow in (False, True):
            at = rows[compared.flagged[rows] == hollow]
            if len(at):
                _scatter(
                    ax, compared.predicted[at], compared.measured[at], colour, marker, size, hollow, f"runs {name}"
                )
        label = f"{name} ({len(rows):,})"
        handles.append(Line2D([], [], linestyle="", marker=marker, markersize=5.5, color=colour, label=label))
    placer = LabelPlacer(ax)
    placer.keep_off_line(np.stack([ends, ends], axis=1))
    if compared.band is not None:
        handles.append(Patch(color=_BAND, label=_band_words(compared).replace(", ", ",\n")))
    handles.append(Line2D([], [], color="black", linewidth=1.0, label="measured as predicted"))
    if plan.outliers:
        handles.append(Line2D([], [], linestyle="", label="\nfarthest outside their interval:"))
    for turn, (index, text) in enumerate(plan.outliers, 1):
        point = float(compared.predicted[index]), float(compared.measured[index])
        placer.label(str(turn), point, colour="black").set_gid("outlier")
        label = textwrap.fill(", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in text.split(", ")), 44)
        handles.append(Line2D([], [], linestyle="", marker=f"${turn}$", markersize=6, color="black", label=label))
    _legend(ax, handles, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    for axis in (ax.xaxis, ax.yaxis):
        _set_log(axis, plan.ends, most=2.4)
    unit = QUANTITIES[of]
    ax.set_xlabel(f"predicted: {unit}")
    ax.set_ylabel(f"measured: {unit}")
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=FONT_POINTS)
    headline = f"{plan.title}: measured against predicted, MAPE {_share(compared.mape)}"
    heading(ax, title if title is not None else headline, *_small_print(ax, compared, plan.outside))
    return ax


def residuals(
    runs: Source,
    calibration: Calibrations = None,
    *,
    by: str = "batch",
    held_out: HeldOut = "llm",
    of: str = "tokens_per_s",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how far measured throughput is from what is predicted, by batch, length, model or whatever else.

    Each run is a point; a box holds the middle half of a category, and a line across it its median. The axis is
    symmetric in the ratio: half as fast is as far from zero as twice as fast.

    Parameters
    ----------
    runs : Runs, Studied or sequence of Studied
        What was measured, or what :func:`roofline.calibration.study` made of it, which has predictions of what was
        held out.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines of `runs`; the ideal roofline without.
    by : {"batch", "tokens", "llm", "pair", "accelerator", "framework", "precision", "phase", "layout"}
        Categories; many numbers are put together by powers of two.
    held_out : {"llm", "batch"} or None
        Of what was studied: predictions of each run while its model or its batch was held out, or the fit to all.
    of : {"tokens_per_s", "output_tokens_per_s", "tflops", "efficiency"}
        Quantity of each run.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        Machine and software, and the mean absolute percentage error, if not given.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        Nothing of which something is predicted.

    Examples
    --------
    >>> import roofline as rl
    >>> from roofline.measurements import published
    >>> runs = published("kim2025-table4").where(power_limit_w=700)
    >>> ax = residuals(runs, rl.calibrate(runs, shipped=False), by="llm")
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['Llama 3...', 'Llama 3...']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_residuals(runs, calibration, by=by, held_out=held_out, of=of)
    compared = plan.compared
    turned = max(len(group.name) for group in plan.groups) > 60 / len(plan.groups) + 4
    if ax is None:
        width = min(max(6.4, 1.6 + 0.75 * len(plan.groups)), 14.0)
        ax = plt.subplots(figsize=(width, 6.4 if turned else 4.8), layout="constrained")[1]
    ax.set(yscale="log", xlim=(-0.6, len(plan.groups) - 0.4), ylim=(1 / plan.farthest, plan.farthest))
    if compared.band is not None:
        half = float(np.exp(compared.band))
        ax.axhspan(1 / half, half, color=_BAND, linewidth=0, zorder=0, gid="band")
    ax.axhline(1.0, color="black", linewidth=1.0, zorder=1, gid="zero")
    size = _size(len(compared.measured))
    for place, group in enumerate(plan.groups):
        if group.quartiles is not None:
            low, median, high = group.quartiles
            box: dict[str, Any] = {"facecolor": "#ffffff", "alpha": 0.65, "edgecolor": _GREY, "linewidth": 0.9}
            ax.bar(place, high - low, 0.62, low, zorder=2, gid=f"box {group.name}", **box)
            across: dict[str, Any] = {"color": _ORANGE, "linewidth": 2.2, "zorder": 4 if group.count > 3 else 2.5}
            ax.plot([place - 0.31, place + 0.31], [median, median], gid=f"median {group.name}", **across)
        at = place + _jitter(len(group.ratios))
        for hollow in (False, True):
            rows = group.flagged == hollow
            if rows.any():
                _scatter(ax, at[rows], group.ratios[rows], _BLUE, "o", size, hollow, f"runs {group.name}")
    _set_ratio_axis(ax, plan.farthest)
    names = [f"{group.name}\n{times(group.count, 'run')}" for group in plan.groups]
    style: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    ax.set_xticks(range(len(names)), [name.replace("\n", ", ") for name in names] if turned else names, **style)
    for text in ax.get_xticklabels():
        text.set_parse_math(False)
    ax.tick_params(labelsize=FONT_POINTS)
    ax.set_xlabel(_BY.get(by, by))
    ax.set_ylabel("measured over predicted throughput")
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    headline = f"{plan.title}: residuals by {_noun(by)}, MAPE {_share(compared.mape)}"
    boxes = "box: middle half of the runs; orange: median"
    band = "" if compared.band is None else f"; band: {_band_words(compared)}"
    heading(ax, title if title is not None else headline, *_small_print(ax, compared, plan.outside), f"{boxes}{band}")
    return ax


# ---------------------------------------------------------------------------------------------------- lines and points


def _draw_line(ax: Axes, line: ModelLine, plan: AgainstPlan) -> None:
    colour = _colour_of(line, plan)
    dashes: dict[str, Any] = {
        "linestyle": _DASHED if line.kind == "ideal" else "-",
        "linewidth": 1.2 if line.kind == "ideal" else 1.7,
    }
    ax.plot(line.x, line.y, color=colour, zorder=2, gid=f"{line.kind} {line.name}", **dashes)
    if line.kind == "calibrated":
        ax.fill_between(
            line.x, line.low, line.high, color=colour, alpha=_LIGHT, linewidth=0, zorder=1, gid=f"band {line.name}"
        )


def _draw_series(ax: Axes, series: MeasuredSeries, *, joined: bool, among: int) -> None:
    colour, marker = LINE_COLOURS[series.colour], _MARKERS[series.marker]
    clean = ~series.flagged
    if joined and clean.any():
        x = np.unique(series.x[clean])
        y = [np.exp(np.log(series.y[clean & (series.x == at)]).mean()) for at in x]
        ax.plot(x, y, color=colour, linewidth=1.3, zorder=2, gid=f"joined {series.name or among}")
    for hollow in (False, True):
        rows = series.flagged == hollow
        if rows.any():
            _scatter(ax, series.x[rows], series.y[rows], colour, marker, 34, hollow, f"measured {series.name or among}")


def _scatter(ax: Axes, x: Array, y: Array, colour: str, marker: str, size: float, hollow: bool, gid: str) -> None:
    edge = colour if hollow else "white"
    face = "none" if hollow else colour
    wide = 1.0 if hollow else 0.4
    ax.scatter(
        x, y, s=size, marker=marker, facecolors=face, edgecolors=edge, linewidths=wide, zorder=3,
        gid=f"flagged {gid}" if hollow else gid,
    )  # fmt: skip


def _colour_of(line: ModelLine, plan: AgainstPlan) -> str:
    """Return the colour of a line's series; grey where they are of several."""
    colours = {plan.series[index].colour for index in line.series}
    return LINE_COLOURS[colours.pop()] if len(colours) == 1 else _INK


def _end_labels(plan: AgainstPlan) -> list[tuple[str, float, str]]:
    """Return a label for each series, at the end of its line: calibrated, else ideal; else at its last point."""
    words = {"ideal": "ideal roofline", "calibrated": "calibrated"}
    labels, labelled = [], set[int]()
    for kind in ("calibrated", "ideal"):
        for line in plan.lines:
            ends = line.y[~np.isnan(line.y)]
            if line.kind == kind and (not line.name or not labelled >= set(line.series)):
                labels.append((line.name or words[kind], float(ends[-1]), _colour_of(line, plan)))
                labelled |= set(line.series)
    for index, series in enumerate(plan.series):
        if index not in labelled and series.name:
            labels.append((series.name, float(series.y[-1]), LINE_COLOURS[series.colour]))
    return labels


def _draw_key(ax: Axes, plan: AgainstPlan) -> bool:
    """Say what markers mean where no label at the edge does."""
    named = {line.name for line in plan.lines}
    if len(plan.series) == 1 or all(series.name in named for series in plan.series):
        return False
    by_colour = plan.colours != plan.markers
    if by_colour and len(plan.markers) == 1:
        return False
    handles = [
        Line2D(
            [], [], linestyle="", marker=_MARKERS[turn], markersize=6, color=_INK if by_colour else LINE_COLOURS[turn],
            label=name or "other",
        )
        for turn, name in enumerate(plan.markers)
    ]  # fmt: skip
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": len(handles)}
    _legend(ax, handles, borderpad=0.1, handletextpad=0.1, columnspacing=1.2, **place)
    return True


def _legend(ax: Axes, handles: Sequence[Any], **where: Any) -> None:
    legend = ax.legend(handles=handles, fontsize=FONT_POINTS, frameon=False, borderaxespad=0.2, **where)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _look(turn: int, *, last_is_rest: bool) -> tuple[str, str]:
    return (_GREY, "X") if last_is_rest else (LINE_COLOURS[turn], _MARKERS[turn])


def _size(count: int) -> float:
    """Return the area of a marker [pt²]: smaller where there are many."""
    return float(np.clip(3000 / count, 9, 30))


def _jitter(count: int) -> Array:
    """Return places beside each other, the same every time."""
    return 0.5 * (np.arange(count) * 0.6180339887 % 1 - 0.5) if count > 1 else np.zeros(count)


# -------------------------------------------------------------------------------------------------------------- axes


def _set_log_y(ax: Axes) -> None:
    ends = ax.get_ylim()
    ax.set_yscale("log")
    ax.set_ylim(*ends)
    _set_log(ax.yaxis, ends)


def _set_log(axis: Any, ends: tuple[float, float], *, most: float = 3.0) -> None:
    """Give a logarithmic axis ticks at 1, 2 and 5 where it spans few decades, fewer where it spans more."""
    decades = np.log10(ends[1] / ends[0])
    subs = (1.0, 2.0, 5.0) if decades < most else (1.0, 3.0) if decades < 1.5 * most else (1.0,)
    axis.set_major_locator(LogLocator(10, subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def _set_ratio_axis(ax: Axes, farthest: float) -> None:
    """Give ticks to an axis of ratios, the same factor up and down, as differences in percent."""
    apart = np.log(farthest) / 7
    kept: list[float] = []
    for ratio in _RATIOS:
        if ratio < farthest and np.log(ratio) - (np.log(kept[-1]) if kept else 0.0) >= apart:
            kept.append(ratio)
    ticks = [1 / ratio for ratio in reversed(kept)] + [1.0, *kept]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _difference(value)))
    ax.yaxis.set_minor_locator(NullLocator())


def _wider(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


# ------------------------------------------------------------------------------------------------------------- words


def _difference(ratio: float) -> str:
    """Write a ratio as a difference."""
    return "0" if ratio == 1 else f"{100 * (ratio - 1):+.0f} %".replace("-", "−")


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _plus_minus(half: float) -> str:
    """Write a band, which is symmetric in the ratio."""
    return f"{_difference(float(np.exp(-half)))} to {_difference(float(np.exp(half)))}"


def _band_words(compared: Compared) -> str:
    """Name the band; where runs have intervals of unlike widths, it is the median one."""
    known = compared.half[~np.isnan(compared.half)]
    which = "median " if np.ptp(known) > 1e-9 else ""
    return f"{which}{percent(LEVEL)} interval, {_plus_minus(compared.band or 0.0)}"


def _noun(by: str) -> str:
    return {"llm": "model", "pair": "machine and software", "layout": "devices", "tokens": "length"}.get(by, by)


def _wrapped(ax: Axes, text: str) -> list[str]:
    """Break a line of small print where the axes, and what is usually free beside them, end."""
    return textwrap.wrap(text, max(30, int(17.5 * ax.bbox.width / ax.figure.dpi)))


def _small_print(ax: Axes, compared: Compared, outside: int) -> tuple[str, ...]:
    """Say what predicts, how many runs are within their interval, and what the picture leaves out."""
    clean = int(np.sum(~compared.flagged))
    within = "" if compared.within is None else f"; {percent(compared.within)} within their {percent(LEVEL)} interval"
    flagged = len(compared.flagged) - clean
    left = [f"hollow: {times(flagged, 'flagged run')}, not counted"] if flagged else []
    left += [f"{outside:,} beyond the axes"] if outside else []
    left += [f"{times(compared.without, 'run')} without a prediction"] if compared.without else []
    predicted = _wrapped(ax, f"predicted: {compared.kind}")
    return *predicted, f"{times(clean, 'run')}{within}", "; ".join(left)


def _against_print(ax: Axes, plan: AgainstPlan) -> tuple[str, ...]:
    """Say what all runs share, what is drawn, and where the calibration comes from."""
    calibrated = any(line.kind == "calibrated" for line in plan.lines)
    drawn = "points: measured; dashed: ideal roofline"
    drawn += (
        f"; lines: calibrated, with the {percent(LEVEL)} interval" if calibrated else "; lines join what was measured"
    )
    left = f"hollow: {times(plan.flagged, 'flagged run')}" if plan.flagged else ""
    left += f", {plan.outside:,} of them beyond the axis" if plan.outside else ""
    return tuple(part for line in (plan.common, drawn, left, *plan.notes) for part in _wrapped(ax, line))
