"""From probabilities to cells, and how well each true cell was found.

SEG and DET are those of the Cell Tracking Challenge. They are kept as counts of a frame, because
the challenge pools the cells of a whole video, which is not the mean over its frames. In both a
true cell (or marker) is matched by the predicted cell that covers more than half of it.

References
----------
Maška et al. (2014), 10.1093/bioinformatics/btu080, supplement: SEG.
Matula et al. (2015), 10.1371/journal.pone.0144959: DET (AOGM-D).
"""

from collections import defaultdict

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import gaussian
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed
from skimage.transform import resize

# Costs of AOGM-D: dividing a predicted cell, adding a missed one, removing a spurious one.
SPLIT_COST, MISS_COST, SPURIOUS_COST = 5, 10, 1

# Tried by `choose_constants`, px of a 512 px frame; the data's cells are 60 to 140 px wide.
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
SMALLEST = (0, 200, 600)
GROW = (0, 1, 2, 3, 4, 5, 6)
SPLIT = (0, 30, 50)


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


def segment(probability, shape, *, threshold, smallest, grow, split):
    """Find the cells of a frame.

    Parameters
    ----------
    probability : ndarray of float, shape (K, L)
        From 0 to 1.
    shape : tuple of int
        Rows and columns of the labels; every length below is in their pixels.
    threshold : float
        Probability from which a pixel counts as cell.
    smallest : int
        Cells of fewer pixels are removed, before the others grow.
    grow : float
        How far cells grow into the background, px; cells that meet stay apart.
    split : int
        Least distance of two markers in one component, px; 0 leaves components whole.

    Returns
    -------
    ndarray of int, shape (M, N)
        Instance ids 1, 2, ... and 0 for background.
    """
    cells = to_cells(enlarge(probability, shape) >= threshold)
    return expand_labels(remove_small(split_cells(cells, split), smallest), grow)


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


# Choosing the constants -----------------------------------------------------------------------


def choose_constants(probabilities, labels, **grid):
    """Choose the arguments of `segment` on frames of the training side.

    The best SEG wins. SEG does not see predicted cells where there is no true one, so what is equal
    in it to three digits is decided by DET; what is equal in both by the simpler: no split, less
    growth, a threshold nearer .5, fewer cells removed.

    Parameters
    ----------
    probabilities, labels, **grid
        As for `score_constants`.

    Returns
    -------
    dict
        threshold, smallest, grow and split, for `segment`.

    Raises
    ------
    ValueError
        If the labels hold no cell to choose by.
    """
    table = score_constants(probabilities, labels, **grid)
    if table.seg.isna().all():
        raise ValueError("no true cell in the labels to choose constants by")
    order = pd.DataFrame(
        {
            "seg": -table.seg.round(3),
            "det": -table.det.round(3),
            "split": table.split,
            "grow": table.grow,
            "off": abs(table.threshold - 0.5).round(9),
            "smallest": table.smallest,
        }
    )
    best = table.loc[order.sort_values(list(order)).index[0]]
    return {
        "threshold": float(best.threshold),
        "smallest": int(best.smallest),
        "grow": float(best.grow),
        "split": int(best.split),
    }


def score_constants(
    probabilities, labels, *, thresholds=THRESHOLDS, smallest=SMALLEST, grow=GROW, split=SPLIT
):
    """Score `segment` with every combination of some constants.

    Parameters
    ----------
    probabilities : ndarray of float, shape (F, K, L)
        From 0 to 1.
    labels : ndarray of int, shape (F, M, N)
        True cells, every one in every frame.
    thresholds, smallest, grow, split : sequence of number
        Values to try of each argument of `segment`.

    Returns
    -------
    pandas.DataFrame
        A row a combination: threshold, smallest, grow, split, and the SEG and DET of all frames
        together.
    """
    grow = sorted(grow)
    counts = defaultdict(list)
    for probability, truth in zip(probabilities, labels, strict=True):
        full, truth = enlarge(probability, truth.shape), _positions(truth)
        for threshold in thresholds:
            components = to_cells(full >= threshold)
            for distance in split:
                cells = split_cells(components, distance)
                for (floor, reach), frame in _grid_counts(truth, cells, smallest, grow):
                    counts[threshold, floor, reach, distance].append(frame)
    names = "threshold", "smallest", "grow", "split"
    return pd.DataFrame(
        dict(zip(names, constants, strict=True))
        | {"seg": pooled_seg(frames), "det": pooled_det(frames)}
        for constants, frames in counts.items()
    )


def _grid_counts(truth, cells, smallest, grow):
    """Count for SEG and DET in one frame, for each smallest size and growth."""
    areas = np.bincount(cells.ravel())[1:]
    tables = {}
    for floor in smallest:
        left = int((areas >= floor).sum())
        # Growing takes longest, and most sizes remove the same cells.
        if left not in tables:
            tables[left] = _grown_overlaps(truth, remove_small(cells, floor), grow)
        for reach, overlaps in zip(grow, tables[left], strict=True):
            yield (floor, reach), _seg_counts(overlaps) | _det_counts(overlaps)


def _grown_overlaps(truth, cells, grow):
    """Overlaps of true cells and of predicted ones grown by each reach, nearest first."""
    distances, nearest = distance_transform_edt(cells == 0, return_indices=True)
    grown = cells[tuple(nearest)]
    # A pixel belongs to the nearest cell from the first reach that is no less than its distance.
    steps = np.searchsorted(grow, distances)
    shape = len(grow) + 1, truth.max() + 1, grown.max() + 1
    pixels = np.ravel_multi_index((steps.ravel(), truth.ravel(), grown.ravel()), shape)
    tables = np.bincount(pixels, minlength=np.prod(shape)).reshape(shape).cumsum(axis=0)
    areas = tables[-1].sum(axis=1)
    tables[:, :, 0] = areas - tables[:, :, 1:].sum(axis=2)
    return tables[:-1]


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
    return _seg_scores(_overlaps(labels, cells))


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
    return _seg_counts(_overlaps(labels, cells))


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
    return _det_counts(_overlaps(markers, cells))


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
    overlaps = _overlaps(labels, cells)
    return {"splits": _beyond_first(overlaps.T), "merges": _beyond_first(overlaps)}


def _overlaps(labels, cells):
    """Pixels that true cells (rows) and predicted cells (columns) share; background comes first."""
    if labels.shape != cells.shape:
        raise ValueError(f"labels {labels.shape} and cells {cells.shape} differ in shape")
    true, predicted = _positions(labels), _positions(cells)
    shape = true.max() + 1, predicted.max() + 1
    pixels = np.ravel_multi_index((true.ravel(), predicted.ravel()), shape)
    return np.bincount(pixels, minlength=np.prod(shape)).reshape(shape)


def _positions(ids):
    """Ids replaced by 1, 2, ... in their order; 0 stays 0."""
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


def _seg_counts(overlaps):
    scores = _seg_scores(overlaps)
    return {"jaccard": float(scores.sum()), "true_cells": len(scores)}


def _det_counts(overlaps):
    matches = _matches(overlaps)
    markers, cells = matches.shape
    return {
        "markers": markers,
        "merged": _beyond_first(overlaps),
        "missed": int((~matches.any(axis=1)).sum()),
        "spurious": int((~matches.any(axis=0)).sum()),
        "count_error": cells - markers,
    }
