"""Two deployments at equal traffic: Kim's three ratios, the verdict, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from roofline._arrays import Array
from tco import ratio as formulas
from tco.defaults import Assumption
from tco.deployment import Deployment, is_modelled


@dataclass(frozen=True, eq=False)
class Comparison:
    """Deployment A against deployment B at equal traffic, with as many servers of each as that takes.

    Attributes
    ----------
    a, b : Deployment
        What is compared. Ratios are A over B.
    """

    a: Deployment
    b: Deployment

    @property
    def r_th(self) -> Array:
        """Throughput ratio of a server (Kim Eq. 1)."""
        return self.a.tokens_per_s / self.b.tokens_per_s

    @property
    def r_sc(self) -> float:
        """Server cost ratio, per year of life (Kim Eq. 2)."""
        return self.a.server_usd_per_year / self.b.server_usd_per_year

    @property
    def r_ic(self) -> float:
        """Infrastructure cost ratio of a server (Kim Eq. 3)."""
        return self.a.infrastructure_usd_per_year / self.b.infrastructure_usd_per_year

    @property
    def server_share(self) -> float:
        """``w``: the server's share of B's total cost (below Kim Eq. 4)."""
        return float(
            formulas.server_share(
                server_cost=self.b.server_usd_per_year, infrastructure_cost=self.b.infrastructure_usd_per_year
            )
        )

    @cached_property
    def ratio(self) -> Array:
        """TCO of A over TCO of B, from the absolute costs; equal to Kim Eq. 4 of the three ratios."""
        cost_a = self.a.usd_per_year / self.a.tokens_per_s
        cost_b = self.b.usd_per_year / self.b.tokens_per_s
        return cost_a / cost_b

    @property
    def break_even_throughput(self) -> Array:
        """Throughput ratio above which A is cheaper."""
        return formulas.break_even_throughput(r_sc=self.r_sc, r_ic=self.r_ic, server_share=self.server_share)

    @property
    def break_even_server_cost(self) -> Array | None:
        """Server cost ratio below which A is cheaper; ``None`` (NaN in arrays) where not even a free server is."""
        return _none_if_nan(
            formulas.break_even_server_cost(r_th=self.r_th, r_ic=self.r_ic, server_share=self.server_share)
        )

    @property
    def break_even_infrastructure_cost(self) -> Array | None:
        """Infrastructure cost ratio below which A is cheaper; ``None`` (NaN in arrays) where not even free is."""
        return _none_if_nan(
            formulas.break_even_infrastructure_cost(r_th=self.r_th, r_sc=self.r_sc, server_share=self.server_share)
        )

    @property
    def not_even_free(self) -> Array:
        """Whether A would lose even if its servers were free (Kim II-B)."""
        return formulas.not_even_free(r_th=self.r_th, r_ic=self.r_ic, server_share=self.server_share)

    @property
    def elasticities(self) -> formulas.Elasticities:
        """Percent by which the ratio moves per percent of each of the three ratios."""
        return formulas.elasticities(r_sc=self.r_sc, r_ic=self.r_ic, server_share=self.server_share)

    @property
    def level_discount_a(self) -> Array | None:
        """Discount on A's server at which A draws level: 0 if it is cheaper, ``None`` (NaN in arrays) if none does."""
        return _none_if_nan(
            formulas.largest_useful_discount(
                r_th=self.r_th, r_sc=self.r_sc, r_ic=self.r_ic, server_share=self.server_share
            )
        )

    @property
    def level_discount_b(self) -> Array | None:
        """Discount on B's server at which B draws level: 0 if it is cheaper, ``None`` (NaN in arrays) if none does."""
        swapped = Comparison(self.b, self.a)
        return swapped.level_discount_a

    def ratio_at(self, *, price_a_usd: float | None = None, price_b_usd: float | None = None) -> Array:
        """TCO ratio if servers cost something else, everything else held.

        Parameters
        ----------
        price_a_usd, price_b_usd : float, optional
            Price of a server of A and of B [USD]; what it is now if not given.

        Raises
        ------
        ValueError
            A price that is not a number of at least 0.
        """
        costs = [
            side.usd_per_year
            if price is None
            else side.infrastructure_usd_per_year + side.facility.server_usd_per_year(price)
            for side, price in ((self.a, price_a_usd), (self.b, price_b_usd))
        ]
        return costs[0] / costs[1] / self.r_th

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input of both sides, each once."""
        pairs = zip(self.a.assumptions, self.b.assumptions, strict=True)
        return tuple(dict.fromkeys(item for pair in pairs for item in pair))

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return self.a.private or self.b.private

    def _repr_html_(self) -> str:
        kinds = {getattr(side.throughput, "kind", "given throughput") for side in (self.a, self.b)}
        rows = "".join(
            f"<tr><td>{name}</td><td>{_span(value)}</td><td>{meaning}</td></tr>"
            for name, value, meaning in (
                ("R_Th", self.r_th, "throughput of a server"),
                ("R_SC", self.r_sc, "cost of a server"),
                ("R_IC", self.r_ic, "infrastructure cost of a server"),
                ("w", self.server_share, f"the server's share of {self.b.server.key}'s cost"),
                ("TCO", self.ratio, f"below 1, {self.a.server.key} is cheaper"),
            )
        )
        private = "; some costs are private" if self.private else ""
        return (
            f"<p><b>{self.a.server.key} / {self.b.server.key}</b> at equal traffic, from {' and '.join(sorted(kinds))}"
            f"{private}</p><table>{rows}</table>"
        )

    def __repr__(self) -> str:
        return (
            f"Comparison({self.a.server.key} / {self.b.server.key}: TCO ratio {_span(self.ratio)}, "
            f"r_sc {self.r_sc:.3f}, r_ic {self.r_ic:.3f}, server_share {self.server_share:.3f})"
        )


def compare(a: Deployment, b: Deployment) -> Comparison:
    """Compare two deployments at equal traffic (Kim Eq. 1-4).

    With fractional servers, as here, the result equals :func:`tco.tco_ratio` of its own three ratios.

    Parameters
    ----------
    a, b : Deployment
        The candidate and the reference; ratios are A over B.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Throughputs of unlike kinds, models or workloads. Batch and precision may differ: each machine may run at its
        best.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from tco import Facility
    >>> a = Deployment(hs.get_server("gaudi-2-hls"), Facility(), throughput=36_000.0)
    >>> b = Deployment(hs.get_server("dgx-h100"), Facility(), throughput=45_000.0)
    >>> c = compare(a, b)
    >>> round(float(c.r_th), 12), bool(c.ratio < 1)
    (0.8, True)
    """
    for side, value in (("a", a), ("b", b)):
        if not isinstance(value, Deployment):
            raise ValueError(f"{side} = {value!r} is not accepted: give a Deployment")
    left, right = a.throughput, b.throughput
    if is_modelled(left) and is_modelled(right):
        _refuse_unlike(left, right)
    return Comparison(a, b)


def _refuse_unlike(left: Any, right: Any) -> None:
    # A cap is a choice about one side, and so no unlikeness: its phase is compared.
    left, right = (getattr(side, "unthrottled", side) for side in (left, right))
    for what, field in (("phases", "phase"), ("kinds of estimate", "kind"), ("logits", "logits")):
        of_a, of_b = (getattr(side, field, type(side).__name__) for side in (left, right))
        if of_a != of_b:
            raise ValueError(f"a and b are of unlike {what}: {of_a} against {of_b}; compare like with like")
    for ours, theirs in zip(_phases(left), _phases(right), strict=True):
        for what, field in (
            ("new tokens a step", "new_tokens"),
            ("cached tokens", "cached_tokens"),
            ("lengths", "lengths"),
            ("routing skews", "routing_skew"),
        ):
            if _differ(getattr(ours, field), getattr(theirs, field)):
                raise ValueError(f"a and b have unlike workloads: {what} differ; compare like with like")
        for what, of_a, of_b in (
            ("overlaps", ours.overlap, theirs.overlap),
            ("geometries", ours.ceilings.geometry, theirs.ceilings.geometry),
            ("ceilings", ours.ceilings.without or "all", theirs.ceilings.without or "all"),
        ):
            if of_a != of_b:
                raise ValueError(f"a and b are of unlike {what}: {of_a} against {of_b}; compare like with like")
    if left.llm != right.llm:
        of_a, of_b = left.llm.name, right.llm.name
        detail = f"{of_a} against {of_b}" if of_a != of_b else f"two versions of {of_a}"
        raise ValueError(f"a and b are of unlike models: {detail}; compare like with like")
    for part in ("prompt", "output"):  # of streams of requests, how the lengths are distributed
        ours, theirs = (getattr(getattr(side, "scheduler", None), part, None) for side in (left, right))
        if (
            ours is not None
            and theirs is not None
            and (_differ(ours.values, theirs.values) or _differ(ours.shares, theirs.shares))
        ):
            raise ValueError(f"a and b have unlike workloads: {part} lengths differ; compare like with like")
    phase = getattr(left, "phase", None)
    named = {"prefill": {"prompt": "tokens"}, "decode": {"context": "tokens"}}
    for unit, field in named.get(str(phase), {"prompt": "prompt_tokens", "output": "output_tokens"}).items():
        if _differ(getattr(left, field), getattr(right, field)):
            raise ValueError(f"a and b have unlike workloads: {unit} tokens differ; compare like with like")


def _differ(ours: Any, theirs: Any) -> bool:
    try:
        return bool(np.any(np.asarray(ours != theirs)))
    except ValueError:  # arrays that do not broadcast
        return True


def _phases(estimate: Any) -> tuple[Any, ...]:
    """Return the phases of a generation or a stream, or the one that a phase estimate is."""
    if hasattr(estimate, "scheduler"):
        return (estimate.scheduler.step,)
    found = (getattr(estimate, "prefill", None), getattr(estimate, "last_step", None))
    return tuple(phase for phase in found if phase is not None) or (estimate,)


def _none_if_nan(value: Any) -> Array | None:
    if np.shape(value) != ():
        return value
    return None if np.isnan(value) else float(value)


def _span(values: Any) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
