"""The record of code, versions and machine."""

import json
import platform
import subprocess

import pytest

from lib import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A project with a committed file and a committed result."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "metrics.csv").write_text("0.5\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    git(tmp_path, *identity, "commit", "--quiet", "--message", "first")
    return tmp_path


def git(folder, *words):
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_clean_checkout(repository):
    assert provenance.commit() == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False}


@pytest.mark.parametrize("staged", [False, True])
def test_changed_code_is_dirty(repository, staged):
    (repository / "code.py").write_text("a = 2\n")
    if staged:
        git(repository, "add", ".")
    assert provenance.commit() == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": True}


def test_deleted_code_is_dirty(repository):
    (repository / "code.py").unlink()
    assert provenance.commit()["dirty"] is True


def test_results_do_not_make_the_code_dirty(repository):
    (repository / "outputs" / "metrics.csv").write_text("0.6\n")
    (repository / "outputs" / "summary.csv").write_text("0.6\n")
    assert provenance.commit()["dirty"] is False


def test_outside_a_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == {"commit": None, "dirty": None}


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == {"commit": None, "dirty": None}


def test_record_names_data_versions_and_machine(monkeypatch):
    monkeypatch.setenv("STUDY_THREADS", "3")
    data = {"source": "phantom", "digests": {"images": "0" * 64}}
    record = json.loads(json.dumps(provenance.collect(data)))
    assert record["data"] == data
    assert record["threads"] == 3
    assert record["python"] == platform.python_version()
    assert {"tensorflow", "keras", "numpy", "papermill"} <= record["packages"].keys()
    assert record["hardware"]["cores"] > 0
    assert record["hardware"]["processor"]


def test_one_thread_unless_make_says_more(monkeypatch):
    monkeypatch.delenv("STUDY_THREADS", raising=False)
    assert provenance.threads() == 1


def test_cards_are_those_that_the_driver_names(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.cards() == []
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho NVIDIA One\necho NVIDIA Two\n")
    driver.chmod(0o755)
    assert provenance.cards() == ["NVIDIA One", "NVIDIA Two"]
