"""The pictures of the TCO surface: what they decide to show, not their pixels."""

import dataclasses
import itertools
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

import tco
from tco.plot import RatioScale, cell_edges, heatmap, plan_heatmap, ratio_colours, ratio_scale, regions, save


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def figure1():
    return tco.surface(r_th=np.linspace(0.2, 2.0, 10), r_sc=np.linspace(0.1, 1.5, 15))


def by_gid(ax, gid):
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


def labels_of(ax, *names):
    return [text for text in ax.texts if any(text.get_text().startswith(f"{name}: ") for name in names)]


def boxes(ax, texts):
    ax.figure.canvas.draw()
    return [Text.get_window_extent(text) for text in texts]


# ---------------------------------------------------------------------------------------------------------------- scale


@pytest.mark.parametrize(
    ("ratios", "limit"),
    [([1.0], 1.25), ([0.9, 1.2], 1.25), ([0.6, 1.9], 2.0), ([0.3, 1.0], 4.0), ([0.001, 5000.0], 1000.0)],
)
def test_limit_is_a_round_number_that_holds_the_data(ratios, limit):
    """Hand: the smallest of the round limits."""
    assert ratio_scale(ratios).limit == limit


def test_scale_is_symmetric_about_one():
    """Property: for any data, 1/x is as far from the centre as x, and a ratio and its inverse get the same limit."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        ratios = np.exp(rng.normal(0, rng.uniform(0.01, 3), 20))
        scale = ratio_scale(ratios)
        assert scale.limit == ratio_scale(1 / ratios).limit
        assert scale.norm(1.0) == pytest.approx(0.5)
        x = np.exp(rng.uniform(0, np.log(scale.limit)))
        assert scale.norm(x) + scale.norm(1 / x) == pytest.approx(1)


def test_scale_says_what_it_clips():
    """Hand."""
    assert ratio_scale([0.5, 2.0], limit=2).extend == "neither"
    assert ratio_scale([0.4, 2.0], limit=2).extend == "min"
    assert ratio_scale([0.5, 2.1], limit=2).extend == "max"
    assert ratio_scale([0.4, 2.1, np.nan], limit=2).extend == "both"


def test_ticks_are_readable_pairs():
    """Property: inside the limits, paired about 1, between 3 and 9 of them, written with the sign ×."""
    for limit in (1.02, 1.25, 1.5, 2, 3, 4, 7, 10, 30, 100, 1000):
        scale = RatioScale(limit, clips_below=False, clips_above=False)
        assert 3 <= len(scale.ticks) <= 9
        assert np.allclose(np.multiply(scale.ticks, scale.ticks[::-1]), 1)
        assert scale.ticks[-1] <= limit * (1 + 1e-9)
        assert all(label.endswith("×") for label in scale.tick_labels)
        assert len(set(scale.tick_labels)) == len(scale.ticks)
    assert {"0.5×", "1×", "2×"} <= set(RatioScale(2, clips_below=False, clips_above=False).tick_labels)


@pytest.mark.parametrize("limit", [1, 0.5, 0, -2, np.inf, np.nan, True])
def test_a_limit_has_to_be_above_one(figure1, limit):
    """Hand."""
    with pytest.raises(ValueError, match=r"limit = .* is not accepted: give a finite number above 1"):
        heatmap(figure1, limit=limit)


def test_blue_is_cheaper_and_orange_is_dearer():
    """Property: blue rules below 1 and red above it, never green; lightness falls from the centre to both ends."""
    colours = ratio_colours()(np.linspace(0, 1, 101))[:, :3]
    assert (colours[:45, 2] > colours[:45, 0]).all()
    assert (colours[56:, 0] > colours[56:, 2]).all()
    assert (colours[:, 1] < np.maximum(colours[:, 0], colours[:, 2]) + 0.01).all()
    lightness = colours @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness[:50]) > 0).all()
    assert (np.diff(lightness[51:]) < 0).all()


def test_colour_blind_readers_tell_the_sides_apart():
    """Property: after Machado's matrices for full protanopia and deuteranopia, mirrored ratios stay far apart."""
    # Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009
    protan = np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    )
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    places = np.linspace(0, 0.4, 9)
    colours = ratio_colours()
    for seen in (protan, deutan):
        cheaper, dearer = (colours(side)[:, :3] @ seen.T for side in (places, 1 - places))
        assert (np.linalg.norm(cheaper - dearer, axis=1) > 0.15).all()


