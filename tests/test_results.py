"""The tables of a profile's runs, and the sentences that are made from tables."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from lib import effect_findings, evaluation, findings, params, plan, recipe_findings, results
from lib.evaluation import save_examples
from lib.files import StateError

RECORD = {"digests": {}, "frames": {"01": 12, "02": 12}}
NAN = float("nan")
COLUMNS = ["arm", "fold", "seed", "video", "frame", "metric", "value"]


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A profile of three arms and two scans; what it computes goes below tmp_path."""
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    path = tmp_path / "mine.yaml"
    path.write_text("inherits: smoke\ngrid: {arms: [none, none_tuned, augmented_tuned]}\n")
    return params.load(path)


@pytest.fixture
def runs(profile):
    return plan.plan(profile, RECORD)


def finish(profile, runs, name, status="completed", f1=0.5):
    """Write what a finished run leaves, without training anything."""
    run = next(run for run in runs if run.name == name)
    folder = run.folder(profile.outputs)
    folder.mkdir(parents=True)
    for file in plan.RUN_FILES:
        (folder / file).touch()
    record = {"fingerprint": run.fingerprint, "status": status, "learning_rate": 0.01}
    record |= {"best_epoch": 1, "parameters": 99, "commit": "abc", "dirty": False}
    record["hardware"] = {"processor": "a processor"}
    (folder / "provenance.json").write_text(json.dumps(record))
    history = pd.DataFrame({"epoch": [1, 2], "updates": [4, 8], "loss": [0.7, 0.6]})
    history.assign(seconds=[30, 60]).to_csv(folder / "history.csv", index=False)
    rows = [(run.arm, run.fold, run.seed, "02", 7, "f1", f1)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "metrics.csv", index=False)


def test_every_planned_run_is_listed_with_what_became_of_it(profile, runs):
    finish(profile, runs, "none/last/seed0")
    finish(profile, runs, "none_tuned/last/seed0", status="diverged")
    failed = plan.begin(plan.find(runs, "augmented_tuned", "last", 0), profile.outputs)
    (failed / "error.txt").write_text("ValueError: no\n")
    table = results.run_table(profile, runs).set_index("arm")
    assert table.status.to_dict() == {
        "scan_augmented_1e-03": "not run",
        "scan_augmented_1e-02": "not run",
        "none": "completed",
        "scan_augmented_tuned_3e-03": "not run",
        "none_tuned": "diverged",
        "augmented_tuned": "failed",
    }
    assert table.error["augmented_tuned"] == "ValueError: no"
    assert table.side.to_dict() == {run.arm: run.side for run in runs}
    numbers = ["learning_rate", "updates", "epochs", "best_epoch", "parameters", "minutes"]
    assert table.loc["none", numbers].tolist() == [0.01, 8, 2, 1, 99, 1.5]
    assert table.loc["augmented_tuned", numbers].isna().all()


def test_metrics_are_those_of_finished_test_runs_and_baselines(profile, runs):
    finish(profile, runs, "none/last/seed0", f1=0.25)
    finish(profile, runs, "scan_augmented_1e-03/last/seed0")
    unfinished = runs[-1].folder(profile.outputs)
    unfinished.mkdir(parents=True)
    (unfinished / "metrics.csv").write_text("not,whole\n")
    baseline = [("all_foreground", "last", 0, "02", 7, "f1", 0.75)]
    pd.DataFrame(baseline, columns=COLUMNS).to_csv(profile.outputs / "baselines.csv", index=False)
    table = results.read_metrics(profile, runs)
    assert table.columns.tolist() == COLUMNS
    assert table.set_index("arm").value.to_dict() == {"none": 0.25, "all_foreground": 0.75}
    assert set(table.video) == {"02"}


def finish_trial(profile, runs, name, val_loss):
    """Write what a trial leaves that ended with this validation loss."""
    finish(profile, runs, f"{name}/last/seed0")
    path = plan.find(runs, name, "last", 0).folder(profile.outputs) / "history.csv"
    pd.read_csv(path).assign(val_loss=val_loss).to_csv(path, index=False)


