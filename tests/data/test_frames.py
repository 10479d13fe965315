"""The files of a data set and of results: names, pixels, and what a user is told."""

import shutil

import numpy as np
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence

from lib.data import frames
from lib.data.files import DataError, StateError
from lib.data.frames import list_frames, numbered_images, read_image, read_labels

ROW = np.array([[1, 1, 0, 2]], np.uint16)


def test_frames_know_their_files(folder):
    found = list_frames(folder)["02"]
    assert [frame.number for frame in found] == [0, 1, 2, 3]
    assert found[2].silver == folder / "02_ST/SEG/man_seg002.tif"
    assert [frame.gold is not None for frame in found] == [False, True, False, False]
    assert found[3].markers == folder / "02_GT/TRA/man_track003.tif"


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("ending", [".TIF", ".tiff"])
def test_any_spelling_of_the_names(tmp_path, write_set, digits, ending):
    write_set(tmp_path, videos=["01"], digits=digits)
    for path in list((tmp_path / "01").iterdir()):
        path.rename(path.with_suffix(ending))
    assert [frame.image.suffix for frame in list_frames(tmp_path)["01"]] == [ending] * 4
    assert list(numbered_images(tmp_path / "01")) == [0, 1, 2, 3]
    assert numbered_images(tmp_path / "01_ST" / "SEG") == {}


def test_every_fault_of_the_names_at_once(folder):
    (folder / "01/t000.tif").unlink()
    (folder / "01_ST/SEG/man_seg001.tif").unlink()
    (folder / "02/t02.tif").write_bytes(b"")
    (folder / "02_GT/TRA/man_track009.tif").write_bytes(b"")
    shutil.rmtree(folder / "01_GT")
    faults = []
    list_frames(folder, lambda *fault: faults.append(fault))
    lines = sorted(f"{path.relative_to(folder).as_posix()}: {text}" for path, text in faults)
    assert lines == [
        "01: no frame 0; number the images from 0 without a gap",
        "01_ST/SEG/man_seg000.tif: label without its image; add that or remove this",
        "01_ST: no silver truth of frame 1; add it, or take away all folders _ST to learn from "
        "the gold truth",
        "02/t02.tif: the same frame number as t002.tif; remove one of them",
        "02_GT/TRA/man_track009.tif: label without its image; add that or remove this",
    ]
    with pytest.raises(DataError, match=r"02/t02\.tif: the same frame number"):
        list_frames(folder)


def test_folder_of_images_alone_gets_the_command_that_takes_them(folder):
    for part in ("01_ST", "01_GT", "02_ST", "02_GT"):
        shutil.rmtree(folder / part)
    moved = folder.rename(folder.with_name("my set"))
    with pytest.raises(DataError, match=r"without labels.*`make predict IMAGE='.*/my set/01'`"):
        list_frames(moved)
    with pytest.raises(DataError, match=r"without labels.*`make predict IMAGE='.*/my set/02'`"):
        list_frames(moved / "02")


def test_folder_that_holds_no_videos(folder, tmp_path):
    with pytest.raises(DataError, match=r"no videos 01, 02, \.\.\. in this folder; name .*/set$"):
        list_frames(tmp_path)
    with pytest.raises(DataError, match="name the folder that holds 01 and 01_ST or 01_GT"):
        list_frames(folder / "01_ST")
    with pytest.raises(DataError, match="nowhere: cannot be read"):
        list_frames(tmp_path / "nowhere")
    shutil.rmtree(folder / "02")
    with pytest.raises(DataError, match="02: no images t000.tif"):
        list_frames(folder)


# Pixels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_image_comes_back_as_written(tmp_path, dtype, byteorder):
    image = np.random.default_rng(1).integers(0, 255, (32, 24)).astype(dtype)
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, image, compression="lzw", byteorder=byteorder)
    read = read_image(path)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)


