"""Probabilities to cells, and SEG and DET: cells made by hand, and the package py-ctcmetrics."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter
from skimage.segmentation import expand_labels, relabel_sequential

from lib import data
from lib.arrays import to_gap_mask, to_mask
from lib.cell_counts import mean_maps
from lib.constants import METHODS, choose_constants, score_constants
from lib.files import StateError
from lib.instances import (
    det_counts,
    error_counts,
    in_field,
    pooled_det,
    pooled_seg,
    remove_small,
    seg_counts,
    seg_scores,
    segment,
    split_cells,
    to_cells,
)
from lib.paths import OUTPUTS, run_folder
from lib.source import HELA, DataError
from lib.study import gold, markers

FOLDER = os.environ.get("DIC_HELA_DIR")
real = pytest.mark.skipif(not FOLDER, reason="DIC_HELA_DIR does not name the real images")
PLAIN = {"threshold": 0.5, "smallest": 0, "grow": 0, "split": 0}
IDS = hnp.arrays(np.uint16, (4, 6), elements=st.integers(0, 4))


def discs(*places, shape=(96, 96)):
    """Labels 1, 2, ... of discs, each given by row, column and radius."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number, (row, column, radius) in enumerate(places, 1):
        labels[np.hypot(rows - row, columns - column) <= radius] = number
    return labels


def certain(mask):
    """Prediction of a network that is sure of every pixel."""
    return np.where(mask, 1.0, 0.0)


# Probabilities to cells


def test_cells_of_a_coarse_prediction_have_the_size_of_the_labels():
    coarse = np.zeros((4, 4))
    coarse[0, 0], coarse[3, 3] = 1, 0.49
    cells = segment(coarse, (8, 12), **PLAIN)
    assert cells.shape == (8, 12)
    # A quarter of a pixel beside its centre the probability is down to three quarters.
    assert (cells[:2, :2] == 1).all()
    assert not cells[2:].any()
    assert segment(coarse, (8, 12), **PLAIN | {"threshold": 0.4}).max() == 2


def test_small_cells_go_before_the_others_grow():
    labels = np.zeros((9, 9), np.uint16)
    labels[1:4, 1:4], labels[1, 7], labels[6:8, 6:8] = 1, 2, 3
    cells = segment(certain(labels > 0), (9, 9), **PLAIN | {"smallest": 4, "grow": 1})
    assert np.unique(cells).tolist() == [0, 1, 2]
    assert np.count_nonzero(cells == 1) == 9 + 12
    assert np.count_nonzero(cells == 2) == 4 + 8
    assert cells[1, 7] == 0


def test_grown_cells_meet_and_stay_apart():
    mask = np.zeros((5, 11), bool)
    mask[:, :4], mask[:, 7:] = True, True
    cells = segment(certain(mask), (5, 11), **PLAIN | {"grow": 6})
    assert (cells[:, :5] == 1).all()
    assert (cells[:, 6:] == 2).all()
    assert cells.all()


def test_two_discs_that_overlap_are_split_and_one_is_not():
    places = (40, 25, 18), (40, 55, 18), (80, 80, 14)
    truth = discs(*places)
    cells = segment(certain(truth > 0), truth.shape, **PLAIN | {"split": 20})
    assert to_cells(truth > 0).max() == 2
    assert cells.max() == 3
    assert (seg_scores(truth, cells) > 0.9).all()
    # Their centres are 30 px apart.
    assert segment(certain(truth > 0), truth.shape, **PLAIN | {"split": 35}).max() == 2


@settings(deadline=None)
@given(hnp.arrays(bool, (14, 13)), st.integers(1, 6))
def test_a_split_divides_components_and_moves_no_pixel(mask, distance):
    components = to_cells(mask)
    cells = split_cells(components, distance)
    np.testing.assert_array_equal(cells > 0, mask)
    for number in range(1, cells.max() + 1):
        assert len(np.unique(components[cells == number])) == 1


@settings(deadline=None)
@given(IDS, st.integers(0, 9))
def test_what_is_left_is_large_enough_and_numbered_anew(labels, smallest):
    cells = remove_small(labels, smallest)
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    kept = ids[areas >= smallest]
    expected = np.where(np.isin(labels, kept), labels, 0)
    np.testing.assert_array_equal(cells, relabel_sequential(expected)[0])


