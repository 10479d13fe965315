"""Batches, the stopping rule and restarts, with one tiny network: tracing each takes seconds."""

import errno
import math
import os
import shutil
import tracemalloc
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from lib.data import files
from lib.data.files import StateError
from lib.network import training
from lib.network.augmentation import static_copy
from lib.network.targets import target, to_mask
from lib.study.params import load
from lib.study.schema import changed

SMOKE = load("smoke").arms["none"]
ONLINE = {"augmentation.method": "online", "augmentation.rigid": True, "augmentation.elastic": True}
# At 24 px a width of 50 px at 512 is two pixels, so that the border counts.
SETTINGS = changed(
    SMOKE,
    ONLINE
    | {
        "model.filters": 4,
        "model.depth": 1,
        "training.target": "gap",
        "training.optimiser": "adam",
        "training.learning_rate": 3e-3,
        "training.batch": 2,
        "training.updates": 3,
        "training.epoch_updates": 2,
        "weight_map.terms": "both",
        "weight_map.sigma": 50.0,
    },
)
SHAPE = (16, 24)


def side(frames, shape=SHAPE, seed=0):
    """Random images and labels of so many frames."""
    rng = np.random.default_rng(seed)
    images = rng.random((frames, *shape), np.float32)
    return images, np.where(images > 0.4, rng.integers(1, 5, images.shape), 0)


def tiny(shape, *, filters, normalisation, dropout, maps, **_):
    """What has a state of its own, and little else: batch normalisation, dropout."""
    image = keras.Input((*shape, 1))
    features = keras.layers.Conv2D(filters, 3, padding="same")(image)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.Dropout(dropout)(keras.layers.ReLU()(features))
    return keras.Model(image, keras.layers.Conv2D(maps, 3, padding="same")(features))


@pytest.fixture(autouse=True, scope="module")
def tiny_network():
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(training.NETWORKS, "unet", tiny)
        yield


def keys(images):
    return [np.ascontiguousarray(image).tobytes() for image in images]


# Batches


def samples(settings, count, frames=4):
    """Images and masks of many updates, in the order in which they are drawn."""
    batches = training.Batches(side(frames), changed(SMOKE, settings), 7)
    drawn = [batches[update] for update in range(count)]
    return (np.concatenate(parts)[..., 0] for parts in zip(*drawn, strict=True))


def test_every_frame_is_seen_once_a_pass_whatever_the_batch():
    images, labels = side(5)
    seen, masks = samples({"training.batch": 3}, 5, frames=5)
    passes = [keys(seen[first : first + 5]) for first in (0, 5, 10)]
    assert all(sorted(one) == sorted(keys(images)) for one in passes)
    assert passes[0] != passes[1]
    truth = dict(zip(keys(images), to_mask(labels), strict=True))
    np.testing.assert_array_equal(masks, [truth[key] for key in keys(seen)])


def test_every_static_copy_is_seen_once_a_pass_and_the_frame_itself_never():
    images, labels = side(4)
    seen, masks = samples({"augmentation.method": "static", "training.batch": 2}, 12)
    names = [{"seed": 7, "frame": frame, "copy": copy} for frame in range(4) for copy in range(3)]
    copies = [
        static_copy(images[name["frame"]], labels[name["frame"]], SMOKE, **name) for name in names
    ]
    truth = {image.tobytes(): to_mask(warped) for image, warped in copies}
    assert sorted(keys(seen[:12])) == sorted(keys(seen[12:])) == sorted(truth)
    assert not set(truth) & set(keys(images))
    np.testing.assert_array_equal(masks, [truth[key] for key in keys(seen)])


def test_repeated_frames_are_the_frames_as_often_as_there_are_copies():
    seen, _ = samples({"augmentation.method": "repeat"}, 12)
    assert sorted(keys(seen)) == sorted(3 * keys(side(4)[0]))


