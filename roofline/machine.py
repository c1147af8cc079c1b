"""One device as plain rates: what the ceilings are computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as _replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardware_specs import FORMATS, Accelerator, UnsupportedFormatError, number_format
from roofline import formulas
from roofline._arrays import Array, is_traced
from roofline._validation import choice, count, number
from roofline._views import HoldsViews
from roofline.operations import KINDS
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

if TYPE_CHECKING:
    from typing import Self


CEILINGS: tuple[str, ...] = (
    "matrix",
    "vector",
    "special",
    "walk",
    "memory",
    "on_chip",
    "second_tier",
    "link",
    "latency",
    "overhead",
)
"""Names of the ceilings, in the order in which a tie is settled."""


class Tile(NamedTuple):
    """What a matrix engine rounds a product up to.

    Attributes
    ----------
    thin, wide : float
        Granules of the two outer dimensions [element]; whichever of the two is thinner may take `thin`.
    k_bytes : float or None
        Granule of the inner dimension [byte].

    Examples
    --------
    >>> Tile(thin=8, wide=64, k_bytes=32).k_elements("fp8")
    32.0
    """

    thin: float
    wide: float
    k_bytes: float | None = None

    def k_elements(self, format_name: str) -> float:
        """Granule of the inner dimension in a number format [element].

        Parameters
        ----------
        format_name : str
            Such as ``"bf16"``.
        """
        return 1.0 if self.k_bytes is None else max(1.0, self.k_bytes * 8 / number_format(format_name).element_bits)


_RATES = (
    "memory_bytes_per_s",
    "memory_bytes",
    "link_bytes_per_s",
    "vector_flops_per_s",
    "exp_per_s",
    "vector_flops_per_exp",
    "on_chip_bytes_per_s",
    "second_tier_bytes_per_s",
    "second_tier_bytes",
    "link_latency_s",
)

_NO_RATES = ("walk", "latency", "overhead")  # ceilings that are times, of which no share is reached

_LOSSES = ("overhead_s", "kv_reread", "walk_s", "step_s", "sequence_s")


@dataclass(frozen=True, kw_only=True)
class Machine(HoldsViews):
    """Rates of one device as plain numbers or arrays, for designs that do not exist yet.

    Wherever an accelerator is asked for, a machine may be given. Its arrays broadcast with those of the workload. A
    rate that is absent is unknown, and sets no ceiling.

    Attributes
    ----------
    name : str
        How results call it.
    flops_per_s : mapping of str to array
        Dense peak of the matrix engine by number format (``bf16``, ``fp8``, …) [FLOP/s].
    formats : tuple of str, optional
        Formats that it multiplies in, where not every block format of these engines is applied.
    memory_bytes_per_s : array
        Bandwidth of main memory [byte/s].
    memory_bytes : array, optional
        Capacity of main memory [byte].
    link_bytes_per_s : array, optional
        Bandwidth of the scale-up link in one direction [byte/s].
    vector_flops_per_s : array, optional
        Rate of the vector units [FLOP/s].
    exp_per_s : array, optional
        Exponentials of the special-function units [1/s].
    vector_flops_per_exp : array, optional
        Cost of an exponential on the vector units, where there are no special-function units [FLOP].
    vector_overlaps : bool
        Whether vector units work beside the matrix engine within an operation, or before and after it.
    on_chip_bytes_per_s : array, optional
        Bandwidth of the on-chip memory [byte/s].
    second_tier_bytes_per_s, second_tier_bytes : array, optional
        Bandwidth and capacity of the memory behind main memory, or the host's [byte/s], [byte].
    link_latency_s : array, optional
        Time of one hop of a short message [s].
    link_topology : str, optional
        ``switch``, ``mesh``, ``ring``, ``torus`` or ``pcie``.
    link_domain : int, optional
        Devices that the link joins.
    link_overlaps : bool, optional
        Whether messages can travel beside computation (Kim VIII: not on Gaudi).
    tile : Tile, optional
        What the matrix engine rounds products up to.
    units : float, optional
        Units of the matrix engine.
    clock_hz : float, optional
        Its clock [Hz].
    output_tiles : tuple of (int, int)
        Output tiles that one unit can work on.
    operand_bytes_per_clock : float, optional
        What the first-level memory feeds to a unit [byte per clock].
    efficiency : mapping of str to array
        Share of a ceiling's rate that is reached, by name; 1 where absent. A name may be narrowed to a kind of
        operation, a number format of the matrix engine, or both: ``memory:attention``, ``matrix:fp8``,
        ``matrix:linear:fp8``; the narrowest counts, and of a format and a kind the format.
    overhead_s : array
        Time to start an operation, once per layer [s].
    kind_overhead_s : mapping of str to array
        The same by kind of operation, where it is another: ``{"attention": 5e-6}`` [s].
    sharpness : mapping of str to array
        How ceilings of about the same time add up, by kind of operation: the p of ``(Σ tᵖ)^(1/p)``, at least 1. One
        after the other is 1; absent is the ideal, the slowest alone.
    kv_reread : array
        Share of the query heads of a group, beyond the first, for which attention reads keys and values from memory
        again: 0 is the ideal; a kernel that reads them once per query head has 1.
    walk_s : array
        Time for each token that one block of an attention kernel walks through, one after the other [s].
    step_s, sequence_s : array
        What the host adds to every phase, and to it for every sequence: scheduling, sampling [s].

    Raises
    ------
    ValueError
        A rate or a capacity that is not above 0 and finite.

    Examples
    --------
    A sweep of bandwidths that no vendor sells:

    >>> design = Machine(name="what if", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=np.array([2e12, 4e12, 8e12]))
    >>> design.peak_flops("bf16")
    1000000000000000.0

    Gaudi 2, if its look-up tables gave an exponential per four vector FLOPs (Kim VI-C's what-if):

    >>> import hardware_specs as hs
    >>> Machine.of(hs.get("gaudi-2")).replace(vector_flops_per_exp=4.0).vector_flops_per_exp
    4.0
    """

    name: str
    flops_per_s: Mapping[str, Array]
    memory_bytes_per_s: Array
    memory_bytes: Array | None = None
    link_bytes_per_s: Array | None = None
    vector_flops_per_s: Array | None = None
    exp_per_s: Array | None = None
    vector_flops_per_exp: Array | None = None
    vector_overlaps: bool = True
    on_chip_bytes_per_s: Array | None = None
    second_tier_bytes_per_s: Array | None = None
    second_tier_bytes: Array | None = None
    link_latency_s: Array | None = None
    link_topology: str | None = None
    link_domain: int | None = None
    link_overlaps: bool | None = None
    tile: Tile | None = None
    units: float | None = None
    clock_hz: float | None = None
    output_tiles: tuple[tuple[int, int], ...] = ()
    operand_bytes_per_clock: float | None = None
    efficiency: Mapping[str, Array] = field(default_factory=dict)
    overhead_s: Array = 0.0
    kind_overhead_s: Mapping[str, Array] = field(default_factory=dict)
    sharpness: Mapping[str, Array] = field(default_factory=dict)
    kv_reread: Array = 0.0
    walk_s: Array = 0.0
    step_s: Array = 0.0
    sequence_s: Array = 0.0
    formats: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        rates = {key: _rate(f"flops_per_s[{key!r}]", rate) for key, rate in self.flops_per_s.items()}
        object.__setattr__(self, "flops_per_s", MappingProxyType(rates))
        for name in _RATES:
            value = getattr(self, name)
            if value is not None or name == "memory_bytes_per_s":
                object.__setattr__(self, name, _rate(name, value))
        for key in self.efficiency:
            _efficiency_name(key)
        efficiency = {key: _rate(f"efficiency[{key!r}]", value, at_most=1.0) for key, value in self.efficiency.items()}
        object.__setattr__(self, "efficiency", MappingProxyType(efficiency))
        for name in _LOSSES:
            object.__setattr__(self, name, _rate(name, getattr(self, name), at_least=0.0))
        for name, least in (("kind_overhead_s", 0.0), ("sharpness", 1.0)):
            for kind in (by_kind := getattr(self, name)):
                choice(name, kind, KINDS)
            checked = {kind: _rate(f"{name}[{kind!r}]", value, at_least=least) for kind, value in by_kind.items()}
            object.__setattr__(self, name, MappingProxyType(checked))
        if self.tile is not None:
            tile = Tile(*self.tile)
            for edge, size in zip(("tile.thin", "tile.wide", "tile.k_bytes"), tile, strict=True):
                if size is not None:
                    _rate(edge, size)
            object.__setattr__(self, "tile", tile)
        for name in ("units", "clock_hz", "operand_bytes_per_clock"):
            if getattr(self, name) is not None:
                _rate(name, getattr(self, name))
        for shape in self.output_tiles:
            for size in shape:
                count("output_tiles", size)
        if self.link_domain is not None:
            object.__setattr__(self, "link_domain", count("link_domain", self.link_domain))
        if not isinstance(self.vector_overlaps, bool):
            raise ValueError(f"vector_overlaps = {self.vector_overlaps!r} is not accepted: give True or False")
        if self.link_topology is not None:
            choice("link_topology", self.link_topology, TOPOLOGIES)

    @classmethod
    def of(cls, accelerator: Accelerator | Machine, *, devices: int = 1) -> Machine:
        """Return the rates of an accelerator, of one die where software sees several.

        Parameters
        ----------
        accelerator : Accelerator or Machine
            A specification, or rates that pass through.
        devices : int
            Devices that share a model: one package's dies talk over their own link, more over the slower of both.

        Returns
        -------
        Machine
        """
        if isinstance(accelerator, Machine):
            return accelerator
        die = accelerator.die()
        engine = die.matrix_engine
        tflops = die.vector_tflops.bf16 or die.vector_tflops.fp16 or die.vector_tflops.fp32
        special = accelerator.special_function_units
        link = die.scale_up
        between = accelerator.die_link
        if between is not None and devices <= (between.domain or accelerator.dies):
            link = between
        elif accelerator.dies > 1 and devices <= accelerator.dies:
            link = None  # the dies' own link is not known
        second, on_chip = die.second_tier, die.on_chip
        second_rate = None
        if second is not None and second.bandwidth_tb_s is not None:
            second_rate = second.bytes_per_s
        elif second is None and die.host_link is not None:
            second_rate = die.host_link.bytes_per_s
        rates: dict[str, Any] = {}
        if engine is not None:
            tile = engine.tile
            rates = {
                "tile": None if tile is None else Tile(*tile),
                "units": engine.units,
                "clock_hz": None if engine.clock_mhz is None else engine.clock_mhz * 1e6,
                "operand_bytes_per_clock": engine.operand_bytes_per_clock,
                "output_tiles": _output_tiles(die),
            }
        return cls(
            name=accelerator.name,
            flops_per_s={number_format(name).engine or name: die.peak_flops(name) for name in die.formats},
            formats=die.formats,
            memory_bytes_per_s=die.memory_bytes_per_s,
            memory_bytes=die.memory_bytes,
            link_bytes_per_s=None if link is None else link.bytes_per_s,
            vector_flops_per_s=None if tflops is None else tflops * 1e12,
            exp_per_s=None if die.exp_tera_per_s is None else die.exp_tera_per_s * 1e12,
            vector_flops_per_exp=formulas.EXP_VECTOR_FLOPS if special is False else None,
            on_chip_bytes_per_s=(None if on_chip is None or on_chip.bandwidth_tb_s is None else on_chip.bytes_per_s),
            second_tier_bytes_per_s=second_rate,
            second_tier_bytes=None if second is None else second.capacity_bytes,
            link_latency_s=None if link is None or link.latency_us is None else link.latency_us * 1e-6,
            link_topology=None if link is None else link.topology,
            link_domain=None if link is None else link.domain,
            link_overlaps=None if link is None else link.overlaps_compute,
            **rates,
        )

    def replace(self, **fields: Any) -> Self:
        """Return a copy with other values, checked again.

        Parameters
        ----------
        **fields
            Names and values of attributes.

        Examples
        --------
        >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
        >>> device.replace(memory_bytes_per_s=2e12).memory_bytes_per_s
        2000000000000.0
        """
        return _replace(self, **fields)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the rates broadcast to."""
        rates = [*self.flops_per_s.values(), *self.efficiency.values(), *(getattr(self, name) for name in _LOSSES)]
        rates += [*self.kind_overhead_s.values(), *self.sharpness.values()]
        rates += [getattr(self, name) for name in _RATES]
        return np.broadcast_shapes(*(np.shape(rate) for rate in rates if rate is not None))

    @property
    def lossy(self) -> bool:
        """Whether it has what an ideal machine has not: an overhead, an efficiency below 1, a soft knee."""
        overheads = (*(getattr(self, name) for name in _LOSSES), *self.kind_overhead_s.values())
        return (
            bool(self.sharpness)
            or any(is_traced(overhead) or np.any(np.asarray(overhead) > 0) for overhead in overheads)
            or any(is_traced(share) or np.any(np.asarray(share) < 1) for share in self.efficiency.values())
        )

    def efficiency_of(self, ceiling: str, kind: str, format_name: str) -> Array | None:
        """Share of a ceiling's rate that an operation reaches, by the narrowest name; ``None`` where none is given.

        Parameters
        ----------
        ceiling : str
            Of ``CEILINGS``.
        kind : str
            Kind of operation.
        format_name : str
            Number format of its products.

        Examples
        --------
        >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12,
        ...                  efficiency={"memory": 0.8, "memory:attention": 0.7})
        >>> device.efficiency_of("memory", "attention", "bf16"), device.efficiency_of("memory", "linear", "bf16")
        (0.7, 0.8)
        """
        if not self.efficiency:
            return None
        names = (f"{ceiling}:{kind}:{format_name}", f"{ceiling}:{format_name}", f"{ceiling}:{kind}", ceiling)
        return next((self.efficiency[name] for name in names if name in self.efficiency), None)

    def peak_flops(self, format_name: str) -> Array:
        """Dense peak of the matrix engine in a number format [FLOP/s].

        Parameters
        ----------
        format_name : str
            A number format, such as ``"bf16"``; block formats use the engine of their elements.

        Raises
        ------
        ValueError
            The machine gives no rate for it.
        """
        fmt = number_format(format_name)
        engine = fmt.engine
        if engine is None or engine not in self.flops_per_s or (self.formats and fmt.name not in self.formats):
            known = ", ".join(self.formats or self.flops_per_s) or "none"
            raise ValueError(f"{self.name} gives no matrix rate for {format_name}; it has {known}")
        return self.flops_per_s[engine]

    def require_link(self) -> Array:
        """Bandwidth of the scale-up link in one direction [byte/s].

        Raises
        ------
        ValueError
            The machine gives none.
        """
        if self.link_bytes_per_s is None:
            raise ValueError(f"{self.name} gives no link_bytes_per_s, which devices that share a model need")
        return self.link_bytes_per_s

    def link_share(self, devices: int) -> float:
        """Share of a device's links that a group can use: all behind a switch, those to each other in a full mesh.

        Parameters
        ----------
        devices : int
            Devices of the group.
        """
        if self.link_topology != "mesh" or self.link_domain is None or devices > self.link_domain:
            return 1.0
        return float(formulas.mesh_share(devices=devices, domain=self.link_domain))

    def hops(self, pattern: str, devices: int) -> float:
        """Messages that follow one another in a collective.

        Where every device reaches every other (switch, mesh), an all-reduce is two exchanges, else a ring.

        Parameters
        ----------
        pattern : {"all_reduce", "all_to_all", "send"}
            The collective.
        devices : int
            Devices that take part.
        """
        if pattern == "send":
            return 1
        direct = self.link_topology in ("switch", "mesh")
        if pattern == "all_to_all":
            return 1 if direct else devices - 1
        return float(
            formulas.direct_all_reduce_steps(devices=devices)
            if direct
            else formulas.ring_all_reduce_steps(devices=devices)
        )

    def macs_per_unit_clock(self, format_name: str) -> Array | None:
        """Multiply-adds of one unit of the matrix engine per clock, from its peak.

        Parameters
        ----------
        format_name : str
            A number format.
        """
        if self.units is None or self.clock_hz is None:
            return None
        return self.peak_flops(format_name) / (2 * self.units * self.clock_hz)


TOPOLOGIES = ("switch", "mesh", "ring", "torus", "pcie")


def _efficiency_name(name: str) -> None:
    """Refuse a name of an efficiency that no operation would look for."""
    ceiling, *narrower = name.split(":") if isinstance(name, str) else [name]
    choice("efficiency", ceiling, tuple(name for name in CEILINGS if name not in _NO_RATES))
    kinds = [part for part in narrower if part in KINDS]
    formats = [part for part in narrower if part in FORMATS]
    if narrower not in (kinds + formats, []) or len(kinds) > 1 or len(formats) > 1:
        raise ValueError(
            f"efficiency = {name!r} is not accepted: after the ceiling give a kind ({', '.join(KINDS)}), a number "
            "format, or a kind and a format, such as 'memory:attention' or 'matrix:linear:fp8'"
        )


def _output_tiles(accelerator: Accelerator) -> tuple[tuple[int, int], ...]:
    """Output tiles of one unit: the foldings of a systolic array, or what a thread block of a GPU usually covers."""
    engine = accelerator.matrix_engine
    if engine is None:
        return ()
    if engine.rows is not None and engine.columns is not None:
        return tuple(
            formulas.folded_arrays(
                rows=engine.rows, columns=engine.columns, min_width=engine.min_width or engine.columns
            )
        )
    if engine.tile is None:
        return ()
    thin, wide, _ = engine.tile
    narrow = [size for size in (8, 16, 32, 64, 128, 256) if size >= thin]
    broad = [size for size in (16, 64, 128, 256) if size >= wide]
    return tuple(sorted({shape for r in broad for c in narrow for shape in ((r, c), (c, r)) if r * c <= 128 * 256}))


def _rate(name: str, value: Array, *, at_least: float | None = None, at_most: float | None = None) -> Array:
    """Check a rate; one number stays a plain one, which mixes with arrays of any library."""
    if type(value) is float and 0 < value < math.inf and at_most is None and value >= (at_least or 0.0):
        return value
    rate = number(name, value, above=0 if at_least is None else None, at_least=at_least, at_most=at_most)
    return float(rate) if isinstance(rate, np.ndarray) and rate.shape == () else rate


def machine(device: Accelerator | Machine, precision: PrecisionPolicy, *, devices: int = 1) -> Machine:
    """Return the rates of a device, if it can multiply in the formats of a precision policy.

    Parameters
    ----------
    device : Accelerator or Machine
        A specification, or rates that pass through after a check.
    precision : PrecisionPolicy
        Decides which matrix rates must be known.
    devices : int
        Software devices that share a model; above 1, the link between them must be known too.

    Returns
    -------
    Machine

    Raises
    ------
    ValueError
        The machine lacks a format of the policy, or a figure that is needed is unknown.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline.precision import policy
    >>> machine(hs.get("h100-sxm"), policy("bf16")).memory_bytes_per_s
    3350000000000.0
    """
    formats = {precision.compute, precision.attention, precision.head}
    if isinstance(device, Accelerator):
        try:
            for name in sorted(formats):
                device.peak_flops(name)
        except UnsupportedFormatError as lacking:
            raise UnsupportedFormatError(
                f"{lacking}. Precision {precision.name} needs {' and '.join(sorted(formats))}; "
                f"{device.key} can run {', '.join(runnable_policies(device)) or 'none of the policies'}"
            ) from None
        if devices > device.dies:
            device.require("scale_up")
    rates = Machine.of(device, devices=devices)
    for name in formats:
        rates.peak_flops(name)
    if devices > 1 and isinstance(device, Machine):
        rates.require_link()
    return rates


def require_records(llm: object, accelerator: object) -> None:
    """Refuse a name where a record is wanted, and say how to get the record.

    Raises
    ------
    ValueError
        `llm` is no :class:`roofline.LLM`, or `accelerator` neither an accelerator nor a machine.
    """
    from roofline.llm import LLM  # here, so that importing the package stays cheap

    if not isinstance(llm, LLM):
        raise ValueError(f"llm = {llm!r} is not accepted: give an LLM, such as rl.get_llm('llama-3.1-8b')")
    if not isinstance(accelerator, Accelerator | Machine):
        raise ValueError(
            f"accelerator = {accelerator!r} is not accepted: give an Accelerator, such as hs.get('h100-sxm'), "
            "or a Machine"
        )


def runnable_policies(device: Accelerator | Machine) -> list[str]:
    """Name the precision policies whose matrix rates a device has.

    Parameters
    ----------
    device : Accelerator or Machine
        One device.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> runnable_policies(hs.get("a100-sxm-80gb"))
    ['bf16', 'bf16-kv8', 'fp16', ..., 'int8-kv-int8', 'w8a16', 'w4a16']
    """
    runnable = []
    for name in POLICY_NAMES:
        formats = policy(name)
        try:
            for needed in (formats.compute, formats.attention, formats.head):
                device.peak_flops(needed)
        except ValueError:
            continue
        runnable.append(name)
    return runnable
