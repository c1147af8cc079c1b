"""How a phase's time divides over its operations, decided without a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roofline._arrays import Array
from roofline._validation import choice
from roofline.estimates import PhaseEstimate
from roofline.plot.plan import by_name

MOST_BANDS = 8
"""Operations that are told apart, as many as the palette has colours; the smaller rest is one band."""

_AXES = {"batch": "batch", "context": "tokens", "prompt": "tokens"}
_UNITS = {"batch": "batch [sequences]", "context": "context [tokens]", "prompt": "prompt [tokens]"}


@dataclass(frozen=True, eq=False)
class BreakdownPlan:
    """Times of operations over one axis.

    Attributes
    ----------
    by : str
        ``batch``, ``context`` or ``prompt``.
    axis_label : str
        The same with its unit.
    x : array of shape (n,)
        Batch or length, ascending.
    times_s : dict of str to array of shape (n,)
        Time of each operation [s]; ``others`` gathers the smallest of more than eight.
    total_s : array of shape (n,)
        Their sum, the time of the phase [s].
    fits : array of shape (n,)
        Whether weights and KV cache fit in memory; true where its capacity is unknown.
    """

    by: str
    axis_label: str
    x: Array
    times_s: dict[str, Array]
    total_s: Array
    fits: Array

    @property
    def shares(self) -> dict[str, Array]:
        """Share of each operation in the time of the phase, 0 to 1."""
        return {name: time_s / self.total_s for name, time_s in self.times_s.items()}


def plan_breakdown(estimate: PhaseEstimate, *, by: str | None = None) -> BreakdownPlan:
    """Decide what a breakdown over batch or length shows.

    Parameters
    ----------
    estimate : PhaseEstimate
        Of shape ``(n,)``.
    by : {"batch", "context", "prompt"}, optional
        What the axis is; whichever of batch and length varies if not given.

    Returns
    -------
    BreakdownPlan

    Raises
    ------
    ValueError
        No axis of two or more values, one that does not ascend, or operations whose times do not add up.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=64, context_tokens=[512, 2048, 8192])
    >>> plan = plan_breakdown(d)
    >>> plan.by, plan.shares["attention"].round(2)
    ('context', array([0.22, 0.53, 0.82]))
    """
    if not isinstance(estimate, PhaseEstimate):
        raise ValueError(f"estimate = {estimate!r} is not accepted: give what prefill or decode returns")
    require_sums("estimate", estimate)
    length = "prompt" if estimate.phase == "prefill" else "context"
    varying = [name for name in ("batch", length) if np.size(getattr(estimate, _AXES[name])) > 1]
    if len(estimate.shape) != 1 or not varying:
        raise ValueError(
            f"estimate of shape {estimate.shape} is not accepted: give one axis of several batches, or of several "
            f"{length} lengths"
        )
    by = choice("by", varying[0] if by is None else by, ("batch", length))
    x = np.asarray(np.broadcast_to(getattr(estimate, _AXES[by]), estimate.shape))
    if np.any(np.diff(x) <= 0):
        raise ValueError(f"by = {by!r} is not accepted: {by} has to ascend, and is {x.tolist()}")
    times = {
        name: np.broadcast_to(sum(part.time_s for part in parts), estimate.shape)
        for name, parts in by_name(estimate.operations).items()
    }
    return BreakdownPlan(
        by=by,
        axis_label=_UNITS[by],
        x=x,
        times_s=largest(times),
        total_s=np.asarray(sum(times.values())),
        fits=fits(estimate),
    )


def fits(estimate: PhaseEstimate) -> Array:
    """Return where an estimate fits in memory, in its shape; true where the capacity is unknown."""
    known = estimate.machine.memory_bytes is not None
    return np.broadcast_to(np.asarray(estimate.fits if known else True), estimate.shape)


def largest(times: dict[str, Array]) -> dict[str, Array]:
    """Keep the operations that take most time, in their order, and add up the rest as ``others``."""
    if len(times) <= MOST_BANDS:
        return times
    ranked = sorted(times, key=lambda name: float(np.max(times[name] / sum(times.values()))), reverse=True)
    kept = set(ranked[: MOST_BANDS - 1])
    few = {name: time_s for name, time_s in times.items() if name in kept}
    return {**few, "others": sum(time_s for name, time_s in times.items() if name not in kept)}


def require_sums(name: str, estimate: PhaseEstimate) -> None:
    """Refuse an estimate whose operations overlap, so that their times do not add up to the phase's."""
    collectives = any(part.operation.kind == "collective" for part in estimate.operations)
    if estimate.overlap == "perfect" or (estimate.overlap == "communication" and collectives):
        raise ValueError(
            f"{name} has overlap = {estimate.overlap!r}, where operations have no times of their own that add up: "
            "give overlap='operation'"
        )


def require_all_sum(estimates: Sequence[PhaseEstimate]) -> None:
    """Refuse those of several estimates, by position."""
    for position, estimate in enumerate(estimates, start=1):
        require_sums(f"estimate {position}", estimate)
