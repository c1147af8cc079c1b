"""Measured runs against what is predicted of them, on a parity plot and as residuals, decided without a pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

import hardware_specs as hs
from roofline._arrays import Array
from roofline._validation import choice
from roofline.calibration.own_runs import losses_of
from roofline.calibration.prediction import predict
from roofline.calibration.record import Calibration
from roofline.calibration.study import Studied, mape
from roofline.llm_catalog import get_llm
from roofline.measurements.bounds import least_time_s, measured_time_s, model_flops
from roofline.measurements.records import Run, Runs
from roofline.plot.words import precision_words
from roofline.spread import Spread

LEVEL = 0.9
"""Share of cases within the bands that are drawn."""

MOST_GROUPS = 6
"""Colours that everybody tells apart, and markers."""

MOST_LABELS = 5
"""Outliers with a label: more would hide what they label."""

QUANTITIES = MappingProxyType(
    {
        "tokens_per_s": "prompt and generated tokens per second",
        "output_tokens_per_s": "generated tokens per second",
        "tflops": "rate of one accelerator [TFLOPS]",
        "efficiency": "share of the ideal roofline [%]",
    }
)
"""What can be drawn of a run, with the label of its axis."""

_BY_NAME = ("llm", "pair", "accelerator", "framework", "precision", "phase", "layout")
_BY = ("batch", "tokens", *_BY_NAME)
_MOST_VALUES = 12  # numbers that are categories of their own; more are put together by powers of two
_CLOSE = 0.2  # of logarithms of places whose labels would be on top of each other
_FARTHEST = 10.0  # a ratio beyond which a point would squeeze all others

Calibrations = Calibration | Sequence[Calibration] | None
Source = Runs | Studied | Sequence[Studied]
HeldOut = Literal["llm", "batch"] | None


# ------------------------------------------------------------------------------------------------------ run by run


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
                half[rows] = [half_width(chosen, devices) for devices in every.devices[rows]]
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


# ----------------------------------------------------------------------------------------------------------- parity


@dataclass(frozen=True, eq=False)
class ParityPlan:
    """A picture of measured against predicted throughput.

    Attributes
    ----------
    compared : Compared
        The points.
    of : str
        The quantity.
    groups : tuple of (str, array)
        Name of each colour, the most frequent first, and the places of its points.
    outliers : tuple of (int, str)
        Places of points outside their interval with what they are, the farthest first; one of those close together.
    ends : (float, float)
        Of both axes.
    outside : int
        Points beyond them.
    title : str
        What is compared.
    """

    compared: Compared
    of: str
    groups: tuple[tuple[str, Array], ...]
    outliers: tuple[tuple[int, str], ...]
    ends: tuple[float, float]
    outside: int
    title: str


def plan_parity(
    runs: Source,
    calibration: Calibrations = None,
    *,
    held_out: HeldOut = "llm",
    of: str = "tokens_per_s",
    by: str | None = None,
) -> ParityPlan:
    """Decide what a picture of measured against predicted throughput shows.

    Parameters
    ----------
    runs : Runs, Studied or sequence of Studied
        What was measured, see :func:`compare`.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines; the ideal roofline without.
    held_out : {"llm", "batch"} or None
        Of what was studied: what was held out.
    of : str
        One of :data:`QUANTITIES`.
    by : str, optional
        What colours tell apart: ``llm``, ``pair`` (machine and framework), ``accelerator``, ``framework``,
        ``precision``, ``phase`` or ``layout``. If not given, the model, or of several machines what has few enough
        values.

    Returns
    -------
    ParityPlan

    Raises
    ------
    ValueError
        Nothing of which something is predicted.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> plan = plan_parity(published("kim2025-table4"), of="tflops")
    >>> [(name, len(places)) for name, places in plan.groups], plan.outliers
    ([('Llama 3.1 8B', 10), ('Llama 3.3 70B Instruct', 10)], ())
    """
    compared = compare(runs, calibration, held_out=held_out, of=of)
    names = categories(compared.runs, _finest(compared.runs) if by is None else choice("by", by, _BY_NAME))[0]
    counts = Counter(names.tolist()).most_common()
    kept = [name for name, _ in counts[: MOST_GROUPS if len(counts) <= MOST_GROUPS else MOST_GROUPS - 1]]
    groups = [(name, np.flatnonzero(names == name)) for name in kept]
    rest = np.flatnonzero(~np.isin(names, kept))
    if len(rest):
        groups.append((f"{len(counts) - len(kept)} others", rest))
    clean = ~compared.flagged if not compared.flagged.all() else np.ones(len(names), dtype=bool)
    both = np.stack([compared.measured, compared.predicted])
    low, high = float(both[:, clean].min()) / 1.4, float(both[:, clean].max()) * 1.4
    with np.errstate(invalid="ignore"):
        far = np.abs(compared.logs) / compared.half
        off = np.flatnonzero(clean & (far > 1))
    worst = _apart(off[np.argsort(-np.abs(compared.logs[off]), kind="stable")], np.log(both))
    return ParityPlan(
        compared=compared,
        of=of,
        groups=tuple(groups),
        outliers=_outliers(compared.runs, worst),
        ends=(low, high),
        outside=int(np.any((both < low) | (both > high), axis=0).sum()),
        title=_subject(compared.runs),
    )


def _apart(rows: Array, places: Array) -> list[tuple[int, int]]:
    """Return the first rows that stand apart, each with how many others are close to it."""
    found: list[list[int]] = []
    for row in rows.tolist():
        for one in found:
            if np.max(np.abs(places[:, row] - places[:, one[0]])) < _CLOSE:
                one[1] += 1
                break
        else:
            found.append([row, 0])
    return [(row, others) for row, others in found[:MOST_LABELS]]


def _outliers(runs: Runs, worst: list[tuple[int, int]]) -> tuple[tuple[int, str], ...]:
    texts = _labels(runs, np.array([row for row, _ in worst], dtype=int))
    return tuple(
        (row, text + (f", and {others:,} close by" if others else ""))
        for (row, others), text in zip(worst, texts, strict=True)
    )


def _finest(runs: Runs) -> str:
    """Return what to tell apart by colour: models of one pair; of several, the finest that has few enough values."""
    pairs = len(set(categories(runs, "pair")[0].tolist()))
    if pairs == 1:
        return "llm"
    if pairs <= MOST_GROUPS:
        return "pair"
    return min(("framework", "accelerator"), key=lambda name: len(set(getattr(runs, name).tolist())))


# -------------------------------------------------------------------------------------------------------- residuals


@dataclass(frozen=True, eq=False)
class ResidualGroup:
    """Runs of one category.

    Attributes
    ----------
    name : str
        The category.
    ratios : array
        Measured over predicted.
    flagged : array of bool
        Those that something is wrong with.
    quartiles : (float, float, float) or None
        Of the runs without a flag; ``None`` if there are none.
    """

    name: str
    ratios: Array
    flagged: Array
    quartiles: tuple[float, float, float] | None

    @property
    def count(self) -> int:
        """Runs without a flag."""
        return int(np.sum(~self.flagged))


@dataclass(frozen=True, eq=False)
class ResidualPlan:
    """A picture of measured over predicted throughput by category.

    Attributes
    ----------
    compared : Compared
        The runs.
    by : str
        What the categories are of.
    groups : tuple of ResidualGroup
        Numbers and layouts ascending; names by their median.
    farthest : float
        Largest ratio on the axis, whose lower end is its inverse.
    outside : int
        Runs beyond.
    title : str
        What is compared.
    """

    compared: Compared
    by: str
    groups: tuple[ResidualGroup, ...]
    farthest: float
    outside: int
    title: str


def plan_residuals(
    runs: Source,
    calibration: Calibrations = None,
    *,
    by: str = "batch",
    held_out: HeldOut = "llm",
    of: str = "tokens_per_s",
) -> ResidualPlan:
    """Decide what a picture of the residuals of runs shows.

    Parameters
    ----------
    runs : Runs, Studied or sequence of Studied
        What was measured, see :func:`compare`.
    calibration : Calibration or sequence of Calibration, optional
        Of the machines; the ideal roofline without.
    by : str
        ``batch``, ``tokens`` (all of a request, or the context), ``llm``, ``pair``, ``accelerator``, ``framework``,
        ``precision``, ``phase`` or ``layout``.
    held_out : {"llm", "batch"} or None
        Of what was studied: what was held out.
    of : str
        One of :data:`QUANTITIES`.

    Returns
    -------
    ResidualPlan

    Raises
    ------
    ValueError
        Nothing of which something is predicted.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> plan = plan_residuals(published("kim2025-table4"), by="tokens", of="tflops")
    >>> [(group.name, group.count) for group in plan.groups]
    [('512', 4), ('1,024', 4), ('2,048', 4), ('4,096', 4), ('8,192', 4)]
    """
    choice("by", by, _BY)
    compared = compare(runs, calibration, held_out=held_out, of=of)
    names, order = categories(compared.runs, by)
    ratios, flagged = np.exp(compared.logs), compared.flagged
    groups = []
    for name in order:
        rows = names == name
        clean = ratios[rows & ~flagged]
        middle = np.exp(np.quantile(np.log(clean), (0.25, 0.5, 0.75))) if clean.size else None
        quartiles = None if middle is None else (float(middle[0]), float(middle[1]), float(middle[2]))
        groups.append(ResidualGroup(name, ratios[rows], flagged[rows], quartiles))
    if by in _BY_NAME and by != "layout":
        groups.sort(key=lambda group: group.quartiles[1] if group.quartiles else np.inf)
    shown = np.abs(compared.logs[~flagged]) if not flagged.all() else np.abs(compared.logs)
    least = max(compared.band or 0.0, np.log(1.02))
    farthest = float(min(np.exp(1.12 * max(float(shown.max()), least)), _FARTHEST))
    outside = int(np.sum(np.abs(compared.logs) > np.log(farthest)))
    return ResidualPlan(compared, by, tuple(groups), farthest, outside, _subject(compared.runs))


def categories(runs: Runs, by: str) -> tuple[Array, list[str]]:
    """Return the category of each run in words, and the categories in order.

    Parameters
    ----------
    runs : Runs
        Any.
    by : str
        As for :func:`plan_residuals`.

    Returns
    -------
    names : array of str
        One per run.
    order : list of str
        Numbers ascending, with what is not known last; layouts by their devices; names by the alphabet.

    Examples
    --------
    >>> runs = Runs.from_rows([{"phase": "decode", "batch": batch, "itl_s": 0.01} for batch in (64, 1, 64)])
    >>> categories(runs, "batch")
    (array(['64', '1', '64'], dtype=object), ['1', '64'])
    """
    if by in _BY_NAME:
        names = _named(runs, by)
        first = {name: np.nan_to_num(runs.devices[names == name]).min() if by == "layout" else 0 for name in set(names)}
        return names, sorted(first, key=lambda name: (first[name], name))
    values = runs.batch
    if by == "tokens":
        whole = np.nan_to_num(runs.prompt_tokens) + np.nan_to_num(runs.output_tokens)
        values = np.where(np.isnan(runs.context_tokens), np.where(whole > 0, whole, np.nan), runs.context_tokens)
    known = np.unique(values[~np.isnan(values)])
    names = np.full(len(runs), "not known", dtype=object)
    order = []
    if len(known) <= _MOST_VALUES:
        bins = [(value, value, figure(value)) for value in known]
    else:
        powers = np.unique(np.floor(np.log2(known)))
        bins = [
            (2**power, 2 ** (power + 1) - 1, f"{figure(2**power)} to {figure(2 ** (power + 1) - 1)}")
            for power in powers
        ]
    for low, high, name in bins:
        names[(values >= low) & (values < high + 1 if high > low else values == low)] = name
        order.append(name)
    return names, order + ["not known"] * bool(np.isnan(values).any())


# ------------------------------------------------------------------------------------------------------------ words


def llm_words(key: str) -> str:
    """Write a model's name, or the key of one that is not in the catalogue."""
    try:
        return get_llm(key).name
    except KeyError:
        return key


