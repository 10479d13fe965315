"""The frame viewer: what it holds, and what it shows before any script has run."""

import base64
import io
import json

import numpy as np
from bs4 import BeautifulSoup
from PIL import Image

from lib import cell_figures, viewer

LABELS = np.zeros((16, 16), np.uint16)
LABELS[4:12, 4:12] = 3
FRAMES = {
    title: {
        "image": np.arange(256, dtype=np.uint8).reshape(16, 16),
        "labels": LABELS,
        "found": {"gap": LABELS, "none": np.zeros_like(LABELS)},
    }
    for title in ("video 01, frame 3", "video 02, frame <9>")
}


def decoded(url):
    kind, data = url.split(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_viewer_holds_every_frame_and_arm_and_names_its_images():
    shown = viewer.show(FRAMES, "none", number="24", caption="Some <b> frames.")
    soup = BeautifulSoup(shown.data, "html.parser")
    assert soup.figure["id"] == "figure-24"
    data = json.loads(soup.script.get_text())
    assert list(data) == list(FRAMES)
    assert [option.get_text() for option in soup.select("[name=frame] option")] == list(FRAMES)
    assert soup.select_one("[name=arm] option[selected]").get_text() == "none"
    first = data["video 01, frame 3"]
    sources = {image["class"][0]: image["src"] for image in soup.select("img")}
    assert sources == {k: first[k] for k in ("image", "truth")} | {"found": first["found"]["none"]}
    assert all(image["alt"] for image in soup.select("img"))
    assert soup.figcaption.get_text() == "Figure 24. Some <b> frames."
    # Every control has a name that is read out.
    assert all(label.get_text(strip=True) for label in soup.select("label"))


def test_outlines_have_a_colour_and_nothing_around_them():
    soup = BeautifulSoup(viewer.show(FRAMES, "gap", number="1", caption="").data, "html.parser")
    outlines = np.asarray(decoded(soup.select_one(".found")["src"]).convert("RGBA"))
    colour = tuple(bytes.fromhex(cell_figures.FOUND[1:]))
    assert tuple(outlines[4, 8]) == (*colour, 255)
    assert outlines[8, 8, 3] == outlines[0, 0, 3] == 0
    grey = np.asarray(decoded(soup.select_one(".image")["src"]))
    assert grey.shape == (16, 16)
    assert (grey.min(), grey.max()) == (0, 255)


def test_an_arm_that_is_not_there_gives_way_to_another():
    soup = BeautifulSoup(viewer.show(FRAMES, "other", number="1", caption="").data, "html.parser")
    assert soup.select_one("[name=arm] option[selected]").get_text() == "gap"
