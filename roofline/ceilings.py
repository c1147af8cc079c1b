"""Ceilings of a machine, and the time that each sets for an operation.

An operation takes as long as the slowest of its ceilings, since the others hide behind it; what cannot hide (the
latency of messages, the start of a kernel, what the host does) comes on top. A ceiling whose rate is unknown is
absent: the estimate is then a looser bound, and :func:`unknown_ceilings` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardware_specs import number_format
from roofline import formulas
from roofline._arrays import Array, is_traced, maximum, minimum
from roofline._validation import choice, count, number
from roofline.machine import CEILINGS, Machine
from roofline.operations import Operation, Product

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDED = ("latency", "overhead")
GEOMETRIES = ("padding", "waves", "none")
OVERLAPS = ("operation", "communication", "perfect")


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Which ceilings count, and how.

    Attributes
    ----------
    geometry : {"padding", "waves", "none"}
        How the shape of a product meets the shape of the matrix engine. ``"padding"`` rounds each dimension up to the
        engine's tile, but lets attention of few queries run on the vector units where that is quicker: a bound that no
        software can avoid. ``"waves"`` also gives every unit whole output tiles, as kernels without split-K do, and
        lets the first-level memory feed them. ``"none"`` counts the FLOPs alone.
    without : tuple of str
        Ceilings that are switched off, of ``CEILINGS``.
    offload : array
        Share of the weights that is read from the second tier of memory, or over the host link without one; 0 to 1.

    Raises
    ------
    ValueError
        Another geometry, a share outside 0 to 1, a ceiling that there is not, or both `matrix` and `memory` off, which
        would leave no bound.

    Examples
    --------
    >>> Ceilings(without="special").without
    ('special',)
    """

    geometry: str = "padding"
    without: str | tuple[str, ...] = ()
    offload: Array = 0.0

    def __post_init__(self) -> None:
        choice("geometry", self.geometry, GEOMETRIES)
        off = (self.without,) if isinstance(self.without, str) else tuple(self.without)
        for name in off:
            choice("without", name, CEILINGS)
        off = tuple(name for name in CEILINGS if name in off)  # in one order, so that equal choices are equal
        if {"matrix", "memory"} <= set(off):
            raise ValueError(f"without = {off!r} is not accepted: one of 'matrix' and 'memory' must stay")
        object.__setattr__(self, "without", off)
        if not (type(self.offload) in (int, float) and 0 <= self.offload <= 1):
            object.__setattr__(self, "offload", number("offload", self.offload, at_least=0, at_most=1))


_ALL = Ceilings()


class _Time(NamedTuple):
    """``fixed + each · work`` seconds, where `work` may be rounded up to whole tiles."""

    fixed: Array
    each: Array
    work: Array
    rounded: bool = False

    @property
    def seconds(self) -> Array:
        if _is_zero(self.each):
            return self.fixed
        return self.each * self.work if _is_zero(self.fixed) else self.fixed + self.each * self.work

    def hides(self, other: _Time) -> bool:
        """Whether this is never below the other, as far as plain numbers tell; no time is below 0."""
        if not (isinstance(self.each, float) and isinstance(other.each, float) and other.each <= self.each):
            return False
        if other.rounded and not self.rounded:
            return False
        if _is_zero(other.fixed):
            return True
        return isinstance(self.fixed, float) and isinstance(other.fixed, float) and other.fixed <= self.fixed


def ceiling_times_s(
    operation: Operation, machine: Machine, *, devices: int = 1, ceilings: Ceilings = _ALL
) -> dict[str, Array]:
    """Time that each ceiling of a machine sets for an operation.

    Parameters
    ----------
    operation : Operation
        What is to be done, over all devices.
    machine : Machine
        Rates of one device.
    devices : int
        Devices that share the operation, as evenly as its imbalance says.
    ceilings : Ceilings
        Which count.

    Returns
    -------
    dict of str to array
        By name of ``CEILINGS`` [s]; one that the operation does not touch, or whose rate is unknown, is left out.

    Examples
    --------
    >>> from roofline.operations import Counts
    >>> product = Operation(
    ...     name="product", kind="linear", layers=1, precision="bf16", fixed=Counts(flops=2e12, weight_bytes=3e9)
    ... )
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> ceiling_times_s(product, device)
    {'matrix': 0.002, 'memory': 0.003}
    """
    return {name: time.seconds for name, time in _times(operation, machine, devices, ceilings).items()}


