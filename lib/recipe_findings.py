"""Sentences of the report about the published recipe, made from the result tables."""

import numpy as np

from lib.claims import AT_SCAN, LONG, PUBLISHED_RECIPE
from lib.metrics import blind_guess
from lib.results import ONE_ANSWER, f1_of_runs
from lib.tables import fold_words, how_many_runs, interval, value_range

# What was trained for as long as the published run without augmentation, whatever it came to.
NOT_STOPPED = "none_1e-3_full"


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
        f"How much of an answer ignores the image: the share of the pixels that a run calls the "
        f"same in every test frame of fold {fold} (in brackets, the share that it calls cell): "
        f"{published}."
    )
    if tuned := _each_share(here, ("none_tuned", "augmented_tuned")):
        sentence += f" With the tuned recipe: {tuned}."
    others = shares[(shares.fold != fold) & shares.arm.isin(PUBLISHED_RECIPE)].share
    if len(others):
        alike = (others >= ONE_ANSWER).sum()
        sentence += (
            f" Published recipe, other folds: {ONE_ANSWER:.0%} or more in {alike} of "
            f"{how_many_runs(len(others))}."
        )
    return (
        f"{sentence} Near 100 % a network does not see the cells, and rows of Table 1 that compare "
        "two such arms compare fixed patterns."
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
    last = histories.groupby(["arm", "seed"], sort=False)[["epoch", "updates"]].max().reset_index()
    each = ", ".join(
        f"{arm} with {value_range(ends.epoch, '.0f')} epochs or "
        f"{value_range(ends.updates / published, '.0%')} of the updates"
        for arm, ends in last[last.arm.isin(LONG)].groupby("arm", sort=False)
    )
    return f"{sentence} What comes later is shown by {each}." if each else sentence


def stopping_sentence(histories, published):
    """Say when the runs ended that the report's stopping rule ended, and whose weights they keep.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of one fold.
    published : pandas.DataFrame
        published_curves.csv.

    Returns
    -------
    str
        Empty where there is no such run.
    """
    parts = []
    for arm in (*LONG, "repeated_1e-3", "none", "none_1e-3"):
        last = histories[histories.arm == arm].groupby("seed").epoch.max()
        if not last.empty:
            parts.append(
                f"{arm} after {value_range(last, '.0f')} epochs with the weights of epoch "
                f"{value_range(_kept(histories, arm).epoch, '.0f')}"
            )
    if not parts:
        return ""
    theirs = published.epoch[(published.arm == "none") & (published.metric == "loss")].max()
    return (
        "**Stopping.** By the report's rule some arms end early, when the validation loss no "
        "longer falls: "
        f"{'; '.join(parts)}. The released code stops on the training loss, and its run without "
        f"augmentation went on to epoch {theirs}.{_not_stopped(histories)} What the others do "
        "with longer training is not known, and a difference between arms that each had their own "
        "epochs is one of length, too."
    )


def _not_stopped(histories):
    """Say whose weights the arm keeps that is not stopped early, with a blank before."""
    last = histories[histories.arm == NOT_STOPPED].epoch.max()
    kept = value_range(_kept(histories, NOT_STOPPED).epoch, ".0f")
    return (
        f" {NOT_STOPPED} goes on to epoch {last}, too, and keeps the weights of epoch {kept}."
        if last > 0
        else ""
    )


def published_sentence(summary, metrics, histories, published, shares, fold):
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
    shares : pandas.DataFrame
        From `results.one_answer`.
    fold : str

    Returns
    -------
    str
        Markdown, an item an arm; empty where none was trained for up to the published length.
    """
    long = histories[histories.arm.isin(LONG)].dropna(subset="val_loss")
    if long.empty:
        return ""
    lowest = long.groupby("arm").val_loss.min()
    best = lowest.idxmin()
    rate = long.learning_rate[long.arm == best].iloc[0]
    suffix, theirs = best.removeprefix("augmented"), published.set_index("id").value
    said, told = [], []
    for arm, name, words in (
        (f"augmented{suffix}", "augmented", "With augmentation"),
        (f"repeated{suffix}", "", "With exact copies, by the same stopping rule,"),
        (f"none{suffix}", "none", "Without augmentation"),
        (f"none{suffix}_full", "none", "Without it, not stopped before the published epoch,"),
    ):
        rows = summary[(summary.arm == arm) & (summary.metric == "mean_iou_pooled")]
        for iou in rows.itertuples():
            own = f"{words} {_each_run(metrics, arm, fold)}, mean IoU {interval(iou)}"
            if f"f1_{name}" in theirs:
                own += f" (published {theirs[f'f1_{name}']:g} and {theirs[f'iou_{name}']:g})"
            kept = _kept(histories, arm).updates
            said.append(f"{own}, weights of update {value_range(kept, '.0f')}.")
            told.append(arm)
    others = [f"{arm} {_each_run(metrics, arm, fold)}" for arm in lowest.index if arm != best]
    if others:
        said.append(f"At the other rates: {'; '.join(others)}.")
    every_pixel = summary[(summary.arm == "all_foreground") & (summary.metric == "f1_pooled")]
    said.append(
        f"Marking every pixel as cell scores F1 {every_pixel['mean'].iloc[0]:.3f}."
        f"{_blind_runs(shares[(shares.fold == fold) & shares.arm.isin(told)], rate)}"
    )
    lead = (
        f"Of the {len(lowest)} learning rates at which the published recipe with augmentation was "
        f"trained for up to the published length, {rate:.1g} has the run with the lowest "
        f"validation loss, {lowest[best]:.3f}. At that rate, {fold_words(fold)}:"
    )
    return "\n".join([lead, *(f"    - {item}" for item in said)])


def _blind_runs(shares, rate):
    """Name the runs that answer alike whatever the image shows, with a blank before."""
    blind = shares[shares.share >= ONE_ANSWER]
    names = ", ".join(f"{row.arm}/seed{row.seed}" for row in blind.itertuples())
    return names and (
        f" At the rate of {rate:.1g}, not seeing cells, calling {ONE_ANSWER:.0%} of the pixels or "
        f"more the same in every test frame: {names} ({len(blind)} of {len(shares)})."
    )


def _kept(histories, arm):
    """Take the epoch of each run whose weights are kept, that of the lowest validation loss."""
    own = histories[histories.arm == arm].dropna(subset="val_loss")
    return own.loc[own.groupby("seed").val_loss.idxmin()]


def _each_run(metrics, arm, fold):
    """Say what each run of an arm scores, and how many there are."""
    each = [f"{f1:.3f}" for f1 in f1_of_runs(metrics, arm, fold)]
    return f"F1 {', '.join(each)} in {how_many_runs(len(each))}"
