"""Parameters and matrix FLOPs against PyTorch, which counts them on the Hugging Face implementations.

Sibling tests: the two routes share nothing but the configuration. ``FlopCounterMode`` sums up the shapes of the matrix
products that ran; ours come from the formulas. Tensors of two dimensions (``mm``, ``addmm``) are the linear layers,
batched ones (``bmm``) are attention: the full rectangle of queries and keys there, what the causal mask and the window
leave of it here. The mask that Hugging Face builds says how much that is.

Run with ``pip install -e ".[test,oracle]"`` and ``pytest -m oracle``; without torch and transformers all of it skips.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

import roofline as rl
from roofline.operations import Operation

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install -e '.[oracle]'")
transformers = pytest.importorskip(
    "transformers", minversion="5.17", reason="needs Hugging Face transformers: pip install -e '.[oracle]'"
)

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402 (only where there is torch)

torch.set_num_threads(1)  # products this small take longer to share out than to compute
pytestmark = pytest.mark.oracle

SEEDS = range(16)
ONE_PART_IN_A_MILLION = 1e-6
PRECISION = rl.policy("bf16")  # formats change no FLOPs

# Our operations in prefill, and the Hugging Face modules that do the same work.
PARTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("qkv", "q_down", "q_up", "kv_down"): (
        *("attn.q_proj", "attn.k_proj", "attn.v_proj", "self_attention.query_key_value"),
        *("self_attn.q_a_proj", "self_attn.q_b_proj", "self_attn.kv_a_proj_with_mqa"),
    ),
    ("kv_up",): ("self_attn.kv_b_proj",),
    ("output",): ("self_attn.o_proj", "attn.out_proj", "self_attention.dense"),
    ("mlp_up",): ("mlp.gate_proj", "mlp.up_proj", "mlp.fc_in", ".fc1", "mlp.dense_h_to_4h"),
    ("mlp_down",): ("mlp.down_proj", "mlp.fc_out", ".fc2", "mlp.dense_4h_to_h"),
    ("router",): ("mlp.gate",),
    ("experts_up", "experts_down"): ("mlp.experts",),
    ("shared_up",): ("mlp.shared_experts.gate_proj", "mlp.shared_experts.up_proj"),
    ("shared_down",): ("mlp.shared_experts.down_proj",),
    ("lm_head",): ("lm_head",),
}

# Where Hugging Face keeps a family's layers, and the attention in each.
LAYERS = {
    "gptj": ("transformer.h", "attn"),
    "opt": ("model.decoder.layers", "self_attn"),
    "bloom": ("transformer.h", "self_attention"),
    "falcon": ("transformer.h", "self_attention"),
}
OTHER_LAYERS = ("model.layers", "self_attn")


def _stack(draw: random.Random, *, own_head_dim: bool = False) -> dict[str, Any]:
    """Shape of a stack of equal layers with grouped-query attention."""
    kv_heads = draw.randint(1, 3)
    heads = kv_heads * draw.randint(1, 4)
    head_dim = 2 * draw.randint(1, 8)
    return {
        "num_hidden_layers": draw.randint(2, 4),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        # Gemma 2 asks for a multiple of the heads, even where they have a size of their own.
        "hidden_size": heads * (2 * draw.randint(1, 12) if own_head_dim else head_dim),
        "intermediate_size": draw.randint(5, 70),
        "vocab_size": draw.randint(20, 90),
        "tie_word_embeddings": draw.random() < 0.5,
        "max_position_embeddings": 256,
    }


def _llama(draw: random.Random, window: int | None) -> Any:
    assert window is None, "Llama has none"
    return transformers.LlamaConfig(**_stack(draw), attention_bias=draw.random() < 0.5)


def _qwen3(draw: random.Random, window: int | None) -> Any:
    local = {} if window is None else {"use_sliding_window": True, "sliding_window": window, "max_window_layers": 0}
    return transformers.Qwen3Config(**_stack(draw, own_head_dim=True), **local)


def _mixtral(draw: random.Random, window: int | None) -> Any:
    experts = draw.randint(2, 9)
    routing = {"num_local_experts": experts, "num_experts_per_tok": draw.randint(1, experts)}
    return transformers.MixtralConfig(**_stack(draw), **routing, sliding_window=window)


def _gemma2(draw: random.Random, window: int | None) -> Any:
    return transformers.Gemma2Config(**_stack(draw, own_head_dim=True), sliding_window=window or 256)


def _deepseek_v3(draw: random.Random, window: int | None) -> Any:
    assert window is None, "DeepSeek-V3 has none"
    stack = _stack(draw)
    groups, per_group = draw.randint(1, 3), draw.randint(2, 4)
    kept = draw.randint(1, groups)
    del stack["head_dim"]
    return transformers.DeepseekV3Config(
        **{**stack, "num_key_value_heads": stack["num_attention_heads"], "tie_word_embeddings": False},
        n_routed_experts=groups * per_group,
        n_group=groups,
        topk_group=kept,
        num_experts_per_tok=draw.randint(1, kept * per_group),
        n_shared_experts=draw.randint(1, 3),
        moe_intermediate_size=draw.randint(3, 40),
        first_k_dense_replace=draw.randint(0, stack["num_hidden_layers"] - 1),
        q_lora_rank=draw.choice([None, draw.randint(3, 20)]),
        kv_lora_rank=draw.randint(3, 24),
        qk_rope_head_dim=2 * draw.randint(1, 4),
        qk_nope_head_dim=draw.randint(2, 12),
        v_head_dim=draw.randint(2, 12),
        initializer_range=0.5,  # outputs of the size of 1, to compare
    )


def _minimax(draw: random.Random, window: int | None) -> Any:
    assert window is None, "MiniMax M2 has none"
    experts = draw.randint(2, 9)
    routing = {"num_local_experts": experts, "num_experts_per_tok": draw.randint(1, experts)}
    return transformers.MiniMaxM2Config(**_stack(draw, own_head_dim=True), **routing)


def _deci(draw: random.Random, window: int | None) -> Any:
    """Llama with a number of KV heads for each layer: what the code that DeciLM carries with it does."""
    assert window is None, "DeciLM has none"
    stack = _stack(draw)
    heads = stack["num_attention_heads"]
    divisors = [n for n in range(1, heads + 1) if heads % n == 0]
    per_layer = [draw.choice(divisors) for _ in range(stack["num_hidden_layers"])]
    return transformers.LlamaConfig(**stack, mlp_bias=draw.random() < 0.5, num_key_value_heads_per_layer=per_layer)


def _older(draw: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shape of a stack with as many KV heads as heads, and what of it each family calls by a name of its own."""
    stack = _stack(draw)
    shape = {"hidden_size": stack["hidden_size"], "vocab_size": stack["vocab_size"]}
    tied = {"tie_word_embeddings": stack["tie_word_embeddings"]}
    return {**shape, **tied}, stack


