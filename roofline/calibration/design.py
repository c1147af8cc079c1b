"""What every run touches of each ceiling, as arrays: losses are then found for thousands of runs in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import hardware_specs as hs
from roofline.calibration.schedule import Pass, passes, room_tokens
from roofline.calibration.software import WHOLE_HEADS, is_emulated, is_narrow, is_paged
from roofline.ceilings import ceiling_times_s
from roofline.forward import decode_operations, prefill_operations
from roofline.layout import over_dies
from roofline.llm_catalog import get_llm
from roofline.machine import Machine, machine
from roofline.measurements.bounds import groups, layout_of, measured_time_s
from roofline.measurements.fields import AT_ONCE
from roofline.measurements.records import Runs
from roofline.operations import KINDS, Operation
from roofline.precision import policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]

_LINEAR, _EXPERTS, _HEAD, _ATTENTION, _ELEMENTWISE, _COLLECTIVE = (
    KINDS.index(kind) for kind in ("linear", "experts", "head", "attention", "elementwise", "collective")
)
_PRODUCTS, _REST = (_LINEAR, _EXPERTS, _HEAD), (_ELEMENTWISE, _COLLECTIVE)
_TIMES = ("matrix", "vector", "special", "memory", "on_chip", "link", "latency")


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """Ideal times of passes and operations of runs, ceiling by ceiling.

    Attributes
    ----------
    measured_s : array
        Time of each run [s].
    once : array
        1 for a run from prompt to last token, which pays what a run takes once; 0 for a phase alone.
    run, times : array
        Which run each pass belongs to, and how often it is run.
    decode, sequences, tokens, single, paged, whole, narrow_matrix, narrow_memory : array
        Of each pass: whether it is a decode step; sequences; their context or prompt; whether it is of one sequence;
        whether attention is paged, and by the kernel that does not split contexts; whether linear layers multiply, and
        store their weights, in fewer than 16 bits.
    peers, follows, layers : array
        Of each pass: devices that share it, but for one; stages of a pipeline that work on others meanwhile, but for
        one; layers.
    kind : array
        Kind of each operation, its place in ``KINDS``, -1 where there is none; passes by operations.
    matrix, vector, special, memory, kv, again, on_chip, link, latency, launches : array
        Times of each ceiling [s]: `kv` is the part of `memory` that reads the cache, `again` that part times the other
        heads of a group; `launches` are starts. Passes by operations.
    """

    measured_s: Column
    once: Column
    run: Column
    times: Column
    decode: Column
    sequences: Column
    tokens: Column
    single: Column
    paged: Column
    whole: Column
    narrow_matrix: Column
    narrow_memory: Column
    peers: Column
    follows: Column
    layers: Column
    kind: Column
    matrix: Column
    vector: Column
    special: Column
    memory: Column
    kv: Column
    again: Column
    on_chip: Column
    link: Column
    latency: Column
    launches: Column

    def __len__(self) -> int:
        return len(self.measured_s)

    @cached_property
    def products(self) -> Part:
        """Linear layers, experts and LM head."""
        return self._part(np.isin(self.kind, _PRODUCTS))

    @cached_property
    def attention(self) -> tuple[Part, Part]:
        """Attention of prefill, and of decode."""
        found = self.kind == _ATTENTION
        return self._part(found & ~self.decode[:, None]), self._part(found & self.decode[:, None])

    @cached_property
    def rest(self) -> Part:
        """Element-wise work and exchanges of messages."""
        return self._part(np.isin(self.kind, _REST))

    @cached_property
    def latency_s(self) -> Column:
        """Latency of all messages of a pass [s]."""
        return np.asarray(self.latency.sum(axis=1))

    def _part(self, chosen: Column) -> Part:
        index = np.nonzero(chosen)[0]
        fixed = [getattr(self, name)[chosen] for name in ("vector", "special", "on_chip")]
        kind = self.kind[chosen]
        return Part(
            passes=index,
            matrix=self.matrix[chosen],
            memory=self.memory[chosen],
            again=self.again[chosen],
            link=self.link[chosen],
            started=np.where(kind == _COLLECTIVE, self.launches[chosen], 0.0),
            largest=np.maximum.reduce(fixed),
            fourth=np.sum([time**4 for time in fixed], axis=0),
            experts=kind == _EXPERTS,
            layer=np.isin(kind, (_LINEAR, _EXPERTS)),
        )

    def of(self, rows: Column) -> Design:
        """Return the design of some of the runs.

        Parameters
        ----------
        rows : array of bool or int
            Which.
        """
        index = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows)
        new = np.full(len(self), -1)
        new[index] = np.arange(len(index))
        kept = new[self.run] >= 0
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        chosen = {name: part[kept] for name, part in parts.items() if name not in ("measured_s", "once", "run")}
        return Design(measured_s=self.measured_s[index], once=self.once[index], run=new[self.run[kept]], **chosen)


class Part(NamedTuple):
    """Operations of some kinds, one after the other.

    Attributes
    ----------
    passes : array
        Pass of each.
    matrix, memory, again, link, started : array
        As in :class:`Design`; `started` are the starts of exchanges.
    largest, fourth : array
        Of the ceilings that no constant changes, the largest, and the sum of their fourth powers.
    experts, layer : array
        Whether it is of experts, and whether it is of a layer's weights.
    """

    passes: Column
    matrix: Column
    memory: Column
    again: Column
    link: Column
    started: Column
    largest: Column
    fourth: Column
    experts: Column
    layer: Column


@dataclass
class _Parts:
    """Columns that grow group by group."""

    columns: dict[str, list[Column]] = field(default_factory=dict)

    def add(self, **columns: Any) -> None:
        for name, column in columns.items():
            self.columns.setdefault(name, []).append(column)

    def joined(self) -> dict[str, Column]:
        widest = max(part.shape[1] for part in self.columns["kind"])
        return {name: np.concatenate([_wide(name, part, widest) for part in parts])
                for name, parts in self.columns.items()}  # fmt: skip


def _wide(name: str, part: Column, width: int) -> Column:
    """Return a table of operations with empty ones to a common width; a column stays as it is."""
    if part.ndim == 1 or part.shape[1] == width:
        return part
    return np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1 if name == "kind" else 0)


def design(runs: Runs) -> Design:
    """Return what runs touch of each ceiling.

    Parameters
    ----------
    runs : Runs
        Generations, prefills or decode steps whose machine, model, precision, batch and lengths are known, with a
        measured time.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        A run that cannot be modelled; :func:`modelled` says which can.
    """
    parts = _Parts()
    for (accelerator, llm_key, precision, phase, *sizes), rows in groups(runs).items():
        layout = layout_of(sizes, runs.devices[rows[0]])
        if layout is None:
            raise ValueError(f"devices of run {rows[0]} are divided in a way that is not modelled")
        device, llm, formats = hs.get(accelerator), get_llm(llm_key), policy(precision)
        listed: list[tuple[int, Pass]] = []
        for row in rows.tolist():
            framework, batch, prompt, output = (
                runs.framework[row],
                runs.batch[row],
                runs.prompt_tokens[row],
                runs.output_tokens[row],
            )
            if phase == "generate":
                room = (
                    np.inf
                    if runs.variant[row] == AT_ONCE
                    else room_tokens(
                        llm, device, formats, layout, framework=framework, batch=batch, prompt_tokens=prompt
                    )
                )
                found = passes(framework, batch, prompt, output, room, _chunk(runs.variant[row]))
            elif phase == "prefill":
                found = [Pass(False, batch, prompt)]
            else:
                found = [Pass(True, batch, runs.context_tokens[row])]
            listed += [(row, one) for one in found]
        _add(parts, listed, runs, device, llm, formats, layout, float(np.nan_to_num(runs.routing_skew[rows[0]])))
    joined = parts.joined()
    order = np.argsort(joined["run"], kind="stable")
    whole_runs = (runs.phase == "generate").astype(np.float64)
    return Design(
        measured_s=measured_time_s(runs), once=whole_runs, **{name: column[order] for name, column in joined.items()}
    )


def is_shared(runs: Runs) -> Column:
    """Whether several devices share a copy of the model, :attr:`roofline.Layout.sharing`, run by run.

    Parameters
    ----------
    runs : Runs
        Any; where nothing says how devices divide the model, they share it.

    Returns
    -------
    array of bool
    """
    copies = np.where(runs.expert_parallel > 1, 1.0, np.where(runs.data_parallel > 1, runs.data_parallel, 1.0))
    return np.asarray(runs.devices / copies > 1)


def modelled(runs: Runs) -> Column:
    """Which runs a design can be made of.

    Parameters
    ----------
    runs : Runs
        Any.

    Returns
    -------
    array of bool
    """
    known = ~np.isnan(measured_time_s(runs)) & ~np.isnan(runs.batch) & (runs.llm != "") & (runs.precision != "")
    generate = (runs.phase == "generate") & ~np.isnan(runs.prompt_tokens) & ~np.isnan(runs.output_tokens)
    prefill = (runs.phase == "prefill") & ~np.isnan(runs.prompt_tokens)
    decode = (runs.phase == "decode") & ~np.isnan(runs.context_tokens)
    able = np.zeros(len(runs), dtype=bool)
    for (accelerator, llm, precision, _, *sizes), rows in groups(runs).items():
        able[rows] = _able(accelerator, llm, precision, sizes, runs.devices[rows[0]])
    return np.asarray(known & (generate | prefill | decode) & able)


def _able(accelerator: str, llm: str, precision: str, sizes: Any, devices: float) -> bool:
    layout = layout_of(sizes, devices)
    if layout is None or not (accelerator and llm and precision):
        return False
    try:
        if is_emulated(policy(precision), hs.get(accelerator)):
            return False
        split = over_dies(layout, hs.get(accelerator))
        rates = _rates(hs.get(accelerator), policy(precision), split.joined)
        work: dict[str, Any] = {"batch": np.ones(1), "context_tokens": np.ones(1)}
        for operation in decode_operations(get_llm(llm), precision=policy(precision), layout=split, **work):
            ceiling_times_s(operation, rates, devices=split.devices)
    except (KeyError, ValueError):
        return False
    return True


def _chunk(variant: str) -> float:
    words = variant.removeprefix("prompt batch ")
    return float(words) if words != variant else np.inf


def _rates(device: hs.Accelerator, formats: Any, joined: int) -> Machine:
    """Return ideal rates; a link whose bandwidth nobody publishes takes no time but that of each exchange."""
    known = device if device.scale_up is not None else Machine.of(device).replace(link_bytes_per_s=1e30)
    return machine(known, formats, devices=joined)


def _add(
    parts: _Parts,
    listed: list[tuple[int, Pass]],
    runs: Runs,
    device: hs.Accelerator,
    llm: Any,
    formats: Any,
    layout: Any,
    skew: float,
) -> None:
    split = over_dies(layout, device)
    rates = _rates(device, formats, split.joined)
    for decode in (False, True):
        rows = [row for row, one in listed if one.decode is decode]
        found = [one for _, one in listed if one.decode is decode]
        if not found:
            continue
        sequences, tokens, cached, times = (
            np.array([getattr(one, name) for one in found]) for name in ("sequences", "tokens", "cached", "times")
        )
        work: dict[str, Any] = {"batch": sequences, "precision": formats, "layout": split, "routing_skew": skew}
        if decode:
            operations = decode_operations(llm, context_tokens=tokens, **work)
        else:
            operations = prefill_operations(llm, prompt_tokens=tokens, cached_tokens=cached, logits="last", **work)
        table = _table(operations, rates, split.devices, len(found))
        paged = np.array([is_paged(runs.framework[row], device, llm, formats.kv_cache) for row in rows])
        heads = llm.heads / split.tensor
        per_copy = sequences / layout.data
        parts.add(
            run=np.array(rows),
            times=times,
            decode=np.full(len(found), decode),
            sequences=per_copy,
            tokens=tokens,
            single=per_copy <= 1,
            paged=paged,
            whole=paged & (per_copy * heads > WHOLE_HEADS),
            narrow_matrix=np.full(len(found), is_narrow(formats.compute)),
            narrow_memory=np.full(len(found), is_narrow(formats.weights)),
            peers=np.full(len(found), split.joined - 1.0),
            follows=np.array([one.follows for one in found]) * (split.pipeline - 1.0),
            layers=np.full(len(found), float(llm.layers)),
            **table,
        )


def _table(operations: tuple[Operation, ...], rates: Machine, devices: int, length: int) -> dict[str, Column]:
    shape = (length, len(operations))
    names = (*_TIMES, "kv", "again", "launches")
    table = {name: np.zeros(shape) for name in names}
    kinds = np.full(shape, -1, dtype=np.int8)
    for index, operation in enumerate(operations):
        kinds[:, index] = KINDS.index(operation.kind)
        found = ceiling_times_s(operation, rates, devices=devices)
        for name in _TIMES:
            if name in found:
                table[name][:, index] = found[name]
        table["launches"][:, index] = operation.launches
        if operation.kind == "attention":
            bandwidth = rates.memory_bytes_per_s * devices
            table["kv"][:, index] = operation.kv_bytes * operation.imbalance / bandwidth
            table["again"][:, index] = table["kv"][:, index] * (operation.sharing - 1)
    return {"kind": kinds, **table}
