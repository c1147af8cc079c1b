"""The errata page, line by line: what each paper prints, and the value that stands instead.

Every row of ``docs/errata.md`` names a test here; the comment at the top of a test says the rung that its expected
value stands on. Printed figures come from ``tests/published.py``, and are themselves looked up in the papers' text.
"""

from __future__ import annotations

import inspect
import re
import sys
from itertools import pairwise

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
import tco
from roofline import formulas
from tests.published import (
    BRUNETTA_TEXT,
    KIM_TABLE_1,
    KIM_TABLE_2,
    KIM_TABLE_3,
    KIM_TABLE_3_ROWS,
    KIM_TABLE_4,
    KIM_TABLE_4_BATCH,
    KIM_TABLE_5,
    KIM_TABLE_6,
    KIM_TABLE_7,
    KIM_TEXT,
    Printed,
)

LLAMA_8B = rl.get_llm("llama-3.1-8b")
LLAMA_70B = rl.get_llm("llama-3.3-70b")
LLAMA_8B_SHAPE = {"hidden": 4096, "layers": 32, "mlp_ratio": 3.5, "gqa_group": 4, "vocab": 128256}


def kim(name):
    """The value of a figure of Kim's text."""
    return KIM_TEXT[name].value


def brunetta(name):
    """The value of a figure of Brunetta's text or tables."""
    return BRUNETTA_TEXT[name].value


def operation(estimate, name):
    """The only operation of that name."""
    (found,) = (op for op in estimate.operations if op.name == name)
    return found


def percents(values, peak):
    """Shares of a peak, rounded as the tables print them."""
    return [round(100 * value / peak, 1) for value in values]


# ---------------------------------------------------------------------------------------------------- Kim, section II


def test_kim_servers_needed():
    # Rung: hand. 100 servers of B; one of A does 0.8 of the work, so 125 of A are needed; TCO added up by hand.
    n_b, r_th, server_b, infrastructure_b, server_a, infrastructure_a = 100, 0.8, 70.0, 30.0, 35.0, 22.5
    n_a = 125
    assert n_b / r_th == pytest.approx(n_a)
    by_hand = n_a * (server_a + infrastructure_a) / (n_b * (server_b + infrastructure_b))  # 7187.5 / 10000
    ours = tco.tco_ratio(r_th=r_th, r_sc=0.5, r_ic=0.75, server_share=0.7)
    assert ours == pytest.approx(by_hand, rel=1e-12)
    printed = r_th / n_b
    assert printed < 1  # less than one server of A for the traffic of 100 of B
    assert printed * (server_a + infrastructure_a) / (n_b * (server_b + infrastructure_b)) != pytest.approx(ours)


def test_kim_infrastructure_ratio_stays():
    # Rung: hand. (0.7·0.5 + 0.3·0.75)/0.8 = 0.71875; with the ratio set to 1, (0.35 + 0.3)/0.8 = 0.8125.
    shared = {"r_th": 0.8, "r_sc": 0.5, "server_share": 0.7}
    assert tco.tco_ratio(**shared, r_ic=0.75) == pytest.approx(0.71875)
    assert tco.tco_ratio(**shared, r_ic=1.0) == pytest.approx(0.8125)
    # Figure 1, where all four costs but A's server are one: (R_SC + 1)/(2·R_Th) = 0.9375, our defaults.
    assert tco.tco_ratio(r_th=0.8, r_sc=0.5) == pytest.approx(0.9375)


def test_kim_discount_direction():
    # Rung: property and hand. A discount lowers R_SC: on an ascending axis the point moves left, and the ratio falls.
    r_sc, discount, chip_share = 1.0, 0.5, 0.7
    discounted = r_sc * (1 - chip_share * discount)  # 0.65
    surface = tco.surface(r_th=[0.8], r_sc=[discounted, r_sc])
    assert surface.r_sc[0] < surface.r_sc[-1]
    assert surface.ratio[0, 0] < surface.ratio[0, -1]
    with pytest.raises(ValueError, match="r_sc"):  # the axis on which the printed direction would hold
        tco.surface(r_th=[0.8], r_sc=[r_sc, discounted])
    # Free chips leave 0.3 of the server's cost: break-even at R_SC = 2·0.6 − 1 = 0.2 is out of reach of any discount
    # on the chips, though a free server would win.
    assert tco.break_even_server_cost(r_th=0.6) == pytest.approx(0.2)
    assert np.isnan(tco.largest_useful_discount(r_th=0.6, r_sc=r_sc, chip_share=chip_share))
    assert tco.largest_useful_discount(r_th=0.6, r_sc=r_sc, chip_share=1.0) == pytest.approx(0.8)


# ---------------------------------------------------------------------------------------------- Kim, sections III, IV


def test_kim_b300_power():
    # Rung: published (Kim Table I; NVIDIA's later datasheet for the 1,100 W) and hand for the quotients.
    for row in KIM_TABLE_1.values():
        assert round(row.tflops / row.tdp_w, 2) == pytest.approx(row.tflops_per_w, abs=0.0051)  # 1.875 as 1.88
    printed, b300, h200 = KIM_TABLE_1["b300"], hs.get("b300"), hs.get("h200-sxm")
    assert (printed.tdp_w, b300.tdp_w) == (1200, 1100)
    assert "1200" in b300.note("tdp_w")
    per_watt = b300.peak_flops("bf16") / 1e12 / b300.tdp_w
    assert round(per_watt, 2) == 2.05  # 2250/1100
    gain = per_watt / (h200.peak_flops("bf16") / 1e12 / h200.tdp_w) - 1
    assert (round(100 * gain), printed.increase_percent) == (45, 33)


def test_kim_stochastic_rounding():
    # Rung: published (Kim Table II, printed again as Table VIII).
    gains = {model: row["e4m3 sr"] - row["e4m3 rtn"] for model, row in KIM_TABLE_2.items()}
    assert min(gains.values()) == 0  # nowhere worse
    assert round(max(gains.values()), 1) == 0.2
    exceptions = {model for model, row in KIM_TABLE_2.items() if row["e5m2 rtn"] > row["e4m3 rtn"]}
    assert exceptions == {"llama-3.3-70b"}
    assert (KIM_TABLE_2["llama-3.3-70b"]["e5m2 rtn"], KIM_TABLE_2["llama-3.3-70b"]["e4m3 rtn"]) == (82.2, 82.0)


