"""The importers of tools without a sample here: fixtures with the fields that each tool's own source writes.

The fields are those of the tool's version that each fixture names; the figures are made up, and round, so that the
expected values can be worked out by hand.
"""

from __future__ import annotations

import json

import pytest

from roofline.measurements import UnrecognisedFormatError, read

GIVEN = {"accelerator": "NVIDIA H100 80GB HBM3", "precision": "bf16", "devices": 1}


@pytest.fixture
def written(tmp_path):
    def write(content, name="run.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def lines(*items):
    return "\n".join(map(json.dumps, items)) + "\n"


def reasons(runs):
    return [rejected.reason for rejected in runs.rejected]


# ----------------------------------------------------------------------------------------------------------- vllm bench

# vLLM 0.11.0, vllm/benchmarks/serve.py: 100 requests of 1,000 + 200 tokens in 50 s.
VLLM_SERVE = {
    **{"date": "20251003-101500", "endpoint_type": "vllm", "backend": "vllm", "label": None},
    **{"model_id": "meta-llama/Llama-3.1-8B-Instruct", "tokenizer_id": "meta-llama/Llama-3.1-8B-Instruct"},
    **{"num_prompts": 100, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 16},
    **{"duration": 50.0, "completed": 100, "failed": 0, "total_input_tokens": 100_000, "total_output_tokens": 20_000},
    **{"request_throughput": 2.0, "request_goodput": None, "output_throughput": 400.0},
    **{"total_token_throughput": 2400.0, "max_output_tokens_per_s": 520.0, "max_concurrent_requests": 20},
    **{"mean_ttft_ms": 150.0, "median_ttft_ms": 140.0, "std_ttft_ms": 30.0, "p99_ttft_ms": 250.0},
    **{"mean_tpot_ms": 20.0, "median_tpot_ms": 19.0, "mean_itl_ms": 60.0, "median_itl_ms": 19.0},
    **{"mean_e2el_ms": 4130.0},
}


def test_a_run_of_vllm_bench_serve(written):
    runs = read(written(VLLM_SERVE), **GIVEN, version="0.11.0")
    (run,) = runs
    assert run.accelerator == "h100-sxm"
    assert run.llm == "llama-3.1-8b"
    assert run.framework == "vLLM"
    assert run.version == "0.11.0"
    assert run.phase == "serving"
    assert run.concurrency == 16
    assert run.date == "20251003-101500"
    # hand: 100,000 / 100 and 20,000 / 100 tokens a request; milliseconds become seconds.
    assert (run.prompt_tokens, run.output_tokens) == (1000, 200)
    assert (run.output_tokens_per_s, run.tokens_per_s, run.requests_per_s) == (400, 2400, 2)
    assert (run.latency_s, run.ttft_s) == (4.13, 0.15)
    # hand: tokens arrive three at a time, so that the gap between two arrivals is not the time of a token.
    assert run.itl_s == 0.02
    # property: the mean latency is what its parts say: 0.15 s and 199 tokens at 20 ms.
    assert run.latency_s == pytest.approx(run.ttft_s + (run.output_tokens - 1) * run.itl_s)
    assert run.inferred is None


def test_vllm_bench_serve_names_no_accelerator_devices_or_precision(written):
    for left_out in GIVEN:
        given = {name: value for name, value in GIVEN.items() if name != left_out}
        runs = read(written(VLLM_SERVE), **given)
        assert len(runs) == 0
        assert reasons(runs) == [f"the file names no {left_out}: give read(..., {left_out}=…)"]


def test_what_stands_in_the_metadata_and_in_the_models_name_counts(written):
    # vllm bench serve --metadata tensor_parallel_size=4 writes a text.
    said = VLLM_SERVE | {"tensor_parallel_size": "4", "model_id": "nvidia/Llama-3.1-8B-Instruct-FP8"}
    (run,) = read(written(said), accelerator="h100-sxm")
    assert (run.devices, run.tensor_parallel) == (4, 4)
    assert run.precision == "fp8"
    assert run.inferred == "precision"
    more = said | {"pipeline_parallel_size": 2, "data_parallel_size": 3}
    assert read(written(more), accelerator="h100-sxm")[0].devices == 24  # hand: 4 · 2 · 3
    (run,) = read(written(said), accelerator="h100-sxm", precision="fp8-kv8")
    assert run.precision == "fp8-kv8"
    assert run.inferred is None


def test_the_endpoint_need_not_be_vllms_and_the_older_name_of_the_backend_is_known(written):
    # benchmark_serving.py of vLLM 0.6 wrote no failed, no max_concurrency, and the backend alone.
    old = {key: value for key, value in VLLM_SERVE.items() if key not in ("failed", "endpoint_type", "max_concurrency")}
    assert read(written(old | {"backend": "tensorrt-llm"}), **GIVEN)[0].framework == "TensorRT-LLM"
    assert (
        read(written(VLLM_SERVE | {"backend": "openai-chat", "endpoint_type": "openai-chat"}), **GIVEN)[0].framework
        is None
    )
    assert read(written(VLLM_SERVE | {"backend": "openai"}), **GIVEN, framework="sglang")[0].framework == "SGLang"
    assert read(written(VLLM_SERVE | {"request_rate": 4.0}), **GIVEN)[0].variant == "4 requests/s"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"completed": 90}, "10 of its 100 requests failed"),
        ({"completed": 0}, "completed = 0 is not accepted"),
        ({"total_output_tokens": 0}, "total_output_tokens = 0 is not accepted"),
        ({"output_throughput": "fast"}, "output_throughput = 'fast' is not a number"),
        ({"output_throughput": 1e400}, "output_throughput is not finite"),
        ({"output_throughput": None}, "no output_throughput"),
        ({"output_throughput": True}, "output_throughput is bool where a number should be"),
        ({"model_id": "resnet50"}, "no llm 'resnet50' in the catalogue"),
        ({"model_id": {"a": 1}}, "the file names no llm"),
        ({"mean_ttft_ms": -5}, "ttft_s = -0.005 is not accepted"),
    ],
)
def test_a_run_that_says_too_little_is_refused_with_the_reason(written, change, reason):
    runs = read(written(VLLM_SERVE | change), **GIVEN)
    assert len(runs) == 0
    assert len(runs.rejected) == 1
    assert reason in runs.rejected[0].reason


