"""Deployments and their comparison: Kim's equation is an exact special case of the absolute costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs as hs
import roofline as rl
import tco
from roofline.measurements import Run
from tco.accounts import INFRASTRUCTURE_PARTS as OTHER_PARTS
from tco.accounts import SERVER_PARTS
from tco.defaults import server_power, server_price

LLAMA = rl.get_llm("llama-3.1-8b")
H100, GAUDI2 = hs.get("h100-sxm"), hs.get("gaudi-2")
HLS, DGX = hs.get_server("gaudi-2-hls"), hs.get_server("dgx-h100")


def decode(device, **changes):
    workload = {"batch": 64, "context_tokens": 2048, "precision": "fp8"} | changes
    return rl.decode(LLAMA, device, **workload)


def exact(value):
    return pytest.approx(value, rel=1e-12)


def level(three):
    """1 to 1e-12 of the larger of the two costs that a break-even is the difference of."""
    infrastructure = (1 - three["server_share"]) * three["r_ic"] / three["r_th"]
    server = three["server_share"] * three["r_sc"] / three["r_th"]
    return pytest.approx(1, abs=1e-12 * max(1, infrastructure, server))


money, power = st.floats(1e3, 1e7), st.floats(1_000, 39_000)
facilities = st.builds(
    tco.Facility,
    pue=st.floats(1, 3),
    usd_per_kwh=st.floats(0.01, 2),
    load=st.floats(0.01, 1),
    rack_usd=st.floats(0, 1e6),
    usd_per_watt=st.floats(0, 200),
    facility_years=st.floats(1, 50),
    server_years=st.floats(1, 20),
    discount_rate=st.floats(0, 1),
)


@given(
    prices=st.tuples(money, money),
    powers=st.tuples(power, power),
    rates=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
    sites=st.tuples(facilities, facilities),
)
def test_compare_is_kim_eq4_of_its_own_ratios(prices, powers, rates, sites):
    # sibling: the absolute model against the ratio formula and each of its inverses, to 1e-12, over random scenarios.
    a, b = (
        tco.Deployment(server.replace(price_usd=price, power_w=watts), site, throughput=rate)
        for server, price, watts, rate, site in zip((HLS, DGX), prices, powers, rates, sites, strict=True)
    )
    c = tco.compare(a, b)
    three = {"r_th": c.r_th, "r_sc": c.r_sc, "r_ic": c.r_ic, "server_share": c.server_share}
    # w is one double, and Eq. 4 takes 1 − w: where one cost dwarfs the other, its last bit moves the ratio so much.
    last_bit_of_w = 1e-15 * (three["r_sc"] + three["r_ic"]) / three["r_th"]
    assert c.ratio == pytest.approx(tco.tco_ratio(**three), rel=1e-12, abs=last_bit_of_w)
    assert tco.tco_ratio(**(three | {"r_th": c.break_even_throughput})) == exact(1)
    if c.break_even_server_cost is None:
        assert c.not_even_free
    else:
        assert tco.tco_ratio(**(three | {"r_sc": c.break_even_server_cost})) == level(three)
    if c.break_even_infrastructure_cost is not None:
        assert tco.tco_ratio(**(three | {"r_ic": c.break_even_infrastructure_cost})) == level(three)
    back = tco.compare(b, a)
    assert c.ratio * back.ratio == exact(1)
    for side in (a, b):
        assert sum(side.breakdown.values()) == exact(side.usd_per_year)
        assert side.server_usd_per_year + side.infrastructure_usd_per_year == exact(side.usd_per_year)


@given(k=st.floats(0.01, 100))
def test_prices_times_k_leave_the_ratio_unchanged(k):
    # property: a currency, or a price level.
    def scaled(factor):
        site = tco.Facility(usd_per_kwh=0.02 * factor, rack_usd=100.0 * factor, usd_per_watt=2.0 * factor)
        a, b = (
            tco.Deployment(server.replace(price_usd=price * factor, power_w=8e3), site, throughput=rate)
            for server, price, rate in ((HLS, 1e5, 10.0), (DGX, 2e5, 20.0))
        )
        return tco.compare(a, b).ratio

    assert scaled(k) == exact(scaled(1.0))


def test_other_prices_and_level_discounts():
    # property: at the named discount the ratio is 1; at today's prices it is today's ratio.
    a = tco.Deployment(HLS, tco.Facility(), decode(GAUDI2))
    b = tco.Deployment(DGX, tco.Facility(), decode(H100))
    c = tco.compare(a, b)
    assert c.ratio_at() == exact(c.ratio)
    assert c.ratio_at(price_a_usd=a.price.value, price_b_usd=b.price.value) == exact(c.ratio)
    assert c.level_discount_a == 0
    assert c.ratio_at(price_b_usd=b.price.value * (1 - c.level_discount_b)) == exact(1)
    dear = tco.compare(tco.Deployment(HLS.replace(price_usd=900_000), tco.Facility(), decode(GAUDI2)), b)
    assert dear.ratio_at(price_a_usd=900_000 * (1 - dear.level_discount_a)) == exact(1)
    assert tco.compare(tco.Deployment(HLS, tco.Facility(), throughput=1.0), b).level_discount_a is None


TERMS = {
    "bought": tco.Purchase(),
    "with terms": tco.Purchase(
        scale_out_usd=20_000.0,
        storage_usd=9_000.0,
        installation_usd=2_000.0,
        licence_usd_per_accelerator_year=400.0,
        support_share_per_year=0.06,
        porting_usd=90_000.0,
        residual_share=0.2,
        years=5.0,
    ),
    "rented": tco.Rental(usd_per_h=2.0),
    "committed": tco.Rental(usd_per_h=1.6, commitment_years=3.0, upfront_share=0.3, porting_usd=90_000.0),
}


def sides_of(ours, theirs, rate, *, planned):
    """Two deployments, or plans with whole servers and spares, on such terms."""
    found = [
        tco.Deployment(server, tco.Facility(), tokens, terms=TERMS[terms])
        for server, tokens, terms in ((HLS, rate, ours), (DGX, 45_000.0, theirs))
    ]
    if not planned:
        return found
    day = tco.Traffic(tokens_per_s=2.2e6, profile=(1.0, 2.0))
    return [tco.plan(side, day, tco.Service(headroom=0.1)) for side in found]


@pytest.mark.parametrize("planned", [False, True], ids=["deployments", "plans"])
@pytest.mark.parametrize("rate", [3_000.0, 20_000.0, 60_000.0])
@pytest.mark.parametrize("theirs", TERMS)
@pytest.mark.parametrize("ours", TERMS)
def test_inverses_against_the_costs_themselves(ours, theirs, rate, planned):
    # sibling: every inverse by Kim's ratios against the sides' own costs, whoever buys or rents what.
    c = tco.compare(*sides_of(ours, theirs, rate, planned=planned))
    of_a, of_b = (side.breakdown for side in (c.a, c.b))
    of_one = [side.servers if planned else 1 for side in (c.a, c.b)]
    server, site = (sum(of_a.get(part, 0.0) for part in parts) / of_one[0] for parts in (SERVER_PARTS, OTHER_PARTS))
    server_b, site_b = (sum(of_b.get(part, 0.0) for part in parts) / of_one[1] for parts in (SERVER_PARTS, OTHER_PARTS))
    ratio = (server + site) / (server_b + site_b) / c.r_th
    assert c.ratio == exact(ratio)
    assert c.break_even_throughput == exact(ratio * c.r_th)
    left = c.r_th * (server_b + site_b) - site  # what A's server may cost
    assert bool(c.not_even_free) == (left <= 0)
    if left > 0:
        assert c.break_even_server_cost == exact(left / server_b)
    else:
        assert c.break_even_server_cost is None
    left = c.r_th * (server_b + site_b) - server
    if site_b and left > 0:
        assert c.break_even_infrastructure_cost == exact(left / site_b)
    else:
        assert c.break_even_infrastructure_cost is None
    assert c.elasticities.r_sc == exact(server / (server + site))
    if c.r_ic is None:
        assert site > 0 == site_b
    else:
        three = {"r_th": c.r_th, "r_sc": c.r_sc, "r_ic": c.r_ic, "server_share": c.server_share}
        assert tco.tco_ratio(**three) == exact(c.ratio)
        assert c.server_share == exact(server_b / (server_b + site_b))


@pytest.mark.parametrize("planned", [False, True], ids=["deployments", "plans"])
@pytest.mark.parametrize("rate", [3_000.0, 20_000.0, 60_000.0])
@pytest.mark.parametrize("theirs", TERMS)
@pytest.mark.parametrize("ours", TERMS)
def test_a_discount_is_on_what_follows_the_price(ours, theirs, rate, planned):
    # property: at the price, or rent, less the discount that is named the ratio is 1; where none is, A loses as a gift.
    c = tco.compare(*sides_of(ours, theirs, rate, planned=planned))
    for side, discount in (("a", c.level_discount_a), ("b", c.level_discount_b)):
        inputs = getattr(c, side).inputs
        name = "price_usd" if inputs.get("price_usd") is not None else "rent_usd_per_h"
        loses = c.ratio > 1 if side == "a" else c.ratio < 1
        if discount is None:
            gift = c.evaluate(**{f"{side}.{name}": 0.0})
            assert loses
            assert gift >= 1 - 1e-12 if side == "a" else gift <= 1 + 1e-12
        elif loses:
            assert c.evaluate(**{f"{side}.{name}": inputs[name] * (1 - discount)}) == exact(1)
        else:
            assert discount == 0


def test_changes_of_one_side_count_before_those_of_both():
    # property: in whatever order they come; a change of one side leaves the other where it is.
    c = tco.compare(*sides_of("bought", "bought", 36_000.0, planned=False))
    both = {"a.usd_per_kwh": 0.3, "usd_per_kwh": 0.1}
    expected = c.evaluate(**{"a.usd_per_kwh": 0.3, "b.usd_per_kwh": 0.1})
    assert c.evaluate(**both) == c.evaluate(**dict(reversed(both.items()))) == expected
    assert c.evaluate() == exact(c.ratio)
    assert c.evaluate(**{"b.usd_per_kwh": 0.3}) < c.ratio < c.evaluate(**{"a.usd_per_kwh": 0.3})


def test_what_only_one_side_has_changes_that_side():
    # hand: a tariff is no input of a rent.
    c = tco.compare(*sides_of("bought", "rented", 36_000.0, planned=False))
    moved = c.evaluate(usd_per_kwh=np.array([0.1, 0.2]))
    energy = c.a.breakdown["energy"] / 0.0826
    expected = (c.a.usd_per_year + energy * (np.array([0.1, 0.2]) - 0.0826)) / 36_000 / (c.b.usd_per_year / 45_000)
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


def test_sweeps_stand_before_the_axes_of_throughputs():
    # property: broadcast equals loop, over three tariffs and two throughputs of either side.
    rates, tariffs = np.array([30_000.0, 40_000.0]), np.array([[0.05], [0.1], [0.2]])
    many = tco.compare(
        tco.Deployment(HLS, tco.Facility(), rates), tco.Deployment(DGX, tco.Facility(), rates[::-1] * 1.5)
    ).evaluate(usd_per_kwh=tariffs, **{"a.price_usd": 1e5})
    assert many.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        one = tco.compare(
            tco.Deployment(HLS.replace(price_usd=1e5), tco.Facility(usd_per_kwh=tariffs[i, 0]), rates[j]),
            tco.Deployment(DGX, tco.Facility(usd_per_kwh=tariffs[i, 0]), rates[1 - j] * 1.5),
        )
        assert many[i, j] == exact(float(one.ratio))


def test_a_machine_against_itself_is_1():
    a = tco.Deployment(DGX, tco.Facility(), decode(H100))
    c = tco.compare(a, a)
    assert c.ratio == c.r_th == c.r_sc == c.r_ic == 1


def test_main_job_by_hand():
    # hand: kit of 8 at 65,000 USD × 1.64; DGX at 269,000; 8 × 600 W × 1.8214; CRF(8 %, 4) and CRF(8 %, 12).
    a = tco.Deployment(HLS, tco.Facility(), decode(GAUDI2))
    b = tco.Deployment(DGX, tco.Facility(), decode(H100))
    c = tco.compare(a, b)
    short, long = 0.08 / (1 - 1.08**-4), 0.08 / (1 - 1.08**-12)
    watts = 8 * 600 * 10_200 / 5_600
    per_watt = 12 * long + 1.25 * 8.760 * 0.0826
    cost_a = 65_000 * 1.64 * short + watts * per_watt + 5_940 * long / 4
    cost_b = 269_000 * short + 10_200 * per_watt + 5_940 * long / 3
    assert a.usd_per_year == exact(cost_a)
    assert b.usd_per_year == exact(cost_b)
    assert c.r_th == exact(float(decode(GAUDI2).tokens_per_s / decode(H100).tokens_per_s))
    assert c.ratio == exact(cost_a / cost_b / float(c.r_th))
    assert c.r_sc == exact(65 * 1.64 / 269)


def test_replicas_fill_the_server():
    # hand: 8 devices, two to a replica, make 4 replicas.
    pair = tco.Deployment(DGX, tco.Facility(), decode(H100, tensor_parallel=2))
    assert pair.replicas == 4
    assert pair.tokens_per_s == 4 * decode(H100, tensor_parallel=2).tokens_per_s


def test_arrays_of_workloads_give_arrays_of_ratios():
    # property: the array equals the loop, and a break-even that does not exist is NaN there and None for one.
    batches = np.array([1, 8, 64])
    a = tco.Deployment(HLS, tco.Facility(), decode(GAUDI2, batch=batches))
    b = tco.Deployment(DGX, tco.Facility(), decode(H100, batch=batches))
    c = tco.compare(a, b)
    loop = [
        tco.compare(
            tco.Deployment(HLS, tco.Facility(), decode(GAUDI2, batch=batch)),
            tco.Deployment(DGX, tco.Facility(), decode(H100, batch=batch)),
        )
        for batch in batches
    ]
    np.testing.assert_allclose(c.ratio, [one.ratio for one in loop], rtol=1e-13)
    np.testing.assert_allclose(c.break_even_server_cost, [one.break_even_server_cost for one in loop], rtol=1e-13)
    assert c.ratio.shape == (3,)


def test_not_even_free_is_none_and_a_flag():
    # hand: infrastructure of A alone outweighs B's whole cost at a hundredth of its throughput.
    a = tco.Deployment(HLS, tco.Facility(), throughput=100.0)
    b = tco.Deployment(DGX, tco.Facility(), throughput=10_000.0)
    c = tco.compare(a, b)
    assert c.break_even_server_cost is None
    assert c.not_even_free
    many = tco.compare(tco.Deployment(HLS, tco.Facility(), throughput=[100.0, 9_000.0]), b)
    assert np.isnan(many.break_even_server_cost).tolist() == [True, False]


def test_a_server_share_is_not_multiplied_again():
    # property: a price that already is a share of a server takes no further factor (design, "What settles the rest").
    bare = DGX.replace(price=None)
    share_only = H100.replace(prices=[price for price in H100.prices if price.basis == "server-share"])
    assert server_price(bare, share_only).value == 8 * 33_600
    chip_only = H100.replace(prices=[price for price in H100.prices if price.basis == "street"])
    assert server_price(bare, chip_only).value == pytest.approx(8 * 30_678 * 1.64)
    mi300x = server_price(hs.get_server("mi300x-8gpu"), hs.get("mi300x"))
    assert "low end of 10,000-15,000 USD" in mi300x.source
    assert mi300x.high == pytest.approx(1.5 * mi300x.value)
    assert server_price(bare, chip_only).origin == "derived"
    assert server_price(DGX, H100).origin == "published"


def test_an_unknown_price_or_power_is_an_error_and_never_zero():
    for key in hs.server_names():
        server = hs.get_server(key)
        accelerator = hs.get(server.accelerator)
        for rule in (server_price, server_power):
            try:
                value = rule(server, accelerator).value
            except hs.UnknownValueError as unknown:
                value, message = None, str(unknown)
            assert value > 0 if value is not None else key in message and "give p" in message


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (decode(GAUDI2), rl.prefill(LLAMA, H100, prompt_tokens=2048), "unlike phases: decode against prefill"),
        (decode(GAUDI2), rl.decode(rl.get_llm("qwen3-8b"), H100, batch=64, context_tokens=2048), "unlike models"),
        (decode(GAUDI2), decode(H100, context_tokens=1024), "context tokens differ"),
        (decode(GAUDI2), decode(H100, overlap="perfect"), "unlike overlaps"),
        (
            decode(GAUDI2),
            rl.decode(LLAMA.replace(layers=16), H100, batch=64, context_tokens=2048),
            "unlike models: two versions of Llama 3.1 8B",
        ),
        (
            rl.prefill(LLAMA, GAUDI2, prompt_tokens=2048),
            rl.prefill(LLAMA, H100, prompt_tokens=2048, logits="all"),
            "unlike logits",
        ),
    ],
)
def test_unlike_workloads_are_refused(left, right, message):
    a = tco.Deployment(HLS, tco.Facility(), left)
    b = tco.Deployment(DGX, tco.Facility(), right)
    with pytest.raises(ValueError, match=message):
        tco.compare(a, b)


def test_batch_and_precision_may_differ():
    # hand: each machine at its best (Kim II-B).
    a = tco.Deployment(HLS, tco.Facility(), decode(GAUDI2, batch=32))
    b = tco.Deployment(DGX, tco.Facility(), decode(H100, precision="bf16"))
    assert tco.compare(a, b).ratio > 0


@pytest.mark.parametrize(
    ("server", "throughput", "message"),
    [
        (DGX, decode(GAUDI2), "throughput is of gaudi-2, but server dgx-h100 holds h100-sxm"),
        (DGX, 0, "throughput is not accepted: give a finite number above 0"),
        (DGX, -5.0, "throughput is not accepted: give a finite number above 0"),
        (DGX, "fast", "throughput is not accepted: give a finite number"),
        (DGX.replace(accelerators=1), decode(H100, tensor_parallel=2), "needs 2 devices, but server dgx-h100 has 1"),
        ("dgx-h100", 1.0, "server = 'dgx-h100' is not accepted: give a Server, such as hs.get_server"),
        (DGX, decode(H100, batch=4096), "a batch of 4,096 sequences .* What would fit: a batch of 284"),
    ],
)
def test_bad_deployments(server, throughput, message):
    with pytest.raises(ValueError, match=message):
        tco.Deployment(server, tco.Facility(), throughput)


def test_private_costs_stay_out_of_every_repr():
    # property: whatever the user gave is used, and shown nowhere.
    secrets = {"price_usd": 123_457.0, "power_w": 7_531.0}
    site = tco.Facility(usd_per_kwh=0.0713, rack_usd=54_321.0)
    a = tco.Deployment(HLS.replace(**secrets), site, decode(GAUDI2))
    b = tco.Deployment(DGX, tco.Facility(), decode(H100))
    c = tco.compare(a, b)
    own_chip = GAUDI2.replace(tdp_w=612.5)
    d = tco.Deployment(HLS, tco.Facility(), throughput=1.0, accelerator=own_chip)
    shown = " ".join(map(repr, (a, b, c, a.server, a.facility, a.assumptions, c.assumptions, d, d.assumptions)))
    shown += a._repr_html_() + c._repr_html_() + d._repr_html_()
    assert "612.5" not in shown
    for secret in ("123457", "123,457", "7531", "7,531", "0.0713", "54321", "54,321", f"{a.usd_per_year:,.0f}"):
        assert secret not in shown, secret
    assert a.private
    assert not b.private
    assert a.price.value == 123_457.0


def ran(device, rate, **changes):
    """One measured decode run with FP8."""
    known = {"accelerator": device, "devices": 1, "llm": "llama-3.1-8b", "precision": "fp8", "phase": "decode"}
    return Run(known | {"batch": 64.0, "context_tokens": 2048.0, "output_tokens_per_s": rate} | changes)


def test_a_throughput_may_come_from_anywhere_and_the_comparison_says_which():
    # property: of every two kinds there is a ratio, that of the servers' throughputs; it has an interval and a
    # probability if either side says how far it may be off, and the ratio alone decides if none does, or one is an
    # upper bound, which nothing says that of.
    lossy = rl.Machine.of(H100).replace(efficiency={"memory": 0.8})
    calibration = rl.get_calibration("h100-sxm", precision="fp8")
    kinds = {
        "ideal roofline": decode(H100),
        "roofline with losses": decode(lossy),
        "calibrated roofline": decode(H100, calibration=calibration),
        "measured": ran("h100-sxm", 6100.0),
        "given": 40_000.0,
    }
    for kind, throughput in kinds.items():
        b = tco.Deployment(DGX, tco.Facility(), throughput)
        for other, reference in kinds.items():
            c = tco.compare(b, tco.Deployment(DGX, tco.Facility(), reference))
            assert c.kinds == (kind, other)
            assert c.r_th == exact(float(c.a.tokens_per_s / c.b.tokens_per_s))
            if {kind, other} & {"calibrated roofline", "measured"} and "ideal roofline" not in (kind, other):
                low, high, level = c.interval(0.9, of="r_th")
                # The same estimate or run on both sides is off by the same factor, which cancels.
                assert (low < c.r_th < high or (kind == other and low == c.r_th == high), level) == (True, 0.9)
                assert 0 <= c.probability_a <= 1
            else:
                assert c.probability_a is None
                assert c.verdict() == ("A" if c.ratio < 1 else "B" if c.ratio > 1 else "too close to call")
                with pytest.raises(ValueError, match="do not say how far they may be off"):
                    c.interval()


@pytest.mark.parametrize(
    ("t", "probability", "at_90", "at_70"),
    [(0, 0.5, "too close to call", "too close to call"), (0.765, 0.25, "too close to call", "B"),
     (2.353, 0.05, "B", "B"), (-0.765, 0.75, "too close to call", "A"), (-2.353, 0.95, "A", "A")],
)  # fmt: skip
def test_a_verdict_is_as_sure_as_the_throughputs(t, probability, at_90, at_70):
    # published: quantiles of Student's t with 3 degrees of freedom (0.765 of 75 %, 2.353 of 95 %). A single run is off
    # by that times 1.5 %, and B's server is told to do what makes A dearer by just as much.
    a = tco.Deployment(HLS, tco.Facility(), ran("gaudi-2", 4500.0))
    even = tco.compare(a, tco.Deployment(DGX, tco.Facility(), 1.0)).ratio
    c = tco.compare(a, tco.Deployment(DGX, tco.Facility(), float(np.exp(0.015 * t) / even)))
    assert c.ratio == pytest.approx(np.exp(0.015 * t), rel=1e-9)
    assert c.probability_a == pytest.approx(probability, abs=2e-3)
    assert (c.verdict(), c.verdict(0.7)) == (at_90, at_70)
    low, high, _ = c.interval(0.9)
    assert [low, high] == pytest.approx(c.ratio * np.exp([-0.015 * 2.353, 0.015 * 2.353]), rel=1e-3)


def test_a_measured_pair_has_the_errors_of_both():
    # published: errors of two alike runs add to √2 times one if they are normal, to 2 times one if they are Cauchy's;
    # Student's t with 3 degrees of freedom lies between the two.
    pair = [
        tco.Deployment(server, tco.Facility(), ran(key, rate))
        for server, key, rate in ((HLS, "gaudi-2", 4500.0), (DGX, "h100-sxm", 6100.0))
    ]
    c = tco.compare(*pair)
    assert c.kinds == ("measured", "measured")
    low, high, _ = c.interval(0.9, of="r_th")
    half = np.log(high / low) / 2
    assert np.log(high / c.r_th) == pytest.approx(half, rel=1e-9)
    assert 2**0.5 < half / (0.015 * 2.353) < 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"llm": "qwen3-8b"}, "unlike models: llama-3.1-8b against qwen3-8b"),
        ({"context_tokens": 1024.0}, "context tokens differ, 2,048 against 1,024"),
        ({"phase": "prefill", "prompt_tokens": 2048.0, "tokens_per_s": 1e4}, "unlike phases: decode against prefill"),
    ],
)
def test_unlike_runs_are_refused(changes, message):
    # property: a ratio of unlike things is no ratio, whether the other side was measured or modelled.
    other = tco.Deployment(DGX, tco.Facility(), ran("h100-sxm", 6100.0, **changes))
    for ours in (ran("gaudi-2", 4500.0), decode(GAUDI2)):
        with pytest.raises(ValueError, match=message):
            tco.compare(tco.Deployment(HLS, tco.Facility(), ours), other)


def test_whole_generations_compare_by_their_output_tokens():
    # sibling: R_Th of two generations is the ratio of what each server puts out; unlike lengths and phases are refused.
    llm = rl.get_llm("llama-3.1-8b")
    lengths = {"batch": 16, "prompt_tokens": 512, "output_tokens": 64, "precision": "fp8"}
    sides = [
        tco.Deployment(hs.get_server(server), tco.Facility(), rl.generate(llm, hs.get(chip), **lengths))
        for server, chip in (("gaudi-2-hls", "gaudi-2"), ("dgx-h100", "h100-sxm"))
    ]
    a, b = (side.throughput for side in sides)
    assert tco.compare(*sides).r_th == pytest.approx(float(a.output_tokens_per_s / b.output_tokens_per_s), rel=1e-12)
    shorter = rl.generate(llm, hs.get("h100-sxm"), **(lengths | {"output_tokens": 32}))
    with pytest.raises(ValueError, match="output tokens differ"):
        tco.compare(sides[0], tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), shorter))
    step = rl.decode(llm, hs.get("h100-sxm"), batch=16, context_tokens=512, precision="fp8")
    with pytest.raises(ValueError, match="Generation against decode"):
        tco.compare(sides[0], tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), step))


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"new_tokens": 4}, "new tokens a step differ"),
        ({"without": "memory"}, "unlike ceilings"),
        ({"geometry": "waves"}, "unlike geometries"),
        ({"overlap": "perfect"}, "unlike overlaps"),
        ({"context_tokens": rl.Lengths([1, 4095])}, "lengths differ"),
        ({"context_tokens": np.array([1, 2, 3])}, "context tokens differ"),
    ],
)
def test_unlike_options_are_refused(theirs, message):
    # property: a ratio of unlike things is no ratio, on the same machine at least.
    llm, h100 = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm")
    ours = {"batch": 8, "context_tokens": 2048}
    sides = [
        tco.Deployment(hs.get_server("dgx-h100"), tco.Facility(), rl.decode(llm, h100, **options))
        for options in (ours, ours | theirs)
    ]
    with pytest.raises(ValueError, match=message):
        tco.compare(*sides)


def test_capped_phases_and_streams_of_requests_have_a_price():
    # sibling: the server's throughput is that of its replicas, whatever the estimate; a cap is no unlikeness.
    llm, h100, server = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), hs.get_server("dgx-h100")
    step = rl.decode(llm, h100, batch=64, context_tokens=2048, precision="fp8")
    capped = rl.power.under_cap(step, cap_w=400)
    stream = rl.continuous_batching(
        llm, h100, prompt_tokens=1000, output_tokens=200, requests_per_s=10, precision="fp8"
    )
    free, limited, busy = (tco.Deployment(server, tco.Facility(), of) for of in (step, capped, stream))
    assert limited.tokens_per_s == pytest.approx(8 * float(capped.tokens_per_s), rel=1e-12)
    assert busy.tokens_per_s == pytest.approx(8 * 10 * 200, rel=1e-12)
    assert tco.compare(limited, free).r_th == pytest.approx(1 - float(capped.loss), rel=1e-9)
    with pytest.raises(ValueError, match="unlike phases"):
        tco.compare(busy, free)


def test_unlike_streams_and_skews_are_refused_and_capped_misfits_too():
    # property: what decides a throughput beside the machine is alike on both sides; what does not fit has no price.
    llm, h100, server = rl.get_llm("llama-3.1-8b"), hs.get("h100-sxm"), hs.get_server("dgx-h100")

    def stream(**options):
        asked = {"prompt_tokens": rl.Lengths([1000, 1000]), "output_tokens": 100, "requests_per_s": 5} | options
        return tco.Deployment(server, tco.Facility(), rl.continuous_batching(llm, h100, **asked))

    assert tco.compare(stream(), stream()).ratio == pytest.approx(1, rel=1e-12)
    with pytest.raises(ValueError, match="prompt lengths differ"):
        tco.compare(stream(), stream(prompt_tokens=rl.Lengths([1, 1999])))
    with pytest.raises(ValueError, match="unlike geometries"):
        tco.compare(stream(), stream(geometry="none"))
    mixtral = rl.get_llm("mixtral-8x7b")
    even, skewed = (
        tco.Deployment(
            server,
            tco.Facility(),
            rl.decode(
                mixtral, h100, batch=64, context_tokens=100, precision="fp8", tensor_parallel=4, routing_skew=skew
            ),
        )
        for skew in (0.0, 1.0)
    )
    with pytest.raises(ValueError, match="routing skews differ"):
        tco.compare(even, skewed)
    in_order, reversed_order = (
        tco.Deployment(server, tco.Facility(), rl.decode(llm, h100, batch=1, context_tokens=10, without=off))
        for off in (("special", "latency"), ("latency", "special"))
    )
    assert tco.compare(in_order, reversed_order).ratio == pytest.approx(1, rel=1e-12)
    large = rl.decode(rl.get_llm("llama-3.3-70b"), h100, batch=64, context_tokens=2048)
    with pytest.raises(rl.OutOfMemoryError):
        tco.Deployment(server, tco.Facility(), rl.power.estimate(large))
