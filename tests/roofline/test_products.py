"""Products of two matrices calibrate a machine."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
from roofline.calibration import calibrate_products
from roofline.calibration.products import PRODUCTS
from roofline.measurements import Runs, published, read

H100 = hs.get("h100-sxm")
BF16 = H100.peak_flops("bf16")


def products(shapes, rate, *, accelerator="h100-sxm", **fields):
    rows = [{"accelerator": accelerator, "phase": "gemm", "precision": "bf16", "m": m, "k": k, "n": n} | fields
            | {"latency_s": time_s} for (m, k, n), time_s in zip(shapes, rate, strict=True)]  # fmt: skip
    return Runs.from_rows(rows)


SHAPES = [(m, k, k) for m in (8, 64, 512, 4096) for k in (1024, 4096, 16384)]


def true_s(shapes, *, overhead_s=5e-6, matrix=0.7, memory=0.8, peak=BF16, width=2):
    """The form by hand: sizes are whole tiles, so nothing is rounded up."""
    m, k, n = np.array(shapes, dtype=float).T
    moved = width * (m * k + k * n) + 2 * m * n
    return overhead_s + np.maximum(2 * m * k * n / (matrix * peak), moved / (memory * H100.memory_bytes_per_s))


def test_constants_come_back():
    # hand: times made with known constants give these constants, and no error.
    found = calibrate_products(products(SHAPES, true_s(SHAPES)))
    assert found.overhead_s == pytest.approx(5e-6, rel=0.01)
    assert found.matrix[""] == pytest.approx(0.7, rel=0.01)
    assert found.memory == pytest.approx(0.8, rel=0.01)
    assert found.fit.median < 0.002
    assert found.left_out.median < 0.01
    assert all(weight > 0.95 for weight in found.weights.values())


def test_wrong_rows_pull_little():
    # property: two products of twelve at a tenth of their rate move no constant by more than 10 %.
    time_s = true_s(SHAPES) * np.where(np.isin(np.arange(len(SHAPES)), (2, 7)), 10, 1)
    found = calibrate_products(products(SHAPES, time_s))
    assert found.overhead_s == pytest.approx(5e-6, rel=0.1)
    assert found.matrix[""] == pytest.approx(0.7, rel=0.1)
    assert found.memory == pytest.approx(0.8, rel=0.1)


def test_shares_are_told_apart_by_precision():
    # hand: FP8 reaches 0.5 of its peak where BF16 reaches 0.7; a format that was not measured is not predicted, and in
    # a machine gets their geometric mean.
    eight = true_s(SHAPES, matrix=0.5, peak=H100.peak_flops("fp8"), width=1)
    runs = products(SHAPES, true_s(SHAPES)) + products(SHAPES, eight, precision="fp8")
    found = calibrate_products(runs, by="precision")
    assert found.matrix["bf16"] == pytest.approx(0.7, rel=0.01)
    assert found.matrix["fp8"] == pytest.approx(0.5, rel=0.01)
    machine = found.machine(H100)
    assert machine.efficiency_of("matrix", "linear", "fp8") == found.matrix["fp8"]
    assert machine.efficiency_of("matrix", "linear", "fp16") == pytest.approx(np.sqrt(0.35), rel=0.01)
    with pytest.raises(ValueError, match="precision = 'fp16' is not accepted: give one of 'bf16', 'fp8'"):
        found.time_s(m=1, k=64, n=64, precision="fp16")


def test_the_machine_says_what_the_calibration_says():
    # sibling: a product as the calibration times it, and as the ceilings of its machine time the linear layer.
    found = calibrate_products(products(SHAPES, true_s(SHAPES)))
    m, k, n = np.array(SHAPES, dtype=float).T
    np.testing.assert_allclose(found.time_s(m=m, k=k, n=n, precision="bf16"), true_s(SHAPES), rtol=0.01)
    np.testing.assert_allclose(
        found.tflops(m=m, k=k, n=n, precision="bf16"), 2e-12 * m * k * n / true_s(SHAPES), rtol=0.01
    )
    step = rl.decode(rl.get_llm("llama-3.1-8b"), found.machine(), batch=64, context_tokens=512)
    (up,) = (one for one in step.operations if one.name == "mlp_up")
    alone = found.time_s(m=64, k=4096, n=2 * 14336, precision="bf16")
    assert float(up.time_s) / 32 == pytest.approx(float(alone), rel=1e-9)


def test_what_the_runs_do_not_show_stays_likely_and_is_said():
    # property: thin products never touch the matrix engine's ceiling.
    found = calibrate_products(products(SHAPES[:3], true_s(SHAPES[:3])))
    assert found.matrix[""] == pytest.approx(0.75, rel=1e-3)
    assert found.weights["matrix"] < 0.01
    assert "matrix 0.75 (not seen)" in repr(found)


def test_fewer_constants():
    # hand: those that are not asked for are 1, as of an ideal machine.
    runs = products(SHAPES, true_s(SHAPES))
    one, two = calibrate_products(runs, constants=1), calibrate_products(runs, constants=2)
    assert (dict(one.matrix), one.memory, two.memory) == ({"": 1.0}, 1.0, 1.0)
    assert one.fit.median > two.fit.median


def test_a_single_run_has_no_error_of_its_own():
    found = calibrate_products(products(SHAPES[-1:], true_s(SHAPES[-1:])))
    assert found.left_out is None
    assert found.spread == PRODUCTS
    assert found.matrix[""] == pytest.approx(0.7, rel=0.02)


def test_it_is_carried_to_another_machine_only_knowingly():
    found = calibrate_products(products(SHAPES, true_s(SHAPES)))
    with pytest.raises(ValueError, match="products are of h100-sxm, not of h200-sxm: to carry their losses over"):
        found.machine(hs.get("h200-sxm"))
    assert found.machine(rl.Machine.of(hs.get("h200-sxm"))).overhead_s == found.overhead_s
    again = pickle.loads(pickle.dumps(found))
    assert (again.overhead_s, dict(again.matrix), again.spread) == (found.overhead_s, dict(found.matrix), found.spread)


def test_errors():
    runs = products(SHAPES, true_s(SHAPES))
    with pytest.raises(ValueError, match="runs are of several values of accelerator: h100-sxm, a100-sxm-80gb; narrow"):
        calibrate_products(runs + products(SHAPES, true_s(SHAPES), accelerator="a100-sxm-80gb"))
    with pytest.raises(ValueError, match="constants = 4 is not accepted"):
        calibrate_products(runs, constants=4)
    with pytest.raises(ValueError, match="by = 'llm' is not accepted"):
        calibrate_products(runs, by="llm")
    with pytest.raises(ValueError, match="no share of the matrix peak is found"):
        calibrate_products(runs, constants=1, by="variant")
    with pytest.raises(ValueError, match="no run of 20 can be used: a product needs"):
        calibrate_products(published("kim2025-table4"))
    with pytest.raises(ValueError, match="give Runs"):
        calibrate_products("kim2025-table3")
    with pytest.raises(ValueError, match="variant = 'fast' is not accepted: shares were not told apart by variant"):
        calibrate_products(runs).machine(variant="fast")
    with pytest.raises(ValueError, match="variant = 'fast' is not accepted: give one of 'row-wise'"):
        calibrate_products(published("kim2025-table5").where(accelerator="h100-sxm"), by="variant").machine(
            variant="fast"
        )


@pytest.mark.parametrize(("accelerator", "efficiency"), [("gaudi-2", 0.9692), ("a100-sxm-80gb", 0.8692)])
def test_the_best_product_of_a_machine_gives_its_matrix_share(shared, accelerator, efficiency):
    # measured: the rate over the peak as the publisher divides them; a large product hides its start, so our share is a
    # little above it, where its tiles are whole.
    runs = read(shared / "measured" / "mamf_stas00.csv").where(accelerator=accelerator, precision="bf16")
    found = calibrate_products(runs)
    assert found.matrix[""] == pytest.approx(efficiency, rel=0.015)
