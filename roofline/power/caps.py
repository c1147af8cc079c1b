"""One cap for many devices: how it is divided, and what it would give if a rack's were pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from roofline._arrays import Array
from roofline._validation import count, number
from roofline.estimates import PhaseEstimate
from roofline.power.models import PowerModel
from roofline.power.throttle import PowerEstimate, estimate, under_cap


def share_cap(demands_w: Sequence[Any], *, cap_w: Any, devices: Sequence[int] | None = None) -> tuple[Array, ...]:
    """Divide a cap among devices by filling up: each gets what it demands or an equal share of what the others leave.

    Parameters
    ----------
    demands_w : sequence of array
        Power that one device of each group would draw without a cap [W].
    cap_w : float or array
        Cap of all of them together [W].
    devices : sequence of int, optional
        Devices of each group; 1 each by default.

    Returns
    -------
    tuple of array
        Cap of one device of each group [W]: never below `cap_w` over all devices, or the demand if that is less.

    Raises
    ------
    ValueError
        No groups, lengths that differ, or a power that is not above 0.

    Examples
    --------
    >>> [float(watts) for watts in share_cap([300, 700, 900], cap_w=1500)]
    [300.0, 600.0, 600.0]
    """
    if not len(demands_w):
        raise ValueError("demands_w is empty: give the demand of at least one device")
    sizes = [1] * len(demands_w) if devices is None else [count("devices", each) for each in devices]
    if len(sizes) != len(demands_w):
        raise ValueError(f"devices has {len(sizes)} numbers for {len(demands_w)} demands")
    cap = np.asarray(number("cap_w", cap_w, above=0))
    given = np.broadcast_arrays(cap, *(np.asarray(number("demands_w", demand, above=0)) for demand in demands_w))
    demand = np.stack(given[1:])
    order = np.argsort(demand, axis=0)
    rising = np.take_along_axis(demand, order, axis=0)
    size = np.take_along_axis(np.broadcast_to(np.reshape(sizes, (-1, *[1] * cap.ndim)), demand.shape), order, axis=0)
    # With the k smallest demands met in full, the rest share what is left. What a level hands out is the least over k,
    # hence the level that spends the cap is the largest over k.
    met = np.cumsum(size * rising, axis=0) - size * rising
    sharers = size.sum(axis=0) - (np.cumsum(size, axis=0) - size)
    level = ((cap - met) / sharers).max(axis=0)
    return tuple(np.minimum(each, level)[()] for each in given[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledCap:
    """Loads under one cap of a rack, pooled and divided evenly.

    Attributes
    ----------
    pooled : tuple of PowerEstimate
        Each load with what the others leave.
    individual : tuple of PowerEstimate
        Each load when every device has the same cap.
    replicas : tuple of int
        Replicas of each load.
    cap_w : array
        Cap of all devices together [W].
    """

    pooled: tuple[PowerEstimate, ...]
    individual: tuple[PowerEstimate, ...]
    replicas: tuple[int, ...]
    cap_w: Array

    @property
    def gain(self) -> tuple[Array, ...]:
        """Throughput pooled over throughput at even caps, of each load; never below 1."""
        return tuple(a.tokens_per_s / b.tokens_per_s for a, b in zip(self.pooled, self.individual, strict=True))

    @property
    def power_w(self) -> Array:
        """Power of all devices with the cap pooled [W]."""
        return sum(
            each.power_w * each.estimate.devices * copies
            for each, copies in zip(self.pooled, self.replicas, strict=True)
        )


def pooled(
    phases: Sequence[PhaseEstimate],
    *,
    cap_w: Any,
    replicas: Sequence[int] | None = None,
    overhead_w: Any = 0.0,
    model: PowerModel | None = None,
) -> PooledCap:
    """Speed of unlike loads if a rack's power cap were pooled, beside that with the cap divided evenly.

    A device that needs less than its share leaves the rest to those that are slowed, so no load is slower than with
    even caps. Caps of today act on one card; Grace superchips alone share theirs (Kim VI-D).

    Parameters
    ----------
    phases : sequence of PhaseEstimate
        What the groups of devices do; each runs on its own ``devices``.
    cap_w : float or array
        Cap of the rack [W].
    replicas : sequence of int, optional
        Replicas of each phase; 1 each by default.
    overhead_w : float or array
        What the rack draws beside the devices: hosts, fans, network [W].
    model : PowerModel, optional
        As for :func:`estimate`, for all phases.

    Returns
    -------
    PooledCap

    Raises
    ------
    ValueError
        Nothing is left beside the overhead, or a share is below what the lowest clock draws.

    Examples
    --------
    Two prefills beside six decodes that wait for their host most of the time, on eight H100 with 3,200 W:

    >>> import hardware_specs as hs
    >>> from roofline import Machine, decode, get_llm, prefill
    >>> from roofline.power import model
    >>> llm, h100 = get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    >>> slow = Machine.of(h100).replace(overhead_s=50e-6)
    >>> waiting = decode(llm, slow, batch=4, context_tokens=512)
    >>> both = pooled([prefill(llm, h100, prompt_tokens=2048), waiting], replicas=[2, 6], cap_w=3200, model=model(h100))
    >>> [round(float(gain), 2) for gain in both.gain]
    [1.21, 1.0]
    """
    copies = tuple([1] * len(phases) if replicas is None else (count("replicas", each) for each in replicas))
    if len(copies) != len(phases):
        raise ValueError(f"replicas has {len(copies)} numbers for {len(phases)} phases")
    total = number("cap_w", cap_w, above=0)
    left = total - number("overhead_w", overhead_w, at_least=0)
    free = [estimate(phase, model=model) for phase in phases]
    sizes = [phase.devices * each for phase, each in zip(phases, copies, strict=True)]
    caps = share_cap([each.power_w for each in free], cap_w=left, devices=sizes)
    even = left / sum(sizes)
    return PooledCap(
        pooled=tuple(under_cap(p, cap_w=cap, model=model) for p, cap in zip(phases, caps, strict=True)),
        individual=tuple(under_cap(p, cap_w=even, model=model) for p in phases),
        replicas=copies,
        cap_w=total,
    )
