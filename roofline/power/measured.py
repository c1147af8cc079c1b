"""Figures of power that were measured or fitted, each with its source: the only such constants of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MEMORY_J_PER_BYTE = 90e-12
"""Energy from main memory to the core [J/byte]: fitted to Kim Table IV; ML.ENERGY's runs on an H100 give 81 pJ/byte.
The memory itself is a third of it: 3.92 pJ/bit for HBM2 (O'Connor et al., Fine-Grained DRAM, MICRO 2017)."""

IDLE_SHARE = 0.115
"""Idle power over TDP: 80.3 W of 700 W measured on an H200 (serialalice.pt, GPU Energy Benchmark, 2026). A B200 has
0.14 and an MI355X 0.17 (ROCm/legacy-rocm-build issue 5219)."""

ACTIVE_SHARE = 0.26
"""Power of running clocks over TDP less idle: that of the H100 and H200 below."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Constants of a device whose power has been measured against what it was doing.

    Attributes
    ----------
    idle_w, active_w, matrix_w : float
        Without work; added by running clocks; added by the matrix engine while it is busy all the time [W].
    sources : mapping of str to str
        Where each field of :class:`roofline.power.PowerModel` comes from; ``assumption`` starts what is assumed.
    """

    idle_w: float
    active_w: float
    matrix_w: float
    sources: Mapping[str, str]


_HOPPER = Measured(
    idle_w=80.3,
    active_w=160.0,
    matrix_w=1000.0,
    sources={
        "idle_w": "80.3 W measured on an H200: serialalice.pt, GPU Energy Benchmark, 2026",
        "active_w": "fitted to Kim Table IV, column of the 400 W cap, and to the powers of Kim Table V",
        "dynamic_w": "fitted to Kim Tables IV and V; memory 90 pJ/byte",
        "clock_exponent": "assumption: power goes with f·V², and V with the root of f; Table IV fits 1.5 to 3 alike",
        "bandwidth_headroom": "assumption: the fabric carries what the memory gives, no more; Table IV fits 1.0 to 1.2",
        "minimum_clock": "assumption: 345 MHz, the idle clock of an H100 PCIe (chipsandcheese.com, 2023), of 1980 MHz",
    },
)
_GAUDI_2 = Measured(
    idle_w=100.0,
    active_w=210.0,
    matrix_w=187.0,
    sources={
        "idle_w": "assumption: 100 of the 310 W that Kim Table V leaves at no matrix work",
        "active_w": "the rest of those 310 W",
        "dynamic_w": "matrix: slope of power over utilisation in Kim Table V; memory: assumption, 90 pJ/byte",
    },
)
MEASURED: Mapping[str, Measured] = MappingProxyType({"h100-sxm": _HOPPER, "h200-sxm": _HOPPER, "gaudi-2": _GAUDI_2})
"""By the catalogue's key of the device."""
