"""Measured throughputs in a comparison: what is accepted, what is unlike, and how sure the verdict is."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

import hardware_specs as hs
import roofline as rl
import tco
from roofline.measurements import Run, Runs, measured
from roofline.spread import Spread

HLS, DGX, SITE = hs.get_server("gaudi-2-hls"), hs.get_server("dgx-h100"), tco.Facility()
LLAMA = rl.get_llm("llama-3.1-8b")
STEP = {
    "llm": "llama-3.1-8b",
    "precision": "fp8",
    "phase": "decode",
    "devices": 1,
    "batch": 64.0,
    "context_tokens": 2048.0,
}
GENERATION = {
    "llm": "llama-3.1-8b",
    "precision": "bf16",
    "phase": "generate",
    "devices": 2,
    "batch": 16.0,
    "prompt_tokens": 1000.0,
    "output_tokens": 500.0,
}


def gaudi(rate=4500.0, **changes):
    return STEP | {"accelerator": "gaudi-2", "output_tokens_per_s": rate} | changes


def h100(rate=6100.0, **changes):
    return STEP | {"accelerator": "h100-sxm", "output_tokens_per_s": rate} | changes


def runs(*rows):
    return Runs.from_rows(rows)


def deploy(row, server=None):
    throughput = Run(row) if isinstance(row, dict) else row
    name = throughput.accelerator if isinstance(throughput, Run) else throughput[0].accelerator
    return tco.Deployment(server or (HLS if name == "gaudi-2" else DGX), SITE, throughput)


def compared(first=None, second=None):
    return tco.compare(deploy(first or gaudi()), deploy(second or h100()))


def spread_out(comparison, a, b, rate_a=None):
    """The same comparison with other spreads, and other throughputs of A."""
    sides = []
    for side, spread, rate in ((comparison.a, a, rate_a), (comparison.b, b, None)):
        found = replace(side.throughput, spread=spread)
        sides.append(replace(side, throughput=found if rate is None else replace(found, tokens_per_s=rate)))
    return tco.compare(*sides)


# --- what a run is to a deployment


def test_a_run_fills_the_server():
    # hand: eight replicas of one device, four of two.
    side = deploy(gaudi())
    assert (side.replicas, float(side.tokens_per_s)) == (8, pytest.approx(36_000))
    side = deploy(GENERATION | {"accelerator": "h100-sxm", "output_tokens_per_s": 1000.0})
    assert (side.replicas, float(side.tokens_per_s)) == (4, pytest.approx(4_000))
    assert side.throughput.kind == "measured"
    assert side.assumptions[0].origin == "measured"
    assert "one run, your own" in side.assumptions[0].source


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        # hand: generated tokens per second, however it was measured; of a prefill, prompt tokens.
        ({"output_tokens_per_s": 800.0}, 800),
        ({"tokens_per_s": 2400.0}, 800),  # a third of 1,500 tokens are written
        ({"latency_s": 10.0}, 800),  # 16 · 500 / 10
        ({"output_tokens_per_s": 800.0, "tokens_per_s": 9.0, "latency_s": 9.0}, 800),
        ({"phase": "serving", "requests_per_s": 2.0}, 1000),  # 2 · 500
        ({"phase": "serving", "tokens_per_s": 2400.0}, 800),
        ({"phase": "decode", "itl_s": 0.02}, 800),  # 16 / 0.02
        ({"phase": "decode", "latency_s": 0.02}, 800),
        ({"phase": "prefill", "ttft_s": 2.0}, 8000),  # 16 · 1000 / 2
        ({"phase": "prefill", "tokens_per_s": 8000.0}, 8000),
    ],
)
def test_the_throughput_of_a_run(changes, rate):
    found = measured(Run(GENERATION | {"accelerator": "h100-sxm"} | changes))
    assert float(found.tokens_per_s) == pytest.approx(rate, rel=1e-12)


def test_repeats_count_by_their_geometric_mean_and_scatter():
    # hand: of 90, 100 and 111.11… the mean is 100, and the logarithms scatter by ln(1/0.9); of the mean, over √3.
    found = measured(runs(*(h100(rate) for rate in (90.0, 100.0, 1000 / 9.0))))
    assert float(found.tokens_per_s) == pytest.approx(100, rel=1e-12)
    assert found.spread.scale == pytest.approx(np.log(1 / 0.9) / 3**0.5, rel=1e-9)
    assert found.spread.freedom == 2
    low, high, _ = found.interval(0.9)
    # published: Student's t with 2 degrees of freedom is 2.920 at 95 %.
    assert np.log(high / 100) == pytest.approx(2.920 * found.spread.scale, rel=1e-3)
    assert low * high == pytest.approx(1e4, rel=1e-12)
    assert "3 runs, your own" in found.source
    once, twice = measured(Run(h100())), measured(runs(h100(), h100(6000.0)))
    assert once.spread == twice.spread  # two repeats say less of the scatter than what is known of all
    alike = measured(runs(*[h100()] * 5))
    assert 0 < alike.spread.scale < 1e-5


def test_a_run_may_lack_what_others_of_it_say():
    # hand
    found = measured(runs(h100(), h100(version="0.9", power_limit_w=700.0, framework="vLLM")))
    assert len(found.runs) == 2
    assert "fp8" in found.workload
    assert "decode of" in found.workload


@pytest.mark.parametrize(
    ("given_runs", "message"),
    [
        (lambda: runs(h100(), h100(batch=32.0)), r"runs are of unlike batch: 64.0, 32.0; narrow them with .*batch="),
        (lambda: runs(h100(), gaudi()), "runs are of unlike accelerator: h100-sxm, gaudi-2"),
        (lambda: runs(h100(), h100(llm="llama-2-7b")), "runs are of unlike llm"),
        (lambda: runs(h100(), h100(precision="bf16")), "runs are of unlike precision"),
        (lambda: runs(h100(), h100(context_tokens=64.0)), "runs are of unlike context_tokens"),
        (lambda: runs(h100(), h100(phase="prefill", ttft_s=1.0, prompt_tokens=9.0)), "runs are of unlike"),
        (lambda: runs(h100(framework="vLLM"), h100(framework="SGLang")), "unlike framework: vLLM, SGLang"),
        (lambda: runs(h100(devices=8, tensor_parallel=8), h100(devices=8, data_parallel=8, tensor_parallel=1)),
         "unlike tensor_parallel: 8.0, 1.0"),
        (lambda: runs(h100(variant="chunked"), h100(variant="whole")), "unlike variant"),
        (lambda: runs(h100(), h100(power_limit_w=400.0), h100(power_limit_w=700.0)), "unlike power_limit_w"),
        (lambda: runs(h100(flags="faster than the hardware: 4 × the ideal roofline")),
         r"a run is flagged: faster than the hardware: .*; leave it out with runs.clean"),
        (lambda: runs(h100(), h100(flags="odd")), "a run is flagged: odd"),
        (lambda: Run(h100(accelerator=None)), "the run names no accelerator, which a comparison needs"),
        (lambda: Run(h100(devices=None)), r"the run names no devices, .*: give it with runs.replace\(devices=…\)"),
        (lambda: Run(h100(llm=None)), "the run names no llm"),
        (lambda: Run(h100(phase="gemm")), "phase = 'gemm' is not accepted: a comparison takes no kernels"),
        (lambda: Run(h100(None, power_w=300.0)), "a run has no throughput: neither a rate of tokens nor a latency"),
        (lambda: Run(h100(None, itl_s=0.01, batch=None)), "a run has no throughput"),
        (lambda: runs(), "runs are not accepted: give a Run, or Runs of one workload"),
        (lambda: [h100()], "runs are not accepted"),
        (lambda: 6100.0, "runs are not accepted"),
        (lambda: Run(h100(-5.0)), "output_tokens_per_s = -5 is not accepted"),
    ],
)  # fmt: skip
def test_runs_that_are_no_throughput_are_refused(given_runs, message):
    with pytest.raises(ValueError, match=message):
        measured(given_runs())


def test_a_deployment_refuses_the_same_and_other_machines():
    # hand
    with pytest.raises(ValueError, match="a run is flagged"):
        deploy(runs(h100(flags="odd")))
    with pytest.raises(ValueError, match="throughput is of h100-sxm, but server gaudi-2-hls holds gaudi-2"):
        deploy(h100(), HLS)
    with pytest.raises(ValueError, match="throughput needs 16 devices, but server dgx-h100 has 8"):
        deploy(h100(devices=16))


# --- what is compared


def test_measured_stands_against_measured_modelled_and_given():
    # hand
    ideal = rl.decode(LLAMA, hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
    other = tco.Deployment(DGX, SITE, ideal)
    assert compared().kinds == ("measured", "measured")
    assert tco.compare(deploy(gaudi()), other).kinds == ("measured", "ideal roofline")
    assert tco.compare(other, deploy(gaudi())).kinds == ("ideal roofline", "measured")
    assert tco.compare(deploy(gaudi()), tco.Deployment(DGX, SITE, 48_000.0)).kinds == ("measured", "given")
    assert compared().r_th == pytest.approx(4500 / 6100, rel=1e-12)
    # Batch and precision may differ, each machine at its best; a stream of requests is a generation.
    assert compared(gaudi(precision="bf16", batch=32.0)).ratio > 0
    served = GENERATION | {"accelerator": "gaudi-2", "phase": "serving", "output_tokens_per_s": 900.0}
    assert compared(served, GENERATION | {"accelerator": "h100-sxm", "latency_s": 4.0}).ratio > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phase": "prefill", "prompt_tokens": 9.0, "ttft_s": 1.0}, "unlike phases: prefill against decode"),
        ({"phase": "generate", "prompt_tokens": 9.0, "output_tokens": 9.0}, "unlike phases: generate against decode"),
        ({"llm": "llama-2-7b"}, "unlike models: llama-2-7b against llama-3.1-8b"),
        ({"context_tokens": 1024.0}, "unlike workloads: context tokens differ, 1,024 against 2,048"),
    ],
)
def test_unlike_workloads_are_refused_measured_or_modelled(changes, message):
    ideal = rl.decode(LLAMA, hs.get("h100-sxm"), batch=64, context_tokens=2048, precision="fp8")
    for other in (deploy(h100()), tco.Deployment(DGX, SITE, ideal)):
        with pytest.raises(ValueError, match=f"a and b .*{message}; compare"):
            tco.compare(deploy(gaudi(**changes)), other)


def test_unlike_lengths_of_generations_are_refused():
    # hand
    ours = GENERATION | {"accelerator": "gaudi-2", "output_tokens_per_s": 900.0}
    theirs = GENERATION | {"accelerator": "h100-sxm", "output_tokens_per_s": 1200.0}
    work = {"batch": 16, "prompt_tokens": 1000, "output_tokens": 400}
    modelled = tco.Deployment(DGX, SITE, rl.generate(LLAMA, hs.get("h100-sxm"), **work))
    with pytest.raises(ValueError, match="prompt tokens differ"):
        compared(ours | {"prompt_tokens": 999.0}, theirs)
    with pytest.raises(ValueError, match="output tokens differ, 500 against 400"):
        tco.compare(deploy(ours), modelled)
    assert compared(ours | {"output_tokens": 500.0}, theirs | {"prompt_tokens": None}).ratio > 0  # as far as is known


# --- how sure


small = st.floats(0.005, 0.3)
rates = st.floats(2000, 12_000)


@settings(deadline=None, max_examples=30)
@given(small, small, rates)
def test_the_probability_of_normal_errors_is_known(first, second, rate):
    # published: the error of a ratio is normal, so P(A cheaper) is the normal distribution at the margin over its
    # width; summed over 400 by 400 points, to half a percent.
    c = spread_out(compared(gaudi(rate)), Spread(first), Spread(second))
    width = (first**2 + second**2) ** 0.5
    assert c.probability_a == pytest.approx(stats.norm.cdf(np.log(1 / c.ratio) / width), abs=0.005)
    low, high, _ = c.interval(0.9)
    assert np.log([low, high]) == pytest.approx(np.log(c.ratio) + 1.645 * width * np.array([-1, 1]), abs=0.01 * width)
    low, high, _ = c.interval(0.9, of="r_th")
    assert np.log([low, high]) == pytest.approx(np.log(c.r_th) + 1.645 * width * np.array([-1, 1]), abs=0.01 * width)


@pytest.mark.parametrize(("first", "second"), [(Spread(0.05, 3), Spread(0.1, 5)), (Spread(0.015, 3), Spread(0.015, 3))])
def test_the_probability_of_heavy_tails_against_monte_carlo(first, second):
    # sibling: 400,000 draws of SciPy's.
    c = spread_out(compared(gaudi(5200.0)), first, second)
    rng = np.random.default_rng(5)
    logs = np.log(c.ratio) - (
        first.scale * rng.standard_t(first.freedom, 400_000) - second.scale * rng.standard_t(second.freedom, 400_000)
    )
    assert c.probability_a == pytest.approx(np.mean(logs < 0), abs=0.005)
    low, high, _ = c.interval(0.8)
    assert np.mean((logs > np.log(low)) & (logs < np.log(high))) == pytest.approx(0.8, abs=0.005)


@settings(deadline=None, max_examples=30)
@given(small, small, st.floats(2.1, 30), rates)
def test_swapping_the_sides_swaps_the_odds(first, second, freedom, rate):
    # property
    c = spread_out(compared(gaudi(rate)), Spread(first, freedom), Spread(second))
    back = tco.compare(c.b, c.a)
    assert c.probability_a + back.probability_a == pytest.approx(1, abs=1e-9)
    assert c.interval(0.8).low * back.interval(0.8).high == pytest.approx(1, rel=1e-9)
    assert c.interval(0.8).low < c.ratio < c.interval(0.8).high
    verdicts = {"A": "B", "B": "A", "too close to call": "too close to call"}
    assume(abs(c.probability_a - 0.9) > 1e-6 and abs(c.probability_a - 0.1) > 1e-6)
    assert back.verdict() == verdicts[c.verdict()]


@settings(deadline=None, max_examples=20)
@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_units_of_tokens_and_money_change_nothing(tokens, money):
    # property: scale invariance.
    site = SITE.replace(
        usd_per_kwh=SITE.usd_per_kwh * money, rack_usd=SITE.rack_usd * money, usd_per_watt=SITE.usd_per_watt * money
    )
    sides = [
        tco.Deployment(
            server.replace(price_usd=200_000 * factor, power_w=9000), place, Run(row | {"output_tokens_per_s": rate})
        )
        for factor, place, scale in ((1, SITE, 1.0), (money, site, tokens))
        for server, row, rate in ((HLS, gaudi(), 4500 * scale), (DGX, h100(), 4700 * scale))
    ]
    one, other = tco.compare(*sides[:2]), tco.compare(*sides[2:])
    assert one.probability_a == pytest.approx(other.probability_a, abs=1e-9)
    assert one.interval(0.9)[:2] == pytest.approx(other.interval(0.9)[:2], rel=1e-9)
    assert one.verdict() == other.verdict()


def test_one_certain_side_leaves_the_other_its_errors():
    # hand: against a plain number or an ideal roofline, only the errors of the run count.
    run = deploy(gaudi())
    c = tco.compare(run, tco.Deployment(DGX, SITE, 48_800.0))
    low, high, _ = c.interval(0.9, of="r_th")
    alone = run.throughput.interval(0.9)
    assert (low / c.r_th, high / c.r_th) == pytest.approx(
        (alone.low / run.throughput.tokens_per_s, alone.high / run.throughput.tokens_per_s), rel=1e-3
    )
    level = tco.compare(run, tco.Deployment(DGX, SITE, 48_800.0 / float(c.ratio)))
    assert level.ratio == pytest.approx(1, rel=1e-12)
    assert level.probability_a == pytest.approx(0.5, abs=2e-3)
    assert level.verdict(0.51) == "too close to call"


def test_no_errors_are_known_of_ideal_and_given():
    # hand: the ratio alone decides, and no probability is made up.
    c = tco.compare(tco.Deployment(HLS, SITE, 36_000.0), tco.Deployment(DGX, SITE, 48_800.0))
    assert c.probability_a is None
    assert c.verdict() == ("A" if c.ratio < 1 else "B")
    assert tco.compare(c.a, c.a).verdict() == "too close to call"
    with pytest.raises(ValueError, match="no interval: the throughputs are given, which do not say"):
        c.interval()
    assert "P(A" not in repr(c) + c._repr_html_()
    assert "P(A cheaper) = " in repr(compared())
    assert "P(A cheaper) = " in compared()._repr_html_()


def test_certain_sides_are_settled_by_the_ratio():
    # hand: a spread of 0 is certainty; level is half and half.
    c = spread_out(compared(), Spread(0.0), Spread(0.0))
    assert c.probability_a == (1.0 if c.ratio < 1 else 0.0)
    assert c.interval(0.9)[:2] == pytest.approx((c.ratio, c.ratio), rel=1e-12)
    assert spread_out(tco.compare(c.a, c.a), Spread(0.0), Spread(0.0)).probability_a == 0.5


def test_arrays_are_answered_element_by_element():
    # property: broadcast equals loop.
    values = np.array([[3000.0, 5000.0], [6000.0, 9000.0]])
    c = spread_out(compared(), Spread(0.1, 4), Spread(0.05), rate_a=values)
    assert c.probability_a.shape == c.verdict().shape == c.interval(0.9).low.shape == (2, 2)
    for index, value in np.ndenumerate(values):
        one = spread_out(compared(), Spread(0.1, 4), Spread(0.05), rate_a=np.asarray(value))
        assert c.probability_a[index] == one.probability_a
        assert c.verdict()[index] == one.verdict()
        assert c.interval(0.9).high[index] == pytest.approx(float(one.interval(0.9).high), rel=1e-12)
    assert np.all(np.diff(c.probability_a.ravel()) > 0)  # faster is likelier cheaper
    assert "P(A" not in repr(c)


def test_a_verdict_wants_more_to_be_surer():
    # property
    words = [compared(gaudi(rate)).verdict(level) for rate in (4000.0, 4600.0, 5000.0) for level in (0.6, 0.9, 0.999)]
    assert set(words) <= {"A", "B", "too close to call"}
    c = spread_out(compared(), Spread(0.05), Spread(0.05))
    at = c.probability_a if c.probability_a > 0.5 else 1 - c.probability_a
    if 0.5 < at < 1:
        assert c.verdict(min(at + 1e-6, 1 - 1e-9)) == "too close to call"
        assert c.verdict(at - 1e-6) != "too close to call"


@pytest.mark.parametrize("level", [0.5, 0.4, 0.0, 1.0, 90, "0.9", None, [0.9, 0.95]])
def test_levels_that_settle_nothing_are_refused(level):
    with pytest.raises(ValueError, match="level"):
        compared().verdict(level)


def test_other_questions_are_refused():
    with pytest.raises(ValueError, match="of = 'speed' is not accepted: give one of 'ratio', 'r_th'"):
        compared().interval(0.9, of="speed")
    with pytest.raises(ValueError, match="level"):
        compared().interval(1.0)


def test_what_was_measured_pickles():
    # property
    found = measured(runs(h100(), h100(6000.0), h100(6050.0)))
    again = pickle.loads(pickle.dumps(found))
    assert repr(again) == repr(found)
    assert (again.spread, again.interval(0.9)) == (found.spread, found.interval(0.9))
