"""What a page is made of, whatever it is written as: headings, paragraphs, tables, figures, and a place to sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (the title) to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


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
        As many cells each.
    left : int
        Columns of words, which stand to the left; the others are figures.
    caption : str
        Below the table, or empty.
    strong : tuple of int
        Rows to stress.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    caption: str = ""
    strong: tuple[int, ...] = ()


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


Block: TypeAlias = Heading | Paragraph | Callout | Bullets | Table | Figure | SignOff


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
