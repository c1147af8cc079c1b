"""The architecture record: its counts, its layer groups, and what it refuses."""

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roofline.llm import LLM, MLA, Block, MoE, SlidingWindow
from roofline.llm_catalog import get_llm, llm_names

TINY: dict[str, Any] = {
    "key": "tiny",
    "name": "Tiny",
    "family": "test",
    "layers": 4,
    "hidden": 64,
    "heads": 8,
    "kv_heads": 2,
    "head_dim": 8,
    "intermediate": 256,
    "vocab": 100,
    "tied_embeddings": False,
    "max_context": 512,
}
EXPERTS = MoE(experts=4, experts_per_token=2, expert_intermediate=32)
LATENT = MLA(kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8)


# -- parameters --------------------------------------------------------------------------------------------------------


def test_parameters_by_hand() -> None:
    # hand: embedding and head 2·100·64; q and o 2·64·64, k and v 2·64·16; MLP 3·64·256; norms 2·64 a layer and 64
    assert LLM(**TINY).parameters == 12_800 + 4 * (8_192 + 2_048 + 49_152 + 128) + 64


@pytest.mark.parametrize(
    ("change", "more"),
    [
        # hand: the difference to TINY over 4 layers
        ({"tied_embeddings": True}, -6_400),
        ({"gated_mlp": False}, -4 * 64 * 256),
        ({"attention_bias": "qkv"}, 4 * (64 + 2 * 16)),
        ({"attention_bias": "qkvo"}, 4 * (64 + 2 * 16 + 64)),
        ({"attention_sinks": True}, 4 * 8),
        ({"qk_norm": "head"}, 4 * 2 * 8),
        ({"qk_norm": "l2"}, 0),
        ({"qk_norm": "all"}, 4 * (8 + 2) * 8),
        ({"norms_per_layer": 4}, 4 * 2 * 64),
        ({"norms_per_layer": 1, "parallel_attention": True}, -4 * 64),
        ({"parallel_attention": True}, 0),
        ({"norm": "layer"}, (4 * 2 + 1) * 64),
        ({"embedding_norm": True}, 64),
        ({"embedding_norm": True, "norm": "layer"}, (4 * 2 + 1 + 2) * 64),
        ({"mlp_bias": True}, 4 * (2 * 256 + 64)),
        ({"mlp_bias": True, "gated_mlp": False}, 4 * (256 + 64 - 64 * 256)),
        ({"lm_head_bias": True}, 100),
        ({"lm_head_bias": True, "tied_embeddings": True}, 100 - 6_400),
        ({"positions": "learned", "position_rows": 514}, 514 * 64),
        ({"positions": "alibi"}, 0),
        ({"sliding_window": SlidingWindow(window=16, pattern=1)}, 0),
        ({"moe": MoE(experts=2, experts_per_token=1, expert_intermediate=256, every=2)}, 2 * (3 * 64 * 256 + 2 * 64)),
        (
            {
                "moe": MoE(
                    experts=2,
                    experts_per_token=1,
                    expert_intermediate=256,
                    shared_experts=1,
                    shared_intermediate=32,
                    first_dense_layers=3,
                    router_bias=True,
                    expert_bias=True,
                )
            },
            3 * 64 * 256 + 3 * 64 * 32 + 2 * 64 + 2 + 2 * (2 * 256 + 64),
        ),
    ],
)
def test_what_each_field_adds(change: dict[str, Any], more: int) -> None:
    assert LLM(**TINY | change).parameters - LLM(**TINY).parameters == more


def _llama_shapes(layers: int, h: int, q: int, kv: int, ff: int, vocab: int) -> list[tuple[int, ...]]:
    """Tensor shapes of a Llama checkpoint, as its weight index lists them."""
    layer = [(q, h), (kv, h), (kv, h), (h, q), (ff, h), (ff, h), (h, ff), (h,), (h,)]
    return [(vocab, h), *layers * layer, (h,), (vocab, h)]


