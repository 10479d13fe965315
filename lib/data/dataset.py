"""A data set read whole: which one it is, by checksums of its files, and what is wrong with it."""

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from lib.data.arrays import UNKNOWN, full_labels, is_missed, spread
from lib.data.files import DataError, named
from lib.data.frames import list_frames, read_frames, read_image
from lib.data.source import HELA, find_source

FRAGMENT = 0.01  # of the largest piece; cells of one data set differ by less
AGREEMENT = 0.85  # of markers with cells; .92 to 1 in the published truth, .5 after a transpose
SHOWN = 256  # px, longer side of the frames that are kept to be shown
# The files that each digest stands for, relative to the folder of the data set.
DIGESTS = {
    "images": r"\d\d/t\d+\.(?i:tiff?)",
    "silver": r"\d\d_ST/SEG/man_seg.*\.(?i:tiff?)",
    "gold": r"\d\d_GT/(.*\.(?i:tiff?)|(.*/)?man_track\.txt)",
}
# Of the published results. The challenge revises its annotations, so that another digest is a
# revision to record and not an error.
PUBLISHED_DIGESTS = {
    HELA: {
        "images": "9af47f3d518a56afc4c540d059c610de5c17f81ce2fb6c42728e3fda33603fc1",
        "silver": "b7a9b57566157293054015ecc51bf3d532045b2593191516b4dde1b1d7afdaaf",
        "gold": "a32a718cd2b5523852a6d904b82b35b84b7ebe1103a526fe61a41b7110db9dce",
    }
}


@dataclass(frozen=True)
class DataSet:
    """A data set in memory; labels are cells of the silver or else, with `UNKNOWN`, gold truth."""

    record: dict  # from `data_record`
    images: dict  # of each video, (F, M, N), uint8 or uint16
    labels: dict  # of each video, (F, M, N), uint16
    gold: dict  # of some frames of each video outlines of some cells, (M, N), uint16
    markers: dict  # of each video and frame a marker in every cell, (M, N), uint16

    @property
    def shape(self):
        """Rows and columns of a frame."""
        return tuple(self.record["shape"])


def open_data(data, *, kind=None):
    """Find a data set as `find_source` does, and read it whole; a faulty file is a DataError."""
    source = find_source(data, kind=kind)
    record = data_record(source)
    images, labels, gold, markers = ({video: {} for video in record["frames"]} for _ in range(4))
    unknown = np.full(record["shape"], UNKNOWN)
    for (video, number, *_), parts in read_frames(source.folder):
        for part, by_video in (("image", images), ("gold", gold), ("markers", markers)):
            if part in parts:
                by_video[video][number] = parts[part]
        known, marked = parts.get(record["truth"], unknown), parts.get("markers")
        if record["truth"] == "gold":  # background is known where every marker is outlined
            whole = marked is not None and not is_missed(known, marked)[np.unique(marked)[1:]].any()
            known = known if whole else np.where(known > 0, known, UNKNOWN)
        labels[video][number] = known
    for part in (images, labels):
        part.update({video: np.stack(list(frames.values())) for video, frames in part.items()})
    return DataSet(record, images, labels, gold, markers)


def data_record(source):
    """Say which data set it is, for data.json; grey are the values that become 0 and 1."""
    videos, digests = list_frames(source.folder), _digests(source.folder)
    every = [frame for frames in videos.values() for frame in frames]
    truth = "silver" if any(frame.silver for frame in every) else "gold"
    image, phantom = read_image(every[0].image), source.kind == "phantom"
    published = {} if phantom else PUBLISHED_DIGESTS.get(source.name, {})
    same = {True: "as published here", False: "another revision"}
    known = digests["images"] == published.get("images")
    words = "the real images" if known else "unknown revision or another set under this name"
    label = f"{source.name}, {words} ({source.origin})"
    if phantom:
        label = f"phantom (procedural, not real data), {source.origin}: {source.why}"
    return {
        "name": source.name,
        "source": source.kind,
        "label": label + ", gold truth alone" * (truth == "gold"),
        "why": source.why,
        "frames": {video: len(frames) for video, frames in videos.items()},
        "labelled": {
            video: [frame.number for frame in frames if getattr(frame, truth)]
            for video, frames in videos.items()
        },
        "truth": truth,
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "grey": _grey(image.dtype, every),
        "pixel": source.pixel,
        "digests": digests,
        "known": known,
        "revision": {
            part: same[digest == published[part]] if digest and published else "nothing to compare"
            for part, digest in digests.items()
        },
    }


