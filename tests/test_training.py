"""Batches, the stopping rule and checkpoints: with a stand-in network, and with a small one."""

import errno
import shutil
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from lib import metrics, params, training
from lib.arrays import UNKNOWN, to_distance, to_gap_mask, to_mask
from lib.augmentation import static_copy
from lib.evaluation import predict
from lib.files import StateError
from lib.weight_map import weight_map

SMOKE = params.load("smoke").arms
PUBLISHED = SMOKE["none"] | {"training.learning_rate": 1e-3, "training.epochs": 50}


def side(frames, size=8, seed=0):
    """Random images and labels of so many frames."""
    rng = np.random.default_rng(seed)
    images = rng.random((frames, size, size), np.float32)
    return images, np.where(images > 0.4, rng.integers(1, 5, images.shape), 0)


def keys(images):
    return [np.ascontiguousarray(image).tobytes() for image in images]


# Batches


def samples(arm, settings, updates, frames=4):
    """Images and masks of many updates, in the order in which they are drawn."""
    settings = SMOKE[arm] | settings
    drawn = [training.batch(side(frames), settings, 7, update) for update in updates]
    return (np.concatenate(parts)[..., 0] for parts in zip(*drawn, strict=True))


def test_every_frame_is_seen_once_a_pass_whatever_the_batch():
    images, labels = side(5)
    seen, masks = samples("none", {"training.batch": 3}, range(5), frames=5)
    passes = [keys(seen[first : first + 5]) for first in (0, 5, 10)]
    assert all(sorted(one) == sorted(keys(images)) for one in passes)
    assert passes[0] != passes[1]
    truth = dict(zip(keys(images), to_mask(labels), strict=True))
    np.testing.assert_array_equal(masks, [truth[key] for key in keys(seen)])
    assert masks.dtype == np.float32


def test_every_static_copy_is_seen_once_a_pass_and_the_frame_itself_never():
    images, labels = side(4)
    seen, masks = samples("augmented", {"training.batch": 2}, range(12))
    copies = [
        static_copy(images[frame], labels[frame], SMOKE["augmented"], seed=7, frame=frame, copy=n)
        for frame in range(4)
        for n in range(3)
    ]
    truth = {image.tobytes(): to_mask(warped) for image, warped in copies}
    assert len(truth) == 12
    assert sorted(keys(seen[:12])) == sorted(keys(seen[12:])) == sorted(truth)
    assert not set(truth) & set(keys(images))
    np.testing.assert_array_equal(masks, [truth[key] for key in keys(seen)])


def test_repeated_frames_are_the_frames_as_often_as_there_are_copies():
    images, _ = side(4)
    seen, masks = samples("repeated", {}, range(12))
    plain, plain_masks = samples("none", {}, range(12))
    assert sorted(keys(seen)) == sorted(keys(plain)) == sorted(3 * keys(images))
    assert sorted(keys(masks)) == sorted(keys(plain_masks))


def test_online_copies_are_new_at_each_update_and_the_same_again():
    seen, _ = samples("rigid_elastic", {}, range(6))
    again, _ = samples("rigid_elastic", {}, range(6))
    assert len(set(keys(seen))) == len(seen)
    np.testing.assert_array_equal(seen, again)


# Targets and weights


def blocks(frames=1):
    """Labels of two touching cells that fill the frame but for its last two rows."""
    labels = np.zeros((frames, 8, 8), np.uint16)
    labels[:, :6, :4], labels[:, :6, 4:] = 3, 5
    return labels


def test_target_is_the_mask_of_the_cells():
    (masks,) = training.target(blocks(2), SMOKE["none"])
    assert (masks.dtype, masks.shape) == (np.float32, (2, 8, 8, 1))
    np.testing.assert_array_equal(masks[..., 0], to_mask(blocks(2)))


