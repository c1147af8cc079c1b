"""InferenceX (SemiAnalysis; once InferenceMAX): aggregated results, as its runs write and its site serves them.

Rates are per device: the total over all, and with separate pools for prefill and decode the output over those that
decode. Times are in seconds. Clients draw both lengths evenly between 0.8 and 1 times the nominal ones that stand here.
The key of the hardware leaves the module open (``h100``) and may name the operator (``h200-nv``). "fp4" is MXFP4 on AMD
and for gpt-oss, else NVFP4. Power is the mean of one device; where the tool found its samples wanting it is left out.
Replayed traces of agents, which find most of their prompts cached, have no lengths and are refused.

References
----------
SemiAnalysisAI/InferenceX, ``utils/process_result.py``; SemiAnalysisAI/InferenceX-app, ``packages/db/src/etl``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.measurements import names
from roofline.measurements.formats._objects import devices, holds, identity, joined, needed, number, part, text
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "InferenceX"
_HEADS = tuple(
    (hardware, "framework", "precision", "conc", result)
    for hardware in ("hw", "hardware")
    for result in ("isl", "tput_per_gpu", "metrics", "request_metrics")
)


def matches(document: Sheet | Objects) -> bool:
    """Whether an object has the fields of an aggregated result.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return holds(document, *_HEADS)


def runs(document: Objects) -> Runs:
    """Return the records of a file.

    Parameters
    ----------
    document : Objects
        The results.
    """
    return document.runs(lambda item: _run({**item, **part(item, "metrics")}, document.source))


def _run(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    if "agentic" in text(item, "scenario_type", "benchmark_type"):
        raise RefusedRowError("replayed traces of agents, whose prompts are cached in part")
    llm = text(item, "model")
    if source.llm(llm) is None and llm not in source.names:
        llm = text(item, "infmax_model_prefix") or llm
    hardware = text(item, "hw", "hardware")
    precision = text(item, "precision").lower()
    accelerator, found = source.accelerator(hardware), source.llm(llm)
    if precision == "fp4" and accelerator and found:
        precision = "mxfp4" if accelerator.key.startswith("mi3") or found.key.startswith("gpt-oss") else "nvfp4"
    tensor, expert = number(item, "tp", "decode_tp"), number(item, "ep", "decode_ep")
    prefillers, decoders = number(item, "num_prefill_gpu"), number(item, "num_decode_gpu")
    apart = _true(item, "disagg")
    if apart and not (prefillers and decoders):
        raise RefusedRowError("separate pools for prefill and decode, of unknown sizes")
    if apart and text(item, "prefill_hardware", "prefill_hw") != text(item, "decode_hardware", "decode_hw"):
        raise RefusedRowError("prefill and decode on unlike accelerators")
    pipeline = number(item, "pp", "decode_pp") or 1
    whole = None
    if apart:
        whole = (prefillers or 0) + (decoders or 0)
    elif _true(item, "is_multinode") and prefillers and "num_gpus" not in item:
        whole = prefillers
    elif tensor:
        whole = tensor * pipeline * (number(item, "pcp_size") or 1)
    count = devices(source, number(item, "num_gpus"), whole)
    alike = not apart or tensor == number(item, "prefill_tp") == (decoders or 0)
    output, total = number(item, "output_tput_per_gpu"), number(item, "tput_per_gpu")
    drafting = text(item, "spec_decoding", "spec_method", "mtp").lower()
    return identity(source, accelerator=hardware, llm=llm, precision=precision) | {
        "devices": count,
        "tensor_parallel": tensor if alike and not _true(item, "dp_attention", "decode_dp_attention") else None,
        "pipeline_parallel": pipeline if not apart else None,
        "expert_parallel": expert if not apart else None,
        "framework": names.framework(text(item, "framework")),
        "version": text(item, "image"),
        "phase": "serving",
        "concurrency": needed(item, "conc"),
        "prompt_tokens": needed(item, "isl"),
        "output_tokens": needed(item, "osl"),
        "variant": joined(
            f"{prefillers:g} prefill and {decoders:g} decode devices" if apart else "",
            "data-parallel attention" if _true(item, "dp_attention", "decode_dp_attention") else "",
            f"speculative {drafting}" if drafting not in ("", "none", "off", "false") else "",
        ),
        "output_tokens_per_s": None if output is None else output * (decoders if apart and decoders else count),
        "tokens_per_s": None if total is None else total * count,
        "latency_s": number(item, "mean_e2el"),
        "ttft_s": number(item, "mean_ttft"),
        "itl_s": number(item, "mean_tpot", "mean_itl"),
        **_power(item),
        "date": text(item, "date"),
        "source": "SemiAnalysisAI/InferenceX",
    }


def _power(item: Mapping[str, Any]) -> dict[str, Any]:
    watts = number(item, "avg_power_w")
    if watts is None or item.get("power_valid") in (0, False):
        return {}
    return {"power_w": watts, "energy_j": number(item, "total_gpu_energy_j"), "power_boundary": "device"}


def _true(item: Mapping[str, Any], *keys: str) -> bool:
    return any(item.get(key) is True or str(item.get(key)).lower() == "true" for key in keys)
