"""Intervals: the bootstrap over seeds and blocks of neighbouring frames.

Neighbouring frames of a time lapse are near copies, so that frames drawn one by one would make the
interval far too narrow; they are drawn in blocks (Künsch 1989, 10.1214/aos/1176347265). With one
seed the interval says nothing of how a second run would differ, and with two videos nothing of
how a third would.
"""

import numpy as np
import pandas as pd

from lib import metrics


def summarise(table, *, block, resamples, seed=0):
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

    Returns
    -------
    pandas.DataFrame
        arm, fold, metric, mean, ci_low, ci_high, n_seeds, n_frames. An undefined value is left
        out of a mean over frames; n_frames counts the frames where the metric is defined.
    """
    rows = []
    for (arm, fold), group in table.groupby(["arm", "fold"], sort=False):
        wide = _wide(group)
        draws = _draws(wide.index, block, resamples, np.random.default_rng(seed))
        n_seeds = wide.index.get_level_values("seed").nunique()
        for score in metrics.SCORES:
            for name in (score, f"{score}_pooled"):
                mean, low, high = _interval(_statistic(wide, name), draws, len(wide))
                rows.append(
                    {
                        "arm": arm,
                        "fold": fold,
                        "metric": name,
                        "mean": mean,
                        "ci_low": low,
                        "ci_high": high,
                        "n_seeds": n_seeds,
                        "n_frames": _frames(wide, score if name == score else "tp"),
                    }
                )
    return pd.DataFrame(rows)


def paired_difference(table, arm, against, metric, *, block, resamples, seed=0):
    """Difference between two arms on the same fold, with its 95 % interval.

    The same seeds and frames are drawn for both arms, so that what they share cancels.

    Parameters
    ----------
    table : pandas.DataFrame
        Tidy metrics of one fold.
    arm, against : str
        The difference is `arm` minus `against`.
    metric : str
        A name in summary.csv.
    block, resamples, seed : int
        As for `summarise`.

    Returns
    -------
    mean, ci_low, ci_high : float
        NaN where the arms share no frame of a seed.
    """
    first, second = (_wide(table[table.arm == name]) for name in (arm, against))
    shared = first.index.intersection(second.index)
    if shared.empty:
        return np.nan, np.nan, np.nan
    draws = _draws(shared, block, resamples, np.random.default_rng(seed))
    first, second = first.loc[shared], second.loc[shared]
    # A frame on which one of the two is undefined is left out of both.
    defined = first.notna() & second.notna()
    statistics = [_statistic(wide.where(defined), metric) for wide in (first, second)]

    def difference(draws):
        return statistics[0](draws) - statistics[1](draws)

    return _interval(difference, draws, len(shared))


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
    if metric.endswith("_pooled"):
        return _pooled(wide, metric.removesuffix("_pooled"))
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


def _pooled(wide, metric):
    padded = np.vstack([wide[list(metrics.COUNTS)].to_numpy(), np.zeros(len(metrics.COUNTS))])

    def score(draws):
        with np.errstate(invalid="ignore", divide="ignore"):
            return metrics.SCORES[metric](*padded[draws].sum(axis=1).T)

    return score


def _interval(statistic, draws, count):
    """Value on all `count` rows, and the 95 % interval over the draws."""
    everything = np.arange(count)[None]
    resampled = statistic(draws)
    defined = resampled[~np.isnan(resampled)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return float(statistic(everything)[0]), float(low), float(high)
