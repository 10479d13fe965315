"""The container and Binder are made from the lock file of everyone else; no build is run here."""

import json
import os
import re
import shlex
import subprocess

import pytest

from lib.paths import ROOT

LOCK = "requirements.lock"
FILES = [
    "Dockerfile",
    ".dockerignore",
    *(f".binder/{n}" for n in ("requirements.txt", "postBuild")),
]


def instructions():
    """Instructions of the Dockerfile, continued lines joined, in their order."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def test_binder_installs_the_lock_file_by_its_hashes():
    binder = ROOT / ".binder"
    (named,) = re.findall(r"-r (\S+)", (binder / "requirements.txt").read_text())
    # pip reads the name from the file's own folder.
    assert (binder / named).resolve() == ROOT / LOCK
    assert "--hash=sha256:" in (ROOT / LOCK).read_text()


def test_binder_has_the_python_of_the_conda_environment():
    version = (ROOT / ".binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"python={version}" in (ROOT / "environment.yml").read_text()
    assert dict(instructions())["FROM"] == f"python:{version}-slim"


def test_after_the_build_the_study_is_installed_as_make_does():
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True)
    (command,) = re.findall(r"pip install (.*)", script.read_text())
    assert f"pip install --quiet {command}" in (ROOT / "Makefile").read_text()


def test_dockerfile_makes_the_environment_of_the_lock_file():
    commands = [words for name, words in instructions() if name == "RUN"]
    assert commands[-1] == f"make .venv/.{LOCK}.ready"
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", *shlex.split(commands[-1])[1:]],
        cwd=ROOT,
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"--require-hashes -r {LOCK}" in planned.stdout


def test_dockerfile_copies_what_exists_and_runs_as_nobody_special():
    steps = instructions()
    names = [name for name, _ in steps]
    assert names[0] == "FROM"
    assert set(names) <= {"FROM", "RUN", "USER", "WORKDIR", "COPY", "CMD"}
    assert dict(steps)["USER"] not in ("root", "0")
    assert names.index("USER") < names.index("COPY")
    for words in (words for name, words in steps if name == "COPY"):
        *sources, _ = (word for word in words.split() if not word.startswith("--"))
        assert sources
        assert all((ROOT / source).exists() for source in sources)


def test_default_command_is_a_target():
    command, target = json.loads(dict(instructions())["CMD"])
    assert command == "make"
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_what_the_build_needs_is_not_left_out():
    ignored = (ROOT / ".dockerignore").read_text().split()
    needed = {LOCK, "pyproject.toml", "Makefile", "lib", "notebooks", "params", "README.md"}
    assert not needed & set(ignored)
    assert {".venv", "outputs/*"} <= set(ignored)
    # `make verify` needs both: the report of the first shows results of the second.
    assert {"!outputs/study", "!outputs/full_size"} <= set(ignored)


@pytest.mark.parametrize("name", FILES)
def test_no_address_of_a_registry_is_named(name):
    assert not re.search(r"https?://|--index-url|\w+\.(org|com|io)/", (ROOT / name).read_text())
