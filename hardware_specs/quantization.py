"""What a number format does to a tensor: rounding, range and scale factors, emulated number by number.

``quantize(x, "e4m3", scaling="per-row", accelerator=hs.get("gaudi-2"))`` returns the tensor as that machine would see
it, with its error. The convention is ``x ≈ scale · code``: a code is a number of the format, and a scale belongs to the
tensor, to a row, or to a block of elements.

References
----------
.. [1] Kim et al., arXiv:2502.01070, sections III-B and III-C.
.. [2] Open Compute Project, *OCP Microscaling Formats (MX) Specification*, v1.0, 2023.
.. [3] NVIDIA, *Introducing NVFP4*, 2025.
.. [4] DeepSeek-AI, *DeepSeek-V3 Technical Report*, arXiv:2412.19437: FP8 in blocks, 128×128 of weights and 1×128 of
       activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hardware_specs.accelerator import Accelerator
from hardware_specs.elements import ELEMENT_FORMATS, ElementFormat, Floats, element_format
from hardware_specs.errors import UnknownValueError, UnsupportedFormatError
from hardware_specs.formats import FORMATS

SCALINGS = ("none", "per-tensor", "power-of-two", "per-row", "per-column", "block", "mx", "nvfp4")
"""What a scale factor may belong to, and how it is chosen."""

_MX_ELEMENTS = ("e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "int8")
"""Element formats of the MX specification, Table 1."""

_PRESCRIBED: dict[str, tuple[str, tuple[int, int] | None]] = {
    "mxfp8": ("mx", None),
    "mxfp6": ("mx", None),
    "mxfp4": ("mx", None),
    "nvfp4": ("nvfp4", None),
    "int4-g128": ("block", (1, FORMATS["int4-g128"].group)),
}
"""Scaling and block of the stored formats that come with their scales."""

_TILE = 2**16
"""Elements worked on at a time, so that what is in between stays in the cache."""


# -- what comes out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ErrorStatistics:
    """How far a quantised tensor is from the original; elements turned into NaN count as saturated only.

    Attributes
    ----------
    max_relative, mean_relative : float
        Of ``|value − x| / |x|`` over the elements that are not zero; 1 where a value vanished.
    max_absolute : float
        Of ``|value − x|``, in the tensor's unit.
    sqnr_db : float or None
        Signal-to-quantisation-noise ratio ``10·log10(Σx² / Σ(value − x)²)`` [dB]; ``None`` where nothing was lost.
    saturated : float
        Share of the elements beyond the format's range after scaling.
    underflowed : float
        Share of the elements that were not zero and became zero.

    Examples
    --------
    >>> quantize([0.0009, 1.0, 512.0, 2.0], "e4m3", scaling="none").error
    ErrorStatistics(max_relative=1.0, mean_relative=0.28125, max_absolute=64.0, sqnr_db=18.06..., saturated=0.25,
    underflowed=0.25)
    """

    max_relative: float
    mean_relative: float
    max_absolute: float
    sqnr_db: float | None
    saturated: float
    underflowed: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quantized:
    """A tensor as a number format holds it: ``x ≈ values = scale · codes``. Its arrays are read-only.

    Attributes
    ----------
    values : array
        What the machine computes with, in the shape of the tensor: float32, or float64 for a float64 tensor.
    codes : array
        The numbers of the format, in the same shape; `bits` gives their patterns.
    scale : array
        One per tensor (shape ``()``), row ``(…, 1)``, column ``(…, 1, n)``, or block.
    tensor_scale : float
        The factor of NVFP4 that the whole tensor shares, already inside `scale`; 1 otherwise.
    element : ElementFormat
        The numbers an element could be.
    scaling, rounding : str
        As asked for.
    static : bool
        Whether the scale was given, not taken from this tensor.
    error : ErrorStatistics
        Against the original.

    Examples
    --------
    >>> quantize(np.linspace(-1, 1, 1000), "e4m3")
    Quantized(e4m3 up to 448, per-tensor, nearest, 1000: SQNR 31.9 dB, relative error mean 2.2 % and max 5.8 %,
    saturated 0 %, underflowed 0 %)
    """

    values: Floats
    codes: Floats
    scale: Floats
    tensor_scale: float
    element: ElementFormat
    scaling: str
    rounding: str
    static: bool
    error: ErrorStatistics

    @property
    def bits(self) -> NDArray[np.unsignedinteger[Any]]:
        """Bit patterns of the codes, as `ElementFormat.encode` returns them.

        Examples
        --------
        >>> quantize([1.0, -2.0], "e5m2", scaling="none").bits
        array([ 60, 192], dtype=uint8)
        """
        return self.element.encode(self.codes)

    def __repr__(self) -> str:
        error = self.error
        ratio = "exact" if error.sqnr_db is None else f"SQNR {error.sqnr_db:.1f} dB"
        scaling = f"{self.scaling} static" if self.static else self.scaling
        shape = " × ".join(map(str, self.values.shape)) or "one number"
        return (
            f"Quantized({self.element.name} up to {self.element.max:g}, {scaling}, {self.rounding}, {shape}: {ratio}, "
            f"relative error mean {_percent(error.mean_relative)} and max {_percent(error.max_relative)}, "
            f"saturated {_percent(error.saturated)}, underflowed {_percent(error.underflowed)})"
        )


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


# -- the public function -----------------------------------------------------------------------------------------------


def quantize(
    x: Any,
    fmt: str = "e4m3",
    *,
    accelerator: Accelerator | None = None,
    scaling: str | None = None,
    block: tuple[int, int] | None = None,
    scale: Any = None,
    rounding: Literal["nearest", "stochastic"] = "nearest",
    rng: np.random.Generator | None = None,
    overflow: Literal["saturate", "nan"] = "saturate",
) -> Quantized:
    """Quantise a tensor and say what it cost: ``x ≈ scale · code``.

    Parameters
    ----------
    x : array-like
        The tensor, finite. The last axis is a row: a token's features, or an output channel's weights.
    fmt : str
        A name of `ELEMENT_FORMATS`, or a stored format with its scales: ``"mxfp8"``, ``"mxfp6"``, ``"mxfp4"``,
        ``"nvfp4"``, ``"int4-g128"``.
    accelerator : Accelerator, optional
        Takes the FP8 encoding, the power-of-two scales and the kinds of rounding of this machine. Which granularities
        it applies in hardware is `Fp8Support.scaling`; the others can be emulated here just as software does.
    scaling : str, optional
        ``"none"``: no scale. ``"per-tensor"``, ``"per-row"``, ``"per-column"``, ``"block"``: the largest magnitude maps
        to the largest number. ``"power-of-two"``: one scale 2**n per tensor (Kim III-B: per tensor only), the smallest
        that does not overflow, from those of the machine where it is given; if all overflow, the largest.
        ``"mx"``: 32 elements of a row share a power of two, ``floor(log2(absmax)) − floor(log2(max))`` as the MX
        specification has it, so that what lies above `max` after scaling saturates. ``"nvfp4"``: 16 elements share an
        E4M3 scale, the tensor one more. The default is what the format prescribes, else ``"per-tensor"``; ``"none"``
        for 16-bit formats.
    block : (int, int), optional
        Rows and columns of a block, for ``scaling="block"``; the last blocks may be smaller.
    scale : number or array, optional
        A calibrated (static) scale in place of the tensor's own largest magnitude (Kim III-C), in the shape of
        `Quantized.scale` or one that broadcasts to it; for ``"nvfp4"`` the tensor's.
    rounding : {"nearest", "stochastic"}
        Nearest, ties to even; or up with the probability of :func:`hardware_specs.stochastic_rounding_probability`.
    rng : numpy.random.Generator, optional
        Source of chance; required for stochastic rounding.
    overflow : {"saturate", "nan"}
        What is beyond the range becomes the largest number, or NaN (infinity is not told apart).

    Returns
    -------
    Quantized

    Raises
    ------
    ValueError
        For a tensor that is empty or not finite, and for options that do not go together.
    UnknownNameError
        For a format that is not known, with close matches.
    UnknownValueError
        Where a figure of the accelerator is needed and not known.
    UnsupportedFormatError
        Where the accelerator cannot round as asked.

    References
    ----------
    Kim et al., arXiv:2502.01070, sections III-B and III-C; OCP MX v1.0, section 6.3; NVIDIA, *Introducing NVFP4*.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> weights = 0.1 * np.sin(np.arange(2**17.0)).reshape(256, 512) ** 3
    >>> quantize(weights, "e4m3", scaling="per-row", accelerator=hs.get("gaudi-2"))
    Quantized(e4m3-ieee up to 240, per-row, nearest, 256 × 512: SQNR 33.1 dB, relative error mean 3.3 % and max 100 %,
    saturated 0 %, underflowed 0.99 %)
    >>> round(quantize(weights, "nvfp4").error.sqnr_db, 1)
    20.5
    >>> quantize(weights, "e4m3", scaling="power-of-two", accelerator=hs.get("gaudi-2")).scale
    array(0.00390625)
    """
    element, scaling, block = _format(fmt, scaling, block, accelerator)
    _one_of("rounding", rounding, ("nearest", "stochastic"))
    _one_of("overflow", overflow, ("saturate", "nan"))
    if overflow == "nan" and element.special == "none":
        raise ValueError(f"overflow = 'nan' is not accepted: {element.name} has no NaN; give 'saturate'")
    _check_chance(rounding, rng, accelerator)
    tensor = _tensor(x)
    grid = _Grid.of(tensor.shape, scaling, block)
    table = tensor.reshape(grid.rows, grid.columns)

    absmax = _block_absmax(table, grid)
    scales, tensor_scale = _scales(absmax, element, scaling, scale, grid, accelerator)
    codes, values = np.empty_like(table), np.empty_like(table)
    largest = absmax.max()
    tally = _Tally(float(largest))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for tile in grid.tiles():
            here, there = (tile.rows, tile.columns), grid.spread(scales, tile)
            original = table[here]
            ratio = original / there
            code = element.rounded(ratio, rng)
            beyond = ~(np.abs(code) <= element.max)
            if beyond.any():
                code[beyond] = np.nan if overflow == "nan" else np.copysign(element.max, ratio[beyond])
            value = code * there
            if largest > np.finfo(table.dtype).max / 2:  # rounding up could leave the range of the array itself
                np.clip(value, -np.finfo(table.dtype).max, np.finfo(table.dtype).max, out=value)
            codes[here], values[here] = code, value
            tally.add(original, code, value, beyond)

    arrays = (values.reshape(tensor.shape), codes.reshape(tensor.shape), scales.reshape(grid.scale_shape))
    for array in arrays:
        array.flags.writeable = False
    return Quantized(*arrays, tensor_scale, element, scaling, rounding, scale is not None, tally.statistics(table.size))


# -- checks ------------------------------------------------------------------------------------------------------------


def _one_of(field: str, value: Any, options: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{field} = {value!r} is not accepted: give one of {', '.join(map(repr, options))}")


def _format(
    fmt: str, scaling: str | None, block: tuple[int, int] | None, accelerator: Accelerator | None
) -> tuple[ElementFormat, str, tuple[int, int] | None]:
    """Return the elements, the scaling and the block shape that the arguments mean together."""
    element = element_format(fmt, accelerator=accelerator)
    prescribed, prescribed_block = _PRESCRIBED.get(fmt.lower(), (None, None))
    if prescribed is not None:
        if scaling not in (None, prescribed) or block is not None:
            raise ValueError(
                f"{fmt} prescribes its scales ({prescribed}): for other ones give its elements, {element.name!r}"
            )
        scaling, block = prescribed, prescribed_block
    elif scaling is None:
        scaling = "none" if element.bits == 16 else "per-tensor"
    _one_of("scaling", scaling, SCALINGS)
    if scaling == "mx" and element.name not in _MX_ELEMENTS:
        raise ValueError(f"scaling = 'mx' holds {', '.join(_MX_ELEMENTS)}, not {element.name}")
    if scaling == "nvfp4" and element.name != "e2m1":
        raise ValueError(f"scaling = 'nvfp4' holds e2m1, not {element.name}")
    if (block is None) == (scaling == "block"):
        raise ValueError("give block = (rows, columns) with scaling = 'block', such as (128, 128), and only then")
    if block is not None and not (
        isinstance(block, tuple)
        and len(block) == 2
        and all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in block)
    ):
        raise ValueError(f"block = {block!r} is not accepted: give two whole numbers of at least 1")
    return element, scaling, {"mx": (1, 32), "nvfp4": (1, 16)}.get(scaling, block)


def _check_chance(rounding: str, rng: Any, accelerator: Accelerator | None) -> None:
    if rounding == "nearest":
        if rng is not None:
            raise ValueError("rng is for rounding = 'stochastic': rounding to nearest leaves nothing to chance")
        return
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng = {rng!r} is not accepted: give a numpy.random.Generator, such as default_rng(0)")
    if accelerator is not None and not accelerator.require("fp8.stochastic_rounding"):
        raise UnsupportedFormatError(f"{accelerator.key}: cannot round stochastically (fp8.stochastic_rounding)")


def _tensor(x: Any) -> Floats:
    """Return `x` in float32, or in float64 where it has more digits than that."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ValueError("x is a list of unlike parts: give an array of finite numbers") from None
    short = array.dtype.itemsize <= 4 and (array.dtype.kind == "f" or array.dtype.name.startswith(("bfloat", "float")))
    if not short and (array.dtype.kind not in "iuf" or array.dtype.itemsize > 8):
        raise ValueError(f"x of {array.dtype} is not accepted: give an array of finite numbers in 64 bits or fewer")
    if array.size == 0:
        raise ValueError("x is empty: give an array of finite numbers")
    return array.astype(np.float32 if short else np.float64, copy=False)


