"""A document as Markdown, or as one HTML file that needs no other."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape

from tco.recommendation.document import (
    Block,
    Bullets,
    Callout,
    Document,
    Figure,
    Heading,
    Paragraph,
    SignOff,
    Table,
)


def markdown(document: Document, pictures: Mapping[str, str]) -> str:
    """Write a document as Markdown.

    Parameters
    ----------
    document : Document
        What to write.
    pictures : mapping of str to str
        Path of each figure by name, relative to the page; a figure without one is left out.

    Examples
    --------
    >>> from tco.recommendation.document import Document, Heading, Table
    >>> print(markdown(Document("x", (Heading("x", 1), Table(("a", "b"), (("one", "2"),)))), {}))
    # x
    <BLANKLINE>
    | a | b |
    |:---|---:|
    | one | 2 |
    <BLANKLINE>
    """
    parts = [_markdown(block, pictures) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block, pictures: Mapping[str, str]) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_md(text)}"
        case Paragraph(text):
            return _md(text)
        case Callout(title, text):
            return f"> **{_md(title)}**\n>\n> {_md(text)}"
        case Bullets(items):
            return "\n".join(f"- {_md(item)}" for item in items)
        case Table():
            return _markdown_table(block)
        case Figure(name, alt, caption):
            return f"![{_md(alt)}]({pictures[name]})\n\n*{_md(caption)}*" if name in pictures else ""
        case SignOff(roles):
            rows = tuple((role, name or " ", " ", " ") for role, name in roles)
            return _markdown_table(Table(("", "name", "date", "signature"), rows, left=4))


def _markdown_table(table: Table) -> str:
    sides = [":---" if at < table.left else "---:" for at in range(len(table.header))]
    rows = [
        [f"**{cell}**" if at in table.strong and cell.strip() else cell for cell in map(_cell, row)]
        for at, row in enumerate(table.rows)
    ]
    lines = [list(map(_cell, table.header)), *rows]
    text = [f"| {' | '.join(line)} |" for line in lines]
    text.insert(1, f"|{'|'.join(sides)}|")
    return "\n".join(text) + (f"\n\n*{_md(table.caption)}*" if table.caption else "")


def _cell(text: str) -> str:
    return _md(text).replace("|", "\\|").replace("\n", "<br>")


def _md(text: str) -> str:
    """Keep what Markdown would take for its own: a scenario's texts are a user's."""
    return re.sub(r"([*_`<>\[\]\\])", r"\\\1", text)


_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --wash: #f6f8fa; --blue: #1f5fa8;
  --amber: #9a5b00; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p, li { max-width: 46rem; }
.callout { border-left: .35rem solid var(--soft); background: var(--wash); padding: .9rem 1.1rem; margin: 1.2rem 0; }
.callout strong { display: block; font-size: 1.15rem; margin-bottom: .25rem; }
.callout.decided { border-color: var(--blue); } .callout.decided strong { color: var(--blue); }
.callout.open { border-color: var(--amber); } .callout.open strong { color: var(--amber); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; text-align: right; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.word { text-align: left; } tr.strong td { font-weight: 700; background: var(--wash); }
figure { margin: 1.6rem 0; } figure img { max-width: 100%; height: auto; display: block; }
figcaption, .caption { color: var(--soft); font-size: .88rem; margin-top: .4rem; max-width: 46rem; }
.sign td { height: 3rem; text-align: left; vertical-align: middle; } .sign td:nth-child(n+2) { min-width: 9rem; }
@media print { @page { size: A4; margin: 16mm; } body { font-size: 10.5pt; } main { padding: 0; max-width: none; }
  h2, h3 { break-after: avoid; } tr, figure, .callout { break-inside: avoid; } .scroll { overflow: visible; } }
"""


def html(document: Document, pictures: Mapping[str, bytes]) -> str:
    """Write a document as one HTML file, with its style and its pictures inside.

    Parameters
    ----------
    document : Document
        What to write.
    pictures : mapping of str to bytes
        PNG of each figure by name; a figure without one is left out.

    Examples
    --------
    >>> from tco.recommendation.document import Document, Heading
    >>> "<h1>a &lt; b</h1>" in html(Document("x", (Heading("a < b", 1),)), {})
    True
    """
    body = "\n".join(part for part in (_html(block, pictures) for block in document.blocks) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Callout(title, text, tone):
            return f'<div class="callout {tone}"><strong>{escape(title)}</strong>{escape(text)}</div>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Table():
            return _html_table(block)
        case Figure(name, alt, caption):
            if name not in pictures:
                return ""
            data = base64.b64encode(pictures[name]).decode("ascii")
            image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
        case SignOff(roles):
            rows = tuple((role, name, "", "") for role, name in roles)
            return _html_table(Table(("", "name", "date", "signature"), rows, left=4), kind="sign")


def _html_table(table: Table, kind: str = "") -> str:
    def row(cells: tuple[str, ...], tag: str, stress: bool = False) -> str:
        marks = (' class="word"' if at < table.left else "" for at in range(len(cells)))
        inner = "".join(
            f"<{tag}{mark}>{escape(cell).replace(chr(10), '<br>')}</{tag}>"
            for cell, mark in zip(cells, marks, strict=True)
        )
        kind = ' class="strong"' if stress else ""
        return f"<tr{kind}>{inner}</tr>"

    head = row(table.header, "th")
    body = "".join(row(cells, "td", at in table.strong) for at, cells in enumerate(table.rows))
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    mark = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{mark}><thead>{head}</thead><tbody>{body}</tbody></table></div>{caption}'
