"""The pictures of measured runs: what they decide to show, not their pixels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection

import hardware_specs as hs
import roofline as rl
from roofline.calibration import Calibration, Errors, Losses, Studied, predict
from roofline.calibration.fit import Fit
from roofline.calibration.hierarchy import Pair
from roofline.calibration.own_runs import losses_of
from roofline.measurements import Runs, published
from roofline.measurements.bounds import least_time_s, measured_time_s, model_flops
from roofline.plot import (
    against_roofline,
    compare,
    parity,
    plan_against_roofline,
    plan_parity,
    plan_residuals,
    residuals,
)
from roofline.plot.compared import calibration_of
from roofline.plot.measured_plan import categories
from roofline.spread import Spread
from tests.published import KIM_TABLE_4

SPREAD = Spread(scale=0.05, freedom=4)
TABLE_4 = published("kim2025-table4")
ROWS = {"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3-8b", "precision": "bf16", "framework": "vLLM"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def calibration(accelerator="h100-sxm", framework="vLLM", version="", spread=SPREAD, **within):
    error = Errors(runs=6, llms=("llama-3-8b",), fit=0.03)
    one = Losses(constants={"memory": 0.8, "matrix": 0.6, "step_s": 1e-3}, error=error, spread=spread)
    return Calibration(accelerator=accelerator, framework=framework, version=version, one=one, within=within)


def decodes(batches=(1, 16, 64), contexts=(512, 2048), off=1.0, **changes):
    """Decode steps that take exactly as long as the calibrated model says, or `off` times the throughput of that."""
    rows = [ROWS | changes | {"phase": "decode", "batch": b, "context_tokens": c, "itl_s": 1.0}
            for b in batches for c in contexts]  # fmt: skip
    runs = Runs.from_rows(rows)
    return runs.replace(itl_s=predict(runs, calibration(runs.accelerator[0])) / off)


def by_gid(ax, start):
    return [artist for artist in ax.get_children() if (artist.get_gid() or "").startswith(start)]


def small_print(ax):
    return by_gid(ax, "small print")[0].get_text()


# ------------------------------------------------------------------------------------------- time of TFLOPS, Table IV


def test_tflops_of_a_decode_step_give_its_time():
    """Sibling: the FLOPs are those of the phase estimate and of Kim Eq. 8, so rate times time gives them back."""
    runs = TABLE_4.where(llm="llama-3.1-8b", power_limit_w=700)
    step = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=runs.context_tokens)
    eq8 = rl.formulas.kim_eq8(
        batch=64, total_context_tokens=64 * runs.context_tokens, hidden=4096, layers=32, mlp_ratio=3.5, gqa_group=4,
        vocab=128256,
    )  # fmt: skip
    np.testing.assert_allclose(model_flops(runs), step.flops)
    np.testing.assert_allclose(measured_time_s(runs) * runs.tflops * 1e12, eq8)


def test_flops_of_a_generation_are_those_of_its_phases():
    """Sibling: one prefill and each decode step, added up one by one."""
    runs = Runs.from_rows(
        [ROWS | {"phase": "generate", "batch": 4, "prompt_tokens": 100, "output_tokens": 8, "latency_s": 1}]
    )
    llm, device = rl.get_llm("llama-3-8b"), hs.get("h100-sxm")
    first = rl.prefill(llm, device, batch=4, prompt_tokens=100)
    steps = sum(rl.decode(llm, device, batch=4, context_tokens=100 + done).flops for done in range(1, 8))
    assert model_flops(runs)[0] == pytest.approx(first.flops + steps)


def test_tflops_count_one_accelerator():
    """Hand: eight devices at the same rate each take an eighth of the time."""
    one, eight = (TABLE_4.replace(devices=count, tensor_parallel=count) for count in (1, 8))
    np.testing.assert_allclose(measured_time_s(one), 8 * measured_time_s(eight))


def test_tflops_say_no_time_of_what_is_not_known():
    """Hand: a model that nobody knows has no FLOPs; TFLOPS of a prefill are counted in two ways."""
    for changes in ({"llm": "no such model"}, {"phase": "prefill", "prompt_tokens": 512}):
        runs = Runs.from_rows([{**TABLE_4[0].values, **changes}])
        assert np.isnan(measured_time_s(runs)).all()


# --------------------------------------------------------------------------------------------------- against roofline


def test_table_4_is_two_series_under_one_roofline():
    """Published: Kim Table IV, 8B, five lengths with and without a cap, of which an ideal roofline knows nothing."""
    plan = plan_against_roofline(TABLE_4.where(llm="llama-3.1-8b"), y="tflops")
    assert (plan.x, [one.name for one in plan.series]) == ("context_tokens", ["400 W", "700 W"])
    table = KIM_TABLE_4["llama-3.1-8b"].values()
    np.testing.assert_allclose(plan.series[0].y, [row.capped for row in table])
    np.testing.assert_allclose(plan.series[1].y, [row.uncapped for row in table])
    (line,) = plan.lines
    assert (line.kind, line.series, line.name) == ("ideal", (0, 1), "")


def test_the_ideal_line_is_the_phase_estimate():
    """Sibling: at the lengths that were measured the line is rl.decode's, with its cache in FP8."""
    plan = plan_against_roofline(TABLE_4.where(llm="llama-3.1-8b"), y="tflops")
    (line,) = plan.lines
    at = np.isin(line.x, list(KIM_TABLE_4["llama-3.1-8b"]))
    step = rl.decode(
        rl.get_llm("llama-3.1-8b"), hs.get("h200-sxm"), batch=64, context_tokens=line.x[at], precision="fp8-kv8"
    )
    np.testing.assert_allclose(line.y[at], step.tflops, rtol=0.02)


