"""The border weight map of the U-Net paper, and the variant that the original project released."""

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.segmentation import find_boundaries, relabel_sequential

from lib.data.arrays import REFERENCE_SIZE

# Beyond 6 sigma the border term is below w0 * exp(-18), or 1.6e-7 for w0 = 10.
REACH_IN_SIGMA = 6


def scaled_sigma(sigma, size, reference=REFERENCE_SIZE):
    """Carry a width, px, from an image with a longer side of `reference` px to one of `size` px."""
    return sigma * size / reference


def class_weights(mask):
    """Weigh the pixels of a mask so that cells and background count the same in total, float32.

    A pixel of a class with n_c of the n pixels gets n / (2 n_c), so that each class sums to n / 2
    and the mean over the image is 1. All are 1 where the image holds one class only.
    """
    cells = np.asarray(mask) != 0
    weights = np.ones(cells.shape, np.float32)
    if cells.any() and not cells.all():
        for part in (cells, ~cells):
            weights[part] = cells.size / (2 * np.count_nonzero(part))
    return weights


def border_distances(labels, reach=np.inf):
    """Measure how far each pixel is from the nearest and from the second nearest cell, px.

    Distances run between pixel centres and are 0 inside the cell. The paper speaks of the
    distance to the *border* of a cell; outside the cells that is the same. They are infinite
    beyond `reach` and where there are too few cells. A short reach saves time: the distance to a
    cell is then computed near the cell only.
    """
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
    """Compute the border term of the U-Net weight map (arXiv 1505.04597, equation 2).

    ``w0 * exp(-(d1 + d2)**2 / (2 * sigma**2))`` at every pixel, inside the cells too, with the
    distances d1 and d2 to the nearest and second nearest cell (`border_distances`), float32; all 0
    with fewer than two cells. Terms below 1.6e-8 `w0`, far from the cells, are left at 0.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        One positive id a cell, 0 for background. A binary mask will not do: touching cells merge.
    w0 : float
        Largest weight.
    sigma : float
        Width of the term, px of this image (`scaled_sigma`).
    """
    labels = _checked(labels, w0, sigma)
    nearest, second = border_distances(labels, REACH_IN_SIGMA * sigma)
    return _border_term(nearest + second, w0, sigma)


def weight_map(labels, *, terms="both", w0=10.0, sigma=5.0):
    """Compute the weight map of the U-Net paper, `class_weights` plus `border_weights`, or a part.

    The paper says that the first part balances the class frequencies and not how; each class
    counting the same within an image is our reading.

    Parameters
    ----------
    labels, w0, sigma
        As for `border_weights`, and so is what it returns.
    terms : {"none", "class", "border", "both"}
        Without the class weights each pixel counts 1 in their place.
    """
    labels = _checked(labels, w0, sigma)
    balanced = terms in ("class", "both")
    weights = class_weights(labels) if balanced else np.ones(labels.shape, np.float32)
    if terms in ("border", "both"):
        weights += border_weights(labels, w0=w0, sigma=sigma)
    return weights


def original_class_weights(masks):
    """Repeat the class weights of the original project, Figure 8b of its report.

    Masks of bool, shape (F, M, N), make one map (M, N). With p the foreground share of them all, a
    pixel that is foreground in exactly one mask gets 1 - 8p, in none 8p, every other pixel 0.

    Ambiguous is which images made up the set, and where the 8 comes from. It would follow from
    eight images, but eight frames of this data leave more than a tenth of the pixels foreground in
    at most one, and Figure 8b shows less than a hundredth, as many as shifted, zoomed and flipped
    copies of all frames leave. So the 8 is a constant here, whatever the number of images.
    """
    share, images = masks.mean(), masks.sum(axis=0)
    return np.select([images == 1, images == 0], [1 - 8 * share, 8 * share]).astype(np.float32)


def original_border_weights(labels, *, w0=10.0, sigma=25.0):
    """Repeat the border term of the original project, Figure 8c of its report.

    As `border_weights` with other distances: d1 to the foreground, 0 inside it, and d2 to the
    nearest outline of a cell. So a cell on its own has a bright rim as well, which falls off twice
    as fast on the outside as on the inside.

    The distances are inferred: those of the paper, which the report names, would leave lone cells
    dark; these follow the values that the colours of Figure 8c stand for. One cell of that figure
    is in the mask and has no rim, for a reason that the record does not give.
    """
    labels = _checked(labels, w0, sigma)
    outline = find_boundaries(labels, mode="inner")
    if not outline.any():
        return np.zeros(labels.shape, np.float32)
    to_foreground = distance_transform_edt(labels == 0)
    return _border_term(to_foreground + distance_transform_edt(~outline), w0, sigma)


def original_weight_map(labels, masks, *, w0=10.0, sigma=25.0):
    """Repeat the weight map of the original's notebooks, of an image's labels and all masks.

    The class weight is added twice, as they have it. Figure 8d of the report shows it added once,
    since its colour bar ends near -3 and not near -6.
    """
    border = original_border_weights(labels, w0=w0, sigma=sigma)
    return border + 2 * original_class_weights(masks)


def _border_term(distance, w0, sigma):
    return (w0 * np.exp(-((distance / sigma) ** 2) / 2)).astype(np.float32)


def _checked(labels, w0, sigma):
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.ndim != 2 or (labels < 0).any():
        raise ValueError("labels must be an image of whole numbers, an id a cell and 0 elsewhere")
    if not (w0 >= 0 and 0 < sigma < np.inf):
        raise ValueError(f"w0 must be at least 0 and sigma more than 0, not {w0} and {sigma}")
    return labels
