"""Workload mixes: many applications, each with its own phase, limits and quality gate, on one choice of machine.

Kim VII-B: hardware is chosen by where all expected applications lie on the TCO surface, not by one point of it. Two
things follow that one comparison does not show. The throughput of a mix is a *harmonic* mean, since slow applications
take more servers: the arithmetic mean of ratios can name the wrong winner. And a fleet need not be of one machine.

=====================  ======================================================================================
a mix in numbers       :func:`mix_throughput`, :func:`mixed_r_th`, :func:`mixed_fleet_cost`, :func:`naive_mean`
what shares are of     :func:`shares_from_requests`, :func:`shares_from_time`, :func:`time_shares`
shares not known       :func:`share_vertices`, :func:`draw_shares`, :func:`robust_choice`
from specifications    :class:`Application`, :func:`serve`, :func:`evaluate`, :class:`MixTable`
=====================  ======================================================================================

A share is of *tokens*, those that an application's throughput counts: prompt tokens of a prefill, output tokens of
anything else.

>>> from tco import mix
>>> float(mix.mixed_r_th(rates_a=[100, 400], rates_b=[200, 200], shares=[0.5, 0.5]))
0.8
>>> float(mix.naive_mean(rates_a=[100, 400], rates_b=[200, 200], shares=[0.5, 0.5]))
1.25
"""

from __future__ import annotations

from tco.mix.application import Application
from tco.mix.evaluation import evaluate
from tco.mix.means import mix_throughput, mixed_fleet_cost, mixed_r_th, naive_mean
from tco.mix.robust import CRITERIA, Choice, robust_choice
from tco.mix.serving import CannotServeError, Served, serve
from tco.mix.shares import draw_shares, share_vertices, shares_from_requests, shares_from_time, time_shares
from tco.mix.table import Assignment, MixTable, RatioRange

__all__ = [
    "CRITERIA",
    "Application",
    "Assignment",
    "CannotServeError",
    "Choice",
    "MixTable",
    "RatioRange",
    "Served",
    "draw_shares",
    "evaluate",
    "mix_throughput",
    "mixed_fleet_cost",
    "mixed_r_th",
    "naive_mean",
    "robust_choice",
    "serve",
    "share_vertices",
    "shares_from_requests",
    "shares_from_time",
    "time_shares",
]
