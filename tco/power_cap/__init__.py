"""The cheapest power cap of a server, with whole servers per rack (Kim VI-D).

A cap costs throughput; it saves plant and energy in proportion to watts, and a share of a rack wherever it makes room
for one more server. :func:`best_cap` finds the least cost of throughput on a curve that is assumed (:class:`PowerLaw`),
measured (:class:`MeasuredCaps`, :func:`from_runs`) or modelled (:class:`FromModel`); the formulas stand alone.

>>> import hardware_specs as hs
>>> import tco
>>> from roofline.measurements import published
>>> short, *_, long = from_runs(published("kim2025-table4").where(llm="llama-3.1-8b"))
>>> for curve in (short, long):
...     point = best_cap(curve, facility=tco.Facility(), server=hs.get_server("dgx-h200")).at(400)
...     print(f"400 W: {point.loss:.0%} less throughput, {point.saving:.1%} less cost; pays: {point.pays}")
400 W: 6% less throughput, 4.0% less cost; pays: False
400 W: 29% less throughput, 4.0% less cost; pays: False
"""

from __future__ import annotations

from tco.power_cap.choice import CapChoice, best_cap, most_per_watt
from tco.power_cap.curves import PowerLaw, Segments, ThroughputCurve
from tco.power_cap.formulas import (
    breakpoints,
    continuous_optimum,
    cost_per_throughput,
    oversubscribed_servers,
    servers_held,
    shadow_price,
    throughput_per_megawatt,
    worth_capping,
)
from tco.power_cap.measured import MeasuredCaps, from_runs
from tco.power_cap.modelled import FromModel
from tco.power_cap.terms import CapPoint, Terms

__all__ = [
    "CapChoice",
    "CapPoint",
    "FromModel",
    "MeasuredCaps",
    "PowerLaw",
    "Segments",
    "Terms",
    "ThroughputCurve",
    "best_cap",
    "breakpoints",
    "continuous_optimum",
    "cost_per_throughput",
    "from_runs",
    "most_per_watt",
    "oversubscribed_servers",
    "servers_held",
    "shadow_price",
    "throughput_per_megawatt",
    "worth_capping",
]
