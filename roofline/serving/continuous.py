"""Continuous batching in steady state: requests arrive at random, join the running batch, and leave when done.

The scheduler is vLLM's with chunked prefill. A step takes one token of every sequence that decodes and fills its token
budget with a chunk of the first waiting prompt, and of the next if room is left. How the figures come about:

* **Step.** :mod:`roofline.serving.steps`: rows of both kinds share the weights; their attention adds.
* **Interference.** A prompt lengthens the steps of its chunks by ``Δ`` in all, so beside ``n`` sequences the mean step
  is ``t(n) = t₀(n) / (1 - λ Δ(n))``, and never longer than one with a full chunk. A chunk below the budget is taken to
  share its step with the ``λ t`` requests that arrive during one.
* **Batch.** Sequences join at the rate ``λ`` and share the steps: processor sharing, whose distribution depends on the
  lengths through their means only (:func:`roofline.serving.queues.shared_batch`). A sequence joins when its prompt is
  done, and another prompt may be right behind it: that lengthens its steps a little more.
* **Time to first token.** The rest of the step in progress, the prompts before it (Pollaczek and Khinchine, prompts
  served one after the other at the rate of full steps), and its own chunks.
* **Room.** A sequence keeps a slot, and memory for all its tokens, from its first decode step to its last; there are as
  many slots as fit for requests of mean length.

Against a step by step simulation of the scheduler with random arrivals (``tests/roofline/test_serving_continuous.py``),
batch and ITL are within 7 % up to 80 % of the largest rate, and the time to first token within 15 %. Nearer to that
rate waiting grows without bound, and the error of its estimate with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._text import span
from roofline._validation import count, number
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine, require_records
from roofline.memory import compiled_batch
from roofline.phases import decode
from roofline.precision import PrecisionPolicy
from roofline.serving.lengths import Shares, decode_contexts, request_lengths
from roofline.serving.options import check_options
from roofline.serving.queues import Occupancy, shared_batch
from roofline.serving.room import most_sequences, require_room
from roofline.serving.steps import MixedSteps

if TYPE_CHECKING:
    from roofline.llm import LLM


class UnsustainableLoadError(ValueError):
    """More requests arrive than can be served; the message names the largest rate that can."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scheduler:
    """A replica under continuous batching and the requests that it serves, before anything is said about their rate.

    Attributes
    ----------
    steps : MixedSteps
        Times of its steps.
    prompt, output : Shares
        Lengths of requests.
    bound : str
        What bounds the batch: ``memory``, ``max_sequences``, ``compiled batch``, or ``token budget``.
    step : PhaseEstimate
        A decode step of the largest batch.
    """

    steps: MixedSteps
    prompt: Shares
    output: Shares
    bound: str
    step: PhaseEstimate = field(repr=False)

    @property
    def decode_steps(self) -> float:
        """Mean decode steps of a request: one less than its output tokens."""
        return self.output.mean - 1

    @cached_property
    def balanced_batch(self) -> float:
        """Batch at which the budget that decoding leaves is just what the prompts need, if no slot is lacking.

        Of ``C`` tokens a step, ``n`` decode; per decode step of a request its prompt needs ``P / D`` tokens, so
        ``n = C D / (D + P)``.
        """
        return min(_balanced_batch(self.steps.token_budget, self.decode_steps, self.prompt.mean), self.steps.slots)

    @cached_property
    def requests_per_s(self) -> float:
        """Largest rate that can be served [1/s]."""
        batch, need = self.balanced_batch, self.decode_steps
        states = np.arange(self.steps.slots + 1)
        full_step_s = float(np.interp(batch, states, self.full_s))
        prefilled = (self.steps.token_budget - batch) / (self.prompt.mean * full_step_s)
        if batch < self.steps.slots:
            return float(min(batch / (need * full_step_s), prefilled))
        # The slots are full and the budget is not: slots / D requests leave in a step and as many arrive, which is all
        # that its length depends on.
        arriving = batch / need
        longer_s = self.steps.decode_s[-1] + arriving * self.interference_s(np.float64(arriving))[-1]
        return float(min(arriving / min(longer_s, self.full_s[-1]), prefilled))

    def sustains(self, requests_per_s: Any) -> Array:
        """Whether rates of requests can be served, element by element.

        Parameters
        ----------
        requests_per_s : float or array
            Rates [1/s].
        """
        return number("requests_per_s", requests_per_s, above=0) < self.requests_per_s

    @cached_property
    def _strata(self) -> Shares:
        return self.prompt.strata().whole()

    @cached_property
    def _attention_s(self) -> Array:
        """Attention of a whole prompt, by stratum and batch [s]."""
        return self.steps.prompt_attention_s(self._strata.values)

    @cached_property
    def _attention_s_per_token(self) -> Array:
        return self._strata.shares @ self._attention_s / self._strata.mean

    @cached_property
    def full_s(self) -> Array:
        """Step with as long a chunk as the budget allows, beside 0, 1, … sequences [s]."""
        chunk = self.steps.chunk_tokens
        return self.steps.with_chunk_s(chunk) + chunk * self._attention_s_per_token

    def _last_chunk(self, requests_per_step: Array) -> tuple[Array, Array, Array]:
        """Return whole chunks of a prompt, its rest, and the tokens of the step in which the rest is taken."""
        chunk = self.steps.chunk_tokens
        whole, rest = np.divmod(self._strata.values[:, None], chunk)
        return whole, rest, np.minimum(rest + requests_per_step * self.prompt.mean, chunk)

    def step_s(self, requests_per_s: float) -> Array:
        """Mean step beside 0, 1, … sequences, prompts included, if these come at random [s]; 0 for none.

        Parameters
        ----------
        requests_per_s : float
            Rate at which requests arrive [1/s].
        """
        step_s = self.steps.decode_s
        for _ in range(100):
            longer_s = self._stretched_s(
                self.steps.decode_s, requests_per_s * self.interference_s(requests_per_s * step_s)
            )
            if np.allclose(longer_s, step_s, rtol=1e-12, atol=0):
                break
            step_s = longer_s  # rises towards the fixed point, since fuller steps cost more
        return step_s

    def step_after_prefill_s(self, step_s: Array, requests_per_s: float) -> Array:
        """Mean step as the sequence sees it that has just been prefilled [s].

        When a prompt is done, another is behind it as often as a prompt is being read at all, so the sequence sees that
        much more of prompts than the random arrivals of :meth:`step_s`. With the last slot taken none is let in.

        Parameters
        ----------
        step_s : array
            Of :meth:`step_s` [s].
        requests_per_s : float
            Rate at which requests arrive [1/s].
        """
        interference_s = self.interference_s(requests_per_s * step_s)
        reading = np.minimum(requests_per_s * self.prompt.mean * self.full_s / self.steps.chunk_tokens, 1)
        met_s = self.steps.decode_s + reading * interference_s / self.decode_steps
        longer_s = self._stretched_s(met_s, requests_per_s * interference_s)
        # Where padding makes a chunk cheaper in company, the last may come out above what the largest rate leaves it.
        last_s = min(step_s[-1], self.steps.slots / (self.decode_steps * self.requests_per_s))
        return np.append(longer_s[:-1], last_s)

    def _stretched_s(self, quiet_s: Array, load: Array) -> Array:
        """Return steps that random prompts lengthen, up to one that is full of them [s]."""
        return np.where(load < 1, np.minimum(quiet_s / np.where(load < 1, 1 - load, 1), self.full_s), self.full_s)

    def interference_s(self, requests_per_step: Array) -> Array:
        """Time by which a mean prompt lengthens the steps of its chunks, in all, beside 0, 1, … sequences [s].

        Parameters
        ----------
        requests_per_step : array
            Requests that arrive during a step, with which the last chunk shares its own.
        """
        quiet_s = self.steps.decode_s
        whole, rest, taken = self._last_chunk(requests_per_step)
        of_whole_s = whole * (self.steps.with_chunk_s(self.steps.chunk_tokens) - quiet_s)
        of_rest_s = rest / np.maximum(taken, 1) * (self.steps.with_chunk_s(taken) - quiet_s)
        return self._strata.shares @ (of_whole_s + of_rest_s + self._attention_s)

    def prefill_s(self, step_s: Array, requests_per_s: float) -> Array:
        """Mean time that a prompt's own chunks take, beside 0, 1, … sequences [s].

        Parameters
        ----------
        step_s : array
            Mean steps [s].
        requests_per_s : float
            Rate at which requests arrive [1/s].
        """
        whole, rest, taken = self._last_chunk(requests_per_s * step_s)
        full_s = self.steps.with_chunk_s(self.steps.chunk_tokens)
        last_s = self.steps.with_chunk_s(taken) + (taken - rest) * self._attention_s_per_token
        return self._strata.shares @ (whole * full_s + np.where(rest > 0, last_s, 0) + self._attention_s)


