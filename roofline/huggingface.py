"""Reads a Hugging Face ``config.json`` into the fields of an `roofline.llm.LLM`.

A key that a file leaves out takes the default of the transformers configuration class of its `model_type` where that
default is what published files of the family rely on; what else is missing, or says something that the record cannot
hold, is an error that names the key. Nothing is guessed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

from roofline.llm import MLA, Block, MoE, SlidingWindow

Fields: TypeAlias = dict[str, Any]


def read_config(
    config: str | os.PathLike[str] | Mapping[str, Any], *, key: str | None = None, name: str | None = None
) -> Fields:
    """Return the fields of an `LLM` that a Hugging Face ``config.json`` describes.

    Of a model with vision the text part is read. Layers for multi-token prediction are not counted. `excluded` says
    what was left out.

    Parameters
    ----------
    config : path or mapping
        The file, or its content.
    key, name : str, optional
        What to call the model; if absent, the name in the file, that of its folder, or its `model_type`.

    Returns
    -------
    dict
        Keyword arguments of `LLM`.

    Raises
    ------
    ValueError
        For an unsupported `model_type` (with the supported ones), a missing key, or a value that the record cannot
        hold; the message names the key.

    References
    ----------
    Configuration classes of Hugging Face transformers 5.23; those that Aquila, DeciLM, Kimi K2, and Nemotron carry
    with them.

    Examples
    --------
    >>> fields = read_config({
    ...     "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
    ...     "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
    ...     "max_position_embeddings": 131072,
    ... })
    >>> fields["head_dim"], fields["tied_embeddings"]
    (128, False)
    """
    values, origin = _load(config)
    text, vision = _text_part(values)
    family = _FAMILIES[text.model_type]
    named = next((v for v in (values.get("_name_or_path"), text.values.get("_name_or_path")) if v), origin)
    label = name or re.split(r"[/\\]", str(named).rstrip("/\\"))[-1] or text.model_type
    left_out = [
        *(["vision tower"] if vision else []),
        *(["multi-token-prediction layers"] if any(map(text.values.get, _PREDICTION_LAYERS)) else []),
    ]
    return {
        "key": key or "-".join(re.findall(r"[a-z0-9]+(?:\.[a-z0-9]+)*", label.lower())) or text.model_type,
        "name": label,
        "family": family.name,
        "layers": text.count("num_hidden_layers"),
        "hidden": text.count("hidden_size"),
        "heads": text.count("num_attention_heads"),
        "vocab": text.count("vocab_size"),
        "tied_embeddings": text.flag("tie_word_embeddings"),
        "max_context": text.count("max_position_embeddings"),
        "excluded": " and ".join(left_out) or None,
        "sources": {"default": f"Hugging Face config.json, model_type {text.model_type}"},
        **family.read(text),
    }


@dataclass(frozen=True)
class _Config:
    """The text part of a configuration, asked key by key."""

    model_type: str
    values: Mapping[str, Any]
    own_names: Mapping[str, str] = field(default_factory=dict)

    def error(self, key: str, should: str) -> ValueError:
        """Return an error on the value of `key`; `should` says what is accepted."""
        shown = repr(self.values.get(key))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        name = self.own_names.get(key, key)
        return ValueError(f"config.json: {name} = {shown}: {should} (model_type {self.model_type!r})")

    def get(self, key: str) -> Any:
        """Return the value of `key`, which must be there."""
        if key not in self.values:
            name = self.own_names.get(key, key)
            raise ValueError(f"config.json: {name}: missing, and model_type {self.model_type!r} has no safe default")
        return self.values[key]

    def count(self, key: str, *, least: int = 1) -> int:
        """Return a whole number of at least `least`."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.error(key, f"should be a whole number of {least} or more")
        return value

    def optional_count(self, key: str) -> int | None:
        """Return a whole number, or ``None`` where the file says null."""
        return None if self.get(key) is None else self.count(key)

    def flag(self, key: str) -> bool:
        """Return a truth value."""
        value = self.get(key)
        if not isinstance(value, bool):
            raise self.error(key, "should be true or false")
        return value

    def refuse(self, **accepted: Any) -> None:
        """Raise unless each key is absent, null, or has the accepted value."""
        for key, value in accepted.items():
            if self.values.get(key) not in (None, value):
                raise self.error(key, f"only {json.dumps(value)} is supported")


