"""Reading a Hugging Face ``config.json``: the same record as the catalogue's, or an error that names the key."""

import json
from pathlib import Path
from typing import Any

import pytest

from roofline.huggingface import read_config
from roofline.llm import LLM
from roofline.llm_catalog import get_llm

Config = dict[str, Any]
ABOUT = {
    *("key", "name", "aliases", "huggingface_ids", "sources", "notes", "excluded"),
    *("published_parameters", "published_total_b", "published_active_b"),
}


def shape(model_type: str, layers: int, hidden: int, heads: int, vocab: int, context: int, **more: Any) -> Config:
    """The keys that every configuration has, and `more`."""
    return {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "vocab_size": vocab,
        "max_position_embeddings": context,
        **more,
    }


LLAMA = shape("llama", 32, 4096, 32, 128256, 131072, num_key_value_heads=8, intermediate_size=14336)
QWEN2 = shape("qwen2", 28, 3584, 28, 152064, 131072, num_key_value_heads=4, intermediate_size=18944)
QWEN3 = shape(
    *("qwen3", 36, 4096, 32, 151936, 40960),
    **{"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288, "attention_bias": False},
)
QWEN3_MOE = shape(
    *("qwen3_moe", 48, 2048, 32, 151936, 40960),
    **{"num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768},
    **{"num_experts": 128, "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": []},
)
MISTRAL = shape(
    *("mistral", 32, 4096, 32, 32000, 32768),
    **{"num_key_value_heads": 8, "intermediate_size": 14336, "sliding_window": 4096},
)
MISTRAL_SMALL = {
    "model_type": "mistral3",
    "text_config": shape(
        *("mistral", 40, 5120, 32, 131072, 131072),
        **{"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 32768, "sliding_window": None},
    ),
    "vision_config": {"hidden_size": 1024},
}
MIXTRAL = shape(
    *("mixtral", 32, 4096, 32, 32000, 32768),
    **{"num_key_value_heads": 8, "intermediate_size": 14336, "num_local_experts": 8, "num_experts_per_tok": 2},
)
GEMMA2 = shape(
    *("gemma2", 42, 3584, 16, 256000, 8192),
    **{"num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336, "sliding_window": 4096},
)
GEMMA3 = {  # as Google writes it: what equals the class's default is left out
    "model_type": "gemma3",
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 3840,
        "intermediate_size": 15360,
        "num_attention_heads": 16,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "sliding_window": 1024,
    },
    "vision_config": {},
}
PHI3 = shape(
    *("phi3", 32, 3072, 32, 32064, 4096),
    **{"num_key_value_heads": 32, "intermediate_size": 8192, "sliding_window": 2047, "attention_bias": False},
)
PHI4_MINI = shape(
    *("phi3", 32, 3072, 24, 200064, 131072),
    **{"num_key_value_heads": 8, "intermediate_size": 8192, "sliding_window": 262144, "tie_word_embeddings": True},
)
LATENT = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "moe_layer_freq": 1}
DEEPSEEK_LITE = shape(
    *("deepseek_v2", 27, 2048, 16, 102400, 163840),
    **LATENT,
    **{"q_lora_rank": None, "intermediate_size": 10944, "moe_intermediate_size": 1408, "topk_method": "greedy"},
    **{"n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1},
)
DEEPSEEK = shape(
    *("deepseek_v3", 61, 7168, 128, 129280, 163840),
    **LATENT,
    **{"q_lora_rank": 1536, "intermediate_size": 18432, "moe_intermediate_size": 2048, "topk_method": "noaux_tc"},
    **{"n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3},
    num_nextn_predict_layers=1,
)
KIMI = {
    **DEEPSEEK,
    **{"model_type": "kimi_k2", "num_attention_heads": 64, "vocab_size": 163840, "max_position_embeddings": 131072},
    **{"n_routed_experts": 384, "first_k_dense_replace": 1, "num_nextn_predict_layers": 0},
}
GPT_OSS = shape(
    *("gpt_oss", 24, 2880, 64, 201088, 131072),
    **{"num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "num_local_experts": 32},
    **{"num_experts_per_tok": 4, "sliding_window": 128, "attention_bias": True},
    layer_types=["sliding_attention", "full_attention"] * 12,
)
LLAMA4 = shape(
    *("llama4_text", 48, 5120, 40, 202048, 10485760),
    **{"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192, "intermediate_size_mlp": 16384},
    **{"num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "use_qk_norm": True},
    attention_chunk_size=8192,
)
SCOUT = {"model_type": "llama4", "text_config": LLAMA4}
MAVERICK = {
    "model_type": "llama4",
    "text_config": {
        **LLAMA4,
        **{"max_position_embeddings": 1048576, "num_local_experts": 128, "use_qk_norm": False},
        "interleave_moe_layer_step": 2,
        "moe_layers": list(range(1, 48, 2)),
        "no_rope_layers": [1, 1, 1, 0] * 12,
    },
}
# As the public files say it, but for what is no part of the shape.
GPTJ: Config = {
    **{"model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_inner": None, "n_layer": 28, "n_positions": 2048},
    **{"rotary": True, "rotary_dim": 64, "tie_word_embeddings": False, "vocab_size": 50400},
}
OPT = shape(
    *("opt", 32, 4096, 32, 50272, 2048),
    **{"ffn_dim": 16384, "word_embed_proj_dim": 4096, "do_layer_norm_before": True, "enable_bias": True},
    **{"layer_norm_elementwise_affine": True, "_remove_final_layer_norm": False},
)
BLOOM: Config = {
    **{"model_type": "bloom", "hidden_size": 4096, "n_head": 32, "n_inner": None, "n_layer": 30, "vocab_size": 250880},
    **{"offset_alibi": 100, "pretraining_tp": 1},
}
FALCON: Config = {
    **{"model_type": "falcon", "alibi": False, "bias": False, "hidden_size": 14848, "multi_query": True},
    **{"new_decoder_architecture": True, "num_attention_heads": 232, "num_hidden_layers": 80, "num_kv_heads": 8},
    **{"parallel_attn": True, "vocab_size": 65024},
}
DECI = shape(
    *("deci", 32, 4096, 32, 32000, 8192),
    **{"intermediate_size": 14336, "num_key_value_heads": 32, "attention_bias": False, "tie_word_embeddings": False},
    num_key_value_heads_per_layer=[*[4] * 5, *[2] * 5, 4, *[2] * 9, *[1] * 11, 4],
)
AQUILA = shape("aquila", 32, 4096, 32, 100008, 2048, intermediate_size=11008, tie_word_embeddings=False)
QWEN15 = shape(
    *("qwen2", 32, 4096, 32, 151936, 32768),
    **{"num_key_value_heads": 32, "intermediate_size": 11008, "sliding_window": 32768, "use_sliding_window": False},
    max_window_layers=28,
)
MINIMAX = shape(
    *("minimax_m2", 62, 3072, 48, 200064, 196608),
    **{"num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 1536, "shared_intermediate_size": 0},
    **{"num_local_experts": 256, "num_experts_per_tok": 8, "use_qk_norm": True, "qk_norm_type": "per_layer"},
    num_mtp_modules=3,
)
NEMOTRON_RUNS = [  # (layers, whether they have attention, ffn_mult)
    *((1, True, 2.625), (5, True, 5.25), (2, False, 2.625), (3, True, 5.25), (1, False, 3.28125), (30, True, 5.25)),
    *((1, False, 1.3125), (2, False, 2.625), (1, False, 1.3125), (1, False, 5.25), (1, False, 1.3125)),
    *((1, False, 2.625), (3, False, 1.3125), (1, True, 5.25), (1, False, 1.3125), (2, False, 1.0)),
    *((1, False, 1.3125), (3, False, 1.0), (2, False, 1.3125), (2, False, 0.5), (2, False, 1.0), (2, False, 0.5)),
    *((1, False, 1.0), (2, False, 0.5), (9, True, 5.25)),
]


def block(attention: bool, factor: float) -> Config:
    return {
        "attention": {"no_op": not attention, "n_heads_in_group": 8 if attention else None, "window_length": None},
        "ffn": {"no_op": False, "ffn_mult": factor, "replace_with_linear": False},
    }


NEMOTRON = shape(
    *("nemotron-nas", 80, 8192, 64, 128256, 131072),
    **{"num_key_value_heads": None, "intermediate_size": None, "_name_or_path": "llama_nemotron_super"},
    block_configs=[block(attention, factor) for count, attention, factor in NEMOTRON_RUNS for _ in range(count)],
)

SAME: list[tuple[str, Config]] = [
    ("llama-3.1-8b", LLAMA),
    (
        "llama-3.2-1b",
        shape(
            "llama",
            16,
            2048,
            32,
            128256,
            131072,
            num_key_value_heads=8,
            intermediate_size=8192,
            head_dim=64,
            tie_word_embeddings=True,
        ),
    ),
    ("llama-2-7b", shape("llama", 32, 4096, 32, 32000, 4096, intermediate_size=11008)),
    ("llama-7b", shape("llama", 32, 4096, 32, 32000, 2048, intermediate_size=11008, num_key_value_heads=32)),
    ("aquila-7b", AQUILA),
    ("aquila-7b", {**AQUILA, "model_type": "llama"}),  # as its first file said
    ("gpt-j-6b", GPTJ),
    ("opt-6.7b", OPT),
    ("bloom-7b1", BLOOM),
    ("bloom-7b1", {**BLOOM, "n_embed": 4096, "seq_length": 2048, "num_attention_heads": 32}),
    ("falcon-180b", FALCON),
    ("decilm-7b", DECI),
    ("minimax-m2.5", MINIMAX),
    ("kimi-k2.5", {"model_type": "kimi_k25", "text_config": {**KIMI, "max_position_embeddings": 262144}}),
    ("qwen1.5-7b", QWEN15),
    ("qwen2.5-7b", QWEN2),
    ("qwen3-8b", QWEN3),
    ("qwen3-30b-a3b", QWEN3_MOE),
    ("mistral-7b-v0.1", MISTRAL),
    ("mistral-small-3.1-24b", MISTRAL_SMALL),
    ("mixtral-8x7b", MIXTRAL),
    ("gemma-2-9b", GEMMA2),
    ("gemma-3-12b", GEMMA3),
    ("phi-3-mini-4k", PHI3),
    ("phi-4-mini", PHI4_MINI),
    ("deepseek-v2-lite", DEEPSEEK_LITE),
    ("deepseek-v3", DEEPSEEK),
    ("kimi-k2", KIMI),
    ("gpt-oss-20b", GPT_OSS),
    ("llama-4-scout", SCOUT),
    ("llama-4-maverick", MAVERICK),
    ("llama-3.3-nemotron-super-49b", NEMOTRON),
]


@pytest.mark.parametrize(("key", "config"), SAME, ids=[f"{key}-{i}" for i, (key, _) in enumerate(SAME)])
def test_same_record_as_the_catalogue(key: str, config: Config) -> None:
    # sibling: the public configuration's figures, and the catalogue's, which come from other files for most
    read, known = LLM.from_hf_config(config), get_llm(key)
    about = ABOUT | ({"family"} if key == "aquila-7b" else set())
    assert read.model_dump(exclude=about) == known.model_dump(exclude=about)
    assert read.parameters == known.parameters
    assert read.active_parameters == known.active_parameters
    assert read.sources["default"].startswith("Hugging Face config.json, model_type ")


@pytest.mark.parametrize(
    ("config", "excluded"),
    [
        (LLAMA, None),
        (GEMMA3, "vision tower"),
        (DEEPSEEK, "multi-token-prediction layers"),
        (KIMI, None),
        (MINIMAX, "multi-token-prediction layers"),
        ({"model_type": "kimi_k25", "text_config": DEEPSEEK}, "vision tower and multi-token-prediction layers"),
    ],
)
def test_says_what_is_left_out(config: Config, excluded: str | None) -> None:
    assert LLM.from_hf_config(config).excluded == excluded


def test_names(tmp_path: Path) -> None:
    folder = tmp_path / "Llama-3.1_8B"
    folder.mkdir()
    file = folder / "config.json"
    file.write_text(json.dumps(LLAMA), encoding="utf-8")
    read = LLM.from_hf_config(file)
    assert (read.key, read.name) == ("llama-3.1-8b", "Llama-3.1_8B")
    assert LLM.from_hf_config(str(file)) == read
    other = folder / "My--LLM_config.json"
    other.write_text(json.dumps(LLAMA), encoding="utf-8")
    assert LLM.from_hf_config(other).key == "my-llm"
    assert LLM.from_hf_config(LLAMA).key == "llama"
    assert LLM.from_hf_config(NEMOTRON).key == "llama-nemotron-super"
    assert LLM.from_hf_config({**LLAMA, "_name_or_path": "/data/private/Tuned-8B/"}).name == "Tuned-8B"
    named = LLM.from_hf_config(LLAMA, key="mine", name="My own")
    assert (named.key, named.name) == ("mine", "My own")


def test_tied_is_read_from_either_level() -> None:
    text = GEMMA3["text_config"]
    assert LLM.from_hf_config(GEMMA3).tied_embeddings
    assert not LLM.from_hf_config({**GEMMA3, "tie_word_embeddings": False}).tied_embeddings
    inner = {**GEMMA3, "tie_word_embeddings": True, "text_config": {**text, "tie_word_embeddings": False}}
    assert not LLM.from_hf_config(inner).tied_embeddings


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ({**GPT_OSS, "layer_types": None}, 1),
        ({**GPT_OSS, "layer_types": ["sliding_attention"] * 24}, None),
        ({**GPT_OSS, "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 6}, 3),
        ({**QWEN2, "use_sliding_window": True, "max_window_layers": 0, "sliding_window": 4096}, None),
        ({**GEMMA3["text_config"], "sliding_window_pattern": 3}, 2),
    ],
)
def test_windows(config: Config, pattern: int | None) -> None:
    window = LLM.from_hf_config(config).sliding_window
    assert window is not None
    assert window.pattern == pattern


@pytest.mark.parametrize(
    "config",
    [
        {**GPT_OSS, "layer_types": ["full_attention"] * 24},
        {**GPT_OSS, "sliding_window": None},
        {**QWEN2, "use_sliding_window": False, "sliding_window": 131072},
        {**QWEN2, "use_sliding_window": True, "max_window_layers": 28, "sliding_window": 131072},
        {**LLAMA4, "attention_chunk_size": None},
    ],
)
def test_no_window(config: Config) -> None:
    assert LLM.from_hf_config(config).sliding_window is None


def test_dense_layers_of_qwen3_moe() -> None:
    moe = LLM.from_hf_config({**QWEN3_MOE, "mlp_only_layers": [0, 1]})
    assert [(g.count, g.ffn, g.intermediate) for g in moe.layer_groups] == [(2, "dense", 6144), (46, "moe", 768)]
    renamed = {("num_local_experts" if key == "num_experts" else key): value for key, value in QWEN3_MOE.items()}
    assert LLM.from_hf_config(renamed).parameters == get_llm("qwen3-30b-a3b").parameters  # as transformers 5 writes it


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (LLAMA, "num_hidden_layers"),
        (LLAMA, "hidden_size"),
        (LLAMA, "num_attention_heads"),
        (LLAMA, "vocab_size"),
        (LLAMA, "max_position_embeddings"),
        (LLAMA, "intermediate_size"),
        (QWEN2, "num_key_value_heads"),
        (QWEN3, "head_dim"),
        (QWEN3_MOE, "moe_intermediate_size"),
        (MISTRAL, "sliding_window"),
        (MISTRAL, "num_key_value_heads"),
        (MIXTRAL, "num_local_experts"),
        (GEMMA2, "head_dim"),
        (GEMMA2, "sliding_window"),
        (DEEPSEEK, "q_lora_rank"),
        (DEEPSEEK, "kv_lora_rank"),
        (DEEPSEEK, "first_k_dense_replace"),
        (DEEPSEEK, "n_shared_experts"),
        (GPT_OSS, "head_dim"),
        (LLAMA4, "attention_chunk_size"),
        (LLAMA4, "use_qk_norm"),
        (NEMOTRON, "block_configs"),
        (GPTJ, "n_embd"),
        (GPTJ, "n_positions"),
        (OPT, "ffn_dim"),
        (BLOOM, "n_layer"),
        (DECI, "num_key_value_heads_per_layer"),
        (MINIMAX, "num_local_experts"),
    ],
)
def test_missing_key(config: Config, key: str) -> None:
    without = {name: value for name, value in config.items() if name != key}
    with pytest.raises(ValueError, match=rf"config.json: {key}: missing, and model_type '.*' has no safe default"):
        LLM.from_hf_config(without)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "model_type = None: not supported; the supported ones are aquila, .*qwen3"),
        ({"model_type": "mamba"}, "model_type = 'mamba': not supported"),
        ({"model_type": ["llama"]}, "not supported"),
        ({"model_type": "gemma3"}, "text_config: missing"),
        ({"model_type": "llama4", "text_config": {"model_type": "mamba"}}, "model_type = 'mamba': not supported"),
        ({"model_type": "kimi_k25", "text_config": {}}, "model_type = None: not supported"),
        ({**LLAMA, "hidden_size": "4096"}, "hidden_size = '4096': should be a whole number"),
        ({**LLAMA, "hidden_size": True}, "hidden_size = True: should be a whole number"),
        ({**LLAMA, "vocab_size": 0}, "vocab_size = 0: should be a whole number of 1 or more"),
        ({**LLAMA, "hidden_size": 4100}, "hidden_size = 4100: should be a multiple of num_attention_heads = 32"),
        ({**LLAMA, "tie_word_embeddings": None}, "tie_word_embeddings = None: should be true or false"),
        ({**NEMOTRON, "mlp_bias": True}, "mlp_bias = True: only false is supported"),
        ({**GPTJ, "n_embd": 4100}, "n_embd = 4100: should be a multiple of the 16 heads"),
        ({**GPTJ, "n_layer": "28"}, "n_layer = '28': should be a whole number"),
        ({**OPT, "do_layer_norm_before": False}, "do_layer_norm_before = False: only true"),  # OPT 350M
        ({**OPT, "word_embed_proj_dim": 512}, "word_embed_proj_dim = 512: only 4096"),
        ({**BLOOM, "n_inner": 1000}, "n_inner = 1000: only 16384"),
        ({**FALCON, "bias": 1}, "bias = 1: should be true or false"),
        ({**FALCON, "num_kv_heads": 5}, "kv_heads\n.*divide heads = 232, not 5"),
        ({**FALCON, "num_ln_in_parallel_attn": 3}, "norms_per_layer\n.*1, 2 or 4, not 3"),
        ({**DECI, "num_key_value_heads_per_layer": [4] * 31}, "should be a list with one whole number per layer"),
        ({**DECI, "num_key_value_heads_per_layer": [0] * 32}, "should be a list with one whole number per layer"),
        ({**DECI, "num_key_value_heads_per_layer": 4}, "should be a list with one whole number per layer"),
        ({**DECI, "num_key_value_heads_per_layer": [3] * 32}, "divide heads = 32, not 3"),
        ({**MINIMAX, "qk_norm_type": "per_head"}, 'qk_norm_type = .per_head.: only "per_layer"'),
        ({**MINIMAX, "shared_intermediate_size": 64}, "shared_intermediate_size = 64: only 0"),
        ({**LLAMA, "num_key_value_heads": 5}, "kv_heads\n.*divide heads = 32, not 5"),
        ({**PHI3, "attention_bias": True}, "attention_bias = True: only false"),
        ({**DEEPSEEK, "moe_layer_freq": 2}, "moe_layer_freq = 2: only 1"),
        ({**GEMMA2, "use_bidirectional_attention": True}, "use_bidirectional_attention = True: only false"),
        ({**QWEN3_MOE, "mlp_only_layers": [5]}, r"mlp_only_layers = \[5\]: should be empty or the first layers"),
        ({**QWEN3_MOE, "num_experts_per_tok": 200}, "experts_per_token\n.*at most experts = 128, not 200"),
        (
            {**QWEN2, "use_sliding_window": True, "max_window_layers": 7, "sliding_window": 4096},
            "max_window_layers = 7: should be 0 or num_hidden_layers",
        ),
        (
            {**GPT_OSS, "layer_types": ["full_attention", "sliding_attention"] * 12},
            "layer_types = .*some local layers and then a global one",
        ),
        ({**GPT_OSS, "layer_types": ["linear_attention"] * 24}, "layer_types = .*sliding_attention or full_attention"),
        ({**GPT_OSS, "layer_types": ["full_attention"]}, "layer_types = .*for each layer"),
        ({**LLAMA4, "moe_layers": [0, 1]}, "moe_layers = .*only"),
        ({**LLAMA4, "no_rope_layers": [0] * 48}, "no_rope_layers = .*only"),
        ({**NEMOTRON, "block_configs": []}, "block_configs = .*one entry per layer"),
        ({**NEMOTRON, "block_configs": [block(False, 1.0)] * 80}, "block_configs: should give at least one layer"),
        (
            {**NEMOTRON, "block_configs": [{**block(True, 1.0), "ffn": {"no_op": True}}] * 80},
            r"no_op = True: only false is supported.* in block_configs\[0\]",
        ),
        (
            {**NEMOTRON, "block_configs": [{**block(True, 1.0), "ffn": {"ffn_mult": -1.0}}] * 80},
            r"ffn_mult = -1.0: should be a positive number.* in block_configs\[0\]",
        ),
        (
            {**NEMOTRON, "block_configs": [{**block(True, 1.0), "attention": {"n_heads_in_group": 7}}] * 80},
            "n_heads_in_group = 7: should divide num_attention_heads = 64",
        ),
    ],
)
def test_refused(config: Config, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LLM.from_hf_config(config)


def test_attention_bias_of_llama() -> None:
    # hand: q, k, v and o of 32 layers
    more = LLM.from_hf_config({**LLAMA, "attention_bias": True}).parameters - get_llm("llama-3.1-8b").parameters
    assert more == 32 * (4096 + 1024 + 1024 + 4096)


def test_mlp_bias_of_llama() -> None:
    # hand: gate, up and down of 32 layers
    more = LLM.from_hf_config({**LLAMA, "mlp_bias": True}).parameters - get_llm("llama-3.1-8b").parameters
    assert more == 32 * (2 * 14336 + 4096)


@pytest.mark.parametrize(
    ("change", "kv_heads", "parallel", "norms", "positions", "bias"),
    [
        # hand: as the Falcon classes of transformers 5.23 build each kind
        ({}, 8, True, 2, "rotary", "none"),  # 40B, 180B
        ({"num_ln_in_parallel_attn": 1}, 8, True, 1, "rotary", "none"),  # 11B
        ({"num_kv_heads": None}, 232, True, 2, "rotary", "none"),
        ({"new_decoder_architecture": False}, 1, True, 1, "rotary", "none"),  # 7B
        ({"new_decoder_architecture": False, "multi_query": False}, 232, True, 1, "rotary", "none"),
        (  # the first 1B
            {"new_decoder_architecture": False, "multi_query": False, "parallel_attn": False}
            | {"alibi": True, "bias": True},
            *(232, False, 2, "alibi", "qkvo"),
        ),
    ],
)
def test_kinds_of_falcon(change: Config, kv_heads: int, parallel: bool, norms: int, positions: str, bias: str) -> None:
    llm = LLM.from_hf_config({**FALCON, **change})
    assert (llm.kv_heads, llm.parallel_attention, llm.norms_per_layer) == (kv_heads, parallel, norms)
    assert (llm.positions, llm.attention_bias, llm.mlp_bias) == (positions, bias, bias == "qkvo")


def test_widths_of_older_families() -> None:
    # hand: four times the hidden width unless the file says another
    assert LLM.from_hf_config({**GPTJ, "n_inner": 10_000}).intermediate == 10_000
    assert LLM.from_hf_config({**FALCON, "ffn_hidden_size": 10_000}).intermediate == 10_000
    assert LLM.from_hf_config({name: v for name, v in GPTJ.items() if name != "n_inner"}).intermediate == 16384
    assert LLM.from_hf_config({**BLOOM, "seq_length": 4096}).max_context == 4096


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"config.json: not JSON"):
        read_config(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"config.json: should hold a JSON object, not list"):
        read_config(file)
    with pytest.raises(FileNotFoundError):
        read_config(tmp_path / "none.json")
