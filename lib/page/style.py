"""How figures look, and how they are written."""

from pathlib import Path

import matplotlib

GREY, INK = "#6b7680", "#1d2228"


def style():
    """Context in which figures are drawn and saved, and a decorator; see study.mplstyle."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("study.mplstyle"))


def looks(profile):
    """Words and colours of a profile's arms, from their cards: two dicts by arm."""
    cards = profile.cards.items()
    return {arm: card.words or arm for arm, card in cards}, {arm: c.colour for arm, c in cards}


def save_figure(figure, path):
    """Write a figure, lines as .svg, photographs as .png or .jpg, and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    undated = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
    with style(), matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata=undated.get(path.suffix))
    return path
