"""How several devices share a model: tensor, pipeline, expert and data parallelism."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware_specs import Accelerator
from roofline._validation import count

if TYPE_CHECKING:
    from roofline.llm import LLM
    from roofline.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Division of a model and its batch over devices.

    `tensor` devices share every layer, `pipeline` groups of them share the layers, and `data` copies of that share the
    batch: ``tensor · pipeline · data`` devices in all (Brunetta III-C, with T = N/D). Experts are divided like every
    other layer if `expert` is 1; else each device of a pipeline stage holds whole experts, and `expert` is the number
    of these devices, ``tensor · data``. Brunetta's expert parallelism, with attention replicated, is
    ``Layout(data=n, expert=n)``; vLLM's, with attention divided, ``Layout(tensor=n, expert=n)``.

    Attributes
    ----------
    tensor, pipeline, expert, data : int
        See above; each at least 1.

    Raises
    ------
    ValueError
        Not a whole number from 1, or an `expert` that is neither 1 nor ``tensor · data``.

    Examples
    --------
    >>> Layout(tensor=4, data=2).devices
    8
    >>> Layout(data=4, expert=2)
    Traceback (most recent call last):
    ...
    ValueError: expert = 2 is not accepted: give 1, or tensor · data = 4, so that every device holds whole experts
    """

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    data: int = 1

    def __post_init__(self) -> None:
        for field in ("tensor", "pipeline", "expert", "data"):
            object.__setattr__(self, field, count(field, getattr(self, field)))
        if self.expert not in (1, self.tensor * self.data):
            raise ValueError(
                f"expert = {self.expert} is not accepted: give 1, or tensor · data = {self.tensor * self.data}, so "
                "that every device holds whole experts"
            )

    @property
    def devices(self) -> int:
        """Devices in all."""
        return self.tensor * self.pipeline * self.data

    @property
    def sharing(self) -> int:
        """Devices that share one copy of the model: whole experts make one of all copies."""
        return self.devices if self.expert > 1 else self.devices // self.data

    @property
    def joined(self) -> int:
        """Devices of the largest group that exchanges messages: of the stages of a pipeline if no other does."""
        return max(self.tensor, self.expert) if max(self.tensor, self.expert) > 1 else self.pipeline

    def kv_copies(self, kv_heads: int) -> int:
        """Copies of each KV head that tensor parallelism beyond their number makes.

        Parameters
        ----------
        kv_heads : int
            Key and value heads of a layer; 1 for a latent cache, which every device keeps whole.

        Returns
        -------
        int
        """
        return max(1, self.tensor // kv_heads)

    def __str__(self) -> str:
        parts = [
            f"{name} parallel {size}"
            for name, size in (
                ("tensor", self.tensor),
                ("pipeline", self.pipeline),
                ("expert", self.expert),
                ("data", self.data),
            )
            if size > 1
        ]
        return ", ".join(parts) or "one device"


def require_divisible(llm: LLM, layout: Layout) -> None:
    """Refuse a layout into which a model cannot be divided evenly.

    Parameters
    ----------
    llm : LLM
        The architecture.
    layout : Layout
        The devices.

    Raises
    ------
    ValueError
        Heads, KV heads, layers or experts that do not divide.
    """
    n = layout.tensor
    if llm.heads % n:
        raise ValueError(f"tensor_parallel = {n} is not accepted: it must divide the {llm.heads} heads of {llm.name}")
    for group in llm.layer_groups:
        kv = group.kv_heads
        if kv and kv % n and n % kv:
            raise ValueError(
                f"tensor_parallel = {n} is not accepted: it must divide the {kv} KV heads of {llm.name}, or be a "
                "multiple of them, so that each is replicated"
            )
    if layout.pipeline > llm.layers:
        raise ValueError(
            f"pipeline_parallel = {layout.pipeline} is not accepted: {llm.name} has {llm.layers} layers to divide"
        )
    if layout.expert > 1:
        if llm.moe is None:
            raise ValueError(f"expert_parallel = {layout.expert} is not accepted: {llm.name} has no experts")
        if llm.moe.experts % layout.expert:
            raise ValueError(
                f"expert_parallel = {layout.expert} is not accepted: it must divide the {llm.moe.experts} experts of "
                f"{llm.name}"
            )


def layout_of(
    llm: LLM,
    accelerator: Accelerator | Machine,
    *,
    layout: Layout | None = None,
    linked: bool = True,
    **parallel: Any,
) -> Layout:
    """Return a checked layout from the arguments of a public function.

    Parameters
    ----------
    llm : LLM
        The architecture to divide.
    accelerator : Accelerator or Machine
        What it is divided over.
    layout : Layout, optional
        The division, instead of the sizes one by one.
    linked : bool
        Whether the link between devices counts, and so must be known.
    **parallel : int
        ``tensor_parallel``, ``pipeline_parallel``, ``expert_parallel``, ``data_parallel``; 1 where absent.

    Returns
    -------
    Layout
        Of accelerators: a package of two dies counts once.

    Raises
    ------
    ValueError
        Sizes that are no whole numbers or do not divide the model, more devices than the link joins, or both a layout
        and sizes.
    """
    if layout is not None and not isinstance(layout, Layout):
        raise ValueError(f"layout = {layout!r} is not accepted: give a Layout, such as rl.Layout(tensor=8)")
    sizes = {name: count(name, value) for name, value in parallel.items()}
    if layout is None:
        expert = sizes.get("expert_parallel", 1)
        tensor, data = sizes.get("tensor_parallel", 1), sizes.get("data_parallel", 1)
        if expert not in (1, tensor * data):
            raise ValueError(
                f"expert_parallel = {expert} is not accepted: it must be 1 or equal tensor_parallel · data_parallel, "
                f"which is {tensor * data} here; with data_parallel = {expert} every device holds whole experts"
            )
        layout = Layout(tensor=tensor, pipeline=sizes.get("pipeline_parallel", 1), expert=expert, data=data)
    elif any(size != 1 for size in sizes.values()):
        given = ", ".join(f"{name} = {size}" for name, size in sizes.items() if size != 1)
        raise ValueError(f"layout and {given} are both given: give one or the other")
    require_divisible(llm, over_dies(layout, accelerator))
    together = max(layout.tensor, layout.expert)
    if isinstance(accelerator, Accelerator):
        link = accelerator.require("scale_up") if layout.joined > 1 and linked else accelerator.scale_up
        kind, domain = ("", None) if link is None else (f"{link.kind} ", link.domain)
    else:
        kind, domain = "", accelerator.link_domain
    if domain is not None and together > domain:
        name = "tensor_parallel" if layout.tensor >= layout.expert else "expert_parallel"
        raise ValueError(
            f"{name} = {together} is not accepted: the {kind}domain of {accelerator.name} has {domain} devices; for a "
            "network beyond it, give its rates: rl.Machine.of(accelerator).replace(link_domain=…, link_bytes_per_s=…, "
            "link_latency_s=…)"
        )
    return layout


def over_dies(layout: Layout, accelerator: Accelerator | Machine) -> Layout:
    """Return the layout that software sees: the dies of a package are tensor-parallel (Brunetta IV-A).

    Parameters
    ----------
    layout : Layout
        Of accelerators.
    accelerator : Accelerator or Machine
        One of them.

    Returns
    -------
    Layout
    """
    dies = accelerator.dies if isinstance(accelerator, Accelerator) else 1
    if dies == 1:
        return layout
    expert = layout.expert * dies if layout.expert > 1 else 1
    return Layout(tensor=layout.tensor * dies, pipeline=layout.pipeline, expert=expert, data=layout.data)
