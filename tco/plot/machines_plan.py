"""Which of many machines is cheapest over two axes, decided without a pixel; of the costs only ratios are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from roofline._validation import number
from tco.plot.plan import axis_scale, times
from tco.plot.words import require_mapping

_FINE = 320  # places along each side of the picture
_SMALLEST = 0.01  # of the picture: a smaller piece of a region gets no name of its own
_LEVELS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegionLabel:
    """Where a region is named.

    Attributes
    ----------
    name : str
        The machine that is cheapest there.
    x, y : float
        Place, on the axes.
    fits : bool
        Whether a label of the size that was asked for lies within the region.
    """

    name: str
    x: float
    y: float
    fits: bool


@dataclass(frozen=True, eq=False)
class CheapestPlan:
    """What a phase diagram of the cheapest machine shows: costs interpolated in logarithm on a fine, even raster.

    Attributes
    ----------
    x, y : ndarray
        Places along the axes, even as they are drawn; between the samples costs are interpolated.
    x_scale, y_scale : str
        ``linear``, or ``log`` where the axis is spaced evenly in logarithm.
    names : tuple of str
        The machines.
    winner : ndarray of int
        Which is cheapest, shape ``(len(y), len(x))``; -1 where none can serve.
    margin : ndarray
        Cost of the second best over the cheapest, at least 1; NaN where fewer than two can serve.
    lead : ndarray
        Cost of the best of the others over each machine's own, shape ``(len(names), len(y), len(x))``: above 1 where it
        is the cheapest; NaN where it or all others cannot serve.
    levels : tuple of float
        Margins whose lines are drawn.
    labels : tuple of RegionLabel
        Names of the regions.
    never : tuple of str
        Machines that are the cheapest nowhere.
    """

    x: _Array
    y: _Array
    x_scale: str
    y_scale: str
    names: tuple[str, ...]
    winner: npt.NDArray[np.intp]
    margin: _Array
    lead: _Array
    levels: tuple[float, ...]
    labels: tuple[RegionLabel, ...]
    never: tuple[str, ...]

    def at(self, x: float, y: float) -> tuple[str, float | None] | None:
        """Return the cheapest machine at the place of the raster nearest to a point, and the margin.

        Parameters
        ----------
        x, y : float
            Place, on the axes.

        Returns
        -------
        (str, float or None) or None
            The machine, and the second best's cost over its own, ``None`` where no other can serve; or ``None`` where
            none can.
        """
        row, column = _nearest(self.y, self.y_scale, y), _nearest(self.x, self.x_scale, x)
        winner = int(self.winner[row, column])
        if winner < 0:
            return None
        margin = float(self.margin[row, column])
        return self.names[winner], None if np.isnan(margin) else margin


def plan_cheapest(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    costs: Mapping[str, npt.ArrayLike],
    *,
    close: float = 0.05,
    label_sizes: Mapping[str, tuple[float, float]] | None = None,
    keep_off: Iterable[tuple[float, float]] = (),
) -> CheapestPlan:
    """Decide which of many machines is cheapest over two axes, and where the regions are named.

    Parameters
    ----------
    x, y : array-like
        Axes, strictly increasing, two values or more each.
    costs : mapping of str to array-like
        Cost of each machine for the same work, above 0, shape ``(len(y), len(x))``; NaN where it cannot serve.
    close : float
        Margin below which the two best are too close to call; names keep out of there if they can.
    label_sizes : mapping of str to (float, float), optional
        Width and height of each name over those of the picture; 0.18 by 0.05 if not given.
    keep_off : iterable of (float, float)
        Places that no name may cover.

    Returns
    -------
    CheapestPlan

    Raises
    ------
    ValueError
        Axes that do not ascend, fewer than two machines, or costs of another shape or not above 0.

    Examples
    --------
    >>> x, y = [1.0, 2.0, 4.0], [1.0, 2.0]
    >>> plan = plan_cheapest(x, y, {"A": [[1.0, 2.0, 4.0]] * 2, "B": [[2.0] * 3] * 2, "C": [[9.0] * 3] * 2})
    >>> plan.at(1.0, 1.0), plan.at(4.0, 1.0), plan.never
    (('A', 2.0), ('B', 2.0), ('C',))
    """
    columns, rows = _axis("x", x), _axis("y", y)
    machines = {
        str(name): _costs(str(name), values, (rows.size, columns.size))
        for name, values in require_mapping("costs", costs, "machines to their cost").items()
    }
    if len(machines) < 2:
        raise ValueError("costs holds one machine: give two or more")
    number("close", close, at_least=0)
    names, x_scale, y_scale = tuple(machines), axis_scale(columns), axis_scale(rows)
    fine_x, fine_y = _even(columns, x_scale), _even(rows, y_scale)
    stack = _between(np.log(np.stack(list(machines.values()))), rows, fine_y, y_scale, axis=1)
    stack = _between(stack, columns, fine_x, x_scale, axis=2)
    first, second = np.partition(stack, 1, axis=0)[:2]
    winner = np.where(np.isinf(first), -1, stack.argmin(axis=0))
    with np.errstate(invalid="ignore"):  # infinite where a machine cannot serve
        margin = np.exp(np.where(np.isinf(second), np.nan, second - first))
        others = np.where(np.arange(len(names))[:, None, None] == winner, second, first)
        lead = np.exp(np.where(np.isinf(others) | np.isinf(stack), np.nan, others - stack))
    size = dict.fromkeys(names, (0.18, 0.05)) if label_sizes is None else label_sizes
    covered = np.zeros(winner.shape, dtype=bool)
    for at_x, at_y in keep_off:
        row, column = _nearest(fine_y, y_scale, at_y), _nearest(fine_x, x_scale, at_x)
        covered[max(row - 7, 0) : row + 8, max(column - 5, 0) : column + 6] = True
    levels = margin_levels(margin, close=close)
    between = np.digitize(np.nan_to_num(margin, nan=np.inf), levels)
    lined = np.zeros_like(covered)
    lined[1:, 1:] = (between[1:, 1:] != between[:-1, 1:]) | (between[1:, 1:] != between[1:, :-1])
    unclear = np.nan_to_num(margin, nan=np.inf) < 1 + close
    labels = []
    for index, name in enumerate(names):
        for row, column, fits in _label_places(winner == index, (covered, unclear, lined), size[name]):
            labels.append(RegionLabel(name, float(fine_x[column]), float(fine_y[row]), fits))
    never = tuple(name for index, name in enumerate(names) if not (winner == index).any())
    return CheapestPlan(fine_x, fine_y, x_scale, y_scale, names, winner, margin, lead, levels, tuple(labels), never)


def margin_levels(margin: npt.ArrayLike, *, close: float = 0.05) -> tuple[float, ...]:
    """Choose which lines of equal margin are drawn: round ones above what is too close to call.

    Parameters
    ----------
    margin : array-like
        Cost of the second best over the cheapest; NaN is passed over.
    close : float
        Margin below which the two are too close to call.

    Returns
    -------
    tuple of float
        At most three.

    Examples
    --------
    >>> margin_levels([1.0, 1.3, 2.2])
    (1.25, 1.5, 2.0)
    >>> margin_levels([1.0, 1.12])
    (1.1,)
    """
    values = np.asarray(margin, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return ()
    largest = float(np.quantile(values, 0.98))
    return tuple(level for level in _LEVELS if 1 + 1.5 * close < level < largest)[-3:]


def margin_text(margin: float) -> str:
    """Write what the second best costs more, such as ``+12 %``; ``2×`` from twice on."""
    return f"+{100 * (margin - 1):.2g} %" if margin < 1.995 else times(margin)


def _axis(field: str, values: Any) -> _Array:
    axis: _Array = np.asarray(number(field, values))
    if axis.ndim != 1 or axis.size < 2 or not (np.diff(axis) > 0).all():
        raise ValueError(f"{field} is not an axis: give two or more strictly increasing values")
    return axis


def _costs(name: str, values: Any, shape: tuple[int, int]) -> _Array:
    """Check one machine's costs; they may be private, so the message holds none."""
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise ValueError(f"costs of {name!r} are not accepted: give numbers of shape {shape}, a row for each y")
    costs: _Array = array.astype(np.float64)
    if not (np.isnan(costs) | (np.isfinite(costs) & (costs > 0))).all():
        raise ValueError(f"costs of {name!r} are not accepted: give numbers above 0, and NaN where it cannot serve")
    return np.where(np.isnan(costs), np.inf, costs)


