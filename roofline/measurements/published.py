"""What the two papers measured, table by table, as records: read from TOML when first asked for.

Figures stand as printed. Two kinds of figure are kept apart: runs, with a rate, a time or a power of their own, and
claims, which relate two runs of which no figure is printed. What a row of a paper leaves open and we concluded is named
in ``inferred``; what it contradicts elsewhere in ``flags``, so that ``.clean`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from hardware_specs.errors import UnknownNameError, did_you_mean
from roofline.measurements.fields import FIELDS
from roofline.measurements.records import Runs


@dataclass(frozen=True)
class Claim:
    """A relation between two runs, as a paper states it: so many times as fast, so much more per joule.

    Attributes
    ----------
    name : str
        Of the table or figure, as in :func:`published_claims`.
    quantity : str
        Field that is compared.
    numerator, denominator : dict
        What is known of the one run and of the other, by field; a tuple where it is said of several.
    low, high : float or None
        The claim: numerator over denominator is at least `low` and at most `high`; ``None`` where it is open.
    printed : str
        A few characters of the paper that hold the figure.
    source : str
        Paper and place.
    note : str
        How it is read.
    flags : str
        What it contradicts.

    Examples
    --------
    >>> claim = published_claims("brunetta2025-figure3")[0]
    >>> claim.numerator["precision"], claim.denominator["precision"], claim.low, claim.high
    ('fp8', 'bf16', 1.2, 1.38)
    """

    name: str
    quantity: str
    numerator: Mapping[str, Any]
    denominator: Mapping[str, Any]
    low: float | None
    high: float | None
    printed: str
    source: str
    note: str = ""
    flags: str = ""


def published_names() -> tuple[str, ...]:
    """Return the names of the papers' tables and figures that hold measured runs.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> published_names()[:4]
    ('brunetta2025-figure2', 'brunetta2025-figure4', 'brunetta2025-figure7', 'brunetta2025-figure8')
    """
    return tuple(sorted(_shipped().runs))


def published(name: str) -> Runs:
    """Return the runs of a paper's table or figure, or of all of a paper.

    Parameters
    ----------
    name : str
        Such as ``"kim2025-table4"``, see :func:`published_names`, or ``"kim2025"``; case, spaces and hyphens do not
        matter.

    Returns
    -------
    Runs
        In the order of print. ``source`` says the place, ``row`` the line of the printed table.

    Raises
    ------
    UnknownNameError
        With close matches.

    Examples
    --------
    Kim Table IV, decode on an H200 under a cap of 400 W:

    >>> runs = published("kim2025-table4").where(llm="llama-3.1-8b", power_limit_w=400)
    >>> runs.context_tokens.tolist(), runs.tflops.tolist()
    ([512.0, 1024.0, 2048.0, 4096.0, 8192.0], [132.0, 111.0, 86.0, 64.0, 40.0])
    >>> runs[0].source
    'Kim et al., arXiv:2502.01070, Table IV (section VI-D)'
    """
    runs = _shipped().runs
    chosen = _chosen(name, runs)
    if not chosen:
        claims = _chosen(name, _shipped().claims)
        hint = f": its figures are ratios, see published_claims({claims[0]!r})" if claims else _hint(name, runs)
        raise UnknownNameError(f"no published runs {name!r}{hint}")
    return sum((runs[each] for each in chosen[1:]), start=runs[chosen[0]])


def published_claims(name: str | None = None) -> tuple[Claim, ...]:
    """Return the ratios that the papers state without the figures behind them.

    Parameters
    ----------
    name : str, optional
        A table, figure or section such as ``"brunetta2025-figure6"``, or a paper; all of them without.

    Returns
    -------
    tuple of Claim
        In the order of print.

    Raises
    ------
    UnknownNameError
        With close matches.

    Examples
    --------
    >>> [claim.low for claim in published_claims("brunetta2025-figure8") if claim.quantity == "itl_s"]
    [18.8, 13.1, 5.18]
    """
    claims = _shipped().claims
    if name is None:
        return tuple(claim for group in claims.values() for claim in group)
    chosen = _chosen(name, claims)
    if not chosen and not _chosen(name, _shipped().runs):
        raise UnknownNameError(f"no published claims {name!r}{_hint(name, claims)}")
    return tuple(claim for each in chosen for claim in claims[each])


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class _Published:
    """Everything that is shipped, by name."""

    runs: Mapping[str, Runs]
    claims: Mapping[str, tuple[Claim, ...]]


@cache
def _shipped() -> _Published:
    import tomllib  # both here, so that importing the package stays cheap
    from importlib.resources import files

    runs: dict[str, Runs] = {}
    claims: dict[str, tuple[Claim, ...]] = {}
    found = (files("roofline.measurements") / "published").iterdir()
    for file in sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name):
        study = tomllib.loads(file.read_text(encoding="utf-8"))
        paper = file.name.removesuffix(".toml")
        for table, blocks in study["runs"].items():
            rows = list(_runs(blocks))
            common = {"date": study["date"], "file": file.name}
            sources = [f"{study['source']}, {row.pop('place')}" for row in rows]
            filled = [common | row | {"source": source} for row, source in zip(rows, sources, strict=True)]
            runs[f"{paper}-{table}"] = Runs.from_rows(filled)
        for table, blocks in study["claims"].items():
            name = f"{paper}-{table}"
            claims[name] = tuple(_claim(name, study["source"], row) for row in _rows(blocks))
    return _Published(MappingProxyType(runs), MappingProxyType(claims))


def _rows(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the rows of a table, each with what its block says of all."""
    for block in blocks:
        common = {field: value for field, value in block.items() if field != "rows"}
        yield from (common | row for row in block["rows"])


def _runs(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the runs of a table: one for each cell of a line that holds several."""
    for number, line in enumerate(_rows(blocks), start=1):
        lists = {field: value for field, value in line.items() if isinstance(value, list)}
        for cells in zip(*lists.values(), strict=True) if lists else [()]:
            run = line | dict(zip(lists, cells, strict=True)) | {"row": number}
            if "size" in run:
                run["m"] = run["k"] = run["n"] = run.pop("size")
            if "power_w_of_all" in run:
                run["power_w"] = run.pop("power_w_of_all") / run["devices"]
            yield run


def _claim(name: str, paper: str, row: dict[str, Any]) -> Claim:
    """Return a claim; what a row says of both sides goes to both."""
    both = {field: value for field, value in row.items() if field in FIELDS and field != "flags"}
    sides = {
        side: MappingProxyType({field: _plain(value) for field, value in (both | row[side]).items()})
        for side in ("numerator", "denominator")
    }
    ratio = row.get("ratio")
    return Claim(
        name=name,
        quantity=row["quantity"],
        numerator=sides["numerator"],
        denominator=sides["denominator"],
        low=row.get("low", ratio),
        high=row.get("high", ratio),
        printed=row["printed"],
        source=f"{paper}, {row['place']}",
        note=row.get("note", ""),
        flags=row.get("flags", ""),
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------------------- looking


def _bare(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _chosen(name: str, known: Mapping[str, Any]) -> list[str]:
    """Return the one of the names that is meant, or those of the paper that is."""
    bare = _bare(name)
    return [each for each in known if bare in (_bare(each), _bare(each.split("-")[0]))]


def _hint(name: str, known: Mapping[str, Any]) -> str:
    return did_you_mean(str(name).lower(), known) or f"; there are {', '.join(sorted(known))}"
