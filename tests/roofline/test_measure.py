"""Measuring a machine of one's own: what is run, what is made of the times, and what is said where it cannot be."""

from __future__ import annotations

import builtins
import importlib.util
import math
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
from roofline import measure
from roofline.measure import kernels
from roofline.measure.__main__ import main
from roofline.measure.bench import Bench, Result
from roofline.measure.device import Device, open_device
from roofline.measure.power import Meter, meter
from roofline.measure.timing import COLD, Timing, operand_sets, repeat
from roofline.measure.work import (
    PASSES,
    Attention,
    Gemm,
    Stream,
    attentions,
    gemms,
    layer_shapes,
    longest_context,
    roofline_time_s,
    share_of_peak,
    streams,
)
from roofline.measurements import read

H100 = hs.get("h100-sxm")
LLAMA = rl.get_llm("llama-3.1-8b")


# ---------------------------------------------------------------------------------------------------- what is measured


@pytest.mark.parametrize(
    ("precision", "byte"),
    [
        ("bf16", 2 * (8 * 64 + 64 * 32 + 8 * 32)),
        ("fp32", 4 * (8 * 64 + 64 * 32 + 8 * 32)),
        ("fp8", 8 * 64 + 64 * 32 + 2 * 8 * 32),  # both inputs in 8 bits, the output BF16 (Kim Table III)
        ("int8", 8 * 64 + 64 * 32 + 4 * 8 * 32),  # and INT32, as PyTorch gives it
    ],
)
def test_a_product_counts_its_three_matrices_once(precision, byte):
    # hand: 8 × 64 × 32.
    product = Gemm(m=8, k=64, n=32, precision=precision)
    assert product.flops == 2 * 8 * 64 * 32
    assert product.bytes == byte
    assert float(product.operation.flops) == product.flops  # sibling: the same counts as an operation's
    assert float(product.operation.bytes) == product.bytes


def test_decode_attention_of_llama():
    # hand: 8 KV heads of 128, keys and values in 2 byte; 32 heads of queries and outputs.
    step = Attention(llm=LLAMA, batch=64, context_tokens=2048)
    assert step.bytes == 2 * 8 * 128 * 2 * 64 * 2048 + 2 * 32 * 128 * 2 * 64
    assert step.flops == 4 * 32 * 128 * 64 * 2048  # Kim Eq. 8 for one layer


@pytest.mark.parametrize("key", ["llama-3.1-8b", "gpt-oss-20b", "mixtral-8x7b"])
def test_kernels_are_those_of_a_decode_step(key):
    # sibling: the roofline of a kernel is that of the operation in a phase, in one layer. Fused element-wise work never
    # bounds these.
    llm = rl.get_llm(key)
    phase = rl.decode(llm, H100, batch=16, context_tokens=4096, precision="bf16")
    machine = rl.Machine.of(H100)
    step = Attention(llm=llm, batch=16, context_tokens=4096)
    of_phase = max((o for o in phase.operations if o.name == "attention"), key=lambda o: o.time_s / o.layers)
    assert roofline_time_s(step, machine) == pytest.approx(float(of_phase.time_s) / of_phase.layers, rel=1e-12)
    shapes = {name: shape for shape, name in layer_shapes(llm).items()}
    k, n = shapes["output"]
    of_phase = next(o for o in phase.operations if o.name == "output")
    ideal = roofline_time_s(Gemm(m=16, k=k, n=n), machine)
    assert ideal == pytest.approx(float(of_phase.time_s) / of_phase.layers, rel=1e-12)


def test_shapes_hold_every_linear_parameter():
    # sibling: K·N of the layers, each as often as it stands, are all parameters of Llama but embedding and norms.
    products = sum(k * n * (1 if name == "lm_head" else LLAMA.layers) for (k, n), name in layer_shapes(LLAMA).items())
    parts = LLAMA.parameter_breakdown
    assert products == LLAMA.parameters - parts["embedding"] - parts["norms"]


