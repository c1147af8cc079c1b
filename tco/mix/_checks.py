"""What a mix is given: one number for each application, checked and put beside one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from roofline._arrays import Array, is_traced, namespace
from tco._checked import Limits, given

SMALLEST, LARGEST = 1e-100, 1e100
"""Of a rate or a cost: their quotients stay finite."""


def alike(*arrays: Array) -> tuple[Any, tuple[Array, ...]]:
    """Return the namespace of checked arrays and all of them in it: NumPy, unless one is of another library."""
    xp = namespace(*[array for array in arrays if not isinstance(array, np.ndarray)] or arrays)
    return xp, tuple(xp.asarray(array) for array in arrays)


def positive(field: str, value: Any, *, private: bool | None = None) -> Array:
    """Check numbers above 0; a message does not show private ones, which the name tells where `private` does not."""
    limits: Limits = {"at_least": SMALLEST, "at_most": LARGEST}
    return given(field, value, **limits if private is None else limits | {"private": private})


def per_application(field: str, value: Any, *, axis: int = -1, at_least: float = SMALLEST) -> Array:
    """Check numbers that have an axis of applications, and return them with that axis last."""
    array = given(field, value, private=False, at_least=at_least, at_most=LARGEST)
    if array.ndim == 0:
        raise ValueError(f"{field} is a single number: give one for each application")
    if array.ndim == 1:
        return array  # whatever `axis` says of the others, it has but this one
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis = {axis!r} is not accepted: {field} has {array.ndim} dimensions")
    return namespace(array).moveaxis(array, axis, -1)


def weights(field: str, value: Any, *, axis: int = -1) -> Array:
    """Check weights of applications, and return them adding up to 1 over the last axis."""
    array = per_application(field, value, axis=axis, at_least=0.0)
    xp = namespace(array)
    total = xp.sum(array, axis=-1, keepdims=True)
    if not is_traced(total) and bool(xp.any(total <= 0)):
        raise ValueError(f"{field} are all 0: give at least one application a share above 0")
    return array / total


def same_applications(**arrays: Array) -> None:
    """Refuse arrays of unlike numbers of applications, or whose other axes do not broadcast."""
    sizes = {name: array.shape[-1] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            "unlike numbers of applications: " + ", ".join(f"{name} has {size}" for name, size in sizes.items())
        )
    shapes = {name: array.shape for name, array in arrays.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(
            "shapes that do not broadcast: " + ", ".join(f"{name} has {shape}" for name, shape in shapes.items())
        ) from None
