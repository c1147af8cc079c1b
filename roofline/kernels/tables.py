"""The kernel tables of the package `aiconfigurator-core` (NVIDIA, Apache-2.0), read where they are installed.

Nothing of them is copied: a table is a Parquet file inside the package, read when asked for. The extra ``kernels``
installs it. Its folders are ``systems/data/<machine>/<family>/<framework>/<version>/<kind>_perf.parquet``, latencies
in ms, and messages of collectives in elements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardware_specs.errors import UnknownNameError, did_you_mean
from roofline._validation import choice
from roofline.kernels.curves import Kernels
from roofline.kernels.work import KINDS, Work, collective, decode_attention, linear, prefill_attention

if TYPE_CHECKING:
    import os

PACKAGE = "aiconfigurator-core"
"""The package that holds the tables."""

MACHINES: Mapping[str, str] = {
    "a100-sxm-80gb": "a100_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "h100-sxm": "h100_sxm",
    "h200-sxm": "h200_sxm",
    "l40s": "l40s",
    "rtx-pro-6000-server": "rtx_pro_6000_server",
}
"""Folder of each accelerator that the catalogue knows; the package also has an Intel ``b60``, which it does not."""

FRAMEWORKS: tuple[str, ...] = ("vllm", "trtllm", "sglang", "nccl")
"""Whose kernels were measured; ``nccl`` stands beside the serving frameworks for its collectives."""

_FILES = {
    "linear": ("gemm", "gemm_perf.parquet"),
    "prefill_attention": ("attention", "context_attention_perf.parquet"),
    "decode_attention": ("attention", "generation_attention_perf.parquet"),
    "all_reduce": ("comm", "custom_allreduce_perf.parquet"),
}
_NCCL = ("comm", "nccl_perf.parquet")
_NCCL_NAMES = {"all_reduce": "all_reduce", "all_gather": "all_gather", "all_to_all": "alltoall"}

_GEMM_PRECISIONS = {
    "bfloat16": "bf16",
    "fp8": "fp8",
    "fp8_block": "fp8-block",
    "nvfp4": "nvfp4",
    "int8_wo": "w8a16",
    "int4_wo": "w4a16",
    "sq": "int8",
}
_ATTENTION_PRECISIONS = {("bfloat16", "bfloat16"): "bf16", ("bfloat16", "fp8"): "bf16-kv8", ("fp8", "fp8"): "fp8"}


class Table(NamedTuple):
    """A table that is there.

    Attributes
    ----------
    machine, kind, framework, version : str
        What it holds, and whose kernels.
    """

    machine: str
    kind: str
    framework: str
    version: str


def data_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the tables, of the installed package or of an unpacked one; the package is not imported.

    Parameters
    ----------
    root : path, optional
        A folder that holds one folder per machine; without it, the installed package's.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ModuleNotFoundError
        The package is not installed, with how to install it.
    FileNotFoundError
        There are no tables in the folder.

    Examples
    --------
    >>> data_folder("/nowhere")
    Traceback (most recent call last):
    ...
    FileNotFoundError: no kernel tables in /nowhere: give the folder that holds h100_sxm, a100_sxm and the like
    """
    if root is None:
        spec = find_spec("aiconfigurator_core")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(
                f"the kernel tables are in the package {PACKAGE}, which is not installed: "
                "pip install 'inference-tco[kernels]'. The shipped curves need it not: see kernels.get_curves"
            )
        folder = Path(next(iter(spec.submodule_search_locations))) / "systems" / "data"
    else:
        folder = Path(root)
    if not any((folder / name).is_dir() for name in MACHINES.values()):
        raise FileNotFoundError(
            f"no kernel tables in {folder}: give the folder that holds h100_sxm, a100_sxm and the like"
        )
    return folder


