"""Tables of the report: results laid out for reading, every cell as text."""

import pandas as pd

from lib.params import is_reference
from lib.results import made, uncompleted

# What the columns of tables are called.
HEADS = {
    "f1": "F1",
    "f1_pooled": "F1, pooled",
    "iou_pooled": "IoU, pooled",
    "mean_iou": "mean IoU",
    "mean_iou_pooled": "mean IoU, pooled",
    "seg_st": "SEG, silver truth",
    "seg_st_pooled": "SEG, silver truth",
    "seg_gt": "SEG, gold truth",
    "det_gt": "DET",
    "foreground_iou": "IoU",
    "known_iou": "IoU, known pixels",
}


# Behind a claim that was added once some test scores were known.
SEEN = {"": "", "others": " †", "first": " ‡"}
# Said of a difference that has the published sign, and not the published size.
IN_SIGN = "reproduced in sign"
# Said of what the report expects without a number.
SUPPORTED = "supported"


def how_many_runs(count):
    """Say how many runs, a single one as such."""
    return "a single run" if count == 1 else f"{count:.0f} runs"


def runs_each(counts):
    """Say how many runs there are of each of several things."""
    return "one run" if counts.max() == 1 else f"{value_range(counts, '.0f')} runs"


def fold_words(fold):
    """Name a fold in words."""
    return "the mean of both videos held out" if fold == "video" else f"fold {fold}"


def interval(row, style=".3f"):
    """Write a mean with its interval.

    Parameters
    ----------
    row : object
        With the attributes mean, ci_low and ci_high.
    style : str
        Format of the numbers.

    Returns
    -------
    str
        A dash where the mean was not measured.
    """
    if pd.isna(row.mean):
        return "–"
    text = f"{row.mean:{style}} ({row.ci_low:{style}} to {row.ci_high:{style}})"
    return text.replace("-", "\N{MINUS SIGN}")


