"""Efficiency curves: how long a kernel takes, from what it does and a few constants of its kind and precision.

A kernel takes

    t = overhead + hypot(rounding / rounding_share, rows·row_s) + hops·hop_s
        + (Σ tᵢᵖ)^(1/p)   over   matrix / matrix_share, memory / memory_share, special, link / link_share, units,

where a bare name is the time at the machine's peak rate (:func:`roofline.kernels.ideal_times_s`), so that every
constant but the times is a share of a rate or a size, and can be carried to another machine. `p` is the sharpness of
the knee: at 1 the parts follow one another, and as it grows only the slowest counts, which is the roofline. ``units``
stands for three parts, what the units do beside multiplying: ``blocks·block_flops`` for blocks of attention however
short, and ``bytes·byte_flops`` for the queries, keys, values and results of a prefill, both at the matrix engine's
peak; ``depth·depth_s`` for an inner dimension that a unit walks through alone.

A curve whose kernels were timed with their operands in the cache has two constants more, ``cache_bytes`` and
``cache_rate``; they are for reading such a table, and :meth:`KernelCurve.cold` takes them out.

Shares are at most 1 and `p` at least 1, so no curve without a cache goes below the roofline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as _replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline._arrays import Array
from roofline._validation import choice, count, number
from roofline.kernels.work import COLLECTIVES, KINDS, LINEAR_FORMATS, IdealTimes, Work, formats, ideal_times_s
from roofline.machine import Machine

Floats = NDArray[np.float64]


class Bounds(NamedTuple):
    """Range of a constant, and where a fit starts."""

    low: float
    start: float
    high: float


CONSTANTS: dict[str, Bounds] = {
    "overhead_s": Bounds(1e-7, 4e-6, 1e-3),
    "matrix": Bounds(0.02, 0.7, 1.0),
    "memory": Bounds(0.02, 0.7, 1.0),
    "sharpness": Bounds(1.0, 2.0, 32.0),
    "depth_s": Bounds(1e-12, 1e-9, 1e-7),
    "byte_flops": Bounds(1.0, 300.0, 1e5),
    "block_flops": Bounds(1e3, 1e7, 1e10),
    "rounding": Bounds(0.01, 0.4, 10.0),
    "row_s": Bounds(1e-12, 3e-9, 1e-6),
    "link": Bounds(0.02, 0.7, 1.0),
    "hop_s": Bounds(1e-9, 1e-6, 1e-3),
    "cache_bytes": Bounds(1e5, 2e7, 1e9),
    "cache_rate": Bounds(1.0, 2.0, 10.0),
}
"""Constants of a curve: all that there are, with their bounds."""

_NOTHING = ("overhead_s", "depth_s", "byte_flops", "block_flops", "row_s", "hop_s")  # constants that may be zero
_SPAN = 8.0  # how steeply the cache's hits fall with the bytes


class KernelError(NamedTuple):
    """Relative error of a curve on kernels that it was not fitted on.

    Attributes
    ----------
    median, p90 : float
        Of ``|predicted / measured − 1|``.
    kernels : int
        How many were predicted.
    """

    median: float
    p90: float
    kernels: int


@dataclass(frozen=True, kw_only=True)
class KernelCurve:
    """Constants of one kind of kernel in one precision, on one machine and framework.

    Attributes
    ----------
    kind, precision : str
        Of the kernels, as in :class:`roofline.kernels.Work`.
    overhead_s : float
        Time to start one [s].
    matrix, memory, link : float
        Share of the peak of the matrix engine, main memory and link that is reached.
    sharpness : float
        ``p`` of the knee.
    depth_s : float
        Time of one step along the inner dimension of a product, or of a prefill's keys, however few outputs there
        are [s].
    byte_flops : float
        What a byte of a prefill's queries, keys, values and results costs the units, as FLOPs at the matrix engine's
        peak [FLOP/byte].
    block_flops : float
        What a block of attention costs at least, as FLOPs at the matrix engine's peak [FLOP].
    rounding : float
        Share of the memory's peak that rounding the activations reaches.
    row_s : float
        What rounding costs per row beside [s].
    hop_s : float
        Time of a message [s].
    cache_bytes, cache_rate : float or None
        Kernels of fewer bytes were timed out of a cache of this rate, as a multiple of main memory's [byte].
    error : KernelError or None
        On shapes that were left out.
    spread : mapping of str to float
        Relative standard deviation of each constant over fits that leave some shapes out.
    kernels : int
        How many it was fitted on; 0 where it was not.
    left : mapping of str to KernelError
        The error by what was left out: whole ``shapes``, whole ``sizes``.
    framework, version, source : str
        Whose kernels, and the kernel's own name.

    Raises
    ------
    ValueError
        A constant outside its bounds.

    Examples
    --------
    >>> from roofline.kernels import linear
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> curve = KernelCurve(kind="linear", precision="bf16", overhead_s=3e-6, matrix=0.8, memory=0.9, sharpness=32.0)
    >>> print(f"{curve.time_s(linear(m=1, n=8192, k=8192, precision='bf16'), device) * 1e6:.0f} µs")
    152 µs
    """

    kind: str
    precision: str
    overhead_s: float
    matrix: float = 1.0
    memory: float = 1.0
    sharpness: float = 32.0
    depth_s: float = 0.0
    byte_flops: float = 0.0
    block_flops: float = 0.0
    rounding: float = 1.0
    row_s: float = 0.0
    link: float = 1.0
    hop_s: float = 0.0
    cache_bytes: float | None = None
    cache_rate: float | None = None
    error: KernelError | None = None
    spread: Mapping[str, float] = field(default_factory=dict)
    kernels: int = 0
    left: Mapping[str, KernelError] = field(default_factory=dict)
    framework: str = ""
    version: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        formats(self.kind, self.precision)
        for name, bounds in CONSTANTS.items():
            value = getattr(self, name)
            if value is None and name.startswith("cache"):
                continue
            low = 0.0 if name in _NOTHING else bounds.low
            number(name, value, at_least=low, at_most=bounds.high)
        if (self.cache_bytes is None) is not (self.cache_rate is None):
            raise ValueError("cache_bytes and cache_rate belong together: give both, or neither")

    def time_s(self, work: Work, machine: Machine) -> Array:
        """Return how long kernels take on a machine [s].

        Parameters
        ----------
        work : Work
            What they do; of this curve's kind and precision.
        machine : Machine
            Peak rates of the device: the one that the curve was fitted on, or another that it is carried to.

        Raises
        ------
        ValueError
            Kernels of another kind or precision.
        """
        for name in ("kind", "precision"):
            if getattr(work, name) != getattr(self, name):
                raise ValueError(
                    f"work.{name} = {getattr(work, name)!r} is not accepted: "
                    f"the curve is of {getattr(self, name)!r} kernels"
                )
        return _time_s(self.constants, ideal_times_s(work, machine))

    def efficiency(self, work: Work, machine: Machine) -> Array:
        """Return the roofline's time over the curve's: the share of the machine that kernels reach.

        Parameters
        ----------
        work : Work
            What they do.
        machine : Machine
            Peak rates of the device.
        """
        ideal = ideal_times_s(work, machine)
        fastest = np.maximum(np.maximum(ideal.matrix, ideal.memory), np.maximum(ideal.special, ideal.link))
        return fastest / self.time_s(work, machine)

    @property
    def constants(self) -> dict[str, float]:
        """The constants that are set, by name."""
        return {name: value for name in CONSTANTS if (value := getattr(self, name)) is not None}

    def cold(self) -> KernelCurve:
        """Return the curve of kernels whose operands come from main memory, as they do inside a model."""
        return _replace(self, cache_bytes=None, cache_rate=None)


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Measured kernels of one kind and precision: columns of what they do and how long they took.

    Attributes
    ----------
    work : Work
        What they do.
    time_s : array
        How long each took [s].
    shape, size : array of int
        Groups to leave out together: the same layer whatever its batch, and the same batch whatever the layer.
    machine, framework, version, source : str
        Where they were measured, and the kernel's own name.

    Examples
    --------
    >>> from roofline.kernels import linear
    >>> work = linear(m=[1, 2], n=64, k=64, precision="bf16")
    >>> len(Kernels(work=work, time_s=[3e-6, 3e-6], shape=[0, 0], size=[0, 1]))
    2
    """

    work: Work
    time_s: Floats
    shape: NDArray[np.int64]
    size: NDArray[np.int64]
    machine: str = ""
    framework: str = ""
    version: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", np.atleast_1d(number("time_s", self.time_s, above=0)))
        for name in ("shape", "size"):
            groups = np.asarray(getattr(self, name), dtype=np.int64)
            if groups.shape != self.time_s.shape:
                raise ValueError(f"{name} has shape {groups.shape}, but time_s has {self.time_s.shape}")
            object.__setattr__(self, name, groups)

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, rows: Array) -> Kernels:
        """Return some of them."""
        return _replace(
            self, work=self.work[rows], time_s=self.time_s[rows], shape=self.shape[rows], size=self.size[rows]
        )

    def some(self, most: int) -> Kernels:
        """Return at most so many, evenly over their times; always the same ones.

        Parameters
        ----------
        most : int
            How many.
        """
        if len(self) <= count("most", most):
            return self
        order = np.argsort(self.time_s, kind="stable")
        return self[np.sort(order[np.linspace(0, len(order) - 1, most).round().astype(int)])]


