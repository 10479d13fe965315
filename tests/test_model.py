"""Facts of the U-Net paper and of the original's notebooks, read off the built network."""

import keras
import numpy as np
import pytest
from keras import layers

from lib.model import count_convolutions, output_size, unet


@pytest.fixture(scope="module")
def original():
    # The size changes no parameter.
    return unet(32)


def channels(model, ending):
    return {
        layer.name.removesuffix(ending): layer.output.shape[-1]
        for layer in model.layers
        if layer.name.endswith(ending)
    }


def test_the_original_has_23_convolutions_and_31_million_parameters(original):
    assert count_convolutions(original) == 23
    assert original.count_params() == 31_030_593


def test_channels_of_each_level(original):
    sides = {f"{way}{level}": 64 * 2**level for way in ("down", "up") for level in range(4)}
    assert channels(original, "_conv1") == sides | {"bottom": 1024}
    assert channels(original, "_conv2") == sides | {"bottom": 1024}
    ups = {f"up{level}": 64 * 2**level for level in range(4)}
    assert channels(original, "_up") == ups
    # A skip connection brings as many channels as the up-convolution.
    assert channels(original, "_skip") == {name: 2 * count for name, count in ups.items()}


def test_sizes_of_each_level(original):
    rows = [original.get_layer(f"down{level}_conv2").output.shape[1] for level in range(4)]
    assert [*rows, original.get_layer("bottom_conv2").output.shape[1]] == [32, 16, 8, 4, 2]
    assert original.output_shape == (None, 32, 32, 1)


def test_dropout_of_the_original(original):
    rates = [layer.rate for layer in original.layers if isinstance(layer, layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.2, 0.2, 0.1, 0.1])


def test_dropout_lies_between_the_convolutions_of_a_block(original):
    names = [layer.name for layer in original.layers]
    first = names.index("down2_conv1")
    block = ["down2_conv1", "down2_conv1_relu", "down2_dropout", "down2_conv2", "down2_conv2_relu"]
    assert names[first : first + 6] == [*block, "down2_pool"]


def test_convolutions_start_as_he_has_it(original):
    for name in ("down3_conv2", "bottom_conv1", "up3_conv1"):
        kernel = keras.ops.convert_to_numpy(original.get_layer(name).kernel)
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.01)


def test_the_paper_s_unpadded_network():
    model = unet(572, filters=1, padding="valid")
    assert model.output_shape == (None, 388, 388, 1)
    skips = [model.get_layer(f"up{level}_skip").output.shape[1] for level in range(4)]
    assert skips == [392, 200, 104, 56]
    # Cropped alike on every side, from 568, 280, 136 and 64 rows.
    crops = [model.get_layer(f"up{level}_crop").cropping for level in range(4)]
    assert crops == [((side, side), (side, side)) for side in (88, 40, 16, 4)]


@pytest.mark.parametrize(
    ("size", "depth", "padding", "rows"),
    [
        (512, 4, "same", 512),
        (500, 4, "same", None),
        (48, 4, "same", 48),
        (48, 5, "same", None),
        (572, 4, "valid", 388),
        (512, 4, "valid", None),
        (188, 4, "valid", 4),
        (172, 4, "valid", None),
        (20, 1, "valid", 4),
        (18, 1, "valid", 2),
        (16, 1, "valid", None),
        (44, 2, "valid", 4),
        (46, 2, "valid", None),
    ],
)
def test_output_size_is_that_of_the_network(size, depth, padding, rows):
    assert output_size(size, depth=depth, padding=padding) == rows
    if rows:
        model = unet(size, filters=1, depth=depth, padding=padding, dropout=0)
        assert model.output_shape == (None, rows, rows, 1)
    else:
        with pytest.raises(ValueError, match=f"{size} px cannot be halved {depth} times"):
            unet(size, filters=1, depth=depth, padding=padding)


def test_batch_normalisation_lies_before_each_relu():
    model = unet(16, filters=4, depth=1, normalisation="batch", dropout=0)
    names = [layer.name for layer in model.layers]
    first = names.index("down0_conv1")
    block = [f"down0_conv{n}{part}" for n in (1, 2) for part in ("", "_norm", "_relu")]
    assert names[first : first + 6] == block
    assert sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers) == 6
    assert not any(isinstance(layer, layers.Dropout) for layer in model.layers)


def test_logits_stay_in_single_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = unet(16, filters=2, depth=1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("bottom_conv1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert keras.activations.serialize(model.get_layer("logits").activation) == "linear"
