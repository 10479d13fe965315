"""A network applied to images of any shape; what cannot be read is refused by name."""

import json

import keras
import numpy as np
import pytest
import tifffile
from skimage import io

from lib import predict
from lib.arrays import resample
from lib.data import read_results
from lib.evaluation import cells_of, quantise
from lib.evaluation import predict as predict_frames
from lib.files import StateError
from lib.source import DataError

FRAME, SIZE = 32, 16
SETTINGS = {
    "image.size": SIZE,
    "image.normalise": "none",
    "training.target": "mask",
    "evaluation.threshold": 0.5,
}
COMPONENTS = {"threshold": 0.5, "smallest": 0, "grow": 0}


def network():
    """Find bright pixels: the logit is 20 times the grey value above one half."""
    return keras.Sequential([keras.Input((SIZE, SIZE, 1)), keras.layers.Rescaling(20, -10)])


TILED = network()


def squares(rows=FRAME, columns=FRAME):
    """Two bright squares on dark ground, in the corners of the first frame."""
    image = np.full((rows, columns), 20, np.uint8)
    image[4:12, 4:12] = 230
    image[20:28, 18:26] = 230
    return image


def write_run(folder, **changes):
    folder.mkdir(parents=True)
    network().save(folder / "model.keras")
    lines = [f"{key}: {value}\n" for key, value in (SETTINGS | changes).items()]
    (folder / "params.yaml").write_text("".join(lines))
    data = {"label": "the phantom", "shape": [FRAME, FRAME]}
    (folder / "provenance.json").write_text(json.dumps({"data": data}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("outputs") / "run")


def find(image, **changes):
    chosen = SETTINGS | changes
    return predict.find_cells(image, network(), chosen, COMPONENTS, frame=FRAME, name="it.png")


# Cells --------------------------------------------------------------------------------------


def test_a_frame_of_the_data_is_predicted_as_in_the_study():
    image = np.random.default_rng(0).integers(0, 256, (FRAME, FRAME), np.uint8)
    small, _ = resample(image[None], image[None], SIZE)
    probability = quantise(predict_frames(network(), small)[0, ..., 0])
    np.testing.assert_array_equal(find(image), cells_of(probability, image.shape, 0.5))


@pytest.mark.parametrize("shape", [(32, 32), (40, 70), (32, 90), (30, 26), (101, 77)])
def test_squares_are_found_in_an_image_of_any_shape(shape):
    image = squares(*shape)
    cells = find(image)
    assert cells.shape == image.shape
    assert cells.dtype == np.uint16
    assert cells.max() == 2
    assert np.mean((cells > 0) == (image > 128)) > 0.97


def test_grey_values_are_those_of_the_type():
    np.testing.assert_array_equal(find(squares()), find(squares().astype(np.uint16) * 257))


def test_normalised_frames_do_not_depend_on_brightness():
    # With mean 0 and deviation 1 the squares are above one half, whatever the image's range.
    changes = {"image.normalise": "frame"}
    cells = find(squares(), **changes)
    assert cells.max() == 2
    np.testing.assert_array_equal(cells, find(squares() // 5, **changes))


def test_without_scored_cells_they_are_components_at_the_threshold_of_the_run(run):
    constants = predict.read_constants(run, SETTINGS | {"evaluation.threshold": 0.4})
    assert constants == {"threshold": 0.4, "smallest": 0, "grow": 0}
    image = np.full((FRAME, FRAME), 128, np.uint8)
    found = predict.find_cells(image, network(), SETTINGS, constants, frame=FRAME, name="it.png")
    assert found.all()
    constants["threshold"] = 0.6
    found = predict.find_cells(image, network(), SETTINGS, constants, frame=FRAME, name="it.png")
    assert not found.any()


def test_constants_are_those_that_the_validation_frames_chose(tmp_path):
    path = tmp_path / "cells" / "gap" / "last" / "seed0.json"
    path.parent.mkdir(parents=True)
    record = {
        "constants": {"a": {"grow": 1}, "b": {"grow": 2}},
        "validation_seg": {"a": 0.5, "b": 0.6},
    }
    path.write_text(json.dumps(record))
    run = tmp_path / "runs" / "gap" / "last" / "seed0"
    assert predict.read_constants(run, SETTINGS) == {"grow": 2}
    path.write_text("{}")
    with pytest.raises(StateError, match="seed0.json: cannot be read as constants"):
        predict.read_constants(run, SETTINGS)


def test_cells_are_cut_out_of_the_second_map_where_there_is_one():
    seen = keras.Input((SIZE, SIZE, 1))
    foreground = keras.layers.Rescaling(20, -10)(seen)
    # No pixel of the right half lies far from a border.
    far = foreground - 100 * np.reshape(np.arange(SIZE) >= SIZE // 2, (1, 1, SIZE, 1))
    double = keras.Model(seen, keras.layers.Concatenate()([foreground, far]))
    settings = SETTINGS | {"training.target": "distance"}
    cells = predict.find_cells(squares(), double, settings, COMPONENTS, frame=FRAME, name="it.png")
    assert cells.max() == 1
    assert cells[8, 8] == 1


def test_too_small_an_image_is_refused():
    with pytest.raises(DataError, match=r"it.png: 15 rows and 80 columns .* 32 x 32 pixels"):
        find(np.zeros((15, 80), np.uint8))


# Files --------------------------------------------------------------------------------------


def refusal(words, capsys):
    with pytest.raises(SystemExit) as caught:
        predict.main([str(word) for word in words])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_folder_of_images_becomes_cells_and_overlays(run, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    io.imsave(images / "a.png", squares(), check_contrast=False)
    tifffile.imwrite(images / "b.TIF", squares(40, 50).astype(np.uint16) * 257)
    (images / "notes.txt").write_text("no image")
    out = tmp_path / "out" / "new"
    predict.main([str(images), "--run", str(run), "--out", str(out)])
    assert sorted(path.name for path in out.iterdir()) == [
        "a_cells.tif",
        "a_overlay.png",
        "b_cells.tif",
        "b_overlay.png",
    ]
    cells = tifffile.imread(out / "b_cells.tif")
    np.testing.assert_array_equal(cells, find(squares(40, 50)))
    said = capsys.readouterr().out
    assert "trained on the phantom" in said
    assert said.count(": 2 cells, ") == 2
    overlay = io.imread(out / "a_overlay.png")
    cells = tifffile.imread(out / "a_cells.tif")
    coloured = (overlay != overlay[..., :1]).any(axis=2)
    assert overlay.shape == (FRAME, FRAME, 3)
    assert coloured.any()
    # Outlines lie within the cells; what they enclose stays grey.
    assert not (coloured & (cells == 0)).any()
    assert not coloured[8, 8]


def test_video_of_the_challenge_becomes_its_results(run, tmp_path, capsys):
    video, out = tmp_path / "01", tmp_path / "out"
    video.mkdir()
    for name in ("t002.tif", "t010.tif", "other.tif"):
        tifffile.imwrite(video / name, squares())
    predict.main([str(video), "--run", str(run), "--out", str(out)])
    results = read_results(out, "01", (FRAME, FRAME))
    assert list(results) == [2, 10]
    np.testing.assert_array_equal(results[10], find(squares()))
    assert "out/01_RES" in capsys.readouterr().out
    video = video.rename(tmp_path / "images")
    predict.main([str(video), "--run", str(run), "--out", str(out / "plain")])
    assert not list((out / "plain").glob("*_RES"))


def test_what_is_no_grey_image_is_refused(run, tmp_path, capsys):
    for array in (
        np.zeros((40, 40, 3), np.uint8),
        np.zeros((40, 40), np.float32),
        np.zeros((5, 40, 40), np.uint8),
    ):
        path = tmp_path / "image.tif"
        tifffile.imwrite(path, array)
        message = refusal([path, "--run", run], capsys)
        assert f"image.tif: {array.dtype} of shape {array.shape}" in message
    io.imsave(tmp_path / "colour.png", np.zeros((40, 40, 3), np.uint8), check_contrast=False)
    message = refusal([tmp_path / "colour.png", "--run", run], capsys)
    assert "uint8 of shape (40, 40, 3); expected one channel of uint8 or uint16" in message


@pytest.mark.parametrize("name", ["broken.png", "broken.tif"])
def test_what_cannot_be_read_is_named(run, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"II*\0 no image")
    assert f"{name}: cannot be read" in refusal([tmp_path / name, "--run", run], capsys)


def test_names_without_an_image_are_refused(run, tmp_path, capsys):
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "twice").mkdir()
    for name in ("a.png", "a.tif"):
        (tmp_path / "twice" / name).touch()
    for name, message in {
        "": "no image is named; write make predict IMAGE=",
        tmp_path / "missing.png": "missing.png: no such file or folder",
        tmp_path / "photo.jpg": "photo.jpg: is no TIFF or PNG file (.tif, .tiff, .png)",
        tmp_path: "no TIFF or PNG file (.tif, .tiff, .png) in this folder",
        tmp_path / "twice": "a.tif: its results would have the names of those of a.png",
    }.items():
        assert message in refusal([name, "--run", run], capsys)


# The network --------------------------------------------------------------------------------


def test_the_best_trained_arm_is_chosen_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "OUTPUTS", tmp_path)
    image = tmp_path / "a.png"
    io.imsave(image, squares(), check_contrast=False)
    message = refusal([image], capsys)
    assert "no network of gap_weighted, rigid_elastic, augmented_tuned" in message
    assert "`make reproduce`" in message
    for arm in ("augmented_tuned", "gap_weighted"):
        write_run(tmp_path / "quick" / "runs" / arm / "last" / "seed0")
        predict.main([str(image), "--out", str(tmp_path / "out")])
        assert f"quick/runs/{arm}/last/seed0, trained on" in capsys.readouterr().out


def test_a_run_without_its_network_is_refused(run, tmp_path, capsys):
    image = tmp_path / "a.png"
    io.imsave(image, squares(), check_contrast=False)
    assert "is not the folder of a finished run" in refusal([image, "--run", tmp_path], capsys)
    bare = write_run(tmp_path / "bare")
    (bare / "model.keras").write_bytes(b"no network")
    assert "model.keras: cannot be read" in refusal([image, "--run", bare], capsys)
    (bare / "model.keras").unlink()
    message = refusal([image, "--run", bare], capsys)
    assert "its network, model.keras, was not kept" in message
    assert "`make reproduce`" in message
