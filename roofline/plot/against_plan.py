"""Measured runs against roofline and calibrated model over length or batch, decided without a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice
from roofline.calibration.design import is_shared
from roofline.calibration.prediction import predict
from roofline.calibration.record import Calibration
from roofline.measurements.bounds import measured_time_s
from roofline.measurements.fields import FIELDS
from roofline.measurements.records import Run, Runs
from roofline.plot.compared import (
    QUANTITIES,
    Calibrations,
    calibration_of,
    half_width,
    require_calibrations,
    require_runs,
    work_of,
)
from roofline.plot.measured_plan import (
    MOST_GROUPS,
    accelerator_words,
    figure,
    layout_words,
    llm_words,
    software_words,
)
from roofline.plot.words import precision_words

AXES = MappingProxyType(
    {
        "context_tokens": "context [tokens]",
        "prompt_tokens": "prompt [tokens]",
        "output_tokens": "output [tokens]",
        "batch": "batch [sequences]",
        "m": "rows M of the product",
    }
)
"""What runs can be drawn over, with the label of its axis."""

_POINTS = 33  # of a line, besides those that were measured
_NEAR = 2.0  # how far flagged runs may widen the axis
_STEEP = 8.0  # a range of values above which an axis is logarithmic
_LENGTHS = ("prompt_tokens", "output_tokens")
_NAMES = ("llm", "layout", "accelerator", "precision", "software", "phase", "variant")
_NUMBERS = MappingProxyType(
    {
        "batch": "batch {}",
        "lengths": "{} + {} tokens",
        "prompt_tokens": "prompt {}",
        "output_tokens": "output {}",
        "context_tokens": "context {}",
        "share": "output {} × prompt",
        "k": "K = {}",
        "n": "N = {}",
        "power_limit_w": "{} W",
        "routing_skew": "skew {}",
    }
)
_PHASES = MappingProxyType({"generate": "", "gemm": "matrix products"})
_EQUAL = "output as long as prompt"


@dataclass(frozen=True, eq=False)
class MeasuredSeries:
    """Runs that differ in nothing but what is on the axis.

    Attributes
    ----------
    name : str
        What tells them from the others; empty if there are none.
    colour, marker : int
        Places among the plan's colours and markers.
    x, y : array
        The runs, ascending.
    flagged : array of bool
        Those that something is wrong with.
    """

    name: str
    colour: int
    marker: int
    x: Array
    y: Array
    flagged: Array


@dataclass(frozen=True, eq=False)
class ModelLine:
    """What the model says along the axis, of one series or of several for which it says the same.

    Attributes
    ----------
    kind : {"ideal", "calibrated"}
        Which model.
    name : str
        What its series share and others do not.
    series : tuple of int
        Places among the plan's series.
    x, y, low, high : array
        The line and its 90 % interval, which is the line itself for an ideal roofline.
    """

    kind: str
    name: str
    series: tuple[int, ...]
    x: Array
    y: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class AgainstPlan:
    """A picture of measured runs over length or batch.

    Attributes
    ----------
    series : tuple of MeasuredSeries
        Measured.
    lines : tuple of ModelLine
        Predicted.
    colours, markers : tuple of str
        What each stands for.
    x, y : str
        Quantities on the axes.
    x_label, title, common : str
        What the horizontal axis says, and what all runs share.
    notes : tuple of str
        Where the calibration comes from, and what to know of it.
    log_y : bool
        Whether the vertical axis is logarithmic.
    y_range : (float, float)
        Its ends.
    outside : int
        Runs beyond them, all flagged.
    """

    series: tuple[MeasuredSeries, ...]
    lines: tuple[ModelLine, ...]
    colours: tuple[str, ...]
    markers: tuple[str, ...]
    x: str
    y: str
    x_label: str
    title: str
    common: str
    notes: tuple[str, ...]
    log_y: bool
    y_range: tuple[float, float]
    outside: int

    @property
    def flagged(self) -> int:
        """Runs that something is wrong with."""
        return sum(int(one.flagged.sum()) for one in self.series)

    def has_line(self, series: int, kind: str = "calibrated") -> bool:
        """Whether a series has a line of a kind.

        Parameters
        ----------
        series : int
            Place among the series.
        kind : {"ideal", "calibrated"}
            Which.
        """
        return any(line.kind == kind and series in line.series for line in self.lines)


def plan_against_roofline(
    runs: Runs, *, calibration: Calibrations = None, x: str | None = None, y: str = "tokens_per_s"
) -> AgainstPlan:
    """Decide what a picture of measured runs over length or batch shows (Kim Figure 6).

    Runs that differ in nothing but `x` are a series. Where output grows with the prompt, both are one axis. Names
    (model, machine, software) are told apart by colour, and numbers (batch, length, power limit) by marker, and by
    colour, too, where no name needs it.

    Parameters
    ----------
    runs : Runs
        Generations, prefills, decode steps or products; those of which nothing is known are left out.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines; of several, each series takes that of its machine and framework.
    x : {"context_tokens", "prompt_tokens", "output_tokens", "batch", "m"}, optional
        The first of these that varies if not given.
    y : {"tokens_per_s", "output_tokens_per_s", "tflops", "efficiency"}
        Quantity of each run.

    Returns
    -------
    AgainstPlan

    Raises
    ------
    ValueError
        Nothing to draw, nothing that varies, or more series than can be told apart.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> plan = plan_against_roofline(published("kim2025-table4").where(llm="llama-3.1-8b"), y="tflops")
    >>> plan.x, [one.name for one in plan.series], len(plan.lines)
    ('context_tokens', ['400 W', '700 W'], 1)
    """
    choice("y", y, tuple(QUANTITIES))
    every, given = require_runs(runs), require_calibrations(calibration)
    drawn = every[~np.isnan(work_of(every, y) / measured_time_s(every))]
    at = _axis(drawn, x)
    drawn = drawn[~np.isnan(getattr(drawn, at))]
    if not len(drawn):
        raise ValueError(f"of none of {len(every)} runs are {at} and {y} known: nothing to draw")
    columns = _columns(drawn, at)
    differ = [name for name, column in columns.items() if len(set(column)) > 1]
    keys = list(zip(*(columns[name] for name in differ), strict=True)) if differ else [()] * len(drawn)
    order = sorted(set(keys))
    parts = [{name: _write(name, value) for name, value in zip(differ, key, strict=True)} for key in order]
    named = [_joined(part, _NAMES) for part in parts]
    counted = [_joined(part, _NUMBERS) for part in parts]
    markers = tuple(dict.fromkeys(counted))
    colours = tuple(dict.fromkeys(named)) if len(set(named)) > 1 else markers
    if len(markers) == 1:  # then markers, too, tell names apart, for readers without colours
        counted, markers = named, colours
    if max(len(colours), len(markers)) > MOST_GROUPS:
        raise ValueError(
            f"{len(order)} series are more than can be told apart: narrow the runs with runs.where(…); they differ in "
            f"{', '.join(f'{name} ({len(set(columns[name]))} values)' for name in differ)}"
        )
    place, rate = getattr(drawn, at), work_of(drawn, y) / measured_time_s(drawn)
    series, lines, notes = [], [], []
    for index, key in enumerate(order):
        rows = np.array([row for row, other in enumerate(keys) if other == key])
        rows = rows[np.argsort(place[rows], kind="stable")]
        series.append(
            MeasuredSeries(
                name=", ".join(dict.fromkeys(filter(None, (named[index], counted[index])))),
                colour=colours.index(named[index] if colours is not markers else counted[index]),
                marker=markers.index(counted[index]),
                x=place[rows],
                y=rate[rows],
                flagged=drawn.flags[rows] != "",
            )
        )
        first = drawn[int(rows[0])]
        grid = _grid(first, at, _places(place[rows], place, at), columns.get("share"), rows)
        lines.append(_line(index, grid, at, y, None))
        chosen = calibration_of(first, given)
        if chosen is not None:
            lines.append(_line(index, grid, at, y, chosen))
            notes += _beyond(chosen, grid)
        elif given:
            notes.append(f"no calibration of {first.accelerator} with {software_words(first) or 'unnamed software'}")
    used = {id(one): one for run in (drawn[keys.index(key)] for key in order) if (one := calibration_of(run, given))}
    made = [one.provenance for one in used.values()]
    merged = _merged([line for line in lines if not np.isnan(line.y).all()], parts)
    log_y, y_range = _range(series, merged, y)
    outside = sum(int(np.sum((one.y < y_range[0]) | (one.y > y_range[1]))) for one in series)
    title, common = _title(drawn[0], {name: column[0] for name, column in columns.items() if name not in differ})
    return AgainstPlan(
        series=tuple(series),
        lines=merged,
        colours=colours,
        markers=markers,
        x=at,
        y=y,
        x_label="prompt and output [tokens each]" if _EQUAL in common and at in _LENGTHS else AXES[at],
        title=title,
        common=", ".join(word for word in common if word != _EQUAL),
        notes=tuple(dict.fromkeys([*(made if len(made) == 1 else []), *notes])),
        log_y=log_y,
        y_range=y_range,
        outside=outside,
    )


def _axis(runs: Runs, x: str | None) -> str:
    if x is not None:
        return choice("x", x, tuple(AXES))
    for name in AXES:
        column = getattr(runs, name)
        if len(np.unique(column[~np.isnan(column)])) > 1:
            return name
    raise ValueError(f"none of {', '.join(AXES)} varies over the {len(runs)} runs: nothing to draw over")


def _columns(runs: Runs, at: str) -> dict[str, list[Any]]:
    """Return what tells runs apart, beside what is on the axis; -1 for a number that is not known."""
    columns: dict[str, list[Any]] = {name: getattr(runs, name).tolist() for name in _NAMES if name in FIELDS}
    columns["layout"] = [layout_words(run) for run in runs]
    columns["software"] = [software_words(run) for run in runs]
    numbers = [name for name in _NUMBERS if name in FIELDS and name != at]
    columns |= {name: np.nan_to_num(getattr(runs, name), nan=-1).tolist() for name in numbers}
    if at in _LENGTHS:
        other = _LENGTHS[1 - _LENGTHS.index(at)]
        share = np.nan_to_num(np.round(runs.output_tokens / runs.prompt_tokens, 6), nan=-1).tolist()
        if len(set(share)) < len(set(columns[other])):
            columns["share"] = share
            del columns[other]
    elif not np.isnan(runs.prompt_tokens + runs.output_tokens).any():
        columns["lengths"] = list(zip(*(columns.pop(name) for name in _LENGTHS), strict=True))
    return {name: columns[name] for name in (*_NAMES, *_NUMBERS) if name in columns}


def _places(own: Array, every: Array, at: str) -> Array:
    """Return where a line is computed: over its own runs, or over all of them where it has one place only."""
    low, high = (own.min(), own.max()) if own.min() < own.max() else (every.min(), every.max())
    between = np.geomspace(low, high, _POINTS)
    return np.unique([*np.round(between), *own, low, high])


def _grid(first: Run, at: str, places: Array, share: list[Any] | None, rows: Array) -> Runs:
    """Return runs like the first of a series, along the axis."""
    same = {name: value for name, value in first.values.items() if not FIELDS[name].measured and name != "flags"}
    same[at] = places
    if share is not None:
        ratio = share[int(rows[0])]
        other = _LENGTHS[1 - _LENGTHS.index(at)]
        if ratio > 0:
            same[other] = np.maximum(np.round(places * (ratio if at == "prompt_tokens" else 1 / ratio)), 1)
    return Runs.from_columns(same | {"latency_s": np.ones(len(places))})  # a run has a time, whichever


def _line(index: int, grid: Runs, at: str, y: str, calibration: Calibration | None) -> ModelLine:
    value = work_of(grid, y) / predict(grid, calibration)
    half = 0.0 if calibration is None else half_width(calibration, is_shared(grid)[0])
    kind = "ideal" if calibration is None else "calibrated"
    return ModelLine(kind, "", (index,), getattr(grid, at), value, value * np.exp(-half), value * np.exp(half))


def _merged(lines: Sequence[ModelLine], parts: Sequence[dict[str, str]]) -> tuple[ModelLine, ...]:
    """Join lines that are one and the same, and name each by what its series share."""
    groups: list[list[ModelLine]] = []
    for line in lines:
        for group in groups:
            if line.kind == group[0].kind and all(
                np.array_equal(getattr(line, name), getattr(group[0], name), equal_nan=True)
                for name in ("x", "y", "high")
            ):
                group.append(line)
                break
        else:
            groups.append([line])
    found = []
    for group in groups:
        members = tuple(index for line in group for index in line.series)
        shared = {
            name: text for name, text in parts[members[0]].items() if all(parts[one][name] == text for one in members)
        }
        first = group[0]
        name = _joined(shared, (*_NAMES, *_NUMBERS))
        found.append(ModelLine(first.kind, name, members, first.x, first.y, first.low, first.high))
    return tuple(found)


def _range(series: Sequence[MeasuredSeries], lines: Sequence[ModelLine], y: str) -> tuple[bool, tuple[float, float]]:
    """Return whether y is logarithmic, and its ends: of all lines and of the runs without a flag."""
    clean = np.concatenate([one.y[~one.flagged] for one in series])
    shown = clean if clean.size else np.concatenate([one.y for one in series])
    shown = np.concatenate([shown, *(part for line in lines for part in (line.low, line.high))])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    every = np.concatenate([one.y for one in series])
    near = every[(every > low / _NEAR) & (every < high * _NEAR)]
    low, high = min(low, float(near.min())), max(high, float(near.max()))
    log_y = high > _STEEP * low and y != "efficiency"
    return log_y, (low / 1.25, high * 1.25) if log_y else (0.0, high * 1.06)


def _beyond(calibration: Calibration, grid: Runs) -> list[str]:
    """Say what of a line lies outside the runs that the calibration was found on."""
    whole = np.nan_to_num(grid.prompt_tokens) + np.nan_to_num(grid.output_tokens)
    tokens = np.where(np.isnan(grid.context_tokens), whole, grid.context_tokens)
    notes = []
    for name, values in (("batch", grid.batch), ("tokens", tokens)):
        low, high = calibration.within.get(name, (0, np.inf))
        if values.min() < low or values.max() > high:
            notes.append(f"calibrated on {name} {figure(low)} to {figure(high)}; beyond, the line is extrapolated")
    return notes


def _write(name: str, value: Any) -> str:
    if name in _NUMBERS:
        if value == -1:
            return ""
        if name == "lengths":
            return _NUMBERS[name].format(*map(figure, value))
        return _EQUAL if name == "share" and value == 1 else _NUMBERS[name].format(figure(value))
    if name == "precision" and value:
        return precision_words([value])[value]
    return {"llm": llm_words, "accelerator": accelerator_words}.get(name, str)(value) if value else ""


def _joined(parts: dict[str, str], names: Any) -> str:
    return ", ".join(parts[name] for name in names if parts.get(name))


def _title(first: Run, same: dict[str, Any]) -> tuple[str, list[str]]:
    """Return model and machine that all runs share, and what else they do."""
    words = {name: _write(name, value) for name, value in same.items()}
    llm, accelerator, layout = (words.pop(name, "") for name in ("llm", "accelerator", "layout"))
    several = first.devices is not None and first.devices > 1
    machine = f"{first.devices} × {accelerator}" if accelerator and layout and several else accelerator
    phase = words.pop("phase", "")
    what = f"{phase} of {llm}" if phase in ("prefill", "decode") and llm else llm or _PHASES.get(phase, phase)
    rest = [layout] if several and not layout.endswith("devices") else []
    title = f"{what} on {machine}" if what and machine else what or machine or "measured runs"
    return title, [*rest, *(text for text in words.values() if text)]
