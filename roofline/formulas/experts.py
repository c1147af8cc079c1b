"""Mixtures of experts: how many a batch touches, how thin their products get, and how unevenly devices share them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roofline._arrays import Array, in_floats, maximum, minimum, namespace, where
from roofline._validation import choice


@in_floats
def expected_distinct_experts(*, experts: Array, experts_per_token: Array, tokens: Array) -> Array:
    """Expected number of distinct experts that a batch of tokens touches under uniform routing.

    ``E·(1 − (1 − k/E)ⁿ)``: what Brunetta III-A calls the degree of overlap. It is the number of expert weight sets that
    a step must read.

    Parameters
    ----------
    experts, experts_per_token : number or array
        ``E`` routed experts, of which each token uses ``k`` different ones.
    tokens : number or array
        ``n``, tokens routed together.

    Returns
    -------
    number or array
        Between ``k`` (for one token) and ``E``.

    Examples
    --------
    >>> expected_distinct_experts(experts=8, experts_per_token=2, tokens=1)
    2.0
    >>> round(expected_distinct_experts(experts=128, experts_per_token=8, tokens=64), 1)
    125.9
    """
    E, k, n = experts, experts_per_token, tokens
    return E * (1 - (1 - k / E) ** n)


@in_floats
def expected_tokens_per_active_expert(*, experts: Array, experts_per_token: Array, tokens: Array) -> Array:
    """Expected rows of an active expert's GEMM: ``n·k`` assignments over the distinct experts touched (Kim VIII).

    Parameters are those of :func:`expected_distinct_experts`.

    Returns
    -------
    number or array
        Tokens per active expert, at least 1.

    Examples
    --------
    >>> expected_tokens_per_active_expert(experts=8, experts_per_token=2, tokens=1)
    1.0
    """
    distinct = expected_distinct_experts(experts=experts, experts_per_token=experts_per_token, tokens=tokens)
    return tokens * experts_per_token / distinct


def inclusion_probabilities(*, experts: int, experts_per_token: int, skew: float = 0.0) -> NDArray[np.float64]:
    """Probability that a token uses each expert, when popularity falls with rank as ``rank⁻ˢᵏᵉʷ`` (Zipf).

    The probabilities are proportional to popularity and sum to ``k``; those that would pass 1 are set to 1 and the rest
    is spread over the other experts, again in proportion. A model: published routing statistics are not this smooth.

    Parameters
    ----------
    experts, experts_per_token : int
        ``E`` routed experts, of which each token uses ``k`` different ones.
    skew : float
        Exponent, at least 0. 0 is uniform routing, 1 Zipf's law.

    Returns
    -------
    numpy.ndarray
        ``E`` probabilities, most popular first; read-only.

    References
    ----------
    Tillé, *Sampling Algorithms*, Springer, 2006: inclusion probabilities proportional to size.

    Examples
    --------
    >>> inclusion_probabilities(experts=4, experts_per_token=2)
    array([0.5, 0.5, 0.5, 0.5])
    >>> inclusion_probabilities(experts=4, experts_per_token=2, skew=2.0).round(3)
    array([1.   , 0.59 , 0.262, 0.148])
    """
    return _inclusion_probabilities(int(experts), int(experts_per_token), float(skew))


@lru_cache(maxsize=256)
def _inclusion_probabilities(experts: int, experts_per_token: int, skew: float) -> NDArray[np.float64]:
    popularity = np.arange(1.0, experts + 1.0) ** -skew
    certain = np.arange(experts_per_token)  # candidates for the number of experts that every token uses
    rest = np.cumsum(popularity[::-1])[::-1]
    first = popularity[:experts_per_token] * (experts_per_token - certain) / rest[:experts_per_token]
    j = int(np.argmax(first <= 1))
    probabilities = np.ones(experts)
    probabilities[j:] = (experts_per_token - j) * popularity[j:] / rest[j]
    probabilities = np.minimum(probabilities, 1.0)
    probabilities.flags.writeable = False
    return probabilities


@in_floats
def expected_distinct_experts_of(*, probabilities: Array, tokens: Array) -> Array:
    """Expected number of distinct experts that a batch touches: ``Σₑ 1 − (1 − qₑ)ⁿ``.

    :func:`expected_distinct_experts` for experts of unlike popularity, if tokens choose independently of each other.

    Parameters
    ----------
    probabilities : array-like
        ``qₑ``, from :func:`inclusion_probabilities`.
    tokens : number or array
        ``n``, tokens routed together.

    Returns
    -------
    number or array
        Shape of `tokens`; popular experts make it smaller.

    Examples
    --------
    >>> uniform = inclusion_probabilities(experts=128, experts_per_token=8)
    >>> round(float(expected_distinct_experts_of(probabilities=uniform, tokens=64)), 1)
    125.9
    >>> skewed = inclusion_probabilities(experts=128, experts_per_token=8, skew=1.0)
    >>> round(float(expected_distinct_experts_of(probabilities=skewed, tokens=64)), 1)
    102.0
    """
    xp = namespace(tokens)
    n = xp.asarray(tokens * 1.0)[..., None]
    values, counts = np.unique(np.asarray(probabilities), return_counts=True)
    missed_once = np.log1p(-np.minimum(values, 1 - 2.0**-53))  # logarithm of 1 − q, finite for a certain expert too
    block = max(1, 2**16 // max(1, n.size))  # of experts: with many tokens, a table of both would not fit in a cache
    distinct: Array = 0.0
    for i in range(0, values.size, block):
        some = slice(i, i + block)
        touched = -xp.expm1(n * xp.asarray(missed_once[some]))
        distinct = distinct + xp.sum(xp.asarray(counts[some] * 1.0) * touched, axis=-1)
    return distinct


@in_floats
def load_imbalance(*, assignments: Array, devices: int) -> Array:
    """Expected load of the busiest device over the mean, when assignments fall on devices at random.

    The maximum of a multinomial. Its mean is the Cornish-Fisher expansion of a Poisson maximum at the expected maximum,
    square and cube of ``n`` standard normals, of which the first term is ``1 + c(n)·√(n/m)``; when assignments are
    fewer than devices, the sum ``Σ 1 − P(load ≤ j)ⁿ`` over independent binomials takes over. Within 5 % of the exact
    value for 2 to 256 devices and any number of assignments. The ``k`` experts of one token differ, so that the true
    imbalance of routing is a little smaller.

    Parameters
    ----------
    assignments : number or array
        ``m``, token-to-expert assignments of all devices together; below 1 counts as 1.
    devices : int
        ``n`` devices that are equally likely.

    Returns
    -------
    number or array
        Between 1 and ``n``, and at least ``n/m``.

    References
    ----------
    Cornish, Fisher, "Moments and cumulants in the specification of distributions", Rev. ISI 5(4), 1938. Raab, Steger,
    "Balls into bins", RANDOM 1998 (the regimes).

    Examples
    --------
    >>> load_imbalance(assignments=np.array([1.0, 64.0, 4096.0]), devices=8).round(3)
    array([8.   , 1.523, 1.063])
    """
    n, m = int(devices), maximum(assignments, 1.0)
    mean = m / n
    trials = minimum(m, 4.0 * n)  # beyond, the expansion is the larger, and powers of the trials underflow
    busiest = _expected_maximum(mean=mean, variance=mean, taken=0.0, size=trials, probability=1 / n, devices=n)
    return minimum(maximum(busiest, mean, 1.0), m) / mean


@in_floats
def distinct_imbalance(*, distinct: Array, experts: Array, devices: int) -> Array:
    """Expected number of touched experts on the busiest device over the mean, under uniform routing.

    ``d`` of ``E`` experts, dealt ``E/n`` to a device, are touched, every choice of ``d`` alike. The expected maximum is
    exact at whole ``d`` and a straight line between.

    Parameters
    ----------
    distinct : number or array
        ``d``, distinct experts touched on all devices together; below 1 counts as 1.
    experts : int
        ``E`` routed experts, a multiple of `devices`.
    devices : int
        ``n`` devices.

    Returns
    -------
    number or array
        Between 1 and ``E/d``, which is 1 when all experts are touched, and at most ``n``.

    Examples
    --------
    >>> distinct_imbalance(distinct=np.array([1.0, 16.0, 64.0, 128.0]), experts=128, devices=8).round(3)
    array([8.   , 2.01 , 1.353, 1.   ])
    """
    n, E = int(devices), int(experts)
    d = maximum(distinct, 1.0)
    xp = namespace(d)
    busiest = xp.asarray(_busiest_of_touched(E, n))
    below = minimum(xp.floor(xp.asarray(d)), E - 1.0)
    known = where(below >= 0, below, 0.0)  # what is unknown is a place too, and stays unknown below
    flat = xp.astype(xp.reshape(known, (-1,)), xp.int64)
    low, high = (xp.reshape(xp.take(busiest, flat + step, axis=0), below.shape) for step in (0, 1))
    return (low + (d - below) * (high - low)) * n / d


def device_shares(
    *, probabilities: Array, devices: int, placement: Literal["balanced", "contiguous"] = "balanced"
) -> NDArray[np.float64]:
    """Share of the routed load that each device gets.

    Parameters
    ----------
    probabilities : array-like
        Of each expert, from :func:`inclusion_probabilities`.
    devices : int
        Devices that the experts are dealt to.
    placement : {"balanced", "contiguous"}
        ``balanced`` deals the experts by popularity, to and fro; ``contiguous`` gives each device a run of neighbours
        in the order given, which is the worst case if that is by popularity.

    Returns
    -------
    numpy.ndarray
        One per device, sum 1.

    Raises
    ------
    ValueError
        An unknown placement.

    Examples
    --------
    >>> q = [0.8, 0.6, 0.4, 0.2]
    >>> device_shares(probabilities=q, devices=2)
    array([0.5, 0.5])
    >>> device_shares(probabilities=q, devices=2, placement="contiguous")
    array([0.7, 0.3])
    """
    q, n = np.asarray(probabilities, dtype=np.float64), int(devices)
    turn = np.arange(q.size)
    if choice("placement", placement, ("balanced", "contiguous")) == "balanced":
        q = np.sort(q)[::-1]
        device = np.where(turn // n % 2 == 0, turn % n, n - 1 - turn % n)
    else:
        device = turn * n // q.size
    shares: NDArray[np.float64] = np.bincount(device, weights=q, minlength=n) / q.sum()
    return shares


def busiest_share(
    *, probabilities: Array, devices: int, placement: Literal["balanced", "contiguous", "random"] = "balanced"
) -> float:
    """Share of the routed load on the busiest device, on average over many tokens.

    Parameters are those of :func:`device_shares`; ``random`` is the mean over placements that know nothing of
    popularity, of 500 shuffles, within 1 % of the expected value.

    Returns
    -------
    float
        At least ``1/n``; times ``n`` it is the imbalance that more tokens do not cure.

    Examples
    --------
    >>> skewed = inclusion_probabilities(experts=128, experts_per_token=8, skew=1.0)
    >>> round(8 * busiest_share(probabilities=skewed, devices=8), 2)
    1.52
    >>> round(8 * busiest_share(probabilities=skewed, devices=8, placement="contiguous"), 2)
    4.76
    >>> round(8 * busiest_share(probabilities=skewed, devices=8, placement="random"), 1)
    1.9
    """
    if placement == "random":
        return _busiest_at_random(tuple(np.asarray(probabilities, dtype=np.float64).tolist()), int(devices))
    return float(device_shares(probabilities=probabilities, devices=devices, placement=placement).max())


@lru_cache(maxsize=64)
def _busiest_at_random(probabilities: tuple[float, ...], devices: int) -> float:
    shuffles = np.random.default_rng(0)
    deals = (
        device_shares(probabilities=shuffles.permutation(probabilities), devices=devices, placement="contiguous")
        for _ in range(500)
    )
    return float(np.mean([deal.max() for deal in deals]))


@lru_cache(maxsize=256)
def _busiest_of_touched(experts: int, devices: int) -> NDArray[np.float64]:
    """Expected touched experts on the busiest device, for 0 to all experts touched.

    ``P(max ≤ j)`` is the share of the choices that take at most ``j`` from each device: the coefficients of
    ``(Σ_{i ≤ j} C(E/n, i)·xⁱ)ⁿ`` over those without the limit. Halving ``x`` and 1 keeps both within range.
    """
    held = experts // devices
    row = np.array([math.comb(held, i) / 2.0**held for i in range(held + 1)])
    everything = _polynomial_power(row, devices)
    busiest = np.zeros(experts + 1)
    for j in range(held):  # E[max] = Σ over j of P(max > j)
        limited = np.zeros(experts + 1)
        limited[: j * devices + 1] = _polynomial_power(row[: j + 1], devices)
        busiest += 1 - np.minimum(limited / everything, 1.0)
    busiest[0] = 0.0
    return np.maximum.accumulate(busiest)  # one more touched expert never relieves a device; rounding must not either


def _polynomial_power(coefficients: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    power, square = np.ones(1), coefficients
    while exponent:
        if exponent % 2:
            power = np.convolve(power, square)
        exponent //= 2
        if exponent:
            square = np.convolve(square, square)
    return power


@lru_cache(maxsize=256)
def _normal_maximum(n: int) -> tuple[float, float, float]:
    """First three moments about 0 of the largest of `n` standard normals."""
    z = np.linspace(-10.0, 10.0, 2001)
    below = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in z.tolist()])
    density = n * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * below ** (n - 1)
    c1, c2, c3 = (float((density * z**i).sum() * 0.01) for i in (1, 2, 3))
    return c1, c2, c3


def _expected_maximum(
    *, mean: Array, variance: Array, taken: Array, size: Array, probability: Array, devices: int
) -> Array:
    """Expected largest of `devices` equally likely counts whose total is fixed.

    `variance` is that of independent counts: fixing the total moves them all by as much, and so not their spread.
    `taken` is the share of all successes that are used up, 0 for a Poisson count. `size` trials succeed with
    `probability`, at most ½, on one device.
    """
    if devices == 1:
        return mean
    n = devices
    c1, c2, c3 = _normal_maximum(n)
    third, fourth = 1 - 2 * taken, 1 - 6 * taken * (1 - taken)  # cumulants over the variance
    deviation = maximum(variance, 0.01) ** 0.5
    many = (
        mean
        + c1 * variance**0.5
        + third * (1 - 2 / n) * (c2 - 1) / 6
        + (fourth * (c3 - 3 * c1) / 24 - third**2 * (2 * c3 - 5 * c1) / 36) / deviation
    )
    # Σ over j ≥ 1 of P(some count > j), to 6: more are hardly met while there are fewer successes than devices, and
    # leaving terms out can only make this bound smaller than the expansion above.
    p = probability
    mass = (1 - p) ** size
    below, few = mass, 1.0
    for j in range(1, 7):
        mass = mass * maximum(size - j + 1, 0.0) / j * p / (1 - p)
        below = below + mass
        few = few + 1 - _power(minimum(below, 1.0), n)
    return maximum(many, few)


def _power(base: Array, exponent: int) -> Array:
    """Raise to a whole power by squaring: on arrays many times faster than ``**``."""
    result: Array = 1.0
    while exponent:
        if exponent % 2:
            result = result * base
        base, exponent = base * base, exponent // 2
    return result
