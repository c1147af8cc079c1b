"""What latency limits leave of throughput: the largest batch within them, and the front of what can be had."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._validation import choice, count, number
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine, require_records
from roofline.memory import compiled_batch
from roofline.phases import decode
from roofline.precision import PrecisionPolicy, policy
from roofline.serving.options import SHARED, check_options
from roofline.serving.pareto import pareto_front
from roofline.serving.room import most_sequences, not_compiled, require_room
from roofline.serving.static import Generation, generate

if TYPE_CHECKING:
    from roofline.llm import LLM


def best_batch(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    prompt_tokens: Any,
    output_tokens: Any,
    ttft_s: Any = None,
    itl_s: Any = None,
    latency_s: Any = None,
    precision: str | PrecisionPolicy = "bf16",
    **options: Any,
) -> Array:
    """Largest static batch that fits in memory and meets limits on its latencies.

    Every latency rises with the batch, so bisection finds the last batch within all limits.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    prompt_tokens, output_tokens : int or array
        Tokens that each sequence reads and writes [token].
    ttft_s, itl_s, latency_s : float or array, optional
        Longest time to first token, mean inter-token latency and end-to-end latency that are accepted [s]; all
        arguments broadcast.
    precision : str or PrecisionPolicy
        Formats of each part.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel`.

    Returns
    -------
    array
        Sequences, whole; 0 where a single one is too slow, or too large.

    Raises
    ------
    OutOfMemoryError
        A single sequence does not fit, in any of the cases.
    ValueError
        A bad argument, or a machine whose memory capacity is unknown.
    TypeError
        A keyword argument that the phases do not share.

    References
    ----------
    Kim II-B: throughput at the largest batch that meets a latency requirement.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> llm, h100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> loose, tight = best_batch(llm, h100, prompt_tokens=1024, output_tokens=256, itl_s=[0.02, 0.01])
    >>> bool(loose > tight > 0)
    True
    """
    require_records(llm, accelerator)
    check_options("best_batch", options)
    prompt = number("prompt_tokens", prompt_tokens, at_least=1, at_most=llm.max_context, whole=True)
    output = number("output_tokens", output_tokens, at_least=1, at_most=llm.max_context, whole=True)
    given = {"ttft_s": ttft_s, "itl_s": itl_s, "latency_s": latency_s}
    limits = {name: number(name, limit, above=0) for name, limit in given.items() if limit is not None}
    if itl_s is not None and np.min(output) < 2:
        raise ValueError("output_tokens = 1 has no inter-token latency: no token follows the first; leave itl_s out")
    options = {"precision": precision, **options}
    one = _smallest_step(llm, accelerator, prompt, output, options)
    require_room(one)
    room = most_sequences(llm, accelerator, context_tokens=prompt + output - 1, options=options)
    compiled = compiled_batch(accelerator, one.layout)
    high = np.minimum(room, math.inf if compiled is None else compiled)
    high = np.broadcast_to(high, np.broadcast_shapes(high.shape, *(limit.shape for limit in limits.values())))
    if not limits:
        return high[()]

    def meets_limits(batch: Array) -> Array:
        g = generate(
            llm, accelerator, batch=np.maximum(batch, 1), prompt_tokens=prompt, output_tokens=output, **options
        )
        return np.logical_and.reduce([getattr(g, name) <= limit for name, limit in limits.items()])

    low = np.zeros(high.shape)
    while np.any(low < high):
        middle = np.ceil((low + high) / 2)
        fast_enough = meets_limits(middle)
        low, high = np.where(fast_enough, middle, low), np.where(fast_enough, high, np.maximum(middle - 1, low))
    return low[()]


def _smallest_step(
    llm: LLM, accelerator: Accelerator | Machine, prompt: Array, output: Array, options: Mapping[str, Any]
) -> PhaseEstimate:
    """Last decode step of a single sequence, in the smallest case: what must fit for anything to fit."""
    return decode(llm, accelerator, batch=1, context_tokens=np.min(prompt + output) - 1, **options)


def throughput_within(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    prompt_tokens: Any,
    output_tokens: Any,
    ttft_s: Any = None,
    itl_s: Any = None,
    latency_s: Any = None,
    precision: str | PrecisionPolicy = "bf16",
    **options: Any,
) -> Generation:
    """Static batch as large as memory and limits on latency allow, with its throughput: Kim's single figure.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    prompt_tokens, output_tokens : int or array
        Tokens that each sequence reads and writes [token].
    ttft_s, itl_s, latency_s : float or array, optional
        Longest time to first token, mean inter-token latency and end-to-end latency that are accepted [s]; all
        arguments broadcast.
    precision : str or PrecisionPolicy
        Formats of each part.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel`.

    Returns
    -------
    Generation
        With ``batch`` as found by :func:`best_batch`.

    Raises
    ------
    OutOfMemoryError
        A single sequence does not fit.
    ValueError
        A bad argument, or limits that not even a single sequence meets; the message says what it takes.
    TypeError
        A keyword argument that the phases do not share.

    References
    ----------
    Kim II-B.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> g = throughput_within(
    ...     rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), prompt_tokens=1024, output_tokens=256, itl_s=0.010
    ... )
    >>> bool(g.itl_s <= 0.010)
    True
    """
    check_options("throughput_within", options)
    batch = best_batch(
        llm,
        accelerator,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        ttft_s=ttft_s,
        itl_s=itl_s,
        latency_s=latency_s,
        precision=precision,
        **options,
    )
    if np.min(batch) < 1:
        given = {"ttft_s": ttft_s, "itl_s": itl_s, "latency_s": latency_s}
        limits = {name: number(name, limit) for name, limit in given.items() if limit is not None}
        raise _too_tight(llm, accelerator, batch, prompt_tokens, output_tokens, limits, precision, options)
    return generate(
        llm,
        accelerator,
        batch=batch,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        precision=precision,
        **options,
    )


def _too_tight(
    llm: LLM,
    accelerator: Accelerator | Machine,
    batch: Array,
    prompt_tokens: Any,
    output_tokens: Any,
    limits: Mapping[str, Array],
    precision: str | PrecisionPolicy,
    options: Mapping[str, Any],
) -> ValueError:
    """Return the error for the first case that no batch meets, with what a single sequence takes."""
    case = int(np.argmin(batch))
    prompt, output, *allowed = (
        float(np.broadcast_to(value, np.shape(batch)).flat[case])
        for value in (prompt_tokens, output_tokens, *limits.values())
    )
    one = generate(
        llm, accelerator, batch=1, prompt_tokens=prompt, output_tokens=output, precision=precision, **options
    )
    asked = ", ".join(f"{name} = {limit:.4g}" for name, limit in zip(limits, allowed, strict=True))
    takes = ", ".join(f"{name} = {float(np.max(getattr(one, name))):.4g}" for name in limits)
    return ValueError(f"{asked} is not accepted: a batch of 1 on {one.machine.name} already takes {takes}")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to serve, and what it gives.

    Attributes
    ----------
    batch : int
        Sequences.
    options : mapping
        Keyword arguments that tell it from others, such as ``tensor_parallel``, and ``precision``.
    devices : int
        Devices that share the batch.
    latency : float
        What was asked for: end-to-end, ITL or TTFT [s].
    tokens_per_s_per_device : float
        Output tokens [1/s].
    """

    batch: int
    options: Mapping[str, Any]
    devices: int
    latency: float
    tokens_per_s_per_device: float


