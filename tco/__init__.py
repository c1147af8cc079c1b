"""Total cost of ownership of accelerators for LLM inference: Kim's ratios, their inverses, and the costs behind them.

>>> import tco
>>> round(float(tco.tco_ratio(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7)), 5)
0.71875
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tco import finance, ratio
from tco.checked import (
    break_even_infrastructure_cost,
    break_even_server_cost,
    break_even_throughput,
    elasticities,
    largest_useful_discount,
    not_even_free,
    server_share,
    tco_ratio,
)
from tco.comparison import Comparison, compare
from tco.defaults import Assumption
from tco.deployment import Deployment
from tco.facility import Facility
from tco.surface import Surface, surface

if TYPE_CHECKING:
    from tco import plot
    from tco.costs import Costs, CostsError, read_costs

__all__ = [
    "Assumption",
    "Comparison",
    "Costs",
    "CostsError",
    "Deployment",
    "Facility",
    "Surface",
    "break_even_infrastructure_cost",
    "break_even_server_cost",
    "break_even_throughput",
    "compare",
    "elasticities",
    "finance",
    "largest_useful_discount",
    "not_even_free",
    "plot",
    "ratio",
    "read_costs",
    "server_share",
    "surface",
    "tco_ratio",
]


def __getattr__(name: str) -> Any:
    if name == "plot":  # matplotlib is heavy, and most imports never draw
        return import_module("tco.plot")
    if name in ("Costs", "CostsError", "read_costs"):
        return getattr(import_module("tco.costs"), name)
    raise AttributeError(f"module 'tco' has no attribute {name!r}")
