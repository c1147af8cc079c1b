"""Sphinx configuration: the guide, the errata, the notebooks run afresh, and the reference from the docstrings."""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path

project = "inference-tco"
author = "the inference-tco authors"
release = metadata.version("inference-tco")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "alabaster"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_theme_options = {
    "description": "TCO and roofline of LLM inference",
    "page_width": "1360px",
    "body_max_width": "auto",
    "fixed_sidebar": True,
}

myst_enable_extensions = ["dollarmath"]
nb_execution_mode = os.environ.get("NOTEBOOKS_EXECUTION", "force")  # "off" where the notebooks run as tests anyway
nb_execution_raise_on_error = True
nb_execution_timeout = 120

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and units
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of a tuple would be described twice
suppress_warnings = ["ref.python"]  # "shape" in a type is a word, which several classes also have as an attribute

# Sphinx reads below its own folder only; the notebooks live at the top, where people look for them.
_here = Path(__file__).parent
shutil.rmtree(_here / "notebooks", ignore_errors=True)
shutil.copytree(_here.parent / "notebooks", _here / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
