"""The fleet of each year, where the traffic grows."""

from __future__ import annotations

import numpy as np

from roofline._arrays import Array
from tco.recommendation.document import Block, Heading, Paragraph, Table
from tco.recommendation.study import Study
from tco.recommendation.words import plain, rough

_YEARS = 6
"""Years that one table holds, so that it fits a page."""


def fleet_by_year(study: Study) -> list[Block]:
    """Write down the fleet of each year of the decision; nothing where no traffic grows.

    Parameters
    ----------
    study : Study
        What to write down.
    """
    found = study.found
    if not found.grows:
        return []
    years = found.scenario.decision.years
    rows: list[tuple[str, ...]] = []
    groups = {}
    for name in found.order:
        groups[len(rows)] = name
        rows += _rows(study, name, years)
    bought = (
        " Capital is what that year buys beyond all before, at the prices of today: servers and spares with what comes "
        "with them, racks and plant, and porting in the first year. Replacing what is past its life is not counted."
        if any(row[0].startswith("capital") for row in rows)
        else ""
    )
    blocks: list[Block] = [
        Heading("As the traffic grows"),
        Paragraph(
            "The fleet that each year's traffic needs. The costs above are of the first year, unless they say "
            f"otherwise.{bought}"
        ),
    ]
    for start in range(0, years, _YEARS):
        shown = range(start, min(start + _YEARS, years))
        table = tuple((row[0], *(row[1 + at] for at in shown)) for row in rows)
        blocks.append(Table(("", *(f"year {at + 1}" for at in shown)), table, groups=dict(groups)))
    return blocks


def _rows(study: Study, name: str, years: int) -> list[tuple[str, ...]]:
    plan = study.found.standings[name].plan
    account = study.found.by_year(name)

    def each(values: Array) -> Array:
        return np.broadcast_to(values, (years,))

    servers, spares = each(account.servers), each(account.spares)
    if plan.deployment.rented:
        return [("servers", *(f"{count:,.0f}" for count in servers))]
    both = zip(servers, spares, strict=True)
    rows = [("servers + spare", *(f"{count:,.0f} + {spare:,.0f}" for count, spare in both))]
    rows.append(("racks", *(f"{racks:,.0f}" for racks in each(account.racks))))
    if study.shows_watts:
        rows.append(("power to provision, MW", *(plain(power / 1e6, 3) for power in each(account.site_power_w))))
    if study.shows_dollars:
        held = sum((each(np.asarray(usd, dtype=float)) for usd in plan.capital_of(account).values()), np.zeros(years))
        new = np.diff(np.maximum.accumulate(held), prepend=0.0)  # what is bought stays
        rows.append(("capital, USD", *(rough(float(usd), 4) for usd in new)))
    return rows