def _gptj(draw: random.Random, window: int | None) -> Any:
    assert window is None, "GPT-J has none"
    common, stack = _older(draw)
    return transformers.GPTJConfig(
        vocab_size=common["vocab_size"],
        tie_word_embeddings=common["tie_word_embeddings"],
        n_embd=common["hidden_size"],
        n_layer=stack["num_hidden_layers"],
        n_head=stack["num_attention_heads"],
        n_inner=draw.choice([None, stack["intermediate_size"]]),
        n_positions=stack["max_position_embeddings"],
        rotary_dim=2 * draw.randint(1, stack["head_dim"] // 2),
    )


def _opt(draw: random.Random, window: int | None) -> Any:
    assert window is None, "OPT has none"
    common, stack = _older(draw)
    shape = {name: stack[name] for name in ("num_hidden_layers", "num_attention_heads", "max_position_embeddings")}
    return transformers.OPTConfig(**common, **shape, ffn_dim=stack["intermediate_size"])


def _bloom(draw: random.Random, window: int | None) -> Any:
    assert window is None, "BLOOM has none"
    common, stack = _older(draw)
    return transformers.BloomConfig(**common, n_layer=stack["num_hidden_layers"], n_head=stack["num_attention_heads"])


def _falcon(draw: random.Random, window: int | None) -> Any:
    assert window is None, "Falcon has none"
    common, stack = _older(draw)
    kind = draw.choice(  # of the 40B and 180B, of the 11B, of the 7B, and of the first 1B
        [
            {"new_decoder_architecture": True, "num_kv_heads": stack["num_key_value_heads"]},
            {
                "new_decoder_architecture": True,
                "num_kv_heads": stack["num_key_value_heads"],
                "num_ln_in_parallel_attn": 1,
            },
            {"multi_query": True},
            {"multi_query": False, "parallel_attn": False, "alibi": True, "bias": True},
        ]
    )
    shape = {name: stack[name] for name in ("num_hidden_layers", "num_attention_heads", "max_position_embeddings")}
    return transformers.FalconConfig(
        **common, **shape, **kind, ffn_hidden_size=draw.choice([None, stack["intermediate_size"]])
    )


FAMILIES: dict[str, Callable[[random.Random, int | None], Any]] = {
    "llama": _llama,
    "qwen3": _qwen3,
    "mixtral": _mixtral,
    "deepseek_v3": _deepseek_v3,
    "gemma2": _gemma2,
    "minimax": _minimax,
    "deci": _deci,
    "gptj": _gptj,
    "opt": _opt,
    "bloom": _bloom,
    "falcon": _falcon,
}
WINDOWED = ("qwen3", "mixtral", "gemma2")

each_seed = pytest.mark.parametrize("seed", SEEDS)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_windowed_family = pytest.mark.parametrize("family", WINDOWED)
each_model = pytest.mark.parametrize(
    ("family", "windowed"), [*((name, False) for name in FAMILIES), *((name, True) for name in WINDOWED)]
)
each_decoder = pytest.mark.parametrize(  # of those that Hugging Face decodes as we do; latent attention is apart
    ("family", "windowed"),
    [*((name, False) for name in FAMILIES if name != "deepseek_v3"), *((name, True) for name in WINDOWED)],
)


@dataclass(frozen=True)
class Case:
    """A random model, as Hugging Face builds it and as we read its configuration, with a random workload."""

    model: Any
    llm: rl.LLM
    batch: int
    tokens: int
    window: int | None

    def ids(self, tokens: int) -> Any:
        return torch.randint(0, self.llm.vocab, (self.batch, tokens), generator=torch.Generator().manual_seed(tokens))


@cache  # for building a model takes longer than running it
def _case(family: str, seed: int, *, windowed: bool = False) -> Case:
    draw = random.Random(f"{family} {seed} {windowed}")  # noqa: S311 (the same models every time)
    batch, tokens = draw.randint(1, 3), draw.randint(4, 24)
    window = draw.randint(2, tokens - 1) if windowed else None
    config = FAMILIES[family](draw, window)
    torch.manual_seed(seed)
    # Eager: the counter knows neither fused attention's mask nor products of ragged groups.
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )
    values = config.to_dict()
    if family == "deci":
        values["model_type"] = "deci"
        _give_kv_heads(model, values["num_key_value_heads_per_layer"])
    return Case(model.eval(), rl.LLM.from_hf_config(values), batch, tokens, window)


