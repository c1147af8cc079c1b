"""Two deployments at equal traffic: Kim's three ratios, the verdict, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from roofline._arrays import Array
from roofline._text import span
from roofline._validation import choice
from roofline.spread import Interval, Spread, check_level, ratio_logs
from tco._checked import given
from tco.deployment import Deployment, is_modelled, refused
from tco.kim_ratios import KimRatios

if TYPE_CHECKING:
    from tco.planning import Plan, PlanComparison

CERTAIN = Spread(0.0)
"""Of a throughput that is given as it is."""


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

    def _parts_of_a_server(self, side: Deployment) -> dict[str, float]:
        return side.breakdown

    def _cost(self, side: Deployment, changes: dict[str, Any]) -> Array:
        rate = given("tokens_per_s", changes.pop("tokens_per_s", side.tokens_per_s), at_least=1e-200, at_most=1e200)
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
        if self.a.off_alike(self.b):
            return np.zeros(1)
        return ratio_logs(*(CERTAIN if spread is None else spread for spread in spreads))

    def interval(self, level: float = 0.9, of: str = "ratio") -> Interval:
        """Bounds of the TCO ratio, or of R_Th, from what is known of the errors of the throughputs.

        Costs are taken as they are given. A throughput without a spread, a plain number, counts as certain. Errors that
        both sides share, such as of the same run on servers bought and rented, leave R_Th as it is.

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
            Price of a server of A and of B, the host's memory made alike [USD]; what it is now if not given.

        Raises
        ------
        ValueError
            A price that is not a number of at least 0.
        """
        costs = [
            side.usd_per_year if price is None else side.evaluate(price_usd=given(name, price, at_least=0)).total_usd
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
    :func:`tco.tco_ratio` of its own three ratios. Plans of steady traffic, without porting, failures and headroom, come
    to their deployments' ratio as traffic grows.

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
        unlike traffic, or of whole servers and of fractions.

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
            raise refused(side, value, "a Deployment, or a Plan")
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
    if a.whole != b.whole:
        raise ValueError("a and b are plans of whole servers and of fractions; compare like with like")
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


def _span(values: Any) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"
