"""A plan: the traffic to serve, the fleet that serves it, and what that costs in absolute terms.

Kim's ratios need neither traffic nor whole servers. A purchase does: servers, racks and spares come in whole numbers,
are bought for the busiest hour and powered for the mean. How busy they are follows from the traffic. Of the plan's absolute
costs Kim's three ratios and ``w`` can be recovered, and Eq. 4 of them is the plans' ratio exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from hardware_specs._base import Spec
from roofline._validation import number
from roofline.spread import Interval, check_level
from tco import capacity, environment, finance
from tco.accounts import Account, account
from tco.comparison import KimRatios
from tco.defaults import Assumption, given_or_default
from tco.deployment import Deployment, with_changes
from tco.purchase import Rental

_DRAWS = 4096


class _Own(Spec):
    """What a user says of a service: ``repr`` keeps the figures to itself."""

    hides_values: ClassVar[bool] = True

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                yield name, "(private)" if name in self.model_fields_set else value


class Traffic(_Own):
    """Tokens to serve, on average and over the day.

    Attributes
    ----------
    tokens_per_s : float
        Mean demand, in the tokens that the deployment's throughput counts: generated ones, or those of prompts in a
        prefill [token/s].
    profile : tuple of float, optional
        Demand over equal slots of a day in any unit, 24 for hours; flat if not given.
    input_tokens_per_token : float, optional
        Prompt tokens that come with each token served, to divide the cost between both.
    growth_per_year : float
        0.5 is half as much again each year.

    Examples
    --------
    >>> Traffic(tokens_per_s=2e6, profile=(1.0, 1.0, 2.0, 4.0)).peak_to_mean
    2.0
    """

    tokens_per_s: Annotated[float, Field(gt=0, le=1e15)]
    profile: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    input_tokens_per_token: Annotated[float, Field(ge=0, le=1e6)] | None = None
    growth_per_year: Annotated[float, Field(gt=-1, le=100)] = 0.0

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.profile is not None and not any(self.profile):
            yield ("profile",), "should have one slot with traffic at least"

    @property
    def shape(self) -> Any:
        """Demand of each slot over the mean."""
        return capacity.load_profile([1.0] if self.profile is None else self.profile)

    @property
    def peak_to_mean(self) -> float:
        """Busiest slot over the mean."""
        return float(np.max(self.shape))


class Service(_Own):
    """How much more than the mean is kept, and what happens when servers fail.

    Attributes
    ----------
    headroom : float
        Capacity beyond the busiest slot, as a share of it.
    failures_per_accelerator_year : float
        Failures of one accelerator that take its server out [1/year].
    repair_days : float
        Days until a server is back [day].
    spares_confidence : float, optional
        Probability with which spares on the shelf replace every server that is away; 0 (or ``None``) adds servers for
        those away on average instead.
    released : bool
        Servers that a slot does not need are switched off, and rent on demand stops.

    Examples
    --------
    >>> Service(headroom=0.2).repair_days
    7.0
    """

    headroom: Annotated[float, Field(ge=0, le=100)] = 0.0
    failures_per_accelerator_year: Annotated[float, Field(ge=0, le=1000)] = 0.091
    repair_days: Annotated[float, Field(gt=0, le=1000)] = 7.0
    spares_confidence: Annotated[float, Field(ge=0, lt=1)] | None = 0.99
    released: bool = False


SERVICE_SOURCES: dict[str, str] = {
    "headroom": "none beyond the busiest hour: the throughput is one within the limits on latency already",
    "failures_per_accelerator_year": "Llama 3 training, 220 faults of GPUs and their memory on 16,384 H100 in 54 days "
    "(0.173 with every interruption); inference strains less",
    "repair_days": "assumed: a week until a server is back, for want of a published figure",
    "spares_confidence": "assumed: spares cover all but one day in a hundred",
    "released": "servers stay on, as they do where nothing else waits for them",
}
"""Where each default of :class:`Service` comes from."""

_SERVICE_UNITS = {"failures_per_accelerator_year": "1/year", "repair_days": "days"}
_TRAFFIC_UNITS = {"tokens_per_s": "tokens/s", "growth_per_year": "per year"}

ABSENT = {
    "network_usd": "network between servers",
    "storage_usd": "storage",
    "installation_usd": "installation",
    "licences_usd_per_year": "software licences",
    "support_share_per_year": "support and repairs",
    "porting_usd": "porting of applications",
    "operations_usd_per_kw_month": "staff and upkeep of the site",
    "demand_usd_per_kw_month": "demand charge beside the tariff",
    "usd_per_tonne_co2": "carbon price",
    "usd_per_m3_water": "price of water",
}
"""Terms that are in an account only where the user gives them, in words."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A fleet that serves a traffic, and what it costs.

    Attributes
    ----------
    deployment : Deployment
        Which servers, where, at what throughput, on what terms.
    traffic : Traffic
        What they serve.
    service : Service
        With what margin.
    whole : bool
        Whole servers, racks and spares; else fractions.
    """

    deployment: Deployment
    traffic: Traffic
    service: Service
    whole: bool = True

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What :func:`tco.account` takes, by its names."""
        service = self.service
        failures = service.failures_per_accelerator_year * self.deployment.server.accelerators
        return self.deployment.inputs | {
            "traffic_per_s": self.traffic.tokens_per_s,
            "headroom": service.headroom,
            "failures_per_year": None if self.deployment.rented else failures,
            "repair_days": service.repair_days,
        }

    def evaluate(self, **changes: Any) -> Account:
        """Account of the fleet with some inputs changed; arrays broadcast, so that any sweep is one call.

        Parameters
        ----------
        **changes
            New values by the names of :attr:`inputs`, such as ``traffic_per_s``, ``usd_per_kwh`` or ``price_usd``.

        Returns
        -------
        Account

        Raises
        ------
        ValueError
            A name that is not in this account.
        """
        inputs = with_changes(self.inputs, changes)
        # Each slot of the day is one more axis, behind those of the inputs.
        return account(
            **inputs,
            profile=self.traffic.shape,
            whole=self.whole,
            released=self.service.released,
            spares_confidence=(self.service.spares_confidence or None) if self.whole else None,
        )

    @cached_property
    def account(self) -> Account:
        """The account as planned."""
        return self.evaluate()

    @property
    def servers(self) -> float:
        """Servers that serve; a whole number unless fractions were asked for."""
        return float(self.account.servers)

    @property
    def spares(self) -> float:
        """Spare servers on the shelf."""
        return float(self.account.spares)

    @property
    def racks(self) -> float:
        """Racks that the servers fill."""
        return float(self.account.racks)

    @property
    def utilisation(self) -> float:
        """Mean traffic over what the servers can serve: derived, not asked for."""
        return float(self.account.utilisation)

    @property
    def site_power_w(self) -> float:
        """Power to provision for the site, PUE included [W]."""
        return float(self.account.provisioned_w * self.account.pue)

    @cached_property
    def breakdown(self) -> dict[str, float]:
        """Yearly cost of the fleet by part; the parts add up to :attr:`usd_per_year` [USD/year]."""
        return {part: float(usd) for part, usd in self.account.parts.items()}

    @property
    def usd_per_year(self) -> float:
        """Total cost [USD/year]."""
        return float(self.account.total_usd)

    @property
    def usd_per_million_tokens(self) -> float:
        """Cost of a million tokens served [USD per 10⁶ tokens]."""
        return float(self.account.usd_per_million_tokens)

    @property
    def busy_usd_per_million_tokens(self) -> float:
        """What a million tokens would cost were every server busy all year: the other basis on which costs are quoted.

        The quotient of :attr:`usd_per_million_tokens` and this is what idle capacity costs, ``1/utilisation``.
        """
        return self.usd_per_million_tokens * self.utilisation

    @property
    def usd_per_accelerator_hour(self) -> float:
        """Total cost per accelerator that serves and hour [USD/h]."""
        accelerators = self.servers * self.deployment.server.accelerators
        return self.usd_per_year / (accelerators * finance.HOURS_PER_YEAR)

    @property
    def tokens_per_joule(self) -> float:
        """Tokens served per energy at the facility's meter, PUE included [token/J]."""
        return float(self.account.tokens / (self.account.energy_kwh * 3.6e6))

    @property
    def tokens_per_s_per_mw(self) -> float:
        """Tokens that the servers can serve per provisioned power of the site [token/s/MW]."""
        return self.servers * float(self.deployment.tokens_per_s) / (self.site_power_w / 1e6)

    @cached_property
    def carbon(self) -> environment.Carbon:
        """Greenhouse gases of a year: of the electricity, and of making the servers where that is known."""
        embodied = None if isinstance(self.deployment.terms, Rental) else self.deployment.terms.embodied_kg
        known = embodied is not None
        return environment.carbon(
            kwh=float(self.account.energy_kwh),
            grid_gco2_per_kwh=self.deployment.facility.grid_gco2_per_kwh,
            embodied_kgco2=embodied * (self.servers + self.spares) if embodied is not None else None,
            years=self.inputs["server_years"] if known else None,
        )

    @cached_property
    def water(self) -> environment.Water:
        """Water of a year: used on site, and for the electricity where that is known."""
        facility = self.deployment.facility
        return environment.water(
            it_kwh=float(self.account.mean_power_w) / 1e3 * finance.HOURS_PER_YEAR,
            wue_l_per_kwh=facility.wue_l_per_kwh,
            pue=float(self.account.pue),
            ewif_l_per_kwh=facility.grid_l_per_kwh,
        )

    @property
    def gco2_per_million_tokens(self) -> float:
        """Greenhouse gases of what :attr:`carbon` covers [g CO₂e/10⁶ tokens]."""
        return float(self.carbon.gco2_per_million_tokens(float(self.account.tokens)))

    @property
    def litres_per_million_tokens(self) -> float:
        """Water of what :attr:`water` covers [l/10⁶ tokens]."""
        return float(self.water.litres_per_million_tokens(float(self.account.tokens)))

    def levelised_usd_per_million_tokens(self, years: int) -> float:
        """Cost of a million tokens over several years of growing traffic, both discounted [USD per 10⁶ tokens].

        Each year the fleet is what that year's traffic needs; costs and tokens are discounted alike, which is what a
        constant price per token must be for the plan to break even.

        Parameters
        ----------
        years : int
            From the first.

        Raises
        ------
        ValueError
            Not a whole number of one or more, or traffic that shrinks, which would sell servers as if rented.
        """
        number("years", years, at_least=1, at_most=100, whole=True)
        if self.traffic.growth_per_year < 0:
            raise ValueError(
                "traffic.growth_per_year is below 0: servers that are bought stay; plan each year by itself"
            )
        growth = (1 + self.traffic.growth_per_year) ** np.arange(int(years))
        by_year = self.evaluate(traffic_per_s=self.traffic.tokens_per_s * growth)
        return float(
            finance.levelised_cost(
                costs=by_year.total_usd + 0 * growth,
                quantities=by_year.tokens / 1e6,
                rate=self.deployment.facility.discount_rate,
            )
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Terms that are not in the account because nobody gave them, in words."""
        return tuple(words for name, words in ABSENT.items() if self.inputs.get(name, 0.0) is None)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input, with its origin."""
        return (
            *given_or_default(self.traffic, {"growth_per_year": "none, unless it is given"},
                              lambda name: _TRAFFIC_UNITS.get(name, "")),
            *given_or_default(self.service, SERVICE_SOURCES, lambda name: _SERVICE_UNITS.get(name, "")),
            *self.deployment.assumptions,
        )  # fmt: skip

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return self.deployment.private

    def __repr__(self) -> str:
        spares = f" + {self.spares:,.0f} spare" if self.spares else ""
        count = f"{self.servers:,.0f}" if self.whole else f"{self.servers:,.2f}"
        racks = f"{self.racks:,.0f}" if self.whole else f"{self.racks:,.2f}"
        cost = "costs private" if self.private else f"{self.usd_per_million_tokens:,.3g} USD per 10⁶ tokens"
        return (
            f"Plan({self.deployment.server.key}: {count}{spares} servers in {racks} racks, "
            f"{self.utilisation:.0%} busy, {cost})"
        )


def plan(deployment: Deployment, traffic: Traffic, service: Service | None = None, *, whole: bool = True) -> Plan:
    """Size a fleet for a traffic and sum what it costs.

    Parameters
    ----------
    deployment : Deployment
        Which servers, where, at what throughput, on what terms; of one throughput, not an array.
    traffic : Traffic
        What to serve.
    service : Service, optional
        Headroom, failures and spares; the public defaults if not given.
    whole : bool
        Whole servers, racks and spares; ``False`` divides without rest, as Kim Eq. 4 does.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        Something of the wrong kind, a throughput that is an array, or more power than the site has.

    Examples
    --------
    >>> import hardware_specs as hs, tco
    >>> d = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), throughput=40_000.0)
    >>> tco.plan(d, tco.Traffic(tokens_per_s=1e6, profile=(1, 1, 2)), tco.Service(headroom=0.2))
    Plan(dgx-h100: 45 + 3 spare servers in 15 racks, 56% busy, costs private)
    """
    for name, value, kind in (("deployment", deployment, Deployment), ("traffic", traffic, Traffic)):
        if not isinstance(value, kind):
            raise ValueError(f"{name} = {value!r} is not accepted: give a {kind.__name__}")
    if service is not None and not isinstance(service, Service):
        raise ValueError(f"service = {service!r} is not accepted: give a Service")
    if np.shape(deployment.tokens_per_s) != ():
        raise ValueError("deployment has several throughputs: plan one, or sweep plan.evaluate(tokens_per_s=...)")
    made = Plan(deployment, traffic, service or Service(), whole)
    available = deployment.facility.site_power_kw
    if available is not None and made.site_power_w > available * 1e3:
        share = made.site_power_w / (available * 1e3)
        raise ValueError(
            f"facility.site_power_kw does not feed the fleet: {made.servers:,.0f} servers of {deployment.server.key} "
            f"need {share:.3g} times that; it feeds {int(made.servers / share):,}"
        )
    return made


@dataclass(frozen=True, eq=False)
class PlanComparison(KimRatios):
    """Two plans for the same traffic: their costs, and Kim's ratios recovered from them.

    Attributes
    ----------
    a, b : Plan
        What is compared. Ratios are A over B.
    """

    a: Plan
    b: Plan

    @property
    def r_th(self) -> float:
        """Throughput ratio of a server, as the fleets have it: servers of B over servers of A (Kim Eq. 1)."""
        return self.b.servers / self.a.servers

    @property
    def ratio(self) -> float:
        """TCO of A over TCO of B, from the absolute costs."""
        return self.a.usd_per_year / self.b.usd_per_year

    def _costs_of_a_server(self, side: Plan) -> tuple[float, float]:
        return float(side.account.server_usd) / side.servers, float(side.account.infrastructure_usd) / side.servers

    @cached_property
    def _ratios_drawn(self) -> Any:
        """Ratios at equally likely throughputs, sorted; ``None`` where neither side says how far it may be off."""
        spreads = [side.deployment.spread for side in (self.a, self.b)]
        kinds = [getattr(side.deployment.throughput, "kind", "given") for side in (self.a, self.b)]
        if spreads == [None, None] or "ideal roofline" in kinds:
            return None
        shares = (np.arange(_DRAWS) + 0.5) / _DRAWS
        shuffle = np.random.default_rng(0).permutation(_DRAWS)  # each share once on either side, in no common order
        totals = []
        for side, spread, order in zip((self.a, self.b), spreads, (np.arange(_DRAWS), shuffle), strict=True):
            logs = np.zeros(_DRAWS) if spread is None else np.asarray(spread.quantile(shares))[order]
            rates = float(side.deployment.tokens_per_s) * np.exp(logs)
            totals.append(side.evaluate(tokens_per_s=rates).total_usd)
        return np.sort(totals[0] / totals[1])

    @property
    def probability_a(self) -> float | None:
        """Probability that A is cheaper, given the errors of the throughputs; ``None`` where neither side says them."""
        if self._ratios_drawn is None:
            return None
        return float(np.mean((self._ratios_drawn < 1) + 0.5 * (self._ratios_drawn == 1)))

    def interval(self, level: float = 0.9) -> Interval:
        """Bounds of the TCO ratio from what is known of the errors of the throughputs.

        Parameters
        ----------
        level : float
            Share of cases that are within.

        Raises
        ------
        ValueError
            Neither throughput says how far it may be off.
        """
        share = check_level(level)
        if self._ratios_drawn is None:
            raise ValueError("no interval: the throughputs do not say how far they may be off")
        low, high = np.quantile(self._ratios_drawn, [(1 - share) / 2, (1 + share) / 2])
        return Interval(float(low), float(high), share)

    def __repr__(self) -> str:
        return (
            f"PlanComparison({self.a.deployment.server.key} / {self.b.deployment.server.key}: "
            f"TCO ratio {self.ratio:.3f}, "
            f"{self.a.servers:,.0f} servers against {self.b.servers:,.0f})"
        )
