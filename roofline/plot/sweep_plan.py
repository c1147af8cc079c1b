"""Throughput of several machines over sequence length, and of thin GEMMs over their rows, decided without a pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from hardware_specs import Accelerator, number_format
from roofline import formulas
from roofline._arrays import Array
from roofline._validation import number
from roofline.ceilings import Ceilings, operation_time_s
from roofline.machine import Machine
from roofline.operations import Counts, Operation, Product
from roofline.phases import decode, prefill
from roofline.plot.breakdown_plan import fits
from roofline.plot.words import device_words
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline.llm import LLM

MOST_MACHINES = 6
"""Machines on one picture, as many as there are colours that everybody tells apart."""

Devices = Accelerator | Machine | Sequence[Accelerator | Machine]
Measured = Mapping[tuple[Any, ...], tuple[Any, Any]]


@dataclass(frozen=True, eq=False)
class SweepLine:
    """Estimates of one machine in one precision along an axis.

    Attributes
    ----------
    machine : str
        What the picture calls it.
    precision : str
        Name of the policy, or the number format.
    block : int
        Which part of the axis it is in, from 0.
    x, y : array of shape (n,)
        Tokens and [TFLOP/s], or rows and MFU.
    fits : array of shape (n,)
        Whether model and cache fit in memory.
    measured : tuple of (array, array)
        Points that the caller measured.
    """

    machine: str
    precision: str
    block: int
    x: Array
    y: Array
    fits: Array
    measured: tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """Lines of a picture.

    Attributes
    ----------
    lines : tuple of SweepLine
        By machine, then by precision.
    left_out : dict of str to str
        Machines and precisions that cannot run, with the reason.
    blocks : tuple of str
        Names of the parts of the axis; one part without a name for most pictures.
    kind : str
        What the lines are.
    """

    lines: tuple[SweepLine, ...]
    left_out: dict[str, str]
    blocks: tuple[str, ...] = ("",)
    kind: str = "ideal roofline"

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines that have a line."""
        return tuple(dict.fromkeys(line.machine for line in self.lines))

    @property
    def precisions(self) -> tuple[str, ...]:
        """Names of the precisions that have a line."""
        return tuple(dict.fromkeys(line.precision for line in self.lines))

    @property
    def gains(self) -> dict[str, Array]:
        """Throughput of the second precision over the first, less 1, by machine; the last block."""
        rates = {(line.machine, line.precision): line.y for line in self.lines if line.block == len(self.blocks) - 1}
        first, *others = self.precisions
        return {
            machine: rates[machine, others[0]] / rates[machine, first] - 1
            for machine in self.machines
            if others and {(machine, first), (machine, others[0])} <= set(rates)
        }

    def ends(self, *, within: float = 0.02) -> list[list[SweepLine]]:
        """Group the lines of the last block by machine, and those of a machine that end at the same value.

        Parameters
        ----------
        within : float
            Largest relative difference of the last values.
        """
        groups: list[list[SweepLine]] = []
        for line in self.lines:
            if line.block != len(self.blocks) - 1:
                continue
            for group in groups:
                if group[0].machine == line.machine and abs(line.y[-1] / group[0].y[-1] - 1) <= within:
                    group.append(line)
                    break
            else:
                groups.append([line])
        return groups


