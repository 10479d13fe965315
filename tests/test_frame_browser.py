"""The frame browser of the notebooks, live and as a picture."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lib.frame_browser import LISTED, Browser


@pytest.fixture
def browser():
    return Browser(
        lambda level, frame: np.full((4, 6, 3), level * frame / 100),
        alt="A grey image",
        level=[("dark", 0.5), ("light", 1.0)],
        frame=range(10, 10 + LISTED + 1),
    )


def grey(png):
    pixels = np.array(Image.open(io.BytesIO(png)))
    assert pixels.shape == (4, 6, 3)
    return np.unique(pixels).tolist()


def test_first_picture_stands_where_there_are_no_widgets(browser):
    data, metadata = browser._repr_mimebundle_()
    assert grey(base64.b64decode(data["image/png"])) == [round(255 * 0.05)]
    assert metadata["image/png"]["alt"] == "A grey image"
    assert "application/vnd.jupyter.widget-view+json" in data


def test_choices_change_the_picture(browser):
    browser.controls["level"].value = 1.0
    assert grey(browser.picture.value) == [round(255 * 0.1)]
    browser.controls["frame"].value = 18
    assert grey(browser.picture.value) == [round(255 * 0.18)]


def test_many_values_have_a_slider_and_few_a_list(browser):
    kinds = {name: type(control).__name__ for name, control in browser.controls.items()}
    assert kinds == {"level": "Dropdown", "frame": "SelectionSlider"}
    assert all(control.description == name for name, control in browser.controls.items())
