"""The procedural images: the same again, like the original's in numbers, and of any shape."""

import functools

import numpy as np
import pytest
import scipy.ndimage as ndi
import tifffile

from lib.data.phantom import phantom_video, write_phantom

FRAMES, SHAPE = 10, (64, 64)


@functools.cache
def video(seed, frames=FRAMES, shape=SHAPE):
    images, labels = zip(*phantom_video(seed, frames, shape), strict=True)
    return np.array(images), np.array(labels)


def ids(label):
    return set(np.unique(label).tolist()) - {0}


def test_same_seed_same_video():
    again = zip(*phantom_video(0, FRAMES, SHAPE), strict=True)
    for first, second in zip(video(0), again, strict=True):
        np.testing.assert_array_equal(first, np.array(second))
    assert (video(0)[0] != video(1)[0]).mean() > 0.5
    assert (video(0)[1] != video(1)[1]).mean() > 0.1


@pytest.mark.parametrize("shape", [(64, 64), (100, 100), (256, 256), (64, 40), (48, 96), (40, 300)])
def test_shapes_and_types(shape):
    images, labels = video(5, 2, shape)
    assert images.shape == labels.shape == (2, *shape)
    assert images.dtype == np.uint8
    assert labels.dtype == np.uint16
    assert all(ids(label) for label in labels)


def test_numbers_are_like_the_original_s():
    # Binned to 64 px, the original's videos have mean 119 and 120, its frames an sd of 3.0 to 6.8.
    images, labels = video(0)
    assert images.mean() == pytest.approx(119.5, abs=6)
    assert 3 < images.std(axis=(1, 2)).mean() < 6.8
    share = (labels > 0).mean(axis=(1, 2))
    assert 0.36 < share.min() < share.max() < 0.69
    assert all(7 <= len(ids(label)) <= 18 for label in labels)
    assert len(ids(labels[-1])) > len(ids(labels[0]))  # cells divide
    touching = (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
    assert touching.any(axis=(1, 2)).all()


def test_a_cell_is_one_piece_and_stays_near_itself():
    labels = video(2, 3, (256, 256))[1]
    assert all(ndi.label(label == cell)[1] == 1 for label in labels for cell in ids(label))
    for before, after in zip(labels, labels[1:], strict=False):
        kept = [(before[after == cell] == cell).mean() for cell in ids(before) & ids(after)]
        assert np.median(kept) > 0.7


def test_files_are_in_the_layout_of_the_challenge(tmp_path):
    folder = tmp_path / "phantom"
    write_phantom(folder, seed=0, frames=FRAMES, shape=SHAPE)
    every = [f"{frame:03d}.tif" for frame in range(FRAMES)]
    names = {
        "{}/t": every,
        "{}_ST/SEG/man_seg": every,
        "{}_GT/TRA/man_track": [*every, ".txt"],
        "{}_GT/SEG/man_seg": ["000.tif", "009.tif"],
    }
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        start.format(name) + end
        for name in ("01", "02")
        for start, ends in names.items()
        for end in ends
    }
    for number, name in enumerate(("01", "02")):
        tracks = (folder / f"{name}_GT/TRA/man_track.txt").read_text().splitlines()
        ranges = {int(row.split()[0]): row.split()[1:3] for row in tracks}
        for frame, (image, label) in enumerate(zip(*video(number), strict=True)):
            marker = tifffile.imread(folder / f"{name}_GT/TRA/man_track{frame:03d}.tif")
            written = tifffile.imread(folder / f"{name}_ST/SEG/man_seg{frame:03d}.tif")
            np.testing.assert_array_equal(
                tifffile.imread(folder / name / f"t{frame:03d}.tif"), image
            )
            np.testing.assert_array_equal(written, label)
            assert ids(marker) == ids(label)
            assert (label[marker > 0] == marker[marker > 0]).all()
            assert all(int(ranges[c][0]) <= frame <= int(ranges[c][1]) for c in ids(label))


def foreground_by_variance(images, threshold, window):
    """Threshold the local standard deviation, close it, fill holes, drop small objects."""
    masks = []
    for image in images.astype(float):
        mean = ndi.uniform_filter(image, window)
        variance = ndi.uniform_filter(image**2, window) - mean**2
        mask = ndi.binary_closing(np.pad(variance > threshold**2, 2, mode="edge"))[2:-2, 2:-2]
        pieces, _ = ndi.label(ndi.binary_fill_holes(mask))
        large = np.bincount(pieces.ravel()) >= image.size / 250
        large[0] = False
        masks.append(large[pieces])
    return np.array(masks)


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def test_local_variance_does_not_give_the_cells_away():
    # On the original, binned alike, the same rule reaches .79 to .81 on the other video.
    (images, labels), (other, truth) = video(0), video(1)
    rules = [(t, w) for t in np.linspace(0.8, 4, 9) for w in (3, 4)]
    best = max(rules, key=lambda rule: dice(foreground_by_variance(images, *rule), labels > 0))
    assert 0.67 < dice(foreground_by_variance(other, *best), truth > 0) < 0.87
