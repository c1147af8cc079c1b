"""The recommendation: what is decided, what the page says of it, and what it keeps to itself."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import hardware_specs as hs
import tco
from tco import power_cap, risk
from tco.cli import main
from tco.mix import Application, serve
from tco.recommendation import Particulars, Study, choose_all, compose, decide, figures, html, markdown, robustness
from tco.recommendation.data import as_data
from tco.recommendation.document import Bullets, Callout, Document, Facts, Figure, Heading, Paragraph, Table
from tco.recommendation.figures import draw
from tco.recommendation.page import summary
from tco.recommendation.words import INPUTS, SPACE, between, keyed, less, plain, rough
from tco.scenario import Scenario

CHAT = {"name": "chat", "llm": "llama-3.1-8b", "prompt_tokens": 1024, "output_tokens": 256, "tokens_per_s": 1e6}
DOCUMENTS = {
    "name": "documents",
    "llm": "llama-3.1-8b",
    "prompt_tokens": 4096,
    "output_tokens": 512,
    "tokens_per_s": 4e5,
}
STEP = {"name": "step", "llm": "llama-3.1-8b", "context_tokens": 2048, "tokens_per_s": 1e6}
FIXED = {
    "pue": 1.25,
    "usd_per_kwh": 0.08,
    "load": 1.0,
    "rack_power_kw": 40.0,
    "usd_per_watt": 12.0,
    "facility_years": 12.0,
    "server_years": 4.0,
    "discount_rate": 0.08,
    "grid_gco2_per_kwh": 400.0,
    "wue_l_per_kwh": 1.8,
}
"""Every default that has a range, given: then nothing of the site may be off."""

NO_FAILURES = {"failures_per_accelerator_year": 0.0, "spares_confidence": 0.0}


def scenario(*applications, candidates=None, **other):
    """Two machines with measured rates, which take no time to model."""
    return Scenario.model_validate(
        {
            "title": "Accelerators",
            "date": "2026-11-22",
            "price_year": 2026,
            "applications": applications or (CHAT,),
            "candidates": candidates or measured(),
            **other,
        }
    )


def measured(h100=40_000.0, gaudi=17_000.0, error=0.05, **more):
    """Candidates whose throughput of chat is given."""
    given_rates = {"h100": ("dgx-h100", h100), "gaudi": ("gaudi-2-hls", gaudi)}
    return {
        name: {"server": server, "tokens_per_s": {"chat": rate}, "tokens_per_s_error": error}
        for name, (server, rate) in given_rates.items()
    } | more


def both(h100=(40_000.0, 9_000.0), gaudi=(17_000.0, 5_000.0)):
    """Candidates whose throughputs of chat and of documents are given."""
    return {
        name: {"server": server, "tokens_per_s": dict(zip(("chat", "documents"), rates, strict=True))}
        for name, server, rates in (("h100", "dgx-h100", h100), ("gaudi", "gaudi-2-hls", gaudi))
    }


def alone(key, rate, *, traffic, profile=None, **facility):
    deployment = tco.Deployment(hs.get_server(key), tco.Facility(**facility), throughput=rate)
    return tco.plan(deployment, tco.Traffic(tokens_per_s=traffic, profile=profile))


# ------------------------------------------------------------------------------------------------------- the decision


def test_one_application_costs_what_its_plan_does():
    # sibling: tco.plan of the same server, rate and traffic, without a scenario.
    found = decide(scenario({**CHAT, "profile": (1.0, 2.0, 3.0)}))
    for name, key, rate in (("h100", "dgx-h100", 40_000.0), ("gaudi", "gaudi-2-hls", 17_000.0)):
        made = alone(key, rate, traffic=1e6, profile=(1.0, 2.0, 3.0))
        assert found.standings[name].plan.usd_per_year == pytest.approx(made.usd_per_year, rel=1e-12)
        assert found.standings[name].plan.servers == made.servers


@given(st.floats(1e4, 1e8), st.floats(0.05, 0.95))
def test_two_applications_of_one_rate_are_one(traffic, share):
    # property: a name divides no work.
    found = decide(
        scenario(
            {**CHAT, "tokens_per_s": share * traffic},
            {**DOCUMENTS, "tokens_per_s": (1 - share) * traffic},
            candidates=both(h100=(40_000.0, 40_000.0), gaudi=(17_000.0, 17_000.0)),
        )
    )
    whole = decide(scenario({**CHAT, "tokens_per_s": traffic}))
    assert found.standings["h100"].plan.usd_per_year == pytest.approx(
        whole.standings["h100"].plan.usd_per_year, rel=2 * 40_000 / traffic + 1e-9
    )


def test_servers_of_a_mix_add_up_hour_by_hour():
    # hand: chat keeps 1e6/4e4 = 25 servers busy on average, and documents 4e5/1e4 = 40. Chat has all of its traffic in
    # the first half of the day, documents in the second: 50 servers, then 80.
    found = decide(
        scenario(
            {**CHAT, "profile": (1.0, 0.0)},
            {**DOCUMENTS, "profile": (0.0, 0.0, 1.0, 1.0)},
            candidates=both(h100=(40_000.0, 10_000.0)),
            service=NO_FAILURES,
        )
    )
    assert found.standings["h100"].plan.servers == 80
    assert found.standings["h100"].plan.utilisation == pytest.approx(65 / 80)


@settings(max_examples=12)
@given(st.floats(5e3, 1e5), st.floats(5e3, 1e5), st.floats(0.0, 0.3), st.floats(0.03, 0.3))
def test_verdict_and_numbers_agree(h100, gaudi, error, tariff):
    # property.
    candidates = measured(h100, gaudi, error)
    found = decide(scenario(candidates=candidates, facility={"usd_per_kwh": tariff}, decision={"draws": 256}))
    costs = {name: one.plan.usd_per_year for name, one in found.standings.items()}
    assert found.best == min(costs, key=costs.get)
    assert set(found.order) == set(costs)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.evpi >= 0
    assert found.decided == (found.probabilities[found.best] >= 0.9)
    low, high, level = found.interval("h100", "gaudi")
    assert low <= high
    assert level == 0.9
    study = Study(found)
    title = next(block for block in compose(study).blocks if isinstance(block, Callout)).title
    assert title.startswith(f"Buy {found.best}" if found.decided else f"Too close to call: {found.best}")
    c = found.against_runner_up
    kim = (c.server_share * c.r_sc + (1 - c.server_share) * c.r_ic) / c.r_th
    assert kim == pytest.approx(c.ratio, rel=1e-12)  # Kim Eq. 4
    if study.mixed.over_best is not None:
        assert (
            study.mixed.over_best <= 1 + 1e-3
        )  # a fleet of one kind is among the mixed ones; the solver's gap is 1e-4


def test_evpi_is_the_closed_form_of_two_lognormal_costs():
    # hand: B's cost is certain, A's lognormal with sigma s, so E[min(A, B)] = E[A]·Φ(d - s) + B·Φ(-d)... with
    # d = (ln B − ln of A's median)/s; EVPI = (min(E[A], B) − E[min(A, B)])/min(E[A], B).
    traffic, rate, wide = 1e10, 40_000.0, 1.5
    found = decide(
        scenario(
            {**CHAT, "tokens_per_s": traffic},
            candidates=measured(rate, 17_500.0, error=None),
            facility=FIXED,
            service=NO_FAILURES,
            ranges={"h100.tokens_per_s": {"low": rate / wide, "high": rate * wide, "kind": "lognormal"}},
            decision={"draws": 65_536},
        )
    )
    assert set(found.inputs) == {"h100.tokens_per_s"}
    s = math.log(wide) / norm.ppf(0.95)
    median, b = (found.standings[name].plan.usd_per_year for name in ("h100", "gaudi"))
    mean, d = median * math.exp(s**2 / 2), math.log(b / median) / s
    least = mean * norm.cdf(d - s) + b * norm.cdf(-d)
    now = min(mean, b)
    assert found.evpi == pytest.approx((now - least) / now, rel=0.01)
    assert found.probabilities["h100"] == pytest.approx(norm.cdf(d), abs=1e-3)
    # Of one uncertain number, knowing it is knowing all.
    assert Study(found).worth["h100.tokens_per_s"] == pytest.approx(found.evpi, rel=0.05)


def test_correlations_are_drawn():
    # hand: of two uniform inputs with a correlation r of normal scores, the ranks correlate by 6/π·asin(r/2).
    ranges = {name: {"low": low, "high": 1.3 * low} for name, low in (("usd_per_kwh", 0.07), ("usd_per_watt", 10.0))}
    pair = {"between": ("usd_per_kwh", "usd_per_watt"), "value": 0.6}
    found = decide(scenario(ranges=ranges, correlations=(pair,)))
    drawn = [found.draws[name] for name in ranges]
    assert np.corrcoef(drawn)[0, 1] == pytest.approx(6 / math.pi * math.asin(0.3), abs=0.02)


def test_seed_fixes_the_draws():
    # property: the same seed the same page, another one another.
    pages = [markdown(compose(Study(decide(scenario(decision={"seed": seed})))), {}) for seed in (1, 1, 2)]
    assert pages[0] == pages[1] != pages[2]


def test_default_ranges_leave_what_is_given_alone():
    # property: a life that is given for one machine is not drawn from the range of the default.
    candidates = measured(error=None)
    candidates["h100"]["purchase"] = {"years": 5.0}
    found = decide(scenario(candidates=candidates, decision={"draws": 64}))
    assert "server_years" in found.inputs
    assert "server_years" not in found.changes("h100", {"server_years": 3.0})
    assert found.changes("gaudi", {"server_years": 3.0}) == {"server_years": 3.0}


def test_bought_and_rented_machines_are_off_alike():
    # property: one measurement stands behind both, so its error cancels in their ratio and spares alone are left of it.
    rented = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "tokens_per_s_error": 0.1, "rental": {}}
    rented["rental"] = {"usd_per_h": 2.0}
    candidates = measured(error=0.1) | {"rented": rented}
    found = decide(scenario({**CHAT, "tokens_per_s": 1e8}, candidates=candidates, facility=FIXED))
    assert found.twins == {"rented": "h100"}
    assert np.std(np.log(found.ratio_draws("rented", "h100"))) < 0.005
    assert np.std(np.log(found.ratio_draws("gaudi", "h100"))) > 0.1


def test_a_zero_may_have_a_range():
    # hand: headroom is 0 in the scenario, and up to 30 % in the draws; 15 % on average.
    found = decide(
        scenario({**CHAT, "tokens_per_s": 1e8}, facility=FIXED, ranges={"headroom": {"low": 0.0, "high": 0.3}})
    )
    mean = float(np.mean(found.costs["h100"])) / found.standings["h100"].plan.usd_per_year
    assert mean == pytest.approx(1.15, abs=0.03)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ranges": {"usd_per_kw": {"low": 0.1, "high": 0.2}}}, "ranges.usd_per_kw names no input"),
        ({"ranges": {"price_usd": {"low": 0.9, "high": 1.1, "relative": True}}}, "give each its own"),
        ({"ranges": {"headroom": {"low": 0.9, "high": 1.1, "relative": True}}}, "relative to 0"),
        ({"decision": {"reference": "h10"}}, "did you mean.*h100"),
        ({"correlations": ({"between": ("usd_per_kwh", "pues"), "value": 0.5},)}, "nothing says how far 'pues'"),
    ],
)
def test_what_names_nothing_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        decide(scenario(**changes))


def test_a_candidate_that_cannot_serve_is_out_and_the_others_stay():
    # hand: H100 reads 16 GB of weights at 3.35 TB/s or less, 4.8 ms or more on one device; 1 ms is out of reach.
    slow = {"server": "dgx-h100", "devices": 1}
    found = decide(scenario({**STEP, "itl_s": 0.001}, candidates={"slow": slow, **_step_rates()}), {})
    assert list(found.unable) == ["slow"]
    assert set(found.standings) == {"h100", "gaudi"}
    study = Study(found)
    assert "slow is out" in markdown(compose(study), {})
    assert "slow   cannot serve" in summary(study, compose(study))
    ranged = scenario(
        {**STEP, "itl_s": 0.001},
        candidates={"slow": slow, **_step_rates()},
        ranges={"slow.price_usd": {"low": 0.9, "high": 1.1, "relative": True}},
        correlations=({"between": ("slow.price_usd", "usd_per_kwh"), "value": 0.5},),
    )
    assert set(decide(ranged).inputs) == set(found.inputs)  # what is said of it is of no account
    alone = {"slow": slow, "slower": {"server": "gaudi-2-hls", "devices": 1}}
    with pytest.raises(ValueError, match=r"(?s)no candidate can serve every application:.*slow: .*slower: "):
        decide(scenario({**STEP, "itl_s": 0.001}, candidates=alone))


def _step_rates():
    return {
        name: {"server": server, "tokens_per_s": {"step": rate}}
        for name, server, rate in (("h100", "dgx-h100", 40_000.0), ("gaudi", "gaudi-2-hls", 17_000.0))
    }


def test_supply_and_the_power_of_the_site_bound_a_fleet():
    # hand: 1e6/4e4 = 25 servers of 10.2 kW and 1e6/1.7e4 = 59 of 8.74 kW.
    candidates = measured()
    candidates["h100"]["supply"] = 20
    few = decide(scenario(candidates=candidates))
    assert "candidates.h100.supply is fewer" in few.unable["h100"]
    small = decide(scenario(facility={"site_power_kw": 400.0, "pue": 1.25}, service=NO_FAILURES))
    assert "site_power_kw" in small.unable["gaudi"]
    assert list(small.standings) == ["h100"]
    only = compose(Study(small))
    assert next(block for block in only.blocks if isinstance(block, Callout)).title == (
        "Only h100 can serve everything within the limits"
    )
    assert not [block for block in only.blocks if isinstance(block, Heading) and block.text.startswith("Why")]


def test_an_upper_bound_is_never_recommended():
    # property: however far it leads.
    candidates = {
        "h100": {"server": "dgx-h100", "framework": "ideal", "devices": 1},
        "gaudi": {"server": "gaudi-2-hls", "tokens_per_s": {"step": 10.0}},
    }
    found = decide(
        scenario(STEP, candidates=candidates), choose_all(scenario(STEP, candidates=candidates)).calibrations
    )
    assert (found.best, found.probabilities["h100"], found.upper_bounds) == ("h100", 1.0, ("h100",))
    assert not found.decided
    callout = next(block for block in compose(Study(found)).blocks if isinstance(block, Callout))
    assert callout.title.startswith("Not to be signed yet")
    # It says what it would take, and nothing as if the probability were of everything.
    study = Study(found)
    level = study.levels[0]
    said = float(re.search(r"down to ([\d.,]+)", callout.text)[1].replace(",", "")) / 100
    assert said == pytest.approx(level.factor, rel=1e-3)
    text = markdown(compose(study), {}).replace(SPACE, " ")
    assert "over 99 %, which does not cover the throughputs of h100" in text
    assert "worth waiting for" not in text
    assert "beforehand would save" not in text
    assert "probability of being cheapest, throughputs aside" in text
    assert (as_data(study)["evpi_share"], as_data(study)["worth_knowing_share"]) == (None, None)


def test_throughputs_that_are_compared_as_bounds_say_why():
    candidates = {server: {"server": server, "devices": 1} for server in ("dgx-h100", "dgx-b200")}
    whole = scenario(STEP, candidates=candidates, decision={"draws": 64})
    chosen = choose_all(whole)
    text = markdown(compose(Study(decide(whole, chosen.calibrations), Particulars(note=chosen.note))), {})
    assert "reaches: because dgx-b200 has no calibration, all are compared as ideal rooflines. Measure it" in text
    assert "\n\nBecause dgx-b200 has no calibration, all are compared as ideal rooflines.\n" in text


def test_latencies_and_precisions_are_on_the_page():
    # sibling: the estimate of each application, as tco.mix.serve has it.
    candidates = {
        "h100": {"server": "dgx-h100", "devices": 1, "framework": "ideal"},
        "gaudi": {"server": "gaudi-2-hls", "tokens_per_s": {"chat": 17_000.0, "step": 17_000.0, "read": 17_000.0}},
    }
    read = {"name": "read", "llm": "llama-3.1-8b", "prompt_tokens": 2048, "tokens_per_s": 1e5, "ttft_s": 1.0}
    step = {**STEP, "itl_s": 0.02, "precisions": ("bf16", "fp8")}
    found = decide(scenario({**CHAT, "ttft_s": 2.0}, step, read, candidates=candidates, decision={"draws": 64}))
    served = found.standings["h100"].served
    assert float(served["chat"].estimate.ttft_s) <= 2.0
    text = markdown(compose(Study(found)), {}).replace(SPACE, " ")
    for part in (
        f"| first token after | **{rough(float(served['chat'].estimate.ttft_s), 3)} s** | - |",
        f"| between tokens | **{rough(float(served['chat'].estimate.itl_s), 3)} s** | - |",
        f"| between tokens | **{rough(float(served['step'].estimate.time_s), 3)} s** | - |",
        f"| all is read after | **{rough(float(served['read'].estimate.time_s), 3)} s** | - |",
        "Tried: step in the fastest of bf16 and fp8; chat and read in bf16 alone",
        "static batches",
    ):
        assert part in text, part
    alone = decide(scenario(STEP, candidates={**candidates, "gaudi": _step_rates()["gaudi"]}, decision={"draws": 64}))
    assert "Only bf16 was tried" in markdown(compose(Study(alone)), {})


def test_a_price_at_the_low_end_of_its_range_is_said_beside_the_candidate():
    # property: a published range is drawn upwards of what is planned, so that the plan lies below all cases.
    found = decide(scenario(candidates={**measured(error=None), "gaudi": _ranged()}, facility=FIXED))
    low, high, _ = found.interval("gaudi", "h100") if found.reference == "h100" else found.interval("h100", "gaudi")
    name = "h100" if found.reference == "gaudi" else "gaudi"
    assert not low <= found.compare(name, found.reference).ratio <= high
    text = markdown(compose(Study(found)), {})
    said = "planned at the low end of " + ("its price" if name == "gaudi" else "the price of gaudi")
    assert said in text
    assert said in summary(Study(found), compose(Study(found)))


def _ranged():
    return {"server": "mi300x-8gpu", "tokens_per_s": {"chat": 40_000.0}}


def test_a_fleet_for_each_year():
    # hand: 1e6/4e4 = 25 servers, twice as many each year; 59, 118 and 236 of the other (58.8, 117.6, 235.3).
    found = decide(
        scenario(
            {**CHAT, "growth_per_year": 1.0},
            candidates=measured(error=None),
            service=NO_FAILURES,
            decision={"years": 3, "draws": 64},
            facility={"rack_power_kw": 40.0},
        )
    )
    text = markdown(compose(Study(found, Particulars(reveal=True))), {})
    assert "## As the traffic grows" in text
    for row in ("| servers + spare | 25 + 0 | 50 + 0 | 100 + 0 |", "| servers + spare | 59 + 0 | 118 + 0 | 236 + 0 |"):
        assert row in text, row
    # hand: three of 10.2 kW in a rack of 40 kW: 9, 17 and 34 racks.
    i = found.standings["h100"].plan.inputs
    each = i["price_usd"] + i["usd_per_watt"] * 10_200.0
    new = " | ".join(rough(count * each + racks * i["rack_usd"], 4) for count, racks in ((25, 9), (25, 8), (50, 17)))
    assert f"| capital, USD | {new} |" in text
    assert "As the traffic grows" not in markdown(compose(Study(decide(scenario()))), {})


def test_measured_throughput_comes_before_the_model():
    # hand: the rate that is given, with its error and no more.
    found = decide(scenario(facility=FIXED))
    throughput = found.standings["h100"].plan.deployment.throughput
    assert (throughput.kind, throughput.tokens_per_s, throughput.spread.scale) == ("measured", 40_000.0, 0.05)
    assert set(found.inputs) == {"h100.tokens_per_s", "gaudi.tokens_per_s"}


def test_all_candidates_are_calibrated_or_none():
    # property: a forecast beside an upper bound would favour the bound.
    def chosen(*servers):
        made = {server: {"server": server} for server in servers}
        return choose_all(scenario(STEP, candidates=made))

    assert all(one is not None for one in chosen("dgx-h100", "gaudi-2-hls").calibrations.values())
    one_unknown = chosen("dgx-h100", "dgx-b200")
    assert set(one_unknown.calibrations.values()) == {None}
    assert one_unknown.note == "because dgx-b200 has no calibration, all are compared as ideal rooflines"


def test_growth_is_levelised_by_application():
    # hand: at 100 % a year the fleet of year 2 is twice that of year 1 and so are its tokens: the price of one stays.
    found = decide(scenario({**CHAT, "tokens_per_s": 1e8, "growth_per_year": 1.0}, decision={"years": 2}))
    plan = found.standings["h100"].plan
    assert found.levelised_usd_per_million_tokens("h100") == pytest.approx(plan.usd_per_million_tokens, rel=2e-3)


# -------------------------------------------------------------------------------------- what would change it, and other


def _costs_at(found, level, at):
    """Cost of the cheapest and of the second, with an input at a value."""
    owner, _, name = level.name.rpartition(".")
    return [
        float(found.standings[key].plan.evaluate(**({name: at} if owner in ("", key) else {})).total_usd)
        for key in (found.best, found.runner_up)
    ]


@settings(max_examples=25)
@given(st.floats(0.5, 2.0), st.floats(0.03, 0.3), st.floats(0.0, 0.15))
def test_levels_plugged_back_make_both_cost_the_same(rate, tariff, interest):
    # property.
    found = decide(
        scenario(
            candidates=measured(h100=20_000 * rate),
            facility={"usd_per_kwh": tariff, "discount_rate": interest, "usd_per_tonne_co2": 50.0},
            service=NO_FAILURES,
        )
    )
    for level in Study(found).levels:
        if level.at is not None and not level.name.endswith("tokens_per_s"):
            best, second = _costs_at(found, level, level.at)
            assert best / second == pytest.approx(1, rel=1e-9), level.name


@settings(max_examples=25)
@given(st.floats(0.5, 2.0), st.floats(3e4, 3e6))
def test_levels_of_throughput_are_where_the_whole_servers_turn_the_answer(rate, traffic):
    # property: cost goes in steps with a throughput, and the level is the edge of the step at which the order changes;
    # so are the percentages that the page has.
    found = decide(
        scenario({**CHAT, "tokens_per_s": traffic}, candidates=measured(h100=20_000 * rate), decision={"draws": 64})
    )
    study = Study(found)
    text = markdown(Document("", tuple(robustness.changes(study))), {}).replace(SPACE, " ")
    levels = {level.name: level for level in study.levels}
    own, other = (levels[f"{name}.tokens_per_s"] for name in (found.best, found.runner_up))
    for level, turned, said in (
        (own, 1 - 1e-9, r"it stays ahead down to ([\d.,]+) %"),
        (other, 1 + 1e-9, r"it stays behind up to ([\d.,]+) %"),
    ):
        if level.at is None:  # a few servers: however fast, the one that stays costs more
            best, second = _costs_at(found, level, level.now * (1e4 if level is other else 1e-4))
            assert best < second
            assert f"Throughput of {level.name.partition('.')[0]}: nowhere." in text
            continue
        best, second = _costs_at(found, level, level.at)
        assert best < second
        best, second = _costs_at(found, level, level.at * turned)
        assert best >= second
        share = float(re.search(said, text)[1].replace(",", "")) / 100
        best, second = _costs_at(found, level, share * level.now)
        assert best < second
        assert share == pytest.approx(level.factor, rel=1e-3)


def test_prices_on_the_page_are_those_of_the_scenario_that_levels():
    # property: a scenario with the price at which both cost the same, all that goes with a price with it.
    candidates = measured()
    candidates["h100"]["purchase"] = {"support_share_per_year": 0.05, "scale_out_usd": 9_000.0}
    found = decide(scenario(candidates=candidates))
    level = next(level for level in Study(found).levels if level.name == "h100.price_usd")
    quoted = hs.get_server("dgx-h100").replace(price_usd=level.at).model_dump()
    again = decide(scenario(candidates=candidates, servers={"dgx-h100": quoted}))
    assert again.compare("h100", "gaudi").ratio == pytest.approx(1, rel=1e-9)


def test_a_carbon_price_that_levels_a_machine_that_is_rented():
    # property: the electricity of what is rented is in its rent, so that a carbon price does not change it.
    candidates = measured(h100=40_000.0, gaudi=8_000.0)
    candidates["rented"] = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "rental": {"usd_per_h": 2.2}}
    found = decide(scenario(candidates=candidates))
    assert (found.best, found.runner_up) == ("h100", "rented")
    level = next(level for level in Study(found).levels if level.name == "usd_per_tonne_co2")
    again = decide(scenario(candidates=candidates, facility={"usd_per_tonne_co2": level.at}))
    assert again.compare("h100", "rented").ratio == pytest.approx(1, rel=1e-9)


def test_a_turn_by_growth_is_found():
    # hand: porting costs the same whatever the traffic, so that its machine wins only once there is enough of it.
    candidates = measured(h100=40_000.0, gaudi=40_000.0, error=None)
    candidates["gaudi"]["purchase"] = {"porting_usd": 15e6}
    grown = scenario({**CHAT, "growth_per_year": 1.0}, candidates=candidates, decision={"years": 5})
    found = decide(grown)
    assert found.best == "h100"
    year = Study(found).flips_in_year
    costs = [found.by_year(name).total_usd for name in ("h100", "gaudi")]
    assert [bool(h > g) for h, g in zip(*costs, strict=True)].index(True) + 1 == year
    assert f"gaudi is cheaper in year {year}" in markdown(compose(Study(found)), {})


def test_what_is_worth_knowing_is_what_may_turn_the_answer():
    # property: a number that both share alike is worth nothing, and none more than all.
    found = decide(scenario(candidates=measured(h100=37_000.0, error=0.1)))
    worth = Study(found).worth
    assert next(iter(worth)).endswith(".tokens_per_s")
    assert worth["discount_rate"] < 1e-4 < max(worth.values()) <= found.evpi
    assert "most worth knowing is the throughput of a server" in markdown(compose(Study(found)), {})


@pytest.mark.parametrize("seed", range(6))
def test_one_number_is_worth_no_more_than_all(seed):
    # property: in each share of the draws the best on average costs no less than the best of each draw. Few draws and
    # one input that moves nearly all leave the least room.
    candidates = measured(h100=37_000.0, error=0.1)
    candidates["gaudi"]["tokens_per_s_error"] = 0.001
    found = decide(
        scenario(
            candidates=candidates, facility=FIXED, decision={"draws": 64 << seed, "seed": seed}, service=NO_FAILURES
        )
    )
    study = Study(found, Particulars(reveal=True))
    data = as_data(study)
    assert 0 < max(data["worth_knowing_share"].values()) <= data["evpi_share"]
    assert robustness.percent(max(data["worth_knowing_share"].values())) in robustness.information(study)


def test_what_is_worth_knowing_is_as_by_conditional_draws():
    # sibling: tco.risk draws the others anew at each value of an input.
    found = decide(scenario(candidates=measured(h100=37_000.0, error=0.1), facility=FIXED))

    def costs(**values):
        return np.stack([one.plan.evaluate(**found.changes(name, values)).total_usd for name, one in made.items()])

    made = found.standings
    other = risk.value_of_information(costs, found.inputs, draws=1024, nodes=24)
    now = min(float(usd.mean()) for usd in found.costs.values())
    for name, worth in Study(found).worth.items():
        assert worth == pytest.approx(other.partial[name] / now, rel=0.15)


def test_owning_pays_above_the_share_of_its_cost_in_the_rent():
    # hand: newsvendor; own cost over rent, where idle hours cost as much as busy ones.
    rented = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "rental": {"usd_per_h": 3.0}}
    found = decide(
        scenario({**CHAT, "profile": (1.0, 1.0, 1.0, 5.0)}, candidates=measured(error=None) | {"rented": rented})
    )
    (pair,) = Study(found).own_or_rent
    plan = found.standings["h100"].plan
    assert pair.threshold == pytest.approx(plan.usd_per_year / plan.servers / 8760 / (8 * 3.0), rel=1e-9)
    # Three quarters of the hours need 13 servers (12.5), the last 63 (62.5), which are busy a quarter of the time.
    assert pair.threshold > 0.25
    assert (pair.own, pair.own + pair.rent) == (13, 63)
    committed = {**rented, "rental": {"usd_per_h": 3.0, "commitment_years": 3.0}}
    (bound,) = Study(decide(scenario(candidates=measured(error=None) | {"rented": committed}))).own_or_rent
    assert (bound.threshold, bound.on_demand) == (None, False)


def test_the_cap_is_that_of_the_power_model():
    # sibling: tco.power_cap of the same phase, without a scenario.
    candidates = {
        name: {"server": server, "devices": 1, "framework": "ideal"}
        for name, server in (("h100", "dgx-h100"), ("gaudi", "gaudi-2-hls"))
    }
    found = decide(scenario(STEP, candidates=candidates))
    for cap in Study(found).caps:
        standing = found.standings[cap.name]
        plan = standing.plan
        direct = power_cap.best_cap(
            power_cap.FromModel(standing.served["step"].estimate),
            facility=plan.deployment.facility,
            server=plan.deployment.server,
            server_usd_per_year=float(plan.account.server_usd) / plan.servers,
            devices=8,
            charge_draw=True,
        )
        assert cap.choice.cost_ratio == pytest.approx(direct.cost_ratio, rel=1e-6)
        assert cap.choice.throughput_loss == pytest.approx(direct.throughput_loss, abs=1e-4)


def test_a_cap_keeps_the_limits_on_latency():
    # property: the batch stays, so that a step may take no longer than its limit.
    one = Application("step", llm="llama-3.1-8b", context_tokens=2048)
    free = serve(one, hs.get("gaudi-2"), devices=1)
    limit = float(free.estimate.time_s) * 1.001
    candidates = {
        "gaudi": {"server": "gaudi-2-hls", "devices": 1, "framework": "ideal"},
        "h100": {"server": "dgx-h100", "tokens_per_s": {"step": 40_000.0}},
    }
    found = decide(scenario({**STEP, "itl_s": limit}, candidates=candidates))
    caps = {cap.name: cap for cap in Study(found).caps}
    assert caps["gaudi"].choice.throughput_loss <= 0.001 + 1e-9
    assert (caps["h100"].choice, caps["h100"].pays) == (None, False)
    assert "measured at full power alone" in caps["h100"].why


def test_limits_of_a_mixed_fleet_hold():
    # hand: 20 servers of each may be had in a mix, and no fleet of 25 H100 then.
    candidates = measured(error=None)
    for one in candidates.values():
        one["supply"] = 70
    found = decide(scenario(candidates=candidates, fleet={"racks": 9}, service=NO_FAILURES))
    fleet = Study(found).mixed.fleet
    assert fleet.racks <= 9
    with pytest.raises(ValueError, match=r"(?s)no candidate can.*h100: fleet.racks has no room for the fleet: 25 ser"):
        decide(scenario(candidates=candidates, fleet={"racks": 1}, service=NO_FAILURES))


def test_what_alone_is_too_few_is_part_of_a_mixture():
    # hand: 20 of the 25 H100 that would be needed serve 800,000 of 1e6 token/s, and 12 (11.8) Gaudi 2 the rest; a
    # token costs less on H100 (107,000/40,000 < 53,000/17,000 USD/year), so that the fleet has all that there are.
    candidates = measured(error=None)
    candidates["h100"]["supply"] = 20
    found = decide(scenario(candidates=candidates, service=NO_FAILURES))
    assert (list(found.standings), list(found.beside), list(found.unable)) == (["gaudi"], ["h100"], ["h100"])
    free = decide(scenario(candidates=measured(error=None), service=NO_FAILURES))
    each = {name: one.plan.usd_per_year / one.plan.servers for name, one in free.standings.items()}
    study = Study(found, Particulars(reveal=True))
    assert study.mixed.counts == {"gaudi": 12, "h100": 20}
    # A rack is shared among whole servers of the plan, and so its part is of the plan's.
    assert study.mixed.fleet.usd_per_year == pytest.approx(20 * each["h100"] + 12 * each["gaudi"], rel=1e-9)
    assert study.mixed.over_best == pytest.approx(study.mixed.fleet.usd_per_year / (59 * each["gaudi"]), rel=1e-9)
    text = markdown(compose(study), {}).replace(SPACE, " ")
    assert "No mixture is cheaper" not in text
    assert "A mixed fleet would cost less still" in text
    assert "fewer than the fleet needs: 25 servers of 40,000 tokens/s each" in text
    assert "| h100 (out) |" in text
    masked = markdown(compose(Study(found)), {}).replace(SPACE, " ")
    assert "25 servers of (private) tokens/s each" in masked
    site = decide(scenario(candidates=measured(error=None), facility={"site_power_kw": 400.0}, service=NO_FAILURES))
    assert list(site.beside) == ["gaudi"]
    assert Study(site).mixed.fleet.power_w <= 400e3


def test_what_several_machines_do_together_is_said_where_none_does_alone():
    # hand: 13 of the 25 H100 serve 520,000 token/s, and 29 (28.2) of the 59 Gaudi 2 the rest.
    candidates = measured(error=None)
    candidates["h100"]["supply"], candidates["gaudi"]["supply"] = 13, 40
    with pytest.raises(ValueError, match=r"several do together: 13 of h100 and 29 of gaudi"):
        decide(scenario(candidates=candidates, service=NO_FAILURES))


def test_rent_by_the_hour_is_paid_while_it_is_needed():
    # independent: every number of owned servers tried; what a slot needs beyond is rented in that slot alone.
    rented = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "rental": {"usd_per_h": 3.0}}
    candidates = {"h100": measured(error=None)["h100"], "rented": rented}
    profile = (1.0, 1.0, 2.0, 3.0, 3.0, 8.0)
    found = decide(scenario({**CHAT, "profile": profile}, candidates=candidates, service=NO_FAILURES))
    plan = found.standings["h100"].plan
    needed = np.ceil(1e6 * np.array(profile) / np.mean(profile) / 40_000.0)
    owned = np.arange(needed.max() + 1)
    rent = 8 * 3.0 * 8760 * np.maximum(needed - owned[:, None], 0).mean(axis=1)
    usd = owned * plan.usd_per_year / plan.servers + rent
    study = Study(found)
    mixed = study.mixed
    assert usd.min() <= mixed.fleet.usd_per_year * (1 + 1e-9)
    assert mixed.fleet.usd_per_year <= usd.min() * 1.01
    assert (mixed.hourly, mixed.platforms) == (("rented",), 1)
    assert mixed.counts["h100"] + mixed.counts["rented"] == needed.max()
    text = markdown(compose(study), {}).replace(SPACE, " ")
    assert f"up to {mixed.counts['rented']} of rented by the hour, if they can be had then:" in text
    assert "platforms" not in text
    # No more than can be had, though too few to serve everything alone.
    few = {**rented, "supply": 3}
    short = Study(
        decide(scenario({**CHAT, "profile": profile}, candidates={**candidates, "rented": few}, service=NO_FAILURES))
    )
    assert short.mixed.counts == {"h100": needed.max() - 3, "rented": 3}
    assert "weighs what is owned against what is rented" in markdown(compose(short), {})
    # A rent for a commitment is paid all year, and saves nothing here.
    bound = {**rented, "rental": {"usd_per_h": 3.0, "commitment_years": 1.0}}
    other = decide(
        scenario({**CHAT, "profile": profile}, candidates={**candidates, "rented": bound}, service=NO_FAILURES)
    )
    assert Study(other).mixed.machines == ("h100",)


def test_limits_hold_in_every_year():
    # hand: 25, 50 and 100 servers of 10.2 kW at a PUE of 1.25 take 319, 638 and 1,275 kW; 59 and 118 of 8.74 kW take
    # 645 and 1,290 kW. What is rented takes nothing of the site.
    grown = {**CHAT, "growth_per_year": 1.0}
    rented = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "rental": {"usd_per_h": 3.0}}
    rest = {"service": NO_FAILURES, "decision": {"years": 3, "draws": 64}}
    candidates = measured(error=None, rented=rented)
    found = decide(scenario(grown, candidates=candidates, facility={"site_power_kw": 700.0, "pue": 1.25}, **rest))
    assert found.unable == {
        "h100": "facility.site_power_kw does not feed the fleet of year 3: 100 servers",
        "gaudi": "facility.site_power_kw does not feed the fleet of year 2: 118 servers",
    }
    candidates["h100"]["supply"] = 60
    few = decide(scenario(grown, candidates=candidates, **rest))
    assert few.unable == {"h100": "candidates.h100.supply is fewer than the fleet of year 3 needs: 100 servers"}
    once = decide(scenario(candidates=candidates, facility={"site_power_kw": 700.0, "pue": 1.25}, **rest))
    assert once.unable == {}


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"site_power_kw": 400.0}, "fleet.site_power_kw does not feed the fleet: 59 servers"),
        ({"racks": 9}, "fleet.racks has no room for the fleet: 59 servers"),
        ({"tonnes_co2_per_year": 2000.0}, "fleet.tonnes_co2_per_year is less than the fleet emits: 59 servers"),
    ],
)
def test_limits_of_the_fleet_are_of_any_fleet(limit, reason):
    # hand: 25 H100 take 319 kW, 9 racks of three and 1,343 t (2.79 GWh at 481 g/kWh); 59 Gaudi 2 take 645 kW, 15
    # racks of four and 2,716 t.
    found = decide(scenario(candidates=measured(error=None), fleet=limit, service=NO_FAILURES))
    assert found.unable == {"gaudi": reason}
    assert found.best == "h100"


# ------------------------------------------------------------------------------------------------------------ the page


class Checker(HTMLParser):
    """Keeps a stack of open elements, and what is found on the way."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.texts, self.rows = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += int(found.get("colspan", 1))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def checked(text):
    parser = Checker()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def study():
    """A scenario with all that a page may have: two applications, one of them modelled, a rent, ranges, growth."""
    candidates = {
        "h100": {"server": "dgx-h100", "devices": 1, "tokens_per_s": {"chat": 38_000.0}},
        "gaudi": {"server": "gaudi-2-hls", "devices": 1, "tokens_per_s": {"chat": 17_000.0}},
        "rented": {"server": "dgx-h100", "devices": 1, "tokens_per_s": {"chat": 38_000.0}, "rental": {}},
    }
    whole = scenario(
        {**CHAT, "profile": (1.0, 2.0, 3.0), "growth_per_year": 0.3},
        {**STEP, "itl_s": 0.05},
        candidates=candidates,
        ranges={"usd_per_kwh": {"low": 0.06, "high": 0.16}},
        correlations=({"between": ("usd_per_kwh", "h100.tokens_per_s"), "value": 0.2},),
        prepared_by="A. Planner",
        title="Chat & steps <2027>",
    )
    chosen = choose_all(whole)
    what = Particulars(reveal=True, version="1.2.3", digest="ab" * 32, note=chosen.note)
    return Study(decide(whole, chosen.calibrations), what)


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Pictures of fewer dots, which are drawn faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_DPI", 40)
        yield


