"""Readers of the measured runs beside the checkout, and the ideal estimate of the same quantity for each run.

A reader maps a row to names of the catalogues and says which tokens the row's throughput counts; a row that cannot be
mapped is kept with the reason. This is test code: the importers that users call are another matter.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import hardware_specs as hs
import roofline as rl


@dataclass(frozen=True, kw_only=True)
class Run:
    """A measured throughput, in names of the catalogues.

    ``kind`` is ``requests`` (a batch of equal requests from prompt to last token; one output token is a prefill),
    ``steps`` (decode steps of a serving engine in its steady state), ``offline`` (whatever batch fits) or ``product``
    (of two matrices). ``layouts`` are those that the row's words allow; the fastest counts. ``measured`` is in
    tokens/s, or FLOP/s for a product, and ``counted`` are the tokens, or FLOPs, of the run that it counts.
    """

    file: str
    row: int
    kind: str
    machine: str
    framework: str
    llm: str
    precision: str
    layouts: tuple[rl.Layout, ...] = (rl.Layout(),)
    batch: float = 1
    prompt_tokens: int = 1
    output_tokens: float = 1
    shape: tuple[int, int, int] = (0, 0, 0)
    counted: float
    measured: float


@dataclass(frozen=True, kw_only=True)
class NotMapped:
    """A row that no estimate can be held against, and why."""

    file: str
    row: int
    reason: str


Row = Run | NotMapped

# ---------------------------------------------------------------------------------------------------------- vocabulary

MACHINES = {
    "Nvidia A100 GPU": "a100-sxm-80gb",  # likely the 40 GB module; this one's memory is faster, and so is the bound
    "A100-80GB": "a100-sxm-80gb",
    "A100-SXM": "a100-sxm-80gb",
    "Nvidia H100 GPU": "h100-sxm",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "H100-SXM": "h100-sxm",
    "H100": "h100-sxm",
    "H200": "h200-sxm",
    "NVIDIA H200-SXM-141GB": "h200-sxm",
    "Nvidia GH200 GPU": "gh200-96gb",
    "GH200": "gh200-96gb",
    "B200": "b200",
    "NVIDIA B200-SXM-180GB": "b200",
    "B300": "b300",
    "GB200": "gb200",
    "NVIDIA GB200": "gb200",
    "L40S": "l40s",
    "AMD MI250 GPU": "mi250",
    "AMD MI300X GPU": "mi300x",
    "AMD Instinct MI300X 192GB HBM3": "mi300x",
    "MI300X": "mi300x",
    "AMD Instinct MI325X 256GB HBM3e": "mi325x",
    "MI325X": "mi325x",
    "MI355X": "mi355x",
    "Habana Gaudi2": "gaudi-2",
    "Gaudi2": "gaudi-2",
    "Gaudi3": "gaudi-3",
    "Intel Max 1550": "max-1550",
    "Intel PVC GPU": "max-1550",  # Ponte Vecchio: the repository's folder is Max1550
    "SambaNova SN40L": "sn40l",
}

LLMS = {
    "mistralai/Mistral-7B-v0.1": "mistral-7b-v0.1",
    "Mistral-7B": "mistral-7b-v0.1",
    "Llama-2-7b": "llama-2-7b",
    "Llama-2-70b": "llama-2-70b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "Llama-3.1-70B": "llama-3.1-70b",
    # The releases of July 2025 are the same networks with a longer context.
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Thinking-2507": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "qwen3-235b-a22b",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "qwen3-30b-a3b",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "qwen3-30b-a3b",
}

# What a row says of its precision, and the policies that this allows: the first that the machine runs is taken. A row
# that says nothing is held against 16 bits, the strictest reading. One that says FP8 or FP4 may cache and attend in FP8
# too, the most favourable one. BF16 and FP16 have the same bytes and, but for Gaudi 3, the same peaks.
SIXTEEN = ("bf16", "fp16")
PRECISIONS = {
    "": SIXTEEN,
    "bfloat16": SIXTEEN,
    "fp16": SIXTEEN,
    "bf16": SIXTEEN,
    "fp8": ("all-fp8",),
    "fp4": ("nvfp4-fp8",),
    "mxfp4": ("mxfp4-fp8", "mxfp4-a16"),  # the H100 has no engine for it: weights only
    "Weight = fp16, KV Cache = fp16": SIXTEEN,
    "Weight = fp16, KV Cache = fp8": ("fp16-kv8",),
    "Weight = fp16, KV Cache = int8": ("fp16-kv-int8",),
    "Weight = fp8, KV Cache = fp8": ("fp8-kv8",),
    "Weight = int8, KV Cache = int8": ("int8-kv-int8",),
    "Weight = int8, KV Cache = fp8": ("int8-kv8",),
}
_FP8_ATTENTION = {"attention": "fp8", "kv_cache": "fp8"}
OWN_POLICIES = {
    name: rl.PrecisionPolicy(name=name, **formats)
    for name, formats in {
        "all-fp8": {"weights": "fp8", "compute": "fp8", "activations": "fp8", **_FP8_ATTENTION},
        "nvfp4-fp8": {"weights": "nvfp4", "compute": "nvfp4", "activations": "nvfp4", **_FP8_ATTENTION},
        "mxfp4-fp8": {"weights": "mxfp4", "compute": "mxfp4", "activations": "mxfp4", **_FP8_ATTENTION},
        "mxfp4-a16": {"weights": "mxfp4", "kv_cache": "fp8"},
    }.items()
}


def policy_of(name: str) -> rl.PrecisionPolicy:
    """Return a policy of the library, or one that only these rows need."""
    return OWN_POLICIES.get(name) or rl.policy(name)


@cache
def precision_of(machine: str, named: str) -> str:
    """Return the first policy that the row's words allow and the machine runs."""
    device = hs.get(machine)
    for name in PRECISIONS[named]:
        formats = policy_of(name)
        with suppress(hs.UnsupportedFormatError):
            for part in (formats.compute, formats.attention, formats.head):
                device.peak_flops(part)
            return name
    raise AssertionError(f"{machine} runs none of {PRECISIONS[named]}")


