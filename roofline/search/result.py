"""What a search for the best layout gives: a row for each layout and precision, and the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roofline.estimates import PhaseEstimate
from roofline.layout import Layout
from roofline.precision import PrecisionPolicy
from roofline.search.table import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = ("batch", "tokens_per_s", "time_s", "memory_bytes", "fits", "bound")


@dataclass(frozen=True, eq=False, kw_only=True)
class LayoutOption:
    """One layout in one precision: what it gives, or why it is refused.

    Attributes
    ----------
    layout : Layout
        How the devices share the model.
    precision : PrecisionPolicy
        Formats of each part.
    batch : int or None
        Sequences over all devices; None where the layout does not run at all.
    estimate : PhaseEstimate or None
        The phase at this batch; None where the layout does not run at all.
    refused : str
        Why it is out of the question; empty where it is not.
    """

    layout: Layout
    precision: PrecisionPolicy
    batch: int | None
    estimate: PhaseEstimate | None
    refused: str = ""

    @property
    def label(self) -> str:
        """The layout in the field's short terms, such as ``TP4 DP2``."""
        layout = self.layout
        sizes = {"TP": layout.tensor, "PP": layout.pipeline, "EP": layout.expert, "DP": layout.data}
        return " ".join(f"{name}{size}" for name, size in sizes.items() if size > 1) or "one device"

    @property
    def memory_bytes(self) -> float | None:
        """Weights and KV cache on each device [byte]; None where the layout does not run."""
        return None if self.estimate is None else float(self.estimate.memory_bytes)

    @property
    def fits(self) -> bool | None:
        """Whether that is within a device's capacity; None where the layout does not run."""
        return None if self.estimate is None else bool(self.estimate.fits)

    @property
    def time_s(self) -> float | None:
        """Time of the decode step or prefill [s]; None where it does not run or fit."""
        return float(self.estimate.time_s) if self.estimate is not None and self.fits else None

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of all devices [1/s]; None where it does not run or fit."""
        return float(self.estimate.tokens_per_s) if self.estimate is not None and self.fits else None

    @property
    def bound(self) -> str | None:
        """Ceiling that takes longest; None where it does not run or fit."""
        return str(self.estimate.bound) if self.estimate is not None and self.fits else None


@dataclass(frozen=True, eq=False, kw_only=True)
class BestLayout:
    """The best layout of a search, and all that were tried.

    Attributes
    ----------
    objective : str
        ``throughput`` or ``latency``.
    table : tuple of LayoutOption
        Every layout and precision: first those that run, best first, then those refused, with the reason.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> import roofline as rl
    >>> print(rl.best_layout(rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), devices=2, batch=64, objective="latency"))
    decode of Llama 3.1 8B, 2,048 context tokens, on 2 × NVIDIA H100 SXM5 80GB, by latency (ideal roofline)
    layout  precision  batch  tokens/s  time [ms]  GB/device  bound   refused
    TP2     fp8           64    ...  memory
    DP2     fp8           64    ...  memory
    PP2     fp8           64    ...  memory
    """

    objective: str
    table: tuple[LayoutOption, ...]

    @property
    def option(self) -> LayoutOption:
        """The best row of the table."""
        return self.table[0]

    @property
    def layout(self) -> Layout:
        """The best layout."""
        return self.option.layout

    @property
    def estimate(self) -> PhaseEstimate:
        """Its phase."""
        if self.option.estimate is None:
            raise TypeError("a search without a result")  # for the type checker: best_layout rules it out
        return self.option.estimate

    @property
    def accepted(self) -> tuple[LayoutOption, ...]:
        """Rows that are not refused, best first."""
        return tuple(option for option in self.table if not option.refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind about the best: what its estimate says, and links that are taken for granted."""
        return (*self.estimate.warnings, *_link_warnings(self.estimate))

    @property
    def _title(self) -> str:
        best = self.estimate
        unit = "prompt" if best.phase == "prefill" else "context"
        return (
            f"{best.phase} of {best.llm.name}, {float(best.tokens):,.6g} {unit} tokens, "
            f"on {best.devices} × {best.accelerator.name}, by {self.objective} ({best.kind})"
        )

    def __repr__(self) -> str:
        best = self.option
        return (
            f"BestLayout({self._title}: {best.layout}, {best.precision.name}, batch {best.batch:,}: "
            f"{best.tokens_per_s:,.4g} tokens/s, {1e3 * self.estimate.time_s:,.4g} ms, {best.bound} bound; "
            f"best of {len(self.accepted)} that run, {len(self.table) - len(self.accepted)} refused)"
        )

    def __str__(self) -> str:
        return as_text(self._title, self.table, self.warnings)

    def _repr_html_(self) -> str:
        return as_html(self._title, self.table, self.warnings)

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas DataFrame, a row per layout and precision; needs the extra ``pandas``.

        Raises
        ------
        ModuleNotFoundError
            pandas is not installed: ``pip install inference-tco[pandas]``.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("to_pandas needs pandas: pip install 'inference-tco[pandas]'") from missing
        return pd.DataFrame(
            [
                {
                    "tensor": option.layout.tensor,
                    "pipeline": option.layout.pipeline,
                    "expert": option.layout.expert,
                    "data": option.layout.data,
                    "precision": option.precision.name,
                    **{name: getattr(option, name) for name in _FIGURES},
                    "refused": option.refused,
                }
                for option in self.table
            ]
        )


def _link_warnings(estimate: PhaseEstimate) -> tuple[str, ...]:
    rates, layout = estimate.machine, estimate.layout
    stage, domain = max(layout.tensor, layout.expert), rates.link_domain
    if stage * layout.pipeline == 1 or "link" in estimate.ceilings.without:
        return ()
    if domain is None:
        return (f"how many devices the link of {rates.name} joins is unknown: taken to be enough",)
    if stage * layout.pipeline > domain:
        return (f"the link of {rates.name} joins {domain} devices; between stages beyond it, its rate is assumed too",)
    return ()
