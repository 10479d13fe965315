from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from lib.page import plots
from lib.page.style import contrast, legible, looks, save_figure

WORDS = {"a": "without", "b": "with"}
COLOURS = {"a": "#6b7780", "b": "#1f77b4"}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def curves(runs):
    rows = [
        (arm, run, side, epoch, 0.7 - epoch / 10)
        for arm in WORDS
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
    look = {"words": WORDS, "colours": COLOURS, "label": "loss", "ylim": (0, 1.6)}
    figure = plots.curves_panel(rows, **look, plateau=True)
    panels = figure.axes
    assert [panel.get_title("left") for panel in panels] == [
        "published: without",
        "published: with",
        "here: without",
        "here: with",
    ]
    # Two sides of each run, and the level of ln 2.
    assert [len(panel.lines) for panel in panels] == [3, 3, 7, 7]
    assert sum(texts(panel).count("ln 2") for panel in panels) == 1
    assert not any(map(texts, plots.curves_panel(rows, **look).axes))


def test_each_arm_is_named_once_at_the_end_of_its_longest_run_and_names_stay_apart():
    rows = [("a", 0, 10, 0.9), ("a", 0, 90, 0.2), ("a", 1, 40, 0.9), ("b", 0, 70, 0.21)]
    frame = pd.DataFrame(rows, columns=["arm", "run", "updates", "value"])
    figure = plots.f1_by_update(frame, words=WORDS, colours=COLOURS, label="F1", dashed=["b"])
    (panel,) = figure.axes
    assert texts(panel) == ["without", "with"]
    ends = {text.get_text(): text.xy for text in panel.texts}
    assert ends == {"without": (90, 0.2), "with": (70, 0.21)}
    low, high = (text.xyann[1] for text in panel.texts)
    assert high - low > 0.07
    assert [line.get_linestyle() for line in panel.lines] == ["-", "-", "--"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_names_are_moved_apart_in_their_order_and_not_out_of_the_panel(heights):
    placed = plots._spread(dict(enumerate(heights)), 0.075)
    order = sorted(placed, key=heights.__getitem__)
    apart = np.diff([placed[name] for name in order])
    assert (apart >= 0.075 - 1e-9).all()
    assert max(placed.values()) <= 1


def test_effects_stand_side_by_side_with_zero_the_axis_above_and_single_runs_hollow():
    rows = [interval("a", 0.2, metric="f1"), interval("a", -0.1, 1, metric="seg")]
    effects = pd.DataFrame(rows).assign(against="b")
    pairs = {("a", "b"): "a change", ("b", "a"): "one that was not measured"}
    metrics = {"f1": "F1", "seg": "SEG"}
    figure = plots.effect_plot(effects, pairs=pairs, metrics=metrics, colours=COLOURS)
    f1, seg = figure.axes
    assert [axis.get_title("left") for axis in (f1, seg)] == ["F1", "SEG"]
    assert [label.get_text() for label in f1.get_yticklabels()] == list(pairs.values())
    assert (texts(f1), texts(seg)) == (["+.200"], ["−.100"])
    assert f1.get_xlim() == seg.get_xlim()
    assert f1.xaxis.get_tick_params()["labeltop"]
    assert list(f1.lines[0].get_xdata()) == [0, 0]
    faces = [to_hex(axis.lines[-1].get_markerfacecolor()) for axis in (f1, seg)]
    assert faces == [COLOURS["a"], "#ffffff"]


def test_ladder_has_the_order_of_its_words_and_marks_the_ceiling():
    scores = pd.DataFrame([interval("labels", 0.96), interval("a", 0.6), interval("other", 0.1)])
    words = {"a": "a network", "absent": "not run", "labels": "the labels"}
    figure = plots.ladder(scores, words=words, colours=COLOURS, label="SEG", ceilings=["labels"])
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a network", "the labels"]
    assert texts(panel) == [".600", ".960"]
    markers = [line.get_marker() for line in panel.lines if line.get_marker() != "None"]
    assert markers == ["o", "s"]
    (dotted,) = [line for line in panel.lines if line.get_linestyle() == ":"]
    assert list(dotted.get_xdata()) == [0.96, 0.96]


def test_every_run_is_a_dot_and_hollow_where_it_does_not_see_cells():
    runs = pd.DataFrame({"arm": list("aab"), "value": [0.7, 0.1, 0.9], "sees_cells": [1, 0, 1]})
    look = {"words": WORDS, "colours": COLOURS, "label": "F1", "legend": ["sees", "not", "report"]}
    figure = plots.run_dots(runs, **look, published={"b": 0.89})
    lines = figure.axes[0].lines
    assert [float(line.get_xdata()[0]) for line in lines] == [0.1, 0.7, 0.9, 0.89]
    faces = [to_hex(line.get_markerfacecolor()) for line in lines[:3]]
    assert faces == ["#ffffff", COLOURS["a"], COLOURS["b"]]
    assert [text.get_text() for text in figure.legends[0].texts] == ["sees", "not", "report"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_figure_gives_the_same_small_file(tmp_path, suffix):
    for folder in ("one", "two"):
        scores = pd.DataFrame([interval("a", 0.6)])
        figure = plots.ladder(scores, words=WORDS, colours=COLOURS, label="SEG")
        save_figure(figure, tmp_path / folder / f"ladder.{suffix}")
    one, two = ((tmp_path / folder / f"ladder.{suffix}").read_bytes() for folder in ("one", "two"))
    assert one == two
    assert len(one) < 100_000
    assert b"<dc:date>" not in one


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_words_in_any_colour_are_read_on_white(colour):
    assert contrast(legible(colour)) >= 4.5
    assert contrast(colour) < 4.5 or legible(colour) == colour


def test_contrast_is_that_of_wcag():
    assert contrast("#000000") == pytest.approx(21)
    assert contrast("#777777") == pytest.approx(4.48, abs=0.01)


def test_looks_come_from_the_cards_of_a_profile():
    cards = {
        "a": SimpleNamespace(words="", colour="#000000"),
        "b": SimpleNamespace(**{"words": "with", "colour": "#1f77b4"}),
    }
    words, colours = looks(SimpleNamespace(cards=cards))
    assert words == {"a": "a", "b": "with"}
    assert colours == {"a": "#000000", "b": "#1f77b4"}
