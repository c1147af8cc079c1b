"""Fit the curves again, from the installed tables: ``python -m roofline.kernels --write FOLDER``.

Without ``--write`` it prints each curve's error on shapes that were left out; ``--transfer`` prints how well three
machines predict a fourth.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

import hardware_specs
from hardware_specs.errors import UnknownNameError, UnknownValueError
from roofline.kernels import tables
from roofline.kernels.curves import KernelCurve, Kernels, left_out, transfer
from roofline.kernels.shipped import as_toml
from roofline.machine import Machine

_SERVING = ("vllm", "trtllm", "sglang")
_SHIPPED = ("linear", "prefill_attention", "decode_attention", "all_reduce")


def fitted(machine: str, *, root: str | None = None) -> Iterator[KernelCurve]:
    """Fit every curve of a machine, with its error on shapes left out.

    Parameters
    ----------
    machine : str
        Key of an accelerator.
    root : path, optional
        As in :func:`roofline.kernels.data_folder`.

    Yields
    ------
    KernelCurve
    """
    rates = Machine.of(hardware_specs.get(machine))
    for framework in _SERVING:
        for kind in _SHIPPED:
            try:
                found = tables.read(machine, kind, framework=framework, root=root)
            except UnknownNameError:
                continue
            for kernels in found.values():
                try:
                    yield left_out(kernels, rates)
                except UnknownValueError as unknown:
                    _say(f"{machine}: {kind}: {unknown}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        Instead of the command line's.

    Returns
    -------
    int
        Exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m roofline.kernels", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--machine", action="append", choices=list(tables.MACHINES), help="only this one; repeatable")
    parser.add_argument("--write", metavar="FOLDER", help="write one TOML file per machine")
    parser.add_argument("--transfer", action="store_true", help="predict each machine from every three others")
    parser.add_argument("--root", metavar="FOLDER", help="tables of an unpacked package, systems/data")
    options = parser.parse_args(arguments)
    try:
        tables.data_folder(options.root)
    except (ImportError, OSError, ValueError) as error:
        print(f"python -m roofline.kernels: error: {error}", file=sys.stderr)
        return 2
    machines = options.machine or list(tables.MACHINES)
    if options.transfer:
        _print_transfer(machines, options.root)
        return 0
    source = f"{tables.PACKAGE} {tables.package_version()} on PyPI (NVIDIA, Apache-2.0)"
    for machine in machines:
        curves = []
        for curve in fitted(machine, root=options.root):
            curves.append(curve)
            median, p90, _ = curve.error or (np.nan, np.nan, 0)
            label = f"{machine:20} {curve.framework:7} {curve.kind:18} {curve.precision:9}"
            _say(f"{label} median {median:6.1%}  90th percentile {p90:6.1%}")
        if options.write:
            text = as_toml(machine, curves, source=source, date=datetime.date.today().isoformat())
            Path(options.write, f"{machine}.toml").write_text(text, encoding="utf-8")
    return 0


def _print_transfer(machines: list[str], root: str | None) -> None:
    rates = {machine: Machine.of(hardware_specs.get(machine)) for machine in tables.MACHINES}
    for kind in _SHIPPED:
        for precision in ("bf16", "bf16-kv8", "fp8", "nvfp4"):
            known = {machine: found for machine in rates if (found := _known(machine, kind, precision, root))}
            for target in machines:
                if target not in known:
                    continue
                results = [
                    transfer(
                        [known[m] for m in three], [rates[m] for m in three], known[target], rates[target], most=400
                    )
                    for three in combinations([machine for machine in known if machine != target], 3)
                ]
                if results:
                    medians = np.array([result.curve.median for result in results])
                    roofline = results[0].roofline.median
                    _say(
                        f"{kind:18} {precision:9} {target:20} curves {np.median(medians):6.1%}"
                        f" ({medians.min():.1%} to {medians.max():.1%})  peaks {roofline:6.1%}"
                        f"  better in {np.sum(medians < roofline)} of {len(results)}"
                    )


def _known(machine: str, kind: str, precision: str, root: str | None) -> Kernels | None:
    rates = Machine.of(hardware_specs.get(machine))
    if kind == "all_reduce" and rates.link_bytes_per_s is None:
        return None
    try:
        return tables.read(machine, kind, precision=precision, root=root)[precision]
    except UnknownNameError:
        return None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