def test_second_map_of_a_target_is_of_borders_or_of_distances():
    labels = blocks()
    (border,), (distance,) = (training.target(labels, SMOKE[arm]) for arm in ("border", "distance"))
    for masks in (border, distance):
        assert masks.dtype == np.float32
        np.testing.assert_array_equal(masks[..., 0], to_mask(labels))
    np.testing.assert_array_equal(border[..., 1], to_mask(labels) - to_gap_mask(labels))
    np.testing.assert_array_equal(distance[0, ..., 1], to_distance(labels[0]))
    assert 0 < border[..., 1].sum() < border[..., 0].sum()


@pytest.mark.parametrize("arm", ["gap", "gap_weighted"])
def test_unknown_pixels_are_background_and_count_for_nothing(arm):
    labels = blocks()
    settings = SMOKE[arm] | {"training.unknown": 80.0}
    known = training.target(labels, settings)
    labels[:, 6:, :3] = UNKNOWN
    masks, weights = training.target(labels, settings)
    np.testing.assert_array_equal(masks, known[0])
    assert (weights[labels == UNKNOWN] == 0).all()
    np.testing.assert_array_equal(weights[labels != UNKNOWN], known[1][labels != UNKNOWN])
    assert (known[1] > 0).all()
    # Wherever the unknown comes from, it is weighed out.
    margin = training.target(labels, SMOKE[arm] | {"training.field": True})
    np.testing.assert_array_equal(margin[1], weights)


def test_network_has_a_logit_for_each_map():
    settings = SMOKE["border"] | {"training.learning_rate": 0.1}
    assert training.build(settings, 0).output_shape[-1] == 2
    assert training.build(settings | {"training.target": "gap"}, 0).output_shape[-1] == 1


def test_target_of_an_arm_with_gaps_leaves_them_out():
    (masks,) = training.target(blocks(), SMOKE["gap"])
    assert masks.dtype == np.float32
    np.testing.assert_array_equal(masks[..., 0], to_gap_mask(blocks()))
    assert masks.sum() == 6 * 8 - 6 * 2


@pytest.mark.parametrize(("arm", "sigma"), [("gap_weighted", 5), ("gap_weighted_25", 25)])
def test_weights_are_those_of_the_cells_as_they_touch(arm, sigma):
    labels = np.concatenate([blocks(), 0 * blocks()])
    masks, weights = training.target(labels, SMOKE[arm])
    np.testing.assert_array_equal(masks[..., 0], to_gap_mask(labels))
    assert (weights.dtype, weights.shape) == (np.float32, (2, 8, 8))
    # 8 px stand for 512.
    first = weight_map(labels[0], w0=10, sigma=sigma * 8 / 512)
    np.testing.assert_array_equal(weights, [first, np.ones((8, 8))])
    wide = training.target(labels, SMOKE[arm] | {"weight_map.w0": 0.0})[1]
    np.testing.assert_allclose(wide[0, :6], 64 / (2 * 48))


def test_batch_has_weights_where_the_loss_is_weighted():
    frames = side(4, 16)
    plain = training.batch(frames, SMOKE["gap"], 7, 2)
    images, masks, weights = training.batch(frames, SMOKE["gap_weighted"], 7, 2)
    assert len(plain) == 2
    np.testing.assert_array_equal(plain[0], images)
    np.testing.assert_array_equal(plain[1], masks)
    assert weights.shape == images.shape[:3] == (4, 16, 16)
    # The frames are warped, and their weights with them: no frame has those of another.
    assert len(set(keys(weights))) == 4


def test_memory_does_not_grow_with_static_copies():
    frames = side(4, size=32)

    def peak(copies):
        settings = SMOKE["augmented"] | {"augmentation.copies": copies, "training.batch": 2}
        tracemalloc.start()
        for update in range(50):
            training.batch(frames, settings, 0, update)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(3)
    # 96 copies would be 400 kB of images alone.
    assert peak(24) - peak(3) < 20_000


# The stopping rule, with a stand-in for the network


