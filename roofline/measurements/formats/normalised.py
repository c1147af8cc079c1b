"""Published runs in one normalised table: vendors' static batches and first tokens, and ML.ENERGY's steady states.

``phase_or_mode`` says what a row is: ``offline_peak_static_batch`` a batch of equal requests, ``prefill_first_token``
their prefill, ``serving_steady_state(task)`` the decode steps of a server with a mean number of sequences (see
:mod:`roofline.measurements.formats.ml_energy`, whose power is that of all GPUs). Throughput is of output tokens, over
all devices; a row that leaves open whether it is that of one is refused. The framework and its version stand in the
source: "NVIDIA/TensorRT-LLM … (v0.6.1; L40S v0.5)", "SynapseAI 1.18.0".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from roofline.measurements.fields import AT_ONCE
from roofline.measurements.formats import ml_energy
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet

NAME = "a normalised table of published runs"
_HEAD = {"source", "hw", "num_devices", "model", "precision", "phase_or_mode", "batch", "throughput_tok_s"}
_PHASES = {
    "offline_peak_static_batch": "generate",
    "prefill_first_token": "prefill",
    "serving_steady_state": "decode",
}


def matches(document: Sheet | Objects) -> bool:
    """Whether a table has these columns.

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
    accelerator, accelerator_open = sheet.mapped("hw", sheet.source.accelerator, "accelerator")
    llm, llm_open = sheet.mapped("model", sheet.source.llm, "llm")
    precision, precision_open = sheet.mapped("precision", sheet.source.precision, "precision")
    modes = _each(_mode, sheet.text("phase_or_mode"))
    phase = np.array([mode for mode, _ in modes], dtype=object)
    sheet.refuse(phase == "", "phase_or_mode is none that we know")
    kind = np.array([text.lower() for text in sheet.text("throughput_kind")], dtype=object)
    rate = sheet.numbers("throughput_tok_s", needed=False)
    known = np.isin(kind, ("output", "total"))
    sheet.refuse(~np.isnan(rate) & ~known, "throughput_kind leaves open which tokens of how many devices it counts")
    devices = sheet.numbers("num_devices")
    software = _each(_software, zip(sheet.text("source"), sheet.text("hw"), strict=True))
    steady = phase == "decode"
    watts = sheet.numbers("power_w", needed=False)
    prompt = sheet.numbers("input_len", needed=False)
    sheet.refuse(np.isnan(prompt) & (phase != "") & ~steady, "no input_len")
    first = sheet.numbers("ttft_s", needed=False)
    latency = sheet.numbers("latency_s", needed=False)
    columns = {
        "accelerator": accelerator,
        "devices": devices,
        **_layouts(sheet, devices, steady),
        "llm": llm,
        "precision": precision,
        "framework": [framework for framework, _ in software],
        "version": [version for _, version in software],
        "phase": phase,
        "batch": sheet.numbers("batch"),
        "prompt_tokens": prompt,
        "output_tokens": sheet.numbers("output_len"),
        "variant": np.where(phase == "generate", AT_ONCE, [task for _, task in modes]).astype(object),
        "output_tokens_per_s": np.where(kind == "output", rate, np.nan),
        "tokens_per_s": np.where(kind == "total", rate, np.nan),
        "latency_s": np.where((phase == "prefill") & np.isnan(latency), first, latency),
        "ttft_s": first,
        "itl_s": sheet.numbers("itl_s", needed=False),
        "power_w": watts / np.where(steady & (devices > 0), devices, 1),
        "power_boundary": np.where(np.isnan(watts), "", "device").astype(object),
        "source": [text.split(" (")[0] for text in sheet.text("source")],  # the version has a column of its own
    }
    inferred = {
        "accelerator": accelerator_open,
        "llm": llm_open,
        "precision": precision_open,
        "framework": steady & np.array([framework == "vLLM" for framework, _ in software], dtype=bool),
    }
    return sheet.runs(columns, inferred=inferred)


def _layouts(sheet: Sheet, devices: np.ndarray, steady: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the notes say of steady states; a vendor's table divides every layer."""
    sizes = {name: np.full(len(sheet), np.nan) for name in ("tensor_parallel", "expert_parallel", "data_parallel")}
    sizes["tensor_parallel"][~steady] = devices[~steady]
    if not steady.any():
        return sizes
    layouts = _each(_layout, zip(sheet.text("notes"), devices.tolist(), strict=True))
    for index in np.flatnonzero(steady):
        found = layouts[index]
        if isinstance(found, str):
            sheet.faults.setdefault(int(index), found)
            continue
        for name, size in found.items():
            sizes[name][index] = np.nan if size is None else size
    return sizes


def _layout(notes: str, devices: float) -> dict[str, float | None] | str:
    """Return the sizes that notes give, or why they cannot be right."""
    said = re.search(r"TP=(\d{1,9}) EP=(\d{1,9}) DP=(\d{1,9})", notes)
    if said is None:
        return {}
    try:
        return ml_energy.layout(devices, *map(float, said.groups()))
    except RefusedRowError as refused:
        return str(refused)


def _each(of: Callable[..., Any], values: Iterable[Any]) -> list[Any]:
    """Apply a function to texts, or to tuples of them, once for each that differs."""
    found: dict[Any, Any] = {}
    results = []
    for value in values:
        if value not in found:
            found[value] = of(*value) if isinstance(value, tuple) else of(value)
        results.append(found[value])
    return results


def _mode(mode: str) -> tuple[str, str]:
    """Return the phase, empty if unknown, and the task."""
    words = re.fullmatch(r"(\w+)(?:\((.*)\))?", mode)
    return (_PHASES.get(words[1], ""), words[2] or "") if words else ("", "")


def _software(source: str, hw: str) -> tuple[str, str]:
    """Return the framework that a source names, and its version, for one machine where machines differ."""
    if "ml-energy" in source:
        return "vLLM", ""
    framework = next((name for name in ("TensorRT-LLM", "SynapseAI", "vLLM", "SGLang") if name in source), "")
    own = re.search(rf"{re.escape(hw)} v(\d[\w.]*)", source)
    found = own or re.search(r"\(v(\d[\w.]*)|SynapseAI (\d[\w.]*)", source)
    version = next((text for text in found.groups() if text), "") if found else ""
    return framework, version
