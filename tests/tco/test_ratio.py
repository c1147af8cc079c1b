"""Kim Eq. 1-4, their inverses and sensitivities: they must agree with each other."""

from __future__ import annotations

import inspect
import math

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tco
from tco import ratio

positive = st.floats(0.01, 100)
share = st.floats(0.01, 0.99)


def exact(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12)


def test_worked_case_of_the_research_note():
    # published: facts/tco.md section 4, f = .7, R_Th = .8, R_SC = .5, R_IC = .75.
    case = {"r_ic": 0.75, "server_share": 0.7}
    assert tco.tco_ratio(r_th=0.8, r_sc=0.5, **case) == exact(0.71875)
    assert tco.break_even_throughput(r_sc=0.5, **case) == exact(0.575)
    assert round(float(tco.break_even_server_cost(r_th=0.8, **case)), 6) == 0.821429
    assert tco.break_even_infrastructure_cost(r_th=0.8, r_sc=0.5, server_share=0.7) == exact(1.5)
    elasticities = tco.elasticities(r_sc=0.5, **case)
    assert (round(float(elasticities.r_sc), 3), round(float(elasticities.r_ic), 3)) == (0.609, 0.391)


@given(r_th=positive, r_sc=positive)
def test_kim_figure_1_is_the_default(r_th, r_sc):
    # published: Kim Figure 1's caption sets C_Sv,B = C_If,B = C_If,A, hence (R_SC + 1)/(2·R_Th).
    assert tco.tco_ratio(r_th=r_th, r_sc=r_sc) == exact((r_sc + 1) / (2 * r_th))


@given(n=st.floats(1, 1e6), r_th=positive, r_sc=positive, r_ic=positive, sv=positive, inf=positive)
def test_eq4_as_printed(n, r_th, r_sc, r_ic, sv, inf):
    # sibling: Eq. 4 term by term, with N servers of B and N/R_Th of A (the text prints R_Th/N: see the errata).
    nodes = n / r_th
    printed = (sv * r_sc * nodes + inf * r_ic * nodes) / (sv * n + inf * n)
    ours = tco.tco_ratio(
        r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=tco.server_share(server_cost=sv, infrastructure_cost=inf)
    )
    assert ours == exact(printed)


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share, target=st.floats(0.1, 10))
def test_every_inverse_plugged_back_gives_the_target(r_th, r_sc, r_ic, w, target):
    # property.
    at = tco.break_even_throughput(r_sc=r_sc, r_ic=r_ic, server_share=w, target=target)
    assert tco.tco_ratio(r_th=at, r_sc=r_sc, r_ic=r_ic, server_share=w) == exact(target)
    at = tco.break_even_server_cost(r_th=r_th, r_ic=r_ic, server_share=w, target=target)
    if not math.isnan(at):
        assert tco.tco_ratio(r_th=r_th, r_sc=at, r_ic=r_ic, server_share=w) == exact(target)
    at = tco.break_even_infrastructure_cost(r_th=r_th, r_sc=r_sc, server_share=w, target=target)
    if not math.isnan(at):
        assert tco.tco_ratio(r_th=r_th, r_sc=r_sc, r_ic=at, server_share=w) == exact(target)


@given(r_th=positive, r_ic=positive, w=share)
def test_not_even_free_is_where_no_server_cost_breaks_even(r_th, r_ic, w):
    # property: both say the same, and then even R_SC = 0 leaves A at or above B.
    hopeless = tco.not_even_free(r_th=r_th, r_ic=r_ic, server_share=w)
    assert hopeless == math.isnan(tco.break_even_server_cost(r_th=r_th, r_ic=r_ic, server_share=w))
    assert (
        hopeless == (tco.tco_ratio(r_th=r_th, r_sc=0.0, r_ic=r_ic, server_share=w) >= 1 - 1e-15)
        or abs((1 - w) * r_ic - r_th) < 1e-12
    )


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share, chips=st.floats(0.05, 1))
def test_largest_useful_discount_draws_level(r_th, r_sc, r_ic, w, chips):
    # property: at the discount the ratio is 1; it is 0 exactly when A is not dearer; NaN when free chips are not
    # enough.
    discount = tco.largest_useful_discount(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=w, chip_share=chips)
    now = tco.tco_ratio(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=w)
    assume(abs(now - 1) > 1e-9)
    if now < 1:
        assert discount == 0
        return
    free_chips = tco.tco_ratio(r_th=r_th, r_sc=r_sc * (1 - chips), r_ic=r_ic, server_share=w)
    assume(abs(free_chips - 1) > 1e-9)
    if free_chips > 1:
        assert math.isnan(discount)
    else:
        discounted = tco.tco_ratio(r_th=r_th, r_sc=r_sc * (1 - chips * discount), r_ic=r_ic, server_share=w)
        assert discounted == pytest.approx(1, rel=1e-9)


