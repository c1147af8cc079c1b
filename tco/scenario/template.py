"""A scenario to begin with: every key explained, a working example in it, what is optional at rest."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from hardware_specs import Server
from roofline.precision import POLICY_NAMES
from tco.costs import OF_ANY_SERVER, OF_ONES_OWN
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental
from tco.scenario.model import (
    ApplicationEntry,
    Candidate,
    Correlation,
    Decision,
    FleetLimits,
    Range,
    Scenario,
)
from tco.scenario.range_checks import INPUTS, OF_A_CANDIDATE
from tco.scenario.schema import keys

_WIDTH = 118
_DAY = (5, 4, 3, 3, 3, 4, 6, 9, 13, 16, 17, 17, 16, 16, 17, 17, 16, 15, 13, 12, 11, 10, 8, 6)
_OFFICE = (1, 1, 1, 1, 1, 1, 2, 4, 9, 12, 12, 11, 9, 11, 12, 12, 10, 7, 4, 2, 2, 1, 1, 1)

_EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    Scenario: {"prepared_by": "your name", "approved_by": "who signs"},
    Decision: {"reference": "h100"},
    ApplicationEntry: {
        "context_tokens": 2048,
        "profile": (1, 1, 2, 4),
        "ttft_s": 2.0,
        "itl_s": 0.05,
        "latency_s": 30.0,
        "precisions": ("bf16", "fp8"),
        "max_quality_loss": 1.0,
    },
    Candidate: {
        "framework": "vLLM",
        "devices": 1,
        "tokens_per_s": {"chat": 40_000.0, "summaries": 9_000.0},
        "tokens_per_s_error": 0.05,
        "supply": 500,
    },
    Purchase: {
        "accelerator_usd": 25_000.0,
        "host_usd": 60_000.0,
        "host_memory_gib": 2048.0,
        "host_memory_alike_gib": 1024.0,
        "usd_per_gib": 10.0,
        "scale_up_usd": 2_000.0,
        "scale_out_usd": 12_000.0,
        "network_share": 0.1,
        "storage_usd": 8_000.0,
        "installation_usd": 1_500.0,
        "licence_usd_per_accelerator_year": 500.0,
        "support_share_per_year": 0.05,
        "porting_usd": 200_000.0,
        "years": 5.0,
        "embodied_kg": 1_500.0,
    },
    Rental: {"usd_per_h": 2.5, "commitment_years": 3.0, "porting_usd": 50_000.0},
    Server: {
        "price_usd": 270_000,
        "power_w": 10_200,
        "slots_u": 8,
        "weight_kg": 130,
        "accelerator": "h100-sxm",
        "accelerators": 4,
        "name": "Our own server of four H100",
    },
    Facility: {
        "pue_by_load": ((0.2, 1.5), (1.0, 1.2)),
        "demand_usd_per_kw_month": 12.0,
        "idle_share": 0.3,
        "rack_cooling_kw": 35.0,
        "rack_slots_u": 42.0,
        "rack_weight_kg": 1_500.0,
        "colocation_usd_per_kw_month": 184.0,
        "operations_usd_per_kw_month": 20.0,
        "site_power_kw": 5_000.0,
        "usd_per_tonne_co2": 80.0,
        "grid_l_per_kwh": 3.0,
        "usd_per_m3_water": 2.0,
    },
    Range: {"low": 0.06, "high": 0.14, "mode": 0.08},
    Correlation: {"between": ("h100.price_usd", "gaudi-2.price_usd"), "value": 0.5},
    FleetLimits: {"site_power_kw": 2_000.0, "racks": 60, "tonnes_co2_per_year": 3_000.0},
}
"""What a key at rest shows where it has no default."""

_FURTHER: dict[tuple[type[BaseModel], str], str] = {
    (ApplicationEntry, "llm"): "`tco llms` lists them.",
    (ApplicationEntry, "precisions"): f"Formats: {', '.join(POLICY_NAMES)}.",
    (Candidate, "server"): "`tco hardware` lists them.",
    (Range, "kind"): f"One of {', '.join(get_args(Range.model_fields['kind'].annotation))}.",
    (Facility, "colocation_usd_per_kw_month"): "Leave rack_usd and usd_per_watt at rest then.",
    (Facility, "pue_by_load"): "Leave pue at rest then.",
    (FleetLimits, "site_power_kw"): "Leave that of the facility at rest then.",
}
"""What else is good to know while writing."""

_HEAD = """\
#:schema ./scenario.schema.json
#
# A scenario: what is to be served, what might serve it, on what terms, and how far each number may be off.
#
#   tco check scenario.toml              names every mistake in it, with its line
#   tco recommend scenario.toml          makes the page to sign, with figures, assumptions and sources
#   tco schema > scenario.schema.json    lets an editor that knows TOML schemas complete and explain keys
#
# It works as it stands: change it into your own case. A line "#key = value" is an optional key at rest: take the # away
# to use it, and that of the [table] above it. It shows the key's default, or an example where the key has none: what
# is then left out is not in the account, and the page says so.
#
# What you give here is private: results show ratios, and your amounts only where you ask for them (--reveal). All
# amounts are US dollars; powers, prices and throughputs are of a whole server unless the key says otherwise."""


