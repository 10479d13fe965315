"""The tables of a profile: what its runs left, scored, compared and judged."""

import io
import math

import numpy as np
import pandas as pd

from lib.data.files import StateError, read_json, read_table, relative, write_table
from lib.scoring import claims
from lib.scoring.intervals import fold_differences, of_fold, summarise
from lib.scoring.pixels import COUNTS, SCORES
from lib.study.results import CELLS, KEYS, MEANS, PIXELS, cell_seed, open_results
from lib.study.schema import relevant

# What a run says of itself in its provenance.json.
LEFT = ("status", "best_epoch", "parameters", "one_answer", "marked", "commit", "dirty")
RUN_COLUMNS = [
    *("arm", "digest", "fold", "seed", "side", "status", "learning_rate", "updates", "epochs"),
    *("best_epoch", "parameters", "minutes", "val_loss", "f1", "mean_iou", "one_answer", "marked"),
    *("sees_cells", "processor", "commit", "dirty", "error"),
]
MEASURES = ("seg_gt", "det_gt", "seg_st_pooled", "iou_pooled", "foreground_iou", "known_iou")
MEASURES += MEANS
COMPARED = ("seg_gt", "det_gt", "merges", "splits")
# What was averaged before cells were cut out, behind the name of the arm.
SEEDS, TURNS = " + seeds", " + turns"
# Columns that say which row of a table is meant.
NAMING = ("id", "arm", "against", "fold", "seed", "turned", "method", "learning_rate")
NAMING += ("video", "frame", "metric")


def write_tables(profile):
    """Make every table anew from what the runs left; a file is written where a number differs."""
    for name, table in make_tables(open_results(profile)).items():
        path = profile.outputs / f"{name}.csv"
        if not path.exists() or difference(read_text(path), as_text(table)):
            write_table(path, table)


def make_tables(results):
    """Compute the tables of a profile."""
    if not results.tested:
        where = relative(results.profile.outputs)
        raise StateError(f"{where}: no run is finished yet; `make reproduce` goes on with the runs")
    evaluation = results.profile.settings.evaluation
    bootstrap = {"block": evaluation.block, "resamples": evaluation.resamples}
    said = claims.read_claims()
    stated, names = said["effects"], said["metrics"]
    runs = _run_table(results, said["rules"]["sees_cells"]["one_answer_below"])
    pixels, cells = _tidy(results.metrics, PIXELS), _tidy(_chosen(results.cells), CELLS)
    averaged = [arm for arm in cells.arm.unique() if arm.endswith(TURNS)]
    turned = [
        {"id": f"turns_{arm}", "what": f"{arm}{TURNS}", "arm": f"{arm}{TURNS}", "against": arm}
        for arm in [name.removesuffix(TURNS) for name in averaged]
    ]
    summary = summarise(pixels, **bootstrap)
    judged = {"pixels": pixels, "cells": cells, "summary": summary, "runs": runs}
    judged["histories"] = results.histories
    original = results.record["known"]
    return {
        "runs": runs,
        "summary": _with_kinds(summary, runs),
        "effects": claims.effects(pixels, stated, names, **bootstrap),
        "cells": _with_kinds(summarise(cells, names=MEASURES, **bootstrap), runs),
        "cells_effects": claims.effects(cells, [*stated, *turned], COMPARED, **bootstrap),
        "cells_methods": _methods(results.cells, results.headline),
        "cells_constants": _constants(results),
        "claims": claims.judge(
            said["claims"] + said["facts"], judged, original=original, **bootstrap
        ),
        "scan": _scan(results, runs),
        "leakage": _leakage(results, pixels, names, bootstrap),
    }


def _tidy(table, names):
    return table.melt([*KEYS, "video", "frame"], names, var_name="metric")


def _chosen(cells):
    """Take what each reading scores with its chosen method; its arm says what was averaged."""
    chosen = cells[cells.chosen]
    seeds, turns = np.where(chosen.seed == "mean", SEEDS, ""), np.where(chosen.turned, TURNS, "")
    return chosen.assign(arm=chosen.arm + seeds + turns)


def _run_table(results, one_answer_below):
    counts = results.metrics.groupby(KEYS)[list(COUNTS)].sum()
    pooled = pd.DataFrame({name: SCORES[name](**counts) for name in ("f1", "mean_iou")})
    rows = [_run_row(*pair, results.profile.outputs) for pair in results.networks]
    table = pd.DataFrame(rows).join(pooled, on=KEYS).reindex(columns=RUN_COLUMNS)
    table["sees_cells"] = (table.one_answer < one_answer_below).where(table.one_answer.notna())
    return table


