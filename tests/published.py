"""Figures that the two papers print and that the tests of the errata compute with: data only, each with its place.

*Kim* is Kim et al., "An Inquiry into Datacenter TCO for LLM Inference with FP8" (arXiv:2502.01070); *Brunetta* is
Brunetta et al., "Beyond Throughput: Performance and Energy Insights of LLM Inference Across AI Accelerators". Keys of
machines and models are those of the catalogues. ``tests/test_errata.py`` looks up every figure in the papers' text.
"""

from __future__ import annotations

from typing import NamedTuple


class Printed(NamedTuple):
    """A figure or formula of a paper, as printed.

    ``value`` is in the printed unit (20 for "20%", 24 for "24 kW"); a tuple is a range or a list, a string a formula or
    a word. ``place`` is the section or table that prints it, ``text`` the few characters there that hold it.
    """

    value: float | str | tuple[float, ...]
    place: str
    text: str


# ------------------------------------------------------------------------------------------------------------ Kim et


class EfficiencyRow(NamedTuple):
    """A row of Kim Table I: dense 16-bit peak [TFLOP/s], TDP [W], [TFLOP/s/W], gain over the row above [%]."""

    tflops: float
    tdp_w: float
    tflops_per_w: float
    increase_percent: float | None


KIM_TABLE_1 = {
    "v100-sxm": EfficiencyRow(125, 300, 0.42, None),
    "a100-sxm-80gb": EfficiencyRow(312, 400, 0.78, 87),
    "h200-sxm": EfficiencyRow(989, 700, 1.41, 81),
    "b300": EfficiencyRow(2250, 1200, 1.88, 33),
}
"""Kim Table I (section III)."""

KIM_TABLE_2 = {
    "llama-3.2-1b": {"bf16": 46.3, "e4m3 sr": 45.7, "e4m3 rtn": 45.5, "e5m2 rtn": 44.5},
    "llama-3.2-3b": {"bf16": 61.8, "e4m3 sr": 61.7, "e4m3 rtn": 61.6, "e5m2 rtn": 60.7},
    "llama-3.1-8b": {"bf16": 68.8, "e4m3 sr": 68.3, "e4m3 rtn": 68.3, "e5m2 rtn": 67.5},
    "llama-3.3-70b": {"bf16": 82.0, "e4m3 sr": 82.0, "e4m3 rtn": 82.0, "e5m2 rtn": 82.2},
}
"""Kim Table II (section III-A), repeated as Table VIII (A-B): MMLU [%] by data type and rounding.

SR is stochastic rounding, RTN round to nearest.
"""

KIM_TABLE_3_ROWS = (8, 16, 32, 64)
"""M of the columns of Kim Table III, for each of K = N = 2048 and 4096."""

KIM_TABLE_3 = {
    ("gaudi-2", "bf16"): {2048: (13.1, 25.8, 50.4, 110.5), 4096: (18.8, 37.3, 73.9, 145.0)},
    ("gaudi-2", "fp8"): {2048: (24.6, 47.7, 88.8, 162.2), 4096: (35.7, 67.8, 131.4, 252.5)},
    ("gaudi-3", "bf16"): {2048: (16.7, 34.6, 45.3, 130.9), 4096: (26.9, 53.6, 106.0, 203.0)},
    ("gaudi-3", "fp8"): {2048: (24.6, 47.4, 66.9, 157.1), 4096: (49.9, 99.1, 193.5, 370.9)},
    ("h100-sxm", "bf16"): {2048: (5.3, 10.7, 19.9, 41.2), 4096: (14.7, 28.5, 68.3, 133.2)},
    ("h100-sxm", "fp8"): {2048: (5.3, 10.4, 21.0, 41.9), 4096: (15.5, 31.0, 63.8, 120.5)},
    ("h200-sxm", "bf16"): {2048: (6.2, 12.1, 24.2, 48.0), 4096: (17.8, 34.4, 67.9, 158.2)},
    ("h200-sxm", "fp8"): {2048: (6.7, 13.4, 26.5, 53.3), 4096: (18.3, 36.7, 72.7, 151.3)},
}
"""Kim Table III (section VI-A): thin GEMM [TFLOP/s] by machine and format, then by K = N, one figure per M."""


class CapRow(NamedTuple):
    """A row of Kim Table IV: decode [TFLOP/s] without and with the 400 W cap, and the printed difference [%]."""

    uncapped: float
    capped: float
    difference_percent: float


KIM_TABLE_4_BATCH = {"llama-3.1-8b": 64, "llama-3.3-70b": 4}
"""Batch sizes in the head of Kim Table IV."""

