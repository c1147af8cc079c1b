"""What the shell says: tables and sentences made of results. Nothing here prints or computes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from hardware_specs import Accelerator, Price, Rent, Server
from hardware_specs._base import IDENTITY_FIELDS, SourcedSpec, leaves
from roofline import LLM, PhaseEstimate, power
from roofline.calibration import Errors
from tco.accounts import INFRASTRUCTURE_PARTS
from tco.comparison import Comparison
from tco.defaults import Assumption, price_from_chips
from tco.deployment import is_modelled
from tco.surface import Surface

WIDTH = 100
_LEVEL = 5e-4  # ratios that round to 1.000 are level


def table(rows: Iterable[Sequence[str]], *, header: Sequence[str], left: int = 1) -> str:
    """Align rows under a header; the first `left` columns to the left, the others to the right.

    Parameters
    ----------
    rows : iterable of sequence of str
        As many cells each as `header`.
    header : sequence of str
        Column names.
    left : int
        Columns of text.

    Examples
    --------
    >>> print(table([["qkv", "12"], ["attention", "3"]], header=["operation", "µs"]))
    operation  µs
    qkv        12
    attention   3
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def comparison(result: Comparison, *, names: tuple[str, str], reveal: bool = False, note: str = "") -> str:
    """Say which of two deployments is cheaper, by how much, why, what would change it, and where the inputs come from.

    Parameters
    ----------
    result : Comparison
        Of scalar shape.
    names : tuple of str
        What to call A and B.
    reveal : bool
        Show private costs.
    note : str
        Why throughputs are ideal, where they are.
    """
    a, b = names
    sections = [
        f"{a} against {b}: {workload(result)}",
        _verdict(result, a, b, note),
        "Ratios, " + f"{a} / {b}\n" + _indent(_ratios(result, b)),
        "Why\n" + _indent(_why(result, a, b)),
        "What would change it, each alone\n" + _indent(_changes(result, a, b)),
        "Where each input comes from\n" + _indent(_origins(result.assumptions, reveal=reveal)),
    ]
    if reveal or not result.private:
        sections.insert(-1, "Cost of one server\n" + _indent(_costs(result, a, b)))
    notes = cautions(result, reveal=reveal)
    if notes:
        sections.insert(2, "Mind\n" + "\n".join(_hanging(f"- {note}") for note in notes))
    return "\n\n".join(sections)


def cautions(result: Comparison, *, reveal: bool = False) -> list[str]:
    """Say what could turn the answer, or give a private number away.

    Parameters
    ----------
    result : Comparison
        Of scalar shape.
    reveal : bool
        Whether private costs are shown anyway.
    """
    notes = []
    now = float(result.ratio)

    def turned(ratio: float) -> str:
        return f"{ratio:.3f}" + (", which turns the verdict" if (ratio < 1) != (now < 1) else "")

    prices = (result.a.price, result.b.price)
    if prices[0].basis != prices[1].basis and not any(price.private for price in prices):
        kinds = [
            f"{price.basis} for {side.server.key}" for price, side in zip(prices, (result.a, result.b), strict=True)
        ]
        note = f"server prices are of unlike kinds: {kinds[0]}, {kinds[1]}"
        alike = [price_from_chips(side.server, side.accelerator) for side in (result.a, result.b)]
        if alike[0] is not None and alike[1] is not None and any(price.origin != "derived" for price in prices):
            ratio = float(result.ratio_at(price_a_usd=alike[0].value, price_b_usd=alike[1].value))
            note += f"; with both from what the chips cost, the TCO ratio is {turned(ratio)}"
        notes.append(note)
    for price, end in ((prices[0], {"price_a_usd": prices[0].high}), (prices[1], {"price_b_usd": prices[1].high})):
        if price.high is not None and not price.private:
            ratio = float(result.ratio_at(**end))
            notes.append(f"{price.name} is the low end of a range; at the high end the TCO ratio is {turned(ratio)}")
    losses = [_lost_to_the_tdp(side.throughput) for side in (result.a, result.b)]
    named = [
        f"{loss:.0%} of {side.server.accelerator}'s throughput"
        for loss, side in zip(losses, (result.a, result.b), strict=True)
        if loss
    ]
    if named:
        note = f"the power model sees the TDP cost {' and '.join(named)} (docs/power.md)"
        if losses[0] is not None and losses[1] is not None:
            note += f"; the TCO ratio is then {turned(now * (1 - losses[1]) / (1 - losses[0]))}"
        notes.append(note)
    rates = [getattr(side.throughput, "requests_per_s", None) for side in (result.a, result.b)]
    if hasattr(result.a.throughput, "scheduler") and rates[0] != rates[1]:
        notes.append(f"the streams are of unlike rates, {rates[0]:g} and {rates[1]:g} requests/s a replica")
    given = [kind == "given" for kind in result.kinds]
    if any(given) and not all(given):
        notes.append("one throughput is a plain number: make sure that both count the same tokens, of a whole server")
    for side, other in ((result.a, result.b), (result.b, result.a)):
        kind, against = (getattr(one.throughput, "kind", "given") for one in (side, other))
        if kind == "ideal roofline" and against != "ideal roofline":
            notes.append(
                f"the throughput of {side.server.key} is an upper bound, the other is {against}: that favours it"
            )
    notes.extend(_thin_calibrations(result))
    for side in (result.a, result.b):
        if isinstance(side.throughput, PhaseEstimate):
            notes.extend(side.throughput.warnings)
    if result.private and not reveal:
        notes.append(
            "costs of yours are marked private; --reveal shows them and the dollars. R_SC, R_IC and w, times public "
            "figures, come close to private ones"
        )
    return notes


