"""The ideal time of a measured run: the library's own estimates of the same work, by another route."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import formulas
from roofline.measurements import PHASES, Runs
from roofline.measurements.bounds import codes_of, groups, layout_of, least_time_s, measured_time_s
from roofline.measurements.fields import FIELDS
from roofline.nodes import context_nodes
from roofline.precision import policy

RUN = {
    "accelerator": "h100-sxm",
    "llm": "llama-3.1-8b",
    "precision": "bf16",
    "devices": 1,
    "phase": "generate",
    "batch": 16,
    "prompt_tokens": 1024,
    "output_tokens": 256,
    "latency_s": 1.0,
}
# Columns by run, and the same layout in words of the library: one device, several of each kind, dies, experts.
CASES = {
    "one device": ({}, {}),
    "one sequence, one token": ({"batch": 1, "prompt_tokens": 1, "output_tokens": 1}, {}),
    "long": ({"batch": 3, "prompt_tokens": 100, "output_tokens": 8000}, {}),
    "a dataflow of vectors": ({"accelerator": "gaudi-2"}, {}),
    "tensor parallel": ({"devices": 4, "llm": "llama-3.1-70b"}, {"tensor": 4}),
    "by name": (
        {"devices": 4, "tensor_parallel": 2, "pipeline_parallel": 2, "llm": "llama-2-70b"},
        {"tensor": 2, "pipeline": 2},
    ),
    "copies": ({"devices": 4, "data_parallel": 4}, {"data": 4}),
    "dies": ({"accelerator": "mi250", "devices": 2}, {"tensor": 2}),
    "experts, evenly": ({"llm": "mixtral-8x7b", "devices": 4, "routing_skew": 0.0}, {"tensor": 4}),
    "experts, skewed": ({"llm": "mixtral-8x7b", "devices": 4, "routing_skew": 1.2}, {"tensor": 4}),
    "experts, the same": ({"llm": "mixtral-8x7b", "devices": 4, "routing_skew": 10.0}, {"tensor": 4}),
    "whole experts": (
        {"llm": "mixtral-8x7b", "devices": 4, "data_parallel": 4, "expert_parallel": 4, "routing_skew": 0.5},
        {"data": 4, "expert": 4},
    ),
    "latent attention": (
        {"llm": "deepseek-v2-lite", "accelerator": "h200-sxm", "routing_skew": 0.0},
        {},
    ),
    "fp8": ({"precision": "fp8"}, {}),
    "8-bit weights": ({"precision": "w8a16", "accelerator": "a100-sxm-80gb"}, {}),
    "8-bit cache": ({"precision": "bf16-kv8"}, {}),
}  # fmt: skip


def runs_of(**changes):
    return Runs.from_rows([RUN | changes])


def least(**changes):
    (time_s,) = least_time_s(runs_of(**changes))
    return time_s


def library(phase, changes, layout, **work):
    """The same by the public call; who says FP8 may have an FP8 cache as well."""
    row = RUN | changes
    formats = policy(row["precision"])
    if formats.compute == "fp8":
        formats = formats.replace(kv_cache="fp8")
    return getattr(rl, phase)(
        rl.get_llm(row["llm"]),
        hs.get(row["accelerator"]),
        batch=row["batch"],
        precision=formats,
        layout=rl.Layout(**layout),
        routing_skew=row.get("routing_skew", 0.0),
        **work,
    )


@pytest.mark.parametrize(("changes", "layout"), CASES.values(), ids=CASES)
def test_a_generation_is_what_generate_says(changes, layout):
    # sibling: every decode step one by one, against five contexts that stand for all; a kink costs up to 1e-3.
    row = RUN | changes
    whole = library("generate", changes, layout, prompt_tokens=row["prompt_tokens"], output_tokens=row["output_tokens"])
    assert least(**changes) == pytest.approx(float(whole.latency_s), rel=1e-3)


@pytest.mark.parametrize(("changes", "layout"), CASES.values(), ids=CASES)
def test_a_phase_is_what_the_phase_says(changes, layout):
    # sibling
    row = RUN | changes
    first = library("prefill", changes, layout, prompt_tokens=row["prompt_tokens"])
    assert least(**changes, phase="prefill") == pytest.approx(float(first.time_s), rel=1e-12)
    step = library("decode", changes, layout, context_tokens=row["prompt_tokens"])
    assert least(**changes, phase="decode", context_tokens=row["prompt_tokens"]) == pytest.approx(
        float(step.time_s), rel=1e-12
    )


def test_a_product_is_the_roofline_of_its_flops_and_bytes():
    # sibling: inputs in the format that is named, the output in 16 bits.
    h100 = hs.get("h100-sxm")
    for precision, width in (("bf16", 2), ("fp8", 1)):
        for m, k, n in ((1, 4096, 4096), (8192, 8192, 8192), (100, 7, 3)):
            expected = formulas.roofline_time_s(
                flops=2.0 * m * k * n,
                bytes=width * (m * k + k * n) + 2.0 * m * n,
                flops_per_s=h100.peak_flops(precision),
                bytes_per_s=h100.memory_bytes_per_s,
            )
            found = least(phase="gemm", llm="", precision=precision, m=m, k=k, n=n, tflops=1.0)
            assert found == pytest.approx(float(expected), rel=1e-12)


def test_where_nobody_says_how_experts_are_chosen_any_choice_is_a_bound():
    # property: all tokens may have chosen the same experts, and of whole experts on devices the even choice is best.
    for layout in ({"devices": 4}, {"devices": 4, "data_parallel": 4, "expert_parallel": 4}):
        for batch in (1, 16, 300):
            of_skew = [least(llm="mixtral-8x7b", batch=batch, routing_skew=s, **layout) for s in (0.0, 0.8, 2.0, 100.0)]
            assert least(llm="mixtral-8x7b", batch=batch, **layout) == min(of_skew)
            assert of_skew.index(min(of_skew)) in (0, 3)


def test_a_mean_batch_is_never_more_work_than_its_whole_sequences():
    # property: 12.7 sequences at once are 12 or more half of the time or more.
    step = {"phase": "decode", "context_tokens": 2048}
    assert least(**step, batch=12.7) == least(**step, batch=12)
    assert least(**step, batch=0.3) == least(**step, batch=1)


def test_a_step_of_unknown_context_attends_to_half_of_the_answer():
    # hand: of 1024 + 256 tokens, 1024 + 128.
    assert least(phase="decode") == least(phase="decode", context_tokens=1152)


UNKNOWN = {
    "accelerator": "no-such-chip",
    "llm": "no-such-model",
    "precision": "no-such-format",
    "devices": None,
    "batch": None,
    "prompt_tokens": None,
    "output_tokens": None,
    "phase": "serving",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_of_what_is_not_known_there_is_no_bound(name):
    # hand: NaN, and neither 0 nor an error.
    assert np.isnan(least(**{name: UNKNOWN[name]}))


def test_what_cannot_be_divided_or_multiplied_has_no_bound():
    # hand: an A100 has no FP8 engine, Whole experts need their number, and no chip multiplies w8a16 as a kernel.
    assert np.isnan(least(accelerator="a100-sxm-80gb", precision="fp8"))
    assert np.isnan(least(devices=6, tensor_parallel=2, data_parallel=1, expert_parallel=7, llm="mixtral-8x7b"))
    assert np.isnan(least(phase="gemm", precision="w8a16", m=1, k=1, n=1))


def test_links_that_nobody_knows_take_no_time():
    # property: a bound without them, faster than one device and not twice as fast.
    unknown = [key for key in hs.names() if hs.get(key).scale_up is None and hs.get(key).dies == 1]
    known = [key for key in unknown if np.isfinite(least(accelerator=key))]
    assert known
    for key in known:
        one, two = (least(accelerator=key, devices=n) for n in (1, 2))
        assert one / 2.001 < two < one


def test_runs_together_are_runs_one_by_one():
    # property: broadcast equals loop, in whatever order, and groups hold every run once.
    rows = [RUN | changes | {"phase": phase, "context_tokens": 99} for changes, _ in CASES.values() for phase in PHASES]
    rows += [row | {"batch": 5, "prompt_tokens": 31} for row in rows]
    order = np.random.default_rng(4).permutation(len(rows))
    runs = Runs.from_rows([rows[index] for index in order])
    together = least_time_s(runs)
    one_by_one = np.array([least_time_s(runs[[index]])[0] for index in range(len(runs))])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)
    assert sorted(np.concatenate(list(groups(runs).values())).tolist()) == list(range(len(runs)))
    assert len(least_time_s(runs[:0])) == len(measured_time_s(runs[:0])) == len(groups(runs[:0])) == 0


def test_codes_tell_apart_what_differs_however_many_columns():
    # property: the product of twelve columns of 1,000 values is beyond 64 bits.
    columns = [np.random.default_rng(seed).permutation(1000).astype(float) for seed in range(12)]
    columns.append(np.array(["a", "b"] * 500, dtype=object))
    assert len(set(codes_of(columns, 1000).tolist())) == 1000
    assert len(set(codes_of([np.full(1000, np.nan)], 1000).tolist())) == 1  # unknown is alike


def test_layouts_are_those_that_are_said():
    # hand
    nan = float("nan")
    assert layout_of((nan, nan, nan, nan), nan) is None
    assert layout_of((nan, nan, nan, nan), 8.0) == rl.Layout(tensor=8)
    assert layout_of((2.0, 4.0, nan, nan), 8.0) == rl.Layout(tensor=2, pipeline=4)
    assert layout_of((1.0, 1.0, 8.0, 8.0), 8.0) == rl.Layout(data=8, expert=8)
    assert layout_of((1.0, 1.0, 3.0, 2.0), 2.0) is None  # experts in thirds on two devices
    assert layout_of((1e300, nan, nan, nan), 8.0) is layout_of((nan, nan, nan, nan), 1e7) is None


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        # hand: tokens over tokens/s, the throughput first since it is of the whole run.
        ({"tokens_per_s": 2560.0, "latency_s": None}, 8.0),  # 16 · 1280 / 2560
        ({"output_tokens_per_s": 1024.0, "latency_s": 9.0}, 4.0),  # 16 · 256 / 1024
        ({"latency_s": 9.0}, 9.0),
        ({"phase": "prefill", "ttft_s": 0.5, "latency_s": 9.0}, 0.5),
        ({"phase": "prefill", "latency_s": None, "tokens_per_s": 4096.0}, 4.0),  # 16 · 1024 / 4096
        ({"phase": "decode", "itl_s": 0.02, "latency_s": 9.0}, 0.02),
        ({"phase": "decode", "output_tokens_per_s": 800.0, "latency_s": 9.0}, 0.02),  # 16 / 800
        ({"phase": "gemm", "m": 100, "k": 1000, "n": 5000, "tflops": 10.0, "latency_s": 9.0}, 1e-4),  # 1e9 / 1e13
        ({"phase": "gemm", "latency_s": 3e-4}, 3e-4),
        ({"phase": "attention", "latency_s": 3e-4}, 3e-4),
        ({"phase": "serving", "requests_per_s": 3.0}, float("nan")),
        ({"phase": "generate", "latency_s": None, "power_w": 300.0}, float("nan")),
    ],
)
def test_the_time_that_a_run_took(changes, seconds):
    np.testing.assert_allclose(measured_time_s(runs_of(**changes)), [seconds], rtol=1e-12)


HUGE = st.sampled_from([1e-300, 1e-30, 1.0, 1e3, 1e18, 1e30, 1.8e296, 1.7e308])
COUNTS = st.sampled_from([1.0, 2.0, 8.0, 1e6, 1e18, 1e300])


@given(
    st.fixed_dictionaries(
        {
            "phase": st.sampled_from(PHASES),
            "llm": st.sampled_from(["llama-3.1-8b", "mixtral-8x7b", "deepseek-r1"]),
            **{
                name: st.one_of(st.none(), COUNTS if name in ("m", "k", "n", "devices") or "parallel" in name else HUGE)
                for name, field in FIELDS.items()
                if not field.is_text and name != "row"
            },
        }
    )
)
def test_figures_beyond_all_measure_give_no_warning_and_no_infinity(values):
    # property: a table may hold anything; a bound is a time, or not known.
    runs = Runs.from_rows([RUN | {"latency_s": None} | values])
    for times in (least_time_s(runs), measured_time_s(runs)):
        assert np.all(np.isnan(times) | ((times > 0) & np.isfinite(times)))


@given(st.integers(2, 5000), st.integers(0, 5000), st.lists(st.floats(-2, 2), min_size=1, max_size=10))
def test_a_few_contexts_stand_for_all(first, steps, coefficients):
    # sibling: Gauss-Legendre is exact for the integral of polynomials below twice its order; here against the integral
    # from half a token before the first step to half a token behind the last, which of a line is the sum itself. From
    # a context of one token that half would be none, and contexts are kept at one and above.
    contexts, weights = context_nodes(np.array(float(first)), np.array(float(first + steps - 1)))
    assert weights.sum() == pytest.approx(steps, rel=1e-12, abs=1e-12)
    assert float((weights * contexts).sum()) == pytest.approx(sum(range(first, first + steps)), rel=1e-12, abs=1e-9)
    scaled = np.polynomial.Polynomial(coefficients, domain=[first - 0.5, first + steps + 0.5], window=[-1, 1])
    integral = scaled.integ()
    exact = integral(first + steps - 0.5) - integral(first - 0.5)
    inside = contexts >= 1
    if inside.all():
        assert float((weights * scaled(contexts)).sum()) == pytest.approx(exact, rel=1e-9, abs=1e-6)
