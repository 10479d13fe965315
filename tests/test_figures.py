"""Figures drawn from constructed input show what they were given."""

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lib import data_figures, figures
from lib.architecture_figure import draw_architecture, feature_maps, place_boxes
from lib.arrays import to_gap_mask
from lib.augmentation import published_displacement, warp
from lib.data import read_video
from lib.files import StateError
from lib.model import unet
from lib.paths import PARAMS
from lib.phantom import write_phantom
from lib.splits import Split, make_split

SIDE = 40
IMAGE = np.random.default_rng(0).random((SIDE, SIDE))
RANGES = {"rotation": 0.2, "shear": 0.05, "shift": 0.05, "zoom": 0.05}


def two_cells(gap=0):
    """Two cells left and right of a gap of so many columns, and background around them."""
    labels = np.zeros((SIDE, SIDE), np.uint16)
    labels[5:35, 5:20] = 3
    labels[5:35, 20 + gap : 35] = 9
    return labels


def shown(figure):
    """Arrays in the panels of a figure, in order."""
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.images]


def bars(figure):
    """Colour scales of the panels with a colour bar."""
    panels = [axes for axes in figure.axes if axes.images]
    return [axes.images[0].get_clim() for axes in panels if axes.images[0].colorbar]


# Style and files


def test_every_arm_has_a_colour_of_its_own():
    profiles = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in PARAMS.glob("*.yaml")]
    arms = set().union(*(profile.get("arms", {}) for profile in profiles))
    assert {"none", "aspp", "known_25_256"} <= arms
    assert len({figures.arm_colour(arm) for arm in arms}) == len(arms)


def test_any_arm_has_a_colour_that_is_none_of_ours():
    assert figures.arm_colour("somebody's") == figures.arm_colour("somebody's")
    assert figures.arm_colour("somebody's") not in figures.COLOURS.values()


