"""What a power cap would do for each candidate, at the same batches and within the same limits on latency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hardware_specs import UnknownValueError
from roofline._arrays import Array
from tco.mix import Served
from tco.power_cap import CapChoice, FromModel, best_cap
from tco.power_cap.curves import Segments, ThroughputCurve, through
from tco.recommendation.decision import Recommendation
from tco.recommendation.standing import Standing

_LEVEL = 1 + 1e-9


@dataclass(frozen=True, eq=False)
class Cap:
    """The best power cap of a candidate.

    Attributes
    ----------
    name : str
        Of the candidate.
    choice : CapChoice or None
        The cheapest cap; ``None`` where there is no answer.
    why : str
        Why there is none, or what its answer rests on.
    latency_w : float or None
        Lowest cap that keeps its limits on latency, where that is above the lowest that the model knows [W].
    """

    name: str
    choice: CapChoice | None
    why: str = ""
    latency_w: float | None = None

    @property
    def held_by_latency(self) -> bool:
        """Whether the best is the lowest that the limits on latency allow."""
        return self.choice is not None and self.latency_w is not None and self.choice.cap_w <= self.latency_w * _LEVEL

    @property
    def pays(self) -> bool:
        """Whether a cap saves anything worth the name."""
        return self.choice is not None and self.choice.gain >= 0.001


def power_caps(found: Recommendation) -> tuple[Cap, ...]:
    """Find the best power cap of each candidate, from the model of :mod:`roofline.power`.

    Of an application from prompt to last token the prefill and the last step stand for the whole. The batch stays, so
    that a cap goes no lower than the limits on latency allow; energy is charged for what the devices would draw.

    Parameters
    ----------
    found : Recommendation
        With its plans.

    Returns
    -------
    tuple of Cap
        In the order of cost.

    References
    ----------
    Kim et al., arXiv:2502.01070, VI-D.
    """
    return tuple(_cap(name, found.standings[name], found) for name in found.order)


def _cap(name: str, standing: Standing, found: Recommendation) -> Cap:
    plan = standing.plan
    if plan.deployment.rented:
        return Cap(name, None, "it is rented, and its power is its owner's to set")
    measured = [entry.name for entry in found.scenario.applications if entry.name not in standing.served]
    if measured:
        return Cap(name, None, f"the throughput of {' and '.join(measured)} is measured at full power alone")
    demands = {entry.name: entry.tokens_per_s for entry in found.scenario.applications}
    busy = {one: demand / standing.rates[one] for one, demand in demands.items()}
    try:
        parts = [_part(served, busy[one] / sum(busy.values())) for one, served in standing.served.items()]
        curve = _Together(tuple(part for several in parts for part in several))
        lowest = max(_lowest(served) for served in standing.served.values())
        if lowest >= curve.uncapped_w / _LEVEL:
            return Cap(name, None, "no lower cap keeps its limits on latency at the same batch")
        choice = best_cap(
            curve,
            facility=plan.deployment.facility,
            server=plan.deployment.server,
            server_usd_per_year=float(plan.account.server_usd) / plan.servers,
            devices=plan.deployment.server.accelerators,
            lowest_cap_w=lowest,
            charge_draw=True,
        )
    except (UnknownValueError, ValueError) as reason:
        return Cap(name, None, str(reason))
    assumed = any("assumption" in text for part in curve.parts for text in part.curve.model.sources.values())
    why = "constants of power assumed from its TDP" if assumed else "constants of power measured"
    known = max(part.curve.low_w for part in curve.parts)
    return Cap(name, choice, why, lowest if lowest > known * _LEVEL else None)


@dataclass(frozen=True)
class _Part:
    """A phase, and its share of the time that a server is busy."""

    curve: Any
    share: float

    def slowdown(self, cap_w: Array) -> Array:
        return self.curve.throughput(self.curve.uncapped_w) / self.curve.throughput(cap_w)


@dataclass(frozen=True, eq=False)
class _Together(ThroughputCurve):
    """Throughput of all phases that a server does in turn: their times add up."""

    parts: tuple[_Part, ...]

    @cached_property
    def segments(self) -> Segments:
        """Laws between the caps of all phases that each of them knows."""
        low, high = max(part.curve.low_w for part in self.parts), min(part.curve.uncapped_w for part in self.parts)
        edges = np.unique(np.concatenate([part.curve.segments.edges_w for part in self.parts] + [[low, high]]))
        caps = edges[(edges >= low) & (edges <= high)]
        return through(caps, 1 / sum(part.share * part.slowdown(caps) for part in self.parts))

    @property
    def demand_w(self) -> float:
        """The most that a phase draws [W]."""
        return max(float(part.curve.demand_w) for part in self.parts)

    def kind(self, cap_w: Any) -> Array:
        """Say that it is modelled.

        Parameters
        ----------
        cap_w : number or array
            Cap [W].
        """
        return np.full(np.shape(self._within(cap_w)), "modelled", dtype=object)


def _part(served: Served, share: float) -> list[_Part]:
    """Phases of an application, by their shares of the time."""
    estimate = served.estimate
    if not hasattr(estimate, "last_step"):
        return [_Part(FromModel(estimate), share)]
    first = float(estimate.prefill.time_s / estimate.latency_s)
    steps = [_Part(FromModel(estimate.prefill), share * first)]
    return [*steps, _Part(FromModel(estimate.last_step), share * (1 - first))] if first < 1 else steps


def _lowest(served: Served) -> float:
    """Lowest cap at which an application keeps its limits at the same batch [W]."""
    parts, limits, estimate = _part(served, 1.0), served.application.limits, served.estimate
    low = max(part.curve.low_w for part in parts)
    high = min(part.curve.uncapped_w for part in parts)
    caps = np.unique(np.concatenate([np.clip(part.curve.segments.edges_w, low, high) for part in parts]))
    kept = np.full(caps.shape, True)
    slower = [part.slowdown(caps) for part in parts]
    whole = sum(part.share * each for part, each in zip(parts, slower, strict=True))
    for limit, most in limits.items():
        now = float(getattr(estimate, limit, estimate.time_s if hasattr(estimate, "time_s") else 0.0))
        grown = {"ttft_s": slower[0], "itl_s": slower[-1]}.get(limit, whole)
        kept &= now * grown <= most * _LEVEL
    return float(caps[int(np.argmax(kept))]) if kept.any() else high
