"""What a datacentre charges a server: its share of a rack, its provisioned watts, and its energy.

Kim II-A lumps these into ``Cost_Infra`` per server. They are kept apart here because they answer differently to power:
the rack-bound part falls with the number of servers that fit a rack, the plant with provisioned watts, energy with use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from hardware_specs._base import Spec
from roofline._arrays import Array, namespace
from roofline._validation import number
from tco.finance import HOURS_PER_YEAR, capital_recovery_factor


def servers_per_rack(*, rack_power_w: Array, server_power_w: Array) -> Array:
    """Whole servers that a rack's power feeds: ``floor(P_rack/P)`` (Kim II-A, VI-D).

    Parameters
    ----------
    rack_power_w, server_power_w : number or array
        Power of the rack, provisioned power of a server [W].

    Returns
    -------
    number or array
        0 if a server needs more than a rack.

    Examples
    --------
    >>> float(servers_per_rack(rack_power_w=40_000.0, server_power_w=10_200.0))
    3.0
    """
    xp = namespace(rack_power_w, server_power_w)
    # Binary fractions make 32.3 kW / 16.15 kW fall a hair short of 2; a whole number so near is meant.
    return xp.floor(xp.asarray(rack_power_w / server_power_w * (1 + 1e-12)))


class InfrastructureCost(NamedTuple):
    """Infrastructure cost of a server by what drives it [USD/year]; their sum is Kim's ``Cost_Infra``."""

    rack: Array
    plant: Array
    energy: Array


def infrastructure_usd_per_year(
    *,
    server_power_w: Array,
    rack_power_w: Array,
    rack_usd: Array,
    usd_per_watt: Array,
    facility_years: Array,
    discount_rate: Array,
    load: Array,
    pue: Array,
    usd_per_kwh: Array,
) -> InfrastructureCost:
    """Infrastructure cost of one server: rack share, power and cooling plant, energy [USD/year].

    ``rack·CRF/n + $/W·P·CRF + load·P·PUE·8760·tariff`` with ``n = floor(P_rack/P)``, after Kim II-A's description, with
    capital recovered over the facility's life.

    Parameters
    ----------
    server_power_w, rack_power_w : number or array
        Provisioned power of a server and of a rack [W].
    rack_usd : number or array
        What comes with each rack however many servers it holds [USD].
    usd_per_watt : number or array
        Power and cooling plant per provisioned watt of IT [USD/W].
    facility_years, discount_rate : number or array
        Life [year] and discount rate per year.
    load : number or array
        Average power over provisioned power, 0 to 1.
    pue : number or array
        Power usage effectiveness, at least 1.
    usd_per_kwh : number or array
        Electricity tariff [USD/kWh].

    Returns
    -------
    InfrastructureCost

    Examples
    --------
    >>> cost = infrastructure_usd_per_year(server_power_w=10_000.0, rack_power_w=40_000.0, rack_usd=40_000.0,
    ...     usd_per_watt=10.0, facility_years=10, discount_rate=0.0, load=1.0, pue=1.2, usd_per_kwh=0.1)
    >>> [round(float(part)) for part in cost]
    [1000, 10000, 10512]
    """
    recovery = capital_recovery_factor(rate=discount_rate, years=facility_years)
    n = servers_per_rack(rack_power_w=rack_power_w, server_power_w=server_power_w)
    return InfrastructureCost(
        rack=rack_usd * recovery / n,
        plant=usd_per_watt * server_power_w * recovery,
        energy=load * server_power_w / 1e3 * pue * HOURS_PER_YEAR * usd_per_kwh,
    )