@dataclass(frozen=True, eq=False, kw_only=True)
class ContinuousBatching:
    """A replica under continuous batching in steady state. Attributes are computed when asked for.

    Figures have the shape of `requests_per_s`.

    Attributes
    ----------
    requests_per_s : array
        Rate at which requests arrive at the replica, at random [1/s].
    scheduler : Scheduler
        The replica and its requests.
    """

    requests_per_s: Array
    scheduler: Scheduler = field(repr=False)

    @property
    def kind(self) -> str:
        """What the figures are: an ``ideal roofline`` or one ``with losses``, in steady state."""
        return f"{self.scheduler.step.kind}, steady state"

    @cached_property
    def _solved(self) -> dict[str, Array]:
        names = ("batch", "waiting", "ttft", "wait", "itl", "full_step")
        rows = [_solve(self.scheduler, float(rate)) for rate in np.ravel(self.requests_per_s)]
        return {name: np.reshape([row[name] for row in rows], np.shape(self.requests_per_s))[()] for name in names}

    def __repr__(self) -> str:
        step = self.scheduler.step
        return (
            f"ContinuousBatching({self.kind}: {step.llm.name} on {self.devices} × {step.machine.name}, "
            f"{span(self.requests_per_s)} requests/s of at most {self.max_requests_per_s:.4g}: "
            f"batch {span(self.batch)}, TTFT {span(self.ttft_s * 1e3)} ms, ITL {span(self.itl_s * 1e3)} ms)"
        )

    @property
    def batch(self) -> Array:
        """Mean number of sequences that decode."""
        return self._solved["batch"]

    @property
    def itl_s(self) -> Array:
        """Inter-token latency [s]: mean over tokens, steps with chunks of prompts included."""
        return self._solved["itl"]

    @property
    def itl_with_chunk_s(self) -> Array:
        """Step with a full chunk beside the batch that a token sees [s]: its stall while a long prompt is read."""
        return self._solved["full_step"]

    @property
    def ttft_s(self) -> Array:
        """Time to first token [s]: mean, from arrival."""
        return self._solved["ttft"]

    @property
    def queueing_s(self) -> Array:
        """Part of :attr:`ttft_s` before the prompt's first chunk [s]."""
        return self._solved["wait"]

    @property
    def waiting(self) -> Array:
        """Mean number of requests that wait because every slot is taken."""
        return self._solved["waiting"]

    @property
    def latency_s(self) -> Array:
        """End-to-end latency [s]: mean, from arrival to last token."""
        return self.ttft_s + self.scheduler.decode_steps * self.itl_s

    @property
    def requests_in_flight(self) -> Array:
        """Mean number of requests between arrival and last token: Little's law."""
        return self.requests_per_s * self.latency_s

    @property
    def output_tokens_per_s(self) -> Array:
        """Output tokens [1/s]."""
        return self.requests_per_s * self.scheduler.output.mean

    @property
    def tokens_per_s(self) -> Array:
        """Input and output tokens [1/s]."""
        return self.requests_per_s * (self.scheduler.prompt.mean + self.scheduler.output.mean)

    @property
    def max_requests_per_s(self) -> float:
        """Largest rate that can be served [1/s]."""
        return self.scheduler.requests_per_s

    @property
    def utilisation(self) -> Array:
        """Rate over the largest that can be served."""
        return self.requests_per_s / self.max_requests_per_s

    @property
    def bound(self) -> str:
        """What bounds the batch at the largest rate: memory, sequences, a compiled batch, or the token budget."""
        return self.scheduler.bound

    @property
    def devices(self) -> int:
        """Devices of the replica."""
        return self.scheduler.step.devices

    @property
    def llm(self) -> LLM:
        """The model."""
        return self.scheduler.step.llm

    @property
    def accelerator(self) -> Accelerator | Machine:
        """What was asked about."""
        return self.scheduler.step.accelerator

    @property
    def machine(self) -> Machine:
        """The rates used, of one device."""
        return self.scheduler.step.machine

    @property
    def precision(self) -> PrecisionPolicy:
        """Formats of each part."""
        return self.scheduler.step.precision

    @property
    def prompt_tokens(self) -> float:
        """Mean prompt [token]."""
        return self.scheduler.prompt.mean

    @property
    def output_tokens(self) -> float:
        """Mean output [token]."""
        return self.scheduler.output.mean

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        return (
            f"{span(self.requests_per_s)} requests/s to {self.llm.name}, {self.prompt_tokens:,.4g} prompt and "
            f"{self.output_tokens:,.4g} output tokens on average, {self.precision.name}"
        )


