"""What bounds the sequences that are served together: memory, and batches compiled in advance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine
from roofline.memory import compiled_batch, max_batch
from roofline.phases import decode

if TYPE_CHECKING:
    from roofline.llm import LLM

_LAYOUT = ("precision", "layout", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel")


def require_room(step: PhaseEstimate) -> None:
    """Refuse a decode step whose batch does not fit in memory or is above those compiled in advance.

    Parameters
    ----------
    step : PhaseEstimate
        The step of the longest context.

    Raises
    ------
    OutOfMemoryError
        It does not fit.
    ValueError
        No such batch is compiled.
    """
    largest = compiled_batch(step.accelerator, step.layout)
    if largest is not None and np.max(step.batch) > largest:
        raise ValueError(f"batch = {np.max(step.batch):.15g} is not accepted: {not_compiled(step, largest)}")
    step.require_fit()


def not_compiled(step: PhaseEstimate, largest: int) -> str:
    """Say why a batch does not run that memory would hold.

    Parameters
    ----------
    step : PhaseEstimate
        A decode step on the machine.
    largest : int
        The largest batch that does.
    """
    copies = f" on {step.layout.data} copies of the model" if step.layout.data > 1 else ""
    return f"{step.machine.name} runs batches compiled in advance, of at most {largest}{copies}"


def most_sequences(
    llm: LLM, accelerator: Accelerator | Machine, *, context_tokens: Array, options: Mapping[str, Any]
) -> Array:
    """Largest batch of a decode step that fits in memory; 0 where not even one sequence does.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    context_tokens : array
        Cached tokens of each sequence [token].
    options : mapping
        Keyword arguments of :func:`roofline.decode`; with `offload`, weights leave room for more.

    Raises
    ------
    OutOfMemoryError
        The weights alone do not fit.
    ValueError
        A machine whose memory capacity is unknown.
    """
    offload = options.get("offload", 0.0)
    if not isinstance(offload, str) and not np.any(np.asarray(offload) > 0):
        layout = {name: value for name, value in options.items() if name in _LAYOUT}
        return max_batch(llm, accelerator, context_tokens=context_tokens, **layout)

    def step(batch: Array) -> PhaseEstimate:
        return decode(llm, accelerator, batch=np.maximum(batch, 1), context_tokens=context_tokens, **options)

    one = step(np.ones(()))
    if one.machine.memory_bytes is None:
        raise ValueError(f"{one.machine.name} gives no memory_bytes, which the largest batch needs")
    # The cache stays in main memory, so it alone bounds the batch from above.
    high = np.broadcast_to(one.layout.data * (one.machine.memory_bytes // one.memory.kv_cache), one.shape)
    low = np.zeros(high.shape)
    while np.any(low < high):
        middle = np.ceil((low + high) / 2)
        fits = step(middle).fits
        low, high = np.where(fits, middle, low), np.where(fits, high, np.maximum(middle - 1, low))
    return low[()]
