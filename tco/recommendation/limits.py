"""What the site, the supply and the fleet's limits leave room for, in every year of a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tco.recommendation.standing import Standing

if TYPE_CHECKING:
    from tco.scenario.model import Scenario


_SAYS = {
    "site_power_kw": "{given} does not feed {fleet}",
    "racks": "{given} has no room for {fleet}",
    "tonnes_co2_per_year": "{given} is less than {fleet} emits",
    "supply": "{given} is fewer than {fleet} needs",
}
"""Reasons for which a candidate alone is out."""


def limits_of(scenario: Scenario) -> dict[str, tuple[str, float]]:
    """Limits of any fleet, by the names of :func:`tco.fleet.cheapest`: who says so, and how much it is.

    Parameters
    ----------
    scenario : Scenario
        Of which the site and the fleet may have limits; of both powers the smaller counts.
    """
    given = scenario.fleet
    powers = [
        (f"{table}.site_power_kw", float(one.site_power_kw) * 1e3)
        for table, one in (("facility", scenario.facility), ("fleet", given))
        if one is not None and one.site_power_kw is not None
    ]
    found = {"site_power_w": min(powers, key=lambda one: one[1])} if powers else {}
    if given is not None and given.racks is not None:
        found["racks"] = ("fleet.racks", float(given.racks))
    if given is not None and given.tonnes_co2_per_year is not None:
        found["gco2_per_year"] = ("fleet.tonnes_co2_per_year", given.tonnes_co2_per_year * 1e6)
    return found


def beyond(scenario: Scenario, name: str, one: Standing) -> str:
    """Say which limit a candidate's fleet exceeds, and when; empty where it keeps within all of them, in every year.

    Parameters
    ----------
    scenario : Scenario
        With the limits.
    name : str
        Of the candidate.
    one : Standing
        Its fleet.
    """
    account, deployment = one.by_year(scenario), one.plan.deployment
    needed = {"gco2_per_year": 1e3 * deployment.carbon_of(account).kg_per_year}
    if not deployment.rented:
        needed |= {"site_power_w": account.site_power_w, "racks": account.racks}
    tests = [(given, needed[key], most) for key, (given, most) in limits_of(scenario).items() if key in needed]
    supply = scenario.candidates[name].supply
    if supply is not None:
        tests.append((f"candidates.{name}.supply", account.servers + account.spares, float(supply)))
    grows, years = is_growing(scenario), scenario.decision.years
    for given, takes, most in tests:
        each = np.broadcast_to(np.asarray(takes, dtype=float), (years,))
        over = np.flatnonzero(each > most * (1 + 1e-12))
        if over.size:
            year = int(over[0])
            fleet = f"the fleet of year {year + 1}" if grows else "the fleet"
            says = _SAYS[given.rpartition(".")[2]].format(given=given, fleet=fleet)
            count = float(np.broadcast_to(account.servers + account.spares, (years,))[year])
            return f"{says}: {count:,.0f} servers"
    return ""


def is_growing(scenario: Scenario) -> bool:
    """Whether fleets of later years are larger, or smaller, than that of the first.

    Parameters
    ----------
    scenario : Scenario
        With the applications and the years of the decision.
    """
    return scenario.decision.years > 1 and any(entry.growth_per_year for entry in scenario.applications)
