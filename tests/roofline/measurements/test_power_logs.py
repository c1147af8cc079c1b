"""Power logs: the layouts that the vendors' tools write, energy over a window, and what a log leaves unknown.

The layouts are those of nvidia-smi 550 (``--query-gpu`` and ``dmon -o DT``), amd-smi 25 (ROCm 6.4), rocm-smi 3.0 and
xpu-smi 1.2; the figures are made up.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware_specs import UnknownValueError
from roofline.measurements import Runs, UnrecognisedFormatError
from roofline.measurements.power_logs import PowerLog, read_power, with_power

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def logged(tmp_path):
    def write(content, **options):
        path = tmp_path / "power.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_power(path, **options)

    return write


def smi(*rows, header="timestamp, index, power.draw [W]"):
    return "\n".join([header, *(f"2025/01/15 12:00:{second}, {device}, {power}" for second, device, power in rows)])


def reasons(log):
    return [rejected.reason for rejected in log.rejected]


# ------------------------------------------------------------------------------------------------------------- layouts

# The same two seconds of two devices, 100 to 300 W and 200 W, as each tool writes them.
LAYOUTS = {
    "nvidia-smi": smi(("00.000", 0, "100.00 W"), ("00.010", 1, "200.00 W"), ("02.000", 0, "300.00 W"),
                      ("02.010", 1, "200.00 W")),
    "nvidia-smi, more columns": (
        "timestamp, index, name, uuid, pstate, power.limit [W], clocks_throttle_reasons.sw_power_cap, power.draw [W]\n"
        "2025/01/15 12:00:00.000, 0, H100, GPU-0, P0, 700.00 W, Not Active, 100.00 W\n"
        "2025/01/15 12:00:00.000, 1, H100, GPU-1, P0, 700.00 W, Not Active, 200.00 W\n"
        "2025/01/15 12:00:02.000, 0, H100, GPU-0, P0, 700.00 W, Not Active, 300.00 W\n"
        "2025/01/15 12:00:02.000, 1, H100, GPU-1, P0, 700.00 W, Not Active, 200.00 W\n"
    ),
    "nvidia-smi, nounits": smi(("00.000", 0, "100.00"), ("00.000", 1, "200.00"), ("02.000", 0, "300.00"),
                               ("02.000", 1, "200.00")),
    "nvidia-smi, noheader": smi(("00.000", 0, "100.00 W"), ("00.000", 1, "200.00 W"), ("02.000", 0, "300.00 W"),
                                ("02.000", 1, "200.00 W"), header="").lstrip(),
    "nvidia-smi, noheader, nounits": smi(("00.000", 0, "100.00"), ("00.000", 1, "200.00"), ("02.000", 0, "300.00"),
                                         ("02.000", 1, "200.00"), header="").lstrip(),
    "nvidia-smi dmon": (
        "#Date       Time        gpu    pwr  gtemp\n#YYYYMMDD   HH:MM:SS    Idx      W      C\n"
        " 20250115   12:00:00      0    100     40\n 20250115   12:00:00      1    200     40\n"
        "#Date       Time        gpu    pwr  gtemp\n#YYYYMMDD   HH:MM:SS    Idx      W      C\n"
        " 20250115   12:00:02      0    300     40\n 20250115   12:00:02      1    200     40\n"
    ),
    "amd-smi metric": (
        "timestamp,gpu,socket_power,gfx_voltage,soc_voltage,mem_voltage,throttle_status,power_management\n"
        f"{NOON:.0f},0,100,780,699,666,UNTHROTTLED,ENABLED\n{NOON:.0f},1,200,780,699,666,UNTHROTTLED,ENABLED\n"
        f"{NOON + 2:.0f},0,300,780,699,666,UNTHROTTLED,ENABLED\n{NOON + 2:.0f},1,200,780,699,666,UNTHROTTLED,ENABLED\n"
    ),
    "amd-smi monitor": (
        "timestamp,gpu,xcp,power_usage,max_power,hotspot_temperature\n"
        f"{NOON:.0f},0,0,100,750,40\n{NOON:.0f},1,0,200,750,40\n"
        f"{NOON + 2:.0f},0,0,300,750,40\n{NOON + 2:.0f},1,0,200,750,40\n"
    ),
    "rocm-smi with a time before it": (
        "timestamp,device,Average Graphics Package Power (W),Max Graphics Package Power (W),GPU use (%)\n"
        "2025-01-15T12:00:00Z,card0,100.0,750,99\n2025-01-15T12:00:00Z,card1,200.0,750,99\n"
        "2025-01-15T12:00:02Z,card0,300.0,750,99\n2025-01-15T12:00:02Z,card1,200.0,750,99\n"
    ),
    "xpu-smi dump": (
        "Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Energy Consumed (J)\n"
        "12:00:00.000,    0, 99.00, 100.00, 1\n12:00:00.000,    1, 99.00, 200.00, 1\n"
        "12:00:02.000,    0, 99.00, 300.00, 1\n12:00:02.000,    1, 99.00, 200.00, 1\n"
    ),
    "milliwatts": (
        "timestamp,gpu,power [mW]\n2025-01-15 12:00:00,0,100000\n2025-01-15 12:00:00,1,200000\n"
        "2025-01-15 12:00:02,0,300000\n2025-01-15 12:00:02,1,200000\n"
    ),
    "semicolons": smi(("00.0", 0, "100 W"), ("00.0", 1, "200 W"), ("02.0", 0, "300 W"), ("02.0", 1, "200 W")).replace(
        ", ", ";"
    ),
    "milliseconds of Unix time": (
        f"time,gpu_id,power_w\n{NOON * 1e3:.0f},0,100\n{NOON * 1e3:.0f},1,200\n{NOON * 1e3 + 2000:.0f},0,300\n"
        f"{NOON * 1e3 + 2000:.0f},1,200\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_two_seconds_in_every_layout(logged, layout):
    log = logged(LAYOUTS[layout])
    assert (len(log), log.rejected, log.notes) == (4, (), ())
    # hand: (100 + 300) / 2 · 2 s and 200 · 2 s. The second device of the first layout is sampled 10 ms later.
    assert list(log.energy_j(log.times_s.min(), log.times_s.max()).values()) == pytest.approx([400, 400], rel=0.01)
    start = 12 * 3600 if layout == "xpu-smi dump" else NOON
    assert log.times_s.min() == start


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_log_of_another_encoding(logged, encoding):
    # PowerShell redirects in UTF-16.
    assert len(logged(LAYOUTS["nvidia-smi"].encode(encoding))) == 4


def test_columns_that_the_caller_names(logged):
    log = logged(
        "7,2025/01/15 12:00:00,500,3\n8,2025/01/15 12:00:01,500,3\n",
        columns=("n", "Timestamp", "power.draw [W]", "index"),
    )
    assert log.energy_j() == {"3": 500}


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ("index, power.draw [W]\n0, 100 W\n", "time"),
        ("timestamp, index\n2025/01/15 12:00:00, 0\n", "power"),
        ("timestamp, power.limit [W]\n2025/01/15 12:00:00, 700 W\n", "power"),
        ("# gpu    pwr  gtemp\n# Idx      W      C\n    0    100     40\n", "time"),
        ("", "time and power"),
        ("\0\1\2", "time and power"),
    ],
)
def test_a_log_without_time_or_power_is_none(logged, content, missing):
    with pytest.raises(UnrecognisedFormatError, match=f"no column of {missing} that we recognise.*nvidia-smi --query"):
        logged(content)


# --------------------------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(("scale", "unit"), [(1e3, "mW"), (1e6, "µW")])
def test_a_unit_that_nobody_names_is_told_by_what_a_device_can_draw(logged, scale, unit):
    rows = "".join(f"{second},0,{400 * scale:.0f}\n" for second in range(10))
    log = logged("timestamp,gpu,power\n" + rows)
    assert set(log.watts) == {400}
    assert f"more than a device draws: read as {unit}" in log.notes[0]


def test_a_unit_that_is_named_is_believed_and_the_impossible_refused(logged):
    log = logged(smi(("00", 0, "100 W"), ("01", 0, "90000 W"), ("02", 0, "100000 mW")))
    assert log.watts.tolist() == [100, 100]
    assert reasons(log) == ["power = 90000 W is more than a device draws"]
    # One wrong sample among many without a unit is refused, and does not make them milliwatts.
    rows = "".join(f"{second},0,{4e8 if second == 5 else 400:.0f}\n" for second in range(20))
    log = logged("timestamp,gpu,power\n" + rows)
    assert (len(log), set(log.watts), [rejected.row for rejected in log.rejected]) == (19, {400}, [7])


# ------------------------------------------------------------------------------------------------- unknown, order, gaps


def test_a_sample_that_is_not_available_is_not_zero(logged):
    log = logged(
        smi(("00", 0, "100 W"), ("01", 0, "[N/A]"), ("02", 0, "[Not Supported]"), ("03", 0, "100 W"), ("04", 0, ""))
    )
    assert log.energy_j() == {"0": 300}  # hand: 100 W for the three seconds between the two known samples
    assert reasons(log) == [
        "power = '[N/A]' is not known",
        "power = '[Not Supported]' is not known",
        "power = '' is not known",
    ]
    assert [rejected.row for rejected in log.rejected] == [3, 4, 6]


@pytest.mark.parametrize("power", ["-5 W", "nan", "inf", "1e400", "5 A", "a lot", "0x10"])
def test_a_power_that_is_none_is_refused(logged, power):
    log = logged(smi(("00", 0, "100 W"), ("01", 0, power)))
    assert len(log) == 1
    assert log.rejected[0].reason.startswith(f"power = '{power}' is not")


def test_rows_in_any_order_and_repeated_ones(logged):
    log = logged(smi(("02", 0, "300 W"), ("00", 0, "100 W"), ("00", 0, "120 W"), ("00", 0, "140 W")))
    # hand: the mean at second 0 is 120 W; (120 + 300) / 2 · 2 s.
    assert log.energy_j() == {"0": 420}
    assert log.notes == (
        "1 samples stood after a later one: put in order",
        "2 samples repeat a time of their device: the mean is taken",
    )


def test_a_header_in_the_middle_of_a_log_that_was_continued(logged):
    log = logged(smi(("00", 0, "100 W"), ("01", 0, "100 W")) + "\n" + smi(("02", 0, "100 W")) + "\n2025/01/15 12:0")
    assert log.energy_j() == {"0": 200}
    assert [rejected.row for rejected in log.rejected] == [4, 6]


def test_a_gap_is_said_and_not_filled(logged):
    log = logged(smi(("00", 0, "100 W"), ("01", 0, "100 W"), ("20", 0, "100 W")))
    with pytest.raises(UnknownValueError, match="device 0 has no sample for 19 s after 1736942401 s: give max_gap_s"):
        log.energy_j()
    assert log.energy_j(max_gap_s=20) == {"0": 2000}
    assert log.energy_j(NOON, NOON + 1) == {"0": 100}  # the gap lies outside this window
    with pytest.raises(UnknownValueError, match="has no sample for 19 s"):
        log.energy_j(NOON + 5, NOON + 6)  # and this window lies within the gap


def test_a_window_beyond_the_log_is_unknown(logged):
    log = logged(smi(("00", 0, "100 W"), ("01", 0, "100 W")))
    with pytest.raises(UnknownValueError, match="which leaves 9 s of the window"):
        log.energy_j(NOON, NOON + 10)
    with pytest.raises(UnknownValueError, match="which leaves 60 s of the window"):
        log.energy_j(NOON - 60, NOON + 1)
    with pytest.raises(UnknownValueError, match="which leaves 1001 s"):
        log.energy_j(NOON + 1001, NOON + 1002)
    # hand: the last sample holds for a moment after it.
    assert log.energy_j(NOON, NOON + 2) == {"0": 200}


def test_a_log_over_midnight_without_dates(logged):
    log = logged("Timestamp, DeviceId, GPU Power (W)\n23:59:58.000, 0, 100\n23:59:59.000, 0, 100\n"
                 "00:00:00.000, 0, 200\n00:00:01.000, 0, 200\n")  # fmt: skip
    # hand: 100 + 150 + 200 J.
    assert log.energy_j() == {"0": 450}
    assert log.times_s.tolist() == [86_398, 86_399, 86_400, 86_401]
    assert log.energy_j("23:59:58", "23:59:59") == {"0": 100}


# ------------------------------------------------------------------------------------------------------------- windows


def test_a_window_is_given_on_the_clock_of_the_log_or_of_utc(logged):
    content = smi(("00", 0, "100 W"), ("01", 0, "200 W"), ("02", 0, "300 W"))
    log = logged(content, utc_offset_s=3600)
    assert log.times_s[0] == NOON - 3600
    # property: the same window however it is given; hand: 200 W at its middle.
    zone = timezone(timedelta(hours=1))
    for start, end in (
        (NOON - 3600 + 0.5, NOON - 3600 + 1.5),
        ("2025-01-15 12:00:00.500", "2025/01/15 12:00:01.500"),
        ("2025-01-15T12:00:00.500+01:00", "2025-01-15T11:00:01.500Z"),
        (datetime(2025, 1, 15, 12, 0, 0, 500_000), datetime(2025, 1, 15, 12, 0, 1, 500_000)),
        (datetime(2025, 1, 15, 12, 0, 0, 500_000, tzinfo=zone), datetime(2025, 1, 15, 11, 0, 1, 500_000, tzinfo=UTC)),
    ):
        assert log.energy_j(start, end) == {"0": pytest.approx(200)}
        assert log.mean_power_w(start, end) == {"0": pytest.approx(200)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 5, "end": 5}, "ends before it starts"),
        ({"start": "tomorrow"}, "start = 'tomorrow' is not accepted"),
        ({"end": float("nan")}, "end = nan is not accepted"),
        ({"max_gap_s": 0}, "max_gap_s = 0 is not accepted"),
        ({"devices": [7]}, "no '7' in the log; it has 0"),
    ],
)
def test_a_window_that_is_none(logged, options, message):
    log = logged("timestamp,gpu,power\n0,0,100\n1,0,100\n")
    with pytest.raises(ValueError, match=message):
        log.energy_j(**options)


def test_an_empty_log_says_so(logged):
    log = logged("timestamp, index, power.draw [W]\n")
    assert repr(log) == "PowerLog(no samples, 0 rows rejected)"
    with pytest.raises(UnknownValueError, match=r"power.csv holds no sample of power"):
        log.energy_j()


@given(
    steps=st.lists(st.floats(0.1, 4.0), min_size=3, max_size=30),
    watts=st.lists(st.floats(0, 1000), min_size=31, max_size=31),
    cut=st.floats(0.1, 0.9),
    shift=st.floats(-1e6, 1e9),
)
def test_energy_adds_up(steps, watts, cut, shift):
    times = np.concatenate([[0.0], np.cumsum(steps)])
    log = PowerLog(times + shift, np.full(len(times), "0", dtype=object), np.array(watts[: len(times)]))
    whole = log.energy_j()["0"]
    middle = shift + cut * times[-1]
    # property: the parts of a window sum to the whole, and energy lies between the bounds of its power.
    parts = log.energy_j(end=middle)["0"] + log.energy_j(start=middle)["0"]
    assert parts == pytest.approx(whole, rel=1e-4, abs=1e-2)
    assert min(log.watts) * times[-1] - 1e-2 <= whole <= max(log.watts) * times[-1] + 1e-2
    # sibling: NumPy's own integral.
    assert whole == pytest.approx(np.trapezoid(log.watts, log.times_s), rel=1e-9, abs=1e-6)


# ---------------------------------------------------------------------------------------------------------------- runs


def run_of(**values):
    return {"accelerator": "h100-sxm", "phase": "decode", "output_tokens_per_s": 100.0, **values}


def test_runs_with_their_own_windows(logged):
    log = logged(LAYOUTS["milliwatts"] + "2025-01-15 12:00:04,0,500000\n2025-01-15 12:00:04,1,200000\n")
    runs = with_power(Runs.from_rows([run_of(devices=2)] * 2), log, start=[NOON, NOON + 2], end=[NOON + 2, NOON + 4])
    # hand: 400 + 400 J, then 800 + 400 J, each in 2 s on two devices.
    assert runs.energy_j.tolist() == pytest.approx([800, 1200])
    assert runs.power_w.tolist() == pytest.approx([200, 300])
    assert set(runs.power_boundary) == {"device"}
    # property: power of all devices over the window is the energy.
    assert (runs.power_w * runs.devices * 2).tolist() == pytest.approx(runs.energy_j.tolist())
    one = with_power(Runs.from_rows([run_of(devices=1)]), log, start=NOON, end=NOON + 2, devices=[1])
    assert (one[0].energy_j, one[0].power_w) == (400, 200)


def test_a_log_of_other_devices_than_the_run_had(logged):
    log = logged(LAYOUTS["milliwatts"])
    with pytest.raises(ValueError, match=r"run 0 had 1 devices and the log has 2 \(0, 1\): give devices="):
        with_power(Runs.from_rows([run_of(devices=1)]), log)
    with pytest.raises(ValueError, match="start: 3 windows for 1 runs"):
        with_power(Runs.from_rows([run_of(devices=2)]), log, start=[0, 1, 2])
    assert with_power(Runs.from_rows([run_of()]), log)[0].energy_j == pytest.approx(800)


def test_what_was_rejected_stays(logged):
    runs = Runs.from_rows([run_of(devices=2), {"phase": "decode"}])
    assert len(with_power(runs, logged(LAYOUTS["milliwatts"])).rejected) == 1


# ---------------------------------------------------------------------------------------------------------------- fuzz


def accounted(path):
    try:
        log = read_power(path)
    except UnrecognisedFormatError:
        return
    assert np.isfinite(log.watts).all()
    assert np.isfinite(log.times_s).all()
    assert (log.watts >= 0).all()
    assert all(rejected.reason.strip() for rejected in log.rejected)
    for name in log.devices:
        assert (np.diff(log.times_s[log.device == name]) > 0).all()
    assert repr(log)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_log_that_is_broken(tmp_path, layout):
    whole = LAYOUTS[layout].encode()
    path = tmp_path / "power.csv"
    for cut in range(0, len(whole), 3):
        for content in (whole[:cut], whole[:cut] + b"\xff\0\n" + whole[cut:], whole[:cut] + b'"' + whole[cut:]):
            path.write_bytes(content)
            accounted(path)


STARTS = (
    b"timestamp, index, power.draw [W]\n",
    b"#Date Time gpu pwr\n",
    b"time;device;power\n0;0;",
    b"Timestamp,power\n",
    b"",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(STARTS), rest=st.binary(max_size=300) | st.text("0123456789:/-., \n#eW[]NA").map(str.encode)
)
def test_any_bytes(tmp_path, start, rest):
    # property: a log is read, or nobody knows it.
    path = tmp_path / "power.csv"
    path.write_bytes(start + rest)
    accounted(path)


def test_many_samples(logged):
    # 100,000 samples of eight devices, ten a second, at 400 W each.
    rows = "".join(f"{NOON + index // 8 / 10:.1f},{index % 8},400\n" for index in range(100_000))
    log = logged("timestamp,gpu,socket_power\n" + rows)
    assert (len(log), log.devices) == (100_000, tuple("01234567"))
    assert list(log.mean_power_w().values()) == pytest.approx([400] * 8)
    assert json.dumps(log.energy_j())  # plain numbers
