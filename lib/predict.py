"""Find the cells in images of one's own; what is not given is read from STUDY_IMAGE and so on."""

import argparse
import logging
import math
import os
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from functools import cached_property
from itertools import product
from pathlib import Path

if __name__ == "__main__":  # the packages below take seconds, in which Ctrl-C is a line, too
    STOPPED = "\nstopped; images that were finished keep their results"
    signal.signal(signal.SIGINT, lambda *_: sys.exit(print(STOPPED, file=sys.stderr) or 130))

import numpy as np
import pandas as pd
import PIL.Image
import roifile
import tifffile
import yaml
from skimage.color import label2rgb
from skimage.exposure import rescale_intensity
from skimage.measure import find_contours, regionprops, regionprops_table
from skimage.segmentation import mark_boundaries
from tqdm import tqdm

from lib.data import files
from lib.data.arrays import UNKNOWN, normalise_frames, resample_image
from lib.data.files import DataError, StateError, relative
from lib.data.frames import numbered_images, some, write_results
from lib.network import inference
from lib.scoring.segment import remove_small, segment
from lib.study.schema import Settings

NETWORK = files.ROOT / "models" / "hela_128"
NETWORK_FILES = ("params.yaml", "cells.json", "model.keras")
FAR = 1.5  # times larger or smaller than those of its data, a network no longer knows cells
ENDINGS = (".tif", ".tiff", ".png")
# What is written for an image is named after it, with one of these at the end.
RESULTS = ("_cells.tif", "_outlines.png", "_colours.png", "_cells.csv", "_rois.zip")
CURE = "save it as 8 or 16 bit grey TIFF or PNG"
# What decoders warn of would stand beside the one message that says what to do.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
PIL.Image.MAX_IMAGE_PIXELS = None


def main(words=None):
    """Find the cells; exit status 1 if an image could not be used, 2 if nothing could be done."""
    parser = argparse.ArgumentParser(prog="python -m lib.predict", description=__doc__)
    for name in ("image", "--run", "--out", "--pixel"):
        typed = os.environ.get(f"STUDY_{name.strip('-').upper()}")
        parser.add_argument(name, nargs="?", default=typed)
    given = parser.parse_args(words)
    paths = given.image or "", given.run or NETWORK, given.out or files.OUTPUTS / "predict"
    source, run, out = (Path(os.path.expanduser(path)) for path in paths)
    try:
        if not given.image:
            raise DataError("no image is named; write make predict IMAGE=file or folder")
        images, network = list_images(source), Network(run, given.pixel)
        return predict_images(source.resolve(), images, network, out)
    except (DataError, StateError) as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        cure = "see to its rights and to room on the disk, or name another folder with OUT="
        print(f"error: {error.filename or out}: {error.strerror or error}; {cure}", file=sys.stderr)
    return 2