def test_shapes_of_experts_are_of_one_and_latent_attention_is_left_out():
    # hand: Mixtral's experts are 4,096 → 2 · 14,336 → 4,096; DeepSeek's absorbed products per head are 128 × 512.
    shapes = layer_shapes(rl.get_llm("mixtral-8x7b"))
    assert shapes[4096, 28672] == "experts_up"
    assert shapes[14336, 4096] == "experts_down"
    assert (128, 512) not in layer_shapes(rl.get_llm("deepseek-r1"))


def test_contexts_are_those_that_a_layer_sees():
    # hand: every second layer of gpt-oss sees 128 tokens, the others all; only those are measured.
    gpt = rl.get_llm("gpt-oss-20b")
    assert longest_context(gpt) == gpt.max_context
    assert Attention(llm=gpt, batch=1, context_tokens=4096).bytes > 2 * gpt.kv_heads * gpt.head_dim * 2 * 4096
    with pytest.raises(ValueError, match="context_tokens = 131073 is not accepted"):
        Attention(llm=LLAMA, batch=1, context_tokens=131073)
    with pytest.raises(ValueError, match="'deepseek-r1' has latent attention"):
        measure.attention(llm="deepseek-r1", device="cpu")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: gemms(shapes=[], rows=[], square=[], dtypes=["fp3"]), "dtype = 'fp3' is not accepted: give one of"),
        (lambda: gemms(shapes=[(8, 8)], rows=[0], square=[], dtypes=["bf16"]), "m = 0 is not accepted"),
        (lambda: gemms(shapes=[], rows=[], square=[1.5], dtypes=["bf16"]), "square = 1.5 is not accepted"),
        (lambda: attentions(LLAMA, batch=[1], context_tokens=[8], dtypes=["fp8"]), "dtype = 'fp8' is not accepted"),
        (lambda: attentions(LLAMA, batch=[0], context_tokens=[8], dtypes=["bf16"]), "batch = 0 is not accepted"),
        (lambda: streams(kinds=["scale"], mib=[1]), "kind = 'scale' is not accepted"),
        (lambda: streams(kinds=["copy"], mib=[0]), "mib = 0 is not accepted"),
    ],
)
def test_bad_plans_are_refused(made, message):
    # property: the field, the value, and what is accepted.
    with pytest.raises(ValueError, match=message):
        made()


def test_equal_kernels_are_measured_once():
    # hand: 64 rows of a square layer are the square of 64, too.
    assert len(gemms(shapes=[(64, 64)], rows=[64, 64, 1], square=[64], dtypes=["bf16"])) == 2


def test_shares():
    # hand: at the peak the share is one; the thin product's roofline is the memory's.
    machine = rl.Machine.of(H100)
    square = Gemm(m=8192, k=8192, n=8192)
    assert share_of_peak(square, machine, square.flops / H100.peak_flops("bf16")) == pytest.approx(1)
    assert roofline_time_s(square, machine) == pytest.approx(square.flops / H100.peak_flops("bf16"))
    thin = Gemm(m=1, k=8192, n=8192)
    assert roofline_time_s(thin, machine) == pytest.approx(thin.bytes / H100.memory_bytes_per_s)
    triad = Stream(kind="triad", mib=1024)
    assert triad.bytes == 3 * 2**30
    assert share_of_peak(triad, machine, triad.bytes / H100.memory_bytes_per_s) == pytest.approx(1)
    assert roofline_time_s(triad, machine) == pytest.approx(triad.bytes / H100.memory_bytes_per_s)
    # The matrix engine of an H100 has no FP32: unknown, and not zero.
    assert roofline_time_s(Gemm(m=1, k=8, n=8, precision="fp32"), machine) is None
    assert share_of_peak(Gemm(m=1, k=8, n=8, precision="fp32"), machine, 1.0) is None


# -------------------------------------------------------------------------------------------------------------- timing


def test_repeats_stop_when_they_agree():
    # hand: 1 % of spread over √n repeats is within 0.5 % from n = 4 on, and five are asked for; 20 % need all.
    near, far = [1.0, 1.01, 0.99, 1.0, 1.005] * 20, [1.0, 1.4, 0.8, 1.0, 1.2] * 4
    assert repeat(iter(near).__next__).repeats == 5
    assert repeat(iter(far).__next__, repeats=20).repeats == 20
    assert repeat(iter(far).__next__, repeats=20).median_s == 1.0


