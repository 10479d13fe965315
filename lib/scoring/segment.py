"""From probabilities to cells, with constants that are chosen on frames of the training side."""

from collections import defaultdict
from itertools import product

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.feature import peak_local_max
from skimage.filters import gaussian
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed
from skimage.transform import resize

from lib.scoring.cells import det, positions, without_unknown
from lib.scoring.growth import Growth

# What is tried; lengths in px of the labels, for the 60 to 140 px that cells of the data are wide.
THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.8)
SMALLEST = (0, 200, 600)
GROW = (0, 1, 2, 3, 4, 5, 6)
SPLIT = (0, 30, 50)
MARKERS = (0.5, 0.7, 0.9)
# Thresholds and splits that are tried together with markers.
FLOODED = (0.3, 0.5)
SOWN = (0, 50)

CONSTANTS = {"threshold": float, "marker": float, "smallest": int, "grow": float, "split": int}
# Ways to come from probabilities to cells, each a part of what is tried.
METHODS = {
    "components": "marker == 0 and split == 0",
    "divided": "marker == 0 and split > 0",
    "flooded": "marker > 0 and split == 0",
    "divided_flooded": "marker > 0 and split > 0",
}


def to_cells(mask):
    """Label the components of a mask 1, 2, ...; pixels that share a side are connected."""
    return label(mask, connectivity=1)


def enlarge(probability, shape):
    """Bring the prediction of a frame to the size of its labels, by linear interpolation."""
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
    return expand_labels(cells, grow) if grow else cells


def split_cells(cells, distance, depth=None):
    """Divide components by a watershed on their distance to the background.

    Markers are the maxima of that distance, smoothed by a Gaussian whose standard deviation is an
    eighth of `distance`, so that a ragged outline has no maxima of its own.
    """
    # Without any background there is no distance to it.
    if distance == 0 or cells.all():
        return cells
    # A component that is no wider has but one centre, and is left as it is.
    wide = [max(side.stop - side.start for side in box) > distance for box in find_objects(cells)]
    if not any(wide):
        return cells
    depth = gaussian(distance_transform_edt(cells > 0) if depth is None else depth, distance / 8)
    wide = np.where(np.array([False, *wide])[cells], cells, 0)
    peaks = peak_local_max(depth, min_distance=distance, labels=wide, exclude_border=False)
    markers = np.zeros_like(cells)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    divided, free = _fill(markers, cells)
    if free.any():
        divided[free] = watershed(-depth, markers, mask=free | (markers > 0))[free]
    return np.where(divided > 0, divided, (cells > 0) * (cells + len(peaks)))


def remove_small(cells, smallest):
    """Remove cells of fewer pixels than `smallest`; number the others 1, 2, ... in their order."""
    kept = np.bincount(cells.ravel()) >= max(smallest, 1)  # an id that is not there is not kept
    kept[0] = False
    return (np.cumsum(kept) * kept)[cells]


def flood(markers, core, mask):
    """Let markers grow over a mask, and meet where the prediction is lowest between them."""
    mask = mask | (markers > 0)
    filled, free = _fill(markers, to_cells(mask))
    # All markers go in, not their outlines alone: their number decides between equal pixels.
    return watershed(-core, markers, mask=mask) if free.any() else filled


def _fill(markers, components):
    """Fill the components that hold one marker; give what is free in those that hold several."""
    home = np.zeros(markers.max() + 1, int)
    home[markers] = components
    held = np.bincount(home[1:], minlength=components.max() + 1)
    filling = np.zeros(len(held), int)
    filling[home[1:]] = np.arange(1, len(home))
    filling[held > 1] = -1
    filled = filling[components]
    filled = np.where(filled < 0, markers, filled)
    return filled, (filled == 0) & (held > 1)[components]


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
    """Score `segment` with many combinations of its constants."""
    grow, sums = sorted(grow), defaultdict(int)
    insides = [None] * len(labels) if insides is None else insides
    plain, sown = set(product(thresholds, split)), set(product(markers, sown))
    for probability, inside, truth in zip(probabilities, insides, labels, strict=True):
        foreground = enlarge(probability, truth.shape)
        core = foreground if inside is None else enlarge(inside, truth.shape)
        truth = positions(without_unknown(truth))
        masks = {threshold: foreground >= threshold for threshold in flooded}
        least = core >= min(markers, default=np.inf)
        growths = {one: Growth(truth, mask | least, grow) for one, mask in masks.items()}
        for level in dict.fromkeys((*thresholds, *markers)):
            components = to_cells(core >= level)
            depth = distance_transform_edt(components > 0)
            growth = Growth(truth, components > 0, grow)
            for distance in sorted({other for one, other in plain | sown if one == level}):
                divided = split_cells(components, distance, depth)
                for floors, cells in _without_small(divided, smallest):
                    found = {}
                    if (level, distance) in plain:
                        found[level, 0.0] = growth.sums(cells)
                    for threshold, mask in masks.items() if (level, distance) in sown else ():
                        grown = flood(cells, core, mask)
                        found[threshold, level] = growths[threshold].sums(grown)
                    for (threshold, marker), floor in product(found, floors):
                        sums[threshold, marker, floor, distance] += found[threshold, marker]
    rows = []
    for constants, found in sums.items():
        for reach, (jaccard, true_cells, *errors) in zip(grow, found.T, strict=True):
            seg = jaccard / true_cells if true_cells else np.nan
            rows.append([*constants, reach, seg, det(*errors)])
    columns = ["threshold", "marker", "smallest", "split", "grow", "seg", "det"]
    return pd.DataFrame(rows, columns=columns)


def _without_small(cells, smallest):
    """Remove small cells, once for all the sizes that remove the same."""
    areas = np.bincount(cells.ravel())[1:]
    floors = defaultdict(list)
    for floor in smallest:
        floors[int((areas >= max(floor, 1)).sum())].append(floor)
    return [(same, remove_small(cells, same[0])) for same in floors.values()]


def choose_constants(table):
    """Choose the arguments of `segment` with the best SEG in (a part of) `score_constants`.

    SEG does not see predicted cells where there is no true one, so what is equal in it to three
    digits is decided by DET; what is equal in both by the simpler: no markers, no split, less
    growth, a threshold nearer .5, fewer cells removed.
    """
    if table.seg.isna().all():
        raise ValueError("no true cell in the labels to choose constants by")
    order = {"seg": -table.seg.round(3), "det": -table.det.round(3)}
    order |= {name: table[name] for name in ("marker", "split", "grow")}
    order |= {"off": abs(table.threshold - 0.5).round(9), "smallest": table.smallest}
    best = table.loc[pd.DataFrame(order).sort_values(list(order)).index[0]]
    return {name: kind(best[name]) for name, kind in CONSTANTS.items()}


def choose(table):
    """Choose the constants of each method, and give the SEG that they were chosen for."""
    parts = {method: table.query(rows) for method, rows in METHODS.items()}
    chosen = {method: choose_constants(part) for method, part in parts.items()}
    return chosen, {method: round(float(part.seg.max()), 3) for method, part in parts.items()}


def best_method(scores):
    """Name the method with the highest score; of equal ones the first."""
    return max(scores, key=scores.get)
