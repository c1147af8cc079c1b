"""Draws of inputs: pseudo-random, quasi-random, or one in each slice of every input.

An input's draws come from normal scores, so that its distribution can be changed and the draws stay at the same shares.
Two models that are given the same draws share their luck, and their difference is far less uncertain than either. What
is kept from one call to another, with the same `seed` and `count`:

* ``random`` and ``latin``: each name has its own stream. An input that does not correlate with others has the same
  draws whichever other inputs there are.
* ``sobol``: the sequence belongs to the set of names. The same names, in any order and with any distributions (a fixed
  one included), have the same draws; with a name more or less all of them change.

Correlated inputs depend on those before them in the alphabet with which they correlate.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice
from roofline._validation import count as whole
from tco.risk.correlation import Correlated, correlated
from tco.risk.distributions import Distribution, Fixed

METHODS = ("sobol", "random", "latin")
"""Ways to draw: a scrambled Sobol' sequence, pseudo-random numbers, a Latin hypercube."""

BLOCK = 2**15
"""Draws at a time: few enough to stay in cache, enough to make a call cheap."""

_SOBOL_BITS = 30

Progress = Callable[[Iterable[int]], Iterable[int]]
"""Anything that wraps an iterable, such as ``tqdm.auto.tqdm``."""


def as_distributions(inputs: Mapping[str, Any]) -> dict[str, Distribution]:
    """Check inputs of a model; a plain number is one that is known.

    Parameters
    ----------
    inputs : mapping of str to Distribution or number
        By name of the model's argument.

    Returns
    -------
    dict of str to Distribution

    Raises
    ------
    ValueError
        No inputs, a name that is not a string, or something that is neither a distribution nor a number.

    Examples
    --------
    >>> as_distributions({"r_ic": 1.0})
    {'r_ic': Fixed(value=1)}
    """
    if not inputs:
        raise ValueError("inputs is empty: give a distribution or a number by name")
    return {_name(name): _distribution(name, given) for name, given in inputs.items()}


def blocks(
    inputs: Mapping[str, Any],
    *,
    count: int,
    correlations: Mapping[tuple[str, str], float] | None = None,
    method: str = "sobol",
    seed: int = 0,
    block: int = BLOCK,
) -> Iterator[dict[str, Array]]:
    """Draws in blocks, so that memory holds one at a time; together they are those of :func:`draw`.

    Parameters
    ----------
    inputs : mapping of str to Distribution or number
        By name.
    count : int
        Draws in all.
    correlations : mapping of pairs of str to float, optional
        Correlation of the normal scores of two inputs, above -1 and below 1 (see :mod:`tco.risk.correlation`).
    method : {"sobol", "random", "latin"}
        As for :func:`draw`. A Latin hypercube keeps a permutation per input in memory, 4 or 8 bytes a draw.
    seed : int
        At least 0.
    block : int
        Draws in a block; with ``sobol`` the power of two that is not above it.

    Yields
    ------
    dict of str to array
        Draws by input.

    Raises
    ------
    ValueError
        As for :func:`draw`.

    Examples
    --------
    >>> from tco.risk import LogNormal
    >>> sizes = [one["r_th"].size for one in blocks({"r_th": LogNormal(0.8, 0.15)}, count=100_000, method="random")]
    >>> sizes
    [32768, 32768, 32768, 1696]
    """
    distributions = as_distributions(inputs)
    scores = normal_scores(
        distributions,
        correlated(distributions, correlations),
        count=count,
        method=method,
        seed=seed,
        block=whole("block", block),
    )
    return (values_at(distributions, one, size) for size, one in scores)