def test_repeats_stop_when_time_is_up():
    # hand: a clock that goes on by a second a look, first looked at after the third repeat, where 1.5 s are not up.
    clock = iter(range(100)).__next__
    assert repeat(iter([1.0, 2.0, 3.0, 4.0, 5.0]).__next__, limit_s=1.5, clock=clock).repeats == 4


def test_one_repeat_has_no_spread():
    # property: unknown is NaN, never zero.
    assert math.isnan(repeat(lambda: 1.0, repeats=1).spread)
    with pytest.raises(ValueError, match="repeats = 0 is not accepted"):
        repeat(lambda: 1.0, repeats=0)


@given(st.floats(1e3, 1e12), st.floats(1e3, 1e9), st.one_of(st.none(), st.floats(1e3, 1e12)))
def test_operands_fill_the_cache_and_fit_in_memory(size, cache, free):
    # property: what is called cold fills the cache four times over, and nothing takes more than there is.
    sets, cold = operand_sets(bytes=size, cache_bytes=cache, free_bytes=free)
    if sets and cold:
        assert sets * size >= COLD * cache * (1 - 1e-12)
    if free is not None:
        assert sets * size <= free
    assert sets <= 1 or sets * size < (COLD * cache + size) * (1 + 1e-12)


def fake_cuda(log, *, graphs):
    """PyTorch's CUDA as far as timing uses it, with a clock that goes on by a millisecond for every call."""
    now = [0.0]

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = now[0]

        def synchronize(self):
            log.append("waited")

        def elapsed_time(self, other):
            return other.at - self.at

    class Stream:
        def wait_stream(self, other):
            pass

    class CUDAGraph:
        def replay(self):
            log.append("replayed")
            now[0] += 4.0

    @contextmanager
    def graph(into):
        yield
        if not graphs:
            raise RuntimeError("operation not permitted when stream is capturing")

    @contextmanager
    def stream(of):
        yield

    def call():
        log.append("called")
        now[0] += 1.0

    cuda = SimpleNamespace(
        Event=Event, Stream=Stream, CUDAGraph=CUDAGraph, graph=graph, stream=stream, current_stream=Stream
    )
    return Device(SimpleNamespace(cuda=cuda), "cuda"), call


@pytest.mark.parametrize("graphs", [True, False])
def test_the_device_takes_its_own_time(graphs):
    # hand: four calls of a millisecond each, in one graph or started one by one; events tell the time of one.
    log = []
    device, call = fake_cuda(log, graphs=graphs)
    run, how = device.timed([call] * 4)
    log.clear()
    assert run() == pytest.approx(1e-3)
    assert how == ("CUDA graph" if graphs else "no graph")
    # A pass goes before the one that is timed, so that the device never waits for the host.
    assert log == [*(["replayed"] * 2 if graphs else ["called"] * 8), "waited"]


# --------------------------------------------------------------------------------------------------------------- power


def test_power_is_the_mean_after_it_settled():
    # hand: 100 W while the clocks settle, then 400 W; what is read before is left out.
    start = time.perf_counter()

    def read_w():
        return 100.0 if time.perf_counter() - start < 0.05 else 400.0

    assert Meter(read_w=read_w).mean_w(lambda: None, seconds=0.3, settle_s=0.06, every_s=0.001) == 400.0
    assert Meter(read_w=read_w).mean_w(lambda: None, seconds=0.0, settle_s=0.06) is None  # too short to tell


def test_power_that_cannot_be_read_is_unknown():
    # property: never zero.
    def broken():
        raise OSError("not supported")

    for read_w in (broken, lambda: 0.0):
        assert Meter(read_w=read_w).mean_w(lambda: None, seconds=0.02, settle_s=0.0, every_s=0.001) is None
    assert Meter(missing="nothing").mean_w(lambda: None) is None


def fake_nvml(*, fails=""):
    def usage(handle):
        if fails:
            raise RuntimeError(fails)
        return 412_500

    return SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: {"GPU-12-34": "this one"}[uuid],
        nvmlDeviceGetPowerUsage=usage,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 700_000,
    )


