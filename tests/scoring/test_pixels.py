"""Pixel scores of constructed masks, as numbers and as curves of training."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.data.arrays import UNKNOWN
from lib.data.files import ROOT
from lib.scoring import curves, pixels

PAIRS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2).map(lambda s: (2, *s)))


def test_scores_of_a_known_case():
    labels = np.array([[5, 5, 5, 0, 0], [0, 0, 0, 0, 0]])
    found = np.array([[0, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
    counts = pixels.count(labels, found)
    assert counts == {"tp": 2, "fp": 2, "fn": 1, "tn": 5}
    expected = {"f1": 4 / 7, "iou": 2 / 5, "mean_iou": (2 / 5 + 5 / 8) / 2}
    expected |= {"precision": 1 / 2, "recall": 2 / 3, "accuracy": 7 / 10}
    assert pixels.scores(counts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mask", "found", "undefined"),
    [
        (0, 0, {"f1", "iou", "mean_iou", "precision", "recall"}),
        (0, 1, {"recall"}),
        (1, 0, {"precision"}),
        (1, 1, {"mean_iou"}),
    ],
)
def test_undefined_is_nan_and_the_rest_is_not(mask, found, undefined):
    scores = pixels.scores(pixels.count(np.full((3, 3), mask), np.full((3, 3), found)))
    assert {name for name, score in scores.items() if np.isnan(score)} == undefined


@given(PAIRS)
def test_scores_are_tied_to_each_other(pair):
    counts = pixels.count(*pair)
    scores, back = pixels.scores(counts), pixels.scores(pixels.count(*~pair))
    assert sum(counts.values()) == pair[0].size
    np.testing.assert_allclose(scores["iou"], scores["f1"] / (2 - scores["f1"]))
    np.testing.assert_allclose(scores["mean_iou"], (scores["iou"] + back["iou"]) / 2)


@given(hnp.arrays(np.uint16, (4, 5), elements=st.sampled_from([0, 3, UNKNOWN])), PAIRS)
def test_unknown_pixels_do_not_count(labels, pair):
    found = np.resize(pair[0], labels.shape)
    known = labels != UNKNOWN
    alone = pixels.count(labels[known][None], found[known][None])
    assert pixels.count(labels, found) == alone


def test_shapes_have_to_agree():
    with pytest.raises(ValueError, match=r"\(3, ?2\) \(2, ?3\)"):
        pixels.count(np.ones((2, 3)), np.ones((3, 2)))


def test_share_of_pixels_with_one_answer():
    frames = np.array([[[0.5, 0.9], [0.4, 0.1]], [[0.7, 0.1], [0.1, 0.2]]])
    assert pixels.one_answer(frames, 0.5) == 3 / 4
    assert pixels.one_answer(np.full((3, 2, 2), 0.5), 0.5) == 1


def batches():
    """Logits and masks of an epoch: batches of several sizes, one without any foreground."""
    rng = np.random.default_rng(0)
    for count, share in ((4, 0.7), (1, 0.2), (2, 0.0), (3, 0.5)):
        masks = np.float32(rng.random((count, 8, 8, 1)) < share)
        logits = np.float32(rng.normal(masks - 0.3, 1))
        yield masks, np.where(share, logits, -1).astype(np.float32)


@pytest.mark.parametrize("name", sorted(pixels.SCORES))
def test_curves_are_scores_of_all_pixels_of_an_epoch(name):
    masks, logits = (np.concatenate(parts) for parts in zip(*batches(), strict=True))
    curve = curves.PixelScore(name)
    for mask, logit in batches():
        curve.update_state(mask, logit, sample_weight=np.float32(mask))
    expected = pixels.scores(pixels.count(masks, logits > 0))[name]
    assert float(curve.result()) == pytest.approx(expected)
    curve.reset_state()
    assert np.isnan(float(curve.result()))


def test_each_score_is_a_curve():
    names = [getattr(metric, "name", None) for metric in curves.pixel_metrics()]
    assert names[:-1] == [*pixels.SCORES]


MANY_PIXELS = """
import numpy as np
from lib.scoring.curves import BLOCK, PixelScore
curve = PixelScore("accuracy")
for side in (4096, 1, 4096, 1, 1):
    ones = np.ones((1, side, side, 1), np.float32)
    curve.update_state(ones, ones)
counts = BLOCK * np.float64(curve.blocks) + np.float64(curve.rest)
assert counts.tolist() == [2**25 + 3, 0, 0, 0]
assert float(curve.result()) == 1
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_counts_are_exact_beyond_single_precision(backend):
    environment = os.environ | {"KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", MANY_PIXELS], cwd=ROOT, env=environment, check=True)


def test_batch_f1_is_that_of_the_original():
    curve, expected = keras.metrics.MeanMetricWrapper(curves.batch_f1), []
    for masks, logits in batches():
        curve.update_state(masks, logits)
        # As the original writes it: from precision and recall of rounded probabilities.
        rounded, tiny = np.round(1 / (1 + np.exp(-logits))), 1e-7
        precision = (masks * rounded).sum() / (rounded.sum() + tiny)
        recall = (masks * rounded).sum() / (masks.sum() + tiny)
        expected.append(2 * precision * recall / (precision + recall + tiny))
    assert float(curve.result()) == pytest.approx(np.mean(expected), abs=1e-5)
