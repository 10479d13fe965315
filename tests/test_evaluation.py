"""Predictions scored at the size of the labels, and the frames that are kept for figures."""

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import metrics
from lib.arrays import to_gap_mask
from lib.evaluation import (
    STEPS,
    cells_of,
    choose_examples,
    frame_metrics,
    frame_rows,
    predict,
    predict_turned,
    quantise,
    read_example,
    save_examples,
    save_predictions,
    split_maps,
    spread,
)


def scores(table, frame=0):
    return table[table.frame == frame].set_index("metric").value


def test_prediction_is_the_probability_of_the_logit():
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Rescaling(2, 1)])
    images = np.linspace(-30, 30, 48, dtype=np.float32).reshape(3, 4, 4)
    probabilities = predict(network, images)[..., 0]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-2.0 * images - 1)), rtol=1e-4)
    assert probabilities.dtype == np.float32


def mirrored(seen):
    """Answer an image with itself and with what lies on its other side."""
    flipped = keras.layers.Lambda(lambda image: keras.ops.flip(image, axis=2))(seen)
    return keras.layers.Concatenate()([seen, flipped])


def test_turned_predictions_are_turned_back():
    seen = keras.Input((4, 4, 1))
    network = keras.Model(seen, mirrored(seen))
    images = np.random.default_rng(3).normal(size=(2, 4, 4)).astype(np.float32)
    plain, turned = predict(network, images), predict_turned(network, images)
    assert turned.shape == (2, 4, 4, 2)
    # What looks at a pixel alone answers the same to every turn ...
    np.testing.assert_allclose(turned[..., 0], plain[..., 0], rtol=1e-5)
    # ... and what is mirrored is so along columns in half of the turns, along rows in the other.
    logistic = 1 / (1 + np.exp(-images))
    expected = (logistic[:, :, ::-1] + logistic[:, ::-1]) / 2
    np.testing.assert_allclose(turned[..., 1], expected, rtol=1e-5)


def test_cells_are_cut_out_of_the_map_of_the_target():
    answer = np.array([[0.9, 0.2], [0.8, 1.0]])[None, None]
    assert list(split_maps(answer[..., :1], "gap")) == ["probability"]
    border, distance = split_maps(answer, "border"), split_maps(answer, "distance")
    assert border["probability"].tolist() == distance["probability"].tolist() == [[[0.9, 0.8]]]
    np.testing.assert_allclose(border["inside"], [[[0.72, 0.0]]])
    np.testing.assert_allclose(distance["inside"], [[[0.2, 1.0]]])


@given(st.floats(0, 1))
def test_steps_of_a_probability_are_near_and_keep_the_side_of_a_half(probability):
    step = quantise(np.array([probability], np.float32))
    assert step.dtype == np.uint8
    assert step[0] / STEPS == pytest.approx(probability, abs=0.5 / STEPS + 1e-6)
    if abs(probability - 0.5) > 1e-6:
        assert (step[0] / STEPS >= 0.5) == (probability >= 0.5)


def test_steps_run_from_nothing_to_all():
    # A half lies between two steps, and counts as cell as it does before it is rounded.
    assert quantise(np.array([0, 0.5, 1])).tolist() == [0, 16, 31]
    assert quantise(np.array([np.nan])).tolist() == [0]


def test_rows_of_a_frame_are_counts_and_scores():
    rows = frame_rows("01", 7, np.array([[0, 9, 9]]), np.array([[3, 3, 0]]))
    values = {row["metric"]: row["value"] for row in rows}
    assert {(row["video"], row["frame"]) for row in rows} == {("01", 7)}
    assert list(values) == [*metrics.COUNTS, *metrics.SCORES, "seg_st"]
    assert (values["tp"], values["fp"], values["fn"], values["tn"]) == (1, 1, 1, 0)
    assert values["iou"] == pytest.approx(1 / 3)
    assert values["seg_st"] == 0


