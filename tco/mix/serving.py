"""The most that a machine gives of an application: within its limits, in a precision that passes its quality gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import roofline as rl
from hardware_specs import Accelerator
from roofline._text import span
from roofline._validation import count
from roofline.machine import Machine, runnable_policies
from roofline.precision import PrecisionPolicy, policy
from tco.mix.application import Application

if TYPE_CHECKING:
    from roofline.calibration import Calibration
    from roofline.layout import Layout

_TRIED = ("tensor", "data")


class CannotServeError(ValueError):
    """A machine cannot serve an application: too little memory, too slow, or no precision that is good enough.

    Attributes
    ----------
    reasons : dict of str to str
        By precision, why not.
    """

    def __init__(self, message: str, reasons: dict[str, str]) -> None:
        super().__init__(message)
        self.reasons = reasons

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.reasons)


@dataclass(frozen=True, eq=False, kw_only=True)
class Served:
    """How a machine serves an application best.

    Attributes
    ----------
    application : Application
        What is served.
    devices : int
        Accelerators that share it.
    precision : str
        The fastest of those that are allowed and run.
    estimate : PhaseEstimate or Generation
        Of all devices, at the largest batch within the limits; a `Deployment` takes it as its throughput.
    by_precision : dict of str to float
        Throughput of each precision that is allowed and serves [token/s].
    reasons : dict of str to str
        Why the other precisions do not, by name.
    """

    application: Application
    devices: int
    precision: str
    estimate: Any = field(repr=False)
    by_precision: dict[str, float]
    reasons: dict[str, str] = field(repr=False)

    @property
    def tokens_per_s(self) -> float:
        """Throughput of all devices, of the tokens that the application counts [token/s]."""
        return self.by_precision[self.precision]

    @property
    def batch(self) -> int:
        """Sequences over all devices."""
        return int(self.estimate.batch)

    @property
    def layout(self) -> Layout:
        """How the devices share the model and the batch."""
        phase = getattr(self.estimate, "prefill", self.estimate)
        found: Layout = phase.layout
        return found

    @property
    def kind(self) -> str:
        """What the throughput is: ``ideal roofline``, or ``calibrated roofline``."""
        return str(self.estimate.kind)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind, as the estimate says."""
        return tuple(self.estimate.warnings)

    def __repr__(self) -> str:
        return (
            f"Served({self.application.name} on {self.devices} × {self.estimate.machine.name}, {self.kind}: "
            f"{span(self.tokens_per_s)} {self.application.counted}/s in {self.precision}, batch {self.batch:,}, "
            f"{self.layout})"
        )


def serve(
    application: Application,
    accelerator: Accelerator | Machine,
    *,
    devices: int = 1,
    calibration: Calibration | None = None,
    **options: Any,
) -> Served:
    """Find the most that devices of one kind give of an application, within its limits and its quality gate.

    Every allowed precision is tried with every layout of tensor and data parallelism, each at the largest batch that
    fits in memory and meets the limits, as Kim II-B has it; the fastest is taken.

    Parameters
    ----------
    application : Application
        What is asked for.
    accelerator : Accelerator or Machine
        One device.
    devices : int
        How many there are, such as those of a server; all are used.
    calibration : Calibration, optional
        Losses found on measured runs; without it, an ideal machine.
    **options
        Keyword arguments that :func:`roofline.prefill` and :func:`roofline.decode` share, such as `overlap`.

    Returns
    -------
    Served

    Raises
    ------
    CannotServeError
        No precision that is allowed fits and is fast enough; the message has the reason for each.
    ValueError
        A bad argument.
    TypeError
        A keyword argument that the phases do not share.

    References
    ----------
    Kim II-B (throughput at the largest batch that meets a latency, quality gates) and VII-B.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from tco.mix import Application
    >>> strict = Application("strict", llm="llama-3.1-8b", context_tokens=2048, itl_s=0.02, max_quality_loss=0.4)
    >>> loose = Application("loose", llm="llama-3.1-8b", context_tokens=2048, itl_s=0.02, max_quality_loss=0.5)
    >>> [serve(one, hs.get("h100-sxm")).precision for one in (strict, loose)]
    ['bf16', 'fp8']
    >>> serve(strict, hs.get("h100-sxm")).reasons["fp8"]
    'loses 0.5 points of mmlu-5shot-cot (68.8 % in bf16, 68.3 % in fp8 e4m3); allowed are 0.4'
    """
    if not isinstance(application, Application):
        raise ValueError(f"application = {application!r} is not accepted: give a tco.mix.Application")
    if not isinstance(accelerator, Accelerator | Machine):
        raise ValueError(f"accelerator = {accelerator!r} is not accepted: give one, such as hs.get('h100-sxm')")
    if isinstance(accelerator, Machine) and accelerator.shape:
        raise ValueError(f"{accelerator.name} has arrays of rates: give one machine at a time")
    count("devices", devices)
    if calibration is not None and isinstance(accelerator, Accelerator) and calibration.accelerator != accelerator.key:
        raise ValueError(f"calibration is of {calibration.accelerator}, not of {accelerator.key}")
    allowed, excluded, unknown = _allowed(application, accelerator)
    refused: dict[str, str] = {}
    found: dict[str, Any] = {}
    for one in allowed:
        try:
            found[one.name] = _best(application, accelerator, devices, one, {"calibration": calibration, **options})
        except ValueError as reason:  # out of memory, too slow, a format or a rate that the machine lacks
            refused[one.name] = str(reason)
    reasons = {**refused, **excluded, **unknown}
    if not found:
        raise _cannot(application, f"{devices} × {accelerator.name}", {**refused, **excluded}, unknown)
    rates = {name: _tokens_per_s(estimate) for name, estimate in found.items()}
    fastest = max(rates, key=lambda name: rates[name])
    return Served(
        application=application,
        devices=devices,
        precision=fastest,
        estimate=found[fastest],
        by_precision=rates,
        reasons=reasons,
    )