def test_kim_gaudi2_bandwidth():
    # Rung: published for both pairs (Kim IV-D; Intel's 2.45 TB/s), hand for the quotients.
    gaudi2 = hs.get("gaudi-2")
    peak, bandwidth = kim("gaudi-2 fp8 peak [TFLOP/s]") * 1e12, kim("gaudi-2 bandwidth [TB/s]") * 1e12
    assert round(formulas.ridge_point(flops_per_s=peak, bytes_per_s=bandwidth)) == kim(
        "gaudi-2 ridge point [FLOP/byte]"
    )
    assert round(gaudi2.ridge_point("fp8")) == 353  # 865/2.45
    assert "2.4" in gaudi2.note("memory.bandwidth_tb_s")

    def kv_bound(bytes_per_s):
        intensity = formulas.kv_attention_intensity(gqa_group=kim("kv bound: g"), kv_bytes=2)
        roof = formulas.attainable_flops_per_s(
            intensity=intensity, flops_per_s=gaudi2.peak_flops("bf16"), bytes_per_s=bytes_per_s
        )
        return float(roof) / 1e12

    assert kv_bound(bandwidth) == pytest.approx(kim("kv bound [TFLOP/s]"))
    assert kv_bound(gaudi2.memory_bytes_per_s) == pytest.approx(9.8)


def test_kim_gqa_group_size():
    # Rung: sibling (the operations count FLOPs and bytes on their own) and published (Kim's 9.6 TFLOPS).
    attention = operation(rl.decode(LLAMA_8B, hs.get("gaudi-2"), batch=8, context_tokens=1000), "attention")
    intensity = attention.flops / attention.operation.kv_bytes
    assert intensity == formulas.kv_attention_intensity(gqa_group=LLAMA_8B.gqa_group, kv_bytes=2) == 4
    assert (LLAMA_8B.gqa_group, LLAMA_8B.kv_heads) == (4, 8)  # the group has 4 heads; of groups there are 8
    by_groups = kim("gaudi-2 bandwidth [TB/s]") * LLAMA_8B.kv_heads  # the printed word read as a number of groups
    assert by_groups == pytest.approx(19.2)
    assert by_groups != kim("kv bound [TFLOP/s]")


# ----------------------------------------------------------------------------------------------------- Kim, section V


def test_kim_fp8_decode_gains():
    # Rung: published for the five figures; hand for the lengths. With weights and cache as the only traffic, the gain
    # is r − 1 at s = (W_bf16 − r·W_fp8)/((r − 1)·b·KV) tokens. Activations shift that by a few per cent.
    at_least, nearly = kim("fp8 gain, gaudi-2, Figure 5 [%]"), kim("fp8 gain, gaudi-2, VII-A [%]")
    over, under = kim("fp8 gain, gaudi-2, V-B [%]"), kim("fp8 gain, nvidia, Figure 5 [%]")
    assert under == kim("fp8 gain, nvidia, V-B [%]") == 25
    assert at_least == nearly < over  # 50 % as a lower bound, as an upper bound, and over 65 %

    length = np.arange(1, 3001)

    def gain(key):
        fp8, bf16 = (
            rl.decode(LLAMA_8B, hs.get(key), batch=64, context_tokens=length, precision=precision).tokens_per_s
            for precision in ("fp8", "bf16")
        )
        return 100 * (fp8 / bf16 - 1)

    def by_hand(percent):
        r, layers, head, cache = 1 + percent / 100, 13 * 4096**2 * 32, 2 * 128256 * 4096, 64 * 131_072
        return (2 * layers + head - r * (layers + head)) / ((r - 1) * cache)

    ideal = gain("gaudi-2")
    assert np.all(np.diff(ideal) < 0)  # the cache stays in BF16, so the gain shrinks as it grows
    assert [round(by_hand(percent)) for percent in (over, at_least, under)] == [323, 707, 2371]
    assert length[ideal > over][-1] == pytest.approx(by_hand(over), abs=30)
    assert length[ideal >= at_least][-1] == pytest.approx(by_hand(at_least), abs=30)
    assert length[ideal < under][0] == pytest.approx(by_hand(under), abs=30)
    # Memory-bound on every machine, so bandwidth cancels: the same ideal gain for all four of Figure 5.
    for key in ("gaudi-3", "h100-sxm", "h200-sxm"):
        assert gain(key) == pytest.approx(ideal, rel=1e-12)


# ---------------------------------------------------------------------------------------------------- Kim, section VI


def test_kim_linear_attention_crossover():
    # Rung: hand, 13·4096/2 + 128256/(2·32) = 26624 + 2004 tokens; sibling, the operations' own counts.
    crossover = formulas.linear_attention_crossover_tokens(**LLAMA_8B_SHAPE)
    assert crossover == 26624 + 2004

    def split(context, **kwargs):
        estimate = rl.decode(LLAMA_8B, hs.get("h200-sxm"), context_tokens=context, **kwargs)
        attention = operation(estimate, "attention")
        return attention, [op for op in estimate.operations if op is not attention]

    attention, linear = split(np.array([4096, 28628]), batch=64)
    assert (attention.flops / sum(op.flops for op in linear)).round(3).tolist() == [0.143, 1.0]  # 4096/28628, and level
    # In time the cache takes longer to read than the weights from b·s = 61,264 cached tokens on, by hand; activations,
    # which the hand count leaves out, shift that by less than 3 %. The printed s < h = 4096 is neither crossing.
    by_hand = (1 * 13 * 4096**2 * 32 + 2 * 128256 * 4096) / (2 * 32 * 8 * 128 * 2)  # FP8 weights, BF16 head and cache
    assert round(by_hand) == 61_264
    for batch in (1, 64):
        contexts = np.arange(1, int(1.1 * by_hand / batch))
        attention, linear = split(contexts, batch=batch, precision="fp8")
        crossing = contexts[attention.time_s >= sum(op.time_s for op in linear)][0]
        assert batch * crossing == pytest.approx(by_hand, rel=0.03)
        assert (crossing < 4096) == (batch == 64)


def test_kim_thin_gemm_not_linear_in_m():
    # Rung: published (Kim Table III); hand for the quotients.
    row = KIM_TABLE_3["gaudi-3", "bf16"][2048]
    assert KIM_TABLE_3_ROWS == (8, 16, 32, 64)
    assert row[1:] == (34.6, 45.3, 130.9)
    steps = {
        key: [round(after / before, 2) for before, after in pairwise(rates)]
        for (device, precision), by_width in KIM_TABLE_3.items()
        for width, rates in by_width.items()
        for key in [(device, precision, width)]
    }
    assert steps["gaudi-3", "bf16", 2048] == [2.07, 1.31, 2.89]  # 2 for each doubling of M if it were linear
    assert steps["h100-sxm", "bf16", 4096][1] == 2.40
    assert steps["h200-sxm", "bf16", 4096][2] == 2.33


