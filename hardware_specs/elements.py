"""The numbers that one element of a tensor can be, and how a value is rounded to them.

"FP8" is not one set of numbers. Kim III-B: the E4M3 of Gaudi 2 keeps IEEE's special values and ends at 240, seven
magnitudes short of the 448 that NVIDIA's and Gaudi 3's reach; MI300X (FNUZ) ends at 240 too, with another bias.

References
----------
.. [1] Kim et al., arXiv:2502.01070, sections III-B and A-B (Eq. 9).
.. [2] Micikevicius et al., *FP8 Formats for Deep Learning*, arXiv:2209.05433.
.. [3] Open Compute Project, *OCP Microscaling Formats (MX) Specification*, v1.0, 2023.
.. [4] Noune et al., *8-bit Numerical Formats for Deep Neural Networks*, arXiv:2206.02915: the FNUZ encodings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hardware_specs.accelerator import Accelerator
from hardware_specs.errors import UnknownNameError, did_you_mean

Floats: TypeAlias = NDArray[np.floating[Any]]
"""An array of 32-bit or 64-bit floats."""

Special = Literal["ieee", "one nan", "fnuz", "none"]
"""How a format spends codes on infinity, NaN and minus zero."""


def stochastic_rounding_probability(x: Any, down: Any, up: Any) -> Any:
    """Probability that stochastic rounding takes the upper neighbour (Kim Eq. 9); nothing is validated.

    Parameters
    ----------
    x : number or array
        The value to round.
    down, up : number or array
        The neighbouring numbers of the format, ``down ≤ x ≤ up``; both are `x` where it is representable.

    Returns
    -------
    number or array
        ``(x − down)/(up − down)``; 0 at a representable `x`, which stays, where the printed form is 0/0.

    References
    ----------
    Kim et al., arXiv:2502.01070, Eq. 9.

    Examples
    --------
    >>> float(stochastic_rounding_probability(17.5, 16.0, 18.0))
    0.75
    >>> float(stochastic_rounding_probability(16.0, 16.0, 16.0))
    0.0
    """
    gap = np.subtract(up, down)
    return np.subtract(x, down) / np.where(gap == 0, 1.0, gap)


@dataclass(frozen=True, slots=True)
class ElementFormat:
    """The numbers that one element can be, without any scale.

    A fixed-point format is the case of no exponent bits: all its numbers are subnormal, a constant step apart.

    Attributes
    ----------
    name : str
        Such as ``"e4m3"``.
    exponent_bits, mantissa_bits : int
        Width of the two fields [bit]; a sign bit comes on top.
    bias : int
        What the exponent field counts above.
    max : float
        Largest magnitude.
    special : str
        ``"ieee"``: the largest exponent is infinity and NaN; ``"one nan"``: one code for NaN; ``"fnuz"``: NaN in the
        place of minus zero; ``"none"``: every code is a number.

    Examples
    --------
    >>> e4m3 = ELEMENT_FORMATS["e4m3"]
    >>> e4m3.max, e4m3.min_normal, e4m3.min_subnormal
    (448.0, 0.015625, 0.001953125)
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    max: float
    special: Special

    @property
    def bits(self) -> int:
        """Bits of an element, the sign included [bit]."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def min_normal(self) -> float:
        """The smallest normal magnitude; below it the numbers lie `min_subnormal` apart."""
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def min_subnormal(self) -> float:
        """The smallest magnitude above zero."""
        return math.ldexp(1.0, 1 - self.bias - self.mantissa_bits)

    @property
    def magnitudes(self) -> NDArray[np.float64]:
        """All magnitudes from zero to `max`, ascending.

        Examples
        --------
        >>> ELEMENT_FORMATS["e2m1"].magnitudes.tolist()
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
        >>> len(ELEMENT_FORMATS["e4m3"].magnitudes) - len(ELEMENT_FORMATS["e4m3-ieee"].magnitudes)  # Kim III-B
        7
        """
        pattern = np.arange(2 ** (self.bits - 1))
        exponent, fraction = pattern >> self.mantissa_bits, pattern & (2**self.mantissa_bits - 1)
        significand = fraction + np.where(exponent > 0, 2**self.mantissa_bits, 0)
        values = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) - self.bias - self.mantissa_bits)
        finite: NDArray[np.float64] = values[values <= self.max]
        return finite

    def encode(self, codes: Any) -> NDArray[np.unsignedinteger[Any]]:
        """Return the bit patterns of numbers of the format, as its hardware stores them.

        Parameters
        ----------
        codes : array-like
            Numbers of the format, as in `Quantized.codes`; NaN where the format has it.

        Returns
        -------
        array of uint8, or of uint16 for a 16-bit format
            The pattern in the low bits; two's complement for an integer format.

        Raises
        ------
        ValueError
            For what is no number of the format.

        Examples
        --------
        >>> [hex(pattern) for pattern in ELEMENT_FORMATS["e4m3"].encode([448.0, -1.0, float("nan")])]
        ['0x7e', '0xb8', '0x7f']
        """
        codes = np.asarray(codes, dtype=np.float64)
        nan = np.isnan(codes) & (self.special != "none")
        magnitude = np.where(nan, 0.0, np.abs(codes))
        if not (self.rounded(np.minimum(magnitude, self.max)) == magnitude).all():
            raise ValueError(f"codes holds what is no number of {self.name}: round it first, with quantize")
        power = np.maximum(_power_of_two_below(magnitude), self.min_normal)
        exponent, steps = np.frexp(power)[1] - 1, magnitude / power * 2**self.mantissa_bits
        pattern = ((exponent + self.bias - 1) * 2**self.mantissa_bits + steps).astype(np.int64)
        sign = np.int64(1 << (self.bits - 1))
        if self.exponent_bits == 0:
            pattern = np.where(codes < 0, 2 * sign - pattern, pattern)
        else:
            pattern = np.where(np.signbit(codes), pattern + sign, pattern)
        if nan.any():
            quiet = (2 ** (self.exponent_bits + 1) - 1) << max(self.mantissa_bits - 1, 0)
            pattern = np.where(nan, {"ieee": quiet, "one nan": sign - 1, "fnuz": sign}[self.special], pattern)
        patterns: NDArray[np.unsignedinteger[Any]] = pattern.astype(np.uint8 if self.bits <= 8 else np.uint16)
        return patterns

    def rounded(self, values: Floats, rng: np.random.Generator | None = None) -> Floats:
        """Return values rounded to this format's spacing as if its exponent had no upper end.

        Parameters
        ----------
        values : array of float32 or float64
            Already divided by their scale.
        rng : numpy.random.Generator, optional
            Source of chance for stochastic rounding (Kim Eq. 9); to nearest, ties to even, without it.

        Examples
        --------
        >>> ELEMENT_FORMATS["e2m1"].rounded(np.array([0.2, 2.4, 2.5, 7.0])).tolist()
        [0.0, 2.0, 2.0, 8.0]
        """
        spacing = _power_of_two_below(values)
        np.maximum(spacing, self.min_normal, out=spacing)
        spacing *= 2.0**-self.mantissa_bits
        steps = values / spacing  # exact: the divisor is a power of two
        if rng is None:
            np.rint(steps, out=steps)  # ties to even
        else:  # Kim Eq. 9, in steps: the neighbours are one apart, and the probability is the fraction above the lower
            down = np.floor(steps)
            steps = down + (rng.random(steps.shape) < steps - down)
        steps *= spacing
        if self.special == "fnuz" or self.exponent_bits == 0:
            steps += 0.0  # there is no minus zero
        return steps


def _power_of_two_below(values: Floats) -> Floats:
    """Return the largest power of two not above each magnitude, by keeping the exponent bits; 0 for subnormals."""
    if values.dtype == np.float32:
        return (values.view(np.int32) & np.int32(0x7F80_0000)).view(np.float32)
    return (values.view(np.int64) & np.int64(0x7FF0_0000_0000_0000)).view(np.float64)


ELEMENT_FORMATS: Mapping[str, ElementFormat] = MappingProxyType(
    {
        element.name: element
        for element in (
            ElementFormat("bf16", 8, 7, 127, 2.0**127 * (2 - 2**-7), "ieee"),
            ElementFormat("fp16", 5, 10, 15, 65504.0, "ieee"),
            ElementFormat("e4m3", 4, 3, 7, 448.0, "one nan"),  # OCP; NVIDIA, Gaudi 3
            ElementFormat("e4m3-ieee", 4, 3, 7, 240.0, "ieee"),  # Gaudi 2
            ElementFormat("e4m3-fnuz", 4, 3, 8, 240.0, "fnuz"),  # MI300X
            ElementFormat("e5m2", 5, 2, 15, 57344.0, "ieee"),
            ElementFormat("e5m2-fnuz", 5, 2, 16, 57344.0, "fnuz"),
            ElementFormat("e3m2", 3, 2, 3, 28.0, "none"),
            ElementFormat("e2m3", 2, 3, 1, 7.5, "none"),
            ElementFormat("e2m1", 2, 1, 1, 6.0, "none"),
            ElementFormat("int8", 0, 7, -6, 127.0, "none"),  # symmetric: -128 is left out
            ElementFormat("int4", 0, 3, -2, 7.0, "none"),
        )
    }
)
"""The known element formats by name."""

# The library's own format names. MXFP6 may hold E3M2 as well; E2M3 is the finer one.
_ELEMENT_OF = {
    "fp8": "e4m3",
    "fp6": "e2m3",
    "fp4": "e2m1",
    "mxfp8": "e4m3",
    "mxfp6": "e2m3",
    "mxfp4": "e2m1",
    "nvfp4": "e2m1",
    "int4-g128": "int4",
}


def element_format(name: str, *, accelerator: Accelerator | None = None) -> ElementFormat:
    """Return the numbers that a format name stands for, on a machine where it is given.

    Parameters
    ----------
    name : str
        A name of `ELEMENT_FORMATS`, or ``"fp8"``, ``"fp6"``, ``"fp4"``; case does not matter.
    accelerator : Accelerator, optional
        ``"e4m3"`` and ``"e5m2"`` become the encoding of this machine (`Fp8Support.e4m3_max`).

    Returns
    -------
    ElementFormat

    Raises
    ------
    UnknownNameError
        With close matches.
    UnknownValueError
        Where the machine's FP8 is not described.

    References
    ----------
    Kim et al., arXiv:2502.01070, section III-B; AMD ROCm documentation for FNUZ.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> [element_format("e4m3", accelerator=hs.get(name)).max for name in ("gaudi-2", "gaudi-3", "h100")]
    [240.0, 448.0, 448.0]
    """
    lower = name.lower() if isinstance(name, str) else ""
    key = _ELEMENT_OF.get(lower, lower)
    if key not in ELEMENT_FORMATS:
        known = (*ELEMENT_FORMATS, *_ELEMENT_OF)
        hint = did_you_mean(lower, known) or f"; known: {', '.join(known)}"
        raise UnknownNameError(f"unknown element format {name!r}{hint}")
    if accelerator is not None and key in ("e4m3", "e5m2"):
        short = accelerator.require("fp8.e4m3_max") == 240
        if short and accelerator.vendor == "AMD":  # CDNA 3; its FNUZ encodings end at 240 as well
            return ELEMENT_FORMATS[f"{key}-fnuz"]
        if short and key == "e4m3":
            return ELEMENT_FORMATS["e4m3-ieee"]  # E5M2 follows IEEE 754 on all devices, Kim III-B
    return ELEMENT_FORMATS[key]
