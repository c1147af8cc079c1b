"""The device that kernels run on, as PyTorch has it: what it is called, what it holds, and how it is timed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from roofline._validation import choice

DEVICES = ("auto", "cuda", "xpu", "hpu", "cpu")
"""Kinds of devices: NVIDIA and AMD (ROCm calls itself cuda), Intel, Gaudi, and a CPU to try it out."""

_ACCELERATOR_CACHE = 256 * 2**20
"""Cache to be assumed of an accelerator at least [byte]: PyTorch tells only the L2, and AMD's last level is larger."""
_CPU_CACHE = 64 * 2**20
Call = Callable[[], object]


class CannotMeasureError(RuntimeError):
    """Nothing can be measured here; the message says what is missing and what to do.

    Examples
    --------
    >>> issubclass(CannotMeasureError, RuntimeError)
    True
    """


@dataclass(frozen=True)
class Device:
    """A device that kernels run on.

    Attributes
    ----------
    torch : module
        PyTorch.
    kind : str
        One of ``DEVICES`` but ``auto``.
    """

    torch: Any
    kind: str

    @property
    def module(self) -> Any:
        """PyTorch's module of this kind of device."""
        return getattr(self.torch, self.kind)

    @cached_property
    def properties(self) -> Any:
        """What PyTorch tells of it; ``None`` where it tells nothing."""
        try:
            return self.module.get_device_properties(self.module.current_device())
        except (AttributeError, RuntimeError, AssertionError):
            return None

    @cached_property
    def name(self) -> str:
        """What it calls itself."""
        return _cpu_name() if self.kind == "cpu" else str(self.module.get_device_name())

    @property
    def framework_version(self) -> str:
        """Version of PyTorch."""
        return str(self.torch.__version__)

    @cached_property
    def cache_bytes(self) -> float:
        """What its caches hold at most [byte]."""
        if self.kind == "cpu":
            return _cpu_cache_bytes()
        return float(max(_ACCELERATOR_CACHE, getattr(self.properties, "L2_cache_size", 0)))

    @property
    def free_bytes(self) -> float | None:
        """Memory that can be taken, nine tenths of what is free [byte]; ``None`` where nothing tells it."""
        try:
            if self.kind == "cpu":
                free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            else:
                module = self.module  # what PyTorch keeps for later is free, too
                free = module.mem_get_info()[0] + module.memory_reserved() - module.memory_allocated()
        except (AttributeError, RuntimeError, ValueError, OSError):
            return None
        return 0.9 * free

    def elapsed_s(self, calls: Sequence[Call]) -> float:
        """Time of some calls, from the first start to the last end, on the host's clock [s].

        Parameters
        ----------
        calls : sequence of callable
            What is run.
        """
        self.synchronize()
        start = time.perf_counter()
        _all(calls)
        self.synchronize()
        return time.perf_counter() - start

    def synchronize(self) -> None:
        """Wait until everything that was started has ended."""
        if self.kind != "cpu":
            self.module.synchronize()

    def timed(self, calls: Sequence[Call]) -> tuple[Callable[[], float], str]:
        """Return what runs some calls and returns the time of one of them [s], and how they are started.

        On CUDA they are one graph, as serving software starts its kernels, and events of the device take the time.

        Parameters
        ----------
        calls : sequence of callable
            What is run.
        """
        if self.kind != "cuda":
            return lambda: self.elapsed_s(calls) / len(calls), ""
        try:
            start, how = self._graph(calls), "CUDA graph"
        except RuntimeError:  # a kernel that waits for the host cannot be part of a graph
            start, how = lambda: _all(calls), "no graph"
        before, after = (self.module.Event(enable_timing=True) for _ in range(2))

        def run() -> float:
            start()  # keeps the device busy while the host starts the pass that is timed
            before.record()
            start()
            after.record()
            after.synchronize()
            return float(before.elapsed_time(after)) / 1e3 / len(calls)

        return run, how

    def _graph(self, calls: Sequence[Call]) -> Call:
        stream = self.module.Stream()
        stream.wait_stream(self.module.current_stream())
        with self.module.stream(stream):  # libraries set themselves up on the stream that is recorded
            calls[0]()
        self.module.current_stream().wait_stream(stream)
        graph = self.module.CUDAGraph()
        with self.module.graph(graph):
            _all(calls)
        replay: Call = graph.replay
        return replay


def open_device(kind: str = "auto") -> Device:
    """Return a device that PyTorch can run kernels on.

    Parameters
    ----------
    kind : str
        One of ``DEVICES``; ``auto`` takes the accelerator that there is, and never the CPU.

    Raises
    ------
    CannotMeasureError
        PyTorch is not installed, or sees no such device.
    ValueError
        Another kind.
    """
    choice("device", kind, DEVICES)
    try:
        torch = import_module("torch")
    except ImportError:
        raise CannotMeasureError(
            "PyTorch is not installed, which runs the kernels: pip install 'inference-tco[measure]', or the PyTorch "
            "of your device's vendor"
        ) from None
    if kind == "cpu":
        return Device(torch, kind)
    wanted = DEVICES[1:4] if kind == "auto" else (kind,)
    for name in wanted:
        if _is_there(torch, name):
            return Device(torch, name)
    raise CannotMeasureError(
        f"no accelerator: PyTorch {torch.__version__} sees no device of {', '.join(wanted)}; "
        "for a smoke test on the CPU add --device cpu --quick"
    )


def _is_there(torch: Any, kind: str) -> bool:
    if kind == "hpu":  # Gaudi's own package adds itself to PyTorch
        try:
            import_module("habana_frameworks.torch")
        except ImportError:
            return False
    return hasattr(torch, kind) and bool(getattr(torch, kind).is_available())


def _all(calls: Sequence[Call]) -> None:
    for call in calls:
        call()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or "CPU"


def _cpu_cache_bytes() -> float:
    try:
        return 1024.0 * int(Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text().strip().rstrip("K"))
    except (OSError, ValueError):
        return float(_CPU_CACHE)
