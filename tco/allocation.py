"""What a million input tokens and a million output tokens cost: one total, split by a rule that is said.

A server serves both kinds, so no measurement tells what either costs: a rule must be declared, and it may only share
the total out, not add to it. Every rule here conserves cost: prices times tokens are the total. The rules are

==============  ====================================================================================================
``weights``     an output token costs `output_weight` times an input token; 4 is the default of Google's GKE Inference
                Quickstart, ``out = cost/(input/k + output)`` and ``in = out/k``
``servers``     by the servers that prefill and decode keep busy, where each phase has its own (as DeepSeek's)
``time``        by the time that one server spends on each phase
``energy``      by the energy of each phase
``flops``       by the arithmetic of each phase; decode waits for memory more than it computes: output comes out cheap
``output``      all on the output tokens, as many benchmarks report it
==============  ====================================================================================================

Tokens read from a cache are a third kind. What one costs compared with an input token that is computed must be declared
too (`cached_weight`): it is never taken to be free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array, in_floats
from roofline._validation import choice
from tco._checked import alike, amounts, is_more

PHASE_METHODS = ("servers", "time", "energy", "flops")
"""Rules that take what prefill and decode use, `prefill` and `decode`."""

METHODS = ("weights", *PHASE_METHODS, "output")
"""Every rule."""

GKE_OUTPUT_WEIGHT = 4.0
"""An output token's cost over an input token's: the default of ``google.cloud.gkerecommender_v1.types.Cost``."""


class PerMillion(NamedTuple):
    """Cost of a million tokens of each kind [USD per million tokens]."""

    input: Array
    output: Array
    cached: Array


@in_floats
def by_weights(
    *,
    usd: Array,
    input_tokens: Array,
    output_tokens: Array,
    output_weight: Array = GKE_OUTPUT_WEIGHT,
    cached_tokens: Array = 0.0,
    cached_weight: Array = 1.0,
) -> PerMillion:
    """Split a cost by fixed weights: an input token costs ``usd/(input + k·output + c·cached)``.

    Nothing is validated: :func:`allocate` does that and calls this.

    Parameters
    ----------
    usd : number or array
        Cost of all the tokens [USD].
    input_tokens, output_tokens, cached_tokens : number or array
        Input tokens that are computed, output tokens, and input tokens that are read from a cache.
    output_weight, cached_weight : number or array
        ``k`` and ``c``: cost of an output and of a cached token over that of an input token.

    Returns
    -------
    PerMillion
        [USD per million tokens].

    References
    ----------
    Google Cloud, ``google.cloud.gkerecommender_v1.types.Cost``.

    Examples
    --------
    >>> [round(price, 4) for price in by_weights(usd=87_072, input_tokens=608e9, output_tokens=168e9)[:2]]
    [0.068, 0.2721]
    """
    per_input = 1e6 * usd / (input_tokens + output_weight * output_tokens + cached_weight * cached_tokens)
    return PerMillion(per_input, output_weight * per_input, cached_weight * per_input)


@in_floats
def by_phase(
    *,
    usd: Array,
    input_tokens: Array,
    output_tokens: Array,
    prefill: Array,
    decode: Array,
    cached_tokens: Array = 0.0,
    cached_weight: Array = 1.0,
) -> PerMillion:
    """Split a cost by what each phase uses: prefill's share on the input tokens, decode's on the output tokens.

    Nothing is validated: :func:`allocate` does that and calls this.

    Parameters
    ----------
    usd : number or array
        Cost of all the tokens [USD].
    input_tokens, output_tokens, cached_tokens : number or array
        Input tokens that are computed, output tokens, and input tokens that are read from a cache.
    prefill, decode : number or array
        Servers, time, energy or FLOPs of each phase, both in one unit.
    cached_weight : number or array
        Cost of a cached token over that of an input token.

    Returns
    -------
    PerMillion
        [USD per million tokens].

    Examples
    --------
    >>> prices = by_phase(usd=87_072, input_tokens=608e9, output_tokens=168e9, prefill=95.48, decode=131.38)
    >>> round(prices.input, 4), round(prices.output, 4)
    (0.0603, 0.3002)
    """
    per_input = 1e6 * usd * (prefill / (prefill + decode)) / (input_tokens + cached_weight * cached_tokens)
    per_output = 1e6 * usd * (decode / (prefill + decode)) / output_tokens
    return PerMillion(per_input, per_output, cached_weight * per_input)


@dataclass(frozen=True, eq=False, repr=False)
class TokenPrices:
    """Cost of a million tokens of each kind, and the rule that split it; times the tokens, the total again.

    Attributes
    ----------
    usd_per_million_input, usd_per_million_output : number or array
        Of the input tokens that are computed, and of the output tokens [USD per million tokens].
    usd_per_million_cached : number or array or None
        Of the input tokens that are read from a cache; ``None`` where no `cached_weight` was declared.
    usd_per_million_blended : number or array
        Total over tokens of every kind, cached ones counted: the same under every rule.
    method : str
        The rule, one of :data:`METHODS`.
    """

    usd_per_million_input: Array
    usd_per_million_output: Array
    usd_per_million_cached: Array | None
    usd_per_million_blended: Array
    method: str

    def cost(self, *, input_tokens: Any, output_tokens: Any, cached_tokens: Any = 0.0) -> Array:
        """Cost of some tokens at these prices [USD].

        Parameters
        ----------
        input_tokens, output_tokens, cached_tokens : number or array
            Input tokens that are computed, output tokens, and input tokens that are read from a cache.

        Raises
        ------
        ValueError
            Not numbers of at least 0, or cached tokens whose price is not known.

        Examples
        --------
        >>> prices = allocate(usd=90.0, input_tokens=1e6, output_tokens=2e6)
        >>> prices.cost(input_tokens=1e6, output_tokens=0.5e6)
        np.float64(30.0)
        """
        read, written, cached = amounts(
            input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached_tokens
        )
        known = self.usd_per_million_cached is not None
        if not known and is_more(cached, 0.0):
            raise ValueError(_NO_CACHED_WEIGHT)
        counts = {"input": read, "output": written, "cached": cached}
        prices = {
            "per_input": self.usd_per_million_input,
            "per_output": self.usd_per_million_output,
            "per_cached": self.usd_per_million_cached if known else 0.0,
        }
        n = alike(counts | prices)
        usd = n["per_input"] * n["input"] + n["per_output"] * n["output"] + n["per_cached"] * n["cached"]
        return usd / 1e6

    def __repr__(self) -> str:
        # What one kind costs over another is no dollar amount; the dollars may be private.
        shape = np.shape(self.usd_per_million_blended)
        if shape:
            return f"TokenPrices(method={self.method!r}, shape {shape})"
        parts = [f"method={self.method!r}"]
        if self.usd_per_million_input > 0:
            parts.append(f"output costs {self.usd_per_million_output / self.usd_per_million_input:.3g} × input")
            if self.usd_per_million_cached is not None:
                parts.append(f"cached {self.usd_per_million_cached / self.usd_per_million_input:.3g} ×")
        return f"TokenPrices({', '.join(parts)})"


def allocate(
    *,
    usd: Any,
    input_tokens: Any,
    output_tokens: Any,
    cached_tokens: Any = 0.0,
    method: str = "weights",
    output_weight: Any = None,
    cached_weight: Any = None,
    prefill: Any = None,
    decode: Any = None,
) -> TokenPrices:
    """Split a cost over input, output and cached tokens by a rule that is declared, conserving it.

    Parameters
    ----------
    usd : number or array
        Cost of all the tokens, over any period, at least 0 [USD].
    input_tokens, output_tokens : number or array
        Input tokens that are computed, and output tokens, over the same period, at least 0.
    cached_tokens : number or array
        Input tokens that are read from a cache, not among `input_tokens`, at least 0.
    method : {"weights", "servers", "time", "energy", "flops", "output"}
        The rule; see the module.
    output_weight : number or array, optional
        Cost of an output token over an input token, above 0, for ``weights``; without it 4.
    cached_weight : number or array, optional
        Cost of a cached token over an input token, at least 0; required where there are cached tokens, except by
        ``output``.
    prefill, decode : number or array, optional
        For ``servers``, ``time``, ``energy`` and ``flops``: what each phase uses of it, in one unit, above 0. Reading
        the cache belongs to prefill.

    Returns
    -------
    TokenPrices

    Raises
    ------
    ValueError
        An argument out of range, missing, or of another rule; or no token that could bear the cost.

    Examples
    --------
    >>> prices = allocate(usd=87_072, input_tokens=608e9, output_tokens=168e9)
    >>> prices
    TokenPrices(method='weights', output costs 4 × input)
    >>> prices.usd_per_million_output.round(4), prices.usd_per_million_input.round(4)
    (np.float64(0.2721), np.float64(0.068))
    >>> allocate(usd=87_072, input_tokens=266e9, cached_tokens=342e9, output_tokens=168e9, cached_weight=0.1)
    TokenPrices(method='weights', output costs 4 × input, cached 0.1 ×)
    """
    choice("method", method, METHODS)
    for field, value, methods in (
        ("output_weight", output_weight, ("weights",)),
        ("cached_weight", cached_weight, ("weights", *PHASE_METHODS)),
        ("prefill", prefill, PHASE_METHODS),
        ("decode", decode, PHASE_METHODS),
    ):
        if value is not None and method not in methods:
            raise ValueError(f"{field} says nothing to method {method!r}: leave it out, or take one of {methods}")
    if method in PHASE_METHODS and (prefill is None or decode is None):
        raise ValueError(f"method {method!r} needs prefill and decode: give what each phase uses, in one unit")
    known = cached_weight is not None or method == "output"
    total, read, written, cached, k, c, used_in, used_out = amounts(
        ("output_weight", "prefill", "decode"),
        usd=usd,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        output_weight=GKE_OUTPUT_WEIGHT if output_weight is None else output_weight,
        cached_weight=0.0 if cached_weight is None else cached_weight,
        prefill=1.0 if prefill is None else prefill,
        decode=1.0 if decode is None else decode,
    )
    if not known and is_more(cached, 0.0):
        raise ValueError(_NO_CACHED_WEIGHT)
    if method == "output":
        _bearing(written, "no output token bears the cost, which method 'output' puts on them: take another method")
        per_output = 1e6 * total / written
        prices = PerMillion(0 * per_output, per_output, 0 * per_output)
    elif method == "weights":
        _bearing(read + k * written + c * cached, "no token bears the cost: give some above 0")
        prices = by_weights(
            usd=total,
            input_tokens=read,
            output_tokens=written,
            output_weight=k,
            cached_tokens=cached,
            cached_weight=c,
        )
    else:
        _bearing(read + c * cached, "no input token bears the cost of prefill: give some above 0")
        _bearing(written, "no output token bears the cost of decode: give some above 0")
        prices = by_phase(
            usd=total,
            input_tokens=read,
            output_tokens=written,
            prefill=used_in,
            decode=used_out,
            cached_tokens=cached,
            cached_weight=c,
        )
    return TokenPrices(
        usd_per_million_input=prices.input,
        usd_per_million_output=prices.output,
        usd_per_million_cached=prices.cached if known else None,
        usd_per_million_blended=1e6 * total / (read + written + cached),
        method=method,
    )


_NO_CACHED_WEIGHT = (
    "cached_weight is needed where there are cached_tokens: give the cost of one over that of an input token that is "
    "computed (1 for the same, 0 only if reading it is free)"
)


def _bearing(tokens: Array, message: str) -> None:
    """Refuse tokens that cannot bear a cost; fewer than any count would only overflow."""
    if is_more(1e-6, tokens):
        raise ValueError(message)
