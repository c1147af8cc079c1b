"""Logs of accelerators' power: read as nvidia-smi, amd-smi, rocm-smi and xpu-smi write them, integrated over a run.

References
----------
nvidia-smi ``--query-gpu=timestamp,index,power.draw --format=csv[,noheader][,nounits]`` (``2025/01/15 12:34:56.789, 0,
412.34 W``, local time) and ``dmon -o DT``; ``amd-smi metric --power --csv --watch 1`` and ``amd-smi monitor -p --csv``
(``timestamp`` in seconds of Unix time, ``socket_power`` or ``power_usage``); ``xpu-smi dump -m 1`` (``Timestamp,
DeviceId, GPU Power (W)``, a time of day without its date).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware_specs import UnknownValueError
from roofline._validation import number
from roofline.measurements.read import UnrecognisedFormatError, _decode, _lines
from roofline.measurements.records import Rejected, Runs

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    Column = NDArray[Any]
    Time = float | str | datetime

_MOST_W = 50_000.0  # no single device draws more
_DAY_S = 86_400.0
_UNITS = {"w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3, "mw": 1e-3, "uw": 1e-6, "µw": 1e-6}
_UNKNOWN = ("", "n/a", "[n/a]", "na", "nan", "-", "[not supported]", "[unknown error]", "not supported", "unknown")
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?) *\[?([kmuµ]?W)?\]?", re.IGNORECASE)
_POWER = re.compile(r"\bpwr\b|power|\bwatts?\b", re.IGNORECASE)
_NO_POWER = re.compile(r"limit|cap\b|max|min|default|enforced|management|state|profile|reason|brake", re.IGNORECASE)
_PLAIN = re.compile(r"\d+(\.\d*)?")
_OF_DAY = re.compile(r"\d{1,2}:\d\d:\d\d([.,]\d{1,9})?")
_DEVICE = (
    "index",
    "gpu",
    "gpu_id",
    "gpu_index",
    "device",
    "deviceid",
    "device_id",
    "idx",
    "card",
    "uuid",
    "pci.bus_id",
)


@dataclass(frozen=True, eq=False)
class PowerLog:
    """Power of some devices over time, sample by sample.

    Attributes
    ----------
    times_s : array
        Unix time of each sample [s]; from midnight of the first day where the log has no dates.
    device : array of str
        Device of each sample.
    watts : array
        Power of that device [W].
    file : str
        File that it was read from.
    rejected : tuple of Rejected
        Rows that hold no sample, each with its reason.
    notes : tuple of str
        What was concluded or put right: a unit, an order, repeated samples.
    utc_offset_s : float
        How far the log's clock is ahead of UTC [s].

    Examples
    --------
    >>> log = PowerLog(times_s=np.array([0.0, 1.0, 2.0]), device=np.array(["0"] * 3),
    ...                watts=np.array([100.0, 300.0, 300.0]))
    >>> log.energy_j(), log.energy_j(0.5, 2.0), log.mean_power_w()
    ({'0': 500.0}, {'0': 425.0}, {'0': 250.0})
    """

    times_s: Column
    device: Column
    watts: Column
    file: str = ""
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    utc_offset_s: float = 0.0

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices of the log, in the order of their names."""
        return tuple(sorted(set(self.device.tolist()), key=lambda name: (not name.isdigit(), len(name), name)))

    @property
    def start_s(self) -> float:
        """Time from which every device is sampled [s]."""
        return max(float(self.times_s[self.device == name].min()) for name in self.devices)

    @property
    def end_s(self) -> float:
        """Time until which every device is sampled [s]."""
        return min(float(self.times_s[self.device == name].max()) for name in self.devices)

    def energy_j(
        self,
        start: Time | None = None,
        end: Time | None = None,
        *,
        devices: Iterable[str | int] | None = None,
        max_gap_s: float = 5.0,
    ) -> dict[str, float]:
        """Return the energy of each device over a window, by the trapezoidal rule.

        Parameters
        ----------
        start, end : float, str or datetime, optional
            Window: Unix time [s] (from midnight of the first day where the log has no dates), or a date and time, on
            the log's own clock where it names no zone; all of the log by default.
        devices : iterable, optional
            Which devices; all by default.
        max_gap_s : float
            Longest time between two samples, and between the window's ends and theirs, that is bridged [s].

        Returns
        -------
        dict of str to float
            Energy [J] by device.

        Raises
        ------
        hardware_specs.UnknownValueError
            A gap is longer than that: what was drawn then is not known.
        ValueError
            No such device, or a window that ends before it starts.
        """
        longest = float(number("max_gap_s", max_gap_s, above=0))
        chosen = self._chosen(devices)
        first, last = self._window(start, end)
        if not first < last:
            raise ValueError(f"the window from {first:.15g} s to {last:.15g} s ends before it starts")
        return {name: self._energy_j(name, first, last, longest) for name in chosen}

    def mean_power_w(
        self,
        start: Time | None = None,
        end: Time | None = None,
        *,
        devices: Iterable[str | int] | None = None,
        max_gap_s: float = 5.0,
    ) -> dict[str, float]:
        """Return the mean power of each device over a window, weighted by time.

        Parameters
        ----------
        start, end : float, str or datetime, optional
            Window, see :meth:`energy_j`.
        devices : iterable, optional
            Which devices; all by default.
        max_gap_s : float
            Longest gap that is bridged [s].

        Returns
        -------
        dict of str to float
            Power [W] by device.
        """
        self._chosen(devices)
        first, last = self._window(start, end)
        energy_j = self.energy_j(first, last, devices=devices, max_gap_s=max_gap_s)
        return {name: joules / (last - first) for name, joules in energy_j.items()}

    def __repr__(self) -> str:
        if not len(self):
            return f"PowerLog(no samples, {len(self.rejected)} rows rejected)"
        return (
            f"PowerLog({len(self)} samples of {len(self.devices)} devices over {self.end_s - self.start_s:.6g} s, "
            f"{len(self.rejected)} rows rejected)"
        )

    def _window(self, start: Time | None, end: Time | None) -> tuple[float, float]:
        return (
            self.start_s if start is None else _time_of("start", start, self.utc_offset_s),
            self.end_s if end is None else _time_of("end", end, self.utc_offset_s),
        )

    def _chosen(self, devices: Iterable[str | int] | None) -> tuple[str, ...]:
        if not len(self):
            raise UnknownValueError(f"{self.file or 'the log'} holds no sample of power")
        if devices is None:
            return self.devices
        wanted = tuple(str(name) for name in devices)
        for name in wanted:
            if name not in self.devices:
                raise ValueError(f"devices: no {name!r} in the log; it has {', '.join(self.devices)}")
        return wanted

    def _energy_j(self, name: str, start: float, end: float, longest: float) -> float:
        mask = self.device == name
        times, watts = self.times_s[mask], self.watts[mask]
        inside = (times > start) & (times < end)
        around = times[max(np.searchsorted(times, start, "right") - 1, 0) : np.searchsorted(times, end, "left") + 1]
        gaps = np.diff(around)
        outside = max(float(times[0]) - start, end - float(times[-1]), 0.0)
        if outside > longest:
            raise UnknownValueError(
                f"device {name} was sampled from {times[0]:.15g} s to {times[-1]:.15g} s, which leaves {outside:.6g} s "
                f"of the window from {start:.15g} s to {end:.15g} s unknown: give max_gap_s to bridge it"
            )
        if gaps.size and gaps.max() > longest:
            at = around[int(np.argmax(gaps))]
            raise UnknownValueError(
                f"device {name} has no sample for {gaps.max():.6g} s after {at:.15g} s: give max_gap_s to bridge it"
            )
        knots = np.concatenate([[start], times[inside], [end]])
        return float(np.trapezoid(np.interp(knots, times, watts), knots))


