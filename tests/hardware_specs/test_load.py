"""A user's files: the same checks, messages that name file, line, entry and field, and nothing global changes."""

import textwrap

import pytest

import hardware_specs as hs

MINIMAL = """
[my-chip.memory]
kind = "HBM4"
capacity_gib = 48
bandwidth_tb_s = 2.0
"""

FULL = """
[my-chip]
name = "My chip"
aliases = ["mine"]
tdp_w = 300

[my-chip.peak_tflops]
bf16 = 400
fp8 = 800

[my-chip.memory]
kind = "HBM4"
capacity_gib = 48
bandwidth_tb_s = 2.0

[[my-chip.prices]]
low_usd = 54321
basis = "kit"

[my-chip.sources]
tdp_w = "our measurement"

[other.memory]
kind = "SRAM"
capacity_gb = 1
bandwidth_tb_s = 50
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="my_chips.toml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def refused(path, reader=hs.load):
    with pytest.raises(hs.CatalogError) as caught:
        reader(path)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_least_that_is_needed(write):
    chip = hs.load(write(MINIMAL))["my-chip"]
    assert (chip.key, chip.name) == ("my-chip", "my-chip")
    assert chip.source("memory.bandwidth_tb_s") == "user"
    with pytest.raises(hs.UnknownValueError, match="my-chip: no dense matrix peak is known"):
        chip.peak_flops("bf16")


def test_a_full_file(write):
    before = hs.names()
    chips = hs.load(str(write(FULL)))
    assert list(chips) == ["my-chip", "other"]
    assert chips["my-chip"].ridge_point("fp8") == 400
    assert chips["my-chip"].source("tdp_w") == "our measurement"
    assert chips["my-chip"].prices[0].private
    assert "54321" not in repr(chips)
    assert hs.names() == before
    with pytest.raises(hs.UnknownNameError):
        hs.get("my-chip")


def test_dies_of_the_users_own(write):
    """Hand: halves, and the link between dies as given."""
    text = MINIMAL + (
        "[my-chip]\ndies = 2\nbatch_sizes = [1, 4]\n"
        '[my-chip.die_link]\nkind = "bridge"\none_way_gb_s = 500\ndomain = 2\nlatency_us = 0.5\n'
    )
    chip = hs.load(write(text))["my-chip"]
    die = chip.die()
    assert (die.key, die.memory.capacity_gib, die.memory_bytes_per_s) == ("my-chip-die", 24, 1e12)
    assert (die.die_link, die.batch_sizes) == (chip.die_link, (1, 4))
    assert die.source("memory.capacity_gib") == "user"


def test_an_entry_may_share_a_shipped_name(write):
    chips = hs.load(write(MINIMAL.replace("my-chip", "h100-sxm")))
    assert chips["h100-sxm"].memory.kind == "HBM4"
    assert hs.get("h100-sxm").memory.kind == "HBM3"


def test_json_is_read_by_suffix(write):
    path = write('{"my-chip": {"memory": {"kind": "HBM4", "capacity_gib": 48, "bandwidth_tb_s": 2}}}', "chips.json")
    assert hs.load(path)["my-chip"].memory_bytes_per_s == 2e12


def test_an_empty_file_holds_nothing(write):
    assert hs.load(write("")) == {}


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "chips.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert list(hs.load(path)) == ["my-chip"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            MINIMAL.replace("bandwidth_tb_s", "bandwith_tb_s"),
            ["my_chips.toml, line 5: [my-chip] memory.bandwith_tb_s: unknown field; did you mean bandwidth_tb_s?"],
        ),
        (
            MINIMAL.replace("2.0", "-2.0"),
            ["line 5: [my-chip] memory.bandwidth_tb_s: should be greater than 0, not -2.0"],
        ),
        (MINIMAL.replace("2.0", '"2.0"'), ["memory.bandwidth_tb_s: should be a valid number, not '2.0'"]),
        (MINIMAL.replace("2.0", "true"), ["memory.bandwidth_tb_s: should be a valid number, not True"]),
        (MINIMAL.replace("2.0", "nan"), ["memory.bandwidth_tb_s: should be a finite number, not nan"]),
        (MINIMAL.replace("2.0", "inf"), ["memory.bandwidth_tb_s: should be a finite number, not inf"]),
        (MINIMAL.replace("2.0", "0"), ["memory.bandwidth_tb_s: should be greater than 0, not 0"]),
        (MINIMAL.replace("bandwidth_tb_s = 2.0", ""), ["[my-chip] memory.bandwidth_tb_s: is required"]),
        (MINIMAL.replace("my-chip", "My_Chip"), ["[My_Chip]: write it in lower case, with single hyphens"]),
        (MINIMAL + "[my-chip]\ntpd_w = 3\n", ["[my-chip] tpd_w: unknown field; did you mean tdp_w?"]),
        (MINIMAL + '[my-chip]\nkey = "x"\n', ["[my-chip] key: the table's name is the key"]),
        (MINIMAL + '[my-chip.sources]\nmemry = "x"\n', ["sources.memry: unknown field; did you mean memory, "]),
        (MINIMAL + "[my-chip.fp8]\ne4m3_max = 300\n", ["fp8.e4m3_max: should be 240 or 448, not 300"]),
        (
            MINIMAL + "[my-chip]\nbatch_sizes = [8, 1]\n",
            ["my_chips.toml, line 7: [my-chip] batch_sizes: should rise from the smallest to the largest"],
        ),
        (
            MINIMAL + '[my-chip.scale_up]\nkind = "own"\none_way_gb_s = 100\ntopology = "star"\n',
            ["line 9: [my-chip] scale_up.topology: should be 'switch', 'mesh', 'ring', 'torus' or 'pcie', not 'star'"],
        ),
        (
            MINIMAL + "[my-chip.matrix_engine]\nunits = 4\ntile_thin = 32\ntile_wide = 16\n",
            ["line 8: [my-chip] matrix_engine.tile_thin: should be tile_wide (16) or less, not 32"],
        ),
        (
            MINIMAL + "[my-chip]\nspecial_function_units = false\nexp_tera_per_s = 3\n",
            ["line 8: [my-chip] exp_tera_per_s: is a rate of special-function units, but special_function_"],
        ),
        ("tdp_w = 3\n", ["my_chips.toml: tdp_w: should be a table [tdp_w]"]),
        ("[empty]\n", ["my_chips.toml: [empty] memory: is required"]),
        (MINIMAL + "kind = 'x'\n", ["my_chips.toml: not valid TOML:", "line 6"]),
        (MINIMAL + "[my-chip.memory]\n", ["my_chips.toml: not valid TOML:", "line 6"]),
        ("[my-chip\n", ["my_chips.toml: not valid TOML:", "line 1"]),
        ("n = " + "9" * 5000, ["my_chips.toml: not valid TOML:"]),
        (MINIMAL + "[my-chip.memry]\na = 1\n", ["line 6: [my-chip] memry: unknown field; did you mean memory?"]),
    ],
)
def test_messages_name_file_entry_field_and_what_is_accepted(write, text, messages):
    said = refused(write(text))
    for message in messages:
        assert message in said


def test_every_error_is_listed(write):
    said = refused(write(MINIMAL.replace("48", "-48").replace("HBM4", "")))
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("wrong", ['"54321"', "-54321", "[54321]", "54321.0, high_usd = 5432", "{ a = 54321 }"])
def test_a_refused_price_is_not_shown(write, wrong):
    said = refused(write(MINIMAL + f'[my-chip]\nprices = [{{ basis = "kit", low_usd = {wrong} }}]\n'))
    assert "prices.0" in said
    assert "5432" not in said


def test_json_errors(write):
    assert "not valid JSON: " in refused(write("{", "chips.json"))
    assert "'a' is given twice" in refused(write('{"a": {}, "a": {}}', "chips.json"))
    assert "should hold one table per machine" in refused(write("[]", "chips.json"))
    assert "should be a finite number" in refused(
        write('{"a": {"memory": {"kind": "x", "capacity_gib": NaN, "bandwidth_tb_s": 1}}}', "chips.json")
    )


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "chips.toml"
    path.write_bytes(b"\xff\xfe")
    assert "chips.toml: not UTF-8 text (byte 0)" in refused(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        hs.load(tmp_path / "none.toml")


# -- servers -----------------------------------------------------------------------------------------------------------

SERVERS = """
[my-box]
accelerator = "h100"
accelerators = 4
power_w = 5_600
price_usd = 54321

