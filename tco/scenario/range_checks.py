"""What must hold of the ranges and correlations of a scenario: that they name inputs, and can be."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from hardware_specs.errors import did_you_mean
from hardware_specs.server import MAX_POWER_W, MAX_PRICE_USD, MIN_POWER_W, MIN_PRICE_USD
from roofline.calibration import calibrations
from tco import uncertainty
from tco._file import plainer
from tco._own import share_hint
from tco.accounts import account
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental
from tco.scenario.model import Range
from tco.scenario.parts import Mistake, Parts

IDEAL = "ideal"
"""What stands for no calibration, where a framework is named."""

_COUNTS = ("profile", "pue_by_load", "payments_per_year", "accelerators", "servers_per_rack")
_CHOICES = ("whole", "released", "spares_confidence")
INPUTS = tuple(name for name in inspect.signature(account).parameters if name not in (*_COUNTS, *_CHOICES))
"""Inputs of an account that may be off, each a number."""

OF_A_CANDIDATE = ("tokens_per_s", "power_w", "price_usd", "rent_usd_per_h")
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
"""Keys of the file whose quantity has another name in the account."""

_ACCEPTED: dict[str, Any] = {
    "tokens_per_s": Annotated[float, Field(gt=0)],
    "traffic_per_s": Annotated[float, Field(gt=0)],
    "price_usd": Annotated[float, Field(ge=MIN_PRICE_USD, le=MAX_PRICE_USD)],
    "power_w": Annotated[float, Field(ge=MIN_POWER_W, le=MAX_POWER_W)],
    "failures_per_year": Annotated[float, Field(ge=0)],
}


def check_ranges(parts: Parts) -> Iterator[Mistake]:
    """Yield ranges that name no input, or leave what the input accepts.

    Parameters
    ----------
    parts : Parts
        Tables of the scenario.
    """
    for name, given in parts.ranges.items():
        at = ("ranges", name)
        refused = _no_input(parts, name)
        if refused:
            yield at, refused
        elif given is not None:
            yield from ((at + where, message) for where, message in _ends(parts, name, given))


def _split(parts: Parts, name: str) -> tuple[str | None, str]:
    """Return the candidate that an input is of, ``None`` where all share it, and its own name."""
    prefix, _, inner = name.rpartition(".")
    return (prefix, inner) if prefix else (None, name)


def _held(parts: Parts, name: str) -> dict[str, Any]:
    """Return the values of an input by candidate, of those whose account has it."""
    prefix, inner = _split(parts, name)
    return {
        key: side.inputs[inner]
        for key, side in parts.sides.items()
        if side is not None and prefix in (None, key) and side.inputs.get(inner) is not None
    }


def _no_input(parts: Parts, name: str) -> str:
    """Return why a name is of no input that may be off; nothing where it is of one."""
    prefix, inner = _split(parts, name)
    if prefix is not None and prefix not in parts.candidates:
        close, there = did_you_mean(prefix, parts.candidates), ", ".join(parts.candidates)
        return f"there is no candidate {prefix!r}{close}; there are {there}" if parts.candidate_names_known else ""
    if inner not in INPUTS:
        if inner in _CALLED:
            return f"is no input of an account, which has it as {_CALLED[inner]}"
        return f"is no input that may be off{did_you_mean(inner, INPUTS)}; there are {', '.join(INPUTS)}"
    held = _held(parts, name)
    if inner in parts.unread_inputs:
        return ""
    if not held and _all_known(parts, prefix):
        return f"is not in the account of {prefix or 'any candidate'}: give it a value first, where it is due"
    if inner == "pue" and parts.facility.pue_by_load is not None:
        return "has no effect beside facility.pue_by_load"
    if prefix is None and len(held) > 1 and (inner in OF_A_CANDIDATE or len({*map(float, held.values())}) > 1):
        example = f'"{next(iter(held))}.{inner}"'
        return f"is not the same for all candidates: give each its own, such as [ranges.{example}]"
    return ""


def _all_known(parts: Parts, candidate: str | None) -> bool:
    """Whether the candidates that an input is of can all be accounted for."""
    of_it = [side for key, side in parts.sides.items() if candidate in (None, key)]
    return bool(of_it) and None not in of_it


def _ends(parts: Parts, name: str, given: Range) -> Iterator[Mistake]:
    """Yield what is wrong with the ends of a range."""
    _, inner = _split(parts, name)
    values = [] if inner == "tokens_per_s" else list(_held(parts, name).values())
    unread = inner in parts.unread_inputs or (inner == "traffic_per_s" and parts.traffic_per_s is None)
    value = None if not values or unread else float(values[0])
    if given.relative and given.low > 10:
        yield (), "with relative = true, low and high are multiples of the scenario's own value, such as 0.9 and 1.2"
        return
    if not given.relative and value is not None and not given.low <= value <= given.high:
        yield (
            (),
            "does not hold the scenario's own value of this input: change one of them, or with relative = true give "
            "multiples of it",
        )
        return
    scale = value if given.relative else 1.0
    for end in ("low", "high"):
        refused = "" if scale is None else _refused(inner, getattr(given, end) * scale)
        if refused:
            yield (end,), f"{inner} {refused}"


@cache
def _accepts(name: str) -> TypeAdapter[float] | None:
    """Return what an input accepts, by the table that has it."""
    accepted = _ACCEPTED.get(name)
    model: type[BaseModel]
    for model, field in ((Facility, name), (Service, name), (Purchase, name), (Rental, name.removeprefix("rent_"))):
        if accepted is None and field in model.model_fields:
            info = model.model_fields[field]
            accepted = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return None if accepted is None else TypeAdapter(accepted)


def _refused(name: str, value: float) -> str:
    adapter = _accepts(name)
    try:
        if adapter is not None:
            adapter.validate_python(value)
    except ValidationError as error:
        return plainer(error.errors(include_input=False)[0]["msg"].removeprefix("Input ")) + share_hint(name)
    return ""


# -------------------------------------------------------------------------------------------------------- correlations


def check_correlations(parts: Parts) -> Iterator[Mistake]:
    """Yield correlations of what does not vary, and those that cannot hold together.

    Parameters
    ----------
    parts : Parts
        Tables of the scenario.
    """
    from tco.risk import Uniform
    from tco.risk.correlation import correlated

    varying = _varying(parts)
    pairs: dict[tuple[str, str], float] = {}
    for i, one in enumerate(parts.correlations):
        if one is None:
            continue
        at = ("correlations", i)
        first, second = one.between
        unknown = [(place, name) for place, name in enumerate(one.between) if name not in varying]
        for place, name in unknown:
            yield from (((*at, "between", place), message) for message in _no_range(parts, name, varying))
        if unknown:
            continue
        if first == second:
            yield (*at, "between"), "should name two inputs, not one twice"
        elif (first, second) in pairs or (second, first) in pairs:
            yield (*at, "between"), "gives a pair a second time"
        elif abs(one.value) == 1:
            yield (*at, "value"), "should be above -1 and below 1: inputs that always move together are one input"
        else:
            pairs[first, second] = one.value
    alike = Uniform(0.0, 1.0)
    try:
        correlated({name: alike for pair in pairs for name in pair}, pairs)
    except ValueError as error:
        message = str(error).removeprefix("correlations ").partition(", and is ")[0]
        yield ("correlations",), message


def _no_range(parts: Parts, name: str, varying: set[str]) -> Iterator[str]:
    """Yield why an input that is named beside another does not vary."""
    if _no_input(parts, name):
        yield f"{name!r} is no input that varies{did_you_mean(name, varying)}"
    elif _all_known(parts, _split(parts, name)[0]):
        yield f"nothing says how far {name!r} may be off: give [ranges.{_key(name)}]"


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _varying(parts: Parts) -> set[str]:
    """Return the names of inputs that have a range in the scenario, or of which sources say how far they may be off."""
    names = set(parts.ranges)
    sides = {name: side for name, side in parts.sides.items() if side is not None}
    measured = {name for name, side in sides.items() if side.candidate.tokens_per_s_error is not None}
    modelled = {name for name, side in sides.items() if side.candidate.framework != IDEAL} - measured
    known = {one.accelerator for one in calibrations()}
    calibrated = all(sides[name].accelerator.key in known for name in modelled)  # all of them are, or none is
    for name, side in sides.items():
        names |= set(uncertainty.of_side(name, side.plan.deployment, side.inputs))
        if name in measured or (name in modelled and calibrated):
            names.add(f"{name}.tokens_per_s")
    return names
