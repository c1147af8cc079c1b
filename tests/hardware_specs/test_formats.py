"""Number formats: bits per element, scales included, and the engine that computes in them."""

import pytest

import hardware_specs as hs

PUBLISHED_BITS = {  # published: OCP MX v1.0 (32 elements, 8-bit scale), NVFP4 (16, 8); hand: element + scale/group
    "fp64": 64,
    "fp32": 32,
    "tf32": 32,
    "bf16": 16,
    "fp16": 16,
    "fp8": 8,
    "int8": 8,
    "fp6": 6,
    "fp4": 4,
    "mxfp8": 8.25,
    "mxfp6": 6.25,
    "mxfp4": 4.25,
    "nvfp4": 4.5,
    "int4-g128": 4.125,
}


def test_bits_include_the_scales():
    assert {name: fmt.bits for name, fmt in hs.FORMATS.items()} == PUBLISHED_BITS


def test_bytes_are_an_eighth_of_bits():
    """Property."""
    assert all(fmt.bytes * 8 == fmt.bits for fmt in hs.FORMATS.values())


@pytest.mark.parametrize(
    ("name", "engine"), [("mxfp8", "fp8"), ("mxfp6", "fp6"), ("mxfp4", "fp4"), ("nvfp4", "fp4"), ("int4-g128", None)]
)
def test_block_formats_compute_at_their_element_rate(name, engine):
    """Hand."""
    assert hs.number_format(name).engine == engine


def test_every_engine_is_a_rate():
    """Property."""
    assert {fmt.engine for fmt in hs.FORMATS.values()} - {None} == set(hs.Rates.model_fields)


def test_unknown_format_names_close_ones():
    with pytest.raises(hs.UnknownNameError, match="did you mean mxfp8") as caught:
        hs.number_format("mxfp")
    assert isinstance(caught.value, KeyError)
    assert not str(caught.value).startswith("'")


@pytest.mark.parametrize("name", [None, 8, b"zzz", ""])
def test_what_is_no_name_is_unknown(name):
    with pytest.raises(hs.UnknownNameError, match="known:"):
        hs.number_format(name)


def test_formats_cannot_be_changed():
    with pytest.raises(TypeError):
        hs.FORMATS["fp5"] = hs.FORMATS["fp6"]
    with pytest.raises(AttributeError):
        hs.FORMATS["fp6"].element_bits = 5
