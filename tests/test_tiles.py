"""Images of any shape, predicted in tiles."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import tiles
from lib.evaluation import predict
from lib.model import unet, unpadded

SIZE = 16
BLIND = keras.Sequential([keras.Input((SIZE, SIZE, 1)), keras.layers.Rescaling(20, -10)])
SMALL = {"filters": 2, "depth": 2, "normalisation": "batch", "dropout": 0.1}


@settings(max_examples=30, deadline=None)
@given(st.integers(SIZE // 2, 40), st.integers(SIZE // 2, 40))
def test_tiles_of_a_network_without_context_make_its_whole_prediction(rows, columns):
    image = np.random.default_rng(rows).random((rows, columns), np.float32)
    expected = 1 / (1 + np.exp(10 - 20.0 * image))
    probability = tiles.predict_image(BLIND, image)[..., 0]
    np.testing.assert_allclose(probability, expected, atol=1e-5)


@given(st.integers(1, 300), st.integers(1, 64))
def test_tiles_cover_a_side_and_overlap_by_half(extra, size):
    length = size + extra
    starts = tiles._tile_starts(length, size)
    assert (starts[0], starts[-1]) == (0, length - size)
    assert np.diff(starts).max() <= size / 2 + 1


# The unpadded network


@pytest.fixture(scope="module")
def whole():
    """An unpadded network that takes 64 px at once; its normalisation is not that of the start."""
    keras.utils.set_random_seed(0)
    network = unpadded(64, **SMALL)
    rng = np.random.default_rng(0)
    network.set_weights([w + 0.1 * rng.uniform(-1, 1, w.shape) for w in network.get_weights()])
    return network


@pytest.fixture
def tiled(whole):
    """The same network, for tiles of a few pixels."""
    network = unet(60, padding="valid", **SMALL)
    network.set_weights(whole.get_weights())
    assert network.output_shape == (None, 20, 20, 1)
    return network


def test_tiles_answer_as_the_whole_image_does(whole, tiled):
    image = np.random.default_rng(1).random((64, 64), np.float32)
    expected = predict(whole, image[None])[0]
    assert expected.std() > 0.01
    np.testing.assert_allclose(tiles.predict_unpadded(tiled, image), expected, atol=1e-5)
    np.testing.assert_allclose(tiles.predict_image(whole, image), expected, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(rows=st.integers(30, 70), columns=st.integers(30, 70))
def test_any_shape_is_answered_as_its_part_of_the_whole_is(rows, columns):
    network = unet(60, padding="valid", **SMALL)
    image = np.random.default_rng(rows).random((rows, columns), np.float32)
    found = tiles.predict_unpadded(network, image)
    assert found.shape == (rows, columns, 1)
    # What is far enough from the lower and the right edge does not know of them.
    larger = np.pad(image, ((0, 30), (0, 30)), mode="symmetric")
    inside = tiles.predict_unpadded(network, larger)[: rows - 24, : columns - 24]
    np.testing.assert_allclose(found[: rows - 24, : columns - 24], inside, atol=1e-5)


def test_tiles_smaller_than_a_pooled_pixel_are_refused():
    with pytest.raises(ValueError, match="tiles of 4 px are too small for pooling to 16 px"):
        tiles.predict_unpadded(unet(188, filters=1, padding="valid"), np.zeros((8, 8)))


def test_the_network_takes_and_gives_one_size_and_can_be_kept(whole, tmp_path):
    assert whole.input_shape == whole.output_shape == (None, 64, 64, 1)
    whole.save(tmp_path / "model.keras")
    image = np.random.default_rng(2).random((1, 64, 64), np.float32)
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(again, image), predict(whole, image))
    assert tiles.predict_image(again, image[0]).shape == (64, 64, 1)


def test_an_image_too_small_to_be_mirrored_is_refused():
    with pytest.raises(ValueError, match="size 64 px is too small to be mirrored"):
        unpadded(64, filters=1)
    # The size from which on params files may ask for it.
    for size, depth in ((108, 4), (112, 4), (128, 4), (52, 3), (24, 2)):
        network = unpadded(size, filters=1, depth=depth)
        assert network.output_shape == (None, size, size, 1)
    assert unpadded(128, filters=1).get_layer("unet").input_shape == (None, 316, 316, 1)
