"""From a scenario to a decision: every candidate planned, compared, and drawn with whatever may be off.

Nothing here reads a file or draws a picture: calibrations come in as arguments, figures are made of what goes out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

import hardware_specs as hs
from hardware_specs import Accelerator, Server
from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from roofline.spread import Interval, Spread
from tco import finance, risk, uncertainty
from tco.accounts import Account
from tco.deployment import Deployment
from tco.mix import Application, CannotServeError, MixTable, Served, serve
from tco.planning import Plan, PlanComparison, Traffic
from tco.risk import Distribution

if TYPE_CHECKING:
    from roofline.calibration import Calibration
    from tco.scenario.model import ApplicationEntry, Candidate, Range, Scenario

_SLOTS = 1440
"""Slots to which profiles of unlike lengths are brought at most: minutes of a day."""


@dataclass(frozen=True, eq=False, repr=False)
class Mixture:
    """Throughput of a server that serves several applications in the proportions of their traffic.

    Attributes
    ----------
    accelerator : Accelerator
        What the server holds.
    devices : int
        All of its accelerators.
    rates : dict of str to float
        Tokens of one application that the server serves, were it alone [token/s].
    demands : dict of str to float
        Mean traffic of each [token/s].
    kinds : dict of str to str
        What each rate is: ``measured``, ``calibrated roofline``, ``ideal roofline``.
    spread : Spread or None
        How far the throughput may be off: the widest of the applications', as if all were off together.
    """

    accelerator: Accelerator
    devices: int
    rates: Mapping[str, float]
    demands: Mapping[str, float]
    kinds: Mapping[str, str]
    spread: Spread | None

    def __repr__(self) -> str:
        return f"Mixture({self.workload}, {self.kind})"

    @property
    def tokens_per_s(self) -> float:
        """Harmonic mean by tokens: the time that a token of each takes adds up [token/s]."""
        return sum(self.demands.values()) / sum(demand / self.rates[name] for name, demand in self.demands.items())

    @property
    def kind(self) -> str:
        """What the throughput is: the least certain of its parts."""
        found = set(self.kinds.values())
        return next((kind for kind in ("ideal roofline", "calibrated roofline") if kind in found), "measured")

    @property
    def workload(self) -> str:
        """What is served, in words."""
        total = sum(self.demands.values())
        return " and ".join(f"{name} ({demand / total:.0%} of tokens)" for name, demand in self.demands.items())

    @property
    def source(self) -> str:
        """Where measured rates come from."""
        return "given in the scenario"


@dataclass(frozen=True, eq=False)
class Standing:
    """A candidate that can serve everything: how, and what it costs.

    Attributes
    ----------
    name : str
        Of the candidate.
    plan : Plan
        Its fleet for all applications together.
    served : dict of str to Served
        How the model serves each application; measured ones are not in it.
    calibration : Calibration or None
        Behind the model.
    """

    name: str
    plan: Plan
    served: Mapping[str, Served]
    calibration: Calibration | None

    @property
    def rates(self) -> Mapping[str, float]:
        """Throughput of a server by application, each alone [token/s]."""
        throughput: Mixture = self.plan.deployment.throughput
        return throughput.rates

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each of those is: ``measured``, ``calibrated roofline``, ``ideal roofline``."""
        throughput: Mixture = self.plan.deployment.throughput
        return throughput.kinds

    @property
    def by_the_hour(self) -> bool:
        """Whether it is rented without a commitment: paid while it is needed."""
        return self.plan.deployment.rented and self.plan.inputs["commitment_years"] is None

    def by_year(self, scenario: Scenario) -> Account:
        """Account of each year of the decision, each application growing at its own rate.

        Parameters
        ----------
        scenario : Scenario
            With the applications.
        """
        at = np.arange(scenario.decision.years)[:, None]
        demands = np.array([app.tokens_per_s * (1 + app.growth_per_year) ** at for app in scenario.applications])
        rates = np.array([self.rates[app.name] for app in scenario.applications])[:, None, None]
        tokens, servers = demands.sum(axis=0)[:, 0], (demands / rates).sum(axis=0)[:, 0]
        return self.plan.evaluate(traffic_per_s=tokens, tokens_per_s=tokens / servers)


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
        return _grows(self.scenario)

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
        found = _of(name, values, self.standings[name].plan, self.scenario.ranges)
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
            standing = _stand(scenario, name, losses.get(name), known)
        except CannotServeError as reason:
            unable[name] = str(reason)
            continue
        beyond = _beyond(scenario, name, standing)
        if beyond:
            unable[name], beside[name] = beyond, standing
        else:
            standings[name] = standing
    if not standings:
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in unable.items())
        raise ValueError(f"no candidate can serve every application:\n{reasons}{_together(scenario, unable, beside)}")
    inputs, twins = _inputs(scenario, standings)
    for pair in scenario.correlations:
        for one in pair.between:
            if one not in inputs and not unable:
                raise ValueError(f"correlations: nothing says how far {one!r} may be off{did_you_mean(one, inputs)}")
    return Recommendation(scenario, standings, unable, inputs, twins, beside)