def test_runs_that_were_appended_are_a_run_each(written):
    # vllm bench serve --append-result writes one object per line.
    runs = read(
        written(lines(VLLM_SERVE, VLLM_SERVE | {"max_concurrency": 32}) + '{"date": "2025', "runs.jsonl"), **GIVEN
    )
    assert runs.concurrency.tolist() == [16, 32]
    assert runs.row.tolist() == [1, 2]
    assert [rejected.row for rejected in runs.rejected] == [3]


def test_a_run_of_vllm_bench_throughput(written):
    # vLLM 0.11.0, vllm/benchmarks/throughput.py --output-json: 200 requests of 1,024 + 256 tokens in 40 s.
    result = {"elapsed_time": 40.0, "num_requests": 200, "total_num_tokens": 256_000}
    result |= {"requests_per_second": 5.0, "tokens_per_second": 6400.0}
    (run,) = read(written(result), **GIVEN, llm="llama-3.1-8b", prompt_tokens=1024)
    # hand: 256,000 / 200 = 1,280 tokens a request, of which 256 are the answer; 5 · 256 = 1,280 output tokens/s.
    assert (run.output_tokens, run.output_tokens_per_s, run.tokens_per_s) == (256, 1280, 6400)
    assert run.framework == "vLLM"
    assert run.phase == "serving"
    assert reasons(read(written(result), **GIVEN, llm="llama-3.1-8b")) == [
        "the file names no prompt_tokens: give read(..., prompt_tokens=…)"
    ]


