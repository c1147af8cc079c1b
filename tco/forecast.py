"""Which calibrations a comparison in the shell uses: the user's own runs, those that are shipped, or none.

Both sides are treated alike: a forecast against an upper bound would favour the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hardware_specs import Accelerator, UnknownNameError
from roofline.calibration import Calibration, calibrate, calibrations
from roofline.measurements import Runs, names, read


class Chosen(NamedTuple):
    """Calibrations of A and of B, and why there are none.

    Attributes
    ----------
    a, b : Calibration or None
        Both, or neither.
    note : str
        What to say where there are none; empty otherwise.
    """

    a: Calibration | None
    b: Calibration | None
    note: str = ""


class Side(NamedTuple):
    """A machine and what it is asked to do.

    Attributes
    ----------
    accelerator : Accelerator
        The machine.
    precision : str
        Precision policy.
    batch : float
        Sequences of one copy of the model.
    tokens, devices : int
        Context or prompt of each sequence; accelerators that share a copy.
    """

    accelerator: Accelerator
    precision: str
    batch: float
    tokens: int
    devices: int

    def outside(self, calibration: Calibration) -> int:
        """How many things asked for were not measured.

        Parameters
        ----------
        calibration : Calibration
            Of the machine.
        """
        return len(
            calibration.outside(batch=self.batch, tokens=self.tokens, precision=self.precision, devices=self.devices)
        )


def choose(a: Side, b: Side, *, frameworks: Sequence[str] = (), runs: Sequence[str] = ()) -> Chosen:
    """Choose the calibrations of two sides.

    Runs of the user's come first. Of what is shipped, software that serves several requests at once; then the pair that
    measured most of what is asked; then the same software on both sides; then the smaller errors on models held out.

    Parameters
    ----------
    a, b : Side
        The sides.
    frameworks : sequence of str
        Software, one for both or one for each.
    runs : sequence of str
        Files of measured runs.

    Returns
    -------
    Chosen

    Raises
    ------
    ValueError
        More than two frameworks; runs of neither side; runs that cannot be used.
    UnknownNameError
        A framework with which a side was never measured.

    Examples
    --------
    >>> import hardware_specs as hs
    >>> h100, gh200, b300 = (Side(hs.get(key), "bf16", 64, 2048, 1) for key in ("h100-sxm", "gh200-96gb", "b300"))
    >>> found = choose(h100, gh200)
    >>> found.a.framework == found.b.framework
    True
    >>> choose(h100, b300).note
    'no calibration of b300'
    """
    if len(frameworks) > 2:
        raise ValueError(f"framework = {','.join(frameworks)!r} is not accepted: give one name, or two as A,B")
    sides = (a, b)
    named: list[str | None] = list((list(frameworks) * 2)[:2]) if frameworks else [None, None]
    own = [_own(side.accelerator, framework, runs) for side, framework in zip(sides, named, strict=True)]
    if runs and own == [None, None]:
        raise ValueError(
            f"no run of {a.accelerator.key} or {b.accelerator.key} in {', '.join(map(str, runs))}{_first_reason(runs)}"
        )
    options = [
        [mine] if mine is not None else shipped(side.accelerator.key, framework)
        for side, framework, mine in zip(sides, named, own, strict=True)
    ]
    missing = [side.accelerator.key for side, found in zip(sides, options, strict=True) if not found]
    if missing:
        return Chosen(None, None, f"no calibration of {' and '.join(dict.fromkeys(missing))}")

    def rank(pair: tuple[Calibration, Calibration]) -> tuple[bool, int, bool, float]:
        alone = any(one.within.get("batch", (1, 2))[1] == 1 for one in pair)  # serves one request at a time
        outside = sum(side.outside(one) for side, one in zip(sides, pair, strict=True))
        errors = [one.losses_on(side.devices).error.leave_one_model_out for side, one in zip(sides, pair, strict=True)]
        return (
            alone,
            outside,
            pair[0].framework != pair[1].framework,
            sum(1.0 if error is None else error for error in errors),
        )

    mine, theirs = min(((one, other) for one in options[0] for other in options[1]), key=rank)
    return Chosen(mine, theirs)


def _first_reason(paths: Sequence[str]) -> str:
    rejected = [one for path in paths for one in read(path).rejected]
    return f"; {len(rejected)} rows were rejected, the first because {rejected[0].reason}" if rejected else ""


def _own(accelerator: Accelerator, framework: str | None, paths: Sequence[str]) -> Calibration | None:
    """Calibrate a side on the user's runs, if there are any of it."""
    runs = Runs({})
    for path in paths:
        runs = runs + read(path).where(accelerator=accelerator.key)
    if framework is not None:
        runs = runs.where(framework=framework)
    return calibrate(runs) if len(runs) else None


def shipped(key: str, framework: str | None) -> list[Calibration]:
    """Return what is shipped of a machine, with a framework if one is named.

    Parameters
    ----------
    key : str
        Of the accelerator.
    framework : str, optional
        Software, as people write it.

    Raises
    ------
    UnknownNameError
        A framework with which the machine was never measured.
    """
    of_machine = [one for one in calibrations() if one.accelerator == key]
    if framework is None or not of_machine:
        return of_machine
    wanted = (framework.lower(), names.framework(framework).lower())
    found = [one for one in of_machine if one.software.lower() in wanted or one.framework.lower() in wanted]
    if not found:
        there = ", ".join(one.software for one in of_machine)
        raise UnknownNameError(f"no calibration of {key} with {framework!r}: there are {there}")
    return found
