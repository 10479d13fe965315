"""Figures made of lines: training curves of a run (5, 6), learning-rate scan, scores, effects."""

import math
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.claims import LONG
from lib.figures import WIDTH, arm_colour, style

LN2 = math.log(2)
FOLD_LOOKS = {
    "video": ("#000000", "s"),
    "01to02": ("#0072B2", "o"),
    "02to01": ("#D55E00", "o"),
    "last": ("#009E73", "^"),
    "random": ("#999999", "v"),
}
# Of what stands below each other in `draw_effects`, inches.
FOLD_HEIGHT, LINE_HEIGHT = 0.09, 0.12
# The arms that are drawn over the published curve of an arm.
OURS = {
    "augmented": ("augmented", *LONG),
    "none": ("none", "none_1e-3", "none_1e-3_full", "repeated", "repeated_1e-3", "none_matched"),
}
# Of these, those that answer to the number of updates, of an epoch or of the whole: drawn by that.
MATCHED = ("none_matched", "repeated", "repeated_1e-3")
PUBLISHED_COLOUR = "#aaaaaa"
SIDES = {"training": ("", "-"), "validation": ("val_", "--")}


@style()
def draw_history(history):
    """Draw loss and F1 of one run, training and validation, by update.

    Parameters
    ----------
    history : pandas.DataFrame
        From `training.train`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (loss, f1) = _panels(2)
    for side, (prefix, line) in SIDES.items():
        loss.plot(history.updates, history[f"{prefix}loss"], line, color="#0072B2", label=side)
        f1.plot(history.updates, history[f"{prefix}f1"], line, color="#0072B2", label=side)
    mark_plateau(loss)
    loss.set(xlabel="updates", ylabel="binary cross-entropy", ylim=(0, None))
    f1.set(xlabel="updates", ylabel="F1, pooled over the epoch", ylim=(0, 1))
    f1.legend(loc="best")
    return figure


@style()
def draw_published_curves(histories, published, *, metric, axis, column):
    """Draw Figure 5 (loss) or 6 (F1): ours over the published curves, an arm a panel.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of the arms of `OURS` on one fold, any number of seeds.
    published : pandas.DataFrame
        Curves read off the report's figures: metric, arm, split, epoch, value, updates.
    metric : {"loss", "f1"}
        Which published curve.
    axis : {"epoch", "updates"}
        What runs to the right.
    column : str
        Column of the histories that the published curve shows.

    Returns
    -------
    matplotlib.figure.Figure
        A line a run, in the colour of its arm: training whole, validation dashed.
    """
    if axis == "epoch":
        histories = histories[~histories.arm.isin(MATCHED)]
    drawn = [arm for names in OURS.values() for arm in names if arm in set(histories.arm)]
    figure, panels = _panels(2)
    for panel, (arm, names), letter in zip(panels, OURS.items(), "ab", strict=True):
        for side, (prefix, line) in SIDES.items():
            theirs = published[
                (published.metric == metric) & (published.arm == arm) & (published.split == side)
            ]
            panel.plot(theirs[axis], theirs.value, line, color=PUBLISHED_COLOUR)
            # The first lies on top, and lowest the arm that is the same for longer.
            for name in [name for name in reversed(names) if name in drawn]:
                for _, run in histories[histories.arm == name].groupby("seed"):
                    look = {"color": arm_colour(name), "lw": 1, "marker": ".", "ms": 4}
                    panel.plot(run[axis], run[prefix + column], line, **look)
        panel.set_title(f"({letter}) {'with' if arm == 'augmented' else 'without'} augmentation")
        panel.set_xlabel("epoch" if axis == "epoch" else "updates")
        if axis == "updates":
            # One range for both: how much further the arm with augmentation went is the point.
            panel.set(xscale="log", xlim=(100, 2 * published.updates.max()))
        if metric == "loss":
            mark_plateau(panel)
        # A network that marks nothing has the F1 0, which must not lie on the axis.
        panel.set_ylim((0, 1.7) if metric == "loss" else (-0.03, 1))
    panels[0].set_ylabel("binary cross-entropy" if metric == "loss" else "F1, mean over batches")
    signs = {side: ("black", line) for side, (_, line) in SIDES.items()}
    signs |= {"published": (PUBLISHED_COLOUR, "-")} | {arm: (arm_colour(arm), "-") for arm in drawn}
    handles = [Line2D([], [], color=colour, ls=line) for colour, line in signs.values()]
    figure.legend(handles, signs, loc="outside lower center", ncols=4)
    return figure


@style()
def draw_scan(trials):
    """Draw the learning-rate scan: loss at the end of each trial.

    Parameters
    ----------
    trials : pandas.DataFrame
        From `scan.table`, one fold.

    Returns
    -------
    matplotlib.figure.Figure
        It says so where there are no trials.
    """
    figure, (panel,) = _panels(1)
    if trials.empty:
        panel.set_axis_off()
        panel.text(0.5, 0.5, "no learning rate was searched for", ha="center", va="center")
        return figure
    for column, line, label in (
        ("loss", "-", "training, last epoch"),
        ("val_loss", "--", "validation, lowest"),
    ):
        panel.plot(
            trials.learning_rate, trials[column], line, marker="o", color="#0072B2", label=label
        )
    for rate in trials.learning_rate[trials.chosen]:
        panel.axvline(rate, color="#D55E00", lw=1, label="chosen")
    for rate in trials.learning_rate[trials.diverged]:
        panel.axvline(rate, color="#aaaaaa", ls=":", label="diverged")
    mark_plateau(panel)
    panel.set(xscale="log", xlabel="learning rate", ylabel="binary cross-entropy")
    panel.margins(y=0.3)
    legend_below(figure, panel)
    return figure


@style()
def draw_scores(summary, metric, label, published):
    """Draw the score of every arm with its interval, and the published one.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold, in the order of the arms.
    metric : str
        Metric of the summary.
    label : str
        Of the horizontal axis.
    published : dict of str to float
        Published values by arm; none where nothing was published on this fold.

    Returns
    -------
    matplotlib.figure.Figure
        Of mean IoU, which it is made for, a line marks what `image_blind` scores.
    """
    rows = summary[summary.metric == metric].reset_index(drop=True)
    figure = Figure(figsize=(WIDTH, 0.6 + 0.3 * len(rows)), layout="constrained")
    panel = figure.subplots()
    for place, row in rows.iterrows():
        colour = arm_colour(row.arm)
        panel.plot([row.ci_low, row.ci_high], [place, place], color=colour, lw=2)
        panel.plot(row["mean"], place, "o", color=colour, clip_on=False)  # 0 is on the axis
        panel.annotate(
            f"{row['mean']:.3f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
        if row.arm in published:
            panel.plot(published[row.arm], place, "D", mfc="none", mec="black")
    blind = (rows.arm == "image_blind") & rows.metric.str.startswith("mean_iou")
    for chance in rows["mean"][blind]:
        panel.axvline(chance, color="#888888", lw=0.8, ls=":", label="image_blind")
    panel.plot([], [], "o", color="#555555", label="this study, 95 % interval")
    if published:
        panel.plot([], [], "D", mfc="none", mec="black", ls="", label="published")
    panel.set(yticks=range(len(rows)), yticklabels=rows.arm, xlabel=label, xlim=(0, 1))
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.grid(axis="x")
    legend_below(figure, panel)
    return figure


@style()
def draw_effects(effects, metrics):
    """Draw the differences between arms as a forest plot: an effect a row, a metric a panel.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`: what, fold, metric, mean, ci_low, ci_high. Where it has them, arm and
        against stand below the name of the effect.
    metrics : dict of str to str
        Metrics of the panels, and what stands below each.

    Returns
    -------
    matplotlib.figure.Figure
        Black: the mean over the videos held out. Coloured: single folds. What lies beyond the
        `usual` range is an arrow at the edge, with its value.
    """
    folds = sorted(effects.fold.unique(), key=lambda fold: (fold != "video", fold))
    labels = {row.what: _effect_label(row) for row in effects.drop_duplicates("what").itertuples()}
    heights = [
        0.06 + max(FOLD_HEIGHT * len(folds), LINE_HEIGHT * (label.count("\n") + 1))
        for label in labels.values()
    ]
    ends = np.cumsum(heights)
    middles = dict(zip(labels, ends - np.divide(heights, 2), strict=True))
    figure = Figure(figsize=(WIDTH, 1 + sum(heights)), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    for panel, (metric, label) in zip(panels, metrics.items(), strict=True):
        rows = effects[effects.metric == metric]
        low, high = usual(pd.concat([rows.ci_low, rows.ci_high]))
        panel.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        for row in rows.itertuples():
            place = (folds.index(row.fold) - (len(folds) - 1) / 2) * FOLD_HEIGHT
            _draw_effect(panel, row, middles[row.what] + place, *FOLD_LOOKS[row.fold])
        panel.axvline(0, color="#555555", lw=0.8)
        panel.set_xlabel(label)
        panel.grid(axis="x")
    panels[0].set_yticks(list(middles.values()), labels.values(), fontsize=7)
    panels[0].set_ylim(sum(heights) or 1, 0)
    for fold in folds:
        colour, marker = FOLD_LOOKS[fold]
        words = "both videos held out" if fold == "video" else f"fold {fold}"
        panels[0].plot([], [], marker, color=colour, ls="-", label=words)
    legend_below(figure, panels[0])
    return figure


def usual(ends):
    """Range of the ends of intervals and zero, without those that would make the others small.

    Parameters
    ----------
    ends : pandas.Series

    Returns
    -------
    low, high : float
        Of the ends that are at most twice as far from zero as nine in ten are; -1 and 1 where
        nothing differs from zero.
    """
    near = [0, *ends[ends.abs() <= 2 * ends.abs().quantile(0.9)]]
    return (min(near), max(near)) if any(near) else (-1, 1)


def _draw_effect(panel, row, place, colour, marker):
    low, high = panel.get_xlim()
    panel.plot([row.ci_low, row.ci_high], [place, place], color=colour, lw=1.5)
    if low <= row.mean <= high:
        panel.plot(row.mean, place, marker, color=colour, ms=4, ls="")
    for edge, arrow, beyond in ((low, "<", row.ci_low < low), (high, ">", row.ci_high > high)):
        if beyond:
            panel.plot(edge, place, arrow, color=colour, ms=4, ls="", clip_on=False)
    if not low <= row.mean <= high:
        side, edge = ("right", high) if row.mean > high else ("left", low)
        inwards = (-4 if side == "right" else 4, 0)
        look = {"fontsize": 6, "color": colour, "ha": side, "va": "center_baseline"}
        box = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"}
        at = {"xytext": inwards, "textcoords": "offset points"}
        panel.annotate(f"{row.mean:.2f}", (edge, place), **at, **look, bbox=box)


def _effect_label(row):
    """Name of an effect, and below it the two arms where they are known."""
    arms = f"\n{row.arm} \N{MINUS SIGN} {row.against}" if hasattr(row, "against") else ""
    return fill(row.what, 54) + arms


def by_update(published, updates):
    """Give each point of the published curves its number of updates.

    Parameters
    ----------
    published : pandas.DataFrame
        metric, arm, split, epoch, value.
    updates : dict of str to int
        Updates in an epoch of each arm.

    Returns
    -------
    pandas.DataFrame
        The same with the column ``updates``.
    """
    return published.assign(updates=published.epoch * published.arm.map(updates))


def _panels(count):
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def mark_plateau(panel):
    """Draw a level line at ln 2, the loss of a network that answers one half everywhere."""
    panel.axhline(LN2, color="#888888", lw=0.8, ls=":")
    panel.annotate(
        "ln 2",
        (0.995, LN2),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=8,
    )


def legend_below(figure, panel):
    """Put the legend of a panel below the figure, each label once."""
    handles, labels = panel.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=4)
