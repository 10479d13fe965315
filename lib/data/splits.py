"""Which frames are trained on, chosen on and tested on."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Split:
    """Frames to train on, to choose on and to test on: sorted pairs of video and number."""

    fold: str
    train: list[tuple[str, int]]
    validation: list[tuple[str, int]]
    test: list[tuple[str, int]]


def make_split(fold, labelled, *, test_share, validation_share, seed):
    """Divide the labelled frames of a data set into three lists without a common frame.

    Parameters
    ----------
    fold : str
        ``last``: the last frames are the test side. ``random``: frames drawn by `seed` are.
        ``01to02``: video 01 is the training side and video 02 the test side; so for any two.
    labelled : mapping of str to list of int
        Numbers of the labelled frames of each video.
    test_share : float
        Share of the frames that ``last`` and ``random`` test on, rounded up.
    validation_share : float
        Share of the training side, rounded down but at least one frame: its last ones.
    seed : int

    Raises
    ------
    ValueError
        If the fold or its video is unknown, or a side would have no frame.
    """
    every = sorted((video, number) for video, numbers in labelled.items() for number in numbers)
    test = _test_side(fold, labelled, every, test_share, seed)
    rest = sorted(set(every) - set(test))
    if fold not in ("last", "random"):
        rest = [frame for frame in rest if frame[0] == fold.split("to")[0]]
    # Exact fractions: 0.1 * 30 is more than 3 in floating point.
    held = max(1, math.floor(Fraction(str(validation_share)) * len(rest)))
    if not test or len(rest) <= held:
        counts = {video: len(numbers) for video, numbers in labelled.items()}
        raise ValueError(f"fold {fold}: too few labelled frames ({counts})")
    return Split(fold, rest[:-held], rest[-held:], test)


def _test_side(fold, labelled, every, share, seed):
    count = math.ceil(Fraction(str(share)) * len(every))
    if fold == "last":
        return every[len(every) - count :]
    if fold == "random":
        drawn = np.random.default_rng(seed).choice(len(every), count, replace=False)
        return [every[i] for i in sorted(drawn)]
    match = re.fullmatch(r"(\w+)to(\w+)", fold)
    if not match or match[1] == match[2]:
        raise ValueError(f"fold {fold!r}: use last, random, or two videos as in 01to02")
    if unknown := set(match.groups()) - set(labelled):
        raise ValueError(f"fold {fold!r}: no video {min(unknown)}; there are {sorted(labelled)}")
    return [frame for frame in every if frame[0] == match[2]]
