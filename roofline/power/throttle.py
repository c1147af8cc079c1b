"""Power and energy of a phase at the clock that its TDP or a cap allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array, minimum, namespace
from roofline._text import span
from roofline._validation import number
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine
from roofline.power.draw import parts_w, total_w, work_s
from roofline.power.models import PowerModel, model_for
from roofline.power.tokens import TokensPerJoule

_STEPS = 48  # halvings of the clock's interval: to 1e-15, below what a double tells apart


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerEstimate:
    """A phase with its power and energy, at the clock that its limit allows. Attributes are computed when asked for.

    Attributes
    ----------
    unthrottled : PhaseEstimate
        The phase at full clock.
    estimate : PhaseEstimate
        The phase at `clock`.
    model : PowerModel
        The constants of power.
    cap_w : array or None
        The lower of cap and TDP, of one device [W]; None where there is neither.
    clock : array
        Clock over the full one.
    capped : bool
        Whether a cap was asked for, beside the TDP.
    """

    unthrottled: PhaseEstimate
    estimate: PhaseEstimate
    model: PowerModel
    cap_w: Array | None
    clock: Array
    capped: bool = False

    @property
    def boundary(self) -> str:
        """What the power includes."""
        return self.model.boundary

    @property
    def time_s(self) -> Array:
        """Time of the phase [s]."""
        return self.estimate.time_s

    @property
    def tokens_per_s(self) -> Array:
        """Throughput of one replica [token/s]."""
        return self.estimate.tokens_per_s

    @property
    def tflops(self) -> Array:
        """Achieved rate over all devices [TFLOP/s]."""
        return self.estimate.tflops

    @property
    def throttled(self) -> Array:
        """Whether the clock is below the full one."""
        return self.clock < 1

    @property
    def loss(self) -> Array:
        """Throughput that a cap costs, as a share of that at the TDP; without a cap, what the TDP costs."""
        if not self.capped:
            return self.loss_to_full_clock
        return 1 - estimate(self.unthrottled, model=self.model).time_s / self.time_s

    @property
    def loss_to_full_clock(self) -> Array:
        """Throughput lost to TDP and cap together, as a share of that at full clock, which the TDP may not allow."""
        return 1 - self.unthrottled.time_s / self.time_s

    @property
    def devices(self) -> int:
        """Accelerators of one replica."""
        return self.estimate.devices

    @property
    def kind(self) -> str:
        """What the figures are."""
        return f"{self.estimate.kind} within a power limit"

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        limit = f"{span(self.cap_w)} W" if self.capped else "TDP"
        return f"{self.estimate.workload}, within its {limit}"

    @property
    def accelerator(self) -> Accelerator | Machine:
        """What was asked about."""
        return self.unthrottled.accelerator

    @property
    def machine(self) -> Machine:
        """The rates that are left, of one device."""
        return self.estimate.machine

    @cached_property
    def demand_w(self) -> Array:
        """Power of one device if nothing limited it [W]."""
        return total_w(parts_w(self.model, work_s(self.unthrottled), 1.0, self.unthrottled.time_s))

    @cached_property
    def breakdown_w(self) -> dict[str, Array]:
        """Power of one device by what draws it: idle, active, and every ceiling with a figure [W]."""
        return parts_w(self.model, work_s(self.unthrottled), self.clock, self.time_s)

    @property
    def power_w(self) -> Array:
        """Mean power of one device over the phase [W]."""
        return total_w(self.breakdown_w)

    @property
    def energy_j(self) -> Array:
        """Energy of the phase over all devices [J]."""
        return self.power_w * self.time_s * self.estimate.devices

    @property
    def energy_per_token_j(self) -> Array:
        """Energy over all devices per token: per prompt token in prefill, per generated token in decode [J/token]."""
        return self.power_w * self.estimate.devices / self.tokens_per_s

    @property
    def tokens_per_joule(self) -> TokensPerJoule:
        """Its inverse, with the boundary of its power [token/J]."""
        tokens = "prompt" if self.estimate.phase == "prefill" else "generated"
        return TokensPerJoule(1 / self.energy_per_token_j, self.boundary, tokens)

    def __repr__(self) -> str:
        cap = "no limit" if self.cap_w is None else f"limit {span(self.cap_w)} W"
        return (
            f"PowerEstimate({self.unthrottled.workload}, on {self.estimate.devices} × {self.model.name}: "
            f"{span(self.power_w)} W per device ({self.boundary}), {cap}, clock {span(self.clock)}, "
            f"{span(self.tokens_per_s)} tokens/s, {span(self.energy_per_token_j)} J/token)"
        )


def estimate(phase: PhaseEstimate, *, model: PowerModel | None = None) -> PowerEstimate:
    """Power and energy of a phase; one that would draw more than the TDP is slowed to it.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.
    model : PowerModel, optional
        Constants of power; by default those of :func:`model` for the phase's accelerator.

    Returns
    -------
    PowerEstimate
        Arrays have the shape of the phase.

    Raises
    ------
    UnknownValueError
        A phase on a bare :class:`roofline.Machine` without `model`, or an accelerator without a TDP.
    ValueError
        A limit below what the lowest clock draws.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
    >>> e = estimate(d)
    >>> print(f"{e.power_w:.0f} W, {e.energy_per_token_j * 1e3:.0f} mJ/token at the {e.boundary}")
    619 W, 74 mJ/token at the device
    """
    chosen = model_for(phase, model)
    return _throttled(phase, chosen, chosen.limit_w)


def under_cap(phase: PhaseEstimate, *, cap_w: Any, model: PowerModel | None = None) -> PowerEstimate:
    """A phase on devices that are capped: slower clocks, less bandwidth, and what that costs.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.
    cap_w : float or array
        Cap of every device, at the model's boundary [W]; broadcasts with the phase. The TDP holds too.
    model : PowerModel, optional
        As for :func:`estimate`.

    Returns
    -------
    PowerEstimate

    Raises
    ------
    ValueError
        A cap below what the lowest clock draws, or as for :func:`estimate`.

    References
    ----------
    Kim VI-D and Table IV.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=8192, precision="fp8")
    >>> capped = under_cap(d, cap_w=[700, 550, 400])
    >>> capped.clock.round(2), capped.loss.round(2)
    (array([0.97, 0.79, 0.58]), array([0.  , 0.19, 0.41]))
    """
    chosen = model_for(phase, model)
    cap = number("cap_w", cap_w, above=0)
    limit_w = cap if chosen.limit_w is None else minimum(cap, chosen.limit_w)
    return replace(_throttled(phase, chosen, limit_w), capped=True)


def _at_clock(phase: PhaseEstimate, model: PowerModel, clock: Array) -> PhaseEstimate:
    slowed = model.slowed(phase.machine, clock)
    operations = tuple(replace(operation, machine=slowed) for operation in phase.operations)
    return replace(phase, machine=slowed, operations=operations)


def _throttled(phase: PhaseEstimate, model: PowerModel, cap_w: Array | None) -> PowerEstimate:
    """Find the largest clock at which the phase keeps to the cap. Power rises with the clock, so halving finds it."""
    if cap_w is None:
        return PowerEstimate(unthrottled=phase, estimate=phase, model=model, cap_w=None, clock=1.0)

    work = work_s(phase)

    def power_w(clock: Array) -> Array:
        return total_w(parts_w(model, work, clock, _at_clock(phase, model, clock).time_s))

    demand_w = total_w(parts_w(model, work, 1.0, phase.time_s))
    xp = namespace(demand_w, cap_w)
    over = demand_w > cap_w
    if not bool(xp.any(xp.asarray(over))):
        return PowerEstimate(
            unthrottled=phase, estimate=phase, model=model, cap_w=cap_w, clock=xp.ones_like(demand_w + cap_w)
        )
    low = xp.full_like(xp.asarray(demand_w + cap_w), model.minimum_clock)
    least_w = power_w(low)
    if bool(xp.any(over & (least_w > cap_w))):
        worst = float(np.max(np.asarray(least_w)[np.asarray(over & (least_w > cap_w))]))
        raise ValueError(
            f"cap_w = {float(np.min(np.asarray(cap_w))):g} is not accepted: at its lowest clock {model.name} draws "
            f"{worst:.0f} W"
        )
    high = xp.ones_like(low)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        fits = power_w(middle) <= cap_w
        low, high = xp.where(fits, middle, low), xp.where(fits, high, middle)
    clock = xp.where(over, low, 1.0)[()]
    return PowerEstimate(
        unthrottled=phase, estimate=_at_clock(phase, model, clock), model=model, cap_w=cap_w, clock=clock
    )
