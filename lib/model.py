"""The networks of the study.

The U-Net of Ronneberger, Fischer and Brox (2015) as the original project built it, that of the
paper itself, and two others of about as many parameters with the same encoder.
"""

from itertools import count

import keras
from keras import layers


def unet(
    size,
    *,
    filters=64,
    depth=4,
    normalisation="none",
    dropout=0.1,
    padding="same",
    maps=1,
):
    """Build a U-Net that maps a grey image to a foreground logit a pixel.

    With the defaults it is the network of the original project: 23 convolutions and 31.03
    million parameters. With ``padding="valid"`` it is the unpadded network of the U-Net paper
    (section 2), which turns 572 x 572 pixels into 388 x 388.

    Parameters
    ----------
    size : int
        Rows and columns of the input, px.
    filters : int
        Channels of the first level; each level down has twice as many.
    depth : int
        How often the image is halved. The paper and the original use 4.
    normalisation : {"none", "batch"}
        Batch normalisation between each 3 x 3 convolution and its ReLU.
    dropout : float
        Rate of the two upper levels; two levels further down it is twice this, at the bottom of
        four levels three times. 0.1 gives the original's .1 to .3, 0 leaves dropout out.
    padding : {"same", "valid"}
        Whether convolutions keep the size.
    maps : int
        Logits a pixel; beyond the first, the foreground, those of further targets.

    Returns
    -------
    keras.Model
        Input (size, size, 1), output (rows, columns, maps), float32 logits.

    Raises
    ------
    ValueError
        If the size cannot be halved `depth` times.

    References
    ----------
    Ronneberger, Fischer, Brox (2015), arXiv 1505.04597.
    """
    _check_size(size, depth, padding)
    block = {
        "filters": filters,
        "normalisation": normalisation,
        "dropout": dropout,
        "padding": padding,
    }

    image = keras.Input((size, size, 1), name="image")
    features, levels = _encoder(image, depth, pools=depth, **block)
    for level in reversed(range(depth)):
        features = layers.Conv2DTranspose(
            filters * 2**level, 2, strides=2, kernel_initializer="he_normal", name=f"up{level}_up"
        )(features)
        skip = _centre_crop(levels[level], features.shape[1], f"up{level}_crop")
        features = layers.Concatenate(name=f"up{level}_skip")([skip, features])
        features = _block(features, f"up{level}", level, **block)
    return keras.Model(image, _logits(features, maps), name="unet")


def unpadded(size, *, filters=64, depth=4, normalisation="none", dropout=0.1, maps=1):
    """Build the U-Net of the paper, without padding, around an image that it mirrors at its edges.

    The paper predicts the border of an image from its mirror image (section 2, figure 2). Here the
    network does that itself, so that it takes and gives images of one size as the others do. Its
    layer ``unet`` is the unpadded network, which `tiles.predict_unpadded` can use on any image.

    Parameters
    ----------
    size, filters, depth, normalisation, dropout, maps
        As for `unet`.

    Returns
    -------
    keras.Model
        Input (size, size, 1), output (size, size, maps), float32 logits.

    Raises
    ------
    ValueError
        If the mirror image would have to be larger than the image.

    References
    ----------
    Ronneberger, Fischer, Brox (2015), arXiv 1505.04597.
    """
    sizes = ((rows, output_size(rows, depth=depth, padding="valid")) for rows in count(size))
    inner, outer = next(pair for pair in sizes if pair[1] is not None and pair[1] >= size)
    before, excess = (inner - outer) // 2, outer - size
    if before + excess >= size:
        raise ValueError(f"size {size} px is too small to be mirrored {before + excess} px far")
    network = unet(
        inner,
        filters=filters,
        depth=depth,
        normalisation=normalisation,
        dropout=dropout,
        padding="valid",
        maps=maps,
    )
    image = keras.Input((size, size, 1), name="image")
    edges = (before, before + excess)
    mirrored = keras.ops.pad(image, ((0, 0), edges, edges, (0, 0)), mode="reflect")
    # What is more than the image lies behind it, so that pooling meets the pixels as in a tile.
    logits = layers.Cropping2D(((0, excess), (0, excess)), name="crop")(network(mirrored))
    return keras.Model(image, logits, name="unpadded")


