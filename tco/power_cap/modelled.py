"""Throughput over a power cap from the model of :mod:`roofline.power`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline._arrays import Array
from roofline.estimates import PhaseEstimate
from tco.power_cap.curves import Segments, ThroughputCurve, single, through

if TYPE_CHECKING:
    from roofline.power import PowerModel


@dataclass(frozen=True, eq=False)
class FromModel(ThroughputCurve):
    """A modelled curve: a phase on devices whose clock falls until they keep to the cap (:mod:`roofline.power`).

    Attributes
    ----------
    phase : PhaseEstimate
        One phase, of shape ``()``, from :func:`roofline.decode` or :func:`roofline.prefill`.
    model : PowerModel, optional
        Constants of power; by default those of the phase's accelerator.
    replicas : int
        Of the phase on a server.

    Raises
    ------
    ValueError
        A phase of several points.
    UnknownValueError
        Neither a model nor an accelerator with a TDP.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=2048, precision="fp8")
    >>> curve = FromModel(d)
    >>> loss = 1 - curve.throughput(400) / curve.throughput(700)
    >>> f"{loss:.1%}", f"{rl.power.under_cap(d, cap_w=400).loss:.1%}"
    ('39.7%', '39.7%')
    """

    phase: PhaseEstimate
    model: PowerModel | None = None
    replicas: int = 1

    def __post_init__(self) -> None:
        from roofline.power.models import model_for  # so that importing the package stays cheap

        object.__setattr__(self, "model", model_for(self.phase, self.model))
        if np.shape(self.phase.time_s) != ():
            raise ValueError(f"phase has shape {np.shape(self.phase.time_s)}: give one point, and a curve for each")
        replicas = single("replicas", self.replicas, at_least=1, at_most=1e6, whole=True)
        object.__setattr__(self, "replicas", int(replicas))
        if self._limit_w <= self._tabulated[0][0]:
            raise ValueError("model is not accepted: its lowest clock draws more than its limit_w")

    @cached_property
    def _tabulated(self) -> tuple[Array, Array]:
        """Cap and throughput at many clocks. Power follows from the clock directly, the clock from power does not."""
        from roofline.power import PowerEstimate

        assert self.model is not None  # noqa: S101 - set when made
        clock = np.geomspace(self.model.minimum_clock, 1.0, 513)
        machine = self.model.slowed(self.phase.machine, clock)
        operations = tuple(replace(operation, machine=machine) for operation in self.phase.operations)
        slowed = PowerEstimate(
            unthrottled=self.phase,
            estimate=replace(self.phase, machine=machine, operations=operations),
            model=self.model,
            cap_w=None,
            clock=clock,
        )
        shape = clock.shape
        return np.broadcast_to(slowed.power_w, shape), self.replicas * np.broadcast_to(slowed.tokens_per_s, shape)

    @cached_property
    def demand_w(self) -> float:
        """Power that a device draws without a cap but its TDP [W]."""
        return min(self._limit_w, float(self._tabulated[0][-1]))

    @property
    def _limit_w(self) -> float:
        limit = self.model.limit_w if self.model is not None else None
        return float(self._tabulated[0][-1]) if limit is None else float(np.max(np.asarray(limit)))

    @cached_property
    def segments(self) -> Segments:
        """The model between 513 clocks; flat from what the phase demands to the TDP."""
        power, throughput = self._tabulated
        limit = self._limit_w
        if limit > power[-1]:
            power, throughput = np.append(power, limit), np.append(throughput, throughput[-1])
        elif limit < power[-1]:  # the TDP itself throttles
            at_limit = np.exp(np.interp(np.log(limit), np.log(power), np.log(throughput)))
            below = power < limit
            power, throughput = np.append(power[below], limit), np.append(throughput[below], at_limit)
        return through(power, throughput)

    def kind(self, cap_w: Any) -> Array:
        """Say what the throughput is.

        Parameters
        ----------
        cap_w : number or array
            Cap [W].

        Returns
        -------
        array of str
            ``modelled``.
        """
        return np.full(np.shape(self._within(cap_w)), "modelled", dtype=object)

    _outside = "cap_w is outside the curve: below what the lowest clock draws, or above the TDP"

    def __getstate__(self) -> dict[str, Any]:
        figures = {each.name: getattr(self.model, each.name) for each in fields(type(self.model))}  # type: ignore[arg-type]
        plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in figures.items()}
        return {**vars(self), "model": plain}  # the model's read-only views do not pickle

    def __setstate__(self, state: dict[str, Any]) -> None:
        from roofline.power import PowerModel

        vars(self).update({**state, "model": PowerModel(**state["model"])})

    def __repr__(self) -> str:
        return f"FromModel({self.phase.workload}, {self.phase.kind})"
