"""The cheapest mixed fleet: how many servers of which kinds, and which serves what.

A workload is a size of request, a model, a phase: whatever has a rate of its own on each kind of server. A mixed
integer program buys whole servers and shares the workloads out among them within the limits of the site; where demand
is uncertain, servers are bought before it is known, and rented after.

The published example of Mélange (Griggs et al., arXiv:2404.14527, README of its repository): four sizes of request, 30
requests/s, and two kinds of GPU.

>>> from tco import fleet
>>> a10g = fleet.Option.rented(
...     name="a10g", usd_per_h=1.01, rates={"ss": 2, "sl": 1, "ls": 5, "ll": 2}, private=False
... )
>>> a100 = fleet.Option.rented(
...     name="a100", usd_per_h=3.67, rates={"ss": 20, "sl": 20, "ls": 40, "ll": 20}, private=False
... )
>>> fleet.cheapest([a10g, a100], {"ss": 6, "sl": 3, "ls": 15, "ll": 6}, split=False)
Fleet(3 × a10g + 1 × a100: 58,692 USD/year, 1.62 × the bound of divisible servers)
"""

from __future__ import annotations

from tco.fleet.choose import InfeasibleError, cheapest
from tco.fleet.equals import iso_cost, iso_power
from tco.fleet.option import Option
from tco.fleet.result import Fleet, Outcome

__all__ = ["Fleet", "InfeasibleError", "Option", "Outcome", "cheapest", "iso_cost", "iso_power"]
