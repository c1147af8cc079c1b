"""The search for the best layout on several devices."""

from __future__ import annotations

import re
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import BestLayout, LayoutOption, best_layout, layouts

H100, A100, MI300X, GAUDI2 = (hs.get(key) for key in ("h100-sxm", "a100-sxm-80gb", "mi300x", "gaudi-2"))
LLAMA, LLAMA_70B, QWEN_32B = (rl.get_llm(key) for key in ("llama-3.1-8b", "llama-3.3-70b", "qwen3-32b"))
MOE, SMALL_MOE = rl.get_llm("qwen3-30b-a3b"), rl.get_llm("deepseek-v2-lite")
BRUNETTA = ("tensor", "data")


def every_layout(llm, devices):
    """All layouts by trying every combination of sizes."""
    sizes = range(1, devices + 1)
    for tensor, pipeline, data in product(sizes, sizes, sizes):
        if tensor * pipeline * data == devices:
            for expert in {1, tensor * data} if llm.moe else {1}:
                yield rl.Layout(tensor=tensor, pipeline=pipeline, expert=expert, data=data)


def by_layout(best, precision=None):
    return {option.layout: option for option in best.table if precision in (None, option.precision.name)}


# Is it the best?


@pytest.mark.parametrize(
    ("llm", "accelerator", "devices", "itl_s"),
    [
        (LLAMA, H100, 8, None),
        (LLAMA, H100, 6, 0.02),
        (LLAMA_70B, MI300X, 4, None),
        (LLAMA_70B, H100, 4, 0.025),
        (MOE, H100, 4, None),
        (MOE, H100, 4, 0.015),
        (LLAMA, hs.get("mi250"), 2, None),
    ],
)
def test_search_equals_brute_force(llm, accelerator, devices, itl_s):
    # sibling: every combination of sizes, at rl.max_batch, which finds the largest batch by another search.
    rates = {}
    for layout in every_layout(llm, devices):
        shared = {"context_tokens": 2048, "precision": "bf16", "layout": layout}
        try:
            batch = float(rl.max_batch(llm, accelerator, itl_s=itl_s, **shared))
        except ValueError:
            continue
        if batch >= 1:
            rates[layout] = (batch, float(rl.decode(llm, accelerator, batch=batch, **shared).tokens_per_s))
    best = best_layout(llm, accelerator, devices=devices, precision="bf16", itl_s=itl_s)
    assert {option.layout: (option.batch, option.tokens_per_s) for option in best.accepted} == rates
    assert best.option.tokens_per_s == max(rate for _, rate in rates.values())


@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize("objective", ["throughput", "latency"])
def test_best_is_first_and_the_rest_in_order(phase, objective):
    # property: no accepted row beats one above it, and the refused are at the end.
    best = best_layout(
        LLAMA_70B, H100, devices=8, batch=16, phase=phase, objective=objective, precision=("bf16", "fp8")
    )
    merit = [-option.tokens_per_s if objective == "throughput" else option.time_s for option in best.accepted]
    assert merit == sorted(merit)
    assert best.table[: len(best.accepted)] == best.accepted
    assert best.layout == best.option.layout == best.estimate.layout


def test_an_estimate_is_that_of_the_phase_function():
    # sibling: the same keywords in rl.decode and rl.prefill.
    options = {"routing_skew": 0.5, "fusion": "none", "without": "latency"}
    best = best_layout(MOE, H100, devices=4, batch=32, context_tokens=1000, new_tokens=3, **options)
    asked = {"batch": 32, "precision": "fp8", "layout": best.layout, **options}
    assert best.option.time_s == rl.decode(MOE, H100, context_tokens=1000, new_tokens=3, **asked).time_s
    best = best_layout(MOE, H100, devices=4, batch=32, context_tokens=1000, phase="prefill", cached_tokens=7, **options)
    asked["layout"] = best.layout
    assert best.option.time_s == rl.prefill(MOE, H100, prompt_tokens=1000, cached_tokens=7, **asked).time_s


