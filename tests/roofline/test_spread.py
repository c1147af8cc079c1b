"""How far a throughput may be off: intervals, fits and ratios against simulation and closed forms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from roofline.spread import Interval, Spread, check_level, interval_of, ratio_logs

SPREADS = (Spread(0.05, 3), Spread(0.1, 8), Spread(0.02), Spread(0.3, 2.1))
DRAWS = 200_000


def drawn(spread, seed, size=DRAWS):
    """Logarithms of true over stated, from SciPy's own generators."""
    rng = np.random.default_rng(seed)
    of = stats.norm if np.isinf(spread.freedom) else stats.t(spread.freedom)
    return spread.scale * of.rvs(size=size, random_state=rng)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_an_interval_holds_its_share_of_cases(spread, level):
    # sibling: simulation; four standard deviations of the share that is counted.
    low, high, said = spread.interval(1000.0, level)
    within = np.mean((drawn(spread, 1) >= np.log(low / 1000)) & (drawn(spread, 1) <= np.log(high / 1000)))
    assert said == level
    assert within == pytest.approx(level, abs=4 * (level * (1 - level) / DRAWS) ** 0.5)


def test_quantiles_are_those_of_the_tables():
    # published: Student's t with 4 degrees of freedom, 2.132 at 95 %; the normal distribution, 1.645 and 2.576.
    assert Spread(1.0, 4).quantile(0.95) == pytest.approx(2.132, abs=5e-4)
    assert Spread(1.0).quantile(0.95) == pytest.approx(1.645, abs=5e-4)
    assert Spread(0.1).interval(1.0, 0.99).high == pytest.approx(np.exp(0.2576), rel=1e-4)


@given(st.floats(1e-4, 0.5), st.floats(2, 50), st.floats(1e-6, 1e12), st.floats(0.01, 0.99))
def test_intervals_scale_and_invert(scale, freedom, value, level):
    # property: bounds in proportion to the value, a time and its rate with inverse bounds, wider at a higher level.
    spread = Spread(scale, freedom)
    low, high, _ = spread.interval(value, level)
    assert low * high == pytest.approx(value**2, rel=1e-9)
    assert spread.interval(10 * value, level).high == pytest.approx(10 * high, rel=1e-12)
    inverse = spread.interval(1 / value, level)
    assert (1 / inverse.high, 1 / inverse.low) == pytest.approx((low, high), rel=1e-9)
    assert spread.interval(value, level + 0.009).high > high
    assert Spread(2 * scale, freedom).interval(value, level).high > high


def test_an_interval_of_an_array_is_that_of_each():
    # property
    values = np.array([[1.0, 10.0], [100.0, 1000.0]])
    found = Spread(0.05, 4).interval(values, 0.8)
    assert found.low.shape == found.high.shape == (2, 2)
    assert found.high[1, 0] == Spread(0.05, 4).interval(100.0, 0.8).high


def test_certainty_has_no_width():
    # hand
    assert Spread(0.0).interval(5.0, 0.9) == Interval(5.0, 5.0, 0.9)
    assert ratio_logs(Spread(0.0), Spread(0.0, 3)).tolist() == [0.0]


@pytest.mark.parametrize("spread", [Spread(0.05, 3), Spread(0.1, 8), Spread(0.02, 20)])
def test_a_fit_recovers_what_errors_were_drawn_from(spread):
    # sibling: SciPy's draws; 20,000 errors settle the scale within 3 % and 3 or 8 degrees of freedom within 15 %.
    found = Spread.fit(drawn(spread, 7, 20_000))
    assert found.scale == pytest.approx(spread.scale, rel=0.03)
    assert found.freedom == pytest.approx(spread.freedom, rel=0.15 if spread.freedom < 20 else 0.5)


def test_a_fit_is_the_likeliest():
    # sibling: SciPy's density; no other scale or freedom around makes the errors likelier.
    errors = drawn(Spread(0.07, 5), 3, 300)
    found = Spread.fit(errors)

    def likelihood(scale, freedom):
        return stats.t.logpdf(errors, freedom, scale=scale).sum()

    best = likelihood(found.scale, found.freedom)
    for scale, freedom in ((1.02, 1), (0.98, 1), (1, 1.1), (1, 0.9), (1.02, 1.1), (0.98, 0.9)):
        assert likelihood(found.scale * scale, found.freedom * freedom) <= best + 1e-6


