"""Score a trained network on frames it has not seen, and keep what the figures need."""

import keras
import numpy as np
import pandas as pd
from skimage.transform import resize

from lib import metrics
from lib.arrays import to_mask


def predict(model, images):
    """Foreground probability of each pixel.

    Parameters
    ----------
    model : keras.Model
        With logits as output.
    images : ndarray of float32, shape (F, M, M)

    Returns
    -------
    ndarray of float32, shape (F, M, M)
    """
    logits = [model.predict_on_batch(image[None, ..., None])[0, ..., 0] for image in images]
    return keras.ops.convert_to_numpy(keras.ops.sigmoid(np.stack(logits)))


def frame_metrics(pairs, labels, probabilities, threshold):
    """Score predictions frame by frame, at the size of the labels.

    A network that sees 128 px is scored on the 512 px of the labels, so that the scores of sizes
    can be compared: probabilities are interpolated linearly, then thresholded.

    Parameters
    ----------
    pairs : list of tuple
        Video and frame number.
    labels : ndarray of int, shape (F, M, N)
        Cells at their own size.
    probabilities : ndarray of float, shape (F, K, K)
    threshold : float
        Probability from which a pixel counts as cell.

    Returns
    -------
    pandas.DataFrame
        video, frame, metric, value; the scores of `lib.metrics` and the counts behind them.
    """
    rows = []
    for (video, frame), truth, probability in zip(pairs, labels, probabilities, strict=True):
        full = resize(probability, truth.shape, order=1, mode="edge", anti_aliasing=False)
        rows += mask_rows(video, frame, to_mask(truth), full >= threshold)
    return pd.DataFrame(rows)


def mask_rows(video, frame, mask, prediction):
    """Rows of a metrics table for one frame: counts and scores.

    Parameters
    ----------
    video : str
    frame : int
    mask, prediction : ndarray, shape (M, N)

    Returns
    -------
    list of dict
        video, frame, metric, value.
    """
    counts = metrics.count(mask, prediction)
    values = counts | metrics.scores(counts)
    return [
        {"video": video, "frame": frame, "metric": metric, "value": value}
        for metric, value in values.items()
    ]


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


def save_examples(path, pairs, images, labels, probabilities):
    """Keep a few frames with their predictions, as arrays without pickle.

    Parameters
    ----------
    path : Path
        An .npz file.
    pairs : list of tuple
        Video and frame number.
    images, labels, probabilities : ndarray, shape (F, M, M)
        At the size that the network sees.
    """
    np.savez_compressed(
        path,
        video=np.array([video for video, _ in pairs]),
        frame=np.array([frame for _, frame in pairs]),
        image=np.float16(images),
        labels=np.uint16(labels),
        probability=np.float16(probabilities),
    )


def read_example(path):
    """Read the middle one of the frames that a run kept.

    Parameters
    ----------
    path : Path
        From `save_examples`.

    Returns
    -------
    dict
        video, frame, image, labels and probability of one frame.
    """
    with np.load(path, allow_pickle=False) as kept:
        middle = len(kept["frame"]) // 2
        return {name: kept[name][middle] for name in kept.files}
