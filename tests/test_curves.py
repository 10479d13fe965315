"""Line figures drawn from constructed tables show what the tables hold."""

import math

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import curves
from lib.figures import arm_colour
from lib.paths import PARAMS

NAN = float("nan")
SUMMARY = ["arm", "fold", "metric", "mean", "ci_low", "ci_high"]


def run_history(arm="none", seed=0, updates=(10, 20, 40), level=0.0, fold="last"):
    """History of a run in which no two columns, and no two levels, share a value."""
    table = pd.DataFrame({"arm": arm, "fold": fold, "seed": seed, "updates": updates})
    table["epoch"] = range(1, len(table) + 1)
    for number, name in enumerate(["loss", "f1", "batch_f1", "val_loss", "val_f1", "val_batch_f1"]):
        table[name] = 0.1 * number + 0.01 * table.epoch + level
    return table


def line(panel, label):
    """The one line with that label."""
    (found,) = [drawn for drawn in panel.lines if drawn.get_label() == label]
    return found


def points(drawn):
    return drawn.get_xydata().tolist()


def columns(table, *names):
    return table[list(names)].to_numpy(float).tolist()


def plateaus(panel):
    """Level lines at ln 2 that are named so."""
    level = [math.log(2)] * 2
    named = [text.xy[1] for text in panel.texts if text.get_text() == "ln 2"]
    return [
        drawn for drawn in panel.lines if named == level[:1] and list(drawn.get_ydata()) == level
    ]


def legend(drawn):
    (found,) = drawn.legends
    return [text.get_text() for text in found.get_texts()]


# Training curves


def test_history_is_drawn_by_update():
    history = run_history()
    loss, f1 = curves.draw_history(history).axes
    for panel, name in ((loss, "loss"), (f1, "f1")):
        assert points(line(panel, "training")) == columns(history, "updates", name)
        assert points(line(panel, "validation")) == columns(history, "updates", f"val_{name}")
        assert panel.get_xlabel() == "updates"
    assert (len(plateaus(loss)), len(plateaus(f1))) == (1, 0)
    assert loss.get_ylim()[0] == 0
    assert f1.get_ylim() == (0, 1)


def published_curves():
    """Two points of each published curve, every value another."""
    rows = [
        (metric, arm, split, epoch)
        for metric in ("f1", "loss")
        for arm in ("none", "augmented")
        for split in ("training", "validation")
        for epoch in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["metric", "arm", "split", "epoch"])
    return curves.by_update(
        table.assign(value=0.5 + 0.01 * table.index), {"none": 120, "augmented": 1447}
    )


@pytest.mark.parametrize("axis", ["epoch", "updates"])
@pytest.mark.parametrize(
    ("metric", "column", "limits", "marks"),
    [("loss", "loss", (0, 1.7), 1), ("f1", "batch_f1", (-0.03, 1), 0)],
)
def test_figures_5_and_6_set_ours_beside_the_published_curve(axis, metric, column, limits, marks):
    runs = {
        (arm, seed): run_history(arm, seed, level=0.05 * place + 0.001 * seed)
        for place, arm in enumerate(["none", "repeated", "augmented"])
        for seed in range(2)
    }
    published = published_curves()
    drawn = curves.draw_published_curves(
        pd.concat(runs.values()), published, metric=metric, axis=axis, column=column
    )
    assert [panel.get_title() for panel in drawn.axes] == [
        "(a) with augmentation",
        "(b) without augmentation",
    ]
    for panel, arm in zip(drawn.axes, ("augmented", "none"), strict=True):
        for side, name in (("training", column), ("validation", f"val_{column}")):
            theirs = published.query("metric == @metric and arm == @arm and split == @side")
            style = "-" if side == "training" else "--"
            grey, ours = (
                [found for found in panel.lines if (found.get_color(), found.get_ls()) == look]
                for look in ((curves.PUBLISHED_COLOUR, style), (arm_colour(arm), style))
            )
            assert [points(found) for found in grey] == [columns(theirs, axis, "value")]
            both = [columns(runs[arm, seed], axis, name) for seed in range(2)]
            assert [points(found) for found in ours] == both
        assert panel.get_xscale() == ("log" if axis == "updates" else "linear")
        assert panel.get_ylim() == limits
        assert len(plateaus(panel)) == marks
    if axis == "updates":
        assert [panel.get_xlim() for panel in drawn.axes] == [(100, 2 * 2 * 1447)] * 2
    further = ["repeated"] if axis == "updates" else []
    signs = ["training", "validation", "published", "augmented", "none", *further]
    assert legend(drawn) == signs


