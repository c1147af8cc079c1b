"""A scenario's file: what it says, every mistake in it at once, and the template and schema that come with it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import tco
from tco._lines import line_numbers
from tco.cli import main
from tco.cli_scenario import summary
from tco.costs import OF_ANY_SERVER, OF_ONES_OWN
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental
from tco.recommendation import decide
from tco.recommendation.terms import own_or_rent
from tco.scenario import (
    ApplicationEntry,
    Candidate,
    Correlation,
    Decision,
    FleetLimits,
    Range,
    Scenario,
    ScenarioError,
    json_schema,
    read_scenario,
    scenario_template,
    write_template,
)
from tco.scenario.range_checks import INPUTS

BASE = """\
title = "Chat"
date = "2026-11-22"
price_year = 2026

[[applications]]
name = "chat"
llm = "llama-3.1-8b"
prompt_tokens = 1024
output_tokens = 256
tokens_per_s = 50000

[candidates.h100]
server = "dgx-h100"

[candidates.gaudi-2]
server = "gaudi-2-hls"
"""

OF_CANDIDATES = (
    '[decision]\nreference = "h100"\n[ranges.pue]\nlow = 1.1\nhigh = 1.4\n'
    '[ranges."h100.price_usd"]\nlow = 0.9\nhigh = 1.1\nrelative = true\n'
    '[[correlations]]\nbetween = ["pue", "h100.price_usd"]\nvalue = 0.5\n'
)
"""What rests on a candidate that is called h100."""

TABLES = (
    Scenario,
    Decision,
    ApplicationEntry,
    Candidate,
    Purchase,
    Rental,
    Facility,
    Service,
    Range,
    Correlation,
    FleetLimits,
)


def written(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder, text, name="mine.toml"):
    with pytest.raises(ScenarioError) as error:
        read_scenario(written(folder, text, name))
    assert error.value.__context__ is None
    assert error.value.__cause__ is None
    return str(error.value).replace(f"{folder}/", "").splitlines()


def awake(text):
    """Take the # from every key and table at rest."""
    return re.sub(r"^#(?=[a-z]\w* = |\[)", "", text, flags=re.MULTILINE)


def of_the_fleet_alone(text):
    """Lay the power of the site to rest at its first place, the facility; that of the fleet stays."""
    return re.sub(r"^(?=site_power_kw = )", "#", text, count=1, flags=re.MULTILINE)


# --------------------------------------------------------------------------------------------------- what a file says


def test_a_scenario_is_what_its_file_says(tmp_path):
    # hand: a table of each kind, an unquoted date and a price for a server of the catalogue among them.
    measured = 'server = "dgx-h100"\ntokens_per_s = { chat = 41_234 }\n'
    text = BASE.replace('"2026-11-22"', "2026-11-22").replace('server = "dgx-h100"\n', measured) + (
        "[servers.gaudi-2-hls]\nprice_usd = 123457\n[facility]\nusd_per_kwh = 0.07\n"
        '[ranges."h100.price_usd"]\nlow = 0.8\nhigh = 1.1\nrelative = true\n'
        '[[correlations]]\nbetween = ["h100.price_usd", "pue"]\nvalue = 0.3\n[fleet]\nracks = 7\n'
    )
    scenario = read_scenario(written(tmp_path, text))
    assert scenario.date == "2026-11-22"
    assert scenario.applications[0].tokens_per_s == 50_000
    assert list(scenario.candidates) == ["h100", "gaudi-2"]
    assert scenario.servers["gaudi-2-hls"].price.usd("low") == 123_457
    assert scenario.facility.model_fields_set == {"usd_per_kwh"}  # the others are not the user's, and not private
    assert scenario.ranges["h100.price_usd"].high == 1.1
    assert scenario.fleet.racks == 7
    assert scenario.candidates["h100"].tokens_per_s == {"chat": 41_234}
    for private in ("123457", "41234", "50000"):
        assert private not in repr(scenario)


def test_json_says_the_same(tmp_path):
    # sibling: the same data in the other format.
    path = written(tmp_path, json.dumps(tomllib.loads(BASE)), "mine.json")
    assert read_scenario(path) == read_scenario(written(tmp_path, BASE))


def test_windows_line_ends_and_a_byte_order_mark_are_no_mistakes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert read_scenario(path).title == "Chat"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").replace("256", "0").encode())
    with pytest.raises(ScenarioError, match=r"mine.toml, line 9: applications\[0\].output_tokens"):
        read_scenario(path)


# ------------------------------------------------------------------------------------------------ every mistake, once

