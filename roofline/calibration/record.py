"""A calibration: the losses of a machine and its software, how far off it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hardware_specs import Accelerator, UnknownNameError, number_format
from roofline._arrays import Array
from roofline._text import span
from roofline.calibration.constants import CONSTANTS
from roofline.calibration.model import losses
from roofline.calibration.software import is_paged
from roofline.layout import over_dies
from roofline.precision import policy
from roofline.spread import Spread

if TYPE_CHECKING:
    from roofline.layout import Layout
    from roofline.llm import LLM
    from roofline.machine import Machine
    from roofline.precision import PrecisionPolicy


def _formats(precision: str) -> tuple[object, ...]:
    """Return the bits of weights, products and cache: BF16 and FP16 are alike."""
    try:
        formats = policy(precision)
    except UnknownNameError:  # a policy of the user's own
        return (precision,)
    return tuple(number_format(name).bits for name in (formats.weights, formats.compute, formats.kv_cache))


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How far a calibration is off: mean absolute relative errors of throughput.

    Attributes
    ----------
    runs : int
        Runs that it was found on.
    llms : tuple of str
        Their models.
    fit : float
        On these runs themselves.
    leave_one_model_out : float or None
        On runs of a model that was held out; ``None`` with a single model.
    leave_one_batch_out : float or None
        On runs of a batch that was held out; ``None`` with a single batch.
    by_llm : mapping of str to float
        The error of each model, held out.
    """

    runs: int
    llms: tuple[str, ...]
    fit: float
    leave_one_model_out: float | None = None
    leave_one_batch_out: float | None = None
    by_llm: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_llm", MappingProxyType(dict(self.by_llm)))

    def __str__(self) -> str:
        held = self.leave_one_model_out
        words = f"fit {self.fit:.1%}" if held is None else f"{held:.1%} on a model held out, fit {self.fit:.1%}"
        return f"{words}, {self.runs} runs of {len(self.llms)} model{'s' * (len(self.llms) != 1)}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"by_llm": dict(self.by_llm)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"by_llm": MappingProxyType(state["by_llm"])})


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Constants for one device, or for several that share a model.

    Attributes
    ----------
    constants : mapping of str to float
        By name of :data:`CONSTANTS`.
    error : Errors
        How far off they are.
    spread : Spread
        Of true over predicted throughput, for a model that was not among the runs.
    weights : mapping of str to float
        How much the runs say of each constant that they touch: 0 where it is what other machines show, to 1.
    """

    constants: Mapping[str, float]
    error: Errors
    spread: Spread
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.constants.items():
            if name not in CONSTANTS:
                from hardware_specs.errors import did_you_mean

                raise ValueError(f"constants: {name!r} is not known{did_you_mean(name, CONSTANTS)}")
            about = CONSTANTS[name]
            if isinstance(value, bool) or not (isinstance(value, int | float) and about.low <= value <= about.high):
                raise ValueError(f"constants: {name} = {value!r} is not accepted: {about.low:g} to {about.high:g}")
        full = {name: float(self.constants.get(name, about.start)) for name, about in CONSTANTS.items()}
        object.__setattr__(self, "constants", MappingProxyType(full))
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"constants": dict(self.constants), "weights": dict(self.weights)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: MappingProxyType(value) if isinstance(value, dict) else value
                              for name, value in state.items()})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Losses of a machine and its software, found on measured runs.

    Give it to :func:`roofline.prefill`, :func:`roofline.decode` or :func:`roofline.generate` as ``calibration=``.

    Attributes
    ----------
    accelerator, framework, version : str
        Key of the catalogue, software, and its version where the runs name it.
    one : Losses
        Of one device; of several, where ``within`` says that nothing else was measured.
    several : Losses or None
        Of several devices that share a model; ``None`` where no such run was seen.
    within : mapping of str to tuple
        What the runs covered: the least and the most ``batch`` and ``tokens`` of a request, ``devices``, and all of
        ``precision``.
    sources : tuple of str
        Who measured.
    date : str
        When the calibration was made.
    """

    accelerator: str
    framework: str
    version: str = ""
    one: Losses
    several: Losses | None = None
    within: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    date: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", MappingProxyType(dict(self.within)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"within": dict(self.within)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"within": MappingProxyType(state["within"])})

    @property
    def constants(self) -> Mapping[str, float]:
        """Constants of one device, by name of :data:`CONSTANTS`."""
        return self.one.constants

    @property
    def error(self) -> Errors:
        """How far off it is on one device; on several, see ``several.error``."""
        return self.one.error

    @property
    def software(self) -> str:
        """Framework and version."""
        return f"{self.framework or 'software unnamed'} {self.version}".rstrip()

    @property
    def provenance(self) -> str:
        """Where it comes from, in words."""
        made = f"; calibration of {self.date}" if self.date else ""
        software = self.software if self.version else f"{self.software}, version not named"
        return f"calibrated on {self.error.runs} runs with {software} ({'; '.join(self.sources) or 'yours'}{made})"

    def losses_on(self, devices: int) -> Losses:
        """Return the losses for a number of devices that share a model; those of one where several were never seen.

        Parameters
        ----------
        devices : int
            Accelerators of one copy of the model, :attr:`roofline.Layout.sharing`.
        """
        return self.several if devices > 1 and self.several is not None else self.one

    def machine(
        self,
        accelerator: Accelerator | Machine,
        rates: Machine,
        *,
        phase: Literal["prefill", "decode"],
        llm: LLM,
        precision: PrecisionPolicy,
        layout: Layout,
        batch: Array,
    ) -> Machine:
        """Return the rates of a machine with the losses of a phase.

        Parameters
        ----------
        accelerator : Accelerator or Machine
            What was asked about.
        rates : Machine
            Its ideal rates.
        phase : {"prefill", "decode"}
            The phase.
        llm : LLM
            The model.
        precision : PrecisionPolicy
            Formats of each part.
        layout : Layout
            How devices share the model.
        batch : array
            Sequences over all devices.

        Raises
        ------
        ValueError
            Another accelerator than the calibration is of, or rates that have losses of their own.
        """
        if isinstance(accelerator, Accelerator) and accelerator.key != self.accelerator:
            raise ValueError(
                f"calibration is of {self.accelerator}, not of {accelerator.key}: give one of the same machine, such "
                f"as rl.get_calibration({accelerator.key!r})"
            )
        if rates.lossy:
            raise ValueError(f"calibration is not accepted: {rates.name} has losses of its own already")
        split = over_dies(layout, accelerator)
        found = losses(
            self.losses_on(layout.sharing).constants,
            decode=phase == "decode",
            batch=np.asarray(batch) / layout.data,
            heads=llm.heads / split.tensor,
            layers=llm.layers,
            precision=precision,
            paged=isinstance(accelerator, Accelerator)
            and is_paged(self.framework, accelerator, llm, precision.kv_cache),
            peers=split.joined - 1,
        )
        return rates.replace(**found)

    def outside(self, *, batch: Array, tokens: Array, precision: str, devices: int) -> list[str]:
        """Say what of a workload lies outside the runs that the calibration was found on.

        Parameters
        ----------
        batch, tokens : array
            Sequences of one copy of the model, and the context or prompt of each.
        precision : str
            Precision policy.
        devices : int
            Accelerators of that copy.

        Returns
        -------
        list of str
        """
        notes = []
        for name, value in (("batch", batch), ("tokens", tokens), ("devices", devices)):
            if name in self.within:
                low, high = self.within[name]
                if np.min(value) < low or np.max(value) > high:
                    measured = f"{low:,.0f} to {high:,.0f}" if low < high else f"{low:,.0f}"
                    notes.append(f"{name} {span(value)} where {measured} {'were' if low < high else 'was'} measured")
        formats = self.within.get("precision", ())
        if formats and _formats(precision) not in {_formats(name) for name in formats}:
            notes.append(f"{precision} where {', '.join(formats)} {'were' if len(formats) > 1 else 'was'} measured")
        return notes

    def beyond(self, estimate: Any) -> list[str]:
        """Say what of an estimate lies outside the runs that the calibration was found on.

        Parameters
        ----------
        estimate : PhaseEstimate
            What it was used for.

        Returns
        -------
        list of str
            Of one sentence, or of none.
        """
        notes = self.outside(
            batch=estimate.batch * estimate.layout.sharing / estimate.devices,
            tokens=estimate.tokens,
            precision=estimate.precision.name,
            devices=estimate.layout.sharing,
        )
        losses = self.losses_on(estimate.layout.sharing)
        if estimate.llm.moe is not None and losses.weights and "experts" not in losses.weights:
            notes.append("no mixture of experts was measured")
        if not notes:
            return []
        return [f"{self.accelerator} with {self.software} is calibrated on other runs: {'; '.join(notes)}"]

    def __repr__(self) -> str:
        return f"Calibration({self.accelerator}, {self.software}: {self.error})"

    def _repr_html_(self) -> str:
        from html import escape

        columns = [("one device", self.one)] + ([("several", self.several)] if self.several else [])
        names = [name for name in CONSTANTS if any(name in (of.weights or of.constants) for _, of in columns)]
        rows = "".join(
            f"<tr><td>{name}</td>{''.join(f'<td>{of.constants[name]:.3g}</td>' for _, of in columns)}"
            f"<td>{CONSTANTS[name].unit}</td><td>{escape(CONSTANTS[name].meaning)}</td></tr>"
            for name in names
        )
        errors = "; ".join(f"{title}: {of.error}" for title, of in columns)
        return (
            f"<p><b>{escape(self.accelerator)}, {escape(self.software)}</b>: {escape(errors)}<br>"
            f"{escape(self.provenance)}</p><table>{rows}</table>"
        )
