"""Power and energy of a phase, and what a power cap or the TDP does to its speed.

A device draws idle power, power that its running clocks cost whatever they do, and energy for what it computes and
moves. Over a phase of time ``T`` at clock ``φ`` (1 is full speed), with exponent ``α``:

    P(φ) = idle + active·φ^α + (φ^(α−1)·Σ_core W_c·T_c + Σ_other W_c·T_c) / T(φ)

``T_c`` is the time that the work of ceiling ``c`` takes at its peak, and ``W_c`` what it draws while busy all the time:
work of the core costs φ^(α−1) of its energy, since the voltage falls with the clock; main memory and links keep their
own clocks. Where ``P(1)`` exceeds the cap or the TDP, the clock falls until it does not. The rates of the core fall
with φ, and so does the bandwidth, by min(1, headroom·φ): what comes from memory passes through the core's fabric.

A control loop of firmware is slower than a phase is long: one clock holds over the phase, and the cap bounds the mean.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=8192, precision="fp8")
>>> print(f"{rl.power.estimate(d).power_w:.0f} W, {rl.power.under_cap(d, cap_w=400).loss:.0%} slower at 400 W")
700 W, 42% slower at 400 W
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array, minimum, namespace
from roofline._validation import choice, count, number
from roofline.machine import Machine
from roofline.phases import PhaseEstimate

BOUNDARIES = ("device", "board", "chassis", "rack")
"""What a power figure includes, from the inside out."""

CORE_CEILINGS = ("matrix", "vector", "special", "on_chip")
"""Ceilings in the clock domain that a cap slows; every other one keeps its own clock."""

MEMORY_J_PER_BYTE = 90e-12
"""Energy from main memory to the core [J/byte]: fitted to Kim Table IV; ML.ENERGY's runs on an H100 give 81 pJ/byte.
The memory itself is a third of it: 3.92 pJ/bit for HBM2 (O'Connor et al., Fine-Grained DRAM, MICRO 2017)."""

IDLE_SHARE = 0.115
"""Idle power over TDP: 80.3 W of 700 W measured on an H200 (serialalice.pt, GPU Energy Benchmark, 2026). A B200 has
0.14 and an MI355X 0.17 (ROCm/legacy-rocm-build issue 5219)."""

ACTIVE_SHARE = 0.26
"""Power of running clocks over TDP less idle: that of the H100 and H200 below."""

_CORE_RATES = ("vector_flops_per_s", "exp_per_s", "on_chip_bytes_per_s", "clock_hz")
_ASSUMED_IDLE = f"assumption: {IDLE_SHARE} of the TDP, as an H200"
_STEPS = 48  # halvings of the clock's interval: to 1e-15, below what a double tells apart


@dataclass(frozen=True, kw_only=True)
class PowerModel:
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
        Added by each ceiling while it is busy all the time at full speed [W]. One without a figure adds nothing of its
        own: what it draws is part of `active_w`.
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
        A figure out of range, another boundary, or a limit that is not above idle.

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
            "idle_w": _plain(number("idle_w", self.idle_w, at_least=0)),
            "active_w": _plain(number("active_w", self.active_w, at_least=0)),
            "dynamic_w": MappingProxyType(
                {name: _plain(number(f"dynamic_w[{name!r}]", w, at_least=0)) for name, w in self.dynamic_w.items()}
            ),
            "clock_exponent": float(number("clock_exponent", self.clock_exponent, at_least=1, at_most=3)),
            "bandwidth_headroom": float(number("bandwidth_headroom", self.bandwidth_headroom, at_least=1, at_most=10)),
            "minimum_clock": float(number("minimum_clock", self.minimum_clock, at_least=0.01, at_most=1)),
            "boundary": choice("boundary", self.boundary, BOUNDARIES),
            "sources": MappingProxyType(dict(self.sources)),
        }
        if self.limit_w is not None:
            checked["limit_w"] = _plain(number("limit_w", self.limit_w, above=0))
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