def test_a_run_of_vllm_bench_latency(written):
    # vLLM 0.11.0, vllm/benchmarks/latency.py --output-json.
    result = {"avg_latency": 2.5, "latencies": [2.4, 2.6], "percentiles": {"50": 2.5, "99": 2.6}}
    given = GIVEN | {"llm": "llama-3.1-8b", "batch": 8, "prompt_tokens": 32, "output_tokens": 128}
    (run,) = read(written(result), **given)
    assert (run.phase, run.batch, run.prompt_tokens, run.output_tokens, run.latency_s) == ("generate", 8, 32, 128, 2.5)
    del given["batch"]
    assert "the file names no batch" in reasons(read(written(result), **given))[0]


# ----------------------------------------------------------------------------------------------------------- InferenceX

# SemiAnalysisAI/InferenceX utils/process_result.py, as of 2025-12: eight devices, 64 clients, 1,024 + 1,024 tokens.
INFERENCEX = {
    **{"hw": "b200-nv", "conc": 64, "image": "vllm/vllm-openai:v0.11.2", "model": "openai/gpt-oss-120b"},
    **{"infmax_model_prefix": "gptoss120b", "framework": "vllm", "precision": "fp4", "spec_decoding": "none"},
    **{"disagg": False, "isl": 1024, "osl": 1024, "is_multinode": False, "tp": 8, "ep": 1, "dp_attention": "false"},
    **{"tput_per_gpu": 2000.0, "output_tput_per_gpu": 1000.0, "input_tput_per_gpu": 1000.0},
    **{"mean_ttft": 0.2, "median_ttft": 0.18, "mean_tpot": 0.008, "median_tpot": 0.0079, "mean_itl": 0.009},
    **{"mean_intvty": 125.0, "mean_e2el": 7.4, "median_e2el": 7.3, "avg_power_w": 600.0},
}


def test_a_run_of_inferencex(written):
    (run,) = read(written([INFERENCEX]))
    # hand: rates are per device, of eight.
    assert (run.devices, run.tensor_parallel) == (8, 8)
    assert (run.output_tokens_per_s, run.tokens_per_s) == (8000, 16_000)
    assert (run.concurrency, run.prompt_tokens, run.output_tokens) == (64, 1024, 1024)
    assert (run.ttft_s, run.itl_s, run.latency_s) == (0.2, 0.008, 7.4)
    assert (run.power_w, run.power_boundary) == (600, "device")
    assert (run.accelerator, run.llm, run.framework) == ("b200", "gpt-oss-120b", "vLLM")
    # published: gpt-oss ships its experts in MXFP4, which "fp4" stands for here.
    assert run.precision == "mxfp4"


def test_fp4_is_the_format_of_the_machine(written):
    deepseek = INFERENCEX | {"model": "nvidia/DeepSeek-R1-0528-FP4-V2", "infmax_model_prefix": "dsr1"}
    runs = read(written([deepseek, deepseek | {"hw": "mi355x", "model": "amd/DeepSeek-R1-0528-MXFP4-Preview"}]))
    assert runs.precision.tolist() == ["nvfp4", "mxfp4"]
    assert set(runs.llm) == {"deepseek-r1"}


def test_pools_apart_count_the_output_of_those_that_decode(written):
    # process_result.py: total over all devices; output over those that decode, input over those that prefill.
    pools = {key: value for key, value in INFERENCEX.items() if key not in ("tp", "ep", "dp_attention", "avg_power_w")}
    pools |= {"hw": "gb200-nv", "disagg": True, "is_multinode": True, "prefill_tp": 4, "prefill_ep": 4, "decode_tp": 8}
    pools |= {"decode_ep": 8, "prefill_num_workers": 1, "decode_num_workers": 1, "num_prefill_gpu": 4}
    pools |= {"num_decode_gpu": 8, "tput_per_gpu": 1500.0, "output_tput_per_gpu": 1000.0, "input_tput_per_gpu": 2500.0}
    (run,) = read(written([pools]))
    assert run.devices == 12
    assert run.variant == "4 prefill and 8 decode devices"
    assert run.tensor_parallel is None
    assert (run.output_tokens_per_s, run.tokens_per_s) == (8000, 18_000)
    # property: 4 devices at 2,500 input tokens/s make up the difference.
    assert run.tokens_per_s - run.output_tokens_per_s == 4 * pools["input_tput_per_gpu"]
    del pools["num_prefill_gpu"]
    assert reasons(read(written([pools]))) == ["separate pools for prefill and decode, of unknown sizes"]