def _solve(scheduler: Scheduler, rate: float) -> dict[str, float]:
    """Solve the steady state at one rate."""
    step_s = scheduler.step_s(rate)
    seen_s = scheduler.step_after_prefill_s(step_s, rate)
    occupancy = shared_batch(requests_per_s=rate, steps=scheduler.decode_steps, step_s=seen_s[1:])
    own_s = float(occupancy.probability @ scheduler.prefill_s(step_s, rate))
    wait_s = _wait_s(scheduler, rate, occupancy, step_s) + occupancy.waiting / rate
    batch = occupancy.mean
    return {
        "batch": batch,
        "waiting": occupancy.waiting,
        "wait": wait_s,
        "ttft": wait_s + own_s,
        "itl": batch / (rate * scheduler.decode_steps),
        "full_step": float(np.interp(_seen_by_a_token(occupancy), np.arange(step_s.size), scheduler.full_s)),
    }


def _seen_by_a_token(occupancy: Occupancy) -> float:
    """Return the mean batch, each counted as often as it has sequences; at least one."""
    sizes = np.arange(occupancy.probability.size)
    return float(occupancy.probability @ sizes**2) / occupancy.mean


def _wait_s(scheduler: Scheduler, rate: float, occupancy: Occupancy, step_s: Array) -> float:
    """Mean time from arrival to the start of the step that takes a prompt's first chunk [s]."""
    steps, prompt = scheduler.steps, scheduler.prompt
    batch = min(occupancy.mean, scheduler.balanced_batch)
    states = np.arange(step_s.size)
    full_s = float(np.interp(batch, states, scheduler.full_s))
    s_per_token = full_s / (steps.token_budget - batch)
    busy = rate * prompt.mean * s_per_token
    service_s2 = prompt.mean_square * s_per_token**2
    # What is left of a step, whatever it does: half of it, and a chance that one runs at all.
    seen = occupancy.probability
    quiet_s, mean_s, chunk_s = steps.decode_s, step_s, scheduler.full_s
    chunks = np.where(chunk_s > quiet_s, (mean_s - quiet_s) / np.where(chunk_s > quiet_s, chunk_s - quiet_s, 1), 0)
    mean_square = (1 - chunks) * quiet_s**2 + chunks * chunk_s**2
    left_s = float(seen[1:] @ (mean_square[1:] / (2 * mean_s[1:]))) + float(seen[0]) * busy * full_s / 2
    # What is left of a prompt beyond that step, and the prompts that queue behind it: Pollaczek and Khinchine.
    service_s = prompt.values * s_per_token
    beyond_s = rate * float(prompt.shares @ (service_s * np.maximum(service_s - full_s, 0))) / 2
    return left_s + beyond_s + rate * service_s2 / 2 * busy / (1 - busy)


