"""The shell command ``tco recommend``: from a scenario to a page to sign."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: Any, help_format: type[argparse.HelpFormatter], version: str) -> None:
    """Add the command to the shell.

    Parameters
    ----------
    commands : subparsers
        Of the shell.
    help_format : type
        How help is laid out.
    version : str
        Of the library, for the page.
    """
    command = commands.add_parser(
        "recommend",
        help="decide a scenario, and write the page that is signed",
        formatter_class=help_format,
        description="Plan every candidate of a scenario, compare them with everything that may be off, and write a\n"
        "recommendation: recommendation.md with its figures, and recommendation.html, one file that needs no other.",
        epilog="""Examples
  tco template --out scenario.toml        # a scenario with every key explained; fill in your numbers
  tco check scenario.toml
  tco recommend scenario.toml
  tco recommend scenario.toml --reveal --out to-sign

Your numbers are masked, and with them all dollars, unless --reveal shows them.""",
    )
    command.add_argument("scenario", help="a scenario file, TOML or JSON")
    command.add_argument("--out", metavar="FOLDER", default=".", help="where the page goes (this folder)")
    command.add_argument("--no-figures", action="store_true", help="text and tables alone")
    command.add_argument("--json", action="store_true", help="print the decision as JSON and write nothing")
    command.add_argument("--reveal", action="store_true", help="show private numbers and dollars")
    command.set_defaults(run=_run, version_of_library=version)


def _run(options: argparse.Namespace) -> str:
    # Here, so that the other commands start without all of it.
    from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

    from tco.recommendation.data import as_data
    from tco.recommendation.files import study_of, write_page
    from tco.recommendation.page import summary

    if not options.json and Path(options.out).is_file():
        raise ValueError(f"{options.out} is a file: give a folder, in which the page is written")
    quiet = options.json or not sys.stderr.isatty()

    def progress(items: Any) -> Any:
        return tqdm(items, desc="candidates", unit="", leave=False, disable=quiet)

    study = study_of(options.scenario, reveal=options.reveal, progress=progress, version=options.version_of_library)
    if options.json:
        return json.dumps(as_data(study), indent=2)
    document = write_page(study, options.out, figures=not options.no_figures)
    verdict = "To sign" if study.found.decided else "Not to be signed yet"
    page = Path(options.out) / "recommendation.html"
    return f"{summary(study, document)}\n\n{verdict}: {page} (and recommendation.md)"