def accelerator_words(key: str) -> str:
    """Write a machine's name without what stands in brackets, or the key of one that is not in the catalogue."""
    try:
        return hs.get(key).name.split(" (")[0]
    except KeyError:
        return key


def layout_words(run: Run) -> str:
    """Write over how many devices a run was divided, and how if not every layer over all of them."""
    if run.devices is None:
        return ""
    kinds = {"TP": run.tensor_parallel, "PP": run.pipeline_parallel, "EP": run.expert_parallel, "DP": run.data_parallel}
    parts = [f"{name} {size}" for name, size in kinds.items() if size is not None and size > 1]
    if len(parts) > 1 or (parts and not parts[0].startswith("TP")):
        return " × ".join(parts)
    return f"{run.devices} devices" if run.devices > 1 else "1 device"


def software_words(run: Run) -> str:
    """Write framework and version of a run; empty if neither is known."""
    return f"{run.framework or ''} {run.version or ''}".strip()


def figure(value: float) -> str:
    """Write a number: a whole one in full, which a length or a batch mostly is.

    Parameters
    ----------
    value : float
        The number.

    Examples
    --------
    >>> figure(16384), figure(12.3456)
    ('16,384', '12.35')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def times(count: int, what: str) -> str:
    """Write a number of things."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def _named(runs: Runs, by: str) -> Array:
    """Return the category of each run, of those that are names."""
    if by == "pair":
        software = [f"{name} {version}".strip() for name, version in zip(runs.framework, runs.version, strict=True)]
        texts = [", ".join(filter(None, both)) for both in zip(runs.accelerator, software, strict=True)]
    elif by == "layout":
        texts = [layout_words(run) for run in runs]
    else:
        texts = getattr(runs, by).tolist()
    known = dict.fromkeys(texts)
    words = {
        "llm": llm_words,
        "accelerator": accelerator_words,
        "precision": lambda name: precision_words([name])[name],
    }
    write: Callable[[str], str] = words.get(by, str)
    written = {text: write(text) if text else "not named" for text in known}
    return np.array([written[text] for text in texts], dtype=object)


