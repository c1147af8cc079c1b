"""Serving: static batches, continuous batching, disaggregated pools, and what limits on latency leave of throughput."""

from __future__ import annotations

from roofline.serving.continuous import (
    ContinuousBatching,
    Scheduler,
    UnsustainableLoadError,
    continuous_batching,
    sustainable_load,
)
from roofline.serving.disaggregation import Disaggregated, Pools, disaggregated, pools
from roofline.serving.limits import Configuration, ServingFront, best_batch, serving_front, throughput_within
from roofline.serving.pareto import pareto_front
from roofline.serving.static import Generation, generate

__all__ = [
    "Configuration",
    "ContinuousBatching",
    "Disaggregated",
    "Generation",
    "Pools",
    "Scheduler",
    "ServingFront",
    "UnsustainableLoadError",
    "best_batch",
    "continuous_batching",
    "disaggregated",
    "generate",
    "pareto_front",
    "pools",
    "serving_front",
    "sustainable_load",
    "throughput_within",
]
