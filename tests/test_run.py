"""Executing the plan: notebooks of our own stand in for the study's, which test_pipeline runs."""

import json
import runpy
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lib import cells, params, plan, run
from lib.files import StateError, write_json
from lib.paths import ROOT
from lib.run import RunError

RECORD = {"source": "phantom", "label": "phantom, seed 0", "frames": {}, "digests": {}}
RUN = "none/last/seed0"

# What 04_training leaves, without training anything.
TRAINS = """
import json
from pathlib import Path
folder = Path({outputs!r}) / "runs" / arm / fold / f".seed{{seed}}.part"
(folder / "checkpoints").mkdir()
for name in {files!r}:
    (folder / name).touch()
fingerprint = (folder / "fingerprint").read_text()
(folder / "provenance.json").write_text(json.dumps({{"fingerprint": fingerprint}}))
print("epoch 1")
"""
# What TensorFlow says at its start, and a warning that is worth reading.
SPEAKS = """
import sys
print("WARNING: All log messages before absl::InitializeLog()", file=sys.stderr)
print("I0000 00:00:1 port.cc:153] oneDNN custom operations are on.", file=sys.stderr)
print("the loss is no number", file=sys.stderr)
print(params_file)
"""


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A profile of a few arms whose data are known; all that it writes goes below tmp_path."""
    for module in (params, plan):
        monkeypatch.setattr(module, "OUTPUTS", tmp_path / "outputs")
    for module in (run, plan):
        monkeypatch.setattr(module, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(plan, "prepare", lambda profile: RECORD)
    monkeypatch.setattr(cells, "pending_arms", lambda profile, runs: [])
    monkeypatch.setattr(cells, "adopt", lambda profile, runs: None)
    for name in plan.NOTEBOOK_SECTIONS:
        write_notebook(tmp_path / f"{name}.ipynb", "1")
    path = tmp_path / "mine.yaml"
    path.write_text(
        "inherits: smoke\n"
        "training: {learning_rate: 1.0e-2}\n"
        "grid: {arms: [none, none_matched, repeated, none_tuned]}\n"
    )
    loaded = params.load(path)
    write_json(loaded.outputs / "data.json", RECORD)
    return loaded


def write_notebook(path, *sources):
    parameters = 'params_file = "?"\narm = "?"\nfold = "?"\nseed = 0'
    first = [new_markdown_cell("# 1"), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    others = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=first + others, metadata={"kernelspec": kernel}), path)


def write_training(profile, *sources):
    path = profile.path.with_name("04_training.ipynb")
    files = [name for name in plan.RUN_FILES if name != "notebook.ipynb"]
    write_notebook(path, TRAINS.format(outputs=str(profile.outputs), files=files), *sources)


def planned(profile, name=RUN):
    return plan.find(plan.plan(profile, RECORD), *name.replace("/seed", "/").split("/"))


def finish(profile, name):
    """Write what a finished run leaves."""
    finished = planned(profile, name)
    folder = finished.folder(profile.outputs)
    folder.mkdir(parents=True)
    for file in plan.RUN_FILES:
        (folder / file).touch()
    write_json(folder / "provenance.json", {"fingerprint": finished.fingerprint})
    return finished


# Errors -------------------------------------------------------------------------------------


def refusal(words, capsys):
    """Run a command that has to fail; give its one message."""
    with pytest.raises(SystemExit) as caught:
        run.main(words)
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert said.err.startswith("error: ")
    assert said.err.count("error:") == 1
    return said.err


@pytest.mark.parametrize("name", ["nonne/last/seed0", "none/last/seed9", "none/last/seed0/seed0"])
def test_unknown_run(profile, capsys, name):
    message = refusal(["train", str(profile.path), name], capsys)
    assert f"{name}: is not in the plan, which has none/last/seed0, " in message
    assert not (profile.outputs / "runs").exists()


@pytest.mark.parametrize("name", ["none", "none/last/0", "none/last/seed", ""])
def test_what_is_no_name_of_a_run(profile, capsys, name):
    assert f"{name}: is not the name of a run" in refusal(
        ["train", str(profile.path), name], capsys
    )


@pytest.mark.parametrize("command", [["data"], ["plan"], ["train", RUN], ["notebook", "01_data"]])
def test_bad_params_are_refused_before_anything_else(profile, capsys, monkeypatch, command):
    monkeypatch.setattr(plan, "prepare", lambda profile: pytest.fail("looked for images"))
    profile.path.write_text("inherits: smoke\nimage: {siez: 64}\ngrid: {seeds: 99}\n")
    before = sorted(profile.path.parent.rglob("*"))
    message = refusal([command[0], str(profile.path), *command[1:]], capsys)
    assert len(message.splitlines()) == 2
    assert "mine.yaml: image.siez: unknown key (value 64); did you mean image.size?" in message
    assert sorted(profile.path.parent.rglob("*")) == before


def test_outputs_that_are_read_only(profile, capsys, monkeypatch):
    def fail(profile):
        raise OSError(30, "Read-only file system", "outputs/mine/data.json")

    monkeypatch.setattr(plan, "prepare", fail)
    message = refusal(["plan", str(profile.path)], capsys)
    assert message == "error: outputs/mine/data.json: Read-only file system\n"


def test_module_is_the_command(profile, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lib.run", "train", str(profile.path), "none/last/seed9"])
    monkeypatch.delitem(sys.modules, "lib.run")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("lib.run", run_name="__main__")
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: none/last/seed9: is not in the plan")


# The plan as Make reads it ------------------------------------------------------------------


def make(profile, *words):
    """Let Make read the plan and say what it would run, in its order: run or chapter."""
    command = ["make", "--no-print-directory", "-f", str(profile.outputs / "plan.mk"), *words]
    # In place of Python, echo says with which words it was called.
    ended = subprocess.run([*command, "PYTHON=echo"], capture_output=True, text=True, check=True)
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert all(line[:2] == ["-m", "lib.run"] for line in lines), "Make itself said something"
    assert all(line[3] == str(profile.path) for line in lines)
    kinds = {line[4]: line[2] for line in lines}
    assert all(kind == "train" for name, kind in kinds.items() if "/" in name)
    assert all(kinds[name] == "notebook" for name in kinds.keys() & {*plan.NOTEBOOK_SECTIONS})
    return [line[4] for line in lines]


@pytest.mark.parametrize("jobs", ["-j1", "-j4"])
def test_make_runs_all_that_is_pending_in_its_order(profile, jobs, capsys):
    finish(profile, "none_tuned/last/seed0")
    run.write_plan(profile)
    order = make(profile, jobs)
    arms = ["none", "augmented", "none_matched", "repeated"]
    assert sorted(order) == sorted(
        [f"{arm}/last/seed0" for arm in arms] + [*plan.NOTEBOOK_SECTIONS]
    )
    place = {name: index for index, name in enumerate(order)}
    for waiting in plan.plan(profile, RECORD):
        for need in waiting.needs:
            assert place[need] < place[waiting.name]
    assert order[-2:] == ["05_evaluation", "06_report"]
    assert "4 of 5 runs and 5 notebooks are to be done" in capsys.readouterr().out


def test_cells_of_an_arm_wait_for_its_runs_and_the_evaluation_for_all_cells(profile, monkeypatch):
    finish(profile, "none/last/seed0")
    monkeypatch.setattr(cells, "pending_arms", lambda *_: ["references", "none", "augmented"])
    run.write_plan(profile)
    rules = [line.partition(":") for line in (profile.outputs / "plan.mk").read_text().splitlines()]
    needs = {target: rest.partition("|")[0].split() for target, _, rest in rules}
    assert needs["cells/references"] == needs["cells/none"] == []
    assert needs["cells/augmented"] == ["augmented/last/seed0"]
    scored = {"cells/references", "cells/none", "cells/augmented"}
    assert scored <= set(needs["05_evaluation"])
    assert not scored & set(needs["01_data"])
    assert make(profile, "cells/augmented") == ["augmented/last/seed0", "augmented"]


def test_arm_without_a_fold_of_the_profile_is_named(profile, capsys):
    text = profile.path.read_text() + "arms: {none: {grid.folds: [random]}}\n"
    profile.path.write_text(text)
    run.write_plan(params.load(profile.path))
    said = "arm none is not run: none of its folds ['random'] is one of the profile's ['last']"
    assert said in capsys.readouterr().out


def test_unknown_arm_has_no_cells(profile):
    plan.prepare(profile)
    with pytest.raises(StateError, match="nonne: is no arm whose cells are scored; .*references"):
        run.score_cells(profile, "nonne")


def test_cells_are_scored_of_one_arm_or_of_all(profile, monkeypatch):
    scored = []
    monkeypatch.setattr(cells, "score_arm", lambda *words: scored.append(words[2]))
    plan.prepare(profile)
    run.main(["cells", str(profile.path), "none"])
    assert scored == ["none"]
    run.main(["cells", str(profile.path)])
    arms = ["none", "augmented", "none_matched", "repeated", "none_tuned"]
    assert scored[1:] == [cells.REFERENCES, *arms]


def test_make_begins_with_what_others_wait_for(profile):
    run.write_plan(profile)
    assert make(profile)[0] == "augmented/last/seed0"


def test_make_ends_the_runs_of_a_seed_before_those_of_the_next(profile):
    text = profile.path.read_text().replace("arms: [", "seeds: 3, arms: [")
    profile.path.write_text(text)
    several = params.load(profile.path)
    run.write_plan(several)
    runs = [name for name in make(several, "-j1") if "/" in name]
    arms = ["augmented", "none", "none_matched", "repeated", "none_tuned"]
    # Of each seed what others wait for comes first.
    assert runs == [f"{arm}/last/seed{seed}" for seed in range(3) for arm in arms]


def test_every_run_comes_after_the_trials_of_every_scan(profile):
    text = profile.path.read_text().replace("learning_rate: 1.0e-2", "patience: 5")
    profile.path.write_text(text)
    scanned = params.load(profile.path)
    run.write_plan(scanned)
    runs = [name for name in make(scanned, "-j4") if "/" in name]
    trials = ["augmented_1e-03", "augmented_1e-02", "augmented_tuned_3e-03"]
    assert set(runs[:3]) == {f"scan_{trial}/last/seed0" for trial in trials}
    # The plan says so itself; without jobs Make keeps to the order of its list.
    rules = (scanned.outputs / "plan.mk").read_text().splitlines()
    rule = next(line for line in rules if line.startswith("none_tuned/last/seed0:"))
    assert set(rule.partition(" | ")[2].split()) == set(runs[:3])


def test_run_waits_for_what_it_needs_unless_that_is_done(profile):
    need, waiting = "augmented/last/seed0", "none_matched/last/seed0"
    run.write_plan(profile)
    assert make(profile, waiting) == [need, waiting]
    finish(profile, need)
    run.write_plan(profile)
    assert make(profile, waiting) == [waiting]
    assert need not in make(profile)


def test_run_of_a_parent_is_not_planned_again(profile, capsys):
    finish(profile, RUN)
    path = profile.path.with_name("child.yaml")
    path.write_text("inherits: mine\nevaluation: {block: 2}\n")
    child = params.load(path)
    run.write_plan(child)
    assert f"{RUN}: taken over" in capsys.readouterr().out
    assert RUN not in make(child)
    assert plan.is_done(planned(child), child.outputs)


def test_run_that_is_taken_over_again_is_counted_and_shown_again(profile, monkeypatch):
    for done in plan.plan(profile, RECORD):
        finish(profile, done.name)
    monkeypatch.setattr(plan, "notebook_done", lambda *_: True)
    monkeypatch.setattr(cells, "pending_arms", lambda *_: [])
    path = profile.path.with_name("child.yaml")
    path.write_text("inherits: mine\n")
    child = params.load(path)
    run.write_plan(child)
    counts = child.outputs / f"cells/{RUN}.json"
    write_json(counts, {})
    run.write_plan(child)
    assert make(child) == []
    assert counts.exists()
    shutil.rmtree(planned(child).folder(child.outputs))
    run.write_plan(child)
    assert make(child) == ["05_evaluation", "06_report"]
    assert not counts.exists()


def test_plan_tidies_finished_runs_alone(profile):
    finished, other = planned(profile), planned(profile, "none_tuned/last/seed0")
    folder = finish(profile, RUN).folder(profile.outputs)
    partial = plan.begin(other, profile.outputs)
    for left in (folder, partial):
        (left / "checkpoints").mkdir()
        (left / "checkpoints" / "last.npz").touch()
        (left / "fingerprint").write_text(finished.fingerprint)
    run.write_plan(profile)
    assert {path.name for path in folder.iterdir()} == set(plan.RUN_FILES)
    assert {path.name for path in partial.iterdir()} == {"checkpoints", "fingerprint"}


def test_nothing_is_left_to_do(profile, capsys):
    for finished in plan.plan(profile, RECORD):
        finish(profile, finished.name)
    (profile.outputs / "notebooks").mkdir()
    (profile.outputs / "report.html").touch()
    for name in plan.NOTEBOOK_SECTIONS:
        fingerprint = plan.notebook_fingerprint(name, profile, RECORD, plan.plan(profile, RECORD))
        metadata = {"metadata": {"study": {"fingerprint": fingerprint}}}
        write_json(profile.outputs / "notebooks" / f"{name}.ipynb", metadata)
    run.write_plan(profile)
    assert "all 5 runs and the report are up to date: nothing to do" in capsys.readouterr().out
    assert make(profile) == []
    (profile.outputs / "notebooks" / "01_data.ipynb").unlink()
    run.write_plan(profile)
    assert make(profile) == ["01_data", "05_evaluation", "06_report"]


# Through papermill --------------------------------------------------------------------------


def test_failed_run_leaves_its_error_and_can_be_done_again(profile, capsys):
    other = finish(profile, "none_tuned/last/seed0")
    write_training(profile, "raise ValueError('frame 7 is\\nbroken')")
    with pytest.raises(RunError, match=r"^\[1/5 none/last/seed0\] ValueError: frame 7 is\nbroken"):
        run.train(profile, RUN)
    partial = planned(profile).partial(profile.outputs)
    assert "ValueError: frame 7 is\nbroken" in (partial / "error.txt").read_text()
    assert not planned(profile).folder(profile.outputs).exists()
    assert plan.is_done(other, profile.outputs)

    (partial / "checkpoints").rmdir()
    write_training(profile)
    run.train(profile, RUN)
    folder = planned(profile).folder(profile.outputs)
    assert {path.name for path in folder.iterdir()} == set(plan.RUN_FILES)
    assert not partial.exists()
    assert plan.is_done(planned(profile), profile.outputs)
    assert "[1/5 none/last/seed0] epoch 1\n" in capsys.readouterr().out


def test_cells_in_a_run_that_is_trained_again_are_found_again(profile):
    kept = {name: profile.outputs / f"cells/{name}.json" for name in (RUN, "none_tuned/last/seed0")}
    for path in kept.values():
        write_json(path, {})
    write_training(profile)
    run.train(profile, RUN)
    assert [name for name, path in kept.items() if path.exists()] == ["none_tuned/last/seed0"]


def test_run_whose_process_dies(profile):
    write_training(profile, "import os; os._exit(1)")
    with pytest.raises(RunError, match=r"none/last/seed0\] the notebook's process died"):
        run.train(profile, RUN)
    assert "died" in (planned(profile).partial(profile.outputs) / "error.txt").read_text()


def test_whole_run_that_cannot_get_its_name_is_kept(profile, monkeypatch):
    def refuse(*_):
        raise StateError("read-only")

    def execute(*_):
        partial = planned(profile).partial(profile.outputs)
        (partial / "checkpoints").mkdir()

    monkeypatch.setattr(run, "_execute", execute)
    monkeypatch.setattr(run, "publish", refuse)
    with pytest.raises(StateError, match="read-only"):
        run.train(profile, RUN)
    assert (plan.begin(planned(profile), profile.outputs) / "checkpoints").exists()


def test_chapters_that_are_missing_are_executed(profile, monkeypatch):
    def execute(name, target, *_):
        done.append(name)
        target.parent.mkdir(exist_ok=True)
        target.touch()

    monkeypatch.setattr(run, "_execute", execute)
    done = []
    run.write_chapter(profile, "02_augmentation")
    run.write_missing_chapters(profile)
    assert done == ["02_augmentation", "01_data", "03_weight_maps"]


def test_chapter_is_executed_tidied_and_marked(profile):
    source = profile.path.with_name("01_data.ipynb")
    write_notebook(source, SPEAKS)
    run.write_chapter(profile, "01_data")
    path = profile.outputs / "notebooks" / "01_data.ipynb"
    runs = plan.plan(profile, RECORD)
    fingerprint = plan.notebook_fingerprint("01_data", profile, RECORD, runs)
    assert plan.notebook_done("01_data", fingerprint, profile.outputs)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    said = {output.name: output.text for output in notebook.cells[-1].outputs}
    assert said == {"stderr": "the loss is no number\n", "stdout": f"{profile.path}\n"}
    assert "papermill" not in json.dumps([notebook.metadata, *(c.metadata for c in notebook.cells)])
    assert list(path.parent.iterdir()) == [path]

    before = path.read_text()
    write_notebook(source, "1 / 0")
    with pytest.raises(RunError, match=r"\[01_data\] ZeroDivisionError: division by zero"):
        run.write_chapter(profile, "01_data")
    assert path.read_text() == before


def test_clean_keeps_what_is_published(monkeypatch):
    monkeypatch.delenv("FORCE", raising=False)
    with pytest.raises(SystemExit) as left:
        run.main(["clean", "params/study.yaml"])
    assert left.value.code == 2
    assert (ROOT / "outputs" / "study" / "report.html").exists()