# ---------------------------------------------------------------------------------------------------------------- cells


def test_values_are_at_the_centres_of_their_cells():
    """Property: exactly on an evenly spaced axis, in logarithm on a geometric one, and inside the cell on any other."""
    even, geometric, uneven = np.linspace(0.2, 2.0, 10), np.geomspace(0.1, 10, 9), np.array([0.1, 0.2, 0.5, 1.0, 5.0])
    edges = cell_edges(even)
    assert np.allclose((edges[1:] + edges[:-1]) / 2, even)
    edges = cell_edges(geometric, "log")
    assert np.allclose(np.sqrt(edges[1:] * edges[:-1]), geometric)
    edges = cell_edges(uneven)
    assert ((edges[:-1] < uneven) & (uneven < edges[1:])).all()
    assert (np.diff(edges) > 0).all()


def test_plan_follows_the_surface(figure1):
    """Property: both axes ascend, and each cell carries its own ratio (Kim Figure 1: (R_SC + 1)/(2·R_Th))."""
    plan = plan_heatmap(figure1)
    assert np.allclose(plan.ratio, (plan.r_sc + 1) / (2 * plan.r_th[:, None]))
    assert (np.diff(plan.x_edges) > 0).all()
    assert (np.diff(plan.y_edges) > 0).all()
    assert (plan.x_scale, plan.y_scale) == ("linear", "linear")


def test_the_drawn_mesh_is_the_plan(figure1):
    """Sibling: the picture holds the plan's cells, and its axes ascend."""
    ax = heatmap(figure1)
    mesh = ax.collections[0]
    assert np.allclose(mesh.get_array(), figure1.ratio)
    assert ax.get_xlim()[0] < ax.get_xlim()[1]
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_geometric_axes_are_logarithmic():
    """Hand."""
    ax = heatmap(tco.surface(r_th=np.geomspace(0.1, 10, 9), r_sc=np.linspace(0, 1, 5)))
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    ax.figure.canvas.draw()


def test_annotations_appear_where_they_can_be_read(figure1):
    """Hand: 150 cells can be read in a page's width, not in a stamp's, and 10,000 never; the caller may decide."""
    assert plan_heatmap(figure1).annotations is not None
    assert plan_heatmap(figure1, size_points=(150, 100)).annotations is None
    fine = tco.surface(r_th=np.linspace(0.2, 2, 100), r_sc=np.linspace(0, 1, 100))
    assert plan_heatmap(fine).annotations is None
    assert plan_heatmap(figure1, annotate=False).annotations is None
    assert plan_heatmap(figure1, annotate=True, size_points=(150, 100)).annotations is not None


def test_one_narrow_column_is_enough_to_leave_annotations_out():
    """Property: the smallest cell decides."""
    assert plan_heatmap(tco.surface(r_th=[0.5, 1.0], r_sc=[0.1, 0.11, 1.0, 2.0])).annotations is None


def test_cells_are_written(figure1):
    """Hand: Kim Figure 1 at R_SC = 1 and R_Th = 2 is 0.50, at 0.1 and 0.2 it is 2.75."""
    ax = heatmap(figure1)
    texts = {text.get_position(): text.get_text() for text in by_gid(ax, "cell")}
    assert len(texts) == 150
    assert texts[(figure1.r_sc[9], figure1.r_th[9])] == "0.50"
    assert texts[(figure1.r_sc[0], figure1.r_th[0])] == "2.75"


