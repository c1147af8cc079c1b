"""What a datacentre charges a server: its share of a rack, its provisioned watts, and its energy.

Kim II-A lumps these into ``Cost_Infra`` per server. They are kept apart here because they answer differently to power:
the rack-bound part falls with the number of servers that fit a rack, the plant with provisioned watts, energy with use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hardware_specs import Server, UnknownValueError
from roofline._arrays import Array, namespace
from tco import capacity
from tco._own import Own


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


class Facility(Own):
    """A datacentre and the terms on which it is paid for.

    Every field has a dated public default, which :data:`FACILITY_SOURCES` explains, or is not in the account unless it
    is given; one that is given is the user's own and private: results name it but show its value only when revealed
    (the attributes and ``model_dump`` do show it).

    Attributes
    ----------
    pue : float
        Power usage effectiveness, 1 to 3.
    pue_by_load : tuple of (load, pue), optional
        PUE at several loads instead, load being drawn over provisioned power, rising.
    usd_per_kwh : float
        Electricity tariff, above 0 to 2 [USD/kWh].
    demand_usd_per_kw_month : float, optional
        Charge for the highest power drawn [USD/kW-month]; the default tariff is an average that contains it.
    load : float
        Power drawn by a busy server over provisioned power, above 0 to 1.
    idle_share : float, optional
        Power drawn by an idle server over provisioned power; without it an idle server counts as busy.
    rack_power_kw : float
        Power that a rack can feed [kW].
    rack_cooling_kw : float, optional
        Heat that can be taken away from a rack, where that is less than its power [kW].
    rack_slots_u : float, optional
        Height of a rack that is free for servers [rack units].
    rack_weight_kg : float, optional
        Load that a rack may carry [kg].
    rack_usd : float
        What each rack costs however many servers it holds: floor space, enclosure, distribution [USD].
    usd_per_watt : float
        Power and cooling plant per provisioned watt of IT, up to 200 [USD/W].
    colocation_usd_per_kw_month : float, optional
        Rent of provisioned power, instead of racks and plant of one's own [USD/kW-month].
    operations_usd_per_kw_month : float, optional
        Staff and upkeep of the site by provisioned power [USD/kW-month].
    site_power_kw : float, optional
        Power that the site has for everything, PUE included [kW].
    facility_years : float
        Life over which the cost of racks and plant is recovered, 1 to 50 [year].
    server_years : float
        Life over which the cost of servers is recovered, 0.25 to 20 [year].
    discount_rate : float
        Cost of capital per year, 0 to 1 (0.08 is 8 %); real where prices are of one year.
    payments_per_year : int
        Payments on capital: 1 at each year's end, or 12 for monthly ones.
    grid_gco2_per_kwh : float
        Carbon of the electricity [g CO₂e/kWh].
    usd_per_tonne_co2 : float, optional
        Carbon price, paid or internal [USD/t].
    wue_l_per_kwh : float
        Water used on site per energy of IT [l/kWh].
    grid_l_per_kwh : float, optional
        Water used to make electricity [l/kWh].
    usd_per_m3_water : float, optional
        Price of the water used on site [USD/m³].

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

    pue: Annotated[float, Field(ge=1, le=3)] = 1.25
    pue_by_load: tuple[tuple[float, float], ...] | None = None
    usd_per_kwh: Annotated[float, Field(gt=0, le=2)] = 0.0826
    demand_usd_per_kw_month: Annotated[float, Field(ge=0, le=1000)] | None = None
    load: Annotated[float, Field(gt=0, le=1)] = 1.0
    idle_share: Annotated[float, Field(ge=0, le=1)] | None = None
    rack_power_kw: Annotated[float, Field(gt=0, le=2000)] = 40.0
    rack_cooling_kw: Annotated[float, Field(gt=0, le=2000)] | None = None
    rack_slots_u: Annotated[float, Field(gt=0, le=100)] | None = None
    rack_weight_kg: Annotated[float, Field(gt=0, le=20_000)] | None = None
    rack_usd: Annotated[float, Field(ge=0, le=1e9)] = 5_940.0
    usd_per_watt: Annotated[float, Field(ge=0, le=200)] = 12.0
    colocation_usd_per_kw_month: Annotated[float, Field(gt=0, le=5_000)] | None = None
    operations_usd_per_kw_month: Annotated[float, Field(ge=0, le=5_000)] | None = None
    site_power_kw: Annotated[float, Field(gt=0, le=1e8)] | None = None
    facility_years: Annotated[float, Field(ge=1, le=50)] = 12.0
    server_years: Annotated[float, Field(ge=0.25, le=20)] = 4.0
    discount_rate: Annotated[float, Field(ge=0, le=1)] = 0.08
    payments_per_year: Literal[1, 12] = 1
    grid_gco2_per_kwh: Annotated[float, Field(ge=0, le=3_000)] = 481.0
    usd_per_tonne_co2: Annotated[float, Field(ge=0, le=10_000)] | None = None
    wue_l_per_kwh: Annotated[float, Field(ge=0, le=20)] = 1.8
    grid_l_per_kwh: Annotated[float, Field(ge=0, le=100)] | None = None
    usd_per_m3_water: Annotated[float, Field(ge=0, le=1_000)] | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.pue_by_load is not None:
            loads, pues = ([point[end] for point in self.pue_by_load] for end in (0, 1))
            if not loads or loads != sorted(set(loads)) or loads[0] < 0 or loads[-1] > 1:
                yield ("pue_by_load",), "should be pairs of (load, pue) with loads from 0 to 1, rising"
            if any(not 1 <= pue <= 3 for pue in pues):
                yield ("pue_by_load",), "should have PUEs from 1 to 3"
        if self.idle_share is not None and self.idle_share > self.load:
            yield ("idle_share",), "should be at most load, the share that a busy server draws"

    def servers_per_rack(self, server: Server, power_w: Array) -> tuple[Array, Any]:
        """Whole servers that a rack holds, and which of its limits says so.

        Parameters
        ----------
        server : Server
            With `slots_u` and `weight_kg` where the rack is limited in them.
        power_w : number or array
            Provisioned power of the server [W].

        Returns
        -------
        (int, str), or arrays of them
            At least 1; ``"power"``, ``"cooling"``, ``"slots"`` or ``"weight"``.

        Raises
        ------
        UnknownValueError
            A limit is given and the server's figure is not known.
        ValueError
            Not even one server fits.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> Facility(rack_cooling_kw=25.0).servers_per_rack(hs.get_server("dgx-h100"), 10_200)
        (2, 'cooling')
        """
        limits: dict[str, tuple[Array, Array]] = {"power": (self.rack_power_kw * 1e3, power_w)}
        if self.rack_cooling_kw is not None:
            limits["cooling"] = (self.rack_cooling_kw * 1e3, power_w)
        for name, has, needed in (
            ("slots", self.rack_slots_u, "slots_u"),
            ("weight", self.rack_weight_kg, "weight_kg"),
        ):
            if has is None:
                continue
            needs = getattr(server, needed)
            if needs is None:
                raise UnknownValueError(
                    f"facility.rack_{needed} limits the rack, but servers.{server.key}.{needed} is not known: give it, "
                    f"or leave the limit out"
                )
            limits[name] = (has, float(needs))
        fit = capacity.servers_per_rack_within(limits)
        limit = fit.binding_names
        if np.any(fit.servers < 1):
            binding = str(np.asarray(limit).flat[int(np.argmin(fit.servers))])
            field = {"power": "power_kw", "cooling": "cooling_kw", "slots": "slots_u", "weight": "weight_kg"}[binding]
            # Either figure may be private, so neither is shown.
            raise ValueError(
                f"facility.rack_{field} is below what one server needs, so no rack holds one: give more "
                f"(in a costs file: [facility] rack_{field} = ...)"
            )
        return (int(fit.servers) if np.shape(fit.servers) == () else fit.servers), limit

    @property
    def terms(self) -> dict[str, Any]:
        """What :func:`tco.account` takes of a facility, by its names; what has no bearing on its costs is left out."""
        owned = self.colocation_usd_per_kw_month is None
        found = {
            "discount_rate": self.discount_rate,
            "payments_per_year": float(self.payments_per_year),
            "load": self.load,
            "idle_share": self.idle_share,
            "rack_usd": self.rack_usd if owned else None,
            "usd_per_watt": self.usd_per_watt if owned else None,
            "colocation_usd_per_kw_month": self.colocation_usd_per_kw_month,
            "operations_usd_per_kw_month": self.operations_usd_per_kw_month,
            "usd_per_kwh": self.usd_per_kwh,
            "demand_usd_per_kw_month": self.demand_usd_per_kw_month,
            "usd_per_tonne_co2": self.usd_per_tonne_co2,
            "usd_per_m3_water": self.usd_per_m3_water,
        }
        if owned:
            found["facility_years"] = self.facility_years
        if self.usd_per_tonne_co2 is not None:
            found["grid_gco2_per_kwh"] = self.grid_gco2_per_kwh
        if self.usd_per_m3_water is not None:
            found["litres_per_kwh"] = self.wue_l_per_kwh
        return found | ({"pue": self.pue} if self.pue_by_load is None else {"pue_by_load": self.pue_by_load})


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
    "payments_per_year": "one payment at each year's end, as in NREL/TP-462-5173 (Hamilton pays monthly)",
    "grid_gco2_per_kwh": "world average of 2023, Ember by way of Our World in Data (Norway 30, France 56, India 713)",
    "wue_l_per_kwh": "industry average of water used on site, 1.8-1.9 (Microsoft 0.27 in FY25, AWS 0.25 in 2021)",
}
"""Where each default of :class:`Facility` comes from, with the spread that was seen."""