class StandIn:
    """Gives the validation losses it is told, and has its number of updates for weights."""

    def __init__(self, losses):
        self.losses = iter(losses)
        self.optimizer = SimpleNamespace(
            learning_rate=0.5, use_ema=False, build=lambda variables: None
        )
        self.layers = self.trainable_variables = ()
        self.weights, self.trained, self.validated = 0, [], []

    def __call__(self, images):
        return images

    def compute_metrics(self, images, masks, answer):
        pass

    def reset_metrics(self):
        pass

    def train_step(self, images_and_masks):
        self.validating = False
        self.weights += 1
        self.trained.append(images_and_masks)

    def test_step(self, images_and_masks):
        self.validating = True
        self.validated.append(images_and_masks)

    def get_weights(self):
        return []

    def get_metrics_result(self):
        return {"loss": next(self.losses) if self.validating else 0.5, "f1": 0.5}

    def save_weights(self, path):
        Path(path).write_text(str(self.weights))

    def load_weights(self, path):
        self.weights = int(Path(path).read_text())


@pytest.fixture(autouse=True)
def stand_in_steps(monkeypatch):
    """Leave the steps of a stand-in as they are; a graph would run them once."""
    compiled = training.compile_steps

    def steps(model):
        if isinstance(model, StandIn):
            return model.train_step, model.test_step
        return compiled(model)

    monkeypatch.setattr(training, "compile_steps", steps)


def fit(model, folder, frames=2, **changes):
    settings = PUBLISHED | {f"training.{key}": value for key, value in changes.items()}
    return training.train(
        model, side(frames), side(2, seed=1), settings, seed=0, folder=folder, say=lambda line: None
    )


def test_training_ends_five_epochs_after_the_lowest_validation_loss(tmp_path):
    model = StandIn([0.70, 0.60, 0.65, 0.60, 0.61, 0.62, 0.63, 0.1, 0.1])
    history = fit(model, tmp_path)
    # An equal loss is no lower one.
    assert len(history) == 7
    assert training.best_epoch(history) == 2
    assert model.weights == history.updates[1] == 4


def test_a_lower_loss_starts_the_wait_anew(tmp_path):
    history = fit(StandIn([3, 4, 4, 2, 4, 4, 4, 1, 4, 4, 4, 4, 4, 0]), tmp_path, patience=5)
    assert len(history) == 13
    assert len(fit(StandIn([1, 2, 2, 2]), tmp_path / "other", patience=1)) == 2


def test_epochs_are_the_limit_of_the_published_rule(tmp_path):
    model = StandIn([3, 2, 1, 0])
    history = fit(model, tmp_path, epochs=3)
    assert history.epoch.tolist() == [1, 2, 3]
    assert history.updates.tolist() == [2, 4, 6]
    assert not training.diverged(history)


def test_updates_are_met_exactly_and_patience_does_not_count(tmp_path):
    model = StandIn(range(1, 100))
    history = fit(model, tmp_path, updates=23, epoch_updates=3, patience=1)
    assert history.updates.tolist() == [3, 6, 9, 12, 15, 18, 21, 23]
    assert len(model.trained) == 23
    assert model.weights == 3


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
    assert training.epoch_updates(SMOKE["none"] | settings, side(10)) == updates


def test_validation_frames_are_never_augmented(tmp_path):
    model, (images, labels) = StandIn([0.5, 0.4]), side(2, seed=1)
    settings = SMOKE["rigid_elastic"] | {"training.updates": 4, "training.epoch_updates": 2}
    training.train(model, side(2), (images, labels), settings, seed=0, folder=tmp_path, say=list)
    frames = zip(*model.validated, strict=True)
    seen, masks = (np.concatenate(parts)[..., 0] for parts in frames)
    np.testing.assert_array_equal(seen, np.tile(images, (2, 1, 1)))
    np.testing.assert_array_equal(masks, np.tile(to_mask(labels), (2, 1, 1)))


