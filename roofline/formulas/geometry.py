"""The shape of the matrix engine: what is lost when a product does not fill it (Kim VI-B, Figures 8 and 9)."""

from __future__ import annotations

from roofline._arrays import Array, ceil, in_floats, maximum, minimum
from roofline.formulas.gemm import gemm_flops


@in_floats
def padded(*, size: Array, granule: Array) -> Array:
    """Round a size up to whole granules: ``⌈size/granule⌉·granule``.

    Parameters
    ----------
    size, granule : number or array
        In the same unit.

    Returns
    -------
    number or array
        At least `size`.

    Examples
    --------
    >>> float(padded(size=65, granule=64)), float(padded(size=64, granule=64))
    (128.0, 64.0)
    """
    return ceil(size / granule) * granule


@in_floats
def padded_gemm_flops(*, m: Array, k: Array, n: Array, tile_thin: Array, tile_wide: Array, tile_k: Array = 1) -> Array:
    """FLOPs that the matrix engine executes when each side of a product is padded to its tile.

    The tile is not square, and the product may be turned so that the tile's thin side lies along either M or N,
    whichever wastes less: ``2·min(⌈M⌉ₜ·⌈N⌉ᵥ, ⌈M⌉ᵥ·⌈N⌉ₜ)·⌈K⌉`` (the folding of Kim Figure 9, and the transposed product
    that GPU libraries run for a thin GEMM).

    Parameters
    ----------
    m, k, n : number or array
        Rows, inner dimension, columns of the product [element].
    tile_thin, tile_wide, tile_k : number or array
        Shorter and longer side of an output tile, and what one instruction takes of the inner dimension [element].

    Returns
    -------
    number or array
        At least ``2·M·K·N`` [FLOP].

    Examples
    --------
    Eight rows on a GPU whose instruction multiplies 64 × 8: nothing is lost, because the product is turned.

    >>> float(padded_gemm_flops(m=8, k=4096, n=4096, tile_thin=8, tile_wide=64, tile_k=16)) / 2**28
    1.0

    One row still pays for eight:

    >>> float(padded_gemm_flops(m=1, k=4096, n=4096, tile_thin=8, tile_wide=64, tile_k=16)) / 2**28
    1.0
    """
    upright = padded(size=m, granule=tile_thin) * padded(size=n, granule=tile_wide)
    turned = padded(size=m, granule=tile_wide) * padded(size=n, granule=tile_thin)
    return 2 * minimum(upright, turned) * padded(size=k, granule=tile_k)


@in_floats
def matrix_utilisation(*, m: Array, k: Array, n: Array, tile_thin: Array, tile_wide: Array, tile_k: Array = 1) -> Array:
    """Useful share of the FLOPs that the matrix engine executes: the product over the padded product (Kim Figure 9).

    Parameters are those of :func:`padded_gemm_flops`.

    Returns
    -------
    number or array
        Above 0, at most 1.

    Examples
    --------
    >>> float(matrix_utilisation(m=6, k=4096, n=4096, tile_thin=8, tile_wide=64))
    0.75
    """
    executed = padded_gemm_flops(m=m, k=k, n=n, tile_thin=tile_thin, tile_wide=tile_wide, tile_k=tile_k)
    return gemm_flops(m=m, k=k, n=n) / executed


