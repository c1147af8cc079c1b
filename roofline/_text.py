"""Numbers in words."""

from __future__ import annotations

import numpy as np

from roofline._arrays import Array


def span(values: Array) -> str:
    """Write one number, or the range of many.

    Parameters
    ----------
    values : array
        Numbers.

    Examples
    --------
    >>> span([64, 2048]), span(0.5)
    ('64 to 2,048', '0.5')
    """
    low, high = float(np.min(np.asarray(values))), float(np.max(np.asarray(values)))
    return f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}"
