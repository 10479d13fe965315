"""Scores of training curves against those of all pixels of an epoch."""

import keras
import numpy as np
import pytest

from lib import curve_metrics, metrics


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
    curve = curve_metrics.PixelScore(name)
    single = []
    for mask, logit in batches():
        curve.update_state(mask, logit, sample_weight=np.float32(mask))
        single.append(metrics.scores(metrics.count(mask, logit > 0))[name])
    assert float(curve.result()) == pytest.approx(expected)
    assert np.nanmean(single) != pytest.approx(expected, abs=1e-3)
    curve.reset_state()
    assert np.isnan(float(curve.result()))


def test_mean_iou_is_that_of_keras():
    theirs, ours = keras.metrics.MeanIoU(2), curve_metrics.PixelScore("mean_iou")
    for masks, logits in batches():
        theirs.update_state(masks, np.float32(logits > 0))
        ours.update_state(masks, logits)
    assert float(ours.result()) == pytest.approx(float(theirs.result()))


def test_counts_are_exact_beyond_single_precision():
    curve = curve_metrics.PixelScore("accuracy")
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
    curve = keras.metrics.MeanMetricWrapper(curve_metrics.batch_f1)
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
