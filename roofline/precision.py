"""Precision policies: which number format each part of a forward pass is stored and multiplied in.

"FP8" names no single thing. Kim IV-C runs the linear layers in FP8 and keeps the LM head and the attention in BF16;
Brunetta IV-A stores 8-bit weights and multiplies in 16 bits on the A100 (W8A16). A policy spells that out, so no later
line has to know a special case.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from hardware_specs import UnknownNameError, number_format
from hardware_specs._base import Spec
from hardware_specs.errors import did_you_mean


def _known_format(name: str) -> str:
    try:
        number_format(name)
    except UnknownNameError as unknown:
        raise ValueError(str(unknown)) from None
    return name


_Format = Annotated[str, AfterValidator(_known_format)]


class PrecisionPolicy(Spec):
    """Number formats of a forward pass.

    Attributes
    ----------
    name : str
        How results and tables call it.
    weights : str
        Storage format of the linear layers' weights.
    compute : str
        Format in which the matrix engine multiplies the linear layers; MFU is relative to its peak, as in Kim.
    activations : str
        Format in which a linear layer reads its input.
    output : str
        Format in which every operation writes its output, and attention reads its queries.
    attention : str
        Format in which the matrix engine multiplies scores and values.
    kv_cache : str
        Storage format of keys and values.
    head : str
        Format of the LM head, the embedding table and the norms: storage and multiplication.
    activation_scaling : {"static", "dynamic"}
        Where activations are narrowed: by scales found beforehand, or after one more pass over them (Kim III-C).

    Raises
    ------
    pydantic.ValidationError
        A format that ``hardware_specs.FORMATS`` does not hold, or an unknown field.

    Examples
    --------
    >>> policy("fp8").compute, policy("fp8").attention
    ('fp8', 'bf16')
    >>> policy("fp8").replace(name="fp8 with an FP8 head", head="fp8").head
    'fp8'
    """

    name: str
    weights: _Format = "bf16"
    compute: _Format = "bf16"
    activations: _Format = "bf16"
    output: _Format = "bf16"
    attention: _Format = "bf16"
    kv_cache: _Format = "bf16"
    head: _Format = "bf16"
    activation_scaling: Literal["static", "dynamic"] = "static"


_SIXTEEN_BIT_PARTS = ("weights", "compute", "activations", "output", "attention", "kv_cache", "head")

# W8A8: Kim IV-C, and Table III for what crosses memory (both inputs FP8, the output BF16). KV8 dequantises before the
# product, so attention still multiplies in BF16 (Kim VIII). W8A16 and W4A16 multiply in BF16 (Brunetta III-C; GPTQ and
# AWQ kernels). The two 4-bit block formats quantise activations too, as NVIDIA and AMD serve them on their FP4 engines.
_POLICIES: dict[str, dict[str, str]] = {
    "bf16": {},
    "bf16-kv8": {"kv_cache": "fp8"},
    "fp16": dict.fromkeys(_SIXTEEN_BIT_PARTS, "fp16"),
    "fp16-kv8": dict.fromkeys(_SIXTEEN_BIT_PARTS, "fp16") | {"kv_cache": "fp8"},
    "fp16-kv-int8": dict.fromkeys(_SIXTEEN_BIT_PARTS, "fp16") | {"kv_cache": "int8"},
    "fp8": {"weights": "fp8", "compute": "fp8", "activations": "fp8"},
    "fp8-dynamic": {"weights": "fp8", "compute": "fp8", "activations": "fp8", "activation_scaling": "dynamic"},
    "fp8-kv8": {"weights": "fp8", "compute": "fp8", "activations": "fp8", "kv_cache": "fp8"},
    "int8": {"weights": "int8", "compute": "int8", "activations": "int8"},
    "int8-kv8": {"weights": "int8", "compute": "int8", "activations": "int8", "kv_cache": "fp8"},
    "int8-kv-int8": {"weights": "int8", "compute": "int8", "activations": "int8", "kv_cache": "int8"},
    "w8a16": {"weights": "fp8"},
    "w4a16": {"weights": "int4-g128"},
    "mxfp4": {"weights": "mxfp4", "compute": "mxfp4", "activations": "mxfp4"},
    "nvfp4": {"weights": "nvfp4", "compute": "nvfp4", "activations": "nvfp4"},
}

POLICY_NAMES: tuple[str, ...] = tuple(_POLICIES)
"""Names that :func:`policy` knows."""


def policy(precision: str | PrecisionPolicy) -> PrecisionPolicy:
    """Return the precision policy of a name; a policy object passes through.

    Parameters
    ----------
    precision : str or PrecisionPolicy
        One of ``POLICY_NAMES``, or a policy of one's own.

    Returns
    -------
    PrecisionPolicy

    Raises
    ------
    UnknownNameError
        A name that is not in ``POLICY_NAMES``; close names are offered.
    ValueError
        Neither a name nor a policy.

    Examples
    --------
    >>> policy("w4a16").weights
    'int4-g128'
    """
    if isinstance(precision, PrecisionPolicy):
        return precision
    if not isinstance(precision, str):
        raise ValueError(
            f"precision = {precision!r} is not accepted: give one of {', '.join(POLICY_NAMES)}, or a PrecisionPolicy"
        )
    fields: dict[str, Any] | None = _POLICIES.get(precision.lower())
    if fields is None:
        raise UnknownNameError(
            f"precision = {precision!r} is not known{did_you_mean(precision, POLICY_NAMES)}; "
            f"give one of {', '.join(POLICY_NAMES)}"
        )
    return PrecisionPolicy(name=precision.lower(), **fields)
