"""Products of two matrices, timed one by one, calibrate the matrix engine directly: three constants of a machine.

A product takes

    t = overhead_s + max(matrix_s / matrix, memory_s / memory)

where ``matrix_s`` and ``memory_s`` are what :mod:`roofline.ceilings` says at the full rates, rounded up to the tile of
the engine. Every constant is a field of :class:`roofline.Machine`, so the calibrated machine says the same of the
linear layers of a model.

Forms that were tried on Kim Table III (thin products, four machines), median and mean error in % of a row that was left
out; ``walk`` is a time per element of the inner dimension, p a soft knee:

=============================  ========  =====  ==============================================
constants                      median    mean   median by machine: Gaudi 2, Gaudi 3, H100, H200
=============================  ========  =====  ==============================================
overhead                       6.7       8.3    4.7, 8.5, 7.5, 2.9
overhead, matrix, memory       6.7       8.3    4.7, 8.5, 7.5, 2.9
overhead, matrix, p            6.7       8.3    5.0, 8.5, 7.5, 2.9
overhead, memory, p            6.7       8.3    5.0, 8.5, 7.5, 2.9
overhead by format, memory     6.5       8.1    6.3, 8.6, 3.8, 8.0
overhead, walk                 6.1       7.2    4.7, 11.0, 2.5, 5.9
overhead, walk, memory         5.8       7.1    4.7, 11.0, 1.9, 5.2
=============================  ========  =====  ==============================================

Thin products are nearly all overhead: matrix and memory are told apart by square ones (Kim Tables V to VII). A walk
halves the error on NVIDIA's machines, misses 10 % on Gaudi 3, and is no field of a machine; it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import hardware_specs as hs
from hardware_specs import Accelerator, number_format
from roofline._arrays import Array
from roofline._validation import choice, count, number
from roofline.ceilings import ceiling_times_s, operation_time_s
from roofline.kernels.curves import KernelError
from roofline.machine import Machine
from roofline.measurements.bounds import measured_time_s
from roofline.measurements.records import Runs
from roofline.operations import Counts, Operation, Product
from roofline.spread import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.float64]


class Limits(NamedTuple):
    """Range of a constant, what is likely before anything is measured, and by how much of its logarithm it varies."""

    low: float
    start: float
    high: float
    width: float


PRODUCT_CONSTANTS = MappingProxyType(
    {
        "overhead_s": Limits(1e-7, 4e-6, 1e-3, 1.5),
        "matrix": Limits(0.02, 0.75, 1.0, 0.4),
        "memory": Limits(0.05, 0.85, 1.0, 0.25),
    }
)
"""The constants, in the order in which they are added; what is likely is what kernel tables show (docs/kernels.md)."""

PRODUCTS = Spread(scale=0.08, freedom=3.3)
"""Spread over the machines of Kim Table III, of rows that were left out: for those of which there are fewer than 8."""

NOISE = 0.05
"""Relative error beyond which a product counts as an outlier, and pulls less than its square."""

_FOLDS = 32
_SEEN = 0.1
_ENOUGH = 8  # runs whose errors say how far others may be off
_LEAST = 0.01


@dataclass(frozen=True, kw_only=True)
class ProductCalibration:
    """What the products of a machine reach of its rates.

    Attributes
    ----------
    accelerator, framework : str
        Key of the machine, and what ran the products.
    overhead_s : float
        Time to start one [s].
    matrix : mapping of str to float
        Share of the matrix peak that is reached, by value of `by`; by ``""`` where all share one.
    memory : float
        Share of the bandwidth that is reached.
    by : str or None
        Field by which shares of the matrix peak are told apart.
    weights : mapping of str to float
        How much the runs say of each constant: 0 where it is what was likely beforehand, to 1. Thin products say
        nothing of the matrix engine.
    fit : KernelError
        Relative error of the time on the runs themselves.
    left_out : KernelError or None
        The same on runs that were left out, one by one; of more than 32, a 32nd of them at a time.
    spread : Spread
        Of true over predicted rates.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> found = calibrate_products(published("kim2025-table3").where(accelerator="h100-sxm"))
    >>> print(f"{found.overhead_s * 1e6:.0f} µs, {found.tflops(m=64, k=2048, n=2048, precision='bf16'):.0f} TFLOPS")
    11 µs, 39 TFLOPS
    """

    accelerator: str
    framework: str = ""
    overhead_s: float
    matrix: Mapping[str, float]
    memory: float
    by: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    fit: KernelError
    left_out: KernelError | None = None
    spread: Spread = field(default=PRODUCTS)

    def __post_init__(self) -> None:
        for name in ("matrix", "weights"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"matrix": dict(self.matrix), "weights": dict(self.weights)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        views = {name: MappingProxyType(state[name]) for name in ("matrix", "weights")}
        self.__dict__.update(state | views)

    def machine(self, accelerator: Accelerator | Machine | None = None, *, variant: str | None = None) -> Machine:
        """Return the rates of a machine with these losses.

        Parameters
        ----------
        accelerator : Accelerator or Machine, optional
            The machine itself, or rates of another that the losses are carried to; by default the one of the runs.
        variant : str, optional
            Whose share of the matrix peak it gets, where they were told apart by variant; where they were by precision,
            a format that was not measured gets the geometric mean.

        Returns
        -------
        Machine

        Raises
        ------
        ValueError
            Another accelerator than that of the runs, or no such variant.
        """
        device = hs.get(self.accelerator) if accelerator is None else accelerator
        if isinstance(device, Accelerator) and device.key != self.accelerator:
            raise ValueError(
                f"products are of {self.accelerator}, not of {device.key}: to carry their losses over, give "
                f"rl.Machine.of(hs.get({device.key!r}))"
            )
        shares: dict[str, Array] = {"memory": self.memory}
        if self.by != "variant":
            if variant is not None:
                raise ValueError(f"variant = {variant!r} is not accepted: shares were not told apart by variant")
            shares |= {f"matrix:{name}" if name else "matrix": share for name, share in self.matrix.items()}
            shares.setdefault("matrix", float(np.exp(np.mean(np.log(list(self.matrix.values()))))))
        else:
            only = next(iter(self.matrix)) if variant is None and len(self.matrix) == 1 else variant
            shares["matrix"] = self.matrix[choice("variant", only, tuple(self.matrix))]
        return Machine.of(device).replace(efficiency=shares, overhead_s=self.overhead_s)

    def time_s(self, *, m: Array, k: Array, n: Array, precision: str, variant: str | None = None) -> Array:
        """Return the time of a product (M×K)·(K×N) [s].

        Parameters
        ----------
        m, k, n : array
            Rows, inner dimension and columns.
        precision : str
            Number format of its inputs; results have 16 bits.
        variant : str, optional
            Where shares were told apart by variant, which.
        """
        if self.by == "precision":
            choice("precision", precision, tuple(self.matrix))
        sizes = (number(name, size, at_least=1, whole=True) for name, size in (("m", m), ("k", k), ("n", n)))
        rows, inner, columns = sizes
        return operation_time_s(_product(rows, inner, columns, precision), self.machine(variant=variant))

    def tflops(self, *, m: Array, k: Array, n: Array, precision: str, variant: str | None = None) -> Array:
        """Return the rate of a product (M×K)·(K×N) [TFLOP/s].

        Parameters
        ----------
        m, k, n : array
            Rows, inner dimension and columns.
        precision : str
            Number format of its inputs; results have 16 bits.
        variant : str, optional
            Where shares were told apart by variant, which.
        """
        time_s = self.time_s(m=m, k=k, n=n, precision=precision, variant=variant)
        return 2.0 * np.asarray(m) * np.asarray(k) * np.asarray(n) / time_s / 1e12

    def __repr__(self) -> str:
        shares = {_name(label): share for label, share in self.matrix.items()} | {"memory": self.memory}
        unseen = {name for name, weight in self.weights.items() if weight < _SEEN}
        said = ", ".join(f"{name} {share:.2f}{' (not seen)' * (name in unseen)}" for name, share in shares.items())
        off, how = (self.fit, "fitted") if self.left_out is None else (self.left_out, "left out")
        return (
            f"ProductCalibration({self.accelerator}: {self.overhead_s * 1e6:.2f} µs a product, {said}; median error "
            f"{off.median:.1%} of {off.kernels} {how})"
        )


def calibrate_products(runs: Runs, *, constants: int = 3, by: str | None = None) -> ProductCalibration:
    """Find what a machine reaches of its rates on products of two matrices.

    Robust, bounded and in logarithms; a constant of which the runs say nothing stays at what is likely.

    Parameters
    ----------
    runs : Runs
        Products (phase ``gemm``) of one accelerator, such as those of ``python -m roofline.measure gemm`` or Kim's
        tables; those with flags are left out.
    constants : int
        1 to 3: time to start a product; share of the matrix peak; share of the bandwidth. Those not asked for are 1.
    by : {"precision", "variant"}, optional
        Field by whose values shares of the matrix peak are told apart, one constant for each.

    Returns
    -------
    ProductCalibration

    Raises
    ------
    ValueError
        Runs of several machines or frameworks, or none of a product whose time is known.

    Examples
    --------
    What accumulating in 32 bits costs an H100 with a scale per row (Kim Table VII):

    >>> from roofline.measurements import published
    >>> found = calibrate_products(published("kim2025-table7"), by="variant")
    >>> {name: round(share, 1) for name, share in found.matrix.items() if "row-wise" in name}
    {'row-wise fp32-accumulation': 0.2, 'row-wise fast-accumulation': 0.6}
    """
    if not isinstance(runs, Runs):
        raise ValueError(f"runs = {runs!r:.60} is not accepted: give Runs, such as rl.measurements.read(path)")
    used = count("constants", constants, at_most=len(PRODUCT_CONSTANTS))
    if by is not None:
        choice("by", by, ("precision", "variant"))
        if used < 2:
            raise ValueError(f"by = {by!r} is not accepted with constants = 1: no share of the matrix peak is found")
    chosen = runs.clean.where(phase="gemm")
    for name in ("accelerator", "framework", "version"):
        found = [value or "(unnamed)" for value in dict.fromkeys(getattr(chosen, name).tolist())]
        if len(found) > 1:
            raise ValueError(f"runs are of several values of {name}: {', '.join(found)}; narrow them with runs.where")
    sizes = (chosen.m, chosen.k, chosen.n, measured_time_s(chosen))
    known = (chosen.accelerator != "") & (chosen.precision != "") & ~np.any(np.isnan(sizes), axis=0)
    chosen = chosen[known]
    if not len(chosen):
        raise ValueError(
            f"no run of {len(runs)} can be used: a product needs accelerator, precision, m, k, n and a rate or a time"
        )
    labels = np.full(len(chosen), "", dtype=object) if by is None else getattr(chosen, by)
    return _calibrated(chosen, labels, used, by)


class _Design(NamedTuple):
    """Ideal times of products and the measured one [s], and whose share of the matrix peak each takes."""

    matrix_s: Column
    memory_s: Column
    measured_s: Column
    share: NDArray[np.intp]

    def of(self, rows: Any) -> _Design:
        return _Design(*(column[rows] for column in self))


def _calibrated(runs: Runs, labels: Any, used: int, by: str | None) -> ProductCalibration:
    names = tuple(dict.fromkeys(labels.tolist()))
    design = _design(runs, np.array([names.index(label) for label in labels]))
    at, weights = _fit(design, used, len(names), None)
    off = np.log(_time_s(at, design, used, len(names)) / design.measured_s)
    left = np.full(len(runs), np.nan)
    folds = np.arange(len(runs)) % _FOLDS
    for fold in range(min(len(runs), _FOLDS)) if len(runs) > 1 else ():
        out = folds == fold
        found, _ = _fit(design.of(~out), used, len(names), at)
        left[out] = np.log(_time_s(found, design.of(out), used, len(names)) / design.measured_s[out])
    overhead_s, *shares = np.exp(at).tolist()
    matrix = shares[: len(names)] if used > 1 else [1.0] * len(names)
    return ProductCalibration(
        accelerator=runs.accelerator[0],
        framework=f"{runs.framework[0]} {runs.version[0]}".strip(),
        overhead_s=overhead_s,
        matrix=dict(zip(names, matrix, strict=True)),
        memory=shares[-1] if used > 2 else 1.0,
        by=by,
        weights=dict(zip(("overhead_s", *map(_name, names), "memory"), weights.tolist(), strict=False)),
        fit=_error(off),
        left_out=None if np.isnan(left).any() else _error(left),
        spread=Spread.fit(left, least=_LEAST) if len(runs) >= _ENOUGH else PRODUCTS,
    )


def _name(label: str) -> str:
    return f"matrix:{label}" if label else "matrix"


def _product(m: Array, k: Array, n: Array, precision: str) -> Operation:
    """A product with inputs in one format and results in 16 bits, all read and written in main memory."""
    width = number_format(precision).bits / 8
    flops = 2.0 * k * n
    return Operation(
        name="product",
        kind="linear",
        layers=1,
        precision=precision,
        work=m,
        each=Counts(flops=flops, activation_bytes=width * k + 2.0 * n),
        fixed=Counts(weight_bytes=width * k * n),
        products=(Product(m=m, k=k, n=n, flops=flops),),
    )


def _design(runs: Runs, share: NDArray[np.intp]) -> _Design:
    times = np.empty((2, len(runs)))
    rates = Machine.of(hs.get(runs.accelerator[0]))
    for precision in dict.fromkeys(runs.precision.tolist()):
        rows = runs.precision == precision
        found = ceiling_times_s(_product(runs.m[rows], runs.k[rows], runs.n[rows], precision), rates)
        times[:, rows] = found["matrix"], found["memory"]
    return _Design(times[0], times[1], measured_time_s(runs), share)


def _time_s(at: Column, design: _Design, used: int, labels: int) -> Column:
    overhead_s, *shares = np.exp(at)
    matrix = np.array(shares[:labels])[design.share] if used > 1 else 1.0
    memory = shares[-1] if used > 2 else 1.0
    return np.asarray(overhead_s + np.maximum(design.matrix_s / matrix, design.memory_s / memory))


def _fit(design: _Design, used: int, labels: int, start: Column | None) -> tuple[Column, Column]:
    """Logarithms of the constants under which runs and what is likely are likeliest, and what the runs say of each."""
    from scipy.optimize import least_squares

    overhead, matrix, memory = PRODUCT_CONSTANTS.values()
    limits = np.array([overhead, *[matrix] * labels * (used > 1), *[memory] * (used > 2)])
    low, likely, high = np.log(limits[:, :3].T)
    width = limits[:, 3]
    measured = np.log(design.measured_s)

    def residuals(at: Column) -> Column:
        off = (np.log(_time_s(at, design, used, labels)) - measured) / NOISE
        bent = np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1))  # linear beyond the noise: wrong rows pull little
        return np.concatenate([bent, (at - likely) / width])

    starts = [likely, likely + 1.0, likely - 1.0] if start is None else [start, likely]
    begins = [np.clip(at, low + 1e-6, high - 1e-6) for at in starts]
    best = min((least_squares(residuals, at, bounds=(low, high)) for at in begins), key=lambda found: found.cost)
    information = (best.jac[: len(measured)] ** 2).sum(axis=0)
    return np.asarray(best.x), information / (information + width**-2)


def _error(off: Column) -> KernelError:
    relative = np.abs(np.expm1(off))
    return KernelError(float(np.median(relative)), float(np.quantile(relative, 0.9)), off.size)