def _give_kv_heads(model: Any, kv_heads: list[int]) -> None:
    """Replace each layer's attention by one with its own number of KV heads."""
    for i, (layer, n) in enumerate(zip(model.model.layers, kv_heads, strict=True)):
        config = transformers.LlamaConfig(**{**model.config.to_dict(), "num_key_value_heads": n})
        config._attn_implementation = "eager"
        layer.self_attn = type(layer.self_attn)(config, i)


@dataclass(frozen=True)
class Pass:
    """What PyTorch counted in one forward pass, and what the masks let through.

    `attention` and `keys` have one entry per layer: FLOPs over the full rectangle of queries and keys, and the keys
    that each query sees; `rectangle` is the size of that rectangle.
    """

    modules: Mapping[str, int]
    linear: int
    attention: list[int]
    rectangle: list[int]
    keys: list[np.ndarray]


def _run(case: Case, tokens: int, past: Any = None, **options: Any) -> Pass:
    """Count one forward pass of new tokens; the keys and values of `past` are there already, and it keeps the new."""
    masks: list[np.ndarray] = []

    def note_mask(_: Any, __: Any, arguments: dict[str, Any]) -> None:
        # Falcon adds its ALiBi to the mask, so what it lets through need not be 0.
        masks.append((arguments["attention_mask"][0, 0] > torch.finfo(torch.float32).min / 2).numpy())

    path, name = LAYERS.get(case.model.config.model_type, OTHER_LAYERS)
    layers = case.model.get_submodule(path)
    hooks = [getattr(layer, name).register_forward_pre_hook(note_mask, with_kwargs=True) for layer in layers]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        case.model(case.ids(tokens), past_key_values=past, use_cache=past is not None, **options)
    for hook in hooks:
        hook.remove()

    linear, batched = {torch.ops.aten.mm, torch.ops.aten.addmm}, {torch.ops.aten.bmm, torch.ops.aten.baddbmm}
    modules = {name.partition(".")[2]: counts for name, counts in counter.get_flop_counts().items() if "." in name}
    total = counter.get_flop_counts()["Global"]
    attention = [_sum(modules[f"{path}.{i}.{name}"], batched) for i in range(len(layers))]
    # Some versions multiply position and frequency of the rotary embedding as matrices: no work of the model's.
    rotary = sum(_sum(counts, batched) for part, counts in modules.items() if part.endswith("rotary_emb"))
    assert set(total) <= linear | batched, "an operator that is neither a linear layer nor attention"
    assert _sum(total, batched) == sum(attention) + rotary, "a batched product outside of attention"
    return Pass(
        modules={name: _sum(counts, linear) for name, counts in modules.items()},
        linear=_sum(total, linear),
        attention=attention,
        rectangle=[mask.size for mask in masks],
        keys=[mask.sum(axis=-1) for mask in masks],
    )


