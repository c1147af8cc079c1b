"""A fleet that was found: its servers, who serves what, what it costs, and which limits it meets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tco.finance import HOURS_PER_YEAR
from tco.fleet.option import Option


def mean_of_worst(costs: Sequence[float], probabilities: Sequence[float], *, level: float) -> float:
    """Conditional value at risk of costs: their mean over the worst ``1 − level`` of the probability.

    Parameters
    ----------
    costs, probabilities : sequence of float
        By scenario; the probabilities add up to 1.
    level : float
        0, where it is the expected cost, to below 1.

    Returns
    -------
    float

    References
    ----------
    Rockafellar & Uryasev, J. of Risk 2, 2000, Eq. 4; a scenario on the edge of the tail counts in part.

    Examples
    --------
    >>> mean_of_worst([100.0, 200.0, 400.0], [0.5, 0.3, 0.2], level=0.5)
    280.0
    """
    left, total = 1 - level, 0.0
    for cost, probability in sorted(zip(costs, probabilities, strict=True), reverse=True):
        part = min(probability, left)
        total, left = total + part * cost, left - part
    return total / (1 - level)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A fleet in one scenario of demand.

    Attributes
    ----------
    name : str
        Of the scenario.
    probability : float
        Of the scenario.
    demand : dict
        Workload → rate.
    servers : dict
        Option → count, those on demand included.
    shares : dict
        Workload → option, or ``overflow``, → share; those of a workload add up to 1.
    load : dict
        Option → share of its working servers that is busy; at most ``1/(1 + headroom)``.
    breakdown : dict
        Option, or ``overflow``, → cost [USD/year].
    """

    name: str
    probability: float
    demand: dict[str, float]
    servers: dict[str, int]
    shares: dict[str, dict[str, float]]
    load: dict[str, float]
    breakdown: dict[str, float]

    @property
    def usd_per_year(self) -> float:
        """Cost if this scenario lasted a year [USD/year]."""
        return sum(self.breakdown.values())

    @property
    def overflow(self) -> dict[str, float]:
        """Rate of each workload that the fleet does not serve, where there is any."""
        return {
            workload: self.demand[workload] * parts["overflow"]
            for workload, parts in self.shares.items()
            if "overflow" in parts
        }

    def __repr__(self) -> str:
        return f"Outcome({self.name}: {_listed(self.servers)}, probability {self.probability:g})"