def test_kim_thin_gemm_fp8_gain():
    # Rung: published (Kim Table III); hand for what memory allows, 2(1 + 2M/K)/(1 + 3M/K) with an output in BF16.
    def memory_gain(m, width):
        bf16, fp8 = (
            formulas.gemm_bytes(m=m, k=width, n=width, input_bytes=p, weight_bytes=p, output_bytes=2) for p in (2, 1)
        )
        return bf16 / fp8

    measured, allowed = [], []
    for device in ("gaudi-2", "gaudi-3"):
        for width in (2048, 4096):
            both = zip(KIM_TABLE_3[device, "fp8"][width], KIM_TABLE_3[device, "bf16"][width], strict=True)
            measured += [fp8 / bf16 for fp8, bf16 in both]
            allowed += [memory_gain(m, width) for m in KIM_TABLE_3_ROWS]
            assert allowed[-1] == pytest.approx(2 * (1 + 2 * 64 / width) / (1 + 3 * 64 / width))
    assert (round(min(measured), 2), round(max(measured), 2)) == (1.20, 1.90)
    assert (round(min(allowed), 2), round(max(allowed), 3)) == (1.94, 1.996)
    assert all(got < roof for got, roof in zip(measured, allowed, strict=True))


def test_kim_thin_gemm_mfu():
    # Rung: published (Kim Table III over the peaks of the catalogue, which for BF16 are those of Kim V-A).
    def mfu(device, precision, width):
        peak = hs.get(device).peak_flops(precision) / 1e12
        return np.array(KIM_TABLE_3[device, precision][width]) / peak

    assert hs.get("gaudi-3").peak_flops("bf16") == kim("gaudi-3 bf16 peak [TFLOP/s]") * 1e12
    assert np.all(mfu("gaudi-3", "bf16", 4096) < mfu("h200-sxm", "bf16", 4096))  # printed: above, throughout
    assert (mfu("gaudi-3", "bf16", 4096) < mfu("h100-sxm", "bf16", 4096)).tolist() == [False, False, True, True]
    # Printed: alike in both formats. Gaudi 3 has one peak for both, so its FP8 gain is a gain in MFU too.
    ratio = np.concatenate([mfu("gaudi-3", "fp8", width) / mfu("gaudi-3", "bf16", width) for width in (2048, 4096)])
    assert (ratio.min().round(2), ratio.max().round(2)) == (1.20, 1.86)


def test_kim_table4_precision():
    # Rung: property. What was measured cannot be faster than the roof, nor larger than the memory.
    h200, lengths = hs.get("h200-sxm"), np.array(list(KIM_TABLE_4["llama-3.1-8b"]))

    def measured(model):
        return np.array([row.uncapped for row in KIM_TABLE_4[model].values()])

    def roof(llm, model, precision):
        batch = KIM_TABLE_4_BATCH[model]
        return rl.decode(llm, h200, batch=batch, context_tokens=lengths, precision=precision)

    # 8B: a share of the bandwidth and a fixed time per step fit either format, and fit equally well: the formats differ
    # by the weights, hence by a constant time per step, which the overhead takes up.
    fits = {}
    for precision in ("bf16", "fp8"):
        ideal = roof(LLAMA_8B, "llama-3.1-8b", precision)
        assert np.all(measured("llama-3.1-8b") < ideal.tflops)  # neither is excluded
        step_s = ideal.flops / (measured("llama-3.1-8b") * 1e12)
        terms = np.stack([ideal.time_s, np.ones(lengths.size)], axis=1) / step_s[:, None]
        (slowdown, overhead_s), *_ = np.linalg.lstsq(terms, np.ones(lengths.size))
        fits[precision] = 1 / slowdown, overhead_s * 1e3, terms @ (slowdown, overhead_s) - 1
    assert fits["bf16"][2] == pytest.approx(fits["fp8"][2], abs=1e-6)
    assert np.abs(fits["fp8"][2]).max() < 0.03
    assert fits["bf16"][0] == pytest.approx(0.87, abs=0.005)
    assert fits["fp8"][0] == pytest.approx(fits["bf16"][0])
    assert (round(fits["bf16"][1], 1), round(fits["fp8"][1], 1)) == (2.2, 3.9)  # ms per step

    # 70B: the least that the printed integers can stand for is above the BF16 roof at every length, below the FP8 one.
    least = measured("llama-3.3-70b") - 0.5
    assert np.all(least > roof(LLAMA_70B, "llama-3.3-70b", "bf16").tflops)
    assert np.all(measured("llama-3.3-70b") + 0.5 < roof(LLAMA_70B, "llama-3.3-70b", "fp8").tflops)
    # Memory alone excludes BF16 only at the longest: 141.1 GB of weights leave 9.6 of 150.8 GB for the cache.
    assert rl.weight_bytes(LLAMA_70B, rl.policy("bf16")) / 1e9 == pytest.approx(141.1, abs=0.05)
    assert roof(LLAMA_70B, "llama-3.3-70b", "bf16").fits.tolist() == [True, True, True, True, False]
    assert roof(LLAMA_70B, "llama-3.3-70b", "fp8").fits.all()


def test_kim_table4_difference():
    # Rung: published (Kim Table IV) and hand: 100·(1 − capped/uncapped) of the integers, and the range they round from.
    recomputed, printed = [], []
    for rows in KIM_TABLE_4.values():
        for row in rows.values():
            recomputed.append(round(100 * (1 - row.capped / row.uncapped)))
            printed.append(row.difference_percent)
            low = 100 * (1 - (row.capped + 0.5) / (row.uncapped - 0.5))
            high = 100 * (1 - (row.capped - 0.5) / (row.uncapped + 0.5))
            assert low - 0.5 < row.difference_percent < high + 0.5  # no contradiction, only coarse
    assert recomputed == [6, 12, 18, 16, 29, 17, 17, 21, 10, 22]
    assert printed == [7, 11, 18, 15, 28, 19, 17, 21, 9, 21]
    same_pair = [row for row in KIM_TABLE_4["llama-3.3-70b"].values() if (row.uncapped, row.capped) == (23, 19)]
    assert [row.difference_percent for row in same_pair] == [19, 17]


