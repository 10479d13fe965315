"""What the captions of the report's figures say was found, written from the result files."""

import math

import pandas as pd

from lib import claims
from lib.instances import error_counts
from lib.metrics import COUNTS
from lib.scan import LEFT_PLATEAU
from lib.tables import interval, value_range


def covered_sentence(truth):
    """Say how much of a frame is cell.

    Parameters
    ----------
    truth : pandas.DataFrame
        truth.csv; empty where the data set has no markers.

    Returns
    -------
    str
    """
    shares = (truth.tp + truth.fn) / truth[list(COUNTS)].sum(axis=1)
    parts = [
        f"{own.min():.0%} to {own.max():.0%} in video {video}"
        for video, own in shares.groupby(truth.video)
    ]
    return f"Of a frame, cells cover {' and '.join(parts)}." if parts else ""


def sizes_sentence(split, fold):
    """Say how many frames a fold has on each side.

    Parameters
    ----------
    split : splits.Split
    fold : str

    Returns
    -------
    str
    """
    return (
        f"Fold {fold} has {len(split.train)} training, {len(split.validation)} validation and "
        f"{len(split.test)} test frames."
    )


def ends_sentence(histories, published, *, metric, column, split):
    """Say where the curves of the report's two arms end, here and as published.

    Curves of unlike length are compared at the end of the shorter one, too.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of one fold, from `results.read_histories`.
    published : pandas.DataFrame
        published_curves.csv.
    metric, split : str
        As in published_curves.csv.
    column : str
        Column of the histories that answers to them.

    Returns
    -------
    str
    """
    theirs = published[(published.metric == metric) & (published.split == split)]
    parts = []
    for published_arm, words, ours in (
        ("augmented", "with augmentation", ("augmented", *claims.LONG)),
        ("none", "without", ("none", "none_1e-3", "none_1e-3_full")),
    ):
        curve = theirs[theirs.arm == published_arm].set_index("epoch").value
        ends = [_end(arm, histories[histories.arm == arm], column, curve) for arm in ours]
        if any(ends):
            last = curve.index.max()
            here = ", ".join(end for end in ends if end)
            parts.append(f"published {words} {curve[last]:.2f} after {last} epochs, here {here}")
    return f"Where the {split} curves end: {'; '.join(parts)}." if parts else ""


def _end(arm, runs, column, curve):
    """Say where the curve of an arm ends, and where the published one was then, if it went on."""
    if runs.empty or curve.empty:
        return ""
    last = runs.sort_values("epoch").groupby("seed").last()
    end = f"{arm} {value_range(last[column], '.2f')} after {value_range(last.epoch, '.0f')}"
    if last.epoch.min() < curve.index.max():
        then = curve[last.epoch.clip(upper=curve.index.max())]
        end += f" (published {value_range(then, '.2f')} after as many)"
    return end