def operation_time_s(
    operation: Operation,
    machine: Machine,
    *,
    devices: int = 1,
    ceilings: Ceilings = _ALL,
    padded: dict[Any, Any] | None = None,
) -> Array:
    """Time of an operation: its slowest ceiling, and what comes on top [s].

    Parameters are those of :func:`ceiling_times_s`; `padded` lets the operations of a phase share their rows, rounded
    up to whole tiles.
    """
    times = _times(operation, machine, devices, ceilings, padded)
    added = [times.pop(name).fixed for name in _ADDED if name in times]
    bounds = list(times.values())
    if not machine.vector_overlaps:  # one after the other: element-wise work waits for the product, or feeds it
        serial = [times.pop(name).seconds for name in ("matrix", "vector", "special") if name in times]
        bounds = [*times.values(), _Time(sum(serial), 0.0, 0.0)]
    kept: list[_Time] = []
    for time in bounds:
        if not any(other.hides(time) for other in kept):
            kept = [other for other in kept if not time.hides(other)] + [time]
    knee = machine.sharpness.get(operation.kind)
    if knee is not None and len(bounds) > 1:  # those that cannot bind still add a little, so all of them count
        slowest = _knee([time.seconds for time in bounds], knee)
    else:
        slowest = maximum(*(time.seconds for time in kept)) if kept else 0.0
    return sum(added, start=slowest) if added else slowest


def _knee(times: list[Array], p: Array) -> Array:
    """Add times up as ``(Σ tᵖ)^(1/p)``: their sum at p = 1, the largest of them as p grows."""
    largest = maximum(*times)
    return largest * sum((time / largest) ** p for time in times) ** (1 / p)


def phase_time_s(
    operations: Iterable[Operation],
    machine: Machine,
    *,
    devices: int = 1,
    overlap: str = "operation",
    ceilings: Ceilings = _ALL,
) -> Array:
    """Time of a phase: the sum over its operations, each as slow as its slowest ceiling.

    Parameters
    ----------
    operations : iterable of Operation
        The phase.
    machine : Machine
        Rates of one device.
    devices : int
        Devices that share each operation.
    overlap : {"operation", "communication", "perfect"}
        ``"communication"`` lets the collectives of the phase hide behind its other operations, or the other way round;
        ``"perfect"`` lets every ceiling of the whole phase hide behind the slowest: the classic roofline. Neither is
        ever slower.
    ceilings : Ceilings
        Which count.

    Returns
    -------
    array
        [s].

    Raises
    ------
    ValueError
        Another overlap, or devices that are not a whole number from 1.

    Examples
    --------
    >>> from roofline.operations import Counts
    >>> product = Operation(
    ...     name="product", kind="linear", layers=1, precision="bf16", fixed=Counts(flops=2e12, weight_bytes=3e9)
    ... )
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> float(phase_time_s([product, product], device))
    0.006
    """
    choice("overlap", overlap, OVERLAPS)
    count("devices", devices)
    operations = tuple(operations)
    padded: dict[Any, Any] = {}

    def of(operation: Operation) -> Array:
        return operation_time_s(operation, machine, devices=devices, ceilings=ceilings, padded=padded)

    if overlap == "operation":
        return total(of(operation) for operation in operations)
    if overlap == "communication":
        return overlapped_communication(operations, of)
    return perfect_overlap(
        operations,
        of,
        lambda operation: ceiling_times_s(operation, machine, devices=devices, ceilings=ceilings),
    )


def host_operation(machine: Machine, sequences: Array, *, precision: str = "bf16") -> tuple[Operation, ...]:
    """What the host adds to a phase, if it adds anything.

    Parameters
    ----------
    machine : Machine
        Rates of one device.
    sequences : array
        Of the copy of the model that a host serves.
    precision : str
        Format that results show.

    Returns
    -------
    tuple of Operation
        One, or none.
    """
    if not any(is_traced(part) or np.any(np.asarray(part) > 0) for part in (machine.step_s, machine.sequence_s)):
        return ()
    return (Operation(name="host", kind="host", layers=1, precision=precision, work=sequences),)


def total(times: Iterable[Array]) -> Array:
    """Sum times, the small arrays first, so that only one sum has the full shape [s]."""
    return reduce(add, sorted(times, key=np.size) or [0.0])


def overlapped_communication(operations: Iterable[Operation], time_of: Callable[[Operation], Array]) -> Array:
    """Time of operations whose collectives run beside the rest [s]."""
    operations = tuple(operations)
    beside = [time_of(operation) for operation in operations if operation.kind == "collective"]
    rest = total(time_of(operation) for operation in operations if operation.kind != "collective")
    return maximum(rest, total(beside)) if beside else rest