def read_power(
    path: str | os.PathLike[str], *, columns: Sequence[str] | None = None, utc_offset_s: float = 0.0
) -> PowerLog:
    r"""Read a power log of nvidia-smi, amd-smi, rocm-smi or xpu-smi; its columns are recognised by their names.

    A unit is that of the value or of the column's name, else watts, unless that is more than any device draws. Samples
    that are not available are refused, not zero. Rows may stand in any order; several samples of a device at one time
    become their mean.

    Parameters
    ----------
    path : path
        CSV, or a table of ``nvidia-smi dmon``.
    columns : sequence of str, optional
        Names of the columns of a log without a header, such as ``("timestamp", "index", "power.draw [W]")``.
    utc_offset_s : float
        How far the log's clock is ahead of UTC [s], for times without a zone (nvidia-smi, xpu-smi).

    Returns
    -------
    PowerLog

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnrecognisedFormatError
        Time or power are in no column that we recognise.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "power.csv"
    >>> _ = path.write_text("timestamp, index, power.draw [W]\n"
    ...                     "2025/01/15 12:00:00.000, 0, 100.00 W\n2025/01/15 12:00:01.000, 0, 300.00 W\n"
    ...                     "2025/01/15 12:00:02.000, 0, [N/A]\n")
    >>> log = read_power(path)
    >>> log, log.energy_j(), log.rejected[0].reason
    (PowerLog(2 samples of 1 devices over 1 s, 1 rows rejected), {'0': 200.0}, "power = '[N/A]' is not known")
    """
    file = Path(path)
    rows = list(_rows(_decode(file.read_bytes())))
    header, body = _header(rows, columns)
    place = _places(header, body, file.name)
    offset_s = float(number("utc_offset_s", utc_offset_s, at_least=-_DAY_S, at_most=_DAY_S))
    times, devices, watts, named, lines = [], [], [], [], []
    rejected: list[Rejected] = []
    clock: dict[str, int] = {name: place[name] for name in ("time", "date") if name in place}
    for line, row in body:
        said = dict(zip(header, row, strict=False))
        try:
            time_s, watt, unit = _sample(row, place, clock, offset_s)
            device = row[place["device"]].strip() if "device" in place and place["device"] < len(row) else "0"
            if not device:
                raise ValueError("no device")
        except ValueError as error:
            rejected.append(Rejected(file.name, line, str(error), said))
            continue
        times.append(time_s)
        watts.append(watt)
        devices.append(device)
        named.append(unit)
        lines.append(line)
    return _log(
        np.array(times, dtype=np.float64),
        np.array(devices, dtype=object),
        np.array(watts, dtype=np.float64),
        named=bool(named) and all(named),
        lines=lines,
        rejected=rejected,
        file=file.name,
        utc_offset_s=offset_s,
    )