def sustainable_load(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    prompt_tokens: Any,
    output_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    token_budget: int = 2048,
    max_sequences: int | None = None,
    **options: Any,
) -> Scheduler:
    """Largest rate of requests that a replica under continuous batching can serve, and what bounds it.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    prompt_tokens, output_tokens : int or Lengths
        Tokens that requests bring and get; independent of one another [token].
    precision : str or PrecisionPolicy
        Formats of each part.
    token_budget : int
        Most tokens of a step (vLLM's ``max_num_batched_tokens``).
    max_sequences : int, optional
        Most sequences that decode together (vLLM's ``max_num_seqs``); as many as fit if absent.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel`.

    Returns
    -------
    Scheduler
        With ``requests_per_s``, and ``bound``.

    Raises
    ------
    OutOfMemoryError
        Not even one request of mean length fits.
    ValueError
        A bad argument, outputs of one token only, or an overlap other than ``"operation"``.
    TypeError
        A keyword argument that the phases do not share.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> load = sustainable_load(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), prompt_tokens=1024, output_tokens=256)
    >>> load.bound
    'token budget'
    """
    require_records(llm, accelerator)
    check_options("continuous batching", options)
    prompt = request_lengths("prompt_tokens", prompt_tokens, at_most=llm.max_context)
    output = request_lengths("output_tokens", output_tokens, at_most=llm.max_context)
    budget = count("token_budget", token_budget, at_least=2)
    if options.get("overlap", "operation") != "operation":
        raise ValueError(
            f"overlap = {options['overlap']!r} is not accepted: a mixed step is a sum of operations; give 'operation'"
        )
    options = {"precision": precision, **options}
    slots, bound, _ = decode_slots(llm, accelerator, prompt, output, max_sequences, options)
    balanced = _balanced_batch(budget, output.mean - 1, prompt.mean)
    if balanced < slots:
        slots, bound = int(np.ceil(balanced)), "token budget"
    contexts = decode_contexts(prompt, output)
    step = decode(llm, accelerator, batch=slots, context_tokens=contexts.values[-1], **options)
    if step.machine.shape:
        raise ValueError(f"{step.machine.name} has arrays of rates: continuous batching takes one machine at a time")
    steps = MixedSteps(llm, accelerator, contexts, slots, budget, options)
    return Scheduler(steps=steps, prompt=prompt, output=output, bound=bound, step=step)