def test_the_calibrated_line_goes_through_runs_that_it_predicts():
    """Property: runs made of the model lie on its line, and the band is the calibration's own 90 % interval."""
    runs, cal = decodes(), calibration()
    plan = plan_against_roofline(runs, calibration=cal)
    assert [line.kind for line in plan.lines] == ["ideal", "calibrated"] * 3
    for index, series in enumerate(plan.series):
        ideal, line = (one for one in plan.lines if index in one.series)
        at = np.searchsorted(line.x, series.x)
        np.testing.assert_allclose(line.y[at], series.y)
        low, high, _ = cal.losses_on(1).spread.interval(line.y, 0.9)
        np.testing.assert_allclose((line.low, line.high), (low, high))
        assert np.all(ideal.y > line.y)


def test_prompt_and_output_that_grow_together_are_one_axis():
    """Hand: LLM-Inference-Bench's prompts and outputs are equally long; a fixed output is a series of its own."""
    rows = [ROWS | {"phase": "generate", "batch": 16, "prompt_tokens": n, "tokens_per_s": 3000.0} for n in (128, 1024)]
    together = plan_against_roofline(Runs.from_rows([row | {"output_tokens": row["prompt_tokens"]} for row in rows]))
    assert (len(together.series), together.x_label) == (1, "prompt and output [tokens each]")
    fixed = plan_against_roofline(Runs.from_rows([row | {"output_tokens": n} for row in rows for n in (64, 128)]))
    assert [one.name for one in fixed.series] == ["output 64", "output 128"]
    assert fixed.x_label == "prompt [tokens]"
    # the line has equal lengths, too: at its end it is the measured workload's own roofline
    (line,) = together.lines
    last = Runs.from_rows([rows[1] | {"output_tokens": 1024}])
    assert line.y[-1] == pytest.approx(16 * 2048 / least_time_s(last)[0])


def test_over_batch_series_are_named_by_their_lengths():
    """Hand: prompt and output are one word where neither is on the axis."""
    rows = [ROWS | {"phase": "generate", "batch": b, "prompt_tokens": n, "output_tokens": n, "tokens_per_s": 300.0 * b}
            for b in (1, 16) for n in (1024, 128)]  # fmt: skip
    plan = plan_against_roofline(Runs.from_rows(rows), x="batch")
    assert [one.name for one in plan.series] == ["128 + 128 tokens", "1,024 + 1,024 tokens"]


