"""Tokens per joule, which compare only where the joules include the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice, number
from roofline.power.models import BOUNDARIES, plain


@dataclass(frozen=True, eq=False)
class TokensPerJoule:
    """Tokens per joule, with what the joules include and which tokens are counted; unlike ones do not compare.

    Attributes
    ----------
    value : array
        [token/J].
    boundary : {"device", "board", "chassis", "rack"}
        What the power includes.
    tokens : {"generated", "prompt", "input and output"}
        Which tokens are counted.

    Raises
    ------
    ValueError
        A value that is not above 0, or another boundary or kind of tokens.

    Examples
    --------
    The CS-3 is measured at the chassis and GPUs at the device (Brunetta et al., section IV-C), so:

    >>> TokensPerJoule(0.15, boundary="chassis") / TokensPerJoule(0.73, boundary="device")
    Traceback (most recent call last):
    ...
    ValueError: tokens/J at the chassis and at the device do not compare: the one's power includes what the other's ...
    """

    value: Array
    boundary: str = "device"
    tokens: str = "generated"
    KINDS: ClassVar[tuple[str, ...]] = ("generated", "prompt", "input and output")

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain(number("value", self.value, above=0)))
        choice("boundary", self.boundary, BOUNDARIES)
        choice("tokens", self.tokens, self.KINDS)

    def at(self, boundary: str, *, overhead: float) -> TokensPerJoule:
        """Return the same at an outer boundary, for a stated overhead.

        Parameters
        ----------
        boundary : {"device", "board", "chassis", "rack"}
            One that includes this one.
        overhead : float
            Power there over the power here: a DGX H100 of 10.2 kW over eight H100 of 700 W is 1.82.

        Returns
        -------
        TokensPerJoule

        Raises
        ------
        ValueError
            An inner boundary, or an overhead below 1.

        Examples
        --------
        >>> round(TokensPerJoule(0.91, boundary="device").at("chassis", overhead=1.82).value, 6)
        0.5
        """
        choice("boundary", boundary, BOUNDARIES)
        if BOUNDARIES.index(boundary) < BOUNDARIES.index(self.boundary):
            raise ValueError(f"boundary = {boundary!r} is not accepted: it lies inside the {self.boundary}")
        factor = number("overhead", overhead, at_least=1)
        if boundary == self.boundary and bool(np.any(np.asarray(factor) != 1)):
            raise ValueError(f"overhead = {overhead!r} is not accepted: the boundary stays the {boundary}")
        return TokensPerJoule(self.value / factor, boundary, self.tokens)

    def _alike(self, other: object) -> Array:
        if not isinstance(other, TokensPerJoule):
            raise TypeError(f"tokens/J compare with tokens/J, not with {type(other).__name__}")
        if self.boundary != other.boundary:
            raise ValueError(
                f"tokens/J at the {self.boundary} and at the {other.boundary} do not compare: the one's power includes "
                "what the other's does not; .at(boundary, overhead=...) moves one outwards"
            )
        if self.tokens != other.tokens:
            raise ValueError(f"{self.tokens} tokens and {other.tokens} tokens per joule do not compare")
        return other.value

    def __truediv__(self, other: TokensPerJoule) -> Array:
        return self.value / self._alike(other)

    def __lt__(self, other: TokensPerJoule) -> Array:
        return self.value < self._alike(other)

    def __le__(self, other: TokensPerJoule) -> Array:
        return self.value <= self._alike(other)

    def __gt__(self, other: TokensPerJoule) -> Array:
        return self.value > self._alike(other)

    def __ge__(self, other: TokensPerJoule) -> Array:
        return self.value >= self._alike(other)

    def __eq__(self, other: object) -> Any:
        return self.value == self._alike(other) if isinstance(other, TokensPerJoule) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return self.value != self._alike(other) if isinstance(other, TokensPerJoule) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equality is that of arrays
