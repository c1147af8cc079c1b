"""The applications: what they ask, what a server of each candidate gives of them, and where that puts the decision."""

from __future__ import annotations

from dataclasses import replace

from roofline._arrays import Array
from tco.mix import Served
from tco.recommendation.decision import Recommendation
from tco.recommendation.document import Block, Figure, Heading, Paragraph, Table
from tco.recommendation.study import Study
from tco.recommendation.tables import pages
from tco.recommendation.words import SPACE, listed, plain, rough, times
from tco.scenario.model import ApplicationEntry


def applications(study: Study) -> list[Block]:
    """Write down what each application asks, and what a server of each candidate gives of it.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    blocks: list[Block] = [Heading("Applications")]
    for names in pages(tuple(found.planned)):
        rows: list[tuple[str, ...]] = []
        groups = {}
        for entry in found.scenario.applications:
            groups[len(rows)] = f"{entry.name}: {_asked(entry)}"
            rows += _reached(study, entry, names)
        blocks.append(
            Table(
                ("", *(f"{name} (out)" if name in found.beside else name for name in names)),
                tuple(rows),
                groups=groups,
                best=1 + names.index(found.best) if found.best in names else None,
                caption="Of a whole server that does nothing else, at the largest batch within the limits; the latency "
                f"is that at this batch.{_besides(study, names)}{_precisions(found)} A server that does several in "
                f"turn adds up their times, not their rates.{_winners(found)}",
            )
        )
    if any(one.served for one in found.planned.values()):
        blocks.append(
            Paragraph(
                "What is modelled is static batches: all prompts of a batch are read before the first token of any is "
                "written. A limit on the first token therefore caps the batch, and without one the first token may "
                "take long. Continuous batching, which reads some prompts while others are written, is not modelled "
                "here."
            )
        )
    if surface_places(found) is not None:
        blocks.append(Figure("surface", _surface_alt(found), _surface_caption(found)))
    return blocks


def _asked(entry: ApplicationEntry) -> str:
    lengths = [
        f"{value:,} {words}"
        for words, value in (
            ("tokens read", entry.prompt_tokens),
            ("in the cache", entry.context_tokens),
            ("written", entry.output_tokens),
        )
        if value is not None
    ]
    limits = [
        f"{words} ≤ {plain(value)} s"
        for words, value in (
            ("first token", entry.ttft_s),
            ("between tokens", entry.itl_s),
            ("whole answer", entry.latency_s),
        )
        if value is not None
    ]
    if entry.max_quality_loss is not None:
        limits.append(f"quality loss ≤ {plain(entry.max_quality_loss)} points")
    if entry.precisions:
        limits.append(" or ".join(entry.precisions))
    return "; ".join(filter(None, (entry.llm, ", ".join(lengths), ", ".join(limits))))


def _reached(study: Study, entry: ApplicationEntry, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Rows of what each candidate gives of an application."""
    found = study.found
    served = [found.planned[name].served.get(entry.name) for name in names]
    rates = (
        f"{found.planned[name].rates[entry.name]:,.0f}" if study.shows_rate(name, entry.name) else "(private)"
        for name in names
    )
    rows: list[tuple[str, ...]] = [("tokens/s", *rates)]
    if not any(served):
        return [*rows, ("it is", *("measured" for _ in names))]
    groups = [
        1 if one is None else found.planned[name].plan.deployment.server.accelerators // one.devices
        for name, one in zip(names, served, strict=True)
    ]
    rows += [
        ("precision", *("measured" if one is None else one.precision for one in served)),
        (
            "division",
            *("-" if one is None else _division(one, times) for one, times in zip(served, groups, strict=True)),
        ),
        (
            "batch of the server",
            *("-" if one is None else f"{one.batch * times:,}" for one, times in zip(served, groups, strict=True)),
        ),
    ]
    for words, attribute in _latencies(entry):
        reached = ("-" if one is None else _seconds(getattr(one.estimate, attribute)) for one in served)
        rows.append((words, *reached))
    return rows


def _division(one: Served, groups: int) -> str:
    """How the devices of a server share the model and the batch."""
    layout = replace(one.layout, data=1) if one.layout.expert == 1 else one.layout
    copies = groups * one.layout.data if one.layout.expert == 1 else groups
    if copies == 1:
        return str(layout)
    return f"{copies} copies of {'1 device' if layout.devices == 1 else f'{layout.devices} devices, {layout}'}"