# ---------------------------------------------------------------------------------------------- Kim, appendix and VII


def test_kim_h100_fp8_peak():
    # Rung: published. The percentages of each table say which peak they are of.
    printed, h100 = kim("table 5 h100 peak [TFLOP/s]"), hs.get("h100-sxm")
    ours = h100.peak_flops("fp8") / 1e12
    assert (printed, ours) == (1989.9, 1978.9)
    assert str(printed) in h100.note("peak_tflops.fp8")
    table5 = KIM_TABLE_5["h100-sxm"].values()
    assert percents([row.tflops for row in table5], printed) == [row.peak_percent for row in table5]
    assert percents([row.tflops for row in table5], ours) != [row.peak_percent for row in table5]
    gaudi2, peak = KIM_TABLE_5["gaudi-2"].values(), kim("table 5 gaudi-2 peak [TFLOP/s]")
    assert percents([row.tflops for row in gaudi2], peak) == [row.peak_percent for row in gaudi2]  # that peak holds
    # Table VII prints whole TFLOPS, good for 0.025 points of percentage beside the 0.05 of its rounding.
    table7 = [rate for by_size in KIM_TABLE_7.values() for row in by_size.values() for rate in row.values()]
    assert all(abs(100 * rate.tflops / ours - rate.peak_percent) < 0.076 for rate in table7)
    assert sum(abs(100 * rate.tflops / printed - rate.peak_percent) < 0.076 for rate in table7) < len(table7) / 2


def test_kim_rowwise_tables_differ():
    # Rung: published. Kim Table V names row-wise scaling only, Tables VI and VII leave quantisation out.
    gaudi2 = [row.tflops for row in KIM_TABLE_5["gaudi-2"].values()]
    per_row = [row["per-row"].tflops for row in KIM_TABLE_6["e4m3"].values()]
    assert gaudi2 == [367.9, 586.2, 817.1, 741.8]
    assert per_row == [494, 506, 735, 742]
    # Not a cost of quantisation that one table counts and the other does not: that would have one sign.
    assert [round(v / vi, 2) for v, vi in zip(gaudi2, per_row, strict=True)] == [0.74, 1.16, 1.11, 1.0]
    h100 = [row.tflops for row in KIM_TABLE_5["h100-sxm"].values()]
    fp32, fast = ([row["per-row"].tflops for row in KIM_TABLE_7[kind].values()] for kind in ("fp32", "fast"))
    assert h100 == [218.3, 879.7, 1167.6, 1084.7]
    assert (fp32, fast) == ([217, 299, 362, 396], [237, 810, 1136, 1123])


def test_kim_e5m2_throughput():
    # Rung: published (Kim Table VI).
    per_cell = {
        (size, scaling): KIM_TABLE_6["e5m2"][size][scaling].tflops / rate.tflops
        for size, row in KIM_TABLE_6["e4m3"].items()
        for scaling, rate in row.items()
    }
    worst = min(per_cell, key=per_cell.get)
    assert worst == ("1K", "per-row")
    assert round(per_cell.pop(worst), 2) == 0.62  # 306/494
    assert 0.96 < min(per_cell.values()) < max(per_cell.values()) < 1.01  # alike everywhere else


# -------------------------------------------------------------------------------------------- Brunetta, section III-A


def test_kim_eq9_at_a_representable_number():
    # Rung: hand. In E4M3 17.25 lies between 16 and 18, at (17.25 − 16)/2 of the way; 16 is a number of the format.
    assert hs.stochastic_rounding_probability(17.25, 16.0, 18.0) == 0.625
    assert hs.stochastic_rounding_probability(16.0, 16.0, 16.0) == 0
    stays = hs.quantize(
        np.full(1000, 16.0), "e4m3", scaling="none", rounding="stochastic", rng=np.random.default_rng(0)
    )
    assert (stays.values == 16).all()


def test_brunetta_eq1_kv_traffic():
    # Rung: sibling (the operation's own count) and hand: Eq. 1 is g/2 of it, half for MHA and twice for groups of 4.
    for key, factor in (("llama-2-7b", 0.5), ("llama-3.1-8b", 2.0)):
        llm = rl.get_llm(key)
        attention = operation(rl.decode(llm, hs.get("h100-sxm"), batch=3, context_tokens=1000), "attention")
        ours = attention.operation.kv_bytes
        assert ours == 3 * 1000 * llm.kv_bytes_per_token(16)
        shape = {"parameters": 0, "layers": llm.layers, "model_width": llm.hidden}
        printed = formulas.brunetta_eq1(batch=3, context_tokens=1000, bytes_per_element=2, **shape)
        assert printed / ours == factor == llm.gqa_group / 2


def test_brunetta_eq2_attention_flops():
    # Rung: sibling (Kim Eq. 8, and the operation's own count).
    context = 3 * 1000
    attention = operation(rl.decode(LLAMA_8B, hs.get("h100-sxm"), batch=3, context_tokens=1000), "attention")
    kim_attention = formulas.kim_eq8(batch=3, total_context_tokens=context, **LLAMA_8B_SHAPE) - formulas.kim_eq8(
        batch=3, total_context_tokens=0, **LLAMA_8B_SHAPE
    )
    printed = formulas.brunetta_eq2(parameters=0, batch=3, layers=32, context_tokens=1000, model_width=4096)
    assert attention.flops == kim_attention == 2 * printed == 4 * 4096 * 32 * context


def test_brunetta_operational_intensity():
    # Rung: sibling (Eq. 2 over Eq. 1 at no context) and published (Kim IV-D: 2b in FP8, b in BF16).
    batch, width = 7, np.array([0.5, 1.0, 2.0, 4.0])
    shape = {"parameters": 8e9, "batch": batch, "layers": 32, "context_tokens": 0, "model_width": 4096}
    quotient = formulas.brunetta_eq2(**shape) / formulas.brunetta_eq1(**shape, bytes_per_element=width)
    ours = formulas.thin_gemm_intensity(batch=batch, weight_bytes=width)
    assert ours == pytest.approx(quotient)
    assert ours[[1, 2]].tolist() == [2 * batch, batch]
    printed = batch * width / 2
    assert (printed == ours).tolist() == [False, False, True, False]


