"""The roofline and the matrix product: FLOPs, traffic, intensity and time."""

from __future__ import annotations

from roofline._arrays import Array, in_floats, maximum, minimum


@in_floats
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


@in_floats
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


@in_floats
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


@in_floats
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


@in_floats
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


@in_floats
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


@in_floats
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


@in_floats
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