def with_power(
    runs: Runs,
    log: PowerLog,
    *,
    start: Any = None,
    end: Any = None,
    devices: Iterable[str | int] | None = None,
    max_gap_s: float = 5.0,
) -> Runs:
    """Return runs with the mean power of a device and the energy of all of them, from a log.

    Parameters
    ----------
    runs : Runs
        Runs that took place while the log was written.
    log : PowerLog
        Power of the devices that took part.
    start, end : float, str, datetime or sequence of them, optional
        Window of each run on the clock of the log, or of all; the whole log by default.
    devices : iterable, optional
        Devices of the log that took part; all by default.
    max_gap_s : float
        Longest gap between samples that is bridged [s].

    Returns
    -------
    Runs
        With ``power_w``, ``energy_j`` and ``power_boundary`` "device".

    Raises
    ------
    ValueError
        Not as many windows as runs, or another number of devices than a run had.
    hardware_specs.UnknownValueError
        The log does not cover a window.

    Examples
    --------
    >>> log = PowerLog(times_s=np.array([0.0, 1.0, 2.0]), device=np.array(["0"] * 3),
    ...                watts=np.array([100.0, 300.0, 300.0]))
    >>> runs = Runs.from_rows([{"devices": 1, "phase": "decode", "itl_s": 0.01}])
    >>> with_power(runs, log, start=0.5, end=2.0)[0].energy_j
    425.0
    """
    starts, ends = (_each(window, name, len(runs)) for name, window in (("start", start), ("end", end)))
    chosen = log._chosen(devices)
    for index, count in enumerate(runs.devices):
        if count == count and count != len(chosen):
            raise ValueError(
                f"run {index} had {count:g} devices and the log has {len(chosen)} "
                f"({', '.join(chosen)}): give devices=, those that took part"
            )
    energy_j, power_w = [], []
    for first, last in zip(starts, ends, strict=True):
        energy_j.append(sum(log.energy_j(first, last, devices=chosen, max_gap_s=max_gap_s).values()))
        each = log.mean_power_w(first, last, devices=chosen, max_gap_s=max_gap_s)
        power_w.append(sum(each.values()) / len(chosen))
    return runs.replace(energy_j=energy_j, power_w=power_w, power_boundary="device")


# ------------------------------------------------------------------------------------------------------------- reading


def _rows(text: str) -> Iterable[tuple[int, list[str]]]:
    """Yield the lines that hold something, cut into fields: by commas, semicolons, tabs, or blanks (dmon)."""
    near = next((line for line in text.splitlines() if line.strip()), "")
    if near.lstrip().startswith("#") and "," not in near:
        for index, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield index, line.replace("#", "# ", 1).split()
        return
    delimiter = max(",;\t", key=near.count)
    for index, row in _lines(text, delimiter):
        fields = [row] if isinstance(row, str) else row
        if any(field.strip() for field in fields):
            yield index, [field.strip() for field in fields]