def draw(
    inputs: Mapping[str, Any],
    *,
    count: int,
    correlations: Mapping[tuple[str, str], float] | None = None,
    method: str = "sobol",
    seed: int = 0,
) -> dict[str, Array]:
    """Draw inputs together.

    Parameters
    ----------
    inputs : mapping of str to Distribution or number
        By name.
    count : int
        Draws; with ``sobol`` a power of two, up to 2³⁰.
    correlations : mapping of pairs of str to float, optional
        Correlation of the normal scores of two inputs, above -1 and below 1 (see :mod:`tco.risk.correlation`).
    method : {"sobol", "random", "latin"}
        A scrambled Sobol' sequence, whose error falls nearly as 1/count where the model is smooth; pseudo-random
        numbers, whose error falls as 1/√count; or a Latin hypercube, with one draw in each of `count` equal slices of
        every input.
    seed : int
        At least 0: what it gives is the same every time.

    Returns
    -------
    dict of str to array
        Each of shape ``(count,)``.

    Raises
    ------
    ValueError
        An input that is neither a distribution nor a number, correlations that cannot be, a count that is no power of
        two with ``sobol``, or another argument out of range.

    References
    ----------
    Owen, "Quasi-Monte Carlo Sampling", SIGGRAPH course notes, 2003; McKay, Beckman, Conover, Technometrics 21(2), 1979.

    Examples
    --------
    >>> from tco.risk import LogNormal, Uniform
    >>> inputs = {"r_th": LogNormal(0.8, 0.15), "usd_per_kwh": Uniform(0.06, 0.10)}
    >>> draws = draw(inputs, count=1024, correlations={("r_th", "usd_per_kwh"): -0.5})
    >>> print(f"{draws['usd_per_kwh'].mean():.4f} {np.corrcoef(draws['r_th'], draws['usd_per_kwh'])[0, 1]:.1f}")
    0.0800 -0.5
    """
    drawn = list(blocks(inputs, count=count, correlations=correlations, method=method, seed=seed))
    return {name: np.concatenate([one[name] for one in drawn]) for name in inputs}


def normal_scores(
    inputs: Mapping[str, Distribution], together: Correlated, *, count: int, method: str, seed: int, block: int
) -> Iterator[tuple[int, dict[str, Array]]]:
    """Normal scores of inputs, correlated, in blocks.

    Parameters
    ----------
    inputs : mapping of str to Distribution
        By name; a fixed one has no scores.
    together : Correlated
        Those that correlate.
    count, method, seed, block
        As for :func:`blocks`.

    Returns
    -------
    iterator of (int, dict of str to array)
        Draws in a block, and their scores.

    Raises
    ------
    ValueError
        A count, method or seed that is not accepted.
    """
    choice("method", method, METHODS)
    seed = whole("seed", seed, at_least=0)
    count = check_power_of_two("count", count) if method == "sobol" else whole("count", count)
    steps = block_sizes(count=count, method=method, block=block)
    varying = [name for name in inputs if not isinstance(inputs[name], Fixed)]
    source = {"sobol": _sobol, "random": _random, "latin": _latin}[method]
    return zip(steps, _mixed(source(sorted(inputs), varying, steps, seed), together), strict=True)


def block_sizes(*, count: int, method: str, block: int) -> list[int]:
    """Draws in each block.

    Parameters
    ----------
    count, method, block
        As for :func:`blocks`.

    Examples
    --------
    >>> block_sizes(count=1024, method="sobol", block=300)
    [256, 256, 256, 256]
    """
    if method == "sobol":
        block = 2 ** (block.bit_length() - 1)
    return [min(block, count - start) for start in range(0, count, block)]


def values_at(inputs: Mapping[str, Distribution], scores: Mapping[str, Array], size: int) -> dict[str, Array]:
    """Values of inputs at their normal scores; those that are fixed are repeated.

    Parameters
    ----------
    inputs : mapping of str to Distribution
        By name.
    scores : mapping of str to array
        Of one length.
    size : int
        That length.

    Returns
    -------
    dict of str to array
    """
    return {
        name: np.broadcast_to(one.value, size) if isinstance(one, Fixed) else one.from_normal(scores[name])
        for name, one in inputs.items()
    }