def _along(axis: Any, scale: str) -> Any:
    return np.log(axis) if scale == "log" else np.asarray(axis)


def _even(axis: _Array, scale: str) -> _Array:
    ends = axis[0], axis[-1]
    return np.geomspace(*ends, _FINE) if scale == "log" else np.linspace(*ends, _FINE)


def _nearest(axis: _Array, scale: str, place: float) -> int:
    return int(np.abs(_along(axis, scale) - _along(place, scale)).argmin())


def _between(values: _Array, samples: _Array, places: _Array, scale: str, *, axis: int) -> _Array:
    """Interpolate along one axis; between a sample that is finite and one that is not, it is not."""
    at, known = _along(places, scale), _along(samples, scale)
    after = np.clip(np.searchsorted(known, at), 1, known.size - 1)
    weight = np.clip((at - known[after - 1]) / (known[after] - known[after - 1]), 0, 1)
    weight = weight.reshape([-1 if dimension == axis else 1 for dimension in range(values.ndim)])
    low, high = np.take(values, after - 1, axis=axis), np.take(values, after, axis=axis)
    with np.errstate(invalid="ignore"):
        mixed = np.where(weight <= 0, low, np.where(weight >= 1, high, (1 - weight) * low + weight * high))
    return np.where(np.isnan(mixed), np.inf, mixed)


