"""Sentences of the report about the published recipe, made from the result tables."""

import numpy as np

from lib.claims import AT_SCAN, LONG, PUBLISHED_RECIPE
from lib.findings import fold_words
from lib.metrics import blind_guess
from lib.results import f1_of_runs
from lib.tables import how_many_runs, interval, value_range


def scan_sentence(trials):
    """Say which learning rate was chosen, and whether any left the plateau at ln 2.

    Parameters
    ----------
    trials : pandas.DataFrame
        scan.csv of one fold.

    Returns
    -------
    str
    """
    if trials.empty:
        return "No learning rate was searched for the published recipe on this fold."
    left, lost = int(trials.left_plateau.sum()), int(trials.diverged.sum())
    counts = (
        f"After {trials.updates.max()} updates {left or 'none'} of {len(trials)} rates left the "
        f"plateau at ln 2, and {lost or 'none'} diverged."
    )
    if not trials.chosen.any():
        return f"{counts} None can be used."
    chosen = trials[trials.chosen].iloc[0]
    rivals = "those that left it" if left else "all"
    return (
        f"{counts} Every arm of the published recipe that has no rate of its own uses "
        f"{chosen.learning_rate:g}, with the lowest validation loss of {rivals}, "
        f"{chosen.val_loss:.3f}, and a training loss of {chosen.loss:.3f}."
    )


def blind_sentence(summary, fold):
    """Set the arms of the published recipe at the scan's rate beside what looks at no network.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold.
    fold : str

    Returns
    -------
    str
    """
    f1 = summary[summary.metric == "f1_pooled"].set_index("arm")["mean"]
    arms = f1.reindex(list(AT_SCAN)).dropna()
    if arms.empty:
        return ""
    return (
        f"On {fold_words(fold)} the arms of the published recipe at the learning rate of the scan "
        f"score F1 {arms.min():.3f} to {arms.max():.3f}. Marking every pixel as cell scores "
        f"{f1['all_foreground']:.3f}, a threshold on how rough the image is "
        f"{f1['local_variance']:.3f}."
    )


def chance_sentence(summary, published, fold):
    """Say what guessing without a look at the image scores that has the published F1.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold.
    published : pandas.DataFrame
        published.csv.
    fold : str

    Returns
    -------
    str
        Empty where no guess has the published F1.
    """
    all_marked = summary[(summary.arm == "all_foreground") & (summary.metric == "f1_pooled")]
    highest = all_marked["mean"].iloc[0]
    theirs = published.set_index("id").value
    marked, iou = blind_guess(theirs.f1_none, highest / (2 - highest))
    if np.isnan(marked):
        return ""
    return (
        f"The published scores without augmentation, F1 {theirs.f1_none:g} and mean IoU "
        f"{theirs.iou_none:g}, are about those of a guess: marking {marked:.0%} of the pixels of "
        f"the test frames of {fold_words(fold)} at random scores F1 {theirs.f1_none:g} and mean "
        f"IoU {iou:.3f}."
    )


def one_answer_sentence(shares, fold):
    """Say how much of what arms answer is the same whatever the image shows.

    Parameters
    ----------
    shares : pandas.DataFrame
        From `results.one_answer`.
    fold : str
        Whose arms are named one by one.

    Returns
    -------
    str
        Empty where no arm of the published recipe was run on it.
    """
    here = shares[shares.fold == fold]
    published = _each_share(here, PUBLISHED_RECIPE)
    if not published:
        return ""
    sentence = (
        f"This share of the pixels gets one answer in all test frames of fold {fold}, whatever the "
        f"image shows, and in brackets what share of the pixels is called cell: {published}."
    )
    if tuned := _each_share(here, ("none_tuned", "augmented_tuned")):
        sentence += f" With the tuned recipe: {tuned}."
    others = shares[(shares.fold != fold) & shares.arm.isin(PUBLISHED_RECIPE)].share
    if len(others):
        sentence += f" Published recipe, other folds: {value_range(others, '.0%')}."
    return (
        f"{sentence} Where it is near 100 %, a network does not see the cells; rows of Table 1 "
        "that compare two such arms compare fixed patterns."
    )