@pytest.fixture(scope="module")
def pictures(study):
    return draw(study, tuple(figure.name for figure in compose(study).figures))


def test_the_page_has_what_a_signature_needs(study):
    # the issue: decision, candidates, break-evens, risk, mixed fleet, sources, what is left out, place to sign.
    text = markdown(compose(study), {})
    for heading in (
        "# Chat & steps \\<2027\\>",
        "## Candidates",
        "## Applications",
        f"## Why {study.found.best}",
        "## What would change it",
        "## How sure it is",
        "## A fleet of several machines",
        "## Own or rent",
        "## A power cap",
        "## What it rests on",
        "### Inputs and sources",
        "## What is not in it",
        "## Signed off",
    ):
        assert f"{heading}\n" in text, heading
    for part in ("R_Th", "R_SC", "R_IC", "USD per 10⁶ input tokens", "tokens per joule", "g CO₂e", "litres of water"):
        assert part in text, part
    for part in ("ab" * 32, "inference-tco 1.2.3", "A. Planner", "electricity tariff (usd_per_kwh)", "4,096 times"):
        assert part in text, part
    assert "e+0" not in text


def test_what_is_bought_is_on_the_page():
    # hand: 25 servers and 2 spares; network, installation and porting; 9 racks of three; 10.2 kW each.
    purchase = {"scale_out_usd": 9e3, "installation_usd": 1e3, "porting_usd": 5e5}
    candidates = measured(error=None, rented={"server": "dgx-h100", "tokens_per_s": {"chat": 4e4}, "rental": {}})
    candidates["h100"]["purchase"] = purchase
    found = decide(scenario(candidates=candidates, facility={"rack_usd": 6e3, "usd_per_watt": 12.0}))
    plan = found.standings["h100"].plan
    price = 269_000.0
    assert plan.capital == pytest.approx(
        {
            "server": 25 * price,
            "spares": plan.spares * price,
            "network": 25 * 9e3,
            "installation": 25 * 1e3,
            "porting": 5e5,
            "rack": 9 * 6e3,
            "plant": 25 * 10_200 * 12.0,
        }
    )
    assert found.standings["rented"].plan.capital == {}
    text = markdown(compose(Study(found, Particulars(reveal=True))), {}).replace("**", "")
    order = found.order.index("h100")
    bought = next(line for line in text.splitlines() if line.startswith("| USD to buy servers and what comes"))
    cells = bought.strip("| ").split(" | ")[1:]
    assert cells[order] == f"{(25 + plan.spares) * price + 25 * 1e4 + 5e5:,.0f}"
    assert cells[found.order.index("rented")] == "-"
    site = next(line for line in text.splitlines() if line.startswith("| USD for racks and plant"))
    assert site.strip("| ").split(" | ")[1 + order] == f"{9 * 6e3 + 25 * 10_200 * 12.0:,.0f}"
    assert "USD to buy" not in markdown(compose(Study(found)), {})
    assert as_data(Study(found))["candidates"]["h100"]["capital_usd"] is None


