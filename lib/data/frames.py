"""The files of a two-dimensional Cell Tracking Challenge data set: images, labels and results."""

import re
import shlex
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import tifffile

from lib.data.arrays import UNKNOWN
from lib.data.files import DataError, named, publish

LABELS = {"silver": "ST/SEG/man_seg", "gold": "GT/SEG/man_seg", "markers": "GT/TRA/man_track"}
# Files of one frame; None where it has no silver truth, gold truth or markers.
Frame = namedtuple("Frame", ["video", "number", "image", *LABELS])


def refuse(path, text):
    """Raise a fault of a file as DataError."""
    raise DataError(f"{path}: {text}")


def list_frames(folder, tell=refuse):
    """List the frames of each video in the order of time; `tell` gets path and text of a fault."""
    with named(folder, kind=DataError):
        names = [path.name for path in folder.iterdir() if path.is_dir()]
    files, stems = {}, ["{}/t", *(f"{{}}_{stem}" for stem in LABELS.values())]
    for video in sorted({name[:2] for name in names if re.fullmatch(r"\d\d(_ST|_GT)?", name)}):
        files[video] = [_numbered(folder / stem.format(video), tell) for stem in stems]
    _check_names(folder, files, tell)
    return {
        video: [Frame(video, n, *(part.get(n) for part in parts)) for n in sorted(parts[0])]
        for video, parts in files.items()
    }


def _check_names(folder, files, tell):
    """Tell which images and labels are missing, by numbers of frames."""
    has_silver, has_gold = (any(parts[i] for parts in files.values()) for i in (1, 2))
    if not has_silver and not has_gold and (files or any(folder.glob("*.[tT][iI][fF]*"))):
        command = f"make predict IMAGE={shlex.quote(str(folder / min(files, default='')))}"
        text = f"images without labels (01_ST/SEG or 01_GT/SEG); `{command}` finds cells in them"
        tell(folder, text)
    elif not files:
        below = [path.parent for path in folder.glob("*/[0-9][0-9]_[SG]T")]
        cure = below[0] if below else "the folder that holds 01 and 01_ST or 01_GT"
        tell(folder, f"no videos 01, 02, ... in this folder; name {cure}")
    for video, (images, *labels) in files.items():
        if not images:
            tell(folder / video, "no images t000.tif, t001.tif, ... in this folder")
        elif gap := set(range(max(images))) - set(images):
            tell(
                folder / video,
                f"no frame {some(sorted(gap))}; number the images from 0 without a gap",
            )
        if has_silver and (bare := set(images) - set(labels[0])):
            text = (
                f"no silver truth of frame {some(sorted(bare))}; add it, or take away all folders"
            )
            tell(folder / f"{video}_ST", f"{text} _ST to learn from the gold truth")
        for part in labels:
            for number in sorted(set(part) - set(images)):
                tell(part[number], "label without its image; add that or remove this")


def some(things):
    """Name the first five of things, and how many more there are."""
    names = [str(thing) for thing in things]
    return ", ".join(names[:5]) + f" and {len(names) - 5} more" * (len(names) > 5)


def numbered_images(folder):
    """List the images of a video's folder by number; empty where its name is none such as 01."""
    return _numbered(folder / "t", refuse) if re.fullmatch("[0-9]{2}", folder.name) else {}


def _numbered(stem, tell):
    found = {}
    for path in sorted(stem.parent.glob("*.*")):
        if match := re.fullmatch(rf"{stem.name}(\d{{2,4}})\.tiff?", path.name, re.IGNORECASE):
            other = found.setdefault(int(match[1]), path)
            if other != path:
                tell(path, f"the same frame number as {other.name}; remove one of them")
    return found


def read_frames(folder, tell=refuse):
    """Open each file once: yield each frame, and by name its image and those of `LABELS`."""
    first = shape = None
    for frame in sum(list_frames(folder, tell).values(), []):
        parts = {}
        for part in ("image", *LABELS):
            path = getattr(frame, part)
            try:
                if part == "image":
                    parts[part] = image = read_image(path)
                    kind, shape = f"{image.dtype} of shape {image.shape}", image.shape
                    first = first or (kind, path.relative_to(folder))
                    if kind != first[0]:
                        text = f"{kind}, but {first[1]} is {first[0]}"
                        refuse(path, f"{text}; save all alike or take a video away")
                elif path:
                    parts[part] = read_labels(path, shape)
            except DataError as error:
                tell(path, str(error).removeprefix(f"{path}: "))
        yield frame, parts


def read_image(path):
    """Read a TIFF of one channel, uint8 or uint16 of shape (M, N); DataError if it is none."""
    image, photometric = _read(path)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        kind = f"{image.dtype} of shape {image.shape}"
        refuse(path, f"{kind}; save it as one plane of 8 or 16 bit grey")
    if photometric == tifffile.PHOTOMETRIC.PALETTE:
        refuse(path, "indices into a palette; save it as one plane of grey")
    from_white = photometric == tifffile.PHOTOMETRIC.MINISWHITE
    return np.iinfo(image.dtype).max - image if from_white else image


def read_labels(path, shape):
    """Read a label image as uint16, one id a cell; DataError if it is none or of another shape."""
    ids, _ = _read(path)
    if ids.shape != tuple(shape or ids.shape[:2]):
        refuse(path, f"shape {ids.shape}; save it in that of the image, {shape}")
    if ids.dtype.kind not in "ui" or ids.min() < 0 or ids.max() > UNKNOWN:
        what = f"{ids.dtype} from {ids.min()} to {ids.max()}"
        refuse(path, f"{what}; save whole ids from 1 to {UNKNOWN - 1}, 16 bit")
    if (ids == UNKNOWN).any():
        refuse(path, f"id {UNKNOWN} stands for unknown pixels; give that cell another")
    if not ids.any():
        refuse(path, "no cell in it, every pixel is 0; give each cell an id")
    return ids.astype(np.uint16)


def _read(path):
    """Read a TIFF file: its pixels, without axes of one element before them, and what they are."""
    try:
        with tifffile.TiffFile(path) as file:
            image, photometric = file.asarray(), file.pages[0].photometric
        # Where the directory of the file is at its end, tifffile reads a truncated file as empty.
        if not image.size:
            raise ValueError("truncated")
    except Exception as error:  # the decoders share no class of errors
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); copy or save it anew") from error
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    return (image[0] if image.ndim == 3 and len(image) == 1 else image), photometric


def write_results(folder, video, cells):
    """Write predicted cells, ids by number of the frame, as the challenge wants them, anew."""
    final = Path(folder) / f"{video}_RES"
    if not cells or not all(0 <= ids.min() <= ids.max() <= UNKNOWN for ids in cells.values()):
        raise ValueError(f"video {video}: no frames, or an id that is not from 1 to {UNKNOWN}")
    partial = final.with_name(f".{final.name}.part")
    digits = 3 if max(cells) < 1000 else 4
    with named(partial, "cannot be written"):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for number, ids in cells.items():
            path = partial / f"mask{number:0{digits}d}.tif"
            tifffile.imwrite(path, ids.astype(np.uint16), compression="lzw")
        write_tracks(partial / "res_track.txt", cells)
    publish(partial, final)
    return final


def write_tracks(path, cells):
    """Write first and last frame of each cell, of ids (M, N) by number of the frame."""
    tracks = {}
    for number, ids in sorted(cells.items()):
        for cell in np.unique(ids[ids != 0]).tolist():
            tracks.setdefault(cell, [number, number])[1] = number
    rows = [f"{cell} {first} {last} 0\n" for cell, (first, last) in sorted(tracks.items())]
    path.write_text("".join(rows))
