"""Measured runs with what is predicted of them, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice
from roofline.calibration.design import is_shared
from roofline.calibration.own_runs import losses_of
from roofline.calibration.prediction import predict
from roofline.calibration.record import Calibration
from roofline.calibration.study import Studied, mape
from roofline.measurements.bounds import least_time_s, measured_time_s, model_flops
from roofline.measurements.records import Run, Runs
from roofline.spread import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.9
"""Share of cases within the bands that are drawn."""

QUANTITIES = MappingProxyType(
    {
        "tokens_per_s": "prompt and generated tokens per second",
        "output_tokens_per_s": "generated tokens per second",
        "tflops": "rate of one accelerator [TFLOPS]",
        "efficiency": "share of the ideal roofline [%]",
    }
)
"""What can be drawn of a run, with the label of its axis."""

Calibrations = Calibration | Sequence[Calibration] | None
Source = Runs | Studied | Sequence[Studied]
HeldOut = Literal["llm", "batch"] | None


@dataclass(frozen=True, eq=False)
class Compared:
    """Runs with what is predicted of them.

    Attributes
    ----------
    runs : Runs
        Those of which something is predicted.
    measured, predicted : array
        The quantity of each.
    half : array
        Half the width of its 90 % interval, as a logarithm; NaN where nothing says how far a prediction may be off.
    flagged : array of bool
        Those that something is wrong with: drawn, and not counted.
    kind : str
        What predicts.
    without : int
        Runs of which nothing is predicted, or measured.
    """

    runs: Runs
    measured: Array
    predicted: Array
    half: Array
    flagged: Array
    kind: str
    without: int

    @property
    def logs(self) -> Array:
        """Logarithm of measured over predicted."""
        return np.log(self.measured / self.predicted)

    @property
    def mape(self) -> float:
        """Mean absolute relative error of what is predicted of the runs without a flag."""
        return mape(self.logs[~self.flagged])

    @property
    def within(self) -> float | None:
        """Share of the runs without a flag that lie in their 90 % interval; ``None`` if none has one."""
        known = ~self.flagged & ~np.isnan(self.half)
        return float(np.mean(np.abs(self.logs[known]) <= self.half[known])) if known.any() else None

    @property
    def band(self) -> float | None:
        """Half the width of the run's interval that is the median, as a logarithm; ``None`` if none has one."""
        known = self.half[~np.isnan(self.half)]
        return float(np.median(known)) if known.size else None


def compare(
    runs: Source, calibration: Calibrations = None, *, held_out: HeldOut = "llm", of: str = "tokens_per_s"
) -> Compared:
    """Return measured and predicted throughput, run by run.

    Parameters
    ----------
    runs : Runs, Studied or sequence of Studied
        What was measured; what was studied (:func:`roofline.calibration.study`) has its predictions already.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines; of several, each run takes that of its machine and framework. The ideal roofline without.
    held_out : {"llm", "batch"} or None
        Of what was studied: predictions of each run while its model or its batch was held out, or the fit to all.
    of : str
        One of :data:`QUANTITIES`.

    Returns
    -------
    Compared

    Raises
    ------
    ValueError
        Nothing of which something is predicted.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> found = compare(published("kim2025-table4").where(llm="llama-3.1-8b", power_limit_w=700), of="tflops")
    >>> found.measured.round().tolist(), found.predicted.round().tolist(), found.kind
    ([141.0, 126.0, 105.0, 76.0, 56.0], [449.0, 379.0, 292.0, 207.0, 139.0], 'ideal roofline')
    """
    choice("of", of, tuple(QUANTITIES))
    if held_out is not None:
        choice("held_out", held_out, ("llm", "batch"))
    studied = _studied(runs)
    if studied is not None:
        if calibration is not None:
            raise ValueError("calibration is not accepted with what was studied: that has its own predictions")
        every = studied[0].runs
        for one in studied[1:]:
            every = every + one.runs
        off = np.concatenate([_off(one, held_out) for one in studied])
        half = np.concatenate([np.full(len(one.runs), _half(losses_of(one).spread)) for one in studied])
        times_s, measured_s = measured_time_s(every) * np.exp(off), measured_time_s(every)
        kind = {"llm": "each model held out", "batch": "each batch held out", None: "fitted to these runs"}[held_out]
    else:
        every = require_runs(runs)
        given = require_calibrations(calibration)
        times_s, half, measured_s = np.full(len(every), np.nan), np.full(len(every), np.nan), measured_time_s(every)
        if given:
            for chosen, rows in _by_calibration(every, given):
                times_s[rows] = predict(every[rows], chosen)
                half[rows] = [half_width(chosen, shared) for shared in is_shared(every[rows])]
        else:
            times_s = predict(every)
        kind = "ideal roofline" if not given else given[0].provenance if len(given) == 1 else "calibrated"
    work = work_of(every, of)
    known = np.flatnonzero(~np.isnan(work / times_s / measured_s))
    if not len(known):
        raise ValueError(f"of none of {len(every)} runs is {of} both measured and predicted: nothing to draw")
    return Compared(
        runs=every[known],
        measured=(work / measured_s)[known],
        predicted=(work / times_s)[known],
        half=half[known],
        flagged=every.flags[known] != "",
        kind=kind,
        without=len(every) - len(known),
    )


