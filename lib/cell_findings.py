"""Sentences and tables of the report about cells, written from the result files."""

import pandas as pd

from lib import cell_figures, results
from lib.cell_frames import read_frames
from lib.cell_scores import shown_cells
from lib.params import is_reference
from lib.paths import PARAMS
from lib.statistics import of_fold
from lib.tables import how_many_runs, interval

IOUS = ("foreground_iou", "known_iou", "iou_pooled")


def hidden_sentence():
    """Say that the published SEG is of other videos than these."""
    values = pd.read_csv(PARAMS / "published.csv").set_index("id").value
    return (
        f"The U-Net paper's SEG of {values['seg_unet']} was scored on the challenge's hidden "
        f"videos, after training on {values['frames_unet']:.0f} partly annotated frames. The "
        "scores below are of one public video, after training on the other. The tests differ, so "
        "the numbers cannot be ranked."
    )


def ladder_sentence(summary, metric, what):
    """Say where the best arm stands between floor and ceiling.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.
    metric : str
        One of `cell_scores.MEASURES`.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    rows = summary[summary.metric == metric].dropna(subset="mean")
    means = dict(zip(rows.arm, rows["mean"], strict=True))
    arms = rows[~rows.arm.map(is_reference)]
    sentence = ""
    for arm, words in (
        ("perfect_mask", "With every pixel right, but touching cells left joined, there is"),
        ("silver_truth", "The silver truth, which networks learn from, has"),
    ):
        if arm in means:
            sentence += f"{words} {what} {means[arm]:.3f}. "
    if arms.empty:
        return f"{sentence}No arm has been scored on this fold."
    best = _highest(arms)
    runs = "the mean over runs" if " + seeds" in best.arm else how_many_runs(best.n_seeds)
    return (
        f"{sentence}The best of {len(arms)} arms and averages, chosen by this very score and so a "
        f"little flattered, is {best.arm}: {interval(best)}, from {runs} a fold."
    )


def outlined_sentence(counts, fold):
    """Say how many cells SEG rests on.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `cell_scores.read_counts`.
    fold : str

    Returns
    -------
    str
        Empty where nobody outlined cells.
    """
    outlined = of_fold(counts[counts.arm == "silver_truth"], fold).gold_true_cells.dropna()
    if outlined.empty:
        return ""
    return (
        f"SEG rests on {outlined.sum():.0f} cells that people outlined in {len(outlined)} frames."
    )


def margin_sentence(constants):
    """Say which found cells are left out because no truth marks any where they are.

    Parameters
    ----------
    constants : pandas.DataFrame
        cells_constants.csv.

    Returns
    -------
    str
    """
    margins = constants.groupby("fold", sort=False).margin.first()
    each = " and ".join(f"{margin} px (fold {fold})" for fold, margin in margins.items())
    return (
        "The challenge marks cells only in its field of interest, which leaves out a margin of the "
        "frame. How wide it is shows on the training side, where every marked cell has a pixel at "
        f"least {each} away from the edge. Found cells that lie wholly nearer to the edge are left "
        "out from here on, with their foreground, for networks and baselines alike."
    )


def references_last(summary):
    """Put what is no network behind the arms."""
    known = summary.arm.map(is_reference)
    return pd.concat([summary[~known], summary[known]])


def foreground_sentence(summary, truth):
    """Say how near the best foreground comes to the silver truth, and how near any could.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.
    truth : pandas.DataFrame
        truth.csv; empty where the data set has no markers.

    Returns
    -------
    str
    """
    rows = summary[~summary.arm.map(is_reference)].dropna(subset="mean")
    rows = {name: rows[rows.metric == name] for name in IOUS}
    if rows["foreground_iou"].empty:
        return "No arm has been scored on this fold."
    best, cut = _highest(rows["foreground_iou"]), _highest(rows["iou_pooled"])
    known = _highest(rows["known_iou"][rows["known_iou"].arm == best.arm])
    sentence = (
        f"The foreground nearest to the silver truth, at a probability of one half, is that of "
        f"{best.arm}: IoU {interval(best)}. After it is cut into cells, that of {cut.arm} is "
        f"nearest: {interval(cut)}."
    )
    if not truth.empty:
        videos = truth.groupby("video")[["tp", "fp", "fn"]].sum()
        ceiling = ", ".join(
            f"{video.tp / video.sum():.3f} on video {name}" for name, video in videos.iterrows()
        )
        sentence += (
            f" A perfect prediction would reach only about {ceiling}, because the silver truth "
            f"misses cells. With the background near such cells not counted, {best.arm} reaches "
            f"{interval(known)}."
        )
    return sentence


def _highest(rows):
    """Take the row with the highest mean."""
    return max(rows.itertuples(), key=lambda row: row.mean)


def false_sentence(counts, arm, fold):
    """Say how much of an arm's false foreground is near cells that the silver truth misses.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `cell_scores.read_counts`.
    arm, fold : str

    Returns
    -------
    str
    """
    own = of_fold(counts, fold)
    own = own[(own.arm == arm) & own.chosen & ~own.turned & (own.seed != "mean")]
    false, known = own.foreground_fp.sum(), own.known_fp.sum()
    if not false:
        return ""
    return (
        f"Of the background that {arm} takes for cell, what it finds in the margin aside, "
        f"{(false - known) / false:.0%} is near a cell that people marked and the silver truth "
        "misses."
    )


def shown_frames(profile, runs, summary):
    """Read the frames of the first fold that figures show, and the cells found in them.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.

    Returns
    -------
    frames : dict
        From `cell_frames.read_frames`.
    found : dict of str to dict
        By reading: cells by video and frame.
    chosen : list of str
        Readings that are drawn, the best last.
    """
    _, folds = results.headline_folds(profile)
    frames = read_frames(profile.outputs / "cells" / f"frames_{folds[0]}.npz")
    found = shown_cells(profile, runs, folds[0])
    return frames, found, cell_figures.choose_shown(list(found), summary)