def test_brunetta_sparsity():
    # Rung: hand, from the counts of Mixtral 8x7B: 12.88 of 46.70 billion parameters are active.
    llm = rl.get_llm("mixtral-8x7b")
    kept = llm.active_parameters / llm.parameters
    s = 1 - kept
    assert kept == pytest.approx(0.276, abs=0.0005)
    assert formulas.brunetta_sparse_flops(dense_flops=1.0, sparsity=s) == pytest.approx(kept)
    ideal_gain = 1 / formulas.brunetta_sparse_flops(dense_flops=1.0, sparsity=s)
    assert ideal_gain == pytest.approx(46.70 / 12.88, rel=1e-3)
    assert round(1 / s, 2) == 1.38  # printed: and it falls as the model gets sparser
    # Weight traffic of the experts, as a share of reading them all: k/E = 1 − s for one token, 1 for many.
    read = formulas.expected_distinct_experts(experts=8, experts_per_token=2, tokens=np.array([1, 16, 1000])) / 8
    assert read[0] == 2 / 8
    assert read[0] < read[1] < read[2]
    assert read[2] == pytest.approx(1.0)


# --------------------------------------------------------------------------------------- Brunetta, machines (Table I)


def test_brunetta_cs3_sram_per_core():
    # Rung: hand. 44 GB over 900,000 cores are 48.9 KB each.
    cs3 = hs.get("cs-3")
    per_core_kb = cs3.memory_bytes / cs3.matrix_engine.units / 1e3
    assert per_core_kb == pytest.approx(brunetta("cs-3 sram [GB]") * 1e9 / (brunetta("cs-3 cores [k]") * 1e3) / 1e3)
    assert round(per_core_kb) == 49
    printed = brunetta("cs-3 sram per core [KB]")
    assert printed == brunetta("cs-3 sram per core, V [KB]") == brunetta("sn40l sram per unit [KB]") == 512
    assert str(printed) in cs3.note("memory")
    # V needs hundreds of thousands of cores for the model, Llama 3.1 8B in BF16: so many only with ours.
    weights = rl.weight_bytes(LLAMA_8B, rl.policy("bf16"))
    assert round(weights / (per_core_kb * 1e3), -3) == 329_000
    assert round(weights / (printed * 1e3), -3) == 31_000


def test_brunetta_cs3_power():
    # Rung: published (the catalogue's source; Brunetta Table I and IV-C).
    cs3 = hs.get("cs-3")
    assert (cs3.tdp_w, hs.get_server("cs-3-system").power_w) == (23_000, 23_000)
    assert (brunetta("cs-3 power [kW]"), brunetta("cs-3 draw [W]")) == (24, 24_200)
    assert "24 kW" in cs3.note("tdp_w")
    assert "24 kW" in hs.get_server("cs-3-system").note("power_w")
    assert brunetta("cs-3 draw [W]") > brunetta("cs-3 power [kW]") * 1e3 > cs3.tdp_w  # so neither is an upper limit
    assert brunetta("cs-3 draw [W]") - brunetta("cs-3 idle below draw [W]") == 19_700


def test_brunetta_sn40l_ddr():
    # Rung: published (Brunetta II-B against Table I).
    sn40l = hs.get("sn40l")
    assert (brunetta("sn40l ddr [GB]"), brunetta("sn40l ddr, text [GB]")) == (786, 768)
    assert sn40l.second_tier.capacity_gib == 768
    assert "786" in sn40l.note("second_tier.capacity_gib")


def test_brunetta_mi300x_power():
    # Rung: published (Brunetta Table I and AMD's datasheet against II-A).
    mi300x = hs.get("mi300x")
    assert (brunetta("mi300x power [W]"), brunetta("mi300x power, text [W]")) == (750, 700)
    assert mi300x.tdp_w == 750
    assert "700" in mi300x.note("tdp_w")


def test_brunetta_mi250_package():
    # Rung: published (AMD) and hand: 208 CUs · 1024 FLOP per clock · 1.7 GHz = 362.1 TFLOPS, 220 give the MI250X's 383.
    mi250, mi250x = hs.get("mi250"), hs.get("mi250x")
    assert brunetta("mi250 units") == mi250x.matrix_engine.units == 220
    assert mi250.matrix_engine.units == 208
    for accelerator in (mi250, mi250x):
        engine = accelerator.matrix_engine
        rate = engine.units * 1024 * engine.clock_mhz * 1e6
        assert accelerator.peak_flops("bf16") == pytest.approx(rate, rel=2e-4)
    assert "220" in mi250.note("matrix_engine.units")
    # Memory and L2 of one of its two dies, beside the power of both.
    assert mi250.dies == 2
    assert mi250.memory.capacity_gib == brunetta("mi250 memory, text [GB]") == 2 * brunetta("mi250 memory [GB]")
    assert mi250.on_chip.capacity_mib == 2 * brunetta("mi250 L2 [MB]")
    assert "64 GB" in mi250.note("memory.capacity_gib")
    # IV-A ranks NVIDIA's memories lowest, which holds with the package and not with the printed die.
    nvidia = [hs.get(key).memory_bytes for key in ("a100-sxm-80gb", "h100-sxm", "gh200-96gb")]
    assert max(nvidia) < min(hs.get(key).memory_bytes for key in ("mi250", "mi300x", "max-1550"))
    assert brunetta("mi250 memory [GB]") < brunetta("a100 memory [GB]")


def test_brunetta_gh200():
    # Rung: published (NVIDIA: a module programmable from 450 to 1000 W, with up to 480 GB of LPDDR5X).
    gh200 = hs.get("gh200-96gb")
    assert (brunetta("gh200 power [W]"), gh200.tdp_w) == (450, 1000)
    assert "450" in gh200.note("tdp_w")
    assert (brunetta("gh200 dram, text [GB]"), gh200.second_tier.capacity_gib) == (512, 480)
    assert "512" in gh200.note("second_tier.capacity_gib")


# ---------------------------------------------------------------------------------------- Brunetta, models (Table II)


def test_brunetta_scout_active_parameters():
    # Rung: hand, counted from the model's configuration.
    assert (brunetta("scout active [B]"), brunetta("scout active, IV-B [B]")) == (17, 22)
    assert round(rl.get_llm("llama-4-scout").active_parameters / 1e9) == 17
    assert round(rl.get_llm("qwen3-235b-a22b").active_parameters / 1e9) == 22  # whose figure the text prints


def test_brunetta_r1_context():
    # Rung: published (the model's configuration).
    assert brunetta("r1 context [K]") == 23
    assert rl.get_llm("deepseek-r1").max_context == 163_840