def _balanced_batch(budget: int, steps: float, prompt_tokens: float) -> float:
    """Return the batch that leaves of a token budget what prompts need, at `steps` decode steps for each."""
    return min(budget * steps / (steps + prompt_tokens), budget - 1)


def decode_slots(
    llm: LLM,
    accelerator: Accelerator | Machine,
    prompt: Shares,
    output: Shares,
    max_sequences: int | None,
    options: dict[str, Any],
) -> tuple[int, str, PhaseEstimate]:
    """How many sequences can decode together, what bounds them, and a step of one of them.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    prompt, output : Shares
        Lengths of requests.
    max_sequences : int or None
        A bound beside memory.
    options : dict
        Keyword arguments of :func:`roofline.decode`.

    Raises
    ------
    OutOfMemoryError
        Not even one request of mean length fits.
    ValueError
        Requests beyond the model's context, outputs of one token only, or nothing that bounds the batch.
    """
    longest = prompt.values[-1] + output.values[-1]
    if longest > llm.max_context:
        raise ValueError(
            f"prompt_tokens + output_tokens = {longest:.15g} is not accepted: {llm.name} takes at most "
            f"{llm.max_context:,} tokens"
        )
    if output.mean == 1:
        raise ValueError("output_tokens = 1 is not accepted: nothing is decoded; give 2 or more")
    # A request holds its memory for as long as it decodes, so long outputs count for more.
    stay = output.shares * (output.values - 1) / (output.mean - 1)
    held = float(np.ceil(prompt.mean + stay @ output.values))
    step = decode(llm, accelerator, batch=1, context_tokens=held - 1, **options)
    require_room(step)
    bounds = {}
    compiled = compiled_batch(accelerator, step.layout)
    if compiled is not None:
        bounds["compiled batch"] = compiled
    if step.machine.memory_bytes is not None:
        bounds["memory"] = int(np.min(most_sequences(llm, accelerator, context_tokens=held - 1, options=options)))
    if max_sequences is not None:
        bounds["max_sequences"] = count("max_sequences", max_sequences)
    if not bounds:
        raise ValueError(f"{step.machine.name} gives no memory_bytes, which bounds the batch: give max_sequences")
    bound = min(bounds, key=lambda name: bounds[name])
    return bounds[bound], bound, step


