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

from roofline._labels import FONT_POINTS, LabelPlacer, heading
from roofline.phases import PhaseEstimate
from roofline.plot.plan import WORDS, RooflinePlan, RooflinePoint, device_name, digits, names_of, percent, plan_roofline

PHASE_COLOURS: Mapping[str, str] = MappingProxyType({"prefill": "#1f5fa8", "decode": "#d3650b"})
"""Blue and orange, which colour-blind readers tell apart; the markers differ too."""

_PHASE_MARKERS = {"prefill": "s", "decode": "o"}
_GREY = "#555555"


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
    names = names_of(estimates, labels)
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
        title if title is not None else device_name(plan.devices, plan.machine),
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
            f"memory {digits(slope)} TB/s",
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
            f"{name} {digits(tflops)} TFLOPS",
            (1, tflops),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center" if lowest == highest else "bottom" if highest else "top",
            fontsize=FONT_POINTS,
            annotation_clip=False,
        )
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
            "\n".join(f"{WORDS.get(point.name, point.name)} {percent(point.share)}" for point in cluster),
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
    missing = [f"{WORDS.get(name, name)} (link only, up to {percent(share)})" for name, share in plan.left_out]
    return (
        f"{', '.join(dict.fromkeys(of))}; area and %: share of the phase's time",
        f"without {', '.join(missing)}" if missing else "",
    )
