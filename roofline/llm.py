"""Architecture of a decoder-only LLM: its layers, their shapes, and how many parameters and cached values they hold.

The record says what a Hugging Face ``config.json`` says, in one vocabulary for all families. Everything else is
counted from it: parameters (weights only, to the last one), parameters that a token activates, the groups of equal
layers that the phase operations iterate, and the size of the KV cache.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from hardware_specs._base import Count, Positive, SourcedSpec, Text
from roofline.llm_parts import MLA, Block, MoE, Problem, SlidingWindow

__all__ = ["LLM", "MLA", "Block", "LayerGroup", "MoE", "SlidingWindow"]

Feed = Literal["dense", "moe"]
Attention = Literal["gqa", "mla", "none"]


class _Kind(NamedTuple):
    """What distinguishes one layer from another."""

    kv_heads: int
    intermediate: int
    ffn: Feed
    window: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerGroup:
    """Equal layers of a model, wherever they stand in it; every figure but `count` is of one layer.

    Attributes
    ----------
    count : int
        Layers in the group.
    kv_heads : int
        Key and value heads; 0 where there is no attention. With MLA, the heads that the latent expands to.
    intermediate : int
        Width of the MLP, or of one routed expert.
    ffn : {"dense", "moe"}
        Kind of the feed-forward part.
    attention : {"gqa", "mla", "none"}
        Kind of the attention part; ``"gqa"`` covers multi-head and multi-query attention.
    window : int or None
        Tokens that the attention looks back at most; ``None`` where it is global.
    kv_values_per_token : int
        Values that the cache keeps for one token.
    attention_parameters : int
        Projections, their biases, sinks, and the norms inside the attention.
    mlp_parameters, active_mlp_parameters : int
        Dense MLP or routed experts: all of them, and those that one token uses.
    shared_parameters : int
        Experts that every token uses.
    router_parameters : int
        Router and its bias.
    norm_parameters : int
        Norms around attention and MLP.

    Examples
    --------
    >>> from roofline.llm_catalog import get_llm
    >>> dense, moe = get_llm("deepseek-r1").layer_groups
    >>> moe.count, moe.kv_values_per_token, moe.mlp_parameters // moe.active_mlp_parameters
    (58, 576, 32)
    """

    count: int
    kv_heads: int
    intermediate: int
    ffn: Feed
    attention: Attention
    window: int | None
    kv_values_per_token: int
    attention_parameters: int
    mlp_parameters: int
    active_mlp_parameters: int
    shared_parameters: int
    router_parameters: int
    norm_parameters: int

    @property
    def parameters(self) -> int:
        """Parameters of one layer, all experts included."""
        return self.active_parameters - self.active_mlp_parameters + self.mlp_parameters

    @property
    def active_parameters(self) -> int:
        """Parameters of one layer that one token uses."""
        return (
            self.attention_parameters
            + self.active_mlp_parameters
            + self.shared_parameters
            + self.router_parameters
            + self.norm_parameters
        )


class LLM(SourcedSpec):
    """Architecture of a decoder-only LLM.

    Attributes
    ----------
    key, name, aliases, huggingface_ids, family
        How the catalogue and people call it.
    layers, hidden, heads, kv_heads, head_dim, vocab : int
        Shape. With MLA, `kv_heads` equals `heads` and `head_dim` is the width of a query head, both parts. With
        `blocks`, `kv_heads` is the largest number that a layer has.
    intermediate : int, optional
        Width of the dense MLP; absent where no layer is dense, or where `blocks` say it.
    gated_mlp : bool
        Three matrices (gate, up, down) instead of two.
    mlp_bias, lm_head_bias : bool
        Each matrix of the dense MLP, or the LM head, has a bias.
    tied_embeddings : bool
        The LM head is the embedding table: counted once.
    max_context : int
        Tokens.
    attention_bias : {"none", "qkv", "qkvo"}
        Which projections have a bias.
    attention_sinks : bool
        One learned logit per head in the softmax's denominator.
    qk_norm : {"none", "head", "all", "l2"}
        ``"head"`` is an RMSNorm of each head's query and key (2·head_dim weights), ``"all"`` one over all heads
        together ((heads + kv_heads)·head_dim weights), ``"l2"`` has no weights.
    parallel_attention : bool
        Attention and MLP both read the layer's input, so that their outputs are added up before devices exchange them:
        one all-reduce a layer instead of two.
    norms_per_layer : {1, 2, 4}
        Norms around attention and MLP; 1 where both, in parallel, read the same normalised input.
    norm : {"rms", "layer"}
        ``"rms"`` has weights, ``"layer"`` weights and biases.
    embedding_norm : bool
        The embedding is normalised too.
    positions : {"rotary", "learned", "alibi"}
        Of the tokens: queries and keys are rotated, a learned table is added to the embedding, or a multiple of the
        distance to the scores (ALiBi, arXiv:2108.12409).
    position_rows : int, optional
        Rows of the learned table; absent without one.
    moe, mla, sliding_window, blocks
        What departs from a dense stack of equal layers with grouped-query attention.
    published_parameters : int, optional
        Exact count that somebody published; the catalogue's tests hold `parameters` against it.
    published_total_b, published_active_b : float, optional
        Rounded headline figures, in 10⁹ parameters.
    excluded : str, optional
        Part of the checkpoint that this record leaves out, such as a vision tower.
    sources, notes : mapping of str to str
        By field name (``"moe.experts"`` for a nested one), or ``"default"``.

    Raises
    ------
    pydantic.ValidationError
        On an unknown, missing or impossible field; the message names it.

    Notes
    -----
    Counts are of weights, without buffers, as the shapes of the Hugging Face checkpoints have them.

    Examples
    --------
    >>> from roofline.llm_catalog import get_llm
    >>> llm = get_llm("llama-3.1-8b")
    >>> llm.parameters, llm.gqa_group, llm.kv_bytes_per_token(bits=16)
    (8030261248, 4, 131072.0)
    """

    huggingface_ids: tuple[Text, ...] = ()
    family: Text
    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    intermediate: Count | None = None
    gated_mlp: bool = True
    mlp_bias: bool = False
    vocab: Count
    tied_embeddings: bool
    lm_head_bias: bool = False
    max_context: Count
    attention_bias: Literal["none", "qkv", "qkvo"] = "none"
    attention_sinks: bool = False
    qk_norm: Literal["none", "head", "all", "l2"] = "none"
    parallel_attention: bool = False
    norms_per_layer: Literal[1, 2, 4] = 2
    norm: Literal["rms", "layer"] = "rms"
    embedding_norm: bool = False
    positions: Literal["rotary", "learned", "alibi"] = "rotary"
    position_rows: Count | None = None
    moe: MoE | None = None
    mla: MLA | None = None
    sliding_window: SlidingWindow | None = None
    blocks: tuple[Block, ...] | None = None
    published_parameters: Count | None = None
    published_total_b: Positive | None = None
    published_active_b: Positive | None = None
    excluded: Text | None = None

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        if self.heads % self.kv_heads:
            yield ("kv_heads",), f"should divide heads = {self.heads}, not {self.kv_heads}"
        if self.norms_per_layer == 1 and not self.parallel_attention:
            yield ("norms_per_layer",), "should be 2 or 4 without parallel_attention, not 1"
        if (self.positions == "learned") != (self.position_rows is not None):
            needed = "given" if self.positions == "learned" else "absent"
            yield ("position_rows",), f"should be {needed} for positions = {self.positions!r}, not {self.position_rows}"
        yield from self._latent_problems()
        yield from self._layer_problems() if self.blocks is None else self._block_problems(self.blocks)

    def _latent_problems(self) -> Iterator[Problem]:
        if self.mla is None:
            return
        width = self.mla.qk_nope_head_dim + self.mla.qk_rope_head_dim
        required = {
            **{"kv_heads": self.heads, "head_dim": width, "attention_bias": "none", "qk_norm": "none"},
            "positions": "rotary",
        }
        for field, value in required.items():
            if getattr(self, field) != value:
                yield (field,), f"should be {value!r} with this mla, not {getattr(self, field)!r}"

    def _block_problems(self, blocks: tuple[Block, ...]) -> Iterator[Problem]:
        for field in ("moe", "mla", "sliding_window", "intermediate"):
            if getattr(self, field) is not None:
                yield (field,), f"should be absent where blocks are given, not {getattr(self, field)}"
        total = sum(block.count for block in blocks)
        if total != self.layers:
            yield ("blocks",), f"should count layers = {self.layers} in all, not {total}"
        for i, block in enumerate(blocks):
            if block.kv_heads and self.heads % block.kv_heads:
                yield ("blocks", i, "kv_heads"), f"should be 0 or divide heads = {self.heads}, not {block.kv_heads}"

    def _layer_problems(self) -> Iterator[Problem]:
        dense = sum(not self._has_experts(i) for i in range(self.layers))
        if self.moe is not None and dense == self.layers:
            shown = f"first_dense_layers = {self.moe.first_dense_layers}, every = {self.moe.every}"
            yield ("moe",), f"should leave at least one of layers = {self.layers} with experts, not {shown}"
        elif (dense > 0) != (self.intermediate is not None):
            needed = f"given, for {dense} dense layers" if dense else "absent, for no layer is dense"
            yield ("intermediate",), f"should be {needed}, not {self.intermediate}"

    @classmethod
    def from_hf_config(
        cls, config: str | os.PathLike[str] | Mapping[str, Any], *, key: str | None = None, name: str | None = None
    ) -> Self:
        """Read a Hugging Face ``config.json``; see `roofline.huggingface.read_config`.

        Parameters
        ----------
        config : path or mapping
            The file, or its content.
        key, name : str, optional
            What to call it; from the file if absent.

        Raises
        ------
        ValueError
            Where the file misses a key, or says something that this record cannot hold; the message names the key.

        Examples
        --------
        >>> LLM.from_hf_config({"model_type": "gpt2"})
        Traceback (most recent call last):
        ...
        ValueError: config.json: model_type = 'gpt2': not supported; the supported ones are ...
        """
        from roofline.huggingface import read_config

        return cls(**read_config(config, key=key, name=name))

    @property
    def parameters(self) -> int:
        """Parameters in all, an exact count.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("mixtral-8x7b").parameters
        46702792704
        """
        return sum(self.parameter_breakdown.values())

    @property
    def active_parameters(self) -> int:
        """Parameters that one token uses, the whole input embedding included.

        Headline figures of Mixtral, Qwen3 and Llama 4 count so; those of gpt-oss are
        `active_parameters_without_embedding`.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("mixtral-8x7b").active_parameters
        12879925248
        """
        return sum(self.active_parameter_breakdown.values())

    @property
    def active_parameters_without_embedding(self) -> int:
        """Parameters that one decoded token reads: of each table of embeddings it needs one row, which is not counted.

        A tied table is read in full as the LM head, and so stays.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("gpt-oss-20b").active_parameters_without_embedding
        3608307264
        """
        read_by_row = (self.position_rows or 0) + (0 if self.tied_embeddings else self.vocab)
        return self.active_parameters - read_by_row * self.hidden

    @property
    def parameter_breakdown(self) -> Mapping[str, int]:
        """Parameters by part: embedding, attention, mlp, experts, shared_experts, router, norms, lm_head.

        A tied LM head counts zero, but for its bias: it is the embedding. Learned positions are part of the embedding.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> {part: count for part, count in get_llm("llama-3.2-1b").parameter_breakdown.items() if count}
        {'embedding': 262668288, 'attention': 167772160, 'mlp': 805306368, 'norms': 67584}
        """
        return self._breakdown(active=False)

    @property
    def active_parameter_breakdown(self) -> Mapping[str, int]:
        """As `parameter_breakdown`, of the parameters that one token uses.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("llama-4-scout").active_parameter_breakdown["experts"] == 48 * 3 * 5120 * 8192
        True
        """
        return self._breakdown(active=True)

    @property
    def gqa_group(self) -> int:
        """Query heads per key and value head: Kim's `g`; with `blocks`, in the layers that have the most of these.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("llama-3.1-70b").gqa_group
        8
        """
        return self.heads // self.kv_heads

    @property
    def mlp_ratio(self) -> float:
        """MLP width over hidden width: Kim's `a`, in Equations 5 to 8.

        Raises
        ------
        ValueError
            Where layers differ or have experts: the papers' equations do not cover these.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("llama-3.1-8b").mlp_ratio
        3.5
        """
        if self.intermediate is None or self.moe is not None:
            raise ValueError(f"mlp_ratio: {self.key} has no single MLP width (see layer_groups)")
        return self.intermediate / self.hidden

    @cached_property
    def layer_groups(self) -> tuple[LayerGroup, ...]:
        """Groups of equal layers, in the order in which each first appears; their counts sum to `layers`.

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> [(g.count, g.ffn, g.intermediate) for g in get_llm("deepseek-r1").layer_groups]
        [(3, 'dense', 18432), (58, 'moe', 2048)]
        >>> [(g.count, g.window) for g in get_llm("gemma-3-27b").layer_groups]
        [(52, 1024), (10, None)]
        """
        return tuple(self._group(kind, count) for kind, count in Counter(self._kinds()).items())

    def kv_bytes_per_token(self, bits: float = 16) -> float:
        """Bytes that the cache keeps for one token over all layers.

        Parameters
        ----------
        bits : float
            Bits per cached value; positive.

        Returns
        -------
        float
            Bytes. A token inside the window of a local layer; one outside is no longer kept there.

        Notes
        -----
        Grouped-query attention keeps ``2·kv_heads·head_dim`` values per layer, MLA in its absorbed form
        ``kv_lora_rank + qk_rope_head_dim`` (DeepSeek-V2, arXiv:2405.04434, Table 1).

        Examples
        --------
        >>> from roofline.llm_catalog import get_llm
        >>> get_llm("deepseek-r1").kv_bytes_per_token(bits=8)
        35136.0
        """
        if not 0 < bits < float("inf"):
            raise ValueError(f"bits = {bits}: must be positive and finite")
        return sum(group.count * group.kv_values_per_token for group in self.layer_groups) * bits / 8

    def _has_experts(self, layer: int) -> bool:
        """Whether the layer of this index, from zero, holds experts."""
        return self.moe is not None and layer >= self.moe.first_dense_layers and (layer + 1) % self.moe.every == 0

    def _kinds(self) -> Iterator[_Kind]:
        """Yield the kind of each layer, from the first to the last."""
        if self.blocks is not None:
            for block in self.blocks:
                for _ in range(block.count):
                    yield _Kind(block.kv_heads, block.intermediate, "dense", None)
            return
        local = self.sliding_window
        for i in range(self.layers):
            is_global = local is None or (local.pattern is not None and (i + 1) % (local.pattern + 1) == 0)
            window = None if local is None or is_global else local.window
            if self.moe is not None and self._has_experts(i):
                yield _Kind(self.kv_heads, self.moe.expert_intermediate, "moe", window)
            else:
                yield _Kind(self.kv_heads, self.intermediate or 0, "dense", window)

    def _group(self, kind: _Kind, count: int) -> LayerGroup:
        attention: Attention = "none" if kind.kv_heads == 0 else "gqa" if self.mla is None else "mla"
        values = {
            "none": 0,
            "gqa": 2 * kind.kv_heads * self.head_dim,
            "mla": 0 if self.mla is None else self.mla.kv_lora_rank + self.mla.qk_rope_head_dim,
        }[attention]
        experts = kind.ffn == "moe"
        one = self._mlp(kind.intermediate)
        if self.mlp_bias if self.moe is None or not experts else self.moe.expert_bias:
            one += (2 if self.gated_mlp else 1) * kind.intermediate + self.hidden
        all_of, used, shared, router = one, one, 0, 0
        if self.moe is not None and experts:
            all_of, used = self.moe.experts * one, self.moe.experts_per_token * one
            shared = self.moe.shared_experts * self._mlp(self.moe.shared_intermediate or 0)
            router = self.moe.experts * (self.hidden + self.moe.router_bias)
        norms = self.norms_per_layer if attention != "none" else max(1, self.norms_per_layer // 2)
        return LayerGroup(
            count=count,
            attention=attention,
            kv_values_per_token=values,
            attention_parameters=self._attention(kind.kv_heads),
            mlp_parameters=all_of,
            active_mlp_parameters=used,
            shared_parameters=shared,
            router_parameters=router,
            norm_parameters=norms * self._norm,
            **kind._asdict(),
        )

    @property
    def _norm(self) -> int:
        """Parameters of one norm of the whole width."""
        return (2 if self.norm == "layer" else 1) * self.hidden

    def _mlp(self, width: int) -> int:
        return (3 if self.gated_mlp else 2) * self.hidden * width

    def _attention(self, kv_heads: int) -> int:
        if kv_heads == 0:
            return 0
        h, heads, d = self.hidden, self.heads, self.head_dim
        if self.mla is not None:
            m = self.mla
            q = h * heads * d if m.q_lora_rank is None else (h + 1 + heads * d) * m.q_lora_rank
            kv = h * (m.kv_lora_rank + m.qk_rope_head_dim)
            kv += m.kv_lora_rank * (1 + heads * (m.qk_nope_head_dim + m.v_head_dim))
            return q + kv + heads * m.v_head_dim * h + heads * self.attention_sinks
        qkv = (heads + 2 * kv_heads) * d
        bias = {"none": 0, "qkv": qkv, "qkvo": qkv + h}[self.attention_bias]
        norm = {"head": 2 * d, "all": (heads + kv_heads) * d}.get(self.qk_norm, 0)
        return h * qkv + heads * d * h + bias + norm + heads * self.attention_sinks

    def _breakdown(self, *, active: bool) -> Mapping[str, int]:
        groups = self.layer_groups
        table = self.vocab * self.hidden

        def feed(ffn: Feed) -> int:
            return sum(
                g.count * (g.active_mlp_parameters if active else g.mlp_parameters) for g in groups if g.ffn == ffn
            )

        return MappingProxyType(
            {
                "embedding": table + (self.position_rows or 0) * self.hidden,
                "attention": sum(g.count * g.attention_parameters for g in groups),
                "mlp": feed("dense"),
                "experts": feed("moe"),
                "shared_experts": sum(g.count * g.shared_parameters for g in groups),
                "router": sum(g.count * g.router_parameters for g in groups),
                "norms": sum(g.count * g.norm_parameters for g in groups) + (1 + self.embedding_norm) * self._norm,
                "lm_head": (0 if self.tied_embeddings else table) + self.lm_head_bias * self.vocab,
            }
        )
