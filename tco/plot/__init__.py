"""Pictures of a TCO comparison: which side is cheaper, why, how surely, and what to buy.

Each takes ``ax=None`` and returns the matplotlib ``Axes`` that it drew on. What to show is decided first (``plan_…``:
frozen results without a pixel) and drawn then. Pictures know ratios; dollars appear where ``reveal=True`` asks for
them.

=====================================  =====================================================================
:func:`heatmap`, :func:`regions`       TCO ratio over throughput and server cost (Kim Figures 1 and 2), with points
                                       and clouds of workloads
:func:`breakdown`                      what the cost is made of
:func:`tornado`, :func:`distribution`  which inputs would turn the answer, and how likely A is cheaper
:func:`power_cap`                      cost per token over the cap, with the steps of whole servers in a rack
:func:`fleet`, :func:`assignment`      what fleets are made of, and which servers do which work
:func:`cheapest`                       which of many machines is cheapest over two axes
=====================================  =====================================================================

:func:`save` writes them.
"""

from __future__ import annotations

from tco.plot.caps import power_cap
from tco.plot.caps_plan import PowerCapPlan, RackBand, plan_power_cap
from tco.plot.clouds import Cloud, plan_clouds
from tco.plot.costs import breakdown
from tco.plot.costs_plan import BreakdownPlan, plan_breakdown
from tco.plot.file import save
from tco.plot.fleets import assignment, fleet
from tco.plot.fleets_plan import AssignmentPlan, FleetPlan, plan_assignment, plan_fleet
from tco.plot.machines import cheapest
from tco.plot.machines_plan import CheapestPlan, RegionLabel, plan_cheapest
from tco.plot.pictures import heatmap, regions
from tco.plot.plan import (
    CHEAPER,
    DEARER,
    HeatmapPlan,
    RatioScale,
    cell_edges,
    plan_heatmap,
    ratio_colours,
    ratio_scale,
)
from tco.plot.risk import distribution, tornado
from tco.plot.risk_plan import DistributionPlan, TornadoPlan, TornadoRow, plan_distribution, plan_tornado

__all__ = [
    "CHEAPER",
    "DEARER",
    "AssignmentPlan",
    "BreakdownPlan",
    "CheapestPlan",
    "Cloud",
    "DistributionPlan",
    "FleetPlan",
    "HeatmapPlan",
    "PowerCapPlan",
    "RackBand",
    "RatioScale",
    "RegionLabel",
    "TornadoPlan",
    "TornadoRow",
    "assignment",
    "breakdown",
    "cell_edges",
    "cheapest",
    "distribution",
    "fleet",
    "heatmap",
    "plan_assignment",
    "plan_breakdown",
    "plan_cheapest",
    "plan_clouds",
    "plan_distribution",
    "plan_fleet",
    "plan_heatmap",
    "plan_power_cap",
    "plan_tornado",
    "power_cap",
    "ratio_colours",
    "ratio_scale",
    "regions",
    "save",
    "tornado",
]
