"""The tables of a profile: what its runs left, scored, compared and judged; and checked again."""

import io

import numpy as np
import pandas as pd

from lib.data.files import StateError, named, read_json, read_table, relative, write_table
from lib.scoring import claims
from lib.scoring.intervals import of_fold, summarise
from lib.scoring.pixels import COUNTS, SCORES
from lib.study.provenance import RECORD, fault_of
from lib.study.results import CELLS, KEYS, MEANS, PIXELS, open_results
from lib.study.schema import relevant

RUN_COLUMNS = [
    *("arm", "digest", "fold", "seed", "side", "status", "learning_rate", "updates", "epochs"),
    *("best_epoch", "parameters", "minutes", "val_loss", "f1", "mean_iou", "one_answer", "marked"),
    *("sees_cells", "processor", "commit", "dirty", "error"),
]
MEASURES = ("seg_gt", "det_gt", "seg_st_pooled", "iou_pooled", "foreground_iou", "known_iou")
COMPARED = ("seg_gt", "det_gt", "merges", "splits")
# What was averaged before cells were cut out, behind the name of the arm.
SEEDS, TURNS = " + seeds", " + turns"
# Columns that say which row of a table is meant.
NAMING = ("id", "arm", "against", "fold", "seed", "turned", "method", "learning_rate")
NAMING += ("video", "frame", "metric")


def write_tables(profile):
    """Make every table anew, and write those where a number differs."""
    for path, table, fault in _compared(open_results(profile)):
        if fault:
            write_table(path, table)


def verify(profile):
    """Compare what a profile keeps with what comes out of its runs now; StateError says where.

    Every file of a run has to be as it was written, and the tables have to follow from them.
    """
    results = open_results(profile)
    for run, folder in results.found:
        folder = folder or run.folder(profile.outputs)
        if folder.exists() and (fault := _run_fault(run, folder)):
            cure = "; restore the file, or remove the folder and `make reproduce` trains it anew"
            raise StateError(f"{relative(folder)}/{fault}{cure}")
    tables = list(_compared(results))
    for path, _, fault in tables:
        if fault:
            raise StateError(f"{relative(path)}: {fault}; `make report` writes it from the runs")
    done = sum(folder is not None for _, folder in results.found)
    return f"{len(tables)} tables came out again, from {done} of {len(results.found)} runs"


def _run_fault(run, folder):
    """Find a file that is cut, then a row whose scores are not those of its counts, then others."""
    fault = fault_of(folder, run.files)
    if run.seed != "seeds" and not fault:
        kept = read_text(folder / "metrics.csv")
        counts = kept[[*COUNTS]].apply(pd.to_numeric, errors="coerce")
        scores = {name: score(**counts) for name, score in SCORES.items() if name in kept}
        if found := difference(kept, kept.assign(**scores)):
            fault = f"metrics.csv: {found}"
    return fault or fault_of(folder, run.files, read=True)


def _compared(results):
    """Make each table; say where its file lies, and what is different there, or None."""
    for name, table in make_tables(results).items():
        path, fault = results.profile.outputs / f"{name}.csv", "is missing"
        yield path, table, difference(read_text(path), table) if path.exists() else fault


def make_tables(results):
    """Compute the tables of a profile."""
    if not results.tested:
        where = relative(results.profile.outputs)
        raise StateError(f"{where}: no run is finished yet; `make reproduce` goes on with the runs")
    evaluation, said = results.profile.settings.evaluation, claims.read_claims()
    bootstrap = {"block": evaluation.block, "resamples": evaluation.resamples}
    runs = _run_table(results, said["rules"]["sees_cells"]["one_answer_below"])
    frame = [*KEYS, "video", "frame"]
    pixels = results.metrics.melt(frame, PIXELS, var_name="metric")
    # What each reading scores with its chosen method; its arm says what was averaged.
    cells = results.cells[results.cells.chosen]
    seeds, turns = np.where(cells.seed == "mean", SEEDS, ""), np.where(cells.turned, TURNS, "")
    cells = cells.assign(arm=cells.arm + seeds + turns).melt(frame, CELLS, var_name="metric")
    turned = [
        {"id": f"turns_{arm}", "what": f"{arm}{TURNS}", "arm": f"{arm}{TURNS}", "against": arm}
        for arm in (name.removesuffix(TURNS) for name in cells.arm.unique() if TURNS in name)
    ]
    summary, original = summarise(pixels, **bootstrap), results.record["known"]
    judged = {"pixels": pixels, "cells": cells, "summary": summary, "runs": runs}
    judged["histories"] = results.histories
    measured = summarise(cells, names=MEASURES + MEANS, **bootstrap)
    stated = said["claims"] + said["facts"]
    return {
        "runs": runs,
        "summary": _with_kinds(summary, runs),
        "effects": claims.effects(pixels, said["effects"], said["metrics"], **bootstrap),
        "cells": _with_kinds(measured, runs),
        "cells_effects": claims.effects(cells, said["effects"] + turned, COMPARED, **bootstrap),
        "cells_methods": _methods(results.cells, results.headline),
        "claims": claims.judge(stated, judged, original=original, **bootstrap),
        "scan": _scan(results, runs),
    }


