"""Cost of input, output and cached tokens: every rule shares the same total out."""

from __future__ import annotations

import pickle

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tco import allocation
from tco.allocation import METHODS, PHASE_METHODS, allocate

# DeepSeek's day (deepseek-ai/open-infra-index, day 6): 226.75 nodes of 8 GPUs at 2 USD/h; 608 billion input tokens, of
# which 342 billion from the cache, and 168 billion output tokens; 73.7 and 14.8 thousand tokens/s a node.
NODE_USD_PER_DAY = 8 * 2.0 * 24
DAY = {"usd": 226.75 * NODE_USD_PER_DAY, "input_tokens": 608e9, "output_tokens": 168e9}
PREFILL, DECODE = 608e9 / 73.7e3 / 86_400, 168e9 / 14.8e3 / 86_400

tokens = st.floats(1, 1e15)
weight = st.floats(1e-3, 1e3)


def spent(prices, day):
    return prices.cost(**{name: value for name, value in day.items() if name != "usd"})


def test_deepseeks_day_by_gkes_weights():
    # published: facts/tco.md T5, GKE's default k = 4 on the totals of the day: 0.2721 out, 0.0680 in, of 87,072 USD.
    prices = allocate(**DAY)
    assert DAY["usd"] == 87_072
    assert round(float(prices.usd_per_million_output), 4) == 0.2721
    assert round(float(prices.usd_per_million_input), 4) == 0.0680
    assert spent(prices, DAY) == pytest.approx(87_072, rel=1e-12)


def test_deepseeks_day_by_the_servers_of_each_phase():
    # published: facts/tco.md T5, 0.0603 in and 0.3003 out, a node's 16 USD/h over its rate in each phase. Those rates
    # need 226.86 nodes where 226.75 were paid for, so the figures cost 0.05 % more than the day did.
    nodes = {"method": "servers", "prefill": PREFILL, "decode": DECODE}
    by_the_rates = allocate(**DAY | {"usd": (PREFILL + DECODE) * NODE_USD_PER_DAY}, **nodes)
    assert round(float(by_the_rates.usd_per_million_input), 4) == 0.0603
    assert round(float(by_the_rates.usd_per_million_output), 4) == 0.3003
    # hand: 16 USD/h over 14.8 thousand tokens/s.
    assert by_the_rates.usd_per_million_output == pytest.approx(16 / 3600 / 14.8e3 * 1e6, rel=1e-12)
    paid = allocate(**DAY, **nodes)
    assert spent(paid, DAY) == pytest.approx(87_072, rel=1e-12)
    assert paid.usd_per_million_input == pytest.approx(0.0603, rel=1e-3)
    assert paid.usd_per_million_output == pytest.approx(0.3003, rel=1e-3)


def test_gkes_formula_as_documented():
    # sibling: out = cost per second / (input per second / k + output per second), in = out / k.
    prices = allocate(usd=11.0, input_tokens=3e6, output_tokens=2e6, output_weight=5)
    out = 11.0 / (3e6 / 5 + 2e6) * 1e6
    assert prices.usd_per_million_output == pytest.approx(out, rel=1e-12)
    assert prices.usd_per_million_input == pytest.approx(out / 5, rel=1e-12)


def test_all_on_the_output():
    # hand: 100 USD over 4 million tokens; input free by declaration.
    prices = allocate(usd=100.0, input_tokens=1e9, output_tokens=4e6, cached_tokens=1e9, method="output")
    assert prices.usd_per_million_output == 25
    assert prices.usd_per_million_input == 0
    assert prices.usd_per_million_cached == 0


@pytest.mark.parametrize("method", METHODS)
@given(
    usd=st.floats(0, 1e12),
    read=tokens,
    written=tokens,
    cached=st.floats(0, 1e15),
    k=weight,
    c=weight,
    p=weight,
    d=weight,
)
def test_cost_is_conserved_by_every_rule(method, usd, read, written, cached, k, c, p, d):
    # property: prices times tokens are the total, to 1e-12.
    rule = {"weights": {"output_weight": k, "cached_weight": c}, "output": {}}
    phase = {"prefill": p, "decode": d, "cached_weight": c}
    counts = {"input_tokens": read, "output_tokens": written, "cached_tokens": cached}
    prices = allocate(usd=usd, **counts, method=method, **rule.get(method, phase))
    assert prices.cost(**counts) == pytest.approx(usd, rel=1e-12)
    # property: the blended price knows no rule.
    assert prices.usd_per_million_blended * (read + written + cached) / 1e6 == pytest.approx(usd, rel=1e-12)


@given(read=tokens, written=tokens, p=weight, d=weight)
def test_phases_by_what_they_use_are_weights_of_the_use_per_token(read, written, p, d):
    # sibling: prefill p over its tokens and decode d over its own are the weights of by_weights.
    counts = {"usd": 1e6, "input_tokens": read, "output_tokens": written}
    by_phase = allocate(**counts, method="energy", prefill=p, decode=d)
    weights = allocation.by_weights(**counts, output_weight=(d / written) / (p / read))
    assert by_phase.usd_per_million_input == pytest.approx(weights.input, rel=1e-9)
    assert by_phase.usd_per_million_output == pytest.approx(weights.output, rel=1e-9)


