"""Formulas that check their arguments: what the public functions of `tco` share."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, cast

import numpy as np

from roofline._arrays import Array, in_floats, is_traced, namespace
from roofline._validation import count as single
from roofline._validation import number

__all__ = [
    "AT_LEAST_ZERO",
    "POSITIVE",
    "Checked",
    "Limits",
    "alike",
    "amounts",
    "checked",
    "given",
    "is_more",
    "single",
]


class Limits(TypedDict, total=False):
    """What an argument may be, and whether a message hides it; without a word on that its name decides."""

    above: float
    at_least: float
    at_most: float
    whole: bool
    private: bool


# The ends keep products and quotients of a few arguments finite.
AT_LEAST_ZERO: Limits = {"at_least": 0.0, "at_most": 1e30}
POSITIVE: Limits = {"at_least": 1e-30, "at_most": 1e30}

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Checked(Protocol[_P, _R]):
    """A function that checks its arguments, with its bare formula as ``pure`` for inner loops."""

    pure: Callable[_P, _R]

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Check the arguments, then compute."""


def given(field: str, value: Any, **limits: Unpack[Limits]) -> Array:
    """Check a number or an array like :func:`roofline._validation.number`, without showing dollars, powers and rates.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    value : number or array-like
        What to check.
    **limits : Limits
        What is accepted.

    Raises
    ------
    ValueError
        Not a finite number within the bounds.

    Examples
    --------
    >>> given("capital", -4_000, at_least=0, private=True)
    Traceback (most recent call last):
    ...
    ValueError: capital is not accepted: give a finite number of at least 0
    """
    try:
        return number(
            field,
            value,
            above=limits.get("above"),
            at_least=limits.get("at_least"),
            at_most=limits.get("at_most"),
            whole=limits.get("whole", False),
        )
    except ValueError as error:
        if not limits.get("private", _is_private(field)):
            raise
        text = str(error)
    raise ValueError(re.sub(r" = .* is not accepted", " is not accepted", text, flags=re.DOTALL))


def amounts(positive: tuple[str, ...] = (), /, **fields: Any) -> tuple[Array, ...]:
    """Check amounts of at least 0, above it where named in `positive`, in the order given; no message shows one."""
    checked_amounts = {
        field: given(field, value, **(POSITIVE if field in positive else AT_LEAST_ZERO) | Limits(private=True))
        for field, value in fields.items()
    }
    return tuple(alike(checked_amounts).values())


def alike(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn NumPy arrays and numbers into arrays of the library that others are of; flags and what is absent stay."""
    foreign = [
        value for value in values.values() if not isinstance(value, np.ndarray | np.generic | float | int | None)
    ]
    if not foreign:
        return dict(values)
    xp = namespace(*foreign)
    return {
        name: value if value is None or isinstance(value, bool) else xp.asarray(value, dtype=xp.float64)
        for name, value in values.items()
    }


def checked(
    *relations: Callable[[Mapping[str, Any]], None], **limits: Limits
) -> Callable[[Callable[_P, _R]], Checked[_P, _R]]:
    """Make a formula of keywords check its numbers against `limits`, its flags, and then `relations` between them.

    A relation raises ``ValueError`` for arguments that do not go together. A number whose default is ``None`` may be
    left out. Beside an array of another library everything becomes one of its arrays; while JAX compiles or
    differentiates there is no value yet, and nothing is checked. Where the result is an array it is finite.

    Examples
    --------
    >>> @checked(rate=Limits(at_least=0), capital=Limits(private=True))
    ... def interest(*, capital, rate):
    ...     return capital * rate
    >>> interest(capital=[100, 200], rate=0.05), interest.pure(capital=100, rate=0.05)
    (array([ 5., 10.]), 5.0)
    >>> interest(capital="4,000", rate=0.05)
    Traceback (most recent call last):
    ...
    ValueError: capital is not accepted: give a finite number
    """

    def decorate(formula: Callable[_P, _R]) -> Checked[_P, _R]:
        signature = inspect.signature(formula)
        optional = {name for name, parameter in signature.parameters.items() if parameter.default is None}

        @wraps(formula)
        def function(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            arguments = signature.bind(*args, **kwargs).arguments  # says what is missing or unknown, as Python does
            for name, value in arguments.items():
                if value is None and name in optional:
                    continue
                if name in limits:
                    arguments[name] = given(name, value, **limits[name])
                elif not isinstance(value, bool):
                    raise ValueError(f"{name} = {value!r} is not accepted: give True or False")
            arguments = alike(arguments)
            if relations and not any(map(is_traced, arguments.values())):
                for relation in relations:
                    relation(arguments)
            with np.errstate(all="ignore"):  # what is not finite is refused below, with a reason
                result = formula(**arguments)  # type: ignore[call-arg]  # bound to the signature above
            if not _is_finite(result):
                raise ValueError(
                    f"{formula.__name__} is not finite for these {', '.join(arguments)}: "
                    "they are too large, or what it divides by is 0"
                )
            return cast("_R", result[()]) if isinstance(result, np.ndarray) else result

        function.pure = in_floats(formula)  # type: ignore[attr-defined]  # see Checked
        return cast("Checked[_P, _R]", function)

    return decorate


def is_more(first: Array, second: Array) -> bool:
    """Whether any element of the first is above that of the second."""
    xp = namespace(first, second)
    return bool(xp.any(xp.asarray(first > second)))


def _is_private(field: str) -> bool:
    return field.endswith("per_s") or bool({"usd", "w", "kw", "kwh"} & set(field.split("_")))


def _is_finite(result: Any) -> bool:
    if isinstance(result, np.generic | float):
        return math.isfinite(result)
    if is_traced(result) or not hasattr(result, "dtype"):
        return True
    xp = namespace(result)
    return not xp.isdtype(result.dtype, "real floating") or bool(xp.all(xp.isfinite(result)))
