"""Clouds of workloads on a surface: many points under one name, and the mix that they make together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from roofline._labels import LabelPlacer
from roofline._validation import number
from tco import ratio as formulas
from tco.plot.plan import ratio_text
from tco.surface import Surface

MIX = "mix"
"""Name of the mix's own point."""

_MARKERS = "osD^vPX"
_AREA, _SMALLEST, _LARGEST = 24.0, 9.0, 130.0  # [pt²]
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cloud:
    """Workloads of one name.

    Attributes
    ----------
    name : str
        What they are called.
    r_sc, r_th : ndarray
        Their places, shape ``(n,)``.
    areas : ndarray
        Of their markers, in proportion to weight [pt²].
    weighted : bool
        Whether weights were given.
    text : str
        The name, how many they are, and the range of their TCO ratios.
    anchor : int
        Which of them carries the label: the one in the middle.
    """

    name: str
    r_sc: _Array
    r_th: _Array
    areas: _Array
    weighted: bool
    text: str
    anchor: int


def plan_clouds(surface: Surface, clouds: Mapping[str, Any] | None) -> tuple[Cloud, ...]:
    """Decide what clouds of workloads show.

    Parameters
    ----------
    surface : Surface
        From :func:`tco.surface`.
    clouds : mapping of str to (array, array) or (array, array, array), optional
        ``(r_sc, r_th)`` of the workloads by name, or ``(r_sc, r_th, weights)``.

    Returns
    -------
    tuple of Cloud

    Raises
    ------
    ValueError
        Arrays of unlike length, weights that are not above 0, or a workload outside the axes of the surface.

    Examples
    --------
    >>> import tco
    >>> s = tco.surface(r_th=[0.5, 1.0, 1.5], r_sc=[0.5, 1.0])
    >>> plan_clouds(s, {"chat": ([0.5, 0.5, 0.5], [0.75, 1.0, 1.25])})[0].text
    'chat, 3 workloads: 0.60× to 1.00×'
    """
    checked = {str(name): _checked(surface, str(name), given) for name, given in (clouds or {}).items()}
    largest = max((float(weights.max()) for _, _, weights in checked.values() if weights is not None), default=1.0)
    plans = []
    for name, (r_sc, r_th, weights) in checked.items():
        ratio = formulas.tco_ratio(r_th=r_th, r_sc=r_sc, r_ic=surface.r_ic, server_share=surface.server_share)
        low, high = ratio_text(float(np.min(ratio))), ratio_text(float(np.max(ratio)))
        count = f", {r_sc.size:,} workloads" if r_sc.size > 1 else ""
        spans = [(axis[-1] - axis[0]) or 1.0 for axis in (surface.r_sc, surface.r_th)]
        away = [(values - np.median(values)) / span for values, span in zip((r_sc, r_th), spans, strict=True)]
        plans.append(
            Cloud(
                name=name,
                r_sc=r_sc,
                r_th=r_th,
                areas=np.full_like(r_sc, _AREA)
                if weights is None
                else np.maximum(_LARGEST * weights / largest, _SMALLEST),
                weighted=weights is not None,
                text=f"{name}{count}: {low}×" + (f" to {high}×" if low != high else ""),
                anchor=int(np.hypot(*away).argmin()),
            )
        )
    return tuple(plans)


def _checked(surface: Surface, name: str, given: Any) -> tuple[_Array, _Array, _Array | None]:
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) not in (2, 3):
        raise ValueError(f"cloud {name!r} is not accepted: give (r_sc, r_th) or (r_sc, r_th, weights), arrays")
    fields = ("r_sc", "r_th", "weights")
    arrays = [
        np.atleast_1d(np.asarray(number(f"{field} of cloud {name!r}", values, above=0 if field == "weights" else None)))
        for field, values in zip(fields, given, strict=False)
    ]
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
        raise ValueError(f"cloud {name!r} has shapes {[array.shape for array in arrays]}: give arrays of one length")
    for field, values, axis in zip(fields, arrays, (surface.r_sc, surface.r_th), strict=False):
        slack = 1e-9 * abs(axis[-1])
        outside = (values < axis[0] - slack) | (values > axis[-1] + slack)
        if outside.any():
            raise ValueError(
                f"cloud {name!r} has {int(outside.sum())} of {values.size} workloads outside the axes: {field} runs "
                f"from {axis[0]:g} to {axis[-1]:g}, and theirs from {values.min():g} to {values.max():g}"
            )
    return arrays[0], arrays[1], arrays[2] if len(arrays) == 3 else None


def draw_clouds(ax: Axes, clouds: tuple[Cloud, ...], measured: Collection[str], placer: LabelPlacer) -> None:
    """Draw clouds, each with its marker, filled if measured, and one label."""
    for turn, cloud in enumerate(clouds):
        ax.scatter(
            cloud.r_sc,
            cloud.r_th,
            s=cloud.areas,
            marker=_MARKERS[turn % len(_MARKERS)],
            facecolors="black" if cloud.name in measured else "none",
            edgecolors="white" if cloud.name in measured else "black",
            linewidths=0.6 if cloud.name in measured else 1.1,
            zorder=4.5,
            clip_on=False,
            gid=f"cloud {cloud.name}",
        )
        places = np.column_stack([cloud.r_sc, cloud.r_th])
        for i in range(min(len(places), 500)):  # more cover the picture anyhow
            if i != cloud.anchor:
                placer.keep_off_point(
                    (float(places[i, 0]), float(places[i, 1])), marker_points=float(np.sqrt(cloud.areas[i]))
                )
        x, y = places[cloud.anchor]
        placer.label(cloud.text, (float(x), float(y)), marker_points=float(np.sqrt(cloud.areas[cloud.anchor])) + 2)


def draw_mix(
    ax: Axes, surface: Surface, mix: tuple[float, float], measured: Collection[str], placer: LabelPlacer
) -> None:
    """Draw the mix's own point, larger than any workload's, with its TCO ratio."""
    ratio = float(formulas.tco_ratio(r_th=mix[1], r_sc=mix[0], r_ic=surface.r_ic, server_share=surface.server_share))
    ax.scatter(
        *mix,
        s=210,
        marker="*",
        facecolors="black" if MIX in measured else "white",
        edgecolors="white" if MIX in measured else "black",
        linewidths=1.3,
        zorder=5.5,
        clip_on=False,
        gid="mix",
    )
    placer.label(f"{MIX}: {ratio_text(ratio)}×", mix, marker_points=16).set_fontweight("bold")
