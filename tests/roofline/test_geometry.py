"""The geometry of the matrix engine (Kim VI-B): padding, folding and waves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import formulas

SIDES = st.integers(1, 5000)
GAUDI = formulas.folded_arrays(rows=256, columns=256, min_width=128)


@given(size=st.integers(0, 10**9), granule=st.integers(1, 10**5))
def test_padding_is_the_next_multiple(size, granule):
    # property: a multiple, not smaller, less than one granule larger.
    whole = formulas.padded(size=size, granule=granule)
    assert whole % granule == 0
    assert size <= whole < size + granule


@given(m=SIDES, k=SIDES, n=SIDES, thin=st.integers(1, 64), longer=st.integers(0, 192), tile_k=st.integers(1, 64))
def test_padded_products(m, k, n, thin, longer, tile_k):
    # property: never less than the product, the same when it is transposed, and exact when every side is a multiple.
    tile = {"tile_thin": thin, "tile_wide": thin + longer, "tile_k": tile_k}
    executed = formulas.padded_gemm_flops(m=m, k=k, n=n, **tile)
    assert executed >= formulas.gemm_flops(m=m, k=k, n=n)
    assert executed == formulas.padded_gemm_flops(m=n, k=k, n=m, **tile)
    fitting = {"m": m * thin, "k": k * tile_k, "n": n * (thin + longer)}
    assert formulas.matrix_utilisation(**fitting, **tile) == 1
    assert 0 < formulas.matrix_utilisation(m=m, k=k, n=n, **tile) <= 1


def test_a_thin_product_on_gaudi_pays_for_128_rows():
    # published: a folded unit is at least 128 wide (Kim VI-B and Figure 9). hand: so 64 rows use at most half of it,
    # and the most it can do is linear in the rows up to 128.
    rows = np.array([8, 16, 32, 64, 128])
    use = formulas.matrix_utilisation(m=rows, k=4096, n=4096, tile_thin=128, tile_wide=512)
    np.testing.assert_array_equal(use, rows / 128)


def test_foldings():
    # published: Kim VI-B, 256 × 256 folded to a least width of 128. hand: a long array, and one that cannot be folded.
    assert GAUDI == ((128, 512), (256, 256), (512, 128))
    assert formulas.folded_arrays(rows=128, columns=512, min_width=128) == GAUDI
    assert formulas.folded_arrays(rows=16, columns=16, min_width=128) == ((16, 16),)
    assert formulas.folded_arrays(rows=3, columns=12, min_width=1) == ((3, 12), (6, 6), (12, 3))


def test_large_arrays_need_less_input():
    # published: Kim VI-B, the point of Figure 8. hand: at equal multipliers, input grows as the side shrinks.
    side = np.array([256, 128, 64, 32, 16])
    units = 2 * 256**2 / side**2
    np.testing.assert_array_equal(
        formulas.input_elements_per_cycle(units=units, rows=side, columns=side), 1024 * 256 / side
    )


@given(m=SIDES, k=SIDES, n=SIDES, products=st.integers(1, 64), units=st.integers(1, 160))
def test_waves_against_a_schedule(m, k, n, products, units):
    # sibling: hand out the tiles one by one and see when the last unit is done.
    rows, columns, tile_k = 128, 256, 16
    tiles = products * len(range(0, m, rows)) * len(range(0, n, columns))
    rounds = len(range(0, tiles, units))
    expected = rounds * units * 2 * rows * columns * len(range(0, k, tile_k)) * tile_k
    shape = {"m": m, "k": k, "n": n, "products": products, "units": units, "tile_k": tile_k}
    one = formulas.wave_quantised_flops(**shape, tiles=((rows, columns),))
    assert one == expected
    # property: never less than the padded products, and another candidate tile can only help.
    padded = formulas.padded_gemm_flops(m=m, k=k, n=n, tile_thin=rows, tile_wide=columns, tile_k=tile_k)
    turned = formulas.wave_quantised_flops(**shape, tiles=((rows, columns), (columns, rows)))
    assert products * padded <= turned <= one


def test_an_output_tile_that_cannot_be_fed_is_slower():
    # hand: a unit of 1,024 multipliers needs a 64 × 64 tile 4 clocks per step of K, which takes 128 elements: 32 per
    # clock. At 16 bytes per clock that is 2 times slower in FP8 and 4 times in BF16; 64 bytes feed it.
    shape = {"m": 64, "k": 64, "n": 64, "tiles": ((64, 64),), "units": 1, "macs_per_unit_clock": 1024}
    plain = formulas.wave_quantised_flops(**shape)
    for per_clock, input_bytes, factor in ((16, 1, 2), (16, 2, 4), (64, 1, 1), (64, 2, 1)):
        fed = formulas.wave_quantised_flops(**shape, input_bytes=input_bytes, operand_bytes_per_clock=per_clock)
        assert fed == factor * plain
    # hand: a larger tile reuses more, 256 × 256 in 64 clocks takes 512 elements, 8 per clock.
    large = formulas.wave_quantised_flops(
        **(shape | {"m": 256, "n": 256, "tiles": ((64, 64), (256, 256))}), operand_bytes_per_clock=16
    )
    assert large == formulas.gemm_flops(m=256, k=64, n=256)


def test_waves_of_one_whole_engine_are_padding():
    # sibling: with one unit there are no waves to lose, only edges; over all foldings of Gaudi's array.
    for m, n in ((1, 4096), (64, 4096), (300, 300), (4096, 128)):
        waves = formulas.wave_quantised_flops(m=m, k=512, n=n, tiles=GAUDI, units=1)
        edges = min(2 * 512 * math.ceil(m / r) * r * math.ceil(n / c) * c for r, c in GAUDI)
        assert waves == pytest.approx(edges, rel=1e-15)
