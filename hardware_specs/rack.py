"""A rack: how many servers its power admits."""

from __future__ import annotations

import math
from typing import Any, Literal

from hardware_specs._base import Count, Positive, SourcedSpec
from hardware_specs.price import Price


class Rack(SourcedSpec):
    """A rack and the power that it can supply and cool.

    Attributes
    ----------
    key, name, aliases
        Catalogue key, full name, further keys.
    power_kw : float
        Power for servers [kW].
    cooling : str or None
        ``"air"`` or ``"liquid"``.
    slots_u : int or None
        Height [rack units].
    price : Price or None
        Purchase price.
    sources, notes : mapping
        By dotted field: where a value comes from; why it was chosen.

    Examples
    --------
    >>> Rack(key="mine", name="My rack", power_kw=40.0).servers(10_200)
    3
    """

    power_kw: Positive
    cooling: Literal["air", "liquid"] | None = None
    slots_u: Count | None = None
    price: Price | None = None

    def servers(self, power_w: float) -> int:
        """Return how many servers of `power_w` the rack's power admits.

        Parameters
        ----------
        power_w : float
            Provisioned power of one server [W].

        Returns
        -------
        int
            Zero where one server already takes more than the rack has.

        Raises
        ------
        ValueError
            Where `power_w` is not a finite number above zero.

        References
        ----------
        Kim et al., arXiv:2502.01070, sections II-A and VI-D: a rack supplies limited power.

        Examples
        --------
        >>> Rack(key="mine", name="My rack", power_kw=40.0).servers(10_000)
        4
        """
        checked: Any = power_w
        if isinstance(checked, bool | str) or not math.isfinite(checked) or checked <= 0:
            raise ValueError(f"power_w: should be a finite number of watts above 0, not {power_w!r}")
        return math.floor(self.power_kw * 1000 / power_w * (1 + 1e-12))  # 0.3 kW / 100 W is 3, not 2
