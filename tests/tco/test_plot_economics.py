"""Pictures of the economics: what they decide to show, what they keep to themselves, and that it can be read."""

import dataclasses
import itertools
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

import tco
from tco.plot import (
    assignment,
    breakdown,
    cheapest,
    distribution,
    fleet,
    heatmap,
    plan_assignment,
    plan_breakdown,
    plan_cheapest,
    plan_clouds,
    plan_distribution,
    plan_fleet,
    plan_power_cap,
    plan_tornado,
    power_cap,
    regions,
    tornado,
)
from tco.plot.machines_plan import margin_levels, margin_text
from tco.plot.words import dark, key_columns, percent, probability

OWNED = {"server": 690e3, "network": 75e3, "spares": 12e3, "plant": 160e3, "energy": 98e3, "water": 1e3, "carbon": 9e3}
RENTED = {"rent": 1240e3, "network": 12e3, "storage": 21e3}
ROWS = [
    ("price of A", 0.66, 1.06),
    ("electricity", 0.80, 0.845, "$0.05/kWh", "$0.12/kWh"),
    ("throughput of A", 1.02, 0.70, "−20 %", "+20 %"),
    ("rack power limit", 0.79, 0.81, "40 kW", "30 kW"),
]
LENGTH, TARIFF = np.geomspace(256, 65_536, 40), np.linspace(0.03, 0.3, 30)
CAPS_W = np.unique(np.concatenate([np.linspace(5_000, 10_200, 40), 40_000 / np.arange(4, 9)]))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def figure1():
    return tco.surface(r_th=np.linspace(0.2, 2.0, 10), r_sc=np.linspace(0.1, 1.5, 15))


def machines():
    watts = TARIFF[:, None] * 8.76 * 1.3
    return {
        "Gaudi 2": (6.5 + watts) * (1.9 + LENGTH / 8192),
        "H100": (16 + 1.27 * watts) * (1.0 + 0.55 * LENGTH / 8192),
        "MI300X": (14 + 1.5 * watts) * (1.15 + 0.38 * LENGTH / 8192),
        "B200": (31 + 1.75 * watts) * (0.5 + 0.26 * LENGTH / 8192),
    }


def cap_curve():
    """An example of facts section 4.2: integer servers per rack make breakpoints."""
    servers = np.floor(40_000 / CAPS_W + 1e-9)
    cost = (90e3 + 40e3 / servers + 2.5 * CAPS_W) / CAPS_W**0.35
    return {
        "power_w": CAPS_W,
        "relative_cost": cost / cost[-1],
        "relative_throughput": (CAPS_W / CAPS_W[-1]) ** 0.35,
        "servers_per_rack": servers,
    }


def workloads():
    rng = np.random.default_rng(0)
    return {
        "chat": (np.full(9, 0.6), rng.uniform(0.8, 1.4, 9), rng.uniform(1, 9, 9)),
        "long prompts": (np.full(5, 0.6), rng.uniform(0.4, 0.7, 5), np.ones(5)),
    }


DRAWS = 0.72 * np.exp(0.22 * np.random.default_rng(1).standard_normal(5_000))
SERVERS = {"mixed": {"H100": 14, "Gaudi 2": 23, "A100": 1}, "H100 only": {"H100": 31}}
PICTURES = {
    "breakdown": lambda ax: breakdown({"A, owned": OWNED, "B, rented": RENTED}, ax=ax),
    "breakdown revealed": lambda ax: breakdown({"A, owned": OWNED, "B, rented": RENTED}, reveal=True, ax=ax),
    "tornado": lambda ax: tornado(ROWS, base=0.82, names=("Gaudi 2", "H100"), ax=ax),
    "distribution": lambda ax: distribution(DRAWS, names=("Gaudi 2", "H100"), ax=ax),
    "power cap": lambda ax: power_cap(**cap_curve(), ax=ax),
    "fleet": lambda ax: fleet(SERVERS, relative_cost={"mixed": 0.8, "H100 only": 1.0}, ax=ax),
    "assignment": lambda ax: assignment({"chat": {"A10G": 1.0}, "code": {"A10G": 0.25, "A100": 0.75}}, ax=ax),
    "cheapest": lambda ax: cheapest(
        LENGTH, TARIFF, machines(), xlabel="context [tokens]", ylabel="USD/kWh", points={"today": (2048, 0.08)}, ax=ax
    ),
    "cloud": lambda ax: heatmap(
        tco.surface(r_th=np.linspace(0.2, 2, 80), r_sc=np.linspace(0, 1, 80)), cloud=workloads(), mix=(0.6, 0.7), ax=ax
    ),
}


def by_gid(ax, gid):
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


def texts_of(ax, gid):
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def drawn_texts(ax):
    """Every text with its box: those of the axes, its legend, ticks, titles."""
    ax.figure.canvas.draw()
    ticks = {id(label) for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels(which="both")}
    shown = [text for text in ax.findobj(Text) if text.get_visible() and text.get_text().strip()]
    inside = ax.get_window_extent()
    result = []
    for text in shown:
        box = Text.get_window_extent(text) if isinstance(text, Annotation) else text.get_window_extent()
        if id(text) in ticks and not (inside.x0 - 1 <= box.x1 and box.x0 <= inside.x1 + 1):
            continue  # a tick beyond the axis is not drawn
        blank = text.get_text().count("\n ") / (text.get_text().count("\n") + 1)  # lines that make room for the key
        result.append((text, Bbox.from_extents(box.x0, box.y0 + blank * box.height, box.x1, box.y1)))
    return result


