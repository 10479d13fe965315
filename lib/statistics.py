"""Intervals: the bootstrap over seeds and blocks of neighbouring frames.

Neighbouring frames of a time lapse are near copies, so that frames drawn one by one would make the
interval far too narrow; they are drawn in blocks (Künsch 1989, 10.1214/aos/1176347265). With one
seed the interval says nothing of how a second run would differ, and with two videos nothing of
how a third would.
"""

from functools import partial

import numpy as np
import pandas as pd

from lib import metrics
from lib.instances import MISS_COST, SPLIT_COST, SPURIOUS_COST

# Pixel scores as means over frames and pooled over the pixels of all; SEG as the mean over frames.
METRICS = [name for score in metrics.SCORES for name in (score, f"{score}_pooled")] + ["seg_st"]

UNDEFINED = (np.nan, np.nan, np.nan)


def _share(part, whole):
    return part / whole


def _det(markers, merged, missed, spurious):
    """Compute DET as `instances.pooled_det`, of many draws at once."""
    empty = MISS_COST * markers
    cost = SPLIT_COST * merged + MISS_COST * missed + SPURIOUS_COST * spurious
    return 1 - np.minimum(cost, empty) / empty


# True negatives are no part of it.
_iou = partial(metrics.iou, tn=None)

# Metrics that are computed from the sums of counts over frames: the counts, and the formula.
POOLED = {f"{name}_pooled": (metrics.COUNTS, score) for name, score in metrics.SCORES.items()} | {
    "seg_gt": (("gold_jaccard", "gold_true_cells"), _share),
    "seg_st_pooled": (("silver_jaccard", "silver_true_cells"), _share),
    "foreground_iou": (("foreground_tp", "foreground_fp", "foreground_fn"), _iou),
    "known_iou": (("foreground_tp", "known_fp", "foreground_fn"), _iou),
    "det_gt": (("markers", "merged", "missed", "spurious"), _det),
}


def summarise(table, *, block, resamples, seed=0, names=METRICS):
    """Mean and 95 % interval of each metric of each arm and fold.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy: arm, fold, seed, video, frame, metric, value. Counts (tp, fp, fn, tn) give the pooled
        scores, which are added under names such as ``f1_pooled``. They are pooled over the frames
        of a run; of several runs the mean is taken.
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


def arm_differences(table, arm, against, names, *, block, resamples, seed=0):
    """Differences between two arms, with 95 % intervals; the means over the folds of the table.

    The same seeds and frames are drawn for both arms, so that what they share cancels; those of
    one fold are drawn apart from those of another.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy metrics.
    arm, against : str
        The difference is `arm` minus `against`.
    names : sequence of str
        Names in summary.csv.
    block, resamples, seed : int
        As for `summarise`.

    Returns
    -------
    dict of str to tuple
        Mean, ci_low and ci_high by name; NaN where the arms share no frame of a seed in some fold.
    """
    samples, rng = [], np.random.default_rng(seed)
    for _, part in table.groupby("fold", sort=False):
        first, second = (_wide(part[part.arm == name]) for name in (arm, against))
        shared = first.index.intersection(second.index)
        if shared.empty:
            return dict.fromkeys(names, UNDEFINED)
        draws = _draws(shared, block, resamples, rng)
        first, second = first.loc[shared], second.loc[shared]
        # A frame on which one of the two is undefined is left out of both.
        pair = [wide.where(first.notna() & second.notna()) for wide in (first, second)]
        drawn = [[_sample(wide, name, draws) for name in names] for wide in pair]
        samples.append(np.subtract(*drawn))
    if not samples:
        return dict.fromkeys(names, UNDEFINED)
    return dict(zip(names, map(_interval, np.mean(samples, axis=0)), strict=True))


def fold_differences(table, arm, fold, against, names, *, block, resamples, seed=0):
    """Differences of one arm between two folds, with 95 % intervals.

    The folds test on different frames, so that nothing is paired: each is drawn on its own.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy metrics.
    arm : str
    fold, against : str
        The difference is `fold` minus `against`; ``video`` is the mean of the folds that hold a
        video out.
    names : sequence of str
        Names in summary.csv.
    block, resamples, seed : int
        As for `summarise`.

    Returns
    -------
    dict of str to tuple
        Mean, ci_low and ci_high by name; NaN where the arm was not run on one of the folds.
    """
    rng = np.random.default_rng(seed)
    samples = []
    for side in (fold, against):
        own = of_fold(table[table.arm == arm], side)
        parts = [_wide(part) for _, part in own.groupby("fold", sort=False)]
        if not parts:
            return dict.fromkeys(names, UNDEFINED)
        drawn = []
        for wide in parts:
            draws = _draws(wide.index, block, resamples, rng)
            drawn.append([_sample(wide, name, draws) for name in names])
        samples.append(np.mean(drawn, axis=0))
    return dict(zip(names, map(_interval, np.subtract(*samples)), strict=True))


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
    """Say how often each seed and each row's frame counts.

    All count once in the whole, which comes first. A resample is made of seeds, drawn with
    replacement, and of blocks of each video's frames.
    """
    seeds, frames = index.unique("seed"), index.droplevel("seed").unique().sort_values()
    videos = frames.get_level_values("video")
    frame_times = np.ones((1 + resamples, len(frames)))
    for video in videos.unique():
        own = np.flatnonzero(videos == video)
        frame_times[1:, own] = _times(block_samples(len(own), block, resamples, rng), len(own))
    seed_times = np.ones((1 + resamples, len(seeds)))
    seed_times[1:] = _times(rng.integers(0, len(seeds), (resamples, len(seeds))), len(seeds))
    return seed_times, frame_times[:, frames.get_indexer(index.droplevel("seed"))]


def block_samples(count, block, resamples, rng):
    """Draw `count` of `count` neighbouring frames, in blocks, around the end to the start.

    A block is at most a third of the frames: one block of all of them would be no sample.

    Parameters
    ----------
    count, block, resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (resamples, count)
        Positions from 0 to `count` - 1.
    """
    block = min(block, max(1, count // 3))
    starts = rng.integers(0, count, (resamples, -(-count // block), 1))
    return ((starts + np.arange(block)) % count).reshape(resamples, -1)[:, :count]


def _times(drawn, count):
    """Count how often each of `count` positions is in each row."""
    places = drawn + count * np.arange(len(drawn))[:, None]
    return np.bincount(places.ravel(), minlength=len(drawn) * count).reshape(-1, count)


def _sample(wide, metric, draws):
    """Compute a metric of each run in each draw of frames, and its mean over the drawn seeds."""
    seed_times, frame_times = draws
    seeds = wide.index.get_level_values("seed")
    own = [seeds == seed for seed in seeds.unique()]
    runs = [_of_run(wide[rows], metric, frame_times[:, rows]) for rows in own]
    return _mean(np.stack(runs, axis=1), seed_times)


def _of_run(frames, metric, times):
    if metric not in POOLED:
        return _mean(frames[metric].to_numpy(), times)
    counts, score = POOLED[metric]
    with np.errstate(invalid="ignore", divide="ignore"):
        # A frame without gold truth has none of its counts, and adds nothing.
        return score(*(times @ np.nan_to_num(frames[list(counts)].to_numpy())).T)


def _mean(values, times):
    """Mean of the defined values of each draw."""
    with np.errstate(invalid="ignore"):
        return (times * np.nan_to_num(values)).sum(axis=1) / (times * ~np.isnan(values)).sum(axis=1)


def _interval(sample):
    """Value, and the 95 % interval of its draws."""
    drawn = sample[1:][~np.isnan(sample[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return float(sample[0]), float(low), float(high)
