"""Image and labels moved by one displacement, (2, M, N): how far off a pixel takes its value."""

import functools

import numpy as np
from scipy import ndimage

from lib.data.arrays import REFERENCE_SIZE


def published_displacement(rng, shape, ranges):
    """Draw the displacement of one static copy as the original's image generator does.

    Rotation, shift, shear and scale about the centre, each up to that in `ranges`, then perhaps a
    flip of the columns. Angles are in degrees, as Keras reads them: 0.2 moves a corner by 1 px.
    """
    angle, slant = np.deg2rad(rng.uniform(-1, 1, 2) * [ranges.rotation, ranges.shear])
    moved = rng.uniform(-ranges.shift, ranges.shift, 2) * shape
    scales = rng.uniform(1 - ranges.zoom, 1 + ranges.zoom, 2)
    return _affine(shape, rng.random() < 0.5, angle, scales, slant, moved)


def rigid_displacement(rng, shape, *, scale):
    """Draw any rotation, flips of rows and columns, and one change of scale of at most `scale`."""
    angle, factor = rng.uniform(0, 2 * np.pi), rng.uniform(1 - scale, 1 + scale)
    # A flip of the rows is a flip of the columns and half a turn, which the rotation holds.
    return _affine(shape, rng.random() < 0.5, angle, [factor, factor])


def elastic_displacement(rng, shape, *, sigma):
    """Draw a 3 x 3 grid of displacements, bicubic in between (U-Net paper, section 3.1)."""
    grid = rng.normal(0, sigma * max(shape) / REFERENCE_SIZE, (2, 3, 3))
    # A spline is linear in its points, so that two matrix products interpolate every pixel.
    spline = functools.partial(ndimage.map_coordinates, order=3, mode="mirror")
    rows, columns = (
        np.stack([spline(point, [np.linspace(0, 2, size)]) for point in np.eye(3)], axis=1)
        for size in shape
    )
    return rows @ grid @ columns.T


def warp(image, labels, displacement, *, fill="nearest"):
    """Move an image, interpolated, and labels, nearest; `fill` is what lies outside."""
    places = np.indices(image.shape) + displacement
    warped = ndimage.map_coordinates(image, places, order=1, mode=fill, output=np.float32)
    return warped, ndimage.map_coordinates(labels, places, order=0, mode=fill)


def static_copy(image, labels, settings, *, seed, frame, copy):
    """Make one of the copies that the original draws before training: anew, but always the same."""
    rng = np.random.default_rng([seed, frame, copy])
    return warp(image, labels, published_displacement(rng, image.shape, settings.augmentation))


def online_copy(image, labels, settings, rng):
    """Draw a new version of a frame: rigid, elastic and grey changes, as the settings say."""
    chosen, displacement = settings.augmentation, np.zeros((2, *image.shape))
    if chosen.rigid:
        displacement += rigid_displacement(rng, image.shape, scale=chosen.online_scale)
    if chosen.elastic:
        displacement += elastic_displacement(rng, image.shape, sigma=chosen.elastic_sigma)
    image, labels = warp(image, labels, displacement, fill="mirror")
    if chosen.grey:
        contrast, brightness = (rng.normal(0, chosen.grey_sigma) for _ in range(2))
        mean, deviation = image.mean(), image.std()
        image = np.float32(mean + np.exp(contrast) * (image - mean) + brightness * deviation)
    return image, labels


def _affine(shape, flip_columns, angle, scales, slant=0, moved=(0, 0)):
    """Displacement of an affine map of the centred coordinates, then a flip of the columns."""
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotate @ [[1, -np.sin(slant)], [0, np.cos(slant)]] @ np.diag(scales)
    grid = np.indices(shape) - (np.reshape(shape, (2, 1, 1)) - 1) / 2
    source = np.einsum("ij,jrc->irc", matrix, grid) + np.reshape(rotate @ moved, (2, 1, 1))
    return (source[:, :, ::-1] if flip_columns else source) - grid
