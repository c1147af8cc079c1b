"""Whole servers in a rack under several limits, and the racks that a fleet fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from roofline._arrays import Array, namespace
from tco._checked import AT_LEAST_ZERO, POSITIVE, Limits, checked, given
from tco.capacity._common import HAIR, whole_above


@checked(servers=AT_LEAST_ZERO, per_rack={"at_least": 1e-9, "at_most": 1e9})
def racks_needed(*, servers: Array, per_rack: Array, whole: bool = True) -> Array:
    """Racks that hold a number of servers: ``⌈N/n⌉``.

    Parameters
    ----------
    servers : number or array
        ``N``, at least 0.
    per_rack : number or array
        ``n``, servers that a rack holds, above 0 (see :func:`servers_per_rack_within`).
    whole : bool
        Round up to whole racks.

    Returns
    -------
    number or array

    Raises
    ------
    ValueError
        An argument out of range, above all a rack that holds no server.

    Examples
    --------
    >>> float(racks_needed(servers=10, per_rack=3))
    4.0
    """
    racks = servers / per_rack
    return whole_above(racks) if whole else racks


class RackFit(NamedTuple):
    """How many servers a rack holds, and which limit says so."""

    servers: Array
    """Whole servers; 0 if one exceeds a rack."""
    binding: Array
    """Index of the tightest limit in `limits`."""
    limits: tuple[str, ...]
    """Names of the limits."""

    @property
    def binding_names(self) -> Any:
        """Name of the tightest limit: a text, or an array of them."""
        names = np.asarray(self.limits)[np.asarray(self.binding)]
        return str(names) if names.ndim == 0 else names


def servers_per_rack_within(limits: Mapping[str, tuple[Any, Any]]) -> RackFit:
    """Whole servers that a rack holds under several limits: the smallest ``⌊rack/server⌋``.

    Parameters
    ----------
    limits : mapping of str to (rack, server)
        What a rack offers and what a server takes of it, above 0 and in the same unit: ``power`` and ``cooling`` in
        watts, ``slots`` in rack units, ``weight`` in kg, or any other. A limit that is not known is left out, and
        whoever names a limit knows both of its figures.

    Returns
    -------
    RackFit
        `binding_names` is the tightest limit: the one whose ``rack/server`` is smallest before rounding.

    Raises
    ------
    ValueError
        No limit, or one without both figures; figures are not shown.

    Examples
    --------
    >>> fit = servers_per_rack_within({"power": (40_000, 10_200), "slots": (42, 8)})
    >>> float(fit.servers), fit.binding_names
    (3.0, 'power')
    """
    if not limits:
        raise ValueError("limits is empty: give at least one, such as power=(rack, server)")
    quotients = []
    for name, pair in limits.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or any(side is None for side in pair):
            raise ValueError(f"limits[{name!r}] is not accepted: give both what a rack offers and what a server takes")
        rack, server = (
            given(f"limits[{name!r}] of a {side}", value, **POSITIVE | Limits(private=True))
            for side, value in zip(("rack", "server"), pair, strict=True)
        )
        quotients.append(rack / server)
    xp = namespace(*quotients)
    stacked = xp.stack(xp.broadcast_arrays(*quotients))
    return RackFit(
        servers=xp.floor(xp.min(stacked, axis=0) * (1 + HAIR)),
        binding=xp.argmin(stacked, axis=0),
        limits=tuple(limits),
    )
