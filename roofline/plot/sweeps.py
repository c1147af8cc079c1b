"""Throughput over sequence length and MFU of thin GEMMs, of several machines (Kim Figures 4, 5 and 7), drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from roofline._arrays import Array
from roofline._labels import FONT_POINTS, MarginLabels, heading
from roofline.plot.breakdown import set_length_axis
from roofline.plot.sweep_plan import Devices, Measured, SweepLine, SweepPlan, plan_thin_gemm, plan_throughput
from roofline.plot.words import listed, precision_words
from roofline.precision import PrecisionPolicy

if TYPE_CHECKING:
    from roofline.llm import LLM

# Okabe and Ito's palette, those of it that stand out as thin lines and as text on white.
LINE_COLOURS = ("#0072b2", "#d55e00", "#007a58", "#a8437f", "#8a6500", "#4a4a4a")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (2, 2)), (0, (8, 2, 2, 2)))
_MARKERS = "oDs^vP"


def prefill_throughput(
    llm: LLM,
    accelerators: Devices,
    *,
    prompt_tokens: Any = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768),
    precisions: Sequence[str | PrecisionPolicy] = ("bf16", "fp8", "fp8-dynamic"),
    batch: int = 1,
    measured: Measured | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    **options: Any,
) -> Axes:
    """Draw the throughput of prefill over the prompt's length, a line per machine and precision (Kim Figure 4).

    Lines are straight between the lengths that were computed. What a machine cannot run is left out and named.

    Parameters
    ----------
    llm : LLM
        The model.
    accelerators : Accelerator or Machine, or a sequence of them
        One to six; a panel for each is a call with each.
    prompt_tokens : array of int
        Lengths, ascending [token].
    precisions : sequence of str or PrecisionPolicy
        Formats of each part.
    batch : int
        Prompts processed together.
    measured : mapping, optional
        Points to compare with: ``(tokens, TFLOPS)`` by ``(machine, precision)``, such as
        ``{("h200-sxm", "fp8"): ([1024, 4096], [900.0, 1100.0])}``; a machine by its key or its name.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        The model, and the machine if it is one, if not given.
    **options
        Further keyword arguments of :func:`roofline.prefill`; ``logits="all"`` counts as Kim Eq. 5 does.

    Returns
    -------
    Axes
        x in tokens, y in TFLOPS over all devices of a replica. Faint where model and cache do not fit in memory.

    Raises
    ------
    ValueError
        Nothing that can run, too many machines, lengths that do not ascend, or measurements of something else.

    References
    ----------
    Kim V-A, Figure 4.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> ax = prefill_throughput(rl.get_llm("llama-3.1-8b"), [hs.get("gaudi-2"), hs.get("h100-sxm")])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('prompt [tokens]', 'throughput [TFLOPS]')
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_throughput(
        "prefill",
        llm,
        accelerators,
        batch=batch,
        tokens=prompt_tokens,
        precisions=precisions,
        measured=measured,
        **options,
    )
    return _draw_throughput(plan, "prefill", llm, batch, ax, title)


