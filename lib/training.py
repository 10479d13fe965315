"""Train one network: batches, epochs, checkpoints, the stopping rule.

What a run sees at an update depends on its seed and the number of the update alone, so that a run
that was stopped goes on from its last checkpoint as if it had never been.
"""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
import math
import shutil
import time

import keras
import numpy as np
import pandas as pd

from lib import curve_metrics
from lib.arrays import UNKNOWN, to_border, to_distance, to_gap_mask, to_mask
from lib.augmentation import online_copy, static_copy
from lib.files import StateError, publish, write_table
from lib.model import NETWORKS, every_layer
from lib.provenance import cards, threads
from lib.weight_map import scaled_sigma, weight_map

CURVES = ("f1", "iou", "mean_iou")


# What the network is to answer in each pixel; the foreground comes first.
TARGETS = {
    "mask": (to_mask,),
    "gap": (to_gap_mask,),
    "border": (to_mask, to_border),
    "distance": (to_mask, to_distance),
}


def limit_threads(count):
    """Let TensorFlow use so many processor threads; before its first computation, or never."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def device():
    """Name what Keras computes with.

    Returns
    -------
    dict
        backend, as tensorflow or jax; accelerators, names of the graphics cards, empty without.
    """
    on_card = any("gpu" in name.lower() for name in keras.distribution.list_devices())
    return {"backend": keras.backend.backend(), "accelerators": cards() if on_card else []}


def build(settings, seed):
    """Build and compile the network of a run, with its initial weights drawn from the seed.

    Parameters
    ----------
    settings : dict
        Settings of the run, with the learning rate and the number of updates as numbers.
    seed : int

    Returns
    -------
    keras.Model

    Raises
    ------
    StateError
        If JAX was not told to count in 64 bits: an epoch has more pixels than 32 bits count.
    """
    if keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_enable_x64:
            raise StateError("KERAS_BACKEND=jax needs JAX_ENABLE_X64=1 beside it, to count pixels")
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings["training.precision"])
    model = NETWORKS[settings["model.network"]](
        settings["image.size"],
        filters=settings["model.filters"],
        depth=settings["model.depth"],
        normalisation=settings["model.normalisation"],
        dropout=settings["model.dropout"],
        maps=len(TARGETS[settings["training.target"]]),
    )
    model.compile(
        optimizer=_optimiser(settings),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[*[curve_metrics.PixelScore(name) for name in CURVES], curve_metrics.batch_f1],
    )
    return model


def train(model, training, validation, settings, *, seed, folder, say=print):
    """Train a network until its stopping rule holds; leave it with its best weights.

    Where training.average is set, the weights that are validated and kept are the mean of the
    weights over the updates, older ones counting less (the exponential moving average of Kingma and
    Ba 2015, arXiv:1412.6980, section 7.2). Training itself goes on from the last ones.

    Parameters
    ----------
    model : keras.Model
        From `build`.
    training, validation : tuple of ndarray
        Images, float32, shape (F, M, M), and labels of the same shape. Validation frames are
        never augmented.
    settings : dict
        Settings of the run.
    seed : int
        Order of the frames and their augmentation.
    folder : Path
        Where checkpoints are kept, one after each epoch; training goes on from the last.
    say : callable
        Told a line an epoch.

    Returns
    -------
    pandas.DataFrame
        A row an epoch: epoch, updates, learning_rate, the loss and scores of training and
        (val_) validation, seconds. Where the loss is weighted, ``loss`` is the weighted one,
        ``val_loss`` is not, and ``val_weighted_loss`` is. It ends early where the loss or a weight
        stops being a number; the losses are then NaN.

    Raises
    ------
    StateError
        If a checkpoint cannot be written.
    """
    validation = [
        (image[None, ..., None], *target(labels[None], settings))
        for image, labels in zip(*validation, strict=True)
    ]
    # The variables of optimiser and metrics: a checkpoint needs the first to be read into, and made
    # in an update they would have TensorFlow trace it twice, which takes seconds.
    model.optimizer.build(model.trainable_variables)
    image, mask = validation[0][:2]
    model.compute_metrics(image, mask, model(image))
    train_step, test_step = compile_steps(model)
    history = _resume(model, folder)
    say(f"{_limit(settings, training)} updates at most; {len(history)} epochs done before")
    while not _finished(history, settings, training):
        started = time.perf_counter()
        first = 0 if history.empty else int(history.updates.iloc[-1])
        last = min(first + epoch_updates(settings, training), _limit(settings, training))
        row = {"epoch": len(history) + 1, "updates": last}
        row |= {"learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))}
        row |= _train_epoch(model, train_step, training, settings, seed, range(first, last))
        with _averaged(model):
            row |= _validate(model, test_step, validation)
        if not all(np.isfinite(weights).all() for weights in model.get_weights()):
            # On the CPU a ReLU or a pooling may turn NaN into a number, so that a network that is
            # lost has a loss of ln 2, as one that has not begun to learn.
            row |= {name: math.nan for name in row if name.endswith("loss")}
        row["seconds"] = time.perf_counter() - started
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        _checkpoint(model, history, folder)
        say(_progress(history, settings, training))
    best = _whole_checkpoints(folder)[-1] / "best.weights.h5"
    if best.exists():
        model.load_weights(best)
    return history


def compile_steps(model):
    """Compile one update and one validation step, called with images, masks, weights.

    Keras' own train_on_batch and test_on_batch begin the metrics anew at every call since Keras
    3.15; these let them add up over an epoch.
    """
    if keras.backend.backend() == "jax":
        return _jax_steps(model)
    import tensorflow as tf

    return tf.function(model.train_step), tf.function(model.test_step)


def _jax_steps(model):
    """Compile the steps of JAX, which take all variables and give them back changed."""
    import jax

    def compiled(step, *groups):
        step = jax.jit(step)

        def run(data):
            state = [[variable.value for variable in group] for group in groups]
            _, state = step(state, data)
            for group, values in zip(groups, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)

        return run

    weights = (model.trainable_variables, model.non_trainable_variables)
    metrics = model.metrics_variables
    return (
        compiled(model.train_step, *weights, model.optimizer.variables, metrics),
        compiled(model.test_step, *weights, metrics),
    )


def save_model(model, path):
    """Save a network for prediction, without what only training needs.

    Parameters
    ----------
    model : keras.Model
    path : Path
        A .keras file.

    Raises
    ------
    StateError
        If it cannot be written.
    """
    try:
        keras.Model(model.inputs, model.outputs, name=model.name).save(path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error}") from error


def diverged(history):
    """Whether training stopped because a loss was no longer a number."""
    last = history.iloc[-1]
    return not (math.isfinite(last.loss) and math.isfinite(last.val_loss))


def best_epoch(history):
    """Find the epoch with the lowest validation loss; None where it never was a number.

    The loss is the one that is trained: weighted where the loss of training is.
    """
    weighted = "val_weighted_loss" in history
    losses = history.val_weighted_loss if weighted else history.val_loss
    if losses.isna().all():
        return None
    return int(history.epoch[losses.idxmin()])


def epoch_updates(settings, training):
    """Count the updates in an epoch: as set, or one pass over the arm's frames."""
    passes = _items(settings, training) // settings["training.batch"]
    return settings["training.epoch_updates"] or max(1, passes)


