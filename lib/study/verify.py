"""Compute the tables of a profile once more from what its runs left, and compare.

Nothing is trained, no image is read, and nothing that is kept is changed.
"""

import pandas as pd

from lib.data.files import StateError, relative
from lib.scoring.pixels import COUNTS, SCORES
from lib.study.provenance import check_files
from lib.study.results import open_results
from lib.study.runs import fault_of
from lib.study.tables import as_text, difference, make_tables, read_text


class Difference(StateError):
    """What is kept is not what comes out; the message names the file and the place in it."""


def verify(profile):
    """Compare what a profile keeps with what comes out of its runs now.

    Every file of a run has to be the one that was written, its scores have to follow from its
    counts, and the tables from the runs: numbers to nine digits, everything else exactly.
    """
    results = open_results(profile)
    for run, folder in results.found:
        folder = folder or run.folder(profile.outputs)
        if folder.exists():
            _check_run(folder, run.seed)
    _check_scores(profile.outputs / "references.csv")
    tables = make_tables(results)
    for name, table in tables.items():
        path = profile.outputs / f"{name}.csv"
        if not path.exists():
            raise Difference(f"{relative(path)}: is missing; `make report` writes it")
        _refuse(path, difference(read_text(path), as_text(table)))
    done = sum(folder is not None for _, folder in results.found)
    return {"tables": len(tables), "runs": done, "planned": len(results.found)}


def _check_run(folder, seed):
    # A cut file is named as such before its rows are looked at, and a row before its digest.
    if fault := fault_of(folder, seed):
        raise Difference(f"{relative(folder)}/{fault}")
    if (folder / "metrics.csv").exists():
        _check_scores(folder / "metrics.csv")
    for fault in check_files(folder):
        raise Difference(f"{relative(folder)}/{fault}")


def _check_scores(path):
    """Compare the scores of each frame with those that its counts give."""
    kept = read_text(path)
    kept = kept[(kept[[*SCORES]] != "").any(axis=1)]  # ceilings have counts of cells alone
    counts = kept[[*COUNTS]].apply(pd.to_numeric, errors="coerce")
    again = pd.DataFrame({name: score(**counts) for name, score in SCORES.items()})
    again = as_text(again).set_axis(kept.index)
    _refuse(path, difference(kept, kept.assign(**again), exact=True))


def _refuse(path, fault):
    if fault:
        raise Difference(f"{relative(path)}: {fault}")
