"""Why the cheapest is cheapest, what would change it, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable

from tco.accounts import INFRASTRUCTURE_PARTS
from tco.recommendation.decision import Recommendation
from tco.recommendation.document import Block, Bullets, Figure, Heading, Paragraph, Table
from tco.recommendation.levels import Level
from tco.recommendation.study import Study
from tco.recommendation.words import (
    SPACE,
    bare,
    chance,
    keyed,
    less,
    listed,
    named,
    percent,
    plain,
    rough,
    split,
    times,
    value,
)

_NEGLIGIBLE = 1e-4
"""Of the yearly cost: what is worth less is worth nothing."""

_DEAREST_CARBON = 1000.0
"""Beyond it no carbon price is likely [USD/t]."""

_LEAST, _MOST = 0.1, 10.0
"""Multiples of an input beyond which it turns nothing that anyone would call likely."""


def why(study: Study) -> list[Block]:
    """Say why the cheapest is so, in Kim's ratios.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    c, a, b = study.found.against_runner_up, study.found.best, study.found.runner_up
    if c is None or b is None:
        return []
    parts = [part for part in INFRASTRUCTURE_PARTS if part in {**c.a.breakdown, **c.b.breakdown}]
    rows = (
        (
            "R_Th",
            f"{c.r_th:.3f}",
            f"servers of {b} that one of {a} replaces, whole ones as planned: {c.b.servers:,.0f} over "
            f"{c.a.servers:,.0f} (Eq. 1)",
        ),
        ("R_SC", f"{c.r_sc:.3f}", f"what a server of {a} and all that comes with it costs a year, over {b} (Eq. 2)"),
        (
            "R_IC",
            f"in the rent of {b}" if c.r_ic is None else f"{c.r_ic:.3f}",
            f"its infrastructure, over that of {b}: {', '.join(parts) or 'in both rents'} (Eq. 3)",
        ),
        ("w", f"{c.server_share:.3f}", f"the server's share of the cost of {b}"),
        ("TCO", f"{c.ratio:.3f}", "(w·R_SC + (1 − w)·R_IC)/R_Th (Eq. 4): the same as the ratio of the two totals"),
    )
    dear = "more" if c.r_sc > 1 else "less"
    cost = f"{plain(c.r_sc, 2)} times as much" if c.r_sc >= 2 else f"{percent(abs(c.r_sc - 1))} {dear}"
    return [
        Heading(f"Why {a}"),
        Paragraph(
            f"One server of {a} replaces {plain(c.r_th, 3)} of {b}, and costs {cost} a year before infrastructure. In "
            "the terms "
            "of Kim et al. (arXiv:2502.01070), recovered from the two accounts:"
        ),
        Table(("", "value", "what it is"), rows, words=(0, 2), strong=(4,)),
    ]


