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
from roofline.ceilings import Ceilings, phase_time_s
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import Layout
from roofline.lengths import Lengths
from roofline.machine import CEILINGS, Machine, Tile
from roofline.memory import MemoryUse, OutOfMemoryError, kv_cache_bytes, max_batch, memory_use, weight_bytes
from roofline.operations import Counts, NotModelledError, Operation, Product
from roofline.phases import OperationEstimate, PhaseEstimate, decode, prefill
from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy

if TYPE_CHECKING:
    from roofline import plot, power, quality, serving
    from roofline.llm import LLM
    from roofline.llm_catalog import get_llm, llm_names, load_llms
    from roofline.search import BestLayout, LayoutOption, best_layout, layouts
    from roofline.serving import (
        ContinuousBatching,
        Disaggregated,
        Generation,
        ServingFront,
        UnsustainableLoadError,
        best_batch,
        continuous_batching,
        disaggregated,
        generate,
        pareto_front,
        pools,
        serving_front,
        sustainable_load,
        throughput_within,
    )

__all__ = [
    "CEILINGS",
    "LLM",
    "POLICY_NAMES",
    "BestLayout",
    "Ceilings",
    "ContinuousBatching",
    "Counts",
    "Disaggregated",
    "Generation",
    "Layout",
    "LayoutOption",
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
    "ServingFront",
    "Tile",
    "UnsustainableLoadError",
    "best_batch",
    "best_layout",
    "continuous_batching",
    "decode",
    "decode_operations",
    "disaggregated",
    "formulas",
    "generate",
    "get_llm",
    "kv_cache_bytes",
    "layouts",
    "llm_names",
    "load_llms",
    "max_batch",
    "memory_use",
    "pareto_front",
    "phase_time_s",
    "plot",
    "policy",
    "pools",
    "power",
    "prefill",
    "prefill_operations",
    "quality",
    "serving",
    "serving_front",
    "sustainable_load",
    "throughput_within",
    "weight_bytes",
]


# Loaded when first asked for, so that `import tco` stays cheap: matplotlib, the records of language models, serving.
_LATER = {
    "LLM": "roofline.llm",
    "get_llm": "roofline.llm_catalog",
    "llm_names": "roofline.llm_catalog",
    "load_llms": "roofline.llm_catalog",
    "BestLayout": "roofline.search",
    "LayoutOption": "roofline.search",
    "best_layout": "roofline.search",
    "layouts": "roofline.search",
    "ContinuousBatching": "roofline.serving",
    "Disaggregated": "roofline.serving",
    "Generation": "roofline.serving",
    "ServingFront": "roofline.serving",
    "UnsustainableLoadError": "roofline.serving",
    "best_batch": "roofline.serving",
    "continuous_batching": "roofline.serving",
    "disaggregated": "roofline.serving",
    "generate": "roofline.serving",
    "pareto_front": "roofline.serving",
    "pools": "roofline.serving",
    "serving_front": "roofline.serving",
    "sustainable_load": "roofline.serving",
    "throughput_within": "roofline.serving",
}


def __getattr__(name: str) -> Any:
    if name in ("plot", "power", "quality", "serving"):
        return import_module(f"roofline.{name}")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'roofline' has no attribute {name!r}")
