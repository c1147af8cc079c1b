"""What the rooms of capacity share: what their arguments may be, rounding up, and the axis of a day."""

from __future__ import annotations

from roofline._arrays import Array, ceil
from tco._checked import Limits

HAIR = 1e-12  # a quotient this much above a whole number is meant to be that number: binary fractions fall a hair off
SHARE_UP: Limits = {"at_least": 1e-9, "at_most": 1.0}
HEADROOM: Limits = {"at_least": 0.0, "at_most": 1e3}


def whole_above(quotient: Array) -> Array:
    """Round up, but for what binary fractions put a hair above a whole number.

    Parameters
    ----------
    quotient : number or array
        At least 0.
    """
    return ceil(quotient * (1 - HAIR))


def by_slot(value: Array) -> Array:
    """Give an array a last axis of length one, over which the slots of a day broadcast.

    Parameters
    ----------
    value : number or array
        A number stays one.
    """
    return value if isinstance(value, int | float) else value[..., None]
