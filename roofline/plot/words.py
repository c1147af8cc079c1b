"""How pictures write names and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from hardware_specs import Accelerator
from roofline.estimates import PhaseEstimate
from roofline.machine import Machine

_WORDS = {
    "qkv": "QKV",
    "mlp_up": "MLP up",
    "mlp_down": "MLP down",
    "lm_head": "LM head",
    "q_down": "Q down",
    "q_up": "Q up",
    "kv_down": "KV down",
    "kv_up": "KV up",
    "absorb_k": "absorb K",
    "absorb_v": "absorb V",
    "all_reduce": "all-reduce",
    "all_to_all": "all-to-all",
}
_PRECISIONS = {"fp8": "FP8 static", "fp8-dynamic": "FP8 dynamic", "fp8-kv8": "FP8, KV in FP8"}


def word(operation: str) -> str:
    """Write the name of an operation, such as ``MLP up``."""
    return _WORDS.get(operation, operation.replace("_", " "))


def precision_words(names: Sequence[str]) -> dict[str, str]:
    """Write the names of precision policies; FP8 alone is not told from its dynamic scaling if that is not shown."""
    words = {name: _PRECISIONS.get(name, name.upper()) for name in names}
    if "fp8-dynamic" not in words and "fp8" in words:
        words["fp8"] = "FP8"
    return words


def device_words(devices: Sequence[Accelerator | Machine]) -> list[str]:
    """Write the names of machines without what stands in brackets, unless two would then be called alike."""
    short = [device.name.split(" (")[0] for device in devices]
    return short if len(set(short)) == len(short) else [device.name for device in devices]


def names_of(estimates: Sequence[PhaseEstimate], labels: Sequence[str] | None) -> list[str]:
    """Return a name per estimate: the caller's, or the phase with whatever tells the estimates apart."""
    if labels is not None:
        if isinstance(labels, str) or len(labels) != len(estimates):
            raise ValueError(f"labels = {labels!r} is not accepted: give {len(estimates)}, one per estimate")
        return list(labels)
    columns = (
        [estimate.llm.name for estimate in estimates],
        [estimate.precision.name for estimate in estimates],
        [device_name(estimate.devices, estimate.machine.name) for estimate in estimates],
    )
    differ = [column for column in columns if len(set(column)) > 1]
    names = []
    for index, estimate in enumerate(estimates):
        unit = "prompt" if estimate.phase == "prefill" else "context"
        who = ", ".join([estimate.phase, *(column[index] for column in differ)])
        separator = "\n" if differ else ": "
        names.append(f"{who}{separator}batch {float(estimate.batch):,g}, {unit} {float(estimate.tokens):,g}")
    return names


def device_name(devices: int, name: str) -> str:
    """Name a machine, with the number of devices where there are several."""
    return name if devices == 1 else f"{devices} × {name}"


def digits(value: float) -> str:
    """Write three significant digits, and whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share as a percentage."""
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "<1 %"


def listed(names: Sequence[str], *, at_most: int = 3) -> str:
    """List names, the first few of many."""
    names = list(dict.fromkeys(names))
    return ", ".join(names) if len(names) <= at_most else f"{', '.join(names[: at_most - 1])} and others"
