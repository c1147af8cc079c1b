"""The shell: ``tco compare``, ``tco surface``, ``tco roofline``, ``tco hardware``, ``tco llms``.

Around a scenario: ``tco template``, ``tco check``, ``tco recommend``, ``tco schema``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hardware_specs as hs
import roofline as rl
import tco
from hardware_specs import Accelerator
from hardware_specs.errors import did_you_mean
from roofline import LLM, PhaseEstimate
from tco import cli_recommend, cli_scenario, forecast, report


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keep the examples as they are written, and show defaults without repeating the words."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)

    def add_argument(self, action: argparse.Action) -> None:
        """Make room for the names of commands too, which stand deeper than the class reckons."""
        super().add_argument(action)
        for command in self._iter_indented_subactions(action):
            length = len(self._format_action_invocation(command)) + self._current_indent
            self._action_max_length = max(self._action_max_length, length)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``tco`` on the command line; the process's own by default.

    Returns
    -------
    int
        Exit status: 0, or 2 for bad input, with one message on standard error.
    """
    parser, commands = _parser()
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and not words[0].startswith("-") and words[0] not in commands:
        close = did_you_mean(words[0], commands)
        parser.error(f"there is no command {words[0]!r}{close}; there are {', '.join(commands)}")
    options = parser.parse_args(words)
    try:
        print(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, KeyError, OSError) as error:
        print(f"tco {options.command}: error: {_message(error)}", file=sys.stderr)
        return 2
    return 0


