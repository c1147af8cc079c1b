"""Pictures of phase estimates: the roofline with a phase's operations on it, and the bars of their times.

Each function takes ``ax=None`` and returns the matplotlib ``Axes`` that it drew on, so panels are the caller's to
arrange. It first decides what to draw (:func:`plan_roofline`, numbers without a pixel) and then draws it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from hardware_specs import number_format
from roofline._labels import FONT_POINTS, LabelPlacer, heading
from roofline.phases import OperationEstimate, PhaseEstimate

PHASE_COLOURS: Mapping[str, str] = MappingProxyType({"prefill": "#1f5fa8", "decode": "#d3650b"})
"""Blue and orange, which colour-blind readers tell apart; the markers differ too."""

_PHASE_MARKERS = {"prefill": "s", "decode": "o"}
_WORDS = {"qkv": "QKV", "mlp_up": "MLP up", "mlp_down": "MLP down", "lm_head": "LM head", "all_reduce": "all-reduce"}
# Okabe and Ito's palette without its black, in an order that keeps neighbours in a bar apart in lightness.
_BAR_COLOURS = ("#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#f0e442", "#999999")
_GREY = "#555555"


# ---------------------------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True)
class RooflinePoint:
    """An operation on the roofline.

    Attributes
    ----------
    name : str
        Name of the operation; layers of unlike shape share one point.
    estimate : int
        Which estimate it belongs to, from 0.
    intensity : float
        Operational intensity [FLOP/byte].
    tflops : float
        Rate of one device [TFLOP/s].
    share : float
        Share of the phase's time, 0 to 1.
    """

    name: str
    estimate: int
    intensity: float
    tflops: float
    share: float


@dataclass(frozen=True)
class RooflinePlan:
    """What a roofline shows.

    Attributes
    ----------
    machine : str
        Name of the device.
    devices : int
        Devices of one replica; rates are of one of them.
    memory_tb_s : float
        Slope: bandwidth of main memory [TB/s].
    ceilings : tuple of (str, float)
        Number formats that the estimates multiply in and their dense peak [TFLOP/s], slowest first. Formats of the same
        peak share a line.
    points : tuple of RooflinePoint
        Operations that touch main memory.
    left_out : tuple of (str, float)
        Operations without traffic to main memory, which have no place on the picture, and their largest share of time.
    """

    machine: str
    devices: int
    memory_tb_s: float
    ceilings: tuple[tuple[str, float], ...]
    points: tuple[RooflinePoint, ...]
    left_out: tuple[tuple[str, float], ...]

    @property
    def ridges(self) -> tuple[float, ...]:
        """Ridge point of each ceiling: its peak over the memory bandwidth (Kim IV-D) [FLOP/byte]."""
        return tuple(tflops / self.memory_tb_s for _, tflops in self.ceilings)


def plan_roofline(*estimates: PhaseEstimate) -> RooflinePlan:
    """Decide what a roofline of these estimates shows.

    Parameters
    ----------
    *estimates : PhaseEstimate
        One or more of scalar shape, on one machine.

    Returns
    -------
    RooflinePlan

    Raises
    ------
    ValueError
        No estimate, one that is not scalar, or estimates on unlike machines.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2"), batch=64, context_tokens=2048, precision="fp8")
    >>> plan = plan_roofline(d)
    >>> plan.ceilings, [round(ridge) for ridge in plan.ridges]
    ((('BF16', 432.0), ('FP8', 865.0)), [176, 353])
    >>> [point.name for point in plan.points]
    ['qkv', 'attention', 'output', 'mlp_up', 'mlp_down', 'lm_head']
    """
    _require_scalars(estimates)
    first = estimates[0]
    bandwidth = float(first.machine.memory_bytes_per_s)
    formats: dict[str, float] = {}
    points: list[RooflinePoint] = []
    left_out: dict[str, float] = {}
    for index, estimate in enumerate(estimates):
        _require_same_machine(first, estimate)
        total_s = sum(float(operation.time_s) for operation in estimate.operations)
        for name, parts in _by_name(estimate.operations).items():
            flops, traffic, time_s = (
                sum(float(getattr(part, field)) for part in parts) for field in ("flops", "bytes", "time_s")
            )
            if traffic == 0:
                left_out[name] = max(left_out.get(name, 0.0), time_s / total_s)
                continue
            rate = flops / time_s / estimate.devices / 1e12
            points.append(RooflinePoint(name, index, flops / traffic, rate, time_s / total_s))
            for part in parts:
                engine = number_format(part.precision).engine or part.precision
                formats[engine.upper()] = float(estimate.machine.peak_flops(part.precision)) / 1e12
    names_of: dict[float, list[str]] = {}
    for name, tflops in formats.items():
        names_of.setdefault(tflops, []).append(name)
    return RooflinePlan(
        machine=first.machine.name,
        devices=first.devices,
        memory_tb_s=bandwidth / 1e12,
        ceilings=tuple((", ".join(sorted(names_of[tflops])), tflops) for tflops in sorted(names_of)),
        points=tuple(points),
        left_out=tuple(left_out.items()),
    )


def _require_scalars(estimates: Sequence[PhaseEstimate]) -> None:
    if not estimates:
        raise ValueError("no estimate to draw: give at least one, such as roofline.decode(...)")
    for position, estimate in enumerate(estimates, start=1):
        if not isinstance(estimate, PhaseEstimate):
            raise ValueError(f"estimate {position} = {estimate!r} is not accepted: give what prefill or decode returns")
        if estimate.shape != ():
            raise ValueError(
                f"estimate {position} ({estimate.phase} on {estimate.machine.name}) has shape {estimate.shape}: "
                "a picture shows one workload on one machine, so give a single batch, length and machine"
            )


def _require_same_machine(first: PhaseEstimate, other: PhaseEstimate) -> None:
    rates, others = first.machine, other.machine
    shared = set(rates.flops_per_s) & set(others.flops_per_s)
    if rates.name != others.name or first.devices != other.devices:
        a, b = (f"{estimate.devices} × {estimate.machine.name}" for estimate in (first, other))
        raise ValueError(f"estimates are on unlike machines, {a} and {b}: draw one panel per machine, each with its ax")
    if rates.memory_bytes_per_s != others.memory_bytes_per_s or any(
        rates.flops_per_s[name] != others.flops_per_s[name] for name in shared
    ):
        raise ValueError(f"two machines named {rates.name} have unlike rates: give each its own name and panel")


def _by_name(operations: Sequence[OperationEstimate]) -> dict[str, list[OperationEstimate]]:
    groups: dict[str, list[OperationEstimate]] = {}
    for operation in operations:
        groups.setdefault(operation.name, []).append(operation)
    return groups


# ------------------------------------------------------------------------------------------------------------ roofline


def roofline(
    *estimates: PhaseEstimate, ax: Axes | None = None, labels: Sequence[str] | None = None, title: str | None = None
) -> Axes:
    """Draw the roofline of a machine with the operations of one or more phases on it.

    The slope is main memory, each horizontal line the matrix peak in a number format that the estimates use, and the
    ridge between them is the intensity from which that peak can be reached. An operation stands at its operational
    intensity and at the rate of one device; its area is its share of the phase's time. Collectives touch no main memory
    and have no place on the picture, so a line below the title names them.

    Parameters
    ----------
    *estimates : PhaseEstimate
        One or more of scalar shape, on one machine; several machines are several panels.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    labels : sequence of str, optional
        Name of each estimate in the legend; phase and workload if not given.
    title : str, optional
        The machine if not given.

    Returns
    -------
    Axes
        Logarithmic; x in FLOP/byte, y in TFLOPS of one device.

    Raises
    ------
    ValueError
        No estimate, one that is not scalar, unlike machines, or labels that are not one per estimate.

    References
    ----------
    Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; Kim IV-D.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> llm, gaudi2 = rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2")
    >>> ax = roofline(
    ...     rl.prefill(llm, gaudi2, prompt_tokens=2048, precision="fp8"),
    ...     rl.decode(llm, gaudi2, batch=64, context_tokens=2048, precision="fp8"),
    ... )
    >>> ax.get_xlabel()
    'operational intensity [FLOP/byte]'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_roofline(*estimates)
    names = _names(estimates, labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 5.4), layout="constrained")[1]
    intensities = [point.intensity for point in plan.points]
    left = min(*intensities, 1.0) / 4
    right = max(*intensities, *plan.ridges) * 4
    peak = plan.ceilings[-1][1]
    ax.set(xscale="log", yscale="log", xlim=(left, right), ylim=(left * plan.memory_tb_s / 1.5, peak * 8))
    ax.set_xlabel("operational intensity [FLOP/byte]")
    ax.set_ylabel("rate of one device [TFLOPS]")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=FONT_POINTS)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    placer = LabelPlacer(ax)
    _draw_ceilings(ax, plan, left, right, placer)
    _draw_points(ax, plan, estimates, placer)
    handles = [
        Line2D([], [], linestyle="", marker=_PHASE_MARKERS[estimate.phase], color=colour, label=name)
        for estimate, colour, name in zip(estimates, _colours(estimates), names, strict=True)
    ]
    legend = ax.legend(handles=handles, loc="upper left", fontsize=FONT_POINTS, framealpha=0.9, borderaxespad=0.3)
    for text in legend.get_texts():
        text.set_parse_math(False)
    placer.keep_off(legend)
    heading(
        ax,
        title if title is not None else _device(plan.devices, plan.machine),
        *_small_print(plan, estimates),
    )
    return ax


