"""Pixel scores as curves of training: Keras metrics that add up counts over an epoch."""

import keras
from keras import ops

from lib.scoring.pixels import COUNTS, SCORES

BLOCK = 2**20  # pixels that are carried as one


class PixelScore(keras.metrics.Metric):
    """A score of `SCORES`, by its name, of all pixels since the last reset, from logits."""

    def __init__(self, name):
        super().__init__(name=name)
        self.score, shape = SCORES[name], (len(COUNTS),)
        # JAX makes float32 of float64, which alone would lose pixels from 16.7 million on.
        self.blocks = self.add_variable(shape, "zeros", dtype="float32", name="blocks")
        self.rest = self.add_variable(shape, "zeros", dtype="float32", name="rest")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add the pixels of a batch; pixel weights belong to the loss alone."""
        total = ops.cast(self.rest, "int32") + _batch_counts(y_true, y_pred)
        self.blocks.assign_add(ops.cast(total // BLOCK, "float32"))
        self.rest.assign(ops.cast(total % BLOCK, "float32"))

    def result(self):
        """Score of the counts so far."""
        counts = BLOCK * ops.cast(self.blocks, "float64") + ops.cast(self.rest, "float64")
        return self.score(*ops.unstack(counts))


def batch_f1(y_true, y_pred):
    """F1 of a batch as the original has it, 0 where undefined; Keras averages it over an epoch."""
    tp, fp, fn, _ = ops.unstack(ops.cast(_batch_counts(y_true, y_pred), "float32"))
    return 2 * tp / (2 * tp + fp + fn + keras.config.epsilon())


def pixel_metrics():
    """Make the metrics of a network: one a score, and the original's F1."""
    return [*map(PixelScore, SCORES), batch_f1]


def _batch_counts(y_true, y_pred):
    # The first map is the foreground; what further ones hold is not scored here.
    truth, positive = y_true[..., 0] > 0.5, y_pred[..., 0] > 0
    parts = truth & positive, ~truth & positive, truth & ~positive, ~truth & ~positive
    return ops.stack([ops.sum(ops.cast(part, "int32")) for part in parts])
