"""Time value of money: each formula against its defining sum, its special cases, and what it must refuse."""

from __future__ import annotations

import pickle

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tco import finance

RATES = st.floats(0, 0.5)
YEARS = st.integers(1, 40)
OFTEN = st.sampled_from([1, 2, 4, 12, 52])
MONEY = st.floats(1, 1e9)
SHARES = st.floats(0, 1)
CHANGES = st.floats(-0.2, 0.5)


def series(size, low=-1e6, high=1e6):
    return st.lists(st.floats(low, high), min_size=size, max_size=size)


# The calendar


def test_the_calendar_is_one():
    # hand: 365 days of 24 hours; every other constant follows from it.
    assert finance.HOURS_PER_YEAR == 8760
    assert finance.HOURS_PER_MONTH == 730
    assert finance.HOURS_PER_MONTH * finance.MONTHS_PER_YEAR == finance.HOURS_PER_YEAR
    assert finance.SECONDS_PER_YEAR == 31_536_000


# Capital recovery


@given(rate=RATES, years=YEARS, often=OFTEN)
def test_the_payments_discounted_back_are_the_capital(rate, years, often):
    # property: the definition of a level payment, summed one payment at a time.
    paid = finance.payment(capital=1.0, rate=rate, years=years, payments_per_year=often)
    present = np.sum(paid / (1 + rate / often) ** np.arange(1, years * often + 1))
    assert present == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(("n", "often"), [(1, 1), (25, 1), (25, 12)])
def test_capital_recovery_is_continuous_down_to_rate_zero(n, often):
    # sibling: the sum of the discounted payments, which no cancellation troubles; across the change to a series.
    rate = np.concatenate([[0, 5e-324, 1e-300, 1e-16], np.geomspace(1e-12, 1e-3, 400)])
    factor = finance.capital_recovery_factor(rate=rate, years=n, payments_per_year=often)
    discounted = np.exp(-np.log1p(rate / often)[:, None] * np.arange(1, often * n + 1))
    np.testing.assert_allclose(factor, often / discounted.sum(axis=-1), rtol=1e-13)
    assert factor[0] == 1 / n


def test_rate_zero_among_others_is_straight_line():
    # hand: the array that gives NaN in other libraries; 7 % over 25 years from its formula.
    factor = finance.capital_recovery_factor(rate=np.array([0, 0.07]), years=25)
    np.testing.assert_allclose(factor, [1 / 25, 0.07 * 1.07**25 / (1.07**25 - 1)], rtol=1e-14)


@given(rate=st.floats(1e-3, 0.5), years=YEARS)
def test_paying_more_often_costs_less_a_year(rate, years):
    # property: capital is returned sooner, so less interest accrues; daily payments are near the continuous limit.
    often = np.array([1, 2, 4, 12, 365])
    factor = finance.capital_recovery_factor(rate=rate, years=years, payments_per_year=often)
    assert np.all(np.diff(factor) < 0)
    assert factor[-1] == pytest.approx(rate / (1 - np.exp(-rate * years)), rel=1.5e-3)
    assert factor[-1] > rate / (1 - np.exp(-rate * years))


@given(capital=MONEY, rate=RATES, years=YEARS, often=OFTEN)
def test_capital_and_interest_are_the_payments(capital, rate, years, often):
    # sibling: the loan paid off period by period, interest on what is still owed; both lines of the ASIC Clouds model.
    terms = {"capital": capital, "rate": rate, "years": years, "payments_per_year": often}
    owed, interest, paid = capital, 0.0, float(finance.payment(**terms))
    for _ in range(years * often):
        charged = owed * rate / often
        interest += charged
        owed += charged - paid
    assert owed == pytest.approx(0, abs=1e-6 * capital * (1 + rate) ** years)
    assert finance.total_interest(**terms) == pytest.approx(interest, rel=1e-6, abs=1e-9 * capital)
    assert finance.total_interest(**terms) >= 0


@given(capital=MONEY, rate=RATES, years=YEARS, share=SHARES, often=OFTEN)
def test_both_forms_of_capital_recovery_with_residual_agree(capital, rate, years, share, often):
    # sibling: (C − S/(1+r)^n)·CRF, which is not how it is computed.
    sold = share * capital / (1 + rate / often) ** (years * often)
    factor = finance.capital_recovery_factor(rate=rate, years=years, payments_per_year=often)
    cost = finance.annual_cost(capital=capital, rate=rate, years=years, residual_share=share, payments_per_year=often)
    assert cost == pytest.approx((capital - sold) * factor, rel=1e-9, abs=1e-12 * capital)
    assert cost >= 0