@pytest.mark.parametrize("reveal", [True, False])
def test_parts_of_the_cost_add_up(reveal):
    # property: rows of each candidate add up to its whole, in dollars or over the reference.
    found = decide(scenario(candidates=measured(), facility={"usd_per_kwh": 0.08}))
    candidates = [
        block for block in compose(Study(found, Particulars(reveal=reveal))).blocks if isinstance(block, Table)
    ]
    table = next(block for block in candidates if block.caption.startswith("Cost by part"))
    over = 1.0 if reveal else found.standings[found.reference].plan.usd_per_year
    for column, name in enumerate(found.order, 1):
        cells = [float(row[column].replace(",", "")) for row in table.rows]
        assert cells[-1] == pytest.approx(found.standings[name].plan.usd_per_year / over, abs=0.5 if reveal else 5e-4)
        assert sum(cells[:-1]) == pytest.approx(cells[-1], abs=0.5 * len(cells) if reveal else 5e-4 * len(cells))
    (figure,) = [one for one in compose(Study(found, Particulars(reveal=reveal))).figures if one.name == "costs"]
    assert (f"over the whole of {found.reference}" in figure.caption) is not reveal


def test_latencies_add_up_and_the_division_is_said():
    # sibling: the estimate. What the calibration found once per run is in the whole answer and in neither other row.
    candidates = {
        "gaudi": {"server": "gaudi-2-hls", "devices": 1},
        "h100": {"server": "dgx-h100", "tokens_per_s": {"chat": 4e4}},
    }
    asked = scenario({**CHAT, "ttft_s": 2.0}, candidates=candidates, decision={"draws": 64})
    study = Study(decide(asked, choose_all(asked).calibrations))
    served = study.found.standings["gaudi"].served["chat"]
    text = markdown(compose(study), {}).replace(SPACE, " ").replace("**", "")
    cells = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "8 copies of 1 device" in cells["division"]
    assert f" {8 * served.batch:,} " in cells["batch of the server"]  # of eight devices that serve one each
    e = served.estimate
    rest = float(e.latency_s - e.ttft_s - 255 * e.itl_s)
    said = f"what the calibration found once for each run, {rough(rest)} s of gaudi"
    assert (said in text) == (rest > 1e-3 * float(e.latency_s))
    losses = study.found.standings["gaudi"].calibration.losses_on(1)
    assert rest == pytest.approx(losses.constants["run_s"], abs=1e-9)


