"""The operations of a phase: what a forward pass multiplies, reads, writes and sends.

One :class:`Operation` per kind of matrix product and group of equal layers: QKV, attention, output, the two halves of
the MLP, and the LM head, plus the all-reduces of tensor parallelism. Each carries counts only; how long a machine
takes for them is :mod:`roofline.ceilings`' business.

``bytes`` is traffic to main memory: weights once per step, keys and values read and written, activations into and out
of each operation. Attention is fused (FlashAttention), so no ``s²`` traffic. Element-wise work between the products
(norms, rotary embedding, residuals, the gate's product), the embedding look-up and biases are left out. For Llama 3.1
8B that is about 1 % of the traffic of a decode step of 64 sequences of 2,048 tokens, 9 % at 256 sequences of 128, and
in prefill as much again as half of what is counted: up to a fifth of the time where software does not fuse it.

A quantity is the total over all devices and all layers of the group. Nothing here is validated; :mod:`roofline.phases`
does that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from hardware_specs import number_format
from roofline import formulas
from roofline._arrays import Array, floats
from roofline.precision import PrecisionPolicy

if TYPE_CHECKING:
    from roofline.llm import LLM, LayerGroup

_AttentionOf: TypeAlias = "Callable[[LayerGroup], Operation]"


class NotModelledError(ValueError):
    """The architecture is in the catalogue, but its phases are not modelled: an error instead of a wrong number."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One matrix product, attention or collective of a phase, over all layers that share its shape.

    Attributes
    ----------
    name : str
        ``qkv``, ``attention``, ``output``, ``mlp_up``, ``mlp_down``, ``lm_head`` or ``all_reduce``.
    kind : str
        ``linear``, ``attention``, ``head`` or ``collective``.
    layers : int
        Layers it stands for; 1 for the LM head.
    precision : str
        Format in which the matrix engine multiplies.
    flops : array
        Model FLOPs [FLOP].
    weight_bytes, kv_bytes, activation_bytes : array
        Traffic to main memory: weights read, keys and values read or written, activations in and out [byte].
    link_bytes : array
        What all devices together send over their scale-up links [byte].
    """

    name: str
    kind: Literal["linear", "attention", "head", "collective"]
    layers: int
    precision: str
    flops: Array = 0.0
    weight_bytes: Array = 0.0
    kv_bytes: Array = 0.0
    activation_bytes: Array = 0.0
    link_bytes: Array = 0.0

    @property
    def bytes(self) -> Array:
        """Traffic to main memory, all of it [byte]."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes


def require_dense(llm: LLM) -> None:
    """Refuse an architecture of experts or latent attention.

    Parameters
    ----------
    llm : LLM
        The architecture.

    Raises
    ------
    NotModelledError
        Mixture of experts, or latent attention.
    """
    if llm.moe is not None:
        raise _not_modelled(llm, "its mixture of experts")
    if llm.mla is not None:
        raise _not_modelled(llm, "its multi-head latent attention")


def require_modelled(llm: LLM, *, tokens: Array) -> None:
    """Refuse an architecture whose phases are not modelled yet.

    Parameters
    ----------
    llm : LLM
        The architecture.
    tokens : array
        Sequences asked for; a sliding window that is not shorter than the longest changes nothing [token].

    Raises
    ------
    NotModelledError
        Mixture of experts, latent attention, or a sequence longer than the attention window.
    """
    require_dense(llm)
    window = llm.sliding_window.window if llm.sliding_window is not None else math.inf
    if window < llm.max_context and (longest := float(tokens.max())) > window:
        raise _not_modelled(llm, f"attention over {longest:,.0f} tokens through its {window:,}-token window")


def _not_modelled(llm: LLM, what: str) -> NotModelledError:
    return NotModelledError(
        f"{llm.name}: {what} is not modelled yet, so no estimate is given; "
        "dense models with full attention are (see the `tco llms` table)"
    )


