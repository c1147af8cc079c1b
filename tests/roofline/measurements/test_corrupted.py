"""Every measured file beside the checkout as it is, and broken in all ways that files break: rejects, and no crash."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roofline.measurements import UnrecognisedFormatError, read

TABLES = (
    "upstream/llm_inference_bench_all_results.csv",
    "upstream/llm_inference_bench_power.csv",
    "upstream/llm_inference_bench_quant.csv",
    "upstream/llm_inference_bench_sn40l.csv",
    "upstream/llm_inference_bench_tp_pp.csv",
    "upstream/llm_inference_bench_ttft_itl.csv",
    "ml_energy_v3.csv",
    "trtllm_v0.6.1_static_batch.csv",
    "intel_gaudi_1.18.csv",
    "mamf_stas00.csv",
)
MLPERF = "upstream/mlperf_inference_v5.1_llama2-70b_sample.json"
PRICES = "inferencex_tco_prices.csv"
NAN, INF = float("nan"), float("inf")
FEW = 40  # rows of a file that is broken again and again


@pytest.fixture(scope="module")
def folder(shared):
    folder = shared / "measured"
    if not folder.is_dir():
        pytest.skip("needs the shared folder of measured runs: set INFERENCE_TCO_SHARED")
    return folder


@pytest.fixture
def few(folder, tmp_path):
    """The first rows of a file, and where to write them broken."""

    def start(name):
        if name == MLPERF:
            return json.dumps(json.loads((folder / name).read_text(encoding="utf-8"))[:FEW], indent=1)
        return "".join((folder / name).read_text(encoding="utf-8").splitlines(keepends=True)[: FEW + 1])

    return start


@pytest.fixture
def broken(tmp_path):
    def write(content):
        path = tmp_path / "broken"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(text, delimiter=","):
    """Rows of a table that hold something, counted by the csv module; the header is none."""
    return sum(any(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) - 1


def records_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def accounted(path):
    """Read a file and check what holds of every one; ``None`` where no reader knows it."""
    try:
        runs = read(path)
    except UnrecognisedFormatError:
        return None
    for rejected in runs.rejected:
        assert rejected.reason.strip()
        assert rejected.row >= 1
    for name, column in runs.columns.items():
        if column.dtype.kind == "f":
            assert not any(map(math.isinf, column)), name
    rows = Counter(runs.row.tolist()) + Counter(rejected.row for rejected in runs.rejected)
    assert not rows or max(rows.values()) == 1  # no row is both, or either of them twice
    return runs


def total(runs):
    return len(runs) + len(runs.rejected)


# ---------------------------------------------------------------------------------------------------------- as they are


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_a_table_is_a_run_or_has_a_reason(folder, name):
    # sibling: counted by the csv module.
    runs = accounted(folder / name)
    assert total(runs) == rows_of((folder / name).read_text(encoding="utf-8"))
    assert len(runs) > 0.8 * total(runs)


def test_every_result_of_mlperf_is_a_run_or_has_a_reason(folder):
    # sibling: counted by the json module; published: ten results are of the H200 NVL, which the catalogue lacks.
    results = json.loads((folder / MLPERF).read_text(encoding="utf-8"))
    runs = accounted(folder / MLPERF)
    assert total(runs) == len(results)
    nvl = [result for result in results if "NVL-141GB" in result["Accelerator"]]
    assert len(runs.rejected) == len(nvl) == 10
    # sibling: output tokens/s as they stand, devices as nodes times accelerators of a node.
    kept = [result for result in results if result not in nvl]
    assert runs.output_tokens_per_s.tolist() == [result["Performance_Result"] for result in kept]
    assert runs.devices.tolist() == [result["a#"] * result["Nodes"] for result in kept]


def test_what_is_refused_is_known(folder):
    # published: what the catalogues lack, and the one ambiguity that the table itself names.
    reasons = Counter(
        rejected.reason.split(": give")[0] for name in TABLES for rejected in read(folder / name).rejected
    )
    assert set(reasons) <= {
        "no accelerator 'A100-PCIe' in the catalogue",
        "no llm 'nvidia/NVIDIA-Nemotron-Nano-9B-v2' in the catalogue",
        "no llm 'nvidia/NVIDIA-Nemotron-Nano-12B-v2' in the catalogue",
        "throughput_kind leaves open which tokens of how many devices it counts",
    }
    assert reasons["throughput_kind leaves open which tokens of how many devices it counts"] == 8


def test_the_columns_say_what_the_files_say(folder):
    # sibling: each file again by the csv module, row by row.
    rows = records_of(folder / "ml_energy_v3.csv")
    for run in read(folder / "ml_energy_v3.csv"):
        row = rows[run.row - 2]
        assert run.power_w * run.devices == pytest.approx(float(row["power_w"]))
        assert (run.batch, run.output_tokens_per_s) == (float(row["batch"]), float(row["throughput_tok_s"]))
        assert row["phase_or_mode"] == f"serving_steady_state({run.variant})"
        # property: experts on all devices, or tensor parallelism times copies.
        assert run.devices in (run.expert_parallel, (run.tensor_parallel or 0) * (run.data_parallel or 0))
    rows = records_of(folder / "trtllm_v0.6.1_static_batch.csv")
    for run in read(folder / "trtllm_v0.6.1_static_batch.csv"):
        row = rows[run.row - 2]
        assert run.version == ("0.5" if row["hw"] == "L40S" or "v0.5 low" in row["source"] else "0.6.1")
        if run.phase == "prefill":
            assert (run.latency_s, run.output_tokens) == (float(row["ttft_s"]), 1)
        else:
            assert run.output_tokens_per_s == float(row["throughput_tok_s"])
    for run in read(folder / "mamf_stas00.csv"):
        assert (run.phase, run.devices, run.llm) == ("gemm", 1, None)
    best = read(folder / "mamf_stas00.csv")[0]  # by hand: the first row, 14336x15360x2048
    assert (best.m, best.n, best.k, best.tflops, best.accelerator) == (14_336, 15_360, 2_048, 418.7, "gaudi-2")


def test_a_table_of_prices_is_no_table_of_runs(folder):
    with pytest.raises(UnrecognisedFormatError, match=r"own_hyperscaler_usd_gpu_hr.*give columns=\{field: column\}"):
        read(folder / PRICES)


# --------------------------------------------------------------------------------------------------------------- broken


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_was_cut_off(few, broken, name):
    whole = few(name).encode()
    for cut in [*range(0, len(whole), max(len(whole) // 40, 1)), len(whole) - 1]:
        runs = accounted(broken(whole[:cut]))
        text = whole[:cut].decode(errors="replace")
        if runs is not None:
            # sibling: the csv module, which ends an open quote with the file.
            assert total(runs) == max(rows_of(text), 0)


def test_a_list_that_was_cut_off_keeps_what_was_whole(few, broken):
    whole = few(MLPERF)
    for cut in range(1, len(whole), len(whole) // 60):
        runs = accounted(broken(whole[:cut]))
        ends = whole[:cut].count("\n },") + 1  # of the objects, as json.dumps indents them
        if runs is None:
            assert ends <= 1
        else:
            assert total(runs) in (ends, ends + 1)
            assert "nothing after it was read" in max(runs.rejected, key=lambda rejected: rejected.row).reason


@pytest.mark.parametrize("name", [*TABLES, MLPERF])
def test_another_encoding(few, broken, name):
    text = few(name)
    expected = accounted(broken(text))
    for encoded in (
        text.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ):
        # property: what says how it is encoded is read as what it is.
        runs = accounted(broken(encoded))
        assert (len(runs), len(runs.rejected)) == (len(expected), len(expected.rejected))
    for encoded in (text.encode("utf-16-le"), text.encode("utf-32"), text.encode("utf-7")):
        accounted(broken(encoded))


@pytest.mark.parametrize("name", TABLES)
def test_letters_that_are_not_utf_8_are_refused_where_they_stand(few, broken, name):
    lines = few(name).splitlines()
    marked = [line.replace("a", "ä", 1) if index % 2 else line for index, line in enumerate(lines)]
    runs = accounted(broken("\n".join(marked).encode("latin-1", "replace")))
    assert total(runs) == rows_of("\n".join(marked))
    assert "not UTF-8 text" in {rejected.reason for rejected in runs.rejected}


@pytest.mark.parametrize("name", TABLES)
def test_another_delimiter_in_some_lines(few, broken, name):
    lines = few(name).splitlines()
    # The sources and notes of some tables hold semicolons of their own, which make no difference to the count.
    for other in (";", "\t", "|", " "):
        mixed = "\n".join(line.replace(",", other) if 0 < index % 5 < 3 else line for index, line in enumerate(lines))
        runs = accounted(broken(mixed))
        assert total(runs) == rows_of(mixed)
        assert any("where the header names" in rejected.reason for rejected in runs.rejected)
    # Of all lines, it is another table, as good as the first.
    fields = list(csv.reader(io.StringIO("\n".join(lines), newline="")))
    again = io.StringIO()
    csv.writer(again, delimiter="\t").writerows(fields)
    assert total(accounted(broken(again.getvalue()))) == rows_of("\n".join(lines))


NUMBERS = (
    *("nan", "NaN", "inf", "-inf", "1e400", "-1", "0", "1e300", "1e-300", "4.9e-324", "9" * 400),
    *("0x10", "1_000", "१२", "", "true", "--"),
)


@pytest.mark.parametrize("name", TABLES)
def test_numbers_that_are_none(few, broken, name):
    fields = list(csv.reader(io.StringIO(few(name), newline="")))
    whole = rows_of(few(name))
    for column in range(len(fields[0])):
        changed = [list(row) for row in fields]
        for index, row in enumerate(changed[1:]):
            if len(row) > column:
                row[column] = NUMBERS[index % len(NUMBERS)]
        again = io.StringIO()
        csv.writer(again).writerows(changed)
        runs = accounted(broken(again.getvalue()))
        assert runs is not None
        assert total(runs) == whole


@pytest.mark.parametrize("value", [NAN, INF, -INF, -1, 0, 1e300, 1e-300, 10**400, "x", "", None, True, [], {}])
def test_values_of_a_result_that_are_none(few, broken, value):
    results = json.loads(few(MLPERF))
    for field in results[0]:
        runs = accounted(broken(json.dumps([result | {field: value} for result in results])))
        if runs is not None:  # without the fields by which it is recognised it is something else
            assert total(runs) == len(results)


@pytest.mark.parametrize("name", [*TABLES, MLPERF])
def test_files_of_nothing_or_of_anything(few, broken, name):
    text = few(name)
    header = text.splitlines()[0]
    for content in (b"", b"\n\n\n", b"\0" * 100, bytes(range(256)) * 20, b"PAR1" + bytes(50), b"[", b"{", b'"', b"[]"):
        accounted(broken(content))
    if name != MLPERF:
        for empty in (header, header + "\n", "\n\n" + header + "\n\n"):
            assert total(accounted(broken(empty))) == 0
        nulls = text.replace(",", "\0,", 7)
        assert (runs := accounted(broken(nulls))) is None or total(runs) == rows_of(nulls)
    accounted(broken(text.replace("\n", "\0\n")))
    accounted(broken(text[: len(text) // 2].encode() + bytes(range(256)) + text[len(text) // 2 :].encode()))


@pytest.mark.parametrize("name", TABLES)
def test_names_of_columns_that_are_wrong(few, broken, name):
    header, _, body = few(name).partition("\n")
    names = header.split(",")
    whole = rows_of(few(name))
    for index in range(len(names)):
        for other in ("", names[0], names[-1], "Ω", '"a\nb"'):
            changed = ",".join([*names[:index], other, *names[index + 1 :]])
            runs = accounted(broken(changed + "\n" + body))
            assert runs is None or total(runs) == whole


@pytest.mark.parametrize("name", TABLES)
def test_lines_within_quotes(few, broken, name):
    fields = list(csv.reader(io.StringIO(few(name), newline="")))
    rows = [[fields[0][0], *fields[0][1:]], *([f"{row[0]}\nand more", *row[1:]] if row else row for row in fields[1:])]
    again = io.StringIO()
    csv.writer(again).writerows(rows)
    runs = accounted(broken(again.getvalue()))
    assert total(runs) == rows_of(few(name))
    # An open quote takes the rest of the file into one field: csv counts it as one row, and so do we.
    opened = few(name).replace("\n", '\n"', 1)
    assert (runs := accounted(broken(opened))) is None or total(runs) == rows_of(opened)


def test_a_field_longer_than_the_csv_module_takes(few, broken):
    # csv refuses fields above 131,072 characters: such a row is one of the rejects, with what csv says of it.
    text = few(TABLES[0])
    runs = accounted(broken(text + "x" * 200_000 + ",1,vLLM\n" + text.splitlines()[1] + "\n"))
    assert any("field larger than field limit" in rejected.reason for rejected in runs.rejected)
    assert len(runs) == len(accounted(broken(text))) + 1


def test_objects_within_objects_without_end(broken):
    for depth in (500, 100_000):
        accounted(broken("[" * depth + "]" * depth))
        accounted(broken('{"a":' * depth + "1" + "}" * depth))
        accounted(broken('{"input_config": ' * depth + "1" + "}" * depth))


MANY = 1_000_000 if os.environ.get("INFERENCE_TCO_MANY_ROWS") else 200_000  # the million takes a minute


@pytest.mark.parametrize(("name", "count"), [(TABLES[0], MANY), ("ml_energy_v3.csv", MANY // 10)])
def test_very_many_rows(folder, broken, name, count):
    header, *body = (folder / name).read_text(encoding="utf-8").splitlines()
    times = count // len(body) + 1
    few = accounted(folder / name)
    try:
        runs = read(broken("\n".join([header, *(body * times)][: count + 1]) + "\n"))
    finally:
        broken("")
    assert total(runs) == count
    # property: repeating a file repeats what is refused in it.
    assert len(runs.rejected) == pytest.approx(len(few.rejected) * count / len(body), abs=len(few.rejected) + 1)


# ----------------------------------------------------------------------------------------------------------------- fuzz

STARTS = (
    b"Hardware,Num of Hardware,Framework,Model,Input Output Length,Batch Size,Latency,Throughput\n",
    b"source,hw,num_devices,model,precision,phase_or_mode,batch,input_len,output_len,throughput_tok_s,"
    b"throughput_kind,latency_s,ttft_s,itl_s,power_w,notes\n",
    b"dtype,hw,mamf_tflops,best_shape_mxnxk\nbf16,H100-SXM,794.5,2048x2048x13312\n",
    b"phase,batch,itl_s\n",
    b"Metric,avg\nRequest Latency (ms),5\n",
    b'[{"Submitter": "", "Scenario": "", "Accelerator": "", "a#": 8, "Performance_Result": 1}, ',
    b'{"model_id": "", "task": "", "configurations": [{',
    b'{"hw": "", "framework": "", "precision": "", "conc": 1, "isl": 1}\n',
    b'{"batch_size": 1, "input_len": 1, "output_len": 1, "latency": 1, "input_throughput": 1}\n{',
    b'{"input_config": {"model": [',
    b"",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
def test_any_bytes(broken, start, rest):
    # property: a file is read, or nobody knows it; nothing else can happen.
    accounted(broken(start + rest))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=3)
KEYS = (
    ("Submitter", "Scenario", "Accelerator", "a#", "Performance_Result", "Performance_Units", "Nodes", "Accuracy"),
    ("hw", "framework", "precision", "conc", "isl", "osl", "tp", "tput_per_gpu", "disagg", "num_decode_gpu", "metrics"),
    ("model_id", "task", "configurations", "weight_precision", "num_gpus", "parallelization"),
    ("input_config", "request_latency", "request_throughput", "telemetry_data", "output_sequence_length"),
    ("metadata", "metrics", "error"),
    ("input_throughput", "output_throughput", "mean_e2e_latency_ms", "completed", "server_info", "accept_length"),
    ("successful_requests", "total_latency", "input_throughput", "output_throughput", "total_input_tokens"),
    ("batch_size", "input_len", "output_len", "prefill_latency", "total_latency", "cache_hit_rate", "latency"),
    ("request_throughput", "output_throughput", "total_input_tokens", "total_output_tokens", "duration", "completed"),
    ("elapsed_time", "num_requests", "tokens_per_second", "total_num_tokens", "requests_per_second"),
    ("avg_latency", "latencies"),
)
GIVEN = {
    **{"accelerator": "h100-sxm", "llm": "llama-3.1-8b", "precision": "bf16", "devices": 1, "batch": 1},
    **{"prompt_tokens": 8, "output_tokens": 8},
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.sampled_from(KEYS).flatmap(
        lambda keys: st.lists(st.fixed_dictionaries(dict.fromkeys(keys, VALUES)), min_size=1, max_size=3)
    ),
    helped=st.booleans(),
)
def test_objects_with_the_right_keys_and_any_values(broken, items, helped):
    path = broken(json.dumps(items))
    runs = read(path, **(GIVEN if helped else {}))
    assert all(rejected.reason.strip() for rejected in runs.rejected)
    if "configurations" not in items[0]:
        assert total(runs) == len(items)


# -------------------------------------------------------------------------------------------------------------- parquet


def test_a_table_as_parquet_is_the_same_table(folder, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    name = "intel_gaudi_1.18.csv"
    pandas.read_csv(folder / name).to_parquet(tmp_path / "same.parquet")
    runs, expected = read(tmp_path / "same.parquet"), read(folder / name)
    for column in ("output_tokens_per_s", "batch", "latency_s", "devices"):
        assert getattr(runs, column).tolist() == pytest.approx(getattr(expected, column).tolist(), nan_ok=True)
    raw = (tmp_path / "same.parquet").read_bytes()
    for cut in range(4, len(raw), len(raw) // 20):
        (tmp_path / "cut").write_bytes(raw[:cut])
        accounted(tmp_path / "cut")
