"""The docstring as a contract: what is documented is what the function takes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import hardware_specs
import roofline
import tco

ROOTS = (hardware_specs, roofline, tco)


def public_functions():
    for root in ROOTS:
        for info in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
            if info.name.endswith("__main__"):
                continue
            module = importlib.import_module(info.name)
            for name, member in vars(module).items():
                if inspect.isfunction(member) and member.__module__ == info.name and not name.startswith("_"):
                    yield pytest.param(member, id=f"{info.name}.{name}")


def announced():
    for root in ROOTS:
        for name in root.__all__:
            member = getattr(root, name)
            if inspect.isfunction(member) or inspect.isclass(member):
                yield pytest.param(member, id=f"{root.__name__}.{name}")


def documented_parameters(text):
    section = re.search(r"Parameters\n\s*-{3,}\n(.*?)(?:\n\s*\w+\n\s*-{3,}\n|\Z)", inspect.cleandoc(text), flags=re.S)
    if section is None:
        return None
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: : .*)?$", section[1], flags=re.M)
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


@pytest.mark.parametrize("function", list(public_functions()))
def test_documented_parameters_are_those_of_the_signature(function):
    # property: none missing, none invented.
    documented = documented_parameters(function.__doc__ or "")
    if documented is not None:
        assert sorted(documented) == sorted(inspect.signature(function).parameters)


@pytest.mark.parametrize("member", list(announced()))
def test_every_announced_name_is_explained(member):
    # property: a first line that is a sentence; a function has an example and its parameters.
    text = inspect.getdoc(member)
    assert text
    assert text.split("\n\n")[0].rstrip().endswith((".", "]"))
    if inspect.isfunction(member) and inspect.signature(member).parameters:
        refers = "Parameters are those of" in text or "see :func:" in text
        assert documented_parameters(text) or refers, "no parameters"
        assert ">>>" in text, "no example"
