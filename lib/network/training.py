"""Train one network, so that a run that was stopped goes on as if it had never been."""

import math
import os
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd

from lib.data.files import StateError, named, read_table, relative, whole, write_table
from lib.network.augmentation import online_copy, static_copy
from lib.network.model import NETWORKS
from lib.network.targets import TARGETS, is_weighted, target


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


def build(settings, shape, seed, metrics=()):
    """Build and compile the network of a run, its weights from the seed; metrics are of logits."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.training.precision)
    options, chosen = settings.model.model_dump(), settings.training
    network = NETWORKS[options.pop("network")]
    model = network(shape, maps=len(TARGETS[chosen.target]), **options)
    rate = chosen.learning_rate
    if chosen.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, chosen.updates)
    optimiser = keras.optimizers.Adam(rate)
    if chosen.optimiser == "sgd":
        optimiser = keras.optimizers.SGD(rate, momentum=chosen.momentum, nesterov=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    metrics = [*metrics, keras.metrics.MeanMetricWrapper(loss, name="unweighted_loss")]
    # JAX compiles nothing without jit; with TensorFlow a card then computes as the processor does.
    model.compile(optimiser, loss, metrics=metrics, jit_compile=keras.backend.backend() == "jax")
    return model


def train(model, training, validation, settings, *, seed, folder, say=print):
    """Train a network from `build` until its stopping rule holds; leave it with its best weights.

    `training` and `validation` are images, float32, and labels, (F, M, N) each. `folder` gets
    history.csv and checkpoints/ after each epoch, from which a restart goes on. Of a weighted loss
    ``loss`` and ``val_weighted_loss`` are weighted, and ``val_loss`` is not.
    """
    batches = Batches(training, settings, seed, is_weighted(settings, training[1], validation[1]))
    record = Record(Path(folder), batches, say)
    state, done = record.resume(), len(record.history)
    batches.first = done * batches.length
    say(f"{record.limit} updates at most; {done} epochs done before")
    if not record.is_finished():
        model.optimizer.build(model.trainable_variables)
        if state:
            model.load_weights(state)
        masks, *weights = target(validation[1], settings, batches.weighted)
        images = validation[0][..., None]
        # Metrics make their variables; in an update TensorFlow would have to trace it again.
        model.compute_metrics(images[:1], masks[:1], masks[:1])
        model.fit(
            batches,
            validation_data=(images, masks, *weights),
            validation_batch_size=1,
            epochs=math.ceil(record.limit / batches.length),
            initial_epoch=done,
            steps_per_epoch=batches.length,
            shuffle=False,
            verbose=0,
            callbacks=[record, keras.callbacks.TerminateOnNaN()],
        )
    if best_epoch(record.history):
        model.load_weights(record.best)
    return record.history


class Batches(keras.utils.PyDataset):
    """The batches of a run, without end; each depends on seed and number of the update alone."""

    num_batches = None

    def __init__(self, training, settings, seed, weighted=None):
        super().__init__(workers=int(os.environ.get("STUDY_THREADS") or 1))
        self.images, self.labels = training
        self.settings, self.seed, self.first, self.weighted = settings, seed, 0, weighted
        chosen, size = settings.augmentation, settings.training.batch
        self.copies = chosen.copies if chosen.method in ("static", "repeat") else 1
        self.items = len(self.images) * self.copies
        self.length = settings.training.epoch_updates or max(1, self.items // size)

    def __getitem__(self, index):
        """Make the batch of an update: images, float32, (B, M, N, 1), and what `target` makes."""
        size = self.settings.training.batch
        start = (self.first + index) * size
        samples = [self._sample(number) for number in range(start, start + size)]
        images, labels = (np.stack(parts) for parts in zip(*samples, strict=True))
        return images[..., None], *target(labels, self.settings, self.weighted)

    def _sample(self, number):
        """Make the sample of a number since training began."""
        method, (epoch, position) = self.settings.augmentation.method, divmod(number, self.items)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.items)
        frame, copy = divmod(int(order[position]), self.copies)
        sample = self.images[frame], self.labels[frame]
        if method == "static":
            return static_copy(*sample, self.settings, seed=self.seed, frame=frame, copy=copy)
        if method == "online":
            return online_copy(*sample, self.settings, np.random.default_rng([self.seed, number]))
        return sample


class Record(keras.callbacks.Callback):
    """What a run leaves after each epoch: a row of the history, then the weights to go on from."""

    # BackupAndRestore of Keras keeps the number of the epoch apart and may train an epoch twice.
    def __init__(self, folder, batches, say):
        super().__init__()
        self.table, self.history = folder / "history.csv", pd.DataFrame()
        self.last = folder / "checkpoints" / "last.weights.h5"
        self.best = self.last.with_name("best.weights.h5")
        self.batches, self.settings, self.say = batches, batches.settings.training, say
        self.limit = self.settings.updates or self.settings.epochs * batches.length

    def resume(self):
        """Read the history up to weights that are whole, and name these; what is broken is said."""
        for weights in filter(Path.exists, (self.last, self.best)):
            try:
                updates, history = _updates(weights), read_table(self.table)
                # A row is written before its weights, so that there may be one too many.
                history = history[history["updates"] <= updates]
                if updates not in history["updates"].values:
                    raise StateError(f"{relative(self.table)}: update {updates} is missing")
                if best_epoch(history):
                    _updates(self.best)
                self.history = history
                return weights
            except (StateError, KeyError) as error:
                self.say(f"training goes on from an earlier epoch, or begins anew: {error}")
        return None

    def is_finished(self):
        """Whether training ends: all updates are done, patience is over, or the network is lost."""
        rows = self.history
        if rows.empty or diverged(rows):
            return len(rows) > 0
        waited = 0 if self.settings.updates else len(rows) - best_epoch(rows)
        return rows.updates.iloc[-1] >= self.limit or waited >= self.settings.patience

    def on_epoch_begin(self, epoch, logs=None):
        """Set the generators of dropout as if all updates were made in one go."""
        self.started, self.updates = time.perf_counter(), epoch * self.batches.length
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        dropouts = (one for one in self.model.layers if isinstance(one, keras.layers.Dropout))
        for number, layer in enumerate(dropouts):
            layer.seed_generator.state.assign([100 * self.batches.seed + number, self.updates])

    def on_train_batch_end(self, batch, logs=None):
        """End the last epoch where the updates end."""
        self.updates += 1
        self.model.stop_training |= self.updates == self.limit

    def on_epoch_end(self, epoch, logs=None):
        """Write the row of the epoch and the weights, and end training where it is finished."""
        row = {"epoch": epoch + 1, "updates": self.updates, "learning_rate": self.rate}
        names = [name for name in self.model.get_metrics_result() if name != "unweighted_loss"]
        row |= {name: logs[name] for name in (*names, *(f"val_{name}" for name in names))}
        row["val_loss"] = logs["val_unweighted_loss"]
        if self.batches.weighted:
            row["val_weighted_loss"] = logs["val_loss"]
        if not all(np.isfinite(weights).all() for weights in self.model.get_weights()):
            # On the CPU a ReLU or a pooling may turn NaN into a number, and the loss into ln 2.
            row |= {name: math.nan for name in row if name.endswith("loss")}
        row["seconds"] = time.perf_counter() - self.started
        self.history = pd.DataFrame([*self.history.to_dict("records"), row])
        write_table(self.table, self.history)
        left = (self.limit - self.updates) * self.history.seconds.sum() / self.updates
        self.say(
            f"epoch {epoch + 1}  update {self.updates}/{self.limit}  loss {row['loss']:.3f}  "
            f"val {row['val_loss']:.3f}  val F1 {row.get('val_f1', math.nan):.3f}  "
            f"{math.ceil(left / 60)} min left at most"
        )
        is_best = best_epoch(self.history) == epoch + 1
        for weights in (self.best, self.last) if is_best else (self.last,):
            with whole(weights) as beside:
                self.model.save_weights(beside)
        self.model.stop_training |= self.is_finished()


def diverged(history):
    """Whether training stopped because a loss was no longer a number."""
    return not np.isfinite(history[["loss", "val_loss"]].iloc[-1]).all()


def best_epoch(history):
    """Find the epoch of the lowest validation loss, weighted where training's is; None without."""
    losses = history.get("val_weighted_loss", history["val_loss"])
    losses = losses[np.isfinite(losses)]
    return int(history.epoch[losses.idxmin()]) if len(losses) else None


def _updates(weights):
    """Read after how many updates a file was written."""
    with named(weights, "cannot be read whole"), h5py.File(weights) as file:
        return int(file["optimizer/vars/0"][()])
