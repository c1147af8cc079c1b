"""LLM-Inference-Bench (argonne-lcf/LLM-Inference-Bench), every variant of its tables.

Prompts and outputs are equally long but in the table of first tokens, and throughput counts the tokens of both:
``batch · (input + output) / latency``. llama.cpp's batch is something else: the prompt tokens that it processes at a
time, of one sequence, so that throughput times latency is twice the length whatever the batch. Power is that of one
device, and partly in milliwatts. Precision is named in one table only; elsewhere 16 bits are concluded. Of the A100,
40 GB are concluded: vLLM's throughput stops growing with the batch where a cache of that size is full. Of mixtures of
experts under TensorRT-LLM and DeepSpeed-MII it is concluded that the sequences of a batch are alike and share their
experts: a batch takes hardly longer than one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roofline.measurements import names
from roofline.measurements.names import Mapped
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, Sheet

NAME = "LLM-Inference-Bench"
_HEAD = {"hardware", "num of hardware", "framework", "model", "batch size"}
_ALIKE = ("TensorRT-LLM", "DeepSpeed-MII")
_SAME = 10.0  # a routing skew under which all tokens choose the same experts
_SOURCE = "argonne-lcf/LLM-Inference-Bench (2024)"


def matches(document: Sheet | Objects) -> bool:
    """Whether a table has the columns that all of these have.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return isinstance(document, Sheet) and set(document.columns) >= _HEAD


def runs(document: Sheet) -> Runs:
    """Return the records of a table.

    Parameters
    ----------
    document : Sheet
        The table.
    """
    sheet = document
    accelerator, variant_open = sheet.mapped("hardware", lambda name: _accelerator(sheet, name), "accelerator")
    llm, _ = sheet.mapped("model", sheet.source.llm, "llm")
    precision, precision_open = sheet.mapped(
        "kv_cache_dtype", lambda name: sheet.source.precision(name, otherwise="bf16"), "precision"
    )
    framework = np.array([names.framework(name) for name in sheet.text("framework")], dtype=object)
    devices = sheet.numbers("num of hardware")
    given = "input output length" in sheet.columns
    prompt = sheet.numbers("input output length" if given else "input length")
    output = prompt if given else sheet.numbers("output length")
    batch = sheet.numbers("batch size")
    first_token = sheet.numbers("ttft latency", needed=False)
    first_only = ~np.isnan(first_token)
    chunked = framework == "llama.cpp"
    variant = np.where(chunked, [f"prompt batch {size:g}" for size in batch], "").astype(object)
    words = np.array(sheet.text("kv_cache_dtype"), dtype=object)
    eight = np.array(["kv cache" in text.lower() for text in words], dtype=bool)
    variant = np.where(eight, words, variant)  # a cache of int8 and one of fp8 are one policy, and two kernels
    tensor, pipeline, expert, data, odd = _layout(sheet.text("parallelism type"), devices)
    sheet.refuse(odd, "parallelism type is none that we know")
    alike = (llm == "mixtral-8x7b") & np.isin(framework, _ALIKE)
    columns = {
        "accelerator": accelerator,
        "devices": devices,
        "tensor_parallel": np.where(chunked, 1, tensor),  # llama.cpp divides the layers
        "pipeline_parallel": np.where(chunked, devices, pipeline),
        "expert_parallel": expert,
        "data_parallel": data,
        "llm": llm,
        "precision": precision,
        "framework": framework,
        "phase": np.where(first_only, "prefill", "generate").astype(object),
        "batch": np.where(chunked, 1.0, batch),
        "prompt_tokens": prompt,
        "output_tokens": output,
        "routing_skew": np.where(alike, _SAME, np.nan),
        "variant": variant,
        "tokens_per_s": sheet.numbers("throughput", needed=not first_only.all()),
        "latency_s": np.where(first_only, first_token, sheet.numbers("latency", needed=False)),
        "ttft_s": first_token,
        "power_w": sheet.numbers("avg_power", needed=False),
        "power_boundary": "device" if "avg_power" in sheet.columns else "",
        "source": _SOURCE,
    }
    inferred = {"accelerator": variant_open, "precision": precision_open, "routing_skew": alike}
    return sheet.runs(columns, inferred=inferred)


def _accelerator(sheet: Sheet, name: str) -> Mapped | None:
    found = sheet.source.accelerator(name)
    if found == Mapped("a100-sxm-80gb", certain=False):
        return Mapped("a100-sxm-40gb", certain=False)
    return found


def _layout(words: Sequence[str], devices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return tensor, pipeline, expert and data parallelism of each row, and where the words say something else."""
    n = np.nan_to_num(devices, nan=1.0)
    sizes = np.stack([n, np.ones_like(n), np.ones_like(n), np.ones_like(n)])
    odd = np.zeros(len(n), dtype=bool)
    for index, text in enumerate(words):
        kind = text.lower()
        if kind in ("", "tp", "tensor parallelism"):
            continue
        if kind in ("pp", "pipeline parallelism"):
            sizes[:, index] = 1, n[index], 1, 1
        elif kind in ("hybird tensor (2) and pipeline (2) parallelism", "hybrid tp = 2 and pp = 2"):
            sizes[:, index] = 2, n[index] / 2, 1, 1
        elif kind == "ep":
            sizes[:, index] = n[index], 1, n[index], 1
        elif kind == "hybrid tp = 2 and ep = 2":  # experts divided by two, each half whole on two devices
            sizes[:, index] = n[index], 1, 2, 1
        else:
            odd[index] = True
    return (*sizes, odd)