def _besides(study: Study, names: tuple[str, ...]) -> str:
    """Say what of a whole answer is neither the first token nor between tokens."""
    rest: dict[str, float] = {}
    for name in names:
        for one in study.found.planned[name].served.values():
            written = one.application.output_tokens
            if one.application.prompt_tokens is None or written is None:
                continue
            estimate = one.estimate
            steps = (written - 1) * float(estimate.itl_s) if written > 1 else 0.0
            more = float(estimate.latency_s) - float(estimate.ttft_s) - steps
            if more > 1e-3 * float(estimate.latency_s):
                rest[name] = max(rest.get(name, 0.0), more)
    if not rest:
        return ""
    said = listed([f"{_seconds(more)} of {name}" for name, more in rest.items()])
    return (
        " A whole answer takes longer than its first token and all that is between tokens: by what the calibration "
        f"found once for each run, {said}."
    )


def _latencies(entry: ApplicationEntry) -> list[tuple[str, str]]:
    """What an application waits for, in words, and what an estimate calls it."""
    if entry.context_tokens is not None:
        return [("between tokens", "time_s")]
    if entry.output_tokens is None:
        return [("all is read after", "time_s")]
    several = [("between tokens", "itl_s")] if entry.output_tokens > 1 else []
    return [("first token after", "ttft_s"), *several, ("whole answer after", "latency_s")]


def _seconds(time_s: Array) -> str:
    return f"{rough(float(time_s), 3)}{SPACE}s"


def _precisions(found: Recommendation) -> str:
    """Which precisions were tried, of the applications that are modelled."""
    modelled = [
        entry
        for entry in found.scenario.applications
        if any(entry.name in one.served for one in found.planned.values())
    ]
    bare = [entry.name for entry in modelled if entry.precisions is None and entry.max_quality_loss is None]
    if not modelled:
        return ""
    if len(bare) == len(modelled):
        return " Only bf16 was tried, since neither precisions nor max_quality_loss is given."
    alike: dict[str, list[str]] = {}
    for entry in modelled:
        if entry.name not in bare:
            of = f"of {listed(entry.precisions)}" if entry.precisions else "precision that the machine runs"
            gate = " that passes its quality gate" if entry.max_quality_loss is not None else ""
            alike.setdefault(f"in the fastest {of}{gate}", []).append(entry.name)
    named = [f"{listed(names)} {how}" for how, names in alike.items()]
    only = f"; {listed(bare)} in bf16 alone, since neither precisions nor max_quality_loss is given" if bare else ""
    return f" Tried: {'; '.join(named)}{only}."


def _winners(found: Recommendation) -> str:
    """Which candidate would be cheapest for each application alone."""
    if len(found.standings) < 2:
        return ""
    winners = [f"{application} on {name}" for application, name in found.mix.winners.items() if name is not None]
    return f" Cheapest for each alone: {', '.join(winners)}." if winners else ""


def surface_places(found: Recommendation) -> dict[str, tuple[float, float]] | None:
    """Places of the applications, and of the whole, on the surface of TCO ratios: ``(R_SC, R_Th)`` by name.

    Parameters
    ----------
    found : Recommendation
        With two candidates or more; of one, or where a rent contains the other's infrastructure, ``None``.
    """
    c = found.against_runner_up
    if c is None or c.r_ic is None or found.runner_up is None:
        return None
    rates = found.mix.r_th_by_application(found.best, found.runner_up)
    names = found.mix.applications
    places = {name: (c.r_sc, float(rates[i])) for i, name in enumerate(names)} if len(names) > 1 else {}
    return places | {"mix" if len(names) > 1 else names[0]: (c.r_sc, c.r_th)}


def _application_ratios(found: Recommendation) -> dict[str, float]:
    a, b = found.best, found.runner_up
    assert b is not None  # noqa: S101 - else there are no places
    ratios = found.mix.tco_ratio_by_application(a, b)
    return {name: float(ratios[i]) for i, name in enumerate(found.mix.applications)}


def _surface_alt(found: Recommendation) -> str:
    ratios = _application_ratios(found)
    said = [f"{name} at {times(ratio)}" for name, ratio in ratios.items()]
    return (
        f"Surface of the TCO of {found.best} over {found.runner_up} by throughput and server cost ratio, with the "
        f"break-even line and the applications on it: {listed(said)}."
    )


def _surface_caption(found: Recommendation) -> str:
    ratios = _application_ratios(found)
    dearer = [name for name, ratio in ratios.items() if ratio > 1]
    if not dearer:
        side = f"Each application alone is cheaper on {found.best}."
    elif len(dearer) == len(ratios):
        side = f"Each application alone is dearer on {found.best}; whole servers decide."
    else:
        side = f"Alone, {listed(dearer)} would be cheaper on {found.runner_up}."
    star = " The star is the whole fleet, as planned." if len(ratios) > 1 else ""
    return f"Where the decision lies on the surface of Kim et al., Figure 1. {side}{star}"