# -- blocks ------------------------------------------------------------------------------------------------------------


class _Tile(NamedTuple):
    """A part of the table that is worked on at once."""

    rows: slice
    columns: slice


@dataclass(frozen=True, slots=True)
class _Grid:
    """Which scale each element of a tensor has; the tensor is seen as a table of `matrices` under one another."""

    rows: int
    columns: int
    block_rows: int
    block_columns: int
    matrix_rows: int
    scale_shape: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], scaling: str, block: tuple[int, int] | None) -> _Grid:
        size = math.prod(shape)
        if scaling in ("none", "per-tensor", "power-of-two"):
            return cls(1, size, 1, size, 1, ())
        if len(shape) < 2 and (scaling == "per-column" or (block or (1, 1))[0] > 1):
            raise ValueError(f"x has {len(shape)} axes: {scaling} scales need at least 2")
        columns = shape[-1] if shape else 1
        rows = shape[-2] if len(shape) > 1 else 1
        block_rows, block_columns = {"per-row": (1, columns), "per-column": (rows, 1)}.get(scaling, block or (1, 1))
        blocks = (-(-rows // block_rows), -(-columns // block_columns))
        scale_shape = (*shape[:-2], *blocks) if len(shape) > 1 else blocks[1:]
        return cls(size // columns, columns, block_rows, block_columns, rows, scale_shape)

    @property
    def blocks(self) -> tuple[int, int]:
        """Scales as a table, rows and columns."""
        per_matrix = -(-self.matrix_rows // self.block_rows)
        return self.rows // self.matrix_rows * per_matrix, -(-self.columns // self.block_columns)

    def tiles(self) -> Iterator[_Tile]:
        """Yield the parts of the table in the order of its elements."""
        height = max(1, _TILE // self.columns)
        width = self.columns if height > 1 else _TILE
        for top in range(0, self.rows, height):
            for left in range(0, self.columns, width):
                yield _Tile(slice(top, min(top + height, self.rows)), slice(left, min(left + width, self.columns)))

    def block_row(self, rows: slice) -> NDArray[np.int64]:
        """Return the row of scales that each row of the table has."""
        matrix, row = np.divmod(np.arange(rows.start, rows.stop), self.matrix_rows)
        index: NDArray[np.int64] = matrix * -(-self.matrix_rows // self.block_rows) + row // self.block_rows
        return index

    def block_columns_of(self, columns: slice) -> slice:
        """Return the columns of scales that a span of columns touches."""
        return slice(columns.start // self.block_columns, -(-columns.stop // self.block_columns))

    def spread(self, scales: Floats, tile: _Tile) -> Floats:
        """Return the scales of a tile, in a shape that broadcasts to it."""
        span = self.block_columns_of(tile.columns)
        here = scales[self.block_row(tile.rows), span]
        if here.shape[1] == 1 or self.block_columns == 1:
            return here
        first = tile.columns.start - span.start * self.block_columns
        width = tile.columns.stop - tile.columns.start
        return np.repeat(here, self.block_columns, axis=1)[:, first : first + width]


def _block_absmax(table: Floats, grid: _Grid) -> Floats:
    """Return the largest magnitude of each block.

    Raises
    ------
    ValueError
        Where the table holds NaN or an infinity.
    """
    absmax = np.zeros(grid.blocks, dtype=table.dtype)
    for tile in grid.tiles():
        span = grid.block_columns_of(tile.columns)
        starts = np.maximum(np.arange(span.start, span.stop) * grid.block_columns - tile.columns.start, 0)
        found = np.maximum.reduceat(np.abs(table[tile.rows, tile.columns]), starts, axis=1)
        row = grid.block_row(tile.rows)
        edges = np.flatnonzero(np.diff(row, prepend=-1))
        found = np.maximum.reduceat(found, edges, axis=0)
        absmax[row[edges], span] = np.maximum(absmax[row[edges], span], found)
    if not np.isfinite(absmax).all():
        raise ValueError("x holds NaN or an infinity: give an array of finite numbers")
    return absmax


# -- scales ------------------------------------------------------------------------------------------------------------


def _scales(
    absmax: Floats,
    element: ElementFormat,
    scaling: str,
    given: Any,
    grid: _Grid,
    accelerator: Accelerator | None,
) -> tuple[Floats, float]:
    """Return the scale of each block, and the factor in it that the tensor shares."""
    static = None if given is None else _given_scale(given, scaling, grid, absmax.dtype)
    if scaling == "none":
        return np.ones_like(absmax), 1.0
    if scaling == "power-of-two":
        exponents = _machine_exponents(element, accelerator)
        return _power_of_two_scale(absmax, element.max, exponents, static), 1.0
    if scaling == "mx":
        return _mx_scales(absmax, element), 1.0
    if scaling == "nvfp4":
        return _nvfp4_scales(absmax, static)
    return (_absmax_scales(absmax, element.max) if static is None else static), 1.0


def _given_scale(given: Any, scaling: str, grid: _Grid, dtype: Any) -> Floats:
    """Return a static scale in the table's own layout, checked."""
    if scaling in ("none", "mx"):
        raise ValueError(f"scale is not accepted with scaling = {scaling!r}")
    wanted = () if scaling == "nvfp4" else grid.scale_shape
    array = np.asarray(given)
    if array.dtype.kind not in "iuf" or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError("scale is not accepted: give finite numbers above 0")
    with np.errstate(over="ignore", under="ignore"):
        array = array.astype(dtype)
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"scale is beyond the range of {np.dtype(dtype)}, in which this tensor is")
    try:
        array = np.broadcast_to(array, wanted)
    except ValueError:
        raise ValueError(f"scale of shape {array.shape} is not accepted: give {wanted or 'one number'}") from None
    return array.reshape((1, 1) if wanted == () else grid.blocks)


def _absmax_scales(absmax: Floats, largest: float) -> Floats:
    """Return the scales that map each block's largest magnitude to the largest number; 1 for a block of zeros."""
    scales = np.maximum(absmax / largest, np.finfo(absmax.dtype).tiny)
    up = np.nextafter(scales, np.array(np.inf, dtype=absmax.dtype))
    return np.where(absmax > 0, np.where(absmax / scales > largest, up, scales), np.ones_like(absmax))


def _machine_exponents(element: ElementFormat, accelerator: Accelerator | None) -> tuple[int, ...] | None:
    """Return the exponents of a machine's free scales, ascending; ``None`` without a machine: all of them."""
    if accelerator is None:
        return None
    exponents = tuple(sorted(accelerator.require("fp8.power_of_two_exponents")))
    if not element.name.startswith("e4m3"):
        raise UnknownValueError(
            f"{accelerator.key}: power-of-two scales are known for e4m3 only (Kim III-B), not for {element.name}"
        )
    return exponents


def _power_of_two_scale(
    absmax: Floats, largest: float, exponents: tuple[int, ...] | None, static: Floats | None
) -> Floats:
    """Return the smallest scale 2**n under which nothing overflows; the largest there is where all overflow."""
    if static is not None:
        exponent = math.frexp(float(static[0, 0]))[1] - 1
        if math.ldexp(1.0, exponent) != static[0, 0] or (exponents is not None and exponent not in exponents):
            allowed = "any n" if exponents is None else f"n in {', '.join(map(str, exponents))}"
            raise ValueError(f"scale = {static[0, 0]:g} is not accepted: give 2**n, {allowed}")
        return static
    top = float(absmax[0, 0])
    if exponents is None:
        info = np.finfo(absmax.dtype)
        start = math.frexp(top / largest)[1] - 2 if top > 0 else 0
        exponents = tuple(min(max(n, info.minexp), info.maxexp - 1) for n in range(start, start + 4))
    fitting = (n for n in exponents if top <= largest * math.ldexp(1.0, n))
    return np.full_like(absmax, math.ldexp(1.0, next(fitting, exponents[-1])))


def _mx_scales(absmax: Floats, element: ElementFormat) -> Floats:
    """Return E8M0 scales: OCP MX v1.0, section 6.3."""
    exponent = np.frexp(absmax)[1] - 1 - (math.frexp(element.max)[1] - 1)
    return np.where(absmax > 0, np.ldexp(np.ones_like(absmax), np.clip(exponent, -127, 127)), np.ones_like(absmax))


def _nvfp4_scales(absmax: Floats, static: Floats | None) -> tuple[Floats, float]:
    """Return E4M3 scales of blocks times the tensor's; a scale that would round to zero is the smallest E4M3 number."""
    e2m1, e4m3 = ELEMENT_FORMATS["e2m1"], ELEMENT_FORMATS["e4m3"]
    if static is None:
        static = _absmax_scales(absmax.max(keepdims=True), e2m1.max * e4m3.max)
    rounded = e4m3.rounded(absmax / e2m1.max / static)
    blocks = np.where(absmax > 0, np.clip(rounded, e4m3.min_subnormal, e4m3.max), np.ones_like(absmax))
    return blocks * static, float(static[0, 0])


# -- error -------------------------------------------------------------------------------------------------------------


class _Tally:
    """Sums over the tiles of a tensor, relative to its largest magnitude so that no square leaves the range."""

    def __init__(self, largest: float) -> None:
        self.unit = largest or 1.0
        self.signal = self.noise = self.relative = 0.0
        self.max_relative = self.max_absolute = 0.0
        self.nonzero = self.saturated = self.underflowed = 0

    def add(self, original: Floats, code: Floats, value: Floats, beyond: NDArray[np.bool_]) -> None:
        """Count one tile."""
        size, error = np.abs(original), np.abs(value - original)
        self.saturated += int(np.count_nonzero(beyond))
        self.underflowed += int(np.count_nonzero((code == 0) & (size > 0)))
        if np.isnan(error).any():
            kept = ~np.isnan(error)
            size, error = size[kept], error[kept]
        if error.size == 0:
            return
        self.max_absolute = max(self.max_absolute, float(error.max()))
        relative = np.divide(error, size, out=np.zeros_like(error), where=size > 0)
        self.max_relative = max(self.max_relative, float(relative.max()))
        self.relative += float(relative.sum(dtype=np.float64))
        self.nonzero += int(np.count_nonzero(size))
        self.signal += float(np.square(np.divide(size, self.unit, dtype=np.float64)).sum())
        self.noise += float(np.square(np.divide(error, self.unit, dtype=np.float64)).sum())

    def statistics(self, elements: int) -> ErrorStatistics:
        """Return what the sums say of the whole tensor."""
        lost = self.noise > 0 and self.signal > 0
        return ErrorStatistics(
            max_relative=self.max_relative,
            mean_relative=self.relative / self.nonzero if self.nonzero else 0.0,
            max_absolute=self.max_absolute,
            sqnr_db=10 * math.log10(self.signal / self.noise) if lost else None,
            saturated=self.saturated / elements,
            underflowed=self.underflowed / elements,
        )
