"""Numbers of the formats, rounding, scale factors, and the error that is reported."""

from __future__ import annotations

import itertools
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import hardware_specs as hs
from hardware_specs import quantization

GAUDI_2, GAUDI_3, H100, MI300X = (hs.get(name) for name in ("gaudi-2", "gaudi-3", "h100-sxm", "mi300x"))
FLOAT_NAMES = [name for name, element in hs.ELEMENT_FORMATS.items() if element.exponent_bits]
NAMES = list(hs.ELEMENT_FORMATS)

IN_ML_DTYPES = {
    "bf16": "bfloat16",
    "e4m3": "float8_e4m3fn",
    "e4m3-ieee": "float8_e4m3",
    "e4m3-fnuz": "float8_e4m3fnuz",
    "e5m2": "float8_e5m2",
    "e5m2-fnuz": "float8_e5m2fnuz",
    "e3m2": "float6_e3m2fn",
    "e2m3": "float6_e2m3fn",
    "e2m1": "float4_e2m1fn",
}


def oracle(name):
    """Return the type of another implementation: ml_dtypes, and NumPy for FP16."""
    if name == "fp16":
        return np.dtype(np.float16)
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs the extra `formats`: an independent implementation")
    return np.dtype(getattr(ml_dtypes, IN_ML_DTYPES[name]))


def plain(x, name, **options):
    return hs.quantize(x, name, scaling="none", **options)