ONE_MISTAKE = [
    # change of BASE (or what is added to it), line, key, words
    (('title = "Chat"', 'titel = "Chat"\ntitle = "Chat"'), 1, "titel", "unknown field; did you mean title?"),
    (('title = "Chat"\n', ""), 0, "title", "is required"),
    (("price_year = 2026", "price_year = 2027"), 3, "price_year", "is after the date"),
    (("price_year = 2026", "price_year = 26"), 3, "price_year", "should be greater than or equal to 1990"),
    (("2026-11-22", "22.11.2026"), 2, "date", "should be year-month-day"),
    (("2026-11-22", "2026-02-30"), 2, "date", "is no day of the calendar"),
    (
        ("[[applications]]", "[applications]"),
        5,
        "applications",
        "should be a list of tables, each under [[applications]]",
    ),
    (("llama-3.1-8b", "llama-3.1-8x"), 7, "applications[0].llm", "did you mean llama-3.1-8b"),
    (("1024", "1024.0"), 8, "applications[0].prompt_tokens", "should be a whole number"),
    (("1024", "200000"), 8, "applications[0].prompt_tokens", "is more than the 131,072 tokens that llama-3.1-8b takes"),
    (("256", "131000"), 9, "applications[0].output_tokens", "with prompt_tokens, more than the 131,072"),
    (("256", "256\ncontext_tokens = 9"), 10, "applications[0].context_tokens", "stands beside prompt_tokens"),
    (("prompt_tokens = 1024\n", ""), 8, "applications[0].output_tokens", "needs prompt_tokens beside it"),
    (
        ("prompt_tokens = 1024\noutput_tokens = 256\n", ""),
        5,
        "applications[0]",
        "needs prompt_tokens and output_tokens",
    ),
    (("output_tokens = 256", "itl_s = 0.1"), 9, "applications[0].itl_s", "is no limit of a prefill, which has ttft_s"),
    (("50000", "50000\nprofile = [0, 0]"), 11, "applications[0].profile", "one slot with traffic"),
    (("50000", "50000\nprofile = [1,\n -2]"), 12, "applications[0].profile[1]", "greater than or equal to 0"),
    (("50000", "50000\nprofile = 3"), 11, "applications[0].profile", "should be a list"),
    (("50000", '50000\nprecisions = ["bf16",\n"fp9"]'), 12, "applications[0].precisions[1]", "did you mean fp8?"),
    (
        ("50000", '50000\nprecisions = ["nvfp4"]\nmax_quality_loss = 0.5'),
        12,
        "applications[0].max_quality_loss",
        "nobody measured what they lose",
    ),
    (("50000", "-50000"), 10, "applications[0].tokens_per_s", "should be greater than 0 [token/s]"),
    (
        "[[applications]]\nname = 'chat'\nllm = 'llama-3.1-8b'\ncontext_tokens = 512\ntokens_per_s = 1\n",
        18,
        "applications[1].name",
        "'chat' is the name of applications[0] already",
    ),
    (
        "[[applications]]\nname = 'read'\nllm = 'llama-3.1-8b'\nprompt_tokens = 512\ntokens_per_s = 1\n",
        17,
        "applications[1]",
        "counts prompt tokens, and applications[0] output tokens",
    ),
    (('[candidates.gaudi-2]\nserver = "gaudi-2-hls"\n', ""), 12, "candidates", "should have at least 2 item(s)"),
    (("[candidates.h100]", "[candidates.H100]"), 12, "candidates.H100", "should be of lower case letters and digits"),
    (("gaudi-2-hls", "gaudi-22"), 16, "candidates.gaudi-2.server", "did you mean gaudi-2"),
    (("gaudi-2-hls", "max-1550-6gpu"), 16, "candidates.gaudi-2.server", "[servers.max-1550-6gpu] price_usd = ..."),
    (('"gaudi-2-hls"', '"gaudi-2-hls"\nframework = "vLM"'), 17, "candidates.gaudi-2.framework", "accepted are"),
    (
        ('"gaudi-2-hls"', '"gaudi-2-hls"\ndevices = 16'),
        17,
        "candidates.gaudi-2.devices",
        "more than the 8 accelerators",
    ),
    (
        ('"gaudi-2-hls"', '"gaudi-2-hls"\ntokens_per_s = { chatt = 50.0 }'),
        17,
        "candidates.gaudi-2.tokens_per_s.chatt",
        "did you mean chat?",
    ),
    (
        ('"gaudi-2-hls"', '"gaudi-2-hls"\ntokens_per_s_error = 0.1'),
        17,
        "candidates.gaudi-2.tokens_per_s_error",
        "none is given",
    ),
    (
        "[candidates.gaudi-2.purchase]\n[candidates.gaudi-2.rental]\nusd_per_h = 1.0\n",
        18,
        "candidates.gaudi-2.rental",
        "stands beside purchase",
    ),
    ("[candidates.gaudi-2.rental]\n", 17, "candidates.gaudi-2.rental.usd_per_h", "no rent of gaudi-2 is known"),
    (
        "[candidates.h100.rental]\nusd_per_h = 2.0\nupfront_share = 0.2\n",
        17,
        "candidates.h100.rental.commitment_years",
        "is required beside upfront_share",
    ),
    (
        "[candidates.h100.purchase]\nhost_memory_gib = 90000.0\nhost_memory_alike_gib = 1.0\nusd_per_gib = 9.0\n",
        18,
        "candidates.h100.purchase.host_memory_gib",
        "the server would cost nothing",
    ),
    ("[servers.dgx-h100]\nprice_eur = 83117\n", 18, "servers.dgx-h100.price_eur", "unknown field"),
    ("[servers.dgx-h100]\npower_w = 10.2\n", 18, "servers.dgx-h100.power_w", "should be in watts"),
    ("[servers.dgx-h100]\npower_w = 102.0\n", 18, "servers.dgx-h100.power_w", "a tenth of the TDP"),
    ("[servers.dgx-h100]\nprice_usd = 83.1\n", 18, "servers.dgx-h100.price_usd", "in US dollars for the whole server"),
    ("[servers.dgx-h10]\nprice_usd = 83117\n", 17, "servers.dgx-h10", "unknown server; did you mean dgx-h100"),
    ("[facility]\nusd_per_kwh = 8.31\n", 18, "facility.usd_per_kwh", "less than or equal to 2 [USD/kWh]"),
    ("[facility]\nusd_per_gbp = 8.31\n", 18, "facility.usd_per_gbp", "amounts are in US dollars"),
    ("[facility]\nrack_power_kw = 9.0\n", 18, "facility.rack_power_kw", "(server dgx-h100)"),
    ("[facility]\nrack_slots_u = 42.0\n[servers.gaudi-2-hls]\nslots_u = 8\n", 18, "facility.rack_slots_u", "dgx-h100"),
    ("[facility]\nsite_power_kw = 12.0\n", 18, "facility.site_power_kw", "does not feed one server of dgx-h100"),
    (
        "[facility]\nrack_usd = 900.0\ncolocation_usd_per_kw_month = 184.0\n",
        18,
        "facility.rack_usd",
        "has no effect beside colocation_usd_per_kw_month",
    ),
    ("[fleet]\nsite_power_kw = 8.0\n", 18, "fleet.site_power_kw", "does not feed one server of any candidate"),
    (
        "[facility]\nsite_power_kw = 900\n[fleet]\nsite_power_kw = 831\n",
        20,
        "fleet.site_power_kw",
        "stands beside facility.site_power_kw: give one of them",
    ),
    ("[service]\nheadroom = 83.1\n", 18, "service.headroom", "less than or equal to 5 (a share: 0.4 is 40 %)"),
    ("[decision]\nlevel = 83.1\n", 18, "decision.level", "should be less than 1 (a share: 0.4 is 40 %)"),
    ("[decision]\nreference = 'H100'\n", 18, "decision.reference", "points between them; did you mean h100?"),
    (("50000", "50000\ngrowth_per_year = '40%'"), 11, "applications[0].growth_per_year", "(a share: 0.4 is 40 %)"),
    (("50000", "50000\ngrowth_per_year = 83.1"), 11, "applications[0].growth_per_year", "(a share: 0.4 is 40 %)"),
    (
        ('"gaudi-2-hls"', '"gaudi-2-hls"\ntokens_per_s = 83117'),
        17,
        "candidates.gaudi-2.tokens_per_s",
        "should be a table, a number for each application: { chat = ... }",
    ),
    ("[ranges.load]\nlow = 0.9\nhigh = 83.1\n", 19, "ranges.load.high", "equal to 1 (a share: 0.4 is 40 %)"),
    ("[facility]\ntariff = 0.0831\n", 18, "facility.tariff", "unknown field; there are pue, pue_by_load, usd_per_kwh,"),
    ("[fleet]\nrack = 3\n", 18, "fleet.rack", "did you mean racks?"),
    ("[decision]\nreference = 'h200'\n", 18, "decision.reference", "did you mean h100?; there are h100, gaudi-2"),
    ("[service]\nreleased = 1\n", 18, "service.released", "should be true or false"),
    ("[ranges.pu]\nlow = 1.1\nhigh = 1.5\n", 17, "ranges.pu", "is no input that may be off; did you mean pue"),
    ("[ranges.pue]\nlow = 1.5\nhigh = 1.1\n", 19, "ranges.pue.high", "should be above low"),
    ("[ranges.pue]\nlow = 0.5\nhigh = 1.5\n", 18, "ranges.pue.low", "pue should be greater than or equal to 1"),
    ("[ranges.pue]\nlow = 1.3\nhigh = 1.5\n", 17, "ranges.pue", "does not hold the scenario's own value"),
    ('[ranges."h200.price_usd"]\nlow = 0.9\nhigh = 1.1\n', 17, 'ranges."h200.price_usd"', "did you mean h100?"),
    ("[ranges.h100.price_usd]\nlow = 9\nhigh = 11\n", 17, "ranges.h100.price_usd", '[ranges."h100.price_usd"]'),
    ("[ranges.price_usd]\nlow = 9\nhigh = 1e9\n", 17, "ranges.price_usd", "give each its own"),
    ("[ranges.storage_usd]\nlow = 9\nhigh = 11\n", 17, "ranges.storage_usd", "is not in the account of any candidate"),
    ("[ranges.wue_l_per_kwh]\nlow = 1\nhigh = 2\n", 17, "ranges.wue_l_per_kwh", "which has it as litres_per_kwh"),
    (
        '[ranges."h100.price_usd"]\nlow = 200000\nhigh = 300000\nrelative = true\n',
        17,
        'ranges."h100.price_usd"',
        "are multiples of the scenario's own value",
    ),
    (
        '[[correlations]]\nbetween = ["pue", "h100.price_usd"]\nvalue = 0.5\n',
        18,
        "correlations[0].between[1]",
        "nothing says how far 'h100.price_usd' may be off",
    ),
    (
        '[[correlations]]\nbetween = ["pue", "loaf"]\nvalue = 0.5\n',
        18,
        "correlations[0].between[1]",
        "'loaf' is no input that varies; did you mean load?",
    ),
    ('[[correlations]]\nbetween = ["pue", "load"]\nvalue = 1\n', 19, "correlations[0].value", "should be above -1"),
    ('[[correlations]]\nbetween = ["pue", "pue"]\nvalue = 0.1\n', 18, "correlations[0].between", "two inputs"),
    (
        '[[correlations]]\nbetween = ["pue", "load"]\nvalue = 0.917\n'
        '[[correlations]]\nbetween = ["load", "usd_per_kwh"]\nvalue = 0.917\n',
        17,
        "correlations",
        "contradict each other",
    ),
]


