"""Several devices: what they share, what each repeats, what they send, and when a layout is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl

H100, H200, MI250, MI300X, GAUDI2 = (hs.get(key) for key in ("h100-sxm", "h200-sxm", "mi250", "mi300x", "gaudi-2"))
LLAMA, MIXTRAL, R1 = (rl.get_llm(name) for name in ("llama-3.1-8b", "mixtral-8x7b", "deepseek-r1"))
QWEN = rl.get_llm("qwen3-30b-a3b")
TINY = 1 + 1e-12
NAMES = ("llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite", "gemma-2-9b", "gpt-oss-20b", "llama-4-scout")
# A link and a network that cost nothing, so that what is left is how work is shared.
FREE = rl.Machine.of(H200).replace(link_bytes_per_s=1e30, link_latency_s=1e-30, link_domain=None)


def by_name(e):
    """Operations by name, those of all groups of layers together."""
    found: dict[str, list[rl.OperationEstimate]] = {}
    for operation in e.operations:
        found.setdefault(operation.name, []).append(operation)
    return found


def counted(e, name, count):
    return sum(getattr(operation.operation, count) for operation in by_name(e).get(name, []))


def options_of(draw_layouts):
    return st.fixed_dictionaries(
        {
            "batch": st.integers(1, 200),
            "context_tokens": st.integers(1, 8000),
            "precision": st.sampled_from(["bf16", "fp8", "w8a16", "w4a16"]),
            "geometry": st.sampled_from(["none", "padding", "waves"]),
            "fusion": st.sampled_from(["fused", "none"]),
            "layout": st.sampled_from(draw_layouts),
        }
    )


def layouts_for(llm):
    dense = [rl.Layout(tensor=t, pipeline=p, data=d) for t in (1, 2, 4) for p in (1, 2, 3) for d in (1, 2, 3)]
    if llm.moe is None:
        return dense
    sizes = ((4, 1, 1), (1, 4, 1), (2, 2, 2))
    return dense + [rl.Layout(tensor=t, data=d, pipeline=p, expert=t * d) for t, d, p in sizes]


# --- what does not depend on the layout


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.data())
def test_the_model_is_the_same_however_it_is_divided(name, data):
    # property: model FLOPs are counted once; traffic is never less than one device's.
    llm = rl.get_llm(name)
    options = data.draw(options_of(layouts_for(llm)))
    one = rl.decode(llm, FREE, **(options | {"layout": rl.Layout()}))
    many = rl.decode(llm, FREE, **options)
    assert many.flops == pytest.approx(one.flops, rel=1e-12)
    assert many.tokens_per_s == pytest.approx(options["batch"] / many.time_s, rel=1e-12)
    kv = sum(operation.operation.kv_bytes for operation in many.operations)
    assert kv >= sum(operation.operation.kv_bytes for operation in one.operations) / TINY
    prompt = {key: value for key, value in options.items() if key != "context_tokens"} | {"prompt_tokens": 300}
    assert rl.prefill(llm, FREE, **prompt).flops == pytest.approx(
        rl.prefill(llm, FREE, **(prompt | {"layout": rl.Layout()})).flops, rel=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_of_each_is_one_device_and_needs_no_link(name):
    # property: all sizes 1 are the machine alone.
    llm = rl.get_llm(name)
    alone = rl.Machine(name="alone", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12, memory_bytes=1e12)
    plain = rl.decode(llm, alone, batch=8, context_tokens=100)
    sizes = dict.fromkeys(("tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel"), 1)
    same = rl.decode(llm, alone, batch=8, context_tokens=100, **sizes)
    assert plain.time_s == same.time_s == rl.decode(llm, alone, batch=8, context_tokens=100, layout=rl.Layout()).time_s
    assert plain.devices == 1
    assert not {"all_reduce", "all_to_all", "send"} & set(by_name(plain))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.data())
def test_the_busiest_device_has_at_least_the_mean_and_at_most_everything(name, data):
    # property: a load between the mean and all of it.
    llm = rl.get_llm(name)
    many = rl.decode(llm, FREE, **data.draw(options_of(layouts_for(llm))))
    for operation in many.operations:
        for load in (operation.operation.imbalance, operation.operation.weight_imbalance):
            assert 1 / TINY <= load <= many.devices * TINY, operation.name


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(NAMES), st.data())
def test_no_layout_beats_the_devices_it_has(name, data):
    # property: n devices are at most n times as fast as one with n times the batch's share; each weight that is used
    # is read somewhere.
    llm = rl.get_llm(name)
    options = data.draw(options_of(layouts_for(llm)))
    options |= {"geometry": "none", "fusion": "fused"}
    many = rl.decode(llm, FREE, **options)
    one = rl.decode(llm, FREE, **(options | {"layout": rl.Layout()}))
    assert many.time_s * many.devices * (1 + 1e-9) >= one.time_s


# --- data parallel


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.sampled_from([2, 4, 5]), st.data())
def test_copies_of_the_model_are_as_fast_as_the_busiest_of_them(name, copies, data):
    # property: D copies share whole sequences, so that a step takes as long as one device with ⌈b/D⌉ of them.
    llm = rl.get_llm(name)
    options = data.draw(options_of([rl.Layout(data=copies)]))
    one = options | {"layout": rl.Layout(), "batch": math.ceil(options["batch"] / copies)}
    many = rl.decode(llm, FREE, **options)
    assert many.time_s == pytest.approx(rl.decode(llm, FREE, **one).time_s, rel=1e-9)
    assert many.memory_bytes == pytest.approx(rl.decode(llm, FREE, **one).memory_bytes, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(NAMES), st.sampled_from([2, 4, 5]), st.integers(1, 40), st.integers(1, 4000))
def test_copies_multiply_throughput(name, copies, batch, context):
    # property: D times the batch on D devices is D times the throughput, in both phases.
    llm = rl.get_llm(name)
    one = rl.decode(llm, H200, batch=batch, context_tokens=context, precision="fp8")
    many = rl.decode(llm, H200, batch=copies * batch, context_tokens=context, precision="fp8", data_parallel=copies)
    assert many.tokens_per_s == pytest.approx(copies * one.tokens_per_s, rel=1e-9)
    assert many.devices == copies
    assert many.bound == one.bound
    one = rl.prefill(llm, H200, batch=batch, prompt_tokens=context, precision="fp8")
    many = rl.prefill(llm, H200, batch=copies * batch, prompt_tokens=context, precision="fp8", data_parallel=copies)
    assert many.tokens_per_s == pytest.approx(copies * one.tokens_per_s, rel=1e-9)


def test_copies_need_no_link():
    # hand: copies of a model that share no experts send each other nothing.
    alone = rl.Machine(name="alone", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12)
    many = rl.decode(LLAMA, alone, batch=8, context_tokens=100, data_parallel=4)
    assert many.time_s == rl.decode(LLAMA, alone, batch=2, context_tokens=100).time_s
    with pytest.raises(ValueError, match="link"):
        rl.decode(MIXTRAL, alone, batch=8, context_tokens=100, data_parallel=4, expert_parallel=4)


# --- pipeline


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(("llama-3.1-8b", "mixtral-8x7b", "gpt-oss-20b")), st.sampled_from([2, 4]), st.data())
def test_a_full_pipeline_takes_all_layers_at_its_micro_batch(name, stages, data):
    # property: with m = p micro-batches a step is each stage p times in turn, which is all layers once, for b/p
    # sequences (layers divide evenly here, and messages are free).
    llm = rl.get_llm(name)
    options = data.draw(options_of([rl.Layout(pipeline=stages)]))
    micro = options["batch"]
    assert llm.layers % stages == 0
    many = rl.decode(llm, FREE, **(options | {"batch": micro * stages}))
    one = rl.decode(llm, FREE, **(options | {"batch": micro, "layout": rl.Layout()}))
    assert many.time_s == pytest.approx(one.time_s, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([2, 3, 4, 8]), st.data())
def test_a_pipeline_of_few_sequences_waits(stages, data):
    # property: with fewer sequences than stages each goes through all layers alone, while other stages wait. Where
    # stages are unlike, 32 layers in 3, a full pipeline waits for the longest, one that is not full need not.
    options = data.draw(options_of([rl.Layout(pipeline=stages)]))
    options["batch"] = data.draw(st.integers(1, stages if stages != 3 else 2))
    many = rl.decode(LLAMA, FREE, **options)
    one = rl.decode(LLAMA, FREE, **(options | {"batch": 1, "layout": rl.Layout()}))
    assert many.time_s == pytest.approx(one.time_s, rel=1e-9)


def test_a_pipeline_whose_stages_are_unlike_waits_for_the_longest():
    # hand: 32 layers in 3 stages are 11, 11 and 10.
    three = rl.decode(LLAMA, FREE, batch=30, context_tokens=1000, pipeline_parallel=3)
    one = rl.decode(LLAMA, FREE, batch=10, context_tokens=1000)
    assert three.time_s == pytest.approx(one.time_s * 33 / 32, rel=1e-9)


def test_a_pipeline_sends_each_row_over_each_boundary():
    # hand: p − 1 boundaries, 4096 BF16 numbers a row.
    d = rl.decode(LLAMA, H100, batch=64, context_tokens=1000, pipeline_parallel=4)
    assert counted(d, "send", "link_bytes") == 3 * 64 * 4096 * 2
    p = rl.prefill(LLAMA, H100, batch=2, prompt_tokens=1000, pipeline_parallel=4)
    assert counted(p, "send", "link_bytes") == 3 * 2 * 1000 * 4096 * 2


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 64), st.integers(1, 3000))
def test_a_pipelined_prefill_waits_for_one_row_only(stages, batch, prompt):
    # property: cut into rows, the work of a prefill nears the share of the longest stage, and never beats the mean
    # one; the weights of all stages are read one after the other, and one row has to see every stage.
    def seconds(n, b, tokens, without=()):
        return rl.prefill(
            LLAMA,
            FREE,
            batch=b,
            prompt_tokens=tokens,
            pipeline_parallel=n,
            geometry="none",
            logits="all",
            without=without,
        ).time_s

    no_memory = ("memory", "on_chip")
    longest = -(-32 // stages) / 32
    rows = batch * prompt
    share = (1 + (rows - 1) * longest) / rows
    alone = seconds(1, batch, prompt, no_memory)
    assert seconds(stages, batch, prompt, no_memory) == pytest.approx(alone * share, rel=1e-9)
    assert share >= 1 / stages
    assert seconds(stages, 1, 1) == pytest.approx(seconds(1, 1, 1), rel=1e-9)
    assert seconds(stages, batch, prompt) >= seconds(stages, 1, 1) / TINY


def test_every_copy_converts_its_weights_once():
    # hand: four copies in use convert as many weights at the same time, whether each has a sequence less or not.
    slow = rl.Machine.of(H100).replace(vector_flops_per_s=1e10)
    five, eight = (
        rl.decode(LLAMA, slow, batch=n, context_tokens=1, precision="w8a16", data_parallel=4) for n in (5, 8)
    )
    converted = [d.operations[0].operation.fixed.vector_flops / 4 / 1e10 for d in (five, eight)]
    rows = [d.operations[0].operation.each.vector_flops * 2 / 1e10 for d in (five, eight)]  # of the busiest copy
    for d, fixed, each in zip((five, eight), converted, rows, strict=True):
        assert d.operations[0].ceiling_times_s["vector"] == pytest.approx(fixed + each, rel=1e-12)


# --- tensor parallel


def test_weights_are_read_once_in_all_by_tensor_parallel_devices():
    # hand: columns and rows of a matrix are divided; up to 8 devices no KV head is repeated.
    for n in (1, 2, 4, 8):
        d = rl.decode(LLAMA, H100, batch=8, context_tokens=100, tensor_parallel=n)
        assert sum(o.operation.weight_bytes for o in d.operations) == 2 * (LLAMA.parameters - 65 * 4096 - 128256 * 4096)


def test_kv_heads_are_repeated_beyond_their_number():
    # hand: Qwen3 30B-A3B has 4 KV heads of 128; on 8 devices each is on two, which both read its cache, compute it
    # and hold it.
    assert (QWEN.kv_heads, QWEN.head_dim, QWEN.layers, QWEN.hidden) == (4, 128, 48, 2048)
    four, eight = (rl.decode(QWEN, H100, batch=16, context_tokens=1000, tensor_parallel=n) for n in (4, 8))
    assert counted(eight, "attention", "kv_bytes") == 2 * counted(four, "attention", "kv_bytes")
    assert counted(four, "attention", "kv_bytes") == 48 * 2 * 4 * 128 * 2 * 16 * 1000
    more = counted(eight, "qkv", "weight_bytes") - counted(four, "qkv", "weight_bytes")
    assert more == 48 * 2048 * 2 * 4 * 128 * 2
    assert eight.flops == four.flops
    assert eight.memory.kv_cache == four.memory.kv_cache  # half of the heads, twice
    assert four.memory.kv_cache == 48 * 2 * 4 * 128 * 2 * 16 * 1001 / 4


def test_a_latent_cache_is_whole_on_each_device():
    # hand: one latent of 576 values for all heads cannot be divided by heads.
    eight = rl.decode(R1, H200, batch=16, context_tokens=1000, tensor_parallel=8)
    assert counted(eight, "attention", "kv_bytes") == 8 * 61 * 576 * 2 * 16 * 1000
    assert eight.memory.kv_cache == 61 * 576 * 2 * 16 * 1001


def test_all_reduce_by_hand():
    # hand: two a layer; in a ring of n each device sends 2(n − 1)/n of the message.
    d = rl.decode(LLAMA, H100, batch=16, context_tokens=100, tensor_parallel=4)
    message = 16 * 4096 * 2
    assert counted(d, "all_reduce", "link_bytes") == 2 * 32 * 4 * (2 * 3 / 4) * message
    # One a layer where there is no attention: 80 MLPs and 49 attentions of Nemotron Super.
    nemotron = rl.get_llm("llama-3.3-nemotron-super-49b")
    d = rl.decode(nemotron, H100, batch=16, context_tokens=100, tensor_parallel=4)
    assert counted(d, "all_reduce", "link_bytes") == (80 + 49) * 4 * (2 * 3 / 4) * 16 * 8192 * 2


@pytest.mark.parametrize(("n", "share"), [(2, 1 / 7), (4, 3 / 7), (8, 1.0)])
def test_a_mesh_gives_a_group_the_links_among_its_members(n, share):
    # hand: MI300X boards join eight packages by seven links each; a group of n uses n − 1 of them.
    d = rl.decode(LLAMA, MI300X, batch=16, context_tokens=100, tensor_parallel=n)
    sent = 2 * 32 * (2 * (n - 1) / n) * 16 * 4096 * 2  # by each
    assert d.ceiling_times_s["link"] == pytest.approx(sent / (MI300X.scale_up.bytes_per_s * share), rel=1e-12)
    switched = rl.Machine.of(MI300X).replace(link_topology="switch")
    d = rl.decode(LLAMA, switched, batch=16, context_tokens=100, tensor_parallel=n)
    assert d.ceiling_times_s["link"] == pytest.approx(sent / MI300X.scale_up.bytes_per_s, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(NAMES), st.sampled_from([2, 4]), st.data())
def test_more_tensor_parallel_devices_are_faster_but_for_messages(name, n, data):
    # property: with free messages n devices are between 1 and n times as fast, unless whole tiles are lost.
    llm = rl.get_llm(name)
    options = data.draw(options_of([rl.Layout(tensor=n)])) | {"geometry": "none"}
    one, many = (rl.decode(llm, FREE, **(options | {"layout": rl.Layout(tensor=t)})) for t in (1, n))
    assert one.time_s / n / TINY <= many.time_s <= one.time_s * TINY


# --- expert parallel


@pytest.mark.parametrize("layout", [rl.Layout(data=8, expert=8), rl.Layout(tensor=8, expert=8), rl.Layout(tensor=8)])
def test_each_expert_that_is_used_is_read_once(layout):
    # hand: DeepSeek-R1 in FP8, 58 layers of 256 experts of 3·7168·2048 weights; a large batch touches all of them.
    d = rl.decode(R1, H200, batch=8192, context_tokens=100, precision="fp8", layout=layout)
    read = counted(d, "experts_up", "weight_bytes") + counted(d, "experts_down", "weight_bytes")
    assert read == pytest.approx(58 * 256 * 3 * 7168 * 2048, rel=1e-6)


def test_copies_each_read_the_experts_they_use():
    # hand: eight copies of the whole model read eight times the experts of a large batch.
    d = rl.decode(R1, H200, batch=80_000, context_tokens=100, precision="fp8", layout=rl.Layout(data=8))
    read = counted(d, "experts_up", "weight_bytes") + counted(d, "experts_down", "weight_bytes")
    assert read == pytest.approx(8 * 58 * 256 * 3 * 7168 * 2048, rel=1e-6)


def test_all_to_all_by_hand():
    # hand: each row goes to 8 experts, 7 of 8 on other devices, as FP8, and comes back as BF16, in each of 58 layers.
    d = rl.decode(R1, H200, batch=256, context_tokens=100, precision="fp8", layout=rl.Layout(data=8, expert=8))
    assert counted(d, "all_to_all", "link_bytes") == pytest.approx(58 * 256 * 8 * 7168 * (1 + 2) * 7 / 8, rel=1e-12)
    # Two messages, there and back, in every layer; devices behind a switch reach each other in one hop.
    latency = sum(o.ceiling_times_s["latency"] for o in by_name(d)["all_to_all"])
    assert latency == pytest.approx(58 * 2 * H200.scale_up.latency_s, rel=1e-12)
    # With attention divided every device has all rows already, and the sum of the results is the all-reduce.
    d = rl.decode(R1, H200, batch=256, context_tokens=100, precision="fp8", layout=rl.Layout(tensor=8, expert=8))
    assert "all_to_all" not in by_name(d)
    assert "all_reduce" in by_name(d)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(("mixtral-8x7b", "gpt-oss-20b", "qwen3-30b-a3b", "deepseek-v2-lite")),
    st.sampled_from([rl.Layout(tensor=t, data=4 // t, expert=4) for t in (1, 2, 4)]),
    st.integers(1, 600),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_popular_experts_make_a_busiest_device(name, layout, batch, skew):
    # property: with unlike popularity fewer experts are touched, and the busiest device has no less to multiply.
    llm = rl.get_llm(name)
    even, skewed = (
        rl.decode(llm, FREE, batch=batch, context_tokens=100, layout=layout, routing_skew=s) for s in (0.0, skew)
    )
    assert counted(skewed, "experts_up", "weight_bytes") <= counted(even, "experts_up", "weight_bytes") * TINY
    assert skewed.flops == pytest.approx(even.flops, rel=1e-12)
    (one,), (other,) = by_name(even)["experts_up"][:1], by_name(skewed)["experts_up"][:1]
    assert other.operation.imbalance >= one.operation.imbalance / TINY
    bound = {"without": ("memory", "on_chip", "vector", "special"), "geometry": "none"}
    slow, slower = (
        rl.decode(llm, FREE, batch=batch, context_tokens=100, layout=layout, routing_skew=s, **bound)
        for s in (0.0, skew)
    )
    assert slower.time_s >= slow.time_s / TINY


def test_an_even_popularity_is_the_limit_of_a_skewed_one():
    # property: no jump where the exponent reaches 0.
    times = [
        rl.decode(QWEN, H200, batch=64, context_tokens=100, layout=rl.Layout(data=8, expert=8), routing_skew=s).time_s
        for s in (0.0, 1e-9)
    ]
    assert times[1] == pytest.approx(times[0], rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 2000), st.sampled_from([2, 4, 8, 16]))
def test_expert_parallel_reads_no_more_than_one_device_would(batch, n):
    # property: the experts are one pool; the busiest device holds 1/n of them, and at least the mean of what is used.
    layout = rl.Layout(data=n, expert=n)
    many = rl.decode(QWEN, FREE, batch=batch, context_tokens=100, layout=layout, geometry="none")
    one = rl.decode(QWEN, FREE, batch=batch, context_tokens=100, geometry="none")
    (up,), (whole,) = by_name(many)["experts_up"], by_name(one)["experts_up"]
    assert up.operation.weight_bytes == pytest.approx(whole.operation.weight_bytes, rel=1e-12)
    held = 48 * (128 / n) * 2048 * 2 * 768 * 2
    read = float(up.operation.weight_bytes * up.operation.weight_imbalance / n)
    assert read <= held * TINY
    assert up.ceiling_times_s["memory"] <= whole.ceiling_times_s["memory"] * TINY


# --- dies


def test_a_package_of_two_dies_is_two_tensor_parallel_devices():
    # published: Brunetta IV-A runs the MI250 so. sibling: two dies as accelerators of their own, joined by their link.
    die = MI250.die()
    die = die.replace(scale_up=MI250.die_link)
    package = rl.decode(LLAMA, MI250, batch=16, context_tokens=1000)
    dies = rl.decode(LLAMA, die, batch=16, context_tokens=1000, tensor_parallel=2)
    assert (package.devices, dies.devices) == (1, 2)
    for name in ("time_s", "flops", "bytes", "mfu", "tokens_per_s"):
        assert getattr(package, name) == pytest.approx(getattr(dies, name), rel=1e-12), name
    assert package.memory_bytes == pytest.approx(2 * dies.memory_bytes, rel=1e-12)
    assert package.fits == dies.fits
    assert rl.max_batch(LLAMA, MI250, context_tokens=1000) == rl.max_batch(
        LLAMA, die, context_tokens=1000, tensor_parallel=2
    )


@pytest.mark.parametrize("sizes", [{"data_parallel": 2}, {"pipeline_parallel": 2}])
def test_dies_of_a_package_talk_over_their_own_link_beside_other_packages(sizes):
    # hand: in copies or stages of one package each, all-reduces stay within the package.
    one = rl.decode(LLAMA, MI250, batch=16, context_tokens=1000)
    two = rl.decode(LLAMA, MI250, batch=32, context_tokens=1000, **sizes)
    (reduce, *_), (of_two, *_) = by_name(one)["all_reduce"], by_name(two)["all_reduce"]
    assert of_two.ceiling_times_s["link"] == pytest.approx(reduce.ceiling_times_s["link"], rel=1e-9)


# --- sizes and refusals


@pytest.mark.parametrize(("n", "t"), [(8, 8), (8, 4), (8, 2), (8, 1)])
def test_tensor_parallel_groups_are_devices_over_copies(n, t):
    # published: Brunetta III-C, T = N/D.
    assert rl.Layout(tensor=t, data=n // t).devices == n
    d = rl.decode(LLAMA, H100, batch=64, context_tokens=100, tensor_parallel=t, data_parallel=n // t)
    assert d.devices == n
    assert d.mfu <= 1


@pytest.mark.parametrize(
    ("llm", "machine", "sizes", "message"),
    [
        (MIXTRAL, H100, {"data_parallel": 4, "expert_parallel": 2}, "expert_parallel = 2 is not accepted"),
        (MIXTRAL, H100, {"expert_parallel": 4}, "expert_parallel = 4 is not accepted"),
        (LLAMA, H100, {"tensor_parallel": 4, "expert_parallel": 4}, "has no experts"),
        (MIXTRAL, H100, {"data_parallel": 3, "expert_parallel": 3}, "must divide the 8 experts"),
        (LLAMA, H100, {"tensor_parallel": 5}, "must divide the 32 heads"),
        (rl.get_llm("qwen2.5-7b"), H100, {"tensor_parallel": 7}, "KV heads"),
        (LLAMA, H100, {"pipeline_parallel": 33}, "has 32 layers"),
        (LLAMA, H100, {"tensor_parallel": 16}, "domain"),
        (MIXTRAL, H100, {"tensor_parallel": 2, "data_parallel": 2.5}, "data_parallel = 2.5"),
        (LLAMA, H100, {"tensor_parallel": [1, 2]}, "tensor_parallel"),
        (LLAMA, H100, {"layout": rl.Layout(tensor=2), "tensor_parallel": 2}, "both given"),
    ],
)
def test_layouts_that_cannot_be_are_refused(llm, machine, sizes, message):
    with pytest.raises(ValueError, match=message):
        rl.decode(llm, machine, batch=8, context_tokens=10, **sizes)
    with pytest.raises(ValueError, match=message):
        rl.max_batch(llm, machine, context_tokens=10, **sizes)


def test_rates_of_an_accelerator_are_refused_what_it_is_refused():
    # sibling: a machine that knows its domain is not larger than the accelerator it came from.
    with pytest.raises(ValueError, match="domain"):
        rl.decode(LLAMA, rl.Machine.of(H100), batch=8, context_tokens=10, tensor_parallel=16)


def test_rates_of_an_accelerator_multiply_in_no_more_formats():
    # sibling: the MI355X applies the scales of MX formats, not of NVFP4, though its engine is as wide.
    for device in (hs.get("mi355x"), rl.Machine.of(hs.get("mi355x"))):
        assert rl.decode(LLAMA, device, batch=1, context_tokens=1, precision="mxfp4").time_s > 0
        with pytest.raises(ValueError, match="nvfp4"):
            rl.decode(LLAMA, device, batch=1, context_tokens=1, precision="nvfp4")


def test_a_layout_is_a_layout():
    with pytest.raises(ValueError, match="layout = 'tp8'"):
        rl.decode(LLAMA, H100, batch=1, context_tokens=1, layout="tp8")


def test_gaudi_cannot_send_while_it_computes():
    # published: Kim VIII.
    with pytest.raises(ValueError, match="overlap = 'communication' is not accepted"):
        rl.decode(LLAMA, GAUDI2, batch=8, context_tokens=10, tensor_parallel=2, overlap="communication")
    assert rl.decode(LLAMA, H100, batch=8, context_tokens=10, tensor_parallel=2, overlap="communication").time_s > 0


# --- memory


@settings(deadline=None, max_examples=80)
@given(st.sampled_from((*NAMES, "deepseek-r1", "llama-3.3-nemotron-super-49b")), st.data())
def test_devices_together_hold_at_least_the_model_and_its_cache(name, data):
    # property: nothing gets lost by dividing it.
    llm = rl.get_llm(name)
    options = data.draw(options_of(layouts_for(llm)))
    many = rl.decode(llm, FREE, **options)
    one = rl.decode(llm, FREE, **(options | {"layout": rl.Layout()}))
    assert many.memory.weights * many.devices * TINY >= one.memory.weights
    assert many.memory.kv_cache * many.devices * TINY >= one.memory.kv_cache
    assert many.memory.weights <= one.memory.weights * TINY


@settings(deadline=None, max_examples=60)
@given(st.sampled_from((*NAMES, "deepseek-r1", "qwen3-235b-a22b")), st.data())
def test_a_device_holds_what_it_reads(name, data):
    # sibling: memory against traffic. A large batch reads every expert; what a device reads in one pass it must hold,
    # beside an embedding table of which only rows are read.
    llm = rl.get_llm(name)
    layouts = [layout for layout in layouts_for(llm) if layout.pipeline == layout.data == 1]
    layout = data.draw(st.sampled_from(layouts))
    precision = data.draw(st.sampled_from(["bf16", "fp8", "w4a16"]))
    d = rl.decode(llm, FREE, batch=100_000, context_tokens=1, precision=precision, layout=layout)
    read = sum(o.operation.weight_bytes for o in d.operations) / d.devices
    table = 0 if llm.tied_embeddings else 2 * llm.vocab * llm.hidden / layout.tensor
    assert (d.memory.weights - table) * TINY >= read
