"""What captions say, from constructed tables."""

import numpy as np
import pandas as pd
import pytest

from lib import figure_findings as found
from lib.splits import Split


def history(arm, seed, updates, **columns):
    epochs = range(1, len(updates) + 1)
    places = {"arm": arm, "fold": "last", "seed": seed, "epoch": epochs, "updates": updates}
    return pd.DataFrame(places | columns)


@pytest.fixture
def histories():
    return pd.concat(
        [
            history("none", 0, [10, 20], val=[0.5, 0.7]),
            history("none", 1, [10, 20], val=[0.3, 0.5]),
            history("augmented", 0, [10, 30], val=[0.9, 0.1]),
        ]
    )


def test_share_of_a_frame_that_is_cell():
    truth = pd.DataFrame({"video": ["01", "01", "02"], "tp": [30, 20, 40], "fn": [0, 5, 10]})
    truth = truth.assign(fp=5, tn=[65, 70, 45])
    sentence = found.covered_sentence(truth)
    assert sentence == "Of a frame, cells cover 25% to 30% in video 01 and 50% to 50% in video 02."
    assert found.covered_sentence(truth[:0]) == ""


def test_sizes_of_a_fold():
    split = Split("last", [("01", 0)] * 5, [("01", 9)], [("02", 0)] * 2)
    assert found.sizes_sentence(split, "last") == (
        "Fold last has 5 training, 1 validation and 2 test frames."
    )


def test_ends_are_means_over_seeds_beside_the_last_published_value(histories):
    published = pd.DataFrame(
        {"metric": "loss", "arm": "none", "split": "validation", "epoch": [2, 1], "value": [2, 9]}
    )
    longer = pd.concat([published, published[:1].assign(epoch=7, value=5)])
    settings = {"metric": "loss", "column": "val", "split": "validation"}
    sentence = found.ends_sentence(histories, published, **settings)
    assert sentence == (
        "Where the validation curves end: published without 2.00 after 2 epochs, here none 0.50 to "
        "0.70 after 2."
    )
    assert found.ends_sentence(histories, longer, **settings) == (
        "Where the validation curves end: published without 5.00 after 7 epochs, here none 0.50 to "
        "0.70 after 2 (published 2.00 after as many)."
    )
    stopped = histories[(histories.seed == 0) | (histories.epoch < 2)]
    assert found.ends_sentence(stopped, published, **settings) == (
        "Where the validation curves end: published without 2.00 after 2 epochs, here none 0.30 to "
        "0.70 after 1 to 2 (published 2.00 to 9.00 after as many)."
    )
    assert found.ends_sentence(histories[:0], published, **settings) == ""
    both = pd.concat([published.assign(arm="augmented", value=9.0), published])
    full = pd.concat([histories.assign(arm="augmented_full"), histories])
    assert found.ends_sentence(full[full.arm != "augmented"], both, **settings).startswith(
        "Where the validation curves end: published with augmentation 9.00 after 2 epochs, here "
        "augmented_full 0.10 to 0.50 after 2"
    )


def test_arms_are_compared_at_the_updates_that_both_have(histories):
    sentence = found.equal_updates_sentence(histories, "val", "the loss")
    assert sentence == (
        "After about the most updates that every run of both has, the loss is 0.400 (none, after "
        "10 updates) and 0.900 (augmented, after 10 updates)."
    )
    late = histories[(histories.arm == "none") | (histories.updates > 20)]
    assert found.equal_updates_sentence(late, "val", "the loss") == ""
    alone = histories[histories.arm == "none"]
    assert found.equal_updates_sentence(alone, "val", "the loss") == ""


def test_best_and_worst_arm_by_the_best_epoch_of_each_run(histories):
    assert found.range_sentence(histories, "val", "F1") == (
        "The best epoch of augmented has the highest F1, 0.900 as a mean over runs, that of none "
        "the lowest, 0.600."
    )


def test_arms_that_never_leave_the_plateau_are_named(histories):
    losses = histories.rename(columns={"val": "val_loss"})
    assert found.left_sentence(losses) == (
        "2 of 2 arms come clearly below ln 2, to less than 0.64, as a mean over runs. A "
        "network comes that low without a look at the image, by where cells mostly lie."
    )
    stuck = losses.assign(val_loss=losses.val_loss.where(losses.arm == "augmented", 0.69))
    assert found.left_sentence(stuck) == (
        "1 of 2 arms come clearly below ln 2, to less than 0.64, as a mean over runs; not so none. "
        "A network comes that low without a look at the image, by where cells mostly lie."
    )