def _label_places(
    region: npt.NDArray[np.bool_],
    avoid: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    size: tuple[float, float],
) -> list[tuple[int, int, bool]]:
    """Find where each piece of a region is named: row, column, and whether the name fits there.

    Names stay off points, off what is too close to call if they can, and off lines of equal margin if they can.
    """
    from scipy import ndimage

    covered, unclear, lined = avoid
    pieces, count = ndimage.label(region)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:] / region.size
    found = []
    for piece, area in enumerate(areas, start=1):
        if area < _SMALLEST and area < areas.max():
            continue
        here = pieces == piece
        free = here & ~covered
        for allowed in (free & ~unclear & ~lined, free & ~unclear, free):
            place = _centre(allowed, size)
            if place is not None:
                found.append((*place, True))
                break
        else:
            inside = ndimage.distance_transform_edt(np.pad(here, 1))[1:-1, 1:-1]
            row, column = np.unravel_index(int(inside.argmax()), inside.shape)
            found.append((int(row), int(column), False))
    return found


def _centre(allowed: npt.NDArray[np.bool_], size: tuple[float, float]) -> tuple[int, int] | None:
    """Find the place nearest to the middle of an area around which a box of a size lies in it, if there is one."""
    rows, columns = allowed.shape
    height, width = (max(int(np.ceil(part * places / 2)), 1) for part, places in ((size[1], rows), (size[0], columns)))
    if 2 * height >= rows or 2 * width >= columns:
        return None
    # Of a summed-area table four corners give the number of allowed places in every box.
    table = np.pad(np.cumsum(np.cumsum(allowed, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    inside = table[2 * height :, 2 * width :] - table[: -2 * height, 2 * width :]
    inside = inside - table[2 * height :, : -2 * width] + table[: -2 * height, : -2 * width]
    fit = np.argwhere(inside == 4 * height * width)
    if not fit.size:
        return None
    centres = fit + np.array([height, width])
    middle = np.argwhere(allowed).mean(axis=0)
    row, column = centres[int((((centres - middle) / (rows, columns)) ** 2).sum(axis=1).argmin())]
    return int(row), int(column)
