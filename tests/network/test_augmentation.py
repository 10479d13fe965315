"""Image and labels are moved together, by the published ranges and by the paper's deformation."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lib.network.augmentation import (
    elastic_displacement,
    online_copy,
    published_displacement,
    rigid_displacement,
    static_copy,
    warp,
)
from lib.study.params import load
from lib.study.schema import changed

SETTINGS = load("smoke").arms["none"]
PUBLISHED = {"rotation": 0.2, "shift": 0.05, "shear": 0.05, "zoom": 0.05}
WIDE = {"rotation": 40.0, "shift": 0.2, "shear": 20.0, "zoom": 0.3}
STILL = dict.fromkeys(PUBLISHED, 0.0)
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=15, deadline=None)


class Largest:
    """A generator that draws the upper end of every range, and no flip."""

    def uniform(self, low, high, size=()):
        return np.full(size, high)

    def random(self):
        return 1.0


def cells(shape=(64, 96)):
    """Three round cells, two of which touch."""
    rows, columns = np.indices(shape) / shape[0]
    labels = np.zeros(shape, np.uint16)
    for label, row, column in ((3, 0.3, 0.3), (200, 0.3, 0.62), (41, 0.75, 0.5)):
        labels[np.hypot(rows - row, columns - column) < 0.17] = label
    return labels


def affine_map(displacement):
    """Matrix and offset of an affine map of centred coordinates."""
    shape = np.array(displacement.shape[1:])
    source = np.indices(shape) + displacement - (shape.reshape(2, 1, 1) - 1) / 2
    steps = source[:, [-1, 0], [0, -1]] - source[:, :1, 0]
    return steps / (shape - 1), source.mean(axis=(1, 2))


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
    displacement = np.stack([np.full((5, 6), 2), np.full((5, 6), -1)])
    warped, labels = warp(image, image.astype(np.uint16), displacement)
    np.testing.assert_array_equal(warped[:3, 1:], image[2:, :-1])
    np.testing.assert_array_equal(labels, warped)


def test_outside_is_the_edge_or_a_mirror():
    image = np.tile([10.0, 20, 30, 40], (4, 1))
    beyond = np.stack([np.zeros((4, 4)), np.full((4, 4), 2.0)])
    edge, _ = warp(image, np.uint16(image), beyond, fill="nearest")
    mirrored, labels = warp(image, np.uint16(image), beyond, fill="mirror")
    assert edge[0].tolist() == [30, 40, 40, 40]
    assert mirrored[0].tolist() == labels[0].tolist() == [30, 40, 30, 20]


def test_no_displacement_changes_nothing():
    image = np.random.default_rng(0).random((64, 96), np.float32)
    warped, labels = warp(image, cells(), np.zeros((2, 64, 96)))
    np.testing.assert_array_equal(warped, image)
    np.testing.assert_array_equal(labels, cells())
    assert (warped.dtype, labels.dtype) == (np.float32, np.uint16)


def copy_of(method, image, labels, seed):
    if method in ("published", "wide"):
        ranges = PUBLISHED if method == "published" else WIDE
        chosen = changed(SETTINGS, {f"augmentation.{key}": ranges[key] for key in ranges})
        return static_copy(image, labels, chosen, seed=seed, frame=2, copy=1)
    kinds = {f"augmentation.{kind}": kind in method for kind in ("rigid", "elastic", "grey")}
    return online_copy(image, labels, changed(SETTINGS, kinds), np.random.default_rng(seed))


@pytest.mark.parametrize("method", ["published", "wide", "rigid", "elastic", "rigid elastic"])
@pytest.mark.parametrize("shape", [(64, 64), (64, 96)])
@few
@given(seed=SEEDS)
def test_image_and_labels_stay_together_and_no_label_is_invented(method, shape, seed):
    image, labels = copy_of(method, cells(shape).astype(np.float32), cells(shape), seed)
    assert image.shape == labels.shape == shape
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
    keras_image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    image, shape = np.random.default_rng(1).random((32, 32)), (32, 32)
    displacement = published_displacement(
        np.random.default_rng(seed), shape, SimpleNamespace(**ranges)
    )
    values, flip = keras_parameters(displacement)
    # Axes in this order: Keras of 2020 took rows first; later versions swap them.
    theirs = keras_image.apply_affine_transform(
        image[..., None], **values, row_axis=1, col_axis=0, channel_axis=2
    )[..., 0]
    ours, _ = warp(image, cells(shape), displacement)
    np.testing.assert_allclose(ours, theirs[:, ::-1] if flip else theirs, atol=1e-6)


def test_published_ranges_are_filled_and_not_left_with_shifts_as_shares_of_each_side():
    rng = np.random.default_rng(3)
    drawn = [
        keras_parameters(published_displacement(rng, (3, 6), SimpleNamespace(**WIDE)))
        for _ in range(1000)
    ]
    limits = {"theta": 40, "shear": 20, "tx": 0.6, "ty": 1.2, "zx": 0.3, "zy": 0.3}
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
        return np.hypot(
            *published_displacement(Largest(), (512, 512), SimpleNamespace(**STILL | ranges))
        ).max()

    # The corner is 362 px from the centre, its pixel 361.3: 0.2 degrees move it by 1.26 px, 0.2
    # radians would by 72 px.
    assert largest(rotation=0.2) == pytest.approx(np.deg2rad(0.2) * 361.3, abs=1e-3)
    assert largest(shear=0.05) == pytest.approx(np.deg2rad(0.05) * 255.5, abs=1e-3)
    assert largest(shift=0.05) == pytest.approx(0.05 * 512 * np.sqrt(2))
    assert largest(zoom=0.05) == pytest.approx(0.05 * 255.5 * np.sqrt(2))


def test_ranges_of_zero_leave_the_flip():
    outcomes = set()
    for seed in range(20):
        displacement = published_displacement(
            np.random.default_rng(seed), (64, 96), SimpleNamespace(**STILL)
        )
        outcomes.add(warp(cells() * 1.0, cells(), displacement)[1].tobytes())
    assert outcomes == {cells().tobytes(), cells()[:, ::-1].tobytes()}


def test_static_copies_are_fixed_and_differ():
    def copy(**name):
        image = np.random.default_rng(0).random((32, 32))
        name = {"seed": 0, "frame": 0, "copy": 0} | name
        return b"".join(
            part.tobytes() for part in static_copy(image, cells((32, 32)), SETTINGS, **name)
        )

    assert copy(copy=3) == copy(copy=3)
    names = [{}, {"copy": 1}, {"copy": 2}, {"frame": 1}, {"frame": 2}, {"seed": 1}]
    assert len({copy(**name) for name in names}) == len(names)


# Drawn anew at each update


def test_rigid_is_any_rotation_with_flips_and_one_scale():
    rng = np.random.default_rng(5)
    drawn = [affine_map(rigid_displacement(rng, (3, 5), scale=0.1)) for _ in range(500)]
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
    image = np.random.default_rng(0).random((64, 96), np.float32)
    copy = copy_of("rigid", image, cells(), 6)
    scale = SETTINGS.augmentation.online_scale
    displacement = rigid_displacement(np.random.default_rng(6), (64, 96), scale=scale)
    for part, mirrored in zip(copy, warp(image, cells(), displacement, fill="mirror"), strict=True):
        np.testing.assert_allclose(part, mirrored)


@few
@given(seed=SEEDS, rows=st.integers(3, 80), columns=st.integers(3, 80))
def test_elastic_field_is_the_bicubic_spline_of_scipy_and_scales_with_the_longer_side(
    seed, rows, columns
):
    field = elastic_displacement(np.random.default_rng(seed), (rows, columns), sigma=10)
    grid = np.random.default_rng(seed).normal(0, 10 * max(rows, columns) / 512, (2, 3, 3))
    places = np.meshgrid(np.linspace(0, 2, rows), np.linspace(0, 2, columns), indexing="ij")
    theirs = [ndimage.map_coordinates(part, places, order=3, mode="mirror") for part in grid]
    np.testing.assert_allclose(field, theirs, atol=1e-12)


def test_elastic_grid_has_the_deviation_of_the_paper_at_512():
    rng = np.random.default_rng(2)
    grids = np.array([elastic_displacement(rng, (3, 3), sigma=10) for _ in range(2000)])
    np.testing.assert_allclose(grids.std(axis=0), 10 * 3 / 512, rtol=0.07)
    np.testing.assert_allclose(grids.mean(axis=0), 0, atol=0.006)
    assert not elastic_displacement(rng, (16, 24), sigma=0).any()


# Grey values


def test_grey_values_change_and_labels_do_not():
    image = np.random.default_rng(0).random((64, 96), np.float32)
    grey, labels = copy_of("rigid elastic grey", image, cells(), 1)
    plain, same_labels = copy_of("rigid elastic", image, cells(), 1)
    np.testing.assert_array_equal(labels, same_labels)
    assert np.abs(grey - plain).max() > 1e-4
    assert np.corrcoef(grey.ravel(), plain.ravel())[0, 1] == pytest.approx(1, abs=1e-6)


def test_contrast_and_brightness_are_in_deviations_of_the_image():
    rng = np.random.default_rng(4)
    image = 100 + 20 * rng.standard_normal((16, 16))
    grey = changed(SETTINGS, {"augmentation.grey": True})
    drawn = [online_copy(image, cells((16, 16)), grey, rng)[0] for _ in range(2000)]
    contrasts = np.log([copy.std() / image.std() for copy in drawn])
    shifts = np.array([copy.mean() - image.mean() for copy in drawn]) / image.std()
    for values in (contrasts, shifts):
        assert (values.mean(), values.std()) == pytest.approx((0, 0.1), abs=0.01)
