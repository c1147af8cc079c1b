"""Measured kernels, and how far they stay behind the roofline: one curve per kind, precision, machine and framework."""

from __future__ import annotations

from roofline.kernels.curves import (
    CONSTANTS,
    KernelCurve,
    KernelError,
    Kernels,
    Transfer,
    constants_of,
    fit_curve,
    left_out,
    transfer,
)
from roofline.kernels.work import (
    ATTENTION_FORMATS,
    KINDS,
    LINEAR_FORMATS,
    IdealTimes,
    Work,
    collective,
    decode_attention,
    ideal_times_s,
    linear,
    prefill_attention,
    roofline_s,
)
