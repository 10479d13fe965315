"""The commands behind make: the first word names one, the second the params file."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd

from lib.data import files, source
from lib.data.dataset import check_data, keep_frames, open_data, shown_frames
from lib.data.files import NOTEBOOKS, OUTPUTS, ROOT, DataError, StateError, relative
from lib.scoring.claims import read_claims
from lib.study import params, provenance, runs, tables

ABOUT = "U-Net on DIC-C2DH-HeLa, with and without augmentation: a reproducibility study"
# A busy machine takes long to start a kernel; a study must not stop for that.
OPTIONS = {"start_timeout": 600, "iopub_timeout": 120}
OPTIONS |= {"cwd": NOTEBOOKS, "coalesce_streams": True, "progress_bar": False}


def show_data(profile):
    """Find the images, open every file once, and say what they are."""
    faults, warnings = check_data(source.find_source(profile.settings.data))
    for line in warnings:
        print(f"warning: {line}")
    if faults:
        raise DataError("\n".join(faults))
    record = runs.prepare(profile)
    frames = ", ".join(f"{count} of video {video}" for video, count in record["frames"].items())
    return f"{record['label']}: {frames}"


def reproduce(profile):
    """Do what is still to be done, and write the report."""
    with runs.locked(profile.outputs, "this profile"):
        read_claims()  # a slip in their file is not to be found after days of training
        if not (profile.outputs / "data.json").exists():
            print(show_data(profile))
        record = runs.prepare(profile)
        planned, todo = runs.plan(profile, record), runs.jobs(profile, record)
        done = [folder for run in planned if (folder := runs.locate(run, profile))]
        for line in filter(None, [*profile.warnings, provenance.earlier_code(done)]):
            print(f"note: {line}")
        print(f"{profile.name}, on {record['label']}")
        for job in todo:
            print(f"  {job.name}: {job.why}")
        if todo:
            _snakemake(profile)
        else:
            print(f"all {len(planned)} runs and the pages are there: nothing to do")
        return f"the report is {relative(runs.page_path('06_report', profile.outputs))}"


def _snakemake(profile):
    """Let Snakemake do the jobs; what it prints of itself is left out."""
    cores = os.environ.get("STUDY_JOBS") or str(min(4, os.cpu_count() or 2))
    if not cores.isdecimal() or cores == "0":
        raise StateError(f"JOBS={cores}: has to be a whole number from 1, as in JOBS=2")
    words = ["--snakefile", ROOT / "Snakefile", "--directory", ROOT, "--quiet", "all", "--nolock"]
    # What was listed is to be done, whatever a damaged run or a killed Snakemake left.
    words += ["--keep-going", "--forceall", "--rerun-incomplete", "--cores", cores]
    if cluster := os.environ.get("STUDY_CLUSTER"):
        if cluster != "slurm":
            raise StateError(f"CLUSTER={cluster}: only slurm is known; write CLUSTER=slurm")
        words += ["--profile", ROOT / "params" / "slurm"]
    environ = os.environ | {"STUDY_PARAMS": str(profile.path)}
    words = [sys.executable, "-m", "snakemake", *words]
    process = subprocess.Popen(words, env=environ, process_group=0)
    try:
        process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)  # to Snakemake and its jobs, whoever sent it here
        raise
    finally:
        process.wait()
    if process.returncode:
        path = relative(profile.path)
        cure = f"the same command goes on, `make report PARAMS={path}` shows what there is"
        raise StateError(f"{path}: not all could be done, see above; {cure}")


def execute(name, target, given, label, **metadata):
    """Execute a notebook, label each line that it prints, and leave no path of this machine."""
    import nbformat  # these take seconds, which a study with nothing to do need not wait for
    import papermill
    from jupyter_client import AsyncKernelManager
    from nbclient.exceptions import DeadKernelError

    def say(text):
        for line in filter(str.strip, text.splitlines()):
            print(f"{label}{line}", flush=True)

    class Kernel(AsyncKernelManager):
        async def start_kernel(self, **options):  # its process tells of its start, and of no fault
            await super().start_kernel(stderr=subprocess.DEVNULL, **options)

    logging.disable(logging.ERROR)  # the end of a kernel is said in one line, below
    options = OPTIONS | {"stdout_file": SimpleNamespace(write=say, flush=sys.stdout.flush)}
    target.parent.mkdir(parents=True, exist_ok=True)
    chapter, options["kernel_manager_class"] = NOTEBOOKS / f"{name}.ipynb", Kernel
    with files.named(chapter, "cannot be read as a notebook"):
        nbformat.read(chapter, 4)
    try:
        notebook = papermill.execute_notebook(chapter, target, given, **options)
    except papermill.PapermillExecutionError as error:
        raise StateError(f"{label}{error.ename}: {error.evalue}") from error
    except DeadKernelError as error:
        ended = "its process was ended from outside, as for want of memory"
        raise StateError(f"{label}{ended}; the same command goes on where it was") from error
    # The cell that papermill adds names folders of this machine, as its notes do.
    added = "injected-parameters"
    notebook.cells = [c for c in notebook.cells if added not in c.metadata.get("tags", [])]
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
        if "outputs" in part:  # warnings name the files of packages; no page shows them
            part.outputs = [output for output in part.outputs if output.get("name") != "stderr"]
    notebook.metadata |= metadata
    files.write_text(target, nbformat.writes(notebook) + "\n")


def train(profile, name):
    """Execute one run, and give it its name when it is whole."""
    run, planned, record = runs.find(profile, name)
    label = f"[{planned.index(run) + 1}/{len(planned)} {run.arm} {run.fold} seed{run.seed}] "
    with runs.under_way(run, profile, record) as folder:
        try:
            execute("04_training", folder / "notebook.ipynb", {"run": str(folder)}, label)
        except StateError as error:
            files.write_text(folder / "error.txt", f"{error}\n")
            raise


def score_seeds(profile, name):
    """Score the mean over what the seeds of an arm predicted."""
    from lib.scoring.truth import score_readings

    run, planned, record = runs.find(profile, name)
    sources = [runs.locate(other, profile) for other in planned if other.name in run.needs]
    kept = [folder / "predictions.npz" for folder in sources]
    if missing := [relative(path) for path in kept if not path.is_file()]:
        cure = f"remove the runs of {run.arm} and train them again to score the mean over them"
        raise StateError(f"{missing[0]}: predictions are not kept in the repository; {cure}")
    with runs.under_way(run, profile, record) as folder:
        data = open_data(profile.settings.data, kind=record["source"])
        split = runs.split_of(run.settings, run.fold, record)
        cells, constants = score_readings(data, split, kept, run.settings)
        files.write_table(folder / "cells.csv", cells)
        files.write_json(folder / "cells.json", constants)
        files.write_json(folder / "provenance.json", provenance.collect(record))


def score_references(profile):
    """Score what is no network, and keep the frames that are shown."""
    from lib.scoring.truth import count_references

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
    made = runs.references_made(profile.outputs, record, planned)
    files.write_json(profile.outputs / "references.json", made)


def clean(profile):
    """Remove the outputs of a profile; published ones only with FORCE=1."""
    outputs, ignored = profile.outputs, (ROOT / ".gitignore").read_text(encoding="utf-8")
    published = f"!/outputs/{profile.name}/" in ignored.splitlines()
    if published and os.environ.get("STUDY_FORCE") != "1":
        raise StateError(f"{relative(outputs)}: is published, so it stays; FORCE=1 removes it")
    if outputs.is_symlink():
        outputs.unlink()
    elif outputs.exists():
        shutil.rmtree(outputs)
    return f"removed {relative(outputs)}"


def write_page(profile, name):
    """Execute a chapter or the report, and show it as a page."""
    from lib.page import export

    outputs = profile.outputs
    if name in runs.SUMMARIES:
        record = runs.read_record(outputs)
        tables.write_tables(profile)
    else:  # it shows images: those of the results, or it stops
        record = runs.prepare(profile)
    path, page = outputs / "notebooks" / f"{name}.ipynb", runs.page_path(name, outputs)
    beside = path.with_name(f".{path.name}")
    made = {"fingerprint": runs.fingerprint(name, profile, record, runs.plan(profile, record))}
    execute(name, beside, {"params_file": str(profile.path)}, f"[{name}] ", study=made)
    nav = {"Report": runs.page_path("06_report", outputs)}
    for chapter in (*runs.CHAPTERS, "05_evaluation"):
        nav[chapter[1:].replace("_", " ")] = runs.page_path(chapter, outputs)
    linked = {"description": ABOUT, "picture": outputs / "figures" / "strip.png"}
    export.write_page(beside, page, nav=nav, code=name != "06_report", **linked)
    beside.replace(path)
    return f"[{name}] {relative(page)}"


def report(profile):
    """Write the tables and the pages from the runs that are there, finished or not."""
    if not (profile.outputs / "references.json").exists():
        score_references(profile)
    pages = runs.SUMMARIES
    try:
        runs.prepare(profile)
        pages = runs.CHAPTERS + pages
    except (DataError, StateError) as error:
        print(f"chapters 1 to 4 stay as they are: {error}")
    for name in pages:
        print(write_page(profile, name))


def compare(first):
    """Put two profiles side by side on one page; make says the second in STUDY_B."""
    from lib.page import export

    second = params.load(os.environ.get("STUDY_B", ""))
    for profile in (first, second):
        if not (profile.outputs / "summary.csv").exists():
            cure = f"run `make reproduce PARAMS={relative(profile.path)}` first"
            raise StateError(f"{relative(profile.outputs)}: no results there; {cure}")
    name = f"compare_{first.name}_{second.name}"
    target, page = OUTPUTS / ".compare" / f"{name}.ipynb", OUTPUTS / f"{name}.html"
    execute("07_compare", target, {"a": str(first.path), "b": str(second.path)}, "[compare] ")
    export.write_page(target, page)
    return f"the comparison is {relative(page)}"


COMMANDS = {"reproduce": reproduce, "data": show_data, "verify": tables.verify, "clean": clean}
COMMANDS |= {"run": train, "seeds": score_seeds, "references": score_references}
COMMANDS |= {"page": write_page, "report": report, "compare": compare}


def main(words):
    """Run one of the commands; an expected error ends it with one message and exit status 2."""
    if not words or words[0] not in COMMANDS:
        sys.exit(f"error: give one of {', '.join(COMMANDS)}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, signal.default_int_handler)
    try:
        profile = params.load(words[1] if words[1:] else os.environ.get("STUDY_PARAMS", ""))
        if said := COMMANDS[words[0]](profile, *words[2:]):
            print(said)
        return 0
    except (params.ParamsError, DataError, StateError) as error:
        said, status = re.sub("^", "error: ", str(error), flags=re.M), 2
    except OSError as error:
        said, status = f"error: {error.filename or 'a file'}: {error.strerror or error}", 2
    except KeyboardInterrupt:
        said, status = "stopped; the same command goes on where it was", 130
    print(said, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
