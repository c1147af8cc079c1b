"""The pure core under JAX: compiled, differentiated, equal to NumPy. Needs the extra ``jax``."""

from __future__ import annotations

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
import tco

jax = pytest.importorskip("jax", reason="needs the extra jax")
jax.config.update("jax_enable_x64", True)

LLAMA, FP8 = rl.get_llm("llama-3.1-8b"), rl.policy("fp8")
H100 = rl.Machine(name="H100", flops_per_s={"bf16": 989.4e12, "fp8": 1978.9e12}, memory_bytes_per_s=3.35e12)


def decode_time_s(batch, context_tokens, bandwidth=3.35e12):
    machine = rl.Machine(name="H100", flops_per_s=H100.flops_per_s, memory_bytes_per_s=bandwidth)
    operations = rl.decode_operations(LLAMA, batch=batch, context_tokens=context_tokens, precision=FP8)
    return rl.phase_time_s(operations, machine)


def test_a_compiled_phase_equals_the_numpy_one():
    # sibling: the same functions on another array library, compiled.
    batch, context = np.arange(1.0, 257.0)[:, None], np.arange(1.0, 1025.0)
    expected = rl.decode(LLAMA, hs.get("h100-sxm"), batch=batch, context_tokens=context, precision="fp8").time_s
    np.testing.assert_allclose(jax.jit(decode_time_s)(batch, context), expected, rtol=1e-13)


def test_a_phase_can_be_differentiated_by_a_machine_rate():
    # hand: a step that is memory bound throughout has elasticity −1 in bandwidth.
    slope = jax.grad(decode_time_s, argnums=2)(64.0, 2048.0, 3.35e12)
    assert slope * 3.35e12 / decode_time_s(64.0, 2048.0) == pytest.approx(-1, abs=1e-12)


def test_the_ratio_and_its_inverses_can_be_differentiated():
    # sibling: the gradient of Eq. 4 against the published elasticities; no NaN leaks from the branch not taken.
    case = {"r_th": 0.8, "r_sc": 0.5, "r_ic": 0.75, "server_share": 0.7}
    slopes = jax.grad(lambda arguments: tco.ratio.tco_ratio(**arguments))(case)
    analytic = tco.elasticities(r_sc=0.5, r_ic=0.75, server_share=0.7)
    for name in ("r_th", "r_sc", "r_ic"):
        assert slopes[name] * case[name] / tco.tco_ratio(**case) == pytest.approx(getattr(analytic, name), rel=1e-12)
    slope = jax.grad(lambda r_th: tco.ratio.break_even_server_cost(r_th=r_th, server_share=0.5))(0.9)
    assert slope == pytest.approx(2.0)
    factor = jax.grad(lambda rate: tco.finance.capital_recovery_factor(rate=rate, years=4.0))
    # hand: the derivative at rate 0 is (n + 1)/(2n), and near it almost that.
    assert factor(0.0) == pytest.approx(0.625, rel=1e-12)
    assert factor(1e-6) == pytest.approx(0.625, rel=1e-5)


def test_validated_twins_take_jax_arrays_beside_numbers():
    # sibling: NumPy.
    for function, arguments in (
        (tco.tco_ratio, {"r_th": 0.8, "r_sc": 0.5}),
        (tco.break_even_throughput, {"r_sc": 0.5, "r_ic": 0.75}),
        (tco.break_even_server_cost, {"r_th": 0.8, "r_ic": 0.75}),
        (tco.break_even_infrastructure_cost, {"r_th": 0.8, "r_sc": 0.5}),
        (tco.largest_useful_discount, {"r_th": 0.8, "r_sc": 1.2}),
        (tco.not_even_free, {"r_th": 0.8, "r_ic": 0.75}),
    ):
        first = next(iter(arguments))
        mixed = function(**(arguments | {first: jax.numpy.array([arguments[first]])}))
        np.testing.assert_allclose(mixed, [function(**arguments)], rtol=1e-14)


def test_validated_functions_take_jax_arrays():
    d = rl.decode(LLAMA, hs.get("h100-sxm"), batch=jax.numpy.array([1.0, 8.0]), context_tokens=2048)
    assert isinstance(d.time_s, jax.Array)
    whole = rl.prefill(LLAMA, hs.get("h100-sxm"), prompt_tokens=jax.numpy.asarray([512, 16384], dtype="int32"))
    np.testing.assert_allclose(
        whole.time_s, rl.prefill(LLAMA, hs.get("h100-sxm"), prompt_tokens=[512, 16384]).time_s, rtol=1e-13
    )
    with pytest.raises(ValueError, match="batch = 0 is not accepted"):
        rl.decode(LLAMA, hs.get("h100-sxm"), batch=jax.numpy.array([0.0, 8.0]), context_tokens=2048)


def test_jax_without_64_bits_says_so():
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="jax_enable_x64"):
            rl.decode(LLAMA, hs.get("h100-sxm"), batch=jax.numpy.array([1, 8]), context_tokens=2048)
    finally:
        jax.config.update("jax_enable_x64", True)


def test_the_validated_functions_compile_too():
    # sibling: inside jit nothing can be checked, and the result is the same.
    compiled = jax.jit(lambda batch: rl.decode(LLAMA, H100, batch=batch, context_tokens=2048, precision="fp8").time_s)
    expected = rl.decode(LLAMA, H100, batch=np.array([1.0, 8.0]), context_tokens=2048, precision="fp8").time_s
    np.testing.assert_allclose(compiled(np.array([1.0, 8.0])), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("deepseek-r1", rl.Layout(data=4, expert=4)),
        ("mixtral-8x7b", rl.Layout(tensor=2, data=2)),
        ("gemma-2-9b", rl.Layout(pipeline=2)),
    ],
)
def test_every_architecture_and_layout_compiles(name, layout):
    # sibling: experts, latent attention, windows and tiles give NumPy's numbers under jit.
    machine, llm = rl.Machine.of(hs.get("h200-sxm")), rl.get_llm(name)

    def time_s(batch, context):
        step = rl.decode_operations(llm, batch=batch, context_tokens=context, precision=rl.policy("fp8"), layout=layout)
        return rl.phase_time_s(step, machine, devices=layout.devices)

    points = np.array([1.0, 8.0, 64.0]), np.array([100.0, 1000.0, 5000.0])
    np.testing.assert_allclose(jax.jit(time_s)(*map(jax.numpy.asarray, points)), time_s(*points), rtol=1e-12)