def test_rows_of_the_site_keep_their_measures_apart(written):
    # SemiAnalysisAI/InferenceX-app packages/db/data/supplemental-bmk.json: measures in an object of their own.
    measures = {key: value for key, value in INFERENCEX.items() if key.startswith(("mean", "tput", "output_t"))}
    row = {key: value for key, value in INFERENCEX.items() if key not in measures} | {"metrics": measures}
    assert read(written([row]))[0].output_tokens_per_s == 8000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hw": "rtx6000pro"}, "no accelerator 'rtx6000pro'"),
        ({"model": "someone/else", "infmax_model_prefix": "unheard-of"}, "no llm 'unheard-of'"),
        ({"precision": "int3"}, "no precision 'int3'"),
        ({"tp": None}, "the file names no devices"),
        ({"isl": None}, "no isl"),
        ({"conc": 0}, "conc = 0 is not accepted"),
        ({"scenario_type": "agentic-coding"}, "replayed traces of agents"),
    ],
)
def test_a_row_of_inferencex_that_cannot_be_mapped(written, change, reason):
    runs = read(written([INFERENCEX, INFERENCEX | change]))
    assert len(runs) == 1
    assert runs.rejected[0].row == 2
    assert reason in runs.rejected[0].reason


def test_power_that_the_tool_found_wanting_is_left_out(written):
    (run,) = read(written([INFERENCEX | {"power_valid": 0}]))
    assert run.power_w is None
    assert run.power_boundary is None


# --------------------------------------------------------------------------------------------------- genai-perf, aiperf


def metric(unit, mean):
    return {"unit": unit, "avg": mean, "p50": mean, "p99": 2 * mean, "min": mean / 2, "max": 3 * mean, "std": 1.0}


# GenAI-Perf 0.0.16, genai_perf/export_data/json_exporter.py: 550 + 128 tokens, 10 clients.
GENAI_PERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 4.0},
    "request_latency": metric("ms", 2500.0),
    "time_to_first_token": metric("ms", 60.0),
    "inter_token_latency": metric("ms", 19.2),
    "output_token_throughput": {"unit": "tokens/sec", "avg": 512.0},
    "output_sequence_length": metric("tokens", 128.0),
    "input_sequence_length": metric("tokens", 550.0),
    "input_config": {
        "model_names": ["meta-llama/Llama-3.1-8B-Instruct"],
        "endpoint": {"type": "chat", "backend": "vllm", "streaming": True},
        "perf_analyzer": {"stimulus": {"concurrency": 10}},
        "tokenizer": {"name": "meta-llama/Llama-3.1-8B-Instruct"},
    },
}


def test_a_summary_of_genai_perf(written):
    (run,) = read(written(GENAI_PERF, "profile_export_genai_perf.json"), **GIVEN)
    assert (run.llm, run.concurrency, run.framework, run.source) == ("llama-3.1-8b", 10, "vLLM", "genai-perf")
    assert (run.prompt_tokens, run.output_tokens) == (550, 128)
    assert (run.latency_s, run.ttft_s, run.itl_s) == (2.5, 0.06, pytest.approx(0.0192))
    # hand: 4 requests/s of 550 prompt tokens beside 512 output tokens/s.
    assert (run.output_tokens_per_s, run.tokens_per_s, run.requests_per_s) == (512, 2712, 4)


