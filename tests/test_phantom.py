import functools

import numpy as np
import pytest
import scipy.ndimage as ndi
import tifffile

from lib.phantom import phantom_video, write_phantom

FRAMES, SIZE = 12, 64


@functools.cache
def video(seed):
    return phantom_video(seed, FRAMES, SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "phantom"
    write_phantom(folder, seed=0, frames=FRAMES, size=SIZE)
    return folder


def ids(label):
    return set(np.unique(label).tolist()) - {0}


def touching(label):
    """Count pairs of neighbouring pixels that belong to two different cells."""
    return sum(
        ((a > 0) & (b > 0) & (a != b)).sum()
        for a, b in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1]))
    )


def tracks(folder, name):
    rows = (folder / f"{name}_GT" / "TRA" / "man_track.txt").read_text().splitlines()
    return {row[0]: row[1:] for row in ([int(word) for word in line.split()] for line in rows)}


def test_same_seed_same_video():
    for first, again in zip(video(0), phantom_video(0, FRAMES, SIZE), strict=True):
        np.testing.assert_array_equal(first, again)


def test_other_seed_other_video():
    images, labels = (a != b for a, b in zip(video(0), video(1), strict=True))
    assert images.mean() > 0.5
    assert labels.mean() > 0.1


@pytest.mark.parametrize(("frames", "size"), [(1, 64), (2, 100), (2, 256)])
def test_shapes_and_types(frames, size):
    images, labels = phantom_video(5, frames, size)
    assert images.shape == labels.shape == (frames, size, size)
    assert images.dtype == np.uint8
    assert labels.dtype == np.uint16


def test_grey_levels_are_those_of_the_original():
    # Binned to 64 px, the original's videos have mean 119 and 120, its frames an sd of 3.0 to 6.8.
    images = video(0)[0]
    assert images.mean() == pytest.approx(119.5, abs=3)
    assert 3 < images.std(axis=(1, 2)).mean() < 6.8


@pytest.mark.parametrize("seed", range(4))
def test_cells_fill_the_frame_as_in_the_original(seed):
    labels = video(seed)[1]
    share = (labels > 0).mean(axis=(1, 2))
    assert share.min() >= 0.34
    assert share.max() <= 0.69
    assert share.mean() == pytest.approx(0.5, abs=0.04)
    assert all(7 <= len(ids(label)) <= 18 for label in labels)
    assert all(touching(label) > 0 for label in labels)


def test_a_cell_is_one_piece_when_drawn_without_binning():
    for label in phantom_video(2, 2, 256)[1]:
        assert all(ndi.label(label == cell)[1] == 1 for cell in ids(label))


def test_ids_have_no_gap_and_follow_the_cell():
    labels = video(0)[1]
    for cell in ids(labels):
        frames = np.flatnonzero((labels == cell).any(axis=(1, 2)))
        np.testing.assert_array_equal(frames, np.arange(frames[0], frames[-1] + 1))
    for before, after in zip(labels, labels[1:], strict=False):
        kept = [
            (before[after == cell] == cell).mean()  # cells move by a small part of their size
            for cell in ids(before) & ids(after)
        ]
        assert np.median(kept) > 0.7


def test_cells_divide_where_the_mother_was(folder):
    divisions = 0
    for name in ("01", "02"):
        lineage = tracks(folder, name)
        for begin, _, parent in lineage.values():
            if parent:
                divisions += 1
                assert lineage[parent][1] == begin - 1
    assert divisions >= 2


def test_lineage_agrees_with_the_markers(folder):
    for name in ("01", "02"):
        pages = sorted((folder / f"{name}_GT" / "TRA").glob("man_track*.tif"))
        seen = [ids(tifffile.imread(page)) for page in pages]
        for cell, (begin, end, _) in tracks(folder, name).items():
            assert [i for i, cells in enumerate(seen) if cell in cells] == [*range(begin, end + 1)]


def test_layout_is_that_of_the_challenge(folder):
    every = [f"{frame:03d}.tif" for frame in range(FRAMES)]
    names = {
        "{}/t": every,
        "{}_ST/SEG/man_seg": every,
        "{}_GT/TRA/man_track": [*every, ".txt"],
        "{}_GT/SEG/man_seg": ["000.tif", "009.tif"],
    }
    expected = {
        start.format(video) + end
        for video in ("01", "02")
        for start, ends in names.items()
        for end in ends
    }
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == expected


def test_files_hold_the_video(folder):
    for number, name in enumerate(("01", "02")):
        images, labels = video(number)
        for frame in range(FRAMES):
            image = tifffile.imread(folder / name / f"t{frame:03d}.tif")
            label = tifffile.imread(folder / f"{name}_ST" / "SEG" / f"man_seg{frame:03d}.tif")
            marker = tifffile.imread(folder / f"{name}_GT" / "TRA" / f"man_track{frame:03d}.tif")
            assert image.dtype == np.uint8
            assert label.dtype == marker.dtype == np.uint16
            np.testing.assert_array_equal(image, images[frame])
            np.testing.assert_array_equal(label, labels[frame])
            assert ids(marker) == ids(label)
            assert (label[marker > 0] == marker[marker > 0]).all()


def test_nothing_is_left_beside_and_nothing_overwritten(folder):
    assert [path.name for path in folder.parent.iterdir()] == ["phantom"]
    with pytest.raises(FileExistsError, match="phantom"):
        write_phantom(folder, seed=0, frames=1, size=SIZE)


def test_half_written_phantom_is_never_seen(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OSError, match="disk full"):
        write_phantom(tmp_path / "phantom", seed=0, frames=1, size=SIZE)
    assert not any(tmp_path.iterdir())


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


@pytest.mark.parametrize("seed", [0, 1])
def test_local_variance_does_not_give_the_cells_away(seed):
    # On the original, binned alike, the same rule reaches .79 to .81 on the other video.
    (images, labels), (other, truth) = video(2 * seed), video(2 * seed + 1)
    rules = [(t, w) for t in np.linspace(0.8, 4, 17) for w in (3, 4)]
    best = max(rules, key=lambda rule: dice(foreground_by_variance(images, *rule), labels > 0))
    assert 0.67 < dice(foreground_by_variance(other, *best), truth > 0) < 0.85
