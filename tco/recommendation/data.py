"""A recommendation as plain data."""

from __future__ import annotations

from tco.recommendation.study import Study
from tco.recommendation.tables import why_out


def as_data(study: Study) -> dict[str, object]:
    """Return the decision as plain data, for JSON.

    Private numbers, and with them dollars and watts, are ``None`` unless revealed; ratios then have three digits, and
    what follows from the traffic two, since more would give them away. What knowing more is worth is ``None`` where a
    throughput is an upper bound, and so is the sum of the file unless all is revealed.

    Parameters
    ----------
    study : Study
        What the scenario comes to.
    """
    found, what = study.found, study.what
    exact = study.shows_dollars and study.shows_watts
    candidates = {}
    for name in found.order:
        plan = found.standings[name].plan
        low, high, _ = found.interval(name, found.reference)
        watts = {
            "site_power_w": plan.site_power_w,
            "tokens_per_joule": _rounded(plan.tokens_per_joule, what.reveal, 2),
            "tokens_per_s_per_mw": plan.tokens_per_s_per_mw,
            "gco2_per_million_tokens": _rounded(plan.gco2_per_million_tokens, what.reveal, 2),
            "litres_per_million_tokens": _rounded(plan.litres_per_million_tokens, what.reveal, 2),
        }
        dollars = {
            "usd_per_year": {**plan.breakdown, "total": plan.usd_per_year},
            "usd_per_million_tokens": _rounded(plan.usd_per_million_tokens, what.reveal, 2),
            "usd_per_accelerator_hour": plan.usd_per_accelerator_hour,
            "capital_usd": plan.capital,
        }
        candidates[name] = {
            "server": plan.deployment.server.key,
            "rented": plan.deployment.rented,
            "throughput": plan.deployment.throughput.kind,
            "tokens_per_s": _rounded(float(plan.inputs["tokens_per_s"]), exact) if study.shows_rate(name) else None,
            "ratio": _rounded(found.compare(name, found.reference).ratio, exact),
            "ratio_low": _rounded(low, exact),
            "ratio_high": _rounded(high, exact),
            "probability_cheapest": found.probabilities[name],
            "servers": plan.servers,
            "spares": plan.spares,
            "racks": None if plan.deployment.rented else plan.racks,
            "utilisation": _rounded(plan.utilisation, what.reveal, 2),
            **(watts if study.shows_watts else dict.fromkeys(watts)),
            **(dollars if study.shows_dollars else dict.fromkeys(dollars)),
        }
    mixed = study.mixed
    return {
        "title": found.scenario.title,
        "date": found.scenario.date,
        "price_year": found.scenario.price_year,
        "decided": found.decided,
        "best": found.best,
        "runner_up": found.runner_up,
        "reference": found.reference,
        "upper_bounds": list(found.upper_bounds),
        "level": found.scenario.decision.level,
        "evpi_share": None if found.upper_bounds else _rounded(found.evpi, exact),
        "worth_knowing_share": None
        if found.upper_bounds
        else {name: _rounded(worth, exact) for name, worth in study.worth.items()},
        "candidates": candidates,
        "unable": {name: why_out(study, name) for name in found.unable},
        "mixed_fleet": None if mixed.fleet is None else mixed.counts,
        "mixed_by_the_hour": list(mixed.hourly),
        "mixed_over_best": None if mixed.over_best is None else _rounded(mixed.over_best, exact),
        "left_out": list(dict.fromkeys(words for one in found.standings.values() for words in one.plan.left_out)),
        "version": what.version,
        "scenario_sha256": what.digest if what.reveal else None,
    }


def _rounded(value: float, exact: bool, digits: int = 3) -> float:
    return float(value) if exact else float(f"{float(value):.{digits}g}")
