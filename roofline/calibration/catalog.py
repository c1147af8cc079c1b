"""The calibrations that come with the library, and files of the same form: reading and writing them."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware_specs import CatalogError, UnknownNameError
from hardware_specs.errors import did_you_mean
from roofline.calibration.record import Calibration, Errors, Losses
from roofline.measurements import names
from roofline.spread import Spread

if TYPE_CHECKING:
    import os

_DIGITS = 4


@functools.cache
def calibrations() -> tuple[Calibration, ...]:
    """Return all calibrations that come with the library.

    Examples
    --------
    >>> {(one.accelerator, one.framework) for one in calibrations()} >= {("h100-sxm", "vLLM")}
    True
    """
    folder = files("roofline") / "calibration" / "calibrations"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(one for file in found for one in _parse(file.read_text(encoding="utf-8"), file.name))


def calibration_names() -> tuple[tuple[str, str, str], ...]:
    """Return accelerator, framework and version of each calibration that comes with the library.

    Examples
    --------
    >>> ("gaudi-2", "DeepSpeed", "") in calibration_names()
    True
    """
    return tuple((one.accelerator, one.framework, one.version) for one in calibrations())


def get_calibration(accelerator: str, framework: str | None = None, *, precision: str | None = None) -> Calibration:
    """Return a calibration that comes with the library.

    Parameters
    ----------
    accelerator : str
        Key or alias.
    framework : str, optional
        Software, with or without its version; case does not matter. Of several that it may mean, those that were
        measured in `precision` come first, then those with batches of several sequences, and of these the one with the
        smallest error on models held out.
    precision : str, optional
        Precision policy that it should have been measured in, as far as there is one.

    Returns
    -------
    Calibration

    Raises
    ------
    UnknownNameError
        There is none; the message names those that there are.

    Examples
    --------
    >>> get_calibration("h100", framework="vllm").framework
    'vLLM'
    """
    mapped = names.accelerator(accelerator) if isinstance(accelerator, str) else None
    key = accelerator if mapped is None else mapped.key
    of_machine = [one for one in calibrations() if one.accelerator == key]
    if not of_machine:
        known = sorted({one.accelerator for one in calibrations()})
        raise UnknownNameError(
            f"no calibration of {accelerator!r}{did_you_mean(str(key), known)}: there are {', '.join(known)}"
        )
    if framework is not None:
        wanted = (framework.lower(), names.framework(framework).lower())
        found = [one for one in of_machine if one.software.lower() in wanted or one.framework.lower() in wanted]
        if not found:
            there = ", ".join(one.software for one in of_machine)
            raise UnknownNameError(f"no calibration of {key} with {framework!r}: there are {there}")
        exact = [one for one in found if one.software.lower() in wanted]
        of_machine = exact if precision is None and exact else found

    def rank(one: Calibration) -> tuple[bool, bool, float]:
        error = one.error.leave_one_model_out
        unlike = precision is not None and precision not in one.within.get("precision", ())
        return unlike, one.within.get("batch", (1, 1))[1] == 1, 1.0 if error is None else error

    return min(of_machine, key=rank)


def load_calibrations(path: str | os.PathLike[str]) -> tuple[Calibration, ...]:
    """Return the calibrations of a file, as :func:`save_calibrations` writes it.

    Parameters
    ----------
    path : path
        A TOML file.

    Raises
    ------
    CatalogError
        The file cannot be used; the message says where.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "mine.toml"
    >>> save_calibrations([get_calibration("h100-sxm", "vLLM")], path)
    >>> load_calibrations(path)[0].framework
    'vLLM'
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogError(f"{file.name}: not UTF-8 text (byte {error.start})") from None
    return _parse(text, file.name)


def save_calibrations(calibrations: Iterable[Calibration], path: str | os.PathLike[str]) -> None:
    """Write calibrations to a TOML file.

    Parameters
    ----------
    calibrations : iterable of Calibration
        At most one for each accelerator and framework.
    path : path
        The file; one that is there is written over.

    Examples
    --------
    See :func:`load_calibrations`.

    >>> save_calibrations([], getfixture("tmp_path") / "none.toml")
    """
    Path(path).write_text("\n".join(_toml(one) for one in calibrations), encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------- the format


def _toml(one: Calibration) -> str:
    lines = [
        f"[{_slug(one.accelerator)}.{_slug(one.software)}]",
        f"accelerator = {json.dumps(one.accelerator)}",
        f"framework = {json.dumps(one.framework, ensure_ascii=False)}",
        f"version = {json.dumps(one.version, ensure_ascii=False)}",
        f"date = {json.dumps(one.date)}",
        f"sources = {json.dumps(list(one.sources), ensure_ascii=False)}",
        *(f"within.{name} = {_value(list(value))}" for name, value in one.within.items()),
    ]
    for title, losses in (("one", one.one), ("several", one.several)):
        if losses is None:
            continue
        head = f"[{_slug(one.accelerator)}.{_slug(one.software)}.{title}"
        error = losses.error
        lines += [
            "",
            f"{head}.constants]",
            *(f"{name} = {_value(losses.constants[name])}" for name in losses.weights or losses.constants),
            "",
            f"{head}.weights]",
            *(f"{name} = {_value(value, 2)}" for name, value in losses.weights.items()),
            "",
            f"{head}.spread]",
            f"scale = {_value(losses.spread.scale)}",
            f"freedom = {_value(losses.spread.freedom)}",
            "",
            f"{head}.error]",
            f"runs = {error.runs}",
            f"llms = {json.dumps(list(error.llms))}",
            f"fit = {_value(error.fit)}",
            *(
                f"{name} = {_value(value)}"
                for name in ("leave_one_model_out", "leave_one_batch_out")
                if (value := getattr(error, name)) is not None
            ),
            *(f"by_llm.{json.dumps(llm)} = {_value(value)}" for llm, value in error.by_llm.items()),
        ]
    return "\n".join(lines) + "\n"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "unnamed"


def _value(value: Any, digits: int = _DIGITS) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item, digits) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = f"{float(value):.{digits}g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def _parse(text: str, label: str) -> tuple[Calibration, ...]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{label}: not valid TOML: {error}") from None
    found = []
    for machine, of_machine in tables.items():
        if not isinstance(of_machine, Mapping):
            raise CatalogError(f"{label}: {machine}: should be a table of calibrations")
        for software, table in of_machine.items():
            try:
                found.append(_calibration(table))
            except (KeyError, TypeError, ValueError) as error:
                reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise CatalogError(f"{label}: [{machine}.{software}]: {reason}") from None
    return tuple(found)


def _calibration(table: Mapping[str, Any]) -> Calibration:
    return Calibration(
        accelerator=table["accelerator"],
        framework=table["framework"],
        version=table.get("version", ""),
        one=_losses(table["one"]),
        several=_losses(table["several"]) if "several" in table else None,
        within={name: tuple(value) for name, value in table.get("within", {}).items()},
        sources=tuple(table.get("sources", ())),
        date=table.get("date", ""),
    )


def _losses(table: Mapping[str, Any]) -> Losses:
    error = dict(table["error"])
    return Losses(
        constants=table["constants"],
        weights=table.get("weights", {}),
        error=Errors(**error | {"llms": tuple(error["llms"])}),
        spread=Spread(**table["spread"]),
    )
