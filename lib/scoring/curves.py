"""Pixel scores as curves of training: Keras metrics that add up counts over an epoch."""

import keras
from keras import ops

from lib.scoring.pixels import COUNTS, SCORES


class PixelScore(keras.metrics.Metric):
    """A score of `SCORES`, by its name, of all pixels since the last reset, from logits.

    Averaging the scores of batches instead, as the original does, weighs a frame without
    foreground like any other and depends on the batch size.
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


def pixel_metrics():
    """Make the metrics that a network is compiled with: one a score, and the original's F1."""
    return [*map(PixelScore, SCORES), batch_f1]


def _batch_counts(y_true, y_pred):
    # The first map is the foreground; what further ones hold is not scored here.
    truth, positive = y_true[..., 0] > 0.5, y_pred[..., 0] > 0
    parts = truth & positive, ~truth & positive, truth & ~positive, ~truth & ~positive
    return [ops.sum(ops.cast(part, "int32")) for part in parts]
