"""The roofline with the operations of a phase on it, drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from roofline._labels import FONT_POINTS, LabelPlacer, MarginLabels, heading
from roofline.estimates import PhaseEstimate
from roofline.plot.plan import FurtherRoof, RooflinePlan, RooflinePoint, plan_roofline
from roofline.plot.words import device_name, digits, listed, names_of, percent, word

PHASE_COLOURS: Mapping[str, str] = MappingProxyType({"prefill": "#1f5fa8", "decode": "#d3650b"})
"""Blue and orange, which colour-blind readers tell apart; the markers differ too."""

_PHASE_MARKERS = {"prefill": "s", "decode": "o"}
_GREY = "#555555"
_DASHED = (0, (5, 3))
_BOUNDS = {
    "vector": "vector units",
    "special": "exponentials",
    "walk": "blocks of attention",
    "on_chip": "on-chip memory",
    "second_tier": "second tier",
    "link": "links",
    "latency": "latency",
    "overhead": "start of kernels",
}


def roofline(
    *estimates: PhaseEstimate, ax: Axes | None = None, labels: Sequence[str] | None = None, title: str | None = None
) -> Axes:
    """Draw the roofline of a machine with the operations of one or more phases on it.

    The slope is main memory, each horizontal line the matrix peak in a number format that the estimates use, and the
    ridge between them is the intensity from which that peak can be reached. A dashed slope is the on-chip memory, and
    the other dashed lines are roofs of the operations that they name, such as the vector units that compute softmax, or
    what the shape of a product leaves of the matrix engine; :func:`plan_roofline` chooses those that matter.

    An operation stands at its operational intensity and at the rate of one device; its area is its share of the phase's
    time, and its label names what bounds it if that is neither main memory nor a peak. Operations that multiply nothing
    have no place on the picture, so a line below the title names them.

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
    names = names_of(estimates, labels)
    if ax is None:
        ax = plt.subplots(figsize=(8.0, 5.4), layout="constrained")[1]
    intensities = [point.intensity for point in plan.points]
    left = min(*intensities, 1.0) / 4
    right = max(*intensities, *plan.ridges) * 4
    peak = plan.ceilings[-1][1]
    bottom = min(left * plan.memory_tb_s / 1.5, *(point.tflops / 3 for point in plan.points))
    ax.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, peak * 8))
    ax.set_xlabel("operational intensity [FLOP/byte]")
    ax.set_ylabel(f"rate of one {'die' if plan.devices != estimates[0].devices else 'device'} [TFLOPS]")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=FONT_POINTS)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    placer, margin = LabelPlacer(ax), MarginLabels(ax)
    _draw_ceilings(ax, plan, left, right, placer, margin)
    _draw_roofs(ax, plan, estimates, placer, margin)
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
        title if title is not None else _machine_of(plan, estimates[0]),
        *_small_print(plan, estimates),
    )
    return ax


