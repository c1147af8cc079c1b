"""Other ways to serve the same: several machines at once, own and rent, capped power."""

from __future__ import annotations

from tco.recommendation.caps import Cap
from tco.recommendation.document import Block, Figure, Heading, Paragraph, Table
from tco.recommendation.study import Study
from tco.recommendation.terms import OwnOrRent
from tco.recommendation.words import SPACE, counted, less, listed, percent, rough

WORTHWHILE = 0.99
"""Cost of a mixed fleet over the best of one kind from which a second platform is not worth having."""

_LIMITS = {"site_power_w": "the power of the site", "racks": "the racks", "gco2_per_year": "the greenhouse gases"}


def several_machines(study: Study) -> list[Block]:
    """Say what a fleet of several machines would save.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found, mixed = study.found, study.mixed
    if len(found.planned) < 2:
        return []
    heading = Heading("A fleet of several machines")
    first = " in the first year" if found.grows else ""
    if mixed.fleet is None:
        return [
            heading,
            Paragraph(f"No fleet of these candidates keeps within the limits{first}: {mixed.reason}"),
        ]
    fleet, machines = mixed.fleet, mixed.machines
    binding = [_LIMITS.get(name, f"the {name}".replace("'", "")) for name in fleet.binding]
    bound = f" It is bound by {listed(binding)}." if binding else ""
    has = f"is of {machines[0]} alone" if len(machines) == 1 else f"has {listed(machines)}"
    hourly = f" ({listed(mixed.hourly)} by the hour, if it can be had then)" if mixed.hourly else ""
    blocks: list[Block] = [
        heading,
        Paragraph(
            f"The cheapest fleet of whole servers that serves every hour of the day{first} {has}{hourly}. "
            f"{_against(study)}{bound}"
        ),
    ]
    if len(machines) == 1:
        return blocks
    workloads = tuple(fleet.shares)
    rows = tuple(
        (
            name,
            *(_rounded(fleet.shares[one].get(name, 0.0)) for one in workloads),
            f"up to {count:,}, by the hour" if name in mixed.hourly else f"{count:,}",
            _rounded(fleet.breakdown.get(name, 0.0) / fleet.usd_per_year),
        )
        for name, count in mixed.counts.items()
    )
    return [
        *blocks,
        Table(
            ("kind", *(f"share of {one}" for one in workloads), "servers", "share of the cost"),
            rows,
            caption="Which kind serves which application, of its traffic over the day; servers without their spares; "
            "of the cost of this fleet, spares included and porting aside.",
        ),
        Figure(
            "fleet",
            f"Servers of the cheapest mix beside fleets of one kind: {mixed.said}.",
            "The cheapest mix beside the fleets of one kind"
            f"{'; what is rented by the hour when it is most' if mixed.hourly else ''}.",
        ),
    ]


def _against(study: Study) -> str:
    """Set the cheapest fleet of several machines against the best of one."""
    found, mixed = study.found, study.mixed
    over = mixed.over_best
    if over is None:
        return f"{found.best} alone would not keep within the limits."
    if mixed.machines == (found.best,):
        searched = any(one.by_the_hour for one in found.planned.values())
        return f"No mixture is cheaper{f' by more than 1{SPACE}%' if searched else ''}."
    costs = f"It costs {less(over)} {found.best} alone{over_years(study)}"
    if mixed.platforms == 1:
        return f"{costs}."
    if over > WORTHWHILE:
        return f"{costs}: too little for running {mixed.platforms} platforms."
    return f"{costs}, and means running {mixed.platforms} platforms."


def over_years(study: Study) -> str:
    """Say of which year the saving of a mixed fleet is, and what it is in the last: a clause, empty without growth.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    if not study.found.grows:
        return ""
    last = study.mixed.over_best_last
    if last is None:
        return " in the first year"
    end = f"year {study.found.scenario.decision.years}"
    if study.mixed.over_best is not None and less(study.mixed.over_best) == less(last):
        return f" in the first year as in {end}"
    return f" in the first year, and {less(last)} it in {end}"


def _rounded(share: float) -> str:
    return f"{100 * share:.0f}{SPACE}%"


