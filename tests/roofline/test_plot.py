"""The pictures of phase estimates: what they decide to show, not their pixels."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

import hardware_specs as hs
import roofline as rl
from roofline._labels import MarginLabels, spread
from roofline.plot import (
    breakdown_over,
    decode_throughput,
    pareto,
    plan_breakdown,
    plan_pareto,
    plan_roofline,
    plan_thin_gemm,
    plan_throughput,
    prefill_throughput,
    roofline,
    thin_gemm_mfu,
    time_breakdown,
)
from tests.published import KIM_TABLE_3, KIM_TABLE_3_ROWS, KIM_TABLE_4

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


# ------------------------------------------------------------------------------------------------------- further roofs


def roofs(plan):
    return {(roof.ceiling, roof.operations): roof for roof in plan.roofs}


def test_softmax_on_vector_units_is_a_roof_of_gaudi_only(both):
    """Hand: a pair of query and key is 4 · 128 FLOP of attention, and on Gaudi 2 34 of its 11 TFLOPS of vector work: 30
    for the exponential, 4 for the rest of softmax (Kim VI-C: Gaudi has no special-function units, the H100 has)."""
    gaudi2 = plan_roofline(*both("gaudi-2"))
    roof = roofs(gaudi2)["vector", ("attention",)]
    assert roof.binds
    assert roof.tflops == pytest.approx(11 * 4 * 128 / 34)
    (prefill,) = (point for point in gaudi2.points if point.name == "attention" and point.estimate == 0)
    assert prefill.bound == "vector"
    assert prefill.tflops == pytest.approx(roof.tflops)
    assert plan_roofline(*both("h100-sxm")).roofs == ()


def test_a_part_filled_engine_is_a_roof(both):
    """Hand: 64 rows fill half a tile of 128, so linear layers in FP8 have half of 865 TFLOPS; decode attention has the
    4 queries of a group in it, 1/32 of 432."""
    found = roofs(plan_roofline(both("gaudi-2")[1]))
    linear = found["matrix", ("qkv", "output", "mlp_up", "mlp_down")]
    assert (linear.tflops, linear.matrix_share) == pytest.approx((865 / 2, 1 / 2))
    assert found["matrix", ("attention",)].tflops == pytest.approx(432 / 32)
    assert not linear.binds


def test_on_chip_memory_is_a_slope_where_it_is_known(both):
    """Published: 12 TB/s of L2 (H100), none known of Gaudi 2; switched off, it is not drawn."""
    assert plan_roofline(*both("h100-sxm")).on_chip_tb_s == pytest.approx(12)
    assert plan_roofline(*both("gaudi-2")).on_chip_tb_s is None
    (slope,) = by_gid(roofline(*both("h100-sxm")), "on-chip memory")
    x, y = slope.get_data()
    assert np.allclose(y / x, 12)


def test_traffic_that_stays_on_the_chip_has_no_slope(llm):
    """Hand: with whole layers as one kernel, intensity to main memory says nothing about the on-chip memory."""
    step = rl.decode(llm, hs.get("h100-sxm"), batch=64, context_tokens=2048, fusion="layer")
    assert plan_roofline(step).on_chip_tb_s is None


def test_weights_in_the_second_tier_are_a_roof(llm):
    """Hand: 2 · 16 FLOP per weight of 2 bytes, 30 % of which come at 100 GB/s: 5.3 TFLOPS."""
    step = rl.decode(llm, hs.get("sn40l"), batch=16, context_tokens=2048, offload=0.3)
    (roof,) = plan_roofline(step).roofs
    assert roof.ceiling == "second_tier"
    assert roof.binds
    assert "attention" not in roof.operations  # it has no weights
    assert roof.tflops == pytest.approx(16 * 0.1 / 0.3)


def test_efficiency_and_start_time_are_roofs(llm):
    """Hand: 80 % of 2.45 TB/s is a lower slope, 70 % of 865 TFLOPS a lower peak; QKV starts once in each of 32
    layers, for 1 ms each."""
    device = rl.Machine.of(hs.get("gaudi-2"))
    slow = device.replace(efficiency={"memory": 0.8, "matrix": 0.7})
    step = rl.decode(llm, slow, batch=64, context_tokens=2048, precision="fp8")
    (slope,) = (roof for roof in plan_roofline(step).roofs if roof.ceiling == "memory")
    assert (slope.tb_s, slope.tflops) == (pytest.approx(0.8 * 2.45), None)
    prefill = rl.prefill(llm, slow, prompt_tokens=2048, precision="fp8")
    assert any(roof.tflops == pytest.approx(0.7 * 865) for roof in plan_roofline(prefill).roofs)
    late = rl.decode(llm, device.replace(overhead_s=1e-3), batch=1, context_tokens=16)
    points = {point.name: point for point in plan_roofline(late).points}
    assert points["qkv"].bound == "overhead"
    qkv = next(roof for roof in plan_roofline(late).roofs if "qkv" in roof.operations and roof.ceiling == "overhead")
    assert qkv.tflops == pytest.approx(32 * 2 * 4096 * 6144 / (32 * 1e-3) / 1e12)


def test_links_are_a_roof_of_the_whole_phase(llm):
    """Sibling: FLOPs of the phase over the time of its all-reduces, per device; only where that is below the peak."""
    device = rl.Machine.of(hs.get("h100-sxm"))
    step = rl.decode(llm, device.replace(link_bytes_per_s=8e9), batch=64, context_tokens=512, tensor_parallel=4)
    messages = sum(float(part.time_s) for part in step.operations if part.name == "all_reduce")
    (link,) = (roof for roof in plan_roofline(step).roofs if roof.ceiling == "link")
    assert link.tflops == pytest.approx(float(step.flops) / 4 / messages / 1e12)
    fast = rl.decode(llm, hs.get("h100-sxm"), batch=64, context_tokens=512, tensor_parallel=4)
    assert "link" not in {roof.ceiling for roof in plan_roofline(fast).roofs}


def test_vector_units_that_wait_lower_the_matrix_roof(llm):
    """Property: what sets the time of an operation is where its point stands, also if matrix and vector work add up."""
    serial = rl.Machine.of(hs.get("gaudi-2")).replace(vector_overlaps=False)
    plan = plan_roofline(rl.prefill(llm, serial, prompt_tokens=4096, precision="fp8"))
    (attention,) = (point for point in plan.points if point.name == "attention")
    found = next(roof for roof in plan.roofs if roof.operations == ("attention",))
    assert attention.bound == found.ceiling == "matrix"
    assert attention.tflops == pytest.approx(found.tflops)


@pytest.mark.parametrize("key", [*KEYS, "mi250", "sn40l", "trainium2"])
def test_no_point_is_above_a_roof_that_holds_for_it(llm, key):
    """Property: of the machine and of the operation; and one that binds is met."""
    device = hs.get(key)
    for estimate in (
        rl.prefill(llm, device, prompt_tokens=1024, offload=0.0),
        rl.decode(llm, device, batch=5, context_tokens=1024),
        rl.decode(llm, device, batch=200, context_tokens=64),
    ):
        plan = plan_roofline(estimate)
        for point in plan.points:
            assert point.tflops <= min(plan.ceilings[-1][1], point.intensity * plan.memory_tb_s) * (1 + 1e-9)
            for roof in plan.roofs:
                if point.name not in roof.operations:
                    continue
                height = roof.tflops if roof.tb_s is None else roof.tb_s * point.intensity
                assert point.tflops <= height * 1.03
                if point.bound == roof.ceiling:
                    assert point.tflops == pytest.approx(height, rel=0.03)


def test_roofs_are_drawn_below_the_main_roof_and_named(both):
    """Property: each line starts on the memory slope, ends at the right edge, and has its name in the margin."""
    estimates = both("gaudi-2")
    ax, plan = roofline(*estimates), plan_roofline(*estimates)
    assert len(plan.roofs) == 3
    for roof in plan.roofs:
        gid = f"roof {roof.ceiling} {' '.join(roof.operations)}"
        (line,) = by_gid(ax, gid)
        assert set(line.get_ydata()) == {roof.tflops}
        assert line.get_xdata()[0] == pytest.approx(roof.tflops / plan.memory_tb_s)
        (name,) = by_gid(ax, f"name of {gid}")
        assert f"{roof.tflops:,.3g} TFLOPS" in name.get_text()
    labels = " ".join(label.get_text() for label in by_gid(ax, "label"))
    assert labels.count("vector units") == 1  # prefill's attention; decode's waits for memory


def test_rates_of_a_package_are_of_a_die(llm):
    """Hand: two dies of an MI250 have 181 TFLOPS each."""
    step = rl.prefill(llm, hs.get("mi250"), prompt_tokens=2048)
    plan = plan_roofline(step)
    assert plan.devices == 2
    assert max(point.tflops for point in plan.points) == pytest.approx(plan.ceilings[-1][1])
    ax = roofline(step)
    assert ax.get_title(loc="left") == "2 dies of AMD Instinct MI250"
    assert "one die" in ax.get_ylabel()


def test_what_multiplies_nothing_is_left_out_and_said_so(llm):
    """Hand: norms of their own have no operational intensity."""
    step = rl.decode(llm, hs.get("h100-sxm"), batch=8, context_tokens=512, fusion="none")
    plan = plan_roofline(step)
    assert {"norm", "gate", "residual"} <= {name for name, _ in plan.left_out}
    (small_print,) = by_gid(roofline(step), "small print")
    assert "(nothing multiplied)" in small_print.get_text()


def test_unknown_rates_are_said(llm):
    """Hand: the SN40L's vector rate is not published."""
    (small_print,) = by_gid(roofline(rl.decode(llm, hs.get("sn40l"), batch=8, context_tokens=512)), "small print")
    assert "rate unknown, so no ceiling: exponentials, vector units" in small_print.get_text()


