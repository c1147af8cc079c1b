"""SGLang's benchmarks, a JSON object per line: bench_serving, bench_offline_throughput and the two bench_one_batch.

bench_one_batch runs one batch of equal requests without a scheduler: prefill, then every decode step; its mean step is
what is left of the latency. bench_one_batch_server sends the same batch to a server; its own output rate leaves out the
time to the last first token, so that the rate here is that of the whole run, and its time to a first token is that of
the last request and not the mean. bench_serving's own ``concurrency`` is the mean number of requests at once. Model,
layout and precision are there where the server's settings (``server_info``) were kept; else the caller gives them.

References
----------
SGLang 0.5, ``python/sglang/bench_serving.py``, ``bench_offline_throughput.py``, ``bench_one_batch.py`` and
``bench_one_batch_server.py``.
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
    needed,
    number,
    part,
    seconds,
    text,
)
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "SGLang bench"
_SERVING = ("input_throughput", "output_throughput", "mean_e2e_latency_ms")
_OFFLINE = ("successful_requests", "total_latency", "input_throughput", "output_throughput")
_BATCH = ("batch_size", "input_len", "output_len", "prefill_latency", "total_latency")
_BATCH_SERVER = ("batch_size", "input_len", "output_len", "latency", "input_throughput")


def matches(document: Sheet | Objects) -> bool:
    """Whether an object has the results of one of the four.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return holds(document, _SERVING, _OFFLINE, _BATCH, _BATCH_SERVER)


def runs(document: Objects) -> Runs:
    """Return the records of a file.

    Parameters
    ----------
    document : Objects
        The results.
    """

    def of(item: Mapping[str, Any]) -> Mapping[str, Any]:
        if "batch_size" in item:
            found = _batch(item)
        elif "successful_requests" in item:
            found = _offline(item)
        else:
            found = _serving(item)
        return found | _server(item, document.source) | {"source": "sglang"}

    return document.runs(of)


def _server(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Return who ran what; tensor parallelism counts the copies of the attention too."""
    info = {**part(item, "server_info"), **item}
    tensor, pipeline = number(info, "tp_size"), number(info, "pp_size") or 1
    copies = number(info, "dp_size") or 1
    divided = info.get("enable_dp_attention") is True
    precision = text(info, "quantization") or text(info, "dtype").removeprefix("auto")
    if names.precision(precision) == "fp8" and text(info, "kv_cache_dtype").startswith("fp8"):
        precision = "fp8-kv8"
    layout = {"pipeline_parallel": pipeline, "expert_parallel": number(info, "ep_size", "moe_ep_size")}
    if not divided:
        layout |= {"tensor_parallel": tensor, "data_parallel": copies}
    count = devices(source, None if tensor is None else tensor * pipeline * (1 if divided else copies))
    known = identity(source, accelerator=text(info, "device_name"), llm=_model(info), precision=precision)
    return known | {"devices": count, "version": text(info, "version")} | (layout if tensor is not None else {})


def _model(info: Mapping[str, Any]) -> str:
    return text(info, "model_path", "model", "model_id")


def _serving(item: Mapping[str, Any]) -> dict[str, Any]:
    completed = needed(item, "completed")
    prompts, outputs = needed(item, "total_input_tokens"), needed(item, "total_output_tokens")
    backend = text(item, "backend").lower()
    rate = number(item, "request_rate") if str(item.get("request_rate")).lower() not in ("inf", "infinity") else None
    output_rate = needed(item, "output_throughput")
    return {
        "framework": names.framework(backend.removesuffix("-oai").removesuffix("-chat").removesuffix("-native")),
        "phase": "serving",
        "batch": number(item, "concurrency"),
        "concurrency": number(item, "max_concurrency"),
        "prompt_tokens": prompts / completed,
        "output_tokens": outputs / completed,
        "variant": joined("" if rate is None else f"{rate:g} requests/s", _drafted(item)),
        "output_tokens_per_s": output_rate,
        "tokens_per_s": output_rate + needed(item, "input_throughput"),
        "requests_per_s": number(item, "request_throughput"),
        "latency_s": seconds(item, "mean_e2e_latency_ms"),
        "ttft_s": seconds(item, "mean_ttft_ms"),
        "itl_s": seconds(item, "mean_tpot_ms") or seconds(item, "mean_itl_ms"),
    }


def _offline(item: Mapping[str, Any]) -> dict[str, Any]:
    requests, time_s = needed(item, "successful_requests"), needed(item, "total_latency")
    prompts, outputs = needed(item, "total_input_tokens"), needed(item, "total_output_tokens")
    return {
        "framework": "SGLang",
        "phase": "serving",
        "prompt_tokens": prompts / requests,
        "output_tokens": outputs / requests,
        "variant": "all requests at once",
        "output_tokens_per_s": outputs / time_s,
        "tokens_per_s": (prompts + outputs) / time_s,
        "requests_per_s": requests / time_s,
    }


def _batch(item: Mapping[str, Any]) -> dict[str, Any]:
    batch, prompt = needed(item, "batch_size"), needed(item, "input_len")
    output, time_s = needed(item, "output_len"), needed(item, "total_latency", "latency")
    prefill_s = number(item, "prefill_latency")
    hit = number(item, "cache_hit_rate") or 0
    if hit > 0:
        raise RefusedRowError(f"{hit:.0%} of the prompts were cached")
    if prefill_s is not None and output > 1 and time_s <= prefill_s:
        raise RefusedRowError(f"total_latency = {time_s:g} is no longer than prefill_latency = {prefill_s:g}")
    first_only = prefill_s is not None and output == 1
    return {
        "framework": "SGLang",
        "phase": "prefill" if first_only else "generate",
        "batch": batch,
        "prompt_tokens": prompt,
        "output_tokens": output,
        "variant": joined("" if "total_latency" in item else "through a server", _drafted(item)),
        "output_tokens_per_s": None if first_only else batch * output / time_s,
        "tokens_per_s": batch * (prompt + output) / time_s,
        "latency_s": time_s,
        "ttft_s": prefill_s,
        "itl_s": (time_s - prefill_s) / (output - 1) if prefill_s is not None and output > 1 else None,
    }


def _drafted(item: Mapping[str, Any]) -> str:
    """Say that tokens were drafted; the tool writes -1 or 1 where none were."""
    accepted = number(item, "accept_length", "acc_length")
    return "" if accepted is None or accepted <= 1 else f"speculative, {accepted:.3g} tokens a step"
