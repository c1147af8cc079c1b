"""Calibrations as files and as names, on runs of one's own, and from the command line."""

from __future__ import annotations

import dataclasses
import pickle
import re

import numpy as np
import pytest

import hardware_specs as hs
import roofline as rl
from hardware_specs import CatalogError, UnknownNameError
from roofline.calibration import CONSTANTS, Losses, calibrations, load_calibrations, own_runs, save_calibrations
from roofline.calibration.__main__ import main, table
from roofline.calibration.design import design
from roofline.calibration.hierarchy import Pair, fit_one, likely, names_of
from roofline.calibration.own_runs import calibrate
from roofline.calibration.study import held_out, log_errors, mape, study, usable
from roofline.measurements import Runs, flag, read
from tests.roofline.test_calibration import PLANTED, START, calibration, row, rows, synthetic

SHIPPED = [pytest.param(one, id=f"{one.accelerator}-{one.software}") for one in calibrations()]
LLAMA, H100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")

# -- files -------------------------------------------------------------------------------------------------------------


def plain(one):
    """A calibration as nested plain values, numbers to four digits, weights to two."""

    def of(value, digits=4):
        if dataclasses.is_dataclass(value):
            return {
                field.name: of(getattr(value, field.name), 2 if field.name == "weights" else digits)
                for field in dataclasses.fields(value)
            }
        if hasattr(value, "items"):
            return {name: of(each, digits) for name, each in value.items()}
        if isinstance(value, tuple):
            return tuple(of(each, digits) for each in value)
        return float(f"{value:.{digits}g}") if isinstance(value, float) else value

    return of(one)


@pytest.mark.parametrize("one", SHIPPED)
def test_a_file_gives_back_what_was_saved(one, tmp_path):
    # property: to four digits; of what is shipped, which has four, exactly.
    path = tmp_path / "one.toml"
    save_calibrations([one], path)
    assert load_calibrations(path) == (one,)
    save_calibrations(load_calibrations(path), tmp_path / "again.toml")
    assert path.read_text(encoding="utf-8") == (tmp_path / "again.toml").read_text(encoding="utf-8")


def test_a_file_keeps_four_digits_of_anything(tmp_path):
    # property: odd names, no weights, one run, several devices.
    error = rl.calibration.Errors(runs=1, llms=('a "b"', "c.d"), fit=1 / 3, by_llm={'a "b"': 2 / 3, "c.d": 1e-9})
    spread = calibration(START).one.spread
    thirds = {name: about.high / 3 for name, about in CONSTANTS.items() if about.high / 3 > about.low}
    one = calibration(START, framework='my "own" \\ soft[ware]', version="1.0-β", date="2026-01-01",
                      sources=("me, “here”",), within={"batch": (1.0, 64.0), "precision": ("bf16", "fp8")},
                      several=Losses(constants=START | thirds, error=error, spread=spread))  # fmt: skip
    save_calibrations([one, calibration(START, accelerator="mi300x", framework="")], tmp_path / "two.toml")
    found, other = load_calibrations(tmp_path / "two.toml")
    assert plain(found) == plain(one)
    assert other.framework == ""
    assert other.accelerator == "mi300x"


BROKEN = {
    "[h100-sxm.ours.one.constants\n": r"bad\.toml: not valid TOML",
    "h100-sxm = 3\n": r"bad\.toml: h100-sxm: should be a table",
    "[h100-sxm]\nours = 3\n": r"bad\.toml: \[h100-sxm\.ours\]",
    "[h100-sxm.ours]\naccelerator = 'h100-sxm'\n": r"bad\.toml: \[h100-sxm\.ours\]: 'framework' is missing",
    "[h100-sxm.ours]\naccelerator = 'h100-sxm'\nframework = 'x'\n": r"\[h100-sxm\.ours\]: 'one' is missing",
}