def test_names_have_colours_and_numbers_markers():
    """Hand: two machines by two batches are two colours by two markers; one machine's batches have both."""
    runs = decodes((1, 64)) + decodes((1, 64), accelerator="h200-sxm")
    plan = plan_against_roofline(runs)
    assert [(one.colour, one.marker) for one in plan.series] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (len(plan.colours), plan.markers) == (2, ("batch 1", "batch 64"))
    alone = plan_against_roofline(decodes((1, 64)))
    assert [(one.colour, one.marker) for one in alone.series] == [(0, 0), (1, 1)]
    names = plan_against_roofline(decodes((1,)) + decodes((1,), accelerator="h200-sxm"))
    assert [(one.colour, one.marker) for one in names.series] == [(0, 0), (1, 1)]


def test_flagged_runs_hardly_move_the_axis():
    """Hand: a run a hundred times too fast is counted as outside, one that is 1.5 times is shown."""
    runs = decodes()
    plain = plan_against_roofline(runs)
    for times_faster, outside in ((100.0, 1), (1.5, 0)):
        wrong = runs[len(runs) - 1 :].replace(itl_s=runs.itl_s[-1] / times_faster, flags="faster than the hardware")
        plan = plan_against_roofline(runs + wrong)
        assert plan.outside == outside
        assert plan.flagged == 1
        assert plan.y_range[1] <= 2 * plain.y_range[1]


def test_efficiency_is_at_most_one_under_a_flat_roofline():
    """Property: the ideal roofline is 1 everywhere, for every series the same line."""
    plan = plan_against_roofline(decodes(), calibration=calibration(), y="efficiency")
    (ideal,) = (line for line in plan.lines if line.kind == "ideal")
    np.testing.assert_allclose(ideal.y, 1.0)
    assert ideal.series == (0, 1, 2)
    assert all(np.all(series.y < 1) for series in plan.series)
    assert not plan.log_y


def test_what_cannot_be_drawn_is_refused():
    """Hand: each message says what to give."""
    with pytest.raises(ValueError, match="x = 'llm' is not accepted"):
        plan_against_roofline(TABLE_4, x="llm")
    with pytest.raises(ValueError, match="varies over the 1 runs"):
        plan_against_roofline(decodes((1,), (512,)))
    with pytest.raises(ValueError, match="narrow the runs"):
        plan_against_roofline(decodes((1, 2, 3, 4, 5, 6, 7)))
    with pytest.raises(ValueError, match="nothing to draw"):
        plan_against_roofline(published("kim2025-table3"), x="batch", y="tflops")
    with pytest.raises(ValueError, match="give Runs"):
        plan_against_roofline([1.0])
    with pytest.raises(ValueError, match="calibration = 'vLLM'"):
        plan_against_roofline(TABLE_4, calibration=["vLLM"])
    with pytest.raises(ValueError, match="no runs"):
        plan_against_roofline(TABLE_4[:0])


def test_notes_say_what_is_extrapolated_and_what_has_no_calibration():
    """Hand: lengths beyond the calibration's own, and a machine that none is of."""
    narrow = calibration(batch=(1.0, 16.0), tokens=(512.0, 1024.0))
    notes = plan_against_roofline(decodes(), calibration=narrow).notes
    assert any("calibrated on tokens 512 to 1,024" in note for note in notes)
    assert any("calibrated on batch 1 to 16" in note for note in notes)
    notes = plan_against_roofline(decodes(), calibration=calibration("h200-sxm")).notes
    assert notes == ("no calibration of h100-sxm with vLLM",)


def test_the_calibration_of_a_run_is_of_its_machine_then_software_then_version():
    """Hand: a single one is meant whatever the software, but never for another machine."""
    run = decodes()[0]
    a, b, c, d = (calibration(framework="TGI"), calibration(), calibration(version="0.6"), calibration("h200-sxm"))
    assert calibration_of(run, [a, c, b, d]) is b
    assert calibration_of(run, [a, c]) is c
    assert calibration_of(run, [a]) is a
    assert calibration_of(run, [d]) is None
    assert calibration_of(run, [a, d]) is None


