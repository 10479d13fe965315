"""The files of a two-dimensional Cell Tracking Challenge data set: images, labels and results."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from skimage import io

from lib.arrays import UNKNOWN
from lib.files import StateError, publish
from lib.source import HELA, DataError

# Micrometres a pixel of DIC-C2DH-HeLa, from the challenge's page.
PIXEL_SIZE = 0.19
# Name of a video.
VIDEO = re.compile("[0-9]{2}")


def pixel_size(record, columns):
    """Tell what a pixel stands for in a whole frame that is drawn with so many columns.

    Parameters
    ----------
    record : dict
        data.json.
    columns : int

    Returns
    -------
    float or None
        Micrometres; None for the phantom, which shows nothing real, and for other data sets.
    """
    if record["source"] == "phantom" or record["name"] != HELA:
        return None
    return PIXEL_SIZE * record["shape"][1] / columns


@dataclass(frozen=True)
class Frame:
    """Files of one frame.

    Parameters
    ----------
    video : str
        Name of the video, such as ``01``.
    number : int
        Number of the frame, from 0.
    image, silver : Path
        Image and silver truth.
    gold, markers : Path or None
        Gold truth of segmentation (some cells of some frames) and of tracking (a marker a cell).
    """

    video: str
    number: int
    image: Path
    silver: Path
    gold: Path | None
    markers: Path | None


def list_frames(folder: Path, video: str) -> list[Frame]:
    """List the frames of a video, each with its labels.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    video : str
        Name of the video.

    Returns
    -------
    list of Frame
        In the order of time.

    Raises
    ------
    DataError
        If there are no frames, one is missing in the numbering from 0, a frame has no silver truth,
        or a label has no frame.
    """
    images = _numbered(folder / video, "t")
    labels = {
        kind: _numbered(folder / f"{video}_{kind[:2]}" / kind[3:], stem)
        for kind, stem in (("ST/SEG", "man_seg"), ("GT/SEG", "man_seg"), ("GT/TRA", "man_track"))
    }
    if not images:
        raise DataError(f"{folder / video}: no images t000.tif, t001.tif, ... in this folder")
    digits = len(next(iter(images.values())).stem) - 1
    for number in range(max(images) + 1):
        if number not in images:
            raise DataError(f"{folder / video / f't{number:0{digits}d}.tif'}: frame missing")
        if number not in labels["ST/SEG"]:
            name = folder / f"{video}_ST" / "SEG" / f"man_seg{number:0{digits}d}.tif"
            raise DataError(f"{name}: silver truth missing for frame {images[number].name}")
    for paths in labels.values():
        for number, path in paths.items():
            if number not in images:
                raise DataError(f"{path}: label without its frame {number} in {folder / video}")
    gold, markers = labels["GT/SEG"], labels["GT/TRA"]
    return [
        Frame(video, n, images[n], labels["ST/SEG"][n], gold.get(n), markers.get(n))
        for n in sorted(images)
    ]


def numbered_images(folder: Path) -> dict[int, Path]:
    """List the images of a folder by number, where it is a video of the challenge.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict of int to Path
        Images by number of the frame, from ``t000.tif`` and so on; empty where the name of the
        folder is none of a video, such as ``01``.

    Raises
    ------
    DataError
        If two have one number.
    """
    return _numbered(folder, "t") if VIDEO.fullmatch(folder.name) else {}


def _numbered(folder: Path, stem: str) -> dict[int, Path]:
    found = {}
    for path in sorted(folder.glob(f"{stem}*.tif")):
        if match := re.fullmatch(rf"{stem}(\d{{3,4}})\.tif", path.name):
            other = found.setdefault(int(match[1]), path)
            if other != path:
                raise DataError(f"{path}: the same frame number as {other.name}")
    return found


def read_image(path: Path) -> np.ndarray:
    """Read an image of one channel.

    Parameters
    ----------
    path : Path
        A TIFF or PNG file.

    Returns
    -------
    ndarray of shape (M, N), uint8 or uint16
        Grey values.

    Raises
    ------
    DataError
        If the file cannot be read whole, or is of another type or shape.
    """
    image = _read(path)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{path}: {image.dtype} of shape {image.shape}; "
            "expected one channel of uint8 or uint16, shape (rows, columns)"
        )
    return image


def read_labels(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a label image.

    Parameters
    ----------
    path : Path
        A TIFF file.
    shape : tuple of int
        Rows and columns of the image that it belongs to.

    Returns
    -------
    ndarray of shape (M, N), uint16
        One id a cell, 0 for the background.

    Raises
    ------
    DataError
        If the file cannot be read whole, is of another type or shape, holds no cell, or holds the
        id that stands for unknown pixels.
    """
    labels = _read_ids(path, shape)
    if (labels == UNKNOWN).any():
        raise DataError(f"{path}: id {UNKNOWN} stands for unknown pixels; give that cell another")
    if not labels.any():
        raise DataError(f"{path}: no cell in it, every pixel is 0")
    return labels


