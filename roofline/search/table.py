"""How the layouts of a search are written: a row each, as text or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roofline.search.result import LayoutOption

_GB = 1e9
_HEADS = ("layout", "precision", "batch", "tokens/s", "time [ms]", "GB/device", "bound", "refused")
_NUMBERS = range(2, 6)


def as_text(title: str, options: Sequence[LayoutOption], warnings: Sequence[str]) -> str:
    """Write the options under one another, columns aligned.

    Parameters
    ----------
    title : str
        The first line.
    options : sequence of LayoutOption
        A row each.
    warnings : sequence of str
        What to mind, a line each.
    """
    rows = [_HEADS, *map(_cells, options)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    lines = ["  ".join([*map(_aligned, row, widths, range(len(widths))), row[-1]]).rstrip() for row in rows]
    return "\n".join([title, *lines, *(f"mind: {warning}" for warning in warnings)])


def as_html(title: str, options: Sequence[LayoutOption], warnings: Sequence[str]) -> str:
    """Write the options as a table, the first as the best.

    Parameters
    ----------
    title : str
        The first line.
    options : sequence of LayoutOption
        A row each, the best first.
    warnings : sequence of str
        What to mind, a line each.
    """
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(option))}</tr>" for option in options)
    minds = "".join(f"<br>mind: {escape(warning)}" for warning in warnings)
    best = options[0]
    return (
        f"<p>{escape(title)}<br>best: <b>{best.layout}</b>, {escape(best.precision.name)}{minds}</p>"
        f"<table><tr>{heads}</tr>{rows}</table>"
    )


def _cells(option: LayoutOption) -> tuple[str, ...]:
    def written(value: float | None, unit: float, form: str) -> str:
        return "" if value is None else format(value / unit, form)

    return (
        option.label,
        option.precision.name,
        written(option.batch, 1, ",.0f"),
        written(option.tokens_per_s, 1, ",.0f"),
        written(option.time_s, 1e-3, ",.3g"),
        written(option.memory_bytes, _GB, ",.1f"),
        option.bound or "",
        option.refused,
    )


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column in _NUMBERS else cell.ljust(width)
