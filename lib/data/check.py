"""Each file of a data set opened once: what is wrong with it, and what looks wrong."""

import numpy as np

from lib.data.frames import read_frames

FRAGMENT = 0.01  # of the largest piece; cells of one data set differ by less
AGREEMENT = 0.85  # of marker pixels; .92 to 1 in the published silver truth, .5 after a transpose


def check_data(source):
    """Open every image, label and marker of a data set; list faults and warnings, a line each."""
    faults, warnings, frames = [], [], []
    for frame, parts in read_frames(source.folder, lambda *fault: faults.append(fault)):
        frames.append(frame)
        if (image := parts.get("image")) is not None and image.min() == image.max():
            warnings.append((frame.image, f"every pixel is {image.min()}; is the image empty?"))
        for part in {"silver", "gold"} & set(parts):
            if text := _seems(parts[part], parts.get("markers")):
                warnings.append((getattr(frame, part), text))
    if frames and not any(frame.silver for frame in frames):
        known = f"{sum(bool(frame.gold) for frame in frames)} of {len(frames)}"
        text = f"no silver truth; gold truth alone, of {known} frames, is learnt from, and what "
        warnings.append((source.folder, text + "nobody outlined is unknown"))
    return _grouped(faults), _grouped(warnings)


def _seems(cells, markers):
    """Say what the labels of a frame look like, where that is not one id a cell."""
    from skimage.measure import label  # here, since it takes its time

    ids = np.unique(cells[cells > 0])
    pieces = np.bincount(label(cells, background=0).ravel())[1:]
    small = (pieces < FRAGMENT * pieces.max()).sum()
    if len(ids) == 1 and (len(pieces) > 1 or ids[0] == 255):
        return "one id for all cells, a mask; give each cell an id of its own"
    if small > 20 and 2 * small > len(pieces):
        return "more fragments than cells; resize labels without interpolation (nearest neighbour)"
    if markers is not None and _agreement(cells, markers, len(ids)) < AGREEMENT:
        return "cells miss the markers of this frame; are frames swapped, or rows and columns?"
    return ""


def _agreement(cells, markers, count):
    """Compute the share of marker pixels in a cell that has this marker alone."""
    (names, of), width = np.unique(markers[markers > 0], return_inverse=True), int(cells.max()) + 1
    table = np.zeros((len(names), width))
    np.add.at(table, (of, cells[markers > 0]), 1)
    best, covered = table[:, 1:].argmax(axis=1), table[:, 1:].max(axis=1)
    alone = np.bincount(best[covered > 0], minlength=width)[best] == 1
    return (alone * covered / table.sum(axis=1)).sum() / min(len(names), count)


def _grouped(found):
    """Write a line for each text about files of a folder: the first of them, and how many."""
    groups = {}
    for path, text in found:
        groups.setdefault((path.parent, text), []).append(path)
    return [
        f"{paths[0]}{f' and {len(paths) - 1} more' if paths[1:] else ''}: {text}"
        for (_, text), paths in groups.items()
    ]