@given(capital=MONEY, years=YEARS, share=SHARES)
def test_without_interest_owning_is_straight_line(capital, years, share):
    # hand: what it loses, spread over its life; with interest it costs more.
    line = finance.straight_line(capital=capital, years=years, residual_share=share)
    owned = finance.annual_cost(capital=capital, rate=0, years=years, residual_share=share)
    assert owned == pytest.approx(line, rel=1e-12, abs=1e-15 * capital)
    assert line * years + share * capital == pytest.approx(capital)
    assert finance.annual_cost(capital=capital, rate=0.08, years=years, residual_share=share) > line


def test_what_keeps_its_value_costs_its_interest():
    # hand: bought for 100, sold for 100, financed at 8 %.
    assert finance.annual_cost(capital=100, rate=0.08, years=4, residual_share=1) == pytest.approx(8)


@given(rate=RATES, years=st.floats(0, 5))
def test_interest_during_construction_is_the_mean_over_it(rate, years):
    # sibling: the same integral by Gauss-Legendre, of what grows by (1+r)^(T−t) when it is spent at t.
    nodes, weights = np.polynomial.legendre.leggauss(12)
    grown = np.sum(weights * (1 + rate) ** (years * (nodes + 1) / 2)) / 2
    interest = finance.interest_during_construction(capital=1.0, rate=rate, years=years)
    assert interest == pytest.approx(grown - 1, rel=1e-9, abs=1e-14)


def test_interest_during_construction_near_rate_zero():
    # hand: C·(x/2 + x²/6 + x³/24) with x = T·ln(1+r), through the change to it at x = 1e-4; exactly 0 without interest.
    rate = np.geomspace(1e-12, 1e-3, 400)
    x = 2 * np.log1p(rate)
    interest = finance.interest_during_construction(capital=1.0, rate=rate, years=2)
    np.testing.assert_allclose(interest, x / 2 + x**2 / 6 + x**3 / 24, rtol=2e-9)
    assert finance.interest_during_construction(capital=5.0, rate=[0, 0.08], years=[2, 0]).tolist() == [0, 0]


# Series of flows


@given(rate=st.floats(-0.5, 1), flows=series(6))
def test_present_value_is_the_sum_of_its_discounted_flows(rate, flows):
    # sibling: one flow at a time; rounding is measured by the sum without signs.
    parts = [flow * finance.discount_factor(rate=rate, years=t) for t, flow in enumerate(flows)]
    scale = sum(map(abs, parts))
    assert finance.net_present_value(rate=rate, flows=flows) == pytest.approx(sum(parts), rel=0, abs=1e-13 * scale)


def test_rates_broadcast_against_rows_of_flows():
    # property: the array equals the loop; two rows of four years at three rates.
    flows, rates = np.array([[-9.0, 2, 3, 5], [-4.0, 1, 1, 1]]), np.array([[0.0], [0.05], [0.1]])
    whole = finance.net_present_value(rate=rates, flows=flows)
    loop = [[finance.net_present_value(rate=float(r), flows=row) for row in flows] for r in rates[:, 0]]
    np.testing.assert_allclose(whole, loop, rtol=1e-14)


@given(yearly=MONEY, rate=RATES, years=YEARS, growth=CHANGES)
def test_a_growing_charge_is_the_present_value_of_its_flows(yearly, rate, years, growth):
    # sibling: the flows written out, also where the charge grows as fast as money or faster.
    flows = np.concatenate([[0], yearly * (1 + growth) ** np.arange(years)])
    for g in (growth, rate):
        flows[1:] = yearly * (1 + g) ** np.arange(years)
        expected = finance.net_present_value(rate=rate, flows=flows)
        assert finance.present_value(yearly=yearly, rate=rate, years=years, growth=g) == pytest.approx(expected)


