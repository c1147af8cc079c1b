"""From a scenario to a decision: every candidate planned, compared, and drawn with whatever may be off.

Nothing here reads a file or draws a picture: calibrations come in as arguments, figures are made of what goes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from roofline.spread import Interval
from tco import finance, risk
from tco.accounts import Account
from tco.mix import CannotServeError, MixTable, Served
from tco.planning import PlanComparison
from tco.recommendation.inputs import inputs_of, of_candidate
from tco.recommendation.limits import beyond, is_growing
from tco.recommendation.standing import Standing, stand
from tco.risk import Distribution

if TYPE_CHECKING:
    from roofline.calibration import Calibration
    from tco.scenario.model import Scenario


@dataclass(frozen=True, eq=False)
class Recommendation:
    """What a scenario comes to.

    Attributes
    ----------
    scenario : Scenario
        What was asked.
    standings : dict of str to Standing
        Candidates that can serve everything, in the order of the file.
    unable : dict of str to str
        The others, with the reason.
    inputs : dict of str to Distribution
        Everything that was taken to be off, by name; a candidate's own as ``NAME.input``.
    twins : dict of str to str
        Candidates whose throughput rests on the same calibration or measurement as that of one before: both are off
        alike, so that the errors of a machine do not speak against renting it instead.
    beside : dict of str to Standing
        Of those that are unable: the ones that serve everything well, but of which not enough can be had, fed or housed
        for all of it. Planned without those limits; a fleet of several machines may have some.
    """

    scenario: Scenario
    standings: Mapping[str, Standing]
    unable: Mapping[str, str]
    inputs: Mapping[str, Distribution] = field(repr=False)
    twins: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Standing] = field(default_factory=dict)

    # ----------------------------------------------------------------------------------------------------- as planned

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Candidates from the cheapest to the dearest, as planned."""
        return tuple(sorted(self.standings, key=lambda name: self.standings[name].plan.usd_per_year))

    @property
    def planned(self) -> dict[str, Standing]:
        """All that have a plan: in order of cost, then those beside."""
        return {name: self.standings[name] for name in self.order} | dict(self.beside)

    @property
    def grows(self) -> bool:
        """Whether any traffic does, within the years of the decision."""
        return is_growing(self.scenario)

    @property
    def best(self) -> str:
        """Cheapest candidate, as planned."""
        return self.order[0]

    @property
    def runner_up(self) -> str | None:
        """Second cheapest; ``None`` where only one can serve."""
        return self.order[1] if len(self.order) > 1 else None

    @property
    def reference(self) -> str:
        """Candidate that ratios are over: the scenario's, else the second cheapest."""
        chosen = self.scenario.decision.reference
        return chosen if chosen is not None and chosen in self.standings else (self.runner_up or self.best)

    def compare(self, a: str, b: str) -> PlanComparison:
        """Two candidates' plans for the same traffic.

        Parameters
        ----------
        a, b : str
            Names.
        """
        return PlanComparison(self.standings[a].plan, self.standings[b].plan)

    @property
    def against_runner_up(self) -> PlanComparison | None:
        """The cheapest over the second cheapest."""
        return None if self.runner_up is None else self.compare(self.best, self.runner_up)

    @cached_property
    def mix(self) -> MixTable:
        """Throughput and cost of every application on every candidate that serves all."""
        names = list(self.standings)
        applications = self.scenario.applications
        costs = [self.standings[name].plan for name in names]
        total = sum(one.tokens_per_s for one in applications)
        return MixTable(
            applications=tuple(one.name for one in applications),
            machines=tuple(names),
            tokens_per_s=np.array([[self.standings[name].rates[one.name] for name in names] for one in applications]),
            shares=np.array([one.tokens_per_s / total for one in applications]),
            usd_per_year=[one.usd_per_year / one.servers for one in costs],
            server_usd_per_year=[float(one.account.server_usd) / one.servers for one in costs],
        )

    def by_year(self, name: str) -> Account:
        """Account of each year of the decision, each application growing at its own rate.

        Parameters
        ----------
        name : str
            Of the candidate.
        """
        return self.standings[name].by_year(self.scenario)

    def levelised_usd_per_million_tokens(self, name: str) -> float:
        """Cost of a million tokens over the years of the decision, both discounted [USD per 10⁶ tokens].

        Parameters
        ----------
        name : str
            Of the candidate.
        """
        by_year = self.by_year(name)
        return float(
            finance.levelised_cost(
                costs=by_year.total_usd,
                quantities=by_year.tokens / 1e6,
                rate=self.standings[name].plan.deployment.facility.discount_rate,
            )
        )

    # ------------------------------------------------------------------------------------- with all that may be off

    @property
    def correlations(self) -> dict[tuple[str, str], float]:
        """Correlations of inputs, by their names; of a candidate that cannot serve there are none."""
        return {one.between: one.value for one in self.scenario.correlations if set(one.between) <= set(self.inputs)}

    @cached_property
    def draws(self) -> dict[str, Array]:
        """The inputs, drawn together: what candidates share is drawn once for all."""
        if not self.inputs:
            return {}
        decision = self.scenario.decision
        return risk.draw(
            self.inputs,
            count=1 << (decision.draws - 1).bit_length(),
            correlations=self.correlations,
            seed=decision.seed,
        )

    def changes(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of some values that a candidate's account takes, by its own names.

        Parameters
        ----------
        name : str
            Of the candidate.
        values : mapping
            By the names of :attr:`inputs`.
        """
        found = of_candidate(name, values, self.standings[name].plan, self.scenario.ranges)
        twin = self.twins.get(name)
        if twin is not None and f"{twin}.tokens_per_s" in values:
            one, other = (self.standings[key].plan.deployment for key in (name, twin))
            assert one.spread is not None and other.spread is not None  # noqa: S101, PT018 - else they are no twins
            off = values[f"{twin}.tokens_per_s"] / float(other.tokens_per_s)
            found["tokens_per_s"] = float(one.tokens_per_s) * off ** (one.spread.scale / other.spread.scale)
        return found

    @cached_property
    def costs(self) -> dict[str, Array]:
        """Yearly cost of each candidate in every draw [USD/year]."""
        return {
            name: np.asarray(standing.plan.evaluate(**self.changes(name, self.draws)).total_usd)
            for name, standing in self.standings.items()
        }

    @cached_property
    def cost_table(self) -> Array:
        """Those costs by candidate and draw [USD/year]."""
        return np.array([np.broadcast_to(usd, self._size) for usd in self.costs.values()])

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Probability that each candidate is the cheapest."""
        table = self.cost_table
        first = table == table.min(axis=0)
        shares = (first / first.sum(axis=0)).mean(axis=1)
        return dict(zip(self.costs, map(float, shares), strict=True))

    @property
    def _size(self) -> int:
        return max((np.size(values) for values in self.draws.values()), default=1)

    def ratio_draws(self, a: str, b: str) -> Array:
        """TCO of one candidate over another's in every draw.

        Parameters
        ----------
        a, b : str
            Names.
        """
        return np.broadcast_to(self.costs[a] / self.costs[b], self._size)

    def interval(self, a: str, b: str) -> Interval:
        """Bounds of that ratio, within which it lies with the decision's level.

        Parameters
        ----------
        a, b : str
            Names.
        """
        level = self.scenario.decision.level
        low, high = np.quantile(self.ratio_draws(a, b), [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(low), float(high), level)

    @property
    def evpi(self) -> float:
        """What knowing everything before deciding would save, as a share of the cost of deciding now.

        The best on average against the mean of the best in each draw: what a benchmark campaign may cost at most.
        """
        table = self.cost_table
        now = table.mean(axis=1).min()
        return float((now - table.min(axis=0).mean()) / now)

    @property
    def upper_bounds(self) -> tuple[str, ...]:
        """Candidates whose throughput is an ideal roofline, of which nothing says how far it is off."""
        return tuple(
            name for name, one in self.standings.items() if one.plan.deployment.throughput.kind == "ideal roofline"
        )

    @property
    def decided(self) -> bool:
        """Whether the cheapest is so with the probability asked for, and rests on no upper bound."""
        enough = self.probabilities[self.best] >= self.scenario.decision.level
        return bool(enough and self.best not in self.upper_bounds)

    def tornado(self, level: float = 0.9) -> risk.Tornado | None:
        """What each input alone does to the ratio of the cheapest to the second; ``None`` where nothing is off.

        Parameters
        ----------
        level : float
            Share of cases between the bounds.
        """
        if self.runner_up is None:
            return None
        names = (self.best, self.runner_up)
        moving = {
            name: one for name, one in self.inputs.items() if any(self.changes(key, {name: 1.0}) for key in names)
        }

        def ratio(**values: Array) -> Array:
            a, b = (self.standings[name].plan.evaluate(**self.changes(name, values)).total_usd for name in names)
            return a / b

        return risk.tornado(ratio, moving, level=level) if moving else None

    def __repr__(self) -> str:
        verdict = "recommended" if self.decided else "cheapest, but too close to call"
        return (
            f"Recommendation({self.best} {verdict}: P = {self.probabilities[self.best]:.0%} "
            f"among {', '.join(self.standings)})"
        )


def decide(
    scenario: Scenario, calibrations: Mapping[str, Calibration | None] | None = None, *, progress: Any = None
) -> Recommendation:
    """Plan every candidate of a scenario, and compare them.

    Parameters
    ----------
    scenario : Scenario
        What is asked.
    calibrations : mapping of str to Calibration, optional
        Losses found on measured runs, by candidate; without one its throughput is an upper bound.
    progress : callable, optional
        Wraps the iterable over candidates, such as ``tqdm.auto.tqdm``.

    Returns
    -------
    Recommendation

    Raises
    ------
    ValueError
        No candidate can serve every application; the message has the reason for each. A range, a correlation or a
        reference that names nothing in the scenario.
    UnknownValueError
        A price, a power or another figure that a candidate needs and nobody gives.

    Examples
    --------
    >>> from tco.scenario import Scenario
    >>> chat = {"name": "chat", "llm": "llama-3.1-8b", "context_tokens": 2048, "tokens_per_s": 1e6}
    >>> machines = {"gaudi": {"server": "gaudi-2-hls"}, "h100": {"server": "dgx-h100", "tokens_per_s": {"chat": 5e4}}}
    >>> page = {"title": "Chat", "date": "2026-11-22", "price_year": 2026}
    >>> found = decide(Scenario(**page, applications=[chat], candidates=machines))
    >>> found.best, found.standings["h100"].plan.servers, found.upper_bounds
    ('gaudi', 20.0, ('gaudi',))
    """
    reference = scenario.decision.reference
    if reference is not None and reference not in scenario.candidates:
        raise ValueError(
            f"decision.reference = {reference!r} is no candidate{did_you_mean(reference, scenario.candidates)}"
        )
    losses = dict(calibrations or {})
    standings: dict[str, Standing] = {}
    beside: dict[str, Standing] = {}
    unable: dict[str, str] = {}
    known: dict[Any, Served] = {}  # candidates of one machine, bought and rented, are served alike
    names: Iterable[str] = scenario.candidates
    for name in names if progress is None else progress(names):
        try:
            standing = stand(scenario, name, losses.get(name), known)
        except CannotServeError as reason:
            unable[name] = str(reason)
            continue
        reason_beyond = beyond(scenario, name, standing)
        if reason_beyond:
            unable[name], beside[name] = reason_beyond, standing
        else:
            standings[name] = standing
    if not standings:
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in unable.items())
        raise ValueError(f"no candidate can serve every application:\n{reasons}{_together(scenario, unable, beside)}")
    inputs, twins = inputs_of(scenario, standings)
    for pair in scenario.correlations:
        for one in pair.between:
            if one not in inputs and not unable:
                raise ValueError(f"correlations: nothing says how far {one!r} may be off{did_you_mean(one, inputs)}")
    return Recommendation(scenario, standings, unable, inputs, twins, beside)


def _together(scenario: Scenario, unable: Mapping[str, str], beside: Mapping[str, Standing]) -> str:
    """Say whether several machines do together what none does alone."""
    from tco.recommendation.mixed import mixed_fleet  # which rests on this module

    found = Recommendation(scenario, {}, unable, {}, {}, beside)
    mixed = mixed_fleet(found) if len(beside) > 1 else None
    if mixed is None or mixed.fleet is None:
        return ""
    when = " in the first year" if found.grows else ""
    return f"\nwhat none does alone, several do together{when}: {mixed.said}"
