"""Sentences and tables of the report about cells, written from the result files."""

import pandas as pd

from lib import cell_figures, results
from lib.cell_frames import read_frames
from lib.cell_scores import shown_cells
from lib.paths import PARAMS


def hidden_sentence():
    """Say that the published SEG is of other videos than these."""
    values = pd.read_csv(PARAMS / "published.csv").set_index("id")
    return (
        f"The U-Net paper's SEG of {values.value['seg_unet']} was scored on the challenge's hidden "
        "videos, after training on both of these. The scores below are of one of these videos, "
        "after training on the other. They are not the same test, and neither beats the other."
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
    rows = summary[summary.metric == metric].dropna(subset="mean").set_index("arm")
    known = [arm for arm in rows.index if cell_figures.is_reference(arm)]
    arms = rows.drop(known)
    sentence = f"{what} from what knows nothing to what knows the labels. "
    for arm, words in (
        ("perfect_mask", "Every pixel right, but connected components as cells, scores"),
        ("silver_truth", "The silver truth, which networks learn from, scores"),
    ):
        if arm in rows.index:
            sentence += f"{words} {rows['mean'][arm]:.3f}. "
    if arms.empty:
        return f"{sentence}No arm has been scored on this fold."
    best = arms.loc[arms["mean"].idxmax()]
    runs = "a single run" if best.n_seeds == 1 else f"{best.n_seeds:.0f} runs"
    runs = "the mean over runs" if " + seeds" in best.name else runs
    return (
        f"{sentence}The best arm is {best.name}: {best['mean']:.3f} ({best.ci_low:.3f} to "
        f"{best.ci_high:.3f}), from {runs} a fold."
    )


def methods_table(methods):
    """Lay out the cross of arms and methods for reading.

    Parameters
    ----------
    methods : pandas.DataFrame
        From `cell_scores.cross`.

    Returns
    -------
    pandas.DataFrame
        An arm a row, a method a column, all text.
    """
    text = [
        f"{row.seg_gt:.3f} ({row.lowest:.3f} to {row.highest:.3f}) [{row.chosen:.0%}]"
        for row in methods.itertuples()
    ]
    wide = methods.assign(text=text).pivot_table(
        index="arm", columns="method", values="text", aggfunc="first", sort=False
    )
    return wide.reset_index().rename_axis(columns=None)


def strip_values(profile, runs, summary):
    """Name what the strip of neighbouring frames shows.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    summary : pandas.DataFrame
        Rows of one fold, from `cell_scores.summary`.

    Returns
    -------
    dict
        frames, their number; arm, whose cells are drawn.
    """
    _, folds = results.headline_folds(profile)
    frames = read_frames(profile.outputs / "cells" / f"frames_{folds[0]}.npz")["strip"]["pairs"]
    names = list(shown_cells(profile, runs, folds[0]))
    return {"frames": len(frames), "arm": cell_figures.choose_shown(names, summary)[-1]}
