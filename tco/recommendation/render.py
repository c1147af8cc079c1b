"""A document as Markdown, or as one HTML file that needs no other."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from html import escape

from tco.recommendation.document import (
    Block,
    Bullets,
    Callout,
    Contents,
    Document,
    Facts,
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
    parts = [_markdown(block, document, pictures) for block in document.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block, document: Document, pictures: Mapping[str, str]) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_md(text)}"
        case Paragraph(text):
            return _line(text)
        case Contents():
            return " · ".join(f"[{_md(one.text)}](#{one.anchor})" for one in document.headings)
        case Callout(title, text):
            return f"> **{_md(title)}**\n>\n> {_line(text)}"
        case Facts(items):
            header, row = zip(*((words, number) for number, words in items), strict=True)
            return _markdown_table(Table(header, (row,), words=()))
        case Bullets(items):
            return "\n".join(f"- {_line(item)}" for item in items)
        case Table():
            return _markdown_table(block)
        case Figure(name, alt, caption):
            return f"![{_md(alt)}]({pictures[name]})\n\n*{_md(caption)}*" if name in pictures else ""
        case SignOff():
            return _markdown_table(block.table)


def _markdown_table(table: Table) -> str:
    columns = range(len(table.header))
    lines = [f"| {' | '.join(_cell(text) or ' ' for text in table.header)} |"]
    lines.append(f"|{'|'.join(':---' if at in table.words else '---:' for at in columns)}|")
    for at, row in enumerate(table.rows):
        if at in table.groups:
            lines.append(f"| *{_cell(table.groups[at])}* |{'  |' * (len(row) - 1)}")
        cells = [
            f"**{text}**" if text and (at in table.strong or column == table.best) else text or " "
            for column, text in enumerate(map(_cell, row))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + (f"\n\n*{_md(table.caption)}*" if table.caption else "")


def _cell(text: str) -> str:
    return _md(text).replace("\n", "<br>")


def _md(text: str) -> str:
    """Keep what Markdown would take for its own: a scenario's texts are a user's."""
    escaped = re.sub(r"([*`<>\[\]\\|])", r"\\\1", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", escaped)  # one within a word is no emphasis


def _line(text: str) -> str:
    """Keep what Markdown would take for a list, a rule or a heading at the start of a line too."""
    return re.sub(
        r"^(?:(\d+)([.)])(?= |$)|([-+#=~]))", lambda found: f"{found[1] or ''}\\{found[2] or found[3]}", _md(text)
    )


_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --wash: #f6f8fa; --blue: #1b5aa6;
  --pale: #eef4fb; --amber: #9a5b00; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.8rem 0 .7rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p, li { max-width: 46rem; }
p { margin: .7rem 0; }
ul { padding-left: 1.2rem; margin: .6rem 0; }
li { margin: .3rem 0; }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
.callout { border-left: .35rem solid var(--soft); background: var(--wash); border-radius: 0 .4rem .4rem 0;
  padding: .9rem 1.2rem; margin: 1.2rem 0; max-width: none; }
.callout p { margin: 0; max-width: 46rem; }
.callout .lead { font-size: 1.25rem; font-weight: 600; line-height: 1.35; margin-bottom: .35rem; }
.callout.decided { border-color: var(--blue); background: var(--pale); }
.callout.open { border-color: var(--amber); background: #fff8ec; }
.facts { display: grid; gap: .6rem; margin: 1.2rem 0; }
.facts.in2 { grid-template-columns: repeat(2, 1fr); } .facts.in3 { grid-template-columns: repeat(3, 1fr); }
.facts.in4 { grid-template-columns: repeat(4, 1fr); } .facts.in5 { grid-template-columns: repeat(5, 1fr); }
@media (max-width: 40rem) { .facts.in3, .facts.in4, .facts.in5 { grid-template-columns: repeat(2, 1fr); } }
.facts div { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.facts b { display: block; font-size: 1.3rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.facts span { display: block; color: var(--soft); font-size: .82rem; line-height: 1.35; }
nav { font-size: .9rem; color: var(--soft); margin: 1.2rem 0 0; padding: .7rem 0; border-top: 1px solid var(--line);
  border-bottom: 1px solid var(--line); }
nav a { white-space: nowrap; }
.scroll { overflow-x: auto; margin: 1rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-weight: 400; hyphens: none; }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; font-weight: 600; }
th.word, td.word { text-align: left; }
tbody th:first-child { color: var(--soft); }
tbody tr.group th { color: var(--ink); font-weight: 600; padding-top: 1rem; border-bottom-color: var(--soft);
  text-align: left; }
tr.strong > *, tbody tr.strong th:first-child { font-weight: 600; color: var(--ink); }
.best { background: var(--pale); font-weight: 600; }
table.small { font-size: .8rem; line-height: 1.35; }
table.small th, table.small td { padding: .3rem .5rem; }
table.small td:nth-child(2), table.small td:nth-child(3) { white-space: nowrap; }
table.small tbody th:first-child { min-width: 11rem; }
table.small td:last-child { overflow-wrap: break-word; width: 50%; min-width: 15rem; }
.caption, figcaption { color: var(--soft); font-size: .84rem; line-height: 1.45; margin: .3rem 0 1.2rem;
  max-width: 46rem; }
figure { margin: 1.4rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
table.sign td, table.sign th { padding-top: 1.5rem; width: 24%; }
table.sign td + td { border-left: 1.2rem solid #fff; }
@media print {
  @page { size: A4; margin: 15mm 14mm; }
  html { font-size: 9.5pt; } body { font-size: 1rem; line-height: 1.4; }
  main { padding: 0; max-width: none; }
  p, li, .caption, figcaption, .callout p { max-width: none; }
  h2 { margin-top: 1.7rem; }
  h2, h3 { break-after: avoid; }
  tr, figure, .callout, .facts, table.sign { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  table.small { font-size: .76rem; }
  th, td { padding: .25rem .4rem; }
  table.small tbody th:first-child { min-width: 9rem; }
  table.small td:last-child { min-width: 12rem; }
  figure img { max-height: 86mm; margin: 0 auto; }
  .callout, .facts div, .best { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  a { color: inherit; }
}
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
    body = "\n".join(part for part in (_html(block, document, pictures) for block in document.blocks) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _html(block: Block, document: Document, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(text, level):
            mark = f' id="{escape(block.anchor)}"' if level > 1 else ""
            return f"<h{level}{mark}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Contents():
            links = (f'<a href="#{escape(one.anchor)}">{escape(one.text)}</a>' for one in document.headings)
            return f'<nav aria-label="Contents">{" · ".join(links)}</nav>'
        case Callout(title, text, tone):
            return f'<div class="callout {tone}"><p class="lead">{escape(title)}</p><p>{escape(text)}</p></div>'
        case Facts(items):
            inner = "".join(
                f"<div><b>{escape(number)}</b><span>{escape(words)}</span></div>" for number, words in items
            )
            columns = len(items) if len(items) <= 5 else -(-len(items) // 2)  # in even rows
            return f'<div class="facts in{max(min(columns, 5), 2)}">{inner}</div>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Table():
            return _html_table(block, "small" if block.small else "")
        case Figure(name, alt, caption):
            if name not in pictures:
                return ""
            data = base64.b64encode(pictures[name]).decode("ascii")
            image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
        case SignOff():
            return _html_table(block.table, "sign")


def _html_table(table: Table, kind: str) -> str:
    def cell(at: int, text: str, tag: str) -> str:
        marks = [mark for mark, holds in (("word", at in table.words), ("best", at == table.best)) if holds]
        scope = ' scope="col"' if tag == "th" else ""
        if tag == "td" and at == 0:
            tag, scope = "th", ' scope="row"'
        named = f' class="{" ".join(marks)}"' if marks else ""
        return f"<{tag}{scope}{named}>{escape(text).replace(chr(10), '<br>')}</{tag}>"

    def lines() -> Iterator[str]:
        for at, row in enumerate(table.rows):
            if at in table.groups:
                span = f'<th scope="colgroup" colspan="{len(row)}">{escape(table.groups[at])}</th>'
                yield f'<tr class="group">{span}</tr>'
            mark = ' class="strong"' if at in table.strong else ""
            yield f"<tr{mark}>{''.join(cell(column, text, 'td') for column, text in enumerate(row))}</tr>"

    head = "".join(cell(column, text, "th") for column, text in enumerate(table.header))
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    mark = f' class="{kind}"' if kind else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines())}</tbody>"
    return f'<div class="scroll"><table{mark}>{body}</table></div>{caption}'
