"""How figures look, and how they are written."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb

GREY, INK = "#6b7680", "#1d2228"


def style():
    """Context in which figures are drawn and saved, and a decorator; see study.mplstyle."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("study.mplstyle"))


def looks(profile):
    """Words and colours of a profile's arms, from their cards: two dicts by arm."""
    cards = profile.cards.items()
    return {arm: card.words or arm for arm, card in cards}, {arm: c.colour for arm, c in cards}


def contrast(colour, ground="#ffffff"):
    """Ratio of the luminances of two colours, as WCAG 2 defines it: from 1 to 21."""
    rgb = np.array([to_rgb(colour), to_rgb(ground)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def legible(colour):
    """Darken a colour until words in it are read on white: to a contrast of 4.5."""
    while contrast(colour) < 4.5:
        colour = to_hex(0.95 * np.array(to_rgb(colour)))
    return colour


def save_figure(figure, path):
    """Write a figure, lines as .svg, photographs as .png or .jpg, and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    undated = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    with style(), matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata=undated.get(path.suffix))
    return path