def test_defaults_that_were_held_are_named():
    # hand: a rack's power moves servers in steps, and the grid's carbon nothing where none is priced.
    held = "; power of a rack, carbon of the electricity and water used on site were held as planned"
    assert held in markdown(compose(Study(decide(scenario()))), {})
    priced = markdown(compose(Study(decide(scenario(facility={"usd_per_tonne_co2": 50.0})))), {})
    assert "; power of a rack and water used on site were held as planned" in priced
    given_all = markdown(compose(Study(decide(scenario(facility=FIXED)))), {})
    assert "held as planned" not in given_all
    assert "not converted to those of 2026" in given_all


def test_unlike_kinds_of_throughput_are_minded():
    candidates = {
        "h100": {"server": "dgx-h100", "devices": 1, "framework": "ideal"},
        "gaudi": {"server": "gaudi-2-hls", "tokens_per_s": {"step": 17_000.0}},
    }
    beside = markdown(compose(Study(decide(scenario(STEP, candidates=candidates, decision={"draws": 64})))), {})
    assert "Mind: gaudi is measured, and h100 modelled" in beside
    part = {**candidates, "h100": {"server": "dgx-h100", "devices": 1, "tokens_per_s": {"chat": 4e4}}}
    part["gaudi"] = {"server": "gaudi-2-hls", "tokens_per_s": {"chat": 1.7e4, "step": 1.7e4}}
    mixed = markdown(compose(Study(decide(scenario(CHAT, STEP, candidates=part, decision={"draws": 64})))), {})
    assert "Mind: the throughput of h100 is measured for some applications and modelled for others" in mixed
    assert "Mind:" not in markdown(compose(Study(decide(scenario()))), {})