def constants_of(kind: str, precision: str) -> tuple[str, ...]:
    """Name the constants that a kind of kernel needs.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    precision : str
        As policies call it.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> constants_of("linear", "bf16")
    ('overhead_s', 'matrix', 'memory', 'sharpness', 'depth_s')
    >>> constants_of("linear", "fp8")[5:]
    ('rounding', 'row_s')
    """
    choice("kind", kind, KINDS)
    if kind in COLLECTIVES:
        return ("overhead_s", "hop_s", "link")
    if kind == "prefill_attention":
        return ("overhead_s", "matrix", "sharpness", "byte_flops", "block_flops", "depth_s")
    roof = ("overhead_s", "matrix", "memory", "sharpness")
    if kind == "decode_attention":
        return (*roof, "block_flops")
    formats(kind, precision)
    narrow = LINEAR_FORMATS[precision].inputs != "bf16"
    return (*roof, "depth_s", "rounding", "row_s") if narrow else (*roof, "depth_s")


def fit_curve(
    kernels: Kernels | Sequence[Kernels],
    machine: Machine | Sequence[Machine],
    *,
    most: int = 3000,
    constants: Sequence[str] | None = None,
) -> KernelCurve:
    """Fit a curve to measured kernels, robustly and in logarithms; of several machines, one curve for all.

    Parameters
    ----------
    kernels : Kernels or sequence of Kernels
        Measured kernels of one kind and precision, per machine.
    machine : Machine or sequence of Machine
        Peak rates of the machines, in the same order.
    most : int
        Kernels to fit on per machine; of more, as many evenly over their times.
    constants : sequence of str, optional
        Names of the constants to fit; without it, those of :func:`constants_of`, and the cache's two where more than
        one kernel of a hundred was faster than main memory.

    Returns
    -------
    KernelCurve
        Without an error: :func:`left_out` finds it.

    Raises
    ------
    ValueError
        Kernels of different kinds, or as many as constants.

    Examples
    --------
    A curve finds its own constants again:

    >>> from roofline.kernels import linear
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> m, n = (axis.ravel() for axis in np.meshgrid(2 ** np.arange(14), 2 ** np.arange(8, 14)))
    >>> work = linear(m=m, n=n, k=4096, precision="bf16")
    >>> true = KernelCurve(kind="linear", precision="bf16", overhead_s=3e-6, matrix=0.8, memory=0.9, sharpness=3.0)
    >>> groups = np.zeros(work.shape, int)
    >>> found = fit_curve(Kernels(work=work, time_s=true.time_s(work, device), shape=groups, size=groups), device)
    >>> round(found.matrix, 3), round(found.memory, 3), round(found.sharpness, 2)
    (0.8, 0.9, 3.0)
    """
    tables = [kernels] if isinstance(kernels, Kernels) else list(kernels)
    machines = [machine] if isinstance(machine, Machine) else list(machine)
    kind, precision = _one_kind(tables, machines)
    tables = [table.some(most) for table in tables]
    ideal = _joined([ideal_times_s(table.work, rates) for table, rates in zip(tables, machines, strict=True)], tables)
    measured = np.concatenate([table.time_s for table in tables])
    names = tuple(constants) if constants is not None else constants_of(kind, precision)
    if constants is None and kind not in COLLECTIVES:
        names += ("cache_bytes", "cache_rate") if np.mean(measured < 0.97 * ideal.memory) > 0.01 else ()
    if len(measured) <= len(names):
        raise ValueError(f"{len(measured)} kernels cannot settle {len(names)} constants ({', '.join(names)})")
    origin = {name: getattr(tables[0], name) for name in ("framework", "version", "source")} if len(tables) == 1 else {}
    return KernelCurve(kind=kind, precision=precision, kernels=len(measured), **origin, **_fit(names, ideal, measured))