def decode_throughput(
    llm: LLM,
    accelerators: Devices,
    *,
    batch: int = 64,
    context_tokens: Any = (512, 1024, 2048, 4096, 8192),
    precisions: Sequence[str | PrecisionPolicy] = ("bf16", "fp8"),
    measured: Measured | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    **options: Any,
) -> Axes:
    """Draw the throughput of decode over the context, a line per machine and precision (Kim Figure 5).

    Of one machine, a line below the title has the gain of the second precision over the first.

    Parameters
    ----------
    llm : LLM
        The model.
    accelerators : Accelerator or Machine, or a sequence of them
        One to six; a panel for each is a call with each.
    batch : int
        Sequences.
    context_tokens : array of int
        Lengths, ascending [token].
    precisions : sequence of str or PrecisionPolicy
        Formats of each part.
    measured : mapping, optional
        Points to compare with: ``(tokens, TFLOPS)`` by ``(machine, precision)``, see :func:`prefill_throughput`.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        The model, and the machine if it is one, if not given.
    **options
        Further keyword arguments of :func:`roofline.decode`.

    Returns
    -------
    Axes
        x in tokens, y in TFLOPS over all devices of a replica. Faint where model and cache do not fit in memory.

    Raises
    ------
    ValueError
        Nothing that can run, too many machines, lengths that do not ascend, or measurements of something else.

    References
    ----------
    Kim V-B, Figure 5; Table IV.

    Examples
    --------
    Kim Table IV, decode on the H200 at batch 64, of which the paper does not say the precision:

    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> table_4 = {("h200-sxm", "fp8"): ([512, 1024, 2048, 4096, 8192], [141, 126, 105, 76, 56])}
    >>> ax = decode_throughput(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), measured=table_4)
    >>> ax.get_title(loc="left")
    'decode of Llama 3.1 8B on NVIDIA H200 SXM5 141GB'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_throughput(
        "decode",
        llm,
        accelerators,
        batch=batch,
        tokens=context_tokens,
        precisions=precisions,
        measured=measured,
        **options,
    )
    return _draw_throughput(plan, "decode", llm, batch, ax, title)


def thin_gemm_mfu(
    accelerators: Devices,
    *,
    m: Any = (8, 16, 32, 64),
    k_n: Sequence[tuple[int, int]] = ((2048, 2048), (4096, 4096)),
    precisions: Sequence[str] = ("bf16", "fp8"),
    measured: Measured | None = None,
    overhead_s: float = 0.0,
    geometry: Literal["padding", "waves", "none"] = "padding",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the MFU of thin GEMMs over their rows M, a line per machine and number format (Kim Figure 7).

    Parameters
    ----------
    accelerators : Accelerator or Machine, or a sequence of them
        One to six.
    m : array of int
        Rows, ascending.
    k_n : sequence of (int, int)
        Shapes of the second matrix, side by side.
    precisions : sequence of str
        Number formats of both inputs; the output is in BF16.
    measured : mapping, optional
        Points to compare with: ``(m, TFLOPS)`` by ``(machine, format, (k, n))``, such as
        ``{("gaudi-2", "bf16", (2048, 2048)): ([8, 16], [13.1, 25.8])}``; a machine by its key or its name.
    overhead_s : float
        Time to start a GEMM, on top of the machine's own [s].
    geometry : {"padding", "waves", "none"}
        How the shape meets the matrix engine, see :class:`roofline.Ceilings`.
    ax : Axes, optional
        Where to draw; a new figure if not given.
    title : str, optional
        What is drawn, and the machine if it is one, if not given.

    Returns
    -------
    Axes
        Logarithmic; x in rows, y in %.

    Raises
    ------
    ValueError
        Nothing that can run, too many machines, rows that do not ascend, or measurements of something else.

    References
    ----------
    Kim VI-A, Table III and Figure 7.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> ax = thin_gemm_mfu([hs.get("gaudi-2"), hs.get("h100-sxm")], overhead_s=2e-6)
    >>> ax.get_ylabel()
    'MFU [%]'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.get_figure())
    """
    plan = plan_thin_gemm(
        accelerators,
        m=m,
        k_n=k_n,
        precisions=precisions,
        measured=measured,
        overhead_s=overhead_s,
        geometry=geometry,
    )
    if ax is None:
        ax = plt.subplots(figsize=(4.6 + 2.2 * len(plan.blocks), 5.0), layout="constrained")[1]
    rows = plan.lines[0].x
    width = float(np.log2(rows[-1] / rows[0]))
    starts = np.arange(len(plan.blocks)) * width * 1.25  # a gap between the blocks

    def place(line: SweepLine, x: Array) -> Array:
        return starts[line.block] + np.log2(x / rows[0])

    _draw_lines(ax, plan, place, 100.0)
    ax.set_yscale("log")
    ax.set_xlim(-0.08 * width, starts[-1] + 1.08 * width)
    values = 100 * np.concatenate([part for line in plan.lines for part in (line.y, line.measured[1])])
    _set_height(ax, float(values.min()) / 1.3, float(values.max()) * 1.8)
    for start, block in zip(starts, plan.blocks, strict=True):
        style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 9}
        at = ax.get_xaxis_transform()
        ax.text(start + width / 2, 0.985, block, transform=at, parse_math=False, gid="block", **style)
        if start:
            ax.axvline(start - 0.125 * width, color="#bbbbbb", linewidth=0.8)
    ticks = [(start + np.log2(value / rows[0]), f"{value:,g}") for start in starts for value in rows]
    ax.set_xticks([float(at) for at, _ in ticks], [text for _, text in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ladder = [step * 10.0**power for power in range(-3, 3) for step in (1, 2, 5)]
    ax.yaxis.set_major_locator(FixedLocator(ladder))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("rows M of the GEMM (M×K)·(K×N)")
    ax.set_ylabel("MFU [%]")
    start = f", {overhead_s * 1e6:g} µs to start" if overhead_s else ""
    heading(
        ax,
        title if title is not None else _title("thin GEMMs", plan),
        f"lines: ideal roofline{start}{_legend(plan)}",
        *_below(plan),
    )
    return ax


def _draw_throughput(plan: SweepPlan, phase: str, llm: LLM, batch: int, ax: Axes | None, title: str | None) -> Axes:
    if ax is None:
        ax = plt.subplots(figsize=(8.4, 5.0) if len(plan.machines) > 1 else (6.4, 4.2), layout="constrained")[1]
    _draw_lines(ax, plan, lambda _, x: x, 1.0)
    x = plan.lines[0].x
    ax.set_xlim(x[0], x[-1])
    highest = max(float(np.max(values)) for line in plan.lines for values in (line.y, line.measured[1]) if values.size)
    _set_height(ax, None, 1.06 * highest)
    set_length_axis(ax, x)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    ax.set_xlabel(f"{'prompt' if phase == 'prefill' else 'context'} [tokens]")
    ax.set_ylabel("throughput [TFLOPS]")
    faint = "; faint: does not fit in memory" if any(not line.fits.all() for line in plan.lines) else ""
    lines = [f"lines: {plan.kind}, batch {batch:,g}{_legend(plan)}{faint}"]
    if len(plan.machines) == 1 and plan.gains:
        words = precision_words(plan.precisions)
        (gain,) = plan.gains.values()
        second, first = words[plan.precisions[1]], words[plan.precisions[0]]
        ends = [
            f"{rise:+.0%} at {length:,g}".replace("%", " %") for rise, length in ((gain[0], x[0]), (gain[-1], x[-1]))
        ]
        lines.append(f"{second} over {first}: {', '.join(ends)} tokens")
    heading(ax, title if title is not None else _title(f"{phase} of {llm.name}", plan), *lines, *_below(plan))
    return ax


def _draw_lines(ax: Axes, plan: SweepPlan, place: Callable[[SweepLine, Array], Array], scale: float) -> None:
    """Draw lines, measured points, and labels at the right edge."""
    words, one_machine = precision_words(plan.precisions), len(plan.machines) == 1
    for line in plan.lines:
        name, style = f"{line.machine} {line.precision} {line.block}", _style(line, plan)
        x, y, dashes = place(line, line.x), line.y * scale, {"color": style["color"], "linestyle": style["linestyle"]}
        ax.plot(x, y, linewidth=1.7, alpha=1.0 if line.fits.all() else 0.3, gid=f"line {name}", **dashes)
        if not line.fits.all():
            ax.plot(x[line.fits], y[line.fits], linewidth=1.7, gid=f"fits {name}", **dashes)
        if line.measured[0].size:
            at, rate = line.measured
            marks: dict[str, Any] = {"linestyle": "", "markeredgecolor": "white", "markeredgewidth": 0.6}
            marks |= {"color": style["color"], "marker": style["marker"], "markersize": 6, "clip_on": False}
            ax.plot(place(line, at), rate * scale, gid=f"measured {name}", zorder=3, **marks)
    margin = MarginLabels(ax)
    for group in plan.ends(within=0.0 if one_machine else 0.02):
        precisions = ", ".join(words[line.precision] for line in group)
        text = precisions if one_machine else f"{group[0].machine}:\n  {precisions}"
        text = f"{group[0].machine}: {precisions}" if not one_machine and len(group) == 1 else text
        colour = "black" if one_machine and len(group) > 1 else _style(group[0], plan)["color"]
        margin.label(text, float(group[0].y[-1] * scale), colour=colour)
    ax.grid(color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=FONT_POINTS)
    if _has_key(plan):
        _draw_key(ax, plan, words)


def _style(line: SweepLine, plan: SweepPlan) -> dict[str, Any]:
    """Tell machines apart by colour and precisions by dashes and markers; one machine's precisions by both."""
    turn = plan.precisions.index(line.precision)
    hue = turn if len(plan.machines) == 1 else plan.machines.index(line.machine)
    return {
        "color": LINE_COLOURS[hue % len(LINE_COLOURS)],
        "linestyle": _DASHES[turn % len(_DASHES)],
        "marker": _MARKERS[turn % len(_MARKERS)],
    }


def _has_key(plan: SweepPlan) -> bool:
    return len(plan.precisions) > 1 and len(plan.machines) > 1


def _draw_key(ax: Axes, plan: SweepPlan, words: dict[str, str]) -> None:
    """Say what dashes and markers mean."""
    marked = any(line.measured[0].size for line in plan.lines)
    handles = [
        Line2D(
            [],
            [],
            color=LINE_COLOURS[-1],
            linestyle=_DASHES[turn % len(_DASHES)],
            marker=_MARKERS[turn % len(_MARKERS)] if marked else "",
            markersize=5,
            label=words[precision],
        )
        for turn, precision in enumerate(plan.precisions)
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        fontsize=FONT_POINTS,
        frameon=False,
        borderpad=0.1,
        borderaxespad=0.2,
        handlelength=2.4,
        columnspacing=1.2,
    )


def _set_height(ax: Axes, low: float | None, high: float) -> None:
    """Set the range of y, wide enough for panels that share it and are drawn already."""
    others = [other for other in ax.get_shared_y_axes().get_siblings(ax) if other is not ax and other.lines]
    drawn = ax.get_ylim() if others else (np.inf, -np.inf)
    ax.set_ylim(min(drawn[0], low) if low is not None else 0.0, max(drawn[1], high))


def _title(what: str, plan: SweepPlan) -> str:
    return f"{what} on {plan.machines[0]}" if len(plan.machines) == 1 else what


def _legend(plan: SweepPlan) -> str:
    return "; marks: measured" if any(line.measured[0].size for line in plan.lines) else ""


def _below(plan: SweepPlan) -> tuple[str, ...]:
    """Name what cannot run, and leave a line for the key to dashes."""
    without = (f"cannot run: {listed(list(plan.left_out), at_most=4)}",) if plan.left_out else ()
    return (*without, " ") if _has_key(plan) else without
