"""Costs that others published, recomputed through the public functions: one test each, its source in its comment.

The tolerance is the rounding of the source, unless a comment says otherwise. All figures are in ``facts/tco.md``,
section 2, under the number in the test's name; the tests of what it tags as computed there and printed nowhere say
*regression* in their names. Sizing cases (a fleet, a day of traffic) are with the modules that size.
"""

from __future__ import annotations

import numpy as np
import pytest

import tco
from tco import finance
from tco.finance import HOURS_PER_MONTH, HOURS_PER_YEAR, MONTHS_PER_YEAR


def rounded_to(digits):
    """Absolute tolerance of a figure printed to so many decimals (negative: to tens, hundreds, ...)."""
    return 0.5 * 10.0**-digits * (1 + 1e-9)


# T0: primitives


def test_t0_rate_of_return_of_numpy_financial():
    # published: README of numpy-financial, irr, 16 digits; the last few are its own rounding.
    flows = [-250_000, 100_000, 150_000, 200_000, 250_000, 300_000]
    assert finance.internal_rate_of_return(flows=flows) == pytest.approx(0.5672303344358536, rel=1e-14)


def test_t0_present_values_of_numpy_financial():
    # published: numpy-financial, pull request 96: three rates against two series, to the cent.
    worth = finance.net_present_value(
        rate=np.array([0, 0.05, 0.10]), flows=np.array([[[-4000, 500, 800]], [[-5000, 600, 900]]])
    )
    expected = [[-2700, -2798.19, -2884.30], [-3500, -3612.24, -3710.74]]
    np.testing.assert_allclose(worth, expected, rtol=0, atol=rounded_to(2))


def test_t0_payment_of_numpy_financial():
    # published: docstring of numpy-financial, pmt(0.075/12, 12·15, 200000), there negative.
    paid = finance.payment(capital=200_000, rate=0.075, years=15, payments_per_year=MONTHS_PER_YEAR)
    assert paid == pytest.approx(1854.0247200054619, rel=1e-14)


def test_t0_capital_recovery_factors():
    # published: ten digits of CRF(5 %, 10) and CRF(8 %, 4).
    factor = finance.capital_recovery_factor(rate=[0.05, 0.08], years=[10, 4])
    np.testing.assert_allclose(factor, [0.1295045750, 0.3019208045], rtol=0, atol=rounded_to(10))


# T1: Hamilton, "Overall Data Center Costs", perspectives.mvdirona.com, 2010-09-18

SERVERS, CRITICAL_W, POWER_AND_COOLING = 45_978, 8e6, 0.82


def hamilton_usd_per_month(facility_usd):
    """Monthly cost by the lines of Hamilton's sheet: each purchase a loan at 5 %, paid monthly over its own life."""
    year = tco.account(
        traffic_per_s=SERVERS,
        tokens_per_s=1.0,
        power_w=CRITICAL_W / SERVERS,
        load=0.8,
        price_usd=1450.0,
        server_years=3.0,
        usd_per_watt=facility_usd / CRITICAL_W,
        facility_years=10.0,
        discount_rate=0.05,
        payments_per_year=MONTHS_PER_YEAR,
        pue=1.45,
        usd_per_kwh=0.07,
    )
    server, plant, energy = (float(year.parts[part]) / MONTHS_PER_YEAR for part in ("server", "plant", "energy"))
    network = finance.payment(capital=12.81e6, rate=0.05, years=4, payments_per_year=MONTHS_PER_YEAR)
    return {
        "servers": server,
        "network": float(network),
        "power and cooling": POWER_AND_COOLING * plant,
        "power": energy,
        "other": (1 - POWER_AND_COOLING) * plant,
    }


def test_t1_hamilton_2010():
    # published: shares of 57, 8, 18, 13 and 4 % in "about $3.5 million a month". Of the inputs the facts read 5 %, the
    # lives and the 82 % in the source, and recall the rest; all five shares and the total come out.
    cost = hamilton_usd_per_month(72e6)
    total = sum(cost.values())
    assert total / 1e6 == pytest.approx(3.5, abs=rounded_to(1))
    shares = {name: 100 * part / total for name, part in cost.items()}
    published = {"servers": 57, "network": 8, "power and cooling": 18, "power": 13, "other": 4}
    assert shares == pytest.approx(published, abs=rounded_to(0))


def test_t1_hamilton_2010_by_line():
    # sibling: the same sheet recomputed to the dollar in the facts, with another program.
    cost = hamilton_usd_per_month(72e6)
    lines = {
        "servers": 1_998_103,
        "network": 295_005,
        "power and cooling": 626_211,
        "power": 474_208,
        "other": 137_461,
    }
    assert cost == pytest.approx(lines, abs=rounded_to(0))
    assert sum(cost.values()) == pytest.approx(3_530_988, abs=rounded_to(0))