def test_seg_of_a_frame_is_the_mean_of_its_cells():
    def seg(labels, cells):
        return frame_rows("01", 0, np.array([labels]), np.array([cells]))[-1]["value"]

    assert seg([1, 1, 2, 0], [5, 5, 0, 0]) == pytest.approx(1 / 2)
    # The pixels are all right, the cells are not.
    assert seg([1, 1, 1, 2, 2], [6, 6, 6, 6, 6]) == pytest.approx((3 / 5 + 2 / 5) / 2)
    assert np.isnan(seg([0, 0], [0, 1]))


def test_half_size_probabilities_are_scored_against_full_labels():
    labels = np.zeros((2, 128, 128), np.uint16)
    labels[:, 20:90, 64:] = 9
    probabilities = (labels[:, ::2, ::2] > 0).astype(np.float32)
    probabilities[1] *= 0.3
    table = frame_metrics([("01", 4), ("02", 0)], labels, quantise(probabilities), 0.5)
    # Edges at even rows and columns are met exactly by linear interpolation.
    same = scores(table, 4)
    assert same[list(metrics.COUNTS)].tolist() == [70 * 64, 0, 0, 128**2 - 70 * 64]
    assert (same[[*metrics.SCORES, "seg_st"]] == 1).all()
    assert scores(table, 0)["tp"] == 0
    assert np.isnan(scores(table, 0)["precision"])
    assert set(table[table.frame == 0].video) == {"02"}


@pytest.mark.parametrize(
    ("step", "threshold", "found"),
    [(STEPS, 1.0, 16), (STEPS - 1, 1.0, 0), (7, 0.22, 16), (7, 0.23, 0)],  # 7 / 31 = 0.226
)
def test_threshold_counts_from_its_own_value(step, threshold, found):
    labels, steps = np.ones((1, 4, 4), int), np.full((1, 2, 2), step, np.uint8)
    assert scores(frame_metrics([("01", 0)], labels, steps, threshold))["tp"] == found


def two_cells(size, gap=0):
    """Two cells of half the columns each, less a gap, inside a frame of background."""
    labels = np.zeros((size, size), int)
    rim, middle = size // 8, size // 2
    labels[rim:-rim, rim : middle - gap] = 1
    labels[rim:-rim, middle + gap : -rim] = 2
    return labels


def test_cells_of_a_prediction_are_its_components():
    cells = cells_of(quantise(two_cells(16) > 0), (16, 16), 0.5)
    np.testing.assert_array_equal(cells, two_cells(16) > 0)
    apart = cells_of(quantise(two_cells(16, gap=1) > 0), (16, 16), 0.5)
    np.testing.assert_array_equal(apart, two_cells(16, gap=1))


def test_gaps_keep_cells_apart_and_are_missed_as_they_are():
    labels = two_cells(16)[None]
    opened = scores(frame_metrics([("01", 0)], labels, quantise(to_gap_mask(labels)), 0.5))
    # Of twelve rows and columns the middle two columns are gap: of each cell one column of six.
    assert (opened["fn"], opened["fp"]) == (24, 0)
    assert opened["seg_st"] == pytest.approx(5 / 6)
    merged = scores(frame_metrics([("01", 0)], labels, quantise(labels > 0), 0.5))
    assert (merged["fn"], merged["fp"]) == (0, 0)
    assert merged["seg_st"] == pytest.approx(1 / 2)


def test_a_coarse_round_cell_is_scored_close_to_its_fine_one():
    rows, columns = (np.indices((128, 128)) + 0.5) / 128
    fine = np.hypot(rows - 0.45, columns - 0.55) < 0.3
    coarse = fine.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    table = frame_metrics([("01", 0)], fine[None].astype(int), quantise(coarse[None]), 0.5)
    assert scores(table)["iou"] > 0.98


@pytest.mark.parametrize(
    ("count", "chosen", "indices"),
    [(34, 3, [0, 16, 33]), (5, 5, [0, 1, 2, 3, 4]), (2, 12, [0, 1]), (1, 3, [0]), (9, 1, [0])],
)
def test_spread_of_known_cases(count, chosen, indices):
    assert spread(count, chosen) == indices


