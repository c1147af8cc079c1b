"""Read a file of measured runs, whatever wrote it: the shell around the formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline._validation import choice
from roofline.measurements import formats
from roofline.measurements.fields import FIELDS, PHASES
from roofline.measurements.flags import flag
from roofline.measurements.records import Rejected, Runs
from roofline.measurements.sheet import Objects, Sheet, Source
from roofline.precision import policy

if TYPE_CHECKING:
    import os


class UnrecognisedFormatError(ValueError):
    """A file that no reader knows; the message says what it holds and how to map it.

    Examples
    --------
    >>> issubclass(UnrecognisedFormatError, ValueError)
    True
    """


def read(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    **given: Any,
) -> Runs:
    r"""Read a file of measured runs; its format is recognised by its content.

    Every row becomes a run or stands among ``runs.rejected`` with the reason. Runs that cannot be right are kept, and
    say so in ``runs.flags``.

    Parameters
    ----------
    path : path
        CSV, TSV, Parquet, JSON or JSON lines, of the tools in ``roofline.measurements.FORMATS``, or any table with
        `columns`.
    columns : mapping of str to str, optional
        For a table of your own: its column by field of a run, such as ``{"batch": "bs"}``.
    names : mapping of str to str, optional
        Keys of the catalogue by name in the file, for names that we do not know, or know otherwise.
    **given
        Values for what the file leaves open, by field, such as ``accelerator="h100-sxm"``.

    Returns
    -------
    Runs

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnrecognisedFormatError
        No reader knows it.
    ValueError
        `given` names no field of a run.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "mine.csv"
    >>> _ = path.write_text("bs,speed\n1,150\n64,8000\n", encoding="utf-8")
    >>> runs = read(path, columns={"batch": "bs", "output_tokens_per_s": "speed"}, phase="decode",
    ...             accelerator="h100", llm="llama-3.1-8b", precision="bf16", framework="ours", context_tokens=1024)
    >>> runs
    Runs(2 runs, 0 rows rejected: h100-sxm ours decode: 2)
    """
    from hardware_specs.errors import did_you_mean

    for field in given:
        if field not in FIELDS:
            raise ValueError(f"{field!r} is no field of a run{did_you_mean(field, FIELDS)}")
    file = Path(path)
    source = Source(file=file.name, given=_keys(given), names=dict(names or {}))
    document = _open(file, source)
    if columns is not None:
        if not isinstance(document, Sheet):
            raise UnrecognisedFormatError(f"{file.name} holds objects and no table, so columns cannot be mapped")
        return flag(formats.table.mapped(document, columns))
    for known in formats.FORMATS:
        if known.matches(document):
            return flag(known.runs(document))
    raise UnrecognisedFormatError(f"{file.name} is in no format that we know: {_what(document)}")


def _keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller gives, with keys of the catalogue for aliases."""
    from roofline.measurements import names

    plain = dict(given)
    for field, of in (("accelerator", names.accelerator), ("llm", names.llm)):
        found = of(str(plain[field])) if field in plain else None
        if found is not None:
            plain[field] = found.key
    if "phase" in plain:
        plain["phase"] = choice("phase", plain["phase"], PHASES)
    if "precision" in plain:
        known = names.precision(str(plain["precision"]))
        plain["precision"] = policy(str(plain["precision"])).name if known is None else known
    if "framework" in plain:
        plain["framework"] = names.framework(str(plain["framework"]))
    return plain


def _what(document: Sheet | Objects) -> str:
    known = ", ".join(known.NAME for known in formats.FORMATS)
    if isinstance(document, Sheet):
        found = ", ".join(map(repr, list(document.columns)[:20])) or "nothing"
        return f"its columns are {found}; give columns={{field: column}}, or a file of {known}"
    first = next((item for item in document.items if isinstance(item, Mapping)), {})
    found = ", ".join(map(repr, list(first)[:20])) or "nothing that can be read"
    return f"it holds {found}; known are {known}"


# ------------------------------------------------------------------------------------------------------------- opening


def _open(file: Path, source: Source) -> Sheet | Objects:
    raw = file.read_bytes()
    if raw[:4] == b"PAR1":
        return _parquet(file, source)
    text = _decode(raw)
    if text.lstrip()[:1] in ("{", "["):
        return _json(text, source)
    return _table(text, source)


