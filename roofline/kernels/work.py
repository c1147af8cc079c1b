"""What one kernel does: FLOPs, bytes, exponentials, blocks and messages, by the formulas of the roofline.

A kernel is one launch on one device: a linear layer, the attention of a prefill or of a decode step, or a collective.
Its precision names the formats of its operands as the policies of :func:`roofline.policy` do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from hardware_specs import number_format
from hardware_specs.errors import UnknownValueError
from roofline import formulas
from roofline._arrays import Array
from roofline._validation import choice, number
from roofline.machine import Machine

KINDS: tuple[str, ...] = ("linear", "prefill_attention", "decode_attention", "all_reduce", "all_gather", "all_to_all")
"""Kinds of kernel that there are curves of."""

COLLECTIVES: tuple[str, ...] = ("all_reduce", "all_gather", "all_to_all")
"""Those that send messages."""

QUERY_TILE = 128
"""Queries that one block of a fused prefill kernel works on (Dao, "FlashAttention-2", 2023, section 3.3)."""


class Formats(NamedTuple):
    """Number formats of a kernel: weights or cache, activations, and those that the matrix engine multiplies."""

    stored: str
    inputs: str
    compute: str


LINEAR_FORMATS: dict[str, Formats] = {
    "bf16": Formats("bf16", "bf16", "bf16"),
    "fp8": Formats("fp8", "fp8", "fp8"),
    "fp8-block": Formats("fp8", "fp8", "fp8"),
    "int8": Formats("int8", "int8", "int8"),
    "nvfp4": Formats("nvfp4", "nvfp4", "nvfp4"),
    "w8a16": Formats("fp8", "bf16", "bf16"),
    "w4a16": Formats("int4-g128", "bf16", "bf16"),
}
"""Precisions of linear layers; those with narrow activations round them first, in a pass of its own."""

ATTENTION_FORMATS: dict[str, Formats] = {
    "bf16": Formats("bf16", "bf16", "bf16"),
    "bf16-kv8": Formats("fp8", "bf16", "bf16"),
    "fp8": Formats("fp8", "fp8", "fp8"),
}
"""Precisions of attention; `stored` is the cache's."""

_WIDE_BYTES = 2.0  # activations between kernels are 16 bits wide


@dataclass(frozen=True, kw_only=True)
class Work:
    """What kernels do, each on one device.

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    precision : str
        Formats, as policies call them.
    flops : array
        Of the matrix products [FLOP].
    bytes : array
        Least traffic to main memory [byte].
    exponentials : array
        Of the softmax.
    depth : array
        Steps that one output takes one after the other: the inner dimension of a product, the keys of a prefill.
    blocks : array
        Pieces that are worked on apart: a sequence's KV head in decode, 128 queries of a head in prefill.
    rounding_bytes : array
        Traffic of the pass that rounds wide activations before the product [byte].
    rows : array
        Rows of that pass.
    link_bytes : array
        What a device sends [byte].
    hops : array
        Messages that follow one another.

    Examples
    --------
    >>> float(linear(m=1, n=4096, k=4096, precision="bf16").bytes)
    33570816.0
    """

    kind: str
    precision: str
    flops: Array = 0.0
    bytes: Array = 0.0
    exponentials: Array = 0.0
    depth: Array = 0.0
    blocks: Array = 0.0
    rounding_bytes: Array = 0.0
    rows: Array = 0.0
    link_bytes: Array = 0.0
    hops: Array = 0.0

    def __getitem__(self, rows: Array) -> Work:
        """Return some of the kernels."""
        columns = {name: np.asarray(getattr(self, name)) for name in COLUMNS}
        shape = np.broadcast_shapes(*(column.shape for column in columns.values()))
        some = {name: np.broadcast_to(column, shape)[rows] for name, column in columns.items()}
        return Work(kind=self.kind, precision=self.precision, **some)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the counts broadcast to."""
        return np.broadcast_shapes(*(np.shape(getattr(self, name)) for name in COLUMNS))


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Work) if field.name not in ("kind", "precision"))
"""What a kernel's work counts."""


class IdealTimes(NamedTuple):
    """Times of a kernel's parts at the peak rates of a machine [s], and what has no rate of its own.

    Attributes
    ----------
    matrix, memory, special, link : array
        At the peaks of the matrix engine, main memory, special-function units and link [s].
    rounding : array
        Of rounding the activations, at the memory's peak [s].
    block_s_per_flop : array
        Blocks over the matrix engine's peak: times the FLOPs that a block is worth, seconds.
    byte_s_per_flop : array
        Bytes over the matrix engine's peak: times the FLOPs that a byte is worth, seconds.
    depth, rows, hops, bytes : array
        Counts, as in the work.
    """

    matrix: Array
    memory: Array
    special: Array
    link: Array
    rounding: Array
    block_s_per_flop: Array
    byte_s_per_flop: Array
    depth: Array
    rows: Array
    hops: Array
    bytes: Array


