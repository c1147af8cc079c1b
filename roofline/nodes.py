"""The decode steps of a generation as a few contexts that stand for all of them."""

from __future__ import annotations

import numpy as np

from roofline._arrays import Array

ORDER = 5
"""Contexts a generation: a step's time is a line in its context but where another ceiling takes over."""


def context_nodes(first: Array, last: Array, order: int = ORDER) -> tuple[Array, Array]:
    """Contexts and weights with which a sum over decode steps is that of a few of them (Gauss-Legendre).

    Exact for whatever is a polynomial in the context of a degree below twice the order; a kink costs 1e-3 and less.

    Parameters
    ----------
    first, last : array
        Contexts of the first and the last step, of any one shape [token]; `last` below `first` is no step at all.
    order : int
        Contexts for each.

    Returns
    -------
    contexts, weights : array
        With one more axis, in front, of length `order`; the weights add up to the number of steps.

    Examples
    --------
    >>> contexts, weights = context_nodes(np.array(101.0), np.array(200.0))
    >>> round(float((weights * contexts).sum()), 6), sum(range(101, 201))
    (15050.0, 15050)
    """
    at, share = np.polynomial.legendre.leggauss(order)
    first, last = np.asarray(first, dtype=np.float64), np.asarray(last, dtype=np.float64)
    steps = np.maximum(last - first + 1, 0.0)
    shape = (-1, *(1,) * steps.ndim)
    contexts = (first + last) / 2 + steps / 2 * at.reshape(shape)
    return np.maximum(contexts, 1.0), steps / 2 * share.reshape(shape)
