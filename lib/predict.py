"""Find the cells in images of one's own with a network that the study has trained.

python -m lib.predict IMAGE --run FOLDER --out FOLDER --pixel MICROMETRES. What is not given is read
from STUDY_IMAGE, STUDY_RUN, STUDY_OUT and STUDY_PIXEL, where the Makefile puts what a user typed.
"""

import argparse
import math
import os
import signal
import sys
import tempfile
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
from lib.data.frames import numbered_images, write_results
from lib.predict_images import RESULTS, list_images, read_planes, to_grey
from lib.scoring.segment import remove_small, segment
from lib.study.schema import Settings

NETWORK = files.ROOT / "models" / "hela_128"
NETWORK_FILES = ("params.yaml", "cells.json", "model.keras")
FAR = 1.5  # times larger or smaller than those of its data, a network no longer knows cells


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
    """A trained network, and how images become what it sees and its answers cells.

    `folder` is that of a run, or of a network in models/; `pixel` what a user typed as micrometres
    a pixel of the images, without which they are those of the data.
    """

    def __init__(self, folder, pixel=None):
        if missing := [name for name in NETWORK_FILES if not (folder / name).is_file()]:
            there = "lacks " + ", ".join(missing) if folder.is_dir() else "no such folder"
            raise StateError(f"{relative(folder)}: {there}; networks to be had: {_known(folder)}")
        self.folder, path = folder, folder / "params.yaml"
        try:
            run = yaml.safe_load(path.read_text(encoding="utf-8"))
            self.settings, self.data = Settings.model_validate(run["settings"]), run["data"]
            self.frame, own = tuple(self.data["shape"]), self.data["pixel"]
            self.words = f"{run['arm']}, fold {run['fold']}, trained on {self.data['label']}"
            path = folder / "cells.json"
            cells = files.read_json(path)[str(self.settings.evaluation.turns)]
            self.constants = cells["constants"][cells["chosen"]]
            self.diameter = 2 * math.sqrt(cells["cell_area"] / math.pi)
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            reason = str(error).partition("\n")[0]
            raise StateError(f"{relative(path)}: is not that of a run ({reason})") from error
        if self.settings.evaluation.side == "validation":
            self.words += "; a trial of a scan, not scored on test frames"
        self.pixel = self._micrometres(pixel, own) if pixel else None
        # Pixels of a frame of the data that a pixel of the user's images is wide.
        self.zoom = self.pixel / own if pixel else 1

    @staticmethod
    def _micrometres(typed, own):
        try:
            size = float(typed.replace(",", "."))
        except ValueError:
            size = math.nan
        if own and own / 10 <= size <= own * 10:
            return size
        may = (
            f"give {own / 10:g} to {own * 10:g}" if own else "leave it out, the network knows none"
        )
        raise DataError(f"PIXEL={typed}: is no size in micrometres that can be used; {may}")

    @cached_property
    def model(self):
        """The network itself. Keras takes seconds to start, so all else is looked at before."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        path = self.folder / "model.keras"
        try:
            return keras.models.load_model(path, compile=False)
        except Exception as error:  # whatever a broken archive makes Keras raise
            reason = str(error).partition("\n")[0]
            raise StateError(f"{relative(path)}: cannot be read ({reason})") from error


def _known(folder):
    found = [*files.ROOT.glob("models/*"), *files.OUTPUTS.glob("*/runs/*/*/*")]
    whole = sorted(path for path in found if all((path / n).is_file() for n in NETWORK_FILES))
    below = [path for path in whole if folder.resolve() in path.parents]
    return _some(map(relative, below or whole)) or "none; `make reproduce` trains some"


def _some(things):
    names = [str(thing) for thing in things]
    return ", ".join(names[:5]) + f" and {len(names) - 5} more" * (len(names) > 5)


def find_cells(image, network, name="", grey=None):
    """Find the cells of an image (M, N) of any shape, as uint16 ids 1, 2, ... and 0 for background.

    Also give the diameter of a circle of their median area, px of a frame of the data. `grey` are
    the values that are black and white, where the image is of another type than the data.
    """
    settings, frame = network.settings, network.frame
    shape = tuple(round(length * network.zoom) for length in image.shape)
    if min(shape) < min(frame) / 2:
        size = f"{image.shape[0]} x {image.shape[1]} px" + " after PIXEL" * (shape != image.shape)
        needed = f"the network sees {frame[0]} x {frame[1]} at once and needs half of that"
        raise DataError(f"{name}: {size} are too few; {needed}")
    model = network.model
    from lib.network import inference

    answer = inference.predict_turned if settings.evaluation.turns else inference.predict
    seen = zip(shape, model.input_shape[1:3], frame, strict=True)
    grey = network.data["grey"] if image.dtype == network.data["dtype"] else grey
    small = resample_image(image, [round(own * size / side) for own, size, side in seen], grey)
    if settings.image.normalise == "frame":
        small = normalise_frames(small[None])[0]
    maps = inference.split_maps(predict_tiles(small, model, answer, name), settings.training.target)
    # In the steps in which the study keeps predictions, so that a frame of it comes out as there.
    maps = {key: inference.quantise(part) / inference.STEPS for key, part in maps.items()}
    cells = segment(maps["probability"], shape, inside=maps.get("inside"), **network.constants)
    areas = np.bincount(cells.ravel())[1:]
    if shape != image.shape:
        centres = ((np.arange(n) + 0.5) * s / n for n, s in zip(image.shape, shape, strict=True))
        cells = remove_small(cells[np.ix_(*(at.astype(int) for at in centres))], 1)
    if cells.max() >= UNKNOWN:
        raise DataError(f"{name}: {cells.max()} cells are more than a label image can number")
    return cells.astype(np.uint16), 2 * math.sqrt(np.median(areas) / math.pi) if areas.size else 0


def predict_tiles(image, model, answer, name=""):
    """Predict an image in tiles that overlap by half and count less towards their edges.

    A side that is shorter than a tile goes on as its mirror image. Of an image as large as a tile
    there is one tile, so that a frame of the data is predicted as in the study.
    """
    sizes = model.input_shape[1:3]
    short = [(0, max(0, size - own)) for size, own in zip(sizes, image.shape, strict=True)]
    whole = np.pad(image, short, mode="symmetric")
    starts = (
        np.linspace(0, own - size, 1 + math.ceil(2 * (own - size) / size)).round().astype(int)
        for own, size in zip(whole.shape, sizes, strict=True)
    )
    places = list(product(*starts))
    weight = np.outer(*(np.bartlett(size + 2)[1:-1] for size in sizes))[..., None]
    total, weights = np.zeros((*whole.shape, model.output_shape[-1])), np.zeros((*whole.shape, 1))
    alone = len(places) == 1
    for row, column in tqdm(places, name, leave=False, delay=2, disable=alone, unit="tiles"):
        box = np.s_[row : row + sizes[0], column : column + sizes[1]]
        total[box] += weight * answer(model, whole[box][None])[0]
        weights[box] += weight
    return (total / weights)[: image.shape[0], : image.shape[1]]


def predict_images(source, images, network, out):
    """Find the cells of images and write them, say what came of it, and return the exit status."""
    numbers = {path.name: number for number, path in numbered_images(source).items()}
    out.mkdir(parents=True, exist_ok=True)
    earlier = {path.name for path in out.iterdir() if path.name.endswith((*RESULTS, "_RES"))}
    print(f"network: {relative(network.folder)} ({network.words})", flush=True)
    faults, warnings, odd, frames, written = [], [], [], {}, set()
    for name, path in images.items():
        try:
            for title, plane in read_planes(path, name):
                where = path if title == name else f"{path}, {title}"
                image, grey = to_grey(plane, where)
                cells, diameter = find_cells(image, network, where, grey)
                written |= write_cells(out, title, image, cells, network.pixel)
                values = f", {image.dtype} from {image.min():g} to {image.max():g}"
                said = f"{title}: {cells.max()} cells" + values * (image.dtype.kind == "f")
                print(said, flush=True)
                if not network.diameter / FAR <= diameter <= network.diameter * FAR:
                    odd.append(f"{title} ({diameter / network.zoom:.0f} px)")
                if path.name in numbers and title == name:
                    frames[numbers[path.name]] = cells
        except DataError as error:
            faults.append(error)
        except MemoryError:
            faults.append(f"{path}: is too large for the memory; cut it into parts")
    if frames:
        written.add(write_results(out, source.name, link(frames)).name)
    if gap := sorted(set(range(max(numbers.values(), default=-1) + 1)) - set(frames)):
        warnings.append(f"{source.name}_RES is incomplete, without frames {_some(gap)}")
    if odd:
        known = f"the network knows cells {network.diameter / network.zoom:.0f} px wide"
        cure = f"{'check' if network.pixel else 'give'} the micrometres a pixel as PIXEL="
        warnings.append(f"{known} and finds others in {_some(odd)}; {cure}")
    new = f"{len(written)} results, {len(written & earlier)} of them in place of earlier ones"
    print(f"{relative(out)}: {new}; {len(earlier - written)} more that earlier calls left")
    for line in [f"warning: {text}" for text in warnings] + [f"error: {text}" for text in faults]:
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
    """Write cells as labels, outlines, colours, table and ImageJ ROIs; return the files' names."""
    grey = rescale_intensity(image, tuple(np.percentile(image, [0.5, 99.5])), (0.0, 1.0))
    outlines = mark_boundaries(grey, cells, color=(0.9, 0.62, 0), mode="inner")
    table = regionprops_table(cells, properties=("label", "num_pixels", "centroid"))
    table = pd.DataFrame(table).round(2).set_axis(["id", "area_px", "row", "column"], axis=1)
    table["area_um2"] = (table.area_px * (pixel or np.nan) ** 2).round(3)
    rois = []
    for region in regionprops(cells):
        outline = max(find_contours(np.pad(region.image, 1), 0.5), key=len)
        # ImageJ counts from the corner of a pixel, and columns first.
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
    return {path.name for path in paths}


if __name__ == "__main__":
    sys.exit(main())