def test_t1_hennessy_and_patterson():
    # published: Computer Architecture, Fig. 6.13 and 6.14, as the facts recall it (tag [M], not held against the book):
    # the same sheet with a facility of 88 million and 85,000 a month for staff. 765, 475 and 170 thousand are to
    # the nearest 5 thousand, 3.8 million to a tenth of it.
    cost = hamilton_usd_per_month(88e6)
    staff = 85_000
    assert cost["power and cooling"] == pytest.approx(765e3, abs=2500)
    assert cost["power"] == pytest.approx(475e3, abs=2500)
    assert cost["other"] == pytest.approx(170e3, abs=2500)
    assert (sum(cost.values()) + staff) / 1e6 == pytest.approx(3.8, abs=rounded_to(1))
    # sibling: to the dollar, from the facts.
    assert cost["power and cooling"] == pytest.approx(765_369, abs=rounded_to(0))
    assert cost["other"] == pytest.approx(168_008, abs=rounded_to(0))
    assert sum(cost.values()) + staff == pytest.approx(3_785_693, abs=rounded_to(0))


def test_t1_a_month_of_thirty_days_is_another_power_bill():
    # hand: 474,208 is with the calendar's 730 h; 720 h give 467,712, a calendar trap.
    power = hamilton_usd_per_month(72e6)["power"]
    assert power * 720 / HOURS_PER_MONTH == pytest.approx(467_712, abs=rounded_to(0))


# T2: the fully burdened watt


def test_t2_a_watt_year_costs_about_two_dollars():
    # published: about 2 dollars a watt and year in North America (Hennessy & Patterson, 2011); order of magnitude only.
    # 200 million for 15 MW, of which 82 % is power and cooling, over 15 years at 5 %; PUE 1.7, 7 cents.
    watt = {"traffic_per_s": 1.0, "tokens_per_s": 1.0, "power_w": 1.0, "server_years": 1.0, "discount_rate": 0.05}
    site = {"usd_per_watt": 0.82 * 200e6 / 15e6, "facility_years": 15.0, "pue": 1.7, "usd_per_kwh": 0.07}
    yearly, monthly = (tco.account(**watt, **site, payments_per_year=payments) for payments in (1.0, MONTHS_PER_YEAR))
    assert yearly.infrastructure_usd == pytest.approx(2, rel=0.1)
    assert monthly.infrastructure_usd == pytest.approx(2, rel=0.1)
    # regression: the facts' own figures for yearly and monthly payments.
    assert yearly.parts["energy"] == pytest.approx(1.04244, abs=rounded_to(5))
    assert yearly.infrastructure_usd == pytest.approx(2.096, abs=rounded_to(3))
    assert monthly.infrastructure_usd == pytest.approx(2.080, abs=rounded_to(3))


# T7: ClusterMAX, three clouds of 4,096 GPUs for 36 months, clustermax.ai/tco [USD a month]

GPUS, CONTRACT_MONTHS, THEIR_MONTH_H = 4096, 36, 720


def setup_usd_per_month(once_usd):
    """What is paid once, spread over the contract."""
    return float(finance.straight_line(capital=once_usd, years=CONTRACT_MONTHS / MONTHS_PER_YEAR)) / MONTHS_PER_YEAR


# GPUs first, then what is beside them: storage, network, CPUs, support, goodput, setup, debugging, where charged.
CLUSTERMAX = {
    "gold": (5_426_381, (1_408, 111_349)),
    "silver": (5_898_240, (202_015, setup_usd_per_month(3_015_787), 16_667)),
    "hyperscaler": (6_423_183, (1_856, 82, 3_318, 321_422, 131_804, setup_usd_per_month(3_278_258), 16_667)),
}


@pytest.mark.parametrize(("cloud", "total"), [("gold", 5_539_138), ("silver", 6_200_693), ("hyperscaler", 6_989_395)])
def test_t7_clustermax_totals(cloud, total):
    # published: each printed total is the sum of its rows. Every row is rounded to a dollar, so the sum may be one off.
    gpus, beside = CLUSTERMAX[cloud]
    assert gpus + sum(beside) == pytest.approx(total, abs=1.0)


@pytest.mark.parametrize(("cloud", "usd_per_gpu_h"), [("gold", 1.84), ("silver", 2.00), ("hyperscaler", 2.178)])
def test_t7_clustermax_rates(cloud, usd_per_gpu_h):
    # published: the GPU row is a rate times 4,096 GPUs times a month of 720 h, not of 730.
    assert usd_per_gpu_h * GPUS * THEIR_MONTH_H == pytest.approx(CLUSTERMAX[cloud][0], abs=rounded_to(0))