@dataclass(frozen=True, kw_only=True)
class ServingFront:
    """Configurations that no other beats, by rising latency.

    Attributes
    ----------
    configurations : tuple of Configuration
        The front; latency and throughput rise along it.
    latency : str
        Which latency: ``latency_s``, ``itl_s`` or ``ttft_s``.
    beaten : tuple of Configuration
        Those that another beats.
    refused : mapping of str to str
        Configurations that do not run or do not fit, each with its reason.
    workload : str
        What was asked for, in words.
    """

    configurations: tuple[Configuration, ...]
    latency: str
    beaten: tuple[Configuration, ...]
    refused: Mapping[str, str]
    workload: str

    def __repr__(self) -> str:
        first, last = self.configurations[0], self.configurations[-1]
        points = f"{len(self.configurations)} of {len(self.configurations) + len(self.beaten)} configurations"
        if len(self.configurations) == 1:
            return f"ServingFront({points}: {_figures(first)}; {len(self.refused)} refused)"
        return f"ServingFront({points}: from {_figures(first)} to {_figures(last)}; {len(self.refused)} refused)"

    @property
    def latencies_s(self) -> Array:
        """Latency of each configuration [s]."""
        return np.array([configuration.latency for configuration in self.configurations])

    @property
    def tokens_per_s_per_device(self) -> Array:
        """Output tokens per device of each configuration [1/s]."""
        return np.array([configuration.tokens_per_s_per_device for configuration in self.configurations])


def _figures(one: Configuration) -> str:
    return f"batch {one.batch:,} in {one.latency:.3g} s with {one.tokens_per_s_per_device:,.0f} tokens/s per device"