def left_out(kernels: Kernels, machine: Machine, *, folds: int = 4, most: int = 3000) -> KernelCurve:
    """Fit a curve, and find its error on whole groups of shapes and of sizes that a fit had not seen.

    Parameters
    ----------
    kernels : Kernels
        Measured kernels of one kind and precision.
    machine : Machine
        Peak rates of the machine.
    folds : int
        Parts that the groups are dealt into; each is predicted by a fit of the others.
    most : int
        Kernels to fit on at a time, and to predict.

    Returns
    -------
    KernelCurve
        Fitted on all, with the errors of the fits that left some out and the spread of their constants.

    Raises
    ------
    ValueError
        Fewer groups than folds.

    Examples
    --------
    >>> from roofline.kernels import linear
    >>> device = Machine(name="device", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    >>> m, n = (axis.ravel() for axis in np.meshgrid(2 ** np.arange(14), 2 ** np.arange(8, 14)))
    >>> work = linear(m=m, n=n, k=4096, precision="bf16")
    >>> true = KernelCurve(kind="linear", precision="bf16", overhead_s=3e-6, matrix=0.8, memory=0.9, sharpness=3.0)
    >>> curve = left_out(Kernels(work=work, time_s=true.time_s(work, device), shape=n, size=m), device)
    >>> curve.error.median < 1e-3, curve.error.kernels
    (True, 168)
    """
    folds = count("folds", folds, at_least=2)
    whole = fit_curve(kernels, machine, most=most)
    names = [name for name in CONSTANTS if name in constants_of(whole.kind, whole.precision)]
    names += ["cache_bytes", "cache_rate"] if whole.cache_bytes is not None else []
    errors: dict[str, list[Floats]] = {"shapes": [], "sizes": []}
    fits = []
    for by, groups in (("shapes", kernels.shape), ("sizes", kernels.size)):
        part = _dealt(groups, folds)
        for fold in range(folds):
            held = part == fold
            curve = fit_curve(kernels[~held], machine, most=most, constants=names)
            tested = kernels[held].some(most)
            errors[by].append(np.abs(curve.time_s(tested.work, machine) / tested.time_s - 1))
            fits.append(curve)
    logs = {name: np.log([getattr(curve, name) for curve in fits]) for name in names}
    left = {by: _error(np.concatenate(found)) for by, found in errors.items()}
    return _replace(
        whole,
        error=_error(np.concatenate([error for found in errors.values() for error in found])),
        left=left,
        spread={name: float(np.std(log)) for name, log in logs.items()},
    )


