"""Cells from kept predictions: what is read, what is scored, and what is left alone."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lib import cell_counts, cell_scores, cells, params, plan, study
from lib.arrays import UNKNOWN, to_gap_mask
from lib.evaluation import STEPS, save_predictions
from lib.files import StateError
from lib.source import DataError
from lib.splits import Split
from lib.statistics import summarise

RUN = "gap_weighted/last/seed0"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a profile from text, with everything that it computes below tmp_path."""
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    monkeypatch.setattr(plan, "OUTPUTS", tmp_path / "outputs")
    monkeypatch.delenv("DIC_HELA_DIR", raising=False)

    def load(text="", name="mine"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"inherits: smoke\n{text}", encoding="utf-8")
        profile = params.load(path)
        return profile, plan.plan(profile, plan.prepare(profile))

    return load


def finish(profile, run, dents=0):
    """Write what a finished run leaves, with gaps as sure predictions but for some dented cells."""
    opened, folder = study.open_study(profile.path), run.folder(profile.outputs)
    folder.mkdir(parents=True)
    for name in plan.RUN_FILES:
        (folder / name).touch()
    (folder / "provenance.json").write_text(json.dumps({"fingerprint": run.fingerprint}))
    split = plan.read_split(profile.settings, run.fold, opened.record, profile.outputs)
    pairs = [*split.validation, *split.test]
    masks = to_gap_mask(study.full_labels(opened, pairs))
    masks[:, : 2 * dents] = 0
    maps = {
        "probability": masks,
        "turned_probability": to_gap_mask(study.full_labels(opened, pairs)),
    }
    save_predictions(
        folder / "predictions.npz", pairs, {name: STEPS * mask for name, mask in maps.items()}
    )


def find(runs, name):
    return next(run for run in runs if run.name == name)


def names(profile, runs, arm):
    return [reading.name for reading in cells.readings(profile, runs) if reading.arm == arm]


def test_readings_are_of_runs_and_of_means_where_turns_are_kept(load):
    profile, runs = load()
    assert names(profile, runs, "none") == ["seed0"]
    assert names(profile, runs, "border") == ["seed0", "seed0_turned"]
    profile, runs = load("grid: {seeds: 2}")
    assert names(profile, runs, "none") == ["seed0", "seed1"]
    means = ["mean", "mean_turned"]
    assert names(profile, runs, "border") == [
        *("seed0", "seed0_turned", "seed1", "seed1_turned"),
        *means,
    ]


def test_readings_are_of_the_folds_on_which_arms_are_compared(load):
    profile, runs = load("grid: {folds: [last, 01to02, 02to01]}")
    assert {reading.fold for reading in cells.readings(profile, runs)} == {"01to02", "02to01"}


def test_cells_of_a_finished_run_are_scored_once(load):
    profile, runs = load()
    finish(profile, find(runs, RUN), dents=3)
    said = []
    cells.score_arm(profile, runs, "gap_weighted", said.append)
    assert said == [
        f"cells of gap_weighted/last/{name}: scored" for name in ("seed0", "seed0_turned")
    ]
    folder = profile.outputs / "cells/gap_weighted/last"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{ending}"
        for name in ("seed0", "seed0_turned")
        for ending in ("csv", "json", "npz")
    }
    record = json.loads((folder / "seed0.json").read_text())
    assert set(record["constants"]) == set(record["validation_seg"])
    assert "gap_weighted" not in cells.pending_arms(profile, runs)
    cells.score_arm(profile, runs, "gap_weighted", said.append)
    assert len(said) == 2


def test_other_code_or_another_run_is_scored_again(load, monkeypatch):
    profile, runs = load()
    finish(profile, find(runs, RUN))
    cells.score_arm(profile, runs, "gap_weighted", list)
    assert "gap_weighted" not in cells.pending_arms(profile, runs)
    assert set(cell_scores.read_counts(profile, runs).arm) == {"gap_weighted"}
    changed, other = load("arms: {gap_weighted: {weight_map.w0: 5.0}}")
    assert "gap_weighted" in cells.pending_arms(changed, other)
    with pytest.raises(StateError, match="no cells are scored"):
        cell_scores.read_counts(changed, other)
    monkeypatch.setattr(cells, "CODE", ("metrics",))
    assert "gap_weighted" in cells.pending_arms(profile, runs)


