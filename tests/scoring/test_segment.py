"""From probabilities to cells, and the constants that are chosen for it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter
from skimage.segmentation import expand_labels, watershed

from lib.network.targets import to_gap_mask
from lib.scoring.cells import counts, det, overlaps
from lib.scoring.segment import (
    CONSTANTS,
    METHODS,
    choose_constants,
    flood,
    score_constants,
    segment,
    split_cells,
    to_cells,
)

PLAIN = {"threshold": 0.5, "smallest": 0, "grow": 0, "split": 0}


def discs(*places):
    rows, columns = np.indices((96, 96))
    labels = np.zeros((96, 96), np.uint16)
    for number, (row, column, radius) in enumerate(places, 1):
        labels[np.hypot(rows - row, columns - column) <= radius] = number
    return labels


def certain(mask):
    return np.where(mask, 1.0, 0.0)


TWO = discs((40, 25, 18), (40, 62, 17))
TOUCHING = discs((40, 25, 18), (40, 55, 18))
SPECKS = TWO.copy()
SPECKS[80:83, 80:83] = 3
# A prediction that dips where two cells touch, too little for the thresholds to part them.
VALLEY = np.where(to_gap_mask(TOUCHING), 0.9, np.where(TOUCHING, 0.75, 0.0))


def test_pixels_that_share_a_corner_alone_are_two_cells():
    assert to_cells(np.array([[1, 1, 0], [0, 0, 1]], bool)).max() == 2


def test_cells_of_a_coarse_prediction_have_the_size_of_the_labels():
    coarse = np.zeros((4, 4))
    coarse[0, 0], coarse[3, 3] = 1, 0.49
    cells = segment(coarse, (8, 12), **PLAIN)
    assert (cells[:2, :2] == 1).all()
    assert not cells[2:].any()


def test_kept_steps_are_not_probabilities():
    with pytest.raises(ValueError, match="from 0 to 1; there is 31"):
        segment(np.full((4, 4), 31, np.uint8), (8, 8), **PLAIN)


def test_small_cells_go_before_the_others_grow():
    labels = np.zeros((9, 9), np.uint16)
    labels[1:4, 1:4], labels[1, 7], labels[6:8, 6:8] = 1, 2, 3
    cells = segment(certain(labels > 0), (9, 9), **PLAIN | {"smallest": 4, "grow": 1})
    assert np.bincount(cells.ravel())[1:].tolist() == [9 + 12, 4 + 8]


@settings(deadline=None)
@given(hnp.arrays(bool, (14, 13)), st.integers(1, 6))
def test_a_split_divides_components_and_moves_no_pixel(mask, distance):
    components = to_cells(mask)
    cells = split_cells(components, distance)
    np.testing.assert_array_equal(cells > 0, mask)
    for number in np.unique(cells[cells > 0]):
        assert len(np.unique(components[cells == number])) == 1


@settings(deadline=None)
@given(st.integers(0, 999))
def test_flooding_is_a_watershed(seed):
    core = gaussian_filter(np.random.default_rng(seed).random((24, 24)), 2)
    low, high = np.quantile(core, [0.3, 0.8])
    markers, mask = to_cells(core >= high), core >= low
    expected = watershed(-core, markers, mask=mask)
    np.testing.assert_array_equal(flood(markers, core, mask), expected)


@pytest.mark.parametrize("apart", [False, True])
def test_every_combination_scores_as_segment_does(apart):
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(3, 40, 44)), (0, 3, 3))
    probabilities = 0.5 + 0.5 * noise / np.abs(noise).max()
    probabilities[2] = 0.1
    labels = np.stack([to_cells(gaussian_filter(frame, 2) > 0.55) for frame in probabilities])
    labels[1] = np.roll(labels[1], 3, axis=0)
    insides = np.roll(probabilities, 2, axis=2) if apart else None
    grid = {"thresholds": (0.5, 0.6), "smallest": (0, 20, 150), "grow": (0, 1.5, 4)}
    grid |= {"split": (0, 8), "markers": (0.55, 0.7), "flooded": (0.4, 0.6), "sown": (0, 8)}
    table = score_constants(probabilities, labels, insides=insides, **grid)
    assert len(table) == 2 * 3 * 3 * 2 + 2 * 3 * 3 * 2 * 2
    assert sum(len(table.query(rows)) for rows in METHODS.values()) == len(table)
    assert table.seg.nunique() > 10
    for row in table.to_dict("records"):
        pairs = zip(probabilities, [None] * 3 if insides is None else insides, strict=True)
        constants = {name: row[name] for name in CONSTANTS}
        cells = [segment(frame, (40, 44), **constants, inside=inside) for frame, inside in pairs]
        found = [counts(overlaps(*pair)) for pair in zip(labels, cells, strict=True)]
        total = pd.DataFrame(found).sum()
        assert row["seg"] == pytest.approx(total.jaccard / total.true_cells)
        errors = total.true_cells, total.merged, total.missed, total.spurious
        assert row["det"] == pytest.approx(det(*errors))


@pytest.mark.parametrize(
    ("probability", "truth", "chosen"),
    [
        (certain(TWO > 0), TWO, PLAIN),
        (np.where(TWO, 0.4, 0.3), TWO, PLAIN | {"threshold": 0.35}),
        (certain(TWO > 0), expand_labels(TWO, 3), PLAIN | {"grow": 3}),
        (certain(TOUCHING > 0), TOUCHING, PLAIN | {"split": 20}),
        (certain(SPECKS > 0), TWO, PLAIN | {"smallest": 10}),
        (VALLEY, TOUCHING, PLAIN | {"marker": 0.8}),
        (certain(TWO > 9), TWO, PLAIN),
    ],
    ids=["nothing", "threshold", "growth", "split", "specks", "valley", "nothing found"],
)
def test_the_constant_that_helps_is_chosen_and_no_other(probability, truth, chosen):
    grid = {"thresholds": (0.35, 0.5, 0.65), "smallest": (0, 10, 30), "grow": (0, 1, 3, 5)}
    grid |= {"split": (0, 20), "markers": (0.6, 0.8), "flooded": (0.5,), "sown": (0, 20)}
    table = score_constants(probability[None], truth[None], **grid)
    assert choose_constants(table) == {"marker": 0} | chosen


def test_constants_need_a_true_cell():
    with pytest.raises(ValueError, match="no true cell"):
        choose_constants(score_constants(certain(TWO > 0)[None], np.zeros_like(TWO)[None]))
