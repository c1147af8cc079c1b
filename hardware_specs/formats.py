"""Number formats: how many bits an element takes in memory, and which matrix rate it computes at.

Block formats store a shared scale beside each group of elements, so an element costs ``element_bits +
scale_bits / group`` bits.

References
----------
.. [1] Open Compute Project, *OCP Microscaling Formats (MX) Specification*, v1.0, 2023: groups of 32 with an E8M0 scale
       (8 bits).
.. [2] NVIDIA, *Introducing NVFP4*, 2025: groups of 16 with an E4M3 scale (8 bits); the scale per tensor is negligible.
.. [3] Micikevicius et al., *FP8 Formats for Deep Learning*, arXiv:2209.05433.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hardware_specs.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How a number is stored, and which matrix engine multiplies it.

    Attributes
    ----------
    name : str
        Lower-case name, such as ``"mxfp8"``.
    element_bits : int
        Bits of one element [bit].
    engine : str or None
        The precision whose matrix peak applies (a field of `Rates`); ``None`` for a format that is only stored, and
        converted before it is multiplied.
    scale_bits : int
        Bits of the scale that a group shares [bit].
    group : int
        Elements per scale; 1 where there is none.
    scaling : str or None
        The block scaling that the matrix engine must apply in hardware (a value of `Fp8Support.scaling`).

    Examples
    --------
    >>> FORMATS["mxfp8"].bits
    8.25
    """

    name: str
    element_bits: int
    engine: str | None
    scale_bits: int = 0
    group: int = 1
    scaling: str | None = None

    @property
    def bits(self) -> float:
        """Bits per element, its share of the scale included [bit]."""
        return self.element_bits + self.scale_bits / self.group

    @property
    def bytes(self) -> float:
        """Bytes per element, its share of the scale included [byte].

        Examples
        --------
        >>> FORMATS["nvfp4"].bytes
        0.5625
        """
        return self.bits / 8


FORMATS: Mapping[str, NumberFormat] = MappingProxyType(
    {
        fmt.name: fmt
        for fmt in (
            NumberFormat("fp64", 64, "fp64"),
            NumberFormat("fp32", 32, "fp32"),
            NumberFormat("tf32", 32, "tf32"),  # computed on 19 bits, stored in 32
            NumberFormat("bf16", 16, "bf16"),
            NumberFormat("fp16", 16, "fp16"),
            NumberFormat("fp8", 8, "fp8"),
            NumberFormat("int8", 8, "int8"),
            NumberFormat("fp6", 6, "fp6"),
            NumberFormat("fp4", 4, "fp4"),
            NumberFormat("mxfp8", 8, "fp8", scale_bits=8, group=32, scaling="mx"),
            NumberFormat("mxfp6", 6, "fp6", scale_bits=8, group=32, scaling="mx"),
            NumberFormat("mxfp4", 4, "fp4", scale_bits=8, group=32, scaling="mx"),
            NumberFormat("nvfp4", 4, "fp4", scale_bits=8, group=16, scaling="nvfp4"),
            NumberFormat("int4-g128", 4, None, scale_bits=16, group=128),  # GPTQ/AWQ: weights only, FP16 scale
        )
    }
)
"""The known formats by name."""


def number_format(name: str) -> NumberFormat:
    """Return the number format called `name`.

    Parameters
    ----------
    name : str
        One of `FORMATS`; case does not matter.

    Returns
    -------
    NumberFormat

    Raises
    ------
    UnknownNameError
        With close matches, where there is no such format.

    Examples
    --------
    >>> number_format("NVFP4").bits
    4.5
    >>> number_format("mxfp9")
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownNameError: unknown number format 'mxfp9'; did you mean mxfp8, mxfp6, mxfp4?
    """
    found = FORMATS.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        hint = did_you_mean(str(name).lower(), FORMATS) or f"; known: {', '.join(FORMATS)}"
        raise UnknownNameError(f"unknown number format {name!r}{hint}")
    return found
