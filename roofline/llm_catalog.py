"""The LLMs that the package knows, and those of a user's file: read from TOML when first asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hardware_specs.errors import CatalogError, UnknownNameError, did_you_mean
from roofline.llm import LLM

if TYPE_CHECKING:
    import os


def llm_names() -> tuple[str, ...]:
    """Return the keys of the shipped LLMs, in alphabetical order.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "llama-3.1-8b" in llm_names()
    True
    """
    return tuple(sorted(_catalogue()))


def get_llm(name: str) -> LLM:
    """Return a shipped LLM by its key, an alias, its name or a Hugging Face id; case does not matter.

    Parameters
    ----------
    name : str
        Such as ``"llama-3.1-8b"`` or ``"meta-llama/Llama-3.1-8B-Instruct"``; spaces and underscores count as hyphens.

    Returns
    -------
    LLM

    Raises
    ------
    UnknownNameError
        With close matches.

    Examples
    --------
    >>> get_llm("meta-llama/Llama-3.1-8B-Instruct").key
    'llama-3.1-8b'
    >>> get_llm("DeepSeek-V3") is get_llm("deepseek-r1")
    True
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an LLM is a text, not {type(name).__name__}")
    names, wanted = _names(), _normal(name)
    if wanted not in names:
        hint = did_you_mean(wanted, names) or "; roofline.llm_names() lists those known"
        raise UnknownNameError(f"unknown LLM {name!r}{hint}")
    return _catalogue()[names[wanted]]


def load_llms(path: str | os.PathLike[str]) -> dict[str, LLM]:
    """Read the LLMs of a TOML file (or JSON, by its suffix), one table each; the shipped catalogue does not change.

    Parameters
    ----------
    path : path
        The header of a table is the key, its fields are those of `LLM`; `name` is the key unless given.

    Returns
    -------
    dict of str to LLM
        By key, in the file's order.

    Raises
    ------
    CatalogError
        Where a table is not an LLM, or two share a name; the message names file, table, field and what is accepted.
        It is a ``ValueError``.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "mine.toml"
    >>> _ = path.write_text('''
    ... [tiny]
    ... family = "mine"
    ... layers = 2
    ... hidden = 64
    ... heads = 4
    ... kv_heads = 2
    ... head_dim = 16
    ... intermediate = 128
    ... vocab = 1000
    ... tied_embeddings = true
    ... max_context = 512
    ... ''')
    >>> load_llms(path)["tiny"].parameters
    138048
    """
    file = Path(path)
    llms = _parse(file.read_bytes(), file.name)
    _index(llms, file.name)
    return llms


def _tables(raw: bytes, file: str) -> dict[str, Any]:
    """Return the tables of a TOML or JSON file."""
    import json  # both here, so that importing the package stays cheap
    import tomllib

    try:
        text = raw.decode("utf-8-sig")
        tables = json.loads(text) if file.lower().endswith(".json") else tomllib.loads(text)
    except ValueError as error:  # of the text's encoding, or of its form
        raise CatalogError(f"{file}: cannot be read: {error}") from None
    if not isinstance(tables, dict):
        raise CatalogError(f"{file}: should hold one table per LLM")
    return tables


def _parse(raw: bytes, file: str) -> dict[str, LLM]:
    """Return the LLMs of a file, by key."""
    llms = {}
    for key, table in _tables(raw, file).items():
        if not isinstance(table, dict):
            raise CatalogError(f"{file}: {key}: should be a table that describes an LLM, not {table!r}")
        if "key" in table:
            raise CatalogError(f"{file}: [{key}]: key: the header of the table is the key")
        try:
            llms[key] = LLM.model_validate({"key": key, "name": key} | table)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors(include_url=False)]
            raise CatalogError(f"{file}: [{key}]: " + "; ".join(lines)) from None
    return llms


def _normal(name: str) -> str:
    """Return `name` as it is looked up: lower case, hyphens for blanks and underscores."""
    return re.sub(r"[\s_-]+", "-", name.strip().lower())


def _index(llms: Mapping[str, LLM], file: str) -> dict[str, str]:
    """Return the key that each name, alias and Hugging Face id stands for."""
    names: dict[str, str] = {}
    for key, llm in llms.items():
        for name in dict.fromkeys(map(_normal, (key, llm.name, *llm.aliases, *llm.huggingface_ids))):
            other = names.setdefault(name, key)
            if other != key:
                raise CatalogError(f"{file}: [{key}]: the name {name!r} already stands for {other}")
    return names


@cache
def _catalogue() -> Mapping[str, LLM]:
    """Return the shipped LLMs, by key."""
    from importlib.resources import files

    llms: dict[str, LLM] = {}
    shipped = (files("roofline") / "catalog").iterdir()
    for file in sorted((file for file in shipped if file.name.endswith(".toml")), key=lambda file: file.name):
        found = _parse(file.read_bytes(), file.name)
        for key, llm in found.items():
            if "default" not in llm.sources:
                raise CatalogError(f"{file.name}: [{key}]: sources.default: is required")
            if key in llms:
                raise CatalogError(f"{file.name}: [{key}]: another file has this key")
        llms |= found
    return MappingProxyType(llms)


@cache
def _names() -> Mapping[str, str]:
    """Return the shipped key that each name stands for."""
    return MappingProxyType(_index(_catalogue(), "roofline/catalog"))
