"""Measure a machine of your own: products, decode attention and bandwidth through PyTorch (extra ``measure``).

Each function runs kernels and returns records, which :func:`roofline.measurements.write` keeps and a calibration takes.
In the shell it is ``python -m roofline.measure gemm|attention|stream``.

>>> from roofline import measure
>>> probe = measure.Stream(kind="copy", mib=64)
>>> f"{probe}: {probe.bytes / 1e6:.0f} MB there and back"
'copy 64 MiB: 134 MB there and back'
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roofline.measure.bench import Bench, Result
from roofline.measure.device import CannotMeasureError, open_device
from roofline.measure.plan import attention_plan, gemm_plan, limits, stream_plan
from roofline.measure.work import Attention, Gemm, Stream, Work

if TYPE_CHECKING:
    from hardware_specs import Accelerator
    from roofline.llm import LLM
    from roofline.measurements.records import Runs

__all__ = ["Attention", "Bench", "CannotMeasureError", "Gemm", "Result", "Stream", "attention", "gemm", "stream"]


def gemm(
    *,
    llm: str | LLM = "llama-3.1-8b",
    m: Sequence[int] | None = None,
    square: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("bf16",),
    device: str = "auto",
    accelerator: str | Accelerator | None = None,
    repeats: int = 100,
    power: bool = True,
    quick: bool = False,
) -> Runs:
    """Measure products of matrices: those of a model's layers with few rows, and square ones.

    Parameters
    ----------
    llm : str or LLM
        Model whose layers give the inner dimensions and columns.
    m : sequence of int, optional
        Rows; 1 to 2,048 if absent [element].
    square : sequence of int, optional
        Edges of the square products; 1,024 to 8,192 if absent [element].
    dtypes : sequence of str
        Number formats of the inputs: ``bf16``, ``fp16``, ``fp32``, ``fp8``, ``int8``.
    device : {"auto", "cuda", "xpu", "hpu", "cpu"}
        What runs them; ``auto`` takes the accelerator that there is.
    accelerator : str or Accelerator, optional
        Its key in the catalogue, or its specification; guessed from the device's name if absent.
    repeats : int
        Most repeats of each kernel; fewer where they agree.
    power : bool
        Whether the power of the device is read, which takes 3 s for each kernel.
    quick : bool
        Few small shapes and no power, for a smoke test.

    Returns
    -------
    Runs
        Phase ``gemm``; what the device refuses is among ``rejected``.

    Raises
    ------
    CannotMeasureError
        No PyTorch, or no such device.
    ValueError
        A bad argument.

    Examples
    --------
    >>> gemm(m=[1, 64], square=[], device="cpu", quick=True)  # doctest: +SKIP
    Runs(2 runs, 0 rows rejected: PyTorch gemm: 2)
    """
    works = gemm_plan(llm, m=m, square=square, dtypes=dtypes, quick=quick)
    return _measure(works, device, accelerator, repeats=repeats, power=power, quick=quick)


def attention(
    *,
    llm: str | LLM = "llama-3.1-8b",
    batch: Sequence[int] | None = None,
    context_tokens: Sequence[int] | None = None,
    dtypes: Sequence[str] = ("bf16",),
    device: str = "auto",
    accelerator: str | Accelerator | None = None,
    repeats: int = 100,
    power: bool = True,
    quick: bool = False,
) -> Runs:
    """Measure the attention of decode steps, of one layer of a model.

    Parameters
    ----------
    llm : str or LLM
        Model whose heads are taken.
    batch : sequence of int, optional
        Sequences; 1 to 256 if absent.
    context_tokens : sequence of int, optional
        Tokens that each attends to; 512 to 32,768 if absent, as far as the model goes [token].
    dtypes : sequence of str
        Number formats: ``bf16``, ``fp16``, ``fp32``.
    device, accelerator, repeats, power, quick
        As for :func:`gemm`.

    Returns
    -------
    Runs
        Phase ``attention``, the latency of one layer; what the device refuses is among ``rejected``.

    Raises
    ------
    CannotMeasureError
        No PyTorch, or no such device.
    ValueError
        A bad argument, or a model with latent attention, for which PyTorch has no kernel.

    Examples
    --------
    >>> attention(batch=[1], context_tokens=[512], device="cpu")  # doctest: +SKIP
    Runs(1 runs, 0 rows rejected: PyTorch attention: 1)
    """
    works = attention_plan(llm, batch=batch, context_tokens=context_tokens, dtypes=dtypes, quick=quick)
    return _measure(works, device, accelerator, repeats=repeats, power=power, quick=quick)


def stream(
    *,
    kinds: Sequence[str] = ("copy", "triad", "read"),
    mib: Sequence[int] | None = None,
    device: str = "auto",
    accelerator: str | Accelerator | None = None,
    repeats: int = 100,
    power: bool = True,
    quick: bool = False,
) -> Runs:
    """Measure the bandwidth of main memory, with passes over arrays of FP32.

    Parameters
    ----------
    kinds : sequence of str
        ``copy``, ``triad`` (``a = b + 2c``) and ``read`` (a sum).
    mib : sequence of int, optional
        Sizes of each array; 1 to 1,024 if absent [MiB].
    device, accelerator, repeats, power, quick
        As for :func:`gemm`.

    Returns
    -------
    Runs
        Phase ``stream``; ``variant`` says which pass and size.

    Raises
    ------
    CannotMeasureError
        No PyTorch, or no such device.
    ValueError
        A bad argument.

    Examples
    --------
    >>> stream(kinds=["copy"], mib=[256], device="cpu")  # doctest: +SKIP
    Runs(1 runs, 0 rows rejected: PyTorch stream: 1)
    """
    works = stream_plan(kinds=kinds, mib=mib, quick=quick)
    return _measure(works, device, accelerator, repeats=repeats, power=power, quick=quick)


def _measure(
    works: Sequence[Work], device: str, accelerator: str | Accelerator | None, *, repeats: int, **how: Any
) -> Runs:
    bench = Bench.of(open_device(device), accelerator=accelerator, power=how["power"] and not how["quick"])
    for note in bench.notes:
        warnings.warn(note, stacklevel=3)
    return bench.records(bench.measure(works, **limits(repeats, quick=how["quick"])))
