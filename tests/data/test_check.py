"""Every fault of a data set at once, each with its file and cure, and labels that look wrong."""

import shutil

import numpy as np
import pytest
import tifffile
from skimage.transform import rescale

from lib.data.dataset import check_data
from lib.data.source import Source


@pytest.fixture
def check(folder):
    """Check the data set; messages without the folder's own path."""

    def check():
        found = check_data(Source("folder", folder, "mine", ""))
        return [[line.replace(f"{folder}/", "") for line in lines] for lines in found]

    return check


def test_whole_data_set_has_no_fault(check):
    assert check() == [[], []]


def test_every_fault_is_told_at_once(check, folder):
    (folder / "01/t003.tif").write_bytes((folder / "01/t003.tif").read_bytes()[:60])
    rgb = np.arange(240, dtype=np.uint8).reshape(8, 10, 3)
    tifffile.imwrite(folder / "01/t001.tif", rgb, photometric="rgb")
    for path in (folder / "02").iterdir():
        tifffile.imwrite(path, tifffile.imread(path).astype(np.uint16))
    tifffile.imwrite(folder / "01_ST/SEG/man_seg000.tif", np.zeros((8, 10), np.uint16))
    tifffile.imwrite(folder / "01_GT/SEG/man_seg001.tif", np.full((8, 10), 65535, np.uint16))
    tifffile.imwrite(folder / "02_GT/TRA/man_track000.tif", np.ones((10, 8), np.uint16))
    (folder / "02_ST/SEG/man_seg002.tif").unlink()
    faults, _ = check()
    expected = [
        "02_ST: no silver truth of frame 2; add it, or take away all folders _ST to learn",
        "01_ST/SEG/man_seg000.tif: no cell in it, every pixel is 0; give each cell an id",
        "01/t001.tif: uint8 of shape (8, 10, 3); save it as one plane of 8 or 16 bit grey",
        "01_GT/SEG/man_seg001.tif: id 65535 stands for unknown pixels; give that cell another",
        "01/t003.tif: cannot be read (",
        "02/t000.tif and 3 more: uint16 of shape (8, 10), but 01/t000.tif is uint8 of shape",
        "02_GT/TRA/man_track000.tif: shape (10, 8); save it in that of the image, (8, 10)",
    ]
    for line, start in zip(faults, expected, strict=True):
        assert line.startswith(start)
        assert "\n" not in line


def test_empty_image_gets_a_warning(check, folder):
    tifffile.imwrite(folder / "01/t002.tif", np.full((8, 10), 7, np.uint8))
    assert check() == [[], ["01/t002.tif: every pixel is 7; is the image empty?"]]


def test_gold_truth_alone_is_said(check, folder):
    for video in ("01", "02"):
        shutil.rmtree(folder / f"{video}_ST")
    faults, (warning,) = check()
    assert faults == []
    assert warning.endswith(
        "no silver truth; gold truth alone, of 2 of 8 frames, is learnt from, and what nobody "
        "outlined is unknown"
    )


# Labels that are not what they seem -----------------------------------------------------------


@pytest.fixture
def seen(check, folder, write_set):
    """Write a label image in place of frame 2's of seven discs, and give the warning."""
    shutil.rmtree(folder)
    write_set(folder, videos=["01"], frames=3, shape=(96, 96))
    cells = discs()
    for path in [*folder.glob("01_*/*/man_*.tif")]:
        tifffile.imwrite(path, discs(3) if path.parent.name == "TRA" else cells)

    def seen(labels):
        tifffile.imwrite(folder / "01_ST/SEG/man_seg002.tif", labels.astype(np.uint16))
        faults, warnings = check()
        assert faults == []
        return [line.removeprefix("01_ST/SEG/man_seg002.tif: ") for line in warnings]

    return seen


def discs(radius=9):
    places = [(12, 20), (12, 45), (14, 70), (36, 10), (36, 36), (36, 60), (36, 84)]
    rows, columns = np.indices((96, 96))
    labels = np.zeros((96, 96), np.uint16)
    for i, (row, column) in enumerate(places, 1):
        labels[np.hypot(rows - row, columns - column) <= radius] = 100 * i
    return labels


def test_labels_that_are_what_they_seem(seen):
    assert seen(discs()) == []


def test_masks_instead_of_labels(seen):
    for mask in (discs() > 0, 255 * (discs() > 0), 255 * (discs() == 300)):
        assert seen(mask) == ["one id for all cells, a mask; give each cell an id of its own"]


def test_interpolated_ids(seen):
    small = discs()[::3, ::3].astype(float)
    assert seen(rescale(small, 3, order=1, preserve_range=True).round()) == [
        "more fragments than cells; resize labels without interpolation (nearest neighbour)"
    ]


def test_swapped_and_transposed_labels(seen):
    miss = ["cells miss the markers of this frame; are frames swapped, or rows and columns?"]
    assert seen(discs().T) == miss
    assert seen(np.roll(discs(), 12, axis=1)) == miss
    assert seen(np.where(discs() > 300, 300, discs())) == miss  # one id for several cells
