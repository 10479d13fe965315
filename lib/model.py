"""The U-Net of Ronneberger, Fischer and Brox (2015), as the original project built it."""

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
):
    """Build a U-Net that maps a grey image to one foreground logit a pixel.

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

    Returns
    -------
    keras.Model
        Input (size, size, 1), output (rows, columns, 1), float32 logits.

    Raises
    ------
    ValueError
        If the size cannot be halved `depth` times.

    References
    ----------
    Ronneberger, Fischer, Brox (2015), arXiv 1505.04597.
    """
    final_size = output_size(size, depth=depth, padding=padding)
    if final_size is None:
        raise ValueError(f"size {size} px cannot be halved {depth} times with {padding} padding")
    block = {"normalisation": normalisation, "padding": padding}

    image = keras.Input((size, size, 1), name="image")
    features, skips = image, []
    for level in range(depth):
        features = _block(
            features, f"down{level}", filters * 2**level, dropout * (level // 2 + 1), **block
        )
        skips.append(features)
        features = layers.MaxPooling2D(2, name=f"down{level}_pool")(features)
    features = _block(features, "bottom", filters * 2**depth, dropout * (depth // 2 + 1), **block)
    for level in reversed(range(depth)):
        features = layers.Conv2DTranspose(
            filters * 2**level, 2, strides=2, kernel_initializer="he_normal", name=f"up{level}_up"
        )(features)
        skip = _centre_crop(skips[level], features.shape[1], f"up{level}_crop")
        features = layers.Concatenate(name=f"up{level}_skip")([skip, features])
        features = _block(
            features, f"up{level}", filters * 2**level, dropout * (level // 2 + 1), **block
        )
    # Kept in float32 under mixed precision, where a bfloat16 logit would cost loss and metrics
    # three decimal digits.
    logits = layers.Conv2D(1, 1, dtype="float32", name="logits")(features)
    return keras.Model(image, logits, name="unet")


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


def count_convolutions(model):
    """Count the convolutions of a network, transposed ones among them, as the paper does."""
    kinds = (layers.Conv2D, layers.Conv2DTranspose)
    return sum(isinstance(layer, kinds) for layer in model.layers)


def _block(features, name, filters, dropout, *, normalisation, padding):
    """Two 3 x 3 convolutions with dropout between them, as in the original's notebooks."""
    features = _convolution(features, f"{name}_conv1", filters, normalisation, padding)
    if dropout:
        features = layers.Dropout(dropout, name=f"{name}_dropout")(features)
    return _convolution(features, f"{name}_conv2", filters, normalisation, padding)


def _convolution(features, name, filters, normalisation, padding):
    features = layers.Conv2D(
        filters,
        3,
        padding=padding,
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