def test_drawing_has_a_line_and_points_for_each_series():
    """Hand: three batches are three sets of points, three dashed and three solid lines, three bands, three labels."""
    ax = against_roofline(decodes(), calibration=calibration())
    for start in ("measured", "ideal", "calibrated", "band", "margin label"):
        assert len(by_gid(ax, start)) == 3, start
    assert not by_gid(ax, "joined")
    assert "90 %" in small_print(ax)
    assert ax.get_legend() is None  # the labels at the edge say it all


def test_without_a_calibration_a_line_joins_what_was_measured():
    """Published: Kim Figure 6 draws it so; the cap is named by a key, for both share one roofline."""
    fig, ax = plt.subplots()
    assert against_roofline(TABLE_4.where(llm="llama-3.1-8b"), y="tflops", ax=ax, title="mine") is ax
    assert len(by_gid(ax, "joined")) == 2
    assert len(by_gid(ax, "ideal")) == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["400 W", "700 W"]
    assert ax.get_title(loc="left") == "mine"
    fig.canvas.draw()


def test_flagged_points_are_hollow():
    """Hand: one point without a face, drawn apart from the others of its series."""
    runs = decodes((16,))
    ax = against_roofline(runs + runs[:1].replace(flags="repeats row 2"))
    (hollow,) = by_gid(ax, "flagged")
    assert len(hollow.get_offsets()) == 1
    assert len(hollow.get_facecolors()) == 0
    assert "1 flagged run" in small_print(ax)


# ------------------------------------------------------------------------------------------------------------- parity


def test_runs_made_of_the_model_lie_on_the_diagonal():
    """Property: measured as predicted, so no error, all within, and no outlier."""
    plan = plan_parity(decodes(), calibration())
    np.testing.assert_allclose(plan.compared.measured, plan.compared.predicted)
    assert plan.compared.mape == pytest.approx(0, abs=1e-12)
    assert plan.compared.within == 1
    assert plan.outliers == ()


def test_error_share_within_and_outliers():
    """Hand: of seven runs one is 30 % above: MAPE (1 - 1/1.3) / 7, of what was measured; 6 of 7 within; one label."""
    runs = decodes() + decodes((64,), (4096,), off=1.3)
    plan = plan_parity(runs, calibration())
    assert plan.compared.mape == pytest.approx((1 - 1 / 1.3) / 7)
    assert plan.compared.within == pytest.approx(6 / 7)
    assert plan.compared.band == pytest.approx(float(SPREAD.quantile(0.95)))
    assert plan.outliers == ((6, "batch 64, context 4,096"),)


def test_outliers_close_together_share_a_label():
    """Hand: twenty runs at one place are one label that counts the others; places apart have labels of their own."""
    runs = decodes((64,), (4096,) * 20, off=1.3) + decodes((1,), (512,), off=0.5) + decodes((16,), (512,))
    plan = plan_parity(runs, calibration())
    assert [text for _, text in plan.outliers] == ["batch 1, context 512", "batch 64, context 4,096, and 19 close by"]


def test_flagged_runs_count_in_no_error():
    """Hand: a wrong run changes neither error, share nor ends; it is drawn hollow or said to be outside."""
    runs = decodes()
    wrong = runs[:1].replace(itl_s=runs.itl_s[0] / 1000, flags="faster than the hardware")
    plain, plan = plan_parity(runs, calibration()), plan_parity(runs + wrong, calibration())
    assert (plan.compared.mape, plan.compared.within, plan.ends) == (
        plain.compared.mape,
        plain.compared.within,
        plain.ends,
    )
    assert (int(plan.compared.flagged.sum()), plan.outside) == (1, 1)


def test_the_ideal_roofline_has_no_band():
    """Hand: nothing says how far an ideal is off, so nothing lies outside of it."""
    plan = plan_parity(TABLE_4, of="tflops")
    assert (plan.compared.band, plan.compared.within, plan.outliers) == (None, None, ())
    ax = parity(TABLE_4, of="tflops")
    assert not by_gid(ax, "band")
    assert "ideal roofline" in small_print(ax)


