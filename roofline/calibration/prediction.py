"""What the model says of measured runs: with a calibration, or of an ideal machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from roofline.calibration.design import design, is_shared, modelled
from roofline.calibration.model import predicted_s
from roofline.calibration.record import Calibration
from roofline.measurements.bounds import least_time_s, measured_time_s
from roofline.measurements.records import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]


def predict(runs: Runs, calibration: Calibration | None = None) -> Column:
    """Time that the model gives each run [s]: of a generation, a prefill or a decode step.

    A calibration works through a batch as its software does: where the cache is full, in turns. The ideal machine takes
    all at once.

    Parameters
    ----------
    runs : Runs
        Any.
    calibration : Calibration, optional
        Losses; without it, the ideal roofline.

    Returns
    -------
    array
        One per run; NaN where it cannot be said, and of other accelerators than the calibration's.

    Examples
    --------
    >>> import roofline as rl
    >>> from roofline.measurements import Runs
    >>> runs = Runs.from_rows([{"accelerator": "h100-sxm", "devices": 1, "llm": "llama-3-8b", "precision": "bf16",
    ...     "framework": "vLLM", "phase": "generate", "batch": 16, "prompt_tokens": 1024, "output_tokens": 1024,
    ...     "tokens_per_s": 2950.0}])
    >>> ideal, expected = predict(runs)[0], predict(runs, rl.get_calibration("h100-sxm", "vLLM"))[0]
    >>> bool(ideal < expected)
    True
    """
    if calibration is None:
        return least_time_s(runs)
    times = np.full(len(runs), np.nan)
    able = modelled(runs) & (runs.accelerator == calibration.accelerator)
    for several in (False, True):
        rows = np.flatnonzero(able & (is_shared(runs) == several))
        if len(rows):
            constants = calibration.losses_on(2 if several else 1).constants
            times[rows] = predicted_s(design(runs[rows]), constants)
    return times


def efficiency(runs: Runs) -> Column:
    """Share of the ideal roofline's throughput that each run reached.

    Parameters
    ----------
    runs : Runs
        Any.

    Returns
    -------
    array
        NaN where either time is not known.

    Examples
    --------
    >>> from roofline.measurements import published
    >>> found = efficiency(published("kim2025-table4"))
    >>> bool((found < 1).all())
    True
    """
    return np.asarray(least_time_s(runs) / measured_time_s(runs))
