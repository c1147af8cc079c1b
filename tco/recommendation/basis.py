"""What a recommendation rests on: throughputs, every input with its source, and what is left out."""

from __future__ import annotations

from tco.defaults import Assumption
from tco.recommendation.document import Block, Bullets, Heading, Paragraph, Table
from tco.recommendation.study import Study
from tco.recommendation.words import INPUTS, bare, keyed, listed, named, percent, plain, split, value

_OWN = ("tokens_per_s", "growth_per_year", "profile")
"""Of traffic: said by application."""

_IN_ACCOUNT = {"wue_l_per_kwh": "litres_per_kwh"}
"""What an account calls otherwise."""

_KINDS = {
    "server price": "price_usd",
    "server power": "power_w",
    "throughput": "tokens_per_s",
    "rent": "rent_usd_per_h",
}


def throughputs(study: Study) -> list[Block]:
    """Say where each throughput comes from, how far it may be off, and what to mind.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    items: list[str] = []
    minds: dict[str, list[str]] = {}
    for name, one in study.found.planned.items():
        throughput = one.plan.deployment.throughput
        kinds = list(dict.fromkeys(throughput.kinds.values()))
        said = f"{name}: {listed(kinds)}"
        if one.calibration is not None and one.served:
            # An application on copies of one device has other errors than one that several devices share.
            errors = [served.estimate.losses.error.leave_one_model_out for served in one.served.values()]
            known = [percent(error) for error in dict.fromkeys(errors) if error is not None]
            off = f"; off by {listed(known)} on models that were held out" if known else ""
            said += f", {one.calibration.provenance}{off}"
        elif "ideal roofline" in kinds:
            said += ", an upper bound that no software reaches"
        elif throughput.spread is None:
            said += ", given without an error and so taken as certain"
        items.append(f"{said}.")
        for served in one.served.values():
            for warning in served.warnings:
                minds.setdefault(warning, [])
                minds[warning] += [name] if name not in minds[warning] else []
    blocks: list[Block] = [Heading("What it rests on"), Heading("Throughputs", 3), Bullets(tuple(items))]
    if study.what.note:
        blocks.append(Paragraph(f"{study.what.note[0].upper()}{study.what.note[1:]}."))
    if minds:
        blocks += [
            Paragraph("To mind, as the model says:"),
            Bullets(tuple(f"{warning.rstrip('.')} ({listed(names)})." for warning, names in minds.items())),
        ]
    return blocks


def inputs(study: Study) -> list[Block]:
    """List every input with its value, origin and source.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    seen: dict[tuple[str, ...], list[str]] = {}
    groups: dict[str, list[tuple[str, ...]]] = {"Traffic": [], "Servers": [], "Service and site": [], "Ranges": []}
    for entry in found.scenario.applications:
        shown = f"{plain(entry.tokens_per_s)} tokens/s" if study.what.reveal else "(private)"
        groups["Traffic"].append((f"traffic of {entry.name}", shown, "yours", "given"))
        if entry.profile is not None:
            groups["Traffic"].append(
                (f"shape of the day of {entry.name}", f"{len(entry.profile)} slots", "yours", "given")
            )
        if entry.growth_per_year:
            shown = value("growth_per_year", entry.growth_per_year) if study.what.reveal else "(private)"
            groups["Traffic"].append((f"growth of {entry.name}", shown, "yours", "given"))
    for name, one in found.planned.items():
        for item in one.plan.assumptions:
            if item.name in _OWN:
                continue
            group = "Servers" if " of " in item.name else "Service and site"
            row = (group, _input(item), _value(study, name, item), _origin(study, name, item), item.source)
            seen.setdefault(row, []).append(name)
    for (group, words, *cells), names in seen.items():
        whose = f" ({listed(names)})" if words.startswith(("throughput of", "rent of")) else ""
        groups[group].append((words + whose, *cells))
    for name, given in found.scenario.ranges.items():
        groups["Ranges"].append((keyed(name), _range(study, name), "yours", f"given, {given.kind}"))
    rows, starts = _flattened(groups)
    return [
        Heading("Inputs and sources", 3),
        Paragraph(
            "Published by who is named, derived by a rule, a dated default, modelled, measured, or yours. Where a "
            f"range stands beside a default, that is how far it was taken to be off{_held(study)}."
        ),
        Table(
            ("input", "value", "origin", "source"),
            rows,
            words=(0, 2, 3),
            groups=starts,
            small=True,
        ),
    ]