def test_an_arm_that_was_not_run_leaves_the_published_curve():
    drawn = curves.draw_published_curves(
        run_history("none"), published_curves(), metric="f1", axis="epoch", column="batch_f1"
    )
    found = [sum(len(row.get_xdata()) > 0 for row in panel.lines) for panel in drawn.axes]
    assert found == [2, 4]


def test_full_length_is_drawn_over_the_published_curve_with_augmentation():
    histories = pd.concat([run_history("augmented"), run_history("augmented_full")])
    drawn = curves.draw_published_curves(
        histories, published_curves(), metric="f1", axis="epoch", column="batch_f1"
    )
    colours = [
        {row.get_color() for row in panel.lines if len(row.get_xdata())} for panel in drawn.axes
    ]
    ours = {arm_colour("augmented"), arm_colour("augmented_full")}
    assert colours == [{"#aaaaaa", *ours}, {"#aaaaaa"}]
    assert "augmented_full" in legend(drawn)


@pytest.mark.parametrize("arm", ["none_matched", "repeated_1e-3"])
def test_what_answers_to_the_number_of_updates_is_drawn_by_that_alone(arm):
    histories = pd.concat([run_history("none"), run_history(arm)])
    settings = {"metric": "f1", "column": "batch_f1"}
    for axis, drawn in (("epoch", False), ("updates", True)):
        figure = curves.draw_published_curves(histories, published_curves(), axis=axis, **settings)
        assert (arm in legend(figure)) is drawn
        colours = {row.get_color() for row in figure.axes[1].lines if len(row.get_xdata())}
        assert (arm_colour(arm) in colours) is drawn


def test_updates_of_the_published_curves():
    table = published_curves()
    at = table.drop_duplicates(["arm", "epoch"]).set_index(["arm", "epoch"]).updates
    assert at.to_dict() == {
        ("none", 1): 120,
        ("none", 2): 240,
        ("augmented", 1): 1447,
        ("augmented", 2): 2894,
    }


# The scan


def scan(chosen, diverged=()):
    """Trials of four rates, as `scan.table` gives them."""
    table = pd.DataFrame({"learning_rate": [1e-4, 1e-3, 1e-2, 1e-1]})
    table["loss"], table["val_loss"] = [0.69, 0.65, 0.5, 0.6], [0.70, 0.66, 0.55, 0.62]
    table["diverged"] = table.learning_rate.isin(diverged)
    table.loc[table.diverged, ["loss", "val_loss"]] = NAN
    return table.assign(chosen=table.learning_rate == chosen)


def uprights(panel, label):
    """Rates at which an upright line with that label stands."""
    found = [drawn for drawn in panel.lines if drawn.get_label() == label]
    assert all(len(set(drawn.get_xdata())) == 1 for drawn in found)
    return [drawn.get_xdata()[0] for drawn in found]


def test_scan_marks_the_chosen_rate_and_those_that_diverged():
    trials = scan(chosen=1e-3, diverged=[1e-2, 1e-1])
    drawn = curves.draw_scan(trials)
    (panel,) = drawn.axes
    for label, name in (("training, last epoch", "loss"), ("validation, lowest", "val_loss")):
        np.testing.assert_array_equal(
            points(line(panel, label)), columns(trials, "learning_rate", name)
        )
    assert uprights(panel, "chosen") == [1e-3]
    assert uprights(panel, "diverged") == [1e-2, 1e-1]
    assert legend(drawn) == ["training, last epoch", "validation, lowest", "chosen", "diverged"]
    assert panel.get_xscale() == "log"
    assert len(plateaus(panel)) == 1