def package_version() -> str:
    """Return the version of the installed package, or ``unknown``.

    Examples
    --------
    >>> bool(package_version())
    True
    """
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def available(machine: str | None = None, *, root: str | os.PathLike[str] | None = None) -> tuple[Table, ...]:
    """List the tables that are there.

    Parameters
    ----------
    machine : str, optional
        Key of an accelerator; without it, all.
    root : path, optional
        As in :func:`data_folder`.

    Returns
    -------
    tuple of Table

    Raises
    ------
    UnknownNameError
        An accelerator that the package has no tables of.
    ModuleNotFoundError
        The package is not installed.

    Examples
    --------
    >>> available("tpu-v7", root=getfixture("tmp_path"))
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownNameError: no kernel tables of tpu-v7; there are some of a100-sxm-80gb, b200, ...
    """
    folders = MACHINES if machine is None else {machine: _folder_name(machine)}
    home = data_folder(root)
    found = []
    for key, name in folders.items():
        for kind in KINDS:
            for path in _files(home / name, kind):
                found.append(Table(key, kind, path.parent.parent.name, path.parent.name))
    return tuple(found)


def read(
    machine: str,
    kind: str,
    *,
    framework: str = "vllm",
    framework_version: str | None = None,
    precision: str | None = None,
    source: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Kernels]:
    """Read the measured kernels of one kind.

    Parameters
    ----------
    machine : str
        Key of an accelerator, such as ``"h100-sxm"``.
    kind : str
        One of ``roofline.kernels.KINDS``.
    framework : str
        One of ``FRAMEWORKS``.
    framework_version : str, optional
        Its version; without it, the newest.
    precision : str, optional
        Only this one.
    source : str, optional
        The kernel's own name, where several were timed; without it, the one that most rows are of.
    root : path, optional
        As in :func:`data_folder`.

    Returns
    -------
    dict of str to Kernels
        By precision.

    Raises
    ------
    UnknownNameError
        There is no such table; the message lists those there are.
    ModuleNotFoundError
        The package, or pyarrow which reads it, is not installed.

    Examples
    --------
    >>> read("h100", "linear", root=getfixture("tmp_path"))
    Traceback (most recent call last):
    ...
    FileNotFoundError: no kernel tables in ...: give the folder that holds h100_sxm, a100_sxm and the like
    """
    choice("kind", kind, KINDS)
    choice("framework", framework, FRAMEWORKS)
    columns = _columns(_path(machine, kind, framework, framework_version, root))
    rows = _rows_by_precision(kind, columns)
    newest = str(columns["version"][0])
    found = {}
    for name, chosen in rows.items():
        if precision is not None and name != precision:
            continue
        part = {column: values[chosen] for column, values in columns.items()}
        part = _of_source(part, source)
        work, shape, size = _READERS[kind](part, name)
        found[name] = Kernels(
            work=work,
            time_s=part["latency"].astype(float) * 1e-3,
            shape=_groups(*shape),
            size=_groups(*size),
            machine=machine,
            framework=framework,
            version=newest,
            source=str(part["kernel_source"][0]),
        )
    if not found:
        raise UnknownNameError(
            f"{machine} has no {kind} kernels of {framework} in {precision}; there are {', '.join(rows) or 'none'}"
        )
    return found


def _folder_name(machine: str) -> str:
    if machine not in MACHINES:
        raise UnknownNameError(
            f"no kernel tables of {machine}{did_you_mean(machine, MACHINES)}; there are some of {', '.join(MACHINES)}"
        )
    return MACHINES[machine]


def _files(home: Path, kind: str) -> list[Path]:
    patterns = [_FILES[kind]] if kind in _FILES else []
    found = [path for family, name in patterns for path in sorted(home.glob(f"{family}/*/*/{name}"))]
    if kind in _NCCL_NAMES:
        found += sorted(home.glob(f"{_NCCL[0]}/nccl/*/{_NCCL[1]}"))
    return [path for path in found if path.parent.parent.name in FRAMEWORKS]


def _path(machine: str, kind: str, framework: str, wanted: str | None, root: str | os.PathLike[str] | None) -> Path:
    home = data_folder(root) / _folder_name(machine)
    files = _files(home, kind)
    matching = [path for path in files if path.parent.parent.name == framework]
    matching = [path for path in matching if wanted is None or path.parent.name == wanted]
    if not matching:
        there = ", ".join(f"{path.parent.parent.name} {path.parent.name}" for path in files) or "none"
        raise UnknownNameError(
            f"no table of {kind} kernels of {framework} {wanted or ''} on {machine}".replace("  ", " ")
            + f"; there are {there}"
        )
    return max(matching, key=lambda path: _version_order(path.parent.name))


