"""The TCO surface as data."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tco

axis = st.lists(st.floats(0.01, 100), min_size=1, max_size=6, unique=True).map(sorted)


@given(r_th=axis, r_sc=axis, r_ic=st.floats(0, 10), w=st.floats(0, 1))
def test_every_cell_is_eq4(r_th, r_sc, r_ic, w):
    # sibling: the outer product against the formula on a broadcast grid.
    s = tco.surface(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=w)
    expected = tco.tco_ratio(r_th=np.array(r_th)[:, None], r_sc=np.array(r_sc), r_ic=r_ic, server_share=w)
    np.testing.assert_allclose(np.asarray(s), expected, rtol=1e-14)
    assert s.ratio.shape == (len(r_th), len(r_sc))


def test_to_xarray_and_to_pandas_keep_the_axes():
    s = tco.surface(r_th=[0.5, 1.0], r_sc=[0.0, 0.5, 1.0], r_ic=0.75, server_share=0.7)
    array, frame = s.to_xarray(), s.to_pandas()
    assert array.dims == ("r_th", "r_sc")
    assert array.sel(r_th=1.0, r_sc=0.5).item() == frame.loc[1.0, 0.5] == s.ratio[1, 1]
    assert array.attrs["server_share"] == 0.7


def test_a_surface_can_be_pickled_and_its_axes_not_changed():
    s = tco.surface(r_th=[0.5, 1.0], r_sc=[0.5])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(s)).ratio, s.ratio)
    with pytest.raises(ValueError, match="read-only"):
        s.r_th[0] = 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r_th": [0.0, 1.0]}, "r_th = 0 is not accepted"),
        ({"r_th": [1.0, 0.5]}, "r_th is not an axis: give strictly increasing values"),
        ({"r_th": 1.0}, r"r_th has shape \(\): give a one-dimensional axis"),
        ({"r_sc": [-1.0, 1.0]}, "r_sc = -1 is not accepted"),
        ({"r_sc": []}, "r_sc is empty"),
        ({"r_ic": [1.0, 2.0]}, "r_ic = .* give one number"),
        ({"server_share": 2}, "server_share = 2 is not accepted"),
        ({"r_th": [1e-310, 1.0]}, "overflows"),
    ],
)
def test_bad_axes(arguments, message):
    with pytest.raises(ValueError, match=message):
        tco.surface(**({"r_th": [0.5, 1.0], "r_sc": [0.5, 1.0]} | arguments))