def test_input_and_output_tokens_share_the_total(study):
    # property: prices times tokens are the cost of the year, in the numbers of the page.
    text = markdown(compose(study), {})

    def cell(row):
        line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
        return float(line.split("|")[2].strip(" *").replace(",", ""))

    read, written = 1e6 * 1024 / 256, 1e6 + 1e6  # steps write tokens, and read none
    per_s = cell("USD per 10⁶ input tokens") * read / 1e6 + cell("USD per 10⁶ output tokens") * written / 1e6
    assert per_s * 365 * 86_400 == pytest.approx(cell("USD a year"), rel=1e-3)


def test_html_is_well_formed_and_needs_no_other_file(study, pictures):
    text = html(compose(study), pictures)
    found = checked(text)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object"}
    for tag, attributes in found.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)
    links = {attributes["href"][1:] for tag, attributes in found.tags if tag == "a"}
    assert links <= set(found.ids)
    assert len(links) >= 10
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert len(images) == len(compose(study).figures)
    for image in images:
        assert len(image["alt"]) > 40
    assert "url(" not in text
    assert "@import" not in text


def test_markdown_tables_are_well_formed(study):
    blocks = markdown(compose(study), {}).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) >= 8
    for lines in tables:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1
        assert re.fullmatch(r"\|(:?-+:?\|)+", lines[1])