@given(st.integers(1, 300), st.integers(2, 12))
def test_spread_is_even_from_first_to_last(count, chosen):
    indices = spread(count, chosen)
    assert len(indices) == min(count, chosen)
    assert (indices[0], indices[-1]) == (0, count - 1)
    if len(indices) > 1:
        assert 1 <= np.diff(indices).min() >= np.diff(indices).max() - 1


@pytest.mark.parametrize(
    ("f1", "roles"),
    [
        ([0.5, 0.2, 0.9, 0.4], {"spread0": 0, "spread1": 3, "worst": 1, "best": 2}),
        ([np.nan, 0.3, 0.2], {"spread0": 0, "spread1": 2, "worst": 2, "best": 1}),
        ([np.nan, np.nan], {"spread0": 0, "spread1": 1}),
        ([0.7], {"spread0": 0, "worst": 0, "best": 0}),
    ],
)
def test_examples_are_spread_and_the_worst_and_the_best(f1, roles):
    rows = [
        {"video": "02", "frame": 50 + n, "metric": metric, "value": value}
        for n, one in enumerate(f1)
        for metric, value in (("iou", 1 - n), ("f1", one), ("seg_st", n))
    ]
    assert choose_examples(pd.DataFrame(rows), 2) == roles


def test_examples_come_back_without_pickle(tmp_path):
    rng = np.random.default_rng(0)
    images, probabilities = rng.normal(size=(5, 8, 8)), rng.random((5, 8, 8))
    labels = rng.integers(0, 60_000, (5, 8, 8))
    path = tmp_path / "examples.npz"
    roles = ["spread0", "spread1", "spread2", "worst", "best"]
    pairs = [("01", 3), ("02", 5), ("02", 80), ("02", 7), ("01", 3)]
    save_examples(path, roles, pairs, images, labels, probabilities)
    with np.load(path, allow_pickle=False) as kept:
        assert kept["role"].tolist() == roles
        assert kept["video"].tolist() == ["01", "02", "02", "02", "01"]
        assert kept["frame"].tolist() == [3, 5, 80, 7, 3]
        np.testing.assert_array_equal(kept["labels"], labels)
    for role, place in (("middle", 1), ("worst", 3), ("spread2", 2)):
        example = read_example(path, role)
        assert (example["video"], example["frame"]) == pairs[place]
        np.testing.assert_array_equal(example["labels"], labels[place])
        low, high = images[place].min(), images[place].max()
        grey_step = (high - low) / 255
        assert example["image"].dtype == np.uint8
        restored = low + grey_step * example["image"]
        np.testing.assert_allclose(restored, images[place], atol=0.501 * grey_step)
        np.testing.assert_allclose(example["probability"], probabilities[place], rtol=1e-3)
    assert read_example(path)["role"] == "spread1"


def test_example_of_a_role_that_no_frame_has(tmp_path):
    path = tmp_path / "examples.npz"
    save_examples(path, ["spread0"], [("01", 3)], *np.zeros((3, 1, 8, 8)))
    example = read_example(path)
    assert example["role"] == "spread0"
    # An image of one grey value has no range to bring to 256 levels.
    assert (example["image"] == 0).all()
    assert read_example(path, "worst") is None


def test_predictions_come_back_as_they_were(tmp_path):
    probabilities = np.random.default_rng(0).integers(0, STEPS + 1, (3, 8, 8)).astype(np.uint8)
    path = tmp_path / "predictions.npz"
    maps = {"probability": probabilities, "inside": probabilities // 2}
    save_predictions(path, [("01", 80), ("02", 5), ("02", 6)], maps)
    with np.load(path, allow_pickle=False) as kept:
        assert set(kept.files) == {"video", "frame", "steps", "probability", "inside"}
        assert kept["steps"] == STEPS
        assert kept["video"].tolist() == ["01", "02", "02"]
        assert kept["frame"].tolist() == [80, 5, 6]
        assert kept["probability"].dtype == np.uint8
        for name, values in maps.items():
            np.testing.assert_array_equal(kept[name], values)