FACILITY_RANGES: dict[str, tuple[float, float, str]] = {
    "pue": (1.1, 1.54, "Epoch AI's hyperscalers to the average of the Uptime survey of 2025"),
    "usd_per_kwh": (0.0771, 0.161, "US industry in 2024 (EIA) to the world's businesses in 2025 (GlobalPetrolPrices)"),
    "load": (0.75, 1.0, "average of GPUs in training (Epoch AI) to all that is provisioned"),
    "rack_power_kw": (10.0, 50.0, "most racks (Uptime 2025) to the most that air is said to cool"),
    "usd_per_watt": (11.6, 15.2, "Frankfurt to Tokyo, Turner & Townsend 2025-26"),
    "facility_years": (10.0, 15.0, "Hamilton 2008 and 2010"),
    "server_years": (3.0, 6.0, "Hamilton 2010 to CoreWeave"),
    "discount_rate": (0.05, 0.11, "Hamilton 2010 to CoreWeave's average of June 2025"),
    "grid_gco2_per_kwh": (30.0, 713.0, "Norway to India in 2023, Ember"),
    "wue_l_per_kwh": (0.0, 1.9, "sites without evaporation to the upper end of the industry's average"),
}
"""The range in which sources place each default: low, high, and who says so."""

_UNITS = {
    "usd_per_kwh": "USD/kWh",
    "demand_usd_per_kw_month": "USD/kW-month",
    "rack_power_kw": "kW",
    "rack_cooling_kw": "kW",
    "rack_slots_u": "U",
    "rack_weight_kg": "kg",
    "colocation_usd_per_kw_month": "USD/kW-month",
    "operations_usd_per_kw_month": "USD/kW-month",
    "site_power_kw": "kW",
    "grid_gco2_per_kwh": "g/kWh",
    "usd_per_tonne_co2": "USD/t",
    "wue_l_per_kwh": "l/kWh",
    "grid_l_per_kwh": "l/kWh",
    "usd_per_m3_water": "USD/m³",
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
