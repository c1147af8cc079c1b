"""On which line each key of a TOML or a JSON text stands: the parsers themselves do not say.

The text has been parsed already, so nothing here checks it.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right

Where = tuple[str | int, ...]
"""Keys, and places in lists, that lead to a value."""

_GAP = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    flags=re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")
_TOML_KEY = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^=\]"'])+""")


def line_numbers(text: str, *, toml: bool) -> dict[Where, int]:
    r"""Return the line on which every key, and every item of a list, begins.

    A table that only the name of another implies, as ``[a.b]`` does ``a``, stands where that name is.

    Parameters
    ----------
    text : str
        Valid TOML or JSON.
    toml : bool
        Which of both.

    Returns
    -------
    dict of tuple to int

    Examples
    --------
    >>> line_numbers("x = 1\n[[runs]]\nat = [\n  2,\n]\n", toml=True)
    {('x',): 1, ('runs',): 2, ('runs', 0): 2, ('runs', 0, 'at'): 3, ('runs', 0, 'at', 0): 4}
    >>> line_numbers('{"x": {\n"y": 1}}', toml=False)
    {('x',): 1, ('x', 'y'): 2}
    """
    scanner = _Scanner(text, toml=toml)
    if toml:
        scanner.statements()
    else:
        scanner.value((), scanner.skip(0))
    return scanner.found


class _Scanner:
    """Walks over a text and notes where what it meets begins; each method returns where it ended."""

    def __init__(self, text: str, *, toml: bool) -> None:
        self.text, self.toml = text, toml
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.found: dict[Where, int] = {}

    def skip(self, at: int) -> int:
        """Pass over white space and comments."""
        gap = _GAP.match(self.text, at)
        return at if gap is None else gap.end()

    def note(self, base: Where, parts: Where, at: int) -> Where:
        """Note where something begins, and what its name implies unless that is known."""
        line = bisect_right(self.breaks, at - 1) + 1
        for end in range(1, len(parts)):
            self.found.setdefault((*base, *parts[:end]), line)
        self.found[*base, *parts] = line
        return *base, *parts

    def key(self, at: int) -> tuple[tuple[str, ...], int]:
        """Read a key, dotted or quoted as it may be."""
        match = (_TOML_KEY if self.toml else _STRING).match(self.text, at)
        if match is None:
            return (), at + 1
        if not self.toml:
            return (json.loads(match[0]),), match.end()
        parts: list[str] = []
        inner: object = tomllib.loads(f"{match[0].strip()} = 0")
        while isinstance(inner, dict):
            ((part, inner),) = inner.items()
            parts.append(part)
        return tuple(parts), match.end()

    def statements(self) -> None:
        """Read a TOML text: headers of tables, and keys."""
        items: dict[Where, int] = {}  # how many tables each [[list]] has so far
        base: Where = ()
        at = self.skip(0)
        while at < len(self.text):
            if self.text[at] != "[":
                at = self.skip(self.pair(base, at))
                continue
            several = self.text.startswith("[[", at)
            parts, end = self.key(at + 1 + several)
            base = ()
            for part in parts[: len(parts) - several]:
                base = (*base, part)
                if base in items:
                    base = (*base, items[base] - 1)
            if several:
                base = (*base, parts[-1])
                items[base] = items.get(base, 0) + 1
                base = (*base, items[base] - 1)
            self.note((), base, at)
            at = self.skip(end + 1 + several)

    def pair(self, base: Where, at: int) -> int:
        """Read a key and its value."""
        parts, end = self.key(at)
        where = self.note(base, parts, at)
        return self.value(where, self.skip(self.skip(end) + 1))

    def value(self, where: Where, at: int) -> int:
        """Read a value, and whatever it holds."""
        opening = self.text[at]
        if opening not in "[{":
            match = _STRING.match(self.text, at) or _PLAIN.match(self.text, at)
            return at + 1 if match is None else match.end()
        count, at = 0, self.skip(at + 1)
        while self.text[at] not in "]}":
            inner = self.pair(where, at) if opening == "{" else self.value(self.note(where, (count,), at), at)
            count, at = count + 1, self.skip(inner)
            if self.text[at] == ",":
                at = self.skip(at + 1)
        return at + 1
