"""A static batch: prefill of all prompts together, then one decode step per output token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import Accelerator, UnknownValueError
from roofline._arrays import Array
from roofline._text import span
from roofline._validation import number
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine, require_records
from roofline.phases import decode, prefill
from roofline.power import PowerModel, TokensPerJoule, estimate
from roofline.precision import PrecisionPolicy
from roofline.serving.options import check_options
from roofline.serving.room import require_room
from roofline.spread import Interval, Spread, interval_of

if TYPE_CHECKING:
    from roofline.calibration import Losses
    from roofline.llm import LLM

_BLOCK_POINTS = 65_536
"""Steps that are evaluated together: their arrays stay in the processor's cache."""

_UNCERTAIN = ("output_tokens_per_s", "tokens_per_s", "requests_per_s", "latency_s", "ttft_s", "itl_s")
"""What a calibration's errors give bounds of."""

_POWER_STEPS = 32
"""Decode steps at which power is evaluated."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Generation:
    """A static batch from its prompts to the last output token. Attributes are computed when asked for.

    Times and rates have the shape to which workload and machine broadcast.

    Attributes
    ----------
    batch, prompt_tokens, output_tokens : array
        Sequences, and the tokens that each reads and writes.
    prefill : PhaseEstimate
        The prefill, which also gives the first output token.
    last_step : PhaseEstimate
        The decode step of the longest context: the fullest memory.
    options : dict
        Keyword arguments of both phases.
    power_model : PowerModel, optional
        Constants of power and energy; by default those of the accelerator.
    """

    batch: Array
    prompt_tokens: Array
    output_tokens: Array
    prefill: PhaseEstimate
    last_step: PhaseEstimate
    options: dict[str, Any] = field(repr=False)
    power_model: PowerModel | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """What the figures are: an ``ideal roofline``, a ``roofline with losses``, or a ``calibrated roofline``."""
        return self.prefill.kind

    @property
    def spread(self) -> Spread | None:
        """How far the throughput may be off: ``None`` without a calibration, where nothing was measured."""
        return self.prefill.spread

    @property
    def losses(self) -> Losses | None:
        """What the calibration says of as many devices as share a copy of the model; ``None`` without one."""
        return self.prefill.losses

    def interval(self, level: float = 0.9, of: str = "output_tokens_per_s") -> Interval:
        """Bounds of a rate or a time, from the errors of the calibration on runs that it had not seen.

        Parameters
        ----------
        level : float
            Share of cases that are within.
        of : str
            ``output_tokens_per_s``, ``tokens_per_s``, ``requests_per_s``, ``latency_s``, ``ttft_s`` or ``itl_s``.

        Returns
        -------
        Interval

        Raises
        ------
        ValueError
            A batch without a calibration, or another quantity.
        """
        return interval_of(self, level, of, _UNCERTAIN)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind of the prefill and of the decode steps, each once."""
        calibration = self.prefill.calibration
        beyond = set() if calibration is None else set(calibration.beyond(self.prefill))
        if calibration is not None and not calibration.beyond(self.last_step):
            beyond = set()  # then it says something of its own
        first = [text for text in self.prefill.warnings if text not in beyond]
        return tuple(dict.fromkeys((*first, *self.last_step.warnings)))

    @property
    def llm(self) -> LLM:
        """The model."""
        return self.prefill.llm

    @property
    def accelerator(self) -> Accelerator | Machine:
        """What was asked about."""
        return self.prefill.accelerator

    @property
    def machine(self) -> Machine:
        """The rates used, of one device."""
        return self.prefill.machine

    @property
    def devices(self) -> int:
        """Devices that serve the batch."""
        return self.prefill.devices

    @property
    def precision(self) -> PrecisionPolicy:
        """Formats of each part."""
        return self.prefill.precision

    @property
    def overlap(self) -> str:
        """What hides behind what, see :func:`roofline.decode`."""
        return self.prefill.overlap

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape that all arguments broadcast to."""
        return np.broadcast_shapes(self.prefill.shape, np.shape(self.output_tokens))

    @cached_property
    def ttft_s(self) -> Array:
        """Time to first token [s]: the prefill."""
        return np.broadcast_to(self.prefill.time_s, self.shape)[()]

    @cached_property
    def decode_s(self) -> Array:
        """Time of all decode steps together [s]."""
        return self.sum_over_steps(lambda step: step.time_s)

    @property
    def itl_s(self) -> Array:
        """Inter-token latency [s]: the mean time between two tokens of a sequence (Brunetta III-D).

        Raises
        ------
        ValueError
            A single output token, which no other follows.
        """
        if np.min(self.output_tokens) < 2:
            raise ValueError("output_tokens = 1 has no inter-token latency: no token follows the first")
        return self.decode_s / (self.output_tokens - 1)

    @property
    def latency_s(self) -> Array:
        """End-to-end latency [s]: from the prompts to the last output token, and what a run takes besides."""
        return self.ttft_s + self.decode_s + self.run_s

    @property
    def run_s(self) -> float:
        """What a run takes once, beside its phases, by the calibration; 0 without one [s]."""
        return 0.0 if self.losses is None else self.losses.constants["run_s"]

    @property
    def output_tokens_per_s(self) -> Array:
        """Output tokens of the batch over its latency [1/s]."""
        return self.batch * self.output_tokens / self.latency_s

    @property
    def tokens_per_s(self) -> Array:
        """Input and output tokens of the batch over its latency [1/s], as Brunetta III-D counts throughput."""
        return self.batch * (self.prompt_tokens + self.output_tokens) / self.latency_s

    @property
    def requests_per_s(self) -> Array:
        """Requests of the batch over its latency [1/s]."""
        return self.batch / self.latency_s

    @property
    def memory_bytes(self) -> Array:
        """Weights and KV cache on each device at the last token [byte]."""
        return self.last_step.memory_bytes

    def sum_over_steps(self, of: Callable[[PhaseEstimate], Array]) -> Array:
        """Sum a quantity over the decode steps.

        Every step is evaluated: the steps are one more axis, in front, taken in blocks that stay in the cache. That is
        exact whatever the ceilings do between two contexts.

        Parameters
        ----------
        of : callable
            Takes a decode estimate of many steps, their axis in front; returns the quantity of each.

        Returns
        -------
        array
            Of :attr:`shape`.
        """
        total = np.zeros(self.shape)
        for step, runs in self._blocks():
            each = np.broadcast_to(of(step), runs.shape[:1] + self.shape)
            total = total + (each.sum(axis=0) if runs.all() else np.where(runs, each, 0).sum(axis=0))
        return total[()]

    @cached_property
    def _power(self) -> tuple[Array, Array, str]:
        """Energy over all devices [J], time within the machine's power limit [s], and the power's boundary."""
        if self.power_model is None and not isinstance(self.accelerator, Accelerator):
            raise UnknownValueError(
                f"{self.machine.name} is bare rates without a TDP: give its constants of power, "
                "with .with_power_model(rl.power.PowerModel(...))"
            )
        # Power changes slowly with the context and is searched for, so a few steps stand for all.
        rank, steps = len(self.shape), self.output_tokens - 1
        part = (np.arange(_POWER_STEPS).reshape(-1, *(1,) * rank) + 0.5) / _POWER_STEPS
        index = np.clip(np.round(part * steps + 0.5), 1, np.maximum(steps, 1))
        batch, prompt = _as_rank(self.batch, rank), _as_rank(self.prompt_tokens, rank)
        step = estimate(
            decode(self.llm, self.accelerator, batch=batch, context_tokens=prompt + index, **self.options),
            model=self.power_model,
        )
        first = estimate(self.prefill, model=self.power_model)
        energy_j = first.energy_j + steps * step.energy_j.mean(axis=0)
        time_s = first.time_s + steps * step.time_s.mean(axis=0)
        return energy_j, time_s, first.boundary

    @property
    def energy_j(self) -> Array:
        """Energy of the batch over all devices, as :func:`roofline.power.estimate` has it at 32 of the steps [J].

        Where a phase would draw more than the machine's limit, its clock falls and it takes longer than
        :attr:`latency_s`, which knows no limit.

        Raises
        ------
        UnknownValueError
            The machine's TDP is not known, or it is a bare :class:`roofline.Machine`: see :meth:`with_power_model`.
        """
        return self._power[0]

    @property
    def power_w(self) -> Array:
        """Mean power of one device over the batch [W]; raises as :attr:`energy_j`."""
        energy_j, time_s, _ = self._power
        return energy_j / time_s / self.devices

    @property
    def tokens_per_joule(self) -> TokensPerJoule:
        """Input and output tokens per joule, as Brunetta III-D counts them [token/J]; raises as :attr:`energy_j`."""
        energy_j, _, boundary = self._power
        tokens = self.batch * (self.prompt_tokens + self.output_tokens)
        return TokensPerJoule(tokens / energy_j, boundary=boundary, tokens="input and output")

    def with_power_model(self, model: PowerModel) -> Generation:
        """Return the same batch with other constants of power: for rates without a TDP, or measurements of your own.

        Parameters
        ----------
        model : PowerModel
            Constants of one device.

        Raises
        ------
        ValueError
            No :class:`roofline.power.PowerModel`.

        Examples
        --------
        >>> import hardware_specs as hs
        >>> import roofline as rl
        >>> h100 = hs.get("h100-sxm")
        >>> g = generate(rl.get_llm("llama-3.1-8b"), rl.Machine.of(h100), prompt_tokens=100, output_tokens=10)
        >>> print(f"{g.with_power_model(rl.power.model(h100)).power_w:.0f} W")
        563 W
        """
        if not isinstance(model, PowerModel):
            raise ValueError(
                f"model = {model!r} is not accepted: give a PowerModel, such as rl.power.model(accelerator)"
            )
        return replace(self, power_model=model)

    def _blocks(self) -> Iterator[tuple[PhaseEstimate, Array]]:
        """Yield estimates of consecutive steps, and which of them each case runs."""
        rank = len(self.shape)
        batch, prompt, output = (
            _as_rank(value, rank) for value in (self.batch, self.prompt_tokens, self.output_tokens)
        )
        steps = int(np.max(output)) - 1
        points = max(1, _BLOCK_POINTS // max(1, int(np.prod(self.shape))))
        for start in range(0, steps, points):
            index = np.arange(start + 1.0, min(start + points, steps) + 1).reshape(-1, *(1,) * rank)
            runs = index < output
            # A case that has ended repeats its last step, which is not counted, rather than leave the model's context.
            context = prompt + (index if output.size == 1 else np.maximum(np.minimum(index, output - 1), 1))
            yield (
                decode(self.llm, self.accelerator, batch=batch, context_tokens=context, **self.options),
                runs,
            )

    def __repr__(self) -> str:
        return f"Generation({self.kind}: {self.workload}, on {self.devices} × {self.machine.name}: {self._figures})"

    @property
    def workload(self) -> str:
        """What was asked for, in words, without the machine."""
        return (
            f"{self.llm.name}, batch {span(self.batch)}, {span(self.prompt_tokens)} prompt and "
            f"{span(self.output_tokens)} output tokens, {self.precision.name}"
        )

    @property
    def _figures(self) -> str:
        return (
            f"TTFT {span(self.ttft_s * 1e3)} ms, latency {span(self.latency_s)} s, "
            f"{span(self.output_tokens_per_s)} output tokens/s"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{self.kind}</b>: {self.workload}, on {self.devices} × {self.machine.name}<br>{self._figures}</p>"


def generate(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    batch: Any = 1,
    prompt_tokens: Any,
    output_tokens: Any,
    precision: str | PrecisionPolicy = "bf16",
    **options: Any,
) -> Generation:
    """Roofline of a static batch: all prompts start together and none joins later.

    The prefill gives the first output token. The step that gives token ``i + 1`` attends to ``prompt_tokens + i``
    tokens, for ``i = 1 … output_tokens - 1``.

    Parameters
    ----------
    llm : LLM
        The architecture; see :func:`roofline.llm_names`.
    accelerator : Accelerator or Machine
        One device.
    batch : int or array
        Sequences.
    prompt_tokens, output_tokens : int or array
        Tokens that each sequence reads and writes [token]; they broadcast with `batch`.
    precision : str or PrecisionPolicy
        Formats of each part.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `tensor_parallel`.

    Returns
    -------
    Generation

    Raises
    ------
    OutOfMemoryError
        The batch does not fit at its last token.
    ValueError
        A bad argument, a batch above those that the machine has compiled, a context beyond the model's.
    TypeError
        A keyword argument that the phases do not share.

    References
    ----------
    Brunetta III-D: latency, ITL, TTFT, and throughput of input and output tokens.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> g = generate(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=16, prompt_tokens=1024, output_tokens=1024)
    >>> print(f"TTFT {g.ttft_s * 1e3:.0f} ms, ITL {g.itl_s * 1e3:.2f} ms, {g.output_tokens_per_s:,.0f} tokens/s")
    TTFT 236 ms, ITL 5.47 ms, 2,811 tokens/s
    """
    require_records(llm, accelerator)
    check_options("generate", options)
    sequences = number("batch", batch, at_least=1, at_most=1e9, whole=True)
    prompt = number("prompt_tokens", prompt_tokens, at_least=1, at_most=llm.max_context, whole=True)
    output = number("output_tokens", output_tokens, at_least=1, at_most=llm.max_context, whole=True)
    if np.max(prompt + output) > llm.max_context:
        raise ValueError(
            f"prompt_tokens + output_tokens = {np.max(prompt + output):.15g} is not accepted: {llm.name} takes at most "
            f"{llm.max_context:,} tokens"
        )
    options = {"precision": precision, **options}
    first = prefill(llm, accelerator, batch=sequences, prompt_tokens=prompt, **options)
    last = decode(llm, accelerator, batch=sequences, context_tokens=prompt + output - 1, **options)
    require_room(last)
    return Generation(
        batch=sequences, prompt_tokens=prompt, output_tokens=output, prefill=first, last_step=last, options=options
    )


def _as_rank(value: Array, rank: int) -> Array:
    """Return an array with axes of length 1 in front."""
    return np.reshape(value, (1,) * (rank - np.ndim(value)) + np.shape(value))
