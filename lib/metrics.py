"""Pixel scores from counts of true and false positives and negatives.

The same formulas serve the evaluation and the training curves (`lib.curve_metrics`). A score whose
denominator is 0 is undefined and NaN, never 0 or 1.
"""

import numpy as np

COUNTS = ("tp", "fp", "fn", "tn")


def f1(tp, fp, fn, tn):
    """Dice coefficient of the foreground, 2 TP / (2 TP + FP + FN)."""
    return 2 * tp / (2 * tp + fp + fn)


def iou(tp, fp, fn, tn):
    """Jaccard index of the foreground, TP / (TP + FP + FN)."""
    return tp / (tp + fp + fn)


def mean_iou(tp, fp, fn, tn):
    """Mean of the Jaccard indices of foreground and background.

    Keras' MeanIoU is the same, but leaves out a class that is neither in the truth nor predicted.
    """
    return (tp / (tp + fp + fn) + tn / (tn + fp + fn)) / 2


def precision(tp, fp, fn, tn):
    """Share of predicted foreground that is foreground."""
    return tp / (tp + fp)


def recall(tp, fp, fn, tn):
    """Share of foreground that is predicted."""
    return tp / (tp + fn)


def accuracy(tp, fp, fn, tn):
    """Share of pixels that are right."""
    return (tp + tn) / (tp + fp + fn + tn)


SCORES = {score.__name__: score for score in (f1, iou, mean_iou, precision, recall, accuracy)}


def count(mask, prediction):
    """Count pixels of a prediction against the truth.

    Parameters
    ----------
    mask, prediction : ndarray, shape (M, N)
        Truth and prediction; anything not 0 is foreground.

    Returns
    -------
    dict
        tp, fp, fn and tn, whole numbers.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    mask, prediction = np.asarray(mask, bool), np.asarray(prediction, bool)
    if mask.shape != prediction.shape:
        raise ValueError(f"mask {mask.shape} and prediction {prediction.shape} differ in shape")
    tp = int((mask & prediction).sum())
    fp, fn = int(prediction.sum()) - tp, int(mask.sum()) - tp
    return {"tp": tp, "fp": fp, "fn": fn, "tn": mask.size - tp - fp - fn}


def scores(counts):
    """Every pixel score of a set of counts.

    Parameters
    ----------
    counts : mapping
        tp, fp, fn and tn.

    Returns
    -------
    dict
        f1, iou, mean_iou, precision, recall, accuracy; NaN where undefined.
    """
    numbers = [np.float64(counts[name]) for name in COUNTS]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: float(score(*numbers)) for name, score in SCORES.items()}


def blind_guess(f1, foreground):
    """Find the guess without a look at the image that scores a given F1.

    Where a share p of the pixels is foreground, marking a share q at random has the expected
    F1 2pq / (p + q).

    Parameters
    ----------
    f1 : float
        The score to be had, of 0 to 1.
    foreground : float
        Share of the pixels that is foreground.

    Returns
    -------
    marked : float
        Share of the pixels to mark; NaN where not even marking all of them scores that.
    mean_iou : float
        Mean IoU of that guess, or NaN.
    """
    if f1 > 2 * foreground / (1 + foreground):
        return np.nan, np.nan
    marked = foreground * f1 / (2 * foreground - f1)
    found = foreground * marked
    return marked, mean_iou(
        found, marked - found, foreground - found, 1 - foreground - marked + found
    )