def own_and_rent(study: Study) -> list[Block]:
    """Say when owning beats renting, where the scenario has both.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    pairs = study.own_or_rent
    if not pairs:
        held: dict[bool, set[str]] = {True: set(), False: set()}
        for one in study.found.planned.values():
            held[one.plan.deployment.rented].add(one.plan.deployment.server.accelerator)
        if len(study.found.planned) < 2:
            return []
        said = (
            "Not every candidate can serve everything alone: the fleet of several machines weighs what is owned "
            "against what is rented."
            if held[True] & held[False]
            else "No accelerator is among the candidates both owned and rented, so there is nothing to weigh."
        )
        return [Heading("Own or rent"), Paragraph(said)]
    return [Heading("Own or rent"), *(Paragraph(_terms(study, pair)) for pair in pairs)]


def _terms(study: Study, pair: OwnOrRent) -> str:
    a, b = pair.owned, pair.rented
    paid = "when they are needed" if study.found.scenario.service.released and pair.on_demand else "all year"
    said = f"To own all servers ({a}) costs {less(pair.ratio)} to rent them {paid} ({b})."
    if not pair.on_demand:
        return f"{said} The rent is paid for the whole commitment, whether servers are busy or not."
    if pair.threshold is None:
        return f"{said} Even a server that is always busy is cheaper to rent."
    busy = study.found.standings[a].plan.utilisation
    said += (
        f" A server is worth owning if it is busy for {percent(pair.threshold)} of the time or more; these are, on "
        f"average, for {percent(busy)}."
    )
    if not pair.own or not pair.rent or pair.saving < 0.001:
        return f"{said} With this traffic a mixture of both saves nothing."
    return (
        f"{said} Cheapest would be to own {counted(pair.own, 'server')} and to rent up to {pair.rent:,} more by "
        f"the hour when they are needed: {percent(pair.saving)} below the better of the two, if they can be had then."
    )


def capped_power(study: Study) -> list[Block]:
    """Say what a power cap would save for each candidate.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found, caps = study.found, study.caps
    blocks: list[Block] = [Heading("A power cap")]
    rows = tuple(
        (
            cap.name,
            _best_cap(study, cap) if cap.pays else "none pays",
            f"{cap.choice.uncapped.servers_per_rack:g} → {cap.choice.servers_per_rack:g}" if cap.pays else "-",
            percent(cap.choice.throughput_loss) if cap.pays else "-",
            percent(cap.choice.gain) if cap.pays else "-",
            cap.why,
        )
        for cap in caps
        if cap.choice is not None
    )
    if rows:
        blocks += [
            Paragraph(
                f"A lower cap on its devices makes a server cheaper to feed{_closer(caps)}; it pays where the "
                "throughput that it costs is less than that (Kim et al., VI-D). By the model, at the same batches and "
                "within the limits on latency:"
            ),
            Table(
                (
                    "candidate",
                    "best cap, of full power",
                    "servers in a rack",
                    "throughput lost",
                    "cost saved",
                    "rests on",
                ),
                rows,
                words=(0, 5),
                caption=f"{_together(study)}Not in the decision above: try it on one server before it is relied on.",
            ),
        ]
        if any(cap.pays for cap in caps if cap.name == found.best):
            blocks.append(
                Figure(
                    "cap",
                    _cap_alt(study),
                    f"Cost of a token and throughput of {found.best} over the cap, both relative to none.",
                )
            )
    unknown: dict[str, list[str]] = {}
    for cap in caps:
        if cap.choice is None:
            unknown.setdefault(cap.why.rstrip("."), []).append(cap.name)
    return [*blocks, *(Paragraph(f"Of {listed(names)} nothing is said: {why}.") for why, names in unknown.items())]


def _best_cap(study: Study, cap: Cap) -> str:
    assert cap.choice is not None  # noqa: S101 - asked before
    share = percent(cap.choice.cap_w / float(cap.choice.uncapped.cap_w), 3)
    shown = f"{share} ({rough(cap.choice.cap_w)} W)" if study.what.reveal else share
    return f"{shown}\nthe lowest that its limits on latency allow" if cap.held_by_latency else shown


def _closer(caps: tuple[Cap, ...]) -> str:
    """Whether a best cap lets more servers into a rack."""
    chosen = [cap.choice for cap in caps if cap.choice is not None and cap.pays]
    closer = any(choice.servers_per_rack > choice.uncapped.servers_per_rack for choice in chosen)
    return " and lets more of them share a rack" if closer else ""


def _together(study: Study) -> str:
    """What the caps do to the answer, where both of the first two have one."""
    found = study.found
    gains = {cap.name: cap.choice.cost_ratio for cap in study.caps if cap.choice is not None}
    a, b = found.best, found.runner_up
    if b is None or a not in gains or b not in gains or not any(cap.pays for cap in study.caps):
        return ""
    ratio = found.compare(a, b).ratio * gains[a] / gains[b]
    return f"With each at its best, {a} costs {less(ratio)} {b}. "


def _cap_alt(study: Study) -> str:
    choice = next(cap.choice for cap in study.caps if cap.name == study.found.best)
    assert choice is not None  # noqa: S101 - asked before
    return (
        f"Cost of a token over the power cap: lowest at {percent(choice.cap_w / float(choice.uncapped.cap_w), 3)} of "
        f"full power, {percent(choice.gain)} below none."
    )