def _run_after(case: Case, cached: int, tokens: int) -> tuple[Pass, list[int]]:
    """Count a pass of `tokens` after one of `cached`; return also the keys that the last cached token saw by layer."""
    past = transformers.DynamicCache(config=case.model.config)  # drops what has left a layer's window
    first = _run(case, cached, past)
    return _run(case, tokens, past), [keys[-1] for keys in first.keys]


def _sum(counts: Mapping[Any, int], operators: Iterable[Any]) -> int:
    return sum(counts.get(operator, 0) for operator in operators)


def _area(keys: np.ndarray, before: int = 0) -> float:
    """Pairs of query and key as the papers count them: a query that brings a key of its own sees half of it.

    `keys` are those that each query sees, `before` those that one just before the first would see. For a prompt this
    is the continuous ``s²/2`` of Kim Eq. 5, where the mask holds ``s(s + 1)/2``.
    """
    return float(np.trapezoid([before, *keys]))


def _causal(counted: Pass, before: Iterable[int]) -> float:
    """PyTorch's attention FLOPs, of the pairs that the masks let through instead of the whole rectangle."""
    layers = zip(counted.attention, counted.rectangle, counted.keys, before, strict=True)
    return sum(flops * _area(keys, seen) / rectangle for flops, rectangle, keys, seen in layers)


def _split(operations: Iterable[Operation]) -> tuple[float, float]:
    """Return our FLOPs in linear layers and in attention."""
    of_kind: Counter[bool] = Counter()
    for operation in operations:
        of_kind[operation.kind == "attention"] += operation.flops
    return of_kind[False], of_kind[True]


def _close(value: float) -> Any:
    return pytest.approx(value, rel=ONE_PART_IN_A_MILLION, abs=0)


def _prefill(case: Case, **more: Any) -> tuple[Operation, ...]:
    return rl.prefill_operations(
        case.llm, batch=case.batch, prompt_tokens=case.tokens, precision=PRECISION, **{"logits": "all", **more}
    )


def _decode(case: Case, **more: Any) -> tuple[Operation, ...]:
    return rl.decode_operations(case.llm, batch=case.batch, precision=PRECISION, **more)


@each_seed
@each_family
def test_parameters(family: str, seed: int) -> None:
    case = _case(family, seed)
    biases = [b for name, b in case.model.named_buffers() if name.endswith("e_score_correction_bias")]
    # `parameters()` gives a tied table once. DeepSeek-V3's correction bias is a weight of the checkpoint that Hugging
    # Face holds as a buffer, for no gradient sets it.
    assert case.llm.parameters == sum(p.numel() for p in [*case.model.parameters(), *biases])