def test_nvml_is_asked_for_the_device_that_runs(monkeypatch):
    # hand: NVML counts in milliwatts, and is asked by the identifier that both know.
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    found = meter(FakeDevice())
    assert found.read_w() == 412.5
    assert found.limit_w == 700.0
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(fails="Insufficient Permissions"))
    assert meter(FakeDevice()).missing == "power is unknown: NVML says Insufficient Permissions"
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pip install nvidia-ml-py" in meter(FakeDevice()).missing
    assert "AMD Instinct MI300X does not have" in meter(FakeDevice(name="AMD Instinct MI300X", hip="6.2")).missing


# ------------------------------------------------------------------------------------------------- bench and records


class FakeDevice(Device):
    """A device that PyTorch would have, whose kernels take two milliseconds."""

    name = "NVIDIA H100 80GB HBM3"
    cache_bytes = 50e6
    free_bytes = 80e9
    properties = SimpleNamespace(uuid="12-34")

    def __init__(self, name=name, hip=None, seconds=(2e-3, 2.02e-3, 1.98e-3)):
        torch = SimpleNamespace(__version__="2.9.0", version=SimpleNamespace(hip=hip))
        super().__init__(torch, "cuda")
        vars(self).update(name=name, seconds=seconds)

    def elapsed_s(self, calls):
        for call in calls:
            call()
        return 2e-3 * len(calls)

    def timed(self, calls):
        return cycle(self.seconds).__next__, "CUDA graph"


@pytest.fixture
def fake_kernels(monkeypatch):
    """Kernels that do nothing, but for FP8, which this PyTorch does not have."""

    def prepare(work, device, sets):
        if work.precision == "fp8":
            raise RuntimeError("torch._scaled_mm is only supported on …\nmore lines")
        return [lambda: None] * sets, "scale per tensor" if work.precision == "int8" else ""

    monkeypatch.setattr(kernels, "prepare", prepare)


def test_records_say_what_was_run_and_how(fake_kernels):
    # hand: 2·64·4096·6144 FLOP in 2 ms are 1.61 TFLOP/s; 1 % of spread.
    bench = Bench(
        device=FakeDevice(), accelerator=H100, meter=SimpleNamespace(mean_w=lambda run, seconds: 400.0, limit_w=700.0)
    )
    works = [Gemm(m=64, k=4096, n=6144), Gemm(m=64, k=4096, n=6144, precision="fp8"), Stream(kind="copy", mib=64)]
    results = list(bench.measure([*works, Stream(kind="copy", mib=10**6)]))
    runs = bench.records(results)
    product, probe = runs
    assert (product.accelerator, product.phase, product.precision) == ("h100-sxm", "gemm", "bf16")
    assert (product.m, product.k, product.n, product.devices) == (64, 4096, 6144, 1)
    assert product.latency_s == pytest.approx(2e-3, rel=0.02)
    assert product.tflops == pytest.approx(2 * 64 * 4096 * 6144 / 2e-3 / 1e12, rel=0.02)
    assert product.spread == pytest.approx(0.01, rel=0.5)
    assert (product.power_w, product.power_boundary, product.power_limit_w) == (400.0, "device", 700.0)
    assert (product.framework, product.version, product.variant) == ("PyTorch", "2.9.0", "CUDA graph")
    assert "NVIDIA H100 80GB HBM3" in product.source
    assert probe.phase == "stream"
    assert probe.bytes_per_s == pytest.approx(2 * 64 * 2**20 / 2e-3, rel=0.02)
    # What could not be measured is there, with the reason in one line.
    eight, large = runs.rejected
    assert eight.reason == "NVIDIA H100 80GB HBM3 refuses it: torch._scaled_mm is only supported on …"
    assert eight.values["kernel"] == "fp8 64 × 4,096 × 6,144"
    assert large.reason == "its 2,097.2 GB do not fit in what memory is free"


