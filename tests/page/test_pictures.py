import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from lib.page import pictures
from lib.page.style import save_figure

LABELS = np.zeros((16, 16), np.uint16)
LABELS[4:12, 2:8], LABELS[4:12, 8:14] = 3, 5
IMAGE = np.arange(256, dtype=np.uint8).reshape(16, 16)
WORDS = {"plain": "plain", "gap": "<gap>"}


class Results:
    """Two frames of a fold each, with cells by arm; there may be no `first` in the first fold."""

    folds = ("last", "01to02", "02to01")

    def __init__(self, first="plain"):
        self.first = first

    def examples(self, arm, fold):
        """Keep what an arm found in the test frame of a fold."""
        video = {"01to02": "02", "02to01": "01"}[fold]
        cells = LABELS if arm == "gap" else 0 * LABELS
        kept = {"video": video, "frame": 9, "cells": cells}
        return {} if arm != self.first and fold == "01to02" else {"first": kept}

    def frame(self, video, number):
        """Give image and labels of a frame."""
        return IMAGE, LABELS


def rgb(colour):
    return tuple(bytes.fromhex(colour[1:]))


def decoded(url):
    kind, data = url.split(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_integers_are_grey_floats_a_map_and_colours_stay():
    grey = pictures.picture(IMAGE)
    assert grey.shape == (16, 16, 3)
    assert (grey.min(), grey.max()) == (0, 255)
    assert (grey[..., 0] == grey[..., 2]).all()
    ends = pictures.picture(np.array([[0.0, 1.0, 5.0]]), (0, 5))
    assert tuple(ends[0, 0]) == (68, 1, 84)
    assert tuple(ends[0, 2]) == (253, 231, 36)
    assert (pictures.picture(LABELS > 0)[8, 8] == ends[0, 2]).all()
    assert (pictures.picture(pictures.coloured(LABELS))[0, 0] == 0).all()
    assert pictures.picture(grey) is grey


def test_a_strip_has_a_panel_a_title_and_one_scale(tmp_path):
    panels = {"image": IMAGE, "weights": np.full((16, 16), 2.0), "truth": LABELS > 0}
    figure = pictures.strip(panels, limits=(0, 4), bar="weight")
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title("left") for axes in shown] == list(panels)
    assert figure.axes[-1].get_ylabel() == "weight"
    assert figure.axes[-1].get_ylim() == (0, 4)
    save_figure(figure, tmp_path / "a.jpg")
    assert Image.open(tmp_path / "a.jpg").width > 1000


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_is_saved_as_large_as_it_is(tmp_path, name):
    paths = pictures.save_strip({"truth": LABELS > 0}, tmp_path / "new" / name)
    saved = np.asarray(Image.open(paths["truth"]).convert("RGB"))
    assert saved.shape == (16, 16, 3)
    assert np.abs(saved[8, 8] - np.array([253, 231, 36])).max() < 10


@pytest.mark.parametrize("cells", [LABELS, None])
def test_outlines_have_their_colours_and_leave_the_inside_alone(cells):
    image = np.full((16, 16), 100, np.uint8)
    drawn, plain = pictures.outlined(image, LABELS, cells), pictures.outlined(image, 0 * LABELS)
    assert (drawn.dtype, drawn.shape) == (np.uint8, (32, 32, 3))
    assert (drawn == rgb(pictures.TRUTH)).all(axis=2).any()
    assert (drawn == rgb(pictures.FOUND)).all(axis=2).any() == (cells is not None)
    assert (drawn[12, 8] == plain[12, 8]).all()
    assert (image == 100).all()


def test_a_grid_that_nothing_moves_has_straight_lines_and_a_shift_moves_them():
    nothing = np.zeros((2, 16, 16))
    still = pictures.warped_grid(nothing, 8)
    assert (still[0] == 0).all()
    assert (still[:, 8] == 0).all()
    assert still[4, 4] == 255
    shifted = pictures.warped_grid(nothing + np.array([0, 3.0])[:, None, None], 8)
    assert (shifted[:, 5] == 0).all()
    assert (shifted[4, 8]) == 255


def test_a_strip_is_a_file_a_panel_and_a_closeup_lies_where_most_is(tmp_path):
    paths = pictures.save_strip({"image": IMAGE, "cells": LABELS > 0}, tmp_path / "a.png")
    assert list(paths) == ["image", "cells"]
    assert [path.name for path in paths.values()] == ["a_panel1.png", "a_panel2.png"]
    spot = np.zeros((20, 30))
    spot[0, 29] = 1
    assert pictures.closeup(spot, 8) == (slice(0, 8), slice(22, 30))


def viewer(results=None, words=WORDS, caption=""):
    made = pictures.viewer(results or Results(), words, number="24", caption=caption)
    return BeautifulSoup(made.data, "html.parser")


