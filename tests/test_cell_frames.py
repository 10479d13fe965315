"""The frames that are shown with their cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import cell_frames
from lib.files import StateError


@given(st.integers(1, 200))
def test_shown_frames_are_test_frames_and_the_strip_has_neighbours(count):
    pairs = [("02", frame) for frame in range(count)]
    labels = np.zeros((count, 4, 4), int)
    labels[count // 3, 1:3] = [1, 1, 2, 2]
    evenly, strip = cell_frames.shown_pairs(pairs, {"02": labels})
    assert ("02", count // 3) in strip
    assert set(evenly) | set(strip) <= set(pairs)
    assert len(strip) == min(count, cell_frames.STRIP)
    assert len(evenly) == min(count, cell_frames.SPREAD)
    numbers = [frame for _, frame in strip]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(("rows", "left"), [(64, 64), (256, 256), (257, 129), (512, 256)])
def test_shrunk_frames_are_small_enough(rows, left):
    assert cell_frames.shrink(np.zeros((3, rows, rows))).shape == (3, left, left)


def test_cells_come_back_as_they_were(tmp_path):
    found = {("01", 3): np.arange(36).reshape(6, 6), ("02", 70): np.full((6, 6), 700)}
    cell_frames.save_cells(tmp_path / "cells.npz", found)
    again = cell_frames.read_cells(tmp_path / "cells.npz")
    assert list(again) == list(found)
    for pair, cells in found.items():
        np.testing.assert_array_equal(again[pair], cells)


def test_broken_cells_are_named(tmp_path):
    path = tmp_path / "cells.npz"
    with pytest.raises(StateError, match="cells.npz: cannot be read"):
        cell_frames.read_cells(path)
    path.write_bytes(b"no archive")
    with pytest.raises(StateError, match="cells.npz: cannot be read"):
        cell_frames.read_cells(path)


def test_kept_frames_are_shrunk_and_the_strip_is_a_window(tmp_path):
    rng = np.random.default_rng(0)
    images = {"01": rng.integers(0, 255, (20, 512, 512), np.uint8)}
    labels = {"01": np.uint16(images["01"] // 90)}
    path = tmp_path / "frames.npz"
    cell_frames.save_frames(path, images, labels, [("01", frame) for frame in range(20)])
    with np.load(path, allow_pickle=False) as kept:
        assert kept["spread_image"].shape == kept["spread_labels"].shape == (4, 256, 256)
        assert kept["strip_image"].shape == kept["strip_labels"].shape == (6, 96, 96)
        assert kept["spread_frame"].tolist() == [0, 6, 12, 19]
        (top, bottom), (left, right) = kept["window"]
        frame = images["01"][kept["strip_frame"][2]][::2, ::2]
        np.testing.assert_array_equal(kept["strip_image"][2], frame[top:bottom, left:right])