def test_a_frame_without_foreground_has_no_cells():
    none = np.zeros((8, 8))
    assert not segment(none, (16, 16), threshold=0.5, smallest=5, grow=3, split=4).any()


def test_kept_steps_are_not_probabilities():
    with pytest.raises(ValueError, match="from 0 to 1; there is 31"):
        segment(np.full((4, 4), 31, np.uint8), (8, 8), **PLAIN)


# Choosing the constants


@pytest.mark.parametrize("apart", [False, True])
def test_every_combination_scores_as_segment_does(apart):
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(3, 40, 40)), (0, 3, 3))
    probabilities = 0.5 + 0.5 * noise / np.abs(noise).max()
    probabilities[2] = 0.1
    labels = np.stack([to_cells(gaussian_filter(frame, 2) > 0.55) for frame in probabilities])
    labels[1] = np.roll(labels[1], 3, axis=0)
    insides = np.roll(probabilities, 2, axis=2) if apart else None
    table = score_constants(
        probabilities,
        labels,
        thresholds=(0.5, 0.6),
        smallest=(0, 20, 150),
        grow=(0, 1.5, 4),
        split=(0, 8),
        markers=(0.55, 0.7),
        flooded=(0.4, 0.6),
        sown=(0, 8),
        insides=insides,
    )
    assert len(table) == 2 * 3 * 3 * 2 + 2 * 3 * 3 * 2 * 2
    assert all(len(table.query(rows)) for rows in METHODS.values())
    assert sum(len(table.query(rows)) for rows in METHODS.values()) == len(table)
    assert table.seg.nunique() > 10
    for row in table.to_dict("records"):
        constants = {name: row[name] for name in (*PLAIN, "marker")}
        pairs = zip(probabilities, probabilities if insides is None else insides, strict=True)
        cells = [segment(frame, (40, 40), **constants, inside=inside) for frame, inside in pairs]
        frames = list(zip(labels, cells, strict=True))
        assert row["seg"] == pytest.approx(pooled_seg(seg_counts(*pair) for pair in frames))
        assert row["det"] == pytest.approx(pooled_det(det_counts(*pair) for pair in frames))


TWO = discs((40, 25, 18), (40, 62, 17))
TOUCHING = discs((40, 25, 18), (40, 55, 18))
SPECKS = TWO.copy()
SPECKS[80:83, 80:83] = 3
# A prediction that dips where two cells touch, too little for the thresholds to part them.
VALLEY = np.where(to_gap_mask(TOUCHING), 0.9, np.where(TOUCHING, 0.75, 0.0))


@pytest.mark.parametrize(
    ("probability", "truth", "chosen"),
    [
        (certain(TWO > 0), TWO, PLAIN),
        (np.where(TWO, 0.4, 0.3), TWO, PLAIN | {"threshold": 0.35}),
        (certain(TWO > 0), expand_labels(TWO, 3), PLAIN | {"grow": 3}),
        (certain(TOUCHING > 0), TOUCHING, PLAIN | {"split": 20}),
        (certain(SPECKS > 0), TWO, PLAIN | {"smallest": 10}),
        (VALLEY, TOUCHING, PLAIN | {"marker": 0.8}),
        (certain(TWO > 9), TWO, PLAIN),
    ],
    ids=["nothing", "threshold", "growth", "split", "specks", "valley", "nothing found"],
)
def test_the_constant_that_helps_is_chosen_and_no_other(probability, truth, chosen):
    grid = {"thresholds": (0.35, 0.5, 0.65), "smallest": (0, 10, 30), "grow": (0, 1, 3, 5)}
    grid |= {"split": (0, 20), "markers": (0.6, 0.8), "flooded": (0.5,), "sown": (0, 20)}
    table = score_constants(probability[None], truth[None], **grid)
    assert choose_constants(table) == {"marker": 0} | chosen


def test_markers_can_be_divided_before_they_are_flooded():
    # Two discs that touch under one plateau, with a rim that is no marker.
    rim = expand_labels(TOUCHING, 3)
    probability = np.where(TOUCHING, 0.9, np.where(rim, 0.6, 0.0))
    arguments = PLAIN | {"threshold": 0.5, "marker": 0.8}
    assert segment(probability, rim.shape, **arguments).max() == 1
    cells = segment(probability, rim.shape, **arguments | {"split": 20})
    assert cells.max() == 2
    np.testing.assert_array_equal(cells > 0, rim > 0)


