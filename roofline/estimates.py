"""A phase on a machine: its operations, their times, what bounds them, and what it takes of memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as _replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._text import span
from roofline.ceilings import (
    Ceilings,
    ceiling_times_s,
    operation_time_s,
    overlapped_communication,
    perfect_overlap,
    slowest_ceiling,
    sum_by_ceiling,
    total,
    unknown_ceilings,
)
from roofline.layout import Layout, over_dies
from roofline.lengths import Lengths
from roofline.machine import Machine
from roofline.memory import MemoryUse, compiled_batch, memory_use, memory_warning, require_fit
from roofline.operations import Operation
from roofline.precision import PrecisionPolicy
from roofline.spread import Interval, Spread, interval_of

if TYPE_CHECKING:
    from roofline.calibration import Calibration, Losses
    from roofline.llm import LLM


@dataclass(frozen=True, eq=False)
class OperationEstimate:
    """An operation on a machine: its counts, its time and what sets it. Attributes are computed when asked for.

    Attributes
    ----------
    operation : Operation
        The counts, over all devices.
    machine : Machine
        Rates of one device.
    devices : int
        Devices that share it, the dies of a package each.
    ceilings : Ceilings
        Which ceilings count.
    padded : dict
        Rows rounded up to whole tiles, which the operations of a phase share.
    """

    operation: Operation
    machine: Machine
    devices: int
    ceilings: Ceilings
    padded: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name of the operation, such as ``qkv``."""
        return self.operation.name

    @property
    def layers(self) -> int:
        """Layers that it stands for."""
        return self.operation.layers

    @property
    def precision(self) -> str:
        """Number format of the matrix engine."""
        return self.operation.precision

    @property
    def flops(self) -> Array:
        """Model FLOPs [FLOP]."""
        return self.operation.flops

    @property
    def bytes(self) -> Array:
        """Traffic to main memory [byte]."""
        return self.operation.bytes

    @cached_property
    def ceiling_times_s(self) -> dict[str, Array]:
        """Time that each ceiling sets, by name [s]."""
        return ceiling_times_s(self.operation, self.machine, devices=self.devices, ceilings=self.ceilings)

    @cached_property
    def time_s(self) -> Array:
        """Time of the slowest ceiling, and what comes on top [s]."""
        return operation_time_s(
            self.operation, self.machine, devices=self.devices, ceilings=self.ceilings, padded=self.padded
        )

    @property
    def bound(self) -> Array:
        """Name of the ceiling that takes longest, of ``roofline.CEILINGS``."""
        return slowest_ceiling(self.ceiling_times_s)

    @property
    def intensity(self) -> Array:
        """Operational intensity [FLOP/byte]; 0 where nothing is multiplied, or nothing crosses main memory."""
        multiplies = self.operation.kind not in ("collective", "elementwise", "host")
        return self.flops / self.bytes if multiplies and np.all(np.asarray(self.bytes) > 0) else 0.0

    @property
    def matrix_utilisation(self) -> Array:
        """Share of the matrix engine's time that padding leaves to the products: 1 with ``geometry="none"``."""
        times = self.ceiling_times_s
        if "matrix" not in times:
            return 1.0
        plain = _replace(self.ceilings, geometry="none")
        unpadded = ceiling_times_s(self.operation, self.machine, devices=self.devices, ceilings=plain)
        return unpadded["matrix"] / times["matrix"]

    @property
    def tflops(self) -> Array:
        """Achieved rate over all devices [TFLOP/s]; 0 where nothing is multiplied."""
        multiplies = self.operation.kind not in ("collective", "elementwise", "host")
        return self.flops / self.time_s / 1e12 if multiplies else 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseEstimate:
    """Roofline of a phase. Attributes are computed when asked for.

    Times, rates and bounds have the shape to which workload and machine broadcast; counts (``flops``, ``bytes``,
    ``memory_bytes``) depend on the workload alone and have its shape.

    Attributes
    ----------
    phase : str
        ``prefill`` or ``decode``.
    kind : str
        What the figures are: ``ideal roofline``, an upper bound on throughput, ``roofline with losses`` where the
        machine has overheads or efficiencies below 1, or ``calibrated roofline``.
    llm : LLM
        The model.
    accelerator : Accelerator or Machine
        What was asked about.
    machine : Machine
        The rates used, of one device; of one die where a package shows several to software.
    layout : Layout
        How accelerators share the model.
    precision : PrecisionPolicy
        Formats of each part.
    batch : array
        Sequences.
    tokens : array
        New prompt tokens (prefill) or cached context tokens (decode) of each sequence; of unlike ones, the mean.
    lengths : Lengths, optional
        Lengths of unlike sequences.
    new_tokens : array
        Tokens that each sequence gets in a decode step.
    cached_tokens : array
        Tokens of each prompt that are in the cache already.
    routing_skew : float
        Zipf exponent of the experts' popularity.
    logits : str
        Where the LM head ran in prefill.
    overlap : str
        ``operation``, ``communication`` or ``perfect``, see :func:`decode`.
    ceilings : Ceilings
        Which ceilings count, and how.
    fusion : str
        ``fused``, ``none`` or ``layer``, see :func:`decode`.
    operations : tuple of OperationEstimate
        The same, per operation.
    calibration : Calibration, optional
        Where the losses come from.
    """

    phase: Literal["prefill", "decode"]
    llm: LLM
    accelerator: Accelerator | Machine
    machine: Machine
    layout: Layout
    precision: PrecisionPolicy
    batch: Array
    tokens: Array
    lengths: Lengths | None = None
    new_tokens: Array = 1
    cached_tokens: Array = 0
    routing_skew: float = 0.0
    logits: str
    overlap: str
    ceilings: Ceilings
    fusion: str
    operations: tuple[OperationEstimate, ...]
    kind: str = "ideal roofline"
    calibration: Calibration | None = None

    @property
    def spread(self) -> Spread | None:
        """How far the throughput may be off: ``None`` without a calibration, where nothing was measured."""
        return None if self.losses is None else self.losses.spread

    @property
    def losses(self) -> Losses | None:
        """What the calibration says of as many devices as share a copy of the model; ``None`` without one."""
        return None if self.calibration is None else self.calibration.losses_on(self.layout.sharing)

    def interval(self, level: float = 0.9, of: str = "tokens_per_s") -> Interval:
        """Bounds of a rate or a time, from the errors of the calibration on runs that it had not seen.

        Parameters
        ----------
        level : float
            Share of cases that are within.
        of : str
            ``tokens_per_s``, ``time_s`` or ``tflops``.

        Returns
        -------
        Interval

        Raises
        ------
        ValueError
            An estimate without a calibration, or another quantity.
        """
        return interval_of(self, level, of, ("tokens_per_s", "time_s", "tflops"))

    @property
    def devices(self) -> int:
        """Accelerators of one replica."""
        return self.layout.devices

    @property
    def unknown(self) -> dict[str, str]:
        """Ceilings that would apply, but whose rate is unknown, with the reason: the bound is loose by these."""
        return unknown_ceilings(
            (estimate.operation for estimate in self.operations), self.machine, ceilings=self.ceilings
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind: too little memory, batches not compiled for, assumptions that bind, unknown rates."""
        away = self.ceilings.offload
        full = memory_warning(self.llm, self.accelerator, self.precision, self.layout, offload=away)
        over = f"does not fit in the memory of {self.machine.name}" if self._known_to_fit is False else ""
        largest = compiled_batch(self.accelerator, self.layout)
        compiled = ""
        if largest is not None and np.max(self.batch) > largest:
            compiled = f"batch {span(self.batch)} is above {largest}, the largest compiled for {self.machine.name}"
        softmax = ""
        if self.machine.vector_flops_per_exp is not None and np.any(np.asarray(self.bound) == "vector"):
            cost = f"{span(self.machine.vector_flops_per_exp)} FLOPs each, an assumption"
            softmax = (
                f"exponentials bound {self.machine.name}: its vector units take {cost} (Machine.vector_flops_per_exp)"
            )
        beyond = [] if self.calibration is None else self.calibration.beyond(self)
        absent = [f"no {name} ceiling: {reason}" for name, reason in self.unknown.items()]
        return tuple(text for text in (over, full, compiled, softmax, *beyond, *absent) if text)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape that all arguments broadcast to."""
        parts = (self.batch, self.tokens, self.new_tokens, self.cached_tokens, self.ceilings.offload)
        return np.broadcast_shapes(*map(np.shape, parts), self.machine.shape)

    @cached_property
    def time_s(self) -> Array:
        """Time of the phase [s]: the sum over operations, or the slowest ceiling if overlap is perfect."""
        if self.overlap != "operation":
            of = {id(estimate.operation): estimate for estimate in self.operations}
            operations = [estimate.operation for estimate in self.operations]

            def time_of(operation: Operation) -> Array:
                return of[id(operation)].time_s

            if self.overlap == "communication":
                return overlapped_communication(operations, time_of)
            return perfect_overlap(operations, time_of, lambda operation: of[id(operation)].ceiling_times_s)
        return total(operation.time_s for operation in self.operations)

    @property
    def ceiling_times_s(self) -> dict[str, Array]:
        """Time that each ceiling would take alone, summed over the operations [s]."""
        return sum_by_ceiling(operation.ceiling_times_s for operation in self.operations)

    @property
    def bound(self) -> Array:
        """Name of the ceiling with the largest summed time, of ``roofline.CEILINGS``."""
        return np.broadcast_to(slowest_ceiling(self.ceiling_times_s), self.shape)[()]

    @cached_property
    def flops(self) -> Array:
        """Model FLOPs: matrix products only, causal half of attention (Kim IV-C) [FLOP]."""
        return sum(operation.flops for operation in self.operations)

    @cached_property
    def bytes(self) -> Array:
        """Traffic to main memory over all devices [byte]."""
        return sum(operation.bytes for operation in self.operations)

    @property
    def intensity(self) -> Array:
        """Operational intensity of the whole phase [FLOP/byte]."""
        return self.flops / self.bytes

    @property
    def tokens_per_s(self) -> Array:
        """Throughput of one replica: new prompt tokens (prefill) or generated tokens (decode) per second.

        With several `new_tokens` a step, all of them count; of guesses that are verified, only some are output.
        """
        produced = self.batch * (self.tokens if self.phase == "prefill" else self.new_tokens)
        return produced / self.time_s

    @property
    def tflops(self) -> Array:
        """Achieved rate over all devices [TFLOP/s]."""
        return self.flops / self.time_s / 1e12

    @property
    def mfu(self) -> Array:
        """Model FLOPs utilisation: achieved rate over the peak at the linear layers' precision, as Kim divides."""
        devices = over_dies(self.layout, self.accelerator).devices
        return self.flops / self.time_s / (devices * self.machine.peak_flops(self.precision.compute))

    @property
    def memory(self) -> MemoryUse:
        """What weights, KV cache and activations take on each device at the end of the phase; of a die, if it has."""
        rows = self.batch * (self.tokens if self.phase == "prefill" else self.new_tokens)
        split = over_dies(self.layout, self.accelerator)
        return memory_use(self.llm, self.precision, batch=self.batch, tokens=self._held, rows=rows, layout=split)

    @property
    def memory_by_tier(self) -> dict[str, Array]:
        """Weights and KV cache on each accelerator, in ``memory`` and, where offloaded, in ``second_tier`` [byte].

        Examples
        --------
        >>> import hardware_specs as hs
        >>> from roofline import decode, get_llm
        >>> d = decode(get_llm("llama-3.3-70b"), hs.get("gh200-96gb"), batch=8, context_tokens=4096, offload="auto")
        >>> {tier: round(float(held) / 1e9, 1) for tier, held in d.memory_by_tier.items()}, str(d.bound)
        ({'memory': 103.1, 'second_tier': 48.8}, 'second_tier')
        """
        use, away = self.memory, self.ceilings.offload
        tiers = {"memory": (use.held - away * use.weights) * self._dies}
        if np.any(np.asarray(away) > 0):
            tiers["second_tier"] = away * use.weights * self._dies
        return tiers

    @property
    def _held(self) -> Array | Lengths:
        """Tokens in the cache at the end of the phase, of unlike sequences each with its own."""
        gained = self.cached_tokens if self.phase == "prefill" else self.new_tokens
        if self.lengths is None or np.ndim(gained) > 0:
            return self.tokens + gained
        return self.lengths.longer(float(gained))

    @property
    def memory_bytes(self) -> Array:
        """Weights and KV cache on each accelerator at the end of the phase [byte]."""
        return self.memory.held * self._dies

    @property
    def _dies(self) -> int:
        return self.accelerator.dies if isinstance(self.accelerator, Accelerator) else 1

    @property
    def fits(self) -> Array:
        """Whether :attr:`memory_bytes` is within the capacity of a device.

        Raises
        ------
        ValueError
            The machine gives no capacity.
        """
        if self.machine.memory_bytes is None:
            raise ValueError(f"{self.machine.name} gives no memory_bytes, so whether the model fits is unknown")
        tiers = self.memory_by_tier
        fits = tiers["memory"] <= self.machine.memory_bytes * self._dies
        if "second_tier" in tiers and self.machine.second_tier_bytes is not None:
            fits = fits & (tiers["second_tier"] <= self.machine.second_tier_bytes * self._dies)
        return fits

    @property
    def _known_to_fit(self) -> bool | None:
        """Whether every point fits; ``None`` where the capacity is unknown."""
        return None if self.machine.memory_bytes is None else bool(np.all(self.fits))

    def require_fit(self) -> None:
        """Refuse an estimate that does not fit in memory.

        Raises
        ------
        OutOfMemoryError
            Needed, available, and what would fit.
        """
        require_fit(
            self.llm,
            self.accelerator,
            self.precision,
            batch=self.batch,
            tokens=self._held,
            layout=self.layout,
            offload=self.ceilings.offload,
        )

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        unit = "prompt tokens" if self.phase == "prefill" else "context tokens"
        words = [
            f"{self.phase} of {self.llm.name}",
            f"batch {span(self.batch)}",
            f"{span(self.tokens)} {unit}",
            self.precision.name,
        ]
        if np.any(np.asarray(self.cached_tokens) > 0):
            words.append(f"{span(self.cached_tokens)} cached")
        if np.any(np.asarray(self.new_tokens) != 1):
            words.append(f"{span(self.new_tokens)} new tokens a step")
        if self.routing_skew:
            words.append(f"routing skew {self.routing_skew:g}")
        if self.devices > 1:
            words.append(str(self.layout))
        if self.phase == "prefill" and self.logits == "all":
            words.append("logits at every position")
        if self.overlap != "operation":
            words.append(f"{self.overlap} overlap")
        if self.fusion != "fused":
            words.append("nothing fused" if self.fusion == "none" else "each layer one kernel")
        if np.any(np.asarray(self.ceilings.offload) > 0):
            words.append(f"{span(100 * self.ceilings.offload)} % of the weights in the second tier")
        if self.ceilings.without:
            words.append(f"without {', '.join(self.ceilings.without)}")
        if self.ceilings.geometry != "padding":
            words.append(f"geometry {self.ceilings.geometry}")
        return ", ".join(words)

    def __repr__(self) -> str:
        return (
            f"PhaseEstimate({self.kind}: {self.workload}, on {self.devices} × {self.machine.name}: "
            f"{span(self.time_s * 1e3)} ms, {span(self.tokens_per_s)} tokens/s, "
            f"{'/'.join(sorted(set(np.ravel(self.bound).tolist())))} bound"
            f"{', does NOT fit in memory' if self._known_to_fit is False else ''})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{operation.name}</td><td>{operation.layers}</td><td>{operation.precision}</td>"
            f"<td>{span(operation.time_s * 1e6)}</td>"
            f"<td>{'/'.join(sorted(set(np.ravel(operation.bound).tolist())))}</td></tr>"
            for operation in self.operations
        )
        return (
            f"<p><b>{self.kind}</b>: {self.workload}, on {self.devices} × {self.machine.name}<br>"
            f"{span(self.time_s * 1e3)} ms, {span(self.tokens_per_s)} tokens/s, "
            f"MFU {span(self.mfu * 100)} %"
            f"{', does NOT fit in memory' if self._known_to_fit is False else ''}</p>"
            "<table><tr><th>operation</th><th>layers</th><th>precision</th>"
            f"<th>time [µs]</th><th>bound</th></tr>{rows}</table>"
        )
