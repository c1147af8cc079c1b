"""A throughput that was measured, in the form in which modelled ones are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import hardware_specs as hs
from roofline._arrays import Array
from roofline._text import span
from roofline.llm_catalog import get_llm
from roofline.measurements.records import Run, Runs
from roofline.spread import Interval, Spread, interval_of

if TYPE_CHECKING:
    from hardware_specs import Accelerator
    from roofline.llm import LLM

REPEAT = Spread(scale=0.015, freedom=3)
"""Spread of a single run: runs that LLM-Inference-Bench holds twice differ by 1.7 % in the median, a few by 10 %."""

_WORKLOAD = ("accelerator", "devices", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel",
             "llm", "precision", "framework", "phase", "batch", "concurrency", "prompt_tokens", "output_tokens",
             "context_tokens", "power_limit_w", "routing_skew", "variant")  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """Throughput of a machine on a workload, measured once or several times.

    Attributes
    ----------
    runs : Runs
        Where it comes from.
    accelerator : Accelerator
        The machine.
    devices : int
        Accelerators of one replica.
    llm : LLM
        The model.
    phase : str
        ``generate``, ``prefill``, ``decode`` or ``serving``.
    batch, prompt_tokens, output_tokens, context_tokens : float or None
        What was run, as far as it is known.
    precision : str
        Precision policy.
    tokens_per_s : float
        Generated tokens per second of one replica; of a prefill, prompt tokens.
    spread : Spread
        How far it may be off, were it measured again.
    """

    runs: Runs
    accelerator: Accelerator
    devices: int
    llm: LLM
    phase: str
    batch: float | None
    prompt_tokens: float | None
    output_tokens: float | None
    context_tokens: float | None
    precision: str
    tokens_per_s: Array
    spread: Spread

    @property
    def kind(self) -> str:
        """What the figures are."""
        return "measured"

    @property
    def workload(self) -> str:
        """What was run, in words, without the machine."""
        run = self.runs[0]
        words = [f"{self.phase} of {self.llm.name}" if self.phase in ("prefill", "decode") else self.llm.name]
        for name, unit in (("prompt_tokens", "prompt tokens"), ("output_tokens", "output tokens"),
                           ("context_tokens", "context tokens")):  # fmt: skip
            value = getattr(self, name)
            if value is not None:
                words.append(f"{span(value)} {unit}")
        for name, unit in (("batch", "batch"), ("concurrency", "concurrency")):
            if getattr(run, name) is not None:
                words.insert(1, f"{unit} {span(getattr(run, name))}")
        return ", ".join([*words, self.precision, *([run.framework] if run.framework else [])])

    @property
    def source(self) -> str:
        """Where the runs were published, or read from."""
        run = self.runs[0]
        times = f"{len(self.runs)} runs" if len(self.runs) > 1 else "one run"
        place = run.source or run.file or "your own"
        return f"{times}, {place}" + (f", {run.date}" if run.date else "")

    def interval(self, level: float = 0.9, of: str = "tokens_per_s") -> Interval:
        """Bounds of the throughput, were it measured again.

        Parameters
        ----------
        level : float
            Share of cases that are within.
        of : str
            ``tokens_per_s``.

        Returns
        -------
        Interval
        """
        return interval_of(self, level, of, ("tokens_per_s",))

    def __repr__(self) -> str:
        rate = f"{float(self.tokens_per_s):,.0f} tokens/s"
        return f"Measured({self.workload}, on {self.devices} × {self.accelerator.name}: {rate}, {self.source})"


def measured(runs: Runs | Run) -> Measured:
    """Return the throughput of a run, or of several of the same workload, to compare with.

    Parameters
    ----------
    runs : Runs or Run
        Of one machine, model and workload; of several, the geometric mean counts.

    Returns
    -------
    Measured

    Raises
    ------
    ValueError
        No run, runs of unlike workloads, one that is flagged, or one without a throughput.

    Examples
    --------
    >>> run = Run({"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3.1-8b", "precision": "fp8",
    ...            "phase": "decode", "batch": 64.0, "context_tokens": 2048.0, "output_tokens_per_s": 6100.0})
    >>> low, high, _ = measured(run).interval(0.9)
    >>> print(f"{low:.0f} to {high:.0f} tokens/s")
    5888 to 6319 tokens/s
    """
    if isinstance(runs, Run):
        runs = Runs.from_rows([runs.values])
        if runs.rejected:
            raise ValueError(runs.rejected[0].reason)
    if not isinstance(runs, Runs) or not len(runs):
        raise ValueError("runs are not accepted: give a Run, or Runs of one workload")
    first = runs[0]
    for name in _WORKLOAD:
        column = getattr(runs, name)
        known = dict.fromkeys(value for value in column.tolist() if value == value and value != "")
        if len(known) > 1:
            found = ", ".join(map(str, known))
            raise ValueError(f"runs are of unlike {name}: {found}; narrow them with runs.where({name}=…)")
    if "flags" in runs.columns and len(runs.flagged):
        raise ValueError(f"a run is flagged: {runs.flagged[0].flags}; leave it out with runs.clean")
    for name in ("accelerator", "devices", "llm"):
        if getattr(first, name) is None:
            raise ValueError(f"the run names no {name}, which a comparison needs: give it with runs.replace({name}=…)")
    if first.phase not in ("generate", "prefill", "decode", "serving"):
        raise ValueError(f"phase = {first.phase!r} is not accepted: a comparison takes no kernels")
    rates = _rates(runs)
    if np.any(np.isnan(rates)):
        raise ValueError("a run has no throughput: neither a rate of tokens nor a latency with batch and lengths")
    logs = np.log(rates)
    spread = REPEAT
    if len(runs) > 2:
        spread = Spread(max(float(logs.std(ddof=1)), 1e-6) / len(runs) ** 0.5, len(runs) - 1)
    return Measured(
        runs=runs,
        accelerator=hs.get(first.accelerator),
        devices=first.devices,
        llm=get_llm(first.llm),
        phase=first.phase,
        batch=first.batch,
        prompt_tokens=first.prompt_tokens,
        output_tokens=first.output_tokens,
        context_tokens=first.context_tokens,
        precision=first.precision or "",
        tokens_per_s=np.asarray(np.exp(logs.mean())),
        spread=spread,
    )


def _rates(runs: Runs) -> Array:
    """Return generated tokens per second, of a prefill prompt tokens per second."""
    batch, prompt, output = runs.batch, runs.prompt_tokens, runs.output_tokens
    with np.errstate(invalid="ignore"):
        share = output / (prompt + output)
        routes = {
            "generate": (runs.output_tokens_per_s, runs.tokens_per_s * share, batch * output / runs.latency_s),
            "serving": (runs.output_tokens_per_s, runs.tokens_per_s * share, runs.requests_per_s * output),
            "decode": (runs.output_tokens_per_s, batch / runs.itl_s, batch / runs.latency_s),
            "prefill": (runs.tokens_per_s, batch * prompt / runs.ttft_s, batch * prompt / runs.latency_s),
        }[runs.phase[0]]
    rates = routes[0]
    for route in routes[1:]:
        rates = np.where(np.isnan(rates), route, rates)
    return rates
