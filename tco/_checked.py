"""Formulas that check their arguments: what :mod:`tco.capacity` and :mod:`tco.environment` share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast

import numpy as np

from roofline._arrays import Array, is_traced, namespace
from roofline._validation import count as single
from roofline._validation import number

__all__ = ["AT_LEAST_ZERO", "POSITIVE", "Checked", "Limits", "checked", "given", "is_more", "single"]


class Limits(TypedDict, total=False):
    """Bounds of an argument, ends included."""

    at_least: float
    at_most: float


# The ends keep products and quotients of a few arguments finite.
AT_LEAST_ZERO: Limits = {"at_least": 0.0, "at_most": 1e30}
POSITIVE: Limits = {"at_least": 1e-30, "at_most": 1e30}

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Checked(Protocol[_P, _R]):
    """A function that checks its arguments, with its bare formula as ``pure``."""

    pure: Callable[_P, _R]

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Check the arguments, then compute."""


def given(field: str, value: Any, *, private: bool | None = None, **limits: Unpack[Limits]) -> Array:
    """Check a number or an array like :func:`roofline._validation.number`, without showing dollars and powers."""
    try:
        return number(field, value, **limits)
    except ValueError as error:
        if not (_is_private(field) if private is None else private):
            raise
        text = str(error)
    raise ValueError(re.sub(r" = .* is not accepted", " is not accepted", text, flags=re.DOTALL))


def checked(
    *relations: Callable[[Mapping[str, Any]], None], **limits: Limits
) -> Callable[[Callable[_P, _R]], Checked[_P, _R]]:
    """Make a formula of keywords check its numbers against `limits`, its flags, and then `relations` between them.

    A relation raises ``ValueError`` for arguments that do not go together; it is skipped where JAX traces.
    """

    def decorate(formula: Callable[_P, _R]) -> Checked[_P, _R]:
        signature = inspect.signature(formula)

        @wraps(formula)
        def function(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            arguments = signature.bind(*args, **kwargs).arguments  # says what is missing or unknown, as Python does
            for name, value in arguments.items():
                if name in limits:
                    arguments[name] = given(name, value, **limits[name])
                elif not isinstance(value, bool):
                    raise ValueError(f"{name} = {value!r} is not accepted: give True or False")
            values = list(arguments.values())
            if not all(isinstance(value, np.ndarray | bool) for value in values):
                # Beside an array of another library a single number stays a plain one, which mixes with any.
                for name, value in arguments.items():
                    if isinstance(value, np.ndarray) and value.shape == ():
                        arguments[name] = float(value)
            if relations and not any(map(is_traced, values)):
                for relation in relations:
                    relation(arguments)
            return formula(**arguments)  # type: ignore[call-arg]

        function.pure = formula  # type: ignore[attr-defined]
        return cast("Checked[_P, _R]", function)

    return decorate


def is_more(first: Array, second: Array) -> bool:
    """Whether any element of the first is above that of the second."""
    xp = namespace(first, second)
    return bool(xp.any(xp.asarray(first > second)))


def _is_private(field: str) -> bool:
    return bool({"usd", "w", "kw", "kwh"} & set(field.split("_")))
