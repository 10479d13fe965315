"""Pixel scores from counts of true and false positives and negatives.

The same formulas serve the evaluation (numpy) and the training curves (Keras metrics that add up
counts over an epoch). A score whose denominator is 0 is undefined and NaN, never 0 or 1.
"""

import keras
import numpy as np
from keras import ops

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


class PixelScore(keras.metrics.Metric):
    """A pixel score of all pixels since the last reset, from logits.

    Averaging the scores of batches instead, as the original does, weighs a frame without
    foreground like any other and depends on the batch size.

    Parameters
    ----------
    name : str
        One of the names in `SCORES`.
    """

    def __init__(self, name):
        super().__init__(name=name)
        self.score = SCORES[name]
        # float64 counts exactly; float32 would stop at 16.7 million pixels.
        self.counts = [
            self.add_variable((), "zeros", dtype="float64", name=part) for part in COUNTS
        ]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add the pixels of a batch; pixel weights belong to the loss and are left out here."""
        for variable, number in zip(self.counts, _batch_counts(y_true, y_pred), strict=True):
            variable.assign_add(ops.cast(number, "float64"))

    def result(self):
        """Score of the counts so far."""
        return self.score(*[ops.convert_to_tensor(part) for part in self.counts])


def batch_f1(y_true, y_pred):
    """F1 of one batch as the original computes it: rounded probabilities, 0 where undefined.

    Keras averages it over the batches of an epoch; at a batch of one frame that is the mean over
    frames of Figure 6.
    """
    tp, fp, fn, _ = (ops.cast(part, "float32") for part in _batch_counts(y_true, y_pred))
    return 2 * tp / (2 * tp + fp + fn + keras.config.epsilon())


def _batch_counts(y_true, y_pred):
    # The first map is the foreground; what further ones hold is not scored here.
    truth, positive = y_true[..., 0] > 0.5, y_pred[..., 0] > 0
    return [
        ops.sum(ops.cast(part, "int32"))
        for part in (
            truth & positive,
            ~truth & positive,
            truth & ~positive,
            ~truth & ~positive,
        )
    ]