# AIPerf 0.5.0, docs/tutorials/working-with-profile-exports.md; two GPUs of which power was sampled.
AIPERF = {key: value for key, value in GENAI_PERF.items() if key != "input_config"} | {
    "start_time": "2025-10-17T20:22:08.939332",
    "telemetry_data": {
        "endpoints": {
            "localhost:9401": {
                "gpus": {
                    f"gpu_{index}": {
                        "gpu_index": index,
                        "gpu_name": "NVIDIA H100 80GB HBM3",
                        "metrics": {"gpu_power_usage": metric("W", watts)},
                    }
                    for index, watts in enumerate((400.0, 500.0))
                }
            }
        }
    },
    "input_config": {
        "endpoint": {"model_names": ["openai/gpt-oss-20b"], "type": "chat", "streaming": True},
        "loadgen": {"concurrency": 100, "request_rate_mode": "concurrency_burst"},
    },
}


def test_a_summary_of_aiperf_names_its_gpus(written):
    (run,) = read(written(AIPERF), devices=2, precision="mxfp4")
    assert (run.accelerator, run.llm, run.concurrency) == ("h100-sxm", "gpt-oss-20b", 100)
    assert (run.power_w, run.power_boundary, run.source) == (450, "device", "aiperf")
    # hand: of the two that were sampled one took part, and nobody says which.
    assert read(written(AIPERF), devices=1, precision="mxfp4")[0].power_w is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time_to_first_token": {"unit": "fortnights", "avg": 1.0}}, "time_to_first_token is in fortnights"),
        ({"output_token_throughput": {"unit": "tokens", "avg": 1.0}}, "output_token_throughput is in tokens"),
        ({"output_sequence_length": None}, "the file names no output_tokens"),
        ({"input_config": {}}, "the file names no llm"),
    ],
)
def test_a_summary_that_says_too_little(written, change, reason):
    runs = read(written(GENAI_PERF | change), **GIVEN)
    assert len(runs) == 0
    assert reason in runs.rejected[0].reason


def test_nanoseconds_of_older_versions(written):
    # GenAI-Perf 0.0.4 wrote times in nanoseconds.
    old = GENAI_PERF | {"time_to_first_token": metric("ns", 6e7)}
    assert read(written(old), **GIVEN)[0].ttft_s == pytest.approx(0.06)


def test_a_summary_as_csv_and_its_telemetry(written):
    # AIPerf 0.5.0, profile_export_aiperf.csv: three tables below each other, of which the last has other columns.
    table = (
        "Metric,avg,min,max,p50,p99,std\n"
        'Request Latency (ms),"2500.00",1250,7500,2500,5000,1\n'
        "Time to First Token (ms),60.00,30,180,60,120,1\n"
        "Inter Token Latency (ms),19.20,9,57,19,38,1\n"
        "Output Sequence Length (tokens),128.00,64,384,128,256,1\n"
        "Input Sequence Length (tokens),550.00,275,1650,550,1100,1\n"
        "\n"
        "Metric,Value\n"
        "Output Token Throughput (tokens/sec),512.00\n"
        "Request Throughput (requests/sec),4.00\n"
        "\n"
        "Endpoint,GPU_Index,GPU_Name,GPU_UUID,Metric,avg,min,max\n"
        "localhost:9401,0,NVIDIA H100 80GB HBM3,GPU-1,GPU Power Usage (W),400,300,500\n"
    )
    runs = read(written(table, "profile_export_aiperf.csv"), **GIVEN, llm="llama-3.1-8b", concurrency=10)
    assert runs.rejected == ()
    # sibling: the same run as the JSON beside it.
    (beside,) = read(written(GENAI_PERF), **GIVEN)
    for name in ("prompt_tokens", "output_tokens_per_s", "tokens_per_s", "latency_s", "ttft_s", "itl_s", "concurrency"):
        assert getattr(runs[0], name) == getattr(beside, name), name


def test_single_requests_are_no_runs(written):
    # AIPerf 0.5.0, profile_export.jsonl.
    request = {
        "metadata": {"session_num": 1},
        "metrics": {"request_latency": {"value": 297.5, "unit": "ms"}},
        "error": None,
    }
    runs = read(written(lines(request, request), "profile_export.jsonl"), **GIVEN)
    assert len(runs) == 0
    assert len(runs.rejected) == 2
    assert "read the summary beside it" in runs.rejected[0].reason


