"""Tables of the report, from constructed results."""

import numpy as np
import pandas as pd

from lib import tables

NAN = np.nan
SUMMARY = ["arm", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds"]
EFFECTS = ["what", "arm", "against", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds"]
UP, DOWN, UNSURE = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.05, -0.01, 0.11)


def effects(*rows):
    rows = [(what, "a", "b", *rest) for what, *rest in rows]
    return pd.DataFrame(rows, columns=EFFECTS)


def test_scores_table_has_an_arm_a_row_and_a_metric_a_column():
    rows = [
        ("none", "random", "f1", 0.4, 0.3, 0.5, 9),
        ("none", "last", "f1", 0.12345, 0.1, 0.2, 2),
        ("none", "last", "iou", 0.9996, 0.9, 1.0, 2),
        ("none", "last", "recall", 0.3, 0.2, 0.4, 2),
        ("gap + seeds + turns", "last", "f1", 0.5, 0.4, 0.6, 1),
        ("gap + seeds + turns", "last", "iou", NAN, NAN, NAN, 1),
        ("gap + turns", "last", "f1", 0.5, 0.4, 0.6, 3),
        ("image_blind", "last", "f1", 0.5, 0.5, 0.5, 1),
    ]
    summary = pd.DataFrame(rows, columns=SUMMARY)
    found = tables.scores_table(summary, "last", ["iou", "f1"])
    assert found.columns.tolist() == ["arm", "runs", "iou", "F1"]
    assert found.fillna("").to_numpy().tolist() == [
        ["none", "2", "1.000 (0.900 to 1.000)", "0.123 (0.100 to 0.200)"],
        ["gap + seeds + turns", "all", "–", "0.500 (0.400 to 0.600)"],
        ["gap + turns", "3", "", "0.500 (0.400 to 0.600)"],
        ["image_blind", "–", "", "0.500 (0.500 to 0.500)"],
    ]


def test_folds_stand_side_by_side_and_an_arm_may_lack_one():
    rows = [
        ("none", "01to02", "f1", 0.4, 0.3, 0.5, 2),
        ("none", "02to01", "f1", 0.6, 0.5, 0.7, 2),
        ("gap", "02to01", "f1", 0.8, 0.7, 0.9, 1),
    ]
    summary = pd.DataFrame(rows, columns=SUMMARY)
    found = tables.folds_table(summary, ["01to02", "02to01"], ["f1"])
    assert found.columns.tolist() == ["arm", "F1, 01to02", "F1, 02to01"]
    assert found.fillna("").to_numpy().tolist() == [
        ["none", "0.400 (0.300 to 0.500)", "0.600 (0.500 to 0.700)"],
        ["gap", "", "0.800 (0.700 to 0.900)"],
    ]


def test_methods_stand_side_by_side():
    methods = pd.DataFrame(
        [["gap", "components", 0.5, 0.4, 0.6, 0.25], ["gap", "divided", 0.7, 0.7, 0.7, 0.75]],
        columns=["arm", "method", "seg_gt", "lowest", "highest", "chosen"],
    )
    table = tables.methods_table(methods)
    assert list(table) == ["arm", "components", "divided"]
    assert table.components[0] == "0.500 (0.400 to 0.600) [25%]"


def test_verdict_table_shows_values_as_they_are_known():
    rows = [
        ("F1", "score", "last", "", 0.891, 0.8004, 0.7, 0.9, 3, "partly"),
        ("Images", "given number", "", "", 1447, 1447.0, NAN, NAN, 0, "reproduced"),
        ("IoU", "score", "last", "others", 0.77, NAN, NAN, NAN, 0, "cannot be tested"),
        ("SEG", "difference", "video", "first", NAN, 0.05, 0.01, 0.11, 2, "reproduced"),
        ("Less", "difference", "last", "", 0.286, 0.05, 0.01, 0.11, 2, "reproduced"),
        ("As much", "difference", "last", "", 0.286, 0.25, 0.2, 0.3, 2, "reproduced"),
        ("Loss", "training curve", "last", "", 0.57, 0.04, 0.04, 0.04, 1, "contradicted"),
    ]
    columns = ["claim", "kind", "fold", "seen", "published", "reproduced"]
    columns += ["ci_low", "ci_high", "n_seeds", "verdict"]
    table = tables.verdict_table(pd.DataFrame(rows, columns=columns))
    assert table.to_numpy().tolist() == [
        ["F1", "partly", "0.891", "0.800 (0.700 to 0.900)", "last", "3"],
        ["Images", "reproduced", "1447", "1447", "–", "–"],
        ["IoU †", "cannot be tested", "0.77", "–", "last", "–"],
        ["SEG ‡", "supported", "–", "0.050 (0.010 to 0.110)", "video", "2"],
        ["Less", "reproduced in sign", "0.286", "0.050 (0.010 to 0.110)", "last", "2"],
        ["As much", "reproduced", "0.286", "0.250 (0.200 to 0.300)", "last", "2"],
        ["Loss", "contradicted", "0.57", "0.040", "last", "1"],
    ]


def test_answer_table_has_every_fold_beside_the_mean():
    own = effects(
        ("this", "video", "f1_pooled", *UP, 2),
        ("this", "01to02", "f1_pooled", *DOWN, 3),
        ("that", "last", "f1_pooled", *UNSURE, 1),
        ("that", "last", "seg_st", *UP, 1),
        ("else", "last", "f1_pooled", *UP, 1),
    )
    own["id"] = own.what
    cells = effects(("this", "video", "seg_gt", *UP, 2), ("this", "01to02", "seg_gt", *DOWN, 2))
    cells["id"] = cells.what
    folds = ["last", "video", "01to02"]
    table = tables.answer_table(own, cells, ["that", "not run", "this"], folds, "video")
    heads = ["F1, last", "F1, both videos", "F1, 01to02", "SEG, both videos"]
    assert list(table) == ["difference", *heads]
    up, down = "+0.200 (+0.100 to +0.300)", "−0.200 (−0.300 to −0.100)"
    assert table.to_numpy().tolist() == [
        ["that (single runs)", "+0.050 (−0.010 to +0.110)", "–", "–", "–"],
        ["this (2 to 3 runs)", "–", up, down, up],
    ]


def test_effects_table_has_an_effect_a_row():
    table = effects(
        ("this", "video", "seg_st", *DOWN, 2),
        ("this", "video", "f1_pooled", *UP, 2),
        ("this", "02to01", "f1_pooled", *UNSURE, 3),
        ("this", "02to01", "seg_st", *UP, 3),
        ("that", "video", "f1_pooled", *DOWN, 1),
        ("that", "video", "seg_st", *UNSURE, 1),
    )
    up, down = "+0.200 (+0.100 to +0.300)", "−0.200 (−0.300 to −0.100)"
    unsure = "+0.050 (−0.010 to +0.110)"
    names = {"f1_pooled": "F1", "seg_st": "SEG"}
    laid_out = tables.effects_table(table, "video", names)
    assert list(laid_out) == ["effect", "arms", "runs", "F1", "SEG"]
    assert laid_out.to_numpy().tolist() == [
        ["this", "a − b", "2", up, down],
        ["that", "a − b", "1", down, unsure],
    ]
    single = tables.effects_table(table, "02to01", names)
    assert single.to_numpy().tolist() == [["this", "a − b", "3", unsure, up]]
    nothing = tables.effects_table(effects(), "video", {"f1_pooled": "F1"})
    assert nothing.empty
    assert list(nothing) == ["effect", "arms", "runs", "F1"]


def test_runs_overview_sums_up_each_arm():
    rows = [
        ("a", "last", 0, "completed", 0.01, 100, 7, 2.0),
        ("a", "last", 1, "diverged", 0.01, 50, 7, 1.25),
        ("a", "random", 0, "failed", NAN, NAN, NAN, NAN),
        ("a", "random", 1, "not run", NAN, NAN, NAN, NAN),
        ("b", "last", 0, "not run", NAN, NAN, NAN, NAN),
        ("c", "last", 0, "completed", 1e-7, 800, 1945233, 4.0),
    ]
    names = ["arm", "fold", "seed", "status", "learning_rate", "updates", "parameters", "minutes"]
    overview = tables.runs_overview(pd.DataFrame(rows, columns=names)).set_index("arm")
    assert overview.loc["a"].to_dict() == {
        "folds": "last, random",
        "runs": "2\u00a0of\u00a04",
        "not completed": "last/seed1 diverged, random/seed0 failed",
        "learning rate": "0.01",
        "updates": "50 to 100",
        "parameters": "7",
        "minutes": "1.2 to 2.0",
    }
    assert overview.loc["b", ["runs", "updates", "minutes"]].tolist() == [
        "0\u00a0of\u00a01",
        "–",
        "–",
    ]
    assert overview.loc["c", ["learning rate", "not completed"]].tolist() == ["1e-07", ""]
