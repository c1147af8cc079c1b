"""The Pareto front of latency against throughput, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from roofline._arrays import Array
from roofline._labels import FONT_POINTS, LabelPlacer, heading
from roofline._validation import choice, number
from roofline.layout import Layout
from roofline.plot.sweeps import LINE_COLOURS
from roofline.plot.words import digits, listed
from roofline.serving.limits import Configuration, ServingFront
from roofline.serving.pareto import pareto_front

_LATENCIES = {
    "latency_s": "end-to-end latency",
    "itl_s": "inter-token latency",
    "ttft_s": "time to first token",
}
_SHORT = {
    "tensor_parallel": "TP",
    "pipeline_parallel": "PP",
    "expert_parallel": "EP",
    "data_parallel": "DP",
}
_MARKERS = "oDs^vP"
_MOST_LABELS = 12

Front = ServingFront | tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class FrontSeries:
    """Points of one name.

    Attributes
    ----------
    name : str
        Of the series, empty if it is the only one.
    latency_s, throughput : array of shape (n,)
        All points [s], [1/s].
    best : array of int
        Those that no other beats, by rising latency.
    labels : tuple of str
        One per point; empty for none.
    """

    name: str
    latency_s: Array
    throughput: Array
    best: Array
    labels: tuple[str, ...]

    def labelled(self, *, at_most: int = _MOST_LABELS) -> list[int]:
        """Return the points of the front whose labels there is room for: its ends, and some evenly between.

        Parameters
        ----------
        at_most : int
            How many.
        """
        chosen = np.unique(np.linspace(0, len(self.best) - 1, min(len(self.best), at_most)).round().astype(int))
        return [int(self.best[i]) for i in chosen if self.labels[int(self.best[i])]]


@dataclass(frozen=True, eq=False)
class FrontPlan:
    """What a picture of Pareto fronts shows.

    Attributes
    ----------
    series : tuple of FrontSeries
        One per name.
    latency : str
        ``latency_s``, ``itl_s`` or ``ttft_s``.
    notes : tuple of str
        What the picture leaves out.
    """

    series: tuple[FrontSeries, ...]
    latency: str
    notes: tuple[str, ...]


def plan_pareto(
    front: Front | Mapping[str, Front] | Any,
    throughput: Any = None,
    *,
    labels: Sequence[str] | None = None,
    latency: str | None = None,
) -> FrontPlan:
    """Decide what a picture of Pareto fronts shows.

    Parameters
    ----------
    front : ServingFront, mapping of str to ServingFront, or array
        From :func:`roofline.serving.serving_front`; several by name; or latencies [s] with their `throughput`. A
        mapping may also hold pairs of latencies and throughputs.
    throughput : array, optional
        Tokens per second and device of each latency [1/s].
    labels : sequence of str, optional
        One per latency, where arrays are given.
    latency : {"latency_s", "itl_s", "ttft_s"}, optional
        Which latency arrays hold; end-to-end if not given.

    Returns
    -------
    FrontPlan

    Raises
    ------
    ValueError
        Not a front, unlike latencies, or labels that are not one per point.

    Examples
    --------
    >>> plan = plan_pareto([1.0, 2.0, 3.0], [10.0, 5.0, 30.0], labels=["a", "b", "c"])
    >>> plan.series[0].best, plan.series[0].labelled()
    (array([0, 2]), [0, 2])
    """
    named: Mapping[str, Any] = front if isinstance(front, Mapping) else {"": front}
    if not named:
        raise ValueError("front is empty: give at least one")
    fronts = {name: one for name, one in named.items() if isinstance(one, ServingFront)}
    if isinstance(front, ServingFront | Mapping) and (throughput is not None or labels is not None):
        raise ValueError("throughput and labels are not accepted beside a front that has its own")
    kinds = {one.latency for one in fronts.values()} | (set() if latency is None else {latency})
    if len(kinds) > 1:
        raise ValueError(f"unlike latencies, {', '.join(sorted(kinds))}: give fronts of the same")
    kind = choice("latency", kinds.pop() if kinds else "latency_s", tuple(_LATENCIES))
    differ = _differing([one for each in fronts.values() for one in (*each.configurations, *each.beaten)])
    workloads = {one.workload for one in fronts.values()}
    series, notes = [], list(workloads) if len(workloads) == 1 else []
    for name, one in named.items():
        if isinstance(one, ServingFront):
            every = (*one.configurations, *one.beaten)
            series.append(
                FrontSeries(
                    name=name,
                    latency_s=np.array([configuration.latency for configuration in every]),
                    throughput=np.array([configuration.tokens_per_s_per_device for configuration in every]),
                    best=np.arange(len(one.configurations)),
                    labels=tuple(_words(configuration, differ) for configuration in every),
                )
            )
            if one.refused:
                said = f"{len(one.refused):,} do not run or fit"
                notes.append(f"{name}: {said}" if name else said)
        else:
            x, y = (one, throughput) if not isinstance(front, Mapping) else _pair(name, one)
            times, rates = number("latency", x, above=0), number("throughput", y, at_least=0)
            given = tuple(labels) if labels is not None and not isinstance(labels, str) else ()
            if labels is not None and len(given) != times.size:
                raise ValueError(f"labels = {labels!r} is not accepted: give {times.size}, one per point")
            best = pareto_front(times, rates)
            series.append(FrontSeries(name, times, rates, best, given or ("",) * times.size))
    return FrontPlan(tuple(series), kind, tuple(notes))


def pareto(
    front: Front | Mapping[str, Front] | Any,
    throughput: Any = None,
    *,
    labels: Sequence[str] | None = None,
    latency: str | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw latency against throughput per device: the configurations that no other beats, joined; the others faint.

    Parameters
    ----------
    front : ServingFront, mapping of str to ServingFront, or array
        From :func:`roofline.serving.serving_front`; several by name, such as machines; or latencies [s] with their
        `throughput`. A mapping may also hold pairs of latencies and throughputs.
    throughput : array, optional
        Tokens per second and device of each latency [1/s].
    labels : sequence of str, optional
        One per latency, where arrays are given; of a long front some are written.
    latency : {"latency_s", "itl_s", "ttft_s"}, optional
        Which latency arrays hold; end-to-end if not given.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        What is drawn if not given.

    Returns
    -------
    Axes
        x is the latency in ms or s, y tokens/s per device; both logarithmic where they span more than a factor of 4.

    Raises
    ------
    ValueError
        Not a front, unlike latencies, or labels that are not one per point.

    References
    ----------
    Brunetta Figure 2: throughput against latency across batch sizes.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> from roofline.serving import serving_front
    >>> front = serving_front(
    ...     rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), prompt_tokens=1024, output_tokens=128,
    ...     batches=[1, 4, 16, 64], precisions=["bf16", "fp8"], latency="itl_s",
    ... )
    >>> ax = pareto(front)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('inter-token latency [ms]', 'output tokens/s per device')
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_pareto(front, throughput, labels=labels, latency=latency)
    if len(plan.series) > len(LINE_COLOURS):
        raise ValueError(f"{len(plan.series)} fronts are not accepted: give at most {len(LINE_COLOURS)} for a picture")
    if ax is None:
        ax = plt.subplots(figsize=(7.6, 5.0), layout="constrained")[1]
    every_x, every_y = (
        np.concatenate([getattr(one, field) for one in plan.series]) for field in ("latency_s", "throughput")
    )
    unit, scale = ("s", 1.0) if every_x.min() >= 1 else ("ms", 1e3)
    for axis, values, factor in (("x", every_x, scale), ("y", every_y, 1.0)):
        _set_range(ax, axis, values * factor)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=FONT_POINTS)
    placer = LabelPlacer(ax)
    for turn, one in enumerate(plan.series):
        colour, marker = LINE_COLOURS[turn], _MARKERS[turn]
        x, y = one.latency_s * scale, one.throughput
        rest = np.setdiff1d(np.arange(x.size), one.best)
        ax.plot(
            x[one.best],
            y[one.best],
            color=colour,
            marker=marker,
            markersize=5.5,
            linewidth=1.5,
            gid=f"front {one.name}",
        )
        ax.plot(
            x[rest],
            y[rest],
            color=colour,
            marker=marker,
            markersize=5,
            linestyle="",
            alpha=0.25,
            gid=f"beaten {one.name}",
        )
        placer.keep_off_line(np.column_stack([x[one.best], y[one.best]]))
        for i in one.best if x.size > 200 else range(x.size):
            placer.keep_off_point((float(x[i]), float(y[i])))
        last = int(one.best[-1])
        for i in one.labelled(at_most=max(4, _MOST_LABELS // len(plan.series))):
            text = f"{one.name}: {one.labels[i]}" if one.name and i == last else one.labels[i]
            placer.label(text, (float(x[i]), float(y[i])), colour=colour).set_gid("label")
        if one.name and not one.labels[last]:
            placer.label(one.name, (float(x[last]), float(y[last])), colour=colour).set_gid("label")
    ax.set_xlabel(f"{_LATENCIES[plan.latency]} [{unit}]")
    ax.set_ylabel("output tokens/s per device")
    faint = any(len(one.best) < one.latency_s.size for one in plan.series)
    heading(
        ax,
        title if title is not None else f"throughput against {_LATENCIES[plan.latency]}",
        "joined: no other has less latency and more throughput" + ("; faint: beaten" if faint else ""),
        listed(list(plan.notes), at_most=2),
    )
    return ax


def _set_range(ax: Axes, axis: str, values: Array) -> None:
    """Make an axis logarithmic where it spans more than a factor of 4, and leave room for labels."""
    low, high = float(values.min()), float(values.max())
    along = ax.xaxis if axis == "x" else ax.yaxis
    if low > 0 and high > 4 * low:
        room = (high / low) ** 0.12
        ax.set(**{f"{axis}scale": "log", f"{axis}lim": (low / room, high * room)})
        steps = (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)
        along.set_major_locator(LogLocator(subs=steps, numticks=20))
        along.set_minor_formatter(NullFormatter())
    else:
        ax.set(**{f"{axis}lim": (0, 1.12 * high or 1.0)})
    along.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))


def _pair(name: str, one: Any) -> tuple[Any, Any]:
    if not isinstance(one, tuple) or len(one) != 2:
        raise ValueError(f"front[{name!r}] is not accepted: give a ServingFront, or a pair (latencies, throughputs)")
    return one


def _differing(configurations: Sequence[Configuration]) -> set[str]:
    """Return the options that are not the same in all configurations."""
    names = dict.fromkeys(name for one in configurations for name in one.options)
    return {name for name in names if len({str(one.options.get(name, 1)) for one in configurations}) > 1}


def _words(configuration: Configuration, differ: set[str]) -> str:
    """Name a configuration by its batch and what tells it from others."""
    words = [f"batch {configuration.batch:,}"]
    for name, value in configuration.options.items():
        if name not in differ:
            continue
        if isinstance(value, Layout):
            sizes = {"TP": value.tensor, "PP": value.pipeline, "EP": value.expert, "DP": value.data}
            words += [f"{short} {size}" for short, size in sizes.items() if size > 1]
        elif name in _SHORT:
            words += [f"{_SHORT[name]} {value}"] if value != 1 else []
        else:
            words.append(value if isinstance(value, str) else f"{name} {digits(value)}")
    return ", ".join(words)
