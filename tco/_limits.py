"""Public formulas: their arguments checked once, the unchecked formula kept beside them for inner loops."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypedDict, Unpack, cast

import numpy as np

from roofline._arrays import Array, in_floats, is_traced, namespace
from roofline._validation import number

_P = ParamSpec("_P")
_P_co = ParamSpec("_P_co")


class Limits(TypedDict, total=False):
    """What an argument may be: a finite number within bounds, and one that no message shows if it is `private`."""

    above: float
    at_least: float
    at_most: float
    private: bool


class Formula(Protocol[_P_co]):
    """A public formula: called, it checks its arguments; `pure` does not."""

    @property
    def pure(self) -> Callable[_P_co, Array]:
        """The formula itself, for inner loops over arguments that were checked before."""

    def __call__(self, *args: _P_co.args, **kwargs: _P_co.kwargs) -> Array:
        """Check the arguments and compute."""


def within(field: str, value: Any, **limits: Unpack[Limits]) -> Array:
    """Check a number or an array like :func:`roofline._validation.number`, without showing a private value.

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
    >>> within("capital", -4_000, at_least=0, private=True)
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
        )
    except ValueError as error:
        if not limits.get("private", False):
            raise
        message = re.sub(r" = .* is not accepted", " is not accepted", str(error), flags=re.DOTALL)
    raise ValueError(message)


def checked(**limits: Limits) -> Callable[[Callable[_P, Array]], Formula[_P]]:
    """Make a formula of keyword arguments a public one, which checks its arguments and that its result is finite.

    Numbers give a number, arrays an array. Beside an array of another library everything becomes one of its arrays;
    while JAX compiles or differentiates there is no value yet, and nothing is checked.

    Parameters
    ----------
    **limits : Limits
        By argument; every argument of the formula has one.

    Returns
    -------
    callable
        A decorator. What it makes has the formula unchecked as its attribute ``pure``.

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

    def publish(formula: Callable[_P, Array]) -> Formula[_P]:
        @wraps(formula)
        def public(*args: _P.args, **kwargs: _P.kwargs) -> Array:
            # A name without limits is no argument of the formula, which says so itself.
            given: dict[str, Any] = {
                name: within(name, value, **limits[name]) if name in limits else value for name, value in kwargs.items()
            }
            foreign = [value for value in given.values() if not isinstance(value, np.ndarray)]
            if foreign:
                xp = namespace(*foreign)
                given = {k: xp.asarray(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
            with np.errstate(all="ignore"):  # what is not finite is refused below, with a reason
                result = formula(*args, **given)
            if not _is_finite(result):
                raise ValueError(
                    f"{formula.__name__} is not finite for these {', '.join(kwargs)}: "
                    "they are too large, or what it divides by is 0"
                )
            return result[()] if isinstance(result, np.ndarray) else result

        public.pure = in_floats(formula)  # type: ignore[attr-defined]
        return cast("Formula[_P]", public)

    return publish


def _is_finite(result: Array) -> bool:
    if isinstance(result, np.generic):
        return math.isfinite(result)
    if is_traced(result):
        return True
    xp = namespace(result)
    return bool(xp.all(xp.isfinite(result)))