@given(
    st.lists(st.tuples(st.floats(-50, 150), st.floats(0.5, 12)), min_size=1, max_size=12),
)
def test_spread_keeps_order_and_distance(labels):
    """Property: nothing overlaps, the order stays, all is inside if there is room; what is apart stays where it is."""
    wanted, sizes = zip(*labels, strict=True)
    middles = spread(wanted, sizes, 0.0, 100.0)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for one, other in itertools.pairwise(order):
        assert middles[other] - middles[one] >= (sizes[one] + sizes[other]) / 2 - 1e-9
    if sum(sizes) <= 100:
        assert all(m - size / 2 >= -1e-9 and m + size / 2 <= 100 + 1e-9 for m, size in zip(middles, sizes, strict=True))
    assert spread(middles, sizes, min(0.0, *middles) - 20, 2000.0) == pytest.approx(middles)


def test_margin_labels_keep_apart(llm):
    """Property: also those of one height."""
    ax = plt.subplots(figsize=(5, 3), layout="constrained")[1]
    margin = MarginLabels(ax)
    notes = [margin.label(f"line {i}", 0.5) for i in range(6)]
    ax.figure.canvas.draw()
    boxes = [Text.get_window_extent(note) for note in notes]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert max(box.x1 for box in boxes) <= ax.figure.bbox.x1


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
    designs[1] = designs[0].replace(vector_flops_per_s=1e13)
    with pytest.raises(ValueError, match="two machines named x have unlike rates"):
        roofline(*(rl.decode(llm, design, batch=8, context_tokens=1024) for design in designs))


