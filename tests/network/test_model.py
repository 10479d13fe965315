"""Facts of the papers and of the original's notebooks, read off the built networks."""

import keras
import numpy as np
import pytest
from keras import layers

from lib.network.model import NETWORKS, aspp, no_skip, unet

every_network = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


@pytest.fixture(scope="module")
def original():
    """The original's network; the size of the image changes no parameter."""
    return unet((32, 32))


def noise(shape, images=1):
    return np.random.default_rng(5).random((images, *shape, 1), np.float32)


def channels(model, ending):
    return {
        layer.name.removesuffix(ending): layer.output.shape[-1]
        for layer in model.layers
        if layer.name.endswith(ending)
    }


def encoder(model):
    """What shapes the way down: layers with their weights and dropout rates."""
    down = [layer for layer in model.layers if layer.name.startswith(("down", "bottom"))]
    return [
        (one.name, type(one), [tuple(w.shape) for w in one.weights], getattr(one, "rate", None))
        for one in down
    ]


def test_the_original_has_23_convolutions_and_31_million_parameters(original):
    assert sum("Conv2D" in type(layer).__name__ for layer in original.layers) == 23
    assert original.count_params() == 31_030_593


def test_networks_have_as_many_parameters_within_a_tenth():
    counts = [build((16, 16), filters=8).count_params() for build in NETWORKS.values()]
    assert counts == pytest.approx([counts[0]] * 3, rel=0.1)


def test_channels_of_each_level(original):
    sides = {f"{way}{level}": 64 * 2**level for way in ("down", "up") for level in range(4)}
    for ending in ("_conv1", "_conv2"):
        assert channels(original, ending) == sides | {"bottom": 1024}
    # A skip connection brings as many channels as the up-convolution.
    ups = channels(original, "_up")
    assert ups == {f"up{level}": 64 * 2**level for level in range(4)}
    skips = channels(original, "_skip")
    assert skips == {name: 2 * count for name, count in ups.items()}


def test_dropout_of_the_original_lies_between_the_convolutions_of_a_block(original):
    rates = [one.rate for one in original.layers if isinstance(one, layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.2, 0.2, 0.1, 0.1])
    names = [layer.name for layer in original.layers]
    first = names.index("down2_conv1")
    block = ["down2_conv1", "down2_conv1_relu", "down2_dropout", "down2_conv2", "down2_conv2_relu"]
    assert names[first : first + 6] == [*block, "down2_pool"]


def test_convolutions_start_as_he_has_it(original):
    for layer in original.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose) and layer.name != "logits":
            assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal), layer.name
    kernel = keras.ops.convert_to_numpy(original.get_layer("down3_conv2").kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.01)


def test_batch_normalisation_lies_before_each_relu():
    model = unet((16, 16), filters=4, depth=1, normalisation="batch", dropout=0)
    names = [layer.name for layer in model.layers]
    first = names.index("down0_conv1")
    block = [f"down0_conv{n}{part}" for n in (1, 2) for part in ("", "_norm", "_relu")]
    assert names[first : first + 6] == block
    assert not any(isinstance(layer, layers.Dropout) for layer in model.layers)


@every_network
@pytest.mark.parametrize("depth", [1, 4])
def test_as_many_logits_as_pixels_of_a_rectangle(build, depth):
    model = build((32, 48), filters=1, depth=depth, maps=2)
    assert model.output_shape == (None, 32, 48, 2)
    assert NETWORKS[model.name] is build


@every_network
def test_logits_stay_in_single_precision(build):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build((16, 16), filters=2, depth=2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("bottom_conv1").compute_dtype == "bfloat16"
    assert model.output.dtype == model.get_layer("logits").compute_dtype == "float32"


def test_one_encoder_for_all():
    expected, same, dilated = (
        encoder(build((16, 16), filters=2, depth=2)) for build in (unet, no_skip, aspp)
    )
    assert same == expected
    assert dilated == [row for row in expected if row[0] != "down1_pool"]


@pytest.mark.parametrize(("build", "another_way"), [(unet, True), (aspp, True), (no_skip, False)])
def test_without_skips_all_goes_through_the_bottom(build, another_way):
    model = build((16, 24), filters=4, depth=2)
    bottom = model.get_layer("bottom_conv2")
    for weights, differ in ((bottom.get_weights(), True), (None, another_way)):
        bottom.set_weights(weights or [0 * one for one in bottom.get_weights()])
        first, second = np.array(model(noise((16, 24), images=2)))
        assert (first != second).any() == differ


def test_decoder_of_the_network_without_skips():
    model = no_skip((16, 16), filters=2)
    assert all(model.get_layer(f"up{level}_up").count_params() == 0 for level in range(4))
    kernels = [model.get_layer(f"up{level}_conv1").kernel.shape[2:] for level in range(4)]
    assert kernels == [(4, 2), (8, 4), (16, 8), (32, 16)]


def test_maps_and_dilations_of_aspp_at_128_px():
    model = aspp((128, 128), filters=4)
    dilations = {
        layer.name: layer.dilation_rate[0]
        for layer in model.layers
        if isinstance(layer, layers.Conv2D) and layer.dilation_rate != (1, 1)
    }
    bottom = {"bottom_conv1": 2, "bottom_conv2": 2}
    assert dilations == bottom | {f"aspp_rate{rate}": rate for rate in (3, 6, 9)}
    names = ("bottom_conv2", "aspp_join", "aspp_project", "up1_reduce", "up1_up")
    shapes = [model.get_layer(name).output.shape[1:] for name in names]
    assert shapes == [(16, 16, 64), (16, 16, 80), (16, 16, 16), (64, 64, 3), (64, 64, 16)]


def test_image_pooling_spreads_the_mean_over_the_map():
    model = aspp((16, 24), filters=4, depth=2, normalisation="batch")
    names = ("bottom_conv2_relu", "aspp_image_up")
    parts = keras.Model(model.input, [model.get_layer(name).output for name in names])
    features, spread = map(np.array, parts(noise((16, 24))))
    kernel, bias = model.get_layer("aspp_image").get_weights()
    expected = np.maximum(features.mean((1, 2)) @ kernel[0, 0] + bias, 0)
    np.testing.assert_allclose(spread, np.broadcast_to(expected, (1, 8, 12, 16)), rtol=1e-4)


def test_params_files_may_name_every_network():
    from lib.study.schema import NETWORKS as NAMES

    assert list(NETWORKS) == NAMES