def _run_table(results, one_answer_below):
    """List the runs, each with what it says of itself and with its scores, pooled over frames."""
    rows = []
    for run, folder in results.networks:
        row = {key: getattr(run, key) for key in ("arm", "digest", "fold", "seed")}
        row |= {"side": run.settings.evaluation.side, "status": "not run"}
        if folder:
            left, history = read_json(folder / RECORD), read_table(folder / "history.csv")
            row |= {key: left[key] for key in RUN_COLUMNS if key in left}
            row |= {"updates": int(history.updates.iloc[-1]), "epochs": len(history)}
            row["learning_rate"] = run.settings.training.learning_rate
            row["minutes"] = history.seconds.sum() / 60
            # The loss that is trained: with weights where it has them.
            row["val_loss"] = history.get("val_weighted_loss", history.val_loss).min()
            chips = ", ".join(left.get("accelerators", ()))
            row["processor"] = chips or left["hardware"]["processor"]
        elif (error := run.partial(results.profile.outputs) / "error.txt").exists():
            row |= {"status": "failed", "error": error.read_text("utf-8").strip()}
        rows.append(row)
    counts = results.metrics.groupby(KEYS)[list(COUNTS)].sum()
    pooled = pd.DataFrame({name: SCORES[name](**counts) for name in ("f1", "mean_iou")})
    table = pd.DataFrame(rows).join(pooled, on=KEYS).reindex(columns=RUN_COLUMNS)
    sees = table.one_answer < one_answer_below
    return table.assign(sees_cells=sees.where(table.one_answer.notna()))


def _with_kinds(table, runs):
    """Say of each mean how many of its runs see cells: ``2/3`` is a mean of two kinds."""
    known, kinds = runs.dropna(subset="sees_cells"), {}
    for fold in table.fold.unique():
        for arm, part in of_fold(known, fold).groupby("arm"):
            kinds[arm, fold] = f"{part.sees_cells.sum():.0f}/{len(part)}"
    arms = table.arm.str.partition(" + ")[0]
    return table.assign(kinds=[kinds.get(key, "") for key in zip(arms, table.fold, strict=True)])


def _scan(results, runs):
    """Compare learning rates: runs that differ in nothing else, where some are trials.

    The lowest validation loss decides, of runs with the seeds that all rates have on the fold.
    """
    groups = {arm: card.group for arm, card in results.profile.cards.items()}
    trial = (runs.side == "validation") | (runs.arm.map(groups) == "scan")
    own, settings = ("training.learning_rate", "evaluation."), []
    for run, _ in results.networks:
        values = relevant(run.settings, run.fold).items()
        settings.append(str([pair for pair in values if not pair[0].startswith(own)]))
    alike = pd.factorize(pd.Series(settings))[0]
    done = runs.assign(trial=trial, alike=alike)[runs.status == "completed"]
    each = ["alike", "fold"]
    rates = done.groupby(each).learning_rate.transform("nunique")
    shared = done.groupby([*each, "seed"]).learning_rate.transform("nunique") == rates
    tried = done[shared].groupby([*each, "learning_rate", "arm"], as_index=False)
    tried = tried.agg({"updates": "max", "val_loss": "min", "trial": "max"})
    scans = tried.groupby(each)
    tried["chosen"] = tried.val_loss == scans.val_loss.transform("min")
    columns = ["arm", "fold", "learning_rate", "updates", "val_loss", "chosen"]
    return tried[scans.trial.transform("max").astype(bool)][columns]


def _methods(cells, fold):
    """Score each arm with each way to come from probabilities to cells."""
    single = of_fold(cells, fold)
    single = single[~single.turned & (single.seed != "mean")].dropna(subset="method")
    runs = single.groupby(["arm", "method", "seed", "fold"], sort=False)
    sums = runs[["gold_jaccard", "gold_true_cells"]].sum()
    sums = sums.assign(seg=sums.gold_jaccard / sums.gold_true_cells, chosen=runs.chosen.mean())
    by_seed = sums.groupby(["arm", "method", "seed"], sort=False)
    # One video is no mean of both.
    means = by_seed.mean()[by_seed.size() == single.fold.nunique()]
    found = means.groupby(["arm", "method"], sort=False)
    columns = {"seg_gt": found.seg.mean(), "lowest": found.seg.min(), "highest": found.seg.max()}
    return pd.DataFrame(columns | {"chosen": found.chosen.mean()}).reset_index()


def read_text(source):
    """Read a CSV file with every cell as text; StateError names it where it is broken."""
    with named(source, "cannot be read"):
        return pd.read_csv(source, dtype=str, keep_default_na=False)


def difference(kept, again):
    """Say where a table of text differs first from one computed again, in nine digits, or None."""
    again = read_text(io.StringIO(again.to_csv(index=False)))
    if list(kept) != list(again):
        return f"columns {', '.join(kept)}; {', '.join(again)} computed again"
    common = min(len(kept), len(again))
    pair = kept[:common], again[:common]
    numbers = [table.apply(pd.to_numeric, errors="coerce").astype(float) for table in pair]
    # The difference of two that are equal is near 0.
    same = (pair[0] == pair[1]) | np.isclose(*numbers, rtol=1e-9, atol=1e-12)
    for row, column in np.argwhere(~same.to_numpy()):
        ours, theirs = (table.iloc[row, column] or "nothing" for table in pair)
        names = [f"{name} {kept[name].iloc[row]}" for name in NAMING if name in kept]
        place = f"row {row + 1} ({', '.join(names)}), column {kept.columns[column]}"
        return f"{place}: {ours}; {theirs} computed again"
    return f"{len(kept)} rows; {len(again)} computed again" if len(kept) != len(again) else None
