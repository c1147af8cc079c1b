"""What cannot be right about a run: flagged, and neither used in silence nor dropped.

What is looked for: more tokens than the model's context holds; a run faster than the hardware allows; a throughput that
batch, tokens and latency contradict; a run slower for each token than a longer one; a power in another unit; and a row
that repeats or contradicts another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import hardware_specs as hs
from roofline.llm_catalog import get_llm
from roofline.measurements.bounds import codes_of, least_time_s, measured_time_s
from roofline.measurements.fields import FIELDS, MEASURED
from roofline.measurements.records import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ABOVE = 1.01  # rounding in a publication is no faster machine
_BELOW = 5e-4  # the slowest software that we know of reaches a thousandth
_UNLIKE = 0.02  # of throughput and latency that should be the same figure
_WARMING = 1.15  # what is done once for every run, however short, is less
_REPEATED = 0.10  # repeats of a run on the same machine: half of those we have differ by less than 2 %
_PLACE = ("file", "row", "source", "date", "inferred", "flags", "spread")


def flag(runs: Runs) -> Runs:
    """Return the runs with what is wrong with each in ``flags``.

    Parameters
    ----------
    runs : Runs
        Any; flags that they have stay.

    Returns
    -------
    Runs

    Examples
    --------
    >>> runs = Runs.from_rows([{"accelerator": "h100-sxm", "llm": "llama-3.1-8b", "precision": "bf16", "devices": 1,
    ...                         "phase": "decode", "batch": 1, "context_tokens": 1024, "output_tokens_per_s": 900.0}])
    >>> flag(runs)[0].flags
    'faster than the hardware: 4.07 × the ideal roofline'
    """
    if not len(runs):
        return runs
    marks: list[list[str]] = [text.split("; ") if text else [] for text in runs.flags]
    with np.errstate(all="ignore"):  # a table may hold anything
        for find in (_beyond_context, _too_fast, _contradicted, _wrong_power, _repeated):
            for index, words in find(runs):
                marks[index].append(words)
        right = np.array([not mark for mark in marks])  # a wrong run is no measure for another one
        for index, words in _warming(runs, right):
            marks[index].append(words)
    texts = np.array(["; ".join(dict.fromkeys(mark)) for mark in marks], dtype=object)
    columns = {name: column for name, column in runs.columns.items() if name != "flags"}
    if np.any(texts != ""):
        columns["flags"] = texts
    return Runs(columns, runs.rejected)


def _beyond_context(runs: Runs) -> list[tuple[int, str]]:
    """Find generations that cannot have been: software stops where the model's context is full.

    TensorRT-LLM does not: its engines are built for whatever lengths are asked for.
    """
    longest = {key: _context(key) for key in set(runs.llm.tolist())}
    limit = np.array([longest[key] for key in runs.llm])
    stops = (runs.phase == "generate") & (runs.framework != "TensorRT-LLM")
    wrong = np.flatnonzero(stops & (runs.prompt_tokens + runs.output_tokens > limit))
    return [(int(i), f"prompt and output are beyond the model's context of {limit[i]:,.0f} tokens") for i in wrong]


def _context(key: str) -> float:
    try:
        return float(get_llm(key).max_context)
    except KeyError:
        return np.inf


def _warming(runs: Runs, right: NDArray[np.bool_]) -> list[tuple[int, str]]:
    """Find runs that took longer for a token than the same run with longer prompts and outputs, where it costs more.

    Their median counts, for one of them may be wrong itself. Only runs with the same share of output are held against
    each other: a token that is read costs less than one that is written. The first run of a series often holds what is
    done once: compiling, capturing graphs, filling caches.
    """
    what = [name for name in FIELDS if name not in (*MEASURED, *_PLACE, "prompt_tokens", "output_tokens")]
    share = runs.output_tokens / runs.prompt_tokens
    alike = codes_of((*(runs.columns[name] for name in what if name in runs.columns), share), len(runs))
    per_token = measured_time_s(runs) / (runs.prompt_tokens + runs.output_tokens)
    use = np.flatnonzero(right & (runs.phase == "generate") & ~np.isnan(per_token))
    order = use[np.lexsort((-runs.prompt_tokens[use], alike[use]))]  # the longest first
    found = []
    longer: list[float] = []
    group = -1
    for row in order.tolist():
        if alike[row] != group:
            group, longer = alike[row], []
        times = per_token[row] / np.median(longer) if longer else 1.0
        if times > _WARMING:
            found.append((row, f"{times:.3g} × the time per token of longer runs: a first run, still warming up?"))
        else:
            longer.append(per_token[row])
    return found


def _too_fast(runs: Runs) -> list[tuple[int, str]]:
    times_faster = least_time_s(runs) / measured_time_s(runs)
    found = [
        (int(i), f"faster than the hardware: {times_faster[i]:.3g} × the ideal roofline")
        for i in np.flatnonzero(times_faster > _ABOVE)
    ]
    for i in np.flatnonzero(times_faster < _BELOW):
        found.append((int(i), f"{1 / times_faster[i]:,.0f} × slower than the ideal roofline: another unit?"))
    return found


def _contradicted(runs: Runs) -> list[tuple[int, str]]:
    found = []
    of_batch = (runs.phase == "generate") & ~np.isnan(runs.latency_s)
    for rate, tokens in (
        ("tokens_per_s", runs.prompt_tokens + runs.output_tokens),
        ("output_tokens_per_s", runs.output_tokens),
    ):
        expected = runs.batch * tokens / runs.latency_s
        off = getattr(runs, rate) / expected
        for index in np.flatnonzero(of_batch & (np.abs(off - 1) > _UNLIKE)):
            words = f"{rate} is {off[index]:.3g} × batch · tokens / latency"
            found.append((int(index), words))
    return found


def _wrong_power(runs: Runs) -> list[tuple[int, str]]:
    most = {key: _most_w(key) for key in set(runs.accelerator.tolist())}
    limit = np.array([most[key] for key in runs.accelerator])
    of_device = np.isin(runs.power_boundary, ("", "device", "board"))
    wrong = np.flatnonzero(of_device & (runs.power_w > limit))
    return [
        (int(i), f"power_w = {runs.power_w[i]:.6g} is {runs.power_w[i] / limit[i] * 1.5:.3g} × the TDP"
         + (", milliwatts?" if runs.power_w[i] > 50 * limit[i] else ""))
        for i in wrong
    ]  # fmt: skip


def _most_w(key: str) -> float:
    """Return half as much again as an accelerator's TDP, which no mean exceeds; infinite where none is known."""
    try:
        tdp = hs.get(key).tdp_w
    except KeyError:
        return np.inf
    return np.inf if tdp is None else 1.5 * tdp


