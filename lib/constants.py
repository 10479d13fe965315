"""Choose how probabilities become cells, on frames of the training side."""

from collections import defaultdict

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

from lib.instances import (
    det_counts_of,
    enlarge,
    flood,
    pooled_det,
    pooled_seg,
    positions,
    remove_small,
    seg_counts_of,
    split_cells,
    to_cells,
)

# What is tried; lengths in px of the labels, for the 60 to 140 px that cells of the data are wide.
THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.8)
SMALLEST = (0, 200, 600)
GROW = (0, 1, 2, 3, 4, 5, 6)
SPLIT = (0, 30, 50)
MARKERS = (0.5, 0.7, 0.9)
FLOODED = (0.3, 0.5)
SOWN = (0, 50)

CONSTANTS = ("threshold", "marker", "smallest", "grow", "split")
# Ways to come from probabilities to cells, each a part of what is tried.
METHODS = {
    "components": "marker == 0 and split == 0",
    "divided": "marker == 0 and split > 0",
    "flooded": "marker > 0 and split == 0",
    "divided_flooded": "marker > 0 and split > 0",
}


def choose_constants(table):
    """Choose the arguments of `instances.segment` with the best SEG.

    SEG does not see predicted cells where there is no true one, so what is equal in it to three
    digits is decided by DET; what is equal in both by the simpler: no markers, no split, less
    growth, a threshold nearer .5, fewer cells removed.

    Parameters
    ----------
    table : pandas.DataFrame
        From `score_constants`, or some of its rows.

    Returns
    -------
    dict
        threshold, marker, smallest, grow and split, for `instances.segment`.

    Raises
    ------
    ValueError
        If the labels held no cell to choose by.
    """
    if table.seg.isna().all():
        raise ValueError("no true cell in the labels to choose constants by")
    order = pd.DataFrame(
        {
            "seg": -table.seg.round(3),
            "det": -table.det.round(3),
            "marker": table.marker,
            "split": table.split,
            "grow": table.grow,
            "off": abs(table.threshold - 0.5).round(9),
            "smallest": table.smallest,
        }
    )
    best = table.loc[order.sort_values(list(order)).index[0]]
    kinds = (float, float, int, float, int)
    return {name: kind(best[name]) for name, kind in zip(CONSTANTS, kinds, strict=True)}


def best_method(scores):
    """Name the method with the highest score; of equal ones the first.

    Parameters
    ----------
    scores : dict of str to float
        SEG on validation frames by name of `METHODS`.

    Returns
    -------
    str
    """
    return max(scores, key=scores.get)


def score_constants(
    probabilities,
    labels,
    *,
    insides=None,
    thresholds=THRESHOLDS,
    smallest=SMALLEST,
    grow=GROW,
    split=SPLIT,
    markers=MARKERS,
    flooded=FLOODED,
    sown=SOWN,
):
    """Score `instances.segment` with many combinations of its constants.

    Parameters
    ----------
    probabilities : ndarray of float, shape (F, K, L)
        Of the foreground, from 0 to 1.
    labels : ndarray of int, shape (F, M, N)
        True cells, every one in every frame.
    insides : ndarray of float, shape (F, K, L), optional
        What cells are cut out of, where that is another map than the foreground.
    thresholds, smallest, grow, split, markers : sequence of number
        Values to try of each argument of `instances.segment`.
    flooded, sown : sequence of number
        Values of threshold and of split to try together with markers.

    Returns
    -------
    pandas.DataFrame
        A row a combination: threshold, marker, smallest, grow, split, and the SEG and DET of all
        frames together.
    """
    insides = probabilities if insides is None else insides
    grow, counts = sorted(grow), defaultdict(list)
    for probability, inside, truth in zip(probabilities, insides, labels, strict=True):
        foreground, core = enlarge(probability, truth.shape), enlarge(inside, truth.shape)
        truth = positions(truth)
        for threshold in thresholds:
            components = to_cells(core >= threshold)
            for distance in split:
                for floors, cells in _without_small(split_cells(components, distance), smallest):
                    for reach, frame in _grown_counts(truth, cells, grow):
                        for floor in floors:
                            counts[threshold, 0.0, floor, reach, distance].append(frame)
        for marker in markers:
            components = to_cells(core >= marker)
            for distance in sown:
                for floors, seeds in _without_small(split_cells(components, distance), smallest):
                    for threshold in flooded:
                        cells = flood(seeds, core, foreground >= threshold)
                        for reach, frame in _grown_counts(truth, cells, grow):
                            for floor in floors:
                                counts[threshold, marker, floor, reach, distance].append(frame)
    return pd.DataFrame(
        dict(zip(CONSTANTS, constants, strict=True))
        | {"seg": pooled_seg(frames), "det": pooled_det(frames)}
        for constants, frames in counts.items()
    )


def _without_small(cells, smallest):
    """Remove small cells, once for all the sizes that remove the same."""
    areas = np.bincount(cells.ravel())[1:]
    floors = defaultdict(list)
    for floor in smallest:
        floors[int((areas >= floor).sum())].append(floor)
    for same in floors.values():
        yield same, remove_small(cells, same[0])


def _grown_counts(truth, cells, grow):
    """Count for SEG and DET in one frame, with cells grown by each reach."""
    distances, nearest = distance_transform_edt(cells == 0, return_indices=True)
    grown = cells[tuple(nearest)]
    # A pixel belongs to the nearest cell from the first reach that is no less than its distance.
    steps = np.searchsorted(grow, distances)
    shape = len(grow) + 1, truth.max() + 1, grown.max() + 1
    pixels = np.ravel_multi_index((steps.ravel(), truth.ravel(), grown.ravel()), shape)
    tables = np.bincount(pixels, minlength=np.prod(shape)).reshape(shape).cumsum(axis=0)
    areas = tables[-1].sum(axis=1)
    tables[:, :, 0] = areas - tables[:, :, 1:].sum(axis=2)
    for reach, overlaps in zip(grow, tables[:-1], strict=True):
        yield reach, seg_counts_of(overlaps) | det_counts_of(overlaps)
