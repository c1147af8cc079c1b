"""Two deployments at equal traffic: Kim's three ratios, the verdict, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from hardware_specs.errors import did_you_mean
from roofline._arrays import Array
from roofline._text import span
from roofline._validation import choice, number
from roofline.spread import Interval, Spread, check_level, ratio_logs
from tco import ratio as formulas
from tco.defaults import Assumption
from tco.deployment import Deployment, is_modelled

if TYPE_CHECKING:
    from tco.planning import Plan, PlanComparison

CERTAIN = Spread(0.0)
"""Of a throughput that is given as it is."""


class KimRatios:
    """Kim's ratios of two sides with absolute costs, and what would change the verdict.

    A subclass says what its sides cost: sides ``a`` and ``b``, ``r_th``, ``ratio``, ``probability_a``, and
    ``_costs_of_a_server``.
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

        def _costs_of_a_server(self, side: Any) -> tuple[float, float]: ...

    @cached_property
    def _costs(self) -> tuple[float, float, float, float]:
        """Server and infrastructure cost of a server of A, and of B [USD/year]."""
        return (*self._costs_of_a_server(self.a), *self._costs_of_a_server(self.b))

    @property
    def r_sc(self) -> float:
        """Server cost ratio, per year of life (Kim Eq. 2)."""
        server_a, _, server_b, _ = self._costs
        return server_a / server_b

    @property
    def r_ic(self) -> float | None:
        """Infrastructure cost ratio of a server (Kim Eq. 3); ``None`` where the rent of B alone contains it."""
        _, infrastructure_a, _, infrastructure_b = self._costs
        if infrastructure_b == 0:
            return None if infrastructure_a else 1.0
        return infrastructure_a / infrastructure_b

    @property
    def server_share(self) -> float:
        """``w``: the server's share of B's total cost (below Kim Eq. 4)."""
        _, _, server, infrastructure = self._costs
        return float(formulas.server_share(server_cost=server, infrastructure_cost=infrastructure))

    @property
    def _shares(self) -> dict[str, float]:
        """``R_SC``, ``R_IC`` and ``w``, such that Eq. 4 of them is the ratio.

        Where only the rent of B contains its infrastructure, a cost of A's that is next to nothing of B's stands in:
        the products of Eq. 4 are what counts, and ``(1 − w)·R_IC`` stays A's infrastructure over B's cost.
        """
        if self.r_ic is not None:
            return {"r_sc": self.r_sc, "r_ic": self.r_ic, "server_share": self.server_share}
        server_a, infrastructure_a, rent_b, _ = self._costs
        w = 0.5
        return {"r_sc": server_a / rent_b / w, "r_ic": infrastructure_a / rent_b / (1 - w), "server_share": w}

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
        """Discount on A's server at which A draws level: 0 if it is cheaper, ``None`` (NaN in arrays) if none does."""
        return _none_if_nan(formulas.largest_useful_discount(r_th=self.r_th, **self._shares))

    @property
    def level_discount_b(self) -> Array | None:
        """Discount on B's server at which B draws level: 0 if it is cheaper, ``None`` (NaN in arrays) if none does."""
        return type(self)(self.b, self.a).level_discount_a  # type: ignore[call-arg]

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
            By the names of the sides' ``inputs``: ``usd_per_kwh`` changes both, ``**{"a.price_usd": ...}`` one.

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
        array([0.615, 0.647, 0.682])
        """
        of = {"a": {}, "b": {}}  # type: dict[str, dict[str, Any]]
        for name, value in changes.items():
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
        return self._cost(self.a, of["a"]) / self._cost(self.b, of["b"])

    def _cost(self, side: Any, changes: dict[str, Any]) -> Array:
        return side.evaluate(**changes).total_usd

    @property
    def private(self) -> bool:
        """Whether any cost is the user's own, so that outputs show ratios and not dollars."""
        return bool(self.a.private or self.b.private)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every input of both sides, each once."""
        pairs = zip_longest(self.a.assumptions, self.b.assumptions)
        return tuple(dict.fromkeys(item for pair in pairs for item in pair if item is not None))


@dataclass(frozen=True, eq=False)
class Comparison(KimRatios):
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

    @cached_property
    def ratio(self) -> Array:
        """TCO of A over TCO of B, from the absolute costs; equal to Kim Eq. 4 of the three ratios."""
        cost_a = self.a.usd_per_year / self.a.tokens_per_s
        cost_b = self.b.usd_per_year / self.b.tokens_per_s
        return cost_a / cost_b

    def _costs_of_a_server(self, side: Deployment) -> tuple[float, float]:
        return side.server_usd_per_year, side.infrastructure_usd_per_year

    def _cost(self, side: Deployment, changes: dict[str, Any]) -> Array:
        rate = changes.get("tokens_per_s", side.tokens_per_s)
        return side.evaluate(**changes).total_usd / rate

    @property
    def kinds(self) -> tuple[str, str]:
        """What the throughputs are: ``ideal roofline``, ``calibrated roofline``, ``measured`` or ``given``."""
        a, b = (getattr(side.throughput, "kind", "given") for side in (self.a, self.b))
        return a, b

    @cached_property
    def _throughput_errors(self) -> Array | None:
        """Logarithms by which R_Th may be off, equally likely each and sorted; ``None`` where neither side says."""
        spreads = [side.spread for side in (self.a, self.b)]
        if spreads == [None, None] or "ideal roofline" in self.kinds:
            return None  # nothing says how far an upper bound is off
        return ratio_logs(*(CERTAIN if spread is None else spread for spread in spreads))

    def interval(self, level: float = 0.9, of: str = "ratio") -> Interval:
        """Bounds of the TCO ratio, or of R_Th, from what is known of the errors of the throughputs.

        Costs are taken as they are given. A throughput without a spread, a plain number, counts as certain.

        Parameters
        ----------
        level : float
            Share of cases that are within.
        of : {"ratio", "r_th"}
            Which ratio.

        Returns
        -------
        Interval

        Raises
        ------
        ValueError
            Neither throughput says how far it may be off.

        Examples
        --------
        >>> import hardware_specs as hs, tco
        >>> from roofline.measurements import Run
        >>> def ran(accelerator, rate):
        ...     return Run({"accelerator": accelerator, "devices": 1, "llm": "llama-3.1-8b", "precision": "fp8",
        ...                 "phase": "decode", "batch": 64.0, "context_tokens": 2048.0, "output_tokens_per_s": rate})
        >>> a = tco.Deployment(hs.get_server("gaudi-2-hls"), tco.Facility(), ran("gaudi-2", 4500.0))
        >>> b = tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), ran("h100-sxm", 6100.0))
        >>> c = tco.compare(a, b)
        >>> low, high, _ = c.interval(0.9, of="r_th")
        >>> print(f"R_Th {c.r_th:.3f}, {low:.3f} to {high:.3f}; {c.verdict()}")
        R_Th 0.738, 0.700 to 0.777; A
        """
        choice("of", of, ("ratio", "r_th"))
        share = check_level(level)
        if self._throughput_errors is None:
            raise ValueError(
                f"no interval: the throughputs are {' and '.join(sorted(set(self.kinds)))}, which do not say how far "
                "they may be off; give calibrated estimates or measured runs"
            )
        low, high = np.quantile(self._throughput_errors, [(1 - share) / 2, (1 + share) / 2])
        if of == "r_th":
            return Interval(self.r_th * np.exp(low), self.r_th * np.exp(high), share)
        return Interval(self.ratio * np.exp(-high), self.ratio * np.exp(-low), share)

    @property
    def probability_a(self) -> Array | None:
        """Probability that A is cheaper, given the errors of the throughputs; ``None`` where neither side says them."""
        if self._throughput_errors is None:
            return None
        logs = self._throughput_errors
        # A is cheaper where the ratio over the error of R_Th is below 1; level counts for half.
        needed = np.log(self.ratio)
        above = logs.size - np.searchsorted(logs, needed, side="right")
        level = np.searchsorted(logs, needed, side="right") - np.searchsorted(logs, needed, side="left")
        probability = (above + level / 2) / logs.size
        return float(probability) if np.shape(probability) == () else probability

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
            side.usd_per_year if price is None else side.evaluate(price_usd=number(name, price, at_least=0)).total_usd
            for name, side, price in (("price_a_usd", self.a, price_a_usd), ("price_b_usd", self.b, price_b_usd))
        ]
        return costs[0] / costs[1] / self.r_th

    def _repr_html_(self) -> str:
        kinds = {f"{kind} throughput" if kind == "given" else kind for kind in self.kinds}
        rows = "".join(
            f"<tr><td>{name}</td><td>{'in its rent' if value is None else _span(value)}</td><td>{meaning}</td></tr>"
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
            f"{private}{self._certainty}</p><table>{rows}</table>"
        )

    @property
    def _certainty(self) -> str:
        """Say the verdict with its probability, where it is of one point and known."""
        probability = self.probability_a
        if probability is None or np.shape(probability) != ():
            return ""
        low, high, level = self.interval()
        return f"; {self.verdict()}, P(A cheaper) = {probability:.0%}, ratio {low:.3f} to {high:.3f} ({level:.0%})"

    def __repr__(self) -> str:
        r_ic = "in B's rent" if self.r_ic is None else f"{self.r_ic:.3f}"
        return (
            f"Comparison({self.a.server.key} / {self.b.server.key}: TCO ratio {_span(self.ratio)}, "
            f"r_sc {self.r_sc:.3f}, r_ic {r_ic}, server_share {self.server_share:.3f}{self._certainty})"
        )


@overload
def compare(a: Deployment, b: Deployment) -> Comparison: ...
@overload
def compare(a: Plan, b: Plan) -> PlanComparison: ...
def compare(a: Any, b: Any) -> Any:
    """Compare two deployments, or two plans, at equal traffic (Kim Eq. 1-4).

    Of deployments servers are fractional and their number cancels; of plans they are whole. Either result equals
    :func:`tco.tco_ratio` of its own three ratios, and plans come to their deployments' ratio as traffic grows.

    Parameters
    ----------
    a, b : Deployment or Plan
        The candidate and the reference; ratios are A over B.

    Returns
    -------
    Comparison or PlanComparison

    Raises
    ------
    ValueError
        Throughputs of unlike phases, models or workloads. Batch and precision may differ: each machine may run at its
        best. So may the kinds, modelled, calibrated, measured or given: :attr:`Comparison.kinds` says which. Plans of
        unlike traffic.

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
    planned = [hasattr(side, "traffic") for side in (a, b)]
    for side, value in (("a", a), ("b", b)):
        if not isinstance(getattr(value, "deployment", value), Deployment):
            raise ValueError(f"{side} = {value!r} is not accepted: give a Deployment, or a Plan")
    if planned[0] != planned[1]:
        raise ValueError("a and b are a Plan and a Deployment: compare like with like, such as a.deployment with b")
    left, right = (getattr(side, "deployment", side).throughput for side in (a, b))
    if is_modelled(left) and is_modelled(right):
        _refuse_unlike(left, right)
    if not planned[0]:
        return Comparison(a, b)
    from tco.planning import PlanComparison  # which is made of comparisons

    if a.traffic != b.traffic:
        raise ValueError("a and b are plans of unlike traffic; compare at equal traffic")
    return PlanComparison(a, b)


