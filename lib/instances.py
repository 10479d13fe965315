"""From probabilities to cells, and how well each true cell was found.

SEG and DET are those of the Cell Tracking Challenge. They are kept as counts of a frame, because
the challenge pools the cells of a whole video, which is not the mean over its frames. In both a
true cell (or marker) is matched by the predicted cell that covers more than half of it.

References
----------
Maška et al. (2014), 10.1093/bioinformatics/btu080, supplement: SEG.
Matula et al. (2015), 10.1371/journal.pone.0144959: DET (AOGM-D).
"""

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import gaussian
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed
from skimage.transform import resize

# Costs of AOGM-D: dividing a predicted cell, adding a missed one, removing a spurious one.
SPLIT_COST, MISS_COST, SPURIOUS_COST = 5, 10, 1


# From probabilities to cells ------------------------------------------------------------------


def to_cells(mask):
    """Label the connected components of a mask; pixels that share a side are connected.

    Parameters
    ----------
    mask : ndarray of bool, shape (M, N)

    Returns
    -------
    ndarray of int, shape (M, N)
        Ids 1, 2, ... and 0 for background.
    """
    return label(mask, connectivity=1)


def enlarge(probability, shape):
    """Bring the prediction of a frame to the size of its labels, by linear interpolation.

    Parameters
    ----------
    probability : ndarray of float, shape (K, L)
        From 0 to 1.
    shape : tuple of int
        Rows and columns wanted.

    Returns
    -------
    ndarray of float, shape (M, N)
        From 0 to 1.

    Raises
    ------
    ValueError
        If a value is above 1, as in predictions that are kept in steps.
    """
    if probability.max() > 1:
        raise ValueError(f"probabilities are from 0 to 1; there is {probability.max()}")
    return resize(probability, shape, order=1, mode="edge", anti_aliasing=False)


def segment(probability, shape, *, threshold, smallest, grow, split=0, marker=0.0, inside=None):
    """Find the cells of a frame.

    Parameters
    ----------
    probability : ndarray of float, shape (K, L)
        Of the foreground, from 0 to 1.
    shape : tuple of int
        Rows and columns of the labels; every length below is in their pixels.
    threshold : float
        Probability from which a pixel counts as cell.
    smallest : int
        Cells of fewer pixels are removed, before the others grow.
    grow : float
        How far cells grow into the background, px; cells that meet stay apart.
    split : int
        Least distance of two centres in one component, px; 0 leaves components whole.
    marker : float
        Where it is above 0, the components from this probability on, divided by `split`, are
        markers of cells, and a watershed on the probability floods what is from `threshold` on
        from there.
    inside : ndarray of float, shape (K, L), optional
        What cells are cut out of, where that is another map than the foreground.

    Returns
    -------
    ndarray of int, shape (M, N)
        Instance ids 1, 2, ... and 0 for background.
    """
    foreground = enlarge(probability, shape)
    core = foreground if inside is None else enlarge(inside, shape)
    cells = split_cells(to_cells(core >= (marker or threshold)), split)
    cells = remove_small(cells, smallest)
    if marker:
        cells = flood(cells, core, foreground >= threshold)
    return expand_labels(cells, grow)


def flood(markers, core, mask):
    """Let markers grow over a mask, by a watershed on the prediction.

    Parameters
    ----------
    markers : ndarray of int, shape (M, N)
        Ids 1, 2, ... and 0.
    core : ndarray of float, shape (M, N)
        Cells meet where it is lowest between them.
    mask : ndarray of bool, shape (M, N)
        Where cells may be; markers stay where it is not.

    Returns
    -------
    ndarray of int, shape (M, N)
        Ids as those of the markers.
    """
    return watershed(-core, markers, mask=mask | (markers > 0))


def split_cells(cells, distance):
    """Divide components by a watershed on their distance transform.

    Markers are the maxima of the distance to the background, smoothed by a Gaussian whose standard
    deviation is an eighth of `distance`, so that a ragged outline has no maxima of its own.

    Parameters
    ----------
    cells : ndarray of int, shape (M, N)
        Connected components.
    distance : int
        Least distance of two markers in one component along rows or columns, px; 0 for no split.

    Returns
    -------
    ndarray of int, shape (M, N)
        Ids 1, 2, ...; each component has at least one.
    """
    # Without any background there is no distance to it.
    if distance == 0 or cells.all() or not cells.any():
        return cells
    depth = gaussian(distance_transform_edt(cells > 0), distance / 8)
    peaks = peak_local_max(depth, min_distance=distance, labels=cells, exclude_border=False)
    markers = np.zeros_like(cells)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-depth, markers, mask=cells > 0)