@pytest.mark.parametrize(("change", "line", "key", "words"), ONE_MISTAKE, ids=[case[2] for case in ONE_MISTAKE])
def test_one_mistake_gets_one_message_with_its_key_and_line(tmp_path, change, line, key, words):
    # hand: the line is where the key stands in BASE, or its table where the key is missing; no number of the user's is
    # repeated but those of the message's own limits.
    text = BASE + change if isinstance(change, str) else BASE.replace(*change)
    found = mistakes(tmp_path, text)
    place = f", line {line}" if line else ""
    assert len(found) == 1, found
    assert found[0].startswith(f"mine.toml{place}: {key}: "), found
    assert words in found[0]
    assert not any(secret in found[0] for secret in ("83117", "83.1", "8.31", "10.2", "90000", "0.917", "300000"))


def test_the_base_has_no_mistake(tmp_path):
    assert read_scenario(written(tmp_path, BASE)).title == "Chat"


def test_ten_kinds_of_mistakes_get_ten_messages_in_one_run(tmp_path):
    # hand: each line carries one mistake of another kind, named in its comment.
    text = """\
title = "Chat"
date = "2026-11-22"
price_year = 2027                           # 1 dollars of a year to come
colour = "blue"                             # 2 unknown key
[decision]
reference = "h101"                          # 3 no such candidate
[[applications]]
name = "chat"
llm = "llama-3.1-8x"                        # 4 unknown model
prompt_tokens = 1024
output_tokens = 256
tokens_per_s = "many"                       # 5 wrong type
profile = [0, 0]                            # 6 no traffic
[candidates.h100]
server = "dgx-h100"
framework = "vLM"                           # 7 unknown software
tokens_per_s = { chit = 9e4 }               # 8 measured for no application
[candidates.nvl]
server = "gb300-nvl72"                      # 9 nobody knows its price
[candidates.gaudi-2]
server = "gaudi-2-hls"
[candidates.gaudi-2.purchase]
[candidates.gaudi-2.rental]                 # 10 bought and rented at once
usd_per_h = 1.0
[facility]
rack_power_kw = 400.0
usd_per_kwh = 8.26                          # 11 cents
[servers.gb300-nvl72]
power_w = 132.0                             # 12 kilowatts
[ranges.puw]                                # 13 names no input
low = 1.1
high = 1.2
[ranges.load]
low = 0.9
high = 0.8                                  # 14 the wrong way round
[[correlations]]
between = ["pue", "colour"]                 # 15 of what does not vary
value = 0.5
"""
    found = mistakes(tmp_path, text)
    expected = [number for number, line in enumerate(text.splitlines(), 1) if re.search(r"# \d+ ", line)]
    told = [int(re.search(r"line (\d+):", line)[1]) for line in found]
    assert told == expected, found