def test_constants_need_a_true_cell():
    with pytest.raises(ValueError, match="no true cell"):
        choose_constants(score_constants(certain(TWO > 0)[None], np.zeros_like(TWO)[None]))


# SEG and DET of cells made by hand

ROW = np.repeat([[1, 1, 1, 1, 0, 2, 2, 3, 3, 0, 0]], 2, axis=0)


@pytest.mark.parametrize(
    ("predicted", "scores", "merged", "missed", "spurious", "splits", "merges"),
    [
        ([7, 7, 7, 7, 0, 8, 8, 9, 9, 0, 0], [1, 1, 1], 0, 0, 0, 0, 0),
        ([7, 7, 8, 8, 0, 9, 9, 5, 5, 0, 0], [0, 1, 1], 0, 1, 2, 1, 0),
        ([7, 7, 7, 8, 0, 9, 9, 5, 5, 0, 0], [3 / 4, 1, 1], 0, 0, 1, 1, 0),
        ([7, 7, 7, 7, 0, 8, 8, 8, 8, 0, 0], [1, 1 / 2, 1 / 2], 1, 0, 0, 0, 1),
        ([7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0], [4 / 9, 2 / 9, 2 / 9], 2, 0, 0, 0, 2),
        ([7, 7, 7, 7, 0, 8, 8, 0, 0, 0, 9], [1, 1, 0], 0, 1, 1, 0, 0),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0], 0, 3, 0, 0, 0),
    ],
    ids=["same", "halves", "split", "merge", "all merged", "missed and spurious", "empty"],
)
def test_known_cases(predicted, scores, merged, missed, spurious, splits, merges):
    cells = np.repeat([predicted], 2, axis=0)
    assert seg_scores(ROW, cells).tolist() == pytest.approx(scores)
    assert seg_counts(ROW, cells) == pytest.approx({"jaccard": sum(scores), "true_cells": 3})
    counts = det_counts(ROW, cells)
    found = len(np.unique(cells[cells > 0]))
    assert counts == {
        "markers": 3,
        "merged": merged,
        "missed": missed,
        "spurious": spurious,
        "count_error": found - 3,
    }
    assert pooled_det([counts]) == pytest.approx(1 - (5 * merged + 10 * missed + spurious) / 30)
    assert error_counts(ROW, cells) == {"splits": splits, "merges": merges}


def test_det_is_never_below_that_of_no_cells():
    cells = np.arange(1, 23).reshape(2, 11)
    counts = det_counts(ROW, cells)
    assert (counts["missed"], counts["spurious"]) == (3, 22)
    assert pooled_det([counts]) == 0


def test_a_video_is_pooled_over_cells_and_not_over_frames():
    one = np.where(ROW == 1, 1, 0)
    frames = [(ROW, np.zeros_like(ROW)), (one, one)]
    assert pooled_seg(seg_counts(*frame) for frame in frames) == 1 / 4
    assert pooled_det(det_counts(*frame) for frame in frames) == pytest.approx(1 / 4)


def test_without_true_cells_both_are_undefined():
    nothing = np.zeros_like(ROW)
    assert np.isnan(pooled_seg([seg_counts(nothing, ROW)]))
    assert np.isnan(pooled_det([det_counts(nothing, ROW)]))
    assert np.isnan(pooled_seg([]))
    # The spurious cells of such a frame still count in its video.
    assert pooled_det([det_counts(ROW, ROW), det_counts(nothing, ROW)]) == pytest.approx(0.9)


def test_a_label_image_may_have_no_background():
    full = np.repeat([[1, 1, 2, 2]], 3, axis=0)
    assert seg_scores(full, full).tolist() == [1, 1]
    assert pooled_det([det_counts(full, np.ones_like(full))]) == pytest.approx(1 - 5 / 20)


@pytest.mark.parametrize("measure", [seg_scores, seg_counts, det_counts, error_counts])
def test_shapes_have_to_agree(measure):
    with pytest.raises(ValueError, match=r"\(2, 11\).*\(11, 2\)"):
        measure(ROW, ROW.T)


