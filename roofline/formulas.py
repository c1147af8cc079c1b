r"""The two papers' equations and the roofline's, one pure function each.

*Kim* is Kim et al., "An Inquiry into Datacenter TCO for LLM Inference with FP8" (arXiv:2502.01070);
*Brunetta* is Brunetta et al., "Beyond Throughput: Performance and Energy Insights of LLM Inference Across AI
Accelerators". A function that bears an equation's number is that equation as printed; where the print slips, the
docstring says so and ``docs/errata.md`` holds the correction.

Every argument is a keyword and may be a number or an array of any array-API library; arguments broadcast. Nothing is
validated here: the functions of :mod:`roofline` do that and call these. Inside a body the names are the paper's:
``l`` layers, ``h`` hidden size, ``a·h`` MLP width, ``H`` query heads, ``d`` head size, ``g`` query heads per KV head,
``v`` vocabulary, ``s`` tokens, ``b`` batch, ``P`` bytes per element.
"""

from __future__ import annotations

from roofline._arrays import Array, maximum, minimum

# --------------------------------------------------------------------------------------------------- GEMM and roofline


def gemm_flops(*, m: Array, k: Array, n: Array) -> Array:
    """FLOPs of an (M×K)·(K×N) matrix product: one multiplication and one addition per term (Kim IV-B).

    Parameters
    ----------
    m, k, n : number or array
        Rows of the activations, inner dimension, columns of the weights [element].

    Returns
    -------
    number or array
        ``2·M·K·N`` [FLOP].

    Examples
    --------
    >>> gemm_flops(m=64, k=4096, n=4096)
    2147483648
    """
    return 2 * m * k * n


def gemm_bytes(*, m: Array, k: Array, n: Array, input_bytes: Array, weight_bytes: Array, output_bytes: Array) -> Array:
    """Least memory traffic of an (M×K)·(K×N) product: each matrix crosses once [byte].

    Parameters
    ----------
    m, k, n : number or array
        Rows, inner dimension, columns [element].
    input_bytes, weight_bytes, output_bytes : number or array
        Bytes per element of the M×K, K×N and M×N matrices.

    Returns
    -------
    number or array
        ``M·K·P_in + K·N·P_w + M·N·P_out`` [byte].

    References
    ----------
    Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009 (compulsory traffic).

    Examples
    --------
    >>> gemm_bytes(m=1, k=4, n=2, input_bytes=2, weight_bytes=1, output_bytes=2)
    20
    """
    return m * k * input_bytes + k * n * weight_bytes + m * n * output_bytes


def gemm_intensity(
    *, m: Array, k: Array, n: Array, input_bytes: Array, weight_bytes: Array, output_bytes: Array
) -> Array:
    """Operational intensity of a GEMM with each matrix crossing memory once [FLOP/byte].

    Parameters are those of :func:`gemm_bytes`. For ``M ≪ K, N`` it tends to :func:`thin_gemm_intensity`.

    Examples
    --------
    >>> round(gemm_intensity(m=64, k=4096, n=4096, input_bytes=1, weight_bytes=1, output_bytes=1), 1)
    124.1
    """
    return gemm_flops(m=m, k=k, n=n) / gemm_bytes(
        m=m, k=k, n=n, input_bytes=input_bytes, weight_bytes=weight_bytes, output_bytes=output_bytes
    )


def thin_gemm_intensity(*, batch: Array, weight_bytes: Array) -> Array:
    """Operational intensity of a GEMM of few rows, where weights are all the traffic: ``2b/P`` (Kim IV-D).

    ``2b`` in FP8 and ``b`` in BF16. Brunetta III-A prints ``B·P/2``, which agrees only at P = 2: see the errata.

    Parameters
    ----------
    batch : number or array
        Rows of the activation matrix, sequences in a decode step.
    weight_bytes : number or array
        Bytes per weight.

    Returns
    -------
    number or array
        [FLOP/byte].

    Examples
    --------
    >>> thin_gemm_intensity(batch=64, weight_bytes=1), thin_gemm_intensity(batch=64, weight_bytes=2)
    (128.0, 64.0)
    """
    return 2 * batch / weight_bytes


