"""Prefill and decode: the public calls, which check what they are given and put an estimate together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._validation import choice, number
from roofline.ceilings import OVERLAPS, Ceilings, host_operation
from roofline.estimates import OperationEstimate, PhaseEstimate
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import Layout, layout_of, over_dies
from roofline.lengths import Lengths
from roofline.machine import Machine, machine, require_records
from roofline.operations import Operation
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.calibration import Calibration
    from roofline.llm import LLM

FUSIONS = ("fused", "none", "layer")


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
    calibration: Calibration | None = None,
) -> PhaseEstimate:
    """Roofline of a prefill, from an empty cache or after a prefix that is in it.

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
        ``mxfp4``, ``nvfp4``, …, see ``roofline.POLICY_NAMES``.
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
    calibration : Calibration, optional
        Losses found on measured runs, see :func:`roofline.calibrate`; without it, an ideal machine.

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
    formats, ceilings, skew = policy(precision), Ceilings(geometry=geometry, without=without), _skew(routing_skew)
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
        linked="link" not in ceilings.without,
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
        routing_skew=skew,
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
        routing_skew=skew,
        fusion=fusion,
        ceilings=ceilings,
        offload=offload,
        calibration=calibration,
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
    calibration: Calibration | None = None,
) -> PhaseEstimate:
    """Roofline of one decode step: every sequence of the batch gets one token.

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
        ``mxfp4``, ``nvfp4``, …, see ``roofline.POLICY_NAMES``.
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
    calibration : Calibration, optional
        Losses found on measured runs, see :func:`roofline.calibrate`; without it, an ideal machine.

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
    formats, ceilings, skew = policy(precision), Ceilings(geometry=geometry, without=without), _skew(routing_skew)
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
        linked="link" not in ceilings.without,
    )
    operations = decode_operations(
        llm,
        batch=sequences,
        context_tokens=tokens,
        new_tokens=new,
        precision=formats,
        layout=over_dies(shared, accelerator),
        fusion=choice("fusion", fusion, FUSIONS),
        routing_skew=skew,
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
        routing_skew=skew,
        fusion=fusion,
        ceilings=ceilings,
        offload=offload,
        calibration=calibration,
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
    ceilings: Ceilings,
    offload: Any,
    calibration: Calibration | None,
    **rest: Any,
) -> PhaseEstimate:
    choice("overlap", overlap, OVERLAPS)
    split = over_dies(layout, accelerator)
    rates = machine(accelerator, precision, devices=1 if "link" in ceilings.without else split.joined)
    kind = "roofline with losses" if rates.lossy else "ideal roofline"
    if calibration is not None:
        if not hasattr(calibration, "machine"):
            raise ValueError(
                f"calibration = {calibration!r} is not accepted: give a Calibration, such as "
                "rl.get_calibration('h100-sxm', framework='vLLM')"
            )
        kind = "calibrated roofline"
        rates = calibration.machine(
            accelerator, rates, phase=phase, llm=llm, precision=precision, layout=layout, batch=rest["batch"]
        )
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
        ceilings=ceilings,
        operations=(),
        kind=kind,
        calibration=calibration,
        **rest,
    )
    if isinstance(offload, str) and offload != "auto":
        raise ValueError(f"offload = {offload!r} is not accepted: give a share from 0 to 1, or 'auto'")
    ceilings = replace(ceilings, offload=_offloaded(estimate) if isinstance(offload, str) else offload)
    if np.any(np.asarray(ceilings.offload) > 0) and rates.second_tier_bytes_per_s is None:
        raise ValueError(
            f"offload is not accepted: {rates.name} gives no bandwidth of a second tier of memory or of a host link"
        )
    padded: dict[Any, Any] = {}
    operations += host_operation(rates, estimate.batch / layout.data, precision=precision.compute)
    return replace(
        estimate,
        ceilings=ceilings,
        operations=tuple(
            OperationEstimate(operation, rates, split.devices, ceilings, padded) for operation in operations
        ),
    )


def _offloaded(estimate: PhaseEstimate) -> Array:
    """Share of the weights that main memory cannot hold beside the KV cache."""
    capacity, use = estimate.machine.memory_bytes, estimate.memory
    if capacity is None:
        raise ValueError(f"offload = 'auto' is not accepted: {estimate.machine.name} gives no memory_bytes")
    # A rounding error more, so that what the division leaves behind does not count as too much.
    return np.clip((use.held - capacity) / use.weights * (1 + 1e-12), 0.0, 1.0)
