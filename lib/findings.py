"""Sentences of the report, made from the result tables; no number in them is typed."""

import pandas as pd

from lib.metrics import COUNTS, scores


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
    lost = runs[runs.status != "completed"]
    names = ", ".join(
        f"{row.arm}/{row.fold}/seed{row.seed} {row.status}" for row in lost.itertuples()
    )
    failed = f" Not completed: {names}." if names else ""
    return (
        f"{images} Profile {profile.name}: {settings['image.size']} px, "
        f"{settings['model.filters']} filters at the first level. {often}{failed}"
    )


def verdict_table(verdicts):
    """Lay out the verdicts for reading: the interval behind the value, counts without decimals.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        From `claims.with_words`.

    Returns
    -------
    pandas.DataFrame
        claim, published, reproduced, verdict, all text.
    """
    rows = [
        {
            "claim": row.claim,
            "published": "–" if pd.isna(row.published) else f"{row.published:g}",
            "reproduced (95 % interval)": _value(row),
            "verdict": row.verdict,
        }
        for row in verdicts.itertuples()
    ]
    return pd.DataFrame(rows)


def code_sentence(runs):
    """Say which commits made the runs, and whether files differed from them.

    Parameters
    ----------
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    str
    """
    commits = sorted({str(commit)[:10] for commit in runs.commit.dropna()})
    differed = int(runs.dirty.fillna(False).astype(bool).sum())
    return (
        f"Code: {', '.join(commits) or 'not in a repository'}; in {differed} of {len(runs)} runs "
        "files differed from the commit."
    )


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
        return "No arm asked for a scan: the learning rate was given."
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
        f"{counts} Every arm of the published recipe uses {chosen.learning_rate:g}, with the "
        f"lowest validation loss of {rivals}, {chosen.val_loss:.3f}, and a training loss of "
        f"{chosen.loss:.3f}."
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
    best = scores(test[list(COUNTS)].sum())
    return (
        f"Of the {test.cells.sum()} cells that are marked in the {len(test)} test frames the "
        f"silver truth misses {test.missed.sum()}. A prediction that is right everywhere, those "
        f"cells included, would be scored about F1 {best['f1']:.3f} and mean IoU "
        f"{best['mean_iou']:.3f}, pooled: that, and not 1, is the ceiling of what follows."
    )


def first_sentence(summary):
    """Compare the arms of the report and the tuned arms in a few sentences.

    Parameters
    ----------
    summary : pandas.DataFrame
        summary.csv of one fold.

    Returns
    -------
    str
        Markdown.
    """
    f1 = summary[summary.metric == "f1_pooled"].set_index("arm")["mean"]
    sentences = [
        _pair(f1, "none", "augmented", "With the published recipe, each arm for its own epochs,"),
        _pair(
            f1, "none", "none_matched", "Without augmentation but with as many updates as with it,"
        ),
        _pair(
            f1, "repeated", "augmented", "At equal updates, exact copies against augmented ones,"
        ),
        _pair(
            f1, "none_tuned", "augmented_tuned", "With an optimiser that works, at equal updates,"
        ),
    ]
    blind = "all_foreground"
    if blind in f1:
        sentences.append(f"Marking every pixel as cell scores {f1[blind]:.3f} without looking.")
    return " ".join(sentence for sentence in sentences if sentence)


def effect_sentences(verdicts, seeds):
    """Say for each claimed difference between arms whether its interval excludes zero.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        From `claims.with_words`.
    seeds : int
        Runs of each arm.

    Returns
    -------
    str
        Markdown, the number of runs and then an item an effect; empty where none was measured.
    """
    # Numbers from training curves have a margin of their own; differences are set against 0.
    effects = verdicts[(verdicts.rule == "above 0") & verdicts.reproduced.notna()]
    if effects.empty:
        return ""
    runs = "a single run" if seeds == 1 else f"{seeds} runs"
    items = [
        f"- {row.claim}: {row.reproduced:+.3f} (95 % interval {row.ci_low:+.3f} to "
        f"{row.ci_high:+.3f}), which {_direction(row)}."
        for row in effects.itertuples()
    ]
    return "\n".join([f"From {runs} of each arm:", "", *items])


def caption_scores(summary, metric, what):
    """Caption of a figure of scores: the best arm, and the best that looks at no network.

    Parameters
    ----------
    summary : pandas.DataFrame
        summary.csv of one fold.
    metric : str
        Metric of the summary.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    means = summary[summary.metric == metric].set_index("arm")["mean"]
    best = means.drop("previous_frame", errors="ignore").idxmax()
    return (
        f"Test {what} of every arm and baseline, with 95 % intervals. The highest is {best} with "
        f"{means[best]:.3f}, the labels of the frame before aside, which no network sees. "
        f"Diamonds: published."
    )


def _value(row):
    if pd.isna(row.reproduced):
        return "–"
    if pd.isna(row.ci_low):
        return f"{row.reproduced:g}"
    return f"{row.reproduced:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"


def _pair(scores, first, second, words):
    if first not in scores or second not in scores or pd.isna(scores[[first, second]]).any():
        return ""
    return (
        f"{words} test F1 is {scores[first]:.3f} (`{first}`) and {scores[second]:.3f} (`{second}`)."
    )


def _direction(row):
    if row.ci_low > 0:
        return "excludes zero: as claimed"
    if row.ci_high < 0:
        return "excludes zero: the opposite of what is claimed"
    return "includes zero: no effect shown"