def test_a_syntax_error_gets_one_message(tmp_path):
    for text, words in (
        (BASE.replace("= 2026", "="), "not valid TOML: Invalid value (at line 3"),
        (BASE.replace('"Chat"', "Chat"), "texts stand in quotes"),
        (BASE.replace("50000", "50,000"), "numbers take no commas"),
        (BASE + '[candidates.h100]\nserver = "x"\n', "a table is given twice"),
        (BASE + "n = " + "1" * 5000, "not valid TOML"),
        (BASE + "n = " + "[" * 100_000, "not valid TOML"),
    ):
        found = mistakes(tmp_path, text)
        assert len(found) == 1
        assert words in found[0]
    assert mistakes(tmp_path, "[1]", "mine.json") == ["mine.json: should hold an object with a scenario"]
    assert "date is given twice" in mistakes(tmp_path, '{"date": 1, "date": 2}', "mine.json")[0]
    assert mistakes(tmp_path, BASE, "mine.txt") == ["mine.txt: give a .toml or a .json file"]
    (tmp_path / "latin.toml").write_bytes(b'title = "Caf\xe9 83117"')
    with pytest.raises(ScenarioError, match=r"latin.toml: is not UTF-8 text$") as error:
        read_scenario(tmp_path / "latin.toml")
    assert error.value.__context__ is None  # the decoder's own error holds all bytes of the file


def test_an_empty_file_is_told_what_it_needs(tmp_path):
    found = mistakes(tmp_path, "")
    assert [line.split(": ")[1] for line in found] == ["title", "date", "price_year", "applications", "candidates"]


def test_json_mistakes_have_their_lines_too(tmp_path):
    # sibling: JSON written with one key a line, so that the line of a key is where its text first stands.
    data = tomllib.loads(BASE)
    data["applications"][0]["tokens_per_s"] = -83117
    data["candidates"]["h100"]["framework"] = "vLM"
    text = json.dumps(data, indent=1)
    lines = [next(n for n, line in enumerate(text.splitlines(), 1) if word in line) for word in ("tokens_per_s", "vLM")]
    found = mistakes(tmp_path, text, "mine.json")
    assert [int(re.search(r"line (\d+)", line)[1]) for line in found] == lines
    assert "83117" not in "".join(found)


def test_what_is_wrong_with_one_key_does_not_hide_what_is_wrong_with_another(tmp_path):
    # property: an entry that cannot be read as a whole is still checked in what can be.
    text = BASE.replace("50000", "'many'").replace("llama-3.1-8b", "lama").replace("= 256", "= 256\nprofile = [0]")
    assert [line.split(": ")[1] for line in mistakes(tmp_path, text)] == [
        "applications[0].llm",
        "applications[0].profile",
        "applications[0].tokens_per_s",
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (BASE.replace("1024", "1024.5"), "applications[0].prompt_tokens"),
        (
            BASE
            + "[candidates.gaudi-2.rental]\nusd_per_h = -1\n[ranges.'gaudi-2.rent_usd_per_h']\nlow = 1\nhigh = 2\n",
            "candidates.gaudi-2.rental.usd_per_h",
        ),
        (
            BASE.replace('"dgx-h100"', '"dgx-h100"\ntokens_per_s = 4\ntokens_per_s_error = 0.1'),
            "candidates.h100.tokens_per_s",
        ),
        (BASE + "[facility]\npue = 0.5\n[ranges.pue]\nlow = 1.3\nhigh = 1.5\n", "facility.pue"),
        (
            BASE.replace("50000", "true") + "[ranges.traffic_per_s]\nlow = 9.0\nhigh = 9.5\n",
            "applications[0].tokens_per_s",
        ),
        (
            BASE + "[facility]\nusd_per_m3_water = -1\n[ranges.usd_per_m3_water]\nlow = 1\nhigh = 2\n",
            "facility.usd_per_m3_water",
        ),
        (
            BASE + "[servers.gaudi-2-hls]\nprice_usd = 7\n[ranges.'gaudi-2.price_usd']\nlow = 1e5\nhigh = 2e5\n",
            "servers.gaudi-2-hls.price_usd",
        ),
        (BASE + "[servers.hls-gaudi2]\npower_w = -7\n", "servers.hls-gaudi2.power_w"),
        (
            BASE.replace('"chat"', '"Chat"').replace('"dgx-h100"', '"dgx-h100"\ntokens_per_s = { chat = 4.0 }'),
            "applications[0].name",
        ),
        (BASE[: BASE.index("[candidates")] + OF_CANDIDATES, "candidates"),
        (BASE.replace("candidates.h100", "candidates.H100") + OF_CANDIDATES, "candidates.H100"),
    ],
    ids=lambda value: value if len(value) < 50 else "",
)
def test_nothing_is_concluded_from_what_could_not_be_read(tmp_path, text, key):
    # property: one slip, one message, however much rests on it.
    assert [line.split(": ")[1] for line in mistakes(tmp_path, text)] == [key]


