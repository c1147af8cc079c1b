"""The shell: what a planner types, sees, and gets wrong."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

import hardware_specs as hs
import roofline as rl
import tco
from tco import forecast
from tco.cli import main

MAIN_JOB = ["compare", "gaudi-2", "h100-sxm", "--llm", "llama-3.1-8b"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def drawn():
    """For a test that looks at the picture of a comparison."""


@pytest.fixture(autouse=True)
def _undrawn(request, monkeypatch):
    """Leave the picture out, which is 95 % of a run, where a test reads what is said."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("tco.cli._draw_comparison", lambda result, names, picture: None)


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def costs_file(tmp_path, text, name="costs.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_main_job_says_everything_that_it_should(drawn, capsys, tmp_path):
    status, out, err = run(capsys, *MAIN_JOB)
    assert (status, err) == (0, "")
    for part in (
        "gaudi-2 is cheaper",
        "R_Th",
        "R_SC",
        "R_IC",
        "What would change it",
        "cheaper above",
        "cheaper below",
        "[derived]",
        "[published]",
        "[default]",
        "[modelled]",
        "upper bound",
        "USD per million generated tokens",
    ):
        assert part in out, part
    assert (tmp_path / "tco-gaudi-2-vs-h100-sxm.png").read_bytes().startswith(b"\x89PNG")
    # every default of the facility that costs anything is named with its source
    of_no_account = {"payments_per_year", "grid_gco2_per_kwh", "wue_l_per_kwh"}
    defaults = {field for field in tco.Facility.model_fields if getattr(tco.Facility(), field) is not None}
    assert all(f"{field}: " in out for field in defaults - of_no_account)


@pytest.mark.parametrize("arguments", [(), ("--ideal",), ("--framework", "SynapseAI,TensorRT-LLM")], ids=" ".join)
def test_json_is_json_alone_and_agrees_with_the_library(capsys, arguments):
    # sibling: the shell's numbers against the same comparison made in Python.
    status, out, _ = run(capsys, *MAIN_JOB, "--json", *arguments)
    data = json.loads(out)
    workload = {"batch": 64, "context_tokens": 2048, "precision": "fp8"}
    llm = rl.get_llm("llama-3.1-8b")
    servers = [hs.get_server(server) for server in ("gaudi-2-hls", "dgx-h100")]
    devices = [hs.get(server.accelerator) for server in servers]
    if "--ideal" in arguments:
        calibrations = [None, None]
    elif arguments:
        calibrations = [
            rl.get_calibration(device.key, framework, precision="fp8")
            for device, framework in zip(devices, arguments[1].split(","), strict=True)
        ]
    else:
        calibrations = forecast.choose(*(forecast.Side(device, "fp8", 64, 2048, 1) for device in devices))[:2]
        assert None not in calibrations
    a, b = (
        tco.Deployment(server, tco.Facility(), rl.decode(llm, device, calibration=calibration, **workload))
        for server, device, calibration in zip(servers, devices, calibrations, strict=True)
    )
    c = tco.compare(a, b)
    assert status == 0
    assert data["kind"] == ("ideal roofline" if "--ideal" in arguments else "calibrated roofline")
    assert data["probability_a_cheaper"] == c.probability_a
    assert data["verdict"] == c.verdict()
    for key in ("r_th", "r_sc", "r_ic", "server_share", "ratio", "break_even_throughput", "break_even_server_cost"):
        assert data[key] == float(getattr(c, key)), key
    assert len(data["assumptions"]) == len(c.assumptions)
    assert all(item["source"] and item["origin"] for item in data["assumptions"])


def test_measured_losses_count_where_both_sides_have_them(capsys):
    # property: the output says what was calibrated, on what and how far off; --ideal turns it off, and where one side
    # was never measured neither side is calibrated, since a forecast against an upper bound would favour the bound.
    calibrated = " ".join(run(capsys, *MAIN_JOB)[1].split())
    for part in (
        "Throughput of gaudi-2: calibrated on",
        "Throughput of h100-sxm: calibrated on",
        "off on models that were held out",
        "90% interval",
        "cheaper with a probability of",
    ):
        assert part in calibrated, part
    assert "ideal roofline" not in calibrated
    ideal = " ".join(run(capsys, *MAIN_JOB, "--ideal")[1].split())
    assert "Throughputs are ideal rooflines: upper bounds" in ideal
    assert "calibrated" not in ideal
    assert "probability" not in ideal
    status, out, _ = run(capsys, "compare", "b200", "h100-sxm", "--llm", "llama-3.1-8b")
    assert status == 0
    assert "Throughputs are ideal rooflines (no calibration of b200)" in " ".join(out.split())


def test_runs_of_ones_own_come_before_what_is_shipped(capsys, tmp_path):
    # property: machines that were measured at 60 % and 30 % of their ideal rooflines, at every batch and in two models,
    # stand to each other as ideal machines do, times two.
    path = tmp_path / "own.csv"
    rows = ["accelerator,devices,llm,precision,framework,phase,batch,context_tokens,output_tokens_per_s"]
    for accelerator, share in (("gaudi-2", 0.6), ("h100-sxm", 0.3)):
        for name in ("llama-3.1-8b", "qwen3-8b"):
            for batch in (4, 16, 64):
                asked = {"batch": batch, "context_tokens": 2048, "precision": "fp8"}
                ideal = rl.decode(rl.get_llm(name), hs.get(accelerator), **asked)
                rows.append(f"{accelerator},1,{name},fp8,ours,decode,{batch},2048,{share * float(ideal.tokens_per_s)}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    status, out, err = run(capsys, *MAIN_JOB, "--runs", path, "--json")
    assert (status, err) == (0, "")
    data = json.loads(out)
    ideal = json.loads(run(capsys, *MAIN_JOB, "--ideal", "--json")[1])
    assert data["r_th"] == pytest.approx(2 * ideal["r_th"], rel=0.1)
    assert data["r_th_low"] < data["r_th"] < data["r_th_high"]
    assert data["ratio"] == pytest.approx(ideal["ratio"] * ideal["r_th"] / data["r_th"], rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ideal", "--framework", "vLLM"), "--ideal takes neither --runs nor --framework"),
        (("--framework", "vLLM,SGLang,TGI"), "framework = 'vLLM,SGLang,TGI' is not accepted: give one name, or two"),
        (("--framework", "SGLang"), "SGLang"),
        (("--runs", "absent.csv"), "absent.csv"),
    ],
)
def test_bad_calibrations_get_one_message(capsys, arguments, message):
    status, out, err = run(capsys, *MAIN_JOB, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_private_costs_stay_private_until_revealed(capsys, tmp_path):
    text = "[facility]\nusd_per_kwh = 0.0713\n[servers.gaudi-2-hls]\nprice_usd = 123457\npower_w = 7531\n"
    path = costs_file(tmp_path, text)
    secrets = ("0.0713", "123457", "123,457", "7531", "7,531", f"{123457 / 269000}"[:7])
    for arguments in ((), ("--json",)):
        status, out, _ = run(capsys, *MAIN_JOB, "--costs", path, *arguments)
        assert status == 0
        assert not any(secret in out for secret in secrets)
        assert "usd_per_year" not in out
        assert "USD per million generated tokens" not in out
    _, out, _ = run(capsys, *MAIN_JOB, "--costs", path, "--reveal")
    assert "123,457" in out
    assert "USD per million generated tokens" in out
    _, out, _ = run(capsys, *MAIN_JOB, "--costs", path, "--reveal", "--json")
    assert {item["value"] for item in json.loads(out)["assumptions"]} >= {123457.0, 7531.0, 0.0713}


def test_costs_may_be_json_and_describe_a_server_of_your_own(capsys, tmp_path):
    # property: the same numbers in either format give the same answer; an own server serves by its accelerator's name.
    toml = costs_file(
        tmp_path, '[servers.my-l4]\naccelerator = "l4"\naccelerators = 4\nprice_usd = 20000\npower_w = 900\n'
    )
    as_json = costs_file(
        tmp_path,
        json.dumps(
            {"servers": {"my-l4": {"accelerator": "l4", "accelerators": 4, "price_usd": 20000, "power_w": 900}}}
        ),
        "costs.json",
    )
    job = ["compare", "l4", "h100-sxm", "--llm", "llama-3.2-3b", "--batch", "16", "--json"]
    answers = [json.loads(run(capsys, *job, "--costs", path)[1])["ratio"] for path in (toml, as_json)]
    assert answers[0] == answers[1] > 0
    status, _, err = run(capsys, *job)
    assert status == 2
    assert "l4" in err


def test_each_side_may_have_its_own_precision(capsys):
    status, out, _ = run(capsys, "compare", "a100", "h100", "--llm", "qwen3-8b", "--precision", "w8a16,fp8", "--json")
    assert status == 0
    assert json.loads(out)["r_th"] < 1


def test_prefill_and_tensor_parallel(capsys):
    job = ["compare", "gaudi-3", "h200", "--llm", "llama-3.3-70b", "--phase", "prefill", "--tp", "2"]
    status, out, _ = run(capsys, *job)
    assert status == 0
    assert "prefill of Llama 3.3 70B" in out
    assert "batch 1, 2,048 prompt tokens, fp8, tensor parallel 2" in out
    assert "prompt token costs" in out
    assert "no latency ceiling: link_latency_s of Intel Gaudi 3" in " ".join(out.split())


def test_cautions_name_what_could_turn_the_answer(capsys):
    # sibling: the ratio at the other price, from the library with that price.
    job = ["compare", "mi300x", "h100", "--llm", "llama-3.3-70b", "--tp", "8", "--json", "--ideal"]
    data = json.loads(run(capsys, *job)[1])
    assert any("unlike kinds" in caution for caution in data["cautions"])
    at_high_end = next(caution for caution in data["cautions"] if "high end" in caution)
    llm = rl.get_llm("llama-3.3-70b")
    a, b = (
        tco.Deployment(
            server,
            tco.Facility(),
            rl.decode(
                llm,
                hs.get(server.accelerator),
                batch=64,
                context_tokens=2048,
                precision="fp8",
                tensor_parallel=8,
            ),
        )
        for server in (
            hs.get_server("mi300x-8gpu").replace(price_usd=15_000 * 8 * 1.64),
            hs.get_server("dgx-h100"),
        )
    )
    assert float(at_high_end.split()[-1]) == pytest.approx(float(tco.compare(a, b).ratio), abs=5e-4)


def test_a_folder_that_takes_no_file_still_gets_the_answer(drawn, capsys, monkeypatch):
    def refuse(*_):
        raise ValueError("x.png cannot be written: Permission denied")

    monkeypatch.setattr(tco.plot, "save", refuse)
    status, out, err = run(capsys, *MAIN_JOB)
    assert status == 0
    assert "gaudi-2 is cheaper" in out
    assert "Heatmap:" not in out
    assert "no heatmap: x.png cannot be written" in err
    assert run(capsys, *MAIN_JOB, "--out", "x.png")[0] == 2


def test_two_servers_of_ones_own_for_one_accelerator_must_be_named(capsys, tmp_path):
    box = 'accelerator = "gaudi-2"\naccelerators = 8\nprice_usd = 150000\npower_w = 7000\n'
    path = costs_file(tmp_path, f"[servers.box-a]\n{box}[servers.box-b]\n{box}")
    status, _, err = run(capsys, *MAIN_JOB, "--costs", path)
    assert status == 2
    assert "gaudi-2 could mean box-a or box-b" in err
    assert run(capsys, "compare", "box-a", "h100", "--llm", "llama-3.1-8b", "--costs", path)[0] == 0
    assert "did you mean box-a" in run(capsys, "compare", "boxa", "h100", "--llm", "llama-3.1-8b", "--costs", path)[2]


def test_version(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.startswith("inference-tco 0.")


def test_surface_roofline_hardware_and_llms(capsys, tmp_path):
    status, out, _ = run(capsys, "surface", "--r-th", "0.5,1", "--r-sc", "0:1:3", "--out", "s.svg")
    assert status == 0
    assert "0.50" in out
    assert (tmp_path / "s.svg").exists()
    data = json.loads(run(capsys, "surface", "--r-th", "0.5,1", "--r-sc", "0:1:3", "--json")[1])
    assert data["ratio"] == [[1.0, 1.5, 2.0], [0.5, 0.75, 1.0]]  # hand: (R_SC + 1)/(2·R_Th)

    status, out, _ = run(capsys, "roofline", "h100", "--llm", "llama-3.1-8b", "--out", "r.png")
    assert status == 0
    assert "attention" in out
    assert (tmp_path / "r.png").exists()
    data = json.loads(run(capsys, "roofline", "h100", "--llm", "llama-3.1-8b", "--json")[1])
    assert sum(operation["time_s"] for operation in data["operations"]) == pytest.approx(data["time_s"], rel=1e-12)

    status, out, _ = run(capsys, "hardware")
    assert all(name in out for name in hs.names())
    assert "not known" not in out
    assert "sources" in run(capsys, "hardware", "gaudi-3", "dgx-h100")[1]
    assert set(json.loads(run(capsys, "hardware", "--json")[1])) == set(hs.names())

    assert all(name in run(capsys, "llms")[1] for name in rl.llm_names())
    assert "sources" in run(capsys, "llms", "gemma-2-9b")[1]
    assert json.loads(run(capsys, "llms", "llama-3.1-8b", "--json")[1])["llama-3.1-8b"]["parameters"] == 8030261248


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "gaudi-22", "h100-sxm", "--llm", "llama-3.1-8b"], "did you mean gaudi-2"),
        (["compare", "gaudi-2", "h100-sxm", "--llm", "lama-3.1-8b"], "llama-3.1-8b"),
        ([*MAIN_JOB, "--precision", "fp9"], "did you mean fp8"),
        ([*MAIN_JOB, "--precision", "fp8,fp8,fp8"], "give one name, or two as A,B"),
        ([*MAIN_JOB, "--batch", "0"], "batch = 0 is not accepted: give a whole number of at least 1"),
        ([*MAIN_JOB, "--context", "0"], "context_tokens = 0 is not accepted"),
        ([*MAIN_JOB, "--context", "200000"], "at most 131,072"),
        ([*MAIN_JOB, "--batch", "5000"], "What would fit: a batch of"),
        (["compare", "a100", "h100", "--llm", "llama-3.1-8b"], "fp8"),
        (
            ["roofline", "rtx-pro-6000-workstation", "--llm", "llama-3.1-8b"],
            "rtx-pro-6000-workstation: no dense matrix peak is known",
        ),
        ([*MAIN_JOB, "--costs", "none.toml"], "none.toml: cannot be read: No such file"),
        ([*MAIN_JOB, "--out", "no/such/folder/x.png"], "no/such/folder"),
        (["roofline", "h100", "--llm", "llama-3.1-70b"], "What would fit"),
        ([*MAIN_JOB, "--out", "picture.bmp"], "picture.bmp"),
        ([*MAIN_JOB, "--tp", "3"], "tensor_parallel = 3 is not accepted"),
        (["surface", "--r-th", "0:1:3"], "r_th = 0 is not accepted"),
        (["surface", "--r-th", "a:b"], "--r-th = 'a:b' is not accepted: give FIRST:LAST:COUNT"),
        (["surface", "--r-th", "0.1:2:100000000000"], "with COUNT from 1 to 1000"),
        (["surface", "--point", "x"], "give LABEL=R_SC,R_TH"),
        (["surface", "--server-share", "2"], "server_share = 2 is not accepted"),
        (["hardware", "nothing-like-it"], "nothing-like-it"),
        (["llms", "gpt-5"], "gpt-5"),
    ],
)
def test_bad_input_gets_one_message_and_status_2(drawn, capsys, tmp_path, arguments, message):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert err.startswith(f"tco {arguments[0]}: error: ")
    assert list(tmp_path.iterdir()) == []  # nothing half-written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[facility]\npu = 1.2\n", "costs.toml, line 2: facility.pu: unknown field; did you mean pue?"),
        ("[facility]\npue = 1.2\npue = 1.3\n", "line 3"),
        ("[facility]\npue = \n", "not valid TOML"),
        ("[facility]\npue = 125\n", "costs.toml, line 2: facility.pue: should be less than or equal to 3"),
        ('[facility]\nusd_per_kwh = "8.31 ct"\n', "line 2: facility.usd_per_kwh: should be a valid number"),
        ("[facility]\nusd_per_kwh = nan\n", "line 2: facility.usd_per_kwh: should be a finite number"),
        ("[facility]\nload = true\n", "line 2: facility.load: should be a valid number"),
        ("[servers.gaudi-2-hls]\npower_w = 7.53\n", "line 2: servers.gaudi-2-hls.power_w: should be in watts"),
        ("[servers.gaudi-2-hls]\npower_w = 75.3\n", "servers.gaudi-2-hls.power_w is below a tenth of the TDP"),
        (
            "[servers.gaudi-2-hls]\nprice_usd = 83.117\n",
            "line 2: servers.gaudi-2-hls.price_usd: should be in US dollars",
        ),
        ("[facility]\nrack_power_kw = 8.31\n", "rack_power_kw is below what one server needs"),
        ("[facility]\npue = 1,2\n", "numbers take no commas"),
        ("[servers.gaudi-2-hls]\nprice_usd = -83117\n", "line 2: servers.gaudi-2-hls.price_usd: should be a finite"),
        ("[servers.gaudi-2-hls]\nprice_eur = 83117\n", "line 2: servers.gaudi-2-hls.price_eur: unknown field"),
        ("[servers.dgx-h10]\nprice_usd = 83117\n", "line 1: servers.dgx-h10: unknown server; did you mean dgx-h100"),
        ('[servers.mine]\naccelerator = "l4"\n', "servers.mine.accelerators: is required"),
        ('[servers.mine]\naccelerator = "l44"\naccelerators = 1\n', "l44"),
        ("[servers.Mine]\nprice_usd = 83117\n", "line 1: servers.Mine: a server's key is of lower case letters"),
        ("[server]\nx = 1\n", "line 1: server: unknown table; did you mean servers?"),
        ("servers = 3\n", "servers: should hold one table per server"),
        ("[servers]\nmine = 3\n", "servers.mine: should be a table"),
        ('[servers.dgx-h100]\naccelerator = "l4"\n', "line 2: servers.dgx-h100.accelerator: is fixed for a server"),
        ('[servers.dgx-h100.sources]\ndefault = "vendor"\n', "servers.dgx-h100.sources: unknown field"),
        ("[servers.gaudi-2-hls]\n[servers.hls-gaudi2]\nprice_usd = 83117\n", "names gaudi-2-hls a second time"),
    ],
)
def test_a_mistake_in_the_costs_file_is_named_with_its_line_and_without_its_value(capsys, tmp_path, text, message):
    path = costs_file(tmp_path, text)
    status, out, err = run(capsys, *MAIN_JOB, "--costs", path)
    assert (status, out) == (2, "")
    assert message in err
    said = err.replace(str(tmp_path), "")  # whose number may be any
    assert not any(secret in said for secret in ("83117", "8.31", "7.53", "75.3", "83.1", "125"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["costs.toml"]


def test_a_json_key_given_twice(capsys, tmp_path):
    path = costs_file(tmp_path, '{"facility": {"pue": 1.1, "pue": 1.2}}', "costs.json")
    status, _, err = run(capsys, *MAIN_JOB, "--costs", path)
    assert status == 2
    assert "pue is given twice" in err


def test_a_broken_file_is_attached_to_no_error(tmp_path):
    # property: loggers that walk an error's context find nothing of the file there.
    for name, text in (("a.json", '{"facility": {"pue": 83117'), ("a.toml", "[facility]\npue = 83117 1\n")):
        with pytest.raises(tco.CostsError) as error:
            tco.read_costs(costs_file(tmp_path, text, name))
        assert error.value.__context__ is None
        assert error.value.__cause__ is None
        assert "83117" not in str(error.value)


def test_all_mistakes_come_in_one_run(capsys, tmp_path):
    path = costs_file(tmp_path, "[facility]\npu = 1\nload = 7\n[servers.dgx-h10]\nprice_usd = 1\n[other]\n")
    _, _, err = run(capsys, *MAIN_JOB, "--costs", path)
    assert [part in err for part in ("line 2", "line 3", "line 4", "line 6")] == [True] * 4


def test_an_unwritable_picture_leaves_the_old_one(drawn, capsys, tmp_path):
    (tmp_path / "x.bmp").write_text("mine", encoding="utf-8")
    assert run(capsys, *MAIN_JOB, "--out", "x.bmp")[0] == 2
    assert (tmp_path / "x.bmp").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("command", [[], ["compare"], ["surface"], ["roofline"], ["hardware"], ["llms"]])
def test_help_teaches(capsys, command):
    with pytest.raises(SystemExit) as leaving:
        main([*command, "--help"])
    out = capsys.readouterr().out
    assert leaving.value.code == 0
    assert "tco " in out
    assert "Examples" in out or not command


def test_a_command_that_is_misspelt_is_offered(capsys):
    for word, said in (("recomend", "did you mean recommend?"), ("zzz", "there are compare, surface, template,")):
        with pytest.raises(SystemExit) as leaving:
            main([word, "x"])
        assert leaving.value.code == 2
        err = capsys.readouterr().err
        assert f"there is no command {word!r}" in err
        assert said in err


def test_a_file_is_no_folder_for_the_page(capsys, tmp_path):
    # property: it is told before anything is worked out, and stays as it is.
    mine = tmp_path / "mine.toml"
    mine.write_text("mine", encoding="utf-8")
    assert run(capsys, "template", "--out", "scenario.toml")[0] == 0
    status, out, err = run(capsys, "recommend", "scenario.toml", "--out", "mine.toml")
    assert (status, out) == (2, "")
    assert err == "tco recommend: error: mine.toml is a file: give a folder, in which the page is written\n"
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_missing_argument_exits_with_2(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["compare", "gaudi-2"])
    assert leaving.value.code == 2
    assert "required" in capsys.readouterr().err


def test_the_module_is_the_shell_and_a_reader_that_stops_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m tco hardware | head -n 1", shell=True, capture_output=True, text=True, check=False
    )
    assert process.stdout.startswith("accelerator")
    assert process.stderr == ""


def test_the_other_verdicts(capsys, tmp_path):
    # hand: swapped sides name the same winner and invert the ratio; a machine against itself is level; where not even a
    # free server or free infrastructure would do, the report says so instead of a number.
    there = json.loads(run(capsys, *MAIN_JOB, "--json")[1])["ratio"]
    swapped = ["compare", "h100-sxm", "gaudi-2", "--llm", "llama-3.1-8b"]
    back = json.loads(run(capsys, *swapped, "--json")[1])["ratio"]
    assert there * back == pytest.approx(1, rel=1e-12)
    _, out, _ = run(capsys, *swapped)
    assert "gaudi-2 is cheaper" in out
    assert "h100-sxm would lose even if its infrastructure were free" in out
    assert "on h100-sxm's server draws level" in out

    _, out, _ = run(capsys, "compare", "h100", "dgx-h100", "--llm", "llama-3.1-8b")
    assert "cost the same per generated token" in out
    assert "draws level" not in out

    path = costs_file(tmp_path, "[facility]\nusd_per_kwh = 2\n")
    job = ["compare", "v100", "h100", "--llm", "llama-3.1-8b", "--precision", "fp16,fp8", "--batch", "4"]
    _, out, _ = run(capsys, *job, "--costs", path)
    assert "v100-sxm would lose even if its servers were free" in out
    _, out, _ = run(capsys, "compare", "h100", "h100", "--llm", "llama-3.1-8b", "--precision", "bf16,fp8")
    assert "dgx-h100 in fp8 is cheaper" in out
    assert "bf16 against fp8" in out
    assert json.loads(run(capsys, *job, "--costs", path, "--json")[1])["break_even_server_cost"] is None


def test_the_discount_that_the_report_names_draws_level(capsys, tmp_path):
    # property: B's server at the named discount makes the ratio 1.
    _, out, _ = run(capsys, *MAIN_JOB)
    percent = float(out.split("A discount of ")[1].split("%")[0])
    path = costs_file(tmp_path, f"[servers.dgx-h100]\nprice_usd = {269_000 * (1 - percent / 100)}\n")
    assert json.loads(run(capsys, *MAIN_JOB, "--costs", path, "--json")[1])["ratio"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("command", ["compare", "surface", "roofline", "hardware", "llms"])
def test_the_examples_in_the_help_work(capsys, tmp_path, command):
    # property: what help teaches runs; the costs file is the one that it shows.
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    costs_file(tmp_path, "[facility]\npue = 1.2\n[servers.gaudi-2-hls]\nprice_usd = 150000\n", "mine.toml")
    examples = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith(f"  tco {command}")]
    assert examples
    for example in examples:
        status, out, err = run(capsys, *example)
        assert (status, err) == (0, ""), example
        assert out


def test_a_verdict_says_what_the_tdp_would_cost(capsys, tmp_path):
    # sibling: a prefill draws more than an H100's TDP by the power model; with what is left the verdict is recomputed.
    job = [
        "compare",
        "gaudi-2",
        "h100-sxm",
        "--llm",
        "llama-3.1-8b",
        "--phase",
        "prefill",
        "--ideal",
        "--out",
        str(tmp_path / "a.png"),
    ]
    assert main(job) == 0
    out = " ".join(capsys.readouterr().out.split())
    llm = rl.get_llm("llama-3.1-8b")
    p = rl.prefill(llm, hs.get("h100-sxm"), batch=1, prompt_tokens=2048, precision="fp8")
    loss = float(rl.power.estimate(p).loss)
    assert loss > 0.2
    assert f"the power model sees the TDP cost {loss:.0%} of h100-sxm's throughput" in out


def test_the_list_of_models_says_what_is_special_about_them(capsys):
    # property: nothing is called unmodelled, since every model of the catalogue runs.
    assert main(["llms"]) == 0
    out = capsys.readouterr().out
    assert "not yet" not in out
    assert "latent attention" in next(line for line in out.splitlines() if line.startswith("deepseek-r1"))


def test_copies_of_a_model_are_asked_about_one_at_a_time(monkeypatch, capsys):
    # property: what was measured on one device says the same of copies on eight, each with its part of the batch.
    asked = []
    monkeypatch.setattr("tco.forecast.Side.outside", lambda side, _: asked.append((side.batch, side.devices)) or 0)
    run(capsys, *MAIN_JOB, "--dp", "8", "--batch", "64")
    assert set(asked) == {(8, 1)}
    asked.clear()
    run(capsys, *MAIN_JOB, "--tp", "2", "--dp", "4", "--batch", "64")
    assert set(asked) == {(16, 2)}