KIM_TABLE_4 = {
    "llama-3.1-8b": {
        512: CapRow(141, 132, 7),
        1024: CapRow(126, 111, 11),
        2048: CapRow(105, 86, 18),
        4096: CapRow(76, 64, 15),
        8192: CapRow(56, 40, 28),
    },
    "llama-3.3-70b": {
        512: CapRow(23, 19, 19),
        1024: CapRow(23, 19, 17),
        2048: CapRow(24, 19, 21),
        4096: CapRow(21, 19, 9),
        8192: CapRow(23, 18, 21),
    },
}
"""Kim Table IV (section VI-D): decode on the H200, by length."""


class SquareGemmRow(NamedTuple):
    """A row of Kim Table V: [TFLOP/s], its share of the peak [%], power [W], its share of the TDP [%], [TFLOP/s/W]."""

    tflops: float
    peak_percent: float
    power_w: float
    tdp_percent: float
    tflops_per_w: float


KIM_TABLE_5 = {
    "gaudi-2": {
        "1K": SquareGemmRow(367.9, 42.5, 375, 63, 1.0),
        "2K": SquareGemmRow(586.2, 67.8, 460, 77, 1.3),
        "4K": SquareGemmRow(817.1, 94.5, 460, 77, 1.8),
        "8K": SquareGemmRow(741.8, 85.8, 490, 82, 1.5),
    },
    "h100-sxm": {
        "1K": SquareGemmRow(218.3, 11.0, 350, 50, 0.6),
        "2K": SquareGemmRow(879.7, 44.2, 690, 99, 1.3),
        "4K": SquareGemmRow(1167.6, 58.7, 690, 99, 1.7),
        "8K": SquareGemmRow(1084.7, 54.5, 690, 99, 1.6),
    },
}
"""Kim Table V (section A-A): square FP8 GEMMs with row-wise scaling."""


class Rate(NamedTuple):
    """A measured rate [TFLOP/s] and its printed share of the peak [%]."""

    tflops: float
    peak_percent: float


KIM_TABLE_6 = {
    "e4m3": {
        "1K": {"per-row": Rate(494, 57.1), "per-tensor": Rate(494, 57.1), "hardware": Rate(494, 57.1)},
        "2K": {"per-row": Rate(506, 58.5), "per-tensor": Rate(641, 74.1), "hardware": Rate(641, 74.2)},
        "4K": {"per-row": Rate(735, 84.9), "per-tensor": Rate(796, 92.1), "hardware": Rate(801, 92.6)},
        "8K": {"per-row": Rate(742, 85.7), "per-tensor": Rate(822, 95.0), "hardware": Rate(852, 98.4)},
    },
    "e5m2": {
        "1K": {"per-row": Rate(306, 35.4), "per-tensor": Rate(494, 57.1), "hardware": Rate(493, 57.0)},
        "2K": {"per-row": Rate(506, 58.5), "per-tensor": Rate(642, 74.2), "hardware": Rate(642, 74.2)},
        "4K": {"per-row": Rate(735, 84.9), "per-tensor": Rate(802, 92.7), "hardware": Rate(802, 92.7)},
        "8K": {"per-row": Rate(726, 83.9), "per-tensor": Rate(825, 95.4), "hardware": Rate(825, 95.4)},
    },
}
"""Kim Table VI (section A-A): square FP8 GEMMs on Gaudi 2, without the cost of quantisation."""

KIM_TABLE_7 = {
    "fp32": {
        "1K": {"per-row": Rate(217, 11.0), "per-tensor": Rate(186, 9.4)},
        "2K": {"per-row": Rate(299, 15.1), "per-tensor": Rate(840, 42.4)},
        "4K": {"per-row": Rate(362, 18.3), "per-tensor": Rate(1099, 55.5)},
        "8K": {"per-row": Rate(396, 20.0), "per-tensor": Rate(1300, 65.7)},
    },
    "fast": {
        "1K": {"per-row": Rate(237, 12.0), "per-tensor": Rate(147, 7.4)},
        "2K": {"per-row": Rate(810, 40.9), "per-tensor": Rate(896, 45.3)},
        "4K": {"per-row": Rate(1136, 57.4), "per-tensor": Rate(1205, 60.9)},
        "8K": {"per-row": Rate(1123, 56.8), "per-tensor": Rate(1388, 70.1)},
    },
}
"""Kim Table VII (section A-A): square FP8 GEMMs on the H100 by accumulation, without the cost of quantisation."""

