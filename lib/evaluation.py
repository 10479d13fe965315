"""Score a trained network on frames it has not seen, and keep what the figures need."""

import numpy as np
import pandas as pd
from scipy.special import expit

from lib import metrics
from lib.files import read_arrays
from lib.instances import enlarge, seg_scores, to_cells

# Steps of probability in a kept prediction. With 255 the file would be twice as large.
STEPS = 31


def predict(model, images):
    """Compute what a network answers in each pixel, as numbers from 0 to 1.

    Parameters
    ----------
    model : keras.Model
        With logits as output.
    images : ndarray of float32, shape (F, M, M)

    Returns
    -------
    ndarray of float32, shape (F, M, M, T)
        Foreground probability, and what else the network was trained to answer.
    """
    logits = [model.predict_on_batch(image[None, ..., None])[0] for image in images]
    return expit(np.stack(logits))


def predict_turned(model, images):
    """Average what a network answers to the eight flips and quarter turns of an image.

    Parameters
    ----------
    model, images
        As for `predict`.

    Returns
    -------
    ndarray of float32, shape (F, M, M, T)
    """
    answers = []
    for turns in range(4):
        turned = np.rot90(images, turns, axes=(1, 2))
        for direction in (1, -1):
            answer = predict(model, turned[..., ::direction])[:, :, ::direction]
            answers.append(np.rot90(answer, -turns, axes=(1, 2)))
    return np.mean(answers, axis=0)


def split_maps(answer, target):
    """Tell the foreground from the map that cells are cut out of.

    Parameters
    ----------
    answer : ndarray of float, shape (F, M, M, T)
        From `predict`.
    target : str
        training.target of the run.

    Returns
    -------
    dict of str to ndarray, shape (F, M, M)
        probability, of the foreground; and inside, where the two are not the same: for the target
        ``border`` the probability of a pixel that touches no other cell, for ``distance`` the
        distance to the border of the cell.
    """
    maps = {"probability": answer[..., 0]}
    if target == "border":
        maps["inside"] = answer[..., 0] * (1 - answer[..., 1])
    if target == "distance":
        maps["inside"] = answer[..., 1]
    return maps


def quantise(probabilities):
    """Round probabilities to the steps in which predictions are kept; finer ones are mostly noise.

    Parameters
    ----------
    probabilities : ndarray of float, shape (F, M, M)
        NaN, the answer of a network that was lost, is kept as 0.

    Returns
    -------
    ndarray of uint8, shape (F, M, M)
        From 0 to `STEPS`.
    """
    return np.uint8(np.round(STEPS * np.nan_to_num(probabilities)))


def frame_metrics(pairs, labels, probabilities, threshold):
    """Score predictions frame by frame, at the size of the labels.

    A network that sees 128 px is scored on the 512 px of the labels, so that the scores of sizes
    can be compared.

    Parameters
    ----------
    pairs : list of tuple
        Video and frame number.
    labels : ndarray of int, shape (F, M, N)
        Cells at their own size.
    probabilities : ndarray of uint8, shape (F, K, K)
        In `STEPS` steps, from `quantise`.
    threshold : float
        Probability from which a pixel counts as cell.

    Returns
    -------
    pandas.DataFrame
        video, frame, metric, value, as in `frame_rows`.
    """
    rows = []
    for (video, frame), truth, probability in zip(pairs, labels, probabilities, strict=True):
        rows += frame_rows(video, frame, truth, cells_of(probability, truth.shape, threshold))
    return pd.DataFrame(rows)


def cells_of(probability, shape, threshold):
    """Find the cells of a frame: probabilities interpolated linearly, thresholded, components.

    Parameters
    ----------
    probability : ndarray of uint8, shape (K, K)
        In `STEPS` steps.
    shape : tuple of int
        Rows and columns wanted.
    threshold : float
        Probability from which a pixel counts as cell.

    Returns
    -------
    ndarray of int, shape (M, N)
        Instance ids.
    """
    return to_cells(enlarge(probability / STEPS, shape) >= threshold)


