"""What must agree between the tables of a scenario: names that exist, prices that are known, limits that can be met.

Each check yields the keys of a mistake and what is accepted, and goes on: all mistakes are told in one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import roofline as rl
from hardware_specs import Accelerator, UnknownNameError
from hardware_specs.errors import did_you_mean
from roofline.calibration import calibrations
from roofline.llm import LLM
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy
from tco.scenario.model import ApplicationEntry, Candidate
from tco.scenario.parts import Mistake, Parts
from tco.scenario.range_checks import IDEAL, check_correlations, check_ranges

_LENGTHS = ("prompt_tokens", "output_tokens", "context_tokens")
_LIMITS = ("ttft_s", "itl_s", "latency_s")
_LIMITS_OF = {"prefill": ("ttft_s",), "decode": ("itl_s",), "generate": _LIMITS}
_MOST_SLOTS = 1440


def check(parts: Parts) -> Iterator[Mistake]:
    """Yield whatever does not agree in a scenario.

    Parameters
    ----------
    parts : Parts
        Its tables, as far as they could be read.
    """
    yield from _head(parts)
    yield from _applications(parts)
    yield from parts.unaccounted
    for name, one in parts.candidates.items():
        if one is not None:
            yield from _candidate(parts, ("candidates", name), one)
    yield from _site(parts)
    yield from check_ranges(parts)
    yield from check_correlations(parts)


def _head(parts: Parts) -> Iterator[Mistake]:
    if parts.date is not None:
        try:
            year = date.fromisoformat(parts.date).year
        except ValueError:
            yield ("date",), "is no day of the calendar"
        else:
            if parts.price_year is not None and parts.price_year > year:
                yield ("price_year",), "is after the date: prices are in dollars of that year or an earlier one"
    if parts.candidate_names_known and parts.reference is not None and parts.reference not in parts.candidates:
        close, there = did_you_mean(parts.reference, parts.candidates), ", ".join(parts.candidates)
        yield ("decision", "reference"), f"there is no candidate {parts.reference!r}{close}; there are {there}"


# -------------------------------------------------------------------------------------------------------- applications


def _applications(parts: Parts) -> Iterator[Mistake]:
    names = parts.application_names
    counted: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in names[:i]:
            yield ("applications", i, "name"), f"{name!r} is the name of applications[{names.index(name)}] already"
    for i, entry in enumerate(parts.applications):
        if entry is None:
            continue
        at = ("applications", i)
        yield from ((at + where, message) for where, message in _application(entry))
        if not list(_lengths(entry, None)):
            counted.setdefault(_counted(entry), i)
            if len(counted) > 1 and counted[_counted(entry)] == i:
                other, first = next(iter(counted.items()))
                yield (
                    at,
                    f"counts {_counted(entry)}, and applications[{first}] {other}, which cannot be added up: "
                    "give both as whole requests (prompt_tokens and output_tokens), or make two scenarios",
                )


def _application(entry: ApplicationEntry) -> Iterator[Mistake]:
    llm = None
    try:
        llm = rl.get_llm(entry.llm)
    except UnknownNameError as unknown:
        yield ("llm",), str(unknown)
    lengths = list(_lengths(entry, llm))
    yield from lengths
    known = _LIMITS_OF[_phase(entry)]
    for limit in _LIMITS:
        if getattr(entry, limit) is not None and limit not in known and not lengths:
            yield (limit,), f"is no limit of a {_phase(entry)}, which has {' and '.join(known)}"
    yield from _profile(entry)
    yield from _precisions(entry, llm)


def _phase(entry: ApplicationEntry) -> str:
    if entry.context_tokens is not None:
        return "decode"
    return "prefill" if entry.output_tokens is None else "generate"


def _counted(entry: ApplicationEntry) -> str:
    return "prompt tokens" if _phase(entry) == "prefill" else "output tokens"


def _lengths(entry: ApplicationEntry, llm: LLM | None) -> Iterator[Mistake]:
    given = {name for name in _LENGTHS if getattr(entry, name) is not None}
    if not given:
        yield (), "needs prompt_tokens and output_tokens (a whole request), prompt_tokens (a prefill) or context_tokens"
    elif given == {"output_tokens"}:
        yield ("output_tokens",), "needs prompt_tokens beside it (a whole request), or context_tokens (a decode)"
    elif {"prompt_tokens", "context_tokens"} <= given:
        yield ("context_tokens",), "stands beside prompt_tokens: it is of a decode by itself, leave one of them out"
    elif llm is not None:
        most = llm.max_context
        long = [name for name in _LENGTHS if (getattr(entry, name) or 0) > most]
        for name in long:
            yield (name,), f"is more than the {most:,} tokens that {entry.llm} takes"
        if not long and (entry.prompt_tokens or 0) + (entry.output_tokens or 0) > most:
            yield ("output_tokens",), f"is, with prompt_tokens, more than the {most:,} tokens that {entry.llm} takes"


def _profile(entry: ApplicationEntry) -> Iterator[Mistake]:
    if entry.profile is None:
        return
    if not any(entry.profile):
        yield ("profile",), "should have one slot with traffic at least"
    if len(entry.profile) > _MOST_SLOTS:
        yield ("profile",), f"should have at most {_MOST_SLOTS:,} slots, the minutes of a day"


def _precisions(entry: ApplicationEntry, llm: LLM | None) -> Iterator[Mistake]:
    policies: list[PrecisionPolicy] = []
    if entry.precisions is not None and not entry.precisions:
        yield ("precisions",), "should name one format at least, or be left out"
    for i, name in enumerate(entry.precisions or ()):
        try:
            policies.append(policy(name))
        except UnknownNameError:
            close = did_you_mean(name.lower(), POLICY_NAMES)
            yield ("precisions", i), f"{name!r} is not known{close}; give some of {', '.join(POLICY_NAMES)}"
    if llm is None or entry.max_quality_loss is None or len(policies) < len(entry.precisions or ()):
        return
    wanted = tuple(policies) or POLICY_NAMES
    gate = rl.quality.allowed_precisions(llm, max_loss=entry.max_quality_loss, precisions=wanted)
    if not gate.allowed:
        why = "nobody measured what they lose" if gate.unknown else "they lose more"
        yield ("max_quality_loss",), f"leaves none of the precisions, as far as is published ({why}): allow bf16"


# ---------------------------------------------------------------------------------------------------------- candidates


def _candidate(parts: Parts, at: tuple[str, str], one: Candidate) -> Iterator[Mistake]:
    names = tuple(dict.fromkeys(parts.application_names))
    for name in one.tokens_per_s:
        if names and name not in names and all(names):  # one without a name may be the one that is meant
            yield (
                (*at, "tokens_per_s", name),
                f"there is no application of this name{did_you_mean(name, names)}; there are {', '.join(names)}",
            )
    if one.tokens_per_s_error is not None and not one.tokens_per_s:
        yield (*at, "tokens_per_s_error"), "is the error of a measured tokens_per_s, and none is given"
    try:
        server, accelerator = parts.machine(one)
    except (KeyError, ValueError):  # which has been told
        return
    if one.devices is not None and one.devices > server.accelerators:
        yield (*at, "devices"), f"is more than the {server.accelerators} accelerators of {server.key}"
    if one.framework is not None and one.framework != IDEAL:
        yield from (((*at, "framework"), message) for message in _framework(one.framework, accelerator))


def _framework(name: str, accelerator: Accelerator) -> Iterator[str]:
    try:
        rl.get_calibration(accelerator.key, name)
    except UnknownNameError:
        there = [*sorted({one.framework for one in calibrations() if one.accelerator == accelerator.key}), IDEAL]
        close = did_you_mean(name, there)
        yield f"there are no measured runs of {accelerator.key} with {name!r}{close}; accepted are {', '.join(there)}"


# ---------------------------------------------------------------------------------------------------------------- site


def _site(parts: Parts) -> Iterator[Mistake]:
    facility = parts.facility
    given = {name for name in facility.model_fields_set if getattr(facility, name) is not None}
    for name, instead in (
        ("rack_usd", "colocation_usd_per_kw_month"),
        ("usd_per_watt", "colocation_usd_per_kw_month"),
        ("pue", "pue_by_load"),
    ):
        if {name, instead} <= given:
            yield ("facility", name), f"has no effect beside {instead}: leave one of them out"
    sides = [side for side in parts.sides.values() if side is not None]
    pue = facility.pue if facility.pue_by_load is None else min(one for _, one in facility.pue_by_load)
    needs = {side.server.key: side.plan.deployment.power.value * pue for side in sides}
    site_w = None if facility.site_power_kw is None else facility.site_power_kw * 1e3
    for server, power_w in needs.items():
        if site_w is not None and site_w < power_w:
            yield ("facility", "site_power_kw"), f"does not feed one server of {server}, PUE included"
    fleet_kw = None if parts.fleet is None else parts.fleet.site_power_kw
    if fleet_kw is not None:
        if site_w is not None:
            yield ("fleet", "site_power_kw"), "stands beside facility.site_power_kw: give one of them"
        elif needs and fleet_kw * 1e3 < min(needs.values()):
            yield ("fleet", "site_power_kw"), "does not feed one server of any candidate, PUE included"
