"""Calibrations on the papers' tables: few constants, and what is left out predicted (issue: done when, 3)."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy.optimize import least_squares

import hardware_specs as hs
import roofline as rl
from roofline import power
from roofline.calibration import calibrate_products, predict
from roofline.measurements import published
from roofline.measurements.bounds import measured_time_s

H200 = hs.get("h200-sxm")
FITTED, LEFT = [512, 2048, 8192], [1024, 4096]


# Table III: thin products


@pytest.mark.parametrize("accelerator", ["gaudi-2", "gaudi-3", "h100-sxm", "h200-sxm"])
def test_table_3_within_10_percent(accelerator):
    # measured: three constants for both formats, median error on the 16 rows, and on each of them while left out.
    found = calibrate_products(published("kim2025-table3").where(accelerator=accelerator))
    assert len(found.weights) == 3
    assert found.fit.kernels == found.left_out.kernels == 16
    assert found.fit.median < 0.10
    assert found.left_out.median < 0.10


def test_table_3_needs_an_overhead():
    # measured: a thin product reaches half of the ideal roofline in the median; it takes 1 to 2 us to start on Gaudi, 9
    # to 11 on NVIDIA's machines.
    runs = published("kim2025-table3")
    found = {key: calibrate_products(runs.where(accelerator=key)) for key in dict.fromkeys(runs.accelerator.tolist())}
    ideal = rl.calibration.efficiency(runs)
    assert np.median(1 - ideal) > 0.45
    assert max(found[key].overhead_s for key in ("gaudi-2", "gaudi-3")) < 2e-6
    assert min(found[key].overhead_s for key in ("h100-sxm", "h200-sxm")) > 8e-6


# Tables V to VII: square products


@functools.cache
def squares(accelerator):
    runs = sum((published(f"kim2025-table{number}") for number in (6, 7)), start=published("kim2025-table5"))
    return calibrate_products(runs.where(accelerator=accelerator), by="variant")


@pytest.mark.parametrize("accelerator", ["gaudi-2", "h100-sxm"])
def test_square_products_give_the_matrix_ceiling(accelerator):
    # measured: one start and one bandwidth for a machine, one share of the matrix peak for each scaling.
    found = squares(accelerator)
    assert found.fit.median < 0.05
    assert found.left_out.median < 0.10


def test_square_products_order_the_scalings_as_the_paper_does():
    # published (Kim A-A): a scale per tensor beats one per row; in hardware it costs nothing; 32-bit accumulation
    # with a scale per row loses most of H100's rate; Gaudi 2 comes closer to its peak.
    gaudi, h100 = squares("gaudi-2").matrix, squares("h100-sxm").matrix
    assert gaudi["row-wise e4m3"] < gaudi["per-tensor e4m3"] <= gaudi["per-tensor-hardware e4m3"]
    assert h100["row-wise fast-accumulation"] < h100["per-tensor fast-accumulation"]
    assert h100["row-wise fp32-accumulation"] < 0.4 * h100["row-wise fast-accumulation"]
    assert gaudi["row-wise e4m3"] > 1.2 * h100["row-wise fast-accumulation"]


def test_the_largest_products_reach_their_share():
    # published: at 8192 a side the share of the peak is all but the constant itself (Table VII: 1388 of 1978.9 TFLOPS).
    found = squares("h100-sxm")
    rate = found.tflops(m=8192, k=8192, n=8192, precision="fp8", variant="per-tensor fast-accumulation")
    row = published("kim2025-table7").where(m=8192, variant="per-tensor fast-accumulation")
    assert float(rate) == pytest.approx(row.tflops[0], rel=0.05)


# Table IV: decode


def column(llm, limit_w):
    return published("kim2025-table4").where(llm=llm, power_limit_w=limit_w)


def rate(runs, memory, overhead_s, *, cap_w=None):
    """TFLOPS with two constants, a share of the bandwidth and a time to start an operation; within a cap if given."""
    machine = rl.Machine.of(H200).replace(efficiency={"memory": memory}, overhead_s=overhead_s)
    step = rl.decode(rl.get_llm(runs.llm[0]), machine, batch=runs.batch, context_tokens=runs.context_tokens,
                     precision="fp8")  # fmt: skip
    return step.tflops if cap_w is None else power.under_cap(step, cap_w=cap_w, model=power.model(H200)).tflops


@functools.cache
def fitted(llm, limit_w):
    """Two constants, found on 512, 2,048 and 8,192 tokens."""
    runs = column(llm, limit_w).where(context_tokens=FITTED)

    def off(at):
        return np.log(rate(runs, at[0], at[1] * 1e-6) / runs.tflops)

    memory, start_us = least_squares(off, [0.7, 10.0], bounds=([0.05, 0.0], [1.0, 200.0]), x_scale=[0.1, 10.0]).x
    return float(memory), float(start_us) * 1e-6


def errors(llm, limit_w, found, *, cap_w=None):
    runs = column(llm, limit_w)
    return dict(zip(runs.context_tokens.tolist(), rate(runs, *found, cap_w=cap_w) / runs.tflops - 1, strict=True))


def test_table_4_uncapped_within_5_percent():
    # measured: the lengths that were left out.
    off = errors("llama-3.1-8b", 700, fitted("llama-3.1-8b", 700))
    assert max(abs(off[length]) for length in LEFT) < 0.05


def test_table_4_capped_within_8_percent():
    # measured: with constants of its own under the cap; and without any, by the constants of the uncapped machine and
    # the shipped model of power.
    own = errors("llama-3.1-8b", 400, fitted("llama-3.1-8b", 400))
    assert max(abs(own[length]) for length in LEFT) < 0.08
    carried = errors("llama-3.1-8b", 400, fitted("llama-3.1-8b", 700), cap_w=400)
    assert max(abs(off) for off in carried.values()) < 0.08


def test_table_4_of_the_larger_model_is_reported():
    # measured: 70B is printed to two digits, and its row at 4,096 uncapped falls where the others rise: 11 % there,
    # within 4 % elsewhere; capped within 5 % everywhere.
    off = errors("llama-3.3-70b", 700, fitted("llama-3.3-70b", 700))
    assert 0.09 < off.pop(4096) < 0.13
    assert max(abs(value) for value in off.values()) < 0.04
    capped = errors("llama-3.3-70b", 400, fitted("llama-3.3-70b", 400))
    assert max(abs(value) for value in capped.values()) < 0.05


@pytest.mark.parametrize(("limit_w", "most"), [(700, 0.05), (400, 0.08)])
def test_table_4_by_the_calibration_of_runs(limit_w, most):
    # measured: all constants of a calibration, three runs, and what is likely of the rest: no worse than two constants.
    runs = column("llama-3.1-8b", limit_w)
    found = rl.calibrate(runs.where(context_tokens=FITTED), shipped=False)
    left = runs.where(context_tokens=LEFT)
    off = measured_time_s(left) / predict(left, found) - 1
    assert np.max(np.abs(off)) < most
