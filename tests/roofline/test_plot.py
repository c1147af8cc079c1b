"""The pictures of phase estimates: what they decide to show, not their pixels."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

import hardware_specs as hs
import roofline as rl
from roofline.plot import plan_roofline, roofline, time_breakdown

KEYS = ("gaudi-2", "gaudi-3", "h100-sxm", "h200-sxm")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def llm():
    return rl.get_llm("llama-3.1-8b")


@pytest.fixture
def both(llm):
    def phases(key, precision="fp8"):
        device = hs.get(key)
        return (
            rl.prefill(llm, device, prompt_tokens=2048, precision=precision),
            rl.decode(llm, device, batch=64, context_tokens=2048, precision=precision),
        )

    return phases


def by_gid(ax, gid):
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


# ----------------------------------------------------------------------------------------------------------------- plan


def test_gaudi_2_in_fp8(both):
    """Published: 865 TFLOPS and 2.45 TB/s (vendor), ridge 353; the paper's 360 is for 2.4 TB/s (Kim IV-D)."""
    plan = plan_roofline(*both("gaudi-2"))
    assert plan.ceilings == (("BF16", 432.0), ("FP8", 865.0))
    assert plan.memory_tb_s == pytest.approx(2.45)
    assert [round(ridge) for ridge in plan.ridges] == [176, 353]


def test_only_formats_in_use_have_a_ceiling(both):
    """Hand: BF16 throughout needs one line; W8A16 multiplies in BF16."""
    for precision in ("bf16", "w8a16"):
        assert [name for name, _ in plan_roofline(*both("h100-sxm", precision)).ceilings] == ["BF16"]


def test_formats_of_the_same_peak_share_a_line(both):
    """Hand: Gaudi 3 multiplies FP8 as fast as BF16."""
    assert [name for name, _ in plan_roofline(*both("gaudi-3")).ceilings] == ["BF16, FP8"]


@pytest.mark.parametrize("key", KEYS)
def test_points_stand_on_the_ideal_roofline(both, key):
    """Sibling: the plan's rates equal the roofline formula of each operation's intensity and format, or stay below
    where another ceiling sets the time: the exponentials of a prefill, on the vector units of Gaudi."""
    for estimate in both(key):
        for point in plan_roofline(estimate).points:
            (operation,) = (one for one in estimate.operations if one.name == point.name)
            roof = rl.formulas.attainable_flops_per_s(
                intensity=point.intensity,
                flops_per_s=estimate.machine.peak_flops(operation.precision),
                bytes_per_s=estimate.machine.memory_bytes_per_s,
            )
            padded = operation.matrix_utilisation < 1 and str(operation.bound) == "matrix"
            if padded or str(operation.bound) not in ("matrix", "memory"):
                assert point.tflops * 1e12 <= float(roof) * (1 + 1e-12)
            else:
                assert point.tflops * 1e12 == pytest.approx(float(roof))


def test_shares_add_up(both):
    """Property: the shares of each estimate's operations are its whole time."""
    plan = plan_roofline(*both("h100-sxm"))
    for index in (0, 1):
        assert sum(point.share for point in plan.points if point.estimate == index) == pytest.approx(1)


def test_decode_attention_is_at_the_group_size(both):
    """Published: the intensity of a BF16 cache is at most g, here 4 (Kim IV-D)."""
    plan = plan_roofline(both("gaudi-2")[1])
    (attention,) = (point for point in plan.points if point.name == "attention")
    assert attention.intensity == pytest.approx(4, rel=0.01)
    assert attention.intensity < 4


def test_collectives_are_left_out_and_said_so(llm):
    """Hand: an all-reduce moves nothing through main memory."""
    step = rl.decode(llm, hs.get("h100-sxm"), batch=64, context_tokens=2048, tensor_parallel=4)
    plan = plan_roofline(step)
    assert "all_reduce" not in {point.name for point in plan.points}
    ((name, share),) = plan.left_out
    assert name == "all_reduce"
    assert share + sum(point.share for point in plan.points) == pytest.approx(1)
    ax = roofline(step)
    (small_print,) = by_gid(ax, "small print")
    assert "without all-reduce" in small_print.get_text()
    assert ax.get_title(loc="left").startswith("4 × ")


