from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lib.page import plots
from lib.page.style import GREY, INK, looks, save_figure

WORDS = {"a": "without", "b": "with"}
COLOURS = {"a": "#6b7780", "b": "#1f77b4"}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def curves(runs):
    rows = [
        (arm, run, side, epoch, 0.7 - epoch / 10)
        for arm in WORDS.values()
        for run in range(runs)
        for side in ("training", "validation")
        for epoch in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=["arm", "run", "side", "epoch", "value"])


def interval(arm, mean, n_seeds=3, **more):
    return {"arm": arm, "mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.1} | {
        "n_seeds": n_seeds,
        **more,
    }


def test_curves_have_a_panel_an_arm_and_source_a_line_a_run_and_ln_2_once():
    rows = {"published": curves(1), "here": curves(3)}
    figure = plots.curves_panel(rows, label="loss", ylim=(0, 1.6), plateau=True)
    panels = figure.axes
    assert [panel.get_title("left") for panel in panels] == [
        "published: without",
        "published: with",
        "here: without",
        "here: with",
    ]
    # Two sides of each run, and the level of ln 2.
    drawn = [[line for line in panel.lines if len(line.get_xdata())] for panel in panels]
    assert [*map(len, drawn)] == [3, 3, 7, 7]
    assert [text for panel in panels for text in texts(panel)] == ["ln 2"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["training", "validation"]
    without = plots.curves_panel(rows, label="loss", ylim=(0, 1.6))
    assert not any(map(texts, without.axes))
    assert not plt.get_fignums()


def test_curves_are_those_of_the_arms_asked_for_by_their_words_and_in_their_order():
    columns = ["arm", "fold", "seed", "epoch", "updates", "f1", "val_f1"]
    rows = [("a", "last", 0, 1, 10, 0.1, 0.2), ("b", "last", 3, 1, 20, 0.3, 0.4)]
    rows += [("a", "random", 0, 1, 10, 0.5, 0.6), ("other", "last", 0, 1, 10, 0.7, 0.8)]
    results = SimpleNamespace(histories=pd.DataFrame(rows, columns=columns))
    found = plots.own_curves(results, "f1", "last", {"b": "with", "a": "without"})
    wanted = [("with", 3, 20, "training", 0.3), ("with", 3, 20, "validation", 0.4)]
    wanted += [("without", 0, 10, "training", 0.1), ("without", 0, 10, "validation", 0.2)]
    columns = ["arm", "run", "updates", "side", "value"]
    assert list(found[columns].itertuples(index=False, name=None)) == wanted


def test_published_curves_have_both_sides_and_every_epoch():
    found = plots.published_curves("loss", {"none": "without", "augmented": "with"})
    assert list(found.arm.unique()) == ["without", "with"]
    sides = found.groupby(["arm", "side"]).epoch.agg(["min", "max", "size"])
    assert sides.to_numpy().tolist() == [[1, 26, 26]] * 4


def test_each_arm_is_named_once_with_its_colour_and_every_run_is_a_line():
    rows = [("without", 0, 10, 0.9), ("without", 0, 90, 0.2), ("without", 1, 40, 0.9)]
    frame = pd.DataFrame([*rows, ("with", 0, 70, 0.21)], columns=["arm", "run", "updates", "value"])
    frame = pd.concat([frame.assign(side=side) for side in ("training", "validation")])
    colours = {WORDS[arm]: colour for arm, colour in COLOURS.items()}
    figure = plots.f1_by_update(frame, colours=colours, label="F1")
    (panel,) = figure.axes
    drawn = [line for line in panel.lines if len(line.get_xdata())]
    assert [line.get_xdata().tolist() for line in drawn] == [[10, 90], [40], [70]]
    assert [line.get_color() for line in drawn] == [COLOURS[arm] for arm in "aab"]
    # The names stand at the ends of the lines, apart from each other.
    named = {text.get_text(): (text.get_position()[1], text.get_color()) for text in panel.texts}
    assert panel.get_legend() is None
    assert named == {"with": (0.21, COLOURS["b"]), "without": (pytest.approx(0.14), COLOURS["a"])}


def faces(panel):
    return [to_hex(colour) for colour in panel.collections[-1].get_facecolors()]


def test_effects_stand_side_by_side_with_zero_the_axis_above_and_single_runs_hollow():
    rows = [interval("a", 0.2, metric="f1"), interval("a", -0.1, 1, metric="seg")]
    effects = pd.DataFrame(rows).assign(against="b")
    pairs = {("b", "a"): "one that was not measured", ("a", "b"): "a change"}
    metrics = {"f1": "F1", "seg": "SEG"}
    figure = plots.interval_plot(effects, words=pairs, metrics=metrics, colours=COLOURS)
    f1, seg = figure.axes
    assert [axis.get_title("left") for axis in (f1, seg)] == ["F1", "SEG"]
    assert [label.get_text() for label in f1.get_yticklabels()] == ["a change"]
    assert (texts(f1), texts(seg)) == (["+.200"], ["−.100"])
    assert f1.get_xlim() == seg.get_xlim()
    assert f1.xaxis.get_tick_params()["labeltop"]
    assert list(f1.lines[0].get_xdata()) == [0, 0]
    assert f1.collections[0].get_segments()[0][:, 0].tolist() == pytest.approx([0.1, 0.3])
    assert faces(f1) + faces(seg) == [COLOURS["a"], "#ffffff"]


def test_scores_have_the_order_of_their_words_and_a_line_at_the_ceiling():
    scores = pd.DataFrame([interval("labels", 0.96), interval("a", 0.6), interval("other", 0.1)])
    words = {"a": "a network", "absent": "not run", "labels": "the labels"}
    look = {"colours": COLOURS, "metrics": {"seg": "SEG"}, "ceiling": "labels"}
    figure = plots.interval_plot(scores.assign(metric="seg"), words=words, **look)
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a network", "the labels"]
    assert texts(panel) == [".600", ".960"]
    assert faces(panel) == [COLOURS["a"], GREY]
    (dotted,) = panel.lines
    assert list(dotted.get_xdata()) == [0.96, 0.96]


def test_a_measure_that_one_pair_lacks_leaves_its_place_empty():
    rows = [interval("a", 0.2, metric="f1"), interval("a", 0.1, metric="seg")]
    rows = pd.DataFrame([*rows, interval("b", 0.2, metric="f1")])
    look = {"colours": COLOURS, "metrics": {"f1": "F1", "seg": "SEG"}}
    figure = plots.interval_plot(rows, words=WORDS, **look)
    assert [texts(panel) for panel in figure.axes] == [[".200", ".200"], [".100", ""]]


def test_every_run_is_a_dot_and_hollow_where_it_does_not_see_cells():
    runs = {"arm": list("aab"), "value": [0.7, 0.1, 0.9], "sees_cells": [True, False, True]}
    figure = plots.run_dots(pd.DataFrame(runs), words=WORDS, label="F1")
    (panel,) = figure.axes
    dots = [dots for dots in panel.collections if len(dots.get_offsets())]
    assert [dot.get_offsets()[:, 0].tolist() for dot in dots] == [[0.7, 0.1], [0.9]]
    found = [[to_hex(colour) for colour in dot.get_facecolors()] for dot in dots]
    assert found == [[INK, "#ffffff"], [INK]]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["without", "with"]
    names = {text.get_text() for text in panel.get_legend().texts}
    assert names == {"sees cells", "one answer"}


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("arms", [1, 2, 12])
def test_eight_runs_of_one_score_are_eight_dots(tmp_path, arms):
    names = {f"arm{number}": f"words {number}" for number in range(arms)}
    runs = {"arm": [*names] * 8, "value": [0.87] * 8 * arms, "sees_cells": [True] * 8 * arms}
    figure = plots.run_dots(pd.DataFrame(runs), words=names, label="F1")
    save_figure(figure, tmp_path / "runs.svg")
    rows = [dots.get_offsets()[:, 1] for dots in figure.axes[0].collections]
    assert [len(set(row)) for row in rows if len(row)] == [8] * arms


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_profile_without_any_of_the_arms_gets_empty_figures():
    columns = ["arm", "fold", "seed", "epoch", "updates", "f1", "val_f1"]
    results = SimpleNamespace(
        histories=pd.DataFrame([("a", "last", 0, 1, 9, 0.1, 0.2)], columns=columns)
    )
    none = plots.own_curves(results, "f1", "last", {})
    assert plots.f1_by_update(none, colours={}, label="F1").axes
    rows = {"published": curves(1), "here": plots.own_curves(results, "f1", "last", {"b": "with"})}
    assert len(plots.curves_panel(rows, label="F1", ylim=(0, 1)).axes) == 2
    scores = pd.DataFrame([interval("other", 0.6, metric="seg")])
    for table, words in ((scores, WORDS), (scores.assign(against="b"), {("a", "b"): "a change"})):
        look = {"words": words, "colours": COLOURS, "metrics": {"seg": "SEG"}}
        assert plots.interval_plot(table, **look).axes
    runs = pd.DataFrame({"arm": [], "value": [], "sees_cells": []})
    assert plots.run_dots(runs, words={}, label="F1").axes


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_figure_gives_the_same_small_file(tmp_path, suffix):
    scores = pd.DataFrame([interval("a", 0.6, metric="seg")])
    for folder in ("one", "two"):
        look = {"words": WORDS, "colours": COLOURS, "metrics": {"seg": "SEG"}}
        figure = plots.interval_plot(scores, **look)
        save_figure(figure, tmp_path / folder / f"ladder.{suffix}")
    one, two = ((tmp_path / folder / f"ladder.{suffix}").read_bytes() for folder in ("one", "two"))
    assert one == two
    assert len(one) < 100_000
    assert b"<dc:date>" not in one


def test_looks_come_from_the_cards_of_a_profile():
    cards = {
        "a": SimpleNamespace(words="", colour="#000000"),
        "b": SimpleNamespace(**{"words": "with", "colour": "#1f77b4"}),
    }
    words, colours = looks(SimpleNamespace(cards=cards))
    assert words == {"a": "a", "b": "with"}
    assert colours == {"a": "#000000", "b": "#1f77b4"}