class Network:
    """A trained network, by its folder; `pixel` is typed: micrometres a pixel, else as the data."""

    def __init__(self, folder, pixel=None):
        if missing := [name for name in NETWORK_FILES if not (folder / name).is_file()]:
            there = "lacks " + ", ".join(missing) if folder.is_dir() else "no such folder"
            raise StateError(f"{relative(folder)}: {there}; networks to be had: {_known(folder)}")
        with files.named(path := folder / "params.yaml", "is not that of a run"):
            run = yaml.safe_load(path.read_text(encoding="utf-8"))
            self.settings, self.data = Settings.model_validate(run["settings"]), run["data"]
            self.frame, own = tuple(self.data["shape"]), self.data["pixel"]
            self.words = f"{run['arm']}, fold {run['fold']}, trained on {self.data['label']}"
        with files.named(path := folder / "cells.json", "is not that of a run"):
            cells = files.read_json(path)[str(self.settings.evaluation.turns)]
            self.constants = cells["constants"][cells["chosen"]]
            self.diameter = 2 * math.sqrt(cells["cell_area"] / math.pi)
        if self.settings.evaluation.side == "validation":
            self.words += "; a trial of a scan, not scored on test frames"
        self.folder, self.pixel = folder, None
        with suppress(ValueError):
            self.pixel = float(pixel.replace(",", ".")) if pixel else None
        if pixel and not (own and own / 10 <= (self.pixel or 0) <= own * 10):
            sizes = f"give {own / 10:g} to {own * 10:g}"
            may = sizes if own else "leave it out, the network knows none"
            raise DataError(f"PIXEL={pixel}: is no size in micrometres that can be used; {may}")
        # Pixels of a frame of the data that a pixel of the user's images is wide.
        self.zoom = self.pixel / own if pixel else 1

    @cached_property
    def model(self):
        """The network itself; Keras takes its time and speaks, so all else is looked at before."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        with files.named(path := self.folder / "model.keras"):
            return keras.models.load_model(path, compile=False)


def _known(folder):
    found = [*files.ROOT.glob("models/*"), *files.OUTPUTS.glob("*/runs/*/*/*")]
    whole = sorted(path for path in found if all((path / n).is_file() for n in NETWORK_FILES))
    below = [path for path in whole if folder.resolve() in path.parents]
    return some(map(relative, below or whole)) or "none; `make reproduce` trains some"


def list_images(path):
    """List the image files that a path stands for, by the name that each one's results get."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [file for file in inside if file.suffix.lower() in ENDINGS and file.is_file()]
    passed = list_results(inside)
    found = [file for file in found if file.name[0] != "." and file.name not in passed]
    if not found:
        folders = ", ".join([file.name for file in inside if file.is_dir()][:8])
        cure = f"name one of the folders in it: {folders}" if folders else CURE
        raise DataError(f"{path}: no image ({', '.join(ENDINGS)}); {cure}")
    stems = Counter(file.stem.lower() for file in found)
    return {file.name if stems[file.stem.lower()] > 1 else file.stem: file for file in found}


def list_results(paths):
    """Take the names of result files; beside a user's image named like one there is no table."""
    names = {path.name for path in paths}
    stems = [name.removesuffix("_cells.csv") for name in names if name.endswith("_cells.csv")]
    return {stem + ending for stem in stems for ending in RESULTS} & names


def read_planes(path, name):
    """Read the planes of an image file, (M, N), or (M, N, S) where a pixel has samples, by name."""
    with files.named(path, kind=DataError):
        planes = _read(path)
    titles, digits = [name], len(str(len(planes)))
    if len(planes) > 1:
        titles = [f"{name}_{n:0{digits}d}" for n in range(1, len(planes) + 1)]
    return zip(titles, planes, strict=True)


def _read(path):
    if path.suffix.lower() == ".png":
        with PIL.Image.open(path) as file:
            return np.asarray(file.convert("RGBA") if "P" in file.mode else file)[None]
    with tifffile.TiffFile(path) as file:
        if not file.series:  # the directory is at the end of a file
            raise ValueError("truncated: no image directory in it")
        if len(file.series) > 1:
            raise ValueError(f"several images in one file; {CURE}, one by one")
        axes, page, image = file.series[0].axes, file.pages[0], file.asarray(out="memmap")
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            image, axes = np.moveaxis(page.colormap[:, image], 0, -1), axes + "S"
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            image = (2**page.bitspersample - 1 if image.dtype.kind == "u" else 0) - image
    kept = [axes.index(axis) for axis in "YXS" if axis in axes]
    image = np.moveaxis(image, kept, range(-len(kept), 0))
    return image.reshape(-1, *image.shape[-len(kept) :])