def test_scan_without_a_usable_rate_marks_none():
    trials = scan(chosen=None, diverged=[1e-4, 1e-3, 1e-2, 1e-1])
    (panel,) = curves.draw_scan(trials).axes
    assert uprights(panel, "chosen") == []
    assert len(uprights(panel, "diverged")) == 4


def test_without_a_scan_the_figure_says_so():
    (panel,) = curves.draw_scan(scan(chosen=None, diverged=[]).iloc[:0]).axes
    assert [text.get_text() for text in panel.texts] == ["no learning rate was searched for"]


# Scores


def test_a_score_is_drawn_with_its_interval_its_value_and_the_published_one():
    rows = [
        ("none", "last", "f1_pooled", 0.5, 0.25, 0.75),
        ("none", "last", "f1", 0.1, 0.05, 0.15),
        ("augmented", "last", "f1_pooled", 0.8125, 0.75, 0.875),
    ]
    drawn = curves.draw_scores(
        pd.DataFrame(rows, columns=SUMMARY), "f1_pooled", "test F1", {"augmented": 0.891}
    )
    (panel,) = drawn.axes
    found = [points(row) for row in panel.lines if len(row.get_xdata())]
    assert found == [
        [[0.25, 0], [0.75, 0]],
        [[0.5, 0]],
        [[0.75, 1], [0.875, 1]],
        [[0.8125, 1]],
        [[0.891, 1]],
    ]
    assert [panel.lines[place].get_color() for place in (0, 1, 2, 3)] == [
        *[arm_colour("none")] * 2,
        *[arm_colour("augmented")] * 2,
    ]
    assert [(text.get_text(), text.xy[1]) for text in panel.texts] == [("0.500", 0), ("0.812", 1)]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["none", "augmented"]
    assert panel.yaxis_inverted()  # the first arm is on top
    assert (panel.get_xlabel(), panel.get_xlim()) == ("test F1", (0, 1))
    assert legend(drawn) == ["this study, 95 % interval", "published"]


@pytest.mark.parametrize(("metric", "chance"), [("mean_iou_pooled", [0.125]), ("f1", [])])
def test_scores_mark_what_is_had_without_looking_where_it_is_the_best_that_can_be(metric, chance):
    rows = [
        ("none", "video", metric, 0.5, 0.25, 0.75),
        ("image_blind", "video", metric, 0.125, 0.1, 0.15),
    ]
    drawn = curves.draw_scores(pd.DataFrame(rows, columns=SUMMARY), metric, "test score", {})
    (panel,) = drawn.axes
    assert uprights(panel, "image_blind") == chance
    assert legend(drawn) == [*(["image_blind"] if chance else []), "this study, 95 % interval"]
    assert "D" not in {row.get_marker() for row in panel.lines}


# Effects

EFFECTS = ["what", "fold", "metric", "mean", "ci_low", "ci_high"]