def test_runs_that_are_not_finished_are_passed_over(load):
    profile, runs = load("grid: {seeds: 2}")
    finish(profile, find(runs, RUN))
    said = []
    cells.score_arm(profile, runs, "gap_weighted", said.append)
    # The mean over seeds waits for the second.
    assert len(said) == 2
    assert "gap_weighted" in cells.pending_arms(profile, runs)
    finish(profile, find(runs, "gap_weighted/last/seed1"))
    cells.score_arm(profile, runs, "gap_weighted", said.append)
    assert len(said) == 6
    assert "gap_weighted" not in cells.pending_arms(profile, runs)


def test_counts_of_a_parent_are_taken_over(load, tmp_path):
    profile, runs = load()
    finish(profile, find(runs, RUN))
    cells.score_arm(profile, runs, "gap_weighted", list)
    cells.score_arm(profile, runs, cells.REFERENCES)
    path = tmp_path / "child.yaml"
    path.write_text("inherits: mine\narms: {border: {weight_map.in_loss: true}}\n")
    child = params.load(path)
    planned = plan.plan(child, plan.prepare(child))
    # A run of the child's own has the same settings, and is another training.
    own = find(planned, RUN)
    finish(child, own)
    record = own.folder(child.outputs) / "provenance.json"
    record.write_text(json.dumps({"fingerprint": own.fingerprint, "wall_seconds": 1.0}))
    cells.adopt(child, planned)
    assert "gap_weighted" in cells.pending_arms(child, planned)
    shutil.rmtree(own.folder(child.outputs))
    assert plan.adopt(own, child)
    cells.adopt(child, planned)
    assert {"gap_weighted", cells.REFERENCES}.isdisjoint(cells.pending_arms(child, planned))
    copied = [path for path in profile.outputs.glob("cells/**/*") if path.is_file()]
    assert len(copied) == 9
    for path in copied:
        ours = child.outputs / path.relative_to(profile.outputs)
        assert ours.read_bytes() == path.read_bytes()
    # What the child has counted itself stays, and what it has counted otherwise is counted anew.
    (child.outputs / "cells/references.csv").write_text("mine")
    (child.outputs / "cells/gap_weighted/last/seed0.json").write_text("{}")
    shutil.rmtree(profile.outputs / "cells/gap_weighted")
    cells.adopt(child, planned)
    assert (child.outputs / "cells/references.csv").read_text() == "mine"
    assert "gap_weighted" in cells.pending_arms(child, planned)


def test_references_are_scored_and_are_what_they_are(load):
    profile, runs = load()
    assert cells.pending_arms(profile, runs)[0] == cells.REFERENCES
    cells.score_arm(profile, runs, cells.REFERENCES)
    assert cells.REFERENCES not in cells.pending_arms(profile, runs)
    before = (profile.outputs / "cells/references.csv").stat().st_mtime_ns
    cells.score_references(profile, runs)
    assert (profile.outputs / "cells/references.csv").stat().st_mtime_ns == before
    table = cell_scores.tidy(cell_scores.read_counts(profile, runs))
    scores = cell_scores.summary(table, block=1, resamples=100)
    seg = scores[scores.metric == "seg_gt"].set_index("arm")["mean"]
    # The phantom's silver truth is exact; its foreground merges what touches.
    assert seg["silver_truth"] == 1
    assert seg["perfect_gap_64"] > seg["perfect_mask"] > seg["all_foreground"]
    det = scores[scores.metric == "det_gt"].set_index("arm")["mean"]
    assert det["silver_truth"] == 1
    assert set(scores.metric) == set(cell_scores.MEASURES)


def test_references_of_another_split_are_scored_again(load):
    profile, runs = load()
    cells.score_references(profile, runs, list)
    assert cells.references_done(profile, runs)
    assert set(cell_scores.read_counts(profile, runs).arm) >= {"silver_truth", "perfect_mask"}
    changed, other = load("split: {test_share: 0.4}")
    assert not cells.references_done(changed, other)
    with pytest.raises(StateError, match="no cells are scored"):
        cell_scores.read_counts(changed, other)


def test_better_predictions_score_better_and_turns_are_an_effect(load):
    profile, runs = load()
    finish(profile, find(runs, RUN), dents=12)
    cells.score_arm(profile, runs, cells.REFERENCES)
    cells.score_arm(profile, runs, "gap_weighted", list)
    counts = cell_scores.read_counts(profile, runs)
    table = cell_scores.tidy(counts)
    assert {"gap_weighted", "gap_weighted + turns"} <= set(table.arm)
    effects = cell_scores.effects(table, block=1, resamples=100)
    (seg,) = effects[effects.metric == "seg_gt"].to_dict("records")
    assert seg["id"] == "turns_gap_weighted"
    assert seg["mean"] > 0.05
    crossed = cell_scores.cross(counts, "last")
    assert set(crossed.arm) == {"gap_weighted"}
    assert crossed.chosen.sum() == 1
    assert ((crossed.lowest <= crossed.seg_gt) & (crossed.seg_gt <= crossed.highest)).all()


