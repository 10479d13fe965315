"""Augmentation: image and labels moved by one and the same displacement field.

A displacement is an array of shape (2, rows, columns): how far from a pixel, in rows and in
columns, the value that it gets is taken. The image is interpolated linearly, the labels by nearest
neighbour, so that no label is invented and targets and weight maps are made from warped cells.
"""

import functools

import numpy as np
from scipy import ndimage

# Reference size of every length in px of the U-Net paper.
REFERENCE_SIZE = 512


def published_displacement(rng, size, *, rotation, shift, shear, zoom):
    """Draw the displacement of one static copy as the original's image generator does.

    A rotation, a shift, a shear and a change of scale about the centre of the image, followed by a
    flip of the columns in one of two cases. Keras reads rotation and shear in degrees, so that the
    original's 0.2 moves the corner of a 512 px image by about 1 px.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Rows and columns of the image, px.
    rotation, shear : float
        Largest angle, degrees.
    shift : float
        Largest shift of rows and of columns, share of the size.
    zoom : float
        Largest change of scale, drawn for rows and columns apart.

    Returns
    -------
    ndarray of float, shape (2, size, size)
    """
    angle, slant = np.deg2rad(rng.uniform(-1, 1, 2) * [rotation, shear])
    rows, columns = rng.uniform(-shift, shift, 2) * size
    row_scale, column_scale = rng.uniform(1 - zoom, 1 + zoom, 2)
    rotate = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shear_matrix = [[1, -np.sin(slant)], [0, np.cos(slant)]]
    matrix = np.array(rotate) @ shear_matrix @ np.diag([row_scale, column_scale])
    offset = np.array(rotate) @ [rows, columns]
    return _affine(size, matrix, offset, flip_columns=rng.random() < 0.5)


def rigid_displacement(rng, size, *, scale):
    """Draw any rotation, flips of rows and columns, and one change of scale.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Rows and columns of the image, px.
    scale : float
        Largest change of scale.

    Returns
    -------
    ndarray of float, shape (2, size, size)
    """
    angle = rng.uniform(0, 2 * np.pi)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # A flip of the rows is a flip of the columns and half a turn, which the rotation holds.
    return _affine(size, rotate * rng.uniform(1 - scale, 1 + scale), 0, rng.random() < 0.5)


def elastic_displacement(rng, size, *, sigma):
    """Draw a smooth deformation: a 3 x 3 grid of displacements, bicubic in between.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Rows and columns of the image, px.
    sigma : float
        Standard deviation of the grid's displacements, px of a 512 px image.

    Returns
    -------
    ndarray of float, shape (2, size, size)

    References
    ----------
    Ronneberger, Fischer, Brox (2015), arXiv 1505.04597, section 3.1.
    """
    grid = rng.normal(0, sigma * size / REFERENCE_SIZE, (2, 3, 3))
    basis = _cubic_basis(size)
    return basis @ grid @ basis.T


def vary_grey(rng, image, *, sigma):
    """Change contrast and brightness, measured in the image's own standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : ndarray of float, shape (M, N)
    sigma : float
        Standard deviation of the contrast factor's logarithm, and of the brightness in standard
        deviations of the image.

    Returns
    -------
    ndarray of float32, shape (M, N)
    """
    contrast, brightness = np.exp(rng.normal(0, sigma)), rng.normal(0, sigma)
    mean, deviation = image.mean(), image.std()
    return np.float32(mean + contrast * (image - mean) + brightness * deviation)


def warp(image, labels, displacement, *, fill="nearest"):
    """Move an image and its labels by a displacement.

    Parameters
    ----------
    image : ndarray of float, shape (M, N)
    labels : ndarray of int, shape (M, N)
    displacement : ndarray of float, shape (2, M, N)
        Rows and columns, px.
    fill : {"nearest", "mirror"}
        What lies outside the image. The original repeats the edge; under large rotations that
        smears, and the image is mirrored instead, as the paper does at borders.

    Returns
    -------
    image : ndarray of float32, shape (M, N)
    labels : ndarray, shape (M, N)
        Of the dtype that came in.
    """
    places = np.indices(image.shape) + displacement
    warped = ndimage.map_coordinates(image, places, order=1, mode=fill, output=np.float32)
    return warped, ndimage.map_coordinates(labels, places, order=0, mode=fill)


def static_copy(image, labels, settings, *, seed, frame, copy):
    """Make one of the copies that the original draws before training.

    It is made anew from its own seed whenever it is needed, always the same, so that memory does
    not grow with the number of copies.

    Parameters
    ----------
    image : ndarray of float, shape (M, M)
    labels : ndarray of int, shape (M, M)
    settings : dict
        Settings of the run.
    seed, frame, copy : int
        They name the copy.

    Returns
    -------
    image : ndarray of float32, shape (M, M)
    labels : ndarray of int, shape (M, M)
    """
    rng = np.random.default_rng([seed, frame, copy])
    ranges = {
        key: settings[f"augmentation.{key}"] for key in ("rotation", "shift", "shear", "zoom")
    }
    return warp(image, labels, published_displacement(rng, image.shape[0], **ranges))


def online_copy(image, labels, settings, rng):
    """Draw a new version of a frame: rigid, elastic and grey changes, as the settings say.

    Parameters
    ----------
    image : ndarray of float, shape (M, M)
    labels : ndarray of int, shape (M, M)
    settings : dict
        Settings of the run.
    rng : numpy.random.Generator

    Returns
    -------
    image : ndarray of float32, shape (M, M)
    labels : ndarray of int, shape (M, M)
    """
    size = image.shape[0]
    displacement = np.zeros((2, size, size))
    if settings["augmentation.rigid"]:
        displacement += rigid_displacement(rng, size, scale=settings["augmentation.online_scale"])
    if settings["augmentation.elastic"]:
        displacement += elastic_displacement(
            rng, size, sigma=settings["augmentation.elastic_sigma"]
        )
    image, labels = warp(image, labels, displacement, fill="mirror")
    if settings["augmentation.grey"]:
        image = vary_grey(rng, image, sigma=settings["augmentation.grey_sigma"])
    return image, labels


@functools.lru_cache(maxsize=4)
def _cubic_basis(size):
    """Weights, shape (size, 3), of three grid points in the cubic spline through them.

    The bicubic surface is a product of splines along rows and columns, and a spline is linear in
    its grid points, so that two products of matrices stand for interpolating every pixel.
    """
    places = [np.linspace(0, 2, size)]
    points = np.eye(3)
    splines = [ndimage.map_coordinates(point, places, order=3, mode="mirror") for point in points]
    return np.stack(splines, axis=1)


def _affine(size, matrix, offset, flip_columns):
    """Displacement of an affine map of the centred coordinates, then a flip of the columns."""
    centre = (size - 1) / 2
    grid = np.indices((size, size)) - centre
    source = np.einsum("ij,jrc->irc", matrix, grid) + np.reshape(offset, (-1, 1, 1))
    if flip_columns:
        source = source[:, :, ::-1]
    return source - grid
