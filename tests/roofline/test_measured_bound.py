"""No estimate beats the hardware, and no measured run beats its estimate: the ideal roofline is an upper bound."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from tests.roofline.measured_runs import (
    READERS,
    Run,
    confront,
    device_of,
    file_table,
    lines,
    policy_of,
    ratio_table,
    read,
    requests_s,
    with_context,
)

# -- measured runs -----------------------------------------------------------------------------------------------------

BENCH = "upstream/llm_inference_bench_{}.csv"

ABOVE = {
    # These five models attend to 2,048 tokens, so nothing can follow a prompt of 2,048: the rows time a prefill alone,
    # and count 2,048 tokens of output that were never written. At 1,024 the same runs take 9 to 166 times as long.
    "the prompt fills the model's context": {
        BENCH.format("all_results"): {
            *(2770, 2775, 2780, 2785),  # Aquila 7B at batch 1, 16, 32, 64
            *(2790, 2795, 2800, 2805),  # BLOOM 7B1
            *(2834, 2839, 2844, 2849),  # GPT-J 6B
            *(2854, 2859, 2864, 2869),  # Llama 7B
            *(2874, 2879, 2884, 2889),  # OPT 6.7B
        },
    },
    # An estimate spreads tokens evenly over the 8 experts, so a batch of 16 reads all of them. These batches of 16 take
    # only 1.25 to 1.33 times as long as one sequence, which reads 2: all sequences were the same, and chose the same 2.
    "the sequences of the batch were alike, and so were their experts": {
        BENCH.format("all_results"): {599, 600, 601, 1257, 1261, 1265, 1269},
    },
}
"""Rows whose throughput is above the estimate, each with the reason."""

NOT_THROUGHPUT = {"inferencex_tco_prices.csv"}  # dollars per hour

COUNTS = {
    BENCH.format("all_results"): (3924, 3924),
    BENCH.format("sn40l"): (40, 40),
    BENCH.format("tp_pp"): (323, 323),
    BENCH.format("quant"): (116, 116),
    BENCH.format("power"): (48, 48),
    BENCH.format("ttft_itl"): (30, 30),
    "upstream/mlperf_inference_v5.1_llama2-70b_sample.json": (60, 50),
    "ml_energy_v3.csv": (565, 509),
    "trtllm_v0.6.1_static_batch.csv": (57, 57),
    "intel_gaudi_1.18.csv": (46, 46),
    "mamf_stas00.csv": (20, 19),
}
"""Rows of each file, and how many of them are mapped."""


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """The folder of measured runs."""
    folder = shared / "measured"
    if not folder.is_dir():
        pytest.skip("needs the shared folder of measured runs: set INFERENCE_TCO_SHARED")
    return folder


def listed(name: str) -> set[int]:
    """Rows of a file that are known to be above."""
    return {row for files in ABOVE.values() for row in files.get(name, ())}


def test_every_file_of_measured_runs_is_read(folder):
    # a file added to the folder is confronted too, or named as one that holds no throughput
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == set(READERS) | NOT_THROUGHPUT


@pytest.mark.parametrize("name", READERS)
def test_no_measured_run_beats_its_estimate(name, folder):
    # measured: the ideal roofline is an upper bound. The set is compared whole, so that no exception goes stale either.
    found = confront(folder, name)
    above = {run.row: round(found.ratios[run], 3) for run in found.above}
    assert set(above) == listed(name), above


@pytest.mark.parametrize(("name", "rows", "mapped"), [(name, *counts) for name, counts in COUNTS.items()])
def test_no_row_is_dropped_in_silence(name, rows, mapped, folder):
    # regression: how many rows the files hold and how many are mapped; the others are counted by reason on the page
    found = confront(folder, name)
    assert (len(found.rows), len(found.ratios)) == (rows, mapped)
    assert len(found.ratios) + found.not_mapped.total() == len(found.rows)


def test_estimates_are_not_far_above_everything(folder):
    # measured: an upper bound that no run comes near would say little. The best runs of each kind are above 0.7.
    best = {
        kind: max(
            ratio
            for name in READERS
            for run, ratio in confront(folder, name).ratios.items()
            if run.kind == kind and ratio <= 1
        )
        for kind in ("requests", "steps", "product")
    }
    assert min(best.values()) > 0.7, best


def bound_over_latency(run: Run, *, output_tokens: int, **options) -> float:
    """Time of a run by another reading of it, over the time that it took."""
    options |= {"precision": policy_of(run.precision), "layout": run.layouts[0]}
    lengths = (run.prompt_tokens, output_tokens)
    llm = with_context(run.llm, sum(lengths))
    bound_s = requests_s(llm, device_of(run.machine), np.array([run.batch]), *lengths, **options)
    return float(bound_s[0]) / (run.counted / run.measured)


def test_rows_that_fill_the_context_are_prefills(folder):
    # measured: read as prefills, these rows are at 0.55 to 0.61 of the roofline, and that machine's times to the first
    # token at 0.62 to 0.64.
    (name, numbers), *_ = ABOVE["the prompt fills the model's context"].items()
    rows = read(folder, name)
    for run in (rows[number - 1] for number in numbers):
        assert run.prompt_tokens == rl.get_llm(run.llm).max_context == 2048
        assert 0.54 < bound_over_latency(run, output_tokens=1) < 0.62, run


def test_rows_of_alike_sequences_read_two_experts(folder):
    # measured: with the 2 experts that one sequence chooses, these rows are as far below the roofline as the rows of
    # one sequence are. (A Zipf exponent of 10 leaves all but 2 of 8 experts next to nothing.)
    (name, numbers), *_ = ABOVE["the sequences of the batch were alike, and so were their experts"].items()
    runs = [row for row in read(folder, name) if isinstance(row, Run) and row.framework == "TensorRT-LLM"]

    def same(run: Run) -> tuple[object, ...]:
        return run.machine, run.llm, run.layouts, run.prompt_tokens

    for run in (run for run in runs if run.row in numbers):
        alone = [other for other in runs if other.batch == 1 and same(other) == same(run)]
        alike = bound_over_latency(run, output_tokens=run.prompt_tokens, routing_skew=10.0)
        (one,) = (bound_over_latency(other, output_tokens=run.prompt_tokens) for other in alone)
        assert alike == pytest.approx(one, rel=0.1), run


def test_the_a100_is_likely_the_40_gb_module(folder):
    # measured: vLLM's throughput stops growing with the batch where 0.9 × 40 GB is full, and on the H100 it does not.
    rows = read(folder, BENCH.format("all_results"))

    def rates(machine: str) -> list[float]:
        found = {
            run.batch: run.measured
            for run in rows
            if isinstance(run, Run) and (run.machine, run.framework, run.llm) == (machine, "vLLM", "llama-2-7b")
            if run.prompt_tokens == 1024 and run.layouts[0].devices == 1
        }
        return [found[batch] for batch in (16, 32, 64)]

    llm = rl.get_llm("llama-2-7b")
    cache = float(rl.kv_cache_bytes(llm, "bf16", batch=1, tokens=2048))
    fits = {
        key: (0.9 * hs.get(key).memory_bytes - float(rl.weight_bytes(llm, "bf16"))) / cache
        for key in ("a100-sxm-40gb", "a100-sxm-80gb", "h100-sxm")
    }
    assert 16 < fits["a100-sxm-40gb"] < 32 < 50 < min(fits["a100-sxm-80gb"], fits["h100-sxm"])
    assert [round(rate) for rate in rates("a100-sxm-80gb")] == [1308, 1423, 1485]
    h100 = rates("h100-sxm")
    assert h100[1] > 1.3 * h100[0], h100


def test_which_tokens_the_benchmark_counts(folder):
    # measured: throughput times latency is the tokens of all prompts and outputs in every row but llama.cpp's, where it
    # is those of one sequence: its batch is how many prompt tokens are processed at a time.
    seen = 0
    for path in sorted((folder / "upstream").glob("llm_inference_bench_*.csv")):
        for _, row in lines(path):
            if "throughput" in row:
                sequences = 1 if row["framework"] == "llama.cpp" else int(row["batch size"])
                tokens = 2 * int(row["input output length"]) * sequences
                assert float(row["throughput"]) * float(row["latency"]) == pytest.approx(tokens, rel=1e-3), row
                seen += 1
    assert seen == 3924 + 40 + 323 + 116 + 48


@pytest.mark.parametrize("name", [name for name in READERS if "llm_inference_bench" in name])
def test_the_importer_reads_the_same_runs(name, folder):
    # sibling: the importer that users call and this reader map every row alike. The A100 they read differently: as the
    # 40 GB module, which it likely is, and as the one with the faster memory, which a bound has to allow.
    runs = rl.measurements.read(folder / name)
    assert not runs.rejected
    rows = read(folder, name)
    assert np.all(np.diff(runs.row) > 0)  # in the order of the file: one counts its lines, the other its rows
    for found, row in zip(runs, rows, strict=True):
        assert isinstance(row, Run)
        assert (found.accelerator == row.machine) or (found.accelerator[:8], row.machine[:8]) == ("a100-sxm",) * 2
        assert (found.llm, found.batch) == (row.llm, row.batch)
        if found.phase == "prefill":
            assert found.prompt_tokens == row.prompt_tokens
            assert row.batch * row.prompt_tokens / found.ttft_s == pytest.approx(row.measured, rel=1e-12)
        else:
            assert (found.prompt_tokens, found.output_tokens) == (row.prompt_tokens, row.output_tokens)
            assert found.tokens_per_s == row.measured


def test_the_page_shows_these_figures(root, folder):
    # sibling: docs/measured-bound.md against the runs. Where the model moves a figure, paste the table pytest shows.
    page = (root / "docs" / "measured-bound.md").read_text(encoding="utf-8")
    results = {name: confront(folder, name) for name in READERS}
    excepted = [run for name, found in results.items() for run in found.ratios if run.row in listed(name)]
    for table in (file_table(results), ratio_table(results, unless=excepted)):
        assert table in page, table


# -- the hardware ------------------------------------------------------------------------------------------------------

EPSILON = 1e-9


def _rates(key: str, precision: str) -> tuple[float, float] | None:
    """Fastest matrix rate that a policy uses [FLOP/s], and bandwidth [byte/s], from the catalogue; none if unknown."""
    device, formats = hs.get(key), rl.policy(precision)
    try:
        parts = (formats.compute, formats.attention, formats.head)
        return max(device.peak_flops(part) for part in parts), device.memory_bytes_per_s
    except ValueError:
        return None


HARDWARE = {(key, name): _rates(key, name) for key in hs.names() for name in rl.POLICY_NAMES}
RUNNABLE = sorted(pair for pair, rates in HARDWARE.items() if rates is not None)


def test_all_accelerators_but_those_of_unknown_peak_run_something():
    # regression: no machine leaves the next test in silence
    assert set(hs.names()) - {key for key, _ in RUNNABLE} == {"rtx-pro-6000-workstation"}


def test_which_machines_are_slowest_in_their_linear_layers():
    # hand: MFU is over the peak of the linear layers' format (Kim), so it exceeds 1 only where LM head and attention
    # run in a faster one. B300 and GB300 have less INT8 than BF16.
    slower = {
        (key, name)
        for key, name in RUNNABLE
        if hs.get(key).peak_flops(rl.policy(name).compute) < HARDWARE[key, name][0]
    }
    assert slower == {(key, name) for key in ("b300", "gb300") for name in rl.POLICY_NAMES if name.startswith("int8")}


@given(
    pair=st.sampled_from(RUNNABLE),
    name=st.sampled_from(rl.llm_names()),
    phase=st.sampled_from(["prefill", "decode"]),
    batch=st.integers(1, 4096),
    tokens=st.integers(1, 1 << 20),
    devices=st.sampled_from([1, 2, 4, 8]),
    overlap=st.sampled_from(["operation", "perfect"]),
    fusion=st.sampled_from(["fused", "none"]),
)
def test_no_estimate_beats_the_hardware(pair, name, phase, batch, tokens, devices, overlap, fusion):
    # property: whatever is asked, work done in the time is within peak and bandwidth of the devices together, both by
    # the estimate's own counts and by the model's parameters, each of which is read once and multiplied for each token.
    (key, precision), llm = pair, rl.get_llm(name)
    peak, bandwidth = HARDWARE[pair]
    tokens = min(tokens, llm.max_context)
    options = {"precision": precision, "overlap": overlap, "fusion": fusion, "tensor_parallel": devices}
    options |= {"prompt_tokens": tokens} if phase == "prefill" else {"context_tokens": tokens}
    try:
        found = getattr(rl, phase)(llm, hs.get(key), batch=batch, **options)
    except ValueError as refusal:
        # a model that so many devices cannot share, or devices whose link is unknown or joins fewer
        if devices == 1 or not re.search("tensor_parallel|scale_up", str(refusal)):
            raise
        assume(False)
    work, traffic = found.time_s * devices * peak, found.time_s * devices * bandwidth
    assert found.flops <= work * (1 + EPSILON)
    assert found.bytes <= traffic * (1 + EPSILON)
    assert found.tflops * 1e12 <= devices * peak * (1 + EPSILON)
    linear = hs.get(key).peak_flops(rl.policy(precision).compute)
    assert 0 < found.mfu <= peak / linear * (1 + EPSILON)  # at most 1, but for the pairs of the test above
    if llm.moe is None:
        parts, formats = llm.parameter_breakdown, rl.policy(precision)
        parameters = parts["attention"] + parts["mlp"]
        rows = batch * (tokens if phase == "prefill" else 1)
        # biases are among the parameters, and neither read nor multiplied here: at most 0.1 % of them
        assert 0.999 * parameters * hs.number_format(formats.weights).bits / 8 <= traffic
        assert 0.999 * 2 * parameters * rows <= work
