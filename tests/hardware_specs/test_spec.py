"""Specifications are strict, frozen, and say what is wrong with a value unless it is private."""

import copy
import json
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import hardware_specs as hs
from hardware_specs._base import IDENTITY_FIELDS, leaves

ENTRIES = [
    *map(hs.get, hs.names()),
    hs.get("mi250").die(),
    *map(hs.get_server, hs.server_names()),
    *map(hs.get_rack, hs.rack_names()),
]
BAD_NUMBERS = [
    True,
    False,
    np.bool_(True),
    "700",
    b"7",
    math.nan,
    math.inf,
    -math.inf,
    0,
    0.0,
    -1,
    -0.5,
    10**400,
    [7],
    7j,
]

positive = st.floats(min_value=1e-6, max_value=1e6)


@pytest.fixture
def h100():
    return hs.get("h100-sxm")


# -- strictness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD_NUMBERS, ids=repr)
def test_what_is_no_positive_number_is_refused(h100, bad):
    with pytest.raises(ValidationError, match="tdp_w"):
        h100.replace(tdp_w=bad)
    with pytest.raises(ValidationError, match=r"memory\.bandwidth_tb_s"):
        h100.replace(memory={"kind": "HBM3", "capacity_gib": 80, "bandwidth_tb_s": bad})
    with pytest.raises(ValidationError, match="bandwidth_tb_s"):
        h100.memory.replace(bandwidth_tb_s=bad)


@pytest.mark.parametrize("bad", [True, 8.0, "8", 0, -8, math.nan])
def test_what_is_no_count_is_refused(bad):
    with pytest.raises(ValidationError, match="accelerators"):
        hs.get_server("dgx-h100").replace(accelerators=bad)


@given(
    st.one_of(
        st.text(),
        st.booleans(),
        st.none(),
        st.lists(st.floats()),
        st.dictionaries(st.text(), st.text()),
        st.floats(max_value=0),
        st.just(math.nan),
        st.just(math.inf),
    )
)
def test_nothing_else_passes_as_a_rate(bad):
    if bad is None:
        assert hs.Rates(bf16=bad).bf16 is None
    else:
        with pytest.raises(ValidationError, match="bf16"):
            hs.Rates(bf16=bad)


@pytest.mark.parametrize("scalar", [np.float64(450), np.float32(450), np.int64(450), np.array(450.0), 450])
def test_numpy_scalars_become_python_numbers(scalar):
    link = hs.Link(kind="NVLink4", one_way_gb_s=scalar)
    assert type(link.one_way_gb_s) is float
    assert link == hs.Link(kind="NVLink4", one_way_gb_s=450.0)
    assert type(link.replace(domain=np.int32(8)).domain) is int


def test_lists_become_tuples():
    assert hs.Fp8Support(scaling=["mx"], power_of_two_exponents=[-8, 0]).power_of_two_exponents == (-8, 0)


def test_message_says_field_value_and_what_is_accepted(h100):
    with pytest.raises(ValidationError) as caught:
        h100.replace(peak_tflops={"fp8": -4, "bf61": 3})
    text = str(caught.value)
    assert "peak_tflops.fp8\n  should be greater than 0, not -4" in text
    assert "peak_tflops.bf61\n  unknown field; did you mean bf16?" in text


def test_unknown_field_is_refused_with_close_names(h100):
    with pytest.raises(ValueError, match="Accelerator: tdp: unknown field; did you mean tdp_w"):
        h100.replace(tdp=500)
    with pytest.raises(ValidationError, match="bandwith_tb_s\n  unknown field; did you mean bandwidth_tb_s"):
        hs.MemoryTier(kind="HBM3", capacity_gib=80, bandwith_tb_s=3)


