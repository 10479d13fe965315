"""Train one network: its batches, and a restart that leaves no trace.

What a run sees at an update depends on its seed and the number of the update alone, so that a run
that was stopped goes on from its last whole epoch as if it had never been.
"""

import functools
import math
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
from keras.callbacks import EarlyStopping, ModelCheckpoint, TerminateOnNaN

from lib.data.files import StateError, read_table, relative, write_table
from lib.network.augmentation import online_copy, static_copy
from lib.network.model import NETWORKS
from lib.network.targets import TARGETS, is_weighted, target


def limit_threads(count):
    """Let TensorFlow use so many processor threads; before its first computation, or never."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def device():
    """Name what computes, as a record: the backend, and the graphics cards that it uses."""
    if keras.backend.backend() == "jax":
        import jax

        cards = [card.device_kind for card in jax.devices() if card.platform != "cpu"]
    else:
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        cards = [details(card)["device_name"] for card in tf.config.list_physical_devices("GPU")]
    return {"backend": keras.backend.backend(), "accelerators": cards}


class Network(keras.Model):
    """A model whose weights get the name of their file when they are whole and on the disk."""

    def save_weights(self, filepath, *args, **kwargs):
        """Save weights and optimiser state; StateError names a file that cannot be written."""
        final = Path(filepath)
        partial = final.with_name(f"partial.{final.name}")
        try:
            super().save_weights(partial, *args, **kwargs)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, final)
        except OSError as error:
            raise StateError(f"{relative(final)}: cannot be written: {error}") from error


def build(settings, shape, seed, metrics=()):
    """Build and compile the network of a run for images of a shape, its weights from the seed.

    The metrics are as `keras.Model.compile` takes them, of logits; no weight of a pixel reaches
    them.
    """
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.training.precision)
    names = ("filters", "depth", "normalisation", "dropout")
    chosen = {name: getattr(settings.model, name) for name in names}
    maps = len(TARGETS[settings.training.target])
    network = NETWORKS[settings.model.network](shape, maps=maps, **chosen)
    model = Network(network.input, network.output, name=network.name)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    metrics = [*metrics, keras.metrics.MeanMetricWrapper(loss, name="unweighted_loss")]
    # JAX compiles nothing without jit; with TensorFlow a card then computes as the processor does.
    jit = keras.backend.backend() == "jax"
    model.compile(_optimiser(settings.training), loss, metrics=metrics, jit_compile=jit)
    return model


def train(model, training, validation, settings, *, seed, folder, say=print):
    """Train a network until its stopping rule holds; leave it with its best weights.

    Parameters
    ----------
    model : keras.Model
        From `build`.
    training, validation : tuple of ndarray
        Images, float32, and labels, shape (F, M, N). Validation frames are never augmented.
    settings : Settings
    seed : int
        Order of the frames and their augmentation.
    folder : Path
        Gets history.csv and checkpoints/ after each epoch; training goes on from there. Where they
        cannot be written, StateError says so.
    say : callable
        Told a line an epoch, and what is wrong with a checkpoint.

    Returns
    -------
    pandas.DataFrame
        As history.csv, a row an epoch: epoch, updates, learning_rate, loss and scores of training
        and (val_) validation, seconds. Of a weighted loss, ``loss`` is weighted, ``val_loss`` is
        not, ``val_weighted_loss`` is. Where a loss or a weight stops being a number training ends
        with losses that are not finite (`diverged`).
    """
    table, checkpoints = Path(folder) / "history.csv", Path(folder) / "checkpoints"
    last, best = checkpoints / "last.weights.h5", checkpoints / "best.weights.h5"
    history, state = _whole_epochs(table, last, best, say)
    length = epoch_updates(settings, training)
    limit = settings.training.updates or settings.training.epochs * length
    say(f"{limit} updates at most; {len(history)} epochs done before")
    if not _finished(history, settings, limit):
        model.optimizer.build(model.trainable_variables)
        if state:
            model.load_weights(state)
        weighted = is_weighted(settings, training[1], validation[1])
        masks, *weights = target(validation[1], settings, weighted)
        images = validation[0][..., None]
        # Metrics make their variables; in an update TensorFlow would have to trace it again.
        model.compute_metrics(images[:1], masks[:1], masks[:1])
        loss = "val_weighted_loss" if weighted else "val_loss"
        patience = math.inf if settings.training.updates else settings.training.patience
        stopping = EarlyStopping(loss, patience=patience, mode="min")
        record = Record(history, table, stopping, seed=seed, length=length, limit=limit, say=say)
        keep = functools.partial(ModelCheckpoint, mode="min", save_weights_only=True)
        lowest = history[loss].min() if len(history) else math.inf
        model.fit(
            Batches(training, settings, seed, first=len(history) * length, weighted=weighted),
            validation_data=(images, masks, *weights),
            validation_batch_size=1,
            epochs=math.ceil(limit / length),
            initial_epoch=len(history),
            steps_per_epoch=length,
            shuffle=False,
            verbose=0,
            # First the record, as it sets the losses that the others look at; last the weights to
            # go on from, which make the epoch whole. BackupAndRestore would keep the epoch's
            # number in another file: killed between the two, it trains an epoch twice.
            callbacks=[
                record,
                stopping,
                TerminateOnNaN(),
                keep(best, loss, save_best_only=True, initial_value_threshold=lowest),
                keep(last),
            ],
        )
        history = record.history
    if best_epoch(history):
        model.load_weights(best)
    return history


class Batches(keras.utils.PyDataset):
    """The batches of a training without end, one an update: a function of seed and update alone.

    Item n is the batch of update `first` + n: images, float32, shape (B, M, N, 1), and what
    `target` makes. With threads to spare, some are made ahead of their use.
    """

    num_batches = None

    def __init__(self, training, settings, seed, first=0, weighted=None):
        super().__init__()
        self.images, self.labels = training
        self.settings, self.seed, self.first = settings, seed, first
        self.weighted = is_weighted(settings, self.labels) if weighted is None else weighted
        self.items = _items(settings, training)
        self.spare = int(os.environ.get("STUDY_THREADS") or 1) - 1
        self.pool = ThreadPoolExecutor(self.spare) if self.spare else None
        self.waiting = {}

    def __getitem__(self, index):
        """Make the batch of an update, or wait for it."""
        if not self.pool:
            return self._batch(index)
        for ahead in range(index, index + 2 * self.spare + 1):
            if ahead not in self.waiting:
                self.waiting[ahead] = self.pool.submit(self._batch, ahead)
        return self.waiting.pop(index).result()

    def _batch(self, index):
        size = self.settings.training.batch
        start = (self.first + index) * size
        samples = [self._sample(number) for number in range(start, start + size)]
        images, labels = (np.stack(parts) for parts in zip(*samples, strict=True))
        return images[..., None], *target(labels, self.settings, self.weighted)

    def _sample(self, number):
        """Make the sample of a number since training began."""
        method = self.settings.augmentation.method
        epoch, position = divmod(number, self.items)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.items)
        frame, copy = divmod(int(order[position]), self.items // len(self.images))
        sample = self.images[frame], self.labels[frame]
        if method == "static":
            return static_copy(*sample, self.settings, seed=self.seed, frame=frame, copy=copy)
        if method == "online":
            return online_copy(*sample, self.settings, np.random.default_rng([self.seed, number]))
        return sample


class Record(keras.callbacks.Callback):
    """What Keras' callbacks leave out: a row an epoch on the disk, and no trace of a restart."""

    def __init__(self, history, table, stopping, *, seed, length, limit, say):
        super().__init__()
        self.history, self.table, self.stopping = history, table, stopping
        self.seed, self.length, self.limit, self.say = seed, length, limit, say

    def on_epoch_begin(self, epoch, logs=None):
        """Set what EarlyStopping and the generators of dropout forget at a restart."""
        self.started, self.updates = time.perf_counter(), epoch * self.length
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if epoch:
            self.stopping.best = self.history[self.stopping.monitor].min()
            self.stopping.wait = epoch - best_epoch(self.history)
        dropouts = [one for one in self.model.layers if isinstance(one, keras.layers.Dropout)]
        for number, layer in enumerate(dropouts):
            layer.seed_generator.state.assign([100 * self.seed + number, self.updates])

    def on_train_batch_end(self, batch, logs=None):
        """End the last epoch where the updates end."""
        self.updates += 1
        self.model.stop_training |= self.updates == self.limit

    def on_epoch_end(self, epoch, logs=None):
        """Write the row of the epoch."""
        if self.stopping.monitor == "val_weighted_loss":
            logs["val_weighted_loss"] = logs["val_loss"]
        logs["val_loss"] = logs.pop("val_unweighted_loss")
        del logs["unweighted_loss"]
        if not all(np.isfinite(weights).all() for weights in self.model.get_weights()):
            # On the CPU a ReLU or a pooling may turn NaN into a number, so that a network that is
            # lost has a loss of ln 2, as one that has not begun to learn.
            logs.update({name: math.nan for name in logs if name.endswith("loss")})
        names = [*self.model.get_metrics_result()]
        names += [*(f"val_{name}" for name in names), "val_weighted_loss"]
        row = {"epoch": epoch + 1, "updates": self.updates, "learning_rate": self.rate}
        row |= {name: logs[name] for name in names if name in logs}
        row["seconds"] = time.perf_counter() - self.started
        self.history = pd.DataFrame([*self.history.to_dict("records"), row])
        write_table(self.table, self.history)
        self.model.stop_training |= diverged(self.history)
        left = (self.limit - self.updates) * self.history.seconds.sum() / self.updates
        self.say(
            f"epoch {epoch + 1}  update {self.updates}/{self.limit}  loss {row['loss']:.3f}  "
            f"val {row['val_loss']:.3f}  val F1 {row.get('val_f1', math.nan):.3f}  "
            f"{math.ceil(left / 60)} min left at most"
        )


