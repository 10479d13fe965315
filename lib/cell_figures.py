"""Figures of cells: the ladder from floor to ceiling, contours on images, what an arm costs."""

import math
from textwrap import fill

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from skimage.segmentation import find_boundaries

from lib.cell_scores import base_arm
from lib.figures import WIDTH, arm_colour, scale_bar, style
from lib.instances import overlaps_of
from lib.params import is_reference

# Okabe and Ito's colours, as of the arms.
TRUTH, FOUND, MERGED, SPLIT = "#56B4E9", "#E69F00", "#CC79A7", "#F0E442"
# One arm a target, which are drawn beside each other.
TARGETS = ("rigid_elastic", "gap", "gap_weighted", "border", "distance")
# Steps from the published recipe on, which are named where not every arm is.
STEPS = ("augmented", "none_tuned", "rigid_elastic", "gap", "gap_weighted", "known_25")
# What is no network and knows little, from what knows nothing on.
FLOOR = ("image_blind", "all_foreground", "local_variance", "perfect_mask", "previous_frame")


@style()
def draw_ladder(summary, metric, label):
    """Draw a measure of cells from the floor over the arms to the ceiling.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.
    metric : str
        One of `cell_scores.MEASURES`.
    label : str
        Of the horizontal axis.

    Returns
    -------
    matplotlib.figure.Figure
        Arms in the order of their means, between what is no network: circles with intervals.
    """
    rows = summary[summary.metric == metric].set_index("arm")
    ceiling = sorted((arm for arm in rows.index if is_ceiling(arm)), key=lambda a: rows["mean"][a])
    floor = [arm for arm in FLOOR if arm in rows.index]
    arms = rows.drop([*floor, *ceiling]).sort_values("mean").index
    order = [*floor, *arms, *ceiling]
    figure = Figure(figsize=(WIDTH, 0.7 + 0.24 * len(order)), layout="constrained")
    panel = figure.subplots()
    for place, arm in enumerate(order):
        row = rows.loc[arm]
        known = is_reference(arm)
        colour = "#777777" if known else arm_colour(base_arm(arm))
        panel.plot([row.ci_low, row.ci_high], [place, place], color=colour, lw=2)
        panel.plot(row["mean"], place, "s" if known else "o", color=colour, ms=5)
        panel.annotate(
            f"{row['mean']:.3f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
        )
    for edge in (len(floor), len(floor) + len(arms)):
        panel.axhline(edge - 0.5, color="#888888", lw=0.8, ls=":")
    panel.set(yticks=range(len(order)), yticklabels=order, xlabel=label, xlim=(0, 1))
    panel.set_ylim(-0.6, len(order) - 0.4)
    panel.grid(axis="x")
    return figure


def is_ceiling(arm):
    """Whether it is made from the labels that are scored: nothing trained on them gets beyond."""
    return arm == "silver_truth" or arm.startswith("perfect_gap_")


@style()
def draw_cost(costs, label):
    """Draw what an arm scores against how long its training took.

    Parameters
    ----------
    costs : pandas.DataFrame
        arm, minutes, mean, ci_low, ci_high.
    label : str
        Of the vertical axis.

    Returns
    -------
    matplotlib.figure.Figure
        A line joins the arms that no cheaper one beats. Their names, which stand at the right in
        the order of their scores, are bold; of the other arms, those of `STEPS` are named.
    """
    figure = Figure(figsize=(WIDTH, 4.5), layout="constrained")
    panel = figure.subplots()
    costs = costs.sort_values("minutes")
    best = costs[costs["mean"] == costs["mean"].cummax()]
    panel.plot(best.minutes, best["mean"], color="#999999", lw=1.2, zorder=0)
    for row in costs.itertuples():
        colour = arm_colour(base_arm(row.arm))
        panel.plot([row.minutes] * 2, [row.ci_low, row.ci_high], color=colour, lw=1)
        panel.plot(row.minutes, row.mean, "o", color=colour, ms=5)
    named = costs[costs.arm.isin([*best.arm, *STEPS])].sort_values("mean")
    for row, height in zip(named.itertuples(), np.linspace(0.02, 0.98, len(named)), strict=True):
        panel.annotate(
            row.arm,
            (row.minutes, row.mean),
            (1.06, height),
            textcoords="axes fraction",
            va="center",
            weight="bold" if row.Index in best.index else "normal",
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": arm_colour(base_arm(row.arm)),
                "lw": 0.5,
                "alpha": 0.5,
            },
        )
    panel.set(xscale="log", xlabel="training time of a run, minutes (median)", ylabel=label)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(axis="y")
    return figure


