"""Quality gates: which precisions cost an LLM too much accuracy to be compared at all.

A faster precision that answers worse than the service may is no alternative. A gate sorts precisions into allowed,
excluded and *unknown* by measured accuracies: :func:`table`, and rows of your own. What nobody measured is never taken
to be good.

Losses are differences of two scores of one study, in percentage points. Tenths of a point say little: by the binomial
law a score of 68.8 % on the 14,000 questions of MMLU has a standard error of 0.4 points. A row holds for its own
machine and scale factors; Kim's are of Gaudi 2, whose E4M3 ends at 240.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hardware_specs._base import Spec, Text, Texts
from hardware_specs.errors import UnknownValueError
from roofline._validation import number
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

if TYPE_CHECKING:
    import os

    from roofline.llm import LLM

Percent = Annotated[float, Field(ge=0, le=100)]

_USUAL_ELEMENT = {"fp8": "e4m3", "fp8-kv8": "e4m3", "w8a16": "e4m3"}
"""The 8-bit numbers that a policy means unless asked otherwise: Kim III-D finds E4M3 the better."""


class Accuracy(Spec):
    """A measured accuracy of an LLM in one precision.

    Attributes
    ----------
    llm : str
        Key, alias or Hugging Face id.
    precision : str
        Name of the precision policy, such as ``"bf16"`` or ``"fp8-kv8"``.
    benchmark : str
        What was scored, the number of shots included.
    score_percent : float
        Correct answers [%]; higher is better.
    study : str
        Rows of one study may be compared: same harness, same prompts.
    baseline : str
        The precision of the study that losses are counted from.
    element, rounding : str or None
        The 8-bit numbers and the rounding used, where said.
    scaling, accelerator : str or None
        The scale factors and the machine, where said.
    source : str
        Where it is printed.

    Examples
    --------
    >>> Accuracy(llm="llama-3.1-8b", precision="fp8-kv8", benchmark="mmlu-5shot-cot", score_percent=68.0, study="ours")
    Accuracy(llm='llama-3.1-8b', precision='fp8-kv8', benchmark='mmlu-5shot-cot', score_percent=68.0, study='ours')
    """

    llm: Text
    precision: Text
    benchmark: Text
    score_percent: Percent
    study: Text
    baseline: Text = "bf16"
    element: Text | None = None
    rounding: Literal["nearest", "stochastic"] | None = None
    scaling: Text | None = None
    accelerator: Text | None = None
    source: Text = "user"


@dataclass(frozen=True, slots=True)
class AccuracyLoss:
    """What a precision costs an LLM.

    Attributes
    ----------
    points : float
        Score of the baseline less that of the precision [percentage point]; negative where the precision scored higher.
    measured, baseline : Accuracy
        The two rows.

    Examples
    --------
    >>> print(accuracy_loss("llama-3.1-8b", "fp8"))
    0.5 points of mmlu-5shot-cot (68.8 % in bf16, 68.3 % in fp8 e4m3)
    """

    points: float
    measured: Accuracy
    baseline: Accuracy

    def __str__(self) -> str:
        element = f" {self.measured.element}" if self.measured.element else ""
        return (
            f"{self.points:g} points of {self.measured.benchmark} ({self.baseline.score_percent:g} % in "
            f"{self.baseline.precision}, {self.measured.score_percent:g} % in {self.measured.precision}{element})"
        )


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Precisions sorted by a bound on the accuracy they may cost.

    Attributes
    ----------
    llm : str
        Key of the LLM.
    max_loss : float
        The bound [percentage point].
    allowed : tuple of str
        Measured, and within the bound; the baseline among them.
    excluded, unknown : mapping of str to str
        By name, the reason: measured and beyond the bound; not measured.

    Examples
    --------
    >>> gate = allowed_precisions("llama-3.2-1b", max_loss=0.5, precisions=("bf16", "fp8", "nvfp4"))
    >>> gate.allowed, list(gate.excluded), list(gate.unknown)
    (('bf16',), ['fp8'], ['nvfp4'])
    """

    llm: str
    max_loss: float
    allowed: tuple[str, ...]
    excluded: Mapping[str, str]
    unknown: Mapping[str, str]


