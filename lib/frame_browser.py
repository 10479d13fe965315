"""Pictures by choice in a live notebook; one that is only read shows the first."""

import base64
import io

import ipywidgets
import numpy as np
from PIL import Image

# More values than this are chosen with a slider.
LISTED = 8


class Browser:
    """Controls above a picture.

    Parameters
    ----------
    draw : callable
        Makes a picture, ndarray of float from 0 to 1, shape (M, N, 3), from a value of each choice.
    alt : str
        What the pictures show, for a reader who cannot see them.
    **choices
        Values to choose from, or pairs of a word and a value, by name; the first are shown first.
    """

    def __init__(self, draw, *, alt, **choices):
        self._draw, self.alt = draw, alt
        self.controls = {name: _control(name, list(values)) for name, values in choices.items()}
        self.picture = ipywidgets.Image(format="png", value=self._png())
        for control in self.controls.values():
            control.observe(lambda _: setattr(self.picture, "value", self._png()), names="value")
        row = ipywidgets.HBox(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        self._box = ipywidgets.VBox([row, self.picture])

    def _png(self):
        values = {name: control.value for name, control in self.controls.items()}
        buffer = io.BytesIO()
        pixels = np.uint8(np.round(255 * self._draw(**values)))
        Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_):
        shown = self._box._repr_mimebundle_() | {
            "image/png": base64.b64encode(self.picture.value).decode()
        }
        return shown, {"image/png": {"alt": self.alt}}


def _control(name, values):
    if len(values) > LISTED:
        return ipywidgets.SelectionSlider(options=values, description=name)
    return ipywidgets.Dropdown(options=values, description=name)
