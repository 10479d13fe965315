"""How well each true cell was found: SEG and DET of the Cell Tracking Challenge.

Both are kept as counts of a frame, because the challenge pools the cells of a whole video. Cells
are ids, 0 for background; truth that is `UNKNOWN` is none. SEG: Maška et al. (2014), supplement,
10.1093/bioinformatics/btu080; DET (AOGM-D): Matula et al. (2015), 10.1371/journal.pone.0144959.
"""

import numpy as np
from skimage.measure import regionprops

from lib.data.arrays import UNKNOWN


def overlaps(labels, cells):
    """Count the pixels that true cells (rows) and predicted ones share; 0 is the background."""
    if labels.shape != cells.shape:
        raise ValueError(f"labels {labels.shape} and cells {cells.shape} differ in shape")
    true, found = remove_small(without_unknown(labels)), remove_small(cells)
    shape = true.max() + 1, found.max() + 1
    return np.bincount((true * shape[1] + found).ravel(), minlength=np.prod(shape)).reshape(shape)


def without_unknown(labels):
    """Make background of the pixels whose truth is unknown."""
    return np.where(labels == UNKNOWN, 0, labels)


def remove_small(cells, smallest=1):
    """Remove cells of fewer pixels than `smallest`; number the others 1, 2, ... in their order."""
    kept = np.bincount(cells.ravel()) >= max(smallest, 1)  # an id that is not there is not kept
    kept[0] = False
    return (np.cumsum(kept) * kept)[cells]


def seg_scores(shared):
    """Give true cells (..., T) the Jaccard index with what covers more than half of them, or 0."""
    areas = shared.sum(axis=-1, keepdims=True) + shared.sum(axis=-2, keepdims=True)
    jaccard = shared[..., 1:, 1:] / (areas - shared)[..., 1:, 1:]
    return np.where(_matches(shared), jaccard, 0).sum(axis=-1)


def counts(shared):
    """Count what SEG and DET are made of, by name, from `overlaps`, shape (..., 1 + T, 1 + C).

    SEG is jaccard over true_cells; merged are true cells beyond the first that a predicted cell
    matches, and split predicted ones beyond the first that a true cell matches in turn.
    """
    matches, turned = _matches(shared), _matches(np.swapaxes(shared, -1, -2))
    merged, split = (np.maximum(one.sum(axis=-2) - 1, 0).sum(axis=-1) for one in (matches, turned))
    missed, spurious = ((~matches.any(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    return {
        "jaccard": seg_scores(shared).sum(axis=-1),
        "true_cells": np.full_like(missed, shared.shape[-2] - 1)[()],
        **{"merged": merged, "missed": missed, "spurious": spurious, "split": split},
    }


def det(markers, merged, missed, spurious):
    """Compute DET, 1 - min(AOGM-D, AOGM-D0) / AOGM-D0, from sums of `counts` of markers."""
    # The costs of adding a cell, dividing one, and removing one.
    empty, cost = 10 * markers, 5 * merged + 10 * missed + spurious
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - np.minimum(cost, empty) / empty


def field_margin(frames):
    """Measure how far from the edge of the frame, px, every labelled cell reaches at least.

    The challenge marks no cells that lie wholly in the margin of a frame, 50 px wide in the data of
    the study (Maška et al. 2023, 10.1038/s41592-023-01879-y).
    """
    depths = []
    for labels in frames:
        depth = np.minimum.outer(*(np.minimum(range(n), range(n)[::-1]) for n in labels.shape))
        depths += [cell.intensity_max for cell in regionprops(without_unknown(labels), depth)]
    return int(min(depths, default=0))


def in_field(cells, margin):
    """Remove the cells that lie wholly in the margin, px, of a frame; ids stay as they were."""
    kept = np.zeros(cells.max() + 1, bool)
    kept[cells[tuple(slice(margin, size - margin) for size in cells.shape)]] = True
    return np.where(kept[cells], cells, 0)


def _matches(shared):
    """Whether a predicted cell (column) covers more than half of a true one (row)."""
    return (2 * shared > shared.sum(axis=-1, keepdims=True))[..., 1:, 1:]
