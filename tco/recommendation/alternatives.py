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
    if len(found.standings) < 2:
        return []
    heading = Heading("A fleet of several machines")
    if mixed.fleet is None:
        return [heading, Paragraph(f"No fleet of these candidates keeps within the limits of [fleet]: {mixed.reason}")]
    fleet, machines = mixed.fleet, mixed.machines
    if mixed.over_best is None:
        against = f"{found.best} alone would break the limits of [fleet]."
    elif len(machines) == 1:
        against = "No mixture is cheaper."
    elif mixed.over_best > WORTHWHILE:
        against = (
            f"It costs {less(mixed.over_best)} {found.best} alone: too little for running {len(machines)} platforms."
        )
    else:
        against = f"It costs {less(mixed.over_best)} {found.best} alone, and means running {len(machines)} platforms."
    binding = [_LIMITS.get(name, name) for name in fleet.binding]
    bound = f" {listed(binding).capitalize()} leave no room for more." if binding else ""
    opening = (
        f"The cheapest fleet of whole servers that serves every hour of the day is of {machines[0]} alone."
        if len(machines) == 1
        else f"The cheapest fleet of whole servers that serves every hour of the day has {listed(machines)}."
    )
    blocks: list[Block] = [heading, Paragraph(f"{opening} {against}{bound}")]
    if len(machines) == 1:
        return blocks
    workloads = tuple(fleet.shares)
    rows = tuple(
        (
            name,
            *(_rounded(fleet.shares[one].get(name, 0.0)) for one in workloads),
            f"{fleet.servers[name]:,}",
            _rounded(fleet.breakdown.get(name, 0.0) / fleet.usd_per_year),
        )
        for name in machines
    )
    return [
        *blocks,
        Table(
            ("kind", *(f"share of {one}" for one in workloads), "servers", "share of the cost"),
            rows,
            caption="Which kind serves which application, of its traffic over the day; of the cost of this fleet, "
            "spare servers and porting aside.",
        ),
        Figure(
            "fleet",
            f"Servers of the cheapest mix beside fleets of one kind: "
            f"{listed([f'{fleet.servers[name]:,} of {name}' for name in machines])}.",
            "The cheapest mix beside the fleets of one kind.",
        ),
    ]


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
        if len(study.found.standings) < 2:
            return []
        return [
            Heading("Own or rent"),
            Paragraph("No accelerator is among the candidates both owned and rented, so there is nothing to weigh."),
        ]
    return [Heading("Own or rent"), *(Paragraph(_terms(study, pair)) for pair in pairs)]


def _terms(study: Study, pair: OwnOrRent) -> str:
    a, b = pair.owned, pair.rented
    said = f"To own all servers ({a}) costs {less(pair.ratio)} to rent them all year ({b})."
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
                "A lower cap on its devices makes a server cheaper to feed and lets more of them share a rack; it pays "
                "where the throughput that it costs is less than that (Kim et al., VI-D). By the model, at the same "
                "batches and within the limits on latency:"
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
    return f"{share} ({rough(cap.choice.cap_w)} W)" if study.what.reveal else share


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
