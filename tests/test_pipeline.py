"""The whole main job once, as `make reproduce` runs it, on a small phantom."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import numpy as np
import pandas as pd
import pytest

from lib.evaluation import STEPS, frame_metrics
from lib.paths import OUTPUTS, ROOT
from lib.study import full_labels, open_study

PUBLISHED = ("none", "augmented", "none_matched")
TUNED = ("none_tuned", "augmented_tuned", "gap_weighted", "border", "aspp")
ARMS = PUBLISHED + TUNED
RUN_FILES = {
    "params.yaml",
    "history.csv",
    "metrics.csv",
    "provenance.json",
    "examples.npz",
    "predictions.npz",
    "model.keras",
    "notebook.ipynb",
}
PARAMS = """
inherits: smoke
data: {phantom_seed: 7}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Run the job with a params file of our own, and remove what it wrote."""
    folder = tmp_path_factory.mktemp("pipeline")
    params = folder / "pipeline_test.yaml"
    params.write_text(PARAMS)
    environment = os.environ | {"UNET_DIC_HELA_CACHE": str(folder / "cache")}

    def make(*words):
        # The environment that runs the tests runs the job.
        command = ["make", *words, f"PARAMS={params}", f"PYTHON={sys.executable}", "READY=Makefile"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    outputs = OUTPUTS / "pipeline_test"
    shutil.rmtree(outputs, ignore_errors=True)
    made = make("reproduce")
    assert made.returncode == 0, made.stdout + made.stderr
    yield make, params, outputs, made.stdout
    shutil.rmtree(outputs, ignore_errors=True)


def test_every_run_is_whole(study):
    _, _, outputs, _ = study
    for arm in ARMS:
        files = {path.name for path in (outputs / f"runs/{arm}/last/seed0").iterdir()}
        assert files == RUN_FILES
    for name in ("report.html", "provenance.json", "data.json", "splits/last.json", "truth.csv"):
        assert (outputs / name).stat().st_size > 0


def test_tables_have_the_columns_of_the_design(study):
    _, _, outputs, _ = study
    columns = {
        "metrics.csv": "arm,fold,seed,video,frame,metric,value",
        "summary.csv": "arm,fold,metric,mean,ci_low,ci_high,n_seeds,n_frames",
        "claims.csv": "id,published,reproduced,ci_low,ci_high,n_seeds,rule,verdict",
        "effects.csv": "id,what,arm,against,fold,metric,mean,ci_low,ci_high,n_seeds",
        "leakage.csv": "arm,n_seeds,metric,mean,ci_low,ci_high",
        "one_answer.csv": "arm,fold,seed,share,marked",
        "cells.csv": "arm,fold,metric,mean,ci_low,ci_high,n_seeds,n_frames",
        "cells_effects.csv": "id,what,arm,against,fold,metric,mean,ci_low,ci_high,n_seeds",
        "cells_methods.csv": "arm,method,seg_gt,lowest,highest,chosen",
        "cells_constants.csv": "arm,fold,seed,turned,method,threshold,marker,smallest,grow,split",
    }
    for name, expected in columns.items():
        assert (outputs / name).read_text().startswith(expected), name


def test_figures_and_notebooks_are_there(study):
    _, _, outputs, _ = study
    scores = ["scores_f1", "scores_mean_iou", "scores_iou_pooled", "scores_seg_st"]
    names = [*(f"figure{number}" for number in range(1, 9)), *scores, "effects", "mistakes"]
    for name in [*names, "ladder", "cells_effects", "cost", "figure7_cells", "strip"]:
        assert (outputs / f"figures/{name}.png").stat().st_size > 5000, name
    names = {path.stem for path in (outputs / "notebooks").glob("*.ipynb")}
    assert names == {
        "01_data",
        "02_augmentation",
        "03_weight_maps",
        "05_evaluation",
        "06_report",
    }


def test_effects_are_those_of_the_arms_that_were_run(study):
    _, _, outputs, _ = study
    effects = pd.read_csv(outputs / "effects.csv")
    assert set(effects.fold) == {"last"}
    assert set(effects.arm) | set(effects.against) <= set(ARMS)
    assert {"steps", "optimiser", "published_frames", "published_tuned"} == set(effects.id)
    assert (effects.ci_low <= effects["mean"]).all()
    assert (effects.ci_high >= effects["mean"]).all()
    # Without frames drawn at random and videos held out there is no leak to measure.
    assert pd.read_csv(outputs / "leakage.csv").empty


def test_no_cell_failed_and_no_path_of_the_machine_is_left(study):
    _, _, outputs, _ = study
    for path in outputs.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        outputs_of_cells = [out for cell in notebook.cells for out in cell.get("outputs", [])]
        assert not [out for out in outputs_of_cells if out.output_type == "error"], path
        assert str(ROOT) not in path.read_text(), path


def test_matched_arms_have_as_many_updates(study):
    _, _, outputs, _ = study
    updates = {
        arm: pd.read_csv(outputs / f"runs/{arm}/last/seed0/history.csv").updates.iloc[-1]
        for arm in ARMS
    }
    assert updates["none_matched"] == updates["augmented"]
    assert len({updates[arm] for arm in TUNED}) == 1
    assert updates["none"] < updates["augmented"]


def test_arms_take_the_rate_of_their_scan(study):
    _, _, outputs, _ = study
    scans = pd.read_csv(outputs / "scan.csv")
    for scanned, arms in (("augmented", PUBLISHED), ("augmented_tuned", TUNED)):
        trials = scans[scans.arm == scanned]
        chosen = trials.loc[trials.chosen, "learning_rate"].item()
        assert chosen == trials.loc[trials.val_loss.idxmin(), "learning_rate"]
        for arm in arms:
            record = json.loads((outputs / f"runs/{arm}/last/seed0/provenance.json").read_text())
            assert record["learning_rate"] == chosen


def test_weighted_loss_is_in_the_history_of_its_arm_alone(study):
    _, _, outputs, _ = study
    for arm in ARMS:
        history = pd.read_csv(outputs / f"runs/{arm}/last/seed0/history.csv")
        assert ("val_weighted_loss" in history) == (arm == "gap_weighted")


def test_every_prediction_of_the_validation_and_test_side_is_kept(study):
    _, _, outputs, _ = study
    split = json.loads((outputs / "splits/last.json").read_text())
    sides = {arm: [*split["validation"], *split["test"]] for arm in ARMS}
    sides["scan_augmented_1e-03"] = split["validation"]
    for arm, pairs in sides.items():
        with np.load(outputs / f"runs/{arm}/last/seed0/predictions.npz") as kept:
            found = list(zip(kept["video"].tolist(), kept["frame"].tolist(), strict=True))
            assert found == [tuple(pair) for pair in pairs]
            assert kept["probability"].shape == (len(pairs), 64, 64)
            assert kept["probability"].max() <= kept["steps"] == STEPS


def test_scores_follow_from_the_predictions_that_are_kept(study, monkeypatch):
    _, params, outputs, _ = study
    monkeypatch.setenv("UNET_DIC_HELA_CACHE", str(params.parent / "cache"))
    opened = open_study(params)
    threshold = opened.profile.settings["evaluation.threshold"]
    for arm in ("augmented_tuned", "gap_weighted"):
        folder = outputs / f"runs/{arm}/last/seed0"
        scored = pd.read_csv(folder / "metrics.csv", dtype={"video": str})
        pairs = list(scored.groupby(["video", "frame"], sort=False).groups)
        with np.load(folder / "predictions.npz") as kept:
            probabilities = kept["probability"][-len(pairs) :]
        again = frame_metrics(pairs, full_labels(opened, pairs), probabilities, threshold)
        pd.testing.assert_series_equal(again.value, scored.value)


def test_trials_of_the_scan_never_see_test_frames(study):
    _, _, outputs, _ = study
    test = {tuple(pair) for pair in json.loads((outputs / "splits/last.json").read_text())["test"]}
    for path in outputs.glob("runs/scan_*/last/seed0/metrics.csv"):
        scored = pd.read_csv(path, dtype={"video": str})
        assert not test & set(zip(scored.video, scored.frame, strict=True))
    assert not pd.read_csv(outputs / "metrics.csv").arm.str.startswith("scan").any()


def test_phantom_is_named_and_judged_on_nothing(study):
    _, _, outputs, _ = study
    page = (outputs / "report.html").read_text()
    assert "Not the original data" in page
    claims = pd.read_csv(outputs / "claims.csv", index_col="id")
    scores = claims[~claims.rule.str.startswith("equals")]
    assert len(scores) > 10
    assert (scores.verdict == "not tested on the original data").all()


def test_progress_names_run_epoch_loss_and_time_left(study):
    _, _, _, said = study
    assert "augmented_tuned/last/seed0] epoch 1  update" in said
    assert "min left at most" in said


def test_done_again_does_nothing_and_says_so(study):
    make, _, outputs, _ = study
    before = {path: path.stat().st_mtime_ns for path in (outputs / "runs").rglob("*")}
    started = time.monotonic()
    again = make("reproduce")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout
    assert time.monotonic() - started < 15
    assert {path: path.stat().st_mtime_ns for path in (outputs / "runs").rglob("*")} == before


def test_changed_arm_alone_is_planned_again(study):
    _, params, outputs, _ = study
    params.write_text(PARAMS + "arms:\n  augmented: {augmentation.copies: 2}\n")
    plan = [sys.executable, "-m", "lib.run", "plan", str(params)]
    environment = os.environ | {"UNET_DIC_HELA_CACHE": str(params.parent / "cache")}
    subprocess.run(plan, cwd=ROOT, env=environment, check=True, capture_output=True)
    planned = (outputs / "plan.mk").read_text().splitlines()[0].split()[1:]
    params.write_text(PARAMS)
    arms = {name.split("/")[0] for name in planned if "/" in name}
    assert not arms & set(TUNED)
    assert {"augmented", "none_matched"} <= arms
    assert {"05_evaluation", "06_report"} <= set(planned)
    assert not {"01_data", "02_augmentation", "03_weight_maps"} & set(planned)


def test_bad_params_stop_before_anything_is_computed(study):
    make, params, outputs, _ = study
    params.write_text(PARAMS + "image: {siez: 64}\n")
    refused = make("reproduce")
    params.write_text(PARAMS)
    assert refused.returncode != 0
    assert "pipeline_test.yaml: image.siez: unknown key" in refused.stderr
    assert "did you mean image.size?" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (outputs / "report.html").exists()


def test_results_come_out_again_without_networks_and_nothing_is_changed(study):
    make, _, outputs, _ = study
    for path in outputs.rglob("model.keras"):
        path.unlink()
    before = {path: path.read_bytes() for path in outputs.rglob("*") if path.is_file()}
    verified = make("verify")
    assert verified.returncode == 0, verified.stderr
    assert "the report come out again" in verified.stdout
    assert {path: path.read_bytes() for path in outputs.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "where"),
    [
        (
            "runs/none/last/seed0/metrics.csv",
            "row 1 (arm none, fold last, seed 0, video 02, frame 7, metric ",
        ),
        ("runs/none/last/seed0/history.csv", "is not the file that was written"),
        ("summary.csv", "row 1 (arm none, fold last, metric "),
    ],
)
def test_changed_digit_is_found_and_its_file_named(study, name, where):
    make, _, outputs, _ = study
    before = (outputs / name).read_text()
    head, first, rest = before.split("\n", 2)
    changed = re.sub(r"\d$", lambda digit: str((int(digit[0]) + 1) % 10), first)
    (outputs / name).write_text("\n".join([head, changed, rest]))
    refused = make("verify")
    (outputs / name).write_text(before)
    assert refused.returncode != 0
    assert f"error: {outputs.relative_to(ROOT)}/{name}: {where}" in refused.stderr
    assert "Traceback" not in refused.stderr
