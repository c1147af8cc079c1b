"""Calibration: the losses of machines and their software, found on measured runs, with how far off they are.

>>> from roofline import calibration
>>> calibration.CONSTANTS["memory"].meaning
'share of the bandwidth for weights and activations'
"""

from __future__ import annotations

from roofline.calibration.own_runs import calibrate
from roofline.calibration.catalog import (
    calibration_names,
    calibrations,
    get_calibration,
    load_calibrations,
    save_calibrations,
)
from roofline.calibration.constants import CONSTANTS, Constant
from roofline.calibration.prediction import efficiency, predict
from roofline.calibration.record import Calibration, Errors, Losses
from roofline.calibration.study import Studied, study

__all__ = [
    "CONSTANTS",
    "Calibration",
    "Constant",
    "Errors",
    "Losses",
    "Studied",
    "calibrate",
    "calibration_names",
    "calibrations",
    "efficiency",
    "get_calibration",
    "load_calibrations",
    "predict",
    "save_calibrations",
    "study",
]
