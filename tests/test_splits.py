import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.source import DataError
from lib.splits import make_split, read_split

HELA_FRAMES = {"01": 84, "02": 84}


def numbers(frames, video):
    return [number for name, number in frames if name == video]


def test_last_fold_of_the_original():
    split = make_split("last", HELA_FRAMES, seed=1)
    # 168 frames: 134 to train and validate on, as the report has it, and 34 to test on.
    assert (len(split.train), len(split.validation), len(split.test)) == (121, 13, 34)
    assert split.test == [("02", number) for number in range(50, 84)]
    assert split.validation == [("02", number) for number in range(37, 50)]


def test_random_fold_is_drawn_by_its_seed():
    split = make_split("random", HELA_FRAMES, seed=1)
    assert (len(split.train), len(split.validation), len(split.test)) == (121, 13, 34)
    assert split == make_split("random", HELA_FRAMES, seed=1)
    assert split.test != make_split("random", HELA_FRAMES, seed=2).test
    assert split.test == sorted(split.test)
    assert {video for video, _ in split.test} == {"01", "02"}


@pytest.mark.parametrize(
    ("fold", "train", "test"), [("01to02", "01", "02"), ("02to01", "02", "01")]
)
def test_video_folds(fold, train, test):
    split = make_split(fold, HELA_FRAMES, seed=1)
    assert split.test == [(test, number) for number in range(84)]
    assert split.train == [(train, number) for number in range(76)]
    assert split.validation == [(train, number) for number in range(76, 84)]


@given(
    fold=st.sampled_from(["last", "random", "01to02", "02to01"]),
    counts=st.tuples(st.integers(3, 60), st.integers(3, 60)),
    test_percent=st.integers(1, 50),
    validation_percent=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_sides_of_any_split(fold, counts, test_percent, validation_percent, seed):
    frames = dict(zip(("01", "02"), counts, strict=True))
    shares = {"test_share": test_percent / 100, "validation_share": validation_percent / 100}
    split = make_split(fold, frames, **shares, seed=seed)
    every = split.train + split.validation + split.test
    assert sorted(every) == [(video, n) for video in frames for n in range(frames[video])]
    assert split.train
    rest = len(split.train) + len(split.validation)
    assert len(split.validation) == max(1, rest * validation_percent // 100)
    assert split.train + split.validation == sorted(split.train + split.validation)
    if fold in ("last", "random"):
        assert len(split.test) == math.ceil(Fraction(test_percent, 100) * len(every))


def test_more_videos_than_the_fold_uses():
    split = make_split("01to03", {"01": 5, "02": 5, "03": 5}, seed=1)
    assert numbers(split.train + split.validation + split.test, "02") == []


@pytest.mark.parametrize(
    ("fold", "frames", "message"),
    [
        ("first", HELA_FRAMES, "fold 'first'"),
        ("01to01", HELA_FRAMES, "fold '01to01'"),
        ("01to03", HELA_FRAMES, "no video 03"),
        ("last", {"01": 2}, "fold last: too few frames"),
        ("random", {}, "fold random: too few frames"),
        ("01to02", {"01": 1, "02": 9}, "fold 01to02: too few frames"),
        ("01to02", {"01": 9, "02": 0}, "fold 01to02: too few frames"),
    ],
)
def test_impossible_split(fold, frames, message):
    with pytest.raises(ValueError, match=message):
        make_split(fold, frames, seed=1)


@pytest.mark.parametrize("share", ["test_share", "validation_share"])
@pytest.mark.parametrize("value", [0, 1, -0.1, math.nan])
def test_impossible_share(share, value):
    with pytest.raises(ValueError, match=share):
        make_split("last", HELA_FRAMES, **{share: value}, seed=1)


@pytest.mark.parametrize("text", ["", "[]", '{"fold": "last"}', '{"fold": "last", "train": [1]}'])
def test_split_file_that_is_no_split(tmp_path, text):
    path = tmp_path / "last.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"last\.json: not a split"):
        read_split(path)