def server_of(scenario: Scenario, name: str) -> Server:
    """Server that a candidate names: the scenario's, the catalogue's, or the usual one of an accelerator.

    Parameters
    ----------
    scenario : Scenario
        With its own servers.
    name : str
        Key of a server or of an accelerator.

    Raises
    ------
    UnknownNameError
        Neither; close names are offered.
    """
    from tco.costs import Costs  # the one place that knows what a name means

    return Costs(scenario.facility, scenario.servers).server(name)


def application(entry: ApplicationEntry) -> Application:
    """Application of an entry of a scenario.

    Parameters
    ----------
    entry : ApplicationEntry
        Of the scenario.
    """
    return Application(
        entry.name,
        llm=entry.llm,
        prompt_tokens=entry.prompt_tokens,
        output_tokens=entry.output_tokens,
        context_tokens=entry.context_tokens,
        tokens_per_s=entry.tokens_per_s,
        ttft_s=entry.ttft_s,
        itl_s=entry.itl_s,
        latency_s=entry.latency_s,
        precision=entry.precisions,
        max_quality_loss=entry.max_quality_loss,
    )


def _stand(scenario: Scenario, name: str, calibration: Calibration | None, known: dict[Any, Served]) -> Standing:
    candidate = scenario.candidates[name]
    server = server_of(scenario, candidate.server)
    accelerator = hs.get(server.accelerator)
    mixture, served = _throughput(scenario, candidate, server, accelerator, calibration, known)
    deployment = Deployment(server, scenario.facility, mixture, accelerator, candidate.terms)
    # Whether the site feeds the fleet is asked of all years together, and so not of plan() here.
    return Standing(name, Plan(deployment, _traffic(scenario, mixture), scenario.service), served, calibration)


def limits_of(scenario: Scenario) -> dict[str, tuple[str, float]]:
    """Limits of any fleet, by the names of :func:`tco.fleet.cheapest`: who says so, and how much it is.

    Parameters
    ----------
    scenario : Scenario
        Of which the site and the fleet may have limits; of both powers the smaller counts.
    """
    given = scenario.fleet
    powers = [
        (f"{table}.site_power_kw", float(one.site_power_kw) * 1e3)
        for table, one in (("facility", scenario.facility), ("fleet", given))
        if one is not None and one.site_power_kw is not None
    ]
    found = {"site_power_w": min(powers, key=lambda one: one[1])} if powers else {}
    if given is not None and given.racks is not None:
        found["racks"] = ("fleet.racks", float(given.racks))
    if given is not None and given.tonnes_co2_per_year is not None:
        found["gco2_per_year"] = ("fleet.tonnes_co2_per_year", given.tonnes_co2_per_year * 1e6)
    return found


def _beyond(scenario: Scenario, name: str, one: Standing) -> str:
    """Say which limit a candidate's fleet exceeds, and when; empty where it keeps within all of them, in every year."""
    account, deployment = one.by_year(scenario), one.plan.deployment
    needed = {"gco2_per_year": _gco2_per_year(one, account)}
    if not deployment.rented:
        needed |= {"site_power_w": account.site_power_w, "racks": account.racks}
    tests = [(given, needed[key], most) for key, (given, most) in limits_of(scenario).items() if key in needed]
    supply = scenario.candidates[name].supply
    if supply is not None:
        tests.append((f"candidates.{name}.supply", account.servers + account.spares, float(supply)))
    grows, years = _grows(scenario), scenario.decision.years
    for given, takes, most in tests:
        each = np.broadcast_to(np.asarray(takes, dtype=float), (years,))
        over = np.flatnonzero(each > most * (1 + 1e-12))
        if over.size:
            year = int(over[0])
            fleet = f"the fleet of year {year + 1}" if grows else "the fleet"
            says = _SAYS[given.rpartition(".")[2]].format(given=given, fleet=fleet)
            count = float(np.broadcast_to(account.servers + account.spares, (years,))[year])
            return f"{says}: {count:,.0f} servers"
    return ""


