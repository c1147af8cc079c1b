"""The shell command ``tco recommend``: from a scenario to a page to sign."""

from __future__ import annotations

import argparse
import hashlib
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
    from tqdm import tqdm

    from tco.recommendation.calibrations import choose_all
    from tco.recommendation.data import as_data
    from tco.recommendation.decision import decide
    from tco.recommendation.page import compose, summary
    from tco.recommendation.render import html, markdown
    from tco.recommendation.study import Particulars, Study
    from tco.scenario import read_scenario

    path = Path(options.scenario)
    scenario = read_scenario(path)
    quiet = options.json or not sys.stderr.isatty()

    def progress(items: Any) -> Any:
        return tqdm(items, desc="candidates", unit="", leave=False, disable=quiet)

    chosen = choose_all(scenario)
    found = decide(scenario, chosen.calibrations, progress=progress)
    study = Study(
        found,
        Particulars(
            reveal=options.reveal,
            version=options.version_of_library,
            digest=hashlib.sha256(path.read_bytes()).hexdigest(),
            note=chosen.note,
        ),
    )
    if options.json:
        return json.dumps(as_data(study), indent=2)
    document = compose(study)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, bytes] = {}
    if not options.no_figures:
        from tco.recommendation.figures import draw

        pictures = draw(study, tuple(figure.name for figure in document.figures))
    files = {}
    for name, picture in pictures.items():
        files[name] = f"recommendation-{name}.png"
        (folder / files[name]).write_bytes(picture)
    (folder / "recommendation.md").write_text(markdown(document, files), encoding="utf-8")
    (folder / "recommendation.html").write_text(html(document, pictures), encoding="utf-8")
    verdict = "To sign" if found.decided else "Not to be signed yet"
    return f"{summary(study, document)}\n\n{verdict}: {folder / 'recommendation.html'} (and recommendation.md)"
