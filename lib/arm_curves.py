"""Training curves of many arms by update, the axis on which arms are compared."""

import math

import seaborn
from matplotlib.figure import Figure

from lib.claims import PUBLISHED_RECIPE
from lib.curves import legend_below, mark_plateau
from lib.figures import WIDTH, arm_colour, style

# Arms that are read against each other share panels; what is in none of these comes last.
GROUPS = {
    "the published recipe": PUBLISHED_RECIPE,
    "augmentation, tuned": ("none_tuned", "augmented_tuned", "rigid", "elastic", "rigid_elastic"),
    "targets and weights": (
        "rigid_elastic",
        "gap",
        "gap_weighted",
        "gap_weighted_25",
        "gap_weighted_known",
        "border",
        "distance",
    ),
    "networks": ("rigid_elastic", "no_skip", "aspp", "unpadded"),
    "known_25, recipe": (
        "known_25",
        "gap_weighted_25",
        "known_25_field",
        "known_25_bare",
        "known_25_strong",
    ),
    "known_25, size, time": (
        "known_25",
        "known_25_long",
        "known_25_wide",
        "known_25_256",
        "known_25_constant",
        "known_25_256_constant",
        "known_25_average",
    ),
}
OTHERS = "further arms"


@style()
def draw_arms_by_update(histories, arms, *, metric, label):
    """Draw the validation curves of many arms by update.

    Parameters
    ----------
    histories : pandas.DataFrame
    arms : list of str
    metric : str
        Column of the histories.
    label : str
        Of the vertical axes.

    Returns
    -------
    matplotlib.figure.Figure
        A row of panels a group of arms, a panel a fold; a line an arm: the mean over seeds, with a
        band from the lowest to the highest seed where there are several.
    """
    groups, folds = group_arms(arms), list(histories.fold.unique())
    figure = Figure(figsize=(WIDTH, 0.4 + 1.9 * len(groups)), layout="constrained")
    rows = figure.subplots(len(groups), len(folds), squeeze=False, sharex=True, sharey="row")
    for row, (title, members) in zip(rows, groups.items(), strict=True):
        for panel, fold in zip(row, folds, strict=True):
            for arm in reversed(members):  # the first, which others are compared with, on top
                chosen = histories[(histories.arm == arm) & (histories.fold == fold)]
                _draw_seeds(panel, chosen, metric, color=arm_colour(arm), label=arm)
            panel.set_title(f"{title}, fold {fold}", loc="left")
            _set_scales(panel, metric)
        if metric != "val_loss" and _last_values(histories, members, metric).min() > 0.6:
            row[0].set_ylim(0.5, 1)  # where all learn, what differs lies close together
        # An arm may be missing from the last panel, when not all of its runs are done.
        lines = {line.get_label(): line for panel in row for line in panel.lines}
        shown = {arm: lines[arm] for arm in members if arm in lines}
        row[-1].legend(shown.values(), shown, loc="upper left", bbox_to_anchor=(1, 1))
    for panel in rows[-1]:
        panel.set_xlabel("updates")
    figure.supylabel(label)
    return figure


def group_arms(arms):
    """Sort arms into groups that are read against each other.

    Parameters
    ----------
    arms : list of str

    Returns
    -------
    dict of str to list of str
        Without the groups that have no arm of their own.
    """
    groups, placed = {}, set()
    for title, members in GROUPS.items():
        present = [arm for arm in members if arm in arms]
        if set(present) - placed:
            groups[title] = present
            placed |= set(present)
    rest = [arm for arm in arms if arm not in placed]
    return groups | {OTHERS: rest} if rest else groups


@style()
def draw_two_studies(histories, studies, *, metric, label):
    """Draw the validation curves of two studies over each other, an arm a panel.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of one fold, with the columns arm, seed and study. An arm that only one of the
        studies has gets a panel, too.
    studies : tuple of str
        The two, as in the column ``study``.
    metric : str
        Column of the histories.
    label : str
        Of the vertical axes.

    Returns
    -------
    matplotlib.figure.Figure
        Lines and bands as in `draw_arms_by_update`; blue and whole for the first study, orange and
        dashed for the second.
    """
    arms = list(histories.arm.unique())
    columns = min(3, len(arms))
    rows = math.ceil(len(arms) / columns)
    figure = Figure(figsize=(WIDTH, 0.6 + 2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    looks = {"color": "#0072B2", "ls": "-"}, {"color": "#D55E00", "ls": "--"}
    for panel, arm in zip(panels.flat, arms, strict=False):
        for study, look in zip(studies, looks, strict=True):
            chosen = histories[(histories.arm == arm) & (histories.study == study)]
            _draw_seeds(panel, chosen, metric, label=study, **look)
        panel.set_title(arm)
        _set_scales(panel, metric)
    for panel in panels.flat[len(arms) :]:
        panel.set_axis_off()
    # The lowest panel of a column need not be in the last row.
    for panel in panels.flat[max(0, len(arms) - columns) : len(arms)]:
        panel.set_xlabel("updates")
        panel.tick_params(labelbottom=True)
    figure.supylabel(label)
    legend_below(figure, panels[0, 0])
    return figure


def _draw_seeds(panel, runs, metric, **look):
    """Draw the mean over the seeds of an arm, and a band from the lowest to the highest."""
    band = {"errorbar": ("pi", 100), "err_kws": {"alpha": 0.15, "lw": 0}}
    look |= {"marker": ".", "ms": 5, "mew": 0, "legend": False}
    seaborn.lineplot(runs, x="updates", y=metric, ax=panel, **band, **look)
    panel.set(xlabel="", ylabel="")


def _last_values(histories, arms, metric):
    own = histories[histories.arm.isin(arms)].sort_values("updates")
    return own.groupby(["arm", "fold", "seed"])[metric].last()


def _set_scales(panel, metric):
    panel.set_xscale("log")
    if metric == "val_loss":
        mark_plateau(panel)
        panel.set_ylim(0, 1.2)
    else:
        panel.set_ylim(0, 1)
