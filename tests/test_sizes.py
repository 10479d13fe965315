"""The study's arms beside the same arms at the size of the original, from constructed results."""

import json

import pandas as pd
import pytest

from lib import params, sizes

STUDY = params.load("study")
RECORD = {"source": "folder", "digests": {"images": "0"}}


def scores(arm, metric, mean):
    return {
        "arm": arm,
        "fold": "video",
        "metric": metric,
        "mean": mean,
        "ci_low": mean - 0.01,
        "ci_high": mean + 0.01,
        "n_seeds": 1,
    }


def tables(f1, seg, *arms):
    summary = pd.DataFrame([scores(arm, "f1_pooled", f1) for arm in arms])
    both = [("foreground_iou", 0.8), ("seg_gt", seg)]
    cells = pd.DataFrame([scores(arm, name, mean) for arm in arms for name, mean in both])
    return summary, cells


@pytest.fixture
def folder(tmp_path):
    arms = params.load("full_size").settings["grid.arms"]
    summary, cells = tables(0.9, 0.7, *arms)
    first = pd.DataFrame(
        {"arm": "augmented", "fold": "last", "seed": 0, "epoch": [1, 2], "updates": [50, 100]}
    ).assign(loss=[0.7, 0.6], val_f1=[0.5, 0.7])
    runs = pd.DataFrame(
        {"arm": arms, "side": "test", "seed": 0, "minutes": [1.0, 2.0, 6.2], "processor": "A card"}
    ).assign(fold="02to01", learning_rate=0.003)
    effects = summary[:0].assign(id="", what="")
    written = {"summary": summary, "cells": cells, "effects": effects, "runs": runs}
    written["cells_effects"] = effects
    written["runs/first_epochs"] = first
    (tmp_path / "runs").mkdir()
    for name, table in written.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "data.json").write_text(json.dumps(RECORD))
    return tmp_path


def test_an_arm_stands_beside_the_one_that_differs_in_size_alone(folder):
    larger = sizes.read_larger(STUDY, RECORD, folder)
    arms = STUDY.settings["grid.arms"]
    rates = [("01to02", 0.003), ("02to01", 0.001), ("last", 0.1)]
    rows = [(arm, "test", fold, rate) for arm in arms for fold, rate in rates]
    runs = pd.DataFrame(rows, columns=["arm", "side", "fold", "learning_rate"])
    found = sizes.size_table(STUDY, *tables(0.8, 0.6, *arms), runs, larger)
    assert found[["arm", "size, px", "filters"]].to_numpy().tolist() == [
        ["none_tuned", "128", "16"],
        ["none_tuned", "512", "64"],
        ["augmented_tuned", "128", "16"],
        ["augmented_tuned", "512", "64"],
        ["known_25_256_constant", "256", "16"],
        ["known_25_long_constant", "512", "64"],
    ]
    f1 = ["0.800 (0.790 to 0.810)", "0.900 (0.890 to 0.910)"]
    assert found["F1, pooled"].tolist() == f1 * 3
    assert found["SEG, gold truth"].str[:5].tolist() == ["0.600", "0.700"] * 3
    assert set(found.runs) == {"1"}
    rates = ["0.003 (01to02), 0.001 (02to01)", "0.003 (02to01)"]
    assert found["learning rate"].tolist() == rates * 3


def test_the_highest_f1_at_each_size_is_named(folder):
    larger = sizes.read_larger(STUDY, RECORD, folder)
    summary, _ = tables(0.8, 0.6, *STUDY.settings["grid.arms"])
    summary.loc[summary.arm == "augmented_tuned", "mean"] = 0.95
    # Not run at the larger size.
    summary.loc[summary.arm == "gap", "mean"] = 0.99
    assert sizes.best_sentence(STUDY, summary, larger) == (
        "The highest test F1 of these arms is at the size of this page 0.950 (augmented_tuned) and "
        "at the size of the original 0.900 (none_tuned)."
    )
    assert sizes.best_sentence(STUDY, summary[:0], larger) == ""


def test_what_augmentation_does_at_the_larger_size(folder):
    larger = sizes.read_larger(STUDY, RECORD, folder)
    assert sizes.change_sentence(larger) == ""
    rows = [
        ("video", -0.06, -0.09, -0.04),
        ("01to02", 0.02, 0.01, 0.03),
        ("02to01", -0.14, -0.2, -0.1),
    ]
    effects = pd.DataFrame(rows, columns=["fold", "mean", "ci_low", "ci_high"])
    effects = effects.assign(
        id="published_tuned", what="augmentation", metric="f1_pooled", n_seeds=1
    )
    larger |= {"effects": effects, "cells_effects": effects.assign(metric="seg_gt")}
    assert sizes.change_sentence(larger) == (
        "At 512 px and 64 filters, augmentation: test F1 −0.060 (−0.090 to −0.040), the folds "
        "contradict each other, SEG −0.060 (−0.090 to −0.040), lower. The mean of both videos held "
        "out, one run of each arm. "
        "Where the intervals of the two folds lie on opposite sides of zero, the mean decides "
        "nothing. In test F1: augmentation (01to02 +0.020 (+0.010 to +0.030), 02to01 −0.140 "
        "(−0.200 to −0.100))."
    )


def test_only_a_profile_that_it_inherits_and_that_has_the_same_images(folder):
    assert sizes.read_larger(params.load("quick"), RECORD, folder) is None
    assert sizes.read_larger(STUDY, RECORD | {"digests": {"images": "1"}}, folder) is None
    assert sizes.read_larger(STUDY, RECORD, folder / "nothing") is None
    # The same images from another place.
    assert sizes.read_larger(STUDY, RECORD | {"source": "cache"}, folder) is not None


def test_first_epochs_are_compared_after_as_many_updates(folder):
    larger = sizes.read_larger(STUDY, RECORD, folder)
    rows = [
        ("augmented", "last", 0, 100, 0.55, 0.72),
        ("augmented", "last", 1, 100, 0.65, 0.74),
        ("augmented", "last", 0, 150, 0.5, 0.9),
    ]
    columns = ["arm", "fold", "seed", "updates", "loss", "val_f1"]
    histories = pd.DataFrame(rows, columns=columns)
    sentence = sizes.first_epochs_sentence(histories, larger)
    for words in ("2 epochs", "100 updates", "0.600", "0.700"):
        assert words in sentence
    assert "0.550 to 0.650 and 0.720 to 0.740 after as many updates, in 2 runs." in sentence
    assert sizes.first_epochs_sentence(histories.iloc[2:], larger) == ""
    (folder / "runs" / "first_epochs.csv").unlink()
    assert sizes.first_epochs_sentence(histories, sizes.read_larger(STUDY, RECORD, folder)) == ""


def test_the_introduction_names_the_card_and_that_each_is_a_single_run(folder):
    text = sizes.introduction(sizes.read_larger(STUDY, RECORD, folder))
    for words in ("512 px", "64 filters", "a single run", "A card", "6 minutes", "bfloat16"):
        assert words in text
