"""From pixels to cells: components, closed gaps and SEG, on cells made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.arrays import to_gap_mask
from lib.instances import close_gaps, seg_scores, to_cells
from lib.weight_map import border_distances

LABELS = hnp.arrays(np.uint16, (8, 9), elements=st.integers(0, 4))


@st.composite
def tiles(draw):
    """Labels of rectangular cells that touch, some of them left out."""
    edges = [np.cumsum(draw(st.lists(st.integers(4, 9), min_size=1, max_size=4))) for _ in "rc"]
    rows, columns = (np.searchsorted(side, np.arange(side[-1]), "right") for side in edges)
    count = len(edges[0]) * len(edges[1])
    kept = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    ids = np.where(kept, np.arange(1, count + 1), 0)
    return np.pad(ids[rows[:, None] * len(edges[1]) + columns], draw(st.integers(0, 5)))


def same_cells(cells, others):
    """Whether two arrays hold the same cells under any ids."""
    pairs = np.unique(np.stack([cells.ravel(), others.ravel()]), axis=1).T
    firsts, seconds = ({pair[side] for pair in pairs} for side in (0, 1))
    background = all((first == 0) == (second == 0) for first, second in pairs)
    return background and len(pairs) == len(firsts) == len(seconds)


# Components


def test_diagonal_neighbours_are_two_cells():
    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1]], bool)
    assert to_cells(mask).tolist() == [[1, 1, 0, 2], [1, 0, 0, 2], [0, 3, 0, 2]]
    assert not to_cells(np.zeros((3, 4), bool)).any()
    assert (to_cells(np.ones((3, 4), bool)) == 1).all()


# Gaps


@settings(deadline=None)
@given(tiles())
def test_gaps_are_closed_as_they_were_opened(labels):
    closed = close_gaps(to_cells(to_gap_mask(labels)), 3)
    inside = labels > 0
    assert same_cells(np.where(inside, closed, 0), labels)
    # What else is filled lies where a gap meets the background, near to two cells.
    nearest, second = border_distances(labels)
    assert (second[(closed > 0) & ~inside] <= 3).all()
    assert (closed[nearest > 3] == 0).all()


@settings(deadline=None)
@given(LABELS, st.floats(0.5, 6))
def test_closing_fills_background_alone_and_only_between_two_cells(cells, reach):
    closed = close_gaps(cells, reach)
    np.testing.assert_array_equal(closed[cells > 0], cells[cells > 0])
    _, second = border_distances(cells)
    np.testing.assert_array_equal(closed > 0, (cells > 0) | (second <= reach))


def test_gap_goes_to_the_nearer_cell_and_the_open_border_stays():
    cells = np.zeros((9, 14), int)
    cells[2:7, 2:5], cells[2:7, 8:12] = 7, 4
    closed = close_gaps(cells, 3)
    # Columns 5 to 7 are the gap; the middle one is as near to the one as to the other.
    assert (closed[2:7, 5] == 7).all()
    assert (closed[2:7, 7] == 4).all()
    assert closed[2:7, 6].all()
    np.testing.assert_array_equal(np.delete(closed, [5, 6, 7], 1), np.delete(cells, [5, 6, 7], 1))


@pytest.mark.parametrize(("reach", "filled"), [(1.9, False), (2, True)])
def test_gap_is_closed_from_its_reach_on(reach, filled):
    cells = np.zeros((5, 8), int)
    cells[:, :3], cells[:, 5:] = 1, 2
    assert close_gaps(cells, reach)[:, 3:5].all() == filled
    assert close_gaps(cells, reach)[:, 3:5].any() == filled


@given(LABELS)
def test_reach_of_zero_changes_nothing(cells):
    np.testing.assert_array_equal(close_gaps(cells, 0), cells)


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_cells_there_is_no_gap(count):
    cells = np.zeros((8, 8), int)
    cells[2:6, 2:6] = count
    # A bay within one cell is no gap.
    cells[3:5, 4:6] = 0
    np.testing.assert_array_equal(close_gaps(cells, 5), cells)


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