def test_rates_are_of_one_device(llm):
    """Property: tensor parallelism lifts no operation above one device's roof."""
    step = rl.prefill(llm, hs.get("h100-sxm"), prompt_tokens=4096, tensor_parallel=8)
    plan = plan_roofline(step)
    assert max(point.tflops for point in plan.points) <= plan.ceilings[-1][1] * (1 + 1e-12)


def test_designs_that_do_not_exist_are_drawn(llm):
    """Hand: a machine of plain numbers."""
    design = rl.Machine(name="what if", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=4e12)
    plan = plan_roofline(rl.decode(llm, design, batch=8, context_tokens=1024))
    assert (plan.machine, plan.ridges) == ("what if", (250.0,))


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("draw", [roofline, time_breakdown])
def test_refusals_say_what_to_give(draw, llm, both):
    """Hand."""
    h100 = hs.get("h100-sxm")
    with pytest.raises(ValueError, match="no estimate to draw"):
        draw()
    with pytest.raises(
        ValueError, match=r"estimate 1 \(decode on .*\) has shape \(2,\).*single batch, length and machine"
    ):
        draw(rl.decode(llm, h100, batch=[1, 8], context_tokens=2048))
    with pytest.raises(ValueError, match="estimate 1 = 3 is not accepted"):
        draw(3)
    for labels in (["one"], "ab"):
        with pytest.raises(ValueError, match=r"labels = .* is not accepted: give 2, one per estimate"):
            draw(*both("h100-sxm"), labels=labels)
    assert plt.get_fignums() == []


def test_one_machine_per_panel(llm, both):
    """Hand: unlike machines, unlike numbers of devices, and two machines of one name."""
    with pytest.raises(ValueError, match=r"unlike machines, .*: draw one panel per machine"):
        roofline(both("gaudi-2")[0], both("h100-sxm")[1])
    h100 = hs.get("h100-sxm")
    steps = [rl.decode(llm, h100, batch=8, context_tokens=1024, tensor_parallel=n) for n in (1, 2)]
    with pytest.raises(ValueError, match=r"unlike machines, 1 × .* and 2 × "):
        roofline(*steps)
    designs = [rl.Machine(name="x", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=b) for b in (2e12, 4e12)]
    with pytest.raises(ValueError, match="two machines named x have unlike rates"):
        roofline(*(rl.decode(llm, design, batch=8, context_tokens=1024) for design in designs))


def test_perfect_overlap_has_no_times_per_operation(llm):
    """Hand: its operations' times do not add up to the phase's."""
    step = rl.decode(llm, hs.get("h100-sxm"), batch=8, context_tokens=1024, overlap="perfect")
    with pytest.raises(ValueError, match="overlap = 'perfect'"):
        time_breakdown(step)


# ------------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("key", KEYS)
def test_slope_ceilings_and_ridges_are_drawn(both, key):
    """Property: the lines are those of the plan, on logarithmic axes with their units."""
    estimates = both(key)
    plan, ax = plan_roofline(*estimates), roofline(*estimates)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "[FLOP/byte]" in ax.get_xlabel()
    assert "[TFLOPS]" in ax.get_ylabel()
    (memory,) = by_gid(ax, "memory")
    x, y = memory.get_data()
    assert np.allclose(y / x, plan.memory_tb_s)
    for (name, tflops), ridge in zip(plan.ceilings, plan.ridges, strict=True):
        (ceiling,) = by_gid(ax, f"ceiling {name}")
        assert set(ceiling.get_ydata()) == {tflops}
        (mark,) = by_gid(ax, f"ridge point {name}")
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((ridge, tflops))


def test_every_operation_is_drawn_and_named(both):
    """Property: one marker per operation, area growing with its share, inside the axes, and its name in a label."""
    estimates = both("h100-sxm")
    ax = roofline(*estimates)
    plan = plan_roofline(*estimates)
    words = " ".join(text.get_text() for text in ax.texts)
    for name in ("QKV", "attention", "output", "MLP up", "MLP down", "LM head"):
        assert words.count(name) == 2
    areas = []
    for point in plan.points:
        (marker,) = by_gid(ax, f"{point.name} {point.estimate}")
        assert np.allclose(marker.get_offsets(), [[point.intensity, point.tflops]])
        areas.append((point.share, marker.get_sizes()[0]))
        assert ax.get_xlim()[0] < point.intensity < ax.get_xlim()[1]
        assert ax.get_ylim()[0] < point.tflops < ax.get_ylim()[1]
    shares, sizes = zip(*sorted(areas), strict=True)
    assert list(sizes) == sorted(sizes)
    assert shares[-1] > shares[0]