def test_what_does_not_agree_is_told_beside_what_is_wrong_by_itself(tmp_path):
    # property: a bad number in a table does not put off what its other keys say together, by hand one line each.
    text = BASE + (
        "[candidates.gaudi-2.purchase]\nstorage_usd = -1\nnetwork_share = 0.1\nscale_out_usd = 5\n"
        "[facility]\nusd_per_kwh = 8.31\nload = 0.5\nidle_share = 0.6\npue = 1.2\npue_by_load = [[0, 1.5], [1, 1.2]]\n"
    )
    assert [line.split(": ", 1)[1] for line in mistakes(tmp_path, text)] == [
        "candidates.gaudi-2.purchase.storage_usd: should be greater than or equal to 0 [USD]",
        "candidates.gaudi-2.purchase.scale_out_usd: stands beside network_share: give one or the other",
        "facility.usd_per_kwh: should be less than or equal to 2 [USD/kWh]",
        "facility.idle_share: should be at most load, the share that a busy server draws",
        "facility.pue: has no effect beside pue_by_load: leave one of them out",
    ]


def test_a_server_that_is_wrong_is_not_called_unknown_as_well(tmp_path):
    text = BASE.replace("gaudi-2-hls", "my-box") + '[servers.my-box]\naccelerator = "gaudi-2"\n'
    found = mistakes(tmp_path, text)
    assert len(found) == 1
    assert "servers.my-box.accelerators: is required" in found[0]


def test_no_number_of_a_broken_file_is_left_where_a_logger_looks(tmp_path):
    # property: neither message, nor chained errors, nor the variables of the frames that it passed hold a value.
    text = BASE.replace("50000", "-83117").replace("1024", "83117000") + "[facility]\nusd_per_kwh = 83117.5\n"
    for broken in (text, text + "[[["):
        for read in (read_scenario, tco.read_costs):
            with pytest.raises(ValueError, match=r"mine\.toml") as error:
                read(written(tmp_path, broken))
            assert error.value.__context__ is None
            assert "83117" not in str(error.value)
            frame = error.value.__traceback__.tb_next
            while frame is not None:
                assert "83117" not in repr(frame.tb_frame.f_locals)
                frame = frame.tb_next


def test_a_costs_file_and_a_scenario_read_their_common_tables_alike(tmp_path):
    # sibling: the two readers say the same of the same mistake, and make the same servers.
    tables = "[facility]\npue = 7.5\n[servers.dgx-h100]\nprice_usd = 1\nname = 'mine'\n"
    with pytest.raises(tco.CostsError) as error:
        tco.read_costs(written(tmp_path, tables))
    costs = [line.split(": ", 1)[1] for line in str(error.value).splitlines()]
    assert [line.split(": ", 1)[1] for line in mistakes(tmp_path, BASE + tables)] == costs
    tables = "[servers.dgx-h100]\nprice_usd = 200000\nslots_u = 8\n"
    scenario = read_scenario(written(tmp_path, BASE + tables))
    assert scenario.servers == dict(tco.read_costs(written(tmp_path, tables)).servers)


WEIRD = (None, True, "", "x", -7313731.25, 0, 7313731, 10**400, float("nan"), [], [[]], {}, {"a": {"b": {}}}, [1, 2])


@given(st.data())
def test_whatever_stands_anywhere_is_read_or_told(tmp_path_factory, data):
    # property: of a file that uses every key, with one value replaced by anything: no other error, and no value told.
    text = awake(scenario_template())
    for key in ALTERNATIVES:
        text = re.sub(rf"^(?={key} = )", "#", text, flags=re.MULTILINE)
    text = of_the_fleet_alone(text)
    whole = tomllib.loads(text)
    where = data.draw(st.sampled_from(list(places(whole))))
    table = whole
    for key in where[:-1]:
        table = table[key]
    table[where[-1]] = data.draw(st.sampled_from(WEIRD))
    path = tmp_path_factory.getbasetemp() / "weird.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    try:
        told = summary(read_scenario(path))
    except ScenarioError as error:
        told = str(error)
    assert told.startswith(("ok: ", str(path)))
    assert "7313731" not in told
    assert "1000000000000000" not in told


# ------------------------------------------------------------------------------------------------- where a key stands

ODD = "ab=[]{}#.,'\"\\ é\t"


