"""What the frames, splits and weights are like: small tables of them, and plots of the tables."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.spatial.distance import dice

from lib import metrics
from lib.arrays import is_missed, to_border, to_mask
from lib.augmentation import published_displacement
from lib.data import list_frames, read_labels
from lib.figures import WIDTH, style
from lib.weight_map import (
    border_distances,
    border_weights,
    class_weights,
    original_border_weights,
)

VIDEO_COLOURS = ("#332288", "#CC6677", "#117733", "#DDCC77")
SIDES = {"train": "#56B4E9", "validation": "#E69F00", "test": "#D55E00"}


# Tables -------------------------------------------------------------------------------------


def frame_table(labels):
    """Count the cells of every frame, and measure its foreground and where cells touch.

    Parameters
    ----------
    labels : dict of str to ndarray of int, shape (F, M, N)
        Cells of each video.

    Returns
    -------
    pandas.DataFrame
        A row a frame: video, frame, cells, foreground (share of the pixels), touching (number of
        pixels that `to_border` marks).
    """
    rows = [
        {
            "video": video,
            "frame": number,
            "cells": np.unique(cells[cells > 0]).size,
            "foreground": float(np.mean(cells > 0)),
            "touching": int(np.sum(to_border(cells))),
        }
        for video, frames in labels.items()
        for number, cells in enumerate(frames)
    ]
    return pd.DataFrame(rows)


def similarity_table(labels, lags):
    """Score the mask of an earlier frame as if it were a prediction of a later one.

    Parameters
    ----------
    labels : dict of str to ndarray of int, shape (F, M, N)
        Cells of each video.
    lags : sequence of int
        How many frames earlier; those that a video is too short for are left out.

    Returns
    -------
    pandas.DataFrame
        video, lag, f1 (mean over the frames that have such an earlier frame).
    """
    rows = []
    for video, frames in labels.items():
        masks = to_mask(frames).reshape(len(frames), -1).astype(bool)
        for lag in (lag for lag in lags if lag < len(masks)):
            pairs = zip(masks[lag:], masks[:-lag], strict=True)
            f1 = np.mean([1 - dice(later, earlier) for later, earlier in pairs])
            rows.append({"video": video, "lag": lag, "f1": f1})
    return pd.DataFrame(rows)


def truth_table(folder, labels):
    """Count the cells that the silver truth misses, by the challenge's markers of every cell.

    A marker is a spot that people put into each cell of each frame for tracking. Where it lies on
    the silver truth's background, the cell is missed, and a network that finds it is scored as
    wrong. How much that costs is estimated for a prediction that is right everywhere, with each
    missed cell as large as the frame's median cell.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    labels : dict of str to ndarray of int, shape (F, M, N)
        Silver truth of each video.

    Returns
    -------
    pandas.DataFrame
        A row a frame that has markers: video, frame, cells, missed, and the pixel counts tp, fp,
        fn, tn of a prediction that is right everywhere.
    """
    rows = []
    for video, frames in labels.items():
        for frame in list_frames(folder, video):
            if frame.markers:
                truth = frames[frame.number]
                markers = read_labels(frame.markers, truth.shape)
                rows.append({"video": video, "frame": frame.number} | _missed(truth, markers))
    columns = ["video", "frame", "cells", "missed", *metrics.COUNTS]
    return pd.DataFrame(rows, columns=columns)


def _missed(truth, markers):
    numbers = np.unique(markers[markers > 0])
    missed = int(is_missed(truth, markers)[numbers].sum())
    areas = np.unique(truth[truth > 0], return_counts=True)[1]
    foreground = int(areas.sum())
    extra = min(int(missed * np.median(areas)), truth.size - foreground)
    right = {"tp": foreground, "fp": extra, "fn": 0, "tn": truth.size - foreground - extra}
    return {"cells": len(numbers), "missed": missed} | right


def distance_to_training(split):
    """How far each test frame is from the nearest training frame of its video.

    Parameters
    ----------
    split : lib.splits.Split

    Returns
    -------
    ndarray of float, shape (number of test frames,)
        In frames; infinity where nothing of the video is trained on.
    """
    return np.array(
        [
            min(
                (abs(frame - other) for seen, other in split.train if seen == video),
                default=np.inf,
            )
            for video, frame in split.test
        ]
    )


def part_displacement(seed, size, ranges, parts):
    """Displacement of a static copy of which only some parts act, with its flip undone.

    Parameters
    ----------
    seed : int or sequence of int
        Names the copy, as in `lib.augmentation.static_copy`.
    size : int
        Rows and columns, px.
    ranges : dict of str to float
        The published ranges: rotation, shift, shear, zoom.
    parts : collection of str
        The parts that act.

    Returns
    -------
    ndarray of float, shape (2, size, size)
    """
    chosen = {part: value if part in parts else 0.0 for part, value in ranges.items()}
    moved = published_displacement(np.random.default_rng(seed), size, **chosen)
    nothing = dict.fromkeys(ranges, 0.0)
    # Without ranges a copy differs from its frame only where it is flipped.
    if published_displacement(np.random.default_rng(seed), 2, **nothing).any():
        places = np.indices((size, size))
        moved = (moved + places)[:, :, ::-1] - places
    return moved


def displacement_table(ranges, sizes, copies):
    """Measure how far each part of the published augmentation moves pixels.

    Parameters
    ----------
    ranges : dict of str to float
        The published ranges: rotation, shift, shear, zoom.
    sizes : sequence of int
        Rows and columns of images, px.
    copies : int
        Number of copies that are drawn.

    Returns
    -------
    pandas.DataFrame
        A row a part, and one for all; for each size the median over pixels and copies, and the
        largest, px.
    """
    rows = []
    for name, parts in {**{part: [part] for part in ranges}, "all four": list(ranges)}.items():
        row = {"part": name}
        for size in sizes:
            lengths = [
                np.hypot(*part_displacement(copy, size, ranges, parts)) for copy in range(copies)
            ]
            row[f"median at {size} px"] = np.median(lengths)
            row[f"largest at {size} px"] = np.max(lengths)
        rows.append(row)
    return pd.DataFrame(rows)


def count_copies(frames, copies, test_share, validation_share):
    """Count images as the original did, if its copies replace the frames.

    Parameters
    ----------
    frames : int
        Frames of all videos.
    copies : int
        Copies of a frame.
    test_share : float
        Share of the frames that are tested on, rounded up.
    validation_share : float
        Share of the copies that Keras takes off the end, as `validation_split`.

    Returns
    -------
    dict of str to int
    """
    rest = frames - math.ceil(test_share * frames)
    return {
        "frames": frames,
        "not tested on": rest,
        "copies of each": copies,
        "copies made": copies * rest,
        "copies to train on": int(copies * rest * (1 - validation_share)),
        "with the originals": (copies + 1) * rest,
    }


def grid_image(size):
    """Make a regular grid of dark lines, 16 a side; a warp shows on it.

    Parameters
    ----------
    size : int
        Rows and columns, px.

    Returns
    -------
    ndarray of float, shape (size, size)
        1 on a line, 0 elsewhere.
    """
    line = np.arange(size) % (size // 16) < max(1, size // 256)
    return np.maximum.outer(line, line).astype(float)


def gap_profile(labels, *, w0, sigma, original_sigma):
    """Weights along a row or column of pixels across a gap between two cells.

    Of all gaps, it is one that is about as wide as the border term.

    Parameters
    ----------
    labels : ndarray of int, shape (M, N)
        Cells.
    w0 : float
        Height of the border term.
    sigma, original_sigma : float
        Its width here and in the original's variant, px.

    Returns
    -------
    pandas.DataFrame
        position (px from the gap), cell (its id, 0 in the gap) and the weights.

    Raises
    ------
    ValueError
        If there are fewer than two cells.
    """
    nearest, second = border_distances(labels)
    if not np.isfinite(second).any():
        raise ValueError("a gap needs two cells")
    cost = abs(nearest - sigma / 2) + abs(second - sigma / 2)
    row, column = np.unravel_index(np.where(labels > 0, np.inf, cost).argmin(), labels.shape)
    if _gap_width(labels[:, column], row) < _gap_width(labels[row], column):
        labels, row, column = labels.T, column, row
    near = slice(max(column - round(8 * sigma), 0), column + round(8 * sigma) + 1)
    maps = {
        "cell": labels,
        "class weights": class_weights(labels),
        "border weights": border_weights(labels, w0=w0, sigma=sigma),
        "original's border weights": original_border_weights(labels, w0=w0, sigma=original_sigma),
    }
    table = pd.DataFrame({name: values[row, near] for name, values in maps.items()})
    table.insert(0, "position", np.arange(labels.shape[1])[near] - column)
    return table


def _gap_width(line, place):
    """Distance between the cells on both sides of a place on a line, infinity without both."""
    cells = np.flatnonzero(line) - place
    return min(cells[cells > 0], default=np.inf) - max(cells[cells < 0], default=-np.inf)


# Plots --------------------------------------------------------------------------------------


@style()
def draw_foreground(table):
    """Draw cells and foreground of every frame through time.

    Parameters
    ----------
    table : pandas.DataFrame
        From `frame_table`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    counts, shares = figure.subplots(1, 2, sharex=True)
    for number, (video, rows) in enumerate(table.groupby("video")):
        look = {"color": VIDEO_COLOURS[number % 4], "linestyle": ("-", "--")[number % 2]}
        counts.plot(rows.frame, rows.cells, drawstyle="steps-mid", **look)
        shares.plot(rows.frame, 100 * rows.foreground, label=f"video {video}", **look)
    counts.set(xlabel="frame", ylabel="cells in the frame", ylim=(0, None))
    counts.yaxis.set_major_locator(MaxNLocator(integer=True))
    shares.set(xlabel="frame", ylabel="foreground, % of the pixels", ylim=(0, 100))
    shares.legend(loc="lower right")
    return figure


