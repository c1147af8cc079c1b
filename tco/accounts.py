"""The yearly account of a fleet: from traffic to servers, racks and watts, and from those to every part of its cost.

One function, :func:`account`, holds the absolute model of which Kim's equation is the special case. Each input is a
keyword, a number or an array, and they broadcast, so that whatever a user may sweep or draw at random goes in. A term
that is ``None`` is not in the account, which is not the same as costing nothing: results list what is left out.

What drives each part decides how it answers to power, which Kim II-A lumps together as ``Cost_Infra``:

==================  ====================================================================================
servers             price, network, storage, installation, licences, support, spares, rent
racks               rack: falls with the number of servers that a rack holds
provisioned watts   plant, or colocation, and operations
energy              energy, carbon, water; demand follows the highest power drawn
nothing             porting: paid once for a platform
==================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware_specs import UnknownValueError
from roofline._arrays import Array, minimum, namespace
from tco import capacity
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, checked, is_more
from tco.capacity._common import by_slot
from tco.finance import HOURS_PER_YEAR, MONTHS_PER_YEAR, SECONDS_PER_YEAR, annual_cost

SERVER_PARTS = ("server", "rent", "spares", "network", "storage", "installation", "licences", "support", "porting")
"""What Kim calls ``Cost_Server``."""

INFRASTRUCTURE_PARTS = ("rack", "plant", "colocation", "energy", "demand", "operations", "carbon", "water")
"""What Kim calls ``Cost_Infra``."""


PRICED_PARTS = ("server", "spares", "support", "rent")
"""What follows the price of a server, or its rent: a discount lowers these alone."""

_SHARE: Limits = {"at_least": 0.0, "at_most": 1.0}
_YEARS: Limits = {"above": 0.0, "at_most": 1000.0}
_PUE: Limits = {"at_least": 1.0, "at_most": 10.0}

_ACCEPTED: dict[str, Limits] = {
    "traffic_per_s": POSITIVE,
    "tokens_per_s": {"at_least": 1e-200, "at_most": 1e200},  # draws of errors with heavy tails go far
    "power_w": POSITIVE,
    "discount_rate": {"at_least": 0.0, "at_most": 10.0},
    "server_years": _YEARS,
    "payments_per_year": {"above": 0.0, "at_most": HOURS_PER_YEAR},
    "profile": AT_LEAST_ZERO,
    "headroom": {"at_least": 0.0, "at_most": 1000.0},
    "load": {"above": 0.0, "at_most": 1.0},
    "idle_share": _SHARE,
    "accelerators": {"above": 0.0, "at_most": 1e9},
    "failures_per_year": {"at_least": 0.0, "at_most": 1e5},
    "repair_days": {"at_least": 0.0, "at_most": 1e4},
    "spares_confidence": {"at_least": 0.0, "at_most": 1 - 1e-12},
    "price_usd": AT_LEAST_ZERO,
    "residual_share": _SHARE,
    "network_usd": AT_LEAST_ZERO,
    "storage_usd": AT_LEAST_ZERO,
    "installation_usd": AT_LEAST_ZERO,
    "licences_usd_per_year": AT_LEAST_ZERO,
    "support_share_per_year": AT_LEAST_ZERO,
    "porting_usd": AT_LEAST_ZERO,
    "rent_usd_per_h": AT_LEAST_ZERO,
    "upfront_share": _SHARE,
    "commitment_years": _YEARS,
    "servers_per_rack": {"at_least": 1e-9, "at_most": 1e9},
    "rack_usd": AT_LEAST_ZERO,
    "usd_per_watt": AT_LEAST_ZERO,
    "facility_years": _YEARS,
    "colocation_usd_per_kw_month": AT_LEAST_ZERO,
    "operations_usd_per_kw_month": AT_LEAST_ZERO,
    "pue": _PUE,
    "pue_by_load": {"at_least": 0.0, "at_most": 10.0},
    "usd_per_kwh": AT_LEAST_ZERO,
    "demand_usd_per_kw_month": AT_LEAST_ZERO,
    "usd_per_tonne_co2": AT_LEAST_ZERO,
    "grid_gco2_per_kwh": AT_LEAST_ZERO,
    "usd_per_m3_water": AT_LEAST_ZERO,
    "litres_per_kwh": AT_LEAST_ZERO,
}
"""What each input may be. All may be private, so no message shows one."""

_NEEDS = {
    "support_share_per_year": "price_usd",
    "usd_per_tonne_co2": "grid_gco2_per_kwh",
    "usd_per_m3_water": "litres_per_kwh",
    "failures_per_year": "repair_days",
    "repair_days": "failures_per_year",
    "spares_confidence": "failures_per_year",
}
"""Inputs that say nothing without another."""


@dataclass(frozen=True, eq=False)
class Account:
    """A fleet and what it costs in a year; each attribute has the shape of the inputs that it depends on, broadcast.

    Attributes
    ----------
    servers, spares, racks : array
        Servers that serve, spare ones on the shelf, racks.
    utilisation : array
        Mean traffic over what the servers can serve: it follows from the traffic.
    provisioned_w, mean_power_w, peak_power_w : array
        Of the IT equipment: nameplate, drawn on average, drawn at the busiest hour [W].
    site_power_w : array
        To provision for the site: of the IT at full load, PUE included [W].
    pue : array
        Energy of the facility over that of the IT.
    energy_kwh : array
        Of the facility, PUE included [kWh/year].
    tokens : array
        Served [1/year].
    parts : mapping of str to array
        Cost by part [USD/year].
    """

    servers: Array
    spares: Array
    racks: Array
    utilisation: Array
    provisioned_w: Array
    mean_power_w: Array
    peak_power_w: Array
    site_power_w: Array
    pue: Array
    energy_kwh: Array
    tokens: Array
    parts: Mapping[str, Array]

    @property
    def server_usd(self) -> Array:
        """Kim's ``Cost_Server`` of the whole fleet [USD/year]; an error where neither a price nor a rent is known."""
        if not {"server", "rent"} & set(self.parts):
            raise UnknownValueError(
                "the account has neither price_usd nor rent_usd_per_h, so its total is not known: give one of them "
                "(0 where servers are paid for), or take infrastructure_usd"
            )
        return _sum(self.parts, SERVER_PARTS)

    @property
    def infrastructure_usd(self) -> Array:
        """Kim's ``Cost_Infra`` of the whole fleet [USD/year]."""
        return _sum(self.parts, INFRASTRUCTURE_PARTS)

    @property
    def total_usd(self) -> Array:
        """All parts together [USD/year]."""
        return self.server_usd + self.infrastructure_usd

    @property
    def usd_per_million_tokens(self) -> Array:
        """Cost of a million tokens that were served [USD per 10⁶ tokens]."""
        return self.total_usd / self.tokens * 1e6

    def __repr__(self) -> str:
        return f"Account({', '.join(self.parts)}; shape {np.shape(self.total_usd)})"