def test_perfect_overlap_has_no_times_per_operation(llm):
    """Hand: its operations' times do not add up to the phase's."""
    step = rl.decode(llm, hs.get("h100-sxm"), batch=8, context_tokens=1024, overlap="perfect")
    with pytest.raises(ValueError, match="overlap = 'perfect'"):
        time_breakdown(step)
    hidden = rl.decode(
        llm, hs.get("h100-sxm"), batch=8, context_tokens=[64, 128], tensor_parallel=2, overlap="communication"
    )
    with pytest.raises(ValueError, match="overlap = 'communication'"):
        breakdown_over(hidden)


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
    labels = by_gid(ax, "label")
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


# ------------------------------------------------------------------------------------------- breakdown over an axis


@pytest.fixture
def over_context(llm):
    return rl.decode(llm, hs.get("gaudi-2"), batch=64, context_tokens=[512, 2048, 8192], precision="fp8")


def test_breakdown_is_that_of_each_estimate(llm, over_context):
    """Sibling: every point equals the scalar estimate's operations, and shares add up to 1."""
    plan = plan_breakdown(over_context)
    assert (plan.by, plan.x.tolist()) == ("context", [512, 2048, 8192])
    assert np.allclose(sum(plan.shares.values()), 1)
    for index, tokens in enumerate((512, 2048, 8192)):
        alone = rl.decode(llm, hs.get("gaudi-2"), batch=64, context_tokens=tokens, precision="fp8")
        for part in alone.operations:
            assert plan.times_s[part.name][index] == pytest.approx(float(part.time_s))
        assert plan.total_s[index] == pytest.approx(float(alone.time_s))


def test_the_axis_is_what_varies_or_what_is_asked_for(llm):
    """Hand: batch, prompt, and both at once."""
    h100 = hs.get("h100-sxm")
    assert plan_breakdown(rl.decode(llm, h100, batch=[1, 8], context_tokens=512)).by == "batch"
    assert plan_breakdown(rl.prefill(llm, h100, prompt_tokens=[256, 512])).by == "prompt"
    zipped = rl.decode(llm, h100, batch=[1, 8], context_tokens=[512, 1024])
    assert plan_breakdown(zipped).by == "batch"
    assert plan_breakdown(zipped, by="context").x.tolist() == [512, 1024]


