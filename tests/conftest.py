"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of papers and sourced facts beside the checkout; tests that read it skip where there is none."""
    folder = Path(os.environ.get("INFERENCE_TCO_SHARED", ROOT.parent / "shared"))
    if not (folder / "papers").is_dir():
        pytest.skip("needs the shared folder of papers and facts: set INFERENCE_TCO_SHARED")
    return folder
