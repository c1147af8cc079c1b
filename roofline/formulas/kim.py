"""The equations of Kim et al., arXiv:2502.01070, section IV-C, by number."""

from __future__ import annotations

from roofline._arrays import Array, in_floats


@in_floats
def kim_linear_constant(*, mlp_ratio: Array, gqa_group: Array) -> Array:
    """Weights of a Llama block in units of ``h²``: Kim's ``A = 3a + 2 + 2/g`` (below Eq. 5).

    Parameters
    ----------
    mlp_ratio : number or array
        ``a``, MLP width over hidden size.
    gqa_group : number or array
        ``g``, query heads per KV head.

    Returns
    -------
    number or array
        Dimensionless.

    Examples
    --------
    >>> kim_linear_constant(mlp_ratio=3.5, gqa_group=4)
    13.0
    """
    a, g = mlp_ratio, gqa_group
    return 3 * a + 2 + 2 / g


@in_floats
def kim_eq5(*, tokens: Array, hidden: Array, layers: Array, mlp_ratio: Array, gqa_group: Array, vocab: Array) -> Array:
    """FLOPs of a Llama forward pass over one sequence (Kim Eq. 5).

    Matrix products only, the causal half of attention, the LM head at every position, and ``H·d = h``.

    Parameters
    ----------
    tokens : number or array
        ``s``, sequence length [token].
    hidden, layers, vocab : number or array
        ``h``, ``l``, ``v``.
    mlp_ratio, gqa_group : number or array
        ``a`` and ``g``, as in :func:`kim_linear_constant`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    Llama 3.1 8B over 2,048 tokens:

    >>> f = kim_eq5(tokens=2048, hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> round(f / 1e12, 2)
    31.84
    """
    s, h, l, a, g, v = tokens, hidden, layers, mlp_ratio, gqa_group, vocab
    return 2 * s * h**2 * l * (3 * a + 2 + 2 / g) + 2 * s**2 * h * l + 2 * v * s * h


@in_floats
def kim_eq6(*, tokens: Array, hidden: Array, layers: Array, mlp_ratio: Array, gqa_group: Array, vocab: Array) -> Array:
    """FLOPs of a Llama forward pass in terms of the constant ``A`` (Kim Eq. 6), equal to :func:`kim_eq5`.

    Parameters are those of :func:`kim_eq5`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> llama = dict(tokens=2048, hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> kim_eq6(**llama) == kim_eq5(**llama)
    True
    """
    s, h, l, v = tokens, hidden, layers, vocab
    A = kim_linear_constant(mlp_ratio=mlp_ratio, gqa_group=gqa_group)
    return 2 * s * (A * h**2 * l + v * h) + 2 * s**2 * h * l


@in_floats
def kim_eq7(
    *,
    tokens: Array,
    new_tokens: Array,
    hidden: Array,
    layers: Array,
    mlp_ratio: Array,
    gqa_group: Array,
    vocab: Array,
) -> Array:
    """FLOPs added by ``t`` new tokens after ``s`` cached ones, for ``t ≪ s`` (Kim Eq. 7).

    The exact difference of Eq. 5 is :func:`kim_eq7_exact`; it is larger by ``2t²hl``.

    Parameters
    ----------
    tokens, new_tokens : number or array
        ``s`` and ``t`` [token].
    hidden, layers, mlp_ratio, gqa_group, vocab : number or array
        As in :func:`kim_eq5`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> llama = dict(hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> kim_eq7(tokens=2048, new_tokens=1, **llama) == kim_eq8(batch=1, total_context_tokens=2048, **llama)
    True
    """
    s, t, h, l, v = tokens, new_tokens, hidden, layers, vocab
    A = kim_linear_constant(mlp_ratio=mlp_ratio, gqa_group=gqa_group)
    return 2 * t * (A * h**2 * l + v * h) + 4 * s * t * h * l


@in_floats
def kim_eq7_exact(
    *,
    tokens: Array,
    new_tokens: Array,
    hidden: Array,
    layers: Array,
    mlp_ratio: Array,
    gqa_group: Array,
    vocab: Array,
) -> Array:
    """FLOPs added by ``t`` new tokens after ``s`` cached ones: ``f(s+t) − f(s)`` of Kim Eq. 5, without approximation.

    Parameters are those of :func:`kim_eq7`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> llama = dict(tokens=2048, hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> extra = kim_eq7_exact(new_tokens=8, **llama) - kim_eq7(new_tokens=8, **llama)
    >>> extra == 2 * 8**2 * 4096 * 32
    True
    """
    t, h, l = new_tokens, hidden, layers
    return (
        kim_eq7(
            tokens=tokens,
            new_tokens=t,
            hidden=h,
            layers=l,
            mlp_ratio=mlp_ratio,
            gqa_group=gqa_group,
            vocab=vocab,
        )
        + 2 * t**2 * h * l
    )


@in_floats
def kim_eq8(
    *,
    batch: Array,
    total_context_tokens: Array,
    hidden: Array,
    layers: Array,
    mlp_ratio: Array,
    gqa_group: Array,
    vocab: Array,
) -> Array:
    """FLOPs of one decode step of a batch of sequences (Kim Eq. 8).

    Parameters
    ----------
    batch : number or array
        ``b``, sequences that each get one token.
    total_context_tokens : number or array
        ``Σ sᵢ``, cached tokens of all sequences together [token].
    hidden, layers, mlp_ratio, gqa_group, vocab : number or array
        As in :func:`kim_eq5`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> llama = dict(hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> f = kim_eq8(batch=64, total_context_tokens=64 * 2048, **llama)
    >>> round(f / 1e12, 3)
    1.029
    """
    b, h, l, v = batch, hidden, layers, vocab
    A = kim_linear_constant(mlp_ratio=mlp_ratio, gqa_group=gqa_group)
    return 2 * b * (A * h**2 * l + v * h) + 4 * h * l * total_context_tokens


@in_floats
def linear_attention_crossover_tokens(
    *, hidden: Array, layers: Array, mlp_ratio: Array, gqa_group: Array, vocab: Array
) -> Array:
    """Context at which attention takes as many decode FLOPs as the linear layers: ``(Ah²l + vh)/(2hl)``.

    Derived from Kim Eq. 8 by setting its two terms equal. Kim VI-A puts the change at ``s = h``; in FLOPs it comes far
    later (see the errata).

    Parameters
    ----------
    hidden, layers, mlp_ratio, gqa_group, vocab : number or array
        As in :func:`kim_eq5`.

    Returns
    -------
    number or array
        [token].

    Examples
    --------
    >>> llama = dict(hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4, vocab=128256)
    >>> round(linear_attention_crossover_tokens(**llama))
    28628
    """
    h, l, v = hidden, layers, vocab
    A = kim_linear_constant(mlp_ratio=mlp_ratio, gqa_group=gqa_group)
    return (A * h**2 * l + v * h) / (2 * h * l)
