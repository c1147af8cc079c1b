"""The candidates beside each other: what they are, cost and take."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from roofline._arrays import Array
from tco import allocation
from tco.accounts import INFRASTRUCTURE_PARTS, SERVER_PARTS
from tco.planning import Plan
from tco.recommendation.decision import Recommendation
from tco.recommendation.document import Block, Figure, Heading, Paragraph, Table
from tco.recommendation.study import Study
from tco.recommendation.words import chance, counted, listed, percent, plain, rough, times

_COLUMNS = 5
"""Candidates that one table holds, so that it fits a page."""

_Cells = Callable[[str, Plan], str]


def candidates(study: Study) -> list[Block]:
    """Write down what each candidate comes to.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    blocks: list[Block] = [Heading("Candidates")]
    lines, groups = _lines(study), {}
    at = 0
    for group, rows in lines.items():
        if group:
            groups[at] = group
        at += len(rows)
    every = [row for rows in lines.values() for row in rows]
    for names in pages(found.order):
        table = tuple((words, *(cells(name, found.standings[name].plan) for name in names)) for words, cells in every)
        best = 1 + names.index(found.best) if found.best in names else None
        blocks.append(Table(("", *names), table, best=best, groups=dict(groups), caption=_caption(study)))
    blocks.append(Figure("costs", _costs_alt(found), _costs_caption(study)))
    blocks += _parts(study)
    if found.unable:
        blocks.append(Paragraph(unable(study)))
    return blocks


def unable(study: Study) -> str:
    """Say which candidates cannot serve, and why.

    Parameters
    ----------
    study : Study
        With those.
    """
    return " ".join(f"{name} is out: {why_out(study, name)}." for name in study.found.unable)


def why_out(study: Study, name: str) -> str:
    """Say why a candidate cannot serve: of one of which not enough can be had, what a server gives too.

    Parameters
    ----------
    study : Study
        What to write down.
    name : str
        Of the candidate.
    """
    reason = study.found.unable[name].rstrip(".")
    if name not in study.found.beside:
        return reason
    rate = _throughput(study, name, study.found.beside[name].plan)
    return f"{reason} of {rate} tokens/s each"


def probability(found: Recommendation) -> str:
    """Name the probability of being cheapest, and say what it does not cover.

    Parameters
    ----------
    found : Recommendation
        Of which throughputs may be upper bounds.
    """
    return f"probability of being cheapest{', throughputs aside' if found.upper_bounds else ''}"


def low_end(found: Recommendation, name: str) -> str:
    """Say that a price is planned at the low end of its range, where the planned ratio is outside of the cases.

    Parameters
    ----------
    found : Recommendation
        With its draws.
    name : str
        Of the candidate whose ratio it is.

    Returns
    -------
    str
        Empty where the planned ratio is among the cases.
    """
    if name == found.reference or not found.inputs:
        return ""
    low, high, _ = found.interval(name, found.reference)
    if low <= found.compare(name, found.reference).ratio <= high:
        return ""
    ranged = [one for one in (name, found.reference) if f"{one}.price_usd" in _price_ranges(found)]
    own = "its price" if ranged == [name] else f"the price of {listed(ranged)}" if ranged else ""
    return f"planned at the low end of {own}" if own else "planned outside of the cases"


def _price_ranges(found: Recommendation) -> list[str]:
    """Inputs that are published prices of which only a range is known."""
    return [
        f"{name}.price_usd"
        for name, one in found.standings.items()
        if one.plan.deployment.price.high is not None
        and f"{name}.price_usd" in found.inputs
        and f"{name}.price_usd" not in found.scenario.ranges
    ]