def table() -> tuple[Accuracy, ...]:
    """Return the shipped accuracies, each with its source.

    Returns
    -------
    tuple of Accuracy
        Add rows of your own with ``table() + load("mine.toml")``.

    Examples
    --------
    >>> [row.score_percent for row in table() if row.llm == "llama-3.3-70b"]
    [82.0, 82.0, 82.0, 82.2]
    >>> table()[0].source
    'Kim et al., arXiv:2502.01070, Table II ...'
    """
    from roofline.quality_catalog import shipped

    return shipped()


def load(path: str | os.PathLike[str]) -> tuple[Accuracy, ...]:
    """Read accuracies of one's own; nothing global changes.

    Parameters
    ----------
    path : path
        A TOML file (or JSON, by its suffix) with one table per study. Its ``rows`` are the fields of `Accuracy`; what
        the table itself holds is the same for all of them.

    Returns
    -------
    tuple of Accuracy

    Raises
    ------
    CatalogError
        Naming file, study, row, field and what is accepted. It is a ``ValueError``.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "mine.toml"
    >>> _ = path.write_text('''
    ... [our-run]
    ... benchmark = "gsm8k-8shot"
    ... llm = "llama-3.1-8b"
    ... rows = [{ precision = "bf16", score_percent = 84.5 }, { precision = "nvfp4", score_percent = 82.1 }]
    ... ''')
    >>> print(accuracy_loss("llama-3.1-8b", "nvfp4", rows=table() + load(path)))
    2.4 points of gsm8k-8shot (84.5 % in bf16, 82.1 % in nvfp4)
    """
    from roofline import quality_catalog

    return quality_catalog.load(path)


def accuracy_loss(
    llm: str | LLM,
    precision: str | PrecisionPolicy,
    *,
    benchmark: str | None = None,
    element: str | None = None,
    rounding: Literal["nearest", "stochastic"] = "nearest",
    rows: Iterable[Accuracy] | None = None,
) -> AccuracyLoss:
    """Return the accuracy that a precision costs an LLM; where several studies measured it, the largest loss.

    Parameters
    ----------
    llm : str or LLM
        A name as `roofline.get_llm` accepts it. A model of the same shape is another model: Llama 3.1 70B says
        nothing of 3.3.
    precision : str or PrecisionPolicy
        A policy of the package, or the precision of a row.
    benchmark : str, optional
        One benchmark only; all of them otherwise.
    element : str, optional
        The 8-bit numbers, ``"e4m3"`` unless given; a row that does not say its own always counts.
    rounding : {"nearest", "stochastic"}
        Likewise.
    rows : iterable of Accuracy, optional
        Accuracies to judge by; :func:`table` unless given.

    Returns
    -------
    AccuracyLoss

    Raises
    ------
    UnknownValueError
        Where nobody measured it, or no baseline beside it; the message says what is missing.
    UnknownNameError
        For a precision that neither the package nor the rows know.

    References
    ----------
    Kim et al., arXiv:2502.01070, section III-D and Table II.

    Examples
    --------
    >>> accuracy_loss("llama-3.1-8b", "fp8").points, accuracy_loss("llama-3.1-8b", "fp8", element="e5m2").points
    (0.5, 1.3)
    >>> accuracy_loss("llama-3.1-8b", "w4a16")
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownValueError: no accuracy of llama-3.1-8b in w4a16 is known; it is in bf16, fp8. Add ...
    """
    key, known = _of(llm, rows)
    name = _name(precision, known)
    return _loss(key, name, _chosen(name, known, benchmark, element, rounding), known)


