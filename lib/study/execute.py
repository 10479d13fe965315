"""The commands behind make: each run is notebook 04, executed with the folder of the run."""

import os
import shutil
import subprocess
import sys

from lib.data import check, files, source
from lib.data.files import ROOT, DataError, StateError, relative
from lib.study import jobs, runs
from lib.study.command import RunError, main
from lib.study.notebooks import execute
from lib.study.provenance import file_digests


def show_data(profile):
    """Find the images, open every file once, and say what they are."""
    found = source.find_source(profile.settings.data)
    faults, warnings = check.check_data(found)
    for line in warnings:
        print(f"warning: {line}")
    if faults:
        raise DataError("\n".join(faults))
    record = runs.prepare(profile)
    frames = ", ".join(f"{count} of video {video}" for video, count in record["frames"].items())
    print(f"{record['label']}: {frames}")


def reproduce(profile):
    """Do what is still to be done, and write the report."""
    from lib.scoring.claims import read_claims

    with runs.locked(profile.outputs, "this profile"):
        read_claims()  # a slip in their file is not to be found after days of training
        if not (profile.outputs / "data.json").exists():
            show_data(profile)
        record = runs.prepare(profile)
        for line in profile.warnings:
            print(f"note: {line}")
        todo = jobs.jobs(profile, record)
        print(f"{profile.name}, on {record['label']}")
        for job in todo:
            print(f"  {job.name}: {job.why}")
        if todo:
            _snakemake(profile)
        else:
            print(
                f"all {len(runs.plan(profile, record))} runs and the pages are there: nothing to do"
            )
        print(f"the report is {relative(jobs.page_path('06_report', profile.outputs))}")


def _snakemake(profile):
    """Let Snakemake do the jobs; what it prints of itself is left out."""
    words = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(ROOT), "--quiet", "all"]
    words += ["--nolock", "--keep-going", "--rerun-triggers", "input", "--cores", _cores()]
    if cluster := os.environ.get("STUDY_CLUSTER"):
        words += ["--profile", _cluster_profile(cluster)]
    environ = os.environ | {"STUDY_PARAMS": str(profile.path)}
    process = subprocess.Popen([sys.executable, "-m", "snakemake", *words], env=environ)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        # Snakemake got the signal, too, and ends its jobs.
        process.wait()
        raise
    if status:
        raise RunError(
            f"{relative(profile.path)}: not all could be done, see above; the same command goes "
            f"on, `make report PARAMS={relative(profile.path)}` shows what there is"
        )


def _cluster_profile(name):
    if name != "slurm":
        raise StateError(f"CLUSTER={name}: only slurm is known; write CLUSTER=slurm")
    return str(ROOT / "params" / "slurm")


def _cores():
    """Say how many runs are made at once: as JOBS says, or the cores that are there, up to four."""
    given = os.environ.get("STUDY_JOBS") or str(min(4, os.cpu_count() or 2))
    if not given.isdecimal() or given == "0":
        raise StateError(f"JOBS={given}: has to be a whole number from 1, as in JOBS=2")
    return given


def train(profile, name):
    """Execute one run, and give it its name when it is whole."""
    record = runs.read_record(profile.outputs)
    planned = runs.plan(profile, record)
    run = runs.find(profile, planned, name)
    folder = runs.begin(run, profile, record)
    label = f"[{planned.index(run) + 1}/{len(planned)} {run.arm} {run.fold} seed{run.seed}] "
    with runs.locked(folder, name):
        try:
            execute("04_training", folder / "notebook.ipynb", {"run": str(folder)}, label)
        except RunError as error:
            files.write_text(folder / "error.txt", f"{error}\n")
            raise
        _finish(folder, run.folder(profile.outputs), runs.RUN_FILES)


def score_seeds(profile, name):
    """Score the mean over what the seeds of an arm predicted."""
    from lib.data.dataset import open_data
    from lib.scoring.truth import score_readings
    from lib.study import provenance

    record = runs.read_record(profile.outputs)
    planned = runs.plan(profile, record)
    run = runs.find(profile, planned, name)
    sources = [runs.locate(other, profile) for other in planned if other.name in run.needs]
    kept = [folder / "predictions.npz" for folder in sources]
    if missing := [relative(path) for path in kept if not path.is_file()]:
        raise StateError(
            f"{missing[0]}: predictions are not kept in the repository; remove the runs of "
            f"{run.arm} and train them again to score the mean over them"
        )
    folder = runs.begin(run, profile, record)
    with runs.locked(folder, name):
        data = open_data(profile.settings.data, kind=record["source"])
        split = runs.split_of(run.settings, run.fold, record)
        cells, constants = score_readings(data, split, kept, run.settings)
        files.write_table(folder / "cells.csv", cells)
        files.write_json(folder / "cells.json", constants)
        files.write_json(folder / "provenance.json", provenance.collect(record))
        _finish(folder, run.folder(profile.outputs), runs.ENSEMBLE_FILES)


def _finish(folder, final, names):
    """Record the files' sizes and digests, and give the folder its name."""
    record = files.read_json(folder / "provenance.json")
    files.write_json(folder / "provenance.json", record | {"files": file_digests(folder, names)})
    fault = runs.fault_of(folder, final.name)
    if fault:
        raise StateError(f"{relative(folder)}: {fault}; the same command makes it again")
    for name in ("checkpoints", "figures"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (".lock", "kernel.log"):
        (folder / name).unlink(missing_ok=True)
    files.publish(folder, final)


def score_references(profile):
    """Score what is no network, and keep the frames that are shown."""
    import pandas as pd

    from lib.data.dataset import keep_frames, open_data, shown_frames
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
    key = jobs.references_key(record, planned)
    files.write_json(profile.outputs / "references.json", {"key": key})


def verify(profile):
    """Compute the tables again from the runs, and say that they are the same."""
    from lib.study.tables import verify as compute

    found = compute(profile)
    print("{tables} tables came out again, from {runs} of {planned} runs".format(**found))


def clean(profile):
    """Remove the outputs of a profile; published ones only with FORCE=1."""
    jobs.clean(profile, force=os.environ.get("STUDY_FORCE") == "1")
    print(f"removed {relative(profile.outputs)}")


COMMANDS = {
    "reproduce": reproduce,
    "data": show_data,
    "run": train,
    "seeds": score_seeds,
    "references": score_references,
    "verify": verify,
    "clean": clean,
}

if __name__ == "__main__":
    main(COMMANDS)