def decode_operations(
    llm: LLM, *, batch: Array, context_tokens: Array, precision: PrecisionPolicy, tensor_parallel: int = 1
) -> tuple[Operation, ...]:
    """Operations of one decode step: each of `batch` sequences gets one token.

    Parameters
    ----------
    llm : LLM
        A dense architecture.
    batch : array
        Sequences.
    context_tokens : array
        Kim's ``sᵢ``: cached tokens that each new token attends to (the same for all sequences of a batch).
    precision : PrecisionPolicy
        Formats of each part.
    tensor_parallel : int
        Devices that share every layer; must divide the KV heads.

    Raises
    ------
    NotModelledError
        Mixture of experts, or latent attention; that a sliding window is long enough is not checked here.

    Returns
    -------
    tuple of Operation
        Each of its own natural shape: linear layers do not depend on the context, and so are not broadcast over it.

    References
    ----------
    Kim Eq. 8 (FLOPs); Kim IV-D (traffic).

    Examples
    --------
    >>> import roofline as rl
    >>> step = decode_operations(
    ...     rl.get_llm("llama-3.1-8b"), batch=64.0, context_tokens=2048.0, precision=rl.policy("bf16")
    ... )
    >>> [(operation.name, round(operation.flops / 1e9)) for operation in step][:2]
    [('qkv', 103), ('attention', 69)]
    """
    require_dense(llm)
    batch = floats(batch)
    context = batch * context_tokens

    def attention_of(group: LayerGroup) -> Operation:
        return _attention(
            llm,
            group,
            rows=batch,
            cached_tokens=context,
            flops=formulas.decode_attention_flops(
                total_context_tokens=context, query_heads=llm.heads, head_dim=llm.head_dim, layers=group.count
            ),
            precision=precision,
        )

    return tuple(_forward(llm, batch, batch, attention_of, precision, tensor_parallel))


def prefill_operations(
    llm: LLM,
    *,
    batch: Array,
    prompt_tokens: Array,
    precision: PrecisionPolicy,
    logits: str = "last",
    tensor_parallel: int = 1,
) -> tuple[Operation, ...]:
    """Operations of a prefill: `batch` prompts of `prompt_tokens` each, from an empty cache.

    Parameters
    ----------
    llm : LLM
        A dense architecture.
    batch : array
        Sequences.
    prompt_tokens : array
        Length of each prompt [token].
    precision : PrecisionPolicy
        Formats of each part.
    logits : {"last", "all"}
        Positions at which the LM head runs: the last of each prompt, as serving does, or all of them, as Kim Eq. 5
        counts.
    tensor_parallel : int
        Devices that share every layer; must divide the KV heads.

    Returns
    -------
    tuple of Operation

    References
    ----------
    Kim Eq. 5 (FLOPs, with ``logits="all"``).

    Examples
    --------
    >>> import roofline as rl
    >>> prompt = prefill_operations(
    ...     rl.get_llm("llama-3.1-8b"), batch=1.0, prompt_tokens=2048.0, precision=rl.policy("bf16"), logits="all"
    ... )
    >>> round(sum(operation.flops for operation in prompt) / 1e12, 2)
    31.84
    """
    require_dense(llm)
    batch, prompt_tokens = floats(batch), floats(prompt_tokens)
    rows = batch * prompt_tokens

    def attention_of(group: LayerGroup) -> Operation:
        return _attention(
            llm,
            group,
            rows=rows,
            cached_tokens=rows,
            flops=batch
            * formulas.prefill_attention_flops(
                tokens=prompt_tokens, query_heads=llm.heads, head_dim=llm.head_dim, layers=group.count
            ),
            precision=precision,
        )

    head_rows = rows if logits == "all" else batch
    return tuple(_forward(llm, rows, head_rows, attention_of, precision, tensor_parallel))