KIM_TEXT = {
    "servers of A": Printed("R_Th/N", "II-A", "RTh/N"),
    "crossover": Printed("s < h", "VI-A", "(s<hs<h)"),
    "gaudi-2 bandwidth [TB/s]": Printed(2.4, "IV-D", "bandwidth of 2.4 TB/s"),
    "gaudi-2 fp8 peak [TFLOP/s]": Printed(865, "IV-D", "throughput of 865 TFLOPS"),
    "gaudi-2 ridge point [FLOP/byte]": Printed(360, "IV-D", "at least 360 FLOPs/byte"),
    "kv bound: g": Printed(4, "IV-D", "g=4g=4 running on a Gaudi 2"),
    "kv bound [TFLOP/s]": Printed(9.6, "IV-D", "=9.6 TFLOPS"),
    "table 5 h100 peak [TFLOP/s]": Printed(1989.9, "Table V", "1989.9 TFLOPS"),
    "table 5 gaudi-2 peak [TFLOP/s]": Printed(865, "Table V", "Gaudi 2 has 865 TFLOPS"),
    "gaudi-3 bf16 peak [TFLOP/s]": Printed(1678, "V-A", "throughput of 1678 TFLOPS"),
    "fp8 gain, gaudi-2, Figure 5 [%]": Printed(50, "V-A", "50% or greater"),
    "fp8 gain, nvidia, Figure 5 [%]": Printed(25, "V-A", "under 25% for the H100"),
    "fp8 gain, gaudi-2, V-B [%]": Printed(65, "V-B", "improvement of over 65%"),
    "fp8 gain, nvidia, V-B [%]": Printed(25, "V-B", "gains of under 25%"),
    "fp8 gain, gaudi-2, VII-A [%]": Printed(50, "VII-A", "nearly 50% higher"),
}
"""Figures of Kim's running text and captions. Figures 4 and 5 and their captions stand in section V-A."""

# -------------------------------------------------------------------------------------------------------- Brunetta et