# --------------------------------------------------------------------------------------------------------------- SGLang

# SGLang 0.5.3, python/sglang/bench_serving.py: 100 requests of 1,000 + 200 tokens in 50 s.
SGLANG_SERVING = {
    **{"tag": None, "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": 16},
    **{"random_input_len": 1000, "random_output_len": 200, "random_range_ratio": 1.0, "duration": 50.0},
    **{"completed": 100, "total_input_tokens": 100_000, "total_output_tokens": 20_000, "request_throughput": 2.0},
    **{"input_throughput": 2000.0, "output_throughput": 400.0, "mean_e2e_latency_ms": 4130.0},
    **{"mean_ttft_ms": 150.0, "mean_tpot_ms": 20.0, "mean_itl_ms": 20.0, "concurrency": 8.26, "accept_length": None},
    "server_info": {
        **{"model_path": "meta-llama/Llama-3.1-8B-Instruct", "tp_size": 2, "dp_size": 2, "pp_size": 1, "ep_size": 1},
        **{"dtype": "bfloat16", "quantization": None, "kv_cache_dtype": "auto", "version": "0.5.3"},
        "enable_dp_attention": False,
    },
}


def test_a_run_of_sglang_bench_serving(written):
    (run,) = read(written(lines(SGLANG_SERVING), "0101_100_1000_200.jsonl"), accelerator="h100-sxm")
    # hand: two copies of the model on two devices each.
    assert (run.devices, run.tensor_parallel, run.data_parallel) == (4, 2, 2)
    assert (run.llm, run.precision, run.framework, run.version) == ("llama-3.1-8b", "bf16", "SGLang", "0.5.3")
    assert (run.batch, run.concurrency) == (8.26, 16)
    # property: Little's law gives the tool's mean number of requests: 2 requests/s · 4.13 s.
    assert run.requests_per_s * run.latency_s == pytest.approx(run.batch)
    assert (run.output_tokens_per_s, run.tokens_per_s) == (400, 2400)


def test_attention_in_copies_takes_no_further_devices(written):
    # SGLang: --tp 8 --dp 8 --enable-dp-attention are eight devices.
    said = SGLANG_SERVING["server_info"] | {"tp_size": 8, "dp_size": 8, "ep_size": 8, "enable_dp_attention": True}
    said |= {"quantization": "fp8", "kv_cache_dtype": "fp8_e4m3"}
    (run,) = read(written(lines(SGLANG_SERVING | {"server_info": said})), accelerator="h100-sxm")
    assert (run.devices, run.tensor_parallel, run.expert_parallel) == (8, None, 8)
    assert run.precision == "fp8-kv8"


def test_a_run_of_sglang_bench_offline_throughput(written):
    # SGLang 0.5.3, python/sglang/bench_offline_throughput.py.
    result = {"backend": "engine", "successful_requests": 100, "total_latency": 50.0, "total_input_tokens": 100_000}
    result |= {"total_output_tokens": 20_000, "last_gen_throughput": 500.0, "request_throughput": 2.0}
    result |= {"input_throughput": 2000.0, "output_throughput": 400.0, "total_throughput": 2400.0}
    (run,) = read(written(lines(result)), **GIVEN, llm="llama-3.1-8b")
    assert (run.framework, run.tokens_per_s, run.output_tokens_per_s) == ("SGLang", 2400, 400)


def test_a_run_of_sglang_bench_one_batch(written):
    # SGLang 0.5.3, python/sglang/bench_one_batch.py: 0.5 s of prefill, then 100 steps of 20 ms.
    result = {"run_name": "default", "batch_size": 8, "input_len": 1024, "output_len": 101, "prefill_latency": 0.5}
    result |= {"prefill_throughput": 16_384.0, "median_decode_latency": 0.0195, "median_decode_throughput": 410.3}
    result |= {"total_latency": 2.5, "overall_throughput": 3600.0}
    first = result | {"output_len": 1, "total_latency": 0.5}
    runs = read(written(lines(result, first)), **GIVEN, llm="llama-3.1-8b")
    assert runs.phase.tolist() == ["generate", "prefill"]
    assert set(runs.framework) == {"SGLang"}
    # hand: 8 · 101 / 2.5 s and 8 · 1,125 / 2.5 s; (2.5 − 0.5) / 100.
    assert (runs[0].output_tokens_per_s, runs[0].tokens_per_s, runs[0].itl_s) == (323.2, 3600, 0.02)
    assert runs[1].output_tokens_per_s is None
    assert runs[1].latency_s == 0.5