def allowed_precisions(
    llm: str | LLM,
    *,
    max_loss: float = 1.0,
    precisions: Sequence[str | PrecisionPolicy] = POLICY_NAMES,
    benchmark: str | None = None,
    element: str | None = None,
    rounding: Literal["nearest", "stochastic"] = "nearest",
    rows: Iterable[Accuracy] | None = None,
) -> QualityGate:
    """Sort precisions into allowed, excluded and unknown by the accuracy that they cost.

    Parameters
    ----------
    llm : str or LLM
        As in :func:`accuracy_loss`.
    max_loss : float
        Largest loss that is allowed [percentage point].
    precisions : sequence of str or PrecisionPolicy
        Candidates; all policies of the package unless given.
    benchmark, element, rounding, rows
        As in :func:`accuracy_loss`.

    Returns
    -------
    QualityGate

    Raises
    ------
    ValueError
        For a bound that is not a finite number of at least 0, or a single name in place of a sequence.
    UnknownNameError
        For a precision that neither the package nor the rows know.

    Examples
    --------
    >>> gate = allowed_precisions("llama-3.1-8b", max_loss=1.0, element="e5m2", precisions=("bf16", "fp8", "fp8-kv8"))
    >>> gate.allowed
    ('bf16',)
    >>> gate.excluded["fp8"]
    'loses 1.3 points of mmlu-5shot-cot (68.8 % in bf16, 67.5 % in fp8 e5m2); allowed are 1'
    >>> print(gate.unknown["fp8-kv8"])
    no accuracy of llama-3.1-8b in fp8-kv8 is known; it is in bf16, fp8. Add rows of your own: rows=table() + load(path)
    """
    bound = number("max_loss", max_loss, at_least=0)
    if bound.shape != ():
        raise ValueError(f"max_loss = {max_loss!r} is not accepted: give one number")
    if isinstance(precisions, str):
        raise ValueError(f"precisions = {precisions!r} is not accepted: give a sequence of them")
    key, known = _of(llm, rows)
    baselines = {row.baseline for row in known} or {"bf16"}
    allowed: list[str] = []
    excluded: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for precision in precisions:
        label = precision.name if isinstance(precision, PrecisionPolicy) else precision
        try:
            name = _name(precision, known)
            if name not in baselines:  # a baseline loses nothing against itself
                loss = _loss(key, name, _chosen(name, known, benchmark, element, rounding), known)
                if loss.points > bound:
                    excluded[name] = f"loses {loss}; allowed are {float(bound):g}"
                    continue
            allowed.append(name)
        except UnknownValueError as reason:
            unknown[label] = str(reason)
    return QualityGate(key, float(bound), tuple(allowed), Texts(excluded), Texts(unknown))


def _of(llm: str | LLM, rows: Iterable[Accuracy] | None) -> tuple[str, list[Accuracy]]:
    """Return the key of an LLM and its rows."""
    from roofline.quality_catalog import llm_key

    key = llm_key(llm) if isinstance(llm, str) else llm.key
    return key, [row for row in (table() if rows is None else rows) if llm_key(row.llm) == key]


def _name(precision: str | PrecisionPolicy, known: list[Accuracy]) -> str:
    """Return the name by which rows call a precision.

    Raises
    ------
    UnknownValueError
        For a policy that only bears the name of a known one.
    UnknownNameError
        For a name that neither the package nor the rows have.
    """
    if isinstance(precision, str) and any(row.precision == precision for row in known):
        return precision
    found = policy(precision)
    if found.name in POLICY_NAMES and found != policy(found.name):
        raise UnknownValueError(
            f"this policy {found.name!r} is not the package's: give it a name of its own, and rows for it"
        )
    return found.name


def _chosen(
    name: str, known: list[Accuracy], benchmark: str | None, element: str | None, rounding: str
) -> list[Accuracy]:
    """Return the rows of a precision that meet the wishes."""
    wanted = element or _USUAL_ELEMENT.get(name)
    return [
        row
        for row in known
        if row.precision == name
        and benchmark in (None, row.benchmark)
        and (wanted is None or row.element in (None, wanted))
        and row.rounding in (None, rounding)
    ]


def _loss(key: str, name: str, chosen: list[Accuracy], known: list[Accuracy]) -> AccuracyLoss:
    """Return the largest loss among the chosen rows, each against the baseline of its own study."""
    if not chosen:
        others = ", ".join(dict.fromkeys(row.precision for row in known))
        raise UnknownValueError(
            f"no accuracy of {key} in {name} is known{f'; it is in {others}' if others else ''}. "
            "Add rows of your own: rows=table() + load(path)"
        )
    losses = []
    for row in chosen:
        place = (row.study, row.benchmark, row.baseline)
        bases = [base for base in known if (base.study, base.benchmark, base.precision) == place]
        if not bases:
            raise UnknownValueError(f"{row.study} has {row.benchmark} of {key} in {name}, but not in {row.baseline}")
        # Scores are decimal fractions: 1.1 points must not come out as 1.0999999999999943.
        losses += [AccuracyLoss(round(base.score_percent - row.score_percent, 9), row, base) for base in bases]
    return max(losses, key=lambda loss: loss.points)
