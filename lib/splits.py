"""Which frames are trained on, chosen on and tested on."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lib.source import DataError


@dataclass(frozen=True)
class Split:
    """Frames to train on, to choose on, and to test on.

    Parameters
    ----------
    fold : str
        Name of the fold.
    train, validation, test : list of tuple
        Pairs of video and number of the frame, sorted.
    """

    fold: str
    train: list[tuple[str, int]]
    validation: list[tuple[str, int]]
    test: list[tuple[str, int]]


def make_split(
    fold: str,
    frames: Mapping[str, int],
    *,
    test_share: float = 0.2,
    validation_share: float = 0.1,
    seed: int,
) -> Split:
    """Divide the frames of a data set.

    Parameters
    ----------
    fold : str
        ``last``: the last frames are the test side. ``random``: drawn frames are. ``01to02``:
        video 01 is the training side and video 02 the test side, and so for any two videos.
    frames : mapping of str to int
        Number of frames of each video.
    test_share : float
        Share of the frames that ``last`` and ``random`` test on, rounded up.
    validation_share : float
        Share of the training side, rounded down but at least one frame; its last frames, in one
        block.
    seed : int
        Seed of ``random``.

    Returns
    -------
    Split
        Three lists without a common frame.

    Raises
    ------
    ValueError
        If the fold or its video is unknown, or a side would have no frame.
    """
    for name, share in (("test_share", test_share), ("validation_share", validation_share)):
        if not 0 < share < 1:
            raise ValueError(f"{name} {share}: not between 0 and 1")
    every = sorted((video, number) for video, count in frames.items() for number in range(count))
    test = _test_side(fold, frames, every, test_share, seed)
    rest = sorted(set(every) - set(test))
    if fold not in ("last", "random"):
        rest = [frame for frame in rest if frame[0] == fold.split("to")[0]]
    # Exact fractions: 0.1 * 30 is more than 3 in floating point.
    held = max(1, math.floor(Fraction(str(validation_share)) * len(rest)))
    if not test or len(rest) <= held:
        raise ValueError(f"fold {fold}: too few frames ({dict(frames)})")
    return Split(fold, rest[:-held], rest[-held:], test)


def _test_side(fold, frames, every, share, seed):
    count = math.ceil(Fraction(str(share)) * len(every))
    if fold == "last":
        return every[len(every) - count :]
    if fold == "random":
        drawn = np.random.default_rng(seed).choice(len(every), count, replace=False)
        return [every[i] for i in sorted(drawn)]
    match = re.fullmatch(r"(\w+)to(\w+)", fold)
    if not match or match[1] == match[2]:
        raise ValueError(f"fold {fold!r}: use last, random, or two videos as in 01to02")
    for video in match.groups():
        if video not in frames:
            raise ValueError(f"fold {fold!r}: no video {video}; there are {sorted(frames)}")
    return [frame for frame in every if frame[0] == match[2]]


def read_split(path: Path) -> Split:
    """Read a split.

    Parameters
    ----------
    path : Path
        A JSON file of the fields of a `Split`.

    Returns
    -------
    Split
        What was written.

    Raises
    ------
    DataError
        If the file is missing or not a split.
    """
    try:
        fields = json.loads(path.read_text())
        lists = {
            side: [(str(video), int(number)) for video, number in fields[side]]
            for side in ("train", "validation", "test")
        }
        return Split(fields["fold"], **lists)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a split that can be read ({error})") from error
