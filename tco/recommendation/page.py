"""A recommendation as a page: the decision first, then why, how surely, what would change it, and what it rests on."""

from __future__ import annotations

import textwrap

from tco.planning import Plan
from tco.recommendation import alternatives, applications, basis, growth, robustness, tables
from tco.recommendation.decision import Recommendation
from tco.recommendation.document import (
    Block,
    Callout,
    Contents,
    Document,
    Facts,
    Heading,
    Paragraph,
    SignOff,
)
from tco.recommendation.study import Study
from tco.recommendation.words import SPACE, between, chance, counted, less, listed, named, percent, plain, rough, times


def compose(study: Study) -> Document:
    """Write a recommendation down.

    Parameters
    ----------
    study : Study
        What the scenario comes to.

    Returns
    -------
    Document
    """
    sections = (
        _head,
        _decision,
        _guide,
        tables.candidates,
        applications.applications,
        growth.fleet_by_year,
        robustness.why,
        robustness.changes,
        robustness.how_sure,
        alternatives.several_machines,
        alternatives.own_and_rent,
        alternatives.capped_power,
        basis.throughputs,
        basis.inputs,
        basis.left_out,
        _sign,
    )
    return Document(study.found.scenario.title, tuple(block for section in sections for block in section(study)))


def _head(study: Study) -> list[Block]:
    scenario = study.found.scenario
    by = f" by {scenario.prepared_by}" if scenario.prepared_by else ""
    masked = "" if study.what.reveal else " What you gave is private and masked"
    if masked:
        masked += "." if study.shows_dollars else ", and with it all dollars: costs are ratios."
    return [
        Heading(scenario.title, 1),
        Paragraph(f"Prepared{by} on {scenario.date}, in US dollars of {scenario.price_year}.{masked}"),
    ]


def _guide(study: Study) -> list[Block]:
    asked = study.found.scenario.decision.level
    return [
        Paragraph(
            "TCO is the total cost of ownership, a year, of a fleet that serves all applications. Ratios below 1 mean "
            f"cheaper. A candidate is recommended if it is the cheapest with a probability of {percent(asked)} or "
            "more, and its throughput is measured or calibrated on measurements."
        ),
        Contents(),
    ]


# --------------------------------------------------------------------------------------------------------- the decision


def _decision(study: Study) -> list[Block]:
    found = study.found
    best, plan = found.best, found.standings[found.best].plan
    if found.runner_up is None:
        out = f" {tables.unable(study)}" if found.unable else ""
        return [
            Callout(
                f"Only {best} can serve everything{' within the limits' if found.beside else ''}",
                f"There is nothing to compare it with. It would take {_fleet(plan)}.{out}",
                "open",
            ),
            *_mind(study),
            _facts(study),
            *_mixture(study),
        ]
    beside = _beside(found)
    if found.decided:
        verb = "Rent" if plan.deployment.rented else "Buy"
        callout = Callout(f"{verb} {best}: {_fleet(plan)}", beside, "decided")
    elif best in found.upper_bounds:
        note = f": {study.what.note}" if study.what.note else ""
        callout = Callout(
            f"Not to be signed yet: {best} looks cheapest, on an upper bound",
            f"{beside} Its throughput is an ideal roofline, which no software reaches{note}. Measure it and give "
            f"tokens_per_s in the scenario{_down_to(study)}. It would take {_fleet(plan)}.",
            "open",
        )
    else:
        callout = Callout(
            f"Too close to call: {best} leads",
            f"{beside} That is less than the {percent(found.scenario.decision.level)} asked for.{_next(study)} "
            f"It would take {_fleet(plan)}.",
            "open",
        )
    return [callout, *_mind(study), _facts(study), *_mixture(study)]


def _mixture(study: Study) -> list[Block]:
    """The cheapest fleet of several machines, where it is worth having."""
    mixed = study.mixed
    if mixed.fleet is None or mixed.over_best is None or mixed.over_best >= alternatives.WORTHWHILE:
        return []
    if mixed.machines == (study.found.best,):
        return []
    later = ", if they can be had then" if mixed.hourly else ""
    several = " and running several platforms are" if mixed.platforms > 1 else " is"
    return [
        Callout(
            "A mixed fleet would cost less still" if len(mixed.machines) > 1 else "Another fleet would cost less still",
            f"{mixed.said}{later}: {less(mixed.over_best)} {study.found.best} alone{alternatives.over_years(study)}, "
            f"counted in the same way; porting{several} not in it.",
        )
    ]


def _mind(study: Study) -> list[Block]:
    """Say where throughputs of unlike kinds are set beside each other."""
    found = study.found
    kinds = {name: set(one.kinds.values()) for name, one in found.planned.items()}
    mixed = [name for name, one in kinds.items() if "measured" in one and len(one) > 1]
    measured = [name for name, one in kinds.items() if one == {"measured"}]
    modelled = [name for name, one in kinds.items() if "measured" not in one]
    if mixed:
        said = f"the throughput of {listed(mixed)} is measured for some applications and modelled for others"
    elif measured and modelled:
        verb = "is" if len(measured) == 1 else "are"
        said = (
            f"{listed(measured)} {verb} measured, and {listed(modelled)} modelled: what a model leaves out, a "
            "measurement has in it"
        )
    else:
        return []
    return [Paragraph(f"Mind: {said}.")]


