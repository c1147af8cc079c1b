"""The constants of a calibration: few, physical and bounded, each with the value that is likely before any run is seen.

They are found in logarithms. Runs that say little of a constant leave it near its likely value: the mean of what other
machines show with the same software, or the `start` below, by a `width` that says how far machines differ.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Constant(NamedTuple):
    """One constant of the losses.

    Attributes
    ----------
    name : str
        As it stands in a file of a calibration.
    unit : str
        Empty for a ratio.
    start, low, high : float
        Likely value before anything is known, and bounds.
    width : float
        How far machines differ, as the standard deviation of the logarithm.
    meaning : str
        What it is.
    """

    name: str
    unit: str
    start: float
    low: float
    high: float
    width: float
    meaning: str


_ONE = (
    Constant("matrix", "", 0.55, 0.002, 1.0, 0.8, "share of the matrix peak that a prefill reaches"),
    Constant("matrix_decode", "", 1.0, 0.05, 4.0, 0.4, "the same in decode, over that in prefill"),
    Constant("memory", "", 0.75, 0.005, 1.0, 0.33, "share of the bandwidth for weights and activations"),
    Constant("memory_single", "", 1.0, 0.5, 4.0, 0.2, "the same with one sequence, over that with several"),
    Constant("kv", "", 0.80, 0.02, 1.0, 0.26, "share of the bandwidth for the cache in decode"),
    Constant("kv_reread", "", 0.15, 0.003, 6.0, 1.0, "share of a group's other query heads that read the cache again"),
    Constant("experts", "", 0.8, 0.05, 3.0, 0.3, "matrix and memory for experts, over those for linear layers"),
    Constant("matrix_narrow", "", 0.7, 0.1, 1.0, 0.3, "matrix in fewer than 16 bits, over that in 16"),
    Constant("memory_narrow", "", 0.85, 0.1, 1.0, 0.25, "memory for weights of fewer than 16 bits, over that for 16"),
    Constant("step_s", "s", 1e-3, 1e-5, 1.0, 0.9, "host, per decode step"),
    Constant("sequence_s", "s", 2e-5, 1e-7, 1e-1, 0.9, "host, per sequence and decode step"),
    Constant("prefill_s", "s", 5e-3, 1e-5, 10.0, 1.3, "host, per prefill"),
    Constant("run_s", "s", 0.02, 1e-4, 100.0, 2.6, "once per run"),
)
_PAGED = (
    Constant("paged_kv", "", 1.0, 0.1, 1.5, 0.4, "kv of vLLM's paged kernel for many sequences, over kv"),
    Constant("paged_reread", "", 1.0, 0.2, 4.0, 0.4, "kv_reread of vLLM's paged kernel for many sequences"),
)
_SEVERAL = (
    Constant("link", "", 0.5, 0.01, 1.0, 0.3, "share of the link's bandwidth"),
    Constant("collective_s", "s", 1e-5, 1e-7, 1e-2, 0.7, "time of an exchange of messages however short"),
    Constant("peer_s", "s", 2e-6, 1e-8, 1e-2, 1.2, "added to it for every device but the first"),
    Constant("overlap", "", 0.5, 0.01, 1.0, 0.7, "share of prompt passes that stages of a pipeline work on at once"),
    Constant("layer_s", "s", 1e-5, 1e-7, 1e-2, 0.7, "added to every layer and step on several devices"),
    Constant("devices_step_s", "s", 5e-4, 1e-6, 1e-1, 0.7, "host, added to every step for every device but one"),
)

CONSTANTS = MappingProxyType({constant.name: constant for constant in (*_ONE, *_PAGED, *_SEVERAL)})
"""Every constant, by name."""

ONE_DEVICE = tuple(constant.name for constant in _ONE)
"""Constants of one device."""

PAGED = tuple(constant.name for constant in _PAGED)
"""Constants of paged attention, for software that uses it."""

SEVERAL = tuple(constant.name for constant in _SEVERAL)
"""Constants that several devices add."""
