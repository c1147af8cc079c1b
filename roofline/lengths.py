"""Sequences of unlike lengths in one batch.

A step's work depends on the batch through sums over its sequences: ``Σ sᵢ`` in Kim Eq. 8, ``Σ sᵢ²`` in a prefill, and
``Σ min(sᵢ, window)`` where attention is local. A mean length gives only the first of these right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roofline._arrays import Array


@dataclass(frozen=True)
class Lengths:
    """Lengths of the sequences of a batch, or how they are distributed.

    Wherever a phase asks for ``prompt_tokens`` or ``context_tokens``, lengths may be given instead of a number: every
    sequence of the batch then has one of them, in proportion to the weights.

    Attributes
    ----------
    values : sequence of int
        Lengths [token], each at least 1.
    weights : sequence of float, optional
        How often each occurs, in any unit; alike if absent.

    Raises
    ------
    ValueError
        No length, one below 1 or not whole, or weights that are not one per length, all positive.

    Examples
    --------
    >>> Lengths([100, 300]).mean
    200.0
    >>> Lengths([100, 300], weights=[3, 1]).average(lambda tokens: tokens**2)
    30000.0
    """

    values: Sequence[float]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        try:
            given = tuple(self.values)
        except TypeError:
            given = ()
        if isinstance(self.values, str) or any(isinstance(value, bool | str) for value in given) or not given:
            raise ValueError(f"values = {self.values!r} is not accepted: give a list of lengths, such as [100, 3000]")
        values = tuple(float(value) for value in given)
        wrong = [value for value in values if not (value >= 1 and value == math.floor(value) and value < math.inf)]
        if wrong:
            raise ValueError(f"values = {wrong[0]} is not accepted: give whole lengths of at least 1")
        if self.weights is not None and not hasattr(self.weights, "__iter__"):
            raise ValueError(f"weights = {self.weights!r} is not accepted: give {len(values)}, one a length")
        weights = tuple(float(weight) for weight in (self.weights if self.weights is not None else [1] * len(values)))
        if len(weights) != len(values) or not all(0 < weight < math.inf for weight in weights):
            raise ValueError(
                f"weights = {weights} is not accepted: give {len(values)} positive numbers, one per length"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "weights", weights)

    @property
    def mean(self) -> float:
        """Mean length [token]."""
        return float(self.average(lambda tokens: tokens))

    @property
    def longest(self) -> float:
        """Longest length [token]."""
        return max(self.values)

    def longer(self, by: float) -> Lengths:
        """Return the lengths with as many tokens more.

        Parameters
        ----------
        by : int
            Tokens that every sequence gains.

        Examples
        --------
        >>> Lengths([100, 300]).longer(1).values
        (101.0, 301.0)
        """
        return Lengths([value + by for value in self.values], self.weights)

    def average(self, of: Callable[[float], Array]) -> Array:
        """Average a function of the length over the sequences.

        Parameters
        ----------
        of : callable
            Takes one length, returns a number or an array.

        Returns
        -------
        number or array
        """
        weights = self.weights or ()  # set by __post_init__
        return sum(weight * of(value) for value, weight in zip(self.values, weights, strict=True)) / sum(weights)


def average(tokens: Array | Lengths, of: Callable[[Array], Array]) -> Array:
    """Average a function of the length over a batch; of equal lengths, it is the function itself."""
    return tokens.average(of) if isinstance(tokens, Lengths) else of(tokens)
