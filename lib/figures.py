"""Figures made of images (2, 3, 4, 7 and 8), and the style that all figures share.

A figure is drawn on its own canvas and returned, never shown, so that nothing is left behind
between two of them. `save` writes and closes it.
"""

import math
import os
import string
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from skimage.color import label2rgb

from lib.arrays import crowded_window, to_gap_mask, to_mask
from lib.files import StateError

# Okabe and Ito's colours, which stay apart for the colour-blind, then brown and grey for the rest.
COLOURS = {
    "none": "#0072B2",
    "augmented": "#D55E00",
    "none_matched": "#56B4E9",
    "repeated": "#E69F00",
    "none_tuned": "#009E73",
    "augmented_tuned": "#CC79A7",
    "rigid": "#8C5A2B",
    "elastic": "#8A8A8A",
    "rigid_elastic": "#000000",
    # Tol's muted scheme, where Okabe and Ito's colours are used up.
    "gap": "#332288",
    "gap_weighted": "#882255",
    "gap_weighted_25": "#AA4499",
    "gap_weighted_known": "#6699CC",
    "border": "#117733",
    "distance": "#DDCC77",
    "no_skip": "#999933",
    "aspp": "#44AA99",
    "unpadded": "#225555",
    "augmented_full": "#1A1A66",
    "augmented_1e-3": "#009988",
    "augmented_1e-4": "#AA3377",
    "none_1e-3": "#EE6677",
    "none_1e-3_full": "#762A83",
    "repeated_1e-3": "#7F3300",
    "known_25": "#555555",
    "known_25_long": "#D0468C",
    "known_25_256": "#A63603",
    "known_25_wide": "#F08A24",
    "known_25_constant": "#3377CC",
    "known_25_256_constant": "#222255",
    "known_25_average": "#33BBEE",
    "known_25_bare": "#BBCC33",
    "known_25_strong": "#00897B",
    "known_25_field": "#DDAACC",
    # What is scored without a network.
    "all_foreground": "#777777",
    "image_blind": "#777777",
    "local_variance": "#777777",
    "previous_frame": "#777777",
}
# For arms that somebody adds.
OTHER_COLOURS = ("#88CCEE", "#555599", "#995544", "#6B8E9F", "#B3A369")
# The report's two arms, at the learning rate of the scan and at a lower one.
FIGURE_7 = ("none", "augmented", "none_1e-3", "augmented_1e-3")
WIDTH = 7.0  # inches; 9 points on it are still read at 700 px


def style():
    """Context in which every figure is drawn and saved; a decorator, too.

    Returns
    -------
    context manager
        For ``with style():`` around `matplotlib.figure.Figure`.
    """
    return matplotlib.rc_context(
        {
            "figure.facecolor": "white",
            "figure.dpi": 150,
            "savefig.dpi": 150,
            "savefig.facecolor": "white",
            "savefig.bbox": "tight",
            "savefig.pad_inches": 0.05,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.grid": False,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.5,
            "axes.prop_cycle": matplotlib.cycler(color=list(COLOURS.values())),
            "image.cmap": "gray",
        }
    )


def arm_colour(arm):
    """Colour of an arm, the same in every figure and on every machine; any name has one."""
    return COLOURS.get(arm, OTHER_COLOURS[sum(arm.encode()) % len(OTHER_COLOURS)])


def save(figure, folder, name, *, svg=False):
    """Write a figure below a profile's outputs.

    The same figure gives the same bytes: there is neither a date nor a version in the files.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    folder : Path
        Outputs of the profile; the figure goes to its folder ``figures``.
    name : str
        Name of the file, without an ending.
    svg : bool
        Whether to write an SVG beside the PNG; for line drawings.

    Returns
    -------
    Path
        The PNG file.

    Raises
    ------
    StateError
        If a file cannot be written; a figure that was there before stays.
    """
    target = Path(folder) / "figures" / f"{name}.png"
    with style(), matplotlib.rc_context({"svg.hashsalt": name}):
        _write(figure, target, {"Software": None})
        if svg:
            _write(figure, target.with_suffix(".svg"), {"Date": None, "Creator": None})
    return target


