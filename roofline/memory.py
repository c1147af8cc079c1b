"""What a model takes of a device's memory, and the largest batch that fits.

Weights and KV cache decide what fits; the working space of activations is shown beside them and not counted, since
software chooses it, so the largest batch is an upper bound. Capacities are what the driver shows (an H100's "80 GB" is
81,559 MiB).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator, number_format
from roofline._arrays import Array, minimum
from roofline._validation import number
from roofline.ceilings import Ceilings, host_operation, phase_time_s
from roofline.forward import decode_operations
from roofline.layout import Layout, layout_of, over_dies, require_divisible
from roofline.lengths import Lengths, average
from roofline.machine import Machine, machine, require_records, runnable_policies
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.llm import LLM, LayerGroup

_GB = 1e9
_ONE_DEVICE = Layout()


class OutOfMemoryError(ValueError):
    """A model, or a batch of it, does not fit; the message says needed, available, and what would fit."""


def weight_bytes(llm: LLM, precision: str | PrecisionPolicy) -> float:
    """Memory that a model's weights take [byte].

    Attention and MLP, small vectors included, are stored at ``precision.weights``; embedding, LM head, norms, routers
    at ``precision.head``.

    Parameters
    ----------
    llm : LLM
        Any architecture of the catalogue.
    precision : str or PrecisionPolicy
        Formats of each part.

    Raises
    ------
    UnknownNameError
        A precision that is not known.

    Examples
    --------
    >>> from roofline import get_llm
    >>> round(weight_bytes(get_llm("llama-3.1-8b"), "bf16") / 1e9, 2)
    16.06
    """
    precision = policy(precision)
    parts = llm.parameter_breakdown
    linear = sum(parts[name] for name in ("attention", "mlp", "experts", "shared_experts"))
    rest = llm.parameters - linear
    return (linear * number_format(precision.weights).bits + rest * number_format(precision.head).bits) / 8


def kv_cache_bytes(llm: LLM, precision: str | PrecisionPolicy, *, batch: Any, tokens: Any) -> Array:
    """Memory that the KV cache of a batch takes [byte].

    Parameters
    ----------
    llm : LLM
        Any architecture of the catalogue.
    precision : str or PrecisionPolicy
        ``kv_cache`` is its storage format.
    batch, tokens : int or array
        Sequences, and cached tokens of each; at least 0. Of a local layer's tokens, only those in its window are kept.

    Raises
    ------
    ValueError
        A negative or unknown number, or a precision that is not known.

    Examples
    --------
    >>> from roofline import get_llm
    >>> float(kv_cache_bytes(get_llm("llama-3.1-8b"), "bf16", batch=1, tokens=8192) / 2**30)
    1.0
    """
    precision = policy(precision)
    batch = number("batch", batch, at_least=0)
    tokens = tokens if isinstance(tokens, Lengths) else number("tokens", tokens, at_least=0)
    return batch * _kv_bytes_of_sequence(llm, precision, tokens, _ONE_DEVICE)


def _kv_bytes_of_sequence(llm: LLM, precision: PrecisionPolicy, tokens: Array | Lengths, layout: Layout) -> Array:
    """KV cache of one sequence over all layers, on one device of those that share it [byte]."""

    def values(group: LayerGroup) -> Array:
        heads = group.kv_heads if group.attention == "gqa" else 1
        share = layout.kv_copies(heads) / layout.tensor if group.attention != "none" else 0.0
        window = group.window if group.window is not None and group.window < llm.max_context else None
        kept = average(tokens, lambda held: held if window is None else minimum(held, window))
        return group.count * group.kv_values_per_token * share * kept

    return sum(values(group) for group in llm.layer_groups) * number_format(precision.kv_cache).bits / 8


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """What a model and a batch of it take on each device of those that share it.

    Attributes
    ----------
    weights : float
        On the fullest device [byte].
    kv_cache : array
        Keys and values of its sequences [byte].
    activations : array
        Input and output of the widest layer for the rows of one pass: a lower bound of the working space [byte].

    Examples
    --------
    >>> MemoryUse(weights=16e9, kv_cache=4e9, activations=1e8).held
    20000000000.0
    """

    weights: float
    kv_cache: Array
    activations: Array

    @property
    def held(self) -> Array:
        """What stays from step to step, and decides what fits: weights and KV cache [byte]."""
        return self.weights + self.kv_cache


def memory_use(
    llm: LLM,
    precision: str | PrecisionPolicy = "bf16",
    *,
    batch: Any,
    tokens: Any,
    rows: Any = None,
    layout: Layout = _ONE_DEVICE,
) -> MemoryUse:
    """What weights, KV cache and activations take on each device.

    Parameters
    ----------
    llm : LLM
        Any architecture of the catalogue.
    precision : str or PrecisionPolicy
        Formats of each part.
    batch, tokens : int or array
        Sequences over all devices, and cached tokens of each; `tokens` may be ``Lengths``.
    rows : int or array, optional
        Tokens that go through a pass at once: the batch in decode, all prompt tokens in a prefill; `batch` if absent.
    layout : Layout
        How devices share the model; the dies of a package count as devices.

    Returns
    -------
    MemoryUse

    Examples
    --------
    >>> from roofline import get_llm
    >>> use = memory_use(get_llm("llama-3.1-8b"), "fp8", batch=64, tokens=2048)
    >>> round(use.weights / 1e9, 2), round(float(use.kv_cache) / 1e9, 2), round(float(use.activations) / 1e6, 1)
    (9.08, 17.18, 4.2)
    """
    formats = policy(precision)
    if not isinstance(layout, Layout):
        raise ValueError(f"layout = {layout!r} is not accepted: give a Layout, such as Layout(tensor=8)")
    require_divisible(llm, layout)
    sequences = number("batch", batch, at_least=0)
    held = tokens if isinstance(tokens, Lengths) else number("tokens", tokens, at_least=0)
    of_copy = np.ceil(sequences / layout.data)
    stage = math.ceil(llm.layers / layout.pipeline) / llm.layers
    through = of_copy if rows is None else number("rows", rows, at_least=0) / layout.data
    widest = max(
        (llm.hidden + (2 if llm.gated_mlp else 1) * group.intermediate / layout.tensor for group in llm.layer_groups),
        default=0.0,
    )
    return MemoryUse(
        weights=_weights_of_device(llm, formats, layout),
        kv_cache=of_copy * stage * _kv_bytes_of_sequence(llm, formats, held, layout),
        activations=through * widest * number_format(formats.output).bits / 8,
    )


def _weights_of_device(llm: LLM, precision: PrecisionPolicy, layout: Layout) -> float:
    """Weights on the fullest device [byte]: its share of the longest stage's layers, and of embedding or LM head."""
    linear, rest = number_format(precision.weights).bits / 8, number_format(precision.head).bits / 8
    n, parts = layout.tensor, llm.parameter_breakdown
    repeated = 0.0  # what every device of a tensor-parallel group holds whole, beyond its share
    for group in llm.layer_groups:
        if group.attention == "gqa":
            copies = layout.kv_copies(group.kv_heads)
            repeated += group.count * (copies - 1) * 2 * group.kv_heads * llm.head_dim * llm.hidden
        elif llm.mla is not None:
            down = (llm.mla.q_lora_rank or 0) + llm.mla.kv_lora_rank + llm.mla.qk_rope_head_dim
            repeated += group.count * (n - 1) * down * llm.hidden
    dense = parts["attention"] + parts["mlp"] + parts["shared_experts"] + repeated
    holders = layout.expert if layout.expert > 1 else n
    # Routers and norms are small, and every device of a group has them whole.
    layers = linear * (dense / n + parts["experts"] / holders) + rest * (parts["router"] + parts["norms"])
    tables = parts["embedding"] + parts["lm_head"]
    if layout.pipeline > 1:  # the embedding is on the first stage, the LM head on the last
        tables = max(parts["embedding"], parts["lm_head"] or parts["embedding"])
    return layers * math.ceil(llm.layers / layout.pipeline) / llm.layers + rest * tables / n


