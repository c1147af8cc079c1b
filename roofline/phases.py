"""Prefill and decode on a machine: operations, their times, and what bounds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as _replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._validation import choice, number
from roofline.ceilings import (
    OVERLAPS,
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
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import Layout, layout_of, over_dies
from roofline.lengths import Lengths
from roofline.machine import Machine, machine, require_records
from roofline.memory import MemoryUse, compiled_batch, memory_use, memory_warning, require_fit
from roofline.operations import Operation
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.llm import LLM

FUSIONS = ("fused", "none", "layer")


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
        multiplies = self.operation.kind not in ("collective", "elementwise")
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
        multiplies = self.operation.kind not in ("collective", "elementwise")
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
        What the figures are: ``ideal roofline``, an upper bound on throughput, or ``roofline with losses`` where the
        machine has overheads or efficiencies below 1.
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
            compiled = f"batch {_span(self.batch)} is above {largest}, the largest compiled for {self.machine.name}"
        softmax = ""
        if self.machine.vector_flops_per_exp is not None and np.any(np.asarray(self.bound) == "vector"):
            cost = f"{_span(self.machine.vector_flops_per_exp)} FLOPs each, an assumption"
            softmax = (
                f"exponentials bound {self.machine.name}: its vector units take {cost} (Machine.vector_flops_per_exp)"
            )
        absent = [f"no {name} ceiling: {reason}" for name, reason in self.unknown.items()]
        return tuple(text for text in (over, full, compiled, softmax, *absent) if text)

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
        >>> from roofline import get_llm
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
            f"batch {_span(self.batch)}",
            f"{_span(self.tokens)} {unit}",
            self.precision.name,
        ]
        if np.any(np.asarray(self.cached_tokens) > 0):
            words.append(f"{_span(self.cached_tokens)} cached")
        if np.any(np.asarray(self.new_tokens) != 1):
            words.append(f"{_span(self.new_tokens)} new tokens a step")
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
            words.append(f"{_span(100 * self.ceilings.offload)} % of the weights in the second tier")
        if self.ceilings.without:
            words.append(f"without {', '.join(self.ceilings.without)}")
        if self.ceilings.geometry != "padding":
            words.append(f"geometry {self.ceilings.geometry}")
        return ", ".join(words)

    def __repr__(self) -> str:
        return (
            f"PhaseEstimate({self.kind}: {self.workload}, on {self.devices} × {self.machine.name}: "
            f"{_span(self.time_s * 1e3)} ms, {_span(self.tokens_per_s)} tokens/s, "
            f"{'/'.join(sorted(set(np.ravel(self.bound).tolist())))} bound"
            f"{', does NOT fit in memory' if self._known_to_fit is False else ''})"
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
            f"MFU {_span(self.mfu * 100)} %"
            f"{', does NOT fit in memory' if self._known_to_fit is False else ''}</p>"
            "<table><tr><th>operation</th><th>layers</th><th>precision</th>"
            f"<th>time [µs]</th><th>bound</th></tr>{rows}</table>"
        )


def prefill(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    batch: Any = 1,
    prompt_tokens: Any,
    cached_tokens: Any = 0,
    precision: str | PrecisionPolicy = "bf16",
    logits: Literal["last", "all"] = "last",
    overlap: Literal["operation", "communication", "perfect"] = "operation",
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    expert_parallel: int = 1,
    data_parallel: int = 1,
    layout: Layout | None = None,
    routing_skew: float = 0.0,
    fusion: Literal["fused", "none", "layer"] = "fused",
    geometry: Literal["padding", "waves", "none"] = "padding",
    offload: Any = 0.0,
    without: str | tuple[str, ...] = (),
) -> PhaseEstimate:
    """Ideal roofline of a prefill, from an empty cache or after a prefix that is in it.

    Parameters
    ----------
    llm : LLM
        The model; see :func:`roofline.llm_names`.
    accelerator : Accelerator or Machine
        One device.
    batch : int or array
        Prompts processed together.
    prompt_tokens : int or array, or Lengths
        New tokens of each prompt [token]; broadcasts with `batch`.
    cached_tokens : int or array
        Tokens before these that are in the cache already [token].
    precision : str or PrecisionPolicy
        Formats of each part: ``bf16``, ``fp16``, ``fp8``, ``fp8-dynamic``, ``fp8-kv8``, ``w8a16``, ``w4a16``,
        ``mxfp4``, ``nvfp4``.
    logits : {"last", "all"}
        Positions at which the LM head runs; ``"all"`` is Kim Eq. 5.
    overlap : {"operation", "communication", "perfect"}
        As for :func:`decode`.
    tensor_parallel, pipeline_parallel, expert_parallel, data_parallel : int
        How devices share the model, see :class:`roofline.Layout`.
    layout : Layout, optional
        The same in one.
    routing_skew : float
        Zipf exponent of the experts' popularity; 0 is uniform routing. Fewer experts are then read, but of devices with
        whole experts all wait for the one that holds the popular ones, placed by chance.
    fusion : {"fused", "none", "layer"}
        Element-wise work (norms, gates, residuals) fused into the products beside it; operations of its own that read
        and write main memory; or every layer one kernel whose activations stay on the chip, as on dataflow machines.
    geometry : {"padding", "waves", "none"}
        How the shapes of products meet the matrix engine, see :class:`roofline.Ceilings`.
    offload : float or array, or "auto"
        Share of the weights in the second tier of memory; ``"auto"`` puts there what main memory cannot hold.
    without : str or tuple of str
        Ceilings to switch off, of ``roofline.CEILINGS``.

    Returns
    -------
    PhaseEstimate
        Never refused for lack of memory: look at ``fits``.

    Raises
    ------
    ValueError
        A bad argument, a precision or a link that the machine lacks, a context beyond the model's.

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
    cached: Any = 0  # the usual 0 stays a plain number, so that nothing is added to every element of a sweep
    if not (type(cached_tokens) is int and cached_tokens == 0):
        cached = number("cached_tokens", cached_tokens, at_least=0, at_most=llm.max_context - 1, whole=True)
    tokens = _lengths("prompt_tokens", prompt_tokens, llm)
    _within_context(llm, "cached_tokens", cached, "prompt_tokens", tokens, 0)
    shared = layout_of(
        llm,
        accelerator,
        layout=layout,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        expert_parallel=expert_parallel,
        data_parallel=data_parallel,
        linked="link" not in Ceilings(without=without).without,
    )
    operations = prefill_operations(
        llm,
        batch=sequences,
        prompt_tokens=tokens,
        cached_tokens=cached,
        precision=formats,
        logits=logits,
        layout=over_dies(shared, accelerator),
        fusion=choice("fusion", fusion, FUSIONS),
        routing_skew=_skew(routing_skew),
    )
    return _estimate(
        "prefill",
        llm,
        accelerator,
        formats,
        operations,
        batch=sequences,
        tokens=tokens,
        cached_tokens=cached,
        logits=logits,
        overlap=overlap,
        layout=shared,
        routing_skew=_skew(routing_skew),
        fusion=fusion,
        geometry=geometry,
        offload=offload,
        without=without,
    )