def no_skip(size, *, filters=64, depth=4, normalisation="none", dropout=0.1, maps=1):
    """Build an encoder-decoder in the manner of SegNet: the U-Net without skip connections.

    Nothing is carried across. Each level of the decoder doubles rows and columns by repeating
    them, which like SegNet's unpooling has no parameters, and its first convolution halves the
    channels. SegNet passes the indices of its max-pooling to the decoder; here only what reached
    the bottom gets there, so that the network differs from the U-Net by the skip connections and
    the up-convolutions alone. Of four levels it has about 9 % fewer parameters.

    Parameters
    ----------
    size, filters, depth, normalisation, dropout, maps
        As for `unet`.

    Returns
    -------
    keras.Model
        Input (size, size, 1), output (size, size, maps), float32 logits.

    Raises
    ------
    ValueError
        If the size cannot be halved `depth` times.

    References
    ----------
    Badrinarayanan, Kendall, Cipolla (2017), arXiv 1511.00561.
    """
    _check_size(size, depth, "same")
    block = {"filters": filters, "normalisation": normalisation, "dropout": dropout}

    image = keras.Input((size, size, 1), name="image")
    features, _ = _encoder(image, depth, pools=depth, **block)
    for level in reversed(range(depth)):
        features = layers.UpSampling2D(2, name=f"up{level}_up")(features)
        features = _block(features, f"up{level}", level, **block)
    return keras.Model(image, _logits(features, maps), name="no_skip")


