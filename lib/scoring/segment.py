"""From probabilities to cells, with constants that are chosen on frames of the training side."""

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.feature import peak_local_max
from skimage.filters import gaussian
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed
from skimage.transform import resize

from lib.scoring.cells import counts, det, remove_small, without_unknown

# What is tried; lengths in px of the labels, for the 60 to 140 px that cells of the data are wide.
TRIED = {
    "thresholds": (0.3, 0.5, 0.6, 0.7, 0.8),
    "smallest": (0, 200, 600),
    "grow": (0, 1, 2, 3, 4, 5, 6),
    "split": (0, 30, 50),
    "markers": (0.5, 0.7, 0.9),
    # Thresholds and splits that are tried together with markers.
    "flooded": (0.3, 0.5),
    "sown": (0, 50),
}
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
    """Find the cells of a frame of some shape, whose pixels every length is in.

    What is from `threshold` on is cut into components, of `inside` where there is one, with centres
    at least `split` apart (0: left whole). Those of fewer pixels than `smallest` go, the others
    grow by `grow`. Above a `marker` are components from which a watershed floods the rest.
    """
    foreground = enlarge(probability, shape)
    core = foreground if inside is None else enlarge(inside, shape)
    cells = split_cells(to_cells(core >= (marker or threshold)), split)
    cells = remove_small(cells, smallest)
    if marker:
        cells = flood(cells, core, foreground >= threshold)
    return expand_labels(cells, grow) if grow else cells


def split_cells(cells, distance, depth=None):
    """Divide components by a watershed on their `depth`, the distance to the background, px."""
    # A component that is no wider has but one centre, and is left as it is.
    wide = [max(side.stop - side.start for side in box) > distance for box in find_objects(cells)]
    # Without any background there is no distance to it.
    if distance == 0 or cells.all() or not any(wide):
        return cells
    # Smoothed, so that a ragged outline has no maxima of its own.
    depth = gaussian(distance_transform_edt(cells > 0) if depth is None else depth, distance / 8)
    wide = np.where(np.array([False, *wide])[cells], cells, 0)
    peaks = peak_local_max(depth, min_distance=distance, labels=wide, exclude_border=False)
    markers = np.zeros_like(cells)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    divided, free = _fill(markers, cells)
    if free.any():
        divided[free] = watershed(-depth, markers, mask=free | (markers > 0))[free]
    return np.where(divided > 0, divided, (cells > 0) * (cells + len(peaks)))


def flood(markers, core, mask):
    """Let markers grow over a mask, and meet where the prediction is lowest between them."""
    mask = mask | (markers > 0)
    filled, free = _fill(markers, to_cells(mask))
    # All markers go in, not their outlines alone: their number decides between equal pixels.
    return watershed(-core, markers, mask=mask) if free.any() else filled


def _fill(markers, components):
    """Fill components that hold one marker, and tell what is free in those that hold several."""
    home = np.zeros(markers.max() + 1, int)
    home[markers] = components
    held = np.bincount(home[1:], minlength=components.max() + 1)
    filling = np.zeros(len(held), int)
    filling[home[1:]] = np.arange(1, len(home))
    several = (held > 1)[components]
    filled = np.where(several, markers, filling[components])
    return filled, (filled == 0) & several


@np.errstate(invalid="ignore")
def score_constants(probabilities, labels, *, insides=None, **tried):
    """Score `segment` with many combinations of its constants, by default those of `TRIED`."""
    tried, sums, rows = TRIED | tried, defaultdict(int), []
    insides = [None] * len(labels) if insides is None else insides
    plain = set(product(tried["thresholds"], tried["split"]))
    sown = set(product(tried["markers"], tried["sown"]))
    grow = np.sort(tried["grow"])
    for probability, inside, truth in zip(probabilities, insides, labels, strict=True):
        foreground = enlarge(probability, truth.shape)
        core = foreground if inside is None else enlarge(inside, truth.shape)
        truth, near = remove_small(without_unknown(truth)), {}
        for level, pairs in groupby(sorted(plain | sown), key=lambda pair: pair[0]):
            components = to_cells(core >= level)
            depth = distance_transform_edt(components > 0)
            for pair in pairs:
                divided, counted = split_cells(components, pair[1], depth), {}
                for floor in tried["smallest"]:
                    cells = remove_small(divided, floor)
                    left = cells.max()  # sizes that leave as many cells leave the same ones
                    if left not in counted:
                        found = {(level, 0.0): cells} if pair in plain else {}
                        for one in tried["flooded"] if pair in sown else ():
                            found[one, level] = flood(cells, core, foreground >= one)
                        counted[left] = {
                            way: _count_grown(truth, found[way], grow, near) for way in found
                        }
                    for way, numbers in counted[left].items():
                        sums[*way, floor, pair[1]] += numbers
    for constants, (jaccard, *numbers) in sums.items():
        scores = zip(grow, jaccard / numbers[0], det(*numbers), strict=True)
        rows += [(*constants, *one) for one in scores]
    columns = ["threshold", "marker", "smallest", "split", "grow", "seg", "det"]
    return pd.DataFrame(rows, columns=columns)


def _count_grown(truth, cells, grow, near):
    """Count for SEG and DET of cells after each growth by `expand_labels`, shape (5, len(grow))."""
    mask, flat = cells > 0, cells.ravel()
    # Few masks differ and their distances take the time: of each mask keep the pixels in reach,
    # the pixel of a cell nearest to each, and the first growth that comes as far.
    if (key := mask.tobytes()) not in near:
        distances, nearest = distance_transform_edt(~mask, return_indices=True)
        pixels = np.flatnonzero(~mask & (distances <= grow[-1]))
        rows, columns = nearest.reshape(2, -1)[:, pixels]
        steps = np.searchsorted(grow, distances.ravel()[pixels])
        near[key] = pixels, rows * mask.shape[1] + columns, steps
    pixels, sources, steps = near[key]
    shape = len(grow), truth.max() + 1, flat.max() + 1
    pairs = truth.ravel() * shape[2]
    inside = np.bincount(pairs + flat, minlength=shape[1] * shape[2]).reshape(shape[1:])
    places = steps * inside.size + pairs[pixels] + flat[sources]
    grown = np.bincount(places, minlength=np.prod(shape)).reshape(shape).cumsum(axis=0)
    shared = grown + inside
    shared[:, :, 0] -= grown.sum(axis=2)
    names = ("jaccard", "true_cells", "merged", "missed", "spurious")
    return np.stack([*map(counts(shared).get, names)])


def choose_constants(table):
    """Choose the arguments of `segment` with the best SEG in (a part of) `score_constants`."""
    if table.seg.isna().all():
        raise ValueError("no true cell in the labels to choose constants by")
    # SEG, to three digits, does not see spurious cells, as DET does; then the simpler is chosen.
    order = ["seg", "det", "marker", "split", "grow", "off", "smallest"]
    off = abs(table.threshold - 0.5).round(9)
    ranks = table.assign(seg=-table.seg.round(3), det=-table.det.round(3), off=off)
    best = ranks.sort_values(order).iloc[0]
    return {name: kind(best[name]) for name, kind in CONSTANTS.items()}
