"""Ceilings of a machine, and the time that each sets for an operation.

An operation takes as long as the slowest of its ceilings; the others hide behind it. Ceilings modelled here: the matrix
engine at the operation's precision, main memory, and the scale-up link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from hardware_specs import Accelerator, UnsupportedFormatError, number_format
from roofline._arrays import Array, maximum
from roofline._validation import choice, count, number
from roofline.operations import Operation
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.llm import LLM


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Rates of one device as plain numbers or arrays, for designs that do not exist yet.

    Wherever an accelerator is asked for, a machine may be given. Its arrays broadcast with those of the workload.

    Attributes
    ----------
    name : str
        How results call it.
    flops_per_s : mapping of str to array
        Dense peak of the matrix engine by number format (``bf16``, ``fp8``, …) [FLOP/s].
    memory_bytes_per_s : array
        Bandwidth of main memory [byte/s].
    memory_bytes : array, optional
        Capacity of main memory [byte]; unknown if absent.
    link_bytes_per_s : array, optional
        Bandwidth of the scale-up link in one direction [byte/s]; unknown if absent.

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
    """

    name: str
    flops_per_s: Mapping[str, Array]
    memory_bytes_per_s: Array
    memory_bytes: Array | None = None
    link_bytes_per_s: Array | None = None

    def __post_init__(self) -> None:
        rates = {key: _rate(f"flops_per_s[{key!r}]", rate) for key, rate in self.flops_per_s.items()}
        object.__setattr__(self, "flops_per_s", MappingProxyType(rates))
        for field in ("memory_bytes_per_s", "memory_bytes", "link_bytes_per_s"):
            value = getattr(self, field)
            if value is not None or field == "memory_bytes_per_s":
                object.__setattr__(self, field, _rate(field, value))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the rates broadcast to."""
        rates = (*self.flops_per_s.values(), self.memory_bytes_per_s, self.memory_bytes, self.link_bytes_per_s)
        return np.broadcast_shapes(*(np.shape(rate) for rate in rates if rate is not None))

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
        engine = number_format(format_name).engine
        if engine is None or engine not in self.flops_per_s:
            raise ValueError(
                f"{self.name} gives no matrix rate for {format_name}; it has {', '.join(self.flops_per_s) or 'none'}"
            )
        return self.flops_per_s[engine]

    def require_link(self) -> Array:
        """Bandwidth of the scale-up link in one direction [byte/s].

        Raises
        ------
        ValueError
            The machine gives none.
        """
        if self.link_bytes_per_s is None:
            raise ValueError(f"{self.name} gives no link_bytes_per_s, which tensor parallelism needs")
        return self.link_bytes_per_s


def _rate(field: str, value: Array) -> Array:
    """Check a rate; one number stays a plain one, which mixes with arrays of any library."""
    rate = number(field, value, above=0)
    return float(rate) if isinstance(rate, np.ndarray) and rate.shape == () else rate


def machine(device: Accelerator | Machine, precision: PrecisionPolicy, *, devices: int = 1) -> Machine:
    """Return the rates of a device that a precision policy needs.

    Parameters
    ----------
    device : Accelerator or Machine
        A specification, or rates that pass through after a check.
    precision : PrecisionPolicy
        Decides which matrix rates must be known.
    devices : int
        Above 1, the scale-up link must be known too.

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
    if isinstance(device, Machine):
        for name in formats:
            device.peak_flops(name)
        if devices > 1:
            device.require_link()
        return device
    try:
        rates = {number_format(name).engine or name: device.peak_flops(name) for name in sorted(formats)}
    except UnsupportedFormatError as lacking:
        raise UnsupportedFormatError(
            f"{lacking}. Precision {precision.name} needs {' and '.join(sorted(formats))}; "
            f"{device.key} can run {', '.join(runnable_policies(device)) or 'none of the policies'}"
        ) from None
    return Machine(
        name=device.name,
        flops_per_s=rates,
        memory_bytes_per_s=device.memory_bytes_per_s,
        memory_bytes=device.memory_bytes,
        link_bytes_per_s=device.scale_up_bytes_per_s if devices > 1 else None,
    )


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


def shared_devices(llm: LLM, accelerator: Accelerator | Machine, tensor_parallel: int) -> int:
    """Return the tensor-parallel size, if the model can be divided so and the devices are joined.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    tensor_parallel : int
        Devices that share every layer.

    Raises
    ------
    ValueError
        Not one whole number, not a divisor of the KV heads, or more devices than the scale-up link joins.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> shared_devices(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), 8)
    8
    """
    devices = count("tensor_parallel", tensor_parallel)
    for group in llm.layer_groups:
        if group.kv_heads and group.kv_heads % devices:
            raise ValueError(
                f"tensor_parallel = {devices} is not accepted: it must divide the {group.kv_heads} KV heads of "
                f"{llm.name} (replicated KV heads are not modelled yet)"
            )
    if devices > 1 and isinstance(accelerator, Accelerator):
        link = accelerator.require("scale_up")
        if link.domain is not None and devices > link.domain:
            raise ValueError(
                f"tensor_parallel = {devices} is not accepted: the {link.kind} domain of {accelerator.name} has "
                f"{link.domain} devices"
            )
    return devices


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
    ['bf16', 'fp16', 'w8a16', 'w4a16']
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


def ceiling_times_s(operation: Operation, machine: Machine, *, devices: int = 1) -> dict[str, Array]:
    """Time that each ceiling of a machine sets for an operation.

    Parameters
    ----------
    operation : Operation
        What is to be done, over all devices.
    machine : Machine
        Rates of one device.
    devices : int
        Devices that share the operation evenly.

    Returns
    -------
    dict of str to array
        ``matrix``, ``memory``, ``link`` [s]; a ceiling that the operation does not touch is left out.
    """
    times: dict[str, Array] = {}
    if operation.kind == "collective":
        times["link"] = operation.link_bytes / (devices * machine.require_link())
        return times
    times["matrix"] = operation.flops / (devices * machine.peak_flops(operation.precision))
    times["memory"] = operation.bytes / (devices * machine.memory_bytes_per_s)
    return times


def phase_time_s(
    operations: Iterable[Operation], machine: Machine, *, devices: int = 1, overlap: str = "operation"
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
    overlap : {"operation", "perfect"}
        ``"perfect"`` lets every ceiling of the whole phase hide behind the slowest: the classic roofline, never slower.

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
    >>> from roofline.operations import Operation
    >>> product = Operation(name="product", kind="linear", layers=1, precision="bf16", flops=2e12, weight_bytes=3e9)
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> float(phase_time_s([product, product], device))
    0.006
    """
    choice("overlap", overlap, ("operation", "perfect"))
    count("devices", devices)
    times = [ceiling_times_s(operation, machine, devices=devices) for operation in operations]
    if overlap == "perfect":
        return maximum(*sum_by_ceiling(times).values())
    return sum(maximum(*ceilings.values()) for ceilings in times)


def sum_by_ceiling(times: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Sum the times of several operations, ceiling by ceiling [s]."""
    totals: dict[str, Array] = {}
    for ceilings in times:
        for name, time_s in ceilings.items():
            totals[name] = totals[name] + time_s if name in totals else time_s
    return totals


def slowest_ceiling(times: Mapping[str, Array]) -> Array:
    """Name the ceiling of the largest time, element by element; the first named wins a tie.

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
    stacked = np.stack(np.broadcast_arrays(*(np.asarray(time_s) for time_s in times.values())))
    return np.asarray(list(times))[stacked.argmax(axis=0)]
