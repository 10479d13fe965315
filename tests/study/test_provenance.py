"""The record of code, versions and machine, and the digests of a run's files."""

import json
import os
import platform
import subprocess
import sys

import pytest

from lib.data.files import ROOT
from lib.study import provenance

NAMES = ("history.csv", "metrics.csv", "provenance.json")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A project with a committed file and a committed result."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "summary.csv").write_text("0.5\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    git(tmp_path, *identity, "commit", "--quiet", "--message", "first")
    return tmp_path


def git(folder, *words):
    command = ["git", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_commit_is_named_and_results_do_not_make_the_code_dirty(repository):
    (repository / "outputs" / "summary.csv").write_text("0.6\n")
    head = git(repository, "rev-parse", "HEAD").strip()
    assert provenance.commit() == {"commit": head, "dirty": False}
    (repository / "code.py").write_text("a = 2\n")
    assert provenance.commit() == {"commit": head, "dirty": True}


def test_runs_of_earlier_code_are_counted(repository, monkeypatch):
    head = git(repository, "rev-parse", "HEAD").strip()
    folders = []
    for number, commit in enumerate([head, "abc", "abc", "def", None]):
        folders.append(repository / str(number))
        folders[-1].mkdir()
        record = {"files": {}, "commit": commit}
        (folders[-1] / "provenance.json").write_text(json.dumps(record))
    assert provenance.earlier_code(folders) == (
        "3 runs were made by earlier code, at 2 commits; their numbers stand"
    )
    assert provenance.earlier_code(folders[:1]) == ""
    monkeypatch.setenv("PATH", "")
    assert provenance.earlier_code(folders) == ""


def test_without_git_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == {"commit": None, "dirty": None}


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("", 1)])
def test_a_run_has_the_threads_that_make_gives_it_or_one(given, threads):
    asked = [sys.executable, "-c", "from lib.study import provenance; print(provenance.THREADS)"]
    environ = os.environ | {"STUDY_THREADS": given}
    assert int(subprocess.check_output(asked, cwd=ROOT, env=environ)) == threads


def test_record_names_data_versions_and_machine():
    data = {"source": "phantom", "digests": {"images": "0" * 64}}
    record = json.loads(json.dumps(provenance.collect(data)))
    assert (record["data"], record["threads"]) == (data, provenance.THREADS)
    assert record["python"] == platform.python_version()
    assert {"tensorflow", "keras", "numpy", "papermill"} <= record["packages"].keys()
    assert record["hardware"]["cores"] > 0
    assert record["hardware"]["processor"]


@pytest.fixture
def run(tmp_path):
    """A run's folder of three files, one of which a clone does not have, and their digests."""
    for name in ("history.csv", "metrics.csv", "model.keras", "kernel.log"):
        (tmp_path / name).write_text("0.625\n")
    record = {"files": provenance.file_digests(tmp_path, NAMES)}
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    return tmp_path


def test_whole_run_has_no_faults_with_or_without_its_network(run):
    digests = provenance.file_digests(run, NAMES)
    assert list(digests) == ["history.csv", "metrics.csv", "model.keras"]
    (run / "model.keras").unlink()
    assert provenance.fault_of(run, NAMES) is None
    assert provenance.fault_of(run, NAMES, read=True) is None


@pytest.mark.parametrize("name", ["metrics.csv", "model.keras"])
def test_cut_file_is_seen_by_its_size(run, name):
    (run / name).write_text("0.6")
    for read in (False, True):
        found = provenance.fault_of(run, NAMES, read=read)
        assert found == f"{name}: has 3 bytes, and 6 were written"


def test_changed_digit_is_seen_by_the_digest_alone(run):
    (run / "metrics.csv").write_text("0.624\n")
    assert provenance.fault_of(run, NAMES) is None
    fault = provenance.fault_of(run, NAMES, read=True)
    assert fault.startswith("metrics.csv: is not the file that was written")


def test_missing_file_and_broken_record(run):
    (run / "history.csv").unlink()
    for names in (NAMES, NAMES[1:]):  # what a run left has to be there, needed or not
        assert provenance.fault_of(run, names) == "history.csv is missing"
    for text in ("{", "{}", '{"files": {"history.csv": 3}}'):
        (run / "provenance.json").write_text(text)
        fault = provenance.fault_of(run, NAMES[1:])
        assert fault.startswith("provenance.json: cannot be read")
    assert provenance.fault_of(run / "nowhere", NAMES) == "not there"