def test_nothing_is_dropped():
    # property: every combination of sizes is in the table once per precision, and each refused row has a reason.
    best = best_layout(MOE, A100, devices=12, precision=("bf16", "fp8", "w4a16"))
    rows = [(option.layout, option.precision.name) for option in best.table]
    assert sorted(rows, key=str) == sorted(product(every_layout(MOE, 12), ("bf16", "fp8", "w4a16")), key=str)
    assert all(bool(option.refused) == (option not in best.accepted) for option in best.table)
    assert all(option.refused for option in best.table if option.precision.name == "fp8")  # A100 has no FP8


def test_one_device_has_one_layout():
    # sibling: rl.max_batch.
    best = best_layout(LLAMA, H100, devices=1)
    assert [option.layout for option in best.table] == [rl.Layout()]
    assert best.option.batch == rl.max_batch(LLAMA, H100, context_tokens=2048, precision="fp8")
    assert best.warnings == ()  # no link is used, so none is taken for granted


def test_several_precisions_are_searched_together():
    # property: the best of several is the best of the bests.
    names = ("bf16", "fp8", "w4a16")
    together = best_layout(QWEN_32B, H100, devices=2, precision=names)
    alone = [best_layout(QWEN_32B, H100, devices=2, precision=name).option.tokens_per_s for name in names]
    assert together.option.tokens_per_s == max(alone)
    assert together.option.precision.name == names[int(np.argmax(alone))]


def test_of_equals_the_one_that_communicates_least_wins():
    # hand: without time for messages, stages of whole layers are as fast as copies, which send nothing.
    free = rl.Machine.of(H100)
    best = best_layout(LLAMA, free, devices=2, batch=64, parallel=("pipeline", "data"), without=("link", "latency"))
    assert best.option.time_s == pytest.approx(best.table[1].time_s, rel=1e-12)
    assert best.layout == rl.Layout(data=2)


# What the papers find.


@pytest.mark.parametrize("name", ["llama-3.2-3b", "llama-3.1-8b"])
@pytest.mark.parametrize("devices", [2, 4, 8])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_copies_win_where_the_model_is_small(name, devices, phase):
    # published: Brunetta IV-B, first guideline; the more tensor-parallel, the lower the throughput of a node.
    best = best_layout(rl.get_llm(name), H100, devices=devices, phase=phase, parallel=BRUNETTA)
    assert [option.layout.tensor for option in best.table] == [1, 2, 4, 8][: len(best.table)]


@pytest.mark.parametrize("accelerator", [A100, H100], ids=["a100", "h100"])
def test_tensor_parallel_wins_where_memory_binds(accelerator):
    # published: Brunetta IV-B; Qwen3 32B in BF16 scales beyond 100 % at T = 2 on nodes of A100 and of H100.
    best = best_layout(QWEN_32B, accelerator, devices=2, precision="bf16")
    assert best.layout == rl.Layout(tensor=2)
    assert (
        best.option.tokens_per_s
        > 2 * best_layout(QWEN_32B, accelerator, devices=1, precision="bf16").option.tokens_per_s
    )


@pytest.mark.parametrize("accelerator", [A100, H100], ids=["a100", "h100"])
def test_70b_needs_tensor_parallel_where_memory_is_small(accelerator):
    # published: Brunetta IV-B; T = 4 beats T = 2, whose weights exceed 80 % of the memory, and T = 1 does not fit.
    best = best_layout(LLAMA_70B, accelerator, devices=4, precision="bf16", parallel=BRUNETTA)
    rows = by_layout(best)
    assert best.layout == rl.Layout(tensor=4)
    assert "out of memory: the weights alone need 141.1 GB" in rows[rl.Layout(data=4)].refused
    crowded = rows[rl.Layout(tensor=2, data=2)]
    assert crowded.fits
    assert any("80 %" in warning for warning in crowded.estimate.warnings)
    assert not any("80 %" in warning for warning in best.warnings)


def test_large_memory_lets_copies_run():
    # published: Brunetta IV-B; four MI300X run Llama 3.3 70B in BF16 as four copies.
    best = best_layout(LLAMA_70B, MI300X, devices=4, precision="bf16", parallel=BRUNETTA)
    assert not by_layout(best)[rl.Layout(data=4)].refused
    assert len(best.accepted) == 3