[quoted]
accelerator = "gaudi-2"
accelerators = 8

[quoted.price]
low_usd = 54321
high_usd = 65432
basis = "list"
date = "2026-03"
source = "an offer"
"""


def test_servers_of_the_users_own(write):
    servers = hs.load_servers(write(SERVERS, "servers.toml"))
    box, quoted = servers["my-box"], servers["quoted"]
    assert (box.accelerator, box.price.basis, box.price.low_usd, box.power_w) == ("h100-sxm", "user", 54321, 5600)
    assert box.source("power_w") == "user"
    assert quoted.source("price") == "an offer"
    assert quoted.price.private
    assert not any(amount in repr(servers) for amount in ("54321", "65432"))
    with pytest.raises(hs.UnknownNameError):
        hs.get_server("my-box")


def test_servers_may_hold_the_users_accelerators(write):
    own = hs.load(write(MINIMAL))
    path = write('[my-box]\naccelerator = "my-chip"\naccelerators = 4\n', "servers.toml")
    assert hs.load_servers(path, accelerators=own)["my-box"].accelerator == "my-chip"
    assert "servers.toml: [my-box] accelerator: unknown accelerator 'my-chip'" in refused(path, hs.load_servers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("price_usd = 54321", "price_usd = -54321"),
            "line 6: [my-box] price_usd: should be a finite number of US dollars",
        ),
        (("price_usd = 54321", 'price_usd = "54321"'), "[my-box] price_usd: should be a finite number of US dollars"),
        (
            ("power_w = 5_600", "power_w = 5.6"),
            "line 5: [my-box] power_w: should be in watts, between 50 and 1,000,000 W",
        ),
        (("price_usd", "price_us"), "[my-box] price_us: unknown field; did you mean price_usd, price?"),
        (("high_usd = 65432", "high_usd = 5432"), "[quoted] price.high_usd: should be low_usd or more"),
        (('date = "2026-03"', ""), "[quoted] price.date: is required beside a source"),
    ],
)
def test_refused_servers(write, change, message):
    said = refused(write(SERVERS.replace(*change), "servers.toml"), hs.load_servers)
    assert message in said
    assert "5432" not in said
