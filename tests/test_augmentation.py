"""Image and labels are moved together, by the published ranges and by the paper's deformation."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lib import params
from lib.augmentation import (
    elastic_displacement,
    online_copy,
    published_displacement,
    rigid_displacement,
    static_copy,
    vary_grey,
    warp,
)

SMOKE = params.load("smoke").arms["rigid_elastic"]
PUBLISHED = {"rotation": 0.2, "shift": 0.05, "shear": 0.05, "zoom": 0.05}
WIDE = {"rotation": 40.0, "shift": 0.2, "shear": 20.0, "zoom": 0.3}
STILL = dict.fromkeys(PUBLISHED, 0.0)
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=25, deadline=None)


class Largest:
    """A generator that draws the upper end of every range, and no flip."""

    def uniform(self, low, high, size=()):
        return np.full(size, high)

    def random(self):
        return 1.0


def cells(size=64):
    """Three round cells, two of which touch."""
    rows, columns = np.indices((size, size)) / size
    labels = np.zeros((size, size), np.uint16)
    for label, row, column in ((3, 0.3, 0.3), (200, 0.3, 0.62), (41, 0.75, 0.5)):
        labels[np.hypot(rows - row, columns - column) < 0.17] = label
    return labels


def affine_map(displacement):
    """Matrix and offset of an affine map of centred coordinates."""
    size = displacement.shape[1]
    source = np.indices((size, size)) + displacement - (size - 1) / 2
    steps = source[:, [-1, 0], [0, -1]] - source[:, :1, 0]
    return steps / (size - 1), source.mean(axis=(1, 2))


def keras_parameters(displacement):
    """Undo a published map: what Keras' function has to be given for it, and whether it flips."""
    matrix, offset = affine_map(displacement)
    flip = np.linalg.det(matrix) < 0
    down, across = matrix[:, 0], matrix[:, 1] * (-1 if flip else 1)
    angle = np.arctan2(down[1], down[0])
    slant = np.arctan2(-across[0], across[1]) - angle
    back = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    tx, ty = back @ offset
    values = {"theta": np.rad2deg(angle), "shear": np.rad2deg(slant), "tx": tx, "ty": ty}
    return values | {"zx": np.hypot(*down), "zy": np.hypot(*across)}, flip


# The warp


def test_a_displacement_says_where_values_are_taken_from():
    image = np.arange(30.0).reshape(5, 6)
    displacement = np.zeros((2, 5, 6))
    displacement[0], displacement[1] = 2, -1
    warped, labels = warp(image, image.astype(np.uint16), displacement)
    np.testing.assert_array_equal(warped[:3, 1:], image[2:, :-1])
    np.testing.assert_array_equal(labels, warped)


def test_outside_is_the_edge_or_a_mirror():
    image = np.tile([10.0, 20, 30, 40], (4, 1))
    beyond = np.stack([np.zeros((4, 4)), np.full((4, 4), 2.0)])
    edge, _ = warp(image, np.uint16(image), beyond, fill="nearest")
    mirrored, labels = warp(image, np.uint16(image), beyond, fill="mirror")
    np.testing.assert_array_equal(edge[0], [30, 40, 40, 40])
    np.testing.assert_array_equal(mirrored[0], [30, 40, 30, 20])
    np.testing.assert_array_equal(labels[0], [30, 40, 30, 20])


def test_no_displacement_changes_nothing():
    image = np.random.default_rng(0).random((64, 64), np.float32)
    warped, labels = warp(image, cells(), np.zeros((2, 64, 64)))
    np.testing.assert_array_equal(warped, image)
    np.testing.assert_array_equal(labels, cells())
    assert (warped.dtype, labels.dtype) == (np.float32, np.uint16)


def copy_of(method, image, labels, seed):
    if method in ("published", "wide"):
        ranges = PUBLISHED if method == "published" else WIDE
        values = {f"augmentation.{key}": value for key, value in ranges.items()}
        return static_copy(image, labels, values, seed=seed, frame=2, copy=1)
    flags = {f"augmentation.{kind}": kind in method for kind in ("rigid", "elastic", "grey")}
    return online_copy(image, labels, SMOKE | flags, np.random.default_rng(seed))


