"""Baselines on two videos made by hand: one textured square that moves a column a frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data.arrays import UNKNOWN
from lib.data.dataset import DataSet
from lib.data.splits import Split
from lib.scoring.baselines import best_blind_rate, local_deviation, local_variance_mask, predictions
from lib.scoring.pixels import SCORES, count, scores

FRAMES = {"01": range(20), "02": range(8)}
SPLIT = Split(
    "01to02",
    [("01", frame) for frame in range(18)],
    [("01", 18), ("01", 19)],
    [("02", frame) for frame in FRAMES["02"]],
)


def video(count, seed):
    """Images and labels: a square of 32 px, textured on flat ground, a column on each frame."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, 64, 64), np.uint16)
    for frame in range(count):
        labels[frame, 16:48, 4 + frame : 36 + frame] = 5
    images = np.full(labels.shape, 100, np.uint8)
    images[labels > 0] = rng.choice([60, 140], (labels > 0).sum())
    return images, labels


@pytest.fixture
def data():
    videos = {name: video(len(frames), int(name)) for name, frames in FRAMES.items()}
    images, labels = ({name: parts[n] for name, parts in videos.items()} for n in (0, 1))
    labelled = {name: list(frames) for name, frames in FRAMES.items()}
    return DataSet({"shape": [64, 64], "labelled": labelled}, images, labels, {}, {})


def test_what_each_baseline_marks(data):
    found, labels = predictions(data, SPLIT), data.labels["02"]
    assert (np.array(found["all_foreground"]) == 1).all()
    # At its rate, wherever the cells are.
    rate, marked = best_blind_rate(1 / 4), np.array(found["image_blind"]) > 0
    assert marked[labels > 0].mean() == pytest.approx(rate, abs=0.03)
    assert marked[labels == 0].mean() == pytest.approx(rate, abs=0.03)
    # Frame 0 has none before it.
    assert found["previous_frame"][0] is None
    np.testing.assert_array_equal(found["previous_frame"][1:], labels[:-1])
    for truth, cells in zip(labels, found["local_variance"], strict=True):
        assert scores(count(truth, cells))["f1"] > 0.85


def test_what_is_unknown_is_not_learnt_from(data):
    known = predictions(data, SPLIT)
    for frame in range(18):
        data.labels["01"][frame, 60:] = UNKNOWN
    data.labels["02"][0, 60:] = UNKNOWN
    data.record["labelled"]["02"].remove(3)
    found = predictions(data, SPLIT)
    assert [cells is None for cells in found["previous_frame"]] == [n in (0, 4) for n in range(8)]
    assert found["previous_frame"][1].max() == 5
    np.testing.assert_array_equal(found["local_variance"], known["local_variance"])


@given(st.floats(0.02, 0.98))
def test_blind_rate_has_the_best_mean_iou_that_can_be_expected(share):
    def expected(rate):
        wrong = (1 - share) * rate, share * (1 - rate)
        return SCORES["mean_iou"](share * rate, *wrong, (1 - share) * (1 - rate))

    best = best_blind_rate(share)
    assert all(expected(best) >= expected(rate) - 1e-12 for rate in np.arange(1, 100) / 100)


def test_published_scores_without_augmentation_are_those_of_chance():
    # 55.6 % of the pixels of the last 34 frames are cell; 66 % are marked, wherever they are.
    share, rate = 0.556, 0.66
    counts = {"tp": share * rate, "fp": (1 - share) * rate}
    counts |= {"fn": share * (1 - rate), "tn": (1 - share) * (1 - rate)}
    assert scores(counts)["f1"] == pytest.approx(0.605, abs=0.002)
    assert scores(counts)["mean_iou"] == pytest.approx(0.332, abs=0.005)


def test_local_deviation_of_known_textures():
    stripes = np.where(np.arange(32) % 2, 13.0, 7.0) * np.ones((32, 1))
    stripes[:, 16:] = 50
    deviation = local_deviation(np.uint8(stripes), 4)
    np.testing.assert_allclose(deviation[:, 2:14], 3)
    np.testing.assert_allclose(deviation[:, 18:], 0, atol=1e-6)


def test_local_variance_mask_closes_gaps_fills_holes_and_drops_specks():
    rng = np.random.default_rng(0)
    image = np.full((100, 100), 100.0)
    image[20:80, 20:80] = rng.choice([60, 140], (60, 60))
    image[40:60, 40:60] = 100
    image[90:92, 90:92] = 200
    mask = local_variance_mask(image, 5, 15)
    assert mask[20:80, 20:80].mean() > 0.98
    assert not mask[84:, 84:].any()


def test_texture_at_the_border_of_the_image_is_kept():
    texture = np.random.default_rng(0).choice([60, 140], (64, 64))
    assert local_variance_mask(texture, 9, 15).all()