def weighted(**changes):
    settings = {f"training.{key}": value for key, value in changes.items()}
    return PUBLISHED | {"weight_map.in_loss": True} | settings


def test_weighted_loss_of_validation_chooses_the_epoch_and_ends_the_run(tmp_path):
    # The loss as of every arm, then the weighted one, of each epoch.
    losses = [(0.5, 3.0), (0.4, 2.0), (0.3, 2.5), (0.2, 2.6), (0.1, 1.0)]
    model = StandIn(loss for pair in losses for loss in pair)
    settings = weighted(patience=2)
    history = training.train(
        model, side(2), side(2, seed=1), settings, seed=0, folder=tmp_path, say=list
    )
    assert history.val_loss.tolist() == [0.5, 0.4, 0.3, 0.2]
    assert history.val_weighted_loss.tolist() == [3.0, 2.0, 2.5, 2.6]
    assert training.best_epoch(history) == 2
    assert training.best_epoch(history.drop(columns="val_weighted_loss")) == 4
    assert model.weights == 4
    assert [len(frame) for frame in model.validated[:4]] == [2, 2, 3, 3]
    assert {len(drawn) for drawn in model.trained} == {3}


def test_best_epoch_where_no_weighted_loss_is_a_number():
    history = pd.DataFrame({"epoch": [1], "val_loss": [0.5], "val_weighted_loss": [np.nan]})
    assert training.best_epoch(history) is None


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_divergence_ends_the_run_with_the_best_weights_so_far(tmp_path, lost):
    model = StandIn([0.7, 0.6, 0.65, lost, 0.1])
    history = fit(model, tmp_path, updates=100, epoch_updates=2)
    assert len(history) == 4
    assert training.diverged(history)
    assert training.best_epoch(history) == 2
    assert model.weights == 4
    again = StandIn([])
    assert training.diverged(fit(again, tmp_path, updates=100, epoch_updates=2))
    assert (again.weights, again.trained) == (4, [])


def test_a_finished_run_is_read_back_to_the_last_digit(tmp_path):
    losses = np.random.default_rng(0).random(40) / 3
    history = fit(StandIn(losses), tmp_path, updates=40, epoch_updates=1)
    again = fit(StandIn([]), tmp_path, updates=40, epoch_updates=1)
    pd.testing.assert_frame_equal(again, history, check_exact=True)
    assert history.val_loss.tolist() == losses.tolist()


def test_what_is_made_ahead_comes_in_order_and_no_further_ahead_than_told():
    made = []
    ahead = training._ahead(lambda number: made.append(number) or number, range(9), workers=1)
    assert next(ahead) == 0
    assert set(made) <= {0, 1, 2}
    assert list(ahead) == list(range(1, 9))
    assert sorted(made) == list(range(9))


# Checkpoints


def test_one_checkpoint_is_kept_with_the_best_weights(tmp_path):
    fit(StandIn([0.5, 0.3, 0.4]), tmp_path, epochs=3)
    (kept,) = (tmp_path / "checkpoints").iterdir()
    assert kept.name == "epoch_00003"
    assert (kept / "best.weights.h5").read_text() == "4"
    assert (kept / "last.weights.h5").read_text() == "6"
    assert len(pd.read_csv(kept / "history.csv")) == 3


def test_a_full_disk_names_the_checkpoint_and_keeps_the_one_before(tmp_path, monkeypatch):
    full = StandIn([0.5, 0.4])
    save = full.save_weights

    def save_until_full(path):
        if full.weights > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path)

    monkeypatch.setattr(full, "save_weights", save_until_full)
    with pytest.raises(StateError, match="epoch_00002.*No space left"):
        fit(full, tmp_path, epochs=3)
    whole = [path.name for path in (tmp_path / "checkpoints").glob("epoch_*")]
    assert whole == ["epoch_00001"]
    later = StandIn([0.4, 0.3])
    assert fit(later, tmp_path, epochs=3).val_loss.tolist() == [0.5, 0.4, 0.3]
    assert len(later.trained) == 4