def _run_row(run, folder, outputs):
    row = {key: getattr(run, key) for key in ("arm", "digest", "fold", "seed")}
    row |= {"side": run.settings.evaluation.side, "status": "not run"}
    error = run.partial(outputs) / "error.txt"
    if folder is None and error.exists():
        return row | {"status": "failed", "error": error.read_text(encoding="utf-8").strip()}
    if folder is None:
        return row
    left, history = read_json(folder / "provenance.json"), read_table(folder / "history.csv")
    # The loss that is trained: with weights where it has them.
    trained = history.get("val_weighted_loss", history.val_loss)
    row |= {
        "learning_rate": run.settings.training.learning_rate,
        "updates": int(history.updates.iloc[-1]),
        "epochs": len(history),
        "minutes": history.seconds.sum() / 60,
        "val_loss": trained.min(),
        "processor": ", ".join(left.get("accelerators", ())) or left["hardware"]["processor"],
    }
    return row | {key: left.get(key) for key in LEFT}


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

    The rate of the run with the lowest validation loss is chosen.
    """
    scan = [arm for arm, card in results.profile.cards.items() if card.group == "scan"]
    trial = (runs.side == "validation") | runs.arm.isin(scan)
    alike = pd.factorize(pd.Series([_but_rate(run) for run, _ in results.networks]))[0]
    done = runs.assign(trial=trial, alike=alike)[runs.status == "completed"]
    tried = done.groupby(["alike", "fold", "learning_rate", "arm"], as_index=False).agg(
        updates=("updates", "max"), val_loss=("val_loss", "min"), trial=("trial", "max")
    )
    scans = tried.groupby(["alike", "fold"])
    tried["chosen"] = tried.val_loss == scans.val_loss.transform("min")
    columns = ["arm", "fold", "learning_rate", "updates", "val_loss", "chosen"]
    return tried[scans.trial.transform("max").astype(bool)][columns]


def _but_rate(run):
    values = relevant(run.settings, run.fold).items()
    own = ("training.learning_rate", "evaluation.")
    return str([pair for pair in values if not pair[0].startswith(own)])


def _leakage(results, pixels, names, bootstrap):
    """Compare test frames drawn at random, whose neighbours are trained on, with held-out videos.

    n_seeds is how many runs there are on the fold ``random``.
    """
    rows, networks = [], pixels[pixels.arm.isin(list(results.profile.arms))]
    for arm, part in networks[networks.fold == "random"].groupby("arm", sort=False):
        found = fold_differences(networks, arm, "random", "video", names, **bootstrap)
        rows += [[arm, part.seed.nunique(), metric, *numbers] for metric, numbers in found.items()]
    columns = ["arm", "n_seeds", "metric", "mean", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="mean", ignore_index=True)


def _methods(cells, fold):
    """Score each arm with each way to come from probabilities to cells."""
    single = of_fold(cells, fold)
    single = single[~single.turned & (single.seed != "mean")].dropna(subset="method")
    runs = single.groupby(["arm", "method", "seed", "fold"], sort=False)
    sums = runs[["gold_jaccard", "gold_true_cells"]].sum()
    sums = pd.DataFrame(
        {"seg": sums.gold_jaccard / sums.gold_true_cells, "chosen": runs.chosen.mean()}
    )
    by_seed = sums.groupby(["arm", "method", "seed"], sort=False)
    # One video is no mean of both.
    means = by_seed.mean()[by_seed.size() == single.fold.nunique()]
    found = means.groupby(["arm", "method"], sort=False)
    columns = {"seg_gt": found.seg.mean(), "lowest": found.seg.min(), "highest": found.seg.max()}
    return pd.DataFrame(columns | {"chosen": found.chosen.mean()}).reset_index()


def _constants(results):
    """List the constants of each way to cells, with the validation SEG they were chosen for."""
    rows = []
    for run, folder in results.tested:
        keys = {"arm": run.arm, "fold": run.fold, "seed": cell_seed(run)}
        for turned, left in read_json(folder / "cells.json").items():
            for method, chosen in left["constants"].items():
                score = {"validation_seg": left["validation_seg"][method], "margin": left["margin"]}
                rows.append(keys | {"turned": turned, "method": method} | chosen | score)
    return pd.DataFrame(rows)


def read_text(source):
    """Read a CSV file with every cell as text; StateError names it where it is broken."""
    try:
        return pd.read_csv(source, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise StateError(f"{relative(source)}: cannot be read: {error}") from error


def as_text(table):
    """Make every cell of a table text, as in its file."""
    return read_text(io.StringIO(table.to_csv(index=False)))


def difference(kept, again, *, exact=False):
    """Say where two tables of text differ first, with both values; None where they are the same.

    Numbers are the same that agree to nine digits, as sums of two machines do; not if `exact`.
    """
    if list(kept) != list(again):
        return f"columns {', '.join(kept)}; {', '.join(again)} computed again"
    common = min(len(kept), len(again))
    for row, column in np.argwhere(kept.to_numpy()[:common] != again.to_numpy()[:common]):
        ours, theirs = kept.iloc[row, column], again.iloc[row, column]
        if exact or not _is_close(ours, theirs):
            names = [f"{name} {kept[name].iloc[row]}" for name in NAMING if name in kept]
            return (
                f"row {kept.index[row] + 1} ({', '.join(names)}), column {kept.columns[column]}: "
                f"{ours or 'nothing'}; {theirs or 'nothing'} computed again"
            )
    if len(kept) != len(again):
        return f"{len(kept)} rows; {len(again)} computed again"
    return None


def _is_close(ours, theirs):
    try:
        # A difference of two that are equal is near 0.
        return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-12)
    except ValueError:
        return False
