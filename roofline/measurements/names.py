"""Names in the wild and what the catalogues call it: machines, models, precisions and frameworks."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import hardware_specs as hs
from hardware_specs import UnknownNameError


class Mapped(NamedTuple):
    """A key, and whether the name settles it.

    Attributes
    ----------
    key : str
        As the catalogue or the library has it.
    certain : bool
        Whether the name says it; else it leaves a variant open, and the usual one is taken.
    """

    key: str
    certain: bool = True


# What a name must hold, what it must not, the key, and what makes it certain. The first row that matches counts.
_ACCELERATORS: tuple[tuple[str, str, str, str], ...] = (
    (r"gh200.*14[14] ?g", "", "gh200-144gb", ""),
    (r"gh200", "", "gh200-96gb", r"96 ?g|480 ?g"),  # nvidia-smi counts the memory of its CPU
    (r"gb300", "", "gb300", ""),
    (r"gb200", "", "gb200", ""),
    (r"b300", "pcie", "b300", ""),
    (r"b200", "pcie", "b200", ""),
    (r"h200", "nvl|pcie", "h200-sxm", ""),
    (r"h100.*nvl", "", "h100-nvl", ""),
    (r"h100.*(pcie|hbm2e)", "", "h100-pcie", ""),
    (r"h100", "", "h100-sxm", r"sxm|hbm3"),
    (r"a100.*40 ?g", "pcie", "a100-sxm-40gb", ""),
    (r"a100", "pcie|a100x", "a100-sxm-80gb", r"80 ?g"),
    (r"l40s", "", "l40s", ""),
    (r"rtx.*pro.*6000.*workstation", "max-?q", "rtx-pro-6000-workstation", ""),
    (r"rtx.*pro.*6000", "max-?q", "rtx-pro-6000-server", "server"),
    (r"rtx.*4090", "laptop|4090 ?d", "rtx-4090", ""),
    (r"v100", "32 ?g|pcie", "v100-sxm", r"16 ?g"),
    (r"mi355x", "", "mi355x", ""),
    (r"mi325x", "", "mi325x", ""),
    (r"mi300x", "", "mi300x", ""),
    (r"mi250x", "", "mi250x", ""),
    (r"mi250", "", "mi250", ""),
    (r"mi210", "", "mi210", ""),
    (r"gaudi[ -]?3.*(pcie|hl-?338)|hl-?338", "", "gaudi-3-pcie", ""),
    (r"gaudi[ -]?3|hl-?325", "", "gaudi-3", ""),
    (r"gaudi[ -]?2|hl-?225", "", "gaudi-2", ""),
    (r"max 1550|pvc|ponte vecchio", "", "max-1550", ""),  # the folder of these runs is called Max1550
    (r"sn40l", "", "sn40l", ""),
    (r"cs-?3|wse-?3", "", "cs-3", ""),
    (r"tpu.?7x|tpu[ -]?v7|ironwood", "", "tpu-v7", ""),
    (r"v6e|trillium", "", "tpu-v6e", ""),
    (r"v5p", "", "tpu-v5p", ""),
    (r"v5e|v5 ?lite", "", "tpu-v5e", ""),
    (r"trainium ?3|trn3", "", "trainium3", ""),
    (r"trainium ?2|trn2", "", "trainium2", ""),
    (r"inferentia ?2|inf2", "", "inferentia2", ""),
)

# Names of models beside those that the catalogue knows: releases with the shapes of another one.
_LLMS = {
    "llama-2-70b-99": "llama-2-70b",
    "llama-2-70b-99.9": "llama-2-70b",
    "llama2-70b-99": "llama-2-70b",
    "llama2-70b-99.9": "llama-2-70b",
    "llama2-70b": "llama-2-70b",
    "llama2-7b": "llama-2-7b",
    "llama3.1-405b": "llama-3.1-405b",
    "llama3-1-8b": "llama-3.1-8b",
    "dsr1": "deepseek-r1",
    "deepseek-r1-0528": "deepseek-r1",
    "gptoss": "gpt-oss-120b",
    "gptoss120b": "gpt-oss-120b",
    "gpt-oss": "gpt-oss-120b",
    "llama70b": "llama-3.3-70b",
}

_FRAMEWORKS = {
    "vllm": "vLLM",
    "tensorrt-llm": "TensorRT-LLM",
    "tensorrtllm": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
    "trt-llm": "TensorRT-LLM",
    "trt": "TensorRT-LLM",
    "tensorrt": "TensorRT-LLM",
    "sglang": "SGLang",
    "deepspeed-mii": "DeepSpeed-MII",
    "deepspeed": "DeepSpeed",
    "llama.cpp": "llama.cpp",
    "llamacpp": "llama.cpp",
    "sambaflow": "SambaFlow",
    "synapseai": "SynapseAI",
    "pytorch": "PyTorch",
    "dynamo-trt": "Dynamo TensorRT-LLM",
    "dynamo-trtllm": "Dynamo TensorRT-LLM",
    "dynamo-sglang": "Dynamo SGLang",
    "dynamo-vllm": "Dynamo vLLM",
}

_PRECISIONS = {
    "bf16": "bf16",
    "bfloat16": "bf16",
    "torch.bfloat16": "bf16",
    "fp16": "fp16",
    "float16": "fp16",
    "half": "fp16",
    "torch.float16": "fp16",
    "fp8": "fp8",
    "fp8_e4m3": "fp8",
    "fp8_e4m3fn": "fp8",
    "float8_e4m3fn": "fp8",
    "w8a8_fp8": "fp8",
    "modelopt_fp8": "fp8",
    "float8": "fp8",
    "w8a8": "fp8",
    "fp8-kv8": "fp8-kv8",
    "weight = fp16, kv cache = fp16": "fp16",
    "weight = fp16, kv cache = fp8": "fp16-kv8",
    "weight = fp16, kv cache = int8": "fp16-kv-int8",
    "weight = fp8, kv cache = fp8": "fp8-kv8",
    "weight = int8, kv cache = int8": "int8-kv-int8",
    "weight = int8, kv cache = fp8": "int8-kv8",
    "int8": "int8",
    "w8a8_int8": "int8",
    "int4": "w4a16",
    "awq": "w4a16",
    "awq_marlin": "w4a16",
    "gptq": "w4a16",
    "gptq_marlin": "w4a16",
    "w4a16": "w4a16",
    "w8a16": "w8a16",
    "fp4": "nvfp4",
    "nvfp4": "nvfp4",
    "modelopt_fp4": "nvfp4",
    "mxfp4": "mxfp4",
}


@cache
def accelerator(name: str) -> Mapped | None:
    """Return the accelerator that a name means, as a log, a tool or a publication writes it.

    Parameters
    ----------
    name : str
        Such as ``"NVIDIA H100 80GB HBM3"`` or ``"Habana Gaudi2"``.

    Returns
    -------
    Mapped or None
        ``None`` for what the catalogue does not have: a variant that it lacks is not another one.

    Examples
    --------
    >>> accelerator("NVIDIA H100 80GB HBM3"), accelerator("Nvidia A100 GPU"), accelerator("NVIDIA H200-NVL-141GB")
    (Mapped(key='h100-sxm', certain=True), Mapped(key='a100-sxm-80gb', certain=False), None)
    """
    words = " ".join(name.lower().replace("_", " ").split())
    for pattern, unlike, key, certain in _ACCELERATORS:
        if re.search(rf"(?<![a-z0-9])(?:{pattern})", words) and not (unlike and re.search(unlike, words)):
            return Mapped(key, not certain or bool(re.search(certain, words)) or words == key)
    try:
        return Mapped(hs.get(name).key)
    except (UnknownNameError, TypeError):
        return None


@cache
def llm(name: str) -> Mapped | None:
    """Return the LLM that a name means: a key, an alias, a Hugging Face id, or the last part of a path.

    Parameters
    ----------
    name : str
        Such as ``"meta-llama/Llama-2-7b-hf"``.

    Returns
    -------
    Mapped or None
        ``None`` for what the catalogue does not have. A quantised or fine-tuned release has the shapes of its base.

    Examples
    --------
    >>> llm("meta-llama/Llama-2-7b-hf"), llm("Qwen/Qwen3-235B-A22B-FP8"), llm("no-such-model")
    (Mapped(key='llama-2-7b', certain=True), Mapped(key='qwen3-235b-a22b', certain=True), None)
    """
    from roofline.llm_catalog import get_llm

    last = name.strip().rstrip("/").split("/")[-1]
    short = _without_release(last)
    for tried in dict.fromkeys((name, last, short, _LLMS.get(last.lower(), ""), _LLMS.get(short.lower(), ""))):
        try:
            return Mapped(get_llm(tried).key)
        except (UnknownNameError, TypeError, ValueError):
            continue
    return None


def _without_release(name: str) -> str:
    """Return a model's name without the words of a release that leave its shapes as they are."""
    words = (
        r"instruct|thinking|chat|base|it|hf|fp8|fp4-v\d|fp4|nvfp4|mxfp4|bf16|dynamic|kv|awq|gptq|int4|int8"
        r"|w4a16|w8a8|w8a16|quantized|preview|2507"
    )
    return re.sub(rf"(?:[-_.](?:{words}))+$", "", name, flags=re.IGNORECASE)


@cache
def framework(name: str) -> str:
    """Return a framework's name as we write it; one that we do not know stays as it is.

    Parameters
    ----------
    name : str
        Such as ``"trtllm"``.

    Examples
    --------
    >>> framework("trtllm"), framework("Deepspeed-MII"), framework("ours")
    ('TensorRT-LLM', 'DeepSpeed-MII', 'ours')
    """
    return _FRAMEWORKS.get(name.strip().lower().replace("_", "-").replace(" ", "-"), name.strip())


@cache
def precision(name: str) -> str | None:
    """Return the precision policy that a name means.

    Parameters
    ----------
    name : str
        Such as ``"bfloat16"``.

    Returns
    -------
    str or None
        ``None`` for what names no policy.

    Examples
    --------
    >>> precision("bfloat16"), precision("Weight = fp16, KV Cache = fp8"), precision("auto")
    ('bf16', 'fp16-kv8', None)
    """
    return _PRECISIONS.get(name.strip().lower())