def _deepseek_v3_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the DeepSeek-V3 checkpoint, without its 62nd layer (multi-token prediction)."""
    h = 7168
    attention = [(1536, h), (1536,), (128 * 192, 1536), (512 + 64, h), (512,), (128 * 256, 512), (h, 128 * 128)]
    norms = [(h,), (h,)]
    dense = [(18432, h), (18432, h), (h, 18432)]
    expert = [(2048, h), (2048, h), (h, 2048)]
    moe = [*257 * expert, (256, h), (256,)]
    return [(129280, h), *3 * (attention + norms + dense), *58 * (attention + norms + moe), (h,), (129280, h)]


def _mixtral_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the Mixtral 8x7B checkpoint."""
    h, ff = 4096, 14336
    layer = [(h, h), (1024, h), (1024, h), (h, h), (8, h), *8 * [(ff, h), (h, ff), (ff, h)], (h,), (h,)]
    return [(32000, h), *32 * layer, (h,), (32000, h)]


def _gpt_oss_20b_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the gpt-oss-20b checkpoint, its MXFP4 blocks unpacked."""
    h, e = 2880, 32
    attention = [(4096, h), (4096,), (512, h), (512,), (512, h), (512,), (h, 4096), (h,), (64,)]
    moe = [(e, h), (e,), (e, 2 * 2880, h), (e, 2 * 2880), (e, h, 2880), (e, h)]
    return [(201088, h), *24 * (attention + moe + [(h,), (h,)]), (h,), (201088, h)]


def _layer_norm_shapes(h: int) -> list[tuple[int, ...]]:
    return [(h,), (h,)]


def _gptj_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the GPT-J 6B checkpoint, without its causal masks: names as in ``transformer.h.0``."""
    h, ff = 4096, 16384
    layer = [*4 * [(h, h)], (ff, h), (ff,), (h, ff), (h,), *_layer_norm_shapes(h)]  # q k v out, fc_in, fc_out, ln_1
    return [(50400, h), *28 * layer, *_layer_norm_shapes(h), (50400, h), (50400,)]


def _opt_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the OPT 6.7B checkpoint; its LM head is the embedding."""
    h, ff = 4096, 16384
    layer = [*4 * [(h, h), (h,)], (ff, h), (ff,), (h, ff), (h,), *2 * _layer_norm_shapes(h)]
    return [(50272, h), (2048 + 2, h), *32 * layer, *_layer_norm_shapes(h)]


def _bloom_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the BLOOM 7.1B checkpoint; its LM head is the embedding."""
    h, ff = 4096, 16384
    attention = [(3 * h, h), (3 * h,), (h, h), (h,)]
    layer = [*attention, (ff, h), (ff,), (h, ff), (h,), *2 * _layer_norm_shapes(h)]
    return [(250880, h), *_layer_norm_shapes(h), *30 * layer, *_layer_norm_shapes(h)]


def _falcon_180b_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the Falcon 180B checkpoint, its LM head left out: it is the embedding, stored once more."""
    h, ff = 14848, 4 * 14848
    layer = [((232 + 2 * 8) * 64, h), (h, h), (ff, h), (h, ff), *2 * _layer_norm_shapes(h)]
    return [(65024, h), *80 * layer, *_layer_norm_shapes(h)]


def _decilm_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the DeciLM 7B checkpoint: Llama's, but for the KV heads."""
    h, ff = 4096, 14336
    kv_heads = [*5 * [4], *5 * [2], 4, *9 * [2], *11 * [1], 4]  # num_key_value_heads_per_layer
    common = [(h, h), (h, h), (ff, h), (ff, h), (h, ff), (h,), (h,)]
    layers = [shape for n in kv_heads for shape in [*common, (n * 128, h), (n * 128, h)]]
    return [(32000, h), *layers, (h,), (32000, h)]