def test_figures_are_pictures_whose_alt_texts_state_the_finding(study, pictures):
    made = compose(study)
    names = [figure.name for figure in made.figures]
    assert {"costs", "surface", "distribution", "tornado", "cheapest"} <= set(names)
    assert list(pictures) == names  # none is promised that is not drawn
    for picture in pictures.values():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    for figure in made.figures:
        assert re.search(r"\d|turn|" + "|".join(study.found.standings), figure.alt), figure.alt


def test_the_same_scenario_draws_the_same_bytes(study, pictures):
    # property: a page can be checked against its scenario.
    assert draw(study, ("costs", "tornado")) == {name: pictures[name] for name in ("costs", "tornado")}


def test_links_of_markdown_go_to_headings(study):
    # hand: what GitHub makes of a heading: lower case, hyphens for spaces, no other marks.
    assert Heading("Why h100-80gb, really?").anchor == "why-h100-80gb-really"
    text = markdown(compose(study), {})
    anchors = re.findall(r"\]\(#([^)]*)\)", text)
    made = {Heading(line.removeprefix("## ")).anchor for line in text.splitlines() if line.startswith("## ")}
    assert set(anchors) == made


def test_json_is_the_decision(study):
    data = json.loads(json.dumps(as_data(study), allow_nan=False))
    assert data["best"] == study.found.best
    assert data["decided"] == study.found.decided
    best = data["candidates"][data["best"]]
    assert best["usd_per_year"]["total"] == pytest.approx(sum(best["usd_per_year"].values()) / 2)
    assert best["usd_per_year"]["total"] == pytest.approx(study.found.standings[data["best"]].plan.usd_per_year)