def test_scans_of_all_arms_in_one_table(profile, runs):
    for name, val_loss in (
        ("scan_augmented_1e-03", 0.6),
        ("scan_augmented_1e-02", 0.5),
        ("scan_augmented_tuned_3e-03", 0.4),
    ):
        finish_trial(profile, runs, name, val_loss)
    table = results.scan_tables(profile, runs)
    assert table.arm.tolist() == ["augmented", "augmented", "augmented_tuned"]
    assert table.learning_rate.tolist() == [1e-3, 1e-2, 3e-3]
    # Each arm has a rate of its own.
    assert table.chosen.tolist() == [False, True, True]
    assert set(table.fold) == {"last"}


def test_scan_that_is_not_done_is_left_out(profile, runs):
    finish_trial(profile, runs, "scan_augmented_1e-03", 0.6)
    finish_trial(profile, runs, "scan_augmented_tuned_3e-03", 0.4)
    assert results.scan_tables(profile, runs).arm.tolist() == ["augmented_tuned"]


def test_no_scan_has_the_columns_of_one(profile, runs):
    for name in ("scan_augmented_1e-03", "scan_augmented_1e-02", "scan_augmented_tuned_3e-03"):
        finish_trial(profile, runs, name, 0.6)
    given = [plan.find(runs, "none", "last", 0)]
    given[0].settings["training.learning_rate"] = 0.01
    nothing = results.scan_tables(profile, given)
    assert nothing.empty
    assert list(nothing) == list(results.scan_tables(profile, runs))


def set_folds(profile, folds):
    for settings in (profile.settings, *profile.arms.values()):
        settings["grid.folds"] = folds
    return folds


@pytest.mark.parametrize(
    ("folds", "headline"),
    [
        (["last"], ("last", ["last"])),
        (["random", "last"], ("random", ["random"])),
        (["last", "01to02", "02to01", "random"], ("video", ["01to02", "02to01"])),
        (["02to01", "01to02"], ("video", ["02to01", "01to02"])),
        (["last", "01to02"], ("last", ["last"])),
        (["01to02", "last"], ("01to02", ["01to02"])),
    ],
)
def test_arms_are_compared_on_both_videos_held_out_or_on_the_first_fold(profile, folds, headline):
    set_folds(profile, folds)
    assert results.headline_folds(profile) == headline


def test_folds_that_no_arm_is_run_on_are_left_out(profile):
    set_folds(profile, ["01to02", "02to01"])
    profile.settings["grid.folds"] = ["last", "02to01", "random"]
    assert results.used_folds(profile) == ["02to01"]
    assert results.headline_folds(profile) == ("02to01", ["02to01"])


def keep_examples(profile, run, value, roles):
    """Write examples of one pixel with that probability in the folder of a run."""
    pixels = [np.full((len(roles), 1, 1), number) for number in (0.0, 1.0, value)]
    path = run.folder(profile.outputs) / "examples.npz"
    save_examples(path, roles, [("02", number) for number in range(len(roles))], *pixels)


def test_nothing_is_compared_before_an_arm_was_run_on_every_fold(profile, runs):
    folds = set_folds(profile, ["01to02", "02to01"])
    runs = [dataclasses.replace(run, fold=fold) for run in runs for fold in folds]
    for name in ("none/01to02/seed0", "none_tuned/02to01/seed0"):
        finish(profile, runs, name)
        with pytest.raises(StateError, match="no arm has a finished run on 01to02 and on 02to01"):
            results.check_compared(profile, runs)
    finish(profile, runs, "none/02to01/seed0")
    results.check_compared(profile, runs)


def test_examples_are_those_of_finished_test_runs_that_have_the_role(profile, runs):
    for name in ("none", "none_tuned", "scan_augmented_1e-03"):
        finish(profile, runs, f"{name}/last/seed0")
    none, tuned, unfinished, trial = (
        plan.find(runs, name, "last", 0)
        for name in ("none", "none_tuned", "augmented_tuned", "scan_augmented_1e-03")
    )
    unfinished.folder(profile.outputs).mkdir(parents=True)
    keep_examples(profile, none, 0.25, ["spread0", "spread1", "worst", "best"])
    keep_examples(profile, tuned, 0.75, ["spread0", "spread1"])
    keep_examples(profile, unfinished, 0.5, ["spread0", "worst"])
    keep_examples(profile, trial, 0.5, ["spread0", "worst"])
    middle = results.read_examples(profile, runs, "last")
    assert {arm: one["probability"].item() for arm, one in middle.items()} == {
        "none": 0.25,
        "none_tuned": 0.75,
    }
    assert {one["role"] for one in middle.values()} == {"spread1"}
    worst = results.read_examples(profile, runs, "last", "worst")
    assert {arm: int(one["frame"]) for arm, one in worst.items()} == {"none": 2}
    assert results.read_examples(profile, runs, "random") == {}