def _draw_ceilings(ax: Axes, plan: RooflinePlan, left: float, right: float, placer: LabelPlacer) -> None:
    """Draw slope, ceilings and ridges with their labels."""
    slope = plan.memory_tb_s
    top = plan.ridges[-1]
    memory = np.array([[left, left * slope], [top, top * slope]])
    ax.plot(*memory.T, color="black", linewidth=1.4, gid="memory")
    placer.keep_off_line(memory)
    lift = 1.2  # a line of the same slope just above; in data coordinates its angle there is that of lift × slope
    placer.keep_off(
        ax.text(
            left * 1.2,
            left * 1.2 * slope * lift,
            f"memory {_digits(slope)} TB/s",
            fontsize=FONT_POINTS,
            rotation=math.degrees(math.atan(slope * lift)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )
    )
    for (name, tflops), ridge in zip(plan.ceilings, plan.ridges, strict=True):
        ceiling = np.array([[ridge, tflops], [right, tflops]])
        ax.plot(*ceiling.T, color="black", linewidth=1.4, gid=f"ceiling {name}")
        ax.plot([ridge, ridge], [0, tflops], color=_GREY, linewidth=0.8, linestyle=":", gid=f"ridge {name}")
        ax.plot(ridge, tflops, marker="D", markersize=4, color="black", gid=f"ridge point {name}")
        lowest, highest = tflops == plan.ceilings[0][1], tflops == plan.ceilings[-1][1]
        ax.annotate(
            f"{name} {_digits(tflops)} TFLOPS",
            (1, tflops),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center" if lowest == highest else "bottom" if highest else "top",
            fontsize=FONT_POINTS,
            annotation_clip=False,
        )
        foot = ax.annotate(
            f"ridge {_digits(ridge)}",
            (ridge, 0),
            xycoords=("data", "axes fraction"),
            xytext=(-1, 4),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=FONT_POINTS,
            color=_GREY,
        )
        placer.keep_off_line(ceiling)
        placer.keep_off(foot)


def _draw_points(ax: Axes, plan: RooflinePlan, estimates: Sequence[PhaseEstimate], placer: LabelPlacer) -> None:
    colours = _colours(estimates)
    for point in sorted(plan.points, key=lambda point: -point.share):  # the large ones below
        ax.scatter(
            point.intensity,
            point.tflops,
            s=_area(point),
            marker=_PHASE_MARKERS[estimates[point.estimate].phase],
            color=colours[point.estimate],
            alpha=0.75,
            edgecolors="white",
            linewidths=0.8,
            zorder=3,
            gid=f"{point.name} {point.estimate}",
        )
    for cluster in _clusters(plan.points):
        largest = max(cluster, key=lambda point: point.share)
        placer.label(
            "\n".join(f"{_WORDS.get(point.name, point.name)} {_percent(point.share)}" for point in cluster),
            (largest.intensity, largest.tflops),
            colour=colours[largest.estimate],
            marker_points=math.sqrt(_area(largest)),
        )


def _area(point: RooflinePoint) -> float:
    """Return the area of a point's marker [pt²]."""
    return 18 + 380 * point.share


def _clusters(points: Sequence[RooflinePoint]) -> list[list[RooflinePoint]]:
    """Group the points of an estimate that stand too close together for labels of their own."""
    clusters: list[list[RooflinePoint]] = []
    for point in points:
        for cluster in clusters:
            if cluster[0].estimate == point.estimate and all(
                abs(math.log(getattr(point, field) / getattr(cluster[0], field))) < math.log(1.6)
                for field in ("intensity", "tflops")
            ):
                cluster.append(point)
                break
        else:
            clusters.append([point])
    return sorted(clusters, key=lambda cluster: -len(cluster))


def _colours(estimates: Sequence[PhaseEstimate]) -> list[Any]:
    """Return the colour of each phase, lighter for its second and further estimates."""
    seen: dict[str, int] = {}
    colours = []
    for estimate in estimates:
        turn = seen.get(estimate.phase, 0)
        seen[estimate.phase] = turn + 1
        base = np.array([int(PHASE_COLOURS[estimate.phase][i : i + 2], 16) for i in (1, 3, 5)]) / 255
        colours.append(tuple(1 - (1 - base) * 0.6**turn))
    return colours


def _small_print(plan: RooflinePlan, estimates: Sequence[PhaseEstimate]) -> tuple[str, str]:
    """Say what is drawn, what the areas mean, and what the picture leaves out."""
    of = [f"{estimate.llm.name} in {estimate.precision.name}, {estimate.kind}" for estimate in estimates]
    missing = [f"{_WORDS.get(name, name)} (link only, up to {_percent(share)})" for name, share in plan.left_out]
    return (
        f"{', '.join(dict.fromkeys(of))}; area and %: share of the phase's time",
        f"without {', '.join(missing)}" if missing else "",
    )


def _names(estimates: Sequence[PhaseEstimate], labels: Sequence[str] | None) -> list[str]:
    """Return a name per estimate: the caller's, or the phase with whatever tells the estimates apart."""
    if labels is not None:
        if isinstance(labels, str) or len(labels) != len(estimates):
            raise ValueError(f"labels = {labels!r} is not accepted: give {len(estimates)}, one per estimate")
        return list(labels)
    columns = (
        [estimate.llm.name for estimate in estimates],
        [estimate.precision.name for estimate in estimates],
        [_device(estimate.devices, estimate.machine.name) for estimate in estimates],
    )
    differ = [column for column in columns if len(set(column)) > 1]
    names = []
    for index, estimate in enumerate(estimates):
        unit = "prompt" if estimate.phase == "prefill" else "context"
        who = ", ".join([estimate.phase, *(column[index] for column in differ)])
        separator = "\n" if differ else ": "
        names.append(f"{who}{separator}batch {float(estimate.batch):,g}, {unit} {float(estimate.tokens):,g}")
    return names


def _device(devices: int, name: str) -> str:
    return name if devices == 1 else f"{devices} × {name}"


def _digits(value: float) -> str:
    """Write three significant digits, and whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "<1 %"


# ------------------------------------------------------------------------------------------------------ time breakdown


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
    _require_scalars(estimates)
    for position, estimate in enumerate(estimates, start=1):
        if estimate.overlap == "perfect":
            raise ValueError(
                f"estimate {position} has overlap = 'perfect', where operations have no times of their own: "
                "give overlap='operation'"
            )
    names = _names(estimates, labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 1.6 + 0.55 * len(estimates)), layout="constrained")[1]
    times = [
        {name: sum(float(part.time_s) for part in parts) for name, parts in _by_name(estimate.operations).items()}
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
            label=_WORDS.get(name, name),
        )
        for row, (start, width, total_s) in enumerate(zip(starts, widths, totals, strict=True)):
            if width >= 0.09 * totals.max() * scale:  # narrower ones have no room for text
                share = _percent(width / (total_s * scale))
                place: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": FONT_POINTS, "color": _ink(colour)}
                ax.text(start + width / 2, row, share, **place)
        starts = starts + widths
    for row, whole in enumerate(starts):
        note: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        ax.annotate(f"{_digits(whole)} {unit}", (whole, row), **note)
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
