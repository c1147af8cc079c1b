"""What importing costs, what is public, and that nothing is announced that does not exist."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hardware_specs
import roofline
import tco


def modules_after(statement):
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_tco_loads_neither_scipy_nor_matplotlib_nor_files():
    loaded = modules_after("import tco")
    assert not {"scipy", "matplotlib", "tomllib", "xarray", "pandas", "tqdm"} & loaded
    assert "roofline.plot" not in loaded
    assert "tco.cli" not in loaded


def test_the_pictures_load_when_they_are_asked_for():
    assert "matplotlib" in modules_after("import tco\ntco.plot")


@pytest.mark.parametrize("package", [hardware_specs, roofline, tco], ids=lambda package: package.__name__)
def test_every_announced_name_exists(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert list(package.__all__) == sorted(package.__all__, key=_ruff_order)
    with pytest.raises(AttributeError):
        _ = package.no_such_name


def _ruff_order(name):
    # constants, then classes, then the rest: isort's order, which the linter keeps
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_the_public_face_of_the_design_is_there():
    # published: design.md section 3, as far as it is built.
    for name in ("get", "names", "load", "get_server"):
        assert callable(getattr(hardware_specs, name))
    for name in ("get_llm", "llm_names", "LLM", "prefill", "decode", "max_batch", "calibrate", "get_calibration"):
        assert callable(getattr(roofline, name))
    for name in ("read", "published"):
        assert callable(getattr(roofline.measurements, name))
    for name in (
        "tco_ratio",
        "break_even_throughput",
        "break_even_server_cost",
        "surface",
        "Facility",
        "Deployment",
        "compare",
    ):
        assert callable(getattr(tco, name))
    assert callable(tco.plot.heatmap)
    assert callable(tco.finance.capital_recovery_factor)


def test_the_import_contracts_name_every_module_that_computes(root):
    # property: a module is pure by contract, or on this list of what reads, draws, prints or announces.
    import tomllib

    shell = {
        "hardware_specs.catalog",
        "roofline._labels",
        "roofline.calibration.__main__",
        "roofline.calibration.catalog",
        "roofline.huggingface",
        "roofline.kernels",
        "roofline.llm_catalog",
        "roofline.measure",
        "roofline.measurements.power_logs",
        "roofline.measurements.published",
        "roofline.measurements.read",
        "roofline.measurements.write",
        "roofline.plot",
        "roofline.quality_catalog",
        "tco.__main__",
        "tco._file",
        "tco._lines",
        "tco.cli",
        "tco.cli_recommend",
        "tco.cli_scenario",
        "tco.costs",
        "tco.forecast",
        "tco.plot",
        "tco.recommendation.calibrations",
        "tco.recommendation.figures",
        "tco.recommendation.files",
        "tco.report",
        "tco.scenario.checks",
        "tco.scenario.parts",
        "tco.scenario.range_checks",
        "tco.scenario.reading",
        "tco.scenario.schema",
        "tco.scenario.template",
    }
    with (root / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    pure = set(contracts[1]["source_modules"])
    # A package of both kinds is named room by room.
    mixed = {name.rpartition(".")[0] for name in pure} - {"hardware_specs", "roofline", "tco"}
    modules = {
        f"{package}.{path.stem if path.is_file() else path.name}"
        for package in ("hardware_specs", "roofline", "tco", *mixed)
        for path in root.joinpath(*package.split(".")).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    } - mixed
    assert modules == pure | shell
    assert not pure & shell