def test_examples_are_those_of_seed_0(profile):
    profile.settings["grid.seeds"] = 2
    runs = plan.plan(profile, RECORD)
    for seed, value in ((0, 0.25), (1, 0.75)):
        finish(profile, runs, f"none/last/seed{seed}")
        keep_examples(profile, plan.find(runs, "none", "last", seed), value, ["spread0"])
    (example,) = results.read_examples(profile, runs, "last").values()
    assert example["probability"].item() == 0.25


def test_metrics_without_baselines(profile, runs):
    finish(profile, runs, "none/last/seed0")
    with pytest.raises(StateError, match=r"baselines\.csv: cannot be read"):
        results.read_metrics(profile, runs)


def test_histories_of_finished_runs(profile, runs):
    finish(profile, runs, "none/last/seed0")
    table = results.read_histories(profile, runs)
    assert table[["arm", "fold", "seed"]].drop_duplicates().values.tolist() == [["none", "last", 0]]
    assert table.updates.tolist() == [4, 8]


def test_histories_where_nothing_is_finished(profile, runs):
    with pytest.raises(StateError, match="no run is finished"):
        results.read_histories(profile, runs)


# Sentences ----------------------------------------------------------------------------------


def run_rows(*status):
    rows = [
        {"arm": "none", "fold": "last", "seed": seed, "side": "test", "status": word}
        | {"commit": "a" * 40}
        for seed, word in enumerate(status)
    ]
    return pd.DataFrame(rows)


def test_data_sentence_names_the_images_and_the_runs_that_are_missing(profile):
    record = {"source": "folder", "label": "HeLa, the real images"}
    sentence = findings.data_sentence(profile, record, run_rows("completed", "completed"))
    assert sentence.startswith("Images: HeLa, the real images. Profile mine: 64 px, 4 filters")
    assert "single runs" in sentence
    assert "Not completed" not in sentence
    sentence = findings.data_sentence(profile, record, run_rows("completed", "diverged", "not run"))
    assert "Not completed: none/last/seed1 diverged." in sentence
    assert "Unfinished: 1 of 3 planned runs" in sentence
    assert "0 of the 1 combinations of arm and fold with one run only" in sentence


def test_data_sentence_says_first_that_the_images_are_procedural(profile):
    record = {"source": "phantom", "label": "phantom, seed 1"}
    sentence = findings.data_sentence(profile, record, run_rows("completed"))
    assert sentence.startswith("Not the original data: ")
    assert "phantom, seed 1" in sentence


def test_data_sentence_counts_the_seeds(profile):
    profile.settings["grid.seeds"] = 3
    record = {"source": "folder", "label": "HeLa"}
    sentence = findings.data_sentence(profile, record, run_rows("completed"))
    assert "3 seeds an arm." in sentence
    assert "single runs" not in sentence


def test_verdicts_are_counted():
    kinds = ["difference", "score", "difference", "difference", "difference"]
    verdicts = pd.DataFrame({"kind": kinds, "verdict": "reproduced", "ci_high": 0.2})
    verdicts = verdicts.assign(published=[0.1, 0.9, 0.3, NAN, 0.4])
    verdicts.loc[0, "verdict"] = "partly"
    assert findings.verdict_sentence(verdicts) == (
        "5 statements of the report or about it, some of them one claim at several learning rates "
        "or lengths: 4 on differences (1 partly, 2 reproduced in sign, 1 supported); 1 on scores "
        "(1 reproduced)."
    )