@dataclass(frozen=True, eq=False)
class Fleet:
    """The cheapest fleet of a search.

    Attributes
    ----------
    options : tuple of Option
        What there was to choose from.
    servers : dict
        Option → servers that are decided before demand is known.
    outcomes : tuple of Outcome
        The fleet in each scenario of demand; one where there are no scenarios.
    limits : dict
        Limits of the whole fleet that were given.
    shadow_prices : dict
        Limit → what a unit more of it saves if servers are divisible [USD/year per W, rack, gCO2e/year]: the dual of
        the linear relaxation. With ``λ`` for power, every option competes as if it cost ``c + λ·P``.
    bound_usd_per_year : float
        The objective if servers were divisible and nothing limited: ``Σ_w D_w·min_g c_g/T_wg`` [USD/year].
    cvar_level : float or None
        Level of the conditional value at risk that was minimised; ``None`` for the expected cost.
    gap : float
        How far, at most, the objective is above the best possible, as a share of it; above the gap asked for if the
        time ran out.
    """

    options: tuple[Option, ...]
    servers: dict[str, int]
    outcomes: tuple[Outcome, ...]
    limits: dict[str, float]
    shadow_prices: dict[str, float]
    bound_usd_per_year: float
    cvar_level: float | None
    gap: float

    @property
    def usd_per_year(self) -> float:
        """Expected cost [USD/year]."""
        return sum(self.breakdown.values())

    @property
    def usd_per_h(self) -> float:
        """Expected cost by the hour, of 8,760 a year [USD/h]."""
        return self.usd_per_year / HOURS_PER_YEAR

    @property
    def objective_usd_per_year(self) -> float:
        """What was minimised: the expected cost, or its conditional value at risk [USD/year]."""
        return self.usd_per_year if self.cvar_level is None else self.cvar_usd_per_year(self.cvar_level)

    def cvar_usd_per_year(self, level: float) -> float:
        """Mean cost over the worst ``1 − level`` of the probability [USD/year].

        Parameters
        ----------
        level : float
            0 to below 1.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            A level out of range.
        """
        if not 0 <= level < 1:
            raise ValueError(f"level = {level!r} is not accepted: give a number from 0 to below 1")
        costs = [outcome.usd_per_year for outcome in self.outcomes]
        return mean_of_worst(costs, [outcome.probability for outcome in self.outcomes], level=level)

    @property
    def breakdown(self) -> dict[str, float]:
        """Expected cost by option, and of overflow where it is allowed; adds up to the total [USD/year]."""
        return {
            part: sum(outcome.probability * outcome.breakdown[part] for outcome in self.outcomes)
            for part in self.outcomes[0].breakdown
        }

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Workload → option, or ``overflow``, → share of its expected demand; those of a workload add up to 1."""
        result: dict[str, dict[str, float]] = {}
        for workload in self.outcomes[0].demand:
            served: dict[str, float] = {}
            for outcome in self.outcomes:
                for kind, share in outcome.shares.get(workload, {}).items():
                    rate = outcome.probability * outcome.demand[workload] * share
                    served[kind] = served.get(kind, 0.0) + rate
            if total := sum(served.values()):
                result[workload] = {kind: rate / total for kind, rate in served.items()}
        return result

    @property
    def load(self) -> dict[str, float]:
        """Option → busy share of its working servers, in the scenario in which it is busiest."""
        return {name: max(outcome.load[name] for outcome in self.outcomes) for name in self.outcomes[0].load}

    @property
    def power_w(self) -> float | None:
        """Provisioned power at the site in the scenario with most; ``None`` where a server's is unknown [W]."""
        return self._taken("site_power_w")

    @property
    def racks(self) -> float | None:
        """Whole racks at the site in the scenario with most; ``None`` where a server's are unknown."""
        return self._taken("racks")

    @property
    def gco2_per_year(self) -> float | None:
        """Greenhouse gas in the scenario with most; ``None`` where a server's is unknown [gCO2e/year]."""
        return self._taken("gco2_per_year")

    def _taken(self, limit: str) -> float | None:
        totals = []
        for outcome in self.outcomes:
            total = 0.0
            for option in self.options:
                if count := outcome.servers[option.name]:
                    need = option.need(limit)
                    if need is None:
                        return None
                    total += math.ceil(count * need * (1 - 1e-12)) if limit == "racks" else count * need
            totals.append(total)
        return max(totals)

    @property
    def slack(self) -> dict[str, float]:
        """Limit → share of it that is left."""
        return {name: max(1 - (self._taken(name) or 0.0) / limit, 0.0) for name, limit in self.limits.items()}

    @property
    def binding(self) -> tuple[str, ...]:
        """Limits with no room for one more server (or rack) of any kind that takes of them, and supplies used up."""
        names = []
        for limit, left in self.slack.items():
            steps = [1.0 if limit == "racks" else need for option in self.options if (need := option.need(limit))]
            if steps and left * self.limits[limit] < min(steps) * (1 - 1e-9):
                names.append(limit)
        for option in self.options:
            if option.supply is not None and max(o.servers[option.name] for o in self.outcomes) >= option.supply:
                names.append(f"supply of {option.name!r}")
        return tuple(names)

    @property
    def private(self) -> bool:
        """Whether any option's cost is private, so that outputs show ratios and not dollars."""
        return any(option.private for option in self.options)

    def __repr__(self) -> str:
        chosen = [_listed(self.servers)] if any(self.servers.values()) else []
        later = {option.name for option in self.options if option.on_demand}
        most = {name: max(o.servers[name] for o in self.outcomes) for name in self.outcomes[0].servers if name in later}
        if any(most.values()):
            chosen.append(f"on demand up to {_listed(most)}")
        text = f"{', '.join(chosen) or 'no server'}: "
        text += "costs private" if self.private else f"{self.usd_per_year:,.0f} USD/year"
        if self.bound_usd_per_year > 0:
            ratio = self.objective_usd_per_year / self.bound_usd_per_year
            text += f", {ratio:.2f} × the bound of divisible servers"
        if over := sum(bool(outcome.overflow) for outcome in self.outcomes):
            text += (
                f", overflow in {over} of {len(self.outcomes)} scenarios" if len(self.outcomes) > 1 else ", overflow"
            )
        if self.gap > 1e-4:
            text += f", the cheapest may cost up to {self.gap:.1%} less"
        return f"Fleet({text})"


def _listed(servers: dict[str, int]) -> str:
    return " + ".join(f"{count} × {name}" for name, count in servers.items() if count) or "no server"
