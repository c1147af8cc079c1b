"""Pictures of phase estimates: the roofline with a phase's operations on it, and the bars of their times.

Each function takes ``ax=None`` and returns the matplotlib ``Axes`` that it drew on, so panels are the caller's to
arrange. It first decides what to draw (:func:`plan_roofline`, numbers without a pixel) and then draws it.
"""

from __future__ import annotations

from roofline.plot.breakdown import time_breakdown
from roofline.plot.pictures import PHASE_COLOURS, roofline
from roofline.plot.plan import RooflinePlan, RooflinePoint, plan_roofline

__all__ = ["PHASE_COLOURS", "RooflinePlan", "RooflinePoint", "plan_roofline", "roofline", "time_breakdown"]