class Transfer(NamedTuple):
    """Errors on the kernels of a machine that no kernel was measured on, relative to the measured times.

    Attributes
    ----------
    target : str
        The machine whose kernels were predicted.
    curve : KernelError
        From its peak rates and the curve of the other machines.
    roofline : KernelError
        From its peak rates alone.
    """

    target: str
    curve: KernelError
    roofline: KernelError


def transfer(
    kernels: Sequence[Kernels], machines: Sequence[Machine], target: Kernels, machine: Machine, *, most: int = 3000
) -> Transfer:
    """Predict the kernels of a machine by a curve of others, and by its peak rates alone.

    Parameters
    ----------
    kernels : sequence of Kernels
        Measured on the others.
    machines : sequence of Machine
        Peak rates of the others, in the same order.
    target : Kernels
        Measured on the machine, to compare with.
    machine : Machine
        Its peak rates.
    most : int
        Kernels per machine to fit on, and to predict.

    Returns
    -------
    Transfer

    Examples
    --------
    >>> from roofline.kernels import linear
    >>> small = Machine(name="small", flops_per_s={"bf16": 1e14}, memory_bytes_per_s=1e12)
    >>> large = Machine(name="large", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=4e12)
    >>> m, n = (axis.ravel() for axis in np.meshgrid(2 ** np.arange(14), 2 ** np.arange(8, 14)))
    >>> work = linear(m=m, n=n, k=4096, precision="bf16")
    >>> true = KernelCurve(kind="linear", precision="bf16", overhead_s=3e-6, matrix=0.8, memory=0.9, sharpness=3.0)
    >>> groups = np.zeros(work.shape, int)
    >>> measured = [Kernels(work=work, time_s=true.time_s(work, m), shape=groups, size=groups) for m in (small, large)]
    >>> found = transfer(measured[:1], [small], measured[1], large)
    >>> round(found.curve.median, 3), round(found.roofline.median, 2)
    (0.0, 0.43)
    """
    curve = fit_curve(kernels, machines, most=most)
    tested = target.some(most)
    ideal = ideal_times_s(tested.work, machine)
    fastest = np.maximum(np.maximum(ideal.matrix, ideal.memory), np.maximum(ideal.special, ideal.link))
    return Transfer(
        target=target.machine or machine.name,
        curve=_error(np.abs(curve.time_s(tested.work, machine) / tested.time_s - 1)),
        roofline=_error(np.abs(fastest / tested.time_s - 1)),
    )


