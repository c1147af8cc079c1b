"""The equations of Brunetta et al., section III-A, by number, as printed."""

from __future__ import annotations

from roofline._arrays import Array, in_floats


@in_floats
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


@in_floats
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


@in_floats
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
