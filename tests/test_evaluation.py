"""Predictions scored at the size of the labels, and the frames that are kept for figures."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import metrics
from lib.evaluation import frame_metrics, mask_rows, predict, read_example, save_examples, spread


def scores(table, frame=0):
    return table[table.frame == frame].set_index("metric").value


def test_prediction_is_the_probability_of_the_logit():
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Rescaling(2, 1)])
    images = np.linspace(-30, 30, 48, dtype=np.float32).reshape(3, 4, 4)
    probabilities = predict(network, images)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-2.0 * images - 1)), rtol=1e-4)
    assert probabilities.dtype == np.float32


def test_rows_of_a_frame_are_counts_and_scores():
    rows = mask_rows("01", 7, np.array([[0, 1, 1]]), np.array([[1, 1, 0]]))
    values = {row["metric"]: row["value"] for row in rows}
    assert {(row["video"], row["frame"]) for row in rows} == {("01", 7)}
    assert list(values) == [*metrics.COUNTS, *metrics.SCORES]
    assert (values["tp"], values["fp"], values["fn"], values["tn"]) == (1, 1, 1, 0)
    assert values["iou"] == pytest.approx(1 / 3)


def test_half_size_probabilities_are_scored_against_full_labels():
    labels = np.zeros((2, 128, 128), np.uint16)
    labels[:, 20:90, 64:] = 9
    probabilities = (labels[:, ::2, ::2] > 0).astype(np.float32)
    probabilities[1] *= 0.3
    table = frame_metrics([("01", 4), ("02", 0)], labels, probabilities, 0.5)
    # Edges at even rows and columns are met exactly by linear interpolation.
    same = scores(table, 4)
    assert same[list(metrics.COUNTS)].tolist() == [70 * 64, 0, 0, 128**2 - 70 * 64]
    assert (same[list(metrics.SCORES)] == 1).all()
    assert scores(table, 0)["tp"] == 0
    assert np.isnan(scores(table, 0)["precision"])
    assert set(table[table.frame == 0].video) == {"02"}


def test_threshold_counts_from_its_own_value():
    labels = np.ones((1, 4, 4), int)
    for threshold, found in ((0.25, 16), (0.26, 0)):
        table = frame_metrics([("01", 0)], labels, np.full((1, 2, 2), 0.25), threshold)
        assert scores(table)["tp"] == found


def test_a_coarse_round_cell_is_scored_close_to_its_fine_one():
    rows, columns = (np.indices((128, 128)) + 0.5) / 128
    fine = np.hypot(rows - 0.45, columns - 0.55) < 0.3
    coarse = fine.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    table = frame_metrics([("01", 0)], fine[None].astype(int), coarse[None], 0.5)
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


def test_examples_come_back_without_pickle(tmp_path):
    rng = np.random.default_rng(0)
    images, probabilities = rng.normal(size=(3, 8, 8)), rng.random((3, 8, 8))
    labels = rng.integers(0, 60_000, (3, 8, 8))
    path = tmp_path / "examples.npz"
    save_examples(path, [("01", 3), ("02", 5), ("02", 80)], images, labels, probabilities)
    with np.load(path, allow_pickle=False) as kept:
        assert kept["video"].tolist() == ["01", "02", "02"]
        assert kept["frame"].tolist() == [3, 5, 80]
        np.testing.assert_array_equal(kept["labels"], labels)
    example = read_example(path)
    assert (example["video"], example["frame"]) == ("02", 5)
    np.testing.assert_array_equal(example["labels"], labels[1])
    np.testing.assert_allclose(example["image"], images[1], rtol=1e-3)
    np.testing.assert_allclose(example["probability"], probabilities[1], rtol=1e-3)
