"""Means and bootstrap intervals of values whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import metrics
from lib.statistics import (
    METRICS,
    arm_differences,
    block_samples,
    fold_differences,
    is_video_fold,
    of_fold,
    summarise,
)


def paired_difference(table, arm, against, metric, **settings):
    return arm_differences(table, arm, against, [metric], **settings)[metric]


def fold_difference(table, arm, fold, against, metric, **settings):
    return fold_differences(table, arm, fold, against, [metric], **settings)[metric]


def tidy(arm, values, metric="f1", seeds=None):
    """Tidy table of values, shape (seeds, frames) of one video or (seeds, videos, frames)."""
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 2 else values
    places = np.indices(values.shape).reshape(3, -1)
    table = pd.DataFrame({"arm": arm, "fold": "last", "metric": metric, "value": values.ravel()})
    table["seed"] = places[0] if seeds is None else np.array(seeds)[places[0]]
    table["video"], table["frame"] = np.char.mod("%02d", places[1] + 1), places[2]
    return table


def counted(arm, tp, fp, fn, tn):
    """Tidy table of counts, each of shape (seeds, frames) or a number, and their scores.

    SEG, which does not follow from counts, is 0.25 on every frame.
    """
    counts = dict(zip(metrics.COUNTS, np.broadcast_arrays(tp, fp, fn, tn), strict=True))
    rows = {name: np.empty(counts["tp"].shape) for name in (*metrics.COUNTS, *metrics.SCORES)}
    rows["seg_st"] = np.full(counts["tp"].shape, 0.25)
    for place in np.ndindex(counts["tp"].shape):
        one = {name: int(values[place]) for name, values in counts.items()}
        for name, value in (one | metrics.scores(one)).items():
            rows[name][place] = value
    return pd.concat([tidy(arm, values, name) for name, values in rows.items()])


def summary(table, **settings):
    return summarise(table, **{"block": 2, "resamples": 200} | settings).set_index("metric")


def width(interval):
    return interval[2] - interval[1]


def correlated(rng, count, memory):
    """Values with mean 0 and deviation 1, of which each resembles the one before."""
    values = rng.standard_normal(count)
    for n in range(1, count):
        values[n] = memory * values[n - 1] + np.sqrt(1 - memory**2) * values[n]
    return values


def mean_interval(values, **settings):
    """Interval of a mean, as that of the difference to an arm that is 0 everywhere."""
    values = np.atleast_2d(values)
    table = pd.concat([tidy("values", values), tidy("zero", 0 * values)])
    return paired_difference(table, "values", "zero", "f1", **{"resamples": 200} | settings)


# Means and pooled scores


def test_mean_over_frames_and_pooled_score_of_a_known_case():
    table = counted("none", tp=[[1, 9], [3, 7]], fp=[[0, 1], [0, 3]], fn=[[3, 0], [1, 0]], tn=10)
    rows = summary(table)
    assert rows.loc["recall", "mean"] == pytest.approx((1 / 4 + 1 + 3 / 4 + 1) / 4)
    # Pooled over the frames of a run, and then the mean of the runs.
    assert rows.loc["recall_pooled", "mean"] == pytest.approx((10 / 13 + 10 / 11) / 2)
    assert rows.loc["precision_pooled", "mean"] == pytest.approx((10 / 11 + 10 / 13) / 2)
    assert set(rows.n_seeds) == set(rows.n_frames) == {2}
    pooled = {f"{name}_pooled" for name in metrics.SCORES}
    assert set(rows.index) == set(METRICS) == {*metrics.SCORES, *pooled, "seg_st"}
    assert (rows.ci_low <= rows["mean"]).all()
    assert (rows.ci_high >= rows["mean"]).all()


def test_run_that_marks_little_counts_as_much_as_one_that_marks_all():
    rows = summary(counted("none", tp=[[8], [0]], fp=[[8], [0]], fn=[[0], [8]], tn=0))
    assert rows.loc["f1_pooled", "mean"] == pytest.approx((2 / 3 + 0) / 2)
    assert rows.loc["f1_pooled", ["ci_low", "ci_high"]].tolist() == pytest.approx([0, 2 / 3])


def test_undefined_values_are_left_out_of_the_mean_and_of_the_frames():
    # Without foreground, the recall of the second frame is undefined.
    table = counted("none", tp=[[2, 0, 4]], fp=0, fn=[[2, 0, 0]], tn=5)
    rows = summary(table, block=1)
    assert rows.loc["recall", ["mean", "n_frames"]].tolist() == [pytest.approx(0.75), 2]
    assert rows.loc["recall_pooled", ["mean", "n_frames"]].tolist() == [pytest.approx(0.75), 3]
    assert rows.loc["accuracy", "n_frames"] == 3
    nothing = summary(counted("none", tp=[[0, 0]], fp=0, fn=0, tn=5))
    assert nothing.loc["f1", ["mean", "ci_low", "ci_high"]].isna().all()
    assert nothing.loc["f1", "n_frames"] == 0


def test_seg_is_the_mean_over_the_frames_that_have_cells():
    table = counted("none", tp=[[2, 0, 4, 4]], fp=0, fn=0, tn=5)
    table.loc[table.metric == "seg_st", "value"] = [0.5, np.nan, 1.0, 0.0]
    rows = summary(table, block=1)
    assert rows.loc["seg_st", ["mean", "n_frames"]].tolist() == [pytest.approx(0.5), 3]


def test_frames_and_seeds_are_counted_apart_for_each_arm_and_fold():
    videos = np.zeros((2, 2, 5))
    names = (*metrics.COUNTS, *metrics.SCORES, "seg_st")
    parts = [tidy("none", videos + 1, name) for name in names]
    other = counted("augmented", tp=np.ones((3, 4)), fp=1, fn=1, tn=1)
    rows = summarise(
        pd.concat([*parts, other, other.assign(fold="random")]), block=2, resamples=100
    )
    assert len(rows) == 3 * len(METRICS)
    sizes = rows.groupby(["arm", "fold"])[["n_seeds", "n_frames"]].agg(["min", "max"])
    assert sizes.loc[("none", "last")].tolist() == [2, 2, 10, 10]
    assert sizes.loc[("augmented", "random")].tolist() == [3, 3, 4, 4]


# Intervals


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 99))
def test_blocks_are_neighbours_around_the_end(count, block, seed):
    drawn = block_samples(count, block, 3, np.random.default_rng(seed))
    assert drawn.shape == (3, count)
    assert set(drawn.ravel()) <= set(range(count))
    inside = np.arange(1, count) % min(block, max(1, count // 3)) > 0
    assert ((np.diff(drawn) - 1)[:, inside] % count == 0).all()


def test_every_frame_is_drawn_as_often():
    drawn = block_samples(10, 4, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn.ravel()), 4000, rtol=0.06)


def test_interval_of_independent_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(200)
    interval = mean_interval(values, block=1, resamples=3000)
    assert interval[0] == pytest.approx(values.mean())
    error = 1.96 * values.std() / np.sqrt(200)
    expected = (values.mean() - error, values.mean() + error)
    assert interval[1:] == pytest.approx(expected, abs=0.1 * error)


def test_interval_covers_the_truth_in_nineteen_of_twenty_simulations():
    rng = np.random.default_rng(1)
    intervals = [mean_interval(rng.standard_normal(40), block=2) for _ in range(150)]
    covered = np.mean([low <= 0 <= high for _, low, high in intervals])
    assert 0.87 <= covered <= 0.99


def test_larger_blocks_widen_the_interval_of_values_that_resemble_their_neighbours():
    rng = np.random.default_rng(2)
    videos = [correlated(rng, 84, 0.9) for _ in range(40)]
    narrow, middle, wide = (
        np.mean([width(mean_interval(video, block=block, resamples=100)) for video in videos])
        for block in (1, 3, 12)
    )
    assert 1.4 * narrow < middle
    assert 1.3 * middle < wide
    # One block of all frames would always give the mean of all frames.
    assert width(mean_interval(videos[0], block=84)) > 0


def test_videos_and_seeds_are_drawn_as_they_are():
    # Resamples hold as many frames of each video as there are: no spread between videos.
    apart = np.zeros((1, 2, 6))
    apart[:, 1] = 1
    assert mean_interval(apart, block=4) == (0.5, 0.5, 0.5)
    # Seeds are drawn with replacement: their spread is in the interval.
    mean, low, high = mean_interval([[0.0] * 6, [1.0] * 6], block=4)
    assert (mean, low, high) == (0.5, 0, 1)
    assert mean_interval([[0.3] * 6], block=4) == pytest.approx((0.3, 0.3, 0.3))


def test_a_seed_that_lacks_frames_is_used_with_those_it_has():
    table = tidy("values", [[1.0] * 6, [2.0] * 6])
    table = table[(table.seed == 0) | (table.frame < 3)]
    table = pd.concat([table, table.assign(arm="zero", value=0.0)])
    mean, low, high = paired_difference(table, "values", "zero", "f1", block=2, resamples=200)
    assert mean == pytest.approx(3 / 2)
    assert 1 <= low < mean < high <= 2


def test_the_bootstrap_is_the_same_each_time():
    values = np.random.default_rng(3).random(30)
    assert mean_interval(values, block=3) == mean_interval(values, block=3)
    assert mean_interval(values, block=3) != mean_interval(values, block=3, seed=1)


# Differences between arms


@pytest.mark.parametrize("metric", ["f1", "f1_pooled"])
def test_arms_that_are_alike_differ_by_nothing(metric):
    tp = np.random.default_rng(4).integers(1, 50, (3, 12))
    table = pd.concat([counted(arm, tp, 5, 60 - tp, 9) for arm in ("one", "other")])
    assert paired_difference(table, "one", "other", metric, block=3, resamples=200) == (0, 0, 0)


def test_a_constant_shift_is_found_without_any_spread():
    values = np.random.default_rng(5).random((2, 2, 20))
    table = pd.concat([tidy("shifted", values + 0.125), tidy("plain", values)])
    settings = {"block": 3, "resamples": 200}
    up = paired_difference(table, "shifted", "plain", "f1", **settings)
    assert up == pytest.approx((0.125, 0.125, 0.125))
    down = paired_difference(table, "plain", "shifted", "f1", **settings)
    assert down == pytest.approx((-0.125, -0.125, -0.125))


def test_pairing_cancels_what_arms_share():
    rng = np.random.default_rng(6)
    values, noise = rng.random((1, 60)), 0.01 * rng.standard_normal((1, 60))
    table = pd.concat([tidy("one", values + noise), tidy("other", values)])
    paired = paired_difference(table, "one", "other", "f1", block=1, resamples=300)
    assert width(paired) < 0.1 * width(mean_interval(values, block=1))


def test_frames_of_one_arm_alone_are_left_out():
    table = pd.concat([tidy("one", [[1.0, 1.0, 9.0]]), tidy("other", [[0.5, 0.5]])])
    difference = paired_difference(table, "one", "other", "f1", block=1, resamples=100)
    assert difference == (0.5, 0.5, 0.5)


def test_arms_without_a_common_frame_have_no_difference():
    table = pd.concat([tidy("one", [[1.0]], seeds=[0]), tidy("other", [[1.0]], seeds=[1])])
    difference = paired_difference(table, "one", "other", "f1", block=1, resamples=100)
    assert np.isnan(difference).all()
    missing = paired_difference(table, "one", "nobody", "f1", block=1, resamples=100)
    assert np.isnan(missing).all()


# Both videos held out in turn


def folds(values):
    """Tidy table of an arm "values", and of an arm that is 0 everywhere, on each fold given."""
    parts = [
        tidy(arm, factor * np.asarray(one)).assign(fold=fold)
        for fold, one in values.items()
        for arm, factor in (("values", 1), ("zero", 0))
    ]
    return pd.concat(parts)


@pytest.mark.parametrize(
    ("fold", "held_out"),
    [("01to02", True), ("02to01", True), ("last", False), ("random", False), ("video", False)],
)
def test_folds_that_hold_a_video_out(fold, held_out):
    assert is_video_fold(fold) == held_out


def test_video_stands_for_the_folds_that_hold_one_out():
    table = folds({"last": [[1]], "01to02": [[2]], "02to01": [[3]], "random": [[4]]})
    assert set(of_fold(table, "video").fold) == {"01to02", "02to01"}
    assert set(of_fold(table, "last").fold) == {"last"}
    for alone in ("random", "01to02"):
        assert of_fold(table[table.fold == alone], "video").empty
    assert list(of_fold(table[:0], "video")) == list(table)


def test_mean_of_two_videos_counts_each_the_same():
    first = counted("none", tp=[[8, 8, 8, 8]], fp=2, fn=2, tn=8).assign(fold="01to02")
    second = counted("none", tp=[[4, 4], [4, 4]], fp=6, fn=6, tn=4).assign(fold="02to01")
    beside = counted("none", tp=[[10, 10]], fp=0, fn=0, tn=1).assign(fold="last")
    rows = summarise(pd.concat([first, beside, second]), block=2, resamples=100)
    assert rows.fold.unique().tolist() == ["01to02", "last", "02to01", "video"]
    both = rows[rows.fold == "video"].set_index("metric")
    assert set(both.index) == set(METRICS)
    for name in ("f1", "f1_pooled"):
        # F1 is 0.8 on the four frames of one video and 0.4 on the two of the other.
        assert both.loc[name, ["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([0.6] * 3)
    assert both.loc["f1", ["n_seeds", "n_frames"]].tolist() == [1, 6]


def test_one_video_held_out_has_no_mean_of_two():
    table = counted("none", tp=[[8, 8]], fp=2, fn=2, tn=8)
    table = pd.concat([table.assign(fold="01to02"), table.assign(fold="random")])
    assert set(summarise(table, block=2, resamples=100).fold) == {"01to02", "random"}


def test_difference_is_the_mean_over_the_folds_of_its_table():
    table = folds({"01to02": [[0.25] * 6], "02to01": [[0.75] * 2]})
    difference = paired_difference(table, "values", "zero", "f1", block=1, resamples=100)
    assert difference == (0.5, 0.5, 0.5)


def test_difference_where_a_fold_lacks_one_of_the_arms():
    table = folds({"01to02": [[0.25] * 6], "02to01": [[0.75] * 6]})
    table = table[(table.fold == "01to02") | (table.arm == "zero")]
    found = paired_difference(table, "values", "zero", "f1", block=1, resamples=100)
    assert np.isnan(found).all()
    nothing = paired_difference(table[:0], "values", "zero", "f1", block=1, resamples=100)
    assert np.isnan(nothing).all()


def test_one_fold_is_drawn_apart_from_the_other():
    values = np.random.default_rng(7).random((1, 1, 60))
    # Drawn alike, what is high in one video would be low in the other, and the mean always 0.
    table = folds({"01to02": values, "02to01": -values})
    difference = paired_difference(table, "values", "zero", "f1", block=1, resamples=400)
    error = 1.96 * values.std() / np.sqrt(2 * 60)
    assert difference == pytest.approx((0, -error, error), abs=0.15 * error)
    found = np.arange(100)[None]
    opposite = [
        counted("none", tp=tp, fp=0, fn=99 - tp, tn=1).assign(fold=fold)
        for fold, tp in (("01to02", found), ("02to01", 99 - found))
    ]
    rows = summarise(pd.concat(opposite), block=1, resamples=200)
    both = rows[(rows.fold == "video") & (rows.metric == "recall")].iloc[0]
    assert both["mean"] == pytest.approx(0.5)
    assert both.ci_high - both.ci_low > 0.05


# One arm on two folds


def between(table, fold, against, **settings):
    """Difference of the arm "values" in F1."""
    settings = {"block": 1, "resamples": 200} | settings
    return fold_difference(table, "values", fold, against, "f1", **settings)


def test_difference_between_folds_of_known_means():
    table = folds({"random": [[0.875] * 5], "last": [[0.25] * 3], "01to02": [[0.5] * 4]})
    assert between(table, "random", "last") == (0.625, 0.625, 0.625)
    assert between(table, "last", "random") == (-0.625, -0.625, -0.625)
    zero = fold_difference(table, "zero", "random", "last", "f1", block=1, resamples=20)
    assert zero == (0, 0, 0)


def test_video_is_the_mean_of_both_folds_however_many_frames_they_have():
    table = folds({"random": [[0.875] * 5], "01to02": [[0.25] * 12], "02to01": [[0.75] * 2]})
    assert between(table, "random", "video") == (0.375, 0.375, 0.375)


def test_pooled_scores_of_two_folds():
    table = pd.concat(
        [
            counted("values", tp=[[8, 2]], fp=0, fn=[[0, 6]], tn=1).assign(fold="random"),
            counted("values", tp=[[2, 2]], fp=0, fn=[[6, 6]], tn=1).assign(fold="01to02"),
            counted("values", tp=[[4]], fp=0, fn=[[4]], tn=1).assign(fold="02to01"),
        ]
    )
    found = fold_difference(
        table, "values", "random", "video", "recall_pooled", block=1, resamples=100
    )
    assert found[0] == pytest.approx(10 / 16 - (1 / 4 + 1 / 2) / 2)


def test_frames_of_two_folds_are_not_paired():
    values = np.random.default_rng(8).random((1, 60))
    table = folds({"random": values, "last": values})
    found = between(table, "random", "last", resamples=400)
    # Paired, what is the same in both would differ by nothing on every draw.
    error = 1.96 * values.std() * np.sqrt(2 / 60)
    assert found == pytest.approx((0, -error, error), abs=0.15 * error)


def test_interval_between_folds_covers_the_truth_in_nineteen_of_twenty_simulations():
    rng = np.random.default_rng(9)
    covered = []
    for _ in range(100):
        sizes = {"random": 20, "01to02": 30, "02to01": 40}
        table = folds({fold: rng.standard_normal((1, size)) for fold, size in sizes.items()})
        _, low, high = between(table, "random", "video", block=2)
        covered.append(low <= 0 <= high)
    assert 0.87 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize(
    ("fold", "against"), [("random", "video"), ("video", "random"), ("last", "01to02")]
)
def test_arm_that_lacks_a_fold_has_no_difference(fold, against):
    table = folds({"last": [[1.0]], "random": [[1.0]], "01to02": [[1.0]], "02to01": [[1.0]]})
    assert not np.isnan(between(table, fold, against)).any()
    held_out = table.fold.isin(["01to02", "02to01"])
    assert np.isnan(between(table[~held_out | (table.arm == "zero")], fold, against)).all()
    assert np.isnan(between(table[:0], fold, against)).all()