def _sum(parts: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    return sum((parts[name] for name in names if name in parts), start=0.0)


def _belong_together(arguments: Mapping[str, Any]) -> None:
    def has(name: str) -> bool:
        return arguments.get(name) is not None

    if has("price_usd") and has("rent_usd_per_h"):
        raise ValueError("price_usd and rent_usd_per_h are both given: a server is bought, or rented")
    for name in ("rack_usd", "usd_per_watt"):
        if has("colocation_usd_per_kw_month") and has(name):
            raise ValueError(f"{name} and colocation_usd_per_kw_month are both given: one stands for the other")
    for name, needed in _NEEDS.items():
        if has(name) and not has(needed):
            raise ValueError(f"{name} says nothing without {needed}: give both, or neither")
    if has("upfront_share") and not has("commitment_years") and is_more(arguments["upfront_share"], 0.0):
        raise ValueError("upfront_share says nothing without commitment_years: what is paid at the start is of one")
    if has("spares_confidence") and not arguments.get("whole", True):
        raise ValueError("spares_confidence needs whole servers: leave it out, or whole = True")
    if has("profile"):
        profile = arguments["profile"]
        if profile.ndim == 0 or is_more(abs(namespace(profile).mean(profile, axis=-1) - 1), 1e-9):
            raise ValueError("profile does not average 1: make it with tco.capacity.load_profile")


@checked(_belong_together, **{name: limits | Limits(private=True) for name, limits in _ACCEPTED.items()})
def account(
    *,
    traffic_per_s: Array,
    tokens_per_s: Array,
    power_w: Array,
    discount_rate: Array,
    server_years: Array,
    payments_per_year: float = 1.0,
    profile: Array | None = None,
    headroom: Array = 0.0,
    whole: bool = True,
    released: bool = False,
    load: Array = 1.0,
    idle_share: Array | None = None,
    accelerators: Array = 1.0,
    failures_per_year: Array | None = None,
    repair_days: Array | None = None,
    spares_confidence: Array | None = None,
    price_usd: Array | None = None,
    residual_share: Array = 0.0,
    network_usd: Array | None = None,
    storage_usd: Array | None = None,
    installation_usd: Array | None = None,
    licences_usd_per_year: Array | None = None,
    support_share_per_year: Array | None = None,
    porting_usd: Array | None = None,
    rent_usd_per_h: Array | None = None,
    upfront_share: Array = 0.0,
    commitment_years: Array | None = None,
    servers_per_rack: Array = 1.0,
    rack_usd: Array | None = None,
    usd_per_watt: Array | None = None,
    facility_years: Array = 12.0,
    colocation_usd_per_kw_month: Array | None = None,
    operations_usd_per_kw_month: Array | None = None,
    pue: Array = 1.0,
    pue_by_load: Array | None = None,
    usd_per_kwh: Array | None = None,
    demand_usd_per_kw_month: Array | None = None,
    usd_per_tonne_co2: Array | None = None,
    grid_gco2_per_kwh: Array | None = None,
    usd_per_m3_water: Array | None = None,
    litres_per_kwh: Array | None = None,
) -> Account:
    """Size a fleet for its traffic and sum what it costs in a year.

    Parameters
    ----------
    traffic_per_s, tokens_per_s : array
        Mean demand, and what one server serves within its limits on latency [token/s].
    power_w : array
        Provisioned power of a server [W].
    discount_rate, server_years, facility_years, payments_per_year : array
        Cost of capital per year; lives over which capital is recovered [year]; payments a year.
    profile : array, optional
        Demand over the slots of a day, with a mean of 1, on the last axis; flat if not given.
    headroom : array
        Capacity beyond the busiest slot, as a share of it.
    whole : bool
        Whole servers and racks; else fractions, as Kim has it.
    released : bool
        Servers that a slot does not need are switched off, and rent on demand stops.
    load, idle_share : array
        Power drawn by a busy and by an idle server over the provisioned; ``None`` counts idle as busy, an upper bound.
        Idle above busy counts as busy.
    accelerators : array
        Of a server: rents are of one.
    failures_per_year, repair_days : array, optional
        Failures of a server [1/year] and days until it is back. Without spares, servers are added for those away.
    spares_confidence : array, optional
        Probability with which spares replace every server that is away (Poisson); needs whole servers.
    price_usd, residual_share : array
        Purchase price of a server [USD], and the share of it that is left at the end of its life.
    network_usd, storage_usd, installation_usd : array, optional
        Capital beside a server's price [USD a server].
    licences_usd_per_year, support_share_per_year : array, optional
        Software [USD/year a server]; support as a share of the price.
    porting_usd : array, optional
        Work paid once for the platform, over a server's life [USD].
    rent_usd_per_h : array, optional
        Instead of a price: of one accelerator, with hosting and energy [USD/h].
    upfront_share, commitment_years : array
        Share of a rent that is paid at the start of the commitment, and its length [year].
    servers_per_rack, rack_usd : array
        Servers that a rack holds, and what a rack costs however many they are [USD].
    usd_per_watt : array, optional
        Power and cooling plant per provisioned watt [USD/W].
    colocation_usd_per_kw_month : array, optional
        Instead of racks and plant: rent of provisioned power [USD/kW-month].
    operations_usd_per_kw_month : array, optional
        Staff and upkeep of the site by provisioned power [USD/kW-month].
    pue, pue_by_load : array
        Power usage effectiveness, 1 to 10; or points of (load, PUE) instead, where load is drawn over provisioned
        power: energy and demand are then of each slot of the day.
    usd_per_kwh, demand_usd_per_kw_month : array, optional
        Tariff for energy [USD/kWh] and for the highest power [USD/kW-month].
    usd_per_tonne_co2, grid_gco2_per_kwh : array, optional
        Carbon price [USD/t] and carbon of the grid [g/kWh].
    usd_per_m3_water, litres_per_kwh : array, optional
        Price of water [USD/m³] and water per kWh of IT [l/kWh].

    Returns
    -------
    Account

    Raises
    ------
    ValueError
        An input out of range or not a number (none is shown), a price beside a rent, colocation beside racks or plant,
        an input that says nothing without another, or a profile that does not average 1.

    References
    ----------
    Kim et al., arXiv:2502.01070, II-A; Barroso, Hölzle, Ranganathan, "The Datacenter as a Computer", for the split of
    capital and operation of servers and facility.

    Examples
    --------
    >>> a = account(traffic_per_s=95.0, tokens_per_s=10.0, power_w=10_000.0, discount_rate=0.0, server_years=4.0,
    ...     price_usd=200_000.0, servers_per_rack=4.0, rack_usd=24_000.0, usd_per_watt=12.0, usd_per_kwh=0.1)
    >>> float(a.servers), float(a.racks), round(float(a.utilisation), 2)
    (10.0, 3.0, 0.95)
    >>> {part: round(float(usd)) for part, usd in a.parts.items()}
    {'server': 500000, 'rack': 6000, 'plant': 100000, 'energy': 87600}
    """
    shape = np.ones(1) if profile is None else profile
    failing = failures_per_year is not None and repair_days is not None
    spared = failing and spares_confidence is not None

    # How many: servers that are away are made up for by spares, or by more servers.
    up: Array = 1.0
    if failing and not spared:
        up = capacity.availability.pure(failures_per_year=failures_per_year, repair_days=repair_days)
    servers = capacity.servers_needed.pure(
        peak_per_s=traffic_per_s * capacity.peak_to_mean.pure(profile=shape),
        server_per_s=tokens_per_s,
        headroom=headroom,
        availability=up,
        whole=whole,
    )
    spares = 0.0 * servers
    if spared:
        spares = capacity.spares.pure(
            servers=servers,
            failures_per_year=failures_per_year,
            repair_days=repair_days,
            confidence=spares_confidence,
        )
    racks = capacity.racks_needed.pure(servers=servers, per_rack=servers_per_rack, whole=whole)

    # How many watts.
    busy_w = load * power_w
    day = {
        "profile": shape,
        "mean_per_s": traffic_per_s,
        "servers": servers,
        "server_per_s": tokens_per_s,
        "headroom": headroom,
        "availability": up,
        "whole": whole,
    }
    power = {
        "idle_w": busy_w if idle_share is None else minimum(idle_share, load) * power_w,
        "busy_w": busy_w,
        "released": released,
    }
    mean_power_w = capacity.mean_power_w.pure(**day, **power)
    peak_power_w = capacity.peak_power_w.pure(**day, **power)
    provisioned_w = servers * power_w
    if pue_by_load is None:
        full_pue, billed_w = pue, peak_power_w * pue
    else:  # each slot of the day has its own, so that the year's is the mean weighted with energy
        slots_w = capacity.slot_power_w.pure(**day, **power)
        load_of_slot = minimum(slots_w / by_slot(provisioned_w), 1.0)
        drawn_w = slots_w * capacity.pue_at(load=load_of_slot, points=pue_by_load)
        xp = namespace(drawn_w)
        pue = xp.mean(drawn_w, axis=-1) / mean_power_w
        full_pue, billed_w = capacity.pue_at(load=1.0, points=pue_by_load), xp.max(drawn_w, axis=-1)
    energy_kwh = mean_power_w / 1e3 * pue * HOURS_PER_YEAR

    # What each costs in a year.
    def capital(usd: Array, years: Array, residual: Array = 0.0) -> Array:
        return annual_cost.pure(
            capital=usd, rate=discount_rate, years=years, residual_share=residual, payments_per_year=payments_per_year
        )

    provisioned_kw_months = provisioned_w / 1e3 * MONTHS_PER_YEAR
    parts: dict[str, Array] = {}
    if price_usd is not None:
        parts["server"] = servers * capital(price_usd, server_years, residual_share)
        if spared:
            parts["spares"] = spares * capital(price_usd, server_years, residual_share)
    if rent_usd_per_h is not None:
        rented, dearer = servers, 0.0
        if commitment_years is not None:  # what is paid at the start is paid before its time
            dearer = upfront_share * (commitment_years * capital(1.0, commitment_years) - 1)
        elif released:
            on = capacity.servers_on.pure(**day)
            rented = namespace(on).mean(on, axis=-1)
        parts["rent"] = rented * accelerators * rent_usd_per_h * HOURS_PER_YEAR * (1 + dearer)
    for name, usd in (("network", network_usd), ("storage", storage_usd), ("installation", installation_usd)):
        if usd is not None:
            parts[name] = servers * capital(usd, server_years)
    if licences_usd_per_year is not None:
        parts["licences"] = servers * licences_usd_per_year
    if support_share_per_year is not None:
        parts["support"] = servers * support_share_per_year * price_usd
    if porting_usd is not None:
        parts["porting"] = capital(porting_usd, server_years) + 0.0 * servers
    if rack_usd is not None:
        parts["rack"] = racks * capital(rack_usd, facility_years)
    if usd_per_watt is not None:
        parts["plant"] = provisioned_w * capital(usd_per_watt, facility_years)
    if colocation_usd_per_kw_month is not None:
        parts["colocation"] = provisioned_kw_months * colocation_usd_per_kw_month
    if usd_per_kwh is not None:
        parts["energy"] = energy_kwh * usd_per_kwh
    if demand_usd_per_kw_month is not None:
        parts["demand"] = billed_w / 1e3 * MONTHS_PER_YEAR * demand_usd_per_kw_month
    if operations_usd_per_kw_month is not None:
        parts["operations"] = provisioned_kw_months * operations_usd_per_kw_month
    if usd_per_tonne_co2 is not None:
        parts["carbon"] = energy_kwh * grid_gco2_per_kwh / 1e6 * usd_per_tonne_co2
    if usd_per_m3_water is not None:
        parts["water"] = energy_kwh / pue * litres_per_kwh / 1e3 * usd_per_m3_water
    return Account(
        servers=servers,
        spares=spares,
        racks=racks,
        utilisation=traffic_per_s / (servers * tokens_per_s),
        provisioned_w=provisioned_w,
        mean_power_w=mean_power_w,
        peak_power_w=peak_power_w,
        site_power_w=provisioned_w * full_pue,
        pue=pue,
        energy_kwh=energy_kwh,
        tokens=traffic_per_s * SECONDS_PER_YEAR,
        parts=parts,
    )
