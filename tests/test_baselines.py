"""Baselines on two videos made by hand: one textured square that moves a column a frame."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import metrics, plan
from lib.baselines import baseline_metrics, best_blind_rate, local_deviation, local_variance_mask
from lib.study import Study

SIZE, FRAMES = 64, {"01": 20, "02": 8}


def video(count, seed):
    """Images and labels: a square of 32 px, textured on flat ground, a column on each frame."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, SIZE, SIZE), np.uint16)
    for frame in range(count):
        labels[frame, 16:48, 4 + frame : 36 + frame] = 5
    images = np.full(labels.shape, 100, np.uint8)
    images[labels > 0] = rng.choice([60, 140], (labels > 0).sum())
    return images, labels


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    settings = {
        "grid.folds": ["01to02", "last"],
        "split.test_share": 0.2,
        "split.validation_share": 0.1,
        "split.seed": 0,
    }
    profile = SimpleNamespace(settings=settings, outputs=tmp_path_factory.mktemp("outputs"))
    frames = {name: video(count, seed) for seed, (name, count) in enumerate(FRAMES.items())}
    images, labels = ({name: pair[part] for name, pair in frames.items()} for part in (0, 1))
    plan.write_splits(profile, {"frames": FRAMES})
    return Study(profile, {"frames": FRAMES}, images, labels)


@pytest.fixture(scope="module")
def table(study):
    return baseline_metrics(study)


def values(table, arm, fold="01to02"):
    rows = table[(table.arm == arm) & (table.fold == fold)]
    return rows.pivot_table(index=["video", "frame"], columns="metric", values="value")


def test_table_is_tidy(table):
    assert list(table) == ["arm", "fold", "seed", "video", "frame", "metric", "value"]
    arms = {"all_foreground", "image_blind", "local_variance", "previous_frame"}
    assert set(table.arm) == arms
    assert not table.duplicated(["arm", "fold", "video", "frame", "metric"]).any()
    assert set(table[table.fold == "last"].frame) == set(range(2, 8))


def test_all_foreground_scores_as_its_formula(table):
    share = 32 * 32 / SIZE**2
    scores = values(table, "all_foreground")
    assert len(scores) == 8
    np.testing.assert_allclose(scores.f1, 2 * share / (1 + share))
    np.testing.assert_allclose(scores.mean_iou, share / 2)


def test_image_blind_marks_pixels_at_its_rate_wherever_they_are(table, study):
    rate = best_blind_rate(study.labels["01"] > 0)
    pooled = values(table, "image_blind").sum()
    assert pooled.tp / (pooled.tp + pooled.fn) == pytest.approx(rate, abs=0.03)
    assert pooled.fp / (pooled.fp + pooled.tn) == pytest.approx(rate, abs=0.03)


def test_previous_frame_is_the_frame_before(table):
    scores = values(table, "previous_frame")
    # Frame 0 has none before it. The square is one column of 32 off.
    assert scores.index.tolist() == [("02", frame) for frame in range(1, 8)]
    np.testing.assert_allclose(scores.f1, 31 / 32)
    np.testing.assert_allclose(scores.fp, 32)
    assert len(values(table, "previous_frame", "last")) == 6


def test_baselines_have_a_seg(table):
    share = 32 * 32 / SIZE**2
    # One cell a frame: one that is found over the whole frame, or a column off.
    np.testing.assert_allclose(values(table, "all_foreground").seg_st, share)
    np.testing.assert_allclose(values(table, "previous_frame").seg_st, 31 / 33)
    # Of pixels at random no component makes up half of a cell.
    assert (values(table, "image_blind").seg_st == 0).all()
    np.testing.assert_allclose(
        values(table, "local_variance").seg_st, values(table, "local_variance").iou, atol=0.02
    )


def test_local_variance_finds_the_texture(table):
    for fold in ("01to02", "last"):
        assert values(table, "local_variance", fold).f1.min() > 0.85
        assert values(table, "local_variance", fold).recall.min() > 0.95


# Parts


@given(st.floats(0.02, 0.98))
def test_blind_rate_has_the_best_mean_iou_that_can_be_expected(share):
    masks = np.arange(1000)[None] < 1000 * share
    share = masks.mean()

    def expected(rate):
        both, neither = share * rate, (1 - share) * (1 - rate)
        return both / (share + rate - both) + neither / (2 - share - rate - neither)

    best = best_blind_rate(masks)
    assert all(expected(best) >= expected(rate) - 1e-12 for rate in np.arange(1, 100) / 100)


def test_blind_rate_of_half_the_pixels_is_half():
    assert best_blind_rate(np.arange(8).reshape(2, 2, 2) % 2) == pytest.approx(0.5)


def test_published_scores_without_augmentation_are_those_of_chance():
    # 55.6 % of the pixels of the last 34 frames are cell; 66 % are marked, wherever they are.
    share, rate = 0.556, 0.66
    counts = {"tp": share * rate, "fp": (1 - share) * rate}
    counts |= {"fn": share * (1 - rate), "tn": (1 - share) * (1 - rate)}
    scores = metrics.scores(counts)
    assert scores["f1"] == pytest.approx(0.605, abs=0.002)
    assert scores["mean_iou"] == pytest.approx(0.332, abs=0.005)


def test_local_deviation_of_known_textures():
    stripes = np.where(np.arange(32) % 2, 13.0, 7.0) * np.ones((32, 1))
    stripes[:, 16:] = 50
    deviation = local_deviation(np.uint8(stripes), 4)
    np.testing.assert_allclose(deviation[:, 2:14], 3)
    np.testing.assert_allclose(deviation[:, 18:], 0, atol=1e-6)
    windows = np.lib.stride_tricks.sliding_window_view(stripes, (5, 5))
    inner = local_deviation(stripes, 5)[2:-2, 2:-2]
    np.testing.assert_allclose(inner, windows.std(axis=(2, 3)), atol=1e-6)


def test_local_variance_mask_closes_gaps_fills_holes_and_drops_specks():
    rng = np.random.default_rng(0)
    image = np.full((100, 100), 100.0)
    image[20:80, 20:80] = rng.choice([60, 140], (60, 60))
    image[40:60, 40:60] = 100
    image[90:92, 90:92] = 200
    mask = local_variance_mask(image, 5, 15)
    truth = np.zeros((100, 100), bool)
    truth[20:80, 20:80] = True
    assert mask[20:80, 20:80].mean() > 0.98
    assert not mask[84:, 84:].any()
    assert (mask & ~truth).sum() < 4 * 66 * 3


def test_texture_at_the_border_of_the_image_is_kept():
    texture = np.random.default_rng(0).choice([60, 140], (64, 64))
    assert local_variance_mask(texture, 9, 15).all()
