"""What the formats of JSON objects share: numbers and names out of an object, and who ran what."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from roofline.measurements import names
from roofline.measurements.sheet import MOST, Objects, RefusedRowError, Sheet, Source

_LOOKED_AT = 100  # objects of a file that are looked at to recognise it


def holds(document: Sheet | Objects, *wanted: Iterable[str]) -> bool:
    """Whether an object near the start of a file has all keys of one of several sets.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    *wanted : iterable of str
        Sets of keys.
    """
    if not isinstance(document, Objects):
        return False
    sets = [set(keys) for keys in wanted]
    near = (item for item in document.items[:_LOOKED_AT] if isinstance(item, Mapping))
    return any(keys <= item.keys() for item in near for keys in sets)


def number(item: Mapping[str, Any], *keys: str) -> float | None:
    """Return the first of several values that is there, as a number.

    Parameters
    ----------
    item : mapping
        The object.
    *keys : str
        Names that the value has had.

    Raises
    ------
    RefusedRowError
        It is no finite number.
    """
    for key in keys:
        value = item.get(key)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise RefusedRowError(f"{key} is {type(value).__name__} where a number should be")
        try:
            found = float(value)
        except (ValueError, OverflowError):
            raise RefusedRowError(f"{key} = {str(value)[:60]!r} is not a number") from None
        if math.isnan(found):  # a statistic of nothing
            continue
        if math.isinf(found):
            raise RefusedRowError(f"{key} is not finite")
        if found and not 1 / MOST <= abs(found) <= MOST:
            raise RefusedRowError(f"{key} is beyond anything that is measured")
        return found
    return None


def needed(item: Mapping[str, Any], *keys: str) -> float:
    """Return a number above 0 that a run cannot be without.

    Parameters
    ----------
    item : mapping
        The object.
    *keys : str
        Names that the value has had.

    Raises
    ------
    RefusedRowError
        It is absent, or no number above 0.
    """
    found = number(item, *keys)
    if found is None:
        raise RefusedRowError(f"no {keys[0]}")
    if found <= 0:
        raise RefusedRowError(f"{keys[0]} = {found:.15g} is not accepted: give a number above 0")
    return found


def seconds(item: Mapping[str, Any], *keys: str) -> float | None:
    """Return a time in seconds that an object gives in milliseconds; 0 is what was not measured.

    Parameters
    ----------
    item : mapping
        The object.
    *keys : str
        Names that the value has had.
    """
    found = number(item, *keys)
    return found / 1e3 if found else None


def text(item: Mapping[str, Any], *keys: str) -> str:
    """Return the first of several values that is a text.

    Parameters
    ----------
    item : mapping
        The object.
    *keys : str
        Names that the value has had.
    """
    return next((value.strip() for key in keys if isinstance(value := item.get(key), str) and value.strip()), "")


def part(item: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return an object within an object, empty where there is none.

    Parameters
    ----------
    item : mapping
        The outer object.
    *path : str
        Keys, from the outside in.
    """
    inner: Any = item
    for key in path:
        inner = inner.get(key) if isinstance(inner, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def identity(
    source: Source, *, accelerator: str = "", llm: str = "", precision: str = "", inferred: Iterable[str] = ()
) -> dict[str, Any]:
    """Return accelerator, LLM and precision by their keys, and which of them the file leaves open.

    Where neither file nor caller names a precision, that in the model's name counts (``-FP8``).

    Parameters
    ----------
    source : Source
        File, and what the caller adds.
    accelerator, llm, precision : str
        As they stand in the file; empty where it names none.
    inferred : iterable of str
        What else was concluded.

    Raises
    ------
    RefusedRowError
        One of them is unknown.
    """
    found: dict[str, Any] = {}
    open_ = list(inferred)
    for what, name, mapped in (
        ("accelerator", accelerator, source.accelerator(accelerator)),
        ("llm", llm, source.llm(llm)),
        ("precision", precision, source.precision(precision, otherwise=precision_in(llm))),
    ):
        if mapped is None:
            raise RefusedRowError(source.unknown(what, name))
        found[what] = mapped.key
        if not mapped.certain:
            open_.append(what)
    return found | {"inferred": " ".join(dict.fromkeys(open_))}


def precision_in(name: str) -> str | None:
    """Return the precision that a model's name ends in.

    Parameters
    ----------
    name : str
        Such as ``"nvidia/Llama-3.1-8B-Instruct-FP8"``.
    """
    words = [word for word in re.split(r"[-_./ ]+", name.lower()) if word != "w8a8"]  # of which formats is not said
    return next((found for word in reversed(words) if (found := names.precision(word))), None)


def devices(source: Source, *counts: float | None) -> float:
    """Return how many devices took part: the first count that is known, else what the caller says.

    Parameters
    ----------
    source : Source
        File, and what the caller adds.
    *counts : float or None
        What the file says, the best first.

    Raises
    ------
    RefusedRowError
        Nobody says.
    """
    given = source.given
    sizes = [given[name] for name in ("tensor_parallel", "pipeline_parallel", "data_parallel") if name in given]
    known = [count for count in (*counts, given.get("devices")) if count is not None]
    if known:
        return float(known[0])
    if sizes:
        return math.prod(float(size) for size in sizes)
    raise RefusedRowError(source.unknown("devices", ""))


def lengths(source: Source, prompt: float | None, output: float | None, total: float | None = None) -> dict[str, Any]:
    """Return the tokens of a prompt and of an answer, of which the caller may give what the file leaves open.

    Parameters
    ----------
    source : Source
        File, and what the caller adds.
    prompt, output, total : float or None
        What the file says, each a mean [token].

    Raises
    ------
    RefusedRowError
        One of the two is unknown.
    """
    found = {"prompt_tokens": prompt, "output_tokens": output}
    for name, said in found.items():
        value = source.given.get(name) if said is None else said
        found[name] = None if value is None else float(value)
    first, second = found.values()
    if total is not None and first is None and second is not None:
        found["prompt_tokens"] = total - second
    if total is not None and second is None and first is not None:
        found["output_tokens"] = total - first
    for name, value in found.items():
        if value is None:
            raise RefusedRowError(source.unknown(name, ""))
    return found


def joined(*words: str) -> str:
    """Return what tells a run apart from others, without what is empty.

    Parameters
    ----------
    *words : str
        Each a short phrase.
    """
    return ", ".join(filter(None, words))


def numbered(document: Objects) -> Iterator[tuple[int, Any]]:
    """Return the objects of a file with their rows.

    Parameters
    ----------
    document : Objects
        The file.
    """
    return zip(document.rows, document.items, strict=True)