@settings(deadline=None)
@given(IDS, IDS, st.permutations(range(1, 5)))
def test_measures_do_not_depend_on_the_ids(labels, cells, names):
    renamed = np.array([0, *names])[cells] * 1000
    assert seg_scores(labels, renamed).tolist() == seg_scores(labels, cells).tolist()
    assert det_counts(labels, renamed) == det_counts(labels, cells)
    assert error_counts(labels, renamed) == error_counts(labels, cells)


@settings(deadline=None)
@given(IDS, IDS)
def test_measures_are_tied_to_each_other(labels, cells):
    counts, scores = det_counts(labels, cells), seg_scores(labels, cells)
    assert counts["missed"] == (scores == 0).sum()
    # Every predicted cell but the spurious ones matches a marker, and the merged ones more.
    assert counts["count_error"] == counts["spurious"] - counts["missed"] - counts["merged"]
    assert error_counts(labels, cells)["merges"] == counts["merged"]
    assert error_counts(cells, labels) == {
        "splits": counts["merged"],
        "merges": error_counts(labels, cells)["splits"],
    }


# The challenge's files


def test_results_come_back_as_they_were(tmp_path):
    cells = {3: np.array([[0, 65535], [2, 2]]), 11: np.zeros((2, 2), np.uint8)}
    data.write_results(tmp_path, "02", cells)
    files = sorted(path.name for path in (tmp_path / "02_RES").iterdir())
    assert files == ["mask003.tif", "mask011.tif"]
    assert tifffile.imread(tmp_path / "02_RES/mask011.tif").dtype == np.uint16
    read = data.read_results(tmp_path, "02", (2, 2))
    assert list(read) == [3, 11]
    for number, ids in cells.items():
        np.testing.assert_array_equal(read[number], ids)


def test_results_written_again_leave_no_frame_of_before(tmp_path):
    data.write_results(tmp_path, "01", {0: ROW, 1: ROW, 1000: ROW})
    assert (tmp_path / "01_RES/mask0001.tif").exists()
    data.write_results(tmp_path, "01", {1: ROW})
    assert [path.name for path in tmp_path.iterdir()] == ["01_RES"]
    assert list(data.read_results(tmp_path, "01", ROW.shape)) == [1]


@pytest.mark.parametrize("video", ["..", "../01", "01/..", "/01", "1", "001", "01\n", ""])
def test_results_stay_in_their_folder(tmp_path, video):
    with pytest.raises(ValueError, match="not a name such as 01"):
        data.write_results(tmp_path / "results", video, {0: ROW})
    with pytest.raises(ValueError, match="not a name such as 01"):
        data.read_results(tmp_path, video, ROW.shape)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({}, "video 01: no frames"),
        ({-1: ROW}, "frame -1: frames are numbered from 0"),
        ({10_000: ROW}, "frame 10000: frames are numbered from 0"),
        ({0: ROW, 1: ROW * 30_000}, "frame 1: ids 0 to 90000"),
        ({0: -ROW}, "frame 0: ids -3 to 0"),
        ({0: ROW / 2}, "frame 0: float64"),
        ({0: ROW[0]}, r"frame 0: int64 of shape \(11,\)"),
    ],
)
def test_results_that_the_format_cannot_hold(tmp_path, cells, message):
    with pytest.raises(ValueError, match=message):
        data.write_results(tmp_path, "01", cells)
    assert not list(tmp_path.iterdir())


def test_results_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        data.write_results(tmp_path / "file", "01", {0: ROW})


def test_results_that_are_missing_or_broken(tmp_path):
    with pytest.raises(DataError, match="01_RES: no results mask000.tif"):
        data.read_results(tmp_path, "01", ROW.shape)
    data.write_results(tmp_path, "01", {0: ROW})
    with pytest.raises(DataError, match=r"mask000\.tif: shape \(2, 11\); the image has \(3, 3\)"):
        data.read_results(tmp_path, "01", (3, 3))
    tifffile.imwrite(tmp_path / "01_RES/mask000.tif", np.zeros(ROW.shape, np.float32))
    with pytest.raises(DataError, match=r"mask000\.tif: float32"):
        data.read_results(tmp_path, "01", ROW.shape)


# Gold truth of a study


