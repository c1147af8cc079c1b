"""Records of measured runs: columns inside, so that a million are quick, and rows to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from roofline.measurements.fields import BOUNDARIES, FIELDS, MEASURED, PHASES, WHOLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]


class Rejected(NamedTuple):
    """A row that is no record, and why.

    Attributes
    ----------
    file : str
        File that it stands in.
    row : int
        Line of a table, or element of a list, counted from 1.
    reason : str
        What is missing or cannot be mapped.
    values : dict
        The row as it stands in the file, so that nothing is lost.
    """

    file: str
    row: int
    reason: str
    values: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """One measured run.

    Every column of :data:`roofline.measurements.FIELDS` is an attribute; what is not known is ``None``.

    Attributes
    ----------
    values : dict
        What is known of it, by field.

    Examples
    --------
    >>> run = Run({"accelerator": "h100-sxm", "phase": "decode", "batch": 64.0, "output_tokens_per_s": 8000.0})
    >>> run.batch, run.ttft_s
    (64.0, None)
    """

    values: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(f"a run has no field {name!r}")
        return self.values.get(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *FIELDS]

    def __repr__(self) -> str:
        return f"Run({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"


@dataclass(frozen=True, eq=False)
class Runs:
    """Measured runs, and the rows of their files that are none.

    A column is an attribute, a read-only array of all runs: numbers with NaN, and texts with ``""``, where unknown.

    Attributes
    ----------
    columns : dict of str to array
        By name of :data:`roofline.measurements.FIELDS`; a column of which nothing is known is left out.
    rejected : tuple of Rejected
        Rows that were refused, each with its reason.

    Examples
    --------
    >>> runs = Runs.from_rows([
    ...     {"accelerator": "h100-sxm", "phase": "decode", "batch": 1, "output_tokens_per_s": 150.0},
    ...     {"accelerator": "h100-sxm", "phase": "decode", "batch": 64, "output_tokens_per_s": 8000.0},
    ...     {"accelerator": "h100-sxm", "phase": "decode", "batch": -1, "output_tokens_per_s": 8000.0},
    ... ])
    >>> len(runs), runs.batch, runs.where(batch=64)[0].output_tokens_per_s
    (2, array([ 1., 64.]), 8000.0)
    >>> runs.rejected[0].reason
    'batch = -1 is not accepted: give a number above 0'
    """

    columns: Mapping[str, Column]
    rejected: tuple[Rejected, ...] = ()
    _length: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of unlike lengths: {sorted(lengths)}")
        for column in self.columns.values():
            column.flags.writeable = False
        object.__setattr__(self, "_length", lengths.pop() if lengths else 0)

    # ------------------------------------------------------------------------------------------------------- making

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Runs:
        """Make records of rows of values by field; a row that is none is rejected with its reason.

        Parameters
        ----------
        rows : iterable of mapping
            What is known of each run; a field that is absent, ``None``, NaN or empty is unknown.

        Returns
        -------
        Runs
        """
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        return cls.from_columns({name: [row.get(name) for row in rows] for name in names})

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], rejected: Iterable[Rejected] = ()) -> Runs:
        """Make records of columns; a row that is none is rejected with its reason.

        Parameters
        ----------
        columns : mapping of str to sequence
            Values by field, one per run, or one for all.
        rejected : iterable of Rejected
            Rows that were refused before.

        Returns
        -------
        Runs

        Raises
        ------
        ValueError
            A column that is no field, columns of unlike lengths, or no column at all to tell the number of runs.
        """
        for name in columns:
            if name not in FIELDS:
                from hardware_specs.errors import did_you_mean

                raise ValueError(f"{name!r} is no field of a run{did_you_mean(name, FIELDS)}")
        lengths = {len(column) for column in columns.values() if not _is_one(column)}
        if len(lengths) > 1:
            raise ValueError(f"columns of unlike lengths: {sorted(lengths)}")
        length = lengths.pop() if lengths else int(bool(columns))
        faults: dict[int, str] = {}
        checked: dict[str, Column] = {}
        for name, about in FIELDS.items():
            if name in columns:
                column = columns[name]
                values = [column] * length if _is_one(column) else column
                checked[name] = _texts(values) if about.is_text else _numbers(name, values, faults)
        _check(checked, length, faults)
        rows, files = checked.get("row"), checked.get("file")
        refused = list(rejected)
        for index, reason in sorted(faults.items()):
            line = 0.0 if rows is None else float(rows[index])
            at = int(line) if line > 0 and line.is_integer() else index + 1
            said = {name: _at(column, index) for name, column in columns.items()}
            refused.append(Rejected("" if files is None else str(files[index]), at, reason, said))
        keep = np.ones(length, dtype=bool)
        keep[list(faults)] = False
        kept = {name: column[keep] for name, column in checked.items()}
        return cls({name: column for name, column in kept.items() if _says_something(column)}, tuple(refused))

    # ------------------------------------------------------------------------------------------------------ looking

    def __len__(self) -> int:
        return self._length

    def __getattr__(self, name: str) -> Column:
        if name not in FIELDS:
            raise AttributeError(f"runs have no field {name!r}")
        column: Column | None = self.columns.get(name)
        if column is not None:
            return column
        return np.full(len(self), "", dtype=object) if FIELDS[name].is_text else np.full(len(self), np.nan)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for column in self.columns.values():
            column.flags.writeable = False

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *FIELDS]

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Run: ...

    @overload
    def __getitem__(self, index: slice | Column | Sequence[int]) -> Runs: ...

    def __getitem__(self, index: Any) -> Run | Runs:
        """Return a run, or the runs of a slice, a mask or an array of indices; what was rejected stays behind."""
        if isinstance(index, int | np.integer):
            values = {name: column[index] for name, column in self.columns.items()}
            return Run({name: _plain(name, value) for name, value in values.items() if _known(value)})
        return Runs({name: column[index] for name, column in self.columns.items()})

    def __iter__(self) -> Iterator[Run]:
        return (self[index] for index in range(len(self)))

    def __add__(self, other: Runs) -> Runs:
        if not isinstance(other, Runs):
            return NotImplemented
        names = [name for name in FIELDS if name in self.columns or name in other.columns]
        joined = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        return Runs(joined, self.rejected + other.rejected)

    def where(self, condition: Callable[[Runs], Any] | None = None, /, **equal: Any) -> Runs:
        """Return the runs whose fields have given values; what was rejected stays behind.

        Parameters
        ----------
        condition : callable, optional
            Takes the runs, returns a mask of them.
        **equal
            A value, or a list of values, by field. Names of the catalogue may be aliases, and the case of a
            framework's name does not matter.

        Returns
        -------
        Runs

        Raises
        ------
        ValueError
            No such field.

        Examples
        --------
        >>> runs = Runs.from_rows([{"framework": "vLLM", "phase": "decode", "batch": b, "itl_s": 0.01} for b in (1, 8)])
        >>> len(runs.where(framework="vllm", batch=[8, 64])), len(runs.where(lambda runs: runs.batch < 8))
        (1, 1)
        """
        mask = np.ones(len(self), dtype=bool)
        if condition is not None:
            mask &= np.asarray(condition(self), dtype=bool)
        for name, wanted in equal.items():
            if name not in FIELDS:
                from hardware_specs.errors import did_you_mean

                raise ValueError(f"{name!r} is no field of a run{did_you_mean(name, FIELDS)}")
            options = list(wanted) if isinstance(wanted, list | tuple | set | np.ndarray) else [wanted]
            column = getattr(self, name)
            if FIELDS[name].is_text:
                among = {_normal(name, option) for option in options}
                known = {text: _normal(name, text) in among for text in set(column.tolist())}
                mask &= np.fromiter((known[text] for text in column), dtype=bool, count=len(self))
            else:
                mask &= np.isin(column, np.asarray(options, dtype=np.float64))
        return self[mask]

    @property
    def flagged(self) -> Runs:
        """Runs that something is wrong with, see ``flags``."""
        return self.where(lambda runs: runs.flags != "")

    @property
    def clean(self) -> Runs:
        """Runs that nothing is known to be wrong with."""
        return self.where(lambda runs: runs.flags == "")

    def replace(self, **columns: Any) -> Runs:
        """Return the runs with other values in some columns, checked again.

        Parameters
        ----------
        **columns
            A value for all runs, or one per run, by field.

        Returns
        -------
        Runs
            What the check refuses is among ``rejected``.

        Examples
        --------
        >>> runs = Runs.from_rows([{"accelerator": "a100-sxm-80gb", "phase": "decode", "itl_s": 0.01}])
        >>> runs.replace(framework="vLLM")[0].framework
        'vLLM'
        """
        return Runs.from_columns({**self.columns, **columns}, self.rejected)

    def to_pandas(self) -> Any:
        """Return a table of the runs (extra ``pandas``).

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame(dict(self.columns))

    def counts(self, *names: str) -> dict[tuple[str, ...], int]:
        """Count the runs by the values of some text columns, the most frequent first.

        Parameters
        ----------
        *names : str
            Fields.

        Returns
        -------
        dict of tuple of str to int

        Examples
        --------
        >>> runs = Runs.from_rows([{"framework": "vLLM", "phase": "decode", "itl_s": 0.01}] * 3)
        >>> runs.counts("framework", "phase")
        {('vLLM', 'decode'): 3}
        """
        from collections import Counter

        return dict(Counter(zip(*(getattr(self, name).tolist() for name in names), strict=True)).most_common())

    def __repr__(self) -> str:
        kinds = [f"{' '.join(filter(None, key))}: {count}" for key, count in self.counts(*_NAMES).items()]
        shown = "; ".join(kinds[:4]) + ("; …" if len(kinds) > 4 else "")
        wrong = f", {len(self.flagged)} flagged" if "flags" in self.columns else ""
        return f"Runs({len(self)} runs{wrong}, {len(self.rejected)} rows rejected{': ' + shown if shown else ''})"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(part)}</td>' for part in key)}<td>{count}</td></tr>"
            for key, count in self.counts(*_NAMES).items()
        )
        head = "".join(f"<th>{name}</th>" for name in (*_NAMES, "runs"))
        wrong = f", {len(self.flagged)} flagged" if "flags" in self.columns else ""
        return f"<p><b>{len(self)} runs</b>{wrong}, {len(self.rejected)} rows rejected</p><table>{head}{rows}</table>"


