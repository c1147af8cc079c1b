"""Ideal roofline of LLM inference: what a phase computes and moves, and how long a machine takes for it.

>>> import hardware_specs as hs
>>> import roofline as rl
>>> d = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
>>> print(f"{d.tokens_per_s:,.0f} tokens/s, {d.bound} bound")
8,411 tokens/s, memory bound
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roofline import formulas
from roofline.ceilings import CEILINGS, Ceilings, phase_time_s
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import Layout
from roofline.lengths import Lengths
from roofline.machine import Machine, Tile
from roofline.memory import MemoryUse, OutOfMemoryError, kv_cache_bytes, max_batch, memory_use, weight_bytes
from roofline.operations import Counts, NotModelledError, Operation, Product
from roofline.phases import OperationEstimate, PhaseEstimate, decode, prefill
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline import plot, power, quality
    from roofline.llm import LLM
    from roofline.llm_catalog import get_llm, llm_names, load_llms

__all__ = [
    "CEILINGS",
    "LLM",
    "POLICY_NAMES",
    "Ceilings",
    "Counts",
    "Layout",
    "Lengths",
    "Machine",
    "MemoryUse",
    "NotModelledError",
    "Operation",
    "OperationEstimate",
    "OutOfMemoryError",
    "PhaseEstimate",
    "PrecisionPolicy",
    "Product",
    "Tile",
    "decode",
    "decode_operations",
    "formulas",
    "get_llm",
    "kv_cache_bytes",
    "llm_names",
    "load_llms",
    "max_batch",
    "memory_use",
    "phase_time_s",
    "plot",
    "policy",
    "power",
    "prefill",
    "prefill_operations",
    "quality",
    "weight_bytes",
]


# Loaded when first asked for, so that `import tco` stays cheap: matplotlib, and the records of language models.
_LATER = {
    "LLM": "roofline.llm",
    "get_llm": "roofline.llm_catalog",
    "llm_names": "roofline.llm_catalog",
    "load_llms": "roofline.llm_catalog",
}


def __getattr__(name: str) -> Any:
    if name in ("plot", "power", "quality"):
        return import_module(f"roofline.{name}")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'roofline' has no attribute {name!r}")