def kv_attention_intensity(*, gqa_group: Array, kv_bytes: Array) -> Array:
    """Operational intensity of decode attention over the KV cache: ``2g/P``, which is ``g`` for BF16 (Kim IV-D).

    It does not grow with the batch, since each sequence reads a cache of its own.

    Parameters
    ----------
    gqa_group : number or array
        Query heads per KV head (the paper's "g groups" is the group's size).
    kv_bytes : number or array
        Bytes per cached element.

    Returns
    -------
    number or array
        [FLOP/byte].

    Examples
    --------
    >>> kv_attention_intensity(gqa_group=4, kv_bytes=2)
    4.0
    """
    return 2 * gqa_group / kv_bytes


def ridge_point(*, flops_per_s: Array, bytes_per_s: Array) -> Array:
    """Operational intensity at which compute and memory time are equal [FLOP/byte] (Kim IV-D).

    Parameters
    ----------
    flops_per_s : number or array
        Peak rate of the matrix engine [FLOP/s].
    bytes_per_s : number or array
        Memory bandwidth [byte/s].

    Returns
    -------
    number or array
        [FLOP/byte].

    Examples
    --------
    Gaudi 2 in FP8, with the bandwidth that the paper rounds to 2.4 TB/s:

    >>> round(ridge_point(flops_per_s=865e12, bytes_per_s=2.4e12))
    360
    """
    return flops_per_s / bytes_per_s


def attainable_flops_per_s(*, intensity: Array, flops_per_s: Array, bytes_per_s: Array) -> Array:
    """The roofline itself: the lower of the peak and ``intensity × bandwidth`` [FLOP/s].

    Parameters
    ----------
    intensity : number or array
        Operational intensity [FLOP/byte].
    flops_per_s : number or array
        Peak rate of the matrix engine [FLOP/s].
    bytes_per_s : number or array
        Memory bandwidth [byte/s].

    Returns
    -------
    number or array
        [FLOP/s].

    References
    ----------
    Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.

    Examples
    --------
    The bound that Kim IV-D gives for the KV cache of Llama 3.1 8B on Gaudi 2, 9.6 TFLOPS:

    >>> float(attainable_flops_per_s(intensity=4.0, flops_per_s=432e12, bytes_per_s=2.4e12)) / 1e12
    9.6
    """
    return minimum(flops_per_s, intensity * bytes_per_s)


def roofline_time_s(*, flops: Array, bytes: Array, flops_per_s: Array, bytes_per_s: Array) -> Array:
    """Time of an operation whose compute and memory traffic overlap perfectly: ``max(W/P, Q/B)`` [s].

    Never by way of an achieved rate, so an operation of 0 FLOPs is legal.

    Parameters
    ----------
    flops, bytes : number or array
        Work [FLOP] and traffic [byte].
    flops_per_s, bytes_per_s : number or array
        Peak rate [FLOP/s] and bandwidth [byte/s].

    Returns
    -------
    number or array
        [s].

    References
    ----------
    Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.

    Examples
    --------
    >>> float(roofline_time_s(flops=0.0, bytes=3.35e12, flops_per_s=989.4e12, bytes_per_s=3.35e12))
    1.0
    """
    return maximum(flops / flops_per_s, bytes / bytes_per_s)


# ------------------------------------------------------------------------------------------------------------- Kim et
# al.


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


def kim_eq5(*, tokens: Array, hidden: Array, layers: Array, mlp_ratio: Array, gqa_group: Array, vocab: Array) -> Array:
    """FLOPs of a Llama forward pass over one sequence (Kim Eq. 5, equal to Eq. 6).

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
    >>> float(kim_eq7(tokens=2048, new_tokens=1, **llama)) == float(kim_eq8(batch=1, total_context_tokens=2048,
    **llama)) True
    """
    s, t, h, l, v = tokens, new_tokens, hidden, layers, vocab
    A = kim_linear_constant(mlp_ratio=mlp_ratio, gqa_group=gqa_group)
    return 2 * t * (A * h**2 * l + v * h) + 4 * s * t * h * l


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


# -------------------------------------------------------------------------------------------------------- Brunetta et
# al.


def brunetta_eq1(
    *,
    parameters: Array,
    batch: Array,
    layers: Array,
    context_tokens: Array,
    model_width: Array,
    bytes_per_element: Array,
) -> Array:
    """Memory traffic of a forward pass as Brunetta Eq. 1 prints it: ``P(N + B·n_layer·n_ctx·d_model)`` [byte].

    The published form: it leaves out the factor 2 for keys and values and knows no grouped-query attention, so
    :mod:`roofline.operations` uses the exact form instead.

    Parameters
    ----------
    parameters : number or array
        ``N``, parameters of the model.
    batch, layers, context_tokens, model_width : number or array
        ``B``, ``n_layer``, ``n_ctx`` (average over the batch) [token], ``d_model``.
    bytes_per_element : number or array
        ``P`` [byte].

    Returns
    -------
    number or array
        [byte].

    Examples
    --------
    >>> brunetta_eq1(parameters=8e9, batch=1, layers=32, context_tokens=0, model_width=4096, bytes_per_element=2)
    16000000000.0
    """
    N, B, P = parameters, batch, bytes_per_element
    return P * (N + B * layers * context_tokens * model_width)