# With a network: batch normalisation, dropout, Adam and a cosine all have a state of their own.

TUNED = SMOKE["rigid_elastic"] | {
    "training.learning_rate": 3e-3,
    "image.size": 16,
    "model.depth": 1,
    "training.batch": 2,
    "training.updates": 8,
    "training.epoch_updates": 3,
}


def loss_of(masks, probabilities, weights=1):
    """Mean binary cross-entropy of all pixels, each times its weight."""
    return -(weights * np.log(np.where(masks, probabilities, 1 - probabilities))).mean()


def f1_of(masks, probabilities):
    return metrics.scores(metrics.count(masks, probabilities > 0.5))["f1"]


# At 16 px a width of 50 px at 512 is one and a half pixels, so that the border counts.
WEIGHTED = TUNED | {
    "training.target": "gap",
    "weight_map.in_loss": True,
    "weight_map.sigma": 50.0,
}


def stopped_and_whole(settings, tmp_path_factory):
    """Train a network in one go, and another from what an interrupted run would have left."""
    folder, left = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("left")

    def interrupt(line):
        if line.startswith("epoch 1 "):
            shutil.copytree(folder / "checkpoints", left / "checkpoints")

    data = {"training": side(5, 16), "validation": side(3, 16, seed=1)}
    whole, resumed = training.build(settings, 0), training.build(settings, 0)
    history = training.train(whole, **data, settings=settings, seed=0, folder=folder, say=interrupt)
    # The state of a new process is another one.
    keras.utils.set_random_seed(99)
    resumed.set_weights([0 * weight for weight in resumed.get_weights()])
    later = training.train(resumed, **data, settings=settings, seed=0, folder=left, say=list)
    return SimpleNamespace(
        whole=whole, history=history, resumed=resumed, later=later, folder=folder, left=left, **data
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return stopped_and_whole(TUNED, tmp_path_factory)


@pytest.fixture(scope="module")
def weighted_runs(tmp_path_factory):
    return stopped_and_whole(WEIGHTED, tmp_path_factory)


@pytest.fixture(scope="module")
def averaged_runs(tmp_path_factory):
    return stopped_and_whole(TUNED | {"training.average": 0.8}, tmp_path_factory)


@pytest.fixture(scope="module")
def unpadded_runs(tmp_path_factory):
    return stopped_and_whole(TUNED | {"model.network": "unpadded"}, tmp_path_factory)


@pytest.mark.parametrize("name", ["runs", "weighted_runs", "averaged_runs", "unpadded_runs"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(name, request):
    runs = request.getfixturevalue(name)
    assert runs.history.updates.tolist() == [3, 6, 8]
    columns = runs.history.columns.drop("seconds")
    pd.testing.assert_frame_equal(runs.later[columns], runs.history[columns], rtol=1e-6)
    pd.testing.assert_frame_equal(runs.later[:1], runs.history[:1], check_exact=True)
    for one, other in zip(runs.resumed.weights, runs.whole.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7, err_msg=one.path)


def test_history_has_what_the_curves_need(runs, weighted_runs):
    scores = ["loss", "f1", "iou", "mean_iou", "batch_f1"]
    names = {
        *("epoch", "updates", "learning_rate", "seconds"),
        *scores,
        *(f"val_{name}" for name in scores),
    }
    assert set(runs.history) == names
    assert set(weighted_runs.history) == names | {"val_weighted_loss"}
    halves = (1 + np.cos(np.pi * np.array([0, 3, 6]) / 8)) / 2
    np.testing.assert_allclose(runs.history.learning_rate, 3e-3 * halves, rtol=1e-5)


@pytest.mark.parametrize("name", ["runs", "averaged_runs"])
def test_the_best_weights_are_returned_and_score_as_the_history_says(name, request):
    runs = request.getfixturevalue(name)
    best = runs.history.loc[training.best_epoch(runs.history) - 1]
    images, labels = runs.validation
    masks, probabilities = to_mask(labels), predict(runs.whole, images)[..., 0]
    assert best.val_loss == runs.history.val_loss.min()
    assert best.val_loss == pytest.approx(loss_of(masks, probabilities), rel=1e-5)
    scores = metrics.scores(metrics.count(masks, probabilities > 0.5))
    for name in training.CURVES:
        assert best[f"val_{name}"] == pytest.approx(scores[name])
    frames = [f1_of(*pair) for pair in zip(masks, probabilities, strict=True)]
    assert best.val_batch_f1 == pytest.approx(np.mean(frames))


def test_averaged_network_is_the_mean_of_the_weights_and_trains_as_without(tmp_path, monkeypatch):
    # The last epoch is kept.
    monkeypatch.setattr(training, "best_epoch", len)
    settings = TUNED | {"training.updates": 3, "training.epoch_updates": 1}

    def weights_after_each_update(**changes):
        model = training.build(settings | changes, 0)
        after = []
        training.train(
            model,
            side(5, 16),
            side(3, 16, seed=1),
            settings | changes,
            seed=0,
            folder=tmp_path / str(len(changes)),
            say=lambda line: after.append([weight.numpy() for weight in model.trainable_weights]),
        )
        return after, model

    # The first line is said before the first update.
    (_, *plain), _ = weights_after_each_update()
    (_, *trained), averaged = weights_after_each_update(**{"training.average": 0.8})
    for one, two in zip(plain, trained, strict=True):
        for weight, other in zip(one, two, strict=True):
            np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)
    for weight, first, second, third in zip(averaged.trainable_weights, *plain, strict=True):
        expected = 0.8 * (0.8 * first + 0.2 * second) + 0.2 * third
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6, err_msg=weight.path)
    assert np.abs(averaged.get_weights()[0] - plain[-1][0]).max() > 1e-3


def test_weighted_loss_is_that_of_the_weight_maps_and_targets_have_gaps(weighted_runs):
    history = weighted_runs.history
    best = history.loc[training.best_epoch(history) - 1]
    images, labels = weighted_runs.validation
    masks, probabilities = to_gap_mask(labels), predict(weighted_runs.whole, images)[..., 0]
    weights = np.stack([weight_map(frame, w0=10, sigma=50 * 16 / 512) for frame in labels])
    assert best.val_weighted_loss == history.val_weighted_loss.min()
    assert best.val_loss == pytest.approx(loss_of(masks, probabilities), rel=1e-5)
    expected = loss_of(masks, probabilities, weights)
    assert best.val_weighted_loss == pytest.approx(expected, rel=1e-5)
    assert abs(best.val_weighted_loss - best.val_loss) > 0.1
    # Scores of pixels are not weighted.
    pooled = metrics.scores(metrics.count(masks, probabilities > 0.5))
    assert best.val_f1 == pytest.approx(pooled["f1"])


def test_saved_network_predicts_the_same(runs, tmp_path):
    images, _ = runs.validation
    training.save_model(runs.whole, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, images), predict(runs.whole, images), rtol=1e-6)
    assert not loaded.compiled


