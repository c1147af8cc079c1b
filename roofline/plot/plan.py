"""What a picture of a phase shows: points, ceilings and shares, decided without a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hardware_specs import number_format
from roofline.phases import OperationEstimate, PhaseEstimate

WORDS = {"qkv": "QKV", "mlp_up": "MLP up", "mlp_down": "MLP down", "lm_head": "LM head", "all_reduce": "all-reduce"}
"""What pictures call the operations; the others by their own names."""


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
    """

    name: str
    estimate: int
    intensity: float
    tflops: float
    share: float


@dataclass(frozen=True)
class RooflinePlan:
    """What a roofline shows.

    Attributes
    ----------
    machine : str
        Name of the device.
    devices : int
        Devices of one replica; rates are of one of them.
    memory_tb_s : float
        Slope: bandwidth of main memory [TB/s].
    ceilings : tuple of (str, float)
        Number formats that the estimates multiply in and their dense peak [TFLOP/s], slowest first. Formats of the same
        peak share a line.
    points : tuple of RooflinePoint
        Operations that touch main memory.
    left_out : tuple of (str, float)
        Operations without traffic to main memory, which have no place on the picture, and their largest share of time.
    """

    machine: str
    devices: int
    memory_tb_s: float
    ceilings: tuple[tuple[str, float], ...]
    points: tuple[RooflinePoint, ...]
    left_out: tuple[tuple[str, float], ...]

    @property
    def ridges(self) -> tuple[float, ...]:
        """Ridge point of each ceiling: its peak over the memory bandwidth (Kim IV-D) [FLOP/byte]."""
        return tuple(tflops / self.memory_tb_s for _, tflops in self.ceilings)


def plan_roofline(*estimates: PhaseEstimate) -> RooflinePlan:
    """Decide what a roofline of these estimates shows.

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
    >>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("gaudi-2"), batch=64, context_tokens=2048, precision="fp8")
    >>> plan = plan_roofline(d)
    >>> plan.ceilings, [round(ridge) for ridge in plan.ridges]
    ((('BF16', 432.0), ('FP8', 865.0)), [176, 353])
    >>> [point.name for point in plan.points]
    ['qkv', 'attention', 'output', 'mlp_up', 'mlp_down', 'lm_head']
    """
    require_scalars(estimates)
    first = estimates[0]
    bandwidth = float(first.machine.memory_bytes_per_s)
    formats: dict[str, float] = {}
    points: list[RooflinePoint] = []
    left_out: dict[str, float] = {}
    for index, estimate in enumerate(estimates):
        _require_same_machine(first, estimate)
        total_s = sum(float(operation.time_s) for operation in estimate.operations)
        for name, parts in by_name(estimate.operations).items():
            flops, traffic, time_s = (
                sum(float(getattr(part, field)) for part in parts) for field in ("flops", "bytes", "time_s")
            )
            if traffic == 0:
                left_out[name] = max(left_out.get(name, 0.0), time_s / total_s)
                continue
            rate = flops / time_s / estimate.devices / 1e12
            points.append(RooflinePoint(name, index, flops / traffic, rate, time_s / total_s))
            for part in parts:
                engine = number_format(part.precision).engine or part.precision
                formats[engine.upper()] = float(estimate.machine.peak_flops(part.precision)) / 1e12
    names_of: dict[float, list[str]] = {}
    for name, tflops in formats.items():
        names_of.setdefault(tflops, []).append(name)
    return RooflinePlan(
        machine=first.machine.name,
        devices=first.devices,
        memory_tb_s=bandwidth / 1e12,
        ceilings=tuple((", ".join(sorted(names_of[tflops])), tflops) for tflops in sorted(names_of)),
        points=tuple(points),
        left_out=tuple(left_out.items()),
    )


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
    if rates.name != others.name or first.devices != other.devices:
        a, b = (f"{estimate.devices} × {estimate.machine.name}" for estimate in (first, other))
        raise ValueError(f"estimates are on unlike machines, {a} and {b}: draw one panel per machine, each with its ax")
    if rates.memory_bytes_per_s != others.memory_bytes_per_s or any(
        rates.flops_per_s[name] != others.flops_per_s[name] for name in shared
    ):
        raise ValueError(f"two machines named {rates.name} have unlike rates: give each its own name and panel")


def by_name(operations: Sequence[OperationEstimate]) -> dict[str, list[OperationEstimate]]:
    """Gather operations by name, in the order in which each first appears."""
    groups: dict[str, list[OperationEstimate]] = {}
    for operation in operations:
        groups.setdefault(operation.name, []).append(operation)
    return groups


def names_of(estimates: Sequence[PhaseEstimate], labels: Sequence[str] | None) -> list[str]:
    """Return a name per estimate: the caller's, or the phase with whatever tells the estimates apart."""
    if labels is not None:
        if isinstance(labels, str) or len(labels) != len(estimates):
            raise ValueError(f"labels = {labels!r} is not accepted: give {len(estimates)}, one per estimate")
        return list(labels)
    columns = (
        [estimate.llm.name for estimate in estimates],
        [estimate.precision.name for estimate in estimates],
        [device_name(estimate.devices, estimate.machine.name) for estimate in estimates],
    )
    differ = [column for column in columns if len(set(column)) > 1]
    names = []
    for index, estimate in enumerate(estimates):
        unit = "prompt" if estimate.phase == "prefill" else "context"
        who = ", ".join([estimate.phase, *(column[index] for column in differ)])
        separator = "\n" if differ else ": "
        names.append(f"{who}{separator}batch {float(estimate.batch):,g}, {unit} {float(estimate.tokens):,g}")
    return names


def device_name(devices: int, name: str) -> str:
    """Name a machine, with the number of devices where there are several."""
    return name if devices == 1 else f"{devices} × {name}"


def digits(value: float) -> str:
    """Write three significant digits, and whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share as a percentage."""
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "<1 %"
