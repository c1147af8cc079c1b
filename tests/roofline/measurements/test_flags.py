"""Wrong runs are flagged and right ones are not: planted one by one, and in the files beside the checkout."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline.measurements import PHASES, Runs, flag, read
from roofline.measurements.bounds import least_time_s
from roofline.measurements.fields import FIELDS

SHARE = 0.6  # of the ideal throughput: what good software reaches


def generations():
    """Right runs: a share of what the ideal machine does, at equal, prompt-heavy and answer-heavy lengths."""
    rows = [
        {
            "accelerator": accelerator,
            "llm": llm,
            "precision": "bf16",
            "devices": devices,
            "framework": "vLLM",
            "phase": "generate",
            "batch": batch,
            "prompt_tokens": prompt,
            "output_tokens": output,
            "latency_s": 1.0,
            "power_w": 0.7 * hs.get(accelerator).tdp_w,
            "power_boundary": "device",
        }
        for accelerator, llm, devices in (
            ("h100-sxm", "llama-3.1-8b", 1),
            ("gaudi-2", "llama-2-7b", 1),
            ("mi300x", "llama-3.1-70b", 4),
            ("h200-sxm", "mixtral-8x7b", 2),
        )
        for batch in (1, 16, 64)
        for prompt, output in ((128, 128), (512, 512), (2048, 2048), (128, 2048), (2048, 128))
    ]
    latency = least_time_s(Runs.from_rows(rows)) / SHARE
    tokens = np.array([row["batch"] * (row["prompt_tokens"] + row["output_tokens"]) for row in rows])
    return [
        row | {"latency_s": time_s, "tokens_per_s": rate}
        for row, time_s, rate in zip(rows, latency.tolist(), (tokens / latency).tolist(), strict=True)
    ]


GOOD = generations()
ROW = st.integers(0, len(GOOD) - 1)
FEW = settings(deadline=None, max_examples=12)


def flags_of(rows):
    """Flags by index."""
    return {index: text for index, text in enumerate(flag(Runs.from_rows(rows)).flags) if text}


def planted(index, **changes):
    return [*GOOD[:index], GOOD[index] | changes, *GOOD[index + 1 :]]


def faster(row, by):
    return {"latency_s": row["latency_s"] / by, "tokens_per_s": row["tokens_per_s"] * by}


def test_right_runs_are_not_flagged():
    # property: of runs at a share of the roofline, and of the other phases.
    step = {"accelerator": "h100-sxm", "llm": "llama-3.1-8b", "precision": "fp8", "devices": 1}
    others = [
        step | {"phase": "decode", "batch": 64, "context_tokens": 2048, "output_tokens_per_s": 6100},
        step | {"phase": "prefill", "batch": 1, "prompt_tokens": 2048, "ttft_s": 0.03},
        step | {"phase": "serving", "concurrency": 64, "prompt_tokens": 500, "output_tokens_per_s": 1e5},
        step | {"phase": "gemm", "llm": "", "m": 8192, "k": 8192, "n": 8192, "tflops": 1400},
        step | {"phase": "attention", "latency_s": 1e-5},
    ]
    assert flags_of(GOOD) == {}
    assert flags_of(others) == {}


@FEW
@given(ROW, st.floats(1.05 / SHARE, 30))
def test_runs_faster_than_the_hardware(index, by):
    # hand: SHARE · by of the ideal roofline.
    (found,) = (rows := flags_of(planted(index, **faster(GOOD[index], by)))).items()
    assert found == (index, f"faster than the hardware: {SHARE * by:.3g} × the ideal roofline"), rows


@FEW
@given(ROW, st.floats(1.05, 20), st.booleans())
def test_throughputs_that_batch_and_latency_contradict(index, by, more):
    # hand: a throughput of outputs alone called that of both, of one sequence, in another unit, mistyped.
    off = by if more else 1 / by
    rows = flags_of(planted(index, latency_s=GOOD[index]["latency_s"] * off))
    words = rows.pop(index).split("; ")[0]
    assert words == f"tokens_per_s is {off:.3g} × batch · tokens / latency"
    assert not rows


def test_an_output_throughput_is_held_against_the_outputs():
    # hand: 16 sequences of 100 + 50 tokens in 2 s write 400 tokens a second and read and write 1,200.
    run = {"phase": "generate", "batch": 16, "prompt_tokens": 100, "output_tokens": 50, "latency_s": 2.0}
    assert flags_of([run | {"output_tokens_per_s": 400, "tokens_per_s": 1200}]) == {}
    assert flags_of([run | {"output_tokens_per_s": 1200}]) == {0: "output_tokens_per_s is 3 × batch · tokens / latency"}
    assert flags_of([run | {"tokens_per_s": 1200 * 1.019}]) == {}  # rounding


@FEW
@given(ROW)
def test_milliwatts_for_watts(index):
    # hand: 0.7 of the TDP, times 1000.
    rows = flags_of(planted(index, power_w=1000 * GOOD[index]["power_w"]))
    assert list(rows) == [index]
    assert rows[index].endswith(" is 700 × the TDP, milliwatts?")


def test_power_is_held_against_the_tdp_of_a_device_alone():
    # hand: 1.6 times the TDP of an H100 (700 W) is none of a device, and may be that of a server of eight.
    run = GOOD[0] | {"power_w": 1120.0}
    for boundary, wrong in (("device", True), ("board", True), ("", True), ("chassis", False), ("rack", False)):
        assert flags_of([run | {"power_boundary": boundary}]) == (
            {0: "power_w = 1120 is 1.6 × the TDP"} if wrong else {}
        )
    assert flags_of([run | {"power_w": 1049.0}]) == {}  # a peak is above the TDP, 1.5 times it is not
    assert flags_of([run | {"accelerator": "no-such-chip", "power_w": 1e6}]) == {}


@FEW
@given(ROW, st.integers(0, len(GOOD)))
def test_rows_that_stand_there_twice(index, place):
    # property: the later one is the repeat, wherever it stands, and whatever file, line or date it has.
    rows = [row | {"row": line + 2, "file": "a.csv"} for line, row in enumerate(GOOD)]
    rows.insert(place, GOOD[index] | {"row": 99, "file": "b.csv", "date": "2024", "source": "elsewhere", "spread": 0.1})
    first, later = sorted((place, index if index < place else index + 1))
    said = rows[first]
    assert flags_of(rows) == {later: f"repeats row {said['row']} of {said['file']}"}


@FEW
@given(ROW, st.floats(1.11, 1.6))
def test_rows_that_contradict_each_other(index, by):
    # hand: the same run, slower by more than repeats differ; which is wrong nobody knows, so both are flagged.
    rows = [*GOOD, GOOD[index] | faster(GOOD[index], 1 / by)]
    assert flags_of(rows) == {
        index: f"contradicts run {len(GOOD)}: {by:.3g} × as fast",
        len(GOOD): f"contradicts run {index}: {1 / by:.3g} × as fast",
    }
    # What tells the two apart makes them two runs.
    assert flags_of([*rows[:-1], rows[-1] | {"version": "0.1"}]) == {}


@FEW
@given(ROW, st.floats(0.92, 1.09))
def test_repeats_that_scatter_are_right(index, by):
    # property: two runs of the same differ by some percent; both stay.
    assume(by != 1)
    assert flags_of([*GOOD, GOOD[index] | faster(GOOD[index], by) | {"spread": 0.02}]) == {}


def test_generations_beyond_the_context():
    # hand: Llama 2 attends to 4,096 tokens; 2,048 + 2,049 are one more.
    run = GOOD[0] | {"llm": "llama-2-7b", "latency_s": 100.0, "prompt_tokens": 2048, "output_tokens": 2049}
    run["tokens_per_s"] = None
    beyond = {0: "prompt and output are beyond the model's context of 4,096 tokens"}
    assert flags_of([run]) == beyond
    assert flags_of([run | {"output_tokens": 2048}]) == {}
    assert flags_of([run | {"llm": "no-such-model"}]) == {}
    # measured: TensorRT-LLM's own tables have GPT-J 6B at 2,048 + 2,048 tokens, at 0.8 of the roofline as others.
    assert flags_of([run | {"framework": "TensorRT-LLM"}]) == {}


EQUAL = [row for row, run in enumerate(GOOD) if run["prompt_tokens"] == run["output_tokens"] < 2048]


@FEW
@given(st.sampled_from(EQUAL), st.floats(1.2, 20))
def test_first_runs_that_warm_up(index, by):
    # hand: a token takes longer than in the same run with longer prompts and answers, where it costs more.
    def per_token(run):
        return run["latency_s"] / (run["prompt_tokens"] + run["output_tokens"])

    apart = ("prompt_tokens", "output_tokens", "latency_s", "tokens_per_s")
    known = {name: value for name, value in GOOD[index].items() if name not in apart}
    longer = np.median([
        per_token(run)
        for run in GOOD
        if run.items() >= known.items() and run["prompt_tokens"] == run["output_tokens"] > GOOD[index]["prompt_tokens"]
    ])  # fmt: skip
    slower = by * longer / per_token(GOOD[index])
    rows = flags_of(planted(index, **faster(GOOD[index], 1 / slower)))
    assert index in rows  # and shorter ones, if it is now the median that they are held against
    found = re.fullmatch(r"(.+) × the time per token of longer runs: a first run, still warming up\?", rows[index])
    assert float(found[1]) == pytest.approx(by, rel=0.01)
    slower = 1.1 * longer / per_token(GOOD[index])  # what is done once for every run is no warming up
    assert flags_of(planted(index, **faster(GOOD[index], 1 / slower))) == {}


def test_answers_cost_more_than_prompts_and_warm_nothing_up():
    # measured: Gaudi 3 on Mistral 7B in FP8 (Intel, 1.18): 128 + 2048 tokens take 2.4 times as long for each token as
    # 2048 + 128 do, since those are read together and these written one by one.
    for index, run in enumerate(GOOD):
        if run["prompt_tokens"] < run["output_tokens"]:
            heavy = GOOD[index + 1]
            assert heavy["prompt_tokens"] > heavy["output_tokens"]
            if run["batch"] == 64:
                assert run["tokens_per_s"] < heavy["tokens_per_s"] / 2  # so that a comparison of the two would flag it
            assert flags_of([run, heavy]) == {}


def test_a_wrong_run_is_no_measure_for_a_right_one():
    # hand: the longest run is impossibly fast, and the others are not slow for that.
    long = next(i for i, run in enumerate(GOOD) if run["prompt_tokens"] == run["output_tokens"] == 2048)
    assert list(flags_of(planted(long, **faster(GOOD[long], 20)))) == [long]


def test_flags_that_are_there_stay_once():
    # property: flagging twice says nothing new.
    rows = [*planted(3, **faster(GOOD[3], 9)), GOOD[0] | {"flags": "odd", "batch": 2, "tokens_per_s": None}]
    once = flag(Runs.from_rows(rows))
    twice = flag(once)
    assert once.flags.tolist() == twice.flags.tolist()
    assert once.flags[-1] == "odd"
    assert len(flag(once[:0])) == 0


def test_all_that_is_wrong_is_said():
    # hand
    rows = planted(0, latency_s=GOOD[0]["latency_s"] / 100, tokens_per_s=GOOD[0]["tokens_per_s"] * 50, power_w=4e5)
    assert [words.split(" ")[0] for words in flags_of(rows)[0].split("; ")] == ["faster", "tokens_per_s", "power_w"]


HUGE = st.sampled_from([None, 1e-300, 1.0, 1e18, 1.8e296, 1.7e308])


@given(st.lists(st.fixed_dictionaries({
    "phase": st.sampled_from(PHASES), "accelerator": st.just("h100-sxm"), "llm": st.just("mixtral-8x7b"),
    **{name: HUGE for name, field in FIELDS.items() if not field.is_text and name != "row"},
}), max_size=4))  # fmt: skip
def test_figures_beyond_all_measure_are_no_crash(rows):
    # property: nothing overflows (warnings are errors), and no run is lost.
    runs = Runs.from_rows(rows)
    assert len(flag(runs)) == len(runs)


# ------------------------------------------------------------------------------------------------- files of real runs


@pytest.fixture(scope="module")
def folder(shared):
    if not (shared / "measured").is_dir():
        pytest.skip("needs the shared folder of measured runs: set INFERENCE_TCO_SHARED")
    return shared / "measured"


def kinds(runs):
    words = (text for flags in runs.flags for text in flags.split("; ") if text)
    return Counter(re.sub(r"[\d.,]+(e[-+]\d+)?", "#", text).split(" of ")[0] for text in words)


def test_what_is_wrong_in_llm_inference_bench(folder):
    # measured: the 20 GH200 rows of 2,048 + 2,048 tokens with models of 2,048 are prefills alone; Max 1550's vLLM rows
    # stand there twice, with and without 15 s of compiling. Mixtral of equal sequences is not faster than its experts.
    runs = read(folder / "upstream/llm_inference_bench_all_results.csv")
    found = kinds(runs)
    assert found["prompt and output are beyond the model's context"] == 20
    fast = runs.where(lambda runs: np.array(["faster" in text for text in runs.flags]))
    assert set(fast.accelerator) == {"gh200-96gb"}
    assert set(fast.prompt_tokens) == {2048}
    contradicting = runs.where(lambda runs: np.array(["contradicts" in text for text in runs.flags]))
    assert set(zip(contradicting.accelerator, contradicting.framework, strict=True)) == {("max-1550", "vLLM")}
    assert len(runs.clean) > 0.95 * len(runs)


@pytest.mark.parametrize(
    ("file", "flagged"),
    [
        # measured: read by hand. All of one table in milliwatts; rows 216 to 276 of another are rows 2 to 62 again;
        # MLPerf's results of the model at 99 and 99.9 % of its accuracy are the same runs.
        ("upstream/llm_inference_bench_power.csv", {"power_w = # is # × the TDP# milliwatts?"}),
        ("upstream/mlperf_inference_v5.1_llama2-70b_sample.json", {"repeats row #"}),
        ("upstream/llm_inference_bench_quant.csv", set()),  # caches of int8 and fp8 are two kernels, no contradiction
        ("upstream/llm_inference_bench_ttft_itl.csv", set()),
        ("trtllm_v0.6.1_static_batch.csv", set()),
        ("intel_gaudi_1.18.csv", set()),
        ("mamf_stas00.csv", set()),
        ("ml_energy_v3.csv", set()),
    ],
)
def test_what_is_wrong_in_the_other_files(folder, file, flagged):
    assert set(kinds(read(folder / file))) == flagged


def test_a_model_of_experts_may_have_read_few_of_them():
    # hand: of Mixtral's 8 experts in each layer, 64 alike sequences read 2: a quarter of the weights, nearly.
    device, llm = hs.get("h100-sxm"), rl.get_llm("mixtral-8x7b")
    ideal = {
        skew: rl.decode(llm, device, batch=64, context_tokens=1, tensor_parallel=2, routing_skew=skew)
        for skew in (0.0, 10.0)
    }
    assert ideal[10.0].time_s < ideal[0.0].time_s * 2 / 5
    rate = 64 / (2 * ideal[10.0].time_s)
    run = {"accelerator": "h100-sxm", "llm": "mixtral-8x7b", "precision": "bf16", "devices": 2, "phase": "decode",
           "batch": 64, "context_tokens": 1, "output_tokens_per_s": rate}  # fmt: skip
    assert flags_of([run]) == flags_of([run | {"routing_skew": 10.0}]) == {}
    assert list(flags_of([run | {"routing_skew": 0.0}])) == [0]