def _minimax_shapes() -> list[tuple[int, ...]]:
    """Tensor shapes of the MiniMax M2.5 checkpoint, unpacked and without its multi-token prediction."""
    h, ff = 3072, 1536
    attention = [(6144, h), (1024, h), (1024, h), (h, 6144), (6144,), (1024,)]
    experts = [(256, h), (256,), *256 * [(ff, h), (h, ff), (ff, h)]]
    return [(200064, h), *62 * [*attention, *experts, (h,), (h,)], (h,), (200064, h)]


@pytest.mark.parametrize(
    ("key", "shapes"),
    [
        ("llama-7b", _llama_shapes(32, 4096, 4096, 4096, 11008, 32000)),
        ("aquila-7b", _llama_shapes(32, 4096, 4096, 4096, 11008, 100008)),
        ("gpt-j-6b", _gptj_shapes()),
        ("opt-6.7b", _opt_shapes()),
        ("bloom-7b1", _bloom_shapes()),
        ("falcon-180b", _falcon_180b_shapes()),
        ("decilm-7b", _decilm_shapes()),
        ("minimax-m2.5", _minimax_shapes()),
        ("llama-3.1-8b", _llama_shapes(32, 4096, 4096, 1024, 14336, 128256)),
        ("llama-3.1-405b", _llama_shapes(126, 16384, 16384, 1024, 53248, 128256)),
        ("mistral-small-3.1-24b", _llama_shapes(40, 5120, 4096, 1024, 32768, 131072)),
        ("mixtral-8x7b", _mixtral_shapes()),
        ("deepseek-r1", _deepseek_v3_shapes()),
        ("gpt-oss-20b", _gpt_oss_20b_shapes()),
    ],
)
def test_parameters_are_those_of_the_tensors(key: str, shapes: list[tuple[int, ...]]) -> None:
    # sibling: the shapes of the checkpoint's tensors, multiplied out
    assert get_llm(key).parameters == sum(math.prod(shape) for shape in shapes)


def test_falcon_stores_its_table_twice() -> None:
    # published: `safetensors.total` of tiiuae/falcon-180B at d2ea553 in the Hugging Face model API
    llm = get_llm("falcon-180b")
    assert llm.parameters + llm.vocab * llm.hidden == 179_522_565_120


def test_decilm_equals_the_size_of_its_files() -> None:
    # published: the model card's 7.04 billion; three files of 4.99, 4.92 and 4.18 GB in BF16 on Hugging Face
    assert get_llm("decilm-7b").parameters == 7_043_551_232
    assert 2 * get_llm("decilm-7b").parameters == pytest.approx((4.99 + 4.92 + 4.18) * 1e9, abs=0.015e9)


def test_one_row_of_each_table_is_read() -> None:
    # hand: OPT's LM head is its embedding, read in full; of its learned positions a token takes one row
    opt, gptj = get_llm("opt-6.7b"), get_llm("gpt-j-6b")
    assert opt.active_parameters_without_embedding == opt.parameters - 2050 * 4096
    assert gptj.active_parameters_without_embedding == gptj.parameters - 50400 * 4096


def test_deepseek_v3_equals_public_reconstructions() -> None:
    # published: two public reconstructions of DeepSeek-V3 give these three counts, facts/models.csv
    llm = get_llm("deepseek-v3")
    counts = llm.parameters, llm.active_parameters, llm.active_parameters_without_embedding
    assert counts == (671_026_419_200, 37_552_297_472, 36_625_618_432)


@pytest.mark.parametrize("key", ["llama-2-7b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"])
def test_linear_layers_are_kim_equation_8(key: str) -> None:
    # sibling: Kim et al., arXiv:2502.01070, Equation 8: A·h²·l with A = 3a + 2 + 2/g, where H·d = h
    llm = get_llm(key)
    a, g = llm.mlp_ratio, llm.gqa_group
    parts = llm.parameter_breakdown
    assert parts["attention"] + parts["mlp"] == (3 * a + 2 + 2 / g) * llm.hidden**2 * llm.layers