def decode(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    batch: Any,
    context_tokens: Any,
    new_tokens: Any = 1,
    precision: str | PrecisionPolicy = "bf16",
    overlap: Literal["operation", "communication", "perfect"] = "operation",
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    expert_parallel: int = 1,
    data_parallel: int = 1,
    layout: Layout | None = None,
    routing_skew: float = 0.0,
    fusion: Literal["fused", "none", "layer"] = "fused",
    geometry: Literal["padding", "waves", "none"] = "padding",
    offload: Any = 0.0,
    without: str | tuple[str, ...] = (),
) -> PhaseEstimate:
    """Ideal roofline of one decode step: every sequence of the batch gets one token.

    Parameters
    ----------
    llm : LLM
        The model; see :func:`roofline.llm_names`.
    accelerator : Accelerator or Machine
        One device.
    batch : int or array
        Sequences that each get one token, over all devices.
    context_tokens : int or array, or Lengths
        Kim's ``sᵢ``: cached tokens that each new token attends to; broadcasts with `batch`.
    new_tokens : int or array
        Tokens per sequence and step: 1, or more where guesses are verified (Kim Eq. 7).
    precision : str or PrecisionPolicy
        Formats of each part: ``bf16``, ``fp16``, ``fp8``, ``fp8-dynamic``, ``fp8-kv8``, ``w8a16``, ``w4a16``,
        ``mxfp4``, ``nvfp4``.
    overlap : {"operation", "communication", "perfect"}
        What hides behind what. Within each operation its ceilings overlap and operations follow one another; the
        messages between devices hide behind the other operations too; or every ceiling of the whole phase overlaps, the
        classic roofline, whatever the machine can overlap in fact. Neither of the two is ever slower.
    tensor_parallel, pipeline_parallel, expert_parallel, data_parallel : int
        How devices share the model, see :class:`roofline.Layout`.
    layout : Layout, optional
        The same in one.
    routing_skew : float
        Zipf exponent of the experts' popularity; 0 is uniform routing. Fewer experts are then read, but of devices with
        whole experts all wait for the one that holds the popular ones, placed by chance.
    fusion : {"fused", "none", "layer"}
        Element-wise work (norms, gates, residuals) fused into the products beside it; operations of its own that read
        and write main memory; or every layer one kernel whose activations stay on the chip, as on dataflow machines.
    geometry : {"padding", "waves", "none"}
        How the shapes of products meet the matrix engine, see :class:`roofline.Ceilings`.
    offload : float or array, or "auto"
        Share of the weights in the second tier of memory; ``"auto"`` puts there what main memory cannot hold.
    without : str or tuple of str
        Ceilings to switch off, of ``roofline.CEILINGS``.

    Returns
    -------
    PhaseEstimate
        Never refused for lack of memory: look at ``fits``.

    Raises
    ------
    ValueError
        A bad argument, a precision or a link that the machine lacks, a context beyond the model's.

    References
    ----------
    Kim Eq. 7, 8 and IV-D.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> d = decode(llm, h100, batch=np.array([1, 8, 64]), context_tokens=2048, precision="fp8")
    >>> d.tokens_per_s.round()
    array([ 403., 2624., 8411.])
    >>> d.bound.tolist()
    ['memory', 'memory', 'memory']

    A mixture of experts on eight devices, each with whole experts:

    >>> r1 = decode(get_llm("deepseek-r1"), hs.get("h200-sxm"), batch=256, context_tokens=4096, precision="fp8",
    ...             tensor_parallel=8, expert_parallel=8)
    >>> r1.devices, str(r1.bound)
    (8, 'memory')
    """
    require_records(llm, accelerator)
    formats = policy(precision)
    sequences = number("batch", batch, at_least=1, at_most=1e9, whole=True)
    new: Any = 1
    if not (type(new_tokens) is int and new_tokens == 1):
        new = number("new_tokens", new_tokens, at_least=1, at_most=llm.max_context, whole=True)
    tokens = _lengths("context_tokens", context_tokens, llm)
    _within_context(llm, "new_tokens", new, "context_tokens", tokens, 1)
    shared = layout_of(
        llm,
        accelerator,
        layout=layout,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        expert_parallel=expert_parallel,
        data_parallel=data_parallel,
        linked="link" not in Ceilings(without=without).without,
    )
    operations = decode_operations(
        llm,
        batch=sequences,
        context_tokens=tokens,
        new_tokens=new,
        precision=formats,
        layout=over_dies(shared, accelerator),
        fusion=choice("fusion", fusion, FUSIONS),
        routing_skew=_skew(routing_skew),
    )
    return _estimate(
        "decode",
        llm,
        accelerator,
        formats,
        operations,
        batch=sequences,
        tokens=tokens,
        new_tokens=new,
        logits="all",
        overlap=overlap,
        layout=shared,
        routing_skew=_skew(routing_skew),
        fusion=fusion,
        geometry=geometry,
        offload=offload,
        without=without,
    )