@given(costs=series(5, 0, 1e6), quantities=series(5, 1, 1e6), rate=CHANGES)
def test_at_the_levelised_cost_the_present_value_is_zero(costs, quantities, rate):
    # property: its definition; what is sold at that price just pays for everything.
    price = finance.levelised_cost(costs=costs, quantities=quantities, rate=rate)
    earned = price * np.array(quantities)
    worth = finance.net_present_value(rate=rate, flows=earned - np.array(costs))
    assert worth == pytest.approx(0, abs=1e-12 * finance.net_present_value(rate=rate, flows=earned) + 1e-12)


def test_level_costs_and_tokens_levelise_to_capital_recovery():
    # hand: 100 now and 7 a year for ten years, over 3 units a year, is (100·CRF + 7)/3.
    price = finance.levelised_cost(costs=[100] + [7] * 10, quantities=[0] + [3] * 10, rate=0.08)
    assert price == pytest.approx((finance.annual_cost(capital=100, rate=0.08, years=10) + 7) / 3, rel=1e-13)


@given(
    earned=st.lists(st.just(0.0) | st.floats(1e2, 1e6), min_size=1, max_size=8).filter(any),
    spent=st.floats(1e2, 1e6),
)
def test_a_purchase_that_earns_has_one_rate_of_return(earned, spent):
    # property: plugged back the present value is 0; a higher rate leaves a loss and a lower one a gain.
    flows = np.array([-spent, *earned])
    rate = finance.internal_rate_of_return(flows=flows)
    t = np.arange(len(flows))
    parts = flows * np.exp(-np.log1p(rate) * t)
    assert abs(parts.sum()) <= 1e-9 * np.abs(parts).sum()
    gap = 1e-3 * (1 + rate)
    higher, lower = (np.sum(flows * (1 + rate + step) ** -t) for step in (gap, -gap))
    assert higher < 0 < lower


@given(rate=st.floats(1e-6, 0.3), months=st.sampled_from([12, 120, 600]))
def test_the_rate_of_return_of_a_loan_is_its_rate(rate, months):
    # sibling: `payment`, also over horizons on which a polynomial's roots are hard to find.
    paid = finance.payment(capital=1e6, rate=rate, years=months)
    assert finance.internal_rate_of_return(flows=[1e6] + [-paid] * months) == pytest.approx(rate, rel=1e-6)


def test_rates_of_return_that_do_not_exist_are_nan():
    # hand: only spending; nothing at all; −1 + 2x − 4x² and 5 − 4x + x², with complex roots; both 10 % and 20 %.
    flows = [[-1, -2, -3], [0, 0, 0], [-1, 2, -4], [5, -4, 1], [-100, 230, -132]]
    none = finance.internal_rate_of_return(flows=flows)
    assert np.isnan(none).all()
    assert np.isnan(finance.internal_rate_of_return(flows=[5.0]))


def test_of_several_rates_of_return_the_one_nearest_zero_counts():
    # hand: roots 1/1.25 and 1/0.1 of −(1 − 1.25x)(1 − 0.1x), so 25 % and −90 %: clearing a site does not void the 25 %.
    assert finance.internal_rate_of_return(flows=[-1, 1.35, -0.125]) == pytest.approx(0.25, rel=1e-12)
    # hand: −5 % and −60 %, a loss either way.
    assert finance.internal_rate_of_return(flows=[-1, 1.35, -0.38]) == pytest.approx(-0.05, rel=1e-12)


def test_rates_of_return_of_many_rows_are_those_of_each():
    # property: the array equals the loop, whatever kind the rows are, also with years without flows around them.
    rows = np.array([[0, -5, 6, 0], [-1, 1.35, -0.125, 0], [-1, -1, 0, -1], [-3, 0, 0, 4], [1e-9, -1e9, 0, 0]])
    whole = finance.internal_rate_of_return(flows=rows.reshape(5, 1, 4))
    assert whole.shape == (5, 1)
    np.testing.assert_array_equal(whole[:, 0], [finance.internal_rate_of_return(flows=row) for row in rows])
    np.testing.assert_allclose(whole[[0, 3, 4], 0], [0.2, (4 / 3) ** (1 / 3) - 1, 1e18], rtol=1e-12)


# Rates and prices


@given(real=CHANGES, inflation=CHANGES)
def test_real_and_nominal_rates_are_inverses(real, inflation):
    # property, and Fisher's equation.
    nominal = finance.nominal_rate(real=real, inflation=inflation)
    assert 1 + nominal == pytest.approx((1 + real) * (1 + inflation), rel=1e-14)
    assert finance.real_rate(nominal=nominal, inflation=inflation) == pytest.approx(real, abs=1e-14)


