"""A scenario to begin with: every key explained, a working example in it, what is optional at rest."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hardware_specs import Server
from tco.facility import Facility
from tco.planning import Service
from tco.purchase import Purchase, Rental
from tco.scenario.model import (
    ApplicationEntry,
    Candidate,
    Correlation,
    Decision,
    FleetLimits,
    Range,
    Scenario,
)
from tco.scenario.range_checks import INPUTS, OF_A_CANDIDATE
from tco.scenario.schema import keys

_WIDTH = 118
_DAY = (5, 4, 3, 3, 3, 4, 6, 9, 13, 16, 17, 17, 16, 16, 17, 17, 16, 15, 13, 12, 11, 10, 8, 6)
_OFFICE = (1, 1, 1, 1, 1, 1, 2, 4, 9, 12, 12, 11, 9, 11, 12, 12, 10, 7, 4, 2, 2, 1, 1, 1)

_EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    Scenario: {"prepared_by": "A. Planner", "approved_by": "B. Owner"},
    Decision: {"reference": "h100"},
    ApplicationEntry: {
        "context_tokens": 2048,
        "profile": (1, 1, 2, 4),
        "growth_per_year": 0.3,
        "ttft_s": 2.0,
        "itl_s": 0.05,
        "latency_s": 30.0,
        "precisions": ("bf16", "fp8"),
        "max_quality_loss": 1.0,
    },
    Candidate: {
        "framework": "vLLM",
        "devices": 1,
        "tokens_per_s": {"chat": 40_000.0, "summaries": 9_000.0},
        "tokens_per_s_error": 0.05,
        "supply": 500,
    },
    Purchase: {
        "accelerator_usd": 25_000.0,
        "host_usd": 60_000.0,
        "host_memory_gib": 2048.0,
        "host_memory_alike_gib": 1024.0,
        "usd_per_gib": 10.0,
        "scale_up_usd": 2_000.0,
        "scale_out_usd": 12_000.0,
        "network_share": 0.1,
        "storage_usd": 8_000.0,
        "installation_usd": 1_500.0,
        "licence_usd_per_accelerator_year": 500.0,
        "support_share_per_year": 0.05,
        "porting_usd": 200_000.0,
        "residual_share": 0.1,
        "years": 5.0,
        "embodied_kg": 1_312.0,
    },
    Rental: {"usd_per_h": 2.5, "commitment_years": 3.0, "upfront_share": 0.25, "porting_usd": 50_000.0},
    Server: {
        "price_usd": 150_000,
        "power_w": 7_500,
        "slots_u": 8,
        "weight_kg": 130,
        "accelerator": "h100-sxm",
        "accelerators": 4,
        "name": "Our own server of four H100",
    },
    Facility: {
        "pue_by_load": ((0.2, 1.5), (1.0, 1.2)),
        "demand_usd_per_kw_month": 12.0,
        "idle_share": 0.3,
        "rack_cooling_kw": 35.0,
        "rack_slots_u": 42.0,
        "rack_weight_kg": 1_500.0,
        "colocation_usd_per_kw_month": 184.0,
        "operations_usd_per_kw_month": 20.0,
        "site_power_kw": 5_000.0,
        "usd_per_tonne_co2": 80.0,
        "grid_l_per_kwh": 3.0,
        "usd_per_m3_water": 2.0,
    },
    Range: {"low": 0.06, "high": 0.14, "mode": 0.08, "kind": "pert"},
    Correlation: {"between": ("gaudi-2.price_usd", "h100.price_usd"), "value": 0.5},
    FleetLimits: {"site_power_kw": 2_000.0, "racks": 60, "tonnes_co2_per_year": 3_000.0},
}
"""What a key at rest shows where it has no default."""