def test_free_chips_do_not_make_a_free_server():
    # hand: with 60 % of the server in chips, a discount of 100 % leaves R_SC = 0.4 (errata, Kim II-B).
    assert math.isnan(tco.largest_useful_discount(r_th=0.65, r_sc=1.0, chip_share=0.6))
    assert tco.largest_useful_discount(r_th=0.85, r_sc=1.0, chip_share=0.6) == exact(0.15 / (0.5 * 0.6))


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share)
def test_swapping_a_and_b_inverts_the_ratio(r_th, r_sc, r_ic, w):
    # property: ratio(A,B)·ratio(B,A) = 1, with w taken of the other side.
    of_a = w * r_sc / (w * r_sc + (1 - w) * r_ic)
    there = tco.tco_ratio(r_th=r_th, r_sc=r_sc, r_ic=r_ic, server_share=w)
    back = tco.tco_ratio(r_th=1 / r_th, r_sc=1 / r_sc, r_ic=1 / r_ic, server_share=of_a)
    assert there * back == exact(1)


@given(k=positive, w=st.floats(0, 1))
def test_identities(k, w):
    # published: facts/tco.md 1.1: all ones give 1; R_Th = k gives 1/k; w = 1 and w = 0 leave one cost.
    assert tco.tco_ratio(r_th=1, r_sc=1, r_ic=1, server_share=w) == exact(1)
    assert tco.tco_ratio(r_th=k, r_sc=1, r_ic=1, server_share=w) == exact(1 / k)
    assert tco.tco_ratio(r_th=2, r_sc=k, r_ic=5, server_share=1) == exact(k / 2)
    assert tco.tco_ratio(r_th=2, r_sc=5, r_ic=k, server_share=0) == exact(k / 2)


@given(r_th=positive, r_sc=positive, r_ic=positive, w=share)
def test_elasticities_are_the_logarithmic_derivatives(r_th, r_sc, r_ic, w):
    # sibling: central differences of ln(ratio).
    case = {"r_th": r_th, "r_sc": r_sc, "r_ic": r_ic}
    analytic = tco.elasticities(r_sc=r_sc, r_ic=r_ic, server_share=w)
    for name in case:
        up, down = (
            tco.tco_ratio(**(case | {name: case[name] * math.exp(step)}), server_share=w) for step in (1e-5, -1e-5)
        )
        assert (math.log(up) - math.log(down)) / 2e-5 == pytest.approx(getattr(analytic, name), abs=1e-8)


PURE = [
    getattr(ratio, name)
    for name in (
        "tco_ratio",
        "break_even_throughput",
        "break_even_server_cost",
        "break_even_infrastructure_cost",
        "not_even_free",
        "largest_useful_discount",
        "elasticities",
        "server_share",
    )
]


@pytest.mark.parametrize("function", PURE, ids=lambda function: function.__name__)
def test_pure_functions_need_nothing_beyond_the_array_api(function):
    # property: the strictest implementation of the standard and a loop over elements both agree with NumPy.
    columns = {
        name: np.array([0.2, 0.5, 0.9, 1.0]) * (1 if "share" in name else 1.3)
        for name in inspect.signature(function).parameters
    }
    expected = np.asarray(function(**columns))
    strict = function(**{name: xp.asarray(column) for name, column in columns.items()})
    strict = [np.asarray(part) for part in strict] if isinstance(strict, tuple) else np.asarray(strict)
    np.testing.assert_allclose(strict, expected, rtol=1e-14)
    looped = [np.asarray(function(**{n: float(c[i]) for n, c in columns.items()})) for i in range(4)]
    np.testing.assert_allclose(np.moveaxis(np.asarray(looped), 0, -1), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (tco.tco_ratio, {"r_th": 0, "r_sc": 1}, "r_th = 0 is not accepted: give a finite number of at least 1e-100"),
        (tco.tco_ratio, {"r_th": -1, "r_sc": 1}, "r_th = -1 is not accepted"),
        (tco.tco_ratio, {"r_th": math.nan, "r_sc": 1}, "r_th = nan is not accepted"),
        (tco.tco_ratio, {"r_th": math.inf, "r_sc": 1}, "r_th = inf is not accepted"),
        (tco.tco_ratio, {"r_th": True, "r_sc": 1}, "r_th = True is not accepted"),
        (tco.tco_ratio, {"r_th": "0.8", "r_sc": 1}, "r_th = '0.8' is not accepted"),
        (tco.tco_ratio, {"r_th": 1, "r_sc": -0.1}, "r_sc = -0.1 is not accepted: give a finite number of at least 0"),
        (
            tco.tco_ratio,
            {"r_th": 1, "r_sc": 1, "server_share": 1.1},
            "server_share = 1.1 is not accepted: .* at most 1",
        ),
        (tco.elasticities, {"r_sc": 0, "r_ic": 0}, "leave A without any cost"),
        (tco.server_share, {"server_cost": 0, "infrastructure_cost": 0}, "both 0"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


def test_validated_twins_exist_for_every_pure_function():
    # property: same name, same parameters, same defaults.
    for function in PURE:
        twin = getattr(tco, function.__name__)
        assert list(inspect.signature(twin).parameters) == list(inspect.signature(function).parameters)
        assert [p.default for p in inspect.signature(twin).parameters.values()] == [
            p.default for p in inspect.signature(function).parameters.values()
        ]
