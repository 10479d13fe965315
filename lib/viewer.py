"""A frame viewer for the report: choose frame and arm, and wipe from what was found to truth."""

import base64
import io
import json
from html import escape

import numpy as np
from IPython.display import HTML
from PIL import Image
from skimage.segmentation import find_boundaries

from lib import cell_figures, results
from lib.cell_frames import read_frames
from lib.cell_scores import shown_cells


def read_viewer(profile, runs):
    """Read the frames that are shown, and what every arm found in them.

    Parameters
    ----------
    profile : params.Profile
    runs : list of Run

    Returns
    -------
    dict of str to dict
        By title of the frame: image and labels, shape (M, N), and found, the cells by arm.
    """
    frames = {}
    for fold in results.headline_folds(profile)[1]:
        found = shown_cells(profile, runs, fold)
        kept = read_frames(profile.outputs / "cells" / f"frames_{fold}.npz")["spread"]
        for pair, image, labels in zip(kept["pairs"], kept["image"], kept["labels"], strict=True):
            by_arm = {arm: cells[pair] for arm, cells in found.items() if pair in cells}
            title = f"video {pair[0]}, frame {pair[1]}, fold {fold}"
            frames[title] = {"image": image, "labels": labels, "found": by_arm}
    return {title: frame for title, frame in frames.items() if frame["found"]}


def show(frames, first, *, number, caption):
    """Make the viewer, which needs nothing from outside the page; without scripts it is a picture.

    Parameters
    ----------
    frames : dict
        From `read_viewer`, not empty.
    first : str
        Arm that is shown first.
    number, caption : str
        Of the figure.

    Returns
    -------
    IPython.display.HTML
    """
    data = {
        title: {
            "image": _data_url(_grey(frame["image"])),
            "truth": _data_url(_outlines(frame["labels"], cell_figures.TRUTH)),
            "found": {
                arm: _data_url(_outlines(cells, cell_figures.FOUND))
                for arm, cells in frame["found"].items()
            },
        }
        for title, frame in frames.items()
    }
    title, start = next(iter(data.items()))
    arms = list(dict.fromkeys(arm for frame in data.values() for arm in frame["found"]))
    arm = first if first in start["found"] else next(iter(start["found"]))
    return HTML(
        f'<figure id="figure-{escape(number)}" class="viewer"><div class="controls">'
        f'<label>Frame <select name="frame">{_options(data, title)}</select></label>'
        f'<label>Arm <select name="arm">{_options(arms, arm)}</select></label>'
        '<label>Found to true <input type="range" name="wipe" min="0" max="100" value="50"></label>'
        '<label><input type="checkbox" name="outlines" checked> outlines</label></div>'
        '<div class="stage">'
        f'<img class="image" src="{start["image"]}" alt="Test frame">'
        f'<img class="found" src="{start["found"][arm]}" alt="Outlines of the cells found in it">'
        f'<img class="truth" src="{start["truth"]}" alt="Outlines of its true cells"></div>'
        f"<figcaption><strong>Figure {escape(number)}.</strong> {escape(caption)}</figcaption>"
        f'<script type="application/json">{json.dumps(data)}</script></figure>'
    )


def _options(names, chosen):
    return "".join(
        f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in names
    )


def _grey(image):
    low, high = np.percentile(image, [1, 99])
    return Image.fromarray(np.uint8(np.interp(image, [low, max(high, low + 1)], [0, 255])))


def _outlines(ids, colour):
    """Draw outlines of a colour on nothing: two indexed colours make a small file."""
    picture = Image.fromarray(np.uint8(find_boundaries(ids, mode="inner")), mode="P")
    picture.putpalette([0, 0, 0, *bytes.fromhex(colour[1:])])
    return picture


def _data_url(picture):
    buffer = io.BytesIO()
    options = {"transparency": 0} if picture.mode == "P" else {}
    picture.save(buffer, format="PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
