"""Figures of lines and dots; `words` and `colours` are dicts by arm."""

import math
from textwrap import fill

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.data.files import PARAMS, read_table
from lib.page.style import GREY, INK, style
from lib.page.values import number

LN2 = math.log(2)  # the loss of a network that answers one half everywhere
SIDES = {"training": "#9ccbe8", "validation": "#0a5a8a"}
RUNS = {"units": "run", "estimator": None, "lw": 1.2}  # a line a run, no mean of several


def published_curves(metric, names):
    """Read a published curve, loss or f1: arm, run, side, epoch, value; `names` as `own_curves`."""
    curves = read_table(PARAMS / "published_curves.csv").rename(columns={"split": "side"})
    return _named(curves[curves.metric == metric].assign(run=0), names)


def own_curves(results, metric, fold, names):
    """Take curves of our runs, with updates as well; `names` maps arms to their words, in order."""
    columns = {metric: "training", f"val_{metric}": "validation", "seed": "run"}
    runs = results.histories.query("fold == @fold").rename(columns=columns)
    keys = ["arm", "run", "epoch", "updates"]
    return _named(runs.melt(keys, list(SIDES), var_name="side"), names)


def _named(curves, names):
    rows = [curves[curves.arm == arm].assign(arm=name) for arm, name in names.items()]
    return pd.concat([curves[:0], *rows], ignore_index=True)


@style()
@matplotlib.rc_context({"figure.constrained_layout.use": False})  # seaborn makes a layout itself
def curves_panel(rows, *, label, ylim, plateau=False):
    """Draw Figure 5 or 6, an arm a column; `rows` maps titles to curves, `plateau` marks ln 2."""
    curves = pd.concat(rows, names=["source", "row"]).reset_index()
    look = {"hue": "side", "palette": SIDES, "height": 2.4, "aspect": 1.6, **RUNS}
    look["facet_kws"] = {"legend_out": False}  # it would keep a margin for the legend
    grid = sns.relplot(curves, kind="line", x="epoch", y="value", row="source", col="arm", **look)
    grid.set(ylim=ylim, ylabel=label)
    grid.set_titles("{row_name}: {col_name}")
    sns.move_legend(grid, "lower center", bbox_to_anchor=(0.5, 1), ncols=2, title=None)
    for panel in grid.axes.flat:
        panel.grid(axis="y")
    if plateau:
        grid.refline(y=LN2, color=GREY, ls=":")
        panel.text(curves.epoch.max(), LN2, "ln 2", ha="right", va="bottom", color=GREY)
    plt.close(grid.figure)  # else a notebook would show it by itself
    return grid.figure


@style()
def f1_by_update(curves, *, colours, label):
    """Draw a validation score by update, a thin line a run; `colours` is by word of the arm."""
    figure, curves = Figure(figsize=(9, 3.8)), curves[curves.side == "validation"]
    look = {"hue": "arm", "palette": colours, "ax": figure.subplots(), "legend": False, **RUNS}
    panel = sns.lineplot(curves, x="updates", y="value", **look)
    panel.set(xscale="log", ylim=(0, 1), ylabel=label)
    panel.grid(axis="y")
    # Each arm is named beside the end of its longest run, or below the name that stands there.
    ends, free = curves.sort_values(["updates", "value"]).groupby("arm").value.last(), 1
    for arm, end in ends.sort_values(ascending=False).items():
        look = {"color": colours[arm], "va": "center", "transform": panel.get_yaxis_transform()}
        panel.text(1.01, min(end, free), arm, **look)
        free = min(end, free) - 0.07
    return figure


@style()
def interval_plot(table, *, words, colours, metrics, ceiling=""):
    """Draw means and 95 % intervals: an arm or a difference of two a row, a metric a panel.

    Of differences `words` is by pairs of arm and against. A single run's dot is hollow. A line
    marks zero for differences, else the score of the arm `ceiling`.
    """
    signed = "against" in table
    table = table.set_index(["arm", "against"] if signed else "arm")
    shown = [key for key in words if key in table.index]
    figure = Figure(figsize=(9, 1.1 + 0.4 * len(shown)))
    panels = figure.subplots(1, len(metrics), squeeze=False, sharex=True, sharey=True)[0]
    for panel, (metric, title) in zip(panels, metrics.items(), strict=True):
        _lay_rows(panel, [words[key] for key in shown])
        panel.set_title(title, weight="bold", pad=8)
        rows = table[table.metric == metric].reindex(shown)
        ink = [colours.get(arm, GREY) for arm in rows.index.get_level_values("arm")]
        look = {"c": np.where(rows.n_seeds == 1, "white", ink), "edgecolors": ink, "zorder": 2}
        panel.hlines(range(len(rows)), rows.ci_low, rows.ci_high, colors=ink, lw=2.2)
        panel.scatter(rows["mean"], range(len(rows)), s=24, **look)
        if signed or ceiling in rows.index:
            panel.axvline(0 if signed else rows["mean"][ceiling], color=INK, lw=1, ls=":")
        for place, mean in enumerate(rows["mean"]):
            said = "" if np.isnan(mean) else number(mean, "+.3f" if signed else ".3f")
            panel.text(1.02, place, said, va="center", transform=panel.get_yaxis_transform())
    return figure


@style()
def run_dots(runs, *, words, label):
    """Draw every run as a dot: arm, value, and sees_cells, where it is filled."""
    figure = Figure(figsize=(8, 1.3 + 0.7 * len(words)))  # room for eight dots in a row
    panel = figure.subplots()
    _lay_rows(panel, words.values())
    kinds = {"sees cells": INK, "one answer": "white"}
    seen = runs.sees_cells.map({True: "sees cells", False: "one answer"})
    runs = runs.assign(arm=runs.arm.map(words), kind=seen)
    look = {"hue": "kind", "palette": kinds, "size": 3.5, "linewidth": 0.8, "edgecolor": INK}
    sns.swarmplot(runs, x="value", y="arm", ax=panel, **look)
    panel.set(xlim=(-0.02, 1), xlabel=label, ylabel="")
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _lay_rows(panel, names):
    """Lay rows out from the top, every second one shaded, with the axis above them, too."""
    panel.set_yticks(range(len(names)), [fill(name, 42) for name in names])
    panel.set_ylim(len(names) - 0.5, -0.5)
    for place in range(0, len(names), 2):
        panel.axhspan(place - 0.5, place + 0.5, color="#f4f6f8", lw=0, zorder=0)
    panel.tick_params(left=False, top=True, labeltop=True)
    panel.spines[:].set_visible(False)
    panel.grid(axis="x")