def frame_rows(video, frame, labels, cells):
    """Rows of a metrics table for one frame: pixel counts and scores, and SEG.

    Parameters
    ----------
    video : str
    frame : int
    labels, cells : ndarray of int, shape (M, N)
        True and predicted instance ids.

    Returns
    -------
    list of dict
        video, frame, metric, value. ``seg_st`` is the mean over the true cells of the frame.
    """
    counts = metrics.count(labels, cells)
    found = seg_scores(labels, cells)
    values = counts | metrics.scores(counts)
    values["seg_st"] = float(found.mean()) if len(found) else np.nan
    return [
        {"video": video, "frame": frame, "metric": metric, "value": value}
        for metric, value in values.items()
    ]


def save_predictions(path, pairs, maps):
    """Keep every prediction of a run, so that it can be scored anew without its network.

    Parameters
    ----------
    path : Path
        An .npz file.
    pairs : list of tuple
        Video and frame number, of validation frames and then of test frames.
    maps : dict of str to ndarray of uint8, shape (F, M, M)
        Predictions by name, in `STEPS` steps.
    """
    np.savez_compressed(
        path,
        video=np.array([video for video, _ in pairs]),
        frame=np.array([frame for _, frame in pairs]),
        steps=STEPS,
        **maps,
    )


def read_predictions(path):
    """Read what a run predicted.

    Parameters
    ----------
    path : Path
        From `save_predictions`.

    Returns
    -------
    pairs : list of tuple
        Video and frame number.
    maps : dict of str to ndarray of float, shape (F, M, M)
        Predictions by name, from 0 to 1.

    Raises
    ------
    StateError
        If the file is missing or broken.
    """
    names = ("steps", "video", "frame")
    arrays = read_arrays(path, "predictions of a run", names)
    steps, videos, frames = (arrays.pop(name) for name in names)
    pairs = list(zip(videos.tolist(), frames.tolist(), strict=True))
    return pairs, {name: values / steps for name, values in arrays.items()}


def spread(count, chosen):
    """Choose a few frames, evenly spread from the first to the last.

    Parameters
    ----------
    count, chosen : int
        Number of frames there are, and to choose.

    Returns
    -------
    list of int
    """
    return sorted({int(index) for index in np.linspace(0, count - 1, min(chosen, count))})


def choose_examples(frame_scores, chosen):
    """Choose the frames that a run keeps: a few evenly spread, its worst and its best by F1.

    Parameters
    ----------
    frame_scores : pandas.DataFrame
        From `frame_metrics`; frames in the order of the predictions.
    chosen : int
        How many are evenly spread.

    Returns
    -------
    dict of str to int
        Position of each frame by its role: spread0, spread1, ..., worst, best. The last two are
        missing where F1 is undefined on every frame.
    """
    f1 = frame_scores[frame_scores.metric == "f1"].value.reset_index(drop=True)
    roles = {f"spread{n}": place for n, place in enumerate(spread(len(f1), chosen))}
    if f1.notna().any():
        roles |= {"worst": int(f1.idxmin()), "best": int(f1.idxmax())}
    return roles


def save_examples(path, roles, pairs, images, labels, probabilities):
    """Keep a few frames with their predictions, as arrays without pickle.

    Parameters
    ----------
    path : Path
        An .npz file.
    roles : sequence of str
        What each frame is an example of.
    pairs : list of tuple
        Video and frame number.
    images, labels, probabilities : ndarray, shape (F, M, M)
        At the size that the network sees.
    """
    np.savez_compressed(
        path,
        role=np.array(roles),
        video=np.array([video for video, _ in pairs]),
        frame=np.array([frame for _, frame in pairs]),
        image=_grey_levels(images),
        labels=np.uint16(labels),
        probability=np.float16(probabilities),
    )


def _grey_levels(images):
    """Bring each image to 256 grey levels, enough to be looked at."""
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    return np.uint8(np.round(255 * (images - low) / np.maximum(high - low, 1e-6)))


def read_example(path, role="middle"):
    """Read one of the frames that a run kept.

    Parameters
    ----------
    path : Path
        From `save_examples`.
    role : str
        A role in the file, or ``middle`` for the middle one of those that are evenly spread.

    Returns
    -------
    dict or None
        role, video, frame, image, labels and probability of one frame; None where no frame has
        the role.
    """
    with np.load(path, allow_pickle=False) as kept:
        roles = list(kept["role"])
        if role == "middle":
            role = f"spread{sum(name.startswith('spread') for name in roles) // 2}"
        if role not in roles:
            return None
        return {name: kept[name][roles.index(role)] for name in kept.files}