def _header(
    rows: list[tuple[int, list[str]]], columns: Sequence[str] | None
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns' names in lower case, and the rows below."""
    if columns is not None:
        return [name.strip().lower() for name in columns], rows
    if not rows:
        return [], []
    first = rows[0][1]
    if first[0] == "#":  # dmon: names, a line of units, and both again from time to time
        return [name.lower() for name in first[1:]], [row for row in rows if row[1][0] != "#"]
    if not any(_is_time(field) for field in first):
        return [name.lstrip("\ufeff# ").lower() for name in first], rows[1:]
    return [f"column {index}" for index in range(1, len(first) + 1)], rows


def _places(header: list[str], body: list[tuple[int, list[str]]], file: str) -> dict[str, int]:
    """Return where time, device and power stand."""
    place: dict[str, int] = {}
    for index, name in enumerate(header):
        plain = re.sub(r" *[\[(].*", "", name)
        if "date" in name and "time" not in name:
            place.setdefault("date", index)
        elif re.search(r"time", name):
            place.setdefault("time", index)
        elif plain in _DEVICE:
            place.setdefault("device", index)
        elif _POWER.search(name) and not _NO_POWER.search(plain):
            place.setdefault("power", index)
    if "power" not in place and header[:1] == ["column 1"] and body:  # without a header: by what the first row holds
        row = body[0][1]
        place["time"] = next(index for index, field in enumerate(row) if _is_time(field))
        with_unit = [index for index, field in enumerate(row) if re.fullmatch(r"[\d.]+ *[kmuµ]?W", field)]
        whole = [index for index, field in enumerate(row) if index != place["time"] and field.isdigit()]
        if with_unit:
            place["power"] = with_unit[0]
        elif len(row) == 3 and place["time"] == 0 and whole[:1] == [1]:
            place["power"] = 2
        if whole and whole[0] != place.get("power"):
            place["device"] = whole[0]
    missing = [name for name in ("time", "power") if name not in place]
    if missing:
        found = ", ".join(map(repr, header[:20])) or "nothing"
        raise UnrecognisedFormatError(
            f"{file} has no column of {' and '.join(missing)} that we recognise; its columns are {found}. Log with "
            "nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv, amd-smi metric --power --csv --watch 1 or "
            "xpu-smi dump -m 1, or give columns=(name, …) for a log without a header"
        )
    unit = re.search(r"[\[(] *([kmuµ]?w)(?:atts?)? *[\])]|[ _]([muk]w)$", header[place["power"]])
    place["scale"] = 0 if unit is None else list(_UNITS).index((unit[1] or unit[2]).lower()) + 1
    return place


def _sample(row: list[str], place: dict[str, int], clock: dict[str, int], offset_s: float) -> tuple[float, float, bool]:
    """Return time, watts, and whether the unit is named; raise what is wrong with a row."""
    if len(row) <= max(place["power"], *clock.values()):
        raise ValueError(f"{len(row)} fields, and none for {'power' if len(row) <= place['power'] else 'time'}")
    words, date = row[place["time"]], row[place["date"]] if "date" in place else ""
    time_s = _moment(words, date, offset_s)
    if time_s is None:
        raise ValueError(f"time = {words[:60]!r} is no time that we recognise")
    power = row[place["power"]]
    if power.lower() in _UNKNOWN:
        raise ValueError(f"power = {power[:60]!r} is not known")
    found = _NUMBER.fullmatch(power)
    if found is None:
        raise ValueError(f"power = {power[:60]!r} is not a number")
    unit = found[2].lower() if found[2] else list(_UNITS)[place["scale"] - 1] if place["scale"] else ""
    watts = float(found[1]) * _UNITS.get(unit, 1.0)
    if not np.isfinite(watts) or watts < 0:
        raise ValueError(f"power = {power[:60]!r} is not accepted: give a number of at least 0")
    return time_s, watts, bool(unit)


def _is_time(field: str) -> bool:
    """Whether a field can only be a time: with a colon, or as large as Unix time is today."""
    known = _moment(field, "", 0.0)
    return known is not None and (":" in field or known > 1e9)


def _moment(words: str, date: str, offset_s: float) -> float | None:
    """Return a time in seconds: of Unix time, or as it stands where there is no date."""
    words = words.strip()
    if _OF_DAY.fullmatch(words):
        hours, minutes, rest = words.replace(",", ".").split(":")
        of_day = 3600 * int(hours) + 60 * int(minutes) + float(rest)
        if not date:
            return of_day
        day = re.fullmatch(r"(\d{4})[-/]?(\d\d)[-/]?(\d\d)", date.strip())
        try:
            midnight = datetime.fromisoformat("-".join(day.groups())) if day else None
        except ValueError:
            return None
        return None if midnight is None else midnight.replace(tzinfo=UTC).timestamp() + of_day - offset_s
    if _PLAIN.fullmatch(words) and len(words) <= 30:
        plain = float(words)
        while plain > 1e11:  # ms, µs or ns
            plain /= 1e3
        return plain
    if len(words) < 11:
        return None
    try:
        moment = datetime.fromisoformat(words.replace("/", "-"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC).timestamp() - offset_s if moment.tzinfo is None else moment.timestamp()


def _time_of(name: str, given: Time, offset_s: float) -> float:
    if isinstance(given, datetime):
        return given.replace(tzinfo=UTC).timestamp() - offset_s if given.tzinfo is None else given.timestamp()
    if isinstance(given, str):
        found = _moment(given, "", offset_s)
        if found is None:
            raise ValueError(f"{name} = {given!r} is not accepted: give Unix time in s, or a date and time")
        return found
    return float(number(name, given))


def _log(
    times: Column,
    device: Column,
    watts: Column,
    *,
    named: bool,
    lines: list[int],
    rejected: list[Rejected],
    file: str,
    utc_offset_s: float,
) -> PowerLog:
    """Return a log in order: units put right, days counted, impossible samples refused, repeated ones averaged."""
    notes: list[str] = []
    if len(watts) and not named and np.quantile(watts, 0.9) > _MOST_W:
        scale, word = (1e-3, "mW") if np.quantile(watts, 0.9) * 1e-3 <= _MOST_W else (1e-6, "µW")
        notes.append(
            f"no unit is named and {np.quantile(watts, 0.9):.6g} W is more than a device draws: read as {word}"
        )
        watts = watts * scale
    unlikely = watts > _MOST_W
    for index in np.flatnonzero(unlikely):
        reason = f"power = {watts[index]:.6g} W is more than a device draws"
        rejected.append(Rejected(file, lines[index], reason, {"power": float(watts[index])}))
    times, device, watts = times[~unlikely], device[~unlikely], watts[~unlikely]
    _, code = np.unique(device.astype(str), return_inverse=True)
    grouped = np.argsort(code, kind="stable")
    times, device, watts, code = times[grouped], device[grouped], watts[grouped], code[grouped]
    step = np.diff(times, prepend=times[:1])
    step[np.diff(code, prepend=code[:1]) != 0] = 0
    if len(times) and times.max() < _DAY_S:  # times of day: the clock starts anew at midnight
        nights = np.cumsum(step < -_DAY_S / 2)
        first = np.concatenate([[True], np.diff(code) != 0])
        nights = nights - nights[first][np.cumsum(first) - 1]
        times = times + _DAY_S * nights
        step = np.where(step < -_DAY_S / 2, 0, step)
    if backwards := int(np.sum(step < 0)):
        notes.append(f"{backwards} samples stood after a later one: put in order")
    order = np.lexsort((times, code))
    times, device, watts, code = times[order], device[order], watts[order], code[order]
    if len(times):
        new = np.concatenate([[True], (np.diff(times) > 0) | (np.diff(code) != 0)])
        if not new.all():
            notes.append(f"{int(np.sum(~new))} samples repeat a time of their device: the mean is taken")
            group = np.cumsum(new) - 1
            watts = np.bincount(group, watts) / np.bincount(group)
            times, device = times[new], device[new]
    reasons = Counter(row.reason for row in rejected)
    notes += [f"{count} rows refused: {reason}" for reason, count in reasons.most_common(3)]
    ordered = tuple(sorted(rejected, key=lambda row: row.row))
    return PowerLog(times, device, watts, file, ordered, tuple(notes), utc_offset_s)


def _each(window: Any, name: str, length: int) -> list[Any]:
    if window is None or isinstance(window, str | datetime) or np.ndim(window) == 0:
        return [window] * length
    found = list(window)
    if len(found) != length:
        raise ValueError(f"{name}: {len(found)} windows for {length} runs")
    return found
