"""The search itself: every layout is asked, in every precision, and the answers are put in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hardware_specs import Accelerator
from roofline._validation import choice, count, number
from roofline.lengths import Lengths
from roofline.machine import Machine, machine, require_records
from roofline.precision import PrecisionPolicy, policy
from roofline.search.divisions import KINDS, MOST_DEVICES, divisions, kinds_of
from roofline.search.question import Question
from roofline.search.refusal import all_refused
from roofline.search.result import BestLayout, LayoutOption

if TYPE_CHECKING:
    from roofline.llm import LLM


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
    parallel: Sequence[str] = KINDS,
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
    >>> print(best_layout(llm, h100, devices=4, phase="decode", objective="latency").layout)
    tensor parallel 4
    """
    require_records(llm, accelerator)
    count("devices", devices, at_most=MOST_DEVICES)
    choice("phase", phase, ("decode", "prefill"))
    choice("objective", objective, ("throughput", "latency"))
    formats, kinds = _policies(accelerator, precision), kinds_of(parallel)
    if "layout" in options:
        raise ValueError("layout is not accepted: it is what is sought; rl.decode and rl.prefill take one")
    question = Question(
        llm=llm,
        accelerator=accelerator,
        phase=phase,
        tokens=_tokens(llm, context_tokens),
        batch=count("batch", batch) if batch is not None else 1 if objective == "latency" else None,
        limit=_limit(phase, itl_s=itl_s, ttft_s=ttft_s),
        parallel=kinds,
        options=_with_overlap(accelerator, options),
    )
    sought = tuple(divisions(llm, devices, kinds))
    if not sought:
        raise ValueError(f"parallel = {parallel!r} is not accepted: no layout of {devices} devices is of these kinds")
    tried = [question.ask(layout, one) for layout in sought for one in formats]
    accepted = [option for option in tried if not option.refused]
    if not accepted:
        raise all_refused(question, tried, devices)

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
    able = Machine.of(accelerator, devices=MOST_DEVICES).link_overlaps
    return {**options, "overlap": "communication" if able else "operation"}
