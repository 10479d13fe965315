"""What arms of a profile came to at the size of the original, in the profile full_size."""

import json

import pandas as pd

from lib import params, tables
from lib.effect_findings import changes_sentence, disagreement_sentence, opposed
from lib.paths import ROOT
from lib.plan import same_but
from lib.results import headline_folds
from lib.tables import value_range

TABLES = ("summary", "cells", "effects", "cells_effects", "runs")
SIZE = ("image.size", "model.filters", "training.precision")
# As committed, also where `lib.verify` has another folder for outputs.
FOLDER = ROOT / "outputs" / "full_size"


def read_larger(profile, record, folder=FOLDER):
    """Read what the profile full_size came to, where it is a larger version of this profile.

    Parameters
    ----------
    profile : params.Profile
    record : dict
        The data of this profile.
    folder : Path
        Outputs of full_size.

    Returns
    -------
    dict or None
        profile, and the tables summary, cells, effects, cells_effects, runs and first_epochs, the
        history of a run that was stopped, which is empty where there is none; None where the
        profile inherits another one, was not run, or was run on other images.
    """
    larger = params.load("full_size")
    if profile.name not in larger.parents or not (folder / "summary.csv").exists():
        return None
    images = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    if images["digests"] != record["digests"]:
        return None
    found = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
    first = folder / "runs" / "first_epochs.csv"
    found["first_epochs"] = pd.read_csv(first) if first.exists() else pd.DataFrame()
    return {"profile": larger} | found


def introduction(larger):
    """Say what was run at the larger size, and what else was different there.

    Parameters
    ----------
    larger : dict
        From `read_larger`.

    Returns
    -------
    str
    """
    settings, runs = larger["profile"].settings, larger["runs"]
    seeds = tables.how_many_runs(runs[runs.side == "test"].seed.nunique())
    cards = " or ".join(runs.processor.dropna().unique())
    precision = settings["training.precision"].removeprefix("mixed_")
    return (
        f"Does it take the size of the original? The profile full_size has arms of this page at "
        f"{settings['image.size']} px and {settings['model.filters']} filters, for as many "
        f"updates, {seeds} of each arm and fold, on one {cards}; a run took up to "
        f"{runs.minutes.max():.0f} minutes. Size is not all that differs there: the network "
        f"computes in {precision}, begins with other random weights, and has the learning rate "
        "that its own scans chose."
    )


def change_sentence(larger):
    """Say what the published augmentation does at the larger size, with the tuned recipe.

    Parameters
    ----------
    larger : dict
        From `read_larger`.

    Returns
    -------
    str
        Empty where it was not measured.
    """
    (headline, folds), settings = headline_folds(larger["profile"]), larger["profile"].settings
    own = larger["effects"][larger["effects"].id == "published_tuned"]
    said = changes_sentence(own, larger["cells_effects"], ["published_tuned"], headline, folds)
    if not said:
        return ""
    if opposed(own, folds, "f1_pooled"):
        said += f" {disagreement_sentence(own, folds, 'f1_pooled', 'F1')}"
    return f"At {settings['image.size']} px and {settings['model.filters']} filters, {said}"


def best_sentence(profile, summary, larger):
    """Say which of the arms that were run at both sizes has the highest F1 at each.

    Parameters
    ----------
    profile : params.Profile
    summary : pandas.DataFrame
        summary.csv of the profile.
    larger : dict
        From `read_larger`.

    Returns
    -------
    str
        Empty where an arm was run at one size alone.
    """
    pairs, parts = _pairs(profile, larger), []
    sides = (
        ("this page", profile, summary),
        ("the original", larger["profile"], larger["summary"]),
    )
    for side, (where, own, table) in enumerate(sides):
        arms, (headline, _) = [pair[side] for pair in pairs], headline_folds(own)
        rows = table[(table.fold == headline) & (table.metric == "f1_pooled")]
        rows = rows[rows.arm.isin(arms)].dropna(subset="mean")
        if rows.empty:
            return ""
        best = rows.loc[rows["mean"].idxmax()]
        parts.append(f"at the size of {where} {best['mean']:.3f} ({best.arm})")
    return f"The highest test F1 of these arms is {' and '.join(parts)}."


def size_table(profile, summary, cells, runs, larger):
    """Set arms beside the same arms at the larger size, on the folds that hold a video out.

    Parameters
    ----------
    profile : params.Profile
    summary, cells, runs : pandas.DataFrame
        summary.csv, cells.csv and runs.csv of the profile.
    larger : dict
        From `read_larger`.

    Returns
    -------
    pandas.DataFrame
        arm, size, filters, learning rate (of each fold), runs, and scores with their intervals, all
        text.
    """
    rows, there = [], [larger[name] for name in ("summary", "cells", "runs")]
    for here, arm in _pairs(profile, larger):
        rows.append(_row(profile, here, summary, cells, runs))
        rows.append(_row(larger["profile"], arm, *there))
    return pd.DataFrame(rows)


def _pairs(profile, larger):
    """List the arms of the profile with those at the larger size that differ in nothing else."""
    return [
        (here, arm)
        for arm in larger["profile"].settings["grid.arms"]
        for here in profile.settings["grid.arms"]
        if same_but(profile.arms[here], larger["profile"].arms[arm], SIZE)
    ]


def first_epochs_sentence(histories, larger):
    """Say how far the published recipe came at the larger size, and at that of the profile.

    Parameters
    ----------
    histories : pandas.DataFrame
        Of the profile, from `results.read_histories`.
    larger : dict
        From `read_larger`.

    Returns
    -------
    str
        Nothing where one of the two has no such run.
    """
    if larger["first_epochs"].empty:
        return ""
    there = larger["first_epochs"].iloc[-1]
    same = histories[(histories.arm == there.arm) & (histories.fold == there.fold)]
    here = same[same.updates == there.updates]
    if here.empty:
        return ""
    return (
        f"Of the published recipe, `{there.arm}` on fold {there.fold}, {there.epoch:.0f} epochs "
        f"were run at that size before the time was up, once: after {there.updates:.0f} updates "
        f"its training loss is {there.loss:.3f} and its validation F1 {there.val_f1:.3f}. At the "
        f"size of this page they are {value_range(here.loss, '.3f')} and "
        f"{value_range(here.val_f1, '.3f')} after as many updates, in "
        f"{tables.how_many_runs(len(here))}."
    )


def _row(profile, arm, summary, cells, runs):
    headline, folds = headline_folds(profile)
    own = runs[(runs.arm == arm) & (runs.side == "test")].groupby("fold").learning_rate.first()
    settings = profile.arms[arm]
    row = {
        "arm": arm,
        "size, px": str(settings["image.size"]),
        "filters": str(settings["model.filters"]),
        "learning rate": ", ".join(f"{own[fold]:g} ({fold})" for fold in folds if fold in own),
    }
    shown = ((summary, "f1_pooled"), (cells, "foreground_iou"), (cells, "seg_gt"))
    for table, metric in shown:
        found = table[(table.arm == arm) & (table.fold == headline) & (table.metric == metric)]
        if not found.empty:
            row.setdefault("runs", str(found.n_seeds.iloc[0]))
            row[tables.HEADS[metric]] = tables.interval(next(found.itertuples()))
    return row
