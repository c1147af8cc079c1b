"""Between the points of a measured grid: interpolate what the calibrated roofline leaves over, in logarithms.

Throughput itself is steep and bent, the residual of a model that knows the physics is nearly flat: so the logarithm of
predicted over measured time is interpolated, linearly between neighbours, over the logarithms of batch and lengths, and
the model's own time at the asked point is corrected by it. Outside the grid nothing is extrapolated: the calibrated
model stands alone there, and every result says so.

Which model, was decided on LLM-Inference-Bench: of 74 full grids of batch and length every second batch and length (and
all between them) was left out, 809 points. The calibration saw only the points that were kept. Relative error of
throughput in %:

=============================================  ======  ====  ===============
interpolated                                   median  mean  95th percentile
=============================================  ======  ====  ===============
throughput, linear axes                        5.9     9.4   28.1
logarithm of throughput, logarithmic axes      5.1     7.4   20.7
efficiency against the ideal roofline          1.6     3.9   16.3
efficiency against the calibrated roofline     0.9     2.2   7.8
nothing: the calibrated roofline               1.3     2.4   7.9
=============================================  ======  ====  ===============

On 50 grids with holes, 479 points: 36.6, 28.5, 22.9, 12.7 and 13.0 % at the 95th percentile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import hardware_specs as hs
from roofline._arrays import Array
from roofline._text import span
from roofline._validation import choice, number
from roofline.calibration.design import is_shared
from roofline.calibration.own_runs import calibrate
from roofline.calibration.prediction import predict
from roofline.calibration.record import Calibration, Losses
from roofline.calibration.study import usable
from roofline.llm_catalog import get_llm
from roofline.measurements.bounds import codes_of, measured_time_s
from roofline.measurements.measured import REPEAT
from roofline.measurements.records import Runs
from roofline.spread import Interval, Spread, check_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hardware_specs import Accelerator
    from roofline.llm import LLM

    Column = NDArray[np.float64]

BETWEEN = Spread(scale=0.016, freedom=2.1)
"""The least spread between points. With it, 90 % intervals hold 91 % of the points left out of LLM-Inference-Bench's
grids: the least comes from the other machines and frameworks there, what is beyond it from the grid itself."""

AXES: Mapping[str, tuple[str, ...]] = {
    "generate": ("batch", "prompt_tokens", "output_tokens"),
    "prefill": ("batch", "prompt_tokens"),
    "decode": ("batch", "context_tokens"),
}
"""What a grid of each phase is measured over."""

_SAME = (
    "accelerator", "framework", "version", "llm", "precision", "phase", "devices", "tensor_parallel",
    "pipeline_parallel", "expert_parallel", "data_parallel", "routing_skew", "power_limit_w", "variant",
)  # fmt: skip
_TIED = 1e-9
_QUANTITIES = ("output_tokens_per_s", "tokens_per_s", "time_s")


@dataclass(frozen=True, eq=False, kw_only=True)
class Between:
    """A measured grid, and the calibrated model around it.

    Attributes
    ----------
    runs : Runs
        Those that were used.
    calibration : Calibration
        The model whose residual is interpolated, and that answers outside the grid.
    points : array
        Where was measured: points by the axes of the phase, see ``AXES``.
    residual : array
        Logarithm of predicted over measured time at each, the mean of repeats.
    """

    runs: Runs
    calibration: Calibration
    points: Column
    residual: Column

    @property
    def phase(self) -> str:
        """What was measured: ``generate``, ``prefill`` or ``decode``."""
        return str(self.runs.phase[0])

    @property
    def axes(self) -> tuple[str, ...]:
        """Fields that the grid is measured over."""
        return AXES[self.phase]

    @cached_property
    def _surface(self) -> _Surface:
        return _Surface(np.log(self.points), self.residual)

    @cached_property
    def spread(self) -> Spread:
        """How far a point between the measured ones may be off: as each of them is from the line of its neighbours."""
        off = np.array(list(_off_the_line(self._surface.free, self.residual)))
        scale = Spread.fit(off).scale if off.size > 1 else 0.0
        return Spread(max(scale, BETWEEN.scale), BETWEEN.freedom)

    def at(
        self,
        *,
        batch: Any = None,
        prompt_tokens: Any = None,
        output_tokens: Any = None,
        context_tokens: Any = None,
    ) -> Point:
        """Return time and throughput at points that were not measured, or were.

        Parameters
        ----------
        batch : number or array, optional
            Sequences. This and the lengths broadcast; one that has a single value in the runs may be left out.
        prompt_tokens, output_tokens : number or array, optional
            Of each sequence; the latter of a generation only.
        context_tokens : number or array, optional
            Of each sequence, of a decode step.

        Returns
        -------
        Point

        Raises
        ------
        ValueError
            A length that the phase does not have, or one that is missing; a point that cannot be modelled.

        Examples
        --------
        See :func:`between`.
        """
        given = {"batch": batch, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens,
                 "context_tokens": context_tokens}  # fmt: skip
        for name, value in given.items():
            if value is not None and name not in self.axes:
                raise ValueError(f"{name} is not accepted: the runs are of phase {self.phase}, over {self._covered}")
        chosen = []
        for name, measured in zip(self.axes, self.points.T, strict=True):
            if given[name] is None and np.ptp(measured):
                raise ValueError(f"{name} is missing: the runs are over {self._covered}")
            chosen.append(number(name, measured[0] if given[name] is None else given[name], at_least=1))
        asked = np.broadcast_arrays(*chosen)
        flat = np.stack([column.ravel() for column in asked], axis=-1)
        residual, measured = self._surface.at(np.log(flat))
        inside = ~np.isnan(residual)
        expected_s = self._expected_s(flat)
        time_s = expected_s / np.exp(np.where(inside, residual, 0.0))
        shape = asked[0].shape
        return Point(
            between=self,
            asked=dict(zip(self.axes, asked, strict=True)),
            time_s=time_s.reshape(shape),
            inside=inside.reshape(shape),
            measured=measured.reshape(shape),
        )

    def _expected_s(self, flat: Column) -> Column:
        fields = {name: np.repeat(getattr(self.runs, name)[:1], len(flat)) for name in _SAME}
        sizes = {name: column.copy() for name, column in zip(self.axes, flat.T, strict=True)}
        # A time that is known marks them as runs that can be modelled; it is not looked at.
        expected_s = predict(Runs(fields | sizes | {"latency_s": np.ones(len(flat))}), self.calibration)
        if np.any(bad := np.isnan(expected_s)):
            where = ", ".join(f"{name} = {value:g}" for name, value in zip(self.axes, flat[bad][0], strict=True))
            raise ValueError(f"{where} cannot be modelled on {self.runs.accelerator[0]}")
        return expected_s

    @property
    def _covered(self) -> str:
        return ", ".join(f"{name} {span(column)}" for name, column in zip(self.axes, self.points.T, strict=True))

    def __repr__(self) -> str:
        of = self.runs[0]
        return (
            f"Between({len(self.points)} points of {self.phase} of {of.llm}, {of.precision}, on {of.devices} × "
            f"{of.accelerator}{f', {of.framework}' if of.framework else ''}: {self._covered})"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Point:
    """Time and throughput at one point of a grid or many: between measured ones, or by the calibrated model.

    Attributes
    ----------
    between : Between
        The grid.
    asked : mapping of str to array
        Batch and lengths.
    time_s : array
        Of the generation, the prefill or the decode step [s].
    inside : array of bool
        Whether it lies between measured points; where not, it is the calibrated model's, which no run nearby supports.
    measured : array of bool
        Whether it is one of the measured points itself.
    """

    between: Between
    asked: Mapping[str, Array]
    time_s: Array
    inside: Array
    measured: Array

    @property
    def origin(self) -> Array:
        """Where each figure comes from: ``"measured grid"`` or ``"calibrated"``."""
        return np.where(self.inside, "measured grid", "calibrated")[()]

    @property
    def kind(self) -> str:
        """What the figures are: ``measured``, or a ``calibrated roofline`` if any is outside the grid."""
        return "measured" if np.all(self.inside) else "calibrated roofline"

    @property
    def tokens_per_s(self) -> Array:
        """Tokens of the batch per second: of a generation prompt and output, of a prefill prompt, else generated."""
        tokens = {"prefill": self.prompt_tokens, "decode": 1.0}
        both = tokens[self.phase] if self.phase in tokens else self.prompt_tokens + self.output_tokens
        return self.batch * both / self.time_s

    @property
    def output_tokens_per_s(self) -> Array:
        """Generated tokens of the batch per second; a prefill has none."""
        if self.phase == "prefill":
            raise AttributeError("a prefill generates no tokens: see tokens_per_s")
        return self.batch * (1.0 if self.phase == "decode" else self.output_tokens) / self.time_s

    @property
    def spread(self) -> Spread:
        """How far the figures may be off: that of a repeated run, of the grid, or of the calibration; the widest."""
        found = (spread for spread, here in self._spreads if np.any(here))
        return max(found, key=lambda spread: float(spread.quantile(0.95)))

    @property
    def _spreads(self) -> tuple[tuple[Spread, Array], ...]:
        between = self.inside & ~self.measured
        outside = self.between.calibration.losses_on(self._sharing).spread, ~self.inside
        return (REPEAT, self.measured), (self.between.spread, between), outside

    def interval(self, level: float = 0.9, of: str = "output_tokens_per_s") -> Interval:
        """Bounds of each figure.

        Parameters
        ----------
        level : float
            Share of cases that are within.
        of : str
            ``output_tokens_per_s``, ``tokens_per_s`` or ``time_s``.

        Returns
        -------
        Interval
        """
        share = check_level(level)
        value = getattr(self, choice("of", of, _QUANTITIES))
        factor = np.exp(sum(float(spread.quantile((1 + share) / 2)) * here for spread, here in self._spreads))
        return Interval(value / factor, value * factor, share)

    @property
    def runs(self) -> Runs:
        """The runs of the grid."""
        return self.between.runs

    @property
    def calibration(self) -> Calibration | None:
        """The model that answers where a figure is outside the grid."""
        return None if np.all(self.inside) else self.between.calibration

    @property
    def losses(self) -> Losses | None:
        """What that model says of as many devices as share a copy of the LLM."""
        return None if self.calibration is None else self.calibration.losses_on(self._sharing)

    @property
    def _sharing(self) -> int:
        return self.devices if is_shared(self.runs)[0] else 1

    @property
    def phase(self) -> str:
        """``generate``, ``prefill`` or ``decode``."""
        return self.between.phase

    @property
    def accelerator(self) -> Accelerator:
        """The machine."""
        return hs.get(self.runs.accelerator[0])

    @property
    def devices(self) -> int:
        """Accelerators of one replica."""
        return int(self.runs.devices[0])

    @property
    def llm(self) -> LLM:
        """The model."""
        return get_llm(self.runs.llm[0])

    @property
    def precision(self) -> str:
        """Precision policy."""
        return str(self.runs.precision[0])

    @property
    def batch(self) -> Array:
        """Sequences."""
        return self.asked["batch"]

    @property
    def prompt_tokens(self) -> Any:
        """Tokens of each prompt; ``None`` of a decode step."""
        return self.asked.get("prompt_tokens")

    @property
    def output_tokens(self) -> Any:
        """Tokens generated for each sequence; ``None`` but of a generation."""
        return self.asked.get("output_tokens")

    @property
    def context_tokens(self) -> Any:
        """Tokens that a decode step attends to; ``None`` of other phases."""
        return self.asked.get("context_tokens")

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        sizes = ", ".join(f"{name.replace('_', ' ')} {span(value)}" for name, value in self.asked.items())
        words = [f"{self.phase} of {self.llm.name}", sizes, self.precision, self.runs.framework[0]]
        return ", ".join(filter(None, words))

    @property
    def source(self) -> str:
        """Who measured the grid."""
        places = "; ".join(dict.fromkeys(filter(None, self.runs.source.tolist()))) or "your own"
        return f"between {len(self.between.points)} measured points, {places}"

    def __repr__(self) -> str:
        outside = int(np.sum(~self.inside))
        how = self.source if not outside else f"{outside} of {np.size(self.inside)} calibrated, outside the grid"
        rate = span(self.tokens_per_s)
        return f"Point({self.workload}, on {self.devices} × {self.accelerator.name}: {rate} tokens/s, {how})"


def between(runs: Runs, *, calibration: Calibration | None = None) -> Between:
    """Interpolate a measured grid, and fall back to the calibrated model outside it.

    The grid may have holes, or be a line or a single point. Inside is what lies in the convex hull of the points, in
    logarithms; of runs whose prompts and outputs are equally long, only such requests are.

    Parameters
    ----------
    runs : Runs
        Generations, prefills or decode steps of one accelerator, framework, model, precision and layout; those with
        flags, and those that cannot be modelled, are left out.
    calibration : Calibration, optional
        The model between and around the points; found on the runs if not given, see :func:`calibrate`.

    Returns
    -------
    Between

    Raises
    ------
    ValueError
        Runs of several values of a field that must be one, or none that can be used.

    Examples
    --------
    >>> runs = Runs.from_rows([
    ...     {"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3.1-8b", "precision": "bf16", "framework": "vLLM",
    ...      "phase": "decode", "batch": b, "context_tokens": s, "itl_s": time_s}
    ...     for b, s, time_s in ((1, 1024, 6.9e-3), (64, 1024, 10.5e-3), (1, 4096, 7.0e-3), (64, 4096, 21e-3))
    ... ])
    >>> point = between(runs).at(batch=[1, 16, 128], context_tokens=[1024, 2048, 2048])
    >>> print(point.time_s[0], point.inside, point.origin[2])
    0.0069 [ True  True False] calibrated
    """
    if not isinstance(runs, Runs):
        raise ValueError(f"runs = {runs!r:.60} is not accepted: give Runs, such as rl.measurements.read(path)")
    chosen = usable(runs)
    for name in _SAME:
        found = dict.fromkeys(_said(value) for value in getattr(chosen, name).tolist())
        if len(found) > 1:
            raise ValueError(
                f"runs are of several values of {name}: {', '.join(found)}; narrow them with runs.where({name}=…)"
            )
    if calibration is None:
        calibration = calibrate(runs)  # which says why, where none can be used
    elif not isinstance(calibration, Calibration):
        raise ValueError(f"calibration = {calibration!r:.60} is not accepted: give one, such as rl.calibrate(runs)")
    if not len(chosen):
        raise ValueError(f"no run of {len(runs)} can be used: give generations, prefills or decode steps that fit")
    if calibration.accelerator != chosen.accelerator[0]:
        raise ValueError(f"calibration is of {calibration.accelerator}, but the runs are of {chosen.accelerator[0]}")
    axes = [getattr(chosen, name) for name in AXES[chosen.phase[0]]]
    residual = np.log(predict(chosen, calibration) / measured_time_s(chosen))
    cell = codes_of(axes, len(chosen))
    repeats = np.bincount(cell)
    return Between(
        runs=chosen,
        calibration=calibration,
        points=np.stack([np.bincount(cell, weights=axis) / repeats for axis in axes], axis=-1),
        residual=np.bincount(cell, weights=residual) / repeats,
    )


def _said(value: Any) -> str:
    return "(unnamed)" if value == "" or value != value else f"{value:g}" if isinstance(value, float) else str(value)


class _Surface:
    """Values at scattered points, linear between them; NaN outside their convex hull."""

    def __init__(self, points: Column, values: Column) -> None:
        from scipy.interpolate import LinearNDInterpolator, RegularGridInterpolator
        from scipy.spatial import KDTree

        self._tree, self._values = KDTree(points), values
        # Of axes that follow from those before them, such as a prompt always as long as the output, or always the same
        # length, none is free: whatever is off that plane is outside.
        self._free: list[int] = []
        self._tied: dict[int, NDArray[Any]] = {}
        for axis in range(points.shape[1]):
            line, *_ = np.linalg.lstsq(self._with_one(points), points[:, axis])
            if np.max(np.abs(self._with_one(points) @ line - points[:, axis])) < _TIED:
                self._tied[axis] = line
            else:
                self._free.append(axis)
        self.free = free = points[:, self._free]
        ticks = [np.unique(column) for column in free.T]
        self._of: Any = None
        if len(ticks) == 1:
            order = np.argsort(free[:, 0])
            at, of = free[order, 0], values[order]
            self._of = lambda asked: np.interp(asked[:, 0], at, of, left=np.nan, right=np.nan)
        elif ticks and np.prod([len(tick) for tick in ticks]) == len(points):
            table = np.empty([len(tick) for tick in ticks])
            table[tuple(np.searchsorted(tick, column) for tick, column in zip(ticks, free.T, strict=True))] = values
            self._of = RegularGridInterpolator(ticks, table, bounds_error=False)
        elif ticks:
            self._of = LinearNDInterpolator(free, values, rescale=True)

    def _with_one(self, points: Column) -> Column:
        return np.column_stack([np.ones(len(points)), points[:, self._free]])

    def at(self, asked: Column) -> tuple[Column, NDArray[np.bool_]]:
        """Return the values at points, and which of them are given ones."""
        gap, nearest = self._tree.query(asked)
        found: Column = np.full(len(asked), np.nan)
        if self._of is not None:
            found = self._of(asked[:, self._free])
        for axis, line in self._tied.items():
            # A line through few free axes was found before later ones were: it says nothing of these.
            plane = self._with_one(asked)[:, : len(line)] @ line
            found[np.abs(plane - asked[:, axis]) >= _TIED] = np.nan
        given = gap < _TIED
        return np.where(given, self._values[nearest], found), given


def _off_the_line(points: Column, values: Column) -> Iterator[float]:
    """Yield how far each value is from the line between its neighbours, along every axis on which it has two."""
    for axis in range(points.shape[1]):
        others = codes_of(np.delete(points, axis, axis=1).T, len(points))
        for line in range(int(others.max()) + 1):
            rows = np.flatnonzero(others == line)
            rows = rows[np.argsort(points[rows, axis])]
            at, of = points[rows, axis], values[rows]
            for left in range(len(rows) - 2):
                yield float(np.interp(at[left + 1], at[left::2][:2], of[left::2][:2]) - of[left + 1])
