"""Attention of any head count, size and mask."""

from __future__ import annotations

from roofline._arrays import Array, in_floats, maximum, minimum, namespace


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


@in_floats
def visible_pairs(
    *, new_tokens: Array, cached_tokens: Array, window: Array | None = None, chunked: bool = False
) -> Array:
    """Pairs of a new token and a token it attends to, in prefill: the area under the causal mask.

    ``F(c + t) − F(c)`` with ``F(x) = x²/2``, so that a prompt of ``s`` tokens has the ``s²/2`` of Kim Eq. 5 and, after
    ``c`` cached tokens, the ``c·t + t²/2`` of its exact Eq. 7. A sliding window has ``F(x) = min(x, w)²/2 +
    max(x − w, 0)·w``; chunks of ``w`` tokens that do not see each other have ``w²/2`` each.

    Parameters
    ----------
    new_tokens, cached_tokens : number or array
        ``t`` tokens of the prompt, after ``c`` that are cached [token].
    window : number or array, optional
        ``w``, tokens that a token sees, or tokens per chunk; without it, all before it [token].
    chunked : bool
        Whether the window is a chunk (Llama 4) instead of sliding (Mistral, Gemma).

    Returns
    -------
    number or array
        Per sequence and head [pair].

    Examples
    --------
    >>> visible_pairs(new_tokens=10, cached_tokens=0), visible_pairs(new_tokens=10, cached_tokens=5)
    (50.0, 100.0)
    >>> float(visible_pairs(new_tokens=10, cached_tokens=0, window=4))
    32.0
    >>> float(visible_pairs(new_tokens=10, cached_tokens=0, window=4, chunked=True))
    18.0
    """
    t, c, w = new_tokens, cached_tokens, window
    if w is None:
        return c * t + t**2 / 2  # the difference of two squares, without their cancellation
    area = _chunked_area if chunked else _sliding_area
    return area(c + t, w) - area(c, w)


@in_floats
def decode_pairs(
    *, context_tokens: Array, new_tokens: Array = 1, window: Array | None = None, chunked: bool = False
) -> Array:
    """Pairs of a new token and a token it attends to, in decode steps: the exact count ``Σ visible(i)``.

    The sum is over ``i = s … s + t − 1``, with ``visible(i)`` equal to ``i`` (Kim Eq. 8), to ``min(i, w)`` in a sliding
    window, and to ``((i − 1) mod w) + 1`` in chunks.

    Parameters
    ----------
    context_tokens : number or array
        ``s``, tokens that the first new one attends to if nothing hides them [token].
    new_tokens : number or array
        ``t`` tokens, generated one after the other or checked together in speculative decoding [token].
    window : number or array, optional
        ``w``, tokens that a token sees, or tokens per chunk; without it, all [token].
    chunked : bool
        Whether the window is a chunk instead of sliding.

    Returns
    -------
    number or array
        Per sequence and head [pair].

    Examples
    --------
    >>> decode_pairs(context_tokens=10), decode_pairs(context_tokens=10, new_tokens=3)
    (10, 33.0)
    >>> float(decode_pairs(context_tokens=10, window=4)), float(decode_pairs(context_tokens=10, window=4, chunked=True))
    (4.0, 2.0)
    """
    s, t, w = context_tokens, new_tokens, window
    single = isinstance(t, int) and t == 1  # the usual step, in as few operations as it needs
    if w is None:
        return s if single else s * t + t * (t - 1) / 2
    if single:
        return s - w * _floor(maximum(s - 1, 0.0) / w) if chunked else minimum(s, w)
    count = _chunked_count if chunked else _sliding_count
    return count(s + t - 1, w) - count(s - 1, w)


@in_floats
def attention_flops(*, pairs: Array, query_heads: Array, qk_dim: Array, v_dim: Array, layers: Array) -> Array:
    """FLOPs of attention from its pairs: ``2·pairs·H·(d_qk + d_v)·l``, the scores and the weighted sum.

    With :func:`visible_pairs` it is Kim Eq. 5's ``2s²·H·d·l``, with :func:`decode_pairs` Eq. 8's ``4·s·H·d·l``.

    Parameters
    ----------
    pairs : number or array
        Visible pairs of tokens, of all sequences together [pair].
    query_heads, layers : number or array
        ``H``, and layers that have this attention.
    qk_dim, v_dim : number or array
        Width of a head's queries and keys, and of its values; they differ in latent attention [element].

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> attention_flops(pairs=50, query_heads=2, qk_dim=4, v_dim=4, layers=3)
    4800
    """
    H = query_heads
    return 2 * pairs * H * (qk_dim + v_dim) * layers


@in_floats
def softmax_exponentials(*, pairs: Array, query_heads: Array, layers: Array) -> Array:
    """Exponentials of the softmax: one per pair and query head (Kim VI-C).

    Parameters
    ----------
    pairs : number or array
        Visible pairs of tokens, of all sequences together [pair].
    query_heads, layers : number or array
        ``H``, and layers that have this attention.

    Returns
    -------
    number or array
        [exponential].

    Examples
    --------
    One decode step of Llama 3.1 8B, 64 sequences of 2,048 tokens:

    >>> softmax_exponentials(pairs=64 * 2048, query_heads=32, layers=32) / 1e6
    134.217728
    """
    return pairs * query_heads * layers


def _sliding_area(x: Array, w: Array) -> Array:
    """Area under the mask of the first `x` tokens, each of which sees up to `w`."""
    return minimum(x, w) ** 2 / 2 + maximum(x - w, 0.0) * w


def _chunked_area(x: Array, w: Array) -> Array:
    """Area under the mask of the first `x` tokens in chunks of `w`."""
    chunks = _floor(x / w)
    return chunks * w**2 / 2 + (x - chunks * w) ** 2 / 2


def _sliding_count(x: Array, w: Array) -> Array:
    """Sum of ``min(i, w)`` over i = 1 … x."""
    y = minimum(x, w)
    return y * (y + 1) / 2 + maximum(x - w, 0.0) * w


def _chunked_count(x: Array, w: Array) -> Array:
    """Sum of ``((i − 1) mod w) + 1`` over i = 1 … x, and 0 for x = −1."""
    x = maximum(x, 0.0)
    chunks = _floor(x / w)
    y = x - chunks * w
    return chunks * w * (w + 1) / 2 + y * (y + 1) / 2


def _floor(value: Array) -> Array:
    """Round down, in the value's own namespace."""
    xp = namespace(value)
    return xp.floor(xp.asarray(value))
