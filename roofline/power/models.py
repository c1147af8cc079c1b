"""What a device draws: the constants of power, fitted where there are measurements, else assumed from its TDP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from hardware_specs import Accelerator, UnknownValueError
from roofline._arrays import Array, minimum
from roofline._validation import choice, number
from roofline._views import HoldsViews
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine
from roofline.power.measured import ACTIVE_SHARE, IDLE_SHARE, MEASURED, MEMORY_J_PER_BYTE

BOUNDARIES = ("device", "board", "chassis", "rack")
"""What a power figure includes, from the inside out."""

CORE_CEILINGS = ("matrix", "vector", "special", "on_chip")
"""Ceilings in the clock domain that a cap slows; every other one keeps its own clock."""

DRAWING_CEILINGS = (*CORE_CEILINGS, "memory", "second_tier", "link")
"""Ceilings whose work costs energy. The others, latency and overhead, are waiting: idle power and running clocks."""

_CORE_RATES = ("vector_flops_per_s", "exp_per_s", "on_chip_bytes_per_s", "clock_hz")
_ASSUMED_IDLE = f"assumption: {IDLE_SHARE} of the TDP, as an H200"


@dataclass(frozen=True, kw_only=True)
class PowerModel(HoldsViews):
    """What one device draws: the few constants of power, each with where it comes from.

    Attributes
    ----------
    name : str
        The device.
    idle_w : array
        Power without work [W].
    active_w : array
        Added by running clocks at full speed, whatever they do [W].
    dynamic_w : mapping of str to array
        Added by each ceiling, of :data:`DRAWING_CEILINGS`, while it is busy all the time at full speed [W]. One without
        a figure adds nothing of its own: what it draws is part of `active_w`.
    limit_w : array or None
        Power at which the device slows itself, its TDP [W]; None where it never does.
    clock_exponent : float
        ``α``: core power over clock, 1 at a fixed voltage to 3 where voltage falls with the clock.
    bandwidth_headroom : float
        Bandwidth that the core's fabric carries at full clock over that of main memory.
    minimum_clock : float
        Lowest clock over the full one.
    boundary : {"device", "board", "chassis", "rack"}
        What the figures include.
    sources : mapping of str to str
        Where each figure comes from; one that starts with ``assumption`` is none of this device.

    Raises
    ------
    ValueError
        A figure out of range, a ceiling that does no work, another boundary, or a limit that is not above idle.

    Examples
    --------
    >>> chip = PowerModel(name="chip", idle_w=50, active_w=100, dynamic_w={"matrix": 400, "memory": 150}, limit_w=500)
    >>> chip.replace(limit_w=400).limit_w
    400.0
    """

    name: str
    idle_w: Array
    active_w: Array
    dynamic_w: Mapping[str, Array]
    limit_w: Array | None = None
    clock_exponent: float = 2.0
    bandwidth_headroom: float = 1.0
    minimum_clock: float = 0.17
    boundary: str = "device"
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "idle_w": plain(number("idle_w", self.idle_w, at_least=0)),
            "active_w": plain(number("active_w", self.active_w, at_least=0)),
            "dynamic_w": MappingProxyType(
                {
                    choice("dynamic_w", name, DRAWING_CEILINGS): plain(number(f"dynamic_w[{name!r}]", w, at_least=0))
                    for name, w in self.dynamic_w.items()
                }
            ),
            "clock_exponent": float(number("clock_exponent", self.clock_exponent, at_least=1, at_most=3)),
            "bandwidth_headroom": float(number("bandwidth_headroom", self.bandwidth_headroom, at_least=1, at_most=10)),
            "minimum_clock": float(number("minimum_clock", self.minimum_clock, at_least=0.01, at_most=1)),
            "boundary": choice("boundary", self.boundary, BOUNDARIES),
            "sources": MappingProxyType(dict(self.sources)),
        }
        if self.limit_w is not None:
            checked["limit_w"] = plain(number("limit_w", self.limit_w, above=0))
            if np.any(np.asarray(checked["limit_w"]) <= np.asarray(checked["idle_w"])):
                raise ValueError(f"limit_w = {self.limit_w!r} is not accepted: give more than idle_w = {self.idle_w!r}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Figures that are assumed and not of this device, each with the assumption."""
        return tuple(f"{name}: {text}" for name, text in self.sources.items() if text.startswith("assumption"))

    def replace(self, **changes: Any) -> PowerModel:
        """Return a model with other figures, checked again.

        Parameters
        ----------
        **changes
            Fields and their values; their source becomes ``user`` unless `sources` is given too.

        Raises
        ------
        ValueError
            A name that is no field, or a figure out of range.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> model(hs.get("gaudi-3")).replace(idle_w=160).sources["idle_w"]
        'user'
        """
        known = [each.name for each in fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(f"{name} is no field of a PowerModel; it has {', '.join(known)}")
        sources = {**self.sources, **dict.fromkeys(changes, "user")}
        return replace(self, **{"sources": sources, **changes})

    def slowed(self, machine: Machine, clock: Array) -> Machine:
        """Rates of a machine at a part of its clock.

        Parameters
        ----------
        machine : Machine
            Rates at full clock.
        clock : array
            Clock over the full one.

        Returns
        -------
        Machine
            Matrix, vector and special-function rates and on-chip bandwidth times the clock; bandwidth of main memory
            times min(1, `bandwidth_headroom`·clock).

        Examples
        --------
        >>> chip = PowerModel(name="chip", idle_w=50, active_w=100, dynamic_w={}, bandwidth_headroom=1.25)
        >>> full = Machine(name="chip", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=4e12)
        >>> half = chip.slowed(full, 0.5)
        >>> float(half.flops_per_s["bf16"]), float(half.memory_bytes_per_s)
        (500000000000000.0, 2500000000000.0)
        """
        rates = {name: getattr(machine, name) for name in _CORE_RATES}
        return machine.replace(
            flops_per_s={name: rate * clock for name, rate in machine.flops_per_s.items()},
            memory_bytes_per_s=machine.memory_bytes_per_s * minimum(1.0, self.bandwidth_headroom * clock),
            **{name: rate * clock for name, rate in rates.items() if rate is not None},
        )


def plain(value: Array) -> Array:
    """Return an array of one number as that number.

    Parameters
    ----------
    value : array
        A checked number.
    """
    return float(value) if isinstance(value, np.ndarray) and value.shape == () else value


def model(accelerator: Accelerator) -> PowerModel:
    """Power model of a catalogue's accelerator: fitted where there are measurements, else from its TDP by assumption.

    The assumptions: idle is 0.115 of the TDP where the catalogue has no figure; running clocks cost 0.26 of the rest;
    main memory costs 90 pJ/byte, or what is left if that is less; and the matrix engine, busy all the time, takes
    exactly what is left. So alone it never throttles, but with memory busy beside it, it does.

    Parameters
    ----------
    accelerator : Accelerator
        One device, all its dies included.

    Returns
    -------
    PowerModel
        At the boundary of the device. ``assumptions`` says what is assumed; ``replace`` takes figures of your own.

    Raises
    ------
    UnknownValueError
        No TDP or no bandwidth is known.
    ValueError
        No accelerator: a :class:`roofline.Machine` has no TDP.

    References
    ----------
    Kim Tables IV and V; :mod:`roofline.power.measured` names the rest.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> h200 = model(hs.get("h200-sxm"))
    >>> h200.limit_w, h200.idle_w, h200.active_w, {name: round(w) for name, w in h200.dynamic_w.items()}
    (700.0, 80.3, 160.0, {'matrix': 1000, 'memory': 432})
    >>> model(hs.get("mi300x")).assumptions[0]
    'idle_w: assumption: 0.115 of the TDP, as an H200'
    """
    if not isinstance(accelerator, Accelerator):
        raise ValueError(
            f"accelerator = {accelerator!r} is not accepted: give an Accelerator; others need a PowerModel"
        )
    limit_w = accelerator.require("tdp_w")
    memory_w = MEMORY_J_PER_BYTE * accelerator.memory_bytes_per_s
    fitted = MEASURED.get(accelerator.key)
    if fitted is not None:
        sources = dict(fitted.sources)
        idle_w, active_w, matrix_w = fitted.idle_w, fitted.active_w, fitted.matrix_w
        if accelerator.idle_w is not None:
            idle_w, sources["idle_w"] = accelerator.idle_w, accelerator.source("idle_w")
    else:
        idle_w = IDLE_SHARE * limit_w if accelerator.idle_w is None else accelerator.idle_w
        active_w = ACTIVE_SHARE * (limit_w - idle_w)
        matrix_w = limit_w - idle_w - active_w
        memory_w = min(memory_w, matrix_w)
        sources = {
            "idle_w": f"assumption: {IDLE_SHARE} of the TDP, as an H200"
            if accelerator.idle_w is None
            else accelerator.source("idle_w"),
            "active_w": f"assumption: {ACTIVE_SHARE} of TDP less idle, as an H100",
            "dynamic_w": "assumption: memory 90 pJ/byte, as an H100; the matrix engine takes what is left of the TDP",
        }
    return PowerModel(
        name=accelerator.name,
        idle_w=idle_w,
        active_w=active_w,
        dynamic_w={"matrix": matrix_w, "memory": memory_w},
        limit_w=limit_w,
        sources={**sources, "limit_w": accelerator.source("tdp_w")},
    )


def model_for(phase: PhaseEstimate, given: PowerModel | None) -> PowerModel:
    """Return the constants of power for a phase: those given, or those of its accelerator.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.
    given : PowerModel or None
        A user's.

    Raises
    ------
    UnknownValueError
        Neither a model nor an accelerator with a TDP.
    ValueError
        No phase, or no model.
    """
    if not isinstance(phase, PhaseEstimate):
        raise ValueError(f"phase = {phase!r} is not accepted: give a PhaseEstimate, such as rl.decode(...)")
    if given is None:
        if not isinstance(phase.accelerator, Accelerator):
            raise UnknownValueError(f"{phase.machine.name} is bare rates without a TDP: give model=PowerModel(...)")
        return model(phase.accelerator)
    if not isinstance(given, PowerModel):
        raise ValueError(f"model = {given!r} is not accepted: give a PowerModel, such as rl.power.model(accelerator)")
    return given