def _grows(scenario: Scenario) -> bool:
    return scenario.decision.years > 1 and any(entry.growth_per_year for entry in scenario.applications)


def _gco2_per_year(one: Standing, account: Account) -> Array:
    """Greenhouse gases of each year's fleet [gCO2e/year]."""
    each = np.broadcast_arrays(account.energy_kwh, account.servers, account.spares)
    return np.array(
        [
            1e3
            * one.plan.deployment.carbon_of(
                replace(account, energy_kwh=kwh, servers=servers, spares=spares)
            ).kg_per_year
            for kwh, servers, spares in zip(*map(np.atleast_1d, each), strict=True)
        ],
        dtype=float,
    )


_SAYS = {
    "site_power_kw": "{given} does not feed {fleet}",
    "racks": "{given} has no room for {fleet}",
    "tonnes_co2_per_year": "{given} is less than {fleet} emits",
    "supply": "{given} is fewer than {fleet} needs",
}
"""Reasons for which a candidate alone is out."""


def _together(scenario: Scenario, unable: Mapping[str, str], beside: Mapping[str, Standing]) -> str:
    """Say whether several machines do together what none does alone."""
    from tco.recommendation.mixed import mixed_fleet  # which rests on this module

    found = Recommendation(scenario, {}, unable, {}, {}, beside)
    mixed = mixed_fleet(found) if len(beside) > 1 else None
    if mixed is None or mixed.fleet is None:
        return ""
    when = " in the first year" if found.grows else ""
    return f"\nwhat none does alone, several do together{when}: {mixed.said}"


