"""Intervals: the bootstrap over seeds and blocks of neighbouring frames, which are near copies.

Drawn one by one these would make the interval far too narrow (Künsch 1989, 10.1214/aos/1176347265).
Tables are tidy: arm, fold, seed, video, frame, metric, value; `names` are metrics of them.
"""

from functools import partial

import numpy as np
import pandas as pd

from lib.scoring.cells import det
from lib.scoring.pixels import COUNTS, SCORES

# Pixel scores as means over frames and pooled over the pixels of all; SEG as the mean over frames.
METRICS = [name for score in SCORES for name in (score, f"{score}_pooled")] + ["seg_st"]
UNDEFINED = (np.nan, np.nan, np.nan)
_iou = partial(SCORES["iou"], tn=None)  # true negatives are no part of it
# Metrics that are computed from the sums of counts over frames of a run: the counts, the formula.
POOLED = {f"{name}_pooled": (COUNTS, score) for name, score in SCORES.items()} | {
    "seg_gt": (("gold_jaccard", "gold_true_cells"), np.divide),
    "seg_st_pooled": (("silver_jaccard", "silver_true_cells"), np.divide),
    "foreground_iou": (("foreground_tp", "foreground_fp", "foreground_fn"), _iou),
    "known_iou": (("foreground_tp", "known_fp", "foreground_fn"), _iou),
    "det_gt": (("markers", "merged", "missed", "spurious"), det),
}


def summarise(table, *, block, resamples, seed=0, names=METRICS):
    """Mean and 95 % interval of metrics by arm and fold; ``video`` is the mean of two held out."""
    rows = []
    for arm, group in table.groupby("arm", sort=False):
        rng, samples = np.random.default_rng(seed), {}
        for fold, part in group.groupby("fold", sort=False):
            wide = _wide(part)
            samples[fold] = _samples(wide, names, *_draws(wide.index, block, resamples, rng))
        held_out = [samples[fold] for fold in samples if is_video_fold(fold)]
        if len(held_out) > 1:
            samples["video"] = np.mean(held_out, axis=0)
        for fold, sample in samples.items():
            part = of_fold(group, fold)
            n_seeds = part.groupby("fold").seed.nunique().min()
            scored = part.dropna(subset="value")
            scored = scored.drop_duplicates(["fold", "metric", "video", "frame"])
            for name, drawn in zip(names, sample, strict=True):
                column = POOLED[name][0][0] if name in POOLED else name
                rows.append(
                    [arm, fold, name, *_interval(drawn), n_seeds, sum(scored.metric == column)]
                )
    columns = ["arm", "fold", "metric", "mean", "ci_low", "ci_high", "n_seeds", "n_frames"]
    return pd.DataFrame(rows, columns=columns)


def is_video_fold(fold):
    """Whether a fold tests on a whole video that it does not train on, as 01to02."""
    return fold not in ("last", "random", "video")


def of_fold(table, fold):
    """Take the rows of a fold; ``video`` is both held-out videos, or none: half is no mean."""
    if fold != "video":
        return table[table.fold == fold]
    folds = [name for name in table.fold.unique() if is_video_fold(name)]
    return table[table.fold.isin(folds if len(folds) > 1 else [])]


def arm_differences(table, arm, against, names, *, block, resamples, seed=0, paired=True):
    """Differences `arm` minus `against`, with 95 % intervals; the means over the folds of a table.

    The same frames are drawn for both, so that what they share cancels, and where `paired` the same
    of the seeds that both have. Mean, ci_low and ci_high by name, NaN where a fold shares no frame.
    """
    samples, rng = [], np.random.default_rng(seed)
    for _, part in table.groupby("fold", sort=False):
        first, second = (_wide(part[part.arm == name]) for name in (arm, against))
        if paired:
            first, second = first.align(second, join="inner", axis=0)
            # A frame on which one of the two is undefined is left out of both.
            defined = first.notna() & second.notna()
            first, second = first.where(defined), second.where(defined)
        if first.empty or second.empty:
            return dict.fromkeys(names, UNDEFINED)
        draws = _draws(first.index, block, resamples, rng)
        others = draws if paired else (_seed_draws(second.index, resamples, rng), draws[1])
        samples.append(_samples(first, names, *draws) - _samples(second, names, *others))
    means = map(_interval, np.mean(samples, axis=0)) if samples else [UNDEFINED] * len(names)
    return dict(zip(names, means, strict=True))


def block_samples(count, block, resamples, rng):
    """Draw `count` of `count` neighbouring frames, in blocks, around the end to the start."""
    block = min(block, max(1, count // 3))  # one block of all would be no sample
    starts = rng.integers(0, count, (resamples, -(-count // block), 1))
    return ((starts + np.arange(block)) % count).reshape(resamples, -1)[:, :count]


def _wide(table):
    return table.pivot(index=["seed", "video", "frame"], columns="metric", values="value")


def _draws(index, block, resamples, rng):
    """Say how often each seed and each frame counts in each draw; the first draw is the whole."""
    frames = index.droplevel("seed").unique().sort_values()
    sizes = frames.get_level_values("video").value_counts().sort_index()
    times = [_times(block_samples(size, block, resamples, rng), size) for size in sizes]
    return _seed_draws(index, resamples, rng), pd.DataFrame(np.hstack(times), columns=frames)


def _seed_draws(index, resamples, rng):
    size = index.unique("seed").size
    return _times(rng.integers(0, size, (resamples, size)), size)


def _times(drawn, count):
    places = drawn + count * np.arange(len(drawn))[:, None]
    times = np.bincount(places.ravel(), minlength=len(drawn) * count).reshape(-1, count)
    return np.vstack([np.ones(count), times])


@np.errstate(invalid="ignore", divide="ignore")
def _samples(wide, names, seed_times, frame_times):
    """Compute metrics of each run in each draw of frames, and their means over the drawn seeds."""
    values = []
    for _, run in wide.groupby("seed"):
        times = frame_times[run.index.droplevel("seed")].to_numpy()
        # A frame without gold truth has none of its counts, and adds nothing.
        sums = (times @ np.nan_to_num(run)).T
        means = dict(zip(wide, sums / (times @ run.notna().to_numpy(float)).T, strict=True))
        sums = dict(zip(wide, sums, strict=True))
        for name in POOLED.keys() & names:
            columns, score = POOLED[name]
            means[name] = score(*map(sums.get, columns))
        values.append([means[name] for name in names])
    known, weights = ~np.isnan(values), seed_times.T[:, None]
    return (weights * np.nan_to_num(values)).sum(axis=0) / (weights * known).sum(axis=0)


def _interval(sample):
    drawn = sample[1:][~np.isnan(sample[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return float(sample[0]), float(low), float(high)