def pages(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Divide candidates into as many as one table holds.

    Parameters
    ----------
    names : tuple of str
        All of them.
    """
    for start in range(0, len(names), _COLUMNS):
        yield names[start : start + _COLUMNS]


def _lines(study: Study) -> dict[str, list[tuple[str, _Cells]]]:
    """Rows of the table by their group: words, and what they say of a candidate."""
    found, reference, digits = study.found, study.found.reference, study.digits()
    level = percent(found.scenario.decision.level)

    def within(name: str, _: Plan) -> str:
        if name == reference:
            return "-"
        low, high, _level = found.interval(name, reference)
        said = low_end(found, name)
        return f"{low:.3f} to {high:.3f}" + (f"\n{said}" if said else "")

    cost: list[tuple[str, _Cells]] = [
        (f"TCO over {reference}", lambda name, _: f"{found.compare(name, reference).ratio:.3f}"),
        (f"in {level} of cases", within),
        (probability(found), lambda name, _: chance(found.probabilities[name])),
    ]
    if study.shows_dollars:
        cost += [
            ("USD a year", lambda _, plan: f"{plan.usd_per_year:,.0f}"),
            ("USD per 10⁶ tokens", lambda _, plan: rough(plan.usd_per_million_tokens, digits)),
            ("were every server always busy", lambda _, plan: rough(plan.busy_usd_per_million_tokens, digits)),
        ]
        if _tokens(found)[0] and _tokens(found)[1]:
            cost += [
                ("USD per 10⁶ input tokens", lambda _, plan: rough(float(_prices(found, plan)[0]), digits)),
                ("USD per 10⁶ output tokens", lambda _, plan: rough(float(_prices(found, plan)[1]), digits)),
            ]
        cost.append(("USD per accelerator and hour", lambda _, plan: plain(plan.usd_per_accelerator_hour, 3)))
        cost += [
            ("USD to buy servers and what comes with them", lambda _, plan: _bought(plan, SERVER_PARTS)),
            ("USD for racks and plant", lambda _, plan: _bought(plan, INFRASTRUCTURE_PARTS)),
        ]
    if found.grows:
        years = found.scenario.decision.years
        levelised = found.levelised_usd_per_million_tokens
        if study.shows_dollars:
            cost.append(
                (f"USD per 10⁶ tokens over {counted(years, 'year')}", lambda name, _: rough(levelised(name), digits))
            )
        else:
            base = levelised(reference)
            cost.append(
                (f"cost of a token over {counted(years, 'year')}", lambda name, _: times(levelised(name) / base))
            )

    def racks(_: str, plan: Plan) -> str:
        return "-" if plan.deployment.rented else f"{plan.racks:,.0f}"

    def in_each(_: str, plan: Plan) -> str:
        return "-" if plan.deployment.rented else f"{plan.inputs['servers_per_rack']:,.0f}"

    fleet: list[tuple[str, _Cells]] = [
        ("servers", lambda _, plan: f"{plan.servers:,.0f}"),
        ("spare servers", lambda _, plan: f"{plan.spares:,.0f}"),
        ("racks", racks),
        ("servers that a rack holds", in_each),
        ("busy, on average", lambda _, plan: percent(plan.utilisation)),
        ("tokens/s of a server", lambda name, plan: _throughput(study, name, plan)),
    ]
    if study.shows_watts:
        fleet.append(("power to provision, MW", lambda _, plan: plain(plan.site_power_w / 1e6, 3)))
    return {
        "": [
            ("what it is", lambda _, plan: f"{plan.deployment.server.name}, {_terms(plan)}"),
            ("throughput is", lambda _, plan: str(plan.deployment.throughput.kind)),
        ],
        "Cost": cost,
        "Fleet": fleet,
        "Efficiency": _efficiency(study),
        "Environment": _environment(study),
    }


def _bought(plan: Plan, parts: tuple[str, ...]) -> str:
    paid = [usd for part, usd in plan.capital.items() if part in parts]
    return f"{sum(paid):,.0f}" if paid and not plan.deployment.rented else "-"


def _parts(study: Study) -> list[Block]:
    """The figure's segments in figures."""
    found = study.found
    base = found.standings[found.reference].plan.usd_per_year
    present = {part for one in found.standings.values() for part in one.plan.breakdown}
    parts = [part for part in (*SERVER_PARTS, *INFRASTRUCTURE_PARTS) if part in present]

    def cell(usd: float | None) -> str:
        if usd is None:
            return "-"
        return f"{usd:,.0f}" if study.shows_dollars else f"{usd / base:.3f}"

    blocks: list[Block] = []
    for names in pages(found.order):
        plans = [found.standings[name].plan for name in names]
        rows = [(part, *(cell(plan.breakdown.get(part)) for plan in plans)) for part in parts]
        rows.append(("all", *(cell(plan.usd_per_year) for plan in plans)))
        blocks.append(
            Table(
                ("USD a year" if study.shows_dollars else f"over the whole of {found.reference}", *names),
                tuple(rows),
                strong=(len(parts),),
                best=1 + names.index(found.best) if found.best in names else None,
                caption="Cost by part, as in the figure. Capital is spread over the life of what it buys.",
            )
        )
    return blocks


def _terms(plan: Plan) -> str:
    return "rented" if plan.deployment.rented else "bought"


def _throughput(study: Study, name: str, plan: Plan) -> str:
    return plain(float(plan.inputs["tokens_per_s"])) if study.shows_rate(name) else "(private)"


def _over(study: Study, words: str, of: Callable[[Plan], float], digits: int = 3) -> tuple[str, _Cells]:
    """A row of a figure that follows from power: as it is, or over the reference's where powers are private."""
    if study.shows_watts:
        return words, lambda _, plan: rough(of(plan), digits)
    reference = study.found.reference
    base = of(study.found.standings[reference].plan)
    return f"{words}, over {reference}", lambda _, plan: times(of(plan) / base) if base else "-"


def _efficiency(study: Study) -> list[tuple[str, _Cells]]:
    return [
        _over(study, "tokens per joule", lambda plan: plan.tokens_per_joule, study.digits(3)),
        _over(study, "tokens/s per MW, at full load", lambda plan: plan.tokens_per_s_per_mw),
    ]


def _environment(study: Study) -> list[tuple[str, _Cells]]:
    return [
        _over(study, "g CO₂e per 10⁶ tokens", lambda plan: plan.gco2_per_million_tokens, study.digits(3)),
        _over(study, "litres of water per 10⁶ tokens", lambda plan: plan.litres_per_million_tokens, study.digits(3)),
    ]


def _caption(study: Study) -> str:
    found = study.found
    said = ["Tokens are those that the applications count: of answers, or of prompts where only those are read."]
    if study.shows_dollars and any(not one.plan.deployment.rented for one in found.standings.values()):
        lacking = [
            words
            for part, words in (("network", "network"), ("storage", "storage"), ("installation", "installation"))
            if not any(part in one.plan.capital for one in found.standings.values())
        ]
        without = f"; no {listed(lacking, 'or')} is in it, which nobody gave" if lacking else ""
        said.append(
            "What is bought is what is paid at first for the first year's fleet, undiscounted, with its spare servers, "
            f"and porting where it is given{without}."
        )
    if study.shows_dollars and all(_tokens(found)):
        said.append(
            f"Input and output tokens share the same cost, an output token {allocation.GKE_OUTPUT_WEIGHT:g} times that "
            "of an input token (the default of GKE's inference recommender): both together are the total."
        )
    said.append("Energy is at the meter of the site.")
    if _price_ranges(found):
        said.append(
            "Of a published price that is a range the plan takes the low end, and the cases any price within: they may "
            "lie on one side of the plan."
        )
    if any(
        one.plan.deployment.rented and one.plan.deployment.price.high is not None for one in found.standings.values()
    ):
        said.append("Of a published rent the lowest stands: whom to rent from is a choice.")
    for words, attribute in (("Greenhouse gases", "carbon"), ("Water", "water")):
        covers = {getattr(one.plan, attribute).covers for one in found.standings.values()}
        said.append(f"{words}: {listed(sorted(covers))}.")
    rented = [name for name, one in found.standings.items() if one.plan.deployment.rented]
    if rented:
        said.append(f"Energy, gases and water of {listed(rented)} are as if it stood on your own site.")
    return " ".join(said)


def _tokens(found: Recommendation) -> tuple[float, float]:
    """Input and output tokens that come with the traffic [token/s]."""
    read = written = 0.0
    for entry in found.scenario.applications:
        if entry.context_tokens is None and entry.output_tokens is None:
            read += entry.tokens_per_s  # a prefill, which counts what it reads
            continue
        written += entry.tokens_per_s
        if entry.prompt_tokens is not None and entry.output_tokens is not None:
            read += entry.tokens_per_s * entry.prompt_tokens / entry.output_tokens
    return read, written


def _prices(found: Recommendation, plan: Plan) -> tuple[Array, Array]:
    read, written = _tokens(found)
    seconds = float(plan.account.tokens) / plan.traffic.tokens_per_s
    split = allocation.allocate(usd=plan.usd_per_year, input_tokens=read * seconds, output_tokens=written * seconds)
    return split.usd_per_million_input, split.usd_per_million_output


def _costs_alt(found: Recommendation) -> str:
    parts = [f"{name} costs {times(found.compare(name, found.reference).ratio)}" for name in found.order]
    return f"Bars of yearly cost by part, over that of {found.reference}: {', '.join(parts)}."


def _costs_caption(study: Study) -> str:
    found = study.found
    plan = found.standings[found.best].plan
    shares = sorted(((usd / plan.usd_per_year, part) for part, usd in plan.breakdown.items()), reverse=True)
    said = [f"{part} {percent(share)}" for share, part in shares[:3]]
    over = "by part" if study.shows_dollars else f"over the whole of {found.reference}"
    return (
        f"What each cost a year is made of, {over}. The largest parts of {found.best}, of "
        f"its own whole: {listed(said)}."
    )
