"""The whole pipeline on the phantom, as a user runs it: one short profile, then changes."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from lib.data.files import PARAMS, ROOT
from tests.page.faults import faults_of

MINE = """inherits: smoke
arms:
  mine: {inherits: none, augmentation.method: repeat}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Outputs of their own, and no images but the phantom's."""
    folder = tmp_path_factory.mktemp("pipeline with a space")
    return {
        "STUDY_OUTPUTS": str(folder / "outputs"),
        "UNET_DIC_HELA_CACHE": str(folder / "cache"),
        "DIC_HELA_DIR": "",
    }


def command(place, *words, **more):
    return subprocess.run(
        [sys.executable, "-m", "lib.page.commands", *words],
        env=os.environ | place | more,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def first(place):
    done = command(place, "reproduce", "params/smoke.yaml", STUDY_JOBS="2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def outputs(place, name="smoke"):
    return ROOT.__class__(place["STUDY_OUTPUTS"]) / name


def test_every_arm_has_a_run_and_every_notebook_a_page(first, place):
    arms = yaml.safe_load((PARAMS / "smoke.yaml").read_text(encoding="utf-8"))["grid"]["arms"]
    runs = pd.read_csv(outputs(place) / "runs.csv")
    assert list(runs.arm) == arms
    assert set(runs.status) == {"completed"}
    for page in ("01_data", "02_augmentation", "03_weight_maps", "04_training", "05_evaluation"):
        text = (outputs(place) / "chapters" / f"{page}.html").read_text(encoding="utf-8")
        assert len(text) > 10_000
        assert faults_of(text) == []
    assert faults_of((outputs(place) / "report.html").read_text(encoding="utf-8")) == []
    assert "[4/4 border last seed0]" in first


def test_the_page_says_that_it_is_the_phantom_and_judges_nothing(first, place):
    page = (outputs(place) / "report.html").read_text(encoding="utf-8")
    assert "phantom" in page
    verdicts = pd.read_csv(outputs(place) / "claims.csv").verdict.dropna().unique()
    assert list(verdicts) == ["not tested on the original data"]


def test_a_second_time_there_is_nothing_to_do(first, place):
    again = command(place, "reproduce", "params/smoke.yaml")
    assert "nothing to do" in again.stdout, again.stdout + again.stderr


def test_the_tables_are_verified_and_a_changed_digit_is_named(first, place):
    assert command(place, "verify", "params/smoke.yaml").returncode == 0
    path = next((outputs(place) / "runs").glob("none-*/last/seed0/metrics.csv"))
    before = path.read_text(encoding="utf-8")
    table = pd.read_csv(path, dtype={"video": str})
    table.loc[1, "tp"] += 1
    table.to_csv(path, index=False)
    found = command(place, "verify", "params/smoke.yaml")
    path.write_text(before, encoding="utf-8")
    assert found.returncode == 2
    assert "metrics.csv" in found.stderr


def test_an_ablation_trains_its_own_arm_alone(first, place, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    done = command(place, "reproduce", str(path), STUDY_JOBS="2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    trained = [path.parts[-4] for path in outputs(place, "mine").glob("runs/*/*/*/history.csv")]
    assert [name.partition("-")[0] for name in trained] == ["mine"]
    both = command(place, "compare", "smoke", STUDY_B=str(path))
    assert both.returncode == 0, both.stderr


def test_a_chapter_of_real_results_is_not_made_from_the_phantom(place):
    where = {"STUDY_OUTPUTS": str(outputs(place).parent / "other")}
    data = ROOT.__class__(where["STUDY_OUTPUTS"]) / "study" / "data.json"
    data.parent.mkdir(parents=True)
    data.write_text('{"source": "folder", "label": "real", "digests": {}, "known": true}')
    place = place | where | {"no_proxy": "*"}
    done = command(place, "page", "params/study.yaml", "01_data")
    assert done.returncode == 2
    assert "phantom" in done.stderr or "not reached" in done.stderr