def test_missing_cells_are_grey_and_bare(figure1):
    """Hand: NaN in a surface shows as grey, without a number."""
    ratio = np.array(figure1.ratio)
    ratio[3, 4] = np.nan
    holed = dataclasses.replace(figure1, ratio=ratio)
    ax = heatmap(holed)
    mesh = ax.collections[0]
    assert mesh.get_array().mask.sum() == 1
    red, green, blue, alpha = mesh.get_cmap().get_bad()
    assert red == green == blue < 0.8
    assert alpha == 1
    assert plan_heatmap(holed).annotations[3][4] == ""


def test_long_axes_are_thinned_to_what_a_screen_shows():
    """Property: ends stay, and the ratios are those of the values kept."""
    s = tco.surface(r_th=np.linspace(0.2, 2, 3001), r_sc=np.linspace(0, 1, 1500))
    plan = plan_heatmap(s)
    assert plan.ratio.shape == (1000, 1000)
    assert (plan.r_th[0], plan.r_th[-1], plan.r_sc[-1]) == (0.2, 2, 1)
    assert np.allclose(plan.ratio, (plan.r_sc + 1) / (2 * plan.r_th[:, None]))


# ----------------------------------------------------------------------------------------------------------- break-even


@pytest.mark.parametrize("draw", [heatmap, regions])
@pytest.mark.parametrize(("r_ic", "share"), [(1.0, 0.5), (0.75, 0.7), (0.9, 0.0), (1.0, 1.0)])
def test_break_even_line_is_where_the_ratio_is_one(draw, r_ic, share):
    """Property: every place on the line gives 1 in Eq. 4, and it is labelled."""
    ax = draw(tco.surface(r_th=np.linspace(0.2, 2, 10), r_sc=np.linspace(0.1, 1.5, 15), r_ic=r_ic, server_share=share))
    (line,) = by_gid(ax, "break-even")
    x, y = line.get_data()
    assert np.allclose(tco.tco_ratio(r_th=y, r_sc=x, r_ic=r_ic, server_share=share), 1)
    assert [text for text in ax.texts if text.get_text() == "break-even 1×"]
    assert ax.get_ylim()[0] <= y.min() <= y.max() <= ax.get_ylim()[1]


@pytest.mark.parametrize("draw", [heatmap, regions])
def test_no_break_even_line_where_one_side_always_wins(draw):
    """Hand: R_Th of 1.8 and more against a server of 0.6 and less."""
    ax = draw(tco.surface(r_th=[1.8, 2.0], r_sc=[0.5, 0.6]))
    assert by_gid(ax, "break-even") == []
    ax.figure.canvas.draw()


def test_regions_show_the_levels_that_exist(figure1):
    """Property: five lines for Figure 1's range, each where Eq. 4 gives its level; none outside the range."""
    ax = regions(figure1)
    for level in (0.5, 0.8, 1.25, 2):
        (line,) = by_gid(ax, f"level {level:g}")
        x, y = line.get_data()
        assert np.allclose((x + 1) / (2 * y), level)
    assert by_gid(regions(tco.surface(r_th=[0.9, 1.1], r_sc=[0.9, 1.1])), "level 2") == []


def test_regions_name_the_cheaper_side(figure1):
    """Hand: A in the upper left, B in the lower right; one name where one side always wins."""
    names = {text.get_text(): text.get_position() for text in regions(figure1, labels=("Gaudi 2", "H100")).texts}
    assert names["Gaudi 2 cheaper"][0] < 0.5 < names["Gaudi 2 cheaper"][1]
    assert names["H100 cheaper"][1] < 0.5 < names["H100 cheaper"][0]
    one_sided = {text.get_text() for text in regions(tco.surface(r_th=[1.8, 2.0], r_sc=[0.5, 0.6])).texts}
    assert "A cheaper" in one_sided
    assert "B cheaper" not in one_sided