@pytest.mark.parametrize(("cloud", "ratio"), [("silver", 1.12), ("hyperscaler", 1.26)])
def test_t7_clustermax_ratios_by_kim(cloud, ratio):
    # published: 1.12x and 1.26x the gold cloud, here by Kim Eq. 4 with the GPUs as servers and the rest around them.
    (gpus, beside), (gold_gpus, gold_beside) = CLUSTERMAX[cloud], CLUSTERMAX["gold"]
    of_gold = tco.server_share(server_cost=gold_gpus, infrastructure_cost=sum(gold_beside))
    r_sc, r_ic = gpus / gold_gpus, sum(beside) / sum(gold_beside)
    assert tco.tco_ratio(r_th=1.0, r_sc=r_sc, r_ic=r_ic, server_share=of_gold) == pytest.approx(
        ratio, abs=rounded_to(2)
    )


# T8: inference-margins, engine.js: no time value of money


@pytest.mark.parametrize(
    ("usd", "kw", "total"), [(25_000, 0.70, 0.94253), (45_000, 1.20, 1.68445)], ids=["H100", "GB200"]
)
def test_t8_regression_inference_margins(usd, kw, total):
    # regression: inputs read in its source, outputs computed in the facts [USD/GPU-h]: a server at 1.30 chips, 5 years;
    # 12 $/W over 12 years; PUE 1.25, 7 cents; operation 8 % of what the capital costs in a year.
    year = tco.account(
        traffic_per_s=1.0,
        tokens_per_s=1.0,
        power_w=kw * 1e3,
        price_usd=1.30 * usd,
        server_years=5.0,
        support_share_per_year=0.08 / 5,
        usd_per_watt=12.0,
        facility_years=12.0,
        discount_rate=0.0,
        pue=1.25,
        usd_per_kwh=0.07,
    )
    assert year.total_usd / HOURS_PER_YEAR == pytest.approx(total, abs=rounded_to(5))
    if usd == 25_000:
        per_h = {part: float(amount) / HOURS_PER_YEAR for part, amount in year.parts.items()}
        parts = {"server": 0.74201, "plant": 0.07991, "energy": 0.06125, "support": 0.05936}
        assert per_h == pytest.approx(parts, abs=rounded_to(5))


# T9: Epoch AI, training-cost-trends


def test_t9_regression_epoch_value_decline():
    # regression: 0.14 orders of magnitude a year, its constant; 27.6 % lost a year and 27.5 % left after four follow.
    # Its own text says 72.4 % a year are kept, and its continuous rate is 0.14·ln 10 = 32.2 %.
    decline = finance.yearly_decline(orders_of_magnitude=0.14)
    assert decline == pytest.approx(0.276, abs=rounded_to(3))
    assert finance.value_left(years=[1, 4], decline_per_year=decline) == pytest.approx(
        [0.724, 0.275], abs=rounded_to(3)
    )
    assert -np.log1p(-decline) == pytest.approx(0.322, abs=rounded_to(3))


# T10: the cost model of ASIC Clouds and Moonwalk, after Barroso et al.


def test_t10_regression_moonwalk():
    # regression: its formula with its constants, for a server of 2 kW and 10,000 dollars over 18 months of 720 h.
    watts, price, years, months = 2_000, 10_000, 1.5, 18
    loan = {"rate": 0.08, "payments_per_year": MONTHS_PER_YEAR}
    per_watt_month = {
        "dc_amort": finance.straight_line(capital=10.0, years=12) / MONTHS_PER_YEAR,
        "dc_int": finance.total_interest(capital=10.0, years=12, **loan) / (12 * MONTHS_PER_YEAR),
        "dc_opex": 0.04,
        "power": 0.067 / 1e3 * 720,
        "pue": 0.067 / 1e3 * 720 * 0.5,
    }
    expected = {"dc_amort": 0.069444, "dc_int": 0.038801, "dc_opex": 0.04, "power": 0.04824, "pue": 0.02412}
    assert {k: float(v) for k, v in per_watt_month.items()} == pytest.approx(expected, abs=rounded_to(6))
    interest = float(finance.total_interest(capital=price, years=years, **loan))
    assert interest == pytest.approx(645.25, abs=rounded_to(2))
    total = float(sum(per_watt_month.values())) * watts * months + price + 0.05 * price + interest
    assert total == pytest.approx(19_087.04, abs=rounded_to(2))


# Conventions (section 3)


def test_regression_what_leaving_out_the_cost_of_capital_costs():
    # regression: CRF·n − 1, by which straight line understates a server at 8 % and 11 % over 4, 5 and 6 years.
    share = finance.total_interest(capital=1, rate=np.array([[0.08], [0.11]]), years=[4, 5, 6])
    expected = [[0.208, 0.252, 0.298], [0.289, 0.353, 0.418]]
    np.testing.assert_allclose(share, expected, rtol=0, atol=rounded_to(3))


def test_regression_monthly_and_yearly_payments():
    # regression: 8 % over 4 years, 0.30192 yearly and 0.29296 by the month.
    factor = finance.capital_recovery_factor(rate=0.08, years=4, payments_per_year=[1, MONTHS_PER_YEAR])
    np.testing.assert_allclose(factor, [0.30192, 0.29296], rtol=0, atol=rounded_to(5))