def perfect_overlap(
    operations: Iterable[Operation],
    time_of: Callable[[Operation], Array],
    ceilings_of: Callable[[Operation], Mapping[str, Array]],
) -> Array:
    """Time of operations whose ceilings all hide behind the slowest, messages too [s]."""
    operations = tuple(operations)
    beside = [time_of(operation) for operation in operations if operation.kind == "collective"]
    sums = sum_by_ceiling(ceilings_of(operation) for operation in operations if operation.kind != "collective")
    overhead = sums.pop("overhead", 0.0)
    slowest = _sum(overhead, maximum(*sums.values())) if sums else overhead
    return maximum(slowest, total(beside)) if beside else slowest


def unknown_ceilings(operations: Iterable[Operation], machine: Machine, *, ceilings: Ceilings = _ALL) -> dict[str, str]:
    """Name the ceilings that operations touch and a machine gives no rate for, with the reason.

    Parameters
    ----------
    operations : iterable of Operation
        The phase.
    machine : Machine
        Rates of one device.
    ceilings : Ceilings
        Which count; those switched off are not missed.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> from roofline.operations import Counts
    >>> softmax = Operation(
    ...     name="softmax", kind="elementwise", layers=1, precision="bf16", fixed=Counts(exponentials=1e9)
    ... )
    >>> unknown_ceilings([softmax], Machine(name="device", flops_per_s={}, memory_bytes_per_s=1e12))
    {'special': 'exp_per_s of device is not known'}
    """
    unknown: dict[str, str] = {}
    for operation in operations:
        for name, field_name in _lacking(operation, machine, ceilings):
            if name not in ceilings.without:
                unknown.setdefault(name, f"{field_name} of {machine.name} is not known")
    return unknown


def _lacking(operation: Operation, machine: Machine, ceilings: Ceilings) -> Iterable[tuple[str, str]]:
    if machine.vector_flops_per_s is None and _touches(operation, "vector_flops"):
        yield "vector", "vector_flops_per_s"
    if _touches(operation, "exponentials") and machine.exp_per_s is None:
        if machine.vector_flops_per_exp is None:
            yield "special", "exp_per_s"
        elif machine.vector_flops_per_s is None:
            yield "vector", "vector_flops_per_s"
    if operation.kind == "collective":
        if machine.link_bytes_per_s is None:
            yield "link", "link_bytes_per_s"
        if machine.link_latency_s is None:
            yield "latency", "link_latency_s"
    offloaded = not _is_zero(ceilings.offload) and _touches(operation, "weight_bytes")
    if offloaded and machine.second_tier_bytes_per_s is None:
        yield "second_tier", "second_tier_bytes_per_s"
    on_chip = _touches(operation, "on_chip_bytes")
    if on_chip and machine.on_chip_bytes_per_s is None:
        yield "on_chip", "on_chip_bytes_per_s"
    if ceilings.geometry == "waves" and operation.products and not _has_waves(machine):
        yield "waves", "tile, units or output_tiles"


def _has_waves(machine: Machine) -> bool:
    return machine.tile is not None and machine.units is not None and bool(machine.output_tiles)


def _touches(operation: Operation, name: str) -> bool:
    return not (_is_zero(getattr(operation.each, name)) and _is_zero(getattr(operation.fixed, name)))