def _load(config: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the content of a configuration, and what its place says of its name."""
    if isinstance(config, Mapping):
        return config, ""
    path = Path(config)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name}: should hold a JSON object, not {type(values).__name__}")
    return values, path.absolute().parent.name if path.name == "config.json" else re.sub(
        r"[._-]?config$", "", path.stem
    )


def _text_part(values: Mapping[str, Any]) -> tuple[_Config, bool]:
    """Return the text part of a configuration with its family's defaults, and whether it was nested."""
    outer = values.get("model_type")
    nested = isinstance(outer, str) and outer in _NESTED
    if nested:
        inner = values.get("text_config")
        if not isinstance(inner, Mapping):
            raise ValueError(
                f"config.json: text_config: missing, and model_type {outer!r} describes its text part there"
            )
        tied = {key: values[key] for key in ("tie_word_embeddings",) if key in values}
        values = {"model_type": _NESTED[str(outer)], **tied, **inner}
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in _FAMILIES:
        known = ", ".join(sorted(_FAMILIES.keys() | _NESTED.keys()))
        raise ValueError(f"config.json: model_type = {model_type!r}: not supported; the supported ones are {known}")
    family = _FAMILIES[model_type]
    common = {key: values[own] for key, own in family.own_names.items() if own in values}
    values = {"tie_word_embeddings": False, **family.defaults, **common, **values}
    return _Config(model_type, values, family.own_names), nested


def _grouped(config: _Config, *, derive_kv: bool = False, derive_head_dim: bool = True) -> Fields:
    """Read grouped-query attention; `derive_*` says whether the class derives what is absent."""
    heads, hidden = config.count("num_attention_heads"), config.count("hidden_size")
    if derive_kv and config.values.get("num_key_value_heads") is None:
        kv_heads = heads
    else:
        kv_heads = config.count("num_key_value_heads")
    if derive_head_dim and config.values.get("head_dim") is None:
        if hidden % heads:
            raise config.error(
                "hidden_size", f"should be a multiple of num_attention_heads = {heads}, or head_dim given"
            )
        head_dim = hidden // heads
    else:
        head_dim = config.count("head_dim")
    bias = "qkvo" if config.values.get("attention_bias") else "none"
    return {"kv_heads": kv_heads, "head_dim": head_dim, "attention_bias": bias}


def _local(config: _Config, *, key: str = "sliding_window", period: int | None = None) -> SlidingWindow | None:
    """Read local attention: of every layer, or of all but every `period`-th, unless `layer_types` says which."""
    window = config.optional_count(key)
    if window is None:
        return None
    kind: Literal["sliding", "chunked"] = "chunked" if key == "attention_chunk_size" else "sliding"
    types = config.values.get("layer_types")
    if types is not None:
        return _local_of(config, types, window, kind)
    return SlidingWindow(window=window, pattern=None if period is None else period - 1, kind=kind)


def _local_of(
    config: _Config, types: Sequence[str], window: int, kind: Literal["sliding", "chunked"]
) -> SlidingWindow | None:
    """Return the pattern of a list of layer types, which must repeat: some local layers, then a global one."""
    local = f"{kind}_attention"
    if len(types) != config.count("num_hidden_layers") or not {*types} <= {local, "full_attention"}:
        raise config.error("layer_types", f"should say {local} or full_attention for each layer")
    if local not in types:
        return None
    if "full_attention" not in types:
        return SlidingWindow(window=window, kind=kind)
    pattern = types.index("full_attention")
    if any((kind == local) != bool((i + 1) % (pattern + 1)) for i, kind in enumerate(types)):
        raise config.error("layer_types", "should repeat some local layers and then a global one")
    return SlidingWindow(window=window, pattern=pattern, kind=kind)


def _llama(config: _Config) -> Fields:
    biased = bool(config.values.get("mlp_bias"))
    return {
        **_grouped(config, derive_kv=True),
        "intermediate": config.count("intermediate_size"),
        "mlp_bias": biased,
    }


def _plain(config: _Config, *, biased: bool) -> Fields:
    """Return what the families before Llama share: heads that divide the width, two matrices in the MLP, LayerNorm."""
    heads, hidden = config.count("num_attention_heads"), config.count("hidden_size")
    if hidden % heads:
        raise config.error("hidden_size", f"should be a multiple of the {heads} heads")
    width = 4 * hidden if config.values.get("intermediate_size") is None else config.count("intermediate_size")
    return {
        "kv_heads": heads,
        "head_dim": hidden // heads,
        "intermediate": width,
        "gated_mlp": False,
        "attention_bias": "qkvo" if biased else "none",
        "mlp_bias": biased,
        "norm": "layer",
    }


def _gptj(config: _Config) -> Fields:
    one_path = {"mlp_bias": True, "lm_head_bias": True, "parallel_attention": True, "norms_per_layer": 1}
    return {**_plain(config, biased=False), **one_path}


def _opt(config: _Config) -> Fields:
    config.count("intermediate_size")  # the class has no rule for it
    config.refuse(
        **{"do_layer_norm_before": True, "enable_bias": True, "layer_norm_elementwise_affine": True},
        **{"_remove_final_layer_norm": False, "word_embed_proj_dim": config.count("hidden_size")},
    )
    rows = config.count("max_position_embeddings") + 2  # the first two are for padding
    return {**_plain(config, biased=True), "positions": "learned", "position_rows": rows}


def _bloom(config: _Config) -> Fields:
    config.refuse(n_inner=4 * config.count("hidden_size"))
    return {**_plain(config, biased=True), "positions": "alibi", "embedding_norm": True}


def _falcon(config: _Config) -> Fields:
    new = config.flag("new_decoder_architecture")
    fields = _plain(config, biased=config.flag("bias"))
    if new and config.values.get("num_key_value_heads") is not None:
        fields["kv_heads"] = config.count("num_key_value_heads")
    elif not new and config.flag("multi_query"):
        fields["kv_heads"] = 1
    parallel = new or config.flag("parallel_attn")
    if parallel:
        own = config.values.get("num_ln_in_parallel_attn")
        fields["norms_per_layer"] = (2 if new else 1) if own is None else config.count("num_ln_in_parallel_attn")
    positions = "alibi" if config.flag("alibi") else "rotary"
    return {**fields, "parallel_attention": parallel, "positions": positions}


def _deci(config: _Config) -> Fields:
    kv_heads = config.get("num_key_value_heads_per_layer")
    whole = isinstance(kv_heads, list) and all(isinstance(n, int) and n > 0 for n in kv_heads)
    if not whole or len(kv_heads) != config.count("num_hidden_layers"):
        raise config.error("num_key_value_heads_per_layer", "should be a list with one whole number per layer")
    uniform = _llama(_Config(config.model_type, {**config.values, "num_key_value_heads": max(kv_heads)}))
    return {**uniform, "intermediate": None, "blocks": _blocks((n, uniform["intermediate"]) for n in kv_heads)}


def _blocks(shapes: Iterable[tuple[int, int]]) -> tuple[Block, ...]:
    """Return the runs of equal layers, of each layer's key and value heads and MLP width."""
    runs = ((shape, len(list(run))) for shape, run in groupby(shapes))
    return tuple(Block(count=count, kv_heads=kv, intermediate=width) for (kv, width), count in runs)


def _qwen_window(config: _Config) -> SlidingWindow | None:
    """Read Qwen's window, which begins at a layer."""
    if not config.flag("use_sliding_window"):
        return None
    first = config.count("max_window_layers", least=0)
    if first >= config.count("num_hidden_layers"):
        return None
    if first:
        raise config.error("max_window_layers", "should be 0 or num_hidden_layers where use_sliding_window is true")
    return _local(config)


def _qwen2(config: _Config) -> Fields:
    return {
        **_grouped(config),
        "intermediate": config.count("intermediate_size"),
        "attention_bias": "qkv",  # whatever the file says: the class has it so
        "sliding_window": _qwen_window(config),
    }


def _qwen3(config: _Config) -> Fields:
    return {
        **_grouped(config, derive_head_dim=False),
        "intermediate": config.count("intermediate_size"),
        "qk_norm": "head",
        "sliding_window": _qwen_window(config),
    }


def _qwen3_moe(config: _Config) -> Fields:
    every, dense = config.count("decoder_sparse_step"), config.get("mlp_only_layers") or []
    if sorted(dense) != list(range(len(dense))):
        raise config.error("mlp_only_layers", "should be empty or the first layers")
    moe = MoE(
        experts=config.count("num_experts" if "num_experts" in config.values else "num_local_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=config.count("moe_intermediate_size"),
        first_dense_layers=len(dense),
        every=every,
    )
    width = config.count("intermediate_size") if dense or every > 1 else None
    attention = {**_grouped(config, derive_head_dim=False), "qk_norm": "head"}
    return {**attention, "intermediate": width, "moe": moe, "sliding_window": _qwen_window(config)}


def _mistral(config: _Config) -> Fields:
    return {
        **_grouped(config),
        "intermediate": config.count("intermediate_size"),
        "sliding_window": _local(config),
    }


def _mixtral(config: _Config) -> Fields:
    moe = MoE(
        experts=config.count("num_local_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=config.count("intermediate_size"),
    )
    return {**_grouped(config), "moe": moe, "sliding_window": _local(config)}


def _gemma2(config: _Config) -> Fields:
    config.refuse(use_bidirectional_attention=False)
    return {
        **_grouped(config, derive_head_dim=False),
        "intermediate": config.count("intermediate_size"),
        "norms_per_layer": 4,
        "sliding_window": _local(config, period=2),
    }


def _gemma3(config: _Config) -> Fields:
    period = config.count("sliding_window_pattern", least=2)
    return {**_gemma2(config), "qk_norm": "head", "sliding_window": _local(config, period=period)}


def _phi3(config: _Config) -> Fields:
    config.refuse(attention_bias=False)
    return {
        **_grouped(config, derive_kv=True),
        "intermediate": config.count("intermediate_size"),
        "sliding_window": _local(config),
    }


def _deepseek(config: _Config) -> Fields:
    config.refuse(attention_bias=False, mlp_bias=False, moe_layer_freq=1)
    mla = MLA(
        q_lora_rank=config.optional_count("q_lora_rank"),
        kv_lora_rank=config.count("kv_lora_rank"),
        qk_nope_head_dim=config.count("qk_nope_head_dim"),
        qk_rope_head_dim=config.count("qk_rope_head_dim"),
        v_head_dim=config.count("v_head_dim"),
    )
    width = config.count("moe_intermediate_size")
    shared = 0 if config.get("n_shared_experts") is None else config.count("n_shared_experts", least=0)
    dense = config.count("first_k_dense_replace", least=0)
    moe = MoE(
        experts=config.count("n_routed_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=width,
        shared_experts=shared,
        shared_intermediate=width if shared else None,
        first_dense_layers=dense,
        router_bias=config.get("topk_method") == "noaux_tc",
    )
    return {
        "kv_heads": config.count("num_attention_heads"),
        "head_dim": mla.qk_nope_head_dim + mla.qk_rope_head_dim,
        "intermediate": config.count("intermediate_size") if dense else None,
        "mla": mla,
        "moe": moe,
    }


def _minimax(config: _Config) -> Fields:
    config.refuse(shared_intermediate_size=0, qk_norm_type="per_layer")
    moe = MoE(
        experts=config.count("num_local_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=config.count("intermediate_size"),
        router_bias=True,
    )
    norm = "all" if config.flag("use_qk_norm") else "none"
    return {**_grouped(config, derive_head_dim=False), "qk_norm": norm, "moe": moe}


def _gpt_oss(config: _Config) -> Fields:
    moe = MoE(
        experts=config.count("num_local_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=config.count("intermediate_size"),
        router_bias=True,
        expert_bias=True,
    )
    attention = {**_grouped(config, derive_head_dim=False), "attention_sinks": True}
    return {**attention, "moe": moe, "sliding_window": _local(config, period=2)}


def _llama4(config: _Config) -> Fields:
    layers, every = config.count("num_hidden_layers"), config.count("interleave_moe_layer_step")
    config.refuse(moe_layers=list(range(every - 1, layers, every)))
    period = config.count("no_rope_layer_interval", least=2)
    if config.values.get("no_rope_layers"):
        config.refuse(no_rope_layers=[int((i + 1) % period != 0) for i in range(layers)])
    width = config.count("intermediate_size")
    moe = MoE(
        experts=config.count("num_local_experts"),
        experts_per_token=config.count("num_experts_per_tok"),
        expert_intermediate=width,
        shared_experts=1,
        shared_intermediate=width,
        every=every,
    )
    return {
        **_grouped(config, derive_head_dim=False),
        "intermediate": config.count("intermediate_size_mlp") if every > 1 else None,
        "qk_norm": "l2" if config.flag("use_qk_norm") else "none",
        "moe": moe,
        "sliding_window": _local(config, key="attention_chunk_size", period=period),
    }


def _nemotron_nas(config: _Config) -> Fields:
    config.refuse(mlp_bias=False)
    layers = config.get("block_configs")
    if not isinstance(layers, list) or len(layers) != config.count("num_hidden_layers"):
        raise config.error("block_configs", "should be a list with one entry per layer")
    shapes = [_nemotron_block(config, layer, i) for i, layer in enumerate(layers)]
    kv_heads = max(kv for kv, _ in shapes)
    if kv_heads == 0:
        raise ValueError("config.json: block_configs: should give at least one layer attention")
    attention = _grouped(_Config(config.model_type, {**config.values, "num_key_value_heads": kv_heads}))
    return {**attention, "blocks": _blocks(shapes)}


def _nemotron_block(config: _Config, block: Mapping[str, Any], i: int) -> tuple[int, int]:
    """Return key and value heads (0 without attention) and MLP width of one layer."""
    attention, ffn = (_Config(config.model_type, block.get(part) or {}) for part in ("attention", "ffn"))
    try:
        attention.refuse(replace_with_linear=False, window_length=None, num_sink_tokens=None, sparsify=None)
        ffn.refuse(no_op=False, replace_with_linear=False, sparsify=None)
        heads, kv_heads = config.count("num_attention_heads"), 0
        if not attention.values.get("no_op"):
            group = attention.count("n_heads_in_group")
            if heads % group:
                raise attention.error("n_heads_in_group", f"should divide num_attention_heads = {heads}")
            kv_heads = heads // group
        factor = ffn.get("ffn_mult")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < float("inf"):
            raise ffn.error("ffn_mult", "should be a positive number")
    except ValueError as error:
        raise ValueError(f"{error} in block_configs[{i}]") from None
    width = int(2 * factor * config.count("hidden_size") / 3)
    return kv_heads, -(-width // 256) * 256  # rounded up to 256, as the model's own code does


@dataclass(frozen=True)
class _Family:
    """How the files of one `model_type` are read, and the class defaults that published ones rely on."""

    name: str
    read: Callable[[_Config], Fields]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    own_names: Mapping[str, str] = field(default_factory=dict)  # of keys that others call by a common name


_PREDICTION_LAYERS = ("num_nextn_predict_layers", "num_mtp_modules")
_GPT = {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
_QWEN = {"use_sliding_window": False}
_QWEN_MOE = {**_QWEN, "decoder_sparse_step": 1, "mlp_only_layers": []}
_FAMILIES: dict[str, _Family] = {
    "llama": _Family("llama", _llama),
    "aquila": _Family("aquila", _llama),
    "gptj": _Family(
        "gpt-j",
        _gptj,
        own_names={
            **_GPT,
            "hidden_size": "n_embd",
            "intermediate_size": "n_inner",
            "max_position_embeddings": "n_positions",
        },
    ),
    "opt": _Family("opt", _opt, {"tie_word_embeddings": True}, {"intermediate_size": "ffn_dim"}),
    "bloom": _Family(
        "bloom",
        _bloom,
        # ALiBi has no table to outgrow: all were trained on sequences of 2,048 (arXiv:2211.05100, Table 3)
        {"tie_word_embeddings": True, "max_position_embeddings": 2048},
        {**_GPT, "hidden_size": "n_embed", "max_position_embeddings": "seq_length"},
    ),
    "falcon": _Family(
        "falcon",
        _falcon,
        {
            **{"tie_word_embeddings": True, "max_position_embeddings": 2048, "bias": False, "alibi": False},
            **{"new_decoder_architecture": False, "multi_query": True, "parallel_attn": True},
        },
        {"num_key_value_heads": "num_kv_heads", "intermediate_size": "ffn_hidden_size"},
    ),
    "deci": _Family("deci", _deci),
    "minimax_m2": _Family("minimax", _minimax, {"use_qk_norm": True}),
    "llama4_text": _Family("llama", _llama4, {"no_rope_layer_interval": 4, "interleave_moe_layer_step": 1}),
    "qwen2": _Family("qwen", _qwen2, _QWEN),
    "qwen3": _Family("qwen", _qwen3, _QWEN),
    "qwen3_moe": _Family("qwen", _qwen3_moe, _QWEN_MOE),
    "qwen3_vl_text": _Family("qwen", _qwen3, _QWEN),
    "qwen3_vl_moe_text": _Family("qwen", _qwen3_moe, _QWEN_MOE),
    "mistral": _Family("mistral", _mistral),
    "mixtral": _Family("mistral", _mixtral, {"sliding_window": None}),
    "gemma2": _Family("gemma", _gemma2, {"tie_word_embeddings": True}),
    "gemma3_text": _Family(
        "gemma",
        _gemma3,
        {  # Google's own files leave these out
            "tie_word_embeddings": True,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 262208,
            "max_position_embeddings": 131072,
            "sliding_window_pattern": 6,
        },
    ),
    "phi3": _Family("phi", _phi3, {"sliding_window": None}),
    "deepseek_v2": _Family("deepseek", _deepseek, {"topk_method": "greedy"}),
    "deepseek_v3": _Family("deepseek", _deepseek, {"topk_method": "noaux_tc"}),
    "kimi_k2": _Family("kimi", _deepseek, {"topk_method": "noaux_tc"}),
    "gpt_oss": _Family("gpt-oss", _gpt_oss, {"attention_bias": True}),
    "nemotron-nas": _Family("nemotron", _nemotron_nas),
}
"""By `model_type` of the text part."""

_NESTED: dict[str, str | None] = {
    "gemma3": "gemma3_text",
    "llama4": "llama4_text",
    "mistral3": "mistral",
    "kimi_k25": None,
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
}
"""Types whose text part is in `text_config`, with the type of that part where it does not say it."""
