"""A plan: the traffic to serve, the fleet that serves it, and what that costs in absolute terms.

Kim's ratios need neither traffic nor whole servers. A purchase does: servers, racks and spares come in whole numbers,
are bought for the busiest hour and powered for the mean. How busy they are follows from the traffic. Of the plan's
absolute costs Kim's three ratios and ``w`` can be recovered, and Eq. 4 of them is the plans' ratio exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import count
from roofline.spread import Interval, check_level
from tco import capacity, environment, finance
from tco.accounts import Account, account
from tco.allocation import TokenPrices, allocate
from tco.defaults import Assumption, environment_assumptions, given_or_default
from tco.demand import SERVICE_SOURCES, SERVICE_UNITS, TRAFFIC_UNITS, Service, Traffic
from tco.deployment import Deployment, refused, with_changes
from tco.kim_ratios import KimRatios

__all__ = ["ABSENT", "SERVICE_SOURCES", "Plan", "PlanComparison", "Service", "Traffic", "plan"]

_DRAWS = 4096


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
        service, owned = self.service, not self.deployment.rented  # who rents out replaces what fails
        failures = service.failures_per_accelerator_year * self.deployment.server.accelerators
        return self.deployment.inputs | {
            "traffic_per_s": self.traffic.tokens_per_s,
            "headroom": service.headroom,
            "failures_per_year": failures if owned else None,
            "repair_days": service.repair_days if owned else None,
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
            A name that is not in this account, or a value out of range, which is not shown.
        """
        inputs = with_changes(self.inputs, self.deployment.with_racks(changes))
        spared = self.whole and not self.deployment.rented and self.service.spares_confidence
        # Each slot of the day is one more axis, behind those of the inputs.
        return account(
            **inputs,
            profile=self.traffic.shape,
            whole=self.whole,
            released=self.service.released,
            spares_confidence=self.service.spares_confidence if spared else None,
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
        """Racks that the servers fill; 0 where they are rented, which stand in another's."""
        return 0.0 if self.deployment.rented else float(self.account.racks)

    @property
    def availability(self) -> float:
        """Share of the time for which a server counts: 1 where spares stand in for those that failed."""
        spared = self.whole and self.service.spares_confidence
        failures, repair = self.inputs["failures_per_year"], self.inputs["repair_days"]
        if spared or failures is None or repair is None:
            return 1.0
        return float(capacity.availability(failures_per_year=failures, repair_days=repair))

    @property
    def utilisation(self) -> float:
        """Mean traffic over what the servers can serve: derived, not asked for."""
        return float(self.account.utilisation)

    @property
    def site_power_w(self) -> float:
        """Power to provision for the site, PUE included [W]."""
        return float(self.account.site_power_w)

    @cached_property
    def breakdown(self) -> dict[str, float]:
        """Yearly cost of the fleet by part; the parts add up to :attr:`usd_per_year` [USD/year]."""
        return {part: float(usd) for part, usd in self.account.parts.items()}

    @property
    def capital(self) -> dict[str, float]:
        """What is paid at first, by part: the purchase itself, undiscounted, by the names of the yearly parts [USD].

        Of what the account has: ``server``, ``spares``, ``network``, ``storage``, ``installation``, ``porting``,
        ``rack``, ``plant``. A rent, and what of it is paid in advance, is no purchase.

        Examples
        --------
        >>> import hardware_specs as hs, tco
        >>> d = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), throughput=10_000.0)
        >>> {part: round(usd) for part, usd in plan(d, tco.Traffic(tokens_per_s=1e5)).capital.items()}
        {'server': 1066000, 'spares': 106600, 'rack': 17820, 'plant': 1049143}
        """
        return {part: float(usd) for part, usd in self.capital_of(self.account).items()}

    def capital_of(self, account: Account) -> dict[str, Array]:
        """What is paid at first for a fleet, by part [USD].

        Parameters
        ----------
        account : Account
            Of this plan, such as that of each year.

        Returns
        -------
        dict of str to array
            As :attr:`capital`; each for the whole fleet.
        """
        drivers = {
            "server": ("price_usd", account.servers),
            "spares": ("price_usd", account.spares if "spares" in account.parts else None),
            "network": ("network_usd", account.servers),
            "storage": ("storage_usd", account.servers),
            "installation": ("installation_usd", account.servers),
            "porting": ("porting_usd", 1.0),
            "rack": ("rack_usd", account.racks),
            "plant": ("usd_per_watt", account.provisioned_w),
        }
        each = {part: (self.inputs.get(name), count) for part, (name, count) in drivers.items()}
        return {part: price * count for part, (price, count) in each.items() if price is not None and count is not None}

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
        """Total cost per accelerator that serves and hour; of a rent on demand, per hour that is paid [USD/h]."""
        hours = self.servers * self.deployment.server.accelerators * finance.HOURS_PER_YEAR
        if self.deployment.rented and self.inputs["commitment_years"] is None and self.service.released:
            hours = self.breakdown["rent"] / self.inputs["rent_usd_per_h"]
        return self.usd_per_year / hours

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
        return self.deployment.carbon_of(self.account)

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

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Not a whole number of one or more, or traffic that shrinks, which would sell servers as if rented.
        """
        years = count("years", years, at_most=100)
        if self.traffic.growth_per_year < 0:
            raise ValueError(
                "traffic.growth_per_year is below 0: servers that are bought stay; plan each year by itself"
            )
        growth = (1 + self.traffic.growth_per_year) ** np.arange(years)
        by_year = self.evaluate(traffic_per_s=self.traffic.tokens_per_s * growth)
        return float(
            finance.levelised_cost(
                costs=by_year.total_usd + 0 * growth,
                quantities=by_year.tokens / 1e6,
                rate=self.deployment.facility.discount_rate,
            )
        )

    def token_prices(self, **rule: Any) -> TokenPrices:
        """Cost of a million input and of a million output tokens, by a rule that conserves the total.

        Parameters
        ----------
        **rule
            As :func:`tco.allocation.allocate` takes it: ``method`` and what goes with it.

        Returns
        -------
        TokenPrices

        Raises
        ------
        ValueError
            The traffic does not say how many input tokens come with each, or a rule that is not one.
        """
        read = self.traffic.input_tokens_per_token
        if read is None:
            raise ValueError("traffic.input_tokens_per_token is not known: give it, to divide the cost between both")
        tokens = self.account.tokens
        return allocate(usd=self.usd_per_year, input_tokens=read * tokens, output_tokens=tokens, **rule)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Terms that are not in the account because nobody gave them, in words."""
        return tuple(words for name, words in ABSENT.items() if self.inputs.get(name, 0.0) is None)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input, with its origin; of the facility also those that greenhouse gases and water follow from."""
        growth = {"growth_per_year": "none, unless it is given"}
        unused = ("failures_per_accelerator_year", "repair_days", "spares_confidence") if self.deployment.rented else ()
        found = (
            *given_or_default(self.traffic, growth, lambda name: TRAFFIC_UNITS.get(name, "")),
            *given_or_default(
                self.service, SERVICE_SOURCES, lambda name: SERVICE_UNITS.get(name, ""), leave_out=unused
            ),
            *self.deployment.assumptions,
            *environment_assumptions(self.deployment.facility),
        )
        return tuple(dict.fromkeys(found))

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return self.deployment.private

    def __repr__(self) -> str:
        spares = f" + {self.spares:,.0f} spare" if self.spares else ""
        count = f"{self.servers:,.0f}" if self.whole else f"{self.servers:,.2f}"
        racks = f" in {self.racks:,.0f} racks" if self.whole else f" in {self.racks:,.2f} racks"
        where = ", rented" if self.deployment.rented else racks
        cost = "costs private" if self.private else f"{self.usd_per_million_tokens:,.3g} USD per 10⁶ tokens"
        return (
            f"Plan({self.deployment.server.key}: {count}{spares} servers{where}, {self.utilisation:.0%} busy, {cost})"
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
    Plan(dgx-h100: 45 + 3 spare servers in 15 racks, 56% busy, 0.16 USD per 10⁶ tokens)
    """
    for name, value, kind in (("deployment", deployment, Deployment), ("traffic", traffic, Traffic)):
        if not isinstance(value, kind):
            raise refused(name, value, f"a {kind.__name__}")
    if service is not None and not isinstance(service, Service):
        raise refused("service", service, "a Service")
    if np.shape(deployment.tokens_per_s) != ():
        raise ValueError("deployment has several throughputs: plan one, or sweep plan.evaluate(tokens_per_s=...)")
    made = Plan(deployment, traffic, service or Service(), whole)
    available = deployment.facility.site_power_kw
    if available is not None and not deployment.rented and made.site_power_w > available * 1e3:
        raise ValueError(  # by how much would say what the site has
            f"facility.site_power_kw does not feed the fleet: {made.servers:,.0f} servers of {deployment.server.key} "
            "need more"
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

    def _parts_of_a_server(self, side: Plan) -> dict[str, float]:
        return {part: usd / side.servers for part, usd in side.breakdown.items()}

    def _cost(self, side: Plan, changes: dict[str, Any]) -> Any:
        return side.evaluate(**changes).total_usd

    @cached_property
    def _ratios_drawn(self) -> Any:
        """Ratios at equally likely throughputs, sorted; ``None`` where neither side says how far it may be off."""
        spreads = [side.deployment.spread for side in (self.a, self.b)]
        kinds = [getattr(side.deployment.throughput, "kind", "given") for side in (self.a, self.b)]
        if spreads == [None, None] or "ideal roofline" in kinds:
            return None
        shares = (np.arange(_DRAWS) + 0.5) / _DRAWS
        in_order = np.arange(_DRAWS)  # each share once on either side, in no common order unless they are off alike
        alike = self.a.deployment.off_alike(self.b.deployment)
        other = in_order if alike else np.random.default_rng(0).permutation(_DRAWS)
        totals = []
        for side, spread, order in zip((self.a, self.b), spreads, (in_order, other), strict=True):
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