def _each_share(shares, arms):
    parts = []
    for arm in arms:
        own = shares[shares.arm == arm]
        if len(own):
            parts.append(
                f"{arm} {value_range(own.share, '.0%')} ({value_range(own.marked, '.0%')})"
            )
    return ", ".join(parts)


def length_sentence(histories, settings, updates, epochs):
    """Say how much of the published training the arm with the published augmentation had.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of one fold.
    settings : dict
        Settings of the profile.
    updates : dict of str to int
        From `claims.published_epoch_updates`.
    epochs : int
        Of the published curve.

    Returns
    -------
    str
    """
    longest = histories.groupby("arm")[["epoch", "updates"]].max()
    if "augmented" not in longest.index:
        return ""
    own, published = longest.loc["augmented"], epochs * updates["augmented"]
    sentence = (
        f"The arm with the published augmentation had {own.epoch} epochs or {own.updates} updates, "
        f"{own.updates / published:.0%} of those of the published run ({epochs} epochs). What is "
        "said of the published recipe is said of that length, and of this profile's size: "
        f"{settings['image.size']} px, {settings['model.filters']} filters at the first level."
    )
    long = longest.reindex(list(LONG)).dropna()
    each = ", ".join(
        f"{arm} with {row.epoch:.0f} epochs or {row.updates / published:.0%} of the updates"
        for arm, row in long.iterrows()
    )
    return f"{sentence} What comes later is shown by {each}." if each else sentence


def published_sentence(summary, metrics, histories, published, fold):
    """Say what the published recipe scores at the learning rate at which it gets furthest.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold.
    metrics : pandas.DataFrame
        Tidy metrics of every run.
    histories : pandas.DataFrame
        Histories of that fold.
    published : pandas.DataFrame
        published.csv.
    fold : str

    Returns
    -------
    str
        Empty where no arm was trained for up to the published length.
    """
    long = histories[histories.arm.isin(LONG)].dropna(subset="val_loss")
    if long.empty:
        return ""
    lowest = long.groupby("arm").val_loss.min()
    best = lowest.idxmin()
    rate = long.learning_rate[long.arm == best].iloc[0]
    theirs = published.set_index("id").value
    sentence = (
        f"Of the {len(lowest)} learning rates at which the published recipe with augmentation was "
        f"trained for up to the published length, {rate:.1g} has the lowest validation loss, "
        f"{lowest[best]:.3f}. Test scores at that rate, {fold_words(fold)}:"
    )
    suffix, said = best.removeprefix("augmented"), []
    for name, words in (
        ("augmented", "with augmentation"),
        ("repeated", "with exact copies, by the same stopping rule,"),
        ("none", "without augmentation"),
    ):
        rows = {row.metric: row for row in summary[summary.arm == f"{name}{suffix}"].itertuples()}
        if not rows:
            continue
        f1, iou = rows["f1_pooled"], rows["mean_iou_pooled"]
        runs = histories[histories.arm == f"{name}{suffix}"].set_index("updates")
        kept = runs.dropna(subset="val_loss").groupby("seed").val_loss.idxmin()
        own = (
            f"{words} F1 {interval(f1)} and mean IoU {interval(iou)}, after "
            f"{value_range(kept, '.0f')} updates"
        )
        if f"f1_{name}" in theirs:
            own += f" (published {theirs[f'f1_{name}']:g} and {theirs[f'iou_{name}']:g})"
        said.append(f"{own}, from {_each_run(metrics, f1.arm, fold)}")
    return f"{sentence} {'; '.join(said)}."


def _each_run(metrics, arm, fold):
    """Say how many runs of an arm there are, and what each scores where there are several."""
    each = [f"{f1:.3f}" for f1 in f1_of_runs(metrics, arm, fold)]
    runs = how_many_runs(len(each))
    return f"{runs} of F1 {', '.join(each)}" if len(each) > 1 else runs