def _labels(runs: Runs, rows: Array) -> list[str]:
    """Write of some runs what tells them from the others."""
    parts = []
    for name in ("pair", "llm", "layout", "precision"):
        column = _named(runs, name)
        if len(set(column.tolist())) > 1:
            parts.append(column[rows])
    if len(set(runs.batch.tolist())) > 1:
        parts.append([f"batch {figure(value)}" if value == value else "" for value in runs.batch[rows]])
    parts.append([_lengths(runs[int(row)]) for row in rows])
    return [", ".join(filter(None, each)) for each in zip(*parts, strict=True)]


def _lengths(run: Run) -> str:
    if run.context_tokens is not None:
        return f"context {figure(run.context_tokens)}"
    known = [figure(value) for value in (run.prompt_tokens, run.output_tokens) if value is not None]
    return f"{' + '.join(known)} tokens" if known else ""


def _subject(runs: Runs) -> str:
    """Say whose runs they are: the machine and software, or how many of each."""
    pairs = set(_named(runs, "pair").tolist())
    if len(pairs) == 1:
        words = accelerator_words(runs.accelerator[0]), software_words(runs[0])
        return ", ".join(filter(None, words))
    return times(len(pairs), "pair") + " of machine and software"


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


def half_width(calibration: Calibration, devices: float) -> float:
    """Half the width of a calibration's interval, as a logarithm.

    Parameters
    ----------
    calibration : Calibration
        Any.
    devices : float
        Accelerators of a run; NaN where unknown.
    """
    return _half(calibration.spread_on(1 if np.isnan(devices) else int(devices)))


def _half(spread: Spread) -> float:
    return float(spread.quantile((1 + LEVEL) / 2))


def _by_calibration(runs: Runs, given: Sequence[Calibration]) -> list[tuple[Calibration, Array]]:
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
