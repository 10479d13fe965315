"""Sizes, masks and grey values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib import arrays
from lib.source import DataError


def test_resample_by_a_whole_factor_is_the_mean_of_the_block():
    images = np.zeros((1, 4, 4), np.uint8)
    images[0, :2, :2] = [[255, 0], [0, 255]]
    labels = np.repeat(np.repeat([[[7, 900], [0, 65535]]], 2, axis=1), 2, axis=2).astype(np.uint16)
    small, ids = arrays.resample(images, labels, 2)
    assert small.dtype == np.float32
    assert small[0].tolist() == [[0.5, 0.0], [0.0, 0.0]]
    assert ids.dtype == np.uint16
    assert ids[0].tolist() == [[7, 900], [0, 65535]]


def test_resample_to_the_same_size_only_scales():
    images = np.random.default_rng(1).integers(0, 65536, (2, 6, 6)).astype(np.uint16)
    labels = images % 5
    same, ids = arrays.resample(images, labels, 6)
    np.testing.assert_allclose(same, images / 65535, rtol=1e-6)
    np.testing.assert_array_equal(ids, labels)


@pytest.mark.parametrize("size", [20, 30, 50])
def test_resample_keeps_images_and_labels_aligned(size):
    rows, columns = np.mgrid[:40, :40]
    labels = ((rows - 14) ** 2 + (columns - 26) ** 2 < 81).astype(np.uint16)[None]
    small, ids = arrays.resample((200 * labels).astype(np.uint8), labels, size)
    assert small.shape == ids.shape == (1, size, size)
    assert small.mean() == pytest.approx(200 / 255 * labels.mean(), rel=0.02)
    for axis in (1, 2):
        centre = np.average(np.arange(size), weights=small.sum(axis=(0, 3 - axis)))
        assert np.nonzero(ids)[axis].mean() == pytest.approx(centre, abs=0.6)


def test_resample_needs_square_frames():
    with pytest.raises(DataError, match="8 rows and 6 columns"):
        arrays.resample(np.zeros((1, 8, 6), np.uint8), np.zeros((1, 8, 6), np.uint16), 4)


def test_masks_of_touching_cells():
    labels = np.array(
        [
            [1, 1, 2, 2, 0],
            [1, 1, 2, 2, 0],
            [1, 0, 0, 2, 0],
            [0, 3, 0, 2, 0],
        ]
    )
    assert arrays.to_mask(labels).tolist() == (labels > 0).astype(int).tolist()
    gap = arrays.to_gap_mask(labels)
    assert gap.dtype == np.uint8
    # Both sides of the border between 1 and 2 go; 1 and 3 meet at a corner only, and stay.
    assert gap.tolist() == [
        [1, 0, 0, 1, 0],
        [1, 0, 0, 1, 0],
        [1, 0, 0, 1, 0],
        [0, 1, 0, 1, 0],
    ]


@given(hnp.arrays(np.uint16, (2, 6, 7), elements=st.integers(0, 4)))
def test_gap_mask_against_its_definition(labels):
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)))
    neighbours = [
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
    ]
    touching = np.any([(n > 0) & (n != labels) for n in neighbours], axis=0)
    np.testing.assert_array_equal(arrays.to_gap_mask(labels), (labels > 0) & ~touching)


def test_distances_end_where_a_cell_touches_another_and_not_at_the_edge_of_the_frame():
    labels = np.repeat([[7, 7, 7, 7, 3, 3, 3, 0, 0]], 3, axis=0)
    expected = [1, 2 / 3, 1 / 3, 0, 0, 1, 1, 0, 0]
    np.testing.assert_allclose(arrays.to_distance(labels), [expected] * 3, rtol=1e-6)
    assert (arrays.to_distance(np.full((4, 4), 2)) == 1).all()


@given(hnp.arrays(np.uint16, (6, 7), elements=st.integers(0, 4)))
def test_distances_run_from_the_gaps_up_to_one_in_each_cell(labels):
    distances, gaps = arrays.to_distance(labels), arrays.to_gap_mask(labels)
    assert distances.dtype == np.float32
    np.testing.assert_array_equal(distances > 0, gaps > 0)
    for cell in np.unique(labels[gaps > 0]):
        assert distances[labels == cell].max() == 1


def test_background_near_a_missed_cell_is_unknown():
    labels, markers = np.zeros((2, 12, 12), np.uint16)
    labels[:, :4] = 7
    markers[5, 1:3], markers[5, 9] = 3, 8  # in the labelled cell, and in one without a label
    marked = arrays.mark_unknown(labels, markers, 3)
    rows, columns = np.indices(labels.shape)
    near = np.hypot(rows - 5, columns - 9) <= 3
    np.testing.assert_array_equal(marked == arrays.UNKNOWN, near)
    np.testing.assert_array_equal(marked[~near], labels[~near])
    wide = arrays.mark_unknown(labels, markers, 30)
    # No label is lost, however wide.
    np.testing.assert_array_equal(wide == 7, labels == 7)
    assert (wide[labels == 0] == arrays.UNKNOWN).all()
    assert marked.dtype == np.uint16


def test_nothing_is_unknown_where_every_marker_has_a_label():
    labels = np.full((5, 5), 2, np.uint16)
    markers = np.zeros((5, 5), np.uint16)
    markers[2, 2] = 4
    assert (arrays.mark_unknown(labels, markers, 9) == labels).all()
    assert not arrays.mark_unknown(np.zeros_like(labels), np.zeros_like(labels), 9).any()


@given(hnp.arrays(np.uint8, (2, 5, 5)))
def test_normalised_frames(images):
    normalised = arrays.normalise_frames(images)
    assert normalised.dtype == np.float32
    for before, after in zip(images, normalised, strict=True):
        assert after.mean() == pytest.approx(0, abs=1e-5)
        assert after.std() == pytest.approx(float(np.ptp(before) > 0), abs=1e-5)


def test_window_is_where_cells_touch():
    labels = np.zeros((32, 32), np.uint16)
    labels[2:6, 2:6] = 1  # alone
    labels[20:28, 14:20], labels[20:28, 20:26] = 2, 3
    rows, columns = arrays.crowded_window(labels, 0.375)
    assert rows.stop - rows.start == columns.stop - columns.start == 12
    assert rows.start <= 20 < 28 <= rows.stop
    assert columns.start <= 19 < 21 <= columns.stop
