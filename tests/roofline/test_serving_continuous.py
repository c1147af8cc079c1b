"""Continuous batching and disaggregated pools in steady state, against simulations, limits and laws."""

from __future__ import annotations

import collections
import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline.serving import (
    UnsustainableLoadError,
    continuous_batching,
    disaggregated,
    generate,
    pools,
    sustainable_load,
)
from roofline.serving.lengths import decode_contexts, request_lengths
from roofline.serving.queues import poisson_wait_s, shared_batch

H100, LLAMA = hs.get("h100-sxm"), rl.get_llm("llama-3.1-8b")
CHIP = rl.Machine(name="chip", flops_per_s={"bf16": 600e12}, memory_bytes_per_s=2.5e12, memory_bytes=80e9)


# Queues


@given(load=st.floats(0.05, 0.95), slots=st.integers(1, 60))
def test_a_fixed_rate_shared_by_all_is_processor_sharing(load, slots):
    # published: M/G/1 processor sharing, p(n) = (1 - ρ) ρⁿ; a full batch takes the tail.
    step_s = np.arange(1, slots + 1.0)  # as much longer as there are more: the rate is the same for any batch
    batch = shared_batch(requests_per_s=load, steps=1, step_s=step_s)
    expected = (1 - load) * load ** np.arange(slots + 1)
    expected[-1] = load**slots
    np.testing.assert_allclose(batch.probability, expected, rtol=1e-9, atol=1e-300)


def test_steps_that_do_not_lengthen_give_erlangs_queue():
    # published: Erlang C; λ = 3/s, 1 s each, 4 servers: 0.5094 wait, 1.5283 on average (Gross, Fundamentals of Queueing
    # Theory, M/M/c); recomputed here from the sum.
    batch = shared_batch(requests_per_s=3, steps=1, step_s=np.ones(4))
    waits = 3**4 / math.factorial(4) * 4 / (4 - 3)
    erlang_c = waits / (sum(3**k / math.factorial(k) for k in range(4)) + waits)
    assert batch.probability[-1] == pytest.approx(erlang_c)
    assert batch.waiting == pytest.approx(erlang_c * 3 / (4 - 3))
    assert round(erlang_c, 4) == 0.5094


def test_many_slots_give_poissons_distribution():
    # published: M/G/∞.
    batch = shared_batch(requests_per_s=5, steps=2, step_s=np.full(200, 0.5))
    expected = [math.exp(-5) * 5**n / math.factorial(n) for n in range(20)]
    np.testing.assert_allclose(batch.probability[:20], expected, rtol=1e-9)


def test_waiting_times_are_those_of_a_simulated_queue():
    # sibling: Lindley's recursion over 200,000 arrivals; two lengths of service.
    random = np.random.default_rng(1)
    service_s, gaps_s = random.choice([0.2, 1.0], 200_000), random.exponential(1, 200_000)
    wait, total = 0.0, 0.0
    for service, gap in zip(service_s, gaps_s, strict=True):
        total += wait
        wait = max(0.0, wait + service - gap)
    expected = poisson_wait_s(requests_per_s=1.0, service_s=0.6, service_s2=(0.04 + 1) / 2)
    assert total / 200_000 == pytest.approx(expected, rel=0.03)


# Lengths


def test_contexts_of_a_request_are_those_of_its_steps():
    # hand: a prompt of 10 and 5 outputs decode at 11, 12, 13, 14.
    contexts = decode_contexts(
        request_lengths("prompt_tokens", 10, at_most=100), request_lengths("output_tokens", 5, at_most=100)
    )
    assert contexts.values.tolist() == [11, 12, 13, 14]
    np.testing.assert_allclose(contexts.shares, 0.25)


@settings(max_examples=25)
@given(data=st.data())
def test_few_contexts_stand_for_all(data):
    # sibling: every step of every pair of lengths; the mean stays exact.
    def lengths(longest):
        values = data.draw(st.lists(st.integers(2, longest), min_size=1, max_size=30, unique=True))
        return rl.Lengths(values, data.draw(st.lists(st.floats(0.1, 10), min_size=len(values), max_size=len(values))))

    prompt, output = lengths(3000), lengths(400)
    contexts = decode_contexts(
        request_lengths("prompt_tokens", prompt, at_most=10**6), request_lengths("output_tokens", output, at_most=10**6)
    )
    steps = output.average(lambda tokens: tokens - 1)
    expected = prompt.mean + output.average(lambda tokens: (tokens - 1) * tokens / 2) / steps
    assert contexts.mean == pytest.approx(expected, rel=1e-9)
    assert contexts.shares.sum() == pytest.approx(1)
    assert np.all(contexts.values == np.floor(contexts.values))
    assert contexts.values.size <= 130


