"""The work between the matrix products: FLOPs of a vector unit, by counting.

One addition, multiplication, comparison, division or conversion is one FLOP. Exponentials are counted apart, since
most machines have a unit of their own for them; ``EXP_VECTOR_FLOPS`` is their price on a machine that has none.
"""

from __future__ import annotations

from roofline._arrays import Array, in_floats

EXP_VECTOR_FLOPS = 30
"""Vector FLOPs of peak that one FP32 exponential takes without a special-function unit.

15 vector instructions, each of which holds the place of one fused multiply-add (2 FLOPs): 4 for the range reduction
(Cody-Waite, in two steps), 8 for a polynomial of degree 7 (Cephes ``expf``), 3 to put the exponent in. That is the
count in Gaudi's own compiler header (``v_exp_cephes_fast_f32``, HabanaAI/tpc_llvm, clang/lib/Headers/tpc-special.h).
Its variant that handles infinities, which the vendor's public softmax kernel calls, has 19 instructions, so 38;
FlashAttention-4's polynomial of degree 3, good for BF16, has 9, so 18 (Dao-AILab/flash-attention,
flash_attn/cute/utils.py). Lanes are FP32: on a rate quoted for BF16 with twice the lanes, twice as much.
"""

SOFTMAX_FLOPS_PER_PAIR = 4
"""FLOPs per score of a fused softmax, beside its exponential: the running maximum, the scale, the subtraction of the
maximum, and the addition to the sum. Rescaling the output is spread over a block of keys and left out."""


@in_floats
def rms_norm_flops(*, width: Array) -> Array:
    """FLOPs of a root-mean-square norm: square, add, scale and weight, 4 per element.

    Parameters
    ----------
    width : number or array
        Elements normalised, of all tokens together.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> rms_norm_flops(width=4096)
    16384
    """
    return 4 * width


@in_floats
def rotary_flops(*, width: Array) -> Array:
    """FLOPs of a rotary position embedding: two multiplications and an addition, 3 per element.

    Parameters
    ----------
    width : number or array
        Elements rotated (queries and keys), of all tokens together.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> rotary_flops(width=4096 + 1024)
    15360
    """
    return 3 * width


@in_floats
def residual_flops(*, width: Array) -> Array:
    """FLOPs of a residual connection: one addition per element.

    Parameters
    ----------
    width : number or array
        Elements added, of all tokens together.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> residual_flops(width=4096)
    4096
    """
    return 1 * width


@in_floats
def gate_flops(*, width: Array) -> Array:
    """FLOPs of the gated activation ``x·σ(x)·u``: two multiplications, an addition and a division, 4 per element.

    Its exponentials are :func:`gate_exponentials`.

    Parameters
    ----------
    width : number or array
        Elements of the gated product (MLP width), of all tokens together.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> gate_flops(width=14336)
    57344
    """
    return 4 * width


@in_floats
def gate_exponentials(*, width: Array) -> Array:
    """Exponentials of the gated activation (SiLU): one per element (Kim VI-C).

    Parameters
    ----------
    width : number or array
        Elements of the gated product (MLP width), of all tokens together.

    Returns
    -------
    number or array
        [exponential].

    Examples
    --------
    >>> gate_exponentials(width=14336)
    14336
    """
    return 1 * width


@in_floats
def dequantise_flops(*, elements: Array) -> Array:
    """FLOPs of turning stored elements back into numbers: one multiplication by the scale each.

    Parameters
    ----------
    elements : number or array
        Elements read, such as the weights of a W4A16 layer.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> dequantise_flops(elements=4096)
    4096
    """
    return 1 * elements


@in_floats
def quantise_flops(*, elements: Array) -> Array:
    """FLOPs of quantising: scale and convert, 2 per element.

    Parameters
    ----------
    elements : number or array
        Elements written in the narrow format.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> quantise_flops(elements=4096)
    8192
    """
    return 2 * elements


@in_floats
def absmax_flops(*, elements: Array) -> Array:
    """FLOPs of finding the largest magnitude, which a dynamic scale needs: one comparison per element.

    Parameters
    ----------
    elements : number or array
        Elements compared.

    Returns
    -------
    number or array
        [FLOP].

    Examples
    --------
    >>> absmax_flops(elements=4096)
    4096
    """
    return 1 * elements