def test_nothing_that_may_be_off_is_said_so():
    # property: without a single range there is no distribution, and the numbers decide.
    found = decide(scenario(candidates=measured(error=None), facility=FIXED))
    assert found.inputs == {}
    assert found.evpi == 0
    assert set(found.probabilities.values()) == {0.0, 1.0}
    study = Study(found)
    text = markdown(compose(study), {})
    assert "Nothing says how far any number may be off" in text
    assert set(draw(study, ("costs", "distribution", "tornado", "cheapest"))) == {"costs"}


def test_equal_candidates_cost_the_same_in_words_and_a_single_number_may_be_off():
    twin = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}}
    found = decide(
        scenario(
            candidates={"a": twin, "b": twin},
            facility=FIXED,
            ranges={"traffic_per_s": {"low": 0.8, "high": 1.2, "relative": True}},
        )
    )
    study = Study(found)
    document = compose(study)
    text = markdown(document, {})
    assert "As planned it costs the same as b" in text
    assert found.probabilities == {"a": 0.5, "b": 0.5}
    assert "Too close to call" in text
    assert len(draw(study, tuple(figure.name for figure in document.figures))) >= 2


def test_many_candidates_are_divided_over_tables():
    # property: a page of A4 holds five.
    machines = {f"m{i}": {"server": "dgx-h100", "tokens_per_s": {"chat": 30_000.0 + 500 * i}} for i in range(7)}
    document = compose(Study(decide(scenario(candidates=machines, decision={"draws": 64}))))
    widths = [len(block.header) for block in document.blocks if isinstance(block, Table)]
    assert max(widths) <= 8


_CONTAINERS = ("html", "head", "body", "main", "div", "ul", "table", "thead", "tbody", "tr", "figure")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
def test_any_text_stays_text(title, rows):
    # property: a user's words are never markup.
    document = Document(
        title,
        (
            Heading(title, 1),
            Callout(title, title),
            Paragraph(title),
            Bullets((title,)),
            Facts(((title, title),)),
            Table((title, title), tuple(rows), caption=title, groups={0: title}),
            Figure("x", title, title),
        ),
    )
    found = checked(html(document, {"x": b"\x89PNG"}))
    expected = ("h1", "p", "li", "b", "span", "th", "td", "img", "figcaption", "meta", "title", "style")
    assert {tag for tag, _ in found.tags} == {*expected, *_CONTAINERS}
    said = "".join(found.texts)
    for text in (title, *(cell for row in rows for cell in row)):
        assert text in said
    lines = [line for line in markdown(document, {}).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} <= {2, 3}


def test_a_table_of_unlike_rows_is_refused():
    with pytest.raises(ValueError, match="another number of cells"):
        Table(("a", "b"), (("1",),))


# ------------------------------------------------------------------------------------------------------ words, numbers


@given(st.floats(1e-9, 1e15), st.integers(2, 6))
def test_numbers_have_no_exponent_and_lose_no_digit(amount, digits):
    # property: what is written is what was meant, to half of the last digit.
    text = plain(amount, digits)
    assert re.fullmatch(r"[\d,]+(\.\d+)?", text)
    assert float(text.replace(",", "")) == pytest.approx(amount, rel=0.51 * 10 ** (1 - digits))


def test_every_input_of_an_account_has_a_name_in_words():
    assert set(inspect.signature(tco.account).parameters) <= set(INPUTS)
    models = (tco.Facility, tco.Purchase, tco.planning.Service if hasattr(tco, "planning") else tco.Service)
    for model in models:
        named = set(model.model_fields)
        assert named <= set(INPUTS), named - set(INPUTS)
    assert keyed("h100.price_usd") == "price of a server (h100.price_usd)"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.8, 1.2, "20 % less to 20 % more"),
        (0.8, 0.9, "20 % to 10 % less"),
        (1.1, 3.0, "10 % more to 3 times as much"),
        (1.0, 1.5, "the same to 50 % more"),
    ],
)
def test_ranges_of_costs_in_words(low, high, words):
    # hand.
    assert between(low, high).replace(SPACE, " ") == words
    assert less(low)


# ------------------------------------------------------------------------------------------------------------- privacy

PRIVATE = {
    "price": 231_234.0,
    "power": 9_137.0,
    "tariff": 0.0734,
    "plant": 13.37,
    "rent": 2.3719,
    "licence": 4_321.0,
    "traffic": 987_654.0,
    "rate": 41_237.0,
    "low": 0.0613,
    "high": 0.0917,
    "rack": 7_654.0,
    "pue": 1.173,
}


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    """A scenario file full of private numbers that are easy to recognise."""
    path = tmp_path_factory.mktemp("secret") / "scenario.toml"
    p = PRIVATE
    path.write_text(
        f"""
title = "Secret"
date = "2026-11-22"
price_year = 2026
[decision]
draws = 256
[[applications]]
name = "chat"
llm = "llama-3.1-8b"
prompt_tokens = 1024
output_tokens = 256
tokens_per_s = {p["traffic"]}
growth_per_year = 0.2718
[candidates.h100]
server = "dgx-h100"
tokens_per_s = {{ chat = {p["rate"]} }}
tokens_per_s_error = 0.05
[candidates.h100.purchase]
licence_usd_per_accelerator_year = {p["licence"]}
[candidates.gaudi]
server = "gaudi-2-hls"
tokens_per_s = {{ chat = 15000 }}
[candidates.rented]
server = "dgx-h100"
tokens_per_s = {{ chat = {p["rate"]} }}
[candidates.rented.rental]
usd_per_h = {p["rent"]}
[servers.dgx-h100]
price_usd = {p["price"]}
power_w = {p["power"]}
[facility]
usd_per_kwh = {p["tariff"]}
usd_per_watt = {p["plant"]}
rack_usd = {p["rack"]}
pue = {p["pue"]}
[ranges.usd_per_kwh]
low = {p["low"]}
high = {p["high"]}
"""
    )
    return path


def spellings(amount):
    """How an amount may be recognised, whole or to four digits."""
    forms = {f"{amount:g}", f"{amount:,.0f}" if amount >= 1000 else f"{amount:g}", f"{amount:.4g}", plain(amount)}
    return {form for form in forms if len(form.strip("0.,")) >= 3 or "." in form}


def shown(text):
    return {name for name, amount in PRIVATE.items() if any(form in text for form in spellings(amount))}


