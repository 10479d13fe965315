"""Which data set was used: checksums of its files, and whether they are the published ones."""

import hashlib
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from lib.data import list_frames, read_image
from lib.source import DataError, Source

# The files that each digest stands for, relative to the folder of the data set.
DIGESTS = {
    "images": "??/t*.tif",
    "silver": "??_ST/SEG/man_seg*.tif",
    "gold": "??_GT/*",
}

# Digests of the images and annotations behind the published results. The challenge revises its
# annotations, so that another digest there is a revision to record and not an error.
PUBLISHED_DIGESTS = {
    "DIC-C2DH-HeLa": {
        "images": "9af47f3d518a56afc4c540d059c610de5c17f81ce2fb6c42728e3fda33603fc1",
        "silver": "b7a9b57566157293054015ecc51bf3d532045b2593191516b4dde1b1d7afdaaf",
        "gold": "a32a718cd2b5523852a6d904b82b35b84b7ebe1103a526fe61a41b7110db9dce",
    }
}


def checksums(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of the images, labels and track tables of a data set.

    Parameters
    ----------
    folder : Path
        Folder of the data set.

    Returns
    -------
    dict of str to str
        Checksum by path relative to `folder`, in the order of the paths.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    sums = {}
    for path in sorted(folder.glob("[0-9][0-9]*/**/*")):
        top = path.relative_to(folder).parts[0]
        wanted = path.suffix == ".tif" or path.name == "man_track.txt"
        if wanted and re.fullmatch(r"\d\d(_ST|_GT)?", top):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
            sums[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return dict(sorted(sums.items()))


def digest(sums: Mapping[str, str], pattern: str) -> str | None:
    """Join the checksums of several files into one.

    Parameters
    ----------
    sums : mapping of str to str
        Result of `checksums`.
    pattern : str
        Shell-style pattern of paths; ``*`` matches a slash, too.

    Returns
    -------
    str or None
        SHA-256 of the lines "path checksum" in the order of the paths; None if no path matches.
    """
    chosen = sorted(path for path in sums if fnmatchcase(path, pattern))
    lines = "".join(f"{path} {sums[path]}\n" for path in chosen)
    return hashlib.sha256(lines.encode()).hexdigest() if lines else None


def data_record(source: Source, known: Mapping[str, str]) -> dict:
    """Describe the data for the record of a run.

    Parameters
    ----------
    source : Source
        The data.
    known : mapping of str to str
        Digests of the published results' data, by ``images``, ``silver`` and ``gold``.

    Returns
    -------
    dict
        Name, kind and label of the source, frames a video, shape and type of the images, digests,
        and for each digest whether it is the known one.

    Raises
    ------
    DataError
        If a video has no frames, or a label no partner.
    """
    sums = checksums(source.folder)
    digests = {part: digest(sums, pattern) for part, pattern in DIGESTS.items()}
    videos = sorted({path[:2] for path in sums})
    if not videos:
        raise DataError(f"{source.folder}: no videos 01, 02, ... in this folder")
    frames = {video: list_frames(source.folder, video) for video in videos}
    image = read_image(frames[videos[0]][0].image)
    return {
        "name": source.name,
        "source": source.kind,
        "label": source.label,
        "frames": {video: len(frames[video]) for video in videos},
        "shape": list(image.shape),
        "dtype": str(image.dtype),
        "digests": digests,
        "revision": {
            part: _revision(value, None if source.is_phantom else known.get(part))
            for part, value in digests.items()
        },
    }


def _revision(value: str | None, known: str | None) -> str:
    if not value or not known:
        return "nothing to compare"
    return "as published here" if value == known else "another revision"