def memory_warning(
    llm: LLM,
    accelerator: Accelerator | Machine,
    precision: PrecisionPolicy,
    layout: Layout,
    *,
    offload: Array = 0.0,
) -> str:
    """Brunetta's guideline: weights beyond 80 % of the marketed capacity leave too little room for the KV cache.

    Parameters
    ----------
    llm, accelerator, precision
        What is to be held, where, and in which formats.
    layout : Layout
        Of accelerators.
    offload : array
        Share of the weights that is kept in the second tier of memory; of several, the least counts.

    Returns
    -------
    str
        What to mind; empty where there is nothing.

    References
    ----------
    Brunetta IV-B, on the marketed GB (80 for an H100).
    """
    if isinstance(accelerator, Machine):
        return ""
    tier = accelerator.memory
    label = tier.marketed_gb or tier.capacity_gib or tier.capacity_gb
    if label is None:
        return ""
    weights = _weights_of_device(llm, precision, over_dies(layout, accelerator)) * accelerator.dies
    share = weights * (1 - float(np.min(offload))) / (label * _GB)
    if share <= 0.8:
        return ""
    return (
        f"weights take {100 * share:.0f} % of the {label:g} GB on {accelerator.name}; above 80 % little is left for "
        "the KV cache (Brunetta IV-B): use a lower precision or more devices"
    )