@pytest.mark.parametrize(
    "capacities", [{}, {"capacity_gib": 80, "capacity_gb": 86}, {"capacity_gb": 1, "capacity_mib": 1}]
)
def test_a_tier_has_exactly_one_capacity(capacities):
    with pytest.raises(ValidationError, match="exactly one of capacity_gib, capacity_mib, capacity_gb"):
        hs.MemoryTier(kind="HBM3", bandwidth_tb_s=3, **capacities)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": hs.MemoryTier(kind="HBM", capacity_gib=80)}, r"memory\.bandwidth_tb_s\n  is required"),
        ({"idle_w": 701}, "idle_w\n  should be tdp_w"),
        ({"key": "H100"}, "key\n"),
        ({"sources": {"tdp": "x"}}, "sources.tdp\n  unknown field; did you mean tdp_w"),
        ({"notes": {"default": "x"}}, "notes.default\n  unknown field"),
        ({"sources": {"tdp_w": 3}}, "sources\n"),
        ({"sources": {"tdp_w": ""}}, "sources\n"),
        ({"sources": [("tdp_w", "x")]}, "sources\n"),
        ({"fp8": {"e4m3_max": 447}}, r"fp8\.e4m3_max\n  should be 240 or 448, not 447"),
    ],
)
def test_checks_between_fields(h100, changes, message):
    with pytest.raises(ValidationError, match=message):
        h100.replace(**changes)


ENGINE = {"units": 132, "clock_mhz": 1830}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tile_thin": 8}, "tile_wide\n  is required beside tile_thin"),
        ({"tile_wide": 64}, "tile_thin\n  is required beside tile_wide"),
        ({"tile_k_bytes": 32}, "tile_thin\n  is required beside tile_k_bytes"),
        ({"tile_thin": 128, "tile_wide": 64}, r"tile_thin\n  should be tile_wide \(64\) or less, not 128"),
        ({"tile_thin": 0, "tile_wide": 64}, "tile_thin\n  should be greater than 0, not 0"),
        ({"tile_thin": 8.5, "tile_wide": 64}, "tile_thin\n  should be a valid integer, not 8.5"),
        (
            {"tile_thin": 8, "tile_wide": 64, "tile_k_bytes": True},
            "tile_k_bytes\n  should be a valid integer, not True",
        ),
        ({"operand_bytes_per_clock": -128}, "operand_bytes_per_clock\n  should be greater than 0, not -128"),
        ({"tile_tihn": 8}, "tile_tihn\n  unknown field; did you mean tile_thin"),
    ],
)
def test_a_matrix_engine_is_checked(changes, message):
    with pytest.raises(ValidationError, match=message):
        hs.MatrixEngine(**ENGINE, **changes)


def test_a_tile_is_given_derived_or_unknown():
    """Hand: a tile of its own before the narrowest fold, and None where neither is known."""
    assert hs.MatrixEngine(**ENGINE).tile is None
    assert hs.MatrixEngine(**ENGINE, min_width=128).tile == (128, 128, None)
    assert hs.MatrixEngine(**ENGINE, min_width=128, tile_thin=8, tile_wide=64).tile == (8, 64, None)
    assert hs.MatrixEngine(**ENGINE, tile_thin=8, tile_wide=64, tile_k_bytes=32).tile == (8, 64, 32)


