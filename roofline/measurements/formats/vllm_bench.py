"""vLLM's own benchmarks: ``vllm bench serve`` (once benchmark_serving.py), ``throughput`` and ``latency``.

Times are in milliseconds, and 0 where they were not measured. No file names the accelerator, the number of devices or
the precision, and those of ``throughput`` and ``latency`` not even the model: the caller gives them. Whoever passes
``--metadata tensor_parallel_size=4`` finds it beside the results. The endpoint of ``serve`` need not be vLLM's: only a
backend that names an engine tells the framework.

The time between two tokens is that per output token (TPOT), which does not depend on how many tokens arrive at once.

References
----------
vLLM 0.11, ``vllm/benchmarks/serve.py``, ``throughput.py`` and ``latency.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.measurements import names
from roofline.measurements.formats._objects import (
    devices,
    holds,
    identity,
    joined,
    lengths,
    needed,
    number,
    seconds,
    text,
)
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "vllm bench"
_SERVE = ("request_throughput", "output_throughput", "total_input_tokens", "total_output_tokens", "duration")
_THROUGHPUT = ("elapsed_time", "num_requests", "tokens_per_second")
_LATENCY = ("avg_latency", "latencies")
_ENGINES = ("vllm", "sglang", "tensorrt-llm", "tgi", "lmdeploy", "deepspeed-mii", "llama.cpp")


def matches(document: Sheet | Objects) -> bool:
    """Whether an object has the results of one of the three.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return holds(document, _SERVE, _THROUGHPUT, _LATENCY)


def runs(document: Objects) -> Runs:
    """Return the records of a file.

    Parameters
    ----------
    document : Objects
        The results.
    """

    def of(item: Mapping[str, Any]) -> Mapping[str, Any]:
        if "elapsed_time" in item:
            found = _throughput(item, document.source)
        elif "avg_latency" in item:
            found = _latency(item, document.source)
        else:
            found = _serve(item, document.source)
        return found | _layout(item, document.source) | {"source": "vllm bench"}

    return document.runs(of)


def _layout(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    tensor = number(item, "tensor_parallel_size", "tensor_parallel", "tp_size", "tp")
    pipeline = number(item, "pipeline_parallel_size", "pipeline_parallel", "pp")
    data = number(item, "data_parallel_size", "data_parallel", "dp")
    product = None if tensor is None else tensor * (pipeline or 1) * (data or 1)
    return {
        "devices": devices(source, number(item, "num_gpus", "devices"), product),
        "tensor_parallel": tensor,
        "pipeline_parallel": pipeline,
        "data_parallel": data,
    }


def _serve(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    completed = needed(item, "completed", "num_prompts")
    prompts, outputs = needed(item, "total_input_tokens"), needed(item, "total_output_tokens")
    output_rate = needed(item, "output_throughput")
    failed = (number(item, "num_prompts") or completed) - completed
    if failed > 0:
        raise RefusedRowError(f"{failed:g} of its {completed + failed:g} requests failed, so that its load is unknown")
    backend = text(item, "backend", "endpoint_type").lower()
    engine = next((name for name in _ENGINES if backend == name or backend.startswith(f"{name}-")), "")
    rate = number(item, "request_rate") if item.get("request_rate") != "inf" else None
    total_rate = number(item, "total_token_throughput")
    return identity(source, accelerator=text(item, "accelerator", "gpu", "hw"), llm=text(item, "model_id", "model")) | {
        "framework": names.framework(engine),
        "version": text(item, "vllm_version", "version"),
        "phase": "serving",
        "concurrency": number(item, "max_concurrency"),
        "prompt_tokens": prompts / completed,
        "output_tokens": outputs / completed,
        "variant": joined("" if rate is None else f"{rate:g} requests/s"),
        "output_tokens_per_s": output_rate,
        "tokens_per_s": output_rate * (1 + prompts / outputs) if total_rate is None else total_rate,
        "requests_per_s": number(item, "request_throughput"),
        "latency_s": seconds(item, "mean_e2el_ms"),
        "ttft_s": seconds(item, "mean_ttft_ms"),
        "itl_s": seconds(item, "mean_tpot_ms") or seconds(item, "mean_itl_ms"),
        "date": text(item, "date"),
    }


def _throughput(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    requests = needed(item, "num_requests")
    total = number(item, "total_num_tokens")
    rate = needed(item, "requests_per_second")
    tokens = lengths(source, None, None, None if total is None else total / requests)
    return identity(source) | tokens | {
        "framework": "vLLM",
        "phase": "serving",
        "variant": "all requests at once",
        "output_tokens_per_s": rate * float(tokens["output_tokens"]),
        "tokens_per_s": needed(item, "tokens_per_second"),
        "requests_per_s": rate,
    }  # fmt: skip


def _latency(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    if "batch" not in source.given:
        raise RefusedRowError(source.unknown("batch", ""))
    return identity(source) | lengths(source, None, None) | {
        "framework": "vLLM",
        "phase": "generate",
        "latency_s": needed(item, "avg_latency"),
    }  # fmt: skip
