"""Frames and labels as arrays: their size, masks of the cells, and grey values."""

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum
from skimage.transform import resize

from lib.source import DataError

# Stands in labels for pixels of which nobody knows whether they are cell; no cell has this id.
UNKNOWN = np.uint16(np.iinfo(np.uint16).max)


def resample(images: np.ndarray, labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Bring square frames to another size.

    Parameters
    ----------
    images : ndarray of shape (F, M, M), uint8 or uint16
        Grey values.
    labels : ndarray of shape (F, M, M)
        Instance ids.
    size : int
        Rows and columns wanted.

    Returns
    -------
    images : ndarray of shape (F, size, size), float32
        As from `resample_image`.
    labels : ndarray of shape (F, size, size)
        The id at the centre of each new pixel.

    Raises
    ------
    DataError
        If the frames are not square.
    """
    count, rows, columns = images.shape
    if rows != columns:
        raise DataError(f"square frames are needed; these have {rows} rows and {columns} columns")
    centres = ((np.arange(size) + 0.5) * rows / size).astype(int)
    small = np.empty((count, size, size), np.float32)
    for i, image in enumerate(images):
        small[i] = resample_image(image, (size, size))
    return small, labels[:, centres[:, None], centres]


def resample_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring one image to another shape, and its grey values to 0 to 1.

    Parameters
    ----------
    image : ndarray of shape (M, N), uint8 or uint16
        Grey values.
    shape : tuple of int
        Rows and columns wanted.

    Returns
    -------
    ndarray of shape `shape`, float32
        1 is the largest value of the type. Shrunk by a whole factor it is averaged over area,
        otherwise it is smoothed and interpolated.
    """
    rows, columns = image.shape
    if rows % shape[0] == 0 and columns % shape[1] == 0:
        blocks = image.reshape(shape[0], rows // shape[0], shape[1], columns // shape[1])
        small = blocks.mean(axis=(1, 3))
    else:
        small = resize(image.astype(np.float32), shape, anti_aliasing=shape[0] < rows)
    return small.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def to_mask(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of all cells.

    Parameters
    ----------
    labels : ndarray of shape (..., M, N)
        Instance ids.

    Returns
    -------
    ndarray of shape (..., M, N), uint8
        1 in a cell, 0 in the background.
    """
    return (labels > 0).astype(np.uint8)


def to_gap_mask(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of all cells but those that touch another cell.

    A pixel with another cell's pixel above, below, left or right of it becomes background, on both
    sides, so that neighbours are apart. The border of a cell to the background stays.

    Parameters
    ----------
    labels : ndarray of shape (..., M, N)
        Instance ids.

    Returns
    -------
    ndarray of shape (..., M, N), uint8
        1 in a cell, 0 in the background and in the gaps.
    """
    mask = to_mask(labels)
    for axis in (-2, -1):
        ahead = np.moveaxis(labels, axis, 0)
        gaps = np.moveaxis(mask, axis, 0)
        touch = (ahead[:-1] != ahead[1:]) & (ahead[:-1] > 0) & (ahead[1:] > 0)
        gaps[:-1][touch] = 0
        gaps[1:][touch] = 0
    return mask


def to_border(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of cells that touch another cell: those that `to_gap_mask` takes off.

    Parameters
    ----------
    labels : ndarray of shape (..., M, N)
        Instance ids.

    Returns
    -------
    ndarray of shape (..., M, N), uint8
        1 where a cell touches another, else 0.
    """
    return to_mask(labels) - to_gap_mask(labels)


def crowded_window(labels: np.ndarray, share: float) -> tuple[slice, slice]:
    """Find the square window in which most pixels of cells touch another cell.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
    share : float
        Side of the window, in sides of the frame.

    Returns
    -------
    tuple of slice
        Its rows and columns.
    """
    side = max(1, round(share * min(labels.shape)))
    sums = np.pad(to_border(labels).astype(int), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return slice(row, row + side), slice(column, column + side)


def to_distance(labels: np.ndarray) -> np.ndarray:
    """Give each pixel of a cell its distance to the cell's border, as a share of the largest.

    Parameters
    ----------
    labels : ndarray of shape (M, N)
        Instance ids.

    Returns
    -------
    ndarray of shape (M, N), float32
        0 in the background, up to 1 in the middle of each cell. Pixels that touch another cell
        count as its border; the edge of the frame does not.
    """
    inside = to_gap_mask(labels)
    if inside.all():
        return np.float32(inside)
    depth = distance_transform_edt(inside)
    ids = np.arange(labels.max() + 1)
    deepest = maximum(depth, labels, ids)[labels]
    return np.float32(np.divide(depth, deepest, out=np.zeros(labels.shape), where=inside > 0))


def is_missed(labels: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Tell which cells that people marked are missing in the labels.

    Parameters
    ----------
    labels : ndarray of shape (M, N)
        Instance ids.
    markers : ndarray of shape (M, N)
        A marker in every cell, one id each.

    Returns
    -------
    ndarray of shape (K,), bool
        By the id of a marker, whether it lies in the background by more than half.
    """
    areas = np.bincount(markers.ravel())
    covered = np.bincount(markers.ravel(), weights=(labels > 0).ravel())
    return 2 * covered < areas


def mark_unknown(labels: np.ndarray, markers: np.ndarray, radius: float) -> np.ndarray:
    """Mark the background near the markers of cells that the labels miss.

    Parameters
    ----------
    labels : ndarray of shape (M, N), uint16
        Instance ids.
    markers : ndarray of shape (M, N)
        A marker in every cell, one id each.
    radius : float
        How far from such a marker, px.

    Returns
    -------
    ndarray of shape (M, N), uint16
        The labels, with `UNKNOWN` in the background up to `radius` from each marker that
        `is_missed`.
    """
    missed = (markers > 0) & is_missed(labels, markers)[markers]
    if not missed.any():
        return labels
    near = distance_transform_edt(~missed) <= radius
    return np.where(near & (labels == 0), UNKNOWN, labels)


def mark_margin(labels: np.ndarray, distances: np.ndarray, margin: int) -> np.ndarray:
    """Mark the background in the margin of a frame, where cells may be that nobody marked.

    Parameters
    ----------
    labels : ndarray of shape (M, N), uint16
        Instance ids.
    distances : ndarray of int, shape (M, N)
        Of each pixel to the edge of the frame, from `instances.edge_distances`.
    margin : int
        Width of the margin, px.

    Returns
    -------
    ndarray of shape (M, N), uint16
        The labels, with `UNKNOWN` in the background of the margin.
    """
    return np.where((distances < margin) & (labels == 0), UNKNOWN, labels)


def normalise_frames(images: np.ndarray) -> np.ndarray:
    """Give each frame mean 0 and standard deviation 1.

    Parameters
    ----------
    images : ndarray of shape (F, M, N)
        Grey values.

    Returns
    -------
    ndarray of shape (F, M, N), float32
        Normalised grey values; 0 where a frame is constant.
    """
    normalised = np.zeros(images.shape, np.float32)
    for i, image in enumerate(images):
        if image.min() < image.max():
            normalised[i] = (image - image.mean(dtype=float)) / image.std(dtype=float)
    return normalised
