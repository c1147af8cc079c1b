"""A file of runs before it is mapped: columns of text or objects, what the caller adds, and the rows refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.measurements import names
from roofline.measurements.fields import FIELDS
from roofline.measurements.names import Mapped
from roofline.measurements.records import Rejected, Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]


MOST = 1e18
"""Above any figure of any field in its unit, as its inverse is below; products of what is beyond overflow."""


class RefusedRowError(ValueError):
    """A row that cannot become a record; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows come from, and what the caller says of all of them.

    Attributes
    ----------
    file : str
        Name of the file.
    given : dict
        Values by field, for what the file leaves open.
    names : dict
        Keys of the catalogue by name in the file, for names that we do not know, or know otherwise.
    """

    file: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def accelerator(self, name: str) -> Mapped | None:
        """Return the accelerator that a name means; where it leaves a variant open, what the caller gives.

        Parameters
        ----------
        name : str
            As it stands in the file; empty if the file names none.
        """
        return self._key("accelerator", name, names.accelerator)

    def llm(self, name: str) -> Mapped | None:
        """Return the LLM that a name means, or what the caller gives if there is none.

        Parameters
        ----------
        name : str
            As it stands in the file.
        """
        return self._key("llm", name, names.llm)

    def precision(self, name: str, otherwise: str | None = None) -> Mapped | None:
        """Return the precision policy that a name means.

        Parameters
        ----------
        name : str
            As it stands in the file; empty if the file names none.
        otherwise : str, optional
            What is concluded where neither file nor caller says it.
        """

        def known(text: str) -> Mapped | None:
            found = names.precision(text)
            return None if found is None else Mapped(found)

        found = self._key("precision", name, known)
        if found is None and not name and otherwise is not None:
            return Mapped(otherwise, certain=False)
        return found

    def _key(self, what: str, name: str, known: Callable[[str], Mapped | None]) -> Mapped | None:
        if name in self.names:
            return Mapped(self.names[name])
        found = known(name) if name else None
        if what in self.given and (not name or (found is not None and not found.certain)):
            return Mapped(str(self.given[what]))
        return found

    def unknown(self, what: str, name: str) -> str:
        """Say why a name could not be mapped.

        Parameters
        ----------
        what : str
            The field.
        name : str
            As it stands in the file.
        """
        if not name:
            return f"the file names no {what}: give read(..., {what}=…)"
        return f"no {what} {name!r} in the catalogue: give read(..., names={{{name!r}: key}}) if you have one"


@dataclass(kw_only=True)
class Sheet:
    """A table as text, and the rows of it that are refused.

    Attributes
    ----------
    source : Source
        File, and what the caller adds.
    columns : dict of str to list of str
        By name, in lower case and without blanks around.
    rows : sequence of int
        Line of each row in the file.
    rejected : list of Rejected
        Rows that could not be cut into columns.
    faults : dict of int to str
        Reason by index, of rows that are refused.
    """

    source: Source
    columns: Mapping[str, Sequence[str]]
    rows: Sequence[int]
    rejected: list[Rejected] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, name: str) -> Sequence[str]:
        """Return a column, empty texts where the file has none.

        Parameters
        ----------
        name : str
            In lower case.
        """
        return self.columns.get(name) or [""] * len(self)

    def refuse(self, mask: Any, reason: str) -> None:
        """Refuse rows.

        Parameters
        ----------
        mask : array of bool
            Which.
        reason : str
            Why; the first reason of a row counts.
        """
        for index in np.flatnonzero(mask):
            self.faults.setdefault(int(index), reason)

    def numbers(self, name: str, *, needed: bool = True) -> Column:
        """Return a column of numbers, NaN where empty; what is none is refused.

        Parameters
        ----------
        name : str
            In lower case.
        needed : bool
            Refuse rows where it is empty.
        """
        texts = self.text(name)
        try:
            column = np.array(texts, dtype=np.float64)
        except ValueError:
            column = np.full(len(texts), np.nan)
            for index, text in enumerate(texts):
                if text:
                    try:
                        column[index] = float(text)
                    except ValueError:
                        self.faults.setdefault(index, f"{name} = {text!r:.60} is not a number")
        if needed:
            self.refuse(np.isnan(column), f"no {name}")
        size = np.abs(column)
        absurd = (size > MOST) | ((size > 0) & (size < 1 / MOST))
        self.refuse(np.isinf(column), f"{name} is not finite")
        self.refuse(absurd, f"{name} is beyond anything that is measured")
        column[absurd] = np.nan
        return column

    def mapped(self, name: str, of: Callable[[str], Mapped | None], what: str) -> tuple[Column, Column]:
        """Return keys of the catalogue, and which of them the file leaves open; unknown names are refused.

        Parameters
        ----------
        name : str
            Column, in lower case.
        of : callable
            Maps a text.
        what : str
            Field that is looked for.
        """
        texts = self.text(name)
        found = {text: of(text) for text in set(texts)}
        keys, open_ = np.empty(len(texts), dtype=object), np.zeros(len(texts), dtype=bool)
        for index, text in enumerate(texts):
            mapped = found[text]
            if mapped is None:
                self.faults.setdefault(index, self.source.unknown(what, text))
            keys[index] = "" if mapped is None else mapped.key
            open_[index] = mapped is not None and not mapped.certain
        return keys, open_

    def runs(self, columns: Mapping[str, Any], *, inferred: Mapping[str, Any] | None = None) -> Runs:
        """Return the records of the rows that are not refused, and the others with their reasons.

        Parameters
        ----------
        columns : mapping of str to sequence
            Values by field, one per row, or one for all.
        inferred : mapping of str to array of bool, optional
            Which rows leave a field open that was concluded.
        """
        columns = complete(columns, self.source, len(self)) | {"row": np.asarray(self.rows, dtype=np.float64)}
        marks = np.full(len(self), "", dtype=object)
        for name, mask in (inferred or {}).items():
            marks[np.broadcast_to(mask, len(self))] += f" {name}"
        columns["inferred"] = [mark.strip() for mark in marks]
        keep = np.ones(len(self), dtype=bool)
        keep[list(self.faults)] = False
        rejected = [
            Rejected(self.source.file, self.rows[index], reason, self.row(index))
            for index, reason in sorted(self.faults.items())
        ]
        kept = {name: np.asarray(column, dtype=object if FIELDS[name].is_text else None)[keep]
                for name, column in columns.items()}  # fmt: skip
        found = Runs.from_columns(kept)
        late = {rejected.row: rejected.reason for rejected in found.rejected}
        if late:  # refused by the records' own checks: as the row stands in the file, too
            where = {line: index for index, line in enumerate(self.rows)}
            rejected += [Rejected(self.source.file, line, why, self.row(where[line])) for line, why in late.items()]
        return Runs(found.columns, (*self.rejected, *rejected))

    def row(self, index: int) -> dict[str, str]:
        """Return a row as it stands in the file.

        Parameters
        ----------
        index : int
            From 0.
        """
        return {name: column[index] for name, column in self.columns.items()}


def complete(columns: Mapping[str, Any], source: Source, length: int) -> dict[str, Any]:
    """Return columns of full length, with the file's name and what the caller gives where the file says nothing.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by field, one per row, or one for all.
    source : Source
        File, and what the caller adds.
    length : int
        Rows.
    """
    full: dict[str, Any] = {}
    for name, column in columns.items():
        one = isinstance(column, str) or np.ndim(column) == 0
        full[name] = np.full(length, column, dtype=object if FIELDS[name].is_text else None) if one else column
    for name, value in source.given.items():
        if name not in full:
            full[name] = np.full(length, value, dtype=object if FIELDS[name].is_text else None)
        else:
            empty = [text is None or text == "" or text != text for text in full[name]]
            full[name] = [value if missing else text for text, missing in zip(full[name], empty, strict=True)]
    full["file"] = np.full(length, source.file, dtype=object)
    return full


@dataclass(kw_only=True)
class Objects:
    """A list of objects, as JSON has them, and the elements of it that could not be read.

    Attributes
    ----------
    source : Source
        File, and what the caller adds.
    items : list
        The objects.
    rows : sequence of int
        Element of the list, or line of the file, of each.
    rejected : list of Rejected
        What could not be read.
    """

    source: Source
    items: list[Any]
    rows: Sequence[int]
    rejected: list[Rejected] = field(default_factory=list)

    def runs(self, of: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Runs:
        """Return the records that a function makes of the objects.

        Parameters
        ----------
        of : callable
            Takes an object, returns values by field, ``inferred`` among them; raises :class:`RefusedRowError`.
        """
        made: list[Mapping[str, Any]] = []
        rejected = list(self.rejected)
        raw = dict(zip(self.rows, self.items, strict=True))
        for row, item in raw.items():
            said = item if isinstance(item, Mapping) else {"value": item}
            try:
                if not isinstance(item, Mapping):
                    raise RefusedRowError(f"{type(item).__name__} where an object should be")
                made.append({**of(item), "row": row})
            except RefusedRowError as refused:
                rejected.append(Rejected(self.source.file, row, str(refused), said))
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else str(error)
                rejected.append(Rejected(self.source.file, row, what, said))
        found = Runs.from_columns(complete(_columns(made), self.source, len(made)))
        rejected += [Rejected(self.source.file, late.row, late.reason, raw[late.row]) for late in found.rejected]
        return Runs(found.columns, tuple(rejected))


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
