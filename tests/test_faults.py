"""What a user gets when something breaks: injected faults, each with its message and its cure.

Faults that are tested where they arise are not repeated here:
  tests/data/test_source.py      no network, a broken download, a full or read-only cache
  tests/data/test_check.py       broken, swapped and missing images, all of them at once
  tests/data/test_files.py       a full disk and a crash while a file or folder is given its name
  tests/network/test_training.py training killed at any write, cut checkpoints, NaN, a full disk
  tests/study/test_params.py     each slip in a params file, two files of one name
  tests/study/test_provenance.py a cut, changed or missing file of a run, in the function that looks
  tests/study/test_verify.py     a changed digit in a run or a table
  tests/test_predict.py          bad images, a full disk, the keyboard while cells are looked for
  tests/page/test_html.py        a page that cannot stand alone, or cannot be written
Runs of the real chapters, which take minutes: STUDY_SLOW=1.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from lib.data import files, source
from lib.data.files import NOTEBOOKS, ROOT, StateError
from lib.page import commands, export, html
from lib.study import params, runs, tables

RECORD = {"name": "made", "source": "folder", "label": "made", "digests": {}, "known": True}
SEEN = RECORD | {"frames": {"01": 12, "02": 12}}
STOPPED = "stopped; the same command goes on where it was"
slow = pytest.mark.skipif(
    os.environ.get("STUDY_SLOW") != "1", reason="trains for minutes; STUDY_SLOW=1 runs it"
)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def change(path):
    path.write_bytes(path.read_bytes()[:-3] + b"7" + path.read_bytes()[-2:])


def called(capsys, *words):
    """Call a command as make does; give its exit status, its lines, and its errors' lines."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        status = commands.main([*map(str, words)])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err.splitlines()


# What a study keeps -------------------------------------------------------------------------


def write_pages(profile):
    """Leave what the references and the pages leave, all of today's fingerprint."""
    planned, outputs = runs.plan(profile, RECORD), profile.outputs
    files.write_json(outputs / "references.json", runs.references_made(outputs, RECORD, planned))
    for page in runs.CHAPTERS + runs.SUMMARIES:
        made = runs.fingerprint(page, profile, RECORD, planned)
        files.write_text(outputs / "notebooks" / f"{page}.ipynb", made)
        files.write_text(runs.page_path(page, outputs), "a page")


@pytest.fixture
def study(profile, monkeypatch):
    """A study of which everything is done; what is left to do is said and not done."""
    monkeypatch.setattr(source, "find_source", lambda *_, **__: None)
    monkeypatch.setattr(runs, "data_record", lambda _: SEEN)
    monkeypatch.setattr(commands, "check_data", lambda _: ([], []))
    monkeypatch.setattr(commands, "_snakemake", lambda _: None)
    write_pages(profile)
    return profile


def first_run(profile):
    return runs.plan(profile, RECORD)[0]


def queued(capsys, profile):
    """What `make reproduce` says that it does, and why; nothing where all is done."""
    status, lines, errors = called(capsys, "reproduce", profile.path)
    assert (status, errors) == (0, [])
    found = [line.strip() for line in lines if line.startswith("  ")]
    assert bool(found) != ("nothing to do" in "\n".join(lines))
    return found


# A file of a finished run, what happens to it, and why the run is made again.
RUN = [
    ("metrics.csv", cut, "metrics.csv: has {left} bytes, and {size} were written"),
    ("metrics.csv", empty, "metrics.csv: has 0 bytes, and {size} were written"),
    ("metrics.csv", Path.unlink, "metrics.csv is missing"),
    ("history.csv", cut, "history.csv: has {left} bytes, and {size} were written"),
    ("history.csv", Path.unlink, "history.csv is missing"),
    ("examples.npz", cut, "examples.npz: has {left} bytes, and {size} were written"),
    ("examples.npz", Path.unlink, "examples.npz is missing"),
    ("params.yaml", empty, "params.yaml: has 0 bytes, and {size} were written"),
    ("cells.json", cut, "cells.json: has {left} bytes, and {size} were written"),
    ("provenance.json", cut, "provenance.json: cannot be read, or does not say which files"),
    ("provenance.json", empty, "provenance.json: cannot be read, or does not say which files"),
    ("provenance.json", Path.unlink, "provenance.json is missing"),
]