def continuous_batching(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    requests_per_s: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    token_budget: int = 2048,
    max_sequences: int | None = None,
    **options: Any,
) -> ContinuousBatching:
    """Continuous batching with chunked prefill in steady state: latencies and batch at a rate of random arrivals.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    requests_per_s : float or array
        Rate of a Poisson process of requests to one replica [1/s].
    prompt_tokens, output_tokens : int or Lengths
        Tokens that requests bring and get; independent of one another [token].
    precision : str or PrecisionPolicy
        Formats of each part.
    token_budget : int
        Most tokens of a step (vLLM's ``max_num_batched_tokens``).
    max_sequences : int, optional
        Most sequences that decode together (vLLM's ``max_num_seqs``); as many as fit if absent.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel`.

    Returns
    -------
    ContinuousBatching

    Raises
    ------
    UnsustainableLoadError
        More arrives than can be served; the message names the largest rate.
    OutOfMemoryError
        Not even one request of mean length fits.
    ValueError
        A bad argument, outputs of one token only, or an overlap other than ``"operation"``.
    TypeError
        A keyword argument that the phases do not share.

    References
    ----------
    Agrawal et al., Sarathi-Serve, arXiv:2403.02310 (chunked prefill); Cohen (1979) and Kleinrock (1975) for the queues,
    see :mod:`roofline.serving.queues`.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> s = continuous_batching(
    ...     rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), requests_per_s=4, prompt_tokens=1024, output_tokens=256
    ... )
    >>> bool(abs(s.batch - 4 * 255 * s.itl_s) < 1e-9)
    True
    """
    rate = number("requests_per_s", requests_per_s, above=0)
    scheduler = sustainable_load(
        llm,
        accelerator,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        precision=precision,
        token_budget=token_budget,
        max_sequences=max_sequences,
        **options,
    )
    largest = scheduler.requests_per_s
    if np.max(rate) >= largest:
        raise UnsustainableLoadError(
            f"requests_per_s = {np.max(rate):.6g} is not sustainable: {scheduler.steps.llm.name} on "
            f"{scheduler.step.devices} × {scheduler.step.machine.name} serves fewer than {largest:.4g} such requests "
            f"per second, bounded by its {scheduler.bound}"
        )
    return ContinuousBatching(requests_per_s=rate, scheduler=scheduler)
