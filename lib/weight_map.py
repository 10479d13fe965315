"""The border weight map of the U-Net paper, and the variant that the original project released."""

from numbers import Real

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.segmentation import find_boundaries, relabel_sequential

# Beyond 6 sigma the border term is below w0 * exp(-18), or 1.6e-7 for w0 = 10.
REACH_IN_SIGMA = 6


def scaled_sigma(sigma, size, reference=512):
    """Carry the width of the border term over to another resolution.

    Parameters
    ----------
    sigma : float
        Width in pixels of an image of `reference` pixels.
    size : int
        Side of the image that the width is wanted for, in pixels.
    reference : int
        Side that `sigma` belongs to, in pixels.

    Returns
    -------
    float
        Width in pixels of the image of `size` pixels.

    Raises
    ------
    ValueError
        If an argument is not a positive number.
    """
    _check_number("sigma", sigma)
    _check_number("size", size)
    _check_number("reference", reference)
    return sigma * size / reference


def class_weights(mask):
    """Weigh the pixels so that cells and background count the same in total.

    A pixel of a class with n_c of the n pixels gets n / (2 n_c), so that each class sums to n / 2
    and the mean over the image is 1.

    Parameters
    ----------
    mask : ndarray of bool or int, shape (M, N)
        Cells are True or not 0.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Weights; all 1 where the image holds one class only.

    Raises
    ------
    ValueError
        If `mask` is no such array, or is empty.
    """
    foreground = _checked_array("mask", mask, ndim=2, kinds="bui") != 0
    n_cell = np.count_nonzero(foreground)
    n_background = foreground.size - n_cell
    if n_cell == 0 or n_background == 0:
        return np.ones(foreground.shape, dtype=np.float32)
    return np.where(
        foreground,
        np.float32(foreground.size / (2 * n_cell)),
        np.float32(foreground.size / (2 * n_background)),
    )


def border_distances(labels, reach=np.inf):
    """Measure how far each pixel is from the nearest and from the second nearest cell.

    Distances run between pixel centres and are 0 inside the cell. The paper speaks of the
    distance to the *border* of a cell; outside the cells that is the same.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        One positive id a cell, 0 for background; ids need not be consecutive.
    reach : float
        Distances up to here, in pixels, are found, and longer ones are given as infinity. A short
        reach saves time: the distance to a cell is then computed near the cell only.

    Returns
    -------
    nearest, second : ndarray of float64, shape (M, N)
        Distances in pixels, infinity where fewer than one or two cells are within reach.

    Raises
    ------
    ValueError
        If `labels` is no such array, is empty or holds a negative id, or if `reach` is not a
        positive number.
    """
    labels = _checked_labels(labels)
    _check_number("reach", reach, finite=False)
    pad = int(np.ceil(min(reach, max(labels.shape))))
    nearest = np.full(labels.shape, np.inf)
    second = np.full(labels.shape, np.inf)
    cells, _, _ = relabel_sequential(labels)
    for cell, box in enumerate(find_objects(cells), start=1):
        near = tuple(slice(max(side.start - pad, 0), side.stop + pad) for side in box)
        distance = distance_transform_edt(cells[near] != cell)
        # The corners of a box reach further than its sides, so a closer cell may be unseen there.
        distance[distance > reach] = np.inf
        second[near] = np.minimum(second[near], np.maximum(nearest[near], distance))
        nearest[near] = np.minimum(nearest[near], distance)
    return nearest, second


def border_weights(labels, *, w0=10.0, sigma=5.0):
    """Compute the border term of the U-Net weight map.

    ``w0 * exp(-(d1 + d2)**2 / (2 * sigma**2))`` at every pixel, inside the cells too, with the
    distances d1 and d2 to the nearest and second nearest cell (`border_distances`). The equation
    is evaluated near the cells only, where all terms above 1.6e-8 `w0` are.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        One positive id a cell, 0 for background. A binary mask will not do: touching cells merge.
    w0 : float
        Largest weight.
    sigma : float
        Width of the term, in pixels of this image (`scaled_sigma`).

    Returns
    -------
    ndarray of float32, shape (M, N)
        Weights from 0 to `w0`; all 0 with fewer than two cells.

    Raises
    ------
    ValueError
        If `labels` is no such array, is empty or holds a negative id, if `w0` is negative, or if
        `sigma` is not positive.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, section 3, equation 2. arXiv:1505.04597
    """
    _check_number("w0", w0, zero=True)
    _check_number("sigma", sigma)
    nearest, second = border_distances(labels, REACH_IN_SIGMA * sigma)
    return _border_term(nearest + second, w0, sigma)


def weight_map(labels, *, w0=10.0, sigma=5.0):
    """Compute the weight map of the U-Net paper: class weights plus border term.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        One positive id a cell, 0 for background.
    w0 : float
        Largest weight of the border term.
    sigma : float
        Width of the border term, in pixels of this image (`scaled_sigma`).

    Returns
    -------
    ndarray of float32, shape (M, N)
        Sum of `class_weights` and `border_weights`.

    Raises
    ------
    ValueError
        As `border_weights`.

    Notes
    -----
    The paper says that the first part balances the class frequencies and not how; each class
    counting the same within an image is our reading.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, section 3, equation 2. arXiv:1505.04597
    """
    labels = _checked_labels(labels)
    return class_weights(labels) + border_weights(labels, w0=w0, sigma=sigma)