def batch(training, settings, seed, update):
    """Make the batch of one update.

    Parameters
    ----------
    training : tuple of ndarray
        Images and labels, shape (F, M, M).
    settings : dict
        Settings of the run.
    seed, update : int

    Returns
    -------
    images : ndarray of float32, shape (B, M, M, 1)
    masks : ndarray of float32, shape (B, M, M, T)
    weights : ndarray of float32, shape (B, M, M)
        Only where the loss is weighted.
    """
    images, labels = training
    first = update * settings["training.batch"]
    frames = [
        _sample(images, labels, settings, seed, index)
        for index in range(first, first + settings["training.batch"])
    ]
    images = np.stack([image for image, _ in frames])[..., None]
    return images, *target(np.stack([labels for _, labels in frames]), settings)


def target(labels, settings):
    """Make what a network is to answer, and how much each pixel counts; the unknown ones nothing.

    Weights come from the cells as they touch: in the gap between two of them both distances of the
    weight map are then near 0, and the border term near its height.

    Parameters
    ----------
    labels : ndarray of int, shape (B, M, M)
    settings : dict
        Settings of the run.

    Returns
    -------
    masks : ndarray of float32, shape (B, M, M, T)
        The foreground, and what else `TARGETS` names.
    weights : ndarray of float32, shape (B, M, M)
        Only where the loss is weighted or some pixels may be unknown.
    """
    unknown = labels == UNKNOWN
    labels = np.where(unknown, 0, labels)
    maps = TARGETS[settings["training.target"]]
    masks = np.float32([[make(frame) for make in maps] for frame in labels])
    masks = np.moveaxis(masks, 1, -1)
    weights = np.float32(~unknown)
    if settings["weight_map.in_loss"]:
        sigma = scaled_sigma(settings["weight_map.sigma"], labels.shape[-1])
        w0 = settings["weight_map.w0"]
        maps = [weight_map(frame, w0=w0, sigma=sigma) for frame in labels]
        return masks, np.stack(maps) * weights
    some_unknown = settings.get("training.unknown") or settings.get("training.field")
    return (masks, weights) if some_unknown else (masks,)


