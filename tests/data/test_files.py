"""Files and folders that appear whole or not at all."""

import errno
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib.data import files
from lib.data.files import (
    ROOT,
    StateError,
    publish,
    read_arrays,
    read_json,
    read_table,
    write_json,
    write_table,
    write_text,
)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    return path


def failing(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_text_is_written_with_the_folders_above_it(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_text(path, "São, ≤ 5 µm\n")
    assert path.read_bytes() == "São, ≤ 5 µm\n".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_old_text_stays_when_the_new_one_cannot_get_its_name(old, monkeypatch, number):
    monkeypatch.setattr(files.os, "replace", failing(number))
    with pytest.raises(StateError, match=rf"table\.csv: cannot be written: {os.strerror(number)}"):
        write_text(old, "new")
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_old_text_stays_when_the_disk_is_full(old, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StateError, match=r"table\.csv: cannot be written: No space left"):
        write_text(old, "new text")
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_folder_that_is_a_file(old):
    with pytest.raises(StateError, match=r"table\.csv/b\.txt: cannot be written"):
        write_text(old / "b.txt", "new")
    assert old.read_text() == "old"


def test_two_processes_writing_one_file_never_leave_a_mixture(tmp_path):
    path = tmp_path / "splits.json"
    code = (
        "import sys; from pathlib import Path; from lib.data.files import write_text\n"
        "for _ in range(30): write_text(Path(sys.argv[1]), sys.argv[2] * 20000)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT)
        for letter in "ab"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen | {path.read_text()} <= {"a" * 20000, "b" * 20000}
    assert list(tmp_path.iterdir()) == [path]


def test_table_reads_back_the_same(tmp_path):
    table = pd.DataFrame({"arm": ["none", "a,b"], "value": [0.1 + 0.2, float("nan")]})
    write_table(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table, check_exact=True)
    assert (tmp_path / "t.csv").read_text().startswith("arm,value\n")


def test_json_reads_back_the_same(tmp_path):
    write_json(tmp_path / "data.json", {"frames": {"01": 84}})
    assert (tmp_path / "data.json").read_text().endswith("}\n")
    assert read_json(tmp_path / "data.json") == {"frames": {"01": 84}}


@pytest.mark.parametrize("content", [None, "", "{", "\xff"])
def test_broken_files_are_named(tmp_path, content):
    path = tmp_path / "broken"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StateError, match="broken: cannot be read: .+"):
        read_json(path)
    if content in (None, ""):
        with pytest.raises(StateError, match="broken: cannot be read: .+"):
            read_table(path)


def test_videos_in_tables_are_text(tmp_path):
    write_table(tmp_path / "t.csv", pd.DataFrame({"video": ["01"], "tp": [3]}))
    assert read_table(tmp_path / "t.csv")["video"].tolist() == ["01"]


# Folders ------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """A finished folder and a newer one beside it."""
    for name, content in (("seed0", "old"), (".seed0.part", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(content)
    return tmp_path / ".seed0.part", tmp_path / "seed0"


def test_publish_replaces_what_was_there(run):
    partial, final = run
    (final / "gone.txt").touch()
    publish(partial, final)
    assert [path.name for path in final.iterdir()] == ["metrics.csv"]
    assert (final / "metrics.csv").read_text() == "new"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize("fails_at", [1, 2])
def test_publish_keeps_the_old_when_it_fails(run, monkeypatch, fails_at):
    partial, final = run
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(source)
        if len(calls) == fails_at:
            failing(errno.EACCES)()
        real(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(StateError, match="seed0: cannot be written: Permission denied"):
        publish(partial, final)
    old = final if fails_at == 1 else final.with_name(".seed0.old")
    assert (old / "metrics.csv").read_text() == "old"
    assert (partial / "metrics.csv").read_text() == "new"
    monkeypatch.undo()
    publish(partial, final)
    assert (final / "metrics.csv").read_text() == "new"


def test_publish_after_one_that_was_cut_off_between_its_steps(run):
    partial, final = run
    final.rename(final.with_name(".seed0.old"))
    publish(partial, final)
    assert (final / "metrics.csv").read_text() == "new"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize("broken", ["missing", "no zip", "zip of nothing", "lacks", "pickled"])
def test_arrays_that_cannot_be_read_are_named(tmp_path, broken):
    path = tmp_path / "kept.npz"
    if broken == "no zip":
        path.write_text("not a zip")
    elif broken == "zip of nothing":
        path.write_bytes(b"PK\x03\x04 cut off")
    elif broken == "lacks":
        np.savez(path, video=np.arange(2))
    elif broken == "pickled":
        np.savez(path, video=np.arange(2), frame=np.array([{}, {}], dtype=object))
    with pytest.raises(StateError, match=r"kept\.npz: cannot be read as frames"):
        read_arrays(path, "frames", ("video", "frame"))


def test_arrays_come_back_by_name(tmp_path):
    np.savez(tmp_path / "kept.npz", video=np.arange(2), more=np.eye(2))
    arrays = read_arrays(tmp_path / "kept.npz", "frames", ("video",))
    assert set(arrays) == {"video", "more"}
    np.testing.assert_array_equal(arrays["more"], np.eye(2))
