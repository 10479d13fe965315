"""Pixel scores: a score is added in `SCORES`, a function of four counts, and nowhere else."""

import numpy as np

from lib.data.arrays import UNKNOWN

COUNTS = ("tp", "fp", "fn", "tn")
SCORES = {
    # Dice coefficient and Jaccard index of the foreground.
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "iou": lambda tp, fp, fn, tn: tp / (tp + fp + fn),
    # Mean of the Jaccard indices of foreground and background, as Keras' MeanIoU.
    "mean_iou": lambda tp, fp, fn, tn: (tp / (tp + fp + fn) + tn / (tn + fp + fn)) / 2,
    "precision": lambda tp, fp, fn, tn: tp / (tp + fp),
    "recall": lambda tp, fp, fn, tn: tp / (tp + fn),
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
}


def count(labels, cells):
    """Count pixels of a prediction against the truth."""
    known = labels != UNKNOWN
    mask, found = (labels > 0) & known, (cells > 0) & known
    tp = int((mask & found).sum())
    fp, fn = int(found.sum()) - tp, int(mask.sum()) - tp
    return {"tp": tp, "fp": fp, "fn": fn, "tn": int(known.sum()) - tp - fp - fn}


@np.errstate(invalid="ignore", divide="ignore")
def scores(counts):
    """Compute every score from a mapping with tp, fp, fn and tn; NaN where undefined."""
    numbers = [np.float64(counts[name]) for name in COUNTS]
    return {name: float(score(*numbers)) for name, score in SCORES.items()}


def one_answer(probabilities, threshold):
    """Measure how much of what a run answers does not depend on the image."""
    found = np.asarray(probabilities) >= threshold
    return float((found == found[0]).all(axis=0).mean())
