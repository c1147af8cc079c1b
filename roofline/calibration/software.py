"""What is known of software beforehand, from its own sources: which kernels it runs where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardware_specs import number_format

if TYPE_CHECKING:
    from hardware_specs import Accelerator
    from roofline.llm import LLM
    from roofline.precision import PrecisionPolicy

WHOLE_HEADS = 512
"""Sequences times heads of a device from which vLLM's paged attention no longer splits contexts: blocks enough."""


def is_narrow(format_name: str) -> bool:
    """Whether a number format has fewer than 16 bits.

    Parameters
    ----------
    format_name : str
        Such as ``"fp8"``.
    """
    return number_format(format_name).bits < 16


def is_emulated(precision: PrecisionPolicy, device: Accelerator) -> bool:
    """Whether weights or cache are stored in 8-bit or 4-bit floats that a machine has no instructions for.

    Kernels then take the bits apart, in as many ways as there are kernels: no constant of the machine tells how long.

    Parameters
    ----------
    precision : PrecisionPolicy
        Formats of each part.
    device : Accelerator
        The machine.
    """
    stored = {number_format(name).engine or name for name in (precision.weights, precision.kv_cache)}
    floats = {name for name in stored if name.startswith("fp") and is_narrow(name)}
    return any(name not in {number_format(known).engine for known in device.formats} for name in floats)


def is_paged(framework: str, device: Accelerator, llm: LLM, kv_cache: str = "bf16") -> bool:
    """Whether decode attention runs in vLLM's own paged kernels, not in FlashAttention's.

    So it is on AMD's machines; and elsewhere for models with windows, as long as FlashAttention had none: of the runs
    that we have, those on the H100 show it, those on the A100 and the GH200, of other versions, do not.

    Parameters
    ----------
    framework : str
        The serving software.
    device : Accelerator
        The machine.
    llm : LLM
        The model.
    kv_cache : str
        Format of keys and values: FlashAttention reads 16 bits.
    """
    windowed = any(group.window for group in llm.layer_groups)
    return framework == "vLLM" and (
        device.vendor == "AMD" or is_narrow(kv_cache) or (device.key == "h100-sxm" and windowed)
    )