def check_power_of_two(field: str, value: int) -> int:
    """Return a number of draws that a Sobol' sequence accepts.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    value : int
        The number.

    Raises
    ------
    ValueError
        No power of two, or above 2³⁰.

    Examples
    --------
    >>> check_power_of_two("draws", 10_000)
    Traceback (most recent call last):
    ...
    ValueError: draws = 10000 is not accepted: a Sobol' sequence takes a power of two, such as 8192 or 16384
    """
    checked = whole(field, value, at_most=2**_SOBOL_BITS)
    if checked & (checked - 1):
        below = 2 ** (checked.bit_length() - 1)
        raise ValueError(
            f"{field} = {checked} is not accepted: a Sobol' sequence takes a power of two, "
            f"such as {below} or {2 * below}"
        )
    return checked


def sobol_shares(dimensions: int, steps: Iterable[int], seed: int) -> Iterator[Array]:
    """Points of a scrambled Sobol' sequence, each coordinate above 0 and below 1.

    Parameters
    ----------
    dimensions : int
        Coordinates of a point.
    steps : iterable of int
        Points at a time, the first a power of two.
    seed : int
        Of the scrambling.

    Yields
    ------
    array
        Shape ``(dimensions, step)``.
    """
    from scipy.stats import qmc

    # SciPy 1.15 renamed the argument that takes the generator.
    keyword = "rng" if "rng" in inspect.signature(qmc.Sobol.__init__).parameters else "seed"
    sequence = qmc.Sobol(dimensions, scramble=True, bits=_SOBOL_BITS, **{keyword: np.random.default_rng(seed)})
    for step in steps:
        # Its points are multiples of 2⁻³⁰ from 0: half a step further none is 0.
        yield np.ascontiguousarray(sequence.random(step).T) + 2.0 ** -(_SOBOL_BITS + 1)


def _sobol(names: list[str], varying: list[str], steps: list[int], seed: int) -> Iterator[dict[str, Array]]:
    from scipy.special import ndtri

    for shares in sobol_shares(len(names), steps, seed):
        # A fixed input keeps its coordinate, so that fixing one does not move the others.
        yield {name: ndtri(row) for name, row in zip(names, shares, strict=True) if name in varying}


def _random(_: list[str], varying: list[str], steps: list[int], seed: int) -> Iterator[dict[str, Array]]:
    streams = {name: _stream(name, seed) for name in varying}
    for step in steps:
        yield {name: stream.standard_normal(step) for name, stream in streams.items()}


def _latin(_: list[str], varying: list[str], steps: list[int], seed: int) -> Iterator[dict[str, Array]]:
    from scipy.special import ndtri

    streams, count = {name: _stream(name, seed) for name in varying}, sum(steps)
    kind = np.uint32 if count < 2**32 else np.uint64
    slices = {name: stream.permutation(np.arange(count, dtype=kind)) for name, stream in streams.items()}
    start = 0
    for step in steps:
        shares = {
            name: (slices[name][start : start + step] + one.random(step)) / count for name, one in streams.items()
        }
        yield {name: ndtri(np.clip(one, 2.0**-60, 1 - 2.0**-53)) for name, one in shares.items()}
        start += step


def _mixed(scores: Iterable[dict[str, Array]], together: Correlated) -> Iterator[dict[str, Array]]:
    for one in scores:
        together.mix(one)
        yield one


def _stream(name: str, seed: int) -> np.random.Generator:
    """Stream of numbers that belongs to a name, on any machine and in any process."""
    words = np.frombuffer(blake2b(name.encode(), digest_size=16).digest(), dtype="<u4")
    return np.random.default_rng([seed, *map(int, words)])


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise ValueError(f"inputs: {name!r} is no name: give the name of the model's argument")
    return name


def _distribution(name: str, given: Any) -> Distribution:
    if isinstance(given, Distribution):
        return given
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        return Fixed(float(given))
    raise ValueError(
        f"inputs: {name!r} is a {type(given).__name__}: give a distribution, such as risk.Uniform, or a number"
    )