@given(flows=series(6, 0, 1e6), rate=st.floats(0, 0.3), inflation=CHANGES)
def test_real_flows_at_the_real_rate_are_worth_what_nominal_ones_are(flows, rate, inflation):
    # property: inflation is in both the flows and the rate, or in neither.
    inflated = finance.in_prices_of(amount=flows, from_year=2026, to_year=2026 + np.arange(6), inflation=inflation)
    nominal = finance.net_present_value(rate=finance.nominal_rate(real=rate, inflation=inflation), flows=inflated)
    assert nominal == pytest.approx(finance.net_present_value(rate=rate, flows=flows), rel=1e-12)


@given(
    amount=MONEY, scale=st.floats(0.01, 100), inflation=CHANGES, start=st.integers(2000, 2030), step=st.floats(0, 30)
)
def test_price_years_scale_every_amount_alike(amount, scale, inflation, start, step):
    # property: ratios of amounts survive, there and back is the same, and no time is no change.
    def then(value, *years):
        return finance.in_prices_of(amount=value, from_year=years[0], to_year=years[1], inflation=inflation)

    end = start + step
    assert then(scale * amount, start, end) == pytest.approx(scale * then(amount, start, end), rel=1e-12)
    assert then(then(amount, start, end), end, start) == pytest.approx(amount, rel=1e-12)
    assert then(amount, start, start) == amount


@given(scale=st.floats(1e-3, 1e3))
def test_a_change_of_currency_changes_no_rate_and_no_ratio(scale):
    # property: every amount times k makes every result times k; rates of return do not move.
    flows, tokens = np.array([-100.0, 20, 40, 70]), [0, 1, 2, 3]
    terms = {"rate": 0.08, "years": 4}
    for amount in (
        lambda k: finance.payment(capital=k * 7, **terms),
        lambda k: finance.total_interest(capital=k * 7, **terms),
        lambda k: finance.annual_cost(capital=k * 7, residual_share=0.3, **terms),
        lambda k: finance.present_value(yearly=k * 7, growth=0.03, **terms),
        lambda k: finance.net_present_value(rate=0.08, flows=k * flows),
        lambda k: finance.levelised_cost(costs=np.abs(k * flows), quantities=tokens, rate=0.08),
    ):
        assert amount(scale) == pytest.approx(scale * amount(1.0), rel=1e-12)
    assert finance.internal_rate_of_return(flows=scale * flows) == pytest.approx(
        finance.internal_rate_of_return(flows=flows), rel=1e-12
    )


@given(rate=RATES, often=OFTEN)
def test_the_effective_rate_is_interest_on_interest(rate, often):
    # hand: one unit left alone for a year; charged once, it is the quoted rate.
    expected = (1 + rate / often) ** often - 1
    assert finance.effective_rate(rate=rate, payments_per_year=often) == pytest.approx(expected, abs=1e-13)


def test_weighted_cost_of_capital_by_hand():
    # hand: all equity, all debt, and 40/60 with a tax of a fifth: 0.4·12 + 0.6·10·0.8 = 9.6 %.
    rates = finance.weighted_cost_of_capital(
        equity_share=[1, 0, 0.4], cost_of_equity=0.12, cost_of_debt=0.1, tax_rate=[0.2, 0, 0.2]
    )
    np.testing.assert_allclose(rates, [0.12, 0.1, 0.096], rtol=1e-14)


@given(orders=st.floats(0, 3), years=st.floats(0, 10))
def test_both_forms_of_decline_agree(orders, years):
    # sibling: powers of ten against a share lost each year.
    left = finance.value_left(years=years, decline_per_year=finance.yearly_decline(orders_of_magnitude=orders))
    assert left == pytest.approx(10 ** (-orders * years), rel=1e-9)


def test_the_residual_of_a_trend_goes_into_the_cost():
    # hand: a tenth left after a year at one order of magnitude, so nine tenths are paid.
    left = finance.value_left(years=1, decline_per_year=finance.yearly_decline(orders_of_magnitude=1))
    assert finance.annual_cost(capital=100, rate=0, years=1, residual_share=left) == pytest.approx(90)


# Arguments: what kinds are taken, what comes back, what is refused

