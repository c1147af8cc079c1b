"""The best that the hardware could do of what a run did: the ideal roofline of the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import hardware_specs as hs
from roofline import formulas
from roofline.ceilings import phase_time_s
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import Layout, over_dies
from roofline.llm_catalog import get_llm
from roofline.machine import Machine, machine
from roofline.nodes import context_nodes
from roofline.precision import policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roofline.llm import LLM
    from roofline.measurements.records import Runs

    Column = NDArray[np.float64]

_STATED = ("accelerator", "llm", "precision", "phase")
_SIZES = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel", "routing_skew")
_LENGTHS = ("batch", "prompt_tokens", "output_tokens", "context_tokens")
_MOST = 1e6  # devices that anybody has
_SAME = 100.0  # a skew under which all tokens choose the same experts


def least_time_s(runs: Runs) -> Column:
    """Time that an ideal machine takes for each run [s].

    A generation is the sum of its prefill and its decode steps; a product of two matrices is the roofline of its FLOPs
    and bytes. Runs that differ in nothing but their results share one estimate.

    Parameters
    ----------
    runs : Runs
        Any.

    Returns
    -------
    array
        One per run; NaN where accelerator, model, batch or lengths are not known, or nothing can be said.
    """
    times = np.full(len(runs), np.nan)
    for (accelerator, llm, precision, phase, *sizes), rows in groups(runs).items():
        lengths = {name: getattr(runs, name)[rows] for name in _LENGTHS}
        try:
            with np.errstate(all="ignore"):  # what is beyond all floats is no bound
                if phase == "gemm":
                    times[rows] = _product_s(accelerator, precision, *(getattr(runs, name)[rows] for name in "mkn"))
                elif phase in _OF and llm:
                    layout = layout_of(sizes, runs.devices[rows[0]])
                    skews = _skews(llm, sizes[4])
                    found = [_OF[phase](accelerator, llm, precision, layout, lengths, skew) for skew in skews]
                    times[rows] = np.min(found, axis=0)
        except (KeyError, ValueError, ArithmeticError):
            continue  # a model that does not divide, a format or a figure that is not known: no bound is known
    times[~np.isfinite(times) | (times <= 0)] = np.nan
    return times


def _skews(llm: str, skew: float) -> tuple[float, ...]:
    """Return the skews of routing that a run may have had; where nobody says it, all experts alike or the same few."""
    if not np.isnan(skew):
        return (float(skew),)
    return (0.0,) if get_llm(llm).moe is None else (0.0, _SAME)


def groups(runs: Runs) -> dict[tuple[Any, ...], NDArray[np.intp]]:
    """Return the rows of every machine, model, precision, phase and division over devices, in order.

    Parameters
    ----------
    runs : Runs
        Any.
    """
    texts = [getattr(runs, name) for name in _STATED]
    numbers = [getattr(runs, name) for name in _SIZES]
    codes = codes_of((*texts, *numbers, runs.devices), len(runs))
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    found = {}
    for rows in np.split(order, cuts) if len(runs) else []:
        first = rows[0]
        found[(*(column[first] for column in texts), *(column[first] for column in numbers), runs.devices[first])] = (
            rows
        )
    return found


def codes_of(columns: Iterable[Column], length: int) -> NDArray[np.int64]:
    """Return a number for every run, the same for those that are alike in some columns.

    Parameters
    ----------
    columns : iterable of array
        Texts or numbers.
    length : int
        Runs.
    """
    codes = np.zeros(length, dtype=np.int64)
    for column in columns:
        if column.dtype == object:
            known = {text: code for code, text in enumerate(dict.fromkeys(column.tolist()))}
            code = np.fromiter((known[text] for text in column), dtype=np.int64, count=length)
        else:
            _, code = np.unique(column, return_inverse=True)
        # Counted anew after each column, so that the product of many never wraps around.
        _, codes = np.unique(codes * (code.max(initial=0) + 1) + code, return_inverse=True)
    return codes


def layout_of(sizes: Any, devices: float) -> Layout | None:
    """Return how devices share a model; where only their number is known, they share every layer.

    Parameters
    ----------
    sizes : sequence of float
        Tensor, pipeline, expert and data parallelism, NaN where unknown.
    devices : float
        Accelerators, NaN where unknown.

    Returns
    -------
    Layout or None
        ``None`` if not even the number of devices is known, is absurd, or experts are divided in a way that we do not
        model.
    """
    if any(size > _MOST for size in (*sizes[:4], devices)):
        return None
    tensor, pipeline, expert, data = (None if np.isnan(size) else int(size) for size in sizes[:4])
    if tensor is None and pipeline is None and data is None:
        return None if np.isnan(devices) else Layout(tensor=int(devices))
    try:
        return Layout(tensor=tensor or 1, pipeline=pipeline or 1, expert=expert or 1, data=data or 1)
    except ValueError:  # experts divided in a way that we do not model
        return None


@cache
def _device(accelerator: str) -> hs.Accelerator | Machine:
    """Return a device; where the bandwidth of its links is not published, they take no time, as a bound may have it."""
    device = hs.get(accelerator)
    return Machine.of(device).replace(link_bytes_per_s=1e30) if device.scale_up is None else device


def _generate_s(
    accelerator: str, llm: str, precision: str, layout: Layout | None, lengths: dict[str, Column], skew: float
) -> Column:
    batch, prompt, output = lengths["batch"], lengths["prompt_tokens"], lengths["output_tokens"]
    first_s = _prefill_s(accelerator, llm, precision, layout, lengths, skew)
    contexts, weights = context_nodes(prompt + 1, prompt + output - 1)
    steps_s = weights * _steps_s(accelerator, llm, precision, layout, batch, contexts, skew)
    return np.asarray(first_s + steps_s.sum(axis=0))


def _prefill_s(
    accelerator: str, llm: str, precision: str, layout: Layout | None, lengths: dict[str, Column], skew: float
) -> Column:
    work = {"batch": lengths["batch"], "prompt_tokens": lengths["prompt_tokens"], "logits": "last"}
    return _time_s(accelerator, precision, layout, prefill_operations, llm, routing_skew=skew, **work)


def _decode_s(
    accelerator: str, llm: str, precision: str, layout: Layout | None, lengths: dict[str, Column], skew: float
) -> Column:
    # A mean batch is no whole number; the time of the whole sequences in it is never too long. Of a context that is not
    # given, half of the answer is never too long: a sequence that is being answered holds at least that on average.
    context = lengths["context_tokens"]
    unknown = np.isnan(context)
    prompt = np.nan_to_num(lengths["prompt_tokens"])
    context = np.where(unknown, np.floor(prompt + lengths["output_tokens"] / 2), context)
    batch = np.maximum(np.floor(lengths["batch"]), 1)
    time_s = _steps_s(accelerator, llm, precision, layout, batch, context, skew)
    return np.where(np.isnan(lengths["batch"]), np.nan, time_s)


_OF: dict[str, Callable[..., Column]] = {"generate": _generate_s, "prefill": _prefill_s, "decode": _decode_s}


def _steps_s(
    accelerator: str, llm: str, precision: str, layout: Layout | None, batch: Column, context: Column, skew: float
) -> Column:
    work = {"batch": batch, "context_tokens": context}
    return _time_s(accelerator, precision, layout, decode_operations, llm, routing_skew=skew, **work)


def _time_s(
    accelerator: str, precision: str, layout: Layout | None, operations: Callable[..., Any], llm: str, **work: Any
) -> Column:
    if layout is None:
        raise ValueError("how the devices share the model is not known")
    device = _device(accelerator)
    split = over_dies(layout, device)
    formats = _generous(precision)
    rates = machine(device, formats, devices=split.joined)
    done = operations(get_llm(llm), precision=formats, layout=split, **work)
    return np.asarray(phase_time_s(done, rates, devices=split.devices))


def _generous(precision: str) -> Any:
    """Return a policy as a bound may read it: who multiplies in 8 bits or fewer may cache in 8 bits, too."""
    formats = policy(precision)
    wide = formats.weights != formats.compute or formats.compute in ("bf16", "fp16")
    return formats if wide else formats.replace(kv_cache="fp8")


def _product_s(accelerator: str, precision: str, m: Column, k: Column, n: Column) -> Column:
    device = hs.get(accelerator)
    width = hs.number_format(precision).bits / 8
    return np.asarray(
        formulas.roofline_time_s(
            flops=formulas.gemm_flops(m=m, k=k, n=n),
            bytes=formulas.gemm_bytes(m=m, k=k, n=n, input_bytes=width, weight_bytes=width, output_bytes=2),
            flops_per_s=device.peak_flops(precision),
            bytes_per_s=device.memory_bytes_per_s,
        )
    )


def model_flops(runs: Runs) -> Column:
    """FLOPs of each run over all its devices: matrix products only, the causal half of attention (Kim IV-C) [FLOP].

    Parameters
    ----------
    runs : Runs
        Any.

    Returns
    -------
    array
        Of a generation, a prefill (with the LM head at the last position only), one decode step or a product of two
        matrices; NaN where the model, the batch or the lengths are not known.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> runs = published("kim2025-table4").where(llm="llama-3.1-8b", power_limit_w=700, context_tokens=2048)
    >>> print(f"{model_flops(runs)[0] / 1e12:.2f} TFLOP")
    1.03 TFLOP
    """
    flops = np.where(runs.phase == "gemm", 2 * runs.m * runs.k * runs.n, np.nan)
    for llm in set(runs.llm[np.isin(runs.phase, list(_OF))].tolist()) - {""}:
        for phase in _OF:
            rows = np.flatnonzero((runs.llm == llm) & (runs.phase == phase))
            try:
                with np.errstate(all="ignore"):
                    flops[rows] = _flops(get_llm(llm), phase, *(getattr(runs, name)[rows] for name in _LENGTHS))
            except KeyError:
                continue  # no model of the catalogue
    return np.asarray(flops)


def _flops(llm: LLM, phase: str, batch: Column, prompt: Column, output: Column, context: Column) -> Column:
    every: dict[str, Any] = {"precision": policy("bf16"), "layout": Layout()}  # the count depends on neither
    flops = np.zeros(len(batch))
    if phase != "decode":
        parts = prefill_operations(llm, batch=batch, prompt_tokens=prompt, logits="last", **every)
        flops = flops + sum(part.flops for part in parts)
    if phase != "prefill":
        steps = (context, 1.0) if phase == "decode" else context_nodes(prompt + 1, prompt + output - 1)
        parts = decode_operations(llm, batch=batch, context_tokens=steps[0], **every)
        times_flops = steps[1] * sum(part.flops for part in parts)
        flops = flops + (times_flops if phase == "decode" else times_flops.sum(axis=0))
    return np.asarray(flops)


def measured_time_s(runs: Runs) -> Column:
    """Time that each run took, from its latency, or from its throughput and what it counts [s].

    Parameters
    ----------
    runs : Runs
        Any.

    Returns
    -------
    array
        Of a generation from prompt to last token, of a prefill, of one decode step or of one kernel; NaN where unknown.
        TFLOPS give the time of a product, and of a decode step (Kim Eq. 8); of a prefill they do not, for publications
        differ in whether they count the LM head at every position.
    """
    batch, prompt, output = runs.batch, runs.prompt_tokens, runs.output_tokens
    phase = runs.phase
    times = np.full(len(runs), np.nan)
    with np.errstate(all="ignore"):
        both = batch * (prompt + output) / runs.tokens_per_s
        written = batch * output / runs.output_tokens_per_s
        product = 2 * runs.m * runs.k * runs.n / (runs.tflops * 1e12)
        for name, routes in (
            ("generate", (both, written, runs.latency_s)),
            ("prefill", (runs.ttft_s, runs.latency_s, batch * prompt / runs.tokens_per_s)),
            ("decode", (runs.itl_s, batch / runs.output_tokens_per_s, runs.latency_s)),
            ("gemm", (product, runs.latency_s)),
            ("attention", (runs.latency_s,)),
        ):
            of = phase == name
            for route in routes:
                times = np.where(of & np.isnan(times), route, times)
        rated = np.flatnonzero((phase == "decode") & np.isnan(times) & ~np.isnan(runs.tflops))
        if len(rated):
            times[rated] = model_flops(runs[rated]) / (runs.tflops[rated] * 1e12 * runs.devices[rated])
    times[~np.isfinite(times) | (times <= 0)] = np.nan  # beyond all floats, and so no time
    return times
