"""Reading a scenario from a TOML or a JSON file: every mistake in one run, with its key and line, without its value."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

import hardware_specs as hs
from hardware_specs import Server
from hardware_specs.errors import did_you_mean
from tco._file import Findings, parse, plainer
from tco._lines import Where
from tco.costs import is_server, servers_of
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental
from tco.scenario.checks import check
from tco.scenario.model import (
    ApplicationEntry,
    Candidate,
    Correlation,
    Decision,
    FleetLimits,
    Range,
    Scenario,
    is_name,
)
from tco.scenario.parts import Parts
from tco.scenario.schema import key_at

_Model = TypeVar("_Model", bound=BaseModel)

_FORMS = {
    "applications": "should be a list of tables, each under [[applications]], one or more",
    "candidates": "should hold one table per candidate, [candidates.NAME], two or more",
    "servers": "should hold one table per server, such as [servers.dgx-h100]",
    "ranges": "should hold one table per input, such as [ranges.usd_per_kwh]",
    "correlations": "should be a list of tables, each under [[correlations]]",
    "decision": "should be a table, [decision]",
    "facility": "should be a table, [facility]",
    "service": "should be a table, [service]",
    "fleet": "should be a table, [fleet]",
    "title": "is required: what the page is about, a text in quotes",
    "date": 'is required: year-month-day, such as "2026-11-22"',
    "price_year": "is required: the year of all dollars, such as 2026",
}
_PATTERNS = {
    "date": 'should be year-month-day, such as "2026-11-22"',
    "": "should be of lower case letters and digits, with single hyphens or points between them",
}
_CURRENCIES = ("eur", "gbp", "chf", "jpy", "cny", "rmb", "inr", "krw", "cad", "aud", "sek", "nok", "dkk")
_STAND_INS: dict[type[BaseModel], dict[str, Any]] = {
    ApplicationEntry: {
        "name": "unread",
        "llm": "unread",
        "tokens_per_s": 1.0,
        "prompt_tokens": 1,
        "output_tokens": 1,
        "context_tokens": 1,
    },
    Candidate: {"server": "unread"},
}
"""What stands for a key that could not be read, where a table needs it for the others to be checked."""

_FOLLOWING = {"tokens_per_s": ("tokens_per_s_error",)}
"""Keys from which nothing can be concluded without another."""

_INPUTS_OF: dict[type[BaseModel], dict[str, str]] = {
    ApplicationEntry: {"tokens_per_s": "traffic_per_s"},
    **{model: {name: name for name in model.model_fields} for model in (Facility, Service)},
}
"""Inputs of an account that keys are, so that nothing is concluded of those that could not be read."""


class ScenarioError(ValueError):
    """A scenario that cannot be used: one line per mistake, with its key and its line, never its value."""


def read_scenario(path: str | Path) -> Scenario:
    r"""Read a scenario.

    Parameters
    ----------
    path : str or Path
        A ``.toml`` or ``.json`` file; :func:`write_template` writes one to begin with.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        Not readable, a syntax error, or whatever does not agree: unknown tables, keys and names, values that are not
        accepted, prices that nobody gives, ranges of nothing. All of it in one run, each with its key and its line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.toml")
    ...     _ = path.write_text('title = "Chat"\nprice_year = 2026\n[facility]\nusd_per_kwh = 8.26\n')
    ...     try:
    ...         read_scenario(path)
    ...     except ScenarioError as error:
    ...         print(str(error).replace(str(path), "mine.toml"))
    mine.toml: date: is required: year-month-day, such as "2026-11-22"
    mine.toml: applications: is required: a list of tables, each under [[applications]], one or more
    mine.toml: candidates: is required: one table per candidate, [candidates.NAME], two or more
    mine.toml, line 4: facility.usd_per_kwh: should be less than or equal to 2 [USD/kWh]
    """
    found = _read(Path(path))
    if isinstance(found, list):  # raised here, where nothing of the file is at hand
        raise ScenarioError("\n".join(found))
    return found


def _read(path: Path) -> Scenario | list[str]:
    """Return the scenario of a file, or its mistakes."""
    file = parse(path, "a scenario")
    if isinstance(file, str):
        return [file]
    found = Findings(file)
    data = _without_dates(file.data)
    _quote_ranges(data, found)
    servers = servers_of(data, found)
    if "servers" in data:
        data["servers"] = servers
    # A table that holds tables would be called too short where they cannot be read, and say nothing of them.
    if isinstance(entries := data.get("applications"), list):
        data["applications"] = [
            found.build(("applications", i), one, ApplicationEntry.model_validate) or _some(ApplicationEntry, {}).table
            for i, one in enumerate(entries)
        ]
    if isinstance(entries := data.get("candidates"), dict):
        data["candidates"] = {
            name: found.build(("candidates", name), one, Candidate.model_validate) or _some(Candidate, {}).table
            for name, one in entries.items()
        }
    scenario = found.build((), data, Scenario.model_validate)
    for where, model, fields in _checked_within(file.data):
        for inner, message in _some(model, fields).further:
            found.add((*where, *inner), plainer(message))
    found.problems = [(where, _said(where, message, file.data)) for where, message in found.problems]
    found.add_further(check(_parts({**_without_dates(file.data), "ranges": data.get("ranges")}, servers)))
    return found.lines() or scenario or []


def _without_dates(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with a date that stands without quotes, as TOML allows, made a text."""
    found = dict(data)
    if type(found.get("date")) is datetime.date:
        found["date"] = found["date"].isoformat()
    return found


