"""The border weight map of the U-Net paper, and the variant that the original project released."""

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.segmentation import find_boundaries, relabel_sequential

from lib.data.arrays import REFERENCE_SIZE

REACH_IN_SIGMA = 6  # beyond it the border term is below w0 * exp(-18), or 1.6e-7 for w0 = 10


def scaled_sigma(sigma, size, reference=REFERENCE_SIZE):
    """Carry a width, px, from an image with a longer side of `reference` px to one of `size` px."""
    return sigma * size / reference


def class_weights(mask):
    """Weigh cells and background the same in total: n / (2 n_c) of n_c of n pixels, float32."""
    cells = mask != 0
    weights = np.ones(cells.shape, np.float32)
    if cells.any() and not cells.all():
        for part in (cells, ~cells):
            weights[part] = cells.size / (2 * np.count_nonzero(part))
    return weights


def border_distances(labels, reach=np.inf):
    """Measure how far pixels are from the nearest two cells, px; infinite beyond `reach`."""
    pad = int(np.ceil(min(reach, max(labels.shape))))
    nearest, second = np.full((2, *labels.shape), np.inf)
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
    """Compute the border term of the U-Net weight map (arXiv 1505.04597, equation 2), float32.

    ``w0 * exp(-(d1 + d2)**2 / (2 * sigma**2))`` at every pixel, inside the cells too, of the
    distances d1 and d2 from `border_distances`. Labels (M, N) have one id a cell, since touching
    cells would merge in a mask; `sigma` is in px of this image (`scaled_sigma`).
    """
    nearest, second = border_distances(labels, REACH_IN_SIGMA * sigma)
    return (w0 * np.exp(-(((nearest + second) / sigma) ** 2) / 2)).astype(np.float32)


def weight_map(labels, *, terms="both", w0=10.0, sigma=5.0):
    """Compute the weight map of the U-Net paper, `class_weights` plus `border_weights`, or a part.

    How to balance the classes the paper does not say; within an image is our reading. `terms` is
    none, class, border or both; without the class weights each pixel counts 1.
    """
    balanced = terms in ("class", "both")
    weights = class_weights(labels) if balanced else np.ones(labels.shape, np.float32)
    if terms in ("border", "both"):
        weights += border_weights(labels, w0=w0, sigma=sigma)
    return weights


def original_class_weights(masks):
    """Repeat the class weights of the original project, Figure 8b of its report.

    Masks of bool (F, M, N) make one map (M, N). With p the foreground share of them all, a pixel
    that is foreground in exactly one mask gets 1 - 8p, in none 8p, every other pixel 0. The 8 is a
    constant. The notebooks add this to the border term twice, Figure 8d, down to -3, has it once.
    """
    share, images = masks.mean(), masks.sum(axis=0)
    return np.select([images == 1, images == 0], [1 - 8 * share, 8 * share]).astype(np.float32)


def original_border_weights(labels, *, w0=10.0, sigma=25.0):
    """Repeat the border term of the original project, Figure 8c of its report.

    As `border_weights` with other distances, inferred from the colours of the figure: to the
    foreground, 0 inside it, and to the nearest outline of a cell, so that a lone cell has a rim.
    """
    outline = find_boundaries(labels, mode="inner")
    nearest, second = distance_transform_edt(labels == 0), distance_transform_edt(~outline)
    return (w0 * np.exp(-(((nearest + second) / sigma) ** 2) / 2)).astype(np.float32)