def test_a_network_that_cannot_be_saved_names_its_file(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="model.keras: cannot be written"):
        training.save_model(runs.whole, tmp_path / "file" / "model.keras")


def test_weights_are_drawn_from_the_seed():
    first, same, other = (training.build(TUNED, seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(*pair) for pair in zip(first, same, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("arm", "kind", "nesterov"), [("none", keras.optimizers.SGD, True), ("rigid", None, None)]
)
def test_optimiser_of_the_report_and_of_the_tuned_arms(arm, kind, nesterov):
    settings = SMOKE[arm] | {"training.learning_rate": 0.25, "image.size": 16, "model.depth": 1}
    optimiser = training.build(settings, 0).optimizer
    assert isinstance(optimiser, kind or keras.optimizers.Adam)
    assert float(optimiser.learning_rate) == 0.25
    if nesterov:
        assert (optimiser.momentum, optimiser.nesterov) == (0.99, True)


@pytest.mark.parametrize("name", ["unet", "no_skip", "aspp"])
def test_network_of_an_arm(name):
    settings = TUNED | {"model.network": name, "model.depth": 2}
    model = training.build(settings, 0)
    assert model.name == name
    assert model.output_shape == (None, 16, 16, 1)
    assert [SMOKE[arm]["model.network"] for arm in ("gap", "no_skip", "aspp")] == [
        "unet",
        "no_skip",
        "aspp",
    ]


# With a network that learns nothing, so that its curves can be computed afterwards.

STILL = PUBLISHED | {
    "image.size": 8,
    "model.depth": 1,
    "model.dropout": 0.0,
    "training.learning_rate": 0.0,
    "training.momentum": 0.0,
    "training.batch": 2,
    "training.epochs": 2,
}


@pytest.fixture(scope="module")
def built():
    model = training.build(STILL, 0)
    return model, model.get_weights()


@pytest.fixture
def still(built):
    model, weights = built
    model.set_weights(weights)
    return model


def test_curves_are_those_of_all_batches_of_an_epoch(still, tmp_path):
    frames = side(6)
    history = training.train(still, frames, side(1), STILL, seed=0, folder=tmp_path, say=list)
    drawn = [training.batch(frames, STILL, 0, update) for update in range(3)]
    images, masks = (np.concatenate(parts)[..., 0] for parts in zip(*drawn, strict=True))
    probabilities = predict(still, images)[..., 0]
    first, second = history.itertuples()
    assert first.loss == pytest.approx(loss_of(masks, probabilities), rel=1e-5)
    assert first.f1 == pytest.approx(f1_of(masks, probabilities))
    batches = [f1_of(masks[n : n + 2], probabilities[n : n + 2]) for n in (0, 2, 4)]
    assert first.batch_f1 == pytest.approx(np.mean(batches))
    assert second.loss == pytest.approx(first.loss, rel=1e-5)


def test_curve_of_a_weighted_loss_and_two_losses_by_hand(still, tmp_path):
    settings = STILL | {"weight_map.in_loss": True, "training.epochs": 1}
    for layer in still.layers:
        layer.set_weights([0 * weight for weight in layer.get_weights()])
    # A network of zeros but for its last bias answers the same everywhere: odds of 3 to 1.
    kernel, bias = still.get_layer("logits").get_weights()
    still.get_layer("logits").set_weights([kernel, bias + np.float32(np.log(3))])
    labels = blocks(2)
    labels[1, :, 4:] = 0
    data = np.zeros(labels.shape, np.float32), labels
    row = training.train(still, data, data, settings, seed=0, folder=tmp_path, say=list).iloc[0]
    # Cells are 48 and 24 of 64 px: a pixel of a cell costs ln 4/3, of the background ln 4.
    cell, background = np.log(4 / 3), np.log(4)
    plain = (72 * cell + 56 * background) / 128
    # Balanced classes count a half each; the border of the two cells of frame 0 comes on top. Its
    # width is 5 px at 512, so that it is 10 exp(-(0 + 1)**2 / (2 * 0.078**2)) = 0 at 8 px.
    balanced = (cell + background) / 2
    assert row.val_loss == pytest.approx(plain, rel=1e-5)
    assert row.val_weighted_loss == pytest.approx(balanced, rel=1e-5)
    assert row.loss == pytest.approx(balanced, rel=1e-5)


def test_weights_that_are_lost_end_the_run_even_where_the_loss_hides_it(still, tmp_path):
    images, labels = side(2)
    broken = (np.where(images > 0.9, np.float32(np.nan), images), labels)
    history = training.train(still, broken, side(2), STILL, seed=0, folder=tmp_path, say=list)
    assert len(history) == 1
    assert training.diverged(history)
    assert training.best_epoch(history) is None
