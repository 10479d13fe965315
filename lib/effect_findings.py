"""Sentences of the report about differences between arms, made from the result tables."""

import pandas as pd

from lib.results import ONE_ANSWER
from lib.statistics import of_fold
from lib.tables import fold_words, how_many_runs, interval, runs_each

# Effects (params/claims.yaml) that answer whether augmentation makes it work: where both arms had
# as many updates or the same stopping rule, and where each had its own epochs.
LIKE_LENGTH = ("copies_3", "published_copies", "published_tuned")
OWN_LENGTH = ("own_epochs_3", "own_epochs_3_full")


def answer_sentences(summary, effects, cell_effects, runs, shares, fold, headline, folds):
    """Answer the question of the title by the differences that decide it.

    Parameters
    ----------
    summary : pandas.DataFrame
        Rows of the fold ``headline``.
    effects, cell_effects : pandas.DataFrame
        From `claims.effects` and `cell_scores.effects`.
    runs : pandas.DataFrame
        runs.csv.
    shares : pandas.DataFrame
        From `results.one_answer`.
    fold : str
        Of the report.
    headline, folds : str, list of str
        From `results.headline_folds`.

    Returns
    -------
    str
        Markdown, an item a difference; empty where none at like length was measured.
    """
    rows = [row for name in LIKE_LENGTH for row in _f1_row(effects, name, fold, headline)]
    if not rows:
        return ""
    against = opposed(effects, folds, "f1_pooled")
    higher = sum(row.ci_low > 0 and row.id not in against for row in rows)
    items = [
        f"    - {_change(row, effects, cell_effects, folds)}; {_place(row)}{_blind(row, shares)}."
        for row in rows
    ]
    for row in summary[
        (summary.arm == "none_tuned") & (summary.metric == "f1_pooled")
    ].itertuples():
        items.append(
            f"    - Without any augmentation the tuned recipe scores test F1 {interval(row)}, "
            f"{fold_words(row.fold)}."
        )
    for row in (row for name in OWN_LENGTH for row in _f1_row(effects, name, fold, headline)):
        own = of_fold(runs[runs.side == "test"], row.fold).groupby("arm").updates.mean()
        items.append(
            f"    - Not at like length, with {own[row.arm] / own[row.against]:.2g} times as many "
            f"updates: {_change(row, effects, cell_effects, folds)}; {_place(row)}"
            f"{_blind(row, shares)}."
        )
    lead = (
        "With as many updates or the same stopping rule on both sides the published augmentation "
        f"raises test F1 in {higher} of {len(rows)} comparison{'s' * (len(rows) > 1)}. A "
        "difference is undecided where its interval holds zero."
    )
    doubt = effects[effects.id.isin(against) & effects.id.isin(LIKE_LENGTH)]
    if len(doubt):
        items.append(f"    - {disagreement_sentence(doubt, folds, 'f1_pooled', 'F1')}")
    return "\n".join([lead, *items])


def changes_sentence(effects, cell_effects, ids, headline, folds):
    """Say what differences between arms do to pixels and to cells.

    Parameters
    ----------
    effects, cell_effects : pandas.DataFrame
        From `claims.effects` and `cell_scores.effects`.
    ids : sequence of str
        Effects; one that was not measured is left out.
    headline, folds : str, list of str
        From `results.headline_folds`.

    Returns
    -------
    str
    """
    rows = [row for name in ids for row in _f1_row(effects, name, headline, headline)]
    said = "; ".join(_change(row, effects, cell_effects, folds) for row in rows)
    runs = runs_each(pd.Series([row.n_seeds for row in rows]))
    return f"{said}. {fold_words(headline).capitalize()}, {runs} of each arm." if said else ""


def errors_sentence(effects, ids, fold):
    """Say what differences between arms do to the merges and the splits of a frame.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `cell_scores.effects`.
    ids : sequence of str
        Effects.
    fold : str

    Returns
    -------
    str
        Empty where none was measured.
    """
    rows = effects[effects.id.isin(ids) & (effects.fold == fold)].dropna(subset="mean")
    rows = rows[rows.metric.isin(["merges", "splits"])]
    parts = [
        f"{what}: " + ", ".join(f"{row.metric} {_judged(row)}" for row in own.itertuples())
        for what, own in rows.groupby("what", sort=False)
    ]
    return f"In a frame, {'; '.join(parts)}." if parts else ""


def _f1_row(effects, name, fold, headline):
    """Take the row of a difference in F1, on the fold that arms are compared on if it is there."""
    found = effects[(effects.id == name) & (effects.metric == "f1_pooled")]
    where = headline if (found.fold == headline).any() else fold
    return found[found.fold == where].itertuples()


def _change(row, effects, cell_effects, folds):
    """Say what a difference in F1 is, and those in SEG where cells were scored."""
    said = f"{row.what}: test F1 {_judged(row)}"
    if row.id in opposed(effects, folds, "f1_pooled"):
        said = f"{row.what}: test F1 {interval(row, '+.3f')}, the folds contradict each other"
    for cell in _same(row, cell_effects, "seg_gt"):
        said += f", SEG {_judged(cell)}"
        for uncut in _same(row, effects, "seg_st"):
            said += f", uncut {_judged(uncut)}"
    return said


def _same(row, effects, metric):
    """Take the row of the same difference on the same fold in another metric."""
    same = (effects.id == row.id) & (effects.fold == row.fold) & (effects.metric == metric)
    return effects[same].itertuples()


def _blind(row, shares):
    """Say so where most runs of both arms answer alike whatever the image shows."""
    here = of_fold(shares[shares.arm.isin([row.arm, row.against])], row.fold)
    both = here.groupby("arm").share.median()
    blind = len(both) == 2 and both.min() >= ONE_ANSWER
    return "; most runs of both give almost one answer whatever the image shows" if blind else ""


def _place(row):
    return f"{fold_words(row.fold)}, {how_many_runs(row.n_seeds)} each"


def _judged(row):
    direction = "higher" if row.ci_low > 0 else "lower" if row.ci_high < 0 else "undecided"
    return f"{interval(row, '+.3f')}, {direction}"


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
    where = f"{fold_words(fold)}, from {runs_each(rows.n_seeds)} of each arm"
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
    against = opposed(effects, folds, metric)
    rows = effects[effects.fold.isin(folds) & (effects.metric == metric)]
    each = [
        f"{found.what.iloc[0]} ("
        + ", ".join(f"{row.fold} {interval(row, '+.3f')}" for row in found.itertuples())
        + ")"
        for _, found in rows[rows.id.isin(against)].groupby("id", sort=False)
    ]
    if not each:
        return f"In test {what} the two folds contradict each other in no difference."
    return (
        f"Where the intervals of the two folds lie on opposite sides of zero, the mean decides "
        f"nothing. In test {what}: {'; '.join(each)}."
    )


def opposed(effects, folds, metric):
    """List the differences whose intervals lie on opposite sides of zero on two folds.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`.
    folds : list of str
    metric : str

    Returns
    -------
    list of str
        Their ids.
    """
    rows = effects[effects.fold.isin(folds) & (effects.metric == metric)].groupby("id", sort=False)
    return [name for name, row in rows if row.ci_low.max() > 0 > row.ci_high.min()]


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
        return "No arm has finished runs on both kinds of split, so the leak was not measured."
    items = "; ".join(f"`{row.arm}` {interval(row, '+.3f')}" for row in rows.itertuples())
    return (
        f"Test {what} on frames drawn at random, from {runs_each(rows.n_seeds)} of each arm, less "
        f"that on videos held out: {items}."
    )


def _effect(row):
    return f"{row.what} {interval(row, '+.3f')}"
