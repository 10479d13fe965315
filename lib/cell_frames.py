"""The few frames that are shown with the cells that were found in them."""

import numpy as np

from lib.arrays import crowded_window, to_border
from lib.evaluation import spread
from lib.files import read_arrays

# Rows and columns of what is kept, px; a frame of 512 px loses every second one.
SIZE = 256
SPREAD, STRIP = 4, 6
# Side of the window of the strip, as a share of the frame.
WINDOW = 0.375


def shown_pairs(pairs, labels):
    """Choose the frames of a test side that are shown.

    Parameters
    ----------
    pairs : list of tuple
        Video and frame number of the test frames.
    labels : dict of str to ndarray, shape (F, M, N)
        True cells of each video.

    Returns
    -------
    spread : list of tuple
        `SPREAD` of them, evenly spread.
    strip : list of tuple
        The `STRIP` neighbours in which most pixels touch another cell.
    """
    evenly = [pairs[place] for place in spread(len(pairs), SPREAD)]
    touching = [np.count_nonzero(to_border(labels[video][frame])) for video, frame in pairs]
    length = min(STRIP, len(pairs))
    first = np.convolve(touching, np.ones(length), mode="valid").argmax()
    return evenly, pairs[first : first + length]


def shrink(frame):
    """Take every n-th row and column of a frame, so that at most `SIZE` are left.

    Parameters
    ----------
    frame : ndarray, shape (..., M, N)

    Returns
    -------
    ndarray, shape (..., K, L)
    """
    step = -(-max(frame.shape[-2:]) // SIZE)
    return frame[..., ::step, ::step]


def save_frames(path, images, labels, pairs):
    """Keep the images and true cells of the frames that are shown, as arrays without pickle.

    Of the neighbours only a window is kept, the one where most pixels of the middle one touch
    another cell.

    Parameters
    ----------
    path : Path
        An .npz file.
    images, labels : dict of str to ndarray, shape (F, M, N)
        Frames of each video and their true cells.
    pairs : list of tuple
        Video and frame number of the test frames.
    """
    evenly, strip = shown_pairs(pairs, labels)
    video, frame = strip[len(strip) // 2]
    window = crowded_window(shrink(labels[video][frame]), WINDOW)
    arrays = {"window": [(part.start, part.stop) for part in window]}
    for name, chosen, part in (("spread", evenly, ...), ("strip", strip, window)):
        arrays[f"{name}_video"] = [video for video, _ in chosen]
        arrays[f"{name}_frame"] = [frame for _, frame in chosen]
        for kind, frames in (("image", images), ("labels", labels)):
            shown = [shrink(frames[video][frame])[part] for video, frame in chosen]
            arrays[f"{name}_{kind}"] = np.stack(shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def save_cells(path, found):
    """Keep the cells of some frames, as arrays without pickle.

    Parameters
    ----------
    path : Path
        An .npz file.
    found : dict of tuple to ndarray of int, shape (M, N)
        Instance ids by video and frame.
    """
    np.savez_compressed(
        path,
        video=np.array([video for video, _ in found]),
        frame=np.array([frame for _, frame in found]),
        cells=np.uint16([shrink(cells) for cells in found.values()]),
    )


def read_cells(path):
    """Read the cells of some frames.

    Parameters
    ----------
    path : Path
        From `save_cells`.

    Returns
    -------
    dict of tuple to ndarray of uint16, shape (K, L)

    Raises
    ------
    StateError
        If the file is missing or broken.
    """
    kept = read_arrays(path, "cells of frames", ("video", "frame", "cells"))
    return dict(zip(_pairs(kept), kept["cells"], strict=True))


def read_frames(path):
    """Read the images and true cells of the frames that are shown.

    Parameters
    ----------
    path : Path
        From `save_frames`.

    Returns
    -------
    dict of str to dict
        ``spread`` and ``strip``: pairs (list of video and frame), image and labels, shape
        (F, K, L); the strip has window, its rows and columns, as well.

    Raises
    ------
    StateError
        If the file is missing or broken.
    """
    parts = ("video", "frame", "image", "labels")
    needed = [f"{name}_{part}" for name in ("spread", "strip") for part in parts]
    kept = read_arrays(path, "frames", ["window", *needed])
    frames = {
        name: {
            "pairs": _pairs(kept, f"{name}_"),
            "image": kept[f"{name}_image"],
            "labels": kept[f"{name}_labels"],
        }
        for name in ("spread", "strip")
    }
    frames["strip"]["window"] = tuple(slice(*ends) for ends in kept["window"].tolist())
    return frames


def _pairs(kept, prefix=""):
    """Video and frame number of each frame in a file."""
    videos, frames = (kept[f"{prefix}{name}"].tolist() for name in ("video", "frame"))
    return list(zip(videos, frames, strict=True))