def _message(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("inference-tco")
    except PackageNotFoundError:
        return "(a checkout that is not installed)"


def _parser() -> tuple[argparse.ArgumentParser, Sequence[str]]:
    """Return the parser and the names of its commands."""
    parser = argparse.ArgumentParser(
        prog="tco",
        formatter_class=_Help,
        description="Is accelerator A cheaper than B for your LLM workload, by how much, and what would change it?",
        epilog="Begin with\n  tco compare gaudi-2 h100-sxm --llm llama-3.1-8b\nand then put in your own prices: "
        "tco compare --help.",
    )
    parser.add_argument("--version", action="version", version=f"inference-tco {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_compare(commands)
    _add_surface(commands)
    cli_scenario.add(commands, _Help)
    cli_recommend.add(commands, _Help, _version())
    _add_roofline(commands)
    _add_catalogue(
        commands,
        "hardware",
        "the catalogue of accelerators and servers, every figure with its source",
        description="List the accelerators, or show everything that is known of some, with sources and reasons.",
        examples="  tco hardware\n  tco hardware gaudi-3\n  tco hardware dgx-h100 --json",
        run=_hardware,
    )
    _add_catalogue(
        commands,
        "llms",
        "the catalogue of language models",
        description="List the models, or show the architecture of some.",
        examples="  tco llms\n  tco llms llama-3.1-8b",
        run=_llms,
    )
    return parser, tuple(commands.choices)


# ------------------------------------------------------------------------------------------------------------- compare


def _add_compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="the main job: two accelerators at equal traffic, with the verdict and the heatmap",
        formatter_class=_Help,
        description="Compare the TCO of two accelerators at equal traffic (Kim et al., Eq. 1-4).\n\n"
        "Throughput is the roofline of the phase, with the losses that were measured where both machines are\n"
        "calibrated, and else ideal, an upper bound. Server prices and powers are published, or\n"
        "derived from the chips by a sourced rule; the facility has public defaults. All are listed with their origin.",
        epilog="""Your own costs go into a TOML file (--costs mine.toml):

  [facility]
  pue = 1.2                 # any field of tco.Facility: pue, usd_per_kwh, load, rack_power_kw, rack_usd,
  usd_per_kwh = 0.09        # usd_per_watt, facility_years, server_years, discount_rate

  [servers.gaudi-2-hls]     # a server of the catalogue, or your own with accelerator and accelerators
  price_usd = 150000
  power_w = 7500

They stay private: the output shows ratios, and dollars only with --reveal.

Examples
  tco compare gaudi-2 h100-sxm --llm llama-3.1-8b
  tco compare gaudi-3 h200-sxm --llm llama-3.3-70b --phase prefill --context 4096
  tco compare a100-sxm-80gb h100-sxm --llm qwen3-8b --precision w8a16,fp8
  tco compare gaudi-2 h100-sxm --llm llama-3.1-8b --costs mine.toml --json""",
    )
    command.add_argument("a", help="candidate: an accelerator or a server of `tco hardware`")
    command.add_argument("b", help="reference: ratios are A over B")
    _add_workload(command, precision="fp8")
    command.add_argument(
        "--framework", metavar="NAME", help="whose calibration counts, such as vLLM; also two, as A,B (the best known)"
    )
    command.add_argument(
        "--runs", metavar="FILE", action="append", default=[], help="measured runs of yours, to calibrate on (repeat)"
    )
    command.add_argument("--ideal", action="store_true", help="ideal rooflines, without a calibration")
    command.add_argument("--costs", metavar="FILE", help="your own costs, TOML or JSON (see below)")
    command.add_argument("--out", metavar="FILE", help="where the heatmap goes: .png, .svg or .pdf (tco-A-vs-B.png)")
    command.add_argument("--json", action="store_true", help="print JSON and nothing else")
    command.add_argument("--reveal", action="store_true", help="show private costs and dollars")
    command.set_defaults(run=_compare)


def _add_workload(command: argparse.ArgumentParser, *, precision: str) -> None:
    command.add_argument("--llm", required=True, metavar="NAME", help="a model of `tco llms`, or its Hugging Face id")
    command.add_argument("--phase", choices=("decode", "prefill"), default="decode", help="(decode)")
    command.add_argument("--batch", type=int, help="sequences at a time on each replica (64; in prefill 1)")
    command.add_argument(
        "--context", type=int, default=2048, help="cached tokens of each sequence; in prefill, prompt tokens (2048)"
    )
    command.add_argument(
        "--precision",
        default=precision,
        metavar="NAME",
        help=f"one of {', '.join(rl.POLICY_NAMES)} ({precision}); in `compare` also two, as A,B",
    )
    for short, what in (
        ("tp", "every layer of a replica (1)"),
        ("pp", "its layers, in stages (1)"),
        ("ep", "its experts, each whole on one: 1, or tp · dp (1)"),
        ("dp", "its batch, each with a copy (1)"),
    ):
        command.add_argument(f"--{short}", type=int, default=1, metavar="N", help=f"accelerators that share {what}")


def _compare(options: argparse.Namespace) -> str:
    llm = rl.get_llm(options.llm)
    costs = tco.read_costs(options.costs) if options.costs else tco.Costs()
    precisions = options.precision.split(",")
    if len(precisions) > 2:
        raise ValueError(f"precision = {options.precision!r} is not accepted: give one name, or two as A,B")
    servers = [costs.server(name) for name in (options.a, options.b)]
    devices = [hs.get(server.accelerator) for server in servers]
    of_a, of_b = (precisions * 2)[:2]
    chosen = forecast.Chosen(None, None)
    if options.ideal and (options.runs or options.framework):
        raise ValueError("--ideal takes neither --runs nor --framework: an ideal roofline knows no losses")
    if not options.ideal:
        copies = 1 if options.ep > 1 else options.dp  # whole experts are shared by all
        of_one = (_batch(options) / copies, options.context, options.tp * options.pp * options.dp // copies)
        chosen = forecast.choose(
            forecast.Side(devices[0], of_a, *of_one),
            forecast.Side(devices[1], of_b, *of_one),
            frameworks=options.framework.split(",") if options.framework else (),
            runs=options.runs,
        )
    sides = [
        tco.Deployment(
            server=server,
            facility=costs.facility,
            throughput=_phase(llm, device, precision, options, calibration=calibration),
        )
        for server, device, precision, calibration in zip(servers, devices, (of_a, of_b), chosen[:2], strict=True)
    ]
    result = tco.compare(*sides)
    names = _distinct_names(*sides)
    wanted = Path(options.out or f"tco-{_slug(options.a)}-vs-{_slug(options.b)}.png")
    picture: Path | None = wanted
    try:
        _draw_comparison(result, names, wanted)
    except (ValueError, OSError) as error:
        if options.out is not None:
            raise
        # Nobody asked for a picture in this folder by name: the answer matters more.
        print(f"tco compare: no heatmap: {_message(error)}; --out puts it elsewhere", file=sys.stderr)
        picture = None
    if options.json:
        return json.dumps(_comparison_json(result, picture, reveal=options.reveal), indent=2)
    text = report.comparison(result, names=names, reveal=options.reveal, note=chosen.note)
    return f"{text}\n\nHeatmap: {picture}" if picture else text


def _batch(options: argparse.Namespace) -> int:
    return options.batch if options.batch is not None else (1 if options.phase == "prefill" else 64)


def _phase(
    llm: LLM,
    accelerator: Accelerator,
    precision: str,
    options: argparse.Namespace,
    *,
    calibration: rl.Calibration | None = None,
) -> PhaseEstimate:
    batch = _batch(options)
    shared: dict[str, Any] = {
        "calibration": calibration,
        "tensor_parallel": options.tp,
        "pipeline_parallel": options.pp,
        "expert_parallel": options.ep,
        "data_parallel": options.dp,
    }
    if options.phase == "prefill":
        return rl.prefill(
            llm,
            accelerator,
            batch=batch,
            prompt_tokens=options.context,
            precision=precision,
            **shared,
        )
    return rl.decode(
        llm,
        accelerator,
        batch=batch,
        context_tokens=options.context,
        precision=precision,
        **shared,
    )


def _distinct_names(a: tco.Deployment, b: tco.Deployment) -> tuple[str, str]:
    """Call the sides by their accelerators; by server, precision or place where that does not tell them apart."""
    by_accelerator = [side.accelerator.key if side.accelerator else side.server.key for side in (a, b)]
    by_server = [side.server.key for side in (a, b)]
    by_precision = [f"{side.server.key} in {side.throughput.precision.name}" for side in (a, b)]
    by_place = [f"{side.server.key} ({place})" for side, place in ((a, "A"), (b, "B"))]
    for first, second in (by_accelerator, by_server, by_precision):
        if first != second:
            return first, second
    return by_place[0], by_place[1]


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in name.lower())


def _draw_comparison(result: tco.Comparison, names: tuple[str, str], picture: Path) -> None:
    r_sc, r_th = result.r_sc, float(result.r_th)
    surface = tco.surface(
        r_th=_axis_around(r_th),
        r_sc=_axis_around(r_sc),
        r_ic=result.r_ic,
        server_share=result.server_share,
    )
    title = f"TCO of {names[0]} over {names[1]}\n{report.workload(result)}"
    axes = tco.plot.heatmap(surface, points={result.a.throughput.kind: (r_sc, r_th)}, labels=names, title=title)
    tco.plot.save(axes, picture)


def _axis_around(value: float) -> np.ndarray:
    """Return ticks at round steps that hold 1 and the value, with room on both sides."""
    top = max(1.5, value * 1.3)
    power = 10.0 ** np.floor(np.log10(top / 18))
    step = next(step for step in (1 * power, 2 * power, 5 * power, 10 * power) if top / step <= 18)
    low = step if value >= step else value / 2
    ticks = np.arange(1, np.ceil(top / step) + 1) * step
    return ticks if low == step else np.concatenate([[low], ticks])


def _comparison_json(result: tco.Comparison, picture: Path | None, *, reveal: bool) -> dict[str, Any]:
    hidden = result.private and not reveal
    ratios = {
        "r_th": float(result.r_th),
        "r_sc": result.r_sc,
        "r_ic": result.r_ic,
        "server_share": result.server_share,
        "ratio": float(result.ratio),
        "break_even_throughput": float(result.break_even_throughput),
        "break_even_server_cost": result.break_even_server_cost,
        "break_even_infrastructure_cost": result.break_even_infrastructure_cost,
    }
    if result.probability_a is not None:
        for name in ("r_th", "ratio"):
            low, high, _ = result.interval(0.9, of=name)
            ratios |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    if hidden:  # sixteen digits of a ratio to a public price would be the private price
        ratios = {name: None if value is None else float(f"{value:.3g}") for name, value in ratios.items()}
    data: dict[str, Any] = {
        "a": result.a.server.key,
        "b": result.b.server.key,
        "workload": report.workload(result),
        "kind": result.a.throughput.kind,
        "kinds": list(result.kinds),
        **ratios,
        "probability_a_cheaper": result.probability_a,
        "verdict": result.verdict(),
        "not_even_free": bool(result.not_even_free),
        "assumptions": [report.assumption_json(item, reveal=reveal) for item in result.assumptions],
        "cautions": report.cautions(result, reveal=reveal),
        "picture": str(picture) if picture else None,
    }
    if not hidden:
        for side, deployment in (("a", result.a), ("b", result.b)):
            data[f"usd_per_million_tokens_{side}"] = float(deployment.usd_per_million_tokens)
            data[f"usd_per_year_{side}"] = {**deployment.breakdown, "total": deployment.usd_per_year}
    return data


# ------------------------------------------------------------------------------------------------------------- surface


def _add_surface(commands: Any) -> None:
    command = commands.add_parser(
        "surface",
        help="the TCO ratio over throughput and server cost ratios (Kim Figures 1 and 2)",
        formatter_class=_Help,
        description="Print and draw the TCO ratio of A over B over a grid of throughput ratios R_Th and server cost\n"
        "ratios R_SC (Kim Eq. 4). With the defaults it is Figure 1's rule, (R_SC + 1) / (2·R_Th).",
        epilog="""Axes are FIRST:LAST:COUNT, or values with commas.

Examples
  tco surface
  tco surface --r-th 0.4:1.2:9 --r-sc 0.2,0.4,0.6,0.8,1 --r-ic 0.75 --server-share 0.7
  tco surface --point "decode, fp8=0.6,0.9" --out figure.svg""",
    )
    command.add_argument("--r-th", default="0.2:2:10", metavar="AXIS", help="throughput ratios A/B (0.2:2:10)")
    command.add_argument("--r-sc", default="0.1:1.5:15", metavar="AXIS", help="server cost ratios A/B (0.1:1.5:15)")
    command.add_argument("--r-ic", type=float, default=1.0, help="infrastructure cost ratio A/B (1)")
    command.add_argument("--server-share", type=float, default=0.5, help="the server's share of B's cost (0.5)")
    command.add_argument(
        "--point", action="append", default=[], metavar="LABEL=R_SC,R_TH", help="mark a point; may be repeated"
    )
    command.add_argument("--out", default="tco-surface.png", metavar="FILE", help="where it is drawn (tco-surface.png)")
    command.add_argument("--json", action="store_true", help="print JSON and nothing else")
    command.set_defaults(run=_surface)


def _surface(options: argparse.Namespace) -> str:
    result = tco.surface(
        r_th=_axis("--r-th", options.r_th),
        r_sc=_axis("--r-sc", options.r_sc),
        r_ic=options.r_ic,
        server_share=options.server_share,
    )
    points = dict(_point(text) for text in options.point)
    axes = tco.plot.heatmap(result, points=points or None)
    tco.plot.save(axes, options.out)
    if options.json:
        return json.dumps(
            {
                "r_th": result.r_th.tolist(),
                "r_sc": result.r_sc.tolist(),
                "r_ic": result.r_ic,
                "server_share": result.server_share,
                "ratio": result.ratio.tolist(),
                "picture": options.out,
            }
        )
    return f"{report.surface(result)}\n\nHeatmap: {options.out}"


def _axis(flag: str, text: str) -> np.ndarray:
    try:
        if ":" in text:
            first, last, count = text.split(":")
            if not 1 <= int(count) <= 1000:
                raise ValueError
            return np.linspace(float(first), float(last), int(count))
        return np.array([float(part) for part in text.split(",")])
    except ValueError:
        accepted = "FIRST:LAST:COUNT, with COUNT from 1 to 1000, or values with commas"
        raise ValueError(f"{flag} = {text!r} is not accepted: give {accepted}") from None


def _point(text: str) -> tuple[str, tuple[float, float]]:
    label, _, place = text.rpartition("=")
    try:
        r_sc, r_th = (float(part) for part in place.split(","))
    except ValueError:
        raise ValueError(f"--point = {text!r} is not accepted: give LABEL=R_SC,R_TH") from None
    return label, (r_sc, r_th)


# ------------------------------------------------------------------------------------------------------------ roofline


def _add_roofline(commands: Any) -> None:
    command = commands.add_parser(
        "roofline",
        help="how fast a phase of a model can be on a machine, operation by operation",
        formatter_class=_Help,
        description="Ideal roofline of prefill or decode: time, bound and traffic of every operation.",
        epilog="""Examples
  tco roofline h100-sxm --llm llama-3.1-8b --batch 64 --precision fp8
  tco roofline gaudi-3 --llm llama-3.3-70b --precision fp8 --phase prefill --context 8192 --out roofline.png""",
    )
    command.add_argument("accelerator", help="an accelerator of `tco hardware`")
    _add_workload(command, precision="bf16")
    command.add_argument("--out", metavar="FILE", help="draw the roofline there: .png, .svg or .pdf")
    command.add_argument("--json", action="store_true", help="print JSON and nothing else")
    command.set_defaults(run=_roofline)


def _roofline(options: argparse.Namespace) -> str:
    result = _phase(rl.get_llm(options.llm), hs.get(options.accelerator), options.precision, options)
    result.require_fit()
    if options.out:
        tco.plot.save(rl.plot.roofline(result), options.out)
    if not options.json:
        drawn = f"\n\nRoofline: {options.out}" if options.out else ""
        return report.estimate(result) + drawn
    return json.dumps(
        {
            "workload": result.workload,
            "kind": result.kind,
            "accelerator": options.accelerator,
            "devices": result.devices,
            "time_s": float(result.time_s),
            "tokens_per_s": float(result.tokens_per_s),
            "tflops": float(result.tflops),
            "mfu": float(result.mfu),
            "flops": float(result.flops),
            "bytes": float(result.bytes),
            "intensity": float(result.intensity),
            "bound": str(result.bound),
            "memory_bytes": float(result.memory_bytes),
            "fits": bool(result.fits),
            "operations": [
                {
                    "name": operation.name,
                    "layers": operation.layers,
                    "precision": operation.precision,
                    "flops": float(operation.flops),
                    "bytes": float(operation.bytes),
                    "time_s": float(operation.time_s),
                    "bound": str(operation.bound),
                }
                for operation in result.operations
            ],
        },
        indent=2,
    )


# ------------------------------------------------------------------------------------------------------ hardware, llms


def _add_catalogue(commands: Any, name: str, summary: str, *, description: str, examples: str, run: Any) -> None:
    """Add a command that lists a catalogue, or shows some of its entries in full."""
    command = commands.add_parser(
        name, help=summary, formatter_class=_Help, description=description, epilog=f"Examples\n{examples}"
    )
    command.add_argument("names", nargs="*", metavar="name", help="what to show in full")
    command.add_argument("--json", action="store_true", help="print JSON and nothing else")
    command.set_defaults(run=run)


def _hardware(options: argparse.Namespace) -> str:
    if options.names:
        specs = [_spec(name) for name in options.names]
        if options.json:
            return json.dumps({spec.key: spec.model_dump(mode="json") for spec in specs}, indent=2)
        return "\n\n".join(report.spec(spec) for spec in specs)
    machines = [hs.get(name) for name in hs.names()]
    if options.json:
        return json.dumps({machine.key: machine.model_dump(mode="json") for machine in machines}, indent=2)
    return report.hardware(machines, [hs.get_server(name) for name in hs.server_names()])


def _spec(name: str) -> Any:
    try:
        return hs.get(name)
    except KeyError as unknown:
        try:
            return hs.get_server(name)
        except KeyError:
            raise unknown from None


def _llms(options: argparse.Namespace) -> str:
    models = [rl.get_llm(name) for name in options.names or rl.llm_names()]
    if options.json:
        return json.dumps(
            {
                model.key: model.model_dump(mode="json")
                | {"parameters": model.parameters, "active_parameters": model.active_parameters}
                for model in models
            },
            indent=2,
        )
    if options.names:
        return "\n\n".join(report.spec(model) for model in models)
    return report.llms(models)
