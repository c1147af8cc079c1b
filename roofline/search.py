"""The best way to divide a model over several devices: every layout is tried, and none is dropped in silence.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> best = best_layout(rl.get_llm("llama-3.3-70b"), hs.get("h100-sxm"), devices=2, precision="bf16")
>>> for option in best.table:
...     print(f"{option.layout}: {option.refused or f'{option.tokens_per_s:,.0f} tokens/s'}")
tensor parallel 2: ... tokens/s
pipeline parallel 2: ... tokens/s
data parallel 2: out of memory: the weights alone need 141.1 GB on each device, available 85.5 GB
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator
from roofline._arrays import Array
from roofline._validation import choice, count, number
from roofline.layout import Layout, layout_of, over_dies
from roofline.lengths import Lengths
from roofline.machine import Machine, machine, require_records, runnable_policies
from roofline.memory import OutOfMemoryError
from roofline.phases import PhaseEstimate, decode, prefill
from roofline.precision import PrecisionPolicy, policy

if TYPE_CHECKING:
    import pandas as pd

    from roofline.llm import LLM

_GB = 1e9
_MOST_DEVICES = 100_000
_MOST_SEQUENCES = 1e9
_TRIED_AT_ONCE = 64
_KINDS = ("tensor", "pipeline", "expert", "data")


@dataclass(frozen=True, eq=False, kw_only=True)
class LayoutOption:
    """One layout in one precision: what it gives, or why it is refused.

    Attributes
    ----------
    layout : Layout
        How the devices share the model.
    precision : PrecisionPolicy
        Formats of each part.
    batch : int or None
        Sequences over all devices; None where the layout does not run at all.
    estimate : PhaseEstimate or None
        The phase at this batch; None where the layout does not run at all.
    refused : str
        Why it is out of the question; empty where it is not.
    """

    layout: Layout
    precision: PrecisionPolicy
    batch: int | None
    estimate: PhaseEstimate | None
    refused: str = ""

    @property
    def label(self) -> str:
        """The layout in the field's short terms, such as ``TP4 DP2``."""
        layout = self.layout
        sizes = {"TP": layout.tensor, "PP": layout.pipeline, "EP": layout.expert, "DP": layout.data}
        return " ".join(f"{name}{size}" for name, size in sizes.items() if size > 1) or "one device"

    @property
    def memory_bytes(self) -> float | None:
        """Weights and KV cache on each device [byte]; None where the layout does not run."""
        return None if self.estimate is None else float(self.estimate.memory_bytes)

    @property
    def fits(self) -> bool | None:
        """Whether that is within a device's capacity; None where the layout does not run."""
        return None if self.estimate is None else bool(self.estimate.fits)

    @property
    def time_s(self) -> float | None:
        """Time of the decode step or prefill [s]; None where it does not run or fit."""
        return float(self.estimate.time_s) if self.estimate is not None and self.fits else None

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of all devices [1/s]; None where it does not run or fit."""
        return float(self.estimate.tokens_per_s) if self.estimate is not None and self.fits else None

    @property
    def bound(self) -> str | None:
        """Ceiling that takes longest; None where it does not run or fit."""
        return str(self.estimate.bound) if self.estimate is not None and self.fits else None


@dataclass(frozen=True, eq=False, kw_only=True)
class BestLayout:
    """The best layout of a search, and all that were tried.

    Attributes
    ----------
    objective : str
        ``throughput`` or ``latency``.
    table : tuple of LayoutOption
        Every layout and precision: first those that run, best first, then those refused, with the reason.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> print(best_layout(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), devices=2, batch=64, objective="latency"))
    decode of Llama 3.1 8B, 2,048 context tokens, on 2 × NVIDIA H100 SXM5 80GB, by latency (ideal roofline)
    layout  precision  batch  tokens/s  time [ms]  GB/device  bound   refused
    TP2     fp8           64    ...  memory
    DP2     fp8           64    ...  memory
    PP2     fp8           64    ...  memory
    """

    objective: str
    table: tuple[LayoutOption, ...]

    @property
    def option(self) -> LayoutOption:
        """The best row of the table."""
        return self.table[0]

    @property
    def layout(self) -> Layout:
        """The best layout."""
        return self.option.layout

    @property
    def estimate(self) -> PhaseEstimate:
        """Its phase."""
        if self.option.estimate is None:
            raise TypeError("a search without a result")  # for the type checker: best_layout rules it out
        return self.option.estimate

    @property
    def accepted(self) -> tuple[LayoutOption, ...]:
        """Rows that are not refused, best first."""
        return tuple(option for option in self.table if not option.refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind about the best: what its estimate says, and links that are taken for granted."""
        return (*self.estimate.warnings, *_link_warnings(self.layout, self.estimate.machine))

    @property
    def _title(self) -> str:
        best = self.estimate
        unit = "prompt" if best.phase == "prefill" else "context"
        return (
            f"{best.phase} of {best.llm.name}, {float(best.tokens):,.6g} {unit} tokens, "
            f"on {best.devices} × {best.accelerator.name}, by {self.objective} ({best.kind})"
        )

    def __repr__(self) -> str:
        best = self.option
        return (
            f"BestLayout({self._title}: {best.layout}, {best.precision.name}, batch {best.batch:,}: "
            f"{best.tokens_per_s:,.4g} tokens/s, {1e3 * self.estimate.time_s:,.4g} ms, {best.bound} bound; "
            f"best of {len(self.accepted)} that run, {len(self.table) - len(self.accepted)} refused)"
        )

    def __str__(self) -> str:
        rows = [_HEADS, *map(_cells, self.table)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
        lines = ["  ".join([*map(_aligned, row, widths, range(len(widths))), row[-1]]).rstrip() for row in rows]
        return "\n".join([self._title, *lines, *(f"mind: {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{head}</th>" for head in _HEADS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(option))}</tr>" for option in self.table
        )
        minds = "".join(f"<br>mind: {escape(warning)}" for warning in self.warnings)
        return (
            f"<p>{escape(self._title)}<br>best: <b>{self.layout}</b>, {self.option.precision.name}{minds}</p>"
            f"<table><tr>{heads}</tr>{rows}</table>"
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas DataFrame, a row per layout and precision; needs the extra ``pandas``.

        Raises
        ------
        ModuleNotFoundError
            pandas is not installed: ``pip install inference-tco[pandas]``.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("to_pandas needs pandas: pip install 'inference-tco[pandas]'") from missing
        return pd.DataFrame(
            [
                {
                    "tensor": option.layout.tensor,
                    "pipeline": option.layout.pipeline,
                    "expert": option.layout.expert,
                    "data": option.layout.data,
                    "precision": option.precision.name,
                    **{name: getattr(option, name) for name in _FIGURES},
                    "refused": option.refused,
                }
                for option in self.table
            ]
        )


_FIGURES = ("batch", "tokens_per_s", "time_s", "memory_bytes", "fits", "bound")
_HEADS = ("layout", "precision", "batch", "tokens/s", "time [ms]", "GB/device", "bound", "refused")
_NUMBERS = range(2, 6)


def _cells(option: LayoutOption) -> tuple[str, ...]:
    def written(value: float | None, unit: float, form: str) -> str:
        return "" if value is None else format(value / unit, form)

    return (
        option.label,
        option.precision.name,
        written(option.batch, 1, ",.0f"),
        written(option.tokens_per_s, 1, ",.0f"),
        written(option.time_s, 1e-3, ",.3g"),
        written(option.memory_bytes, _GB, ",.1f"),
        option.bound or "",
        option.refused,
    )


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column in _NUMBERS else cell.ljust(width)


def layouts(
    llm: LLM, accelerator: Accelerator | Machine, devices: int, *, parallel: Sequence[str] = _KINDS
) -> tuple[Layout, ...]:
    """Layouts that divide a model evenly over a number of devices, within the domain of their link.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    devices : int
        How many: ``tensor · pipeline · data`` of them.
    parallel : sequence of str
        Kinds of parallelism to try; ``("tensor", "data")`` are Brunetta's.

    Returns
    -------
    tuple of Layout
        With experts divided like other layers, and, where a model has experts, whole on ``tensor · data`` devices.

    Raises
    ------
    ValueError
        A bad argument.

    References
    ----------
    Brunetta III-C: N devices are D data-parallel instances of T = N/D tensor-parallel ones.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> [str(layout) for layout in layouts(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), 2)]
    ['data parallel 2', 'tensor parallel 2', 'pipeline parallel 2']
    """
    require_records(llm, accelerator)
    number_of = count("devices", devices, at_most=_MOST_DEVICES)
    divisions = _divisions(llm, number_of, _kinds(parallel))
    return tuple(layout for layout in divisions if not _misfit(llm, accelerator, layout))


def _kinds(parallel: Sequence[str]) -> tuple[str, ...]:
    several = (parallel,) if isinstance(parallel, str) else tuple(parallel)
    return tuple(choice("parallel", kind, _KINDS) for kind in several)


def _divisions(llm: LLM, devices: int, kinds: Sequence[str]) -> Iterator[Layout]:
    """Every way to write the devices as tensor · pipeline · data, those that communicate least first."""
    for layout in _all_divisions(llm, devices):
        if all(getattr(layout, kind) == 1 for kind in _KINDS if kind not in kinds):
            yield layout


def _all_divisions(llm: LLM, devices: int) -> Iterator[Layout]:
    for pipeline in _divisors(devices):
        for tensor in _divisors(devices // pipeline):
            data = devices // pipeline // tensor
            yield Layout(tensor=tensor, pipeline=pipeline, data=data)
            if llm.moe is not None and tensor * data > 1:
                yield Layout(tensor=tensor, pipeline=pipeline, expert=tensor * data, data=data)


def _divisors(whole: int) -> list[int]:
    return [part for part in range(1, whole + 1) if whole % part == 0]


def _misfit(llm: LLM, accelerator: Accelerator | Machine, layout: Layout) -> str:
    """Why a model cannot be divided so, whatever its precision; empty where it can."""
    try:
        layout_of(llm, accelerator, layout=layout)
    except ValueError as reason:
        return str(reason)
    joined = max(layout.tensor, layout.expert)
    if isinstance(accelerator, Machine) and accelerator.link_domain is not None and joined > accelerator.link_domain:
        return f"{joined} devices exchange messages, and the link of {accelerator.name} joins {accelerator.link_domain}"
    return ""


def _link_warnings(layout: Layout, rates: Machine) -> tuple[str, ...]:
    domain, stage = rates.link_domain, layout.tensor * (layout.data if layout.expert > 1 else 1)
    if stage * layout.pipeline == 1:
        return ()
    if domain is None:
        return (f"how many devices the link of {rates.name} joins is unknown: taken to be enough",)
    if stage * layout.pipeline > domain:
        return (f"the link of {rates.name} joins {domain} devices; between stages beyond it, its rate is assumed too",)
    return ()


def best_layout(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    devices: int = 8,
    context_tokens: int | Lengths = 2048,
    batch: int | None = None,
    precision: str | PrecisionPolicy | Sequence[str | PrecisionPolicy] = "fp8",
    phase: Literal["decode", "prefill"] = "decode",
    objective: Literal["throughput", "latency"] = "throughput",
    itl_s: float | None = None,
    ttft_s: float | None = None,
    parallel: Sequence[str] = _KINDS,
    **options: Any,
) -> BestLayout:
    """Search the layouts of a model over devices for the most tokens per second, or the shortest time.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device, with a single number for each rate.
    devices : int
        How many share the model and the batch; all of them are used.
    context_tokens : int or Lengths
        Cached tokens of each sequence in decode, new tokens of each prompt in a prefill [token].
    batch : int, optional
        Sequences over all devices. If absent, each layout takes the largest batch that fits in memory and meets the
        limit, as Kim II-B asks; by latency, a single sequence.
    precision : str, PrecisionPolicy, or a sequence of them
        Formats of each part; of several, each is tried with every layout.
    phase : {"decode", "prefill"}
        What is done.
    objective : {"throughput", "latency"}
        Most tokens per second of all devices, or shortest time of the phase.
    itl_s : float, optional
        Longest decode step that is accepted [s].
    ttft_s : float, optional
        Longest prefill that is accepted [s].
    parallel : sequence of str
        Kinds of parallelism to try; ``("tensor", "data")`` are Brunetta's.
    **options
        Further keyword arguments of :func:`roofline.decode` or :func:`roofline.prefill`. With ``overlap="auto"``
        messages hide behind computation where a machine is known to be able to (Kim VIII: not on Gaudi).

    Returns
    -------
    BestLayout
        With every layout that was tried; those that do not divide, reach beyond the link's domain, run out of memory or
        are too slow are in its table with the reason. The first of equals wins: the one that communicates least.

    Raises
    ------
    OutOfMemoryError
        No layout fits; the message says what would.
    ValueError
        A bad argument, a precision that the machine lacks, or a limit that no layout meets.

    References
    ----------
    Brunetta III-C and IV-B; Kim II-B and VIII.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import get_llm
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> print(best_layout(llm, h100, devices=4, phase="prefill").layout)
    data parallel 4
    >>> print(best_layout(llm, h100, devices=4, phase="prefill", objective="latency").layout)
    tensor parallel 4
    """
    require_records(llm, accelerator)
    count("devices", devices, at_most=_MOST_DEVICES)
    choice("phase", phase, ("decode", "prefill"))
    choice("objective", objective, ("throughput", "latency"))
    formats, kinds = _policies(accelerator, precision), _kinds(parallel)
    if "layout" in options:
        raise ValueError("layout is not accepted: it is what is sought; rl.decode and rl.prefill take one")
    question = _Question(
        llm=llm,
        accelerator=accelerator,
        phase=phase,
        tokens=_tokens(llm, context_tokens),
        batch=count("batch", batch) if batch is not None else 1 if objective == "latency" else None,
        limit=_limit(phase, itl_s=itl_s, ttft_s=ttft_s),
        parallel=kinds,
        options=_with_overlap(accelerator, options),
    )
    divisions = tuple(_divisions(llm, devices, kinds))
    if not divisions:
        raise ValueError(f"parallel = {parallel!r} is not accepted: no layout of {devices} devices is of these kinds")
    tried = [question.ask(layout, one) for layout in divisions for one in formats]
    accepted = [option for option in tried if not option.refused]
    if not accepted:
        raise question.failure(tried, devices)

    def merit(option: LayoutOption) -> float:
        return (option.time_s or 0.0) if objective == "latency" else -(option.tokens_per_s or 0.0)

    refused = [option for option in tried if option.refused]
    return BestLayout(objective=objective, table=(*sorted(accepted, key=merit), *refused))


def _policies(
    accelerator: Accelerator | Machine, precision: str | PrecisionPolicy | Sequence[str | PrecisionPolicy]
) -> tuple[PrecisionPolicy, ...]:
    several = (precision,) if isinstance(precision, str | PrecisionPolicy) else tuple(precision)
    if not several:
        raise ValueError("precision is empty: give the name of a precision, or several")
    formats = tuple(dict.fromkeys(map(policy, several)))
    lacking = []
    for one in formats:
        try:
            machine(accelerator, one)
        except ValueError as reason:
            lacking.append(reason)
    if len(lacking) == len(formats):
        raise lacking[0]
    return formats


def _tokens(llm: LLM, tokens: Any) -> Any:
    longest = tokens.longest if isinstance(tokens, Lengths) else tokens
    checked = count("context_tokens", longest, at_most=llm.max_context)
    return tokens if isinstance(tokens, Lengths) else checked


def _limit(phase: str, **limits: Any) -> tuple[str, float] | None:
    given = {name: float(number(name, limit, above=0)) for name, limit in limits.items() if limit is not None}
    other = "ttft_s" if phase == "decode" else "itl_s"
    if other in given:
        raise ValueError(f"{other} is not accepted: it is no limit of a {phase}")
    return next(iter(given.items()), None)


def _with_overlap(accelerator: Accelerator | Machine, options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("overlap") != "auto":
        return dict(options)
    able = Machine.of(accelerator, devices=_MOST_DEVICES).link_overlaps
    return {**options, "overlap": "communication" if able else "operation"}


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked of every layout."""

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

    def phase_of(self, layout: Layout, precision: PrecisionPolicy, batch: Any) -> PhaseEstimate:
        shared: dict[str, Any] = {**self.options, "batch": batch, "precision": precision, "layout": layout}
        if self.phase == "prefill":
            return prefill(self.llm, self.accelerator, prompt_tokens=self.tokens, **shared)
        return decode(self.llm, self.accelerator, context_tokens=self.tokens, **shared)

    def ask(self, layout: Layout, precision: PrecisionPolicy) -> LayoutOption:
        """What a layout gives, or why it is refused."""
        reason = self.does_not_run(layout, precision)
        if reason:
            return LayoutOption(layout=layout, precision=precision, batch=None, estimate=None, refused=reason)
        batch = self.batch or self.largest_batch(layout, precision) or 1
        estimate = self.phase_of(layout, precision, batch)
        return LayoutOption(
            layout=layout, precision=precision, batch=batch, estimate=estimate, refused=self.shortcoming(estimate)
        )

    def does_not_run(self, layout: Layout, precision: PrecisionPolicy) -> str:
        reason = _misfit(self.llm, self.accelerator, layout)
        if reason:
            return reason
        try:
            machine(self.accelerator, precision, devices=over_dies(layout, self.accelerator).devices)
        except ValueError as lacking:
            return str(lacking)
        return ""

    def accepts(self, estimate: PhaseEstimate) -> Array:
        return estimate.fits if self.limit is None else estimate.fits & (estimate.time_s <= self.limit[1])

    def largest_batch(self, layout: Layout, precision: PrecisionPolicy) -> int:
        """Largest batch that fits and meets the limit; 0 where none does."""
        one = self.phase_of(layout, precision, 1)
        high = layout.data * (float(one.machine.memory_bytes or 0.0) // float(one.memory.kv_cache))
        return _last_accepted(
            lambda batches: self.accepts(self.phase_of(layout, precision, batches)),
            int(min(high, self.compiled or high, _MOST_SEQUENCES)),
        )

    @property
    def compiled(self) -> int | None:
        """Largest batch that a machine has compiled in advance (Brunetta IV-C); None where any runs."""
        return self.accelerator.largest_batch if isinstance(self.accelerator, Accelerator) else None

    def shortcoming(self, estimate: PhaseEstimate) -> str:
        batch = float(estimate.batch)
        if self.compiled is not None and batch > self.compiled:
            return f"{self.accelerator.name} runs batches compiled in advance, of at most {self.compiled}"
        if not estimate.fits:
            needed_gb, what = float(estimate.memory_bytes) / _GB, f"a batch of {batch:,.0f} needs"
            weights_gb = needed_gb * float(estimate.memory.weights / estimate.memory.held)
            if weights_gb > self.capacity_gb and not np.any(np.asarray(estimate.ceilings.offload)):
                needed_gb, what = weights_gb, "the weights alone need"
            return f"out of memory: {what} {needed_gb:,.1f} GB on each device, available {self.capacity_gb:,.1f} GB"
        if not self.accepts(estimate):
            name, most = self.limit or ("", 0.0)
            return (
                f"too slow: a batch of {batch:,.0f} takes {1e3 * float(estimate.time_s):,.3g} ms, "
                f"{name} is {1e3 * most:,.3g} ms"
            )
        return ""

    @property
    def capacity_gb(self) -> float:
        return float(self.accelerator.memory_bytes or 0.0) / _GB

    def failure(self, tried: Sequence[LayoutOption], devices: int) -> ValueError:
        """Return the error for a search in which every layout was refused."""
        on = f"{devices} × {self.accelerator.name}"
        running = [option for option in tried if option.estimate is not None]
        slow = [option for option in running if option.time_s is not None]
        if slow:
            fastest = min(slow, key=lambda option: option.time_s or 0.0)
            return ValueError(
                f"no layout of {self.llm.name} on {on} will do; the fastest, {fastest.layout} in "
                f"{fastest.precision.name}: {fastest.refused}"
            )
        if not running:
            reasons = "; ".join(dict.fromkeys(option.refused for option in tried))
            return ValueError(f"no layout of {self.llm.name} on {on} runs: {reasons}")
        least = min(running, key=lambda option: option.memory_bytes or 0.0)
        return OutOfMemoryError(
            f"no layout of {self.llm.name} on {on} fits; the smallest, {least.layout} in {least.precision.name}: "
            f"{least.refused}. What would fit: {'; '.join(self.remedies(tried, devices)) or 'nothing that was tried'}."
        )

    def remedies(self, tried: Sequence[LayoutOption], devices: int) -> Iterator[str]:
        """Changes that would let it fit: fewer sequences, a lower precision, more devices."""
        formats = list(dict.fromkeys(option.precision for option in tried))

        def fitting(number_of: int, precisions: Sequence[PrecisionPolicy], batch: int) -> Iterator[LayoutOption]:
            for layout in layouts(self.llm, self.accelerator, number_of, parallel=self.parallel):
                for one in precisions:
                    if not self.does_not_run(layout, one):
                        estimate = self.phase_of(layout, one, batch)
                        if estimate.fits:
                            yield LayoutOption(layout=layout, precision=one, batch=batch, estimate=estimate)

        batch = self.batch or 1
        if batch > 1:
            fewer = max(
                (self.largest_batch(each.layout, each.precision) for each in fitting(devices, formats, 1)), default=0
            )
            if fewer:
                yield f"a batch of {fewer:,}"
        others = [policy(name) for name in runnable_policies(self.accelerator)]
        lower = dict.fromkeys(each.precision.name for each in fitting(devices, others, batch))
        if lower:
            yield f"precision {' or '.join(lower)}"
        for more in (factor * devices for factor in (2, 4, 8)):
            enough = next(fitting(more, formats, batch), None)
            if enough is not None:
                yield f"{more} devices, {enough.layout}"
                return


def _last_accepted(accepts: Callable[[Array], Array], high: int) -> int:
    """Return the largest batch up to `high` that is accepted, where no batch is accepted above one that is not."""
    low = 0
    while low < high:
        tried = np.unique(np.ceil(np.linspace(low, high, _TRIED_AT_ONCE + 1)[1:]))
        good = np.broadcast_to(np.asarray(accepts(tried)), tried.shape)
        low = int(tried[good].max(initial=low))
        high = int(tried[tried > low].min(initial=high + 1)) - 1
    return low
