"""Published accuracies of quantised LLMs, and those of a user's file: read from TOML when first asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hardware_specs.errors import CatalogError, UnknownNameError
from roofline.llm_catalog import get_llm
from roofline.quality import Accuracy

if TYPE_CHECKING:
    import os


@cache
def shipped() -> tuple[Accuracy, ...]:
    """Return the accuracies that the package ships, in the order of their files.

    Examples
    --------
    >>> len(shipped())
    16
    """
    from importlib.resources import files

    found = (files("roofline") / "quality_catalog").iterdir()
    toml = sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(row for file in toml for row in _parse(file.read_bytes(), file.name))


def load(path: str | os.PathLike[str]) -> tuple[Accuracy, ...]:
    """Return the accuracies of a TOML file (or JSON, by its suffix); see :func:`roofline.quality.load`.

    Parameters
    ----------
    path : path
        One table per study.

    Examples
    --------
    >>> from importlib.resources import as_file, files
    >>> with as_file(files("roofline") / "quality_catalog" / "kim2025.toml") as path:
    ...     load(path) == shipped()
    True
    """
    file = Path(path)
    return _parse(file.read_bytes(), file.name)


def llm_key(name: str) -> str:
    """Return the catalogue key that a name stands for; a name that the catalogue does not know stands for itself.

    Parameters
    ----------
    name : str
        As `roofline.get_llm` accepts it, or the key of an LLM of one's own.

    Examples
    --------
    >>> llm_key("meta-llama/Llama-3.1-8B-Instruct"), llm_key("my-llm")
    ('llama-3.1-8b', 'my-llm')
    """
    try:
        return get_llm(name).key
    except UnknownNameError:
        return name


def _parse(raw: bytes, file: str) -> tuple[Accuracy, ...]:
    """Return the rows of a file, each with what its study says of all."""
    import json  # both here, so that importing the package stays cheap
    import tomllib

    try:
        text = raw.decode("utf-8-sig")
        studies = json.loads(text) if file.lower().endswith(".json") else tomllib.loads(text)
    except ValueError as error:  # of the text's encoding, or of its form
        raise CatalogError(f"{file}: cannot be read: {error}") from None
    if not isinstance(studies, dict):
        raise CatalogError(f"{file}: should hold one table per study")
    return tuple(row for study, table in studies.items() for row in _study(file, study, table))


def _study(file: str, study: str, table: Any) -> list[Accuracy]:
    if not isinstance(table, dict) or not isinstance(table.get("rows"), list) or not table["rows"]:
        raise CatalogError(f"{file}: [{study}]: should be a table with rows = [...]")
    common = {name: value for name, value in table.items() if name != "rows"}
    found = []
    for number, row in enumerate(table["rows"], start=1):
        where = f"{file}: [{study}] row {number}"
        if not isinstance(row, dict):
            raise CatalogError(f"{where}: should be a table, not {row!r}")
        try:
            found.append(Accuracy.model_validate(common | row | {"study": study}))
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, line['loc']))}: {line['msg']}" for line in error.errors(include_url=False)]
            raise CatalogError(f"{where}: " + "; ".join(lines)) from None
    return found
