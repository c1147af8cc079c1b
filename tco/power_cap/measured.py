"""Throughput that was measured under a few power caps, and what may be said between and beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline._arrays import Array
from tco._checked import POSITIVE, given
from tco.power_cap.curves import Segments, ThroughputCurve, through
from tco.power_cap.modelled import FromModel

if TYPE_CHECKING:
    from roofline.measurements.records import Run, Runs


@dataclass(frozen=True, eq=False)
class MeasuredCaps(ThroughputCurve):
    """Throughput that was measured under two or more caps.

    Between caps it is interpolated: without a model along a straight line in log-log, which is on the low side where
    a lower cap costs ever more; with one, the model says how much of the loss comes by which cap. Beyond the caps there
    is nothing without a model; with one, its losses go on from the last cap, and are marked as extrapolated.

    Attributes
    ----------
    powers_w : sequence of float
        Caps that were measured, the highest being none at all [W].
    throughputs : sequence of float
        Throughput under each, in one unit. Where it falls with power, that of the lower cap counts for the higher too.
    model : FromModel, optional
        The model of the same workload.
    workload : mapping
        What was run, for your own use.

    Raises
    ------
    ValueError
        Fewer than two caps, one twice, lengths that differ, or a number out of range. Watts are not shown.

    Examples
    --------
    >>> curve = MeasuredCaps([400, 700], [132, 141])
    >>> curve.throughput([400, 550, 700]).round(1), curve.kind([400, 550]).tolist()
    (array([132., 137., 141.]), ['measured', 'interpolated'])
    >>> curve.throughput(300)
    Traceback (most recent call last):
    ...
    ValueError: cap_w is beyond the caps that were measured, and nothing is extrapolated without a model
    """

    powers_w: Any
    throughputs: Any
    model: FromModel | None = None
    workload: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        powers, throughputs = (
            given("powers_w", self.powers_w, **POSITIVE),
            given("throughputs", self.throughputs, **POSITIVE),
        )
        if powers.ndim != 1 or powers.shape != throughputs.shape or powers.size < 2:
            raise ValueError(
                "powers_w and throughputs are not accepted: give two or more caps, each with its throughput"
            )
        order = np.argsort(powers)
        if np.any(np.diff(powers[order]) == 0):
            raise ValueError("powers_w holds a cap twice: give one throughput for each")
        if self.model is not None and not isinstance(self.model, FromModel):
            raise ValueError("model is not accepted: give FromModel(phase) of the same workload")
        object.__setattr__(self, "powers_w", powers[order])
        object.__setattr__(self, "throughputs", np.maximum.accumulate(throughputs[order]))
        low, high = powers[order][[0, -1]]
        if self.model is not None and not (
            low >= self.model.low_w * (1 - 1e-12) and high <= self.model.uncapped_w * (1 + 1e-12)
        ):
            raise ValueError("model does not reach all caps of powers_w: is it of another device?")

    @cached_property
    def segments(self) -> Segments:
        """Between the caps, and beyond them as far as the model goes."""
        levels, measured = self.powers_w, self.throughputs
        if self.model is None:
            return through(levels, measured)
        shape = self.model.segments
        knots = np.unique(np.concatenate([shape.edges_w, np.clip(levels, self.model.low_w, self.model.uncapped_w)]))
        said, at_levels = np.log(self.model.throughput(knots)), np.log(self.model.throughput(levels))
        # Beyond the ends the model's losses go on; between two caps, it divides what was lost between them.
        log = np.log(measured)
        throughput = np.where(knots < levels[0], log[0] + said - at_levels[0], log[-1] + said - at_levels[-1])
        for low, high in zip(range(len(levels) - 1), range(1, len(levels)), strict=True):
            inside = (knots >= levels[low]) & (knots <= levels[high])
            rise = at_levels[high] - at_levels[low]
            part = (
                (said[inside] - at_levels[low]) / rise
                if rise > 1e-9  # where the model sees no difference it says nothing of the way there
                else np.log(knots[inside] / levels[low]) / np.log(levels[high] / levels[low])
            )
            throughput[inside] = log[low] + part * (log[high] - log[low])
        return through(knots, np.exp(throughput))

    @property
    def demand_w(self) -> float | None:
        """What the model says that a device draws without a cap; ``None`` without a model [W]."""
        return None if self.model is None else self.model.demand_w

    def kind(self, cap_w: Any) -> Array:
        """Say what the throughput at a cap is.

        Parameters
        ----------
        cap_w : number or array
            Cap [W].

        Returns
        -------
        array of str
            ``measured`` at a cap that was, ``interpolated`` between two, ``modelled`` beyond them.
        """
        cap = self._within(cap_w)
        at = np.any(np.isclose(np.expand_dims(cap, -1), self.powers_w, rtol=1e-9, atol=0), axis=-1)
        return np.where(at, "measured", np.where(self.extrapolated(cap), "modelled", "interpolated")).astype(object)

    def extrapolated(self, cap_w: Any) -> Array:
        """Whether a cap is beyond those that were measured.

        Parameters
        ----------
        cap_w : number or array
            Cap [W].

        Returns
        -------
        array of bool
        """
        cap = self._within(cap_w)
        return (cap < self.powers_w[0] * (1 - 1e-9)) | (cap > self.powers_w[-1] * (1 + 1e-9))

    _outside = "cap_w is beyond the caps that were measured, and nothing is extrapolated without a model"

    def __repr__(self) -> str:
        model = "" if self.model is None else f", between and beyond by {self.model!r}"
        return f"MeasuredCaps({len(self.powers_w)} caps{_words(self.workload)}{model})"


_SETTINGS = (
    "accelerator", "devices", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel", "llm",
    "precision", "framework", "version", "phase", "batch", "concurrency", "prompt_tokens", "output_tokens",
    "context_tokens", "m", "k", "n", "routing_skew", "variant",
)  # fmt: skip
_RATES = ("output_tokens_per_s", "tokens_per_s", "requests_per_s", "tflops")
_TIMES = ("latency_s", "itl_s", "ttft_s")


def from_runs(runs: Runs, *, models: Mapping[float, FromModel] | None = None) -> tuple[MeasuredCaps, ...]:
    """Curves of runs that were made under several power limits, one for each workload.

    Parameters
    ----------
    runs : Runs
        With ``power_limit_w``; those without a cap hold the TDP there. Of repeats the geometric mean counts.
    models : mapping of number to FromModel, optional
        Models by the ``context_tokens`` of the workload.

    Returns
    -------
    tuple of MeasuredCaps
        In the order of the runs; ``workload`` says what each is of.

    Raises
    ------
    ValueError
        A run without a limit or a throughput, one that is flagged, or a workload with one limit only.

    References
    ----------
    Kim et al., arXiv:2502.01070, Table IV: an H200 without a cap and at 400 W.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> curves = from_runs(published("kim2025-table4").where(llm="llama-3.1-8b"))
    >>> [int(curve.workload["context_tokens"]) for curve in curves]
    [512, 1024, 2048, 4096, 8192]
    >>> f"{1 - curves[-1].throughput(400) / curves[-1].throughput(700):.0%}"
    '29%'
    """
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run.power_limit_w is None:
            raise ValueError("a run has no power_limit_w: without a cap it is the TDP; give it with runs.replace(...)")
        if run.flags:
            raise ValueError(f"a run is flagged: {run.flags}; leave it out with runs.clean")
        groups.setdefault(tuple(getattr(run, name) for name in _SETTINGS), []).append(run)
    if not groups:
        raise ValueError("runs is empty: give runs under two or more power limits")
    curves = []
    for settings, group in groups.items():
        workload = {name: value for name, value in zip(_SETTINGS, settings, strict=True) if value is not None}
        levels: dict[float, list[float]] = {}
        for run, rate in zip(group, _rates(group), strict=True):
            levels.setdefault(float(run.power_limit_w), []).append(rate)
        if len(levels) < 2:
            raise ValueError(f"runs of one workload have one power_limit_w only{_words(workload)}: leave them out")
        means = [float(np.exp(np.mean(np.log(rates)))) for rates in levels.values()]
        model = (models or {}).get(workload.get("context_tokens", -1.0))
        curves.append(MeasuredCaps(list(levels), means, model=model, workload=workload))
    return tuple(curves)


def _rates(group: list[Run]) -> list[float]:
    """Return one kind of throughput, which all runs of a workload have."""
    for name in (*_RATES, *_TIMES):
        found = [getattr(run, name) for run in group]
        if None not in found:
            return [1 / value if name in _TIMES else value for value in found]
    raise ValueError("runs of one workload share no throughput: neither a rate nor a time")


def _words(workload: Mapping[str, Any] | None) -> str:
    if not workload:
        return ""
    shown = (workload.get("llm"), workload.get("batch"), workload.get("context_tokens"))
    words = [
        text
        for text, value in zip(("{}", "batch {:g}", "{:g} context tokens"), shown, strict=True)
        if value is not None
        for text in (text.format(value),)
    ]
    return "".join(f", {word}" for word in words)