def test_regions_show_where_not_even_a_free_server_wins(figure1):
    """Hand: R_Th = (1−w)·R_IC = 0.5 in Figure 1; no line where that is off the axes."""
    (line,) = by_gid(regions(figure1), "not even free")
    assert set(line.get_ydata()) == {0.5}
    assert tco.not_even_free(r_th=0.5)
    assert by_gid(regions(tco.surface(r_th=[0.6, 2.0], r_sc=[0.1, 1.5])), "not even free") == []


def test_a_discount_points_to_the_left(figure1):
    """Hand: on an ascending axis a lower server cost is to the left (the paper says right: see the errata)."""
    before = (1.0, 0.8)
    after = (before[0] * (1 - 0.6 * 0.3), 0.8)
    (arrow,) = by_gid(
        regions(figure1, arrows={"30 % off the chips of A": (before, after)}), "arrow 30 % off the chips of A"
    )
    assert arrow.xy == after
    assert arrow.xyann == before
    assert arrow.xy[0] < arrow.xyann[0]


# --------------------------------------------------------------------------------------------------------------- points


@pytest.mark.parametrize("draw", [heatmap, regions])
def test_assumed_points_are_hollow_and_measured_ones_filled(draw, figure1):
    """Hand."""
    ax = draw(figure1, points={"assumed": (0.6, 0.9), "run": (0.4, 0.5)}, measured=["run"])
    (hollow,), (filled,) = by_gid(ax, "point assumed"), by_gid(ax, "point run")
    assert hollow.get_facecolors().size == 0
    assert np.allclose(filled.get_facecolors(), to_rgba("black"))
    assert np.allclose(hollow.get_offsets(), [[0.6, 0.9]])


def test_points_carry_their_ratio(figure1):
    """Hand: (0.6 + 1)/(2·0.8) = 1."""
    (label,) = labels_of(heatmap(figure1, points={"decode": (0.6, 0.8)}), "decode")
    assert label.get_text() == "decode: 1.00×"


@pytest.mark.parametrize("draw", [heatmap, regions])
def test_labels_keep_apart_and_inside(draw, figure1):
    """Property: corners, borders, a crowd on one spot, and long names; at the size drawn and at another."""
    points = {f"crowd {i}": (0.6, 0.9) for i in range(6)}
    points |= {"corner 1": (0.1, 0.2), "corner 2": (1.5, 2.0), "corner 3": (0.1, 2.0), "corner 4": (1.5, 0.2)}
    points |= {"a rather long name for a point at the border": (1.5, 1.1)}
    ax = draw(figure1, points=points)
    texts = labels_of(ax, *points)
    assert len(texts) == len(points)
    for size in (None, (5.0, 4.0)):
        if size:
            ax.figure.set_size_inches(size)
        extents = boxes(ax, texts)
        inside = ax.get_window_extent()
        for one, other in itertools.combinations(extents, 2):
            assert not one.overlaps(other)
        for box in extents:
            assert inside.x0 <= box.x0 <= box.x1 <= inside.x1
            assert inside.y0 <= box.y0 <= box.y1 <= inside.y1


def test_drawing_twice_moves_nothing(figure1):
    """Property: placement depends on the figure only, so interactive windows come to rest."""
    ax = heatmap(figure1, points={"one": (0.6, 0.9), "two": (0.62, 0.92)})
    texts = labels_of(ax, "one", "two")
    first, second = ([box.bounds for box in boxes(ax, texts)] for _ in range(2))
    assert np.allclose(first, second, atol=0.5)  # pixels; the layout of the axes itself moves by hundredths


