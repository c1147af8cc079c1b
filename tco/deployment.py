"""A deployment: servers of one kind in a facility, serving at a throughput, with its absolute costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np

import hardware_specs as hs
from hardware_specs import Accelerator, Server
from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from roofline.spread import Spread
from tco._checked import POSITIVE, given
from tco.accounts import INFRASTRUCTURE_PARTS, SERVER_PARTS, Account, account
from tco.defaults import Assumption, facility_assumptions, rent, server_power, server_price, terms_assumptions
from tco.facility import Facility
from tco.finance import SECONDS_PER_YEAR
from tco.purchase import Purchase, Rental

if TYPE_CHECKING:
    from tco.environment import Carbon


@runtime_checkable
class Estimate(Protocol):
    """What a deployment needs of a throughput that was modelled: a phase, or a generation from prompt to last token."""

    @property
    def devices(self) -> int:
        """Accelerators of one replica."""

    @property
    def kind(self) -> str:
        """What the figures are."""

    @property
    def workload(self) -> str:
        """What was asked for, in words."""


def is_modelled(throughput: object) -> bool:
    """Whether a throughput was modelled, or is a plain number."""
    return isinstance(throughput, Estimate)


@dataclass(frozen=True, eq=False)
class Deployment:
    """Servers of one kind in a facility, and what they serve.

    Costs are of one server and one year; Kim's ratios need no more, since the number of servers cancels at equal
    traffic.

    Attributes
    ----------
    server : Server
        What is bought.
    facility : Facility
        Where it stands.
    throughput : PhaseEstimate, Generation, ContinuousBatching, PowerEstimate, Measured, Run, Runs, number or array
        An estimate knows the devices that it used, and the server is filled with as many replicas as fit; of a
        generation or a stream of requests, output tokens count; of a power estimate, what its limit leaves (the server
        is still provisioned for its own power, unless ``server.replace(power_w=…)`` says less). A run, or runs of one
        workload, count as measured. A plain number is tokens/s of the whole server.
    accelerator : Accelerator, optional
        What the server holds; taken from the estimate or the catalogue if not given.
    terms : Purchase or Rental
        How it is paid for: bought, with what its price leaves out, or rented by the hour, hosting and energy included.
        Porting is paid once for a fleet, whatever its size, and so counts in a :func:`tco.plan` only.

    Raises
    ------
    OutOfMemoryError
        The estimate's batch does not fit in memory.
    UnknownValueError
        A price or a power is unknown and cannot be derived.
    ValueError
        The estimate is of another accelerator, needs more devices than the server has, or a number is not above 0.

    Examples
    --------
    >>> import roofline as rl
    >>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2"), batch=64, context_tokens=2048, precision="fp8")
    >>> a = Deployment(server=hs.get_server("gaudi-2-hls"), facility=Facility(), throughput=d)
    >>> a.replicas, round(float(a.tokens_per_s / d.tokens_per_s), 6)
    (8, 8.0)
    >>> list(a.breakdown)
    ['server', 'rack', 'plant', 'energy']
    """

    server: Server
    facility: Facility
    throughput: Any
    accelerator: Accelerator | None = None
    terms: Purchase | Rental = field(default_factory=Purchase)

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("server", Server, "hs.get_server('dgx-h100')"),
            ("facility", Facility, "tco.Facility()"),
            ("terms", Purchase | Rental, "tco.Purchase() or tco.Rental()"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise refused(name, value, f"{_named(kind)}, such as {example}")
        if self.accelerator is not None and self.accelerator.key != self.server.accelerator:
            raise ValueError(
                f"accelerator is {self.accelerator.key}, but server {self.server.key} holds {self.server.accelerator}"
            )
        if type(self.throughput).__module__ == "roofline.measurements.records":
            from roofline.measurements.measured import measured  # here, so that importing the package stays cheap

            object.__setattr__(self, "throughput", measured(self.throughput))
        if self.accelerator is None:
            object.__setattr__(self, "accelerator", self._find_accelerator())
        if is_modelled(self.throughput):
            self._check_estimate(self.throughput)
        else:
            object.__setattr__(self, "throughput", given("throughput", self.throughput, above=0, private=True))
        _ = self.breakdown  # an unknown price or a server too big for its rack is refused here, not at first use

    def _find_accelerator(self) -> Accelerator | None:
        modelled = getattr(self.throughput, "accelerator", None)
        if isinstance(modelled, Accelerator):
            return modelled
        known = self.server.accelerator in hs.names()
        return hs.get(self.server.accelerator) if known else None

    def _check_estimate(self, estimate: Any) -> None:
        device = estimate.accelerator
        if isinstance(device, Accelerator) and device.key != self.server.accelerator:
            raise ValueError(
                f"throughput is of {device.key}, but server {self.server.key} holds {self.server.accelerator}"
            )
        if estimate.devices > self.server.accelerators:
            raise ValueError(
                f"throughput needs {estimate.devices} devices, but server {self.server.key} has "
                f"{self.server.accelerators}"
            )
        phase = getattr(estimate, "unthrottled", estimate)
        if hasattr(phase, "require_fit"):  # a generation that does not fit was refused when it was made
            phase.require_fit()

    @property
    def replicas(self) -> int | None:
        """Replicas of the model that the server runs; ``None`` where the throughput is a plain number."""
        if not is_modelled(self.throughput):
            return None
        return int(self.server.accelerators // self.throughput.devices)

    @cached_property
    def tokens_per_s(self) -> Array:
        """Throughput of one server [token/s]."""
        if self.replicas is None:
            return self.throughput
        made = getattr(self.throughput, "output_tokens_per_s", None)
        return self.replicas * (self.throughput.tokens_per_s if made is None else made)

    @property
    def spread(self) -> Spread | None:
        """How far the throughput may be off; ``None`` where nothing says it: ideal rooflines, and plain numbers."""
        phase = getattr(self.throughput, "unthrottled", self.throughput)
        found: Spread | None = getattr(phase, "spread", None)
        return found

    def off_alike(self, other: Deployment) -> bool:
        """Whether its throughput and another's are off by one factor: the same run, or the same losses on one machine.

        Parameters
        ----------
        other : Deployment
            The other.
        """
        ours, theirs = (getattr(side.throughput, "unthrottled", side.throughput) for side in (self, other))
        if ours is theirs:
            return True
        if self.server.accelerator != other.server.accelerator:
            return False
        losses = [getattr(of, "calibration", None) for of in (ours, theirs)]
        if losses[0] is not None:
            return bool(losses[0] == losses[1])
        said = [
            (of.source, of.workload, of.devices, float(of.tokens_per_s)) if hasattr(of, "runs") else None
            for of in (ours, theirs)
        ]
        return said[0] is not None and said[0] == said[1]

    @property
    def rented(self) -> bool:
        """Whether accelerators are rented, hosting and energy included."""
        return isinstance(self.terms, Rental)

    @cached_property
    def price(self) -> Assumption:
        """Price of the server [USD], or rent of an accelerator [USD/h], and where it comes from."""
        if isinstance(self.terms, Rental):
            return rent(self.accelerator, self.terms.usd_per_h)
        if self.terms.accelerator_usd is not None:
            return Assumption(
                name=f"server price of {self.server.key}",
                value=cast("float", self.terms.price_usd(None, self.server.accelerators)),
                unit="USD",
                origin="yours",
                source="given, by item",
                private=True,
            )
        return server_price(self.server, self.accelerator)

    @cached_property
    def power(self) -> Assumption:
        """Provisioned power of the server [W], and where it comes from."""
        return server_power(self.server, self.accelerator)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What :func:`tco.account` takes of this deployment, by its names: all but the traffic and the fleet."""
        shared = {
            "tokens_per_s": self.tokens_per_s,
            "power_w": self.power.value,
            "accelerators": float(self.server.accelerators),
            "server_years": self.facility.server_years,
            "porting_usd": self.terms.porting_usd,
        }
        terms = self.terms
        if isinstance(terms, Rental):
            kept = ("discount_rate", "payments_per_year", "load", "idle_share", "pue", "pue_by_load")
            return {name: value for name, value in self.facility.terms.items() if name in kept} | shared | {
                "rent_usd_per_h": self.price.value,
                "upfront_share": terms.upfront_share,
                "commitment_years": terms.commitment_years,
            }  # fmt: skip
        licence = terms.licence_usd_per_accelerator_year
        price_usd = terms.price_usd(self.price.value, self.server.accelerators)
        return self.facility.terms | shared | {
            "server_years": self.facility.server_years if terms.years is None else terms.years,
            "price_usd": price_usd,
            "residual_share": terms.residual_share,
            "network_usd": terms.network_usd(price_usd),
            "storage_usd": terms.storage_usd,
            "installation_usd": terms.installation_usd,
            "licences_usd_per_year": None if licence is None else licence * self.server.accelerators,
            "support_share_per_year": terms.support_share_per_year,
            "servers_per_rack": float(self.facility.servers_per_rack(self.server, self.power.value)[0]),
        }  # fmt: skip

    def evaluate(self, **changes: Any) -> Account:
        """Account of one server, with some inputs changed; arrays broadcast, so that any sweep is one call.

        Parameters
        ----------
        **changes
            New values by the names of :attr:`inputs`, such as ``usd_per_kwh`` or ``price_usd``.

        Returns
        -------
        Account
            Of one server that is busy all year round.

        Raises
        ------
        ValueError
            A name that this deployment's account does not hold.

        Examples
        --------
        >>> d = Deployment(server=hs.get_server("dgx-h100"), facility=Facility(), throughput=40_000.0)
        >>> d.evaluate(usd_per_kwh=np.array([0.04, 0.08])).parts["energy"].round()
        array([4468., 8935.])
        """
        # What a fleet costs once, and how much a server does, are no matter of a server's year.
        of_one = {name: value for name, value in self.inputs.items() if name not in ("porting_usd", "tokens_per_s")}
        one = {"traffic_per_s": 1.0, "tokens_per_s": 1.0, "whole": False}
        return account(**(with_changes(of_one, self.with_racks(changes)) | one))

    def with_racks(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Return changes of inputs with what follows from them: how many servers of another power a rack holds.

        Parameters
        ----------
        changes : dict
            By name; a number of servers for each rack that is among them stays.

        Raises
        ------
        ValueError
            A power at which no rack holds a server.

        Examples
        --------
        >>> d = Deployment(server=hs.get_server("dgx-h100"), facility=Facility(), throughput=40_000.0)
        >>> d.with_racks({"power_w": np.array([7000.0, 10_200.0])})["servers_per_rack"]
        array([5., 3.])
        """
        if "power_w" not in changes or "servers_per_rack" in changes or "servers_per_rack" not in self.inputs:
            return changes
        held, _ = self.facility.servers_per_rack(self.server, given("power_w", changes["power_w"], **POSITIVE))
        return changes | {"servers_per_rack": held}

    def carbon_of(self, account: Account) -> Carbon:
        """Greenhouse gases of a year: of the electricity, and of making the servers where that is known.

        Parameters
        ----------
        account : Account
            Of this deployment, or of a plan of it; of any shape, which the result has too.

        Returns
        -------
        Carbon

        Examples
        --------
        >>> d = Deployment(server=hs.get_server("dgx-h100"), facility=Facility(), throughput=40_000.0)
        >>> round(d.carbon_of(d.evaluate()).kg_per_year)
        53723
        """
        from tco import environment  # which few need

        embodied = getattr(self.terms, "embodied_kg", None)
        return environment.carbon(
            kwh=account.energy_kwh,
            grid_gco2_per_kwh=self.facility.grid_gco2_per_kwh,
            embodied_kgco2=None if embodied is None else embodied * (account.servers + account.spares),
            years=None if embodied is None else self.inputs["server_years"],
        )

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input, with its origin."""
        if is_modelled(self.throughput):
            device = self.throughput
            replicas = "1 replica" if self.replicas == 1 else f"{self.replicas} replicas"
            bound = ", an upper bound" if device.kind == "ideal roofline" else ""
            name = getattr(device, "machine", self.server).name
            source = f"{device.kind}{bound}: {device.workload}; {replicas} on {name}"
            calibration = getattr(device, "calibration", None)
            if calibration is not None:
                source += f"; {calibration.provenance}"
            origin: Any = "measured" if device.kind == "measured" else "modelled"
            if origin == "measured":
                source = f"{device.source}: {source.removeprefix('measured: ')}"
        else:
            source, origin = "given, tokens/s of the whole server", "yours"
        throughput = Assumption(
            name=f"throughput of {self.server.key}",
            value=float(np.max(self.tokens_per_s)),
            unit="tokens/s",
            origin=origin,
            source=source,
        )
        own = terms_assumptions(self.terms, self.server.key)
        if isinstance(self.terms, Rental):
            financed = {"discount_rate"} if self.terms.upfront_share or self.terms.porting_usd else set()
            financed |= {"server_years"} if self.terms.porting_usd else set()
            unused = set(Facility.model_fields) - financed
            return (throughput, self.price, *own, *facility_assumptions(self.facility, unused))
        unused = set() if self.terms.years is None else {"server_years"}
        return (throughput, self.price, self.power, *own, *facility_assumptions(self.facility, unused))

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return any(assumption.private for assumption in self.assumptions)

    @cached_property
    def breakdown(self) -> dict[str, float]:
        """Yearly cost of one server by part; the parts add up to :attr:`usd_per_year` [USD/year]."""
        return {part: float(usd) for part, usd in self.evaluate().parts.items()}

    @property
    def server_usd_per_year(self) -> float:
        """Kim's ``Cost_Server``: the server's price over its life, what was bought with it, or its rent [USD/year]."""
        return sum(usd for part, usd in self.breakdown.items() if part in SERVER_PARTS)

    @property
    def infrastructure_usd_per_year(self) -> float:
        """Kim's ``Cost_Infra``: rack, plant and energy of one server; 0 where rent contains them [USD/year]."""
        return sum(usd for part, usd in self.breakdown.items() if part in INFRASTRUCTURE_PARTS)

    @property
    def usd_per_year(self) -> float:
        """Total cost of one server [USD/year]."""
        return self.server_usd_per_year + self.infrastructure_usd_per_year

    @property
    def usd_per_million_tokens(self) -> Array:
        """Cost of a million tokens at this throughput all year round [USD per 10⁶ tokens]."""
        return self.usd_per_year / (self.tokens_per_s * SECONDS_PER_YEAR) * 1e6

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{item.name}</td><td>{item.shown()}</td><td>{item.origin}</td><td>{item.source}</td></tr>"
            for item in self.assumptions
        )
        return f"<p>{self!r}</p><table>{rows}</table>"

    def __repr__(self) -> str:
        served = "given" if self.replicas is None else self.throughput.workload
        cost = "costs private" if self.private else f"{self.usd_per_year:,.0f} USD/year a server"
        rate = f"{float(np.max(self.tokens_per_s)):,.0f} tokens/s"
        return f"Deployment({self.server.key}: {rate} a server ({served}), {cost})"


def refused(name: str, value: object, accepted: str) -> ValueError:
    """Return the error of an argument of the wrong kind; what is not a text may hold private figures, so not shown.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        What was given.
    accepted : str
        What to give instead.

    Examples
    --------
    >>> str(refused("traffic", 1e6, "a Traffic"))
    'traffic is a float, which is not accepted: give a Traffic'
    """
    shown = f"{name} = {value!r} is" if isinstance(value, str) else f"{name} is a {type(value).__name__}, which is"
    return ValueError(f"{shown} not accepted: give {accepted}")


def with_changes(inputs: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return inputs of an account with some changed.

    Parameters
    ----------
    inputs : dict
        By name.
    changes : dict
        New values of some.

    Raises
    ------
    ValueError
        A name that is not among them, or that is not in the account.
    """
    for name in changes:
        if name not in inputs:
            raise ValueError(f"{name} is no input of this account{did_you_mean(name, inputs)}")
        if inputs[name] is None:
            raise ValueError(f"{name} is not in this account: give the deployment a value first")
    return inputs | changes


def _named(kind: Any) -> str:
    return "a Purchase or a Rental" if kind == Purchase | Rental else f"a {kind.__name__}"
