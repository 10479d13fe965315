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


def effect(name, fold):
    table = pd.read_csv(STUDY / "effects.csv").set_index(["id", "fold", "metric"])
    row = table.loc[name, fold, "f1_pooled"]
    return f"F1 by {row['mean']:.3f} (95 % interval {row.ci_low:.3f} to {row.ci_high:.3f})"


def over_copies():
    change = effect("copies_3", "last")
    return f"Against exact copies, with which training is long too, augmentation changes {change}"


def tuned():
    return effect("published_tuned", "video")


@pytest.mark.parametrize("say", [published, augmented, plain, over_copies, tuned])
def test_readme_states_what_came_out(say):
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert say() in text, f"README.md has to say: {say()}"
