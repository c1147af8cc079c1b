r"""The two papers' equations and the roofline's, one pure function each.

*Kim* is Kim et al., "An Inquiry into Datacenter TCO for LLM Inference with FP8" (arXiv:2502.01070);
*Brunetta* is Brunetta et al., "Beyond Throughput: Performance and Energy Insights of LLM Inference Across AI
Accelerators". A function that bears an equation's number is that equation as printed; where the print slips, the
docstring says so and ``docs/errata.md`` holds the correction.

Every argument is a keyword and may be a number or an array of any array-API library; arguments broadcast. Nothing is
validated here: the functions of :mod:`roofline` do that and call these. Inside a body the names are the paper's:
``l`` layers, ``h`` hidden size, ``a·h`` MLP width, ``H`` query heads, ``d`` head size, ``g`` query heads per KV head,
``v`` vocabulary, ``s`` tokens, ``b`` batch, ``P`` bytes per element.
"""

from __future__ import annotations

from roofline.formulas.attention import decode_attention_flops, prefill_attention_flops
from roofline.formulas.brunetta import brunetta_eq1, brunetta_eq2, brunetta_sparse_flops
from roofline.formulas.collectives import ring_all_reduce_bytes
from roofline.formulas.experts import expected_distinct_experts, expected_tokens_per_active_expert
from roofline.formulas.gemm import (
    attainable_flops_per_s,
    gemm_bytes,
    gemm_flops,
    gemm_intensity,
    kv_attention_intensity,
    ridge_point,
    roofline_time_s,
    thin_gemm_intensity,
)
from roofline.formulas.kim import (
    kim_eq5,
    kim_eq6,
    kim_eq7,
    kim_eq7_exact,
    kim_eq8,
    kim_linear_constant,
    linear_attention_crossover_tokens,
)

__all__ = [
    "attainable_flops_per_s",
    "brunetta_eq1",
    "brunetta_eq2",
    "brunetta_sparse_flops",
    "decode_attention_flops",
    "expected_distinct_experts",
    "expected_tokens_per_active_expert",
    "gemm_bytes",
    "gemm_flops",
    "gemm_intensity",
    "kim_eq5",
    "kim_eq6",
    "kim_eq7",
    "kim_eq7_exact",
    "kim_eq8",
    "kim_linear_constant",
    "kv_attention_intensity",
    "linear_attention_crossover_tokens",
    "prefill_attention_flops",
    "ridge_point",
    "ring_all_reduce_bytes",
    "roofline_time_s",
    "thin_gemm_intensity",
]