def test_batches_are_a_function_of_seed_and_update_alone(monkeypatch):
    data = side(4)
    plain = [training.Batches(data, SETTINGS, 7)[update] for update in range(6)]
    monkeypatch.setenv("STUDY_THREADS", "3")
    ahead = training.Batches(data, SETTINGS, 7)
    ahead.first = 2
    # Keras draws the first batches several times.
    for update in (0, 1, 0, 0, 1, 2, 3):
        for part, expected in zip(ahead[update], plain[update + 2], strict=True):
            np.testing.assert_array_equal(part, expected)
    assert [part.shape for part in plain[0]] == [(2, 16, 24, 1), (2, 16, 24, 1), (2, 16, 24)]
    assert len({image.tobytes() for images, *_ in plain for image in images}) == 12
    other = training.Batches(data, SETTINGS, 8)[0]
    assert (other[0] != plain[0][0]).any()


def test_memory_does_not_grow_with_static_copies():
    def peak(copies):
        static = {"augmentation.method": "static", "augmentation.copies": copies}
        batches = training.Batches(side(4), changed(SMOKE, static), 0)
        tracemalloc.start()
        for update in range(40):
            batches[update]
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(3)
    assert peak(24) - peak(3) < 20_000


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        ({}, 10),
        ({"training.batch": 4}, 2),
        ({"training.batch": 16}, 1),
        ({"augmentation.method": "static"}, 30),
        ({"augmentation.method": "repeat", "training.batch": 4}, 7),
        ({"augmentation.method": "online"}, 10),
        ({"training.epoch_updates": 6}, 6),
    ],
)
def test_updates_in_an_epoch(settings, updates):
    assert training.Batches(side(10), changed(SMOKE, settings), 0).length == updates


# Networks


def test_weights_are_drawn_from_the_seed_and_maps_are_those_of_the_target():
    first, same, other = (training.build(SETTINGS, SHAPE, seed) for seed in (3, 3, 4))
    pairs = [
        [np.array_equal(*pair) for pair in zip(first.get_weights(), one.get_weights(), strict=True)]
        for one in (same, other)
    ]
    assert all(pairs[0])
    assert not all(pairs[1])
    assert first.output_shape == (None, *SHAPE, 1)
    two = training.build(changed(SETTINGS, {"training.target": "border"}), SHAPE, 0)
    assert two.output_shape[-1] == 2


def test_optimisers_of_the_report_and_of_the_tuned_recipe():
    rate, adam = {"training.learning_rate": 0.25}, {"training.optimiser": "adam"}
    cosine = {"training.schedule": "cosine", "training.updates": 8}
    sgd, adam = (
        training.build(changed(SMOKE, rate | one), (16, 16), 0).optimizer
        for one in ({}, adam | cosine)
    )
    assert (type(sgd), sgd.momentum, sgd.nesterov) == (keras.optimizers.SGD, 0.99, True)
    assert float(sgd.learning_rate) == 0.25
    assert isinstance(adam, keras.optimizers.Adam)
    for update in (0, 3, 8):
        adam.iterations.assign(update)
        halves = (1 + math.cos(math.pi * update / 8)) / 2
        assert float(adam.learning_rate) == pytest.approx(0.25 * halves, abs=1e-7)


# Training


@pytest.fixture(scope="module")
def built():
    right = keras.metrics.BinaryAccuracy("right", threshold=0)
    model = training.build(SETTINGS, SHAPE, 3, [right])
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(one) for one in (*model.variables, *model.optimizer.variables)]


def fresh(built):
    """The network as a new process builds it, its random numbers apart."""
    model, values = built
    keras.utils.set_random_seed(99)
    for variable, value in zip((*model.variables, *model.optimizer.variables), values, strict=True):
        variable.assign(value)
    return model


def fit(model, folder, say=list, data=None, **settings):
    chosen = changed(SETTINGS, {f"training.{name}": value for name, value in settings.items()})
    data = data or side(5)
    return training.train(model, data, side(3, seed=1), chosen, seed=0, folder=folder, say=say)