FORMULAS = [
    (finance.capital_recovery_factor, {"rate": 0.08, "years": 4.0, "payments_per_year": 12.0}),
    (finance.payment, {"capital": 7.0, "rate": 0.08, "years": 4.0}),
    (finance.total_interest, {"capital": 7.0, "rate": 0.08, "years": 4.0}),
    (finance.straight_line, {"capital": 7.0, "years": 4.0, "residual_share": 0.2}),
    (finance.annual_cost, {"capital": 7.0, "rate": 0.08, "years": 4.0, "residual_share": 0.2}),
    (finance.interest_during_construction, {"capital": 7.0, "rate": 0.08, "years": 2.0}),
    (finance.discount_factor, {"rate": 0.08, "years": 4.0}),
    (finance.present_value, {"yearly": 7.0, "rate": 0.08, "years": 4.0, "growth": 0.03}),
    (finance.weighted_cost_of_capital, {"equity_share": 0.4, "cost_of_equity": 0.12, "cost_of_debt": 0.1}),
    (finance.effective_rate, {"rate": 0.08, "payments_per_year": 12.0}),
    (finance.real_rate, {"nominal": 0.08, "inflation": 0.025}),
    (finance.nominal_rate, {"real": 0.08, "inflation": 0.025}),
    (finance.in_prices_of, {"amount": 7.0, "from_year": 2013.0, "to_year": 2026.0, "inflation": 0.05}),
    (finance.value_left, {"years": 4.0, "decline_per_year": 0.27}),
    (finance.yearly_decline, {"orders_of_magnitude": 0.14}),
    (finance.net_present_value, {"rate": 0.08, "flows": [-9.0, 4.0, 8.0]}),
    (finance.levelised_cost, {"costs": [9.0, 4.0], "quantities": [0.0, 3.0], "rate": 0.08}),
]
each_formula = pytest.mark.parametrize(("formula", "case"), FORMULAS, ids=[formula.__name__ for formula, _ in FORMULAS])


def test_every_checked_formula_is_on_the_list():
    # property: a function added to the module is added here too.
    assert {formula.__name__ for formula, _ in FORMULAS} == {
        name for name, member in vars(finance).items() if hasattr(member, "pure")
    }


@each_formula
def test_numbers_give_a_number_and_arrays_an_array(formula, case):
    # sibling: the same line on numbers, NumPy and a strict array library, checked and not.
    single = formula(**case)
    assert isinstance(single, float)
    name, first = next(iter(case.items()))
    many = formula(**case | {name: np.array([first, first])})
    np.testing.assert_allclose(many, [single, single], rtol=1e-14)
    strict = formula(**{key: xp.asarray(value, dtype=xp.float64) for key, value in case.items()})
    assert float(strict) == pytest.approx(single, rel=1e-14)
    assert float(formula.pure(**case)) == pytest.approx(single, rel=1e-14)
    beside = formula(**case | {name: xp.asarray(first, dtype=xp.float64)})
    assert float(beside) == pytest.approx(single, rel=1e-14)


