"""How serving software works through a batch of equal requests: which passes run, over how many sequences.

A batch whose cache does not fit in memory is not run at once, and what happens instead is the software's doing. That
matters more than any efficiency: on a 40 GB device, throughput simply stops growing with the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hardware_specs import Accelerator, number_format
from roofline.layout import Layout, over_dies
from roofline.llm import LLM
from roofline.memory import weight_bytes
from roofline.nodes import context_nodes
from roofline.precision import PrecisionPolicy


class Pass(NamedTuple):
    """One pass that stands for several.

    Attributes
    ----------
    decode : bool
        Whether it is a decode step, or a prefill.
    sequences : float
        How many it works on.
    tokens : float
        New tokens of each prompt; of a decode step, the context of each sequence.
    cached : float
        Tokens of each prompt that are in the cache already.
    times : float
        How often it runs.
    follows : bool
        Whether other passes may follow before it has left all stages of a pipeline, as a prompt token does another one.
    """

    decode: bool
    sequences: float
    tokens: float
    cached: float = 0.0
    times: float = 1.0
    follows: bool = False


def room_tokens(
    llm: LLM,
    accelerator: Accelerator,
    precision: PrecisionPolicy,
    layout: Layout,
    *,
    framework: str,
    batch: float,
    prompt_tokens: float,
) -> float:
    """Tokens that the cache of one replica has room for, as a framework sets memory aside.

    vLLM takes 0.9 of the memory, weights and all; TensorRT-LLM and DeepSpeed-MII 0.9 and 0.95 of what weights and
    workspace leave (their documented defaults). TensorRT-LLM's workspace holds the activations of all prompts at once.

    Parameters
    ----------
    llm : LLM
        The model.
    accelerator : Accelerator
        One device.
    precision : PrecisionPolicy
        Formats of weights and cache.
    layout : Layout
        How devices share the model.
    framework : str
        The serving software; one that we do not know is taken to reserve nothing beside the weights.
    batch, prompt_tokens : float
        Requests, and the prompt of each.

    Returns
    -------
    float
    """
    split = over_dies(layout, accelerator)
    shards = split.tensor * split.pipeline
    memory = accelerator.memory_bytes / (split.devices / layout.devices)
    weights = float(weight_bytes(llm, precision)) / shards
    buffers = _BUFFERS.get(framework, 0.0) if layout.devices > 1 else 0.0
    memory -= buffers
    if framework == "vLLM":
        free = 0.9 * memory - weights - _ACTIVATIONS
    elif framework == "TensorRT-LLM":
        widest = max(group.intermediate or 0 for group in llm.layer_groups) or 4 * llm.hidden
        workspace = batch * prompt_tokens * (4 * llm.hidden + 2 * widest / split.tensor) * 2
        free = 0.9 * (memory - weights - min(workspace, 0.7 * (memory - weights)))
    elif framework == "DeepSpeed-MII":
        free = 0.95 * (memory - weights - 1.5 * _ACTIVATIONS)
    else:
        return np.inf
    copies = max(split.kv_copies(llm.kv_heads), 1)
    return max(free, 0.0) * shards / (llm.kv_bytes_per_token(number_format(precision.kv_cache).bits) * copies)


_ACTIVATIONS = 1e9
"""What activations and the framework itself take [byte]."""

_BUFFERS = {"vLLM": 2.4e9, "TensorRT-LLM": 4.75e9, "DeepSpeed-MII": 2e9}
"""What exchanges between devices take besides, as the batches show at which throughput stops growing [byte]."""

_PREEMPTING = ("vLLM", "DeepSpeed-MII")


def passes(
    framework: str, batch: float, prompt: float, output: float, room: float, chunk: float = np.inf
) -> list[Pass]:
    """Passes of a framework over a batch of equal requests.

    Parameters
    ----------
    framework : str
        The serving software.
    batch : float
        Requests.
    prompt, output : float
        Tokens of each.
    room : float
        Tokens that the cache has room for.
    chunk : float
        Prompt tokens that llama.cpp processes at a time.

    Returns
    -------
    list of Pass

    Examples
    --------
    A cache for 20 requests of 2,048 tokens takes 32 in two turns; or all start, and some stop and are read again:

    >>> for framework in ("TensorRT-LLM", "vLLM"):
    ...     done = passes(framework, 32, 1024, 1024, 20 * 2048)
    ...     print(framework, [(step.sequences, round(step.tokens)) for step in done if not step.decode])
    TensorRT-LLM [(20, 1024), (12, 1024)]
    vLLM [(32, 1024), (12, 1572)]
    """
    if framework == "llama.cpp":
        return list(_in_chunks(chunk, prompt, output))
    if batch * (prompt + output) <= room or prompt + output > room:
        return list(_turn(batch, prompt, output))
    return list((_preempted if framework in _PREEMPTING else _in_turns)(batch, prompt, output, room))


def _turn(sequences: float, prompt: float, output: float) -> Iterator[Pass]:
    """A prefill of all, then the decode steps."""
    yield Pass(False, sequences, prompt)
    yield from _steps(sequences, prompt + 1, prompt + output - 1)


def _steps(sequences: float, first: float, last: float, order: int = 5) -> Iterator[Pass]:
    steps = last - first + 1
    if steps <= 0:
        return
    contexts, weights = context_nodes(np.asarray(first), np.asarray(last), min(order, max(1, int(steps))))
    for context, weight in zip(contexts.tolist(), weights.tolist(), strict=True):
        yield Pass(True, sequences, context, times=weight)


def _in_turns(batch: float, prompt: float, output: float, room: float) -> Iterator[Pass]:
    """As many requests at once as the cache holds to their end, turn after turn."""
    at_once = max(1, int(room // (prompt + output)))
    while batch > 0:
        yield from _turn(min(at_once, batch), prompt, output)
        batch -= at_once


_MOST_SEQUENCES = 256
_BLOCK = 16  # tokens that vLLM keeps free for every running sequence
_FREE = 0.99  # of the blocks, a watermark below which it admits none


def _preempted(batch: float, prompt: float, output: float, room: float) -> Iterator[Pass]:
    """Start whatever prompts fit; when the cache is full, stop the newest, to be read again once there is room."""
    waiting, running, end = [prompt] * int(batch), list[float](), prompt + output
    few: list[Pass] = []  # short stretches of steps, which are put together
    while waiting or running:
        admitted = 0
        used = sum(running)
        while waiting and used + waiting[0] + len(running) * _BLOCK <= _FREE * room and len(running) < _MOST_SEQUENCES:
            used += waiting[0]
            running.append(waiting.pop(0))
            admitted += 1
        if admitted:
            yield Pass(False, admitted, float(np.mean(running[-admitted:])))
            running[-admitted:] = [context + 1 for context in running[-admitted:]]
            running = [context for context in running if context < end]
        if not running:
            if waiting and not admitted:  # does not fit even alone
                yield from _turn(1, waiting[0], end - waiting.pop(0))
            continue
        n = len(running)
        until_full = int((room - sum(running)) // n)
        if until_full <= 0 and n > 1:
            waiting.insert(0, running.pop())
            continue
        steps = max(1, min(until_full, end - max(running)) if until_full > 0 else 1)
        mean = float(np.mean(running))
        if steps > 40:
            yield from _steps(n, mean, mean + steps - 1, order=2)
        else:
            few.append(Pass(True, n, mean + steps / 2 - 0.5, times=steps))
            if len(few) == 16:
                yield _together(few)
                few = []
        running = [context + steps for context in running if context + steps < end]
    if few:
        yield _together(few)


def _together(few: list[Pass]) -> Pass:
    """Return one pass for several of about the same size: as many steps, as many sequences, as much context."""
    times = sum(step.times for step in few)
    sequences = sum(step.times * step.sequences for step in few) / times
    context = sum(step.times * step.sequences * step.tokens for step in few) / (times * sequences)
    return Pass(True, sequences, context, times=times)


def _in_chunks(chunk: float, prompt: float, output: float) -> Iterator[Pass]:
    """One sequence, its prompt read some tokens at a time (llama.cpp)."""
    if chunk <= 1:
        yield from (step._replace(follows=True) for step in _steps(1, 1, prompt))
    else:
        chunks = int(np.ceil(prompt / min(chunk, prompt)))
        size = prompt / chunks
        starts, weights = (np.arange(chunks) + 0.0, np.ones(chunks))
        if chunks > 4:
            starts, weights = context_nodes(np.asarray(float(chunks)), np.asarray(2.0 * chunks - 1), 4)
            starts = starts - chunks  # contexts begin at 1, chunks at 0
        for start, weight in zip(starts.tolist(), weights.tolist(), strict=True):
            yield Pass(False, 1, size, cached=start * size, times=weight)
    yield from _steps(1, prompt + 1, prompt + output - 1)
