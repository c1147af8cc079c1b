"""GenAI-Perf and AIPerf (NVIDIA): ``profile_export_genai_perf.json`` and ``profile_export_aiperf.json``, and as CSV.

One file is one run. Every metric names its unit. Model and concurrency stand in the tool's own configuration, whose
form differs between versions; a CSV has neither. Accelerator and power are there where AIPerf sampled the GPUs, of
which there may be more than the run used: so the caller says how many took part. ``profile_export.jsonl`` holds single
requests, which are refused: the summary beside it is the run.

References
----------
GenAI-Perf 0.0.16, ``export_data/json_exporter.py``; AIPerf 0.5, ``docs/tutorials/working-with-profile-exports.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from roofline.measurements import names
from roofline.measurements.formats._objects import devices, holds, identity, joined, lengths, number, part, text
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "genai-perf and aiperf"
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DEEPEST = 8  # levels of a configuration that are searched


def matches(document: Sheet | Objects) -> bool:
    """Whether a file has the metrics of a summary, or of single requests.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    if isinstance(document, Sheet):
        return {"metric", "avg"} <= set(document.columns)
    if holds(document, ("metadata", "metrics", "error")):
        return True
    return holds(document, ("input_config", "request_latency"), ("input_config", "request_throughput"))


def runs(document: Sheet | Objects) -> Runs:
    """Return the one record of a summary.

    Parameters
    ----------
    document : Sheet or Objects
        The summary.
    """
    if isinstance(document, Sheet):
        document = _summary(document)
    return document.runs(lambda item: _run(item, document.source))


def _summary(sheet: Sheet) -> Objects:
    """Return the object that a CSV would be as JSON; its rows are metrics, so that it is one row."""
    item: dict[str, Any] = {}
    for name, mean in zip(sheet.text("metric"), sheet.text("avg"), strict=True):
        words = re.fullmatch(r"(.*?) *(?:\(([^()]*)\))?", name)
        if words and mean:
            key = words[1].strip().lower().replace(" ", "_")
            item.setdefault(key, {"unit": (words[2] or "").replace("per sec", "/sec"), "avg": mean})
    start = min((row.row for row in sheet.rejected if _telemetry(row.values)), default=None)
    wrong = [row for row in sheet.rejected if start is None or row.row < start]
    if not item:
        return Objects(source=sheet.source, items=[], rows=[], rejected=wrong)
    return Objects(source=sheet.source, items=[item], rows=[sheet.rows[0]], rejected=wrong)


def _telemetry(values: Mapping[str, Any]) -> bool:
    fields = values.get("fields")
    return isinstance(fields, list) and bool(fields) and str(fields[0]).strip().lower() == "endpoint"


def _run(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    if "metadata" in item and "metrics" in item:
        raise RefusedRowError("one request of a run: read the summary beside it, profile_export_aiperf.json")
    config = part(item, "input_config")
    model = next(_values(config, ("model_names", "model", "models")), "")
    rate = _rate(item, "output_token_throughput")
    requests = _rate(item, "request_throughput")
    prompt = _mean(item, "input_sequence_length")
    output = _mean(item, "output_sequence_length", "output_token_count")
    total = _rate(item, "total_token_throughput")
    if total is None and rate is not None and requests is not None and prompt is not None:
        total = rate + requests * prompt
    gpus = list(_gpus(item))
    cards = {text(gpu, "gpu_name") for gpu in gpus} - {""}
    if len(cards) > 1:
        raise RefusedRowError(f"unlike accelerators: {', '.join(sorted(cards))}")
    count = devices(source)
    watts = [number(part(gpu, "metrics", "gpu_power_usage"), "avg") for gpu in gpus]
    powered = [value for value in watts if value is not None]
    whole = len(powered) == count == len(gpus)
    backend = str(next(_values(config, ("backend",)), ""))
    engine = names.framework(backend.split(".")[-1]) if backend else ""
    load = number({"rate": next(_values(config, ("request_rate",)), None)}, "rate")
    return identity(source, accelerator=next(iter(cards), ""), llm=str(model)) | lengths(source, prompt, output) | {
        "devices": count,
        "framework": engine if engine in ("vLLM", "TensorRT-LLM", "SGLang") else "",
        "phase": "serving",
        "concurrency": number({"concurrency": next(_values(config, ("concurrency",)), None)}, "concurrency"),
        "variant": joined("" if load is None else f"{load:g} requests/s"),
        "output_tokens_per_s": rate,
        "tokens_per_s": total,
        "requests_per_s": requests,
        "latency_s": _time(item, "request_latency"),
        "ttft_s": _time(item, "time_to_first_token"),
        "itl_s": _time(item, "inter_token_latency"),
        "power_w": sum(powered) / count if whole else None,
        "power_boundary": "device" if whole else "",
        "date": text(item, "start_time"),
        "source": "genai-perf" if "perf_analyzer" in config or "genai" in text(item, "tool") else "aiperf",
    }  # fmt: skip


def _mean(item: Mapping[str, Any], *keys: str) -> float | None:
    return next((value for key in keys if (value := number(part(item, key), "avg")) is not None), None)


def _rate(item: Mapping[str, Any], key: str) -> float | None:
    unit = text(part(item, key), "unit").lower()
    if unit and not unit.endswith(("/sec", "/s", "per sec")):
        raise RefusedRowError(f"{key} is in {unit}")
    return _mean(item, key)


def _time(item: Mapping[str, Any], key: str) -> float | None:
    value, unit = _mean(item, key), text(part(item, key), "unit").lower()
    if value is None:
        return None
    if unit not in _SECONDS:
        raise RefusedRowError(f"{key} is in {unit or 'no unit'}")
    return value * _SECONDS[unit]


def _values(config: Any, keys: tuple[str, ...], depth: int = 0) -> Iterator[Any]:
    """Yield what a configuration holds under some names, wherever it keeps them."""
    if depth > _DEEPEST:
        return
    if isinstance(config, Mapping):
        for key in keys:
            value = config.get(key)
            value = value[0] if isinstance(value, list) and value else value
            value = value.get("name") if isinstance(value, Mapping) else value
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                yield value
        for inner in config.values():
            yield from _values(inner, keys, depth + 1)


def _gpus(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the GPUs that AIPerf sampled."""
    for endpoint in part(item, "telemetry_data", "endpoints").values():
        if isinstance(endpoint, Mapping):
            yield from (gpu for gpu in part(endpoint, "gpus").values() if isinstance(gpu, Mapping))