def linear(*, m: Array, n: Array, k: Array, precision: str) -> Work:
    """Return the work of a linear layer: (M×K)·(K×N), and rounding its activations if they are narrow.

    Parameters
    ----------
    m, n, k : number or array
        Rows of the activations, columns of the weights, inner dimension [element].
    precision : str
        One of ``LINEAR_FORMATS``.

    Returns
    -------
    Work

    Raises
    ------
    ValueError
        Another precision, or a dimension that is not a whole number from 1.

    Examples
    --------
    >>> float(linear(m=64, n=4096, k=4096, precision="fp8").flops)
    2147483648.0
    """
    choice("precision", precision, tuple(LINEAR_FORMATS))
    m, n, k = (_count(name, value) for name, value in (("m", m), ("n", n), ("k", k)))
    stored, inputs, _ = (number_format(name).bits / 8 for name in LINEAR_FORMATS[precision])
    narrow = inputs < _WIDE_BYTES
    return Work(
        kind="linear",
        precision=precision,
        flops=formulas.gemm_flops(m=m, k=k, n=n),
        bytes=formulas.gemm_bytes(m=m, k=k, n=n, input_bytes=inputs, weight_bytes=stored, output_bytes=_WIDE_BYTES),
        depth=k,
        rounding_bytes=m * k * (_WIDE_BYTES + inputs) if narrow else 0.0,
        rows=m if narrow else 0.0,
    )


def decode_attention(
    *,
    batch: Array,
    context_tokens: Array,
    query_heads: Array,
    kv_heads: Array,
    head_dim: Array,
    precision: str,
    window: Array | None = None,
    packed: Array = True,
) -> Work:
    """Return the work of a decode step's attention: one query per head and sequence reads the cache.

    Parameters
    ----------
    batch : number or array
        Sequences.
    context_tokens : number or array
        Tokens that the new one attends to, if no window hides them [token].
    query_heads, kv_heads, head_dim : number or array
        Heads on this device, and their width [element].
    precision : str
        One of ``ATTENTION_FORMATS``.
    window : number or array, optional
        Tokens that are seen; without it, all [token].
    packed : bool or array of bool
        Whether the queries that share a KV head are worked on together, in one block, as good kernels do.

    Returns
    -------
    Work

    Raises
    ------
    ValueError
        Another precision, or a count that is not a whole number from 1.

    Examples
    --------
    >>> step = decode_attention(
    ...     batch=64, context_tokens=2048, query_heads=32, kv_heads=8, head_dim=128, precision="bf16"
    ... )
    >>> float(step.blocks), float(step.flops)
    (512.0, 2147483648.0)
    """
    batch, heads, kv_heads, head_dim, window = _heads(batch, query_heads, kv_heads, head_dim, precision, window)
    seen = formulas.decode_pairs(context_tokens=_count("context_tokens", context_tokens), window=window)
    stored = number_format(ATTENTION_FORMATS[precision].stored).bits / 8
    return Work(
        kind="decode_attention",
        precision=precision,
        flops=_attention_flops(batch * seen, heads, head_dim),
        bytes=2 * batch * kv_heads * head_dim * seen * stored + 2 * batch * heads * head_dim * _WIDE_BYTES,
        exponentials=formulas.softmax_exponentials(pairs=batch * seen, query_heads=heads, layers=1),
        blocks=batch * np.where(packed, kv_heads, heads),
    )


def prefill_attention(
    *,
    batch: Array,
    tokens: Array,
    query_heads: Array,
    kv_heads: Array,
    head_dim: Array,
    precision: str,
    window: Array | None = None,
) -> Work:
    """Return the work of a prefill's fused causal attention over prompts without a cached prefix.

    Parameters
    ----------
    batch : number or array
        Sequences.
    tokens : number or array
        Tokens of each prompt [token].
    query_heads, kv_heads, head_dim : number or array
        Heads on this device, and their width [element].
    precision : str
        One of ``ATTENTION_FORMATS``.
    window : number or array, optional
        Tokens that are seen; without it, all before [token].

    Returns
    -------
    Work

    Raises
    ------
    ValueError
        Another precision, or a count that is not a whole number from 1.

    Examples
    --------
    >>> prompt = prefill_attention(batch=1, tokens=2048, query_heads=32, kv_heads=8, head_dim=128, precision="bf16")
    >>> float(prompt.blocks), float(prompt.flops)
    (512.0, 34359738368.0)
    """
    batch, heads, kv_heads, head_dim, window = _heads(batch, query_heads, kv_heads, head_dim, precision, window)
    tokens = _count("tokens", tokens)
    pairs = batch * formulas.visible_pairs(new_tokens=tokens, cached_tokens=0.0, window=window)
    stored = number_format(ATTENTION_FORMATS[precision].stored).bits / 8
    per_token = 2 * heads * _WIDE_BYTES + 2 * kv_heads * (_WIDE_BYTES + stored)  # Q in, O out; K and V in, and cached
    return Work(
        kind="prefill_attention",
        precision=precision,
        flops=_attention_flops(pairs, heads, head_dim),
        bytes=batch * tokens * head_dim * per_token,
        exponentials=formulas.softmax_exponentials(pairs=pairs, query_heads=heads, layers=1),
        depth=tokens if window is None else np.minimum(tokens, window),
        blocks=batch * heads * np.ceil(tokens / QUERY_TILE),
    )