def serving_front(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    prompt_tokens: int,
    output_tokens: int,
    batches: Any,
    layouts: Iterable[Mapping[str, Any] | Any] = ({},),
    precisions: Iterable[str | PrecisionPolicy] = ("bf16",),
    latency: str = "latency_s",
    **options: Any,
) -> ServingFront:
    """Pareto front of latency against output tokens per second and device, over batches, layouts and precisions.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    prompt_tokens, output_tokens : int
        Tokens that each sequence reads and writes [token].
    batches : int or array
        Sequences, as many sizes as shall be tried.
    layouts : iterable of Layout or mapping
        How devices share the model: layouts, or keyword arguments such as ``{"tensor_parallel": 2}``.
    precisions : iterable of str or PrecisionPolicy
        Formats that shall be tried.
    latency : {"latency_s", "itl_s", "ttft_s"}
        Which latency counts.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, for all configurations.

    Returns
    -------
    ServingFront

    Raises
    ------
    ValueError
        A bad argument, a machine of arrays of rates, or not one configuration that runs and fits; the message has the
        reasons.
    TypeError
        A keyword argument that the phases do not share, in `options` or in a layout.

    References
    ----------
    Brunetta Figure 2: throughput against latency across batch sizes.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> front = serving_front(
    ...     rl.get_llm("llama-3.1-8b"),
    ...     hs.get("h100-sxm"),
    ...     prompt_tokens=1024,
    ...     output_tokens=128,
    ...     batches=[1, 4, 16, 64],
    ...     precisions=["bf16", "fp8"],
    ... )
    >>> {configuration.options["precision"] for configuration in front.configurations}
    {'fp8'}
    """
    choice("latency", latency, ("latency_s", "itl_s", "ttft_s"))
    require_records(llm, accelerator)
    count("prompt_tokens", prompt_tokens)
    count("output_tokens", output_tokens)
    if isinstance(accelerator, Machine) and accelerator.shape:
        raise ValueError(f"{accelerator.name} has arrays of rates: serving_front takes one machine at a time")
    accepted = tuple(name for name in SHARED if name != "precision")  # precisions are tried
    check_options("serving_front", options, accepted)
    sizes = np.unique(number("batches", batches, at_least=1, whole=True))
    tried: list[Configuration] = []
    refused: dict[str, str] = {}
    for layout in layouts:
        check_options("a layout", layout if isinstance(layout, Mapping) else (), accepted)
        for precision in precisions:
            shared = dict(layout) if isinstance(layout, Mapping) else {"layout": layout}
            shared |= {"precision": policy(precision).name}
            words = ", ".join(f"{name} = {value}" for name, value in shared.items())
            keywords = {**options, **shared, "precision": precision}
            fits = _fitting(llm, accelerator, sizes, prompt_tokens, output_tokens, keywords, words, refused)
            if not fits.size:
                continue
            g = generate(
                llm, accelerator, batch=fits, prompt_tokens=prompt_tokens, output_tokens=output_tokens, **keywords
            )
            tried += [
                Configuration(
                    batch=int(size),
                    options=shared,
                    devices=g.devices,
                    latency=float(time_s),
                    tokens_per_s_per_device=float(rate) / g.devices,
                )
                for size, time_s, rate in zip(fits, getattr(g, latency), g.output_tokens_per_s, strict=True)
            ]
    if not tried:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items()) or "none was given"
        raise ValueError(f"no configuration runs and fits: {reasons}")
    best = pareto_front([one.latency for one in tried], [one.tokens_per_s_per_device for one in tried])
    kept = set(best.tolist())
    return ServingFront(
        configurations=tuple(tried[i] for i in best),
        latency=latency,
        beaten=tuple(one for i, one in enumerate(tried) if i not in kept),
        refused=refused,
        workload=(
            f"{g.kind}: {llm.name} on {accelerator.name}, {prompt_tokens:,} prompt and {output_tokens:,} output tokens"
        ),
    )


def _fitting(
    llm: LLM,
    accelerator: Accelerator | Machine,
    sizes: Array,
    prompt_tokens: int,
    output_tokens: int,
    keywords: Mapping[str, Any],
    words: str,
    refused: dict[str, str],
) -> Array:
    """Return the batches that run and fit; note the reason for those that do not."""
    try:
        room = best_batch(llm, accelerator, prompt_tokens=prompt_tokens, output_tokens=output_tokens, **keywords)
    except ValueError as error:
        refused[words] = str(error)
        return sizes[:0]
    if np.ndim(room):
        raise ValueError(f"{words}: arrays are not accepted: serving_front takes one case at a time")
    one = _smallest_step(llm, accelerator, np.asarray(prompt_tokens), np.asarray(output_tokens), keywords)
    compiled = compiled_batch(accelerator, one.layout)
    reason = f"at most {room:.0f} sequences fit" if compiled is None or room < compiled else not_compiled(one, compiled)
    for size in sizes[sizes > room]:
        refused[f"batch = {size:.0f}, {words}"] = reason
    return sizes[sizes <= room]