def test_operand_bandwidth_needs_all_its_parts():
    """Hand: 132 x 128 byte x 1.83 GHz."""
    assert hs.MatrixEngine(**ENGINE, operand_bytes_per_clock=128).operand_bytes_per_s == pytest.approx(30.919680e12)
    assert hs.MatrixEngine(**ENGINE).operand_bytes_per_s is None
    assert hs.MatrixEngine(units=132, operand_bytes_per_clock=128).operand_bytes_per_s is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"topology": "star"}, "topology\n  should be 'switch', 'mesh', 'ring', 'torus' or 'pcie', not 'star'"),
        ({"latency_us": 0}, "latency_us\n  should be greater than 0, not 0"),
        ({"latency_us": "0.6"}, "latency_us\n  should be a valid number, not '0.6'"),
        ({"overlaps_compute": 1}, "overlaps_compute\n  should be a valid boolean, not 1"),
    ],
)
def test_a_link_is_checked(changes, message):
    with pytest.raises(ValidationError, match=message):
        hs.Link(kind="NVLink4", one_way_gb_s=450, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"special_function_units": False}, "exp_tera_per_s\n  is a rate of special-function units, but"),
        ({"special_function_units": "no"}, "special_function_units\n  should be a valid boolean, not 'no'"),
        ({"batch_sizes": [8, 4, 1]}, r"batch_sizes\n  should rise from the smallest .* not \(8, 4, 1\)"),
        ({"batch_sizes": [1, 1, 2]}, r"batch_sizes\n  should rise .* each once, not \(1, 1, 2\)"),
        ({"batch_sizes": [0, 1]}, r"batch_sizes\.0\n  should be greater than 0, not 0"),
        ({"batch_sizes": 8}, "batch_sizes\n  should be a valid tuple, not 8"),
        ({"dies": 5}, r"matrix_engine\.units\n  should divide by dies \(5\), not 132"),
        (
            {"dies": 2, "die_link": {"kind": "x", "one_way_gb_s": 200, "domain": 4}},
            r"die_link\.domain\n  should be the number of dies \(2\), not 4",
        ),
    ],
)
def test_an_accelerator_is_checked(h100, changes, message):
    with pytest.raises(ValidationError, match=message):
        h100.replace(**changes)


def test_no_special_function_units_and_no_rate_agree(h100):
    assert h100.replace(special_function_units=False, exp_tera_per_s=None).special_function_units is False
    assert hs.get("mi300x").special_function_units is None  # unknown is neither


def test_the_largest_batch_of_a_compiled_stack(h100):
    """Hand."""
    assert h100.largest_batch is None
    assert h100.replace(batch_sizes=[1, 2, 4, 8]).largest_batch == 8
    assert h100.replace(batch_sizes=[1, 2]).source("batch_sizes") == "user"
    with pytest.raises(hs.UnknownValueError, match="batch_sizes"):
        h100.require("batch_sizes")


# -- one die of a package ----------------------------------------------------------------------------------------------

SHARED = re.compile(
    r"tdp_w|idle_w|exp_tera_per_s|(peak|sparse|vector)_tflops\.\w+|matrix_engine\.units"
    r"|(memory|on_chip|second_tier)\.(capacity|marketed|bandwidth)_\w+|(scale_up|host_link)\.one_way_gb_s"
)


@pytest.mark.parametrize("key", ["mi250", "mi250x", "max-1550"])
def test_dies_add_up_to_the_package(key):
    """Property: every amount of the package is `dies` times that of one die; the rest is the same."""
    package = hs.get(key)
    die = package.die()
    whole, part = leaves(package), leaves(die)
    for path, value in whole.items():
        if path.startswith(("prices", "rents", "aliases", "scale_up.topology", *IDENTITY_FIELDS)):
            continue
        if path == "dies":
            assert (value, part[path]) == (2, 1)
        elif path == "scale_up.domain":
            assert part[path] == value * 2  # as many more devices
        elif SHARED.fullmatch(path):
            assert part[path] * 2 == value, path
        else:
            assert part[path] == value, path
    assert set(part) <= set(whole)
    assert (die.key, die.name) == (f"{key}-die", f"{package.name} (one of 2 dies)")


