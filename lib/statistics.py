"""Intervals: the bootstrap over seeds and blocks of neighbouring frames.

Neighbouring frames of a time lapse are near copies, so that frames drawn one by one would make the
interval far too narrow; they are drawn in blocks (Künsch 1989, 10.1214/aos/1176347265). With one
seed the interval says nothing of how a second run would differ, and with two videos nothing of
how a third would.
"""

import numpy as np
import pandas as pd

from lib import metrics
from lib.instances import MISS_COST, SPLIT_COST, SPURIOUS_COST

# Pixel scores as means over frames and pooled over all pixels; SEG as the mean over frames.
METRICS = [name for score in metrics.SCORES for name in (score, f"{score}_pooled")] + ["seg_st"]


def _share(part, whole):
    return part / whole


def _det(markers, merged, missed, spurious):
    """Compute DET as `instances.pooled_det`, of many draws at once."""
    empty = MISS_COST * markers
    cost = SPLIT_COST * merged + MISS_COST * missed + SPURIOUS_COST * spurious
    return 1 - np.minimum(cost, empty) / empty


# Metrics that are computed from the sums of counts over frames: the counts, and the formula.
POOLED = {f"{name}_pooled": (metrics.COUNTS, score) for name, score in metrics.SCORES.items()} | {
    "seg_gt": (("gold_jaccard", "gold_true_cells"), _share),
    "seg_st_pooled": (("silver_jaccard", "silver_true_cells"), _share),
    "det_gt": (("markers", "merged", "missed", "spurious"), _det),
}


def summarise(table, *, block, resamples, seed=0, names=METRICS):
    """Mean and 95 % interval of each metric of each arm and fold.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy: arm, fold, seed, video, frame, metric, value. Counts (tp, fp, fn, tn) give the pooled
        scores, which are added under names such as ``f1_pooled``.
    block : int
        Neighbouring frames that are drawn together.
    resamples : int
        Bootstrap resamples.
    seed : int
        Seed of the bootstrap.
    names : sequence of str
        Metrics wanted: columns of the table, or pooled from such by `POOLED`.

    Returns
    -------
    pandas.DataFrame
        arm, fold, metric, mean, ci_low, ci_high, n_seeds, n_frames. An undefined value is left
        out of a mean over frames; n_frames counts the frames where the metric is defined. Where
        each of two videos was held out in turn, the fold ``video`` is the mean of the two.
    """
    rows = []
    for arm, group in table.groupby("arm", sort=False):
        folds, rng = {}, np.random.default_rng(seed)
        for fold, part in group.groupby("fold", sort=False):
            wide = _wide(part)
            draws = _draws(wide.index, block, resamples, rng)
            folds[fold] = {name: _sample(wide, name, draws) for name in names}
            rows += [_row(arm, fold, name, folds[fold][name], [wide]) for name in names]
            folds[fold]["frames"] = wide
        held_out = [folds[fold] for fold in folds if is_video_fold(fold)]
        if len(held_out) > 1:
            wides = [fold["frames"] for fold in held_out]
            for name in names:
                both = np.mean([fold[name] for fold in held_out], axis=0)
                rows.append(_row(arm, "video", name, both, wides))
    return pd.DataFrame(rows)


def is_video_fold(fold):
    """Whether a fold tests on a whole video that it does not train on, as 01to02."""
    return fold not in ("last", "random", "video")


def of_fold(table, fold):
    """Take the rows of a fold.

    ``video`` stands for all folds that hold a whole video out, and for no rows where there is but
    one: half of a mean is not the mean.
    """
    if fold != "video":
        return table[table.fold == fold]
    folds = [name for name in table.fold.unique() if is_video_fold(name)]
    return table[table.fold.isin(folds if len(folds) > 1 else [])]


def paired_difference(table, arm, against, metric, *, block, resamples, seed=0):
    """Difference between two arms, with its 95 % interval; the mean over the folds of the table.

    The same seeds and frames are drawn for both arms, so that what they share cancels; those of
    one fold are drawn apart from those of another.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy metrics.
    arm, against : str
        The difference is `arm` minus `against`.
    metric : str
        A name in summary.csv.
    block, resamples, seed : int
        As for `summarise`.

    Returns
    -------
    mean, ci_low, ci_high : float
        NaN where the arms share no frame of a seed in some fold.
    """
    samples, rng = [], np.random.default_rng(seed)
    for _, part in table.groupby("fold", sort=False):
        first, second = (_wide(part[part.arm == name]) for name in (arm, against))
        shared = first.index.intersection(second.index)
        if shared.empty:
            return np.nan, np.nan, np.nan
        draws = _draws(shared, block, resamples, rng)
        first, second = first.loc[shared], second.loc[shared]
        # A frame on which one of the two is undefined is left out of both.
        defined = first.notna() & second.notna()
        ours, theirs = (_sample(wide.where(defined), metric, draws) for wide in (first, second))
        samples.append(ours - theirs)
    return _interval(np.mean(samples, axis=0)) if samples else (np.nan, np.nan, np.nan)


