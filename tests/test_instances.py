"""From pixels to cells: components and SEG, on cells made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.instances import edge_distances, field_margin, in_field, seg_scores, to_cells

LABELS = hnp.arrays(np.uint16, (8, 9), elements=st.integers(0, 4))


# Components


def test_diagonal_neighbours_are_two_cells():
    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1]], bool)
    assert to_cells(mask).tolist() == [[1, 1, 0, 2], [1, 0, 0, 2], [0, 3, 0, 2]]
    assert not to_cells(np.zeros((3, 4), bool)).any()
    assert (to_cells(np.ones((3, 4), bool)) == 1).all()


# The field of interest


def test_distance_to_the_edge():
    assert edge_distances((3, 5)).tolist() == [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


def test_cells_that_lie_in_the_margin_wholly_are_removed():
    cells = np.zeros((9, 9), int)
    cells[0:2, 0:9], cells[3:9, 2], cells[6, 6] = 4, 7, 9  # reach 1, 2 and 2 px deep
    assert field_margin([cells]) == 1
    assert field_margin([np.where(cells == 4, 0, cells), cells * 0]) == 2
    assert (in_field(cells, 1) == cells).all()
    assert set(np.unique(in_field(cells, 2))) == {0, 7, 9}
    assert not in_field(cells, 3).any()


@given(LABELS, st.integers(0, 5))
def test_margin_of_what_is_left_is_at_least_that_which_was_asked_for(cells, margin):
    left = in_field(cells, margin)
    assert ((left == cells) | (left == 0)).all()
    assert field_margin([left]) >= margin or not left.any()
    assert (in_field(cells, field_margin([cells])) == cells).all()


# SEG


def squares(*places, size=4):
    """Cells 1, 2, ... of 4 x 4 px at these corners, in 12 x 12 px."""
    labels = np.zeros((12, 12), int)
    for number, (row, column) in enumerate(places, start=1):
        labels[row : row + size, column : column + size] = number
    return labels


TWO = squares((1, 1), (1, 6))


def test_cells_that_are_found_as_they_are_score_one():
    assert seg_scores(TWO, TWO).tolist() == [1, 1]


def test_score_of_a_shifted_cell_is_its_jaccard_index():
    # 12 of 16 px are shared; of the second cell all of a larger one.
    cells = squares((2, 1), (1, 6))
    cells[1:5, 5:11] = 2
    assert seg_scores(TWO, cells) == pytest.approx([12 / 20, 16 / 24])


def test_cell_of_which_half_is_covered_is_missed():
    half = np.where(np.arange(12) < 3, TWO, 0)
    assert seg_scores(TWO, half).tolist() == [0, 0]
    half[1, 3] = 1
    assert seg_scores(TWO, half).tolist() == [9 / 16, 0]


def test_merged_cells_both_get_the_small_share():
    cells = TWO.copy()
    cells[1:5, 1:10] = 1
    assert seg_scores(TWO, cells) == pytest.approx([16 / 36, 16 / 36])


def test_split_cell_is_found_where_one_part_is_more_than_half():
    cells = np.where(np.arange(12) < 4, TWO, 0)
    cells[1:5, 4] = 8
    cells[1:3, 6:10], cells[3:5, 6:10] = 9, 10
    assert seg_scores(TWO, cells).tolist() == [12 / 16, 0]


def test_scores_are_in_the_order_of_the_ids():
    labels = np.where(TWO == 1, 40, TWO * 4)
    assert seg_scores(labels, np.where(labels == 40, 5, 0)).tolist() == [0, 1]


def test_nothing_predicted_and_nothing_there():
    nothing = np.zeros((12, 12), int)
    assert seg_scores(TWO, nothing).tolist() == [0, 0]
    assert seg_scores(nothing, TWO).shape == seg_scores(nothing, nothing).shape == (0,)
    assert seg_scores(TWO, np.ones_like(TWO)) == pytest.approx([16 / 144] * 2)
    full = np.ones((3, 3), int)
    assert seg_scores(full, full).tolist() == [1]


@given(LABELS)
def test_labels_against_themselves_score_one(labels):
    scores = seg_scores(labels, labels)
    assert len(scores) == len(np.unique(labels[labels > 0]))
    assert (scores == 1).all()


@given(LABELS, LABELS)
def test_scores_follow_their_definition(labels, cells):
    expected = []
    for number in np.unique(labels[labels > 0]):
        truth = labels == number
        found = [cells == one for one in np.unique(cells[truth]) if one]
        ious = [
            (truth & one).sum() / (truth | one).sum()
            for one in found
            if 2 * (truth & one).sum() > truth.sum()
        ]
        expected.append(ious[0] if ious else 0)
    np.testing.assert_allclose(seg_scores(labels, cells), expected)


@given(LABELS, LABELS, st.permutations(range(1, 9)))
def test_ids_do_not_matter(labels, cells, order):
    renamed = np.array([0, *order])
    scores = seg_scores(labels, cells)
    np.testing.assert_array_equal(seg_scores(labels, renamed[cells]), scores)
    others = seg_scores(renamed[labels], cells)
    np.testing.assert_array_equal(np.sort(others), np.sort(scores))
