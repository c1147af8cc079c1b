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

from roofline.formulas.attention import (
    attention_flops,
    decode_attention_flops,
    decode_pairs,
    prefill_attention_flops,
    softmax_exponentials,
    visible_pairs,
)
from roofline.formulas.brunetta import (
    brunetta_eq1,
    brunetta_eq2,
    brunetta_sparse_flops,
)
from roofline.formulas.collectives import (
    all_gather_bytes,
    all_to_all_bytes,
    direct_all_reduce_steps,
    mesh_share,
    reduce_scatter_bytes,
    ring_all_reduce_bytes,
    ring_all_reduce_steps,
    tree_all_reduce_steps,
)
from roofline.formulas.elementwise import (
    EXP_VECTOR_FLOPS,
    SOFTMAX_FLOPS_PER_PAIR,
    absmax_flops,
    dequantise_flops,
    gate_exponentials,
    gate_flops,
    quantise_flops,
    residual_flops,
    rms_norm_flops,
    rotary_flops,
)
from roofline.formulas.experts import (
    busiest_share,
    device_shares,
    distinct_imbalance,
    expected_distinct_experts,
    expected_distinct_experts_of,
    expected_tokens_per_active_expert,
    inclusion_probabilities,
    load_imbalance,
)
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
from roofline.formulas.geometry import (
    folded_arrays,
    input_elements_per_cycle,
    matrix_utilisation,
    padded,
    padded_gemm_flops,
    wave_quantised_flops,
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
    "EXP_VECTOR_FLOPS",
    "SOFTMAX_FLOPS_PER_PAIR",
    "absmax_flops",
    "all_gather_bytes",
    "all_to_all_bytes",
    "attainable_flops_per_s",
    "attention_flops",
    "brunetta_eq1",
    "brunetta_eq2",
    "brunetta_sparse_flops",
    "busiest_share",
    "decode_attention_flops",
    "decode_pairs",
    "dequantise_flops",
    "device_shares",
    "direct_all_reduce_steps",
    "distinct_imbalance",
    "expected_distinct_experts",
    "expected_distinct_experts_of",
    "expected_tokens_per_active_expert",
    "folded_arrays",
    "gate_exponentials",
    "gate_flops",
    "gemm_bytes",
    "gemm_flops",
    "gemm_intensity",
    "inclusion_probabilities",
    "input_elements_per_cycle",
    "kim_eq5",
    "kim_eq6",
    "kim_eq7",
    "kim_eq7_exact",
    "kim_eq8",
    "kim_linear_constant",
    "kv_attention_intensity",
    "linear_attention_crossover_tokens",
    "load_imbalance",
    "matrix_utilisation",
    "mesh_share",
    "padded",
    "padded_gemm_flops",
    "prefill_attention_flops",
    "quantise_flops",
    "reduce_scatter_bytes",
    "residual_flops",
    "ridge_point",
    "ring_all_reduce_bytes",
    "ring_all_reduce_steps",
    "rms_norm_flops",
    "roofline_time_s",
    "rotary_flops",
    "softmax_exponentials",
    "thin_gemm_intensity",
    "tree_all_reduce_steps",
    "visible_pairs",
    "wave_quantised_flops",
]
