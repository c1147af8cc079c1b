"""The shipped catalogue, and files of the same form that a user writes.

A file holds one table per machine, its key as the table's name; see ``catalog/`` beside this module. Nothing is read
before it is asked for, and reading a user's file changes nothing global.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from hardware_specs._base import SourcedSpec
from hardware_specs.accelerator import Accelerator
from hardware_specs.errors import CatalogError, UnknownNameError, UnknownValueError, close_names
from hardware_specs.rack import Rack
from hardware_specs.server import Server

if TYPE_CHECKING:
    import os

Entry = TypeVar("Entry", bound=SourcedSpec)

PRICE_TABLES = ("price", "prices", "rents")


class _File(NamedTuple):
    """A catalogue file: what to call it in messages, its text, and its tables by key."""

    label: str
    text: str
    tables: dict[str, Any]


# -- reading -----------------------------------------------------------------------------------------------------------


def _parse(label: str, raw: bytes) -> _File:
    """Return the tables of a TOML file, or of a JSON file by its suffix."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogError(f"{label}: not UTF-8 text (byte {error.start})") from None
    tables = _parse_json(label, text) if label.lower().endswith(".json") else _parse_toml(label, text)
    return _File(label, text, tables)


def _parse_toml(label: str, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise CatalogError(f"{label}: not valid TOML: {error}") from None


def _parse_json(label: str, text: str) -> dict[str, Any]:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise CatalogError(f"{label}: {name!r} is given twice in one table")
        return dict(pairs)

    try:
        tables = json.loads(text, object_pairs_hook=once)
    except CatalogError:
        raise
    except ValueError as error:
        raise CatalogError(f"{label}: not valid JSON: {error}") from None
    if not isinstance(tables, dict):
        raise CatalogError(f"{label}: should hold one table per machine")
    return tables


def _line(file: _File, key: str, field: str) -> str:
    """Return ``", line 12"`` for a field of an entry, as far as a plain search finds it."""
    name = re.escape(field)
    header = re.compile(rf"^\s*\[+\s*\"?{re.escape(key)}\"?\s*[\].]")
    inside = False
    for number, line in enumerate(file.text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            inside = header.match(line) is not None
            if inside and re.search(rf"\.\s*\"?{name}\"?\s*\]", line):
                return f", line {number}"
        elif inside and re.match(rf"^\s*[\w.\"-]*?\b{name}\"?\s*=", line):
            return f", line {number}"
    return ""


def _entry(file: _File, key: str, model: type[Entry], *, shipped: bool) -> Entry:
    """Return one checked entry of a file.

    Raises
    ------
    CatalogError
        Naming file, entry, field, what is accepted, and the value unless it is a price.
    """
    table = file.tables[key]
    if not isinstance(table, dict):
        raise CatalogError(f"{file.label}: {key}: should be a table [{key}] that describes one machine")
    if "key" in table:
        raise CatalogError(f"{file.label}: [{key}] key: the table's name is the key; leave this field out")
    data = {"key": key, "name": key} | table
    if shipped:  # a price from anywhere else stays private, see Price
        for name in PRICE_TABLES:
            if isinstance(prices := data.get(name), dict):
                data[name] = prices | {"private": False}
            elif isinstance(prices, list):
                data[name] = [price | {"private": False} for price in prices]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for line in error.errors(include_url=False, include_input=False):
            loc = [str(part) for part in line["loc"]]
            if loc == ["key"]:
                hint = "write it in lower case, with single hyphens or points between letters and digits"
                lines.append(f"{file.label}: [{key}]: {hint}")
                continue
            named = [part for part in loc if not part.isdecimal()]
            where = _line(file, key, named[-1]) if named else ""
            lines.append(f"{file.label}{where}: [{key}] {'.'.join(loc)}: {line['msg']}")
        raise CatalogError("\n".join(lines)) from None


def _read(path: str | os.PathLike[str], model: type[Entry]) -> dict[str, Entry]:
    file = Path(path)
    loaded = _parse(file.name, file.read_bytes())
    return {key: _entry(loaded, key, model, shipped=False) for key in loaded.tables}


# -- the shipped catalogue ---------------------------------------------------------------------------------------------


@functools.cache
def _files(folder: str) -> tuple[_File, ...]:
    """Return the shipped files of one folder of the catalogue."""
    from importlib.resources import files

    found = (files("hardware_specs") / "catalog" / folder).iterdir()
    return tuple(
        _parse(f"{folder}/{item.name}", item.read_bytes())
        for item in sorted(found, key=lambda item: item.name)
        if item.name.endswith(".toml")
    )


@functools.cache
def _index(folder: str) -> Mapping[str, tuple[_File, str]]:
    """Return where each key and alias of a folder is described, as (file, key)."""
    index: dict[str, tuple[_File, str]] = {}
    for file in _files(folder):
        for key, table in file.tables.items():
            for name in (key, *table.get("aliases", ())):
                if name in index:
                    raise CatalogError(f"{file.label}: [{key}]: {name!r} is taken by [{index[name][1]}]")
                index[name] = (file, key)
    return index


def _keys(folder: str) -> tuple[str, ...]:
    return tuple(sorted(key for file in _files(folder) for key in file.tables))


def _find(folder: str, what: str, listing: str, name: str) -> tuple[_File, str]:
    """Return where the entry called `name` is described."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {what} is a text, not {type(name).__name__}")
    index = _index(folder)
    key = re.sub(r"[\s_-]+", "-", name.strip().lower())
    if key not in index:
        raise UnknownNameError(_unknown(what, listing, name, key, index))
    return index[key]


def _unknown(what: str, listing: str, name: str, key: str, known: Iterable[str]) -> str:
    close = close_names(key, known)
    hint = f"; did you mean {', '.join(close)}?" if close else f"; {listing} lists those known"
    return f"unknown {what.removeprefix('a ').removeprefix('an ')} {name!r}{hint}"


@functools.cache
def _accelerator(key: str) -> Accelerator:
    return _entry(*_index("accelerators")[key], Accelerator, shipped=True)


@functools.cache
def _server(key: str) -> Server:
    return _entry(*_index("servers")[key], Server, shipped=True)


@functools.cache
def _rack(key: str) -> Rack:
    return _entry(*_index("racks")[key], Rack, shipped=True)


def names() -> tuple[str, ...]:
    """Return the keys of the accelerators in the catalogue, sorted.

    Examples
    --------
    >>> "h100-sxm" in names()
    True
    """
    return _keys("accelerators")


def get(name: str) -> Accelerator:
    """Return an accelerator of the catalogue.

    Parameters
    ----------
    name : str
        Key or alias; case does not matter, and spaces and underscores count as hyphens.

    Returns
    -------
    Accelerator

    Raises
    ------
    UnknownNameError
        With close matches, where the catalogue does not have it.

    Examples
    --------
    >>> get("H100 SXM") is get("h100")
    True
    >>> get("gaudi-4")
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownNameError: unknown accelerator 'gaudi-4'; did you mean gaudi-3, gaudi-2, ...?
    """
    return _accelerator(_find("accelerators", "an accelerator", "hardware_specs.names()", name)[1])


def server_names() -> tuple[str, ...]:
    """Return the keys of the servers in the catalogue, sorted.

    Examples
    --------
    >>> "dgx-h100" in server_names()
    True
    """
    return _keys("servers")


def get_server(name: str) -> Server:
    """Return a server of the catalogue.

    Parameters
    ----------
    name : str
        Key or alias, as in `get`.

    Returns
    -------
    Server

    Raises
    ------
    UnknownNameError
        With close matches, where the catalogue does not have it.

    Examples
    --------
    >>> get_server("dgx-h100").power_w
    10200.0
    """
    return _server(_find("servers", "a server", "hardware_specs.server_names()", name)[1])


def is_shipped(spec: SourcedSpec, field: str) -> bool:
    """Whether a value is the shipped catalogue's own, and so public; whatever else it is, it is the caller's.

    Parameters
    ----------
    spec : Accelerator or Server
        Any record, wherever it came from.
    field : str
        Name of a field.

    Examples
    --------
    >>> server = get_server("dgx-h100")
    >>> is_shipped(server, "power_w"), is_shipped(server.replace(power_w=9_000), "power_w")
    (True, False)
    """
    try:
        ours = get_server(spec.key) if isinstance(spec, Server) else get(spec.key)
    except UnknownNameError:
        return False
    return bool(getattr(ours, field) == getattr(spec, field))


def standard_server(accelerator_key: str) -> Server:
    """Return the usual server of an accelerator.

    Parameters
    ----------
    accelerator_key : str
        Key or alias of an accelerator in the catalogue.

    Returns
    -------
    Server

    Raises
    ------
    UnknownNameError
        Where there is no such accelerator.
    UnknownValueError
        Where the catalogue has no server of it; the message says how to describe one.

    Examples
    --------
    >>> standard_server("h100-sxm").key
    'dgx-h100'
    """
    key = get(accelerator_key).key
    for file in _files("servers"):
        for name, table in file.tables.items():
            if table["accelerator"] == key and table.get("standard", False):
                return _server(name)
    raise UnknownValueError(
        f"no server of {key} is in the catalogue; describe one: "
        f"Server(key='my-server', name='My server', accelerator={key!r}, accelerators=8, power_w=..., price_usd=...)"
    )


def rack_names() -> tuple[str, ...]:
    """Return the keys of the racks in the catalogue, sorted.

    Examples
    --------
    >>> len(rack_names()) > 0
    True
    """
    return _keys("racks")


def get_rack(name: str) -> Rack:
    """Return a rack of the catalogue.

    Parameters
    ----------
    name : str
        Key or alias, as in `get`.

    Returns
    -------
    Rack

    Raises
    ------
    UnknownNameError
        With close matches, where the catalogue does not have it.

    Examples
    --------
    >>> get_rack("air-40kw").power_kw
    40.0
    """
    return _rack(_find("racks", "a rack", "hardware_specs.rack_names()", name)[1])


# -- a user's files ----------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> dict[str, Accelerator]:
    r"""Return the accelerators that a file describes; nothing global changes.

    Parameters
    ----------
    path : path
        A TOML file (or JSON, by its suffix) with one table per machine, as in the shipped catalogue. Only ``memory`` is
        required; a value without a source counts as ``"user"``.

    Returns
    -------
    dict of str to Accelerator
        By key, in the order of the file.

    Raises
    ------
    CatalogError
        Naming file, entry, field, what is accepted, close names for an unknown field, and the value (not of a price).
        It is a ``ValueError``.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "my_chips.toml"
    ...     _ = path.write_text('[my-chip.memory]\nkind = "HBM4"\ncapacity_gib = 48\nbandwidth_tb_s = 2.0\n')
    ...     my_chip = load(path)["my-chip"]
    >>> my_chip.memory_bytes_per_s, my_chip.source("memory.capacity_gib")
    (2000000000000.0, 'user')
    """
    return _read(path, Accelerator)


def load_servers(
    path: str | os.PathLike[str], *, accelerators: Mapping[str, Accelerator] | None = None
) -> dict[str, Server]:
    r"""Return the servers that a file describes; nothing global changes.

    Parameters
    ----------
    path : path
        A TOML file (or JSON, by its suffix) with one table per server. ``price_usd = 150000`` is a plain number of the
        user's own; a ``[my-server.price]`` table gives a range and its basis.
    accelerators : mapping, optional
        Accelerators of the user's own (from `load`) that the servers may hold, beside the catalogue's.

    Returns
    -------
    dict of str to Server
        By key, in the order of the file. Their prices are private.

    Raises
    ------
    CatalogError
        As `load`, and for an accelerator that neither the catalogue nor `accelerators` has.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "my_servers.toml"
    ...     _ = path.write_text('[box]\naccelerator = "l4"\naccelerators = 4\nprice_usd = 20000\n')
    ...     box = load_servers(path)["box"]
    >>> box.accelerators, box.price
    (4, Price(low_usd='(private)', basis='user'))
    """
    servers = _read(path, Server)
    own = set(accelerators or ())
    for key, server in servers.items():
        if server.accelerator in own:
            continue
        try:
            shipped = _find("accelerators", "an accelerator", "hardware_specs.names()", server.accelerator)[1]
        except UnknownNameError:
            known = {*_keys("accelerators"), *own}
            hint = _unknown("an accelerator", "names()", server.accelerator, server.accelerator, known)
            raise CatalogError(f"{Path(path).name}: [{key}] accelerator: {hint}") from None
        if shipped != server.accelerator:  # an alias: keep the key
            servers[key] = server.replace(accelerator=shipped)
    return servers
