"""Pictures into files, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase


def save(ax_or_figure: Axes | Figure, path: str | Path) -> Path:
    """Write a picture to a file, whole or not at all, and the same bytes for the same picture.

    The file appears under its name only when complete; a failure leaves what was there before, and nothing else. It
    holds no date, no path and no name of the machine.

    Parameters
    ----------
    ax_or_figure : Axes or Figure
        The picture; of an axes, its whole figure.
    path : str or Path
        Ends in ``.png``, ``.svg`` or ``.pdf``; its folder must exist.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ValueError
        Another extension, a folder that does not exist or takes no file, a path that is one, or nothing to draw.

    Examples
    --------
    >>> import tco, matplotlib.pyplot as plt
    >>> ax = tco.plot.regions(tco.surface(r_th=[0.5, 1.0, 1.5], r_sc=[0.5, 1.0]))
    >>> save(ax, "regions.jpeg")
    Traceback (most recent call last):
    ...
    ValueError: regions.jpeg is not accepted: give a path that ends in .png, .svg or .pdf
    >>> plt.close(ax.get_figure())
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise ValueError(f"{target} is not accepted: give a path that ends in .png, .svg or .pdf")
    if not target.parent.is_dir():
        raise ValueError(f"{target} cannot be written: the folder {target.parent} does not exist")
    if target.is_dir():
        raise ValueError(f"{target} cannot be written: it is a folder")
    if not isinstance(ax_or_figure, Axes | FigureBase):
        raise ValueError(f"{type(ax_or_figure).__name__} cannot be saved: give an Axes or a Figure")
    figure = ax_or_figure.figure if isinstance(ax_or_figure, Axes) else ax_or_figure
    picture = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "inference-tco"}):
        figure.canvas.figure.savefig(picture, format=kind, dpi=150, metadata=_METADATA[kind])
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            file.write(picture.getvalue())
        os.replace(unfinished, target)
    except OSError as error:
        raise ValueError(f"{target} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):  # in a folder that takes no file there is none to remove
            unfinished.unlink(missing_ok=True)
    return target


_METADATA: Mapping[str, dict[str, str | None]] = {
    "png": {"Software": "inference-tco"},
    "svg": {"Creator": "inference-tco", "Date": None},
    "pdf": {"Creator": "inference-tco", "CreationDate": None},
}
