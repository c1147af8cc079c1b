"""The array namespace of a computation: NumPy, JAX, Dask, CuPy, or whatever the arguments are made of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

Array: TypeAlias = Any
"""A number, or an array of any library that follows the Python array API; there is no common static type."""


def namespace(*values: Array) -> Any:
    """Return the array namespace that `values` share; NumPy when all of them are plain numbers."""
    arrays = [value for value in values if is_array_api_obj(value)]
    return array_namespace(*arrays) if arrays else np


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