def test_brunetta_mixtral_8x22b():
    # Rung: published (the model's configuration).
    llm = rl.get_llm("mixtral-8x22b")
    assert brunetta("mixtral-8x22b heads") == (32, 8)
    assert (llm.heads, llm.kv_heads) == (48, 8)
    assert (brunetta("mixtral-8x22b context [K]"), llm.max_context) == (32, 64 * 1024)
    assert "48" in llm.note("heads")


def test_brunetta_nemotron_not_uniform():
    # Rung: published (the model's configuration): 31 of 80 blocks without attention, MLPs of many widths.
    llm = rl.get_llm("llama-3.3-nemotron-super-49b")
    assert llm.layers == brunetta("nemotron layers") == 80
    without = sum(group.count for group in llm.layer_groups if group.kv_heads == 0)
    assert without == 31
    assert len({group.intermediate for group in llm.layer_groups}) > 1
    assert llm.kv_bytes_per_token(16) == (80 - 31) * 2 * 8 * 128 * 2  # uniform would be 80 layers' worth
    assert "31 of 80" in llm.note("blocks")


def test_brunetta_native_contexts():
    # Rung: published (the models' configurations; 131,072 for Qwen3 needs YaRN).
    for name in (
        "qwen3-8b context [K]",
        "qwen3-14b context [K]",
        "qwen3-32b context [K]",
        "qwen3-235b-a22b context [K]",
    ):
        llm = rl.get_llm(name.split()[0])
        assert (brunetta(name), llm.max_context) == (128, 40_960)
        assert "YaRN" in llm.note("max_context")
    ministral = rl.get_llm("ministral-8b")
    assert (brunetta("ministral-8b context [K]"), ministral.max_context) == (128, 32_768)
    assert "128k" in ministral.note("max_context")


def test_brunetta_expert_counts():
    # Rung: published (the models' configurations): R1's count holds its shared expert, Scout's does not.
    r1, scout = rl.get_llm("deepseek-r1").moe, rl.get_llm("llama-4-scout").moe
    assert (r1.experts, r1.shared_experts) == (256, 1)
    assert (scout.experts, scout.shared_experts) == (16, 1)
    assert brunetta("r1 experts") == r1.experts + r1.shared_experts
    assert brunetta("r1 routed experts") == r1.experts
    assert brunetta("scout experts") == scout.experts


def test_brunetta_qwen_72b():
    # Rung: published (the models' configurations): the two names have one shape, so no figure depends on which ran.
    table, text = (rl.get_llm(brunetta(name)) for name in ("qwen 72b, Table II", "qwen 72b, IV-B"))
    assert table.name != text.name
    assert table.layer_groups == text.layer_groups
    assert table.parameters == text.parameters


# ----------------------------------------------------------------------------------------------- Brunetta, section IV


def test_brunetta_fp8_gains():
    # Rung: published. The summary's maxima lie outside the ranges of the text before it.
    throughput, energy = brunetta("hopper w8a8 throughput [%]"), brunetta("hopper w8a8 energy efficiency [%]")
    assert (throughput, energy) == ((20, 38), (34, 46))
    assert brunetta("hopper w8a8 in the box [%]") == (44, 47)
    assert all(most > high for most, (_, high) in zip((44, 47), (throughput, energy), strict=True))


def test_brunetta_tensor_parallel_efficiency():
    # Rung: hand. Efficiency on n devices is (1 + gain)/n: the printed maxima are those of the printed gains.
    gains = {2: brunetta("gain of 2 gpus [%]"), 4: brunetta("gain of 4 gpus [%]")}
    efficiency = {n: [round((100 + gain) / n) for gain in both] for n, both in gains.items()}
    assert efficiency == {2: [56, 67], 4: [33, 60]}
    assert (efficiency[2][1], efficiency[4][1]) == brunetta("efficiency of 2 and 4 gpus [%]")
    assert brunetta("efficiency of the exceptions [%]") > max(efficiency[2] + efficiency[4])  # so no upper bounds


def test_brunetta_all_reduce():
    # Rung: hand. Llama 3.3 70B, 8 sequences, 4 devices, BF16: 80 layers · 2 · 4 devices · 2(4−1)/4 · 8·8192·2 byte.
    estimate = rl.decode(LLAMA_70B, hs.get("h100-sxm"), batch=8, context_tokens=1000, tensor_parallel=4)
    collectives = [op for op in estimate.operations if op.operation.kind == "collective"]
    assert [op.name for op in collectives] == ["all_reduce", "all_reduce"]  # after attention, and after the MLP
    message = 8 * 8192 * 2
    ours = 80 * 2 * 4 * 1.5 * message
    assert sum(op.operation.link_bytes for op in collectives) == ours
    all_gather = 80 * 2 * 4 * (4 - 1) / 4 * message  # the printed collective: every device sends 3/4 of the message
    assert ours == 2 * all_gather


def test_brunetta_mi300x_four_gpus():
    # Rung: hand. The printed figure is four times the one before it, to the last digit.
    one, four = brunetta("mi300x llama-3.3-70b, 1 gpu [token/s]"), brunetta("mi300x llama-3.3-70b, 4 gpus [token/s]")
    assert four == 4 * one == 8068


def test_brunetta_tensor_expert_gap():
    # Rung: published. Gain of tensor over expert parallelism [%] by number of experts, on MI300X and H100.
    gains = {128: brunetta("tp over ep, 128 experts, mi300x and h100 [%]")}
    gains[16] = brunetta("tp over ep, 16 experts, mi300x and h100 [%]")
    gains[8] = (
        100 * (brunetta("tp over ep, 8 experts, mi300x [factor]") - 1),
        brunetta("tp over ep, 8 experts, h100 [%]"),
    )
    mi300x, h100 = zip(*(gains[experts] for experts in (8, 16, 128)), strict=True)
    assert h100 == (61, 34, 4)
    assert mi300x[1:] == (6, 16)
    assert h100[0] > h100[1] > h100[2]  # narrows, as printed
    assert mi300x[1] < mi300x[2]  # does not


def test_brunetta_deepseek_on_four_h100():
    # Rung: hand. 671 billion parameters at one byte, and the embeddings at two, against 4 · 81,559 MiB.
    r1, devices = rl.get_llm("deepseek-r1"), brunetta("figure 6 gpus")
    weights = rl.weight_bytes(r1, rl.policy("fp8"))
    assert r1.parameters / 1e9 == pytest.approx(671.0, abs=0.05)
    assert weights / 1e9 == pytest.approx(673.0, abs=0.05)
    h100s = devices * hs.get("h100-sxm").memory_bytes
    assert h100s == 4 * 81_559 * 2**20
    assert round(h100s / 1e9) == 342
    assert r1.parameters > h100s  # not even at one byte each
    assert weights < devices * hs.get("mi300x").memory_bytes  # the other node of the figure holds it


