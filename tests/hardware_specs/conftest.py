"""What the tests of the catalogue share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of facts that the catalogue was written from; skip where it is absent."""
    given = os.environ.get("INFERENCE_TCO_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[3] / "shared"
    if not (folder / "facts").is_dir():
        pytest.skip("the shared facts are not beside this checkout (set INFERENCE_TCO_SHARED)")
    return folder
