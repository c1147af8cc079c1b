"""The TCO surface: Kim Eq. 4 over a grid of throughput and server cost ratios (Kim Figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline._validation import number
from tco.ratio import tco_ratio

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Surface:
    """TCO ratio of A over B on a grid; below 1, A is cheaper.

    Attributes
    ----------
    r_th, r_sc : ndarray
        Axes, strictly increasing, shapes ``(m,)`` and ``(n,)``: throughput ratio and server cost ratio A/B.
    r_ic, server_share : float
        Infrastructure cost ratio A/B, and the server's share of B's cost, the same in every cell.
    ratio : ndarray
        Shape ``(m, n)``: row by throughput, column by server cost.
    """

    r_th: npt.NDArray[np.float64]
    r_sc: npt.NDArray[np.float64]
    r_ic: float
    server_share: float
    ratio: npt.NDArray[np.float64]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.ratio, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return (
            f"Surface(R_Th {self.r_th[0]:g} to {self.r_th[-1]:g} × R_SC {self.r_sc[0]:g} to {self.r_sc[-1]:g}, "
            f"shape {self.ratio.shape}, R_IC = {self.r_ic:g}, server share = {self.server_share:g})"
        )

    def _repr_html_(self) -> str:
        return (
            f"<p>{self!r}: TCO of A over TCO of B, below 1 A is cheaper; {self.ratio.min():.3g} to "
            f"{self.ratio.max():.3g}</p>"
        )

    def to_xarray(self) -> xr.DataArray:
        """Return the surface as an xarray DataArray with its axes; needs the extra ``sweep``.

        Raises
        ------
        ModuleNotFoundError
            xarray is not installed: ``pip install inference-tco[sweep]``.
        """
        try:
            import xarray as xr
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("to_xarray needs xarray: pip install 'inference-tco[sweep]'") from missing
        return xr.DataArray(
            self.ratio,
            dims=("r_th", "r_sc"),
            coords={"r_th": self.r_th, "r_sc": self.r_sc},
            name="tco_ratio",
            attrs={"r_ic": self.r_ic, "server_share": self.server_share, "long_name": "TCO of A / TCO of B"},
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the surface as a pandas DataFrame, throughput down and server cost across; needs the extra ``pandas``.

        Raises
        ------
        ModuleNotFoundError
            pandas is not installed: ``pip install inference-tco[pandas]``.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("to_pandas needs pandas: pip install 'inference-tco[pandas]'") from missing
        return pd.DataFrame(
            self.ratio, index=pd.Index(self.r_th, name="r_th"), columns=pd.Index(self.r_sc, name="r_sc")
        )


def surface(*, r_th: Any, r_sc: Any, r_ic: Any = 1.0, server_share: Any = 0.5) -> Surface:
    """TCO ratio over a grid of throughput ratios and server cost ratios (Kim Eq. 4; Figure 1 with the defaults).

    Parameters
    ----------
    r_th, r_sc : array-like
        Axes, one-dimensional, strictly increasing; throughput above 0, server cost at least 0.
    r_ic, server_share : float
        Infrastructure cost ratio, at least 0, and B's server share, 0 to 1. A sweep over these too is
        ``tco.tco_ratio`` on broadcast arrays.

    Returns
    -------
    Surface

    Raises
    ------
    ValueError
        An axis that is not as above, or a parameter that is not one number in range.

    Examples
    --------
    >>> s = surface(r_th=[0.5, 1.0], r_sc=[0.0, 0.5, 1.0])
    >>> np.asarray(s)
    array([[1.  , 1.5 , 2.  ],
           [0.5 , 0.75, 1.  ]])
    """
    rows = _axis("r_th", r_th, above=0)
    columns = _axis("r_sc", r_sc, at_least=0)
    infrastructure = _parameter("r_ic", r_ic)
    share = _parameter("server_share", server_share, at_most=1)
    # Eq. 4 is an outer product of a cost per column and 1/R_Th per row. Its extreme cells are the axes' ends, so two
    # numbers prove all of them finite; the 10⁸ cells are written once and never read back.
    cost = tco_ratio(r_th=1.0, r_sc=columns, r_ic=infrastructure, server_share=share)
    if max(cost[-1], 1.0) / np.finfo(np.float64).max > rows[0]:
        raise ValueError(f"r_th starts at {rows[0]:g}, where the TCO ratio overflows: give an axis further from 0")
    ratio = np.multiply.outer(1 / rows, cost)
    ratio.flags.writeable = False
    return Surface(rows, columns, infrastructure, share, ratio)


def _axis(
    field: str, values: Any, *, above: float | None = None, at_least: float | None = None
) -> npt.NDArray[np.float64]:
    axis: npt.NDArray[np.float64] = np.asarray(number(field, values, above=above, at_least=at_least))
    if axis.ndim != 1:
        raise ValueError(f"{field} has shape {axis.shape}: give a one-dimensional axis")
    if not (np.diff(axis) > 0).all():
        raise ValueError(f"{field} is not an axis: give strictly increasing values")
    axis = axis.copy()
    axis.flags.writeable = False
    return axis


def _parameter(field: str, value: Any, at_most: float | None = None) -> float:
    checked = number(field, value, at_least=0, at_most=at_most)
    if np.shape(checked) != ():
        raise ValueError(f"{field} = {value!r} is not accepted: give one number (tco.tco_ratio broadcasts arrays)")
    return float(checked)