def compiled_batch(accelerator: Accelerator | Machine, layout: Layout) -> int | None:
    """Largest batch that a machine's software is compiled for, over all copies of the model; ``None`` without a limit.

    Parameters
    ----------
    accelerator : Accelerator or Machine
        One device.
    layout : Layout
        Of accelerators.

    References
    ----------
    Brunetta IV-C: CS-3 and SN40L run artifacts for batches of 1 to 8.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> compiled_batch(hs.get("cs-3"), Layout(data=2)), compiled_batch(hs.get("h100-sxm"), Layout())
    (16, None)
    """
    largest = accelerator.largest_batch if isinstance(accelerator, Accelerator) else None
    return None if largest is None else largest * layout.data


def max_batch(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    context_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    itl_s: Any = None,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    expert_parallel: int = 1,
    data_parallel: int = 1,
    layout: Layout | None = None,
    ceilings: Ceilings | None = None,
) -> Array:
    """Largest batch of a decode step that fits in memory and, if asked, meets an inter-token latency.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    context_tokens : int or array
        Cached tokens of each sequence; one more is held for the token being generated.
    precision : str or PrecisionPolicy
        Formats of each part.
    itl_s : float or array, optional
        Longest time of a decode step that is accepted [s]; broadcasts with `context_tokens`.
    tensor_parallel, pipeline_parallel, expert_parallel, data_parallel : int
        How devices share the model, see :class:`roofline.Layout`.
    layout : Layout, optional
        The same in one.
    ceilings : Ceilings, optional
        Which ceilings count towards `itl_s`.

    Returns
    -------
    array
        Sequences over all devices, whole; 0 where not even one fits or none is fast enough. Machines whose software is
        compiled for given batch sizes (CS-3, SN40L) take no more than the largest of these.

    Raises
    ------
    OutOfMemoryError
        The weights alone do not fit.
    ValueError
        A bad argument, or a machine whose memory capacity is unknown.

    References
    ----------
    Kim II-B: throughput at the largest batch that meets a latency requirement; Brunetta IV-C for compiled batch sizes.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> max_batch(llm, h100, context_tokens=2048, precision="fp8")
    np.float64(284.0)
    >>> max_batch(llm, h100, context_tokens=2048, precision="fp8", itl_s=0.010)
    np.float64(93.0)
    """
    require_records(llm, accelerator)
    formats = policy(precision)
    shared = layout_of(
        llm,
        accelerator,
        layout=layout,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        expert_parallel=expert_parallel,
        data_parallel=data_parallel,
        linked=ceilings is None or "link" not in ceilings.without,
    )
    context = number("context_tokens", context_tokens, at_least=1, at_most=llm.max_context, whole=True)
    split = over_dies(shared, accelerator)
    off = ceilings is not None and "link" in ceilings.without
    rates = machine(accelerator, formats, devices=1 if off else split.joined)
    if rates.memory_bytes is None:
        raise ValueError(f"{rates.name} gives no memory_bytes, which the largest batch needs")
    one = memory_use(llm, formats, batch=split.data, tokens=context + 1, layout=split)
    free = rates.memory_bytes - one.weights
    if np.max(free) < 0:
        require_fit(llm, accelerator, formats, batch=0, tokens=0, layout=shared)
    batch = split.data * np.maximum(np.floor(free / one.kv_cache), 0)
    largest = compiled_batch(accelerator, shared)
    if largest is not None:
        batch = np.minimum(batch, largest)
    if itl_s is None:
        return batch
    limit = number("itl_s", itl_s, above=0)

    def meets_limit(sequences: Array) -> Array:
        batch = np.maximum(sequences, 1)
        operations = decode_operations(llm, batch=batch, context_tokens=context, precision=formats, layout=split)
        operations += host_operation(rates, batch / split.data)
        return phase_time_s(operations, rates, devices=split.devices, ceilings=ceilings or Ceilings()) <= limit

    # A step never gets faster by a sequence more, so bisection finds the last batch that meets the limit.
    high = np.broadcast_to(batch, np.broadcast_shapes(batch.shape, limit.shape))
    low = np.zeros(high.shape)
    for _ in range(math.ceil(math.log2(float(high.max()) + 1)) + 1):
        middle = np.ceil((low + high) / 2)
        fast_enough = meets_limit(middle)
        low, high = np.where(fast_enough, middle, low), np.where(fast_enough, high, np.maximum(middle - 1, 0))
    return low[()]


