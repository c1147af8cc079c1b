"""Throughput over the power cap of a device: assumed, measured at a few caps, or modelled.

A curve is a power law between knots, ``T = T_i·(P/P_i)^a_i``: exact for an assumed exponent, an interpolation in
log-log between measured caps, and fine enough for a model. Where the optimum lies then follows in closed form. No curve
falls with power: a device that may draw more can always be set to a lower cap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Unpack

import numpy as np

from roofline._arrays import Array
from tco._checked import POSITIVE, Limits, given


class Segments(NamedTuple):
    """A curve as power laws: segment ``i`` reaches from ``edges_w[i]`` up to ``edges_w[i+1]``, and includes that.

    Attributes
    ----------
    edges_w : ndarray
        Rising; one more than there are segments [W].
    throughput : ndarray
        At the upper end of each segment.
    exponent : ndarray
        ``a`` of each: percent of throughput per percent of power.
    """

    edges_w: Array
    throughput: Array
    exponent: Array


class ThroughputCurve(ABC):
    """Throughput of a server over the power cap of its devices, or over its own power."""

    @property
    @abstractmethod
    def segments(self) -> Segments:
        """The curve as power laws."""

    @property
    def demand_w(self) -> float | None:
        """Power that a device draws if nothing caps it, where that is known [W]."""
        return None

    @property
    def low_w(self) -> float:
        """Lowest cap that the curve knows [W]; 0 for a law that holds everywhere."""
        return float(self.segments.edges_w[0])

    @property
    def uncapped_w(self) -> float:
        """Highest cap that the curve knows: none at all [W]."""
        return float(self.segments.edges_w[-1])

    @abstractmethod
    def kind(self, cap_w: Any) -> Array:
        """Say what the throughput at a cap is: ``assumed``, ``measured``, ``interpolated`` or ``modelled``.

        Parameters
        ----------
        cap_w : number or array
            Cap of a device [W].

        Returns
        -------
        array of str
        """

    def extrapolated(self, cap_w: Any) -> Array:
        """Whether a cap is beyond what was measured, on a curve that rests on measurements.

        Parameters
        ----------
        cap_w : number or array
            Cap of a device [W].

        Returns
        -------
        array of bool
        """
        return np.zeros(np.shape(self._within(cap_w)), dtype=bool)

    def throughput(self, cap_w: Any) -> Array:
        """Throughput at a cap.

        Parameters
        ----------
        cap_w : number or array
            Cap of a device [W].

        Returns
        -------
        array
            In the unit of what the curve was made of.

        Raises
        ------
        ValueError
            A cap outside the curve.
        """
        cap = self._within(cap_w)
        edges, at, exponent = self.segments
        i = self._segment(cap)
        return at[i] * (cap / edges[i + 1]) ** exponent[i]

    def elasticity(self, cap_w: Any) -> Array:
        """Percent of throughput that the next percent of the cap costs: ``dlnT/dlnP``, below a knot at the knot.

        Parameters
        ----------
        cap_w : number or array
            Cap of a device [W].

        Returns
        -------
        array
        """
        return self.segments.exponent[self._segment(self._within(cap_w))]

    def _segment(self, cap: Array) -> Array:
        return np.clip(np.searchsorted(self.segments.edges_w, cap) - 1, 0, len(self.segments.exponent) - 1)

    def _within(self, cap_w: Any) -> Array:
        cap = given("cap_w", cap_w, **POSITIVE)
        if np.any(cap < self.low_w * (1 - 1e-12)) or np.any(cap > self.uncapped_w * (1 + 1e-12)):
            raise ValueError(self._outside)
        return np.clip(cap, self.low_w, self.uncapped_w)

    _outside = "cap_w is outside the curve, which is not extended"


@dataclass(frozen=True, kw_only=True)
class PowerLaw(ThroughputCurve):
    """An assumed law: throughput goes as a power of the watts, ``T ~ P^a``, up to where nothing is capped.

    Attributes
    ----------
    reference_w : float
        Power without a cap, of a device or of a whole server [W].
    exponent : float
        ``a``, percent of throughput per percent of power, at least 0.
    reference_throughput : float
        Throughput there.

    Raises
    ------
    ValueError
        A number out of range. Watts are not shown.

    Examples
    --------
    >>> curve = PowerLaw(reference_w=10_200, exponent=0.35)
    >>> curve.throughput([8_000, 10_200]).round(4)
    array([0.9185, 1.    ])
    >>> curve
    PowerLaw(exponent=0.35)
    """

    reference_w: float
    exponent: float
    reference_throughput: float = 1.0

    def __post_init__(self) -> None:
        for field, limits in (
            ("reference_w", POSITIVE),
            ("exponent", {"at_least": 0.0, "at_most": 100.0}),
            ("reference_throughput", POSITIVE),
        ):
            object.__setattr__(self, field, single(field, getattr(self, field), **limits))

    @cached_property
    def segments(self) -> Segments:
        """The law as one segment, from nothing up to the reference."""
        one = (np.array([value]) for value in (self.reference_throughput, self.exponent))
        return Segments(np.array([0.0, self.reference_w]), *one)

    def kind(self, cap_w: Any) -> Array:
        """Say what the throughput is.

        Parameters
        ----------
        cap_w : number or array
            Cap [W].

        Returns
        -------
        array of str
            ``assumed``.
        """
        return np.full(np.shape(self._within(cap_w)), "assumed", dtype=object)

    def __repr__(self) -> str:
        return f"PowerLaw(exponent={self.exponent:g})"


def through(powers: Array, throughputs: Array) -> Segments:
    """Power laws through points.

    Parameters
    ----------
    powers : ndarray
        Rising [W].
    throughputs : ndarray
        At each.
    """
    keep = np.append(True, np.diff(powers) > 1e-12 * powers[1:])
    powers, throughputs = powers[keep], throughputs[keep]
    return Segments(powers, throughputs[1:], np.diff(np.log(throughputs)) / np.diff(np.log(powers)))


def single(field: str, value: Any, **limits: Unpack[Limits]) -> float:
    """Check one number and return it as a float.

    Parameters
    ----------
    field : str
        Name of the argument, for the message.
    value : number
        The value given.
    **limits
        As for :func:`tco._checked.given`.
    """
    checked = given(field, value, **limits)
    if np.shape(checked) != ():
        raise ValueError(f"{field} has shape {np.shape(checked)}: give one number")
    return float(checked)