def _repeated(runs: Runs) -> list[tuple[int, str]]:
    """Find rows that say of the same run what another says, the later of them, or something else, both."""
    what = [name for name in FIELDS if name not in (*MEASURED, *_PLACE) and name in runs.columns]
    alike = codes_of((runs.columns[name] for name in what), len(runs))
    results = [name for name in MEASURED if name in runs.columns and name not in _PLACE]
    times = measured_time_s(runs)
    same = codes_of((runs.columns[name] for name in results), len(runs))
    several = np.flatnonzero(np.bincount(alike)[alike] > 1)
    order = several[np.argsort(alike[several], kind="stable")]
    found: list[tuple[int, str]] = []
    for rows in np.split(order, np.flatnonzero(np.diff(alike[order])) + 1):
        seen: dict[int, int] = {}
        for row in rows.tolist():
            if same[row] in seen:
                found.append((row, f"repeats {_where(runs, seen[same[row]])}"))
            seen.setdefault(int(same[row]), row)
        firsts = [row for row in seen.values() if not np.isnan(times[row])]
        if len(firsts) > 1:
            low, high = min(firsts, key=lambda row: times[row]), max(firsts, key=lambda row: times[row])
            if times[high] > (1 + _REPEATED) * times[low]:
                ratio = times[high] / times[low]
                found.append((low, f"contradicts {_where(runs, high)}: {ratio:.3g} × as fast"))
                found.append((high, f"contradicts {_where(runs, low)}: {1 / ratio:.3g} × as fast"))
    return found


def _where(runs: Runs, index: int) -> str:
    rows, files = runs.columns.get("row"), runs.columns.get("file")
    if rows is None or np.isnan(rows[index]):
        return f"run {index}"
    file = "" if files is None else files[index]
    return f"row {int(rows[index])} of {file}" if file else f"row {int(rows[index])}"