BRUNETTA_TEXT = {
    "eq 1": Printed(
        "P(N + B·n_layer·n_ctx·d_model)",
        "III-A",
        r"P(N + B n_{\text{layer}} n_{\text{ctx}} d_{\text{model}})",
    ),
    "eq 2": Printed(
        "2B(N + n_layer·n_ctx·d_model)", "III-A", r"2B(N + n_{\text{layer}} n_{\text{ctx}} d_{\text{model}})"
    ),
    "intensity": Printed("B·P/2", "III-A", "OI = BP/2"),
    "gain of sparsity": Printed("1/s", "IV-B", "lower than $1/s$"),
    "dataflow accelerators, Abstract": Printed(2, "Abstract", "two dataflow AI accelerators"),
    "dataflow accelerators, II": Printed(3, "II", "3 dataflow AI accelerators"),
    "dataflow accelerators, VI": Printed(3, "VI", "three dataflow AI accelerators"),
    "accelerators, VII": Printed(8, "VII", "eight AI accelerators"),
    # Table I, a cell each
    "mi250 units": Printed(220, "Table I", "AMD MI250 220 CUs"),
    "mi250 L2 [MB]": Printed(8, "Table I", "L1: 16 KB L2: 8 MB"),
    "mi250 memory [GB]": Printed(64, "Table I", "HBM2e: 64 GB 560 W / GPU"),
    "a100 memory [GB]": Printed(80, "Table I", "HBM2e: 80 GB 400 W / GPU"),
    "mi300x power [W]": Printed(750, "Table I", "HBM3: 192 GB 750 W / GPU"),
    "gh200 power [W]": Printed(450, "Table I", "HBM3: 96 GB 450 W / GPU"),
    "sn40l ddr [GB]": Printed(786, "Table I", "HBM: 64 GB DDR: 786 GB 10 kW / Node"),
    "sn40l sram per unit [KB]": Printed(512, "Table I", "1040 PMUs 512 KB 520 MB / chip"),
    "sn40l rack power [kW]": Printed(10, "Table I", "DDR: 786 GB 10 kW / Node 16 / Node"),
    "cs-3 sram per core [KB]": Printed(512, "Table I", "900k cores 512 KB 44 GB / chip"),
    "cs-3 cores [k]": Printed(900, "Table I", "900k cores"),
    "cs-3 sram [GB]": Printed(44, "Table I", "44 GB / chip"),
    "cs-3 power [kW]": Printed(24, "Table I", "24 kW / Node"),
    # the text on the same machines
    "mi250 memory, text [GB]": Printed(128, "II-A", "with 128GB of HBM2e"),
    "mi300x power, text [W]": Printed(700, "II-A", "192GB of HBM3 at 700W"),
    "gh200 dram, text [GB]": Printed(512, "II-A", "512GB of DRAM"),
    "sn40l ddr, text [GB]": Printed(768, "II-B", "768GB of DDR"),
    "cs-3 sram per core, V [KB]": Printed(512, "V", "provides only 512 KB"),
    "cs-3 draw [W]": Printed(24200, "IV-C", "consumes about 24,200 W"),
    "cs-3 idle below draw [W]": Printed(4500, "IV-C", "only about 4,500 W lower"),
    "sn40l draw [W]": Printed(5230, "IV-C", "average 5,230 W"),
    "sn40l batches, III-C": Printed((1, 32), "III-C", "ranging from 1 to 32"),
    "sn40l batches, IV-C": Printed((1, 8), "IV-C", "batch sizes between 1 and 8"),
    "sn40l power boundary, III-C": Printed("rack", "III-C", "for the entire rack"),
    "sn40l power boundary, IV-C": Printed("device", "IV-C", "RDU-level power measurements"),
    # Table II, a row each: the figure in question first
    "scout active [B]": Printed(17, "Table II", "109B 17B 48 GQA (40/8)"),
    "scout experts": Printed(16, "Table II", "MoE (16E) 10M"),
    "r1 experts": Printed(257, "Table II", "671B 37B 61 MLA MoE (257E)"),
    "r1 context [K]": Printed(23, "Table II", "MoE (257E) 23K"),
    "mixtral-8x22b heads": Printed((32, 8), "Table II", "141B 39B 56 GQA (32/8)"),
    "mixtral-8x22b context [K]": Printed(32, "Table II", "56 GQA (32/8) MoE (8E) 32K"),
    "nemotron layers": Printed(80, "Table II", "49B = 80 GQA (64/8) Dense"),
    "qwen3-8b context [K]": Printed(128, "Table II", "8.2B = 36 GQA (32/8) Dense 128K"),
    "qwen3-14b context [K]": Printed(128, "Table II", "14.8B = 40 GQA (40/8) Dense 128K"),
    "qwen3-32b context [K]": Printed(128, "Table II", "32.8B = 64 GQA (64/8) Dense 128K"),
    "qwen3-235b-a22b context [K]": Printed(128, "Table II", "235B 22B 94 GQA (64/4) MoE (128E) 128K"),
    "ministral-8b context [K]": Printed(128, "Table II", "Minstral 8B 8B = 36 GQA (32/8) Dense 128K"),
    "qwen 72b, Table II": Printed("qwen2.5-72b", "Table II", "Qwen2.5 72B 72B ="),
    "qwen 72b, IV-B": Printed("qwen2-72b", "IV-B", "Qwen2 72B in bfloat16"),
    # the text on the same models
    "scout active, IV-B [B]": Printed(22, "IV-B", "only 22B active parameters"),
    "r1 routed experts": Printed(256, "IV-B", "256 rooted experts"),
    # IV-A
    "hopper w8a8 throughput [%]": Printed((20, 38), "IV-A", "increasing by 20–38%"),
    "hopper w8a8 energy efficiency [%]": Printed((34, 46), "IV-A", "energy efficiency by 34–46%"),
    "hopper w8a8 in the box [%]": Printed((44, 47), "IV-A", "44% throughput and 47% energy"),
    # IV-B: tensor parallelism, Figure 4
    "collective": Printed("all-gather", "IV-B", "all-gather operations"),
    "gain of 2 gpus [%]": Printed((12, 34), "IV-B", "from 12% to 34%"),
    "gain of 4 gpus [%]": Printed((32, 140), "IV-B", "gains of 32% to 140%"),
    "efficiency of 2 and 4 gpus [%]": Printed((67, 60), "IV-B", "67% for 2 GPUs and 60%"),
    "efficiency of the exceptions [%]": Printed(100, "IV-B", "exceeding 100% efficiency"),
    "mi300x llama-3.3-70b, 1 gpu [token/s]": Printed(2017, "IV-B", "around 2017 tokens/s"),
    "mi300x llama-3.3-70b, 4 gpus [token/s]": Printed(8068, "IV-B", "reaches 8068 tokens/s"),
    # IV-B: gain of tensor over expert parallelism, Figure 6
    "tp over ep, 128 experts, mi300x and h100 [%]": Printed((16, 4), "IV-B", "(16% on MI300x and 4% on H100"),
    "tp over ep, 16 experts, mi300x and h100 [%]": Printed((6, 34), "IV-B", "6% higher throughput on MI300x and 34%"),
    "tp over ep, 8 experts, h100 [%]": Printed(61, "IV-B", "61% on H100"),
    "tp over ep, 8 experts, mi300x [factor]": Printed(2.7, "IV-B", r"2.7\times"),
    "figure 6 gpus": Printed(4, "IV-B", "on 4 NVIDIA H100"),
    # IV-C, batch 1, Llama 3.1 8B unless said
    "a100 [token/s]": Printed(215, "IV-C", "reaches 215 tokens/s"),
    "cs-3 [token/s]": Printed(3609, "IV-C", "3609 tokens/s"),
    "cs-3 over a100, throughput": Printed(16.8, "IV-C", r"16.8\times"),
    "sn40l [token/s]": Printed(2024, "IV-C", "2024 tokens/s"),
    "sn40l llama-3.3-70b [token/s]": Printed(353, "IV-C", "353tokens/s"),
    "a100 x4 llama-3.3-70b [token/s]": Printed(88, "IV-C", "88 tokens/s"),
    "cs-3 over a100, itl": Printed(18.8, "IV-C", r"18.8\times$ lower ITL"),
    "itl, V": Printed(16.8, "V", r"up to 16.8 \times"),
    "cs-3 [token/J]": Printed(0.15, "IV-C", "0.15 tokens/J"),
    "sn40l [token/J]": Printed(0.38, "IV-C", "0.38 tokens/J"),
    "sn40l llama-3.3-70b [token/J]": Printed(0.067, "IV-C", "0.067 tokens/J"),
    "a100 x4 llama-3.3-70b [token/J]": Printed(0.074, "IV-C", "0.074 tokens/J"),
    "a100 efficiency": Printed(0.73, "IV-C", "0.73 tokens/s"),
    "h100 efficiency": Printed(0.91, "IV-C", "0.91 tokens/s"),
    # V
    "compute over bandwidth": Printed("three orders of magnitude", "V", "three orders of magnitude"),
}
"""Figures of Brunetta's running text, and the cells of its Tables I and II that are in question."""