@given(dies=st.integers(1, 6), peak=positive, watts=positive)
def test_any_number_of_dies_adds_up(dies, peak, watts):
    """Property."""
    package = hs.Accelerator(
        key="own",
        name="Own",
        dies=dies,
        tdp_w=watts,
        exp_tera_per_s=peak,
        peak_tflops={"bf16": peak},
        memory={"kind": "HBM", "capacity_gb": 60, "bandwidth_tb_s": peak},
        matrix_engine={"units": 60},
    )
    die = package.die()
    assert die.peak_flops("bf16") * dies == pytest.approx(package.peak_flops("bf16"))
    assert die.memory_bytes_per_s * dies == pytest.approx(package.memory_bytes_per_s)
    assert die.memory_bytes * dies == pytest.approx(package.memory_bytes)
    assert die.ridge_point("bf16") == pytest.approx(package.ridge_point("bf16"))
    assert die.tdp_w * dies == pytest.approx(watts)
    assert die.exp_tera_per_s * dies == pytest.approx(peak)
    assert die.matrix_engine.units * dies == 60
    assert die.die() is die
    assert (die is package) == (dies == 1)


def test_a_die_has_no_price_and_its_own_topology():
    """A package's price is no die's; which dies are wired to which is not how packages are."""
    package = hs.get("mi250")
    die = package.die()
    assert package.prices
    assert (die.prices, die.rents, die.aliases) == ((), (), ())
    assert (package.scale_up.topology, die.scale_up.topology) == ("mesh", None)
    assert die.scale_up.latency_us == package.scale_up.latency_us
    assert die.note("die_link") == package.note("die_link")
    with pytest.raises(hs.UnknownNameError):
        hs.get(die.key)


# -- frozen ------------------------------------------------------------------------------------------------------------


def test_nothing_can_be_changed_in_place(h100):
    for change in (
        lambda: setattr(h100, "tdp_w", 1.0),
        lambda: setattr(h100.memory, "bandwidth_tb_s", 1.0),
        lambda: setattr(h100.prices[0], "low_usd", 1.0),
        lambda: delattr(h100, "tdp_w"),
        lambda: h100.sources.__setitem__("tdp_w", "me"),
        lambda: setattr(h100.sources, "_items", ()),
        lambda: setattr(h100, "new", 1),
    ):
        with pytest.raises((ValidationError, AttributeError, TypeError)):
            change()
    assert isinstance(h100.prices, tuple)
    assert isinstance(h100.fp8.scaling, tuple)


def test_a_callers_list_or_dict_is_not_kept(h100):
    sources, prices = {"default": "a"}, [hs.Price(low_usd=1, basis="user")]
    changed = h100.replace(sources=sources, prices=prices)
    sources["default"] = "b"
    prices.clear()
    assert changed.sources == {"default": "a"}
    assert len(changed.prices) == 1


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{type(entry).__name__}-{entry.key}")
def test_entries_survive_every_round_trip(entry):
    """Property: JSON, dict, pickle and copies are identities; equal entries hash alike."""
    same = [
        type(entry).model_validate_json(entry.model_dump_json()),
        type(entry).model_validate(entry.model_dump()),
        type(entry).model_validate(json.loads(json.dumps(entry.model_dump(mode="json", exclude_defaults=True)))),
        pickle.loads(pickle.dumps(entry)),  # our own bytes
        copy.copy(entry),
        copy.deepcopy(entry),
        entry.replace(),
        entry.model_copy(),
    ]
    for other in same:
        assert other == entry
        assert hash(other) == hash(entry)
        assert other.model_dump_json() == entry.model_dump_json()


def test_texts_read_like_a_dict():
    sources = hs.get_rack("air-40kw").sources
    assert repr(sources) == repr(dict(sources))
    assert "tdp_w" not in sources
    assert len(sources) == 1


# -- replace -----------------------------------------------------------------------------------------------------------


def test_replace_marks_the_source_and_drops_the_note(h100):
    changed = h100.replace(peak_tflops=h100.peak_tflops.replace(fp8=1989.9), tdp_w=np.float64(600))
    assert changed.peak_flops("fp8") == 1989.9e12
    assert changed.source("peak_tflops.fp8") == changed.source("tdp_w") == "user"
    assert changed.note("peak_tflops.fp8") is None
    assert changed.source("peak_tflops.bf16") == h100.source("peak_tflops.bf16")
    assert changed.note("memory.capacity_gib") == h100.note("memory.capacity_gib")