def _sample(images, labels, settings, seed, index):
    """Make the sample number `index` since training began."""
    method = settings["augmentation.method"]
    items = _items(settings, (images, labels))
    epoch, position = divmod(index, items)
    frame, copy = divmod(int(_order(seed, epoch, items)[position]), items // len(images))
    if method == "static":
        return static_copy(
            images[frame], labels[frame], settings, seed=seed, frame=frame, copy=copy
        )
    if method == "online":
        rng = np.random.default_rng([seed, index])
        return online_copy(images[frame], labels[frame], settings, rng)
    return images[frame], labels[frame]


@functools.lru_cache(maxsize=2)
def _order(seed, epoch, items):
    return np.random.default_rng([seed, epoch]).permutation(items)


def _items(settings, training):
    copied = settings["augmentation.method"] in ("static", "repeat")
    return len(training[0]) * (settings["augmentation.copies"] if copied else 1)


def _optimiser(settings):
    rate = settings["training.learning_rate"]
    if settings["training.schedule"] == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, settings["training.updates"])
    factor = settings.get("training.average", 0.0)
    average = {"use_ema": True, "ema_momentum": factor} if factor else {}
    if settings["training.optimiser"] == "adam":
        return keras.optimizers.Adam(rate, **average)
    momentum = settings["training.momentum"]
    return keras.optimizers.SGD(rate, momentum=momentum, nesterov=True, **average)


@contextlib.contextmanager
def _averaged(model):
    """Put the mean of the weights in their place for a while, where the optimiser keeps one."""
    if not model.optimizer.use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    yield
    swap.on_test_end()


def _train_epoch(model, step, training, settings, seed, updates):
    _seed_dropout(model, seed, updates.start)
    model.reset_metrics()
    make = functools.partial(batch, training, settings, seed)
    for data in _ahead(make, updates, threads() - 1):
        step(data)
    return _numbers(model.get_metrics_result())


def _ahead(make, numbers, workers):
    """Make something of each number, in order; with workers to spare, ahead of its use."""
    if workers < 1:
        yield from map(make, numbers)
        return
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        numbers, waiting = iter(numbers), collections.deque()
        for number in itertools.islice(numbers, 2 * workers):
            waiting.append(pool.submit(make, number))
        while waiting:
            yield waiting.popleft().result()
            for number in itertools.islice(numbers, 1):
                waiting.append(pool.submit(make, number))


def _seed_dropout(model, seed, update):
    """Tie dropout to the update; a weights file does not hold the state of its generators."""
    dropouts = [layer for layer in every_layer(model) if isinstance(layer, keras.layers.Dropout)]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([100 * seed + number, update])


def _validate(model, step, validation):
    """Score the validation frames; the weighted loss is kept apart from the one of every arm."""
    model.reset_metrics()
    for image, mask, *_ in validation:
        step((image, mask))
    row = {f"val_{name}": value for name, value in _numbers(model.get_metrics_result()).items()}
    if len(validation[0]) == 3:
        model.reset_metrics()
        for frame in validation:
            step(frame)
        row["val_weighted_loss"] = float(model.get_metrics_result()["loss"])
    return row


def _numbers(result):
    return {name: float(value) for name, value in result.items()}


# The stopping rule --------------------------------------------------------------------------


def _limit(settings, training):
    return settings["training.updates"] or (
        settings["training.epochs"] * epoch_updates(settings, training)
    )


def _finished(history, settings, training):
    if history.empty:
        return False
    if diverged(history) or history.updates.iloc[-1] >= _limit(settings, training):
        return True
    waited = len(history) - best_epoch(history)
    return settings["training.updates"] == 0 and waited >= settings["training.patience"]


def _progress(history, settings, training):
    row = history.iloc[-1]
    left = (_limit(settings, training) - row.updates) * history.seconds.sum() / row.updates
    return (
        f"epoch {row.epoch:.0f}  update {row.updates:.0f}/{_limit(settings, training)}  "
        f"loss {row.loss:.3f}  val {row.val_loss:.3f}  val F1 {row.val_f1:.3f}  "
        f"{math.ceil(left / 60)} min left at most"
    )


# Checkpoints --------------------------------------------------------------------------------


def _whole_checkpoints(folder):
    return sorted((folder / "checkpoints").glob("epoch_*"))


def _resume(model, folder):
    whole = _whole_checkpoints(folder)
    if not whole:
        return pd.DataFrame()
    history = pd.read_csv(whole[-1] / "history.csv")
    model.load_weights(whole[-1] / "last.weights.h5")
    return history


def _checkpoint(model, history, folder):
    """Save weights, optimiser state and history together; the one before goes only after that."""
    before = _whole_checkpoints(folder)
    final = folder / "checkpoints" / f"epoch_{len(history):05d}"
    partial = final.with_name(f".{final.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        model.save_weights(partial / "last.weights.h5")
        if best_epoch(history) == len(history):
            with _averaged(model):
                model.save_weights(partial / "best.weights.h5")
        elif before and (before[-1] / "best.weights.h5").exists():
            shutil.copy(before[-1] / "best.weights.h5", partial / "best.weights.h5")
    except OSError as error:
        raise StateError(f"{final}: checkpoint cannot be written: {error}") from error
    write_table(partial / "history.csv", history)
    publish(partial, final)
    for folder in before:
        shutil.rmtree(folder)
