"""Scores of cells from the counts that `lib.cells` wrote: means, intervals, differences."""

import json

import pandas as pd

from lib import cell_frames, cells, claims
from lib.files import StateError
from lib.statistics import of_fold, summarise

# The last three are means over frames, the others are computed from all test frames together.
MEASURES = ("seg_gt", "det_gt", "seg_st_pooled", "iou_pooled", "foreground_iou", "known_iou")
MEASURES += ("splits", "merges", "count_error")
EFFECTS = ("seg_gt", "det_gt", "merges", "splits")
COUNTED = ("gold_jaccard", "gold_true_cells", "silver_jaccard", "silver_true_cells", "markers")
COUNTED += ("merged", "missed", "spurious", "count_error", "splits", "merges")
COUNTED += ("tp", "fp", "fn", "tn", "foreground_tp", "foreground_fp", "foreground_fn", "known_fp")


def read_counts(profile, runs):
    """Read the counts of every reading that was scored, and of what is no network.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        A row a frame and method: arm, fold, seed (text), turned, method, chosen, video, frame and
        the counts of `cell_counts.Truth.count`.

    Raises
    ------
    StateError
        If nothing was scored.
    """
    paths = [reading.path(profile.outputs) for reading in _scored(profile, runs)]
    if cells.references_done(profile, runs):
        paths.insert(0, cells.references_path(profile.outputs))
    if not paths:
        raise StateError(f"{profile.outputs / 'cells'}: no cells are scored; run `make report`")
    table = pd.concat(
        [pd.read_csv(path, dtype={"seed": str, "video": str}) for path in paths], ignore_index=True
    )
    return table.reindex(columns=[*cells.KEYS, "video", "frame", *COUNTED])


def _scored(profile, runs):
    """List the readings whose counts were made from these runs; those of other settings stay."""
    found = cells.readings(profile, runs)
    return [reading for reading in found if cells.is_done(reading, profile.outputs)]


def step_name(arm, seed, turned):
    """Name what cells were cut out of, as figures and tables do.

    Parameters
    ----------
    arm, seed : str
        The seed is a number or ``mean``.
    turned : bool

    Returns
    -------
    str
    """
    return arm + (" + seeds" if seed == "mean" else "") + (" + turns" if turned else "")


def tidy(counts):
    """Make a tidy table of what each reading scores with the method that was chosen for it.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `read_counts`.

    Returns
    -------
    pandas.DataFrame
        arm (from `step_name`), fold, seed, video, frame, metric, value.
    """
    chosen = counts[counts.chosen]
    names = [step_name(*key) for key in zip(chosen.arm, chosen.seed, chosen.turned, strict=True)]
    return chosen.assign(arm=names).melt(
        id_vars=["arm", "fold", "seed", "video", "frame"],
        value_vars=list(COUNTED),
        var_name="metric",
    )


def summary(table, *, block, resamples):
    """Compute mean and 95 % interval of every measure, by reading and fold.

    Parameters
    ----------
    table : pandas.DataFrame
        From `tidy`.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        As `statistics.summarise`, with the metrics of `MEASURES`.
    """
    return summarise(table, block=block, resamples=resamples, names=MEASURES)


def effects(table, *, block, resamples):
    """Measure what each difference between arms, and the mean over turns, does to the cells.

    Parameters
    ----------
    table : pandas.DataFrame
        From `tidy`.
    block, resamples : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        As `claims.effects`, with the metrics of `EFFECTS`.
    """
    turned = [
        {
            "id": f"turns_{arm}",
            "what": f"mean over flips and turns, {arm}",
            "arm": step_name(arm, "0", True),
            "against": arm,
        }
        for arm in table.arm.unique()
        if step_name(arm, "0", True) in set(table.arm)
    ]
    stated = [*claims.read_effects()[0], *turned]
    return claims.effects(table, stated, EFFECTS, block=block, resamples=resamples)


