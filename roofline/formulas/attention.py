"""Attention of any head count and size."""

from __future__ import annotations

from roofline._arrays import Array, in_floats


@in_floats
def prefill_attention_flops(*, tokens: Array, query_heads: Array, head_dim: Array, layers: Array) -> Array:
    """FLOPs of causal attention over a prompt: ``2s²·H·d·l``, the half that the mask keeps (Kim Eq. 5, any ``H·d``).

    Parameters
    ----------
    tokens : number or array
        ``s``, prompt length [token].
    query_heads, head_dim, layers : number or array
        ``H``, ``d``, layers that have attention.

    Returns
    -------
    number or array
        Per sequence [FLOP].

    Examples
    --------
    >>> prefill_attention_flops(tokens=10, query_heads=2, head_dim=4, layers=3)
    4800
    """
    s, H, d = tokens, query_heads, head_dim
    return 2 * s**2 * H * d * layers


@in_floats
def decode_attention_flops(*, total_context_tokens: Array, query_heads: Array, head_dim: Array, layers: Array) -> Array:
    """FLOPs of attention in one decode step: ``4·H·d·l·Σ sᵢ`` (Kim Eq. 8, any ``H·d``).

    Parameters
    ----------
    total_context_tokens : number or array
        ``Σ sᵢ`` over the batch [token].
    query_heads, head_dim, layers : number or array
        ``H``, ``d``, layers that have attention.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> decode_attention_flops(total_context_tokens=10, query_heads=2, head_dim=4, layers=3)
    960
    """
    H, d = query_heads, head_dim
    return 4 * H * d * layers * total_context_tokens
