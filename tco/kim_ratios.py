"""Kim's three ratios and their inverses, recovered from the absolute costs of two sides."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from roofline.spread import check_level
from tco import ratio as formulas
from tco.accounts import INFRASTRUCTURE_PARTS, PRICED_PARTS, SERVER_PARTS
from tco.defaults import Assumption


class _Costs(NamedTuple):
    """Yearly cost of a server of each side, as Kim divides it [USD/year]."""

    server_a: float
    infrastructure_a: float
    server_b: float
    infrastructure_b: float


class KimRatios:
    """Kim's ratios of two sides with absolute costs, and what would change the verdict.

    A subclass has sides ``a`` and ``b``, ``r_th``, ``ratio`` and ``probability_a``; with ``_parts_of_a_server`` and
    ``_cost`` it says what its sides cost.
    """

    a: Any
    b: Any

    if TYPE_CHECKING:

        @property
        def r_th(self) -> Array:
            """Throughput ratio of a server."""

        @property
        def ratio(self) -> Array:
            """TCO of A over TCO of B."""

        @property
        def probability_a(self) -> Array | None:
            """Probability that A is cheaper."""

        def _parts_of_a_server(self, side: Any) -> Mapping[str, float]:
            """Yearly cost of a server of a side by part [USD/year]."""

        def _cost(self, side: Any, changes: dict[str, Any]) -> Array:
            """Cost of a side with some inputs changed, for one traffic."""

    @cached_property
    def _costs(self) -> _Costs:
        of_a, of_b = (self._parts_of_a_server(side) for side in (self.a, self.b))
        return _Costs(
            _sum(of_a, SERVER_PARTS),
            _sum(of_a, INFRASTRUCTURE_PARTS),
            _sum(of_b, SERVER_PARTS),
            _sum(of_b, INFRASTRUCTURE_PARTS),
        )

    @property
    def r_sc(self) -> float:
        """Server cost ratio, per year of life (Kim Eq. 2)."""
        return self._costs.server_a / self._costs.server_b

    @property
    def r_ic(self) -> float | None:
        """Infrastructure cost ratio of a server (Kim Eq. 3); ``None`` where the rent of B alone contains it."""
        costs = self._costs
        if costs.infrastructure_b == 0:
            return None if costs.infrastructure_a else 1.0
        return costs.infrastructure_a / costs.infrastructure_b

    @property
    def server_share(self) -> float:
        """``w``: the server's share of B's total cost (below Kim Eq. 4)."""
        costs = self._costs
        return float(formulas.server_share(server_cost=costs.server_b, infrastructure_cost=costs.infrastructure_b))

    @property
    def _shares(self) -> dict[str, float]:
        """``R_SC``, ``R_IC`` and ``w``, such that Eq. 4 of them is the ratio.

        Where only the rent of B contains its infrastructure, its rent is taken as half of either: only the products
        ``w·R_SC`` and ``(1 − w)·R_IC`` count in Eq. 4, and they stay A's costs over B's.
        """
        if self.r_ic is not None:
            return {"r_sc": self.r_sc, "r_ic": self.r_ic, "server_share": self.server_share}
        costs, w = self._costs, 0.5
        return {
            "r_sc": costs.server_a / costs.server_b / w,
            "r_ic": costs.infrastructure_a / costs.server_b / (1 - w),
            "server_share": w,
        }

    @property
    def break_even_throughput(self) -> Array:
        """Throughput ratio above which A is cheaper."""
        return formulas.break_even_throughput(**self._shares)

    @property
    def break_even_server_cost(self) -> Array | None:
        """Server cost ratio below which A is cheaper; ``None`` (NaN in arrays) where not even a free server is."""
        shares = self._shares
        found = formulas.break_even_server_cost(
            r_th=self.r_th, r_ic=shares["r_ic"], server_share=shares["server_share"]
        )
        return _none_if_nan(found * (self.r_sc / shares["r_sc"]))

    @property
    def break_even_infrastructure_cost(self) -> Array | None:
        """Infrastructure cost ratio below which A is cheaper; ``None`` (NaN in arrays) where not even free is."""
        if self.r_ic is None:
            return None
        return _none_if_nan(
            formulas.break_even_infrastructure_cost(r_th=self.r_th, r_sc=self.r_sc, server_share=self.server_share)
        )

    @property
    def not_even_free(self) -> Array:
        """Whether A would lose even if its servers were free (Kim II-B)."""
        shares = self._shares
        return formulas.not_even_free(r_th=self.r_th, r_ic=shares["r_ic"], server_share=shares["server_share"])

    @property
    def elasticities(self) -> formulas.Elasticities:
        """Percent by which the ratio moves per percent of each of the three ratios."""
        return formulas.elasticities(**self._shares)

    @property
    def level_discount_a(self) -> Array | None:
        """Discount on A's price or rent at which A draws level: 0 if it is cheaper, ``None`` (NaN in arrays) if none.

        What does not follow the price, such as a network or licences, stays.
        """
        priced = _sum(self._parts_of_a_server(self.a), PRICED_PARTS) / self._costs.server_a
        return _none_if_nan(formulas.largest_useful_discount(r_th=self.r_th, chip_share=priced, **self._shares))

    @property
    def level_discount_b(self) -> Array | None:
        """Discount on B's price or rent at which B draws level, likewise."""
        return type(self)(self.b, self.a).level_discount_a  # type: ignore[call-arg]  # of two sides

    def verdict(self, level: float = 0.9) -> Any:
        """Say which is cheaper: ``A``, ``B``, or ``too close to call``.

        Parameters
        ----------
        level : float
            Probability from which one is called cheaper, above 0.5. Where neither throughput says how far it may be
            off, the ratio alone decides, and :attr:`probability_a` is ``None``.

        Returns
        -------
        str or array of str
            Of the ratio's shape.

        Raises
        ------
        ValueError
            A level that is not above 0.5 and below 1.
        """
        share = check_level(level)
        if share <= 0.5:
            raise ValueError(f"level = {level!r} is not accepted: give a number above 0.5 and below 1, such as 0.9")
        probability = self.probability_a
        if probability is None:
            probability = np.where(self.ratio < 1, 1.0, np.where(self.ratio > 1, 0.0, 0.5))
        words = np.where(
            np.asarray(probability) >= share,
            "A",
            np.where(np.asarray(probability) <= 1 - share, "B", "too close to call"),
        )
        return str(words) if words.shape == () else words

    def evaluate(self, **changes: Any) -> Array:
        """TCO ratio with some inputs of either side changed; arrays broadcast, so that any sweep is one call.

        Parameters
        ----------
        **changes
            By the names of the sides' ``inputs``: ``usd_per_kwh`` changes both, ``**{"a.price_usd": ...}`` one, which
            counts before one of both. Throughputs that are an array have the last axes.

        Returns
        -------
        array

        Raises
        ------
        ValueError
            A name that neither side's account holds.

        Examples
        --------
        >>> import hardware_specs as hs, tco
        >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), 36_000.0)
        >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 45_000.0)
        >>> tco.compare(a, b).evaluate(usd_per_kwh=np.array([0.04, 0.16, 0.32])).round(3)
        array([0.613, 0.666, 0.721])
        """
        cost_a, cost_b = self._costs_with(changes)
        return cost_a / cost_b

    def costs(self, **changes: Any) -> Array:
        """Costs of A and of B for the same traffic, with some inputs changed, over that of B as it is.

        The ratio says nothing of how dear the chosen side then is: :func:`tco.risk.value_of_information` needs both.

        Parameters
        ----------
        **changes
            As of :meth:`evaluate`.

        Returns
        -------
        array
            Shape ``(2, …)``: A and B.

        Raises
        ------
        ValueError
            A name that neither side's account holds.

        Examples
        --------
        >>> import hardware_specs as hs, tco
        >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), 36_000.0)
        >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), 45_000.0)
        >>> tco.compare(a, b).costs(usd_per_kwh=np.array([0.04, 0.16, 0.32])).round(3)
        array([[0.586, 0.72 , 0.899],
               [0.956, 1.081, 1.248]])
        """
        return np.stack(np.broadcast_arrays(*self._costs_with(changes))) / self._cost(self.b, {})

    def _costs_with(self, changes: Mapping[str, Any]) -> tuple[Array, Array]:
        of = {"a": {}, "b": {}}  # type: dict[str, dict[str, Any]]
        for name, value in sorted(changes.items(), key=lambda change: "." in change[0]):
            side, dot, inner = name.partition(".")
            if dot and side in of:
                of[side][inner] = value
                continue
            holders = [key for key in of if getattr(self, key).inputs.get(name) is not None]
            if not holders:
                known = {key for key, held in (self.a.inputs | self.b.inputs).items() if held is not None}
                raise ValueError(f"{name} is no input of either account{did_you_mean(name, known)}")
            for key in holders:
                of[key][name] = value
        return self._cost(self.a, of["a"]), self._cost(self.b, of["b"])

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return bool(self.a.private or self.b.private)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input of both sides, each once."""
        pairs = zip_longest(self.a.assumptions, self.b.assumptions)
        return tuple(dict.fromkeys(item for pair in pairs for item in pair if item is not None))


def _sum(parts: Mapping[str, float], names: tuple[str, ...]) -> float:
    return sum(parts.get(name, 0.0) for name in names)


def _none_if_nan(value: Any) -> Array | None:
    if np.shape(value) != ():
        return value
    return None if np.isnan(value) else float(value)
