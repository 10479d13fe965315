"""The numbers in the README are those of the published results."""

import pandas as pd
import pytest

from lib.paths import OUTPUTS, ROOT
from lib.results import f1_of_runs
from lib.tables import how_many_runs, value_range

STUDY = OUTPUTS / "study"


def published():
    f1 = pd.read_csv(STUDY / "claims.csv").set_index("id").published
    return f"F1 from {f1['f1_none']:.3f} to {f1['f1_augmented']:.3f}"


def score(arm):
    """Say what the runs of an arm score on the split of the report."""
    table = pd.read_csv(STUDY / "metrics.csv", dtype={"video": str})
    f1 = f1_of_runs(table, arm, "last")
    return f"F1 {value_range(f1, '.2f')} in {how_many_runs(len(f1))}"


def augmented():
    return f"{score('augmented_1e-3')} with augmentation"


def plain():
    return f"{score('none_1e-3')} without"


def floor():
    table = pd.read_csv(STUDY / "summary.csv").set_index(["arm", "fold", "metric"])
    return (
        f"marking every pixel scores {table.loc['all_foreground', 'last', 'f1_pooled']['mean']:.2f}"
    )


def difference(name, fold, file, metric, profile="study"):
    table = pd.read_csv(OUTPUTS / profile / file).set_index(["id", "fold", "metric"])
    row = table.loc[name, fold, metric]
    return f"by {row['mean']:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"


def pixels(name, fold):
    return f"F1 {difference(name, fold, 'effects.csv', 'f1_pooled')}"


def cells(name):
    return f"SEG {difference(name, 'video', 'cells_effects.csv', 'seg_gt')}"


def over_copies():
    return f"against exact copies of the images, augmentation changes {pixels('copies_3', 'last')}"


def tuned():
    return f"changes {pixels('published_tuned', 'video')} and {cells('published_tuned')}"


def full_size():
    one, other = (
        difference("published_tuned", fold, "effects.csv", "f1_pooled", "full_size")
        for fold in ("01to02", "02to01")
    )
    seg = difference("published_tuned", "video", "cells_effects.csv", "seg_gt", "full_size")
    return (
        f"in single runs, it changes F1 {one} on one video and {other} on the other, and SEG {seg}"
    )


def not_stopped():
    return f"{score('none_1e-3_full')} that go on for as many epochs as the published one"


def fewer():
    table = pd.read_csv(STUDY / "runs.csv")
    own = table[(table.fold == "last") & (table.side == "test")].groupby("arm").updates.mean()
    return f"with {own['augmented_1e-3'] / own['none_1e-3']:.0f} times fewer updates"


def weight_map():
    return f"The weight map changes {pixels('weight_map', 'video')} and {cells('weight_map')}"


@pytest.mark.parametrize(
    "say",
    [
        published,
        augmented,
        plain,
        fewer,
        not_stopped,
        floor,
        over_copies,
        tuned,
        full_size,
        weight_map,
    ],
)
def test_readme_states_what_came_out(say):
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert say() in text, f"README.md has to say: {say()}"
