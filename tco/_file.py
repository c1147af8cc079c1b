"""A user's own file, TOML or JSON: read, and every mistake in it told with its line and without its value."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from tco._lines import Where, line_numbers

_T = TypeVar("_T")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TOML_HINTS = {
    "Cannot overwrite": ": a key is given twice",
    "Cannot declare": ": a table is given twice",
    "Expected newline": ": numbers take no commas or units, texts stand in quotes",
    "Invalid value": ": texts stand in quotes, numbers have digits on both sides of the point",
}
_PLAINER = (
    (r", not .*$", ""),  # what is wrong with a value may be told, the value itself not: it is private
    (r" \(the value is not shown\)$", ""),
    (r"^should be a valid tuple$", "should be a list"),
    (r"^should be a valid dictionary( or instance of \w+)?$", "should be a table"),
    (r"^should be a valid mapping.*$", "should be a table"),
    (r"^should be a valid string$", "should be a text in quotes"),
    (r"^should be a valid integer.*$", "should be a whole number"),
    (r"^should be a valid boolean$", "should be true or false"),
    (r"^\w+ should have at least (\d+) (character|item)s?( after validation)?$", r"should have at least \1 \2(s)"),
    (r"^\w+ should have at most (\d+) (character|item)s?( after validation)?$", r"should have at most \1 \2(s)"),
)


class File(NamedTuple):
    """A file that was parsed.

    Attributes
    ----------
    path : Path
        Where it lies.
    text : str
        What it says.
    data : dict
        What that means.
    """

    path: Path
    text: str
    data: dict[str, Any]


def parse(path: Path, holds: str) -> File | str:
    """Return what a file holds, or the one mistake for which it cannot be parsed.

    Nothing is raised: errors of the parsers hold the text, and would stay attached to one that is raised for them.

    Parameters
    ----------
    path : Path
        A ``.toml`` or ``.json`` file.
    holds : str
        What should be in it, in words.
    """
    toml = path.suffix.lower() == ".toml"
    if not toml and path.suffix.lower() != ".json":
        return f"{path}: give a .toml or a .json file"
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(text) if toml else json.loads(text, object_pairs_hook=_each_key_once)
    except UnicodeDecodeError:
        return f"{path}: is not UTF-8 text"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    except tomllib.TOMLDecodeError as error:
        hint = next((hint for words, hint in _TOML_HINTS.items() if words in str(error)), "")
        return f"{path}: not valid TOML: {error}{hint}"
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a thousand lists in each other
        return f"{path}: not valid {'TOML' if toml else 'JSON'}: {error}"
    return File(path, text, data) if isinstance(data, dict) else f"{path}: should hold an object with {holds}"


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key} is given twice")
    return dict(pairs)


class Findings:
    """Mistakes found in a file so far, each with the keys that lead to it.

    Attributes
    ----------
    file : File
        The file.
    problems : list of (keys, message)
        In the order of finding.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.problems: list[tuple[Where, str]] = []

    def add(self, where: Where, message: str) -> None:
        """Note a mistake.

        Parameters
        ----------
        where : tuple
            Keys that lead to it.
        message : str
            What is accepted, without the value that was given.
        """
        if (where, message) not in self.problems:
            self.problems.append((where, message))

    def add_further(self, found: Iterable[tuple[Where, str]]) -> None:
        """Note mistakes, except where a mistake of an earlier kind is known: one might follow from the other.

        Parameters
        ----------
        found : iterable of (keys, message)
            The mistakes.
        """
        known = {where for where, _ in self.problems}
        for where, message in found:
            if not any(where[:end] in known for end in range(1, len(where) + 1)):
                self.add(where, message)

    def build(self, where: Where, fields: Any, make: Callable[[Any], _T]) -> _T | None:
        """Make something of a table, or note what is wrong with it.

        Parameters
        ----------
        where : tuple
            Keys of the table.
        fields : object
            What stands there.
        make : callable
            From the fields to what they describe.
        """
        if not isinstance(fields, dict):
            header = "" if isinstance(where[-1], int) else f", [{dotted(where)}]"
            self.add(where, f"should be a table{header}")
            return None
        try:
            return make(fields)
        except ValidationError as error:
            for line in error.errors(include_url=False, include_input=False):
                self.add((*where, *_keys(line["loc"])), plainer(line["msg"]))
        except (ValueError, KeyError) as error:
            self.add(where, str(error))
        return None

    def lines(self) -> list[str]:
        """Return one line for each mistake, in the order of the file."""
        if not self.problems:
            return []
        numbers = line_numbers(self.file.text, toml=self.file.path.suffix.lower() == ".toml")
        told = []
        for where, message in self.problems:
            known = (numbers[where[:end]] for end in range(len(where), 0, -1) if where[:end] in numbers)
            line = next(known, 0)
            place = f", line {line}" if line else ""
            told.append((line, f"{self.file.path}{place}: {dotted(where)}: {message}"))
        return [text for _, text in sorted(told, key=itemgetter(0))]


def plainer(message: str) -> str:
    """Return a message of the validator in plain words, without the value.

    Parameters
    ----------
    message : str
        As it comes.

    Examples
    --------
    >>> plainer("should be a valid tuple, not 3")
    'should be a list'
    """
    for pattern, words in _PLAINER:
        message = re.sub(pattern, words, message, flags=re.DOTALL)
    return message


def dotted(where: Where) -> str:
    """Return keys as TOML writes them, and places in lists in brackets.

    Parameters
    ----------
    where : tuple
        Keys and places.

    Examples
    --------
    >>> dotted(("ranges", "h100.price_usd", "low")), dotted(("applications", 0, "llm"))
    ('ranges."h100.price_usd".low', 'applications[0].llm')
    """
    parts = [f"[{key}]" if isinstance(key, int) else f".{_quoted(key)}" for key in where]
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _keys(loc: tuple[int | str, ...]) -> Where:
    """Return the keys of an error's place; the validator adds one where a key itself is at fault."""
    return loc[:-1] if loc and loc[-1] == "[key]" else loc