def test_viewer_holds_every_frame_and_network_and_is_a_picture_without_scripts():
    soup = viewer(caption="Some <b> frames.")
    assert soup.figure["id"] == "figure-24"
    data = json.loads(soup.script.get_text())
    # Where videos are held out in turn, they are what is shown.
    frames = ["video 02, frame 9", "video 01, frame 9"]
    assert data.keys() == set(frames)
    assert [option.get_text() for option in soup.select("[name=frame] option")] == frames
    assert [option.get_text() for option in soup.select("[name=arm] option")] == ["plain", "<gap>"]
    first = data[frames[0]]
    sources = {image["class"][0]: image["src"] for image in soup.select("img")}
    wanted = {kind: first[kind] for kind in ("image", "truth")}
    assert sources == wanted | {"found": first["found"]["plain"]}
    assert all(image["alt"] for image in soup.select("img"))
    assert soup.figcaption.get_text() == "Figure 24. Some <b> frames."
    # Every control has a name that is read out.
    assert all(label.get_text(strip=True) for label in soup.select("label"))


def test_outlines_in_the_viewer_have_a_colour_and_nothing_around_them():
    soup = viewer(words={"gap": "gap"}, results=Results("gap"))
    outlines = np.asarray(decoded(soup.select_one(".found")["src"]).convert("RGBA"))
    assert tuple(outlines[4, 4]) == (*rgb(pictures.FOUND), 255)
    assert outlines[8, 5, 3] == outlines[0, 0, 3] == 0
    grey = np.asarray(decoded(soup.select_one(".image")["src"]))
    assert (grey.shape, grey.min(), grey.max()) == ((16, 16), 0, 255)


def test_the_network_shown_first_is_one_that_saw_the_first_frame():
    soup = viewer(Results("gap"))
    names = [option.get_text() for option in soup.select("[name=arm] option")]
    assert names == ["<gap>", "plain"]
    assert soup.select_one(".found")["src"].startswith("data:image/png")


def test_without_networks_the_viewer_says_so():
    assert "No network to show yet." in viewer(words={}).get_text()


def network(depth=2, filters=4, size=32, skip=True):
    """Make what is read of a U-Net: names, kinds and shapes of its layers."""
    layers = {}

    def add(kind, name, before, after):
        made = type(kind, (), {"name": name})()
        made.input, made.output = (SimpleNamespace(shape=(None, *s)) for s in (before, after))
        layers[name] = made

    def block(name, level, channels):
        shape = (size >> level, 2 * size >> level)
        add("Conv2D", f"{name}_conv1", (*shape, channels), (*shape, filters << level))
        add("Conv2D", f"{name}_conv2", (*shape, filters << level), (*shape, filters << level))

    for level in range(depth + 1):
        name = f"down{level}" if level < depth else "bottom"
        block(name, level, filters << level >> 1 if level else 1)
    for level in reversed(range(depth)):
        add("Conv2DTranspose", f"up{level}_up", (), ())
        if skip:
            add("Concatenate", f"up{level}_skip", (), ())
        block(f"up{level}", level, filters << level << 1)
    add("Conv2D", "logits", (size, 2 * size, filters), (size, 2 * size, 1))
    return SimpleNamespace(
        layers=list(layers.values()), get_layer=layers.get, count_params=lambda: 12345
    )


def test_the_network_is_drawn_with_the_numbers_of_its_layers():
    svg = BeautifulSoup(pictures.architecture(network()), "html.parser")
    words = [text.get_text() for text in svg.select("text")]
    # On the way down what was pooled has the number of the map above it.
    channels = [int(word) for word in words if word.isdigit()]
    assert channels == [1, 4, 4, 8, 8, 16, 16, 16, 8, 8, 8, 4, 4, 1]
    sizes = [word for word in words if re.fullmatch(r"\d+ × \d+", word)]
    assert sizes == ["32 × 64", "16 × 32", "8 × 16", "16 × 32", "32 × 64"]
    assert "13 convolutions, 12,345 parameters" in words
    arrows = [line["class"][0] for line in svg.select("line")]
    assert [arrows.count(kind) - 1 for kind in ("conv", "pool", "up", "copy", "out")] == [
        10,
        2,
        2,
        2,
        1,
    ]
    boxes = [[float(box[side]) for side in ("x", "y", "width", "height")] for box in svg("rect")]
    left, top, right, low = map(float, svg.svg["viewbox"].split())
    assert all(x >= left and y >= top and x + w <= right and y + h <= low for x, y, w, h in boxes)


def test_without_connections_across_none_is_drawn():
    svg = BeautifulSoup(pictures.architecture(network(skip=False)), "html.parser")
    assert not svg.select("line.copy")
    assert "copied across" not in svg.get_text()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_image_of_any_type_fills_the_scale_of_grey(kind):
    image = np.array([[100, 150, 200]], kind)
    assert pictures.grey(image).tolist() == [[0, 127, 255]]
