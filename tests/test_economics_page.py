"""The page ``docs/economics.md``: its claims name tests that exist, and its code runs."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

import hardware_specs as hs
import tco


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "economics.md").read_text(encoding="utf-8")


def test_every_claim_names_its_tests(page, root):
    # property: a figure on the page is computed by a test that exists.
    table = re.search(r"### Two claims, checked\n\n(.*?)\n\n", page, flags=re.S)[1].splitlines()[2:]
    tree = ast.parse((root / "tests" / "tco" / "test_power_cap.py").read_text(encoding="utf-8"))
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert len(table) >= 6
    for row in table:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert set(named) <= known


def test_the_code_of_the_page_runs(page):
    # property: no example on the page is out of date.
    names = {"np": np, "hs": hs, "tco": tco}
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    assert len(blocks) >= 4
    for block in blocks:
        exec(block, names)  # noqa: S102 - the page's own
