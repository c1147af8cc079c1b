"""What a model takes of a device's memory, and the largest batch that fits.

Weights and KV cache are counted; the working space of activations and of the serving framework is not, so the largest
batch is an upper bound. Capacities are what the driver shows (an H100's "80 GB" is 81,559 MiB).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator, number_format
from roofline._arrays import Array
from roofline._validation import number
from roofline.ceilings import Machine, machine, phase_time_s, require_records, runnable_policies, shared_devices
from roofline.operations import decode_operations, require_modelled
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.llm import LLM

_GB = 1e9


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
        Sequences, and cached tokens of each; at least 0.

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
    batch, tokens = number("batch", batch, at_least=0), number("tokens", tokens, at_least=0)
    return batch * tokens * llm.kv_bytes_per_token(number_format(precision.kv_cache).bits)


def memory_bytes_per_device(
    llm: LLM, precision: PrecisionPolicy, *, batch: Array, tokens: Array, devices: int = 1
) -> Array:
    """Memory that weights and KV cache take on each of the devices that share a model evenly [byte].

    Parameters are those of :func:`kv_cache_bytes`; `devices` is the tensor-parallel size.
    """
    return (weight_bytes(llm, precision) + kv_cache_bytes(llm, precision, batch=batch, tokens=tokens)) / devices


def max_batch(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    context_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    itl_s: Any = None,
    tensor_parallel: int = 1,
) -> Array:
    """Largest batch of a decode step that fits in memory and, if asked, meets an inter-token latency.

    Parameters
    ----------
    llm : LLM
        A dense architecture.
    accelerator : Accelerator or Machine
        One device.
    context_tokens : int or array
        Cached tokens of each sequence; one more is held for the token being generated.
    precision : str or PrecisionPolicy
        Formats of each part.
    itl_s : float or array, optional
        Longest time of a decode step that is accepted [s]; broadcasts with `context_tokens`.
    tensor_parallel : int
        Devices that share every layer.

    Returns
    -------
    array
        Sequences, whole; 0 where not even one fits or none is fast enough.

    Raises
    ------
    OutOfMemoryError
        The weights alone do not fit.
    ValueError
        A bad argument, or a machine whose memory capacity is unknown.

    References
    ----------
    Kim II-B: throughput at the largest batch that meets a latency requirement.

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
    devices = shared_devices(llm, accelerator, tensor_parallel)
    context = number("context_tokens", context_tokens, at_least=1, at_most=llm.max_context, whole=True)
    require_modelled(llm, tokens=context)
    rates = machine(accelerator, formats, devices=devices)
    if rates.memory_bytes is None:
        raise ValueError(f"{rates.name} gives no memory_bytes, which the largest batch needs")
    free = rates.memory_bytes * devices - weight_bytes(llm, formats)
    if np.max(free) < 0:
        require_fit(llm, accelerator, formats, batch=0, tokens=0, devices=devices)
    batch = np.maximum(np.floor(free / kv_cache_bytes(llm, formats, batch=1, tokens=context + 1)), 0)
    if itl_s is None:
        return batch
    limit = number("itl_s", itl_s, above=0)

    def meets_limit(sequences: Array) -> Array:
        operations = decode_operations(
            llm, batch=sequences, context_tokens=context, precision=formats, tensor_parallel=devices
        )
        return phase_time_s(operations, rates, devices=devices) <= limit

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
    tokens: Array,
    devices: int = 1,
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
        Sequences, and cached tokens of each; they broadcast with the capacity.
    devices : int
        Tensor-parallel size.

    Raises
    ------
    OutOfMemoryError
        Needed, available, and what would fit, for the worst case: fewer sequences, a lower precision, more devices.
    """
    if accelerator.memory_bytes is None:
        return
    cases = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (batch, tokens, accelerator.memory_bytes))
    )
    excess = memory_bytes_per_device(llm, precision, batch=cases[0], tokens=cases[1], devices=devices) - cases[2]
    worst = int(np.argmax(excess))
    if excess.flat[worst] <= 0:
        return
    sequences, held, available = (float(case.flat[worst]) for case in cases)

    def needed(formats: PrecisionPolicy, shared_by: int) -> float:
        return float(memory_bytes_per_device(llm, formats, batch=sequences, tokens=held, devices=shared_by))

    def can_share(n: int) -> bool:
        try:
            return shared_devices(llm, accelerator, n) > devices and needed(precision, n) <= available
        except ValueError:
            return False

    options = []
    if sequences:
        free = available * devices - weight_bytes(llm, precision)
        fewer = free // float(kv_cache_bytes(llm, precision, batch=1, tokens=held))
        if fewer >= 1:
            options.append(f"a batch of {fewer:,.0f}")
    lower = [name for name in runnable_policies(accelerator) if needed(policy(name), devices) <= available]
    if lower:
        options.append(f"precision {' or '.join(lower)}")
    enough = next(filter(can_share, (2, 4, 8, 16)), None)
    if enough is not None:
        options.append(f"tensor_parallel = {enough}")
    what = f"a batch of {sequences:,.0f} sequences of {held:,.0f} tokens" if sequences else "its weights alone"
    on = "" if devices == 1 else f" on each of {devices} devices"
    raise OutOfMemoryError(
        f"{llm.name} in {precision.name} with {what} needs {needed(precision, devices) / _GB:,.1f} GB{on}; "
        f"{accelerator.name} has {available / _GB:,.1f} GB. "
        f"What would fit: {'; '.join(options) or 'nothing that was tried'}."
    )
