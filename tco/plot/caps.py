"""What a power cap does to the cost of a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from roofline._labels import FONT_POINTS, LabelPlacer, heading
from tco.plot.caps_plan import PowerCapPlan, plan_power_cap
from tco.plot.plan import times
from tco.plot.words import text_points, width_points, wrapped

_COLOURS = {"cost": "#1b5aa6", "throughput": "#b36a00"}
_WORDS = {"cost": "cost per token", "throughput": "throughput"}


def power_cap(
    *,
    power_w: npt.ArrayLike,
    relative_cost: npt.ArrayLike,
    relative_throughput: npt.ArrayLike,
    servers_per_rack: npt.ArrayLike | None = None,
    optimum_w: float | None = None,
    kinds: str | Sequence[str] = "modelled",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw cost per token and throughput over the power cap, relative to no cap.

    Of what :func:`tco.power_cap.best_cap` chose: ``power_cap(**choice.drawn())``.

    Where a cap lets one more server into a rack, at ``P_rack/n``, the cost steps. A cap pays where the cost is below
    1×, which is shaded. Lines are modelled or interpolated, measured points filled, and what is extrapolated is dashed
    and hatched.

    Parameters
    ----------
    power_w : array-like
        Caps, in any order, each once [W]. The breakpoints ``P_rack/n`` should be among them: a step is drawn at the
        highest cap that still lets n servers into a rack.
    relative_cost, relative_throughput : array-like
        Cost per token and throughput over the uncapped ones, one per cap.
    servers_per_rack : array-like, optional
        Whole number at each cap.
    optimum_w : float, optional
        The best of the caps [W]; where the cost is lowest if not given.
    kinds : str or sequence of str
        How each point is known: ``measured``, ``modelled``, ``interpolated``, ``assumed`` or ``extrapolated``; one word
        for all.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        A general one if not given.

    Returns
    -------
    Axes
        x is the cap in W or kW.

    Raises
    ------
    ValueError
        Arrays of unlike length, values that are not above 0, a cap that comes twice, servers per rack that rise with
        the cap, or an optimum that is none of the caps. Watts are not shown, as they may be private.

    References
    ----------
    Kim VI-D and Table IV: a cap pays where the loss of throughput is below the gain in cost.

    Examples
    --------
    >>> power_w = np.array([6_500, 8_000, 9_000, 10_000, 10_200])
    >>> ax = power_cap(
    ...     power_w=power_w, relative_cost=[1.05, 0.99, 0.98, 0.97, 1.0],
    ...     relative_throughput=(power_w / 10_200) ** 0.35, servers_per_rack=40_000 // power_w,
    ... )
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "optimum label"]
    ['best cap 10 kW: cost 0.97×, throughput 0.99×']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_power_cap(
        power_w=power_w,
        relative_cost=relative_cost,
        relative_throughput=relative_throughput,
        servers_per_rack=servers_per_rack,
        optimum_w=optimum_w,
        kinds=kinds,
    )
    if ax is None:
        ax = plt.subplots(figsize=(7.6, 4.8), layout="constrained")[1]
    unit, scale = ("kW", 1e-3) if plan.power_w[-1] >= 2000 else ("W", 1.0)
    both = np.concatenate([plan.cost, plan.throughput, [1.0]])
    low, high = float(both.min()), float(both.max())
    span = max(high - low, 0.02)
    x = plan.power_w * scale
    room = 0.03 * (x[-1] - x[0]) or 0.05 * x[0]
    ax.set(xlim=(x[0] - room, x[-1] + room), ylim=(low - 0.1 * span, high + 0.22 * span))
    placer = LabelPlacer(ax)
    _draw_bands(ax, plan, scale, high + 0.16 * span, placer)
    for left, right in plan.extrapolated:
        style: dict[str, Any] = {
            "facecolor": "none",
            "edgecolor": "#9a9a9a",
            "hatch": "////",
            "linewidth": 0,
            "zorder": 0.5,
        }
        ax.axvspan(left * scale, right * scale, gid="extrapolated", alpha=0.45, **style)
    ax.axhline(1, color="black", linewidth=1.0, zorder=1.5, gid="uncapped")
    placer.keep_off_line([(x[0], 1.0), (x[-1], 1.0)])
    for what, colour in _COLOURS.items():
        values = plan.cost if what == "cost" else plan.throughput
        for along, heights, beyond in plan.lines(what):
            line: dict[str, Any] = {
                "linewidth": 2.2 if what == "cost" else 1.6,
                "linestyle": (0, (4, 2)) if beyond else "-",
            }
            ax.plot(along * scale, heights, color=colour, zorder=3, gid=f"{what} line", **line)
            steps = np.linspace(0, along.size - 1, max(100, along.size))  # so close that no label covers the line
            for at in zip(
                *(np.interp(steps, np.arange(along.size), part) for part in (along * scale, heights)), strict=True
            ):
                placer.keep_off_point((float(at[0]), float(at[1])), marker_points=4)
            if what == "cost":
                pays = np.minimum(heights, 1)
                ax.fill_between(along * scale, pays, 1, color=colour, alpha=0.13, linewidth=0, zorder=1, gid="pays")
        measured = [i for i, kind in enumerate(plan.kinds) if kind == "measured"]
        if measured:  # matplotlib makes room for empty lines too
            shape, size = ("o", 6) if what == "cost" else ("s", 8)
            marks: dict[str, Any] = {"linestyle": "", "marker": shape, "markersize": size, "clip_on": False}
            zorder = 4.2 if what == "cost" else 4.1
            ax.plot(x[measured], values[measured], color=colour, zorder=zorder, gid=f"{what} measured", **marks)
        for i in measured:
            placer.keep_off_point((float(x[i]), float(values[i])))
    best = plan.optimum
    ring: dict[str, Any] = {"marker": "o", "markersize": 15, "markerfacecolor": "none", "markeredgewidth": 1.8}
    ax.plot(x[best], plan.cost[best], color="black", zorder=5, clip_on=False, gid="optimum", **ring)
    kind = f" ({plan.kinds[best]})" if plan.kinds[best] == "extrapolated" else ""
    numbers = f"cost {times(plan.cost[best])}, throughput {times(plan.throughput[best])}"
    text = f"best cap {x[best]:,.4g} {unit}{kind}: {numbers}"
    placer.label(text, (float(x[best]), float(plan.cost[best])), marker_points=17).set_gid("optimum label")
    inner = np.abs(x - (x[0] + x[-1]) / 2) <= 0.4 * (x[-1] - x[0])  # at the ends a label would be in the way
    apart = int(np.where(inner | (not inner.any()), np.abs(plan.cost - plan.throughput), -1).argmax())
    for what, values in (("cost", plan.cost), ("throughput", plan.throughput)):
        note = placer.label(_WORDS[what], (float(x[apart]), float(values[apart])), colour=_COLOURS[what], leader=False)
        note.set(gid="line label", fontweight="bold")
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.5g}×"))  # narrow where a cap does little
    ax.tick_params(labelsize=FONT_POINTS)
    ax.set_xlabel(f"power cap [{unit}]")
    ax.set_ylabel("relative to no cap")
    ax.spines[["top", "right"]].set_visible(False)
    known = dict.fromkeys(plan.kinds)
    signs = {"measured": "filled: measured", "modelled": "line: modelled", "interpolated": "line: interpolated",
             "assumed": "line: assumed"}  # fmt: skip
    said = [text for kind, text in signs.items() if kind in known]
    if plan.extrapolated:
        said.append("dashed and hatched: extrapolated")
    heading(ax, title if title is not None else "What a power cap does to the cost of a token", *wrapped(ax, *said))
    return ax


def _draw_bands(ax: Axes, plan: PowerCapPlan, scale: float, height: float, placer: LabelPlacer) -> None:
    """Draw the ranges of equal servers per rack: a line at each breakpoint, and the number where it has room."""
    if not plan.bands:
        return
    left, right = ax.get_xlim()
    points = width_points(ax) / (right - left)
    style: dict[str, Any] = {"fontsize": FONT_POINTS, "color": "#444444", "ha": "center", "va": "center"}
    widest = max(plan.bands, key=lambda band: band.high_w - band.low_w)
    for band in plan.bands[:-1]:
        ax.axvline(
            band.high_w * scale, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.2, gid="breakpoint"
        )
    for band in plan.bands:
        start = left if band is plan.bands[0] else band.low_w * scale
        end = right if band is plan.bands[-1] else band.high_w * scale
        full = f"{band.servers} servers per rack"
        text = full if band is widest and text_points(full) < (end - start) * points else str(band.servers)
        if text_points(text) + 2 < (end - start) * points:
            placer.keep_off(ax.text((start + end) / 2, height, text, gid="servers per rack", **style))