def test_replace_keeps_given_sources_and_notes(h100):
    changed = h100.replace(tdp_w=600, sources=dict(h100.sources) | {"tdp_w": "power cap"}, notes={"tdp_w": "capped"})
    assert changed.source("tdp_w") == "power cap"
    assert changed.notes == {"tdp_w": "capped"}


def test_replace_by_the_same_value_changes_nothing(h100):
    assert h100.replace(tdp_w=700) == h100
    assert h100.replace(key="mine").source("tdp_w") == h100.source("tdp_w")


def test_replace_removes_a_value(h100):
    bare = h100.replace(tdp_w=None)
    with pytest.raises(hs.UnknownValueError, match=r"h100-sxm: tdp_w is not known; replace\(tdp_w="):
        bare.require("tdp_w")


def test_replace_validates_what_it_keeps(h100):
    with pytest.raises(ValidationError, match="idle_w"):
        h100.replace(idle_w=100).replace(tdp_w=50)


def test_model_copy_validates_too(h100):
    with pytest.raises(ValidationError, match="tdp_w"):
        h100.model_copy(update={"tdp_w": -1})


@given(bandwidth=positive, peak=positive)
def test_replaced_figures_reach_the_ridge_point(bandwidth, peak):
    """Property: ridge point times bandwidth is the peak."""
    base = hs.get("h100-sxm")
    machine = base.replace(
        memory=base.memory.replace(bandwidth_tb_s=bandwidth), peak_tflops=base.peak_tflops.replace(bf16=peak)
    )
    assert machine.ridge_point("bf16") * machine.memory_bytes_per_s == pytest.approx(machine.peak_flops("bf16"))
    assert machine.source("memory.bandwidth_tb_s") in ("user", base.source("memory.bandwidth_tb_s"))


# -- money is private --------------------------------------------------------------------------------------------------

SECRET = 54321


@pytest.mark.parametrize("bad", [-SECRET, str(SECRET), [SECRET], complex(SECRET), True, math.nan, -math.inf, 0, None])
def test_a_refused_price_is_not_shown(bad):
    server = hs.get_server("dgx-h100")
    for attempt in (
        lambda: server.replace(price_usd=bad),
        lambda: server.replace(price={"low_usd": bad, "basis": "user"}),
        lambda: hs.Server(key="a", name="a", accelerator="l4", accelerators=1, price_usd=bad),
        lambda: hs.Price(low_usd=bad, basis="user"),
        lambda: hs.get("h100-sxm").replace(prices=[{"low_usd": bad, "basis": "user"}]),
        lambda: hs.get("h100-sxm").replace(rents=[{"low_usd_per_h": bad, "basis": "user"}]),
    ):
        with pytest.raises(ValidationError) as caught:
            attempt()
        assert str(SECRET) not in str(caught.value) + repr(caught.value) + str(caught.value.errors())
        assert caught.value.__cause__ is None


def test_a_price_of_the_wrong_shape_is_not_shown():
    for attempt in (
        lambda: hs.get_server("dgx-h100").replace(price=SECRET),
        lambda: hs.get("h100-sxm").replace(prices=SECRET),
        lambda: hs.Price(low_usd=SECRET, high_usd=SECRET - 1, basis="user"),
        lambda: hs.Price(low_usd=SECRET, basis="lst"),
        lambda: hs.get_server("dgx-h100").replace(price_usd=SECRET, price=hs.Price(low_usd=SECRET, basis="user")),
        lambda: hs.Server.model_validate_json('{"price": {"low_usd": 54321'),
        lambda: hs.get_server("dgx-h100").replace(price_usd=SECRET, power_w=10),
    ):
        with pytest.raises(ValidationError) as caught:
            attempt()
        assert str(SECRET) not in str(caught.value) + repr(caught.value)


