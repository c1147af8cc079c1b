"""Pictures of estimates: rooflines, where time goes, throughput over length, thin GEMMs, fronts, measured runs.

Each function takes ``ax=None`` and returns the matplotlib ``Axes`` that it drew on, so panels are the caller's to
arrange. It first decides what to draw (the functions called ``plan_…``, numbers without a pixel) and then draws it.
"""

from __future__ import annotations

from roofline.plot.against_plan import AgainstPlan, MeasuredSeries, ModelLine, plan_against_roofline
from roofline.plot.breakdown import breakdown_over, time_breakdown
from roofline.plot.breakdown_plan import BreakdownPlan, plan_breakdown
from roofline.plot.compared import Compared, compare
from roofline.plot.fronts import FrontPlan, FrontSeries, pareto, plan_pareto
from roofline.plot.measured import against_roofline, parity, residuals
from roofline.plot.measured_plan import (
    ParityPlan,
    ResidualGroup,
    ResidualPlan,
    plan_parity,
    plan_residuals,
)
from roofline.plot.pictures import PHASE_COLOURS, roofline
from roofline.plot.plan import FurtherRoof, RooflinePlan, RooflinePoint, plan_roofline
from roofline.plot.sweep_plan import SweepLine, SweepPlan, plan_thin_gemm, plan_throughput
from roofline.plot.sweeps import decode_throughput, prefill_throughput, thin_gemm_mfu

__all__ = [
    "PHASE_COLOURS",
    "AgainstPlan",
    "BreakdownPlan",
    "Compared",
    "FrontPlan",
    "FrontSeries",
    "FurtherRoof",
    "MeasuredSeries",
    "ModelLine",
    "ParityPlan",
    "ResidualGroup",
    "ResidualPlan",
    "RooflinePlan",
    "RooflinePoint",
    "SweepLine",
    "SweepPlan",
    "against_roofline",
    "breakdown_over",
    "compare",
    "decode_throughput",
    "pareto",
    "parity",
    "plan_against_roofline",
    "plan_breakdown",
    "plan_pareto",
    "plan_parity",
    "plan_residuals",
    "plan_roofline",
    "plan_thin_gemm",
    "plan_throughput",
    "prefill_throughput",
    "residuals",
    "roofline",
    "thin_gemm_mfu",
    "time_breakdown",
]