@given(unit=weight)
def test_units_of_the_phases_and_of_money_do_not_matter(unit):
    # property: joules or kilowatt-hours split alike, and prices follow the currency.
    first = allocate(**DAY, method="energy", prefill=2.0, decode=3.0)
    second = allocate(**DAY | {"usd": unit * DAY["usd"]}, method="energy", prefill=2.0 * unit, decode=3.0 * unit)
    assert second.usd_per_million_output == pytest.approx(unit * first.usd_per_million_output, rel=1e-12)


def test_the_array_equals_the_loop():
    # property.
    usd, written = np.array([[1.0], [2.0]]), np.array([1e6, 2e6, 3e6])
    whole = allocate(usd=usd, input_tokens=4e6, output_tokens=written)
    one_by_one = [
        [allocate(usd=u, input_tokens=4e6, output_tokens=w).usd_per_million_output for w in written] for u in usd[:, 0]
    ]
    assert np.array_equal(whole.usd_per_million_output, one_by_one)
    assert whole.cost(input_tokens=4e6, output_tokens=written) == pytest.approx(np.broadcast_to(usd, (2, 3)), rel=1e-12)


def test_the_formulas_use_the_array_api_alone():
    # property: array_api_strict has nothing else.
    written = xp.asarray([1e6, 2e6])
    strict = allocation.by_weights(usd=10.0, input_tokens=4e6, output_tokens=written)
    assert np.allclose(
        np.asarray(strict.output),
        allocation.by_weights(usd=10.0, input_tokens=4e6, output_tokens=np.array([1e6, 2e6])).output,
        rtol=1e-15,
    )
    assert isinstance(
        allocate(usd=xp.asarray(5.0), input_tokens=4e6, output_tokens=written).usd_per_million_input, type(written)
    )
    strict = allocation.by_phase(usd=10.0, input_tokens=4e6, output_tokens=written, prefill=1.0, decode=3.0)
    assert np.allclose(np.asarray(strict.output), [7.5, 3.75])  # hand: three quarters of 10 USD


def test_dollars_are_not_shown_and_results_pickle():
    # property: a private total appears neither in repr nor in an error; ratios may.
    prices = allocate(usd=7_654_321.0, input_tokens=2e6, output_tokens=1e6, cached_tokens=1e6, cached_weight=0.25)
    assert repr(prices) == "TokenPrices(method='weights', output costs 4 × input, cached 0.25 ×)"
    assert (
        repr(allocate(usd=[1.0, 2.0], input_tokens=1, output_tokens=1)) == "TokenPrices(method='weights', shape (2,))"
    )
    assert "output costs" not in repr(allocate(usd=5.0, input_tokens=1, output_tokens=1, method="output"))
    copy = pickle.loads(pickle.dumps(prices))
    assert copy.usd_per_million_input == prices.usd_per_million_input
    with pytest.raises(ValueError, match="usd is not accepted") as refused:
        allocate(usd=-7_654_321.0, input_tokens=1, output_tokens=1)
    assert "7" not in str(refused.value)


def test_a_cached_token_is_never_free_unless_declared():
    # property: unknown is not zero, neither when prices are made nor when they are used.
    with pytest.raises(ValueError, match="cached_weight is needed"):
        allocate(**DAY, cached_tokens=1.0)
    prices = allocate(**DAY)
    assert prices.usd_per_million_cached is None
    with pytest.raises(ValueError, match="cached_weight is needed"):
        prices.cost(input_tokens=1, output_tokens=1, cached_tokens=1)
    declared = allocate(**DAY, cached_tokens=1e9, cached_weight=0)
    assert declared.cost(input_tokens=0, output_tokens=0, cached_tokens=1e6) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "fair"}, "method = 'fair' is not accepted"),
        ({"input_tokens": -1}, "input_tokens"),
        ({"input_tokens": 0, "output_tokens": 0}, "no token bears the cost"),
        ({"method": "output", "output_tokens": 0}, "no output token bears the cost, which"),
        ({"method": "output", "output_weight": 4}, "output_weight says nothing to method 'output'"),
        ({"method": "energy", "output_weight": 4}, "output_weight says nothing"),
        ({"prefill": 1}, "prefill says nothing to method 'weights'"),
        ({"method": "flops", "prefill": 1}, "needs prefill and decode"),
        ({"method": "time", "prefill": 0, "decode": 1}, "prefill is not accepted"),
        ({"method": "time", "prefill": 1, "decode": 1, "input_tokens": 0}, "no input token bears"),
        ({"method": "time", "prefill": 1, "decode": 1, "output_tokens": 0}, "no output token bears"),
        ({"output_weight": 0}, "output_weight is not accepted"),
        ({"cached_weight": -1}, "cached_weight is not accepted"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        allocate(**DAY | change)


def test_every_rule_is_named_once():
    # property: the phase rules are rules, and no name stands twice.
    assert set(PHASE_METHODS) < set(METHODS)
    assert len(set(METHODS)) == len(METHODS)
