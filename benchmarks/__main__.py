"""Run every benchmark: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import argparse

from benchmarks import imports, phases, risk, surface

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("--quick", action="store_true", help="small sizes: shows that they run, not how fast")
options = parser.parse_args()
for benchmark in (phases, surface, risk, imports):
    benchmark.run(quick=options.quick)
