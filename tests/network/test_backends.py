"""Keras computes the same with JAX, which counts in 32 bits, as with TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.modules["tensorflow"] = None  # nor does JAX need it

import keras
import numpy as np
import pytest

from lib.data.files import ROOT, read_table
from lib.network import training
from lib.study.params import load
from lib.study.schema import changed

SETTINGS = changed(
    load("smoke").arms["none"],
    {
        "model.filters": 2,
        "training.optimiser": "adam",
        "training.schedule": "cosine",
        "training.updates": 3,
        "training.epoch_updates": 2,
        "weight_map.terms": "both",
    },
)


def tiny(shape, *, filters, maps, **_):
    """A network that is compiled soon, without dropout, whose numbers are the backend's own."""
    image = keras.Input((*shape, 1))
    features = keras.layers.Conv2D(filters, 3, padding="same")(image)
    features = keras.layers.ReLU()(keras.layers.BatchNormalization()(features))
    return keras.Model(image, keras.layers.Conv2D(maps, 1)(features))


def built(shape):
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(training.NETWORKS, "unet", tiny)
        return training.build(SETTINGS, shape, 0, [keras.metrics.BinaryAccuracy(threshold=0)])


def trained(folder, stop_at):
    """Train from the weights in the folder, once stopped and gone on; write what became of it."""
    images = np.random.default_rng(0).random((4, 16, 24), np.float32)
    labels = np.where(images > 0.4, 1 + (images > 0.7), 0)
    sides = (images[:3], labels[:3]), (images[3:], labels[3:])
    model = built(images.shape[1:])
    # TensorFlow would trace for longer than these few steps take; JAX has nothing to trace.
    model.run_eagerly = keras.backend.backend() == "tensorflow"
    model.load_weights(folder / "initial.weights.h5")
    place = folder / keras.backend.backend()

    def stop(line):
        if line.startswith(f"epoch {stop_at} "):
            raise InterruptedError

    try:
        training.train(model, *sides, SETTINGS, seed=0, folder=place, say=stop)
    except InterruptedError:
        model.set_weights([0 * weights for weights in model.get_weights()])
        training.train(model, *sides, SETTINGS, seed=0, folder=place, say=list)
    np.save(place / "answer.npy", np.array(model(images[..., None])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    built((16, 24)).save_weights(folder / "initial.weights.h5")
    variables = {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    variables |= {"PYTHONPATH": str(ROOT), "JAX_ENABLE_X64": "0"}
    words = [sys.executable, "-W", "error::UserWarning", __file__, str(folder)]
    with subprocess.Popen(words, env=os.environ | variables) as jax:
        trained(folder, stop_at=0)
    assert jax.returncode == 0
    return folder


def test_losses_and_scores_of_every_epoch_agree(folder):
    theirs, ours = (read_table(folder / name / "history.csv") for name in ("jax", "tensorflow"))
    assert ours.updates.tolist() == [2, 3]
    assert list(theirs) == list(ours)
    scores = [name for name in ours if name.endswith("binary_accuracy")]
    assert len(scores) == 2
    # A pixel at the threshold may fall on either side: three of those of one frame.
    np.testing.assert_allclose(theirs[scores], ours[scores], atol=3.5 / (16 * 24))
    columns = ours.columns.drop(["seconds", *scores])
    np.testing.assert_allclose(theirs[columns], ours[columns], rtol=1e-4)


def test_the_networks_answer_alike(folder):
    theirs, ours = (np.load(folder / name / "answer.npy") for name in ("jax", "tensorflow"))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


if __name__ == "__main__":
    trained(Path(sys.argv[1]), stop_at=2)
