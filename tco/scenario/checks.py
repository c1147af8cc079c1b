"""What must agree between the tables of a scenario: names that exist, prices that are known, limits that can be met.

Each check yields the keys of a mistake and what is accepted, and goes on: all mistakes are told in one run. A part that
could not be read is ``None`` here, and nothing is concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import chain
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

import hardware_specs as hs
import roofline as rl
from hardware_specs import Server
from hardware_specs.errors import did_you_mean
from hardware_specs.server import MAX_POWER_W, MAX_PRICE_USD, MIN_POWER_W, MIN_PRICE_USD
from roofline.precision import POLICY_NAMES, policy
from tco import uncertainty
from tco._file import plainer
from tco._lines import Where
from tco.costs import Costs
from tco.defaults import rent, server_power, server_price
from tco.deployment import Deployment
from tco.facility import Facility
from tco.mix import Application
from tco.planning import Plan, Service, Traffic
from tco.purchase import Purchase, Rental
from tco.scenario.model import ApplicationEntry, Candidate, Correlation, Decision, FleetLimits, Range

Mistakes = Iterator[tuple[Where, str]]

_LENGTHS = ("prompt_tokens", "output_tokens", "context_tokens")
_LIMITS = ("ttft_s", "itl_s", "latency_s")
_MOST_SLOTS = 1440
_NOT_RANGED = ("pue_by_load", "payments_per_year", "accelerators", "servers_per_rack")
_CALLED = {
    "usd_per_h": "rent_usd_per_h",
    "wue_l_per_kwh": "litres_per_kwh",
    "failures_per_accelerator_year": "failures_per_year",
    "licence_usd_per_accelerator_year": "licences_usd_per_year",
    "scale_up_usd": "network_usd",
    "scale_out_usd": "network_usd",
    "network_share": "network_usd",
    "accelerator_usd": "price_usd",
    "host_usd": "price_usd",
    "years": "server_years",
}
"""Keys of the file whose quantity the account has under another name."""

_AMOUNT = Annotated[float, ...]  # never used: a type for the table below is built when it is asked for


@dataclass(frozen=True)
class Parts:
    """Tables of a scenario, as far as each could be read.

    Attributes
    ----------
    date : str or None
        Of the scenario.
    price_year : int or None
        Of its dollars.
    decision : Decision
        How to decide.
    applications : tuple of ApplicationEntry or None
        In order.
    application_names : tuple of str
        Of all, read or not.
    candidates : mapping of str to Candidate or None
        By name.
    servers : mapping of str to Server
        Those that the file prices or describes.
    unread_servers : tuple of str
        Names of those that could not be read.
    facility, service : Facility, Service
        The public defaults where they could not be read.
    ranges : mapping of str to Range or None
        By the name of the input.
    correlations : tuple of Correlation or None
        In order.
    fleet : FleetLimits or None
        Where there is one.
    """

    date: str | None
    price_year: int | None
    decision: Decision
    applications: tuple[ApplicationEntry | None, ...]
    application_names: tuple[str, ...]
    candidates: Mapping[str, Candidate | None]
    servers: Mapping[str, Server]
    unread_servers: tuple[str, ...]
    facility: Facility
    service: Service
    ranges: Mapping[str, Range | None]
    correlations: tuple[Correlation | None, ...]
    fleet: FleetLimits | None

    @property
    def traffic_per_s(self) -> float | None:
        """Tokens per second of all applications; ``None`` where one could not be read."""
        if None in self.applications or not self.applications:
            return None
        return sum(one.tokens_per_s for one in self.applications if one is not None)

    @cached_property
    def sides(self) -> dict[str, Side | None]:
        """Candidates as far as they can be accounted for."""
        return {name: _side(self, one) for name, one in self.candidates.items()}
