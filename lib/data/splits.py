"""Which frames are trained on, chosen on and tested on."""

import math
from collections import namedtuple
from fractions import Fraction

import numpy as np

# Frames to train on, to choose on and to test on: sorted pairs of video and number.
Split = namedtuple("Split", ["fold", "train", "validation", "test"])


def make_split(fold, labelled, *, test_share, validation_share, seed):
    """Divide the labelled frames, numbers by video, into three lists without a common frame.

    ``last`` tests on the last `test_share`, ``random`` on as many drawn by `seed`, ``01to02`` on
    video 02. The last `validation_share` of the rest, or one frame, is to choose on.
    """
    rest = every = sorted((video, n) for video, numbers in labelled.items() for n in numbers)
    # Exact fractions: 0.1 * 30 is more than 3 in floating point.
    count = math.ceil(Fraction(str(test_share)) * len(every))
    if fold == "last":
        test = every[len(every) - count :]
    elif fold == "random":
        drawn = np.random.default_rng(seed).choice(len(every), count, replace=False)
        test = [every[i] for i in sorted(drawn)]
    else:
        videos = fold.split("to")
        if unknown := set(videos) - set(labelled):
            raise ValueError(f"fold {fold}: no video {min(unknown)}; there are {sorted(labelled)}")
        rest, test = ([pair for pair in every if pair[0] == video] for video in videos)
    rest = sorted(set(rest) - set(test))
    held = max(1, math.floor(Fraction(str(validation_share)) * len(rest)))
    if not test or len(rest) <= held:
        counts = {video: len(numbers) for video, numbers in labelled.items()}
        raise ValueError(f"fold {fold}: too few labelled frames ({counts})")
    return Split(fold, rest[:-held], rest[-held:], test)
