"""From traffic to servers, racks, watts and kilowatt-hours.

Servers are bought for the peak and powered for the mean: the day's load profile is what lies between, and how busy the
fleet is follows from the traffic instead of being asked for.

Every function takes keywords that broadcast and checks them. Its formula alone, for inner loops and for other array
libraries, is its attribute ``pure`` (``servers_needed.pure(...)``).
"""

from __future__ import annotations

from tco.capacity.day import idle_share, load_profile, peak_to_mean, servers_on, sinusoid, utilisation
from tco.capacity.power import (
    demand_charge_kw,
    energy_kwh_per_year,
    mean_power_w,
    peak_power_w,
    pue_at,
    pue_from_losses,
    slot_power_w,
)
from tco.capacity.racks import RackFit, racks_needed, servers_per_rack_within
from tco.capacity.servers import (
    DAYS_PER_YEAR,
    availability,
    node_failures_per_year,
    servers_in_repair,
    servers_needed,
    spares,
)

__all__ = [
    "DAYS_PER_YEAR",
    "RackFit",
    "availability",
    "demand_charge_kw",
    "energy_kwh_per_year",
    "idle_share",
    "load_profile",
    "mean_power_w",
    "node_failures_per_year",
    "peak_power_w",
    "peak_to_mean",
    "pue_at",
    "pue_from_losses",
    "racks_needed",
    "servers_in_repair",
    "servers_needed",
    "servers_on",
    "servers_per_rack_within",
    "sinusoid",
    "slot_power_w",
    "spares",
    "utilisation",
]
