"""Total cost of ownership of accelerators for LLM inference: Kim's ratios, their inverses, and the costs behind them.

>>> import tco
>>> round(float(tco.tco_ratio(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7)), 5)
0.71875
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tco import finance, ratio
from tco.accounts import Account, account
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
from tco.purchase import Purchase, Rental
from tco.surface import Surface, surface

if TYPE_CHECKING:
    from tco import (
        allocation,
        break_even,
        capacity,
        environment,
        fleet,
        mix,
        ownership,
        plot,
        power_cap,
        risk,
    )
    from tco.costs import Costs, CostsError, read_costs
    from tco.planning import Plan, PlanComparison, Service, Traffic, plan

# Rooms that most imports never enter load when they are asked for.
_ROOMS = (
    "allocation",
    "break_even",
    "capacity",
    "environment",
    "fleet",
    "mix",
    "ownership",
    "plot",
    "power_cap",
    "risk",
)
_HOME = {
    "tco.costs": ("Costs", "CostsError", "read_costs"),
    "tco.planning": ("Plan", "PlanComparison", "Service", "Traffic", "plan"),
}

__all__ = [
    "Account",
    "Assumption",
    "Comparison",
    "Costs",
    "CostsError",
    "Deployment",
    "Facility",
    "Plan",
    "PlanComparison",
    "Purchase",
    "Rental",
    "Service",
    "Surface",
    "Traffic",
    "account",
    "allocation",
    "break_even",
    "break_even_infrastructure_cost",
    "break_even_server_cost",
    "break_even_throughput",
    "capacity",
    "compare",
    "elasticities",
    "environment",
    "finance",
    "fleet",
    "largest_useful_discount",
    "mix",
    "not_even_free",
    "ownership",
    "plan",
    "plot",
    "power_cap",
    "ratio",
    "read_costs",
    "risk",
    "server_share",
    "surface",
    "tco_ratio",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tco.{name}")
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'tco' has no attribute {name!r}")