def require_readable(ax):
    found = drawn_texts(ax)
    assert len(found) > 5
    assert all(text.get_fontsize() >= 8 for text, _ in found)
    for (one, here), (other, there) in itertools.combinations(found, 2):
        across = min(here.x1, there.x1) - max(here.x0, there.x0)
        up = min(here.y1, there.y1) - max(here.y0, there.y0)
        assert across <= 0.5 or up <= 2.0, f"{one.get_text()!r} and {other.get_text()!r}"  # two pixels: line spacing


# ------------------------------------------------------------------------------------------------------- all pictures


@pytest.mark.parametrize("name", PICTURES)
def test_no_two_texts_overlap_and_none_is_small(name):
    """Property: whatever is written can be read, down to 8 pt."""
    require_readable(PICTURES[name](None))


@pytest.mark.parametrize("name", PICTURES)
def test_each_draws_into_the_axes_it_is_given(name):
    """Property: readably, into no other figure, and drawing it again moves no label by a point."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    assert PICTURES[name](panels[0]) is panels[0]
    assert plt.get_fignums() == [figure.number]
    require_readable(panels[0])
    notes = [text for text in panels[0].texts if isinstance(text, Annotation)]
    first = [note.xyann for note in notes]
    figure.canvas.draw()
    assert np.allclose(first, [note.xyann for note in notes], atol=1.0)


@pytest.mark.parametrize("name", PICTURES)
def test_titles_are_left(name):
    """Hand: house style."""
    ax = PICTURES[name](None)
    assert ax.get_title(loc="left")
    assert not ax.get_title(loc="center")


def test_names_are_taken_literally():
    """Property: a dollar sign or a backslash in a name is no formula."""
    bad = r"$\frac $ _{"
    for ax in (
        breakdown({bad: {bad: 1.0}, "B": {"server": 2.0}}, title=bad),
        tornado([(bad, 0.8, 1.2, bad, bad)], base=1.0, names=(bad, bad)),
        distribution(DRAWS, names=(bad, bad)),
        fleet({bad: {bad: 2}}),
        assignment({bad: {bad: 1.0}}),
        cheapest([1, 2], [1, 2], {bad: [[1, 2]] * 2, "B": [[2, 1]] * 2}, xlabel=bad, ylabel=bad, points={bad: (1, 1)}),
        heatmap(tco.surface(r_th=[0.5, 1.0, 1.5], r_sc=[0.5, 1.0]), cloud={bad: ([0.7], [0.9])}),
    ):
        ax.figure.canvas.draw()


@pytest.mark.parametrize(
    "plan",
    [
        plan_breakdown({"A": {"server": 1.0}, "B": {"server": 2.0}}),
        plan_tornado(ROWS, base=0.82),
        plan_distribution([0.5, 0.7]),
        plan_power_cap(power_w=[1, 2], relative_cost=[1, 1], relative_throughput=[1, 1]),
        plan_fleet({"A": {"x": 1}}),
        plan_cheapest([1, 2], [1, 2], {"A": [[1, 2]] * 2, "B": [[2, 1]] * 2}),
    ],
    ids=lambda plan: type(plan).__name__,
)
def test_plans_are_frozen_and_pickle(plan):
    """Property: a plan can go to another process, and nobody changes it."""
    assert type(pickle.loads(pickle.dumps(plan))) is type(plan)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.names = ()


def test_colours_of_words_are_readable_on_white():
    """Property: text is dark however pale the segment is, and never pure red or green."""
    for colour in ("#ffffff", "#f0e442", "#000000", "#56b4e9"):
        red, green, blue = to_rgb(dark(colour))
        assert 0.299 * red + 0.587 * green + 0.114 * blue <= 0.43


# ---------------------------------------------------------------------------------------------------------- breakdown


def test_shares_are_of_the_last_bar_and_sum_to_the_ratio():
    """Hand: 60 + 20 of 100, and 100 of 100; the whole is the sum of the parts."""
    plan = plan_breakdown({"A": {"server": 60.0, "energy": 20.0}, "B": {"server": 80.0, "energy": 20.0}})
    assert np.allclose(plan.values, [[0.6, 0.2], [0.8, 0.2]])
    assert plan.total_texts == ("0.8×", "1×")
    assert np.allclose(plan.totals, plan.relative)


@given(
    costs=st.lists(
        st.dictionaries(st.sampled_from([*OWNED, *RENTED, "mine"]), st.floats(1.0, 1e9), min_size=1),
        min_size=1,
        max_size=4,
    ),
    scale=st.floats(1e-3, 1e3),
)
def test_nothing_is_lost_in_grouping_and_prices_times_k_change_nothing(costs, scale):
    """Property: gathered or not, a bar is as long as its cost over the last one's."""
    named = {f"plan {i}": parts for i, parts in enumerate(costs)}
    plan = plan_breakdown(named)
    wholes = np.array([sum(parts.values()) for parts in costs])
    assert np.allclose(plan.totals, wholes / wholes[-1])
    scaled = plan_breakdown(
        {label: {part: scale * usd for part, usd in parts.items()} for label, parts in named.items()}
    )
    assert scaled.parts == plan.parts
    assert np.allclose(scaled.values, plan.values)
    assert len(plan.parts) <= 11
    assert ("other" in plan.parts) == bool(plan.gathered)