def write_video(folder, video, count, gold_truth, tracks):
    """Write a video of flat images whose silver truth is `ROW`."""
    (folder / video).mkdir(parents=True)
    for number in range(count):
        tifffile.imwrite(folder / video / f"t{number:03d}.tif", np.uint8(ROW))
    for part, frames in (
        ("ST/SEG/man_seg", dict.fromkeys(range(count), ROW)),
        ("GT/SEG/man_seg", gold_truth),
        ("GT/TRA/man_track", tracks),
    ):
        for number, labels in frames.items():
            path = folder / f"{video}_{part}{number:03d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.uint16(labels))


@pytest.fixture
def study(tmp_path):
    """A study of two videos: gold truth of one frame of the first, none of the second."""
    write_video(tmp_path, "01", 3, {1: ROW * (ROW == 2)}, dict.fromkeys(range(3), ROW))
    write_video(tmp_path, "02", 2, {}, {})
    chosen = {
        "data.name": HELA,
        "data.folder": str(tmp_path),
        "data.phantom_seed": 0,
        "data.phantom_frames": 2,
        "data.phantom_size": 64,
    }
    return SimpleNamespace(profile=SimpleNamespace(settings=chosen), record={"source": "folder"})


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("DIC_HELA_DIR", raising=False)


def test_gold_truth_and_markers_of_a_study(study):
    assert list(gold(study, "01")) == [1]
    assert np.unique(gold(study, "01")[1]).tolist() == [0, 2]
    assert list(markers(study, "01")) == [0, 1, 2]
    np.testing.assert_array_equal(markers(study, "01")[2], ROW)
    assert gold(study, "02") == markers(study, "02") == {}


def test_markers_of_another_shape(study, tmp_path):
    tifffile.imwrite(tmp_path / "01_GT/TRA/man_track001.tif", np.ones((3, 3), np.uint16))
    with pytest.raises(DataError, match=r"man_track001\.tif: shape \(3, 3\); the image has"):
        markers(study, "01")


# The package


def package_scores(folder, cells, gold_truth, tracks):
    """SEG and DET of a video by py-ctcmetrics, from the challenge's files."""
    results = {}
    lines, last = [], 0
    for number, ids in cells.items():
        # It wants tracks; here each cell of each frame is one of its own.
        results[number] = relabel_sequential(ids, offset=last + 1)[0]
        own = range(last + 1, last + 1 + np.unique(ids[ids > 0]).size)
        lines += [f"{track} {number} {number} 0\n" for track in own]
        last += len(own)
    data.write_results(folder, "01", results)
    (folder / "01_RES/res_track.txt").write_text("".join(lines))
    write_video(folder, "01", len(cells), gold_truth, tracks)
    stacked = np.stack(list(tracks.values()))
    lines = []
    for track in np.unique(stacked)[1:]:
        seen = np.flatnonzero((stacked == track).any(axis=(1, 2)))
        lines.append(f"{track} {seen[0]} {seen[-1]} 0\n")
    (folder / "01_GT/TRA/man_track.txt").write_text("".join(lines))
    scores = evaluate_sequence(
        str(folder / "01_RES"), str(folder / "01_GT"), metrics=["SEG", "DET"], threads=1
    )
    return {name: scores[name] for name in ("SEG", "DET")}


def own_scores(cells, gold_truth, tracks):
    """SEG and DET of a video by this project."""
    return {
        "SEG": pooled_seg(seg_counts(gold_truth[n], cells[n]) for n in gold_truth),
        "DET": pooled_det(det_counts(tracks[n], cells[n]) for n in tracks),
    }


def merged(labels):
    return to_cells(to_mask(labels) > 0)


def eroded(labels):
    return to_cells(to_gap_mask(labels) > 0)


def shifted(labels):
    return np.roll(labels, (9, -14), axis=(0, 1))


def halved(labels):
    """Each cell of an even id in two, by the parity of its rows in blocks of 20."""
    blocks = np.arange(len(labels))[:, None] // 20 % 2
    return np.where(labels % 2 == 0, 2 * labels + blocks * (labels > 0), 2 * labels)


def thinned(labels):
    """Cells of ids that three divides are missing, and there is a speck of background."""
    left = np.where(labels % 3 == 0, 0, labels)
    rows, columns = np.nonzero(labels == 0)
    left[rows[:5], columns[:5]] = labels.max() + 1
    return left