def test_a_fit_of_few_or_alike_errors():
    # hand: the likeliest scale of errors of one size is that size, and of none it is as small as may be.
    assert Spread.fit([0.1, -0.1, 0.1, -0.1]).scale == pytest.approx(0.1, rel=0.05)
    assert Spread.fit([0.0, 0.0, 0.0], least=0.01).scale == 0.01
    assert Spread.fit(np.zeros(5)).scale < 1e-6
    wild = Spread.fit([0.01, -0.01, 0.02, -0.02, 0.01, -0.015, 3.0])  # one wrong run makes the tails, not the scale
    assert wild.scale < 0.05
    assert 2.1 <= wild.freedom < 3
    with pytest.raises(ValueError, match="logs hold 1 errors: a spread needs at least two"):
        Spread.fit([0.1])
    with pytest.raises(ValueError, match="logs"):
        Spread.fit([0.1, np.nan])


@pytest.mark.parametrize("above", SPREADS[:3])
@pytest.mark.parametrize("below", SPREADS[:3])
def test_errors_of_a_ratio_against_monte_carlo(above, below):
    # sibling: quantiles of 200,000 simulated ratios, to two percent of the width.
    simulated = drawn(above, 11) - drawn(below, 12)
    logs = ratio_logs(above, below)
    width = np.subtract(*np.quantile(simulated, [0.95, 0.05]))
    assert np.all(np.diff(logs) >= 0)
    for share in (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975):
        assert np.quantile(logs, share) == pytest.approx(np.quantile(simulated, share), abs=0.02 * width)


@given(st.floats(0.001, 0.5), st.floats(0.001, 0.5))
@settings(deadline=None, max_examples=20)
def test_errors_of_a_ratio_of_normal_spreads_add_in_squares(first, second):
    # published: the difference of two normal variables is normal, with the sum of the variances.
    logs = ratio_logs(Spread(first), Spread(second))
    together = (first**2 + second**2) ** 0.5
    for share in (0.05, 0.5, 0.8, 0.95):
        assert np.quantile(logs, share) == pytest.approx(together * stats.norm.ppf(share), abs=0.01 * together)
    np.testing.assert_allclose(logs, -ratio_logs(Spread(second), Spread(first))[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spread(-0.1), "scale = -0.1 is not accepted: give a finite number of at least 0"),
        (lambda: Spread(float("nan")), "scale"),
        (lambda: Spread(float("inf")), "scale"),
        (lambda: Spread("wide"), "scale"),
        (lambda: Spread(0.1, 0), "freedom = 0 is not accepted: give a finite number above 0"),
        (lambda: Spread(0.1, float("nan")), "freedom"),
        (lambda: Spread(0.1).quantile(0.0), "share"),
        (lambda: Spread(0.1).quantile(1.0), "share"),
        (lambda: check_level(0), "level = 0 is not accepted"),
        (lambda: check_level(1), "level = 1 is not accepted: give one number above 0 and below 1, such as 0.9"),
        (lambda: check_level(90), "level"),
        (lambda: check_level([0.5, 0.9]), "level"),
        (lambda: check_level("0.9"), "level"),
    ],
)
def test_what_is_no_spread_or_level_is_refused(make, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make()


def test_estimates_without_a_spread_have_no_interval():
    # hand
    class Ideal:
        kind, spread, tokens_per_s = "ideal roofline", None, 10.0

    class Calibrated:
        kind, spread, tokens_per_s = "calibrated roofline", Spread(0.1), 10.0

    with pytest.raises(ValueError, match=r"an ideal roofline has no interval, .*: give calibration="):
        interval_of(Ideal(), 0.9, "tokens_per_s", ("tokens_per_s",))
    with pytest.raises(ValueError, match="of = 'speed' is not accepted: give one of 'tokens_per_s'"):
        interval_of(Calibrated(), 0.9, "speed", ("tokens_per_s",))
    assert interval_of(Calibrated(), 0.9, "tokens_per_s", ("tokens_per_s",)) == Spread(0.1).interval(10.0, 0.9)


def test_spreads_pickle_and_compare():
    # property
    assert pickle.loads(pickle.dumps(Spread(0.05, 4))) == Spread(0.05, 4.0) != Spread(0.05)