# ------------------------------------------------------------------- findings, which tests/test_findings.py looks up

KIM_FINDINGS = {
    "fp8 linear layers": Printed("FP8", "IV-C", "is computed in FP8"),
    "attention is bound": Printed("attention", "IV-D", "constrained by attention throughput"),
    "prefill declines": Printed("decline", "V-A", "begin to decline"),
    "fp8 on nvidia": Printed("nearly identical", "VI-A", "are nearly identical"),
    "fp8 on gaudi": Printed("double", "VI-A", "double that of BF16"),
    "gaudi leads below [token]": Printed(512, "VI-C", "lengths of below 512"),
    "gaudi's reason": Printed("special function units", "VI-C", "dedicated special function units"),
    "cap": Printed(400, "VI-D", "slow decoding at 400W"),
}
"""What Kim finds, for ``docs/findings.md``; figures that the errata need too stand in ``KIM_TEXT``."""

BRUNETTA_FINDINGS = {
    "latency": Printed("linearly", "IV-A", "increase linearly"),
    "w8a8, mi300x [%]": Printed(20, "IV-A", "up to 20% on Mistral"),
    "w8a16": Printed("small batch", "IV-A", "largest at small batch"),
    "data parallelism": Printed("linear", "IV-B", "close to linear scaling"),
    "qwen3-32b": Printed(2, "IV-B", "with tensor parallel size 2"),
    "llama-3.3-70b": Printed((4, 2), "IV-B", "4 preferable to a size of 2"),
    "h100 llama-3.3-70b, 4 gpus [token/s]": Printed(7634, "IV-B", "(7634 tokens/s)"),
    "larger memory": Printed("reduction", "IV-B", "reduction in the tensor parallel"),
    "scout over 70B [%]": Printed(17, "IV-B", "17% higher throughput"),
    "scout below 49B": Printed("underperforms", "IV-B", "underperforms compared to the 49B"),
    "tp over ep": Printed("outperforms", "IV-B", "Parallelism outperforms Expert"),
    "deepseek, ep up to batch": Printed(16, "IV-B", "of 16 or smaller"),
    "sn40l over a100, itl": Printed(13.1, "IV-C", "shows a 13.1×"),
    "ttft gains, cs-3 and sn40l [%]": Printed((35, 20), "IV-C", "35% for Cerebras and 20%"),
    "llama-3.3-70b ttft, sn40l and a100 x4 [ms]": Printed((99, 91), "IV-C", "(99 ms compared to 91 ms)"),
    "llama-3.3-70b itl, sn40l and a100 x4 [ms]": Printed((5.6, 29), "IV-C", "(5.6 ms compared to 29 ms)"),
}
"""What Brunetta finds, for ``docs/findings.md``; figures that the errata need too stand in ``BRUNETTA_TEXT``."""
