"""Means and bootstrap intervals of values whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.scoring.intervals import (
    METRICS,
    arm_differences,
    block_samples,
    is_video_fold,
    of_fold,
    summarise,
)
from lib.scoring.pixels import COUNTS, SCORES, scores

FEW = {"block": 2, "resamples": 200}


def tidy(arm, values, metric="f1", fold="last", seeds=None):
    """Tidy table of values, shape (seeds, frames) of one video or (seeds, videos, frames)."""
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 2 else values
    seed, video, frame = np.indices(values.shape).reshape(3, -1)
    table = pd.DataFrame({"arm": arm, "fold": fold, "metric": metric, "value": values.ravel()})
    seed = seed if seeds is None else np.array(seeds)[seed]
    return table.assign(seed=seed, video=np.char.mod("%02d", video + 1), frame=frame)


def counted(arm, tp, fp, fn, tn, fold="last"):
    """Tidy table of counts, each of shape (seeds, frames) or a number, and their scores."""
    counts = dict(zip(COUNTS, np.broadcast_arrays(tp, fp, fn, tn), strict=True))
    rows = counts | scores_of(counts) | {"seg_st": np.full(counts["tp"].shape, 0.25)}
    return pd.concat([tidy(arm, values, name, fold) for name, values in rows.items()])


def scores_of(counts):
    rows = {name: np.empty(counts["tp"].shape) for name in SCORES}
    for place in np.ndindex(counts["tp"].shape):
        for name, value in scores({key: one[place] for key, one in counts.items()}).items():
            rows[name][place] = value
    return rows


def summary(table, **changed):
    return summarise(table, **FEW | changed).set_index("metric")


def difference(table, arm, against, metric="f1", **changed):
    return arm_differences(table, arm, against, [metric], **FEW | changed)[metric]


def mean_interval(values, **changed):
    """Interval of a mean, as that of the difference to an arm that is 0 everywhere."""
    values = np.atleast_2d(values)
    table = pd.concat([tidy("values", values), tidy("zero", 0 * values)])
    return difference(table, "values", "zero", **changed)


def width(interval):
    return interval[2] - interval[1]


# Means and pooled scores


def test_mean_over_frames_and_pooled_score_of_a_known_case():
    table = counted("none", tp=[[1, 9], [3, 7]], fp=[[0, 1], [0, 3]], fn=[[3, 0], [1, 0]], tn=10)
    rows = summary(table)
    assert rows.loc["recall", "mean"] == pytest.approx((1 / 4 + 1 + 3 / 4 + 1) / 4)
    # Pooled over the frames of a run, and then the mean of the runs.
    assert rows.loc["recall_pooled", "mean"] == pytest.approx((10 / 13 + 10 / 11) / 2)
    assert set(rows.n_seeds) == set(rows.n_frames) == {2}
    assert list(rows.index) == METRICS
    assert (rows.ci_low <= rows["mean"]).all()
    assert (rows.ci_high >= rows["mean"]).all()


def test_undefined_values_are_left_out_of_the_mean_and_of_the_frames():
    # Without foreground the recall of the second frame is undefined.
    rows = summary(counted("none", tp=[[2, 0, 4]], fp=0, fn=[[2, 0, 0]], tn=5), block=1)
    assert rows.loc["recall", ["mean", "n_frames"]].tolist() == [pytest.approx(0.75), 2]
    assert rows.loc["recall_pooled", ["mean", "n_frames"]].tolist() == [pytest.approx(0.75), 3]
    nothing = summary(counted("none", tp=[[0, 0]], fp=0, fn=0, tn=5))
    assert nothing.loc["f1", ["mean", "ci_low", "ci_high"]].isna().all()
    assert nothing.loc["f1", "n_frames"] == 0


def test_cells_are_pooled_over_the_frames_that_have_truth():
    rows = {"gold_jaccard": [[1.5, np.nan, 0.5]], "gold_true_cells": [[2, np.nan, 2]]}
    rows |= {"markers": [[2, 3, 5]], "merged": [[1, 0, 0]], "missed": [[0, 1, 1]]}
    rows |= {"spurious": [[0, 0, 5]], "merges": [[0, 1, 2]]}
    table = pd.concat([tidy("a", values, name) for name, values in rows.items()])
    found = summary(table, names=["seg_gt", "det_gt", "merges"])
    assert found["mean"].tolist() == pytest.approx([0.5, 1 - (5 + 20 + 5) / 100, 1])
    assert found.n_frames.tolist() == [2, 3, 3]


# Intervals


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_blocks_are_neighbours_around_the_end(count, block, seed):
    drawn = block_samples(count, block, 3, np.random.default_rng(seed))
    assert drawn.shape == (3, count)
    assert set(drawn.ravel()) <= set(range(count))
    inside = np.arange(1, count) % min(block, max(1, count // 3)) > 0
    assert ((np.diff(drawn) - 1)[:, inside] % count == 0).all()


def test_interval_of_independent_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(200)
    interval = mean_interval(values, block=1, resamples=3000)
    error = 1.96 * values.std() / np.sqrt(200)
    expected = (values.mean() - error, values.mean() + error)
    assert interval[0] == pytest.approx(values.mean())
    assert interval[1:] == pytest.approx(expected, abs=0.1 * error)


def test_larger_blocks_widen_the_interval_of_values_that_resemble_their_neighbours():
    values = np.repeat(np.random.default_rng(2).standard_normal(14), 6)
    assert 1.5 * width(mean_interval(values, block=1)) < width(mean_interval(values, block=6))
    # One block of all frames would always give the mean of all frames.
    assert width(mean_interval(values, block=84)) > 0


def test_videos_and_seeds_are_drawn_as_they_are():
    # Resamples hold as many frames of each video as there are: no spread between videos.
    apart = np.zeros((1, 2, 6))
    apart[:, 1] = 1
    assert mean_interval(apart) == (0.5, 0.5, 0.5)
    # Seeds are drawn with replacement: their spread is in the interval.
    assert mean_interval([[0.0] * 6, [1.0] * 6]) == (0.5, 0, 1)


def test_the_bootstrap_is_the_same_each_time():
    values = np.random.default_rng(3).random(30)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)


# Differences between arms


@given(st.lists(st.integers(0, 64), min_size=6, max_size=12), st.integers(-8, 8))
@settings(max_examples=20, deadline=None)
def test_a_constant_shift_is_found_without_any_spread(values, shift):
    # Powers of two add up without rounding.
    values, shift = np.atleast_2d(values) / 64, shift / 8
    table = pd.concat([tidy("shifted", values + shift), tidy("plain", values)])
    up, down = (difference(table, *pair) for pair in (("shifted", "plain"), ("plain", "shifted")))
    assert up == pytest.approx((shift, shift, shift))
    assert down == pytest.approx((-shift, -shift, -shift))


def test_frames_and_seeds_of_one_arm_alone_are_left_out():
    table = pd.concat([tidy("one", [[1, 1, 9], [9, 9, 9]]), tidy("other", [[0.5, 0.5]])])
    assert difference(table, "one", "other") == (0.5, 0.5, 0.5)
    apart = pd.concat([tidy("one", [[1.0]], seeds=[0]), tidy("other", [[1.0]], seeds=[1])])
    assert np.isnan(difference(apart, "one", "other")).all()
    assert np.isnan(difference(apart, "one", "nobody")).all()
    assert np.isnan(difference(apart[:0], "one", "other")).all()


def test_unpaired_arms_have_seeds_of_their_own_and_the_same_frames():
    frames = np.random.default_rng(4).random(30)
    table = pd.concat(
        [tidy("one", [frames, frames + 0.5], seeds=[0, 3]), tidy("other", [frames], seeds=[7])]
    )
    mean, low, high = difference(table, "one", "other", paired=False)
    # What the frames share cancels; the spread is that of the two seeds.
    assert (mean, low, high) == pytest.approx((0.25, 0, 0.5))


# Both videos held out in turn


def folds(values):
    """Tidy table of an arm "values", and of an arm that is 0 everywhere, on each fold given."""
    pairs = [("values", 1), ("zero", 0)]
    return pd.concat(
        [
            tidy(arm, factor * np.asarray(one), fold=fold)
            for fold, one in values.items()
            for arm, factor in pairs
        ]
    )


def test_video_stands_for_the_folds_that_hold_one_out():
    table = folds({"last": [[1]], "01to02": [[2]], "02to01": [[3]], "random": [[4]]})
    assert [fold for fold in table.fold.unique() if is_video_fold(fold)] == ["01to02", "02to01"]
    assert set(of_fold(table, "video").fold) == {"01to02", "02to01"}
    assert set(of_fold(table, "last").fold) == {"last"}
    assert of_fold(table[table.fold == "01to02"], "video").empty
    assert not is_video_fold("video")


def test_mean_of_two_videos_counts_each_the_same():
    parts = [
        counted("none", tp=[[8, 8, 8, 8]], fp=2, fn=2, tn=8, fold="01to02"),
        counted("none", tp=[[10, 10]], fp=0, fn=0, tn=1),
        counted("none", tp=[[4, 4], [4, 4]], fp=6, fn=6, tn=4, fold="02to01"),
    ]
    rows = summarise(pd.concat(parts), **FEW)
    assert rows.fold.unique().tolist() == ["01to02", "last", "02to01", "video"]
    both = rows[rows.fold == "video"].set_index("metric").loc["f1_pooled"]
    # F1 is 0.8 on the four frames of one video and 0.4 on the two of the other.
    assert both[["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([0.6] * 3)
    assert both[["n_seeds", "n_frames"]].tolist() == [1, 6]
    assert "video" not in set(summarise(pd.concat(parts[:2]), **FEW).fold)


def test_difference_is_the_mean_over_the_folds_of_its_table():
    table = folds({"01to02": [[0.25] * 6], "02to01": [[0.75] * 2]})
    assert difference(table, "values", "zero") == (0.5, 0.5, 0.5)
    lacking = table[(table.fold == "01to02") | (table.arm == "zero")]
    assert np.isnan(difference(lacking, "values", "zero")).all()


def test_one_fold_is_drawn_apart_from_the_other():
    values = np.random.default_rng(7).random((1, 60))
    # Drawn alike, what is high in one video would be low in the other, and the mean always 0.
    found = difference(folds({"01to02": values, "02to01": -values}), "values", "zero", block=1)
    assert found[0] == pytest.approx(0)
    assert width(found) > 0.05
