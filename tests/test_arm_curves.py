"""Curves of many arms: sorted into panels, a line an arm, a band over its seeds."""

import math

import pandas as pd
import pytest

from lib import arm_curves
from lib.figures import arm_colour


def run_history(arm="none", seed=0, updates=(10, 20, 40), val_f1=0.7, fold="last"):
    """History of a run with a validation loss that falls from 1."""
    table = pd.DataFrame({"arm": arm, "fold": fold, "seed": seed, "updates": updates})
    return table.assign(val_f1=val_f1, val_loss=[1 / (1 + place) for place in range(len(updates))])


def draw(*runs, metric="val_f1"):
    histories = pd.concat(runs)
    arms = list(dict.fromkeys(histories.arm))
    return arm_curves.draw_arms_by_update(histories, arms, metric=metric, label="y")


def drawn_arms(panel):
    return {line.get_label(): line for line in panel.lines if line.get_label()[0] != "_"}


def test_arms_that_are_read_against_each_other_share_a_row():
    arms = ["none", "mine", "aspp", "rigid_elastic", "augmented", "known_25"]
    assert arm_curves.group_arms(arms) == {
        "the published recipe": ["none", "augmented"],
        "augmentation, tuned": ["rigid_elastic"],
        "networks": ["rigid_elastic", "aspp"],
        "known_25, recipe": ["known_25"],
        "further arms": ["mine"],
    }
    # The arm that others are compared with makes no group alone.
    assert list(arm_curves.group_arms(["rigid_elastic"])) == ["augmentation, tuned"]
    assert arm_curves.group_arms([]) == {}


def test_an_arm_is_the_mean_over_seeds_in_a_band_from_the_lowest_to_the_highest():
    figure = draw(
        run_history("none", 0, updates=(10, 20), val_f1=[0.25, 0.5]),
        run_history("none", 1, updates=(10, 20), val_f1=[0.75, 1.0]),
        run_history("augmented", val_f1=0.125),
    )
    (panel,) = figure.axes
    lines = drawn_arms(panel)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["none", "augmented"]
    assert lines["augmented"].get_xydata().tolist() == [[10, 0.125], [20, 0.125], [40, 0.125]]
    assert lines["none"].get_xydata().tolist() == [[10, 0.5], [20, 0.75]]
    assert lines["none"].get_color() == arm_colour("none")
    corners = {tuple(corner) for corner in panel.collections[-1].get_paths()[0].vertices}
    assert corners == {(10, 0.25), (20, 0.5), (10, 0.75), (20, 1.0)}
    assert panel.get_xscale() == "log"


def test_legend_names_an_arm_that_the_last_fold_lacks():
    figure = draw(run_history("none", fold="01to02"), run_history("augmented", fold="02to01"))
    legend = figure.axes[-1].get_legend()
    assert {text.get_text() for text in legend.get_texts()} == {"none", "augmented"}


def test_each_group_has_a_row_and_each_fold_a_column():
    figure = draw(
        run_history("none", fold="02to01", val_f1=0.1),
        run_history("none", fold="01to02", val_f1=0.2),
        run_history("aspp", fold="01to02", val_f1=0.3),
    )
    shown = {
        panel.get_title("left"): {
            arm: line.get_ydata()[0]
            for arm, line in drawn_arms(panel).items()
            if len(line.get_ydata())
        }
        for panel in figure.axes
    }
    assert shown == {
        "the published recipe, fold 02to01": {"none": 0.1},
        "the published recipe, fold 01to02": {"none": 0.2},
        "networks, fold 02to01": {},
        "networks, fold 01to02": {"aspp": 0.3},
    }


@pytest.mark.parametrize(
    ("metric", "value", "limits"),
    [("val_loss", 0.7, (0, 1.2)), ("val_f1", 0.3, (0, 1)), ("val_f1", 0.9, (0.5, 1))],
)
def test_scale_goes_with_metric_and_values(metric, value, limits):
    (panel,) = draw(run_history(val_f1=value), metric=metric).axes
    assert panel.get_ylim() == limits
    plateaus = [line for line in panel.lines if list(line.get_ydata()) == [math.log(2)] * 2]
    assert len(plateaus) == (metric == "val_loss")
