"""Kim's ratio on 10⁷ pseudo-random draws of two lognormal inputs, beside the normal numbers that takes."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import best_s
from tco import ratio, risk


def run(*, quick: bool) -> None:
    """Time a simulation, and what P(A cheaper) adds to it, and print them as ratios."""
    draws = 10**5 if quick else 10**7
    repeats = 2 if quick else 3
    inputs = {"r_th": risk.LogNormal(0.8, 0.15), "r_sc": risk.LogNormal(0.5, 0.25), "r_ic": 0.75, "server_share": 0.7}

    def simulated() -> risk.Simulation:
        return risk.simulate(ratio.tco_ratio, inputs, draws=draws, method="random")

    generator = np.random.default_rng(0)
    normals = best_s(
        lambda: (generator.standard_normal(draws), generator.standard_normal(draws)),
        repeats=repeats,
    )
    simulation = best_s(simulated, repeats=repeats)
    decision = best_s(lambda: simulated().probability_below(1.0), repeats=repeats)
    print(f"risk (Kim's ratio, two lognormal inputs, {draws:,} pseudo-random draws)")
    print(f"  simulation      {simulation:6.2f} s   {simulation / normals:.2f} × two rng.standard_normal of that size")
    print(f"  P(A cheaper)    {decision:6.2f} s   {decision / normals:.2f} × the same")

    # How many pseudo-random draws a quasi-random simulation is worth: the ratio of the variances of the means.
    def variance(method: str) -> float:
        means = [
            risk.simulate(ratio.tco_ratio, inputs, draws=2**12, method=method, seed=seed).mean for seed in range(16)
        ]
        return float(np.var(means))

    gain = variance("random") / variance("sobol")
    print(f"  Sobol' draws    each is worth {gain:,.0f} pseudo-random ones for the mean, at 4,096")
