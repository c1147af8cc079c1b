"""Power of a device while a kernel runs: NVML where it can be asked, else unknown and never zero."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roofline.measure.device import Device

SETTLE_S = 1.5
"""What is left out at the start: NVML gives the mean over the last second, and clocks need a moment to settle."""


@dataclass(frozen=True)
class Meter:
    """What tells the power of a device.

    Attributes
    ----------
    read_w : callable, optional
        Returns the power now [W].
    limit_w : float, optional
        Power limit that is set [W].
    missing : str
        Why the power is unknown, where it is.

    Examples
    --------
    >>> Meter(missing="no NVML").mean_w(lambda: None) is None
    True
    """

    read_w: Callable[[], float] | None = None
    limit_w: float | None = None
    missing: str = ""

    def mean_w(
        self, run: Callable[[], object], *, seconds: float = 3.0, settle_s: float = SETTLE_S, every_s: float = 0.05
    ) -> float | None:
        """Return the mean power while a kernel is repeated [W].

        Parameters
        ----------
        run : callable
            Runs the kernel for some milliseconds.
        seconds : float
            How long it is repeated [s].
        settle_s : float
            What is left out at the start [s].
        every_s : float
            Time between two readings [s].

        Returns
        -------
        float or None
            ``None`` where nothing tells it.
        """
        if self.read_w is None:
            return None
        read_w, samples, done = self.read_w, list[float](), threading.Event()

        def sample() -> None:
            if done.wait(settle_s):
                return
            while not done.is_set():
                with suppress(Exception):  # NVML's own errors: a reading that fails is none
                    samples.append(read_w())
                done.wait(every_s)

        sampler = threading.Thread(target=sample, daemon=True)
        start = time.perf_counter()
        sampler.start()
        try:
            while time.perf_counter() - start < seconds:
                run()
        finally:
            done.set()
            sampler.join()
        read = [power for power in samples if power > 0]
        return sum(read) / len(read) if read else None


def meter(device: Device) -> Meter:
    """Return what tells the power of a device, or why nothing does.

    Parameters
    ----------
    device : Device
        What runs the kernels.
    """
    if device.kind != "cuda" or device.torch.version.hip is not None:
        return Meter(missing=f"power is unknown: it is read through NVML, which {device.name} does not have")
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return Meter(missing="power is unknown: pip install nvidia-ml-py to have it read")
    try:
        nvml.nvmlInit()
        handle = _handle(nvml, device)
        nvml.nvmlDeviceGetPowerUsage(handle)
    except Exception as error:  # NVML's own errors: not permitted, not supported, a device that is divided
        return Meter(missing=f"power is unknown: NVML says {error}")
    limit_w = None
    with suppress(Exception):
        limit_w = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3
    return Meter(read_w=lambda: float(nvml.nvmlDeviceGetPowerUsage(handle)) / 1e3, limit_w=limit_w)


def _handle(nvml: Any, device: Device) -> Any:
    """Return NVML's name of a device: the numbers of PyTorch and of NVML need not agree, the identifier does."""
    uuid = getattr(device.properties, "uuid", None)
    if uuid is not None:
        text = str(uuid)
        return nvml.nvmlDeviceGetHandleByUUID(text if text.startswith("GPU-") else f"GPU-{text}")
    if nvml.nvmlDeviceGetCount() == 1:
        return nvml.nvmlDeviceGetHandleByIndex(0)
    raise RuntimeError("of several devices, this PyTorch does not tell which one it uses")