def scale_bar(axes, image, pixel_size):
    """Draw a bar of a round length, at most a quarter of the image.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    image : ndarray, shape (M, N, ...)
    pixel_size : float or None
        Micrometres a pixel; without it no bar is drawn.
    """
    if pixel_size is None:
        return
    widest = image.shape[1] * pixel_size / 4
    length = max(size for size in (1, 2, 5, 10, 20, 50, 100) if size <= max(widest, 1))
    bar = AnchoredSizeBar(
        axes.transData,
        length / pixel_size,
        f"{length} µm",
        "lower right",
        size_vertical=image.shape[0] / 100,
        label_top=True,
        sep=2,
        borderpad=0.6,
        fontproperties=FontProperties(size=7),
    )
    bar.patch.set(edgecolor="none", alpha=0.85)
    axes.add_artist(bar)


# The figures of the report ------------------------------------------------------------------


@style()
def draw_sample(images, titles, *, pixel_size=None):
    """Draw Figure 2: sample frames side by side, each in its own grey scale.

    Parameters
    ----------
    images : sequence of ndarray, shape (M, N)
        Grey values.
    titles : sequence of str
    pixel_size : float, optional
        Micrometres a pixel, for a scale bar; images that show nothing real have none.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(len(images), 4)
    figure, panels = _grid(math.ceil(len(images) / columns), columns)
    for axes, image, title in zip(panels, images, titles, strict=False):
        _show(axes, image, title, **_grey(image))
        scale_bar(axes, image, pixel_size)
    _hide_empty(panels)
    return figure


@style()
def draw_labels_to_mask(image, labels, *, pixel_size=None):
    """Draw Figure 3: image, cells, mask, mask with gaps, and where most cells touch in close-up.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    labels : ndarray of int, shape (M, N)
    pixel_size : float, optional
        As for `draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    mask, gaps = to_mask(labels), to_gap_mask(labels)
    box = crowded_window(labels, 1 / 5)
    drawn = {
        "image": (image, _grey(image)),
        "cells": (_cell_colours(labels), {}),
        "mask": (mask, {"cmap": "viridis", "vmin": 0, "vmax": 1}),
        "mask with gaps": (gaps, {"cmap": "viridis", "vmin": 0, "vmax": 1}),
    }
    figure, panels = _grid(2, len(drawn))
    for column, (title, (values, look)) in enumerate(drawn.items()):
        whole, closeup = panels[column], panels[column + len(drawn)]
        _show(whole, values, title, **look)
        whole.add_patch(_frame_of(box, edgecolor="red"))
        _show(closeup, values[box], **look)
        for spine in closeup.spines.values():
            spine.set(visible=True, edgecolor="red", linewidth=1.2)
    scale_bar(panels[0], image, pixel_size)
    return figure


@style()
def draw_augmentation(copies, fields):
    """Draw Figure 4: copies of a frame, and how far parts of a copy's motion move each pixel.

    Parameters
    ----------
    copies : dict of str to tuple
        Title to image and labels, both of shape (M, M); cells are outlined.
    fields : dict of str to ndarray, shape (2, M, M)
        Title to displacement, as in `lib.augmentation`: rows and columns, px. Colours share one
        scale, and the arrows are as long as the displacement is.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = max(len(copies), len(fields))
    figure, panels = _grid(2, columns, extra=0.45)
    grey = _grey([image for image, _ in copies.values()])
    for axes, (title, (image, labels)) in zip(panels, copies.items(), strict=False):
        _show(axes, image, title, **grey)
        _outline(axes, labels)
    longest = max(np.hypot(*field).max() for field in fields.values())
    for axes, (title, field) in zip(panels[columns:], fields.items(), strict=False):
        length = np.hypot(*field)
        title = f"{title}\nat most {length.max():.1f} px"
        lengths = _show(axes, length, title, cmap="viridis", vmin=0, vmax=longest)
        _arrows(axes, field)
    _bar(lengths).set_label("px")
    _hide_empty(panels)
    return figure


@style()
def draw_online(copies, grids):
    """Draw Figure 4b: versions of a frame, and what each does to a regular grid.

    Parameters
    ----------
    copies : dict of str to tuple
        Title to image and labels, both of shape (M, M); cells are outlined.
    grids : sequence of ndarray, shape (M, M)
        A regular grid, moved as the copies were.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = _grid(2, len(copies))
    grey = _grey([image for image, _ in copies.values()])
    for column, (title, (image, labels)) in enumerate(copies.items()):
        _show(panels[column], image, title, **grey)
        _outline(panels[column], labels)
        _show(panels[column + len(copies)], grids[column], cmap="gray_r", vmin=0, vmax=1)
    return figure


@style()
def draw_predictions(image, predictions, truth, *, pixel_size=None):
    """Draw Figure 7: a test image, what networks predict for it, and the truth.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    predictions : list of tuple
        Title and foreground probability, shape (K, L); each has a colour bar of its own range, as
        in the original, since a prediction that hardly varies would else be one flat colour.
    truth : ndarray, shape (M, N)
        Mask, 1 in a cell.
    pixel_size : float, optional
        As for `draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    count = len(predictions) + 2
    columns = 2 if count <= 4 else 3
    figure, panels = _grid(math.ceil(count / columns), columns)
    _show(panels[0], image, "test image", **_grey(image))
    scale_bar(panels[0], image, pixel_size)
    for axes, (title, probability) in zip(panels[1:], predictions, strict=False):
        _show_with_bar(axes, probability, title)
    _show_with_bar(panels[count - 1], truth, "truth", vmin=0, vmax=1)
    _hide_empty(panels)
    return figure