@pytest.mark.parametrize("draw", [heatmap, regions])
@pytest.mark.parametrize("place", [(1.6, 0.9), (0.05, 0.9), (0.6, 2.5), (0.6, 0.1), (np.nan, 0.9)])
def test_points_outside_are_refused_with_the_range(draw, place, figure1):
    """Hand."""
    with pytest.raises(
        ValueError, match=r"point 'x' .* is outside the axes: r_sc runs from 0.1 to 1.5, r_th from 0.2 to 2"
    ):
        draw(figure1, points={"x": place})
    assert plt.get_fignums() == []


def test_ends_of_the_axes_are_inside(figure1):
    """Property: also where the axis value is only nearly the number that was written."""
    heatmap(
        figure1, points={"end": (1.5, 2.0), "start": (0.1, 0.2), "rounded": (1.5000000000000002, 2.0000000000000004)}
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measured": ["decode"]}, "measured names 'decode', which is not a point"),
        ({"points": {"x": (0.5,)}}, r"point 'x' = .* is not accepted: give \(r_sc, r_th\)"),
        ({"points": {"x": 0.5}}, r"point 'x' = .* is not accepted: give \(r_sc, r_th\)"),
        ({"labels": ("A", "B", "C")}, "labels = .* is not accepted: give two names"),
        ({"labels": "AB"}, "labels = .* is not accepted: give two names"),
    ],
)
@pytest.mark.parametrize("draw", [heatmap, regions])
def test_other_mistakes_say_what_is_accepted(draw, arguments, message, figure1):
    """Hand."""
    with pytest.raises(ValueError, match=message):
        draw(figure1, **arguments)
    assert plt.get_fignums() == []


def test_mistakes_in_arrows_and_surfaces_say_what_is_accepted(figure1):
    """Hand."""
    with pytest.raises(ValueError, match=r"end of arrow 'x' .* is outside the axes"):
        regions(figure1, arrows={"x": ((1.0, 1.0), (2.0, 1.0))})
    with pytest.raises(ValueError, match=r"arrow 'x' = .* is not accepted"):
        regions(figure1, arrows={"x": (1.0, 1.0)})
    with pytest.raises(ValueError, match="a surface cannot be a ndarray"):
        heatmap(np.ones((2, 2)))


# ---------------------------------------------------------------------------------------------------------------- words


def test_the_picture_explains_itself():
    """Hand: both axes and the colour bar name the two sides, and the parameters stand below the title."""
    s = tco.surface(r_th=[0.5, 1.0, 1.5], r_sc=[0.5, 1.0], r_ic=0.75, server_share=0.7)
    ax = heatmap(s, labels=("Gaudi 2", "H100"), points={"x": (0.5, 1.0)})
    assert ax.get_xlabel() == "server cost ratio R_SC = Gaudi 2 / H100"
    assert ax.get_ylabel() == "throughput ratio R_Th = Gaudi 2 / H100"
    assert "Gaudi 2" in ax.get_title(loc="left")
    (small_print,) = by_gid(ax, "small print")
    assert small_print.get_text() == "R_IC = 0.75; servers are 70 % of H100's cost; ○ assumed, ● measured"
    bar = ax.figure.axes[1]
    assert "below 1×, Gaudi 2 is cheaper" in bar.get_ylabel()
    ax.figure.canvas.draw()
    assert "1×" in [tick.get_text() for tick in bar.get_yticklabels()]
    assert heatmap(s, title="My own").get_title(loc="left") == "My own"


def test_names_are_taken_literally(figure1):
    """Property: a dollar sign or a backslash in a name is no formula."""
    names = (r"A $\alpha$ $", r"B_{1} \frac")
    for draw in (heatmap, regions):
        draw(figure1, labels=names, title=r"$ \x $", points={r"$\bad$": (0.6, 0.9)}).figure.canvas.draw()


def test_small_print_is_large_enough(figure1):
    """Property: nothing is below 8 pt."""
    ax = heatmap(figure1, points={"x": (0.6, 0.9)})
    ax.figure.canvas.draw()
    assert min(text.get_fontsize() for text in ax.figure.findobj(Text)) >= 8