DEFECTS = (merged, eroded, shifted, halved, thinned)


def frames_of(seed):
    """Three frames of discs that overlap, most of them in the gold truth of two frames."""
    rng = np.random.default_rng(seed)
    tracks = {
        number: discs(*np.c_[rng.uniform(0, 96, (9, 2)), rng.uniform(6, 20, 9)])
        for number in range(3)
    }
    return {n: np.where(tracks[n] % 4 == 1, 0, tracks[n]) for n in (0, 2)}, tracks


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_constructed_cells_score_as_in_the_package(tmp_path, defect, seed):
    gold_truth, tracks = frames_of(seed)
    cells = {number: np.int64(defect(np.int64(ids))) for number, ids in tracks.items()}
    own = own_scores(cells, gold_truth, tracks)
    assert own == pytest.approx(package_scores(tmp_path, cells, gold_truth, tracks), abs=1e-6)
    assert min(own.values()) < 1


@pytest.fixture(scope="module")
def videos():
    folder = Path(FOLDER)
    return {
        video: (
            data.read_video(folder, video)[1],
            data.read_truth(folder, video, "gold"),
            data.read_truth(folder, video, "markers"),
        )
        for video in ("01", "02")
    }


@real
@pytest.mark.parametrize(
    ("predict", "scores"), [(np.asarray, (0.954, 0.958)), (merged, (0.596, 0.289))]
)
def test_silver_truth_against_gold_truth(videos, predict, scores):
    for (silver, gold_truth, _), expected in zip(videos.values(), scores, strict=True):
        counts = [seg_counts(ids, predict(silver[n])) for n, ids in gold_truth.items()]
        assert pooled_seg(counts) == pytest.approx(expected, abs=5e-4)


@real
@pytest.mark.parametrize("video", ["01", "02"])
@pytest.mark.parametrize("defect", [merged, eroded, shifted])
def test_gold_truth_frames_score_as_in_the_package(videos, tmp_path, video, defect):
    silver, gold_truth, tracks = videos[video]
    # The package wants frames without a gap between them.
    numbers = dict(enumerate(gold_truth))
    cells = {i: defect(np.int64(silver[n])) for i, n in numbers.items()}
    gold_truth, tracks = ({i: ids[n] for i, n in numbers.items()} for ids in (gold_truth, tracks))
    own = own_scores(cells, gold_truth, tracks)
    assert own == pytest.approx(package_scores(tmp_path, cells, gold_truth, tracks), abs=1e-6)


@real
@pytest.mark.parametrize("video", ["01", "02"])
def test_a_video_scores_as_in_the_package(videos, tmp_path, video):
    silver, gold_truth, tracks = videos[video]
    cells = {n: DEFECTS[n % len(DEFECTS)](np.int64(ids)) for n, ids in enumerate(silver)}
    own = own_scores(cells, gold_truth, tracks)
    assert own == pytest.approx(package_scores(tmp_path, cells, gold_truth, tracks), abs=1e-6)


@real
@pytest.mark.parametrize("fold", ["01to02", "02to01"])
@pytest.mark.parametrize("arm", ["rigid_elastic", "gap", "gap_weighted"])
def test_committed_scores_of_an_arm_are_those_of_the_package(videos, tmp_path, arm, fold):
    committed = OUTPUTS / "study"
    kept = committed / "cells" / arm / fold / "seed0.csv"
    if not kept.exists():
        pytest.skip(f"{kept} is not there")
    counts = pd.read_csv(kept).query("chosen")
    record = json.loads(kept.with_suffix(".json").read_text())
    method = record["constants"][counts.method.iloc[0]]
    maps = mean_maps([run_folder(committed, arm, fold, 0)], turned=False)
    video = fold[-2:]
    _, gold_truth, tracks = videos[video]
    # The package is given what was scored: the cells that reach out of the margin.
    found = {
        frame: in_field(segment(maps[video, frame][0], (512, 512), **method), record["margin"])
        for frame in sorted(tracks)
    }
    own = {
        "SEG": counts.gold_jaccard.sum() / counts.gold_true_cells.sum(),
        "DET": pooled_det(counts.to_dict("records")),
    }
    assert own == pytest.approx(package_scores(tmp_path, found, gold_truth, tracks), abs=1e-6)