def test_latency_prefers_tensor_parallel_within_the_domain():
    # hand: only tensor parallelism divides the bytes that a single sequence waits for; NVLink joins 8 H100.
    best = best_layout(LLAMA_70B, H100, devices=16, objective="latency")
    assert best.option.batch == 1
    assert best.layout == rl.Layout(tensor=8, data=2)
    assert "domain" in by_layout(best)[rl.Layout(tensor=16)].refused


def test_messages_hide_only_where_a_machine_can():
    # published: Kim VIII; not on Gaudi.
    for accelerator, overlap in ((GAUDI2, "operation"), (H100, "communication")):
        best = best_layout(LLAMA, accelerator, devices=8, batch=64, overlap="auto", parallel=BRUNETTA)
        plain = by_layout(best_layout(LLAMA, accelerator, devices=8, batch=64, parallel=BRUNETTA))
        assert best.estimate.overlap == overlap
        for layout, option in by_layout(best).items():
            if overlap == "operation" or layout.tensor == 1:
                assert option.time_s == plain[layout].time_s
            else:
                assert option.time_s < plain[layout].time_s
    with pytest.raises(ValueError, match="cannot send messages while it computes"):
        best_layout(LLAMA, GAUDI2, devices=8, overlap="communication")


# Links and heads.


@settings(deadline=None, max_examples=25)
@given(
    llm=st.sampled_from([LLAMA, MOE, SMALL_MOE, rl.get_llm("gemma-3-12b")]),
    batch=st.integers(1, 300),
    context=st.integers(1, 8000),
    phase=st.sampled_from(["decode", "prefill"]),
)
def test_with_free_links_tensor_parallel_never_loses(llm, batch, context, phase):
    # property: devices that share a layer do no more each, whatever of it they repeat; only messages cost.
    free = rl.Machine.of(H100).replace(link_bytes_per_s=1e30, link_latency_s=1e-30, memory_bytes=1e15, link_domain=None)
    times = [
        best_layout(
            llm,
            free,
            devices=n,
            batch=batch,
            context_tokens=context,
            phase=phase,
            objective="latency",
            parallel="tensor",
        ).option.time_s
        for n in (1, 2, 4, 8, 16)
        if llm.heads % n == 0
    ]
    assert all(more <= fewer * (1 + 1e-12) for fewer, more in pairwise(times))


LINKLESS = rl.Machine.of(H100).replace(name="no link", link_bytes_per_s=None, link_latency_s=None, link_domain=None)


@pytest.mark.parametrize("without", [(), "link", ("link", "latency")])
@pytest.mark.parametrize(
    "accelerator",
    [LINKLESS, H100, *(hs.get(key) for key in ("h100-pcie", "mi250", "sn40l", "cs-3"))],
    ids=lambda accelerator: accelerator.name,
)
def test_what_does_not_run_is_what_decode_refuses(accelerator, without):
    # sibling: rl.decode refuses each layout that the search says does not run, and no other.
    asked = {"batch": 4, "context_tokens": 128, "precision": "bf16", "without": without}
    for option in best_layout(SMALL_MOE, accelerator, devices=4, **asked).table:
        if option.estimate is None:
            with pytest.raises(ValueError, match=re.escape(option.refused)):
                rl.decode(SMALL_MOE, accelerator, layout=option.layout, **asked)
        else:
            assert option.estimate.time_s == rl.decode(SMALL_MOE, accelerator, layout=option.layout, **asked).time_s


def test_copies_need_no_link():
    # hand: copies send nothing, so no link need be known; slices need one, unless it is switched off.
    for accelerator in (LINKLESS, hs.get("sn40l"), hs.get("cs-3")):
        asked = {"devices": 2, "precision": "bf16", "context_tokens": 128, "batch": 2}
        best = best_layout(LLAMA, accelerator, **asked)
        assert [option.layout for option in best.accepted] == [rl.Layout(data=2)]
        assert best.warnings == best.estimate.warnings  # no link is taken for granted
        free = best_layout(LLAMA, accelerator, **asked, without="link")
        assert {option.layout for option in free.accepted} >= {rl.Layout(data=2), rl.Layout(tensor=2)}
        assert rl.Layout(tensor=2) in layouts(LLAMA, accelerator, 2, linked=False)
        assert not any("taken to be enough" in warning for warning in free.warnings)


