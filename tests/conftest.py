"""A study of invented runs whose numbers are known, without training anything."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lib.data.files import write_json, write_table
from lib.scoring import claims
from lib.scoring.pixels import scores
from lib.study import params, provenance, runs, tables

RECORD = {"name": "made", "source": "folder", "label": "made", "digests": {}, "known": True}
TEXT = """
inherits: smoke
evaluation: {resamples: 100, block: 2}
grid: {arms: [none, none_tuned], seeds: {last: 2, 01to02: 2, 02to01: 2}}
arms:
  none: {grid.seeds: {last: 2, 01to02: 2, 02to01: 2, random: 1}}
  faster: {inherits: none, group: scan, training.learning_rate: 1.0e-2, grid.seeds: {last: 1}}
"""
FRAMES = {
    "last": [("02", 8), ("02", 9), ("02", 10), ("02", 11)],
    "01to02": [("02", 0), ("02", 1), ("02", 2), ("02", 3)],
    "02to01": [("01", 0), ("01", 1), ("01", 2), ("01", 3)],
    "random": [("01", 1), ("01", 5), ("02", 2), ("02", 7)],
}
# Wrong pixels of each kind among the 60 of cells and 40 of background: F1 is 1 - wrong / 60.
WRONG = {("none", 0): 6, ("none", 1): 12, ("none_tuned", 0): 3, ("none_tuned", 1): 3}
STATED = [{"id": "recipe", "what": "the tuned recipe", "arm": "none_tuned", "against": "none"}]
METHODS = ("components", "divided")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


def counts(wrong):
    return {"tp": 60 - wrong, "fp": wrong, "fn": wrong, "tn": 40 - wrong}


def metrics_of(wrong, fold):
    rows = [{"video": video, "frame": frame} | counts(wrong) for video, frame in FRAMES[fold]]
    return pd.DataFrame([row | scores(row) | {"seg_st": 0.5} for row in rows])


def cells_of(jaccard, pairs, **keys):
    """Counts of two true cells a frame of which one is merged; SEG is the half of `jaccard`."""
    row = {"gold_jaccard": jaccard, "gold_true_cells": 2, "silver_jaccard": jaccard}
    row |= {"silver_true_cells": 2, "markers": 2, "merged": 1, "missed": 0, "spurious": 0}
    row |= {"count_error": -1, "splits": 0, "merges": 1} | counts(6)
    row |= {"foreground_tp": 54, "foreground_fp": 6, "foreground_fn": 6, "known_fp": 3}
    return [keys | {"video": video, "frame": frame} | row for video, frame in pairs]


def write_cells(folder, fold, jaccard, *, turns):
    rows, left = [], {}
    for turned in (False, True)[: 1 + turns]:
        for place, method in enumerate(METHODS):
            keys = {"turned": turned, "method": method, "chosen": bool(place)}
            rows += cells_of(jaccard + 0.2 * turned - 0.4 * (not place), FRAMES[fold], **keys)
        constants = {method: {"threshold": 0.5, "smallest": 0} for method in METHODS}
        seg = dict.fromkeys(METHODS, 0.75)
        left[str(turned)] = {"constants": constants, "validation_seg": seg, "margin": 5}
    write_table(folder / "cells.csv", pd.DataFrame(rows))
    write_json(folder / "cells.json", left)


def finish(run, profile):
    """Write what a finished run leaves."""
    folder, turns = run.folder(profile.outputs), run.settings.evaluation.turns
    wrong = WRONG.get((run.arm, run.seed), 6)
    folder.mkdir(parents=True)
    write_cells(folder, run.fold, 1.6 if run.seed == "seeds" else 1.2, turns=turns)
    if run.seed == "seeds":
        write_json(folder / "provenance.json", record_of(folder, runs.ENSEMBLE_FILES))
        return
    (folder / "params.yaml").write_text(f"arm: {run.arm}\n")
    history = {"epoch": [1, 2], "updates": [4, 8], "loss": [0.7, 0.6], "seconds": [30.0, 90.0]}
    # The faster rate ends lower, and the loss on the way is what counts.
    history["val_batch_f1"] = [0.5, 0.6]
    history["val_loss"] = [0.1, 0.4] if run.arm == "faster" else [0.2, 0.1 + 0.01 * wrong]
    write_table(folder / "history.csv", pd.DataFrame(history))
    write_table(folder / "metrics.csv", metrics_of(wrong, run.fold))
    arrays = {"role": ["first", "spread0"], "video": ["02", "02"], "frame": [8, 9]}
    arrays |= {"probability": np.uint8([[[31, 0]]] * 2), "cells": np.uint16([[[1, 0]]] * 2)}
    np.savez(folder / "examples.npz", **arrays)
    left = {"status": "completed", "best_epoch": 1, "parameters": 99, "accelerators": []}
    left |= {"hardware": {"processor": "a processor"}, "commit": "abc", "dirty": False}
    # The second run without the tuned recipe answers the same everywhere.
    left |= {"one_answer": 0.99 if wrong == 12 else 0.5, "marked": 0.6}
    write_json(folder / "provenance.json", left | record_of(folder, runs.RUN_FILES))


def record_of(folder, names):
    return {"files": provenance.file_digests(folder, names)}


def write_references(outputs):
    """A baseline with pixel scores and cells, and a ceiling with cells alone."""
    rows = []
    for fold in FRAMES:
        pixels = metrics_of(30, fold).to_dict("records")
        rows += [{"fold": fold, "arm": "all_foreground"} | row for row in pixels]
        rows += cells_of(2, FRAMES[fold], fold=fold, arm="silver_truth")
    write_table(outputs / "references.csv", pd.DataFrame(rows))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The folder of a study of which everything is done."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "made.yaml").write_text(TEXT)
    with pytest.MonkeyPatch.context() as patch:
        profile = _opened(folder, patch)
        profile.outputs.mkdir(parents=True)
        (profile.outputs / "data.json").write_text(json.dumps(RECORD))
        for run in runs.plan(profile, RECORD):
            finish(run, profile)
        write_references(profile.outputs)
        frames = {"video": ["02"], "frame": [8]}
        frames |= {"image": np.uint8([[[7, 9]]]), "labels": np.uint16([[[1, 0]]])}
        np.savez(profile.outputs / "frames.npz", **frames)
        tables.write_tables(profile)
    return folder


@pytest.fixture
def profile(made, tmp_path, monkeypatch):
    """The profile of such a study, in a folder of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return _opened(tmp_path, monkeypatch)


def _opened(folder, patch):
    patch.setattr(params, "OUTPUTS", folder / "outputs")
    said = claims.read_claims() | {"effects": STATED, "metrics": ["f1_pooled"]}
    patch.setattr(claims, "read_claims", lambda: said)
    return params.load(folder / "made.yaml")