@pytest.mark.parametrize("method", ["published", "wide", "rigid", "elastic", "rigid elastic"])
@few
@given(seed=SEEDS)
def test_image_and_labels_stay_together(method, seed):
    image, labels = copy_of(method, cells().astype(np.float32), cells(), seed)
    assert set(np.unique(labels)) <= {0, 3, 41, 200}
    # Grey values that are the label: linear and nearest differ at edges alone.
    highest = ndimage.maximum_filter(labels, 5, mode="constant", cval=999)
    inside = highest == ndimage.minimum_filter(labels, 5)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(image[inside], labels[inside], rtol=1e-5)


# Published ranges


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`")
@few
@given(seed=SEEDS, ranges=st.sampled_from([PUBLISHED, WIDE]))
def test_published_copy_is_that_of_keras(seed, ranges):
    image = np.random.default_rng(1).random((32, 32))
    displacement = published_displacement(np.random.default_rng(seed), 32, **ranges)
    values, flip = keras_parameters(displacement)
    # Axes in this order: Keras of 2020 took rows first; later versions swap them.
    theirs = tf.keras.preprocessing.image.apply_affine_transform(
        image[..., None], **values, row_axis=1, col_axis=0, channel_axis=2
    )[..., 0]
    ours, _ = warp(image, cells(32), displacement)
    np.testing.assert_allclose(ours, theirs[:, ::-1] if flip else theirs, atol=1e-6)


def test_published_ranges_are_filled_and_not_left():
    rng = np.random.default_rng(3)
    drawn = [keras_parameters(published_displacement(rng, 3, **WIDE)) for _ in range(1000)]
    limits = {"theta": 40, "shear": 20, "tx": 0.6, "ty": 0.6, "zx": 0.3, "zy": 0.3}
    for name, limit in limits.items():
        values = np.array([values[name] for values, _ in drawn]) - name.startswith("z")
        assert 0.98 * limit < values.max() <= limit * (1 + 1e-9)
        assert 0.98 * limit < -values.min() <= limit * (1 + 1e-9)
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    values = [list(values.values()) for values, _ in drawn]
    assert np.abs(np.corrcoef(values, rowvar=False) - np.eye(6)).max() < 0.1
    assert np.mean([flip for _, flip in drawn]) == pytest.approx(0.5, abs=0.05)


def test_published_rotation_and_shear_are_in_degrees():
    def largest(**ranges):
        moved = published_displacement(Largest(), 512, **STILL | ranges)
        return np.hypot(*moved).max()

    # The corner is 362 px from the centre, its pixel 361.3; 0.2 radians would move it by 72 px.
    assert largest(rotation=0.2) == pytest.approx(np.deg2rad(0.2) * 361.3, abs=1e-3)
    assert largest(shear=0.05) == pytest.approx(np.deg2rad(0.05) * 255.5, abs=1e-3)
    assert largest(shift=0.05) == pytest.approx(0.05 * 512 * np.sqrt(2))
    assert largest(zoom=0.05) == pytest.approx(0.05 * 255.5 * np.sqrt(2))


def test_ranges_of_zero_leave_the_flip():
    outcomes = set()
    for seed in range(20):
        displacement = published_displacement(np.random.default_rng(seed), 64, **STILL)
        _, labels = warp(cells() * 1.0, cells(), displacement)
        outcomes.add(labels.tobytes())
    assert outcomes == {cells().tobytes(), cells()[:, ::-1].tobytes()}


def test_static_copies_are_fixed_and_differ():
    def copy(**name):
        image = np.random.default_rng(0).random((32, 32))
        return static_copy(image, cells(32), SMOKE, **{"seed": 0, "frame": 0, "copy": 0} | name)

    np.testing.assert_array_equal(copy(copy=3)[0], copy(copy=3)[0])
    np.testing.assert_array_equal(copy(copy=3)[1], copy(copy=3)[1])
    names = [{}, {"copy": 1}, {"copy": 2}, {"frame": 1}, {"frame": 2}, {"seed": 1}]
    assert len({copy(**name)[0].tobytes() for name in names}) == len(names)


# Drawn anew at each update


def test_rigid_is_any_rotation_with_flips_and_one_scale():
    rng = np.random.default_rng(5)
    drawn = [affine_map(rigid_displacement(rng, 3, scale=0.1)) for _ in range(500)]
    matrices = np.array([matrix for matrix, _ in drawn])
    squares = np.swapaxes(matrices, 1, 2) @ matrices
    scales = np.sqrt(squares[:, 0, 0])
    np.testing.assert_allclose(squares, scales[:, None, None] ** 2 * np.eye(2), atol=1e-12)
    assert [scales.min(), scales.max()] == pytest.approx([0.9, 1.1], abs=0.002)
    np.testing.assert_allclose([offset for _, offset in drawn], 0, atol=1e-12)
    assert np.mean(np.linalg.det(matrices) < 0) == pytest.approx(0.5, abs=0.06)
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() > 90


def test_rigid_copies_mirror_what_lies_outside():
    image = np.random.default_rng(0).random((32, 32), np.float32)
    copy, labels = copy_of("rigid", image, cells(32), 6)
    scale = SMOKE["augmentation.online_scale"]
    displacement = rigid_displacement(np.random.default_rng(6), 32, scale=scale)
    mirrored = warp(image, cells(32), displacement, fill="mirror")
    np.testing.assert_allclose(copy, mirrored[0])
    np.testing.assert_array_equal(labels, mirrored[1])


@few
@given(seed=SEEDS)
def test_elastic_field_passes_through_its_grid_and_scales_with_size(seed):
    def shares(size, points):
        field = elastic_displacement(np.random.default_rng(seed), size, sigma=10)
        return field[:, points, :][:, :, points] / size

    grid = shares(3, [0, 1, 2])
    np.testing.assert_allclose(shares(33, [0, 16, 32]), grid, atol=1e-9)
    np.testing.assert_allclose(shares(129, [0, 64, 128]), grid, atol=1e-9)


@few
@given(seed=SEEDS, size=st.integers(3, 80))
def test_elastic_field_is_the_bicubic_spline_of_scipy(seed, size):
    field = elastic_displacement(np.random.default_rng(seed), size, sigma=10)
    grid = np.random.default_rng(seed).normal(0, 10 * size / 512, (2, 3, 3))
    places = np.meshgrid(*[np.linspace(0, 2, size)] * 2, indexing="ij")
    theirs = [ndimage.map_coordinates(part, places, order=3, mode="mirror") for part in grid]
    np.testing.assert_allclose(field, theirs, atol=1e-12)


def test_elastic_grid_has_the_deviation_of_the_paper_at_512():
    rng = np.random.default_rng(2)
    grids = np.array([elastic_displacement(rng, 3, sigma=10) for _ in range(2000)])
    np.testing.assert_allclose(grids.std(axis=0), 10 * 3 / 512, rtol=0.07)
    np.testing.assert_allclose(grids.mean(axis=0), 0, atol=0.006)
    flat = grids.reshape(len(grids), -1)
    assert np.abs(np.corrcoef(flat, rowvar=False) - np.eye(18)).max() < 0.1


def test_elastic_field_has_no_kink_at_its_grid():
    field = elastic_displacement(np.random.default_rng(0), 129, sigma=10)
    bends = np.diff(field, 2, axis=1)
    # Linear interpolation would bend at the middle row alone.
    beside = bends[:, [62, 64]].mean(axis=1)
    np.testing.assert_allclose(bends[:, 63], beside, atol=0.05 * np.abs(bends).max())
    assert np.abs(bends).max() > 0


def test_sigma_of_zero_is_no_deformation():
    assert not elastic_displacement(np.random.default_rng(0), 16, sigma=0).any()


# Grey values


@few
@given(seed=SEEDS)
def test_grey_values_change_and_labels_do_not(seed):
    image = np.random.default_rng(0).random((64, 64), np.float32)
    grey, labels = copy_of("rigid elastic grey", image, cells(), seed)
    plain, same_labels = copy_of("rigid elastic", image, cells(), seed)
    np.testing.assert_array_equal(labels, same_labels)
    assert np.abs(grey - plain).max() > 1e-4
    assert np.corrcoef(grey.ravel(), plain.ravel())[0, 1] == pytest.approx(1, abs=1e-6)


def test_contrast_and_brightness_are_in_deviations_of_the_image():
    rng = np.random.default_rng(4)
    image = 100 + 20 * rng.standard_normal((16, 16))
    drawn = [vary_grey(rng, image, sigma=0.1) for _ in range(2000)]
    contrasts = np.log([copy.std() / image.std() for copy in drawn])
    shifts = np.array([copy.mean() - image.mean() for copy in drawn]) / image.std()
    for values in (contrasts, shifts):
        assert (values.mean(), values.std()) == pytest.approx((0, 0.1), abs=0.01)
    np.testing.assert_allclose(vary_grey(rng, image, sigma=0), image, rtol=1e-6)
