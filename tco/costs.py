"""A user's own costs from a TOML or JSON file: read, checked all at once, and never repeated in a message.

The file has up to two tables. ``[facility]`` takes the fields of :class:`tco.Facility`; ``[servers.KEY]`` takes
``price_usd`` and ``power_w`` of a server of the catalogue, or describes one of your own (``accelerator`` and
``accelerators`` then are required)::

    [facility]
    pue = 1.2
    usd_per_kwh = 0.09

    [servers.gaudi-2-hls]
    price_usd = 150000
    power_w = 7500

Every number in it is private: results use it, and show ratios.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

import hardware_specs as hs
from hardware_specs import Server
from hardware_specs.errors import did_you_mean
from tco.facility import Facility

_TABLES = ("facility", "servers")
_COSTS, _OF_ONES_OWN = ("price_usd", "power_w"), ("accelerator", "accelerators", "name")
_KEY = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_T = TypeVar("_T")
_TOML_HINTS = {
    "Cannot overwrite": ": a key is given twice",
    "Expected newline": ": numbers take no commas or units, texts stand in quotes",
}


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
        if _is_server(name):
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
    path = Path(path)
    text, data = _parse(path)
    found = _Findings()
    for table in data:
        if table not in _TABLES:
            found.add((table,), f"unknown table{did_you_mean(table, _TABLES)}; known are [facility] and [servers.KEY]")
    facility = found.build(("facility",), data.get("facility", {}), lambda fields: Facility(**fields))
    tables = data.get("servers", {})
    if not isinstance(tables, dict):
        found.add(("servers",), "should hold one table per server, such as [servers.dgx-h100]")
        tables = {}
    servers = [
        found.build(("servers", key), found.known(key, fields), partial(_server, key)) for key, fields in tables.items()
    ]
    keys = [server.key for server in servers if server is not None]
    for name in tables:
        if _is_server(name) and keys.count(hs.get_server(name).key) > 1:
            found.add(("servers", name), f"names {hs.get_server(name).key} a second time")
    if found.problems:
        described = [_describe(path, text, where, message) for where, message in found.problems]
        raise CostsError("\n".join(message for _, message in sorted(described, key=itemgetter(0))))
    return Costs(
        facility or Facility(), MappingProxyType({server.key: server for server in servers if server is not None})
    )


class _Findings:
    """Mistakes found so far, each with the keys that lead to it."""

    def __init__(self) -> None:
        self.problems: list[tuple[tuple[str, ...], str]] = []

    def add(self, where: tuple[str, ...], message: str) -> None:
        self.problems.append((where, message))

    def known(self, server: str, fields: Any) -> Any:
        """Return the fields that a server has; note the others."""
        if not isinstance(fields, dict):
            return fields
        names = _COSTS if _is_server(server) else (*_COSTS, *_OF_ONES_OWN)
        for name in fields.keys() - names:
            of_the_catalogue = name in _OF_ONES_OWN
            self.add(
                ("servers", server, name),
                "is fixed for a server of the catalogue; give your own server another name"
                if of_the_catalogue
                else f"unknown field{did_you_mean(name, names)}; known are {', '.join(names)}",
            )
        return {name: value for name, value in fields.items() if name in names}

    def build(self, where: tuple[str, ...], fields: Any, make: Callable[[dict[str, Any]], _T]) -> _T | None:
        """Make something of a table, or note what is wrong with it."""
        if not isinstance(fields, dict):
            self.add(where, f"should be a table, [{'.'.join(where)}]")
            return None
        try:
            return make(fields)
        except ValidationError as error:
            for line in error.errors(include_url=False, include_input=False):
                # What is wrong with a value may be told, the value itself not: it is private.
                message = re.sub(r", not .*$", "", line["msg"], flags=re.DOTALL)
                self.add((*where, *map(str, line["loc"])), message)
        except (ValueError, KeyError) as error:
            self.add(where, str(error))
        return None


def _server(name: str, fields: dict[str, Any]) -> Server:
    """Return a server of the catalogue with some fields changed, or one of the user's own."""
    if _is_server(name):
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


def _is_server(name: str) -> bool:
    try:
        hs.get_server(name)
    except KeyError:
        return False
    return True


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        raise CostsError(f"{path}: {reason}") from None
    if path.suffix not in (".toml", ".json"):
        raise CostsError(f"{path}: give a .toml or a .json file")
    import json  # here, so that importing the package stays cheap
    import tomllib

    # The parsers' own errors hold the whole text, so ours is raised apart from them, with nothing of it attached.
    mistake, data = "", None
    try:
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text, object_pairs_hook=_each_key_once)
    except tomllib.TOMLDecodeError as error:
        hint = next((hint for words, hint in _TOML_HINTS.items() if words in str(error)), "")
        mistake = f"not valid TOML: {error}{hint}"
    except ValueError as error:
        mistake = f"not valid JSON: {error}"
    if mistake:
        raise CostsError(f"{path}: {mistake}")
    if not isinstance(data, dict):
        raise CostsError(f"{path}: should hold an object with facility and servers")
    return text, data


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} is given twice")
    return dict(pairs)


def _describe(path: Path, text: str, where: tuple[str, ...], message: str) -> tuple[int, str]:
    """Return the line of a mistake, 0 where it is not known, and what to say of it."""
    lines = (_line(text, where[:end]) for end in range(len(where), 0, -1)) if path.suffix == ".toml" else ()
    line = next(filter(None, lines), 0)
    place = f", line {line}" if line else ""
    return line, f"{path}{place}: {'.'.join(where)}: {message}"


def _line(text: str, where: tuple[str, ...]) -> int | None:
    """Return the line of a TOML text on which a key or its table stands; the parser itself does not say."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            table = _keys(header[1])
            if table == where:
                return number
        assignment = re.match(r"\s*([^=#\[]+?)\s*=", line)
        if assignment and (*table, *_keys(assignment[1])) == where:
            return number
    return None


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