def test_repr_hides_private_amounts_only():
    server = hs.get_server("gaudi-2-hls").replace(price_usd=SECRET)
    assert str(SECRET) not in repr(server) + str(server)
    assert server.price.private
    assert server.price.usd("low") == SECRET
    assert "269000" in repr(hs.get_server("dgx-h100"))


def test_a_plain_price_becomes_the_users_own():
    server = hs.get_server("dgx-h100").replace(price_usd=np.int64(150_000), power_w=7_500)
    assert (server.price.low_usd, server.price.high_usd, server.price.basis) == (150_000, None, "user")
    assert server.source("price") == server.source("price.low_usd") == server.source("power_w") == "user"
    own = hs.Price(low_usd=1_000, high_usd=2_000, basis="list", date="2026-01-31", source="offer")
    assert hs.get_server("dgx-h100").replace(price=own).source("price") == "offer"


def test_price_ends():
    """Hand."""
    price = hs.Price(low_usd=10, high_usd=20, basis="street")
    assert (price.usd("low"), price.usd("mid"), price.usd("high"), price.is_range) == (10, 15, 20, True)
    flat = hs.Rent(low_usd_per_h=2, basis="on-demand")
    assert (flat.usd_per_h("low"), flat.usd_per_h("mid"), flat.usd_per_h("high"), flat.is_range) == (2, 2, 2, False)
    with pytest.raises(ValueError, match="'low', 'mid' or 'high'"):
        price.usd("median")


def test_price_year_follows_the_date():
    """Hand."""
    assert hs.Price(low_usd=1, basis="list", date="2024-06", source="x").year == 2024
    assert hs.Price(low_usd=1, basis="list", date="2024-06", source="x", price_year=2023).year == 2023
    assert hs.Price(low_usd=1, basis="user").year is None


@pytest.mark.parametrize("date", ["24", "2024-13", "2024-06-32", "June 2024", 2024, ""])
def test_dates_are_iso(date):
    with pytest.raises(ValidationError, match="date"):
        hs.Price(low_usd=1, basis="list", date=date, source="x")


def test_a_sourced_price_needs_a_date():
    with pytest.raises(ValidationError, match="date\n  is required"):
        hs.Price(low_usd=1, basis="list", source="x")


def test_only_a_whole_price_is_single():
    assert hs.get_server("dgx-h100").price.single
    assert [price.single for price in hs.get("h100-sxm").prices] == [True, True, True, False]
    assert [price.single for price in hs.get("gaudi-2").prices] == [False]


# -- servers and racks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [7.5, 49.9, 1_000_001, 10.2])
def test_power_is_in_watts(bad):
    with pytest.raises(ValidationError, match=r"power_w\n  should be in watts, between 50 and 1,000,000 W") as error:
        hs.get_server("dgx-h100").replace(power_w=bad)
    assert str(bad) not in str(error.value)


@pytest.mark.parametrize(
    ("power_w", "count"), [(10_200, 3), (10_000, 4), (40_000, 1), (40_001, 0), (13_333.3, 3), (100, 400)]
)
def test_rack_counts_whole_servers(power_w, count):
    """Hand."""
    assert hs.get_rack("air-40kw").servers(power_w) == count


def test_rack_rounding_does_not_lose_a_server():
    """Hand: 0.3 kW / 100 W is 2.9999... in floating point."""
    assert hs.Rack(key="a", name="a", power_kw=0.3).servers(100) == 3


@given(kw=st.integers(1, 500), watts=st.integers(50, 200_000))
def test_rack_never_exceeds_its_power(kw, watts):
    """Property."""
    count = hs.Rack(key="a", name="a", power_kw=kw).servers(watts)
    assert count * watts <= kw * 1000 < (count + 1) * watts


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, True, "10"])
def test_rack_refuses_what_is_no_power(bad):
    with pytest.raises(ValueError, match="power_w: should be a finite number of watts above 0"):
        hs.get_rack("air-40kw").servers(bad)
