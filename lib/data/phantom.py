"""A procedural time lapse of differential interference contrast (DIC) with instance labels.

Cells crawl, push each other and divide, like those of DIC-C2DH-HeLa. Lengths are px of a frame
whose longer side has 512, positions column + 1j * row, grey values levels of 8 bits.
"""

import numpy as np
import tifffile
from scipy import ndimage
from skimage.measure import label

from lib.data.frames import write_tracks

REFERENCE, COARSEST = 512, 256  # px; smaller frames are drawn larger and binned
RADIUS, MOTION, LEVEL, NOISE = 62, 5, 119, 3.5


def write_phantom(folder, *, seed, frames, shape):
    """Write two videos in the challenge's layout, with silver truth and markers of every frame."""
    for number, name in enumerate(("01", "02")):
        cells = {}
        for frame, (image, labels) in enumerate(phantom_video(2 * seed + number, frames, shape)):
            cells[frame], depth = labels, _depth(labels)
            deepest = ndimage.maximum(depth, labels, np.arange(labels.max() + 1))[labels]
            markers = np.where(depth > 0.7 * deepest, labels, 0)
            parts = {"/t": image, "_ST/SEG/man_seg": labels, "_GT/TRA/man_track": markers}
            parts |= {} if frame % 9 else {"_GT/SEG/man_seg": labels}
            for stem, array in parts.items():
                path = folder / f"{name}{stem}{frame:03d}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, array, compression="zlib")
        write_tracks(folder / f"{name}_GT/TRA/man_track.txt", cells)


def phantom_video(seed, frames, shape):
    """Draw one frame after the other: image (uint8) and labels (uint16), both of shape `shape`."""
    rng = np.random.default_rng(seed)
    binning = max(1, -(-COARSEST // max(shape)))
    grid = tuple(side * binning for side in shape)
    scale = max(grid) / REFERENCE
    fields = [rng.standard_normal(grid) for _ in range(4)]
    for field, sigma in zip(fields, (2, 25, 25, 32), strict=True):
        ndimage.gaussian_filter(field, sigma * scale, output=field, mode="wrap")
    grain, right, down, patches = (field / field.std() for field in fields)
    rows, columns = np.indices(grid) / scale
    plane = columns + 10 * right + 1j * (rows + 10 * down)  # so that outlines are not round
    count = max(2, round(10 * grid[0] * grid[1] / max(grid) ** 2))
    ids, size = np.arange(1, count + 1), np.array([[grid[1]], [grid[0]]]) / scale
    centres = [1, 1j] @ (size * rng.uniform(0.25, 0.75, (2, count)))
    # By id: the frame of the division, the height, of which the flattest hardly shows, the grain.
    divides = np.full(3 * count + 1, np.inf)
    divides[ids] = frames * rng.permutation(np.linspace(0.1, 1.6, count))
    heights, grains = np.exp(0.5 * rng.standard_normal((2, divides.size))) * [[90], [4.5]]
    for frame in range(-20, frames):  # from -20 on, so that cells push each other apart before
        split, apart = divides[ids] <= frame, 0.45 * RADIUS * np.exp(6.28j * rng.random())
        first = count + 2 * ids[split]  # of two daughters, the other one is the id before
        ids = np.concatenate([ids[~split], first, first - 1])
        centres = np.concatenate([centres[~split], centres[split] + apart, centres[split] - apart])
        away = centres[:, None] - centres
        push = np.clip(1.7 * RADIUS - np.abs(away), 0, None) * away / np.maximum(np.abs(away), 1)
        centres += MOTION * ([1, 1j] @ rng.standard_normal((2, ids.size)))
        centres += 0.1 * push.sum(axis=1) - 0.01 * (centres - [0.5, 0.5j] @ size)
        if frame < 0:
            continue
        labels = _cells(plane, ids, centres, 0.41 + 0.18 * frame / max(1, frames - 1))
        path = heights[labels] * (1 - np.exp(-_depth(labels) / (6 * scale)))  # of light; 0 on glass
        slope = sum(np.gradient(ndimage.gaussian_filter(path, 2 * scale), 1 / scale))
        rough = np.where(labels > 0, grains[labels], 5 * np.clip(patches, 0, 2))  # remains on glass
        image = LEVEL + slope + rough * grain + NOISE * scale * rng.standard_normal(grid)
        image = image.reshape(shape[0], binning, shape[1], binning).mean((1, 3))
        labels = labels[binning // 2 :: binning, binning // 2 :: binning]
        yield image.clip(0, 255).round().astype(np.uint8), labels.astype(np.uint16)


def _cells(plane, ids, centres, share):
    """Give each pixel to the nearest cell, the furthest to none, and each cell one piece."""
    far = np.abs(plane - centres[:, None, None])
    labels = ids[far.argmin(axis=0)] * (far.min(axis=0) <= np.quantile(far.min(axis=0), share))
    pieces = label(labels, background=0, connectivity=1)
    areas = np.bincount(pieces.ravel())[pieces]
    largest = ndimage.maximum(areas, labels, np.arange(ids.max() + 1))[labels]
    return np.where(areas == largest, labels, 0)


def _depth(labels):
    """Measure how far each pixel of a cell is from the cell's border, px; 0 on the glass."""
    alike = ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3)
    return np.where(labels > 0, 1 + ndimage.distance_transform_edt(alike), 0)
