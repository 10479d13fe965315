"""The commands behind make: the first word names one, the second the params file."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from lib.data import check, source
from lib.data.files import OUTPUTS, ROOT, DataError, StateError, relative
from lib.page import html
from lib.scoring.claims import read_claims
from lib.study import jobs, params, provenance, runs
from lib.study import verify as verification
from lib.study.execute import RunError, execute, score_references, score_seeds, train
from lib.study.tables import write_tables

ABOUT = "U-Net on DIC-C2DH-HeLa, with and without augmentation: a reproducibility study"


def show_data(profile):
    """Find the images, open every file once, and say what they are."""
    faults, warnings = check.check_data(source.find_source(profile.settings.data))
    for line in warnings:
        print(f"warning: {line}")
    if faults:
        raise DataError("\n".join(faults))
    record = runs.prepare(profile)
    frames = ", ".join(f"{count} of video {video}" for video, count in record["frames"].items())
    print(f"{record['label']}: {frames}")


def reproduce(profile):
    """Do what is still to be done, and write the report."""
    with runs.locked(profile.outputs, "this profile"):
        read_claims()  # a slip in their file is not to be found after days of training
        if not (profile.outputs / "data.json").exists():
            show_data(profile)
        record = runs.prepare(profile)
        planned, todo = runs.plan(profile, record), jobs.jobs(profile, record)
        done = [folder for run in planned if (folder := runs.locate(run, profile))]
        earlier, commits = provenance.earlier_code(done)
        notes = list(profile.warnings)
        if earlier:
            made = f"{earlier} runs were made by earlier code, at {commits} commits"
            notes.append(f"{made}; their numbers stand")
        for line in notes:
            print(f"note: {line}")
        print(f"{profile.name}, on {record['label']}")
        for job in todo:
            print(f"  {job.name}: {job.why}")
        if todo:
            _snakemake(profile)
        else:
            print(f"all {len(planned)} runs and the pages are there: nothing to do")
        print(f"the report is {relative(jobs.page_path('06_report', profile.outputs))}")


def _snakemake(profile):
    """Let Snakemake do the jobs; what it prints of itself is left out."""
    cores = os.environ.get("STUDY_JOBS") or str(min(4, os.cpu_count() or 2))
    if not cores.isdecimal() or cores == "0":
        raise StateError(f"JOBS={cores}: has to be a whole number from 1, as in JOBS=2")
    words = ["--snakefile", ROOT / "Snakefile", "--directory", ROOT, "--quiet", "all", "--nolock"]
    words += ["--keep-going", "--rerun-triggers", "input", "--cores", cores]
    if cluster := os.environ.get("STUDY_CLUSTER"):
        if cluster != "slurm":
            raise StateError(f"CLUSTER={cluster}: only slurm is known; write CLUSTER=slurm")
        words += ["--profile", ROOT / "params" / "slurm"]
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


def verify(profile):
    """Compute the tables again from the runs, and say that they are the same."""
    found = verification.verify(profile)
    print("{tables} tables came out again, from {runs} of {planned} runs".format(**found))


def clean(profile):
    """Remove the outputs of a profile; published ones only with FORCE=1."""
    outputs, ignored = profile.outputs, ROOT / ".gitignore"
    kept = ignored.read_text(encoding="utf-8").splitlines() if ignored.exists() else []
    if f"!/outputs/{profile.name}/" in kept and os.environ.get("STUDY_FORCE") != "1":
        raise StateError(f"{relative(outputs)}: is published, so it stays; FORCE=1 removes it")
    try:
        if outputs.is_symlink():
            outputs.unlink()
        elif outputs.exists():
            shutil.rmtree(outputs)
    except OSError as error:
        raise StateError(f"{error.filename}: cannot be removed: {error.strerror}") from error
    print(f"removed {relative(outputs)}")


def write_page(profile, name):
    """Execute a chapter or the report, and show it as a page."""
    outputs, words = profile.outputs, {}
    if name in jobs.SUMMARIES:
        record = runs.read_record(outputs)
        write_tables(profile)
    else:  # it shows images: those of the results, or it stops
        record = runs.prepare(profile)
    if name == "06_report":
        picture = outputs / "figures" / "strip.png"
        words = {"code": False, "picture": picture, "description": ABOUT}
    nav = {"Report": jobs.page_path("06_report", outputs)}
    for chapter in (*jobs.CHAPTERS, "05_evaluation"):
        nav[chapter.removeprefix("0").replace("_", " ")] = jobs.page_path(chapter, outputs)
    path, page = outputs / "notebooks" / f"{name}.ipynb", jobs.page_path(name, outputs)
    beside = path.with_name(f".{path.name}")
    key = jobs.fingerprint(name, profile, record, runs.plan(profile, record))
    made = {"study": {"fingerprint": key}}
    execute(name, beside, {"params_file": str(profile.path)}, f"[{name}] ", **made)
    html.write_page(beside, page, nav=nav, **words)
    beside.replace(path)
    print(f"[{name}] {relative(page)}")


def report(profile):
    """Write the tables and the pages from the runs that are there, finished or not."""
    if not (profile.outputs / "references.json").exists():
        score_references(profile)
    try:
        for name in jobs.CHAPTERS:
            write_page(profile, name)
    except (DataError, StateError) as error:
        print(f"chapters 1 to 4 stay as they are: {error}")
    for name in jobs.SUMMARIES:
        write_page(profile, name)


def compare(first):
    """Put two profiles side by side on one page; make says the second in STUDY_B."""
    second = load(os.environ.get("STUDY_B", ""))
    for profile in (first, second):
        if not (profile.outputs / "summary.csv").exists():
            raise StateError(
                f"{relative(profile.outputs)}: no results there; run `make reproduce "
                f"PARAMS={relative(profile.path)}` first"
            )
    name = f"compare_{first.name}_{second.name}"
    target, page = OUTPUTS / ".compare" / f"{name}.ipynb", OUTPUTS / f"{name}.html"
    pair = {"a": str(first.path), "b": str(second.path)}
    execute("07_compare", target, pair, "[compare] ")
    html.write_page(target, page)
    print(f"the comparison is {relative(page)}")


def load(word):
    """Load a profile by its params file, its name or its outputs folder."""
    path = Path(word.rstrip("/"))
    owner = OUTPUTS / path.name / ".params"
    if path.suffix == ".yaml" or not path.name:
        return params.load(word)
    return params.load(owner.read_text(encoding="utf-8").strip() if owner.exists() else path.name)


COMMANDS = {"reproduce": reproduce, "data": show_data, "verify": verify, "clean": clean}
COMMANDS |= {"run": train, "seeds": score_seeds, "references": score_references}
COMMANDS |= {"page": write_page, "report": report, "compare": compare}


def main(words):
    """Run one of the commands; an expected error ends it with one message and exit status 2.

    What a user typed comes from make in environment variables, so that no shell reads it.
    """
    if not words or words[0] not in COMMANDS:
        sys.exit(f"error: give one of {', '.join(COMMANDS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        profile = load(words[1] if words[1:] else os.environ.get("STUDY_PARAMS", ""))
        COMMANDS[words[0]](profile, *words[2:])
        return 0
    except (params.ParamsError, DataError, StateError, RunError) as error:
        said, status = re.sub("^", "error: ", str(error), flags=re.M), 2
    except OSError as error:
        said, status = f"error: {error.filename or 'a file'}: {error.strerror or error}", 2
    except KeyboardInterrupt:
        said, status = "stopped; the same command goes on where it was", 130
    print(said, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