@pytest.mark.parametrize("text", list(BROKEN))
def test_a_broken_file_is_refused_by_name_and_entry(text, tmp_path):
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=BROKEN[text]):
        load_calibrations(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (r"memory = .*", "memori = 0.5", "'memori' is not known.*memory"),
        (r"memory = .*", "memory = 1.5", r"memory = 1\.5 is not accepted: 0\.005 to 1"),
        (r"memory = .*", "memory = 0.0", r"memory = 0\.0 is not accepted"),
        (r"memory = .*", "memory = nan", "memory = nan is not accepted"),
        (r"memory = .*", "memory = true", "memory = True is not accepted"),
        (r"memory = .*", "memory = 'fast'", "memory = 'fast' is not accepted"),
        (r"scale = .*", "scale = -1.0", "scale"),
        (r"freedom = .*", "fredom = 3.0", "fredom"),
        (r"fit = .*", "fits = 0.1", "fits"),
        (r"runs = .*", "", "runs"),
        (r"llms = .*", "", "'llms' is missing"),
    ],
)
def test_a_wrong_entry_is_refused(was, becomes, message, tmp_path):
    path = tmp_path / "bad.toml"
    save_calibrations([calibration(START)], path)
    text, changed = re.subn(f"^{was}$", becomes, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert changed == 1
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=rf"bad\.toml: \[h100-sxm\.ours\]: .*{message}"):
        load_calibrations(path)


def test_no_text_is_refused(tmp_path):
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match=r"bad\.toml: not UTF-8"):
        load_calibrations(tmp_path / "bad.toml")


# -- what is shipped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", SHIPPED)
def test_what_is_shipped_is_sound(one):
    # property: sourced, dated, of a machine and models of the catalogues, with errors and a spread that fit them.
    assert hs.get(one.accelerator).key == one.accelerator
    assert one.sources
    assert all(one.sources)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", one.date)
    assert set(one.within) == {"batch", "tokens", "devices", "precision"}
    assert all(one.within[name][0] <= one.within[name][1] for name in ("batch", "tokens", "devices"))
    for losses in filter(None, (one.one, one.several)):
        error = losses.error
        assert error.runs >= len(error.llms) >= 1
        assert all(rl.get_llm(llm).key == llm for llm in error.llms)
        assert set(error.by_llm) <= set(error.llms)
        assert 0 <= error.fit < 0.35
        assert (error.leave_one_model_out is None) == (len(error.llms) == 1)
        assert 0.01 <= losses.spread.scale <= 0.4
        assert 2 <= losses.spread.freedom <= 30
        assert set(losses.weights) <= set(losses.constants) == set(CONSTANTS)
        assert all(0 <= weight <= 1 for weight in losses.weights.values())


@pytest.mark.parametrize("one", SHIPPED)
def test_what_is_shipped_is_no_faster_than_the_machine(one):
    # property: a calibrated estimate of a workload that was measured is slower than the ideal one.
    devices, precision = int(one.within["devices"][0]), one.within["precision"][0]
    of = {"batch": 1, "context_tokens": 512, "precision": precision, "tensor_parallel": devices}
    llm, device = rl.get_llm("llama-2-7b"), hs.get(one.accelerator)
    if device.scale_up is None and devices > 1:
        pytest.skip("the link's bandwidth is not published")
    assert rl.decode(llm, device, calibration=one, **of).time_s > rl.decode(llm, device, **of).time_s


def test_one_calibration_for_each_machine_and_software():
    keys = [(one.accelerator, one.framework, one.version) for one in calibrations()]
    assert len(set(keys)) == len(keys)
    assert tuple(keys) == rl.calibration.calibration_names()


@pytest.mark.parametrize("name", ["h100", "H100-SXM", "h100-sxm"])
@pytest.mark.parametrize("framework", ["vllm", "vLLM", "VLLM"])
def test_names_are_found_in_any_case(name, framework):
    found = rl.get_calibration(name, framework)
    assert (found.accelerator, found.framework) == ("h100-sxm", "vLLM")


@pytest.mark.parametrize("one", SHIPPED)
def test_each_is_found_by_its_software(one):
    # property: framework and version name one, the framework alone one with this framework.
    assert rl.get_calibration(one.accelerator, one.software) is one
    assert rl.get_calibration(one.accelerator, one.framework).framework == one.framework


def test_precision_is_preferred_as_far_as_there_is_one():
    for one in calibrations():
        for precision in ("bf16", "fp8", "w4a16"):
            found = rl.get_calibration(one.accelerator, precision=precision)
            among = [other for other in calibrations() if other.accelerator == one.accelerator]
            if any(precision in other.within["precision"] for other in among):
                assert precision in found.within["precision"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("b300",), "no calibration of 'b300'.*there are a100-sxm-40gb, .*sn40l"),
        (("h100-sxm", "sglang"), "no calibration of h100-sxm with 'sglang': there are .*vLLM"),
        (("",), "no calibration of ''"),
        ((None,), "no calibration of None"),
    ],
)
def test_what_there_is_none_of_names_what_there_is(asked, message):
    with pytest.raises(UnknownNameError, match=message):
        rl.get_calibration(*asked)


