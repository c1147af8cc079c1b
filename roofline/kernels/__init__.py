"""Measured kernels, and how far they stay behind the roofline: one curve per kind, precision, machine and framework.

>>> from roofline import kernels
>>> curve = kernels.get_curves("h100-sxm").curve("linear", "bf16")
>>> print(f"{curve.matrix:.2f} of the matrix peak, {curve.overhead_s * 1e6:.1f} µs to start")
0.82 of the matrix peak, 2.8 µs to start
"""

from __future__ import annotations

from roofline.kernels.curves import (
    CONSTANTS,
    Bounds,
    KernelCurve,
    KernelError,
    Kernels,
    Transfer,
    constants_of,
    fit_curve,
    left_out,
    transfer,
)
from roofline.kernels.shipped import KernelCurves, as_toml, curve_names, get_curves
from roofline.kernels.tables import FRAMEWORKS, MACHINES, Table, available, data_folder, package_version, read
from roofline.kernels.work import (
    ATTENTION_FORMATS,
    COLLECTIVES,
    KINDS,
    LINEAR_FORMATS,
    IdealTimes,
    Work,
    collective,
    decode_attention,
    formats,
    ideal_times_s,
    linear,
    prefill_attention,
    roofline_s,
)

__all__ = [
    "ATTENTION_FORMATS",
    "COLLECTIVES",
    "CONSTANTS",
    "FRAMEWORKS",
    "KINDS",
    "LINEAR_FORMATS",
    "MACHINES",
    "Bounds",
    "IdealTimes",
    "KernelCurve",
    "KernelCurves",
    "KernelError",
    "Kernels",
    "Table",
    "Transfer",
    "Work",
    "as_toml",
    "available",
    "collective",
    "constants_of",
    "curve_names",
    "data_folder",
    "decode_attention",
    "fit_curve",
    "formats",
    "get_curves",
    "ideal_times_s",
    "left_out",
    "linear",
    "package_version",
    "prefill_attention",
    "read",
    "roofline_s",
    "transfer",
]