def _thin_calibrations(result: Comparison) -> list[str]:
    """Say where a calibration rests on few runs, and where the two sides run unlike software."""
    notes, software = [], []
    for side in (result.a, result.b):
        calibration = getattr(side.throughput, "calibration", None)
        if calibration is None:
            continue
        error = side.throughput.losses.error
        software.append(calibration.framework)
        if error.runs < _FEW_RUNS:
            models = f"{len(error.llms)} model{'s' * (len(error.llms) > 1)}"
            notes.append(
                f"the calibration of {calibration.accelerator} rests on {error.runs} runs of {models} with "
                f"{calibration.software}; --framework takes another, --ideal none"
            )
    if len(set(software)) == 2:
        notes.append(f"the machines run unlike software, {software[0]} and {software[1]}: what is compared is both")
    return notes


_FEW_RUNS = 30


def _lost_to_the_tdp(throughput: Any) -> float | None:
    """Share of a phase's throughput that its machine loses at its TDP; 0 below 1 %, None where its power is unknown."""
    if not isinstance(throughput, PhaseEstimate):
        return None
    try:
        loss = float(power.estimate(throughput).loss)
    except ValueError:
        return None
    return loss if loss >= 0.01 else 0.0


def workload(result: Comparison) -> str:
    """Say what both sides do; where they differ in precision or batch, say A's against B's.

    Parameters
    ----------
    result : Comparison
        Of scalar shape.
    """
    throughput = result.a.throughput
    if not is_modelled(throughput):
        return "throughputs as given"
    words, other = str(throughput.workload), result.b.throughput
    if is_modelled(other) and other.workload != words:
        parts = zip(words.split(", "), other.workload.split(", "), strict=False)
        words = ", ".join(mine if mine == theirs else f"{mine} against {theirs}" for mine, theirs in parts)
    return words


def _verdict(result: Comparison, a: str, b: str, note: str) -> str:
    ratio = float(result.ratio)
    below = f"TCO ratio {a} / {b} = {ratio:.3f}; below 1, {a} is cheaper"
    if abs(ratio - 1) < _LEVEL:
        verdict = f"{a} and {b} cost the same per {_token(result)} ({below})."
    else:
        cheaper, dearer, saved = (a, b, 1 - ratio) if ratio < 1 else (b, a, 1 - 1 / ratio)
        verdict = f"{cheaper} is cheaper: a {_token(result)} costs {saved:.1%} less than on {dearer} ({below})."
    if "ideal roofline" in result.kinds:
        reason = f" ({note})" if note else ""
        verdict += (
            f" Throughputs are ideal rooflines{reason}: upper bounds, from which a machine with immature software "
            "falls further than its rival."
        )
    return "\n".join([textwrap.fill(verdict, WIDTH), *_certainty(result, a, b)])


def _certainty(result: Comparison, a: str, b: str) -> list[str]:
    """Say how sure the verdict is, and what the throughputs rest on."""
    probability = result.probability_a
    if probability is None:
        return []
    low, high, level = result.interval(0.9)
    likely = float(probability)
    called = {"A": f"{a}", "B": f"{b}"}.get(result.verdict(), "too close to call")
    sure = f"{a} is cheaper with a probability of {_percent(likely)}: {called}"
    if called in (a, b):
        sure = f"{called} is cheaper with a probability of {_percent(max(likely, 1 - likely))}"
    lines = [f"{sure}. The ratio is {float(low):.3f} to {float(high):.3f} ({level:.0%} interval, throughputs alone)."]
    for name, side in ((a, result.a), (b, result.b)):
        calibration = getattr(side.throughput, "calibration", None)
        if calibration is not None:
            lines.append(f"Throughput of {name}: {calibration.provenance}; {_off(side.throughput.losses.error)}.")
        elif getattr(side.throughput, "kind", "") == "measured":
            lines.append(f"Throughput of {name}: measured, {side.throughput.source}.")
    return [textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in lines]


