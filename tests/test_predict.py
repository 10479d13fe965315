"""One's own images: every kind that may come, what is written, and what a user is told."""

import json
import signal
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import roifile
import tifffile
import yaml
from ctc_metrics.scripts.validate import validate_sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from lib import predict
from lib.data.arrays import resample_image
from lib.data.files import ROOT, DataError
from lib.network import inference
from lib.network.model import unet
from lib.scoring.segment import enlarge, to_cells
from lib.study.params import load
from lib.study.schema import changed

FRAME, SIZE = 32, 16
PLAIN = changed(load(ROOT / "params" / "base.yaml").settings, {"image.size": SIZE})
DATA = {"label": "the phantom", "shape": [FRAME, FRAME], "dtype": "uint8", "grey": [0, 255]}
COMPONENTS = {"threshold": 0.5, "smallest": 0, "grow": 0}


def bright():
    """Find bright pixels: the logit is 20 times the grey value above one half."""
    return keras.Sequential([keras.Input((SIZE, SIZE, 1)), keras.layers.Rescaling(20, -10)])


BRIGHT = bright()


def squares(rows=FRAME, columns=FRAME):
    """Two bright squares of 64 px on dark ground, in the corners of the first frame."""
    image = np.full((rows, columns), 20, np.uint8)
    image[4:12, 4:12] = 230
    image[20:28, 18:26] = 230
    return image


def write_run(folder, changes=None, constants=COMPONENTS, pixel=0.2, **cells):
    folder.mkdir(parents=True)
    BRIGHT.save(folder / "model.keras")
    own = changed(PLAIN, changes or {})
    record = {"arm": "mine", "fold": "last", "data": {**DATA, "pixel": pixel}}
    text = yaml.safe_dump(record | {"settings": own.model_dump()})
    (folder / "params.yaml").write_text(text)
    record = {"constants": {"a": {}, "b": constants}, "chosen": "b", "cell_area": 50}
    (folder / "cells.json").write_text(json.dumps({str(own.evaluation.turns): record | cells}))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("outputs") / "run")


@pytest.fixture(scope="module")
def network(run):
    return predict.Network(run)


@pytest.fixture
def call(run, tmp_path, capsys):
    """Call the command, and get its exit status, its lines and those of its errors."""

    def calling(image, *words, out="out"):
        given = [str(word) for word in (image, *words)]
        given += [] if "--run" in given else ["--run", str(run)]
        given += [] if "--out" in given else ["--out", str(tmp_path / out)]
        status = predict.main(given)
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return calling


# Kinds of image ---------------------------------------------------------------------------------


def save_png(path, array, mode=None):
    PIL.Image.fromarray(array).convert(mode).save(path)


def save_palette(path, image):
    """Store grey values as indices that are none: 0 for the brightest."""
    levels = np.unique(image)[::-1]
    table = np.zeros((3, 256), np.uint16)
    table[:, : len(levels)] = 257 * levels.astype(np.uint16)
    indices = np.searchsorted(-levels.astype(int), -image.astype(int)).astype(np.uint8)
    tifffile.imwrite(path, indices, photometric="palette", colormap=table)


def hot(image):
    image = image.astype(np.uint16)
    image[8, 8] = 65535
    return image


WHITE = {"photometric": "miniswhite"}
KINDS = {
    "odd.tif": lambda path, it: tifffile.imwrite(path, it),
    "bits.tif": lambda path, it: tifffile.imwrite(path, np.uint16(it * 16.0)),
    "full.tif": lambda path, it: tifffile.imwrite(path, it.astype(np.uint16) * 257),
    "hot.tif": lambda path, it: tifffile.imwrite(path, hot(it)),
    "order.tif": lambda path, it: tifffile.imwrite(path, np.uint16(it * 16.0), byteorder=">"),
    "packed.TIFF": lambda path, it: tifffile.imwrite(path, it, compression="lzw"),
    "white.tif": lambda path, it: tifffile.imwrite(path, 255 - it, **WHITE),
    "plane.tif": lambda path, it: tifffile.imwrite(path, it[None]),
    "rgb.tif": lambda path, it: tifffile.imwrite(path, np.dstack([it] * 3), photometric="rgb"),
    "palette.tif": save_palette,
    "float.tif": lambda path, it: tifffile.imwrite(path, np.float32(it / 255)),
    "range.tif": lambda path, it: tifffile.imwrite(path, it * 40.0 - 5e3),
    "signed.tif": lambda path, it: tifffile.imwrite(path, it.astype(np.int16) * 40 - 5000),
    "grey.png": save_png,
    "deep.PNG": lambda path, it: save_png(path, it.astype(np.uint16) * 257),
    "rgb.png": lambda path, it: save_png(path, it, "RGB"),
    "alpha.png": lambda path, it: save_png(path, it, "RGBA"),
    "indexed.png": lambda path, it: save_png(path, it, "P"),
}