@style()
def draw_every_arm(image, predictions, truth, *, pixel_size=None):
    """Draw Figure 7b: a test image, the truth, and what every arm predicts, on one scale.

    Parameters
    ----------
    image : ndarray, shape (M, N)
    predictions : dict of str to ndarray, shape (K, L)
        Foreground probability by arm.
    truth : ndarray, shape (M, N)
        Mask, 1 in a cell.
    pixel_size : float, optional
        As for `draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = {"test image": image, "truth": truth, **predictions}
    figure, panels = _grid(math.ceil(len(shown) / 6), 6, extra=0.15)
    figure.set_figheight(figure.get_figheight() + 0.6)  # for the colour bar
    looks = [_grey(image)] + (len(shown) - 1) * [{"cmap": "viridis", "vmin": 0, "vmax": 1}]
    for axes, (title, values), look in zip(panels, shown.items(), looks, strict=False):
        _show(axes, values, **look)
        axes.set_title(title, loc="left", fontsize=6)
    scale_bar(panels[0], image, pixel_size)
    bar = figure.colorbar(panels[1].images[0], ax=panels, location="bottom", shrink=0.4, aspect=40)
    bar.set_label("probability of a cell")
    bar.outline.set_visible(False)
    _hide_empty(panels)
    return figure


@style()
def draw_mistakes(examples, *, threshold, pixel_size=None):
    """Draw where predictions are wrong: image, probability, and each pixel right, missed or false.

    Parameters
    ----------
    examples : list of tuple
        Title, and an example from `evaluation.read_example`; a row each.
    threshold : float
        Probability from which a pixel counts as cell.
    pixel_size : float, optional
        As for `draw_sample`.

    Returns
    -------
    matplotlib.figure.Figure
        Missed cell pixels blue, background taken for cell orange.
    """
    figure, panels = _grid(len(examples), 3)
    rows = np.reshape(panels, (-1, 3))
    for (image_axes, probability_axes, mistake_axes), (title, example) in zip(
        rows, examples, strict=True
    ):
        image, truth = np.float32(example["image"]), example["labels"] > 0
        found = example["probability"] >= threshold
        _show(image_axes, image, title, **_grey(image))
        _show_with_bar(probability_axes, np.float32(example["probability"]), "probability")
        grey = np.interp(image, np.percentile(image, [1, 99]), [0, 1])
        colours = np.repeat(grey[..., None], 3, axis=2)
        for wrong, colour in ((truth & ~found, "#0072B2"), (found & ~truth, "#D55E00")):
            colours[wrong] = 0.4 * colours[wrong] + 0.6 * np.array(to_rgb(colour))
        _show(mistake_axes, colours, "missed blue, false orange")
        scale_bar(image_axes, image, pixel_size)
    return figure


@style()
def draw_weight_maps(rows, *, limits=(None, None)):
    """Draw Figure 8: masks and the parts of their weight maps, each with its colour bar.

    Parameters
    ----------
    rows : dict of str to dict
        Title of a row to its panels, title to values of shape (M, N).
    limits : tuple of float
        Ends of one scale for all panels; without them each has its own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = max(len(panels) for panels in rows.values())
    figure, panels = _grid(len(rows), columns, extra=0.3)
    for first, (name, maps) in enumerate(rows.items()):
        row = panels[first * columns : (first + 1) * columns]
        for axes, (title, values) in zip(row, maps.items(), strict=False):
            _show_with_bar(axes, values, title, vmin=limits[0], vmax=limits[1])
        row[0].annotate(
            name, (-0.08, 0.5), xycoords="axes fraction", rotation=90, ha="right", va="center"
        )
    _hide_empty(panels)
    return figure