def _decode(raw: bytes) -> str:
    """Return the text of a file: UTF-8, or UTF-16 by its mark; what is neither is marked, and its rows are refused."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


_WRONG = "\ufffd"


def _table(text: str, source: Source) -> Sheet:
    delimiter = _delimiter(text)
    damaged = _WRONG in text
    header: list[str] = []
    columns: list[list[str]] = []
    block: list[list[str]] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    for line, row in _lines(text, delimiter):
        if isinstance(row, str):
            rejected.append(Rejected(source.file, line, row))
        elif not any(row):
            continue
        elif not header:
            header = [name.strip().strip("\ufeff").lower() for name in row]
            columns = [[] for _ in header]
        elif len(row) != len(header) and (len(row) == 1 or any(row[len(header) :])):
            reason = f"{len(row)} field{'s' * (len(row) > 1)} where the header names {len(header)}"
            rejected.append(Rejected(source.file, line, reason, {"fields": row}))
        elif damaged and _WRONG in "".join(row):
            said = dict(zip(header, row, strict=False))
            rejected.append(Rejected(source.file, line, "not UTF-8 text", said))
        else:  # what a short row leaves out is empty, and refused by whoever needs it
            block.append(row if len(row) == len(header) else (row + [""] * len(header))[: len(header)])
            lines.append(line)
            if len(block) == _BLOCK:
                _add(columns, block)
    _add(columns, block)
    return Sheet(source=source, columns=_by_name(header, columns), rows=lines, rejected=rejected)


_BLOCK = 4096  # rows that are held as rows: columns of text weigh less


def _add(columns: list[list[str]], block: list[list[str]]) -> None:
    """Append rows to columns, and empty the block."""
    for column, fields in zip(columns, zip(*block, strict=True), strict=bool(block)):
        column.extend(map(str.strip, fields))
    block.clear()


def _by_name(header: list[str], columns: list[list[str]]) -> dict[str, list[str]]:
    """Return columns by name; of two with the same name, the later is numbered, and an empty name is left out."""
    found: dict[str, list[str]] = {}
    for name, column in zip(header, columns, strict=True):
        number, free = 2, name
        while free in found:
            free, number = f"{name} ({number})", number + 1
        if free:
            found[free] = column
    return found


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line where each row of a table ends, and the row, or why it cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"cannot be read: {error}"
        else:
            yield reader.line_num, row


def _delimiter(text: str) -> str:
    """Return what separates the names of the header: whichever of comma, semicolon and tab it holds most of."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)


def _json(text: str, source: Source) -> Objects:
    """Return the elements of a list, the one object of a file, or an object per line."""
    decoder = json.JSONDecoder()
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list):
        return Objects(source=source, items=whole, rows=range(1, len(whole) + 1))
    if whole is not None:
        return Objects(source=source, items=[whole], rows=[1])
    if text.lstrip()[0] == "[":
        return _elements(text, source, decoder)
    items, rows, rejected = [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            items.append(json.loads(line))
            rows.append(number)
        except (ValueError, RecursionError) as error:
            rejected.append(Rejected(source.file, number, f"not valid JSON: {error}", {"text": line[:200]}))
    if not items:  # one object over many lines that is cut off or broken: one row, not one for every line
        rejected = [Rejected(source.file, 1, rejected[0].reason, {"text": text[:200]})]
    return Objects(source=source, items=items, rows=rows, rejected=rejected)


def _elements(text: str, source: Source, decoder: json.JSONDecoder) -> Objects:
    """Return the elements of a list that is cut off or broken, up to where it is."""
    items: list[Any] = []
    position = text.index("[") + 1
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        try:
            item, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            reason = f"not valid JSON: {error}; nothing after it was read"
            rejected = [Rejected(source.file, len(items) + 1, reason, {"text": text[position : position + 200]})]
            return Objects(source=source, items=items, rows=range(1, len(items) + 1), rejected=rejected)
        items.append(item)


def _parquet(file: Path, source: Source) -> Sheet:
    try:
        import pandas as pd

        frame = pd.read_parquet(file)
    except ImportError as error:
        raise UnrecognisedFormatError(
            f"{file.name} is Parquet, which needs pandas and pyarrow: pip install 'inference-tco[parquet]' ({error})"
        ) from None
    except Exception as error:  # pyarrow's own errors: a file that is cut off or broken
        return Sheet(
            source=source,
            columns={},
            rows=[],
            rejected=[Rejected(file.name, 1, f"not a readable Parquet file: {error}".splitlines()[0])],
        )
    columns = {
        str(name).strip().lower(): ["" if value is None or value != value else str(value) for value in frame[name]]
        for name in frame
    }
    return Sheet(source=source, columns=columns, rows=range(1, len(frame) + 1))
