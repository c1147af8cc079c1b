"""Ideal roofline of LLM inference: what a phase computes and moves, and how long a machine takes for it.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
>>> print(f"{d.tokens_per_s:,.0f} tokens/s, {d.bound} bound")
8,411 tokens/s, memory bound
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from roofline import formulas
from roofline.ceilings import Machine
from roofline.llm import LLM
from roofline.llm_catalog import get_llm, llm_names, load_llms
from roofline.memory import OutOfMemoryError, kv_cache_bytes, max_batch, weight_bytes
from roofline.operations import NotModelledError, Operation
from roofline.phases import OperationEstimate, PhaseEstimate, decode, prefill
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

__all__ = [
    "LLM",
    "POLICY_NAMES",
    "Machine",
    "NotModelledError",
    "Operation",
    "OperationEstimate",
    "OutOfMemoryError",
    "PhaseEstimate",
    "PrecisionPolicy",
    "decode",
    "formulas",
    "get_llm",
    "kv_cache_bytes",
    "llm_names",
    "load_llms",
    "max_batch",
    "plot",
    "policy",
    "prefill",
    "weight_bytes",
]


def __getattr__(name: str) -> ModuleType:
    if name == "plot":  # matplotlib is heavy, and most imports never draw
        return import_module("roofline.plot")
    raise AttributeError(f"module 'roofline' has no attribute {name!r}")
