"""The networks of the study: the U-Net, and two others of about as many parameters."""

import keras
from keras import layers

# In float32 under mixed precision, too: bfloat16 would cost loss and metrics three digits.
LOGITS = {"kernel_size": 1, "dtype": "float32", "name": "logits"}


def unet(shape, *, filters=64, depth=4, normalisation="none", dropout=0.1, maps=1, skip=True):
    """Build the U-Net of the original project: 23 convolutions, with 64 filters 31.03 M parameters.

    It is that of Ronneberger, Fischer and Brox (2015, arXiv 1505.04597), padded. `shape` are rows
    and columns, px, multiples of 2**depth; the output has `maps` channels of logits. `filters` are
    doubled with each level down; `dropout` is doubled two levels down and tripled four down, as the
    original's .1 to .3. Normalisation is none or batch, before each ReLU.
    """
    block = {"filters": filters, "normalisation": normalisation, "dropout": dropout}
    image, features, levels = _encoder(shape, depth, pools=depth, **block)
    for level in reversed(range(depth)):
        name = f"up{level}"
        if skip:
            options = {"strides": 2, "kernel_initializer": "he_normal", "name": f"{name}_up"}
            features = layers.Conv2DTranspose(filters * 2**level, 2, **options)(features)
            features = layers.Concatenate(name=f"{name}_skip")([levels[level], features])
        else:
            features = layers.UpSampling2D(2, name=f"{name}_up")(features)
        features = _block(features, name, level, **block)
    logits = layers.Conv2D(maps, **LOGITS)(features)
    return keras.Model(image, logits, name="unet" if skip else "no_skip")


def no_skip(shape, **options):
    """Build the U-Net without skip connections, of four levels with about 9 % fewer parameters.

    A level of the decoder repeats rows and columns instead of an up-convolution, and its first
    convolution halves the channels. Unlike in SegNet no indices of the pooling are carried across.
    """
    return unet(shape, skip=False, **options)


def aspp(shape, *, filters=64, depth=4, normalisation="none", dropout=0.1, maps=1):
    """Build the U-Net's encoder with its deepest pooling replaced by dilations, ASPP, one skip.

    Atrous spatial pyramid pooling and the decoder are as in DeepLabV3+ (Chen et al. 2018, arXiv
    1802.02611, figure 2), without dropout. Changed are the backbone, the U-Net's, which halves the
    image once less, and the rates of dilation. It has about 10 % fewer parameters.
    """
    block = {"filters": filters, "normalisation": normalisation, "dropout": dropout}
    image, features, levels = _encoder(shape, depth, pools=depth - 1, **block)
    features = _pyramid(features, 4 * filters, normalisation)
    low = max(0, depth - 3)
    up = {"size": 2 ** (depth - 1 - low), "interpolation": "bilinear"}
    features = layers.UpSampling2D(**up, name=f"up{low}_up")(features)
    few = max(1, 3 * filters // 4)
    reduced = _convolution(levels[low], f"up{low}_reduce", few, normalisation, kernel=1)
    features = layers.Concatenate(name=f"up{low}_skip")([reduced, features])
    for name in (f"up{low}_conv1", f"up{low}_conv2"):
        features = _convolution(features, name, 4 * filters, normalisation)
    whole = up | {"size": 2**low, "dtype": "float32", "name": "logits_up"}
    logits = layers.UpSampling2D(**whole)(layers.Conv2D(maps, **LOGITS)(features))
    return keras.Model(image, logits, name="aspp")


NETWORKS = {"unet": unet, "no_skip": no_skip, "aspp": aspp}


def _encoder(shape, depth, pools, **block):
    """Build the way down: the image, what the bottom makes, and each level before its pooling."""
    image = features = keras.Input((*shape, 1), name="image")
    levels = []
    for level in range(depth):
        features = _block(features, f"down{level}", level, **block)
        levels.append(features)
        if level < pools:
            features = layers.MaxPooling2D(2, name=f"down{level}_pool")(features)
    # Dilated for each level without pooling, the bottom sees about as far as after pooling.
    features = _block(features, "bottom", depth, dilation=2 ** (depth - pools), **block)
    return image, features, levels


def _pyramid(features, filters, normalisation):
    """Atrous spatial pyramid pooling: views of the features at several scales, side by side."""
    # The paper's rates, 6, 12 and 18, are for maps of 33 rows; 128 px make 16 here.
    branches = [_convolution(features, "aspp_point", filters, normalisation, kernel=1)]
    for rate in (3, 6, 9):
        name = f"aspp_rate{rate}"
        branches.append(_convolution(features, name, filters, normalisation, dilation=rate))
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(features)
    # Never normalised: a map of one pixel has one value a channel and image, and the statistics of
    # a batch of 4 would be those of 4 numbers, of a batch of 1 nothing but zeros.
    mean = _convolution(mean, "aspp_image", filters, "none", kernel=1)
    branches.append(layers.UpSampling2D(features.shape[1:3], name="aspp_image_up")(mean))
    joined = layers.Concatenate(name="aspp_join")(branches)
    return _convolution(joined, "aspp_project", filters, normalisation, kernel=1)


def _block(features, name, level, *, filters, normalisation, dropout, dilation=1):
    """Two 3 x 3 convolutions with dropout between them, as in the original's notebooks."""
    channels, rate = filters * 2**level, dropout * (level // 2 + 1)
    features = _convolution(features, f"{name}_conv1", channels, normalisation, dilation=dilation)
    if rate:
        features = layers.Dropout(rate, name=f"{name}_dropout")(features)
    return _convolution(features, f"{name}_conv2", channels, normalisation, dilation=dilation)


def _convolution(features, name, channels, normalisation, *, kernel=3, dilation=1):
    options = {"padding": "same", "dilation_rate": dilation, "use_bias": normalisation == "none"}
    options |= {"kernel_initializer": "he_normal", "name": name}
    features = layers.Conv2D(channels, kernel, **options)(features)
    if normalisation == "batch":
        features = layers.BatchNormalization(name=f"{name}_norm")(features)
    return layers.ReLU(name=f"{name}_relu")(features)
