"""What a network is to answer in each pixel, and how much the pixel counts."""

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum

from lib.data.arrays import UNKNOWN
from lib.network.weight_map import scaled_sigma, weight_map


def to_mask(labels):
    """Mark the pixels of all cells: labels (..., M, N) of any integer type, 1 or 0 as uint8."""
    return (labels > 0).astype(np.uint8)


def to_gap_mask(labels):
    """Mark the pixels of all cells but those with another cell above, below, left or right."""
    mask = to_mask(labels)
    for axis in (-2, -1):
        ahead, gaps = np.moveaxis(labels, axis, 0), np.moveaxis(mask, axis, 0)
        touch = (ahead[:-1] != ahead[1:]) & (ahead[:-1] > 0) & (ahead[1:] > 0)
        gaps[:-1][touch] = 0
        gaps[1:][touch] = 0
    return mask


def to_border(labels):
    """Mark the pixels of cells that touch another cell: those that `to_gap_mask` takes off."""
    return to_mask(labels) - to_gap_mask(labels)


def to_distance(labels):
    """Give pixels of cells their distance to gap or background, float32 shares of the largest."""
    inside = to_gap_mask(labels)
    if inside.all():
        return np.float32(inside)
    depth = distance_transform_edt(inside)
    deepest = maximum(depth, labels, np.arange(labels.max() + 1))[labels]
    return np.float32(np.divide(depth, deepest, out=np.zeros(labels.shape), where=inside > 0))


# The maps of each training.target; the foreground comes first.
TARGETS = {"mask": [to_mask], "gap": [to_gap_mask]}
TARGETS |= {"border": [to_mask, to_border], "distance": [to_mask, to_distance]}


def target(labels, settings, weighted=None):
    """Make what a network is to answer, and how much each pixel counts; the unknown ones nothing.

    Of labels (B, M, N) it makes masks (B, M, N, T), as `TARGETS` names them, and, if `weighted` or
    `is_weighted`, weights (B, M, N), of cells as they touch, all float32.
    """
    weighted = is_weighted(settings, labels) if weighted is None else weighted
    unknown = labels == UNKNOWN
    labels = np.where(unknown, 0, labels)
    maps = TARGETS[settings.training.target]
    masks = np.moveaxis(np.float32([[make(frame) for make in maps] for frame in labels]), 1, -1)
    if not weighted:
        return (masks,)
    chosen = settings.weight_map
    sigma = scaled_sigma(chosen.sigma, max(labels.shape[1:]))
    weights = [weight_map(one, terms=chosen.terms, w0=chosen.w0, sigma=sigma) for one in labels]
    return masks, np.stack(weights) * np.float32(~unknown)


def is_weighted(settings, *labels):
    """Whether pixels count differently: by a weight map, or as some are unknown or may be."""
    may_be = settings.weight_map.terms != "none" or settings.training.unknown > 0
    return may_be or any((one == UNKNOWN).any() for one in labels)
