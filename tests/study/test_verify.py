"""Whatever is changed in what a study keeps is found and named."""

import json

import pytest

from lib.data.files import StateError
from lib.study import runs, tables
from lib.study.provenance import file_digests
from lib.study.tables import read_text, verify


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def path_of(profile, name):
    """A file of the outputs, or of the run RUN of the arm none."""
    run = runs.plan(profile, runs.read_record(profile.outputs))[0].name
    return profile.outputs / name.replace("RUN", f"runs/{run}")


def edit(path, before, after):
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))


@pytest.fixture
def again(made, monkeypatch):
    """Do not compute the tables: those that come out are those of the study as it was made."""
    kept = {path.stem: read_text(path) for path in made.glob("outputs/made/*.csv")}
    kept.pop("references")
    monkeypatch.setattr(tables, "make_tables", lambda results: kept)


def refused(profile, path):
    with pytest.raises(StateError) as caught:
        verify(profile)
    message = str(caught.value)
    assert message.startswith(f"{path}")
    return message.removeprefix(f"{path}").lstrip(": ")


def test_what_comes_out_again_is_counted_and_nothing_is_changed(profile):
    before = contents(profile.outputs)
    assert verify(profile) == "8 tables came out again, from 17 of 17 runs"
    assert contents(profile.outputs) == before


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        (
            "RUN/metrics.csv",
            "02,8,54,6,6,34,0.9,",
            "02,8,54,6,6,34,0.8,",
            "row 1 (video 02, frame 8), column f1: 0.8; 0.9 computed again",
        ),
        (
            "RUN/metrics.csv",
            "02,9,54,6,6,34,0.9,",
            "02,9,44,6,6,34,0.9,",
            "row 2 (video 02, frame 9), column f1: 0.9; 0.88 computed again",
        ),
        (
            "RUN/metrics.csv",
            "0.7786561264822134,",
            "0.7786561264822135,",
            "is not the file that was written",
        ),
        ("RUN/metrics.csv", ",0.5\n", ",0.6\n", "is not the file that was written"),
        ("RUN/cells.csv", "34,54,6", "34,55,6", "is not the file that was written"),
        ("RUN/history.csv", "0.7", "0.8", "is not the file that was written"),
        ("RUN/params.yaml", "arm: none", "arm: rigid", "has 11 bytes, and 10 were written"),
        (
            "summary.csv",
            "none,last,f1_pooled,0.85",
            "none,last,f1_pooled,0.86",
            "row 2 (arm none, fold last, metric f1_pooled), column mean: 0.86",
        ),
        ("runs.csv", "completed", "diverged", "column status: diverged; completed computed"),
        ("scan.csv", "chosen", "taken", "columns arm, fold, learning_rate, updates, val_loss, "),
    ],
)
def test_any_change_is_found_and_its_place_named(again, profile, name, before, after, expected):
    path = path_of(profile, name)
    edit(path, before, after)
    assert expected in refused(profile, path)


def test_a_changed_baseline_is_found_by_the_tables(profile):
    edit(profile.outputs / "references.csv", ",30,30,30,10,0.5,", ",30,30,20,10,0.5,")
    said = refused(profile, profile.outputs / "summary.csv")
    assert "arm all_foreground, fold last, metric f1), column mean: 0.5; 0.511" in said


def test_run_that_was_cut(profile):
    path = path_of(profile, "RUN/metrics.csv")
    path.write_text(path.read_text().rpartition("02,11")[0])
    assert "bytes, and" in refused(profile, path)


@pytest.mark.parametrize("name", ["RUN/cells.csv", "RUN/provenance.json", "scan.csv"])
def test_missing_file(again, profile, name):
    path = path_of(profile, name)
    path.unlink()
    said = refused(profile, path)
    assert said.startswith("is missing")


def test_run_whose_digests_were_made_anew_is_found_by_its_tables(profile):
    path = path_of(profile, "RUN/metrics.csv")
    edit(path, ",0.5\n", ",0.6\n")
    left = path.with_name("provenance.json")
    record = json.loads(left.read_text()) | {"files": file_digests(path.parent, runs.RUN_FILES)}
    left.write_text(json.dumps(record))
    said = refused(profile, profile.outputs / "summary.csv")
    assert "metric seg_st), column mean: 0.5; 0.5125" in said
