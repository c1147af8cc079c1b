"""The shell: ``python -m roofline.measure gemm|attention|stream``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from roofline.measure.bench import Bench, Result, library_version
from roofline.measure.device import DEVICES, CannotMeasureError, open_device
from roofline.measure.plan import attention_plan, gemm_plan, limits, stream_plan
from roofline.measure.work import ATTENTION_DTYPES, GEMM_DTYPES, PASSES, Gemm, Work
from roofline.measurements.write import write

_EXAMPLES = """examples:
  python -m roofline.measure gemm --dtype bf16,fp8 --out gemm.csv
  python -m roofline.measure attention --llm llama-3.3-70b --out attention.csv
  python -m roofline.measure stream --device cpu --quick          # a smoke test without an accelerator
The file is read with roofline.measurements.read("gemm.csv")."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``python -m roofline.measure``; the process's own by default.

    Returns
    -------
    int
        Exit status: 0; 1 where nothing could be measured; 2 for bad input or where there is nothing to measure on,
        with one message on standard error; 130 where it was interrupted, with what had been measured written.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.out is not None:
            _free(options.out)
        works = options.plan(options)
        if not works:
            raise ValueError("nothing is to be measured: give at least one size")
        effort = limits(options.repeats, quick=options.quick)
        device = open_device(options.device)
        bench = Bench.of(device, accelerator=options.accelerator, power=not (options.no_power or options.quick))
        return _run(bench, works, effort, options)
    except (CannotMeasureError, ValueError, KeyError, OSError) as error:
        _say(f"roofline.measure {options.command}: error: {_message(error)}")
        return 2


def _run(bench: Bench, works: Sequence[Work], effort: dict[str, Any], options: argparse.Namespace) -> int:
    machine = "no specification" if bench.accelerator is None else f"{bench.accelerator.name} ({bench.accelerator.key})"
    _print(f"{bench.device.name}, PyTorch {bench.device.framework_version}; compared with: {machine}")
    for note in bench.notes:
        _say(f"note: {note}")
    _print(_row("kernel", "time [µs]", "spread", _rate_head(works[0]), "of peak", "of roofline", "power [W]"))
    results: list[Result] = []
    refused: dict[str, int] = {}
    interrupted = False
    bar = tqdm(total=len(works), file=sys.stderr, disable=None, leave=False, unit="kernel")
    try:
        for result in bench.measure(works, **effort):
            results.append(result)
            bar.update()
            if result.timing is None:
                refused[result.reason] = refused.get(result.reason, 0) + 1
                if refused[result.reason] == 1:
                    _say(f"{result.work}: left out: {result.reason}")
            else:
                _print(_measured(bench, result))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    runs = bench.records(results)
    left = "".join(f"; {number} left out: {reason}" for reason, number in refused.items())
    if options.out is not None and len(runs):
        write(runs, options.out)
        _print(f"{len(runs)} records in {options.out}{left}")
    else:
        _print(f"{len(runs)} measured{left}{'' if options.out else '; --out FILE.csv keeps them'}")
    return 130 if interrupted else 0 if len(runs) else 1


def _free(out: str) -> None:
    """Refuse, before minutes are spent, a file that cannot be written or would be lost."""
    path = Path(out)
    if path.exists():
        raise ValueError(f"--out {out}: there is such a file already, and measurements are not overwritten")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {path.parent}")


# --------------------------------------------------------------------------------------------------------------- table


def _rate_head(work: Work) -> str:
    return "TFLOP/s" if isinstance(work, Gemm) else "TB/s"


def _measured(bench: Bench, result: Result) -> str:
    timing, work = result.timing, result.work
    if timing is None:
        raise TypeError("a kernel without times")  # for the type checker: the caller has looked
    rate = (work.flops if isinstance(work, Gemm) else work.bytes) / timing.median_s / 1e12
    spread = "-" if timing.spread != timing.spread else f"{timing.spread:.1%}"
    power = "-" if result.power_w is None else f"{result.power_w:.0f}"
    shares = (_share(bench.peak_share(result)), _share(bench.roofline_share(result)))
    return _row(str(work), f"{timing.median_s * 1e6:,.1f}", spread, f"{rate:,.3g}", *shares, power)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _row(kernel: str, *cells: str) -> str:
    return f"{kernel:<32}" + "".join(f"{cell:>13}" for cell in cells)


def _print(line: str) -> None:
    tqdm.write(line, file=sys.stdout)  # beside the progress bar, not through it
    sys.stdout.flush()


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)


# ------------------------------------------------------------------------------------------------------------- options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m roofline.measure",
        description="Measure kernels on this machine through PyTorch, and keep them as records.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"inference-tco {library_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    gemm = _command(commands, "gemm", "products of matrices: the layers of a model with few rows, and square ones")
    _llm(gemm, "model whose layers give the shapes")
    gemm.add_argument("--dtype", type=_words, default=["bf16"], metavar="A,B", help=", ".join(GEMM_DTYPES))
    gemm.add_argument("--m", type=_numbers, metavar="1,8,…", help="rows of the thin products; '' for none")
    gemm.add_argument("--square", type=_numbers, metavar="1024,…", help="edges of the square products; '' for none")
    gemm.set_defaults(
        plan=lambda o: gemm_plan(o.llm, m=o.m, square=o.square, dtypes=o.dtype, quick=o.quick),
    )

    attention = _command(commands, "attention", "attention of decode steps, of one layer of a model")
    _llm(attention, "model whose heads are taken")
    attention.add_argument("--dtype", type=_words, default=["bf16"], metavar="A,B", help=", ".join(ATTENTION_DTYPES))
    attention.add_argument("--batch", type=_numbers, metavar="1,16,…", help="sequences")
    attention.add_argument("--context", type=_numbers, metavar="512,…", help="tokens that each attends to")
    attention.set_defaults(
        plan=lambda o: attention_plan(o.llm, batch=o.batch, context_tokens=o.context, dtypes=o.dtype, quick=o.quick),
    )

    stream = _command(commands, "stream", "bandwidth of main memory, with passes over arrays of FP32")
    stream.add_argument("--kind", type=_words, default=list(PASSES), metavar="A,B", help=", ".join(PASSES))
    stream.add_argument("--mib", type=_numbers, metavar="64,…", help="sizes of each array [MiB]")
    stream.set_defaults(plan=lambda o: stream_plan(kinds=o.kind, mib=o.mib, quick=o.quick))
    return parser


def _command(commands: Any, name: str, words: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=words, description=f"Measure {words}.")
    command.add_argument("--device", choices=DEVICES, default="auto", help="default: the accelerator that there is")
    command.add_argument("--accelerator", metavar="KEY", help="its key in the catalogue; guessed from its name")
    command.add_argument("--repeats", type=int, default=100, help="most repeats of each kernel (default: 100)")
    command.add_argument("--out", metavar="FILE.csv", help="where the records go; must not exist")
    command.add_argument("--no-power", action="store_true", help="do not read the power, which takes 3 s a kernel")
    command.add_argument("--quick", action="store_true", help="few small kernels and no power: a smoke test")
    return command


def _llm(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument("--llm", default="llama-3.1-8b", metavar="KEY", help=f"{words} (default: llama-3.1-8b)")


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted: give whole numbers with commas between") from None


if __name__ == "__main__":
    raise SystemExit(main())