@each_seed
@each_family
def test_prefill(family: str, seed: int) -> None:
    case = _case(family, seed)
    counted = _run(case, case.tokens)
    linear, attention = _split(_prefill(case))
    assert linear == _close(counted.linear)
    assert 2 * attention == _close(sum(counted.attention))  # the causal half


@each_seed
@each_family
def test_prefill_with_one_position_of_logits(family: str, seed: int) -> None:
    case = _case(family, seed)
    linear, _ = _split(_prefill(case, logits="last"))
    assert linear == _close(_run(case, case.tokens, logits_to_keep=1).linear)


@each_seed
@each_windowed_family
def test_prefill_of_a_prompt_longer_than_the_window(family: str, seed: int) -> None:
    case = _case(family, seed, windowed=True)
    counted = _run(case, case.tokens)
    assert case.window in {keys.max() for keys in counted.keys}, "no layer's window is shorter than the prompt"
    linear, attention = _split(_prefill(case))
    assert linear == _close(counted.linear)
    assert attention == _close(_causal(counted, before=[0] * case.llm.layers))


@each_seed
@each_windowed_family
def test_the_areas_that_we_count_are_those_of_the_masks_but_for_half_a_diagonal(family: str, seed: int) -> None:
    case = _case(family, seed, windowed=True)
    s, w = case.tokens, case.window
    assert w is not None
    areas = {s: s**2 / 2, w: w**2 / 2 + (s - w) * w}  # by the keys that the last query sees
    for keys in _run(case, s).keys:
        ours = rl.formulas.visible_pairs(new_tokens=s, cached_tokens=0, window=int(keys[-1]))
        assert _area(keys) == areas[keys[-1]] == ours
        assert keys.sum() - ours == keys[-1] / 2 <= s / 2


@each_seed
@each_family
def test_every_part_of_a_prefill(family: str, seed: int) -> None:
    case = _case(family, seed)
    counted = _run(case, case.tokens)
    ours = Counter[str]()
    for operation in _prefill(case):
        ours[operation.name] += operation.flops
    assert set(ours) - {"attention"} <= {name for names in PARTS for name in names}
    for names, modules in PARTS.items():
        theirs = sum(flops for module, flops in counted.modules.items() if module.endswith(modules))
        assert sum(ours[name] for name in names) == _close(theirs), names


@each_seed
@each_decoder
def test_decode(family: str, seed: int, windowed: bool) -> None:
    case = _case(family, seed, windowed=windowed)
    counted, _ = _run_after(case, case.tokens, 1)
    # Kim's context is what the new token attends to, and that includes itself.
    linear, attention = _split(_decode(case, context_tokens=case.tokens + 1))
    assert linear == _close(counted.linear)
    assert attention == _close(sum(counted.attention))


@each_seed
@each_model
def test_several_tokens_after_a_cache(family: str, seed: int, windowed: bool) -> None:
    # Kim Eq. 7: t new tokens at once on top of s cached ones, shorter and longer than a window.
    case = _case(family, seed, windowed=windowed)
    cached = 1 + seed * case.tokens // 6
    counted, before = _run_after(case, cached, case.tokens)
    linear, attention = _split(_prefill(case, cached_tokens=cached))
    assert linear == _close(counted.linear)
    assert attention == _close(_causal(counted, before))


@each_seed
@each_decoder
def test_guesses_checked_in_one_decode_step(family: str, seed: int, windowed: bool) -> None:
    # Decode counts its pairs one by one, as the mask does: t tokens at once are as much as t steps.
    case = _case(family, seed, windowed=windowed)
    counted, _ = _run_after(case, case.tokens, 1 + seed)
    linear, attention = _split(_decode(case, context_tokens=case.tokens + 1, new_tokens=1 + seed))
    assert linear == _close(counted.linear)
    layers = zip(counted.attention, counted.rectangle, counted.keys, strict=True)
    assert attention == _close(sum(flops * keys.sum() / rectangle for flops, rectangle, keys in layers))