def _grey(dtype, frames):
    """Find the grey values that become 0 and 1, by the bits in use."""
    if dtype == np.uint8:
        return [0, 255]
    extremes = [(image.min(), image.max()) for image in (read_image(one.image) for one in frames)]
    # Signed values that were saved as unsigned start in the middle.
    low = 32768 if np.min(extremes) >= 32768 else 0
    return [low, low + 2 ** max(8, (int(np.max(extremes)) - low).bit_length()) - 1]


def _digests(folder):
    """Digest names and checksums of the files of each part; None where there are none."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("[0-9][0-9]*/**/*"))
    digests = {}
    for part, pattern in DIGESTS.items():
        lines = ""
        for name in (name for name in names if re.fullmatch(pattern, name)):
            with named(folder / name, kind=DataError):
                digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            lines += f"{name} {digest}\n"
        digests[part] = hashlib.sha256(lines.encode()).hexdigest() if lines else None
    return digests


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

    count = len(np.unique(cells[cells > 0]))
    pieces = np.bincount(label(cells, background=0).ravel())[1:]
    small = (pieces < FRAGMENT * pieces.max()).sum()
    if count == 1 and (len(pieces) > 1 or cells.max() == 255):
        return "one id for all cells, a mask; give each cell an id of its own"
    if small > 20 and 2 * small > len(pieces):
        return "more fragments than cells; resize labels without interpolation (nearest neighbour)"
    if markers is None:
        return ""
    names, of = np.unique(markers[markers > 0], return_inverse=True)
    table = np.zeros((len(names), int(cells.max()) + 1))  # pixels, by marker and cell
    np.add.at(table, (of, cells[markers > 0]), 1)
    best, covered = table[:, 1:].argmax(axis=1), table[:, 1:].max(axis=1)
    alone = np.bincount(best[covered > 0], minlength=len(table[0]))[best] == 1
    agreement = (alone * covered / table.sum(axis=1)).sum() / min(len(names), count)
    miss = "cells miss the markers of this frame; are frames swapped, or rows and columns?"
    return miss if agreement < AGREEMENT else ""


def _grouped(found):
    """Write a line for each text about files of a folder: the first of them, and how many."""
    groups = {}
    for path, text in found:
        groups.setdefault((path.parent, text), []).append(path)
    more = {key: f" and {len(paths) - 1} more" * (len(paths) > 1) for key, paths in groups.items()}
    return [f"{paths[0]}{more[key]}: {key[1]}" for key, paths in groups.items()]


def shown_step(shape):
    """Give the step between the rows and columns that are kept of a frame to be shown."""
    return -(-max(shape) // SHOWN)


def shown_frames(test, count):
    """Choose the test frames that are shown, by role: the first, and some evenly spread."""
    places = enumerate(spread(len(test), count))
    return {"first": test[0]} | {f"spread{number}": test[place] for number, place in places}


def keep_frames(data, pairs, path):
    """Keep images and labels of the frames that are shown, for pages made without the images."""
    step = shown_step(data.shape)
    images = np.stack([data.images[video][frame] for video, frame in pairs])[:, ::step, ::step]
    low, high = images.min(), max(1, images.max())
    kept = {"image": np.uint8(np.round(255.0 * (images - low) / (high - low)))}
    kept |= {"labels": full_labels(data, pairs)[:, ::step, ::step]}
    videos, frames = zip(*pairs, strict=True)
    np.savez_compressed(path, video=videos, frame=frames, **kept)