def test_small_parts_are_gathered_and_named():
    """Hand: water and carbon are 0.1 % and 0.9 % of the larger bar, spares 1.1 %; storage 1.6 %."""
    plan = plan_breakdown({"A": OWNED, "B": RENTED})
    assert plan.gathered == ("spares", "storage", "carbon", "water")
    assert plan.parts[-1] == "other"
    assert plan.rule == "other: spares, storage, carbon and water, each up to 1.6 % of a bar"
    alone = plan_breakdown({"A": {"server": 99.0, "water": 1.0}})
    assert alone.parts == ("server", "water")  # gathering one part would only hide its name
    assert alone.rule == ""


def test_a_part_has_its_place_and_colour_everywhere():
    """Property: whatever order and company it comes in."""
    one = plan_breakdown({"A": {"energy": 1.0, "server": 2.0, "mine": 1.0}})
    other = plan_breakdown({"A": {"server": 1.0, "plant": 1.0, "energy": 1.0}})
    assert one.parts == ("server", "energy", "mine")
    assert other.parts == ("server", "plant", "energy")
    assert one.colours["energy"] == other.colours["energy"]
    assert len(set(one.colours.values())) == 3


def test_dollars_appear_only_when_revealed():
    """Property: neither the plan, nor a text, nor a width of the hidden picture holds an amount."""
    costs = {"A": {"server": 7_654_321.0, "energy": 1_234_567.0}, "B": {"server": 9_876_543.0, "energy": 1_111_111.0}}
    ax = breakdown(costs)
    ax.figure.canvas.draw()
    said = " ".join(text.get_text() for text in ax.figure.findobj(Text)) + repr(plan_breakdown(costs))
    for digits in ("7654", "7,654", "7.65", "9876", "9,876", "9.88", "8888", "8,88", "8.89", "10.99", "10,98", "llion"):
        assert digits not in said
    assert max(patch.get_width() for patch in ax.patches) <= 2
    shown = breakdown(costs, reveal=True)
    assert shown.get_xlabel() == "cost [million USD/year]"
    assert texts_of(shown, "total") == ["8.89 (0.81×)", "11 (1×)"]


@pytest.mark.parametrize("bad", [-123456.0, np.nan, np.inf, True, "123456", None])
def test_a_refused_cost_names_its_part_and_not_its_value(bad):
    """Property: unknown is never zero, and private numbers stay out of messages."""
    with pytest.raises(ValueError, match=r"part 'energy' of 'A' is not accepted: give a finite number") as refused:
        breakdown({"A": {"server": 1.0, "energy": bad}})
    assert "123456" not in str(refused.value)
    assert plt.get_fignums() == []


def test_costs_that_add_up_to_nothing_are_refused():
    """Hand: nothing costs $0."""
    with pytest.raises(ValueError, match="parts of 'B' add up to nothing"):
        breakdown({"A": {"server": 1.0}, "B": {"server": 0.0}})
    for empty in ({}, {"A": {}}):
        with pytest.raises(ValueError, match="give a mapping"):
            breakdown(empty)


def test_the_key_is_read_along_its_rows_and_is_no_wider_than_the_axes():
    """Hand: two labels of 10 letters need about 2 × 75 pt."""
    assert key_columns(["x" * 10] * 4, 1000) == 4
    assert key_columns(["x" * 10] * 4, 160) == 2
    assert key_columns(["x" * 10] * 4, 10) == 1


# ------------------------------------------------------------------------------------------------------------ tornado


def test_rows_are_sorted_by_how_far_they_move_the_ratio():
    """Hand: factors 1.06/0.66 = 1.61, 1.02/0.70 = 1.46, 0.845/0.80 = 1.06, and 0.82/0.79 = 1.04 with the base."""
    plan = plan_tornado(ROWS, base=0.82)
    assert [row.name for row in plan.rows] == ["price of A", "throughput of A", "electricity", "rack power limit"]
    assert [row.flips for row in plan.rows] == [True, True, False, False]


@given(st.lists(st.tuples(st.floats(0.05, 20), st.floats(0.05, 20)), min_size=1, max_size=8), st.floats(0.1, 10))
def test_inverting_every_ratio_keeps_the_order(ends, base):
    """Property: on a logarithmic scale the picture of B over A is the mirror of A over B."""
    rows = [(f"input {i}", low, high) for i, (low, high) in enumerate(ends)]
    there = plan_tornado(rows, base=base)
    back = plan_tornado([(name, 1 / low, 1 / high) for name, low, high in rows], base=1 / base)
    swings = [max(r.low, r.high, base) / min(r.low, r.high, base) for r in there.rows]
    mirrored = [max(r.low, r.high, 1 / base) / min(r.low, r.high, 1 / base) for r in back.rows]
    assert np.allclose(swings, mirrored)
    assert (np.diff(swings) <= 1e-9 * np.array(swings[1:])).all()


def test_what_is_left_out_is_said():
    """Hand: the two rows left out move the ratio by up to 0.845/0.80 = 5.6 %."""
    plan = plan_tornado(ROWS, base=0.82, most=2)
    assert plan.left_out == ("electricity", "rack power limit")
    assert plan.largest_left_out == pytest.approx(0.845 / 0.80)
    (said,) = texts_of(tornado(ROWS, base=0.82, most=2), "small print")
    assert "electricity and rack power limit, which move the ratio by up to 5.6 %" in said.replace("\n", " ")


def test_bars_change_colour_at_break_even():
    """Hand: the price's bar runs from 0.66 to 1 in blue and from 1 to 1.06 in orange."""
    ax = tornado(ROWS, base=0.82)
    blue, orange = (bar for bar in ax.patches if bar.get_gid() == "bar price of A")
    assert (blue.get_x(), blue.get_x() + blue.get_width()) == pytest.approx((0.66, 1.0))
    assert (orange.get_x(), orange.get_x() + orange.get_width()) == pytest.approx((1.0, 1.06))
    assert blue.get_facecolor()[2] > blue.get_facecolor()[0]
    assert orange.get_facecolor()[0] > orange.get_facecolor()[2]
    assert ax.get_xscale() == "log"
    assert len(by_gid(ax, "break-even")) == len(by_gid(ax, "base")) == 1