@pytest.fixture(scope="module")
def whole(built, tmp_path_factory):
    """A run that nothing stopped."""
    folder, lines = tmp_path_factory.mktemp("whole"), []
    history = fit(fresh(built), folder, lines.append)
    best = built[0].get_weights()
    return SimpleNamespace(folder=folder, history=history, lines=lines, best=best)


def assert_same(folder, model, whole):
    """Byte for byte the same history but for the seconds, and the same network."""
    rows = [
        [row.rpartition(",")[0] for row in (one / "history.csv").read_text().splitlines()]
        for one in (folder, whole.folder)
    ]
    assert rows[0] == rows[1]
    for one, other in zip(model.get_weights(), whole.best, strict=True):
        np.testing.assert_array_equal(one, other)


def test_updates_are_met_exactly_and_said(whole):
    assert whole.history.updates.tolist() == [2, 3]
    assert whole.lines[0] == "3 updates at most; 0 epochs done before"
    assert whole.lines[2].startswith("epoch 2  update 3/3  loss ")
    kept = pd.read_csv(whole.folder / "history.csv")
    pd.testing.assert_frame_equal(kept, whole.history, check_exact=True)
    assert list(kept) == [
        *("epoch", "updates", "learning_rate", "loss", "right"),
        *("val_loss", "val_right", "val_weighted_loss", "seconds"),
    ]


def test_the_best_weights_are_returned_and_have_the_losses_of_the_history(whole, built):
    best = whole.history.loc[training.best_epoch(whole.history) - 1]
    assert best.val_weighted_loss == whole.history.val_weighted_loss.min()
    images, labels = side(3, seed=1)
    masks, weights = target(labels, SETTINGS)
    model = fresh(built)
    model.set_weights(whole.best)
    probabilities = expit(np.array(model(images[..., None])))
    losses = -np.log(np.where(masks, probabilities, 1 - probabilities))
    assert best.val_loss == pytest.approx(losses.mean(), rel=1e-5)
    assert best.val_weighted_loss == pytest.approx((weights * losses[..., 0]).mean(), rel=1e-5)
    assert abs(best.val_weighted_loss - best.val_loss) > 0.1
    # Scores of pixels are not weighted.
    assert best.val_right == pytest.approx(((probabilities > 0.5) == masks).mean(), rel=1e-6)


def test_the_best_epoch_is_that_of_the_weighted_loss_where_there_is_one():
    losses = {"val_weighted_loss": [3.0, 2.0, 2.5], "val_loss": [0.5, 0.4, 0.3]}
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [1.0, 1.0, 1.0]} | losses)
    assert training.best_epoch(history) == 2
    assert training.best_epoch(history.drop(columns="val_weighted_loss")) == 3
    assert training.best_epoch(history[:1].assign(val_weighted_loss=math.inf)) is None
    assert not training.diverged(history)
    assert training.diverged(history.assign(val_loss=math.nan))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [1, 4])
def test_a_run_killed_at_any_write_ends_as_one_that_was_not(
    at, whole, built, tmp_path, monkeypatch
):
    writes, replace = iter(range(at)), os.replace

    def replace_or_die(partial, final):
        if next(writes, None) is None:
            raise Killed
        replace(partial, final)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_or_die)
        with pytest.raises(Killed):
            fit(fresh(built), tmp_path)
    fit(fresh(built), tmp_path)
    assert_same(tmp_path, built[0], whole)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def header_only(path):
    path.write_text(path.read_text().partition("\n")[0] + "\n")


LAST, BEST, ROWS = "checkpoints/last.weights.h5", "checkpoints/best.weights.h5", "history.csv"


@pytest.mark.parametrize(
    ("damage", "names", "said"),
    [
        (cut, [LAST], LAST),
        (empty, [LAST, BEST], LAST),
        (cut, [BEST], BEST),
        (header_only, [ROWS], ROWS),
    ],
)
def test_what_cannot_be_read_whole_is_said_and_trained_again(
    damage, names, said, whole, built, tmp_path
):
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True)
    for name in names:
        damage(tmp_path / name)
    lines = []
    fit(fresh(built), tmp_path, lines.append)
    assert said in lines[0]
    assert "training goes on from an earlier epoch, or begins anew" in lines[0]
    assert_same(tmp_path, built[0], whole)


