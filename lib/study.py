"""What every notebook opens first: a params file, its images and their labels."""

from dataclasses import dataclass

import numpy as np

from lib import params, plan
from lib.arrays import mark_margin, mark_unknown, normalise_frames, resample
from lib.augmentation import REFERENCE_SIZE
from lib.data import read_truth, read_video
from lib.digests import data_record
from lib.instances import edge_distances, field_margin
from lib.paths import relative
from lib.source import DataError


@dataclass(frozen=True)
class Study:
    """A profile with its data.

    Parameters
    ----------
    profile : params.Profile
    record : dict
        The data, as in data.json.
    images, labels : dict of str to ndarray, shape (F, M, N)
        Frames of each video as they are on disk, and their silver-truth cells.
    """

    profile: params.Profile
    record: dict
    images: dict
    labels: dict

    @property
    def is_phantom(self):
        """Whether the images are procedural and not of the data set."""
        return self.record["source"] == "phantom"


def open_study(params_file):
    """Read a params file and the frames that it names.

    Parameters
    ----------
    params_file : str or Path
        As for `params.load`.

    Returns
    -------
    Study

    Raises
    ------
    ParamsError, DataError, StateError
        If the params, the images or the outputs folder are not as they have to be.
    """
    profile = params.load(params_file)
    known = (profile.outputs / "data.json").exists()
    record = plan.read_record(profile.outputs) if known else plan.prepare(profile)
    source = plan.open_source(profile.settings, record["source"])
    if data_record(source, {})["digests"] != record["digests"]:
        raise DataError(
            f"{source.folder}: not the images and labels of {relative(profile.outputs)}/data.json; "
            f"run `make reproduce PARAMS={relative(profile.path)}` for these"
        )
    frames = {video: read_video(source.folder, video) for video in record["frames"]}
    images = {video: pair[0] for video, pair in frames.items()}
    return Study(profile, record, images, {video: pair[1] for video, pair in frames.items()})


def load_side(study, pairs, settings):
    """Make the arrays that a network gets for some frames.

    Parameters
    ----------
    study : Study
    pairs : list of tuple
        Video and frame number, from a split.
    settings : dict
        Settings of the run: image.size and image.normalise.

    Returns
    -------
    images : ndarray of float32, shape (F, size, size)
        From 0 to 1, or with zero mean and unit deviation a frame.
    labels : ndarray of int, shape (F, size, size)
    """
    return _at_size(study, pairs, full_labels(study, pairs), settings)


def _at_size(study, pairs, labels, settings):
    images = np.stack([study.images[video][frame] for video, frame in pairs])
    images, labels = resample(images, labels, settings["image.size"])
    if settings["image.normalise"] == "frame":
        images = normalise_frames(images)
    return images, labels


def load_training_sides(study, split, settings):
    """Make the arrays that a network learns from, and those that it is validated on.

    Parameters
    ----------
    study : Study
    split : splits.Split
    settings : dict
        Settings of the run.

    Returns
    -------
    training, validation : tuple of ndarray
        Images and labels, as from `load_side`. Labels hold `arrays.UNKNOWN` where it is not known
        whether there is a cell: near the markers of cells that the silver truth misses where
        training.unknown is set, and in the margin of the frame where training.field is.
    """
    margin = _margin(study, split, settings)
    sides = (split.train, split.validation)
    return tuple(_with_unknown(study, pairs, settings, margin) for pairs in sides)


def _margin(study, split, settings):
    if not settings.get("training.field"):
        return 0
    return field_margin(full_labels(study, [*split.train, *split.validation]))


def _with_unknown(study, pairs, settings, margin):
    known = full_labels(study, pairs)
    radius = settings.get("training.unknown", 0) * study.record["shape"][0] / REFERENCE_SIZE
    if radius:
        by_video = {video: markers(study, video) for video in {video for video, _ in pairs}}
        found = [by_video[video].get(frame) for video, frame in pairs]
        known = np.stack(
            [
                cells if marked is None else mark_unknown(cells, marked, radius)
                for cells, marked in zip(known, found, strict=True)
            ]
        )
    if margin:
        known = mark_margin(known, edge_distances(known.shape[1:]), margin)
    return _at_size(study, pairs, known, settings)


def full_labels(study, pairs):
    """Stack the labels of some frames at their own size; predictions are scored on these."""
    return np.stack([study.labels[video][frame] for video, frame in pairs])


def gold(study, video):
    """Read the gold truth of a video, which training never sees.

    Parameters
    ----------
    study : Study
    video : str

    Returns
    -------
    dict of int to ndarray of uint16, shape (M, N)
        Cells by number of the frame, as in `data.read_truth`.
    """
    return read_truth(_folder(study), video, "gold")


def markers(study, video):
    """Read the markers of a video: one in every cell of every frame.

    Parameters
    ----------
    study : Study
    video : str

    Returns
    -------
    dict of int to ndarray of uint16, shape (M, N)
        Markers by number of the frame, as in `data.read_truth`.
    """
    return read_truth(_folder(study), video, "markers")


def _folder(study):
    return plan.open_source(study.profile.settings, study.record["source"]).folder
