"""An accelerator as its datasheet describes it, in datasheet units; methods answer in SI units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, Self

from pydantic import Field

from hardware_specs._base import MONEY_FIELDS, Count, Positive, SourcedSpec, Spec, Text
from hardware_specs.errors import UnknownValueError, UnsupportedFormatError
from hardware_specs.formats import FORMATS, number_format
from hardware_specs.price import Price, Rent

Scaling = Literal["per-tensor", "per-row", "block", "mx", "nvfp4"]
"""A granularity of FP8/FP4 scale factors that the hardware applies."""

Topology = Literal["switch", "mesh", "ring", "torus", "pcie"]
"""How a link joins its domain: a ``"mesh"`` has a direct link between any two, ``"pcie"`` goes through the host."""


class Rates(Spec):
    """Arithmetic rates by precision [TFLOP/s, and TOP/s for INT8]; an absent one is unknown or does not exist.

    Examples
    --------
    >>> Rates(bf16=989.4).bf16
    989.4
    """

    fp64: Positive | None = None
    fp32: Positive | None = None
    tf32: Positive | None = None
    bf16: Positive | None = None
    fp16: Positive | None = None
    fp8: Positive | None = None
    int8: Positive | None = None
    fp6: Positive | None = None
    fp4: Positive | None = None


class VectorRates(Spec):
    """Rates of the vector units, outside the matrix engine [TFLOP/s].

    Examples
    --------
    >>> VectorRates(bf16=11.0).fp32 is None
    True
    """

    fp64: Positive | None = None
    fp32: Positive | None = None
    bf16: Positive | None = None
    fp16: Positive | None = None


class MatrixEngine(Spec):
    """The units that multiply matrices.

    Attributes
    ----------
    units : int
        How many there are.
    unit : str
        What the vendor calls one: SM, CU, MME.
    clock_mhz : float or None
        Clock [MHz].
    rows, columns : int or None
        Multiply-accumulate cells of one unit, where it is a systolic array.
    min_width : int or None
        Narrowest array that one unit can be folded into.
    reconfigurable : bool or None
        Whether the array takes other shapes.
    tile_thin, tile_wide : int or None
        Smallest edges [elements] to which the two outer dimensions of a product are padded; whichever dimension is
        thinner may take `tile_thin`.
    tile_k_bytes : int or None
        Granule of the inner dimension [byte].
    operand_bytes_per_clock : int or None
        What one unit reads of its operands from the memory beside it per clock [byte].

    Examples
    --------
    >>> mme = MatrixEngine(units=2, unit="MME", clock_mhz=1650, rows=256, columns=256, min_width=128)
    >>> round(mme.array_tflops, 1)
    432.5
    >>> mme.tile
    (128, 128, None)
    """

    units: Count
    unit: Text | None = None
    clock_mhz: Positive | None = None
    rows: Count | None = None
    columns: Count | None = None
    min_width: Count | None = None
    reconfigurable: bool | None = None
    tile_thin: Count | None = None
    tile_wide: Count | None = None
    tile_k_bytes: Count | None = None
    operand_bytes_per_clock: Count | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        thin, wide = self.tile_thin, self.tile_wide
        for missing, there in (("tile_thin", "tile_wide"), ("tile_wide", "tile_thin"), ("tile_thin", "tile_k_bytes")):
            if getattr(self, missing) is None and getattr(self, there) is not None:
                yield (missing,), f"is required beside {there}"
        if thin is not None and wide is not None and thin > wide:
            yield ("tile_thin",), f"should be tile_wide ({wide}) or less, not {thin}"

    @property
    def tile(self) -> tuple[int, int, int | None] | None:
        """The shape that products are padded to, as (thin, wide [elements], inner [byte]).

        Without a tile of its own, an array that folds has `min_width` for both edges (Kim et al., section VI-B).
        ``None`` in the third place, or for the whole, is unknown.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("h100-sxm").matrix_engine.tile, hs.get("gaudi-2").matrix_engine.tile
        ((8, 64, 32), (128, 128, None))
        """
        if self.tile_thin is not None and self.tile_wide is not None:
            return self.tile_thin, self.tile_wide, self.tile_k_bytes
        if self.min_width is not None:
            return self.min_width, self.min_width, None
        return None

    @property
    def operand_bytes_per_s(self) -> float | None:
        """What all units together read of their operands [byte/s]; ``None`` where a part of it is unknown."""
        if self.operand_bytes_per_clock is None or self.clock_mhz is None:
            return None
        return self.units * self.operand_bytes_per_clock * self.clock_mhz * 1e6

    @property
    def array_tflops(self) -> float | None:
        """What the array itself gives at one multiply-add per cell and clock [TFLOP/s]; ``None`` if not described."""
        if self.rows is None or self.columns is None or self.clock_mhz is None:
            return None
        return self.units * self.rows * self.columns * 2 * self.clock_mhz * 1e6 / 1e12


class MemoryTier(Spec):
    """One level of memory.

    Attributes
    ----------
    kind : str
        Such as HBM3, LPDDR5X, SRAM, L2.
    capacity_gib, capacity_mib, capacity_gb : float
        Exactly one: GiB (2**30) or MiB (2**20) byte for DRAM and caches, GB (1e9 byte) where the maker counts so.
    marketed_gb : float or None
        The number on the label, where it is not the capacity above.
    bandwidth_tb_s : float or None
        Peak bandwidth [1e12 byte/s], reads and writes together.

    Examples
    --------
    >>> tier = MemoryTier(kind="HBM2e", capacity_gib=96, bandwidth_tb_s=2.45)
    >>> tier.capacity_bytes, tier.bytes_per_s
    (103079215104.0, 2450000000000.0)
    """

    kind: Text
    capacity_gib: Positive | None = None
    capacity_mib: Positive | None = None
    capacity_gb: Positive | None = None
    marketed_gb: Positive | None = None
    bandwidth_tb_s: Positive | None = None

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        given = [value for value in (self.capacity_gib, self.capacity_mib, self.capacity_gb) if value is not None]
        if len(given) != 1:
            yield ("capacity_gib",), "give exactly one of capacity_gib, capacity_mib, capacity_gb"

    @property
    def capacity_bytes(self) -> float:
        """Capacity [byte]."""
        if self.capacity_gib is not None:
            return self.capacity_gib * 2**30
        if self.capacity_mib is not None:
            return self.capacity_mib * 2**20
        return (self.capacity_gb or 0.0) * 1e9  # exactly one of the three is given

    @property
    def bytes_per_s(self) -> float:
        """Peak bandwidth [byte/s].

        Raises
        ------
        UnknownValueError
            Where it is not known.
        """
        if self.bandwidth_tb_s is None:
            raise UnknownValueError(f"bandwidth_tb_s of this {self.kind} is not known")
        return self.bandwidth_tb_s * 1e12


class Link(Spec):
    """A connection of one accelerator to others or to its host.

    Attributes
    ----------
    kind : str
        Such as NVLink4, PCIe 5.0 x16.
    one_way_gb_s : float
        Bandwidth in one direction [1e9 byte/s]: half of most headline figures.
    domain : int or None
        Accelerators that this link joins.
    topology : str or None
        How it joins them, see `Topology`.
    latency_us : float or None
        Time of one hop for a small message [1e-6 s]: one step of a collective, not the whole of it.
    overlaps_compute : bool or None
        Whether the vendor's stack sends partial results while the matrix engine works on the rest (asynchronous tensor
        parallelism; Kim et al., section VIII).

    Examples
    --------
    >>> link = Link(kind="NVLink4", one_way_gb_s=450, domain=8, topology="switch", latency_us=0.6)
    >>> link.bytes_per_s, link.latency_s
    (450000000000.0, 6e-07)
    """

    kind: Text
    one_way_gb_s: Positive
    domain: Count | None = None
    topology: Topology | None = None
    latency_us: Positive | None = None
    overlaps_compute: bool | None = None

    @property
    def bytes_per_s(self) -> float:
        """Bandwidth in one direction [byte/s]."""
        return self.one_way_gb_s * 1e9

    @property
    def latency_s(self) -> float | None:
        """Time of one hop for a small message [s]; ``None`` where it is not known."""
        return None if self.latency_us is None else self.latency_us / 1e6


class Fp8Support(Spec):
    """How a machine computes in 8 bits and below (Kim et al., section III-B).

    Attributes
    ----------
    e4m3_max : float or None
        Largest E4M3 magnitude: 448 (OCP) or 240 (IEEE-like special values, FNUZ).
    accumulator_bits : int or None
        Bits kept by the matrix engine's accumulator.
    scaling : tuple of str
        Granularities of scale factors that the hardware applies, as far as sources say.
    power_of_two_exponents : tuple of int
        Per-tensor scales 2**n that cost nothing.
    stochastic_rounding : bool or None
        Whether conversion to FP8 can round stochastically in hardware.

    Examples
    --------
    >>> Fp8Support(e4m3_max=240, accumulator_bits=32).scaling
    ()
    """

    e4m3_max: Literal[240, 448] | None = None
    accumulator_bits: Count | None = None
    scaling: tuple[Scaling, ...] = ()
    power_of_two_exponents: tuple[int, ...] = ()
    stochastic_rounding: bool | None = None


def _share(fields: dict[str, Any] | None, names: Iterable[str], parts: int) -> None:
    """Divide the known ones of some fields by a number of parts, in place."""
    for name in tuple(names):
        if fields is not None and fields[name] is not None:
            fields[name] /= parts


class Accelerator(SourcedSpec):
    """One accelerator: a package, card or wafer as it is bought, in datasheet units.

    An absent value is unknown; what needs it raises `UnknownValueError`.

    Attributes
    ----------
    key, name, vendor, aliases
        Catalogue key, full name, maker, further keys.
    year : int or None
        Year of launch.
    process_node : str or None
        Such as ``"TSMC 4N"``.
    dies : int
        Devices that the package shows to software; every other figure is of the whole package, see `die`.
    tdp_w, idle_w : float or None
        Thermal design power and idle power [W].
    peak_tflops, sparse_tflops : Rates
        Matrix peaks, dense and with structured sparsity [TFLOP/s].
    vector_tflops : VectorRates
        Peaks of the vector units [TFLOP/s].
    exp_tera_per_s : float or None
        Exponentials of the special-function units [1e12/s].
    special_function_units : bool or None
        Whether there are such units; without them exponentials run on the vector units.
    matrix_engine : MatrixEngine or None
        Shape of the matrix units.
    memory : MemoryTier
        The memory that holds weights and KV cache.
    on_chip, second_tier : MemoryTier or None
        SRAM or last-level cache; slower memory that the accelerator reaches.
    scale_up, host_link : Link or None
        To other accelerators; to the host.
    die_link : Link or None
        From one die of the package to another; its `domain` is the number of dies. Unlike the rest, of one die.
    fp8 : Fp8Support or None
        FP8 in detail.
    structured_sparsity : bool or None
        Whether the matrix engine skips structured zeros.
    batch_sizes : tuple of int
        Batch sizes for which the vendor's stack has precompiled artifacts, rising; empty where any size runs.
    prices, rents : tuple
        What it costs to buy [USD] and to rent [USD/h], each with its basis, date and source.
    sources, notes : mapping
        By dotted field: where a value comes from; why it was chosen.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> h100 = hs.get("h100-sxm")
    >>> h100.peak_flops("bf16"), h100.memory_bytes_per_s, h100.tdp_w
    (989400000000000.0, 3350000000000.0, 700.0)
    """

    vendor: Text | None = None
    year: int | None = Field(default=None, ge=1990, le=2100)
    process_node: Text | None = None
    dies: Count = 1
    tdp_w: Positive | None = None
    idle_w: Positive | None = None
    peak_tflops: Rates = Field(default_factory=Rates)
    sparse_tflops: Rates = Field(default_factory=Rates)
    vector_tflops: VectorRates = Field(default_factory=VectorRates)
    exp_tera_per_s: Positive | None = None
    special_function_units: bool | None = None
    matrix_engine: MatrixEngine | None = None
    memory: MemoryTier
    on_chip: MemoryTier | None = None
    second_tier: MemoryTier | None = None
    scale_up: Link | None = None
    host_link: Link | None = None
    die_link: Link | None = None
    fp8: Fp8Support | None = None
    structured_sparsity: bool | None = None
    batch_sizes: tuple[Count, ...] = ()
    prices: tuple[Price, ...] = ()
    rents: tuple[Rent, ...] = ()

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield from super()._problems()
        if self.memory.bandwidth_tb_s is None:
            yield ("memory", "bandwidth_tb_s"), "is required"
        if self.idle_w is not None and self.tdp_w is not None and self.idle_w > self.tdp_w:
            yield ("idle_w",), f"should be tdp_w ({self.tdp_w:g} W) or less, not {self.idle_w:g}"
        if self.special_function_units is False and self.exp_tera_per_s is not None:
            yield ("exp_tera_per_s",), "is a rate of special-function units, but special_function_units is false"
        if list(self.batch_sizes) != sorted(set(self.batch_sizes)):
            yield ("batch_sizes",), f"should rise from the smallest to the largest, each once, not {self.batch_sizes}"
        if self.matrix_engine is not None and self.matrix_engine.units % self.dies:
            yield ("matrix_engine", "units"), f"should divide by dies ({self.dies}), not {self.matrix_engine.units}"
        if self.dies > 1 and self.die_link is not None and self.die_link.domain not in (None, self.dies):
            yield ("die_link", "domain"), f"should be the number of dies ({self.dies}), not {self.die_link.domain}"

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats whose dense matrix peak is known, as `peak_flops` accepts them.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("gaudi-2").formats
        ('bf16', 'fp8')
        """
        return tuple(name for name in FORMATS if self._rate(name) is not None)

    def _rate(self, name: str) -> float | None:
        """Return the dense matrix rate of a format [TFLOP/s], ``None`` where the machine has none."""
        fmt = FORMATS[name]
        if fmt.engine is None or (fmt.scaling and (self.fp8 is None or fmt.scaling not in self.fp8.scaling)):
            return None  # whether the hardware applies a block format's scales is a fact like any other: unknown is no
        rate: float | None = getattr(self.peak_tflops, fmt.engine)
        return rate

    def peak_flops(self, fmt: str) -> float:
        """Return the dense matrix peak in a number format.

        A block format computes at its element's rate, on machines known to apply its scales (`fp8.scaling`).

        Parameters
        ----------
        fmt : str
            A name of `FORMATS`, such as ``"bf16"``, ``"fp8"`` or ``"mxfp4"``.

        Returns
        -------
        float
            Peak [FLOP/s], an operation per second for INT8.

        Raises
        ------
        UnsupportedFormatError
            Where the machine lacks the format, naming those it has.
        UnknownValueError
            Where no dense peak of the machine is published at all.
        UnknownNameError
            Where there is no such format.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("gaudi-2").peak_flops("fp8")
        865000000000000.0
        >>> hs.get("a100").peak_flops("fp8")
        Traceback (most recent call last):
        ...
        hardware_specs.errors.UnsupportedFormatError: a100-sxm-80gb: no dense matrix peak in fp8; it has fp64, tf32, ...
        """
        name = number_format(fmt).name
        rate = self._rate(name)
        if rate is not None:
            return rate * 1e12
        note = self.note("peak_tflops")
        reason = f" ({note})" if note else ""
        if not self.formats:
            raise UnknownValueError(
                f"{self.key}: no dense matrix peak is known{reason}; replace(peak_tflops=...) adds a figure of your own"
            )
        what = f"no dense matrix peak in {name}"
        if FORMATS[name].engine is None:
            what = f"{name} is a format of stored weights, which are multiplied in another"
        raise UnsupportedFormatError(f"{self.key}: {what}; it has {', '.join(self.formats)}")

    @property
    def memory_bytes_per_s(self) -> float:
        """Peak bandwidth of main memory [byte/s]."""
        return self.memory.bytes_per_s

    @property
    def memory_bytes(self) -> float:
        """Capacity of main memory [byte].

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("h100-sxm").memory_bytes / 2**20  # what the driver shows, in MiB
        81559.0
        """
        return self.memory.capacity_bytes

    @property
    def memory_tiers(self) -> tuple[tuple[str, MemoryTier], ...]:
        """The levels of memory that are described, nearest to the arithmetic first, as (field, tier).

        Examples
        --------
        >>> import hardware_specs as hs
        >>> [name for name, tier in hs.get("sn40l").memory_tiers]
        ['on_chip', 'memory', 'second_tier']
        """
        tiers = (("on_chip", self.on_chip), ("memory", self.memory), ("second_tier", self.second_tier))
        return tuple((name, tier) for name, tier in tiers if tier is not None)

    @property
    def scale_up_bytes_per_s(self) -> float:
        """Bandwidth to the other accelerators, one direction [byte/s].

        Raises
        ------
        UnknownValueError
            Where no scale-up link is known.
        """
        link: Link = self.require("scale_up")
        return link.bytes_per_s

    @property
    def largest_batch(self) -> int | None:
        """Largest batch that the vendor's stack is compiled for; ``None`` where any size runs, or none is known.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> hs.get("cs-3").largest_batch, hs.get("h100-sxm").largest_batch
        (8, None)
        """
        return max(self.batch_sizes, default=None)

    def die(self) -> Self:
        """Return one die of the package, as software that sees `dies` devices has it.

        Every rate, capacity, power and count of units is an equal share. Of the links, `scale_up` and `host_link` keep
        the die's share of the package's bandwidth, and `scale_up` joins that many more devices, in a topology that is
        not the packages' and so absent. `die_link` stays as it is: it already is of one die, and its `domain` says how
        many dies reach each other over it rather than over `scale_up`. Prices and rents are of the package: left out.

        Returns
        -------
        Accelerator
            With ``dies`` 1 and the key ``<key>-die``; itself where there is only one die.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> die = hs.get("mi250").die()
        >>> die.name, die.memory_bytes / 2**30, die.matrix_engine.units, die.die_link.one_way_gb_s
        ('AMD Instinct MI250 (one of 2 dies)', 64.0, 104, 200.0)
        >>> hs.get("h100-sxm").die() is hs.get("h100-sxm")
        True
        """
        n = self.dies
        if n == 1:
            return self
        fields = self.model_dump(exclude={"aliases", "prices", "rents"})
        _share(fields, ("tdp_w", "idle_w", "exp_tera_per_s"), n)
        for name in ("peak_tflops", "sparse_tflops", "vector_tflops"):
            _share(fields[name], fields[name], n)
        for name in ("memory", "on_chip", "second_tier"):
            amounts = ("capacity_gib", "capacity_mib", "capacity_gb", "marketed_gb", "bandwidth_tb_s")
            _share(fields[name], amounts, n)
        for name in ("scale_up", "host_link"):
            _share(fields[name], ("one_way_gb_s",), n)
        if self.matrix_engine is not None:
            fields["matrix_engine"]["units"] //= n  # divides without a rest, see _problems
        if self.scale_up is not None:
            domain = self.scale_up.domain
            fields["scale_up"] |= {"topology": None, "domain": None if domain is None else domain * n}
        gone = MONEY_FIELDS | {"scale_up.topology"}
        fields["sources"] = {
            path: f"one of {n} dies of: {text}" for path, text in self.sources.items() if path not in gone
        }
        fields["notes"] = {path: text for path, text in self.notes.items() if path not in MONEY_FIELDS}
        named = {"key": f"{self.key}-die", "name": f"{self.name} (one of {n} dies)", "dies": 1}
        return type(self).model_validate(fields | named)

    def ridge_point(self, fmt: str) -> float:
        """Return the operational intensity at which the matrix peak meets the memory bandwidth.

        Parameters
        ----------
        fmt : str
            A name of `FORMATS`.

        Returns
        -------
        float
            Ridge point [FLOP/byte].

        Raises
        ------
        UnsupportedFormatError, UnknownValueError, UnknownNameError
            As `peak_flops`.

        References
        ----------
        Kim et al., arXiv:2502.01070, section IV-D.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> round(hs.get("gaudi-2").ridge_point("fp8"))
        353
        """
        return self.peak_flops(fmt) / self.memory_bytes_per_s
