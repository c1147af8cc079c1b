"""MLPerf Inference (MLCommons): ``summary_results.json`` of a round.

A result is in tokens per second of the whole system, of the answers alone; those in other units are no language model's
throughput. Neither batch nor prompt lengths are given; the mean answer stands beside the accuracy. The software of
NVIDIA's submissions is named by its TensorRT, which for these models is TensorRT-LLM's. A note such as "B200 TGP 1000W"
is the power limit. The models at 99 and at 99.9 % of the accuracy are one model.

References
----------
mlcommons/inference_results_v5.1, ``summary_results.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from roofline.measurements import names
from roofline.measurements.formats._objects import holds, identity, joined, needed, number, text
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "MLPerf Inference summary_results.json"
_HEAD = ("Submitter", "Scenario", "Accelerator", "a#", "Performance_Result")


def matches(document: Sheet | Objects) -> bool:
    """Whether an object has the fields of a result.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return holds(document, _HEAD)


def runs(document: Objects) -> Runs:
    """Return the records of a round.

    Parameters
    ----------
    document : Objects
        The results.
    """
    return document.runs(lambda item: _run(item, document.source))


def _run(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    units = text(item, "Performance_Units")
    if units.lower() != "tokens/s":
        raise RefusedRowError(f"its unit is {units or 'not named'} and not Tokens/s")
    per_node = number(item, "a#")
    if not per_node:
        raise RefusedRowError("no accelerators (a#)")
    software = text(item, "Software")
    open_division = text(item, "Category", "Division").lower() == "open"
    named, version = _software(software)
    answer = re.search(r"TOKENS_PER_SAMPLE: *([\d.]+)", text(item, "Accuracy"))
    limit = re.search(r"TGP (\d+) ?W", text(item, "Notes"))
    return identity(
        source,
        accelerator=text(item, "Accelerator"),
        llm=text(item, "Model", "UsedModel"),
        precision=text(item, "weight_data_types"),
        inferred=() if named == software.split(" ")[0] else ("framework",),
    ) | {
        "devices": per_node * needed(item, "Nodes"),
        "framework": named,
        "version": version,
        "phase": "serving",
        "output_tokens": float(answer[1]) if answer else None,
        "power_limit_w": float(limit[1]) if limit else None,
        "variant": joined(text(item, "Scenario"), "open division" if open_division else ""),
        "output_tokens_per_s": needed(item, "Performance_Result"),
        "date": text(item, "version"),
        "source": joined(
            f"MLPerf Inference {text(item, 'version')}".strip(), text(item, "Submitter"), text(item, "ID")
        ),
    }


def _software(software: str) -> tuple[str, str]:
    """Return framework and version of ``"vLLM 0.9.0, PyTorch 2.7"``; another library's version keeps its name."""
    first = software.split(",")[0].strip()
    word, _, version = first.partition(" ")
    named = names.framework(word)
    return named, version if named.lower() == word.lower() else first
