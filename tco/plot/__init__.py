"""Pictures of the TCO surface: the table of ratios (Kim Figure 1) and its two regions (Kim Figure 2).

Both show where A is cheaper than B and where it is dearer, in server cost ratio (x) and throughput ratio (y), and take
``ax=None`` and return the matplotlib ``Axes`` that they drew on. What to show is decided first (:func:`plan_heatmap`,
:class:`RatioScale`: numbers without a pixel) and drawn then. Pictures know ratios only; :func:`save` writes them.
"""

from __future__ import annotations

from tco.plot.file import save
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

__all__ = [
    "CHEAPER",
    "DEARER",
    "HeatmapPlan",
    "RatioScale",
    "cell_edges",
    "heatmap",
    "plan_heatmap",
    "ratio_colours",
    "ratio_scale",
    "regions",
    "save",
]
