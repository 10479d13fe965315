"""Sentences of the report, made from the result tables; no number in them is typed."""

from lib.metrics import COUNTS, scores
from lib.results import made, uncompleted
from lib.tables import how_many_runs, interval, value_range

# Effects (params/claims.yaml) that answer whether augmentation makes it work.
ANSWERS = ("copies_3", "published_tuned")


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
        counts = found.verdict.value_counts(sort=False)
        each = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        parts.append(f"{len(found)} on {kind}s ({each})")
    return f"{len(verdicts)} statements of the report or about it: {', '.join(parts)}."


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
    as_committed = f"in {dirty} of them files differed from it" if dirty else "as it is there"
    return (
        f"Each of the {len(made(runs))} runs names the commit of its code, one of {commits} "
        f"(runs.csv), {as_committed}."
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


def answer_sentence(summary, effects, fold, headline):
    """Answer the question of the title by the differences that decide it.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of the fold ``headline``.
    effects : pandas.DataFrame
        From `claims.effects`.
    fold : str
        Of the report.
    headline : str
        On which arms are compared.

    Returns
    -------
    str
        Empty where none of the differences was measured.
    """
    said = []
    for name in ANSWERS:
        found = effects[(effects.id == name) & (effects.metric == "f1_pooled")]
        where = headline if (found.fold == headline).any() else fold
        for row in found[found.fold == where].itertuples():
            change, runs = interval(row, "+.3f"), how_many_runs(row.n_seeds)
            said.append(f"{row.what}, {change}, {fold_words(where)}, {runs} each")
    if not said:
        return ""
    without = summary[(summary.arm == "none_tuned") & (summary.metric == "f1_pooled")]
    start = "".join(
        f"On {fold_words(headline)} the tuned recipe scores test F1 {interval(row)} without any "
        "augmentation. "
        for row in without.itertuples()
    )
    return f"{start}What augmentation changes in test F1: {'; '.join(said)}."


def fold_words(fold):
    """Name a fold in words."""
    return "the mean of both videos held out" if fold == "video" else f"fold {fold}"


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


def effect_sentences(effects, fold, metric, what):
    """Say which differences between arms raise a score, which lower it, and which are undecided.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`.
    fold : str
        The fold, or ``video`` for the mean of those that hold a video out.
    metric : str
        Metric of the effects.
    what : str
        Its name in words.

    Returns
    -------
    str
        Markdown, an item a direction; empty where no effect was measured.
    """
    rows = effects[(effects.fold == fold) & (effects.metric == metric)].dropna(subset="mean")
    if rows.empty:
        return ""
    where = f"{fold_words(fold)}, from {_runs(rows.n_seeds)} of each arm"
    directions = {
        f"Raised test {what}": rows[rows.ci_low > 0],
        f"Lowered test {what}": rows[rows.ci_high < 0],
        "Undecided, the interval holds zero": rows[(rows.ci_low <= 0) & (rows.ci_high >= 0)],
    }
    items = [
        f"- {words}: " + "; ".join(_effect(row) for row in found.itertuples()) + "."
        for words, found in directions.items()
        if len(found)
    ]
    return "\n".join([f"On {where}:", "", *items])


def disagreement_sentence(effects, folds, metric, what):
    """Name the differences between arms that the two videos do not agree on.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`.
    folds : list of str
        Those that hold a video out.
    metric : str
        Metric of the effects.
    what : str
        Its name in words.

    Returns
    -------
    str
        Empty where no video, or only one, was held out.
    """
    if len(folds) < 2:
        return ""
    rows = effects[effects.fold.isin(folds) & (effects.metric == metric)]
    rows = rows[(rows.ci_low > 0) | (rows.ci_high < 0)]
    opposed = []
    for name, found in rows.groupby("what", sort=False):
        if found["mean"].min() < 0 < found["mean"].max():
            each = [f"{row.fold} {interval(row, '+.3f')}" for row in found.itertuples()]
            opposed.append(f"{name} ({', '.join(each)})")
    if not opposed:
        return (
            f"In test {what} no difference has an interval above zero on one fold and one below "
            "zero on the other."
        )
    return (
        f"Where the intervals of the two folds lie on opposite sides of zero, the mean decides "
        f"nothing. In test {what}: {'; '.join(opposed)}."
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
    rivals = {row.arm: row for row in rows.itertuples() if row.arm != "previous_frame"}
    best = max(rivals.values(), key=lambda row: row.mean)
    where = fold_words(best.fold)
    blind = rivals["image_blind"].mean
    return (
        f"The highest test {what}, {where}, is that of {best.arm}: {interval(best)}, "
        f"from {how_many_runs(best.n_seeds)} a fold; the labels of the frame before, which no "
        f"network sees, are left aside. Marking pixels at random scores {blind:.3f}."
    )


def leakage_sentence(leakage, metric, what):
    """Say how much higher arms score on frames drawn at random than on videos held out.

    Parameters
    ----------
    leakage : pandas.DataFrame
        From `claims.leakage`.
    metric : str
        Metric of the table.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    rows = leakage[leakage.metric == metric]
    if rows.empty:
        return "This profile has not both kinds of split, so the leak was not measured."
    items = "; ".join(f"`{row.arm}` {interval(row, '+.3f')}" for row in rows.itertuples())
    return (
        f"Test {what} on frames drawn at random, from {_runs(rows.n_seeds)} of each arm, less that "
        f"on videos held out: {items}."
    )


def _runs(counts):
    """Say how many runs there are of each of several things."""
    return "one run" if counts.max() == 1 else f"{value_range(counts, '.0f')} runs"


def _effect(row):
    return f"{row.what} {interval(row, '+.3f')}"
