"""The numbers in the README are those of the published results."""

import pandas as pd
import pytest

from lib.paths import OUTPUTS, ROOT

STUDY = OUTPUTS / "study"


def published():
    f1 = pd.read_csv(STUDY / "claims.csv").set_index("id").published
    return f"F1 from {f1['f1_none']:.3f} to {f1['f1_augmented']:.3f}"


def score(arm):
    """Say what an arm scores on the split of the report."""
    table = pd.read_csv(STUDY / "summary.csv")
    means = table[(table.arm == arm) & (table.fold == "last")].set_index("metric")["mean"]
    return f"F1 {means['f1_pooled']:.2f} and mean IoU {means['mean_iou_pooled']:.2f}"


def augmented():
    return f"{score('augmented_1e-3')} with augmentation"


def plain():
    return f"{score('none_1e-3')} without"


def effect():
    table = pd.read_csv(STUDY / "effects.csv").set_index(["id", "fold", "metric"])
    row = table.loc["published_tuned", "video", "f1_pooled"]
    return f"F1 by {row['mean']:.3f} (95 % interval {row.ci_low:.3f} to {row.ci_high:.3f})"


@pytest.mark.parametrize("say", [published, augmented, plain, effect])
def test_readme_states_what_came_out(say):
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert say() in text, f"README.md has to say: {say()}"
