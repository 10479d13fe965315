"""The store of runs: names, what is done, what is damaged, and why something is to be done."""

import pytest
import yaml

from lib.data import files
from lib.data.files import StateError
from lib.page import commands
from lib.study import params, runs, schema

RECORD = {"digests": {"images": "1", "silver": "2", "gold": "3"}, "source": "folder"}
OTHER = {"digests": {"images": "4", "silver": "2", "gold": "3"}, "source": "folder"}


@pytest.fixture
def profile(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    return params.load("smoke")


def finish(run, profile):
    """Leave what a finished run leaves, with a word in each file."""
    with runs.under_way(run, profile, RECORD) as folder:
        for name in runs.RUN_FILES[1:-1]:
            (folder / name).write_text("whole", encoding="utf-8")
        files.write_json(folder / "provenance.json", {"commit": "abc"})


def test_the_name_of_a_run_depends_on_settings_and_images_alone(profile):
    first, again = runs.plan(profile, RECORD), runs.plan(profile, RECORD)
    assert [run.name for run in first] == [run.name for run in again]
    moved = runs.plan(profile, OTHER)
    assert all(a.name != b.name for a, b in zip(first, moved, strict=True))


def test_every_arm_comes_once_before_any_comes_twice():
    planned = runs.plan(params.load("study"), RECORD)
    seeds = [run.seed for run in planned if run.seed != "seeds"]
    assert seeds == sorted(seeds)
    means = [run for run in planned if run.seed == "seeds"]
    assert all(len(run.needs) > 1 for run in means)


def test_a_run_is_done_when_its_folder_is_whole_and_other_profiles_find_it(profile, tmp_path):
    run = runs.plan(profile, RECORD)[0]
    assert runs.locate(run, profile) is None
    assert runs.why(run, profile) == "new"
    finish(run, profile)
    assert runs.locate(run, profile) == run.folder(profile.outputs)
    mine = tmp_path / "mine.yaml"
    mine.write_text("inherits: smoke\n", encoding="utf-8")
    other = params.load(mine)
    assert runs.locate(runs.plan(other, RECORD)[0], other) == run.folder(profile.outputs)


def test_a_cut_file_is_named_and_the_run_is_to_be_done_again(profile):
    run = runs.plan(profile, RECORD)[0]
    finish(run, profile)
    (run.folder(profile.outputs) / "history.csv").write_text("wh", encoding="utf-8")
    assert runs.locate(run, profile) is None
    assert "history.csv" in runs.why(run, profile)


def test_a_changed_setting_is_named(profile, tmp_path):
    finish(runs.plan(profile, RECORD)[0], profile)
    path = tmp_path / "a" / "smoke2.yaml"
    path.parent.mkdir()
    path.write_text("inherits: smoke\nmodel: {filters: 8}\n", encoding="utf-8")
    changed = runs.plan(params.load(path), RECORD)[0]
    assert runs.why(changed, profile) == "settings: model.filters 4 -> 8"


def test_two_processes_do_not_work_on_one_folder(tmp_path):
    with (
        runs.locked(tmp_path / "run", "a run"),
        pytest.raises(StateError, match="another process works on a run"),
        runs.locked(tmp_path / "run", "a run"),
    ):
        pass


def test_a_run_that_lacks_a_file_gets_no_name_and_goes_on_where_it_was(profile):
    run = runs.plan(profile, RECORD)[0]
    checkpoints = run.partial(profile.outputs) / "checkpoints"
    checkpoints.mkdir(parents=True)
    lacks = pytest.raises(StateError, match=r"history\.csv is missing; the same command makes it")
    with lacks, runs.under_way(run, profile, RECORD) as folder:
        files.write_json(folder / "provenance.json", {})
    assert not run.folder(profile.outputs).exists()
    assert runs.why(run, profile) == "begun"
    assert checkpoints.is_dir()
    finish(run, profile)
    left = {path.name for path in run.folder(profile.outputs).iterdir()}
    assert left == set(runs.RUN_FILES)


def test_a_run_is_found_by_its_name(profile):
    kept = {"source": "folder", "label": "made", "known": True} | RECORD
    files.write_json(profile.outputs / "data.json", kept)
    first, planned, record = runs.find(profile, runs.plan(profile, RECORD)[0].name)
    assert (first, record) == (planned[0], kept)
    with pytest.raises(StateError, match=rf"{first.arm}-0: no run of params/smoke\.yaml"):
        runs.find(profile, f"{first.arm}-0")


def test_what_is_published_is_cleaned_by_force_alone(monkeypatch):
    monkeypatch.delenv("STUDY_FORCE", raising=False)
    with pytest.raises(StateError, match="FORCE=1"):
        commands.clean(params.load("study"))
    assert (params.load("study").outputs / "runs").is_dir()


def test_what_waits_is_named_with_its_reason(profile, monkeypatch):
    monkeypatch.setattr(runs, "fingerprint", lambda *_: "f")
    todo = runs.jobs(profile, RECORD)
    assert [job.target.partition("/runs/")[2] for job in todo[:4]] == [
        f"{run.name}/provenance.json" for run in runs.plan(profile, RECORD)
    ]
    assert {job.why for job in todo} == {"new", "new or changed"}
    report = todo[-1]
    assert report.name == "06_report"
    assert set(report.needs) >= {job.target for job in todo[:4]}


def test_settings_of_a_run_read_back_the_same(tmp_path):
    settings = schema.changed(params.load("smoke").settings, {"training.learning_rate": 1e-07})
    runs.write_run(tmp_path, runs.Run("São", "last", 0, "", settings), {"frames": {"01": 84}})
    read = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    assert list(read) == ["arm", "fold", "seed", "digest", "data", "settings"]
    assert read["arm"] == "São"
    assert schema.Settings.model_validate(read["settings"]) == settings
