"""Measured runs: records, readers of what people have, and the papers' tables.

>>> from roofline import measurements
>>> measurements.FIELDS["ttft_s"].unit
's'
"""

from __future__ import annotations

from roofline.measurements.fields import FIELDS, MEASURED, PHASES
from roofline.measurements.flags import flag
from roofline.measurements.measured import Measured, measured
from roofline.measurements.power_logs import PowerLog, read_power, with_power
from roofline.measurements.published import published, published_claims, published_names
from roofline.measurements.read import UnrecognisedFormatError, read
from roofline.measurements.records import Rejected, Run, Runs
from roofline.measurements.write import write

__all__ = [
    "FIELDS",
    "MEASURED",
    "PHASES",
    "Measured",
    "PowerLog",
    "Rejected",
    "Run",
    "Runs",
    "UnrecognisedFormatError",
    "flag",
    "measured",
    "published",
    "published_claims",
    "published_names",
    "read",
    "read_power",
    "with_power",
    "write",
]
