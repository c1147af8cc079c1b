"""Mixtures of experts: how many a batch touches, and how thin their products get."""

from __future__ import annotations

from roofline._arrays import Array, in_floats


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