def test_answer_is_made_of_the_differences_that_were_measured():
    folds = ["01to02", "02to01"]
    table = effects(
        ("published_tuned", "video", "f1_pooled", *UP, 2),
        ("published_tuned", "last", "f1_pooled", *DOWN, 2),
        ("published_tuned", "video", "seg_st", *UNSURE, 2),
        ("copies_3", "last", "f1_pooled", *UNSURE, 1),
        ("copies_3", "last", "f1", *UP, 1),
        ("own_epochs_3", "last", "f1_pooled", *UP, 3),
        ("unheard of", "video", "f1_pooled", *UP, 3),
    )
    seg = effects(("published_tuned", "video", "seg_gt", *DOWN, 2))
    tuned = fold_summary("video", 1, none_tuned=0.8).replace("iou_pooled", "f1_pooled")
    runs = pd.DataFrame({"arm": ["a", "a", "b"], "updates": [50, 70, 40]})
    runs = runs.assign(side="test", fold="last")
    shares = pd.DataFrame({"arm": ["a", "b"], "fold": "last", "share": [0.99, 0.98]})
    told = (tuned, table, seg, runs, shares, "last", "video", folds)
    assert effect_findings.answer_sentences(*told).splitlines() == [
        "With as many updates or the same stopping rule on both sides the published augmentation "
        "raises test F1 in 1 of 2 comparisons. A difference is undecided where its interval holds "
        "zero.",
        "    - copies_3: test F1 +0.050 (−0.010 to +0.110), undecided; fold last, a single run "
        "each; most runs of both give almost one answer whatever the image shows.",
        "    - published_tuned: test F1 +0.200 (+0.100 to +0.300), higher, SEG −0.200 (−0.300 to "
        "−0.100), lower, uncut +0.050 (−0.010 to +0.110), undecided; the mean of both videos held "
        "out, 2 runs each.",
        "    - Without any augmentation the tuned recipe scores test F1 0.800 (0.700 to 0.900), "
        "the mean of both videos held out.",
        "    - Not at like length, with 1.5 times as many updates: own_epochs_3: test F1 +0.200 "
        "(+0.100 to +0.300), higher; fold last, 3 runs each; most runs of both give almost one "
        "answer whatever the image shows.",
    ]
    opposite = effects(
        ("published_tuned", "01to02", "f1_pooled", *UP, 2),
        ("published_tuned", "02to01", "f1_pooled", *DOWN, 2),
    )
    both = pd.concat([table, opposite])
    lines = effect_findings.answer_sentences(tuned, both, *told[2:]).splitlines()
    assert "F1 in 0 of 2 comparisons." in lines[0]
    assert "the mean decides nothing. In test F1: published_tuned (01to02 +0.200" in lines[-1]
    assert effect_findings.answer_sentences(tuned, table[6:], *told[2:]) == ""
    seeing = shares.assign(share=[0.99, 0.3])
    lines = effect_findings.answer_sentences(*told[:4], seeing, *told[5:])
    assert "whatever the image shows" not in lines
    # The recipe on both videos held out.
    both = effects(
        ("published_tuned", "video", "f1_pooled", *UP, 2),
        ("own_epochs_3", "video", "f1_pooled", *UP, 2),
    )
    runs = pd.concat([runs.assign(fold=fold) for fold in folds])
    lines = effect_findings.answer_sentences(tuned, both, seg, runs, shares, *told[5:])
    assert "with 1.5 times as many updates: own_epochs_3" in lines


def test_changes_are_told_in_pixels_and_in_cells():
    table = effects(("that", "video", "f1_pooled", *UNSURE, 2), ("that", "last", "f1", *UP, 2))
    seg = effects(("that", "video", "seg_gt", *UP, 2))
    assert effect_findings.changes_sentence(table, seg, ["this", "that"], "video", []) == (
        "that: test F1 +0.050 (−0.010 to +0.110), undecided, SEG +0.200 (+0.100 to +0.300), "
        "higher. The mean of both videos held out, 2 runs of each arm."
    )
    assert effect_findings.changes_sentence(table, seg, ["this"], "video", []) == ""


def test_merges_and_splits_are_told_of_every_difference():
    table = effects(
        ("this", "video", "merges", *DOWN, 3),
        ("this", "video", "splits", *UNSURE, 3),
        ("this", "last", "splits", *UP, 3),
        ("this", "video", "seg_gt", *UP, 3),
        ("that", "video", "merges", *UP, 3),
    )
    assert effect_findings.errors_sentence(table, ["this"], "video") == (
        "In a frame, this: merges −0.200 (−0.300 to −0.100), lower, splits +0.050 (−0.010 to "
        "+0.110), undecided."
    )
    assert effect_findings.errors_sentence(table, ["else"], "video") == ""


def test_published_recipe_is_set_beside_what_looks_at_nothing():
    means = {"none": 0.6, "repeated": 0.7, "all_foreground": 0.65, "local_variance": 0.8}
    others = {"aspp": 0.9, "augmented_1e-3": 0.95}
    table = fold_summary("last", 1, **means, **others).replace("iou_pooled", "f1_pooled")
    assert recipe_findings.blind_sentence(table, "last") == (
        "On fold last the arms of the published recipe at the learning rate of the scan score F1 "
        "0.600 to 0.700. Marking every pixel as cell scores 0.650, a threshold on how rough the "
        "image is 0.800."
    )
    assert recipe_findings.blind_sentence(table[table.arm == "aspp"], "last") == ""