def test_bands_lie_on_one_another(over_context):
    """Property: they fill 0 to 100 % without a gap, in one colour each, named at the right edge with the last share."""
    ax = breakdown_over(over_context)
    plan, floor = plan_breakdown(over_context), np.zeros(3)
    for name, share in plan.shares.items():
        (band,) = by_gid(ax, f"band {name}")
        corners = band.get_paths()[0].vertices
        for x, low, high in zip(plan.x, floor, floor + 100 * share, strict=True):
            heights = corners[corners[:, 0] == x, 1]
            assert heights.min() == pytest.approx(low)
            assert heights.max() == pytest.approx(high)
        floor = floor + 100 * share
    assert ax.get_ylim() == pytest.approx((0, 100))
    words = [note.get_text() for note in by_gid(ax, "margin label")]
    assert "attention 89 %" in words
    assert len(words) == len({tuple(by_gid(ax, f"band {name}")[0].get_facecolor()[0]) for name in plan.shares}) == 6


def test_times_instead_of_shares(over_context):
    """Property: the top of the stack is the time of the phase."""
    ax = breakdown_over(over_context, values="time", title="Mine")
    assert ax.get_ylabel() == "time of the phase [ms]"
    assert ax.get_ylim()[1] == pytest.approx(float(over_context.time_s[-1]) * 1e3)
    assert ax.get_title(loc="left") == "Mine"


def test_of_many_operations_the_smallest_are_one_band():
    """Property: eight at most, and nothing is lost; in bars as well."""
    r1, h200 = rl.get_llm("deepseek-r1"), hs.get("h200-sxm")
    steps = rl.decode(
        r1, h200, batch=[8, 64], context_tokens=4096, precision="fp8", tensor_parallel=8, expert_parallel=8
    )
    plan = plan_breakdown(steps)
    assert len(plan.times_s) == 8
    assert list(plan.times_s)[-1] == "others"
    assert np.allclose(sum(plan.times_s.values()), steps.time_s)
    one = rl.decode(r1, h200, batch=8, context_tokens=4096, precision="fp8", tensor_parallel=8, expert_parallel=8)
    ax = time_breakdown(one)
    assert len(ax.patches) == len(ax.get_legend().get_texts()) == 8
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(float(one.time_s) * 1e3)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1


def test_breakdown_says_where_memory_ends(llm):
    """Sibling: `fits` of the estimate."""
    steps = rl.decode(llm, hs.get("h100-sxm"), batch=64, context_tokens=[512, 4096, 32768])
    assert steps.fits.tolist() == [True, True, False]
    ax = breakdown_over(steps)
    (edge,) = by_gid(ax, "fits")
    assert edge.get_xdata()[0] == 4096
    (small_print,) = by_gid(ax, "small print")
    assert "the last that fits in memory, context 4,096" in small_print.get_text()
    unknown = rl.Machine(name="design", flops_per_s={"bf16": 1e15}, memory_bytes_per_s=4e12)
    assert not by_gid(breakdown_over(rl.decode(llm, unknown, batch=[1, 2], context_tokens=512)), "fits")


def test_breakdown_refusals_say_what_to_give(llm, over_context):
    """Hand."""
    h100 = hs.get("h100-sxm")
    with pytest.raises(ValueError, match="estimate = 3 is not accepted"):
        breakdown_over(3)
    with pytest.raises(ValueError, match=r"shape \(\) is not accepted: give one axis of several batches"):
        breakdown_over(rl.decode(llm, h100, batch=1, context_tokens=512))
    with pytest.raises(ValueError, match="context has to ascend"):
        breakdown_over(rl.decode(llm, h100, batch=1, context_tokens=[512, 256]))
    with pytest.raises(ValueError, match="by = 'prompt' is not accepted: give one of 'batch', 'context'"):
        breakdown_over(over_context, by="prompt")
    with pytest.raises(ValueError, match="values = 'both' is not accepted"):
        breakdown_over(over_context, values="both")
    assert plt.get_fignums() == []


# -------------------------------------------------------------------------- throughput over length, Kim Figures 4 and 5

MACHINES = [hs.get(key) for key in KEYS]


def test_lines_are_the_estimates(llm):
    """Sibling: prefill and decode, one by one."""
    for phase, batch, one in (("prefill", 2, rl.prefill), ("decode", 64, rl.decode)):
        plan = plan_throughput(phase, llm, MACHINES, batch=batch, tokens=[512, 2048], precisions=["bf16", "fp8"])
        assert len(plan.lines) == 8
        names = {"prefill": "prompt_tokens", "decode": "context_tokens"}
        for line, (device, precision) in zip(plan.lines, itertools.product(MACHINES, ("bf16", "fp8")), strict=True):
            for tokens, rate in zip((512, 2048), line.y, strict=True):
                alone = one(llm, device, batch=batch, precision=precision, **{names[phase]: tokens})
                assert rate == pytest.approx(float(alone.tflops))


