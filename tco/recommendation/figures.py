"""The pictures of a recommendation, drawn with :mod:`tco.plot`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

from tco import plot
from tco.recommendation.applications import surface_places
from tco.recommendation.decision import Recommendation
from tco.recommendation.robustness import hidden, map_axes
from tco.recommendation.study import Study
from tco.recommendation.words import bare, named, split, unit_of
from tco.surface import surface

_DPI = 160


def draw(study: Study, names: tuple[str, ...]) -> dict[str, bytes]:
    """Draw the pictures that a page asks for.

    Parameters
    ----------
    study : Study
        What to draw.
    names : tuple of str
        Of the figures.

    Returns
    -------
    dict of str to bytes
        PNG by name; one that has nothing to show is left out.
    """
    import matplotlib.pyplot as plt

    makers: dict[str, Callable[[Study], Any]] = {
        "costs": _costs,
        "surface": _surface,
        "distribution": _distribution,
        "tornado": _tornado,
        "cheapest": _cheapest,
        "fleet": _fleet,
        "cap": _cap,
    }
    drawn = {}
    for name in names:
        ax = makers[name](study)
        if ax is None:
            continue
        held = io.BytesIO()
        # No date and no version in the file: the same scenario draws the same bytes.
        ax.figure.savefig(held, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
        plt.close(ax.figure)
        drawn[name] = held.getvalue()
    return drawn


def _costs(study: Study) -> Any:
    found = study.found
    order = [name for name in found.order if name != found.reference] + [found.reference]
    ax = plot.breakdown({name: found.standings[name].plan.breakdown for name in order}, reveal=study.shows_dollars)
    _reorder(ax, order, found.order)
    return ax


def _reorder(ax: Any, drawn: Sequence[str], wanted: Sequence[str]) -> None:
    """Bring the bars into another order: they are drawn with the reference last, and the table has it where it is."""
    rows = {at: wanted.index(name) for at, name in enumerate(drawn)}
    for bar in ax.patches:
        at = bar.get_y() + bar.get_height() / 2
        bar.set_y(bar.get_y() + rows[round(at)] - round(at))
    for text in ax.texts:
        held = getattr(text, "xy", None)
        inside = text.get_transform() == ax.transData
        if held is not None and text.xycoords == "data":
            text.xy = (held[0], held[1] + rows[round(held[1])] - round(held[1]))
        elif held is None and inside:
            y = text.get_position()[1]
            text.set_y(y + rows[round(y)] - round(y))
    ax.set_yticks(range(len(wanted)), wanted, fontsize=9.5, parse_math=False)


def _surface(study: Study) -> Any:
    found = study.found
    places, c = surface_places(found), found.against_runner_up
    if places is None or c is None or c.r_ic is None or found.runner_up is None:
        return None
    costs, rates = ([place[at] for place in places.values()] for at in (0, 1))
    drawn = surface(r_th=_around(rates), r_sc=_around(costs), r_ic=c.r_ic, server_share=c.server_share)
    kinds = {name: found.standings[name].plan.deployment.throughput.kinds for name in (found.best, found.runner_up)}
    ideal = {entry for of in kinds.values() for entry, kind in of.items() if kind == "ideal roofline"}
    sure = [name for name in places if name not in ideal and not (name == "mix" and ideal)]
    ax = plot.heatmap(
        drawn,
        points={name: place for name, place in places.items() if name != "mix"},
        measured=sure,
        mix=places.get("mix"),
        labels=(found.best, found.runner_up),
        annotate=False,
    )
    # A calibrated throughput is neither assumed nor measured, and so the marks are named by what they tell apart.
    for text in ax.texts:
        if text.get_gid() == "small print":
            said = text.get_text()
            text.set_text(said.replace("○ assumed", "○ upper bound").replace("● measured", "● measured or calibrated"))
    return ax


def _around(values: list[float]) -> Any:
    """An axis with room to the right, where the break-even line carries its name."""
    return np.geomspace(min(*values, 1.0) / 1.6, max(*values, 1.0) * 2.2, 241)


def _distribution(study: Study) -> Any:
    found = study.found
    if found.runner_up is None or not found.inputs:
        return None
    draws = found.ratio_draws(found.best, found.runner_up)
    if np.ptp(draws) == 0:
        return None
    return plot.distribution(draws, level=found.scenario.decision.level, names=(found.best, found.runner_up))


def _tornado(study: Study) -> Any:
    found = study.found
    bars = study.bars
    if bars is None or found.runner_up is None:
        return None
    rows = []
    for bar in bars.shown(study.what.reveal):
        ends = (None, None) if hidden(study, bar.name) else (bar.low, bar.high)
        texts = (None if end is None else bare(bar.name, end, 3) for end in ends)
        unit = unit_of(bar.name)
        rows.append((named(bar.name) + (f" [{unit}]" if unit else ""), bar.at_low, bar.at_high, *texts))
    ax = plot.tornado(rows, base=bars.base, names=(found.best, found.runner_up))
    for text in ax.texts:
        if text.get_gid() == "end":  # keeps it readable on the lines
            text.set(path_effects=[withStroke(linewidth=2.5, foreground="#f7f7f7")], zorder=3)
    return ax


def _cheapest(study: Study) -> Any:
    found = study.found
    axes = map_axes(study)
    if axes is None:
        return None
    x, y = (_multiples(found, name) for name in axes)
    grid = dict(zip(axes, np.meshgrid(x, y), strict=True))
    costs = {}
    for name, one in found.standings.items():
        fractional = replace(one.plan, whole=False)
        moved = {key: factor * _now(found, key) for key, factor in grid.items()}
        account = fractional.evaluate(**found.changes(name, moved))
        costs[name] = np.broadcast_to(account.usd_per_million_tokens, grid[axes[0]].shape)
    labels = [f"{named(name)}, over what it is taken for" for name in axes]
    return plot.cheapest(x, y, costs, xlabel=labels[0], ylabel=labels[1], points={"planned": (1.0, 1.0)})


def _now(found: Recommendation, name: str) -> float:
    """What an input is in the plans."""
    owner, inner = split(name)
    plans = (
        [found.standings[owner].plan] if owner in found.standings else [one.plan for one in found.standings.values()]
    )
    return next(float(plan.inputs[inner]) for plan in plans if plan.inputs.get(inner) is not None)


def _multiples(found: Recommendation, name: str) -> Any:
    """Multiples of an input, half as far again as it may be off."""
    bounds = found.inputs[name].interval(0.98)
    now = _now(found, name)
    low, high = (abs(np.log(max(end / now, 1e-3))) for end in (bounds.low, bounds.high))
    reach = min(max(1.5 * max(low, high), np.log(1.2)), np.log(8.0))
    low, high = np.exp(-reach), np.exp(reach)
    return np.linspace(low, high, 61) if high < 3 else np.geomspace(low, high, 61)


def _fleet(study: Study) -> Any:
    found, mixed = study.found, study.mixed
    if mixed.fleet is None:
        return None
    fleets = {"cheapest mix": {name: float(count) for name, count in mixed.counts.items()}}
    fleets |= {name: {name: found.standings[name].plan.servers} for name in found.order}
    return plot.fleet(fleets)


def _cap(study: Study) -> Any:
    choice = next((cap.choice for cap in study.caps if cap.name == study.found.best), None)
    if choice is None:
        return None
    caps = choice.sweep()
    # Of full power, unless all is revealed: watts may be private.
    full_w = float(choice.uncapped.cap_w)
    scale = 1.0 if study.what.reveal else 100 / full_w
    ax = plot.power_cap(
        power_w=caps.cap_w * scale,
        relative_cost=caps.cost_ratio,
        relative_throughput=caps.throughput_ratio,
        servers_per_rack=caps.servers_per_rack,
        optimum_w=choice.cap_w * scale,
        title=f"What a cap on each device does to the cost of a token on {study.found.best}",
    )
    if not study.what.reveal:
        ax.set_xlabel("power cap [% of full power]")
    lost = choice.throughput_loss
    digits = 3 if choice.gain >= 0.01 else 4  # so that it says no more and no less than the table
    kept = "no throughput lost" if lost < 5e-5 else f"throughput {1 - lost:.{digits}f}×"
    for text in ax.texts:
        if text.get_gid() == "optimum label":
            said = re.sub(
                r"cost \S+×, throughput \S+×", f"cost {choice.cost_ratio:.{digits}f}×, {kept}", text.get_text()
            )
            text.set_text(said if study.what.reveal else re.sub(r"(best cap \S+) W", r"\1 %", said))
    return ax
