"""Pictures of estimates: rooflines, where the time goes, throughput over length, thin GEMMs, Pareto fronts.

Each function takes ``ax=None`` and returns the matplotlib ``Axes`` that it drew on, so panels are the caller's to
arrange. It first decides what to draw (the functions called ``plan_…``, numbers without a pixel) and then draws it.
"""

from __future__ import annotations

from roofline.plot.breakdown import breakdown_over, time_breakdown
from roofline.plot.breakdown_plan import BreakdownPlan, plan_breakdown
from roofline.plot.fronts import FrontPlan, FrontSeries, pareto, plan_pareto
from roofline.plot.pictures import PHASE_COLOURS, roofline
from roofline.plot.plan import FurtherRoof, RooflinePlan, RooflinePoint, plan_roofline
from roofline.plot.sweep_plan import SweepLine, SweepPlan, plan_thin_gemm, plan_throughput
from roofline.plot.sweeps import decode_throughput, prefill_throughput, thin_gemm_mfu

__all__ = [
    "PHASE_COLOURS",
    "BreakdownPlan",
    "FrontPlan",
    "FrontSeries",
    "FurtherRoof",
    "RooflinePlan",
    "RooflinePoint",
    "SweepLine",
    "SweepPlan",
    "breakdown_over",
    "decode_throughput",
    "pareto",
    "plan_breakdown",
    "plan_pareto",
    "plan_roofline",
    "plan_thin_gemm",
    "plan_throughput",
    "prefill_throughput",
    "roofline",
    "thin_gemm_mfu",
    "time_breakdown",
]
