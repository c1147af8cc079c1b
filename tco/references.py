"""Dated, sourced figures of what inference costs, with the range that was seen: the ground under every default.

A figure here is somebody's, never ours: the one that its source gives, or the middle of the range where it gives only
that. Prices age; each says of when it is. Where a unit or a currency was in doubt the figure was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hardware_specs.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published figure.

    Attributes
    ----------
    value : float
        In `unit`.
    low, high : float, optional
        Range that was seen; ``None`` where there is none.
    unit : str
        Empty for a ratio.
    date : str
        Year, month or period of the figure.
    source : str
        Who says so.
    note : str
        What it is and is not.
    placeholder : bool
        Whether its own source calls it temporary.
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    date: str
    source: str
    note: str = ""
    placeholder: bool = False

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        spread = "" if self.low is None or self.high is None else f" ({self.low:g} to {self.high:g})"
        return f"{self.value:g}{spread}{unit}, {self.date}: {self.source}" + (f"; {self.note}" if self.note else "")


def _ranged(low: float, high: float, *, unit: str = "", date: str, source: str, note: str = "") -> Reference:
    middle = "the middle of the range"
    return Reference(
        value=round((low + high) / 2, 12),
        low=low,
        high=high,
        unit=unit,
        date=date,
        source=source,
        note=f"{note}; {middle}" if note else middle,
    )


_TURNER = "Turner & Townsend, data centre construction cost index 2025-26"
_CONSTRUCTION = {
    "tokyo": 15.2,
    "singapore": 14.5,
    "zurich": 14.2,
    "silicon-valley": 13.3,
    "london": 12.0,
    "frankfurt": 11.6,
}

_OWID = "Ember, by way of Our World in Data (ourworldindata.org/grapher/carbon-intensity-electricity)"
_GRID = {
    "world": 481,
    "india": 713,
    "china": 582,
    "australia": 549,
    "germany": 381,
    "ireland": 291,
    "chile": 291,
    "canada": 170,
    "denmark": 152,
    "belgium": 138,
    "austria": 111,
    "brazil": 98,
    "finland": 79,
    "france": 56,
    "norway": 30,
}

_LIVES = {
    "amazon": (5.0, "from 2025, for a part of the servers"),
    "alphabet": (6.0, ""),
    "microsoft": (6.0, ""),
    "meta": (5.5, ""),
    "coreweave": (6.0, ""),
    "lambda": (5.0, ""),
    "nebius": (4.0, ""),
    "semianalysis": (4.0, "an analyst's, for owners of GPUs"),
}

# USD per GPU and hour: owned by a hyperscaler, owned by a neocloud (both over 4 years), rented for 3 years with 25 % at
# the start; all-in kW per GPU.
_RATES_2026 = {
    "h100": (1.17, 1.55, 2.00, 1.37),
    "h200": (1.22, 1.59, 2.90, 1.37),
    "b200": (1.73, 2.07, 3.70, 1.71),
    "b300": (2.26, 2.52, 4.25, 1.90),
    "gb200": (1.86, 2.26, 4.00, 1.87),
    "gb300": (2.31, 2.79, 5.00, 2.12),
    "mi300x": (0.95, 1.16, 1.30, 1.39),
    "mi325x": (1.10, 1.32, 1.60, 1.69),
    "mi355x": (1.50, 2.09, 2.90, 2.09),
}
_RATES_2025 = {
    "h100": (1.30, 1.69, 1.30, 1.73),
    "h200": (1.41, 1.74, 1.60, 1.73),
    "b200": (1.95, 2.34, 2.90, 2.17),
    "b300": (2.34, 2.808, 3.48, 2.17),
    "gb200": (2.21, 2.75, 3.30, 2.10),
    "gb300": (2.652, 3.30, 3.96, 2.10),
    "mi300x": (1.12, 1.40, 1.55, 1.79),
    "mi325x": (1.28, 1.59, 1.80, 2.18),
    "mi355x": (1.48, 1.90, 2.10, 2.65),
}
_PLACEHOLDERS_2025 = {"b300": "B200", "gb300": "GB200"}


def _rates() -> dict[str, Reference]:
    tiers = ("owned-hyperscaler", "owned-neocloud", "rented-3-years")
    found: dict[str, Reference] = {}
    for chip, (*rates, kw) in _RATES_2026.items():
        for tier, rate in zip(tiers, rates, strict=True):
            source = "SemiAnalysis AI Cloud TCO model of July 2026, InferenceX-app pull requests 659 and 661"
            if tier == "rented-3-years":
                source = "SemiAnalysis pricing survey of July 2026, InferenceX-app pull requests 659 and 1071"
            found[f"gpu-hour.{chip}.{tier}"] = Reference(
                value=rate, unit="USD/GPU-h", date="2026-07", source=source, note="an estimate, not an offer"
            )
        found[f"gpu-power.{chip}"] = Reference(
            value=kw,
            unit="kW/GPU",
            date="2026-07",
            source="SemiAnalysis AI Cloud TCO model (Chip Specifications), InferenceX-app pull request 578",
            note="the GPU with its share of host and network cards",
        )
    source = "SemiAnalysis TCO model of August 2025, InferenceX-app at 77ca49a (2026-04-03)"
    for chip, (*rates, kw) in _RATES_2025.items():
        base = _PLACEHOLDERS_2025.get(chip)
        for tier, rate in zip(tiers, rates, strict=True):
            found[f"gpu-hour-2025.{chip}.{tier}"] = Reference(
                value=rate,
                unit="USD/GPU-h",
                date="2025-08",
                source=source,
                note=f"set to 1.2 times {base} until a price was known" if base else "an estimate, not an offer",
                placeholder=base is not None,
            )
        found[f"gpu-power-2025.{chip}"] = Reference(
            value=kw,
            unit="kW/GPU",
            date="2025-08",
            source=source,
            note="at the utility; corrected in July 2026, see gpu-power",
        )
    return found


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        # What a site costs
        **{
            f"construction.{city}": Reference(value=usd, unit="USD/W", date="2025-26", source=_TURNER)
            for city, usd in _CONSTRUCTION.items()
        },
        "construction.inflation": Reference(value=0.055, unit="per year", date="2025-26", source=_TURNER),
        "construction.liquid-premium": _ranged(
            0.07, 0.10, date="2025-26", source=_TURNER, note="what AI halls with liquid cooling add in the US"
        ),
        "construction.developer": _ranged(10.0, 13.0, unit="USD/W", date="2025", source="Rittenhouse: shell and plant"),
        "lease.developer": Reference(
            value=137.5,
            unit="USD/kW-month",
            date="2025",
            source="Rittenhouse: 1.65 million USD per MW and year",
            note="rises 3 % a year",
        ),
        "colocation.us-primary": Reference(
            value=184.06, unit="USD/kW-month", date="2024", source="CBRE", note="250 to 500 kW, end of 2024"
        ),
        "colocation.global": Reference(value=217.30, unit="USD/kW-month", date="2025-Q1", source="CBRE"),
        "colocation.wholesale": _ranged(
            125.0, 170.0, unit="USD/kW-month", date="2025", source="CBRE and 515engine", note="1 MW and more"
        ),
        "pue.average": Reference(value=1.54, date="2025", source="Uptime Institute survey", note="flat for six years"),
        "pue.hyperscale": Reference(value=1.1, date="2024", source="Epoch AI training-cost model"),
        "pue.other": Reference(value=1.25, date="2024", source="Epoch AI training-cost model"),
        "rack.air-cooled": Reference(
            value=30.0,
            low=30.0,
            high=50.0,
            unit="kW",
            date="2025",
            source="Uptime Institute and others",
            note="what air can cool; most racks surveyed hold less than 10 to 30 kW",
        ),
        "rack.nvl72": _ranged(120.0, 132.0, unit="kW", date="2025", source="several: GB200 NVL72"),
        # What it is run on
        "electricity.us-industrial": Reference(
            value=0.0826, unit="USD/kWh", date="2025", source="EIA, by way of Epoch AI", note="0.0771 in 2024"
        ),
        "electricity.us-industrial-2024": Reference(
            value=0.0771, unit="USD/kWh", date="2024", source="EIA, by way of Epoch AI"
        ),
        "electricity.china": Reference(value=0.08, unit="USD/kWh", date="2025", source="globalpetrolprices, about"),
        "electricity.world-business": Reference(
            value=0.161, unit="USD/kWh", date="2025-Q2", source="globalpetrolprices, mean over countries"
        ),
        **{
            f"grid.{region}": Reference(value=float(grams), unit="gCO2e/kWh", date="2023", source=_OWID)
            for region, grams in _GRID.items()
        },
        "embodied.hgx-h100": Reference(
            value=1312.0,
            unit="kgCO2e",
            date="2024",
            source="NVIDIA, HGX H100 product carbon footprint summary, as others cite it",
            note="a board of 8 GPUs to the gate, without host",
        ),
        "embodied.hgx-b200": Reference(
            value=2274.0,
            unit="kgCO2e",
            date="2025",
            source="NVIDIA, HGX B200 product carbon footprint summary, as others cite it",
            note="a board of 8 GPUs to the gate, without host",
        ),
        "embodied.a100": Reference(
            value=318.0,
            unit="kgCO2e/GPU",
            date="2023",
            source="Chien et al., Reducing the Carbon Impact of Generative AI Inference, HotCarbon 2023",
            note="an eighth of a cloud instance, host included",
        ),
        "water.industry": _ranged(1.8, 1.9, unit="l/kWh", date="2025", source="industry average, several"),
        "water.microsoft": Reference(value=0.27, unit="l/kWh", date="2025", source="Microsoft, financial year 2025"),
        "water.aws": Reference(value=0.25, unit="l/kWh", date="2021", source="Amazon Web Services"),
        # What servers cost beside their chips, and how long they last
        "network.cluster-share": Reference(
            value=0.19, date="2024", source="Epoch AI training-cost model", note="of servers and network together"
        ),
        "network.hamilton-share": Reference(
            value=0.08, date="2010", source="Hamilton, Overall Data Center Costs", note="of all costs, CPU servers"
        ),
        "server.to-chips-price": Reference(
            value=1.64, low=1.64, high=1.66, date="2024", source="Epoch AI training-cost model", note="1.66 for A100"
        ),
        "server.to-chips-power": Reference(
            value=10_200 / 8 / 700, date="2024", source="Epoch AI training-cost model: DGX H100, 10.2 kW over 8 × 700 W"
        ),
        **{
            f"life.{owner}": Reference(
                value=years,
                unit="year",
                date="2025",
                source="depreciation in its accounts" if owner != "semianalysis" else "SemiAnalysis AI Cloud TCO model",
                note=note,
            )
            for owner, (years, note) in _LIVES.items()
        },
        "residual.after-3-years": _ranged(
            0.25, 0.35, date="2025", source="v2-pseo-ai.pages.dev", note="a weak source; share of the price"
        ),
        "residual.after-4-years": Reference(
            value=0.275,
            date="2024",
            source="Epoch AI training-cost model: value falls 0.14 orders of magnitude a year",
            note="10^(-0.14 × 4) of the price",
        ),
        "load.gpu-training": Reference(
            value=0.75, date="2024", source="Epoch AI training-cost model", note="average power over TDP"
        ),
        "load.tpu-training": Reference(
            value=0.43, date="2024", source="Epoch AI training-cost model", note="average power over TDP"
        ),
        "load-factor.deepseek": Reference(
            value=226.75 / 278,
            date="2025-02",
            source="DeepSeek open-infra-index, day 6: 226.75 nodes on average, 278 at the peak",
            note="nodes are released at night",
        ),
        "failures.llama-3": Reference(
            value=419 / (16_384 * 54 / 365),
            low=(148 + 72) / (16_384 * 54 / 365),
            high=419 / (16_384 * 54 / 365),
            unit="1/GPU-year",
            date="2024",
            source="Llama 3 herd of models: 419 unexpected interruptions of 16,384 H100 in 54 days",
            note="training, an upper bound for inference; the low end is GPUs and their memory alone",
        ),
        # What money costs
        "cost-of-capital.asic-clouds": Reference(
            value=0.08, unit="per year", date="2016", source="ASIC Clouds TCO model, after Barroso et al."
        ),
        "cost-of-capital.coreweave": Reference(
            value=0.111,
            low=0.07,
            high=0.15,
            unit="per year",
            date="2025-06-30",
            source="CoreWeave 10-Q: its debts weighted by principal",
            note="debt alone; in 2026 it paid SOFR + 2.25 % to + 4.5 %",
        ),
        **_rates(),
    }
)
"""Every reference by name, ``topic.what``; :func:`reference` looks one up."""


def reference(name: str) -> Reference:
    """Look up a published figure.

    Parameters
    ----------
    name : str
        A key of :data:`REFERENCES`, such as ``"construction.frankfurt"`` or ``"gpu-hour.b200.rented-3-years"``.

    Raises
    ------
    UnknownNameError
        A name that is not there; close names are shown.

    Examples
    --------
    >>> print(reference("colocation.us-primary"))
    184.06 USD/kW-month, 2024: CBRE; 250 to 500 kW, end of 2024
    >>> reference("grid.frnace")
    Traceback (most recent call last):
    ...
    hardware_specs.errors.UnknownNameError: unknown reference 'grid.frnace'; did you mean grid.france, grid.finland...?
    """
    try:
        return REFERENCES[name]
    except (KeyError, TypeError):
        raise UnknownNameError(f"unknown reference {name!r}{did_you_mean(str(name), REFERENCES)}") from None