def test_what_is_one_grey_plane_is_taken_as_one(tmp_path):
    path, image = tmp_path / "t.tif", np.arange(48, dtype=np.uint8).reshape(6, 8)
    written = {"minisblack": image[None], "miniswhite": 255 - image}
    for photometric, pixels in written.items():
        tifffile.imwrite(path, pixels, photometric=photometric)
        np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize(
    ("image", "photometric", "found"),
    [
        (np.zeros((8, 8), np.float32), "minisblack", "float32 of shape (8, 8); save it as one"),
        (np.eye(24, dtype=np.uint8).reshape(8, 24, 3), "rgb", "uint8 of shape (8, 24, 3); save"),
        (np.zeros((8, 8), np.int16), "minisblack", "int16 of shape (8, 8); save it as one plane"),
        (np.zeros((2, 8, 8), np.uint8), "minisblack", "uint8 of shape (2, 8, 8); save it as one"),
        (np.zeros((8, 8), np.uint8), "palette", "indices into a palette; save it as one plane"),
    ],
)
def test_image_of_another_kind_gets_its_cure(tmp_path, image, photometric, found):
    path = tmp_path / "t000.tif"
    colours = np.zeros((3, 256), np.uint16) if photometric == "palette" else None
    tifffile.imwrite(path, image, photometric=photometric, colormap=colours)
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: {found}")


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (np.ones((8, 7), np.uint16), r"shape \(8, 7\); save it in that of the image, \(8, 8\)"),
        (np.zeros((8, 8), np.uint16), "no cell in it"),
        (np.full((8, 8), 65535, np.uint16), "id 65535 stands for unknown pixels"),
        (np.full((8, 8), 70000, np.int32), "int32 from 70000 to 70000; save whole ids from 1 to"),
        (np.full((8, 8), -1, np.int16), "int16 from -1 to -1; save whole ids"),
        (np.full((8, 8), 0.5, np.float32), "float32 from 0.5 to 0.5; save whole ids"),
        (np.arange(192).reshape(8, 8, 3).astype(np.uint8), r"shape \(8, 8, 3\); save it"),
    ],
)
def test_labels_of_another_kind(tmp_path, labels, found):
    path = tmp_path / "man_seg000.tif"
    tifffile.imwrite(path, labels)
    with pytest.raises(DataError, match=rf"man_seg000\.tif: {found}"):
        read_labels(path, (8, 8))


def test_ids_of_any_whole_type_are_taken(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((8, 8), 700, np.int32))
    labels = read_labels(tmp_path / "a.tif", (8, 8))
    assert labels.dtype == np.uint16
    assert (labels == 700).all()


@pytest.mark.parametrize("directory", ["first", "last"])
def test_truncated_image_is_never_read(tmp_path, directory):
    path, image = tmp_path / "t000.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64)
    if directory == "first":
        tifffile.imwrite(path, image, compression="lzw", rowsperstrip=8)
    else:  # as the challenge's files are: header, strips, directory
        write_with_directory_last(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 197):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"t000\.tif: cannot be read \(.+\)"):
            read_image(path)


def write_with_directory_last(path, image):
    tags = [(256, 64), (257, 64), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 64)]
    tags.append((279, image.nbytes))
    entries = b"".join(np.array([t, 4, 1, 0, v, 0], "<u2").tobytes() for t, v in tags)
    header = b"II*\0" + np.uint32(8 + image.nbytes).tobytes()
    path.write_bytes(header + image.tobytes() + np.uint16(len(tags)).tobytes() + entries + bytes(4))


# Results ------------------------------------------------------------------------------------


def test_results_are_named_by_frame_and_replaced(tmp_path):
    frames.write_results(tmp_path, "01", {0: ROW, 1000: ROW})
    assert {path.name for path in (tmp_path / "01_RES").glob("*.tif")} == {
        "mask0000.tif",
        "mask1000.tif",
    }
    assert frames.write_results(tmp_path, "01", {1: 0 * ROW}) == tmp_path / "01_RES"
    assert [path.name for path in (tmp_path / "01_RES").glob("*.tif")] == ["mask001.tif"]
    assert [path.name for path in tmp_path.iterdir()] == ["01_RES"]


@pytest.mark.filterwarnings("ignore")
def test_official_evaluation_takes_the_results(folder):
    truth = {n: read_labels(folder / f"01_ST/SEG/man_seg00{n}.tif", (8, 10)) for n in range(4)}
    results = frames.write_results(folder, "01", truth)
    scores = evaluate_sequence(str(results), str(folder / "01_GT"), metrics=["SEG", "Valid"])
    assert scores["Valid"] == 1
    assert scores["SEG"] == 1
    assert (results / "res_track.txt").read_text() == "3 0 3 0\n5 0 3 0\n"
    np.testing.assert_array_equal(tifffile.imread(results / "mask003.tif"), truth[3])


def test_results_that_cannot_be_written(tmp_path):
    with pytest.raises(
        ValueError, match="video 01: no frames, or an id that is not from 1 to 65535"
    ):
        frames.write_results(tmp_path, "01", {0: ROW.astype(int) * 35000})
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be written"):
        frames.write_results(tmp_path / "file", "01", {0: ROW})
