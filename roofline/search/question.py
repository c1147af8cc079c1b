"""What is asked of every layout: the largest batch that fits and is fast enough, and the phase at that batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline.ceilings import Ceilings
from roofline.estimates import PhaseEstimate
from roofline.layout import Layout, over_dies
from roofline.machine import Machine, machine
from roofline.memory import compiled_batch
from roofline.phases import decode, prefill
from roofline.precision import PrecisionPolicy
from roofline.search.divisions import misfit
from roofline.search.result import LayoutOption

if TYPE_CHECKING:
    from roofline.llm import LLM

_GB = 1e9
_MOST_SEQUENCES = 1e9
_TRIED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every layout.

    Attributes
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    phase : str
        ``decode`` or ``prefill``.
    tokens : int or Lengths
        Cached tokens in decode, those of the prompts in a prefill [token].
    batch : int or None
        Sequences over all devices; the largest that is accepted if absent.
    limit : tuple of str and float, or None
        Name and value of the longest time that is accepted [s].
    parallel : tuple of str
        Kinds of parallelism.
    options : mapping
        Further keyword arguments of the phase.
    """

    llm: LLM
    accelerator: Accelerator | Machine
    phase: str
    tokens: Any
    batch: int | None
    limit: tuple[str, float] | None
    parallel: tuple[str, ...]
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.accelerator.memory_bytes is None:
            raise ValueError(f"{self.accelerator.name} gives no memory_bytes, so which layouts fit is unknown")
        if isinstance(self.accelerator, Machine) and self.accelerator.shape:
            raise ValueError(f"{self.accelerator.name} has rates of shape {self.accelerator.shape}: give one machine")

    @cached_property
    def linked(self) -> bool:
        """Whether the link between devices counts, and so must be known."""
        return "link" not in Ceilings(without=self.options.get("without", ())).without

    def ask(self, layout: Layout, precision: PrecisionPolicy) -> LayoutOption:
        """What a layout gives, or why it is refused."""
        reason = self._does_not_run(layout, precision)
        if reason:
            return LayoutOption(layout=layout, precision=precision, batch=None, estimate=None, refused=reason)
        batch = self.batch or self.largest_batch(layout, precision) or 1
        estimate = self._phase_of(layout, precision, batch)
        return LayoutOption(
            layout=layout, precision=precision, batch=batch, estimate=estimate, refused=self._shortcoming(estimate)
        )

    def largest_batch(self, layout: Layout, precision: PrecisionPolicy) -> int:
        """Largest batch that fits and meets the limit; 0 where none does."""
        one = self._phase_of(layout, precision, 1)
        high = layout.data * (float(one.machine.memory_bytes or 0.0) // float(one.memory.kv_cache))
        return _last_accepted(
            lambda batches: self._accepts(self._phase_of(layout, precision, batches)),
            int(min(high, compiled_batch(self.accelerator, layout) or high, _MOST_SEQUENCES)),
        )

    def _phase_of(self, layout: Layout, precision: PrecisionPolicy, batch: Any) -> PhaseEstimate:
        shared: dict[str, Any] = {**self.options, "batch": batch, "precision": precision, "layout": layout}
        if self.phase == "prefill":
            return prefill(self.llm, self.accelerator, prompt_tokens=self.tokens, **shared)
        return decode(self.llm, self.accelerator, context_tokens=self.tokens, **shared)

    def _does_not_run(self, layout: Layout, precision: PrecisionPolicy) -> str:
        reason = misfit(self.llm, self.accelerator, layout, linked=self.linked)
        if reason:
            return reason
        joined = over_dies(layout, self.accelerator).joined
        try:
            machine(self.accelerator, precision, devices=joined if self.linked else 1)
        except ValueError as lacking:
            return str(lacking)
        return ""

    def _accepts(self, estimate: PhaseEstimate) -> Array:
        return estimate.fits if self.limit is None else estimate.fits & (estimate.time_s <= self.limit[1])

    def _shortcoming(self, estimate: PhaseEstimate) -> str:
        """Say why an estimate is out of the question; empty where it is not."""
        batch, most = float(estimate.batch), compiled_batch(self.accelerator, estimate.layout)
        if most is not None and batch > most:
            over = f" over {estimate.layout.data} copies" if estimate.layout.data > 1 else ""
            return f"{self.accelerator.name} runs batches compiled in advance, of at most {most}{over}"
        if not estimate.fits:
            available_gb = float(self.accelerator.memory_bytes or 0.0) / _GB
            needed_gb, what = float(estimate.memory_bytes) / _GB, f"a batch of {batch:,.0f} needs"
            weights_gb = needed_gb * float(estimate.memory.weights / estimate.memory.held)
            if weights_gb > available_gb and not np.any(np.asarray(estimate.ceilings.offload)):
                needed_gb, what = weights_gb, "the weights alone need"
            return f"out of memory: {what} {needed_gb:,.1f} GB on each device, available {available_gb:,.1f} GB"
        if not self._accepts(estimate):
            name, longest_s = self.limit or ("", 0.0)
            return (
                f"too slow: a batch of {batch:,.0f} takes {1e3 * float(estimate.time_s):,.3g} ms, "
                f"{name} is {1e3 * longest_s:,.3g} ms"
            )
        return ""


def _last_accepted(accepts: Callable[[Array], Array], high: int) -> int:
    """Return the largest batch up to `high` that is accepted, where no batch is accepted above one that is not."""
    low = 0
    while low < high:
        tried = np.unique(np.ceil(np.linspace(low, high, _TRIED_AT_ONCE + 1)[1:]))
        good = np.broadcast_to(np.asarray(accepts(tried)), tried.shape)
        low = int(tried[good].max(initial=low))
        high = int(tried[tried > low].min(initial=high + 1)) - 1
    return low
