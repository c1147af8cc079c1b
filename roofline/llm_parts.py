"""What departs from a dense stack of equal layers: experts, latent attention, local attention, layers that differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hardware_specs._base import Count, Spec

Whole = Annotated[int, Field(ge=0)]
"""A whole number, zero included."""

Problem = tuple[tuple[str | int, ...], str]
"""Path of a field, and what is wrong with it."""


class MoE(Spec):
    """Mixture of experts: its experts, and which layers have them.

    Layers before `first_dense_layers` are dense. Of the others, the ones whose number (counted from one) is a multiple
    of `every` hold experts. Widths are in elements, of one expert. `router_bias` also stands for the correction bias of
    DeepSeek-V3 (arXiv:2412.19437, section 2.1.2): one value per expert.

    Examples
    --------
    >>> MoE(experts=8, experts_per_token=2, expert_intermediate=14336).shared_experts
    0
    """

    experts: Count
    experts_per_token: Count
    expert_intermediate: Count
    shared_experts: Whole = 0
    shared_intermediate: Count | None = None
    first_dense_layers: Whole = 0
    every: Count = 1
    router_bias: bool = False
    expert_bias: bool = False

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.experts_per_token > self.experts:
            yield ("experts_per_token",), f"should be at most experts = {self.experts}, not {self.experts_per_token}"
        if (self.shared_experts > 0) != (self.shared_intermediate is not None):
            needed = "given" if self.shared_experts else "absent"
            yield (
                ("shared_intermediate",),
                f"should be {needed} for shared_experts = {self.shared_experts}, not {self.shared_intermediate}",
            )


class MLA(Spec):
    """Multi-head latent attention: keys and values are cached as one latent vector per token and layer.

    `q_lora_rank` is absent where queries are not compressed. Widths are in elements, of one head but for the ranks.
    Source: DeepSeek-V2, arXiv:2405.04434, section 2.1.

    Examples
    --------
    >>> mla = MLA(kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128)
    >>> mla.kv_lora_rank + mla.qk_rope_head_dim  # cached per token and layer
    576
    """

    kv_lora_rank: Count
    qk_nope_head_dim: Count
    qk_rope_head_dim: Count
    v_head_dim: Count
    q_lora_rank: Count | None = None


class SlidingWindow(Spec):
    """Local attention: how far a local layer looks back, and how many local layers precede each global one.

    Attributes
    ----------
    window : int
        Tokens. With kind ``"sliding"`` a query sees the last `window` tokens; with ``"chunked"`` it sees those of its
        own chunk of `window` tokens.
    pattern : int, optional
        Local layers before each global one (Gemma 3: 5); without it every layer is local.
    kind : {"sliding", "chunked"}
        See `window`.

    Examples
    --------
    >>> SlidingWindow(window=1024, pattern=5).kind
    'sliding'
    """

    window: Count
    pattern: Count | None = None
    kind: Literal["sliding", "chunked"] = "sliding"


class Block(Spec):
    """A run of `count` equal layers in a model whose layers differ; `kv_heads` = 0 means no attention.

    Examples
    --------
    >>> Block(count=2, kv_heads=0, intermediate=14336).kv_heads
    0
    """

    count: Count
    kv_heads: Whole
    intermediate: Count
