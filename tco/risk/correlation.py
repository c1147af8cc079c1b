"""Inputs that vary together: correlations of their normal scores (a Gaussian copula).

Each input keeps its distribution. Between two lognormal inputs the correlation stated is that of their logarithms;
between any two, their rank correlation (Spearman's) is ``6/π·asin(r/2)``, which is within 0.02 of ``r``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array
from roofline._validation import number
from tco.risk.distributions import Distribution, Fixed


class Correlated(NamedTuple):
    """Inputs that correlate with others, and how.

    Attributes
    ----------
    names : tuple of str
        In the order of the alphabet.
    matrix, factor : array
        Correlations of their normal scores, and the lower triangle ``L`` with ``matrix = L·Lᵀ``.
    """

    names: tuple[str, ...]
    matrix: Array
    factor: Array

    def mix(self, scores: dict[str, Array]) -> None:
        """Replace independent scores of these inputs, in place, by correlated ones.

        Parameters
        ----------
        scores : dict of str to array
            Normal scores of all inputs.
        """
        mixed = {
            name: sum(weight * scores[other] for weight, other in zip(row, self.names, strict=True) if weight)
            for name, row in zip(self.names, self.factor, strict=True)
        }
        scores.update(mixed)

    def between(self, first: str, second: str) -> float:
        """Correlation of two inputs, 0 where none was given.

        Parameters
        ----------
        first, second : str
            Names of inputs.
        """
        if first not in self.names or second not in self.names:
            return 0.0
        return float(self.matrix[self.names.index(first), self.names.index(second)])


def correlated(inputs: Mapping[str, Distribution], correlations: Mapping[Any, Any] | None) -> Correlated:
    """Check correlations of inputs and prepare them for use.

    Parameters
    ----------
    inputs : mapping of str to Distribution
        All inputs.
    correlations : mapping of pairs of str to float, optional
        Correlation of the normal scores of two inputs, above -1 and below 1; pairs not named have 0.

    Returns
    -------
    Correlated

    Raises
    ------
    ValueError
        A pair that is not two different inputs that vary, one given twice, a correlation out of range, or correlations
        that contradict each other: the message names a pair and what it would have to be.

    Examples
    --------
    >>> from tco.risk import Uniform
    >>> three = dict.fromkeys("abc", Uniform(0.0, 1.0))
    >>> correlated(three, {("a", "b"): 0.5}).names
    ('a', 'b')
    >>> correlated(three, {("a", "b"): 0.9, ("b", "c"): 0.9})
    Traceback (most recent call last):
    ...
    ValueError: correlations contradict each other: with the others as they are, that of 'a' and 'c' must lie between
    0.62 and 1, and is 0 since none was given
    """
    given: dict[frozenset[str], float] = {}
    for pair, value in (correlations or {}).items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and pair[0] != pair[1]):
            raise ValueError(f"correlations: {pair!r} is not a pair: give two names of inputs, such as ('a', 'b')")
        for name in pair:
            if name not in inputs:
                raise ValueError(f"correlations: {name!r} is no input: there are {', '.join(map(repr, inputs))}")
            if isinstance(inputs[name], Fixed):
                raise ValueError(f"correlations: {name!r} is fixed, so nothing varies with it")
        if frozenset(pair) in given:
            raise ValueError(f"correlations: {pair[0]!r} and {pair[1]!r} are given twice")
        checked = number(f"correlation of {pair[0]!r} and {pair[1]!r}", value, at_least=-1, at_most=1)
        if checked.shape != () or abs(checked) == 1:
            raise ValueError(
                f"correlation of {pair[0]!r} and {pair[1]!r} = {value!r} is not accepted: give one number above -1 and "
                "below 1 (inputs that always move together are one input)"
            )
        given[frozenset(pair)] = float(checked)
    names = tuple(sorted({name for pair in given for name in pair}))
    matrix = np.eye(len(names))
    for pair, value in given.items():
        i, j = (names.index(name) for name in pair)
        matrix[i, j] = matrix[j, i] = value
    try:
        factor = np.linalg.cholesky(matrix) if names else matrix
    except np.linalg.LinAlgError:
        raise ValueError(_contradiction(names, matrix, given)) from None
    return Correlated(names, matrix, factor)


def _contradiction(names: Sequence[str], matrix: Array, given: Mapping[frozenset[str], float]) -> str:
    """Say which pair, if changed, would make correlations agree that cannot all hold."""
    last = next(k for k in range(1, len(names)) if np.linalg.eigvalsh(matrix[: k + 1, : k + 1])[0] <= 1e-12)
    best: tuple[tuple[bool, float], str] | None = None
    for other in range(last):
        rest = [i for i in range(last) if i != other]
        # Given the rest, the two may correlate by what they share with it, give or take what it leaves open.
        to_rest = matrix[np.ix_(rest, [other, last])]
        shared = to_rest.T @ np.linalg.solve(matrix[np.ix_(rest, rest)], to_rest)
        open_other, open_last = 1 - shared[0, 0], 1 - shared[1, 1]
        if min(open_other, open_last) <= 0:
            continue
        half = np.sqrt(open_other * open_last)
        low, high = max(shared[0, 1] - half, -1), min(shared[0, 1] + half, 1)
        now = matrix[other, last]
        is_given = frozenset((names[other], names[last])) in given
        stated = f"{now:g}" if is_given else "0 since none was given"
        away = is_given, max(low - now, now - high)  # rather one that was forgotten than one that was meant
        told = (
            f"correlations contradict each other: with the others as they are, that of {names[other]!r} and "
            f"{names[last]!r} must lie between {low:.2g} and {high:.2g}, and is {stated}"
        )
        if best is None or away < best[0]:
            best = away, told
    if best is not None:
        return best[1]
    return f"correlations contradict each other: those of {names[last]!r} are too strong to hold together"