def to_grey(plane, name):
    """Check a plane and clip its extremes; also give the grey values that are black and white."""
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
    low, high = np.percentile(plane, [0.1, 99.9])  # hot pixels lie far away from these
    reach = 2 * (high - low) or np.inf
    floor, ceiling = max(plane.min(), low - reach), min(plane.max(), high + reach)
    black, white = floor, ceiling if ceiling > floor else floor + 1
    if plane.dtype in (np.uint8, np.uint16):
        black, white = 0, 2 ** next(bits for bits in (8, 10, 12, 14, 16) if high < 2**bits) - 1
    elif plane.dtype.kind == "f" and floor >= 0 and ceiling <= 1:
        black, white = 0, 1
    return np.clip(plane, floor, ceiling).astype(plane.dtype), (float(black), float(white))


def find_cells(image, network, name="", grey=None):
    """Find cells of an image (M, N), as uint16; `grey` is for another type than the data's."""
    settings, frame = network.settings, network.frame
    shape = tuple(round(length * network.zoom) for length in image.shape)
    if min(shape) < min(frame) / 2:
        size = "{} x {} px".format(*image.shape) + " after PIXEL" * (shape != image.shape)
        needed = "the network sees {} x {} at once and needs half of that".format(*frame)
        raise DataError(f"{name}: {size} are too few; {needed}")
    grey = network.data["grey"] if image.dtype == network.data["dtype"] else grey
    sides = zip(shape, network.model.input_shape[1:3], frame, strict=True)
    small = resample_image(image, [round(n * seen / whole) for n, seen, whole in sides], grey)
    if settings.image.normalise == "frame":
        small = normalise_frames(small[None])[0]
    answer = inference.predict_turned if settings.evaluation.turns else inference.predict
    answers = predict_tiles(small, network.model, answer, name)
    maps = inference.split_maps(answers, settings.training.target)
    # In the steps in which the study keeps predictions, so that a frame of it comes out as there.
    maps = {key: inference.quantise(part) / inference.STEPS for key, part in maps.items()}
    cells = segment(maps["probability"], shape, inside=maps.get("inside"), **network.constants)
    if shape != image.shape:
        centres = ((np.arange(n) + 0.5) * s / n for n, s in zip(image.shape, shape, strict=True))
        cells = remove_small(cells[np.ix_(*(at.astype(int) for at in centres))], 1)
    if cells.max() >= UNKNOWN:
        raise DataError(f"{name}: {cells.max()} cells are more than a label image can number")
    return cells.astype(np.uint16)


def predict_tiles(image, model, answer, name=""):
    """Predict in tiles that overlap by half and count less towards edges; short sides mirror."""
    sizes = np.array(model.input_shape[1:3])
    short = np.maximum(0, sizes - image.shape)
    whole = np.pad(image, [(0, length) for length in short], mode="symmetric")
    left = np.subtract(whole.shape, sizes)
    counts = 1 + np.ceil(2 * left / sizes).astype(int)
    starts = (np.linspace(0, *one).round().astype(int) for one in zip(left, counts, strict=True))
    places = list(product(*starts))
    weight = np.outer(*(np.bartlett(size + 2)[1:-1] for size in sizes))[..., None]
    total, weights = np.zeros((*whole.shape, model.output_shape[-1])), np.zeros((*whole.shape, 1))
    for row, column in tqdm(places, str(name), leave=False, delay=2, unit="tiles"):
        box = np.s_[row : row + sizes[0], column : column + sizes[1]]
        total[box] += weight * answer(model, whole[box][None])[0]
        weights[box] += weight
    return (total / weights)[: image.shape[0], : image.shape[1]]