class Facility(Spec):
    """A datacentre and the terms on which it is paid for.

    Every field has a dated public default, which :data:`FACILITY_SOURCES` explains; one that is given is the user's own
    and private: results name it but show its value only when revealed (the attributes and ``model_dump`` do show it).

    Attributes
    ----------
    pue : float
        Power usage effectiveness, 1 to 3.
    usd_per_kwh : float
        Electricity tariff, above 0 to 2 [USD/kWh].
    load : float
        Average over provisioned power, above 0 to 1.
    rack_power_kw : float
        Power that a rack can feed and cool [kW].
    rack_usd : float
        What each rack costs however many servers it holds: floor space, enclosure, distribution [USD].
    usd_per_watt : float
        Power and cooling plant per provisioned watt of IT, up to 200 [USD/W].
    facility_years, server_years : float
        Lives over which capital is recovered, 1 to 50 and 0.25 to 20 [year].
    discount_rate : float
        Cost of capital per year, 0 to 1 (0.08 is 8 %).

    Raises
    ------
    pydantic.ValidationError
        A value out of range or an unknown field; the message never shows a value.

    Examples
    --------
    >>> Facility(pue=1.25, usd_per_kwh=0.08).pue
    1.25
    >>> Facility(pue=0.9)
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Facility
    pue
      should be greater than or equal to 1 [type=spec]
    """

    hides_values: ClassVar[bool] = True

    pue: Annotated[float, Field(ge=1, le=3)] = 1.25
    usd_per_kwh: Annotated[float, Field(gt=0, le=2)] = 0.0826
    load: Annotated[float, Field(gt=0, le=1)] = 1.0
    rack_power_kw: Annotated[float, Field(gt=0, le=2000)] = 40.0
    rack_usd: Annotated[float, Field(ge=0)] = 5_940.0
    usd_per_watt: Annotated[float, Field(ge=0, le=200)] = 12.0
    facility_years: Annotated[float, Field(ge=1, le=50)] = 12.0
    server_years: Annotated[float, Field(ge=0.25, le=20)] = 4.0
    discount_rate: Annotated[float, Field(ge=0, le=1)] = 0.08

    def infrastructure_usd_per_year(self, server_power_w: float) -> InfrastructureCost:
        """Infrastructure cost of one server by driver [USD/year].

        Parameters
        ----------
        server_power_w : float
            Provisioned power of the server [W].

        Raises
        ------
        ValueError
            Not a number above 0, or the server needs more power than a rack has.
        """
        number("server_power_w", server_power_w, above=0)
        if servers_per_rack(rack_power_w=self.rack_power_kw * 1e3, server_power_w=server_power_w) < 1:
            # Either power may be private, so neither is shown.
            raise ValueError(
                "facility.rack_power_kw is below the power of one server, so no rack holds one: give more "
                "(in a costs file: [facility] rack_power_kw = ...)"
            )
        return infrastructure_usd_per_year(
            server_power_w=server_power_w,
            rack_power_w=self.rack_power_kw * 1e3,
            rack_usd=self.rack_usd,
            usd_per_watt=self.usd_per_watt,
            facility_years=self.facility_years,
            discount_rate=self.discount_rate,
            load=self.load,
            pue=self.pue,
            usd_per_kwh=self.usd_per_kwh,
        )

    def server_usd_per_year(self, price_usd: float) -> float:
        """Yearly cost of owning a server: its price times the capital recovery factor [USD/year].

        Parameters
        ----------
        price_usd : float
            Purchase price, at least 0 [USD].

        Raises
        ------
        ValueError
            Not such a number.
        """
        number("price_usd", price_usd, at_least=0)
        return float(price_usd * capital_recovery_factor(rate=self.discount_rate, years=self.server_years))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: every field, the user's own masked."""
        for name in type(self).model_fields:
            yield name, "(private)" if name in self.model_fields_set else getattr(self, name)


FACILITY_SOURCES: dict[str, str] = {
    "pue": "Epoch AI training-cost model: 1.25 outside hyperscalers, 1.1 inside (the Uptime 2025 survey averages 1.54)",
    "usd_per_kwh": "US industrial average of 2025, EIA via Epoch AI (0.0771 in 2024)",
    "load": "provisioned power drawn all year: an upper bound (Epoch AI: a GPU averages 0.75 of TDP in training)",
    "rack_power_kw": "upper end of what air cooling is said to manage, 30-50 kW (Uptime and others, 2025)",
    "rack_usd": "Uptime Institute cost model TUI808 (about 2008), Tier II, by way of nlyte.com: 27 sq ft a rack at "
    "220 USD/sq ft; floor space only, so enclosures and power distribution in the row are not in it",
    "usd_per_watt": "Turner & Townsend 2025-26: London 12.0, Frankfurt 11.6, Silicon Valley 13.3, Tokyo 15.2 USD/W",
    "facility_years": "depreciation used by the ASIC Clouds and Chiplet Cloud TCO models after Barroso et al.",
    "server_years": "SemiAnalysis and Nebius: 4 years (Lambda 5, Amazon 5 for a subset, Meta 5.5, CoreWeave 6)",
    "discount_rate": "8 % in the ASIC Clouds TCO model after Barroso et al. (neoclouds paid about 11 % in 2025)",
}
"""Where each default of :class:`Facility` comes from, with the spread that was seen."""

_UNITS = {
    "usd_per_kwh": "USD/kWh",
    "rack_power_kw": "kW",
    "rack_usd": "USD",
    "usd_per_watt": "USD/W",
    "facility_years": "years",
    "server_years": "years",
    "discount_rate": "per year",
}


def unit_of(field: str) -> str:
    """Return the unit of a facility field, empty for a ratio.

    Examples
    --------
    >>> unit_of("usd_per_kwh"), unit_of("pue")
    ('USD/kWh', '')
    """
    return _UNITS.get(field, "")
