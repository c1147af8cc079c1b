"""What a roofline shows: points, ceilings and shares, decided without a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from hardware_specs import number_format
from roofline._arrays import Array
from roofline.ceilings import slowest_ceiling, sum_by_ceiling
from roofline.estimates import OperationEstimate, PhaseEstimate
from roofline.machine import Machine

_NEAR = 0.5  # of an operation's time: a ceiling that takes less is far from setting it
_LARGE = 0.05  # of a phase's time: what a ceiling must concern
_BINDING = 0.01  # the same, if it sets the time of an operation
_SAME = 1.02  # roofs that differ by less are one line
_MOST_ROOFS = 5


@dataclass(frozen=True)
class RooflinePoint:
    """An operation on the roofline.

    Attributes
    ----------
    name : str
        Name of the operation; layers of unlike shape share one point.
    estimate : int
        Which estimate it belongs to, from 0.
    intensity : float
        Operational intensity [FLOP/byte].
    tflops : float
        Rate of one device [TFLOP/s].
    share : float
        Share of the phase's time, 0 to 1.
    bound : str
        The ceiling that takes longest, of ``roofline.CEILINGS``.
    matrix_share : float
        Share of the matrix engine's peak that shape and efficiency leave to it, 0 to 1.
    """

    name: str
    estimate: int
    intensity: float
    tflops: float
    share: float
    bound: str = "memory"
    matrix_share: float = 1.0


@dataclass(frozen=True)
class FurtherRoof:
    """A roof that holds for some operations only.

    Attributes
    ----------
    ceiling : str
        What it comes from, of ``roofline.CEILINGS``.
    operations : tuple of str
        Whom it holds down.
    estimates : tuple of int
        Whose operations they are, from 0.
    tflops : float or None
        Rate that one device cannot exceed with them [TFLOP/s]; ``None`` for a slope.
    tb_s : float or None
        Slope: bandwidth [TB/s]; ``None`` for a flat roof.
    binds : bool
        Whether it sets the time of any of them.
    matrix_share : float
        Of a matrix roof: its share of the format's peak, 0 to 1.
    """

    ceiling: str
    operations: tuple[str, ...]
    estimates: tuple[int, ...]
    tflops: float | None
    tb_s: float | None
    binds: bool
    matrix_share: float = 1.0

    @property
    def height(self) -> float:
        """Whichever of the two it has [TFLOP/s] or [TB/s]."""
        return self.tb_s or 0.0 if self.tflops is None else self.tflops


@dataclass(frozen=True)
class RooflinePlan:
    """What a roofline shows.

    Attributes
    ----------
    machine : str
        Name of the device.
    devices : int
        Devices of one replica; rates are of one of them. The dies of a package count each.
    memory_tb_s : float
        Slope: bandwidth of main memory [TB/s].
    ceilings : tuple of (str, float)
        Number formats that the estimates multiply in and their dense peak [TFLOP/s], slowest first. Formats of the same
        peak share a line.
    points : tuple of RooflinePoint
        Operations that multiply and touch main memory.
    left_out : tuple of (str, float)
        Operations that do not, which have no place on the picture, and their largest share of time.
    on_chip_tb_s : float or None
        Slope of the on-chip memory [TB/s]; ``None`` if unknown, or if some traffic touches it alone.
    roofs : tuple of FurtherRoof
        Roofs of single operations, see :func:`plan_roofline`; those that set a time first.
    """

    machine: str
    devices: int
    memory_tb_s: float
    ceilings: tuple[tuple[str, float], ...]
    points: tuple[RooflinePoint, ...]
    left_out: tuple[tuple[str, float], ...]
    on_chip_tb_s: float | None = None
    roofs: tuple[FurtherRoof, ...] = ()

    @property
    def ridges(self) -> tuple[float, ...]:
        """Ridge point of each ceiling: its peak over the memory bandwidth (Kim IV-D) [FLOP/byte]."""
        return tuple(tflops / self.memory_tb_s for _, tflops in self.ceilings)


def plan_roofline(*estimates: PhaseEstimate) -> RooflinePlan:
    """Decide what a roofline of these estimates shows.

    Beside main memory and the peaks of the formats in use, every other ceiling that an operation touches may be a roof
    of its own: exponentials and vector work, the part of the matrix engine that its shape fills, the second tier of
    memory, the start of kernels; and for a whole phase the links. One is shown if it is below the peak of the format,
    and takes at least half the time of operations that together are 5 % of a phase, or sets the time of 1 %. Of more
    than five the five are kept that concern most time.

    Parameters
    ----------
    *estimates : PhaseEstimate
        One or more of scalar shape, on one machine.

    Returns
    -------
    RooflinePlan

    Raises
    ------
    ValueError
        No estimate, one that is not scalar, or estimates on unlike machines.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> p = rl.prefill(rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2"), prompt_tokens=2048, precision="fp8")
    >>> plan = plan_roofline(p)
    >>> plan.ceilings, [round(ridge) for ridge in plan.ridges]
    ((('BF16', 432.0), ('FP8', 865.0)), [176, 353])
    >>> [point.name for point in plan.points]
    ['qkv', 'attention', 'output', 'mlp_up', 'mlp_down', 'lm_head']

    Softmax on the vector units of a Gaudi 2 holds its prefill attention down (Kim VI-C):

    >>> [(roof.ceiling, roof.operations, round(roof.tflops)) for roof in plan.roofs]
    [('vector', ('attention',), 166)]
    """
    require_scalars(estimates)
    first, on_chip = estimates[0], _on_chip_tb_s(estimates)
    formats: dict[str, float] = {}
    points: list[RooflinePoint] = []
    left_out: dict[str, float] = {}
    roofs: list[tuple[float, FurtherRoof]] = []
    for index, estimate in enumerate(estimates):
        _require_same_machine(first, estimate)
        total_s = sum(float(operation.time_s) for operation in estimate.operations)
        for name, parts in by_name(estimate.operations).items():
            flops, traffic, time_s = (
                sum(float(getattr(part, field)) for part in parts) for field in ("flops", "bytes", "time_s")
            )
            share = time_s / total_s
            if traffic == 0 or flops == 0:
                left_out[name] = max(left_out.get(name, 0.0), share)
                continue
            times = _serial(sum_by_ceiling(part.ceiling_times_s for part in parts), estimate.machine)
            per_device = flops / parts[0].devices / 1e12
            ideal_s = sum(float(part.flops / part.machine.peak_flops(part.precision)) for part in parts) / (
                parts[0].devices
            )
            point = RooflinePoint(
                name=name,
                estimate=index,
                intensity=flops / traffic,
                tflops=per_device / time_s,
                share=share,
                bound=str(slowest_ceiling(times)),
                matrix_share=min(1.0, ideal_s / times["matrix"]) if "matrix" in times else 1.0,
            )
            points.append(point)
            for part in parts:
                engine = number_format(part.precision).engine or part.precision
                formats[engine.upper()] = float(estimate.machine.peak_flops(part.precision)) / 1e12
            if on_chip is not None:
                times.pop("on_chip", None)
            roofs += _roofs_of(point, times, time_s, per_device, ideal_s)
        roofs += _roof_of_links(index, estimate, total_s, max(formats.values(), default=0.0))
    names_of: dict[float, list[str]] = {}
    for name, tflops in formats.items():
        names_of.setdefault(tflops, []).append(name)
    slope = float(first.machine.memory_bytes_per_s) / 1e12
    return RooflinePlan(
        machine=first.machine.name,
        devices=first.operations[0].devices,
        memory_tb_s=slope,
        ceilings=tuple((", ".join(sorted(names_of[tflops])), tflops) for tflops in sorted(names_of)),
        points=tuple(points),
        left_out=tuple(left_out.items()),
        on_chip_tb_s=on_chip,
        roofs=_gathered(roof for roof in roofs if roof[1].tb_s is None or roof[1].tb_s * _SAME < slope),
    )


def _serial(times: Mapping[str, Array], machine: Machine) -> dict[str, float]:
    """Return the times by ceiling; of vector units that wait for the matrix engine, the sum as its own."""
    plain = {name: float(time_s) for name, time_s in times.items()}
    if not machine.vector_overlaps and "matrix" in plain:
        plain["matrix"] += plain.pop("vector", 0.0) + plain.pop("special", 0.0)
    return plain


def _roofs_of(
    point: RooflinePoint, times: Mapping[str, float], time_s: float, per_device: float, ideal_s: float
) -> list[tuple[float, FurtherRoof]]:
    """Return the roofs that matter to an operation, each with the share of the phase that it concerns."""
    roofs = []
    for ceiling, ceiling_s in times.items():
        tflops = per_device / ceiling_s
        sloping = ceiling == "memory"  # below the main slope where its bandwidth is not all reached, or load is uneven
        if ceiling_s < _NEAR * time_s or (not sloping and ceiling_s < ideal_s * _SAME):
            continue
        roof = FurtherRoof(
            ceiling=ceiling,
            operations=(point.name,),
            estimates=(point.estimate,),
            tflops=None if sloping else tflops,
            tb_s=tflops / point.intensity if sloping else None,
            binds=ceiling == point.bound,
            matrix_share=point.matrix_share if ceiling == "matrix" else 1.0,
        )
        roofs.append((point.share, roof))
    return roofs


def _roof_of_links(index: int, estimate: PhaseEstimate, total_s: float, peak: float) -> list[tuple[float, FurtherRoof]]:
    """Return the rate at which a phase would run if its collectives were all of it."""
    collectives = [part for part in estimate.operations if part.operation.kind == "collective"]
    time_s = sum(float(part.time_s) for part in collectives)
    if time_s < _LARGE * total_s:
        return []
    roof = FurtherRoof(
        ceiling="link",
        operations=tuple(dict.fromkeys(part.name for part in collectives)),
        estimates=(index,),
        tflops=float(estimate.flops) / estimate.operations[0].devices / time_s / 1e12,
        tb_s=None,
        binds=False,
    )
    return [(time_s / total_s, roof)] if roof.height * _SAME < peak else []


def _gathered(found: Iterable[tuple[float, FurtherRoof]]) -> tuple[FurtherRoof, ...]:
    """Join the roofs of one kind and height, and keep those that concern most time."""
    groups: list[list[tuple[float, FurtherRoof]]] = []
    for share, roof in found:
        for group in groups:
            if _alike(roof, group[0][1]):
                group.append((share, roof))
                break
        else:
            groups.append([(share, roof)])
    kept: list[tuple[bool, float, FurtherRoof]] = []
    for group in groups:
        binds, share = any(roof.binds for _, roof in group), sum(share for share, _ in group)
        if share >= (_BINDING if binds else _LARGE):
            roof = replace(
                max(group, key=lambda one: one[0])[1],
                operations=tuple(dict.fromkeys(name for _, roof in group for name in roof.operations)),
                estimates=tuple(dict.fromkeys(index for _, roof in group for index in roof.estimates)),
                binds=binds,
            )
            kept.append((binds, share, roof))
    kept.sort(key=lambda one: one[:2], reverse=True)
    return tuple(roof for _, _, roof in kept[:_MOST_ROOFS])


def _alike(one: FurtherRoof, other: FurtherRoof) -> bool:
    heights = (one.height, other.height)
    return (
        one.ceiling == other.ceiling
        and (one.tflops is None) == (other.tflops is None)
        and max(heights) < _SAME * min(heights)
        and abs(one.matrix_share - other.matrix_share) < 0.01
    )


def _on_chip_tb_s(estimates: Sequence[PhaseEstimate]) -> float | None:
    """Return the slope of the on-chip memory, if all that touches it touches main memory too."""
    machine = estimates[0].machine
    operations = [part.operation for estimate in estimates for part in estimate.operations]
    if machine.on_chip_bytes_per_s is None or any("on_chip" in estimate.ceilings.without for estimate in estimates):
        return None
    if any(
        float(operation.fixed.on_chip_bytes + operation.each.on_chip_bytes * operation.work) > 0
        for operation in operations
    ):
        return None
    return float(machine.on_chip_bytes_per_s * machine.efficiency.get("on_chip", 1.0)) / 1e12


def require_scalars(estimates: Sequence[PhaseEstimate]) -> None:
    """Refuse estimates of more than one workload each, and none at all."""
    if not estimates:
        raise ValueError("no estimate to draw: give at least one, such as roofline.decode(...)")
    for position, estimate in enumerate(estimates, start=1):
        if not isinstance(estimate, PhaseEstimate):
            raise ValueError(f"estimate {position} = {estimate!r} is not accepted: give what prefill or decode returns")
        if estimate.shape != ():
            raise ValueError(
                f"estimate {position} ({estimate.phase} on {estimate.machine.name}) has shape {estimate.shape}: "
                "a picture shows one workload on one machine, so give a single batch, length and machine"
            )


def _require_same_machine(first: PhaseEstimate, other: PhaseEstimate) -> None:
    rates, others = first.machine, other.machine
    shared = set(rates.flops_per_s) & set(others.flops_per_s)
    rest = [field.name for field in fields(Machine) if field.name != "flops_per_s"]
    if rates.name != others.name or first.devices != other.devices:
        a, b = (f"{estimate.devices} × {estimate.machine.name}" for estimate in (first, other))
        raise ValueError(f"estimates are on unlike machines, {a} and {b}: draw one panel per machine, each with its ax")
    if any(getattr(rates, name) != getattr(others, name) for name in rest) or any(
        rates.flops_per_s[name] != others.flops_per_s[name] for name in shared
    ):
        raise ValueError(f"two machines named {rates.name} have unlike rates: give each its own name and panel")


def by_name(operations: Sequence[OperationEstimate]) -> dict[str, list[OperationEstimate]]:
    """Gather operations by name, in the order in which each first appears."""
    groups: dict[str, list[OperationEstimate]] = {}
    for operation in operations:
        groups.setdefault(operation.name, []).append(operation)
    return groups
