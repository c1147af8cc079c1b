"""From a scenario to the files of its page, in one call."""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

from tco.recommendation.calibrations import choose_all
from tco.recommendation.decision import Recommendation, decide
from tco.recommendation.document import Document
from tco.recommendation.page import compose
from tco.recommendation.render import html, markdown
from tco.recommendation.study import Particulars, Study
from tco.scenario import Scenario, read_scenario


def study_of(
    scenario: Scenario | str | PathLike[str], *, reveal: bool = False, progress: Any = None, version: str = ""
) -> Study:
    """Decide a scenario, with the calibrations that are shipped.

    Parameters
    ----------
    scenario : Scenario or path
        What is asked, or its file.
    reveal : bool
        Show private numbers and dollars.
    progress : callable, optional
        Wraps the iterable over candidates, such as ``tqdm.auto.tqdm``.
    version : str
        Of the library, for the page.

    Returns
    -------
    Study

    Raises
    ------
    ValueError
        As :func:`tco.recommendation.decide`, or a file with mistakes, all of them at once.
    """
    digest = ""
    if not isinstance(scenario, Scenario):
        path = Path(scenario)
        scenario = read_scenario(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    chosen = choose_all(scenario)
    found = decide(scenario, chosen.calibrations, progress=progress)
    return Study(found, Particulars(reveal=reveal, version=version, digest=digest, note=chosen.note))


def write_page(study: Study, folder: str | PathLike[str], *, figures: bool = True) -> Document:
    """Write the page of a study: ``recommendation.md`` with its pictures, and ``recommendation.html``.

    Parameters
    ----------
    study : Study
        What the scenario comes to.
    folder : path
        Where the files go; made if it is not there.
    figures : bool
        Draw them.

    Returns
    -------
    Document
        The page.
    """
    document = compose(study)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, bytes] = {}
    if figures:
        from tco.recommendation.figures import draw

        pictures = draw(study, tuple(figure.name for figure in document.figures))
    files = {name: f"recommendation-{name}.png" for name in pictures}
    for name, picture in pictures.items():
        (place / files[name]).write_bytes(picture)
    (place / "recommendation.md").write_text(markdown(document, files), encoding="utf-8")
    (place / "recommendation.html").write_text(html(document, pictures), encoding="utf-8")
    return document


def write(
    scenario: Scenario | str | PathLike[str],
    folder: str | PathLike[str],
    *,
    reveal: bool = False,
    figures: bool = True,
    progress: Any = None,
) -> Recommendation:
    """Decide a scenario, and write the page that is signed, as the command ``tco recommend`` does.

    The folder then holds ``recommendation.html``, one file that needs no other, and ``recommendation.md`` with its
    pictures.

    Parameters
    ----------
    scenario : Scenario or path
        What is asked, or its file.
    folder : path
        Where the files go; made if it is not there.
    reveal : bool
        Show private numbers and dollars, which are masked otherwise.
    figures : bool
        Draw them.
    progress : callable, optional
        Wraps the iterable over candidates, such as ``tqdm.auto.tqdm``.

    Returns
    -------
    Recommendation
        The decision.

    Raises
    ------
    ValueError
        A file with mistakes, all of them at once, or no candidate that can serve every application.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> chat = {"name": "chat", "llm": "llama-3.1-8b", "context_tokens": 2048, "tokens_per_s": 1e6}
    >>> rates = {"h100": ("dgx-h100", 5e4), "gaudi": ("gaudi-2-hls", 2e4)}
    >>> machines = {name: {"server": server, "tokens_per_s": {"chat": rate}} for name, (server, rate) in rates.items()}
    >>> page = {"title": "Chat", "date": "2026-11-22", "price_year": 2026}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = write(Scenario(**page, applications=[chat], candidates=machines), folder, figures=False)
    ...     print(found.best, sorted(path.name for path in Path(folder).iterdir()))
    h100 ['recommendation.html', 'recommendation.md']
    """
    study = study_of(scenario, reveal=reveal, progress=progress, version=_version())
    write_page(study, folder, figures=figures)
    return study.found


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("inference-tco")
    except PackageNotFoundError:  # run from its sources
        return ""