def _off(error: Errors) -> str:
    if error.leave_one_model_out is None:
        return f"{error.fit:.1%} off on these runs"
    return f"{error.leave_one_model_out:.1%} off on models that were held out"


def _percent(share: float) -> str:
    return "over 99 %" if share > 0.99 else "below 1 %" if share < 0.01 else f"{share:.0%}"


def _token(result: Comparison) -> str:
    estimate = result.a.throughput
    if not isinstance(estimate, PhaseEstimate):
        return "token"
    return "prompt token" if estimate.phase == "prefill" else "generated token"


def _ratios(result: Comparison, b: str) -> str:
    rows = [
        ("R_Th", f"{float(result.r_th):.3f}", "throughput of a server"),
        ("R_SC", f"{result.r_sc:.3f}", "cost of a server"),
        ("R_IC", "-" if result.r_ic is None else f"{result.r_ic:.3f}", _infrastructure(result)),
        ("w", f"{result.server_share:.3f}", f"the server's share of {b}'s cost"),
        ("TCO", f"{float(result.ratio):.3f}", "(w·R_SC + (1 − w)·R_IC) / R_Th, Kim Eq. 4"),
    ]
    return "\n".join(f"{name:<5} {value}  {meaning}" for name, value, meaning in rows)


def _infrastructure(result: Comparison) -> str:
    parts = [part for part in INFRASTRUCTURE_PARTS if part in {**result.a.breakdown, **result.b.breakdown}]
    return "infrastructure cost of a server: " + (", ".join(parts) or "in its rent")


def _why(result: Comparison, a: str, b: str) -> str:
    lines = []
    for name, side in ((a, result.a), (b, result.b)):
        estimate = side.throughput
        if not isinstance(estimate, PhaseEstimate):
            origin = f"{side.replicas} replicas, {estimate.workload}" if is_modelled(estimate) else "as given"
            lines.append(f"{name}: {float(side.tokens_per_s):,.0f} tokens/s a server, {origin}")
            continue
        largest = max(estimate.operations, key=lambda operation: float(operation.time_s))
        lines.append(
            f"{name}: {float(side.tokens_per_s):,.0f} tokens/s a server ({side.replicas} × "
            f"{float(estimate.tokens_per_s):,.0f}), {estimate.bound} bound; {largest.name} takes "
            f"{float(largest.time_s / estimate.time_s):.0%} of {float(estimate.time_s) * 1e3:.3g} ms"
        )
    by_cost = result.elasticities
    lines.append(
        f"{a}'s cost is {float(by_cost.r_sc):.0%} server and {float(by_cost.r_ic):.0%} infrastructure: "
        f"1% off its server's price takes {float(by_cost.r_sc):.2f}% off its TCO"
    )
    return "\n".join(lines)


def _changes(result: Comparison, a: str, b: str) -> str:
    r_th, r_sc, r_ic = float(result.r_th), result.r_sc, result.r_ic or float("nan")
    server = result.break_even_server_cost
    rows = []
    for name, now, level, side, hopeless in (
        ("R_Th", r_th, result.break_even_throughput, "above", ""),
        ("R_SC", r_sc, server, "below", f"{a} would lose even if its servers were free: (1 - w)·R_IC ≥ R_Th"),
        (
            "R_IC",
            r_ic,
            result.break_even_infrastructure_cost,
            "below",
            f"{a} would lose even if its infrastructure were free: w·R_SC ≥ R_Th",
        ),
    ):
        if level is None:
            rows.append([name, f"{now:.3f}", "none", "", hopeless])
        else:
            move = f"{float(level) / now - 1:+.0%}"
            rows.append([name, f"{now:.3f}", f"{float(level):.3f}", move, f"{a} is cheaper {side} {float(level):.3f}"])
    lines = [_with_remarks(rows, header=["", "now", "break-even", "change"])]
    if abs(float(result.ratio) - 1) < _LEVEL:
        return "\n".join(lines)
    loser, discount = (a, result.level_discount_a) if float(result.ratio) > 1 else (b, result.level_discount_b)
    if discount is not None:
        lines.append(f"A discount of {float(discount):.1%} on {loser}'s server draws level.")
    elif loser == b:
        lines.append(f"No discount on {b}'s server draws level: not even a free one.")
    return "\n".join(lines)