_NAMES = ("accelerator", "framework", "phase")
_FOLDED = {"framework": str.lower, "phase": str.lower, "precision": str.lower}


def _normal(name: str, text: object) -> str:
    """Return a text as it is compared: aliases by their key, frameworks whatever their case."""
    from roofline.measurements import names

    words = str(text)
    if name in ("accelerator", "llm") and words:
        found = (names.accelerator if name == "accelerator" else names.llm)(words)
        return words if found is None else found.key
    return _FOLDED.get(name, str)(words)


def _is_one(column: Any) -> bool:
    return isinstance(column, str) or not isinstance(column, Sequence | np.ndarray)


def _at(column: Any, index: int) -> Any:
    return column if _is_one(column) else column[index]


def _texts(values: Any) -> Column:
    column = np.empty(len(values), dtype=object)
    column[:] = ["" if value is None or value != value else str(value).strip() for value in values]
    return column


def _numbers(name: str, values: Any, faults: dict[int, str]) -> Column:
    """Return numbers with NaN where unknown; note what is none, or none of this field."""
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind == "b":
            raise TypeError("no number")
        column = np.array(values, dtype=np.float64)  # the usual column: numbers, or texts of numbers
        if column.ndim != 1 or any(isinstance(value, bool) for value in values):
            raise TypeError("no number")
    except (TypeError, ValueError, OverflowError):
        column = np.full(len(values), np.nan)
        for index, value in enumerate(values):
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            try:
                if isinstance(value, bool):
                    raise TypeError("no number")
                column[index] = float(value)
            except (TypeError, ValueError, OverflowError):
                faults.setdefault(index, f"{name} = {value!r:.60} is not a number")
    about = FIELDS[name]
    with np.errstate(invalid="ignore"):
        wrong = np.isinf(column) | ((column < 0) if about.zero else (column <= 0))
        if name in WHOLE:
            wrong |= ~np.isnan(column) & (column != np.floor(column))
    bound = "of at least 0" if about.zero else "above 0"
    kind = "a whole number" if name in WHOLE else "a number"
    for index in np.flatnonzero(wrong).tolist():
        faults.setdefault(index, f"{name} = {column[index]:.15g} is not accepted: give {kind} {bound}")
    return column


