"""The losses that constants stand for: as a machine for one phase, and as times of many runs at once.

Both say the same, by two routes: :func:`losses` gives the fields of a :class:`roofline.Machine`, with which ceilings
are computed as ever; :func:`predicted_s` evaluates the same ceilings on prepared arrays, fast enough to be fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline._arrays import Array
from roofline.calibration.software import WHOLE_HEADS, is_narrow

if TYPE_CHECKING:
    from roofline.calibration.design import Design
    from roofline.precision import PrecisionPolicy

LINEAR_SHARPNESS = 4.0
"""How sharply products turn from bandwidth-bound to compute-bound: the p of ``(Σ tᵖ)^(1/p)``."""


def losses(
    constants: Mapping[str, float],
    *,
    decode: bool,
    batch: Array,
    heads: float,
    layers: int,
    precision: PrecisionPolicy,
    paged: bool,
    peers: int,
) -> dict[str, Any]:
    """Fields of a machine with the losses of a calibration, for one phase of a workload.

    Parameters
    ----------
    constants : mapping of str to float
        By name of :data:`roofline.calibration.CONSTANTS`.
    decode : bool
        Whether it is a decode step, or a prefill.
    batch : array
        Sequences of one replica.
    heads : float
        Query heads of one device.
    layers : int
        Layers of the model.
    precision : PrecisionPolicy
        Formats of each part.
    paged : bool
        Whether decode attention runs in vLLM's paged kernels.
    peers : int
        Devices that share the model, but for one.

    Returns
    -------
    dict of str to object
    """
    of = constants.__getitem__
    matrix, memory = of("matrix"), of("memory")
    if decode:
        single = np.asarray(batch) <= 1
        matrix = min(1.0, matrix * of("matrix_decode"))
        memory = _where(single, min(1.0, memory * of("memory_single")), memory)
    of_layers = {
        "matrix": matrix * (of("matrix_narrow") if is_narrow(precision.compute) else 1.0),
        "memory": memory * (of("memory_narrow") if is_narrow(precision.weights) else 1.0),
    }
    efficiency: dict[str, Array] = {"matrix": matrix, "memory": of("memory"), "memory:head": memory}
    for ceiling, share in of_layers.items():
        efficiency[f"{ceiling}:linear"] = share
        efficiency[f"{ceiling}:experts"] = np.minimum(share * of("experts"), 1.0)
    fields: dict[str, Any] = {
        "efficiency": efficiency,
        "sharpness": dict.fromkeys(("linear", "experts", "head"), LINEAR_SHARPNESS),
    }
    added_s = 0.0
    if peers:
        efficiency["link"] = of("link")
        fields["kind_overhead_s"] = {"collective": of("collective_s") + of("peer_s") * peers}
        added_s = of("layer_s") * layers
    if not decode:
        return fields | {"step_s": of("prefill_s") + of("step_s") + added_s}
    efficiency |= {"matrix:attention": 1.0, "memory:attention": of("kv")}
    fields["kv_reread"] = of("kv_reread")
    if paged:
        whole = np.asarray(batch) * heads > WHOLE_HEADS
        efficiency["memory:attention"] = _where(whole, min(1.0, of("kv") * of("paged_kv")), of("kv"))
        fields["kv_reread"] = _where(whole, of("paged_reread"), of("kv_reread"))
    step_s = of("step_s") + added_s + of("devices_step_s") * peers
    return fields | {"step_s": step_s, "sequence_s": of("sequence_s")}


def predicted_s(design: Design, constants: Mapping[str, float]) -> Array:
    """Time of each run of a design [s].

    Parameters
    ----------
    design : Design
        What the runs touch.
    constants : mapping of str to float
        By name of :data:`roofline.calibration.CONSTANTS`.

    Returns
    -------
    array
        One per run.
    """
    d, of = design, constants.__getitem__
    one, decode_matrix = min(1.0, of("memory") * of("memory_single")), min(1.0, of("matrix") * of("matrix_decode"))
    memory = np.where(d.single & d.decode, one, of("memory"))
    matrix = np.where(d.decode, decode_matrix, of("matrix"))

    # Products: linear layers, experts and LM head.
    part = d.products
    memory_of, matrix_of = memory[part.passes], matrix[part.passes]
    for narrow, share, name in (
        (d.narrow_memory, memory_of, "memory_narrow"),
        (d.narrow_matrix, matrix_of, "matrix_narrow"),
    ):
        if narrow.any():
            share[narrow[part.passes] & part.layer] *= of(name)
    if part.experts.any():
        for share in (memory_of, matrix_of):
            share[part.experts] = np.minimum(share[part.experts] * of("experts"), 1.0)
    total = np.sqrt(np.sqrt((part.matrix / matrix_of) ** 4 + (part.memory / memory_of) ** 4 + part.fourth))
    times = np.bincount(part.passes, weights=total, minlength=len(d.run))

    # Attention: the slowest ceiling; a step reads the cache, some of it again.
    prompt, step = d.attention
    slowest = np.maximum.reduce((prompt.matrix / of("matrix"), prompt.memory / of("memory"), prompt.largest))
    times += np.bincount(prompt.passes, weights=slowest, minlength=len(d.run))
    reread: Array = of("kv_reread")
    kv: Array = of("kv")
    if d.whole.any():
        whole = d.whole[step.passes]
        reread = np.where(whole, of("paged_reread"), reread)
        kv = np.where(whole, min(1.0, kv * of("paged_kv")), kv)
    slowest = np.maximum.reduce(((step.memory + reread * step.again) / kv, step.matrix, step.largest))
    times += np.bincount(step.passes, weights=slowest, minlength=len(d.run))

    # Element-wise work, and exchanges between devices.
    part, exchange = d.rest, of("collective_s") + of("peer_s") * d.peers
    if len(part.passes):
        slowest = np.maximum.reduce((part.memory / of("memory"), part.link / of("link"), part.largest))
        times += np.bincount(part.passes, weights=slowest + part.started * exchange[part.passes], minlength=len(d.run))

    added = (d.peers > 0) * d.layers * of("layer_s")
    host = np.where(
        d.decode,
        of("step_s") + added + d.peers * of("devices_step_s") + of("sequence_s") * d.sequences,
        of("prefill_s") + of("step_s") + added,
    )
    ahead = 1 - of("overlap") * d.follows / (d.follows + 1)
    total = np.bincount(d.run, weights=d.times * ((times + d.latency_s) * ahead + host), minlength=len(d))
    return total + d.once * of("run_s")


def _where(mask: Array, then: float, otherwise: float) -> Array:
    """Return one number where the mask is one, so that nothing is broadcast in vain."""
    if np.all(mask):
        return then
    return np.where(mask, then, otherwise) if np.any(mask) else otherwise