def test_brunetta_tokens_per_joule():
    # Rung: sibling. Read per joule, the A100's figure gives a power at which the paper's other A100 figure agrees.
    power = brunetta("a100 [token/s]") / brunetta("a100 efficiency")
    four = brunetta("a100 x4 llama-3.3-70b [token/s]") / brunetta("a100 x4 llama-3.3-70b [token/J]")
    assert (round(power), round(four / 4)) == (295, 297)
    assert power < hs.get("a100-sxm-80gb").tdp_w
    for name in ("a100 efficiency", "h100 efficiency"):
        assert BRUNETTA_TEXT[name].text.endswith("tokens/s")  # printed
    assert brunetta("a100 efficiency") < 1 < brunetta("a100 [token/s]") == 215


def test_brunetta_sn40l_tokens_per_joule():
    # Rung: hand. 2024/5230 = 0.3870 and 353/5230 = 0.0675, cut off in print; 3609/24200 = 0.1491, rounded.
    watts = brunetta("sn40l draw [W]")
    assert round(brunetta("sn40l [token/s]") / watts, 3) == 0.387
    assert round(brunetta("sn40l [token/s]") / watts, 2) == 0.39 != brunetta("sn40l [token/J]")
    assert round(brunetta("sn40l llama-3.3-70b [token/s]") / watts, 4) == 0.0675
    assert brunetta("sn40l llama-3.3-70b [token/J]") == 0.067
    assert round(brunetta("cs-3 [token/s]") / brunetta("cs-3 draw [W]"), 3) == 0.149
    assert round(0.149, 2) == brunetta("cs-3 [token/J]")


def test_brunetta_itl_gain():
    # Rung: hand. 3609/215 = 16.8 is the gain in throughput, so V's figure for ITL is that one; IV-C has ITL at 18.8.
    throughput_gain = round(brunetta("cs-3 [token/s]") / brunetta("a100 [token/s]"), 1)
    assert throughput_gain == brunetta("cs-3 over a100, throughput") == brunetta("itl, V") == 16.8
    assert brunetta("cs-3 over a100, itl") == 18.8


def test_brunetta_sn40l_batches():
    # Rung: published, both recorded. The wider range is of what was built, the narrower of what vendors ship.
    assert brunetta("sn40l batches, III-C") == (1, 32)
    assert brunetta("sn40l batches, IV-C") == (1, 8)


def test_brunetta_power_boundary():
    # Rung: hand. The same throughput over the rack's power instead of the devices' is 1.9 times less efficient.
    assert brunetta("sn40l power boundary, III-C") != brunetta("sn40l power boundary, IV-C")
    rack = hs.get_server("sn40l-16")
    assert rack.power_w == brunetta("sn40l rack power [kW]") * 1e3
    assert "rack" in rack.note("power_w")
    per_device_boundary = brunetta("sn40l [token/s]") / brunetta("sn40l draw [W]")
    per_rack_boundary = brunetta("sn40l [token/s]") / rack.power_w
    assert (round(per_device_boundary, 3), round(per_rack_boundary, 3)) == (0.387, 0.202)


# --------------------------------------------------------------------------------------- Brunetta, sections II, V, VI


def test_brunetta_compute_over_bandwidth():
    # Rung: published (datasheets) and hand: 362.1/3.277 = 110 (MI250) to 989.4/3.35 = 295 (H100) in BF16.
    six = ("a100-sxm-80gb", "h100-sxm", "gh200-96gb", "mi250", "mi300x", "max-1550")
    ridge = {key: round(hs.get(key).ridge_point("bf16")) for key in six}
    assert ridge == {
        "a100-sxm-80gb": 153,
        "h100-sxm": 295,
        "gh200-96gb": 247,
        "mi250": 110,
        "mi300x": 247,
        "max-1550": 256,
    }
    in_fp8 = [hs.get(key).ridge_point("fp8") for key in six if "fp8" in hs.get(key).formats]
    assert round(max(in_fp8)) == 591
    assert max([*ridge.values(), *in_fp8]) < 1000  # printed: three orders of magnitude


def test_brunetta_dataflow_count():
    # Rung: published. The abstract and Table I have two; eight machines in all (VII) are the six GPUs and these.
    dataflow = [hs.get(key) for key in ("sn40l", "cs-3")]
    assert {accelerator.vendor for accelerator in dataflow} == {"SambaNova", "Cerebras"}
    assert len(dataflow) == brunetta("dataflow accelerators, Abstract") == brunetta("accelerators, VII") - 6
    assert brunetta("dataflow accelerators, II") == brunetta("dataflow accelerators, VI") == 3


# ------------------------------------------------------------------------------------------------- the page, the data

ROW = re.compile(r"^\|(?P<place>[^|]+)\|(?P<printed>[^|]+)\|(?P<ours>[^|]+)\|\s*`(?P<test>\w+)`\s*\|$")


def test_page_and_tests_match(root):
    # Rung: property. A row per test and a test per row; a Kim test in Kim's table, a Brunetta test in Brunetta's.
    page = (root / "docs" / "errata.md").read_text(encoding="utf-8")
    tables = {}
    for line in page.splitlines():
        if line.startswith("## "):
            tables[line.removeprefix("## ").split()[0].lower()] = table = []
        elif line.startswith("|") and not re.fullmatch(r"\|[ |-]+\|", line) and not line.startswith("| place "):
            row = ROW.match(line)
            assert row, f"a row of four cells that ends in the name of a test is expected: {line}"
            assert all(row[cell].strip() for cell in ("place", "printed", "ours"))
            table.append(row["test"])
    assert set(tables) == {"kim", "brunetta"}
    here = [name for name, _ in inspect.getmembers(sys.modules[__name__], inspect.isfunction)]
    for paper, named in tables.items():
        tests = [name for name in here if name.startswith(f"test_{paper}_")]
        assert sorted(named) == sorted(tests)  # a name listed twice, missing or unknown shows here


def squeeze(text):
    """Text without white space and mark-up, so that line ends and formulas' spacing do not matter."""
    return re.sub(r"[\s*$]", "", text.replace(r"\times", "×"))


