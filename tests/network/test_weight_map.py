"""The weight map against the written equation, evaluated pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.network.weight_map import (
    border_distances,
    border_weights,
    class_weights,
    original_border_weights,
    original_class_weights,
    scaled_sigma,
    weight_map,
)

SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
LABELS = hnp.arrays(np.int32, SIDES, elements=st.sampled_from([0, 0, 0, 0, 2, 3, 7, 40]))
SIGMAS = st.floats(0.2, 20)
few = settings(max_examples=25, deadline=None)


def direct_distances(labels):
    """Distances to every cell, by comparing each pixel with each pixel of the cell, sorted."""
    rows, columns = np.indices(labels.shape)
    distances = [np.full(labels.shape, np.inf)] * 2
    for cell in set(labels[labels > 0].tolist()):
        cell_rows, cell_columns = np.nonzero(labels == cell)
        squares = (rows[..., None] - cell_rows) ** 2 + (columns[..., None] - cell_columns) ** 2
        distances.append(np.sqrt(squares.min(axis=-1)))
    return np.sort(distances, axis=0)


def two_cells(gap, side=40):
    """Two cells that fill the image left and right of a gap of so many columns."""
    labels = np.zeros((side, 2 * side + gap), dtype=np.uint16)
    labels[:, :side] = 3
    labels[:, side + gap :] = 9
    return labels


# Distances


@few
@given(LABELS, st.one_of(st.just(np.inf), st.floats(0.5, 8)))
def test_distances_are_exact_within_the_reach_and_infinite_beyond(labels, reach):
    found = border_distances(labels, reach)
    for distance, direct in zip(found, direct_distances(labels)[:2], strict=True):
        np.testing.assert_allclose(distance, np.where(direct <= reach, direct, np.inf))


def test_a_box_corner_does_not_hide_a_closer_cell():
    # At row 4, column 4 cell 1 is 5.7 px away and in the corner of its box; cell 2 is 5 px away
    # and its box of 4 px does not get there.
    labels = np.zeros((10, 10), dtype=int)
    labels[0, 0], labels[4, 9] = 1, 2
    nearest, _ = border_distances(labels, reach=4)
    assert nearest[4, 4] == np.inf
    assert nearest[0, 4] == nearest[4, 5] == 4


# Border term


@few
@given(LABELS, st.floats(0, 20), SIGMAS)
def test_border_term_is_the_equation_at_every_pixel(labels, w0, sigma):
    nearest, second = direct_distances(labels)[:2]
    weights = border_weights(labels, w0=w0, sigma=sigma)
    expected = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("gap", [1, 3, 4, 9])
def test_middle_of_a_gap_between_two_half_planes(gap):
    # Between pixel centres, the distances to the two sides add up to one more than the gap.
    middle = border_weights(two_cells(gap))[20, 40 + gap // 2]
    assert middle == pytest.approx(10 * np.exp(-((gap + 1) ** 2) / 50), rel=1e-6)


def test_inside_a_cell_the_other_cell_alone_counts():
    expected = 10 * np.exp(-((np.arange(40) + 3) ** 2) / 50)
    weights = border_weights(two_cells(gap=2))
    np.testing.assert_allclose(weights[7, 39::-1], expected, atol=1e-6)


def test_touching_cells_get_the_largest_weight_where_they_touch():
    labels = two_cells(gap=0)
    weights = border_weights(labels)
    np.testing.assert_allclose(weights[:, 39:41], 10 * np.exp(-1 / 50), rtol=1e-6)
    assert weights.max() == weights[:, 39:41].max()
    assert border_weights((labels > 0).astype(int)).max() == 0


def test_half_the_resolution_with_half_the_sigma_is_the_same_picture():
    # The gap counts one more than its width, so widths of 2g + 1 and g correspond.
    large = border_weights(two_cells(gap=7), sigma=5.0)[20, 43]
    small = border_weights(two_cells(gap=3), sigma=scaled_sigma(5.0, 256))[20, 41]
    assert small == pytest.approx(large, rel=1e-6)
    assert scaled_sigma(5.0, 128) == 1.25
    assert scaled_sigma(3.0, 100, 200) == 1.5


# Whole map


@few
@given(LABELS, st.permutations([1, 65_000, 3, 10**12]))
def test_ids_do_not_matter(labels, ids):
    renamed = np.zeros(labels.shape, dtype=np.int64)
    for old, new in zip((2, 3, 7, 40), ids, strict=True):
        renamed[labels == old] = new
    np.testing.assert_array_equal(weight_map(renamed), weight_map(labels))


@few
@given(LABELS, SIGMAS)
def test_flips_and_transposes_carry_over(labels, sigma):
    weights = weight_map(labels, sigma=sigma)
    for turn in (np.flipud, np.fliplr, np.transpose):
        np.testing.assert_allclose(weight_map(turn(labels), sigma=sigma), turn(weights), rtol=1e-6)


@few
@given(LABELS)
def test_map_is_the_sum_of_the_parts_that_are_asked_for(labels):
    balance, border = class_weights(labels > 0), border_weights(labels, w0=4.0, sigma=2.0)
    expected = {"none": 1 + 0 * border, "class": balance, "border": 1 + border}
    expected["both"] = balance + border
    for terms, weights in expected.items():
        found = weight_map(labels, terms=terms, w0=4.0, sigma=2.0)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, weights)


@pytest.mark.parametrize("cells", [0, 1])
def test_one_cell_or_none_has_no_border_term(cells):
    labels = np.zeros((20, 30), dtype=np.int64)
    labels[5:9, 8:20] = 4 * cells
    np.testing.assert_array_equal(weight_map(labels), class_weights(labels > 0))


# Class weights


@few
@given(hnp.arrays(np.bool_, SIDES))
def test_class_weights_balance_and_have_mean_one(mask):
    weights = class_weights(mask)
    assert weights.dtype == np.float32
    assert weights.mean(dtype=float) == pytest.approx(1)
    if 0 < mask.sum() < mask.size:
        totals = weights[mask].sum(dtype=float), weights[~mask].sum(dtype=float)
        assert totals == pytest.approx((mask.size / 2, mask.size / 2))
    else:
        assert (weights == 1).all()


# The original project's variant


def one_corner():
    """Four masks that cover all but the last row, of which one alone covers a pixel."""
    masks = np.zeros((4, 5, 4), dtype=bool)
    masks[:, :4] = masks[1, 4, 3] = True
    return masks


def test_original_class_weights_are_set_where_one_image_or_none_has_cells():
    share = (4 * 16 + 1) / 80
    expected = np.zeros((5, 4))
    expected[4] = 8 * share
    expected[4, 3] = 1 - 8 * share
    np.testing.assert_allclose(original_class_weights(one_corner()), expected, rtol=1e-6)


def test_original_class_weights_at_half_foreground_are_minus_3_and_4():
    # The ends of the colour bar of Figure 8b.
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[0, :2] = masks[1, :1] = masks[1, 2:3] = True
    np.testing.assert_array_equal(original_class_weights(masks)[:, 0], [0, -3, -3, 4])


def test_original_border_term_rings_a_lone_cell():
    labels = np.zeros((101, 101), dtype=int)
    labels[40:61, 40:61] = 6
    weights, outside, inside = original_border_weights(labels), np.arange(1, 41), np.arange(11)
    rim = 10 * np.exp(-((2 * outside) ** 2) / 1250)
    np.testing.assert_allclose(weights[50, 61:], rim, atol=1e-5)
    np.testing.assert_allclose(weights[50, 60:49:-1], 10 * np.exp(-(inside**2) / 1250), rtol=1e-6)


def test_original_border_term_rings_touching_cells_apart():
    weights = original_border_weights(two_cells(gap=0))
    assert (weights[:, 39:41] == 10).all()
    # The edge of the image is no outline.
    assert (weights[:, 0] < 4).all()