def aspp(size, *, filters=64, depth=4, normalisation="none", dropout=0.1, maps=1):
    """Build a network in the manner of DeepLabV3+ on the encoder of the U-Net.

    The last pooling is left out and the bottom dilated in its place, so that four levels halve
    the image three times. Atrous spatial pyramid pooling follows, then the paper's decoder: up
    fourfold (less with fewer than three levels), joined by the features of that size, two
    convolutions, logits, up to the size of the image. Channels are the paper's with 64 filters:
    256 from each branch and in the decoder, 48 of the features that join. Of four levels it has
    about 10 % fewer parameters than the U-Net.

    Parameters
    ----------
    size, filters, depth, normalisation, dropout, maps
        As for `unet`; the paper's decoder has no dropout, and here neither.

    Returns
    -------
    keras.Model
        Input (size, size, 1), output (size, size, maps), float32 logits.

    Raises
    ------
    ValueError
        If the size cannot be halved `depth` times. One time less would do, but then the networks
        would not take the same images.

    References
    ----------
    Chen, Zhu, Papandreou, Schroff, Adam (2018), arXiv 1802.02611, figure 2 and section 4.1.
    """
    _check_size(size, depth, "same")
    block = {"filters": filters, "normalisation": normalisation, "dropout": dropout}
    low = max(0, depth - 3)

    image = keras.Input((size, size, 1), name="image")
    features, levels = _encoder(image, depth, pools=depth - 1, **block)
    features = _pyramid(features, 4 * filters, normalisation)
    features = layers.UpSampling2D(
        2 ** (depth - 1 - low), interpolation="bilinear", name=f"up{low}_up"
    )(features)
    reduced = _convolution(
        levels[low], f"up{low}_reduce", max(1, 3 * filters // 4), normalisation, kernel=1
    )
    features = layers.Concatenate(name=f"up{low}_skip")([reduced, features])
    for name in (f"up{low}_conv1", f"up{low}_conv2"):
        features = _convolution(features, name, 4 * filters, normalisation)
    logits = layers.UpSampling2D(
        2**low, interpolation="bilinear", dtype="float32", name="logits_up"
    )(_logits(features, maps))
    return keras.Model(image, logits, name="aspp")


def output_size(size, *, depth=4, padding="same"):
    """Rows of the output of a U-Net for `size` rows of input, or None where it does not fit.

    Parameters
    ----------
    size : int
        Rows (and columns) of the input, px.
    depth : int
        How often the image is halved.
    padding : {"same", "valid"}
        With "valid" each 3 x 3 convolution takes 2 px off.

    Returns
    -------
    int or None
        Rows of the output; None if some level has an odd size or nothing is left.
    """
    lost = 0 if padding == "same" else 4
    for _ in range(depth):
        size -= lost
        if size < 2 or size % 2:
            return None
        size //= 2
    for _ in range(depth):
        size = 2 * (size - lost)
        if size <= 0:
            return None
    return size - lost if size > lost else None


def every_layer(model):
    """Go through the layers of a network; a network inside it, as `unpadded` has one, opens up.

    Parameters
    ----------
    model : keras.Model

    Yields
    ------
    keras.Layer
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def count_convolutions(model):
    """Count the convolutions of a network, transposed ones among them, as the paper does."""
    kinds = (layers.Conv2D, layers.Conv2DTranspose)
    return sum(isinstance(layer, kinds) for layer in every_layer(model))


def _check_size(size, depth, padding):
    if output_size(size, depth=depth, padding=padding) is None:
        raise ValueError(f"size {size} px cannot be halved {depth} times with {padding} padding")


def _encoder(image, depth, pools, **block):
    """Build the way down: what the bottom makes, and what each level makes before its pooling.

    Only the first `pools` levels are pooled; for each of the others the bottom is dilated by a
    further factor of 2, so that it sees about as far as after pooling.
    """
    features, levels = image, []
    for level in range(depth):
        features = _block(features, f"down{level}", level, **block)
        levels.append(features)
        if level < pools:
            features = layers.MaxPooling2D(2, name=f"down{level}_pool")(features)
    return _block(features, "bottom", depth, dilation=2 ** (depth - pools), **block), levels


def _pyramid(features, filters, normalisation):
    """Atrous spatial pyramid pooling: views of the features at several scales, side by side."""
    # The paper's rates, 6, 12 and 18, are for maps of 33 rows; 128 px make 16 here.
    branches = [_convolution(features, "aspp_point", filters, normalisation, kernel=1)]
    for rate in (3, 6, 9):
        branches.append(
            _convolution(features, f"aspp_rate{rate}", filters, normalisation, dilation=rate)
        )
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(features)
    # Never normalised: a map of one pixel has one value a channel and image, and the statistics of
    # a batch of 4 would be those of 4 numbers, of a batch of 1 nothing but zeros.
    mean = _convolution(mean, "aspp_image", filters, "none", kernel=1)
    branches.append(layers.UpSampling2D(features.shape[1], name="aspp_image_up")(mean))
    joined = layers.Concatenate(name="aspp_join")(branches)
    return _convolution(joined, "aspp_project", filters, normalisation, kernel=1)


def _logits(features, maps):
    # Kept in float32 under mixed precision, where a bfloat16 logit would cost loss and metrics
    # three decimal digits.
    return layers.Conv2D(maps, 1, dtype="float32", name="logits")(features)


def _block(features, name, level, *, filters, normalisation, dropout, padding="same", dilation=1):
    """Two 3 x 3 convolutions with dropout between them, as in the original's notebooks."""
    channels, rate = filters * 2**level, dropout * (level // 2 + 1)
    kind = {"padding": padding, "dilation": dilation}
    features = _convolution(features, f"{name}_conv1", channels, normalisation, **kind)
    if rate:
        features = layers.Dropout(rate, name=f"{name}_dropout")(features)
    return _convolution(features, f"{name}_conv2", channels, normalisation, **kind)


def _convolution(features, name, channels, normalisation, *, kernel=3, padding="same", dilation=1):
    features = layers.Conv2D(
        channels,
        kernel,
        padding=padding,
        dilation_rate=dilation,
        kernel_initializer="he_normal",
        use_bias=normalisation == "none",
        name=name,
    )(features)
    if normalisation == "batch":
        features = layers.BatchNormalization(name=f"{name}_norm")(features)
    return layers.ReLU(name=f"{name}_relu")(features)


def _centre_crop(features, size, name):
    excess = features.shape[1] - size
    if excess == 0:
        return features
    before = excess // 2
    return layers.Cropping2D((before, excess - before), name=name)(features)


NETWORKS = {"unet": unet, "unpadded": unpadded, "no_skip": no_skip, "aspp": aspp}