def value_range(values, style):
    """Write the lowest and the highest of some values, or the one that they have in common."""
    values = values.dropna()
    if values.empty:
        return "–"
    low, high = (format(value, style) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def verdict_table(verdicts):
    """Lay out the verdicts for reading: the interval behind the value, counts without decimals.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        From `claims.with_words`.

    Returns
    -------
    pandas.DataFrame
        claim, verdict, published, reproduced, fold, runs, all text.
    """
    rows = [
        {
            "claim": row.claim + SEEN[row.seen],
            "verdict": shown_verdict(row),
            "published": "–" if pd.isna(row.published) else f"{row.published:g}",
            "reproduced (95 % interval)": _value(row),
            "fold": row.fold or "–",
            "runs": str(row.n_seeds or "–"),
        }
        for row in verdicts.itertuples()
    ]
    return pd.DataFrame(rows)


def scores_table(summary, fold, metrics):
    """Lay out the summary of a fold for reading: an arm a row, "mean (low to high)" in a cell.

    How many runs a row stands for is told of networks; a mean over seeds is one of all of them.

    Parameters
    ----------
    summary : pandas.DataFrame
    fold : str
    metrics : list of str

    Returns
    -------
    pandas.DataFrame
    """
    rows = summary[(summary.fold == fold) & summary.metric.isin(metrics)]
    wide = rows.assign(cell=[_score(row) for row in rows.itertuples()]).pivot_table(
        index="arm", columns="metric", values="cell", aggfunc="first", sort=False
    )
    wide = wide[metrics].rename(columns=HEADS)
    runs = rows.groupby("arm", sort=False).n_seeds.first()
    wide.insert(0, "runs", [_run_count(arm, runs[arm]) for arm in wide.index])
    return wide.reset_index().rename_axis(columns=None)


def folds_table(summary, folds, metrics):
    """Lay out several folds side by side for reading, as `scores_table` does one.

    Parameters
    ----------
    summary : pandas.DataFrame
    folds, metrics : list of str

    Returns
    -------
    pandas.DataFrame
        arm, then a column a metric and fold.
    """
    each = {fold: scores_table(summary, fold, metrics).set_index("arm") for fold in folds}
    columns = {
        f"{HEADS[metric]}, {fold}": each[fold][HEADS[metric]]
        for metric in metrics
        for fold in folds
    }
    # The order of the arms is that of the summary, though a fold may lack some.
    wide = pd.DataFrame(columns, index=summary.arm.drop_duplicates()).dropna(how="all")
    return wide.rename_axis("arm").reset_index()


def effects_table(effects, fold, metrics):
    """Lay out the effects on a fold for reading: an effect a row, "mean (low to high)" a metric.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`.
    fold : str
    metrics : dict of str to str
        Metrics, and what their columns are called.

    Returns
    -------
    pandas.DataFrame
        effect, arms, runs and the metrics, all text.
    """
    rows = []
    for what, found in effects[effects.fold == fold].groupby("what", sort=False):
        by_metric = {row.metric: row for row in found.itertuples()}
        first = next(iter(by_metric.values()))
        row = {"effect": what, "arms": f"{first.arm} − {first.against}"}
        row["runs"] = _run_count(first.arm, first.n_seeds)
        rows.append(
            row | {name: interval(by_metric[metric], "+.3f") for metric, name in metrics.items()}
        )
    return pd.DataFrame(rows, columns=["effect", "arms", "runs", *metrics.values()])


def answer_table(effects, cell_effects, ids, folds, headline):
    """Lay out the differences that answer the question of the study, with every fold beside.

    Parameters
    ----------
    effects, cell_effects : pandas.DataFrame
        From `claims.effects` and `cell_scores.effects`.
    ids : sequence of str
        Effects, in this order; one that was not measured is left out.
    folds : sequence of str
        Folds of the F1.
    headline : str
        Fold of SEG.

    Returns
    -------
    pandas.DataFrame
        difference (and how many runs each arm has), a column of F1 a fold, and SEG, all text.
    """
    f1 = effects[(effects.metric == "f1_pooled") & effects.fold.isin(folds)]
    seg = cell_effects[(cell_effects.metric == "seg_gt") & (cell_effects.fold == headline)]
    rows = []
    for name in ids:
        own, cells = f1[f1.id == name], seg[seg.id == name]
        found = pd.concat([own, cells])
        if found.empty:
            continue
        runs = value_range(found.n_seeds, ".0f")
        runs = "single runs" if runs == "1" else f"{runs} runs"
        row = {"difference": f"{found.what.iloc[0]} ({runs})"}
        for fold in folds:
            row[f"F1, {_fold_head(fold)}"] = _first_interval(own[own.fold == fold])
        rows.append(row | {f"SEG, {_fold_head(headline)}": _first_interval(cells)})
    return pd.DataFrame(rows)


def runs_overview(runs):
    """Sum up the runs of each arm and trial: how many, at what cost, and what became of them.

    Parameters
    ----------
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    pandas.DataFrame
        arm, folds, runs ("done of planned"), not completed (what became of which run), learning
        rate, updates, parameters, minutes of a run (lowest to highest), all text.
    """
    rows = []
    for arm, planned in runs.groupby("arm", sort=False):
        done = made(planned)
        rows.append(
            {
                "arm": arm,
                "folds": ", ".join(dict.fromkeys(planned.fold)),
                # Spaces at which no line breaks.
                "runs": f"{len(done)}\u00a0of\u00a0{len(planned)}",
                "not completed": ", ".join(
                    f"{row.fold}/seed{row.seed} {row.status}"
                    for row in uncompleted(planned).itertuples()
                ),
                "learning rate": ", ".join(
                    f"{rate:g}" for rate in sorted(done.learning_rate.dropna().unique())
                ),
                "updates": value_range(done.updates, ".0f"),
                "parameters": value_range(done.parameters, ".0f"),
                "minutes": value_range(done.minutes, ".1f"),
            }
        )
    return pd.DataFrame(rows)


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
    methods = methods.dropna(subset="seg_gt")
    text = [
        f"{row.seg_gt:.3f} ({row.lowest:.3f} to {row.highest:.3f}) [{row.chosen:.0%}]"
        if row.lowest < row.highest
        else f"{row.seg_gt:.3f} [{row.chosen:.0%}]"
        for row in methods.itertuples()
    ]
    wide = methods.assign(text=text).pivot_table(
        index="arm", columns="method", values="text", aggfunc="first", sort=False
    )
    return wide.reset_index().rename_axis(columns=None)


def _fold_head(fold):
    return "both videos" if fold == "video" else fold


def _first_interval(rows):
    """Write the only row of a difference, or a dash where it was not measured."""
    return next((interval(row, "+.3f") for row in rows.itertuples()), "–")


def _run_count(arm, seeds):
    if is_reference(arm):
        return "–"
    return "all" if arm.partition(" + ")[2].startswith("seeds") else str(seeds)


def shown_verdict(row):
    """Word a verdict for reading.

    A difference that is reproduced, but lies below the published one with the whole of its
    interval, is reproduced in sign; what the report expects without a number is supported.

    Parameters
    ----------
    row : object
        A row of `claims.with_words`.

    Returns
    -------
    str
    """
    if row.verdict == "reproduced" and pd.isna(row.published):
        return SUPPORTED
    smaller = row.kind == "difference" and row.ci_high < row.published
    return IN_SIGN if row.verdict == "reproduced" and smaller else row.verdict


def _value(row):
    if pd.isna(row.reproduced):
        return "–"
    if pd.isna(row.ci_low):
        return f"{row.reproduced:.4g}"
    if row.ci_low == row.ci_high:
        return f"{row.reproduced:.3f}"
    return f"{row.reproduced:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"


def _score(row):
    # Of thousands, as of splits of what knows nothing, no decimals are read.
    return interval(row, ".3f" if abs(row.mean) < 1000 else ".0f")