def test_methods_are_compared_on_seeds_that_both_videos_have():
    rows = [
        ("01to02", "0", "components", 4.0),
        ("02to01", "0", "components", 2.0),
        # This seed has not been run on the other video.
        ("01to02", "1", "components", 8.0),
    ]
    counts = pd.DataFrame(rows, columns=["fold", "seed", "method", "gold_jaccard"])
    counts = counts.assign(arm="gap", turned=False, gold_true_cells=10, chosen=True)
    crossed = cell_scores.cross(counts, "video")
    assert crossed.seg_gt.tolist() == crossed.highest.tolist() == [pytest.approx(0.3)]
    assert cell_scores.cross(counts, "01to02").seg_gt.tolist() == [pytest.approx(0.6)]


def test_without_gold_truth_its_scores_are_undefined(load, tmp_path):
    profile, _ = load()
    source = plan.open_source(profile.settings, "phantom").folder
    folder = tmp_path / "data"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*_GT"))
    profile, runs = load(f"data: {{source: folder, folder: {folder}}}", name="other")
    cells.score_arm(profile, runs, cells.REFERENCES)
    table = cell_scores.tidy(cell_scores.read_counts(profile, runs))
    scores = cell_scores.summary(table, block=1, resamples=100)
    silver = scores[scores.arm == "silver_truth"].set_index("metric")
    assert silver.loc["seg_st_pooled", "mean"] == 1
    assert silver.loc[["seg_gt", "det_gt"], "mean"].isna().all()
    assert silver.loc[["seg_gt", "det_gt"], "n_frames"].eq(0).all()


def test_images_that_are_not_those_of_the_results_are_refused(load, tmp_path):
    profile, _ = load()
    folder = tmp_path / "data"
    shutil.copytree(plan.open_source(profile.settings, "phantom").folder, folder)
    profile, _ = load(f"data: {{source: folder, folder: {folder}}}", name="other")
    study.open_study(profile.path)
    shutil.copy(folder / "01" / "t000.tif", folder / "01" / "t001.tif")
    with pytest.raises(DataError, match=r"data: not the images and labels of .*other/data\.json"):
        study.open_study(profile.path)


def test_training_frames_are_unknown_where_a_marked_cell_has_no_label(load):
    profile, _ = load()
    opened = study.open_study(profile.path)
    settings = profile.arms["gap_weighted"] | {"training.unknown": 80.0}
    split = Split("mine", [("02", 0), ("02", 1)], [("02", 2)], [])
    (_, labels), _ = study.load_training_sides(opened, split, settings)
    # The phantom's silver truth has every cell.
    assert (labels != UNKNOWN).all()
    lost = np.unique(opened.labels["02"][1])[1]
    opened.labels["02"][1][opened.labels["02"][1] == lost] = 0
    (_, labels), (_, validation) = study.load_training_sides(opened, split, settings)
    assert not (labels[0] == UNKNOWN).any()
    assert (labels[1] == UNKNOWN).any()
    assert not (validation == UNKNOWN).any()
    _, plain = study.load_side(opened, split.train, settings)
    np.testing.assert_array_equal(np.where(labels == UNKNOWN, 0, labels), plain)
    off = settings | {"training.unknown": 0.0}
    np.testing.assert_array_equal(study.load_training_sides(opened, split, off)[0][1], plain)


def test_margin_in_which_no_cell_lies_wholly_is_unknown(load):
    profile, _ = load()
    opened = study.open_study(profile.path)
    opened.labels["01"][:3] = 0
    opened.labels["01"][0][9:30, 9:30] = 5  # reaches 29 px deep
    opened.labels["01"][1][:21, 30:40] = 6  # reaches 20 px deep
    split = Split("mine", [("01", 0)], [("01", 1), ("01", 2)], [])
    settings = profile.arms["gap_weighted"] | {"training.field": True}
    (_, training), (_, validation) = study.load_training_sides(opened, split, settings)
    inside = np.zeros((64, 64), bool)
    inside[20:44, 20:44] = True
    for labels, pairs in ((training, split.train), (validation, split.validation)):
        _, plain = study.load_side(opened, pairs, settings)
        np.testing.assert_array_equal(labels == UNKNOWN, ~inside & (plain == 0))
        np.testing.assert_array_equal(labels[labels != UNKNOWN], plain[labels != UNKNOWN])