def save_model(model, path):
    """Save a network as a .keras file for prediction, without what only training needs."""
    try:
        keras.Model(model.input, model.output, name=model.name).save(path)
    except OSError as error:
        raise StateError(f"{relative(path)}: cannot be written: {error}") from error


def diverged(history):
    """Whether training stopped because a loss was no longer a number."""
    return not np.isfinite(history[["loss", "val_loss"]].iloc[-1]).all()


def best_epoch(history):
    """Find the epoch of the lowest validation loss, weighted where training's is; None without."""
    losses = history.get("val_weighted_loss", history["val_loss"])
    losses = losses[np.isfinite(losses)]
    return int(history.epoch[losses.idxmin()]) if len(losses) else None


def epoch_updates(settings, training):
    """Count the updates in an epoch: as set, or one pass over the arm's frames."""
    passes = _items(settings, training) // settings.training.batch
    return settings.training.epoch_updates or max(1, passes)


def _items(settings, training):
    copied = settings.augmentation.method in ("static", "repeat")
    return len(training[0]) * (settings.augmentation.copies if copied else 1)


def _optimiser(chosen):
    rate = chosen.learning_rate
    if chosen.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, chosen.updates)
    if chosen.optimiser == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.SGD(rate, momentum=chosen.momentum, nesterov=True)


def _finished(history, settings, limit):
    if history.empty or diverged(history):
        return len(history) > 0
    waited = 0 if settings.training.updates else len(history) - best_epoch(history)
    return history.updates.iloc[-1] >= limit or waited >= settings.training.patience


def _whole_epochs(table, last, best, say):
    """Read the history up to weights that are whole, and name these; what is broken is said."""
    for weights in (last, best):
        if weights.exists():
            try:
                updates, history = _updates(weights), read_table(table)
                # A row is written before its weights, so that there may be one too many.
                history = history[history["updates"] <= updates]
                if updates not in history["updates"].values:
                    raise StateError(f"{relative(table)}: update {updates} is missing")
                if best_epoch(history):
                    _updates(best)
                return history, weights
            except (StateError, KeyError) as error:
                say(f"training goes on from an earlier epoch, or begins anew: {error}")
    shutil.rmtree(last.parent, ignore_errors=True)
    return pd.DataFrame(), None


def _updates(weights):
    """Read after how many updates a file was written."""
    try:
        with h5py.File(weights) as file:
            return int(file["optimizer/vars/0"][()])
    except (OSError, KeyError) as error:
        raise StateError(f"{relative(weights)}: cannot be read whole: {error}") from error