# Parts of a figure --------------------------------------------------------------------------


def _grid(rows, columns, extra=0.25):
    """Make square panels over the whole width, with `extra` inches for the titles of a row."""
    height = rows * (WIDTH / columns + extra)
    figure = Figure(figsize=(WIDTH, height), layout="compressed")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _show(axes, values, title=None, **look):
    """Show an array without axes, under its letter and title if it has one."""
    if title is not None:
        letter = string.ascii_lowercase[axes.figure.axes.index(axes)]
        columns = axes.get_gridspec().ncols
        size = 9 if columns <= 4 else 7.5  # so that a name of an arm stays in one line
        width = round(88 / columns * 9 / size)
        lines = [textwrap.fill(line, width) for line in f"({letter}) {title}".splitlines()]
        axes.set_title("\n".join(lines), loc="left", fontsize=size)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(values, **look)


def _show_with_bar(axes, values, title, **limits):
    return _bar(_show(axes, values, title, cmap="viridis", **limits))


def _bar(shown):
    """Put a colour bar of the same height beside a panel."""
    place = shown.axes.inset_axes([1.03, 0, 0.05, 1])
    bar = shown.figure.colorbar(shown, cax=place, ticks=MaxNLocator(5))
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)
    return bar


def _hide_empty(panels):
    for axes in panels:
        if not axes.has_data():
            axes.set_axis_off()


def _grey(images):
    """Grey scale that leaves out the darkest and brightest half per cent, common to the images."""
    low, high = np.percentile(np.stack(images), [0.5, 99.5])
    return {"cmap": "gray", "vmin": low, "vmax": high}


def _cell_colours(labels):
    return label2rgb(labels, colors=matplotlib.colormaps["tab20"].colors, bg_color="black")


def _outline(axes, labels):
    """Outline each cell in its colour, half a pixel inside, so that neighbours are apart."""
    colours = matplotlib.colormaps["tab20"].colors
    for number, cell in enumerate(np.unique(labels[labels > 0])):
        colour = [colours[number % len(colours)]]
        axes.contour(labels == cell, [0.5], colors=colour, linewidths=1)


def _arrows(axes, field):
    """Draw about eight arrows a side, from where a value is taken to where it goes."""
    step = max(1, field.shape[1] // 8)
    rows, columns = np.mgrid[step // 2 : field.shape[1] : step, step // 2 : field.shape[2] : step]
    down, right = field[:, rows, columns]
    axes.autoscale(False)
    axes.quiver(
        columns + right,
        rows + down,
        -right,
        -down,
        color="white",
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.008,
    )


def _frame_of(box, **look):
    rows, columns = box
    corner = (columns.start - 0.5, rows.start - 0.5)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Rectangle(corner, *size, fill=False, linewidth=1.2, **look)


def _write(figure, path, metadata):
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(beside, format=path.suffix[1:], metadata=metadata)
        os.replace(beside, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror or error}") from error
