"""What a network is to answer, on labels with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.data.arrays import UNKNOWN
from lib.network.targets import target, to_border, to_distance, to_gap_mask, to_mask
from lib.network.weight_map import weight_map
from lib.study.params import load
from lib.study.schema import changed

SETTINGS = load("smoke").arms["none"]
few = settings(max_examples=25, deadline=None)


def blocks(frames=1):
    """Labels of two touching cells that fill the frame but for its last two rows."""
    labels = np.zeros((frames, 8, 12), np.uint16)
    labels[:, :6, :4], labels[:, :6, 4:] = 3, 5
    return labels


def test_masks_of_touching_cells():
    labels = np.array([[1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [1, 0, 0, 2, 0], [0, 3, 0, 2, 0]])
    gap = to_gap_mask(labels)
    assert gap.dtype == np.uint8
    # Both sides of the border between 1 and 2 go; 1 and 3 meet at a corner only, and stay.
    expected = [[1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 0, 1, 0]]
    assert gap.tolist() == expected
    np.testing.assert_array_equal(to_border(labels), (labels > 0) - gap)


@few
@given(hnp.arrays(np.uint16, (2, 6, 7), elements=st.integers(0, 4)))
def test_gap_mask_against_its_definition(labels):
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)))
    sides = [np.s_[:, :-2, 1:-1], np.s_[:, 2:, 1:-1], np.s_[:, 1:-1, :-2], np.s_[:, 1:-1, 2:]]
    touching = np.any([(padded[s] > 0) & (padded[s] != labels) for s in sides], axis=0)
    np.testing.assert_array_equal(to_gap_mask(labels), (labels > 0) & ~touching)


def test_distances_end_where_a_cell_touches_another_and_not_at_the_edge_of_the_frame():
    labels = np.repeat([[7, 7, 7, 7, 3, 3, 3, 0, 0]], 3, axis=0)
    expected = [1, 2 / 3, 1 / 3, 0, 0, 1, 1, 0, 0]
    np.testing.assert_allclose(to_distance(labels), [expected] * 3, rtol=1e-6)
    assert (to_distance(np.full((4, 4), 2)) == 1).all()


@few
@given(hnp.arrays(np.uint16, (6, 7), elements=st.integers(0, 4)))
def test_distances_run_from_the_gaps_up_to_one_in_each_cell(labels):
    distances, gaps = to_distance(labels), to_gap_mask(labels)
    np.testing.assert_array_equal(distances > 0, gaps > 0)
    for cell in np.unique(labels[gaps > 0]):
        assert distances[labels == cell].max() == 1


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("mask", [to_mask]),
        ("gap", [to_gap_mask]),
        ("border", [to_mask, to_border]),
        ("distance", [to_mask, to_distance]),
    ],
)
def test_maps_of_a_target(name, maps):
    labels = blocks(2)
    (masks,) = target(labels, changed(SETTINGS, {"training.target": name}))
    assert (masks.dtype, masks.shape) == (np.float32, (2, 8, 12, len(maps)))
    for number, make in enumerate(maps):
        np.testing.assert_array_equal(masks[1, ..., number], make(labels[1]))


@pytest.mark.parametrize("terms", ["none", "both"])
def test_unknown_pixels_are_background_and_count_for_nothing(terms):
    labels = blocks()
    settings = changed(SETTINGS, {"training.unknown": 80.0, "weight_map.terms": terms})
    known = target(labels, settings)
    labels[:, 6:, :3] = UNKNOWN
    masks, weights = target(labels, settings)
    np.testing.assert_array_equal(masks, known[0])
    assert (weights[labels == UNKNOWN] == 0).all()
    np.testing.assert_array_equal(weights[labels != UNKNOWN], known[1][labels != UNKNOWN])
    assert (known[1] > 0).all()


def test_unknown_pixels_count_for_nothing_wherever_they_come_from():
    labels = blocks(2)
    labels[1, 7, 7] = UNKNOWN
    _, weights = target(labels, SETTINGS)
    np.testing.assert_array_equal(weights, labels != UNKNOWN)
    assert len(target(labels[:1], SETTINGS)) == 1
    assert len(target(labels[:1], SETTINGS, weighted=True)) == 2


@pytest.mark.parametrize("terms", ["class", "border", "both"])
def test_weights_are_those_of_the_cells_as_they_touch_scaled_by_the_longer_side(terms):
    labels = np.concatenate([blocks(), 0 * blocks()])
    weighted = {"weight_map.terms": terms, "training.target": "gap", "weight_map.sigma": 25.0}
    _, weights = target(labels, changed(SETTINGS, weighted))
    first = weight_map(labels[0], terms=terms, w0=10, sigma=25 * 12 / 512)
    np.testing.assert_array_equal(weights, [first, np.ones((8, 12))])
