"""Every way to write a number of devices as tensor · pipeline · data, and which of them a model and a link allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hardware_specs import Accelerator
from roofline._validation import choice, count
from roofline.layout import Layout, layout_of
from roofline.machine import Machine, require_records

if TYPE_CHECKING:
    from roofline.llm import LLM

KINDS = ("tensor", "pipeline", "expert", "data")
"""Kinds of parallelism."""

MOST_DEVICES = 100_000
"""Devices beyond which a number of them is taken for a slip."""


def layouts(
    llm: LLM,
    accelerator: Accelerator | Machine,
    devices: int,
    *,
    parallel: Sequence[str] = KINDS,
    linked: bool = True,
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
    linked : bool
        Whether the link between devices counts. Layouts that exchange messages then need one that is known.

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
    tried = divisions(llm, count("devices", devices, at_most=MOST_DEVICES), kinds_of(parallel))
    return tuple(layout for layout in tried if not misfit(llm, accelerator, layout, linked=linked))


def kinds_of(parallel: Sequence[str]) -> tuple[str, ...]:
    """Check which kinds of parallelism are asked for.

    Parameters
    ----------
    parallel : sequence of str
        One name of `KINDS`, or several.
    """
    several = (parallel,) if isinstance(parallel, str) else tuple(parallel)
    return tuple(choice("parallel", kind, KINDS) for kind in several)


def divisions(llm: LLM, devices: int, kinds: Sequence[str]) -> Iterator[Layout]:
    """Yield every way to divide the devices, those that communicate least first.

    Parameters
    ----------
    llm : LLM
        With experts or without.
    devices : int
        How many.
    kinds : sequence of str
        Kinds of parallelism; of all others the size is 1.
    """
    for layout in _all_divisions(llm, devices):
        if all(getattr(layout, kind) == 1 for kind in KINDS if kind not in kinds):
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


def misfit(llm: LLM, accelerator: Accelerator | Machine, layout: Layout, *, linked: bool) -> str:
    """Say why a model cannot be divided so, whatever its precision; empty where it can.

    Parameters
    ----------
    llm : LLM
        The architecture.
    accelerator : Accelerator or Machine
        One device.
    layout : Layout
        How they would share the model.
    linked : bool
        Whether the link between devices counts.
    """
    try:
        layout_of(llm, accelerator, layout=layout, linked=linked)
    except ValueError as reason:
        return str(reason)
    return ""
