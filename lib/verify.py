"""Compute a profile's results once more from what its runs left, and compare.

Nothing is trained and no image is read. The runs are copied to a temporary folder, the chapters 5
and 6 are executed there, and what they write is compared with what is kept. Nothing that is kept is
changed.
"""

import hashlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from matplotlib.image import imread

from lib import plan
from lib.files import write_text
from lib.paths import ROOT, relative

CHECKSUMS = "checksums.txt"
# What the runs, the cells cut out of them and chapter 1 left; chapters 5 and 6 make everything else
# from it, but for the figures of chapters 1 to 3, which need the images.
INPUTS = ("data.json", "splits", "runs", "cells", "baselines.csv", "truth.csv")
# What .gitignore leaves out: it is not needed again, or too large to keep.
NOT_KEPT = ("model.keras", "checkpoints", "kernel.log", "plan.mk", CHECKSUMS)
# Columns that say which row of a table is meant.
KEYS = ("id", "arm", "against", "fold", "seed", "learning_rate", "video", "frame", "metric")
# Machines differ in the last digits of a sum; a difference of two that are equal is near 0 then.
RELATIVE, ABSOLUTE = 1e-9, 1e-12
# Fonts and lines can lie a pixel elsewhere; a score drawn .01 elsewhere makes 1e-4.
PIXELS = 5e-5


class Difference(Exception):
    """What is kept is not what comes out; the message names the file and the place in it."""


def write_checksums(outputs):
    """Write the SHA-256 digest of every file that a profile keeps, as ``sha256sum -c`` reads it.

    Parameters
    ----------
    outputs : Path
        Outputs of the profile.
    """
    lines = [f"{_digest(outputs / name)}  {name}\n" for name in kept_files(outputs)]
    write_text(outputs / CHECKSUMS, "".join(lines))


def kept_files(outputs):
    """List the files that a profile keeps, but for the list of their digests.

    Parameters
    ----------
    outputs : Path

    Returns
    -------
    list of str
        Paths below the outputs. Folders of runs under way are left out.
    """
    paths = [path.relative_to(outputs) for path in sorted(outputs.rglob("*")) if path.is_file()]
    return [
        path.as_posix()
        for path in paths
        if not any(part.startswith(".") or part in NOT_KEPT for part in path.parts)
    ]


def verify(profile):
    """Compare the results of a profile with what comes out of its runs now.

    Every kept file has to have the digest in checksums.txt. Tables are computed again and compared
    cell by cell: numbers to nine digits, everything else exactly. Figures of chapter 5 are drawn
    again and their PNGs compared by pixel; the SVGs have to be there. The report is written again
    from the kept tables and figures, and has to be the same text with the same images. The record
    of the machine, provenance.json, and the executed notebooks have their digests only.

    Parameters
    ----------
    profile : params.Profile

    Returns
    -------
    str
        What was compared.

    Raises
    ------
    Difference
        At the first difference.
    StateError
        If the profile has no results.
    """
    outputs = profile.outputs
    runs = plan.plan(profile, plan.read_record(outputs))
    changed = _changed_files(outputs)
    _compare_scores(outputs, runs)
    _refuse_changed(outputs, [name for name in changed if name.split("/")[0] in INPUTS])
    _refuse_undone(profile, runs)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / profile.name
        _copy(outputs, copy, INPUTS)
        _execute(profile, copy, "05_evaluation")
        tables = _compare_tables(outputs, copy)
        figures = _compare_figures(outputs, copy)
        # With digits and pixels that differ within the tolerance the report would not be the same.
        kept = ["figures", *(path.name for path in outputs.glob("*.csv"))]
        _copy(outputs, copy, kept)
        _refuse_changed(outputs, [name for name in changed if name != "report.html"])
        _execute(profile, copy, "06_report")
        compare_texts(outputs / "report.html", copy / "report.html")
    _refuse_changed(outputs, changed)
    done = sum(plan.is_done(run, outputs) for run in runs)
    return (
        f"{profile.name}: {tables} tables, {figures} figures and the report come out again; "
        f"{done} of {len(runs)} planned runs are done"
    )


# Files --------------------------------------------------------------------------------------


def _changed_files(outputs):
    """List the kept files whose digest is another; refuse one that is missing or was added."""
    try:
        lines = (outputs / CHECKSUMS).read_text(encoding="utf-8").splitlines()
        digests = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        where = relative(outputs / CHECKSUMS)
        raise Difference(f"{where}: cannot be read ({error}); run `make report` first") from error
    there = kept_files(outputs)
    for name in sorted(digests.keys() ^ set(there)):
        fault = "is missing" if name in digests else f"is not listed in {CHECKSUMS}"
        raise Difference(f"{relative(outputs / name)}: {fault}")
    return [name for name in there if _digest(outputs / name) != digests[name]]


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _refuse_changed(outputs, names):
    if names:
        raise Difference(
            f"{relative(outputs / names[0])}: is not the file that was written; its digest is not "
            f"the one in {CHECKSUMS}"
        )


def _refuse_undone(profile, runs):
    for run in runs:
        folder = run.folder(profile.outputs)
        if folder.exists() and not plan.is_done(run, profile.outputs):
            raise Difference(
                f"{relative(folder)}: is not whole, or was made with other settings than "
                f"{relative(profile.path)} has now, or from other images"
            )


