"""What a phase draws: the work of its ceilings, and the power and energy that this costs at a clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import number
from roofline.estimates import OperationEstimate, PhaseEstimate
from roofline.operations import Operation
from roofline.power.models import CORE_CEILINGS, DRAWING_CEILINGS, PowerModel, model_for


def work_s(phase: PhaseEstimate) -> dict[str, Array]:
    """Time that each ceiling's work takes a device at its peak, on average over the devices.

    Energy goes with the work, not with how well it was fed or how evenly it was divided: devices that wait for the
    busiest do no work meanwhile. What several devices repeat is work of each; zeros that pad a product are no work.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.

    Returns
    -------
    dict of str to array
        By ceiling, of those that count and that the phase touches [s].

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(
    ...     get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=1, context_tokens=2048, pipeline_parallel=4
    ... )
    >>> round(float(work_s(d)["memory"] * 4 * d.machine.memory_bytes_per_s / d.bytes), 9)
    1.0
    """
    work: dict[str, Array] = {}
    for estimate in phase.operations:
        for ceiling in estimate.ceiling_times_s:
            if ceiling in DRAWING_CEILINGS:
                done, rate = _work_and_rate(ceiling, estimate)
                work[ceiling] = work.get(ceiling, 0.0) + done / (estimate.devices * rate)
    return work


def _work_and_rate(ceiling: str, estimate: OperationEstimate) -> tuple[Array, Array]:
    """Work of an operation over all devices, and the rate of one device at it."""
    operation, rates = estimate.operation, estimate.machine
    offloaded = estimate.ceilings.offload * operation.weight_bytes
    match ceiling:
        case "matrix":
            return _executed_flops(operation), rates.peak_flops(operation.precision)
        case "vector":
            return operation.vector_flops + _exponentials_as_flops(estimate), rates.vector_flops_per_s
        case "special":
            return operation.exponentials, rates.exp_per_s
        case "memory":
            return operation.bytes - offloaded, rates.memory_bytes_per_s
        case "second_tier":
            return offloaded, rates.second_tier_bytes_per_s
        case "on_chip":
            stays = operation.fixed.on_chip_bytes + operation.each.on_chip_bytes * operation.work
            return operation.bytes + stays, rates.on_chip_bytes_per_s
        case _:
            return operation.link_bytes, rates.link_bytes_per_s


def _executed_flops(operation: Operation) -> Array:
    """FLOPs of all devices, those that several repeat as often as they do."""
    each = sum(product.flops for product in operation.products) if operation.products else operation.each.flops
    return operation.fixed.flops + each * operation.work


def _exponentials_as_flops(estimate: OperationEstimate) -> Array:
    """Vector FLOPs that exponentials take where there are no units for them."""
    rates = estimate.machine
    if rates.exp_per_s is not None or rates.vector_flops_per_exp is None or "special" in estimate.ceilings.without:
        return 0.0
    return rates.vector_flops_per_exp * estimate.operation.exponentials


def parts_w(model: PowerModel, work_s: Mapping[str, Array], clock: Array, time_s: Array) -> dict[str, Array]:
    """Mean power of one device by part [W].

    Parameters
    ----------
    model : PowerModel
        The constants.
    work_s : mapping of str to array
        Time of each ceiling's work at its peak and full clock [s].
    clock : array
        Clock over the full one.
    time_s : array
        Time that the phase takes at that clock [s].
    """
    alpha = model.clock_exponent
    parts = {"idle": model.idle_w, "active": model.active_w * clock**alpha}
    for name, at_peak in work_s.items():
        if name in model.dynamic_w:
            voltage = clock ** (alpha - 1) if name in CORE_CEILINGS else 1.0
            parts[name] = model.dynamic_w[name] * voltage * at_peak / time_s
    return parts


def total_w(parts: Mapping[str, Array]) -> Array:
    """Power of all parts together [W].

    Parameters
    ----------
    parts : mapping of str to array
        Of :func:`parts_w`.
    """
    return sum(parts.values())


def mean_power_w(phase: PhaseEstimate, *, time_s: Any, model: PowerModel | None = None) -> Array:
    """Power of a phase that was measured to take longer than its roofline, at full clock.

    Parameters
    ----------
    phase : PhaseEstimate
        What was done; its work costs the same energy, however long it takes.
    time_s : float or array
        Time that it took [s]; broadcasts with the phase.
    model : PowerModel, optional
        As for :func:`estimate`.

    Returns
    -------
    array
        Mean power of one device [W]; a limit is not applied.

    Raises
    ------
    ValueError
        A time that is not above 0.

    Examples
    --------
    An H100 that decodes Llama 3.1 8B at batch 8 in 7.46 ms draws 486 W by ML.ENERGY's measurement:

    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=8, context_tokens=400)
    >>> print(f"{mean_power_w(d, time_s=7.46e-3):.0f} W")
    443 W
    """
    took = number("time_s", time_s, above=0)
    return total_w(parts_w(model_for(phase, model), work_s(phase), 1.0, took))


def watts_to_reach(
    phase: PhaseEstimate, *, power_w: Any, ceiling: str = "matrix", model: PowerModel | None = None
) -> Array:
    """Power that a ceiling must draw when busy all the time, for a phase at full clock to demand a given power.

    The way to ask what a vendor does not publish: Kim VI-D sees Gaudi 3 at its TDP on thin GEMMs, and this says what
    its matrix engine would have to draw for that.

    Parameters
    ----------
    phase : PhaseEstimate
        From :func:`roofline.decode` or :func:`roofline.prefill`.
    power_w : float or array
        Power of one device that was seen [W].
    ceiling : str
        The ceiling whose figure is sought.
    model : PowerModel, optional
        The other constants; as for :func:`estimate`.

    Returns
    -------
    array
        Its ``dynamic_w`` [W].

    Raises
    ------
    ValueError
        The phase does not touch the ceiling, or the other parts draw more than `power_w` already.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> from roofline import decode, get_llm
    >>> d = decode(get_llm("llama-3.1-8b"), hs.get("gaudi-3"), batch=64, context_tokens=128, precision="fp8")
    >>> print(f"{watts_to_reach(d, power_w=900):.0f} W")
    1152 W
    """
    chosen = model_for(phase, model)
    seen = number("power_w", power_w, above=0)
    work = work_s(phase)
    if ceiling not in work:
        raise ValueError(f"ceiling = {ceiling!r} is not accepted: the phase has work of {', '.join(work)}")
    others = parts_w(chosen, work, 1.0, phase.time_s)
    others.pop(ceiling, None)
    left = seen - total_w(others)
    if bool(np.any(np.asarray(left) < 0)):
        raise ValueError(f"power_w = {power_w!r} is not accepted: without {ceiling} the phase draws more")
    return left * phase.time_s / work[ceiling]