def test_gain_of_fp8_in_decode(llm):
    """Published: at batch 64 the roofline allows 50 % on Gaudi 2 (Kim Figure 5) below about 700 tokens only."""
    plan = plan_throughput(
        "decode", llm, MACHINES[0], batch=64, tokens=[512, 650, 750, 8192], precisions=["bf16", "fp8"]
    )
    (gain,) = plan.gains.values()
    assert (gain > 0.5).tolist() == [True, True, False, False]
    ax = decode_throughput(llm, MACHINES[0], context_tokens=[512, 8192])
    (small_print,) = by_gid(ax, "small print")
    assert "FP8 over BF16: +56 % at 512, +9 % at 8,192 tokens" in small_print.get_text()


def test_what_cannot_run_is_left_out_and_said_so(llm):
    """Hand: the A100 multiplies no FP8."""
    devices = [hs.get("a100-sxm-80gb"), hs.get("h100-sxm")]
    plan = plan_throughput("decode", llm, devices, batch=8, tokens=[512, 1024], precisions=["bf16", "fp8"])
    assert [(line.machine, line.precision) for line in plan.lines] == [
        ("NVIDIA A100 SXM4 80GB", "bf16"),
        ("NVIDIA H100 SXM5 80GB", "bf16"),
        ("NVIDIA H100 SXM5 80GB", "fp8"),
    ]
    assert list(plan.left_out) == ["NVIDIA A100 SXM4 80GB in fp8"]
    (small_print,) = by_gid(decode_throughput(llm, devices, batch=8), "small print")
    assert "cannot run: NVIDIA A100 SXM4 80GB in fp8" in small_print.get_text()
    with pytest.raises(ValueError, match=r"nothing to draw: .*fp8"):
        decode_throughput(llm, devices[0], precisions=["fp8"])


@pytest.mark.parametrize("draw", [prefill_throughput, decode_throughput])
def test_a_line_per_machine_and_precision_with_its_name(llm, draw):
    """Property: drawn as planned, named at the right edge, machines by colour and precisions by dashes."""
    ax = draw(llm, MACHINES)
    lines = {line.get_gid(): line for line in ax.lines if (line.get_gid() or "").startswith("line ")}
    phase = "prefill" if draw is prefill_throughput else "decode"
    precisions = ("bf16", "fp8", "fp8-dynamic") if phase == "prefill" else ("bf16", "fp8")
    assert len(lines) == len(MACHINES) * len(precisions)
    one = lines["line Intel Gaudi 2 bf16 0"]
    tokens = one.get_xdata()
    plan = plan_throughput(
        phase, llm, MACHINES, batch=1 if phase == "prefill" else 64, tokens=tokens, precisions=precisions
    )
    for line in plan.lines:
        assert np.allclose(lines[f"line {line.machine} {line.precision} 0"].get_ydata(), line.y)
    assert len({lines[f"line {name} bf16 0"].get_color() for name in plan.machines}) == 4
    assert one.get_color() == lines["line Intel Gaudi 2 fp8 0"].get_color()
    assert one.get_linestyle() != lines["line Intel Gaudi 2 fp8 0"].get_linestyle()
    words = " ".join(note.get_text() for note in by_gid(ax, "margin label"))
    assert all(words.count(name) >= 1 for name in plan.machines)
    assert words.count("BF16") == 4
    assert "[tokens]" in ax.get_xlabel()
    assert ax.get_ylabel() == "throughput [TFLOPS]"
    assert ax.get_ylim()[0] == 0


def test_measured_points_are_drawn_where_they_are(llm):
    """Published: Kim Table IV, of which the caller says which precision it takes it for."""
    table_4 = {length: row.uncapped for length, row in KIM_TABLE_4["llama-3.1-8b"].items()}
    for key in ("h200-sxm", "NVIDIA H200 SXM5 141GB"):
        ax = decode_throughput(llm, MACHINES, measured={(key, "fp8"): (list(table_4), list(table_4.values()))})
        (marks,) = (line for line in ax.lines if (line.get_gid() or "").startswith("measured "))
        assert marks.get_gid() == "measured NVIDIA H200 SXM5 141GB fp8 0"
        assert dict(zip(*marks.get_data(), strict=True)) == table_4


