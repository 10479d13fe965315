"""Answers of a stand-in for a network."""

import numpy as np
import pytest
from scipy.special import expit

from lib.data.files import StateError
from lib.network.inference import (
    STEPS,
    mean_predictions,
    predict,
    predict_turned,
    quantise,
    save_predictions,
    split_maps,
)


class StandIn:
    """Answers with a grey value and where it was, so that a turn too few shows."""

    def __init__(self):
        self.seen = []

    def predict_on_batch(self, images):
        self.seen.append(images)
        place = np.indices(images.shape[1:3]).sum(axis=0)[None, ..., None]
        return np.concatenate([images, images + 0 * place, np.float32(place)], axis=-1)


def images(shape):
    return np.random.default_rng(0).normal(0, 1, (2, *shape)).astype(np.float32)


def test_answers_are_probabilities_of_one_frame_after_another():
    model, seen = StandIn(), images((4, 6))
    answer = predict(model, seen)
    assert answer.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(answer[..., 0], expit(seen), rtol=1e-6)
    assert [one.shape for one in model.seen] == [(1, 4, 6, 1)] * 2


@pytest.mark.parametrize(("shape", "turns"), [((4, 4), 8), ((4, 6), 4)])
def test_turns_are_turned_back_and_all_different(shape, turns):
    model, seen = StandIn(), images(shape)
    answer = predict_turned(model, seen)
    np.testing.assert_allclose(answer[..., 0], expit(seen), rtol=1e-6)
    assert len({one.tobytes() for one in model.seen}) == 2 * turns
    assert {one.shape[1:3] for one in model.seen} == {shape}
    # What depends on the place is averaged over all corners.
    middle = answer[0, ..., 2]
    np.testing.assert_allclose(middle, middle[::-1, ::-1], rtol=1e-6)
    np.testing.assert_allclose(middle, middle[:, ::-1], rtol=1e-6)


def test_maps_that_cells_are_cut_out_of():
    answer = np.random.default_rng(0).random((1, 2, 3, 2))
    assert list(split_maps(answer, "gap")) == ["probability"]
    border, distance = (split_maps(answer, name)["inside"] for name in ("border", "distance"))
    np.testing.assert_array_equal(border, answer[..., 0] * (1 - answer[..., 1]))
    np.testing.assert_array_equal(distance, answer[..., 1])


def test_predictions_are_kept_in_steps_and_averaged_over_runs(tmp_path):
    pairs = [("01", 3), ("02", 0)]
    runs = np.random.default_rng(0).random((2, 2, 4, 6))
    for number, maps in enumerate(runs):
        kept = {"probability": quantise(maps), "turned_probability": quantise(1 - maps)}
        save_predictions(tmp_path / f"{number}.npz", pairs, kept)
    maps = mean_predictions([tmp_path / "0.npz"], turned=False)
    assert list(maps) == pairs
    np.testing.assert_allclose([maps[pair][0] for pair in pairs], runs[0], atol=0.5 / STEPS)
    assert quantise(np.array([np.nan, 0, 1])).tolist() == [0, 0, STEPS]
    paths = [tmp_path / "0.npz", tmp_path / "1.npz"]
    foreground, inside = mean_predictions(paths, turned=True)["02", 0]
    np.testing.assert_allclose(foreground, 1 - runs[:, 1].mean(axis=0), atol=0.5 / STEPS)
    np.testing.assert_array_equal(inside, foreground)
    paths[0].write_bytes(paths[0].read_bytes()[:100])
    with pytest.raises(StateError, match="0.npz: cannot be read as predictions"):
        mean_predictions(paths, turned=False)
