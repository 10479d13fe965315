"""Pixel scores from counts of true and false positives and negatives.

A score is added here and nowhere else: a function of the four counts in `SCORES` becomes a column
of metrics.csv, a curve of training (`lib.scoring.curves`) and ``<name>_pooled`` in summary.csv.
One whose denominator is 0 is undefined and NaN, never 0 or 1.
"""

import numpy as np

from lib.data.arrays import UNKNOWN

COUNTS = ("tp", "fp", "fn", "tn")


def f1(tp, fp, fn, tn):
    """Dice coefficient of the foreground, 2 TP / (2 TP + FP + FN)."""
    return 2 * tp / (2 * tp + fp + fn)


def iou(tp, fp, fn, tn):
    """Jaccard index of the foreground, TP / (TP + FP + FN)."""
    return tp / (tp + fp + fn)


def mean_iou(tp, fp, fn, tn):
    """Mean of the Jaccard indices of foreground and background, as Keras' MeanIoU."""
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


def count(labels, cells):
    """Count pixels of a prediction against the truth."""
    labels, cells = np.asarray(labels), np.asarray(cells)
    if labels.shape != cells.shape:
        raise ValueError(f"labels {labels.shape} and cells {cells.shape} differ in shape")
    known = labels != UNKNOWN
    mask, found = (labels > 0) & known, (cells > 0) & known
    tp = int((mask & found).sum())
    fp, fn = int(found.sum()) - tp, int(mask.sum()) - tp
    return {"tp": tp, "fp": fp, "fn": fn, "tn": int(known.sum()) - tp - fp - fn}


def scores(counts):
    """Compute every score from a mapping with tp, fp, fn and tn; NaN where undefined."""
    numbers = [np.float64(counts[name]) for name in COUNTS]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {name: float(score(*numbers)) for name, score in SCORES.items()}


def one_answer(probabilities, threshold):
    """Measure how much of what a run answers does not depend on the image."""
    found = np.asarray(probabilities) >= threshold
    return float((found == found[0]).all(axis=0).mean())
