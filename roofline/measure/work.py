"""What is measured: products of matrices, decode attention, passes over memory; what each computes and moves.

Nothing here runs anything. The counts are those of :mod:`roofline.operations`, so that a kernel that was measured and
the same kernel inside a phase are one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hardware_specs import number_format
from roofline import formulas
from roofline._validation import choice, count
from roofline.ceilings import operation_time_s
from roofline.forward import decode_operations
from roofline.operations import Counts, Operation, Product
from roofline.precision import PrecisionPolicy

if TYPE_CHECKING:
    from roofline.llm import LLM, LayerGroup
    from roofline.machine import Machine

GEMM_DTYPES = ("bf16", "fp16", "fp32", "fp8", "int8")
"""Number formats that products are measured in."""

ATTENTION_DTYPES = ("bf16", "fp16", "fp32")
"""Number formats that attention is measured in: PyTorch has no kernel of its own over a cache in 8 bits."""

PASSES = {"copy": 2, "triad": 3, "read": 1}
"""Passes over memory, and the arrays that each reads or writes once: ``a = b``, ``a = b + 2c``, ``Σ a``."""

_WRITTEN_BYTES = {"fp8": 2, "int8": 4}  # both are summed up in wider numbers, and written as BF16 and INT32
_STREAM_BYTES = 4  # FP32: what a sum runs on everywhere


@dataclass(frozen=True, kw_only=True)
class Gemm:
    """A product (M×K)·(K×N), as a linear layer does it.

    Attributes
    ----------
    m, k, n : int
        Rows, inner dimension and columns [element].
    precision : str
        Number format of both inputs, of ``GEMM_DTYPES``; FP8 is written as BF16, INT8 as INT32.

    Examples
    --------
    >>> product = Gemm(m=64, k=4096, n=6144, precision="fp8")
    >>> product.flops, product.bytes
    (3221225472.0, 26214400.0)
    """

    m: int
    k: int
    n: int
    precision: str = "bf16"
    phase: ClassVar[str] = "gemm"

    def __str__(self) -> str:
        return f"{self.precision} {self.m:,} × {self.k:,} × {self.n:,}"

    @property
    def flops(self) -> float:
        """``2·M·K·N`` [FLOP]."""
        return float(formulas.gemm_flops(m=self.m, k=self.k, n=self.n))

    @property
    def bytes(self) -> float:
        """Each matrix once [byte]."""
        size, written = _element_bytes(self.precision)
        elements = {"input_bytes": size, "weight_bytes": size, "output_bytes": written}
        return float(formulas.gemm_bytes(m=self.m, k=self.k, n=self.n, **elements))

    @property
    def operation(self) -> Operation:
        """The same as an operation of a phase."""
        size, written = _element_bytes(self.precision)
        of_row = formulas.gemm_flops(m=1, k=self.k, n=self.n)
        return Operation(
            name="gemm",
            kind="linear",
            layers=1,
            precision=self.precision,
            work=self.m,
            each=Counts(flops=of_row, activation_bytes=self.k * size + self.n * written),
            fixed=Counts(weight_bytes=self.k * self.n * size),
            products=(Product(m=self.m, k=self.k, n=self.n, flops=of_row),),
        )

    def record(self, latency_s: float) -> dict[str, Any]:
        """Return what a record says of it, by field.

        Parameters
        ----------
        latency_s : float
            Time that it took [s].
        """
        return {"m": self.m, "k": self.k, "n": self.n, "tflops": self.flops / latency_s / 1e12}


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Attention of one decode step in one layer: a new token of each sequence reads its cached keys and values.

    Of layers that differ, it is the one that looks back furthest.

    Attributes
    ----------
    llm : LLM
        Its heads.
    batch : int
        Sequences.
    context_tokens : int
        Tokens that each new one attends to, itself included.
    precision : str
        Number format of queries, keys, values and output, of ``ATTENTION_DTYPES``.

    Raises
    ------
    ValueError
        Latent attention, for which PyTorch has no kernel, or a context beyond what the layer sees.

    Examples
    --------
    >>> from roofline import get_llm
    >>> step = Attention(llm=get_llm("llama-3.1-8b"), batch=64, context_tokens=2048)
    >>> step.bytes / 1e6
    537.919488
    """

    llm: LLM
    batch: int
    context_tokens: int
    precision: str = "bf16"
    phase: ClassVar[str] = "attention"

    def __post_init__(self) -> None:
        count("context_tokens", self.context_tokens, at_most=longest_context(self.llm))

    def __str__(self) -> str:
        return f"{self.precision} {self.batch:,} × {self.context_tokens:,} tokens"

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return _widest(self.llm)[1].kv_heads

    @property
    def flops(self) -> float:
        """Scores and weighted sum [FLOP]."""
        return float(self.operation.flops) / self.operation.layers

    @property
    def bytes(self) -> float:
        """Keys and values, queries and output, each once [byte]."""
        return float(self.operation.bytes) / self.operation.layers

    @cached_property
    def operation(self) -> Operation:
        """The operation of a decode step, of all layers that are like this one."""
        operations = decode_operations(
            self.llm,
            batch=float(self.batch),
            context_tokens=float(self.context_tokens),
            precision=_all_in(self.precision),
        )
        attentions = [operation for operation in operations if operation.kind == "attention"]
        return attentions[_widest(self.llm)[0]]

    def record(self, latency_s: float) -> dict[str, Any]:
        """Return what a record says of it, by field.

        Parameters
        ----------
        latency_s : float
            Time that it took [s].
        """
        return {
            "llm": self.llm.key,
            "batch": self.batch,
            "context_tokens": self.context_tokens,
            "bytes_per_s": self.bytes / latency_s,
        }


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A pass over arrays of FP32 in main memory.

    Attributes
    ----------
    kind : str
        One of ``PASSES``.
    mib : int
        Size of each array [MiB].

    Examples
    --------
    >>> Stream(kind="copy", mib=64).bytes
    134217728.0
    """

    kind: str
    mib: int
    phase: ClassVar[str] = "stream"
    precision: ClassVar[str] = "fp32"

    def __str__(self) -> str:
        return f"{self.kind} {self.mib:,} MiB"

    @property
    def elements(self) -> int:
        """Elements of each array."""
        return self.mib * 2**20 // _STREAM_BYTES

    @property
    def bytes(self) -> float:
        """Every array once [byte]."""
        return float(PASSES[self.kind] * self.mib * 2**20)

    @property
    def operation(self) -> Operation:
        """The same as an operation of a phase."""
        counts = Counts(activation_bytes=self.bytes)
        return Operation(name=self.kind, kind="elementwise", layers=1, precision=self.precision, fixed=counts)

    def record(self, latency_s: float) -> dict[str, Any]:
        """Return what a record says of it, by field.

        Parameters
        ----------
        latency_s : float
            Time that it took [s].
        """
        return {"bytes_per_s": self.bytes / latency_s}


Work = Gemm | Attention | Stream


def layer_shapes(llm: LLM) -> dict[tuple[int, int], str]:
    """Inner dimension and columns of the products of a model, with the layer that has them first.

    Parameters
    ----------
    llm : LLM
        The model; of experts, the product of one.

    Returns
    -------
    dict of (int, int) to str
        ``(K, N)`` [element]; the small products that latent attention has per head are left out.

    Examples
    --------
    >>> from roofline import get_llm
    >>> layer_shapes(get_llm("llama-3.1-8b"))
    {(4096, 6144): 'qkv', (4096, 4096): 'output', (4096, 28672): 'mlp_up', (14336, 4096): 'mlp_down',
     (4096, 128256): 'lm_head'}
    """
    step = decode_operations(llm, batch=1.0, context_tokens=1.0, precision=_all_in("bf16"))
    shapes: dict[tuple[int, int], str] = {}
    for operation in step:
        if operation.kind != "attention" and not operation.name.startswith("absorb"):
            for product in operation.products:
                shapes.setdefault((int(product.k or 0), int(product.n or 0)), operation.name)
    return shapes


def gemms(
    *, shapes: Iterable[tuple[int, int]], rows: Sequence[int], square: Sequence[int], dtypes: Sequence[str]
) -> list[Gemm]:
    """List products of few rows and square ones.

    Parameters
    ----------
    shapes : iterable of (int, int)
        Inner dimension and columns [element].
    rows : sequence of int
        Rows that each shape is multiplied with [element].
    square : sequence of int
        Edges of the square products [element].
    dtypes : sequence of str
        Of ``GEMM_DTYPES``.

    Raises
    ------
    ValueError
        A size that is no whole number from 1, or another number format.

    Examples
    --------
    >>> [str(product) for product in gemms(shapes=[(4096, 6144)], rows=[1, 8], square=[1024], dtypes=["bf16"])]
    ['bf16 1 × 4,096 × 6,144', 'bf16 8 × 4,096 × 6,144', 'bf16 1,024 × 1,024 × 1,024']
    """
    for dtype in dtypes:
        choice("dtype", dtype, GEMM_DTYPES)
    thin = [(count("m", m), k, n) for k, n in shapes for m in rows]
    sizes = dict.fromkeys([*thin, *((count("square", edge),) * 3 for edge in square)])
    return [Gemm(m=m, k=k, n=n, precision=dtype) for dtype in dtypes for m, k, n in sizes]


def attentions(
    llm: LLM, *, batch: Sequence[int], context_tokens: Sequence[int], dtypes: Sequence[str]
) -> list[Attention]:
    """List the attention of decode steps.

    Parameters
    ----------
    llm : LLM
        Its heads.
    batch : sequence of int
        Sequences.
    context_tokens : sequence of int
        Tokens that each new one attends to [token].
    dtypes : sequence of str
        Of ``ATTENTION_DTYPES``.

    Raises
    ------
    ValueError
        As :class:`Attention`, or another number format.

    Examples
    --------
    >>> from roofline import get_llm
    >>> [str(step) for step in attentions(get_llm("llama-3.1-8b"), batch=[8], context_tokens=[512], dtypes=["bf16"])]
    ['bf16 8 × 512 tokens']
    """
    for dtype in dtypes:
        choice("dtype", dtype, ATTENTION_DTYPES)
    return [
        Attention(llm=llm, batch=count("batch", sequences), context_tokens=tokens, precision=dtype)
        for dtype in dtypes
        for sequences in dict.fromkeys(batch)
        for tokens in dict.fromkeys(context_tokens)
    ]


def streams(*, kinds: Sequence[str], mib: Sequence[int]) -> list[Stream]:
    """List passes over memory.

    Parameters
    ----------
    kinds : sequence of str
        Of ``PASSES``.
    mib : sequence of int
        Sizes of each array [MiB].

    Raises
    ------
    ValueError
        Another kind, or a size that is no whole number from 1.

    Examples
    --------
    >>> [str(probe) for probe in streams(kinds=["copy"], mib=[1, 64])]
    ['copy 1 MiB', 'copy 64 MiB']
    """
    return [
        Stream(kind=choice("kind", kind, tuple(PASSES)), mib=count("mib", size))
        for kind in dict.fromkeys(kinds)
        for size in dict.fromkeys(mib)
    ]


def longest_context(llm: LLM) -> int:
    """Tokens that the attention of a model looks back at most, in the layer that looks back furthest [token].

    Parameters
    ----------
    llm : LLM
        The model.

    Raises
    ------
    ValueError
        Latent attention, for which PyTorch has no kernel.

    Examples
    --------
    >>> from roofline import get_llm
    >>> longest_context(get_llm("llama-3.1-8b"))
    131072
    """
    if llm.mla is not None:
        raise ValueError(f"llm = {llm.key!r} has latent attention, for which PyTorch has no kernel: give another")
    window = _widest(llm)[1].window
    return llm.max_context if window is None else min(window, llm.max_context)


def roofline_time_s(work: Work, machine: Machine) -> float | None:
    """Time that the roofline of a machine gives a kernel; ``None`` where it has no rate for it [s].

    Parameters
    ----------
    work : Gemm, Attention or Stream
        The kernel.
    machine : Machine
        Rates of one device.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import Machine
    >>> h100 = Machine.of(hs.get("h100-sxm"))
    >>> f"{1e6 * roofline_time_s(Gemm(m=64, k=4096, n=6144), h100):.1f} µs"
    '15.4 µs'
    """
    operation = work.operation
    try:
        return float(np.asarray(operation_time_s(operation, machine))) / operation.layers
    except ValueError:  # the machine does not multiply in this format
        return None


def share_of_peak(work: Work, machine: Machine, latency_s: float) -> float | None:
    """Share that a kernel reached of the peak it is named by: the matrix engine's for products, else the bandwidth's.

    Parameters
    ----------
    work : Gemm, Attention or Stream
        The kernel.
    machine : Machine
        Rates of one device.
    latency_s : float
        Time that it took [s].

    Returns
    -------
    float or None
        ``None`` where the machine has no rate for it.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import Machine
    >>> h100 = Machine.of(hs.get("h100-sxm"))
    >>> round(share_of_peak(Stream(kind="copy", mib=1024), h100, 0.8e-3), 2)
    0.8
    """
    if not isinstance(work, Gemm):
        return work.bytes / latency_s / float(machine.memory_bytes_per_s)
    try:
        return work.flops / latency_s / float(machine.peak_flops(work.precision))
    except ValueError:
        return None


def _element_bytes(dtype: str) -> tuple[float, float]:
    """Bytes per element of the inputs and of the output."""
    size = number_format(dtype).bytes
    return size, _WRITTEN_BYTES.get(dtype, size)


def _all_in(dtype: str) -> PrecisionPolicy:
    parts: dict[str, Any] = dict.fromkeys(
        ("weights", "compute", "activations", "output", "attention", "kv_cache", "head"), dtype
    )
    return PrecisionPolicy(name=dtype, **parts)


def _widest(llm: LLM) -> tuple[int, LayerGroup]:
    """Return the group of layers that looks back furthest, and which it is of those that have attention."""
    groups = [group for group in llm.layer_groups if group.attention != "none"]
    index = max(range(len(groups)), key=lambda i: groups[i].window or llm.max_context)
    return index, groups[index]