def scenario_template() -> str:
    """Return a scenario in TOML that works as it stands, with every key explained.

    Returns
    -------
    str
        What is required is an example; what is optional stands behind a ``#``, at its default or with an example.

    Examples
    --------
    >>> import tomllib
    >>> list(tomllib.loads(scenario_template())["candidates"])
    ['h100', 'gaudi-2', 'h100-rented']
    """
    chat = {
        "name": "chat",
        "llm": "llama-3.1-8b",
        "prompt_tokens": 1024,
        "output_tokens": 256,
        "tokens_per_s": 500_000,
        "profile": _DAY,
        "ttft_s": 2.0,
        "itl_s": 0.05,
        "precisions": ("bf16", "fp8"),
    }
    summaries = {
        "name": "summaries",
        "llm": "llama-3.1-8b",
        "prompt_tokens": 4096,
        "output_tokens": 256,
        "tokens_per_s": 100_000,
        "profile": _OFFICE,
        "ttft_s": 5.0,
        "precisions": ("bf16", "fp8"),
    }
    page = {"title": "Accelerators for chat and summaries", "date": "2026-11-22", "price_year": 2026}
    blocks = [
        _HEAD,
        *_keys(Scenario, page),
        _bar("How to decide"),
        "[decision]",
        *_keys(Decision),
        _bar("Applications, one [[applications]] for each: what is served, how fast, and how much of it"),
        "[[applications]]",
        *_keys(ApplicationEntry, chat),
        _said("A second one, without the explanations.") + "\n" + _bare("[[applications]]", summaries),
        _bar("Candidates, one [candidates.NAME] for each: two or more, the name is yours"),
        "[candidates.h100]",
        *_keys(Candidate, {"server": "dgx-h100"}),
        _said("What comes with its price. What is not given is not in the account, and the page says so.")
        + "\n[candidates.h100.purchase]",
        *_keys(Purchase),
        _bare("[candidates.gaudi-2]", {"server": "gaudi-2-hls"}),
        _said("Rented: hosting and energy are in the rent.")
        + "\n"
        + _bare("[candidates.h100-rented]", {"server": "dgx-h100"}),
        "[candidates.h100-rented.rental]",
        *_keys(Rental),
        _bar("Servers: your own quotes, by the server's name in `tco hardware`"),
        "[servers.dgx-h100]",
        *_keys(Server, names=OF_ANY_SERVER),
        "[servers.gaudi-2-hls]\n" + _at_rest({"price_usd": 150_000, "power_w": 7_500, "slots_u": 8, "weight_kg": 110}),
        _said("A server that the catalogue does not have; a candidate names it by its key, here my-server.")
        + "\n#[servers.my-server]",
        *_keys(Server, names=OF_ONES_OWN),
        _said("And its price and power, as above.") + "\n" + _at_rest({"price_usd": 120_000, "power_w": 5_000}),
        _bar("Facility: where the servers stand; rented ones stand elsewhere"),
        "[facility]",
        *_keys(Facility),
        _bar("Service: how much more than the mean is kept, and what happens when servers fail"),
        "[service]",
        *_keys(Service),
        _bar("Ranges: how far inputs may be off, beyond what sources say of defaults, prices and modelled throughputs"),
        _said(
            f'An input that all candidates share goes by its name, one of a candidate as "CANDIDATE.NAME" in quotes '
            f"({', '.join(OF_A_CANDIDATE)} always do). Inputs are: {', '.join(INPUTS)}."
        ),
        "#[ranges.usd_per_kwh]",
        *_keys(Range),
        *(
            f'#[ranges."{name}.price_usd"]\n' + _at_rest({"low": low, "high": high, "relative": True})
            for name, low, high in (("h100", 0.85, 1.1), ("gaudi-2", 0.8, 1.2))
        ),
        _said("Inputs that move together, one [[correlations]] for each pair.") + "\n#[[correlations]]",
        *_keys(Correlation),
        _bar("Fleet: limits of a fleet of several machines at once"),
        "#[fleet]",
        *_keys(FleetLimits),
    ]
    return "\n\n".join(blocks) + "\n"