def collective(kind: str, *, message_bytes: Array, devices: Array) -> Work:
    """Return the work of a collective, as one of its devices sees it.

    Parameters
    ----------
    kind : {"all_reduce", "all_gather", "all_to_all"}
        What it does.
    message_bytes : number or array
        Size of the tensor: summed, gathered, or that a device deals out [byte].
    devices : number or array
        That take part.

    Returns
    -------
    Work

    Raises
    ------
    ValueError
        Another kind, an empty message, or fewer than two devices.

    Examples
    --------
    >>> float(collective("all_reduce", message_bytes=8.0, devices=4).link_bytes)
    12.0
    """
    choice("kind", kind, COLLECTIVES)
    message = number("message_bytes", message_bytes, above=0)
    n = number("devices", devices, at_least=2, whole=True)
    sent = {
        "all_reduce": formulas.ring_all_reduce_bytes,
        "all_gather": formulas.all_gather_bytes,
        "all_to_all": formulas.all_to_all_bytes,
    }[kind](message_bytes=message, devices=n)
    return Work(kind=kind, precision="bf16", link_bytes=sent, hops=n - 1)


def ideal_times_s(work: Work, machine: Machine) -> IdealTimes:
    """Return the times of a kernel's parts at a machine's peak rates.

    Parameters
    ----------
    work : Work
        What kernels do.
    machine : Machine
        Rates of one device; a rate for exponentials that is unknown sets no ceiling.

    Returns
    -------
    IdealTimes

    Raises
    ------
    ValueError
        The machine does not multiply in the kernel's format.
    UnknownValueError
        A collective, and the bandwidth of the link is not known.

    Examples
    --------
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> float(ideal_times_s(linear(m=1, n=1000, k=1000, precision="bf16"), device).memory)
    2.004e-06
    """
    matrix: Array = 0.0
    blocks: Array = 0.0
    byte: Array = 0.0
    link: Array = 0.0
    if work.kind in COLLECTIVES:
        if machine.link_bytes_per_s is None:
            raise UnknownValueError(f"{machine.name} gives no link_bytes_per_s, which a collective's time needs")
        link = work.link_bytes / machine.link_bytes_per_s
    else:
        peak = machine.peak_flops(formats(work.kind, work.precision).compute)
        matrix, blocks, byte = work.flops / peak, work.blocks / peak, work.bytes / peak
    bandwidth = machine.memory_bytes_per_s
    return IdealTimes(
        matrix=matrix,
        memory=work.bytes / bandwidth,
        special=0.0 if machine.exp_per_s is None else work.exponentials / machine.exp_per_s,
        link=link,
        rounding=work.rounding_bytes / bandwidth,
        block_s_per_flop=blocks,
        byte_s_per_flop=byte,
        depth=work.depth,
        rows=work.rows,
        hops=work.hops,
        bytes=work.bytes,
    )


def roofline_s(work: Work, machine: Machine) -> Array:
    """Return the time of kernels at a machine's peaks: the slowest of matrix engine, memory, exponentials and link.

    Parameters
    ----------
    work : Work
        What kernels do.
    machine : Machine
        Rates of one device.

    Returns
    -------
    array
        [s].

    Examples
    --------
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> float(roofline_s(linear(m=1, n=1000, k=1000, precision="bf16"), device))
    2.004e-06
    """
    ideal = ideal_times_s(work, machine)
    return np.maximum(np.maximum(ideal.matrix, ideal.memory), np.maximum(ideal.special, ideal.link))


def formats(kind: str, precision: str) -> Formats:
    """Return the number formats of a kernel.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    precision : str
        As policies call it.

    Returns
    -------
    Formats

    Raises
    ------
    ValueError
        There is none of that name for this kind.

    Examples
    --------
    >>> formats("linear", "w4a16").compute
    'bf16'
    """
    known = ATTENTION_FORMATS if choice("kind", kind, KINDS).endswith("attention") else LINEAR_FORMATS
    return known[choice("precision", precision, tuple(known))]


def _count(name: str, value: Array) -> Array:
    return number(name, value, at_least=1, whole=True)


def _attention_flops(pairs: Array, query_heads: Array, head_dim: Array) -> Array:
    return formulas.attention_flops(pairs=pairs, query_heads=query_heads, qk_dim=head_dim, v_dim=head_dim, layers=1)


def _heads(
    batch: Array, query_heads: Array, kv_heads: Array, head_dim: Array, precision: str, window: Array | None
) -> tuple[Array, ...]:
    choice("precision", precision, tuple(ATTENTION_FORMATS))
    named = (("batch", batch), ("query_heads", query_heads), ("kv_heads", kv_heads), ("head_dim", head_dim))
    seen = None if window is None else number("window", window, at_least=1)
    return (*(_count(name, value) for name, value in named), seen)
