"""Calibrate a machine on runs of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from roofline.calibration.constants import CONSTANTS, ONE_DEVICE, PAGED, SEVERAL
from roofline.calibration.design import design, is_shared
from roofline.calibration.fit import Fit
from roofline.calibration.hierarchy import Pair, fit_one
from roofline.calibration.record import Calibration, Errors, Losses
from roofline.calibration.study import Studied, held_out, log_errors, mape, usable
from roofline.calibration.uncertainty import spread_of
from roofline.measurements.records import Runs


def calibrate(runs: Runs, *, shipped: bool = True) -> Calibration:
    """Find the losses of a machine and its software on measured runs.

    A few runs are enough: whatever they say nothing of stays near what other machines show with the same software, and
    the same machine with other software. Errors are those on runs that were held out, all of one model or of one batch
    at a time, and the spread of the residuals is carried into every later interval.

    Parameters
    ----------
    runs : Runs
        Of one accelerator and one framework; generations, prefills or decode steps. Those with flags, and those that
        cannot be modelled, are left out.
    shipped : bool
        Start from the calibrations that come with the library; else from the starts of ``CONSTANTS``.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        Runs of several machines or frameworks, or none that can be used; the message says why.

    Examples
    --------
    >>> from roofline.measurements import Runs
    >>> runs = Runs.from_rows([
    ...     {"accelerator": "h100-sxm", "devices": 1, "llm": llm, "precision": "bf16", "framework": "ours",
    ...      "phase": "decode", "batch": b, "context_tokens": 1024, "output_tokens_per_s": rate}
    ...     for llm, rates in {"llama-3.1-8b": (140, 2000, 5300), "llama-2-7b": (155, 1700, 3700)}.items()
    ...     for b, rate in zip((1, 16, 64), rates)
    ... ])
    >>> calibrate(runs)
    Calibration(h100-sxm, ours: ... on a model held out, fit ..., 6 runs of 2 models)
    """
    if not isinstance(runs, Runs):
        raise ValueError(f"runs = {runs!r:.60} is not accepted: give Runs, such as rl.measurements.read(path)")
    for name in ("accelerator", "framework", "version", "power_limit_w"):
        column = getattr(runs, name)
        found = [str(value) or "(unnamed)" for value in dict.fromkeys(column[column == column].tolist())]
        if len(found) > 1:
            raise ValueError(
                f"runs are of several values of {name}: {', '.join(found)}; narrow them with runs.where({name}=…)"
            )
    chosen = usable(runs)
    if not len(chosen):
        raise ValueError(f"no run of {len(runs)} can be used: {_why_none(runs)}")
    pair = Pair(chosen.accelerator[0], chosen.framework[0], chosen.version[0])
    known = _shipped_fits() if shipped else ({}, {})
    several = is_shared(chosen)
    one = _studied(pair, chosen[~several], known[0], None)
    base = {pair: one.fit} if one else {other: fit for other, fit in known[0].items() if other == pair}
    many = _studied(pair, chosen[several], known[1], base or None)
    first = one or many
    if first is None:
        raise ValueError("no run can be used")
    for part in (one, many):
        if part is not None and part.mape("fit") > _WORST_FIT:
            worst = int(np.argmax(np.abs(part.off)))
            raise ValueError(
                f"no losses explain these runs: the model is {part.mape('fit'):.0%} off on average, and "
                f"{np.exp(abs(part.off[worst])):,.3g} × on {part.runs[worst]!r}; check its units"
            )
    return calibration_of(first, many)


_WORST_FIT = 1.0
"""Mean error from which a fit is no calibration but a sign of wrong units."""


def _studied(pair: Pair, runs: Runs, known: Mapping[Pair, Fit], base: Mapping[Pair, Fit] | None) -> Studied | None:
    if not len(runs):
        return None
    made = design(runs)
    fits = {replace(other, version=f"{other.version} as shipped"): fit for other, fit in known.items()}
    fit = fit_one(pair, made, fits, base=base)
    held = {what: held_out(pair, made, getattr(runs, what), fits, base, {}) for what in ("llm", "batch")}
    return Studied(pair, bool(base), runs, fit, log_errors(made, fit), held)


def _why_none(runs: Runs) -> str:
    if not len(runs):
        return "there is none"
    flags = Counter(text.split(":")[0] for text in runs.flags if text)
    left = len(runs.clean)
    words = [f"{count} {text}" for text, count in flags.most_common(3)]
    other = [
        phase for phase in dict.fromkeys(runs.clean.phase.tolist()) if phase not in ("generate", "prefill", "decode")
    ]
    if other:
        words.append(f"runs of {', '.join(other)} are no generations, prefills or decode steps")
    elif left:
        words.append(f"{left} lack a machine or model of the catalogue, precision, devices, batch, lengths or time")
    return "; ".join(words)


def calibration_of(
    one: Studied, several: Studied | None, *, sources: tuple[str, ...] = (), date: str = ""
) -> Calibration:
    """Return the record of what was found for a machine and its software.

    Parameters
    ----------
    one : Studied
        On one device, or on several where there is nothing else.
    several : Studied or None
        On several devices.
    sources : tuple of str
        Who measured; what the runs themselves name if not given.
    date : str
        When it was made.
    """
    studied = [one] if several is None or several is one else [one, several]  # some were measured on several alone
    tokens = np.concatenate([_tokens(of.runs) for of in studied])
    starts = np.concatenate([np.fmin(of.runs.prompt_tokens, np.fmin(of.runs.context_tokens, np.inf)) for of in studied])
    batch = np.concatenate([of.runs.batch for of in studied])
    devices = np.concatenate([of.runs.devices for of in studied])
    return Calibration(
        accelerator=one.pair.accelerator,
        framework=one.pair.framework,
        version=one.pair.version,
        one=losses_of(one),
        several=None if several is None or several is one else losses_of(several),
        within={
            "batch": (float(batch.min()), float(batch.max())),
            "tokens": (float(np.nanmin(starts)), float(np.nanmax(tokens))),
            "devices": (float(devices.min()), float(devices.max())),
            "precision": tuple(sorted({name for of in studied for name in of.runs.precision.tolist()})),
        },
        sources=sources or tuple(dict.fromkeys(text for of in studied for text in of.runs.source.tolist() if text)),
        date=date,
    )


def _tokens(runs: Runs) -> np.ndarray:
    """Return the longest context of each run."""
    written = np.nan_to_num(runs.output_tokens)
    return np.where(np.isnan(runs.context_tokens), runs.prompt_tokens + written, runs.context_tokens)


def losses_of(studied: Studied) -> Losses:
    """Return the constants of what was studied, with their errors and their spread.

    Parameters
    ----------
    studied : Studied
        Runs of one machine and framework.
    """
    by_model, by_batch = (studied.held_out[what] for what in ("llm", "batch"))
    llms = tuple(dict.fromkeys(studied.runs.llm.tolist()))
    held = {llm: mape(off[~np.isnan(off)]) for llm in llms for off in [by_model[studied.runs.llm == llm]]}

    def error(off: np.ndarray) -> float | None:
        known = off[~np.isnan(off)]
        return mape(known) if known.size else None

    by = "llm" if not np.all(np.isnan(by_model)) else "batch"
    used = {*ONE_DEVICE, *PAGED, *SEVERAL} & set(studied.fit.weights)
    bounded = {name: min(max(value, CONSTANTS[name].low), CONSTANTS[name].high)
               for name, value in studied.fit.constants.items()}  # fmt: skip
    return Losses(
        constants=bounded,
        weights={name: studied.fit.weights[name] for name in CONSTANTS if name in used},
        error=Errors(
            runs=len(studied.runs),
            llms=llms,
            fit=studied.mape("fit"),
            leave_one_model_out=error(by_model),
            leave_one_batch_out=error(by_batch),
            by_llm={llm: value for llm, value in held.items() if not np.isnan(value)},
        ),
        spread=spread_of(studied.held_out[by], getattr(studied.runs, by)),
    )


def _shipped_fits() -> tuple[dict[Pair, Fit], dict[Pair, Fit]]:
    """Return what is shipped, as fits on one device and on several."""
    from roofline.calibration.catalog import calibrations

    one: dict[Pair, Fit] = {}
    several: dict[Pair, Fit] = {}
    for shipped in calibrations():
        pair = Pair(shipped.accelerator, shipped.framework, shipped.version)
        one[pair] = Fit(shipped.one.constants, shipped.one.weights)
        if shipped.several is not None:
            several[pair] = Fit(shipped.several.constants, shipped.several.weights)
    return one, several
