"""Find the cells in images of one's own with a network that the study has trained.

``python -m lib.predict image.png`` writes the cells and a picture of them to outputs/predict.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
import tifffile
import yaml
from skimage import io
from skimage.segmentation import mark_boundaries

from lib import constants
from lib.arrays import normalise_frames, resample_image
from lib.data import numbered_images, read_image, write_results
from lib.evaluation import STEPS, quantise, split_maps
from lib.files import StateError
from lib.instances import segment
from lib.paths import OUTPUTS, relative, run_folder
from lib.source import DataError
from lib.tiles import predict_image

# Whose network is taken when none is named: the first of these that has been trained.
ARMS = ("gap_weighted", "rigid_elastic", "augmented_tuned")
ENDINGS = (".tif", ".tiff", ".png")
LINE = (0.90, 0.62, 0.0)


def main(words=None):
    """Find the cells; an expected error ends it with one message and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m lib.predict", description=__doc__)
    parser.add_argument("image", help="a TIFF or PNG file, or a folder of them")
    parser.add_argument("--run", type=Path, help="folder of a run, as outputs/quick/runs/...")
    parser.add_argument("--out", type=Path, default=OUTPUTS / "predict", help="where to write")
    arguments = parser.parse_args(words)
    try:
        paths = list_images(arguments.image)
        video = Path(arguments.image).resolve()
        numbers = {path.name: number for number, path in numbered_images(video).items()}
        frames = {}
        run = arguments.run or choose_run(OUTPUTS / "quick")
        network, settings, data = read_run(run)
        chosen = read_constants(run, settings)
        print(f"network: {relative(run)}, trained on {data['label']}")
        for path in paths:
            image = read_image(path)
            cells = find_cells(image, network, settings, chosen, frame=data["shape"][0], name=path)
            if path.name in numbers:
                frames[numbers[path.name]] = cells
            written = write_cells(arguments.out, path.stem, image, cells)
            print(f"{path}: {cells.max()} cells, {' and '.join(map(relative, written))}")
        if frames:
            written = write_results(arguments.out, video.name, frames)
            print(f"as the Cell Tracking Challenge wants them: {relative(written)}")
    except (DataError, StateError) as error:
        parser.exit(2, f"error: {error}\n")
    except OSError as error:
        parser.exit(2, f"error: {error.filename or 'a file'}: {error.strerror or error}\n")


def list_images(name):
    """List the images that a name stands for.

    Parameters
    ----------
    name : str
        A TIFF or PNG file, or a folder of them.

    Returns
    -------
    list of Path
        In the order of their names.

    Raises
    ------
    DataError
        If there is no image, or two have one name but for the ending.
    """
    if not name:
        raise DataError("no image is named; write make predict IMAGE=file or folder")
    path = Path(name)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        if path.suffix.lower() not in ENDINGS:
            raise DataError(f"{path}: is no TIFF or PNG file ({', '.join(ENDINGS)})")
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS)
    if not found:
        raise DataError(f"{path}: no TIFF or PNG file ({', '.join(ENDINGS)}) in this folder")
    by_stem = {}
    for file in found:
        if (other := by_stem.setdefault(file.stem, file)) != file:
            raise DataError(f"{file}: its results would have the names of those of {other.name}")
    return found


def choose_run(outputs):
    """Choose the run whose network is taken when none is named.

    Parameters
    ----------
    outputs : Path
        Outputs of a profile.

    Returns
    -------
    Path
        Folder of the run.

    Raises
    ------
    StateError
        If no network has been trained for any of `ARMS`.
    """
    for arm in ARMS:
        run = run_folder(outputs, arm, "last", 0)
        if (run / "model.keras").exists():
            return run
    raise StateError(
        f"{relative(outputs)}: no network of {', '.join(ARMS)} in it; run `make reproduce` first, "
        "or name a run with RUN=folder"
    )