def _allowed(
    application: Application, accelerator: Accelerator | Machine
) -> tuple[tuple[PrecisionPolicy, ...], dict[str, str], dict[str, str]]:
    """Return the precisions that may be used, those that lose too much, and those of which nobody knows."""
    named, gate = application.precision, application.max_quality_loss
    wanted: Sequence[str | PrecisionPolicy]
    if named is None:
        wanted = ("bf16",) if gate is None else tuple(runnable_policies(accelerator))
    else:
        wanted = (named,) if isinstance(named, str | PrecisionPolicy) else tuple(named)
    policies = {one.name: one for one in map(policy, wanted)}
    if gate is None:
        return tuple(policies.values()), {}, {}
    gates = rl.quality.allowed_precisions(
        application.architecture,
        max_loss=gate,
        precisions=tuple(policies.values()),
        benchmark=application.benchmark,
        element=application.element,
        rounding=application.rounding,
        rows=application.accuracies,
    )
    passed = tuple(one for name, one in policies.items() if name in gates.allowed)
    return passed, dict(gates.excluded), dict(gates.unknown)


def _cannot(application: Application, machine: str, known: dict[str, str], unknown: dict[str, str]) -> CannotServeError:
    """Return the error that says why no precision will do; of those that nobody measured, how many."""
    several = len(unknown) > 1 and application.precision is None  # then they are whatever else the machine runs
    said = known if several else {**known, **unknown}
    parts = [f"{name}: {reason}" for name, reason in said.items()]
    if several:
        parts.append(f"of {len(unknown)} other precisions nobody measured the quality")
    why = "; ".join(parts) or "it runs no precision that is known"
    return CannotServeError(f"{machine} cannot serve {application.name}: {why}", {**known, **unknown})


def _best(
    application: Application,
    accelerator: Accelerator | Machine,
    devices: int,
    precision: PrecisionPolicy,
    options: dict[str, Any],
) -> Any:
    """Return the fastest estimate in one precision, over the layouts."""
    llm, limits = application.architecture, application.limits
    if application.phase != "generate":
        prompt_or_context: Any = application.prompt_tokens or application.context_tokens
        return rl.best_layout(
            llm,
            accelerator,
            devices=devices,
            context_tokens=prompt_or_context,
            precision=precision,
            parallel=_TRIED,
            **{"phase": application.phase, **limits, **options},
        ).estimate
    found, refused = [], []
    for layout in rl.layouts(llm, accelerator, devices, parallel=_TRIED):
        keywords: dict[str, Any] = {**limits, **options, "layout": layout, "precision": precision}
        try:
            found.append(
                rl.throughput_within(
                    llm,
                    accelerator,
                    prompt_tokens=application.prompt_tokens,
                    output_tokens=application.output_tokens,
                    **keywords,
                )
            )
        except ValueError as reason:
            refused.append((layout.tensor, f"{layout}: {reason}"))
    if not found:
        _, why = max(refused, default=(0, "no layout of these devices divides the model"))
        raise ValueError(why)  # with most devices a replica, which have most room and are fastest
    return max(found, key=_tokens_per_s)


def _tokens_per_s(estimate: Any) -> float:
    made = getattr(estimate, "output_tokens_per_s", None)
    return float(estimate.tokens_per_s if made is None else made)