# The mixed step


def test_a_step_without_a_chunk_is_a_decode_step_and_one_without_sequences_a_prefill():
    # sibling: the phases themselves, for dense, windowed and latent attention and for experts.
    for name in ("llama-3.1-8b", "gpt-oss-20b", "deepseek-r1"):
        llm = rl.get_llm(name)
        options = {"max_sequences": 8, "token_budget": 512, "precision": "bf16"}
        machine = hs.get("h100-sxm") if name != "deepseek-r1" else CHIP.replace(memory_bytes=2e12)
        steps = sustainable_load(llm, machine, prompt_tokens=300, output_tokens=2, **options).steps
        decoded = [rl.decode(llm, machine, batch=n, context_tokens=301).time_s for n in range(1, steps.slots + 1)]
        np.testing.assert_allclose(steps.decode_s[1:], decoded, rtol=1e-9)
        prefilled = rl.prefill(llm, machine, prompt_tokens=300).time_s
        alone_s = steps.with_chunk_s(np.float64(300))[0] + steps.prompt_attention_s(np.array([300.0]))[0, 0]
        assert alone_s == pytest.approx(prefilled, rel=1e-9)


def test_a_chunk_reads_the_weights_with_the_sequences_it_rides_along_with():
    # hand: where memory alone counts, weights are most of a step, so a chunk beside sequences costs little more.
    slow = CHIP.replace(flops_per_s={"bf16": 1e20})
    steps = sustainable_load(LLAMA, slow, prompt_tokens=100, output_tokens=50, max_sequences=16).steps
    chunk = np.float64(100)
    together = steps.with_chunk_s(chunk)[16]
    weights_s = 2 * (8_030_261_248 - 2 * 128256 * 4096) / 2.5e12
    assert together < steps.decode_s[16] + 0.05 * weights_s
    assert steps.with_chunk_s(chunk)[0] > weights_s


def test_chunks_of_a_prompt_attend_to_what_is_cached():
    # sibling: every chunk as a prefill of its own behind the cached ones.
    steps = sustainable_load(LLAMA, CHIP, prompt_tokens=1000, output_tokens=100, token_budget=300).steps
    n = 4
    size = 300 - n
    chunks = [(size, 0), (size, size), (size, 2 * size), (1000 - 3 * size, 3 * size)]
    expected = sum(
        next(
            one.time_s
            for one in rl.prefill(LLAMA, CHIP, prompt_tokens=tokens, cached_tokens=cached).operations
            if one.name == "attention"
        )
        for tokens, cached in chunks
    )
    head = [rl.decode(LLAMA, CHIP, batch=rows, context_tokens=1).operations[-1].time_s for rows in (n, n + 1)]
    mine = steps.prompt_attention_s(np.array([1000.0, 5.0]))[0, n]
    assert mine == pytest.approx(expected + head[1] - head[0], rel=1e-9)


# Continuous batching


