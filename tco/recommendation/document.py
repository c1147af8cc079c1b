"""What a page is made of, whatever it is written as: headings, paragraphs, tables, figures, and a place to sign."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (the title) to 3."""

    text: str
    level: int = 2

    @property
    def anchor(self) -> str:
        """Where links to it go, as Markdown readers make it of the text."""
        return re.sub(r"[^\w\- ]", "", self.text.lower()).replace(" ", "-")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Contents:
    """Links to the headings of level 2."""


@dataclass(frozen=True)
class Callout:
    """A paragraph that must not be missed.

    Attributes
    ----------
    title, text : str
        What it says first, and then.
    tone : str
        ``decided``, ``open`` or ``mind``.
    """

    title: str
    text: str
    tone: str = "mind"


@dataclass(frozen=True)
class Facts:
    """Few numbers at a glance.

    Attributes
    ----------
    items : tuple of (str, str)
        A number, and what it is.
    """

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bullets:
    """A list of plain texts."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    header : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        As many cells each; a line break in a cell is one on the page.
    words : tuple of int
        Columns of words, which stand to the left; the others are figures, and stand to the right.
    caption : str
        Below the table, or empty.
    strong : tuple of int
        Rows to stress.
    best : int or None
        Column to stress.
    groups : dict of int to str
        Headings within the table, by the row that they stand above.
    small : bool
        Of much text, in smaller type.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)
    caption: str = ""
    strong: tuple[int, ...] = ()
    best: int | None = None
    groups: dict[int, str] = field(default_factory=dict)
    small: bool = False

    def __post_init__(self) -> None:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"a row of the table {self.header!r} has another number of cells")


@dataclass(frozen=True)
class Figure:
    """A picture that is drawn elsewhere.

    Attributes
    ----------
    name : str
        Stem of its file.
    alt : str
        What it shows, for who cannot see it.
    caption : str
        Below it.
    """

    name: str
    alt: str
    caption: str


@dataclass(frozen=True)
class SignOff:
    """Lines to sign.

    Attributes
    ----------
    roles : tuple of (str, str)
        What each signs as, and the name where it is known.
    """

    roles: tuple[tuple[str, str], ...]

    @property
    def table(self) -> Table:
        """The lines as a table."""
        return Table(
            ("", "name", "date", "signature"), tuple((role, name, "", "") for role, name in self.roles), (0, 1, 2, 3)
        )


Block: TypeAlias = Heading | Paragraph | Contents | Callout | Facts | Bullets | Table | Figure | SignOff


@dataclass(frozen=True)
class Document:
    """A page.

    Attributes
    ----------
    title : str
        Of the page.
    blocks : tuple of Block
        In order.
    """

    title: str
    blocks: tuple[Block, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The pictures that it needs."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))

    @property
    def headings(self) -> tuple[Heading, ...]:
        """What a table of contents lists."""
        return tuple(block for block in self.blocks if isinstance(block, Heading) and block.level == 2)