def _lengths(field: str, tokens: Any, llm: LLM) -> Array | Lengths:
    if not isinstance(tokens, Lengths):
        return number(field, tokens, at_least=1, at_most=llm.max_context, whole=True)
    number(field, tokens.longest, at_least=1, at_most=llm.max_context, whole=True)
    return tokens


def _within_context(llm: LLM, more: str, extra: Array, field: str, tokens: Array | Lengths, free: int) -> None:
    """Refuse tokens that together go beyond the model's context."""
    if isinstance(extra, int):
        return  # none beyond what was checked already
    together = extra + (tokens.longest if isinstance(tokens, Lengths) else tokens)
    if np.max(together) > llm.max_context + free:
        raise ValueError(
            f"{more} and {field} are not accepted: together they reach {float(np.max(together)) - free:,.0f} tokens, "
            f"and {llm.name} attends to at most {llm.max_context:,}"
        )


def _skew(value: Any) -> float:
    skew = number("routing_skew", value, at_least=0, at_most=10)
    if np.shape(skew) != ():
        raise ValueError(f"routing_skew = {value!r} is not accepted: give one number from 0")
    return float(skew)


def _estimate(
    phase: Literal["prefill", "decode"],
    llm: LLM,
    accelerator: Accelerator | Machine,
    precision: PrecisionPolicy,
    operations: tuple[Operation, ...],
    *,
    tokens: Array | Lengths,
    overlap: str,
    layout: Layout,
    geometry: str,
    offload: Any,
    without: str | tuple[str, ...],
    **rest: Any,
) -> PhaseEstimate:
    choice("overlap", overlap, OVERLAPS)
    split = over_dies(layout, accelerator)
    known = Ceilings(geometry=geometry, without=without)
    rates = machine(accelerator, precision, devices=1 if "link" in known.without else split.joined)
    if overlap == "communication" and rates.link_overlaps is False:
        raise ValueError(
            f"overlap = 'communication' is not accepted: {rates.name} cannot send messages while it computes"
        )
    mean = np.asarray(tokens.mean) if isinstance(tokens, Lengths) else tokens
    estimate = PhaseEstimate(
        phase=phase,
        llm=llm,
        accelerator=accelerator,
        machine=rates,
        layout=layout,
        precision=precision,
        tokens=mean,
        lengths=tokens if isinstance(tokens, Lengths) else None,
        overlap=overlap,
        ceilings=known,
        operations=(),
        kind="roofline with losses" if rates.lossy else "ideal roofline",
        **rest,
    )
    share = _offloaded(estimate) if isinstance(offload, str) and offload == "auto" else _share(offload)
    ceilings = Ceilings(geometry=geometry, without=without, offload=share)
    if np.any(np.asarray(share) > 0) and rates.second_tier_bytes_per_s is None:
        raise ValueError(
            f"offload is not accepted: {rates.name} gives no bandwidth of a second tier of memory or of a host link"
        )
    padded: dict[Any, Any] = {}
    return _replace(
        estimate,
        ceilings=ceilings,
        operations=tuple(
            OperationEstimate(operation, rates, split.devices, ceilings, padded) for operation in operations
        ),
    )


def _share(offload: Any) -> Array:
    if isinstance(offload, str):
        raise ValueError(f"offload = {offload!r} is not accepted: give a share from 0 to 1, or 'auto'")
    plain = isinstance(offload, int | float) and not isinstance(offload, bool)
    share = number("offload", offload, at_least=0, at_most=1)
    return float(share) if plain else share


def _offloaded(estimate: PhaseEstimate) -> Array:
    """Share of the weights that main memory cannot hold beside the KV cache."""
    capacity, use = estimate.machine.memory_bytes, estimate.memory
    if capacity is None:
        raise ValueError(f"offload = 'auto' is not accepted: {estimate.machine.name} gives no memory_bytes")
    # A rounding error more, so that what the division leaves behind does not count as too much.
    return np.clip((use.held - capacity) / use.weights * (1 + 1e-12), 0.0, 1.0)


def _span(values: Array) -> str:
    """Write one number, or the range of many."""
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}"
