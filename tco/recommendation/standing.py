"""How a candidate serves a scenario: the throughput of its servers, and the fleet that this takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np

import hardware_specs as hs
from hardware_specs import Accelerator, Server
from roofline.spread import Spread
from tco.accounts import Account
from tco.deployment import Deployment
from tco.mix import Application, Served, serve
from tco.planning import Plan, Traffic

if TYPE_CHECKING:
    from roofline.calibration import Calibration
    from tco.scenario.model import ApplicationEntry, Candidate, Scenario


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


def stand(scenario: Scenario, name: str, calibration: Calibration | None, known: dict[Any, Served]) -> Standing:
    """Plan the fleet of one candidate, whatever its site has room for.

    Parameters
    ----------
    scenario : Scenario
        With the candidate.
    name : str
        Of it.
    calibration : Calibration or None
        Behind the model, where it is modelled.
    known : dict
        What was modelled before, to be added to: candidates of one machine, bought and rented, are served alike.

    Raises
    ------
    CannotServeError
        A machine that cannot serve an application within its limits.
    """
    candidate = scenario.candidates[name]
    server = server_of(scenario, candidate.server)
    accelerator = hs.get(server.accelerator)
    mixture, served = _throughput(scenario, candidate, server, accelerator, calibration, known)
    deployment = Deployment(server, scenario.facility, mixture, accelerator, candidate.terms)
    # Whether the site feeds the fleet is asked of all years together, and so not of plan() here.
    return Standing(name, Plan(deployment, _traffic(scenario, mixture), scenario.service), served, calibration)


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


def _traffic(scenario: Scenario, mixture: Mixture) -> Traffic:
    """Traffic of all applications together, its profile in the servers that each slot keeps busy."""
    busy = [sum(rate / mixture.rates[name] for name, rate in slot.items()) for slot in slots_of(scenario)]
    return Traffic(tokens_per_s=sum(mixture.demands.values()), profile=tuple(busy))


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
