"""A small data set, and the settings that name one."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile


def write_set(folder, videos=("01", "02"), frames=4, digits=3, dtype=np.uint8, shape=(8, 10)):
    """Write two touching cells a frame, and gold truth of one of them in frame 1."""
    labels = np.zeros(shape, np.uint16)
    labels[2:6, 1:4], labels[2:6, 4:7] = 3, 5
    for video in videos:
        for part in (video, f"{video}_ST/SEG", f"{video}_GT/SEG", f"{video}_GT/TRA"):
            (folder / part).mkdir(parents=True)
        for i in range(frames):
            number = f"{i:0{digits}d}.tif"
            image = np.full(shape, 10 * i, dtype)
            image[0, 0] = 200
            tifffile.imwrite(folder / video / f"t{number}", image, compression="lzw")
            tifffile.imwrite(folder / f"{video}_ST/SEG/man_seg{number}", labels)
            tifffile.imwrite(folder / f"{video}_GT/TRA/man_track{number}", labels)
        gold = folder / f"{video}_GT/SEG" / f"man_seg{1:0{digits}d}.tif"
        tifffile.imwrite(gold, np.where(labels == 3, labels, 0))
        (folder / f"{video}_GT/TRA/man_track.txt").write_text("3 0 3 0\n5 0 3 0\n")


@pytest.fixture(name="write_set")
def writer():
    return write_set


@pytest.fixture
def folder(tmp_path):
    """A whole data set of two videos of four frames."""
    write_set(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def settings():
    """Make the section data of settings, changed by keywords."""
    default = {"source": "auto", "folder": "", "name": "DIC-C2DH-HeLa", "pixel": 0.19}
    default |= {"phantom_seed": 1, "phantom_frames": 4, "phantom_size": [64, 48]}
    return lambda **changes: SimpleNamespace(**default | changes)
