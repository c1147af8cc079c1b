"""Prefill and decode of a model on a machine: the validated face of the roofline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array, maximum
from roofline._validation import choice, number
from roofline.ceilings import (
    Machine,
    ceiling_times_s,
    machine,
    require_records,
    shared_devices,
    slowest_ceiling,
    sum_by_ceiling,
)
from roofline.memory import memory_bytes_per_device
from roofline.operations import Operation, decode_operations, prefill_operations, require_modelled
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
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
        Devices that share it.
    """

    operation: Operation
    machine: Machine
    devices: int

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
        return ceiling_times_s(self.operation, self.machine, devices=self.devices)

    @cached_property
    def time_s(self) -> Array:
        """Time of the slowest ceiling [s]."""
        return maximum(*self.ceiling_times_s.values())

    @property
    def bound(self) -> Array:
        """Name of the slowest ceiling: ``matrix``, ``memory`` or ``link``."""
        return slowest_ceiling(self.ceiling_times_s)

    @property
    def intensity(self) -> Array:
        """Operational intensity [FLOP/byte]; 0 for a collective, which moves nothing through main memory."""
        return self.flops / self.bytes if self.operation.kind != "collective" else 0.0

    @property
    def tflops(self) -> Array:
        """Achieved rate over all devices [TFLOP/s]."""
        return self.flops / self.time_s / 1e12


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseEstimate:
    """Ideal roofline of a phase. Attributes are computed when asked for.

    Times, rates and bounds have the shape to which workload and machine broadcast; counts (``flops``, ``bytes``,
    ``memory_bytes``) depend on the workload alone and have its shape.

    Attributes
    ----------
    phase : str
        ``prefill`` or ``decode``.
    kind : str
        What the figures are: ``ideal roofline``, an upper bound on throughput.
    llm : LLM
        The model.
    accelerator : Accelerator or Machine
        What was asked about.
    machine : Machine
        The rates used, of one device.
    devices : int
        Tensor-parallel size of one replica.
    precision : PrecisionPolicy
        Formats of each part.
    batch : array
        Sequences.
    tokens : array
        Prompt tokens (prefill) or cached context tokens (decode) of each sequence.
    logits : str
        Where the LM head ran in prefill.
    overlap : str
        ``operation`` or ``perfect``, see :func:`decode`.
    operations : tuple of OperationEstimate
        The same, per operation.
    """

    phase: Literal["prefill", "decode"]
    llm: LLM
    accelerator: Accelerator | Machine
    machine: Machine
    devices: int
    precision: PrecisionPolicy
    batch: Array
    tokens: Array
    logits: str
    overlap: str
    operations: tuple[OperationEstimate, ...]
    kind: str = "ideal roofline"

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape that all arguments broadcast to."""
        return np.broadcast_shapes(np.shape(self.batch), np.shape(self.tokens), self.machine.shape)

    @cached_property
    def time_s(self) -> Array:
        """Time of the phase [s]: the sum over operations, or the slowest ceiling if overlap is perfect."""
        if self.overlap == "perfect":
            return maximum(*self.ceiling_times_s.values())
        return sum(operation.time_s for operation in self.operations)

    @property
    def ceiling_times_s(self) -> dict[str, Array]:
        """Time that each ceiling would take alone, summed over the operations [s]."""
        return sum_by_ceiling(operation.ceiling_times_s for operation in self.operations)

    @property
    def bound(self) -> Array:
        """Name of the ceiling with the largest summed time: ``matrix``, ``memory`` or ``link``."""
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
        """Throughput of one replica: prompt tokens (prefill) or generated tokens (decode) per second."""
        produced = self.batch * self.tokens if self.phase == "prefill" else self.batch
        return produced / self.time_s

    @property
    def tflops(self) -> Array:
        """Achieved rate over all devices [TFLOP/s]."""
        return self.flops / self.time_s / 1e12

    @property
    def mfu(self) -> Array:
        """Model FLOPs utilisation: achieved rate over the peak at the linear layers' precision, as Kim divides."""
        return self.flops / self.time_s / (self.devices * self.machine.peak_flops(self.precision.compute))

    @property
    def memory_bytes(self) -> Array:
        """Weights and KV cache on each device at the end of the phase [byte]."""
        held = self.tokens if self.phase == "prefill" else self.tokens + 1
        return memory_bytes_per_device(self.llm, self.precision, batch=self.batch, tokens=held, devices=self.devices)

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
        return self.memory_bytes <= self.machine.memory_bytes

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        unit = "prompt tokens" if self.phase == "prefill" else "context tokens"
        words = [
            f"{self.phase} of {self.llm.name}",
            f"batch {_span(self.batch)}",
            f"{_span(self.tokens)} {unit}",
            self.precision.name,
        ]
        if self.devices > 1:
            words.append(f"tensor parallel {self.devices}")
        if self.phase == "prefill" and self.logits == "all":
            words.append("logits at every position")
        if self.overlap == "perfect":
            words.append("perfect overlap")
        return ", ".join(words)

    def __repr__(self) -> str:
        return (
            f"PhaseEstimate({self.kind}: {self.workload}, on {self.devices} × {self.machine.name}: "
            f"{_span(self.time_s * 1e3)} ms, {_span(self.tokens_per_s)} tokens/s, "
            f"{'/'.join(sorted(set(np.ravel(self.bound).tolist())))} bound)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{operation.name}</td><td>{operation.layers}</td><td>{operation.precision}</td>"
            f"<td>{_span(operation.time_s * 1e6)}</td>"
            f"<td>{'/'.join(sorted(set(np.ravel(operation.bound).tolist())))}</td></tr>"
            for operation in self.operations
        )
        return (
            f"<p><b>{self.kind}</b>: {self.workload}, on {self.devices} × {self.machine.name}<br>"
            f"{_span(self.time_s * 1e3)} ms, {_span(self.tokens_per_s)} tokens/s, "
            f"MFU {_span(self.mfu * 100)} %</p><table><tr><th>operation</th><th>layers</th><th>precision</th>"
            f"<th>time [µs]</th><th>bound</th></tr>{rows}</table>"
        )