def test_a_run_of_sglang_bench_one_batch_server(written):
    # SGLang 0.5.3, python/sglang/bench_one_batch_server.py, whose output rate leaves out the first tokens.
    result = {"run_name": "default", "batch_size": 8, "input_len": 1024, "output_len": 100, "latency": 2.5}
    result |= {"input_throughput": 16_384.0, "output_throughput": 400.0, "overall_throughput": 3596.8}
    result |= {"last_ttft": 0.5, "last_gen_throughput": 410.0, "acc_length": -1.0, "cache_hit_rate": 0.0}
    (run,) = read(written(lines(result)), **GIVEN, llm="llama-3.1-8b")
    assert (run.output_tokens_per_s, run.tokens_per_s, run.ttft_s) == (320, 3596.8, None)
    assert run.variant == "through a server"
    cached = read(written(lines(result | {"cache_hit_rate": 0.9})), **GIVEN, llm="llama-3.1-8b")
    assert reasons(cached) == ["90% of the prompts were cached"]


# ------------------------------------------------------------------------------------------------------------ ML.ENERGY

# ml-energy/leaderboard v3, public/data/models/*.json.
ML_ENERGY = {
    **{"activated_params_billions": 37.0, "architecture": "MoE", "model_id": "deepseek-ai/DeepSeek-R1-0528"},
    **{"task": "gpqa", "total_params_billions": 671.0, "weight_precision": "fp8"},
    "output_length_distribution": {"bins": [0.0, 1.0], "counts": [5]},
    "configurations": [
        {
            **{"avg_batch_size": 128.0, "avg_output_len": 11_000.0, "avg_power_watts": 7200.0},
            **{"energy_per_request_joules": 26_000.0, "energy_per_token_joules": 2.4, "gpu_model": "B200"},
            **{"max_num_batched_tokens": None, "max_num_seqs": 128, "median_itl_ms": 40.0, "num_gpus": 8},
            **{"output_length_distribution": {"bins": [0.0, 1.0], "counts": [5]}},
            **{"output_throughput_tokens_per_sec": 3000.0, "p90_itl_ms": 55.0},
            "parallelization": {"data_parallel": 1, "expert_parallel": 8, "notes": "", "tensor_parallel": 1},
        }
    ],
}


def test_a_model_of_ml_energy(written):
    entry = ML_ENERGY["configurations"][0]
    dense = entry | {"num_gpus": 2, "parallelization": {"tensor_parallel": 2, "expert_parallel": 1, "data_parallel": 1}}
    odd = entry | {"num_gpus": 4}
    runs = read(written(ML_ENERGY | {"configurations": [entry, dense, odd, "what"]}))
    assert len(runs) == 2
    assert [rejected.row for rejected in runs.rejected] == [3, 4]
    assert "a layout of 8 devices where 4 took part" in reasons(runs)[0]
    assert (runs[0].phase, runs[0].batch, runs[0].output_tokens, runs[0].variant) == ("decode", 128, 11_000, "gpqa")
    # hand: power is that of all eight GPUs.
    assert (runs[0].power_w, runs[0].itl_s, runs[0].output_tokens_per_s) == (900, 0.04, 3000)
    # hand: experts on eight devices, and nothing says whether attention is divided or copied.
    assert (runs[0].expert_parallel, runs[0].tensor_parallel, runs[0].data_parallel) == (8, None, None)
    assert (runs[1].expert_parallel, runs[1].tensor_parallel, runs[1].data_parallel) == (1, 2, 1)
    assert (runs[0].accelerator, runs[0].llm, runs[0].precision) == ("b200", "deepseek-r1", "fp8")
    assert runs[0].framework == "vLLM"
    assert runs[0].inferred == "framework"