def test_false_pixels_near_a_missed_cell_are_told_apart(load):
    profile, _ = load()
    opened = study.open_study(profile.path)
    labels = opened.labels["02"][1]
    found, areas = labels.copy(), np.bincount(labels.ravel())
    # The others are wider than the data's cells would be at this size.
    lost = np.where(areas, areas, areas.max()).argmin()
    labels[labels == lost] = 0
    truth = cell_counts.Truth(opened, Split("mine", [("01", 0)], [], [("02", 1)]))
    truth.margin = 0
    counts = truth.count("02", 1, found, found > 0)
    assert counts["foreground_fp"] == counts["fp"] == (found == lost).sum() > 0
    assert counts["known_fp"] == counts["foreground_fn"] == 0
    # What is false far from it stays false, and what is not found is missed.
    everywhere = np.ones_like(found, bool)
    counts = truth.count("02", 1, found, everywhere)
    assert 0 < counts["known_fp"] < counts["foreground_fp"] == (labels == 0).sum()
    counts = truth.count("02", 1, found, ~everywhere)
    assert counts["foreground_fn"] == (labels > 0).sum()


def test_cells_in_the_margin_are_left_out_of_every_count(load):
    profile, _ = load()
    opened = study.open_study(profile.path)
    opened.labels["01"][0], opened.labels["02"][1] = np.zeros((2, 64, 64))
    opened.labels["01"][0][9:30, 9:30] = 5  # reaches 29 px deep
    opened.labels["02"][1][25:30, 25:30] = 1
    truth = cell_counts.Truth(opened, Split("mine", [("01", 0)], [], [("02", 1)]))
    assert truth.margin == 29
    whole = truth.count("02", 1, opened.labels["02"][1], opened.labels["02"][1] > 0)
    found = opened.labels["02"][1].copy()
    found[:20, :20] = 3
    assert truth.count("02", 1, found, found > 0) == whole
    # Foreground that belongs to no cell stays.
    loose = found > 0
    loose[50, 50] = True
    assert truth.count("02", 1, found, loose)["foreground_fp"] == 1
    # A cell that reaches out of the margin stays, with all its pixels.
    found[31:, 31:34] = 2
    assert truth.count("02", 1, found, found > 0)["foreground_fp"] == 33 * 3


def test_no_cells_yet(load):
    profile, runs = load()
    with pytest.raises(StateError, match="no cells are scored"):
        cell_scores.read_counts(profile, runs)


def test_means_are_over_runs(tmp_path):
    pairs = [("01", 0), ("01", 1)]
    for number, value in enumerate((0, STEPS)):
        (tmp_path / str(number)).mkdir()
        maps = {"probability": np.full((2, 4, 4), value, np.uint8)}
        maps |= {"inside": np.full((2, 4, 4), STEPS, np.uint8)} if number else {}
        save_predictions(tmp_path / str(number) / "predictions.npz", pairs, maps)
    maps = cell_counts.mean_maps([tmp_path / "0", tmp_path / "1"], turned=False)
    assert list(maps) == pairs
    foreground, inside = maps["01", 1]
    assert (foreground == 0.5).all()
    assert (inside == 0.5).all()
    foreground, inside = cell_counts.mean_maps([tmp_path / "1"], turned=False)["01", 0]
    assert (foreground == 1).all()


def test_pooled_scores_are_those_of_all_cells_together():
    rows = []
    for frame, (jaccard, there, merged) in enumerate(
        [(2.0, 4, 1), (np.nan, np.nan, 0), (3.0, 3, 0)]
    ):
        values = {"gold_jaccard": jaccard, "gold_true_cells": there, "markers": 5}
        values |= {"merged": merged, "missed": 0, "spurious": 2}
        rows += [
            {"arm": "a", "fold": "last", "seed": "0", "video": "02", "frame": frame}
            | {"metric": metric, "value": value}
            for metric, value in values.items()
        ]
    table = summarise(pd.DataFrame(rows), block=1, resamples=50, names=["seg_gt", "det_gt"])
    seg, det = table.set_index("metric").loc[["seg_gt", "det_gt"]].to_dict("records")
    assert seg["mean"] == pytest.approx(5 / 7)
    assert (seg["n_frames"], det["n_frames"]) == (2, 3)
    assert det["mean"] == pytest.approx(1 - (5 + 6) / 150)