def _quote_ranges(data: dict[str, Any], found: Findings) -> None:
    """Take out ranges whose names stand without quotes, which makes them tables in tables, and note them."""
    ranges, candidates = data.get("ranges"), data.get("candidates")
    if not isinstance(ranges, dict) or not isinstance(candidates, dict):
        return
    data["ranges"] = dict(ranges)
    for name, inner in ranges.items():
        if isinstance(inner, dict) and inner and all(isinstance(field, dict) for field in inner.values()):
            for field in inner:
                found.add(("ranges", name, field), f'write the name in quotes: [ranges."{name}.{field}"]')
            del data["ranges"][name]


def _said(where: Where, message: str, data: Mapping[str, Any]) -> str:
    """Return a message with what the key's own place has to add: its form, its pattern, its unit, an example."""
    key = str(where[0]) if len(where) == 1 else ""
    if where == ("decision", "reference") and message.startswith("String should match pattern"):
        return _PATTERNS[""] + did_you_mean(str(data["decision"]["reference"]).lower(), _table(data.get("candidates")))
    if where[0] == "candidates" and where[2:] == ("tokens_per_s",) and message == "should be a table":
        names = [name for entry in _list(data.get("applications")) if is_name(name := _table(entry).get("name"))]
        return f"should be a table, a number for each application: {{ {names[0] if names else 'chat'} = ... }}"
    if key in _FORMS and message in ("is required", "should be a list", "should be a table"):
        form = _FORMS[key].removeprefix("should be ").removeprefix("should hold ")
        return f"is required: {form.removeprefix('is required: ')}" if message == "is required" else _FORMS[key]
    if message.startswith("String should match pattern"):
        return _PATTERNS.get(key, _PATTERNS[""])
    if message.startswith("unknown field") and any(f"_{one}" in f"_{where[-1]}".lower() for one in _CURRENCIES):
        return f"{message}; amounts are in US dollars"
    known = key_at(where)
    limited = message.startswith(("should be less", "should be greater", "should be a valid number"))
    return f"{message} [{known.unit}]" if known is not None and known.unit and limited else message


# --------------------------------------------------------------------------------------------- what could be read of it


