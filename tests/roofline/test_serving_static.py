"""Static batches, limits on latency, and fronts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import power, serving
from roofline.serving import best_batch, generate, pareto_front, serving_front, throughput_within

H100, LLAMA = hs.get("h100-sxm"), rl.get_llm("llama-3.1-8b")


def step_by_step(llm, accelerator, *, batch, prompt_tokens, output_tokens, **options):
    """Decode time of a batch, one step after the other."""
    steps = range(1, output_tokens)
    return sum(
        float(rl.decode(llm, accelerator, batch=batch, context_tokens=prompt_tokens + i, **options).time_s)
        for i in steps
    )


@pytest.mark.parametrize(
    ("name", "machine", "batch", "prompt", "output", "options"),
    [
        ("llama-3.1-8b", "h100-sxm", 16, 1024, 200, {}),
        ("llama-3.1-8b", "gaudi-3", 64, 100, 150, {"precision": "fp8", "overlap": "perfect"}),
        ("llama-3.3-70b", "h100-sxm", 8, 700, 80, {"tensor_parallel": 8, "overlap": "communication"}),
        ("gpt-oss-20b", "h100-sxm", 4, 60, 150, {"fusion": "none"}),  # its 128-token window is passed on the way
        ("deepseek-r1", "h200-sxm", 32, 500, 40, {"precision": "fp8", "tensor_parallel": 8, "expert_parallel": 8}),
    ],
)
def test_the_latency_is_that_of_one_step_after_the_other(name, machine, batch, prompt, output, options):
    # sibling: an explicit loop over the steps, each with its own context.
    llm, accelerator = rl.get_llm(name), hs.get(machine)
    workload = {"batch": batch, "prompt_tokens": prompt, "output_tokens": output}
    g = generate(llm, accelerator, **workload, **options)
    assert g.decode_s == pytest.approx(step_by_step(llm, accelerator, **workload, **options), rel=1e-9)
    assert g.ttft_s == rl.prefill(llm, accelerator, batch=batch, prompt_tokens=prompt, **options).time_s


def test_steps_beyond_one_block_are_all_counted(monkeypatch):
    # sibling: small blocks, whose last is not full, against one block.
    whole = generate(LLAMA, H100, batch=[1, 2, 3], prompt_tokens=[[10], [90]], output_tokens=101).decode_s
    monkeypatch.setattr("roofline.serving.static._BLOCK_POINTS", 100)
    blocks = generate(LLAMA, H100, batch=[1, 2, 3], prompt_tokens=[[10], [90]], output_tokens=101).decode_s
    np.testing.assert_allclose(blocks, whole, rtol=1e-12)


def test_a_grid_is_the_loop_over_its_points():
    # property: broadcasting, with outputs and machines that differ.
    machine = rl.Machine(name="two", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=[2e12, 4e12], memory_bytes=90e9)
    batch, output = np.array([1, 40])[:, None, None], np.array([1, 7, 30])[:, None]
    g = generate(LLAMA, machine, batch=batch, prompt_tokens=64, output_tokens=output)
    assert g.shape == g.latency_s.shape == (2, 3, 2)
    for i, j, k in np.ndindex(g.shape):
        one = machine.replace(memory_bytes_per_s=machine.memory_bytes_per_s[k])
        alone = generate(LLAMA, one, batch=int(batch[i, 0, 0]), prompt_tokens=64, output_tokens=int(output[j, 0]))
        assert g.latency_s[i, j, k] == pytest.approx(alone.latency_s, rel=1e-12)
        assert g.tokens_per_s[i, j, k] == pytest.approx(alone.tokens_per_s, rel=1e-12)


def test_the_figures_are_those_of_brunetta():
    # published: Brunetta III-D. Throughput is all tokens, input and output, over the latency; ITL the mean time between
    # two subsequent tokens; TTFT the time of the first.
    g = generate(LLAMA, H100, batch=16, prompt_tokens=1024, output_tokens=1024)
    assert g.tokens_per_s == 16 * 2048 / g.latency_s
    assert g.output_tokens_per_s == 16 * 1024 / g.latency_s
    assert g.latency_s == pytest.approx(g.ttft_s + 1023 * g.itl_s, rel=1e-12)
    assert g.requests_per_s == 16 / g.latency_s


def test_a_batch_by_hand():
    # hand: a machine bound by memory alone reads, in BF16, 2 bytes of every weight outside the embedding and
    # 2·2·32·8·128 bytes of cache for every token of context, and writes as much for the new one.
    machine = rl.Machine(name="slow memory", flops_per_s={"bf16": 1e30}, memory_bytes_per_s=1e12, memory_bytes=1e12)
    g = generate(LLAMA, machine, batch=4, prompt_tokens=1000, output_tokens=3, without="vector")
    weights = 2 * (8_030_261_248 - 128256 * 4096)
    cache = 2 * 2 * 32 * 8 * 128
    mean_context = 1001.5  # 1001 and 1002
    assert g.itl_s == pytest.approx((weights + 4 * cache * mean_context) / 1e12, rel=2e-3)


def test_one_output_token_is_the_prefill():
    # hand: the prefill gives it; there is no time between tokens.
    g = generate(LLAMA, H100, batch=2, prompt_tokens=100, output_tokens=1)
    assert g.latency_s == g.ttft_s
    with pytest.raises(ValueError, match="no inter-token latency"):
        _ = g.itl_s


def test_what_does_not_fit_is_refused():
    # sibling: the largest batch of max_batch at the last step fits, and one more is refused.
    largest = rl.max_batch(LLAMA, H100, context_tokens=2047)
    generate(LLAMA, H100, batch=largest, prompt_tokens=1024, output_tokens=1024)
    with pytest.raises(rl.OutOfMemoryError, match=f"a batch of {largest:,.0f}"):
        generate(LLAMA, H100, batch=largest + 1, prompt_tokens=1024, output_tokens=1024)
    with pytest.raises(ValueError, match="131,072 tokens"):
        generate(LLAMA, H100, batch=1, prompt_tokens=131_000, output_tokens=1024)


def test_only_compiled_batches_run_on_dataflow_machines():
    # published: Brunetta IV-C, batches of 1 to 8.
    cs3 = hs.get("cs-3")
    assert generate(LLAMA, cs3, batch=8, prompt_tokens=100, output_tokens=10).latency_s > 0
    with pytest.raises(ValueError, match="at most 8"):
        generate(LLAMA, cs3, batch=9, prompt_tokens=100, output_tokens=10)
    assert best_batch(LLAMA, cs3, prompt_tokens=100, output_tokens=10) == 8


def test_copies_of_the_model_each_run_a_compiled_batch():
    # sibling: max_batch, and a phase's own warnings, know that two copies take twice the batch.
    sn40l, workload = hs.get("sn40l"), {"prompt_tokens": 100, "output_tokens": 10}
    for copies in (1, 2, 3):
        largest = rl.max_batch(LLAMA, sn40l, context_tokens=109, data_parallel=copies)
        assert largest == 8 * copies
        assert best_batch(LLAMA, sn40l, **workload, data_parallel=copies) == largest
        g = generate(LLAMA, sn40l, batch=largest, **workload, data_parallel=copies)
        assert not any("compiled" in text for text in g.last_step.warnings)
        with pytest.raises(ValueError, match=f"compiled in advance, of at most {8 * copies}"):
            generate(LLAMA, sn40l, batch=largest + 1, **workload, data_parallel=copies)
        layout = rl.Layout(data=copies)
        assert best_batch(LLAMA, sn40l, **workload, layout=layout, offload=0.1) == largest


@settings(max_examples=20)
@given(batch=st.integers(1, 100), prompt=st.integers(1, 2000), output=st.integers(2, 300))
def test_more_of_anything_takes_longer(batch, prompt, output):
    # property: latency rises with batch, prompt and output; a batch is never slower than its sequences in turn.
    g = generate(
        LLAMA,
        H100,
        batch=batch + np.array([0, 1, 0, 0]),
        prompt_tokens=prompt + np.array([0, 0, 1, 0]),
        output_tokens=output + np.array([0, 0, 0, 1]),
    )
    assert np.all(g.latency_s[1:] >= g.latency_s[0])
    alone = generate(LLAMA, H100, prompt_tokens=prompt, output_tokens=output)
    assert g.latency_s[0] <= batch * alone.latency_s * (1 + 1e-12)


def test_energy_is_the_sum_over_phases():
    # sibling: power of every single step; the few steps at which it is evaluated are good for a thousandth.
    workload = {"batch": np.array([1, 128]), "prompt_tokens": 256}
    g = generate(LLAMA, H100, **workload, output_tokens=41)
    steps = [
        power.estimate(rl.decode(LLAMA, H100, batch=workload["batch"], context_tokens=256 + i)) for i in range(1, 41)
    ]
    first = power.estimate(g.prefill)
    energy_j = first.energy_j + sum(step.energy_j for step in steps)
    np.testing.assert_allclose(g.energy_j, energy_j, rtol=1e-3)
    np.testing.assert_allclose(g.power_w, energy_j / (first.time_s + sum(step.time_s for step in steps)), rtol=1e-3)
    np.testing.assert_allclose(g.tokens_per_joule.value, workload["batch"] * 297 / g.energy_j, rtol=1e-12)
    assert g.tokens_per_joule.tokens == "input and output"
    assert np.all(g.power_w <= H100.tdp_w * (1 + 1e-9))


def test_energy_counts_every_device_and_power_one():
    # property: what the devices draw together over the time.
    g = generate(LLAMA, H100, batch=1, prompt_tokens=64, output_tokens=16, tensor_parallel=4)
    assert g.devices == 4
    assert g.energy_j == pytest.approx(4 * g.power_w * g.latency_s, rel=1e-6)  # at batch 1 nothing is throttled


def test_losses_are_named():
    # property: figures of a machine with overheads or efficiencies below 1 are no ideal roofline, and say so.
    workload = {"prompt_tokens": 100, "output_tokens": 10}
    ideal = rl.Machine.of(H100)
    for machine, kind in (
        (ideal, "ideal roofline"),
        (ideal.replace(overhead_s=1e-5), "roofline with losses"),
        (ideal.replace(efficiency={"memory": 0.8}), "roofline with losses"),
    ):
        g = generate(LLAMA, machine, **workload)
        assert g.kind == kind
        assert kind in repr(g)


def test_a_generation_says_what_overlaps():
    # property: what its phases say, so that unlike ones can be told apart.
    g = generate(LLAMA, H100, prompt_tokens=100, output_tokens=10, overlap="perfect")
    assert g.overlap == g.prefill.overlap == g.last_step.overlap == "perfect"


def test_bare_rates_take_constants_of_power():
    # sibling: the rates of an H100 with its constants draw what the H100 does; without them the error says how.
    workload = {"batch": [1, 64], "prompt_tokens": 200, "output_tokens": 20}
    bare = generate(LLAMA, rl.Machine.of(H100), **workload)
    for figure in ("energy_j", "power_w", "tokens_per_joule"):
        with pytest.raises(hs.UnknownValueError, match=r"bare rates without a TDP.*\.with_power_model\("):
            getattr(bare, figure)
    named, known = generate(LLAMA, H100, **workload), bare.with_power_model(power.model(H100))
    np.testing.assert_array_equal(known.energy_j, named.energy_j)
    np.testing.assert_array_equal(known.power_w, named.power_w)
    assert np.all(known.tokens_per_joule == named.tokens_per_joule)
    warmer = named.with_power_model(power.model(H100).replace(idle_w=90.3))
    assert warmer.power_w[0] == pytest.approx(named.power_w[0] + 10, abs=1)  # the throttled prefill draws no more
    with pytest.raises(ValueError, match="give a PowerModel"):
        bare.with_power_model(H100)


def test_an_unknown_power_is_an_error_that_names_it():
    # property: no TDP is published for the SN40L, and unknown is not zero.
    g = generate(LLAMA, hs.get("sn40l"), batch=1, prompt_tokens=64, output_tokens=16)
    with pytest.raises(hs.UnknownValueError, match="tdp_w"):
        _ = g.power_w


@settings(max_examples=15)
@given(
    prompt=st.integers(1, 2000),
    output=st.integers(2, 60),
    itl_ms=st.floats(5, 30),
    ttft_ms=st.floats(10, 3000),
)
def test_the_best_batch_is_the_last_within_the_limits(prompt, output, itl_ms, ttft_ms):
    # property: it meets both limits, and one more misses one or does not fit.
    workload = {"prompt_tokens": prompt, "output_tokens": output}
    limits = {"itl_s": itl_ms / 1e3, "ttft_s": ttft_ms / 1e3}
    batch = best_batch(LLAMA, H100, **workload, **limits)

    def meets(size):
        g = generate(LLAMA, H100, batch=size, **workload)
        return g.itl_s <= limits["itl_s"] and g.ttft_s <= limits["ttft_s"]

    assert batch == 0 or meets(batch)
    try:
        assert not meets(batch + 1)
    except rl.OutOfMemoryError:
        assert batch == best_batch(LLAMA, H100, **workload)


def test_limits_broadcast_and_bind():
    # property: a grid equals the loop, and a looser limit never gives less.
    itl, prompt = np.array([0.006, 0.01, 0.02]), np.array([[128], [2048]])
    grid = best_batch(LLAMA, H100, prompt_tokens=prompt, output_tokens=32, itl_s=itl)
    loop = [[best_batch(LLAMA, H100, prompt_tokens=p, output_tokens=32, itl_s=t) for t in itl] for p in prompt[:, 0]]
    np.testing.assert_array_equal(grid, loop)
    assert np.all(np.diff(grid, axis=1) >= 0)
    assert np.all(np.diff(grid, axis=0) <= 0)


def test_throughput_within_is_that_of_the_best_batch():
    # published: Kim II-B, throughput at the largest batch that meets a latency requirement.
    workload = {"prompt_tokens": 512, "output_tokens": 64, "precision": "fp8"}
    g = throughput_within(LLAMA, H100, **workload, latency_s=1.0)
    assert g.batch == best_batch(LLAMA, H100, **workload, latency_s=1.0)
    assert g.latency_s <= 1.0
    assert generate(LLAMA, H100, batch=g.batch + 1, **workload).latency_s > 1.0


def test_a_limit_that_nothing_meets_says_what_one_sequence_takes():
    # hand: 16 GB of weights at 3.35 TB/s are 5 ms, far above 0.1; and 141 GB do not fit.
    with pytest.raises(ValueError, match=r"itl_s = 0.0001 is not accepted: a batch of 1 .* takes itl_s = 0.00"):
        throughput_within(LLAMA, H100, prompt_tokens=512, output_tokens=64, itl_s=1e-4)
    with pytest.raises(rl.OutOfMemoryError, match="tensor_parallel"):
        best_batch(rl.get_llm("llama-3.1-70b"), H100, prompt_tokens=512, output_tokens=64)


def test_offloaded_weights_leave_room_for_sequences():
    # property: the last batch that fits does, one more does not, and there is room for more than with all weights.
    options = {"prompt_tokens": 4096, "output_tokens": 16}
    batch = best_batch(LLAMA, H100, **options, offload=0.5)
    assert batch > best_batch(LLAMA, H100, **options)
    assert rl.decode(LLAMA, H100, batch=batch, context_tokens=4111, offload=0.5).fits
    assert not rl.decode(LLAMA, H100, batch=batch + 1, context_tokens=4111, offload=0.5).fits


@given(
    points=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=40),
)
def test_the_front_is_what_nothing_beats(points):
    # sibling: every pair compared; small whole numbers give ties.
    latency, throughput = np.array(points, dtype=float).T

    def beaten(i):
        as_good = (latency <= latency[i]) & (throughput >= throughput[i])
        better = as_good & ((latency < latency[i]) | (throughput > throughput[i]))
        return better.any() or as_good[:i].any()  # of equal points the first stays

    front = pareto_front(latency, throughput)
    assert sorted(front) == [i for i in range(len(points)) if not beaten(i)]
    assert np.all(np.diff(latency[front]) > 0)
    assert np.all(np.diff(throughput[front]) > 0)


def test_a_front_needs_pairs():
    # property: what is no list of pairs is refused.
    with pytest.raises(ValueError, match="same length"):
        pareto_front([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="latency = nan"):
        pareto_front([np.nan], [1.0])


def test_the_serving_front_holds_the_best_configurations_and_names_the_refused():
    # sibling: the same figures from `generate`, one configuration at a time.
    batches, layouts = [1, 8, 64, 5000], [rl.Layout(), {"tensor_parallel": 4}]
    front = serving_front(
        LLAMA,
        H100,
        prompt_tokens=512,
        output_tokens=32,
        batches=batches,
        layouts=layouts,
        precisions=["bf16", "fp8", "nvfp4"],
        latency="itl_s",
    )
    for one in front.configurations:
        g = generate(LLAMA, H100, batch=one.batch, prompt_tokens=512, output_tokens=32, **one.options)
        assert one.latency == pytest.approx(g.itl_s, rel=1e-12)
        assert one.tokens_per_s_per_device == pytest.approx(g.output_tokens_per_s / g.devices, rel=1e-12)
        assert one.devices == g.devices
    assert np.all(np.diff(front.latencies_s) > 0)
    assert np.all(np.diff(front.tokens_per_s_per_device) > 0)
    # hand: 2 layouts × 2 precisions × 4 batches, less those refused; an H100 has no FP4.
    too_large = [name for name in front.refused if name.startswith("batch = 5000")]
    assert len(front.configurations) + len(front.beaten) + len(too_large) == 16
    assert sum("nvfp4" in name for name in front.refused) == 2


def test_no_configuration_at_all_is_an_error_with_its_reasons():
    # published: an H100 has no FP4 (data sheet).
    with pytest.raises(ValueError, match=r"no configuration runs and fits.*no dense matrix peak"):
        serving_front(LLAMA, H100, prompt_tokens=512, output_tokens=32, batches=1, precisions=["nvfp4"])


@pytest.mark.parametrize("key", ["sn40l", "cs-3"])
def test_a_front_says_whether_memory_or_what_is_compiled_refuses(key):
    # published: Brunetta IV-C, batches of 1 to 8; memory would hold more, and of long sequences it holds fewer.
    machine = hs.get(key)
    front = serving_front(LLAMA, machine, prompt_tokens=100, output_tokens=10, batches=[1, 8, 9])
    assert {one.batch for one in (*front.configurations, *front.beaten)} == {1, 8}
    (reason,) = front.refused.values()
    assert reason == f"{machine.name} runs batches compiled in advance, of at most 8"
    long = serving_front(LLAMA, machine, prompt_tokens=100_000, output_tokens=10, batches=[1, 5, 9])
    assert set(long.refused.values()) == {
        f"at most {rl.max_batch(LLAMA, machine, context_tokens=100_009):.0f} sequences fit"
    }


def test_a_front_takes_one_case_at_a_time():
    # property: arrays of rates or lengths are refused, instead of being paired with the batches one by one.
    two = rl.Machine(name="two", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=[2e12, 4e12], memory_bytes=90e9)
    workload = {"prompt_tokens": 64, "output_tokens": 8, "batches": [1, 2]}
    with pytest.raises(ValueError, match="two has arrays of rates: serving_front takes one machine at a time"):
        serving_front(LLAMA, two, **workload)
    with pytest.raises(ValueError, match=r"prompt_tokens = .* give one whole number"):
        serving_front(LLAMA, H100, **{**workload, "prompt_tokens": [64, 128]})
    with pytest.raises(ValueError, match="arrays are not accepted"):
        serving_front(LLAMA, H100, **workload, offload=[0.0, 0.1])


def test_an_option_that_no_phase_takes_is_named_with_those_that_are():
    # property: the error is about the function that was called, and is no reason to refuse a configuration.
    workload = {"prompt_tokens": 64, "output_tokens": 8}
    for call, name in ((generate, "generate"), (best_batch, "best_batch"), (throughput_within, "throughput_within")):
        with pytest.raises(TypeError, match=f"{name} does not take cached_tokens: .* tensor_parallel, .*without"):
            call(LLAMA, H100, **workload, cached_tokens=10)
    for wrong in ({"new_tokens": 2}, {"precision": "fp8"}):
        with pytest.raises(TypeError, match=f"serving_front does not take {next(iter(wrong))}"):
            serving_front(LLAMA, H100, **workload, batches=1, **wrong)
    with pytest.raises(TypeError, match=r"a layout does not take tensor: .* tensor_parallel"):
        serving_front(LLAMA, H100, **workload, batches=1, layouts=[{"tensor": 2}])


def test_the_package_names_what_it_exports():
    # property: every announced name is there.
    assert all(hasattr(serving, name) for name in serving.__all__)