def changes(study: Study) -> list[Block]:
    """Say what would change the answer, each alone.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    if found.runner_up is None:
        return []
    items = [said for level in study.levels if (said := _turn(study, level))]
    years = found.scenario.decision.years
    if found.grows:
        year = study.flips_in_year
        items.append(
            f"As the traffic grows, {found.best} stays cheaper in each of the {years} years."
            if year is None
            else f"As the traffic grows, {found.runner_up} is cheaper in year {year}."
        )
    return [
        Heading("What would change it"),
        Paragraph(f"Each alone, all else as it is: where {found.best} and {found.runner_up} cost the same."),
        Bullets(tuple(items)),
    ]


def least(level: Level) -> str:
    """Write the share of its throughput down to which a machine stays ahead: rounded to where it does.

    Parameters
    ----------
    level : Level
        Of a throughput, with a factor.
    """
    assert level.factor is not None  # noqa: S101 - asked before
    return f"{_outward(level.factor, math.ceil)}{SPACE}%"


def most(level: Level) -> str:
    """Write the share of its throughput up to which a machine stays behind: rounded to where it does.

    Parameters
    ----------
    level : Level
        Of a throughput, with a factor.
    """
    assert level.factor is not None  # noqa: S101 - asked before
    return f"{_outward(level.factor, math.floor)}{SPACE}%"


def _outward(share: float, towards: Callable[[float], int]) -> str:
    """A share in percent and four digits, none of which says more than is so."""
    places = 3 - math.floor(math.log10(100 * share))
    return plain(towards(100 * share * 10**places) / 10**places, 4)


def _from(study: Study, name: str) -> str:
    return ", an upper bound" if name in study.found.upper_bounds else ""


def _turn(study: Study, level: Level) -> str:
    found = study.found
    owner, inner = split(level.name)
    a, b = found.best, found.runner_up
    shown = ""
    if level.at is not None and (study.what.reveal or (study.shows_dollars and inner != "tokens_per_s")):
        shown = f", {value(level.name, float(f'{level.at:.4g}'))}"
    if inner == "tokens_per_s":
        if found.twins.get(a, a) == found.twins.get(b or "", b):
            return ""  # one machine on two terms: its throughput says nothing between them
        if level.factor is None:
            return f"Throughput of {owner}: nowhere."
        if owner == a:
            return f"Throughput of {a}: it stays ahead down to {least(level)} of what it is taken for{_from(study, a)}."
        return (
            f"Throughput of {owner}: it stays behind up to {most(level)} of what it is taken for{_from(study, owner)}."
        )
    if inner in ("price_usd", "rent_usd_per_h"):
        noun = "Price" if inner == "price_usd" else "Rent"
        if level.at is None:
            return f"{noun} of {owner}: nowhere, not even as a gift."
        if level.factor is None:
            return f"{noun} of {owner}: at more than nothing{shown}."
        if owner == a:
            return f"{noun} of {a}: where it is {percent(level.factor - 1, 3)} higher{shown}."
        return f"{noun} of {b}: at a discount of {percent(1 - level.factor, 3)}{shown}."
    if inner == "usd_per_tonne_co2":
        if level.at is None:
            return "Carbon price: nowhere; it moves both too little, or further apart."
        if level.at > _DEAREST_CARBON:
            return f"Carbon price of electricity: nowhere below {_DEAREST_CARBON:,.0f} USD/t."
        where = f"at {plain(level.at, 3)} USD/t" if study.shows_dollars else "at a high enough one"
        return f"Carbon price of electricity: {where}."
    if inner == "discount_rate":
        if level.at is None:
            return f"Cost of capital: nowhere from 0 to 30{SPACE}% a year."
        return f"Cost of capital: at {percent(level.at, 4)} a year."
    if level.factor is None or not _LEAST <= level.factor <= _MOST:
        return "Electricity tariff: nowhere from a tenth to ten times of what it is."
    return f"Electricity tariff: at {times(level.factor)} what it is{shown}."


# ------------------------------------------------------------------------------------------------------ how sure it is


def how_sure(study: Study) -> list[Block]:
    """Say how sure the answer is, what moves it, and what is worth knowing first.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    if found.runner_up is None:
        return []
    if not found.inputs:
        return [Heading("How sure it is"), Paragraph("Nothing in the scenario says how far any number may be off.")]
    count = max(len(values) for values in found.draws.values())
    pairs = [
        f"{named(one)} and {named(other)} ({correlation:+.2g})"
        for (one, other), correlation in found.correlations.items()
    ]
    also = f" Drawn to move together: {'; '.join(pairs)}." if pairs else ""
    a, b = found.best, found.runner_up
    low_ratio, high_ratio, level = found.interval(a, b)
    blocks: list[Block] = [
        Heading("How sure it is"),
        Paragraph(
            f"Everything that sources, measurements or the scenario say may be off was drawn at once, {count:,} times "
            f"(quasi-random, seed {found.scenario.decision.seed}); what the candidates share was drawn once for "
            f"all.{also}"
        ),
        Figure(
            "distribution",
            f"Distribution of the TCO of {a} over {b}: below 1 in {chance(_below(found))} of the draws, and from "
            f"{times(low_ratio)} to {times(high_ratio)} in {percent(level)}.",
            f"TCO of {a} over {b} in all draws{', the upper bounds held' if found.upper_bounds else ''}.",
        ),
        Paragraph(information(study)),
    ]
    bars = study.bars
    if bars is None:
        return blocks
    rows = []
    for bar in bars.shown(study.what.reveal):
        private = bar.low is None or bar.high is None or hidden(study, bar.name)
        low, high = bar.low or 0.0, bar.high or 0.0
        span = "(private)" if private else f"{bare(bar.name, low, 3)} to {value(bar.name, high, 3)}"
        rows.append((keyed(bar.name), span, f"{bar.at_low:.3f}", f"{bar.at_high:.3f}"))
    turning = [named(bar.name) for bar in bars.bars if (bar.at_low < 1) != (bar.at_high < 1)]
    blocks += [
        Figure(
            "tornado",
            f"Tornado of the TCO of {a} over {b}: "
            + (f"{listed(turning)} alone would turn the answer." if turning else "no input alone turns the answer."),
            "What moves the answer most: each input alone at either end of its range, the others at their middle. "
            f"There the ratio is {bars.base:.3f}, as planned {found.compare(a, b).ratio:.3f}: a default need not be "
            "the middle of its range.",
        ),
        Table(
            ("input", f"{percent(bars.level)} between", "TCO at low", "at high"),
            tuple(rows),
            words=(0,),
            caption="The same in figures.",
        ),
    ]
    if map_axes(study) is not None:
        blocks.append(Figure("cheapest", _map_alt(study), _map_caption(found)))
    return blocks


