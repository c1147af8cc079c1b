"""Many machines and frameworks at once: what others show is likely for one of which little is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roofline.calibration.constants import CONSTANTS, ONE_DEVICE, PAGED, SEVERAL
from roofline.calibration.design import Design
from roofline.calibration.fit import Fit, Prior, fit
from roofline.operations import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

ROUNDS = 3
"""How often all pairs are fitted, each time with priors from the others of the round before."""

_KEPT = 0.4
"""Of the widths of one device's constants, what several devices may depart from them."""


@dataclass(frozen=True, order=True)
class Pair:
    """A machine and the software on it.

    Attributes
    ----------
    accelerator, framework, version : str
        Key of the catalogue, name, and version where the runs name it.
    """

    accelerator: str
    framework: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.accelerator}, {self.framework} {self.version}".rstrip()


def likely(pair: Pair, fits: Mapping[Pair, Fit], names: Iterable[str]) -> Prior:
    """Return what other pairs say of one: those with the same framework more, and the same machine more.

    Means of logarithms, weighted by how much each pair's runs say of a constant: of all others first, with the start
    of :data:`CONSTANTS` as one more; then of those with the same framework, with that mean as one more.

    Parameters
    ----------
    pair : Pair
        Which is left out.
    fits : mapping of Pair to Fit
        What was found for others.
    names : iterable of str
        Constants.
    """
    default = Prior.default()
    values = dict(default.values)
    others = {other: found for other, found in fits.items() if other != pair}
    for name in names:
        weights = {other: _nearness(pair, other) * found.weights.get(name, 0.0) for other, found in others.items()}

        def mean(among: Iterable[Pair], start: float, name: str = name, weights: dict[Pair, float] = weights) -> float:
            total, logs = 1.0, np.log(start)
            for other in among:
                total += weights[other]
                logs += weights[other] * np.log(others[other].constants[name])
            return float(np.exp(logs / total))

        overall = mean(others, CONSTANTS[name].start)
        values[name] = mean((other for other in others if other.framework == pair.framework), overall)
    return Prior(values, default.widths)


def _nearness(pair: Pair, other: Pair) -> float:
    if pair.accelerator != other.accelerator:
        return 1.0
    return 5.0 if pair.framework == other.framework else 2.0


def names_of(design: Design) -> tuple[str, ...]:
    """Constants that the runs of a design depend on.

    Parameters
    ----------
    design : Design
        Of one pair.
    """
    touched = {
        "experts": (design.kind == KINDS.index("experts")).any(),
        "matrix_narrow": design.narrow_matrix.any(),
        "memory_narrow": design.narrow_memory.any(),
    }
    one = tuple(name for name in ONE_DEVICE if touched.get(name, True))
    several = tuple(name for name in SEVERAL if name != "overlap" or (design.follows > 0).any())
    return (*one, *(PAGED if design.paged.any() else ()), *(several if (design.peers > 0).any() else ()))


def fit_pairs(
    designs: Mapping[Pair, Design], *, base: Mapping[Pair, Fit] | None = None, start: Mapping[Pair, Fit] | None = None,
    rounds: int = ROUNDS,
) -> dict[Pair, Fit]:  # fmt: skip
    """Find the constants of every pair, each with what the others make likely.

    Parameters
    ----------
    designs : mapping of Pair to Design
        Runs of each.
    base : mapping of Pair to Fit, optional
        Of runs on several devices, the constants of one.
    start : mapping of Pair to Fit, optional
        Where to begin.
    rounds : int
        How often all are fitted.

    Returns
    -------
    dict of Pair to Fit
    """
    fits = dict(start or {})
    for _ in range(rounds):
        fits = {pair: fit_one(pair, design, fits, base=base) for pair, design in designs.items()}
    return fits


def fit_one(pair: Pair, design: Design, fits: Mapping[Pair, Fit], *, base: Mapping[Pair, Fit] | None = None) -> Fit:
    """Find the constants of one pair.

    Parameters
    ----------
    pair : Pair
        Which.
    design : Design
        Its runs.
    fits : mapping of Pair to Fit
        What was found for others, and for this one before.
    base : mapping of Pair to Fit, optional
        Of runs on several devices, the constants of one.

    Returns
    -------
    Fit
    """
    names = names_of(design)
    prior = likely(pair, fits, names)
    if base is not None and pair in base:
        of_one = base[pair].constants
        values = {**prior.values, **{name: of_one[name] for name in (*ONE_DEVICE, *PAGED)}}
        widths = {**prior.widths, **{name: _KEPT * prior.widths[name] for name in (*ONE_DEVICE, *PAGED)}}
        prior = Prior(values, widths)
    before = fits.get(pair)
    return fit(design, names, prior, start=None if before is None else before.constants)