def test_private_inputs_are_low_and_high():
    """Hand: words where given; two values on one side of the base stand at one end."""
    ax = tornado(ROWS, base=0.82)
    ends = texts_of(ax, "end")
    assert ends[:4] == ["low", "high", "+20 %", "−20 %"]  # to the left stands what makes A cheaper
    assert ends[6:] == ["40 kW to 30 kW", ""]


def test_both_sides_have_room_for_their_name():
    """Property: break-even is inside however far the rows are from it."""
    for base in (0.05, 0.5, 2.0, 30.0):
        ax = tornado([("x", base * 0.9, base * 1.1)], base=base)
        left, right = ax.get_xlim()
        assert left < 1 < right
        assert left < base * 0.9 < base * 1.1 < right


@pytest.mark.parametrize(
    ("rows", "base", "message"),
    [
        ([], 1.0, "rows is empty"),
        ([("x", 0.9)], 1.0, "row 1 is not accepted"),
        ([("x", 0.9, 1.0, "low")], 1.0, "row 1 is not accepted"),
        (["x"], 1.0, "row 1 is not accepted"),
        ([("x", 0.0, 1.0)], 1.0, "ratio of 'x' at low is not accepted"),
        ([("x", 0.9, np.nan)], 1.0, "ratio of 'x' at high is not accepted"),
        ([("x", 0.9, 1.1)], -1.0, "base is not accepted"),
        ([("x", 0.9, 1.1), ("x", 0.9, 1.1)], 1.0, "input 'x' comes twice"),
    ],
)
def test_mistakes_in_rows_say_what_is_accepted(rows, base, message):
    """Hand."""
    with pytest.raises(ValueError, match=message):
        tornado(rows, base=base)
    assert plt.get_fignums() == []


# ------------------------------------------------------------------------------------------------------- distribution


def test_a_lognormal_has_its_closed_form_probability():
    """Hand: facts 4.7: ln rho ~ N(m, s) gives P(rho < 1) = Φ(−m/s); 200,000 draws are within 4 standard errors."""
    from scipy.stats import norm

    m, s = np.log(0.72), 0.22
    draws = np.exp(m + s * np.random.default_rng(5).standard_normal(200_000))
    plan = plan_distribution(draws)
    p = norm.cdf(-m / s)
    assert plan.probability == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 200_000))
    assert plan.median == pytest.approx(0.72, rel=0.005)
    assert plan.low == pytest.approx(np.exp(m - 1.6449 * s), rel=0.01)
    assert plan.high == pytest.approx(np.exp(m + 1.6449 * s), rel=0.01)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=200), st.floats(0.05, 0.95))
def test_bins_hold_the_draws_and_break_at_one(draws, level):
    """Property: shares and what is outside make 1; no bin holds draws from both sides of break-even."""
    plan = plan_distribution(draws, level=level)
    assert plan.shares.sum() + plan.outside == pytest.approx(1)
    assert (np.diff(plan.edges) > 0).all()
    if plan.edges[0] < 1 < plan.edges[-1]:
        assert np.abs(plan.edges - 1).min() < 1e-9
    assert plan.low <= plan.median <= plan.high
    assert plan.shares.size <= 2000


def test_swapping_the_sides_swaps_the_probabilities():
    """Property: P(A cheaper) + P(B cheaper) = 1 where no draw is exactly level."""
    assert plan_distribution(DRAWS).probability + plan_distribution(1 / DRAWS).probability == pytest.approx(1)
    here = texts_of(distribution(DRAWS, names=("A", "B")), "probability")
    there = texts_of(distribution(1 / DRAWS, names=("B", "A")), "probability")
    assert sorted(here) == sorted(there)


def test_certainty_is_not_rounded_up():
    """Hand: 1 of 10,000 draws is not none."""
    assert probability(0.9999) == ">99.9 %"
    assert probability(0.0001) == "<0.1 %"
    assert probability(1.0) == "100 %"
    assert probability(0.932) == "93.2 %"
    assert probability(0.7) == "70 %"
    assert percent(0.0004) == "<0.1 %"
    assert percent(0.031) == "3.1 %"


@pytest.mark.parametrize("draws", [[0.5, 0.5, 0.5], [1.0, 1.0], [3.0, 3.0, 3.0, 3.1]])
def test_draws_that_hardly_differ_are_drawn(draws):
    """Property: one tall bin, and a picture."""
    distribution(draws).figure.canvas.draw()


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        ([0.5], {}, "give two or more"),
        ([0.5, -1.0], {}, "values = -1 is not accepted"),
        ([0.5, np.nan], {}, "values = nan is not accepted"),
        ([0.5, 0.6], {"level": 1.0}, "level = 1 is not accepted"),
        ([0.5, 0.6], {"level": 0.0}, "level = 0 is not accepted"),
        ([0.5, 0.6], {"names": "AB"}, "names = 'AB' is not accepted"),
    ],
)
def test_mistakes_in_draws_say_what_is_accepted(values, arguments, message):
    """Hand."""
    with pytest.raises(ValueError, match=message):
        distribution(values, **arguments)
    assert plt.get_fignums() == []


# -------------------------------------------------------------------------------------------------------------- cloud