def test_guess_that_has_the_published_score():
    # Half of the pixels are cell: marking all scores 2/3, and marking a half scores a half.
    table = fold_summary("last", 1, all_foreground=2 / 3).replace("iou_pooled", "f1_pooled")
    published = pd.DataFrame({"id": ["f1_none", "iou_none"], "value": [0.5, 0.3]})
    assert recipe_findings.chance_sentence(table, published, "last") == (
        "The published scores without augmentation, F1 0.5 and mean IoU 0.3, are about those of a "
        "guess: marking 50% of the pixels of the test frames of fold last at random scores F1 0.5 "
        "and mean IoU 0.333."
    )
    assert recipe_findings.chance_sentence(table, published.assign(value=0.7), "last") == ""


def test_length_is_set_beside_that_of_the_published_run():
    columns = {"arm": "augmented", "seed": 0, "epoch": [1, 2], "updates": [100, 200]}
    histories = pd.DataFrame(columns)
    size = {"image.size": 64, "model.filters": 4}
    sentence = recipe_findings.length_sentence(histories, size, {"augmented": 50}, 16)
    assert "had 2 epochs or 200 updates, 25% of those of the published run (16 epochs)" in sentence
    assert "64 px, 4 filters" in sentence
    ends = {"seed": [0, 1], "epoch": [4, 8], "updates": [300, 600]}
    full = pd.DataFrame({"arm": "augmented_full"} | ends)
    assert recipe_findings.length_sentence(
        pd.concat([histories, full]), size, {"augmented": 50}, 16
    ) == sentence + (
        " What comes later is shown by augmented_full with 4 to 8 epochs or 38% to 75% of the "
        "updates."
    )
    assert recipe_findings.length_sentence(histories[:0], size, {"augmented": 50}, 16) == ""


def test_code_sentence_names_the_commits():
    runs = run_rows("completed", "diverged", "failed", "not run")
    runs = runs.assign(dirty=[True, False, None, None])
    runs.loc[1:, "commit"] = ["b" * 40, None, None]
    assert findings.code_sentence(runs) == (
        "The 2 finished runs come from 2 commits, 1 of them with uncommitted changes; runs.csv "
        "names that of each."
    )
    clean = findings.code_sentence(runs.assign(dirty=[False, False, None, None]))
    assert "2 commits, all without uncommitted changes;" in clean
    nowhere = runs.assign(commit=None, dirty=None)
    assert findings.code_sentence(nowhere) == "The runs were not made in a repository."


def test_scan_sentence_reads_the_chosen_trial():
    trials = pd.DataFrame(
        {
            "learning_rate": [1e-3, 1e-2, 1e-1],
            "updates": 400,
            "loss": [0.69, 0.612, NAN],
            "val_loss": [0.70, 0.634, NAN],
            "diverged": [False, False, True],
            "left_plateau": [False, True, False],
            "chosen": [False, True, False],
        }
    )
    sentence = recipe_findings.scan_sentence(trials)
    for words in ("uses 0.01,", "0.634", "400 updates", "0.612", "1 of 3 rates left", "1 diverged"):
        assert words in sentence
    other = trials.assign(chosen=[True, False, False], left_plateau=False, diverged=False)
    sentence = recipe_findings.scan_sentence(other)
    for words in ("uses 0.001,", "0.700", "0.690", "none of 3 rates left", "none diverged"):
        assert words in sentence


def test_scan_sentence_without_a_scan_or_a_usable_rate():
    none = pd.DataFrame({"learning_rate": [], "chosen": []})
    assert "No learning rate was searched for" in recipe_findings.scan_sentence(none)
    lost = {"learning_rate": [1.0], "updates": 6, "diverged": True}
    lost = pd.DataFrame(lost | {"left_plateau": False, "chosen": False})
    assert "None can be used" in recipe_findings.scan_sentence(lost)


