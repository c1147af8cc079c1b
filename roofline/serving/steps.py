"""Time of a mixed step: sequences that decode, and a chunk of a prompt that rides along.

Layers that treat every row alike (projections, MLP, experts, collectives) run once on the rows of both, so the weights
are read once. What is of one phase alone, its attention above all, runs for each apart. The LM head runs on one row per
sequence that gets a token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline.estimates import OperationEstimate, PhaseEstimate
from roofline.machine import Machine
from roofline.phases import decode, prefill
from roofline.serving.lengths import Shares

if TYPE_CHECKING:
    from roofline.llm import LLM


@dataclass(frozen=True, eq=False)
class MixedSteps:
    """Times of the steps of continuous batching on one replica.

    Attributes
    ----------
    llm : LLM
        The model.
    accelerator : Accelerator or Machine
        One device.
    contexts : Shares
        Contexts of the sequences that decode.
    slots : int
        Largest number of sequences that decode together.
    token_budget : int
        Most tokens of a step: one per sequence that decodes, the rest a chunk of a prompt.
    options : dict
        Keyword arguments of both phases.
    """

    llm: LLM
    accelerator: Accelerator | Machine
    contexts: Shares
    slots: int
    token_budget: int
    options: dict[str, Any]

    @cached_property
    def decode_s(self) -> Array:
        """Step without a chunk, of 0, 1, … `slots` sequences [s]."""
        return self._shared_s[: self.slots + 1] + self._decoding_s

    @cached_property
    def chunk_tokens(self) -> Array:
        """Largest chunk beside 0, 1, … `slots` sequences [token]."""
        return self.token_budget - np.arange(self.slots + 1.0)

    def with_chunk_s(self, chunk_tokens: Array) -> Array:
        """Step with a chunk beside 0, 1, … `slots` sequences, without the chunk's own attention [s].

        Parameters
        ----------
        chunk_tokens : array
            Tokens of the chunk; the last axis is that of the sequences. Fractions are interpolated.
        """
        rows = np.arange(self.slots + 1) + chunk_tokens
        return np.interp(rows, np.arange(self._shared_s.size), self._shared_s) + self._decoding_s

    def prompt_attention_s(self, prompts: Array) -> Array:
        """Time that chunks of a prompt spend on their own: attention, and the head of the first token [s].

        Parameters
        ----------
        prompts : array
            Prompt lengths [token].

        Returns
        -------
        array
            One row per prompt, one column per number of sequences beside it.
        """
        # Chunks of the same size at the same place are alike for all prompts, so the whole ones are summed once.
        size = self.chunk_tokens
        whole, rest = np.divmod(prompts[:, None], size)
        most = int(whole.max())
        start = np.arange(most)[:, None] * size
        cut = start + size > prompts.max()  # beyond the longest prompt: not looked up
        each = self._chunk_own_s(np.where(cut, 1, size), np.where(cut, 0, start)) if most else np.zeros((0, size.size))
        before = np.concatenate([np.zeros((1, size.size)), np.cumsum(each, axis=0)])
        attention = np.take_along_axis(before, whole.astype(int), axis=0)
        last = self._chunk_own_s(np.maximum(rest, 1), np.where(rest > 0, whole * size, 0))
        return attention + np.where(rest > 0, last, 0) + np.diff(self._head_s)

    @cached_property
    def _rows(self) -> PhaseEstimate:
        """Every number of rows that a step can have."""
        rows = np.arange(1.0, max(self.token_budget, self.slots) + 1)
        return decode(self.llm, self.accelerator, batch=rows, context_tokens=1, **self.options)

    @cached_property
    def _shared_names(self) -> set[str]:
        chunk = prefill(self.llm, self.accelerator, batch=1, prompt_tokens=1, **self.options)
        alike = {operation.name for operation in chunk.operations} & {step.name for step in self._rows.operations}
        apart = {operation.name for operation in chunk.operations if operation.operation.kind in ("attention", "head")}
        return alike - apart

    @cached_property
    def _shared_s(self) -> Array:
        """Layers that treat every row alike, of 0, 1, … rows [s]."""
        names, rows = self._shared_names, self._rows
        return _from_zero(sum_of(operation for operation in rows.operations if operation.name in names))

    @cached_property
    def _head_s(self) -> Array:
        """LM head of 0, 1, … `slots` + 1 sequences [s]."""
        head = sum_of(operation for operation in self._rows.operations if operation.operation.kind == "head")
        last = self.slots + 1
        if last > head.size:  # a budget that the slots fill: the head of one row more costs no less than of the last
            head = np.append(head, head[-1])
        return _from_zero(head)[: last + 1]

    @cached_property
    def _decoding_s(self) -> Array:
        """What 0, 1, … `slots` decoding sequences spend apart from other rows, averaged over their contexts [s]."""
        batch = np.arange(1.0, self.slots + 1)
        step = decode(
            self.llm, self.accelerator, batch=batch, context_tokens=self.contexts.values[:, None], **self.options
        )
        own = sum_of(operation for operation in step.operations if operation.name not in self._shared_names)
        return _from_zero(self.contexts.shares @ np.broadcast_to(own, (self.contexts.values.size, batch.size)))

    def _chunk_own_s(self, tokens: Array, cached: Array) -> Array:
        """What a chunk spends apart from other rows, without the head [s]."""
        if np.size(tokens) > 1 and np.max(tokens) + np.max(cached) > self.llm.max_context:
            # Each chunk is within the model's context, but a phase is checked for the longest of both: go by halves.
            order = np.argsort(cached, axis=None)
            halves = np.array_split(order, 2)
            times = [self._chunk_own_s(np.ravel(tokens)[half], np.ravel(cached)[half]) for half in halves]
            return np.concatenate(times)[np.argsort(order)].reshape(np.shape(tokens))
        options = {"cached_tokens": cached} if np.any(cached) else {}
        chunk = prefill(self.llm, self.accelerator, batch=1, prompt_tokens=tokens, **options, **self.options)
        apart = (
            step for step in chunk.operations if step.name not in self._shared_names and step.operation.kind != "head"
        )
        return np.broadcast_to(sum_of(apart), np.shape(tokens))


def sum_of(operations: Iterable[OperationEstimate]) -> Array:
    """Sum the times of operations [s].

    Parameters
    ----------
    operations : iterable of OperationEstimate
        Of one phase.
    """
    return sum((operation.time_s for operation in operations), np.zeros(()))


def _from_zero(times: Array) -> Array:
    """Prepend the time of nothing."""
    return np.concatenate([[0.0], times])