def bounds(found: Recommendation) -> str:
    """Name the throughputs that are upper bounds.

    Parameters
    ----------
    found : Recommendation
        With one or more.
    """
    every = len(found.upper_bounds) == len(found.standings)
    return "the throughputs" if every else f"the throughputs of {listed(found.upper_bounds)}"


def hidden(study: Study, name: str) -> bool:
    """Whether the numbers of an input are the user's though its distribution does not say so: a measured throughput.

    Parameters
    ----------
    study : Study
        Whether to reveal.
    name : str
        Of the input.
    """
    owner, inner = split(name)
    return inner == "tokens_per_s" and owner in study.found.standings and not study.shows_rate(owner)


def _below(found: Recommendation) -> float:
    draws = found.ratio_draws(found.best, found.runner_up or found.best)
    return float((draws < 1).mean() + (draws == 1).mean() / 2)


def information(study: Study) -> str:
    """Say what knowing more before deciding would be worth.

    Parameters
    ----------
    study : Study
        With inputs that may be off.
    """
    found = study.found
    if found.upper_bounds:
        return (
            f"T{bounds(found)[1:]} are upper bounds, of which nobody knows how far they are off: no draw moves "
            "them, and what measuring them is worth cannot be said. Measure them first."
        )
    if found.evpi < _NEGLIGIBLE:
        return (
            f"Knowing every uncertain number beforehand would save less than {percent(_NEGLIGIBLE)} of the cost: no "
            "measurement is worth waiting for."
        )
    said = (
        f"Knowing every uncertain number beforehand would save {_share(study, found.evpi)} of the yearly cost on "
        "average: all measurements together are worth no more."
    )
    worth = [(name, each) for name, each in study.worth.items() if each >= _NEGLIGIBLE]
    if not worth:
        return f"{said} None of them is worth anything alone."
    name, most = worth[0]
    alone = _share(study, most)
    return f"{said} The number most worth knowing is the {named(name)}: worth {alone} alone."


def _share(study: Study, share: float) -> str:
    """A share of the yearly cost of the cheapest, with the dollars where they may be shown."""
    usd = share * study.found.standings[study.found.best].plan.usd_per_year
    return f"{percent(share)} ({rough(usd, 2)} USD)" if study.shows_dollars else percent(share)


def map_axes(study: Study) -> tuple[str, str] | None:
    """The two inputs that move the answer most: axes of a map of the cheapest.

    Parameters
    ----------
    study : Study
        With its tornado.
    """
    bars = study.bars
    if bars is None:
        return None
    moving = [bar.name for bar in bars.bars if bar.swing > 1e-6]
    return (moving[0], moving[1]) if len(moving) > 1 else None


def _map_alt(study: Study) -> str:
    axes = listed([named(name) for name in map_axes(study) or ()])
    return f"Map of the cheapest candidate over the {axes}: as planned it is {study.found.best}."


def _map_caption(found: Recommendation) -> str:
    c = found.against_runner_up
    beside = "" if c is None else f": there {found.best} costs {less(c.ratio)} {found.runner_up}"
    return (
        "Which candidate is cheapest where the two inputs that move the answer most are other than taken; 1 is as "
        "planned. Drawn with fractions of servers, so that rounding does not blur it; as planned, whole "
        f"servers decide{beside}."
    )
