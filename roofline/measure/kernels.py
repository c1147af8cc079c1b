"""The kernels themselves, as PyTorch has them: each on operands of its own, none of which is in the cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from roofline.measure.work import Attention, Gemm, Stream, Work

if TYPE_CHECKING:
    from roofline.measure.device import Call, Device


def prepare(work: Work, device: Device, sets: int) -> tuple[list[Call], str]:
    """Return a call per set of operands, and what tells the kernel from others of its name.

    Parameters
    ----------
    work : Gemm, Attention or Stream
        What is run.
    device : Device
        Where.
    sets : int
        Sets of operands, each with addresses of its own.

    Returns
    -------
    (list of callable, str)

    Raises
    ------
    RuntimeError, ValueError, TypeError, AttributeError
        As PyTorch refuses what the device, or its version, cannot do; partly when a call is made.
    """
    if isinstance(work, Gemm):
        operands, run, variant = _gemm(work, device)
    elif isinstance(work, Attention):
        operands, run, variant = _attention(work, device)
    else:
        operands, run, variant = _stream(work, device)
    calls: list[Call] = [partial(run, *operands)]
    for _ in range(sets - 1):  # the same numbers elsewhere: caches know addresses
        calls.append(partial(run, *(operand.clone() for operand in operands)))
    return calls, variant


Kernel = tuple[tuple[Any, ...], Callable[..., object], str]


def _gemm(work: Gemm, device: Device) -> Kernel:
    """A linear layer: weights N×K, as checkpoints have them, of which the transpose is a view."""
    torch = device.torch
    m, k, n = work.m, work.k, work.n
    if work.precision == "int8":
        a, w = (torch.randint(-127, 128, size, dtype=torch.int8, device=device.kind) for size in ((m, k), (n, k)))
        out = torch.empty((m, n), dtype=torch.int32, device=device.kind)
        return (a, w, out), lambda a, w, out: torch._int_mm(a, w.t(), out=out), ""
    if work.precision == "fp8":
        eight = _fp8(device)
        a, w = (_random(device, size, "bf16").to(eight) for size in ((m, k), (n, k)))
        out = torch.empty((m, n), dtype=torch.bfloat16, device=device.kind)
        one = torch.ones((), dtype=torch.float32, device=device.kind)

        def scaled(a: Any, w: Any, out: Any) -> object:
            return torch._scaled_mm(
                a, w.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True, out=out
            )

        return (a, w, out), scaled, "scale per tensor"
    a, w = (_random(device, size, work.precision) for size in ((m, k), (n, k)))
    out = torch.empty((m, n), dtype=a.dtype, device=device.kind)
    return (a, w, out), lambda a, w, out: torch.mm(a, w.t(), out=out), ""


def _attention(work: Attention, device: Device) -> Kernel:
    """Fused attention; the query heads that share a KV head are rows of one product, since no mask tells them apart."""
    llm, heads = work.llm, work.kv_heads
    attend = device.torch.nn.functional.scaled_dot_product_attention
    q = _random(device, (work.batch, heads, llm.heads // heads, llm.head_dim), work.precision)
    k, v = (_random(device, (work.batch, heads, work.context_tokens, llm.head_dim), work.precision) for _ in range(2))
    return (q, k, v), attend, ""


def _stream(work: Stream, device: Device) -> Kernel:
    torch = device.torch
    a, b, c = (_random(device, (work.elements,), work.precision) if needed else None for needed in _ARRAYS[work.kind])
    if work.kind == "copy":
        return (a, b), lambda a, b: a.copy_(b), str(work)
    if work.kind == "triad":
        return (a, b, c), lambda a, b, c: torch.add(b, c, alpha=2.0, out=a), str(work)
    return (a,), lambda a: torch.sum(a), str(work)


_ARRAYS = {"copy": (True, True, False), "triad": (True, True, True), "read": (True, False, False)}


def _random(device: Device, size: tuple[int, ...], dtype: str) -> Any:
    """Numbers as weights have them: a device draws less power for zeros."""
    torch = device.torch
    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    return torch.randn(size, dtype=named[dtype], device=device.kind)


def _fp8(device: Device) -> Any:
    """The FP8 of the matrix engine: E4M3, in AMD's own encoding on the first machines that had it."""
    old = "gfx94" in getattr(device.properties, "gcnArchName", "")
    return device.torch.float8_e4m3fnuz if old else device.torch.float8_e4m3fn
