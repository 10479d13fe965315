"""Sentences of the report, made from the result tables; no number in them is typed."""

from lib.metrics import COUNTS, scores
from lib.params import is_reference
from lib.results import made, uncompleted
from lib.tables import fold_words, how_many_runs, interval, shown_verdict


def data_sentence(profile, record, runs):
    """Say which images were used, how large the profile is, and how many runs stand behind it.

    Parameters
    ----------
    profile : params.Profile
    record : dict
        data.json.
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    str
    """
    settings = profile.settings
    seeds = settings["grid.seeds"]
    images = f"Images: {record['label']}."
    if record["source"] == "phantom":
        images = f"Not the original data: all of this was computed on the {record['label']}."
    often = "Each arm was run once: single runs." if seeds == 1 else f"{seeds} seeds an arm."
    to_do = runs.status == "not run"
    if to_do.any():
        often = (
            f"Unfinished: {to_do.sum()} of {len(runs)} planned runs are still to be done. Scores, "
            f"intervals and verdicts are those of the runs that are there, {_runs_each(runs)}."
        )
    names = ", ".join(
        f"{row.arm}/{row.fold}/seed{row.seed} {row.status}"
        for row in uncompleted(runs).itertuples()
    )
    failed = f" Not completed: {names}." if names else ""
    return (
        f"{images} Profile {profile.name}: {settings['image.size']} px, "
        f"{settings['model.filters']} filters at the first level. {often}{failed}"
    )


def _runs_each(runs):
    done = made(runs)
    counts = done[done.side == "test"].groupby(["arm", "fold"]).size()
    single = int((counts == 1).sum())
    return f"{single} of the {len(counts)} combinations of arm and fold with one run only"


def verdict_sentence(verdicts):
    """Count the verdicts of each kind of claim.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        From `claims.with_words`.

    Returns
    -------
    str
    """
    parts = []
    for kind, found in verdicts.groupby("kind", sort=False):
        counts = found.apply(shown_verdict, axis="columns").value_counts(sort=False)
        each = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        parts.append(f"{len(found)} on {kind}s ({each})")
    return (
        f"{len(verdicts)} statements of the report or about it, some of them one claim at several "
        f"learning rates or lengths: {'; '.join(parts)}."
    )


def code_sentence(runs):
    """Say how many commits made the runs, and whether files differed from them.

    Parameters
    ----------
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    str
    """
    commits, dirty = runs.commit.nunique(), count_dirty(runs)
    if not commits:
        return "The runs were not made in a repository."
    changed = f"{dirty} of them with" if dirty else "all without"
    return (
        f"The {len(made(runs))} finished runs come from {commits} commits, {changed} uncommitted "
        "changes; runs.csv names that of each."
    )


def count_dirty(runs):
    """Count the runs of runs.csv in which files differed from the commit; none has no record."""
    return int(runs.dirty.fillna(False).astype(bool).sum())


def page_footer(profile, runs):
    """Say at the foot of the page what it was made from, and where that is.

    Parameters
    ----------
    profile : params.Profile
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    str
        Markdown; addresses are those beside the page.
    """
    return (
        f"Profile {profile.name}. {code_sentence(runs)} Beside this page: the "
        "[notebook that it is made from](notebooks/06_report.ipynb), [every run](runs/) with its "
        "settings, curves and scores, [machine and packages](provenance.json), and the "
        "[digest of each file](checksums.txt). How to cite the study is in "
        "[CITATION.cff](../../CITATION.cff)."
    )


def truth_sentence(truth, pairs):
    """Say how many test cells the silver truth misses, and what a right prediction would score.

    Parameters
    ----------
    truth : pandas.DataFrame
        truth.csv, from `data_figures.truth_table`.
    pairs : list of tuple
        Video and frame number of the test frames.

    Returns
    -------
    str
    """
    wanted = set(pairs)
    test = truth[[pair in wanted for pair in zip(truth.video, truth.frame, strict=True)]]
    if test.empty:
        return "The data set has no markers that would tell which cells the silver truth misses."
    if not test.missed.any():
        return (
            f"The silver truth has all {test.cells.sum()} cells that are marked in the test frames."
        )
    best = scores(test[list(COUNTS)].sum())
    return (
        f"Of the {test.cells.sum()} cells that are marked in the {len(test)} test frames the "
        f"silver truth misses {test.missed.sum()}. A prediction that is right everywhere, those "
        f"cells included, would be scored about F1 {best['f1']:.3f} and mean IoU "
        f"{best['mean_iou']:.3f}, pooled: no more can be expected of one that is right."
    )


def best_sentence(summary, metric, what):
    """Name the arm with the highest score of a metric, and what is scored without looking.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of one fold.
    metric : str
        Metric of the summary.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    rows = summary[summary.metric == metric]
    networks = rows[~rows.arm.map(is_reference)]
    best = max(networks.itertuples(), key=lambda row: row.mean)
    floor = rows.set_index("arm")["mean"]
    return (
        f"The highest test {what}, {fold_words(best.fold)}, is that of {best.arm}: "
        f"{interval(best)}, from {how_many_runs(best.n_seeds)} a fold. Marking every pixel as cell "
        f"scores {floor['all_foreground']:.3f}, marking pixels at random, as often as is best for "
        f"mean IoU, {floor['image_blind']:.3f}."
    )