def _draw_ceilings(
    ax: Axes, plan: RooflinePlan, left: float, right: float, placer: LabelPlacer, margin: MarginLabels
) -> None:
    """Draw slopes, ceilings and ridges with their labels."""
    slope = plan.memory_tb_s
    _draw_slope(ax, f"memory {digits(slope)} TB/s", slope, left, plan.ridges[-1], placer, gid="memory")
    if plan.on_chip_tb_s is not None:
        end = plan.ceilings[-1][1] / plan.on_chip_tb_s
        text = f"on-chip memory {digits(plan.on_chip_tb_s)} TB/s"
        _draw_slope(ax, text, plan.on_chip_tb_s, left, end, placer, gid="on-chip memory", main=False)
    for (name, tflops), ridge in zip(plan.ceilings, plan.ridges, strict=True):
        ceiling = np.array([[ridge, tflops], [right, tflops]])
        ax.plot(*ceiling.T, color="black", linewidth=1.4, gid=f"ceiling {name}")
        ax.plot([ridge, ridge], [0, tflops], color=_GREY, linewidth=0.8, linestyle=":", gid=f"ridge {name}")
        ax.plot(ridge, tflops, marker="D", markersize=4, color="black", gid=f"ridge point {name}")
        margin.label(f"{name} {digits(tflops)} TFLOPS", tflops, gid=f"peak {name}")
        foot = ax.annotate(
            f"ridge {digits(ridge)}",
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


def _draw_slope(
    ax: Axes,
    text: str,
    slope: float,
    left: float,
    right: float,
    placer: LabelPlacer,
    *,
    gid: str,
    main: bool = True,
    below: bool = False,
    colour: Any = None,
) -> None:
    """Draw a bandwidth, with its text along it."""
    line = np.array([[left, left * slope], [right, right * slope]])
    colour = colour or ("black" if main else _GREY)
    ax.plot(*line.T, color=colour, linewidth=1.4 if main else 1.0, linestyle="-" if main else _DASHED, gid=gid)
    placer.keep_off_line(line)
    lift = 1 / 1.2 if below else 1.2  # a line of the same slope close by; in data coordinates its angle is that of lift
    start = max(left, ax.get_ylim()[0] / slope) * (1.8 if below else 1.2)
    placer.keep_off(
        ax.text(
            start,
            start * slope * lift,
            text,
            fontsize=FONT_POINTS,
            color=colour,
            va="top" if below else "baseline",
            rotation=math.degrees(math.atan(slope * lift)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )
    )


def _draw_roofs(
    ax: Axes, plan: RooflinePlan, estimates: Sequence[PhaseEstimate], placer: LabelPlacer, margin: MarginLabels
) -> None:
    """Draw the roofs of single operations: each flat one from the slope of main memory to the edge."""
    colours, (left, right) = _colours(estimates), ax.get_xlim()
    for roof in plan.roofs:
        colour = colours[roof.estimates[0]] if len(roof.estimates) == 1 else _GREY
        gid = f"roof {roof.ceiling} {' '.join(roof.operations)}"
        if roof.tb_s is not None:
            text = f"reached {digits(roof.tb_s)} TB/s"
            end = plan.ceilings[-1][1] / roof.tb_s
            _draw_slope(ax, text, roof.tb_s, left, end, placer, gid=gid, main=False, below=True, colour=colour)
        elif roof.tflops is not None:
            line = np.array([[max(left, roof.tflops / plan.memory_tb_s), roof.tflops], [right, roof.tflops]])
            ax.plot(*line.T, color=colour, linewidth=1.0, linestyle=_DASHED, gid=gid)
            placer.keep_off_line(line)
            text = f"{_named(roof, plan, estimates)}:\n{_reason(roof)},\n{digits(roof.tflops)} TFLOPS"
            margin.label(text, roof.tflops, colour=colour, gid=f"name of {gid}")


def _named(roof: FurtherRoof, plan: RooflinePlan, estimates: Sequence[PhaseEstimate]) -> str:
    """Name the operations that a roof holds for; a whole phase, and all its linear layers, by one word."""
    if roof.ceiling == "link":
        phases = dict.fromkeys(estimates[index].phase for index in roof.estimates)
        return f"{listed(list(phases))} as a whole"
    linear = {
        part.name
        for index in roof.estimates
        for part in estimates[index].operations
        if part.operation.kind in ("linear", "experts") and part.flops > 0
    }
    named = set(roof.operations)
    if len(linear) > 1 and linear <= named:
        rest = [word(name) for name in roof.operations if name not in linear]
        return listed(["linear layers", *rest])
    return listed([word(name) for name in roof.operations])


def _reason(roof: FurtherRoof) -> str:
    """Say what a flat roof comes from."""
    if roof.ceiling == "matrix":
        return f"{percent(roof.matrix_share)} of the engine"
    return _BOUNDS[roof.ceiling]


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
            "\n".join(f"{word(point.name)} {percent(point.share)}{_bound(point)}" for point in cluster),
            (largest.intensity, largest.tflops),
            colour=colours[largest.estimate],
            marker_points=math.sqrt(_area(largest)),
        ).set_gid("label")


def _bound(point: RooflinePoint) -> str:
    """Say what bounds an operation if it is neither main memory nor a peak."""
    if point.bound == "matrix":
        return "" if point.matrix_share > 0.98 else ", part of engine"
    return "" if point.bound == "memory" else f", {_BOUNDS[point.bound]}"


def _machine_of(plan: RooflinePlan, estimate: PhaseEstimate) -> str:
    """Name the machine; where software sees the dies of its packages, they are what is counted."""
    if plan.devices != estimate.devices:
        return f"{plan.devices} dies of {device_name(estimate.devices, plan.machine)}"
    return device_name(plan.devices, plan.machine)


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


def _small_print(plan: RooflinePlan, estimates: Sequence[PhaseEstimate]) -> tuple[str, ...]:
    """Say what is drawn, what the areas mean, and what the picture leaves out."""
    of = [f"{estimate.llm.name} in {estimate.precision.name}, {estimate.kind}" for estimate in estimates]
    kinds = {part.name: part.operation.kind for estimate in estimates for part in estimate.operations}
    lines = [f"{', '.join(dict.fromkeys(of))}; area and %: share of the phase's time"]
    for reason, collective in (("link only", True), ("nothing multiplied", False)):
        names = [
            f"{word(name)} {percent(share)}"
            for name, share in plan.left_out
            if (kinds[name] == "collective") == collective
        ]
        if names:
            lines.append(f"without {listed(names, at_most=5)} ({reason})")
    unknown = {_BOUNDS.get(name, name) for estimate in estimates for name in estimate.unknown}
    if unknown:
        lines.append(f"rate unknown, so no ceiling: {', '.join(sorted(unknown))}")
    return tuple(lines)