class Writer:
    """Writes TOML and remembers the line on which each key and each item was begun."""

    def __init__(self, draw):
        self.draw, self.text, self.lines, self.count = draw, "", {}, 0

    def put(self, text):
        self.text += text

    def gap(self):
        self.put(self.draw(st.sampled_from(["\n", "\n\n", "\n  ", " # x = [1\n", " # ''' \"\"\"\n\n"])))

    def here(self, where):
        self.lines[where] = self.text.count("\n") + 1

    def name(self):
        self.count += 1
        odd = self.draw(st.text(ODD.replace("\t", ""), max_size=4))
        kind = self.draw(st.sampled_from(["bare", "basic", "literal"]))
        name = f"k{self.count}" if kind == "bare" else f"{odd}{self.count}"
        if kind == "literal" and "'" not in name:
            return name, f"'{name}'"
        return name, name if kind == "bare" else json.dumps(name, ensure_ascii=False)

    def key(self, where):
        parts = [self.name() for _ in range(self.draw(st.integers(1, 2)))]
        for end in range(1, len(parts) + 1):
            self.here((*where, *(name for name, _ in parts[:end])))
        self.put(self.draw(st.sampled_from([".", " . "])).join(text for _, text in parts))
        return (*where, *(name for name, _ in parts))

    def pair(self, where, depth):
        inner = self.key(where)
        self.put(self.draw(st.sampled_from(["=", " = "])))
        self.value(inner, depth)

    def value(self, where, depth):
        kinds = ["plain", "basic", "literal", "long", "raw"] + (["list", "table"] if depth else [])
        kind = self.draw(st.sampled_from(kinds))
        odd = self.draw(st.text(ODD, max_size=6))
        if kind == "plain":
            self.put(self.draw(st.sampled_from(["1", "-2.5e3", "true", "2026-11-22", "1979-05-27 07:32:00", "0x1F"])))
        elif kind == "basic":
            self.put(json.dumps(odd, ensure_ascii=False))
        elif kind == "literal":
            self.put("'" + odd.replace("'", "") + "'")
        elif kind == "long":
            self.put('"""\n' + odd.replace("\\", "").replace('"', "") + '\n[x]\nk = 1 \\""" ""' + '"""')
        elif kind == "raw":
            self.put("'''" + odd.replace("'", "") + "\n# [[y]]\n''" + "'''")
        elif kind == "list":
            self.put("[")
            for i in range(self.draw(st.integers(0, 3))):
                self.gap()
                self.here((*where, i))
                self.value((*where, i), depth - 1)
                self.put(",")
            self.gap()
            self.put("]")
        else:
            self.put("{ ")
            for i in range(self.draw(st.integers(0, 3))):
                self.put(", " if i else "")
                self.pair(where, depth - 1)
            self.put(" }")

    def body(self, where):
        for _ in range(self.draw(st.integers(0, 3))):
            self.pair(where, 2)
            self.gap()

    def file(self):
        self.body(())
        for _ in range(self.draw(st.integers(0, 4))):
            name, text = self.name()
            if self.draw(st.booleans()):
                self.here((name,))
                self.put(f"[ {text} ]")
                self.gap()
                self.body((name,))
                continue
            self.here((name,))
            for i in range(self.draw(st.integers(1, 3))):
                self.here((name, i))
                self.put(f"[[{text}]]")
                self.gap()
                self.body((name, i))
                inner, quoted = self.name()
                self.here((name, i, inner))
                self.put(f"[{text}.{quoted}]")
                self.gap()
                self.body((name, i, inner))


@st.composite
def toml_files(draw):
    writer = Writer(draw)
    writer.file()
    return writer.text, writer.lines