def _time_s(c: Mapping[str, Any], ideal: IdealTimes) -> Array:
    """Time of kernels by the constants of a curve."""
    memory = ideal.memory / c["memory"]
    if c.get("cache_bytes") is not None:
        hits = 1 / (1 + (ideal.bytes / c["cache_bytes"]) ** _SPAN)
        memory = memory * (1 - hits + hits / c["cache_rate"])
    parts = [
        ideal.matrix / c["matrix"],
        memory,
        ideal.special,
        ideal.link / c["link"],
        ideal.depth * c["depth_s"],
        ideal.block_s_per_flop * c["block_flops"],
        ideal.byte_s_per_flop * c["byte_flops"],
    ]
    rounding = np.hypot(ideal.rounding / c["rounding"], ideal.rows * c["row_s"])
    serial = c["overhead_s"] + rounding + ideal.hops * c["hop_s"]
    return serial + _knee([part for part in parts if np.ndim(part) or part > 0], c["sharpness"])


def _knee(parts: list[Array], p: float) -> Array:
    if len(parts) == 1:
        return parts[0]
    stacked = np.stack(np.broadcast_arrays(*parts))
    largest = stacked.max(axis=0)
    return largest * ((stacked / largest) ** p).sum(axis=0) ** (1 / p)


def _fit(names: Sequence[str], ideal: IdealTimes, measured: Floats) -> dict[str, Any]:
    """Constants that bring a curve closest to measured times, in logarithms."""
    from scipy.optimize import least_squares  # here, so that importing the package stays cheap

    fixed: dict[str, Any] = {name: 0.0 if name in _NOTHING else 1.0 for name in CONSTANTS}
    fixed |= {"cache_bytes": None, "cache_rate": None}
    log_measured = np.log(measured)

    def of(logs: Floats) -> dict[str, Any]:
        return fixed | {name: float(np.exp(log)) for name, log in zip(names, logs, strict=True)}

    low, start, high = (np.log([getattr(CONSTANTS[name], bound) for name in names]) for bound in Bounds._fields)
    found = least_squares(
        lambda logs: np.log(_time_s(of(logs), ideal)) - log_measured,
        start,
        bounds=(low, high),
        loss="soft_l1",
        f_scale=0.05,
        x_scale=1.0,
    )
    fitted = of(found.x)
    return {name: float(np.clip(fitted[name], CONSTANTS[name].low, CONSTANTS[name].high)) for name in names}


def _joined(ideals: Sequence[IdealTimes], tables: Sequence[Kernels]) -> IdealTimes:
    """Times of several machines' kernels in one; a part that none of them has stays a plain zero."""
    columns: list[Array] = []
    for name in IdealTimes._fields:
        parts = [getattr(ideal, name) for ideal in ideals]
        if all(np.ndim(part) == 0 and part == 0 for part in parts):
            columns.append(0.0)
        else:
            columns.append(np.concatenate([np.broadcast_to(p, len(t)) for p, t in zip(parts, tables, strict=True)]))
    return IdealTimes(*columns)


def _one_kind(tables: Sequence[Kernels], machines: Sequence[Machine]) -> tuple[str, str]:
    kinds = {(table.work.kind, table.work.precision) for table in tables}
    if len(kinds) != 1:
        raise ValueError(f"kernels of {len(kinds)} kinds and precisions have no curve in common: give those of one")
    if len(tables) != len(machines):
        raise ValueError(f"{len(tables)} tables of kernels, but {len(machines)} machines: give one machine per table")
    return kinds.pop()


def _dealt(groups: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Deal groups into parts, always in the same way."""
    known, place = np.unique(groups, return_inverse=True)
    if len(known) < folds:
        raise ValueError(f"{len(known)} groups cannot be dealt into {folds} folds")
    return (np.random.default_rng(0).permutation(len(known)) % folds)[place.reshape(groups.shape)]


def _error(errors: Floats) -> KernelError:
    return KernelError(float(np.median(errors)), float(np.percentile(errors, 90)), errors.size)
