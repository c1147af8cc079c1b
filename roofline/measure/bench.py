"""Kernel after kernel on a device, and the records of what was measured."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import hardware_specs as hs
from hardware_specs import Accelerator
from roofline.machine import Machine
from roofline.measure import kernels
from roofline.measure.device import Device
from roofline.measure.power import Meter, meter
from roofline.measure.timing import Timing, operand_sets, repeat, rounds
from roofline.measure.work import Work, roofline_time_s, share_of_peak
from roofline.measurements import names
from roofline.measurements.records import Rejected, Runs


@dataclass(frozen=True, kw_only=True)
class Result:
    """A kernel that was measured, or could not be.

    Attributes
    ----------
    work : Gemm, Attention or Stream
        The kernel.
    timing : Timing, optional
        Its times.
    power_w : float, optional
        Mean power of the device while it ran [W].
    variant : str
        What else tells it from others.
    reason : str
        Why there are no times.
    """

    work: Work
    timing: Timing | None = None
    power_w: float | None = None
    variant: str = ""
    reason: str = ""


@dataclass(kw_only=True)
class Bench:
    """A device with what is known of it.

    Attributes
    ----------
    device : Device
        What runs the kernels.
    accelerator : Accelerator, optional
        Its specification, if there is one.
    meter : Meter
        What tells its power.
    inferred : bool
        Whether the device's name leaves open which of several accelerators it is, and the usual one was taken.
    notes : list of str
        What to mind.
    """

    device: Device
    accelerator: Accelerator | None = None
    meter: Meter = field(default_factory=Meter)
    inferred: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, device: Device, *, accelerator: str | Accelerator | None = None, power: bool = True) -> Bench:
        """Look up what a device is.

        Parameters
        ----------
        device : Device
            What runs the kernels.
        accelerator : str or Accelerator, optional
            Key in the catalogue, or a specification; guessed from the device's name if absent.
        power : bool
            Whether its power is to be read.

        Raises
        ------
        ValueError
            No such accelerator, or a key for a CPU.
        """
        bench = cls(device=device)
        if isinstance(accelerator, Accelerator):
            bench.accelerator = accelerator
        elif device.kind == "cpu":
            if accelerator is not None:
                raise ValueError(
                    f"accelerator = {accelerator!r} is not accepted with device = 'cpu': the catalogue has no CPU, and "
                    "the records would be taken for that accelerator's"
                )
            bench.notes.append("a CPU is no accelerator of the catalogue: the records name it in their source alone")
        else:
            bench._guess(None if accelerator is None else hs.get(accelerator))
        if power and device.kind != "cpu":
            bench.meter = meter(device)
            if bench.meter.missing:
                bench.notes.append(bench.meter.missing)
        return bench

    def _guess(self, given: Accelerator | None) -> None:
        named, calls_itself = names.accelerator(self.device.name), f"the device calls itself {self.device.name!r}"
        if given is not None:
            self.accelerator = given
            if named is not None and named.certain and named.key != given.key:
                self.notes.append(f"{calls_itself}, which is {named.key}: the records say {given.key}, as you do")
        elif named is None:
            self.notes.append(
                f"{calls_itself}, which the catalogue does not have: the records keep that name in their source alone; "
                "use --accelerator KEY (accelerator=…) if it is one that `tco hardware` lists"
            )
        else:
            self.accelerator, self.inferred = hs.get(named.key), not named.certain
            if self.inferred:
                self.notes.append(
                    f"{calls_itself}, which leaves open which one it is: {named.key} is taken; "
                    "use --accelerator KEY (accelerator=…) if it is another"
                )

    @property
    def machine(self) -> Machine | None:
        """Rates of the device, of one die where it shows several."""
        return None if self.accelerator is None else Machine.of(self.accelerator)

    def roofline_share(self, result: Result) -> float | None:
        """Time that the roofline gives a kernel, over the one that it took; ``None`` where either is unknown.

        Parameters
        ----------
        result : Result
            The kernel.
        """
        if self.machine is None or result.timing is None:
            return None
        ideal_s = roofline_time_s(result.work, self.machine)
        return None if ideal_s is None else ideal_s / result.timing.median_s

    def peak_share(self, result: Result) -> float | None:
        """Share of the peak that a kernel reached, see :func:`roofline.measure.work.share_of_peak`.

        Parameters
        ----------
        result : Result
            The kernel.
        """
        if self.machine is None or result.timing is None:
            return None
        return share_of_peak(result.work, self.machine, result.timing.median_s)

    def measure(
        self, works: Iterable[Work], *, repeats: int = 100, limit_s: float = 2.0, power_s: float = 3.0
    ) -> Iterator[Result]:
        """Measure kernels, one after the other.

        Parameters
        ----------
        works : iterable of Gemm, Attention or Stream
            What is run.
        repeats : int
            Most repeats of each.
        limit_s : float
            Time after which few repeats are enough [s].
        power_s : float
            How long each is repeated for its power [s].

        Yields
        ------
        Result
            One for each, of what the device refuses too.
        """
        for work in works:
            try:
                yield self._one(work, repeats=repeats, limit_s=limit_s, power_s=power_s)
            except (RuntimeError, ValueError, TypeError, AttributeError) as error:  # PyTorch has all of them
                said = str(error).strip().splitlines() or [type(error).__name__]
                yield Result(work=work, reason=f"{self.device.name} refuses it: {said[0]:.200}")

    def _one(self, work: Work, *, repeats: int, limit_s: float, power_s: float) -> Result:
        device = self.device
        sets, cold = operand_sets(bytes=work.bytes, cache_bytes=device.cache_bytes, free_bytes=device.free_bytes)
        if sets == 0:
            return Result(work=work, reason=f"its {work.bytes / 1e9:,.1f} GB do not fit in what memory is free")
        calls, variant = kernels.prepare(work, device, sets)
        device.elapsed_s(calls)  # the first time allocates, and chooses among kernels
        run, how = device.timed(calls * rounds(device.elapsed_s(calls)))
        run()
        timing = repeat(run, repeats=repeats, limit_s=limit_s)
        return Result(
            work=work,
            timing=timing,
            power_w=self.meter.mean_w(run, seconds=power_s),
            variant=", ".join(filter(None, (variant, how, "" if cold else "partly cached", self._die))),
        )

    @property
    def _die(self) -> str:
        dies = 1 if self.accelerator is None else self.accelerator.dies
        return "" if dies == 1 else f"one of {dies} dies"

    def records(self, results: Iterable[Result]) -> Runs:
        """Return the records of results; what could not be measured is among ``rejected``, with the reason.

        Parameters
        ----------
        results : iterable of Result
            What :meth:`measure` gave.
        """
        results = list(results)
        made = [self._record(result, result.timing) for result in results if result.timing is not None]
        refused = [
            Rejected("", row, result.reason, {"phase": result.work.phase, "kernel": str(result.work)})
            for row, result in enumerate(results, 1)
            if result.timing is None
        ]
        found = Runs.from_rows(made)
        return Runs(found.columns, (*found.rejected, *refused))

    def _record(self, result: Result, timing: Timing) -> dict[str, Any]:
        known = {
            "accelerator": None if self.accelerator is None else self.accelerator.key,
            "devices": 1,
            "precision": result.work.precision,
            "framework": "PyTorch",
            "version": self.device.framework_version,
            "phase": result.work.phase,
            "power_limit_w": self.meter.limit_w,
            "variant": result.variant,
            "latency_s": timing.median_s,
            "spread": None if math.isnan(timing.spread) else timing.spread,
            "power_w": result.power_w,
            "power_boundary": None if result.power_w is None else "device",
            "date": datetime.date.today().isoformat(),
            "source": f"measured with roofline.measure {library_version()} on {self.device.name}",
            "inferred": "accelerator" if self.inferred else None,
        }
        return known | result.work.record(timing.median_s)


def library_version() -> str:
    """Version of this library.

    Examples
    --------
    >>> bool(library_version())
    True
    """
    try:
        return version("inference-tco")
    except PackageNotFoundError:
        return "of a checkout"