def simulate(rate, prompts, outputs, *, token_budget, max_sequences, requests=2500, seed=0):
    """Run a scheduler of chunked prefill step by step, with random arrivals; mean batch, ITL, TTFT, and requests/s.

    Independent of the model under test but for the times of operations, which are tabulated from the phases.
    """
    rows = rl.decode(LLAMA, CHIP, batch=np.arange(1, token_budget + 1), context_tokens=1).operations
    linear = np.concatenate([[0.0], sum(one.time_s for one in rows if one.name not in ("attention", "lm_head"))])
    head = np.concatenate([[0.0], next(one.time_s for one in rows if one.name == "lm_head")])
    attention = rl.decode(LLAMA, CHIP, batch=1, context_tokens=np.array([1000, 2000])).operations[1].time_s
    per_token = (attention[1] - attention[0]) / 1000
    per_sequence = attention[0] - 1000 * per_token

    @functools.cache
    def chunk_attention(tokens):  # after each number of tokens that may be there already
        phase = rl.prefill(LLAMA, CHIP, batch=1, prompt_tokens=tokens, cached_tokens=np.arange(max(prompts)))
        return phase.operations[1].time_s.tolist()

    random = np.random.default_rng(seed)
    arrival = np.cumsum(random.exponential(1 / rate, requests))
    prompt, output = random.choice(prompts, requests), random.choice(outputs, requests)
    now, arrived, area, counted_s = 0.0, 0, 0.0, 0.0
    waiting, reading, decoding = collections.deque(), [], []
    first, last = np.zeros(requests), np.zeros(requests)
    warm, finished = requests // 6, 0
    while finished < requests:
        while arrived < requests and arrival[arrived] <= now:
            waiting.append(arrived)
            arrived += 1
        if not (waiting or reading or decoding):
            counted_s += (arrival[arrived] - now) * (warm < arrived)
            now = arrival[arrived]
            continue
        while waiting and len(reading) + len(decoding) < max_sequences:
            reading.append([waiting.popleft(), 0])
        left, attention_s, done = token_budget - len(decoding), 0.0, []
        for one in reading:
            tokens = int(min(left, prompt[one[0]] - one[1]))
            if tokens == 0:
                break
            attention_s += chunk_attention(tokens)[one[1]]
            one[1] += tokens
            left -= tokens
            if one[1] == prompt[one[0]]:
                done.append(one)
        attention_s += per_token * sum(context for _, context, _ in decoding) + per_sequence * len(decoding)
        step_s = linear[token_budget - left] + head[len(decoding) + len(done)] + attention_s
        if warm < arrived < requests:
            area += len(decoding) * step_s
            counted_s += step_s
        now += step_s
        still = []
        for request, context, remaining in decoding:
            if remaining > 1:
                still.append((request, context + 1, remaining - 1))
            else:
                last[request] = now
                finished += 1
        decoding = still
        for one in done:
            reading.remove(one)
            first[one[0]] = now
            decoding.append((one[0], prompt[one[0]] + 1, output[one[0]] - 1))
    seen = slice(warm, int(0.9 * requests))
    itl_s = (last - first)[seen].sum() / (output - 1)[seen].sum()
    middle = np.sort(last)[requests // 5 : requests // 2]
    return area / max(counted_s, 1e-12), itl_s, (first - arrival)[seen].mean(), (middle.size - 1) / np.ptp(middle)


SCENARIOS = {
    # prompts of which several make a chunk; of one chunk; two lengths of each; a small batch; prompts of many chunks
    "short": {"prompts": [100], "outputs": [200], "token_budget": 2048, "max_sequences": 400},
    "medium": {"prompts": [512], "outputs": [256], "token_budget": 2048, "max_sequences": 400},
    "mixed": {"prompts": [200, 1500], "outputs": [64, 512], "token_budget": 2048, "max_sequences": 400},
    "few slots": {"prompts": [1024], "outputs": [256], "token_budget": 2048, "max_sequences": 30},
    "long": {"prompts": [4000], "outputs": [200], "token_budget": 512, "max_sequences": 400},
    "reading": {"prompts": [8192], "outputs": [64], "token_budget": 1024, "max_sequences": 400},
}


def keywords(scenario):
    chosen = SCENARIOS[scenario]
    return {
        "prompt_tokens": rl.Lengths(chosen["prompts"]),
        "output_tokens": rl.Lengths(chosen["outputs"]),
        "token_budget": chosen["token_budget"],
        "max_sequences": chosen["max_sequences"],
    }


@pytest.mark.parametrize("utilisation", [0.3, 0.7])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_steady_state_is_that_of_a_simulation(scenario, utilisation):
    # sibling: the scheduler step by step; 2,500 requests scatter the means by one or two per cent.
    rate = utilisation * sustainable_load(LLAMA, CHIP, **keywords(scenario)).requests_per_s
    s = continuous_batching(LLAMA, CHIP, requests_per_s=rate, **keywords(scenario))
    batch, itl_s, ttft_s, _ = simulate(rate, **SCENARIOS[scenario])
    assert s.batch == pytest.approx(batch, rel=0.06)
    assert s.itl_s == pytest.approx(itl_s, rel=0.06)
    assert s.ttft_s == pytest.approx(ttft_s, rel=0.15)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_largest_rate_is_what_a_full_scheduler_finishes(scenario):
    # sibling: requests that all wait from the start, finished per second in the middle of the run.
    load = sustainable_load(LLAMA, CHIP, **keywords(scenario))
    requests = 400 if scenario in ("long", "reading") else 2500
    *_, finished_per_s = simulate(1e6, **SCENARIOS[scenario], requests=requests)
    assert load.requests_per_s == pytest.approx(finished_per_s, rel=0.08)


@pytest.mark.parametrize("options", [{}, {"tensor_parallel": 4}, {"precision": "fp8", "fusion": "none"}])
def test_a_single_request_is_a_static_batch_of_one(options):
    # sibling: with no other request the steps are those of `generate`.
    s = continuous_batching(LLAMA, H100, requests_per_s=1e-7, prompt_tokens=700, output_tokens=90, **options)
    g = generate(LLAMA, H100, batch=1, prompt_tokens=700, output_tokens=90, **options)
    assert s.batch == pytest.approx(0, abs=1e-5)
    assert s.itl_s == pytest.approx(g.itl_s, rel=1e-5)
    assert s.ttft_s == pytest.approx(g.ttft_s, rel=1e-3 if options.get("fusion") else 1e-5)
    assert s.devices == g.devices


@settings(max_examples=15)
@given(
    prompt=st.integers(1, 3000),
    output=st.integers(2, 500),
    budget=st.sampled_from([256, 2048]),
    slots=st.integers(1, 99),
)
def test_laws_of_the_steady_state(prompt, output, budget, slots):
    # property: Little's law for the batch and for all requests; what comes in goes out; all that waits grows with load.
    workload = {"prompt_tokens": prompt, "output_tokens": output, "token_budget": budget, "max_sequences": slots}
    load = sustainable_load(LLAMA, H100, **workload)
    rates = load.requests_per_s * np.array([0.01, 0.3, 0.6, 0.9, 0.99])
    s = continuous_batching(LLAMA, H100, requests_per_s=rates, **workload)
    np.testing.assert_allclose(s.batch, rates * (output - 1) * s.itl_s, rtol=1e-9)
    np.testing.assert_allclose(s.requests_in_flight, rates * (s.ttft_s + (output - 1) * s.itl_s), rtol=1e-12)
    np.testing.assert_allclose(s.output_tokens_per_s, rates * output, rtol=1e-12)
    np.testing.assert_allclose(s.tokens_per_s, rates * (prompt + output), rtol=1e-12)
    np.testing.assert_allclose(s.utilisation, [0.01, 0.3, 0.6, 0.9, 0.99], rtol=1e-9)
    assert np.all(s.batch <= slots)
    assert np.all(np.diff(s.batch) > 0)
    assert np.all(np.diff(s.ttft_s) > 0)
    assert np.all(s.queueing_s > 0)
    assert np.all(s.itl_s <= s.itl_with_chunk_s * 1.01)
    assert np.all(np.isfinite([s.ttft_s, s.itl_s, s.waiting]))


def test_rates_broadcast():
    # property: an array of rates equals the loop.
    rates = np.array([[1.0, 5.0], [9.0, 12.0]])
    workload = {"prompt_tokens": 600, "output_tokens": 128}
    grid = continuous_batching(LLAMA, H100, requests_per_s=rates, **workload)
    for index in np.ndindex(2, 2):
        one = continuous_batching(LLAMA, H100, requests_per_s=rates[index], **workload)
        assert grid.ttft_s[index] == one.ttft_s
        assert grid.batch[index] == one.batch


def test_the_batch_never_outruns_decoding():
    # property: at the largest rate no more tokens come out than steps of the full batch give.
    load = sustainable_load(LLAMA, H100, prompt_tokens=64, output_tokens=512, max_sequences=32)
    full = rl.decode(LLAMA, H100, batch=32, context_tokens=64 + 256)
    assert load.bound == "max_sequences"
    assert load.requests_per_s * 511 < full.tokens_per_s
    assert load.requests_per_s * 511 > 0.8 * full.tokens_per_s  # short prompts take little of the steps


def test_what_bounds_the_batch_is_named():
    # hand: 80 GB hold few long requests; a small budget is filled by prompts; a CS-3 has compiled batches.
    assert sustainable_load(LLAMA, H100, prompt_tokens=16_000, output_tokens=16_000).bound == "memory"
    assert sustainable_load(LLAMA, H100, prompt_tokens=4000, output_tokens=10, token_budget=256).bound == "token budget"
    assert sustainable_load(LLAMA, hs.get("cs-3"), prompt_tokens=100, output_tokens=100).bound == "compiled batch"
    assert sustainable_load(LLAMA, H100, prompt_tokens=9, output_tokens=99, max_sequences=1).bound == "max_sequences"


def test_too_much_load_is_refused_with_the_rate_that_is_not():
    # property: just below the named rate it runs.
    workload = {"prompt_tokens": 1024, "output_tokens": 256}
    largest = sustainable_load(LLAMA, H100, **workload).requests_per_s
    with pytest.raises(UnsustainableLoadError, match=f"serves fewer than {largest:.4g} such requests per second"):
        continuous_batching(LLAMA, H100, requests_per_s=[1.0, largest], **workload)
    assert continuous_batching(LLAMA, H100, requests_per_s=largest * (1 - 1e-6), **workload).utilisation < 1
    sustained = sustainable_load(LLAMA, H100, **workload).sustains([largest / 2, largest, 2 * largest])
    assert sustained.tolist() == [True, False, False]


def test_losses_are_named():
    # property: figures of a machine with overheads or efficiencies below 1 are no ideal roofline, and say so.
    workload = {"prompt_tokens": 100, "output_tokens": 10, "requests_per_s": 1.0}
    lossy = rl.Machine.of(H100).replace(efficiency={"memory": 0.8})
    for machine, kind in ((H100, "ideal roofline, steady state"), (lossy, "roofline with losses, steady state")):
        s = continuous_batching(LLAMA, machine, **workload)
        assert s.kind == kind
        assert kind in repr(s)
    for pair, kind in (
        ((H100, H100), "ideal roofline, steady state"),
        ((lossy, H100), "roofline with losses, steady state"),
        ((H100, lossy), "roofline with losses, steady state"),
    ):
        s = disaggregated(LLAMA, *pair, **workload)
        assert s.kind == kind
        assert kind in repr(s)


def test_copies_of_the_model_each_run_a_compiled_batch():
    # published: Brunetta IV-C, batches of up to 8 on an SN40L; two copies of the model run two of them.
    sn40l, workload = hs.get("sn40l"), {"prompt_tokens": 100, "output_tokens": 100}
    for copies in (1, 2):
        load = sustainable_load(LLAMA, sn40l, **workload, data_parallel=copies)
        assert load.bound == "compiled batch"
        assert load.steps.slots == 8 * copies
        apart = pools(LLAMA, sn40l, **workload, link_bytes_per_s=1e10, decode_options={"data_parallel": copies})
        assert apart.decode_step_s.size == 8 * copies


def test_an_option_that_no_phase_takes_is_named_with_those_that_are():
    # property: what would change the workload behind the back of the queues is refused, by name.
    workload = {"prompt_tokens": 100, "output_tokens": 10}
    with pytest.raises(TypeError, match=r"continuous batching does not take new_tokens: .* tensor_parallel"):
        continuous_batching(LLAMA, H100, requests_per_s=1.0, **workload, new_tokens=2)
    with pytest.raises(TypeError, match="decode_options does not take new_tokens"):
        pools(LLAMA, H100, **workload, decode_options={"new_tokens": 2})
    with pytest.raises(TypeError, match=r"prefill_options does not take cached_tokens: .* logits"):
        disaggregated(LLAMA, H100, requests_per_s=1.0, **workload, prefill_options={"cached_tokens": 50})
    every = pools(LLAMA, H100, **workload, prefill_options={"logits": "all"})
    assert every.prefill_requests_per_s < pools(LLAMA, H100, **workload).prefill_requests_per_s


def test_bad_requests_are_refused():
    # property: the error names the field and what is accepted.
    workload = {"prompt_tokens": 100, "output_tokens": 10}
    with pytest.raises(ValueError, match="output_tokens = 1 is not accepted"):
        sustainable_load(LLAMA, H100, prompt_tokens=100, output_tokens=1)
    with pytest.raises(ValueError, match=r"prompt_tokens = .* one whole number, or rl.Lengths"):
        sustainable_load(LLAMA, H100, prompt_tokens=[100, 200], output_tokens=10)
    with pytest.raises(ValueError, match="overlap = 'perfect' is not accepted"):
        sustainable_load(LLAMA, H100, **workload, overlap="perfect")
    with pytest.raises(ValueError, match="131,072 tokens"):
        sustainable_load(LLAMA, H100, prompt_tokens=131_000, output_tokens=1000)
    with pytest.raises(rl.OutOfMemoryError):
        sustainable_load(rl.get_llm("llama-3.1-70b"), H100, **workload)
    with pytest.raises(ValueError, match="give max_sequences"):
        sustainable_load(LLAMA, rl.Machine(name="x", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=1e12), **workload)
    with pytest.raises(ValueError, match="one machine at a time"):
        sustainable_load(LLAMA, CHIP.replace(memory_bytes_per_s=[1e12, 2e12]), **workload)


# Disaggregated pools


def test_a_single_request_passes_both_pools_and_the_link():
    # hand: no waits; the cache is 2·2·32·8·128 = 131,072 bytes a token over 50 GB/s.
    s = disaggregated(
        LLAMA,
        H100,
        requests_per_s=1e-9,
        prompt_tokens=1000,
        output_tokens=100,
        link_bytes_per_s=50e9,
        decode_replicas=3,
    )
    g = generate(LLAMA, H100, batch=1, prompt_tokens=1000, output_tokens=100)
    assert s.transfer_s == pytest.approx(131_072 * 1000 / 50e9, rel=1e-6)
    assert s.ttft_s == pytest.approx(g.ttft_s + s.transfer_s, rel=1e-6)
    assert s.itl_s == pytest.approx(g.itl_s, rel=1e-5)
    assert s.devices == 4


def test_the_slowest_pool_bounds_the_rate():
    # property: the smallest of the three; twice the replicas carry twice as much.
    workload = {"prompt_tokens": 2000, "output_tokens": 200}
    one = pools(LLAMA, H100, **workload)
    assert one.requests_per_s == min(one.prefill_requests_per_s, one.link_requests_per_s, one.decode_requests_per_s)
    two = pools(LLAMA, H100, **workload, prefill_replicas=2, decode_replicas=2)
    assert two.requests_per_s == pytest.approx(2 * one.requests_per_s)
    assert two.sustains(np.array([0.5, 1, 2]) * two.requests_per_s).tolist() == [True, False, False]
    # hand: one prompt after the other on each prefill replica.
    assert one.prefill_requests_per_s == pytest.approx(1 / rl.prefill(LLAMA, H100, prompt_tokens=2000).time_s)
    slow = pools(LLAMA, H100, **workload, link_bytes_per_s=1e8)
    assert slow.bound == "link"
    assert slow.requests_per_s == pytest.approx(1e8 / (131_072 * 2000))


def test_the_balanced_ratio_leaves_no_pool_waiting():
    # property: with pools in that ratio both take the same rate.
    workload = {"prompt_tokens": 3000, "output_tokens": 100, "precision": "fp8"}
    ratio = pools(LLAMA, H100, **workload).balanced_ratio
    decode_replicas = 1000
    both = pools(LLAMA, H100, **workload, prefill_replicas=round(ratio * 1000), decode_replicas=decode_replicas)
    assert both.prefill_requests_per_s == pytest.approx(both.decode_requests_per_s, rel=1e-3)


def test_pools_may_differ():
    # sibling: each pool's figures are those of its own machine.
    h200 = hs.get("h200-sxm")
    workload = {"prompt_tokens": 1500, "output_tokens": 300}
    unlike = pools(LLAMA, H100, h200, **workload, prefill_options={"tensor_parallel": 2})
    assert (
        unlike.prefill_requests_per_s
        == pools(LLAMA, H100, **workload, prefill_options={"tensor_parallel": 2}).prefill_requests_per_s
    )
    assert unlike.decode_requests_per_s == pools(LLAMA, h200, **workload).decode_requests_per_s
    assert unlike.decode_requests_per_s > pools(LLAMA, H100, **workload).decode_requests_per_s
    assert unlike.devices == 3
    assert unlike.names == (H100.name, h200.name)


@settings(max_examples=15)
@given(prompt=st.integers(50, 4000), output=st.integers(2, 400), readers=st.integers(1, 4), writers=st.integers(1, 4))
def test_laws_of_the_pools(prompt, output, readers, writers):
    # property: Little's law, conservation, and latencies that rise with the load.
    workload = {
        "prompt_tokens": prompt,
        "output_tokens": output,
        "prefill_replicas": readers,
        "decode_replicas": writers,
    }
    largest = pools(LLAMA, H100, **workload).requests_per_s
    rates = largest * np.array([0.1, 0.5, 0.9, 0.999])
    s = disaggregated(LLAMA, H100, requests_per_s=rates, **workload)
    np.testing.assert_allclose(writers * s.batch, rates * (output - 1) * s.itl_s, rtol=1e-9)
    np.testing.assert_allclose(s.requests_in_flight, rates * s.latency_s, rtol=1e-12)
    np.testing.assert_allclose(s.output_tokens_per_s, rates * output, rtol=1e-12)
    assert np.all(np.diff(s.ttft_s) > 0)
    assert np.all(np.diff(s.itl_s) >= -1e-15)
    assert np.all((s.prefill_utilisation < 1) & (s.decode_utilisation < 1) & (s.utilisation < 1))
    with pytest.raises(UnsustainableLoadError, match="such requests per second, bounded by"):
        disaggregated(LLAMA, H100, requests_per_s=largest, **workload)


def test_pools_keep_prompts_out_of_the_decode_steps():
    # property: at the same load per device, tokens come faster than where chunks of prompts stretch the steps.
    workload = {"prompt_tokens": 4000, "output_tokens": 200}
    mixed = continuous_batching(LLAMA, H100, requests_per_s=2.0, **workload)
    apart = disaggregated(LLAMA, H100, requests_per_s=4.0, **workload)
    assert apart.devices == 2 * mixed.devices
    assert apart.itl_s < mixed.itl_s


def test_each_pool_must_hold_the_model():
    # hand: 70.6 billion parameters in BF16 are 141 GB, which one H100 of 80 GB does not hold, whichever pool it is in.
    llm, h200 = rl.get_llm("llama-3.3-70b"), hs.get("h200-sxm")
    workload = {"prompt_tokens": 1000, "output_tokens": 100}
    with pytest.raises(rl.OutOfMemoryError, match=r"needs 14.* GB; NVIDIA H100"):
        pools(llm, H100, h200, **workload, precision="bf16", decode_options={"tensor_parallel": 2})
    with pytest.raises(rl.OutOfMemoryError, match=r"needs 14.* GB; NVIDIA H100"):
        disaggregated(llm, h200, H100, requests_per_s=1e-3, **workload, prefill_options={"tensor_parallel": 2})
    both = {"prefill_options": {"tensor_parallel": 2}, "decode_options": {"tensor_parallel": 4}}
    assert pools(llm, H100, **workload, **both).devices == 6


@pytest.mark.parametrize("overlap", ["operation", "communication", "perfect"])
def test_decode_steps_of_a_pool_are_those_of_the_phase(overlap):
    # sibling: the steps themselves, one context after the other, with whatever overlaps.
    options = {"overlap": overlap, "tensor_parallel": 2}
    apart = pools(LLAMA, H100, prompt_tokens=500, output_tokens=5, max_sequences=6, decode_options=options)
    for batch in (1, 6):
        steps = [rl.decode(LLAMA, H100, batch=batch, context_tokens=500 + i, **options).time_s for i in (1, 2, 3, 4)]
        assert apart.decode_step_s[batch - 1] == pytest.approx(np.mean(steps), rel=1e-9)
    summed = pools(LLAMA, H100, prompt_tokens=500, output_tokens=5, decode_options={"tensor_parallel": 2})
    assert (apart.decode_step_s[0] < summed.decode_step_s[0]) == (overlap != "operation")


def test_a_link_that_nobody_knows_is_an_error():
    # property: unknown is not zero, nor infinite.
    with pytest.raises(hs.UnknownValueError, match="give link_bytes_per_s"):
        pools(LLAMA, CHIP, prompt_tokens=100, output_tokens=10)