def test_another_machine_is_refused():
    one = rl.get_calibration("h100-sxm", "vLLM")
    with pytest.raises(ValueError, match=r"calibration is of h100-sxm, not of h200-sxm: .*get_calibration\('h200-sxm'"):
        rl.decode(LLAMA, hs.get("h200-sxm"), batch=1, context_tokens=100, calibration=one)
    with pytest.raises(ValueError, match="has losses of its own already"):
        rl.decode(LLAMA, rl.Machine.of(H100).replace(overhead_s=1e-6), batch=1, context_tokens=9, calibration=one)


def test_pickled_and_compared():
    for one in calibrations():
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert repr(again) == repr(one)
        assert again.one.constants["memory"] == one.constants["memory"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"batch": 4096}, "batch 4,?096"),
        ({"context_tokens": 8192}, "tokens 8,?192"),
        ({"precision": "fp8"}, "fp8"),
        ({"tensor_parallel": 8}, "devices 8"),
    ],
)
def test_beyond_what_was_measured_is_said(changes, word):
    within = {"batch": (1.0, 64.0), "tokens": (256.0, 4096.0), "devices": (1.0, 4.0), "precision": ("bf16",)}
    one = calibration(START, within=within)
    inside = {"batch": 16, "context_tokens": 1024, "precision": "bf16"}
    assert not [text for text in rl.decode(LLAMA, H100, calibration=one, **inside).warnings if "measured" in text]
    step = rl.decode(LLAMA, H100, calibration=one, **inside | changes)
    (said,) = [text for text in step.warnings if "measured" in text]
    assert re.search(word, said)
    assert "h100-sxm" in said
    assert said.count(" where ") == 1


# -- runs of one's own -------------------------------------------------------------------------------------------------


def test_a_few_runs_stay_near_what_is_shipped():
    # property: two short runs leave constants where other machines have them, and fit.
    vllm = {"framework": "vLLM"}
    runs = rows(vllm | {"latency_s": 1.2}, vllm | {"batch": 16, "latency_s": 1.6})
    found = calibrate(runs)
    shipped = rl.get_calibration("h100-sxm", "vLLM")
    for name in ("matrix", "memory", "kv", "step_s"):
        off = abs(np.log(found.constants[name] / shipped.constants[name]))
        assert off < 2 * CONSTANTS[name].width, name
    assert found.error.fit < 0.1
    assert found.error.leave_one_model_out is None
    assert found.error.runs == 2
    assert found.within["batch"] == (1.0, 16.0)


def test_many_runs_outweigh_what_is_shipped():
    # property: constants planted far from what is shipped are found, whoever starts where.
    runs, true = synthetic(PLANTED)
    for shipped in (True, False):
        found = calibrate(runs, shipped=shipped)
        np.testing.assert_allclose(rl.calibration.predict(runs, found), true, rtol=0.04)
        assert found.error.runs == len(runs)
        assert len(found.error.by_llm) == 3
        assert found.constants["memory"] == pytest.approx(PLANTED["memory"], rel=0.06)


KERNEL = {"accelerator": "h100-sxm", "phase": "gemm", "m": 64, "k": 64, "n": 64, "precision": "bf16", "tflops": 1.0}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (
            rows({}, {"accelerator": "a100-sxm-80gb"}),
            r"several values of accelerator: h100-sxm, a100-sxm-80gb; .*where",
        ),
        (rows({}, {"framework": "vLLM"}), "several values of framework: ours, vLLM"),
        (rows({}, {"framework": ""}), r"several values of framework: ours, \(unnamed\)"),
        (rows({"version": "1"}, {"version": "2"}), "several values of version: 1, 2"),
        (Runs({}), "no run of 0 can be used: there is none"),
        (rows({"batch": None}), "1 lack a machine or model"),
        (rows({"accelerator": "my-own"}), "1 lack a machine"),
        (Runs.from_rows([KERNEL]), "runs of gemm are no generations, prefills or decode steps"),
        (flag(rows({"latency_s": 1e-6})), "no run of 1 can be used: 1 faster than the hardware"),
        ([row()], r"runs = \[.* is not accepted: give Runs"),
        (None, "runs = None is not accepted"),
    ],
)
def test_runs_that_give_no_calibration_say_why(runs, message):
    with pytest.raises(ValueError, match=message):
        calibrate(runs)


