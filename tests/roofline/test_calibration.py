"""The losses of a calibration: two routes agree, by hand they are what they say, each slows, and a fit finds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline.calibration import CONSTANTS, Calibration, Errors, Losses
from roofline.calibration.design import design, modelled
from roofline.calibration.fit import Prior, fit
from roofline.calibration.hierarchy import Pair, likely, names_of
from roofline.calibration.model import predicted_s
from roofline.calibration.prediction import predict
from roofline.calibration.study import Studied, held_out, mape
from roofline.calibration.uncertainty import POOLED, coverage, spread_of
from roofline.measurements import Runs
from roofline.spread import Spread

START = dict(Prior.default().values)
FASTER = {
    "matrix", "matrix_decode", "memory", "memory_single", "kv", "experts", "matrix_narrow", "memory_narrow",
    "attention", "paged_kv", "link", "overlap",
}  # fmt: skip
"""Constants that are shares: the more, the faster. Of all others, the more the slower."""


def row(accelerator="h100-sxm", llm="llama-3.1-8b", **changes):
    """A generation of 128 + 128 tokens with software that nothing is known of."""
    given = {
        "accelerator": accelerator, "llm": llm, "devices": 1, "precision": "bf16", "framework": "ours",
        "phase": "generate", "batch": 1, "prompt_tokens": 128, "output_tokens": 128, "latency_s": 1.0,
    }  # fmt: skip
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def rows(*changes):
    return Runs.from_rows([row(**each) for each in changes])


def calibration(constants, accelerator="h100-sxm", framework="ours", **changes):
    losses = Losses(constants=constants, error=Errors(runs=3, llms=("llama-3.1-8b",), fit=0.01), spread=Spread(0.05, 4))
    fields = {"accelerator": accelerator, "framework": framework, "one": losses, "several": losses} | changes
    return Calibration(**fields)


def within_bounds(draw, name):
    about = CONSTANTS[name]
    share = draw(st.floats(0.02, 0.98))
    return float(np.exp(np.log(about.low) * (1 - share) + np.log(about.high) * share))


@st.composite
def any_constants(draw):
    return {name: within_bounds(draw, name) for name in CONSTANTS}


# -- two routes --------------------------------------------------------------------------------------------------------

CASES = (
    ("h100-sxm", "llama-3.1-8b", 1, "bf16", "vLLM", 0.0),
    ("h100-sxm", "llama-3.1-8b", 1, "fp8", "ours", 0.0),
    ("h100-sxm", "llama-2-7b", 2, "fp8-kv8", "vLLM", 0.0),
    ("a100-sxm-80gb", "llama-2-7b", 1, "int8-kv-int8", "ours", 0.0),
    ("mi300x", "llama-2-7b", 1, "bf16", "vLLM", 0.0),
    ("h100-sxm", "llama-3.3-70b", 8, "bf16", "TensorRT-LLM", 0.0),
    ("h100-sxm", "mixtral-8x7b", 4, "bf16", "TensorRT-LLM", 10.0),
    ("gaudi-2", "llama-3.1-8b", 1, "bf16", "DeepSpeed", 0.0),
    ("mi250", "llama-2-7b", 1, "bf16", "vLLM", 0.0),
    ("mi250", "llama-3.1-8b", 2, "bf16", "vLLM", 0.0),
    ("h200-sxm", "deepseek-r1", 8, "fp8", "vLLM", 0.0),
)
"""Grouped and whole heads, experts with and without skew, latent attention; NVIDIA, AMD with paged attention and with
two dies, Gaudi; one device to eight; 16 and 8 bits, of weights and of the cache."""


@pytest.mark.parametrize(("accelerator", "llm", "devices", "precision", "framework", "skew"), CASES)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    constants=any_constants(), batch=st.sampled_from([1, 2, 16, 64]), tokens=st.sampled_from([(128, 128), (700, 90)])
)
def test_prepared_arrays_agree_with_estimates(
    accelerator, llm, devices, precision, framework, skew, constants, batch, tokens
):
    # sibling: the design of a run, and the machine with losses whose every step is evaluated. The design sums steps at
    # five contexts, exact but where a ceiling takes over from another between them.
    prompt, output = tokens
    of = {"accelerator": accelerator, "llm": llm, "devices": devices, "precision": precision, "framework": framework,
          "batch": batch, "routing_skew": skew}  # fmt: skip
    runs = rows(
        of | {"prompt_tokens": prompt, "output_tokens": output},
        of | {"phase": "prefill", "prompt_tokens": prompt, "output_tokens": None},
        of | {"phase": "decode", "prompt_tokens": None, "output_tokens": None, "context_tokens": prompt},
    )
    whole, first, step = predicted_s(design(runs), constants)
    options = {"precision": precision, "tensor_parallel": devices, "routing_skew": skew, "batch": batch}
    options["calibration"] = calibration(constants, accelerator, framework)
    model, device = rl.get_llm(llm), hs.get(accelerator)
    generated = rl.generate(model, device, prompt_tokens=prompt, output_tokens=output, **options)
    assert whole == pytest.approx(float(generated.latency_s), rel=1e-3)
    assert first == pytest.approx(float(rl.prefill(model, device, prompt_tokens=prompt, **options).time_s), rel=1e-9)
    assert step == pytest.approx(float(rl.decode(model, device, context_tokens=prompt, **options).time_s), rel=1e-9)


@pytest.mark.parametrize("llm", ["llama-3.1-8b", "mixtral-8x7b"])
def test_five_contexts_stand_for_all_steps(llm):
    # sibling: with likely constants the two agree within 1e-4.
    of = {"llm": llm, "devices": 4, "framework": "TensorRT-LLM"}
    runs = rows(*(of | {"batch": batch, "prompt_tokens": 700, "output_tokens": 300} for batch in (1, 4, 64)))
    made = rl.generate(rl.get_llm(llm), hs.get("h100-sxm"), batch=np.array([1, 4, 64]), prompt_tokens=700,
                       output_tokens=300, tensor_parallel=4, calibration=calibration(START))  # fmt: skip
    np.testing.assert_allclose(predicted_s(design(runs), START), made.latency_s, rtol=1e-4)


def test_predict_takes_constants_of_as_many_devices():
    # sibling: one device by `one`, several by `several`; another machine's runs are not predicted.
    slow = Losses(constants=START | {"run_s": 10.0}, error=Errors(runs=1, llms=("a",), fit=0.0), spread=Spread(0.05, 4))
    runs = rows({}, {"devices": 2}, {"accelerator": "h200-sxm"})
    found = predict(runs, calibration(START, several=slow))
    assert found[0] == predicted_s(design(runs[:1]), START)[0]
    assert found[1] == pytest.approx(predicted_s(design(runs[1:2]), START)[0] + 10.0 - START["run_s"], rel=1e-12)
    assert np.isnan(found[2])


def unlike_several():
    """A calibration in which devices that share a model lose more, and a run takes ten seconds besides."""
    error = Errors(runs=1, llms=("a",), fit=0.0)
    slow = START | {"run_s": 10.0, "matrix": START["matrix"] / 2}
    return calibration(START, several=Losses(constants=slow, error=error, spread=Spread(0.2, 4)))


@pytest.mark.parametrize("data", [2, 8])
def test_copies_of_a_model_are_as_many_devices_by_themselves(data):
    # property: nothing passes between copies of a dense model, so that the losses of shared devices are none of theirs.
    options = {"prompt_tokens": 1024, "output_tokens": 128, "calibration": unlike_several()}
    model, device = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    alone = rl.generate(model, device, batch=16, **options)
    copies = rl.generate(model, device, batch=16 * data, data_parallel=data, **options)
    for name in ("latency_s", "ttft_s", "itl_s"):
        assert float(getattr(copies, name)) == pytest.approx(float(getattr(alone, name)), rel=1e-12)
    assert float(copies.output_tokens_per_s) == pytest.approx(data * float(alone.output_tokens_per_s), rel=1e-12)
    assert (copies.spread, copies.warnings) == (alone.spread, alone.warnings)
    of = {"batch": 16 * data, "devices": data, "data_parallel": data, "prompt_tokens": 1024, "output_tokens": 128}
    assert predict(rows(of), unlike_several())[0] == pytest.approx(float(copies.latency_s), rel=1e-3)


def test_devices_that_share_a_model_pay_what_a_run_of_theirs_takes():
    # sibling: predict, whose errors are published, has the constants of several devices in every term, once too.
    options = {"batch": 16, "prompt_tokens": 1024, "output_tokens": 128, "tensor_parallel": 2}
    made = rl.generate(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), calibration=unlike_several(), **options)
    assert made.run_s == 10.0
    of = {"batch": 16, "devices": 2, "tensor_parallel": 2, "prompt_tokens": 1024, "output_tokens": 128}
    assert predict(rows(of), unlike_several())[0] == pytest.approx(float(made.latency_s), rel=1e-3)
    assert made.spread == Spread(0.2, 4)


def test_whole_experts_are_shared_by_all_copies():
    # property: attention of its own on each device, experts of all: one model, of which each holds a part.
    made = rl.decode(rl.get_llm("mixtral-8x7b"), hs.get("h100-sxm"), batch=16, context_tokens=512, data_parallel=4,
                     expert_parallel=4, calibration=unlike_several())  # fmt: skip
    assert (made.layout.sharing, made.spread) == (4, Spread(0.2, 4))
    assert rl.Layout(tensor=2, pipeline=2, data=3).sharing == 4


# -- by hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "context"), [(1, 1000), (16, 1000), (64, 3000)])
def test_a_decode_step_by_hand(batch, context):
    # hand: Llama 3.1 8B on the H100, from its shapes: 32 layers of width 4,096, 32 query and 8 key heads of 128, MLP of
    # 14,336, 128,256 words, bfloat16; 989.4 TFLOPS, 3.35 TB/s. What passes between layers is left out: below 1 %.
    of = START | {"matrix": 0.6, "matrix_decode": 0.8, "memory": 0.7, "memory_single": 1.2, "kv": 0.5,
                  "kv_reread": 0.4, "step_s": 3e-3, "sequence_s": 5e-5}  # fmt: skip
    memory = 3.35e12 * of["memory"] * (of["memory_single"] if batch == 1 else 1)
    matrix = 989.4e12 * of["matrix"] * of["matrix_decode"]
    padded = 8 * -(-batch // 8)  # rows of the H100's tile
    h, head = 4096, 128 * 8
    products = [h * (h + 2 * head), h * h, 2 * h * 14336, 14336 * h]

    def time_s(weights, times=1):
        return times * ((2 * weights / memory) ** 4 + (2 * padded * weights / matrix) ** 4) ** 0.25

    linear = 32 * sum(time_s(weights) for weights in products) + time_s(h * 128256)
    cache = batch * context * 32 * 2 * head * 2
    attention = cache * (1 + of["kv_reread"] * (32 / 8 - 1)) / (3.35e12 * of["kv"])
    host = of["step_s"] + of["sequence_s"] * batch
    if "logits_passes" in of:
        host += of["logits_passes"] * 4 * 128256 / (3.35e12 * of["memory"]) * batch
    step = rl.decode(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=batch, context_tokens=context,
                     calibration=calibration(of))  # fmt: skip
    assert float(step.time_s) == pytest.approx(linear + attention + host, rel=0.01)


def test_the_host_by_hand():
    # hand: 8 devices, 80 layers: a step of 1 ms, of every other device 0.5 ms more, of a layer 10 us; a sequence 20 us.
    of = START | {"step_s": 1e-3, "devices_step_s": 5e-4, "layer_s": 1e-5, "sequence_s": 2e-5}
    none = of | {"step_s": 1e-9, "devices_step_s": 1e-12, "layer_s": 1e-15, "sequence_s": 1e-15}
    runs = rows({"llm": "llama-3.3-70b", "devices": 8, "phase": "decode", "batch": 16, "context_tokens": 512})
    more = predicted_s(design(runs), of) - predicted_s(design(runs), none)
    assert more == pytest.approx(1e-3 + 7 * 5e-4 + 80 * 1e-5 + 16 * 2e-5, rel=1e-5)


def test_what_a_run_takes_once_is_of_whole_runs():
    # hand: 7 s once; a prefill or a step alone has no share of it.
    decode = {"phase": "decode", "context_tokens": 128}
    made = design(rows({}, {"phase": "prefill"}, decode))
    more = predicted_s(made, START | {"run_s": 7.0}) - predicted_s(made, START | {"run_s": 1.0})
    np.testing.assert_allclose(more, [6.0, 0.0, 0.0], atol=1e-9)


# -- properties --------------------------------------------------------------------------------------------------------

MIXED = rows(
    {"framework": "vLLM", "batch": 16, "context_tokens": 1024, "phase": "decode"},
    {"batch": 16, "prompt_tokens": 1000},
    {"accelerator": "mi300x", "framework": "vLLM", "batch": 64},
    {"accelerator": "mi300x", "framework": "vLLM", "batch": 2},
    {"llm": "mixtral-8x7b", "devices": 4, "batch": 8},
    {"precision": "fp8", "batch": 4},
    {"accelerator": "gaudi-2", "devices": 8, "llm": "llama-3.3-70b", "batch": 32},
    {"framework": "llama.cpp", "variant": "prompt batch 1", "devices": 2, "tensor_parallel": 1, "pipeline_parallel": 2},
)
MADE = design(MIXED)


def test_every_run_is_modelled():
    assert modelled(MIXED).all()  # so that none of the tests below is of nothing


IDEAL = {
    name: 0.0 if about.unit == "s" or name in ("kv_reread", "paged_reread", "overlap", "logits_passes",
                                               "paged_whole_reread") else 1.0
    for name, about in CONSTANTS.items()
}  # fmt: skip


@pytest.mark.parametrize("batch", [1, 8, 64])
@pytest.mark.parametrize("llm", ["llama-3.1-8b", "llama-2-7b", "mixtral-8x7b"])
def test_no_losses_are_the_ideal_roofline(llm, batch):
    # property: all but the soft knee of products is then ideal, which adds at most (ceilings)^(1/4) and never takes.
    of = {"llm": llm, "batch": batch, "devices": 2}
    runs = rows(of, of | {"phase": "prefill", "prompt_tokens": 1024},
                of | {"phase": "decode", "context_tokens": 900})  # fmt: skip
    found, ideal = predicted_s(design(runs), IDEAL), predict(runs)
    skewless = [rl.decode(rl.get_llm(llm), hs.get("h100-sxm"), batch=batch, context_tokens=900, tensor_parallel=2)]
    assert np.all(found >= ideal * (1 - 1e-4))
    assert found[2] >= float(skewless[0].time_s) * (1 - 1e-9)
    assert found[2] <= float(skewless[0].time_s) * 1.19
    if batch == 1:  # memory alone binds, by far
        assert found[2] == pytest.approx(float(skewless[0].time_s), rel=5e-3)


@given(constants=any_constants(), name=st.sampled_from(sorted(CONSTANTS)), more=st.floats(1.01, 3))
def test_each_constant_goes_one_way(constants, name, more):
    # property: a larger share never slows, whatever else takes longer never speeds up.
    before = predicted_s(MADE, constants)
    at = min(constants[name] * more, CONSTANTS[name].high)
    after = predicted_s(MADE, constants | {name: at})
    if name in FASTER:
        assert np.all(after <= before * (1 + 1e-12))
    else:
        assert np.all(after >= before * (1 - 1e-12))


@pytest.mark.parametrize("name", list(CONSTANTS))
def test_each_constant_is_felt(name):
    # property: there is a run that each constant changes, or it would be none.
    low = {**START, "matrix": 0.02, "matrix_narrow": 0.5} if name.startswith("matrix") else dict(START)
    fields = {"memory_narrow": {"precision": "fp8"}, "matrix_narrow": {"precision": "fp8", "batch": 64},
              "link": {"devices": 8, "batch": 64, "prompt_tokens": 2048}}  # fmt: skip
    made = design(MIXED + rows(fields.get(name, {})))
    changed = predicted_s(made, low | {name: low[name] * 0.5}) / predicted_s(made, low)
    assert np.max(np.abs(changed - 1)) > 1e-6


@given(mask=st.lists(st.booleans(), min_size=len(MIXED), max_size=len(MIXED)), constants=any_constants())
def test_a_design_of_some_is_the_design_of_those(mask, constants):
    # sibling: chosen before or after.
    chosen = np.array(mask)
    if not chosen.any():
        return
    part = MADE.of(chosen)
    np.testing.assert_allclose(predicted_s(part, constants), predicted_s(MADE, constants)[chosen], rtol=1e-12)
    np.testing.assert_allclose(predicted_s(part, constants), predicted_s(design(MIXED[chosen]), constants), rtol=1e-12)
    np.testing.assert_allclose(part.measured_s, MADE.measured_s[chosen])


@pytest.mark.parametrize("changes", [{"accelerator": "nothing"}, {"llm": "nothing"}, {"precision": None},
                                     {"batch": None}, {"devices": None}, {"prompt_tokens": None}])  # fmt: skip
def test_what_cannot_be_modelled_is_said(changes):
    # property: unknown is never guessed, and one such run does not take the others with it.
    assert modelled(rows(changes, {})).tolist() == [False, True]


# -- the fit -----------------------------------------------------------------------------------------------------------

PLANTED = START | {
    "matrix": 0.7, "memory": 0.62, "kv": 0.55, "kv_reread": 0.4, "step_s": 2.5e-3, "sequence_s": 6e-5, "run_s": 0.3,
}  # fmt: skip


def synthetic(constants, *, noise=0.02, wrong=0.05, seed=0, llms=("llama-3.1-8b", "llama-2-7b", "llama-3.2-3b")):
    """Runs that took what the constants say, with noise, and some that are wrong by a factor of two."""
    runs = rows(*({"llm": llm, "batch": batch, "prompt_tokens": prompt, "output_tokens": output}
                  for llm in llms for batch in (1, 4, 16, 64)
                  for prompt, output in ((128, 128), (1024, 1024), (128, 1900), (2000, 16))))  # fmt: skip
    rng = np.random.default_rng(seed)
    true = predicted_s(design(runs), constants)
    factor = np.exp(noise * rng.standard_normal(len(runs)))
    factor[rng.permutation(len(runs))[: round(wrong * len(runs))]] *= 2
    return runs.replace(latency_s=true * factor), true


def test_the_fit_finds_planted_constants():
    # property: 48 runs, 2 % noise, 5 % of them twice as slow.
    runs, true = synthetic(PLANTED)
    made = design(runs)
    found = fit(made, names_of(made), Prior.default())
    for name, close in {"matrix": 0.1, "memory": 0.05, "step_s": 0.15, "kv": 0.15}.items():
        assert found.constants[name] == pytest.approx(PLANTED[name], rel=close), name
        assert found.weights[name] > 0.9
    np.testing.assert_allclose(predicted_s(made, found.constants), true, rtol=0.03)
    assert all(CONSTANTS[name].low <= value <= CONSTANTS[name].high for name, value in found.constants.items())
    assert all(0 <= weight <= 1 for weight in found.weights.values())


def test_what_the_runs_say_nothing_of_stays_as_likely():
    # property: two steps say nothing of prefill, of experts, or of several devices.
    decode = {"phase": "decode", "context_tokens": 512, "latency_s": 0.02}
    made = design(rows(decode, decode | {"batch": 16}))
    found = fit(made, names_of(made), Prior.default())
    for name in ("prefill_s", "run_s", "experts", "link"):
        assert found.constants[name] == pytest.approx(START[name], rel=1e-3)
        assert found.weights.get(name, 0.0) < 0.01


@pytest.mark.parametrize("runs", [MIXED[:1], rows({"llm": "mixtral-8x7b", "devices": 4}), rows({"precision": "fp8"})])
def test_names_are_those_that_the_runs_touch(runs):
    # property: no other constant changes what is predicted.
    made = design(runs)
    names, before = names_of(made), predicted_s(made, START)
    for name in set(CONSTANTS) - set(names):
        np.testing.assert_array_equal(predicted_s(made, START | {name: START[name] / 2}), before)


def test_others_with_the_same_software_are_likeliest():
    # hand: one pair with the same framework, whose runs say all of it: ln mean of the start, itself, and itself again.
    from roofline.calibration.fit import Fit

    fits = {Pair("a100-sxm-80gb", "vLLM"): Fit(START | {"memory": 0.9}, {"memory": 1.0}),
            Pair("mi300x", "ours"): Fit(START | {"memory": 0.3}, {"memory": 0.0})}  # fmt: skip
    start = START["memory"]
    overall = (start * 0.9) ** 0.5
    same = likely(Pair("h100-sxm", "vLLM"), fits, ["memory"]).values["memory"]
    assert same == pytest.approx((overall * 0.9) ** 0.5, rel=1e-12)
    assert likely(Pair("h100-sxm", "x"), fits, ["memory"]).values["memory"] == pytest.approx(overall, rel=1e-12)
    itself = likely(Pair("a100-sxm-80gb", "vLLM"), fits, ["memory"]).values["memory"]
    assert itself == pytest.approx(start, rel=1e-12)  # never from itself, nor from what says nothing


def test_held_out_runs_are_not_seen():
    # property: the runs of one model take ten times as long, and are then predicted ten times too fast.
    runs, _ = synthetic(PLANTED, noise=0.0, wrong=0.0)
    odd = runs.llm == "llama-3.2-3b"
    runs = runs.replace(latency_s=np.where(odd, 10 * runs.latency_s, runs.latency_s))
    made = design(runs)
    pair = Pair("h100-sxm", "ours")
    found = fit(made, names_of(made), Prior.default())
    off = held_out(pair, made, runs.llm, {pair: found}, None, {})
    np.testing.assert_allclose(np.exp(-off[odd]), 10, rtol=0.3)
    one = held_out(pair, made.of(odd), runs.llm[odd], {pair: found}, None, {})
    assert np.isnan(one).all()  # nothing is left


# -- how far off -------------------------------------------------------------------------------------------------------


def test_mape_is_of_throughput():
    # hand: predicted times twice and half as long: throughput is 50 % too low and 100 % too high.
    assert mape(np.log([2.0, 0.5])) == pytest.approx(0.75)
    assert np.isnan(mape(np.array([])))


@settings(max_examples=15)
@given(scale=st.floats(1e-4, 0.5), n=st.integers(2, 60), models=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_spread_shrinks_towards_the_pool(scale, n, models, seed):
    # property: between its own and that of all, within what the widening adds; never below the floor.
    errors = scale * np.random.default_rng(seed).standard_normal(n)
    found = spread_of(errors, np.arange(n) % models)
    own = Spread.fit(errors, least=0.01)
    low, high = sorted((own.scale, POOLED.scale))
    assert found.scale >= 0.01
    assert low * 0.999 <= found.scale <= high * 1.5
    assert min(own.freedom, POOLED.freedom) - 1e-9 <= found.freedom <= max(own.freedom, POOLED.freedom) + 1e-9


def test_without_errors_the_spread_is_the_pools():
    # property: nothing held out, or one error alone, says nothing.
    none = spread_of(np.array([np.nan, np.nan]), np.array(["a", "b"]))
    assert none == spread_of(np.array([0.3]), np.array(["a"]))
    assert none.freedom == POOLED.freedom
    assert none.scale >= POOLED.scale


@pytest.mark.parametrize(("level", "low", "high"), [(0.9, 0.85, 0.96), (0.5, 0.42, 0.66)])
def test_intervals_cover_what_they_say(level, low, high):
    # property: errors of Student's t; 90 % intervals hold 85 to 95 % or a little more, for they are widened.
    rng = np.random.default_rng(1)
    llms = ("llama-3.1-8b", "llama-2-7b", "llama-3.2-3b", "mistral-7b-v0.1")
    studied = []
    for accelerator in ("h100-sxm", "h200-sxm", "a100-sxm-80gb", "gaudi-2", "mi300x"):
        runs = rows(*({"accelerator": accelerator, "llm": llm} for llm in llms for _ in range(50)))
        off = 0.05 * rng.standard_t(4, len(runs))
        no_fit = fit_of_nothing()
        studied.append(Studied(Pair(accelerator, "ours"), False, runs, no_fit, off, {"llm": off, "batch": off}))
    found = coverage(studied, level)
    share = sum(inside * size for _, inside, size in found) / sum(size for *_, size in found)
    assert low <= share <= high
    assert sum(size for *_, size in found) == 1000


def fit_of_nothing():
    from roofline.calibration.fit import Fit

    return Fit(START, {})


@given(level=st.floats(0.05, 0.98), batch=st.integers(1, 64))
@settings(max_examples=20)
def test_an_interval_holds_its_estimate_and_widens(level, batch):
    # property
    made = rl.generate(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), batch=batch, prompt_tokens=100,
                       output_tokens=20, calibration=calibration(START))  # fmt: skip
    for of in ("output_tokens_per_s", "latency_s", "itl_s"):
        inner, outer = made.interval(level, of=of), made.interval(level + 0.01, of=of)
        assert outer.low < inner.low < getattr(made, of) < inner.high < outer.high