def test_truth_sentence_counts_the_test_frames_alone():
    rows = [
        ("01", 0, 9, 9, 1, 9, 0, 9),
        ("02", 0, 5, 1, 90, 10, 0, 60),
        ("02", 1, 4, 1, 90, 10, 0, 60),
    ]
    columns = ["video", "frame", "cells", "missed", "tp", "fp", "fn", "tn"]
    truth = pd.DataFrame(rows, columns=columns)
    sentence = findings.truth_sentence(truth, [("02", 0), ("02", 1)])
    assert "Of the 9 cells that are marked in the 2 test frames" in sentence
    assert "misses 2." in sentence
    # F1 = 180 / 190; mean IoU = (.9 + 60 / 70) / 2
    assert "F1 0.947 and mean IoU 0.879" in sentence
    assert "no markers" in findings.truth_sentence(truth, [("03", 0)])
    whole = findings.truth_sentence(truth.assign(missed=0), [("02", 0), ("02", 1)])
    assert "has all 9 cells" in whole
    assert "ceiling" not in whole


EFFECTS = ["what", "arm", "against", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds"]
UP, DOWN, UNSURE = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.05, -0.01, 0.11)


def effects(*rows):
    """Effects of arm a against b: what, fold, metric, mean and interval, seeds."""
    rows = [(what, "a", "b", fold, *rest) for what, fold, *rest in rows]
    table = pd.DataFrame(rows, columns=EFFECTS)
    return table.assign(id=table.what)


def test_effect_sentences_sort_by_what_the_interval_says():
    table = effects(
        ("this", "video", "f1_pooled", *UP, 3),
        ("that", "video", "f1_pooled", *UNSURE, 2),
        ("more", "video", "f1_pooled", *UP, 3),
        ("less", "video", "f1_pooled", *DOWN, 3),
        ("not run", "video", "f1_pooled", NAN, NAN, NAN, 0),
        ("this", "video", "seg_st", *DOWN, 1),
        ("this", "01to02", "f1_pooled", *DOWN, 1),
    )
    assert effect_findings.effect_sentences(table, "video", "f1_pooled", "F1").splitlines() == [
        "On the mean of both videos held out, from 2 to 3 runs of each arm:",
        "",
        "- Raised test F1: this +0.200 (+0.100 to +0.300); more +0.200 (+0.100 to +0.300).",
        "- Lowered test F1: less −0.200 (−0.300 to −0.100).",
        "- Undecided, the interval holds zero: that +0.050 (−0.010 to +0.110).",
    ]
    single = effect_findings.effect_sentences(table, "01to02", "f1_pooled", "F1").splitlines()
    assert single[0] == "On fold 01to02, from one run of each arm:"
    assert len(single) == 3


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 0.2, "Undecided"),
        (-0.2, 0.0, "Undecided"),
        (0.001, 0.2, "Raised"),
        (-0.2, -0.001, "Lowered"),
    ],
)
def test_effect_whose_interval_ends_at_zero_is_undecided(low, high, words):
    table = effects(("this", "last", "seg_st", (low + high) / 2, low, high, 1))
    (item,) = effect_findings.effect_sentences(table, "last", "seg_st", "SEG").splitlines()[2:]
    assert item.startswith(f"- {words}")


def test_effect_sentences_where_none_was_measured():
    table = effects(("this", "last", "f1_pooled", NAN, NAN, NAN, 1))
    for fold, metric in (("last", "f1_pooled"), ("video", "f1_pooled"), ("last", "seg_st")):
        assert effect_findings.effect_sentences(table, fold, metric, "F1") == ""


def test_videos_that_contradict_each_other_are_named():
    table = effects(
        ("this", "01to02", "f1", *UP, 2),
        ("this", "02to01", "f1", *DOWN, 2),
        ("this", "video", "f1", *UP, 2),
        ("that", "01to02", "f1", *UP, 2),
        ("that", "02to01", "f1", -0.05, -0.11, 0.01, 2),
        ("else", "01to02", "seg", *UP, 2),
        ("else", "02to01", "seg", *UP, 2),
    )
    folds = ["01to02", "02to01"]
    assert effect_findings.disagreement_sentence(table, folds, "f1", "F1").endswith(
        "In test F1: this (01to02 +0.200 (+0.100 to +0.300), 02to01 −0.200 (−0.300 to −0.100))."
    )
    assert effect_findings.disagreement_sentence(table, folds, "seg", "SEG").startswith(
        "In test SEG the two folds contradict each other in no difference."
    )
    assert effect_findings.disagreement_sentence(table, folds[:1], "f1", "F1") == ""


