"""Checks of the public functions: one clear error with the field, the value and what is accepted."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj, is_numpy_array

from roofline._arrays import Array, is_traced, namespace


def number(
    field: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> Array:
    """Check a number or an array of numbers and return it as float64.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    value : number or array-like
        Python numbers, sequences and NumPy arrays become NumPy float64; arrays of other libraries stay what they are.
    above, at_least, at_most : float, optional
        Bounds; `above` excludes its value.
    whole : bool
        Accept whole numbers only.

    Returns
    -------
    array
        Same shape as `value`; a scalar gives shape ``()``.

    Raises
    ------
    ValueError
        A boolean, a string, NaN, an infinity, or a value outside the bounds.

    Examples
    --------
    >>> number("batch", [1, 8], at_least=1, whole=True)
    array([1., 8.])
    >>> number("batch", 0, at_least=1, whole=True)
    Traceback (most recent call last):
    ...
    ValueError: batch = 0 is not accepted: give a whole number of at least 1
    """
    if type(value) in (int, float):  # the usual scalar, in a few comparisons
        plain = float(value)
        if (
            -math.inf < plain < math.inf
            and (above is None or plain > above)
            and (at_least is None or plain >= at_least)
            and (at_most is None or plain <= at_most)
            and (not whole or plain == math.floor(plain))
        ):
            return np.asarray(plain)
    accepted = _accepted(above, at_least, at_most, whole)
    foreign = is_array_api_obj(value) and not is_numpy_array(value) and not isinstance(value, np.generic)
    if foreign:
        array = _in_64_bits(field, value, accepted)
        if is_traced(array):
            return array  # while JAX compiles or differentiates there is no value yet that could be checked
    elif isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{field} is a masked array, whose mask would be lost: fill it, or give .compressed()")
    else:
        try:
            array = np.asarray(value)
        except ValueError:
            raise ValueError(f"{field} is a list of unlike parts: give {accepted}, or an array of them") from None
        if array.dtype.kind not in "iuf" or _holds_booleans(value):
            raise ValueError(f"{field} = {value!r} is not accepted: give {accepted}")
        array = array.astype(np.float64, copy=False)
    if array.size == 0:
        raise ValueError(f"{field} is empty: give {accepted}")
    # The extremes settle every bound, and NaN shows in both: two passes, however many bounds there are.
    xp = namespace(array)
    low, high = xp.min(array), xp.max(array)
    if is_traced(low):
        return array  # a plain JAX array within a function that is being compiled
    if not (bool(low > -np.inf) and bool(high < np.inf)):
        raise _refused(field, array[~((array > -np.inf) & (array < np.inf))] if array.shape else array, accepted)
    if above is not None and bool(low <= above):
        raise _refused(field, low, accepted)
    if at_least is not None and bool(low < at_least):
        raise _refused(field, low, accepted)
    if at_most is not None and bool(high > at_most):
        raise _refused(field, high, accepted)
    if whole and bool(xp.any(broken := xp.floor(array) != array)):
        raise _refused(field, array[broken] if array.shape else array, accepted)
    return array


def count(field: str, value: Any, *, at_least: int = 1, at_most: int | None = None) -> int:
    """Check a single whole number and return it as an int.

    Parameters are those of :func:`number`.

    Raises
    ------
    ValueError
        Not one whole number within the bounds.

    Examples
    --------
    >>> count("tensor_parallel", 2)
    2
    """
    if type(value) is int and value >= at_least and (at_most is None or value <= at_most):
        return value
    array = number(field, value, at_least=at_least, at_most=at_most, whole=True)
    if array.shape != ():
        raise ValueError(f"{field} = {value!r} is not accepted: give one whole number")
    return int(array)


def choice(field: str, value: Any, options: tuple[str, ...]) -> str:
    """Check that a value is one of a few words.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    value : object
        The value given.
    options : tuple of str
        What is accepted.

    Raises
    ------
    ValueError
        Anything else.

    Examples
    --------
    >>> choice("logits", "last", ("last", "all"))
    'last'
    """
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{field} = {value!r} is not accepted: give one of {', '.join(map(repr, options))}")
    return value


def _in_64_bits(field: str, array: Array, accepted: str) -> Array:
    """Return an array of another library in 64-bit floats; JAX has none until it is told to."""
    xp = namespace(array)
    if not xp.isdtype(array.dtype, ("integral", "real floating")):
        raise ValueError(f"{field} of {array.dtype} is not accepted: give {accepted}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns that it truncates; the error below says more
        array = xp.astype(array, xp.float64)
    if array.dtype != xp.float64:
        raise ValueError(f"{field} would be counted in {array.dtype}: first jax.config.update('jax_enable_x64', True)")
    return array


def _holds_booleans(value: Any) -> bool:
    # NumPy turns [True, 2] into integers, so the booleans are gone before its dtype can tell.
    return isinstance(value, list | tuple) and any(
        isinstance(item, bool | np.bool_) or _holds_booleans(item) for item in value
    )


def _accepted(above: float | None, at_least: float | None, at_most: float | None, whole: bool) -> str:
    kind = "a whole number" if whole else "a finite number"
    bounds = [
        text
        for bound, text in (
            (above, f"above {above:g}" if above is not None else ""),
            (at_least, f"of at least {at_least:g}" if at_least is not None else ""),
            (at_most, f"of at most {at_most:,.12g}" if at_most is not None else ""),
        )
        if bound is not None
    ]
    return " ".join([kind, " and ".join(bounds)]).strip()


def _refused(field: str, offending: Any, accepted: str) -> ValueError:
    first = np.asarray(offending).reshape(-1)[0]
    return ValueError(f"{field} = {first:.15g} is not accepted: give {accepted}")