def prefill(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    batch: Any = 1,
    prompt_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    logits: Literal["last", "all"] = "last",
    overlap: Literal["operation", "perfect"] = "operation",
    tensor_parallel: int = 1,
) -> PhaseEstimate:
    """Ideal roofline of a prefill from an empty cache.

    Parameters
    ----------
    llm : LLM
        A dense architecture; see :func:`roofline.llm_names`.
    accelerator : Accelerator or Machine
        One device.
    batch : int or array
        Prompts processed together.
    prompt_tokens : int or array
        Length of each prompt [token]; broadcasts with `batch`.
    precision : str or PrecisionPolicy
        Formats of each part: ``bf16``, ``fp16``, ``fp8``, ``fp8-kv8``, ``w8a16``, ``w4a16``, ``mxfp4``, ``nvfp4``.
    logits : {"last", "all"}
        Positions at which the LM head runs; ``"all"`` is Kim Eq. 5.
    overlap : {"operation", "perfect"}
        As for :func:`decode`.
    tensor_parallel : int
        Devices that share every layer; must divide the model's KV heads.

    Returns
    -------
    PhaseEstimate
        Never refused for lack of memory: look at ``fits``.

    Raises
    ------
    ValueError
        A bad argument, a precision or a link that the machine lacks, a context beyond the model's.
    NotModelledError
        An architecture whose phases are not modelled yet.

    References
    ----------
    Kim Eq. 5 and IV-D.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> p = prefill(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=1, prompt_tokens=2048, precision="fp8")
    >>> print(f"{p.time_s * 1e3:.1f} ms, {p.tflops:.0f} TFLOPS, {p.bound} bound")
    15.9 ms, 1871 TFLOPS, matrix bound
    """
    require_records(llm, accelerator)
    formats = policy(precision)
    choice("logits", logits, ("last", "all"))
    sequences = number("batch", batch, at_least=1, at_most=1e9, whole=True)
    tokens = number("prompt_tokens", prompt_tokens, at_least=1, at_most=llm.max_context, whole=True)
    devices = shared_devices(llm, accelerator, tensor_parallel)
    require_modelled(llm, tokens=tokens)
    operations = prefill_operations(
        llm, batch=sequences, prompt_tokens=tokens, precision=formats, logits=logits, tensor_parallel=devices
    )
    return _estimate("prefill", llm, accelerator, formats, sequences, tokens, logits, overlap, devices, operations)


