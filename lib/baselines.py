"""What can be scored without a network: the floor under every result.

Constants are chosen on the training side of a fold and scored on its test side, as a network is.
"""

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage import morphology

from lib import metrics, plan
from lib.arrays import to_mask
from lib.evaluation import frame_rows
from lib.instances import to_cells
from lib.study import full_labels

# Windows of the local deviation and thresholds tried, as shares of the size and quantiles.
WINDOWS = (1 / 64, 1 / 34, 1 / 20)
QUANTILES = (0.3, 0.4, 0.5, 0.6, 0.7)


def baseline_metrics(study):
    """Score the baselines on the test side of every fold of a profile.

    ``all_foreground`` marks every pixel. ``image_blind`` marks pixels at random at the rate that
    scores best on the training side, without looking at the image. ``local_variance`` thresholds
    the local standard deviation, with morphology. ``previous_frame`` takes the true labels of the
    frame before, which no network sees: it tells how alike neighbours are.

    Parameters
    ----------
    study : study.Study

    Returns
    -------
    pandas.DataFrame
        arm, fold, seed, video, frame, metric, value.
    """
    tables = []
    for fold in study.profile.settings["grid.folds"]:
        split = plan.read_split(study.profile.settings, fold, study.record, study.profile.outputs)
        for arm, predicted in predictions(study, split).items():
            rows = [
                row | {"arm": arm, "fold": fold, "seed": 0}
                for (video, frame), truth, prediction in zip(
                    split.test, full_labels(study, split.test), predicted, strict=True
                )
                if prediction is not None
                for row in frame_rows(video, frame, truth, prediction)
            ]
            tables.append(pd.DataFrame(rows))
    columns = ["arm", "fold", "seed", "video", "frame", "metric", "value"]
    return pd.concat(tables, ignore_index=True)[columns]


def best_blind_rate(masks):
    """Rate of marking pixels at random that has the best expected mean IoU.

    The best rate for F1 is always 1, which is the baseline ``all_foreground``.

    Parameters
    ----------
    masks : ndarray, shape (F, M, N)
        Truth of the training side.

    Returns
    -------
    float
    """
    share = np.mean(masks)
    rates = np.linspace(0.01, 1, 100)
    expected = [
        metrics.mean_iou(
            share * rate, (1 - share) * rate, share * (1 - rate), (1 - share) * (1 - rate)
        )
        for rate in rates
    ]
    return float(rates[int(np.argmax(expected))])


def local_variance_mask(image, window, threshold):
    """Threshold the local standard deviation, close gaps, fill holes, drop specks.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    window : int
        Side of the window, px.
    threshold : float
        Standard deviation from which a pixel counts as cell, grey levels.

    Returns
    -------
    ndarray of bool, shape (M, N)
    """
    textured = local_deviation(image, window) > threshold
    radius = max(1, window // 3)
    # Without the padding a closing takes a rim off what touches the border.
    closed = ndimage.binary_closing(np.pad(textured, radius), morphology.disk(radius))
    filled = ndimage.binary_fill_holes(closed[radius:-radius, radius:-radius])
    return morphology.remove_small_objects(filled, max_size=image.size // 200)


def local_deviation(image, window):
    """Compute the standard deviation in a square window around each pixel.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    window : int
        Side of the window, px.

    Returns
    -------
    ndarray of float, shape (M, N)
    """
    image = np.asarray(image, float)
    mean = ndimage.uniform_filter(image, window)
    return np.sqrt(np.maximum(ndimage.uniform_filter(image**2, window) - mean**2, 0))


def predictions(study, split):
    """Make what each baseline predicts for the test frames of a fold.

    Parameters
    ----------
    study : study.Study
    split : splits.Split

    Returns
    -------
    dict of str to sequence of ndarray, shape (M, N)
        Cells of each frame, as in `baseline_metrics`; None where a frame has none before it.
    """
    rng = np.random.default_rng(study.profile.settings["split.seed"])
    masks = to_mask(full_labels(study, split.test))
    rate = best_blind_rate(to_mask(full_labels(study, split.train)))
    window, threshold = _fit_local_variance(study, split.train)
    return {
        "all_foreground": np.ones_like(masks),
        "image_blind": [to_cells(rng.random(mask.shape) < rate) for mask in masks],
        "local_variance": [
            to_cells(local_variance_mask(study.images[video][frame], window, threshold))
            for video, frame in split.test
        ],
        "previous_frame": [
            study.labels[video][frame - 1] if frame else None for video, frame in split.test
        ],
    }


def _fit_local_variance(study, pairs):
    """Window and threshold with the best pooled F1 on a tenth of the training frames."""
    pairs = pairs[::10]
    masks = to_mask(full_labels(study, pairs))
    images = [study.images[video][frame] for video, frame in pairs]
    trials = {}
    for window in {max(3, round(share * masks.shape[1])) for share in WINDOWS}:
        deviations = np.concatenate([local_deviation(image, window).ravel() for image in images])
        for threshold in np.quantile(deviations, QUANTILES):
            counts = [
                metrics.count(mask, local_variance_mask(image, window, threshold))
                for mask, image in zip(masks, images, strict=True)
            ]
            pooled = pd.DataFrame(counts).sum()
            trials[window, float(threshold)] = metrics.scores(pooled)["f1"]
    return max(trials, key=trials.get)
