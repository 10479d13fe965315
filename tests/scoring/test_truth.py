"""Scores and counts of frames made by hand, with silver truth or a few gold outlines alone."""

import numpy as np
import pytest

from lib.data.arrays import UNKNOWN
from lib.data.dataset import DataSet
from lib.data.splits import Split
from lib.network.inference import STEPS, mean_predictions, save_predictions
from lib.scoring.pixels import SCORES
from lib.scoring.truth import Truth, count_references, score_cells, score_frames
from lib.study.params import load

SETTINGS = load("smoke").settings
SPLIT = Split("mine", [("01", 0)], [("01", 1), ("01", 2)], [("02", 0), ("02", 1)])
LEFT, RIGHT = np.s_[4:36, 4:30], np.s_[20:60, 34:60]
AREAS = 32 * 26, 40 * 26


def frame(**cells):
    """Labels of 64 px with the cells 1, on the left, and 2; 0 elsewhere or what `rest` says."""
    labels = np.full((64, 64), cells.get("rest", 0), np.uint16)
    labels[LEFT], labels[RIGHT] = cells.get("left", 1), cells.get("right", 2)
    return labels


def made(truth="silver", labels=None, gold=None, markers=None):
    labels = frame() if labels is None else labels
    every = {"01": np.stack([labels] * 3), "02": np.stack([labels] * 2)}
    record = {"shape": [64, 64], "truth": truth, "labelled": {"01": [0, 1, 2], "02": [0, 1]}}
    rng = np.random.default_rng(0)
    images = {video: np.uint8(rng.integers(0, 255, part.shape)) for video, part in every.items()}
    markers = {"01": {}, "02": {}} | (markers or {})
    return DataSet(record, images, every, {"01": {}, "02": gold or {}}, markers)


def points(*places):
    """Markers of 9 px."""
    markers = np.zeros((64, 64), np.uint16)
    for number, (row, column) in enumerate(places, 1):
        markers[row : row + 3, column : column + 3] = number
    return markers


def test_frames_are_scored_at_the_size_of_the_labels():
    data, small = made(), np.zeros((2, 32, 32))
    small[0] = 1
    table = score_frames(data, SPLIT.test, small, 0.5)
    assert list(table) == ["video", "frame", "tp", "fp", "fn", "tn", *SCORES, "seg_st"]
    first, second = table.to_dict("records")
    assert (first["tp"], first["fp"], first["fn"], first["tn"]) == (sum(AREAS), 4096 - 1872, 0, 0)
    assert first["f1"] == pytest.approx(2 * 1872 / (1872 + 4096))
    # One cell over the whole frame matches both.
    assert first["seg_st"] == pytest.approx(np.mean(AREAS) / 4096)
    assert (second["tp"], second["f1"], second["seg_st"]) == (0, 0, 0)


def test_unknown_pixels_are_in_no_score():
    data = made("gold", frame(rest=UNKNOWN, right=UNKNOWN))
    (row, _) = score_frames(data, SPLIT.test, np.ones((2, 64, 64)), 0.5).to_dict("records")
    assert [row[name] for name in ("tp", "fp", "fn", "tn")] == [AREAS[0], 0, 0, 0]


def test_counts_of_a_frame_with_all_three_truths():
    gold, markers = {0: frame(right=0)}, {"02": {0: points((10, 10), (30, 40))}}
    truth, merged = Truth(made(gold=gold, markers=markers), SPLIT), frame(right=1)
    counts = truth.count("02", 0, merged, merged > 0)
    assert (counts["gold_true_cells"], counts["silver_true_cells"]) == (1, 2)
    # The two as one cover the larger one by more than half, and each wholly.
    assert counts["gold_jaccard"] == pytest.approx(AREAS[0] / 1872)
    assert counts["silver_jaccard"] == pytest.approx(1)
    errors = ("markers", "merged", "missed", "spurious", "count_error", "splits", "merges")
    assert [counts[name] for name in errors] == [2, 1, 0, 0, -1, 0, 1]
    assert [counts[name] for name in ("tp", "fp", "fn")] == [1872, 0, 0]
    without = truth.count("02", 1, merged, merged > 0)
    assert without["gold_jaccard"] is None
    assert "markers" not in without


def test_cells_in_the_margin_are_left_out_of_every_count():
    truth, found = Truth(made(), SPLIT), frame()
    assert truth.margin == 29  # the deepest row of the left cell and column of the right one
    whole = truth.count("02", 0, found, found > 0)
    found[:4, :10] = 3
    assert truth.count("02", 0, found, found > 0) == whole
    # Foreground that belongs to no cell stays.
    loose = found > 0
    loose[62, 5] = True
    assert truth.count("02", 0, found, loose)["foreground_fp"] == 1


