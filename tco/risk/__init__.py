"""What is not known for certain: distributions of inputs, draws of them, and what they say about a decision.

Any function of keyword arrays is a model, Kim's ratio among them. Its inputs get distributions, correlated where they
share a cause; draws of them give the distribution of the result, the probability that A is cheaper, what a measurement
would be worth, and which input matters.

>>> from tco import ratio, risk
>>> inputs = {"r_th": risk.LogNormal(0.8, 0.15), "r_sc": risk.LogNormal(0.5, 0.25), "r_ic": 0.75, "server_share": 0.7}
>>> result = risk.simulate(ratio.tco_ratio, inputs)
>>> print(f"A is cheaper with probability {result.probability_below(1.0).value:.3f}: {result.verdict()}")
A is cheaper with probability 0.932: A
>>> low, high, level = result.interval(0.9)
>>> print(f"median {result.median:.2f}, {level:.0%} within {low:.2f} to {high:.2f}")
median 0.72, 90% within 0.51 to 1.04
"""

from __future__ import annotations

from tco.risk import closed_forms
from tco.risk.distributions import (
    Discrete,
    Distribution,
    Empirical,
    Fixed,
    FromSpread,
    LogNormal,
    Pert,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from tco.risk.draws import blocks, draw
from tco.risk.information import ValueOfInformation, value_of_information
from tco.risk.sensitivity import SobolIndices, Tornado, TornadoBar, sobol_indices, tornado
from tco.risk.simulation import Probability, Simulation, simulate

__all__ = [
    "Discrete",
    "Distribution",
    "Empirical",
    "Fixed",
    "FromSpread",
    "LogNormal",
    "Pert",
    "Probability",
    "Simulation",
    "SobolIndices",
    "Tornado",
    "TornadoBar",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
    "ValueOfInformation",
    "blocks",
    "closed_forms",
    "draw",
    "simulate",
    "sobol_indices",
    "tornado",
    "value_of_information",
]
