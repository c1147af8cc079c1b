"""Total cost of ownership of accelerators for LLM inference: Kim's ratios, their inverses, and the costs behind them.

>>> import tco
>>> round(float(tco.tco_ratio(r_th=0.8, r_sc=0.5, r_ic=0.75, server_share=0.7)), 5)
0.71875
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tco import ratio
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
from tco.surface import Surface, surface

if TYPE_CHECKING:
    from tco import (
        allocation,
        break_even,
        capacity,
        environment,
        finance,
        fleet,
        mix,
        ownership,
        plot,
        power_cap,
        recommendation,
        references,
        risk,
        scenario,
        uncertainty,
    )
    from tco.accounts import Account, account
    from tco.comparison import Comparison, compare
    from tco.costs import Costs, CostsError, read_costs
    from tco.defaults import Assumption
    from tco.deployment import Deployment
    from tco.facility import Facility
    from tco.planning import Plan, PlanComparison, Service, Traffic, plan
    from tco.purchase import Purchase, Rental
    from tco.recommendation import Recommendation, decide
    from tco.scenario import Scenario, ScenarioError, read_scenario

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
    "Recommendation",
    "Rental",
    "Scenario",
    "ScenarioError",
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
    "decide",
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
    "read_scenario",
    "recommendation",
    "references",
    "risk",
    "scenario",
    "server_share",
    "surface",
    "tco_ratio",
    "uncertainty",
]

# What is asked for loads then: the ratios need neither machines nor records.
_HOME = {
    "Account": "accounts",
    "Assumption": "defaults",
    "Comparison": "comparison",
    "Costs": "costs",
    "CostsError": "costs",
    "Deployment": "deployment",
    "Facility": "facility",
    "Plan": "planning",
    "PlanComparison": "planning",
    "Purchase": "purchase",
    "Recommendation": "recommendation",
    "Rental": "purchase",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "Service": "planning",
    "Traffic": "planning",
    "account": "accounts",
    "compare": "comparison",
    "decide": "recommendation",
    "plan": "planning",
    "read_costs": "costs",
    "read_scenario": "scenario",
}
_ROOMS = (
    "allocation",
    "break_even",
    "capacity",
    "environment",
    "finance",
    "fleet",
    "mix",
    "ownership",
    "plot",
    "power_cap",
    "recommendation",
    "references",
    "risk",
    "scenario",
    "uncertainty",
)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"tco.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'tco' has no attribute {name!r}")
    value = getattr(import_module(f"tco.{_HOME[name]}"), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