@style()
def draw_splits(splits, frames):
    """Draw, for each fold, which frames are trained on, chosen on and tested on.

    Parameters
    ----------
    splits : sequence of lib.splits.Split
    frames : dict of str to int
        Number of frames of each video.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(splits)), layout="constrained")
    strips = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
    for axes, (video, count) in zip(strips, frames.items(), strict=True):
        for row, split in enumerate(splits):
            axes.broken_barh([(-0.5, count)], (row - 0.36, 0.72), color="#EEEEEE")
            for side, colour in SIDES.items():
                taken = [
                    (number - 0.5, 1) for name, number in getattr(split, side) if name == video
                ]
                axes.broken_barh(taken, (row - 0.36, 0.72), color=colour, linewidth=0.4)
        axes.set(xlabel="frame", xlim=(-0.5, count - 0.5), ylim=(len(splits) - 0.5, -0.5))
        axes.set_title(f"video {video}", loc="left")
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False)
    strips[0].set_yticks(range(len(splits)), [split.fold for split in splits])
    handles = [Patch(color=colour, label=side) for side, colour in SIDES.items()]
    used = [len(split.train) + len(split.validation) + len(split.test) for split in splits]
    if min(used) < sum(frames.values()):
        handles.append(Patch(color="#EEEEEE", label="not used"))
    figure.legend(handles=handles, loc="outside upper right", ncols=4)
    return figure


@style()
def draw_similarity(table):
    """Draw how good a prediction the mask of an earlier frame is.

    Parameters
    ----------
    table : pandas.DataFrame
        From `similarity_table`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(0.7 * WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    for number, (video, rows) in enumerate(table.groupby("video")):
        look = {"color": VIDEO_COLOURS[number % 4], "linestyle": ("-", "--")[number % 2]}
        axes.plot(rows.lag, rows.f1, marker="o", markersize=4, label=f"video {video}", **look)
    axes.set(xlabel="frames earlier", ylabel="F1 of the earlier mask", ylim=(None, 1))
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(table.lag)), sorted(set(table.lag)), minor=False)
    axes.grid(axis="y")
    axes.legend()
    return figure


@style()
def draw_weight_profile(table):
    """Draw the weights across a gap between two cells.

    Parameters
    ----------
    table : pandas.DataFrame
        From `gap_profile`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(0.8 * WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    everywhere = axes.get_xaxis_transform()
    for number, cell in enumerate(table.cell[table.cell > 0].unique()):
        inside = table.cell == cell
        axes.fill_between(
            table.position,
            1,
            where=inside,
            step="mid",
            transform=everywhere,
            color=("#DDE8F0", "#F3E6DA")[number % 2],
            linewidth=0,
        )
        axes.text(
            table.position[inside].mean(), 0.97, "cell", transform=everywhere, ha="center", va="top"
        )
    ours = table["class weights"] + table["border weights"]
    axes.plot(table.position, ours, color="#0072B2", label="class + border weights")
    axes.plot(table.position, table["class weights"], ":", color="#0072B2", label="class weights")
    original = table["original's border weights"]
    axes.plot(table.position, original, "--", color="#D55E00", label="original's border weights")
    axes.set(xlabel="px from the gap", ylabel="weight", xlim=table.position.iloc[[0, -1]])
    axes.set_ylim(0, 1.25 * max(ours.max(), original.max()))
    figure.legend(loc="outside upper center", ncols=3)
    return figure