def _copy(outputs, copy, names):
    copy.mkdir(exist_ok=True)
    for name in names:
        if (outputs / name).is_dir():
            leave = shutil.ignore_patterns(*NOT_KEPT)
            shutil.copytree(outputs / name, copy / name, ignore=leave, dirs_exist_ok=True)
        elif (outputs / name).exists():
            shutil.copyfile(outputs / name, copy / name)


def _execute(profile, copy, chapter):
    """Execute a chapter on the copy, in a process whose outputs folder is another."""
    command = [sys.executable, "-m", "lib.run", "notebook", str(profile.path), chapter]
    environment = os.environ | {"STUDY_OUTPUTS": str(copy.parent)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise Difference(f"{chapter} cannot be executed again: {ended.stderr.strip()}")


# Tables -------------------------------------------------------------------------------------


def _compare_scores(outputs, runs):
    """Compare the scores that each run wrote with those in the table of all."""
    whole = outputs / "metrics.csv"
    every = _read(whole)
    for run in runs:
        if run.side == "test" and plan.is_done(run, outputs):
            path = run.folder(outputs) / "metrics.csv"
            own = _read(path)
            keys = {"arm": run.arm, "fold": run.fold, "seed": str(run.seed)}
            rows = every[(every[list(keys)] == pd.Series(keys)).all(axis=1)]
            compare_rows(path, own, rows, f"in {relative(whole)}")


def _compare_tables(outputs, copy):
    """Compare every table that is no input; return how many there are."""
    names = {path.name for folder in (outputs, copy) for path in folder.glob("*.csv")}
    names = sorted(names - set(INPUTS))
    for name in names:
        compare_rows(outputs / name, _read(outputs / name), _read(copy / name), "computed again")
    return len(names)


def compare_rows(path, kept, other, where):
    """Compare a table with another that should be the same.

    Parameters
    ----------
    path : Path
        File of the table that is kept, to name it.
    kept, other : pandas.DataFrame
        All cells text.
    where : str
        Where the other is from, as it is said after a value.

    Raises
    ------
    Difference
        At the first cell, row or column that differs. Two numbers are the same if they agree to
        nine digits.
    """
    if list(kept) != list(other):
        raise Difference(f"{relative(path)}: columns {', '.join(kept)}; {', '.join(other)} {where}")
    for row, column in np.argwhere(kept.to_numpy()[: len(other)] != other.to_numpy()[: len(kept)]):
        ours, theirs = kept.iloc[row, column], other.iloc[row, column]
        if not _is_close(ours, theirs):
            cells = [f"{key} {kept[key].iloc[row]}" for key in KEYS if key in kept]
            raise Difference(
                f"{relative(path)}: row {row + 1} ({', '.join(cells)}), column "
                f"{kept.columns[column]}: {ours or 'nothing'}; {theirs or 'nothing'} {where}"
            )
    if len(kept) != len(other):
        raise Difference(f"{relative(path)}: {len(kept)} rows; {len(other)} {where}")


def _is_close(ours, theirs):
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except ValueError:
        return False


def _read(path):
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Difference(f"{relative(path)}: cannot be read: {error}") from error


# Figures and the report ---------------------------------------------------------------------


def _compare_figures(outputs, copy):
    """Compare every figure that was drawn again; return how many there are."""
    drawn = sorted((copy / "figures").iterdir())
    for path in drawn:
        kept = outputs / "figures" / path.name
        if not kept.exists():
            raise Difference(f"{relative(kept)}: is missing")
        if path.suffix == ".png":
            compare_figures(kept, path)
    return len({path.stem for path in drawn})


def compare_figures(kept, again):
    """Compare two PNG files by pixel.

    Parameters
    ----------
    kept, again : Path

    Raises
    ------
    Difference
        If they differ in size, or in the mean over pixels by more than `PIXELS` of the range
        from black to white; or if what is kept is no image.
    """
    try:
        ours, theirs = imread(kept), imread(again)
    except (OSError, SyntaxError) as error:  # what Pillow raises for a broken PNG
        raise Difference(f"{relative(kept)}: cannot be read: {error}") from error
    if ours.shape != theirs.shape:
        raise Difference(
            f"{relative(kept)}: rows, columns and channels {ours.shape}; {theirs.shape} drawn again"
        )
    difference = float(np.abs(ours - theirs).mean())
    if difference > PIXELS:
        raise Difference(
            f"{relative(kept)}: differs from what is drawn again by {difference:.1e} of the range "
            f"from black to white, in the mean over pixels; at most {PIXELS:g} is expected"
        )


def compare_texts(kept, again):
    """Compare two text files.

    Parameters
    ----------
    kept, again : Path

    Raises
    ------
    Difference
        With the line and what stands there, if they are not the same to the letter.
    """
    ours, theirs = (path.read_text(encoding="utf-8") for path in (kept, again))
    if ours != theirs:
        same = os.path.commonprefix([ours, theirs])
        # A little of what goes before, so that the place is found; a line can hold an image.
        start = max(same.rfind("\n") + 1, len(same) - 30)
        shown = [text[start : len(same) + 30].split("\n")[0] for text in (ours, theirs)]
        raise Difference(
            f"{relative(kept)}: line {same.count(chr(10)) + 1}: {shown[0]!r}; {shown[1]!r} "
            "written again"
        )