def test_only_several_devices_are_enough():
    found = calibrate(rows({"devices": 4, "latency_s": 0.9}, {"devices": 4, "batch": 16, "latency_s": 1.2}))
    assert found.several is None
    assert found.within["devices"] == (4.0, 4.0)
    made = rl.generate(LLAMA, H100, prompt_tokens=128, output_tokens=128, tensor_parallel=4, calibration=found)
    assert float(made.latency_s) == pytest.approx(0.9, rel=0.2)


def test_own_calibrations_are_saved_as_shipped_ones_are(tmp_path):
    found = calibrate(rows({"latency_s": 0.9}, {"batch": 16, "latency_s": 1.2}))
    save_calibrations([found], tmp_path / "mine.toml")
    (again,) = load_calibrations(tmp_path / "mine.toml")
    assert again.error.runs == 2
    assert again.constants["memory"] == pytest.approx(found.constants["memory"], rel=1e-3)


# -- the studies behind ------------------------------------------------------------------------------------------------


def test_a_study_keeps_devices_and_machines_apart():
    # property: one entry for each machine and software, one device before several; flagged runs are left out.
    runs = flag(rows({}, {"batch": 4}, {"devices": 2}, {"accelerator": "h200-sxm"}, {"batch": 16, "latency_s": 1e-6}))
    found = study(runs)
    assert [(one.pair.accelerator, one.several, len(one.runs)) for one in found] == [
        ("h100-sxm", False, 2), ("h200-sxm", False, 1), ("h100-sxm", True, 1)
    ]  # fmt: skip
    assert np.isnan(found[1].mape("llm"))
    assert not np.isnan(found[0].mape("batch"))


PAIRS = (("gaudi-2", "DeepSpeed"), ("gh200-96gb", "TensorRT-LLM"))


@pytest.mark.parametrize(("accelerator", "framework"), PAIRS)
def test_printed_errors_are_those_of_the_data(accelerator, framework, shared):
    # measured: the runs are read, fitted and held out again, with the other shipped calibrations as what is likely.
    folder = shared / "measured" / "upstream"
    runs = read(folder / "llm_inference_bench_all_results.csv") + read(folder / "llm_inference_bench_ttft_itl.csv")
    runs = flag(runs).where(accelerator=accelerator, framework=framework, devices=1)
    shipped = rl.get_calibration(accelerator, framework)
    known = {pair: fit for pair, fit in own_runs._shipped_fits()[0].items()
             if (pair.accelerator, pair.framework) != (accelerator, framework)}  # fmt: skip
    chosen = usable(runs)
    pair, made = Pair(accelerator, framework), design(chosen)
    known[pair] = own_runs._shipped_fits()[0][pair]  # where the search begins; its own prior leaves it out
    assert likely(pair, known, names_of(made)) == likely(
        pair, {other: fit for other, fit in known.items() if other != pair}, names_of(made)
    )
    found = fit_one(pair, made, known)
    off = held_out(pair, made, chosen.llm, known, None, {})
    assert len(chosen) == shipped.error.runs
    assert mape(log_errors(made, found)) == pytest.approx(shipped.error.fit, abs=0.005)
    assert mape(off[~np.isnan(off)]) == pytest.approx(shipped.error.leave_one_model_out, abs=0.01)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_prints_what_is_shipped(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(1 + (one.several is not None) for one in calibrations())
    assert any("`h100-sxm` | vLLM | 1 |" in line for line in lines)
    assert len({line.count("|") for line in lines}) == 1
    assert lines == table(calibrations()).splitlines()


@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2\n", b"\x00\xff\xfe", b"{", b"[]", b"[table]\nx=1"])
def test_the_command_refuses_a_bad_file_in_one_line(content, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.err.startswith("python -m roofline.calibration: error: ")


def test_the_command_calibrates_a_file(tmp_path, capsys):
    lines = ["accelerator,llm,devices,precision,framework,phase,batch,prompt_tokens,output_tokens,latency_s"]
    lines += [f"h100-sxm,{llm},1,bf16,ours,generate,{batch},128,128,{seconds}"
              for llm in ("llama-3.1-8b", "llama-2-7b") for batch, seconds in ((1, 1.2), (16, 1.5))]  # fmt: skip
    (tmp_path / "runs.csv").write_text("\n".join(lines), encoding="utf-8")
    assert main([str(tmp_path / "runs.csv"), "--out", str(tmp_path / "made")]) == 0
    assert "4 runs read, 0 flagged" in capsys.readouterr().out
    (one,) = load_calibrations(tmp_path / "made" / "h100-sxm.toml")
    assert (one.framework, one.error.runs, one.error.llms) == ("ours", 4, ("llama-3.1-8b", "llama-2-7b"))