def test_what_does_not_fit_is_faint(llm):
    """Sibling: `fits`; 32,768 tokens of 64 sequences are 275 GB."""
    ax = decode_throughput(llm, hs.get("h100-sxm"), context_tokens=[512, 4096, 32768], precisions=["bf16"])
    (whole,) = by_gid(ax, "line NVIDIA H100 SXM5 80GB bf16 0")
    (fitting,) = by_gid(ax, "fits NVIDIA H100 SXM5 80GB bf16 0")
    assert whole.get_alpha() < 1
    assert fitting.get_xdata().tolist() == [512, 4096]
    (small_print,) = by_gid(ax, "small print")
    assert "faint: does not fit in memory" in small_print.get_text()


def test_panels_that_share_an_axis_show_everything(llm):
    """Property: whichever is drawn last."""
    for order in (MACHINES, MACHINES[::-1]):
        panels = plt.subplots(2, 2, sharey=True)[1]
        for ax, device in zip(panels.flat, order, strict=True):
            prefill_throughput(llm, device, ax=ax)
        for ax in panels.flat:
            assert max(line.get_ydata().max() for line in ax.lines) < ax.get_ylim()[1]


def test_throughput_refusals_say_what_to_give(llm):
    """Hand."""
    with pytest.raises(ValueError, match="accelerators = 'h100' is not accepted"):
        prefill_throughput(llm, ["h100"])
    with pytest.raises(ValueError, match="7 accelerators are not accepted: give one to 6"):
        prefill_throughput(llm, [hs.get(key) for key in (*KEYS, "b200", "mi300x", "tpu-v5e")])
    with pytest.raises(ValueError, match="two accelerators have the same name"):
        prefill_throughput(llm, [MACHINES[0], MACHINES[0]])
    with pytest.raises(ValueError, match="give two or more that ascend"):
        prefill_throughput(llm, MACHINES, prompt_tokens=[512])
    with pytest.raises(ValueError, match="precisions = 'fp8' is not accepted: give a list"):
        prefill_throughput(llm, MACHINES, precisions="fp8")
    with pytest.raises(
        ValueError, match=r"measured\[\('b200', 'fp8'\)\] is on no line of the picture: give keys such as"
    ):
        prefill_throughput(llm, MACHINES, measured={("b200", "fp8"): ([1], [1])})
    with pytest.raises(ValueError, match="two arrays of the same length"):
        prefill_throughput(llm, MACHINES, measured={("gaudi-2", "fp8"): ([1, 2], [1])})
    with pytest.raises(ValueError, match="give two arrays, x and TFLOPS"):
        prefill_throughput(llm, MACHINES, measured={("gaudi-2", "fp8"): 3})
    assert plt.get_fignums() == []


# ----------------------------------------------------------------------------------------------------- thin GEMMs

KIM_TABLE_3_GAUDI_2 = {("gaudi-2", "bf16", (4096, 4096)): (KIM_TABLE_3_ROWS, KIM_TABLE_3["gaudi-2", "bf16"][4096])}


def test_mfu_of_a_thin_gemm():
    """Hand: 8 rows of 4096 x 4096 in BF16 move 33.7 MB at 2.45 TB/s and are bound by that; 64 rows in FP8 fill half of
    the tile and move 17.6 MB, of which the traffic is slower: 31 % of the peak, not 50 %."""
    plan = plan_thin_gemm(hs.get("gaudi-2"), m=[8, 64], k_n=[(4096, 4096)], precisions=["bf16", "fp8"])
    bf16, fp8 = (line.y for line in plan.lines)
    moved = 2 * (4096 * 4096 + 2 * 8 * 4096)
    assert bf16[0] == pytest.approx(2 * 8 * 4096 * 4096 / (moved / 2.45e12) / 432e12)
    moved = 4096 * 4096 + 64 * 4096 + 2 * 64 * 4096
    assert fp8[1] == pytest.approx(2 * 64 * 4096 * 4096 / (moved / 2.45e12) / 865e12)


def test_a_start_time_lowers_small_gemms_most():
    """Hand: time is the roofline's and 10 µs more."""
    shapes = {"m": [8, 64], "k_n": [(2048, 2048), (4096, 4096)], "precisions": ["bf16"]}
    ideal = plan_thin_gemm(hs.get("h100-sxm"), **shapes)
    late = plan_thin_gemm(hs.get("h100-sxm"), **shapes, overhead_s=10e-6)
    for one, other, size in zip(ideal.lines, late.lines, (2048, 4096), strict=True):
        flops = 2 * one.x * size**2
        assert flops / other.y / 989.4e12 == pytest.approx(flops / one.y / 989.4e12 + 10e-6)
    assert ideal.lines[0].y[0] / late.lines[0].y[0] > ideal.lines[1].y[0] / late.lines[1].y[0] > 1


