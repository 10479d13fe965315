import os
from pathlib import Path

import numpy as np
import pytest

from lib import arrays, data, digests
from lib.source import HELA, Source

FOLDER = os.environ.get("DIC_HELA_DIR")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DIC_HELA_DIR does not name the real images")

# Of the files that the committed results were made from.
KNOWN = {
    "images": "9af47f3d518a56afc4c540d059c610de5c17f81ce2fb6c42728e3fda33603fc1",
    "silver": "b7a9b57566157293054015ecc51bf3d532045b2593191516b4dde1b1d7afdaaf",
    "gold": "a32a718cd2b5523852a6d904b82b35b84b7ebe1103a526fe61a41b7110db9dce",
}


@pytest.fixture(scope="module")
def videos():
    read = [data.read_video(Path(FOLDER), video) for video in ("01", "02")]
    return [np.concatenate(parts) for parts in zip(*read, strict=True)]


def test_images(videos):
    images, labels = videos
    assert images.shape == labels.shape == (168, 512, 512)
    assert images.dtype == np.uint8


def test_cells_a_frame(videos):
    cells = [np.unique(labels).size - 1 for labels in videos[1]]
    assert (min(cells), max(cells)) == (7, 18)


def test_foreground(videos):
    mask = arrays.to_mask(videos[1])
    assert mask.mean() == pytest.approx(0.508, abs=5e-4)
    assert mask[-34:].mean() == pytest.approx(0.556, abs=5e-4)


def test_gold_truth_of_nine_frames_a_video():
    for video in ("01", "02"):
        gold = data.read_truth(Path(FOLDER), video, "gold")
        assert len(gold) == 9
        assert {labels.shape for labels in gold.values()} == {(512, 512)}


def test_files_are_those_of_the_published_results():
    source = Source("folder", Path(FOLDER), HELA, "folder named by DIC_HELA_DIR")
    record = digests.data_record(source, KNOWN)
    assert record["frames"] == {"01": 84, "02": 84}
    assert set(record["revision"].values()) == {"as published here"}