@pytest.mark.parametrize("name", KINDS)
def test_an_image_of_any_kind_gives_the_cells_of_the_plain_one(call, tmp_path, name):
    KINDS[name](tmp_path / name, squares(40, 36))
    status, said, errors = call(tmp_path / name)
    assert (status, errors) == (0, [])
    cells = tifffile.imread(tmp_path / "out" / f"{(tmp_path / name).stem}_cells.tif")
    np.testing.assert_array_equal(cells > 0, squares(40, 36) > 128)
    assert cells.max() == 2
    ranges = {"float.tif": ", float32 from 0.07", "range.tif": ", float64 from -4200 to 4200"}
    assert ranges.get(name, "") in said[1]


def test_the_real_kinds_of_one_frame_agree():
    rng = np.random.default_rng(0)
    image = rng.normal(120, 20, (64, 64)).clip(0, 255).astype(np.uint8)
    plain, _ = predict.to_grey(image, "it")
    np.testing.assert_array_equal(plain, image)
    scaled = {
        name: predict.to_grey(other, name)
        for name, other in {
            "hot": np.where(np.arange(4096).reshape(64, 64) == 9, 65535, image).astype(np.uint16),
            "float": np.float32(image / 255),
        }.items()
    }
    for other, (black, white) in scaled.values():
        values = (other.astype(float) - black) / (white - black)
        assert (abs(values - image / 255) > 1e-6).sum() <= 1


