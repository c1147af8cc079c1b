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

if TYPE_CHECKING:
    from roofline import calibration, formulas, kernels, measure, measurements, plot, power, quality, serving
    from roofline.calibration import Calibration, calibrate, get_calibration
    from roofline.ceilings import Ceilings, phase_time_s
    from roofline.estimates import OperationEstimate, PhaseEstimate
    from roofline.forward import decode_operations, prefill_operations
    from roofline.layout import Layout
    from roofline.lengths import Lengths
    from roofline.llm import LLM
    from roofline.llm_catalog import get_llm, llm_names, load_llms
    from roofline.machine import CEILINGS, Machine, Tile
    from roofline.memory import MemoryUse, OutOfMemoryError, kv_cache_bytes, max_batch, memory_use, weight_bytes
    from roofline.operations import Counts, Operation, Product
    from roofline.phases import decode, prefill
    from roofline.precision import POLICY_NAMES, PrecisionPolicy, policy
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
    "Calibration",
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
    "calibrate",
    "calibration",
    "continuous_batching",
    "decode",
    "decode_operations",
    "disaggregated",
    "formulas",
    "generate",
    "get_calibration",
    "get_llm",
    "kernels",
    "kv_cache_bytes",
    "layouts",
    "llm_names",
    "load_llms",
    "max_batch",
    "measure",
    "measurements",
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


# Everything is loaded when first asked for, so that `import tco` stays cheap: its own part needs none of it.
_HOME = {
    "CEILINGS": "machine",
    "LLM": "llm",
    "POLICY_NAMES": "precision",
    "BestLayout": "search",
    "Calibration": "calibration",
    "Ceilings": "ceilings",
    "ContinuousBatching": "serving",
    "Counts": "operations",
    "Disaggregated": "serving",
    "Generation": "serving",
    "Layout": "layout",
    "LayoutOption": "search",
    "Lengths": "lengths",
    "Machine": "machine",
    "MemoryUse": "memory",
    "Operation": "operations",
    "OperationEstimate": "estimates",
    "OutOfMemoryError": "memory",
    "PhaseEstimate": "estimates",
    "PrecisionPolicy": "precision",
    "Product": "operations",
    "ServingFront": "serving",
    "Tile": "machine",
    "UnsustainableLoadError": "serving",
    "best_batch": "serving",
    "best_layout": "search",
    "calibrate": "calibration",
    "continuous_batching": "serving",
    "decode": "phases",
    "decode_operations": "forward",
    "disaggregated": "serving",
    "generate": "serving",
    "get_calibration": "calibration",
    "get_llm": "llm_catalog",
    "kv_cache_bytes": "memory",
    "layouts": "search",
    "llm_names": "llm_catalog",
    "load_llms": "llm_catalog",
    "max_batch": "memory",
    "memory_use": "memory",
    "pareto_front": "serving",
    "phase_time_s": "ceilings",
    "policy": "precision",
    "pools": "serving",
    "prefill": "phases",
    "prefill_operations": "forward",
    "serving_front": "serving",
    "sustainable_load": "serving",
    "throughput_within": "serving",
    "weight_bytes": "memory",
}
_ROOMS = ("calibration", "formulas", "kernels", "measure", "measurements", "plot", "power", "quality", "serving")


def __getattr__(name: str) -> Any:
    if name in _ROOMS or name in _HOME.values():
        return import_module(f"roofline.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'roofline' has no attribute {name!r}")
    value = getattr(import_module(f"roofline.{_HOME[name]}"), name)
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