def test_blocks_side_by_side_with_lines_and_measurements():
    """Published: Kim Table III, a figure per M, over the peak of 432 TFLOPS; blocks do not overlap."""
    ax = thin_gemm_mfu([hs.get("gaudi-2"), hs.get("h100-sxm")], measured=KIM_TABLE_3_GAUDI_2)
    (first,), (second,) = (by_gid(ax, f"line Intel Gaudi 2 bf16 {block}") for block in (0, 1))
    assert first.get_xdata().max() < second.get_xdata().min()
    (marks,) = by_gid(ax, "measured Intel Gaudi 2 bf16 1")
    assert np.allclose(marks.get_xdata(), second.get_xdata())
    assert np.allclose(marks.get_ydata(), [100 * rate / 432 for rate in (18.8, 37.3, 73.9, 145.0)])
    assert (marks.get_ydata() < second.get_ydata()).all()  # the roofline is above what was measured
    assert [text.get_text() for text in by_gid(ax, "block")] == ["K = N = 2,048", "K = N = 4,096"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["8", "16", "32", "64"] * 2
    assert ax.get_yscale() == "log"


def test_nothing_that_kim_measured_is_above_the_roofline():
    """Measured: all 64 figures of Kim Table III, drawn or not."""
    measured = {
        (key, name, (size, size)): (KIM_TABLE_3_ROWS, rates)
        for (key, name), by_size in KIM_TABLE_3.items()
        for size, rates in by_size.items()
    }
    plan = plan_thin_gemm(
        MACHINES,
        m=KIM_TABLE_3_ROWS,
        k_n=[(2048, 2048), (4096, 4096)],
        precisions=["bf16", "fp8"],
        measured=measured,
    )
    assert sum(line.measured[0].size for line in plan.lines) == 64
    for line in plan.lines:
        assert np.array_equal(line.measured[0], line.x)
        assert (line.measured[1] < line.y).all()


def test_thin_gemm_refusals_say_what_to_give():
    """Hand."""
    gaudi2 = hs.get("gaudi-2")
    with pytest.raises(ValueError, match=r"k_n = \(4096,\) is not accepted: give pairs"):
        thin_gemm_mfu(gaudi2, k_n=[(4096,)])
    with pytest.raises(ValueError, match="k_n is empty"):
        thin_gemm_mfu(gaudi2, k_n=[])
    with pytest.raises(ValueError, match=r"m = \[8.0\] is not accepted"):
        thin_gemm_mfu(gaudi2, m=[8])
    with pytest.raises(ValueError, match="overhead_s"):
        thin_gemm_mfu(gaudi2, overhead_s=-1.0)
    with pytest.raises(ValueError, match="on no line of the picture"):
        thin_gemm_mfu(gaudi2, k_n=[(2048, 2048)], measured=KIM_TABLE_3_GAUDI_2)
    with pytest.raises(ValueError, match="nothing to draw"):
        thin_gemm_mfu(hs.get("a100-sxm-80gb"), precisions=["fp8"])
    assert plt.get_fignums() == []


# ---------------------------------------------------------------------------------------------------- Pareto front


@pytest.fixture
def front(llm):
    return rl.serving_front(
        llm,
        hs.get("h100-sxm"),
        prompt_tokens=512,
        output_tokens=64,
        batches=[1, 8, 64],
        layouts=[{"tensor_parallel": 1}, rl.Layout(tensor=4)],
        precisions=["fp8"],
        latency="itl_s",
    )


def test_arrays_are_split_into_front_and_beaten():
    """Hand: the second is slower than the third, and gives less."""
    plan = plan_pareto([1.0, 3.0, 2.0], [10.0, 15.0, 20.0], labels=["a", "b", "c"])
    assert plan.series[0].best.tolist() == [0, 2]
    ax = pareto([1.0, 3.0, 2.0], [10.0, 15.0, 20.0], labels=["a", "b", "c"])
    (best,), (beaten,) = by_gid(ax, "front "), by_gid(ax, "beaten ")
    assert best.get_xdata().tolist() == [1, 2]
    assert beaten.get_xdata().tolist() == [3]
    assert beaten.get_alpha() < 1
    assert [label.get_text() for label in by_gid(ax, "label")] == ["a", "c"]
    assert ax.get_xlabel() == "end-to-end latency [s]"


def test_a_serving_front_names_its_configurations(front):
    """Sibling: its own figures; batch and layout tell them apart, the precision does not."""
    plan = plan_pareto(front)
    (series,) = plan.series
    assert np.allclose(series.latency_s[series.best], front.latencies_s)
    assert np.allclose(series.throughput[series.best], front.tokens_per_s_per_device)
    assert series.latency_s.size == len(front.configurations) + len(front.beaten)
    assert plan.latency == "itl_s"
    assert set(series.labels) <= {f"batch {b}{tp}" for b in (1, 8, 64) for tp in ("", ", TP 4")}
    assert any("TP 4" in label for label in series.labels)
    ax = pareto(front)
    assert ax.get_xlabel() == "inter-token latency [ms]"
    (line,) = by_gid(ax, "front ")
    assert np.allclose(line.get_xdata(), front.latencies_s * 1e3)
    (beaten,) = by_gid(ax, "beaten ")
    assert beaten.get_xdata().size == len(front.beaten) > 0


def test_several_fronts_are_named(front):
    """Property: each has its name at its end, its colour and its marker."""
    ax = pareto({"H100": front, "mine": ([0.001, 0.002], [100.0, 200.0])}, latency="itl_s")
    words = [label.get_text() for label in by_gid(ax, "label")]
    assert "mine" in words
    assert sum(word.startswith("H100: batch") for word in words) == 1
    (one,), (other,) = by_gid(ax, "front H100"), by_gid(ax, "front mine")
    assert one.get_color() != other.get_color()
    assert one.get_marker() != other.get_marker()


def test_long_fronts_have_few_labels():
    """Property: at most twelve, the ends among them, apart and inside the axes."""
    steps = np.geomspace(0.01, 1, 60)
    ax = pareto(steps, steps, labels=[f"point {i}" for i in range(60)])
    labels = by_gid(ax, "label")
    assert len(labels) == 12
    assert {"point 0", "point 59"} <= {label.get_text() for label in labels}
    ax.figure.canvas.draw()
    boxes, inside = [Text.get_window_extent(label) for label in labels], ax.get_window_extent()
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)


