"""ML.ENERGY's leaderboard: a JSON object for each model and task, with a configuration for each run.

A run is the steady state of a server: the mean number of sequences at once, their mean answers, output tokens per
second, and the power of all GPUs. Prompt lengths are not given, so that the context of a step is open. The time between
two tokens is the median, which prefills in between hardly move. With experts divided among the devices and neither
tensor nor data parallelism, the layout of the attention is open. Tasks with images or videos are refused: the model's
other parts ran too.

References
----------
ml-energy/leaderboard, ``public/data/models/*.json`` (v3, measured with vLLM).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.measurements.formats._objects import holds, identity, needed, number, numbered, part, seconds, text
from roofline.measurements.records import Runs
from roofline.measurements.sheet import Objects, RefusedRowError, Sheet, Source

NAME = "ML.ENERGY"


def matches(document: Sheet | Objects) -> bool:
    """Whether an object has configurations of a model and a task.

    Parameters
    ----------
    document : Sheet or Objects
        What was opened.
    """
    return holds(document, ("model_id", "task", "configurations"))


def runs(document: Objects) -> Runs:
    """Return a record for each configuration; rows count the configurations of the file.

    Parameters
    ----------
    document : Objects
        The models.
    """
    items: list[Any] = []
    for _, model in numbered(document):
        configurations = model.get("configurations") if isinstance(model, Mapping) else None
        if not isinstance(configurations, list) or not configurations:
            items.append(model)
            continue
        shared = {name: value for name, value in model.items() if not isinstance(value, list | Mapping)}
        items += [{**shared, **entry} if isinstance(entry, Mapping) else entry for entry in configurations]
    each = Objects(source=document.source, items=items, rows=range(1, len(items) + 1), rejected=list(document.rejected))
    return each.runs(lambda item: _run(item, document.source))


def layout(devices: float, tensor: float | None, expert: float | None, data: float | None) -> dict[str, float | None]:
    """Return a layout without what it leaves open.

    Parameters
    ----------
    devices : float
        Accelerators.
    tensor, expert, data : float or None
        As published.

    Raises
    ------
    RefusedRowError
        It is of another number of devices.
    """
    if expert is not None and expert > 1 and (tensor or 1) * (data or 1) == 1:
        tensor = data = None  # divided or copied: not said
        copies = expert
    else:
        copies = (tensor or 1) * (data or 1)
    if copies != devices:
        raise RefusedRowError(f"a layout of {copies:g} devices where {devices:g} took part")
    return {"tensor_parallel": tensor, "expert_parallel": expert, "data_parallel": data}


def _run(item: Mapping[str, Any], source: Source) -> dict[str, Any]:
    task = text(item, "task")
    if "configurations" in item:
        raise RefusedRowError("no configurations")
    if "image" in task or "video" in task:
        raise RefusedRowError(f"the task {task} is more than text")
    devices = needed(item, "num_gpus")
    parts = part(item, "parallelization")
    sizes = [number(parts, f"{name}_parallel") for name in ("tensor", "expert", "data")]
    watts = number(item, "avg_power_watts")
    return identity(
        source,
        accelerator=text(item, "gpu_model"),
        llm=text(item, "model_id"),
        precision=text(item, "weight_precision"),
        inferred=("framework",) if "framework" not in source.given else (),
    ) | layout(devices, *(sizes if parts else (None, None, None) if devices > 1 else (1, 1, 1))) | {
        "devices": devices,
        "framework": source.given.get("framework", "vLLM"),
        "phase": "decode",
        "batch": needed(item, "avg_batch_size"),
        "output_tokens": needed(item, "avg_output_len"),
        "variant": task,
        "output_tokens_per_s": needed(item, "output_throughput_tokens_per_sec"),
        "itl_s": seconds(item, "median_itl_ms"),
        "power_w": None if watts is None else watts / devices,
        "power_boundary": "" if watts is None else "device",
        "source": "ml-energy/leaderboard",
    }  # fmt: skip
