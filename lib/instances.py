"""From pixels to cells: components, and how well each true cell was found."""

import numpy as np
from skimage.measure import label


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

    References
    ----------
    Maška et al. (2014), 10.1093/bioinformatics/btu080, supplement.
    """
    true_ids, true = np.unique(labels, return_inverse=True)
    predicted_ids, predicted = np.unique(cells, return_inverse=True)
    shape = len(true_ids), len(predicted_ids)
    pairs = np.ravel_multi_index((true.ravel(), predicted.ravel()), shape)
    ids, overlaps = np.unique(pairs, return_counts=True)
    rows, columns = np.unravel_index(ids, shape)
    true_areas = np.bincount(true.ravel())
    predicted_areas = np.bincount(predicted.ravel())
    union = true_areas[rows] + predicted_areas[columns] - overlaps
    matched = (predicted_ids[columns] > 0) & (2 * overlaps > true_areas[rows])
    scores = np.zeros(len(true_ids))
    scores[rows[matched]] = overlaps[matched] / union[matched]
    return scores[true_ids > 0]