def require_fit(
    llm: LLM,
    accelerator: Accelerator | Machine,
    precision: PrecisionPolicy,
    *,
    batch: Array,
    tokens: Array | Lengths,
    layout: Layout = _ONE_DEVICE,
    offload: Array = 0.0,
) -> None:
    """Refuse a batch that does not fit, and say what would.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device; a machine of unknown capacity refuses nothing.
    precision : PrecisionPolicy
        Formats of each part.
    batch, tokens : array
        Sequences, and cached tokens of each; they broadcast with the capacity. `tokens` may be ``Lengths``.
    layout : Layout
        Of accelerators.
    offload : array
        Share of the weights that is kept in the second tier of memory.

    Raises
    ------
    OutOfMemoryError
        Needed, available, and what would fit, for the worst case: fewer sequences, a lower precision, more devices.
    """
    if accelerator.memory_bytes is None:
        return
    unlike = tokens if isinstance(tokens, Lengths) else None
    each = tokens if unlike is None else unlike.mean
    cases = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (batch, each, accelerator.memory_bytes, offload))
    )
    dies = accelerator.dies if isinstance(accelerator, Accelerator) else 1

    def needed(formats: PrecisionPolicy, shared: Layout, sequences: Array, held: Array, away: Array) -> Array:
        cached = held if unlike is None else unlike
        use = memory_use(llm, formats, batch=sequences, tokens=cached, layout=over_dies(shared, accelerator))
        return dies * (use.held - away * use.weights)

    excess = needed(precision, layout, cases[0], cases[1], cases[3]) - cases[2]
    worst = int(np.argmax(excess))
    if excess.flat[worst] <= 0:
        _require_second_tier(llm, accelerator, precision, layout, float(np.max(offload)))
        return
    sequences, held, available, away = (float(case.flat[worst]) for case in cases)

    def fits(formats: PrecisionPolicy, shared: Layout) -> bool:
        return bool(needed(formats, shared, sequences, held, away) <= available)

    def larger(n: int) -> Layout | None:
        expert = n * layout.data if layout.expert > 1 else 1
        try:
            wider = Layout(tensor=n, pipeline=layout.pipeline, expert=expert, data=layout.data)
            return layout_of(llm, accelerator, layout=wider) if n > layout.tensor else None
        except ValueError:
            return None

    options = []
    if sequences:
        empty = needed(precision, layout, 0.0, held, away)
        fewer = (available - empty) // (needed(precision, layout, layout.data, held, away) - empty) * layout.data
        if fewer >= 1:
            options.append(f"a batch of {fewer:,.0f}")
    lower = [name for name in runnable_policies(accelerator) if fits(policy(name), layout)]
    if lower:
        options.append(f"precision {' or '.join(lower)}")
    wider = next((shared for shared in map(larger, (2, 4, 8, 16)) if shared and fits(precision, shared)), None)
    if wider is not None:
        options.append(f"tensor_parallel = {wider.tensor}")
    what = f"a batch of {sequences:,.0f} sequences of {held:,.0f} tokens" if sequences else "its weights alone"
    on = "" if layout.devices == 1 else f" on each of {layout.devices} devices"
    most = float(needed(precision, layout, sequences, held, away))
    raise OutOfMemoryError(
        f"{llm.name} in {precision.name} with {what} needs {most / _GB:,.1f} GB{on}; "
        f"{accelerator.name} has {available / _GB:,.1f} GB. "
        f"What would fit: {'; '.join(options) or 'nothing that was tried'}."
    )


def _require_second_tier(
    llm: LLM, accelerator: Accelerator | Machine, precision: PrecisionPolicy, layout: Layout, offload: float
) -> None:
    """Refuse offloaded weights beyond the capacity of the second tier, where that is known."""
    if offload == 0:
        return
    split = over_dies(layout, accelerator)
    dies = accelerator.dies if isinstance(accelerator, Accelerator) else 1
    available = Machine.of(accelerator, devices=split.joined).second_tier_bytes
    away = offload * _weights_of_device(llm, precision, split)
    if available is not None and away > np.min(available):
        raise OutOfMemoryError(
            f"{llm.name} in {precision.name} with {100 * offload:.4g} % of the weights offloaded needs "
            f"{dies * away / _GB:,.1f} GB of the second tier of {accelerator.name}, which has "
            f"{dies * float(np.min(available)) / _GB:,.1f} GB. What would fit: a smaller share, a lower precision, or "
            "more devices."
        )