def test_differences_are_counted_by_their_whole_interval():
    effects = pd.DataFrame(
        {
            "fold": ["video"] * 4 + ["last"],
            "metric": "f1",
            "what": ["this", "that", "less", "none", "more"],
            "mean": [0.2, 0.1, -0.2, np.nan, 0.9],
            "ci_low": [0.1, -0.1, -0.3, np.nan, 0.1],
            "ci_high": [0.3, 0.3, -0.1, np.nan, 0.3],
        }
    )
    assert found.counts_sentence(effects, "video", {"f1": "F1"}) == (
        "Of 3 differences in F1, 1 lie above zero with the whole of their interval and 1 below it. "
        "Highest: +0.200 (+0.100 to +0.300), this. Lowest: −0.200 (−0.300 to −0.100), less."
    )
    assert found.counts_sentence(effects, "video", {"seg_gt": "SEG"}) == ""


@pytest.fixture
def metrics():
    rows = [("a", 7, 0.5), ("b", 7, 0.25), ("c", 7, 0.75), ("d", 7, 0.6), ("e", 7, 0.7)]
    rows += [("a", 8, 0.9)]
    table = pd.DataFrame(rows, columns=["arm", "frame", "value"])
    return table.assign(fold="last", seed=0, video="02", metric="f1")


def test_scores_of_the_frame_that_is_shown(metrics):
    example = {"video": np.str_("02"), "frame": np.int64(7)}
    pair = dict.fromkeys(["a", "b"], example)
    assert found.frame_sentence(metrics, pair, "last") == (
        "Video 02, frame 7, fold last. F1 of this frame: 0.500 (a), 0.250 (b)."
    )
    sentence = found.frame_sentence(metrics, dict.fromkeys("abcde", example), "last")
    assert "from 0.250 (b) to 0.750 (c)" in sentence
    assert found.frame_sentence(metrics, {}, "last") == ""


def test_merges_and_splits_of_the_frame_that_is_shown():
    labels = np.repeat([[1, 1, 2, 2]], 4, axis=0)
    pairs = [("02", 1), ("02", 5)]
    frames = {"pairs": pairs, "labels": [np.zeros_like(labels), labels]}
    cells = {"whole": {("02", 5): labels}, "merged": {("02", 5): np.ones_like(labels)}}
    assert found.errors_sentence(frames, cells) == (
        "Video 02, frame 5. Merges and splits: whole 0 and 0, merged 1 and 0."
    )


def test_cheapest_and_best_arm():
    costs = pd.DataFrame({"arm": ["a", "b", "c"], "minutes": [4, 2, 3], "mean": [0.5, 0.4, 0.6]})
    runs = pd.DataFrame({"arm": ["a", "a", "b", "b"], "updates": [9, 9, 9, 8]})
    runs = runs.assign(side="test", minutes=[1.0, 2.5, 1.0, 9.0])
    sentence = found.cost_sentence(costs, runs)
    ends = (
        "The cheapest is b, 0.400 after 2.0 minutes, the median of its runs; the best is c, 0.600 "
        "after 3.0."
    )
    assert sentence.startswith(f"{ends} An update of one arm")
    # Nine minutes for 8 updates against one for 9.
    assert "took up to 10 times as long" in sentence
    # Half as long again is no order of magnitude.
    assert found.cost_sentence(costs, runs[:3].assign(minutes=[1.0, 1.5, 1.0])) == ends
    assert found.cost_sentence(costs[:0], runs) == ""


def test_rise_of_the_validation_loss(histories):
    arms = {"else": ("aspp",), "without": ("none", "none_tuned"), "with": ("augmented",)}
    # One run without augmentation never leaves ln 2.
    loss = [0.3, 0.2, 0.7, 0.69, 0.3, 0.2]
    histories = histories.assign(val_loss=histories.val, loss=loss)
    assert found.overfitting_sentence(histories, arms) == (
        "Where the training loss left ln 2, the last validation loss lies above the lowest by 0.20 "
        "on average (0.20) in 1 of the 2 runs without; 0.00 on average (0.00) in 1 of the 1 runs "
        "with. So on these folds augmentation holds off overfitting."
    )
    turned = {"with": ("augmented",), "without": ("none", "none_tuned")}
    assert found.overfitting_sentence(histories, turned).endswith("does not hold off overfitting.")
    assert found.overfitting_sentence(histories, {"with": ("augmented",)}).endswith("runs with.")
    assert found.overfitting_sentence(histories[:0], arms) == ""