def plan_throughput(
    phase: Literal["prefill", "decode"],
    llm: LLM,
    accelerators: Devices,
    *,
    batch: int,
    tokens: Any,
    precisions: Sequence[str | PrecisionPolicy],
    measured: Measured | None = None,
    **options: Any,
) -> SweepPlan:
    """Decide what a picture of throughput over sequence length shows (Kim Figures 4 and 5).

    Parameters
    ----------
    phase : {"prefill", "decode"}
        Which.
    llm : LLM
        The model.
    accelerators : Accelerator or Machine, or a sequence of them
        One to six.
    batch : int
        Sequences.
    tokens : array of int
        Lengths, ascending [token].
    precisions : sequence of str or PrecisionPolicy
        Formats of each part; what a machine cannot run is left out, with its reason.
    measured : mapping, optional
        ``(tokens, TFLOPS)`` by machine (key or name) and precision.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share.

    Returns
    -------
    SweepPlan

    Raises
    ------
    ValueError
        Nothing that can run, too many machines, or measurements of something else.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> llm, devices = rl.get_llm("llama-3.1-8b"), [hs.get("gaudi-2"), hs.get("a100-sxm-80gb")]
    >>> plan = plan_throughput("decode", llm, devices, batch=64, tokens=[512, 2048], precisions=["bf16", "fp8"])
    >>> [(line.machine, line.precision, line.y.round().tolist()) for line in plan.lines]
    [('Intel Gaudi 2', 'bf16', [122.0, 78.0]), ('Intel Gaudi 2', 'fp8', [190.0, 99.0]),
     ('NVIDIA A100 SXM4 80GB', 'bf16', [102.0, 65.0])]
    >>> list(plan.left_out)
    ['NVIDIA A100 SXM4 80GB in fp8']
    """
    devices = require_devices(accelerators)
    lengths = number("prompt_tokens" if phase == "prefill" else "context_tokens", tokens, at_least=1, whole=True)
    if lengths.ndim != 1 or lengths.size < 2 or np.any(np.diff(lengths) <= 0):
        raise ValueError(f"{phase} over lengths {lengths.tolist()} is not accepted: give two or more that ascend")
    number("batch", batch, at_least=1, whole=True)
    formats = _require_several("precisions", precisions, policy)
    points = _measured(measured, devices, [(one.name,) for one in formats])
    lines: list[SweepLine] = []
    left_out: dict[str, str] = {}
    kinds: set[str] = set()
    for number_of, (device, name) in enumerate(zip(devices, device_words(devices), strict=True)):
        for index, precision in enumerate(formats):
            lacking = _lacks(device, (precision.compute, precision.attention, precision.head))
            if lacking:
                left_out[f"{name} in {precision.name}"] = lacking
                continue
            if phase == "prefill":
                estimate = prefill(llm, device, batch=batch, prompt_tokens=lengths, precision=precision, **options)
            else:
                estimate = decode(llm, device, batch=batch, context_tokens=lengths, precision=precision, **options)
            kinds.add(estimate.kind)
            lines.append(
                SweepLine(
                    machine=name,
                    precision=precision.name,
                    block=0,
                    x=lengths,
                    y=np.broadcast_to(estimate.tflops, lengths.shape),
                    fits=fits(estimate),
                    measured=points[number_of, index],
                )
            )
    return SweepPlan(_require_some(lines, left_out), left_out, kind=" and ".join(sorted(kinds)))


def plan_thin_gemm(
    accelerators: Devices,
    *,
    m: Any,
    k_n: Sequence[tuple[int, int]],
    precisions: Sequence[str],
    measured: Measured | None = None,
    overhead_s: float = 0.0,
    geometry: Literal["padding", "waves", "none"] = "padding",
) -> SweepPlan:
    """Decide what a picture of the MFU of thin GEMMs shows (Kim Figure 7).

    Parameters
    ----------
    accelerators : Accelerator or Machine, or a sequence of them
        One to six.
    m : array of int
        Rows, ascending.
    k_n : sequence of (int, int)
        Shapes of the second matrix; one block each.
    precisions : sequence of str
        Number formats of both inputs; the output is in BF16.
    measured : mapping, optional
        ``(m, TFLOPS)`` by machine (key or name), number format and ``(k, n)``.
    overhead_s : float
        Time to start a GEMM, on top of the machine's own [s].
    geometry : {"padding", "waves", "none"}
        How the shape meets the matrix engine, see :class:`roofline.Ceilings`.

    Returns
    -------
    SweepPlan
        With MFU, 0 to 1.

    Raises
    ------
    ValueError
        Nothing that can run, too many machines, or measurements of something else.

    References
    ----------
    Kim Table III, for what crosses memory: inputs in their format, the output in BF16.

    Examples
    --------
    Eight rows of a 4096 x 4096 weight are bound by reading it: intensity 8 of the ridge at 176 FLOP/byte.

    >>> import hardware_specs as hs
    >>> plan = plan_thin_gemm(hs.get("gaudi-2"), m=[8, 16], k_n=[(4096, 4096)], precisions=["bf16"])
    >>> plan.lines[0].y.round(3)
    array([0.045, 0.09 ])
    """
    devices = require_devices(accelerators)
    rows = number("m", m, at_least=1, whole=True)
    if rows.ndim != 1 or rows.size < 2 or np.any(np.diff(rows) <= 0):
        raise ValueError(f"m = {rows.tolist()} is not accepted: give two or more that ascend")
    shapes = [tuple(int(size) for size in _shape(shape)) for shape in k_n]
    if not shapes:
        raise ValueError("k_n is empty: give at least one (k, n)")
    start_s = float(number("overhead_s", overhead_s, at_least=0))
    formats = _require_several("precisions", precisions, lambda name: number_format(name).name)
    points = _measured(measured, devices, [(name, shape) for name in formats for shape in shapes])
    lines: list[SweepLine] = []
    left_out: dict[str, str] = {}
    for number_of, (device, name) in enumerate(zip(devices, device_words(devices), strict=True)):
        machine = Machine.of(device)
        machine = machine.replace(overhead_s=machine.overhead_s + start_s)
        for index, precision in enumerate(formats):
            lacking = _lacks(device, (precision,))
            if lacking:
                left_out[f"{name} in {precision}"] = lacking
                continue
            peak = machine.peak_flops(precision)
            for block, (k, n) in enumerate(shapes):
                time_s = operation_time_s(
                    gemm(rows, k, n, precision=precision), machine, ceilings=Ceilings(geometry=geometry)
                )
                x, tflops = points[number_of, index * len(shapes) + block]
                lines.append(
                    SweepLine(
                        machine=name,
                        precision=precision,
                        block=block,
                        x=rows,
                        y=formulas.gemm_flops(m=rows, k=k, n=n) / time_s / peak,
                        fits=np.ones(rows.shape, dtype=bool),
                        measured=(x, tflops * 1e12 / peak),
                    )
                )
    blocks = tuple(f"K = N = {k:,}" if k == n else f"K = {k:,}, N = {n:,}" for k, n in shapes)
    return SweepPlan(_require_some(lines, left_out), left_out, blocks)


