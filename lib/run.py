"""Execute the plan: notebooks through papermill, one training or one chapter at a time.

``python -m lib.run plan params/quick.yaml`` writes outputs/quick/plan.mk, which make reads.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pandas as pd
import papermill
from nbclient.exceptions import DeadKernelError

from lib import cells, claims, plan
from lib.files import StateError, publish, write_text
from lib.findings import page_footer
from lib.params import ParamsError, load
from lib.paths import NOTEBOOKS, ROOT, relative
from lib.report import write_report
from lib.source import DataError
from lib.verify import Difference, verify, write_checksums

# With hyphens at which no line breaks.
TITLE = "Does augmentation make U\u2011Net work? A reproduction on DIC\u2011C2DH\u2011HeLa"
# What TensorFlow's loader says on standard error at every start.
LOADER = re.compile(r"^([IWE]0000|WARNING: All log messages|To enable the following).*\n?", re.M)


class RunError(Exception):
    """A notebook stopped with an error; the message says which and why."""


def main(words=None):
    """Run one command; an expected error ends it with one message and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m lib.run", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("data", "find the images and write the splits"),
        ("plan", "list what is still to be done, for make"),
        ("train", "execute one run"),
        ("cells", "find and score the cells in what finished runs predicted"),
        ("chapters", "execute chapters 1 to 3 where they never were"),
        ("notebook", "execute one chapter"),
        ("verify", "compute the results again from the runs and compare"),
        ("clean", "remove the outputs, published ones with FORCE=1 alone"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("params")
        if name == "train":
            command.add_argument("name", help="arm/fold/seed, as in none/last/seed0")
        if name == "cells":
            command.add_argument("arm", nargs="?", help="of one arm; of all where none is named")
        if name == "notebook":
            command.add_argument("name", choices=plan.NOTEBOOK_SECTIONS)
    arguments = vars(parser.parse_args(words))
    command = COMMANDS[arguments.pop("command")]
    try:
        command(load(arguments.pop("params")), *arguments.values())
    except (ParamsError, DataError, StateError, RunError, Difference) as error:
        parser.exit(2, f"error: {error}\n")
    except OSError as error:
        parser.exit(2, f"error: {error.filename or 'a file'}: {error.strerror or error}\n")


def show_data(profile):
    """Find the images and say what they are."""
    record = plan.prepare(profile)
    frames = ", ".join(f"{count} of video {video}" for video, count in record["frames"].items())
    print(f"{record['label']}: {frames}")


def write_plan(profile):
    """Write plan.mk: a target for each run and chapter that is still to be done.

    Parameters
    ----------
    profile : params.Profile
    """
    record = plan.prepare(profile)
    claims.read_claims()  # a slip in their file is not to be found after days of training
    runs = plan.plan(profile, record)
    adopted = [
        run for run in runs if not plan.is_done(run, profile.outputs) and plan.adopt(run, profile)
    ]
    for run in adopted:
        print(f"{run.name}: taken over from a profile that did the same")
        cells.drop(run, profile, runs)
    pending = [run for run in runs if not plan.is_done(run, profile.outputs)]
    for run in runs:
        if run not in pending:
            # Again, in case it was stopped when it had its name but was not yet tidied.
            plan.end(run, profile.outputs)
    cells.adopt(profile, runs)
    unscored = cells.pending_arms(profile, runs)
    chapters = _pending_chapters(profile, record, runs, adopted or pending or unscored)
    write_text(profile.outputs / "plan.mk", _makefile(profile, pending, unscored, chapters))
    print(f"{profile.name}, on {record['label']}")
    planned = {run.arm for run in runs}
    for arm in (arm for arm in profile.settings["grid.arms"] if arm not in planned):
        folds, ours = profile.arms[arm]["grid.folds"], profile.settings["grid.folds"]
        print(f"arm {arm} is not run: none of its folds {folds} is one of the profile's {ours}")
    if pending or unscored or chapters:
        print(f"{len(pending)} of {len(runs)} runs and {len(chapters)} notebooks are to be done")
    else:
        print(f"all {len(runs)} runs and the report are up to date: nothing to do")


def train(profile, name):
    """Execute one run and give it its name when it is whole.

    Parameters
    ----------
    profile : params.Profile
    name : str
        As none/last/seed0.

    Raises
    ------
    RunError
        If the notebook stops with an error.
    StateError
        If the run is not in the plan.
    """
    runs = plan.plan(profile, plan.read_record(profile.outputs))
    parts = re.fullmatch(r"(.+)/(.+)/seed(\d+)", name)
    if not parts:
        raise StateError(f"{name}: is not the name of a run; write it as none/last/seed0")
    run = plan.find(runs, *parts.groups())
    partial = plan.begin(run, profile.outputs)
    parameters = {"arm": run.arm, "fold": run.fold, "seed": run.seed}
    label = f"[{runs.index(run) + 1}/{len(runs)} {name}] "
    try:
        _execute("04_training", partial / "notebook.ipynb", profile, parameters, label)
    except RunError as error:
        write_text(partial / "error.txt", f"{error}\n")
        raise
    cells.drop(run, profile, runs)
    # Before anything is thrown away: a run that cannot get its name goes on from its checkpoint.
    publish(partial, run.folder(profile.outputs))
    plan.end(run, profile.outputs)


def write_chapter(profile, name):
    """Execute a notebook other than 04, and make the page from 06.

    Parameters
    ----------
    profile : params.Profile
    name : str
        As 01_data.
    """
    record = plan.read_record(profile.outputs)
    runs = plan.plan(profile, record)
    path = profile.outputs / "notebooks" / f"{name}.ipynb"
    beside = path.with_name(f".{path.name}")
    fingerprint = plan.notebook_fingerprint(name, profile, record, runs)
    _execute(name, beside, profile, {}, f"[{name}] ", fingerprint)
    beside.replace(path)
    if name == "06_report":
        page = profile.outputs / "report.html"
        footer = page_footer(profile, pd.read_csv(profile.outputs / "runs.csv"))
        write_report(path, page, title=TITLE, footer=footer)
        write_checksums(profile.outputs)
        print(f"report: {relative(page)}")


def write_missing_chapters(profile):
    """Execute the chapters that summaries read from, where they were never executed."""
    for name in plan.NOTEBOOK_SECTIONS:
        path = profile.outputs / "notebooks" / f"{name}.ipynb"
        if name not in plan.SUMMARIES and not path.exists():
            write_chapter(profile, name)


def score_cells(profile, arm=None):
    """Find and score the cells of an arm, or of every arm and of what is no network."""
    runs = plan.plan(profile, plan.read_record(profile.outputs))
    names = cells.scored_arms(profile, runs)
    if arm and arm not in names:
        raise StateError(f"{arm}: is no arm whose cells are scored; these are {', '.join(names)}")
    cells.adopt(profile, runs)
    for name in [arm] if arm else names:
        cells.score_arm(profile, runs, name)


def show_verification(profile):
    """Compute the results again from the runs, and say that they are the same."""
    print(verify(profile))


def clean(profile):
    """Remove a profile's outputs; those that are published only where FORCE=1 is set.

    Parameters
    ----------
    profile : params.Profile

    Raises
    ------
    StateError
        If the folder is published and FORCE is not 1.
    """
    where = relative(profile.outputs)
    listed = ["git", "-C", str(ROOT), "ls-files", "--", where]
    published = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    if published and os.environ.get("FORCE") != "1":
        raise StateError(f"{where}: is published, so it stays; add FORCE=1 to remove it")
    if profile.outputs.is_dir():
        shutil.rmtree(profile.outputs)
    print(f"removed {where}")


COMMANDS = {
    "clean": clean,
    "data": show_data,
    "plan": write_plan,
    "train": train,
    "cells": score_cells,
    "chapters": write_missing_chapters,
    "notebook": write_chapter,
    "verify": show_verification,
}


def _pending_chapters(profile, record, runs, pending):
    chapters = []
    for name in plan.NOTEBOOK_SECTIONS:
        fingerprint = plan.notebook_fingerprint(name, profile, record, runs)
        done = plan.notebook_done(name, fingerprint, profile.outputs)
        if not done or (name in plan.SUMMARIES and (pending or chapters)):
            chapters.append(name)
    return chapters


def _makefile(profile, pending, unscored, chapters):
    """Write the plan as Make rules; everything waits for the trials of the scan."""
    names = [run.name for run in pending]
    seeds = sorted({run.seed for run in pending})
    order = [name for seed in seeds for name in _order([r for r in pending if r.seed == seed])]
    trials, scored = _trials(pending), [f"cells/{arm}" for arm in unscored]
    rules = [
        f".PHONY: all {' '.join([*names, *scored, *chapters])}",
        f"all: {' '.join([*order, *scored, *chapters])}",
        "\t@:",  # else Make says that there is nothing to be done, as `write_plan` just did
    ]
    for run in pending:
        needs = [need for need in run.needs if need in names]
        after = [] if run.name in trials else trials
        rules += _rule(profile, "train", run.name, needs, after)
    for arm, target in zip(unscored, scored, strict=True):
        needs = [run.name for run in pending if run.arm == arm]
        rules += _rule(profile, "cells", target, needs, trials, word=arm)
    for name in chapters:
        needs = [other for other in chapters if other < name] + names + scored
        rules += _rule(profile, "notebook", name, needs if name in plan.SUMMARIES else [], trials)
    return "\n".join(rules) + "\n"


def _order(runs):
    """Put the runs of a seed in the order in which Make is to begin them.

    Those that others wait for come first, and what waits for them in the middle: Make passes over
    what is not ready and takes it up again at the end of its list, where a place would stay empty.
    """
    waited_for = {need for run in runs for need in run.needs}
    first = [run.name for run in runs if run.name in waited_for]
    waiting = [run.name for run in runs if set(run.needs) & set(first) - set(_trials(runs))]
    rest = [run.name for run in runs if run.name not in (*first, *waiting)]
    half = len(rest) // 2
    return [*first, *rest[:half], *waiting, *rest[half:]]


def _trials(runs):
    return [run.name for run in runs if run.side == "validation"]


def _rule(profile, command, target, needs, after, word=None):
    return [
        f"{target}: {' '.join(needs)} | {' '.join(after)}",
        f"\t@$(PYTHON) -m lib.run {command} {relative(profile.path)} {word or target}",
    ]


def _execute(name, target, profile, parameters, label, fingerprint=None):
    started = time.time()
    terminal = _Labelled(sys.stdout, label)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _kernel_log(profile.outputs / "kernel.log"):
            papermill.execute_notebook(
                NOTEBOOKS / f"{name}.ipynb",
                target,
                parameters={"params_file": relative(profile.path)} | parameters,
                progress_bar=False,
                stdout_file=terminal,
                # A busy machine takes long to start a kernel; a study must not stop for that.
                start_timeout=600,
                iopub_timeout=120,
                coalesce_streams=True,
            )
    except papermill.PapermillExecutionError as error:
        raise RunError(f"{label.strip()} {error.ename}: {error.evalue}") from error
    except DeadKernelError as error:
        raise RunError(f"{label.strip()} the notebook's process died, out of memory?") from error
    _tidy(target, fingerprint)
    terminal.write(f"done in {time.time() - started:.0f} s\n")


@contextlib.contextmanager
def _kernel_log(path):
    """Send to a file what the kernel's process says outside its cells; it inherits our stderr."""
    ours = os.dup(2)
    with path.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


def _tidy(path, fingerprint):
    """Drop the loader's messages and the paths and times of papermill; add the fingerprint."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        outputs = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                output.text = LOADER.sub("", output.text)
            if output.output_type != "stream" or output.text:
                outputs.append(output)
        if cell.cell_type == "code":
            cell.outputs = outputs
        cell.metadata.pop("papermill", None)
    notebook.metadata.pop("papermill", None)
    if fingerprint:
        notebook.metadata["study"] = {"fingerprint": fingerprint}
    write_text(path, nbformat.writes(notebook) + "\n")


class _Labelled:
    """A stream that names the run in front of each line; papermill writes to it."""

    def __init__(self, stream, label):
        self.stream, self.label = stream, label

    def write(self, text):
        lines = [f"{self.label}{line}\n" for line in text.splitlines() if line.strip()]
        self.stream.write("".join(lines))

    def flush(self):
        self.stream.flush()


if __name__ == "__main__":
    main()