@pytest.mark.parametrize("draw", [heatmap, regions])
def test_clouds_are_filled_where_measured_and_sized_by_weight(draw, figure1):
    """Hand: a weight of half the largest has half its area."""
    cloud = {"runs": ([0.5, 0.6], [0.8, 1.0], [1.0, 2.0]), "guesses": ([0.5, 0.6], [1.5, 1.6])}
    ax = draw(figure1, cloud=cloud, mix=(0.55, 1.2), measured=["runs", "mix"])
    (runs,), (guesses,), (star,) = by_gid(ax, "cloud runs"), by_gid(ax, "cloud guesses"), by_gid(ax, "mix")
    assert np.allclose(runs.get_offsets(), [[0.5, 0.8], [0.6, 1.0]])
    assert runs.get_sizes()[0] == pytest.approx(runs.get_sizes()[1] / 2)
    assert np.allclose(runs.get_facecolors(), to_rgba("black"))
    assert guesses.get_facecolors().size == 0
    assert np.allclose(star.get_facecolors(), to_rgba("black"))
    (said,) = texts_of(ax, "small print")
    assert "○ assumed, ● measured; area: weight" in said


def test_a_cloud_says_how_many_it_holds_and_the_range_of_their_ratios(figure1):
    """Hand: (0.6 + 1)/(2·0.8) = 1 and (0.6 + 1)/(2·1.6) = 0.5."""
    plan = plan_clouds(figure1, {"chat": ([0.6, 0.6], [0.8, 1.6]), "one": ([0.6], [0.8])})
    assert [cloud.text for cloud in plan] == ["chat, 2 workloads: 0.50× to 1.00×", "one: 1.00×"]
    ax = heatmap(figure1, mix=(0.6, 0.8))
    assert "mix: 1.00×" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"cloud": {"x": ([0.5, 9.0], [1.0, 1.0])}},
            "cloud 'x' has 1 of 2 workloads outside the axes: r_sc runs from 0.1",
        ),
        ({"cloud": {"x": ([0.5], [1.0, 1.1])}}, "cloud 'x' has shapes"),
        ({"cloud": {"x": [0.5]}}, r"cloud 'x' is not accepted: give \(r_sc, r_th\)"),
        ({"cloud": {"x": ([0.5], [1.0], [0.0])}}, "weights of cloud 'x' = 0 is not accepted"),
        ({"cloud": {"x": ([0.5], [1.0])}, "points": {"x": (0.5, 1.0)}}, "'x' is the name of two things"),
        ({"mix": (0.5, 3.0)}, "mix .* is outside the axes"),
        ({"measured": ["mix"]}, "measured names 'mix', which is not a point"),
    ],
)
@pytest.mark.parametrize("draw", [heatmap, regions])
def test_mistakes_in_clouds_say_what_is_accepted(draw, arguments, message, figure1):
    """Hand."""
    with pytest.raises(ValueError, match=message):
        draw(figure1, **arguments)
    assert plt.get_fignums() == []


# ---------------------------------------------------------------------------------------------------------- power cap


def test_breakpoints_are_where_one_server_less_fits():
    """Hand: 40 kW hold 8 servers up to 5 kW, 7 up to 40/7, then 6, 5 (8 kW), 4 (10 kW), 3."""
    plan = plan_power_cap(**cap_curve())
    assert [band.servers for band in plan.bands] == [8, 7, 6, 5, 4, 3]
    assert [band.high_w for band in plan.bands[:-1]] == pytest.approx([5_000, 40_000 / 7, 40_000 / 6, 8_000, 10_000])
    assert [plan.power_w[step] for step in plan.steps] == pytest.approx([band.high_w for band in plan.bands[:-1]])


def test_the_cost_steps_and_the_throughput_does_not():
    """Property: at each breakpoint the line has two heights, and rises from the one to the other."""
    plan = plan_power_cap(**cap_curve())
    ((x, y, beyond),) = plan.lines("cost")
    assert not beyond
    for step in plan.steps:
        at = y[x == plan.power_w[step]]
        assert at[-1] > at[0] == plan.cost[step]
    ((x, y, _),) = plan.lines("throughput")
    assert np.array_equal(x, plan.power_w)
    assert np.array_equal(y, plan.throughput)


def test_the_optimum_is_the_lowest_cost_unless_it_is_given():
    """Hand: facts 4.2 takes the breakpoint at 10 kW."""
    curve = cap_curve()
    plan = plan_power_cap(**curve)
    assert plan.power_w[plan.optimum] == pytest.approx(10_000)
    assert plan.cost[plan.optimum] == plan.cost.min()
    assert plan_power_cap(**curve, optimum_w=8_000).power_w[plan_power_cap(**curve, optimum_w=8_000).optimum] == 8_000
    (ring,) = by_gid(power_cap(**curve), "optimum")
    assert ring.get_xdata()[0] == pytest.approx(10.0)


def test_order_does_not_matter():
    """Property: caps are sorted, and everything with them."""
    curve = cap_curve()
    shuffled = np.random.default_rng(0).permutation(CAPS_W.size)
    there, back = plan_power_cap(**curve), plan_power_cap(**{name: values[shuffled] for name, values in curve.items()})
    assert np.array_equal(there.cost, back.cost)
    assert there.bands == back.bands