@pytest.mark.parametrize("key", llm_names())
def test_totals_are_sums(key: str) -> None:
    # property: the total is the sum of the breakdown, and of embedding, layers, final norm and head
    llm = get_llm(key)
    parts, active = llm.parameter_breakdown, llm.active_parameter_breakdown
    norm = (2 if llm.norm == "layer" else 1) * llm.hidden  # one at the end, one after the embedding in some
    ends = parts["embedding"] + (2 if llm.embedding_norm else 1) * norm + parts["lm_head"]
    assert sum(parts.values()) == llm.parameters == ends + sum(g.count * g.parameters for g in llm.layer_groups)
    assert (
        sum(active.values())
        == llm.active_parameters
        == ends + sum(g.count * g.active_parameters for g in llm.layer_groups)
    )
    assert llm.active_parameters_without_embedding <= llm.active_parameters <= llm.parameters
    assert (llm.active_parameters == llm.parameters) == (llm.moe is None)


def test_tied_table_is_read_as_the_head() -> None:
    # property: the table of a tied model stays in what a decoded token reads
    tied, untied = get_llm("llama-3.2-1b"), get_llm("llama-3.1-8b")
    assert tied.active_parameters_without_embedding == tied.parameters
    assert untied.active_parameters_without_embedding == untied.parameters - 128256 * 4096


# -- layer groups and cache --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", llm_names())
def test_layer_groups_cover_every_layer_once(key: str) -> None:
    # property
    llm = get_llm(key)
    assert sum(group.count for group in llm.layer_groups) == llm.layers
    kinds = [(g.kv_heads, g.intermediate, g.ffn, g.attention, g.window) for g in llm.layer_groups]
    assert len(set(kinds)) == len(kinds)
    assert all((g.kv_heads == 0) == (g.attention == "none") == (g.kv_values_per_token == 0) for g in llm.layer_groups)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # hand, from the configurations: (count, ffn, attention, window)
        ("llama-3.1-8b", [(32, "dense", "gqa", None)]),
        ("mistral-7b-v0.1", [(32, "dense", "gqa", 4096)]),
        ("gemma-2-9b", [(21, "dense", "gqa", 4096), (21, "dense", "gqa", None)]),
        ("gemma-3-12b", [(40, "dense", "gqa", 1024), (8, "dense", "gqa", None)]),
        ("gemma-3-27b", [(52, "dense", "gqa", 1024), (10, "dense", "gqa", None)]),
        ("gpt-oss-120b", [(18, "moe", "gqa", 128), (18, "moe", "gqa", None)]),
        ("llama-4-scout", [(36, "moe", "gqa", 8192), (12, "moe", "gqa", None)]),
        (
            "llama-4-maverick",
            [(24, "dense", "gqa", 8192), (12, "moe", "gqa", 8192), (12, "moe", "gqa", None)],
        ),
        ("deepseek-v2-lite", [(1, "dense", "mla", None), (26, "moe", "mla", None)]),
        ("deepseek-r1", [(3, "dense", "mla", None), (58, "moe", "mla", None)]),
        ("decilm-7b", [(7, "dense", "gqa", None), (14, "dense", "gqa", None), (11, "dense", "gqa", None)]),
    ],
)
def test_layer_groups(key: str, expected: list[tuple[int, str, str, int | None]]) -> None:
    assert [(g.count, g.ffn, g.attention, g.window) for g in get_llm(key).layer_groups] == expected


def test_nemotron_blocks_without_attention() -> None:
    # published: facts/models.csv, 31 of 80 blocks have no attention; MLP widths by number of blocks
    groups = get_llm("llama-3.3-nemotron-super-49b").layer_groups
    assert sum(g.count for g in groups if g.attention == "none") == 31
    widths: dict[int, int] = {}
    for group in groups:
        widths[group.intermediate] = widths.get(group.intermediate, 0) + group.count
    assert widths == {14336: 6, 28672: 49, 17920: 1, 7168: 10, 5632: 8, 2816: 6}


