"""Between the points of a measured grid, and outside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

import hardware_specs as hs
import tco
from roofline.calibration import Calibration, Errors, Losses, between, calibrate, predict
from roofline.calibration.study import usable
from roofline.measurements import Runs, read
from roofline.measurements.bounds import least_time_s, measured_time_s
from roofline.measurements.measured import REPEAT
from roofline.spread import Spread

COMMON = {"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3.1-8b", "precision": "bf16", "framework": "vLLM"}
BATCHES, CONTEXTS = (1, 4, 16, 64, 256), (256, 1024, 4096, 16384)


def calibration(**constants):
    error = Errors(runs=1, llms=("llama-3.1-8b",), fit=0.0)
    losses = Losses(constants=constants, error=error, spread=Spread(0.06, 5))
    return Calibration(accelerator="h100-sxm", framework="vLLM", one=losses)


MODEL = calibration()
TRUTH = calibration(memory=0.6, kv=0.5, step_s=3e-3, sequence_s=6e-5, matrix=0.4)


def decode_runs(points, time_s):
    rows = [COMMON | {"phase": "decode", "batch": b, "context_tokens": s, "itl_s": t}
            for (b, s), t in zip(points, time_s, strict=True)]  # fmt: skip
    return Runs.from_rows(rows)


def true_s(points):
    """What a machine unlike the model would take, with a wobble that no roofline has."""
    b, s = np.log2(np.array(points, dtype=float)).T
    return predict(decode_runs(points, np.ones(len(points))), TRUTH) * np.exp(0.1 * np.sin(0.6 * b + 0.3 * s))


GRID = [(b, s) for b in BATCHES for s in CONTEXTS]
MEASURED = decode_runs(GRID, true_s(GRID))
FOUND = between(MEASURED, calibration=MODEL)


def generations(points, rate=2000.0, **fields):
    common = COMMON | {"phase": "generate"} | fields
    return Runs.from_rows(
        common | {"batch": b, "prompt_tokens": i, "output_tokens": o, "output_tokens_per_s": rate * b / (b + 20)}
        for b, i, o in points
    )


# Inside


def test_measured_points_come_back_as_they_were_measured():
    # property: an interpolation goes through its points, whatever the order in which they are asked for.
    batch, context = np.array(GRID[::-1], dtype=float).T
    point = FOUND.at(batch=batch, context_tokens=context)
    np.testing.assert_allclose(point.time_s, true_s(GRID)[::-1], rtol=1e-12)
    assert point.inside.all()
    assert point.measured.all()
    np.testing.assert_allclose(point.tokens_per_s, batch / point.time_s)


def test_repeats_count_by_their_geometric_mean():
    # hand: 10 and 40 ms at the same point are 20 ms.
    runs = decode_runs([(8, 1024), (8, 1024)], [0.010, 0.040])
    assert float(between(runs, calibration=MODEL).at().time_s) == pytest.approx(0.020)


def test_halfway_is_the_model_times_the_geometric_mean_of_its_neighbours():
    # hand: measured over predicted is 1.2 at batch 4 and 1.5 at batch 16; batch 8 is halfway in logarithms.
    ends, middle = [(4, 1024), (16, 1024)], [(8, 1024)]
    expected = predict(decode_runs(ends, [1, 1]), MODEL)
    line = between(decode_runs(ends, expected * [1.2, 1.5]), calibration=MODEL)
    alone = predict(decode_runs(middle, [1]), MODEL)[0]
    assert float(line.at(batch=8).time_s) == pytest.approx(alone * np.sqrt(1.2 * 1.5), rel=1e-12)


@settings(max_examples=60)
@given(b=st.floats(1, 256), s=st.floats(256, 16384))
def test_between_two_points_the_model_is_corrected_by_no_more_than_at_them(b, s):
    # property: what is linear in a cell stays within its corners, and so within all of them.
    point = FOUND.at(batch=b, context_tokens=s)
    correction = float(point.time_s) / predict(decode_runs([(b, s)], [1]), MODEL)[0]
    assert bool(point.inside)
    assert np.exp(-FOUND.residual.max()) * (1 - 1e-9) <= correction <= np.exp(-FOUND.residual.min()) * (1 + 1e-9)


def test_throughput_that_rises_from_point_to_point_rises_between_them():
    # property: of a machine that differs from the model in its constants alone, step by step.
    grid = decode_runs(GRID, predict(decode_runs(GRID, np.ones(len(GRID))), TRUTH))
    rates = between(grid, calibration=MODEL).at(batch=np.geomspace(1, 256, 60), context_tokens=1024).tokens_per_s
    assert np.all(np.diff(rates) > 0)


def test_the_residual_of_the_model_is_interpolated_better_than_throughput():
    # property: on a truth that is known, the error at the 95th percentile is less than half of that of raw
    # throughput, in linear axes or in logarithms.
    rng = np.random.default_rng(0)
    asked = np.exp(rng.uniform(np.log([1, 256]), np.log([256, 16384]), (400, 2)))
    true = asked[:, 0] / true_s(asked)
    rates = (np.array(GRID)[:, 0] / true_s(GRID)).reshape(len(BATCHES), len(CONTEXTS))
    raw = RegularGridInterpolator((BATCHES, CONTEXTS), rates)(asked)
    logs = np.exp(RegularGridInterpolator((np.log(BATCHES), np.log(CONTEXTS)), np.log(rates))(np.log(asked)))
    ours = FOUND.at(batch=asked[:, 0], context_tokens=asked[:, 1]).tokens_per_s
    off, off_raw, off_logs = (np.quantile(np.abs(found / true - 1), 0.95) for found in (ours, raw, logs))
    assert off < min(off_raw, off_logs) / 2


def test_a_grid_with_a_hole_is_exact_at_its_points_and_ends_at_its_corner():
    # property: without its largest corner, the middle is still inside, the corner itself is not.
    kept = GRID[:-1]
    holed = between(decode_runs(kept, true_s(kept)), calibration=MODEL)
    batch, context = np.array(kept, dtype=float).T
    np.testing.assert_allclose(holed.at(batch=batch, context_tokens=context).time_s, true_s(kept), rtol=1e-12)
    point = holed.at(batch=[10, 256], context_tokens=[700, 16384])
    assert point.inside.tolist() == [True, False]
    close = FOUND.at(batch=10, context_tokens=700).time_s  # the same points around it, in triangles
    assert float(point.time_s[0]) == pytest.approx(float(close), rel=0.03)


# Outside


@pytest.mark.parametrize(("b", "s"), [(512, 1024), (16, 100), (16, 40_000), (500, 40_000)])
def test_outside_the_points_the_calibrated_model_answers_and_says_so(b, s):
    # sibling: the same as asking the model itself.
    point = FOUND.at(batch=b, context_tokens=s)
    assert not point.inside
    assert (point.origin, point.kind) == ("calibrated", "calibrated roofline")
    assert float(point.time_s) == predict(decode_runs([(b, s)], [1]), MODEL)[0]
    assert point.calibration is MODEL
    assert "outside the grid" in repr(point)


def test_prompts_as_long_as_outputs_say_nothing_of_others():
    # hand: 300 + 300 lies on the line that was measured, 300 + 150 does not though both lengths are in range; nor is a
    # batch of 4 among runs with one length for each batch.
    square = between(generations([(b, n, n) for b in (1, 8) for n in (128, 512)]), calibration=MODEL)
    assert square.at(batch=2, prompt_tokens=[300, 300], output_tokens=[300, 150]).inside.tolist() == [True, False]
    line = between(generations([(1, 128, 128), (16, 2048, 2048)]), calibration=MODEL)
    found = line.at(batch=4, prompt_tokens=[512, 128, 600], output_tokens=[512, 128, 600])
    assert found.inside.tolist() == [True, False, False]


def test_three_lengths_are_three_axes():
    # hand: of a full grid of batch, prompt and output all of the inside is inside, unlike lengths too.
    points = [(b, i, o) for b in (1, 16) for i in (128, 2048) for o in (64, 1024)]
    found = between(generations(points), calibration=MODEL)
    inside = found.at(batch=4, prompt_tokens=[200, 2000, 200], output_tokens=[1000, 70, 1025]).inside
    assert inside.tolist() == [True, True, False]


def test_a_single_point_is_all_there_is():
    only = between(generations([(8, 512, 128)]), calibration=MODEL)
    assert only.at().inside
    assert not only.at(batch=9).inside


# Spread


def test_how_far_off_depends_on_where_it_is():
    # hand: at a point as far as a run from its repeat; outside as the calibration says; between, more than at one.
    point = FOUND.at(batch=[16, 20, 300], context_tokens=1024)
    low, high, level = point.interval(0.9, "time_s")
    half = np.log(high / low) / 2
    assert half[0] == pytest.approx(float(REPEAT.quantile(0.95)))
    assert half[2] == pytest.approx(float(MODEL.one.spread.quantile(0.95)))
    assert half[1] == pytest.approx(float(FOUND.spread.quantile(0.95)))
    assert half[1] > half[0]
    assert level == 0.9
    assert (FOUND.at(batch=16, context_tokens=1024).spread, point.spread) == (REPEAT, max(
        (MODEL.one.spread, FOUND.spread), key=lambda spread: spread.quantile(0.95)))  # fmt: skip


def test_a_rough_grid_has_a_wide_spread():
    # property: noise of 20 % on the points widens what lies between them.
    noise = np.exp(0.2 * np.random.default_rng(1).standard_normal(len(GRID)))
    smooth_s = predict(decode_runs(GRID, np.ones(len(GRID))), TRUTH)
    smooth, rough = (between(decode_runs(GRID, smooth_s * by), calibration=MODEL).spread for by in (1, noise))
    assert rough.scale > 2 * smooth.scale
    assert smooth.scale >= 0.016  # however well the line fits


# As a throughput


def test_a_point_is_a_throughput_to_compare():
    # hand: 8 replicas of one device each; an interpolated point counts as measured, one outside as modelled.
    server = hs.get_server("dgx-h100")
    found = between(generations([(b, n, n) for b in (1, 8) for n in (128, 512)], source="our lab"), calibration=MODEL)
    inside = found.at(batch=4, prompt_tokens=256, output_tokens=256)
    deployed = tco.Deployment(server=server, facility=tco.Facility(), throughput=inside)
    assert float(deployed.tokens_per_s) == pytest.approx(8 * float(4 * 256 / inside.time_s))
    assert float(inside.tokens_per_s) == pytest.approx(2 * float(inside.output_tokens_per_s))
    assert deployed.assumptions[0].origin == "measured"
    assert deployed.assumptions[0].source.startswith("between 4 measured points, our lab: generate of Llama 3.1 8B")
    outside = found.at(batch=64, prompt_tokens=256, output_tokens=256)
    beyond = tco.Deployment(server=server, facility=tco.Facility(), throughput=outside)
    assert beyond.assumptions[0].origin == "modelled"
    result = tco.compare(beyond, deployed)
    assert result.kinds == ("calibrated roofline", "measured")
    low, high, _ = result.interval(0.9, "r_th")
    assert low < result.r_th < high


def test_a_prefill_counts_prompt_tokens():
    # hand: 4 prompts of 1,000 tokens in 0.2 s are 20,000 tokens/s, of which none is generated.
    runs = Runs.from_rows([COMMON | {"phase": "prefill", "batch": 4, "prompt_tokens": 1000, "ttft_s": 0.2}])
    point = between(runs, calibration=MODEL).at()
    assert float(point.tokens_per_s) == pytest.approx(20_000)
    assert not hasattr(point, "output_tokens_per_s")
    assert (point.context_tokens, point.phase) == (None, "prefill")


# Errors


@pytest.mark.parametrize(
    ("field", "other"),
    [("accelerator", "a100-sxm-80gb"), ("framework", "SGLang"), ("llm", "llama-2-7b"), ("precision", "fp8"),
     ("devices", 2), ("power_limit_w", 500.0), ("variant", "eager")],
)  # fmt: skip
def test_runs_must_be_alike_but_for_their_sizes(field, other):
    mixed = generations([(1, 128, 128)]) + generations([(8, 128, 128)], **{field: other})
    with pytest.raises(ValueError, match=rf"runs are of several values of {field}: .*runs\.where\({field}=…\)"):
        between(mixed, calibration=MODEL)


def test_phases_are_not_mixed():
    with pytest.raises(ValueError, match="several values of phase: decode, generate"):
        between(MEASURED + generations([(1, 128, 128)]), calibration=MODEL)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(
        ValueError, match=r"prompt_tokens is not accepted: the runs are of phase decode, over batch 1 to"
    ):
        FOUND.at(batch=1, prompt_tokens=1024)
    with pytest.raises(ValueError, match="context_tokens is missing: the runs are over batch 1 to 256, context_tokens"):
        FOUND.at(batch=1)
    with pytest.raises(ValueError, match=r"batch = 0\.5 is not accepted: give a finite number of at least 1"):
        FOUND.at(batch=0.5, context_tokens=1024)
    with pytest.raises(ValueError, match="give Runs"):
        between([1, 2])
    with pytest.raises(ValueError, match=r"calibration = 0\.5 is not accepted"):
        between(MEASURED, calibration=0.5)
    with pytest.raises(ValueError, match="calibration is of h100-sxm, but the runs are of h200-sxm"):
        between(generations([(1, 128, 128)], accelerator="h200-sxm"), calibration=MODEL)
    product = Runs.from_rows([{"accelerator": "h100-sxm", "precision": "bf16", "phase": "gemm", "m": 1, "k": 64,
                               "n": 64, "tflops": 1.0}])  # fmt: skip
    with pytest.raises(ValueError, match="no run of 1 can be used"):
        between(product, calibration=MODEL)
    with pytest.raises(ValueError, match="no run of 1 can be used"):
        between(product)


# Measured


def test_every_second_point_of_public_grids(shared):
    # measured: vLLM's grids of two models on three machines; batch 16 and the lengths 256 and 1,024 are left out, and
    # the model is calibrated without them. The module says what all grids give.
    runs = usable(read(shared / "measured" / "upstream" / "llm_inference_bench_all_results.csv"))
    batches, lengths = (1, 32, 64), (128, 512, 2048)
    axes = np.log(batches), np.log(lengths)
    off: dict[str, list] = {"ours": [], "ideal": [], "raw": []}
    for llm in ("llama-2-7b", "llama-3-8b"):
        for machine in ("a100-sxm-40gb", "gh200-96gb", "h100-sxm"):
            grid = runs.where(accelerator=machine, framework="vLLM", llm=llm, devices=1, batch=[1, 16, 32, 64])
            kept = np.isin(grid.batch, batches) & np.isin(grid.prompt_tokens, lengths)
            left, some = grid[~kept], grid[kept]
            some = some[np.lexsort((some.prompt_tokens, some.batch))]
            found = between(some, calibration=calibrate(some, shipped=False)).at(
                batch=left.batch, prompt_tokens=left.prompt_tokens, output_tokens=left.output_tokens
            )
            assert found.inside.all()
            asked, true = np.stack([left.batch, left.prompt_tokens], axis=-1), measured_time_s(left)
            ratio = np.log(least_time_s(some) / measured_time_s(some)).reshape(3, 3)
            ideal_s = least_time_s(left) / np.exp(RegularGridInterpolator(axes, ratio)(np.log(asked)))
            raw = RegularGridInterpolator((batches, lengths), some.tokens_per_s.reshape(3, 3))(asked)
            off["ours"].append(true / found.time_s - 1)
            off["ideal"].append(true / ideal_s - 1)
            off["raw"].append(raw / left.tokens_per_s - 1)
    mean = {name: np.abs(np.concatenate(each)).mean() for name, each in off.items()}
    assert mean["ours"] < 0.025
    assert mean["ours"] < 0.8 * mean["ideal"]
    assert mean["ours"] < 0.25 * mean["raw"]
