"""Facts of the papers and of the original's notebooks, read off the built networks."""

import keras
import numpy as np
import pytest
from keras import layers

from lib.model import NETWORKS, aspp, count_convolutions, no_skip, output_size, unet, unpadded

every_network = pytest.mark.parametrize("build", [unet, no_skip, aspp])
every_other_network = pytest.mark.parametrize("build", [no_skip, aspp])


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


@every_network
def test_logits_stay_in_single_precision(build):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(16, filters=2, depth=2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("bottom_conv1").compute_dtype == "bfloat16"
    assert model(noise(16)).dtype == "float32"
    assert model.get_layer("logits").compute_dtype == "float32"
    assert keras.activations.serialize(model.get_layer("logits").activation) == "linear"


# The other networks


def noise(size, images=1):
    return np.random.default_rng(5).random((images, size, size, 1), np.float32)


def encoder(model):
    """What shapes the way down: layers with their channels, kernels and dropout rates."""
    rows = []
    for layer in model.layers:
        if layer.name.startswith(("down", "bottom")):
            shapes = [tuple(weights.shape) for weights in layer.weights]
            rows.append((layer.name, type(layer), shapes, getattr(layer, "rate", None)))
    return rows


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_networks_are_chosen_by_their_name(build):
    assert NETWORKS[build(16, filters=1, depth=1).name] is build


def test_without_padding_the_network_is_the_same():
    settings = {"filters": 2, "normalisation": "batch"}
    inner = unpadded(128, **settings).get_layer("unet")
    assert encoder(inner) == encoder(unet(32, **settings))
    assert inner.count_params() == unet(32, **settings).count_params()


def test_convolutions_of_a_network_inside_another_are_counted():
    # Two a block, an up-convolution a level, and the logits.
    assert count_convolutions(unpadded(32, filters=1, depth=2)) == 5 * 2 + 2 + 1


@every_other_network
@pytest.mark.parametrize("normalisation", ["none", "batch"])
@pytest.mark.parametrize("filters", [16, 64])
def test_parameters_within_a_tenth_of_the_u_net_s(build, filters, normalisation):
    settings = {"filters": filters, "normalisation": normalisation}
    expected = unet(32, **settings).count_params()
    assert build(32, **settings).count_params() == pytest.approx(expected, rel=0.1)


@every_other_network
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_as_many_logits_as_pixels(build, depth):
    model = build(32, filters=1, depth=depth)
    assert model(noise(32)).shape == (1, 32, 32, 1)


@every_other_network
@pytest.mark.parametrize(("size", "depth"), [(20, 3), (34, 2), (33, 1)])
def test_a_size_that_cannot_be_halved(build, size, depth):
    with pytest.raises(ValueError, match=f"{size} px cannot be halved {depth} times"):
        build(size, filters=1, depth=depth)


@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_one_encoder_for_all(normalisation):
    settings = {"filters": 2, "normalisation": normalisation}
    expected = encoder(unet(32, **settings))
    assert encoder(no_skip(32, **settings)) == expected
    without_pooling = [row for row in expected if row[0] != "down3_pool"]
    assert encoder(aspp(32, **settings)) == without_pooling


@every_network
def test_every_hidden_convolution_starts_as_he_has_it(build):
    for layer in build(32, filters=1).layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose) and layer.name != "logits":
            assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal), layer.name


@pytest.mark.parametrize(("build", "another_way"), [(unet, True), (aspp, True), (no_skip, False)])
def test_without_skips_all_goes_through_the_bottom(build, another_way):
    model = build(32, filters=4, depth=2)
    images = noise(32, images=2)
    first, second = model.predict_on_batch(images)
    assert (first != second).any()
    bottom = model.get_layer("bottom_conv2")
    bottom.set_weights([np.zeros_like(weights) for weights in bottom.get_weights()])
    first, second = model.predict_on_batch(images)
    assert (first != second).any() == another_way


def test_decoder_of_the_network_without_skips():
    model = no_skip(32)
    ups = [model.get_layer(f"up{level}_up") for level in range(4)]
    assert all(layer.count_params() == 0 for layer in ups)
    assert [layer.output.shape[1] for layer in ups] == [32, 16, 8, 4]
    kernels = [model.get_layer(f"up{level}_conv1").kernel.shape[2:] for level in range(4)]
    assert kernels == [(128, 64), (256, 128), (512, 256), (1024, 512)]


def test_dilations_of_aspp():
    dilations = {
        layer.name: layer.dilation_rate
        for layer in aspp(32, filters=1).layers
        if isinstance(layer, layers.Conv2D) and layer.dilation_rate != (1, 1)
    }
    twofold = {"bottom_conv1": (2, 2), "bottom_conv2": (2, 2)}
    assert dilations == twofold | {f"aspp_rate{rate}": (rate, rate) for rate in (3, 6, 9)}


def test_maps_of_aspp_are_the_paper_s():
    model = aspp(128)
    shapes = {
        name: model.get_layer(name).output.shape[1:]
        for name in ("bottom_conv2", "aspp_join", "aspp_project", "up1_reduce", "up1_up")
    }
    assert shapes == {
        "bottom_conv2": (16, 16, 1024),
        "aspp_join": (16, 16, 5 * 256),
        "aspp_project": (16, 16, 256),
        "up1_reduce": (64, 64, 48),
        "up1_up": (64, 64, 256),
    }
    assert model.get_layer("up1_conv2").output.shape[1:] == (64, 64, 256)
    assert model.get_layer("logits").output.shape[1:] == (64, 64, 1)


def test_image_pooling_spreads_the_mean_over_the_map():
    model = aspp(32, filters=4, depth=2, normalisation="batch")
    names = ("bottom_conv2_relu", "aspp_image_up")
    parts = keras.Model(model.input, [model.get_layer(name).output for name in names])
    features, spread = parts.predict_on_batch(noise(32))
    kernel, bias = model.get_layer("aspp_image").get_weights()
    expected = np.maximum(features.mean((1, 2)) @ kernel[0, 0] + bias, 0)
    np.testing.assert_allclose(spread, np.broadcast_to(expected, (1, 16, 16, 16)), rtol=1e-4)


@every_network
@pytest.mark.parametrize("normalisation", ["none", "batch"])
def test_a_small_step_on_one_image_lowers_its_loss(build, normalisation):
    keras.utils.set_random_seed(2)
    model = build(32, filters=4, depth=2, normalisation=normalisation, dropout=0)
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    image = noise(32)
    before, after = (model.train_on_batch(image, image > 0.5) for _ in range(2))
    assert after < before


@every_network
def test_a_network_read_from_its_file_predicts_the_same(build, tmp_path):
    model = build(32, filters=4, depth=2, normalisation="batch")
    model.save(tmp_path / "network.keras")
    read = keras.models.load_model(tmp_path / "network.keras")
    image = noise(32)
    np.testing.assert_array_equal(read.predict_on_batch(image), model.predict_on_batch(image))