def test_what_is_known_how_is_told_apart():
    """Hand: measured at 400 and 700 W, interpolated between, extrapolated below."""
    power = np.array([300.0, 350, 400, 500, 600, 700])
    kinds = ["extrapolated", "extrapolated", "measured", "interpolated", "interpolated", "measured"]
    arguments = {
        "power_w": power,
        "relative_cost": 1.1 - power / 7000,
        "relative_throughput": power / 700,
        "kinds": kinds,
    }
    plan = plan_power_cap(**arguments)
    assert plan.extrapolated == ((300.0, 400.0),)
    dashed, solid = plan.lines("cost")
    assert (dashed[2], solid[2]) == (True, False)
    assert (dashed[0][-1], solid[0][0], solid[0][-1]) == (400, 400, 700)
    ax = power_cap(**arguments)
    (points,) = by_gid(ax, "cost measured")
    assert list(points.get_xdata()) == [400, 700]
    first, second = by_gid(ax, "cost line")
    assert first.get_linestyle() != second.get_linestyle()
    (hatched,) = by_gid(ax, "extrapolated")
    assert hatched.get_hatch()


def test_two_measured_levels_are_not_joined():
    """Hand: Kim Table IV has two cap levels; nothing is said between or beyond them."""
    arguments = {"power_w": [400, 700], "relative_cost": [0.95, 1.0], "relative_throughput": [0.87, 1.0]}
    plan = plan_power_cap(**arguments, kinds="measured")
    assert plan.lines("cost") == plan.lines("throughput") == ()
    power_cap(**arguments, kinds="measured").figure.canvas.draw()


def test_modelled_lines_pass_by_what_was_measured():
    """Property: a measured point beside a model's is a check of it, not a knot."""
    plan = plan_power_cap(
        power_w=[1.0, 2, 3],
        relative_cost=[1.0, 5.0, 1.0],
        relative_throughput=[1.0] * 3,
        kinds=["modelled", "measured", "modelled"],
    )
    ((x, y, _),) = plan.lines("cost")
    assert list(x) == [1, 3]
    assert list(y) == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relative_cost": [1.0]}, "relative_cost has 1 values: give 3"),
        ({"kinds": ["modelled"]}, "kinds has 1 values: give 3"),
        ({"kinds": "guessed"}, "kinds = 'guessed' is not accepted"),
        ({"power_w": [7123.0, 7123.0, 9000.0]}, "power_w holds a cap twice"),
        ({"power_w": [-7123.0, 8000.0, 9000.0]}, "power_w is not accepted"),
        ({"servers_per_rack": [3, 4, 5]}, "servers_per_rack is not accepted"),
        ({"servers_per_rack": [5.5, 4, 3]}, "servers_per_rack is not accepted"),
        ({"optimum_w": 7123.5}, "optimum_w is none of power_w"),
    ],
)
def test_mistakes_in_caps_say_what_is_accepted_and_no_watts(changes, message):
    """Hand: powers may be private."""
    arguments = {"power_w": [7123.0, 8000.0, 9000.0], "relative_cost": [1.0] * 3, "relative_throughput": [1.0] * 3}
    with pytest.raises(ValueError, match=message) as refused:
        power_cap(**(arguments | changes))
    assert "7123" not in str(refused.value)
    assert "7123" not in repr(plan_power_cap(**arguments, servers_per_rack=[5, 4, 3]))
    assert plt.get_fignums() == []


# -------------------------------------------------------------------------------------------------------------- fleet


def test_bars_hold_the_counts():
    """Published: Mélange's example, 3 A10G and 1 A100 at $6.70/h; 12 A10G at $12.12; 2 A100 at $7.34 (facts T4)."""
    plan = plan_fleet(
        {"mixed": {"A10G": 3, "A100": 1}, "A10G": {"A10G": 12}, "A100": {"A100": 2}},
        relative_cost={"A100": 1.0, "mixed": 6.70 / 7.34, "A10G": 12.12 / 7.34},
    )
    assert np.array_equal(plan.counts, [[3, 1], [12, 0], [0, 2]])
    assert plan.total_texts == ("4 servers, 0.91×", "12 servers, 1.65×", "2 servers, 1×")
    assert plan.reference == "that of A100"


def test_every_count_is_written_also_where_its_segment_is_narrow():
    """Property: inside the bar or above it."""
    ax = fleet({"many": {"A": 1000, "B": 1, "C": 2, "D": 3}})
    ax.figure.canvas.draw()
    notes = [text for text in ax.texts if text.get_gid() == "segment"]
    assert [note.get_text() for note in notes] == ["1,000", "1", "2", "3"]
    assert all(note.get_visible() for note in notes)
    assert notes[0].xyann[1] == 0
    assert all(note.xyann[1] > 0 for note in notes[1:])


def test_options_nobody_has_are_left_out_and_fractions_are_shown():
    """Hand: a relaxed plan may hold parts of servers."""
    plan = plan_fleet({"relaxed": {"A": 1.125, "B": 0}})
    assert plan.options == ("A",)
    assert plan.total_texts == ("1.1 servers",)
    assert plan_fleet({"one": {"A": 1}}).total_texts == ("1 server",)


def test_the_assignment_stands_beside_in_the_same_colours():
    """Hand: two panels, columns in the order of the key."""
    ax = fleet(
        {"mixed": {"A10G": 3, "A100": 1}}, assignment={"chat": {"A10G": 1.0}, "code": {"A100": 0.75, "A10G": 0.25}}
    )
    left, right = ax.figure.axes
    assert left is ax
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["A10G", "A100"]
    assert texts_of(right, "share") == ["100 %", "25 %", "75 %"]
    ax.figure.canvas.draw()
    assert plan_assignment({"chat": {"A": 1.0}}, colours={"B": "#000000", "A": "#ffffff"}).options == ("B", "A")


