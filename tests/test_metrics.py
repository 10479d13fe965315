"""Pixel scores of constructed masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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


@given(st.floats(0.01, 0.99), st.floats(0.01, 1))
def test_blind_guess_scores_what_was_asked_for(foreground, marked):
    f1 = 2 * foreground * marked / (foreground + marked)
    counts = [
        foreground * marked,
        (1 - foreground) * marked,
        foreground * (1 - marked),
        (1 - foreground) * (1 - marked),
    ]
    assert metrics.blind_guess(min(f1, 2 * foreground / (1 + foreground)), foreground) == (
        pytest.approx(marked),
        pytest.approx(metrics.mean_iou(*counts)),
    )


def test_no_guess_beats_marking_everything():
    assert np.isnan(metrics.blind_guess(0.7, 0.5)).all()