def gemm(m: Array, k: int, n: int, *, precision: str) -> Operation:
    """Return one GEMM (M×K)·(K×N) as an operation: both inputs in a format, the output in BF16 (Kim Table III).

    Parameters
    ----------
    m : array
        Rows.
    k, n : int
        Shape of the second matrix.
    precision : str
        Number format of both inputs.

    Returns
    -------
    Operation
    """
    flops = float(formulas.gemm_flops(m=1, k=k, n=n))
    size = number_format(precision).bits / 8
    return Operation(
        name="gemm",
        kind="linear",
        layers=1,
        precision=precision,
        work=m,
        each=Counts(flops=flops, activation_bytes=k * size + n * number_format("bf16").bits / 8),
        fixed=Counts(weight_bytes=k * n * size),
        products=(Product(m=m, k=k, n=n, flops=flops),),
    )


def require_devices(accelerators: Devices) -> list[Accelerator | Machine]:
    """Return one to six machines, or say what to give."""
    devices = [accelerators] if isinstance(accelerators, Accelerator | Machine) else list(accelerators)
    for device in devices:
        if not isinstance(device, Accelerator | Machine):
            raise ValueError(
                f"accelerators = {device!r} is not accepted: give Accelerators, such as hs.get('h100-sxm'), or Machines"
            )
        if isinstance(device, Machine) and device.shape != ():
            raise ValueError(f"machine {device.name} of shape {device.shape} is not accepted: give single rates")
    if not 1 <= len(devices) <= MOST_MACHINES:
        raise ValueError(f"{len(devices)} accelerators are not accepted: give one to {MOST_MACHINES} for a picture")
    if len(set(device_words(devices))) < len(devices):
        raise ValueError("two accelerators have the same name: give each its own")
    return devices


def _lacks(device: Accelerator | Machine, formats: Sequence[str]) -> str:
    """Say why a machine cannot multiply in some formats, or nothing."""
    try:
        for name in formats:
            device.peak_flops(name)
    except ValueError as reason:  # no such rate, or one that is not known
        return str(reason)
    return ""


def _require_several(field: str, given: Any, read: Any) -> list[Any]:
    if isinstance(given, str) or not given:
        raise ValueError(f"{field} = {given!r} is not accepted: give a list of at least one")
    return [read(one) for one in given]


def _require_some(lines: list[SweepLine], left_out: Mapping[str, str]) -> tuple[SweepLine, ...]:
    if not lines:
        raise ValueError(f"nothing to draw: {'; '.join(left_out.values())}")
    return tuple(lines)


def _shape(shape: Any) -> Array:
    sizes = number("k_n", shape, at_least=1, whole=True)
    if sizes.shape != (2,):
        raise ValueError(f"k_n = {shape!r} is not accepted: give pairs (k, n)")
    return sizes


def _measured(
    measured: Measured | None, devices: Sequence[Accelerator | Machine], keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[int, int], tuple[Array, Array]]:
    """Return the measured points of each device and key; refuse those of something that is not on the picture."""
    nothing = (np.empty(0), np.empty(0))
    found = {(device, key): nothing for device in range(len(devices)) for key in range(len(keys))}
    calls = {}
    for index, device in enumerate(devices):
        calls[device.name] = calls[device.name.split(" (")[0]] = index
        if isinstance(device, Accelerator):
            calls[device.key] = index
    for given, points in (measured or {}).items():
        if not isinstance(given, tuple) or not given or given[0] not in calls or given[1:] not in keys:
            example = (next(iter(calls)), *keys[0])
            raise ValueError(
                f"measured[{given!r}] is on no line of the picture: give keys such as {example!r}, "
                f"machines {', '.join(map(repr, calls))}"
            )
        try:
            x, y = points
        except (TypeError, ValueError):
            raise ValueError(f"measured[{given!r}] is not accepted: give two arrays, x and TFLOPS") from None
        x, y = number(f"measured[{given!r}]", x, above=0), number(f"measured[{given!r}]", y, above=0)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"measured[{given!r}] is not accepted: give two arrays of the same length, x and TFLOPS")
        found[calls[given[0]], keys.index(given[1:])] = (x, y)
    return cast("dict[tuple[int, int], tuple[Array, Array]]", found)