def test_colours_are_few():
    """Hand: of eight models the five most frequent have a colour of their own, all others share grey."""
    llms = ("llama-2-7b", "llama-3-8b", "mistral-7b-v0.1", "llama-2-70b", "llama-3-70b", "llama-3.1-8b", "decilm-7b",
            "llama-3.1-70b")  # fmt: skip
    runs = decodes((1, 16))
    for llm in llms:
        runs = runs + decodes((1,), llm=llm)
    plan = plan_parity(runs, calibration())
    names = [name for name, _ in plan.groups]
    assert (names[0], names[-1], len(names)) == ("Llama 3 8B", "3 others", 6)
    assert sum(len(places) for _, places in plan.groups) == len(runs)


def test_several_machines_are_told_apart_by_pair():
    """Hand: two pairs are two colours, each run with the calibration of its own machine; models where there is one."""
    runs = decodes() + decodes(accelerator="h200-sxm")
    plan = plan_parity(runs, [calibration(), calibration("h200-sxm", spread=Spread(0.2, 4))])
    assert [name for name, _ in plan.groups] == ["h100-sxm, vLLM", "h200-sxm, vLLM"]
    assert len(set(plan.compared.half.tolist())) == 2
    assert plan.compared.kind == "calibrated"
    assert "2 pairs" in plan.title


def studied(accelerator="h100-sxm", **changes):
    """What is studied of six runs, of which each model and each batch was predicted with errors of our choice."""
    runs = decodes(accelerator=accelerator)
    fields = {"off": np.zeros(6), "held_out": {"llm": np.full(6, 0.1), "batch": np.array([np.nan, *[0.2] * 5])}}
    return Studied(Pair(accelerator, "vLLM"), False, runs, Fit({}, {}), **fields | changes)


def test_what_was_studied_brings_its_predictions():
    """Hand: a predicted time e^0.1 of the measured one is a throughput e^-0.1 of it; what could not be held out is left
    out and counted; the fit itself is on the diagonal."""
    one = studied()
    assert np.exp(-compare(one).logs) == pytest.approx(np.exp(-0.1))
    assert compare(one).mape == pytest.approx(one.mape("llm"))
    batch = compare([one], held_out="batch")
    assert (len(batch.runs), batch.without, batch.mape) == (5, 1, pytest.approx(one.mape("batch")))
    assert compare(one, held_out=None).mape == 0
    assert compare(one).band == pytest.approx(float(losses_of(one).spread.quantile(0.95)))


def test_what_cannot_be_compared_is_refused():
    """Hand: each message says what is wrong."""
    with pytest.raises(ValueError, match="has its own predictions"):
        compare(studied(), calibration())
    with pytest.raises(ValueError, match="was studied without it"):
        compare(studied(held_out={}))
    with pytest.raises(ValueError, match="held_out = 'model'"):
        compare(studied(), held_out="model")
    with pytest.raises(ValueError, match="of = 'itl_s'"):
        compare(decodes(), of="itl_s")
    with pytest.raises(ValueError, match="of none of 6 runs"):
        compare(decodes(), calibration("h200-sxm"))
    with pytest.raises(ValueError, match="by = 'batch'"):
        plan_parity(decodes(), by="batch")


def test_parity_draws_points_band_and_numbered_outliers():
    """Hand: one colour for one model, a diagonal, a band, and a number for the one run outside."""
    ax = parity(decodes() + decodes((64,), (4096,), off=1.3), calibration())
    assert [len(by_gid(ax, start)) for start in ("runs", "diagonal", "band", "outlier")] == [1, 1, 1, 1]
    assert by_gid(ax, "outlier")[0].get_text() == "1"
    assert ax.get_title(loc="left") == "NVIDIA H100 SXM5 80GB, vLLM: measured against predicted, MAPE 3.3 %"
    assert ax.get_xlim() == ax.get_ylim()
    ax.figure.canvas.draw()


# ---------------------------------------------------------------------------------------------------------- residuals


def test_residuals_by_batch():
    """Hand: three batches ascending, of two runs each, all of them as predicted."""
    plan = plan_residuals(decodes(), calibration())
    assert [(group.name, group.count) for group in plan.groups] == [("1", 2), ("16", 2), ("64", 2)]
    for group in plan.groups:
        assert group.quartiles == pytest.approx((1.0, 1.0, 1.0))


