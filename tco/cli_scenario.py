"""The shell commands around a scenario's file: ``tco template``, ``tco check``, ``tco schema``."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from roofline.calibration import Calibration
from tco.defaults import Assumption
from tco.planning import Traffic
from tco.recommendation.calibrations import choose_all
from tco.recommendation.words import listed
from tco.scenario import Scenario, json_schema, read_scenario, scenario_template, write_template
from tco.scenario.parts import Parts, Side, parts_of

_WIDTH = 100
_LIMITS = {"ttft_s": "first token", "itl_s": "between tokens", "latency_s": "whole request"}


def add(commands: Any, help_format: type[argparse.HelpFormatter]) -> None:
    """Add the commands to the shell.

    Parameters
    ----------
    commands : subparsers
        Of the shell.
    help_format : type
        How help is laid out.
    """
    command = commands.add_parser(
        "template",
        help="a scenario to begin with: every key explained",
        formatter_class=help_format,
        description="Print a scenario in TOML that works as it stands: what is to be served, what might serve it, on\n"
        "what terms. Every key is explained, with its unit, and where its default comes from.",
        epilog="""Examples
  tco template
  tco template --out scenario.toml""",
    )
    command.add_argument("--out", metavar="FILE", help="write it there; a file that is there stays")
    command.add_argument("--force", action="store_true", help="replace the file that is there")
    command.set_defaults(run=_template)

    command = commands.add_parser(
        "check",
        help="what a scenario holds, or every mistake in it with its line",
        formatter_class=help_format,
        description="Read a scenario and check all of it: names, units, prices that nobody gives, ranges of nothing.\n"
        "Mistakes come all at once, each with its key and line, never with its value. Whether a machine meets the\n"
        "limits on latency is modelled by `tco recommend`, which says of each that does not why.",
        epilog="""Examples
  tco template --out scenario.toml
  tco check scenario.toml""",
    )
    command.add_argument("scenario", help="a scenario file, TOML or JSON")
    command.set_defaults(run=_check)

    command = commands.add_parser(
        "schema",
        help="the JSON schema of a scenario's file, for editors",
        formatter_class=help_format,
        description="Print the JSON schema (2020-12) of a scenario's file. Beside the file as scenario.schema.json,\n"
        "it lets editors that know TOML schemas complete and explain keys.",
        epilog="""Examples
  tco schema > scenario.schema.json""",
    )
    command.set_defaults(run=_schema)


def _template(options: argparse.Namespace) -> str:
    if options.out is None:
        return scenario_template().removesuffix("\n")
    path = Path(options.out)
    try:
        write_template(path, overwrite=options.force)
    except FileExistsError:
        raise ValueError(f"{path} is there already: --force replaces it") from None
    return f"Written: {path}. Change it into your own case, and then: tco check {path}"


def _schema(_: argparse.Namespace) -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False)


def _check(options: argparse.Namespace) -> str:
    return summary(read_scenario(options.scenario))


def summary(scenario: Scenario) -> str:
    """What a scenario holds: what is served and by whom, what is private, which defaults fill in, what is left out.

    Parameters
    ----------
    scenario : Scenario
        One that was checked.
    """
    parts = parts_of(scenario)
    sides = {name: side for name, side in parts.sides.items() if side is not None}
    assumptions = {name: side.plan.assumptions for name, side in sides.items()}
    items = [item for found in assumptions.values() for item in found]
    defaults = {item.name: item for item in items if item.origin == "default" and item.name not in Traffic.model_fields}
    chosen = choose_all(scenario)
    candidates = (f"{name}: {_candidate(parts, side, chosen.calibrations[name])}" for name, side in sides.items())
    blocks = [
        f"ok: {scenario.title}",
        _list("Applications", (f"{one.name}: {one.llm}, {_lengths(one)}" for one in scenario.applications)),
        _list("Candidates", candidates),
        _list("Upper bounds, which recommend nothing", [f"throughputs: {chosen.note}"] if chosen.note else []),
        _list("Yours, and private", _private(scenario)),
        _list("Defaults, of public sources", (f"{name}: {item.shown()}" for name, item in defaults.items())),
        _list("Not in the account, because nothing is said of it", _left_out(sides)),
        _list("Without effect", _idle(scenario, sides)),
    ]
    return "\n\n".join(filter(None, blocks))


def _list(title: str, items: Iterable[str]) -> str:
    wrapped = [textwrap.fill(item, _WIDTH, initial_indent="  ", subsequent_indent="    ") for item in items]
    return "\n".join([f"{title}:", *wrapped]) if wrapped else ""


def _lengths(one: Any) -> str:
    names = {"prompt_tokens": "prompt", "output_tokens": "output", "context_tokens": "context"}
    said = [f"{getattr(one, key):,} {word}" for key, word in names.items() if getattr(one, key) is not None]
    limits = [f"{word} within {limit:g} s" for key, word in _LIMITS.items() if (limit := getattr(one, key)) is not None]
    return f"{' and '.join(said)} tokens, {', '.join(limits) or 'without a limit on latency'}"


def _candidate(parts: Parts, side: Side, calibration: Calibration | None) -> str:
    one, deployment = side.candidate, side.plan.deployment
    price = _told(deployment.price)
    how = f"rented at {price}" if deployment.rented else f"bought at {price}; power {deployment.power.origin}"
    measured = [name for name in parts.application_names if name in one.tokens_per_s]
    modelled = [name for name in parts.application_names if name not in one.tokens_per_s]
    rates = [f"measured for {' and '.join(measured)}"] if measured else []
    if modelled:
        how_sure = "an upper bound" if calibration is None else f"calibrated on runs with {calibration.framework}"
        rates.append(f"modelled for {' and '.join(modelled)}, {how_sure}")
    return f"{side.server.accelerators} × {side.accelerator.name} in {side.server.key}; {how}; {'; '.join(rates)}"


def _told(price: Assumption) -> str:
    if price.origin == "yours":
        return "your price"
    article = "an" if price.basis[:1] in "aeiou" else "a"
    return f"{article} {price.basis}" + (", derived" if price.origin == "derived" else ", published")


def _private(scenario: Scenario) -> list[str]:
    """Return the keys that the user gave, by table; what they say is not told."""
    tables: dict[str, Iterable[str]] = {"facility": scenario.facility.model_fields_set}
    tables["service"] = scenario.service.model_fields_set
    for name, one in scenario.candidates.items():
        for key, terms in (("purchase", one.purchase), ("rental", one.rental)):
            tables[f"candidates.{name}.{key}"] = () if terms is None else terms.model_fields_set
        tables[f"candidates.{name}"] = {"tokens_per_s"} if one.tokens_per_s else ()
    return [
        *(f"{table}: {', '.join(sorted(keys))}" for table, keys in tables.items() if keys),
        *(f"servers.{key}" for key, server in scenario.servers.items() if _is_own(server)),
        *([f"ranges: {', '.join(scenario.ranges)}"] if scenario.ranges else []),
    ]


def _is_own(server: Any) -> bool:
    import hardware_specs as hs

    return server.key not in hs.server_names() or server != hs.get_server(server.key)


def _left_out(sides: Mapping[str, Side]) -> list[str]:
    """Return what is in no account, or not in that of some candidates, who are then named."""
    whose: dict[str, list[str]] = {}
    for name, side in sides.items():
        for term in side.plan.left_out:
            whose.setdefault(term, []).append(name)
    terms: dict[str, list[str]] = {}
    for term, names in whose.items():
        terms.setdefault("all candidates" if len(names) == len(sides) else listed(names), []).append(term)
    return [f"of {names}: {', '.join(of_them)}" for names, of_them in terms.items()]


def _idle(scenario: Scenario, sides: dict[str, Side]) -> list[str]:
    """Return what the user gave that nothing depends on: rather a slip of the name than meant."""
    used = {side.server.key for side in sides.values()}
    bought = {side.server.key for side in sides.values() if not side.plan.deployment.rented}
    return [
        *(f"servers.{key}: no candidate names it" for key in scenario.servers if key not in used),
        *(
            f"servers.{key}: rented only, so a price of it does not count"
            for key, server in scenario.servers.items()
            if key in used - bought and _is_own(server)
        ),
    ]
