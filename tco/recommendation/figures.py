"""The pictures of a recommendation, drawn with :mod:`tco.plot`."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from tco import plot
from tco.recommendation.decide import Recommendation
from tco.recommendation.mixed import Mixed
from tco.recommendation.page import Particulars, shows_dollars
from tco.surface import surface

_DPI = 160


def draw(found: Recommendation, mixed: Mixed, what: Particulars, names: tuple[str, ...]) -> dict[str, bytes]:
    """Draw the pictures that a page asks for.

    Parameters
    ----------
    found : Recommendation
        What the scenario comes to.
    mixed : Mixed
        The cheapest fleet of several machines.
    what : Particulars
        Whether to reveal dollars.
    names : tuple of str
        Of the figures.

    Returns
    -------
    dict of str to bytes
        PNG by name; one that has nothing to show is left out.
    """
    import matplotlib.pyplot as plt

    makers: dict[str, Callable[[], Any]] = {
        "costs": lambda: _costs(found, what),
        "surface": lambda: _surface(found),
        "distribution": lambda: _distribution(found),
        "tornado": lambda: _tornado(found, what),
        "cheapest": lambda: _cheapest(found),
        "fleet": lambda: _fleet(found, mixed),
    }
    drawn = {}
    for name in names:
        ax = makers[name]()
        if ax is None:
            continue
        held = io.BytesIO()
        # No date and no version in the file: the same scenario draws the same bytes.
        ax.figure.savefig(held, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
        plt.close(ax.figure)
        drawn[name] = held.getvalue()
    return drawn


def _costs(found: Recommendation, what: Particulars) -> Any:
    order = [name for name in found.order if name != found.reference] + [found.reference]
    return plot.breakdown(
        {name: found.standings[name].plan.breakdown for name in order}, reveal=shows_dollars(found, what)
    )


def _surface(found: Recommendation) -> Any:
    if found.runner_up is None:
        return None
    a, b = found.best, found.runner_up
    points = found.mix.points(a, b)
    c = found.compare(a, b)
    costs, rates = ([point[at] for point in points.values()] for at in (0, 1))
    drawn = surface(
        r_th=_around(rates),
        r_sc=_around(costs),
        r_ic=1.0 if c.r_ic is None else c.r_ic,
        server_share=c.server_share,
    )
    kinds = {name: found.standings[name].plan.deployment.throughput.kind for name in (a, b)}
    assumed = "ideal roofline" in kinds.values()
    shown = {name: place for name, place in points.items() if name != "mix"} if len(points) > 2 else points
    return plot.heatmap(
        drawn,
        points=shown,
        measured=() if assumed else tuple(shown),
        mix=points["mix"] if len(points) > 2 else None,
        labels=(a, b),
        annotate=False,
    )


def _around(values: list[float]) -> Any:
    low, high = min(*values, 1.0) / 1.6, max(*values, 1.0) * 1.6
    return np.geomspace(low, high, 61)


def _distribution(found: Recommendation) -> Any:
    if found.runner_up is None or not found.inputs:
        return None
    draws = found.ratio_draws(found.best, found.runner_up)
    if np.ptp(draws) == 0:
        return None
    level = found.scenario.decision.level
    return plot.distribution(draws, level=level, names=(found.best, found.runner_up))


def _tornado(found: Recommendation, what: Particulars) -> Any:
    bars = found.tornado()
    if bars is None or found.runner_up is None:
        return None
    rows = [
        (bar.name, bar.at_low, bar.at_high, *(None if end is None else f"{end:,.4g}" for end in (bar.low, bar.high)))
        for bar in bars.shown(what.reveal)
    ]
    return plot.tornado(rows, base=bars.base, names=(found.best, found.runner_up))


def _cheapest(found: Recommendation) -> Any:
    tariffs = [one.plan.inputs.get("usd_per_kwh") for one in found.standings.values()]
    if len(found.standings) < 2 or None in tariffs:
        return None
    factors = np.geomspace(0.25, 4, 41)
    price, traffic = np.meshgrid(factors, factors)
    costs = {}
    for name, one in found.standings.items():
        inputs = one.plan.inputs
        account = one.plan.evaluate(
            usd_per_kwh=inputs["usd_per_kwh"] * price, traffic_per_s=inputs["traffic_per_s"] * traffic
        )
        costs[name] = account.usd_per_million_tokens
    return plot.cheapest(
        factors,
        factors,
        costs,
        xlabel="electricity tariff, over the scenario's",
        ylabel="traffic, over the scenario's",
        points={"planned": (1.0, 1.0)},
    )


def _fleet(found: Recommendation, mixed: Mixed) -> Any:
    if mixed.fleet is None:
        return None
    fleets: dict[str, dict[str, float]] = {name: {name: found.standings[name].plan.servers} for name in found.order}
    fleets["cheapest mix"] = {name: float(mixed.fleet.servers[name]) for name in mixed.machines}
    return plot.fleet(fleets)