def test_pareto_refusals_say_what_to_give(front):
    """Hand."""
    with pytest.raises(ValueError, match=r"labels = \['a'\] is not accepted: give 2, one per point"):
        pareto([1.0, 2.0], [1.0, 2.0], labels=["a"])
    with pytest.raises(ValueError, match="two lists of the same length"):
        pareto([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="unlike latencies, itl_s, ttft_s"):
        pareto(front, latency="ttft_s")
    with pytest.raises(ValueError, match="not accepted beside a front that has its own"):
        pareto(front, labels=["a"])
    with pytest.raises(ValueError, match=r"front\['a'\] is not accepted: give a ServingFront, or a pair"):
        pareto({"a": 3})
    with pytest.raises(ValueError, match="front is empty"):
        pareto({})
    with pytest.raises(ValueError, match="7 fronts are not accepted"):
        pareto({str(i): ([1.0], [1.0]) for i in range(7)})
    with pytest.raises(ValueError, match="latency = 'p99' is not accepted"):
        pareto([1.0], [1.0], latency="p99")
    assert plt.get_fignums() == []


def test_new_pictures_have_large_enough_print_and_take_names_literally(llm, over_context, front):
    """Property: nothing is below 8 pt, and a dollar sign is no formula."""
    design = rl.Machine(name=r"$\x$ {1}", flops_per_s={"bf16": 1e15, "fp8": 2e15}, memory_bytes_per_s=4e12)
    for ax in (
        breakdown_over(over_context),
        prefill_throughput(llm, [design, MACHINES[0]]),
        decode_throughput(llm, design),
        thin_gemm_mfu([design, MACHINES[0]]),
        pareto({r"$\a$": front}),
        breakdown_over(rl.decode(llm, design, batch=[1, 2], context_tokens=64)),
    ):
        ax.figure.canvas.draw()
        assert min(text.get_fontsize() for text in ax.figure.findobj(Text)) >= 8


def test_new_pictures_draw_into_the_axes_they_are_given(llm, over_context, front):
    """Property: and open no figure of their own."""
    figure, panels = plt.subplots(2, 3)
    drawn = [
        breakdown_over(over_context, ax=panels[0, 0]),
        prefill_throughput(llm, MACHINES, ax=panels[0, 1]),
        decode_throughput(llm, MACHINES, ax=panels[0, 2]),
        thin_gemm_mfu(MACHINES, ax=panels[1, 0]),
        pareto(front, ax=panels[1, 1]),
    ]
    assert all(one is other for one, other in zip(drawn, panels.flat, strict=False))
    assert plt.get_fignums() == [figure.number]