def fold_difference(table, arm, fold, against, metric, *, block, resamples, seed=0):
    """Difference of one arm between two folds, with its 95 % interval.

    The folds test on different frames, so that nothing is paired: each is drawn on its own.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy metrics.
    arm : str
    fold, against : str
        The difference is `fold` minus `against`; ``video`` is the mean of the folds that hold a
        video out.
    metric : str
        A name in summary.csv.
    block, resamples, seed : int
        As for `summarise`.

    Returns
    -------
    mean, ci_low, ci_high : float
        NaN where the arm was not run on one of the folds.
    """
    rng = np.random.default_rng(seed)
    samples = []
    for name in (fold, against):
        own = of_fold(table[table.arm == arm], name)
        parts = [_wide(part) for _, part in own.groupby("fold", sort=False)]
        if not parts:
            return np.nan, np.nan, np.nan
        drawn = [_sample(wide, metric, _draws(wide.index, block, resamples, rng)) for wide in parts]
        samples.append(np.mean(drawn, axis=0))
    return _interval(samples[0] - samples[1])


def _row(arm, fold, name, sample, wides):
    mean, low, high = _interval(sample)
    frame_metric = POOLED[name][0][0] if name in POOLED else name
    return {
        "arm": arm,
        "fold": fold,
        "metric": name,
        "mean": mean,
        "ci_low": low,
        "ci_high": high,
        "n_seeds": min(wide.index.get_level_values("seed").nunique() for wide in wides),
        "n_frames": sum(_frames(wide, frame_metric) for wide in wides),
    }


def _wide(table):
    return table.pivot(index=["seed", "video", "frame"], columns="metric", values="value")


def _frames(wide, metric):
    """Frames, whatever the number of seeds, on which a metric is defined."""
    return len(wide[metric].dropna().index.droplevel("seed").unique())


def _draws(index, block, resamples, rng):
    """Row numbers of each resample: seeds with replacement, and blocks of each video's frames.

    -1 stands for a frame that a seed lacks.
    """
    position = pd.Series(np.arange(len(index)), index=index)
    seeds = index.get_level_values("seed").unique()
    frames = index.droplevel("seed").unique()
    place = np.stack(
        [position.xs(seed, level="seed").reindex(frames, fill_value=-1) for seed in seeds], axis=1
    )
    videos = [np.flatnonzero(frames.get_level_values("video") == name) for name in frames.unique(0)]
    draws = []
    for _ in range(resamples):
        rows = np.concatenate([video[block_sample(len(video), block, rng)] for video in videos])
        columns = rng.integers(0, len(seeds), len(seeds))
        draws.append(place[np.ix_(rows, columns)].ravel())
    return np.array(draws)


def block_sample(count, block, rng):
    """Draw `count` of `count` neighbouring frames, in blocks, around the end to the start.

    A block is at most a third of the frames: one block of all of them would be no sample.

    Parameters
    ----------
    count, block : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (count,)
    """
    block = min(block, max(1, count // 3))
    starts = rng.integers(0, count, -(-count // block))
    return ((starts[:, None] + np.arange(block)) % count).ravel()[:count]


def _statistic(wide, metric):
    """Make a function from draws of rows to the metric of each draw."""
    if metric in POOLED:
        return _pooled(wide, *POOLED[metric])
    return _frame_mean(wide[metric])


def _frame_mean(values):
    # The row -1 of a draw finds the NaN at the end.
    padded = np.append(values.to_numpy(), np.nan)

    def mean(draws):
        drawn = padded[draws]
        defined = (~np.isnan(drawn)).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.nansum(drawn, axis=1) / defined

    return mean


def _pooled(wide, counts, score):
    # A frame without gold truth has none of its counts, and adds nothing.
    padded = np.nan_to_num(np.vstack([wide[list(counts)].to_numpy(), np.zeros(len(counts))]))

    def pooled(draws):
        with np.errstate(invalid="ignore", divide="ignore"):
            return score(*padded[draws].sum(axis=1).T)

    return pooled


def _sample(wide, metric, draws):
    """Value of a metric on all rows, followed by its value on each draw."""
    statistic = _statistic(wide, metric)
    return np.concatenate([statistic(np.arange(len(wide))[None]), statistic(draws)])


def _interval(sample):
    """Value, and the 95 % interval of its draws."""
    drawn = sample[1:][~np.isnan(sample[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return float(sample[0]), float(low), float(high)
