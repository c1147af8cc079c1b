"""Which kernels are measured where the caller leaves it open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roofline._validation import count
from roofline.measure.work import PASSES, Attention, Gemm, Stream, attentions, gemms, layer_shapes, longest_context
from roofline.measure.work import streams as _streams

if TYPE_CHECKING:
    from roofline.llm import LLM

# Rows from one sequence to a batch where every machine is bound by its matrix engine; lengths and batches from a cache
# of 1 MB, where starting the kernel counts, to gigabytes, where bandwidth does. The second is for a smoke test.
_M = {False: (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048), True: (1, 16)}
_SQUARE = {False: (1024, 2048, 4096, 8192), True: (512,)}
_BATCH = {False: (1, 4, 16, 64, 256), True: (1, 4)}
_CONTEXT = {False: (512, 2048, 8192, 32768), True: (512,)}
_MIB = {False: (1, 4, 16, 64, 256, 1024), True: (64,)}


def gemm_plan(
    llm: str | LLM,
    *,
    m: Sequence[int] | None = None,
    square: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("bf16",),
    quick: bool = False,
) -> list[Gemm]:
    """List the products to measure; parameters are those of :func:`roofline.measure.gemm`.

    Examples
    --------
    >>> len(gemm_plan("llama-3.1-8b")), len(gemm_plan("llama-3.1-8b", dtypes=["bf16", "fp8"]))
    (54, 108)
    >>> [str(product) for product in gemm_plan("llama-3.1-8b", quick=True)]
    ['bf16 1 × 4,096 × 4,096', 'bf16 16 × 4,096 × 4,096', 'bf16 512 × 512 × 512']
    """
    shapes = list(layer_shapes(_llm(llm)))
    if quick:
        shapes = [min(shapes, key=lambda shape: shape[0] * shape[1])]
    return gemms(
        shapes=shapes,
        rows=_M[quick] if m is None else m,
        square=_SQUARE[quick] if square is None else square,
        dtypes=dtypes,
    )


def attention_plan(
    llm: str | LLM,
    *,
    batch: Sequence[int] | None = None,
    context_tokens: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("bf16",),
    quick: bool = False,
) -> list[Attention]:
    """List the attentions to measure; parameters are those of :func:`roofline.measure.attention`.

    Examples
    --------
    >>> [str(step) for step in attention_plan("llama-3.1-8b", quick=True)]
    ['bf16 1 × 512 tokens', 'bf16 4 × 512 tokens']
    """
    model = _llm(llm)
    longest = longest_context(model)
    usual = [tokens for tokens in _CONTEXT[quick] if tokens <= longest] or [longest]
    return attentions(
        model,
        batch=_BATCH[quick] if batch is None else batch,
        context_tokens=usual if context_tokens is None else context_tokens,
        dtypes=dtypes,
    )


def stream_plan(
    *, kinds: Sequence[str] = tuple(PASSES), mib: Sequence[int] | None = None, quick: bool = False
) -> list[Stream]:
    """List the passes to measure; parameters are those of :func:`roofline.measure.stream`.

    Examples
    --------
    >>> [str(probe) for probe in stream_plan(quick=True)]
    ['copy 64 MiB', 'triad 64 MiB', 'read 64 MiB']
    """
    return _streams(kinds=kinds, mib=_MIB[quick] if mib is None else mib)


def limits(repeats: int, *, quick: bool) -> dict[str, Any]:
    """Return how long each kernel is measured, as :meth:`roofline.measure.Bench.measure` takes it.

    Parameters
    ----------
    repeats : int
        Most repeats of each kernel.
    quick : bool
        A smoke test.

    Examples
    --------
    >>> limits(100, quick=True)
    {'repeats': 5, 'limit_s': 0.2}
    """
    repeats = count("repeats", repeats)
    return {"repeats": min(repeats, 5), "limit_s": 0.2} if quick else {"repeats": repeats, "limit_s": 2.0}


def _llm(llm: str | LLM) -> LLM:
    if not isinstance(llm, str):
        return llm
    from roofline.llm_catalog import get_llm

    return get_llm(llm)