def _plain(value: Array) -> Array:
    return float(value) if isinstance(value, np.ndarray) and value.shape == () else value


_HOPPER = {
    "idle_w": 80.3,
    "active_w": 160.0,
    "dynamic_w": {"matrix": 1000.0},
    "sources": {
        "idle_w": "80.3 W measured on an H200: serialalice.pt, GPU Energy Benchmark, 2026",
        "active_w": "fitted to Kim Table IV, column of the 400 W cap, and to the powers of Kim Table V",
        "dynamic_w": "fitted to Kim Tables IV and V; memory 90 pJ/byte",
        "clock_exponent": "assumption: power goes with f·V², and V with the root of f; Table IV fits 1.5 to 3 alike",
        "bandwidth_headroom": "assumption: the fabric carries what the memory gives, no more; Table IV fits 1.0 to 1.2",
        "minimum_clock": "assumption: 345 MHz, the idle clock of an H100 PCIe (chipsandcheese.com, 2023), of 1980 MHz",
    },
}
_MEASURED: dict[str, dict[str, Any]] = {
    "h100-sxm": _HOPPER,
    "h200-sxm": _HOPPER,
    "gaudi-2": {
        "idle_w": 100.0,
        "active_w": 210.0,
        "dynamic_w": {"matrix": 187.0},
        "sources": {
            "idle_w": "assumption: 100 of the 310 W that Kim Table V leaves at no matrix work",
            "active_w": "the rest of those 310 W",
            "dynamic_w": "matrix: slope of power over utilisation in Kim Table V; memory: assumption, 90 pJ/byte",
        },
    },
}
"""Machines whose power has been measured against what they were doing: the only fitted constants of this module."""


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
    Kim Tables IV and V; the constants of this module name the rest.

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
    fitted = _MEASURED.get(accelerator.key)
    if fitted is not None:
        sources = dict(fitted["sources"])
        idle_w, active_w, matrix_w = fitted["idle_w"], fitted["active_w"], fitted["dynamic_w"]["matrix"]
        if accelerator.idle_w is not None:
            idle_w, sources["idle_w"] = accelerator.idle_w, accelerator.source("idle_w")
    else:
        idle_w = IDLE_SHARE * limit_w if accelerator.idle_w is None else accelerator.idle_w
        active_w = ACTIVE_SHARE * (limit_w - idle_w)
        matrix_w = limit_w - idle_w - active_w
        memory_w = min(memory_w, matrix_w)
        sources = {
            "idle_w": _ASSUMED_IDLE if accelerator.idle_w is None else accelerator.source("idle_w"),
            "active_w": "assumption: 0.26 of TDP less idle, as an H100",
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


@dataclass(frozen=True, eq=False)
class TokensPerJoule:
    """Tokens per joule, with what the joules include and which tokens are counted; unlike ones do not compare.

    Attributes
    ----------
    value : array
        [token/J].
    boundary : {"device", "board", "chassis", "rack"}
        What the power includes.
    tokens : {"generated", "prompt", "input and output"}
        Which tokens are counted.

    Raises
    ------
    ValueError
        A value that is not above 0, or another boundary or kind of tokens.

    Examples
    --------
    The CS-3 is measured at the chassis and GPUs at the device (Brunetta et al., section IV-C), so:

    >>> TokensPerJoule(0.15, boundary="chassis") / TokensPerJoule(0.73, boundary="device")
    Traceback (most recent call last):
    ...
    ValueError: tokens/J at the chassis and at the device do not compare: the one's power includes what the other's ...
    """

    value: Array
    boundary: str = "device"
    tokens: str = "generated"
    KINDS: ClassVar[tuple[str, ...]] = ("generated", "prompt", "input and output")

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _plain(number("value", self.value, above=0)))
        choice("boundary", self.boundary, BOUNDARIES)
        choice("tokens", self.tokens, self.KINDS)

    def at(self, boundary: str, *, overhead: float) -> TokensPerJoule:
        """Return the same at an outer boundary, for a stated overhead.

        Parameters
        ----------
        boundary : {"device", "board", "chassis", "rack"}
            One that includes this one.
        overhead : float
            Power there over the power here: a DGX H100 of 10.2 kW over eight H100 of 700 W is 1.82.

        Returns
        -------
        TokensPerJoule

        Raises
        ------
        ValueError
            An inner boundary, or an overhead below 1.

        Examples
        --------
        >>> round(TokensPerJoule(0.91, boundary="device").at("chassis", overhead=1.82).value, 6)
        0.5
        """
        choice("boundary", boundary, BOUNDARIES)
        if BOUNDARIES.index(boundary) < BOUNDARIES.index(self.boundary):
            raise ValueError(f"boundary = {boundary!r} is not accepted: it lies inside the {self.boundary}")
        factor = number("overhead", overhead, at_least=1)
        if boundary == self.boundary and bool(np.any(np.asarray(factor) != 1)):
            raise ValueError(f"overhead = {overhead!r} is not accepted: the boundary stays the {boundary}")
        return TokensPerJoule(self.value / factor, boundary, self.tokens)

    def _alike(self, other: object) -> Array:
        if not isinstance(other, TokensPerJoule):
            raise TypeError(f"tokens/J compare with tokens/J, not with {type(other).__name__}")
        if self.boundary != other.boundary:
            raise ValueError(
                f"tokens/J at the {self.boundary} and at the {other.boundary} do not compare: the one's power includes "
                "what the other's does not; .at(boundary, overhead=...) moves one outwards"
            )
        if self.tokens != other.tokens:
            raise ValueError(f"{self.tokens} tokens and {other.tokens} tokens per joule do not compare")
        return other.value

    def __truediv__(self, other: TokensPerJoule) -> Array:
        return self.value / self._alike(other)

    def __lt__(self, other: TokensPerJoule) -> Array:
        return self.value < self._alike(other)

    def __le__(self, other: TokensPerJoule) -> Array:
        return self.value <= self._alike(other)

    def __gt__(self, other: TokensPerJoule) -> Array:
        return self.value > self._alike(other)

    def __ge__(self, other: TokensPerJoule) -> Array:
        return self.value >= self._alike(other)

    def __eq__(self, other: object) -> Any:
        return self.value == self._alike(other)

    __hash__ = None  # type: ignore[assignment]  # equality is that of arrays


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
    """

    unthrottled: PhaseEstimate
    estimate: PhaseEstimate
    model: PowerModel
    cap_w: Array | None
    clock: Array

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
        """Throughput lost to the limit, as a share of that at full clock."""
        return 1 - self.unthrottled.time_s / self.time_s

    @cached_property
    def demand_w(self) -> Array:
        """Power of one device if nothing limited it [W]."""
        return _sum(_parts_w(self.model, _work_s(self.unthrottled), 1.0, self.unthrottled.time_s))

    @cached_property
    def breakdown_w(self) -> dict[str, Array]:
        """Power of one device by what draws it: idle, active, and every ceiling with a figure [W]."""
        return _parts_w(self.model, _work_s(self.unthrottled), self.clock, self.time_s)

    @property
    def power_w(self) -> Array:
        """Mean power of one device over the phase [W]."""
        return _sum(self.breakdown_w)

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
        cap = "no limit" if self.cap_w is None else f"limit {_span(self.cap_w)} W"
        return (
            f"PowerEstimate({self.unthrottled.workload}, on {self.estimate.devices} × {self.model.name}: "
            f"{_span(self.power_w)} W per device ({self.boundary}), {cap}, clock {_span(self.clock)}, "
            f"{_span(self.tokens_per_s)} tokens/s, {_span(self.energy_per_token_j)} J/token)"
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
    ValueError
        A phase on a bare :class:`roofline.Machine` without `model`, or a limit below what the lowest clock draws.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
    >>> e = estimate(d)
    >>> print(f"{e.power_w:.0f} W, {e.energy_per_token_j * 1e3:.0f} mJ/token at the {e.boundary}")
    619 W, 74 mJ/token at the device
    """
    chosen = _model_for(phase, model)
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
    (array([0.97, 0.79, 0.58]), array([0.03, 0.21, 0.42]))
    """
    chosen = _model_for(phase, model)
    cap = number("cap_w", cap_w, above=0)
    return _throttled(phase, chosen, cap if chosen.limit_w is None else minimum(cap, chosen.limit_w))


def mean_power_w(phase: PhaseEstimate, *, time_s: Any, model: PowerModel | None = None) -> Array:
    """Power of a phase that was measured to take longer than its roofline, at full clock.

    Parameters
    ----------
    phase : PhaseEstimate
        What was done; its work costs the same energy, however long it takes.
    time_s : float or array
        Time that it took [s]; broadcasts with the phase.
    model : PowerModel, optional
        As for :func:`estimate`.

    Returns
    -------
    array
        Mean power of one device [W]; a limit is not applied.

    Raises
    ------
    ValueError
        A time that is not above 0.

    Examples
    --------
    An H100 that decodes Llama 3.1 8B at batch 8 in 7.46 ms draws 486 W by ML.ENERGY's measurement:

    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=8, context_tokens=400)
    >>> print(f"{mean_power_w(d, time_s=7.46e-3):.0f} W")
    443 W
    """
    took = number("time_s", time_s, above=0)
    return _sum(_parts_w(_model_for(phase, model), _work_s(phase), 1.0, took))


def watts_to_reach(
    phase: PhaseEstimate, *, power_w: Any, ceiling: str = "matrix", model: PowerModel | None = None
) -> Array:
    """Power that a ceiling must draw when busy all the time, for a phase at full clock to demand a given power.

    The way to ask what a vendor does not publish: Kim VI-D sees Gaudi 3 at its TDP on thin GEMMs, and this says what
    its matrix engine would have to draw for that.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.
    power_w : float or array
        Power of one device that was seen [W].
    ceiling : str
        The ceiling whose figure is sought.
    model : PowerModel, optional
        The other constants; as for :func:`estimate`.

    Returns
    -------
    array
        Its ``dynamic_w`` [W].

    Raises
    ------
    ValueError
        The phase does not touch the ceiling, or the other parts draw more than `power_w` already.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("gaudi-3"), batch=64, context_tokens=128, precision="fp8")
    >>> print(f"{watts_to_reach(d, power_w=900):.0f} W")
    1152 W
    """
    chosen = _model_for(phase, model)
    seen = number("power_w", power_w, above=0)
    work_s = _work_s(phase)
    busy = work_s.get(ceiling)
    if busy is None:
        raise ValueError(f"ceiling = {ceiling!r} is not accepted: the phase has {', '.join(phase.ceiling_times_s)}")
    others = _parts_w(chosen, work_s, 1.0, phase.time_s)
    others.pop(ceiling, None)
    left = seen - _sum(others)
    if bool(np.any(np.asarray(left) < 0)):
        raise ValueError(f"power_w = {power_w!r} is not accepted: without {ceiling} the phase draws more")
    return left * phase.time_s / busy


def share_cap(demands_w: Sequence[Any], *, cap_w: Any, devices: Sequence[int] | None = None) -> tuple[Array, ...]:
    """Divide a cap among devices by filling up: each gets what it demands or an equal share of what the others leave.

    Parameters
    ----------
    demands_w : sequence of array
        Power that one device of each group would draw without a cap [W].
    cap_w : float or array
        Cap of all of them together [W].
    devices : sequence of int, optional
        Devices of each group; 1 each by default.

    Returns
    -------
    tuple of array
        Cap of one device of each group [W]: never below `cap_w` over all devices, or the demand if that is less.

    Raises
    ------
    ValueError
        No groups, lengths that differ, or a power that is not above 0.

    Examples
    --------
    >>> [float(watts) for watts in share_cap([300, 700, 900], cap_w=1500)]
    [300.0, 600.0, 600.0]
    """
    if not len(demands_w):
        raise ValueError("demands_w is empty: give the demand of at least one device")
    sizes = [1] * len(demands_w) if devices is None else [count("devices", each) for each in devices]
    if len(sizes) != len(demands_w):
        raise ValueError(f"devices has {len(sizes)} numbers for {len(demands_w)} demands")
    cap = np.asarray(number("cap_w", cap_w, above=0))
    given = np.broadcast_arrays(cap, *(np.asarray(number("demands_w", demand, above=0)) for demand in demands_w))
    demand = np.stack(given[1:])
    order = np.argsort(demand, axis=0)
    rising = np.take_along_axis(demand, order, axis=0)
    size = np.take_along_axis(np.broadcast_to(np.reshape(sizes, (-1, *[1] * cap.ndim)), demand.shape), order, axis=0)
    # With the k smallest demands met in full, the rest share what is left. What a level hands out is the least over k,
    # hence the level that spends the cap is the largest over k.
    met = np.cumsum(size * rising, axis=0) - size * rising
    sharers = size.sum(axis=0) - (np.cumsum(size, axis=0) - size)
    level = ((cap - met) / sharers).max(axis=0)
    return tuple(np.minimum(each, level)[()] for each in given[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledCap:
    """Loads under one cap of a rack, pooled and divided evenly.

    Attributes
    ----------
    pooled : tuple of PowerEstimate
        Each load with what the others leave.
    individual : tuple of PowerEstimate
        Each load when every device has the same cap.
    replicas : tuple of int
        Replicas of each load.
    cap_w : array
        Cap of all devices together [W].
    """

    pooled: tuple[PowerEstimate, ...]
    individual: tuple[PowerEstimate, ...]
    replicas: tuple[int, ...]
    cap_w: Array

    @property
    def gain(self) -> tuple[Array, ...]:
        """Throughput pooled over throughput at even caps, of each load; never below 1."""
        return tuple(a.tokens_per_s / b.tokens_per_s for a, b in zip(self.pooled, self.individual, strict=True))

    @property
    def power_w(self) -> Array:
        """Power of all devices with the cap pooled [W]."""
        return sum(
            each.power_w * each.estimate.devices * copies
            for each, copies in zip(self.pooled, self.replicas, strict=True)
        )


def pooled(
    phases: Sequence[PhaseEstimate],
    *,
    cap_w: Any,
    replicas: Sequence[int] | None = None,
    overhead_w: Any = 0.0,
    model: PowerModel | None = None,
) -> PooledCap:
    """Speed of unlike loads if a rack's power cap were pooled, beside that with the cap divided evenly.

    A device that needs less than its share leaves the rest to those that are slowed, so no load is slower than with
    even caps. Caps of today act on one card; Grace superchips alone share theirs (Kim VI-D).

    Parameters
    ----------
    phases : sequence of PhaseEstimate
        What the groups of devices do; each runs on its own ``devices``.
    cap_w : float or array
        Cap of the rack [W].
    replicas : sequence of int, optional
        Replicas of each phase; 1 each by default.
    overhead_w : float or array
        What the rack draws beside the devices: hosts, fans, network [W].
    model : PowerModel, optional
        As for :func:`estimate`, for all phases.

    Returns
    -------
    PooledCap

    Raises
    ------
    ValueError
        Nothing is left beside the overhead, or a share is below what the lowest clock draws.

    Examples
    --------
    Two prefills beside six decodes that wait for their host most of the time, on eight H100 with 3,200 W:

    >>> import hardware_specs as hs
    >>> from roofline import Machine, decode, get_llm, prefill
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> slow = Machine.of(h100).replace(overhead_s=50e-6)
    >>> waiting = decode(llm, slow, batch=4, context_tokens=512)
    >>> both = pooled([prefill(llm, h100, prompt_tokens=2048), waiting], replicas=[2, 6], cap_w=3200, model=model(h100))
    >>> [round(float(gain), 2) for gain in both.gain]
    [1.21, 1.0]
    """
    copies = tuple([1] * len(phases) if replicas is None else (count("replicas", each) for each in replicas))
    if len(copies) != len(phases):
        raise ValueError(f"replicas has {len(copies)} numbers for {len(phases)} phases")
    total = number("cap_w", cap_w, above=0)
    left = total - number("overhead_w", overhead_w, at_least=0)
    free = [estimate(phase, model=model) for phase in phases]
    sizes = [phase.devices * each for phase, each in zip(phases, copies, strict=True)]
    caps = share_cap([each.power_w for each in free], cap_w=left, devices=sizes)
    even = left / sum(sizes)
    return PooledCap(
        pooled=tuple(under_cap(p, cap_w=cap, model=model) for p, cap in zip(phases, caps, strict=True)),
        individual=tuple(under_cap(p, cap_w=even, model=model) for p in phases),
        replicas=copies,
        cap_w=total,
    )


def _model_for(phase: PhaseEstimate, given: PowerModel | None) -> PowerModel:
    if not isinstance(phase, PhaseEstimate):
        raise ValueError(f"phase = {phase!r} is not accepted: give a PhaseEstimate, such as rl.decode(...)")
    if given is None:
        if not isinstance(phase.accelerator, Accelerator):
            raise ValueError(f"{phase.machine.name} is bare rates without a TDP: give model=PowerModel(...)")
        return model(phase.accelerator)
    if not isinstance(given, PowerModel):
        raise ValueError(f"model = {given!r} is not accepted: give a PowerModel, such as rl.power.model(accelerator)")
    return given


def _work_s(phase: PhaseEstimate) -> dict[str, Array]:
    """Time that each ceiling's work takes at its peak: energy goes with the work, not with how well it was fed.

    The zeros that pad a product to the shape of the matrix engine are no work.
    """
    work: dict[str, Array] = {}
    for operation in phase.operations:
        rates = operation.machine
        for name, time_s in operation.ceiling_times_s.items():
            if name == "matrix":
                at_peak = operation.flops / (operation.devices * rates.peak_flops(operation.precision))
            else:
                at_peak = time_s * rates.efficiency.get(name, 1.0)
            work[name] = work[name] + at_peak if name in work else at_peak
    return work


def _parts_w(model: PowerModel, work_s: Mapping[str, Array], clock: Array, time_s: Array) -> dict[str, Array]:
    """Power of one device by part, at a clock at which the phase takes `time_s` [W]."""
    alpha = model.clock_exponent
    parts = {"idle": model.idle_w, "active": model.active_w * clock**alpha}
    for name, at_peak in work_s.items():
        if name in model.dynamic_w:
            voltage = clock ** (alpha - 1) if name in CORE_CEILINGS else 1.0
            parts[name] = model.dynamic_w[name] * voltage * at_peak / time_s
    return parts


def _at_clock(phase: PhaseEstimate, model: PowerModel, clock: Array) -> PhaseEstimate:
    slowed = model.slowed(phase.machine, clock)
    operations = tuple(replace(operation, machine=slowed) for operation in phase.operations)
    return replace(phase, machine=slowed, operations=operations)


def _throttled(phase: PhaseEstimate, model: PowerModel, cap_w: Array | None) -> PowerEstimate:
    """Find the largest clock at which the phase keeps to the cap. Power rises with the clock, so halving finds it."""
    if cap_w is None:
        return PowerEstimate(unthrottled=phase, estimate=phase, model=model, cap_w=None, clock=1.0)

    work_s = _work_s(phase)

    def power_w(clock: Array) -> Array:
        return _sum(_parts_w(model, work_s, clock, _at_clock(phase, model, clock).time_s))

    demand_w = _sum(_parts_w(model, work_s, 1.0, phase.time_s))
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


def _sum(parts: Mapping[str, Array]) -> Array:
    return sum(parts.values())


def _span(values: Array) -> str:
    low, high = float(np.min(np.asarray(values))), float(np.max(np.asarray(values)))
    return f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}"
