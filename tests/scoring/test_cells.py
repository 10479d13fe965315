"""SEG and DET: cells made by hand, and the package py-ctcmetrics."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import relabel_sequential

from lib.data.arrays import UNKNOWN
from lib.scoring.cells import counts, det, field_margin, in_field, overlaps, seg_scores
from lib.scoring.segment import to_cells

IDS = hnp.arrays(np.uint16, (4, 6), elements=st.integers(0, 4))
ROW = np.repeat([[1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 0]], 2, axis=0)


@np.errstate(invalid="ignore")
def pooled(*frames):
    """SEG and DET of frames together, each of true and of predicted cells."""
    total = pd.DataFrame([counts(overlaps(*frame)) for frame in frames]).sum()
    return {
        "SEG": total.jaccard / total.true_cells,
        "DET": det(total.true_cells, total.merged, total.missed, total.spurious),
    }


@pytest.mark.parametrize(
    ("predicted", "scores", "merged", "missed", "spurious", "split"),
    [
        ([7, 7, 7, 7, 0, 8, 8, 9, 9, 0, 0], [1, 1, 1], 0, 0, 0, 0),
        ([7, 7, 8, 8, 0, 9, 9, 5, 5, 0, 0], [0, 1, 1], 0, 1, 2, 1),
        ([7, 7, 7, 8, 0, 9, 9, 5, 5, 0, 0], [3 / 4, 1, 1], 0, 0, 1, 1),
        ([7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0], [4 / 9, 2 / 9, 2 / 9], 2, 0, 0, 0),
        ([7, 7, 7, 7, 0, 8, 8, 0, 0, 0, 9], [1, 1, 0], 0, 1, 1, 0),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0], 0, 3, 0, 0),
    ],
    ids=["same", "halves", "split", "all merged", "missed and spurious", "empty"],
)
def test_known_cases(predicted, scores, merged, missed, spurious, split):
    cells = np.repeat([predicted], 2, axis=0)
    shared = overlaps(ROW, cells)
    assert seg_scores(shared).tolist() == pytest.approx(scores)
    expected = {"jaccard": sum(scores), "true_cells": 3, "merged": merged, "missed": missed}
    assert counts(shared) == pytest.approx(expected | {"spurious": spurious, "split": split})
    weighed = (5 * merged + 10 * missed + spurious) / 30
    assert pooled((ROW, cells))["DET"] == pytest.approx(1 - weighed)


def test_det_is_never_below_that_of_no_cells():
    assert pooled((ROW, np.arange(1, 23).reshape(2, 11)))["DET"] == 0


def test_a_video_is_pooled_over_cells_and_not_over_frames():
    one = np.where(ROW == 1, 1, 0)
    assert pooled((ROW, np.zeros_like(ROW)), (one, one)) == pytest.approx(
        {"SEG": 0.25, "DET": 0.25}
    )


def test_without_true_cells_both_are_undefined():
    nothing = np.zeros_like(ROW)
    assert np.isnan([*pooled((nothing, ROW)).values()]).all()
    # The spurious cells of such a frame still count in its video.
    assert pooled((ROW, ROW), (nothing, ROW))["DET"] == pytest.approx(0.9)


def test_what_is_unknown_is_no_cell():
    labels = np.where(ROW == 2, UNKNOWN, ROW).astype(np.uint16)
    assert seg_scores(overlaps(labels, ROW)).tolist() == [1, 1]
    assert field_margin([labels]) == field_margin([np.where(ROW == 2, 0, ROW)])


def test_shapes_have_to_agree():
    with pytest.raises(ValueError, match=r"\(2, 11\).*\(11, 2\)"):
        overlaps(ROW, ROW.T)


@settings(deadline=None)
@given(IDS, IDS, st.permutations(range(1, 5)))
def test_measures_do_not_depend_on_the_ids_and_are_tied_to_each_other(labels, cells, names):
    shared = overlaps(labels, cells)
    renamed = overlaps(labels, np.array([0, *names])[cells] * 1000)
    found, scores = counts(shared), seg_scores(shared)
    assert counts(renamed) == found
    assert seg_scores(renamed).tolist() == scores.tolist()
    assert found["missed"] == (scores == 0).sum()
    more = shared.shape[1] - shared.shape[0]
    assert more == found["spurious"] - found["missed"] - found["merged"]
    # What is split one way round is merged the other.
    assert found["split"] == counts(shared.T)["merged"]


@given(IDS, st.integers(0, 3))
def test_what_is_left_in_the_field_reaches_into_it(cells, margin):
    left = in_field(cells, margin)
    assert ((left == cells) | (left == 0)).all()
    assert field_margin([left]) >= margin or not left.any()
    assert (in_field(cells, field_margin([cells])) == cells).all()


# The package


def discs(seed):
    """Labels of discs that overlap."""
    rng, (rows, columns) = np.random.default_rng(seed), np.indices((96, 96))
    labels = np.zeros((96, 96), np.int64)
    places = np.c_[rng.uniform(0, 96, (9, 2)), rng.uniform(6, 20, 9)]
    for number, (row, column, radius) in enumerate(places, 1):
        labels[np.hypot(rows - row, columns - column) <= radius] = number
    return labels


def write(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.uint16(ids))


def package_scores(folder, cells, gold, tracks):
    """SEG and DET of a video by py-ctcmetrics; each cell of each frame is a track of its own."""
    lines, last = [], 0
    for number, ids in cells.items():
        write(folder / f"01/t{number:03d}.tif", np.zeros_like(ids))
        write(folder / f"01_RES/mask{number:03d}.tif", relabel_sequential(ids, offset=last + 1)[0])
        own = range(last + 1, last + 1 + np.unique(ids[ids > 0]).size)
        lines += [f"{track} {number} {number} 0\n" for track in own]
        last += len(own)
    (folder / "01_RES/res_track.txt").write_text("".join(lines))
    for number, ids in gold.items():
        write(folder / f"01_GT/SEG/man_seg{number:03d}.tif", ids)
    for number, ids in tracks.items():
        write(folder / f"01_GT/TRA/man_track{number:03d}.tif", ids)
    seen = {}
    for number, ids in tracks.items():
        for track in np.unique(ids[ids > 0]):
            seen.setdefault(track, []).append(number)
    lines = [f"{track} {frames[0]} {frames[-1]} 0\n" for track, frames in seen.items()]
    (folder / "01_GT/TRA/man_track.txt").write_text("".join(lines))
    names, places = ["SEG", "DET"], (folder / "01_RES", folder / "01_GT")
    found = evaluate_sequence(*map(str, places), metrics=names, threads=1)
    return {name: found[name] for name in names}


@pytest.mark.parametrize(
    "defect",
    [
        lambda ids: to_cells(ids > 0),
        lambda ids: np.roll(ids, (9, -14), axis=(0, 1)),
        lambda ids: 2 * ids + (np.arange(96)[:, None] // 20 % 2) * (ids > 0),
        lambda ids: np.where(ids % 3 == 0, 0, ids),
    ],
    ids=["merged", "shifted", "divided", "missing"],
)
def test_cells_score_as_in_the_package(tmp_path, defect):
    tracks = {number: discs(number) for number in range(3)}
    gold = {number: np.where(tracks[number] % 4 == 1, 0, tracks[number]) for number in (0, 2)}
    cells = {number: np.int64(defect(ids)) for number, ids in tracks.items()}
    own = {
        name: pooled(*[(ids, cells[number]) for number, ids in truth.items()])[name]
        for name, truth in (("SEG", gold), ("DET", tracks))
    }
    assert own == pytest.approx(package_scores(tmp_path, cells, gold, tracks), abs=1e-6)
    assert min(own.values()) < 1