def test_phases_differ_in_colour_and_marker(both):
    """Property: so that colour is not all that tells them apart."""
    ax = roofline(*both("h100-sxm"))
    (one,), (other,) = by_gid(ax, "attention 0"), by_gid(ax, "attention 1")
    assert not np.allclose(one.get_facecolors(), other.get_facecolors())
    assert one.get_paths()[0].vertices.shape != other.get_paths()[0].vertices.shape


@pytest.mark.parametrize("size", [None, (5.0, 4.0), (12.0, 7.0)])
@pytest.mark.parametrize("key", KEYS)
def test_labels_keep_apart_and_inside(both, key, size):
    """Property: at any size of the figure."""
    ax = roofline(*both(key))
    if size:
        ax.figure.set_size_inches(size)
    ax.figure.canvas.draw()
    labels = [text for text in ax.texts if text.get_text().endswith(" %")]
    assert len(labels) >= 5
    extents = [Text.get_window_extent(label) for label in labels]
    extents.append(ax.get_legend().get_window_extent())
    inside = ax.get_window_extent()
    for one, other in itertools.combinations(extents, 2):
        assert not one.overlaps(other)
    for box in extents:
        assert inside.x0 <= box.x0 <= box.x1 <= inside.x1
        assert inside.y0 <= box.y0 <= box.y1 <= inside.y1


def test_legend_tells_the_estimates_apart(llm):
    """Hand: what differs is named, what is the same is not."""
    device = hs.get("h100-sxm")
    steps = [rl.decode(llm, device, batch=8, context_tokens=1024, precision=name) for name in ("bf16", "fp8")]
    entries = [text.get_text() for text in roofline(*steps).get_legend().get_texts()]
    assert entries == ["decode, bf16\nbatch 8, context 1,024", "decode, fp8\nbatch 8, context 1,024"]
    entries = [text.get_text() for text in roofline(*steps, labels=["old", "new"]).get_legend().get_texts()]
    assert entries == ["old", "new"]
    assert roofline(steps[0], title="Mine").get_title(loc="left") == "Mine"


def test_draws_into_the_axes_it_is_given(both):
    """Hand: one panel per machine."""
    figure, panels = plt.subplots(2, 2, layout="constrained")
    for ax, key in zip(panels.flat, KEYS, strict=True):
        assert roofline(*both(key), ax=ax) is ax
    assert plt.get_fignums() == [figure.number]
    figure.canvas.draw()


def test_small_print_is_large_enough(both):
    """Property: nothing is below 8 pt."""
    for ax in (roofline(*both("h100-sxm")), time_breakdown(*both("h100-sxm"))):
        ax.figure.canvas.draw()
        assert min(text.get_fontsize() for text in ax.figure.findobj(Text)) >= 8


def test_bars_add_up(both):
    """Property: the bars of a row follow one another without a gap, and end at the phase's time, written there."""
    estimates = [*both("gaudi-2"), *both("h100-sxm")]
    ax = time_breakdown(*estimates)
    for row, estimate in enumerate(estimates):
        bars = [bar for bar in ax.patches if round(bar.get_y() + bar.get_height() / 2) == row]
        assert len(bars) == len(estimate.operations)
        end = 0.0
        for bar in bars:
            assert bar.get_x() == pytest.approx(end)
            end += bar.get_width()
        assert end == pytest.approx(float(estimate.time_s) * 1e3)
        assert f"{end:.3g} ms" in {text.get_text() for text in ax.texts}
    assert "[ms]" in ax.get_xlabel()


def test_short_phases_are_in_microseconds(llm):
    """Hand: a tenth of a millisecond is not written as 0.1 ms."""
    fast = rl.Machine(name="fast", flops_per_s={"bf16": 1e18}, memory_bytes_per_s=1e16)
    assert "[µs]" in time_breakdown(rl.decode(llm, fast, batch=1, context_tokens=16)).get_xlabel()


def test_names_are_taken_literally(llm):
    """Property: a dollar sign in a machine's name is no formula."""
    design = rl.Machine(name=r"$\x$ {1}", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=4e12)
    step = rl.decode(llm, design, batch=8, context_tokens=1024)
    roofline(step, labels=[r"$\a$"]).figure.canvas.draw()
    time_breakdown(step, labels=[r"$\a$"]).figure.canvas.draw()