@pytest.mark.parametrize(("name", "damage", "said"), RUN)
def test_a_damaged_file_is_named_and_its_run_alone_is_made_again(study, capsys, name, damage, said):
    path = first_run(study).folder(study.outputs) / name
    before, size = path.read_bytes(), path.stat().st_size
    damage(path)
    said = said.format(size=size, left=size // 2)
    run, *pages = queued(capsys, study)
    assert run.startswith(f"{first_run(study).name}: damaged: {said}")
    made = "what it shows is made anew"
    # A page that lists the runs is another one without this run.
    assert [page.partition(":")[0] for page in pages] == [*runs.SUMMARIES], made
    path.write_bytes(before)
    assert queued(capsys, study) == []


@pytest.mark.parametrize("name", ["examples.npz", "cells.json", "params.yaml"])
def test_a_changed_byte_is_found_by_verify_and_the_run_removed_is_made_again(study, capsys, name):
    folder = first_run(study).folder(study.outputs)
    change(folder / name)
    assert queued(capsys, study) == []  # sizes alone are looked at there
    status, _, errors = called(capsys, "verify", study.path)
    said = f"error: {folder / name}: is not the file that was written: its SHA-256 is another"
    cure = "; restore the file, or remove the folder and `make reproduce` trains it anew"
    assert (status, errors) == (2, [said + cure])
    shutil.rmtree(folder)
    assert queued(capsys, study)[0] == f"{first_run(study).name}: new"


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_a_broken_record_of_the_data_is_written_anew_once_it_is_removed(study, capsys, damage):
    path = study.outputs / "data.json"
    damage(path)
    if path.exists():
        status, _, (error,) = called(capsys, "reproduce", study.path)
        assert status == 2
        assert error.startswith(f"error: {path}: cannot be read: ")
        assert error.endswith("; remove it, and `make reproduce` writes it anew")
        path.unlink()
    queued(capsys, study)
    assert json.loads(path.read_text()) == SEEN


@pytest.mark.parametrize("text", ["{}", "[]", "7", '{"label": "images"}'])
def test_what_is_no_record_of_the_data_is_named(study, capsys, text):
    path = study.outputs / "data.json"
    path.write_text(text)
    for command in ("reproduce", "verify"):
        status, _, (error,) = called(capsys, command, study.path)
        assert status == 2
        assert error.startswith(f"error: {path}: is no record of a data set, for want of: ")
        assert error.endswith("; remove it, and `make reproduce` writes it anew")


@pytest.mark.parametrize("name", ["references.csv", "frames.npz", "references.json"])
@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_what_all_runs_share_is_made_again_where_it_is_damaged(study, capsys, name, damage):
    damage(study.outputs / name)
    shared, *pages = queued(capsys, study)
    assert shared.startswith("references: ")
    assert [page.partition(":")[0] for page in pages] == [*runs.SUMMARIES]
    if name == "references.csv" and damage is not cut:
        status, _, (error,) = called(capsys, "verify", study.path)
        assert status == 2
        assert error.startswith(f"error: {study.outputs / name}: cannot be read: ")


def test_a_clock_that_is_set_back_or_forward_makes_nothing_to_do(study, capsys):
    year = 365 * 24 * 3600
    for shift in (-year, year):
        for number, path in enumerate(sorted(study.outputs.rglob("*"))):
            moment = time.time() + shift + (number % 7) * 1000
            os.utime(path, (moment, moment))
        assert queued(capsys, study) == []


def test_outputs_are_reached_through_a_link_and_any_path(study, capsys, monkeypatch):
    place = study.path.parent / "Größe in µm"
    shutil.move(study.outputs.parent, place)
    (study.path.parent / "a link").symlink_to(place)
    monkeypatch.setattr(params, "OUTPUTS", study.path.parent / "a link")
    assert queued(capsys, study) == []
    assert called(capsys, "verify", study.path)[0] == 0
    cut(place / "made/runs" / first_run(study).name / "metrics.csv")
    assert "damaged: metrics.csv" in queued(capsys, study)[0]


@pytest.mark.parametrize("name", ["", "made"])
def test_a_file_in_the_place_of_the_outputs_is_named(study, capsys, name):
    path = study.outputs.parent / name
    shutil.rmtree(path)
    path.write_text("in the way")
    status, _, (error,) = called(capsys, "reproduce", study.path)
    assert status == 2
    assert error.startswith(f"error: {path}")
    assert path.read_text() == "in the way"


def test_of_two_on_one_profile_the_second_is_refused_and_another_profile_is_not(study, capsys):
    other = study.path.with_name("other.yaml")
    other.write_text(study.path.read_text())
    with runs.locked(study.outputs, "this profile"):
        status, lines, errors = called(capsys, "reproduce", study.path)
        said = "another process works on this profile; wait for it, or end it"
        assert (status, lines, errors) == (2, [], [f"error: {study.outputs}: {said}"])
        shutil.copy(study.outputs / "data.json", study.outputs / "data.json.copy")
        (study.outputs.parent / "other").mkdir()
        shutil.copy(study.outputs / "data.json", study.outputs.parent / "other")
        assert not [line for line in queued(capsys, params.load(other)) if "seed" in line]
    assert queued(capsys, study) == []


# What users write ---------------------------------------------------------------------------

WORDS = "<script>alert(1)</script> & <b>bold</b>"


def test_markup_in_the_words_of_an_arm_is_text_in_the_page(study, tmp_path):
    path = tmp_path / "made.yaml"
    path.write_text(path.read_text() + f"  own: {{inherits: none, about: '{WORDS}'}}\n")
    cells = nbformat.read(NOTEBOOKS / "05_evaluation.ipynb", 4).cells
    (cell,) = [cell for cell in cells if "card.about" in cell.source]
    names = {"pd": pd, "html": html, "profile": params.load(path)}
    *lines, last = cell.source.splitlines()
    exec("\n".join(lines), names)
    shown = nbformat.v4.new_output("display_data", {"text/html": eval(last, names).data})
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Arms")])
    made.cells.append(nbformat.v4.new_code_cell("", outputs=[shown]))
    nbformat.write(made, tmp_path / "page.ipynb")
    export.write_page(tmp_path / "page.ipynb", tmp_path / "page.html")
    soup = BeautifulSoup((tmp_path / "page.html").read_text(encoding="utf-8"), "html.parser")
    assert WORDS in [cell.get_text() for cell in soup.select("td")]
    assert not [tag for tag in soup.select("script") if "alert" in tag.get_text()]


def test_no_cell_of_a_table_is_a_formula_to_a_spreadsheet(study, capsys):
    text = study.path.read_text()
    study.path.write_text(text + "  own: {inherits: none, words: '=1+1', about: '=2+2'}\n")
    tables.write_tables(params.load(study.path))
    for path in study.outputs.glob("*.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert not table.map(lambda cell: cell.startswith(("=", "@"))).to_numpy().any(), path
    study.path.write_text(text + "  '=1+1': {inherits: none}\n")
    status, _, (error,) = called(capsys, "reproduce", study.path)
    assert status == 2
    assert "arms.=1+1: '=1+1' has to consist of letters, digits" in error


# Notebooks ----------------------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Execute a notebook of these cells."""
    monkeypatch.setattr(commands, "NOTEBOOKS", tmp_path)
    monkeypatch.setitem(commands.OPTIONS, "cwd", tmp_path)

    def execute(*cells):
        write_notebook(tmp_path / "chapter.ipynb", *cells)
        commands.execute("chapter", tmp_path / "made" / "chapter.ipynb", {}, "[chapter] ")
        return nbformat.read(tmp_path / "made" / "chapter.ipynb", 4)

    return execute


def write_notebook(path, *cells):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)


NOTEBOOK = [
    ("raise ValueError('no frames')", "[chapter] ValueError: no frames"),
    (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "[chapter] its process was ended from outside, as for want of memory; "
        "the same command goes on where it was",
    ),
]


@pytest.mark.parametrize(("cell", "said"), NOTEBOOK, ids=["error", "killed"])
def test_a_notebook_that_fails_says_so_without_a_traceback(chapter, cell, said):
    with pytest.raises(StateError) as caught:
        chapter("print('before')", cell)
    assert str(caught.value) == said


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD"])
def test_a_broken_notebook_is_named(chapter, tmp_path, content):
    (tmp_path / "chapter.ipynb").write_text(content)
    with pytest.raises(StateError, match=r"chapter\.ipynb: cannot be read as a notebook"):
        commands.execute("chapter", tmp_path / "made.ipynb", {}, "[chapter] ")


def test_very_many_lines_end_and_are_all_there(chapter, capsys):
    made = chapter("for number in range(200_000): print(number)", "print('after')")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "[chapter] after"
    assert lines.count("[chapter] 199999") == 1
    assert len(made.cells[0].outputs) == 1


# Runs under way -----------------------------------------------------------------------------

TINY = {"digests": {}, "source": "phantom", "label": "made", "known": False}
# It goes on where it was, as training does; what it leaves depends on nothing else.
BEGIN = """import os, pathlib, time
folder = pathlib.Path(run)
step = folder / "checkpoints" / "step"
if not step.exists():
    step.parent.mkdir(exist_ok=True)
    step.write_text("1")
    print("under way in process", os.getpid(), flush=True)
    time.sleep(900)"""
LEAVE = f"""for name in {runs.RUN_FILES[1:-1]}:
    (folder / name).write_text("loss\\n" + step.read_text())
(folder / "provenance.json").write_text("{{}}")"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A profile of one run, whose notebook stops half-way the first time."""
    (tmp_path / "tiny.yaml").write_text("inherits: smoke\ngrid: {arms: [none]}\n")
    monkeypatch.setattr(params, "OUTPUTS", tmp_path / "outputs")
    monkeypatch.setattr(commands, "NOTEBOOKS", tmp_path)
    monkeypatch.setitem(commands.OPTIONS, "cwd", tmp_path)
    write_notebook(tmp_path / "04_training.ipynb", "run = ''", BEGIN, LEAVE)
    made = nbformat.read(tmp_path / "04_training.ipynb", 4)
    made.cells[0].metadata.tags = ["parameters"]
    nbformat.write(made, tmp_path / "04_training.ipynb")
    profile = params.load(tmp_path / "tiny.yaml")
    files.write_json(profile.outputs / "data.json", TINY)
    return profile


def started(profile):
    """Start the run in a process of its own, as make does; give it with its kernel's process."""
    place = profile.path.parent
    code = f"import pathlib, lib.data.files as f; f.NOTEBOOKS = pathlib.Path({str(place)!r})"
    (place / "sitecustomize.py").write_text(code)
    environ = os.environ | {
        "PYTHONPATH": f"{place}:{ROOT}",
        "STUDY_OUTPUTS": str(place / "outputs"),
    }
    words = [sys.executable, "-m", "lib.page.commands", "run", profile.path, only_run(profile).name]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=ROOT, env=environ, start_new_session=True, **pipe)
    line = process.stdout.readline()
    assert "under way" in line, line + process.stderr.read()
    return process, int(line.split()[-1])