def _with_remarks(rows: list[list[str]], *, header: Sequence[str]) -> str:
    """Return a table whose last column, without a name, is text."""
    *figures, _ = zip(*rows, strict=True)
    body = table(zip(*figures, strict=True), header=header).split("\n")
    width = max(map(len, body))
    return "\n".join([body[0], *(f"{line:<{width}}  {row[-1]}" for line, row in zip(body[1:], rows, strict=True))])


def _costs(result: Comparison, a: str, b: str) -> str:
    at_least = ", at least" if "ideal roofline" in result.kinds else ""
    rows = [[part, *(f"{side.breakdown[part]:,.0f}" for side in (result.a, result.b))] for part in result.a.breakdown]
    rows.append(["total", *(f"{side.usd_per_year:,.0f}" for side in (result.a, result.b))])
    rows.append(
        [
            f"USD per million {_token(result)}s{at_least}",
            *(f"{float(side.usd_per_million_tokens):.4f}" for side in (result.a, result.b)),
        ]
    )
    return table(rows, header=["USD/year", a, b])


def _origins(assumptions: Iterable[Assumption], *, reveal: bool) -> str:
    lines = []
    for item in assumptions:
        lines.append(f"{item.name}: {item.shown(reveal=reveal)} [{item.origin}]")
        lines.append(textwrap.fill(item.source, WIDTH - 8, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)


def estimate(result: PhaseEstimate) -> str:
    """Say how fast a phase can be and what sets it, operation by operation.

    Parameters
    ----------
    result : PhaseEstimate
        Of scalar shape.
    """
    total = float(result.time_s)
    rows = [
        [
            operation.name,
            str(operation.bound),
            operation.precision,
            str(operation.layers),
            f"{float(operation.time_s) * 1e6:,.1f}",
            f"{float(operation.time_s) / total:.0%}",
            f"{float(operation.flops) / 1e9:,.1f}",
            f"{float(operation.bytes) / 1e6:,.1f}",
            f"{float(operation.intensity):,.1f}",
        ]
        for operation in result.operations
    ]
    unit = "prompt tokens" if result.phase == "prefill" else "generated tokens"
    available = f"{float(result.accelerator.memory_bytes or 0) / 1e9:,.1f} GB"
    fits = f"fits in {available}" if bool(result.fits) else f"does NOT fit in {available}"
    return "\n\n".join(
        [
            f"{result.workload}, on {result.devices} × {result.machine.name} ({result.kind}{_bound(result)})",
            f"{total * 1e3:,.3f} ms, {float(result.tokens_per_s):,.0f} {unit}/s, {float(result.tflops):,.1f} TFLOPS, "
            f"MFU {float(result.mfu):.1%}, {float(result.intensity):,.1f} FLOP/byte, {result.bound} bound\n"
            f"weights and KV cache take {float(result.memory_bytes) / 1e9:,.1f} GB on each device: {fits}",
            table(
                rows,
                header=["operation", "bound", "precision", "layers", "µs", "share", "GFLOP", "MB", "FLOP/byte"],
                left=3,
            ),
            *(["Mind\n" + "\n".join(f"  - {warning}" for warning in result.warnings)] if result.warnings else []),
        ]
    )


def _bound(result: PhaseEstimate) -> str:
    return ", an upper bound" if result.kind == "ideal roofline" else ""


def surface(result: Surface) -> str:
    """Write a TCO surface as a table, throughput down (highest first, as it is drawn) and server cost across."""
    rows = [
        [f"{throughput:.3g}", *(f"{value:.2f}" for value in line)]
        for throughput, line in zip(result.r_th[::-1], result.ratio[::-1], strict=True)
    ]
    return (
        f"TCO of A / TCO of B; below 1, A is cheaper. R_IC = {result.r_ic:g}, w = {result.server_share:g}. "
        f"Down R_Th, across R_SC.\n\n" + table(rows, header=["R_Th \\ R_SC", *(f"{cost:.3g}" for cost in result.r_sc)])
    )


def assumption_json(item: Assumption, *, reveal: bool) -> dict[str, Any]:
    """Return an assumption as plain data; a private value is null unless revealed."""
    hidden = item.private and not reveal
    return {
        "name": item.name,
        "value": None if hidden else item.value,
        "unit": item.unit,
        "origin": item.origin,
        "source": item.source,
        "private": item.private,
    }


def hardware(machines: Iterable[Accelerator], servers: Iterable[Server]) -> str:
    """List accelerators with their peaks, memory, power and usual server; a dash is a figure that no source gives."""
    usual = {server.accelerator: server for server in servers if server.standard}
    rows = []
    for machine in machines:
        peaks = machine.peak_tflops
        server = usual.get(machine.key)
        rows.append(
            [
                machine.key,
                server.key if server else "-",
                machine.vendor or "-",
                *(_number(getattr(peaks, name) if peaks else None) for name in ("bf16", "fp16", "fp8", "fp4")),
                f"{machine.memory_bytes_per_s / 1e12:,.2f}",
                f"{machine.memory_bytes / 2**30:,.4g}",
                _number(machine.tdp_w),
            ]
        )
    return (
        table(
            rows,
            header=["accelerator", "server", "vendor", "bf16", "fp16", "fp8", "fp4", "TB/s", "GiB", "TDP W"],
            left=3,
        )
        + "\n\nDense peaks in TFLOPS; - is a figure that no source gives. `tco hardware NAME` shows all, with sources."
    )


def llms(models: Iterable[LLM]) -> str:
    """List models with their size, their shape and what is special about them."""
    rows = [
        [
            model.key,
            _kind(model),
            f"{model.parameters / 1e9:,.2f}",
            f"{model.active_parameters / 1e9:,.2f}",
            str(model.layers),
            str(model.hidden),
            f"{model.heads}/{model.kv_heads}",
            f"{model.kv_bytes_per_token() / 1024:,.1f}",
            f"{model.max_context:,}",
        ]
        for model in models
    ]
    header = ["model", "kind", "10⁹ params", "active", "layers", "hidden", "heads", "KV KiB/token", "context"]
    return table(rows, header=header, left=2) + (
        "\n\nKV cache in 16 bits. `tco llms NAME` shows the architecture, with sources."
    )


def _kind(model: LLM) -> str:
    """Say in a word or two what departs from a dense model with grouped-query attention."""
    words = [
        "experts" if model.moe is not None else "",
        "latent attention" if model.mla is not None else "",
        "windows" if any(group.window for group in model.layer_groups) else "",
        "unlike layers" if model.blocks is not None else "",
    ]
    return ", ".join(word for word in words if word) or "dense"


def spec(entry: SourcedSpec) -> str:
    """Show everything that is known of a catalogue entry: each figure, and numbered below them sources and reasons."""
    rows: list[str] = []
    sources: list[str] = []
    notes: list[str] = []
    known = {field: value for field, value in leaves(entry).items() if not field.startswith("price.")}
    if isinstance(entry, Server) and entry.price is not None:
        known["price"] = entry.price
    for field, value in known.items():
        if field.split(".")[0] in ("key", "name", "sources", "notes"):
            continue
        if field in IDENTITY_FIELDS:
            rows.append(f"  {field} = {_value(value)}")
            continue
        source, note = entry.source(field), entry.note(field)
        marks = _mark(sources, source) + (f" {_letter(notes, note)}" if note else "")
        rows.append(f"  {field} = {_value(value)}  {marks}")
    rows.append("sources")
    rows += [_hanging(f"[{number}] {text}") for number, text in enumerate(sources, start=1)]
    if notes:
        rows.append("notes")
        rows += [_hanging(f"({chr(ord('a') + number)}) {text}") for number, text in enumerate(notes)]
    return "\n".join([f"{entry.key}: {entry.name}", *rows])


def _mark(texts: list[str], text: str) -> str:
    if text not in texts:
        texts.append(text)
    return f"[{texts.index(text) + 1}]"


def _letter(texts: list[str], text: str) -> str:
    if text not in texts:
        texts.append(text)
    return f"({chr(ord('a') + texts.index(text))})"


def _value(value: Any) -> str:
    if isinstance(value, Price | Rent):
        return _money(value)
    if isinstance(value, tuple):
        whole = all(isinstance(item, int) for item in value) and len(value) > 8
        return f"{value[0]} to {value[-1]}" if whole else "; ".join(map(_value, value))
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def _money(value: Price | Rent) -> str:
    unit, amount = ("USD", value.usd) if isinstance(value, Price) else ("USD/h", value.usd_per_h)
    amounts = dict.fromkeys(f"{amount(end):,.10g}" for end in ("low", "high"))
    return f"{'-'.join(amounts)} {unit} ({value.basis}, {value.date})" if not value.private else "(private)"


def _hanging(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent=" " * 6)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _indent(text: str) -> str:
    return textwrap.indent(text, "  ")