def test_domain_of_a_bridge_and_of_bare_rates():
    # published: the bridge of an H100 PCIe joins pairs.
    pcie = hs.get("h100-pcie")
    for accelerator in (pcie, rl.Machine.of(pcie)):
        tensors = {layout.tensor for layout in layouts(LLAMA, accelerator, 4)}
        assert tensors == {1, 2}
        best = best_layout(LLAMA, accelerator, devices=4, objective="latency")
        assert best.layout.tensor == 2
        assert by_layout(best)[rl.Layout(tensor=4)].refused


def test_links_taken_for_granted_are_said():
    # hand: 16 devices in stages of 8 reach beyond NVLink; of a bare machine without a domain nothing is known.
    best = best_layout(LLAMA_70B, H100, devices=16, parallel=("tensor", "pipeline"), objective="latency")
    assert best.layout == rl.Layout(tensor=8, pipeline=2)
    assert any("joins 8 devices" in warning for warning in best.warnings)
    unbounded = rl.Machine.of(H100).replace(link_domain=None)
    best = best_layout(LLAMA, unbounded, devices=16, objective="latency")
    assert best.layout == rl.Layout(tensor=16)  # beyond the 8 KV heads, each replicated
    assert any("unknown" in warning for warning in best.warnings)


def test_layouts_are_those_that_divide():
    # hand: 3 and 6 divide neither the 32 heads of Llama nor the 128 experts of Qwen3.
    assert {layout.tensor for layout in layouts(LLAMA, H100, 6)} == {1, 2}
    assert {layout.expert for layout in layouts(MOE, H100, 6)} == {1, 2}
    assert layouts(LLAMA, H100, 4, parallel=BRUNETTA) == (
        rl.Layout(data=4),
        rl.Layout(tensor=2, data=2),
        rl.Layout(tensor=4),
    )
    refused = by_layout(best_layout(LLAMA, H100, devices=6))[rl.Layout(tensor=3, data=2)]
    assert (refused.batch, refused.fits, refused.tokens_per_s, refused.memory_bytes) == (None, None, None, None)
    assert "must divide the 32 heads" in refused.refused


# Limits, and what is refused.


def test_a_limit_binds():
    # property: rows that are accepted meet it, and one more sequence would not, or would not fit.
    best = best_layout(LLAMA_70B, H100, devices=4, itl_s=0.012)
    assert 0 < len(best.accepted) < len(best.table)
    for option in best.accepted:
        assert option.time_s <= 0.012
        more = rl.decode(
            LLAMA_70B, H100, batch=option.batch + 1, context_tokens=2048, precision="fp8", layout=option.layout
        )
        assert more.time_s > 0.012 or not more.fits
    slow = by_layout(best)[rl.Layout(data=4)]
    assert slow.fits
    assert slow.time_s > 0.012  # 70 GB at 3.35 TB/s are 21 ms
    assert slow.refused.startswith("too slow: a batch of 1 takes 2")


def test_a_limit_on_the_first_token():
    # property: as for decode.
    best = best_layout(LLAMA, H100, devices=4, phase="prefill", ttft_s=0.1)
    for option in best.accepted:
        more = rl.prefill(
            LLAMA, H100, batch=option.batch + 1, prompt_tokens=2048, precision="fp8", layout=option.layout
        )
        assert option.time_s <= 0.1 < more.time_s


def test_a_given_batch_is_over_all_devices():
    best = best_layout(LLAMA, H100, devices=4, batch=10)
    assert {option.batch for option in best.table} == {10}
    copies = by_layout(best)[rl.Layout(data=4)]
    assert copies.tokens_per_s == pytest.approx(10 / copies.time_s)
    # hand: the busiest of four copies has 3 of the 10 sequences.
    assert copies.time_s == pytest.approx(
        float(rl.decode(LLAMA, H100, batch=3, context_tokens=2048, precision="fp8").time_s)
    )