@each_seed
def test_latent_attention_of_a_decode_step(seed: int) -> None:
    # Hugging Face expands the latents of all cached tokens again in every step; we absorb the expansion, as serving
    # does. So this writes the absorbed form in torch: that its output is that of Hugging Face's own layer shows that it
    # is the same attention, and its products are what we have to count.
    case = _case("deepseek_v3", seed)
    layers = case.model.model.layers
    seen: list[tuple[dict[str, Any], Any]] = []
    hooks = [
        layer.self_attn.register_forward_hook(lambda _, __, given, out: seen.append((given, out[0])), with_kwargs=True)
        for layer in layers
    ]
    with torch.no_grad():
        case.model(case.ids(case.tokens + 1), use_cache=False)
    for hook in hooks:
        hook.remove()

    theirs = Counter[str]()
    for layer, (given, out) in zip(layers, seen, strict=True):
        absorbed = _absorbed_decode(layer.self_attn, given["hidden_states"], given["position_embeddings"], theirs)
        torch.testing.assert_close(absorbed, out[:, -1], rtol=1e-4, atol=1e-4)
    ours = Counter[str]()
    for operation in _decode(case, context_tokens=case.tokens + 1):
        ours[operation.name] += operation.flops
    assert {name: ours[name] for name in theirs} == _close(theirs)

    # All other linear layers are the same as without it.
    counted, _ = _run_after(case, case.tokens, 1)
    expansion = sum(flops for module, flops in counted.modules.items() if module.endswith("kv_b_proj"))
    rest = sum(flops for name, flops in ours.items() if name not in ("absorb_k", "attention", "absorb_v"))
    assert rest == _close(counted.linear - expansion)


def _absorbed_decode(attention: Any, hidden: Any, rotary: tuple[Any, Any], flops: Counter[str]) -> Any:
    """Attention of the last token in its absorbed form; adds to `flops` what it multiplies, by our operations' names.

    DeepSeek-V2, arXiv:2405.04434, section 2.1.2: the key's half of the expansion goes into the query, the value's half
    comes after the weighted sum of latents.
    """
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import apply_rotary_pos_emb_interleave

    heads, rank = attention.num_heads, attention.kv_lora_rank
    nope, rope = attention.qk_nope_head_dim, attention.qk_rope_head_dim
    batch = hidden.shape[0]
    expansion = attention.kv_b_proj.weight.view(heads, nope + attention.v_head_dim, rank)
    to_keys, to_values = expansion[:, :nope], expansion[:, nope:]

    def part(name: str, compute: Callable[[], Any]) -> Any:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            result = compute()
        flops[name] += counter.get_total_flops()
        return result

    def latents_of(tokens: Any) -> Any:
        return attention.kv_a_proj_with_mqa(tokens)

    last = hidden[:, -1:]
    with torch.no_grad():
        cached = latents_of(hidden[:, :-1])
    latents = torch.cat([cached, part("kv_down", lambda: latents_of(last))], dim=1)
    query = last
    if attention.q_lora_rank is not None:
        query = attention.q_a_layernorm(part("q_down", lambda: attention.q_a_proj(last)))
    up = attention.q_proj if attention.q_lora_rank is None else attention.q_b_proj
    query = part("q_up", lambda: up(query)).view(batch, 1, heads, nope + rope).transpose(1, 2)

    with torch.no_grad():
        cos, sin = rotary
        plain, rotated = query.split([nope, rope], dim=-1)
        values, keys = latents.split([rank, rope], dim=-1)
        values = attention.kv_a_layernorm(values)
        rotated = apply_rotary_pos_emb_interleave(rotated, rotated, cos[:, -1:], sin[:, -1:])[0][:, :, 0]
        keys = apply_rotary_pos_emb_interleave(keys[:, None], keys[:, None], cos, sin)[0][:, 0]

    absorbed = part("absorb_k", lambda: torch.einsum("bhn,hnr->bhr", plain[:, :, 0], to_keys))
    scores = part("attention", lambda: absorbed @ values.mT + rotated @ keys.mT)
    weights = (scores * attention.scaling).softmax(dim=-1)
    mixed = part("attention", lambda: weights @ values)
    out = part("absorb_v", lambda: torch.einsum("bhr,hvr->bhv", mixed, to_values))
    return part("output", lambda: attention.o_proj(out.reshape(batch, -1)))