def test_unknown_is_left_out_of_a_record(fake_kernels):
    # property: no meter, no power; one repeat, no spread; no accelerator, no share.
    bench = Bench(device=FakeDevice())
    (result,) = bench.measure([Gemm(m=1, k=64, n=64)], repeats=1)
    (run,) = bench.records([result])
    assert run.power_w is None
    assert run.power_boundary is None
    assert run.spread is None
    assert run.accelerator is None
    assert bench.roofline_share(result) is None
    assert bench.peak_share(result) is None
    refused = Result(work=result.work, reason="no")
    assert Bench(device=FakeDevice(), accelerator=H100).roofline_share(refused) is None


def test_shares_of_a_result():
    # hand: in twice the ideal time, half of it.
    bench = Bench(device=FakeDevice(), accelerator=H100)
    thin = Gemm(m=1, k=8192, n=8192)
    result = Result(work=thin, timing=Timing(2 * thin.bytes / 3.35e12, 0.0, 5))
    assert bench.roofline_share(result) == pytest.approx(0.5)
    assert bench.peak_share(result) == pytest.approx(0.5 * thin.flops / thin.bytes * 3.35e12 / H100.peak_flops("bf16"))


@pytest.mark.parametrize(
    ("name", "given", "key", "inferred", "note"),
    [
        ("NVIDIA H100 80GB HBM3", None, "h100-sxm", False, ""),
        ("NVIDIA H100", None, "h100-sxm", True, "leaves open which one it is"),
        ("NVIDIA GeForce GTX 1080", None, None, False, "use --accelerator KEY"),
        ("NVIDIA GeForce GTX 1080", "h100-sxm", "h100-sxm", False, ""),
        ("NVIDIA A100-SXM4-40GB", "a100-sxm-80gb", "a100-sxm-80gb", False, "the records say a100-sxm-80gb, as you do"),
    ],
)
def test_what_a_device_is(name, given, key, inferred, note):
    # hand: names as the drivers give them.
    bench = Bench.of(FakeDevice(name=name), accelerator=given, power=False)
    assert (bench.accelerator and bench.accelerator.key) == key
    assert bench.inferred == inferred
    assert note in " ".join(bench.notes)
    assert bool(note) == bool(bench.notes)


def test_a_package_of_dies_says_that_one_was_measured(fake_kernels):
    # hand: software sees an MI250X as two devices, and only one of them works here.
    bench = Bench.of(FakeDevice(name="AMD Instinct MI250X", hip="6.2"), power=False)
    (result,) = bench.measure([Stream(kind="read", mib=8)])
    assert result.variant == "CUDA graph, one of 2 dies"
    assert bench.machine.memory_bytes_per_s == hs.get("mi250x").memory_bytes_per_s / 2


def test_a_cpu_is_no_accelerator():
    # property: the records of a smoke test are never taken for a machine of the catalogue.
    device = Device(SimpleNamespace(__version__="2.9.0"), "cpu")
    assert Bench.of(device).accelerator is None
    with pytest.raises(ValueError, match="'h100-sxm' is not accepted with device = 'cpu'"):
        Bench.of(device, accelerator="h100-sxm")
    assert Bench.of(device, accelerator=H100.replace(key="mine")).accelerator.key == "mine"  # specified by the user


# ----------------------------------------------------------------------------------------------------------- the shell