def _held(study: Study) -> str:
    """Name the defaults whose ranges were not drawn: nothing in the account follows from them, or in steps."""
    found = study.found
    ranged = {
        item.name: named(item.name)
        for one in found.planned.values()
        for item in one.plan.assumptions
        if item.origin == "default" and item.low is not None and item.high is not None
    }
    drawn = {split(name)[1] for name in found.inputs}
    held = [words for name, words in ranged.items() if not {name, _IN_ACCOUNT.get(name, name)} & drawn]
    return f"; {listed(held)} {'was' if len(held) == 1 else 'were'} held as planned" if held else ""


def _origin(study: Study, name: str, item: Assumption) -> str:
    error = study.found.scenario.candidates[name].tokens_per_s_error
    if item.origin == "measured" and error is not None and item.name.startswith("throughput of "):
        return f"measured, give or take {percent(error)}"
    return item.origin


def _flattened(groups: dict[str, list[tuple[str, ...]]]) -> tuple[tuple[tuple[str, ...], ...], dict[int, str]]:
    rows: list[tuple[str, ...]] = []
    starts: dict[int, str] = {}
    for group, held in groups.items():
        if held:
            starts[len(rows)] = group
            rows += held
    return tuple(rows), starts


def _input(item: Assumption) -> str:
    if item.name in INPUTS:
        return keyed(item.name)
    kind, of, server = item.name.partition(" of ")
    return f"{INPUTS[kind][0]} ({kind} of {server})" if of and kind in INPUTS else item.name


def _value(study: Study, name: str, item: Assumption) -> str:
    kind = item.name.partition(" of ")[0]
    private = item.private or (kind == "throughput" and not study.shows_rate(name))
    if private and not study.what.reveal:
        return "(private)"
    key = _KINDS.get(kind, kind)
    known = key in INPUTS and (INPUTS[key][1] or not item.unit)
    return value(key, item.value) if known else item.shown(reveal=True)


def _range(study: Study, name: str) -> str:
    given = study.found.scenario.ranges[name]
    if not study.what.reveal:
        return "(private)"
    if given.relative:
        return f"{plain(given.low)}× to {plain(given.high)}×"
    return f"{bare(name, given.low)} to {value(name, given.high)}"


def left_out(study: Study) -> list[Block]:
    """List what is in no account because nobody gave it, and what the model does not know.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    out: dict[str, list[str]] = {}
    for name, one in found.standings.items():
        for words in one.plan.left_out:
            out.setdefault(words, []).append(name)
    whose: dict[str, list[str]] = {}
    for words, names in out.items():
        of = "Of all candidates" if len(names) == len(found.standings) else f"Of {listed(names)}"
        whose.setdefault(of, []).append(words)
    return [
        Heading("What is not in it"),
        Paragraph(
            "Nobody gave these, and unknown is not zero: whoever signs decides without them."
            if out
            else "Every term of the cost model is in the account."
        ),
        *([Bullets(tuple(f"{of}: {', '.join(words)}." for of, words in whose.items()))] if out else []),
        Paragraph(
            "A throughput is that of one server at the largest batch within the limits: queues, failures of whole "
            "sites and software that changes are not modelled. A spare server is bought, and that is all: no network, "
            "storage, installation, licences or support come with it. Costs are yearly payments at one cost of "
            "capital, before tax. The errors of one machine's applications are taken to go together. "
            "Defaults and published prices are in dollars of their sources' years, not converted to those of "
            f"{found.scenario.price_year}."
        ),
    ]
