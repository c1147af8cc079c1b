"""Calibrate many machines at once, and predict what was held out: how far off the model is, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.calibration.design import Design, design, is_shared, modelled
from roofline.calibration.fit import Fit
from roofline.calibration.hierarchy import Pair, fit_one, fit_pairs
from roofline.calibration.model import predicted_s
from roofline.measurements.records import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]

HELD_OUT = ("llm", "batch")
"""What is left out, all runs with one value of it at a time."""


@dataclass(frozen=True, eq=False)
class Studied:
    """Runs of one machine and framework, on one device or on several, and what is predicted of them.

    Attributes
    ----------
    pair : Pair
        Machine and framework.
    several : bool
        Whether several devices share the model.
    runs : Runs
        Those that were used.
    fit : Fit
        Constants found on all of them.
    off : array
        Logarithm of predicted over measured time, of the fit to all.
    held_out : mapping of str to array
        The same of each run while all runs of its model, or of its batch, were held out; NaN where nothing is left.
    """

    pair: Pair
    several: bool
    runs: Runs
    fit: Fit
    off: Column
    held_out: Mapping[str, Column]

    def mape(self, of: str = "llm") -> float:
        """Mean absolute relative error of throughput on what was held out; NaN where nothing could be.

        Parameters
        ----------
        of : {"llm", "batch", "fit"}
            What was held out, or nothing.
        """
        off = self.off if of == "fit" else self.held_out[of]
        return mape(off[~np.isnan(off)])


def mape(off: Column) -> float:
    """Mean absolute relative error of throughput, of logarithms of predicted over measured time.

    Parameters
    ----------
    off : array
        The logarithms; NaN of none.
    """
    return float(np.abs(np.expm1(-off)).mean()) if off.size else float("nan")


def usable(runs: Runs) -> Runs:
    """Return the runs that a calibration can use: nothing wrong with them, and of what can be modelled.

    Parameters
    ----------
    runs : Runs
        Any.
    """
    clean = runs.clean
    chosen: Runs = clean[modelled(clean)]
    return chosen


def study(
    runs: Runs,
    *,
    hold_out: Iterable[str] = HELD_OUT,
    strict: bool = False,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> list[Studied]:
    """Calibrate every machine and framework of some runs, and predict each model and each batch from the others.

    Parameters
    ----------
    runs : Runs
        Of any number of machines; those with flags and those that cannot be modelled are left out.
    hold_out : iterable of {"llm", "batch"}
        What is held out in turn.
    strict : bool
        Whether a model that is held out is unknown on the other machines, too; takes much longer.
    progress : callable, optional
        Wraps the iterable of pairs, such as ``tqdm.auto.tqdm``.

    Returns
    -------
    list of Studied
        One device before several, pair by pair.
    """
    chosen = usable(runs)
    one_device = ~is_shared(chosen)
    done: list[Studied] = []
    base: dict[Pair, Fit] = {}
    for several in (False, True):
        part = chosen[~one_device if several else one_device]
        if not len(part):
            continue
        pairs = _by_pair(part)
        designs = {pair: design(of) for pair, of in pairs.items()}
        fits = fit_pairs(designs, base=base if several else None)
        without = _without_each_model(part, designs, pairs, fits, base if several else None) if strict else {}
        for pair, of in (progress or iter)(pairs.items()):
            held = {
                what: held_out(pair, designs[pair], getattr(of, what), fits, base if several else None,
                                without if what == "llm" else {})
                for what in hold_out
            }  # fmt: skip
            off = log_errors(designs[pair], fits[pair])
            done.append(Studied(pair, several, of, fits[pair], off, held))
        if not several:
            base = fits
    return done


def _by_pair(runs: Runs) -> dict[Pair, Runs]:
    found = sorted(Pair(*key) for key in runs.counts("accelerator", "framework", "version"))
    return {
        pair: runs.where(accelerator=pair.accelerator, framework=pair.framework, version=pair.version) for pair in found
    }


def log_errors(of: Design, fit: Fit) -> Column:
    """Logarithms of predicted over measured time.

    Parameters
    ----------
    of : Design
        The runs.
    fit : Fit
        The constants.
    """
    return np.asarray(np.log(predicted_s(of, fit.constants) / of.measured_s))


def held_out(
    pair: Pair,
    of: Design,
    values: Column,
    fits: Mapping[Pair, Fit],
    base: Mapping[Pair, Fit] | None,
    without: Mapping[Any, Mapping[Pair, Fit]],
) -> Column:
    """Predict the runs of each value from the other runs."""
    off = np.full(len(of), np.nan)
    for value in _values(values):
        out = values == value
        if out.all():
            continue
        found = fit_one(pair, of.of(~out), without.get(value, fits), base=base)
        off[out] = log_errors(of.of(out), found)
    return off


def _without_each_model(
    runs: Runs,
    designs: Mapping[Pair, Design],
    pairs: Mapping[Pair, Runs],
    fits: Mapping[Pair, Fit],
    base: Mapping[Pair, Fit] | None,
) -> dict[Any, dict[Pair, Fit]]:
    """Fit all pairs without each model in turn."""
    found = {}
    for llm in _values(runs.llm):
        kept = {pair: of.llm != llm for pair, of in pairs.items()}
        rest = {pair: designs[pair].of(mask) for pair, mask in kept.items() if mask.any()}
        found[llm] = fit_pairs(rest, base=base, start=fits, rounds=1)
    return found


def _values(column: Column) -> Iterator[Any]:
    return iter(sorted(set(column.tolist())))