def test_effect_is_drawn_at_its_place_in_the_look_of_its_fold():
    rows = [
        ("longer", "01to02", "f1", 0.25, 0.125, 0.375),
        ("longer", "video", "f1", 0.5, 0.25, 0.75),
        ("gaps", "video", "f1", -0.5, -0.75, -0.25),
        ("gaps", "01to02", "seg", -0.125, -0.25, 0.0),
    ]
    labels = {"f1": "difference in F1", "seg": "difference in SEG"}
    drawn = curves.draw_effects(pd.DataFrame(rows, columns=EFFECTS), labels)
    f1, seg = drawn.axes
    # The fold video is above the other; down the page, in inches.
    step, height = curves.FOLD_HEIGHT, 0.06 + 2 * curves.FOLD_HEIGHT
    upper, lower = (height - step) / 2, (height + step) / 2
    (black, square), (blue, circle) = curves.FOLD_LOOKS["video"], curves.FOLD_LOOKS["01to02"]
    found = [
        (row.get_color(), row.get_marker(), list(row.get_xdata()), row.get_ydata()[0])
        for row in f1.lines
        if len(row.get_xdata()) and set(row.get_xdata()) != {0}
    ]
    assert found == [
        (blue, "None", [0.125, 0.375], pytest.approx(lower)),
        (blue, circle, [0.25], pytest.approx(lower)),
        (black, "None", [0.25, 0.75], pytest.approx(upper)),
        (black, square, [0.5], pytest.approx(upper)),
        (black, "None", [-0.75, -0.25], pytest.approx(height + upper)),
        (black, square, [-0.5], pytest.approx(height + upper)),
    ]
    assert points(seg.lines[1]) == [[-0.125, pytest.approx(height + lower)]]
    for panel, label in zip(drawn.axes, labels.values(), strict=True):
        assert any(list(row.get_xdata()) == [0, 0] for row in panel.lines)
        assert panel.get_xlabel() == label
        assert panel.yaxis_inverted()  # the first effect is on top
    assert f1.get_yticks().tolist() == pytest.approx([height / 2, 3 * height / 2])
    assert [label.get_text() for label in f1.get_yticklabels()] == ["longer", "gaps"]
    assert legend(drawn) == ["both videos held out", "fold 01to02"]


def test_every_fold_that_a_profile_can_have_has_a_look_of_its_own():
    base = yaml.safe_load((PARAMS / "base.yaml").read_text(encoding="utf-8"))
    folds = ["video", *base["grid"]["folds"]["choices"]]
    rows = [("longer", fold, "f1", 0.5, 0.25, 0.75) for fold in folds]
    drawn = curves.draw_effects(pd.DataFrame(rows, columns=EFFECTS), {"f1": "F1"})
    (panel,) = drawn.axes
    means = [drawn for drawn in panel.lines if list(drawn.get_xdata()) == [0.5]]
    places = {drawn.get_ydata()[0] for drawn in means}
    assert len(places) == len({drawn.get_color() for drawn in means}) == len(folds) == 5
    low, high = sorted(panel.get_ylim())
    assert low < min(places) < max(places) < high
    assert len(legend(drawn)) == len(folds)


def test_effect_names_the_two_arms_below_its_words():
    row = {"what": "gaps", "arm": "gap", "against": "none", "fold": "last", "metric": "f1"}
    rows = pd.DataFrame([row | {"mean": 0.2, "ci_low": 0.1, "ci_high": 0.3}])
    (panel,) = curves.draw_effects(rows, {"f1": "F1"}).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["gaps\ngap − none"]


def test_an_effect_far_beyond_the_others_is_an_arrow_with_its_value():
    small = [(f"effect {n}", "last", "f1", 0.0, -0.1, 0.1) for n in range(20)]
    rows = [("large", "last", "f1", 0.75, 0.5, 1.0), ("loss", "last", "f1", -0.08, -0.5, 0.1)]
    effects = pd.DataFrame([*rows, *small], columns=EFFECTS)
    (panel,) = curves.draw_effects(effects, {"f1": "F1"}).axes
    low, high = panel.get_xlim()
    assert (low, high) == (pytest.approx(-0.11), pytest.approx(0.11))
    drawn = [row for row in panel.lines if len(row.get_xdata())]
    arrows = {row.get_marker(): row.get_xdata()[0] for row in drawn}
    assert (arrows["<"], arrows[">"]) == (low, high)
    assert [text.get_text() for text in panel.texts] == ["0.75"]  # the mean of the loss is drawn
    assert 0.75 not in [row.get_xdata()[0] for row in drawn]


def test_effects_where_none_was_measured():
    nothing = pd.DataFrame(columns=EFFECTS)
    drawn = curves.draw_effects(nothing, {"f1": "F1", "seg": "SEG"})
    assert [len(panel.lines) for panel in drawn.axes] == [1, 1]
    assert legend(drawn) == []
