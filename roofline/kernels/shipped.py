"""The curves that the package ships, one TOML file per machine, and the machine with losses that they describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import hardware_specs
from hardware_specs import Accelerator
from hardware_specs.errors import CatalogError, UnknownNameError, did_you_mean
from roofline._arrays import Array
from roofline._validation import choice, count
from roofline.kernels.curves import CONSTANTS, KernelCurve, KernelError
from roofline.kernels.work import Work
from roofline.machine import Machine
from roofline.precision import PrecisionPolicy, policy

_ERRORS = ("error", "shapes", "sizes")
_DIGITS = 4  # of a constant in a file: far more than its spread


@dataclass(frozen=True, kw_only=True)
class KernelCurves:
    """The curves of one machine and framework.

    Attributes
    ----------
    machine, framework : str
        Key of the accelerator, and whose kernels.
    source, date : str
        Where the tables come from, and when the curves were fitted.
    curves : mapping of (str, str) to KernelCurve
        By kind and precision.

    Examples
    --------
    >>> curves = get_curves("h100-sxm")
    >>> curves.curve("linear", "bf16").error.median < 0.15
    True
    """

    machine: str
    framework: str
    source: str
    date: str
    curves: Mapping[tuple[str, str], KernelCurve]

    def curve(self, kind: str, precision: str) -> KernelCurve:
        """Return the curve of a kind and precision.

        Parameters
        ----------
        kind : str
            One of ``roofline.kernels.KINDS``.
        precision : str
            As in :func:`roofline.kernels.linear` and its siblings.

        Raises
        ------
        UnknownNameError
            There is none.
        """
        found = self.curves.get((kind, precision))
        if found is None:
            there = ", ".join(f"{kind} {precision}" for kind, precision in self.curves)
            raise UnknownNameError(
                f"no curve of {kind} {precision} on {self.machine}, {self.framework}; there are {there}"
            )
        return found

    def time_s(self, work: Work) -> Array:
        """Return how long kernels take on the machine, with their operands in main memory [s].

        Parameters
        ----------
        work : Work
            What they do.
        """
        return self.curve(work.kind, work.precision).cold().time_s(work, Machine.of(hardware_specs.get(self.machine)))

    def as_machine(
        self,
        accelerator: Accelerator | Machine | None = None,
        *,
        phase: str = "decode",
        precision: str | PrecisionPolicy = "bf16",
        devices: int = 1,
    ) -> Machine:
        """Return the machine with the losses that the curves know: shares of its rates, starts of kernels, knees.

        What the losses of a machine cannot carry is left out: rounding the activations as a pass of its own, the depth
        of a product and the blocks of attention. So short kernels come out too quick.

        Parameters
        ----------
        accelerator : Accelerator or Machine, optional
            Its peak rates; without it, those of the machine in the catalogue. Another one is given the same losses.
        phase : {"decode", "prefill"}
            Whose attention: the two run different kernels.
        precision : str or PrecisionPolicy
            Of the weights, activations and cache.
        devices : int
            That share each operation, for the messages between them.

        Returns
        -------
        Machine

        Raises
        ------
        UnknownNameError
            A precision that there is no curve of.
        """
        choice("phase", phase, ("decode", "prefill"))
        count("devices", devices)
        formats = policy(precision)
        rates = Machine.of(hardware_specs.get(self.machine) if accelerator is None else accelerator, devices=devices)
        attending = self.curve(f"{phase}_attention", _attention_precision(formats))
        layers = self.curve("linear", _linear_precision(formats))
        by_kind = {
            "linear": layers,
            "experts": layers,  # each is a product of its own shape; how many tokens it has is the operation's business
            "head": self.curve("linear", "bf16"),
            "attention": attending,
        }
        efficiency = {f"matrix:{kind}": curve.matrix for kind, curve in by_kind.items()}
        efficiency |= {f"memory:{kind}": curve.memory for kind, curve in by_kind.items()}
        # Bytes cross the memory and then the units: two parts of a knee that is hardly above 1, so they add up.
        passing = attending.byte_flops * rates.memory_bytes_per_s / rates.peak_flops(formats.attention)
        efficiency["memory:attention"] = attending.memory / (1 + attending.memory * passing)
        losses: dict[str, Any] = {
            "kind_overhead_s": {kind: curve.overhead_s for kind, curve in by_kind.items()},
            "sharpness": {kind: curve.sharpness for kind, curve in by_kind.items()},
        }
        if devices > 1:
            sending = self.curve("all_reduce", "bf16")
            efficiency["link"] = sending.link
            losses["kind_overhead_s"]["collective"] = sending.overhead_s
            losses["link_latency_s"] = sending.hop_s * (devices - 1) / rates.hops("all_reduce", devices)
        return rates.replace(name=f"{rates.name}, {self.framework} kernels", efficiency=efficiency, **losses)


def curve_names() -> tuple[str, ...]:
    """Return the machines that the package ships curves of.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "h100-sxm" in curve_names()
    True
    """
    return tuple(sorted(file.name.removesuffix(".toml") for file in _folder() if file.name.endswith(".toml")))


def get_curves(machine: str, *, framework: str = "vllm") -> KernelCurves:
    """Return the shipped curves of a machine.

    Parameters
    ----------
    machine : str
        Key of an accelerator, such as ``"h100-sxm"``.
    framework : {"vllm", "trtllm", "sglang"}
        Whose kernels.

    Returns
    -------
    KernelCurves

    Raises
    ------
    UnknownNameError
        There are none of that machine, or of that framework on it.

    Examples
    --------
    How long a decode step's attention takes: 64 sequences of 4096 tokens, 8 KV heads.

    >>> from roofline.kernels import decode_attention
    >>> step = decode_attention(
    ...     batch=64, context_tokens=4096, query_heads=32, kv_heads=8, head_dim=128, precision="bf16"
    ... )
    >>> bool(get_curves("h100-sxm").time_s(step) < get_curves("a100-sxm-80gb").time_s(step))
    True
    """
    names = curve_names()
    if machine not in names:
        raise UnknownNameError(
            f"no kernel curves of {machine}{did_you_mean(machine, names)}; there are {', '.join(names)}"
        )
    by_framework = _read(machine)
    if framework not in by_framework:
        raise UnknownNameError(f"no kernel curves of {framework} on {machine}; there are {', '.join(by_framework)}")
    return by_framework[framework]


def as_toml(machine: str, curves: Iterable[KernelCurve], *, source: str, date: str) -> str:
    """Return the text of a file of curves.

    Parameters
    ----------
    machine : str
        Key of the accelerator.
    curves : iterable of KernelCurve
        With their errors.
    source, date : str
        Where the tables come from, and when the curves were fitted.

    Returns
    -------
    str

    Examples
    --------
    >>> print(as_toml("h100-sxm", [], source="a table", date="2026-01-01"), end="")
    machine = "h100-sxm"
    source = "a table"
    date = "2026-01-01"
    """
    lines = [f'machine = "{machine}"', f'source = "{source}"', f'date = "{date}"']
    for curve in curves:
        lines += ["", "[[curves]]"]
        for name in ("framework", "version", "source", "kind", "precision"):
            lines.append(f'{name} = "{getattr(curve, name)}"')
        lines.append(f"kernels = {curve.kernels}")
        for name, error in (("error", curve.error), *curve.left.items()):
            if error is not None:
                lines.append(
                    f"{name} = {{ median = {error.median:.3f}, p90 = {error.p90:.3f}, kernels = {error.kernels} }}"
                )
        fitted = {name: value for name, value in curve.constants.items() if name in curve.spread}
        lines += [f"{name} = {value:.{_DIGITS}g}" for name, value in fitted.items()]
        lines.append("spread = { " + ", ".join(f"{name} = {curve.spread[name]:.2g}" for name in fitted) + " }")
    return "\n".join(lines) + "\n"


def _folder() -> Iterable[Any]:
    return (files("roofline.kernels") / "curves").iterdir()


@cache
def _read(machine: str) -> dict[str, KernelCurves]:
    import tomllib  # here, so that importing the package stays cheap

    file = files("roofline.kernels") / "curves" / f"{machine}.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    curves: dict[str, dict[tuple[str, str], KernelCurve]] = {}
    for row in table["curves"]:
        curve = _curve(machine, dict(row))
        curves.setdefault(curve.framework, {})[curve.kind, curve.precision] = curve
    return {
        framework: KernelCurves(
            machine=machine, framework=framework, source=table["source"], date=table["date"], curves=found
        )
        for framework, found in curves.items()
    }


def _curve(machine: str, row: dict[str, Any]) -> KernelCurve:
    errors = {name: KernelError(**row.pop(name)) for name in _ERRORS}
    constants: dict[str, Any] = {name: float(row.pop(name)) for name in CONSTANTS if name in row}
    try:
        return KernelCurve(error=errors.pop("error"), left=errors, **constants, **row)
    except (TypeError, ValueError) as error:
        raise CatalogError(f"{machine}.toml: {row.get('kind')} {row.get('precision')}: {error}") from None


def _linear_precision(formats: PrecisionPolicy) -> str:
    if formats.compute == formats.weights:
        return {"fp16": "bf16"}.get(formats.compute, formats.compute)
    return {"int4-g128": "w4a16"}.get(formats.weights, "w8a16")


def _attention_precision(formats: PrecisionPolicy) -> str:
    if formats.attention == "fp8":
        return "fp8"
    return "bf16-kv8" if formats.kv_cache == "fp8" else "bf16"
