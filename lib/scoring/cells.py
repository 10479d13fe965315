"""How well each true cell was found: SEG and DET of the Cell Tracking Challenge.

Both are kept as counts of a frame, because the challenge pools the cells of a whole video, which
is not the mean over its frames. In both a true cell (or marker) is matched by the predicted cell
that covers more than half of it. Cells are ids, 0 for background; truth that is `UNKNOWN` is none.

References
----------
Maška et al. (2014), 10.1093/bioinformatics/btu080, supplement: SEG.
Matula et al. (2015), 10.1371/journal.pone.0144959: DET (AOGM-D).
"""

import numpy as np

from lib.data.arrays import UNKNOWN

# Costs of AOGM-D: dividing a predicted cell, adding a missed one, removing a spurious one.
SPLIT_COST, MISS_COST, SPURIOUS_COST = 5, 10, 1


def overlaps(labels, cells):
    """Count the pixels that true cells (rows) and predicted cells (columns) share."""
    if labels.shape != cells.shape:
        raise ValueError(f"labels {labels.shape} and cells {cells.shape} differ in shape")
    true, found = positions(without_unknown(labels)), positions(cells)
    shape = true.max() + 1, found.max() + 1
    return np.bincount((true * shape[1] + found).ravel(), minlength=np.prod(shape)).reshape(shape)


def without_unknown(labels):
    """Make background of the pixels whose truth is unknown."""
    return np.where(labels == UNKNOWN, 0, labels)


def positions(ids):
    """Replace ids by 1, 2, ... in their order; 0 stays 0."""
    present = np.bincount(ids.ravel()) > 0
    present[0] = False
    return (np.cumsum(present) * present)[ids]


def seg_scores(labels, cells):
    """Score how well each true cell was found.

    Parameters
    ----------
    labels, cells : ndarray of int, shape (M, N)

    Returns
    -------
    ndarray of float, shape (T,)
        A score a true cell, in the order of their ids: the Jaccard index with the predicted cell
        that covers more than half of it, or 0. SEG is their mean.
    """
    return _seg_scores(overlaps(labels, cells))


def seg_counts(labels, cells):
    """Count what SEG is made of in one frame: jaccard, the sum of `seg_scores`, and true_cells."""
    jaccard, true_cells = seg_sums(overlaps(labels, cells))
    return {"jaccard": float(jaccard), "true_cells": int(true_cells)}


def pooled_seg(counts):
    """Compute SEG of the `seg_counts` of several frames together; NaN without a true cell."""
    counts = list(counts)
    true_cells = sum(frame["true_cells"] for frame in counts)
    return sum(frame["jaccard"] for frame in counts) / true_cells if true_cells else np.nan


def det_counts(markers, cells):
    """Count what DET is made of, in one frame."""
    shared = overlaps(markers, cells)
    there, found = shared.shape[0] - 1, shared.shape[1] - 1
    values = (*(int(number) for number in det_sums(shared)), found - there)
    return dict(
        zip(("markers", "merged", "missed", "spurious", "count_error"), values, strict=True)
    )


def det(markers, merged, missed, spurious):
    """Compute DET, 1 - min(AOGM-D, AOGM-D0) / AOGM-D0, from sums of `det_counts`.

    AOGM-D weighs the corrections that the predicted cells need; AOGM-D0 is that of no cells at all.
    """
    empty = MISS_COST * markers
    cost = SPLIT_COST * merged + MISS_COST * missed + SPURIOUS_COST * spurious
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - np.minimum(cost, empty) / empty


def pooled_det(counts):
    """Compute DET of the `det_counts` of several frames together; NaN without a marker."""
    counts, names = list(counts), ("markers", "merged", "missed", "spurious")
    return float(det(*(np.float64(sum(frame[name] for frame in counts)) for name in names)))


def error_counts(labels, cells):
    """Count false splits and merges of a frame whose true cells are all labelled."""
    shared = overlaps(labels, cells)
    return {"splits": int(_beyond_first(shared.T)), "merges": int(_beyond_first(shared))}


def field_margin(frames):
    """Measure how far from the edge of the frame every labelled cell reaches at least.

    The challenge marks only cells that reach into its field of interest, which leaves out a margin
    of the frame, 50 px wide in the data set of the study (Maška et al. 2023,
    10.1038/s41592-023-01879-y). Cells that lie in there wholly are on the image, but in no truth.
    """
    depths = [_depths(without_unknown(labels)) for labels in frames]
    return int(min((depth.min() for depth in depths if depth.size), default=0))


def in_field(cells, margin):
    """Remove the cells that lie wholly in the margin, px, of a frame; ids stay as they were."""
    ids = np.unique(cells[cells > 0])
    if not ids.size:
        return cells
    return np.where(np.isin(cells, ids[_depths(cells) < margin]), 0, cells)


def seg_sums(shared):
    """Sum of `seg_scores` and number of true cells, from `overlaps`, shape (..., 1 + T, 1 + C)."""
    scores = _seg_scores(shared)
    return scores.sum(axis=-1), np.full(scores.shape[:-1], scores.shape[-1])


def det_sums(shared):
    """Compute markers, merged, missed and spurious from `overlaps`, shape (..., 1 + T, 1 + C)."""
    matches = _matches(shared)
    missed, spurious = ((~matches.any(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    return np.full(missed.shape, matches.shape[-2]), _beyond_first(shared), missed, spurious


def _matches(shared):
    """Whether a predicted cell (column) covers more than half of a true one (row)."""
    return (2 * shared > shared.sum(axis=-1, keepdims=True))[..., 1:, 1:]


def _beyond_first(shared):
    return np.maximum(_matches(shared).sum(axis=-2) - 1, 0).sum(axis=-1)


def _seg_scores(shared):
    areas = shared.sum(axis=-1, keepdims=True) + shared.sum(axis=-2, keepdims=True)
    jaccard = shared[..., 1:, 1:] / (areas - shared)[..., 1:, 1:]
    return np.where(_matches(shared), jaccard, 0).sum(axis=-1)


def _depths(cells):
    """Depth, px from the edge of the frame, that each cell reaches, in the order of their ids."""
    rows, columns = (np.minimum(np.arange(size), np.arange(size)[::-1]) for size in cells.shape)
    depths = np.zeros(cells.max() + 1, int)
    np.maximum.at(depths, cells.ravel(), np.minimum.outer(rows, columns).ravel())
    return depths[np.unique(cells[cells > 0])]