def _forward(
    llm: LLM,
    rows: Array,
    head_rows: Array,
    attention_of: _AttentionOf,
    precision: PrecisionPolicy,
    tensor_parallel: int,
) -> Iterator[Operation]:
    """Yield the operations of one forward pass over `rows` tokens, group of layers by group of layers."""
    n = tensor_parallel
    hidden, attention_width = llm.hidden, llm.heads * llm.head_dim
    for group in llm.layer_groups:
        # Column-parallel products read the whole input on every device; row-parallel ones write a partial sum on every
        # device, which the all-reduce then adds up.
        if group.kv_heads:
            kv_width = 2 * group.kv_heads * llm.head_dim
            yield _linear("qkv", group, rows, hidden, attention_width + kv_width, precision, reads=n, kv_width=kv_width)
            yield attention_of(group)
            yield _linear("output", group, rows, attention_width, hidden, precision, writes=n)
        if group.intermediate:
            up_width = (2 if llm.gated_mlp else 1) * group.intermediate
            yield _linear("mlp_up", group, rows, hidden, up_width, precision, reads=n)
            yield _linear("mlp_down", group, rows, group.intermediate, hidden, precision, writes=n)
        if n > 1:
            halves = bool(group.kv_heads) + bool(group.intermediate)
            yield _all_reduce(group, halves, rows, hidden, precision, devices=n)
    yield _head(llm, head_rows, precision, reads=n)


def _linear(
    name: str,
    group: LayerGroup,
    rows: Array,
    width_in: int,
    width_out: int,
    precision: PrecisionPolicy,
    *,
    reads: int = 1,
    writes: int = 1,
    kv_width: int = 0,
) -> Operation:
    """Return a linear layer; `kv_width` of its output columns go to the KV cache instead of the activations."""
    bytes_in = reads * width_in * _bytes(precision.activations)
    bytes_out = writes * (width_out - kv_width) * _bytes(precision.output)
    return Operation(
        name=name,
        kind="linear",
        layers=group.count,
        precision=precision.compute,
        flops=group.count * formulas.gemm_flops(m=1, k=width_in, n=width_out) * rows,
        weight_bytes=group.count * width_in * width_out * _bytes(precision.weights),
        kv_bytes=group.count * kv_width * _bytes(precision.kv_cache) * rows if kv_width else 0.0,
        activation_bytes=group.count * (bytes_in + bytes_out) * rows,
    )


def _attention(
    llm: LLM, group: LayerGroup, *, rows: Array, cached_tokens: Array, flops: Array, precision: PrecisionPolicy
) -> Operation:
    cache_bytes_per_token = 2 * group.kv_heads * llm.head_dim * _bytes(precision.kv_cache)
    queries_and_outputs = 2 * llm.heads * llm.head_dim * _bytes(precision.output)
    return Operation(
        name="attention",
        kind="attention",
        layers=group.count,
        precision=precision.attention,
        flops=flops,
        kv_bytes=group.count * cache_bytes_per_token * cached_tokens,
        activation_bytes=group.count * queries_and_outputs * rows,
    )


def _head(llm: LLM, rows: Array, precision: PrecisionPolicy, *, reads: int) -> Operation:
    return Operation(
        name="lm_head",
        kind="head",
        layers=1,
        precision=precision.head,
        flops=formulas.gemm_flops(m=1, k=llm.hidden, n=llm.vocab) * rows,
        weight_bytes=llm.hidden * llm.vocab * _bytes(precision.head),
        activation_bytes=(reads * llm.hidden * _bytes(precision.head) + llm.vocab * _bytes(precision.output)) * rows,
    )


def _all_reduce(
    group: LayerGroup, halves: int, rows: Array, hidden: int, precision: PrecisionPolicy, *, devices: int
) -> Operation:
    message_bytes = hidden * _bytes(precision.output) * rows
    return Operation(
        name="all_reduce",
        kind="collective",
        layers=group.count,
        precision=precision.output,
        link_bytes=group.count
        * halves
        * devices
        * formulas.ring_all_reduce_bytes(message_bytes=message_bytes, devices=devices),
    )


def _bytes(format_name: str) -> float:
    return number_format(format_name).bits / 8