def fold_summary(fold, seeds, **means):
    rows = [(fold, "iou_pooled", arm, mean, mean - 0.1, mean + 0.1) for arm, mean in means.items()]
    rows += [(fold, "f1", arm, 0.999, 0.99, 1.0) for arm in means]
    columns = ["fold", "metric", "arm", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).assign(n_seeds=seeds)


def test_best_sentence_names_the_best_network_and_the_scores_without_looking():
    floor = {"all_foreground": 0.5, "image_blind": 0.2, "previous_frame": 0.9}
    table = fold_summary("video", 3, none=0.4, aspp=0.7, **floor)
    assert findings.best_sentence(table, "iou_pooled", "IoU") == (
        "The highest test IoU, the mean of both videos held out, is that of aspp: 0.700 (0.600 to "
        "0.800), from 3 runs a fold. Marking every pixel as cell scores 0.500, marking pixels at "
        "random, as often as is best for mean IoU, 0.200."
    )
    table = fold_summary("last", 1, none=0.4, aspp=0.3, **floor)
    assert "is that of none: 0.400 (0.300 to 0.500), from a single run a fold" in (
        findings.best_sentence(table, "iou_pooled", "IoU")
    )


def test_f1_of_a_run_is_pooled_over_its_frames():
    counts = {"tp": [1, 3, 2], "fp": [0, 2, 0], "fn": [1, 1, 0], "tn": [0, 0, 0], "f1": [9, 9, 9]}
    frames = pd.DataFrame(counts | {"seed": [0, 0, 1], "frame": [7, 8, 7]})
    table = frames.melt(["seed", "frame"], var_name="metric").assign(arm="a", fold="last")
    assert results.f1_of_runs(table, "a", "last").to_dict() == {0: 8 / 12, 1: 1.0}
    assert results.f1_of_runs(table, "a", "video").empty


def test_best_arm_is_one_of_the_profile(profile):
    table = fold_summary("last", 1, none=0.5, none_tuned=0.6, previous_frame=0.9)
    assert results.best_arm(profile, table, "iou_pooled") == "none_tuned"


def test_share_of_pixels_with_one_answer_in_all_test_frames(profile, runs):
    finish(profile, runs, "none/last/seed0")
    finish(profile, runs, "scan_augmented_1e-03/last/seed0")
    folder = plan.find(runs, "none", "last", 0).folder(profile.outputs)
    rows = [("none", "last", 0, "02", frame, "f1", 0.5) for frame in (7, 8)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "metrics.csv", index=False)
    maps = np.zeros((3, 2, 2), np.uint8)
    # A validation frame; of the pixels of the test frames one changes.
    maps[0], maps[1, 0] = evaluation.STEPS, evaluation.STEPS
    maps[2, 0, 0] = evaluation.STEPS
    pairs = [("01", 7), ("02", 7), ("02", 8)]
    evaluation.save_predictions(folder / "predictions.npz", pairs, {"probability": maps})
    found = results.one_answer(profile, runs)
    assert found.to_numpy().tolist() == [["none", "last", 0, 0.75, 3 / 8]]


def test_arms_that_do_not_look_at_the_image_are_named():
    rows = [
        ("none", "last", 1.0, 0.5),
        ("none", "last", 0.9, 0.7),
        ("none", "01to02", 0.4, 0.5),
        ("none", "01to02", 0.95, 0.5),
        ("none_tuned", "last", 0.2, 0.5),
        ("gap", "last", 0.1, 0.5),
    ]
    shares = pd.DataFrame(rows, columns=["arm", "fold", "share", "marked"])
    sentence = recipe_findings.one_answer_sentence(shares, "last")
    assert "calls cell): none 90% to 100% (50% to 70%)." in sentence
    assert "With the tuned recipe: none_tuned 20% (50%)." in sentence
    assert "Published recipe, other folds: 95% or more in 1 of 2 runs." in sentence
    assert "gap" not in sentence
    assert recipe_findings.one_answer_sentence(shares[4:], "last") == ""