def numbers(text):
    """The numbers in a piece of text."""
    words = {"two": 2, "three": 3, "eight": 8}
    spelled = [words[word] for word in re.findall(r"\w+", text) if word in words]
    return spelled + [float(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*\.?\d*", text)]


def sections(text, heading, table, label):
    """Squeezed text of each section (its tables included) and of each table (up to the next table or heading)."""
    lines = text.splitlines()
    place, inside, found = "Abstract", None, {}
    for line in lines:
        if match := heading.match(line):
            place, inside = label(place, match), None
        elif match := table.match(line):
            inside = f"Table {match[1]}"
        for name in (place, inside):
            if name:
                found[name] = found.get(name, "") + "\n" + line
    return {name: squeeze(part) for name, part in found.items()}


@pytest.fixture(scope="module")
def kim_sections(shared):
    (paper,) = (shared / "papers").glob("004_*.txt")
    heading = re.compile(r"^(I{1,3}|I?V|VI{0,3}|IX)(-[A-E])? [A-Z]|^(A)(-[A-C]) [A-Z]")
    table = re.compile(r"^TABLE ([IVX]+):")
    return sections(
        paper.read_text(encoding="utf-8"),
        heading,
        table,
        lambda _, match: (match[1] or match[3]) + (match[2] or match[4] or ""),
    )


@pytest.fixture(scope="module")
def brunetta_sections(shared):
    (paper,) = (shared / "papers").glob("000_*.txt")
    heading = re.compile(r"^([IV]+)\. [A-Z]{2}|^([A-D])\. [A-Z]|^(ACKNOWLEDGMENTS|REFERENCES)$")
    table = re.compile(r"^TABLE ([IVX]+):")

    def label(before, match):
        if match[2]:
            return f"{before.split('-')[0]}-{match[2]}"
        return match[1] or match[3]

    return sections(paper.read_text(encoding="utf-8"), heading, table, label)


def percent(value):
    return f"{value:g}%"


def kim_table_rows():
    """Kim's tables from our data, row by row as the paper sets them: (table, row)."""
    names = {"v100-sxm": "V100 (SXM)", "a100-sxm-80gb": "A100 (SXM)", "h200-sxm": "H200 (HGX)", "b300": "B300 (HGX)"}
    for key, row in KIM_TABLE_1.items():
        gain = "-" if row.increase_percent is None else percent(row.increase_percent)
        yield "I", f"{names[key]} {row.tflops:,} {row.tdp_w:,} {row.tflops_per_w:.2f} {gain}"

    names = {
        "llama-3.2-1b": ("Llama v3.2", "1B Instruct"),
        "llama-3.2-3b": ("Llama v3.2", "3B Instruct"),
        "llama-3.1-8b": ("Llama v3.1", "8B Instruct"),
        "llama-3.3-70b": ("Llama v3.3", "70B Instruct"),
    }
    for key, row in KIM_TABLE_2.items():
        family, size = names[key]
        cells = f"{family} BF16 - {row['bf16']}% {size} E4M3 SR {row['e4m3 sr']}%"
        cells += f" E4M3 RTN {row['e4m3 rtn']}% E5M2 RTN {row['e5m2 rtn']}%"
        yield from (("II", cells), ("VIII", cells))

    names = {"gaudi-2": "Gaudi 2", "gaudi-3": "Gaudi 3", "h100-sxm": "H100", "h200-sxm": "H200"}
    for device, name in names.items():
        cells = name
        for precision in ("bf16", "fp8"):
            rates = [f"{rate:.1f}" for width in (2048, 4096) for rate in KIM_TABLE_3[device, precision][width]]
            cells += f" {precision.upper()} {' '.join(rates)}"
        yield "III", cells

    small, large = KIM_TABLE_4.values()
    for length in small:
        cells = [f"{row.uncapped} {row.capped} {row.difference_percent}%" for row in (small[length], large[length])]
        yield "IV", f"{length} {' '.join(cells)}"
    yield "IV", "Llama v3.1 8B (BS={}) Llama v3.3 70B (BS={})".format(*KIM_TABLE_4_BATCH.values())

    for device, by_size in KIM_TABLE_5.items():
        cells = names[device]
        for size, row in by_size.items():
            cells += f" {size} {row.tflops} ({row.peak_percent}%) {row.power_w} ({row.tdp_percent}%) {row.tflops_per_w}"
        yield "V", cells

    for table, data, label in (
        ("VI", KIM_TABLE_6, str.upper),
        ("VII", KIM_TABLE_7, {"fp32": "FP32", "fast": "Fast"}.get),
    ):
        for kind, by_size in data.items():
            cells = label(kind)
            for size, row in by_size.items():
                cells += f" {size} " + " ".join(f"{rate.tflops} ({rate.peak_percent}%)" for rate in row.values())
            yield table, cells


def test_data_of_kim_tables(kim_sections):
    # Rung: published. Every row of our tables stands in the paper's table of that number.
    rows = list(kim_table_rows())
    assert {table for table, _ in rows} == {"I", "II", "III", "IV", "V", "VI", "VII", "VIII"}
    missing = [(table, row) for table, row in rows if squeeze(row) not in kim_sections[f"Table {table}"]]
    assert not missing


@pytest.mark.parametrize("name", KIM_TEXT)
def test_data_of_kim_text(kim_sections, name):
    # Rung: published.
    found_in(kim_sections, KIM_TEXT[name])


@pytest.mark.parametrize("name", BRUNETTA_TEXT)
def test_data_of_brunetta_text(brunetta_sections, name):
    # Rung: published.
    found_in(brunetta_sections, BRUNETTA_TEXT[name])


def found_in(paper, printed: Printed):
    """The fragment stands at its place in the paper, and the value is a number of the fragment."""
    assert squeeze(printed.text) in paper[printed.place], f"{printed.place} does not print {printed.text!r}"
    if not isinstance(printed.value, str):
        values = printed.value if isinstance(printed.value, tuple) else (printed.value,)
        assert set(values) <= set(numbers(printed.text))


def test_every_figure_is_used(root):
    # Rung: property. Every figure is read by the test of a row; a formula may instead stand in the page.
    page = (root / "docs" / "errata.md").read_text(encoding="utf-8")
    rows = [inspect.getsource(test) for name, test in globals().items() if re.match("test_(kim|brunetta)_", name)]
    for figures in (KIM_TEXT, BRUNETTA_TEXT):
        for name, printed in figures.items():
            in_page = isinstance(printed.value, str) and printed.value in page
            assert in_page or any(f'"{name}"' in source for source in rows), f"no row uses {name}"