def test_what_fits_nowhere_says_what_would():
    # hand: 405.9e9 weights of 2 bytes over 2 devices; 70.6e9 of them, and 64 · 2049 tokens of 327,680 bytes, on one.
    giant = rl.get_llm("llama-3.1-405b")
    with pytest.raises(
        rl.OutOfMemoryError, match=r"the weights alone need 405\.9 GB on each device, available 85\.5 GB"
    ):
        best_layout(giant, H100, devices=2, precision="bf16")
    with pytest.raises(rl.OutOfMemoryError, match=re.escape("What would fit: precision w4a16; 4 devices, ")):
        best_layout(LLAMA_70B, H100, devices=1, precision="bf16", batch=64)
    # property: what is named fits, and what is not does not.
    assert best_layout(LLAMA_70B, H100, devices=4, precision="bf16", batch=64).accepted
    assert best_layout(LLAMA_70B, H100, devices=1, precision="w4a16", batch=64).accepted
    for refused in ({"devices": 2, "precision": "bf16"}, {"devices": 1, "precision": "fp8"}):
        with pytest.raises(rl.OutOfMemoryError):
            best_layout(LLAMA_70B, H100, batch=64, **refused)


def test_a_batch_too_large_says_what_fits():
    # property: the batch that is named fits, and one more does not.
    with pytest.raises(rl.OutOfMemoryError, match="What would fit: a batch of ") as refusal:
        best_layout(LLAMA, H100, devices=2, batch=10_000)
    most = int(re.search(r"fit: a batch of ([\d,]+)", str(refusal.value))[1].replace(",", ""))
    assert best_layout(LLAMA, H100, devices=2, batch=most).accepted
    with pytest.raises(rl.OutOfMemoryError):
        best_layout(LLAMA, H100, devices=2, batch=most + 1)


def test_what_would_fit_meets_the_limit_too():
    # hand: 70.6e9 weights of 2 bytes fit on no H100; in 4 bits they do, and take 11 ms to read, too slow for 5 ms.
    asked = {"devices": 1, "precision": "bf16", "parallel": "data"}
    with pytest.raises(rl.OutOfMemoryError, match="fit and meet itl_s: precision w4a16"):
        best_layout(LLAMA_70B, H100, itl_s=0.02, **asked)
    with pytest.raises(rl.OutOfMemoryError, match="fit and meet itl_s: nothing that was tried"):
        best_layout(LLAMA_70B, H100, itl_s=0.005, **asked)


def test_too_tight_a_limit_says_what_the_fastest_takes():
    # hand: the least memory traffic is that of four slices, 2.3e9 bytes at 3.35e12 a second: 0.7 ms.
    with pytest.raises(
        ValueError, match=r"the fastest, tensor parallel 4 in fp8: too slow: a batch of 1 takes 0\.\d+ ms"
    ):
        best_layout(LLAMA, H100, devices=4, itl_s=1e-5)


def test_batches_compiled_in_advance():
    # published: the SN40L's software takes batches up to a size (Brunetta III-C).
    sn40l = hs.get("sn40l")
    most = sn40l.largest_batch
    assert best_layout(LLAMA, sn40l, devices=1, precision="bf16", context_tokens=128).option.batch <= most
    with pytest.raises(ValueError, match=f"at most {most}"):
        best_layout(LLAMA, sn40l, devices=1, precision="bf16", context_tokens=128, batch=most + 1)


def test_batches_are_compiled_for_each_copy():
    # sibling: rl.max_batch; hand: two copies take twice the largest batch of one, and no sequence more.
    sn40l = hs.get("sn40l")
    most, copies = sn40l.largest_batch, rl.Layout(data=2)
    asked = {"precision": "bf16", "context_tokens": 128, "parallel": "data"}
    best = best_layout(LLAMA, sn40l, devices=2, **asked)
    assert best.option.batch == 2 * most
    assert best.option.batch == rl.max_batch(LLAMA, sn40l, precision="bf16", context_tokens=128, layout=copies)
    assert best_layout(LLAMA, sn40l, devices=2, batch=2 * most, **asked).accepted
    with pytest.raises(ValueError, match=f"at most {2 * most} over 2 copies"):
        best_layout(LLAMA, sn40l, devices=2, batch=2 * most + 1, **asked)