def test_published_recipe_is_told_at_the_rate_with_the_lowest_validation_loss():
    histories = pd.DataFrame(
        {
            "arm": ["augmented_full", "augmented_1e-3", "augmented_1e-3", "none_1e-3"],
            "val_loss": [0.5, 0.7, 0.2, 0.1],
            "learning_rate": [0.01, 0.001, 0.001, 0.001],
            "updates": [7, 10, 20, 5],
            "seed": 0,
        }
    )
    rows = [
        {"arm": arm, "metric": metric, "mean": mean, "ci_low": 0, "ci_high": 1, "n_seeds": 1}
        for arm, f1, iou in (("augmented_full", 0.7, 0.5), ("augmented_1e-3", 0.9, 0.8))
        for metric, mean in (("f1_pooled", f1), ("mean_iou_pooled", iou))
    ]
    rows.append(rows[0] | {"arm": "all_foreground", "mean": 0.7})
    published = pd.DataFrame({"id": ["f1_augmented", "iou_augmented"], "value": [0.891, 0.77]})
    counts = [("augmented_1e-3", "last", 0, name, 1.0) for name in ("tp", "fp", "fn", "tn")]
    counts += [(arm, fold, 0, "tp", 9.0) for arm, fold in (("none", "last"), ("a", "random"))]
    counts += [("augmented_full", "last", 0, name, 0.0) for name in ("fp", "fn", "tn")]
    counts += [("augmented_full", "last", 0, "tp", 4.0)]
    metrics = pd.DataFrame(counts, columns=["arm", "fold", "seed", "metric", "value"])
    shares = pd.DataFrame({"arm": ["augmented_1e-3", "other"], "fold": "last", "seed": 0})
    shares = shares.assign(share=[0.9, 0.99])
    told = (pd.DataFrame(rows), metrics, histories, published, shares, "last")
    assert recipe_findings.published_sentence(*told).splitlines() == [
        "Of the 2 learning rates at which the published recipe with augmentation was trained for "
        "up to the published length, 0.001 has the run with the lowest validation loss, 0.200. At "
        "that rate, fold last:",
        "    - With augmentation F1 0.500 in a single run, mean IoU 0.800 (0.000 to 1.000) "
        "(published 0.891 and 0.77), weights of update 20.",
        "    - At the other rates: augmented_full F1 1.000 in a single run.",
        "    - Marking every pixel as cell scores F1 0.700.",
    ]
    blind = recipe_findings.published_sentence(*told[:4], shares.assign(share=0.96), "last")
    assert blind.endswith(
        " At the rate of 0.001, not seeing cells, calling 95% of the pixels or more the same in "
        "every test frame: augmented_1e-3/seed0 (1 of 1)."
    )
    second = metrics.assign(seed=1, value=3.0).replace({"metric": {"fp": "tp"}})
    several = recipe_findings.published_sentence(told[0], pd.concat([metrics, second]), *told[2:])
    assert "With augmentation F1 0.500, 0.800 in 2 runs, mean IoU" in several
    short = histories.assign(arm="augmented")
    assert recipe_findings.published_sentence(*told[:2], short, *told[3:]) == ""


def test_stopping_is_told_with_the_epoch_whose_weights_are_kept():
    histories = pd.DataFrame(
        {
            "arm": "none_1e-3",
            "seed": [0, 0, 0, 1, 1],
            "epoch": [1, 2, 3, 1, 2],
            "val_loss": [0.7, 0.5, 0.6, 0.6, NAN],
        }
    )
    rows = [("none", "loss", 26), ("none", "f1", 27), ("augmented", "loss", 30)]
    published = pd.DataFrame(rows, columns=["arm", "metric", "epoch"])
    sentence = recipe_findings.stopping_sentence(histories, published)
    assert "none_1e-3 after 2 to 3 epochs with the weights of epoch 1 to 2. The" in sentence
    assert "went on to epoch 26." in sentence
    assert recipe_findings.stopping_sentence(histories.assign(arm="gap"), published) == ""


def test_leakage_sentence_lists_the_arms():
    rows = [("a", "iou_pooled", *UP), ("b", "iou_pooled", *DOWN), ("a", "f1", 0.9, 0.9, 0.9)]
    table = pd.DataFrame(rows, columns=["arm", "metric", "mean", "ci_low", "ci_high"])
    table["n_seeds"] = [1, 2, 2]
    assert effect_findings.leakage_sentence(table, "iou_pooled", "IoU") == (
        "Test IoU on frames drawn at random, from 1 to 2 runs of each arm, less that on videos "
        "held out: "
        "`a` +0.200 (+0.100 to +0.300); `b` −0.200 (−0.300 to −0.100)."
    )
    assert "was not measured" in effect_findings.leakage_sentence(table, "seg_st", "SEG")
    assert "was not measured" in effect_findings.leakage_sentence(table[:0], "iou_pooled", "IoU")