def equal_updates_sentence(histories, column, what):
    """Compare the arms none and augmented after about as many updates, the most that both have.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories of one fold.
    column : str
        Column of the histories.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    pair = histories[histories.arm.isin(["none", "augmented"])]
    shared = pair.groupby(["arm", "seed"]).updates.max().min()
    with_it = pair[(pair.arm == "augmented") & (pair.updates <= shared)].updates.max()
    reached = pair[pair.updates <= with_it].sort_values("updates").groupby(["arm", "seed"]).last()
    found = reached.groupby("arm")[["updates", column]].mean()
    if len(found) < 2:  # an arm is missing, or has an epoch longer than all that the other had
        return ""
    each = [
        f"{found[column][arm]:.3f} ({arm}, after {found.updates[arm]:.0f} updates)"
        for arm in ("none", "augmented")
    ]
    return (
        f"After about the most updates that every run of both has, {what} is {' and '.join(each)}."
    )


def overfitting_sentence(histories, arms):
    """Say how far above its lowest the validation loss of runs ends that left the plateau at ln 2.

    Parameters
    ----------
    histories : pandas.DataFrame
        Histories on the folds that are compared.
    arms : dict of str to tuple of str
        In words which arms, and their names; the last are those with augmentation.

    Returns
    -------
    str
    """
    parts, means = [], {}
    for words, names in arms.items():
        runs = histories[histories.arm.isin(names)].groupby(["arm", "fold", "seed"])
        left = [run for _, run in runs if claims.left_plateau(run)]
        rises = pd.Series([claims.overfitting(run) for run in left], dtype=float)
        if left:
            means[words] = rises.mean()
            parts.append(
                f"{means[words]:.2f} on average ({value_range(rises, '.2f')}) in {len(left)} of "
                f"the {len(runs)} runs {words}"
            )
    if not parts:
        return ""
    sentence = (
        f"Where the training loss left ln 2, the last validation loss lies above the lowest by "
        f"{'; '.join(parts)}."
    )
    augmented = means.pop(list(arms)[-1], math.nan)
    if means and all(mean > augmented for mean in means.values()):
        return f"{sentence} So on these folds augmentation holds off overfitting."
    if means and all(mean <= augmented for mean in means.values()):
        return f"{sentence} So on these folds augmentation does not hold off overfitting."
    return sentence


def left_sentence(histories):
    """Say which arms never have a validation loss clearly below ln 2.

    Parameters
    ----------
    histories : pandas.DataFrame

    Returns
    -------
    str
    """
    best = histories.groupby(["arm", "fold", "seed"], sort=False).val_loss.min()
    best = best.groupby("arm", sort=False).mean()
    left = [arm for arm, loss in best.items() if not loss < LEFT_PLATEAU]
    names = f"; not so {', '.join(left)}" if left else ""
    return (
        f"{len(best) - len(left)} of {len(best)} arms come clearly below ln 2, to less than "
        f"{LEFT_PLATEAU:.2f}, as a mean over runs{names}. A network comes that "
        "low without a look at the image, by where cells mostly lie."
    )


def range_sentence(histories, column, what):
    """Name the arms whose best epoch is the best and the worst of all arms.

    Parameters
    ----------
    histories : pandas.DataFrame
    column : str
        Column of the histories; the highest is the best.
    what : str
        Its name in words.

    Returns
    -------
    str
    """
    means = histories.groupby(["arm", "fold", "seed"])[column].max().groupby("arm").mean()
    means = means.dropna().sort_values(ascending=False)
    return (
        f"The best epoch of {means.index[0]} has the highest {what}, {means.iloc[0]:.3f} as a mean "
        f"over runs, that of {means.index[-1]} the lowest, {means.iloc[-1]:.3f}."
    )


def counts_sentence(effects, fold, names):
    """Count the differences between arms whose interval leaves out zero, and name the outermost.

    Parameters
    ----------
    effects : pandas.DataFrame
        From `claims.effects`.
    fold : str
    names : dict of str to str
        Metrics, and what they are called.

    Returns
    -------
    str
    """
    parts = []
    for metric, what in names.items():
        rows = effects[(effects.fold == fold) & (effects.metric == metric)].dropna(subset="mean")
        if rows.empty:
            continue
        above, below = int((rows.ci_low > 0).sum()), int((rows.ci_high < 0).sum())
        ends = rows.loc[[rows["mean"].idxmax(), rows["mean"].idxmin()]].itertuples()
        highest, lowest = (f"{interval(row, '+.3f')}, {row.what}" for row in ends)
        parts.append(
            f"Of {len(rows)} differences in {what}, {above} lie above zero with the whole of "
            f"their interval and {below} below it. Highest: {highest}. Lowest: {lowest}."
        )
    return " ".join(parts)


def frame_sentence(metrics, examples, fold):
    """Say what arms score on the frame of a figure.

    Parameters
    ----------
    metrics : pandas.DataFrame
        metrics.csv.
    examples : dict of str to dict
        Examples of seed 0 by arm, from `results.read_examples`; all of one frame.
    fold : str

    Returns
    -------
    str
        Empty where no run kept an example.
    """
    if not examples:
        return ""
    rows = metrics[(metrics.fold == fold) & (metrics.seed == 0) & (metrics.metric == "f1")]
    values = rows.set_index(["arm", "video", "frame"]).value
    scores = {
        arm: values[arm, str(example["video"]), int(example["frame"])]
        for arm, example in examples.items()
    }
    example = next(iter(examples.values()))
    place = f"Video {example['video']}, frame {example['frame']}, fold {fold}."
    low, high = min(scores, key=scores.get), max(scores, key=scores.get)
    if len(scores) < 5:
        each = ", ".join(f"{score:.3f} ({arm})" for arm, score in scores.items())
        return f"{place} F1 of this frame: {each}."
    return (
        f"{place} F1 of this frame is from {scores[low]:.3f} ({low}) to {scores[high]:.3f} "
        f"({high})."
    )


def errors_sentence(frames, found):
    """Count merges and splits of each arm in the frame whose outlines are drawn.

    Parameters
    ----------
    frames : dict
        The evenly spread ones of `cell_frames.read_frames`; the middle one is drawn.
    found : dict of str to dict
        By arm: cells by video and frame.

    Returns
    -------
    str
    """
    place = len(frames["pairs"]) // 2
    video, frame = frames["pairs"][place]
    parts = []
    for arm, cells in found.items():
        errors = error_counts(frames["labels"][place], cells[video, frame])
        parts.append(f"{arm} {errors['merges']} and {errors['splits']}")
    return f"Video {video}, frame {frame}. Merges and splits: {', '.join(parts)}."


def cost_sentence(costs, runs):
    """Name the arms at both ends of the line along the best, and how far the times can be trusted.

    Parameters
    ----------
    costs : pandas.DataFrame
        From `cell_scores.costs`.
    runs : pandas.DataFrame
        runs.csv.

    Returns
    -------
    str
    """
    known = costs.dropna(subset=["minutes", "mean"]).sort_values("minutes")
    if known.empty:
        return ""
    cheap, best = known.iloc[0], known.loc[known["mean"].idxmax()]
    sentence = (
        f"The cheapest is {cheap.arm}, {cheap['mean']:.3f} after {cheap.minutes:.1f} minutes, the "
        f"median of its runs; the best is {best.arm}, {best['mean']:.3f} after {best.minutes:.1f}."
    )
    trained = runs[runs.side == "test"]
    pace = (trained.minutes / trained.updates).groupby(trained.arm)
    ratio = (pace.max() / pace.min()).max()
    if not ratio >= 2:
        return sentence
    return (
        f"{sentence} An update of one arm took up to {ratio:.0f} times as long in one run as in "
        "another, by the processor and what else it had to do: medians leave that out in part."
    )