def _times(
    operation: Operation, machine: Machine, devices: int, ceilings: Ceilings, padded: dict[Any, Any] | None = None
) -> dict[str, _Time]:
    """Time of every ceiling that an operation touches, as a line in its work."""
    each, fixed, busiest = operation.each, operation.fixed, operation.imbalance
    off = ceilings.without
    times: dict[str, _Time] = {}

    def put(name: str, fixed: Array, each: Array, rate: Array, *, padded_work: Array | None = None) -> None:
        if name in off or (_is_zero(fixed) and _is_zero(each)):
            return
        efficiency = machine.efficiency_of(name, operation.kind, operation.precision)
        pace = rate * devices if efficiency is None else rate * devices * efficiency
        work = operation.work if padded_work is None else padded_work
        times[name] = _Time(fixed / pace, each / pace, work, rounded=padded_work is not None)

    if operation.kind == "collective":
        if machine.link_bytes_per_s is not None:
            share = machine.link_share(operation.group)
            sent = _product(busiest, fixed.link_bytes), _product(busiest, each.link_bytes)
            put("link", *sent, machine.link_bytes_per_s * share)
        if machine.link_latency_s is not None and "latency" not in off:
            hops = machine.hops(operation.pattern, operation.group)
            times["latency"] = _Time(operation.launches * hops * machine.link_latency_s, 0.0, 0.0)
    else:
        if not (_is_zero(each.flops) and _is_zero(fixed.flops)):
            flops, padded_work = _executed(operation, machine, devices, ceilings, padded)
            rate = machine.peak_flops(operation.precision)
            put("matrix", _product(busiest, fixed.flops), _product(busiest, flops), rate, padded_work=padded_work)
        weights, spilled = _product(operation.weight_imbalance, fixed.weight_bytes), 0.0
        if not _is_zero(ceilings.offload):
            spilled, weights = weights * ceilings.offload, weights * (1 - ceilings.offload)
            if machine.second_tier_bytes_per_s is not None:
                put("second_tier", spilled, 0.0, machine.second_tier_bytes_per_s)
        other = _product(busiest, _sum(fixed.kv_bytes, fixed.activation_bytes))
        moved = _product(busiest, each.bytes)
        if not _is_zero(machine.walk_s) and not _is_zero(operation.keys) and "walk" not in off:
            longest = operation.keys / operation.sequences
            times["walk"] = _Time(operation.launches * longest * machine.walk_s, 0.0, 0.0)
        read, passing = other, moved
        if not _is_zero(machine.kv_reread) and operation.sharing > 1:
            again = machine.kv_reread * (operation.sharing - 1) * busiest
            read, passing = _sum(other, again * fixed.kv_bytes), _sum(moved, again * each.kv_bytes)
        put("memory", _sum(weights, read), passing, machine.memory_bytes_per_s)
        if machine.on_chip_bytes_per_s is not None:
            stays = _product(busiest, fixed.on_chip_bytes), _product(busiest, each.on_chip_bytes)
            passed = _sum(_sum(weights, spilled), _sum(other, stays[0])), _sum(moved, stays[1])
            put("on_chip", *passed, machine.on_chip_bytes_per_s)
        vector = fixed.vector_flops, each.vector_flops
        if machine.exp_per_s is not None:
            exponentials = _product(busiest, fixed.exponentials), _product(busiest, each.exponentials)
            put("special", *exponentials, machine.exp_per_s)
        elif machine.vector_flops_per_exp is not None and "special" not in off:
            cost = machine.vector_flops_per_exp
            vector = _sum(vector[0], cost * fixed.exponentials), _sum(vector[1], cost * each.exponentials)
        if machine.vector_flops_per_s is not None:
            # What a linear layer does beside its rows is converting its weights, once on each device that reads them.
            beside = operation.weight_imbalance if operation.kind in ("linear", "experts", "head") else busiest
            put("vector", _product(beside, vector[0]), _product(busiest, vector[1]), machine.vector_flops_per_s)
    if "overhead" not in off:
        if operation.kind == "host":
            times["overhead"] = _Time(
                operation.launches * machine.step_s + operation.work * machine.sequence_s, 0.0, 0.0
            )
        elif not _is_zero(start := machine.kind_overhead_s.get(operation.kind, machine.overhead_s)):
            times["overhead"] = _Time(operation.launches * start, 0.0, 0.0)
    return times


def _executed(
    operation: Operation, machine: Machine, devices: int, ceilings: Ceilings, padded: dict[Any, Any] | None
) -> tuple[Array, Array | None]:
    """FLOPs per unit of work that the matrix engine executes, and the work as padding rounds it up, if it does."""
    products = operation.products
    if not products:
        return operation.each.flops, None
    whole = sum(product.flops for product in products)
    tile = machine.tile
    if ceilings.geometry == "none" or tile is None:
        return whole, None
    if ceilings.geometry == "padding" and products[0].m is operation.work and len(products) == 1:
        (product,) = products  # the usual linear layer: its rows are its work
        factor = _inner_padding(product, machine, operation.precision)
        if product.n is not None and _is_one(_rounded(product.n, tile.wide)):
            return whole * factor, _padded_rows(operation.work, tile.thin, {} if padded is None else padded)
    factors = [
        _waves(product, operation, machine, devices)
        if ceilings.geometry == "waves" and _has_waves(machine) and product.k is not None and product.n is not None
        else _padding(product, machine, operation.precision)
        for product in products
    ]
    if ceilings.geometry == "padding" and operation.kind == "attention" and machine.vector_flops_per_s is not None:
        instead = machine.peak_flops(operation.precision) / machine.vector_flops_per_s
        instead = max(instead, 1.0) if isinstance(instead, float) else maximum(instead, 1.0)
        factors = [minimum(factor, instead) for factor in factors]
    mean = sum(product.flops / whole * factor for product, factor in zip(products, factors, strict=True))
    if np.ndim(mean) == 0 and not hasattr(mean, "aval"):
        return whole * float(mean), None
    return whole, operation.work * mean


