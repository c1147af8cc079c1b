"""A recommendation as a page: the decision first, then why, how surely, what would change it, and what it rests on."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tco import allocation
from tco.accounts import INFRASTRUCTURE_PARTS
from tco.planning import Plan
from tco.recommendation.decide import Recommendation, Standing
from tco.recommendation.document import (
    Block,
    Bullets,
    Callout,
    Document,
    Figure,
    Heading,
    Paragraph,
    SignOff,
    Table,
)
from tco.recommendation.mixed import Mixed

_OUTPUT_WEIGHT = 4.0
"""Cost of an output token over that of an input token: the default of GKE's inference recommender."""


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What the page says beside the recommendation itself.

    Attributes
    ----------
    reveal : bool
        Show private numbers and dollars.
    version : str
        Of the library.
    digest : str
        SHA-256 of the scenario file, or empty.
    note : str
        Why throughputs are upper bounds, where they are.
    """

    reveal: bool = False
    version: str = ""
    digest: str = ""
    note: str = ""


def page(found: Recommendation, mixed: Mixed, particulars: Particulars | None = None) -> Document:
    """Write a recommendation down.

    Parameters
    ----------
    found : Recommendation
        What the scenario comes to.
    mixed : Mixed
        The cheapest fleet of several machines.
    particulars : Particulars, optional
        What else to say.

    Returns
    -------
    Document
    """
    what = particulars or Particulars()
    blocks: list[Block] = []
    for section in (
        _head,
        _decision,
        _candidates,
        _applications,
        _why,
        _changes,
        _risk,
        _fleet,
        _throughputs,
        _assumptions,
        _left_out,
        _sign,
    ):
        blocks.extend(section(found, mixed, what))
    return Document(found.scenario.title, tuple(blocks))


def shows_dollars(found: Recommendation, what: Particulars) -> bool:
    """Whether dollars may be shown: where they are asked for, or none is private.

    Parameters
    ----------
    found : Recommendation
        With its plans.
    what : Particulars
        Whether to reveal.
    """
    return what.reveal or not any(one.plan.private for one in found.standings.values())


# --------------------------------------------------------------------------------------------------------- the decision


def _head(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    scenario = found.scenario
    by = f" by {scenario.prepared_by}" if scenario.prepared_by else ""
    masked = "" if shows_dollars(found, what) else " Numbers of your own are masked, and with them all dollars."
    return [
        Heading(scenario.title, 1),
        Paragraph(f"Prepared{by} on {scenario.date}, in US dollars of {scenario.price_year}.{masked}"),
    ]


def _decision(found: Recommendation, mixed: Mixed, what: Particulars) -> list[Block]:
    best, plan = found.best, found.standings[found.best].plan
    verb = "Rent" if plan.deployment.rented else "Buy"
    fleet = f"{_fleet_words(plan)} of {plan.deployment.server.name}"
    if found.runner_up is None:
        return [
            Callout(
                f"Only {best} can serve everything",
                f"No comparison is possible. It would take {fleet}. {_unable(found)}",
                "open",
            )
        ]
    ratio, (low, high, level) = _ratio(found, best, found.runner_up)
    sure = found.probabilities[best]
    beside = (
        f"Its total cost is {_times(ratio)} that of {found.runner_up}, the next cheapest "
        f"({_times(low)} to {_times(high)} in {level:.0%} of cases), and it is the cheapest with a probability of "
        f"{_percent(sure)}."
    )
    size = _size(plan)
    if found.decided:
        blocks: list[Block] = [Callout(f"{verb} {best}: {fleet}", f"{beside} {size}", "decided")]
    elif best in found.upper_bounds:
        blocks = [
            Callout(
                f"Not to be signed yet: {best} looks cheapest, on an upper bound",
                f"{beside} But its throughput is an ideal roofline, which no software reaches{_noted(what)}. Measure it, "
                f"and give tokens_per_s in the scenario; it stays ahead of {found.runner_up} down to "
                f"{_times(_least_throughput(found))} of that throughput. It would take {fleet}. {size}",
                "open",
            )
        ]
    else:
        blocks = [
            Callout(
                f"Too close to call: {best} leads",
                f"{beside} The scenario asks for {found.scenario.decision.level:.0%}. It would take {fleet}. {size}",
                "open",
            )
        ]
    if mixed.over_best is not None and mixed.over_best < 0.99 and len(mixed.machines) > 1:
        kinds = ", ".join(f"{mixed.fleet.servers[name]:,} of {name}" for name in mixed.machines if mixed.fleet)
        blocks.append(
            Callout(
                "A mixed fleet would cost less still",
                f"{kinds} servers together cost {_times(mixed.over_best)} the cheapest fleet of one kind.",
            )
        )
    if found.inputs and found.evpi > 0:
        blocks.append(
            Paragraph(
                f"To know every uncertain number before deciding would save {found.evpi:.2%} of the cost on average: a "
                "campaign of measurements is worth no more than that."
            )
        )
    return blocks


def _least_throughput(found: Recommendation) -> float:
    """Share of its throughput at which the best still costs no more than the second."""
    c = found.against_runner_up
    return 1.0 if c is None else min(float(c.break_even_throughput) / c.r_th, 1.0)


def _noted(what: Particulars) -> str:
    return f" ({what.note})" if what.note else ""


def _fleet_words(plan: Plan) -> str:
    spares = f" and {plan.spares:,.0f} spare" if plan.spares else ""
    return f"{plan.servers:,.0f}{spares} server{'s' * (plan.servers + plan.spares != 1)}"


def _size(plan: Plan) -> str:
    racks = "" if plan.deployment.rented else f"{plan.racks:,.0f} rack{'s' * (plan.racks != 1)}, "
    return f"That is {racks}{plan.site_power_w / 1e6:,.2f} MW to provision, busy {plan.utilisation:.0%} of the time."


def _candidates(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    reference, dollars = found.reference, shows_dollars(found, what)
    header = [
        "candidate",
        "terms",
        f"TCO over {reference}",
        f"{found.scenario.decision.level:.0%} of cases",
        "P(cheapest)",
        "servers",
        "spares",
        "racks",
        "busy",
        "tokens/J",
        "tokens/s per MW",
        "g CO₂e per 10⁶",
        "l water per 10⁶",
    ]
    header += ["USD/year", "USD per 10⁶ tokens", "USD per accelerator-hour", "levelised"] if dollars else []
    rows = []
    for name in found.order:
        plan = found.standings[name].plan
        ratio, (low, high, _level) = _ratio(found, name, reference)
        row = [
            name,
            "rented" if plan.deployment.rented else "bought",
            f"{ratio:.3f}",
            "-" if name == reference else f"{low:.3f} to {high:.3f}",
            _percent(found.probabilities[name]),
            f"{plan.servers:,.0f}",
            f"{plan.spares:,.0f}",
            "-" if plan.deployment.rented else f"{plan.racks:,.0f}",
            f"{plan.utilisation:.0%}",
            f"{plan.tokens_per_joule:.3g}",
            f"{plan.tokens_per_s_per_mw:,.0f}",
            f"{plan.gco2_per_million_tokens:,.3g}",
            f"{plan.litres_per_million_tokens:.3g}",
        ]
        if dollars:
            row += [
                f"{plan.usd_per_year:,.0f}",
                f"{plan.usd_per_million_tokens:,.4g}",
                f"{plan.usd_per_accelerator_hour:,.2f}",
                f"{found.levelised_usd_per_million_tokens(name):,.4g}",
            ]
        rows.append(tuple(row))
    covers = {one.plan.carbon.covers for one in found.standings.values()}
    water = {one.plan.water.covers for one in found.standings.values()}
    years = found.scenario.decision.years
    caption = (
        "Tokens are those that the applications count. Energy is at the facility's meter, tokens/s per MW at full load "
        f"of provisioned power. Greenhouse gases: {', '.join(sorted(covers))}. Water: {', '.join(sorted(water))}."
        + (
            f" Levelised: a million tokens over {years} years of growth, costs and tokens discounted."
            if dollars
            else ""
        )
    )
    blocks: list[Block] = [
        Heading("Candidates"),
        Table(tuple(header), tuple(rows), left=2, caption=caption, strong=(0,)),
        Figure("costs", "Cost of each candidate by part, as bars", "What each fleet's cost is made of."),
    ]
    if found.unable:
        blocks.append(Paragraph(_unable(found)))
    prices = _token_prices(found) if dollars else None
    return [*blocks, *([prices] if prices else [])]


def _unable(found: Recommendation) -> str:
    return " ".join(f"{name} cannot serve: {reason}." for name, reason in found.unable.items())


def _token_prices(found: Recommendation) -> Table | None:
    """Cost of input and output tokens, where every application writes what it reads."""
    entries = found.scenario.applications
    if any(entry.prompt_tokens is None or entry.output_tokens is None for entry in entries):
        return None
    out = sum(entry.tokens_per_s for entry in entries)
    into = sum(entry.tokens_per_s * (entry.prompt_tokens or 0) / (entry.output_tokens or 1) for entry in entries)
    rows = []
    for name in found.order:
        plan = found.standings[name].plan
        year = plan.account.tokens / out
        split = allocation.allocate(
            usd=plan.usd_per_year,
            input_tokens=into * year,
            output_tokens=out * year,
            method="weights",
            output_weight=_OUTPUT_WEIGHT,
        )
        rows.append((name, f"{float(split.usd_per_million_input):,.4g}", f"{float(split.usd_per_million_output):,.4g}"))
    return Table(
        ("candidate", "USD per 10⁶ input", "USD per 10⁶ output"),
        tuple(rows),
        caption=f"The same cost, divided so that an output token costs {_OUTPUT_WEIGHT:g} times an input token (the "
        "default of GKE's inference recommender); both together are the total.",
    )


def _applications(found: Recommendation, _: Mixed, __: Particulars) -> list[Block]:
    entries = found.scenario.applications
    rows = []
    for entry in entries:
        winner = found.mix.winners[entry.name]
        asked = [
            f"{words} {value:g} s"
            for words, value in (("TTFT", entry.ttft_s), ("ITL", entry.itl_s), ("latency", entry.latency_s))
            if value is not None
        ]
        if entry.max_quality_loss is not None:
            asked.append(f"at most {entry.max_quality_loss:g} points lost")
        lengths = [
            f"{value:,} {words}"
            for words, value in (
                ("prompt", entry.prompt_tokens),
                ("context", entry.context_tokens),
                ("output", entry.output_tokens),
            )
            if value is not None
        ]
        rates = [_rate(found.standings[name], entry.name) for name in found.order]
        rows.append((entry.name, f"{entry.llm}\n{', '.join(lengths)}", ", ".join(asked) or "-", *rates, winner or "-"))
    header = ("application", "model and tokens", "limits", *found.order, "cheapest")
    return [
        Heading("Applications"),
        Table(
            header,
            tuple(rows),
            left=3,
            caption="Tokens per second of a whole server that serves this application alone, within its limits and in "
            "the fastest precision that passes its quality gate. The mix adds up servers, not rates: its throughput is "
            "the harmonic mean by tokens.",
        ),
        Figure(
            "surface",
            "Applications as points on the TCO surface over server cost and throughput ratios",
            "Each application, and the mix of all, on the surface of TCO ratios (Kim Figure 1).",
        ),
    ]


def _rate(standing: Standing, application: str) -> str:
    served = standing.served.get(application)
    how = f"{served.precision}, batch {served.batch:,}" if served is not None else "measured"
    return f"{standing.rates[application]:,.0f}\n{how}"


# ------------------------------------------------------------------------------------------------ why, and how surely


def _why(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    c = found.against_runner_up
    if c is None or found.runner_up is None:
        return []
    a, b = found.best, found.runner_up
    parts = [part for part in INFRASTRUCTURE_PARTS if part in {**c.a.breakdown, **c.b.breakdown}]
    rows = (
        ("R_Th", f"{c.r_th:.3f}", f"throughput of a server: servers of {b} over servers of {a} (Eq. 1)"),
        ("R_SC", f"{c.r_sc:.3f}", "cost of a server a year, with what comes with it (Eq. 2)"),
        ("R_IC", "-" if c.r_ic is None else f"{c.r_ic:.3f}", f"infrastructure of a server: {', '.join(parts)} (Eq. 3)"),
        ("w", f"{c.server_share:.3f}", f"the server's share of {b}'s cost"),
        ("TCO", f"{c.ratio:.3f}", "(w·R_SC + (1 − w)·R_IC)/R_Th, Eq. 4, and equally the ratio of the two totals"),
    )
    shares = [(part, usd / found.standings[a].plan.usd_per_year) for part, usd in c.a.breakdown.items()]
    biggest = ", ".join(f"{part} {share:.0%}" for part, share in sorted(shares, key=lambda one: -one[1])[:4])
    del what
    return [
        Heading(f"Why {a}"),
        Paragraph(f"In the terms of Kim et al. (arXiv:2502.01070), recovered from the costs of {a} and {b}:"),
        Table(("", "value", "what it is"), tuple((x, y, z) for x, y, z in rows), left=1, strong=(4,)),
        Paragraph(f"The largest parts of the cost of {a}: {biggest}."),
    ]


def _changes(found: Recommendation, _: Mixed, __: Particulars) -> list[Block]:
    c = found.against_runner_up
    if c is None or found.runner_up is None:
        return []
    a, b = found.best, found.runner_up
    items = [
        f"{a}'s throughput would have to fall to {float(c.break_even_throughput) / c.r_th:.1%} of what it is taken for."
    ]
    server = c.break_even_server_cost
    if server is not None:
        items.append(f"{a}'s server cost would have to rise to {server / c.r_sc:.2f} times what it is.")
    discount = c.level_discount_b
    if discount is None:
        items.append(f"No discount on {b}'s server draws level, not even a free one.")
    else:
        items.append(f"A discount of {float(discount):.1%} on {b}'s server draws level.")
    for name, words in (("usd_per_kwh", "electricity tariff"), ("discount_rate", "cost of capital")):
        items.append(_flip(found, name, words))
    return [Heading("What would change it, each alone"), Bullets(tuple(items))]


def _flip(found: Recommendation, name: str, words: str) -> str:
    """Where an input of both turns the answer, within a tenth and ten times of itself."""
    c = found.against_runner_up
    held = [side.inputs.get(name) for side in (c.a, c.b)] if c is not None else []
    now = next((float(value) for value in held if value), None)
    if c is None or now is None:
        return f"The {words} is in neither account."
    at = now * np.geomspace(0.1, 10, 401)
    ratios = np.broadcast_to(c.evaluate(**{name: at}), at.shape)
    turned = np.flatnonzero((ratios < 1) != (c.ratio < 1))
    if not turned.size:
        return f"No {words} between a tenth and ten times of what it is turns the answer."
    nearest = at[turned[np.argmin(np.abs(np.log(at[turned] / now)))]]
    return f"The {words} turns the answer at {nearest / now:.2f} times what it is."


def _risk(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    if found.runner_up is None:
        return []
    if not found.inputs:
        return [Heading("How sure it is"), Paragraph("Nothing in the scenario says how far any number may be off.")]
    bars = found.tornado()
    rows = []
    for bar in bars.shown(what.reveal) if bars is not None else ():
        span = "(private)" if bar.low is None or bar.high is None else f"{bar.low:,.4g} to {bar.high:,.4g}"
        rows.append((bar.name, span, f"{bar.at_low:.3f}", f"{bar.at_high:.3f}"))
    count = math.prod(np.shape(next(iter(found.draws.values()))))
    together = [f"{' and '.join(one.between)}: {one.value:+.2g}" for one in found.scenario.correlations]
    also = f" Correlated: {'; '.join(together)}." if together else ""
    return [
        Heading("How sure it is"),
        Paragraph(
            f"Everything that sources, measurements or the scenario say may be off was drawn together {count:,} times "
            f"(quasi-random, seed {found.scenario.decision.seed}); what the candidates share was drawn once for all.{also}"
        ),
        Figure(
            "distribution",
            f"Distribution of the TCO ratio of {found.best} over {found.runner_up}",
            f"TCO of {found.best} over {found.runner_up} in all draws.",
        ),
        Table(
            ("input", "between", "ratio at low", "ratio at high"),
            tuple(rows),
            caption=f"Ratio of {found.best} to {found.runner_up} where one input alone lies at the ends of its 90 %.",
        ),
        Figure("tornado", "Tornado of the inputs", "The same as a picture, the widest first."),
        Figure(
            "cheapest",
            "Which candidate is cheapest over electricity price and traffic",
            "Which candidate is cheapest where the tariff and the traffic are other than planned.",
        ),
    ]


def _fleet(found: Recommendation, mixed: Mixed, what: Particulars) -> list[Block]:
    if len(found.standings) < 2:
        return []
    blocks: list[Block] = [Heading("A fleet of several machines")]
    if mixed.fleet is None:
        return [*blocks, Paragraph(f"No fleet of these candidates keeps within the limits: {mixed.reason}")]
    fleet, machines = mixed.fleet, mixed.machines
    rows = [
        (workload, *(f"{parts.get(name, 0.0):.0%}" for name in machines)) for workload, parts in fleet.shares.items()
    ]
    rows.append(("servers", *(f"{fleet.servers[name]:,}" for name in machines)))
    against = "" if mixed.over_best is None else f" It costs {_times(mixed.over_best)} the best fleet of one kind."
    del what
    words = "The cheapest mix of whole servers that serves every slot of the day"
    one = f" is of {machines[0]} alone." if len(machines) == 1 else " has several kinds."
    return [
        *blocks,
        Paragraph(words + one + against),
        Table(("", *machines), tuple(rows), caption="Share of each application that a kind serves; then its servers."),
        Figure("fleet", "Servers of the fleets by kind", "The cheapest fleet beside those of one kind."),
    ]


# ------------------------------------------------------------------------------------------------- what it rests on


def _throughputs(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    items = []
    for name, one in found.standings.items():
        throughput = one.plan.deployment.throughput
        kinds = dict.fromkeys(throughput.kinds.values())
        said = f"{name}: {' and '.join(kinds)}"
        if one.calibration is not None and one.served:
            error = one.calibration.losses_on(next(iter(one.served.values())).devices).error
            held = error.leave_one_model_out
            off = f"; {held:.1%} off on models that were held out" if held is not None else ""
            said += f", {one.calibration.provenance}{off}"
        elif "ideal roofline" in kinds:
            said += f", an upper bound{_noted(what)}"
        elif throughput.spread is None:
            said += ", given without an error, and so taken as certain"
        items.append(said + ".")
        items += [f"{name}: {warning}" for served in one.served.values() for warning in served.warnings]
    return [Heading("How sure the throughputs are"), Bullets(tuple(dict.fromkeys(items)))]


def _assumptions(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    rows = []
    seen = {}
    for one in found.standings.values():
        for item in one.plan.assumptions:
            if item.name in ("tokens_per_s", "growth_per_year"):
                continue  # the applications' own, below
            seen.setdefault((item.name, item.source), item)
    for item in seen.values():
        rows.append((item.name, item.shown(reveal=what.reveal), item.origin, item.source))
    for entry in found.scenario.applications:
        shown = f"{entry.tokens_per_s:,.6g} tokens/s" if what.reveal else "(private)"
        rows.append((f"traffic of {entry.name}", shown, "yours", "given"))
    given = [
        (name, f"{one.kind} {one.low:,.6g} to {one.high:,.6g}" if what.reveal else "(private)", "yours", "given")
        for name, one in found.scenario.ranges.items()
    ]
    rows += [(f"range of {name}", shown, origin, source) for name, shown, origin, source in given]
    return [
        Heading("What it rests on"),
        Paragraph(
            "Every input, and where it comes from: published by the one named, derived by a rule, a dated default, "
            "modelled, measured, or yours."
        ),
        Table(("input", "value", "origin", "source"), tuple(rows), left=4),
    ]


def _left_out(found: Recommendation, _: Mixed, __: Particulars) -> list[Block]:
    out: dict[str, list[str]] = {}
    for name, one in found.standings.items():
        for words in one.plan.left_out:
            out.setdefault(words, []).append(name)
    everywhere = [words for words, names in out.items() if len(names) == len(found.standings)]
    somewhere = [f"{words} (of {', '.join(names)})" for words, names in out.items() if words not in everywhere]
    items = everywhere + somewhere
    return [
        Heading("What is not in the account"),
        Paragraph("Nobody gave these, and unknown is not zero: a signature covers a decision without them.")
        if items
        else Paragraph("Every term of the model is in the account."),
        *([Bullets(tuple(items))] if items else []),
        Paragraph(
            "Throughput is that of one server at the largest batch within the limits; queues, failures of whole sites and "
            "software that changes are not modelled. Costs are yearly payments at one cost of capital, before tax. Errors "
            "of one machine's applications are taken to go together."
        ),
    ]


def _sign(found: Recommendation, _: Mixed, what: Particulars) -> list[Block]:
    scenario = found.scenario
    made = f"Made by inference-tco {what.version}".rstrip()
    digest = f" from a scenario with SHA-256 {what.digest}" if what.digest else ""
    return [
        Heading("Signed off"),
        SignOff((("Prepared", scenario.prepared_by), ("Checked", ""), ("Approved", scenario.approved_by))),
        Paragraph(f"{made}{digest}. The same file, version and seed give the same page."),
    ]


# --------------------------------------------------------------------------------------------------------------- words


def summary(found: Recommendation, document: Document) -> str:
    """Say the decision in a terminal.

    Parameters
    ----------
    found : Recommendation
        For the order of the candidates.
    document : Document
        Its page.
    """
    said = next(block for block in document.blocks if isinstance(block, Callout))
    lines = [said.title, *textwrap.wrap(said.text, 100), ""]
    for name in found.order:
        ratio, (low, high, level) = _ratio(found, name, found.reference)
        span = "" if name == found.reference else f" ({low:.3f} to {high:.3f} in {level:.0%})"
        lines.append(
            f"  {name:<20} {ratio:.3f} × {found.reference}{span}, cheapest with P = {_percent(found.probabilities[name])}"
        )
    lines += [f"  {name:<20} cannot serve: {reason}" for name, reason in found.unable.items()]
    return "\n".join(lines)


def _ratio(found: Recommendation, a: str, b: str) -> tuple[float, tuple[float, float, float]]:
    return found.compare(a, b).ratio, found.interval(a, b)


def _times(ratio: float) -> str:
    return f"{ratio:.3g}×"


def _percent(share: float) -> str:
    return "over 99 %" if share > 0.99 else "below 1 %" if share < 0.01 else f"{share:.0%}"


def as_data(found: Recommendation, mixed: Mixed, what: Particulars) -> Mapping[str, object]:
    """Return the decision as plain data; private numbers, and with them dollars, are null unless revealed.

    Parameters
    ----------
    found : Recommendation
        What the scenario comes to.
    mixed : Mixed
        The cheapest fleet of several machines.
    what : Particulars
        Whether to reveal.
    """
    dollars = shows_dollars(found, what)
    candidates = {}
    for name in found.order:
        plan = found.standings[name].plan
        low, high, _ = found.interval(name, found.reference)
        candidates[name] = {
            "ratio": _rounded(found.compare(name, found.reference).ratio, dollars),
            "ratio_low": _rounded(low, dollars),
            "ratio_high": _rounded(high, dollars),
            "probability_cheapest": found.probabilities[name],
            "throughput": plan.deployment.throughput.kind,
            "servers": plan.servers,
            "spares": plan.spares,
            "racks": plan.racks,
            "utilisation": _rounded(plan.utilisation, dollars),
            "site_power_w": plan.site_power_w if dollars else None,
            "tokens_per_joule": _rounded(plan.tokens_per_joule, dollars),
            "gco2_per_million_tokens": _rounded(plan.gco2_per_million_tokens, dollars),
            "litres_per_million_tokens": _rounded(plan.litres_per_million_tokens, dollars),
            "usd_per_year": {**plan.breakdown, "total": plan.usd_per_year} if dollars else None,
            "usd_per_million_tokens": plan.usd_per_million_tokens if dollars else None,
        }
    return {
        "title": found.scenario.title,
        "date": found.scenario.date,
        "decided": found.decided,
        "best": found.best,
        "runner_up": found.runner_up,
        "reference": found.reference,
        "upper_bounds": list(found.upper_bounds),
        "evpi_share": found.evpi,
        "candidates": candidates,
        "unable": dict(found.unable),
        "mixed_fleet": None if mixed.fleet is None else {name: mixed.fleet.servers[name] for name in mixed.machines},
        "mixed_over_best": mixed.over_best,
        "left_out": list(dict.fromkeys(words for one in found.standings.values() for words in one.plan.left_out)),
        "version": what.version,
        "scenario_sha256": what.digest,
    }


def _rounded(value: float, exact: bool) -> float:
    """Keep three digits where more would give a private number away."""
    return float(value) if exact else float(f"{float(value):.3g}")
