"""Predict an image of any shape, tile by tile."""

import math

import numpy as np
from keras.layers import MaxPooling2D

from lib.evaluation import predict


def predict_image(network, image):
    """Predict an image of any shape.

    Parameters
    ----------
    network : keras.Model
        Input (S, S, 1), output (S, S, T) logits.
    image : ndarray of float32, shape (M, N)

    Returns
    -------
    ndarray of float, shape (M, N, T)
        As from `evaluation.predict`.
    """
    if network.name == "unpadded":
        return predict_unpadded(network.get_layer("unet"), image)
    return predict_padded(network, image)


def predict_padded(network, image):
    """Predict an image of any shape in tiles of the size that the network takes.

    Tiles overlap by half or more, and count less towards their edges. A side that is shorter than
    a tile is continued by its mirror image. Of an image as large as a tile there is one tile, so
    that a frame of the data is predicted as it was in the study.

    Parameters
    ----------
    network : keras.Model
        Input (S, S, 1), output (S, S, T) logits.
    image : ndarray of float32, shape (M, N)

    Returns
    -------
    ndarray of float, shape (M, N, T)
        As from `evaluation.predict`.
    """
    size = network.input_shape[1]
    missing = [(0, max(0, size - length)) for length in image.shape]
    whole = np.pad(image, missing, mode="symmetric")
    ramp = 1 - np.abs(np.linspace(-1, 1, size + 2)[1:-1])
    weight = np.outer(ramp, ramp)[..., None]
    maps = network.output_shape[-1]
    total, weights = np.zeros((*whole.shape, maps)), np.zeros((*whole.shape, 1))
    for row in _tile_starts(whole.shape[0], size):
        for column in _tile_starts(whole.shape[1], size):
            box = slice(row, row + size), slice(column, column + size)
            total[box] += weight * predict(network, whole[box][None])[0]
            weights[box] += weight
    return (total / weights)[: image.shape[0], : image.shape[1]]


def _tile_starts(length, size):
    count = 1 + math.ceil(2 * (length - size) / size)
    return np.linspace(0, length - size, count).round().astype(int)


def predict_unpadded(network, image):
    """Predict an image of any shape by the overlap-tile strategy of the U-Net paper.

    Each tile gives the part of the image that the unpadded network sees whole; beyond its edges
    the image goes on as its mirror image. So it does not matter how large the tiles are.

    Parameters
    ----------
    network : keras.Model
        Input (S, S, 1), output (R, R, T) logits with R < S, from `model.unet`.
    image : ndarray of float32, shape (M, N)

    Returns
    -------
    ndarray of float, shape (M, N, T)
        As from `evaluation.predict`.

    Raises
    ------
    ValueError
        If the network gives less than it pools into one pixel.

    References
    ----------
    Ronneberger, Fischer, Brox (2015), arXiv 1505.04597, figure 2.
    """
    outer, inner, maps = network.input_shape[1], network.output_shape[1], network.output_shape[-1]
    # Pooling has to meet the same pixels in every tile.
    stride = 2 ** sum(isinstance(layer, MaxPooling2D) for layer in network.layers)
    step = inner // stride * stride
    if not step:
        raise ValueError(f"tiles of {inner} px are too small for pooling to {stride} px")
    starts = [range(0, length, step) for length in image.shape]
    edges = [
        ((outer - inner) // 2, own[-1] + outer - (outer - inner) // 2 - length)
        for own, length in zip(starts, image.shape, strict=True)
    ]
    mirrored = np.pad(image, edges, mode="reflect")
    whole = np.zeros((*(own[-1] + inner for own in starts), maps))
    for row in starts[0]:
        for column in starts[1]:
            tile = mirrored[row : row + outer, column : column + outer]
            found = predict(network, tile[None])[0]
            whole[row : row + inner, column : column + inner] = found
    return whole[: image.shape[0], : image.shape[1]]