def test_unlike_lengths():
    # property: alike ones, listed, are no different; with unlike ones a search runs too.
    same = best_layout(LLAMA, H100, devices=2, context_tokens=rl.Lengths([1024, 1024]))
    assert same.option.tokens_per_s == best_layout(LLAMA, H100, devices=2, context_tokens=1024).option.tokens_per_s
    unlike = best_layout(LLAMA, H100, devices=2, context_tokens=rl.Lengths([1, 2047]))
    assert unlike.option.batch == same.option.batch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"devices": 0}, "devices = 0"),
        ({"devices": 2.5}, "devices = 2.5"),
        ({"batch": 0}, "batch = 0"),
        ({"context_tokens": 0}, "context_tokens = 0"),
        ({"context_tokens": 10**9}, "context_tokens"),
        ({"phase": "training"}, "phase = 'training'"),
        ({"objective": "cost"}, "objective = 'cost'"),
        ({"itl_s": 0}, "itl_s = 0"),
        ({"itl_s": 1, "phase": "prefill"}, "itl_s is not accepted: it is no limit of a prefill"),
        ({"ttft_s": 1}, "ttft_s is not accepted: it is no limit of a decode"),
        ({"precision": ()}, "precision is empty"),
        ({"parallel": ("tensor", "sequence")}, "parallel = 'sequence'"),
        ({"parallel": ()}, "no layout of 8 devices"),
        ({"layout": rl.Layout()}, "layout is not accepted"),
        ({"tensor_parallel": 2}, "both given"),
        ({"fusion": "some"}, "fusion = 'some'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    # property: an error names the argument and its value.
    with pytest.raises(ValueError, match=message):
        best_layout(LLAMA, H100, **arguments)


def test_bad_machines_are_named():
    # property: an error names the machine and what it lacks.
    with pytest.raises(ValueError, match="can run bf16"):
        best_layout(LLAMA, A100, precision="fp8")
    with pytest.raises(ValueError, match="no memory_bytes"):
        best_layout(LLAMA, rl.Machine.of(H100).replace(memory_bytes=None))
    with pytest.raises(ValueError, match=r"shape \(2,\): give one machine"):
        best_layout(LLAMA, rl.Machine.of(H100).replace(memory_bytes_per_s=[1e12, 2e12]))
    with pytest.raises(ValueError, match="accelerator = 'h100-sxm' is not accepted"):
        best_layout(LLAMA, "h100-sxm")


# How it is shown.


def test_the_table_is_shown_whole():
    # property: every row and what to mind, in text and in HTML.
    best = best_layout(LLAMA_70B, H100, devices=4, precision="bf16", parallel=BRUNETTA)
    assert isinstance(best, BestLayout)
    assert all(isinstance(option, LayoutOption) for option in best.table)
    assert "tensor parallel 4, bf16, batch" in repr(best)
    assert "best of 2 that run, 1 refused" in repr(best)
    for text in (str(best), best._repr_html_()):
        for shown in ("TP4", "TP2 DP2", "DP4", "out of memory: the weights alone need 141.1 GB", "ideal roofline"):
            assert shown in text
    assert best._repr_html_().count("<tr>") == 1 + len(best.table)
    assert "mind: " in str(best_layout(LLAMA, GAUDI2, devices=2, objective="latency"))  # its latency is unknown


def test_as_a_data_frame():
    # sibling: the rows of the table.
    pytest.importorskip("pandas")
    best = best_layout(MOE, H100, devices=6)
    frame = best.to_pandas()
    assert len(frame) == len(best.table)
    assert frame.loc[0, "tokens_per_s"] == best.option.tokens_per_s == frame["tokens_per_s"].max()
    assert (frame["tensor"] * frame["pipeline"] * frame["data"] == 6).all()
    assert frame["time_s"].isna().equals(frame["refused"] != "")