def work_of(runs: Runs, of: str) -> Array:
    """Return what divided by the time of each run gives a quantity of it.

    Parameters
    ----------
    runs : Runs
        Any.
    of : str
        One of :data:`QUANTITIES`.

    Returns
    -------
    array
        NaN where a run has no such quantity, such as a kernel of tokens.
    """
    if of == "efficiency":
        return least_time_s(runs)
    if of == "tflops":
        return model_flops(runs) / runs.devices / 1e12
    batch, prompt = runs.batch, runs.prompt_tokens if of == "tokens_per_s" else 0.0
    each = [prompt + runs.output_tokens, 1.0, runs.prompt_tokens if of == "tokens_per_s" else np.nan]
    return batch * np.select([runs.phase == phase for phase in ("generate", "decode", "prefill")], each, np.nan)


# ------------------------------------------------------------------------------------------------------ what is given


def require_runs(runs: Any) -> Runs:
    """Return runs, or say what to give."""
    if not isinstance(runs, Runs):
        raise ValueError(f"runs = {runs!r:.60} is not accepted: give Runs, such as rl.measurements.read(path)")
    if not len(runs):
        raise ValueError("there are no runs to draw")
    return runs


def require_calibrations(given: Calibrations) -> list[Calibration]:
    """Return calibrations as a list, or say what to give."""
    every = [] if given is None else [given] if isinstance(given, Calibration) else list(given)
    for one in every:
        if not isinstance(one, Calibration):
            raise ValueError(
                f"calibration = {one!r:.60} is not accepted: give one or several of rl.calibrate(runs) or "
                "rl.get_calibration('h100-sxm', framework='vLLM')"
            )
    return every


def calibration_of(run: Run, given: Sequence[Calibration]) -> Calibration | None:
    """Return the calibration for a run: of its machine and framework, and of its version if there is one.

    Parameters
    ----------
    run : Run
        Any.
    given : sequence of Calibration
        To choose from; a single one is meant, whatever the framework.
    """
    of_machine = [one for one in given if one.accelerator == run.accelerator]
    if len(given) == 1:
        return of_machine[0] if of_machine else None
    found = [one for one in of_machine if one.framework.lower() == (run.framework or "").lower()]
    exact = [one for one in found if one.version == (run.version or "")]
    return next(iter((*exact, *found)), None)


def half_width(calibration: Calibration, shared: bool) -> float:
    """Half the width of a calibration's interval, as a logarithm.

    Parameters
    ----------
    calibration : Calibration
        Any.
    shared : bool
        Whether several devices share a copy of the model.
    """
    return _half(calibration.losses_on(1 + int(shared)).spread)


def _half(spread: Spread) -> float:
    return float(spread.quantile((1 + LEVEL) / 2))


def _by_calibration(runs: Runs, given: Sequence[Calibration]) -> list[tuple[Calibration, NDArray[np.intp]]]:
    """Return the rows of each calibration."""
    texts = zip(runs.accelerator, runs.framework, runs.version, strict=True)
    keys = [tuple(map(str, key)) for key in texts]
    found = []
    for key in dict.fromkeys(keys):
        rows = np.array([row for row, other in enumerate(keys) if other == key])
        one = calibration_of(runs[int(rows[0])], given)
        if one is not None:
            found.append((one, rows))
    return found


def _studied(runs: Any) -> list[Studied] | None:
    """Return what was studied as a list, if it is that."""
    if isinstance(runs, Studied):
        return [runs]
    if isinstance(runs, Sequence) and runs and all(isinstance(one, Studied) for one in runs):
        return list(runs)
    return None


def _off(studied: Studied, held_out: HeldOut) -> Array:
    if held_out is None:
        return studied.off
    if held_out not in studied.held_out:
        raise ValueError(f"held_out = {held_out!r} is not accepted: {studied.pair} was studied without it")
    return studied.held_out[held_out]