def _down_to(study: Study) -> str:
    found = study.found
    throughput = next(level for level in study.levels if level.name == f"{found.best}.tokens_per_s")
    if throughput.factor is None:
        return ""
    return (
        f": {found.best} stays ahead of {found.runner_up} as it is here, down to {robustness.least(throughput)} of that"
    )


def _beside(found: Recommendation) -> str:
    """The cheapest beside the second: as planned, and with all that may be off."""
    a, b = found.best, found.runner_up
    assert b is not None  # noqa: S101 - asked before
    low, high, level = found.interval(a, b)
    planned = f"As planned it costs {less(found.compare(a, b).ratio)} {b}, the next cheapest."
    if not found.inputs:
        return f"{planned} Nothing says how far any number may be off."
    if found.upper_bounds:
        return (
            f"{planned} With all else that may be off, {between(low, high)} in {percent(level)} of cases; that it is "
            f"the cheapest has a probability of {chance(found.probabilities[a])}, which does not cover "
            f"{robustness.bounds(found)}: they are upper bounds, and how far they are off nobody knows."
        )
    return (
        f"{planned} With everything that may be off, {between(low, high)} in {percent(level)} of cases; it is the "
        f"cheapest of all with a probability of {chance(found.probabilities[a])}."
    )


def _next(study: Study) -> str:
    """What to do about it."""
    worth = None if study.found.upper_bounds else next(iter(study.worth), None)
    if worth is None or study.worth[worth] < 1e-4:
        return ""
    return f" What would help most is to know the {named(worth)}."


def _fleet(plan: Plan) -> str:
    spares = f" and {counted(plan.spares, 'spare')}" if plan.spares else ""
    return f"{counted(plan.servers, 'server')}{spares} ({plan.deployment.server.name})"


def _facts(study: Study) -> Facts:
    found = study.found
    plan = found.standings[found.best].plan
    items: list[tuple[str, str]] = []
    if found.runner_up is not None:
        items.append(
            (times(found.compare(found.best, found.runner_up).ratio), f"TCO over {found.runner_up}, as planned")
        )
        if found.inputs:
            items.append((chance(found.probabilities[found.best]), tables.probability(found)))
    if study.shows_dollars:
        items.append((f"{plain(plan.usd_per_year / 1e6, 3)}{SPACE}M", "USD a year"))
        items.append((rough(plan.usd_per_million_tokens, study.digits(3)), "USD per 10⁶ tokens"))
    spares = f" + {plan.spares:,.0f}" if plan.spares else ""
    items.append((f"{plan.servers:,.0f}{spares}", "servers, and spare" if spares else "servers"))
    if not plan.deployment.rented:
        items.append((f"{plan.racks:,.0f}", "racks"))
    if study.shows_watts:
        items.append((f"{plain(plan.site_power_w / 1e6, 3)}{SPACE}MW", "to provision, cooling included"))
    items.append((percent(plan.utilisation), "of the time busy"))
    return Facts(tuple(items))


def _sign(study: Study) -> list[Block]:
    scenario, what = study.found.scenario, study.what
    # Whoever has a masked page could test guesses at its numbers against the sum.
    digest = f" from a scenario file with SHA-256 {what.digest}" if what.digest and what.reveal else ""
    made = f"Made by inference-tco {what.version}".rstrip()
    return [
        Heading("Signed off"),
        SignOff((("Prepared", scenario.prepared_by), ("Checked", ""), ("Approved", scenario.approved_by))),
        Paragraph(f"{made}{digest}. The same file, version and seed give the same page."),
    ]


def summary(study: Study, document: Document) -> str:
    """Say the decision in a terminal.

    Parameters
    ----------
    study : Study
        For the order of the candidates.
    document : Document
        Its page.
    """
    found = study.found
    said = next(block for block in document.blocks if isinstance(block, Callout))
    lines = [said.title, *textwrap.wrap(said.text, 100), ""]
    widest = max(map(len, found.scenario.candidates))
    for name in found.order:
        low, high, level = found.interval(name, found.reference)
        span = "" if name == found.reference else f" ({low:.3f} to {high:.3f} in {percent(level)} of cases)"
        ratio = f"{found.compare(name, found.reference).ratio:.3f} × {found.reference}{span}"
        low_end = tables.low_end(found, name)
        lines.append(
            f"  {name:<{widest}}  {ratio}, cheapest with P = {chance(found.probabilities[name])}"
            f"{f' ({low_end})' if low_end else ''}"
        )
    if found.upper_bounds and found.inputs:
        lines.append(f"  P does not cover {robustness.bounds(found)}, which are upper bounds.")
    lines += [f"  {name:<{widest}}  cannot serve: {tables.why_out(study, name)}" for name in found.unable]
    return "\n".join(lines)