@pytest.mark.parametrize(
    ("servers", "arguments", "message"),
    [
        ({}, {}, "give a mapping"),
        ({"x": {"A": 0}}, {}, "fleet 'x' has no servers"),
        ({"x": {"A": -1}}, {}, "count of 'A' in 'x' is not accepted"),
        ({"x": {"A": 1}}, {"relative_cost": {"y": 1.0}}, "relative_cost is for"),
        ({"x": {"A": 1}}, {"assignment": {"chat": {"A": 0.5}}}, "shares of 'chat' add up to 0.5"),
        ({"x": {"A": 1}}, {"assignment": {"chat": {"B": 1.0}}}, "assignment names 'B', which no fleet has"),
    ],
)
def test_mistakes_in_fleets_say_what_is_accepted(servers, arguments, message):
    """Hand."""
    with pytest.raises(ValueError, match=message):
        fleet(servers, **arguments)
    assert plt.get_fignums() == []


def test_an_assignment_needs_a_panel_of_its_own():
    """Hand."""
    ax = plt.subplots()[1]
    with pytest.raises(ValueError, match=r"draw it with tco.plot.assignment"):
        fleet({"x": {"A": 1}}, assignment={"chat": {"A": 1.0}}, ax=ax)


# ----------------------------------------------------------------------------------------------------------- cheapest


def test_the_cheapest_wins_at_every_sample():
    """Sibling: at the samples the raster says what argmin says; the margin is the second over the first."""
    costs = machines()
    plan = plan_cheapest(LENGTH, TARIFF, costs)
    stack = np.stack(list(costs.values()))
    for row, column in itertools.product((0, 7, 19, 29), (0, 11, 23, 39)):
        first, second = np.sort(stack[:, row, column])[:2]
        name, margin = plan.at(LENGTH[column], TARIFF[row])
        assert margin == pytest.approx(second / first, rel=0.02)  # the nearest place of the raster, not the sample
        if second / first > 1.02:
            assert name == list(costs)[int(stack[:, row, column].argmin())]


def test_a_power_law_border_is_exact():
    """Hand: x²·y against 100: interpolated in logarithm on logarithmic axes, the border is y = 100/x² to the raster."""
    x, y = np.geomspace(1, 100, 5), np.geomspace(0.01, 100, 7)
    plan = plan_cheapest(x, y, {"A": x**2 * y[:, None], "B": np.full((7, 5), 100.0)})
    exact = plan.x**2 * plan.y[:, None] / 100
    assert np.allclose(plan.lead[0], 1 / exact)
    assert ((plan.winner == 0) == (exact < 1)).mean() > 0.999


@pytest.mark.parametrize("seed", range(5))
def test_leads_and_margins_agree(seed):
    """Property: the winner's lead is the margin, everyone else's is at most 1, and costs times k change nothing."""
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(0, 1, 4)) + np.arange(4), np.arange(1.0, 4)
    costs = {name: np.exp(rng.normal(0, 1, (3, 4))) for name in "ABC"}
    plan = plan_cheapest(x, y, costs)
    best = np.take_along_axis(plan.lead, plan.winner[None], axis=0)[0]
    assert np.allclose(best, plan.margin)
    assert (plan.margin >= 1).all()
    assert ((plan.lead > 1).sum(axis=0) <= 1).all()
    scaled = plan_cheapest(x, y, {name: 7.3 * values for name, values in costs.items()})
    assert np.allclose(scaled.margin, plan.margin)


def test_every_region_is_named_inside_itself():
    """Property: a name that fits stands where its machine is the cheapest, and no machine without region is named."""
    plan = plan_cheapest(LENGTH, TARIFF, machines())
    assert {label.name for label in plan.labels} == set(plan.names) - set(plan.never)
    for label in plan.labels:
        assert plan.at(label.x, label.y)[0] == label.name
    ax = cheapest(LENGTH, TARIFF, machines(), xlabel="x", ylabel="y")
    assert set(texts_of(ax, "region")) | set(texts_of(ax, "region beside")) == {label.name for label in plan.labels}
    (said,) = texts_of(ax, "small print")
    for name in plan.never:
        assert name in said


def test_names_keep_off_marked_points():
    """Property: the name of a region is not written over a point in it."""
    x = np.linspace(0, 1, 20)
    costs = {"A": np.ones((20, 20)), "B": np.full((20, 20), 2.0)}
    (free,) = plan_cheapest(x, x, costs).labels
    (moved,) = plan_cheapest(x, x, costs, keep_off=[(free.x, free.y)]).labels
    assert abs(free.x - 0.5) < 0.02
    assert abs(free.y - 0.5) < 0.02
    assert abs(moved.x - free.x) > 0.09 or abs(moved.y - free.y) > 0.025


def test_a_region_too_small_for_its_name_is_named_beside():
    """Hand: B wins in a corner of about 5 % by 5 %."""
    x = np.linspace(0, 1, 41)
    far = np.maximum(x, x[:, None])
    ax = cheapest(x, x, {"A": np.ones((41, 41)), "a long name": np.where(far < 0.04, 0.5, 1.5)}, xlabel="x", ylabel="y")
    assert texts_of(ax, "region") == ["A"]
    assert texts_of(ax, "region beside") == ["a long name"]