def test_a_saved_figure_is_the_same_every_time(tmp_path):
    for folder in ("one", "two"):
        drawn = figures.draw_sample([IMAGE], ["noise"])
        path = figures.save(drawn, tmp_path / folder, "sample", svg=True)
        assert path == tmp_path / folder / "figures" / "sample.png"
    for ending in ("png", "svg"):
        one, two = (tmp_path / name / "figures" / f"sample.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.suffix for path in path.parent.iterdir()) == [".png", ".svg"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "figures").write_text("a file, not a folder")
    with pytest.raises(StateError, match=r"figures/sample\.png: cannot be written"):
        figures.save(figures.draw_sample([IMAGE], ["noise"]), tmp_path, "sample")


# Figure 1


@pytest.fixture(scope="module")
def paper():
    return unet(572, padding="valid")


def test_feature_maps_are_those_of_the_papers_figure_1(paper):
    maps = feature_maps(paper)
    assert maps["down0"] == [(572, 1), (570, 64), (568, 64)]
    assert maps["bottom"] == [(32, 512), (30, 1024), (28, 1024)]
    assert maps["up0"] == [(392, 128), (390, 64), (388, 64)]
    assert maps["logits"] == [(388, 1)]


def test_figure_1_shows_the_numbers_of_its_model(paper):
    for model, summary in ((paper, "23 convolutions"), (unet(32, filters=2, depth=1), "8 conv")):
        texts = [text.get_text() for text in draw_architecture(model).axes[0].texts]
        assert any(text.startswith(summary) for text in texts)
        for name, block in feature_maps(model).items():
            for _, channels in block[1:]:
                assert str(channels) in texts, name
            assert f"{block[0][0]}²" in texts or name == "logits"


def test_boxes_are_drawn_to_scale_and_do_not_overlap():
    blocks = place_boxes(feature_maps(unet(64, filters=4, depth=2)))
    assert blocks["down0"][1].height == pytest.approx(2 * blocks["down1"][1].height)
    assert blocks["bottom"][1].width == pytest.approx(2 * blocks["down1"][1].width)
    assert blocks["down1"][0].centre == pytest.approx(blocks["down0"][-1].centre)
    every = [box for boxes in blocks.values() for box in boxes]
    for number, box in enumerate(every):
        for other in every[number + 1 :]:
            across = min(box.right, other.right) - max(box.left, other.left)
            up = min(box.top, other.top) - max(box.low, other.low)
            assert across <= 0 or up <= 0


# Figures 2, 3, 4, 7 and 8


def test_a_scale_bar_is_drawn_only_with_a_pixel_size():
    with_bar, without = (
        figures.draw_sample([IMAGE], ["a"], pixel_size=size).axes[0].artists for size in (0.5, None)
    )
    assert len(with_bar) == 1
    assert len(without) == 0
    assert with_bar[0].txt_label.get_text() == "5 µm"  # a quarter of 20 µm


def test_figure_3_looks_closely_at_where_cells_touch():
    labels = two_cells()
    arrays = shown(figures.draw_labels_to_mask(IMAGE, labels))
    assert len(arrays) == 8
    np.testing.assert_array_equal(arrays[3], to_gap_mask(labels))
    assert arrays[6].all()
    assert not arrays[7].all()


def test_figure_4_says_how_far_pixels_moved():
    field = np.zeros((2, SIDE, SIDE))
    field[0] = 3
    drawn = figures.draw_augmentation(
        {"frame": (IMAGE, two_cells())}, {"moved": field, "still": 0 * field}
    )
    assert titles(drawn) == ["(a) frame", "(c) moved\nat most 3.0 px", "(d) still\nat most 0.0 px"]
    assert {axes.images[0].get_clim() for axes in drawn.axes[2:4]} == {(0, 3)}


def test_figure_4b_has_a_grid_under_each_copy():
    copies = {name: (IMAGE, two_cells()) for name in ("frame", "rigid", "elastic")}
    drawn = figures.draw_online(copies, [data_figures.grid_image(SIDE)] * 3)
    assert titles(drawn)[:3] == ["(a) frame", "(b) rigid", "(c) elastic"]
    assert len(shown(drawn)) == 6


def test_name_of_an_arm_stays_in_the_line_of_its_letter():
    names = ("frame", "rigid", "elastic", "rigid_elastic", "known_25_strong")
    copies = {name: (IMAGE, two_cells()) for name in names}
    drawn = figures.draw_online(copies, [data_figures.grid_image(SIDE)] * 5)
    assert titles(drawn)[4] == "(e) known_25_strong"


@pytest.mark.parametrize("count", range(6))
def test_figure_7_gives_each_prediction_its_own_scale(count):
    predictions = [(f"arm {n}", 0.5 + 0.1 * n * IMAGE) for n in range(1, count + 1)]
    drawn = figures.draw_predictions(IMAGE, predictions, two_cells() > 0)
    assert len(shown(drawn)) == count + 2
    assert titles(drawn)[-1].endswith("truth")
    limits = [(array.min(), array.max()) for _, array in predictions]
    np.testing.assert_allclose(bars(drawn), [*limits, (0, 1)])


def test_figure_7b_has_image_and_truth_first_and_one_scale_for_every_arm():
    predictions = {f"arm {n}": 0.5 + 0.01 * n * IMAGE for n in range(27)}
    drawn = figures.draw_every_arm(IMAGE, predictions, two_cells() > 0)
    assert titles(drawn) == ["test image", "truth", *predictions]
    for found, values in zip(
        shown(drawn), [IMAGE, two_cells() > 0, *predictions.values()], strict=True
    ):
        np.testing.assert_array_equal(found, values)
    assert {axes.images[0].get_clim() for axes in drawn.axes[1:29]} == {(0, 1)}
    assert bars(drawn) == [(0, 1)]
    assert not any(axes.axison for axes in drawn.axes[29:30])  # a place without an arm


def example(image, labels, probability):
    return {"image": np.uint8(255 * image), "labels": labels, "probability": probability}


BLUE, ORANGE = np.array([0, 114, 178]) / 255, np.array([213, 94, 0]) / 255


def grey_of(image):
    """Grey of each pixel under the colours, from the darkest to the brightest hundredth."""
    low, high = np.percentile(image, [1, 99])
    return np.clip((image - low) / (high - low), 0, 1)[..., None]


def test_missed_pixels_are_blue_and_false_ones_orange():
    truth = two_cells()
    probability = np.where(truth > 0, 0.5, 0.49).astype(np.float16)
    probability[5:35, 5:8] = 0.4
    probability[5:35, 0:2] = 0.6
    one = example(IMAGE, truth, probability)
    drawn = figures.draw_mistakes([("an arm, worst: video 02 frame 7", one)], threshold=0.5)
    image, shown_probability, mistakes = shown(drawn)
    np.testing.assert_array_equal(image, one["image"])
    np.testing.assert_array_equal(shown_probability, probability)
    grey = grey_of(one["image"])
    expected = np.broadcast_to(grey, (SIDE, SIDE, 3)).copy()
    expected[5:35, 5:8] = (0.4 * grey + 0.6 * BLUE)[5:35, 5:8]
    expected[5:35, 0:2] = (0.4 * grey + 0.6 * ORANGE)[5:35, 0:2]
    np.testing.assert_allclose(mistakes, expected, atol=1e-5)
    heads = [title.replace("\n", " ") for title in titles(drawn)]
    assert heads == [
        "(a) an arm, worst: video 02 frame 7",
        "(b) probability",
        "(c) missed blue, false orange",
    ]


@pytest.mark.parametrize(("threshold", "colour"), [(0.75, BLUE), (0.25, ORANGE)])
def test_one_kind_of_mistake_alone_has_its_own_colour(threshold, colour):
    truth = np.full((SIDE, SIDE), int(threshold > 0.5))
    one = example(IMAGE, truth, np.full((SIDE, SIDE), 0.5, np.float16))
    mistakes = shown(figures.draw_mistakes([("all wrong", one)], threshold=threshold))[2]
    np.testing.assert_allclose(mistakes, 0.4 * grey_of(one["image"]) + 0.6 * colour, atol=1e-5)


def test_mistakes_have_a_row_an_example():
    truth = two_cells()
    examples = [
        (name, example(scale * IMAGE, truth, np.float16(truth > 0)))
        for name, scale in (("first", 1), ("second", 0.5), ("third", 0.25))
    ]
    drawn = figures.draw_mistakes(examples, threshold=0.5)
    assert [title[4:] for title in titles(drawn)[::3]] == ["first", "second", "third"]
    for row, (_, one) in enumerate(examples):
        np.testing.assert_array_equal(shown(drawn)[3 * row], one["image"])
        # Nothing is wrong, so that nothing is coloured.
        grey = np.broadcast_to(grey_of(one["image"]), (SIDE, SIDE, 3))
        np.testing.assert_allclose(shown(drawn)[3 * row + 2], grey, atol=1e-5)


def test_figure_8_has_a_colour_bar_a_panel():
    rows = {"ours": {"a": IMAGE, "b": 2 * IMAGE}, "theirs": {"a": -IMAGE, "b": IMAGE}}
    own = figures.draw_weight_maps(rows)
    assert len(bars(own)) == 4
    assert bars(own)[1] == (2 * IMAGE.min(), 2 * IMAGE.max())
    assert set(bars(figures.draw_weight_maps(rows, limits=(0, 10)))) == {(0, 10)}


# Tables and small plots


def test_frame_table_counts_cells_and_foreground():
    table = data_figures.frame_table({"01": np.stack([two_cells(), two_cells(gap=2)])})
    assert table.cells.tolist() == [2, 2]
    assert table.foreground.tolist() == pytest.approx([900 / 1600, 840 / 1600])
    assert table.touching.tolist() == [60, 0]  # 30 rows on both sides of the border
    counts, shares = data_figures.draw_foreground(table).axes
    assert counts.lines[0].get_ydata().tolist() == [2, 2]
    assert shares.lines[0].get_ydata().tolist() == pytest.approx([56.25, 52.5])


def test_truth_table_finds_a_cell_that_was_taken_out(tmp_path):
    write_phantom(tmp_path / "phantom", seed=0, frames=4, size=64)
    folder = tmp_path / "phantom"
    labels = {"01": read_video(folder, "01")[1].copy()}
    before = data_figures.truth_table(folder, labels)
    assert before.missed.tolist() == [0, 0, 0, 0]
    assert (before.fp == 0).all()
    areas = np.bincount(labels["01"][2].ravel())[1:]
    largest = 1 + int(areas.argmax())
    labels["01"][2][labels["01"][2] == largest] = 0
    after = data_figures.truth_table(folder, labels)
    assert after.missed.tolist() == [0, 0, 1, 0]
    rest = np.delete(areas[areas > 0], np.flatnonzero(areas[areas > 0] == areas.max())[0])
    assert after.fp[2] == int(np.median(rest))
    assert after.tp[2] == before.tp[2] - areas.max()
    assert (after[["tp", "fp", "fn", "tn"]].sum(axis=1) == 64 * 64).all()


def test_similarity_of_a_cell_that_moves():
    frames = np.zeros((4, 8, 20), int)
    for number, frame in enumerate(frames):
        frame[:, 3 * number : 3 * number + 6] = 1
    table = data_figures.similarity_table({"01": frames}, [1, 2, 8])
    assert table.lag.tolist() == [1, 2]  # the video is too short for the third
    assert table.f1.tolist() == pytest.approx([0.5, 0])
    assert len(data_figures.draw_similarity(table).axes[0].lines) == 1


def test_distance_to_training():
    split = Split("f", train=[("01", 0), ("01", 9)], validation=[], test=[("01", 7), ("02", 1)])
    assert data_figures.distance_to_training(split).tolist() == [2, np.inf]


def test_splits_are_drawn_frame_by_frame():
    frames = {"01": 10, "02": 10}
    splits = [make_split(fold, frames, seed=0) for fold in ("last", "random")]
    strips = data_figures.draw_splits(splits, frames).axes
    assert [label.get_text() for label in strips[0].get_yticklabels()] == ["last", "random"]
    drawn = [sum(len(bar.get_paths()) for bar in axes.collections) for axes in strips]
    assert sum(drawn) == 2 * 20 + 2 * 2  # every frame of both folds, and a grey strip under each


@pytest.mark.parametrize(("train", "unused"), [([("01", 0)], []), ([], ["not used"])])
def test_legend_of_the_splits_has_what_is_not_used_where_there_is_such(train, unused):
    split = Split("f", train=train, validation=[], test=[("01", 1)])
    (legend,) = data_figures.draw_splits([split], {"01": 2}).legends
    assert [text.get_text() for text in legend.get_texts()][3:] == unused


def test_the_published_number_of_images():
    counts = data_figures.count_copies(168, 12, 0.2, 0.1)
    assert counts["not tested on"] == 134
    assert counts["copies to train on"] == 1447
    assert counts["with the originals"] == 13 * 134


@given(st.integers(0, 10_000))
def test_rotation_moves_no_pixel_further_than_the_corner(seed):
    lengths = np.hypot(*data_figures.part_displacement(seed, 33, RANGES, ["rotation"]))
    assert lengths.max() <= 2 * np.hypot(16, 16) * np.sin(np.deg2rad(0.2) / 2) + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_is_its_displacement_without_the_flip_or_the_mirror_image_of_that(seed):
    field = published_displacement(np.random.default_rng(seed), SIDE, **RANGES)
    copy, _ = warp(IMAGE, two_cells(), field)
    still, _ = warp(
        IMAGE, two_cells(), data_figures.part_displacement(seed, SIDE, RANGES, list(RANGES))
    )
    flipped = np.abs(field).max() > SIDE / 2
    np.testing.assert_allclose(copy, still[:, ::-1] if flipped else still, atol=1e-6)


def test_displacement_table_scales_with_the_image():
    table = data_figures.displacement_table(RANGES, [129, 33], copies=4).set_index("part")
    assert list(table.index) == [*RANGES, "all four"]
    ratio = table["largest at 129 px"] / table["largest at 33 px"]
    assert ratio[["rotation", "shear", "zoom"]].tolist() == pytest.approx([4, 4, 4])
    assert ratio["shift"] == pytest.approx(129 / 33)


@pytest.mark.parametrize("turned", [False, True])
def test_gap_profile_crosses_the_gap(turned):
    labels = two_cells(gap=5).T if turned else two_cells(gap=5)
    profile = data_figures.gap_profile(labels, w0=10, sigma=5, original_sigma=25)
    gap = profile[profile.cell == 0]
    inner = gap[gap.position.abs() < 5]
    assert len(inner) == 5
    # Distances to the two cells add up to 6 px everywhere in the gap.
    assert inner["border weights"].tolist() == pytest.approx([10 * np.exp(-36 / 50)] * 5)
    assert set(profile.cell) >= {0, 3, 9}
    assert len(data_figures.draw_weight_profile(profile).axes[0].lines) == 3


def test_a_gap_needs_two_cells():
    with pytest.raises(ValueError, match="two cells"):
        data_figures.gap_profile((two_cells() == 3).astype(int), w0=1, sigma=5, original_sigma=5)


def test_grid_image_is_regular():
    grid = data_figures.grid_image(64)
    assert grid[0].all()
    assert grid[:, 0].all()
    assert grid[1].sum() == 16
    np.testing.assert_array_equal(grid, grid.T)