def write_template(path: str | Path, *, overwrite: bool = False) -> None:
    """Write the template of a scenario to a file.

    Parameters
    ----------
    path : str or Path
        The file, ``.toml``.
    overwrite : bool
        Replace one that is there.

    Raises
    ------
    FileExistsError
        It is there.
    ValueError
        Another kind of file.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "scenario.toml"
    >>> write_template(path)
    >>> path.read_text(encoding="utf-8").splitlines()[0]
    '#:schema ./scenario.schema.json'
    """
    if Path(path).suffix.lower() != ".toml":
        raise ValueError(f"{path}: the template is TOML: give a name that ends in .toml")
    text = scenario_template()
    with Path(path).open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _keys(
    model: type[BaseModel], given: Mapping[str, Any] | None = None, *, names: Collection[str] | None = None
) -> list[str]:
    """Return each key of a table with its explanation: awake where a value is given, else at rest."""
    awake = given or {}
    blocks: list[str] = []
    for name, key in keys(model).items():
        if names is not None and name not in names:
            continue
        field = model.model_fields.get(name)
        required = field is not None and field.is_required()
        default = None if field is None or required else field.get_default(call_default_factory=True)
        if name in awake:
            value, mark = awake[name], ""
        elif default in (None, "", {}, ()):
            value, mark = _EXAMPLES.get(model, {}).get(name), "example"
        else:
            value, mark = default, "default"
        if value is None or isinstance(value, BaseModel):
            continue  # a table, which has its own place
        line = f"{name} = {_toml(value)}" if name in awake else f"#{name} = {_toml(value)}  # {mark}"
        if key.together[0] != name:
            blocks[-1] += f"\n{line}"  # its text stands above the first
            continue
        origin = f"Default: {key.origin.rstrip('.')}." if key.origin else ""
        must = "Required." if required and (model, name) != (Server, "name") else ""  # else it is the key
        words = [key.text, _FURTHER.get((model, name), ""), must, origin]
        blocks.append(f"{_said(' '.join(filter(None, words)))}\n{line}")
    return blocks


def _bare(header: str, values: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{name} = {_toml(value)}" for name, value in values.items())])


def _at_rest(values: Mapping[str, Any]) -> str:
    return "\n".join(f"#{name} = {_toml(value)}  # example" for name, value in values.items())


def _bar(title: str) -> str:
    return f"# {'-' * (_WIDTH - 2)}\n{_said(title)}\n# {'-' * (_WIDTH - 2)}"


def _said(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False))


def _toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, float) and value >= 1000:
        value = int(value)
    return f"{int(value):_}" if value == int(value) and value >= 10_000 else repr(value)