def cross(counts, fold):
    """Score every arm with every way to come from probabilities to cells.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `read_counts`.
    fold : str
        ``video`` is the mean of the folds that hold a video out.

    Returns
    -------
    pandas.DataFrame
        arm, method, seg_gt (mean over seeds, of those that every fold has), lowest, highest, chosen
        (share of the runs for which the validation frames chose the method).
    """
    single = of_fold(counts, fold)
    # What is no network has no method.
    single = single[~single.turned & (single.seed != "mean")].dropna(subset="method")
    sums = single.groupby(["arm", "method", "seed", "fold"], sort=False).agg(
        jaccard=("gold_jaccard", "sum"), cells=("gold_true_cells", "sum"), chosen=("chosen", "mean")
    )
    sums["seg_gt"] = sums.jaccard / sums.cells
    by_seed = sums.groupby(["arm", "method", "seed"], sort=False)[["seg_gt", "chosen"]]
    # One video is no mean of both.
    runs = by_seed.mean()[by_seed.size() == single.fold.nunique()]
    found = runs.groupby(["arm", "method"], sort=False)
    seg = found.seg_gt
    table = pd.DataFrame(
        {
            "seg_gt": seg.mean(),
            "lowest": seg.min(),
            "highest": seg.max(),
            "chosen": found.chosen.mean(),
        }
    )
    return table.reset_index()


def base_arm(name):
    """Arm of a reading's name, from `step_name`."""
    return name.partition(" + ")[0]


def costs(summary, runs, metric):
    """Set what each arm scores beside how long its training took.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold, from `summary`.
    runs : pandas.DataFrame
        runs.csv.
    metric : str

    Returns
    -------
    pandas.DataFrame
        arm, minutes (the median over the runs on that fold, of which some had to share the
        machine), mean, ci_low, ci_high. Means over turns need no training of their own, and means
        over seeds that of all.
    """
    trained = runs[(runs.side == "test") & runs.minutes.notna()]
    trained = of_fold(trained, summary.fold.iloc[0])
    minutes = trained.groupby("arm").minutes.median()
    seeds = trained.groupby("arm").seed.nunique()
    rows = summary[summary.metric == metric].copy()
    rows["minutes"] = [
        minutes.get(base_arm(name), float("nan"))
        * (seeds.get(base_arm(name), 1) if " + seeds" in name else 1)
        for name in rows.arm
    ]
    columns = ["arm", "minutes", "mean", "ci_low", "ci_high"]
    return rows.dropna(subset=["minutes", "mean"])[columns].reset_index(drop=True)


def constants_table(profile, runs):
    """List the constants that were chosen, with the score that they were chosen for.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    pandas.DataFrame
        A row a reading and method: arm, fold, seed, turned, method, threshold, marker, smallest,
        grow, split, validation_seg, margin (of the fold, from `instances.field_margin`).
    """
    rows = []
    for reading in _scored(profile, runs):
        path = reading.path(profile.outputs).with_suffix(".json")
        record = json.loads(path.read_text(encoding="utf-8"))
        keys = {key: getattr(reading, key) for key in ("arm", "fold", "seed", "turned")}
        rows += [
            keys
            | {"method": method}
            | chosen
            | {"validation_seg": record["validation_seg"][method], "margin": record["margin"]}
            for method, chosen in record["constants"].items()
        ]
    return pd.DataFrame(rows)


def shown_cells(profile, runs, fold):
    """Read the cells that were found in the frames that are shown.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run
    fold : str

    Returns
    -------
    dict of str to dict
        By name, from `step_name`, of the first seed or of the mean: cells by video and frame.
    """
    found = {}
    for reading in _scored(profile, runs):
        path = reading.path(profile.outputs).with_suffix(".npz")
        if reading.fold == fold and path.exists():
            name = step_name(reading.arm, str(reading.seed), reading.turned)
            found[name] = cell_frames.read_cells(path)
    return found
