"""Sizes, grey values, and what is unknown."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.data import arrays
from lib.data.arrays import UNKNOWN
from lib.data.dataset import DataSet
from lib.data.splits import Split


@pytest.mark.parametrize(
    ("frame", "size", "depth", "shape"),
    [
        ((512, 512), 128, 4, (128, 128)),
        ((100, 100), 96, 5, (96, 96)),
        ((512, 256), 128, 4, (128, 64)),
        ((520, 696), 256, 4, (192, 256)),
        ((700, 1100), 128, 3, (80, 128)),
        ((8, 800), 64, 4, (16, 64)),
    ],
)
def test_network_sees_the_frame_in_its_own_proportions(frame, size, depth, shape):
    assert arrays.network_shape(frame, size, depth) == shape


def test_resample_by_a_whole_factor_is_the_mean_of_the_block():
    images = np.zeros((1, 4, 6), np.uint8)
    images[0, :2, :3] = [[255, 0, 255], [0, 255, 0]]
    labels = np.repeat(np.repeat([[[7, 900], [0, 65535]]], 2, axis=1), 3, axis=2).astype(np.uint16)
    small, ids = arrays.resample(images, labels, (2, 2))
    assert small.dtype == np.float32
    assert small[0].tolist() == [[0.5, 0.0], [0.0, 0.0]]
    assert ids.dtype == np.uint16
    assert ids[0].tolist() == [[7, 900], [0, 65535]]


def test_resample_to_the_same_size_only_scales():
    images = np.random.default_rng(1).integers(0, 65536, (2, 6, 5)).astype(np.uint16)
    same, ids = arrays.resample(images, images % 5, (6, 5))
    np.testing.assert_allclose(same, images / 65535, rtol=1e-6)
    np.testing.assert_array_equal(ids, images % 5)


def test_grey_values_run_from_the_lowest_to_the_highest_that_is_in_use():
    image = np.array([[32768, 36863]], np.uint16)
    assert arrays.resample_image(image, (1, 2), (32768, 36863)).tolist() == [[0, 1]]


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (50, 70)])
def test_resample_keeps_images_and_labels_aligned(shape):
    rows, columns = np.mgrid[:40, :50]
    labels = ((rows - 14) ** 2 + (columns - 26) ** 2 < 81).astype(np.uint16)[None]
    small, ids = arrays.resample((200 * labels).astype(np.uint8), labels, shape)
    assert small.shape == ids.shape == (1, *shape)
    assert small.mean() == pytest.approx(200 / 255 * labels.mean(), rel=0.03)
    for axis in (1, 2):
        places = np.arange(shape[axis - 1])
        centre = np.average(places, weights=small.sum(axis=(0, 3 - axis)))
        assert np.nonzero(ids)[axis].mean() == pytest.approx(centre, abs=0.6)


@given(hnp.arrays(np.uint8, (2, 5, 5)))
def test_normalised_frames(images):
    normalised = arrays.normalise_frames(images)
    assert normalised.dtype == np.float32
    for before, after in zip(images, normalised, strict=True):
        assert after.mean() == pytest.approx(0, abs=1e-5)
        assert after.std() == pytest.approx(float(np.ptp(before) > 0), abs=1e-5)


def test_background_near_a_missed_cell_is_unknown():
    labels, markers = np.zeros((2, 12, 12), np.uint16)
    labels[:, :4] = 7
    markers[5, 1:3], markers[5, 9] = 3, 8  # in the labelled cell, and in one without a label
    assert arrays.is_missed(labels, markers)[[3, 8]].tolist() == [False, True]
    marked = arrays.mark_unknown(labels, markers, 3)
    rows, columns = np.indices(labels.shape)
    near = np.hypot(rows - 5, columns - 9) <= 3
    np.testing.assert_array_equal(marked == UNKNOWN, near)
    np.testing.assert_array_equal(marked[~near], labels[~near])
    wide = arrays.mark_unknown(labels, markers, 30)
    np.testing.assert_array_equal(wide == 7, labels == 7)  # no label is lost, however wide
    assert (wide[labels == 0] == UNKNOWN).all()
    assert marked.dtype == np.uint16
    assert not arrays.mark_unknown(0 * labels, 0 * markers, 9).any()


@given(st.integers(1, 200), st.integers(1, 12))
def test_spread_places_are_different_and_hold_both_ends(count, chosen):
    places = arrays.spread(count, chosen)
    assert len(places) == min(count, chosen)
    assert places[0] == 0
    assert chosen == 1 or places[-1] == count - 1


@pytest.fixture
def data():
    images = np.random.default_rng(1).integers(0, 4096, (3, 32, 64)).astype(np.uint16)
    labels, markers = np.zeros((2, 3, 32, 64), np.uint16)
    labels[:, 4:8, 4:8], markers[1, 20, 40] = 3, 9
    record = {"shape": [32, 64], "grey": [0, 4095], "source": "folder"}
    return DataSet(record, {"01": images}, {"01": labels}, {"01": {}}, {"01": {1: markers[1]}})


def of(size, normalise="none", unknown=0.0):
    image = SimpleNamespace(size=size, normalise=normalise)
    training = SimpleNamespace(unknown=unknown)
    return SimpleNamespace(image=image, model=SimpleNamespace(depth=3), training=training)


def test_side_of_a_split_at_the_size_of_the_network(data):
    images, labels = arrays.load_side(data, [("01", 2), ("01", 0)], of(64))
    np.testing.assert_allclose(images, data.images["01"][[2, 0]] / 4095, rtol=1e-6)
    np.testing.assert_array_equal(labels, arrays.full_labels(data, [("01", 2), ("01", 0)]))
    images, labels = arrays.load_side(data, [("01", 1)], of(32, "frame"))
    assert images.shape == labels.shape == (1, 16, 32)
    assert images.mean() == pytest.approx(0, abs=1e-5)


def test_sides_of_training_leave_out_what_nobody_knows(data):
    split = Split("last", [("01", 0), ("01", 1)], [("01", 2)], [])
    sides = split.train, split.validation
    training, validation = (arrays.load_side(data, side, of(64), 32.0) for side in sides)
    rows, columns = np.indices((32, 64))
    near = np.hypot(rows - 20, columns - 40) <= 4  # 32 px at 512 px
    np.testing.assert_array_equal(training[1][1] == UNKNOWN, near)
    assert not (training[1][0] == UNKNOWN).any()
    assert not (validation[1] == UNKNOWN).any()
    assert not (data.labels["01"] == UNKNOWN).any()
    training = arrays.load_side(data, split.train, of(64))
    assert not (training[1] == UNKNOWN).any()
