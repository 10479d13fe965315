"""Pixel scores of constructed masks, and the training curves against them."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from lib import metrics

PAIRS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2).map(lambda s: (2, *s)))


def test_scores_of_a_known_case():
    mask = np.array([[5, 5, 5, 0, 0], [0, 0, 0, 0, 0]])
    prediction = np.array([[0, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
    counts = metrics.count(mask, prediction)
    assert counts == {"tp": 2, "fp": 2, "fn": 1, "tn": 5}
    assert metrics.scores(counts) == pytest.approx(
        {
            "f1": 4 / 7,
            "iou": 2 / 5,
            "mean_iou": (2 / 5 + 5 / 8) / 2,
            "precision": 1 / 2,
            "recall": 2 / 3,
            "accuracy": 7 / 10,
        }
    )


@pytest.mark.parametrize(
    ("mask", "prediction", "undefined"),
    [
        (0, 0, {"f1", "iou", "mean_iou", "precision", "recall"}),
        (0, 1, {"recall"}),
        (1, 0, {"precision"}),
        (1, 1, {"mean_iou"}),
    ],
)
def test_undefined_is_nan_and_the_rest_is_not(mask, prediction, undefined):
    counts = metrics.count(np.full((3, 3), mask), np.full((3, 3), prediction))
    scores = metrics.scores(counts)
    assert {name for name, score in scores.items() if np.isnan(score)} == undefined
    right = float(mask == prediction)
    assert all(score == right for name, score in scores.items() if name not in undefined)


def test_shapes_have_to_agree():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        metrics.count(np.ones((2, 3)), np.ones((3, 2)))


@given(PAIRS)
def test_counts_divide_the_pixels(pair):
    mask, prediction = pair
    counts = metrics.count(mask, prediction)
    assert sum(counts.values()) == mask.size
    assert counts["tp"] + counts["fn"] == mask.sum()
    assert counts["tp"] + counts["fp"] == prediction.sum()
    assert counts["tp"] + counts["tn"] == (mask == prediction).sum()


@given(PAIRS)
def test_scores_are_tied_to_each_other(pair):
    scores = metrics.scores(metrics.count(*pair))
    back = metrics.scores(metrics.count(*~pair))
    f1, iou = scores["f1"], scores["iou"]
    np.testing.assert_allclose(iou, f1 / (2 - f1))
    np.testing.assert_allclose(scores["mean_iou"], (iou + back["iou"]) / 2)
    if f1 > 0:
        assert f1 == pytest.approx(2 / (1 / scores["precision"] + 1 / scores["recall"]))


# Keras metrics


def batches():
    """Logits and masks of an epoch: batches of several sizes, one without any foreground."""
    rng = np.random.default_rng(0)
    for count, share in ((4, 0.7), (1, 0.2), (2, 0.0), (3, 0.5)):
        masks = np.float32(rng.random((count, 8, 8, 1)) < share)
        logits = np.float32(rng.normal(masks - 0.3, 1))
        yield masks, np.where(share, logits, -1).astype(np.float32)


@pytest.mark.parametrize("name", sorted(metrics.SCORES))
def test_curves_are_scores_of_all_pixels_of_an_epoch(name):
    masks, logits = (np.concatenate(parts) for parts in zip(*batches(), strict=True))
    expected = metrics.scores(metrics.count(masks, logits > 0))[name]
    curve = metrics.PixelScore(name)
    single = []
    for mask, logit in batches():
        curve.update_state(mask, logit, sample_weight=np.float32(mask))
        single.append(metrics.scores(metrics.count(mask, logit > 0))[name])
    assert float(curve.result()) == pytest.approx(expected)
    assert np.nanmean(single) != pytest.approx(expected, abs=1e-3)
    curve.reset_state()
    assert np.isnan(float(curve.result()))


def test_mean_iou_is_that_of_keras():
    theirs, ours = keras.metrics.MeanIoU(2), metrics.PixelScore("mean_iou")
    for masks, logits in batches():
        theirs.update_state(masks, np.float32(logits > 0))
        ours.update_state(masks, logits)
    assert float(ours.result()) == pytest.approx(float(theirs.result()))


def test_counts_are_exact_beyond_single_precision():
    curve = metrics.PixelScore("accuracy")
    right = np.ones((1, 4096, 4096, 1), np.float16)
    one = np.ones((1, 1, 1, 1), np.float16)
    curve.update_state(right, right)
    for _ in range(3):
        curve.update_state(one, one)
    # float32 holds no odd number beyond 2^24.
    assert [int(number) for number in curve.counts] == [2**24 + 3, 0, 0, 0]
    curve.update_state(one, -one)
    assert 1 - float(curve.result()) == pytest.approx(1 / (2**24 + 4), rel=1e-6)


def test_batch_f1_is_the_mean_of_batches_with_zero_where_undefined():
    curve = keras.metrics.MeanMetricWrapper(metrics.batch_f1)
    expected = []
    for masks, logits in batches():
        curve.update_state(masks, logits)
        # As the original writes it: from precision and recall of rounded probabilities.
        rounded, tiny = np.round(1 / (1 + np.exp(-logits))), 1e-7
        precision = (masks * rounded).sum() / (rounded.sum() + tiny)
        recall = (masks * rounded).sum() / (masks.sum() + tiny)
        expected.append(2 * precision * recall / (precision + recall + tiny))
    assert expected.count(0) == 1
    assert float(curve.result()) == pytest.approx(np.mean(expected), abs=1e-5)
