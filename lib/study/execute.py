"""Do what a study consists of: each run is notebook 04, executed with the folder of the run."""

import os
import re
import sys
import time
from functools import partial
from types import SimpleNamespace

import nbformat
import pandas as pd

from lib.data import files
from lib.data.dataset import keep_frames, open_data, shown_frames
from lib.data.files import NOTEBOOKS, StateError, relative
from lib.scoring.truth import count_references, score_readings
from lib.study import jobs, provenance, runs

# What TensorFlow's loader says on standard error at every start.
LOADER = re.compile(r"^([IWE]0000|WARNING: All log messages|To enable the following).*\n?", re.M)
# A busy machine takes long to start a kernel; a study must not stop for that.
OPTIONS = {"start_timeout": 600, "iopub_timeout": 120, "coalesce_streams": True}
OPTIONS["progress_bar"] = False


class RunError(Exception):
    """A notebook stopped with an error; says which and why."""


def execute(name, target, parameters, label, **metadata):
    """Execute a notebook, label each line that it prints, and leave no path of this machine."""
    import papermill  # takes seconds
    from nbclient.exceptions import DeadKernelError

    started, ours = time.time(), os.dup(2)
    target.parent.mkdir(parents=True, exist_ok=True)
    # What the kernel's process says outside its cells; it inherits our standard error.
    with (target.parent / "kernel.log").open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        notebook = papermill.execute_notebook(
            NOTEBOOKS / f"{name}.ipynb",
            target,
            parameters=parameters,
            cwd=NOTEBOOKS,
            stdout_file=SimpleNamespace(write=partial(_say, label), flush=sys.stdout.flush),
            **OPTIONS,
        )
    except papermill.PapermillExecutionError as error:
        raise RunError(f"{label.strip()} {error.ename}: {error.evalue}") from error
    except DeadKernelError as error:
        raise RunError(
            f"{label.strip()} its process was ended from outside, as for want of memory; the "
            "same command goes on where it was"
        ) from error
    finally:
        os.dup2(ours, 2)
        os.close(ours)
    # The cell that papermill adds names folders of this machine, as its notes do.
    added = "injected-parameters"
    notebook.cells = [c for c in notebook.cells if added not in c.metadata.get("tags", [])]
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                output.text = LOADER.sub("", output.text)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("text", "?")]
    notebook.metadata |= metadata
    files.write_text(target, nbformat.writes(notebook) + "\n")
    _say(label, f"done in {time.time() - started:.0f} s")


def _say(label, text):
    for line in filter(str.strip, text.splitlines()):
        print(f"{label}{line}", flush=True)


def train(profile, name):
    """Execute one run, and give it its name when it is whole."""
    run, planned, record = runs.find(profile, name)
    label = f"[{planned.index(run) + 1}/{len(planned)} {run.arm} {run.fold} seed{run.seed}] "
    with runs.under_way(run, profile, record) as folder:
        try:
            execute("04_training", folder / "notebook.ipynb", {"run": str(folder)}, label)
        except RunError as error:
            files.write_text(folder / "error.txt", f"{error}\n")
            raise


def score_seeds(profile, name):
    """Score the mean over what the seeds of an arm predicted."""
    run, planned, record = runs.find(profile, name)
    sources = [runs.locate(other, profile) for other in planned if other.name in run.needs]
    kept = [folder / "predictions.npz" for folder in sources]
    if missing := [relative(path) for path in kept if not path.is_file()]:
        raise StateError(
            f"{missing[0]}: predictions are not kept in the repository; remove the runs of "
            f"{run.arm} and train them again to score the mean over them"
        )
    with runs.under_way(run, profile, record) as folder:
        data = open_data(profile.settings.data, kind=record["source"])
        split = runs.split_of(run.settings, run.fold, record)
        cells, constants = score_readings(data, split, kept, run.settings)
        files.write_table(folder / "cells.csv", cells)
        files.write_json(folder / "cells.json", constants)
        files.write_json(folder / "provenance.json", provenance.collect(record))


def score_references(profile):
    """Score what is no network, and keep the frames that are shown."""
    record = runs.read_record(profile.outputs)
    planned = runs.plan(profile, record)
    data, rows, shown = open_data(profile.settings.data, kind=record["source"]), [], set()
    sizes = sorted({run.settings.image.size for run in planned})
    for run in {run.fold: run for run in planned}.values():
        split = runs.split_of(run.settings, run.fold, record)
        rows += [{"fold": run.fold} | row for row in count_references(data, split, sizes)]
        shown |= set(shown_frames(split.test, run.settings.evaluation.examples).values())
    keep_frames(data, sorted(shown), profile.outputs / "frames.npz")
    files.write_table(profile.outputs / "references.csv", pd.DataFrame(rows))
    key = jobs.references_key(record, planned)
    files.write_json(profile.outputs / "references.json", {"key": key})
