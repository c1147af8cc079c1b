"""The array namespace of a computation: NumPy, JAX, Dask, CuPy, or whatever the arguments are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

Array: TypeAlias = Any
"""A number, or an array of any library that follows the Python array API; there is no common static type."""


_NUMPY = (int, float, np.ndarray, np.generic)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def floats(value: Array) -> Array:
    """Return an array of integers in 64-bit floats, since products of counts wrap around; anything else as it is."""
    if isinstance(value, int | float) or not is_array_api_obj(value):
        return value
    xp = array_namespace(value)
    return xp.astype(value, xp.float64) if xp.isdtype(value.dtype, "integral") else value


def in_floats(formula: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a formula of keyword arguments count in floats, whatever it is given."""

    @wraps(formula)
    def counted(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given: dict[str, Any] = {name: floats(value) for name, value in kwargs.items()}
        return formula(*args, **given)

    return counted


def namespace(*values: Array) -> Any:
    """Return the array namespace that `values` share; NumPy when all of them are plain numbers."""
    if all(isinstance(value, _NUMPY) for value in values):
        return np  # the usual case, without the search
    arrays = [value for value in values if is_array_api_obj(value)]
    return array_namespace(*arrays) if arrays else np


def is_traced(value: Array) -> bool:
    """Whether an array has no values yet, since JAX is compiling or differentiating."""
    return any(base.__name__ == "Tracer" for base in type(value).__mro__)


def maximum(first: Array, *others: Array) -> Array:
    """Elementwise largest of one or more arrays or numbers, broadcast together."""
    largest = first
    for other in others:
        xp = namespace(largest, other)
        largest = xp.maximum(xp.asarray(largest), xp.asarray(other))
    return largest


def minimum(first: Array, second: Array) -> Array:
    """Elementwise smaller of two arrays or numbers, broadcast together."""
    xp = namespace(first, second)
    return xp.minimum(xp.asarray(first), xp.asarray(second))


def where(condition: Array, first: Array, second: Array) -> Array:
    """Elements of `first` where a condition holds, else of `second`; numbers too, which the standard only takes now."""
    xp = namespace(condition, first, second)
    first, second = (
        xp.asarray(value, dtype=xp.float64) if isinstance(value, int | float) else value for value in (first, second)
    )
    return xp.where(condition, first, second)


def ceil(value: Array) -> Array:
    """Round up; a plain number stays one."""
    if isinstance(value, int | float):
        return float(math.ceil(value))
    xp = namespace(value)
    return xp.ceil(xp.asarray(value))