def _check(columns: Mapping[str, Column], length: int, faults: dict[int, str]) -> None:
    """Note the rows that say nothing of what was run, or have no result."""
    for name, options in (("phase", PHASES), ("power_boundary", ("", *BOUNDARIES))):
        column = columns.get(name)
        if column is None:
            if name == "phase":
                for index in range(length):
                    faults.setdefault(index, "no phase")
            continue
        unknown = set(column.tolist()) - set(options)
        if unknown:
            for index in np.flatnonzero(np.isin(column, list(unknown))).tolist():
                words = f"{name} = {column[index]!r} is not accepted: give one of {', '.join(filter(None, options))}"
                faults.setdefault(index, words if column[index] else f"no {name}")
    results = [columns[name] for name in MEASURED if name in columns and name != "spread"]
    nothing = np.all([np.isnan(column) for column in results], axis=0) if results else np.ones(length, dtype=bool)
    for index in np.flatnonzero(nothing).tolist():
        faults.setdefault(index, "nothing was measured: no rate, time or power")


def _says_something(column: Column) -> bool:
    return bool(np.any(column != "")) if column.dtype == object else not bool(np.all(np.isnan(column)))


def _known(value: Any) -> bool:
    return bool(value != "" and value == value)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    return int(value) if name in WHOLE else float(value)
