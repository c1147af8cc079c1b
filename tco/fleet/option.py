"""A kind of server that a fleet may have: what it serves, costs, draws, and how many can be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tco._checked import given
from tco.finance import HOURS_PER_YEAR

if TYPE_CHECKING:
    from tco.deployment import Deployment
    from tco.planning import Plan

LIMITS = {"site_power_w": "power_w", "racks": "servers_per_rack", "gco2_per_year": "gco2_per_year"}
"""Limits of a whole fleet, each with the field of an option that it needs."""


def one_number(name: str, value: Any, **limits: Any) -> float:
    """Check one number that errors must not show.

    Parameters
    ----------
    name : str
        Of the field, for the message.
    value : object
        What was given.
    **limits
        As :func:`roofline._validation.number` takes them.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        Not one number within the limits.
    """
    array = given(name, value, private=True, **limits)
    if array.shape != ():
        raise ValueError(f"{name} holds {array.size} numbers: give one")
    return float(array)


def named_numbers(name: str, value: Any, **limits: Any) -> dict[str, float]:
    """Check a mapping of names to numbers, and copy it.

    Parameters
    ----------
    name : str
        Of the field, for the message.
    value : object
        What was given.
    **limits
        As :func:`roofline._validation.number` takes them.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        Not a mapping of words to numbers within the limits.
    """
    if not isinstance(value, Mapping) or any(not isinstance(key, str) or not key for key in value):
        raise ValueError(f"{name} is not accepted: give a mapping of names to numbers")
    return {key: one_number(f"{name}[{key!r}]", item, **limits) for key, item in value.items()}


@dataclass(frozen=True, kw_only=True)
class Option:
    """A kind of server that may be bought or rented.

    Attributes
    ----------
    name : str
        What results call it.
    usd_per_year : float
        Cost of one server, infrastructure and energy included [USD/year].
    rates : mapping of str to float
        What one server delivers of each workload within the SLO when it does nothing else, above 0, in the unit of the
        demand (requests/s, tokens/s). A workload that is not in it cannot be served: it misses the SLO or a quality
        gate.
    power_w : float, optional
        Provisioned power of one server [W].
    servers_per_rack : float, optional
        Servers that a rack holds, whole; below 1 where a server takes several racks. Kinds do not share a rack.
    gco2_per_year : float, optional
        Greenhouse gas of one server [gCO2e/year].
    supply : int, optional
        Most servers that can be had; without it, as many as wanted.
    at_least : int
        Servers that the fleet has in any case.
    minimum : int
        Fewest servers if there is any: replicas that a kind is worth running with.
    availability : float
        Share of the time that a server works, above 0 to 1.
    on_demand : bool
        Decided after demand is known, in each scenario by itself; else before, for all scenarios.
    off_site : bool
        Stands elsewhere and takes neither power nor racks of the site.
    private : bool
        Whether ``repr`` hides what it costs and draws.

    Raises
    ------
    ValueError
        A field out of range; the message does not show the value.

    Examples
    --------
    >>> Option(name="h100", usd_per_year=60_000, rates={"chat": 900.0}, power_w=10_200)
    Option(h100: serves chat, costs private)
    """

    name: str
    usd_per_year: float
    rates: Mapping[str, float] = field(hash=False)
    power_w: float | None = None
    servers_per_rack: float | None = None
    gco2_per_year: float | None = None
    supply: int | None = None
    at_least: int = 0
    minimum: int = 1
    availability: float = 1.0
    on_demand: bool = False
    off_site: bool = False
    private: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or self.name == "overflow":
            raise ValueError(f"name = {self.name!r} is not accepted: give a word other than 'overflow'")
        self._store("usd_per_year", at_least=0, at_most=1e15)
        rates = named_numbers(f"rates of option {self.name!r}", self.rates, at_least=1e-30, at_most=1e30)
        if not rates:
            raise ValueError(f"rates of option {self.name!r} is empty: give a rate for each workload that it serves")
        object.__setattr__(self, "rates", rates)
        self._store("power_w", above=0, at_most=1e12)
        self._store("servers_per_rack", at_least=1e-6, at_most=1e6)
        if self.servers_per_rack is not None and self.servers_per_rack > 1 and self.servers_per_rack % 1:
            raise ValueError(
                f"servers_per_rack of option {self.name!r} is not accepted: give a whole number, or below 1"
            )
        self._store("gco2_per_year", at_least=0, at_most=1e18)
        self._store("availability", at_least=1e-9, at_most=1)
        for name, low in (("supply", 0), ("at_least", 0), ("minimum", 1)):
            self._store(name, at_least=low, at_most=10**9, whole=True)
            if getattr(self, name) is not None:
                object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("on_demand", "off_site", "private"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} of option {self.name!r} is not accepted: give True or False")
        if self.supply is not None and self.supply < self.at_least:
            raise ValueError(f"at_least of option {self.name!r} is above its supply")

    def _store(self, name: str, **limits: Any) -> None:
        value = getattr(self, name)
        if value is None and self.__dataclass_fields__[name].default is None:
            return
        object.__setattr__(self, name, one_number(f"{name} of option {self.name!r}", value, **limits))

    @classmethod
    def rented(cls, *, name: str, usd_per_h: float, rates: Mapping[str, float], **fields: Any) -> Option:
        """Make an option of a server that is rented by the hour, elsewhere.

        Parameters
        ----------
        name, rates
            As of any option.
        usd_per_h : float
            Rent of one server, for all 8,760 hours of a year [USD/h].
        **fields
            Any other field; ``off_site`` is true unless given.

        Returns
        -------
        Option

        Examples
        --------
        >>> Option.rented(name="h100", usd_per_h=2.99, rates={"chat": 900.0}, private=False)
        Option(h100: serves chat, 26,192 USD/year)
        """
        hourly = one_number(f"usd_per_h of option {name!r}", usd_per_h, at_least=0, at_most=1e11)
        return cls(name=name, usd_per_year=hourly * HOURS_PER_YEAR, rates=rates, **{"off_site": True, **fields})

    @classmethod
    def of(cls, side: Deployment | Plan, *, name: str, rates: Mapping[str, float], **fields: Any) -> Option:
        """Make an option of a deployment, or of a plan.

        A deployment's server costs what it does when it is busy all year; a plan's what it does as planned, idle hours
        and spares included. Porting, which is of a fleet, is not in it.

        Parameters
        ----------
        side : Deployment or Plan
            What a server costs, draws and emits, and whether it is rented.
        name, rates
            As of any option.
        **fields
            Any other field, which counts before that of `side`.

        Returns
        -------
        Option

        Examples
        --------
        >>> import hardware_specs as hs, tco
        >>> d = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), throughput=40_000.0)
        >>> Option.of(d, name="h100", rates={"chat": 40_000.0}, private=False)
        Option(h100: serves chat, 106,947 USD/year)
        """
        deployment: Any = getattr(side, "deployment", side)
        account = side.evaluate()
        servers = float(account.servers)
        usd_per_year = float(account.total_usd) - float(account.parts.get("porting", 0.0))
        found: dict[str, Any] = {
            "power_w": float(account.site_power_w) / servers,  # the site feeds its cooling too
            "availability": getattr(side, "availability", 1.0),
            "servers_per_rack": deployment.inputs.get("servers_per_rack"),
            "gco2_per_year": float(deployment.carbon_of(account).kg_per_year) * 1e3 / servers,
            "off_site": deployment.rented,
            "private": side.private,
        }
        return cls(name=name, usd_per_year=usd_per_year / servers, rates=rates, **(found | fields))

    def need(self, limit: str) -> float | None:
        """What one server takes of a limit, or ``None`` where that is unknown.

        Parameters
        ----------
        limit : str
            ``site_power_w`` [W], ``racks``, or ``gco2_per_year`` [gCO2e/year].

        Returns
        -------
        float or None

        Examples
        --------
        >>> Option(name="nvl72", usd_per_year=1e6, rates={"chat": 1e5}, power_w=132e3, servers_per_rack=1).need("racks")
        1.0
        """
        if self.off_site and limit != "gco2_per_year":
            return 0.0
        value: float | None = getattr(self, LIMITS[limit])
        return 1 / value if limit == "racks" and value is not None else value

    def __repr__(self) -> str:
        cost = "costs private" if self.private else f"{self.usd_per_year:,.0f} USD/year"
        return f"Option({self.name}: serves {', '.join(self.rates)}, {cost})"