def test_more_than_text_is_refused(written):
    runs = read(written(ML_ENERGY | {"task": "image-chat"}))
    assert reasons(runs) == ["the task image-chat is more than text"]
    assert reasons(read(written(ML_ENERGY | {"configurations": []}))) == ["no configurations"]


# --------------------------------------------------------------------------------------------------------------- MLPerf

# MLPerf Inference v5.1, summary_results.json, with other figures.
MLPERF = {
    **{"ID": "5.1-0999", "Submitter": "Us", "Category": "closed", "Model": "llama2-70b-99", "Scenario": "Server"},
    **{"Accuracy": "ROUGE1: 44.4  ROUGE2: 22.0  ROUGEL: 28.6  TOKENS_PER_SAMPLE: 300.0", "Nodes": 2, "a#": 8},
    **{"Accelerator": "NVIDIA B200-SXM-180GB", "Software": "TensorRT 10.11, CUDA 12.9", "Notes": "B200 TGP 1000W"},
    **{"weight_data_types": "fp4", "version": "v5.1", "Performance_Result": 160_000.0, "Performance_Units": "Tokens/s"},
}


def test_a_result_of_mlperf(written):
    (run,) = read(written([MLPERF]))
    # hand: two nodes of eight; the limit stands in the notes.
    assert (run.devices, run.output_tokens_per_s, run.power_limit_w) == (16, 160_000, 1000)
    assert (run.accelerator, run.llm, run.precision, run.variant) == ("b200", "llama-2-70b", "nvfp4", "Server")
    assert (run.phase, run.output_tokens, run.prompt_tokens) == ("serving", 300, None)
    assert (run.framework, run.version, run.inferred) == ("TensorRT-LLM", "TensorRT 10.11", "framework")
    vllm = MLPERF | {"Software": "vLLM 0.9.0.2.dev108, Pytorch 2.7.0", "Category": "open"}
    (run,) = read(written([vllm]))
    assert (run.framework, run.version, run.variant) == ("vLLM", "0.9.0.2.dev108", "Server, open division")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Performance_Units": "Samples/s"}, "its unit is Samples/s"),
        ({"Model": "resnet", "UsedModel": "resnet"}, "no llm 'resnet'"),
        ({"Accelerator": "", "a#": 0}, "no accelerators (a#)"),
        ({"Accelerator": "NVIDIA H200-NVL-141GB"}, "no accelerator 'NVIDIA H200-NVL-141GB'"),
        ({"Performance_Result": "n/a"}, "Performance_Result = 'n/a' is not a number"),
    ],
)
def test_a_result_of_mlperf_that_is_no_language_models(written, change, reason):
    runs = read(written([MLPERF | change]))
    assert len(runs) == 0
    assert reason in runs.rejected[0].reason


# --------------------------------------------------------------------------------------------------------- every format


def test_a_format_is_told_by_its_content_and_not_by_its_name(written):
    assert read(written(VLLM_SERVE, "sglang.csv"), **GIVEN)[0].source == "vllm bench"
    assert read(written(lines(SGLANG_SERVING), "vllm.json"), accelerator="h100-sxm")[0].source == "sglang"


def test_what_no_tool_wrote_says_what_it_holds(written):
    with pytest.raises(UnrecognisedFormatError, match=r"it holds 'speed'; known are .*vllm bench"):
        read(written({"speed": 3}))


def test_a_list_of_other_things_is_a_reject_each(written):
    runs = read(written([INFERENCEX, None, 3, "x", [], {}]))
    assert len(runs) == 1
    assert len(runs.rejected) == 5
    assert reasons(runs)[0] == "NoneType where an object should be"


def test_names_that_the_caller_maps(written):
    runs = read(written([INFERENCEX | {"hw": "our-box"}]), names={"our-box": "h100-sxm"})
    assert runs[0].accelerator == "h100-sxm"