def _padded_rows(rows: Array, granule: float, known: dict[Any, Any]) -> Array:
    """Rows rounded up to whole tiles; all linear layers of a phase have the same."""
    key = (id(rows), granule)
    if key not in known:
        known[key] = rows, formulas.padded(size=rows, granule=granule)  # the rows too, so that their id stays theirs
    return known[key][1]


def _inner_padding(product: Product, machine: Machine, precision: str) -> Array:
    tile = machine.tile
    return 1.0 if product.k is None or tile is None else _rounded(product.k, tile.k_elements(precision))


def _padding(product: Product, machine: Machine, precision: str) -> Array:
    """Factor by which padding to the tile of the matrix engine raises a product's FLOPs."""
    tile = machine.tile
    if tile is None:
        return 1.0
    factor = _inner_padding(product, machine, precision)
    if product.n is None:
        return factor * _rounded(product.m, tile.thin)
    along = _rounded(product.m, tile.thin) * _rounded(product.n, tile.wide)
    if _is_one(_rounded(product.n, tile.wide)) or tile.thin == tile.wide:
        return factor * along  # rows on the thin side are then never the worse choice
    across = _rounded(product.m, tile.wide) * _rounded(product.n, tile.thin)
    return factor * minimum(along, across)


def _waves(product: Product, operation: Operation, machine: Machine, devices: int) -> Array:
    """Factor when every unit works on whole output tiles, wave after wave, and the first-level memory feeds it."""
    if product.k is None or product.n is None or machine.tile is None:
        return 1.0
    one = formulas.gemm_flops(m=product.m, k=product.k, n=product.n)
    rounds = operation.layers if _is_zero(operation.launches) else operation.launches  # one layer after the other
    products = product.flops * operation.work * operation.imbalance / (one * devices * rounds)
    macs = machine.macs_per_unit_clock(operation.precision)
    executed = formulas.wave_quantised_flops(
        m=product.m,
        k=product.k,
        n=product.n,
        products=products,
        units=machine.units or 1,
        tiles=machine.output_tiles,
        tile_k=machine.tile.k_elements(operation.precision),
        macs_per_unit_clock=1.0 if macs is None else macs,
        input_bytes=number_format(operation.precision).bits / 8,
        operand_bytes_per_clock=None if macs is None else machine.operand_bytes_per_clock,
    )
    return executed / (one * products)


def _rounded(size: Array, granule: float) -> Array:
    """Return a size rounded up to a multiple of a granule, over the size."""
    return formulas.padded(size=size, granule=granule) / size


def _product(factor: Array, value: Array) -> Array:
    """Multiply, but not by one: on large arrays every pass counts."""
    return value if _is_one(factor) else factor * value


def _sum(first: Array, second: Array) -> Array:
    """Add, but not zero."""
    return first if _is_zero(second) else second if _is_zero(first) else first + second


def _is_zero(value: Array) -> bool:
    return isinstance(value, int | float) and value == 0


def _is_one(value: Array) -> bool:
    return isinstance(value, int | float) and value == 1


def sum_by_ceiling(times: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Sum the times of several operations, ceiling by ceiling [s]."""
    totals: dict[str, Array] = {}
    for ceilings in times:
        for name, time_s in ceilings.items():
            totals[name] = totals[name] + time_s if name in totals else time_s
    return totals


def slowest_ceiling(times: Mapping[str, Array]) -> Array:
    """Name the ceiling of the largest time, element by element; the first named wins a tie, and of none it is ``none``.

    Parameters
    ----------
    times : mapping of str to array
        Time by ceiling [s].

    Returns
    -------
    array of str
        The broadcast shape.

    Examples
    --------
    >>> slowest_ceiling({"matrix": np.array([1.0, 3.0]), "memory": 2.0})
    array(['memory', 'matrix'], dtype='<U6')
    """
    if not times:
        return np.asarray("none")
    stacked = np.stack(np.broadcast_arrays(*(np.asarray(time_s) for time_s in times.values())))
    return np.asarray(list(times))[stacked.argmax(axis=0)]