def shell(capsys, *arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def h100(monkeypatch, fake_kernels):
    monkeypatch.setattr("roofline.measure.__main__.open_device", lambda kind: FakeDevice())


@pytest.mark.parametrize("command", ["gemm", "attention", "stream"])
def test_without_pytorch_it_says_how_to_get_it(capsys, monkeypatch, command):
    # property: one line, and the status of bad input.
    import_it = builtins.__import__

    def without_torch(name, *rest, **more):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
        return import_it(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_torch)
    status, out, err = shell(capsys, command)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "pip install 'inference-tco[measure]'" in err


def test_without_an_accelerator_it_says_how_to_try_it(capsys, monkeypatch):
    # property: one line; the CPU is never taken for an accelerator, and nothing else than what was asked for.
    nothing = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.9.0", cuda=nothing, xpu=nothing))
    status, out, err = shell(capsys, "stream")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "no accelerator: PyTorch 2.9.0 sees no device of cuda, xpu, hpu" in err
    assert "--device cpu --quick" in err
    assert "no device of xpu;" in shell(capsys, "stream", "--device", "xpu")[2]
    assert open_device("cpu").kind == "cpu"


def test_the_accelerator_that_is_there_is_taken(monkeypatch):
    # hand: Intel's, where there is no CUDA.
    there = {name: SimpleNamespace(is_available=lambda there=there: there) for name, there in
             (("cuda", False), ("xpu", True))}  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.9.0", **there))
    assert open_device().kind == "xpu"


def test_a_table_and_a_file_of_records(capsys, h100, tmp_path):
    # property: every kernel is in the table, and reading the file gives as many records as were written.
    path = tmp_path / "mine.csv"
    status, out, err = shell(capsys, "gemm", "--quick", "--dtype", "bf16,fp8", "--out", str(path))
    assert status == 0
    assert "compared with: NVIDIA H100 SXM5 80GB (h100-sxm)" in out
    rows = [line.split() for line in out.splitlines() if line.startswith("bf16")]
    # hand: 2·16·4096² FLOP in 2 ms are 0.268 TFLOP/s; weights and activations are 33.8 MB, 10.1 µs of an H100's memory.
    assert rows[1][:8] == ["bf16", "16", "×", "4,096", "×", "4,096", "2,000.0", "1.0%"]
    assert rows[1][8:] == ["0.268", "0.0%", "0.5%", "-"]
    assert out.count("3 records in ") == 1
    assert err.count("refuses it") == 1  # once, not for every kernel
    assert "3 left out: NVIDIA H100 80GB HBM3 refuses it" in out
    runs = read(path)
    assert (len(runs), runs.rejected) == (3, ())
    assert set(runs.accelerator) == {"h100-sxm"}
    assert np.all(runs.spread > 0)


def test_records_of_an_unknown_device_can_be_read(capsys, monkeypatch, fake_kernels, tmp_path):
    # property: no accelerator, and the device's name in the source; reading refuses none of them.
    monkeypatch.setattr("roofline.measure.__main__.open_device", lambda kind: FakeDevice(name="GTX 1080"))
    path = tmp_path / "mine.csv"
    status, _, err = shell(capsys, "attention", "--quick", "--out", str(path))
    assert status == 0
    assert "use --accelerator KEY" in err
    runs = read(path)
    assert (len(runs), runs.rejected) == (2, ())
    assert set(runs.accelerator) == {""}
    assert set(runs.llm) == {"llama-3.1-8b"}
    assert all("GTX 1080" in source for source in runs.source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gemm", "--accelerator", "h100-smx"], "h100-sxm"),
        (["gemm", "--llm", "llama-3.1-9b"], "llama-3.1-8b"),
        (["gemm", "--m", "", "--square", ""], "nothing is to be measured"),
        (["gemm", "--m", "0"], "m = 0 is not accepted"),
        (["stream", "--repeats", "0"], "repeats = 0 is not accepted"),
        (["attention", "--dtype", "fp8"], "dtype = 'fp8' is not accepted"),
        (["stream", "--out", "{tmp}/there.csv"], "not overwritten"),
        (["stream", "--out", "{tmp}/nowhere/mine.csv"], "there is no folder"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(capsys, h100, tmp_path, arguments, message):
    # property: one line that names what is wrong, status 2, and files that are there stay as they are.
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")
    status, out, err = shell(capsys, *(argument.format(tmp=tmp_path) for argument in arguments))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "mine"


def test_numbers_that_are_none_are_refused(capsys, h100):
    # property: argparse's own message, with what is accepted.
    with pytest.raises(SystemExit, match="2"):
        main(["gemm", "--m", "1,many"])
    assert "give whole numbers with commas between" in capsys.readouterr().err


def test_where_nothing_can_be_measured_the_status_says_so(capsys, h100, tmp_path):
    # property: no file of nothing.
    path = tmp_path / "mine.csv"
    status, out, _ = shell(capsys, "gemm", "--quick", "--dtype", "fp8", "--out", str(path))
    assert status == 1
    assert "0 measured; 3 left out" in out
    assert not path.exists()


def test_an_interrupted_run_keeps_what_it_has(capsys, h100, monkeypatch, tmp_path):
    # hand: the user has had enough during the second kernel.
    one = iter([True])

    def prepare(work, device, sets):
        if next(one, False):
            return [lambda: None], ""
        raise KeyboardInterrupt

    monkeypatch.setattr(kernels, "prepare", prepare)
    path = tmp_path / "mine.csv"
    status, out, _ = shell(capsys, "stream", "--quick", "--out", str(path))
    assert status == 130
    assert "1 records in" in out
    assert len(read(path)) == 1


def test_functions_return_what_the_shell_writes(monkeypatch, fake_kernels):
    # sibling: the same kernels, from a notebook; notes are warnings there.
    monkeypatch.setattr(measure, "open_device", lambda kind: FakeDevice(name="GTX 1080"))
    with pytest.warns(UserWarning, match="use --accelerator KEY"):
        runs = measure.gemm(quick=True)
    assert runs.m.tolist() == [1, 16, 512]
    monkeypatch.setattr(measure, "open_device", lambda kind: FakeDevice())
    assert len(measure.attention(quick=True)) == 2
    assert len(measure.stream(quick=True)) == 3


def test_nothing_heavy_is_imported_before_it_is_needed():
    # property: asking for help, or reading the docs, needs no PyTorch.
    code = "import sys, roofline.measure.__main__; sys.exit(bool({'torch', 'pynvml', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --------------------------------------------------------------------------------------------------- PyTorch on a CPU

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch (extra `measure`)")


@needs_torch
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, and the note that a CPU is no accelerator
@pytest.mark.parametrize("command", ["gemm", "attention", "stream"])
def test_smoke_on_the_cpu(capsys, tmp_path, command):
    # property: every kernel runs, and the records can be read.
    path = tmp_path / "mine.csv"
    status, out, _ = shell(capsys, command, "--device", "cpu", "--quick", "--out", str(path))
    assert status == 0
    runs = read(path)
    assert (len(runs), runs.rejected) == (2 if command == "attention" else 3, ())
    assert f"{len(runs)} records in" in out
    assert set(runs.framework) == {"PyTorch"}
    assert np.all(runs.latency_s > 0)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_kernels_do_what_they_are_called():
    # sibling: PyTorch's results against plain formulas on the same operands.
    device = open_device("cpu")
    (call,), _ = kernels.prepare(Gemm(m=4, k=64, n=32, precision="fp32"), device, 1)
    a, w, out = call.args
    call()
    np.testing.assert_allclose(out.numpy(), a.numpy() @ w.numpy().T, rtol=1e-4, atol=1e-4)
    (call,), _ = kernels.prepare(Attention(llm=LLAMA, batch=2, context_tokens=16, precision="fp32"), device, 1)
    q, k, v = (operand.numpy() for operand in call.args)
    assert q.shape == (2, 8, 4, 128)  # 32 heads, of which 4 share a KV head
    scores = np.exp(q @ k.swapaxes(-1, -2) / math.sqrt(128))
    np.testing.assert_allclose(call().numpy(), scores / scores.sum(-1, keepdims=True) @ v, rtol=1e-3, atol=1e-5)
    for kind in PASSES:
        (call,), _ = kernels.prepare(Stream(kind=kind, mib=1), device, 1)
        made = call()
        first, *others = (operand.numpy() for operand in call.args)
        assert first.nbytes == 2**20
        if kind == "read":
            assert float(made) == pytest.approx(float(first.sum(dtype=np.float64)), abs=1)
        else:
            expected = others[0] if kind == "copy" else others[0] + 2 * others[1]
            np.testing.assert_allclose(first, expected, rtol=1e-6)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_every_set_has_memory_of_its_own():
    # property: equal numbers at other addresses, so that no cache knows them.
    calls, _ = kernels.prepare(Gemm(m=4, k=64, n=32), open_device("cpu"), 3)
    addresses = {operand.data_ptr() for call in calls for operand in call.args}
    assert len(addresses) == 9