def remove_small(cells, smallest):
    """Remove cells of fewer pixels than `smallest`.

    Parameters
    ----------
    cells : ndarray of int, shape (M, N)
        Instance ids.
    smallest : int
        Area, px.

    Returns
    -------
    ndarray of int, shape (M, N)
        Ids 1, 2, ... in the order in which they were.
    """
    kept = np.bincount(cells.ravel()) >= max(smallest, 1)  # an id that is not there is not kept
    kept[0] = False
    return (np.cumsum(kept) * kept)[cells]


def edge_distances(shape):
    """Give each pixel of a frame its distance to the nearest edge of the frame.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of int, shape (M, N)
        Along rows or columns, px; 0 in the outermost pixels.
    """
    rows, columns = (np.minimum(np.arange(size), np.arange(size)[::-1]) for size in shape)
    return np.minimum.outer(rows, columns)


def field_margin(frames):
    """Measure how far from the edge of the frame every labelled cell reaches at least.

    The challenge marks only cells that reach into its field of interest, which leaves out a margin
    of the frame, 50 px wide in the data set of the study. Cells that lie in there wholly are on
    the image, but in no truth.

    Parameters
    ----------
    frames : iterable of ndarray of int, shape (M, N)
        Instance ids, 0 for background.

    Returns
    -------
    int
        The least depth that a cell reaches, px; 0 where there is no cell.

    References
    ----------
    Maška et al. (2023), 10.1038/s41592-023-01879-y, and the challenge's page on its annotations.
    """
    reaches = [_edge_reaches(labels).min() for labels in frames if labels.any()]
    return int(min(reaches, default=0))


def in_field(cells, margin):
    """Remove the cells that lie wholly in the margin of a frame, where no truth has any.

    Parameters
    ----------
    cells : ndarray of int, shape (M, N)
        Instance ids.
    margin : int
        From `field_margin`, px.

    Returns
    -------
    ndarray of int, shape (M, N)
        Ids as they were.
    """
    ids = np.unique(cells[cells > 0])
    if not ids.size:
        return cells
    return np.where(np.isin(cells, ids[_edge_reaches(cells) < margin]), 0, cells)


def _edge_reaches(cells):
    """Distance to the edge of the innermost pixel of each cell, in the order of their ids."""
    reaches = np.zeros(cells.max() + 1, int)
    np.maximum.at(reaches, cells.ravel(), edge_distances(cells.shape).ravel())
    return reaches[np.unique(cells[cells > 0])]


# Measures -------------------------------------------------------------------------------------


def seg_scores(labels, cells):
    """Score how well each true cell was found, as the Cell Tracking Challenge does.

    A true cell is matched by the predicted cell that covers more than half of it; its score is the
    Jaccard index of the two, and 0 without a match. SEG is the mean over true cells.

    Parameters
    ----------
    labels, cells : ndarray of int, shape (M, N)
        True and predicted instance ids, 0 for background.

    Returns
    -------
    ndarray of float, shape (C,)
        A score a true cell, in the order of their ids; empty where there is none.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return _seg_scores(overlaps_of(labels, cells))


def seg_counts(labels, cells):
    """Count what SEG is made of, in one frame.

    Against gold truth every annotated cell counts, in frames that are annotated in part, too.

    Parameters
    ----------
    labels, cells : ndarray of int, shape (M, N)
        True and predicted instance ids, 0 for background.

    Returns
    -------
    dict
        jaccard, the sum of `seg_scores`, and true_cells, their number.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return seg_counts_of(overlaps_of(labels, cells))