@pytest.mark.parametrize(
    ("shape", "axes", "count"),
    [((3, 40, 36), "QYX", 3), ((2, 1, 5, 40, 36), "TZCYX", 10), ((2, 40, 36, 3), "ZYXS", 2)],
)
def test_stacks_are_taken_plane_by_plane(call, tmp_path, shape, axes, count):
    stack = np.zeros(shape, np.uint8)
    stack[:] = squares(40, 36).reshape(40, 36, *([1] if axes.endswith("S") else []))
    stack[0] = 20
    metadata = {} if axes.startswith("Q") else {"axes": axes.replace("S", "")}
    colour = {"photometric": "rgb" if axes.endswith("S") else "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata=metadata, **colour)
    status, said, _ = call(tmp_path / "a.tif")
    assert status == 0
    digits = len(str(count))
    assert said[-2] == f"a_{count}: 2 cells"
    assert said[1] == f"a_{1:0{digits}d}: 0 cells"
    assert len(list((tmp_path / "out").glob("a_*_cells.tif"))) == count


def write_nan(path):
    image = np.float32(squares())
    image[3, 4] = np.nan
    tifffile.imwrite(path, image)


def write_cut(path):
    tifffile.imwrite(path, squares(200, 200), compression="zlib")
    path.write_bytes(path.read_bytes()[:-40])


def write_shapes(path):
    with tifffile.TiffWriter(path) as file:
        for rows in (40, 50):
            file.write(squares(rows, 40), photometric="minisblack")


COLOURS = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
BAD = {
    "nan.tif": (write_nan, "NaN or infinite values; replace them, or save it as 8 or 16 bit grey"),
    "colour.png": (lambda path: save_png(path, COLOURS), "has colours, its channels differ; save"),
    "colour.tif": (lambda path: tifffile.imwrite(path, COLOURS, photometric="rgb"), "has colours"),
    "mask.png": (lambda path: save_png(path, squares(), "1"), "values of type bool are no grey"),
    "waves.tif": (lambda path: tifffile.imwrite(path, squares() * 1j), "type complex128 are no"),
    "cut.tif": (write_cut, "cannot be read: "),
    "empty.tif": (lambda path: path.touch(), "cannot be read: "),
    "text.png": (lambda path: path.write_text("no image"), "cannot be read: cannot identify image"),
    "shapes.tif": (write_shapes, "several images in one file; save it as 8 or 16 bit"),
    "small.tif": (
        lambda path: tifffile.imwrite(path, squares()[:15]),
        "15 x 32 px are too few; the network sees 32 x 32 at once and needs half of that",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_named_with_its_reason(call, tmp_path, name):
    write, message = BAD[name]
    write(tmp_path / name)
    status, _, (error,) = call(tmp_path / name)
    assert status == 1
    assert error.startswith(f"error: {tmp_path / name}")
    assert message in error
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_goes_on_after_bad_files_and_lists_them_at_the_end(call, tmp_path):
    images = tmp_path / "images"
    (images / "below.tif").mkdir(parents=True)
    for name in ("a.png", "c.tif", "C.png", ".hidden.png", "._a.png"):
        KINDS["grey.png" if name.endswith("png") else "odd.tif"](images / name, squares())
    (images / "b.tif").write_text("no image")
    (images / "notes.txt").touch()
    status, said, (error,) = call(images, out="images")
    assert status == 1
    assert [line.partition(":")[0] for line in said[1:-1]] == ["C.png", "a", "c.tif"]
    assert "b.tif: cannot be read" in error
    assert said[-1] == f"results are in {images}"
    assert len([path for path in images.iterdir() if path.name.endswith(predict.RESULTS)]) == 15
    # A second call passes over the results of the first.
    (images / "c.tif").unlink()
    status, said, _ = call(images, out="images")
    assert [line.partition(":")[0] for line in said[1:-1]] == ["C", "a"]
    assert said[-1] == f"results are in {images}; 10 more files there are of earlier calls"


def test_a_users_image_may_be_named_like_a_result(call, tmp_path):
    save_png(tmp_path / "my_cells.png", squares())
    tifffile.imwrite(tmp_path / "her_cells.tif", squares())
    _, said, _ = call(tmp_path)
    assert [line.partition(":")[0] for line in said[1:-1]] == ["her_cells", "my_cells"]
    # Into the same folder, where they are no results of an earlier call.
    _, said, _ = call(tmp_path, out=".")
    assert said[-1] == f"results are in {tmp_path}"


# Cells ------------------------------------------------------------------------------------------


def test_a_frame_of_the_data_is_predicted_as_in_the_study(network):
    image = np.random.default_rng(0).integers(0, 256, (FRAME, FRAME), np.uint8)
    small = resample_image(image, (SIZE, SIZE))
    kept = inference.quantise(inference.predict(BRIGHT, small[None])[0, ..., 0])
    expected = to_cells(enlarge(kept / inference.STEPS, image.shape) >= 0.5)
    np.testing.assert_array_equal(predict.find_cells(image, network), expected)


def test_the_size_of_a_pixel_brings_cells_to_the_size_that_the_network_knows(call, run, tmp_path):
    save_png(tmp_path / "a.png", squares().repeat(2, 0).repeat(2, 1))
    status, _, (warning,) = call(tmp_path / "a.png")
    assert status == 0
    assert warning == (
        "warning: the network knows cells 8 px wide and finds others in a (18 px); "
        "give the micrometres a pixel as PIXEL="
    )
    status, _, errors = call(tmp_path / "a.png", "--pixel", "0,1")
    assert (status, errors) == (0, [])
    table = pd.read_csv(tmp_path / "out" / "a_cells.csv")
    assert table.area_px.tolist() == [256, 256]
    assert table.area_um2.tolist() == [2.56, 2.56]
    assert table[["row", "column"]].to_numpy().tolist() == [[15.5, 15.5], [47.5, 43.5]]


def test_the_size_of_the_cells_is_that_of_the_run_where_it_is_recorded(call, tmp_path):
    run = write_run(tmp_path / "large", cell_area=700)
    save_png(tmp_path / "a.png", squares())
    _, _, (warning,) = call(tmp_path / "a.png", "--run", run)
    assert "knows cells 30 px wide and finds others in a (9 px)" in warning


def test_an_image_without_cells_gets_empty_results_and_a_warning(call, tmp_path):
    save_png(tmp_path / "a.png", squares() // 10)
    status, _, (warning,) = call(tmp_path / "a.png")
    assert status == 0
    assert "in a (0 px)" in warning
    assert pd.read_csv(tmp_path / "out" / "a_cells.csv").empty


def test_cells_are_cut_out_of_the_second_map_where_there_is_one(tmp_path):
    seen = keras.Input((SIZE, SIZE, 1))
    foreground = keras.layers.Rescaling(20, -10)(seen)
    # No pixel of the right half lies far from a border.
    far = foreground - 100 * np.reshape(np.arange(SIZE) >= SIZE // 2, (1, 1, SIZE, 1))
    double = keras.Model(seen, keras.layers.Concatenate()([foreground, far]))
    folder = write_run(tmp_path / "run", {"training.target": "distance", "evaluation.turns": False})
    double.save(folder / "model.keras")
    cells = predict.find_cells(squares(), predict.Network(folder))
    assert (cells.max(), cells[8, 8]) == (1, 1)


@pytest.mark.parametrize("turns", [False, True])
def test_a_network_is_turned_where_its_cells_were_chosen_so(tmp_path, monkeypatch, turns):
    network = predict.Network(write_run(tmp_path / "run", {"evaluation.turns": turns}))
    answers = {name: getattr(inference, name) for name in ("predict", "predict_turned")}
    called = []
    for name, answer in answers.items():
        monkeypatch.setattr(inference, name, lambda *a, n=name, f=answer: called.append(n) or f(*a))
    assert predict.find_cells(squares(), network).max() == 2
    assert called[0] == ("predict_turned" if turns else "predict")


# Tiles ------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(SIZE // 2, 40), st.integers(SIZE // 2, 40))
def test_tiles_of_a_network_without_context_make_its_whole_prediction(rows, columns):
    image = np.random.default_rng(rows).random((rows, columns), np.float32)
    tiled = predict.predict_tiles(image, BRIGHT, inference.predict)[..., 0]
    np.testing.assert_allclose(tiled, 1 / (1 + np.exp(10 - 20.0 * image)), atol=1e-5)


def test_tiles_answer_as_the_whole_image_does_and_leave_no_seam():
    keras.utils.set_random_seed(0)
    whole, tiled = (unet((side, side), filters=4, depth=1) for side in (96, 32))
    whole.set_weights([1.5 * weights for weights in whole.get_weights()])
    tiled.set_weights(whole.get_weights())
    image = np.random.default_rng(1).random((96, 96), np.float32)
    expected = inference.predict(whole, image[None])[0, ..., 0]
    found = predict.predict_tiles(image, tiled, inference.predict)[..., 0]
    # A tile sees nothing beyond its edges, where it counts least.
    assert abs(found - expected).mean() < 0.1 * expected.std()
    steps, usual = (abs(np.diff(one, axis=1)).mean(axis=0) for one in (found, expected))
    assert (steps < usual + 0.1 * usual.max()).all()


# Results ----------------------------------------------------------------------------------------


def test_results_show_each_cell(call, tmp_path):
    save_png(tmp_path / "a.png", squares())
    call(tmp_path / "a.png")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(f"a{r}" for r in predict.RESULTS)
    cells = tifffile.imread(out / "a_cells.tif")
    assert (cells.dtype, cells.shape, cells.max()) == (np.uint16, (FRAME, FRAME), 2)
    outlines, colours = (
        np.asarray(PIL.Image.open(out / f"a_{name}.png")) for name in ("outlines", "colours")
    )
    drawn = (outlines != outlines[..., :1]).any(axis=2)
    assert (drawn[4, 4], drawn[8, 8], drawn[3, 4]) == (True, False, False)
    assert len({tuple(colours[place]) for place in ((0, 0), (8, 8), (24, 22))}) == 3
    assert not colours[cells == 0].any()
    table = pd.read_csv(out / "a_cells.csv")
    assert table.columns.tolist() == ["id", "area_px", "row", "column", "area_um2"]
    assert table.iloc[1, :4].tolist() == [2, 64, 23.5, 21.5]
    assert table.area_um2.isna().all()
    for cell, roi in enumerate(roifile.roiread(out / "a_rois.zip"), 1):
        # ImageJ's coordinates run from the corner of the first pixel.
        inside = polygon2mask(cells.shape, roi.coordinates()[:, ::-1] - 0.5)
        assert (inside == (cells == cell)).mean() > 0.99


def test_a_video_becomes_results_that_the_official_evaluation_takes(call, tmp_path):
    video = tmp_path / "01"
    video.mkdir()
    for number in range(3):
        image = np.roll(squares(), number, axis=1)
        image[20:28] = 20 if number == 1 else image[20:28]
        tifffile.imwrite(video / f"t{number:03d}.tif", image)
    status, said, _ = call(video)
    assert status == 0
    assert said[-1] == f"results are in {tmp_path / 'out'}"
    # A cell keeps its id; the one that was away comes back as another.
    results = [tifffile.imread(tmp_path / f"out/01_RES/mask{n:03d}.tif") for n in range(3)]
    assert [one[8, 8] for one in results] == [1, 1, 1]
    assert (results[0][24, 22], results[2][24, 22]) == (2, 3)
    tracks = (tmp_path / "out" / "01_RES" / "res_track.txt").read_text()
    assert tracks.splitlines() == ["1 0 2 0", "2 0 0 0", "3 2 2 0"]
    assert validate_sequence(str(tmp_path / "out" / "01_RES"), threads=1)["Valid"]


def test_results_of_a_video_with_gaps_are_said_to_be_incomplete(call, tmp_path):
    video = tmp_path / "01"
    video.mkdir()
    for number in (0, 2, 3):
        tifffile.imwrite(video / f"t{number:03d}.tif", squares())
    (video / "t003.tif").write_text("no image")
    status, _, (warning, error) = call(video)
    assert status == 1
    assert warning == "warning: 01_RES is incomplete, without frames 1, 3"
    assert "t003.tif: cannot be read" in error
    results = sorted((tmp_path / "out/01_RES").glob("*.tif"))
    assert [path.name for path in results] == ["mask000.tif", "mask002.tif"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_linked_cells_are_the_cells_of_each_frame(seed):
    rng = np.random.default_rng(seed)
    frames = {n: to_cells(rng.random((12, 12)) < rng.random()) for n in (0, 1, 2, 4)}
    for number, linked in predict.link(frames).items():
        pairs = set(zip(frames[number].ravel().tolist(), linked.ravel().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        assert all((a == 0) == (b == 0) for a, b in pairs)


# What a user is told ----------------------------------------------------------------------------


def refusal(call, *words):
    status, said, (error,) = call(*words)
    assert (status, said) == (2, [])
    return error.removeprefix("error: ")


def test_names_without_an_image_are_refused(call, tmp_path):
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "set" / "01").mkdir(parents=True)
    assert refusal(call, "").startswith("no image is named; write make predict IMAGE=")
    assert "no such file or folder" in refusal(call, tmp_path / "missing.png")
    assert "no image (.tif, .tiff, .png); save it as" in refusal(call, tmp_path / "photo.jpg")
    assert "; name one of the folders in it: 01" in refusal(call, tmp_path / "set")
    assert "no image (.tif, .tiff, .png); save it as" in refusal(call, tmp_path / "set" / "01")


def test_a_run_that_is_not_there_lists_those_that_are(call, run, tmp_path, monkeypatch):
    monkeypatch.setattr(predict.files, "OUTPUTS", tmp_path / "outputs")
    monkeypatch.setattr(predict.files, "ROOT", tmp_path)
    save_png(tmp_path / "a.png", squares())
    said = refusal(call, tmp_path / "a.png", "--run", tmp_path / "no")
    assert "no: no such folder; networks to be had: none; `make reproduce` trains some" in said
    for name in ("a-1/last/seed0", "a-1/last/seed1", "b-2/last/seed0"):
        write_run(tmp_path / "outputs" / "quick" / "runs" / name)
    said = refusal(call, tmp_path / "a.png", "--run", tmp_path / "no")
    assert said.count("seed") == 3
    said = refusal(call, tmp_path / "a.png", "--run", tmp_path / "outputs/quick/runs/a-1")
    assert "lacks params.yaml, cells.json, model.keras; networks" in said
    assert said.count("/a-1/last/seed") == said.count("seed") == 2


def test_broken_files_of_a_run_are_named(call, tmp_path):
    save_png(tmp_path / "a.png", squares())
    run = write_run(tmp_path / "run", {"evaluation.side": "validation"})
    _, said, _ = call(tmp_path / "a.png", "--run", run)
    assert said[0].endswith(
        "(mine, fold last, trained on the phantom; a trial of a scan, not scored on test frames)"
    )
    (run / "model.keras").write_bytes(b"no network")
    status, _, (error,) = call(tmp_path / "a.png", "--run", run)
    assert status == 2
    assert "model.keras: cannot be read: " in error
    (run / "cells.json").write_text("{}")
    assert "cells.json: is not that of a run" in refusal(call, tmp_path / "a.png", "--run", run)
    (run / "params.yaml").write_text("a: [")
    assert "params.yaml: is not that of a run" in refusal(call, tmp_path / "a.png", "--run", run)


@pytest.mark.parametrize("typed", ["much", "0", "-1", "nan", "inf", "5", "0.001"])
def test_a_pixel_of_no_size_is_refused(run, typed):
    with pytest.raises(DataError, match=f"PIXEL={typed}: is no size .* give 0.02 to 2"):
        predict.Network(run, typed)


def test_a_network_without_pixel_size_takes_none(tmp_path):
    run = write_run(tmp_path / "run", pixel=0)
    with pytest.raises(DataError, match="PIXEL=0.2: .*; leave it out, the network knows none"):
        predict.Network(run, "0.2")


def test_what_is_not_given_comes_from_the_environment(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_png(tmp_path / "my $(cells).png", squares())
    for name, value in {
        "IMAGE": "~/my $(cells).png",
        "RUN": run,
        "OUT": "~/a b",
        "PIXEL": "",
    }.items():
        monkeypatch.setenv(f"STUDY_{name}", str(value))
    assert predict.main([]) == 0
    assert (tmp_path / "a b" / "my $(cells)_cells.tif").exists()


def test_an_output_folder_that_cannot_be_is_named(call, tmp_path):
    save_png(tmp_path / "a.png", squares())
    error = refusal(call, tmp_path / "a.png", "--out", tmp_path / "a.png")
    assert error.startswith(f"{tmp_path / 'a.png'}: File exists; ")
    assert error.endswith("name another folder with OUT=")


def test_a_full_disk_leaves_no_half_results(call, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    save_png(tmp_path / "a.png", squares())
    monkeypatch.setattr(roifile, "roiwrite", full)
    status, _, (error,) = call(tmp_path / "a.png")
    assert status == 2
    assert f"{tmp_path / 'out'}: No space left on device; see to" in error
    assert not list((tmp_path / "out").iterdir())


def command(*words):
    words = [sys.executable, "-m", "lib.predict", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def test_stopped_by_the_keyboard_it_says_so_in_a_line(tmp_path, run):
    save_png(tmp_path / "a.png", squares())
    called = command(tmp_path / "a.png", "--run", run, "--out", tmp_path)
    assert called.stdout.readline().startswith("network: ")
    called.send_signal(signal.SIGINT)
    _, errors = called.communicate()
    assert called.returncode == 130
    assert errors == "\nstopped; images that were finished keep their results\n"


def test_nothing_speaks_before_a_message(tmp_path, run):
    (tmp_path / "a.png").write_text("no image")
    called = command(tmp_path / "a.png", "--run", run, "--out", tmp_path)
    _, errors = called.communicate()
    assert called.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith(f"error: {tmp_path / 'a.png'}: cannot be read")
