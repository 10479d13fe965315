"""The images that a user names: grey TIFF and PNG files of any kind, plane by plane."""

import logging
from collections import Counter

import numpy as np
import PIL.Image
import tifffile
from tifffile import PHOTOMETRIC

from lib.data.files import DataError

ENDINGS = (".tif", ".tiff", ".png")
# What is written for an image is named after it, with one of these at the end.
RESULTS = ("_cells.tif", "_outlines.png", "_colours.png", "_cells.csv", "_rois.zip")
CURE = "save it as 8 or 16 bit grey TIFF or PNG"
# What decoders warn of would stand beside the one message that says what to do.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
PIL.Image.MAX_IMAGE_PIXELS = None


def list_images(path):
    """List the image files that a path stands for, by the name that each one's results get."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file() and path.suffix.lower() in ENDINGS:
        return {path.stem: path}
    inside = sorted(path.iterdir()) if path.is_dir() else []
    # A user's image may be named like a result; but beside a result there is its table.
    tables = [file.name for file in inside if file.name.endswith("_cells.csv")]
    results = {table.removesuffix("_cells.csv") + end for table in tables for end in RESULTS}
    found = [file for file in inside if file.suffix.lower() in ENDINGS and file.is_file()]
    found = [file for file in found if file.name[0] != "." and file.name not in results]
    if not found:
        folders = ", ".join([file.name for file in inside if file.is_dir()][:8])
        cure = f"name one of the folders in it: {folders}" if folders else CURE
        raise DataError(f"{path}: no image ({', '.join(ENDINGS)}); {cure}")
    stems = Counter(file.stem.lower() for file in found)
    return {file.name if stems[file.stem.lower()] > 1 else file.stem: file for file in found}


def read_planes(path, name):
    """Read the planes of an image file, (M, N), or (M, N, S) where a pixel has samples, by name."""
    try:
        planes = (_read_png if path.suffix.lower() == ".png" else _read_tiff)(path)
    except Exception as error:  # the decoders share no class of errors
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be read ({reason or type(error).__name__})") from error
    if len(planes) == 1:
        return [(name, planes[0])]
    digits = len(str(len(planes)))
    return ((f"{name}_{n:0{digits}d}", plane) for n, plane in enumerate(planes, 1))


def _read_png(path):
    with PIL.Image.open(path) as file:
        return np.asarray(file.convert("RGBA") if "P" in file.mode else file)[None]


def _read_tiff(path):
    with tifffile.TiffFile(path) as file:
        if not file.series:  # the directory is at the end of a file
            raise ValueError("truncated: no image directory in it")
        if len({series.shape for series in file.series}) > 1:
            raise ValueError(f"images of several shapes in one file; {CURE}, one by one")
        page, axes = file.series[0].keyframe, "I" + file.series[0].axes
        parts = [series.asarray(out="memmap") for series in file.series]
        image = np.stack(parts) if len(parts) > 1 else parts[0][None]
        if page.photometric == PHOTOMETRIC.PALETTE:
            image, axes = np.moveaxis(page.colormap[:, image], 0, -1), axes + "S"
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            image = (2**page.bitspersample - 1 if image.dtype.kind == "u" else 0) - image
    kept = [axes.index(axis) for axis in "YXS" if axis in axes]
    image = np.moveaxis(image, kept, range(-len(kept), 0))
    return image.reshape(-1, *image.shape[-len(kept) :])


def to_grey(plane, name):
    """Check a plane and clip its extremes; also give the grey values that are black and white.

    Values more than twice as far from the extreme thousandths as these lie apart, as of hot pixels,
    are clipped. Black and white are those of the bits that whole numbers use, else the extremes.
    """
    if plane.ndim == 3:
        channels = plane[..., :-1] if plane.shape[-1] in (2, 4) else plane  # without alpha
        if (channels != channels[..., :1]).any():
            raise DataError(f"{name}: has colours, its channels differ; {CURE}")
        plane = channels[..., 0]
    plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
    if plane.dtype.kind not in "uif":
        raise DataError(f"{name}: values of type {plane.dtype} are no grey levels; {CURE}")
    if not np.isfinite(plane).all():
        raise DataError(f"{name}: NaN or infinite values; replace them, or {CURE}")
    low, high = np.percentile(plane, [0.1, 99.9])
    reach = 2 * (high - low) or np.inf
    floor, ceiling = max(plane.min(), low - reach), min(plane.max(), high + reach)
    black, white = floor, ceiling if ceiling > floor else floor + 1
    if plane.dtype in (np.uint8, np.uint16):
        black, white = 0, 2 ** next(bits for bits in (8, 10, 12, 14, 16) if high < 2**bits) - 1
    elif plane.dtype.kind == "f" and floor >= 0 and ceiling <= 1:
        black, white = 0, 1
    return np.clip(plane, floor, ceiling).astype(plane.dtype), (float(black), float(white))
