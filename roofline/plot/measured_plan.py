"""Parity plots and residuals of measured runs, decided without a pixel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import hardware_specs as hs
from roofline._arrays import Array
from roofline._validation import choice
from roofline.llm_catalog import get_llm
from roofline.measurements.records import Run, Runs
from roofline.plot.compared import Calibrations, Compared, HeldOut, Source, compare
from roofline.plot.words import precision_words

MOST_GROUPS = 6
"""Colours that everybody tells apart, and markers."""

MOST_LABELS = 5
"""Outliers with a label: more would hide what they label."""

_BY_NAME = ("llm", "pair", "accelerator", "framework", "precision", "phase", "layout")
_BY = ("batch", "tokens", *_BY_NAME)
_MOST_VALUES = 12  # numbers that are categories of their own; more are put together by powers of two
_CLOSE = 0.2  # of logarithms of places whose labels would be on top of each other
_FARTHEST = 10.0  # a ratio beyond which a point would squeeze all others


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