def _throughput(
    scenario: Scenario,
    candidate: Candidate,
    server: Server,
    accelerator: Accelerator,
    calibration: Calibration | None,
    known: dict[Any, Served],
) -> tuple[Mixture, dict[str, Served]]:
    rates: dict[str, float] = {}
    kinds: dict[str, str] = {}
    served: dict[str, Served] = {}
    spreads: list[Spread] = []
    devices = candidate.devices or server.accelerators
    for entry in scenario.applications:
        measured = candidate.tokens_per_s.get(entry.name)
        if measured is not None:
            rates[entry.name], kinds[entry.name] = measured, "measured"
            if candidate.tokens_per_s_error is not None:
                spreads.append(Spread(candidate.tokens_per_s_error))
            continue
        key = (entry.name, accelerator.key, devices, id(calibration))
        if key not in known:
            known[key] = serve(application(entry), accelerator, devices=devices, calibration=calibration)
        one = known[key]
        served[entry.name], kinds[entry.name] = one, one.kind
        rates[entry.name] = one.tokens_per_s * (server.accelerators // devices)
        if one.estimate.spread is not None:
            spreads.append(one.estimate.spread)
    widest = max(spreads, key=lambda spread: spread.scale, default=None)
    demands = {entry.name: entry.tokens_per_s for entry in scenario.applications}
    mixture = Mixture(accelerator, server.accelerators, rates, demands, kinds, widest)
    return (replace(mixture, spread=None) if mixture.kind == "ideal roofline" else mixture), served


def slots_of(scenario: Scenario) -> list[dict[str, float]]:
    """Traffic of each application in each slot of the day [token/s].

    Parameters
    ----------
    scenario : Scenario
        Whose profiles may have unlike numbers of slots.
    """
    shapes = {
        entry.name: np.asarray([1.0] if entry.profile is None else entry.profile) for entry in scenario.applications
    }
    slots = min(lcm(*(shape.size for shape in shapes.values())), _SLOTS)
    return [
        {
            entry.name: float(
                entry.tokens_per_s
                * shapes[entry.name][at * shapes[entry.name].size // slots]
                / shapes[entry.name].mean()
            )
            for entry in scenario.applications
        }
        for at in range(slots)
    ]


def _traffic(scenario: Scenario, mixture: Mixture) -> Traffic:
    """Traffic of all applications together, its profile in the servers that each slot keeps busy."""
    busy = [sum(rate / mixture.rates[name] for name, rate in slot.items()) for slot in slots_of(scenario)]
    return Traffic(tokens_per_s=sum(mixture.demands.values()), profile=tuple(busy))


def _of(name: str, values: Mapping[str, Any], made: Plan, given: Collection[str]) -> dict[str, Any]:
    """Return those of the values that a candidate's account takes, by its own names."""
    own_life = getattr(made.deployment.terms, "years", None) is not None
    found = {}
    for key, value in values.items():
        inner = key.removeprefix(f"{name}.")
        if inner == key == "server_years" and own_life and key not in given:
            continue  # the default of the others, and its range, say nothing of a life that is given
        mine = inner != key or key in made.inputs
        if mine and made.inputs.get(inner) is not None:
            found[inner] = value
    return found


def _inputs(scenario: Scenario, standings: Mapping[str, Standing]) -> tuple[dict[str, Distribution], dict[str, str]]:
    """Distributions of the scenario's ranges, and of what sources say beyond; and whose throughputs are off alike."""
    found: dict[str, Distribution] = {}
    for name, standing in standings.items():
        found |= uncertainty.of_side(name, standing.plan.deployment, standing.plan.inputs)
        rate = f"{name}.tokens_per_s"
        if rate in found and "measured" in standing.kinds.values():
            found[rate] = replace(found[rate], private=True)  # the user's own
    twins = _twins(scenario, standings, found)
    found = {name: one for name, one in found.items() if name.removesuffix(".tokens_per_s") not in twins}
    for name, given in scenario.ranges.items():
        held = [
            standing.plan.inputs[name.removeprefix(f"{key}.")]
            for key, standing in standings.items()
            if _of(key, {name: 1.0}, standing.plan, scenario.ranges)
        ]
        if not held:
            if len(standings) < len(scenario.candidates):
                continue  # of a candidate that cannot serve, and so of no account
            raise ValueError(f"ranges.{name} names no input of any candidate's account")
        if np.shape(held[0]) != () or len({*map(float, held)}) > 1:
            raise ValueError(
                f'ranges.{name} is not one number for all candidates: give each its own, such as [ranges."NAME.{name}"]'
            )
        if given.relative and not held[0]:
            raise ValueError(f"ranges.{name} is relative to 0, which it leaves where it is: give its ends themselves")
        found[name] = distribution(given, float(held[0]))
    return found, twins


def _twins(scenario: Scenario, standings: Mapping[str, Standing], inputs: Collection[str]) -> dict[str, str]:
    """Candidates whose throughput is off as that of one before is, unless the scenario says something of theirs."""
    said = {*scenario.ranges, *(name for pair in scenario.correlations for name in pair.between)}
    first: dict[Any, str] = {}
    twins: dict[str, str] = {}
    for name, standing in standings.items():
        spread = standing.plan.deployment.spread
        if spread is None or f"{name}.tokens_per_s" not in inputs or f"{name}.tokens_per_s" in said:
            continue
        measured = None if standing.calibration is not None and standing.served else tuple(standing.rates.items())
        rests_on = measured or standing.calibration.provenance  # type: ignore[union-attr]  # one of the two is known
        other = first.setdefault((standing.plan.deployment.server.accelerator, rests_on, spread.freedom), name)
        if other != name:
            twins[name] = other
    return twins


def distribution(given: Range, value: float) -> Distribution:
    """Distribution of a range of a scenario; private, as the user's own.

    Parameters
    ----------
    given : Range
        Of the scenario.
    value : float
        The scenario's own value of the input.
    """
    scale = value if given.relative else 1.0
    low, high = given.low * scale, given.high * scale
    if given.kind == "uniform":
        return risk.Uniform(low, high, private=True)
    if given.kind == "lognormal":
        return risk.LogNormal.from_interval(low, high, given.level, private=True)
    mode = value if given.mode is None else given.mode * scale
    shape = risk.Pert if given.kind == "pert" else risk.Triangular
    return shape(low, min(max(mode, low), high), high, private=True)
