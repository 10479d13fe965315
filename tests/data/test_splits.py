"""Which frames are trained on, chosen on and tested on."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data.splits import make_split

HELA = {"01": list(range(84)), "02": list(range(84))}
SHARES = {"test_share": 0.2, "validation_share": 0.1}


def test_last_fold_of_the_original():
    split = make_split("last", HELA, **SHARES, seed=1)
    # 168 frames: 134 to train and validate on, as the report has it, and 34 to test on.
    assert (len(split.train), len(split.validation), len(split.test)) == (121, 13, 34)
    assert split.test == [("02", number) for number in range(50, 84)]
    assert split.validation == [("02", number) for number in range(37, 50)]


def test_random_fold_is_drawn_by_its_seed():
    split = make_split("random", HELA, **SHARES, seed=1)
    assert (len(split.train), len(split.validation), len(split.test)) == (121, 13, 34)
    assert split == make_split("random", HELA, **SHARES, seed=1)
    assert split.test != make_split("random", HELA, **SHARES, seed=2).test
    assert {video for video, _ in split.test} == {"01", "02"}


@pytest.mark.parametrize(
    ("fold", "train", "test"), [("01to02", "01", "02"), ("02to01", "02", "01")]
)
def test_video_folds(fold, train, test):
    split = make_split(fold, HELA | {"03": [0]}, **SHARES, seed=1)
    assert split.test == [(test, number) for number in range(84)]
    assert split.train == [(train, number) for number in range(76)]
    assert split.validation == [(train, number) for number in range(76, 84)]


NUMBERS = st.lists(st.integers(0, 99), min_size=3, max_size=60, unique=True)


@given(
    fold=st.sampled_from(["last", "random", "01to02", "02to01"]),
    labelled=st.fixed_dictionaries({"01": NUMBERS, "02": NUMBERS}),
    test_percent=st.integers(1, 50),
    validation_percent=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_sides_of_any_split(fold, labelled, test_percent, validation_percent, seed):
    shares = {"test_share": test_percent / 100, "validation_share": validation_percent / 100}
    split = make_split(fold, labelled, **shares, seed=seed)
    every = split.train + split.validation + split.test
    assert sorted(every) == sorted((video, n) for video in labelled for n in labelled[video])
    assert split.train
    rest = len(split.train) + len(split.validation)
    assert len(split.validation) == max(1, rest * validation_percent // 100)
    assert split.train + split.validation == sorted(split.train + split.validation)
    assert split.test == sorted(split.test)
    if fold in ("last", "random"):
        assert len(split.test) == math.ceil(Fraction(test_percent, 100) * len(every))


@pytest.mark.parametrize(
    ("fold", "labelled", "message"),
    [
        ("first", HELA, "fold first: no video first; there are"),
        ("01to01", HELA, "fold 01to01: too few"),
        ("01to02", {"01": [0, 1, 2]}, r"no video 02; there are \['01'\]"),
        ("last", {"01": [0, 1]}, r"fold last: too few labelled frames \({'01': 2}\)"),
        ("random", {}, "fold random: too few labelled frames"),
        ("01to02", {"01": [4], "02": [5, 6]}, "fold 01to02: too few"),
        ("01to02", {"01": [4, 5], "02": []}, "fold 01to02: too few"),
    ],
)
def test_impossible_split(fold, labelled, message):
    with pytest.raises(ValueError, match=message):
        make_split(fold, labelled, **SHARES, seed=1)