def brunetta_eq2(*, parameters: Array, batch: Array, layers: Array, context_tokens: Array, model_width: Array) -> Array:
    """FLOPs of a forward pass as Brunetta Eq. 2 prints it: ``2B(N + n_layer·n_ctx·d_model)`` [FLOP].

    Its attention term is half of Kim Eq. 8's, which counts both the scores and the weighted sum (see the errata).

    Parameters
    ----------
    parameters, batch, layers, context_tokens, model_width : number or array
        As in :func:`brunetta_eq1`.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> brunetta_eq2(parameters=8e9, batch=2, layers=32, context_tokens=0, model_width=4096)
    32000000000.0
    """
    N, B = parameters, batch
    return 2 * B * (N + layers * context_tokens * model_width)


def brunetta_sparse_flops(*, dense_flops: Array, sparsity: Array) -> Array:
    """FLOPs of a mixture of experts of sparsity ``s``: the dense FLOPs times ``1 − s`` (Brunetta III-A).

    The paper's words, "reduced by a factor (1 − s)", hold if the factor multiplies.

    Parameters
    ----------
    dense_flops : number or array
        FLOPs if every expert ran [FLOP].
    sparsity : number or array
        Share of the parameters that a token does not use, 0 to 1.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> brunetta_sparse_flops(dense_flops=100.0, sparsity=0.75)
    25.0
    """
    return dense_flops * (1 - sparsity)


# --------------------------------------------------------------------------------------------------- attention and
# experts


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


def expected_distinct_experts(*, experts: Array, experts_per_token: Array, tokens: Array) -> Array:
    """Expected number of distinct experts that a batch of tokens touches under uniform routing.

    ``E·(1 − (1 − k/E)ⁿ)``: what Brunetta III-A calls the degree of overlap. It is the number of expert weight sets that
    a step must read.

    Parameters
    ----------
    experts, experts_per_token : number or array
        ``E`` routed experts, of which each token uses ``k`` different ones.
    tokens : number or array
        ``n``, tokens routed together.

    Returns
    -------
    number or array
        Between ``k`` (for one token) and ``E``.

    Examples
    --------
    >>> expected_distinct_experts(experts=8, experts_per_token=2, tokens=1)
    2.0
    >>> round(expected_distinct_experts(experts=128, experts_per_token=8, tokens=64), 1)
    125.9
    """
    E, k, n = experts, experts_per_token, tokens
    return E * (1 - (1 - k / E) ** n)


def expected_tokens_per_active_expert(*, experts: Array, experts_per_token: Array, tokens: Array) -> Array:
    """Expected rows of an active expert's GEMM: ``n·k`` assignments over the distinct experts touched (Kim VIII).

    Parameters are those of :func:`expected_distinct_experts`.

    Returns
    -------
    number or array
        Tokens per active expert, at least 1.

    Examples
    --------
    >>> expected_tokens_per_active_expert(experts=8, experts_per_token=2, tokens=1)
    1.0
    """
    distinct = expected_distinct_experts(experts=experts, experts_per_token=experts_per_token, tokens=tokens)
    return tokens * experts_per_token / distinct


# --------------------------------------------------------------------------------------------------------- collectives


def ring_all_reduce_bytes(*, message_bytes: Array, devices: Array) -> Array:
    """Bytes that each device sends in a ring all-reduce: ``2(n−1)/n`` of the message [byte].

    Parameters
    ----------
    message_bytes : number or array
        Size of the tensor that is summed [byte].
    devices : number or array
        ``n`` devices of the ring.

    Returns
    -------
    number or array
        Per device, in one direction of its link [byte].

    References
    ----------
    Patarasuk, Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", JPDC 69(2), 2009.

    Examples
    --------
    >>> ring_all_reduce_bytes(message_bytes=8.0, devices=4)
    12.0
    """
    n = devices
    return 2 * (n - 1) / n * message_bytes