def test_draws_into_the_axes_it_is_given(figure1):
    """Hand: one norm across panels through `limit`."""
    figure, panels = plt.subplots(1, 2, layout="constrained")
    axes = [heatmap(figure1, ax=panels[0], limit=3), regions(figure1, ax=panels[1])]
    assert list(panels) == axes
    assert plt.get_fignums() == [figure.number]
    assert panels[0].collections[0].norm.vmax == 3


@pytest.mark.parametrize("draw", [heatmap, regions])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 2)])
def test_small_surfaces_are_drawn(draw, shape):
    """Property: also a single row, column or cell."""
    s = tco.surface(r_th=np.linspace(0.8, 1.2, shape[0]), r_sc=np.linspace(0.5, 0.9, shape[1]))
    draw(s).figure.canvas.draw()


# ----------------------------------------------------------------------------------------------------------------- save


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")])
def test_save_writes_the_format_of_the_extension(tmp_path, figure1, name, magic):
    """Hand: from an axes or its figure, and the same bytes each time."""
    ax = regions(figure1)
    path = save(ax, tmp_path / name)
    assert path == tmp_path / name
    first = path.read_bytes()
    assert first.startswith(magic)
    save(ax.figure, str(path))
    assert path.read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    for word in (str(tmp_path), os.path.expanduser("~/"), os.getcwd()):
        assert word.encode() not in first


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.jpeg", "give a path that ends in .png, .svg or .pdf"),
        ("a", "give a path that ends in .png, .svg or .pdf"),
        ("missing/a.png", "the folder .*missing does not exist"),
        ("folder.png", "it is a folder"),
    ],
)
def test_save_refuses_with_one_message(tmp_path, figure1, path, message):
    """Hand."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=message):
        save(regions(figure1), tmp_path / path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("failing", ["os.replace", "matplotlib.figure.Figure.savefig"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, figure1, monkeypatch, failing):
    """Property: whichever step fails."""

    def fail(*_, **__):
        raise OSError("no space left on device")

    ax = regions(figure1)
    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(failing, fail)
    with pytest.raises((OSError, ValueError), match="no space left"):
        save(ax, tmp_path / "a.png")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"a.png": b"old"}


def test_save_refuses_what_is_no_picture(tmp_path):
    """Hand."""
    with pytest.raises(ValueError, match="str cannot be saved: give an Axes or a Figure"):
        save("a picture", tmp_path / "a.png")


def test_save_takes_a_panel_of_a_subfigure(tmp_path, figure1):
    """Property: the whole figure is written."""
    outer = plt.figure(layout="constrained").subfigures(1, 2)
    ax = regions(figure1, ax=outer[0].subplots())
    assert save(ax, tmp_path / "a.png").read_bytes() == save(outer[1], tmp_path / "b.png").read_bytes()


def test_importing_tco_loads_no_matplotlib():
    """Property: matplotlib loads with the first picture, and without a warning."""
    code = (
        "import sys, tco; assert 'matplotlib' not in sys.modules; tco.plot.heatmap; assert 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_cell_numbers_give_way_to_labels(figure1):
    """Property: a number that a label or a marker would cover in part is not shown, and the others are."""
    ax = heatmap(figure1, points={"decode, fp8": (0.6, 0.9)})
    ax.figure.canvas.draw()
    cells = [text for text in ax.texts if text.get_gid() == "cell"]
    hidden = [text for text in cells if not text.get_visible()]
    boxes = [text.get_window_extent() for text in ax.texts if text.get_gid() != "cell" and text.get_visible()]
    assert 0 < len(hidden) < len(cells) / 5
    for text in cells:
        if text.get_visible():
            assert not any(text.get_window_extent().overlaps(box) for box in boxes if box.y1 < ax.bbox.y1)
    plt.close(ax.figure)