@style()
def draw_contours(image, labels, found, title, *, pixel_size=None):
    """Draw the cells that arms found in one frame, on its image, with what is wrong.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    labels : ndarray of int, shape (M, N)
        True cells.
    found : dict of str to ndarray of int, shape (M, N)
        Cells by arm.
    title : str
        Of the first panel, which has the true cells alone.
    pixel_size : float, optional
        As for `figures.draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
        A panel an arm: true outlines blue, found ones orange; found cells that hold several true
        ones filled pink, true cells that were cut in several yellow.
    """
    count = len(found) + 1
    # As few empty places as may be.
    columns = 2 if count <= 4 else min((3, 4), key=lambda number: -count % number)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, rows * (WIDTH / columns + 0.25) + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    nothing = np.zeros_like(labels)
    for panel, (name, cells) in zip(panels, {title: nothing, **found}.items(), strict=False):
        panel.imshow(with_contours(image, labels, cells), interpolation="nearest")
        panel.set_title(fill(name, round(88 / columns)))
    scale_bar(figure.axes[0], image, pixel_size)
    for panel in figure.axes:
        panel.set_axis_off()
    _legend(figure)
    return figure


@style()
def draw_strip(images, labels, found, frames, *, pixel_size=None):
    """Draw neighbouring frames of a window where cells touch, and what an arm found there.

    Parameters
    ----------
    images, labels, found : ndarray, shape (F, M, N)
        Windows of the frames, their true cells and the cells that were found.
    frames : list of int
        Numbers of the frames.
    pixel_size : float, optional
        As for `figures.draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
        Above the images, below the same with outlines, as in `draw_contours`.
    """
    figure = Figure(figsize=(WIDTH, 2 * WIDTH / len(frames) + 0.6), layout="constrained")
    panels = figure.subplots(2, len(frames), squeeze=False)
    for place, frame in enumerate(frames):
        grey = with_contours(images[place], np.zeros_like(labels[place]), None)
        panels[0, place].imshow(grey, interpolation="nearest")
        panels[0, place].set_title(f"frame {frame}")
        drawn = with_contours(images[place], labels[place], found[place])
        panels[1, place].imshow(drawn, interpolation="nearest")
    scale_bar(panels[0, 0], images[0], pixel_size)
    for panel in figure.axes:
        panel.set_axis_off()
    _legend(figure)
    return figure


def choose_shown(names, summary):
    """Choose a few of the readings whose cells are drawn; the best comes last.

    Parameters
    ----------
    names : list of str
        Readings of which cells were kept.
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.

    Returns
    -------
    list of str
        One a target, and the one with the highest SEG.
    """
    seg = summary[summary.metric == "seg_gt"].set_index("arm")["mean"]
    scored = [name for name in names if name in seg]
    best = max(scored or names, key=lambda name: seg.get(name, 0))
    return [*(name for name in TARGETS if name in names and name != best), best]


def choose_effects(effects, summary):
    """Leave out the effects of the mean over turns, but that on the arm with the highest SEG.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `cell_scores.effects`.
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.

    Returns
    -------
    pandas.DataFrame
    """
    seg = summary[summary.metric == "seg_gt"].set_index("arm")["mean"]
    turned = effects.id.str.startswith("turns_")
    best = max(effects.arm[turned].unique(), key=lambda arm: seg.get(arm, 0), default=None)
    return effects[~turned | (effects.arm == best)]


def with_contours(image, labels, cells):
    """Colour an image with true and found cells, as `draw_contours` describes.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    labels, cells : ndarray of int, shape (M, N)
        True and found cells.

    Returns
    -------
    ndarray of float, shape (M, N, 3)
        From 0 to 1.
    """
    grey = np.interp(image, np.percentile(image, [1, 99]), [0, 1])
    colours = np.repeat(grey[..., None], 3, axis=2)
    cells = np.zeros_like(labels) if cells is None else cells
    wrong = mistaken(labels, cells)
    for mask, colour in zip(wrong, (MERGED, SPLIT), strict=True):
        colours[mask] = 0.65 * colours[mask] + 0.35 * np.array(to_rgb(colour))
    for ids, colour in ((labels, TRUTH), (cells, FOUND)):
        colours[find_boundaries(ids, mode="inner")] = to_rgb(colour)
    return colours


def mistaken(labels, cells):
    """Mark the found cells that hold several true ones, and the true cells cut in several.

    Parameters
    ----------
    labels, cells : ndarray of int, shape (M, N)
        True and found instance ids.

    Returns
    -------
    merged, split : ndarray of bool, shape (M, N)
        One lies by more than half in the other, as for `instances.error_counts`.
    """
    overlaps = overlaps_of(labels, cells)
    true, found = np.unique(labels[labels > 0]), np.unique(cells[cells > 0])
    within = (2 * overlaps > overlaps.sum(axis=1, keepdims=True))[1:, 1:]
    cut = (2 * overlaps > overlaps.sum(axis=0, keepdims=True))[1:, 1:]
    merged = found[within.sum(axis=0) > 1]
    split = true[cut.sum(axis=1) > 1]
    return np.isin(cells, merged), np.isin(labels, split)


def _legend(figure):
    words = {"truth": TRUTH, "found": FOUND, "merged": MERGED, "split": SPLIT}
    handles = [
        figure.axes[0].plot([], [], "s", color=colour, label=word)[0]
        for word, colour in words.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