def llm_of(name: str) -> str | None:
    """Return the catalogue's key of a model, by its own name or by that of the row."""
    try:
        return rl.get_llm(LLMS.get(name, name)).key
    except hs.UnknownNameError:
        return None


def lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number the rows of a table from 1, the header and empty lines not counted."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for number, row in enumerate(rows, 1):
            yield number, {key.strip().lower(): (value or "").strip() for key, value in row.items() if key}


# ------------------------------------------------------------------------------------------------------------- readers


def layouts_of(words: str, n: int) -> tuple[rl.Layout, ...]:
    """Return what a row's words on parallelism allow, of `n` devices; a package of two dies counts as one."""
    words = words.lower()
    if words in ("", "tp", "tensor parallelism"):
        return (rl.Layout(tensor=n),)
    if words in ("pp", "pipeline parallelism"):
        return (rl.Layout(pipeline=n),)
    if words in ("hybird tensor (2) and pipeline (2) parallelism", "hybrid tp = 2 and pp = 2"):
        return (rl.Layout(tensor=2, pipeline=n // 2),)
    # Attention may be divided or copied. A mixture of divided and whole experts is held against both pure layouts.
    whole = (rl.Layout(tensor=n, expert=n), rl.Layout(data=n, expert=n))
    return {"ep": whole, "hybrid tp = 2 and ep = 2": (rl.Layout(tensor=n), *whole)}[words]


def llm_inference_bench(path: Path, name: str) -> Iterator[Row]:
    """Read LLM-Inference-Bench: equal prompts and outputs; throughput counts the tokens of both.

    llama.cpp's batch is the number of prompt tokens that it processes at a time, of one sequence: throughput times
    latency is twice the length whatever the batch, and only a batch of 1, which feeds the prompt token by token, takes
    longer.
    """
    for number, row in lines(path):
        at = {"file": name, "row": number}
        machine, llm = MACHINES[row["hardware"]], llm_of(row["model"])
        if llm is None:
            yield NotMapped(**at, reason=f"no model {row['model'].split('/')[-1]}")
            continue
        tokens, framework = int(row["input output length"]), row["framework"]
        batch = 1 if framework == "llama.cpp" else int(row["batch size"])
        yield Run(
            **at,
            kind="requests",
            machine=machine,
            framework=framework,
            llm=llm,
            precision=precision_of(machine, row.get("kv_cache_dtype", "")),
            layouts=layouts_of(row.get("parallelism type", ""), int(row["num of hardware"])),
            batch=batch,
            prompt_tokens=tokens,
            output_tokens=tokens,
            counted=2 * tokens * batch,
            measured=float(row["throughput"]),
        )


def first_tokens(path: Path, name: str) -> Iterator[Row]:
    """Read LLM-Inference-Bench's times to the first token; the throughput is that of the prompt tokens."""
    for number, row in lines(path):
        machine, llm = MACHINES[row["hardware"]], llm_of(row["model"])
        assert llm is not None
        batch, tokens = int(row["batch size"]), int(row["input length"])
        yield Run(
            file=name,
            row=number,
            kind="requests",
            machine=machine,
            framework=row["framework"],
            llm=llm,
            precision=precision_of(machine, ""),
            layouts=layouts_of("", int(row["num of hardware"])),
            batch=batch,
            prompt_tokens=tokens,
            counted=batch * tokens,
            measured=batch * tokens / float(row["ttft latency"]),
        )


def static_batch(path: Path, name: str) -> Iterator[Row]:
    """Read a vendor's table of static batches (output tokens/s) and of first tokens of one prompt."""
    for number, row in lines(path):
        at = {"file": name, "row": number}
        llm = llm_of(row["model"])
        if llm is None:
            yield NotMapped(**at, reason=f"no model {row['model']}")
            continue
        machine, batch, prompt = MACHINES[row["hw"]], int(row["batch"]), int(row["input_len"])
        output = int(row["output_len"])
        counted = batch * (output if output > 1 else prompt)
        yield Run(
            **at,
            kind="requests",
            machine=machine,
            framework="TensorRT-LLM" if "TensorRT" in row["source"] else "SynapseAI",
            llm=llm,
            precision=precision_of(machine, row["precision"]),
            layouts=layouts_of("", int(row["num_devices"])),
            batch=batch,
            prompt_tokens=prompt,
            output_tokens=output,
            counted=counted,
            measured=float(row["throughput_tok_s"]) if row["throughput_tok_s"] else counted / float(row["ttft_s"]),
        )


def ml_energy(path: Path, name: str) -> Iterator[Row]:
    """Read ML.ENERGY: output tokens/s of a serving engine in its steady state, at its mean number of sequences.

    Prompt lengths are not given. A sequence that is being answered holds on average at least half of its answer, so
    half of the mean answer is a context that is never too long; prefill, which shares the machine, is left out too.
    """
    for number, row in lines(path):
        at = {"file": name, "row": number}
        llm, machine, n = llm_of(row["model"]), MACHINES[row["hw"]], int(row["num_devices"])
        if llm is None:
            yield NotMapped(**at, reason=f"no model {row['model'].split('/')[-1]}")
            continue
        tensor, expert, data = (int(size) for size in re.findall(r"[TED]P=(\d+)", row["notes"]))
        layouts = (rl.Layout(tensor=tensor, data=data),) if expert == 1 else layouts_of("ep", expert)
        assert all(layout.devices == n for layout in layouts)
        yield Run(
            **at,
            kind="steps",
            machine=machine,
            framework="vLLM",
            llm=llm,
            precision=precision_of(machine, row["precision"]),
            layouts=layouts,
            batch=float(row["batch"]),
            output_tokens=float(row["output_len"]),
            counted=float(row["batch"]),
            measured=float(row["throughput_tok_s"]),
        )


def mlperf(path: Path, name: str) -> Iterator[Row]:
    """Read MLPerf Inference, Llama 2 70B: output tokens/s of a system, at a batch that is not given.

    The mean answer is, the mean prompt is not: as for ML.ENERGY, half of the answer is the context, and the batch is
    the largest that fits, in as many copies of the model as are best.
    """
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
        at = {"file": name, "row": number}
        machine = MACHINES.get(row["Accelerator"])
        if machine is None:
            yield NotMapped(**at, reason=f"no machine {row['Accelerator']}")
            continue
        per_node, nodes = int(row["a#"]), int(row["Nodes"])
        answer = re.search(r"TOKENS_PER_SAMPLE: ([\d.]+)", row["Accuracy"])
        assert answer is not None
        assert row["Performance_Units"] == "Tokens/s"
        yield Run(
            **at,
            kind="offline",
            machine=machine,
            framework=row["Software"].split()[0],
            llm="llama-2-70b",
            precision=precision_of(machine, row["weight_data_types"]),
            layouts=tuple(rl.Layout(tensor=n, data=per_node * nodes // n) for n in (1, 2, 4, 8) if n <= per_node),
            output_tokens=float(answer[1]),
            counted=1,
            measured=row["Performance_Result"],
        )


def products(path: Path, name: str) -> Iterator[Row]:
    """Read the largest rates that were found for products of two square-ish matrices."""
    for number, row in lines(path):
        at = {"file": name, "row": number}
        machine = MACHINES.get(row["hw"])
        if machine is None:
            yield NotMapped(**at, reason=f"no machine {row['hw']}")
            continue
        m, n, k = (int(size) for size in row["best_shape_mxnxk"].split("x"))
        yield Run(
            **at,
            kind="product",
            machine=machine,
            framework="PyTorch",
            llm="",
            precision=row["dtype"],
            shape=(m, n, k),
            counted=2 * m * n * k,
            measured=float(row["mamf_tflops"]) * 1e12,
        )


READERS = {
    "upstream/llm_inference_bench_all_results.csv": llm_inference_bench,
    "upstream/llm_inference_bench_sn40l.csv": llm_inference_bench,
    "upstream/llm_inference_bench_tp_pp.csv": llm_inference_bench,
    "upstream/llm_inference_bench_quant.csv": llm_inference_bench,
    "upstream/llm_inference_bench_power.csv": llm_inference_bench,
    "upstream/llm_inference_bench_ttft_itl.csv": first_tokens,
    "upstream/mlperf_inference_v5.1_llama2-70b_sample.json": mlperf,
    "ml_energy_v3.csv": ml_energy,
    "trtllm_v0.6.1_static_batch.csv": static_batch,
    "intel_gaudi_1.18.csv": static_batch,
    "mamf_stas00.csv": products,
}
"""Every file of measured throughputs, and how it is read."""


def read(folder: Path, name: str) -> list[Row]:
    """Read one file of the folder of measured runs."""
    return list(READERS[name](folder / name, name))


# ----------------------------------------------------------------------------------------------------------- estimates


def estimates(runs: Iterable[Run]) -> dict[Run, float]:
    """Ideal estimate of what each run measured, in its own unit."""
    groups: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        lengths = (run.prompt_tokens, run.output_tokens) if run.kind == "requests" else ()
        groups[run.kind, run.machine, run.llm, run.precision, run.layouts, lengths].append(run)
    found: dict[Run, float] = {}
    for alike in groups.values():
        found |= dict(zip(alike, _estimate(alike), strict=True))
    return found


def device_of(machine: str) -> hs.Accelerator | rl.Machine:
    """Return a device; where the bandwidth of its links is not published, they take no time, as a bound may have it."""
    device = hs.get(machine)
    return rl.Machine.of(device).replace(link_bytes_per_s=1e30) if device.scale_up is None else device


def with_context(name: str, tokens: int) -> rl.LLM:
    """Return a model that attends to so many tokens: some were asked for more than they were trained on, and ran."""
    llm = rl.get_llm(name)
    return llm if tokens <= llm.max_context else llm.replace(max_context=tokens)


def _estimate(runs: list[Run]) -> Iterable[float]:
    """Estimate runs that differ only in batch and, but for requests, in length; of their layouts, the fastest."""
    first = runs[0]
    if first.kind == "product":
        return [_product_flops_per_s(hs.get(run.machine), run) for run in runs]
    device, precision = device_of(first.machine), policy_of(first.precision)
    llm = with_context(first.llm, first.prompt_tokens + int(first.output_tokens))
    counted, batch = (np.array([getattr(run, name) for run in runs]) for name in ("counted", "batch"))
    context = np.array([run.output_tokens // 2 for run in runs])
    rates = []
    for layout in first.layouts:
        options = {"precision": precision, "layout": layout}
        if first.kind == "requests":
            time_s = requests_s(llm, device, batch, first.prompt_tokens, int(first.output_tokens), **options)
            rates.append(counted / time_s)
        elif first.kind == "steps":
            # A mean batch is no whole number; the time of the whole sequences in it is never too long.
            step = rl.decode(llm, device, batch=np.floor(batch), context_tokens=context, **options)
            rates.append(counted / step.time_s)
        else:
            with suppress(rl.OutOfMemoryError):  # on fewer devices than the weights need
                rates.append(_offline_tokens_per_s(llm, device, context, precision, layout))
    return np.max(rates, axis=0).tolist()


def requests_s(llm, device, batch, prompt, output, **options):
    """Time of a batch of equal requests [s]: the prefill gives the first token, a decode step each of the others.

    As ``rl.generate`` has it, but for memory: a batch that does not fit at once was run nevertheless, in turns.
    """
    time_s = rl.prefill(llm, device, batch=batch, prompt_tokens=prompt, **options).time_s
    if output > 1:
        contexts = prompt + np.arange(1, output)
        steps = rl.decode(llm, device, batch=batch[:, None], context_tokens=contexts, **options)
        time_s = time_s + np.broadcast_to(steps.time_s, (len(batch), output - 1)).sum(axis=1)
    return time_s


def _offline_tokens_per_s(llm, device, context, precision, layout):
    """Throughput of as many copies of a model as `layout` says, each at the largest batch that fits [tokens/s]."""
    copy = {"context_tokens": context, "precision": precision, "tensor_parallel": layout.tensor}
    batch = rl.max_batch(llm, device, **copy)
    return layout.data * rl.decode(llm, device, batch=batch, **copy).tokens_per_s


def _product_flops_per_s(device: hs.Accelerator, run: Run) -> float:
    m, n, k = run.shape
    width = hs.number_format(run.precision).bits / 8
    traffic = rl.formulas.gemm_bytes(m=m, k=k, n=n, input_bytes=width, weight_bytes=width, output_bytes=2)
    rates = {"flops_per_s": device.peak_flops(run.precision), "bytes_per_s": device.memory_bytes_per_s}
    return float(run.counted / rl.formulas.roofline_time_s(flops=run.counted, bytes=traffic, **rates))


# --------------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Confrontation:
    """A file of measured runs beside the estimates: measured over estimated, by run, and what was not mapped."""

    rows: list[Row]
    ratios: dict[Run, float]

    @property
    def above(self) -> list[Run]:
        """Runs that beat their estimate."""
        return [run for run, ratio in self.ratios.items() if ratio > 1]

    @property
    def not_mapped(self) -> Counter[str]:
        """How many rows were not mapped, by reason."""
        return Counter(row.reason for row in self.rows if isinstance(row, NotMapped))


@cache
def confront(folder: Path, name: str) -> Confrontation:
    """Hold every row of a file against the estimate of the same quantity."""
    rows = read(folder, name)
    found = estimates(row for row in rows if isinstance(row, Run))
    return Confrontation(rows, {run: run.measured / estimate for run, estimate in found.items()})


def file_table(results: dict[str, Confrontation]) -> str:
    """Write, for each file, how many rows were mapped and how they stand."""
    lines = ["| file | rows | mapped | at or below | above | not mapped |", "|---|---:|---:|---:|---:|---|"]
    for name, found in results.items():
        reasons = "; ".join(f"{reason} ({count})" for reason, count in found.not_mapped.most_common())
        mapped, above = len(found.ratios), len(found.above)
        lines.append(f"| `{name}` | {len(found.rows)} | {mapped} | {mapped - above} | {above} | {reasons or 'none'} |")
    return "\n".join(lines)


def ratio_table(results: dict[str, Confrontation], unless: Iterable[Run] = ()) -> str:
    """Write the distribution of measured over estimated by file, machine and framework."""
    lines = ["| file | machine | framework | runs | median | largest |", "|---|---|---|---:|---:|---:|"]
    left_out = set(unless)
    for name, found in results.items():
        groups: dict[tuple[str, str], list[float]] = defaultdict(list)
        for run, ratio in found.ratios.items():
            if run not in left_out:
                groups[run.machine, run.framework].append(ratio)
        for (machine, framework), ratios in sorted(groups.items()):
            middle, largest = (f"{ratio:.{2 if ratio > 0.1 else 3}f}" for ratio in (np.median(ratios), max(ratios)))
            file = Path(name).stem.removeprefix("llm_inference_bench_")
            lines.append(f"| {file} | `{machine}` | {framework} | {len(ratios)} | {middle} | {largest} |")
    return "\n".join(lines)
