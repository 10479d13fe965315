"""What can be scored without a network, with constants that are chosen on the training side."""

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage import morphology

from lib.data.arrays import UNKNOWN, full_labels
from lib.scoring import pixels
from lib.scoring.cells import without_unknown
from lib.scoring.segment import to_cells


def predictions(data, split):
    """Predict the cells of the test frames of a fold, by baseline.

    ``image_blind`` marks pixels at random, at the rate that scores best on the training side;
    ``local_variance`` thresholds the local standard deviation; ``previous_frame`` takes the labels
    of the frame before, which no network sees (None where there are none).
    """
    rng, train = np.random.default_rng(0), full_labels(data, split.train)
    rate = best_blind_rate(np.mean(train[train != UNKNOWN] > 0))
    fitted, rows = _fit_local_variance(data, split.train), []
    for video, frame in split.test:
        row = {"all_foreground": np.ones(data.shape, np.uint8)}
        row["image_blind"] = to_cells(rng.random(data.shape) < rate)
        row["local_variance"] = to_cells(local_variance_mask(data.images[video][frame], *fitted))
        row["previous_frame"] = None
        if frame - 1 in data.record["labelled"][video]:
            row["previous_frame"] = without_unknown(data.labels[video][frame - 1])
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]}


def best_blind_rate(share):
    """Find the rate of marking pixels at random with the best expected mean IoU; F1's is 1."""
    rates = np.linspace(0.01, 1, 100)
    counts = share * rates, (1 - share) * rates, share * (1 - rates), (1 - share) * (1 - rates)
    with np.errstate(invalid="ignore"):  # where all is known to be cell there is no background
        return float(rates[np.argmax(pixels.SCORES["mean_iou"](*counts))])


def local_variance_mask(image, window, threshold):
    """Mark where the local deviation is above a threshold; close gaps, fill holes, drop specks."""
    textured = local_deviation(image, window) > threshold
    radius = max(1, window // 3)
    # Without the padding a closing takes a rim off what touches the border.
    closed = ndimage.binary_closing(np.pad(textured, radius), morphology.disk(radius))
    filled = ndimage.binary_fill_holes(closed[radius:-radius, radius:-radius])
    return morphology.remove_small_objects(filled, max_size=image.size // 200)


def local_deviation(image, window):
    """Compute the standard deviation in a square window, of side `window` px, around each pixel."""
    image = np.asarray(image, float)
    mean = ndimage.uniform_filter(image, window)
    return np.sqrt(np.maximum(ndimage.uniform_filter(image**2, window) - mean**2, 0))


def _fit_local_variance(data, pairs):
    """Find window and threshold with the best pooled F1 on a tenth of the training frames."""
    pairs, trials = pairs[::10], {}
    labels, images = full_labels(data, pairs), [data.images[video][frame] for video, frame in pairs]
    for window in {max(3, round(max(data.shape) * share)) for share in (1 / 64, 1 / 34, 1 / 20)}:
        deviations = np.concatenate([local_deviation(image, window).ravel() for image in images])
        for threshold in np.quantile(deviations, (0.3, 0.4, 0.5, 0.6, 0.7)):
            masks = [local_variance_mask(image, window, threshold) for image in images]
            counts = pd.DataFrame(map(pixels.count, labels, masks)).sum()
            trials[window, threshold] = pixels.scores(counts)["f1"]
    return max(trials, key=trials.get)
