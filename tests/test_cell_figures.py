"""Figures and sentences about cells, on tables and labels made by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.colors import to_rgb

from lib import cell_figures, cell_findings, cell_scores
from lib.instances import error_counts

IDS = hnp.arrays(np.uint16, (6, 7), elements=st.integers(0, 4))


def summary(fold="video", n_seeds=3, metric="seg_gt", **means):
    return pd.DataFrame(
        [
            {"arm": arm, "fold": fold, "metric": metric, "mean": mean, "n_seeds": n_seeds}
            | {"ci_low": mean - 0.02, "ci_high": mean + 0.02, "n_frames": 18}
            for arm, mean in means.items()
        ]
    )


LADDER = summary(
    silver_truth=0.95, gap=0.8, perfect_mask=0.4, rigid=0.7, image_blind=0.0, perfect_gap_128=0.93
)


def test_ladder_goes_from_floor_over_arms_to_ceiling():
    figure = cell_figures.draw_ladder(LADDER, "seg_gt", "SEG")
    (panel,) = figure.axes
    names = [tick.get_text() for tick in panel.get_yticklabels()]
    assert names == [
        "image_blind",
        "perfect_mask",
        "rigid",
        "gap",
        "perfect_gap_128",
        "silver_truth",
    ]
    assert panel.get_xlabel() == "SEG"


def test_ladder_without_an_arm():
    figure = cell_figures.draw_ladder(
        summary(silver_truth=1.0, all_foreground=0.1), "seg_gt", "SEG"
    )
    assert len(figure.axes[0].get_yticklabels()) == 2


def test_cost_joins_what_no_cheaper_arm_beats():
    costs = pd.DataFrame(
        {
            "arm": ["a", "gap", "b", "c"],
            "minutes": [1.0, 2.0, 3.0, 9.0],
            "mean": [0.5, 0.4, 0.3, 0.8],
        }
    )
    costs = costs.assign(ci_low=costs["mean"] - 0.1, ci_high=costs["mean"] + 0.1)
    (panel,) = cell_figures.draw_cost(costs, "SEG").axes
    names = {text.get_text(): text.get_weight() for text in panel.texts}
    assert names == {"a": "bold", "gap": "normal", "c": "bold"}
    heights = {text.get_text(): text.get_position()[1] for text in panel.texts}
    assert heights["gap"] < heights["a"] < heights["c"]
    assert panel.lines[0].get_xydata().tolist() == [[1, 0.5], [9, 0.8]]
    points = [line.get_xydata()[0].tolist() for line in panel.lines if line.get_marker() == "o"]
    assert [3, 0.3] in points


def test_costs_are_those_of_the_runs_behind_a_score():
    rows = summary(**{"a": 0.5, "a + turns": 0.6, "a + seeds": 0.7, "silver_truth": 1.0})
    runs = pd.DataFrame({"arm": "a", "side": "test", "minutes": [1.0, 3.0, 2.0, 2.0, 100.0]})
    runs = runs.assign(fold=["01to02", "02to01"] * 2 + ["last"], seed=[0, 0, 1, 1, 0])
    table = cell_scores.costs(rows, runs, "seg_gt").set_index("arm")
    assert table.minutes.to_dict() == {"a": 2.0, "a + turns": 2.0, "a + seeds": 4.0}


@given(IDS, IDS)
def test_mistakes_are_those_that_are_counted(labels, found):
    merged, split = cell_figures.mistaken(labels, found)
    errors = error_counts(labels, found)
    assert merged.any() == (errors["merges"] > 0)
    assert split.any() == (errors["splits"] > 0)
    assert not found[merged].size or found[merged].min() > 0
    assert not labels[split].size or labels[split].min() > 0


def test_outlines_have_their_colours_and_merged_cells_are_filled():
    labels = np.zeros((20, 20), int)
    labels[2:18, 2:10], labels[2:18, 10:18] = 1, 2
    found = (labels > 0).astype(int)
    image = np.tile(np.arange(20), (20, 1))
    colours = cell_figures.with_contours(image, labels, found)
    # The true outline between the two cells, and the found one around both.
    np.testing.assert_allclose(colours[9, 10], to_rgb(cell_figures.TRUTH))
    np.testing.assert_allclose(colours[9, 2], to_rgb(cell_figures.FOUND))
    plain = cell_figures.with_contours(image, np.zeros_like(labels), None)
    assert np.abs(colours[9, 6] - plain[9, 6]).max() > 0.05
    np.testing.assert_allclose(colours[0, 0], plain[0, 0])


def test_contours_have_a_panel_an_arm_and_the_strip_two_a_frame():
    labels = np.zeros((3, 16, 16), int)
    labels[:, 2:9, 2:9] = 1
    images = np.random.default_rng(0).random((3, 16, 16))
    figure = cell_figures.draw_contours(
        images[0], labels[0], {"a": labels[1]}, "truth", pixel_size=2.0
    )
    assert [panel.get_title() for panel in figure.axes[:2]] == ["truth", "a"]
    name = "known_25_256_constant + turns"
    panels = {letter: labels[1] for letter in "abcdef"} | {name: labels[1]}
    last = cell_figures.draw_contours(images[0], labels[0], panels, "truth").axes[7]
    assert last.get_title() == "known_25_256_constant\n+ turns"
    assert [len(panel.artists) for panel in figure.axes[:2]] == [1, 0]
    figure = cell_figures.draw_strip(images, labels, labels, [4, 5, 6])
    assert not figure.axes[0].artists
    assert [panel.get_title() for panel in figure.axes[:3]] == ["frame 4", "frame 5", "frame 6"]
    assert len(figure.axes) == 6


def test_shown_arms_end_with_the_best():
    rows = summary(gap=0.7, gap_weighted=0.8, other=0.9)
    names = ["gap", "gap_weighted", "other", "not scored"]
    assert cell_figures.choose_shown(names, rows) == ["gap", "gap_weighted", "other"]
    assert cell_figures.choose_shown(names[:2], rows) == ["gap", "gap_weighted"]
    assert cell_figures.choose_shown(["gap"], rows.iloc[:0]) == ["gap"]


def test_of_the_means_over_turns_that_of_the_best_arm_is_shown():
    effects = pd.DataFrame(
        {
            "id": ["gaps", "turns_gap", "turns_rigid"],
            "arm": ["gap", "gap + turns", "rigid + turns"],
        }
    )
    rows = summary(**{"gap": 0.9, "gap + turns": 0.7, "rigid + turns": 0.8})
    assert cell_figures.choose_effects(effects, rows).id.tolist() == ["gaps", "turns_rigid"]
    assert cell_figures.choose_effects(effects[:1], rows).id.tolist() == ["gaps"]


def test_sentence_of_the_ladder_names_the_best_arm_and_its_runs():
    sentence = cell_findings.ladder_sentence(LADDER, "seg_gt", "SEG")
    assert "touching cells left joined, there is SEG 0.400" in sentence
    assert "is gap: 0.800 (0.780 to 0.820), from 3 runs a fold." in sentence
    single = cell_findings.ladder_sentence(summary(n_seeds=1, gap=0.8), "seg_gt", "SEG")
    assert "from a single run a fold" in single
    mean = cell_findings.ladder_sentence(summary(**{"gap + seeds": 0.9}), "seg_gt", "SEG")
    assert "from the mean over runs a fold" in mean
    none = cell_findings.ladder_sentence(summary(silver_truth=1.0), "seg_gt", "SEG")
    assert none.endswith("No arm has been scored on this fold.")


def test_sentence_of_the_foreground_sets_the_ceiling_beside_it():
    rows = [("gap", "foreground_iou", 0.8), ("gap", "known_iou", 0.9), ("none", "known_iou", 0.99)]
    rows += [("gap", "iou_pooled", 0.82), ("none", "iou_pooled", 0.85)]
    rows += [("silver_truth", "foreground_iou", 1.0), ("none", "foreground_iou", 0.7)]
    table = pd.DataFrame(rows, columns=["arm", "metric", "mean"])
    table = table.assign(ci_low=table["mean"] - 0.1, ci_high=table["mean"] + 0.05)
    truth = pd.DataFrame({"video": ["01", "01", "02"], "tp": [4, 5, 8], "fp": [1, 0, 2], "fn": 0})
    sentence = cell_findings.foreground_sentence(table, truth)
    assert "is that of gap: IoU 0.800 (0.700 to 0.850)." in sentence
    assert "0.900 on video 01, 0.800 on video 02" in sentence
    assert "that of none is nearest: 0.850 (0.750 to 0.900)." in sentence
    assert sentence.endswith("gap reaches 0.900 (0.800 to 0.950).")
    short = cell_findings.foreground_sentence(table, truth[:0])
    assert short.endswith("that of none is nearest: 0.850 (0.750 to 0.900).")
    none = cell_findings.foreground_sentence(table[table.arm == "silver_truth"], truth)
    assert none == "No arm has been scored on this fold."


def test_false_pixels_near_missed_cells_are_counted():
    counts = pd.DataFrame(
        {
            "arm": ["a", "a", "a", "b"],
            "fold": ["01to02", "02to01", "02to01", "01to02"],
            "seed": ["0", "0", "mean", "0"],
            "turned": False,
            "chosen": True,
            "foreground_fp": [30, 10, 99, 7],
            "known_fp": [10, 10, 0, 7],
        }
    )
    assert "in the margin aside, 50% is near" in cell_findings.false_sentence(counts, "a", "video")
    assert cell_findings.false_sentence(counts, "c", "video") == ""


def test_published_score_is_said_to_be_of_other_videos():
    sentence = cell_findings.hidden_sentence()
    assert "0.7756" in sentence
    assert "hidden videos, after training on 20 partly annotated frames" in sentence


def test_outlined_cells_are_counted_once():
    rows = [
        ("silver_truth", "01to02", 12.0),
        ("silver_truth", "01to02", np.nan),
        ("silver_truth", "02to01", 9.0),
        ("silver_truth", "last", 5.0),
        ("none", "01to02", 12.0),
    ]
    counts = pd.DataFrame(rows, columns=["arm", "fold", "gold_true_cells"])
    assert cell_findings.outlined_sentence(counts, "video") == (
        "SEG rests on 21 cells that people outlined in 2 frames."
    )
    assert cell_findings.outlined_sentence(counts[1:2], "video") == ""


def test_margin_of_each_fold_is_said():
    constants = pd.DataFrame({"fold": ["01to02", "01to02", "02to01"], "margin": [51, 51, 49]})
    sentence = cell_findings.margin_sentence(constants)
    assert "51 px (fold 01to02) and 49 px (fold 02to01)" in sentence


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("a", "0", False), "a"),
        (("a", "mean", False), "a + seeds"),
        (("a", "mean", True), "a + seeds + turns"),
    ],
)
def test_names_of_readings_hold_their_arm(words, name):
    assert cell_scores.step_name(*words) == name
    assert cell_scores.base_arm(name) == "a"