def pooled_seg(counts):
    """Compute SEG of several frames together, as the challenge does of a video.

    Parameters
    ----------
    counts : iterable of mapping
        From `seg_counts`; one alone gives the SEG of its frame.

    Returns
    -------
    float
        NaN where there is no true cell.
    """
    counts = list(counts)
    true_cells = sum(frame["true_cells"] for frame in counts)
    return sum(frame["jaccard"] for frame in counts) / true_cells if true_cells else np.nan


def det_counts(markers, cells):
    """Count what DET is made of, in one frame.

    Parameters
    ----------
    markers, cells : ndarray of int, shape (M, N)
        Markers of every true cell and predicted instance ids, 0 for background.

    Returns
    -------
    dict
        markers, their number; merged, the divisions that predicted cells need that match several
        markers; missed, the markers that no cell matches; spurious, the predicted cells that match
        none; count_error, the predicted cells less the markers.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return det_counts_of(overlaps_of(markers, cells))


def pooled_det(counts):
    """Compute DET of several frames together, as the challenge does of a video.

    DET is 1 - min(AOGM-D, AOGM-D0) / AOGM-D0, where AOGM-D weighs the corrections that the
    predicted cells need, and AOGM-D0 is that of no cells at all.

    Parameters
    ----------
    counts : iterable of mapping
        From `det_counts`; one alone gives the DET of its frame.

    Returns
    -------
    float
        NaN where there is no marker.
    """
    counts = list(counts)
    empty = MISS_COST * sum(frame["markers"] for frame in counts)
    cost = sum(
        SPLIT_COST * frame["merged"]
        + MISS_COST * frame["missed"]
        + SPURIOUS_COST * frame["spurious"]
        for frame in counts
    )
    return float(1 - min(cost, empty) / empty) if empty else np.nan


def error_counts(labels, cells):
    """Count false splits and merges of a frame whose true cells are all labelled.

    Parameters
    ----------
    labels, cells : ndarray of int, shape (M, N)
        True and predicted instance ids, 0 for background.

    Returns
    -------
    dict
        splits: the predicted cells, beyond the first, that lie by more than half in one true cell.
        merges: the true cells, beyond the first, that lie by more than half in one predicted cell.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    overlaps = overlaps_of(labels, cells)
    return {"splits": _beyond_first(overlaps.T), "merges": _beyond_first(overlaps)}


def overlaps_of(labels, cells):
    """Count the pixels that true cells (rows) and predicted cells (columns) share.

    Background comes first.
    """
    if labels.shape != cells.shape:
        raise ValueError(f"labels {labels.shape} and cells {cells.shape} differ in shape")
    true, predicted = positions(labels), positions(cells)
    shape = true.max() + 1, predicted.max() + 1
    pixels = np.ravel_multi_index((true.ravel(), predicted.ravel()), shape)
    return np.bincount(pixels, minlength=np.prod(shape)).reshape(shape)


def positions(ids):
    """Replace ids by 1, 2, ... in their order; 0 stays 0."""
    present = np.bincount(ids.ravel()) > 0
    present[0] = False
    return (np.cumsum(present) * present)[ids]


def _matches(overlaps):
    """Whether a predicted cell (column) covers more than half of a true one (row)."""
    return (2 * overlaps > overlaps.sum(axis=1, keepdims=True))[1:, 1:]


def _beyond_first(overlaps):
    return int(np.maximum(_matches(overlaps).sum(axis=0) - 1, 0).sum())


def _seg_scores(overlaps):
    areas, predicted = overlaps.sum(axis=1, keepdims=True), overlaps.sum(axis=0)
    jaccard = overlaps[1:, 1:] / (areas + predicted - overlaps)[1:, 1:]
    return np.where(_matches(overlaps), jaccard, 0).sum(axis=1)


def seg_counts_of(overlaps):
    """Count as `seg_counts`, from the pixels that true and predicted cells share."""
    scores = _seg_scores(overlaps)
    return {"jaccard": float(scores.sum()), "true_cells": len(scores)}


def det_counts_of(overlaps):
    """Count as `det_counts`, from the pixels that markers and predicted cells share."""
    matches = _matches(overlaps)
    markers, cells = matches.shape
    return {
        "markers": markers,
        "merged": _beyond_first(overlaps),
        "missed": int((~matches.any(axis=1)).sum()),
        "spurious": int((~matches.any(axis=0)).sum()),
        "count_error": cells - markers,
    }
