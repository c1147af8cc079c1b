"""Calibration: the losses of machines and their software, found on measured runs, with how far off they are.

>>> from roofline import calibration
>>> calibration.CONSTANTS["memory"].meaning
'share of the bandwidth for weights and activations'
"""

from __future__ import annotations

from roofline.calibration.between import Between, Point, between
from roofline.calibration.catalog import (
    calibration_names,
    calibrations,
    get_calibration,
    load_calibrations,
    save_calibrations,
)
from roofline.calibration.constants import CONSTANTS, Constant
from roofline.calibration.own_runs import calibrate
from roofline.calibration.prediction import efficiency, predict
from roofline.calibration.products import ProductCalibration, calibrate_products
from roofline.calibration.record import Calibration, Errors, Losses
from roofline.calibration.study import Studied, study

__all__ = [
    "CONSTANTS",
    "Between",
    "Calibration",
    "Constant",
    "Errors",
    "Losses",
    "Point",
    "ProductCalibration",
    "Studied",
    "between",
    "calibrate",
    "calibrate_products",
    "calibration_names",
    "calibrations",
    "efficiency",
    "get_calibration",
    "load_calibrations",
    "predict",
    "save_calibrations",
    "study",
]
