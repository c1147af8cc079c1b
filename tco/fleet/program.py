r"""The mixed integer program of a fleet, and its solution by HiGHS through :func:`scipy.optimize.milp`.

With servers ``B_g`` of kind ``g``, parts ``A_wgk`` of workload ``w`` on it in scenario ``k`` out of ``S`` slices,
demand ``D_wk``, rates ``T_wg`` (Mélange, arXiv:2404.14527, with counts of equal slices instead of a binary for each):

* serve: ``Σ_g A_wgk + overflow_wk = S``
* load: ``Σ_w A_wgk·D_wk·(1 + headroom)/(S·T_wg·a_g) ≤ B_g``
* limits: ``Σ_g P_g·B_g ≤ site``, and so for racks (whole ones for each kind) and carbon

The load of a kind is taken together: that a slice fits on one server is not asked for, so this is a relaxation of bin
packing, tight where servers hold many requests at a time. What is decided on demand has a ``B_gk`` for each scenario.
The conditional value at risk is linear after Rockafellar & Uryasev (J. of Risk 2, 2000):
``min t + Σ_k p_k·v_k/(1 − α)``, ``v_k ≥ cost_k − t``, ``v_k ≥ 0``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tco.fleet.option import Option
from tco.fleet.question import Question

COST, ANY = "cost", "any"
WHOLE_SLICES = "split=False"
_TINY = 1e-3  # servers; below it the solver's tolerance of 1e-6 would let a workload be served by nobody


@dataclass(frozen=True, eq=False)
class Solution:
    """Servers and shares by scenario, as the solver gives them, made whole.

    Attributes
    ----------
    servers : dict
        Scenario → option → count.
    shares : dict
        Scenario → workload → option, or ``overflow``, → share of the workload.
    objective : float
        What was minimised [USD/year, or share of a limit].
    gap : float
        Relative distance from the best that is still possible.
    """

    servers: dict[str, dict[str, int]]
    shares: dict[str, dict[str, dict[str, float]]]
    objective: float
    gap: float


class Program:
    """Columns and rows of a question, in the order in which they are added.

    Parameters
    ----------
    question : Question
        What is asked.
    lifted : collection of str
        Limits that do not count (see :meth:`liftable`).
    bought : mapping of str to int, optional
        Counts of what is decided before demand is known, where they are settled already.
    goal : str
        What is minimised: the cost, nothing (any fleet will do), or one limit of the question.
    """

    def __init__(
        self,
        question: Question,
        *,
        lifted: Collection[str] = (),
        bought: Mapping[str, int] | None = None,
        goal: str = COST,
    ) -> None:
        self.question = question
        self.lifted = lifted
        self.goal = goal
        self.cost: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[bool] = []
        self._entries: list[tuple[int, int, float]] = []
        self.row_low: list[float] = []
        self.row_high: list[float] = []
        self.servers: dict[tuple[str, str], int] = {}
        self.parts: dict[tuple[str, str, str], int] = {}
        self.limits: dict[str, int] = {}
        self._risk: dict[str, list[tuple[int, float]]] | None = None
        if question.cvar_level is not None:
            self._risk = {scenario: [] for scenario in question.demand}
        self._add_servers(bought or {})
        for scenario in question.demand:
            self._add_parts(scenario)
            self._add_load(scenario)
        for limit in question.limits:
            self._add_limit(limit)
        self._add_risk()

    @staticmethod
    def liftable(question: Question) -> list[str]:
        """Every limit of a question that could be in the way of its answer."""
        names = list(question.limits)
        for option in question.options:
            names += [f"supply of {option.name!r}"] if option.supply is not None else []
            names += [f"at_least of {option.name!r}"] if option.at_least else []
            names += [f"minimum of {option.name!r}"] if option.minimum > 1 else []
        return names if question.split else [*names, WHOLE_SLICES]

    def column(self, cost: float, *, low: float = 0.0, high: float = math.inf, whole: bool = False) -> int:
        """Add a variable and return its number."""
        self.cost.append(cost if self.goal == COST else 0.0)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, entries: Mapping[int, float], *, low: float = -math.inf, high: float = math.inf) -> None:
        """Add a linear constraint."""
        number = len(self.row_low)
        self._entries += [(number, column, value) for column, value in entries.items()]
        self.row_low.append(low)
        self.row_high.append(high)

    def _add_servers(self, bought: Mapping[str, int]) -> None:
        for option in self.question.options:
            if option.on_demand:
                for scenario in self.question.demand:
                    self.servers[scenario, option.name] = self._later(
                        scenario, option.usd_per_year, self._count(option)
                    )
            else:
                one = self._count(option, bought.get(option.name))
                self.cost[one] = option.usd_per_year if self.goal == COST else 0.0
                for scenario in self.question.demand:
                    self.servers[scenario, option.name] = one

    def _count(self, option: Option, settled: int | None = None) -> int:
        """Add the number of servers of a kind, with what is asked of it alone."""
        if settled is not None:
            return self.column(0.0, low=settled, high=settled, whole=True)
        most = self.question.most(option)
        supply = most if option.supply is None or f"supply of {option.name!r}" in self.lifted else option.supply
        low = 0 if f"at_least of {option.name!r}" in self.lifted else option.at_least
        servers = self.column(0.0, low=low, high=min(supply, most), whole=True)
        if option.minimum > 1 and f"minimum of {option.name!r}" not in self.lifted:
            used = self.column(0.0, high=1, whole=True)
            self.row({servers: 1.0, used: -float(most)}, high=0.0)
            self.row({servers: 1.0, used: -float(option.minimum)}, low=0.0)
        return servers

    def _later(self, scenario: str, usd_per_year: float, column: int) -> int:
        """Give a column that is decided in a scenario its cost."""
        if self.goal == COST:
            if self._risk is None:
                self.cost[column] = self.question.probabilities[scenario] * usd_per_year
            else:
                self._risk[scenario].append((column, usd_per_year))
        return column

    def _add_parts(self, scenario: str) -> None:
        question = self.question
        whole = not question.split and WHOLE_SLICES not in self.lifted
        for workload, rate in question.demand[scenario].items():
            if rate == 0:
                continue
            kinds = [option.name for option in question.options if workload in option.rates]
            parts = {kind: self.column(0.0, high=question.slices, whole=whole) for kind in kinds}
            if workload in question.overflow:
                over = self.column(0.0, high=question.slices, whole=whole)
                usd_per_year = question.overflow[workload] * rate / question.slices
                parts["overflow"] = self._later(scenario, usd_per_year, over)
            self.parts.update({(scenario, workload, kind): column for kind, column in parts.items()})
            self.row(dict.fromkeys(parts.values(), 1.0), low=question.slices, high=question.slices)

    def _add_load(self, scenario: str) -> None:
        question = self.question
        for option in question.options:
            servers = self.servers[scenario, option.name]
            load = {servers: -1.0}
            for workload in question.demand[scenario]:
                column = self.parts.get((scenario, workload, option.name))
                if column is None:
                    continue
                needed = question.servers_for(option, scenario, workload)
                load[column] = needed / question.slices
                if needed < _TINY:
                    self.row({column: 1 / question.slices, servers: -1.0}, high=0.0)
            self.row(load, high=0.0)

    def _add_limit(self, limit: str) -> None:
        """Add a limit of the whole fleet, with the share of it that is used as a column of its own."""
        question = self.question
        high = math.inf if limit in self.lifted or limit == self.goal else 1.0
        used = self.limits[limit] = self.column(0.0, high=high)
        if limit == self.goal:
            self.cost[used] = 1.0
        later = any(option.on_demand for option in question.options)
        for scenario in question.demand if later else list(question.demand)[:1]:
            taken = {used: -1.0}
            for option in question.options:
                servers, need = self.servers[scenario, option.name], option.need(limit)
                if not need:
                    continue
                if limit == "racks":
                    racks = self.column(0.0, whole=True)
                    self.row({servers: need, racks: -1.0}, high=0.0)
                    taken[racks] = 1 / question.limits[limit]
                else:
                    taken[servers] = need / question.limits[limit]
            self.row(taken, high=0.0)

    def _add_risk(self) -> None:
        if self._risk is None or self.question.cvar_level is None:
            return
        t = self.column(1.0)
        for scenario, costs in self._risk.items():
            excess = self.column(self.question.probabilities[scenario] / (1 - self.question.cvar_level))
            self.row({t: 1.0, excess: 1.0, **{column: -usd for column, usd in costs}}, low=0.0)

    @property
    def _scale(self) -> float:
        """Unit of cost in which the solver's absolute tolerances are of no account [USD/year]."""
        if self.goal != COST:
            return 1e-4
        bounds = [self.question.bound(scenario) for scenario in self.question.demand]
        one = min((option.usd_per_year for option in self.question.options if option.usd_per_year), default=0.0)
        return (max(*bounds, one) or 1.0) / 1e4

    def _matrix(self) -> Any:
        from scipy.sparse import csr_array

        rows, columns, values = zip(*self._entries, strict=True)
        places = np.asarray([rows, columns], dtype=np.int32)  # HiGHS in SciPy 1.13 takes no other indices
        return csr_array((values, tuple(places)), shape=(len(self.row_low), len(self.cost)))

    def solve(self) -> Solution | None:
        """Solve the program; ``None`` if nothing keeps all its limits.

        Raises
        ------
        ValueError
            The time ran out before any fleet was found.
        RuntimeError
            The solver's answer is none.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        question, scale = self.question, self._scale
        options = {"mip_rel_gap": question.gap, "time_limit": question.time_limit_s}
        matrix, low, high = self._matrix(), np.asarray(self.row_low), np.asarray(self.row_high)
        program = {
            "c": np.asarray(self.cost) / scale,
            "integrality": np.asarray(self.whole, dtype=int),
            "bounds": Bounds(np.asarray(self.low), np.asarray(self.high)),
            "constraints": LinearConstraint(matrix, low, high),
        }
        found = milp(**program, options=options)
        # Presolve may leave open whether a program is infeasible or unbounded, which costs of at least 0 never are, and
        # HiGHS has called points optimal that break a row (SciPy issues 22812, 24141): ask again without it.
        if found.status == 4 or not _keeps(found.x, matrix, low, high):
            found = milp(**program, options={**options, "presolve": False})
        if found.status == 2:
            return None
        if found.x is None:
            raise ValueError(f"no fleet was found within time_limit_s = {question.time_limit_s:g}: give it more time")
        if not _keeps(found.x, matrix, low, high):
            raise RuntimeError("the solver's answer breaks a limit by more than rounding: try a newer SciPy")
        best = max(float(found.mip_dual_bound or 0.0), 0.0)
        return self._made_whole(found.x, objective=float(found.fun) * scale, best=best * scale)

    def _made_whole(self, x: Any, *, objective: float, best: float) -> Solution:
        question = self.question
        servers = {
            scenario: {option.name: round(x[self.servers[scenario, option.name]]) for option in question.options}
            for scenario in question.demand
        }
        shares: dict[str, dict[str, dict[str, float]]] = {scenario: {} for scenario in question.demand}
        for (scenario, workload, kind), column in self.parts.items():
            part = float(x[column]) if question.split else float(round(x[column]))
            # What the solver's tolerance leaves on a kind of which there is none belongs to the others.
            if part > 1e-9 * question.slices and (kind == "overflow" or servers[scenario][kind]):
                shares[scenario].setdefault(workload, {})[kind] = part
        for served in shares.values():
            for workload, parts in served.items():
                total = sum(parts.values())
                served[workload] = {kind: part / total for kind, part in parts.items()}
        gap = max(objective - best, 0.0) / objective if objective > 0 else 0.0
        return Solution(servers=servers, shares=shares, objective=objective, gap=gap)

    def shadow_prices(self) -> dict[str, float]:
        """What a unit more of each limit saves where servers are divisible [USD/year per W, rack or gCO2e/year].

        The dual of the linear relaxation; empty where divisible servers cannot keep the limits either.
        """
        from scipy.optimize import linprog

        matrix, scale = self._matrix(), self._scale
        low, high = np.asarray(self.row_low), np.asarray(self.row_high)
        equal = low == high
        above, below = np.isfinite(low) & ~equal, np.isfinite(high) & ~equal
        from scipy.sparse import vstack

        found = linprog(
            np.asarray(self.cost) / scale,
            A_ub=vstack([matrix[below], -matrix[above]]),
            b_ub=np.concatenate([high[below], -low[above]]),
            A_eq=matrix[equal],
            b_eq=low[equal],
            bounds=np.column_stack([self.low, self.high]),
            method="highs",
        )
        if found.status != 0:
            return {}
        # The derivative by the upper bound of the share used; that bound is 1, whatever the limit is.
        slopes = {limit: float(found.upper.marginals[column]) for limit, column in self.limits.items()}
        return {limit: abs(min(slope, 0.0)) * scale / self.question.limits[limit] for limit, slope in slopes.items()}


def _keeps(x: Any, matrix: Any, low: Any, high: Any) -> bool:
    """Whether a point keeps all rows, but for the solver's tolerance; true if there is no point."""
    if x is None:
        return True
    rows = matrix @ np.asarray(x)
    room = 1e-5 * np.maximum(1.0, np.abs(rows))
    return bool(np.all(rows >= low - room) and np.all(rows <= high + room))