def test_the_axis_is_symmetric_and_wide_enough():
    """Property: twice as fast and half as fast are equally far, and both are on the picture, as is the band."""
    for off in (0.5, 2.0):
        plan = plan_residuals(decodes((1,), (512,), off=off), calibration())
        assert plan.farthest == pytest.approx(2**1.12)
        assert plan.outside == 0
    assert plan_residuals(decodes(), calibration()).farthest > np.exp(SPREAD.quantile(0.95))


def test_medians_sort_names_and_leave_flags_out():
    """Hand: the model that is slower than predicted comes first, and a flagged run moves no median."""
    wrong = decodes((1,), (512,), off=9.0).replace(flags="faster than the hardware")
    runs = decodes(off=1.2) + wrong + decodes(off=0.9, llm="llama-2-7b")
    plan = plan_residuals(runs, calibration(), by="llm")
    assert [group.name for group in plan.groups] == ["Llama 2 7B", "Llama 3 8B"]
    assert [group.quartiles[1] for group in plan.groups] == pytest.approx([0.9, 1.2])
    assert [group.count for group in plan.groups] == [6, 6]
    assert plan.outside == 1


def test_many_numbers_are_put_together_by_powers_of_two():
    """Hand: thirteen contexts from 1,000 to 13,000 fall into five powers of two; none is lost."""
    runs = Runs.from_rows([{"phase": "decode", "context_tokens": 1000.0 * n, "itl_s": 1} for n in range(1, 14)])
    names, order = categories(runs, "tokens")
    assert order == ["512 to 1,023", "1,024 to 2,047", "2,048 to 4,095", "4,096 to 8,191", "8,192 to 16,383"]
    assert [int((names == name).sum()) for name in order] == [1, 1, 2, 4, 5]


def test_tokens_are_the_context_or_the_whole_request():
    """Hand: prompt and output add up; a context stands for itself; nothing known is said so."""
    request = {"phase": "generate", "prompt_tokens": 100, "output_tokens": 28}
    rows = [request, {"phase": "decode", "context_tokens": 512}, {"phase": "decode"}]
    names, order = categories(Runs.from_rows([row | {"latency_s": 1} for row in rows]), "tokens")
    assert names.tolist() == order == ["128", "512", "not known"]


def test_layouts_ascend_by_their_devices():
    """Hand: 16 devices come after 8, and a pipeline is named."""
    rows = [
        {"devices": 16},
        {"devices": 8},
        {"devices": 4, "tensor_parallel": 2, "pipeline_parallel": 2},
        {"devices": 1},
    ]
    runs = Runs.from_rows([row | {"phase": "decode", "itl_s": 1} for row in rows])
    assert categories(runs, "layout")[1] == ["1 device", "TP 2 × PP 2", "8 devices", "16 devices"]


def test_residuals_draw_a_box_and_points_for_each_category():
    """Hand: three batches, and the ticks are differences in percent, a ratio and its inverse as far from zero."""
    ax = residuals(decodes(off=1.1), calibration())
    assert [len(by_gid(ax, start)) for start in ("runs", "median", "zero", "band")] == [3, 3, 1, 1]
    assert len(ax.patches) == 3 + 1  # boxes and the band
    assert sum(len(one.get_offsets()) for one in ax.collections if isinstance(one, PathCollection)) == 6
    low, high = ax.get_ylim()
    assert low * high == pytest.approx(1)
    ax.figure.canvas.draw()
    ticks = [text.get_text() for text in ax.get_yticklabels()]
    assert "0" in ticks
    assert {"−5 %", "+5 %"} <= set(ticks)


def test_long_names_are_turned():
    """Hand: names of models do not fit side by side under narrow boxes."""
    runs = decodes()
    for llm in ("llama-2-7b", "mistral-7b-v0.1", "llama-2-70b", "llama-3-70b", "decilm-7b"):
        runs = runs + decodes(llm=llm)
    ax = residuals(runs, calibration(), by="llm")
    assert {text.get_rotation() for text in ax.get_xticklabels()} == {30.0}
    assert {text.get_rotation() for text in residuals(decodes(), calibration()).get_xticklabels()} == {0.0}