def test_what_cannot_serve_does_not_win():
    """Hand: A serves up to x = 2, B up to x = 3, none at x = 4; no region reaches beyond its last sample."""
    nan = np.nan
    plan = plan_cheapest([1, 2, 3, 4], [1, 2], {"A": [[1, 1, nan, nan]] * 2, "B": [[2, 2, 2, nan]] * 2})
    assert plan.at(1.5, 1) == ("A", 2.0)
    assert plan.at(2.5, 1) == ("B", None)
    assert plan.at(3.5, 1) is None
    ax = cheapest(
        [1, 2, 3, 4],
        [1, 2],
        {"A": [[1, 1, nan, nan]] * 2, "B": [[2, 2, 2, nan]] * 2},
        xlabel="x",
        ylabel="y",
        points={"p": (2.5, 1.5), "q": (3.9, 1.5)},
    )
    assert texts_of(ax, "point label") == ["p: B, no other can serve", "q: none can serve"]
    assert "grey: none can serve" in texts_of(ax, "small print")[0]


def test_nothing_serves_anywhere():
    """Hand: all grey, and no error."""
    nothing = np.full((2, 3), np.nan)
    cheapest([1, 2, 3], [1, 2], {"A": nothing, "B": nothing}, xlabel="x", ylabel="y").figure.canvas.draw()


def test_equal_costs_are_too_close_to_call():
    """Hand: the same machine twice."""
    costs = {"A": np.ones((3, 3)), "B": np.ones((3, 3))}
    ax = cheapest([1, 2, 3], [1, 2, 3], costs, xlabel="x", ylabel="y")
    assert by_gid(ax, "too close")
    assert "hatched: less than 5 %, too close to call" in texts_of(ax, "small print")[0].replace("\n", " ")
    ax.figure.canvas.draw()


def test_margins_are_round_and_written_plainly():
    """Hand."""
    assert margin_levels([1.0, 1.04]) == ()
    assert margin_levels([np.nan]) == ()
    assert margin_levels([1.0, 1.6], close=0.2) == (1.5,)
    assert [margin_text(margin) for margin in (1.0, 1.05, 1.125, 2.0, 3.5)] == ["+0 %", "+5 %", "+12 %", "2×", "3.5×"]


@pytest.mark.parametrize(
    ("x", "costs", "points", "message"),
    [
        ([1, 2], {"A": [[1, 2]] * 2}, {}, "costs holds one machine"),
        ([2, 1], {"A": [[1, 2]] * 2, "B": [[1, 2]] * 2}, {}, "x is not an axis"),
        (
            [1, 2],
            {"A": [[1, 2]], "B": [[1, 2]] * 2},
            {},
            r"costs of 'A' are not accepted: give numbers of shape \(2, 2\)",
        ),
        (
            [1, 2],
            {"A": [[-77777, 2]] * 2, "B": [[1, 2]] * 2},
            {},
            "costs of 'A' are not accepted: give numbers above 0",
        ),
        ([1, 2], {"A": [[0, 2]] * 2, "B": [[1, 2]] * 2}, {}, "costs of 'A' are not accepted: give numbers above 0"),
        (
            [1, 2],
            {"A": [[1, 2]] * 2, "B": [[1, 2]] * 2},
            {"p": (3, 1)},
            "point 'p' is outside the axes: x runs from 1 to 2",
        ),
        ([1, 2], {"A": [[1, 2]] * 2, "B": [[1, 2]] * 2}, {"p": 3}, r"point 'p' is not accepted: give \(x, y\)"),
    ],
)
def test_mistakes_in_costs_say_what_is_accepted_and_no_cost(x, costs, points, message):
    """Hand: costs may be private."""
    with pytest.raises(ValueError, match=message) as refused:
        cheapest(x, [1, 2], costs, xlabel="x", ylabel="y", points=points)
    assert "77777" not in str(refused.value)
    assert plt.get_fignums() == []


def test_the_plan_holds_no_cost():
    """Property: only axes and ratios; none of 10⁷ dollars is found."""
    plan = plan_cheapest([1, 2], [1, 2], {"A": [[1.1e7, 1.2e7]] * 2, "B": [[1.3e7, 1.05e7]] * 2})
    for array in (plan.margin, plan.lead, plan.winner):
        assert np.abs(array).max() < 100


def test_a_tornado_of_the_risk_room_is_drawn_as_it_is():
    # property: results on the axis, private inputs without numbers, whatever the order of a bar's fields.
    def model(price, tariff):
        return 0.5 + price / 1e6 + tariff

    found = tco.risk.tornado(
        model, {"price": tco.risk.Uniform(1e5, 3e5, private=True), "tariff": tco.risk.Uniform(0.05, 0.15)}
    )
    ax = tco.plot.tornado(found)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["price", "tariff"]
    texts = " ".join(text.get_text() for text in ax.texts)
    assert "0.055" in texts
    assert "000" not in texts
    plt.close(ax.figure)
    with pytest.raises(ValueError, match="row 1 is not accepted"):
        tco.plot.tornado(found.bars, base=0.8)
    with pytest.raises(ValueError, match="base is needed"):
        tco.plot.tornado([("tariff", 0.9, 1.1)])


def test_a_choice_of_cap_is_drawn_as_it_is():
    # property: every breakpoint and measured cap is among the points, and the optimum is the choice's own.
    choice = tco.power_cap.best_cap(
        tco.power_cap.PowerLaw(reference_w=700.0, exponent=0.35),
        facility=tco.Facility(rack_usd=3e5),
        server_price_usd=3e5,
        devices=8,
        host_w=4_600.0,
        lowest_cap_w=400.0,
    )
    drawn = choice.drawn()
    ax = tco.plot.power_cap(**drawn)
    assert set(drawn["kinds"]) == {"assumed"}
    assert drawn["optimum_w"] in drawn["power_w"]
    assert "assumed" in " ".join(text.get_text() for text in ax.figure.texts + ax.texts) + ax.get_title(loc="left")
    plt.close(ax.figure)