def smooth(*shape, seed=0, dtype=np.float32):
    """A tensor with rows and columns of very different size, as activations have."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    for axis in range(min(len(shape), 2)):
        x *= np.exp(rng.normal(size=[size if axis == index else 1 for index, size in enumerate(shape)]))
    return x.astype(dtype)


# -- the numbers of a format -------------------------------------------------------------------------------------------

# published: OCP 8-bit Floating Point Specification (OFP8) Table 1; OCP MX v1.0 section 5.3; Noune et al. (FNUZ) for the
# bias of 8 and 16; IEEE 754 for FP16; 240 for Gaudi 2: Kim III-B. As (max, smallest normal, smallest subnormal).
PUBLISHED = {
    "bf16": (2.0**128 - 2.0**120, 2.0**-126, 2.0**-133),
    "fp16": (65504.0, 2.0**-14, 2.0**-24),
    "e4m3": (448.0, 2.0**-6, 2.0**-9),
    "e4m3-ieee": (240.0, 2.0**-6, 2.0**-9),
    "e4m3-fnuz": (240.0, 2.0**-7, 2.0**-10),
    "e5m2": (57344.0, 2.0**-14, 2.0**-16),
    "e5m2-fnuz": (57344.0, 2.0**-15, 2.0**-17),
    "e3m2": (28.0, 0.25, 0.0625),
    "e2m3": (7.5, 1.0, 0.125),
    "e2m1": (6.0, 1.0, 0.5),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_range_is_the_published_one(name):
    element = hs.ELEMENT_FORMATS[name]
    assert (element.max, element.min_normal, element.min_subnormal) == PUBLISHED[name]
    assert element.magnitudes[-1] == element.max
    assert element.magnitudes[1] == element.min_subnormal


def by_definition(element):
    """Hand: the value of each code from the definition of a binary float, in exact fractions."""
    steps = 2**element.mantissa_bits
    codes = 2 ** (element.exponent_bits + element.mantissa_bits)
    values = []
    for code in range(codes):
        exponent, fraction = divmod(code, steps)
        if element.special == "ieee" and exponent == 2**element.exponent_bits - 1:
            continue  # infinity and NaN
        if element.special == "one nan" and code == codes - 1:
            continue
        significand = Fraction(fraction, steps) + (1 if exponent else 0)
        values.append(significand * Fraction(2) ** (max(exponent, 1) - element.bias))
    return [float(value) for value in values]


@pytest.mark.parametrize("name", FLOAT_NAMES)
def test_every_code_has_the_value_of_its_definition(name):
    # hand: `by_definition`, above.
    element = hs.ELEMENT_FORMATS[name]
    assert element.magnitudes.tolist() == by_definition(element)


@pytest.mark.parametrize(("name", "count"), [("e4m3", 127), ("e4m3-ieee", 120), ("e4m3-fnuz", 128), ("e5m2", 124)])
def test_the_count_of_magnitudes(name, count):
    # hand, zero included: 128 codes per sign, less one NaN; less 8 of the top exponent; FNUZ loses minus zero only;
    # E5M2 less 4 of the top exponent.
    assert len(hs.ELEMENT_FORMATS[name].magnitudes) == count


def test_gaudi_2_has_seven_magnitudes_fewer():
    # published: Kim III-B, seven fewer and a maximum of 240 against 448.
    gaudi_2, gaudi_3, h100 = (hs.element_format("e4m3", accelerator=acc) for acc in (GAUDI_2, GAUDI_3, H100))
    assert gaudi_3 == h100
    missing = set(h100.magnitudes) - set(gaudi_2.magnitudes)
    assert sorted(missing) == [256, 288, 320, 352, 384, 416, 448]
    assert set(gaudi_2.magnitudes) < set(h100.magnitudes)


@pytest.mark.parametrize(
    ("machine", "name", "element"),
    [
        (GAUDI_2, "fp8", "e4m3-ieee"),
        (GAUDI_2, "e5m2", "e5m2"),  # published: IEEE 754 on all devices, Kim III-B
        (GAUDI_3, "fp8", "e4m3"),
        (H100, "E4M3", "e4m3"),
        (MI300X, "e4m3", "e4m3-fnuz"),  # published: AMD ROCm documentation, CDNA 3
        (MI300X, "e5m2", "e5m2-fnuz"),
        (hs.get("mi355x"), "e4m3", "e4m3"),  # published: CDNA 4 follows OCP
        (H100, "e4m3-ieee", "e4m3-ieee"),
        (hs.get("a100"), "bf16", "bf16"),  # not a matter of the machine
    ],
)
def test_a_machine_settles_the_encoding(machine, name, element):
    assert hs.element_format(name, accelerator=machine).name == element


@pytest.mark.parametrize("name", NAMES)
def test_patterns_and_numbers_are_one_to_one(name):
    # property: the k-th magnitude has pattern k, for both signs; and every number of the format stays what it is.
    element = hs.ELEMENT_FORMATS[name]
    magnitudes = element.magnitudes
    sign = 2 ** (element.bits - 1)
    assert element.encode(magnitudes).tolist() == list(range(len(magnitudes)))
    negative = [2 * sign - k if element.exponent_bits == 0 else sign + k for k in range(1, len(magnitudes))]
    assert element.encode(-magnitudes[1:]).tolist() == negative
    result = plain(np.concatenate([-magnitudes, magnitudes]), name)
    assert result.values.tolist() == [*(-magnitudes).tolist(), *magnitudes.tolist()]
    assert result.error.sqnr_db is None
    assert result.error.max_absolute == result.error.saturated == result.error.underflowed == 0


@pytest.mark.parametrize("wrong", [[0.3], [7.0], [np.inf], [np.nan]])
def test_only_numbers_of_the_format_have_patterns(wrong):
    # property: what is no number of the format is named, not encoded.
    with pytest.raises(ValueError, match="no number of e2m1"):
        hs.ELEMENT_FORMATS["e2m1"].encode(wrong)


# -- rounding to nearest, against another implementation ---------------------------------------------------------------


def hard_cases(element):
    """All numbers, all midpoints, one beyond the last, and the 32-bit floats next to each of them; both signs."""
    numbers = element.magnitudes
    beyond = 2 * numbers[-1] - numbers[-2] if element.name != "bf16" else np.finfo(np.float32).max
    numbers = np.append(numbers, beyond)
    points = np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / 2]).astype(np.float32)
    up, down = np.float32(np.finfo(np.float32).max), np.float32(0)
    points = np.concatenate([points, np.nextafter(points, up), np.nextafter(points, down)])
    return np.concatenate([points, -points])


def random_floats(count, seed):
    """32-bit floats of any exponent."""
    patterns = np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)
    x = patterns.view(np.float32)
    return x[np.isfinite(x)]


@pytest.mark.parametrize("name", FLOAT_NAMES)
def test_nearest_agrees_with_another_implementation(name):
    # sibling: ml_dtypes (NumPy for FP16), number for number and bit for bit.
    other, element = oracle(name), hs.ELEMENT_FORMATS[name]
    near = np.random.default_rng(1).normal(size=100_000).astype(np.float32) * np.float32(min(element.max / 2, 1e4))
    x = np.concatenate([hard_cases(element), random_floats(200_000, seed=2), near, np.float32([0.0, -0.0])])
    with np.errstate(over="ignore"):
        theirs = x.astype(other)
    has_nan = element.special != "none"
    ours = plain(x, name, overflow="nan" if has_nan else "saturate")
    expected = theirs.astype(np.float32)
    expected[np.isinf(expected)] = np.nan  # ours does not tell infinity from NaN
    np.testing.assert_array_equal(ours.values, expected)
    finite = np.isfinite(expected)
    theirs_bits = theirs.view(np.uint8 if other.itemsize == 1 else np.uint16)
    np.testing.assert_array_equal(ours.bits[finite], theirs_bits[finite])


@pytest.mark.parametrize("name", ["e4m3", "e4m3-ieee", "e4m3-fnuz", "e5m2", "e5m2-fnuz", "bf16", "fp16"])
def test_nan_has_the_pattern_of_the_format(name):
    # sibling: ml_dtypes decodes our pattern to NaN; published for E4M3: 0x7F (OFP8).
    other, element = oracle(name), hs.ELEMENT_FORMATS[name]
    pattern = element.encode([np.nan])
    assert np.isnan(pattern.view(other).astype(np.float32)).all()
    if name == "e4m3":
        assert pattern == 0x7F


@pytest.mark.parametrize("name", FLOAT_NAMES)
def test_64_bit_floats_are_rounded_once(name):
    # hand: an ulp of a 64-bit float above a midpoint must go up; through 32 bits it would be a tie, and go to even.
    numbers = hs.ELEMENT_FORMATS[name].magnitudes[:200]
    middle = (numbers[1:] + numbers[:-1]) / 2
    assert plain(np.nextafter(middle, np.inf), name).values.tolist() == numbers[1:].tolist()
    assert plain(np.nextafter(middle, 0), name).values.tolist() == numbers[:-1].tolist()


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("e4m3", 464.0, 448.0),  # hand: the tie between 448 and the next, 480, goes to 448, whose mantissa is even
        ("e4m3-ieee", 248.0, None),  # the tie between 240 and 256 goes to 256, which does not exist
        ("e4m3-ieee", 247.0, 240.0),
        ("e4m3", 17.0, 16.0),
        ("e4m3", 19.0, 20.0),
        ("e4m3", 2.0**-10, 0.0),  # half the smallest number: to even, zero
        ("e2m1", 5.0, 4.0),
        ("int8", 2.5, 2.0),
        ("int8", 127.4, 127.0),
        ("int8", 127.5, None),
        ("int8", -128.0, None),
    ],
)
def test_ties_and_the_end_of_the_range(name, x, expected):
    result = plain(x, name)
    limit = hs.ELEMENT_FORMATS[name].max
    assert result.values == (np.copysign(limit, x) if expected is None else expected)
    assert result.error.saturated == (expected is None)


def test_what_became_nan_is_left_out_of_the_error():
    # sibling: the tensor without the element that overflowed.
    kept = plain([1.03, 2.7, -300.0], "e4m3").error
    error = plain([1.03, 2.7, -300.0, 1e4], "e4m3", overflow="nan").error
    assert (error.max_relative, error.mean_relative, error.max_absolute) == (
        kept.max_relative,
        kept.mean_relative,
        kept.max_absolute,
    )
    assert error.sqnr_db == pytest.approx(kept.sqnr_db)
    assert error.saturated == 0.25


def test_overflow_can_become_nan_and_is_counted():
    result = plain([1.0, 500.0, -1000.0, 448.0], "e4m3", overflow="nan")
    np.testing.assert_array_equal(result.values, [1.0, np.nan, np.nan, 448.0])
    assert result.error.saturated == 0.5
    assert result.error.max_absolute == 0  # hand: the other two are exact
    assert plain([1e9], "e5m2", overflow="nan").error.saturated == 1


# -- properties --------------------------------------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6, width=32)
vectors = arrays(np.float32, st.integers(1, 40), elements=finite)
names = st.sampled_from(NAMES)


@given(vectors, names)
def test_rounding_again_changes_nothing(x, name):
    # property: a number of the format stays.
    once = plain(x, name)
    twice = plain(once.values, name)
    np.testing.assert_array_equal(once.values, twice.values)
    assert twice.error.sqnr_db is None


@given(vectors, names)
def test_rounding_keeps_the_order(x, name):
    # property: monotone.
    assert (np.diff(plain(np.sort(x), name).values) >= 0).all()


@given(vectors, names)
def test_rounding_is_symmetric(x, name):
    # property: the sign is a bit of its own.
    np.testing.assert_array_equal(plain(-x, name).values, -plain(x, name).values)


@given(vectors, names)
def test_no_number_of_the_format_is_nearer(x, name):
    # sibling: a search through all magnitudes, in 64 bits.
    magnitudes = hs.ELEMENT_FORMATS[name].magnitudes
    size = np.abs(x).astype(np.float64)
    above = np.minimum(np.searchsorted(magnitudes, size), len(magnitudes) - 1)
    nearest = np.minimum(np.abs(magnitudes[above] - size), np.abs(size - magnitudes[np.maximum(above - 1, 0)]))
    np.testing.assert_array_equal(np.abs(plain(x, name).values.astype(np.float64) - x), nearest)


@given(vectors, names, st.integers(-20, 20))
def test_a_power_of_two_passes_through_a_tensor_scale(x, name, exponent):
    # property: x·2**n has the scale times 2**n and the same codes (the zero tensor has scale 1 whatever it is times).
    x = x.astype(np.float64)
    before = hs.quantize(x, name, scaling="per-tensor")
    after = hs.quantize(x * 2.0**exponent, name, scaling="per-tensor")
    np.testing.assert_array_equal(after.codes, before.codes)
    assert after.scale == before.scale * (2.0**exponent if x.any() else 1)


@given(arrays(np.float32, array_shapes(max_dims=3, max_side=40), elements=finite), names)
def test_the_largest_magnitude_never_saturates_under_its_own_scale(x, name):
    # property: it maps to the largest number.
    for scaling in ("per-tensor", "per-row", "power-of-two"):
        result = hs.quantize(x, name, scaling=scaling)
        assert result.error.saturated == 0
        assert result.values.shape == result.codes.shape == x.shape
        assert np.isfinite(result.values).all()


@given(arrays(np.float32, (6, 10), elements=st.floats(0.125, 1.0, width=32)))
def test_the_relative_error_of_normal_numbers_is_at_most_half_a_step(x):
    # hand: with values within a factor 8 nothing gets subnormal, and a spacing is at most 2**-m of the number: half of
    # that, over a number at least as large as the lower end of its binade.
    for name in ("e4m3", "e4m3-ieee", "e4m3-fnuz", "e5m2", "bf16"):
        result = hs.quantize(x, name, scaling="per-row")
        limit = 2.0 ** -(hs.ELEMENT_FORMATS[name].mantissa_bits + 1)
        assert result.error.max_relative <= limit * (1 + 1e-6)  # the product with the scale rounds to 32 bits


def test_the_signal_to_noise_ratio_of_a_fine_uniform_quantiser():
    # hand: uniform on [-1, 1] in steps of 1/127: signal 1/3, noise step²/12, so 10·log10(4·127²) = 48.1 dB.
    x = np.linspace(-1, 1, 1_000_001)
    assert hs.quantize(x, "int8").error.sqnr_db == pytest.approx(10 * np.log10(4 * 127**2), abs=0.05)


@pytest.mark.parametrize("unit", [np.float32(1), np.float32(1e-30), np.float32(1e30), 1e-250, 1e250])
def test_the_error_is_what_the_definitions_say(unit):
    # sibling: the same figures from whole arrays in 64 bits; squares of the extreme units are beyond those.
    x = smooth(37, 53, dtype=unit.dtype if isinstance(unit, np.float32) else np.float64) * unit
    result = hs.quantize(x, "e4m3", scale=np.abs(x).max() / 100, overflow="saturate")  # calibrated on smaller ones
    exact, error = x.astype(np.float64), result.values.astype(np.float64) - x.astype(np.float64)
    assert result.error.max_absolute == pytest.approx(np.abs(error).max())
    assert result.error.max_relative == pytest.approx(np.abs(error / exact).max())
    assert result.error.mean_relative == pytest.approx(np.abs(error / exact).mean())
    assert result.error.sqnr_db == pytest.approx(
        10 * np.log10(np.square(exact / float(unit)).sum() / np.square(error / float(unit)).sum())
    )
    assert result.error.underflowed == np.mean(result.values == 0) > 0
    assert result.error.saturated == 0


# -- stochastic rounding -----------------------------------------------------------------------------------------------


def test_equation_9():
    # hand: three quarters of the way up; both neighbours together; a representable x stays, where the print is 0/0.
    probability = hs.stochastic_rounding_probability
    assert probability(17.5, 16.0, 18.0) == 0.75
    assert probability(-17.5, -18.0, -16.0) == 0.25
    assert probability(np.array([16.0, 18.0]), 16.0, 18.0).tolist() == [0, 1]
    assert probability(np.array([16.0]), np.array([16.0]), np.array([16.0])).tolist() == [0]


@given(vectors, names, st.integers(0, 2**32))
def test_stochastic_rounding_takes_a_neighbour(x, name, seed):
    # property: the number below or the number above.
    element = hs.ELEMENT_FORMATS[name]
    x = np.clip(x, -element.max, element.max)
    result = plain(x, name, rounding="stochastic", rng=np.random.default_rng(seed)).values
    numbers = np.concatenate([-element.magnitudes[:0:-1], element.magnitudes])
    down = numbers[np.searchsorted(numbers, x, side="right") - 1]
    up = numbers[np.searchsorted(numbers, x, side="left")]
    assert ((result == down) | (result == up)).all()  # one and the same where x is representable


@pytest.mark.parametrize("x", [17.25, -17.25, 100.0 / 3, 0.0005, 3.0])
@pytest.mark.parametrize("name", ["e4m3", "e4m3-ieee", "e5m2", "e2m1", "int8"])
def test_stochastic_rounding_is_unbiased(name, x):
    # property: the mean is x within 5 standard errors, and the share that goes up is Kim Eq. 9's probability.
    element = hs.ELEMENT_FORMATS[name]
    count, x = 400_000, float(np.clip(x, -element.max, element.max))
    values = plain(np.full(count, x), name, rounding="stochastic", rng=np.random.default_rng(9)).values
    numbers = np.concatenate([-element.magnitudes[:0:-1], element.magnitudes])
    down = numbers[np.searchsorted(numbers, x, side="right") - 1]
    up = numbers[np.searchsorted(numbers, x, side="left")]
    p = float(hs.stochastic_rounding_probability(x, down, up))
    sigma = (up - down) * np.sqrt(p * (1 - p) / count)
    assert abs(values.mean() - x) <= 5 * sigma + 1e-12 * abs(x)
    if up > down:
        assert abs(np.mean(values == up) - p) <= 5 * np.sqrt(p * (1 - p) / count)


def test_stochastic_rounding_depends_on_the_generator_alone():
    # property: same seed, same result; and the order of the draws is that of the elements, whatever the scaling.
    x = smooth(5, 200)

    def rounded(seed, **options):
        return hs.quantize(x, rounding="stochastic", rng=np.random.default_rng(seed), **options).codes

    np.testing.assert_array_equal(rounded(1), rounded(1))
    assert (rounded(1) != rounded(2)).any()
    whole = rounded(3, scaling="block", block=x.shape)
    np.testing.assert_array_equal(whole, rounded(3, scaling="per-tensor"))


def test_stochastic_rounding_is_less_accurate_than_nearest():
    # hand: nearest leaves an error of step²/12, stochastic rounding of step²/6: 3 dB less.
    x = np.linspace(-1, 1, 300_001)
    nearest = hs.quantize(x, "int8").error.sqnr_db
    chance = hs.quantize(x, "int8", rounding="stochastic", rng=np.random.default_rng(0)).error.sqnr_db
    assert nearest - chance == pytest.approx(10 * np.log10(2), abs=0.1)


def test_stochastic_rounding_only_where_the_machine_has_it():
    # published: Kim A-B, a feature of Gaudi alone; unknown for MI300X.
    def chance(machine):
        return hs.quantize([1.0], accelerator=machine, rounding="stochastic", rng=np.random.default_rng(0))

    assert chance(GAUDI_2).rounding == "stochastic"
    with pytest.raises(hs.UnsupportedFormatError, match="h100-sxm: cannot round stochastically"):
        chance(H100)
    with pytest.raises(hs.UnknownValueError, match=r"mi300x: fp8\.stochastic_rounding is not known"):
        chance(MI300X)


# -- scales ------------------------------------------------------------------------------------------------------------


def same(one, other):
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.values, other.values)
    assert one.error == other.error


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "int8", "e2m1"])
def test_scaled_values_are_scale_times_code(name):
    # property: with the scales spread over their blocks by hand.
    x = smooth(6, 70)
    for scaling, block, spread in (
        ("per-tensor", None, lambda s: s),
        ("power-of-two", None, lambda s: s),
        ("per-row", None, lambda s: s),
        ("per-column", None, lambda s: s),
        ("block", (4, 32), lambda s: np.repeat(np.repeat(s, 4, axis=0), 32, axis=1)[:6, :70]),
        ("mx", None, lambda s: np.repeat(s, 32, axis=1)[:, :70]),
    ):
        result = hs.quantize(x, name, scaling=scaling, block=block)
        np.testing.assert_array_equal(result.values, result.codes * spread(result.scale))
        np.testing.assert_array_equal(result.codes, plain(x / spread(result.scale), name).values)


def test_the_largest_of_each_block_maps_to_the_largest_number():
    # property: a scale is the largest magnitude over 448.
    x = smooth(6, 70)
    limit = hs.ELEMENT_FORMATS["e4m3"].max
    per_row = hs.quantize(x, scaling="per-row")
    assert per_row.scale.shape == (6, 1)
    assert np.abs(per_row.codes).max(axis=1).tolist() == [limit] * 6
    np.testing.assert_allclose(per_row.scale[:, 0], np.abs(x).max(axis=1) / limit, rtol=2e-7)
    per_column = hs.quantize(x, scaling="per-column")
    assert per_column.scale.shape == (1, 70)
    assert np.abs(per_column.codes).max(axis=0).tolist() == [limit] * 70


def test_a_scale_is_never_rounded_below_what_its_largest_magnitude_needs():
    # property: where the division rounds down, the largest of some rows would be an ulp beyond the range, and chance
    # could push it over the end.
    x = np.random.default_rng(5).normal(size=(20_000, 2)).astype(np.float32)
    result = hs.quantize(x, scaling="per-row")
    assert (np.abs(x) / result.scale <= np.float32(448)).all()


def test_granularities_are_cases_of_one_another():
    # sibling: a row is a tensor; columns are rows of the transpose; rows and tensors are blocks of their size.
    x = smooth(9, 80)
    per_row, per_column = hs.quantize(x, scaling="per-row"), hs.quantize(x, scaling="per-column")
    for row, values in zip(x, per_row.values, strict=True):
        np.testing.assert_array_equal(hs.quantize(row).values, values)
    transposed = hs.quantize(x.T, scaling="per-row")
    np.testing.assert_array_equal(per_column.values, transposed.values.T)
    same(per_row, hs.quantize(x, scaling="block", block=(1, 80)))
    same(per_row, hs.quantize(x, scaling="block", block=(1, 1000)))
    same(hs.quantize(x), hs.quantize(x, scaling="block", block=(9, 80)))
    ones = hs.quantize(x, scaling="block", block=(1, 1))
    assert (np.abs(ones.codes) == 448).all()


@pytest.mark.parametrize("block", [(1, 128), (128, 128), (5, 7)])
def test_blocks_are_quantised_on_their_own(block):
    # sibling: a loop over the blocks, the last ones smaller; DeepSeek-V3's shapes among them.
    x = smooth(130, 150)
    result = hs.quantize(x, scaling="block", block=block)
    tall, wide = block
    for row, column in itertools.product(range(result.scale.shape[0]), range(result.scale.shape[1])):
        part = np.s_[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
        alone = hs.quantize(x[part])
        np.testing.assert_array_equal(result.values[part], alone.values)
        assert result.scale[row, column] == alone.scale


@pytest.mark.parametrize(
    "options",
    [{"scaling": "per-row"}, {"scaling": "per-column"}, {"scaling": "block", "block": (2, 3)}, {"fmt": "mxfp4"}],
)
def test_a_stack_of_matrices_is_each_on_its_own(options):
    # sibling: one matrix at a time.
    x = smooth(4, 3, 5, 7)
    result = hs.quantize(x, **options)
    for index in np.ndindex(4, 3):
        alone = hs.quantize(x[index], **options)
        np.testing.assert_array_equal(result.values[index], alone.values)
        np.testing.assert_array_equal(result.scale[index], alone.scale)


@pytest.mark.parametrize("tile", [1, 7, 64, 200])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scaling": "per-row"},
        {"scaling": "per-column"},
        {"scaling": "block", "block": (4, 9)},
        {"fmt": "mxfp8"},
        {"fmt": "nvfp4"},
        {"scaling": "none", "overflow": "nan"},
    ],
)
def test_working_in_parts_changes_nothing(monkeypatch, tile, options):
    # sibling: the tensor in one part.
    x = smooth(2, 5, 41)
    whole = hs.quantize(x, **options)
    chance = hs.quantize(x, **options, rounding="stochastic", rng=np.random.default_rng(0))
    monkeypatch.setattr(quantization, "_TILE", tile)
    parts = hs.quantize(x, **options)
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.scale, whole.scale)
    assert parts.error.sqnr_db == pytest.approx(whole.error.sqnr_db, rel=1e-12)
    assert (parts.error.saturated, parts.error.underflowed) == (whole.error.saturated, whole.error.underflowed)
    again = hs.quantize(x, **options, rounding="stochastic", rng=np.random.default_rng(0))
    np.testing.assert_array_equal(again.values, chance.values)


def test_a_zero_block_has_scale_one():
    # hand: zero over any scale is zero, so 1 will do, and nothing is lost.
    x = np.zeros((2, 64), dtype=np.float32)
    x[1, 40] = 3.0
    for options in ({"scaling": "per-row"}, {"fmt": "mxfp4"}, {"scaling": "power-of-two"}, {"fmt": "nvfp4"}):
        result = hs.quantize(x, **options)
        np.testing.assert_array_equal(result.values[0], 0)
        assert np.isfinite(result.scale).all()
    assert hs.quantize(x, scaling="per-row").scale[0] == 1
    assert hs.quantize(np.zeros(3), "nvfp4").error == hs.ErrorStatistics(0, 0, 0, None, 0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*NAMES, "mxfp8", "mxfp4", "nvfp4", "int4-g128"])
def test_the_ends_of_the_float_range_stay_finite(name, dtype):
    # property: finite values, and scales above 0, at the ends of the array's own range.
    info = np.finfo(dtype)
    for unit in (info.max, info.tiny, info.smallest_subnormal):
        x = np.array([unit, -unit, 0], dtype=dtype)
        result = hs.quantize(x, name)
        assert np.isfinite(result.values).all()
        assert np.isfinite(result.scale).all()
        assert (result.scale > 0).all()


# -- power-of-two scales -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("absmax", "exponent"),
    # hand: the exact set of Kim III-B, 2**-8, 2**-4, 2**0, 2**4, and a range of 240: the first that holds absmax.
    [(1e-6, -8), (0.9375, -8), (0.94, -4), (15.0, -4), (15.1, 0), (240.0, 0), (241.0, 4), (3840.0, 4), (5000.0, 4)],
)
def test_gaudi_2_has_four_free_scales(absmax, exponent):
    result = hs.quantize([absmax, -absmax / 3], scaling="power-of-two", accelerator=GAUDI_2)
    assert result.scale == 2.0**exponent
    assert result.error.saturated == (0.5 if absmax > 3840 else 0)  # the largest scale still overflows: said


def test_gaudi_3_has_every_power_of_two_in_its_range():
    # published: Kim III-B, 2**-32 to 2**31; inside that range the free choice is the same.
    for absmax in (1e-6, 0.3, 448.0, 449.0, 1e9):
        here = hs.quantize([absmax], scaling="power-of-two", accelerator=GAUDI_3)
        anywhere = hs.quantize([absmax], scaling="power-of-two")
        assert here.scale == anywhere.scale
        assert absmax <= 448 * here.scale < 2 * absmax  # property: the smallest that does not overflow
    assert hs.quantize([1e-30], scaling="power-of-two", accelerator=GAUDI_3).scale == 2.0**-32
    assert hs.quantize([1e30], scaling="power-of-two", accelerator=GAUDI_3).scale == 2.0**31


def test_a_power_of_two_scale_costs_at_most_one_bit_of_range():
    # property: within one binade of the exact scale, so that the numbers used end above half the range.
    x = smooth(20, 50)
    codes = np.abs(hs.quantize(x, scaling="power-of-two").codes)
    assert 224 <= codes.max() <= 448


def test_power_of_two_scales_need_a_machine_that_has_them():
    # published: Kim III-B, the exponents of Gaudi 2, for E4M3 only; property: the rest is refused by name.
    with pytest.raises(hs.UnknownValueError, match=r"h100-sxm: fp8\.power_of_two_exponents is not known"):
        hs.quantize([1.0], scaling="power-of-two", accelerator=H100)
    with pytest.raises(hs.UnknownValueError, match="e4m3 only"):
        hs.quantize([1.0], "e5m2", scaling="power-of-two", accelerator=GAUDI_2)
    with pytest.raises(ValueError, match=r"scale = 2 is not accepted: give 2\*\*n, n in -8, -4, 0, 4"):
        hs.quantize([1.0], scaling="power-of-two", accelerator=GAUDI_2, scale=2.0)
    with pytest.raises(ValueError, match=r"scale = 3 is not accepted"):
        hs.quantize([1.0], scaling="power-of-two", scale=3)
    assert hs.quantize([1.0], scaling="power-of-two", accelerator=GAUDI_2, scale=16).scale == 16


# -- block formats with scales of their own ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "e3m2", "e2m3", "e2m1"])
def test_mx_follows_the_specification(name):
    # sibling: OCP MX v1.0 section 6.3 written as a loop over blocks, rounding by ml_dtypes.
    other, element = oracle(name), hs.ELEMENT_FORMATS[name]
    x = smooth(7, 100, seed=3)
    result = hs.quantize(x, name, scaling="mx")
    assert result.scale.shape == (7, 4)
    for row, start in itertools.product(range(7), range(0, 100, 32)):
        part = x[row, start : start + 32]
        scale = 2.0 ** (np.floor(np.log2(np.abs(part).max())) - np.floor(np.log2(element.max)))
        expected = np.clip(part / scale, -element.max, element.max).astype(other).astype(np.float64) * scale
        assert result.scale[row, start // 32] == scale
        np.testing.assert_array_equal(result.values[row, start : start + 32], expected)


def test_mx_lets_the_top_of_a_block_saturate():
    # hand: floor(log2 500) = 8 is E4M3's own largest exponent, so the scale is 1, and 500 is beyond 448.
    result = hs.quantize([500.0, 1.0], "mxfp8")
    assert result.scale == 1
    assert result.values.tolist() == [448.0, 1.0]
    assert result.error.saturated == 0.5


def test_mx_int8_is_its_own_fixed_point():
    # hand: MXINT8 counts in 2**-6 of the shared power of two: absmax 1.5 has exponent 0, so the step is 1/64.
    result = hs.quantize([1.5, 0.01, -1.0], "int8", scaling="mx")
    assert result.scale == 2.0**-6
    assert result.codes.tolist() == [96.0, 1.0, -64.0]


def test_mx_scales_are_e8m0():
    # published: OCP MX v1.0 section 5.4.1: exponents of -127 to 127.
    tiny, huge = hs.quantize([1e-300], "mxfp4"), hs.quantize([1e300], "mxfp4")
    assert (tiny.scale, huge.scale) == (2.0**-127, 2.0**127)
    assert (tiny.error.underflowed, huge.error.saturated) == (1, 1)


def test_nvfp4_follows_its_definition():
    # sibling: the two-level scales of NVIDIA's description as a loop over blocks, rounding by ml_dtypes.
    e2m1, e4m3 = oracle("e2m1"), oracle("e4m3")
    x = smooth(5, 72, seed=4)
    result = hs.quantize(x, "nvfp4")
    tensor_scale = np.abs(x).max() / np.float32(6 * 448)
    assert result.tensor_scale == pytest.approx(tensor_scale, rel=2e-7)
    assert result.scale.shape == (5, 5)
    for row, start in itertools.product(range(5), range(0, 72, 16)):
        part = x[row, start : start + 16]
        block = (np.abs(part).max() / np.float32(6) / np.float32(result.tensor_scale)).astype(e4m3).astype(np.float32)
        scale = block * np.float32(result.tensor_scale)
        assert result.scale[row, start // 16] == scale
        expected = np.clip(part / scale, -6, 6).astype(e2m1).astype(np.float32) * scale
        np.testing.assert_array_equal(result.values[row, start : start + 16], expected)
    assert np.isclose(result.scale.max(), 448 * result.tensor_scale)  # property: the block of the largest magnitude


def test_nvfp4_keeps_a_small_block_alive():
    # hand: a block 2**-20 below the tensor's largest would get the scale 448·2**-20, less than half of 2**-9.
    x = np.full((1, 32), 2.0**-20)
    x[0, 0] = 1.0
    result = hs.quantize(x, "nvfp4")
    assert result.scale[0, 1] == 2.0**-9 * result.tensor_scale
    assert (result.scale > 0).all()


def test_nvfp4_blocks_beyond_a_static_tensor_scale_saturate():
    # hand: 448·2**-9 · 6 = 5.25 is the most that a tensor scale of 2**-9 can hold; 12 is beyond it.
    result = hs.quantize([12.0, 1.0], "nvfp4", scale=2.0**-9)
    assert result.scale == 448 * 2.0**-9
    assert result.values[0] == 5.25
    assert result.error.saturated == 0.5


@pytest.mark.parametrize(
    ("stored", "same_as"),
    [
        ("mxfp8", {"fmt": "e4m3", "scaling": "mx"}),
        ("mxfp6", {"fmt": "e2m3", "scaling": "mx"}),
        ("mxfp4", {"fmt": "e2m1", "scaling": "mx"}),
        ("nvfp4", {"fmt": "e2m1", "scaling": "nvfp4"}),
        ("int4-g128", {"fmt": "int4", "scaling": "block", "block": (1, 128)}),
        ("FP8", {"fmt": "e4m3", "scaling": "per-tensor"}),
        ("bf16", {"fmt": "bf16", "scaling": "none"}),
    ],
)
def test_the_names_of_stored_formats_bring_their_scales(stored, same_as):
    # sibling: the same elements and scales, asked for one by one.
    x = smooth(4, 300)
    same(hs.quantize(x, stored), hs.quantize(x, **same_as))


@pytest.mark.parametrize("stored", ["mxfp8", "mxfp6", "mxfp4", "nvfp4", "int4-g128"])
def test_scales_and_elements_are_those_that_the_formats_count(stored):
    # sibling: NumberFormat counts the bits; the emulation has that many elements per scale and bits per element.
    fmt = hs.number_format(stored)
    result = hs.quantize(smooth(2, 3 * fmt.group), stored)
    assert result.element.bits == fmt.element_bits
    assert result.codes.size / result.scale.size == fmt.group


def test_finer_scales_help_a_tensor_with_outliers():
    # hand: one outlier of 2**12 leaves all else under its scale below half of E4M3's smallest number.
    x = np.full((4, 64), 2.0**-8)
    x[0, 0] = 2.0**12
    assert hs.quantize(x).error.underflowed == 255 / 256
    assert hs.quantize(x, scaling="per-row").error.underflowed == 63 / 256
    assert hs.quantize(x, "mxfp8").error.underflowed == 31 / 256


# -- static scales -----------------------------------------------------------------------------------------------------


def test_a_static_scale_is_used_as_given_and_saturation_is_said():
    # hand: calibrated for ±448·0.01, then a value of 10 comes (Kim III-C: unseen inputs).
    result = hs.quantize([1.0, 10.0], "e4m3", scale=0.01)
    assert result.static
    assert result.scale == np.float64(0.01)
    assert result.values[1] == 448 * 0.01
    assert result.error.saturated == 0.5


def test_a_static_scale_equal_to_the_dynamic_one_changes_nothing():
    # sibling: the scale taken from the tensor.
    x = smooth(6, 64)
    for options in ({"scaling": "per-row"}, {"scaling": "block", "block": (4, 10)}, {"scaling": "per-tensor"}):
        dynamic = hs.quantize(x, **options)
        same(dynamic, hs.quantize(x, **options, scale=dynamic.scale))
    dynamic = hs.quantize(x, "nvfp4")
    same(dynamic, hs.quantize(x, "nvfp4", scale=dynamic.tensor_scale))


def test_one_static_scale_serves_all_rows():
    # sibling: the same scale for the whole tensor.
    x = smooth(3, 8)
    result = hs.quantize(x, scaling="per-row", scale=0.5)
    assert result.scale.tolist() == [[0.5]] * 3
    np.testing.assert_array_equal(result.values, hs.quantize(x, scale=0.5).values)


# -- what goes in and comes out ----------------------------------------------------------------------------------------


def test_the_shape_and_the_digits_of_the_input_are_kept():
    # property: shape in, shape out; 64 bits only for what needs them.
    bfloat16 = oracle("bf16")
    for x, dtype in (
        (np.float16([1.5]), np.float32),
        (np.ones((2, 3), bfloat16), np.float32),
        (np.ones((2, 3), np.float32), np.float32),
        ([1, 2], np.float64),
        (np.int8([1, 2]), np.float64),
        (3.0, np.float64),
    ):
        result = hs.quantize(x, "e5m2")
        assert result.values.dtype == result.codes.dtype == result.scale.dtype == dtype
        assert result.values.shape == np.shape(x)
    for options in ({"scaling": "per-row"}, {"fmt": "mxfp4"}):
        assert hs.quantize(3.0, **options).values.shape == ()
        assert hs.quantize([3.0] * 40, **options).scale.shape == ((1,) if "scaling" in options else (2,))


def test_the_tensor_is_left_alone_and_the_result_is_read_only():
    # property: input and result cannot change behind the reader's back.
    x = smooth(4, 40)[:, ::2]
    before = x.copy()
    result = plain(x, "e4m3")
    np.testing.assert_array_equal(x, before)
    for array in (result.values, result.codes, result.scale):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        result.scaling = "none"
    assert pickle.loads(pickle.dumps(result)).error == result.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": [1.0, np.nan]}, "x holds NaN or an infinity"),
        ({"x": [[1.0], [np.inf]], "scaling": "none"}, "x holds NaN or an infinity"),
        ({"x": []}, "x is empty"),
        ({"x": [[1.0], [1.0, 2.0]]}, "unlike parts"),
        ({"x": ["1"]}, "not accepted: give an array of finite numbers"),
        ({"x": [True]}, "x of bool is not accepted"),
        ({"x": [1j]}, "x of complex128 is not accepted"),
        ({"scaling": "per-token"}, "scaling = 'per-token' is not accepted: give one of 'none', 'per-tensor'"),
        ({"rounding": "up"}, "rounding = 'up' is not accepted"),
        ({"overflow": "wrap"}, "overflow = 'wrap' is not accepted"),
        ({"fmt": "e2m1", "overflow": "nan"}, "e2m1 has no NaN"),
        ({"rounding": "stochastic"}, "rng = None is not accepted"),
        ({"rounding": "stochastic", "rng": 0}, "rng = 0 is not accepted"),
        ({"rng": np.random.default_rng(0)}, "rng is for rounding = 'stochastic'"),
        ({"scaling": "block"}, "give block = "),
        ({"scaling": "per-row", "block": (1, 2)}, "give block = "),
        ({"scaling": "block", "block": (0, 2)}, "two whole numbers"),
        ({"scaling": "block", "block": (True, 2)}, "two whole numbers"),
        ({"scaling": "block", "block": 128}, "two whole numbers"),
        ({"scaling": "per-column"}, "x has 1 axes: per-column scales need at least 2"),
        ({"scaling": "block", "block": (2, 2)}, "x has 1 axes: block scales need at least 2"),
        ({"fmt": "mxfp4", "scaling": "per-row"}, "mxfp4 prescribes its scales"),
        ({"fmt": "bf16", "scaling": "mx"}, "scaling = 'mx' holds e4m3"),
        ({"scaling": "mx", "accelerator": GAUDI_2}, "not e4m3-ieee"),
        ({"scaling": "nvfp4"}, "scaling = 'nvfp4' holds e2m1, not e4m3"),
        ({"scale": 0.0}, "finite numbers above 0"),
        ({"scale": np.nan}, "finite numbers above 0"),
        ({"scale": "1"}, "finite numbers above 0"),
        ({"x": np.float32([1]), "scale": 1e300}, "beyond the range of float32"),
        ({"x": np.float32([1]), "scale": 1e-300}, "beyond the range of float32"),
        ({"scale": [1.0, 2.0]}, r"scale of shape \(2,\) is not accepted: give one number"),
        ({"scale": 1.0, "scaling": "none"}, "scale is not accepted with scaling = 'none'"),
        ({"scale": 1.0, "fmt": "mxfp8"}, "scale is not accepted with scaling = 'mx'"),
    ],
)
def test_what_is_wrong_is_named(options, message):
    # property: an error names the argument and what is accepted.
    with pytest.raises(ValueError, match=message):
        hs.quantize(**{"x": [1.0, 2.0]} | options)


def test_an_unknown_format_names_close_ones():
    # property: close matches, or all names.
    with pytest.raises(hs.UnknownNameError, match="unknown element format 'e4m'; did you mean e4m3"):
        hs.quantize([1.0], "e4m")
    with pytest.raises(hs.UnknownNameError, match="known: bf16"):
        hs.element_format(8)


def test_a_machine_without_fp8_says_so():
    # property: unknown is an error.
    with pytest.raises(hs.UnknownValueError, match=r"a100-sxm-80gb: fp8\.e4m3_max is not known"):
        hs.quantize([1.0], "e4m3", accelerator=hs.get("a100"))


def test_the_result_shows_what_a_reader_needs():
    # property: encoding, scales, rounding, shape and error are all shown.
    shown = repr(hs.quantize(smooth(4, 8), accelerator=GAUDI_2, scale=3.0))
    for part in ("e4m3-ieee up to 240", "per-tensor static", "nearest", "4 × 8", "SQNR", "saturated", "underflowed"):
        assert part in shown
    assert "exact" in repr(plain(1.0, "e4m3"))
    assert "one number" in repr(plain(1.0, "e4m3"))


def test_what_is_announced_is_offered():
    # property: names that load when first asked for are in dir() too, where completion and the reference look.
    assert set(hs.__all__) <= set(dir(hs))