def _refuse_unlike(left: Any, right: Any) -> None:
    # A cap is a choice about one side, and so no unlikeness: its phase is compared.
    left, right = (getattr(side, "unthrottled", side) for side in (left, right))
    if any(hasattr(side, "runs") for side in (left, right)):
        _refuse_unlike_runs(left, right)
        return
    for what, field in (("phases", "phase"), ("logits", "logits")):
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


def _refuse_unlike_runs(left: Any, right: Any) -> None:
    """Refuse a measured run beside one, or an estimate, of another phase, model or workload, as far as is known."""
    for what, of in (("phases", _phase_of), ("models", lambda side: side.llm.key)):
        of_a, of_b = of(left), of(right)
        if of_a != of_b:
            raise ValueError(f"a and b are of unlike {what}: {of_a} against {of_b}; compare like with like")
    fields = {"prefill": ("prompt_tokens",), "decode": ("context_tokens",)}
    for field in fields.get(_phase_of(left), ("prompt_tokens", "output_tokens")):
        ours, theirs = (_tokens_of(side, field) for side in (left, right))
        if ours is not None and theirs is not None and _differ(ours, theirs):
            unit = field.removesuffix("_tokens")
            raise ValueError(
                f"a and b have unlike workloads: {unit} tokens differ, {span(ours)} against {span(theirs)}; compare "
                "like with like"
            )


def _phase_of(side: Any) -> str:
    """Return what a run or an estimate did; whatever serves whole requests is alike."""
    phase = getattr(side, "phase", "generate")
    return "generate" if phase == "serving" else str(phase)


def _tokens_of(side: Any, field: str) -> Any:
    """Return a length of a run or an estimate, ``None`` where it is not known; a phase calls it ``tokens``."""
    if hasattr(side, field):
        return getattr(side, field)
    return getattr(side, "tokens", None)


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
