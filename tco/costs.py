"""A user's own costs from a TOML or JSON file: read, checked all at once, and never repeated in a message.

The file has up to two tables. ``[facility]`` takes the fields of :class:`tco.Facility`; ``[servers.KEY]`` takes
``price_usd``, ``power_w``, ``slots_u`` and ``weight_kg`` of a server of the catalogue, or describes one of your own
(``accelerator`` and ``accelerators`` then are required)::

    [facility]
    pue = 1.2
    usd_per_kwh = 0.09

    [servers.gaudi-2-hls]
    price_usd = 150000
    power_w = 7500

Every number in it is private: results use it, and show ratios. A scenario (:mod:`tco.scenario`) has the same tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import hardware_specs as hs
from hardware_specs import Server
from hardware_specs.errors import did_you_mean
from tco._file import Findings, parse
from tco.facility import Facility

_TABLES = ("facility", "servers")
OF_ANY_SERVER = ("price_usd", "power_w", "slots_u", "weight_kg")
"""What a file may say of any server."""

OF_ONES_OWN = ("accelerator", "accelerators", "name")
"""What it may say besides of one that the catalogue does not have."""

_KEY = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


class CostsError(ValueError):
    """A costs file that cannot be used: one line per mistake, with its key and its line, never its value."""


@dataclass(frozen=True)
class Costs:
    """A user's own costs.

    Attributes
    ----------
    facility : Facility
        With the public defaults for whatever the file leaves out.
    servers : mapping of str to Server
        The servers that the file prices or describes, by key.
    """

    facility: Facility = field(default_factory=Facility)
    servers: Mapping[str, Server] = field(default_factory=lambda: MappingProxyType({}))

    def server(self, name: str) -> Server:
        """Return the server that a name means: of the file, of the catalogue, or the standard one of an accelerator.

        Parameters
        ----------
        name : str
            Key or alias of a server or of an accelerator.

        Raises
        ------
        UnknownNameError
            Neither; close names are offered.
        UnknownValueError
            An accelerator for which no standard server is known.

        Examples
        --------
        >>> Costs().server("gaudi-2").key
        'gaudi-2-hls'
        """
        if name in self.servers:
            return self.servers[name]
        if is_server(name):
            key = hs.get_server(name).key
        else:
            try:
                accelerator = hs.get(name).key
            except hs.UnknownNameError:
                known = (*self.servers, *hs.names(), *hs.server_names())
                raise hs.UnknownNameError(
                    f"unknown accelerator or server {name!r}{did_you_mean(name, known)}; `tco hardware` lists them all"
                ) from None
            own = [server for server in self.servers.values() if server.accelerator == accelerator]
            if len(own) == 1:
                return own[0]
            if len(own) > 1:
                raise ValueError(
                    f"{name} could mean {' or '.join(server.key for server in own)} of your costs file: name one"
                )
            try:
                key = hs.standard_server(accelerator).key
            except hs.UnknownValueError:
                raise hs.UnknownValueError(
                    f"no server of {accelerator} is in the catalogue; describe one in a costs file: "
                    f'[servers.my-server] accelerator = "{accelerator}", accelerators, price_usd, power_w = ...'
                ) from None
        return self.servers[key] if key in self.servers else hs.get_server(key)


def read_costs(path: str | Path) -> Costs:
    r"""Read a costs file.

    Parameters
    ----------
    path : str or Path
        A ``.toml`` or ``.json`` file.

    Returns
    -------
    Costs

    Raises
    ------
    CostsError
        Not readable, a syntax error, a key given twice, an unknown table, key or server, a value that is not accepted:
        all that can be found in one run, each with its key and, in TOML, its line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.toml")
    ...     _ = path.write_text("[facility]\npue = 1.2\n[servers.gaudi-2-hls]\nprice_usd = 150000")
    ...     costs = read_costs(path)
    >>> costs.facility.pue, costs.server("gaudi-2").price
    (1.2, Price(low_usd='(private)', basis='user'))
    """
    found = _read(Path(path))
    if isinstance(found, list):  # raised here, where nothing of the file is at hand
        raise CostsError("\n".join(found))
    return found


def _read(path: Path) -> Costs | list[str]:
    """Return the costs of a file, or its mistakes."""
    file = parse(path, "facility and servers")
    if isinstance(file, str):
        return [file]
    found = Findings(file)
    for table in file.data:
        if table not in _TABLES:
            found.add((table,), f"unknown table{did_you_mean(table, _TABLES)}; known are [facility] and [servers.KEY]")
    facility = found.build(("facility",), file.data.get("facility", {}), lambda fields: Facility(**fields))
    servers = servers_of(file.data, found)
    return found.lines() or Costs(facility or Facility(), MappingProxyType(servers))


def servers_of(data: Mapping[str, Any], found: Findings) -> dict[str, Server]:
    """Return the servers that a file prices or describes, by the key of the catalogue or their own.

    Parameters
    ----------
    data : mapping
        What the file holds.
    found : Findings
        Takes the mistakes.
    """
    tables = data.get("servers", {})
    if not isinstance(tables, dict):
        found.add(("servers",), "should hold one table per server, such as [servers.dgx-h100]")
        return {}
    servers = [
        found.build(("servers", key), _known(key, fields, found), partial(_server, key))
        for key, fields in tables.items()
    ]
    keys = [server.key for server in servers if server is not None]
    for name in tables:
        if is_server(name) and keys.count(hs.get_server(name).key) > 1:
            found.add(("servers", name), f"names {hs.get_server(name).key} a second time")
    return {server.key: server for server in servers if server is not None}


def _known(server: str, fields: Any, found: Findings) -> Any:
    """Return the fields that a server has; note the others."""
    if not isinstance(fields, dict):
        return fields
    names = OF_ANY_SERVER if is_server(server) else (*OF_ANY_SERVER, *OF_ONES_OWN)
    for name in (name for name in fields if name not in names):
        message = (
            "is fixed for a server of the catalogue; give your own server another name"
            if name in OF_ONES_OWN
            else f"unknown field{did_you_mean(name, names)}; known are {', '.join(names)}"
        )
        found.add(("servers", server, name), message)
    return {name: value for name, value in fields.items() if name in names}


def _server(name: str, fields: dict[str, Any]) -> Server:
    """Return a server of the catalogue with some fields changed, or one of the user's own."""
    if is_server(name):
        return hs.get_server(name).replace(**fields)
    if not _KEY.fullmatch(name):
        raise ValueError("a server's key is of lower case letters, digits and single hyphens, such as my-server")
    if "accelerator" not in fields:
        raise ValueError(
            f"unknown server{did_you_mean(name, hs.server_names())}; "
            "a server of your own needs accelerator and accelerators"
        )
    accelerator = hs.get(fields["accelerator"]).key if isinstance(fields["accelerator"], str) else fields["accelerator"]
    return Server(**{"key": name, "name": name} | fields | {"accelerator": accelerator})


def is_server(name: str) -> bool:
    """Return whether the catalogue has a server of this name.

    Parameters
    ----------
    name : str
        Key or alias.

    Examples
    --------
    >>> is_server("dgx-h100"), is_server("h100-sxm")
    (True, False)
    """
    try:
        hs.get_server(name)
    except KeyError:
        return False
    return True