def decode(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    batch: Any,
    context_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    overlap: Literal["operation", "perfect"] = "operation",
    tensor_parallel: int = 1,
) -> PhaseEstimate:
    """Ideal roofline of one decode step: every sequence of the batch gets one token.

    Parameters
    ----------
    llm : LLM
        A dense architecture; see :func:`roofline.llm_names`.
    accelerator : Accelerator or Machine
        One device.
    batch : int or array
        Sequences that each get one token.
    context_tokens : int or array
        Kim's ``sᵢ``: cached tokens that each new token attends to; broadcasts with `batch`.
    precision : str or PrecisionPolicy
        Formats of each part: ``bf16``, ``fp16``, ``fp8``, ``fp8-kv8``, ``w8a16``, ``w4a16``, ``mxfp4``, ``nvfp4``.
    overlap : {"operation", "perfect"}
        What hides behind what: within each operation its ceilings overlap and operations follow one another; or every
        ceiling of the whole phase overlaps, the classic roofline, which is never slower.
    tensor_parallel : int
        Devices that share every layer; must divide the model's KV heads.

    Returns
    -------
    PhaseEstimate
        Never refused for lack of memory: look at ``fits``.

    Raises
    ------
    ValueError
        A bad argument, a precision or a link that the machine lacks, a context beyond the model's.
    NotModelledError
        An architecture whose phases are not modelled yet.

    References
    ----------
    Kim Eq. 8 and IV-D.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> d = decode(llm, h100, batch=np.array([1, 8, 64]), context_tokens=2048, precision="fp8")
    >>> d.tokens_per_s.round()
    array([ 403., 2624., 8411.])
    >>> d.bound
    array(['memory', 'memory', 'memory'], dtype='<U6')
    """
    require_records(llm, accelerator)
    formats = policy(precision)
    sequences = number("batch", batch, at_least=1, at_most=1e9, whole=True)
    tokens = number("context_tokens", context_tokens, at_least=1, at_most=llm.max_context, whole=True)
    devices = shared_devices(llm, accelerator, tensor_parallel)
    require_modelled(llm, tokens=tokens)
    operations = decode_operations(
        llm, batch=sequences, context_tokens=tokens, precision=formats, tensor_parallel=devices
    )
    return _estimate("decode", llm, accelerator, formats, sequences, tokens, "all", overlap, devices, operations)


def _estimate(
    phase: Literal["prefill", "decode"],
    llm: LLM,
    accelerator: Accelerator | Machine,
    precision: PrecisionPolicy,
    batch: Array,
    tokens: Array,
    logits: str,
    overlap: str,
    devices: int,
    operations: tuple[Operation, ...],
) -> PhaseEstimate:
    choice("overlap", overlap, ("operation", "perfect"))
    rates = machine(accelerator, precision, devices=devices)
    return PhaseEstimate(
        phase=phase,
        llm=llm,
        accelerator=accelerator,
        machine=rates,
        devices=devices,
        precision=precision,
        batch=batch,
        tokens=tokens,
        logits=logits,
        overlap=overlap,
        operations=tuple(OperationEstimate(operation, rates, devices) for operation in operations),
    )


def _span(values: Array) -> str:
    """Write one number, or the range of many."""
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}"
