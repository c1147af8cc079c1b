"""Which calibrations a comparison in the shell uses: the user's own runs, those that are shipped, or none.

Both sides are treated alike: a forecast against an upper bound would favour the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hardware_specs import Accelerator, UnknownNameError
from roofline.calibration import Calibration, calibrate, calibrations, get_calibration
from roofline.measurements import Runs, read


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


def choose(
    sides: tuple[Accelerator, Accelerator],
    precisions: tuple[str, str],
    *,
    frameworks: Sequence[str] = (),
    runs: Sequence[str] = (),
) -> Chosen:
    """Choose the calibrations of two accelerators.

    Runs of the user's come first. Of what is shipped, the same framework on both sides if both were measured in their
    precision with it; else for each side the one that :func:`roofline.get_calibration` names.

    Parameters
    ----------
    sides : tuple of Accelerator
        A and B.
    precisions : tuple of str
        Of each.
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
    >>> found = choose((hs.get("h100-sxm"), hs.get("gh200-96gb")), ("bf16", "bf16"))
    >>> found.a.framework == found.b.framework
    True
    >>> choose((hs.get("h100-sxm"), hs.get("b300")), ("bf16", "bf16")).note
    'no calibration of b300'
    """
    if len(frameworks) > 2:
        raise ValueError(f"framework = {','.join(frameworks)!r} is not accepted: give one name, or two as A,B")
    named: list[str | None] = list((list(frameworks) * 2)[:2]) if frameworks else [None, None]
    own = [_own(side, framework, runs) for side, framework in zip(sides, named, strict=True)]
    if runs and own == [None, None]:
        raise ValueError(f"runs of neither {sides[0].key} nor {sides[1].key} in {', '.join(map(str, runs))}")
    found = list(own)
    shared = _shared(sides, precisions) if not frameworks and own == [None, None] else None
    missing = []
    for index, (side, precision) in enumerate(zip(sides, precisions, strict=True)):
        if found[index] is not None:
            continue
        try:
            found[index] = get_calibration(side.key, named[index] or shared, precision=precision)
        except UnknownNameError:
            if frameworks:
                raise
            missing.append(side.key)
    if missing:
        return Chosen(None, None, f"no calibration of {' and '.join(dict.fromkeys(missing))}")
    return Chosen(found[0], found[1])


def _own(side: Accelerator, framework: str | None, paths: Sequence[str]) -> Calibration | None:
    """Calibrate a side on the user's runs, if there are any of it."""
    runs = Runs({})
    for path in paths:
        runs = runs + read(path).where(accelerator=side.key)
    if framework is not None:
        runs = runs.where(framework=framework)
    return calibrate(runs) if len(runs) else None


def _shared(sides: tuple[Accelerator, Accelerator], precisions: tuple[str, str]) -> str | None:
    """Return the framework in which both sides were measured in their precision, with the smaller errors; if any."""
    errors: dict[str, list[float]] = {}
    for side, precision in zip(sides, precisions, strict=True):
        for one in calibrations():
            if one.accelerator == side.key and precision in one.within.get("precision", ()):
                errors.setdefault(one.framework, []).append(one.error.leave_one_model_out or 1.0)
    both = {framework: sum(found) for framework, found in errors.items() if len(found) == 2}
    return min(both, key=lambda framework: both[framework]) if both else None
