"""Keras computes the same with JAX as with TensorFlow."""

import os
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from lib import params, training
from lib.paths import ROOT

# Without dropout, whose random numbers are the backend's own.
SETTINGS = params.load("smoke").arms["gap_weighted"] | {
    "image.size": 16,
    "model.filters": 4,
    "model.depth": 2,
    "model.dropout": 0.0,
    "training.learning_rate": 1e-3,
    "training.updates": 6,
    "training.epoch_updates": 3,
    "training.average": 0.9,
}


def trained(folder):
    """Train on made images, from the weights in the folder, and write the history there."""
    images = np.random.default_rng(0).random((4, 16, 16), np.float32)
    labels = np.where(images > 0.4, 1 + (images > 0.7), 0)
    model = training.build(SETTINGS, seed=0)
    model.load_weights(folder / "initial.weights.h5")
    sides = (images[:3], labels[:3]), (images[3:], labels[3:])
    history = training.train(model, *sides, SETTINGS, seed=0, folder=folder, say=lambda line: None)
    history.to_csv(folder / f"{keras.backend.backend()}.csv", index=False)
    np.save(folder / f"{keras.backend.backend()}.npy", model.predict_on_batch(images[..., None]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    training.build(SETTINGS, seed=0).save_weights(folder / "initial.weights.h5")
    trained(folder)
    (folder / "checkpoints").rename(folder / "checkpoints_tensorflow")
    code = "import sys; from pathlib import Path; from tests.test_backends import trained; "
    code += "trained(Path(sys.argv[1]))"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "STUDY_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, env=environment, check=True)
    return folder


def test_losses_and_scores_of_every_epoch_agree(folder):
    theirs, ours = (pd.read_csv(folder / f"{name}.csv") for name in ("jax", "tensorflow"))
    assert len(ours) == 2
    columns = ours.columns.drop("seconds")
    assert theirs.columns.drop("seconds").equals(columns)
    np.testing.assert_allclose(theirs[columns], ours[columns], rtol=1e-4)


def test_jax_that_counts_in_32_bits_is_refused():
    code = "from lib import training; from tests.test_backends import SETTINGS; "
    code += "training.build(SETTINGS, 0)"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode
    assert "KERAS_BACKEND=jax needs JAX_ENABLE_X64=1" in done.stderr


def test_the_networks_answer_alike(folder):
    theirs, ours = (np.load(folder / f"{name}.npy") for name in ("jax", "tensorflow"))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