def predict_images(source, images, network, out):
    """Find the cells of images and write them, say what came of it, and return the exit status."""
    numbers = {path.name: number for number, path in numbered_images(source).items()}
    out.mkdir(parents=True, exist_ok=True)
    print(f"network: {relative(network.folder)} ({network.words})", flush=True)
    faults, warnings, odd, frames, written = [], [], [], {}, set()
    for name, path in images.items():
        try:
            for title, plane in read_planes(path, name):
                where = path if title == name else f"{path}, {title}"
                image, grey = to_grey(plane, where)
                cells = find_cells(image, network, where, grey)
                write_cells(out, title, image, cells, network.pixel)
                written |= {title + ending for ending in RESULTS}
                values = f", {image.dtype} from {image.min():g} to {image.max():g}"
                values *= image.dtype.kind == "f"
                print(f"{title}: {cells.max()} cells{values}", flush=True)
                area = np.median(np.bincount(cells.ravel())[1:]) if cells.any() else 0
                width = 2 * math.sqrt(area / math.pi)
                if not 1 / FAR <= width * network.zoom / network.diameter <= FAR:
                    odd.append(f"{title} ({width:.0f} px)")
                if path.name in numbers and title == name:
                    frames[numbers[path.name]] = cells
        except DataError as error:
            faults.append(f"error: {error}")
        except MemoryError:
            faults.append(f"error: {path}: is too large for the memory; cut it into parts")
    if frames:
        write_results(out, source.name, link(frames))
    if gap := sorted(set(range(max(numbers.values(), default=-1) + 1)) - set(frames)):
        warnings.append(f"warning: {source.name}_RES is incomplete, without frames {some(gap)}")
    if odd:
        known = f"the network knows cells {network.diameter / network.zoom:.0f} px wide"
        cure = f"{'check' if network.pixel else 'give'} the micrometres a pixel as PIXEL="
        warnings.append(f"warning: {known} and finds others in {some(odd)}; {cure}")
    earlier = len(list_results(out.iterdir()) - written)
    more = f"; {earlier} more files there are of earlier calls" if earlier else ""
    print(f"results are in {relative(out)}{more}")
    for line in warnings + faults:
        print(line, file=sys.stderr)
    return 1 if faults else 0


def link(frames):
    """Give a cell the id of one in the frame before, of those that are left the most overlapped."""
    linked, last = {}, 0
    for number, cells in sorted(frames.items()):
        before, names = linked.get(number - 1), np.zeros(cells.max() + 1, np.uint32)
        if before is None or before.shape != cells.shape:
            before = np.zeros_like(cells)
        for cell in range(1, len(names)):
            shared = np.bincount(before[cells == cell], minlength=last + 1)
            shared[names] = 0  # taken already, or background
            last += not shared.any()
            names[cell] = shared.argmax() or last
        linked[number] = names[cells]
    return linked


def write_cells(out, name, image, cells, pixel):
    """Write cells as labels, outlines, colours, table and ImageJ ROIs."""
    grey = rescale_intensity(image, tuple(np.percentile(image, [0.5, 99.5])), (0.0, 1.0))
    outlines = mark_boundaries(grey, cells, color=(0.9, 0.62, 0), mode="inner")
    table = regionprops_table(cells, properties=("label", "num_pixels", "centroid"))
    table = pd.DataFrame(table).round(2).set_axis(["id", "area_px", "row", "column"], axis=1)
    table["area_um2"] = (table.area_px * (pixel or np.nan) ** 2).round(3)
    rois = []
    for region in regionprops(cells):  # ImageJ counts from the corner of a pixel, columns first
        outline = max(find_contours(np.pad(region.image, 1), 0.5), key=len)
        corners = (outline + region.bbox[:2] - 0.5)[:, ::-1]
        rois.append(roifile.ImagejRoi.frompoints(corners, name=f"{region.label:05d}"))
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as beside:
        paths = [Path(beside, name + ending) for ending in RESULTS]
        tifffile.imwrite(paths[0], cells, compression="zlib")
        for path, picture in zip(paths[1:3], (outlines, label2rgb(cells)), strict=True):
            PIL.Image.fromarray(np.uint8(255 * picture)).save(path)
        table.to_csv(paths[3], index=False)
        roifile.roiwrite(paths[4], rois, mode="w")
        for path in paths:
            path.replace(out / path.name)


if __name__ == "__main__":
    sys.exit(main())
