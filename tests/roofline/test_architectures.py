"""Every architecture, counted by hand: experts, latent attention, windows, layers without attention, new tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import formulas
from roofline.llm import MoE, SlidingWindow

H200 = hs.get("h200-sxm")
PLAIN = rl.Machine(name="plain", flops_per_s={"bf16": 1e15, "fp8": 2e15}, memory_bytes_per_s=4e12, memory_bytes=2e12)
LLAMA = rl.get_llm("llama-3.1-8b")


def counted(e, count, *names):
    """Sum of a count over operations of these names, and over all without one."""
    return sum(getattr(o.operation, count) for o in e.operations if not names or o.name in names)


def decode(name, **options):
    return rl.decode(rl.get_llm(name), PLAIN, **({"batch": 1, "context_tokens": 1} | options))


def prefill(name, **options):
    return rl.prefill(rl.get_llm(name), PLAIN, **options)


def model(**fields):
    shape = {
        "layers": 3,
        "hidden": 256,
        "heads": 8,
        "kv_heads": 4,
        "head_dim": 32,
        "vocab": 1000,
        "tied_embeddings": False,
        "max_context": 4096,
    }
    return rl.LLM(key="toy", name="toy", family="toy", sources={"default": "made up"}, **(shape | fields))


# --- mixtures of experts

# layers with experts, hidden, experts, experts per token, width of one, width of the shared ones, dense layers' widths.
# From the models' own config.json.
EXPERTS = {
    "mixtral-8x7b": (32, 4096, 8, 2, 14336, 0, ()),
    "deepseek-r1": (58, 7168, 256, 8, 2048, 2048, (18432,) * 3),
    "qwen3-235b-a22b": (94, 4096, 128, 8, 1536, 0, ()),
    "llama-4-scout": (48, 5120, 16, 1, 8192, 8192, ()),
    "llama-4-maverick": (24, 5120, 128, 1, 8192, 8192, (16384,) * 24),
    "gpt-oss-120b": (36, 2880, 128, 4, 2880, 0, ()),
}


@pytest.mark.parametrize("name", EXPERTS)
@pytest.mark.parametrize("batch", [1, 7, 512])
def test_experts_by_hand(name, batch):
    # hand: a row runs through k experts of three h × i matrices, one router of h × E and the shared experts; a dense
    # layer's row through three matrices of its own width.
    layers, h, experts, k, i, shared, dense = EXPERTS[name]
    d = decode(name, batch=batch, context_tokens=100)
    assert counted(d, "flops", "experts_up", "experts_down") == pytest.approx(layers * batch * k * 6 * h * i, rel=1e-12)
    assert counted(d, "flops", "router") == layers * batch * 2 * h * experts
    assert counted(d, "flops", "shared_up", "shared_down") == layers * batch * 6 * h * shared
    assert counted(d, "flops", "mlp_up", "mlp_down") == batch * 6 * h * sum(dense)
    # Weights: all that some row uses, once, in BF16. One row uses k experts; n rows the expected distinct ones.
    one = 3 * h * i * 2
    distinct = experts * (1 - (1 - k / experts) ** batch)
    assert counted(d, "weight_bytes", "experts_up", "experts_down") == pytest.approx(layers * distinct * one, rel=1e-9)
    if batch == 1:
        assert distinct == pytest.approx(k, rel=1e-12)
    assert counted(d, "weight_bytes", "router") == layers * h * experts * 2
    assert counted(d, "weight_bytes", "shared_up", "shared_down") == layers * 3 * h * shared * 2
    assert counted(d, "weight_bytes", "mlp_up", "mlp_down") == 3 * h * sum(dense) * 2
    up = next(o.operation for o in d.operations if o.name == "experts_up")
    # Rows of one expert's product: n·k assignments over the distinct experts, so thinner than a dense layer's n.
    assert up.products[0].m == pytest.approx(batch * k / distinct, rel=1e-9)
    assert 1 - 1e-12 <= up.products[0].m <= batch


@pytest.mark.parametrize("name", EXPERTS)
def test_a_long_prompt_reads_every_expert(name):
    # hand: as n grows, all E are touched, and each gets n·k/E rows.
    layers, h, experts, k, i, _, _ = EXPERTS[name]
    p = prefill(name, batch=64, prompt_tokens=4000)
    assert counted(p, "weight_bytes", "experts_up", "experts_down") == pytest.approx(layers * experts * 3 * h * i * 2)
    up = next(o.operation for o in p.operations if o.name == "experts_up")
    assert up.products[0].m == pytest.approx(64 * 4000 * k / experts)


def test_the_router_runs_in_the_heads_format():
    # hand: routers are kept at 16 bits where linear layers are narrowed.
    d = decode("deepseek-r1", precision="fp8")
    assert {o.precision for o in d.operations if o.name == "router"} == {"bf16"}
    assert counted(d, "weight_bytes", "router") == 58 * 7168 * 256 * 2
    assert {o.precision for o in d.operations if o.name.startswith("experts")} == {"fp8"}
    assert counted(d, "weight_bytes", "experts_down") == pytest.approx(58 * 8 * 7168 * 2048)


def test_thin_products_of_experts_are_padded():
    # hand: one row on an engine that pads to 8: an eighth of the peak, for each of the experts.
    tiled = PLAIN.replace(tile=(8, 64, 32))
    d = rl.decode(rl.get_llm("mixtral-8x7b"), tiled, batch=1, context_tokens=1)
    up = next(o for o in d.operations if o.name == "experts_up")
    assert up.matrix_utilisation == pytest.approx(1 / 8, rel=1e-9)


shapes = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 8))


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(1, 6), st.integers(1, 300), st.booleans())
def test_experts_that_every_token_uses_are_a_wide_dense_layer(shape, experts, rows, gated):
    # property: k = E experts of width i hold, read and compute what a dense MLP of width E·i does, but for the router.
    layers, h, i = shape[0], 64 * shape[1], 32 * shape[2]
    common = {"layers": layers, "hidden": h, "gated_mlp": gated}
    sparse = model(**common, moe=MoE(experts=experts, experts_per_token=experts, expert_intermediate=i))
    dense = model(**common, intermediate=experts * i)
    router = layers * h * experts
    assert sparse.parameters - router == dense.parameters == sparse.active_parameters - router
    s, d = (rl.decode(llm, PLAIN, batch=rows, context_tokens=10) for llm in (sparse, dense))
    for count in ("flops", "weight_bytes"):
        of_experts = counted(s, count, "experts_up", "experts_down")
        assert of_experts == pytest.approx(counted(d, count, "mlp_up", "mlp_down"), rel=1e-12)
        difference = counted(s, count) - counted(d, count)
        assert difference == pytest.approx(router * 2 * (rows if count == "flops" else 1), rel=1e-9)
    # A row goes to each expert and comes back from it, one by one: (k − 1)·2h more values a row and layer.
    moved = counted(s, "activation_bytes", "experts_up", "experts_down")
    assert moved - counted(d, "activation_bytes", "mlp_up", "mlp_down") == pytest.approx(
        layers * rows * (experts - 1) * 2 * h * 2, rel=1e-9, abs=1e-6
    )
    matrix = {"without": ("memory", "vector", "special"), "geometry": "none"}
    times = [rl.decode(llm, PLAIN, batch=rows, context_tokens=10, **matrix) for llm in (sparse, dense)]
    of_router = sum(o.time_s for o in times[0].operations if o.name == "router")
    assert times[0].time_s - of_router == pytest.approx(times[1].time_s, rel=1e-12)
    if experts == 1:
        of_router = sum(o.time_s for o in s.operations if o.name == "router")
        assert s.time_s - of_router == pytest.approx(d.time_s, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(EXPERTS)), st.integers(1, 3000))
def test_distinct_experts_grow_slower_than_rows(name, rows):
    # property: between k and E, never fewer for one row more, each row adding at most k.
    layers, h, experts, k, i, _, _ = EXPERTS[name]
    one = layers * 3 * h * i * 2
    steps = (decode(name, batch=n) for n in (rows, rows + 1))
    now, then = (counted(step, "weight_bytes", "experts_up", "experts_down") / one for step in steps)
    assert k * (1 - 1e-9) <= now <= then * (1 + 1e-12) <= experts * (1 + 1e-9)
    assert then - now <= k * (1 + 1e-9)


# --- latent attention


def test_latent_decode_by_hand():
    # hand: DeepSeek-V2, arXiv:2405.04434, section 2.1, with V3's widths: 128 heads, latent 512, rope 64, nope 128,
    # v 128. Absorbed, each head's query of 512 + 64 meets the latent itself, and takes 512 values of it.
    batch, s, h, heads, layers = 4, 3000, 7168, 128, 61
    d = decode("deepseek-r1", batch=batch, context_tokens=s)
    rows = layers * batch
    assert counted(d, "flops", "attention") == rows * s * heads * 2 * ((512 + 64) + 512)
    assert counted(d, "flops", "q_down") == rows * 2 * h * 1536
    assert counted(d, "flops", "q_up") == rows * 2 * 1536 * heads * (128 + 64)
    assert counted(d, "flops", "kv_down") == rows * 2 * h * (512 + 64)
    assert counted(d, "flops", "absorb_k") == rows * 2 * heads * 128 * 512
    assert counted(d, "flops", "absorb_v") == rows * 2 * heads * 512 * 128
    assert counted(d, "flops", "output") == rows * 2 * heads * 128 * h
    assert counted(d, "flops", "kv_up") == 0
    # The cache: 576 values per token and layer, read once for scores and values both; one more written.
    assert counted(d, "kv_bytes", "attention") == rows * s * 576 * 2
    assert counted(d, "kv_bytes", "kv_down") == rows * 576 * 2
    # Weights are the projections as stored: absorbing moves products, not parameters.
    names = ("q_down", "q_up", "kv_down", "absorb_k", "absorb_v", "output")
    llm = rl.get_llm("deepseek-r1")
    norms = 61 * (1536 + 512)
    assert counted(d, "weight_bytes", *names) / 2 == llm.parameter_breakdown["attention"] - norms


def test_intensity_of_latent_decode():
    # hand: 128 heads share 576 BF16 values: 2·128·(576 + 512)/(2·576) = 241.8 FLOP per byte, where a KV head of eight
    # query heads gives 8; close to two FLOPs for each of 128 heads per value read.
    d = decode("deepseek-r1", batch=64, context_tokens=100_000)
    attention = next(o for o in d.operations if o.name == "attention")
    assert attention.intensity == pytest.approx(2 * 128 * (576 + 512) / (2 * 576), rel=0.01)
    assert attention.intensity < 2 * 128


def test_latent_prefill_by_hand():
    # hand: naive, that is expanded to 128 heads of 192 for scores and 128 for values, over half of the square.
    batch, s, heads, layers = 2, 1000, 128, 61
    p = prefill("deepseek-r1", batch=batch, prompt_tokens=s)
    assert counted(p, "flops", "attention") == layers * batch * s**2 / 2 * heads * 2 * ((128 + 64) + 128)
    assert counted(p, "flops", "kv_up") == layers * batch * s * 2 * 512 * heads * (128 + 128)
    assert counted(p, "flops", "absorb_k", "absorb_v") == 0
    assert counted(p, "kv_bytes", "kv_down") == layers * batch * s * 576 * 2
    # The expansion reads the same weights that decode absorbs.
    d = decode("deepseek-r1")
    assert counted(p, "weight_bytes", "kv_up") == counted(d, "weight_bytes", "absorb_k", "absorb_v")


def test_queries_that_are_not_compressed():
    # hand: DeepSeek-V2-Lite has no query latent: h = 2048 to 16 heads of 192 in one product.
    d = decode("deepseek-v2-lite")
    assert counted(d, "flops", "q_down") == 0
    assert counted(d, "flops", "q_up") == 27 * 2 * 2048 * 16 * 192


@pytest.mark.parametrize("n", [2, 8])
def test_a_latent_cache_is_repeated_by_tensor_parallel_devices(n):
    # hand: each device has 128/n heads, and all of them need the whole latent.
    one, many = (
        rl.decode(rl.get_llm("deepseek-r1"), H200, batch=4, context_tokens=1000, tensor_parallel=t) for t in (1, n)
    )
    assert counted(many, "kv_bytes", "attention") == n * counted(one, "kv_bytes", "attention")
    assert many.flops == one.flops


def test_a_cached_latent_is_expanded_again_by_a_later_prefill():
    # hand: keys and values of the heads are not cached, so that each cached latent goes through kv_up once more.
    none, cached = (prefill("deepseek-r1", prompt_tokens=16, cached_tokens=c) for c in (0, 10_000))
    assert counted(cached, "flops", "kv_up") - counted(none, "flops", "kv_up") == 61 * 10_000 * 2 * 512 * 128 * 256
    # Without that, a prompt in two parts is the prompt.
    whole = prefill("deepseek-r1", prompt_tokens=10_016)
    first = prefill("deepseek-r1", prompt_tokens=10_000)
    parts = (counted(e, "flops", "attention") for e in (first, cached))
    assert sum(parts) == pytest.approx(counted(whole, "flops", "attention"), rel=1e-12)


# --- windows

# Layers by window (None: all), and bytes of a token's keys and values in one layer, BF16; from the models' config.json.
WINDOWS = {
    "mistral-7b-v0.1": ({4096: 32}, 2 * 8 * 128 * 2),
    "gemma-2-9b": ({4096: 21, None: 21}, 2 * 8 * 256 * 2),
    "gemma-3-27b": ({1024: 52, None: 10}, 2 * 16 * 128 * 2),
    "gpt-oss-120b": ({128: 18, None: 18}, 2 * 8 * 64 * 2),
}
LENGTHS = (1, 127, 128, 129, 1000, 4096, 4097, 8000)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("s", LENGTHS)
def test_decode_reads_the_window(name, s):
    # hand: Σ over layers of min(s, w) tokens.
    layers, token = WINDOWS[name]
    llm = rl.get_llm(name)
    d = decode(name, batch=3, context_tokens=s)
    seen = sum(count * min(s, window or math.inf) for window, count in layers.items())
    assert counted(d, "kv_bytes", "attention") == 3 * seen * token
    assert counted(d, "flops", "attention") == 3 * seen * 4 * llm.heads * llm.head_dim
    assert counted(d, "kv_bytes", "qkv") == 3 * llm.layers * token
    assert rl.kv_cache_bytes(llm, "bf16", batch=3, tokens=s) == 3 * seen * token


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("s", LENGTHS)
def test_prefill_covers_the_band_under_the_mask(name, s):
    # hand: Σ over tokens i of min(i, w), less half of the diagonal, which Kim Eq. 5's s²/2 leaves out too.
    layers, _ = WINDOWS[name]
    llm = rl.get_llm(name)
    i = np.arange(1, s + 1)
    pairs = sum(
        count * (np.minimum(i, window or s).sum() - min(s, window or s) / 2) for window, count in layers.items()
    )
    p = prefill(name, batch=3, prompt_tokens=s)
    assert counted(p, "flops", "attention") == pytest.approx(3 * pairs * 4 * llm.heads * llm.head_dim, rel=1e-12)


@pytest.mark.parametrize("s", [1, 8191, 8192, 8193, 20_000, 24_576, 24_577])
def test_chunks_by_hand(s):
    # hand: Llama 4 Scout. In 36 layers a token sees its chunk of 8192 from the start to itself, in 12 everything.
    llm = rl.get_llm("llama-4-scout")
    d = decode("llama-4-scout", batch=2, context_tokens=s)
    in_chunk = (s - 1) % 8192 + 1
    assert counted(d, "kv_bytes", "attention") == 2 * (36 * in_chunk + 12 * s) * 2 * 8 * 128 * 2
    # Prefill: half of the square of each chunk, the last one as far as it goes.
    chunks = [8192] * (s // 8192) + [s % 8192]
    p = prefill("llama-4-scout", batch=2, prompt_tokens=s)
    pairs = 36 * sum(n**2 / 2 for n in chunks) + 12 * s**2 / 2
    assert counted(p, "flops", "attention") == pytest.approx(2 * pairs * 4 * llm.heads * llm.head_dim, rel=1e-12)


@pytest.mark.parametrize("cached", [8000, 8192, 8200, 16_384])
def test_a_prefill_in_a_chunk_reads_what_of_the_chunk_is_cached(cached):
    # hand: of the cached tokens a local layer's new ones see only those of their own chunk: c mod 8192.
    p = prefill("llama-4-scout", prompt_tokens=16, cached_tokens=cached)
    keys = 36 * (cached % 8192 + 16) + 12 * (cached + 16)
    assert counted(p, "kv_bytes", "attention") == keys * 2 * 8 * 128 * 2


def test_a_prefill_after_a_prefix_reads_what_of_it_the_window_shows():
    # hand: a local layer of Gemma 3 reads 1024 of 5000 cached tokens, a global one all; and the new ones.
    p = prefill("gemma-3-27b", prompt_tokens=16, cached_tokens=5000)
    keys = 52 * (1024 + 16) + 10 * (5000 + 16)
    assert counted(p, "kv_bytes", "attention") == keys * 2 * 16 * 128 * 2


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 4096), st.integers(1, 5), st.sampled_from(["sliding", "chunked"]), st.booleans(), st.integers(0, 50)
)
def test_a_window_of_the_whole_context_is_global(tokens, batch, kind, exactly, cached):
    # property: a window that nothing outgrows changes nothing.
    window = SlidingWindow(window=4096 if exactly else 100_000, kind=kind)
    local, whole = model(intermediate=512, sliding_window=window), model(intermediate=512)
    a, b = (rl.decode(llm, PLAIN, batch=batch, context_tokens=tokens) for llm in (local, whole))
    assert (a.flops, a.bytes, a.time_s, a.memory_bytes) == (b.flops, b.bytes, b.time_s, b.memory_bytes)
    tokens = min(tokens, 4000)
    a, b = (rl.prefill(llm, PLAIN, batch=batch, prompt_tokens=tokens, cached_tokens=cached) for llm in (local, whole))
    assert (a.flops, a.bytes, a.time_s) == (b.flops, b.bytes, b.time_s)


# --- layers without attention


def test_nemotron_super_attends_where_it_has_attention():
    # hand: 80 layers, 49 of them with attention of 64 heads of 128 and 8 KV heads; and no qkv or output without it.
    d = decode("llama-3.3-nemotron-super-49b", batch=2, context_tokens=1000)
    assert counted(d, "flops", "attention") == 49 * 2 * 1000 * 4 * 64 * 128
    assert counted(d, "kv_bytes", "attention") == 49 * 2 * 1000 * 2 * 8 * 128 * 2
    for name in ("qkv", "attention", "output"):
        assert sum(o.layers for o in d.operations if o.name == name) == 49
    assert sum(o.layers for o in d.operations if o.name == "mlp_up") == 80
    llm = rl.get_llm("llama-3.3-nemotron-super-49b")
    assert rl.kv_cache_bytes(llm, "bf16", batch=2, tokens=1000) == 49 * 2 * 1000 * 2 * 8 * 128 * 2


# --- layers with unlike numbers of KV heads

KV_HEADS = {4: 7, 2: 14, 1: 11}  # DeciLM 7B's layers by their number, from num_key_value_heads_per_layer


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_decilm_caches_what_each_layer_has(n):
    # hand: 32 layers of 32 heads of 128; where a layer has fewer KV heads than there are devices, each is repeated.
    llm = rl.get_llm("decilm-7b")
    d = rl.decode(llm, PLAIN.replace(link_bytes_per_s=1e12), batch=3, context_tokens=1000, tensor_parallel=n)
    kept = sum(layers * max(heads, n) for heads, layers in KV_HEADS.items())
    assert counted(d, "kv_bytes", "attention") == 3 * 1000 * kept * 2 * 128 * 2
    assert counted(d, "kv_bytes", "qkv") == 3 * kept * 2 * 128 * 2
    assert counted(d, "flops", "attention") == 32 * 3 * 1000 * 4 * 32 * 128
    assert counted(d, "flops", "qkv") == sum(
        layers * 3 * 2 * 4096 * (32 + 2 * heads) * 128 for heads, layers in KV_HEADS.items()
    )
    assert rl.kv_cache_bytes(llm, "bf16", batch=3, tokens=1000) == 3 * 1000 * (28 + 28 + 11) * 2 * 128 * 2
    assert d.memory.kv_cache == 3 * 1001 * kept * 2 * 128 * 2 / n  # the token that is decoded too


# --- families before Llama: attention beside the MLP, LayerNorm, positions that are learned or ALiBi


@pytest.mark.parametrize(("name", "messages"), [("gpt-j-6b", 28), ("falcon-180b", 80), ("opt-6.7b", 64)])
def test_attention_beside_the_mlp_needs_one_message_a_layer(name, messages):
    # hand: their outputs are added up before the all-reduce; one after the other, each has its own.
    llm = rl.get_llm(name)
    joined = PLAIN.replace(link_bytes_per_s=1e12)
    d = rl.decode(llm, joined, batch=5, context_tokens=10, tensor_parallel=2)
    reduces = [o.operation for o in d.operations if o.name == "all_reduce"]
    assert sum(o.layers for o in reduces) == sum(o.launches for o in reduces) == messages
    # Two devices, 2(n − 1)/n of 5 rows of h values of two bytes from each.
    assert counted(d, "link_bytes") == messages * 2 * 5 * llm.hidden * 2


@pytest.mark.parametrize(
    ("name", "layers", "norms", "rotated"),
    [("gpt-j-6b", 28, 1, True), ("falcon-180b", 80, 2, True), ("opt-6.7b", 32, 2, False), ("bloom-7b1", 30, 2, False)],
)
def test_what_stands_between_the_products(name, layers, norms, rotated):
    # hand: norms of a layer and the last one; nothing is rotated where positions are learned or ALiBi.
    alone = [o for o in decode(name, fusion="none").operations if o.operation.kind == "elementwise"]
    assert sum(o.layers for o in alone if o.name == "norm") == layers * norms + 1
    assert sum(o.layers for o in alone if o.name == "rotary") == layers * rotated


def test_alibi_adds_to_every_score():
    # hand: 30 layers of 32 heads, 2 batches of 100 pairs: slope times distance, and the sum.
    bloom = rl.get_llm("bloom-7b1")
    with_alibi, without = (
        rl.decode(llm, PLAIN, batch=2, context_tokens=100) for llm in (bloom, bloom.replace(positions="rotary"))
    )
    more = counted(with_alibi, "vector_flops", "attention") - counted(without, "vector_flops", "attention")
    assert more == 30 * 32 * 200 * 2


# --- more than one new token, and cached ones


def kim_shape(llm):
    return {
        "hidden": llm.hidden,
        "layers": llm.layers,
        "mlp_ratio": llm.mlp_ratio,
        "gqa_group": llm.gqa_group,
        "vocab": llm.vocab,
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 20_000), st.integers(1, 64), st.integers(1, 64))
def test_new_tokens_are_kim_eq7(s, t, batch):
    # sibling: Kim's f(s + t) − f(s) is an area, st + t²/2 pairs; ours counts pairs, s + (s + 1) + … + (s + t − 1) =
    # st + t(t − 1)/2, so that one token is Kim Eq. 8. They differ by half a pair a token: 2thl FLOPs.
    d = rl.decode(LLAMA, PLAIN, batch=batch, context_tokens=s, new_tokens=t)
    exact = formulas.kim_eq7_exact(tokens=float(s), new_tokens=float(t), **kim_shape(LLAMA))
    assert d.flops == pytest.approx(batch * (exact - 2 * t * LLAMA.hidden * LLAMA.layers), rel=1e-12)
    # Kim's approximation for t ≪ s is between: it leaves t²/2 out.
    about = formulas.kim_eq7(tokens=float(s), new_tokens=float(t), **kim_shape(LLAMA))
    assert d.flops == pytest.approx(batch * (about + 2 * t * (t - 1) * LLAMA.hidden * LLAMA.layers), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(("llama-3.1-8b", "deepseek-r1", "mixtral-8x7b", "gemma-3-27b", "gpt-oss-120b", "llama-4-scout")),
    st.integers(1, 20_000),
    st.integers(2, 40),
    st.integers(1, 8),
)
def test_new_tokens_together_compute_what_they_do_one_by_one(name, s, t, batch):
    # property: FLOPs of a step with t tokens are those of t steps, and its keys are read once instead of t times.
    together = decode(name, batch=batch, context_tokens=s, new_tokens=t)
    apart = decode(name, batch=batch, context_tokens=s + np.arange(t))
    total = np.broadcast_to(apart.flops, (t,)).sum()
    assert together.flops == pytest.approx(total, rel=1e-12)
    reads = np.broadcast_to(counted(apart, "kv_bytes", "attention"), (t,))
    assert counted(together, "kv_bytes", "attention") <= reads.sum()
    assert counted(together, "kv_bytes", "attention") >= reads.max() - 1e-6 if name != "llama-4-scout" else True
    assert together.tokens_per_s == pytest.approx(batch * t / together.time_s, rel=1e-12)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(
        ("llama-3.1-8b", "mixtral-8x7b", "gemma-3-27b", "gpt-oss-120b", "llama-4-scout", "mistral-7b-v0.1")
    ),
    st.integers(1, 12_000),
    st.integers(1, 12_000),
    st.integers(1, 5),
)
def test_a_prompt_in_two_parts_is_the_prompt(name, c, p, batch):
    # property: Kim's f(c) + (f(c + p) − f(c)) = f(c + p), for every mask; linear parts by rows.
    first = prefill(name, batch=batch, prompt_tokens=c, logits="all")
    second = prefill(name, batch=batch, prompt_tokens=p, cached_tokens=c, logits="all")
    whole = prefill(name, batch=batch, prompt_tokens=c + p, logits="all")
    assert first.flops + second.flops == pytest.approx(whole.flops, rel=1e-12)
    for operation in ("attention", "qkv"):
        parts = counted(first, "flops", operation) + counted(second, "flops", operation)
        assert parts == pytest.approx(counted(whole, "flops", operation), rel=1e-11)
    assert second.memory_bytes == whole.memory_bytes
    # A prefix that is there costs less than one that is not.
    assert second.flops < whole.flops
    assert second.time_s <= whole.time_s * (1 + 1e-12)


def test_cached_and_prompt_tokens_broadcast_pair_by_pair():
    # property: arrays equal the loop; each pair is within the context though the longest of both together is not.
    prompt, cached = np.array([131_072, 100]), np.array([0, 100_000])
    sweep = rl.prefill(LLAMA, PLAIN, prompt_tokens=prompt, cached_tokens=cached)
    loop = [
        rl.prefill(LLAMA, PLAIN, prompt_tokens=p, cached_tokens=c).time_s for p, c in zip(prompt, cached, strict=True)
    ]
    np.testing.assert_allclose(sweep.time_s, loop, rtol=1e-12)


def test_a_prefix_beyond_the_context_is_refused_by_its_name():
    with pytest.raises(ValueError, match="cached_tokens = 200000"):
        rl.prefill(LLAMA, PLAIN, prompt_tokens=10, cached_tokens=200_000)
    with pytest.raises(ValueError, match=r"cached_tokens and prompt_tokens .* together they reach 131,073"):
        rl.prefill(LLAMA, PLAIN, prompt_tokens=31_073, cached_tokens=100_000)
    with pytest.raises(ValueError, match=r"new_tokens and context_tokens .* together they reach 131,074"):
        rl.decode(LLAMA, PLAIN, batch=1, context_tokens=131_072, new_tokens=3)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_booleans_are_no_counts(phase):
    # hand: True is no number of tokens, as it is none of sequences.
    options, name = (
        ({"prompt_tokens": 4}, "cached_tokens") if phase == "prefill" else ({"context_tokens": 4}, "new_tokens")
    )
    for value in (phase == "decode", [True]):
        with pytest.raises(ValueError, match=name):
            getattr(rl, phase)(LLAMA, PLAIN, batch=1, **options, **{name: value})


@pytest.mark.parametrize("skew", [-1, float("nan"), "zipf", [0.0, 1.0]])
def test_a_skew_is_one_number_from_0(skew):
    with pytest.raises(ValueError, match="routing_skew"):
        decode("mixtral-8x7b", routing_skew=skew)


# --- sequences of unlike lengths


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(("llama-3.1-8b", "deepseek-v2-lite", "gemma-3-27b", "gpt-oss-20b", "llama-4-scout")),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_unlike_lengths_are_the_sum_over_sequences(name, lengths, new):
    # property: Kim Eq. 8's Σ sᵢ, and Σ min(sᵢ, w) where attention is local; FLOPs, KV traffic and memory.
    llm = rl.get_llm(name)
    together = rl.decode(llm, PLAIN, batch=len(lengths), context_tokens=rl.Lengths(lengths), new_tokens=new)
    each = [rl.decode(llm, PLAIN, batch=1, context_tokens=s, new_tokens=new) for s in lengths]
    assert together.flops == pytest.approx(sum(e.flops for e in each), rel=1e-12)
    assert counted(together, "kv_bytes") == pytest.approx(sum(counted(e, "kv_bytes") for e in each), rel=1e-12)
    assert together.memory.kv_cache == pytest.approx(sum(e.memory.kv_cache for e in each), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(("llama-3.1-8b", "deepseek-v2-lite", "gemma-3-27b", "gpt-oss-20b", "llama-4-scout")),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    st.integers(0, 3000),
)
def test_unlike_prompts_are_the_sum_over_sequences(name, lengths, cached):
    # property: Σ sᵢ² in a prefill.
    llm = rl.get_llm(name)
    together = rl.prefill(llm, PLAIN, batch=len(lengths), prompt_tokens=rl.Lengths(lengths), cached_tokens=cached)
    each = [rl.prefill(llm, PLAIN, batch=1, prompt_tokens=s, cached_tokens=cached) for s in lengths]
    assert together.flops == pytest.approx(sum(e.flops for e in each), rel=1e-12)
    assert counted(together, "kv_bytes") == pytest.approx(sum(counted(e, "kv_bytes") for e in each), rel=1e-12)
    assert together.memory.kv_cache == pytest.approx(sum(e.memory.kv_cache for e in each), rel=1e-12)
    assert together.tokens_per_s == pytest.approx(sum(lengths) / together.time_s, rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(("llama-3.1-8b", "gemma-3-27b", "deepseek-r1")), st.integers(1, 20_000), st.integers(1, 9))
def test_equal_lengths_are_the_number(name, tokens, batch):
    # property: one length, or the same one several times with any weights, is no other batch.
    llm = rl.get_llm(name)
    number = rl.decode(llm, PLAIN, batch=batch, context_tokens=tokens)
    for lengths in (rl.Lengths([tokens]), rl.Lengths([tokens, tokens], weights=[1, 4])):
        same = rl.decode(llm, PLAIN, batch=batch, context_tokens=lengths)
        for attribute in ("time_s", "flops", "bytes", "memory_bytes", "tokens_per_s"):
            assert getattr(same, attribute) == pytest.approx(getattr(number, attribute), rel=1e-12)
        same, plain = (rl.prefill(llm, PLAIN, batch=batch, prompt_tokens=t) for t in (lengths, tokens))
        assert same.time_s == pytest.approx(plain.time_s, rel=1e-12)


def test_a_mean_length_is_right_for_global_attention_and_wrong_for_the_rest():
    # hand: of 100 and 7900, the mean is 4000; Gemma 3's windows of 1024 see 100 and 1024, which is 562 on average.
    mixed, mean = (decode("gemma-3-27b", batch=2, context_tokens=s) for s in (rl.Lengths([100, 7900]), 4000))
    token = 2 * 16 * 128 * 2
    assert counted(mixed, "kv_bytes", "attention") == (52 * (100 + 1024) + 10 * 8000) * token
    assert counted(mean, "kv_bytes", "attention") == (52 * 2 * 1024 + 10 * 8000) * token


# --- FLOPs and parameters


@pytest.mark.parametrize("name", rl.llm_names())
def test_two_flops_for_each_weight_that_a_token_uses(name):
    # sibling: the catalogue's count of active parameters against the FLOPs of a decoded token without its attention:
    # two for each weight of a matrix. What is no matrix (norms, biases, sinks, the embedding's look-up) is below 0.1 %.
    llm = rl.get_llm(name)
    d = rl.decode(llm, PLAIN, batch=1, context_tokens=1)
    linear = d.flops - counted(d, "flops", "attention")
    assert linear / 2 <= llm.active_parameters_without_embedding
    assert linear / 2 == pytest.approx(llm.active_parameters_without_embedding, rel=1e-3)
    # In a context of one token, attention adds next to nothing.
    assert d.flops == pytest.approx(2 * llm.active_parameters_without_embedding, rel=0.01)


@pytest.mark.parametrize("name", [n for n in rl.llm_names() if (m := rl.get_llm(n)).moe is None and m.mla is None])
def test_linear_flops_of_dense_models_are_twice_their_matrices(name):
    # sibling: exactly, for a model whose only vectors are norms, biases and sinks.
    llm = rl.get_llm(name)
    d = rl.decode(llm, PLAIN, batch=1, context_tokens=1)
    matrices = llm.vocab * llm.hidden
    for group in llm.layer_groups:
        qkv = (llm.heads + 2 * group.kv_heads) * llm.head_dim
        attention = llm.hidden * (qkv + llm.heads * llm.head_dim) if group.kv_heads else 0
        mlp = (3 if llm.gated_mlp else 2) * llm.hidden * group.intermediate
        matrices += group.count * (attention + mlp)
    assert d.flops - counted(d, "flops", "attention") == 2 * matrices
    assert counted(d, "weight_bytes") == 2 * matrices