def _parts(data: Mapping[str, Any], servers: Mapping[str, Server]) -> Parts:
    """Return the tables as far as each can be read by itself."""
    unread: set[str] = set()

    def some(model: type[_Model], fields: Any) -> _Model | None:
        read = _some(model, fields)
        inputs = _INPUTS_OF.get(model, {})
        unread.update(inputs[name] for name in read.wrong & inputs.keys())
        return read.table

    entries, correlations = _list(data.get("applications")), _list(data.get("correlations"))
    names = [one.get("name") if isinstance(one, dict) else None for one in entries]
    candidates = {name: _some(Candidate, one) for name, one in _table(data.get("candidates")).items()}
    decision = _some(Decision, data.get("decision", {})).table
    date, year = data.get("date"), data.get("price_year")
    no_servers, no_ranges = (not isinstance(data.get(name) or {}, dict) for name in ("servers", "ranges"))
    return Parts(
        date=date if isinstance(date, str) else None,
        price_year=year if type(year) is int else None,
        reference=None if decision is None else decision.reference,
        applications=tuple(some(ApplicationEntry, one) for one in entries),
        application_names=tuple(name if is_name(name) else "" for name in names),
        candidates={name: read.table for name, read in candidates.items()},
        unread_terms=tuple(
            name for name, read in candidates.items() if no_servers or read.wrong & {"purchase", "rental"}
        ),
        servers=servers,
        unread_servers=tuple(name for name in _table(data.get("servers")) if not _is_read(name, servers)),
        facility=some(Facility, data.get("facility", {})) or Facility(),
        service=some(Service, data.get("service", {})) or Service(),
        ranges={name: some(Range, one) for name, one in _table(data.get("ranges")).items()},
        correlations=() if no_ranges else tuple(some(Correlation, one) for one in correlations),
        fleet=some(FleetLimits, data.get("fleet")),
        unread_inputs=frozenset(unread),
    )


def _is_read(name: str, servers: Mapping[str, Server]) -> bool:
    return name in servers or (is_server(name) and hs.get_server(name).key in servers)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _checked_within(data: Mapping[str, Any]) -> Iterator[tuple[Where, type[BaseModel], Any]]:
    """Yield the tables whose keys must agree with each other, with the keys that lead to them."""
    yield ("facility",), Facility, data.get("facility")
    for name, entry in _table(data.get("candidates")).items():
        at = ("candidates", name)
        yield at, Candidate, entry
        yield (*at, "purchase"), Purchase, _table(entry).get("purchase")
        yield (*at, "rental"), Rental, _table(entry).get("rental")


class _Read(NamedTuple, Generic[_Model]):
    """A table with whatever could be read of it.

    Attributes
    ----------
    table : BaseModel or None
        ``None`` where it could not be read at all.
    wrong : set of str
        Keys that could not.
    further : list of (keys, message)
        Mistakes that show once the first are out of the way: what does not agree between the other keys.
    """

    table: _Model | None
    wrong: set[str]
    further: list[tuple[Where, str]]


def _some(model: type[_Model], fields: Any) -> _Read[_Model]:
    """Return a table with whatever could be read of it, and what is wrong with the rest."""
    wrong: set[str] = set()
    further: list[tuple[Where, str]] = []
    if not isinstance(fields, dict):
        return _Read(None, wrong, further)
    kept = fields
    for again in range(3):  # as it is, without what is wrong by itself, and without what does not agree
        try:
            return _Read(model.model_validate(kept), wrong, further)
        except ValidationError as error:
            lines = error.errors(include_url=False, include_input=False)
        wrong |= {str(line["loc"][0]) for line in lines if line["loc"]}
        if model in (Range, Correlation):  # whose keys mean something together only
            break
        if again:
            further += [(line["loc"], line["msg"]) for line in lines]
        dropped = {name for key in wrong for name in (key, *_FOLLOWING.get(key, ()))}
        stand_ins = {name: value for name, value in _STAND_INS.get(model, {}).items() if name in wrong}
        kept = stand_ins | {name: value for name, value in fields.items() if name not in dropped}
    return _Read(None, wrong, further)
