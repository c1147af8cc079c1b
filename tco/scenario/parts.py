"""Tables of a scenario as far as each could be read, and the candidates as far as they can be accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import hardware_specs as hs
from hardware_specs import Accelerator, Server
from tco._lines import Where
from tco.costs import Costs
from tco.defaults import rent, server_power, server_price
from tco.deployment import Deployment
from tco.facility import Facility
from tco.planning import Plan, Service, Traffic
from tco.purchase import Rental
from tco.scenario.model import ApplicationEntry, Candidate, Correlation, FleetLimits, Range, is_name

Mistake = tuple[Where, str]
"""Keys that lead to a mistake, and what is accepted."""


@dataclass(frozen=True, eq=False)
class Side:
    """A candidate whose server, price and power are known.

    Attributes
    ----------
    candidate : Candidate
        Its table.
    server : Server
        What it names.
    accelerator : Accelerator
        What the server holds.
    plan : Plan
        Of no particular throughput: for the names and values of all other inputs.
    """

    candidate: Candidate
    server: Server
    accelerator: Accelerator
    plan: Plan

    @property
    def inputs(self) -> dict[str, Any]:
        """Inputs of its account by name; ``None`` where the account leaves one out."""
        return self.plan.inputs


@dataclass(frozen=True, eq=False)
class Parts:
    """Tables of a scenario, each ``None`` where it could not be read: nothing is concluded from it then.

    Attributes
    ----------
    date : str or None
        Of the scenario.
    price_year : int or None
        Of its dollars.
    reference : str or None
        Candidate that ratios are over.
    applications : tuple of ApplicationEntry or None
        In order.
    application_names : tuple of str
        Of all, read or not; empty where there is none that can be one.
    candidates : mapping of str to Candidate or None
        By name.
    servers : mapping of str to Server
        Those that the file prices or describes.
    unread_servers : tuple of str
        Names of those that could not be read.
    unread_terms : tuple of str
        Candidates whose purchase or rental could not be read.
    unread_inputs : frozenset of str
        Inputs of the account, of all candidates, that could not be read.
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
    reference: str | None
    applications: tuple[ApplicationEntry | None, ...]
    application_names: tuple[str, ...]
    candidates: Mapping[str, Candidate | None]
    servers: Mapping[str, Server]
    unread_servers: tuple[str, ...]
    unread_terms: tuple[str, ...]
    unread_inputs: frozenset[str]
    facility: Facility
    service: Service
    ranges: Mapping[str, Range | None]
    correlations: tuple[Correlation | None, ...]
    fleet: FleetLimits | None

    @property
    def traffic_per_s(self) -> float | None:
        """Tokens per second of all applications; ``None`` where one could not be read."""
        known = [one.tokens_per_s for one in self.applications if one is not None]
        read = len(known) == len(self.applications) and "traffic_per_s" not in self.unread_inputs
        return sum(known) if known and read else None

    @property
    def candidate_names_known(self) -> bool:
        """Whether there are candidates, and what each is called can be its name: one that is missing is missing."""
        return bool(self.candidates) and all(map(is_name, self.candidates))

    def machine(self, candidate: Candidate) -> tuple[Server, Accelerator]:
        """Server that a candidate names, and what it holds.

        Parameters
        ----------
        candidate : Candidate
            Of the scenario.

        Raises
        ------
        UnknownNameError
            Neither server nor accelerator.
        ValueError
            An accelerator of which no server is known, or several.
        """
        server = Costs(self.facility, self.servers).server(candidate.server)
        return server, hs.get(server.accelerator)

    @cached_property
    def _accounted(self) -> dict[str, tuple[Side | None, list[Mistake]]]:
        return {name: _account_for(self, name) for name in self.candidates}

    @property
    def sides(self) -> dict[str, Side | None]:
        """Candidates that can be accounted for; ``None`` for the others."""
        return {name: side for name, (side, _) in self._accounted.items()}

    @property
    def unaccounted(self) -> Iterator[Mistake]:
        """Why the others cannot be."""
        for _, mistakes in self._accounted.values():
            yield from mistakes


def parts_of(scenario: Any) -> Parts:
    """Return the parts of a scenario that was read whole.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    """
    same = ("date", "price_year", "applications", "candidates", "servers", "facility", "service", "ranges", "fleet")
    return Parts(
        **{name: getattr(scenario, name) for name in same},
        correlations=scenario.correlations,
        reference=scenario.decision.reference,
        application_names=tuple(one.name for one in scenario.applications),
        unread_servers=(),
        unread_terms=(),
        unread_inputs=frozenset(),
    )


def _account_for(parts: Parts, name: str) -> tuple[Side | None, list[Mistake]]:
    """Return a candidate as far as it can be accounted for, and what is missing."""
    candidate, at = parts.candidates[name], ("candidates", name)
    if candidate is None or name in parts.unread_terms:
        return None, []
    try:
        server, accelerator = parts.machine(candidate)
    except (KeyError, ValueError) as error:
        own = candidate.server in parts.unread_servers  # what is wrong with it has been told
        return None, [] if own else [((*at, "server"), _here(error))]
    if server.key in parts.unread_servers:
        return None, []
    mistakes: list[Mistake] = []
    terms, power_w = candidate.terms, None
    try:
        power_w = server_power(server, accelerator).value
    except hs.UnknownValueError as error:
        mistakes.append(((*at, "server"), _here(error)))
    except ValueError as error:
        mistakes.append((("servers", server.key, "power_w"), str(error).partition("power_w ")[2]))
    if isinstance(terms, Rental):
        try:
            rent(accelerator, terms.usd_per_h)
        except hs.UnknownValueError:
            message = f"is required: no rent of {accelerator.key} is known"
            mistakes.append(((*at, "rental", "usd_per_h"), message))
    else:
        quoted = None
        if terms.accelerator_usd is None:
            try:
                quoted = server_price(server, accelerator).value
            except hs.UnknownValueError as error:
                mistakes.append(((*at, "server"), _here(error)))
        try:
            terms.price_usd(quoted, server.accelerators)
        except ValueError as error:
            mistakes.append(((*at, "purchase", "host_memory_gib"), str(error).partition(": ")[2]))
        try:
            if power_w is not None:
                parts.facility.servers_per_rack(server, power_w)
        except ValueError as error:
            mistakes.append(_of_the_facility(error, server.key))
        except OverflowError:
            mistakes.append((("servers", server.key), "has a height or a weight beyond all measure"))
    if mistakes:
        return None, mistakes
    try:
        deployment = Deployment(server, parts.facility, 1.0, accelerator, terms)
    except (KeyError, ValueError) as error:
        return None, [(at, _here(error))]
    traffic = Traffic(tokens_per_s=parts.traffic_per_s or 1.0)
    return Side(candidate, server, accelerator, Plan(deployment, traffic, parts.service)), []


def _of_the_facility(error: Exception, server: str) -> Mistake:
    """Return a limit of a rack that a server does not meet, at the limit's key."""
    message = str(error)
    field = re.match(r"facility\.(\w+) ", message)
    if field is None:
        return ("servers", server), message
    rest = message[field.end() :].partition(" (in a costs file")[0]
    return ("facility", field[1]), rest if server in rest else f"{rest} (server {server})"


def _here(error: Exception) -> str:
    """Return a message about a costs file as one about this file."""
    return str(error).replace("your costs file", "this file").replace("a costs file", "this file")