def test_private_numbers_stay_unless_revealed(secret, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure as Picture
    from matplotlib.text import Text

    drawn = []

    def save(self, file, **_):
        drawn.extend(text.get_text() for text in self.findobj(Text))
        file.write(b"\x89PNG\r\n\x1a\n")

    monkeypatch.setattr(Picture, "savefig", save)
    everything = {}
    for reveal in ([], ["--reveal"]):
        drawn.clear()
        out = tmp_path / f"out{len(reveal)}"
        assert main(["recommend", str(secret), "--out", str(out), *reveal]) == 0
        printed = capsys.readouterr()
        assert main(["recommend", str(secret), "--json", *reveal]) == 0
        told = capsys.readouterr().out
        pages = [(out / f"recommendation.{kind}").read_text(encoding="utf-8") for kind in ("html", "md")]
        text = re.sub(r"base64,[\w+/=]*", "", "\n".join([*pages, printed.out, printed.err, told, *drawn]))
        everything[bool(reveal)] = text
        plan_total = json.loads(told)["candidates"]["h100"]["usd_per_year"]
        assert (plan_total is None) == (not reveal)
        assert len(drawn) > 50
    assert shown(everything[False]) == set()
    # Server counts are the decision and stay; so do ratios.
    assert "servers" in everything[False]
    assert "(private)" in everything[False]
    assert shown(everything[True]) == set(PRIVATE)


def test_numbers_that_are_measured_are_in_no_repr():
    # property: whoever prints a level or the inputs sees no throughput of the user's.
    found = decide(scenario(candidates=measured(h100=33_333.0, gaudi=17_717.0)))
    told = f"{found!r} {found.inputs!r} {Study(found).levels!r}"
    assert "33333" not in told
    assert "17717" not in told
    assert "now" not in repr(Study(found).levels)


def test_efficiency_is_relative_where_powers_are_private():
    # property: tokens per joule would give the power away.
    candidates = measured()
    public = Study(decide(scenario(candidates=candidates)))
    private = Study(decide(scenario(candidates=candidates, facility={"pue": 1.2})))
    assert public.shows_watts
    assert not private.shows_watts
    assert "tokens per joule, over" in markdown(compose(private), {})
    data = as_data(private)["candidates"]["h100"]
    assert (data["tokens_per_joule"], data["site_power_w"], data["usd_per_year"]) == (None, None, None)


def test_figures_by_token_do_not_give_the_traffic_away():
    # hand: with two digits of what is per token, traffic is known to 1 in 100 at best; revealed it is exact.
    found = decide(scenario({**CHAT, "tokens_per_s": 1_234_567.0}, candidates=measured(error=None)))
    data = as_data(Study(found))["candidates"]["h100"]
    plan = found.standings["h100"].plan
    assert data["utilisation"] == float(f"{plan.utilisation:.2g}") != plan.utilisation
    for name in ("usd_per_million_tokens", "tokens_per_joule", "gco2_per_million_tokens"):
        assert data[name] == float(f"{getattr(plan, name):.2g}") != getattr(plan, name)
    assert as_data(Study(found))["scenario_sha256"] is None
    text = markdown(compose(Study(found)), {})
    assert f"| USD per 10⁶ tokens | **{plan.usd_per_million_tokens:.2g}** |" in text
    shown = as_data(Study(found, Particulars(reveal=True)))["candidates"]["h100"]
    assert (shown["utilisation"], shown["tokens_per_joule"]) == (plan.utilisation, plan.tokens_per_joule)


def test_the_picture_of_a_cap_says_what_the_table_does():
    # property: its label has the cost to as many digits as the table has of what is saved.
    one = {"server": "gaudi-2-hls", "devices": 1, "framework": "ideal"}
    found = decide(
        scenario(STEP, candidates={"gaudi": one, "h100": {**one, "server": "dgx-h100"}}, decision={"draws": 64})
    )
    study = Study(found)
    choice = next(cap.choice for cap in study.caps if cap.name == found.best)
    from matplotlib import pyplot

    ax = figures._cap(study)
    (said,) = [text.get_text() for text in ax.texts if text.get_gid() == "optimum label"]
    pyplot.close(ax.figure)
    cost = float(re.search(r"cost ([\d.]+)×", said)[1])
    assert 1 - cost == pytest.approx(choice.gain, abs=5.1e-4 if choice.gain >= 0.01 else 5.1e-5)
    assert ("no throughput lost" in said) == (choice.throughput_loss < 5e-5)


def test_the_picture_of_a_cap_has_watts_only_where_they_are_revealed():
    candidates = {
        name: {"server": server, "devices": 1, "framework": "ideal"}
        for name, server in (("h100", "dgx-h100"), ("gaudi", "gaudi-2-hls"))
    }
    found = decide(scenario(STEP, candidates=candidates, decision={"draws": 64}))
    import matplotlib.pyplot as plt

    for reveal, unit in ((False, "% of full power"), (True, "W")):
        ax = figures._cap(Study(found, Particulars(reveal=reveal)))
        assert ax.get_xlabel() == f"power cap [{unit}]"
        said = next(text.get_text() for text in ax.texts if text.get_gid() == "optimum label")
        assert re.match(r"best cap [\d.,]+ (%|W)", said)[1] == unit[0]
        assert (ax.get_xlim()[1] > 110) == reveal
        plt.close(ax.figure)


def test_bars_are_in_the_order_of_the_table():
    # property: each bar ends at its ratio.
    rented = {"server": "dgx-h100", "tokens_per_s": {"chat": 40_000.0}, "rental": {}}
    found = decide(scenario(candidates=measured() | {"rented": rented}, decision={"draws": 64}))
    assert found.order[-1] != found.reference
    import matplotlib.pyplot as plt

    ax = figures._costs(Study(found))
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.order)
    bars = [bar for bar in ax.patches if bar.get_width() > 0]
    for at, name in enumerate(found.order):
        ends = [bar.get_x() + bar.get_width() for bar in bars if round(bar.get_y() + bar.get_height() / 2) == at]
        total = float(ax.get_xlim()[1]) and max(ends) / max(
            bar.get_x() + bar.get_width()
            for bar in bars
            if round(bar.get_y() + bar.get_height() / 2) == found.order.index(found.reference)
        )
        assert total == pytest.approx(found.compare(name, found.reference).ratio, rel=1e-6)
    plt.close(ax.figure)


# ----------------------------------------------------------------------------------------------------------- the shell


def test_one_command_writes_the_compose(secret, tmp_path, capsys):
    out = tmp_path / "to" / "sign"
    assert main(["recommend", str(secret), "--out", str(out), "--no-figures"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert str(out / "recommendation.html") in printed.out
    assert sorted(path.name for path in out.iterdir()) == ["recommendation.html", "recommendation.md"]
    text = (out / "recommendation.md").read_text(encoding="utf-8")
    assert "](recommendation-" not in text
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    assert digest not in text  # or guesses at what is masked could be tested
    assert main(["recommend", str(secret), "--out", str(out), "--no-figures", "--reveal"]) == 0
    assert digest in (out / "recommendation.md").read_text(encoding="utf-8")


def test_one_call_does_what_the_command_does(secret, tmp_path):
    # sibling: the command.
    assert main(["recommend", str(secret), "--out", str(tmp_path / "a"), "--no-figures"]) == 0
    found = tco.recommendation.write(secret, tmp_path / "b", figures=False)
    assert isinstance(found, tco.Recommendation)
    for name in ("recommendation.md", "recommendation.html"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()
    drawn = tco.recommendation.write(scenario(decision={"draws": 64}), tmp_path / "c", progress=list)
    assert (tmp_path / "c" / "recommendation-costs.png").read_bytes().startswith(b"\x89PNG")
    assert drawn.best == "h100"


def test_importing_the_page_is_cheap():
    # property: what is not asked for is not loaded.
    code = "import sys, tco.recommendation as r; print([n for n in sys.modules if n.startswith('tco.recommendation.')])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_a_mistake_is_said_once_and_nothing_is_written(secret, tmp_path, capsys):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(secret.read_text().replace('server = "gaudi-2-hls"', 'server = "gaudy-2"'))
    assert main(["recommend", str(wrong), "--out", str(tmp_path / "out")]) == 2
    assert "candidates.gaudi.server" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