def _read_ids(path: Path, shape: tuple[int, int]) -> np.ndarray:
    ids = read_image(path)
    if ids.shape != tuple(shape):
        raise DataError(f"{path}: shape {ids.shape}; the image has {tuple(shape)}")
    return ids.astype(np.uint16)


def _read(path: Path) -> np.ndarray:
    try:
        image = io.imread(path) if path.suffix.lower() == ".png" else tifffile.imread(path)
    except Exception as error:  # the decoders share no class of errors
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason})") from error
    # Where the directory of the file is at its end, tifffile reads a truncated file as empty.
    if not image.size:
        raise DataError(f"{path}: cannot be read (truncated: no image directory in it)")
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def read_video(folder: Path, video: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and the silver truth of a video.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    video : str
        Name of the video.

    Returns
    -------
    images : ndarray of shape (F, M, N), uint8 or uint16
        Grey values.
    labels : ndarray of shape (F, M, N), uint16
        One id a cell, 0 for the background.

    Raises
    ------
    DataError
        If a file is missing, cannot be read, or differs from the first in shape or type.
    """
    frames = list_frames(folder, video)
    first = read_image(frames[0].image)
    images = np.empty((len(frames), *first.shape), first.dtype)
    labels = np.empty(images.shape, np.uint16)
    for i, frame in enumerate(frames):
        image = read_image(frame.image)
        if (image.shape, image.dtype) != (first.shape, first.dtype):
            raise DataError(
                f"{frame.image}: {image.dtype} of shape {image.shape}; "
                f"the first frame is {first.dtype} of shape {first.shape}"
            )
        images[i] = image
        labels[i] = read_labels(frame.silver, image.shape)
    return images, labels


def read_truth(folder: Path, video: str, part: str) -> dict[int, np.ndarray]:
    """Read what people marked in a video.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    video : str
        Name of the video.
    part : {"gold", "markers"}
        ``gold``: outlines of some cells of some frames, so that a pixel of 0 is not known to be
        background. ``markers``: a marker in every cell of every frame, one id a track.

    Returns
    -------
    dict of int to ndarray of shape (M, N), uint16
        Labels by number of the frame; empty if there are none.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    """
    return {
        frame.number: read_labels(path, read_image(frame.image).shape)
        for frame in list_frames(folder, video)
        if (path := getattr(frame, part))
    }


def write_results(folder: Path, video: str, cells: Mapping[int, np.ndarray]) -> Path:
    """Write predicted cells as the challenge wants them: ``01_RES/mask000.tif`` and so on.

    Results of the video that were there before go, so that no frame of theirs stays.

    Parameters
    ----------
    folder : Path
        Folder that gets the folder of the video.
    video : str
        Name of the video, two digits.
    cells : mapping of int to ndarray of int, shape (M, N)
        Instance ids by number of the frame, 0 for the background.

    Returns
    -------
    Path
        The folder of the video.

    Raises
    ------
    ValueError
        If the name is none of a video, there is no frame, or a frame does not fit into the format.
    StateError
        If the folder cannot be written.
    """
    final = _results_folder(folder, video)
    if not cells:
        raise ValueError(f"video {video}: no frames to write")
    for number, ids in cells.items():
        _check_result(video, number, ids)
    partial = final.with_name(f".{final.name}.part")
    digits = 3 if max(cells) < 1000 else 4
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for number, ids in cells.items():
            path = partial / f"mask{number:0{digits}d}.tif"
            tifffile.imwrite(path, ids.astype(np.uint16), compression="lzw")
    except OSError as error:
        raise StateError(f"{partial}: cannot be written: {error.strerror or error}") from error
    publish(partial, final)
    return final


def read_results(folder: Path, video: str, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    """Read predicted cells from the files that the challenge wants.

    Parameters
    ----------
    folder : Path
        Folder that holds the folder of the video, such as ``01_RES``.
    video : str
        Name of the video, two digits.
    shape : tuple of int
        Rows and columns of the images.

    Returns
    -------
    dict of int to ndarray of shape (M, N), uint16
        Instance ids by number of the frame, 0 for the background; a frame may hold no cell.

    Raises
    ------
    ValueError
        If the name is none of a video.
    DataError
        If there are no masks, or one cannot be read or is of another type or shape.
    """
    results = _results_folder(folder, video)
    paths = _numbered(results, "mask")
    if not paths:
        raise DataError(f"{results}: no results mask000.tif, mask001.tif, ... in this folder")
    return {number: _read_ids(paths[number], shape) for number in sorted(paths)}


def _results_folder(folder: Path, video: str) -> Path:
    if not VIDEO.fullmatch(video):
        raise ValueError(f"video {video!r}: not a name such as 01")
    return Path(folder) / f"{video}_RES"


def _check_result(video: str, number: int, ids: np.ndarray) -> None:
    what = f"video {video}, frame {number}"
    if not 0 <= number <= 9999:
        raise ValueError(f"{what}: frames are numbered from 0 to 9999")
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{what}: {ids.dtype} of shape {ids.shape}; expected rows of whole ids")
    if ids.min() < 0 or ids.max() > np.iinfo(np.uint16).max:
        raise ValueError(f"{what}: ids {ids.min()} to {ids.max()}; the format holds 0 to 65535")
