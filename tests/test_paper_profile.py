"""The paper profile is too large to train here; its first update is not."""

import math

import numpy as np
import pytest

from lib import params, training


@pytest.fixture(scope="module")
def settings():
    return params.load("paper").arms["augmented"] | {"training.learning_rate": 1e-3}


def test_sizes_are_the_published_ones(settings):
    expected = {
        "image.size": 512,
        "model.filters": 64,
        "model.depth": 4,
        "training.batch": 1,
        "training.momentum": 0.99,
        "training.epochs": 100,
        "training.patience": 5,
        "augmentation.copies": 12,
    }
    assert {key: settings[key] for key in expected} == expected


def test_first_update(settings):
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 512, 512), np.uint16)
    labels[0, 100:300, 100:400] = 1
    images = np.float32(labels) * 0.2 + rng.random(labels.shape, np.float32) * 0.1
    model = training.build(settings, seed=0)
    assert model.count_params() == pytest.approx(31.03e6, rel=1e-3)
    before = model.get_layer("logits").get_weights()[0]
    loss = model.train_on_batch(
        *training.batch((images, labels), settings, 0, update=0), return_dict=True
    )["loss"]
    # An untrained network is near ln 2, and one update moves it.
    assert loss == pytest.approx(math.log(2), abs=0.3)
    assert np.any(model.get_layer("logits").get_weights()[0] != before)