def original_class_weights(masks):
    """Repeat the class weights of the original project, Figure 8b of its report.

    With p the foreground share of the whole set, a pixel that is foreground in exactly one image
    of the set gets 1 - 8p, a pixel that is foreground in none gets 8p, and every other pixel 0.
    The result is one array for the whole set and hardly depends on any one image.

    Parameters
    ----------
    masks : ndarray of bool, shape (F, M, N)
        Masks of the F images of the set.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Weights, some of them negative.

    Raises
    ------
    ValueError
        If `masks` is no such array, or is empty.

    Notes
    -----
    Repeated: the two values, and the pixels that they are set at. Ambiguous: which images made
    up the set, and where the 8 comes from. It would follow from a set of eight images, but eight
    frames of this data leave more than a tenth of the pixels foreground in at most one, and
    Figure 8b shows less than a hundredth, as many as shifted, zoomed and flipped copies of all
    frames leave. So the 8 is a constant here, whatever the number of images.
    """
    masks = _checked_array("masks", masks, ndim=3, kinds="b")
    share = masks.mean()
    n_images = masks.sum(axis=0)
    weights = np.zeros(n_images.shape, dtype=np.float32)
    weights[n_images == 1] = 1 - 8 * share
    weights[n_images == 0] = 8 * share
    return weights


def original_border_weights(labels, *, w0=10.0, sigma=25.0):
    """Repeat the border term of the original project, Figure 8c of its report.

    The equation of `border_weights` with other distances: d1 to the foreground, 0 inside it, and
    d2 to the nearest outline of a cell. So a cell on its own has a bright rim as well, which falls
    off twice as fast on the outside as on the inside.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        One positive id a cell, 0 for background.
    w0 : float
        Largest weight.
    sigma : float
        Width of the term, in pixels.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Weights from 0 to `w0`; all 0 without an outline, that is, without a cell or where one
        cell fills the image.

    Raises
    ------
    ValueError
        As `border_weights`.

    Notes
    -----
    Repeated: `w0` and `sigma`. Inferred: the distances. The report defines them as the paper does,
    to the closest and second closest cell, and those would leave lone cells dark; the ones here
    follow the values that the colours of Figure 8c stand for. Not repeated: one cell of that
    figure is in the mask and has no rim of its own, for a reason that the record does not give.
    """
    labels = _checked_labels(labels)
    _check_number("w0", w0, zero=True)
    _check_number("sigma", sigma)
    outline = find_boundaries(labels, mode="inner")
    if not outline.any():
        return np.zeros(labels.shape, dtype=np.float32)
    to_foreground = distance_transform_edt(labels == 0)
    return _border_term(to_foreground + distance_transform_edt(~outline), w0, sigma)


def original_weight_map(labels, masks, *, w0=10.0, sigma=25.0):
    """Repeat the weight map of the original project's notebooks.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        Cells of the image that the map is for: one positive id a cell, 0 for background.
    masks : ndarray of bool, shape (F, M, N)
        Masks of all images of the set.
    w0 : float
        Largest weight of the border term.
    sigma : float
        Width of the border term, in pixels.

    Returns
    -------
    ndarray of float32, shape (M, N)
        `original_border_weights` plus twice `original_class_weights`.

    Raises
    ------
    ValueError
        As the two parts, or if the images of `labels` and `masks` differ in shape.

    Notes
    -----
    Repeated: the class weight is added twice, as the notebooks do. Figure 8d of the report shows
    it added once, since its colour bar ends near -3 and not near -6.
    """
    border = original_border_weights(labels, w0=w0, sigma=sigma)
    balance = original_class_weights(masks)
    if balance.shape != border.shape:
        raise ValueError(
            f"masks must hold images of the shape of labels, {border.shape}, not {balance.shape}"
        )
    return border + 2 * balance


def _border_term(distance, w0, sigma):
    """Evaluate ``w0 * exp(-distance**2 / (2 * sigma**2))``."""
    return (w0 * np.exp(-((distance / sigma) ** 2) / 2)).astype(np.float32)


def _checked_labels(labels):
    """Return the labels as an array, or say what is wrong with them."""
    labels = _checked_array("labels", labels, ndim=2, kinds="ui")
    if labels.min() < 0:
        raise ValueError(f"labels must not be negative, but holds {labels.min()}")
    return labels


def _checked_array(name, array, *, ndim, kinds):
    """Return the argument as an array, or say what is wrong with it."""
    array = np.asarray(array)
    if array.dtype.kind not in kinds:
        wanted = {"b": "bool", "ui": "int", "bui": "bool or int"}[kinds]
        raise ValueError(f"{name} must be of {wanted}, not of {array.dtype}")
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} must have {ndim} dimensions and pixels, not shape {array.shape}")
    return array


def _check_number(name, value, *, zero=False, finite=True):
    """Raise unless the argument is a positive number, or zero or infinity where these will do."""
    if (
        not isinstance(value, Real)
        or not (value > 0 or (zero and value == 0))
        or (finite and value == np.inf)
    ):
        wanted = ("a finite" if finite else "a") + (" number >= 0" if zero else " number > 0")
        raise ValueError(f"{name} must be {wanted}, not {value!r}")