def test_false_pixels_near_a_missed_cell_are_told_apart():
    labels, markers = frame(right=0), {"02": {0: points((30, 40))}}
    truth = Truth(made(labels=labels, markers=markers), SPLIT)
    truth.margin = 0
    counts = truth.count("02", 0, np.zeros_like(labels), np.ones(labels.shape, bool))
    background = 4096 - AREAS[0]
    assert counts["foreground_fp"] == background
    # The radius is 10 px here, a disc of about 400 around 9 px of a marker.
    assert 300 < background - counts["known_fp"] < 500


def maps_of(data, value=0.9):
    """Predict the labels, with the cells as touching as they are."""
    every = [*SPLIT.validation, *SPLIT.test]
    found = {pair: np.float64(data.labels[pair[0]][pair[1]] % UNKNOWN > 0) for pair in every}
    return {pair: (value * mask, value * mask) for pair, mask in found.items()}


def test_constants_are_chosen_and_each_frame_is_counted_with_them():
    data = made(gold={0: frame()}, markers={"02": {0: points((10, 10), (30, 40))}})
    rows, record = score_cells(data, SPLIT, maps_of(data), SETTINGS, turned=True)
    assert set(record) == {"constants", "chosen", "validation_seg", "margin", "cell_area"}
    assert record["chosen"] == "components"
    assert record["validation_seg"]["components"] == 1
    assert (record["margin"], record["cell_area"]) == (29, np.mean(AREAS))
    chosen = [row for row in rows if row["chosen"]]
    assert [(row["video"], row["frame"]) for row in chosen] == SPLIT.test
    assert {row["method"] for row in chosen} == {"components"}
    assert all(row["turned"] and row["silver_jaccard"] == 2 for row in chosen)
    # The other methods are counted where there is gold truth.
    others = [(row["method"], row["frame"]) for row in rows if not row["chosen"]]
    assert others == [("divided", 0), ("flooded", 0), ("divided_flooded", 0)]


def test_a_few_gold_outlines_alone_are_enough():
    outlined = frame(rest=UNKNOWN, right=UNKNOWN)
    data = made("gold", outlined, gold={0: frame(right=0), 1: frame(right=0)})
    maps = {pair: (0.9 * (frame() > 0),) * 2 for pair in [*SPLIT.validation, *SPLIT.test]}
    rows, record = score_cells(data, SPLIT, maps, SETTINGS, turned=False)
    assert (record["margin"], record["cell_area"]) == (0, AREAS[0])
    row = next(row for row in rows if row["chosen"])
    assert (row["silver_jaccard"], row["silver_true_cells"]) == (None, None)
    assert (row["gold_jaccard"], row["gold_true_cells"]) == (1, 1)
    assert [row[name] for name in ("tp", "fp", "fn", "tn", "known_fp")] == [AREAS[0], 0, 0, 0, 0]
    assert row["splits"] is None
    assert "markers" not in row
    arms = {row["arm"] for row in count_references(data, SPLIT, [32])}
    assert {"silver_truth", "perfect_gap_32", "all_foreground", "previous_frame"} <= arms


def test_the_margin_of_a_few_gold_outlines_is_that_of_all_markers():
    markers = {"01": {0: points((10, 10), (7, 40))}}
    outlined = frame(rest=UNKNOWN, right=UNKNOWN)
    assert Truth(made("gold", outlined, markers=markers), SPLIT).margin == 9


def test_references_have_counts_of_cells_and_baselines_scores_too():
    labels = frame()
    labels[30:50, 30:34] = 1  # joins the two
    rows = count_references(made(labels=labels), SPLIT, [64])
    cells = [row for row in rows if "splits" in row]
    found = {row["arm"]: row["silver_jaccard"] for row in cells if row["frame"] == 1}
    assert found["silver_truth"] == 2
    assert found["perfect_mask"] < 1.5 < found["perfect_gap_64"] <= 2
    scored = [row for row in rows if "f1" in row]
    baselines = {"all_foreground", "image_blind", "local_variance", "previous_frame"}
    assert {row["arm"] for row in scored} == baselines
    assert all(("f1" in row) != ("splits" in row) for row in rows)
    # The first frame has none before it.
    frames = [row["frame"] for row in scored if row["arm"] == "previous_frame"]
    assert frames == [1]


def test_predictions_are_averaged_over_runs(tmp_path):
    pairs, full = [("01", 0), ("01", 1)], np.full((2, 4, 4), STEPS, np.uint8)
    save_predictions(
        tmp_path / "0.npz", pairs, {"probability": 0 * full, "turned_probability": full}
    )
    save_predictions(tmp_path / "1.npz", pairs, {"probability": full, "inside": 0 * full})
    maps = mean_predictions([tmp_path / "0.npz", tmp_path / "1.npz"], turned=False)
    assert list(maps) == pairs
    foreground, inside = maps["01", 1]
    assert (foreground == 0.5).all()
    assert (inside == 0).all()
    foreground, inside = mean_predictions([tmp_path / "0.npz"], turned=True)["01", 0]
    assert (foreground == 1).all()
    assert (inside == 1).all()