def test_batches_made_ahead_by_threads_change_nothing(whole, built, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_THREADS", "3")
    fit(fresh(built), tmp_path)
    assert_same(tmp_path, built[0], whole)


def test_a_finished_run_is_not_trained_again(whole, built, tmp_path, monkeypatch):
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True)
    model = fresh(built)
    monkeypatch.setattr(model, "fit", None)
    again = fit(model, tmp_path)
    pd.testing.assert_frame_equal(again, whole.history, check_exact=True)
    assert_same(tmp_path, model, whole)


def scripted(model, monkeypatch, losses):
    """Let validation find these losses, the weighted one first."""
    values = iter(losses)

    def evaluate(**arguments):
        weighted, plain = next(values)
        return {"loss": weighted, "unweighted_loss": plain, "right": 0.5}

    monkeypatch.setattr(model, "evaluate", evaluate)


# The weighted loss chooses; an equal loss is no lower one.
LOSSES = [(0.7, 7), (0.6, 6), (0.65, 5), (0.5, 4), (0.5, 3), (0.6, 2), (0.1, 1)]
RULE = {"updates": 0, "epoch_updates": 1, "epochs": 50, "patience": 2}


@pytest.mark.parametrize("stopped", [None, 5])
def test_training_ends_when_patience_is_over_stopped_or_not(stopped, built, tmp_path, monkeypatch):
    if stopped:
        scripted(fresh(built), monkeypatch, LOSSES)
        assert len(fit(built[0], tmp_path, **RULE | {"epochs": stopped})) == stopped
    scripted(fresh(built), monkeypatch, LOSSES[stopped or 0 :])
    history = fit(built[0], tmp_path, **RULE)
    assert history.val_weighted_loss.tolist() == [weighted for weighted, _ in LOSSES[:6]]
    assert history.val_loss.tolist() == [plain for _, plain in LOSSES[:6]]
    assert training.best_epoch(history) == int(built[0].optimizer.iterations) == 4


def test_a_lost_validation_ends_the_run_with_the_best_weights_so_far(built, tmp_path, monkeypatch):
    lost = (math.inf, math.inf)
    scripted(fresh(built), monkeypatch, [(0.7, 1), (0.6, 1), lost, (0.1, 1)])
    history = fit(built[0], tmp_path, updates=9)
    assert len(history) == 3
    assert training.diverged(history)
    assert int(built[0].optimizer.iterations) == 4


def test_nan_ends_training_and_is_called_divergence(built, tmp_path, capsys):
    images, labels = side(5)
    broken = np.where(images > 0.9, np.float32(np.nan), images), labels
    history = fit(fresh(built), tmp_path, data=broken, updates=9, epoch_updates=4)
    assert history.updates.tolist() == [1]
    assert training.diverged(history)
    assert training.best_epoch(history) is None
    assert "Invalid loss" in capsys.readouterr().out


def test_weights_that_are_lost_end_the_run_even_where_the_loss_hides_it(
    built, tmp_path, monkeypatch
):
    scripted(fresh(built), monkeypatch, LOSSES)
    monkeypatch.setattr(built[0], "get_weights", lambda: [np.array([0, np.nan])])
    history = fit(built[0], tmp_path)
    assert len(history) == 1
    assert training.diverged(history)
    assert not (tmp_path / BEST).exists()


def test_a_full_disk_names_the_file_and_keeps_the_one_before(built, tmp_path, monkeypatch):
    model = fresh(built)
    path = tmp_path / "last.weights.h5"
    with files.whole(path) as beside:
        model.save_weights(beside)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(StateError, match="last.weights.h5: cannot be written.*No space left"),
        files.whole(path) as beside,
    ):
        model.save_weights(beside)
    assert path.read_bytes() == before