@pytest.mark.parametrize(
    ("key", "bits", "expected"),
    [
        # hand: 2·layers·kv_heads·head_dim values, or layers·(kv_lora_rank + qk_rope_head_dim)
        ("llama-3.1-8b", 16, 131_072),
        ("llama-3.1-8b", 8, 65_536),
        ("llama-2-7b", 16, 524_288),
        ("deepseek-v3", 16, 61 * (512 + 64) * 2),
        ("deepseek-v3", 8, 61 * (512 + 64)),
        ("llama-3.3-nemotron-super-49b", 16, 2 * 49 * 8 * 128 * 2),
        ("decilm-7b", 16, 2 * (7 * 4 + 14 * 2 + 11 * 1) * 128 * 2),
        ("gpt-j-6b", 16, 2 * 28 * 4096 * 2),
        ("falcon-180b", 8, 2 * 80 * 8 * 64),
    ],
)
def test_kv_bytes_per_token(key: str, bits: float, expected: int) -> None:
    assert get_llm(key).kv_bytes_per_token(bits) == expected


@pytest.mark.parametrize("bits", [0, -8, math.nan, math.inf])
def test_kv_bits_are_checked(bits: float) -> None:
    with pytest.raises(ValueError, match=r"bits = .* positive and finite"):
        get_llm("llama-3.1-8b").kv_bytes_per_token(bits)


def test_mlp_ratio_only_where_layers_are_equal() -> None:
    assert get_llm("llama-2-7b").mlp_ratio == 11008 / 4096
    for key in ("mixtral-8x7b", "deepseek-r1", "llama-3.3-nemotron-super-49b"):
        with pytest.raises(ValueError, match=f"mlp_ratio: {key}"):
            _ = get_llm(key).mlp_ratio


@given(
    layers=st.integers(1, 60),
    group=st.integers(1, 8),
    kv_heads=st.integers(1, 8),
    pattern=st.none() | st.integers(1, 7),
    every=st.integers(1, 4),
    first=st.integers(0, 5),
)
def test_groups_of_any_model(
    layers: int, group: int, kv_heads: int, pattern: int | None, every: int, first: int
) -> None:
    # sibling: counted layer by layer, from the definition
    moe = [i >= first and (i + 1) % every == 0 for i in range(layers)]
    is_global = [pattern is not None and i % (pattern + 1) == pattern for i in range(layers)]
    llm = LLM(
        **TINY
        | {
            "layers": layers,
            "heads": group * kv_heads,
            "kv_heads": kv_heads,
            "intermediate": None if all(moe) else 256,
            "moe": EXPERTS.replace(every=every, first_dense_layers=first) if any(moe) else None,
            "sliding_window": SlidingWindow(window=16, pattern=pattern),
        }
    )
    counts = {(g.ffn, g.window): g.count for g in llm.layer_groups}
    for ffn, wanted in (("moe", True), ("dense", False)):
        for window, end in ((None, True), (16, False)):
            pairs = zip(moe, is_global, strict=True)
            assert counts.get((ffn, window), 0) == sum(pair == (wanted, end) for pair in pairs)
    assert llm.gqa_group == group
    assert llm.kv_bytes_per_token(8) == 2 * layers * kv_heads * 8
    assert LLM.model_validate_json(llm.model_dump_json()) == llm


