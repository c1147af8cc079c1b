"""``python -m roofline.calibration``: how accurate the shipped calibrations are, and how they are made.

Without files it prints the errors of what is shipped. With files of measured runs it calibrates every machine and
framework in them, predicts each model and each batch from the others, prints the same table, and with ``--out`` writes
the calibrations, a file for each machine.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from roofline.calibration.catalog import calibrations, save_calibrations
from roofline.calibration.own_runs import calibration_of
from roofline.calibration.record import Calibration
from roofline.calibration.study import Studied, mape, study, usable
from roofline.calibration.uncertainty import coverage, pooled_spread
from roofline.measurements import Runs, flag, read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the module's name; the process's own by default.

    Returns
    -------
    int
        Exit status: 0, or 2 for bad input, with one message on standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m roofline.calibration", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("files", nargs="*", metavar="FILE", help="measured runs, of any format that is read")
    parser.add_argument("--out", metavar="FOLDER", help="where the calibrations are written, a file for each machine")
    parser.add_argument("--strict", action="store_true", help="hold a model out on every machine at once (slow)")
    options = parser.parse_args(arguments)
    if not options.files:
        print(table(calibrations()))
        return 0
    try:
        runs = Runs({})
        for path in options.files:
            runs = runs + read(path)
        print(studied_text(runs, options.out, strict=options.strict))
    except (ValueError, KeyError, OSError) as error:
        print(f"python -m roofline.calibration: error: {error}", file=sys.stderr)
        return 2
    return 0


def studied_text(runs: Runs, out: str | None, *, strict: bool) -> str:
    """Calibrate, predict what is held out, write the calibrations if a folder is given, and say how it went.

    Parameters
    ----------
    runs : Runs
        All of them.
    out : str or None
        Folder.
    strict : bool
        Whether a model is held out on every machine at once.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

    if not len(usable(runs)):
        raise ValueError(f"no run can be calibrated on: {len(runs)} were read, {len(runs.rejected)} rows rejected"
                         + (f", the first because {runs.rejected[0].reason}" if runs.rejected else ""))  # fmt: skip
    joined = flag(Runs({name: column for name, column in runs.columns.items() if name != "flags"}, runs.rejected))
    studied = study(joined, strict=strict, progress=lambda pairs: tqdm(list(pairs), file=sys.stderr))
    by_pair = groupby(sorted(studied, key=lambda one: (one.pair, one.several)), key=lambda one: one.pair)
    made = []
    for _, group in by_pair:
        parts = list(group)
        several = next((part for part in parts if part.several), None)
        made.append(calibration_of(parts[0], several, date=datetime.datetime.now(datetime.UTC).date().isoformat()))
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        for accelerator, of_machine in groupby(made, key=lambda one: one.accelerator):
            save_calibrations(of_machine, folder / f"{accelerator}.toml")
    left_out = f"{len(joined)} runs read, {len(joined.flagged)} flagged, {len(joined.rejected)} rows rejected"
    return "\n\n".join([left_out, table(made), _totals(studied)])


def table(made: Iterable[Calibration]) -> str:
    """Write the errors of calibrations as a Markdown table.

    Parameters
    ----------
    made : iterable of Calibration
        Any.

    Examples
    --------
    >>> print(table([]))
    | accelerator | software | devices | runs | models | fit | model held out | batch held out | 90 % interval |
    |---|---|---:|---:|---:|---:|---:|---:|---:|
    """
    lines = [
        "| accelerator | software | devices | runs | models | fit | model held out | batch held out | 90 % interval |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in made:
        alone = one.within.get("devices", (1.0,))[0] == 1
        for devices, losses in (("1" if alone else "2+", one.one), ("2+", one.several)):
            if losses is None:
                continue
            error = losses.error
            held = (error.leave_one_model_out, error.leave_one_batch_out)
            half = float(np.expm1(losses.spread.quantile(0.95)))
            cells = [f"`{one.accelerator}`", one.software, devices, str(error.runs), str(len(error.llms)),
                     f"{error.fit:.1%}", *("" if value is None else f"{value:.1%}" for value in held),
                     f"± {half:.0%}"]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _totals(studied: Sequence[Studied]) -> str:
    lines = []
    groups = {
        "one device": [one for one in studied if not one.several],
        "several devices": [one for one in studied if one.several],
        "all": list(studied),
    }
    for title, chosen in groups.items():
        for what, name in (("llm", "model"), ("batch", "batch")):
            if not chosen:
                continue
            off = np.concatenate([one.held_out[what] for one in chosen])
            off = off[~np.isnan(off)]
            if off.size:
                median = float(np.median(np.abs(np.expm1(-off))))
                lines.append(f"{title}, {name} held out: MAPE {mape(off):.2%}, median {median:.2%}, {off.size} runs")
    covered = coverage(studied)
    total = sum(size for *_, size in covered)
    share = sum(inside * size for _, inside, size in covered) / total if total else float("nan")
    lines.append(f"90 % intervals cover {share:.1%} of {total} held-out runs")
    lines += [
        f"  {one.pair}{' several' if one.several else ''}: {inside:.0%} of {size}" for one, inside, size in covered
    ]
    if total:
        spread = pooled_spread(studied)
        lines.append(f"spread over all: scale {spread.scale:.4f}, freedom {spread.freedom:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