def only_run(profile):
    return runs.plan(profile, TINY)[0]


def wait_for_the_end_of(pid):
    """Wait until a process is gone, or only its entry is left."""
    path = Path(f"/proc/{pid}/stat")
    for _ in range(600):
        try:
            os.kill(pid, 0)
            if path.exists() and path.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} is left behind")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}


@pytest.mark.parametrize("ended", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_a_run_that_is_stopped_leaves_no_process_and_the_same_command_goes_on(tiny, capsys, ended):
    process, kernel = started(tiny)
    if ended == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    elif ended == "SIGTERM":
        process.terminate()
    else:
        process.kill()
    _, errors = process.communicate()
    wait_for_the_end_of(kernel)
    if ended != "SIGKILL":
        assert (process.returncode, errors) == (130, f"{STOPPED}\n")
    run = only_run(tiny)
    assert runs.why(run, tiny) == "begun"
    assert not (run.partial(tiny.outputs) / "error.txt").exists()
    status, _, errors = called(capsys, "run", tiny.path, run.name)
    assert (status, errors) == (0, [])
    assert set(contents(run.folder(tiny.outputs)).values()) == {b"loss\n1"}
    assert {path.name for path in run.folder(tiny.outputs).iterdir()} == {
        *runs.RUN_FILES,
        "notebook.ipynb",
    }


def begun(profile):
    """Leave what a run leaves that was stopped half-way."""
    folder = only_run(profile).partial(profile.outputs)
    files.write_text(folder / "checkpoints" / "step", "1")
    return folder


def test_two_processes_do_not_make_one_run(tiny, capsys):
    folder = begun(tiny)
    with runs.locked(folder, "it"):
        status, _, errors = called(capsys, "run", tiny.path, only_run(tiny).name)
    said = f"another process works on {only_run(tiny).name}; wait for it, or end it"
    assert (status, errors) == (2, [f"error: {folder}: {said}"])


@pytest.mark.parametrize("name", ["params.yaml", "provenance.json", "error.txt"])
def test_a_full_disk_is_said_and_what_was_finished_stays(tiny, capsys, monkeypatch, name):
    begun(tiny)
    run, real = only_run(tiny), os.replace
    before = run.folder(tiny.outputs)
    before.mkdir(parents=True)
    (before / "metrics.csv").write_text("of an earlier version")
    if name == "error.txt":  # the notebook met the full disk, too
        write_notebook(tiny.path.with_name("04_training.ipynb"), "raise OSError(28, 'No space')")

    def full(beside, path):
        if Path(path).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(beside, path)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        status, _, (error,) = called(capsys, "run", tiny.path, run.name)
    assert status == 2
    assert "No space left on device" in error
    assert (before / "metrics.csv").read_text() == "of an earlier version"
    assert (run.partial(tiny.outputs) / "checkpoints" / "step").exists()
    if name == "provenance.json":
        assert called(capsys, "run", tiny.path, run.name)[0] == 0
        assert set(contents(before).values()) == {b"loss\n1"}


def test_a_run_whose_notebook_fails_is_said_to_have_failed_and_goes_on(tiny, capsys):
    begun(tiny)
    path = tiny.path.with_name("04_training.ipynb")
    text = path.read_text()
    path.write_text(text.replace("for name in", "raise MemoryError('no room')\\nfor name in"))
    run = only_run(tiny)
    status, _, (error,) = called(capsys, "run", tiny.path, run.name)
    assert (status, error) == (2, "error: [1/1 none last seed0] MemoryError: no room")
    left = run.partial(tiny.outputs) / "error.txt"
    assert left.read_text() == "[1/1 none last seed0] MemoryError: no room\n"
    path.write_text(text)
    assert called(capsys, "run", tiny.path, run.name)[0] == 0
    assert not (run.folder(tiny.outputs) / "error.txt").exists()


# The real chapters --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Outputs in a folder of any name, reached through a link."""
    folder = tmp_path_factory.mktemp("Größe in µm")
    text = "inherits: smoke\ngrid: {arms: [none, augmented, copies]}\n"
    (folder / "whole.yaml").write_text(text)
    (folder / "stopped.yaml").write_text(text)
    for name in ("kept", "kept besides"):
        (folder / name).mkdir()
        (folder / f"link to {name}").symlink_to(folder / name)
    return folder


def start(place, name, outputs):
    environ = os.environ | {"STUDY_OUTPUTS": str(place / f"link to {outputs}"), "STUDY_JOBS": "1"}
    environ |= {"UNET_DIC_HELA_CACHE": str(place / "cache"), "DIC_HELA_DIR": ""}
    words = [sys.executable, "-m", "lib.page.commands", "reproduce", place / f"{name}.yaml"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=ROOT, env=environ, start_new_session=True, **pipe)


def reproduced(place, name, outputs):
    process = start(place, name, outputs)
    said, errors = process.communicate()
    assert process.returncode == 0, said[-3000:] + errors[-3000:]
    return said


def scores(folder):
    """Every table of a profile, without what depends on the moment."""
    found = {path.name: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    moment = ["minutes", "commit", "dirty"]
    return {name: table.drop(columns=moment, errors="ignore") for name, table in found.items()}


@pytest.fixture(scope="module")
def whole(place):
    reproduced(place, "whole", "kept")
    return place / "kept" / "whole"


@slow
def test_damage_is_repaired_by_the_same_command(place, whole):
    before = scores(whole)
    cut(next(whole.glob("runs/none-*/last/seed0/metrics.csv")))
    (whole / "references.csv").unlink()
    (whole / "report.html").unlink()
    reproduced(place, "whole", "kept")
    assert (whole / "report.html").is_file()
    for name, table in scores(whole).items():
        pd.testing.assert_frame_equal(table, before[name])
    for path in whole.rglob("*"):
        os.utime(path, (10**9, 10**9))
    assert "nothing to do" in reproduced(place, "whole", "kept")


def processes_of(group):
    """Ids of the processes below a process, itself left out."""
    listed = subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True).split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    below, found = {group}, set()
    while below := {pid for pid, parent in parents.items() if parent in below}:
        found |= below
    return found


@slow
def test_a_study_that_is_stopped_again_and_again_ends_with_the_same_tables(place, whole):
    for ended in ("Ctrl-C", "SIGTERM", "SIGHUP", "SIGKILL", "power"):
        process = start(place, "stopped", "kept besides")
        while "loss" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        below = processes_of(process.pid)
        if ended == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        elif ended == "power":
            for pid in (process.pid, *below):
                os.kill(pid, signal.SIGKILL)
        elif ended == "SIGKILL":  # one job alone: the study goes on with the others
            listed = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in below}
            (job,) = [pid for pid, words in listed.items() if b"lib.page.commands" in words]
            os.kill(job, signal.SIGKILL)
        else:
            process.send_signal(getattr(signal, ended))
        _, errors = process.communicate()
        for pid in below:
            wait_for_the_end_of(pid)
        if ended == "SIGKILL":
            assert process.returncode == 2
            assert "not all could be done" in errors
        elif ended != "power":
            assert process.returncode == 130, errors
            assert set(errors.splitlines()) == {STOPPED}
    reproduced(place, "stopped", "kept besides")
    before = scores(whole)
    for name, table in scores(place / "kept besides" / "stopped").items():
        pd.testing.assert_frame_equal(table, before[name])
