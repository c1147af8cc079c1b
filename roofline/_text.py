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
    >>> span([64, 2048]), span(0.5), span(16384)
    ('64 to 2,048', '0.5', '16,384')
    """
    low, high = float(np.min(np.asarray(values))), float(np.max(np.asarray(values)))
    return _figure(low) if low == high else f"{_figure(low)} to {_figure(high)}"


def _figure(value: float) -> str:
    """Write a number in four digits, one of more with all of its thousands."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:,.4g}"
