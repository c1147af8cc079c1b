"""How software works through a batch: no token is lost, none is written twice, and more room is never slower."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline.calibration.schedule import passes, room_tokens
from roofline.layout import Layout
from roofline.precision import policy

FRAMEWORKS = ("vLLM", "DeepSpeed-MII", "TensorRT-LLM", "ours")
PREEMPTING = ("vLLM", "DeepSpeed-MII")

batches, lengths = st.integers(1, 300), st.integers(1, 1500)


def written(found):
    """Tokens that come out: one of each sequence of a prefill or of a step."""
    return sum(step.sequences * step.times for step in found)


def read(found):
    return sum(step.sequences * step.tokens * step.times for step in found if not step.decode)


def work(found):
    """Any cost of passes: something for each, for each sequence, and for each token read."""
    return sum(
        step.times * (100 + step.sequences * (1 + (0.0 if step.decode else 0.1 * step.tokens))) for step in found
    )


@given(framework=st.sampled_from(FRAMEWORKS), batch=batches, prompt=lengths, output=lengths, room=st.floats(1, 2e6))
def test_every_token_is_written_once(framework, batch, prompt, output, room):
    # property: whoever stops is read again with what it wrote, and goes on from there.
    found = passes(framework, batch, prompt, output, room)
    assert written(found) == pytest.approx(batch * output, rel=1e-9)


@given(framework=st.sampled_from(FRAMEWORKS), batch=batches, prompt=lengths, output=lengths, room=st.floats(1, 2e6))
def test_every_prompt_is_read(framework, batch, prompt, output, room):
    # property: in turns once; where some are stopped, at least once.
    found = passes(framework, batch, prompt, output, room)
    if framework in PREEMPTING:
        assert read(found) >= batch * prompt * (1 - 1e-9)
    else:
        assert read(found) == pytest.approx(batch * prompt, rel=1e-9)
    assert all(step.sequences <= batch and step.times > 0 and step.tokens < prompt + output for step in found)


@given(framework=st.sampled_from(FRAMEWORKS), batch=batches, prompt=lengths, output=lengths)
def test_what_fits_is_one_turn(framework, batch, prompt, output):
    # property: one prefill of all, then steps of all, whoever schedules.
    found = passes(framework, batch, prompt, output, batch * (prompt + output))
    first, *rest = found
    assert (first.decode, first.sequences, first.tokens, first.times) == (False, batch, prompt, 1)
    assert all(step.decode and step.sequences == batch for step in rest)
    mean = sum(step.times * step.tokens for step in rest) / max(output - 1, 1)
    assert output == 1 or mean == pytest.approx(prompt + output / 2, rel=1e-9)  # contexts prompt + 1 … + output - 1


@given(framework=st.sampled_from(("TensorRT-LLM", "ours")), batch=batches, prompt=lengths, output=lengths,
       room=st.floats(1, 2e6), more=st.floats(1, 3))  # fmt: skip
def test_more_room_is_never_slower_in_turns(framework, batch, prompt, output, room, more):
    # property; of a cache that holds not even one request nothing is said, and it is worked through at once.
    if prompt + output > room:
        return
    assert work(passes(framework, batch, prompt, output, room * more)) <= work(
        passes(framework, batch, prompt, output, room)
    ) * (1 + 1e-9)


@given(batch=batches, prompt=lengths, output=lengths)
def test_room_for_all_is_never_slower_than_stopping_some(batch, prompt, output):
    # property: of software that stops requests.
    whole = batch * (prompt + output)
    for share in (0.3, 0.6, 0.9):
        if prompt + output <= share * whole:
            few = passes("vLLM", batch, prompt, output, share * whole)
            assert work(few) >= work(passes("vLLM", batch, prompt, output, whole)) * (1 - 1e-9)


def test_two_turns_by_hand():
    # hand: room for 3 of 8 requests of 10 tokens: 3, 3 and 2.
    found = passes("TensorRT-LLM", 8, 6, 4, 35)
    assert [step.sequences for step in found if not step.decode] == [3, 3, 2]
    assert sum(step.times for step in found if step.decode) == pytest.approx(3 * 3)


@given(prompt=st.integers(1, 4000), output=st.integers(1, 600), chunk=st.integers(1, 600))
def test_llama_cpp_reads_a_prompt_in_chunks(prompt, output, chunk):
    # property: as many tokens, in as many passes as chunks need; one sequence, however large the prompt's batch.
    found = passes("llama.cpp", 64, prompt, output, 1.0, chunk)
    assert all(step.sequences == 1 for step in found)
    steps = sum(step.times for step in found if step.decode)
    if chunk == 1:
        assert steps == pytest.approx(prompt + output - 1, rel=1e-9)
        assert sum(step.times for step in found if step.follows) == pytest.approx(prompt, rel=1e-9)
        return
    prefills = [step for step in found if not step.decode]
    assert steps == pytest.approx(output - 1, rel=1e-9, abs=1e-9)
    assert read(found) == pytest.approx(prompt, rel=1e-9)
    assert sum(step.times for step in prefills) == pytest.approx(-(-prompt // chunk), rel=1e-9)
    seen = sum(step.times * step.tokens * (step.cached + step.tokens / 2) for step in prefills)
    assert seen == pytest.approx(prompt**2 / 2, rel=1e-9)  # pairs of tokens do not depend on how they are read


def room(key, llm, framework, layout=None, **changes):
    given = {"precision": "bf16", "batch": 1, "prompt_tokens": 1024} | changes
    return room_tokens(rl.get_llm(llm), hs.get(key), policy(given.pop("precision")), layout or Layout(),
                       framework=framework, **given)  # fmt: skip


def test_room_of_vllm_by_hand():
    # hand: 0.9 of 80 GB, less 16.06 GB of weights and 1 GB, over 32 layers x 2 x 1,024 x 2 bytes.
    h100 = hs.get("h100-sxm")
    free = 0.9 * h100.memory_bytes - 2 * 8.030e9 - 1e9
    assert room("h100-sxm", "llama-3.1-8b", "vLLM") == pytest.approx(free / 131072, rel=2e-3)


def test_room_follows_the_memory():
    # property: less weights, narrower caches, more devices make room; who reserves nothing that we know has no limit.
    for framework in ("vLLM", "TensorRT-LLM", "DeepSpeed-MII"):
        small, large = (room(key, "llama-2-7b", framework) for key in ("a100-sxm-40gb", "a100-sxm-80gb"))
        assert 0 < small < large
        assert room("h100-sxm", "llama-2-7b", framework, precision="bf16-kv8") > room(
            "h100-sxm", "llama-2-7b", framework
        )
        assert room("h100-sxm", "llama-2-7b", framework, Layout(tensor=4)) > room("h100-sxm", "llama-2-7b", framework)
        assert room("h100-sxm", "llama-3.3-70b", framework) == 0  # the weights alone do not fit
    assert room("h100-sxm", "llama-2-7b", "ours") == np.inf