def read_run(run):
    """Read the network of a run and how its images were made.

    Parameters
    ----------
    run : Path
        Folder of a finished run.

    Returns
    -------
    network : keras.Model
    settings : dict
        Settings of the run.
    data : dict
        The data that it was trained on, as in data.json.

    Raises
    ------
    StateError
        If this is no run, or its network was not kept.
    """
    try:
        settings = yaml.safe_load((run / "params.yaml").read_text(encoding="utf-8"))
        record = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StateError(
            f"{relative(run)}: is not the folder of a finished run, as "
            f"outputs/quick/runs/{ARMS[0]}/last/seed0 ({error})"
        ) from error
    if not (run / "model.keras").exists():
        raise StateError(
            f"{relative(run)}: its network, model.keras, was not kept, as in every run that comes "
            "with the project; run `make reproduce` and take a run of outputs/quick"
        )
    try:
        network = keras.models.load_model(run / "model.keras", compile=False)
    except (OSError, ValueError) as error:
        raise StateError(f"{relative(run / 'model.keras')}: cannot be read: {error}") from error
    return network, settings, record["data"]


def read_constants(run, settings):
    """Read the constants that the validation frames of a run chose for its cells.

    Parameters
    ----------
    run : Path
        Folder of a finished run.
    settings : dict
        Settings of the run.

    Returns
    -------
    dict
        Arguments of `instances.segment`. Where the cells of the run were not scored, its connected
        components.

    Raises
    ------
    StateError
        If the file is broken.
    """
    arm, fold, seed = run.resolve().parts[-3:]
    path = run.resolve().parents[3] / "cells" / arm / fold / f"{seed}.json"
    if not path.exists():
        return {"threshold": settings["evaluation.threshold"], "smallest": 0, "grow": 0}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record["constants"][constants.best_method(record["validation_seg"])]
    except (OSError, ValueError, KeyError) as error:
        raise StateError(f"{relative(path)}: cannot be read as constants ({error})") from error


def find_cells(image, network, settings, constants, *, frame, name):
    """Find the cells of an image of any shape.

    The pixels are taken to be as large as those of the data, which is all that the network knows:
    the image is made smaller by the factor by which the frames of the data were.

    Parameters
    ----------
    image : ndarray of uint8 or uint16, shape (M, N)
    network : keras.Model
    settings : dict
        Settings of its run.
    constants : dict
        Arguments of `instances.segment`, from `read_constants`.
    frame : int
        Rows, and columns, of a frame of the data that it was trained on, px.
    name : str or Path
        Name of the image, for the message.

    Returns
    -------
    ndarray of uint16, shape (M, N)
        Instance ids.

    Raises
    ------
    DataError
        If a side has less than half of what the network sees, or there are more cells than ids.
    """
    if min(image.shape) < frame / 2:
        raise DataError(
            f"{name}: {image.shape[0]} rows and {image.shape[1]} columns are too few; the network "
            f"sees {frame} x {frame} pixels at once, and half of that is needed"
        )
    scale = settings["image.size"] / frame
    small = resample_image(image, tuple(round(length * scale) for length in image.shape))
    if settings["image.normalise"] == "frame":
        small = normalise_frames(small[None])[0]
    maps = split_maps(predict_image(network, small), settings["training.target"])
    # In the steps in which the study keeps predictions, so that a frame of it comes out as there.
    maps = {name: quantise(values) / STEPS for name, values in maps.items()}
    cells = segment(maps["probability"], image.shape, inside=maps.get("inside"), **constants)
    if cells.max() > np.iinfo(np.uint16).max:
        raise DataError(f"{name}: {cells.max()} cells are more than a label image can number")
    return cells.astype(np.uint16)


def write_cells(folder, stem, image, cells):
    """Write the cells as a label image, and the image with their outlines.

    Parameters
    ----------
    folder : Path
    stem : str
        What the names of the files begin with.
    image : ndarray, shape (M, N)
        Grey values; the darkest and brightest half per cent are drawn black and white.
    cells : ndarray of uint16, shape (M, N)
        Instance ids.

    Returns
    -------
    list of Path
        The TIFF and the PNG file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}_cells.tif", folder / f"{stem}_overlay.png"]
    tifffile.imwrite(paths[0], cells)
    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(high - low, 1), 0, 1)
    outlined = mark_boundaries(grey, cells, color=LINE, mode="inner")
    io.imsave(paths[1], np.uint8(np.round(255 * outlined)), check_contrast=False)
    return paths


if __name__ == "__main__":
    main()