# -- what it refuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": True}, r"layers\n.*valid integer"),
        ({"layers": "4"}, r"layers\n.*valid integer.*'4'"),
        ({"layers": 4.5}, r"layers\n.*valid integer"),
        ({"layers": 0}, r"layers\n.*greater than 0, not 0"),
        ({"vocab": -1}, r"vocab\n.*greater than 0, not -1"),
        ({"published_total_b": math.nan}, r"published_total_b\n.*finite number"),
        ({"published_total_b": math.inf}, r"published_total_b\n.*finite number"),
        ({"published_total_b": "7"}, r"published_total_b\n.*valid number"),
        ({"tied_embeddings": 1}, r"tied_embeddings\n.*valid boolean"),
        ({"attention_bias": "qk"}, r"attention_bias\n.*'none', 'qkv' or 'qkvo'"),
        ({"norms_per_layer": 3}, r"norms_per_layer\n.*1, 2 or 4"),
        ({"norms_per_layer": 1}, r"norms_per_layer\n.*should be 2 or 4 without parallel_attention, not 1"),
        ({"positions": "learned"}, r"position_rows\n.*given for positions = 'learned', not None"),
        ({"position_rows": 512}, r"position_rows\n.*absent for positions = 'rotary', not 512"),
        (
            {"mla": LATENT, "kv_heads": 8, "head_dim": 12, "positions": "alibi"},
            r"positions\n.*should be 'rotary' with this mla, not 'alibi'",
        ),
        ({"head": 8}, r"head\n.*unknown field; did you mean head"),
        ({"key": "Llama 7B"}, r"key\n.*pattern"),
        ({"sources": {"layer": "x"}}, r"sources.layer\n.*unknown field; did you mean layers"),
        ({"kv_heads": 3}, r"kv_heads\n.*divide heads = 8, not 3"),
        ({"intermediate": None}, r"intermediate\n.*given, for 4 dense layers, not None"),
        ({"moe": EXPERTS}, r"intermediate\n.*absent, for no layer is dense, not 256"),
        ({"moe": {"experts": 4, "experts_per_token": 5, "expert_intermediate": 8}}, r"experts_per_token\n.*4, not 5"),
        (
            {"moe": {"experts": 4, "experts_per_token": 1, "expert_intermediate": 8, "shared_experts": 1}},
            r"shared_intermediate\n.*given for shared_experts = 1, not None",
        ),
        (
            {"moe": {"experts": 4, "experts_per_token": 1, "expert_intermediate": 8, "shared_intermediate": 8}},
            r"shared_intermediate\n.*absent for shared_experts = 0, not 8",
        ),
        ({"moe": EXPERTS.replace(first_dense_layers=4)}, r"moe\n.*at least one of layers = 4"),
        ({"mla": LATENT}, r"kv_heads\n.*should be 8 with this mla, not 2"),
        ({"mla": LATENT, "kv_heads": 8}, r"head_dim\n.*should be 12 with this mla, not 8"),
        (
            {"mla": LATENT, "kv_heads": 8, "head_dim": 12, "qk_norm": "head"},
            r"qk_norm\n.*should be 'none' with this mla, not 'head'",
        ),
        ({"blocks": (Block(count=4, kv_heads=2, intermediate=8),)}, r"intermediate\n.*absent where blocks are given"),
        (
            {"blocks": (Block(count=3, kv_heads=2, intermediate=8),), "intermediate": None},
            r"blocks\n.*count layers = 4 in all, not 3",
        ),
        (
            {"blocks": (Block(count=4, kv_heads=3, intermediate=8),), "intermediate": None},
            r"blocks.0.kv_heads\n.*0 or divide heads = 8, not 3",
        ),
    ],
)
def test_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LLM(**TINY | change)


@pytest.mark.parametrize("field", ["layers", "hidden", "vocab", "tied_embeddings", "max_context", "family"])
def test_required(field: str) -> None:
    with pytest.raises(ValidationError, match=rf"{field}\n.*required"):
        LLM(**{name: value for name, value in TINY.items() if name != field})


def test_frozen_hashable_and_replaced() -> None:
    llm = LLM(**TINY)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(llm, "layers", 5)  # noqa: B010  # a plain assignment is a type error already
    assert len(llm.layer_groups) == 1  # cached on the instance: must not leak into what follows
    deeper = llm.replace(layers=8)
    assert deeper.layer_groups[0].count == 8
    assert deeper.source("layers") == "user"
    assert deeper.replace(layers=4, sources={}) == LLM(**TINY)
    assert hash(llm) == hash(LLM(**TINY))
    assert pickle.loads(pickle.dumps(llm)) == llm  # our own bytes
    with pytest.raises(ValueError, match="kv_heads"):
        llm.replace(kv_heads=3)