def _version_order(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]


def _columns(path: Path) -> dict[str, Any]:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise ModuleNotFoundError("reading kernel tables needs pyarrow: pip install 'inference-tco[kernels]'") from None
    table = parquet.read_table(path)
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    latency = columns["latency"]
    sound = np.isfinite(latency) & (latency > 0)
    return {name: values[sound] for name, values in columns.items()}


def _rows_by_precision(kind: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of each precision; collectives have one, of 16-bit elements."""
    if kind == "linear":
        labels = np.array([_GEMM_PRECISIONS.get(name, "") for name in columns["gemm_dtype"]])
    elif kind.endswith("attention"):
        pairs = zip(columns["attn_dtype"], columns["kv_cache_dtype"], strict=True)
        labels = np.array([_ATTENTION_PRECISIONS.get(pair, "") for pair in pairs])
    elif "nccl_dtype" in columns:
        of_kind = (columns["op_name"] == _NCCL_NAMES[kind]) & (columns["nccl_dtype"] == "half")
        labels = np.where(of_kind, "bf16", "")
    else:
        graph = np.array([not str(name).endswith("_eager") for name in columns["kernel_source"]])
        labels = np.where(graph & (columns["allreduce_dtype"] == "bfloat16"), "bf16", "")
    return {str(name): labels == name for name in sorted(set(labels)) if name}


def _of_source(part: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """Rows of one kernel: of the one that is asked for, or that most were timed with."""
    names, counts = np.unique(part["kernel_source"].astype(str), return_counts=True)
    wanted = str(names[counts.argmax()]) if source is None else source
    if wanted not in names:
        raise UnknownNameError(f"no kernel {wanted}; there are {', '.join(names)}")
    chosen = part["kernel_source"].astype(str) == wanted
    return {column: values[chosen] for column, values in part.items()}


def _linear(part: Mapping[str, Any], precision: str) -> tuple[Work, Sequence[Any], Sequence[Any]]:
    m, n, k = part["m"], part["n"], part["k"]
    return linear(m=m, n=n, k=k, precision=precision), (n, k), (m,)


def _attention(part: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[Any]]:
    window = part.get("window_size", np.zeros(len(part["latency"]), int))
    heads = part["num_heads"], part["num_key_value_heads"], part["head_dim"], window
    fields = {
        "batch": part["batch_size"],
        "query_heads": heads[0],
        "kv_heads": heads[1],
        "head_dim": heads[2],
        "window": np.where(window > 0, window, 2**40),
    }
    return fields, heads


def _prefill_attention(part: Mapping[str, Any], precision: str) -> tuple[Work, Sequence[Any], Sequence[Any]]:
    fields, heads = _attention(part)
    tokens = part["isl"]
    return prefill_attention(tokens=tokens, precision=precision, **fields), heads, (part["batch_size"], tokens)


def _decode_attention(part: Mapping[str, Any], precision: str) -> tuple[Work, Sequence[Any], Sequence[Any]]:
    fields, heads = _attention(part)
    context = part["isl"] + part["step"]  # tokens in the cache, and the new one
    # FlashAttention-2 lets the queries of a KV head share a block only without a window (seqlenq_ngroups_swapped).
    packed = (heads[3] == 0) | ~np.char.endswith(part["kernel_source"].astype(str), "flash_attn_fa2")
    work = decode_attention(context_tokens=context, precision=precision, packed=packed, **fields)
    return work, heads, (part["batch_size"], context)


def _collective(kind: str) -> Any:
    def read(part: Mapping[str, Any], precision: str) -> tuple[Work, Sequence[Any], Sequence[Any]]:
        elements, devices = part["message_size"], part["num_gpus"]
        return collective(kind, message_bytes=2 * elements, devices=devices), (elements,), (devices, elements)

    return read


_READERS: Mapping[str, Any] = {
    "linear": _linear,
    "prefill_attention": _prefill_attention,
    "decode_attention": _decode_attention,
    **{kind: _collective(kind) for kind in _NCCL_NAMES},
}


def _groups(*columns: Any) -> Any:
    """Number the different rows of some columns."""
    return np.unique(np.stack([np.asarray(column) for column in columns]), axis=1, return_inverse=True)[1].reshape(-1)