def places(value, where=()):
    """Yield the keys that lead to everything that a parser found."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*where, key)
        yield from places(item, (*where, key))


@given(toml_files())
def test_every_key_is_found_on_the_line_where_it_was_written(file):
    # property: of files made of all that TOML has, in odd spellings, the lines noted while writing; and the parser's
    # own view of what is in it.
    text, lines = file
    found = line_numbers(text, toml=True)
    assert set(places(tomllib.loads(text))) == set(found)
    assert found == lines


@given(st.recursive(st.integers() | st.text(ODD), lambda inner: st.lists(inner) | st.dictionaries(st.text(ODD), inner)))
def test_every_key_of_json_is_found(value):
    # sibling: in JSON with everything on a line of its own, keys and items follow each other as the parser has them.
    text = json.dumps({"top": value}, indent=1, ensure_ascii=False)
    found = line_numbers(text, toml=False)
    assert set(places(json.loads(text))) == set(found)
    assert list(found.values()) == sorted(found.values())
    for where, line in found.items():
        if isinstance(where[-1], str):
            assert text.splitlines()[line - 1].strip().startswith(json.dumps(where[-1], ensure_ascii=False))


# ------------------------------------------------------------------------------------------------------- the template


def test_the_template_holds_every_key_of_every_table():
    # property: no key of a model is missing, each stands at the head of a line, and is explained above it.
    text = scenario_template()
    held = set(re.findall(r"^#?(\w+) = ", text, flags=re.MULTILINE))
    tables = {
        name for header in re.findall(r"^#?\[+([^\]]+)\]", text, flags=re.MULTILINE) for name in header.split(".")
    }
    for model in TABLES:
        assert set(model.model_fields) <= held | tables, model
    assert {*OF_ANY_SERVER, *OF_ONES_OWN} <= held
    assert all(name in text for name in INPUTS)
    for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        if re.match(r"#?\w+ = ", line):
            assert before.startswith(("#", "[")) or re.match(r"\w+ = ", before), line
    assert max(map(len, text.splitlines())) <= 120


def test_the_template_says_where_every_default_comes_from():
    text = " ".join(scenario_template().replace("\n# ", " ").split())
    for sources in (tco.facility.FACILITY_SOURCES, tco.planning.SERVICE_SOURCES):
        assert all(source.rstrip(".") in text for source in sources.values())
    assert all(said in text for _, _, said in tco.facility.FACILITY_RANGES.values())


def test_the_template_shows_the_defaults_as_they_are():
    # sibling: what stands behind "# default" against the models.
    shown = re.findall(r"^#(\w+) = (.*)  # default$", scenario_template(), flags=re.MULTILINE)
    defaults = {}
    for model in TABLES:
        for name, field in model.model_fields.items():
            if not field.is_required():
                defaults.setdefault(name, []).append(field.get_default(call_default_factory=True))
    assert len(shown) > 25
    for name, value in shown:
        assert tomllib.loads(f"x = {value}")["x"] in defaults[name], name


def test_the_template_is_a_scenario_that_can_be_decided(tmp_path):
    path = tmp_path / "scenario.toml"
    write_template(path)
    scenario = read_scenario(path)
    assert {one.terms.__class__ for one in scenario.candidates.values()} == {Purchase, Rental}
    assert all(one.profile for one in scenario.applications)
    found = decide(scenario.replace(decision=Decision(draws=64)))
    assert set(found.standings) == set(scenario.candidates)


ALTERNATIVES = {
    "context_tokens": ("prompt_tokens", "output_tokens"),
    "network_share": ("scale_up_usd", "scale_out_usd"),
    "colocation_usd_per_kw_month": ("rack_usd", "usd_per_watt"),
    "pue_by_load": ("pue",),
}


@pytest.mark.parametrize("chosen", [(), *((name,) for name in ALTERNATIVES)], ids=str)
def test_everything_in_the_template_may_be_awake_but_for_what_excludes_each_other(tmp_path, chosen):
    # property: of each alternative one side; the other stays at rest.
    text = awake(scenario_template())
    for one, others in ALTERNATIVES.items():
        for key in others if one in chosen else (one,):
            count = 1 if key in ("prompt_tokens", "output_tokens") else 0  # of the first application
            text = re.sub(rf"^(?={key} = )", "#", text, count=count, flags=re.MULTILINE)
    if "context_tokens" in chosen:  # a decode has neither a first token nor an end
        text = re.sub(r"^(?=(?:ttft_s|latency_s) = )", "#", text, count=2, flags=re.MULTILINE)
    scenario = read_scenario(written(tmp_path, of_the_fleet_alone(text)))
    assert scenario.correlations
    assert scenario.fleet is not None
    assert "my-server" in scenario.servers


def test_all_awake_at_once_names_what_excludes_each_other(tmp_path):
    keys = {line.split(": ")[1].rpartition(".")[2] for line in mistakes(tmp_path, awake(scenario_template()))}
    assert keys == {
        "context_tokens",
        "scale_up_usd",
        "scale_out_usd",
        "pue",
        "rack_usd",
        "usd_per_watt",
        "site_power_kw",
    }


def test_a_file_that_is_there_stays(tmp_path):
    path = written(tmp_path, "mine", "scenario.toml")
    with pytest.raises(FileExistsError):
        write_template(path)
    assert path.read_text(encoding="utf-8") == "mine"
    write_template(path, overwrite=True)
    assert path.read_text(encoding="utf-8") == scenario_template()
    with pytest.raises(ValueError, match=r"scenario.json: the template is TOML"):
        write_template(tmp_path / "scenario.json")


# --------------------------------------------------------------------------------------------------------- the schema


def test_the_published_schema_is_up_to_date():
    # If this fails: `tco schema > docs/_static/scenario.schema.json`.
    path = Path(__file__).parents[2] / "docs" / "_static" / "scenario.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()


def test_the_schema_explains_every_key_of_every_table():
    schema = json_schema()
    tables = schema["$defs"] | {"Scenario": schema}
    for model in TABLES:
        properties = tables[model.__name__]["properties"]
        assert list(properties) == list(model.model_fields)
        assert all(value["description"].endswith((".", "]")) for value in properties.values()), model
        assert tables[model.__name__]["additionalProperties"] is False
    assert tables["Facility"]["properties"]["usd_per_kwh"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 2,
        "default": 0.0826,
        "description": tables["Facility"]["properties"]["usd_per_kwh"]["description"],
    }
    assert "[USD/kWh]" in tables["Facility"]["properties"]["usd_per_kwh"]["description"]
    assert "EIA" in tables["Facility"]["properties"]["usd_per_kwh"]["description"]
    assert list(tables["Server"]["properties"]) == [*OF_ANY_SERVER, *OF_ONES_OWN]


def test_the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses(tmp_path):
    # sibling: an independent validator against the reader, on the template and on mistakes of form.
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    good = tomllib.loads(awake(scenario_template()))
    assert list(validator.iter_errors(good)) == []
    form = ("unknown field", "greater than", "less than", "be a list", "lower case", "year-month", "true or false",
            "racks?", "at least 2", "in US dollars", "in watts")  # fmt: skip
    tried = 0
    for change, _, key, words in ONE_MISTAKE:
        if any(part in words for part in form) and not key.startswith("ranges"):
            text = BASE + change if isinstance(change, str) else BASE.replace(*change)
            assert list(validator.iter_errors(tomllib.loads(text))), change
            tried += 1
    assert tried >= 10


# ---------------------------------------------------------------------------------------------------------- the shell


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_check_says_that_throughputs_will_be_upper_bounds(capsys, tmp_path):
    # property: what the page would not recommend is said before it is made.
    path = written(tmp_path, BASE.replace('"dgx-h100"', '"dgx-b200"'))
    status, out, _ = run(capsys, "check", str(path))
    assert status == 0
    flat = " ".join(out.split())
    assert "because h100 has no calibration, all are compared as ideal rooflines" in flat
    assert "modelled for chat, an upper bound" in flat


def test_template_check_and_schema_in_the_shell(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "template") == (0, scenario_template(), "")
    status, out, err = run(capsys, "template", "--out", "scenario.toml")
    assert (status, err) == (0, "")
    assert "tco check scenario.toml" in out
    status, out, err = run(capsys, "template", "--out", "scenario.toml")
    assert (status, out, err) == (2, "", "tco template: error: scenario.toml is there already: --force replaces it\n")
    assert run(capsys, "template", "--out", "scenario.toml", "--force")[0] == 0
    status, out, err = run(capsys, "check", "scenario.toml")
    assert (status, err) == (0, "")
    assert out.startswith("ok: ")
    for part in (
        "chat: llama-3.1-8b, 1,024 prompt and 256 output tokens, first token within 2 s, between tokens\n",
        "modelled for chat and summaries, calibrated on runs with TensorRT-LLM",
        "rented at an on-demand rent, published",
        "bought at a list price, published",
        "usd_per_kwh: 0.0826 USD/kWh",
    ):
        assert part in out
    status, out, err = run(capsys, "schema")
    assert json.loads(out) == json_schema()
    assert run(capsys, "check", "absent.toml")[2] == (
        "tco check: error: absent.toml: cannot be read: No such file or directory\n"
    )


def test_check_tells_all_mistakes_and_leaves_with_2(capsys, tmp_path):
    path = written(tmp_path, BASE.replace("llama-3.1-8b", "lama").replace("gaudi-2-hls", "gaudy"))
    status, out, err = run(capsys, "check", path)
    assert (status, out) == (2, "")
    assert err.count("\n") == 2
    assert "line 7" in err
    assert "line 16" in err


def test_check_names_what_is_private_and_tells_no_value(capsys, tmp_path):
    text = BASE.replace("gaudi-2-hls", "gaudi-2").replace('"dgx-h100"', '"dgx-h100"\ntokens_per_s = { chat = 83117.0 }')
    text += (
        "[candidates.h100.rental]\nusd_per_h = 8.3117\n"
        "[facility]\nusd_per_kwh = 0.083117\n[service]\nheadroom = 0.83117\n"
        "[servers.gaudi-2-hls]\nprice_usd = 183117\n[servers.dgx-h100]\nprice_usd = 283117\n"
        "[servers.dgx-h200]\nprice_usd = 383117\n"
    )
    status, out, _ = run(capsys, "check", written(tmp_path, text))
    assert status == 0
    assert "83117" not in out
    assert "8.31" not in out
    for part in (
        "facility: usd_per_kwh",
        "service: headroom",
        "candidates.h100.rental: usd_per_h",
        "candidates.h100: tokens_per_s",
        "servers.gaudi-2-hls",
        "rented at your price",
        "measured for chat",
        "servers.dgx-h200: no candidate names it",
        "servers.dgx-h100: rented only",
    ):
        assert part in out, part


def test_check_says_of_whom_a_term_is_not_in_the_account(capsys, tmp_path):
    # hand: one of two buys its porting, both leave out storage.
    text = BASE + "[candidates.h100.purchase]\nporting_usd = 83117\n"
    _, out, _ = run(capsys, "check", written(tmp_path, text))
    flat = " ".join(out.split())
    assert "of gaudi-2: porting of applications" in flat
    assert re.search(r"of all candidates: [^:]*storage", flat)
    assert flat.count("porting of applications") == 1
    # hand: a rent holds network and storage, so both are told of the other side alone.
    _, out, _ = run(capsys, "check", written(tmp_path, BASE + "[candidates.h100.rental]\nusd_per_h = 2.0\n"))
    flat = " ".join(out.split())
    assert re.search(r"of gaudi-2: [^:]*storage", flat)
    assert "of all candidates: porting of applications" in flat


def test_check_tells_limits_with_their_numbers(capsys, tmp_path):
    # hand: 50 typed for 50 ms reads as 50 s, which is seen here.
    text = BASE.replace("= 256", "= 256\nttft_s = 2\nitl_s = 50\nlatency_s = 12.5")
    _, out, _ = run(capsys, "check", written(tmp_path, text))
    assert "first token within 2 s, between tokens within 50 s, whole request within 12.5 s" in " ".join(out.split())


@pytest.mark.parametrize("released", [False, True])
def test_a_server_that_is_switched_off_costs_no_energy_in_own_or_rent(tmp_path, released):
    # hand: u·c_busy + (1 - u)·c_idle = u·c_rent with what the plan is not paid for energy, a year of 10.2 kW at
    # PUE 1.25 and 0.3 USD/kWh while it is on (an idle one counts as busy), and eight accelerators at 2.9 USD/h.
    rates = "tokens_per_s = { chat = 10000 }\n"
    text = BASE.replace("50000", "50000\nprofile = [1, 2, 3, 4]").replace('"dgx-h100"\n', f'"dgx-h100"\n{rates}') + (
        f'[candidates.rented]\nserver = "dgx-h100"\n{rates}[candidates.rented.rental]\nusd_per_h = 2.9\n'
        f"[facility]\nusd_per_kwh = 0.3\n[service]\nreleased = {str(released).lower()}\n[decision]\ndraws = 64\n"
    )
    found = decide(read_scenario(written(tmp_path, text)))
    pair = next(one for one in own_or_rent(found) if one.owned == "h100")
    plan = found.standings["h100"].plan
    fixed = (plan.usd_per_year - plan.breakdown["energy"]) / plan.servers / 8760
    energy = 10.2 * 1.25 * 0.3
    rent = 2.9 * 8
    expected = fixed / (rent - energy) if released else (fixed + energy) / rent
    assert pair.threshold == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("command", ["template", "check", "schema"])
def test_the_examples_in_the_help_work(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    examples = re.findall(r"^  tco ([^>\n]*)", text, flags=re.MULTILINE)
    assert any(example.startswith(command) for example in examples)
    for example in examples:
        status, out, err = run(capsys, *example.split())
        assert (status, err) == (0, ""), example
        assert out


def test_every_rack_limit_can_be_met_with_what_the_file_may_say_of_a_server(tmp_path):
    # property: a limit that needs a server's figure can be given together with it.
    text = (
        BASE
        + "[facility]\nrack_slots_u = 42.0\nrack_weight_kg = 1000.0\n"
        + "".join(f"[servers.{key}]\nslots_u = 8\nweight_kg = 130\n" for key in ("dgx-h100", "gaudi-2-hls"))
    )
    scenario = read_scenario(written(tmp_path, text))
    assert scenario.servers["dgx-h100"].slots_u == 8
    assert hs.get_server("dgx-h100").slots_u is None


def test_no_spares_can_be_said_in_a_file(tmp_path):
    # sibling: TOML has no None; 0 is the same, servers for those that are away on average in place of spares.
    path = written(tmp_path, BASE + "[service]\nspares_confidence = 0\n")
    deployment = tco.Deployment(hs.get_server("dgx-h100"), Facility(), 40_000.0)
    traffic = tco.Traffic(tokens_per_s=1e6)
    said = tco.plan(deployment, traffic, read_scenario(path).service)
    assert said.spares == 0
    assert said.breakdown == tco.plan(deployment, traffic, Service(spares_confidence=None)).breakdown
    assert said.servers > tco.plan(deployment, traffic).servers
