"""The Pareto front of latency against throughput."""

from __future__ import annotations

from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import number


def pareto_front(latency: Any, throughput: Any) -> Array:
    """Points that no other point beats: lower latency, or more throughput at the same.

    Parameters
    ----------
    latency : array
        One per configuration; less is better. Any unit.
    throughput : array
        One per configuration; more is better. Any unit.

    Returns
    -------
    array of int
        Indices of the front, by rising latency; along them throughput rises too, both strictly. Of equal points the
        first is kept.

    Raises
    ------
    ValueError
        Not finite, or not two lists of the same length.

    Examples
    --------
    >>> pareto_front([1.0, 2.0, 3.0, 2.0], [10.0, 5.0, 30.0, 20.0])
    array([0, 3, 2])
    """
    latencies, throughputs = number("latency", latency), number("throughput", throughput)
    if latencies.ndim != 1 or latencies.shape != throughputs.shape:
        raise ValueError(
            f"latency of shape {latencies.shape} and throughput of shape {throughputs.shape} are not accepted: "
            "give two lists of the same length"
        )
    order = np.lexsort((-throughputs, latencies))
    ranked = throughputs[order]
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(ranked)[:-1]])
    return order[ranked > best_before]
