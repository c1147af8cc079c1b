"""Prompt and output lengths of requests as values and shares, and the contexts at which their tokens are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import number
from roofline.lengths import Lengths

_STRATA = 64
"""Points that stand for a distribution of lengths; a model's times between two of them are close to linear."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Numbers and how often each occurs.

    Attributes
    ----------
    values : array
        Ascending.
    shares : array
        Positive; they sum to 1.
    """

    values: Array
    shares: Array

    @property
    def mean(self) -> float:
        """Mean value."""
        return float(self.values @ self.shares)

    @property
    def mean_square(self) -> float:
        """Mean square."""
        return float(self.values**2 @ self.shares)

    def strata(self, count: int = _STRATA) -> Shares:
        """At most `count` values that stand for these, with the same mean.

        Each is the mean of neighbours. Half of the points divide the shares evenly, half the squares of the values, so
        that few long ones, whose attention counts, are not lost among the others.

        Parameters
        ----------
        count : int
            How many.
        """
        if self.values.size <= count:
            return self
        measure = self.shares * (1 + self.values**2 / self.mean_square) / 2
        middle = np.cumsum(measure) - measure / 2
        stratum = np.minimum((middle * count).astype(int), count - 1)
        share = np.bincount(stratum, self.shares, minlength=count)
        total = np.bincount(stratum, self.shares * self.values, minlength=count)
        return Shares(total[share > 0] / share[share > 0], share[share > 0])

    def whole(self) -> Shares:
        """Whole values with the same mean: each fraction is divided between the two numbers around it."""
        low = np.floor(self.values)
        above = self.values - low
        return _collect(
            np.concatenate([low, low + 1]), np.concatenate([self.shares * (1 - above), self.shares * above])
        )


def request_lengths(field: str, tokens: Any, *, at_most: int) -> Shares:
    """Check the lengths of requests: one number, or :class:`roofline.Lengths`.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    tokens : int or Lengths
        What was given.
    at_most : int
        The model's longest context.

    Raises
    ------
    ValueError
        Not a whole number from 1, or too long.
    """
    if isinstance(tokens, Lengths):
        number(field, tokens.longest, at_most=at_most)
        values = np.asarray(tokens.values, dtype=float)
        return _collect(values, np.asarray(tokens.weights, dtype=float))
    one = number(field, tokens, at_least=1, at_most=at_most, whole=True)
    if one.shape != ():
        raise ValueError(f"{field} = {tokens!r} is not accepted: give one whole number, or rl.Lengths(values, weights)")
    return Shares(one.reshape(1), np.ones(1))


def decode_contexts(prompt: Shares, output: Shares) -> Shares:
    """Contexts at which a decode step finds a sequence, taken over all steps of all requests.

    A request of ``P`` and ``O`` tokens takes ``O - 1`` steps, at ``P + 1 … P + O - 1``; prompts and outputs are taken
    to be independent.

    Parameters
    ----------
    prompt, output : Shares
        Lengths of requests.

    Returns
    -------
    Shares
        Whole numbers, at most a few hundred of them.
    """
    # A request takes its step i if it has more than i outputs.
    step = np.arange(1, output.values[-1])
    taken = 1 - np.concatenate([[0.0], np.cumsum(output.shares)])[np.searchsorted(output.values, step, side="right")]
    generated = _collect(step, taken).strata()
    prompts = prompt.strata(16)
    context = (prompts.values[:, None] + generated.values).ravel()
    share = (prompts.shares[:, None] * generated.shares).ravel()
    return _collect(context, share).strata().whole()


def _collect(values: Array, weights: Array) -> Shares:
    """Return distinct values in order with the sum of their weights, scaled to 1."""
    distinct, place = np.unique(values, return_inverse=True)
    share = np.bincount(place, weights)
    return Shares(distinct[share > 0], share[share > 0] / share.sum())