@in_floats
def wave_quantised_flops(
    *,
    m: Array,
    k: Array,
    n: Array,
    tiles: tuple[tuple[float, float], ...],
    units: Array,
    products: Array = 1,
    tile_k: Array = 1,
    macs_per_unit_clock: Array = 1,
    input_bytes: Array = 1,
    operand_bytes_per_clock: Array | None = None,
) -> Array:
    """FLOPs at full peak that take as long as equal products on an engine of several units.

    Each unit works on one whole output tile at a time (no split of K), so the units work in waves and the last wave may
    be almost empty: ``⌈products·⌈M/r⌉·⌈N/c⌉/units⌉`` waves of ``units·2·r·c·⌈K⌉`` FLOPs, for the best of the tiles. A
    tile that first-level memory cannot feed is slower by ``(r + c)·P·macs/(r·c·bytes per clock)`` (Kim VI-B: small
    units need more input per cycle).

    Parameters
    ----------
    m, k, n : number or array
        Rows, inner dimension, columns of one product [element].
    tiles : tuple of pairs
        Candidate output tiles ``(r, c)`` [element]: rows of M by columns of N, so name both orientations.
    units : number or array
        Units that work side by side: streaming multiprocessors, or systolic arrays.
    products : number or array
        Independent products of this shape that run together, such as the experts of a layer.
    tile_k : number or array
        What one instruction takes of the inner dimension [element].
    macs_per_unit_clock : number or array
        Multiply-accumulates of one unit per clock, used only with `operand_bytes_per_clock`.
    input_bytes : number or array
        Bytes per element of the operands, used only with `operand_bytes_per_clock`.
    operand_bytes_per_clock : number or array, optional
        What first-level memory gives one unit per clock [byte]; without it, any tile can be fed.

    Returns
    -------
    number or array
        FLOP-equivalents, to be divided by the peak rate of all units together [FLOP].

    Examples
    --------
    A weight matrix of 33 tiles on 32 units takes two waves, the time of a matrix of 64 tiles:

    >>> one = wave_quantised_flops(m=64, k=4096, n=33 * 128, tiles=((64, 128),), units=32)
    >>> float(one / gemm_flops(m=64, k=4096, n=64 * 128))
    1.0

    A choice of tiles helps:

    >>> best = wave_quantised_flops(m=64, k=4096, n=33 * 128, tiles=((64, 128), (64, 144)), units=32)
    >>> round(float(best / one), 4)
    0.5625
    """
    best = None
    for rows, columns in tiles:
        waves = ceil(products * ceil(m / rows) * ceil(n / columns) / units)
        flops = waves * units * 2 * rows * columns * padded(size=k, granule=tile_k)
        if operand_bytes_per_clock is not None:
            clocks_per_k = rows * columns / macs_per_unit_clock
            flops = flops * maximum(1.0, (rows + columns) * input_bytes / (operand_bytes_per_clock * clocks_per_k))
        best = flops if best is None else minimum(best, flops)
    return best


def folded_arrays(*, rows: int, columns: int, min_width: int) -> tuple[tuple[int, int], ...]:
    """Shapes to which an array of multiply-accumulators can be folded, by halving one side and doubling the other.

    Parameters
    ----------
    rows, columns : int
        The array as built [element].
    min_width : int
        Shortest side allowed [element].

    Returns
    -------
    tuple of pairs
        ``(rows, columns)`` from the flattest to the tallest, all of the same area; the array as built is always one.

    Examples
    --------
    The engines of Gaudi 2 and 3 (Kim VI-B and Figure 9):

    >>> folded_arrays(rows=256, columns=256, min_width=128)
    ((128, 512), (256, 256), (512, 128))
    """
    halved = {rows >> i for i in range(rows.bit_length()) if rows % 2**i == 0}
    doubled = {rows << i for i in range(columns.bit_length()) if columns % 2**i == 0}
    shapes = ((r, rows * columns // r) for r in sorted(halved | doubled))
    return tuple(shape for shape in shapes if min(shape) >= min_width or shape == (rows, columns))


@in_floats
def input_elements_per_cycle(*, units: Array, rows: Array, columns: Array) -> Array:
    """Operands that the arrays of a matrix engine take in every cycle: ``units·(rows + columns)`` (Kim Figure 8).

    Parameters
    ----------
    units : number or array
        Arrays that work side by side.
    rows, columns : number or array
        Of one array [element].

    Returns
    -------
    number or array
        [element/cycle].

    Examples
    --------
    Two arrays of 256 × 256, and the same 131,072 multiply-accumulators as 512 arrays of 16 × 16, which need 16 times
    the input:

    >>> input_elements_per_cycle(units=2, rows=256, columns=256)
    1024
    >>> input_elements_per_cycle(units=512, rows=16, columns=16)
    16384
    """
    return units * (rows + columns)
