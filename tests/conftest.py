"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import settings

mpl.use("Agg")

# In CI the same examples every time, so that red means a changed program, and fewer, since more of the same find no
# more; elsewhere new ones, to find what is wrong.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("few", deadline=None, derandomize=True, max_examples=8)  # once more, on other versions
settings.register_profile("searching", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable" if os.environ.get("CI") else "searching"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that names its own number of examples takes no more of them than the profile does."""
    for item in items:
        test = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)  # hypothesis gives it no public name
        if own is not None and own.max_examples > settings().max_examples:
            test._hypothesis_internal_use_settings = settings(own, max_examples=settings().max_examples)


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
