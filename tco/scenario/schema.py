"""What each key of a scenario means, from the docstrings of its tables, and the JSON schema that tells editors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from hardware_specs import Server
from hardware_specs.server import MAX_POWER_W, MAX_PRICE_USD, MIN_POWER_W, MIN_PRICE_USD
from tco._lines import Where
from tco.costs import OF_ANY_SERVER, OF_ONES_OWN
from tco.facility import FACILITY_RANGES, FACILITY_SOURCES, Facility
from tco.planning import SERVICE_SOURCES, Service
from tco.scenario.model import Scenario

_SOURCES: dict[type[BaseModel], Mapping[str, str]] = {Facility: FACILITY_SOURCES, Service: SERVICE_SOURCES}
_SERVER_TEXT = {
    "price_usd": "Price of the whole server as it is quoted to you [USD]; without it the catalogue's, or that of its "
    "chips times a published factor.",
    "power_w": "Power to provision for the whole server, host included [W]; without it the catalogue's, or the TDP of "
    "its chips times a published factor.",
    "slots_u": "Height in the rack [rack units]; needed where the facility limits it.",
    "weight_kg": "Weight [kg]; needed where the facility limits it.",
    "accelerator": "Of a server that the catalogue does not have: which accelerator of the catalogue it holds.",
    "accelerators": "Of such a server: how many.",
    "name": "Of such a server: its full name.",
}


class Key(NamedTuple):
    """What a key of a table means.

    Attributes
    ----------
    text : str
        In words, with its unit in brackets.
    unit : str
        Empty for a ratio or a text.
    origin : str
        Source and range of a default; empty where there is none.
    together : tuple of str
        Keys that one text explains, in order.
    """

    text: str
    unit: str
    origin: str
    together: tuple[str, ...]


def summary(model: type[BaseModel]) -> str:
    """Return what a table is, in a line.

    Parameters
    ----------
    model : type
        Of the table.

    Examples
    --------
    >>> summary(Service)
    'How much more than the mean is kept, and what happens when servers fail.'
    """
    return _plain((inspect.getdoc(model) or "").split("\n\n")[0])


@cache
def keys(model: type[BaseModel]) -> dict[str, Key]:
    """Return what each key of a table means, in the order of its fields.

    Parameters
    ----------
    model : type
        Of the table.

    Examples
    --------
    >>> keys(Facility)["usd_per_kwh"].unit, keys(Facility)["usd_per_kwh"].origin[:36]
    ('USD/kWh', 'US industrial average of 2025, EIA v')
    """
    section = re.search(r"\nAttributes\n-+\n(.*?)(?:\n\n|\Z)", inspect.getdoc(model) or "", flags=re.DOTALL)
    said: dict[str, tuple[str, tuple[str, ...]]] = {}
    entries = re.findall(r"^(\w[^\n]*)\n((?:[ ]+[^\n]*\n?)+)", section[1] if section else "", flags=re.MULTILINE)
    for head, body in entries:
        names = tuple(name.strip() for name in head.partition(" : ")[0].split(","))
        text = _plain(" ".join(body.split()))
        said |= dict.fromkeys(names, (text, names))
    if model is Server:
        said |= {name: (text, (name,)) for name, text in _SERVER_TEXT.items()}
        names = (*OF_ANY_SERVER, *OF_ONES_OWN)
    else:
        names = tuple(model.model_fields)
    found = {}
    for name in names:
        text, together = said.get(name, ("", (name,)))
        unit = re.search(r"\[([^\]]+)\]", text) if len(together) == 1 else None
        found[name] = Key(text, unit[1] if unit else "", _origin(model, name), together)
    return found


def _plain(text: str) -> str:
    """Return the text of a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "").replace("`", "").replace("\n", " ")


def _origin(model: type[BaseModel], name: str) -> str:
    source = _SOURCES.get(model, {}).get(name, "")
    if model is Facility and name in FACILITY_RANGES:
        low, high, said = FACILITY_RANGES[name]
        source += f". Seen: {low:g} to {high:g}, {said}"
    return source


def key_at(where: Where) -> Key | None:
    """Return what a key of a scenario means, by the keys that lead to it.

    Parameters
    ----------
    where : tuple
        Keys, and places in lists.

    Examples
    --------
    >>> key_at(("candidates", "h100", "purchase", "storage_usd")).unit
    'USD'
    """
    kind: Any = Scenario
    found = None
    for part in where:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found = keys(kind).get(str(part))
            field = kind.model_fields.get(str(part))
            kind = _inner(field.annotation) if field is not None else None
        elif kind is not None:
            inner = get_args(kind)
            kind = _inner(inner[0] if isinstance(part, int) else inner[-1]) if inner else None
    return found


def _inner(annotation: Any) -> Any:
    """Return an annotation without what may be absent, and without its limits."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _inner(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


class _Generator(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as the base class has it

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Take anything where a function checks: only in a server, which is described anew."""
        return {}


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a scenario's file, for editors and for programs that write one.

    It says what a table takes. What names mean, and what must agree, :func:`read_scenario` checks.

    Returns
    -------
    dict

    Examples
    --------
    >>> json_schema()["$defs"]["Facility"]["properties"]["usd_per_kwh"]["maximum"] == 2
    True
    """
    schema = Scenario.model_json_schema(schema_generator=_Generator)
    tables = schema.pop("$defs")
    del tables["Price"]
    tables["Server"] = {"properties": {name: tables["Server"]["properties"].get(name) for name in keys(Server)}}
    tables["Server"]["properties"] |= {
        "price_usd": {"type": "number", "minimum": MIN_PRICE_USD, "maximum": MAX_PRICE_USD},
        "power_w": {"type": "number", "minimum": MIN_POWER_W, "maximum": MAX_POWER_W},
        "accelerator": {"type": "string", "minLength": 1},
    }
    models = {model.__name__: model for model in _models(Scenario)}
    described = {name: _described(tables[name], models[name]) for name in sorted(tables)}
    root = _described(schema, Scenario)
    root["properties"]["candidates"]["additionalProperties"] = False  # names that do not match the pattern
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": described}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the tables that a table holds, and those in them."""
    found: list[type[BaseModel]] = []
    for field in model.model_fields.values():
        kind = _inner(field.annotation)
        for part in (kind, *map(_inner, get_args(kind))):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found += [part, *_models(part)]
    return found


def _described(table: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a table with its keys explained, and without what a file cannot say."""
    properties = {}
    for name, key in keys(model).items():
        value = _present({word: said for word, said in table["properties"][name].items() if word != "title"})
        if value.get("default") is None or isinstance(value.get("default"), dict | list):
            value.pop("default", None)
        properties[name] = value | {"description": key.text + (f" Default: {key.origin}." if key.origin else "")}
    return {
        "title": model.__name__,
        "description": summary(model),
        "type": "object",
        "properties": properties,
        "required": list(table.get("required", ())),
        "additionalProperties": False,
    }


def _present(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be absent as that of what is present: a file leaves out, it has no null."""
    kinds = [kind for word in ("anyOf", "allOf") for kind in value.get(word, ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return value
    present: dict[str, Any] = kinds[0]
    return present | {word: said for word, said in value.items() if word not in ("anyOf", "allOf")}
