"""A data set read whole, and which one it is."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lib.data import dataset
from lib.data.arrays import UNKNOWN
from lib.data.dataset import data_record, open_data
from lib.data.files import DataError
from lib.data.source import HELA, Source

REAL = os.environ.get("DIC_HELA_DIR")


@pytest.fixture
def here(folder):
    return Source("folder", folder, HELA, "folder named by data.folder", 0.19)


@pytest.fixture
def opened(folder, settings):
    return lambda: open_data(settings(folder=str(folder)))


@pytest.fixture
def published(here, monkeypatch):
    digests = data_record(here)["digests"]
    monkeypatch.setattr(dataset, "PUBLISHED_DIGESTS", {HELA: digests})


def test_data_set_is_read_whole(opened):
    data = opened()
    assert data.shape == (8, 10)
    assert data.record["source"] != "phantom"
    assert data.images["01"].dtype == np.uint8
    assert data.images["02"][:, 1, 1].tolist() == [0, 10, 20, 30]
    assert data.labels["02"].dtype == np.uint16
    assert np.unique(data.labels["01"]).tolist() == [0, 3, 5]
    assert list(data.gold["01"]) == [1]
    assert np.unique(data.gold["01"][1]).tolist() == [0, 3]
    assert list(data.markers["02"]) == [0, 1, 2, 3]


def test_record_says_what_was_found(here, folder):
    record = data_record(here)
    assert record | {"digests": None, "label": None} == {
        "name": HELA,
        "source": "folder",
        "label": None,
        "why": "",
        "frames": {"01": 4, "02": 4},
        "labelled": {"01": [0, 1, 2, 3], "02": [0, 1, 2, 3]},
        "truth": "silver",
        "shape": [8, 10],
        "dtype": "uint8",
        "grey": [0, 255],
        "pixel": 0.19,
        "digests": None,
        "known": False,
        "revision": dict.fromkeys(("images", "silver", "gold"), "another revision"),
    }
    assert str(folder) not in str(record)


def test_another_set_under_the_name_is_not_called_real(here, published, folder):
    real = "DIC-C2DH-HeLa, the real images (folder named by data.folder)"
    unknown = "unknown revision or another set under this name"
    assert data_record(here)["label"] == real
    tifffile.imwrite(folder / "01_ST/SEG/man_seg000.tif", np.ones((8, 10), np.uint16))
    record = data_record(here)
    assert record["label"] == real
    assert record["revision"]["silver"] == "another revision"
    assert record["revision"]["gold"] == "as published here"
    tifffile.imwrite(folder / "01/t000.tif", np.ones((8, 10), np.uint8))
    assert unknown in data_record(here)["label"]
    other = data_record(here._replace(name="Fluo-N2DL-HeLa"))
    assert unknown in other["label"]
    assert set(other["revision"].values()) == {"nothing to compare"}


def test_phantom_is_never_called_real_and_says_why(here, published):
    record = data_record(here._replace(kind="phantom", origin="seed 1", why="no network (x)"))
    assert record["label"] == "phantom (procedural, not real data), seed 1: no network (x)"
    assert record["why"] == "no network (x)"
    assert not record["known"]
    assert set(record["revision"].values()) == {"nothing to compare"}


def test_digest_is_that_of_the_sorted_lines_of_these_files_alone(here, folder):
    (folder / "01_RES").mkdir()
    (folder / "01_RES/mask000.tif").write_bytes(b"a result")
    (folder / "01/Thumbs.db").write_bytes(b"not data")
    paths = [f"{video}/t{n:03d}.tif" for video in ("01", "02") for n in range(4)]
    lines = [f"{p} {hashlib.sha256((folder / p).read_bytes()).hexdigest()}\n" for p in paths]
    digests = data_record(here)["digests"]
    assert digests["images"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_gold_truth_alone_leaves_the_rest_unknown(here, opened, folder):
    for video in ("01", "02"):
        shutil.rmtree(folder / f"{video}_ST")
    whole = tifffile.imread(folder / "01_GT/TRA/man_track003.tif")
    tifffile.imwrite(folder / "01_GT/SEG/man_seg003.tif", whole)
    data = opened()
    assert data.record["truth"] == "gold"
    assert data.record["label"].endswith(", gold truth alone")
    assert data.record["labelled"] == {"01": [1, 3], "02": [1]}
    assert (data.labels["01"][0] == UNKNOWN).all()
    # One of two marked cells is outlined: what lies beside it is not known.
    gold = data.gold["01"][1]
    np.testing.assert_array_equal(data.labels["01"][1], np.where(gold > 0, 3, UNKNOWN))
    # All marked cells are outlined: the rest is background.
    np.testing.assert_array_equal(data.labels["01"][3], whole)


def test_one_video_is_enough(opened, folder):
    for part in ("02", "02_ST", "02_GT"):
        shutil.rmtree(folder / part)
    assert list(opened().images) == ["01"]


@pytest.mark.parametrize(
    ("low", "high", "grey"),
    [
        (0, 200, [0, 255]),
        (3, 4000, [0, 4095]),
        (32770, 33900, [32768, 34815]),
        (9, 60000, [0, 65535]),
    ],
)
def test_grey_values_of_16_bits_are_scaled_by_the_bits_in_use(here, folder, low, high, grey):
    for path in folder.glob("??/*.tif"):
        tifffile.imwrite(path, np.linspace(low, high, 80).reshape(8, 10).astype(np.uint16))
    assert data_record(here)["grey"] == grey


@pytest.mark.parametrize("other", [np.ones((8, 10), np.uint16), np.ones((8, 8), np.uint8)])
def test_video_of_another_kind_is_refused_by_name(opened, folder, other):
    tifffile.imwrite(folder / "02/t002.tif", other)
    with pytest.raises(
        DataError,
        match=r"02/t002\.tif: uint.* of shape \(8, .*\), but 01/t000\.tif is uint8 of shape "
        r"\(8, 10\); save all alike or take a video away",
    ):
        opened()


def test_file_that_cannot_be_read(here, opened, folder):
    (folder / "02_GT/TRA/man_track003.tif").write_bytes(b"II*")
    with pytest.raises(DataError, match=r"man_track003\.tif: cannot be read"):
        opened()
    (folder / "01_GT/SEG/man_seg002.tif").symlink_to(folder / "nowhere")
    with pytest.raises(DataError, match=r"man_seg002\.tif: cannot be read"):
        data_record(here)


@pytest.mark.parametrize("shape", [[64, 48], [40, 64]])
def test_phantom_is_a_data_set(tmp_path, monkeypatch, settings, shape):
    monkeypatch.setenv("UNET_DIC_HELA_CACHE", str(tmp_path))
    data = open_data(settings(source="phantom", phantom_size=shape))
    assert data.record["source"] == "phantom"
    assert data.shape == tuple(shape)
    assert data.images["02"].shape == data.labels["02"].shape == (4, *shape)


@pytest.mark.skipif(not REAL, reason="DIC_HELA_DIR does not name the real images")
def test_real_images(settings):
    data = open_data(settings())
    assert data.record["known"]
    assert set(data.record["revision"].values()) == {"as published here"}
    assert data.record["frames"] == {"01": 84, "02": 84}
    assert data.record["label"] == f"{HELA}, the real images (folder named by DIC_HELA_DIR)"
    labels = np.concatenate([*data.labels.values()])
    cells = [np.count_nonzero(np.bincount(frame.ravel())[1:]) for frame in labels]
    assert (min(cells), max(cells)) == (7, 18)
    assert (labels > 0).mean() == pytest.approx(0.508, abs=5e-4)
    assert (labels[-34:] > 0).mean() == pytest.approx(0.556, abs=5e-4)
    assert [len(gold) for gold in data.gold.values()] == [9, 9]
    assert Path(REAL).name not in data.record["digests"]
