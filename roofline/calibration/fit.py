"""Find the constants of a calibration: robust, bounded, in logarithms, and shrunk towards what is likely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from roofline._arrays import Array
from roofline.calibration.constants import CONSTANTS
from roofline.calibration.design import Design
from roofline.calibration.model import predicted_s

NOISE = 0.03
"""Relative error beyond which a run counts as an outlier, and pulls less than its square."""

PREFILL_WEIGHT = 3.0
"""Runs that a prefill alone counts for: they are few, and where prompts and outputs are equally long, nothing else
tells the time to the first token from what the host does for every sequence."""

_VALLEYS = (
    {"kv_reread": 1.0, "kv": 0.3},
    {"matrix": 0.02, "prefill_s": 1e-3},
    {"run_s": 5.0},
)
"""Where else the search begins: what grouped heads cost and what bandwidth costs trade places; and a matrix engine
that does not bind is not felt until it does; nor is what every run takes, beside short runs."""


@dataclass(frozen=True)
class Prior:
    """What is likely of each constant before a run is seen: a normal distribution of its logarithm.

    Attributes
    ----------
    values, widths : mapping of str to float
        The likely value, and the standard deviation of its logarithm.
    """

    values: Mapping[str, float]
    widths: Mapping[str, float]

    @classmethod
    def default(cls) -> Prior:
        """What is likely when no machine was ever measured."""
        return cls(
            {name: constant.start for name, constant in CONSTANTS.items()},
            {name: constant.width for name, constant in CONSTANTS.items()},
        )


@dataclass(frozen=True)
class Fit:
    """Constants, and how much the runs say of each.

    Attributes
    ----------
    constants : mapping of str to float
        Every constant; those that were not fitted have their likely value.
    weights : mapping of str to float
        Of those fitted, 0 where the prior says all to 1 where the runs do.
    """

    constants: Mapping[str, float]
    weights: Mapping[str, float]


def fit(design: Design, names: Iterable[str], prior: Prior, *, start: Mapping[str, float] | None = None) -> Fit:
    """Find the constants under which runs and prior are likeliest.

    Parameters
    ----------
    design : Design
        What the runs touch, and how long they took.
    names : iterable of str
        Constants to be found; the others keep their likely value.
    prior : Prior
        What is likely.
    start : mapping of str to float, optional
        Where to begin, beside what is likely; without it, in several valleys.

    Returns
    -------
    Fit
    """
    from scipy.optimize import least_squares

    names = tuple(names)
    low, high = (np.log([getattr(CONSTANTS[name], end) for name in names]) for end in ("low", "high"))
    likely = np.log([prior.values[name] for name in names])
    widths = np.array([prior.widths[name] for name in names])
    measured = np.log(design.measured_s)

    def constants(at: Array) -> dict[str, float]:
        return {**prior.values, **dict(zip(names, np.exp(at).tolist(), strict=True))}

    steps = np.bincount(design.run, weights=design.decode, minlength=len(design))
    weights = np.where(steps > 0, 1.0, PREFILL_WEIGHT**0.5)

    def residuals(at: Array) -> Array:
        off = (np.log(predicted_s(design, constants(at))) - measured) / NOISE
        bent = np.sign(off) * np.sqrt(2 * (np.sqrt(1 + off**2) - 1))  # linear beyond the noise: wrong rows pull little
        return np.concatenate([weights * bent, (at - likely) / widths])

    starts = [likely.copy()]
    if start is not None:
        starts.append(np.log([start[name] for name in names]))
    else:
        for valley in _VALLEYS:
            other = likely.copy()
            for name, value in valley.items():
                if name in names:
                    other[names.index(name)] = np.log(value)
            starts.append(other)
    begins = [np.clip(at, low + 1e-6, high - 1e-6) for at in starts]
    found = min(
        (least_squares(residuals, at, bounds=(low, high), max_nfev=60) for at in begins), key=lambda end: end.cost
    )
    information = (found.jac[: len(design)] ** 2).sum(axis=0)
    known = information / (information + widths**-2)
    return Fit(constants(found.x), dict(zip(names, known.tolist(), strict=True)))