@each_formula
@pytest.mark.parametrize("bad", [np.nan, np.inf, True, "0.08", None, [], [0.1, np.nan]], ids=repr)
def test_no_argument_takes_what_is_no_finite_number(formula, case, bad):
    for name in case:
        with pytest.raises(ValueError, match=f"^{name} "):
            formula(**case | {name: bad})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: finance.capital_recovery_factor(rate=8, years=4), "rate = 8 .* of at least 0 and of at most 1"),
        (lambda: finance.capital_recovery_factor(rate=[0.08, -0.01], years=4), r"rate = -0\.01 "),
        (lambda: finance.capital_recovery_factor(rate=0.08, years=0), "years = 0 .* above 0"),
        (lambda: finance.payment(capital=1, rate=0.08, years=4, payments_per_year=0), "payments_per_year = 0 "),
        (lambda: finance.net_present_value(rate=-1, flows=[1, 2]), "rate = -1 .* above -1"),
        (lambda: finance.net_present_value(rate=0.08, flows=100), "flows is a single number"),
        (lambda: finance.internal_rate_of_return(flows=100), "flows is a single number"),
        (lambda: finance.internal_rate_of_return(flows=[1, np.nan]), "flows is not accepted"),
        (lambda: finance.annual_cost(capital=1, rate=0.08, years=4, residual_share=1.1), r"residual_share = 1\.1 "),
        (lambda: finance.weighted_cost_of_capital(equity_share=40, cost_of_equity=0.1, cost_of_debt=0.1), "equity_sh"),
        (lambda: finance.in_prices_of(amount=1, from_year=0, to_year=3, inflation=0.02), "from_year = 0 "),
        (lambda: finance.levelised_cost(costs=[1, 1], quantities=[0, 0], rate=0.1), "levelised_cost is not finite"),
        (lambda: finance.levelised_cost(costs=[1, 1], quantities=[0, -1], rate=0.1), "quantities is not accepted"),
        (lambda: finance.net_present_value(rate=-0.9999, flows=np.ones(200)), "net_present_value is not finite"),
        (lambda: finance.discount_factor(rate=-0.99, years=999), "discount_factor is not finite for these rate, years"),
    ],
)
def test_what_is_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_amount_is_shown_in_a_message():
    # property: amounts may be private; what is accepted is still said.
    terms = {"rate": 0.08, "years": 4}
    for call in (
        lambda: finance.payment(capital=-31_337.5, **terms),
        lambda: finance.payment(capital=[1, -31_337.5], **terms),
        lambda: finance.annual_cost(capital="31337.5", **terms),
        lambda: finance.present_value(yearly=-31_337.5, **terms),
        lambda: finance.levelised_cost(costs=[1, 2], quantities=[1, -31_337.5], rate=0.1),
        lambda: finance.net_present_value(rate=0.1, flows=[31_337.5, None]),
        lambda: finance.internal_rate_of_return(flows=["31337.5"]),
    ):
        with pytest.raises(ValueError, match="is not accepted: give a finite number") as error:
            call()
        assert "313" not in str(error.value)
        assert error.value.__cause__ is None
        assert error.value.__context__ is None


def test_arguments_are_keywords_and_known():
    with pytest.raises(TypeError, match="positional"):
        finance.payment(100, 0.08, 4)
    with pytest.raises(TypeError, match="year"):
        finance.capital_recovery_factor(rate=0.08, year=4)


def test_the_functions_pickle():
    # hand: work that is spread over processes sends them by name.
    copy = pickle.loads(pickle.dumps(finance.annual_cost))
    assert copy is finance.annual_cost


# JAX: compiled and differentiated. Needs the extra `jax`.


@pytest.fixture
def jax():
    module = pytest.importorskip("jax", reason="needs the extra jax")
    module.config.update("jax_enable_x64", True)
    return module


@each_formula
def test_compiled_formulas_equal_the_numpy_ones(jax, formula, case):
    # sibling: another array library, compiled, where nothing can be checked; and not compiled, where everything is.
    arrays = {name: jax.numpy.asarray(value) for name, value in case.items()}
    compiled = jax.jit(lambda arguments: formula(**arguments))(arrays)
    np.testing.assert_allclose(compiled, formula(**case), rtol=1e-13)
    name, first = next(iter(arrays.items()))
    np.testing.assert_allclose(formula(**case | {name: first}), formula(**case), rtol=1e-13)
    with pytest.raises(ValueError, match=f"^{name} "):
        formula(**case | {name: first * np.nan})


@each_formula
def test_gradients_are_the_differences(jax, formula, case):
    # sibling: central differences of the same formula.
    for name, value in case.items():
        if isinstance(value, list):
            continue
        slope = jax.grad(lambda x, name=name: formula(**case | {name: x}))(value)
        step = 1e-5 * value
        high, low = (formula(**case | {name: value + sign * step}) for sign in (1, -1))
        assert slope == pytest.approx((high - low) / (2 * step), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("often", [1.0, 12.0])
@pytest.mark.parametrize("rate", [0.0, 1e-300, 1e-16, 1e-9, 2e-6])
def test_gradients_survive_rate_zero(jax, rate, often):
    # hand: (mn + 1)/(2mn) to first order for the factor, and T/2 for construction.
    factor = jax.grad(lambda r: finance.capital_recovery_factor(rate=r, years=4.0, payments_per_year=often))
    assert factor(rate) == pytest.approx((often * 4 + 1) / (2 * often * 4), rel=2e-5)
    construction = jax.grad(lambda r: finance.interest_during_construction(capital=1.0, rate=r, years=2.0))
    assert construction(rate) == pytest.approx(1.0, rel=2e-5)
