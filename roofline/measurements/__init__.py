"""Measured runs: records, readers of what people have, and the papers' tables.

>>> from roofline import measurements
>>> measurements.FIELDS["ttft_s"].unit
's'
"""

from __future__ import annotations

from roofline.measurements.fields import FIELDS, MEASURED, PHASES
from roofline.measurements.read import UnrecognisedFormatError, read
from roofline.measurements.records import Rejected, Run, Runs

__all__ = ["FIELDS", "MEASURED", "PHASES", "Rejected", "Run", "Runs", "UnrecognisedFormatError", "read"]
